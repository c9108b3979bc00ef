"""Multiplicative effects: a factor for each worker and for each round, and a law of the latter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....delay_models.base import FloatArray
from ....delay_models.parametric import LogNormal
from .law import TwoLogNormals, lognormal_section
from .lognormals import fit_two_lognormals
from .variance import components

NARROWEST = 0.1
FEWEST_FACTORS = 10


@dataclass(frozen=True, eq=False)
class Split:
    """What is left, and what was taken out.

    Attributes:
        sample: ``(N,)`` seconds, divided by the factors.
        by_worker: ``(n,)`` factors > 0, or ``None``.
        by_round: ``(R,)`` factors > 0, or ``None``.
    """

    sample: FloatArray
    by_worker: FloatArray | None
    by_round: FloatArray | None


def split_factors(tables: Sequence[FloatArray], worker: bool, by_round: bool) -> Split | None:
    """Divide ``(rounds, n)`` tables by their factors; ``None`` without any.

    A factor is the exponential of a mean of logarithms, shrunk towards 1 by the part of it that is
    noise (the best linear unbiased prediction of a random effect): unshrunk, the factors of a few
    workers in a round would count what is chance in them twice, in the factor and in the base law.
    """
    if not (worker or by_round) or min(min(table.shape) for table in tables) < 2:
        return None
    logs = [np.log(np.maximum(table, 1e-12)) for table in tables]
    of_worker, of_round, rest = components(logs)
    together = np.concatenate(logs)
    rounds, workers = together.shape
    rows = together.mean(axis=1) - together.mean()
    columns = together.mean(axis=0) - together.mean()
    rows = _trust(of_round, rest / workers) * rows
    columns = _trust(of_worker, rest / rounds) * columns
    left = together
    if by_round:
        left = left - rows[:, None]
    if worker:
        left = left - columns
    return Split(
        np.exp(left).ravel(),
        np.exp(columns) if worker else None,
        np.exp(rows) if by_round else None,
    )


def _trust(effect: float, noise: float) -> float:
    return effect / (effect + noise) if effect > 0 else 0.0


def factor_law(factors: FloatArray) -> dict[str, Any]:
    """A section for the factors of rounds, ``(R,)`` numbers > 0, scaled to median 1.

    Often all rounds are alike but a few, which are slow for all workers. One lognormal would spread
    those few over all rounds; two say that a round is slow with some probability. Two are taken
    where the Bayesian information criterion prefers them, with parts no narrower than a tenth of
    the whole: among a few dozen rounds a part would otherwise sit on a single one.
    """
    factors = factors / np.median(factors)
    logs = np.log(factors)
    mean, sigma = float(logs.mean()), float(logs.std())
    one = lognormal_section(mean, sigma)
    if len(factors) < FEWEST_FACTORS or sigma <= 0:
        return one
    two = fit_two_lognormals(factors, narrowest=NARROWEST)
    single = LogNormal(median=float(np.exp(mean)), sigma=sigma).distribution().logpdf(factors).sum()
    gain = float(two.logpdf(factors).sum() - single)
    return two.section() if gain > 1.5 * np.log(len(factors)) and _apart(two) else one


def _apart(two: TwoLogNormals) -> bool:
    """Whether each part holds at least about one round."""
    return 1e-3 < two.slow_share < 1 - 1e-3
