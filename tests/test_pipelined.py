"""Workers that send the sum of their latest gradients, one of them new."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim import learner
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.learner import train
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.optimizers import OPTIMIZERS
from erasurehead.sim.problems import LOSSES, Problem
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.steps import Steps
from erasurehead.sim.types import FloatArray, Rounds, Trace
from tests.engines.agreement import arrays, both_finish
from tests.engines.engines import batch, event
from tests.tables import TableTape
from tests.test_stale_learning import K, N, P, one_gradient, problem

DELAY = MODELS["exponential"](rate=2.0)
RATE = 0.05


def run_of(load: int, wait_for: int, rounds: int) -> tuple[Trace, Steps]:
    scheme = SCHEMES["pipelined"](load=load, wait_for=wait_for).build(K)
    tapes = [Tape(DELAY, K, 4, r) for r in range(3)]
    trace = simulate(Run(scheme, tapes, Proportional(), rounds))
    return trace, scheme.steps(trace)


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
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
def test_a_plain_loop_with_every_gradient(
    load: int, wait_for: int, block: int, sparse_data: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker keeps its latest d gradients itself, and nobody knows of layers."""
    monkeypatch.setattr(learner, "BLOCK", block)
    data, start = problem(sparse_data, l2=0.01)
    trace, steps = run_of(load, wait_for, 15)
    assert isinstance(trace.heard, Rounds)
    found = train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, steps, 15)
    for r in range(3):
        beta, losses = start, [data.loss(start[:, None])[0]]
        latest: list[deque[FloatArray]] = [deque(maxlen=load) for _ in range(K)]
        taken = [0] * K
        for arrived in trace.heard.arrived[r]:
            total = np.zeros(P)
            for j in np.flatnonzero(arrived):
                latest[j].append(one_gradient(data, (j + taken[j] % load) % K, beta))
                taken[j] += 1
                total += np.sum(latest[j], axis=0) / len(latest[j])
            beta = beta - RATE * (K / arrived.sum() * total / N + 2 * 0.01 * beta)
            losses.append(data.loss(beta[:, None])[0])
        np.testing.assert_allclose(found.final_beta[:, r], beta, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


def test_momentum_takes_held_gradients_where_they_were_taken() -> None:
    data, start = problem()
    trace, steps = run_of(3, 8, 9)
    assert isinstance(trace.heard, Rounds)
    optimizer = OPTIMIZERS["nesterov"](learning_rate=RATE)
    found = train(data, optimizer, start, steps, 9)
    state = optimizer.init(start[:, None])
    latest: list[deque[FloatArray]] = [deque(maxlen=3) for _ in range(K)]
    taken = [0] * K
    for u, arrived in enumerate(trace.heard.arrived[0]):
        total, point = np.zeros(P), optimizer.point(state, u + 1)[:, 0]
        for j in np.flatnonzero(arrived):
            latest[j].append(one_gradient(data, (j + taken[j] % 3) % K, point))
            taken[j] += 1
            total += np.sum(latest[j], axis=0) / len(latest[j])
        state = optimizer.step(state, (K / arrived.sum() * total / N)[:, None], u + 1)
    np.testing.assert_allclose(found.final_beta[:, 0], state[0][:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("load", [1, 2, 5])
def test_where_all_are_heard_gradients_are_0_to_load_less_1_rounds_old(load: int) -> None:
    """And every partition weighs 1."""
    _, steps = run_of(load, K, 12)
    assert steps.staleness is not None
    expected = [min(t, load - 1) / 2 for t in range(12)]
    np.testing.assert_allclose(steps.staleness, np.tile(expected, (3, 1)))
    np.testing.assert_allclose(steps.error, 0, atol=1e-28)
    assert steps.exact == (load == 1)


def test_a_partition_weighs_1_on_average() -> None:
    """By symmetry, where arrivals are uniformly random and all were heard ``load`` times."""
    _, steps = run_of(4, 5, 400)
    late = np.array([steps.step(u).weights.sum(axis=1) for u in range(60, 400)])
    np.testing.assert_allclose(late.sum(axis=-1), K)  # exactly, in every round
    means = late.mean(axis=(0, 1))
    assert abs(means - 1).max() < 5 * late.std() / np.sqrt(late.shape[0] * 3 / 4)


@pytest.mark.parametrize("policy", Policy)
def test_its_time_is_that_of_ignore_stragglers(policy: Policy) -> None:
    tapes = [Tape(DELAY, K, 1, r) for r in range(2)]
    ours = SCHEMES["pipelined"](load=3, wait_for=8).build(K)
    theirs = SCHEMES["ignore_stragglers"](wait_for=8).build(K)
    one = arrays(both_finish(ours, tapes, Proportional(), 20, policy))
    two = arrays(both_finish(theirs, tapes, Proportional(), 20, policy))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_with_one_partition_it_ignores_stragglers() -> None:
    data, start = problem()
    optimizer = OPTIMIZERS["gd"](learning_rate=RATE)
    _, steps = run_of(1, 8, 6)
    scheme = SCHEMES["ignore_stragglers"](wait_for=8).build(K)
    tapes = [Tape(DELAY, K, 4, r) for r in range(3)]
    theirs = scheme.steps(simulate(Run(scheme, tapes, Proportional(), 6)))
    one, two = (train(data, optimizer, start, each, 6).final_beta for each in (steps, theirs))
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)


def test_an_update_costs_two_products(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the load is: no past margins are computed again."""
    data, start = LOSSES["logistic"](problem()[0].X, problem()[0].y, K), problem()[1]
    counts = {"margins": 0, "gradient_from_slopes": 0}
    for name in counts:
        plain = getattr(Problem, name)

        def counted(
            self: Problem, given: FloatArray, *, name: str = name, plain: Any = plain
        ) -> Any:
            counts[name] += 1
            return plain(self, given)

        monkeypatch.setattr(Problem, name, counted)
    _, steps = run_of(5, 8, 10)
    train(data, OPTIMIZERS["gd"](learning_rate=RATE), start, steps, 10)
    assert counts == {"margins": 11, "gradient_from_slopes": 10}


@pytest.mark.parametrize(("fields", "wrong"), [((13, 5), "load"), ((3, 13), "wait_for")])
def test_load_and_wait_for_are_at_most_workers(fields: tuple[int, int], wrong: str) -> None:
    with pytest.raises(InvalidParameter, match=wrong):
        SCHEMES["pipelined"](load=fields[0], wait_for=fields[1]).build(K)
