"""What workers do with unfinished work, and how patient they are."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, LoadLaw, PerPartition, Proportional
from erasurehead.plugins import FloatArray, TapeLike
from erasurehead.schemes import SCHEMES, Scheme
from erasurehead.sim.base.errors import NeverEnough
from erasurehead.sim.engines.run import Cluster, Network, Policy
from tests.sim.engines.agreement import Engine, batch, both, both_finish, event, outcome
from tests.tools import TableTape

# The straggler policies against plain loops written from their definitions.


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


# ``max_wait``: a round may take exactly that long, and both engines say who is late and when.


ENGINES = [event, batch]
AROUND = [
    (None, 1.0),
    (Network(), 1.0),
    (Network(broadcast_latency=0.25, dispatch_skew=0.0, uplink_latency=0.5), 1.75),
]
"""Networks, and how long a round of one second takes behind each."""


def uncoded(
    table: FloatArray, policy: Policy, around: Cluster
) -> tuple[Scheme, list[TapeLike], LoadLaw, int, Policy, Cluster]:
    scheme = SCHEMES["uncoded"]().build(table.shape[1])
    return scheme, [TableTape(table)], Proportional(), len(table), policy, around


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(("network", "length"), AROUND, ids=str)
def test_a_round_may_end_exactly_at_max_wait(
    network: Network | None, length: float, policy: Policy
) -> None:
    """The last message comes as the master's patience ends: catches an alarm that rings first."""
    table = np.array([[1.0, 0.5, 1.0], [0.25, 1.0, 0.0], [1.0, 1.0, 1.0]])
    trace = both_finish(*uncoded(table, policy, Cluster(network, max_wait=length)))
    assert trace.times[0].tolist() == [length, 2 * length, 3 * length]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(("network", "length"), AROUND, ids=str)
def test_who_is_late_at_max_wait(network: Network | None, length: float, policy: Policy) -> None:
    """Whoever comes at that very instant has come; only worker 2 is missing."""
    table = np.array([[0.5, 0.5, 0.5], [1.0, 0.5, 1.25]])
    error = both(*uncoded(table, policy, Cluster(network, max_wait=length)))
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (2, [2])
    assert f"max_wait = {length:g} s" in str(error)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_patience_ends_at_an_instant_on_the_clock(network: Network | None, policy: Policy) -> None:
    """1 + 0.30000000000000004 is the instant 1 + 0.3, whatever the two durations are."""
    table = np.array([[0.25]] * 4 + [[3 * 0.1]])
    assert table[-1, 0] > 0.3
    around = Cluster(network, max_wait=0.3)
    assert both_finish(*uncoded(table, policy, around)).times[0, -1] == 1.3


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_patience_begins_anew_with_each_round(network: Network | None, policy: Policy) -> None:
    """Ten rounds of a second under a patience of 1.5: catches one counted from the run's start."""
    trace = both_finish(*uncoded(np.ones((10, 2)), policy, Cluster(network, max_wait=1.5)))
    assert trace.times[0, -1] == 10


@pytest.mark.parametrize("policy", [Policy.FINISH, Policy.QUEUE])
def test_patience_counts_from_the_opening_not_from_the_task(policy: Policy) -> None:
    """Worker 1 begins its second task at 2, a second after the round opened."""
    table = np.array([[1.0, 2.0], [3.0, 1.0]])
    scheme = SCHEMES["ignore_stragglers"](wait_for=1).build(2)
    arguments = (scheme, [TableTape(table)], Proportional(), 2, policy)
    assert both_finish(*arguments, Cluster(max_wait=2.0)).times[0].tolist() == [1, 3]
    error = both(*arguments, Cluster(max_wait=1.75))
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (2, [0, 1])


@pytest.mark.parametrize("policy", Policy)
def test_a_deadline_at_max_wait_ends_the_round(policy: Policy) -> None:
    scheme = SCHEMES["ignore_stragglers"](deadline=1.0).build(2)
    arguments = (scheme, [TableTape(np.full((3, 2), 0.5))], Proportional(), 3, policy)
    assert both_finish(*arguments, Cluster(max_wait=1.0)).times[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_patience_does_not_apply_to_draining(network: Network | None) -> None:
    """The round ends in time, and the wait for the other worker may take what it takes."""
    scheme = SCHEMES["ignore_stragglers"](wait_for=1).build(2)
    tapes = [TableTape(np.array([[1.0, 8.0], [1.0, 1.0]]))]
    around = Cluster(network, max_wait=1.0)
    trace = both_finish(scheme, tapes, Proportional(), 2, Policy.DRAIN, around)
    assert trace.times[0].tolist() == [1, 9]


@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_the_first_trouble_is_named(network: Network | None) -> None:
    """Round 2 never drains; that round 3 would be late as well is no news to anybody."""
    table = np.array([[1.0, 1.0], [1.0, np.inf], [9.0, 9.0]])
    scheme = SCHEMES["ignore_stragglers"](wait_for=1).build(2)
    around = Cluster(network, max_wait=5.0)
    error = both(scheme, [TableTape(table)], Proportional(), 3, Policy.DRAIN, around)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (2, [1])
    assert "can never end" in str(error)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_the_first_replication_in_trouble_is_named(network: Network | None, policy: Policy) -> None:
    """Replication 2 fails in an earlier round than replication 1, but comes after it."""
    late, early, fine = (np.ones((6, 2)) for _ in range(3))
    late[4, 1] = early[2, 0] = np.inf
    tapes = [TableTape(table) for table in (fine, late, early)]
    scheme = SCHEMES["uncoded"]().build(2)
    error = both(scheme, tapes, Proportional(), 6, policy, Cluster(network))
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (5, [1])


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("policy", Policy)
def test_max_wait(engine: Engine, policy: Policy) -> None:
    """A round that has not ended in time stops the run with who is missing."""
    table = np.tile([0.5, 1.0, 1.0], (4, 1))
    table[2, 1:] = 9.0
    asked = uncoded(table, policy, Cluster(max_wait=5.0))
    error = outcome(lambda: engine.simulate(*asked))
    assert isinstance(error, NeverEnough)
    assert "max_wait = 5 s" in str(error)
    assert (error.iteration, error.missing) == (3, [1, 2])
