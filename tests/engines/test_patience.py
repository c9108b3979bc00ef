"""``max_wait``: a round may take exactly that long, and both engines say who is late and when."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.sim.engines.cluster import Cluster, Network, Policy
from erasurehead.sim.errors import NeverEnough
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.types import FloatArray
from tests.engines.agreement import both, both_finish, outcome
from tests.engines.engines import batch, event
from tests.tables import TableTape

ENGINES = [event, batch]
AROUND = [(None, 1.0), (Network(), 1.0), (Network(0.25, 0.0, 0.5), 1.75)]
"""Networks, and how long a round of one second takes behind each."""


def uncoded(table: FloatArray, policy: Policy, around: Cluster) -> tuple[object, ...]:
    scheme = SCHEMES["uncoded"]().build(table.shape[1])
    return scheme, [TableTape(table)], Proportional(), len(table), policy, around


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(("network", "length"), AROUND, ids=str)
def test_a_round_may_end_exactly_at_max_wait(
    network: Network | None, length: float, policy: Policy
) -> None:
    """The last message comes as the master's patience ends: catches an alarm that rings first."""
    table = np.array([[1.0, 0.5, 1.0], [0.25, 1.0, 0.0], [1.0, 1.0, 1.0]])
    trace = both_finish(*uncoded(table, policy, Cluster(network, max_wait=length)))  # type: ignore[arg-type]
    assert trace.times[0].tolist() == [length, 2 * length, 3 * length]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(("network", "length"), AROUND, ids=str)
def test_who_is_late_at_max_wait(network: Network | None, length: float, policy: Policy) -> None:
    """Whoever comes at that very instant has come; only worker 2 is missing."""
    table = np.array([[0.5, 0.5, 0.5], [1.0, 0.5, 1.25]])
    error = both(*uncoded(table, policy, Cluster(network, max_wait=length)))  # type: ignore[arg-type]
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
    assert both_finish(*uncoded(table, policy, around)).times[0, -1] == 1.3  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("network", [None, Network()], ids=str)
def test_patience_begins_anew_with_each_round(network: Network | None, policy: Policy) -> None:
    """Ten rounds of a second under a patience of 1.5: catches one counted from the run's start."""
    trace = both_finish(*uncoded(np.ones((10, 2)), policy, Cluster(network, max_wait=1.5)))  # type: ignore[arg-type]
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
def test_max_wait(engine: object, policy: Policy) -> None:
    """A round that has not ended in time stops the run with who is missing."""
    table = np.tile([0.5, 1.0, 1.0], (4, 1))
    table[2, 1:] = 9.0
    error = outcome(engine, *uncoded(table, policy, Cluster(max_wait=5.0)))  # type: ignore[arg-type]
    assert isinstance(error, NeverEnough)
    assert "max_wait = 5 s" in str(error)
    assert (error.iteration, error.missing) == (3, [1, 2])
