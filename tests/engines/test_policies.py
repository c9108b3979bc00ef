"""The straggler policies against plain loops written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.load_laws import Additive, PerPartition, Proportional
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.types import FloatArray
from tests.engines.engines import event
from tests.tables import TableTape

N, K, ROUNDS = 7, 5, 60


@pytest.fixture
def table() -> FloatArray:
    return np.random.default_rng(11).exponential(0.5, (ROUNDS, N))


def times_of(table: FloatArray, policy: Policy) -> FloatArray:
    scheme = SCHEMES["ignore_stragglers"](wait_for=K).build(N)
    return event.simulate(scheme, [TableTape(table)], Proportional(), len(table), policy).times[0]


def test_cancel(table: FloatArray) -> None:
    """Each round is a fresh k-th order statistic."""
    now, expected = 0.0, []
    for row in table:
        now += sorted(row)[K - 1]
        expected.append(now)
    assert times_of(table, Policy.CANCEL).tolist() == expected


def test_drain(table: FloatArray) -> None:
    """The round ends at the k-th arrival, the next one starts after the last."""
    opened, expected = 0.0, []
    for row in table:
        expected.append(opened + sorted(row)[K - 1])
        opened += max(row)
    assert times_of(table, Policy.DRAIN).tolist() == expected


def test_queue(table: FloatArray) -> None:
    """F_j(t) = max(S_t, F_j(t-1)) + X_j(t); the round ends at the k-th smallest F_j(t).

    The order statistics of the cyclic and ignore-stragglers runs of the authors.
    """
    opened, finish, expected = 0.0, [0.0] * N, []
    for row in table:
        finish = [max(opened, f) + x for f, x in zip(finish, row, strict=True)]
        opened = sorted(finish)[K - 1]
        expected.append(opened)
    assert times_of(table, Policy.QUEUE).tolist() == expected


def test_queue_with_one_worker_is_lindley() -> None:
    """n = 1: the master waits for every task, so the clock is the running sum of the delays."""
    table = np.random.default_rng(12).exponential(1.0, (50, 1))
    scheme = SCHEMES["uncoded"]().build(1)
    trace = event.simulate(scheme, [TableTape(table)], Proportional(), 50, Policy.QUEUE)
    assert trace.times[0].tolist() == np.cumsum(table).tolist()


def test_finish(table: FloatArray) -> None:
    """Who is busy when a model comes skips it, and takes the newest one when free.

    Simulated here instant by instant, a different way than either engine's.
    """
    assert times_of(table, Policy.FINISH).tolist() == finish_by_hand(table)


def finish_by_hand(table: FloatArray) -> list[float]:
    free_at = [0.0] * N
    working_on = [-1] * N
    opened, expected = 0.0, []
    for current in range(len(table)):
        heard: set[int] = set()
        while len(heard) < K:
            for j in range(N):  # whoever is free and has not done this round takes it
                if working_on[j] < current and free_at[j] <= opened:
                    working_on[j], free_at[j] = current, opened + table[current, j]
            pending = [(free_at[j], j) for j in range(N) if j not in heard]
            now, j = min(pending)
            if working_on[j] == current:
                heard.add(j)
            else:
                working_on[j], free_at[j] = current, now + table[current, j]
        opened = now
        expected.append(now)
    return expected


def test_policies_are_ordered(table: FloatArray) -> None:
    """Free cancellation is never slower than finishing, and draining is slowest of all."""
    end = {policy: times_of(table, policy)[-1] for policy in Policy}
    assert end["cancel"] < end["finish"] <= end["queue"] < end["drain"]


@pytest.mark.parametrize("policy", Policy)
def test_busy_and_useful_seconds(policy: Policy) -> None:
    """Two workers, three rounds, first arrival ends a round; counted by hand.

    Rounds: worker 0 needs 1 s each; worker 1 needs 3, 0.5, 3 s.
    """
    table = np.array([[1.0, 3.0], [1.0, 0.5], [1.0, 3.0]])
    scheme = SCHEMES["ignore_stragglers"](wait_for=1).build(2)
    trace = event.simulate(scheme, [TableTape(table)], Proportional(), 3, policy)
    expected = {
        # time of each round's end, busy and useful seconds of both workers
        "cancel": ([1, 1.5, 2.5], [2.5, 2.5], [2.0, 0.5]),
        "finish": ([1, 2, 3], [3.0, 3.0], [3.0, 0.0]),
        "queue": ([1, 2, 3], [3.0, 3.0], [3.0, 0.0]),
        "drain": ([1, 3.5, 5], [3.0, 4.5], [2.0, 0.5]),
    }[policy]
    assert trace.times[0].tolist() == expected[0]
    assert trace.work.busy is not None
    assert trace.work.useful is not None
    assert trace.work.busy[0].tolist() == expected[1]
    assert trace.work.useful[0].tolist() == expected[2]


def test_load_laws() -> None:
    """d X, d tau + X, and the sum of d independent draws from d streams."""
    tape = Tape(MODELS["exponential"](rate=2.0), 6, seed=5, replication=0)
    loads = np.array([1, 2, 3, 1, 2, 3])
    unit = [tape.rows(0, 4, stream) for stream in range(3)]
    proportional = Proportional().worker_times(tape, loads, 0, 4)
    additive = Additive(seconds_per_partition=0.25).worker_times(tape, loads, 0, 4)
    pieces = PerPartition().worker_times(tape, loads, 0, 4)
    np.testing.assert_array_equal(proportional, unit[0] * loads)
    np.testing.assert_array_equal(additive, unit[0] + 0.25 * loads)
    for worker, load in enumerate(loads):
        expected = sum(unit[piece][:, worker] for piece in range(load))
        np.testing.assert_array_equal(pieces[:, worker], expected)
