"""Both engines give the same bits, and blame the same worker.

Speaks to the batch engine: its loops of NumPy, Python and machine code are held to each other.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import CoverGroups, FloatArray, Run, Sees
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.batch import fused, rounds
from erasurehead.stopping import FirstK, StoppingRule
from tests.sim.engines.agreement import (
    POLICIES,
    Around,
    Mortal,
    alike,
    batch,
    both,
    both_finish,
    both_stuck,
    run_of,
    runs,
    same,
    schemes,
)
from tests.tools import TableTape, examples

# Two engines, one truth: on the same tape they agree to the bit.
#
# Times, masks, busy and useful seconds are compared with ``==``, over delay models, load laws and
# policies, on lattices full of ties and zeros, with dead workers, and over chunk sizes; where a
# run cannot go on, both say so in the same words. The conformance suite (``tests/sim/schemes``)
# compares every registered scheme.


DELAY_EXAMPLES = [model for cls in MODELS.values() for model in cls.examples()]


@given(run=runs(schemes(), longest=17, replications=st.integers(1, 3), waits=True))
@examples(300)
def test_on_lattices_with_ties_and_zeros(run):
    """Catches any difference in how an instant is closed."""
    both(**run)


def plain(loop: fused.Kernel) -> fused.Kernel:
    """A loop as Python runs it."""
    return loop


fuses = pytest.mark.parametrize("fuse", [plain, fused.compiled])


def as_numpy_does(run: Run, fuse: fused.Fuse) -> None:
    """Rounds are recorded by tens, so that one stretch of them ends amid another."""
    with patch.object(rounds, "MESSAGES_AT_ONCE", 10 * run.scheme.workers):
        alike(lambda: rounds.batch_rounds(run), lambda: rounds.batch_rounds(run, fuse=fuse))


@fuses
@given(
    run=runs(
        schemes(),
        longest=40,
        replications=st.integers(1, 3),
        levels=st.sampled_from([1, 2, 50]),
        policies=st.just("cancel"),
    )
)
@examples(100)
def test_one_pass_records_the_same_bits(fuse, run):
    """Catches a maximum or a sum that vector instructions take in another order."""
    assert fuse(fused.record_in_one_pass) is not None
    played = run_of(**run)
    if played.chosen("auto") == "batch" and played.rounds.sees is Sees.NOTHING:
        as_numpy_does(played, fuse)


@st.composite
def counting(draw):
    """Rules that count, that want every group heard, and both."""
    load = draw(st.integers(1, 4))
    coded = SCHEMES["fractional_repetition"](load=load).build(draw(st.integers(1, 5)) * load)
    k, cover = FirstK(min(draw(st.integers(1, 20)), coded.workers)), CoverGroups(load)
    rule = draw(st.sampled_from([k, cover, k | cover, k & cover]))
    return replace(coded, stopping=rule, exact=None)


@fuses
@given(
    run=runs(
        counting(),
        longest=40,
        replications=st.integers(1, 3),
        levels=st.sampled_from([2, 50]),
        policies=st.sampled_from(["finish", "queue"]),
        steps=st.just(0.25),
    )
)
@examples(200)
def test_rounds_that_carry_work_on_are_played_alike(fuse, run):
    """A worker may be free just as the round ends."""
    asked: list[fused.Kernel] = []

    def noted(loop: fused.Kernel) -> fused.Kernel | None:
        asked.append(loop)
        return fuse(loop)

    as_numpy_does(run_of(**run), noted)
    assert asked == [fused.play_in_one_pass]


@given(
    times=st.lists(st.sampled_from([0.0, 1.0, np.nextafter(1, 2), 1.5, 3.0, 1e300, np.inf])),
    k=st.integers(1, 9),
    bound=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.inf]),
)
@examples(300)
def test_the_kth_of_some_instants(times: list[float], k: int, bound: float) -> None:
    """Ties, neighbours among floating-point numbers, and instants that never come."""
    ranked = [*sorted(times), *[np.inf] * k]
    assert fused.nth(np.array(times), k, bound) == min(ranked[k - 1], bound)


def test_large_runs_alone_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """And NumPy plays them where numba is not there."""
    asked: list[fused.Kernel] = []
    monkeypatch.setitem(fused.LEAST_SIZE, fused.record_in_one_pass, 240)
    monkeypatch.setitem(fused.LEAST_SIZE, fused.play_in_one_pass, 20)
    monkeypatch.setattr(fused, "compiled", asked.append)
    scheme = SCHEMES["uncoded"]().build(6)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 6, 1, r) for r in range(2)]

    def played(iterations: int, policy: str = "cancel", **told: bool) -> None:
        rounds.batch_rounds(run_of(scheme, tapes, Proportional(), iterations, policy), **told)

    played(19)
    played(19, "queue")
    played(20, "drain")
    played(20, work=False)
    assert asked == []
    played(20)
    assert asked == [fused.record_in_one_pass], "2 x 20 x 6 messages"
    played(20, "queue", work=False)
    assert asked[1:] == [fused.play_in_one_pass], "20 rounds"
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert fused.compiled.__wrapped__(fused.record_in_one_pass) is None


@given(
    run=runs(schemes(), longest=40, replications=st.just(2)),
    model=st.sampled_from(DELAY_EXAMPLES),
    seed=st.integers(0, 2**31),
    dead=st.sampled_from([0.0, 0.01, 0.3]),
)
@examples(200)
def test_on_every_delay_model(run, model, seed, dead):
    """Catches a sum taken in another order: real-valued delays round at every addition."""
    tapes = [Mortal(Tape(model, run["scheme"].workers, seed, r), seed, dead) for r in range(2)]
    both(**run | {"tapes": tapes})


@pytest.mark.one_in(2)
@pytest.mark.parametrize("policy", POLICIES)
def test_across_blocks_of_the_tape(policy: str) -> None:
    """3,000 rounds of 30 workers are three blocks: the clock and backlog must carry over."""
    scheme = SCHEMES["erasurehead"](load=3, wait_for=15).build(30)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 30, 1, 0)]
    assert tapes[0].block_rounds < 1500
    both_finish(scheme, tapes, Additive(seconds_per_partition=0.01), 3000, policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_chunks_do_not_change_the_result(policy):
    """Nor does it change the times, that nothing else is recorded."""
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 1, r) for r in range(5)]
    run = run_of(scheme, tapes, Proportional(), 50, policy)
    assert same(rounds.batch_rounds(run, budget=1), whole := rounds.batch_rounds(run))
    timing = batch.simulate(scheme, tapes, Proportional(), 50, policy, heard=False, work=False)
    assert np.array_equal(whole.times, timing.times)
    assert timing.heard is None
    assert timing.work is None


def test_short_replications_are_worked_on_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million replications of one round would each make some fifty NumPy calls."""
    asked = []
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 1, r) for r in range(3000)]
    original = type(scheme.stopping).stopping_delay

    def counted(rule: StoppingRule, offsets: FloatArray) -> FloatArray:
        asked.append(offsets.size)
        return original(rule, offsets)

    monkeypatch.setattr(type(scheme.stopping), "stopping_delay", counted)
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 1))
    together = [size for size in asked if size % 12 == 0]
    assert sum(together) >= 3000 * 12
    assert len(together) <= 10
    assert max(together) <= 2**17, "stays in the cache"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dead_from", [0, 3, 9])
@pytest.mark.parametrize(
    "family",
    [SCHEMES["uncoded"](), SCHEMES["fractional_repetition"](load=3)],
    ids=repr,
)
def test_dead_workers_end_the_run_with_the_same_error(family, dead_from, policy):
    """Workers 3, 4, 5 (one whole group) die: never a hang, and both engines say who and when."""
    table = np.random.default_rng(3).random((12, 6))
    table[dead_from:, 3:] = np.inf
    error = both_stuck(family.build(6), [TableTape(table)], Proportional(), 12, policy)
    assert (error.iteration, error.missing) == (dead_from + 1, [3, 4, 5])


@pytest.mark.parametrize("policy", ["cancel", "finish", "queue"])
def test_erasurehead_goes_on_without_dead_workers(policy: str) -> None:
    table = np.random.default_rng(3).random((12, 6))
    table[2:, 3:] = np.inf
    scheme = SCHEMES["erasurehead"](load=3, wait_for=3).build(6)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 12, policy)
    assert not trace.heard.arrived[0, 2:, 3:].any()


def test_drain_never_ends_while_a_dead_worker_is_not_idle() -> None:
    table = np.random.default_rng(3).random((12, 6))
    table[2, 5] = np.inf
    scheme = SCHEMES["erasurehead"](load=3, wait_for=3).build(6)
    error = both_stuck(scheme, [TableTape(table)], Proportional(), 12, "drain")
    assert (error.iteration, error.missing) == (3, [5])
    both_finish(scheme, [TableTape(table)], Proportional(), 3, "drain")


# Who ended a round and what that worker alone cost, and messages at the instant of a deadline.
#
# Worked out by hand; both engines, every policy, with and without a network that takes no time.


AT_ONCE = Additive(seconds_per_partition=0.0)
"""A worker's time is its unit delay, whatever its load."""

every_policy = pytest.mark.parametrize("policy", POLICIES)
networks = pytest.mark.parametrize("network", [None, {}], ids=["no network", "network"])


DEADLINE = SCHEMES["erasurehead"](load=2, wait_for=3, deadline=1.0)
TWO = SCHEMES["ignore_stragglers"](wait_for=2)


@pytest.mark.parametrize(
    ("family", "delays", "seconds", "heard", "last", "margin"),
    [
        # Two groups of two; the third message, a cover, or one second ends the round.
        (DEADLINE, [0.5, 2.0, 0.75, 2.0], 0.75, [0, 2], 2, 0.25),
        (DEADLINE, [0.5, 0.75, 2.0, 2.0], 1.0, [0, 1], -1, 0.0),
        (DEADLINE, [2.0, 2.0, 2.0, 2.0], 1.0, [], -1, 0.0),
        # At the instant of the deadline: one message, a cover, a third message, everybody. Every
        # message counts; of several none alone is to blame.
        (DEADLINE, [0.5, 1.0, 2.0, 2.0], 1.0, [0, 1], 1, 0.5),
        (DEADLINE, [2.0, 0.25, 1.0, 2.0], 1.0, [1, 2], 2, 0.75),
        (DEADLINE, [2.0, 1.0, 2.0, 2.0], 1.0, [1], 1, 1.0),
        (DEADLINE, [0.25, 0.75, 1.0, 1.0], 1.0, [0, 1, 2, 3], -1, 0.0),
        (DEADLINE, [1.0, 1.0, 1.0, 1.0], 1.0, [0, 1, 2, 3], -1, 0.0),
        # Late by as little as a number can be.
        (DEADLINE, [0.5, 2.0, 2.0, 1.0000000000000002], 1.0, [0], -1, 0.0),
        # The seconds since the message before, or since the round opened: two of three are needed.
        (TWO, [1.0, 2.0, 4.0], 2.0, [0, 1], 1, 1.0),
        (TWO, [2.0, 2.0, 4.0], 2.0, [0, 1], -1, 0.0),  # neither alone
        (TWO, [1.0, 1.0, 1.0], 1.0, [0, 1, 2], -1, 0.0),
        (TWO, [0.0, 2.0, 4.0], 2.0, [0, 1], 1, 2.0),  # there as the round opened
        (TWO, [0.0, 2.0, 2.0], 2.0, [0, 1, 2], -1, 0.0),
        (TWO, [0.0, 0.0, 4.0], 0.0, [0, 1], -1, 0.0),
        (TWO, [4.0, 3.0, 1.0], 3.0, [1, 2], 1, 2.0),
    ],
)
@every_policy
@networks
def test_who_ends_a_round_and_what_that_costs(
    family, delays, seconds, heard, last, margin, policy, network
):
    """Length, arrivals, last worker and margin of a round that opens at 0.25."""
    table = np.array([[0.25] * len(delays), delays])
    scheme = family.build(len(delays))
    trace = both_finish(scheme, [TableTape(table)], AT_ONCE, 2, policy, network=network)
    np.testing.assert_array_equal(trace.times[0], [0.25, 0.25 + seconds])
    assert np.flatnonzero(trace.heard.arrived[0, 1]).tolist() == heard
    assert (trace.work.last[0, 1], trace.work.margin[0, 1]) == (last, margin)


@every_policy
@networks
def test_one_of_several_messages_is_to_blame(network: Around | None, policy: str) -> None:
    """Pieces at 1, 2 of worker 0 and 0.75, 1.5 of worker 1: three messages come by 1.5."""
    scheme = SCHEMES["multi_message"](load=2, wait_for=3).build(3)
    tapes = [TableTape(np.array([[1.0, 0.75, 9.0]]))]
    trace = both_finish(scheme, tapes, Proportional(), 1, policy, network=network)
    assert (trace.times[0, 0], trace.work.last[0, 0], trace.work.margin[0, 0]) == (1.5, 1, 0.5)


@networks
@pytest.mark.parametrize("policy", ["finish", "queue"])
def test_a_backlog_is_to_blame(network: Around | None, policy: str) -> None:
    """Worker 1 begins the second round a second late, and all of it is waited for."""
    scheme = SCHEMES["fractional_repetition"](load=2).build(2)
    tapes = [TableTape(np.array([[1.0, 2.0], [9.0, 0.5]]))]
    trace = both_finish(scheme, tapes, AT_ONCE, 2, policy, network=network)
    assert trace.times[0].tolist() == [1, 2.5]
    assert trace.work.last[0].tolist() == [0, 1]
    assert trace.work.margin[0].tolist() == [1, 1.5]
