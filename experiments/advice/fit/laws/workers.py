"""Workers that differ from the others, their spells, and racks that are slow together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .....delay_models.base import FloatArray
from .....delay_models.factors import GroupEffects, placed_in_racks
from ....text import percent
from ...statistics.groups import Group, placed, slow_together
from ...statistics.job import RUNS, Job, round_medians
from ...statistics.series import (
    FEWEST_ROUNDS,
    SPELL_CHANCE,
    Estimates,
    Runs,
    blocks,
    correlations,
    likely_states,
)
from ...statistics.series import LEVEL as CONFIDENCE
from ...statistics.slow import judge
from .law import Section, lognormal_section, model_of, rounded

JUDGED_WORKERS = 50  # for which intervals are computed: those that cost most
NEUTRAL = {"factors": 1.0, "ranks": 0.0}  # fields that list workers, and a number without effect


@dataclass(frozen=True, eq=False)
class Workers:
    """What is known of each worker."""

    slower: Estimates  # times the median worker's typical delay
    slow: Estimates  # share of the rounds in which it is slow
    spell: Estimates  # rounds in a row in which it is slow, on average
    correlation: Estimates  # of log(delay / round's median) in successive rounds
    cost: Estimates  # seconds a round that a median worker in its place would save
    # Those that stand out by spells: slow for a while, then fast again; with how many times the
    # round's median they typically take in them, and in the other rounds.
    spelled: Mapping[int, tuple[float, float]]
    standing: tuple[int, ...]  # those that stand out from chance, the costliest first
    order: tuple[int, ...]  # all, those that stand out first, then by what they cost
    level: float  # a worker is slow beyond so many times the round's median
    over: tuple[int, ...]  # those of one or two spells that have ended: they need no remedy

    @property
    def differ(self) -> bool:
        """Whether one that stands out is slower for good: its interval lies above 1."""
        return any(self.slower.low[j] > 1 for j in self.standing)


def judge_workers(tables: Sequence[FloatArray]) -> Workers | None:
    """Of ``(rounds, n)`` tables; ``None`` with few rounds or workers, or a round's median of 0 s.
    Cost: a sort of every round, and a thousand means for each of ``JUDGED_WORKERS`` workers."""
    rounds = np.concatenate(tables)
    job = Job(rounds)
    medians = job.medians
    if len(rounds) < FEWEST_ROUNDS or rounds.shape[1] < 3 or medians.min() <= 0:
        return None
    cost, _ = job.slowest.alone
    costly, due_to = np.argsort(-cost, kind="stable"), job.slowest.due_to
    resampled = blocks([rounds.max(axis=1), medians, *map(due_to, costly[:3])])
    ratios = rounds / medians[:, None]
    ends = np.cumsum([len(table) for table in tables])[:-1].tolist()
    judgement = judge(job, ends)
    slow = judgement.rounds
    assert slow is not None  # there are enough rounds
    standing = judgement.standing
    order = [*standing, *(int(j) for j in costly if j not in standing)]
    judged, share = order[:JUDGED_WORKERS], slow.cells.mean(axis=0)
    slow_ends = resampled.intervals(share, judged, lambda j: slow.cells[:, j].astype(np.float64))
    low, high = resampled.intervals(cost, judged, due_to)
    return Workers(
        _slower(ratios),
        Estimates(share, *np.clip(slow_ends, 0.0, 1.0)),
        spell_lengths(slow.runs),
        correlations(np.split(np.log(np.maximum(ratios, 1e-12)), ends)),
        Estimates(cost, np.maximum(low, 0.0), high),
        judgement.factors,
        tuple(standing),
        tuple(order),
        slow.level,
        tuple(judgement.over),
    )


def _slower(ratios: FloatArray) -> Estimates:
    """Medians over rounds; intervals from the medians of ``RUNS`` runs of rounds."""
    whole = np.median(ratios, axis=0)
    count = min(RUNS, len(ratios))
    split = [np.median(run, axis=0) for run in np.array_split(ratios, count)]
    errors = np.std(split, axis=0, ddof=1) / np.sqrt(count)
    reach = _student(count) * errors
    centre = float(np.median(whole)) or 1.0
    return Estimates(whole / centre, (whole - reach) / centre, (whole + reach) / centre)


def _student(count: int) -> float:
    """How many standard errors the mean of so many numbers may be off."""
    return -float(special.stdtrit(count - 1, (1 - CONFIDENCE) / 2))


def spell_lengths(every: Sequence[Runs]) -> Estimates:
    """Mean length of runs of slow rounds, by Student's interval of their lengths from three on."""
    value, low, high = (np.full(len(every), np.nan) for _ in range(3))
    for j, lengths in enumerate(lengths for _, lengths in every):
        if len(lengths):
            value[j] = lengths.mean()
        if len(lengths) >= 3:
            reach = _student(len(lengths)) * (float(lengths.std(ddof=1)) / np.sqrt(len(lengths)))
            low[j], high[j] = max(1.0, value[j] - reach), value[j] + reach
    return Estimates(value, low, high)


def without(tables: Sequence[FloatArray], workers: Iterable[int]) -> list[FloatArray]:
    """``(rounds, n)`` tables without the columns of some workers."""
    return [np.delete(table, [*workers], axis=1) for table in tables]


def with_own_laws(section: Section, tables: Sequence[FloatArray], workers: Workers) -> Section:
    """A section that was fitted to the other workers, and the laws of those with spells, whose
    delays are those of a typical round where a factor of the round stays around all of them."""
    if section["model"] == "round_effects":
        rounds = np.concatenate(tables)
        medians = round_medians(rounds)
        typical = rounds / (medians / np.median(medians))[:, None]
        return section | {"base": with_own_laws(section["base"], [typical], workers)}
    others = iter(range(tables[0].shape[1]))
    origins = [None if j in workers.spelled else next(others) for j in range(tables[0].shape[1])]
    return {
        "model": "own_laws",
        "workers": [*workers.spelled],
        "models": [_spells_of(tables, worker, workers) for worker in workers.spelled],
        "base": _arranged(section, origins, len(origins)),
        **({"complete": True} if "complete" in section else {}),
    }


def in_turn(section: Section, workers: int, count: int) -> Section:
    """A section of so many ``workers`` for a ``count`` of them: these again and again, in their
    order. Measured rounds have no more."""
    return _arranged(section, [j % workers for j in range(count)], workers)


def _arranged(section: Section, origins: Sequence[int | None], workers: int) -> Section:
    """A section for workers each of whom is like the one of the section that is its origin;
    ``None``: like none, which has neutral numbers. The section is of so many ``workers``; those
    that come again are in racks of their own."""
    arranged = dict(section)
    if section["model"] == "group_effects":
        model = model_of(section)
        assert isinstance(model, GroupEffects)
        racks, j = model.racks(workers), np.arange(len(origins))
        racks = racks[j % workers] + j // workers * (racks.max() + 1)
        arranged = {k: v for k, v in section.items() if k not in ("size", "placement")}
        arranged |= placement(racks)
    if "sizes" in section and len(origins) > workers:  # of clumps of cold starts, among more
        times = len(origins) / workers
        arranged["sizes"] = [round(size * times) for size in section["sizes"]]
    elif "sizes" in section and len(origins) < workers:  # where a clump may miss all
        del arranged["sizes"]
        arranged["share"] = rounded(float(np.mean(section["sizes"])) / workers)
    for field in NEUTRAL.keys() & section.keys():
        arranged[field] = [NEUTRAL[field] if j is None else section[field][j] for j in origins]
    if isinstance(section.get("base"), dict):
        arranged["base"] = _arranged(section["base"], origins, workers)
    if section["model"] == "own_laws":
        laws = dict(zip(section["workers"], section["models"], strict=True))
        arranged["workers"] = [j for j, origin in enumerate(origins) if origin in laws]
        arranged["models"] = [laws[origin] for origin in origins if origin in laws]
        return arranged if arranged["workers"] else dict(arranged["base"])
    return arranged


def _spells_of(tables: Sequence[FloatArray], worker: int, workers: Workers) -> Section:
    """Two states with the mean length of its spells and its share of slow rounds."""
    own = np.concatenate([table[:, worker] for table in tables])
    medians = np.concatenate([round_medians(table) for table in tables])
    slow, logs = own > workers.level * medians, np.log(np.maximum(own, 1e-12))
    if slow.all() or not slow.any():  # of a fold, say
        return _lognormal(logs)
    slow = likely_states(np.log(np.maximum(own / medians, 1e-12)), slow)
    leaves = 1 / float(workers.spell.value[worker])
    share = float(slow.mean())
    return {
        "model": "markov",
        "slow_to_slow": rounded(1 - leaves, 4),
        "fast_to_slow": rounded(min(1.0, leaves * share / (1 - share)), 4),
        "fast": _lognormal(logs[~slow]),
        "slow": _lognormal(logs[slow]),
    }


def _lognormal(logs: FloatArray) -> Section:
    return lognormal_section(logs, max(1e-3, float(logs.std())))


# Racks as one law: who is in which, how slow, and for how long.

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
    """Whether racks that are ``slow``, ``(R, K)``, are all slow ``together``, ``(R,)``, so often.
    Then none is slow beside another, until the first one leaves, if they are independent."""
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
