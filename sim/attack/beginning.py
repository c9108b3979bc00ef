"""Where a search begins: nobody straggles, with the fastest foresight that the decoder allows."""

from __future__ import annotations

import numpy as np

from ..schemes.cyclic_decoders import Cyclic
from ..schemes.decoders import CommonWeight, Optimal
from ..schemes.graph_assignment import ByComponent
from .by_decoding import ByDecoding
from .code import Code
from .common_weights import CommonWeights
from .least_squares import LeastSquares
from .position import Position

LARGEST = 2**24
"""Entries of an n x n table: 128 MiB, 4096 workers."""


def nobody_straggles(code: Code) -> Position:
    """The empty set of stragglers of a code."""
    nobody = np.zeros(code.workers, dtype=np.bool_)
    if code.assignment.messages > 1:
        return ByDecoding(code, nobody)
    match code.decoder:
        case CommonWeight(weights=weights):
            return CommonWeights(code.matrix, np.array(weights), nobody)
        case Optimal() | ByComponent() | Cyclic() if code.workers**2 <= LARGEST:
            return LeastSquares.of(code.matrix, nobody)
    return ByDecoding(code, nobody)
