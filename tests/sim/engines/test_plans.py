"""Schemes whose plan changes: both engines ask it alike, under every policy and on networks.

Speaks to the engines' courses: a scheme that sees losses is told them round by round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.plugins import (
    BoolArray,
    FirstKEach,
    Fixed,
    FloatArray,
    Groups,
    IntArray,
    Round,
    RoundOutcome,
    RoundScheme,
    Sees,
    SumArrived,
)
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.simulate import rounds
from erasurehead.stopping import Deadline, FirstK, Window
from tests.sim.engines.agreement import (
    POLICIES,
    batch,
    both,
    both_finish,
    event,
    run_of,
    runs,
    same,
    steady,
)
from tests.tools import TableTape, examples


@dataclass(frozen=True)
class Moody(RoundScheme):
    """Loads and arrivals of the next round follow from who came, in each replication by itself."""

    n: int
    name: str = "moody"

    @property
    def workers(self) -> int:
        return self.n

    def start(self, replications: int) -> IntArray:
        return np.arange(replications) % self.n

    def plan(self, state: IntArray) -> Round:
        loads = 1 + (state[:, None] + np.arange(self.n)) % 3
        k = FirstKEach(state % (self.n + 1))  # 0: a round that nobody is waited for in
        return Round(loads, k | (FirstK(self.n) & Window(0.5)) | Deadline(1.0))

    def after(self, state: IntArray, outcome: RoundOutcome) -> IntArray:
        return (state + 1 + outcome.arrived @ np.arange(1, self.n + 1)) % 7

    def weights(self, arrived: BoolArray) -> FloatArray:
        return arrived.astype(float)


@dataclass(frozen=True)
class Asked(RoundScheme):
    """A fixed scheme that says that it looks at arrivals."""

    inner: Fixed
    name: str = "asked"

    @property
    def workers(self) -> int:
        return self.inner.workers

    @property
    def messages(self) -> int:
        return self.inner.messages

    def plan(self, state: None) -> Round:
        return self.inner.plan()

    def weights(self, arrived: BoolArray) -> FloatArray:
        return self.inner.weights(arrived)


NETWORKS = {
    "ideal": {},
    "network": {
        "network": {"broadcast_latency": 0.1, "dispatch_skew": 0.01, "uplink_latency": 0.05}
    },
    "patient network": {"network": {"uplink_latency": 0.25}, "max_wait": 50.0},
}


@given(
    run=runs(st.integers(1, 6).map(Moody), longest=14, replications=st.integers(1, 3)),
    around=st.sampled_from([*NETWORKS.values()]),
)
@examples(150)
def test_engines_agree_on_a_scheme_with_a_memory(run, around):
    """Zero delays, ties, dead workers, rounds that end as they open, windows and deadlines."""
    both(**run | around)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("around", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize(
    "family",
    [
        SCHEMES["erasurehead"](load=3, wait_for=6),
        SCHEMES["ignore_stragglers"](wait_for=9, deadline=0.9),
        SCHEMES["multi_message"](load=3),
        SCHEMES["window"](tolerance=0.5),
    ],
    ids=repr,
)
@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
def test_a_fixed_plan_that_is_asked_for_is_the_same_to_the_bit(family, around, policy, engine):
    """The loop over rounds, and the paths without one."""
    tapes = [Tape(MODELS["gamma"](shape=0.6, scale=0.5), 12, 7, r) for r in range(2)]
    one, two = (
        engine.simulate(scheme, tapes, Proportional(), 40, policy, **around)
        for scheme in (family.build(12), Asked(family.build(12)))
    )
    assert same(one, two)


@pytest.mark.parametrize(("rule", "ends"), [(FirstK(3) | Deadline(5.0), 5), (FirstK(2), 2)])
def test_patience_is_the_workers_own(rule, ends):
    """Whoever needs more than 2 s gives up: of 1, 3, 2 s two are heard, and the wait is 2 s."""

    def give_up(times: FloatArray) -> FloatArray:
        return np.where(times > 2.0, np.inf, times)

    scheme = Fixed("mine", Groups(3, 1), rule, SumArrived(), exact=False, patience=give_up)
    trace = both_finish(scheme, [steady(1, 3, 2)], Proportional(), 2)
    np.testing.assert_array_equal(trace.times[0], [ends, 2 * ends])
    np.testing.assert_array_equal(trace.heard.arrived[0], [[True, False, True]] * 2)


@dataclass(frozen=True)
class Listening(Moody):
    """Waits for one worker more after each loss above 1."""

    sees: ClassVar[Sees] = Sees.LOSSES

    def plan(self, state: IntArray) -> Round:
        return Round(np.ones(self.n, dtype=int), FirstKEach(state + 1))

    def after(self, state: IntArray, outcome: RoundOutcome) -> IntArray:
        return np.minimum(state + (outcome.losses > 1), self.n - 1)


@pytest.mark.parametrize("engine", ["event", "batch"])
def test_losses_are_told_round_by_round(engine):
    scheme = Listening(4)
    run = scheme, [steady(1, 2, 3, 4)] * 2, Proportional(), 4
    with pytest.raises(ValueError, match="sees losses"):
        event.simulate(*run)
    course = rounds(run_of(*run), engine)
    durations = [next(course).duration]
    told = np.array([[2.0, 0.5], [2.0, 2.0], [0.0, 2.0]])
    durations += [course.send((losses, np.zeros(2))).duration for losses in told]
    with pytest.raises(StopIteration) as end:
        course.send((np.zeros(2), np.zeros(2)))
    np.testing.assert_array_equal(durations, [[1, 2], [2, 2], [3, 3], [3, 4]])
    np.testing.assert_array_equal(end.value.value.times[:, -1], [9, 11])


def test_rounds_of_several_steps_read_as_many_rows() -> None:
    """Sums of two rows, and of the one that is left; rows of one tape fill few of its blocks."""
    tape = TableTape(2.0 ** np.arange(21).reshape(7, 3))
    rounds = Round(np.ones(3), FirstK(3), steps=2, rows=7)
    times = rounds.times(Proportional(), tape, 1, 0, 4)
    np.testing.assert_array_equal(times, [*(tape.table[:6:2] + tape.table[1::2]), tape.table[6]])
    later = rounds.times(Proportional(), tape, 1, 2, 4)
    np.testing.assert_array_equal(later, times[2:])
    for many, together in ((1, 5), (2, 5), (16, 5), (20, 4), (40, 2), (80, 1), (100, 1)):
        assert Round(np.ones(3), FirstK(3), steps=many).together(tape) == together
