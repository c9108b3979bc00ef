"""Fractional repetition for any number of workers.

Source: Charalambides, Mahdavifar, Hero, Generalized Fractional Repetition Codes for Binary Coded
Computations (arXiv 2109.10484). Class c holds the workers c, c + d, c + 2 d, ...; each class splits
all the data among its workers, and the first complete class is enough.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT, require_at_most_workers
from ..numerics import row_max
from ..types import BoolArray, FloatArray
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Loaded, Stopped
from .decoders import OfCode
from .random_codes import plain_code
from .stopping import FirstK, Opened, StoppingRule, Tally


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class GeneralizedFractionalRepetition(Stopped, Loaded):
    """Workers j, j + d, j + 2 d, ... split all partitions; stop at the first complete class.

    Any d - 1 stragglers leave a class complete. With a ``stop`` the master adds the class of which
    most partitions arrived. Where d divides the number of workers the loads are
    all d, and else those of a smaller class are larger.

    Args:
        load: d, the number of classes, and partitions per worker on average.

    Facts:
        load: about d partitions a worker: n over the workers in its class, of which there are n/d,
            rounded down or up.
        stop: when a class is complete, or by ``stop``.
        decoding: the sum of the complete class; with a ``stop``, of the class of which most
            partitions arrived.
        error: 0.
        time: the fastest of d classes, of each its slowest member; measured.
        confirmed: ``schemes/test_codes.py``: ``test_classes_of_any_number_of_workers``,
            ``test_classes_are_as_even_as_can_be``,
            ``test_classes_of_equal_size_are_fractional_repetition``.
        ours: which class is added where ``stop`` ends a round before one is complete.
    """

    name: ClassVar[str] = "generalized_fractional_repetition"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=5),
            cls(load=3),
            cls(load=1),
            cls(load=12),
            cls(load=5, stop=FirstK(first=3)),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        rows = []
        for j in range(workers):
            place, size = j // self.load, len(range(j % self.load, workers, self.load))
            rows.append(np.arange(place * workers // size, (place + 1) * workers // size))
        code = plain_code(rows, workers)
        rule = self.rule_for(code, CompleteClass(self.load))
        decoder = BestClass(code, self.load)
        exact, claims = self.always_exact, self.claims_of(self.load)
        return Fixed(self.name, code, rule, decoder, exact, claims=claims)


@final
@dataclasses.dataclass(frozen=True)
class CompleteClass(StoppingRule):
    """Stop when all workers j = c mod ``classes`` have arrived, for some c."""

    classes: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        complete = [arrived[..., c :: self.classes].all(axis=-1) for c in range(self.classes)]
        return np.asarray(np.any(complete, axis=0))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The earliest of the classes' latest delays. Cost: one pass."""
        earliest = row_max(delays[..., :: self.classes])
        for c in range(1, self.classes):
            np.minimum(earliest, row_max(delays[..., c :: self.classes]), out=earliest)
        return earliest

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _ClassTally(messages, self.classes)


class _ClassTally(Tally):
    """Counts down the workers missing in each class."""

    def __init__(self, messages: int, classes: int) -> None:
        self.alarms = []
        self._missing = [len(range(c, messages, classes)) for c in range(classes)]
        self._enough = False

    @override
    def arrive(self, message: int, now: float) -> bool:
        c = message % len(self._missing)
        self._missing[c] -= 1
        self._enough |= self._missing[c] == 0
        return self._enough

    @override
    def ring(self, now: float) -> bool:
        return self._enough


@final
@dataclasses.dataclass(frozen=True)
class BestClass(OfCode):
    """Add the messages of the class of which most partitions arrived, the lowest of several.

    Args:
        assignment: the code.
        classes: how many there are; worker j is of class j mod ``classes``.
    """

    assignment: Encoded
    classes: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        covered = arrived * np.asarray(np.diff(self.assignment.matrix.indptr))
        per_class = [covered[..., c :: self.classes].sum(axis=-1) for c in range(self.classes)]
        best = np.argmax(per_class, axis=0)
        own = np.arange(arrived.shape[-1]) % self.classes
        return np.asarray(arrived * (own == best[..., None]), dtype=np.float64)
