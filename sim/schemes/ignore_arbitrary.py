"""Ignore stragglers, any number of them, with plain sums and no partition counted twice.

Source: On Arbitrary Ignorance of Stragglers with Gradient Coding (IS-GC). The master takes arrivals
that share no partition, as many as there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from typing_extensions import override

from ..fields import configured, require_at_most_workers, require_divisor, require_size
from ..types import BoolArray, FloatArray
from .assignments import Assignment, Groups
from .base import Fixed, Guarantees, RandomOrder, SchemeFamily
from .codes import Counted, Loaded
from .decoders import Decoder, OfCode, OnePerGroup
from .graph_codes import shifted


@configured
class IgnoreArbitrary(Counted, Loaded):
    """Add the most arrivals that share no partition, times k over the partitions they hold.

    Args:
        load: d, partitions per worker.
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.
    """

    name: ClassVar[str] = "ignore_arbitrary"
    assignment: Literal["cyclic", "fractional"] = "cyclic"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        waits = (3, 6), (5, 4), (1, 9), (12, 1)
        cyclic = (cls(load=load, wait_for=wait_for) for load, wait_for in waits)
        return *cyclic, cls(load=3, wait_for=6, assignment="fractional")

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("load", self.load, workers)
        require_size("load", self.load, workers)
        code: Assignment
        if self.assignment == "fractional":
            require_divisor(self.load, workers)
            code = Groups(workers, self.load)
            apart: Decoder = OnePerGroup(self.load)
        else:
            code = shifted(np.arange(self.load), workers)
            apart = Apart(code, self.load)
        # Which of several largest sets is taken depends on the workers' numbers; groups are alike.
        alike = self.stop is None and self.assignment == "fractional"
        guarantees = Guarantees(copies=self.load, unbiased=RandomOrder() if alike else None)
        decoder = Rescaled(apart, self.load)
        return Fixed(self.name, code, self.rule(code), decoder, exact=None, guarantees=guarantees)


@final
@dataclass(frozen=True)
class Apart(OfCode):
    """Add a largest set of arrivals at a distance of at least d from each other, on the circle,
    where worker j holds partitions j, ..., j+d-1 (mod n). From a given start it is best to go to
    the nearest arrival that is far enough, and so on. Some largest set has a member less than d
    places from the first arrival, or that could be added, so 2 d - 1 starts are enough. Cost: 2 n
    for each set of arrivals."""

    distance: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        flat = arrived.reshape(-1, arrived.shape[-1])
        n, d = flat.shape[1], self.distance
        # The first arrival at or after each place, going round; 0 where nobody came.
        twice = np.where(np.concatenate([flat, flat], axis=1), np.arange(2 * n), 2 * n)
        following = np.minimum.accumulate(twice[:, ::-1], axis=1)[:, ::-1][:, :n] % n
        first = following[:, 0]
        starts = (first[:, None] + np.arange(1 - d, d)) % n
        starts = np.where(np.take_along_axis(flat, starts, axis=1), starts, first[:, None])
        rows = np.arange(len(flat))[:, None]
        gone, taken = np.zeros_like(starts), np.ones_like(starts)
        for _ in range(n // d):
            next_start = (starts + gone + d) % n
            step = d + (following[rows, next_start] - next_start) % n
            fits = gone + step <= n - d
            gone, taken = np.where(fits, gone + step, n), taken + fits
        start = np.take_along_axis(starts, taken.argmax(axis=1)[:, None], axis=1)[:, 0]
        return self._walk(flat, following, start).reshape(arrived.shape)

    def _walk(self, flat: BoolArray, following: np.ndarray, start: np.ndarray) -> FloatArray:
        n, d = flat.shape[1], self.distance
        vector = np.zeros(flat.shape)
        rows, gone = np.flatnonzero(flat.any(axis=1)), np.zeros(len(flat), dtype=np.int64)
        while rows.size:
            here = (start[rows] + gone[rows]) % n
            vector[rows, here] = 1.0
            next_start = (here + d) % n
            gone[rows] += d + (following[rows, next_start] - next_start) % n
            rows = rows[gone[rows] <= n - d]
        return vector


@final
@dataclass(frozen=True)
class Rescaled(Decoder):
    """What a decoder of weights 0 and 1 adds, times k over the partitions in it, d a message."""

    decoder: Decoder
    load: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        vector = np.asarray(self.decoder.decoding_vector(arrived), dtype=np.float64)
        return vector * self._factor(vector.sum(axis=-1) * self.load, arrived.shape[-1])

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        weights = self.decoder.partition_weights(arrived)
        return weights * self._factor(weights.sum(axis=-1), arrived.shape[-1])

    def _factor(self, held: FloatArray, partitions: int) -> FloatArray:
        return np.asarray((partitions / np.maximum(held, 1.0))[..., None])
