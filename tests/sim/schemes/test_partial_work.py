"""Partial work of stragglers.

Speaks to rules of places, which no config can name by themselves.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.plugins import CoverGroups, InvalidParameter
from erasurehead.schemes import (
    SCHEMES,
    CyclicRepetition,
    FractionalRepetition,
    MultiMessage,
    PartialStragglers,
)
from erasurehead.sim.schemes.partial_work import PartlyUncoded, PerPlace
from erasurehead.stopping import FirstK
from tests.sim.engines.agreement import LAWS, POLICIES, batch, both_finish, steady
from tests.sim.schemes.rules import earliest, end_by_state
from tests.statistics import assert_z

# Several messages per worker: who computes what in which order, and what the order is worth.


@pytest.mark.parametrize(
    ("fields", "carried"),
    [
        ({}, [[0, 1], [1, 2], [2, 3], [3, 0]]),
        ({"order": "rotated"}, [[0, 1], [2, 1], [2, 3], [0, 3]]),
        ({"assignment": "fractional"}, [[0, 1], [0, 1], [2, 3], [2, 3]]),
        ({"assignment": "fractional", "order": "rotated"}, [[0, 1], [1, 0], [2, 3], [3, 2]]),
    ],
)
def test_order_by_hand(fields: dict[str, str], carried: list[list[int]]) -> None:
    pieces = MultiMessage(load=2, **fields).build(4).assignment
    np.testing.assert_array_equal(np.reshape(pieces.carried, (4, 2)), carried)


def finished(t: float, load: int) -> np.ndarray:
    """``(d + 1,)`` chances that a worker with a unit exponential delay has finished so many."""
    at_least = 1 - np.exp(-t / np.arange(1, load + 1))
    return -np.diff(np.concatenate([[1.0], at_least, [0.0]]))


def one_group(t: float, load: int, rotated: bool) -> float:
    """Chance that d workers have finished all of their d common partitions by t."""
    chance, total = finished(t, load), 0.0
    for counts in itertools.product(range(load + 1), repeat=load):
        done = {
            (j * rotated + piece) % load for j, count in enumerate(counts) for piece in range(count)
        }
        total += float(np.prod(chance[list(counts)])) * (len(done) == load)
    return total


def ring_of_three(t: float, workers: int) -> float:
    """Chance that every partition of the cyclic code of load 3 is finished by t.

    Partition i is finished when workers i, i-1, i-2 have finished at least 1, 2, 3: a closed walk
    over pairs of neighbours, so the trace of a power of its transfer matrix.
    """
    chance, step = finished(t, 3), np.zeros((4, 4, 4, 4))
    for two, one, own in itertools.product(range(4), repeat=3):
        step[two, one, one, own] = chance[own] * (own >= 1 or one >= 2 or two >= 3)
    return float(np.trace(np.linalg.matrix_power(step.reshape(16, 16), workers)))


HARMONIC = sum(1 / i for i in range(1, 11))


@pytest.mark.parametrize(
    ("assignment", "order", "covered", "published"),
    [
        ("fractional", "natural", lambda t: one_group(t, 3, False) ** 10, 2.929),
        ("fractional", "rotated", lambda t: one_group(t, 3, True) ** 10, 2.042),
        ("cyclic", "natural", lambda t: ring_of_three(t, 30), 2.106),
    ],
)
def test_what_the_order_is_worth(assignment, order, covered, published):
    """30 workers of load 3, unit exponential, proportional: simulated, computed and published."""
    expected, _ = quad(lambda t: 1 - covered(t), 0, 60, limit=200)
    assert expected == pytest.approx(published, abs=1.5e-3)
    if (assignment, order) == ("fractional", "natural"):  # no gain over one message a worker
        assert expected == pytest.approx(HARMONIC, rel=1e-9)
    family = MultiMessage(load=3, assignment=assignment, order=order)
    unit = MODELS["exponential"](rate=1.0)
    run = eh.simulate(family, unit, workers=30, iterations=2500, replications=8, seed=3)
    assert_z(np.diff(run.times, prepend=0.0).ravel(), expected, f"{assignment}, {order}")


# Progress that is reported, sums that are fetched, and codes with an uncoded part.


@pytest.mark.parametrize("order", ["natural", "rotated"])
@pytest.mark.parametrize("assignment", ["cyclic", "fractional"])
def test_on_an_ideal_cluster_it_is_multi_message(assignment: str, order: str) -> None:
    """To the bit, under every load law."""
    fields = {"load": 3, "assignment": assignment, "order": order}
    tapes = [Tape(MODELS["exponential"](rate=1.0), 12, 3, 0)]
    for law in LAWS:
        traces = [
            batch.simulate(family(**fields).build(12), tapes, law, 40)
            for family in (MultiMessage, PartialStragglers)
        ]
        np.testing.assert_array_equal(traces[0].times, traces[1].times)
    scheme = PartialStragglers(**fields).build(12)
    np.testing.assert_array_equal(scheme.steps(traces[1]).error, 0)
    assert scheme.guarantees.tolerates == 2, "of three copies of each partition"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("channels", "ends"),
    # The models take 0.25 s, reports 0.5 s, and two partitions are covered 1 s after the start:
    # asked for at 1.75, and 0.25 + 0.5 and a transfer of 2 s later, or two in turn, all are there.
    [(None, 4.5), (1, 6.5)],
)
def test_the_round_trip_by_hand(policy: str, channels: int | None, ends: float) -> None:
    network = {"broadcast_latency": 0.25, "uplink_latency": 0.5}
    network |= {"bandwidth": 1.0, "message_bytes": 2.0, "channels": channels}
    scheme, tapes = PartialStragglers(load=2).build(2), [steady(1, 1)]
    trace = both_finish(scheme, tapes, Proportional(), 1, policy, network=network)
    assert trace.times[0, 0] == ends


@pytest.mark.parametrize("slowest", [8.0, 10.0])
@pytest.mark.parametrize(
    "family",
    [FractionalRepetition(load=2, partial=0.5), CyclicRepetition(load=2, partial=0.5)],
    ids=repr,
)
def test_an_uncoded_part_by_hand(family, slowest):
    """Unit times 1, 2, 3 and 8 or 10, half of the data uncoded: a load of 1/2 + 1/2 * 2 = 3/2.

    The first parts come at 0.5, 1, 1.5 and 4 or 5; the second ones at 1.5, 3, 4.5 and later. Three
    second parts, or one of each pair, are there at 4.5.
    """
    scheme = family.build(4)
    assert isinstance(scheme, PartlyUncoded)
    assert scheme.load == 1.5
    trace = both_finish(scheme, [steady(1, 2, 3, slowest)], Proportional(), 1)
    np.testing.assert_allclose(trace.times, [[max(4.5, slowest / 2)]])
    np.testing.assert_allclose(scheme.steps(trace).error, 0, atol=1e-20)


@pytest.mark.parametrize(
    "family",
    [FractionalRepetition(load=2, partial=0.5), CyclicRepetition(load=3, partial=0.2)],
    ids=repr,
)
def test_every_end_is_exact_and_nothing_less(family):
    """Every set of messages of four workers."""
    scheme = family.build(4)
    masks = np.array(list(itertools.product([False, True], repeat=8)))
    enough = scheme.plan(None).stopping.enough(masks)
    exact = np.isclose(scheme.weights(masks), 1, atol=1e-9).all(axis=1)
    assert enough.any()
    np.testing.assert_array_equal(exact[enough], True)
    assert not exact[~masks[:, 0::2].all(axis=1)].any(), "a first part that nobody else has"
    assert not enough[~masks.reshape(-1, 4, 2).any(axis=2).all(axis=1)].any()
    assert scheme.guarantees.tolerates == 0, "no round ends without somebody"


def test_no_uncoded_part_is_the_plain_code() -> None:
    partly = CyclicRepetition(load=3, partial=0.5).build(12)
    assert partly.conditioning() == CyclicRepetition(load=3).build(12).conditioning() is not None
    assert not isinstance(SCHEMES["fractional_repetition"](load=3).build(12), PartlyUncoded)
    with pytest.raises(InvalidParameter, match="load"):
        FractionalRepetition(load=5, partial=0.5).build(12)


@pytest.mark.parametrize(
    "rule",
    [
        PerPlace((FirstK(4), None)),
        PerPlace((FirstK(1), FirstK(3))),
        PerPlace((None, None)),
        PerPlace((None, CoverGroups(2))),
        PerPlace((FirstK(0), None)),
        PerPlace((FirstK(0), CoverGroups(2))),
        PerPlace((FirstK(4), CoverGroups(2))),
        PerPlace((None, CoverGroups(1), FirstK(1), None)),
    ],
    ids=repr,
)
def test_rules_of_places_agree_with_their_definition(rule) -> None:
    """Stopping delay and state against ``enough``, on tables full of ties."""
    delays = np.random.default_rng(6).integers(0, 5, (200, 8)) * 0.1
    expected = earliest(rule, delays)
    np.testing.assert_array_equal(rule.stopping_delay(delays), expected)
    for row, ended in zip(delays, expected, strict=True):
        assert end_by_state(rule.stopping_state(8), row) == ended
