"""How far a simulated number may be from a closed form: z-scores, and exact comparisons.

A z-score is (simulated - expected) / standard error. Where a number does not vary from round to
round there is no standard error; then it must agree to a tolerance, and z is 0 or infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy import special

from ...sim.theory import NoFormula
from ...sim.types import FloatArray
from ..records.estimates import mean_and_error

ROUNDING = 1e-12
"""Relative tolerance of numbers that do not vary."""


@dataclass(frozen=True)
class Comparison:
    """A simulated number beside the closed form.

    Attributes:
        simulated: what the simulator gave.
        expected: what the theory says: a value, or an upper bound when ``one_sided``.
        z: the score; infinite where numbers that do not vary disagree.
        error: standard error of ``simulated - expected``; NaN where another measure gave z.
        one_sided: only a simulated number above the expected one is wrong.
        varies: False when the number is the same in every round; then z is 0 or infinite.
    """

    simulated: float
    expected: float
    z: float
    error: float = np.nan
    one_sided: bool = False
    varies: bool = True

    @property
    def excess(self) -> float:
        """The number that must stay below the bound: |z|, or z when one-sided; infinite for NaN."""
        if np.isnan(self.z):
            return np.inf
        return self.z if self.one_sided else abs(self.z)


@dataclass(frozen=True)
class NotComparable:
    """There is a closed form, but this simulation cannot test it, and why."""

    reason: str


Outcome: TypeAlias = Comparison | NoFormula | NotComparable

Quantities: TypeAlias = "list[tuple[str, Outcome]]"
"""Outcomes with the names of what was compared."""


def mean(samples: FloatArray, expected: float) -> Comparison:
    """A sample mean, by its standard error: ``(N,)`` independent samples.

    Needs a third moment: with any finite variance the limit is the normal law, but a mean of heavy
    tails is far from it at every N that can be run.
    """
    simulated, error = _mean_and_error(samples)
    if error * np.sqrt(samples.size) <= ROUNDING * max(abs(expected), abs(simulated)):
        return same(samples, expected)
    return Comparison(simulated, expected, (simulated - expected) / error, error)


def at_most(samples: FloatArray, bounds: FloatArray, scale: float) -> Comparison:
    """A sample mean against the mean of upper bounds, one for each sample; one-sided.

    Args:
        samples: ``(R,)`` independent samples.
        bounds: ``(R,)``; sample and bound may depend on each other.
        scale: rounding is measured against this number.
    """
    over, error = _mean_and_error(samples - bounds)
    rounding = ROUNDING * scale
    varies = error * np.sqrt(samples.size) > rounding
    still = 0.0 if over <= rounding else np.inf
    z = over / error if varies else still
    return Comparison(
        float(samples.mean()), float(bounds.mean()), z, error, one_sided=True, varies=varies
    )


def _mean_and_error(samples: FloatArray) -> tuple[float, float]:
    """Of all samples: one that is NaN must fail the comparison, not be left out."""
    return (np.nan, np.nan) if np.isnan(samples).any() else mean_and_error(samples)


def share(hits: int, rounds: int, probability: float) -> float:
    """z of a count of hits in independent rounds, by its binomial standard error."""
    error = np.sqrt(rounds * probability * (1.0 - probability))
    over = hits - rounds * probability
    if error == 0.0:
        return 0.0 if over == 0.0 else np.inf
    return float(over / error)


def same(
    values: FloatArray, expected: float, tolerance: float = ROUNDING, scale: float | None = None
) -> Comparison:
    """Numbers that must all be the expected one.

    Args:
        values: ``(N,)``.
        expected: the one number.
        tolerance: relative to ``scale``.
        scale: the size of what is computed; ``|expected|`` unless given.
    """
    size = abs(expected) if scale is None else scale
    agree = bool(np.all(np.abs(values - expected) <= tolerance * size))
    return Comparison(float(values.mean()), expected, 0.0 if agree else np.inf, varies=False)


def bound(comparisons: int, chance: float) -> float:
    """The z that any of that many comparisons exceeds with at most this chance (Bonferroni).

    It holds also for comparisons that depend on each other, as rows that read one tape do.
    """
    return float(-special.ndtri(chance / (2 * max(1, comparisons))))
