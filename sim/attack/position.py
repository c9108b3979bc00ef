"""Where a search stands: a set of stragglers, and what one change of it would do to the error.

``ByDecoding``       any code: every changed set is decoded (``sim.attack.by_decoding``)
``CommonWeights``    a common weight for all arrivals: from sums (``sim.attack.common_weights``)
``LeastSquares``     least squares: from one inverse (``sim.attack.least_squares``)

The last two foresee thousands of changes at the cost of a few decodings, up to rounding; roughly of
a complex code, whose imaginary part the master drops. A search goes by what they foresee; what it
reports, it has decoded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from ..types import BoolArray, FloatArray, IntArray


class Position(ABC):
    """A set of stragglers; abstract, a value.

    Attributes:
        foresees: whether a change costs far less than a decoding.
        stragglers: ``(n,)`` bool.
    """

    foresees: ClassVar[bool] = True

    stragglers: BoolArray

    @property
    @abstractmethod
    def error(self) -> float:
        """Decoding error with these stragglers, in partitions: 0 if exact."""

    @abstractmethod
    def at(self, stragglers: BoolArray) -> Position:
        """Another set of the same code."""

    @abstractmethod
    def losing(self) -> FloatArray:
        """``(n,)`` the error with one straggler more; -inf for those who straggle already."""

    @abstractmethod
    def swapping(self, returning: IntArray) -> FloatArray:
        """``(I, n)`` the error when one of these stragglers returns and another worker straggles.

        -inf for those who straggle already.
        """

    def lost(self, worker: int) -> Position:
        """The same with one straggler more; a subclass may know a faster way."""
        stragglers = self.stragglers.copy()
        stragglers[worker] = True
        return self.at(stragglers)

    def swapped(self, returning: int, losing: int) -> Position:
        """The same with one straggler for another; a subclass may know a faster way."""
        stragglers = self.stragglers.copy()
        stragglers[returning], stragglers[losing] = False, True
        return self.at(stragglers)


def allowed(errors: FloatArray, stragglers: BoolArray) -> FloatArray:
    """``(..., n)`` errors where a change is possible and its error is a number; else -inf."""
    return np.where(stragglers | np.isnan(errors), -np.inf, errors)
