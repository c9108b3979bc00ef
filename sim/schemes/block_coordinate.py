"""Block coordinate coding: some coordinates are coded against many stragglers, others against few.

Source: Wang, Cui, Li, Zou, Xiong, Optimization-Based Block Coordinate Gradient Coding for
Mitigating Partial Stragglers in Distributed Learning (arXiv 2109.08933, 2206.02450)."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, NotNegative
from ..types import BoolArray, FloatArray
from .base import (
    Guarantees,
    KnownDelays,
    KnownDelaysFamily,
    OfWorkers,
    Round,
    SchemeFamily,
    Sees,
    State,
)
from .stopping import FirstK, PerPlace


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class BlockCoordinate(KnownDelaysFamily):
    """The gradient's coordinates in levels s = 0, 1, ...; level s is coded against s stragglers.

    A share x_s of the coordinates is level s; a worker computes it for s + 1 partitions, which
    takes (s + 1) x_s of its time for one whole partition. Workers do the levels in order and send
    each when it is done, and the round ends when every level s has n - s results. So what a slow
    worker finishes in time still counts, for the first levels. The load is sum_s (s + 1) x_s
    partitions.

    ``split: optimal`` is the split of the source, from the mean times of the j-th fastest of n
    workers under the run's delay model and load law, in closed form or simulated.

    Args:
        split: ``optimal``, or x_0, x_1, ...: up to n numbers in proportion to the shares."""

    name: ClassVar[str] = "block_coordinate"
    split: Literal["optimal"] | tuple[NotNegative, ...] = "optimal"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        given = (1.0,), (0.0, 0.0, 1.0), (0.3, 0.1, 0.2, 0.0, 0.4)
        return cls(), *(cls(split=split) for split in given)

    @override
    def build_for(self, workers: int, known_delays: KnownDelays) -> Levels:
        if self.split == "optimal":
            times = known_delays.order_statistics(workers)
            if not times[0] > 0:
                valid = "must be a list of numbers where workers need no time at all"
                raise InvalidParameter("split", self.split, valid)
            return Levels(workers, tuple(optimal_split(times).tolist()))
        given = np.array(self.split, dtype=np.float64)
        if not 0 < len(given) <= workers or not given.sum() > 0:
            valid = f"must be optimal or 1 to {workers} numbers of at least 0, not all 0"
            raise InvalidParameter("split", self.split, valid)
        shares = np.zeros(workers)
        shares[: len(given)] = given / given.sum()
        return Levels(workers, tuple(shares.tolist()))


def optimal_split(times: FloatArray) -> FloatArray:
    """Shares x_s of the levels s = 0, ..., n - 1 from the mean seconds t_1, ..., t_n, ascending,
    the last of which may be infinite: ``(n,) -> (n,)``."""
    c = 1.0 / times[::-1]
    shares = np.diff(c, prepend=0.0) / np.arange(1, len(c) + 1)
    return np.asarray(shares / shares.sum())


@final
@plain_dataclass(frozen=True)
class Levels(OfWorkers):
    """Levels with ``(n,)`` shares x_s, each with its own gradient code; see ``BlockCoordinate``."""

    sees: ClassVar[Sees] = Sees.NOTHING
    split: tuple[float, ...]
    name = "block_coordinate"
    exact = True

    @property
    @override
    def guarantees(self) -> Guarantees:
        """The first level that has coordinates needs the most workers."""
        return Guarantees(tolerates=self.levels[0])

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that have coordinates."""
        return tuple(s for s, share in enumerate(self.split) if share > 0)

    @property
    @override
    def messages(self) -> int:
        return len(self.levels)

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return tuple(self.split[s] for s in self.levels)

    @override
    def plan(self, state: State = None) -> Round:
        done = np.cumsum([(s + 1) * self.split[s] for s in self.levels])
        needed = PerPlace(tuple(FirstK(self.n - s) for s in self.levels))
        return Round(np.full(self.n, done[-1]), needed, shares=done / done[-1])

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """The share of the coordinates that can be decoded, which is 1 at the end of a round. Which
        are missing before makes no difference to the weights, which know none."""
        by_level = arrived.reshape(*arrived.shape[:-1], self.n, self.messages)
        decoded = np.count_nonzero(by_level, axis=-2) >= self.n - np.array(self.levels)
        share = np.where(decoded.all(axis=-1), 1.0, decoded @ np.array(self.message_sizes))
        return np.repeat(share[..., None], self.n, axis=-1)
