"""The convergence bound against gradient descent written out in the test."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.theory.convergence import (
    ErasureBound,
    expected_total_time,
    gradient_descent_rate,
    least_squares_spectrum,
)
from erasurehead.sim.theory.decoding_error import GroupErasure
from tests.statistics import BOUND, assert_z


def descend(x, y, l2, erasure, step, iterations, runs, rng):
    """Objectives and sums over groups of ||grad f_b||^2, both ``(runs, iterations + 1)``."""
    rows, columns = x.shape
    groups = erasure.workers // erasure.size
    blocks = np.array_split(np.arange(rows), groups)
    beta = np.zeros((runs, columns))
    losses, spreads = [], []
    for t in range(iterations + 1):
        residual = beta @ x.T - y
        losses.append(np.mean(residual**2, axis=1) + l2 * np.sum(beta**2, axis=1))
        parts = np.stack([2 * residual[:, b] @ x[b] / rows for b in blocks], axis=1)
        spreads.append(np.sum(parts**2, axis=(1, 2)))
        if t < iterations:
            order = rng.random((runs, erasure.workers)).argsort(axis=1)
            arrived = np.zeros((runs, erasure.workers), dtype=bool)
            np.put_along_axis(arrived, order[:, : erasure.arrivals], True, axis=1)
            heard = arrived.reshape(runs, groups, erasure.size).any(axis=2)
            decoded = erasure.scale * np.einsum("rg,rgp->rp", heard, parts)
            beta = beta - step * (decoded + 2 * l2 * beta)
    return np.stack(losses, axis=1), np.stack(spreads, axis=1)


def problem(seed=1, rows=240, columns=8):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns))
    y = x @ rng.standard_normal(columns) + rng.standard_normal(rows)
    return x, y


@pytest.mark.parametrize(
    ("r", "unbiased", "l2"), [(3, False, 0.0), (5, False, 0.0), (3, True, 0.0), (3, True, 0.05)]
)
def test_mean_loss_stays_below_the_bound(r, unbiased, l2):
    """Catches a noise floor or a rate that is too small, also at the longest step allowed."""
    x, y = problem()
    plain = GroupErasure(12, 3, r)
    erasure = GroupErasure(12, 3, r, 1 / plain.heard if unbiased else 1.0)
    spectrum = least_squares_spectrum(x, y, l2)
    step = 1 / (spectrum.smoothness * erasure.scale * erasure.heard)
    losses, spreads = descend(x, y, l2, erasure, step, 60, 400, np.random.default_rng(7))
    gaps = losses - spectrum.minimum
    b, mu, gap = spectrum.smoothness, spectrum.pl_constant, gaps[0, 0]
    bound = ErasureBound(b, mu, erasure, step, spreads.max(), gap, l2)
    error = gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)) + 1e-12
    mean, close = gaps.mean(axis=0), bound.bound_along(spreads.mean(axis=0)[:-1])
    assert np.all(mean <= close + BOUND * error)
    assert np.all(close <= bound.bound(60) * (1 + 1e-12))
    # The noise is real: without its floor the bound would be broken, and it is not far away.
    assert mean[-1] - BOUND * error[-1] > bound.rate**60 * gap
    assert close[-1] < 6 * mean[-1]


def test_full_arrivals_are_gradient_descent():
    """Catches a floor where nothing is erased, and a rate other than 1 - mu / beta."""
    x, y = problem()
    spectrum = least_squares_spectrum(x, y)
    b, mu = spectrum.smoothness, spectrum.pl_constant
    bound = ErasureBound(b, mu, GroupErasure(12, 3, 10), 1 / b, spread=5.0, gap=2.0)
    assert bound.noise_floor == 0.0
    assert bound.rate == pytest.approx(1 - mu / b, rel=1e-14)
    assert gradient_descent_rate(b, mu, 1 / b) == bound.rate
    np.testing.assert_allclose(bound.bound(3), 2.0 * (1 - mu / b) ** np.arange(4), rtol=1e-13)


def test_rate_is_that_of_full_descent_at_the_longest_step():
    """rho = 1 - mu / beta and a floor of (pi_1 - pi_2) V / (2 p^2 mu), whatever the scale is."""
    one, two = 84 / 924, 1 / 924  # C(9, 6) and C(6, 6) over C(12, 6)
    for scale in (1.0, 1 / (1 - one)):
        erasure = GroupErasure(12, 3, 6, scale)
        bound = ErasureBound(4.0, 0.5, erasure, 1 / (4.0 * scale * (1 - one)), 3.0, 1.0)
        assert bound.rate == pytest.approx(1 - 0.5 / 4.0, rel=1e-13)
        floor = (one - two) * 3.0 / (2 * (1 - one) ** 2 * 0.5)
        assert bound.noise_floor == pytest.approx(floor, rel=1e-12)
        assert bound.bound(2000)[-1] == pytest.approx(floor, rel=1e-12)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("rank", [8, 5])
def test_spectrum_from_the_definition(l2, rank):
    """Catches factors of 2 and of N, and the zero eigenvalues of data without full rank."""
    x, y = problem()
    x = x[:, :rank] @ np.random.default_rng(2).standard_normal((rank, 8)) if rank < 8 else x
    spectrum = least_squares_spectrum(x, y, l2)
    hessian = 2 * x.T @ x / len(x) + 2 * l2 * np.eye(8)
    values = np.linalg.eigvalsh(hessian)
    assert spectrum.smoothness == pytest.approx(values[-1], rel=1e-12)
    assert spectrum.pl_constant == pytest.approx(values[values > 1e-9][0], rel=1e-9)
    best = spectrum.minimiser
    gradient = 2 * x.T @ (x @ best - y) / len(x) + 2 * l2 * best
    np.testing.assert_allclose(gradient, 0.0, atol=1e-12)
    value = np.mean((x @ best - y) ** 2) + l2 * best @ best
    assert spectrum.minimum == pytest.approx(value, rel=1e-13)


def test_what_the_derivation_does_not_cover_is_refused():
    """Catches a bound for a step that may diverge, or for a step that is not along grad f."""
    half = SimpleNamespace(smoothness=4.0, pl_constant=0.5, spread=1.0, gap=1.0)
    with pytest.raises(InvalidParameter, match="learning_rate"):
        ErasureBound(step=0.5, erasure=GroupErasure(12, 3, 6), **vars(half))
    with pytest.raises(InvalidParameter, match="l2"):
        ErasureBound(step=0.1, erasure=GroupErasure(12, 3, 6), l2=0.1, **vars(half))
    with pytest.raises(InvalidParameter):
        gradient_descent_rate(4.0, 0.5, 0.3)


def test_wald_for_a_random_number_of_rounds():
    """Catches a mean of ratios: rounds until a coin falls, each of exponential length."""
    rng = np.random.default_rng(11)
    rounds = rng.geometric(0.2, 20_000)
    ends = np.cumsum(rng.exponential(1.5, rounds.sum()))[np.cumsum(rounds) - 1]
    totals = np.diff(ends, prepend=0.0)
    assert_z(totals, expected_total_time(5.0, 1.5))
