"""Mean times between updates when workers do not all wait for each other.

One gradient takes one unit delay X, independent of all others.

Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race
(arXiv 1803.01113). For exponential X these are exact; ``mean_k_batch_async`` is a long-run
average for any X (elementary renewal theorem).
"""

from __future__ import annotations

from sim.theory.exponential import ExponentialTime, mean_first_k


def mean_k_sync(workers: int, k: int, rate: float) -> float:
    """K of n workers at the current model, the rest cancelled; X ~ Exp(rate)."""
    return mean_first_k(ExponentialTime(0.0, 1.0 / rate), workers, k)


def mean_k_batch_sync(workers: int, k: int, rate: float) -> float:
    """K gradients from whichever workers, the rest cancelled; X ~ Exp(rate)."""
    return k / (workers * rate)


def mean_k_async(workers: int, k: int, rate: float) -> float:
    """The next K distinct workers, the rest go on computing; X ~ Exp(rate).

    Equal to ``mean_k_sync``: an exponential delay that goes on is as good as new.
    """
    return mean_k_sync(workers, k, rate)


def mean_k_batch_async(workers: int, k: int, mean_delay: float) -> float:
    """The next K gradients, nobody is cancelled; any X with the given mean (seconds).

    K = 1 is fully asynchronous descent.
    """
    return k * mean_delay / workers
