"""What workers do with unfinished work, and how patient they are."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.plugins import FloatArray
from erasurehead.schemes import SCHEMES
from tests.sim.engines.agreement import (
    POLICIES,
    Around,
    Engine,
    batch,
    both_finish,
    both_stuck,
    event,
)
from tests.tools import TableTape

# The straggler policies against plain loops written from their definitions.


N, K, ROUNDS = 7, 5, 60
UNCODED, FIRST = SCHEMES["uncoded"](), SCHEMES["ignore_stragglers"](wait_for=1)


@pytest.fixture
def table() -> FloatArray:
    return np.random.default_rng(11).exponential(0.5, (ROUNDS, N))


def times_of(table: FloatArray, policy: str) -> FloatArray:
    scheme = SCHEMES["ignore_stragglers"](wait_for=K).build(N)
    return event.simulate(scheme, [TableTape(table)], Proportional(), len(table), policy).times[0]


def cancelled(table: FloatArray) -> list[float]:
    """Each round is a fresh k-th order statistic."""
    now, ends = 0.0, []
    for row in table:
        now += sorted(row)[K - 1]
        ends.append(now)
    return ends


def drained(table: FloatArray) -> list[float]:
    """The round ends at the k-th arrival, the next one starts after the last."""
    opened, ends = 0.0, []
    for row in table:
        ends.append(opened + sorted(row)[K - 1])
        opened += max(row)
    return ends


def queued(table: FloatArray) -> list[float]:
    """F_j(t) = max(S_t, F_j(t-1)) + X_j(t); the round ends at the k-th smallest F_j(t).

    The order statistics of the cyclic and ignore-stragglers runs of the authors.
    """
    opened, finish, ends = 0.0, [0.0] * N, []
    for row in table:
        finish = [max(opened, f) + x for f, x in zip(finish, row, strict=True)]
        opened = sorted(finish)[K - 1]
        ends.append(opened)
    return ends


def test_queue_with_one_worker_is_lindley() -> None:
    """n = 1: the master waits for every task, so the clock is the running sum of the delays."""
    table = np.random.default_rng(12).exponential(1.0, (50, 1))
    scheme = SCHEMES["uncoded"]().build(1)
    trace = event.simulate(scheme, [TableTape(table)], Proportional(), 50, "queue")
    assert trace.times[0].tolist() == np.cumsum(table).tolist()


def finished(table: FloatArray) -> list[float]:
    """Who is busy when a model comes skips it, and takes the newest one when free.

    Simulated here instant by instant, a different way than either engine's.
    """
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


LOOPS = dict(zip(POLICIES, (cancelled, finished, queued, drained), strict=True))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_its_plain_loop(table: FloatArray, policy: str) -> None:
    assert times_of(table, policy).tolist() == LOOPS[policy](table)


def test_policies_are_ordered(table: FloatArray) -> None:
    """Free cancellation is never slower than finishing, and draining is slowest of all."""
    end = {policy: times_of(table, policy)[-1] for policy in POLICIES}
    assert end["cancel"] < end["finish"] <= end["queue"] < end["drain"]


@pytest.mark.parametrize(
    ("policy", "times", "busy", "useful"),
    [
        ("cancel", [1, 1.5, 2.5], [2.5, 2.5], [2.0, 0.5]),
        ("finish", [1, 2, 3], [3.0, 3.0], [3.0, 0.0]),
        ("queue", [1, 2, 3], [3.0, 3.0], [3.0, 0.0]),
        ("drain", [1, 3.5, 5], [3.0, 4.5], [2.0, 0.5]),
    ],
)
def test_busy_and_useful_seconds(policy, times, busy, useful):
    """Two workers, three rounds, first arrival ends a round; counted by hand.

    Rounds: worker 0 needs 1 s each; worker 1 needs 3, 0.5, 3 s.
    """
    table = np.array([[1.0, 3.0], [1.0, 0.5], [1.0, 3.0]])
    trace = event.simulate(FIRST.build(2), [TableTape(table)], Proportional(), 3, policy)
    found = trace.times[0], trace.work.busy[0], trace.work.useful[0]
    assert [each.tolist() for each in found] == [times, busy, useful]


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


# ``max_wait``: a round may take exactly that long, and both engines say who is late and when.


AROUND: list[tuple[Around | None, float]] = [
    (None, 1.0),
    ({}, 1.0),
    ({"broadcast_latency": 0.25, "dispatch_skew": 0.0, "uplink_latency": 0.5}, 1.75),
]
"""Networks, and how long a round of one second takes behind each."""

policies = pytest.mark.parametrize("policy", POLICIES)
instant = pytest.mark.parametrize("network", [None, {}], ids=str)


def finish(family, table, policy="cancel", **around):
    """Instants of updates, on which both engines agree."""
    table = np.array(table)
    scheme, tapes = family.build(table.shape[1]), [TableTape(table)]
    return both_finish(scheme, tapes, Proportional(), len(table), policy, **around).times[0]


def stuck(family, table, policy="cancel", **around):
    """The round that cannot end, who is missing and the message, of both engines."""
    table = np.array(table)
    scheme, tapes = family.build(table.shape[1]), [TableTape(table)]
    error = both_stuck(scheme, tapes, Proportional(), len(table), policy, **around)
    return error.iteration, error.missing, str(error)


@policies
@pytest.mark.parametrize(("network", "length"), AROUND, ids=str)
def test_a_round_may_end_exactly_at_max_wait(network, length, policy):
    """The last message comes as the master's patience ends: catches an alarm that rings first.
    Whoever comes at that very instant has come; only worker 2 is missing in the second table."""
    around = {"network": network, "max_wait": length}
    times = finish(UNCODED, [[1.0, 0.5, 1.0], [0.25, 1.0, 0.0], [1.0, 1.0, 1.0]], policy, **around)
    assert times.tolist() == [length, 2 * length, 3 * length]
    late = stuck(UNCODED, [[0.5, 0.5, 0.5], [1.0, 0.5, 1.25]], policy, **around)
    assert late[:2] == (2, [2])
    assert f"max_wait = {length:g} s" in late[2]


@policies
@instant
def test_patience_ends_at_an_instant_on_the_clock(network, policy):
    """1 + 0.30000000000000004 is the instant 1 + 0.3, whatever the two durations are."""
    table = np.array([[0.25]] * 4 + [[3 * 0.1]])
    assert table[-1, 0] > 0.3
    assert finish(UNCODED, table, policy, network=network, max_wait=0.3)[-1] == 1.3


@policies
@instant
def test_patience_begins_anew_with_each_round(network, policy):
    """Ten rounds of a second under a patience of 1.5: catches one counted from the run's start. A
    deadline at the end of patience ends the round."""
    assert finish(UNCODED, np.ones((10, 2)), policy, network=network, max_wait=1.5)[-1] == 10
    deadline = SCHEMES["ignore_stragglers"](deadline=1.0)
    times = finish(deadline, np.full((3, 2), 0.5), policy, network=network, max_wait=1.0)
    assert times.tolist() == [1, 2, 3]


@pytest.mark.parametrize("policy", ["finish", "queue"])
def test_patience_counts_from_the_opening_not_from_the_task(policy):
    """Worker 1 begins its second task at 2, a second after the round opened."""
    table = [[1.0, 2.0], [3.0, 1.0]]
    assert finish(FIRST, table, policy, max_wait=2.0).tolist() == [1, 3]
    assert stuck(FIRST, table, policy, max_wait=1.75)[:2] == (2, [0, 1])


@instant
def test_patience_does_not_apply_to_draining(network):
    """The round ends in time, and the wait for the other worker may take what it takes."""
    around = {"network": network, "max_wait": 1.0}
    assert finish(FIRST, [[1.0, 8.0], [1.0, 1.0]], "drain", **around).tolist() == [1, 9]


@instant
def test_the_first_trouble_is_named(network):
    """Round 2 never drains; that round 3 would be late as well is no news to anybody."""
    table = [[1.0, 1.0], [1.0, np.inf], [9.0, 9.0]]
    error = stuck(FIRST, table, "drain", network=network, max_wait=5.0)
    assert error[:2] == (2, [1])
    assert "can never end" in error[2]


@policies
@instant
def test_the_first_replication_in_trouble_is_named(network, policy):
    """Replication 2 fails in an earlier round than replication 1, but comes after it."""
    late, early, fine = (np.ones((6, 2)) for _ in range(3))
    late[4, 1] = early[2, 0] = np.inf
    tapes = [TableTape(table) for table in (fine, late, early)]
    error = both_stuck(UNCODED.build(2), tapes, Proportional(), 6, policy, network=network)
    assert (error.iteration, error.missing) == (5, [1])


@pytest.mark.parametrize("engine", [event, batch], ids=lambda engine: engine.name)
@policies
def test_max_wait(engine: Engine, policy: str) -> None:
    """A round that has not ended in time stops the run with who is missing."""
    table = np.tile([0.5, 1.0, 1.0], (4, 1))
    table[2, 1:] = 9.0
    scheme, tapes = UNCODED.build(3), [TableTape(table)]
    error = engine.stuck(scheme, tapes, Proportional(), 4, policy, max_wait=5.0)
    assert "max_wait = 5 s" in str(error)
    assert (error.iteration, error.missing) == (3, [1, 2])
