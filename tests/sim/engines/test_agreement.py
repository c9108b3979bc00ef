"""Both engines give the same bits, and blame the same worker."""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.delays import MODELS, DelayModel, Tape
from erasurehead.load_laws import Additive, LoadLaw, Proportional
from erasurehead.plugins import CoverGroups, Fixed, FloatArray, Run, Sees
from erasurehead.schemes import SCHEMES, Scheme, SchemeFamily
from erasurehead.sim.base.errors import NeverEnough
from erasurehead.sim.engines.batch import fused, rounds
from erasurehead.sim.engines.run import Cluster, Network, Policy
from erasurehead.stopping import FirstK, StoppingRule
from tests.sim.engines.agreement import (
    Mortal,
    alike,
    arrays,
    batch,
    both,
    both_finish,
    dead_shares,
    lattice,
    laws,
    patience,
    policies,
    schemes,
    steps,
)
from tests.tools import TableTape, examples

# Two engines, one truth: on the same tape they agree to the bit.
#
# Times, masks, busy and useful seconds are compared with ``==``, over delay models, load laws and
# policies, on lattices full of ties and zeros, with dead workers, and over chunk sizes; where a
# run cannot go on, both say so in the same words. The conformance suite (``tests/sim/schemes``)
# compares every registered scheme.


DELAY_EXAMPLES = [model for cls in MODELS.values() for model in cls.examples()]


@given(
    scheme=schemes(),
    law=laws,
    policy=policies,
    rounds=st.integers(1, 17),
    replications=st.integers(1, 3),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4, 50]),
    step=steps,
    dead=dead_shares,
    patience=patience,
)
@examples(300)
def test_on_lattices_with_ties_and_zeros(
    scheme: Scheme,
    law: LoadLaw,
    policy: Policy,
    rounds: int,
    replications: int,
    seed: int,
    levels: int,
    step: float,
    dead: float,
    patience: int | None,
) -> None:
    """Catches any difference in how an instant is closed, and levels=1 makes every delay 0.

    Rounds end, or messages come, exactly at ``max_wait``; some tasks never end, and with them runs.
    """
    tapes = lattice(seed, scheme.workers, replications, levels, step, dead)
    max_wait = None if patience is None else patience * step
    both(scheme, tapes, law, rounds, policy, Cluster(max_wait=max_wait))


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
    scheme=schemes(),
    length=st.integers(1, 40),
    replications=st.integers(1, 3),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 50]),
    step=steps,
    dead=dead_shares,
)
@examples(100)
def test_one_pass_records_the_same_bits(
    fuse: fused.Fuse,
    scheme: Scheme,
    length: int,
    replications: int,
    seed: int,
    levels: int,
    step: float,
    dead: float,
) -> None:
    """Catches a maximum or a sum that vector instructions take in another order."""
    assert fuse(fused.record_in_one_pass) is not None
    tapes = lattice(seed, scheme.workers, replications, levels, step, dead)
    run = Run(scheme, tapes, Proportional(), length)
    if run.chosen("auto") == "batch" and scheme.sees is Sees.NOTHING:
        as_numpy_does(run, fuse)


@fuses
@given(
    groups=st.integers(1, 5),
    load=st.integers(1, 4),
    first=st.integers(1, 20),
    kind=st.sampled_from(["first", "cover", "any", "all"]),
    policy=st.sampled_from([Policy.FINISH, Policy.QUEUE]),
    length=st.integers(1, 40),
    replications=st.integers(1, 3),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([2, 50]),
    dead=dead_shares,
)
@examples(200)
def test_rounds_that_carry_work_on_are_played_alike(
    fuse: fused.Fuse,
    groups: int,
    load: int,
    first: int,
    kind: str,
    policy: Policy,
    length: int,
    replications: int,
    seed: int,
    levels: int,
    dead: float,
) -> None:
    """Rules that count, that want every group heard, and both; a worker may be free just as the
    round ends."""
    coded = SCHEMES["fractional_repetition"](load=load).build(groups * load)
    assert isinstance(coded, Fixed)
    k, cover = FirstK(min(first, coded.workers)), CoverGroups(load)
    rule = {"first": k, "cover": cover, "any": k | cover, "all": k & cover}[kind]
    tapes = lattice(seed, coded.workers, replications, levels, 0.25, dead)
    run = Run(replace(coded, stopping=rule, exact=None), tapes, Proportional(), length, policy)
    asked: list[fused.Kernel] = []

    def noted(loop: fused.Kernel) -> fused.Kernel | None:
        asked.append(loop)
        return fuse(loop)

    as_numpy_does(run, noted)
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
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 19))
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 19, Policy.QUEUE))
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 20, Policy.DRAIN))
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 20), work=False)
    assert asked == []
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 20))
    assert asked == [fused.record_in_one_pass], "2 x 20 x 6 messages"
    rounds.batch_rounds(Run(scheme, tapes, Proportional(), 20, Policy.QUEUE), work=False)
    assert asked[1:] == [fused.play_in_one_pass], "20 rounds"
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert fused.compiled.__wrapped__(fused.record_in_one_pass) is None


@given(
    scheme=schemes(),
    model=st.sampled_from(DELAY_EXAMPLES),
    law=laws,
    policy=policies,
    rounds=st.integers(1, 40),
    seed=st.integers(0, 2**31),
    dead=dead_shares,
)
@examples(200)
def test_on_every_delay_model(
    scheme: Scheme,
    model: DelayModel,
    law: LoadLaw,
    policy: Policy,
    rounds: int,
    seed: int,
    dead: float,
) -> None:
    """Catches a sum taken in another order: real-valued delays round at every addition."""
    tapes = [Mortal(Tape(model, scheme.workers, seed, r), seed, dead) for r in range(2)]
    both(scheme, tapes, law, rounds, policy)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("policy", Policy)
def test_across_blocks_of_the_tape(policy: Policy) -> None:
    """3,000 rounds of 30 workers are three blocks: the clock and backlog must carry over."""
    scheme = SCHEMES["erasurehead"](load=3, wait_for=15).build(30)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 30, 1, 0)]
    assert tapes[0].block_rounds < 1500
    both_finish(scheme, tapes, Additive(seconds_per_partition=0.01), 3000, policy)


@pytest.mark.parametrize("policy", Policy)
def test_chunks_do_not_change_the_result(policy: Policy) -> None:
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 1, r) for r in range(5)]
    run = Run(scheme, tapes, Proportional(), 50, policy)
    one, all_ = (
        arrays(rounds.batch_rounds(run, budget=1)),
        arrays(rounds.batch_rounds(run)),
    )
    for name in one:
        assert np.array_equal(one[name], all_[name])


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


@pytest.mark.parametrize("policy", Policy)
def test_timing_only_gives_the_same_times(policy: Policy) -> None:
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 1, r) for r in range(2)]
    whole = batch.simulate(scheme, tapes, Proportional(), 50, policy)
    timing = batch.simulate(scheme, tapes, Proportional(), 50, policy, heard=False, work=False)
    assert np.array_equal(whole.times, timing.times)
    assert timing.heard is None
    assert timing.work is None


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("dead_from", [0, 3, 9])
@pytest.mark.parametrize(
    "family",
    [SCHEMES["uncoded"](), SCHEMES["fractional_repetition"](load=3)],
    ids=repr,
)
def test_dead_workers_end_the_run_with_the_same_error(
    family: SchemeFamily, dead_from: int, policy: Policy
) -> None:
    """Workers 3, 4, 5 (one whole group) die: never a hang, and both engines say who and when."""
    table = np.random.default_rng(3).random((12, 6))
    table[dead_from:, 3:] = np.inf
    error = both(family.build(6), [TableTape(table)], Proportional(), 12, policy)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (dead_from + 1, [3, 4, 5])


@pytest.mark.parametrize("policy", [Policy.CANCEL, Policy.FINISH, Policy.QUEUE])
def test_erasurehead_goes_on_without_dead_workers(policy: Policy) -> None:
    table = np.random.default_rng(3).random((12, 6))
    table[2:, 3:] = np.inf
    scheme = SCHEMES["erasurehead"](load=3, wait_for=3).build(6)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 12, policy)
    assert not trace.heard.arrived[0, 2:, 3:].any()  # type: ignore[index]


def test_drain_never_ends_while_a_dead_worker_is_not_idle() -> None:
    table = np.random.default_rng(3).random((12, 6))
    table[2, 5] = np.inf
    scheme = SCHEMES["erasurehead"](load=3, wait_for=3).build(6)
    error = both(scheme, [TableTape(table)], Proportional(), 12, Policy.DRAIN)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (3, [5])
    both_finish(scheme, [TableTape(table)], Proportional(), 3, Policy.DRAIN)


# Who ended a round and what that worker alone cost, and messages at the instant of a deadline.
#
# Worked out by hand; both engines, every policy, with and without a network that takes no time.


AT_ONCE = Additive(seconds_per_partition=0.0)
"""A worker's time is its unit delay, whatever its load."""

every_policy = pytest.mark.parametrize("policy", Policy)
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
        ([0.25, 0.75, 1.0, 1.0], (1.0, [True, True, True, True], -1, 0.0)),
        ([1.0, 1.0, 1.0, 1.0], (1.0, [True, True, True, True], -1, 0.0)),
        # Late by as little as a number can be.
        ([0.5, 2.0, 2.0, 1.0000000000000002], (1.0, [True, False, False, False], -1, 0.0)),
    ],
)
@every_policy
@networks
def test_erasurehead_with_a_deadline(
    delays: list[float],
    expected: tuple[float, list[bool], int, float],
    policy: Policy,
    network: Network | None,
) -> None:
    """Every message at the instant of the deadline counts; of several none alone is to blame."""
    family = SCHEMES["erasurehead"](load=2, wait_for=3, deadline=1.0)
    assert second_round(family, delays, policy, network) == expected


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([1.0, 2.0, 4.0], (2.0, [True, True, False], 1, 1.0)),
        ([2.0, 2.0, 4.0], (2.0, [True, True, False], -1, 0.0)),  # neither alone
        ([1.0, 1.0, 1.0], (1.0, [True, True, True], -1, 0.0)),
        ([0.0, 2.0, 4.0], (2.0, [True, True, False], 1, 2.0)),  # there as the round opened
        ([0.0, 2.0, 2.0], (2.0, [True, True, True], -1, 0.0)),
        ([0.0, 0.0, 4.0], (0.0, [True, True, False], -1, 0.0)),
        ([4.0, 3.0, 1.0], (3.0, [False, True, True], 1, 2.0)),
    ],
)
@every_policy
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


@every_policy
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
