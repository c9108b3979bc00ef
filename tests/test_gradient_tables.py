"""Learning along tables of gradients, against a plain loop that keeps every model.

The loops read what was heard, not the steps: they know nothing of entries, scales and padding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim import learner
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.learner import Entries, train
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.optimizers import OPTIMIZERS
from erasurehead.sim.problems import Problem
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.barrierless import Barrierless
from erasurehead.sim.steps import Steps
from erasurehead.sim.types import FloatArray, Messages, Trace
from tests.engines.agreement import arrays
from tests.engines.engines import batch, event
from tests.statistics import assert_z
from tests.tables import TableTape
from tests.test_stale_learning import K, N, P, one_gradient, problem

RATE, L2 = 0.05, 0.01
DELAY = MODELS["heterogeneous"](base=MODELS["exponential"](rate=2.0), spread=0.8)


def run_of(name: str, iterations: int, delay: Any = DELAY, **fields: Any) -> tuple[Trace, Steps]:
    scheme = SCHEMES[name](**fields).build(K)
    tapes = [Tape(delay, K, 4, r) for r in range(3)]
    trace = simulate(Run(scheme, tapes, Proportional(), iterations, seed=5))
    return trace, scheme.steps(trace)


def steady(*seconds: float, rows: int = 40) -> TableTape:
    """Every task of worker j takes ``seconds[j]``."""
    return TableTape(np.tile(np.array(seconds), (rows, 1)))


def descend(data: Problem, models: list[FloatArray], mean: FloatArray) -> None:
    """beta <- beta - rate ((k / N) mean of g_j + 2 l2 beta)."""
    models.append(models[-1] - RATE * (K / N * mean + 2 * L2 * models[-1]))


# Everybody's latest gradient.


@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
def test_the_mean_of_everybodys_latest(
    block: int, sparse_data: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mean over those who have arrived so far, each at the model that its worker had."""
    monkeypatch.setattr(learner, "BLOCK", block)
    data, start = problem(sparse_data, L2)
    iterations = 8
    trace, steps = run_of("gradient_table", iterations)
    found = train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, steps, iterations)
    heard = trace.heard
    assert isinstance(heard, Messages)
    for r in range(len(trace.times)):
        models, latest = [start], {}
        for u in range(iterations * K):
            worker, version = int(heard.message[r, u, 0]), int(heard.version[r, u, 0])
            latest[worker] = one_gradient(data, worker, models[version])
            descend(data, models, np.mean(list(latest.values()), axis=0))
        np.testing.assert_allclose(found.final_beta[:, r], models[-1], rtol=0, atol=1e-12)
        losses = [data.loss(beta[:, None])[0] for beta in models[::K]]
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


def test_momentum_takes_the_tables_gradients_where_they_were_taken() -> None:
    data, start = problem()
    trace, steps = run_of("gradient_table", 4)
    heard, optimizer = trace.heard, OPTIMIZERS["nesterov"](learning_rate=RATE)
    assert isinstance(heard, Messages)
    found = train(data, optimizer, start, steps, 4)
    for r in range(len(trace.times)):
        state, points, latest = optimizer.init(start[:, None]), [], {}
        for u in range(4 * K):
            points.append(optimizer.point(state, u + 1)[:, 0])
            worker, version = int(heard.message[r, u, 0]), int(heard.version[r, u, 0])
            latest[worker] = one_gradient(data, worker, points[version])
            mean = K / N * np.mean(list(latest.values()), axis=0)
            state = optimizer.step(state, mean[:, None], u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
def test_a_gradient_table_by_hand(engine: Any) -> None:
    """Times 1 and 2, two workers.

    Update  at  who  version  table (worker: version)   staleness       error
    0       1   1    0        1: 0                      0               w = (2, 0): 1 + 1
    1       2   1    1        1: 1                      0               2
    2       2   2    0        1: 1, 2: 0                (1 + 2) / 2     0
    3       3   1    3        1: 3, 2: 0                (0 + 3) / 2     0
    4       4   1    4        1: 4, 2: 0                (0 + 4) / 2     0
    5       4   2    3        1: 4, 2: 3                (1 + 2) / 2     0

    At 2 s both arrive: worker 1 is decided first, and both restart after both, at version 3.
    """
    scheme = SCHEMES["gradient_table"]().build(2)
    trace = engine.simulate(scheme, [steady(1, 2)], Proportional(), 3)
    steps = scheme.steps(trace)
    np.testing.assert_array_equal(trace.times[0], [1, 2, 2, 3, 4, 4])
    np.testing.assert_array_equal(trace.heard.message[0, :, 0], [0, 0, 1, 0, 0, 1])
    np.testing.assert_array_equal(trace.heard.version[0, :, 0], [0, 1, 0, 3, 4, 3])
    assert steps.staleness is not None
    np.testing.assert_array_equal(steps.staleness[0], [0, 0, 1.5, 1.5, 2, 1.5])
    np.testing.assert_array_equal(steps.error[0], [2, 2, 0, 0, 0, 0])
    np.testing.assert_array_equal(steps.recovered[0], [0.5, 0.5, 1, 1, 1, 1])
    np.testing.assert_array_equal(steps.arrived(2)[0], [1, 2, 2])
    assert steps.depth == 2  # worker 2's first gradient, taken at version 0, is used for update 2


def test_a_gradient_table_keeps_the_time_of_asynchronous() -> None:
    tapes = [Tape(DELAY, K, 1, r) for r in range(2)]
    for engine in (event, batch):
        one, two = (
            arrays(engine.simulate(scheme, tapes, Proportional(), 20))
            for scheme in (SCHEMES["gradient_table"]().build(K), SCHEMES["asynchronous"]().build(K))
        )
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_mean_time_of_an_update_along_the_table() -> None:
    """E[X] / n by the renewal theorem, here of gamma times, once the start is forgotten."""
    delay, n = MODELS["gamma"](shape=3.0, scale=0.2), 30
    scheme = SCHEMES["gradient_table"]().build(n)
    tapes = [Tape(delay, n, 11, r) for r in range(200)]
    times = simulate(Run(scheme, tapes, Proportional(), 60), work=False).times
    early, updates = times.shape[1] // 3, times.shape[1]
    means = (times[:, -1] - times[:, early - 1]) / (updates - early)
    assert_z(means, delay.mean() / n)


def test_an_update_takes_one_new_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are in the table."""
    data, start = problem()
    _, steps = run_of("gradient_table", 5)
    taken = []
    single = type(data).partition_gradient

    def counted(self: Problem, partition: int, beta: FloatArray) -> FloatArray:
        taken.append(partition)
        return single(self, partition, beta)

    monkeypatch.setattr(type(data), "partition_gradient", counted)
    train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, steps, 5)
    assert len(taken) == 3 * 5 * K


def test_one_worker_descends_the_whole_gradient() -> None:
    """Then its latest gradient is that of all data at the newest model."""
    data = type(problem()[0])(problem()[0].X, problem()[0].y, 1)
    start = problem()[1]
    scheme = SCHEMES["gradient_table"]().build(1)
    trace = simulate(Run(scheme, [steady(2.0)], Proportional(), 5))
    np.testing.assert_array_equal(trace.times[0], [2, 4, 6, 8, 10])
    found = train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, scheme.steps(trace), 5)
    beta = start[:, None]
    for _ in range(5):
        beta = beta - RATE * data.gradient(beta)
    np.testing.assert_allclose(found.final_beta, beta, rtol=0, atol=1e-12)


# The table itself.


def test_the_sum_stays_exact_in_a_long_run() -> None:
    """Gradients shrink by 39 orders of magnitude; what rounding left of the first is gone."""
    table, rng = Entries(1, 4, 3), np.random.default_rng(0)
    for renewal in range(40):
        table.renew(0, renewal % 4, 10.0 ** (15 - renewal) * rng.standard_normal(3))
    latest = Entries(1, 4, 3)
    rng = np.random.default_rng(0)
    for renewal in range(40):
        gradient = 10.0 ** (15 - renewal) * rng.standard_normal(3)
        if renewal >= 36:
            latest.renew(0, renewal % 4, gradient)
    np.testing.assert_allclose(table.total, latest.total, rtol=1e-12)


def test_a_table_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data, start = problem()
    _, steps = run_of("gradient_table", 2)
    monkeypatch.setattr(learner, "REMEMBERED", 3 * K * P * 8 - 1)
    with pytest.raises(InvalidParameter, match="past models and gradients"):
        train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, steps, 2)


def test_schemes_with_tables_are_barrierless() -> None:
    assert isinstance(SCHEMES["gradient_table"]().build(3), Barrierless)
