"""Who is slow, and whether that is over: the one judge that ``fit``, ``whatif`` and reports ask.

A host *stands out* if it is the slowest more often, or for longer, than chance explains. A *spell*
is a run of successive rounds in which it is slow. Who was slow in one or two spells that have all
ended is named with their rounds and not replaced: whatever it was has passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .job import Job
from .series import FEWEST_ROUNDS, SlowRounds, in_and_out, in_spells, slow_rounds, spans

FEWEST_HOSTS = 3  # of fewer, no spells are found
MANY_SPELLS = 3  # from so many on, more will come
NEAR_END = 0.02  # share of the rounds: a spell that ends later may go on
LITTLE = 0.005  # share of a step: a host that costs less is not replaced


class Factors(NamedTuple):
    """How many times the round's median a host typically takes."""

    in_spells: float
    outside: float


@dataclass(frozen=True, eq=False)
class Slow:
    """Who stands out in the rounds of a job, and when each of them is slow."""

    standing: Sequence[int]  # who stands out from chance, most to blame first
    rounds: SlowRounds | None  # in which workers are slow; ``None``: too few rounds to tell
    factors: Mapping[int, Factors]  # of those whose slowness comes and goes in spells
    to_replace: Sequence[int]  # who stands out and is still slow, most to blame first
    over: Sequence[int]  # who was slow in one or two spells, which have ended
    since: Mapping[int, int]  # who is slow to the end, by the round in which its only spell began


def judge(job: Job, ends: Sequence[int] = ()) -> Slow:
    """Judge all hosts of a job. A table begins at each of the ``ends``."""
    rounds, workers = job.table.shape
    if rounds < FEWEST_ROUNDS or workers < FEWEST_HOSTS:
        standing = job.standing_out()
        return Slow(
            standing=standing,
            rounds=None,
            factors={},
            to_replace=_worth_replacing(job, standing),
            over=(),
            since={},
        )
    ratios = job.table / job.medians[:, None]
    slow = slow_rounds(ratios, ends)
    standing = job.standing(slow)
    slow, spelled = in_spells(ratios, slow, standing, ends)
    still_slow = list[int]()
    over = list[int]()
    since = dict[int, int]()
    for host in standing:
        spells = spells_of(slow, host) if host in spelled else np.empty((0, 2), dtype=np.int64)
        goes_on = len(spells) > 0 and spells[-1, 1] >= (1 - NEAR_END) * rounds - 1
        if 0 < len(spells) < MANY_SPELLS and not goes_on:
            over.append(host)
            continue
        still_slow.append(host)
        if len(spells) == 1:
            since[host] = int(spells[0, 0])
    return Slow(
        standing=standing,
        rounds=slow,
        factors={host: Factors(*in_and_out(ratios, slow.cells, host)) for host in spelled},
        to_replace=_worth_replacing(job, still_slow),
        over=over,
        since=since,
    )


def spells_of(slow: SlowRounds, worker: int) -> NDArray[np.int64]:
    """The first and the last of each run of two slow rounds or more, ``(spells, 2)``."""
    runs = slow.runs[worker]
    _, lengths = runs
    return spans(runs)[lengths > 1]


def _worth_replacing(job: Job, hosts: Sequence[int]) -> Sequence[int]:
    """The hosts without the last ones, as long as the last one saves little beside the others."""
    step = job.slowest.seconds[:, 0].mean()
    for count in range(len(hosts), 0, -1):
        before, _, _ = job.slowest.without(hosts[: count - 1])
        after, _, _ = job.slowest.without(hosts[:count])
        if (before - after).mean() >= LITTLE * step:
            return hosts[:count]
    return ()
