"""How a ratio is measured: the two sides in turn, and the median of the pairs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Action = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    subject: str  # what is measured
    against: str  # what it is compared with
    ratio: float  # speed of the subject over speed of the comparison (higher is better)
    target: float  # the least ratio that the project promises, or NaN
    speed: float  # the subject's absolute speed on this machine, for orientation
    unit: str  # its unit


def seconds(action: Action, clock: Callable[[], float] = time.perf_counter) -> float:
    """Wall time of one call, or what another clock says."""
    began = clock()
    action()
    return clock() - began


def paired(
    subject: Action,
    comparison: Action,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Median seconds of the subject, and median of comparison seconds over subject seconds."""
    subject(), comparison()
    pairs = [(seconds(subject, clock), seconds(comparison, clock)) for _ in range(repeats)]
    mine, theirs = np.array(pairs).T
    return float(np.median(mine)), float(np.median(theirs / mine))
