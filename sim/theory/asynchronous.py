"""Mean seconds between updates when workers do not all wait for each other.

One gradient takes one unit delay X, independent of all others. K = ``wait_for``; K = 1 without a
barrier is fully asynchronous descent; ``gradient_table`` has its times.

Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race
(arXiv 1803.01113). ``mean_k_batch_async`` is a long-run average (elementary renewal theorem).

All raise ``InvalidParameter`` for an impossible argument.
"""

from __future__ import annotations

from .arrivals import Arrivals, Demand
from .exponential import ExponentialTime, mean_first_k
from .iteration_time import IterationTimeLaw
from .valid import require_count, require_positive
from .worker_time import WorkerTime


def mean_k_sync(workers: int, wait_for: int, rate: float) -> float:
    """K of n workers at the current model, the rest cancelled; X ~ Exp(rate).

    (H_n - H_(n-K)) / rate.
    """
    require_positive("rate", rate)
    return mean_first_k(ExponentialTime(0.0, 1.0 / rate), workers, wait_for)


def mean_k_batch_sync(workers: int, wait_for: int, rate: float) -> float:
    """K gradients from whichever workers, the rest cancelled; X ~ Exp(rate): K / (n rate)."""
    require_count("workers", workers)
    require_count("wait_for", wait_for)
    require_positive("rate", rate)
    return wait_for / (workers * rate)


def mean_malenia(workers: int, unit: WorkerTime) -> float:
    """A gradient of each worker at the current model, then all start anew; any X: E[max of n X]."""
    return bound_k_async(workers, workers, unit)


def mean_k_async(workers: int, wait_for: int, rate: float) -> float:
    """The next K distinct workers, the rest go on computing; X ~ Exp(rate).

    Equal to ``mean_k_sync``: the rest of an exponential delay has the law of a whole one.
    """
    return mean_k_sync(workers, wait_for, rate)


def bound_k_async(workers: int, wait_for: int, unit: WorkerTime) -> float:
    """Upper bound on the mean of K-async for any X that is new-longer-than-used: E[X_(K:n)].

    New-longer-than-used: P(X > s + t | X > s) <= P(X > t), as for a shifted exponential delay and
    a Weibull or gamma one with shape >= 1.
    """
    require_count("workers", workers)
    require_count("wait_for", wait_for, workers=workers)
    return IterationTimeLaw(Demand(Arrivals(workers, wait_for, wait_for)), unit).mean()


def mean_k_batch_async(workers: int, wait_for: int, mean_delay: float) -> float:
    """The next K gradients, nobody is cancelled; any X of that mean (seconds): K E[X] / n."""
    require_count("workers", workers)
    require_count("wait_for", wait_for)
    require_positive("mean_delay", mean_delay)
    return wait_for * mean_delay / workers


def mean_asynchronous(workers: int, mean_delay: float) -> float:
    """An update for each gradient, nobody is cancelled; any X of that mean: E[X] / n."""
    return mean_k_batch_async(workers, 1, mean_delay)
