"""How long a round lasts: mean and 90 % quantile."""

from __future__ import annotations

import numpy as np

from ...delay_models.parametric import Deterministic
from ...sim.theory import IterationTimeLaw, NoFormula, scheme_iteration_time
from ...sim.theory.quadrature import smallest
from ...sim.types import FloatArray
from .compare import (
    Comparison,
    NotComparable,
    Outcome,
    Quantities,
    mean,
    same,
    share,
)
from .simulation import Case

LEVEL = 0.9
"""The quantile that is compared."""

INSTANT = 1e-9
"""Relative width within which two times count as equal: a difference of absolute times is rounded,
and with a deadline many rounds have the same length."""

FAR = np.array([1e-40, 1e-60])
"""Probabilities between which the tail's slope is read."""


def compare_iteration_time(case: Case) -> Quantities:
    """Mean and quantile of the round's duration."""
    law = scheme_iteration_time(case.scheme, case.setting.delay, case.setting.law)
    names = "iteration time, mean", f"iteration time, {LEVEL:.0%} quantile"
    if isinstance(law, NoFormula):
        return [(name, law) for name in names]
    seconds = case.seconds
    if isinstance(case.setting.delay, Deterministic):
        quantile = float(law.quantile(LEVEL))
        outcomes: list[Outcome] = [same(seconds, law.mean()), same(seconds, quantile)]
    else:
        outcomes = [_mean(seconds, law), _quantile(seconds, law)]
    return list(zip(names, outcomes, strict=True))


def _mean(seconds: FloatArray, law: IterationTimeLaw) -> Outcome:
    index = tail_index(law)
    if index <= 2.0:
        return NotComparable("the variance is infinite: a mean has no standard error")
    if index <= 3.0:
        return NotComparable("the third moment is infinite: a mean is far from normal")
    found = mean(seconds, law.mean())
    variance = law.variance()
    if found.varies or not variance > 0.0:
        return found
    # All rounds lasted the same: others are rare, and the closed form says how rare.
    error = float(np.sqrt(variance / seconds.size))
    return Comparison(found.simulated, found.expected, (found.simulated - found.expected) / error)


def tail_index(law: IterationTimeLaw) -> float:
    """Moments of an order below this are finite: the slope of the tail far out.

    It is exact for a power law, large for lighter tails, infinite for a bounded one; rounded to
    a tenth.
    """
    near, far = smallest(lambda t: law.sf(t) <= FAR, 2)
    if near == far:
        return np.inf
    return round(float(np.log(FAR[0] / FAR[1]) / np.log(far / near)), 1)


def _quantile(seconds: FloatArray, law: IterationTimeLaw) -> Comparison:
    """The count of rounds up to the closed form's quantile is binomial: no density needed."""
    expected = float(law.quantile(LEVEL))
    instant = expected * (1.0 + INSTANT)
    hits = int(np.count_nonzero(seconds <= instant))
    chance = float(law.cdf(instant))
    z = share(hits, seconds.size, chance)
    # More rounds below the expected quantile than expected: the simulated one is smaller.
    simulated = float(np.quantile(seconds, LEVEL))
    return Comparison(simulated, expected, 0.0 - z, varies=chance < 1.0)
