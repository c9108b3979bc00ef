"""First and second moment of the decoded gradient u, for fixed partition gradients.

The first is a vector; it is compared along the gradient, where a wrong scale shows, and along a
random direction, where a partition that is heard too often shows up.
"""

from __future__ import annotations

import numpy as np

from ...delay_models.parametric import Deterministic
from ...sim.theory import NoFormula
from ...sim.theory.decoding_error import group_erasure
from ...sim.types import FloatArray
from . import problem
from .compare import Quantities, mean, same
from .decoding import EXACT, TIES
from .simulation import Case

NAMES = (
    "u along grad f, mean",
    "u along a random direction, mean",
    "|u|^2, mean",
    "|u - grad f|^2, mean",
)


def compare_moments(case: Case) -> Quantities:
    """Four moments; for an exact scheme that u is the gradient in every round."""
    parts = partition_gradients(case.scheme.partitions)
    gradient = parts.sum(axis=0)
    length = float(np.linalg.norm(gradient))
    if case.scheme.exact:
        worst = np.linalg.norm(case.weights @ parts - gradient, axis=1)
        return [("|u - grad f|, in every round", same(worst, 0.0, EXACT, scale=length))]
    closed = group_erasure(case.scheme)
    if isinstance(closed, NoFormula):
        return [(name, closed) for name in NAMES]
    if isinstance(case.setting.delay, Deterministic):
        return [(name, TIES) for name in NAMES]
    groups = parts.reshape(-1, closed.size, parts.shape[1]).sum(axis=1)
    decoded = case.weights @ parts
    along, across = gradient / length, problem.direction()
    expected = closed.mean_gradient(groups)
    outcomes = (
        mean(decoded @ along, float(expected @ along)),
        mean(decoded @ across, float(expected @ across)),
        mean(_squares(decoded), closed.mean_square(groups)),
        mean(_squares(decoded - gradient), closed.mean_square_error(groups)),
    )
    return list(zip(NAMES, outcomes, strict=True))


def partition_gradients(partitions: int) -> FloatArray:
    """Each partition's part of the gradient at the start: ``(k, p)``."""
    fixed = problem.least_squares(partitions)
    return fixed.partition_gradients(problem.start()).T / fixed.rows


def _squares(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.square(vectors).sum(axis=1))
