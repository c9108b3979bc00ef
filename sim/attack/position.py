"""Where a search stands: a set of stragglers, and what one change of it would do to the error.

``ByDecoding``       any code: every changed set is decoded
``CommonWeights``    a common weight for all arrivals: from sums (``sim.attack.common_weights``)
``LeastSquares``     least squares: from one inverse (``sim.attack.least_squares``)

The last two foresee thousands of changes at the cost of a few decodings, up to rounding; roughly of
a complex code, whose imaginary part the master drops. A search goes by what they foresee; what it
reports, it has decoded.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from sim.attack.code import Code
from sim.schemes.assignments import Assignment
from sim.schemes.decoders import CommonWeight, Decoder, Optimal
from sim.schemes.graph_assignment import ByComponent
from sim.types import BoolArray, FloatArray, IntArray

LARGEST = 2**24
"""Entries of an n x n table: 128 MiB, 4096 workers."""


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
        """The error now."""

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


@final
class ByDecoding(Position):
    """Decodes every set that it is asked for.

    Cost: n - s sets for ``losing``, and for each worker who returns.
    """

    foresees: ClassVar[bool] = False

    def __init__(self, code: Code, stragglers: BoolArray) -> None:
        self._code, self.stragglers = code, stragglers

    @override
    def at(self, stragglers: BoolArray) -> ByDecoding:
        return ByDecoding(self._code, stragglers)

    @property
    @override
    def error(self) -> float:
        return float(self._code.errors(self.stragglers[None])[0])

    @override
    def losing(self) -> FloatArray:
        return self._with_one_more(self.stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        rows = []
        for worker in returning:
            others = self.stragglers.copy()
            others[worker] = False
            rows.append(self._with_one_more(others))
        return allowed(np.array(rows), self.stragglers)

    def _with_one_more(self, stragglers: BoolArray) -> FloatArray:
        free = np.flatnonzero(~stragglers)
        sets = np.tile(stragglers, (len(free), 1))
        sets[np.arange(len(free)), free] = True
        errors = np.full(len(stragglers), -np.inf)
        errors[free] = self._code.errors(sets)
        return allowed(errors, stragglers)


def nobody_straggles(code: Code) -> Position:
    """The empty set, with the fastest foresight that the code's decoder allows."""
    from sim.attack.common_weights import CommonWeights
    from sim.attack.least_squares import LeastSquares

    nobody = np.zeros(code.workers, dtype=np.bool_)
    assignment, decoder = code.assignment, code.decoder
    if assignment.messages == 1 and isinstance(decoder, CommonWeight):
        return CommonWeights(assignment.encoding, np.array(decoder.weights), nobody)
    if _is_least_squares(assignment, decoder):
        return LeastSquares.of(assignment.encoding, nobody)
    return ByDecoding(code, nobody)


def _is_least_squares(assignment: Assignment, decoder: Decoder) -> bool:
    small = assignment.workers**2 <= LARGEST
    return assignment.messages == 1 and small and isinstance(decoder, Optimal | ByComponent)
