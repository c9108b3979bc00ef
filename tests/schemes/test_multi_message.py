"""Several messages per worker: who computes what in which order, and what the order is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes.assignments import Pieces
from erasurehead.sim.schemes.partial_work import MultiMessage
from erasurehead.sim.schemes.repetition import FractionalRepetition
from tests.engines.engines import batch
from tests.statistics import assert_z


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
    pieces = MultiMessage(load=2, **fields).build(4).assignment  # type: ignore[arg-type]
    assert isinstance(pieces, Pieces)
    np.testing.assert_array_equal(np.reshape(pieces.carried, (4, 2)), carried)


def test_groups_need_a_load_that_divides_the_workers() -> None:
    with pytest.raises(InvalidParameter, match="1, 2, 3, 6"):
        MultiMessage(load=4, assignment="fractional").build(6)
    assert MultiMessage(load=4).build(6).workers == 6


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
def test_what_the_order_is_worth(
    assignment: str, order: str, covered: object, published: float
) -> None:
    """30 workers of load 3, unit exponential, proportional: simulated, computed and published."""
    expected, _ = quad(lambda t: 1 - covered(t), 0, 60, limit=200)  # type: ignore[operator]
    assert expected == pytest.approx(published, abs=1.5e-3)
    if (assignment, order) == ("fractional", "natural"):  # no gain over one message a worker
        assert expected == pytest.approx(HARMONIC, rel=1e-9)
    scheme = MultiMessage(load=3, assignment=assignment, order=order).build(30)  # type: ignore[arg-type]
    tapes = [Tape(MODELS["exponential"](rate=1.0), 30, 3, r) for r in range(8)]
    trace = batch.simulate(scheme, tapes, Proportional(), 2500)
    assert_z(trace.intervals.ravel(), expected, f"{assignment}, {order}")


def test_in_the_same_order_several_messages_gain_nothing() -> None:
    """Proportional times: the group's fastest worker is the first with every piece."""
    tapes = [Tape(MODELS["exponential"](rate=1.0), 12, 3, 0)]
    several = MultiMessage(load=3, assignment="fractional").build(12)
    one = FractionalRepetition(load=3).build(12)
    traces = [batch.simulate(scheme, tapes, Proportional(), 200) for scheme in (several, one)]
    np.testing.assert_array_equal(traces[0].times, traces[1].times)
