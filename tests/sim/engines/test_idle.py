"""Nobody waits for a worker that has nothing to send."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delays import MODELS, Exponential, Tape
from erasurehead.load_laws import (
    Additive,
    LoadLaw,
    PartlyProportional,
    PerPartition,
    Proportional,
    StepCosts,
)
from erasurehead.plugins import Encoded, Fixed, FloatArray, Optimal, least_error
from erasurehead.schemes import SCHEMES
from erasurehead.stopping import Deadline, FirstK, StoppingRule, Window
from erasurehead.theory import expected_decoding_error, scheme_iteration_time
from tests.sim.engines.agreement import POLICIES, batch, both_finish, both_stuck, event, steady
from tests.statistics import assert_z
from tests.tools import LatticeTape, TableTape

LAWS: tuple[LoadLaw, ...] = (
    Proportional(),
    PartlyProportional(fixed=0.5),
    Additive(seconds_per_partition=0.25),
    PerPartition(),
    StepCosts(loads=(0.0, 1.0), seconds=(0.5, 1.0)),
)
SENDERS = [0, 2, 3, 6]  # of seven workers


def sparse(rule: StoppingRule, equal: bool = True) -> Fixed:
    """Seven workers, of whom three have an empty row."""
    loads = np.array([(3 if equal or j else 1) if j in SENDERS else 0 for j in range(7)])
    code = Encoded(np.arange(7) < loads[:, None])
    return Fixed("sparse", code, rule, Optimal(code), exact=None)


def in_seconds(law: LoadLaw, tape: LatticeTape, rounds: int, loads: FloatArray) -> FloatArray:
    """When those that work have sent, ``(rounds, 4)``, by the load law alone."""
    return law.worker_times(tape, loads, 0, rounds)[:, SENDERS]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
@pytest.mark.parametrize("k", range(1, 8))
def test_a_round_lasts_until_the_kth_of_those_that_work(law: LoadLaw, k: int) -> None:
    """Catches an empty row that arrives at once, one that is waited for, and a k that can never be
    reached; whoever has nothing to do is not busy."""
    scheme, tape = sparse(FirstK(k), equal=False), LatticeTape(k, 7)
    trace = both_finish(scheme, [tape], law, 30)
    seconds = in_seconds(law, tape, 30, scheme.assignment.loads)
    expected = np.sort(seconds, axis=1)[:, min(k, 4) - 1]
    np.testing.assert_array_equal(trace.intervals[0], expected)
    np.testing.assert_array_equal(trace.heard.arrived[0][:, SENDERS], seconds <= expected[:, None])
    idle = np.setdiff1d(np.arange(7), SENDERS)
    assert not trace.heard.arrived[0][:, idle].any()
    assert not trace.work.busy[0, idle].any()
    assert not np.isin(trace.work.last[0], idle).any()


GRACE = SCHEMES["ignore_stragglers"](wait_for=6, grace=0.25).build(7).stopping
RULES = {
    "all": FirstK(7),
    "two": FirstK(2),
    "deadline": FirstK(7) | Deadline(0.5),
    "late": FirstK(5) & Deadline(0.5),
    "grace": GRACE | FirstK(7),
    "window": Window(0.5, at_least=6),
}
SKEWED = {"broadcast_latency": 0.25, "dispatch_skew": 0.25, "uplink_latency": 0.25}
networks = pytest.mark.parametrize("network", [None, SKEWED], ids=["ideal", "network"])


@pytest.mark.parametrize("policy", POLICIES)
@networks
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_engines_agree_to_the_bit(rule, network, policy) -> None:
    """On lattices with ties, under every policy: who has nothing to do is free at once."""
    for seed, step in ((1, 0.25), (2, 0.1)):
        tapes = [LatticeTape(seed + 10 * r, 7, step=step) for r in range(3)]
        both_finish(sparse(rule), tapes, LAWS[2], 25, policy, network=network)


@pytest.mark.parametrize("policy", POLICIES)
@networks
def test_balanced_sheds_a_slow_host(network, policy) -> None:
    """Who has work differs between rounds and replications; engines agree to the bit."""
    for micro_batches in (3, 5, 11):
        scheme = SCHEMES["balanced"](micro_batches=micro_batches).build(5)
        tapes = [Tape(MODELS["exponential"](rate=1.0), 5, micro_batches, r) for r in range(4)]
        both_finish(scheme, tapes, LAWS[2], 30, policy, network=network)


def test_balanced_costs_nothing_where_it_deals_nothing() -> None:
    """One host of five takes 9 s to begin, the others 1 s; it is dealt nothing: 1 + 1.25 s."""
    scheme = SCHEMES["balanced"](micro_batches=4, seconds=(1.0, 1.0, 1.0, 1.0, 9.0)).build(5)
    trace = both_finish(scheme, [steady(1, 1, 1, 1, 9)], Additive(seconds_per_partition=1.0), 6)
    np.testing.assert_allclose(trace.intervals, 2.25)
    assert scheme.steps(trace).arrived().tolist() == [[4] * 6]


def test_who_crashes_without_work_changes_nothing() -> None:
    """Idle workers that crash every 0.3 s and are down for an hour are no trouble."""
    up, down = np.full((400, 7), 1e9), np.full((400, 7), 3600.0)
    up[:, [1, 4, 5]] = 0.3
    run = sparse(FirstK(7)), [LatticeTape(5, 7)], LAWS[2], 20
    failing = event.simulate(*run, lives=[(TableTape(up), TableTape(down))])
    calm = batch.simulate(*run)
    np.testing.assert_array_equal(failing.times, calm.times)


def test_who_is_missing_does_not_name_them() -> None:
    """A dead worker that is waited for is named alone, by both engines."""
    delays = np.ones((4, 7))
    delays[2, [1, 3]] = np.inf
    assert both_stuck(sparse(FirstK(7)), [TableTape(delays)], LAWS[2], 4).missing == [3]


@pytest.mark.parametrize("k", [2, 4, 6])
def test_closed_forms_are_of_those_that_work(k: int) -> None:
    """Times and decoding errors of 4,000 rounds; a quorum of 6 of 7 is all 4."""
    scheme = sparse(FirstK(k))
    scheme = Fixed("sparse", scheme.assignment, FirstK(k), least_error(scheme.assignment), None)
    delay = Exponential(rate=1.0)
    tapes = [Tape(delay, 7, 3, r) for r in range(4)]
    trace = batch.simulate(scheme, tapes, Proportional(), 1000)
    law = scheme_iteration_time(scheme, delay, Proportional())
    assert_z(trace.intervals.ravel(), law.mean(), "iteration time")
    error = scheme.steps(trace).measure().error.ravel()
    known = expected_decoding_error(scheme)
    if k == 2:
        assert_z(error, known, "decoding error")
    else:
        np.testing.assert_allclose(error, known, rtol=1e-9)
