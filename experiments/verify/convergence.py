"""The loss of gradient descent stays below its bound, on a problem whose spectrum is known.

The learner gives the losses. The bound needs the groups' gradients along the path, which the
learner does not keep: the path is walked again here, in three lines of its own, so that a wrong
step of the learner does not move the bound with it. Runs are pieces of the simulated rounds.
"""

from __future__ import annotations

import numpy as np

from ...sim.learner import train
from ...sim.optimizers import GradientDescent
from ...sim.problems import Problem
from ...sim.steps import GivenWeights
from ...sim.theory import NoFormula
from ...sim.theory.convergence import ErasureBound, least_squares_spectrum
from ...sim.theory.decoding_error import GroupErasure, group_erasure
from ...sim.types import FloatArray
from . import problem
from .compare import Comparison, Quantities, at_most
from .simulation import RUN, Case

STEPS = (1, 20)
"""Iterations after which the loss is held to the bound."""

CONDITIONS = (1.0, 3.0)
"""Spectra of the problems: with all eigenvalues equal the bound is close to the loss."""

HORIZON = STEPS[-1]

assert RUN % HORIZON == 0


def compare_losses(case: Case) -> Quantities:
    """Mean f - f* after a few iterations, at the longest step that the bound allows."""
    if not case.setting.learns:
        return []
    erased = group_erasure(case.scheme)
    quantities: Quantities = []
    for condition in CONDITIONS:
        names = [f"f - f* after {t}, condition {condition:g}" for t in STEPS]
        if isinstance(erased, NoFormula):
            quantities += [(name, erased) for name in names]
        else:
            quantities += zip(names, _outcomes(case, erased, condition), strict=True)
    return quantities


def _outcomes(case: Case, erased: GroupErasure, condition: float) -> list[Comparison]:
    fixed = problem.least_squares(case.scheme.partitions, condition)
    spectrum = least_squares_spectrum(np.asarray(fixed.X), fixed.y)
    step = 1.0 / (spectrum.smoothness * erased.scale * erased.heard)
    weights = case.weights.reshape(-1, HORIZON, case.scheme.partitions)
    gaps = _losses(fixed, step, weights) - spectrum.minimum
    spreads = group_spreads(fixed, problem.start(), weights, step, erased.size)
    gap = float(fixed.loss(problem.start()[:, None])[0]) - spectrum.minimum
    bound = ErasureBound(
        spectrum.smoothness, spectrum.pl_constant, erased, step, float(spreads.max()), gap
    )
    bounds = bound_of_each(bound, spreads)
    return [at_most(gaps[:, t], bounds[:, t], scale=gap) for t in STEPS]


def bound_of_each(bound: ErasureBound, spreads: FloatArray) -> FloatArray:
    """``bound_along`` of every run: ``(R, T) -> (R, T + 1)``.

    The bound is affine in the spreads, so T + 1 paths determine it.
    """
    horizon = spreads.shape[1]
    base = bound.bound_along(np.zeros(horizon))
    response = np.stack([bound.bound_along(unit) - base for unit in np.eye(horizon)])
    return np.asarray(base + spreads @ response)


def _losses(fixed: Problem, step: float, weights: FloatArray) -> FloatArray:
    """Losses of every run, by the learner: ``(R, T + 1)``."""
    steps = GivenWeights(np.zeros(weights.shape[:2]), weights)
    rule = GradientDescent(learning_rate=step)
    return train(fixed, rule, problem.start(), steps, weights.shape[1]).train_loss


def group_spreads(
    fixed: Problem, initial: FloatArray, weights: FloatArray, step: float, size: int
) -> FloatArray:
    """V at each step of gradient descent with erasures: ``(R, T)``.

    V is the sum over groups of the squared norm of the group's part of the gradient of the mean
    loss. Cost: per step four products with the data.

    Args:
        fixed: a dense problem without L2.
        initial: ``(p,)`` the start.
        weights: ``(R, T, k)`` partition weights that the master decoded, equal within a group.
        step: the learning rate.
        size: partitions in a group.
    """
    replications, iterations, _ = weights.shape
    ends = np.cumsum(fixed.partition_sizes)[size - 1 :: size]
    blocks = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    X = np.asarray(fixed.X)
    beta = np.repeat(initial[:, None], replications, axis=1)
    spreads = np.empty((replications, iterations))
    for t in range(iterations):
        slopes = fixed.row_slopes(X @ beta, fixed.y) / fixed.rows
        parts = np.stack([X[block].T @ slopes[block] for block in blocks])
        spreads[:, t] = np.square(parts).sum(axis=(0, 1))
        beta = beta - step * fixed.gradient(beta, weights[:, t])
    return spreads
