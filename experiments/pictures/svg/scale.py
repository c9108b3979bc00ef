"""From values to places, and where ticks stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....sim.types import FloatArray

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

FARTHEST = 1e4
"""Units of the drawing: what lies beyond is clipped in any case."""


@dataclass(frozen=True)
class Scale:
    """An axis: values from ``low`` to ``high`` lie at places from ``start`` to ``end``.

    Attributes:
        low, high: the ends, finite and different; positive on a logarithmic axis.
        start, end: where they are drawn.
        log: logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: FloatArray) -> FloatArray:
        """Places of values; NaN for those that the axis cannot show."""
        low, high = self._of(np.array([self.low, self.high]))
        with np.errstate(invalid="ignore", over="ignore"):
            share = (self._of(values) - low) / (high - low)
            places = self.start + share * (self.end - self.start)
        places = np.where(np.isfinite(places), places, np.nan)
        return np.asarray(np.clip(places, -FARTHEST, FARTHEST))

    def _of(self, values: FloatArray) -> FloatArray:
        if not self.log:
            return np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(values > 0, np.log10(values), np.nan))


def linear_ticks(low: float, high: float, most: int = 6) -> FloatArray:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten, at most ``most`` of them."""
    low, high = min(low, high), max(low, high)
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10, 20) if m * power >= rough * (1 - 1e-9))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    if not (np.isfinite(first) and np.isfinite(last) and last - first < 4 * most):
        return np.array([low, high])
    return np.asarray(np.arange(first, last + 1) * step)


def log_ticks(
    low: float, high: float, mantissas: Sequence[float] = (), most: int = 7
) -> FloatArray:
    """Powers of ten, or these multiples of them; some of them where there are too many."""
    low, high = min(low, high), max(low, high)
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    for chosen in ((1.0,), mantissas, (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        step = max(1, -(-(last - first) // most))
        powers = 10.0 ** np.arange(first, last + 1, step)
        found = np.sort(np.outer(powers, chosen or (1.0,)).ravel())
        found = found[(found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9))]
        if len(found) >= (3 if not mantissas or chosen == mantissas else 99):
            break
    if len(found) < 2:
        return linear_ticks(low, high, 4)
    return found[:: max(1, -(-len(found) // (most + 2)))]


def tick_text(value: float, log: bool = False) -> str:
    """``0.5``, ``1200``, ``10⁻⁶``."""
    text = f"{value + 0.0:g}"
    small_or_large = value != 0 and not 1e-4 <= abs(value) < 1e5
    if not small_or_large:
        return text.replace("-", "\N{MINUS SIGN}")
    mantissa, _, power = f"{value:.3e}".partition("e")
    number = float(mantissa)
    ten = f"10{str(int(power)).translate(SUPERSCRIPTS)}"
    if number == 1:
        return ten
    return f"{number:g}·{ten}".replace("-", "\N{MINUS SIGN}")
