"""Who ended a round and what that worker alone cost, and messages at the instant of a deadline.

Worked out by hand; both engines, every policy, with and without a network that takes no time.
"""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.sim.engines.cluster import Cluster, Network, Policy
from erasurehead.sim.load_laws import Additive, Proportional
from erasurehead.sim.schemes import SCHEMES, SchemeFamily
from tests.engines.agreement import both_finish
from tests.tables import TableTape

AT_ONCE = Additive(seconds_per_partition=0.0)
"""A worker's time is its unit delay, whatever its load."""

policies = pytest.mark.parametrize("policy", Policy)
networks = pytest.mark.parametrize("network", [None, Network()], ids=["no network", "network"])


def second_round(
    family: SchemeFamily, delays: list[float], policy: Policy, network: Network | None
) -> tuple[float, list[bool], int, float]:
    """Length, arrivals, last worker and margin of a round that opens at 0.25."""
    table = np.array([[0.25] * len(delays), delays])
    scheme = family.build(len(delays))
    trace = both_finish(scheme, [TableTape(table)], AT_ONCE, 2, policy, Cluster(network))
    assert trace.heard.arrived is not None
    assert trace.work.last is not None
    assert trace.work.margin is not None
    opened, ended = trace.times[0].tolist()
    assert opened == 0.25
    arrived = trace.heard.arrived[0, 1].tolist()
    return ended - opened, arrived, int(trace.work.last[0, 1]), float(trace.work.margin[0, 1])


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        # Two groups of two; the third message, a cover, or one second ends the round.
        ([0.5, 2.0, 0.75, 2.0], (0.75, [True, False, True, False], 2, 0.25)),
        ([0.5, 0.75, 2.0, 2.0], (1.0, [True, True, False, False], -1, 0.0)),
        ([2.0, 2.0, 2.0, 2.0], (1.0, [False, False, False, False], -1, 0.0)),
        # At the instant of the deadline: one message, a cover, a third message, everybody.
        ([0.5, 1.0, 2.0, 2.0], (1.0, [True, True, False, False], 1, 0.5)),
        ([2.0, 0.25, 1.0, 2.0], (1.0, [False, True, True, False], 2, 0.75)),
        ([2.0, 1.0, 2.0, 2.0], (1.0, [False, True, False, False], 1, 1.0)),
        ([0.25, 0.75, 1.0, 1.0], (1.0, [True, True, True, True], 2, 0.25)),
        ([1.0, 1.0, 1.0, 1.0], (1.0, [True, True, True, True], 0, 1.0)),
        # Late by as little as a number can be.
        ([0.5, 2.0, 2.0, 1.0000000000000002], (1.0, [True, False, False, False], -1, 0.0)),
    ],
)
@policies
@networks
def test_erasurehead_with_a_deadline(
    delays: list[float],
    expected: tuple[float, list[bool], int, float],
    policy: Policy,
    network: Network | None,
) -> None:
    """Every message at the instant of the deadline counts, and the first worker is to blame."""
    family = SCHEMES["erasurehead"](load=2, wait_for=3, deadline=1.0)
    assert second_round(family, delays, policy, network) == expected


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([1.0, 2.0, 4.0], (2.0, [True, True, False], 1, 1.0)),
        ([2.0, 2.0, 4.0], (2.0, [True, True, False], 0, 2.0)),  # nobody was there before
        ([1.0, 1.0, 1.0], (1.0, [True, True, True], 0, 1.0)),
        ([0.0, 2.0, 2.0], (2.0, [True, True, True], 1, 2.0)),  # there as the round opened
        ([0.0, 0.0, 4.0], (0.0, [True, True, False], 0, 0.0)),
        ([4.0, 3.0, 1.0], (3.0, [False, True, True], 1, 2.0)),
    ],
)
@policies
@networks
def test_what_the_last_worker_costs(
    delays: list[float],
    expected: tuple[float, list[bool], int, float],
    policy: Policy,
    network: Network | None,
) -> None:
    """The seconds since the message before, or since the round opened: two of three are needed."""
    family = SCHEMES["ignore_stragglers"](wait_for=2)
    assert second_round(family, delays, policy, network) == expected


@policies
@networks
def test_one_of_several_messages_is_to_blame(network: Network | None, policy: Policy) -> None:
    """Pieces at 1, 2 of worker 0 and 0.75, 1.5 of worker 1: three messages come by 1.5."""
    scheme = SCHEMES["multi_message"](load=2, wait_for=3).build(3)
    tapes = [TableTape(np.array([[1.0, 0.75, 9.0]]))]
    trace = both_finish(scheme, tapes, Proportional(), 1, policy, Cluster(network))
    assert trace.work.last is not None
    assert trace.work.margin is not None
    assert (trace.times[0, 0], trace.work.last[0, 0], trace.work.margin[0, 0]) == (1.5, 1, 0.5)


@networks
@pytest.mark.parametrize("policy", [Policy.FINISH, Policy.QUEUE])
def test_a_backlog_is_to_blame(network: Network | None, policy: Policy) -> None:
    """Worker 1 begins the second round a second late, and all of it is waited for."""
    scheme = SCHEMES["fractional_repetition"](load=2).build(2)
    tapes = [TableTape(np.array([[1.0, 2.0], [9.0, 0.5]]))]
    trace = both_finish(scheme, tapes, AT_ONCE, 2, policy, Cluster(network))
    assert trace.work.last is not None
    assert trace.work.margin is not None
    assert trace.times[0].tolist() == [1, 2.5]
    assert trace.work.last[0].tolist() == [0, 1]
    assert trace.work.margin[0].tolist() == [1, 1.5]
