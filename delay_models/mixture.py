"""Mixtures: each cell takes one of several laws, at random.

``Mixed`` is about the law of one cell alone, so that models with a memory, whose cells are
mixtures too, can use it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, TypeAlias, final

import numpy as np
from annotated_types import MinLen
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from .base import (
    STRICT,
    DelayModel,
    FloatArray,
    IndependentDelays,
    IndependentPart,
    NonNegative,
)
from .parametric import LogNormal, ShiftedExponential

SUM_TOLERANCE = 1e-6
"""How far from 1 the sum of given weights may be; they are then divided by their sum."""


Law: TypeAlias = "tuple[Sequence[float], Sequence[DelayModel]]"
"""Weights, which need not sum to 1, and the laws that they belong to."""


class Mixed(DelayModel):
    """A model in which the law of one cell is a mixture of laws; abstract.

    ``cdf``, ``sf``, ``ppf`` and ``mean`` follow from the parts; they are ``None`` where a part's
    are, and where there is no ``mixed``. Cost: ``ppf`` finds roots, about ten times ``cdf``.
    """

    @property
    @abstractmethod
    def mixed(self) -> Law | None:
        """The law of one cell; ``None`` where it is not a mixture."""

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        return self._weighted([part.cdf(seconds) for part in self._laws])

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        """As precise as the parts' own, or as ``1 - cdf`` where a part has none."""
        return self._weighted([part.survival(seconds) for part in self._laws])

    @override
    def mean(self) -> float | None:
        means = [part.mean() for part in self._laws]
        if self.mixed is None or any(mean is None for mean in means):
            return None
        weights = self.mixed[0]
        pairs = zip(weights, means, strict=True)
        return sum(w * mean for w, mean in pairs if w > 0 and mean is not None) / sum(weights)

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        """By root finding (Chandrupatla's method).

        A mixture's quantile lies between the smallest and the largest of the parts' quantiles.
        """
        if self.mixed is None:
            return None
        q = np.asarray(probability, dtype=np.float64)
        quantiles = [part.ppf(q) for w, part in zip(*self.mixed, strict=True) if w > 0]
        if any(quantile is None for quantile in quantiles):
            return None
        table = np.stack([x for x in quantiles if x is not None])
        low, high = table.min(axis=0), table.max(axis=0)

        def excess(seconds: FloatArray, q: FloatArray) -> FloatArray:
            value = self.cdf(seconds)
            assert value is not None
            return value - q

        at_low, at_high = excess(low, q) >= 0, excess(high, q) <= 0
        inside = ~(at_low | at_high)
        result: FloatArray = np.where(at_low, low, high)
        if np.any(inside):
            bracket = (low[inside], high[inside])
            from scipy.optimize import elementwise  # a fifth of a second, only for quantiles

            result[inside] = elementwise.find_root(excess, bracket, args=(q[inside],)).x
        return result

    @property
    def _laws(self) -> Sequence[DelayModel]:
        return () if self.mixed is None else self.mixed[1]

    def _weighted(self, values: Sequence[FloatArray | None]) -> FloatArray | None:
        if self.mixed is None or any(value is None for value in values):
            return None
        weights = self.mixed[0]
        pairs = zip(weights, values, strict=True)
        total = sum((w * value for w, value in pairs if value is not None), start=np.zeros(()))
        return np.asarray(total / sum(weights), dtype=np.float64)


@final
@dataclass(frozen=True, config=STRICT)
class Mixture(Mixed, IndependentDelays):
    """Each cell is drawn from ``components[i]`` with probability ``weights[i]``.

    Two-component mixtures of lognormals fit measured call times better than any classic law.

    Raises:
        ValueError: as many weights as components are needed, and a sum of 1.

    Cost: one uniform draw per cell and one draw from its component.
    """

    weights: Annotated[tuple[NonNegative, ...], MinLen(1)]
    components: tuple[IndependentPart, ...]

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.components):
            raise ValueError(
                f"{len(self.weights)} weights for {len(self.components)} components; "
                "must be one weight for each component"
            )
        total = sum(self.weights)
        if abs(total - 1) > SUM_TOLERANCE:
            raise ValueError(f"weights sum to {total:g}; must sum to 1")

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        bounds = np.cumsum(self.weights) / sum(self.weights)
        which = np.searchsorted(bounds[:-1], rng.random(shape), side="right")
        delays = np.empty(shape)
        for index, component in enumerate(self.components):
            mine = which == index
            delays[mine] = component.sample(rng, 1, int(mine.sum()))[0]
        return delays

    @override
    def longest(self) -> float:
        return max(part.longest() for part in self.components)

    @property
    @override
    def mixed(self) -> Law:
        return self.weights, self.components

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.4)
        tail = ShiftedExponential(shift=0.2, rate=2.0)
        return (
            Mixture(weights=(0.8, 0.2), components=(fast, slow)),
            Mixture(weights=(0.5, 0.2, 0.3), components=(tail, slow, fast)),
        )
