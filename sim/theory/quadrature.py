"""Two numerical tools for laws of which only a monotone function is known.

Both take arrays, so that a law is asked for thousands of instants at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..types import BoolArray, FloatArray

ORDER = 12
"""Gauss-Legendre nodes on a panel."""

MOST_PANELS = 4096
"""Refinement ends here: the rest is rounding noise, or a law with thousands of jumps."""


def smallest(holds: Callable[[FloatArray], BoolArray], count: int) -> FloatArray:
    """The smallest number t >= 0 at which a monotone condition holds, for ``count`` conditions.

    Args:
        holds: ``(count,)`` numbers -> ``(count,)`` bool; once true it stays true for larger t.

    Returns:
        ``(count,)``, exact to the last bit, infinite where the condition never holds.

    Bisects on the bit pattern: doubles >= 0 are ordered as their patterns are, so 63 calls cover
    every scale from 0 to 1e308, and a jump is found exactly.
    """
    low = np.zeros(count, dtype=np.int64)
    high = np.full(count, np.inf).view(np.int64)
    while np.any(low < high):
        middle = low + (high - low) // 2
        yes = holds(middle.view(np.float64))
        low = np.where(yes | (low == high), low, middle + 1)
        high = np.where(yes, middle, high)
    return high.view(np.float64)


def integrate(
    function: Callable[[FloatArray], FloatArray], knots: FloatArray, tolerance: float = 1e-11
) -> float:
    """Integral from the first knot to the last, by adaptive Gauss-Legendre panels.

    Args:
        function: elementwise, any shape.
        knots: increasing; put one where the function has a kink.
        tolerance: per panel, relative to the whole integral.

    A panel is halved until it agrees with the sum of its halves, all panels side by side.
    """
    left, right = knots[:-1], knots[1:]
    coarse = _panels(function, left, right)
    scale = tolerance * float(np.abs(coarse).sum())
    total = 0.0
    while 0 < left.size <= MOST_PANELS:
        middle = 0.5 * (left + right)
        first, second = _panels(function, left, middle), _panels(function, middle, right)
        split = (np.abs(first + second - coarse) > scale) & (left < middle) & (middle < right)
        total += float((first + second)[~split].sum())
        left, right = (
            np.concatenate((left[split], middle[split])),
            np.concatenate((middle[split], right[split])),
        )
        coarse = np.concatenate((first[split], second[split]))
    return total + float(coarse.sum())


def _panels(
    function: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> FloatArray:
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    half = 0.5 * (right - left)[:, None]
    values = function(left[:, None] + half * (1.0 + nodes))
    return np.asarray((half * values) @ weights)
