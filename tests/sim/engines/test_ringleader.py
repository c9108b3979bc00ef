"""Ringleader: cycles of updates, one of each worker, by hand and by a plain loop.

Speaks to the learner: its updates are done alike however few columns it takes at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import Barrierless, FloatArray, Stream, Trace
from erasurehead.schemes import SCHEMES
from erasurehead.sim.training import learner
from tests.sim.engines.agreement import (
    auto,
    both,
    both_finish,
    both_stuck,
    event,
    lattice,
    runs,
    steady,
)
from tests.sim.engines.test_barrierless import engines, lives
from tests.sim.schemes.test_stale_gradients import singles_taken
from tests.sim.training.test_learner import RULES, STALE_K, STALE_N, one_gradient, problem
from tests.tools import TableTape, examples

INF = np.inf
RATE = 0.05
Update = tuple[float, list[tuple[int, int]], dict[int, list[int]]]
"""When it happens, workers and versions heard since the one before, versions in the table."""


def ringleader(workers: int) -> Barrierless:
    return SCHEMES["ringleader"]().build(workers)


def stream(trace: Trace) -> Stream:
    return trace.heard


def plain(table: FloatArray, updates: int) -> list[Update] | None:
    """Ringleader with its two tables, one instant at a time; ``None`` if it never gets there."""
    n = table.shape[1]
    row, version = [0] * n, [0] * n
    done_at = [float(seconds) for seconds in table[0]]
    current: dict[int, list[int]] = {}
    later: dict[int, list[int]] = {}
    updated: set[int] = set()
    found: list[Update] = []
    heard: list[tuple[int, int]] = []
    while max(row) < len(table) - 1:
        now = min(done_at)
        if np.isinf(now):
            return None
        ready = [j for j in range(n) if done_at[j] == now]
        for j in ready:
            heard.append((j, version[j]))
            if j in updated:
                later.setdefault(j, []).append(version[j])
                continue
            current.setdefault(j, []).append(version[j])
            if len(current) < n:
                continue
            found.append((now, heard, {i: list(versions) for i, versions in current.items()}))
            heard = []
            updated.add(j)
            if len(updated) == n:
                current, later, updated = later, {}, set()
            if len(found) == updates:
                return found
        for j in ready:
            row[j] += 1
            version[j] = len(found)
            done_at[j] = now + float(table[row[j], j])
    return None


@engines
def test_two_cycles_by_hand(engine: Any) -> None:
    """Times 1, 3 and 3.25, three workers.

    Collecting: worker 1 at 1, 2, 3 s, worker 2 at 3 s, all at version 0.
    Update  at    who  table (versions of 1; of 2; of 3)      kept for the next cycle
    0       3.25  3    0 0 0; 0; 0
    1       4     1    0 0 0 0; 0; 0
    2       6     2    0 0 0 0; 0 0; 0                        1: 2 (5 s), 2 (6 s, before worker 2's)
    Collecting: worker 3 at 6.5 s (version 1), worker 1 at 7, 8, 9 s (version 3).
    3       9     2    2 2 3 3 3; 3; 1
    4       9.75  3    2 2 3 3 3; 3; 1 3
    5       10    1    2 2 3 3 3 4; 3; 1 3
    """
    trace = engine.simulate(ringleader(3), [steady(1, 3, 3.25)], Proportional(), 2)
    np.testing.assert_array_equal(trace.times[0], [3.25, 4, 6, 9, 9.75, 10])
    heard = stream(trace)
    np.testing.assert_array_equal(heard.ends[0], [5, 6, 9, 14, 15, 16])
    expected = [0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0, 0, 0, 1, 2, 0]
    np.testing.assert_array_equal(heard.message, expected)
    expected = [0, 0, 0, 0, 0, 0, 2, 2, 0, 1, 3, 3, 3, 3, 3, 4]
    np.testing.assert_array_equal(heard.version, expected)
    np.testing.assert_array_equal(trace.work.last[0], [2, 0, 1, 1, 2, 0])
    np.testing.assert_array_equal(trace.work.busy[0], [10, 10, 10])
    np.testing.assert_array_equal(trace.work.useful[0], [10, 9, 9.75])

    steps = ringleader(3).steps(trace)
    means = [0, 0, 0, (13 / 5 + 3 + 1) / 3, (13 / 5 + 3 + 2) / 3, (17 / 6 + 3 + 2) / 3]
    np.testing.assert_allclose(steps.staleness[0], np.arange(6) - means, atol=1e-14)
    np.testing.assert_array_equal(steps.arrived(3)[0], [3, 3])
    assert steps.depth == 2  # worker 2's second gradient, of version 0, in update 2
    begin = steps.step(3)
    assert begin.clear
    assert not steps.step(4).clear
    # Worker 1's two of version 2 make its entry, then its three of version 3 are 3 in 5.
    rows = sorted(zip(begin.entry[0], begin.version[0], begin.share[0], strict=True))
    np.testing.assert_allclose(rows, [(0, 2, 1), (0, 3, 3 / 5), (1, 3, 1), (2, 1, 1)])


@pytest.mark.parametrize("rounds", [0, 1, 20])
def test_a_cluster_in_which_everybody_has_died_makes_no_update(rounds: int) -> None:
    """At once, or after so many tasks of each worker, which the first cycle needs one of."""
    tape = steady(1, 2, 4)
    tape.table[rounds:] = INF
    found = both_stuck(ringleader(3), [tape], Proportional(), 100)
    if rounds == 0:
        assert (found.iteration, found.missing) == (1, [0, 1, 2])


@given(
    run=runs(
        st.integers(1, 6).map(ringleader),
        longest=6,
        replications=st.integers(1, 3),
        policies=st.just("cancel"),
    )
)
@example(  # two workers are lost at one instant, where a block of tasks ends
    run={
        "scheme": ringleader(2),
        "tapes": lattice(17143, 2, 1, 2, 0.25, 0.3),
        "law": Additive(seconds_per_partition=0.25),
        "iterations": 5,
    }
)
@examples(200)
def test_engines_agree_on_lattices_with_ties_and_zeros(run):
    both(**run)


@given(
    n=st.integers(1, 6),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4, 50]),
    dead=st.sampled_from([0.0, 0.0, 0.02]),
)
@examples(200)
def test_the_engines_do_what_a_plain_loop_does(n: int, seed: int, levels: int, dead: float) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, levels, (600, n)) * 0.25
    table[rng.random(table.shape) < dead] = INF
    run = ringleader(n), [TableTape(table)], Proportional(), 4
    expected = plain(table, 4 * n)
    if expected is None:
        event.stuck(*run)
        return
    trace = event.simulate(*run)
    np.testing.assert_array_equal(trace.times[0], [when for when, *_ in expected])
    heard = [message for _, since, _ in expected for message in since]
    np.testing.assert_array_equal(stream(trace).message, [worker for worker, _ in heard])
    np.testing.assert_array_equal(stream(trace).version, [version for _, version in heard])


@pytest.mark.parametrize("name", ["exponential", "heterogeneous", "deterministic"])
def test_engines_agree_on_real_delays_across_blocks(name: str) -> None:
    """The tape's blocks are short, and workers read them at very different speeds."""
    exponential = MODELS["exponential"](rate=2.0)
    delay = {
        "exponential": exponential,
        "heterogeneous": MODELS["heterogeneous"](base=exponential, spread=1.5),
        "deterministic": MODELS["deterministic"](value=0.5),
    }[name]

    class Short(Tape):
        @property
        def block_rounds(self) -> int:
            return 16

    tapes = [Short(delay, 12, 5, r) for r in range(2)]
    law = Additive(seconds_per_partition=0.02)
    trace = both_finish(ringleader(12), tapes, law, 20)
    heard = stream(trace)
    # The paper's bound on how late a gradient is used, and one update of each worker in a cycle.
    assert ringleader(12).steps(trace).depth <= 2 * 12 - 2
    makers = np.sort(heard.message[heard.ends - 1].reshape(2, 20, 12), axis=2)
    assert (makers == np.arange(12)).all()
    assert heard.ends[1, -1] == len(heard.message)


# Learning.


@pytest.mark.parametrize(
    ("rule", "block", "sparse_data"),
    [  # each two of them together; all three are slow
        pytest.param(
            *(rule, block, sparse_data),
            id=f"{rule}-{block}-{'sparse' if sparse_data else 'dense'}",
            marks=pytest.mark.slow if (rule == "gd") ^ (block == 1) ^ sparse_data else [],
        )
        for rule in ("gd", "nesterov")
        for block in (1, 64)
        for sparse_data in (False, True)
    ],
)
def test_the_mean_of_the_means(rule, block, sparse_data, monkeypatch):
    """Every gradient of every table by itself, at the point that its worker had."""
    monkeypatch.setattr(learner, "BLOCK_WIDTH", block)
    data, start = problem(sparse_data, l2=0.01)
    delay = MODELS["heterogeneous"](base=MODELS["exponential"](rate=2.0), spread=1.0)
    size = {"workers": STALE_K, "iterations": 5, "replications": 2, "seed": 4}
    run = eh.simulate(eh.schemes.Ringleader(), delay, **size)
    optimizer = RULES[rule](learning_rate=RATE)
    found = eh.train(run, data, optimizer, initial=start)
    for r in range(2):
        expected = plain(Tape(delay, STALE_K, 4, r).rows(0, 400), 5 * STALE_K)
        state, points = optimizer.init(start[:, None]), list[FloatArray]()
        taken = cache(lambda j, v, points=points: one_gradient(data, j, points[v]))
        losses = [data.loss(start[:, None])[0]]
        for u, (_, _, tables) in enumerate(expected):
            points.append(optimizer.point(state, u + 1)[:, 0])
            means = [
                np.mean([taken(j, v) for v in versions], axis=0) for j, versions in tables.items()
            ]
            gradient = STALE_K / STALE_N * np.mean(means, axis=0) + 2 * 0.01 * points[-1]
            state = optimizer.step(state, gradient[:, None], u + 1)
            if (u + 1) % STALE_K == 0:
                losses.append(data.loss(state[0])[0])
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


def test_each_gradient_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many equal ones a fast worker sends, and however many are in the table."""
    data, start = problem()
    factors = tuple([0.25] * 11 + [8.0])
    delay = MODELS["heterogeneous"](base=MODELS["deterministic"](value=1.0), factors=factors)
    run = eh.simulate(eh.schemes.Ringleader(), delay, workers=STALE_K, iterations=3)
    taken = singles_taken(data, monkeypatch)
    eh.train(run, data, eh.optimizers.GradientDescent(learning_rate=RATE), initial=start)
    tapes = [steady(*factors, rows=400)]
    heard = stream(auto.simulate(ringleader(STALE_K), tapes, Proportional(), 3))
    assert len(heard.message) > 700
    different = set(zip(heard.message.tolist(), heard.version.tolist(), strict=True))
    # One model's gradient may be in two cycles.
    assert 3 * STALE_K <= len(taken) <= len(different) + 3 * STALE_K


def test_one_worker_descends_the_whole_gradient() -> None:
    trace = both_finish(ringleader(1), [steady(2)], Proportional(), 4)
    np.testing.assert_array_equal(trace.times[0], [2, 4, 6, 8])
    steps = ringleader(1).steps(trace)
    np.testing.assert_array_equal(steps.staleness, np.zeros((1, 4)))
    assert steps.depth == 0


def test_a_cycle_takes_at_most_two_of_the_slowest_workers_tasks() -> None:
    """The paper's bound for fixed times: n updates in 2 max tau."""
    times = np.random.default_rng(1).random(8) + 0.1
    tapes = [steady(*times, rows=2000)]
    ends = auto.simulate(ringleader(8), tapes, Proportional(), 40).times[0, 7::8]
    assert (np.diff(ends, prepend=0) <= 2 * times.max() * (1 + 1e-12)).all()


# What never comes.


def without(worker: int, task: int) -> TableTape:
    """Tasks of 1 and 2 s, but for one that never ends."""
    tape = steady(1, 2)
    tape.table[task, worker] = INF
    return tape


@pytest.mark.parametrize(
    ("worker", "task", "missing"),
    [
        # Worker 2's third task never ends. Its first made update 0 at 2 s, then worker 1's update
        # 1. Cycle 2 collects its second at 4 s: update 2, and worker 1's update 3 at 5 s. Cycle 3
        # never has a gradient of worker 2.
        (1, 2, (3, [1])),
        # Worker 1 delivers at 1 s, and its second task never ends: cycle 1 has its gradient alone.
        # Worker 2's message at 2 s makes update 0; worker 1's is still to come, and nothing else
        # counts.
        (0, 1, (1, [0])),
    ],
)
def test_a_dead_worker_ends_the_run_though_others_go_on(worker, task, missing) -> None:
    error = both_stuck(ringleader(2), [without(worker, task)], Proportional(), 5)
    assert (error.iteration, error.missing) == missing


def test_a_worker_whose_tasks_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time would stand still for ever: worker 0 delivers again and again at 0 s."""
    monkeypatch.setattr("erasurehead.sim.engines.updates.MOST_VAIN_MESSAGES", 1_000)
    error = both_stuck(ringleader(3), [steady(0, 1, 2, rows=2_100)], Proportional(), 2)
    assert (error.endless, error.missing, error.iteration) == (0, [1, 2], 1)


def test_a_network_and_crashes_run_in_the_event_engine() -> None:
    """Worker 2 is down from 0.5 to 1 s, and a message takes 0.5 s: it delivers at 1 + 1 + 0.5 s."""
    crash = lives([[INF, 0.5], [INF, INF]], [[INF, 0.5], [INF, INF]])
    around = {"network": {"uplink_latency": 0.5}, "lives": crash}
    trace = auto.simulate(ringleader(2), [steady(1, 1)], Proportional(), 1, **around)
    assert trace.engine == "event"
    np.testing.assert_array_equal(trace.times[0], [2.5, 3.0])
