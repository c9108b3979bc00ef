"""Seconds lost to messages that must be sent again."""

from __future__ import annotations

from typing import Annotated, final

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from .base import STRICT, DelayModel, Finite, FloatArray, IndependentDelays, Seconds


@final
@dataclass(frozen=True, config=STRICT)
class Resends(IndependentDelays):
    """Each attempt is lost with probability ``loss``; a loss costs ``retry_after`` seconds.

    The sum is ``retry_after`` times a geometric number of losses. Not in the registry: it is part
    of a config's ``failures``, not a model of workers.
    """

    loss: Annotated[Finite, Ge(0), Lt(1)]
    retry_after: Seconds

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.retry_after * (rng.geometric(1 - self.loss, shape) - 1.0))

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """1 - loss^(k+1) with k the losses that fit into ``seconds``."""
        time = np.asarray(seconds, dtype=np.float64)
        if self.retry_after == 0:
            return np.asarray(time >= 0, dtype=np.float64)
        losses = np.floor(time / self.retry_after)
        return np.where(time >= 0, 1 - self.loss ** (losses + 1), 0.0)

    @override
    def longest(self) -> float:
        """The largest whole number that NumPy draws is 2^63 - 1."""
        return self.retry_after * 2.0**63

    @override
    def mean(self) -> float:
        return self.retry_after * self.loss / (1 - self.loss)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (cls(loss=0.3, retry_after=0.5),)
