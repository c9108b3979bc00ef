"""Mean iteration times in elementary terms, for exponential and shifted exponential delays.

A worker's time is ``offset + scale * Exp(1)``. After the offset the next arrival among n - m
workers comes after scale / (n - m) on average (Renyi's representation of exponential order
statistics), so a rule's mean is offset + scale * sum_m u_m / (n - m) with u_m the probability
that m arrivals are not enough.

Sources: Tandon et al. (arXiv 1612.03301) and Dutta et al. (arXiv 1803.01113) for the first k
arrivals; cover and ErasureHead are our derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.theory.arrivals import uncovered_after


@final
@dataclass(frozen=True)
class ExponentialTime:
    """A worker's time ``offset + scale * Exp(1)``, both in seconds."""

    offset: float
    scale: float


def proportional_time(shift: float, rate: float, load: int) -> ExponentialTime:
    """load * (shift + Exp(rate))."""
    return ExponentialTime(load * shift, load / rate)


def additive_time(
    shift: float, rate: float, load: int, seconds_per_partition: float
) -> ExponentialTime:
    """load * seconds_per_partition + shift + Exp(rate)."""
    return ExponentialTime(load * seconds_per_partition + shift, 1.0 / rate)


def harmonic(n: int) -> float:
    """H_n = 1 + 1/2 + ... + 1/n. Cost: O(n)."""
    return float(np.sum(1.0 / np.arange(n, 0, -1)))


def mean_uncoded(time: ExponentialTime, workers: int) -> float:
    """All n: offset + scale * H_n, in seconds."""
    return time.offset + time.scale * harmonic(workers)


def mean_first_k(time: ExponentialTime, workers: int, k: int) -> float:
    """The first k of n: offset + scale * (H_n - H_(n-k)), in seconds."""
    return time.offset + time.scale * float(np.sum(1.0 / np.arange(workers, workers - k, -1)))


def mean_cover(time: ExponentialTime, workers: int, size: int) -> float:
    """Every group of ``size`` covered: offset + (scale / size) * H_(n/size), in seconds."""
    return time.offset + time.scale / size * harmonic(workers // size)


def mean_erasurehead(time: ExponentialTime, workers: int, size: int, wait_for: int) -> float:
    """``wait_for`` arrivals or cover, whichever comes first, in seconds.

    offset + scale * sum_{m < wait_for} q_m / (n - m), q_m = P(not covered after m arrivals).
    """
    out = workers - np.arange(wait_for)
    return time.offset + time.scale * float(np.sum(uncovered_after(workers, size, wait_for) / out))
