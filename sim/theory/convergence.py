"""How fast gradient descent converges when some groups are erased in every round.

f is beta-smooth and satisfies the Polyak-Lojasiewicz inequality ||grad f||^2 >= 2 mu (f - f*).
With step eta, scale c, p the chance that a group is heard, pi_1 - pi_2 the chance that one given
group is erased and another is not, and V a bound on the sum over groups of ||grad f_b||^2 along
the path (our derivation, for c eta <= 1 / (beta p)):

    E f(x_t+1) - f* <= rho (E f(x_t) - f*) + beta (c eta)^2 (pi_1 - pi_2) V / 2
    E f(x_T) - f* <= rho^T (f(x_0) - f*) + (1 - rho^T) beta c eta (pi_1 - pi_2) V / (2 p mu)
    rho = 1 - c eta p mu

In the first line V may be the mean over runs at step t, which makes a much closer bound.
At c eta = 1 / (beta p) the rate is that of full gradient descent at step 1 / beta. Not covered:
momentum, decaying steps, arrivals that depend on the past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidParameter
from ..fields import require_count, require_non_negative, require_positive
from ..types import FloatArray
from .decoding_error import GroupErasure

# Relative slack on the largest step, for a step computed from the same formula.
STEP_TOLERANCE = 1e-12


@dataclass(frozen=True)
class LeastSquaresSpectrum:
    """The constants of f(x) = mean (y - X x)^2 + l2 ||x||^2 that the bound needs."""

    smoothness: float  # beta, the largest eigenvalue of the Hessian 2 X'X / N + 2 l2
    pl_constant: float  # mu, its smallest eigenvalue that is not 0
    minimum: float  # f*
    minimiser: FloatArray  # x*, ``(p,)``, the shortest one
    l2: float  # the regularisation


def least_squares_spectrum(
    features: FloatArray, targets: FloatArray, l2: float = 0.0
) -> LeastSquaresSpectrum:
    """The spectrum of a least-squares problem with dense data ``(N, p)`` and ``(N,)``. Raises
    ``InvalidParameter``: shapes that do not fit, data that are all 0, or a negative ``l2``. Cost:
    one singular value decomposition of the data."""
    require_non_negative("l2", l2)
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        valid = f"must be (N,) for features (N, p) of shape {features.shape}"
        raise InvalidParameter("targets.shape", targets.shape, valid)
    if not np.any(features):
        raise InvalidParameter("features.shape", features.shape, "must have an entry that is not 0")
    rows, columns = features.shape
    u, values, vt = np.linalg.svd(features, full_matrices=False)
    kept = values > values[0] * max(rows, columns) * np.finfo(np.float64).eps
    u, values, vt = u[:, kept], values[kept], vt[kept]
    x = vt.T @ (values / (values**2 + rows * l2) * (u.T @ targets))
    minimum = float(np.mean(np.square(targets - features @ x)) + l2 * (x @ x))
    data = 2.0 * values**2 / rows
    lowest = 0.0 if l2 > 0.0 and values.size < columns else float(data[-1])
    return LeastSquaresSpectrum(float(data[0]) + 2 * l2, lowest + 2 * l2, minimum, x, l2)


def gradient_descent_rate(smoothness: float, pl_constant: float, step: float) -> float:
    """Factor on f - f* per step of full gradient descent: 1 - step * mu, for step <= 1 / beta.
    Raises ``InvalidParameter``: the step is too long, or not 0 < mu <= beta."""
    _check_curvature(smoothness, pl_constant)
    _check_step(step, 1.0 / smoothness)
    return 1.0 - step * pl_constant


@dataclass(frozen=True)
class ErasureBound:
    """The bound above, for one problem, one scheme and one constant step. Raises
    ``InvalidParameter``: the step is too long, l2 > 0 with a biased decoder, not 0 < mu <= beta, or
    a negative spread, gap or l2.

    The L2 term's gradient is exact at the master while the data's is erased, so with l2 > 0 the
    decoded step points along the gradient of f only when it is unbiased, scale * p = 1; then the
    bound holds as it stands with beta, mu and f* of the whole objective."""

    smoothness: float  # beta
    pl_constant: float  # mu
    erasure: GroupErasure  # the scheme's groups, arrivals and scale
    step: float  # eta, on the gradient of the mean over rows
    # V, the largest sum over groups of ||grad f_b||^2 on the path, where grad f_b is the group's
    # part of the gradient of the mean data loss (row gradients summed, over N).
    spread: float
    gap: float  # f(x_0) - f*
    l2: float = 0.0  # the regularisation

    def __post_init__(self) -> None:
        _check_curvature(self.smoothness, self.pl_constant)
        for field in ("spread", "gap", "l2"):
            require_non_negative(field, getattr(self, field))
        bias = self.erasure.scale * self.erasure.heard
        if self.l2 > 0.0 and abs(bias - 1.0) > STEP_TOLERANCE:
            raise InvalidParameter("l2", self.l2, "the bound needs l2 = 0, or rescale: true")
        _check_step(self.step, 1.0 / (self.smoothness * bias))

    @property
    def rate(self) -> float:
        """rho = 1 - scale * step * p * mu."""
        return 1.0 - self._decrease

    @property
    def _decrease(self) -> float:
        return self.erasure.scale * self.step * self.erasure.heard * self.pl_constant

    @property
    def kick(self) -> float:
        """beta (scale step)^2 (pi_1 - pi_2) / 2: added to f - f* by one step, per unit of V."""
        return 0.5 * self.smoothness * (self.erasure.scale * self.step) ** 2 * self.erasure.contrast

    @property
    def noise_floor(self) -> float:
        """beta scale step (pi_1 - pi_2) V / (2 p mu): the bound as T grows."""
        return self.kick * self.spread / self._decrease

    def bound(self, iterations: int) -> FloatArray:
        """Upper bounds on E f(x_t) - f* for t = 0 .. iterations: ``(iterations + 1,)``."""
        require_count("iterations", iterations, least=0)
        decay = self.rate ** np.arange(iterations + 1)
        return np.asarray(decay * self.gap + (1.0 - decay) * self.noise_floor)

    def bound_along(self, spreads: FloatArray) -> FloatArray:
        """The same with E[V] of each step, ``(T,)`` from the start on: ``(T + 1,)``."""
        bounds = [self.gap]
        for spread in spreads:
            require_non_negative("spreads", float(spread))
            bounds.append(self.rate * bounds[-1] + self.kick * float(spread))
        return np.array(bounds)


def expected_total_time(iterations: float, iteration_time: float) -> float:
    """E[seconds of a run] = E[number of rounds] * E[seconds of a round] (Wald's identity). Raises
    ``InvalidParameter``: a number that is negative or NaN. Needs rounds that are independent and
    identically distributed, and a number of rounds that does not look ahead: a fixed number, or the
    first round at which the loss meets a target."""
    require_non_negative("iterations", iterations)
    if not iteration_time >= 0:
        raise InvalidParameter("iteration_time", iteration_time, "must be a number >= 0")
    return iterations * iteration_time


def _check_curvature(smoothness: float, pl_constant: float) -> None:
    require_positive("smoothness", smoothness)
    require_positive("pl_constant", pl_constant)
    if pl_constant > smoothness * (1.0 + STEP_TOLERANCE):
        valid = f"must be at most smoothness = {smoothness:.6g}"
        raise InvalidParameter("pl_constant", pl_constant, valid)


def _check_step(step: float, longest: float) -> None:
    if not 0.0 < step <= longest * (1.0 + STEP_TOLERANCE):
        raise InvalidParameter("learning_rate", step, f"must be in (0, {longest:.6g}]")
