"""The exact mean loss of least squares by a gradient from which groups are erased.

Gradient descent with a constant step and without an L2 term; one message of each group is heard
after r arrivals of n. Who arrives is uniformly random, and independent of the model and of other
rounds. Then the mean and the second moment of the distance to the minimiser follow linear
recursions, and the mean loss is a function of the second moment: nothing is bounded or drawn.

Of f(x) = mean (y - X x)^2 with Hessian H and minimiser x*, group b's gradient at the distance u =
x - x* is G_b u + c_b, with sum_b G_b = H and sum_b c_b = 0. With the step eta, the scale c on the
decoded sum (1 / p where it is divided by p), s = c eta, p the chance that a given group is heard
and q = pi_1 - pi_2 the chance that one given group is erased and another is not (our derivation):

    m = E[u],  M = E[u u'],  S = sum_b (G_b M G_b + G_b m c_b' + c_b m' G_b + c_b c_b')
    m <- m - s p H m
    M <- M - s p (H M + M H) + s^2 ((p - q) H M H + q S)
    E f(x) - f* = trace(H M) / 2

Divided by p, the mean m takes the path of full descent. In the end m = 0, and M solves its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.errors import InvalidParameter
from ..base.types import FloatArray
from .decoding_error import GroupErasure, least_squares_spectrum


@dataclass(frozen=True, eq=False)
class GroupedLeastSquares:
    """Least squares whose rows belong to groups, in coordinates in which the Hessian is diagonal.

    A direction without curvature is left out: nothing moves along it."""

    curvature: FloatArray  # ``(p,)`` the Hessian's eigenvalues, > 0
    hessians: FloatArray  # ``(G, p, p)`` G_b
    residuals: FloatArray  # ``(G, p)`` c_b
    start: FloatArray  # ``(p,)`` u at the zero model

    def mean_losses(
        self, erasures: Sequence[GroupErasure], step: float, iterations: int
    ) -> FloatArray:
        """E f(x_t) - f* of E erasures from the zero model, t = 0..T: ``(E, T + 1)``.

        Cost for each iteration and erasure: two products of ``(p, p)`` matrices for each group."""
        terms = _Terms.of(self, erasures, step)
        mean = np.repeat(self.start[None], len(erasures), axis=0)
        second = mean[:, :, None] * mean[:, None, :]
        losses = np.empty((len(erasures), iterations + 1))
        losses[:, 0] = self._loss(second)
        for t in range(1, iterations + 1):
            second = second * terms.kept + terms.noise * self._spread(second, mean)
            mean = mean * terms.kept_mean
            losses[:, t] = self._loss(second)
        return losses

    def floors(self, erasures: Sequence[GroupErasure], step: float) -> FloatArray:
        """The limit of E f(x_t) - f* of E erasures: ``(E,)``; inf where it has none.

        M (1 - kept) = noise S is solved by putting M into S until nothing changes, which converges
        where the recursion does. Cost: a few dozen iterations of ``mean_losses``."""
        terms = _Terms.of(self, erasures, step)
        nothing = np.zeros((len(erasures), len(self.start)))
        second = np.zeros_like(terms.kept)
        floors = np.zeros(len(erasures))
        for _ in range(MOST_SUBSTITUTIONS):
            before = floors
            second = terms.noise * self._spread(second, nothing) / (1.0 - terms.kept)
            floors = self._loss(second)
            if np.allclose(floors, before, rtol=1e-12, atol=0.0):
                break
        settles = np.isclose(floors, before, rtol=1e-6, atol=0.0)
        shrinks = np.abs(terms.kept).max(axis=(1, 2)) < 1.0
        return np.where(settles & shrinks, floors, np.inf)

    def _loss(self, second: FloatArray) -> FloatArray:
        return np.asarray(0.5 * np.einsum("i,eii->e", self.curvature, second))

    def _spread(self, second: FloatArray, mean: FloatArray) -> FloatArray:
        """S: ``(E, p, p)`` and ``(E, p)`` -> ``(E, p, p)``."""
        spread = np.repeat((self.residuals.T @ self.residuals)[None], len(second), axis=0)
        for hessian, residual in zip(self.hessians, self.residuals, strict=True):
            spread += hessian @ second @ hessian
            crossed = (mean @ hessian)[:, :, None] * residual
            spread += crossed + crossed.transpose(0, 2, 1)
        return spread


MOST_SUBSTITUTIONS = 1000  # of the floor; a step at which it does not settle in these has none


@dataclass(frozen=True, eq=False)
class _Terms:
    """The factors of one iteration: M <- kept M + noise S, entry by entry, and m <- kept_mean m."""

    kept: FloatArray  # ``(E, p, p)``
    kept_mean: FloatArray  # ``(E, p)``
    noise: FloatArray  # ``(E, 1, 1)``

    @classmethod
    def of(
        cls, problem: GroupedLeastSquares, erasures: Sequence[GroupErasure], step: float
    ) -> _Terms:
        scale = step * np.array([erasure.scale for erasure in erasures])[:, None, None]
        heard = np.array([erasure.heard for erasure in erasures])[:, None, None]
        contrast = np.array([erasure.contrast for erasure in erasures])[:, None, None]
        total = problem.curvature[:, None] + problem.curvature
        product = problem.curvature[:, None] * problem.curvature
        return cls(
            kept=1.0 - scale * heard * total + scale**2 * (heard - contrast) * product,
            kept_mean=1.0 - (scale * heard)[:, :, 0] * problem.curvature,
            noise=scale**2 * contrast,
        )


def grouped_least_squares(
    features: FloatArray, targets: FloatArray, partitions: int, size: int
) -> GroupedLeastSquares:
    """Dense data ``(N, p)`` and ``(N,)``, cut into ``partitions`` parts as the simulator cuts them,
    of which ``size`` neighbours are a group. Raises ``InvalidParameter``: there is no partition, or
    ``size`` does not divide them. Cost: one decomposition of the data, and a product of each
    group's rows."""
    if partitions < 1:
        raise InvalidParameter("partitions", partitions, "must be at least 1")
    if size < 1 or partitions % size:
        raise InvalidParameter("size", size, f"must divide partitions = {partitions}")
    spectrum = least_squares_spectrum(features, targets)
    rows = len(targets)
    curvature, axes = np.linalg.eigh(2.0 * features.T @ features / rows)
    curved = curvature > 0.5 * spectrum.pl_constant
    axes = axes[:, curved]
    turned = features @ axes
    slopes = 2.0 * (features @ spectrum.minimiser - targets) / rows
    parts = np.array_split(np.arange(rows), partitions)
    hessians = []
    residuals = []
    for first in range(0, partitions, size):
        group = np.concatenate(parts[first : first + size])
        hessians.append(2.0 * turned[group].T @ turned[group] / rows)
        residuals.append(turned[group].T @ slopes[group])
    return GroupedLeastSquares(
        curvature=curvature[curved],
        hessians=np.array(hessians),
        residuals=np.array(residuals),
        start=-(axes.T @ spectrum.minimiser),
    )
