"""From values to places on an SVG: scales, ticks, numbers, and as few points as will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup

from ....sim.base.types import FloatArray
from ..picture import Axis, Bars, Curve, Heat, Mark, Points, Rules, Texts

# Numbers are written short, so that pages are small and the same on every machine.
READ_DIGITS = 4  # of the values that a pointer reads


def tenth(value: float) -> str:
    """A place in a drawing, to a tenth of a unit."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text not in ("-0.0", "0.0") else "0"


def piece(template: str, *values: object) -> Markup:
    """A piece of SVG: numbers to a tenth of a unit, texts escaped."""
    return Markup(template).format(*(tenth(v) if isinstance(v, float) else v for v in values))


def readable(values: Iterable[float] | FloatArray) -> list[float | int | None]:
    """Values for JSON, rounded to ``READ_DIGITS`` digits; what is not finite is null."""
    short = [float(f"{value:.{READ_DIGITS}g}") if np.isfinite(value) else None for value in values]
    return [int(v) if v is not None and v % 1 == 0 and abs(v) < 1e15 else v for v in short]


def digits(value: float) -> str:
    """A value for a reader."""
    return f"{value:.{READ_DIGITS}g}" if np.isfinite(value) else "none"


def kept(x: FloatArray, lines: list[FloatArray], tolerance: float = 0.25) -> list[int]:
    """Which points to keep so that none of several lines moves by more than the tolerance, units of
    the drawing: a line of a thousand points looks the same with fifty. All are
    ``(G,)``; NaN interrupts a line, and the points around a gap are kept.
    Source: Ramer (1972); Douglas and Peucker (1973). Cost: about G log G a line."""
    if len(x) < 3:
        return list(range(len(x)))
    chosen = {0, len(x) - 1}
    for line in lines:
        finite = np.isfinite(x) & np.isfinite(line)
        for run in np.split(np.arange(len(x)), np.flatnonzero(np.diff(finite)) + 1):
            if finite[run[0]]:
                chosen |= _of_run(x, line, int(run[0]), int(run[-1]), tolerance)
            else:
                chosen |= {int(run[0]), int(run[-1])}
    return sorted(chosen)


def _of_run(x: FloatArray, y: FloatArray, first: int, last: int, tolerance: float) -> set[int]:
    chosen, todo = {first, last}, [(first, last)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        dx, dy = x[b] - x[a], y[b] - y[a]
        across, up = x[a + 1 : b] - x[a], y[a + 1 : b] - y[a]
        length = float(np.hypot(dx, dy))
        far = np.abs(dx * up - dy * across) / length if length else np.hypot(across, up)
        middle = a + 1 + int(np.argmax(far))
        if far[middle - a - 1] > tolerance:
            chosen.add(middle)
            todo += [(a, middle), (middle, b)]
    return chosen


@dataclass(frozen=True)
class Scale:
    """An axis: values from ``low`` to ``high`` lie at places from ``start`` to ``end``."""

    # low, high: the ends, finite and different; positive on a logarithmic axis
    low: float
    high: float
    # start, end: where they are drawn
    start: float
    end: float
    log: bool = False  # logarithmic

    def __call__(self, values: FloatArray) -> FloatArray:
        """Places of values; NaN for those that the axis cannot show."""
        low, high = self._of(np.array([self.low, self.high]))
        with np.errstate(invalid="ignore", over="ignore"):
            share = (self._of(values) - low) / (high - low)
            positions = self.start + share * (self.end - self.start)
        positions = np.where(np.isfinite(positions), positions, np.nan)
        # what lies beyond 10,000 units is clipped in any case
        return np.asarray(np.clip(positions, -1e4, 1e4))

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


def whole_ticks(low: float, high: float, last: float) -> FloatArray:
    """Of an axis that counts: whole numbers at equal distances, and the last one that there is."""
    step = max(1.0, np.diff(linear_ticks(low, high, 8))[0] // 1)
    ticks = np.arange(np.ceil(low / step), high // step + 1) * step
    return np.sort(np.append(ticks[np.abs(ticks - last) >= 0.75 * step], last))


def log_ticks(
    low: float, high: float, mantissas: Sequence[float] = (), most: int = 7
) -> FloatArray:
    """Powers of ten, or these multiples of them: about ``most`` where there are too many."""
    low, high = min(low, high), max(low, high)
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    for chosen in ((1.0,), mantissas, (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        powers = 10.0 ** np.arange(first, last + 1, max(1, -(-(last - first) // most)))
        ticks = np.sort(np.outer(powers, chosen or (1.0,)).ravel())
        ticks = ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))]
        if len(ticks) >= (3 if not mantissas or chosen == mantissas else 99):
            break
    if len(ticks) < 2:
        return linear_ticks(low, high, 4)
    return ticks[:: max(1, -(-len(ticks) // (most + 2)))]


def tick_text(value: float, log: bool = False) -> str:
    """``0.5``, ``1200``, ``10⁻⁶``."""
    if value == 0 or 1e-4 <= abs(value) < 1e5:
        return f"{value + 0.0:g}".replace("-", "\N{MINUS SIGN}")
    mantissa, _, power = f"{value:.3e}".partition("e")
    number = float(mantissa)
    superscripts = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    ten = f"10{str(int(power)).translate(superscripts)}"
    return ten if number == 1 else f"{number:g}·{ten}".replace("-", "\N{MINUS SIGN}")


Limits = tuple[float, float]


def limits(axis: Axis, marks: Sequence[Mark], along: Literal["x", "y"]) -> Limits:
    """Low and high end of an axis; the low one is the larger where the axis is turned around."""
    low, high = axis.low, axis.high
    low = None if axis.log and (low or 0.0) <= 0 else low
    if low is not None and high is not None and low != high:
        return float(low), float(high)
    for mark in marks:
        if isinstance(mark, Heat):  # without a margin, the first row on top
            return mark.sides if along == "x" else (len(mark.values) - 0.5, -0.5)
    values = finite_values(marks, along)
    values = values[values > 0] if axis.log else values
    least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    fitted = _around(least, most, axis.log)
    return (fitted[0] if low is None else float(low), fitted[1] if high is None else float(high))


def finite_values(marks: Sequence[Mark], along: Literal["x", "y"]) -> FloatArray:
    """All finite values of marks along an axis."""
    values = np.concatenate([np.empty(0), *(values.ravel() for values in _values(marks, along))])
    return np.asarray(values[np.isfinite(values)])


def _around(least: float, most: float, log: bool, margin: float = 0.05) -> Limits:
    if log:
        if least <= 0:
            return 0.1, 1.0
        share = (most / least) ** margin if most > least else 1.5
        return least / share, most * share
    gap = margin * (most - least) or 0.05 * abs(most) or 0.5
    return least - gap, most + gap


def _values(marks: Sequence[Mark], along: Literal["x", "y"]) -> Iterator[FloatArray]:
    for mark in marks:
        match mark:
            case Curve():
                yield mark.x if along == "x" else mark.y
                if mark.across == along and mark.low is not None and mark.high is not None:
                    yield from (mark.low, mark.high)
            case Points():
                middle, bars = (mark.x, mark.dx) if along == "x" else (mark.y, mark.dy)
                yield middle
                if bars is not None:
                    yield from (middle - bars[0], middle + bars[1])
            case Bars() if along == "x":
                yield from (mark.start, mark.end)
            case Bars():
                yield from (mark.rows - 0.5, mark.rows + 0.5)
            case Rules() | Texts():
                yield mark.x if along == "x" else mark.y
