"""Who is slow, and whether that is over: the one judge that ``fit``, ``whatif`` and reports ask.

A host *stands out* if it is the slowest more often, or for longer, than chance explains. Its
slowness is *over* if it had one or two spells, stretches of rounds that have ended, and would not
stand out without them: it is named with them and not replaced, since whatever it was has passed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....delay_models.base import FloatArray
from .job import Job
from .series import (
    FEWEST_ROUNDS,
    SlowRounds,
    Stretch,
    in_and_out,
    in_spells,
    long_run_deviation,
    normal_scores,
    slow_rounds,
    slow_stretches,
    spans,
)

FEWEST_HOSTS = 3  # of fewer, no spells are found
MOST_SPELLS = 2  # after three, more will come
MOST_OTHERS = 50  # hosts that do not stand out, whose rounds show what is usual
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
    over: Mapping[int, Sequence[Stretch]]  # who was slow in these spells alone, which have ended
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
            over={},
            since={},
        )
    ratios = job.table / job.medians[:, None]
    slow = slow_rounds(ratios, ends)
    standing = job.standing(slow)
    slow, spelled = in_spells(ratios, slow, standing, ends)
    for_a_time = slow_for_a_time(job, ratios, standing) if standing else {}
    last = (1 - NEAR_END) * rounds - 1  # a spell that ends here or later may go on
    over = {host: spells for host, spells in for_a_time.items() if spells[-1].last < last}
    still_slow = [host for host in standing if host not in over]
    return Slow(
        standing=standing,
        rounds=slow,
        factors={host: Factors(*in_and_out(ratios, slow.cells, host)) for host in spelled},
        to_replace=_worth_replacing(job, still_slow),
        over=over,
        since={
            host: spells[0].first
            for host, spells in for_a_time.items()
            if host not in over and len(spells) == 1
        },
    )


def slow_for_a_time(
    job: Job, ratios: FloatArray, standing: Sequence[int]
) -> Mapping[int, Sequence[Stretch]]:
    """Those of the hosts that stand out which have one or two spells, and would not stand out if
    they took the round's median in them; and these spells. What the rounds of a host have in common
    without spells is seen of the others."""
    logs = np.log(np.maximum(ratios, 1e-12))
    others = np.delete(np.arange(ratios.shape[1]), standing)[:MOST_OTHERS]
    usual = np.mean([long_run_deviation(scores) for scores in normal_scores(logs[:, others]).T])
    spells = dict[int, Sequence[Stretch]]()
    mended = job.table.copy()
    for host in standing:
        stretches = slow_stretches(logs[:, host], MOST_SPELLS + 1, float(usual))
        if not 0 < len(stretches) <= MOST_SPELLS:
            continue
        spells[host] = stretches
        for stretch in stretches:
            rows = slice(stretch.first, stretch.last + 1)
            mended[rows, host] = job.medians[rows]
    if not spells:
        return {}
    left = Job(mended)
    lasting = left.standing(slow_rounds(mended / left.medians[:, None]))
    return {host: stretches for host, stretches in spells.items() if host not in lasting}


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
