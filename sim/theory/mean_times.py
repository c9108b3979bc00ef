"""Mean iteration times in elementary terms: exponential delays, and schemes without a barrier.
Every function raises ``InvalidParameter`` for an impossible argument."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..base.errors import InvalidParameter
from ..base.fields import require_count, require_group, require_non_negative, require_positive
from ..base.types import FloatArray
from ..schemes.arrivals import Arrivals, Demand, uncovered_after
from .iteration_time import IterationTimeLaw
from .scheme_time import speculative_rates
from .worker_time import WorkerTime

# Exponential and shifted exponential delays.
#
# A worker's time is ``offset + scale * Exp(1)``. After the offset the next arrival among n - m
# workers comes after scale / (n - m) on average (Renyi's representation of exponential order
# statistics), so a rule's mean is offset + scale * sum_m u_m / (n - m) with u_m the probability
# that m arrivals are not enough.
#
# Sources: Tandon et al. (arXiv 1612.03301) and Dutta et al. (arXiv 1803.01113) for the first k
# arrivals; cover and ErasureHead are our derivation.


@dataclass(frozen=True)
class ExponentialTime:
    """A worker's time ``offset + scale * Exp(1)``, both in seconds."""

    offset: float
    scale: float

    def __post_init__(self) -> None:
        require_non_negative("offset", self.offset)
        require_non_negative("scale", self.scale)


def proportional_time(shift: float, rate: float, load: int) -> ExponentialTime:
    """A worker's time under the proportional law: load * (shift + Exp(rate))."""
    require_non_negative("shift", shift)
    require_positive("rate", rate)
    require_count("load", load)
    return ExponentialTime(load * shift, load / rate)


def additive_time(
    shift: float, rate: float, load: int, seconds_per_partition: float
) -> ExponentialTime:
    """A worker's time under the additive law: load * seconds_per_partition + shift + Exp(rate)."""
    require_non_negative("shift", shift)
    require_positive("rate", rate)
    require_count("load", load)
    require_non_negative("seconds_per_partition", seconds_per_partition)
    return ExponentialTime(load * seconds_per_partition + shift, 1.0 / rate)


def harmonic(n: int) -> float:
    """H_n = 1 + 1/2 + ... + 1/n, H_0 = 0. Cost: O(n)."""
    require_count("n", n, least=0)
    return float(np.sum(1.0 / np.arange(n, 0, -1)))


def mean_uncoded(time: ExponentialTime, workers: int) -> float:
    """All n: offset + scale * H_n, in seconds."""
    return mean_first_k(time, workers, workers)


def mean_first_k(time: ExponentialTime, workers: int, wait_for: int) -> float:
    """The first k = ``wait_for`` of n: offset + scale * (H_n - H_(n-k)), in seconds."""
    require_count("workers", workers)
    require_count("wait_for", wait_for, workers=workers)
    out = np.arange(workers, workers - wait_for, -1)
    return time.offset + time.scale * float(np.sum(1.0 / out))


def mean_quorum(time: ExponentialTime, workers: int, wait_for: int, grace: float) -> float:
    """``grace`` seconds after the k-th of n arrivals, or when all have come; seconds.
    ``mean_first_k`` + scale * sum_{j <= n-k} p^j / j with p = 1 - exp(-grace / scale), the chance
    that one who is missing still comes."""
    require_non_negative("grace", grace)
    left = np.arange(1, workers - wait_for + 1)
    p = -np.expm1(-grace / time.scale) if time.scale else 1.0
    return mean_first_k(time, workers, wait_for) + time.scale * float(np.sum(p**left / left))


def mean_speculative(time: ExponentialTime, workers: int, copy_after: int) -> float:
    """Backup tasks after q of n arrivals; exponential times without offset. ``mean_first_k`` +
    scale * sum_{m <= n-q} 1 / min(2 m, n): of m missing tasks each has two attempts, or as many as
    there are workers."""
    require_count("copy_after", copy_after, workers=workers)
    if time.offset:
        raise InvalidParameter("offset", time.offset, "must be 0: a copy has an offset of its own")
    return time.scale * float(np.sum(1.0 / speculative_rates(workers, copy_after)))


def mean_cover(time: ExponentialTime, workers: int, load: int) -> float:
    """Every group of ``load`` covered: offset + (scale / load) * H_(n/load), in seconds."""
    require_group(load, workers)
    return time.offset + time.scale / load * harmonic(workers // load)


def mean_erasurehead(time: ExponentialTime, workers: int, load: int, wait_for: int) -> float:
    """``wait_for`` arrivals or cover, whichever comes first, in seconds. offset + scale * sum_{m <
    wait_for} q_m / (n - m), q_m = P(not covered after m arrivals)."""
    uncovered = uncovered_after(workers, load, wait_for)
    return time.offset + time.scale * float(np.sum(uncovered / (workers - np.arange(wait_for))))


# Updates when workers do not all wait for each other: mean seconds between two of them.
#
# One gradient takes one unit delay X, independent of all others. K = ``wait_for``; K = 1 without a
# barrier is fully asynchronous descent; ``gradient_table`` has its times.
#
# Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race (arXiv
# 1803.01113). ``mean_k_batch_async`` is a long-run average (elementary renewal theorem).


def mean_k_sync(workers: int, wait_for: int, rate: float) -> float:
    """K of n workers at the current model, others cancelled; Exp(rate): (H_n - H_(n-K)) / rate."""
    require_positive("rate", rate)
    return mean_first_k(ExponentialTime(0.0, 1.0 / rate), workers, wait_for)


mean_k_async = mean_k_sync
"""The next K distinct workers, the rest go on computing; X ~ Exp(rate). Equal, since the rest of an
exponential delay has the law of a whole one."""


def mean_k_batch_sync(workers: int, wait_for: int, rate: float) -> float:
    """K gradients from whichever workers, the rest cancelled; X ~ Exp(rate): K / (n rate)."""
    require_count("workers", workers)
    require_count("wait_for", wait_for)
    require_positive("rate", rate)
    return wait_for / (workers * rate)


def bound_k_async(workers: int, wait_for: int, unit: WorkerTime) -> float:
    """Upper bound on the mean of K-async for any X that is new-longer-than-used: E[X_(K:n)].
    New-longer-than-used: P(X > s + t | X > s) <= P(X > t), as for a shifted exponential delay and a
    Weibull or gamma one with shape >= 1."""
    require_count("workers", workers)
    require_count("wait_for", wait_for, workers=workers)
    return IterationTimeLaw(Demand(Arrivals(workers, wait_for, wait_for)), unit).mean()


def mean_k_batch_async(workers: int, wait_for: int, mean_delay: float) -> float:
    """The next K gradients, nobody is cancelled; any X of that mean (seconds): K E[X] / n."""
    require_count("workers", workers)
    require_count("wait_for", wait_for)
    require_positive("mean_delay", mean_delay)
    return wait_for * mean_delay / workers


def mean_ssp(ahead: int, rate: float) -> float:
    """Two workers, one at most s gradients ahead; Exp(rate): (2 s + 3) / ((4 s + 4) rate) seconds.
    The lead is a walk on -(s + 1), ..., s + 1, held at its ends. Our derivation."""
    require_count("ahead", ahead, least=0)
    require_positive("rate", rate)
    return (2 * ahead + 3) / ((4 * ahead + 4) * rate)


def asynchronous_weights(mean_times: ArrayLike) -> FloatArray:
    """What each worker's own data weigh in plain asynchronous descent, ``(n,)``; fair is 1. With
    ``mean_times`` tau, ``(n,)`` seconds, worker j delivers 1 / tau_j gradients a second: its weight
    is (1 / tau_j) / mean(1 / tau). So descent ends at the optimum of losses that are weighed like
    this; ``rescale`` makes them equal. Elementary renewal theorem."""
    rates = _rates(mean_times)
    return np.asarray(rates / rates.mean())


def least_seconds(mean_times: ArrayLike) -> float:
    """Seconds per n gradients below which no method comes with these workers: n / sum_j 1 / tau_j,
    ``mean_times`` tau being ``(n,)`` mean seconds of each worker's gradient. Nobody ever waits
    there, and every gradient counts. Elementary renewal theorem."""
    rates = _rates(mean_times)
    return float(rates.size / rates.sum())


def _rates(mean_times: ArrayLike) -> FloatArray:
    times = np.asarray(mean_times, dtype=np.float64)
    if times.ndim != 1 or not times.size or not np.all((times > 0) & (times < np.inf)):
        raise InvalidParameter("mean_times", mean_times, "must be a list of positive numbers")
    return 1.0 / times


def mean_asynchronous(workers: int, mean_delay: float) -> float:
    """An update for each gradient, nobody is cancelled; any X of that mean: E[X] / n."""
    return mean_k_batch_async(workers, 1, mean_delay)
