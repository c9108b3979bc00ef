"""Mixtures: each cell takes one of several laws, at random.

The functions below work with the law of one cell alone, so that models with a memory, whose cells
are mixtures too, can use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, final

import numpy as np
from annotated_types import MinLen
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from delay_models.base import (
    STRICT,
    DelayModel,
    FloatArray,
    IndependentDelays,
    IndependentPart,
    NonNegative,
)
from delay_models.parametric import LogNormal, ShiftedExponential

SUM_TOLERANCE = 1e-6
"""How far from 1 the sum of given weights may be; they are then divided by their sum."""


@final
@dataclass(frozen=True, config=STRICT)
class Mixture(IndependentDelays):
    """Each cell is drawn from ``components[i]`` with probability ``weights[i]``.

    Two-component mixtures of lognormals fit measured call times better than any classic law.

    Raises:
        ValueError: as many weights as components are needed, and a sum of 1.

    Cost: one uniform draw per cell and one draw from its component. ``ppf`` finds roots: about
    ten times ``cdf``.
    """

    weights: Annotated[tuple[NonNegative, ...], MinLen(1)]
    components: tuple[IndependentPart, ...]

    def __post_init__(self) -> None:
        """Check the fields together."""
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
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        return mixed_cdf(self.weights, self.components, seconds)

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        return mixed_sf(self.weights, self.components, seconds)

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        return mixed_ppf(self.weights, self.components, probability)

    @override
    def longest(self) -> float:
        return max(part.longest() for part in self.components)

    @override
    def mean(self) -> float | None:
        return mixed_mean(self.weights, self.components)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.1), LogNormal(median=1.5, sigma=0.4)
        tail = ShiftedExponential(shift=0.2, rate=2.0)
        return (
            Mixture(weights=(0.8, 0.2), components=(fast, slow)),
            Mixture(weights=(0.5, 0.2, 0.3), components=(tail, slow, fast)),
        )


def mixed_cdf(
    weights: Sequence[float], parts: Sequence[DelayModel], seconds: ArrayLike
) -> FloatArray | None:
    """CDF of a mixture of laws, elementwise; ``None`` if a part's is not closed."""
    return _weighted(weights, [part.cdf(seconds) for part in parts])


def mixed_sf(
    weights: Sequence[float], parts: Sequence[DelayModel], seconds: ArrayLike
) -> FloatArray | None:
    """Survival function of a mixture, elementwise; ``None`` if no part's CDF is closed.

    As precise as the parts' own, or as ``1 - cdf`` where a part has none.
    """
    return _weighted(weights, [_survival(part, seconds) for part in parts])


def mixed_mean(weights: Sequence[float], parts: Sequence[DelayModel]) -> float | None:
    """Mean of a mixture in seconds; ``None`` if a part's is not closed."""
    means = [part.mean() for part in parts]
    if any(mean is None for mean in means):
        return None
    pairs = zip(weights, means, strict=True)
    return sum(w * mean for w, mean in pairs if w > 0 and mean is not None) / sum(weights)


def mixed_ppf(
    weights: Sequence[float], parts: Sequence[DelayModel], probability: ArrayLike
) -> FloatArray | None:
    """Quantiles of a mixture in seconds, elementwise; ``None`` if a part has none.

    A mixture's quantile lies between the smallest and the largest of the parts' quantiles, so
    those bracket the root (Chandrupatla's method).
    """
    q = np.asarray(probability, dtype=np.float64)
    used = [(w, part) for w, part in zip(weights, parts, strict=True) if w > 0]
    quantiles = [part.ppf(q) for _, part in used]
    if any(quantile is None for quantile in quantiles):
        return None
    table = np.stack([x for x in quantiles if x is not None])
    low, high = table.min(axis=0), table.max(axis=0)

    def excess(seconds: FloatArray, q: FloatArray) -> FloatArray:
        value = mixed_cdf([w for w, _ in used], [part for _, part in used], seconds)
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


def _weighted(weights: Sequence[float], values: Sequence[FloatArray | None]) -> FloatArray | None:
    if any(value is None for value in values):
        return None
    pairs = zip(weights, values, strict=True)
    total = sum((w * value for w, value in pairs if value is not None), start=np.zeros(()))
    return np.asarray(total / sum(weights), dtype=np.float64)


def _survival(part: DelayModel, seconds: ArrayLike) -> FloatArray | None:
    survival = part.sf(seconds)
    if survival is not None:
        return survival
    below = part.cdf(seconds)
    return None if below is None else 1 - below
