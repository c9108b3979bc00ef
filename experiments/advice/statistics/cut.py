"""Rounds that were *cut*: they ended before everybody was heard. Which arrivals were measured, who
is heard too seldom, and whether rounds as a whole are slow or fast.

A worker that was not heard took longer than its round's *end*, and no more is known of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any, Literal

import numpy as np
from scipy import special

from ....delay_models.base import FloatArray
from ....delay_models.measured.listening import Listening
from ....sim.base.types import IntArray
from .series import SEED, blocks

# How a number is known: from every round; as a bound, since some rounds ended before; by a law.
Known = Literal["measured", "at least", "extrapolated"]

FALSELY_SLOW = 0.003  # chance that some host of a table in which all are alike is named
UNEVEN_ERRORS = 4.0  # standard errors by which rounds vary too much
UNEVEN_RATIO = 1.5  # times the variance of independent workers, from which on it matters


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The k-th arrivals of cut rounds, ``(K,)`` each."""

    ks: IntArray
    rounds_heard: IntArray  # rounds in which k workers were heard
    known: Sequence[Known]
    seconds: FloatArray  # the mean k-th arrival where it was measured, else NaN
    low: FloatArray  # 95 % interval of these
    high: FloatArray
    # The mean of the k-th arrival, or of the end in rounds that ended before it: no less is true.
    at_least: FloatArray


def arrivals_of(table: FloatArray, listening: Listening, ks: Sequence[int]) -> Arrivals:
    """Of ``(R, n)`` seconds, infinite where a worker was not heard."""
    places = np.array(ks, dtype=np.int64)
    ordered = np.sort(table, axis=1)[:, places - 1]
    there = np.isfinite(ordered)
    counts = there.sum(axis=0)
    bounded = np.where(there, ordered, listening.ends[:, None])
    means = bounded.mean(axis=0)
    whole = counts == len(table)
    low, high = np.full(len(places), np.nan), np.full(len(places), np.nan)
    if whole.any():
        measured = np.flatnonzero(whole)
        resampled = blocks([bounded[:, measured[0]], bounded[:, measured[-1]]])
        low, high = resampled.intervals(means, measured, lambda k: bounded[:, k])
    known: list[Known] = [
        "measured" if count == len(table) else "at least" if count else "extrapolated"
        for count in counts
    ]
    return Arrivals(
        ks=places,
        rounds_heard=counts,
        known=known,
        seconds=np.where(whole, means, np.nan),
        low=low,
        high=high,
        at_least=means,
    )


@dataclass(frozen=True, eq=False)
class Survival:
    """The Kaplan-Meier estimate of how many delays are longer, at the seconds that were heard,
    ``(D,)`` each, with the ends of its 95 % interval."""

    seconds: FloatArray
    longer: FloatArray  # the share of delays that are longer
    low: FloatArray
    high: FloatArray

    def quantiles(self, levels: FloatArray) -> FloatArray:
        """Seconds that shares ``(L,)`` of the delays do not exceed; NaN where too few were heard.
        Between two heard seconds as between the middles of their steps."""
        before = np.concatenate([[1.0], self.longer[:-1]])
        middles = 1 - (before + self.longer) / 2
        return np.asarray(
            np.interp(levels, middles, self.seconds, left=self.seconds[0], right=np.nan)
        )


def survival_of(heard: FloatArray, ends: FloatArray) -> Survival:
    """Of heard seconds, ``(D,)``, and the ends that the other cells outlasted, ``(M,)``."""
    from scipy import stats  # half a second, which only cut rounds take

    data = stats.CensoredData(uncensored=heard, right=ends)
    estimate = stats.ecdf(data).sf
    with warnings.catch_warnings():  # the interval is unknown where all or none were heard
        warnings.simplefilter("ignore", RuntimeWarning)
        around: Any = estimate.confidence_interval(0.95, method="log-log")
    died = np.isin(estimate.quantiles, heard)
    low = np.nan_to_num(around.low.probabilities, nan=0.0)
    high = np.nan_to_num(around.high.probabilities, nan=1.0)
    return Survival(
        seconds=estimate.quantiles[died],
        longer=estimate.probabilities[died],
        low=low[died],
        high=high[died],
    )


# Who is heard too seldom, without any law: if all hosts are alike, those that are still awaited
# when somebody is heard are equally likely to be this one. So each of those m has 1 / m of that
# arrival in its account, and who was heard as often as its account says is like the others. This is
# the log-rank test with rounds as strata, so what makes a whole round slow does not count. Source:
# Mantel, Cancer Chemotherapy Reports 50 (1966); Peto and Peto, JRSS A 135 (1972).


@dataclass(frozen=True, eq=False)
class HostsHeard:
    """How often each host was heard, ``(n,)`` each, of the rounds that it began on time."""

    rounds: IntArray
    times: IntArray
    account: FloatArray  # how often if it were like the others that were awaited beside it
    usual: float  # the share of its rounds in which the median host was heard
    seldom: Sequence[int]  # hosts heard too seldom, beyond chance, the clearest first


def hosts_heard(table: FloatArray, listening: Listening) -> HostsHeard:
    """The host that is heard least of what it should be is taken away, and the others are judged
    again by themselves, until none stands out."""
    count = table.shape[1]
    left = np.arange(count)
    seldom = list[int]()
    account = np.zeros(count)
    times = (listening.heard & listening.on_time).sum(axis=0)
    lots = np.random.default_rng(SEED).random(table.shape)
    while len(left) > 2:
        scores, variances = _scores(
            np.where(listening.on_time, table, np.nan)[:, left], lots[:, left]
        )
        sums = np.nansum(scores, axis=0)
        account[left] = times[left] - sums
        spread = np.where(np.isnan(scores), 0.0, variances[:, None]).sum(axis=0)
        deviations = np.sqrt(np.maximum(spread, 1e-12) * _lasting(scores, variances))
        reach = -float(special.ndtri(FALSELY_SLOW / count))
        worst = int(np.argmin(sums / deviations))
        if sums[worst] / deviations[worst] > -reach:
            break
        seldom.append(int(left[worst]))
        left = np.delete(left, worst)
    rounds = listening.on_time.sum(axis=0)
    return HostsHeard(
        rounds=rounds,
        times=times,
        account=account,
        usual=float(np.median(times / np.maximum(rounds, 1))),
        seldom=seldom,
    )


def _scores(table: FloatArray, lots: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Heard or not, less its account, ``(R, n)``; NaN where the table is. And the variance of a
    cell's score in each round, ``(R,)``. Equal seconds are put in order by ``lots``."""
    order = np.lexsort((lots, table), axis=1)  # NaN last
    ordered = np.take_along_axis(table, order, axis=1)
    awaited = np.isfinite(ordered) + np.isinf(ordered)
    behind = awaited.sum(axis=1)[:, None] - np.arange(table.shape[1])
    heard = np.isfinite(ordered)
    account = np.cumsum(np.where(heard, 1 / np.maximum(behind, 1), 0.0), axis=1)
    in_order = np.where(awaited, heard - account, np.nan)
    scores = np.empty_like(in_order)
    np.put_along_axis(scores, order, in_order, axis=1)
    counts = np.maximum(awaited.sum(axis=1), 1)
    return scores, np.asarray(np.nansum(scores**2, axis=1) / counts)


def _lasting(scores: FloatArray, variances: FloatArray) -> float:
    """How many times as much the sums of successive scores vary as if rounds were independent, at
    least 1: workers that are slow for a while are no slow hosts."""
    rounds = len(scores)
    length = isqrt(rounds)
    if length < 2:
        return 1.0
    whole = rounds // length * length
    known = np.where(np.isnan(scores), 0.0, scores - np.nanmean(scores, axis=0))[:whole]
    sums = known.reshape(-1, length, scores.shape[1]).sum(axis=1)
    there = np.where(np.isnan(scores), 0.0, variances[:, None])[:whole]
    blocks_count = whole // length
    if blocks_count < 2:
        return 1.0
    freedom = 1 - 1 / blocks_count  # each host's own mean is taken off
    return max(1.0, float((sums**2).sum() / max(float(there.sum()) * freedom, 1e-12)))


def unevenness(heard: FloatArray, hazards: FloatArray) -> tuple[float, float]:
    """The variance of rounds over that of independent workers, and its standard error; of how many
    were heard in each round, ``(R,)``, and how many a law expects by what its workers spent there,
    the sum of their cumulative hazards, ``(R,)``. The difference has the mean 0 and a variance of
    the number heard, whatever ended the round. Source: Andersen and Gill, Cox's regression model
    for counting processes, Ann. Statist. 10 (1982)."""
    ratio = float(np.mean((heard - hazards) ** 2) / np.mean(heard))
    error = float(np.sqrt((2 + 6 / np.mean(heard)) / len(heard)))
    return ratio, error


def is_uneven(ratio: float, error: float) -> bool:
    """Whether rounds vary more than independent workers would let them, and by what matters."""
    return ratio > max(UNEVEN_RATIO, 1 + UNEVEN_ERRORS * error)
