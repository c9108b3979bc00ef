"""Simulated numbers against closed forms, as z-scores, and the bound for a whole table. A z-score
is (simulated - expected) / standard error. A number that is the same in every round has no standard
error; it must agree to a tolerance, and its z is 0 or infinite."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from scipy import special

from ....delay_models.parametric import Deterministic
from ....sim.base.types import FloatArray
from ....sim.schemes.base import Fixed
from ....sim.schemes.parts.stopping import FirstK
from ....sim.theory import IterationTimeLaw, NoFormula, round_theory, scheme_iteration_time
from ....sim.theory.decoding_error import (
    ErasureBound,
    GroupErasure,
    group_erasure,
    least_squares_spectrum,
)
from ....sim.theory.scheme_time import TIED
from ....sim.training.learner import train
from ....sim.training.optimizers import GradientDescent
from ....sim.training.steps import GivenWeights
from ...run.records import DECODED, MOST_SKEWNESS, mean_and_error
from . import grid
from .grid import RUN_ROUNDS, Case

EQUAL_TOLERANCE = 1e-12  # relative tolerance for numbers that are the same in every round


@dataclass(frozen=True)
class Scored:
    """A simulated number beside the closed form."""

    simulated: float  # what the simulator gave
    expected: float  # what the theory says: a value, or an upper bound when ``one_sided``
    z: float  # the score; infinite where numbers that do not vary disagree
    error: float = np.nan  # of ``simulated - expected``; NaN where another measure gave z
    one_sided: bool = False  # only a simulated number above the expected one is wrong
    varies: bool = True  # False when the number is the same in every round; then z is 0 or infinite

    @property
    def excess(self) -> float:
        """The number that must stay below the bound: |z|, or z when one-sided; infinite for NaN."""
        if np.isnan(self.z):
            return np.inf
        return self.z if self.one_sided else abs(self.z)


@dataclass(frozen=True)
class NotComparable:
    """The reason why this simulation cannot test a closed form that exists."""

    reason: str


Outcome: TypeAlias = Scored | NoFormula | NotComparable
# The names of the compared quantities, each with its outcome.
Quantities: TypeAlias = "list[tuple[str, Outcome]]"


def compare_mean(samples: FloatArray, expected: float) -> Scored:
    """A sample mean, by its standard error: ``(N,)`` independent samples. Needs a third moment: the
    limit is normal with any finite variance, but far from it for heavy tails at every usable N."""
    simulated, error = _mean_and_error(samples)
    if error * np.sqrt(samples.size) <= EQUAL_TOLERANCE * max(abs(expected), abs(simulated)):
        return same(samples, expected)
    return Scored(simulated, expected, (simulated - expected) / error, error)


def at_most(samples: FloatArray, bounds: FloatArray, scale: float) -> Scored:
    """A sample mean, ``(R,)`` independent samples, against the mean of upper bounds, one for each
    sample, on which it may depend; one-sided. Rounding is measured against ``scale``."""
    over, error = _mean_and_error(samples - bounds)
    rounding = EQUAL_TOLERANCE * scale
    varies = error * np.sqrt(samples.size) > rounding
    still = 0.0 if over <= rounding else np.inf
    z, means = over / error if varies else still, (float(samples.mean()), float(bounds.mean()))
    return Scored(*means, z, error, one_sided=True, varies=varies)


def _mean_and_error(samples: FloatArray) -> tuple[float, float]:
    """Mean and standard error; NaN if any sample is, so that it fails instead of being left out."""
    return (np.nan, np.nan) if np.isnan(samples).any() else mean_and_error(samples)


def binomial_z(hits: int, rounds: int, probability: float) -> float:
    """z of a count of hits in independent rounds, by its binomial standard error."""
    error = np.sqrt(rounds * probability * (1.0 - probability))
    over = hits - rounds * probability
    return float(over / error) if error else 0.0 if over == 0.0 else np.inf


def same(
    values: FloatArray,
    expected: float,
    tolerance: float = EQUAL_TOLERANCE,
    scale: float | None = None,
) -> Scored:
    """Numbers that must all be the expected one, to ``tolerance * scale`` (else ``|expected|``)."""
    size = abs(expected) if scale is None else scale
    agree = bool(np.all(np.abs(values - expected) <= tolerance * size))
    return Scored(float(values.mean()), expected, 0.0 if agree else np.inf, varies=False)


def bound(comparisons: int, chance: float) -> float:
    """The z that any of that many comparisons exceeds with at most this chance (Bonferroni). It
    holds also for comparisons that depend on each other, as rows that read one tape do."""
    return float(-special.ndtri(chance / (2 * max(1, comparisons))))


# relative tolerance of a gradient that is exact but for the decoder's round-off
GRADIENT_TOLERANCE = 1e-9
TIES = NotComparable(f"{TIED}, here everyone")


def compare_decoding_error(case: Case) -> Quantities:
    """The mean over rounds of the decoding error ``||w - 1||^2``."""
    outcome: Outcome
    errors, setting = case.decoded.error.ravel(), case.setting
    known = round_theory(case.scheme, setting.delay, setting.law).error
    if case.scheme.exact or known == 0.0:
        outcome = same(errors.mean(keepdims=True), 0.0, DECODED, scale=case.scheme.partitions)
    elif isinstance(known, NoFormula):
        outcome = TIES if known.reason == TIED else known
    else:
        outcome = compare_mean(errors, known)
        erased = group_erasure(case.scheme)
        if not outcome.varies:
            outcome = same(errors, known, GRADIENT_TOLERANCE)
            if outcome.z and isinstance(erased, GroupErasure) and erased.error_variance > 0:
                outcome = _of_rare(errors, known, erased.error_variance)
        elif isinstance(erased, GroupErasure) and _too_skew(erased.error_skewness, errors.size):
            outcome = TOO_SKEW
    return [("decoding error, mean", outcome)]


def _of_rare(samples: FloatArray, expected: float, variance: float) -> Scored:
    """A mean of rounds that were all the same: others are rare, and the closed form's variance says
    how rare."""
    simulated, error = float(samples.mean()), float(np.sqrt(variance / samples.size))
    return Scored(simulated, expected, (simulated - expected) / error)


LAW = "F(T)"  # of rounds that have the law F these values are uniform, up to ties
TIME_LEVEL = 0.9  # the quantile of the iteration time that is compared
# Relative width of equal times: differences of absolute ones are rounded; deadlines make many.
INSTANT = 1e-9


def compare_iteration_time(case: Case) -> Quantities:
    """Mean and quantile of the round's duration; and the whole law, where a mean says nothing."""
    law, seconds = case.time, case.seconds
    names = ["mean", f"{TIME_LEVEL:.0%} quantile"]
    outcomes: list[Outcome]
    if isinstance(law, NoFormula):
        outcomes = [law, law]
    elif isinstance(case.setting.delay, Deterministic):
        outcomes = [same(seconds, law.mean()), same(seconds, float(law.quantile(TIME_LEVEL)))]
    else:
        outcomes = [mean_outcome(seconds, law), _quantile(seconds, law)]
    if isinstance(outcomes[0], NotComparable) and isinstance(law, IterationTimeLaw):
        points = law.quantile(POINTS) * (1.0 + INSTANT)
        names.append(LAW)
        outcomes.append(distance(seconds, points, law.cdf(points)))
    return [(f"iteration time, {name}", got) for name, got in zip(names, outcomes, strict=True)]


def mean_outcome(seconds: FloatArray, law: IterationTimeLaw) -> Outcome:
    """The mean of independent rounds, where it is nearly normal by their law."""
    if law.tail_index() <= 2.0:
        return NotComparable("the variance is infinite: a mean has no standard error")
    if law.tail_index() <= 3.0:
        return NotComparable("the third moment is infinite: a mean is far from normal")
    outcome = compare_mean(seconds, law.mean())
    variance = law.variance()
    if not outcome.varies:
        return outcome if variance == 0.0 else _of_rare(seconds, outcome.expected, variance)
    return TOO_SKEW if _too_skew(law.skewness(), seconds.size) else outcome


TOO_SKEW = NotComparable("too few rounds for this tail: a mean is far from normal")


def _too_skew(skewness: float, rounds: int) -> bool:
    return bool(abs(skewness) > MOST_SKEWNESS * np.sqrt(rounds))


def _quantile(seconds: FloatArray, law: IterationTimeLaw) -> Scored:
    """The count of rounds up to the closed form's quantile is binomial: no density needed."""
    expected = float(law.quantile(TIME_LEVEL))
    instant = expected * (1.0 + INSTANT)
    chance = float(law.cdf(instant))
    z = binomial_z(int(np.count_nonzero(seconds <= instant)), seconds.size, chance)
    # More rounds below the expected quantile than expected: the simulated one is smaller.
    return Scored(float(np.quantile(seconds, TIME_LEVEL)), expected, 0.0 - z, varies=chance < 1.0)


LAW_QUANTITIES = (
    "law engine: mean",
    "law engine: distance of the CDF",
    "law engine, drain: mean",
    "law engine, drain: distance to batch",
)
POINTS = np.linspace(0.005, 0.995, 199)  # at whose quantiles distributions are compared


def compare_law_engine(case: Case) -> Quantities:
    """Rounds drawn by their law, against closed forms, and under ``drain`` the batch engine. A
    drained iteration takes as long as the slowest worker, on average."""
    drawn, delay = case.by_law, case.setting.delay
    if drawn is None:
        return []
    assert isinstance(case.scheme, Fixed)
    everybody = replace(case.scheme, stopping=FirstK(case.setting.workers))
    law, slowest = case.time, scheme_iteration_time(everybody, delay, case.setting.law)
    assert isinstance(law, IterationTimeLaw)  # the engine has drawn from it
    assert isinstance(slowest, IterationTimeLaw)
    if isinstance(delay, Deterministic):
        cancelled = same(drawn.cancelled, law.mean(), INSTANT)
        return [
            (LAW_QUANTITIES[0], cancelled),
            (LAW_QUANTITIES[2], same(drawn.drained, slowest.mean(), INSTANT)),
        ]
    points = law.quantile(POINTS) * (1.0 + INSTANT)
    later = np.quantile(drawn.simulated, POINTS) * (1.0 + INSTANT)
    share = (drawn.simulated[:, None] <= later).mean(axis=0)
    outcomes = (
        mean_outcome(drawn.cancelled, law),
        distance(drawn.cancelled, points, law.cdf(points)),
        mean_outcome(drawn.drained, slowest),
        distance(drawn.drained, later, share, drawn.simulated.size),
    )
    return list(zip(LAW_QUANTITIES, outcomes, strict=True))


def distance(
    samples: FloatArray, points: FloatArray, expected: FloatArray, others: float = np.inf
) -> Scored:
    """Kolmogorov-Smirnov: the largest distance between two distributions, at some points: of
    ``(N,)`` independent samples, and of one whose values there are ``expected``, measured with
    ``others`` samples. The result's ``expected`` is the median of that distance, z the normal score
    of its chance; both are of the distance anywhere, which is never smaller. One-sided."""
    scale = np.sqrt(samples.size / (1.0 + samples.size / others))
    reached = np.searchsorted(np.sort(samples), points, side="right") / samples.size
    largest = float(np.abs(reached - expected).max())
    chance = min(float(special.kolmogorov(scale * largest)), 1.0 - EQUAL_TOLERANCE)
    z = -float(special.ndtri(chance))
    return Scored(largest, float(special.kolmogi(0.5)) / scale, z, one_sided=True)


# First and second moment of the decoded gradient u, for fixed partition gradients. The first is a
# vector. It is compared along the gradient, where a wrong scale shows, and along a random
# direction, where a partition that is heard too often shows.

MOMENT_NAMES = (
    "u along grad f, mean",
    "u along a random direction, mean",
    "|u|^2, mean",
    "|u - grad f|^2, mean",
)


def compare_moments(case: Case) -> Quantities:
    """Four moments; for an exact scheme that u is the gradient in every round."""
    fixed = grid.least_squares(case.scheme.partitions)
    gradients = fixed.partition_gradients(grid.start()).T / fixed.rows  # (k, p)
    gradient = gradients.sum(axis=0)
    length = float(np.linalg.norm(gradient))
    if case.scheme.exact:
        worst = np.linalg.norm(case.weights @ gradients - gradient, axis=1)
        found = same(worst, 0.0, GRADIENT_TOLERANCE, scale=length)
        return [("|u - grad f|, in every round", found)]
    closed = group_erasure(case.scheme)
    if isinstance(closed, NoFormula):
        return [(name, closed) for name in MOMENT_NAMES]
    if isinstance(case.setting.delay, Deterministic):
        return [(name, TIES) for name in MOMENT_NAMES]
    groups = gradients.reshape(-1, closed.size, gradients.shape[1]).sum(axis=1)
    decoded, along, across = case.weights @ gradients, gradient / length, grid.direction()
    expected = closed.mean_gradient(groups)
    outcomes = (
        compare_mean(decoded @ along, float(expected @ along)),
        compare_mean(decoded @ across, float(expected @ across)),
        compare_mean(np.square(decoded).sum(axis=1), closed.mean_square(groups)),
        compare_mean(np.square(decoded - gradient).sum(axis=1), closed.mean_square_error(groups)),
    )
    return list(zip(MOMENT_NAMES, outcomes, strict=True))


# The loss of gradient descent stays below its bound, on a problem whose spectrum is known. The
# learner gives the losses. The bound needs the groups' gradients along the path, which the learner
# does not keep: the path is walked again here, in three lines of its own, so that a wrong step of
# the learner does not move the bound with it. Runs are pieces of the simulated rounds.

BOUND_STEPS = (1, 20)  # iterations after which the loss is held to the bound
HORIZON = BOUND_STEPS[-1]
assert RUN_ROUNDS % HORIZON == 0


def compare_losses(case: Case) -> Quantities:
    """Mean f - f* after a few iterations, at the longest step that the bound allows."""
    if not case.setting.learns:
        return []
    erased = group_erasure(case.scheme)
    quantities: Quantities = []
    for condition in (1.0, 3.0):  # at 1 the bound is close to the loss
        names = [f"f - f* after {t}, condition {condition:g}" for t in BOUND_STEPS]
        if isinstance(erased, NoFormula):
            quantities += [(name, erased) for name in names]
            continue
        fixed = grid.least_squares(case.scheme.partitions, condition)
        spectrum = least_squares_spectrum(np.asarray(fixed.X), fixed.y)
        step = 1.0 / (spectrum.smoothness * erased.scale * erased.heard)
        weights = case.weights.reshape(-1, HORIZON, case.scheme.partitions)
        steps = GivenWeights(np.zeros(weights.shape[:2]), weights)
        rule = GradientDescent(learning_rate=step)
        losses = train(fixed, rule, grid.start(), steps, HORIZON).train_loss  # (R, T + 1)
        spreads = grid.group_spreads(fixed, grid.start(), weights, step, erased.size)
        gap = float(fixed.loss(grid.start()[:, None])[0]) - spectrum.minimum
        known = spectrum.smoothness, spectrum.pl_constant, erased, step, float(spreads.max()), gap
        gaps, bounds = losses - spectrum.minimum, bound_of_each(ErasureBound(*known), spreads)
        outcomes = [at_most(gaps[:, t], bounds[:, t], scale=gap) for t in BOUND_STEPS]
        quantities += zip(names, outcomes, strict=True)
    return quantities


def bound_of_each(bound: ErasureBound, spreads: FloatArray) -> FloatArray:
    """``bound_along`` of each run: ``(R, T) -> (R, T + 1)``; affine, so T + 1 paths tell it."""
    horizon = spreads.shape[1]
    base = bound.bound_along(np.zeros(horizon))
    response = np.stack([bound.bound_along(unit) - base for unit in np.eye(horizon)])
    return np.asarray(base + spreads @ response)
