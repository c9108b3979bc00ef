"""Gradients that are kept: tables of them, and pipelined ones.

Speaks to the learner's tables and to what an update is made of: loops here count and keep each
gradient, and what the learner takes, multiplies and refuses is counted.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.plugins import FloatArray, IntArray, Steps, Trace
from erasurehead.problems import Problem
from erasurehead.schemes import SCHEMES
from erasurehead.sim.base.numerics import GradientTables
from erasurehead.sim.training import learner
from erasurehead.sim.training.problems import base as problem_base
from erasurehead.sim.training.steps import Held, Renewal, weights_of
from tests.sim.engines.agreement import POLICIES, auto, batch, both_finish, event, same, steady
from tests.sim.training.test_learner import (
    RULES,
    STALE_K,
    STALE_N,
    STALE_P,
    one_gradient,
    problem,
)
from tests.tools import TableTape

# Learning along tables of gradients, against a plain loop that keeps every model.
#
# The loops read what was heard, not the steps: they know nothing of entries, scales and padding.


RATE, L2 = 0.05, 0.01
DELAY = MODELS["heterogeneous"](base=MODELS["exponential"](rate=2.0), spread=0.8)


GD = RULES["gd"](learning_rate=RATE)
engines = pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])


def run_of(name: str, iterations: int, delay=DELAY, **fields: Any) -> tuple[eh.Simulation, Trace]:
    """A run, and the trace that it is decoded from."""
    family = SCHEMES[name](**fields)
    size = {"workers": STALE_K, "iterations": iterations, "replications": 3, "seed": 4}
    tapes = [Tape(delay, STALE_K, 4, r) for r in range(3)]
    trace = auto.simulate(family.build(STALE_K), tapes, Proportional(), iterations, seed=4)
    return eh.simulate(family, delay, **size), trace


def steps_of(name: str, iterations: int, delay=DELAY, **fields: Any) -> Steps:
    _, trace = run_of(name, iterations, delay, **fields)
    return SCHEMES[name](**fields).build(STALE_K).steps(trace)


def descend(data: Problem, models: list[FloatArray], mean: FloatArray) -> None:
    """beta <- beta - rate ((k / N) mean of g_j + 2 l2 beta)."""
    models.append(models[-1] - RATE * (STALE_K / STALE_N * mean + 2 * L2 * models[-1]))


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("ignore_stragglers", {"wait_for": 4}),
    ("erasurehead", {"load": 2, "wait_for": 3}),
    ("drop_compute", {"pieces": 3, "patience": 0.4}),
    ("pipelined", {"load": 2, "wait_for": 3}),
    ("sequential", {"B": 1, "W": 2, "stragglers": 2, "tolerance": 0.5}),
    ("asynchronous", {"data": "own"}),
    ("k_batch_async", {"wait_for": 9}),
    ("gradient_table", {}),
    ("ringleader", {}),
]


@pytest.mark.parametrize(("name", "fields"), KINDS)
def test_shares_are_those_of_a_plain_count(name: str, fields: dict[str, Any]) -> None:
    """Update by update, with a table of what it holds; catches a partition that is counted twice in
    an update, and a share of gradients for one of updates."""
    steps = steps_of(name, 6, **fields)
    shares = steps.shares
    updates = steps.times.shape[1]
    counts, table = np.zeros_like(shares), np.zeros(shares.shape, dtype=bool)
    for u in range(updates):
        step = steps.step(u)
        if isinstance(step, Renewal):
            table &= not step.clear
            row, place = np.nonzero(step.entry >= 0)
            table[row, step.entry[row, place]] = True
            counts += table
        elif isinstance(step, Held):
            counts += step.weights.sum(axis=1) != 0
        else:
            weights = weights_of(step, shares.shape[1])
            counts += weights != 0
    np.testing.assert_allclose(shares, counts / updates, rtol=1e-12)
    assert shares.min() < 1 or name in ("ringleader", "sequential")  # which hear everybody


# Everybody's latest gradient.


@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
def test_the_mean_of_everybodys_latest(block, sparse_data, monkeypatch):
    """The mean over those who have arrived so far, each at the model that its worker had."""
    monkeypatch.setattr(learner, "BLOCK_WIDTH", block)
    data, start = problem(sparse_data, L2)
    iterations = 8
    run, trace = run_of("gradient_table", iterations)
    found = eh.train(run, data, GD, initial=start)
    heard = trace.heard
    for r in range(len(trace.times)):
        models, latest = [start], {}
        for u in range(iterations * STALE_K):
            worker, version = int(heard.message[r, u, 0]), int(heard.version[r, u, 0])
            latest[worker] = one_gradient(data, worker, models[version])
            descend(data, models, np.mean(list(latest.values()), axis=0))
        np.testing.assert_allclose(found.final_beta[:, r], models[-1], rtol=0, atol=1e-12)
        losses = [data.loss(beta[:, None])[0] for beta in models[::STALE_K]]
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


def test_momentum_takes_the_tables_gradients_where_they_were_taken() -> None:
    data, start = problem()
    run, trace = run_of("gradient_table", 4)
    heard, optimizer = trace.heard, RULES["nesterov"](learning_rate=RATE)
    found = eh.train(run, data, optimizer, initial=start)
    for r in range(len(trace.times)):
        state, points, latest = optimizer.init(start[:, None]), [], {}
        for u in range(4 * STALE_K):
            points.append(optimizer.point(state, u + 1)[:, 0])
            worker, version = int(heard.message[r, u, 0]), int(heard.version[r, u, 0])
            latest[worker] = one_gradient(data, worker, points[version])
            mean = STALE_K / STALE_N * np.mean(list(latest.values()), axis=0)
            state = optimizer.step(state, mean[:, None], u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


@engines
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
    np.testing.assert_array_equal(steps.staleness[0], [0, 0, 1.5, 1.5, 2, 1.5])
    np.testing.assert_array_equal(steps.error[0], [2, 2, 0, 0, 0, 0])
    np.testing.assert_array_equal(steps.recovered[0], [0.5, 0.5, 1, 1, 1, 1])
    np.testing.assert_array_equal(steps.arrived(2)[0], [1, 2, 2])
    assert steps.depth == 2  # worker 2's first gradient, taken at version 0, is used for update 2


@pytest.mark.parametrize("policy", POLICIES)
def test_times_of_schemes_that_keep_gradients(policy: str) -> None:
    """Those of the schemes without: to the bit, in both engines."""
    tapes = [Tape(DELAY, STALE_K, 1, r) for r in range(2)]
    pairs: list[tuple[Any, Any]] = [
        (SCHEMES["gradient_table"](), SCHEMES["asynchronous"]()),
        (SCHEMES["pipelined"](load=3, wait_for=8), SCHEMES["ignore_stragglers"](wait_for=8)),
    ]
    for pair in pairs[policy != "cancel" :]:
        ours, theirs = (
            both_finish(family.build(STALE_K), tapes, Proportional(), 20, policy) for family in pair
        )
        assert same(ours, theirs)


def singles_taken(data: Problem, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The partitions whose gradients the learner takes from now on."""
    taken: list[int] = []
    singles = type(data).single_gradients

    def counted(self: Problem, partition: IntArray, beta: FloatArray) -> FloatArray:
        taken.extend(partition.tolist())
        return singles(self, partition, beta)

    monkeypatch.setattr(type(data), "single_gradients", counted)
    return taken


def test_an_update_takes_one_new_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are in the table."""
    data, start = problem()
    run, _ = run_of("gradient_table", 5)
    taken = singles_taken(data, monkeypatch)
    eh.train(run, data, GD, initial=start)
    assert len(taken) == 3 * 5 * STALE_K


# The table itself.


def test_the_sum_stays_exact_in_a_long_run() -> None:
    """Gradients shrink by 39 orders of magnitude; what rounding left of the first is gone."""
    table, latest = GradientTables(2, 4, (1, 3)), GradientTables(2, 4, (1, 3))
    rng, column = np.random.default_rng(0), np.array([1])
    for renewal in range(40):
        gradient = 10.0 ** (15 - renewal) * rng.standard_normal((1, 1, 3))
        table.renew(column, np.array([renewal % 4]), gradient)
        if renewal >= 36:
            latest.renew(column, np.array([renewal % 4]), gradient)
    np.testing.assert_allclose(table.total, latest.total, rtol=1e-12)
    assert not table.total[:, :, 0].any()


def test_a_table_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data, start = problem()
    run, _ = run_of("gradient_table", 2)
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", 3 * STALE_K * STALE_P * 8 - 1)
    with pytest.raises(eh.ConfigError, match="past models and gradients"):
        eh.train(run, data, GD, initial=start)


# Workers that send the sum of their latest gradients, one of them new.


@engines
def test_three_rounds_by_hand(engine: Any) -> None:
    """n = 3, d = 2, r = 2, so n / m = 1.5; worker j's gradients are of partitions j and j + 1.

    Round  heard  sums (partition: version), and what each gradient weighs     w
    0      1, 2   1: {1: 0} 1.5           2: {2: 0} 1.5                        1.5, 1.5, 0
    1      2, 3   2: {2: 0, 3: 1} 0.75    3: {3: 1} 1.5                        0, 0.75, 2.25
    2      1, 2   1: {1: 0, 2: 2} 0.75    2: {2: 2, 3: 1} 0.75                 0.75, 1.5, 0.75

    Worker 1 is not heard in round 1, so it takes partition 2 in round 2 for the first time.
    """
    table = np.array([[1.0, 2.0, 9.0], [9.0, 1.0, 2.0], [1.0, 2.0, 9.0]])
    scheme = SCHEMES["pipelined"](load=2, wait_for=2).build(3)
    trace = engine.simulate(scheme, [TableTape(table)], Proportional(), 3)
    np.testing.assert_array_equal(trace.times[0], [2, 4, 6])
    steps = scheme.steps(trace)
    np.testing.assert_allclose(steps.error[0], [1.5, 2.625, 0.375], rtol=1e-15)
    np.testing.assert_allclose(steps.recovered[0], [2 / 3, 2 / 3, 1])
    np.testing.assert_allclose(steps.staleness[0], [0, 1 / 3, 3 / 4])  # (0+1+0)/3, (2+0+0+1)/4
    np.testing.assert_array_equal(steps.arrived()[0], [2, 2, 2])
    np.testing.assert_array_equal(steps.arrived(3)[0], [3])
    # Layers by partition: the first holds worker i's gradient of i, the second worker i - 1's.
    step = steps.step(2)
    np.testing.assert_array_equal(step.weights[0], [[0.75, 0.75, 0], [0, 0.75, 0.75]])
    np.testing.assert_array_equal(step.fresh[0], [[0, 1, 0], [0, 1, 0]])


@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
@pytest.mark.parametrize(("load", "wait_for"), [(3, 8), (3, 12), (12, 5), (1, 7)])
def test_a_plain_loop_with_every_gradient(load, wait_for, block, sparse_data, monkeypatch):
    """Each worker keeps its latest d gradients itself, and nobody knows of layers."""
    monkeypatch.setattr(learner, "BLOCK_WIDTH", block)
    data, start = problem(sparse_data, l2=0.01)
    run, _ = run_of("pipelined", 15, load=load, wait_for=wait_for)
    found = eh.train(run, data, GD, initial=start)
    for r in range(3):
        beta, losses = start, [data.loss(start[:, None])[0]]
        latest: list[deque[FloatArray]] = [deque(maxlen=load) for _ in range(STALE_K)]
        taken = [0] * STALE_K
        for arrived in run.arrived[r]:
            total = np.zeros(STALE_P)
            for j in np.flatnonzero(arrived):
                latest[j].append(one_gradient(data, (j + taken[j] % load) % STALE_K, beta))
                taken[j] += 1
                total += np.sum(latest[j], axis=0) / len(latest[j])
            beta = beta - RATE * (STALE_K / arrived.sum() * total / STALE_N + 2 * 0.01 * beta)
            losses.append(data.loss(beta[:, None])[0])
        np.testing.assert_allclose(found.final_beta[:, r], beta, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


def test_momentum_takes_held_gradients_where_they_were_taken() -> None:
    data, start = problem()
    run, _ = run_of("pipelined", 9, load=3, wait_for=8)
    optimizer = RULES["nesterov"](learning_rate=RATE)
    found = eh.train(run, data, optimizer, initial=start)
    state = optimizer.init(start[:, None])
    latest: list[deque[FloatArray]] = [deque(maxlen=3) for _ in range(STALE_K)]
    taken = [0] * STALE_K
    for u, arrived in enumerate(run.arrived[0]):
        total, point = np.zeros(STALE_P), optimizer.point(state, u + 1)[:, 0]
        for j in np.flatnonzero(arrived):
            latest[j].append(one_gradient(data, (j + taken[j] % 3) % STALE_K, point))
            taken[j] += 1
            total += np.sum(latest[j], axis=0) / len(latest[j])
        state = optimizer.step(state, (STALE_K / arrived.sum() * total / STALE_N)[:, None], u + 1)
    np.testing.assert_allclose(found.final_beta[:, 0], state[0][:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("load", [1, 2, 5])
def test_where_all_are_heard_gradients_are_0_to_load_less_1_rounds_old(load: int) -> None:
    """And every partition weighs 1."""
    steps = steps_of("pipelined", 12, load=load, wait_for=STALE_K)
    expected = [min(t, load - 1) / 2 for t in range(12)]
    np.testing.assert_allclose(steps.staleness, np.tile(expected, (3, 1)))
    np.testing.assert_allclose(steps.error, 0, atol=1e-28)
    assert steps.exact == (load == 1)


def test_a_partition_weighs_1_on_average() -> None:
    """By symmetry, where arrivals are uniformly random and all were heard ``load`` times."""
    steps = steps_of("pipelined", 400, MODELS["exponential"](rate=2.0), load=4, wait_for=5)
    late = np.array([steps.step(u).weights.sum(axis=1) for u in range(60, 400)])
    np.testing.assert_allclose(late.sum(axis=-1), STALE_K)  # exactly, in every round
    means = late.mean(axis=(0, 1))
    assert abs(means - 1).max() < 5 * late.std() / np.sqrt(late.shape[0] * 3 / 4)


def test_an_update_costs_two_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the load is: no past margins are computed again."""
    data, start = problem()
    counts = {"rows": 0, "transposed": 0}
    multiply = problem_base.product

    def counted(matrix: Any, columns: FloatArray, *out: Any) -> Any:
        if columns.ndim == 2:
            counts["rows" if matrix.shape == data.X.shape else "transposed"] += 1
        return multiply(matrix, columns, *out)

    monkeypatch.setattr(problem_base, "product", counted)
    run, _ = run_of("pipelined", 10, load=5, wait_for=8)
    eh.train(run, data, GD, initial=start)
    assert counts == {"rows": 11, "transposed": 10}
