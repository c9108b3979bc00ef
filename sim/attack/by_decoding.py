"""Any code: what a change would do is found by decoding."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..types import BoolArray, FloatArray, IntArray
from .code import Code
from .position import Position, allowed


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
