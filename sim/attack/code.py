"""What is attacked: an encoding matrix and a decoder, whoever is waited for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import final

import numpy as np
from scipy import sparse

from ..schemes.assignments import Assignment
from ..schemes.base import Fixed, RoundScheme, Scheme
from ..schemes.decoders import Decoder, decoding_error
from ..schemes.partly_uncoded import PartlyUncoded
from ..types import BoolArray, FloatArray

CELLS = 2**22
"""Numbers of all the sets together that are decoded at once: 32 MiB."""


@final
@dataclass(frozen=True)
class NoCode:
    """A scheme that is no such code, and why."""

    reason: str


@final
@dataclass(frozen=True, eq=False)
class Code:
    """An encoding matrix and its decoder.

    Attributes:
        assignment: who holds what.
        decoder: the scheme's own.
    """

    assignment: Assignment
    decoder: Decoder

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.assignment.workers

    @property
    def partitions(self) -> int:
        """Number of partitions k: the error of decoding nothing."""
        return self.assignment.partitions

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """B, ``(n m, k)``; a copy: SciPy sorts a matrix in place, and decoders know its order."""
        b = self.assignment.encoding.copy()
        b.sum_duplicates()
        return b

    def errors(self, stragglers: BoolArray) -> FloatArray:
        """``||w - 1||^2`` when all but these have arrived: ``(N, n)`` bool -> ``(N,)``.

        The scheme's own decoder finds w, in batches. NaN where it finds none.
        """
        messages = self.assignment.messages
        width = max(self.workers * messages, self.partitions)
        step = max(1, CELLS // width)
        found = np.empty(len(stragglers))
        for start in range(0, len(stragglers), step):
            arrived = np.repeat(~stragglers[start : start + step], messages, axis=1)
            found[start : start + step] = decoding_error(self.decoder.partition_weights(arrived))
        return found

    def same(self, other: Code) -> bool:
        """Whether both decode every set of stragglers alike, by construction."""
        mine, theirs = self.decoder, other.decoder
        return (
            type(mine) is type(theirs)
            and self.assignment == other.assignment
            and all(getattr(mine, f.name) == getattr(theirs, f.name) for f in fields(mine))  # type: ignore[arg-type]
        )


def code_of(scheme: Scheme) -> Code | NoCode:
    """The code of a scheme whose rounds all decode by one encoding matrix; else why there is none.

    When a round ends does not matter here: an attacker decides who is heard.
    """
    match scheme:
        case Fixed(patience=None):
            return Code(scheme.assignment, scheme.decoder)
        case Fixed():
            return NoCode("its workers stop or start again by themselves")
        case PartlyUncoded():
            return NoCode("a part of its data is not coded, so that nobody may straggle")
        case RoundScheme():
            return NoCode("its rounds do not all decode by one encoding matrix")
        case _:
            return NoCode("it has no rounds")
