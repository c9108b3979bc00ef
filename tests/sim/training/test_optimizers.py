"""Each rule against a plain recomputation, and the promises that the learner builds on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

import erasurehead as eh
from erasurehead.optimizers import Optimizer
from erasurehead.sim.training.optimizers import OPTIMIZERS

ITERATIONS, ALPHA = 12, 0.05
Gradient = Callable[[np.ndarray], np.ndarray]

every_rule = pytest.mark.parametrize("rule", OPTIMIZERS)


def make(rule: str, learning_rate: float = 0.3, decay: float = 0.9) -> Optimizer:
    return OPTIMIZERS[rule](learning_rate=learning_rate, decay=decay)


def quadratic(features: int = 4) -> tuple[Gradient, np.ndarray]:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((features, features))
    H, b = A @ A.T / features, rng.standard_normal(features)
    return lambda beta: H @ beta - b, rng.standard_normal(features)


def run(optimizer: Optimizer, data_gradient: Gradient, start: np.ndarray) -> list[np.ndarray]:
    state = optimizer.init(start)
    path = [state[0]]
    for t in range(1, ITERATIONS + 1):
        point = optimizer.point(state, t)
        state = optimizer.step(state, data_gradient(point) + 2 * ALPHA * point, t)
        path.append(state[0])
    return path


def plain_gd(gradient: Gradient, beta: np.ndarray, rate: float, decay: float) -> list[np.ndarray]:
    path = [beta]
    for t in range(ITERATIONS):
        eta = rate * decay ** (t + 1)
        beta = (1 - 2 * ALPHA * eta) * beta - eta * gradient(beta)
        path.append(beta)
    return path


def plain_accelerated(gradient, beta, rate, decay):
    """As the authors state it: t from 0, u beside beta."""
    path, u = [beta], np.zeros_like(beta)
    for t in range(ITERATIONS):
        eta, theta = rate * decay ** (t + 1), 2 / (t + 2)
        y = (1 - theta) * beta + theta * u
        moved = y - eta * gradient(beta) - 2 * ALPHA * eta * beta
        u = beta + (moved - beta) / theta
        beta = moved
        path.append(beta)
    return path


def plain_nesterov(gradient, beta, rate, decay):
    path = [beta, beta]
    for t in range(1, ITERATIONS + 1):
        y = path[-1] + (t - 1) / (t + 2) * (path[-1] - path[-2])
        path.append(y - rate * decay**t * (gradient(y) + 2 * ALPHA * y))
    return path[1:]


PLAIN = {"gd": plain_gd, "accelerated": plain_accelerated, "nesterov": plain_nesterov}


@every_rule
def test_rule_is_what_its_source_says(rule: str) -> None:
    gradient, start = quadratic()
    found = run(make(rule), gradient, start)
    np.testing.assert_allclose(
        found, PLAIN[rule](gradient, start, 0.3, 0.9), rtol=1e-10, atol=1e-12
    )


def test_accelerated_is_heavy_ball_that_drops_its_start() -> None:
    gradient, start = quadratic()
    path = run(make("accelerated", decay=1.0), gradient, start)

    def full(beta: np.ndarray) -> np.ndarray:
        return gradient(beta) + 2 * ALPHA * beta

    np.testing.assert_allclose(path[1], -0.3 * full(start), rtol=1e-12)
    for t in range(1, ITERATIONS):
        momentum = (t - 1) / (t + 2)
        wanted = path[t] + momentum * (path[t] - path[t - 1]) - 0.3 * full(path[t])
        np.testing.assert_allclose(path[t + 1], wanted, rtol=1e-10, atol=1e-12)


@every_rule
def test_extrapolation_names_the_point(rule: str) -> None:
    optimizer = make(rule)
    gradient, start = quadratic()
    state, before = optimizer.init(start), start
    for t in range(1, ITERATIONS + 1):
        beta, m = state[0], optimizer.extrapolation(t)
        np.testing.assert_allclose(
            optimizer.point(state, t), beta + m * (beta - before), rtol=1e-14
        )
        before, state = beta, optimizer.step(state, gradient(beta), t)


@every_rule
def test_step_is_pure(rule: str) -> None:
    optimizer = make(rule)
    start, gradient = np.arange(6.0).reshape(3, 2), np.ones((3, 2))
    state = optimizer.step(optimizer.init(start), gradient, 1)
    copies = [array.copy() for array in (*state, gradient, start)]
    once, again = (optimizer.step(state, gradient, 2) for _ in range(2))
    for array, copy in zip((*state, gradient, start), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    np.testing.assert_array_equal(once, again)


@every_rule
def test_columns_do_not_mix(rule: str) -> None:
    optimizer = make(rule)
    rng = np.random.default_rng(0)
    start, gradients = rng.standard_normal((3, 4)), rng.standard_normal((5, 3, 4))
    whole, alone = optimizer.init(start), optimizer.init(start[:, 2])
    for t, gradient in enumerate(gradients, start=1):
        whole = optimizer.step(whole, gradient, t)
        alone = optimizer.step(alone, gradient[:, 2], t)
    np.testing.assert_array_equal(whole[0][:, 2], alone[0])


def test_rates_decay_from_the_first_iteration_on() -> None:
    optimizer = make("gd", 0.1, 0.98)
    assert optimizer.rate(1) == pytest.approx(0.098)
    assert optimizer.rate(3) == pytest.approx(0.1 * 0.98**3)


@pytest.mark.parametrize(
    ("scheme", "updates"),
    [
        (eh.schemes.Uncoded(), 20),
        (eh.schemes.Asynchronous(), 120),
        (eh.schemes.KAsync(wait_for=4), 30),
        (eh.schemes.Rennala(batch=12), 10),
        (eh.schemes.LocalSgd(steps=5), 20),
    ],
    ids=lambda value: type(value).__name__,
)
def test_schemes_are_compared_at_the_rates_of_iterations(scheme: object, updates: int) -> None:
    """Six workers, twenty iterations: catches a rate that decays with updates, of which an
    iteration has one or six."""
    rates = list[float]()

    class Spy(eh.optimizers.GradientDescent):
        def step(self, state: object, gradient: np.ndarray, t: int) -> object:
            rates.append(self.rate(t))
            return super().step(state, gradient, t)

    X = np.arange(24.0).reshape(12, 2) / 24
    run = eh.simulate(scheme, eh.delays.Exponential(rate=1.0), workers=6, iterations=20)
    eh.train(run, eh.problems.LeastSquares(X, X[:, 0]), Spy(learning_rate=0.1, decay=0.97))
    in_turn = sorted(set(rates), reverse=True)
    assert len(rates) >= updates
    assert rates[0] == pytest.approx(0.1 * 0.97)
    last = 19 if updates == 10 else 20  # an update of two iterations is the first one's
    assert in_turn[-1] == pytest.approx(0.1 * 0.97**last)
    assert len(in_turn) == min(updates, 20)
    assert OPTIMIZERS["gd"](learning_rate=0.1).rate(50) == 0.1


@every_rule
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"learning_rate": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("inf")},
        {"learning_rate": 1.0, "decay": 0},
        {"learning_rate": 1.0, "decay": 1.01},
        {"learning_rate": 1.0, "momentum": 0.9},
    ],
)
def test_bad_fields_are_refused(rule: str, fields: dict[str, float]) -> None:
    assert OPTIMIZERS[rule].rule == rule
    with pytest.raises(ValidationError):
        TypeAdapter(OPTIMIZERS[rule]).validate_python(fields)
