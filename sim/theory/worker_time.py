"""The law of one worker's time in a round, from the law of its unit delay X and a load law.

``proportional`` T = d X, ``additive`` T = d tau + X, ``per_partition`` T = X_1 + ... + X_d.

A law is a plain callable, seconds -> P(X <= seconds), elementwise; a delay model's ``cdf`` is one.
A second callable ``sf``, seconds -> P(X > seconds), is optional: ``1 - cdf`` knows no probability
below about 1e-16, so a heavy tail (Pareto with alpha near 1) needs it to get its mean right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from sim.types import FloatArray

UnitLaw = Callable[[FloatArray], FloatArray | None]
"""Seconds -> probability, elementwise; ``None`` says that there is no closed form."""

COARSEST = 1e-10
"""Smallest P(T > t) that ``1 - cdf`` gives to about six digits."""


@final
@dataclass(frozen=True)
class WorkerTime:
    """The law of ``offset + scale * X``; made by the functions below.

    Attributes:
        unit_cdf: P(X <= seconds).
        unit_sf: P(X > seconds), or ``None`` for ``1 - unit_cdf``.
        scale: factor on X.
        offset: seconds added.
    """

    unit_cdf: UnitLaw
    unit_sf: UnitLaw | None = None
    scale: float = 1.0
    offset: float = 0.0

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
        """The smallest ``sf`` that can be relied on."""
        return COARSEST if self.unit_sf is None else 0.0

    def _at(self, law: UnitLaw, seconds: ArrayLike, before: float) -> FloatArray:
        unit = (np.asarray(seconds, dtype=np.float64) - self.offset) / self.scale
        with np.errstate(all="ignore"):
            values = law(np.maximum(unit, 0.0))
        if values is None:
            raise TypeError("this law has no closed form")
        return np.where(unit < 0, before, values)


def proportional(cdf: UnitLaw, load: int, sf: UnitLaw | None = None) -> WorkerTime | None:
    """T = load * X; ``None`` when the unit delay has no CDF."""
    return _known(cdf, sf, scale=float(load), offset=0.0)


def additive(
    cdf: UnitLaw, load: int, seconds_per_partition: float, sf: UnitLaw | None = None
) -> WorkerTime | None:
    """T = load * seconds_per_partition + X; ``None`` when the unit delay has no CDF."""
    return _known(cdf, sf, scale=1.0, offset=load * seconds_per_partition)


def per_partition(sum_cdf: UnitLaw | None, sum_sf: UnitLaw | None = None) -> WorkerTime | None:
    """T = X_1 + ... + X_d, given the CDF of that sum; ``None`` when it has no closed form.

    A sum is closed for constants and for the exponential family (gamma laws): a delay model's
    ``sum_of(d)`` says so.
    """
    return None if sum_cdf is None else _known(sum_cdf, sum_sf, scale=1.0, offset=0.0)


def _known(cdf: UnitLaw, sf: UnitLaw | None, scale: float, offset: float) -> WorkerTime | None:
    probe = np.zeros(1)
    if cdf(probe) is None:
        return None
    if sf is not None and sf(probe) is None:
        sf = None
    return WorkerTime(cdf, sf, scale, offset)
