"""Learning from gradients of older models, against a plain loop that keeps every one of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim import learner
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.learner import train
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.optimizers import OPTIMIZERS
from erasurehead.sim.problems import LOSSES, Problem
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.steps import DecodedRounds, SingleGradients

N, P, K = 50, 6, 12


def problem(sparse_data: bool = False, l2: float = 0.0) -> tuple[Problem, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.integers(-2, 3, (N, P)) / 2.0
    X[:, 4] = X[:, 1]
    data: Any = sparse.csr_array(X) if sparse_data else X
    return LOSSES["logistic"](data, rng.choice([-1.0, 1.0], N), K, l2), rng.standard_normal(P)


def steps_of(name: str, iterations: int, **fields: Any) -> SingleGradients:
    scheme = SCHEMES[name](**fields).build(K)
    tapes = [Tape(MODELS["exponential"](rate=2.0), K, 4, r) for r in range(3)]
    steps = scheme.steps(simulate(Run(scheme, tapes, Proportional(), iterations, seed=5)))
    assert isinstance(steps, SingleGradients)
    return steps


def one_gradient(problem: Problem, partition: int, beta: np.ndarray) -> np.ndarray:
    """Of a partition's summed loss, row by row."""
    rows = np.array_split(np.arange(N), K)[partition]
    X = problem.X.toarray() if sparse.issparse(problem.X) else np.asarray(problem.X)
    total = np.zeros(P)
    for x, label in zip(X[rows], problem.y[rows], strict=True):
        total += -label * x / (1 + np.exp(label * (x @ beta)))
    return total


@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("asynchronous", {"data": "own"}),
        ("asynchronous", {"data": "own", "delay_adaptive": True}),
        ("asynchronous", {}),
        ("k_batch_async", {"wait_for": 5, "data": "own"}),
        ("k_batch_async", {"wait_for": 15}),
        ("k_batch_sync", {"wait_for": 4, "data": "own"}),
        ("ringmaster", {"oldest": 5, "stops": True, "data": "own"}),
    ],
)
def test_a_plain_loop_with_every_old_model(
    name: str,
    fields: dict[str, Any],
    block: int,
    sparse_data: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """beta <- beta - rate (k / N) mean of g_j(beta at its version), one gradient at a time."""
    monkeypatch.setattr(learner, "BLOCK", block)
    l2, rate = 0.01, 0.05
    data, start = problem(sparse_data, l2)
    steps = steps_of(name, 6, **fields)
    found = train(data, OPTIMIZERS["gd"](learning_rate=rate), start, steps, 6)
    replications, updates = steps.times.shape
    together = updates // 6
    gradients = steps.partition.shape[2]
    for r in range(replications):
        models = [start]
        for u in range(updates):
            total = np.zeros(P)
            for place in range(gradients):
                version = int(steps.version[r, u, place])
                gradient = one_gradient(data, int(steps.partition[r, u, place]), models[version])
                if fields.get("delay_adaptive"):
                    gradient *= K / max(K, u - version)
                total += gradient
            step = K / N * total / gradients + 2 * l2 * models[-1]
            models.append(models[-1] - rate * step)
        np.testing.assert_allclose(found.final_beta[:, r], models[-1], rtol=0, atol=1e-12)
        losses = [data.loss(beta[:, None])[0] for beta in models[::together]]
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_momentum_takes_old_gradients_where_they_were_taken(rule: str) -> None:
    """Nesterov's point of a version is beyond its model; the old point is what counts."""
    data, start = problem()
    steps = steps_of("k_batch_async", 4, wait_for=6, data="own")
    optimizer = OPTIMIZERS[rule](learning_rate=0.05)
    found = train(data, optimizer, start, steps, 4)
    for r in range(len(steps.times)):
        state, points = optimizer.init(start[:, None]), []
        for u in range(steps.times.shape[1]):
            points.append(optimizer.point(state, u + 1)[:, 0])
            total = np.zeros(P)
            for place in range(6):
                partition = int(steps.partition[r, u, place])
                total += one_gradient(data, partition, points[int(steps.version[r, u, place])])
            state = optimizer.step(state, (K / N * total / 6)[:, None], u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("lag", [1, 3])
def test_whole_gradients_that_come_late(rule: str, lag: int) -> None:
    """A sequential code's: round u decodes the gradient of the model of round u - lag."""
    data, start = problem(l2=0.02)
    arrived = np.random.default_rng(0).random((2, 9, K)) < 0.7
    steps = DecodedRounds(
        np.zeros((2, 9)), arrived, lambda mask: mask.astype(np.float64), K, K, lag
    )
    optimizer = OPTIMIZERS[rule](learning_rate=0.1)
    found = train(data, optimizer, start, steps, 9)
    assert steps.depth == lag
    for r in range(2):
        state, points = optimizer.init(start[:, None]), []
        for u in range(9):
            points.append(optimizer.point(state, u + 1))
            old = points[max(u - lag, 0)]
            gradient = data.gradient(old, arrived[r, u][None].astype(float))
            gradient += data.l2_gradient(points[-1])
            state = optimizer.step(state, gradient, u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


def test_random_partitions_are_fair_and_a_stream_of_each_replication() -> None:
    steps = steps_of("asynchronous", 200)
    for r in range(3):
        counts = np.bincount(steps.partition[r].ravel(), minlength=K)
        assert counts.min() > 120  # of 200 expected, standard deviation 14
    assert not np.array_equal(steps.partition[0], steps.partition[1])
    again = steps_of("asynchronous", 200)
    np.testing.assert_array_equal(steps.partition, again.partition)


def test_too_many_past_models_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data, start = problem()
    steps = steps_of("asynchronous", 6)
    monkeypatch.setattr(learner, "REMEMBERED", 1000)
    with pytest.raises(InvalidParameter, match="past models"):
        train(data, OPTIMIZERS["gd"](learning_rate=0.1), start, steps, 6)


def test_a_gradient_of_one_partition_costs_its_rows_alone() -> None:
    """30 replications of 600 updates: far less than 600 passes over the data for all of them.

    The two are measured in one process, the passes on a tenth of their number.
    """
    rng = np.random.default_rng(0)
    rows, features, replications = 6000, 100, 30
    data = LOSSES["logistic"](
        rng.standard_normal((rows, features)), rng.choice([-1.0, 1.0], rows), 30
    )
    shape = (replications, 600, 1)
    partition = rng.integers(0, 30, shape)
    version = np.maximum(np.arange(600)[:, None] - rng.integers(0, 60, shape), 0)
    weight = np.full(shape, 30.0)
    steps = SingleGradients(np.zeros(shape[:2]), partition, partition, weight, version, 30)
    optimizer = OPTIMIZERS["gd"](learning_rate=0.01)
    began = time.process_time()
    train(data, optimizer, np.zeros(features), steps, 20)
    mine = time.process_time() - began
    beta = rng.standard_normal((features, replications))
    began = time.process_time()
    for _ in range(60):
        data.gradient(beta)
    passes = 10 * (time.process_time() - began)
    assert mine < passes / 2
