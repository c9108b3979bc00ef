"""The law of one worker's time in a round, from the law of its unit delay X and a load law.

``proportional`` T = d X, ``partly_proportional`` T = (f + (1 - f) d) X, ``additive``
T = d tau + X, ``per_partition`` T = X_1 + ... + X_d.

A law is a plain callable, seconds -> P(X <= seconds), elementwise; a delay model's ``cdf`` is one.
A second callable ``sf``, seconds -> P(X > seconds), is optional: ``1 - cdf`` cannot represent a
probability below about 1e-16, so the mean of a heavy tail (Pareto with alpha near 1) needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..load_laws import (
    Additive,
    LoadLaw,
    PartlyProportional,
    PerPartition,
    Proportional,
    Steps,
)
from ..types import FloatArray
from .valid import require_count, require_non_negative, require_positive

UnitLaw = Callable[[FloatArray], FloatArray | None]
"""Seconds -> probability, elementwise; ``None`` if there is no closed form."""


class UnitDelay(Protocol):
    """The law of one unit delay X, as a delay model gives it; ``None`` without a closed form."""

    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X <= seconds), elementwise."""

    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """P(X > seconds), elementwise."""

    def sum_of(self, draws: int) -> UnitDelay | None:
        """The law of the sum of ``draws`` independent unit delays."""


COARSEST = 1e-10
"""Smallest P(T > t) that ``1 - cdf`` gives to about six digits."""


@dataclass(frozen=True)
class WorkerTime:
    """The law of ``offset + scale * X``; made by the functions below.

    Attributes:
        unit_cdf: P(X <= seconds).
        unit_sf: P(X > seconds), or ``None`` for ``1 - unit_cdf``.
        scale: factor on X, > 0.
        offset: seconds added, >= 0.

    Raises:
        InvalidParameter: scale <= 0, offset < 0, or not finite.
    """

    unit_cdf: UnitLaw
    unit_sf: UnitLaw | None = None
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        require_positive("scale", self.scale)
        require_non_negative("offset", self.offset)

    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """P(T <= seconds), elementwise."""
        return self._at(self.unit_cdf, seconds, before=0.0)

    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise."""
        if self.unit_sf is None:
            return np.asarray(1.0 - self.cdf(seconds))
        return self._at(self.unit_sf, seconds, before=1.0)

    @property
    def resolution(self) -> float:
        """The smallest value of ``sf`` that is accurate."""
        return COARSEST if self.unit_sf is None else 0.0

    def _at(self, law: UnitLaw, seconds: ArrayLike, before: float) -> FloatArray:
        unit = (np.asarray(seconds, dtype=np.float64) - self.offset) / self.scale
        with np.errstate(all="ignore"):
            values = law(np.maximum(unit, 0.0))
        if values is None:
            raise TypeError("this law has no closed form")
        return np.where(unit < 0, before, values)


def worker_time_at(delay: UnitDelay, law: LoadLaw, load: int) -> WorkerTime | None:
    """The law of a worker's time at a load; ``None`` where it is not closed.

    Args:
        delay: the unit delay X, a delay model.
        law: how the time grows with the load.
        load: d.

    Raises:
        InvalidParameter: the load is not a whole number >= 1.
    """
    match law:
        case Proportional():
            return proportional_worker_time(delay.cdf, load, delay.sf)
        case PartlyProportional():
            require_count("load", load)
            return _known(delay.cdf, delay.sf, scale=float(law.growth(load)))
        case Additive(seconds_per_partition=seconds):
            return additive_worker_time(delay.cdf, load, seconds, delay.sf)
        case Steps():
            require_count("load", load)
            return _known(delay.cdf, delay.sf, offset=float(law.cost(load)))
        case PerPartition():
            require_count("load", load)
            total = delay if load == 1 else delay.sum_of(load)
            return None if total is None else _known(total.cdf, total.sf)
    return None


def piece_time_at(delay: UnitDelay, law: LoadLaw, pieces: int, done: int) -> WorkerTime | None:
    """The law of the time after which a worker has done so many pieces of one partition.

    Args:
        delay, law: as for ``worker_time_at``.
        pieces: M, equal pieces of the partition; per partition each has a draw of its own.
        done: 1 to M.

    Raises:
        InvalidParameter: a number of pieces that is not a whole number >= 1.
    """
    require_count("pieces", pieces)
    require_count("done", done)
    share = done / pieces
    match law:
        case Proportional():
            return _known(delay.cdf, delay.sf, scale=share)
        case PartlyProportional():
            return _known(delay.cdf, delay.sf, scale=float(law.growth(share)))
        case Additive(seconds_per_partition=seconds):
            return _known(delay.cdf, delay.sf, offset=share * seconds)
        case Steps():
            return _known(delay.cdf, delay.sf, offset=float(law.cost(share)))
        case PerPartition():
            total = delay if done == 1 else delay.sum_of(done)
            return None if total is None else _known(total.cdf, total.sf, scale=1 / pieces)
    return None


def proportional_worker_time(
    cdf: UnitLaw, load: int, sf: UnitLaw | None = None
) -> WorkerTime | None:
    """T = load * X; ``None`` when the unit delay has no CDF."""
    require_count("load", load)
    return _known(cdf, sf, scale=float(load))


def additive_worker_time(
    cdf: UnitLaw, load: int, seconds_per_partition: float, sf: UnitLaw | None = None
) -> WorkerTime | None:
    """T = load * seconds_per_partition + X; ``None`` when the unit delay has no CDF."""
    require_count("load", load)
    require_non_negative("seconds_per_partition", seconds_per_partition)
    return _known(cdf, sf, offset=load * seconds_per_partition)


def _known(
    cdf: UnitLaw, sf: UnitLaw | None, scale: float = 1.0, offset: float = 0.0
) -> WorkerTime | None:
    probe = np.zeros(1)
    if cdf(probe) is None:
        return None
    if sf is not None and sf(probe) is None:
        sf = None
    return WorkerTime(cdf, sf, scale, offset)
