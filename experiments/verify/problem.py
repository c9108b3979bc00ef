"""The least-squares problems on which gradients and losses are verified: small and always the same.

Each partition's rows have their own centre, so that its gradient has its own direction and erasing
it makes a difference. The spectrum of the Hessian is chosen: where all eigenvalues are equal the
convergence bound is almost an equality, and where they differ its rate matters.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ...sim.problems.losses import SquaredLoss
from ...sim.types import FloatArray

ROWS = 10
"""Rows in a partition."""

FEATURES = 8


@cache
def least_squares(partitions: int, condition: float = 1.0) -> SquaredLoss:
    """``ROWS`` rows a partition, ``FEATURES`` features, a hidden model and unit noise.

    Args:
        partitions: k.
        condition: largest over smallest eigenvalue of the Hessian; the others lie evenly between.
    """
    rng = np.random.default_rng(partitions)
    centres = np.repeat(rng.standard_normal((partitions, FEATURES)), ROWS, axis=0)
    orthonormal = np.linalg.qr(centres + rng.standard_normal(centres.shape))[0]
    x = orthonormal * np.sqrt(len(centres) * np.linspace(1.0 / condition, 1.0, FEATURES))
    y = x @ rng.standard_normal(FEATURES) + rng.standard_normal(len(x))
    return SquaredLoss(x, y, partitions)


def start() -> FloatArray:
    """The model at which gradients are taken and from which training starts: ``(FEATURES,)``."""
    return np.zeros(FEATURES)


def direction() -> FloatArray:
    """A random direction of length 1, used nowhere else: ``(FEATURES,)``."""
    v = np.random.default_rng(2**20).standard_normal(FEATURES)
    return np.asarray(v / np.linalg.norm(v))
