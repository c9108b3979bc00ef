"""Racks that are slow together, as one law: who is in which, how slow, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ...delay_models.base import FloatArray
from ...delay_models.factors import placed_in_racks
from ..statistics.groups import Group, placed, slow_together
from ..statistics.job import Job
from ..statistics.spells import FEWEST_ROUNDS, SPELL_CHANCE
from ..text import percent
from .law import Section, rounded

SLOW_SHARE = 0.75  # of what a slow rack takes more, from which one is slow that was not found to be
TOGETHER_CHANCE = 0.01  # that racks are all slow so often, above which rounds are not slow as such
CLEAR_ERRORS = 4.0  # by which racks must stay slow more often than they are, to have spells


@dataclass(frozen=True, eq=False)
class Racks:
    """All racks of some workers, which are alike but for chance."""

    of_worker: NDArray[np.int64]  # the rack of each worker, ``(n,)``
    slow: NDArray[np.bool_]  # the rounds in which each rack is slow, ``(R, K)``
    times: float  # how many times as long the tasks of a slow rack take

    @property
    def share(self) -> float:
        """The share of rounds in which a rack is slow."""
        return float(self.slow.mean())

    @property
    def leaves(self) -> float:
        """The chance that a rack that is slow is not so in the next round."""
        return float((~self.slow[1:])[self.slow[:-1]].mean())

    @property
    def lasts(self) -> bool:
        """Whether racks stay slow for more rounds than chance has it."""
        error = np.sqrt(self.share * (1 - self.share) / self.slow[:-1].sum())
        return bool(1 - self.leaves - self.share > CLEAR_ERRORS * error)

    @property
    def words(self) -> str:
        """What is known of them, in a line."""
        sizes = np.unique(np.bincount(self.of_worker))
        many = " to ".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))
        row = f", {1 / self.leaves:.3g} in a row" if self.lasts else ""
        often = f"in {percent(self.share)} of rounds{row}"
        return f"{self.slow.shape[1]} racks of {many} workers, {self.times:.3g} times {often}"

    def mended(self, tables: Sequence[FloatArray]) -> list[FloatArray]:
        """``(rounds, n)`` tables without what racks do."""
        factors = np.where(self.slow, self.times, 1.0)[:, self.of_worker]
        ends = np.cumsum([len(table) for table in tables])[:-1]
        pairs = zip(tables, np.split(factors, ends), strict=True)
        return [table / own for table, own in pairs]

    def section(self, base: Section) -> Section:
        """The ``delay:`` section of racks around ``base``."""
        times, share = rounded(self.times, 4), rounded(self.share, 4)
        factor: Section = {"slow": times, "leave": rounded(self.leaves, 4)}
        factor["enter"] = rounded(min(1.0, self.leaves * self.share / (1 - self.share)), 4)
        if not self.lasts:
            parts = [{"model": "deterministic", "value": value} for value in (1.0, times)]
            weights = [rounded(1 - share), share]
            factor = {"model": "mixture", "weights": weights, "components": parts}
        place = placement(self.of_worker)
        return {"model": "group_effects", **place, "factor": factor, "base": base}


def _by_chance(slow: NDArray[np.bool_], together: NDArray[np.bool_]) -> bool:
    """Whether racks that are ``slow``, ``(R, K)``, are all slow ``together`` so often, ``(R,)``, where
    none is slow beside another. If they are independent, that ends as soon as one leaves."""
    rounds, racks = slow.shape
    share = slow.mean()
    leaves = (~slow[1:])[slow[:-1]].mean()
    begins = np.count_nonzero(together[1:] & ~together[:-1]) + together[0]
    expected = rounds * share**racks * (1 - (1 - leaves) ** racks)
    return bool(special.pdtrc(begins - 1, expected) > TOGETHER_CHANCE)


def placement(of_worker: NDArray[np.int64]) -> Section:
    """The fields of a section for the rack of each worker, ``(n,)``, counted from 0."""
    size, workers = int(np.bincount(of_worker)[0]), len(of_worker)
    ways: tuple[Literal["within", "across"], ...] = ("within", "across")
    for way in ways:
        if workers % size == 0 and np.array_equal(placed_in_racks(way, size, workers), of_worker):
            return {"size": size, "placement": way}
    return {"placement": of_worker.tolist()}


def find_racks(
    tables: Sequence[FloatArray], hosts: Sequence[str], named: Mapping[str, Sequence[str]]
) -> tuple[list[Group], Racks | None]:
    """The groups of workers of ``(rounds, n)`` tables that are slow together, as ``whatif`` finds
    them, in those that the table names if it names some; and all racks, if every worker is in one
    and all are slow about equally often. A table that names none must have shown all but one."""
    rounds = np.concatenate(tables)
    if len(rounds) < FEWEST_ROUNDS or rounds.shape[1] < 3 or np.median(rounds, axis=1).min() <= 0:
        return [], None
    groups = slow_together(Job(rounds), hosts, named)
    groups.sort(key=lambda group: -group.slow.sum())
    of_worker = placed([[hosts[j] for j in group.hosts] for group in groups], hosts, named)
    left = of_worker < 0
    many = left.sum() > np.bincount(of_worker[~left], minlength=1).max()
    if not groups or many or any(group.slow.all() for group in groups):
        return groups, None
    of_worker[left] = of_worker.max() + 1
    times = float(np.exp(np.median(np.concatenate([g.beyond[g.slow] for g in groups]))))
    # Where most racks are slow, a group is not slow beside the others, but beside the fastest.
    logs = np.log(np.maximum(rounds, 1e-12))
    racks = range(int(of_worker.max()) + 1)
    middles = np.stack([np.median(logs[:, of_worker == r], axis=1) for r in racks], axis=1)
    beyond = middles - np.median(middles, axis=0)
    beyond -= beyond.min(axis=1, keepdims=True)
    slow = beyond > SLOW_SHARE * np.log(times)
    slow[:, : len(groups)] |= np.stack([group.slow for group in groups], axis=1)
    fastest = middles.min(axis=1)
    everybody = fastest - np.median(fastest) > SLOW_SHARE * np.log(times)
    if _by_chance(slow, everybody):
        slow[everybody] = True
    begins = (slow[1:] & ~slow[:-1]).sum(axis=0) + slow[0]
    unlike = float(((begins - begins.mean()) ** 2).sum() / begins.mean())
    alone = slow.shape[1] < 2 or times <= 1
    if alone or special.chdtrc(slow.shape[1] - 1, unlike) < SPELL_CHANCE:
        return groups, None
    order = [*dict.fromkeys(of_worker.tolist())]  # racks are numbered in the order of their workers
    return groups, Racks(np.argsort(order)[of_worker], slow[:, order], times)
