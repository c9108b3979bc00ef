"""Sequential codes.

Speaks to their state between rounds: patterns of stragglers that no run can be made to have.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.load_laws import Proportional
from erasurehead.plugins import FloatArray, RoundOutcome, Rounds, Trace
from erasurehead.schemes import Sequential
from erasurehead.sim.schemes.across_rounds.sequential import (
    BurstWindow,
    Multiplexed,
    Past,
    SelectiveRepeat,
)
from tests.sim.engines.agreement import POLICIES, both_finish
from tests.sim.schemes.rules import end_by_state
from tests.tools import TableTape, examples

# The selective-repeat code: rounds worked out by hand, and its promise over random patterns.


SMALL = Sequential(B=1, W=2, stragglers=3, tolerance=0.5)
"""s = ceil(3/2) = 2: load 3 of 4, two results make a job; three of four may straggle at once."""


def run(family: Sequential, table: Any, jobs: int) -> Trace:
    """On both engines; the table holds times at full load."""
    table = np.array(table)
    scheme = family.build(table.shape[1])
    return both_finish(scheme, [TableTape(table / scheme.load)], Proportional(), jobs)


@pytest.mark.parametrize(
    ("B", "W", "stragglers", "workers", "load"),
    [(2, 3, 23, 256, 13), (1, 2, 3, 4, 3), (1, 2, 1, 4, 2), (2, 7, 12, 12, 4), (3, 4, 0, 4, 1)],
)
def test_the_load_is_that_of_the_source(B, W, stragglers, workers, load):
    """s + 1 with s = ceil(B lambda / (W - 1 + B)); SR(2, 3, 23) of 256: .0508 of the data."""
    scheme = Sequential(B=B, W=W, stragglers=stragglers, tolerance=1.0).build(workers)
    assert scheme.load == load
    assert scheme.updates(10) == 10 + B
    np.testing.assert_array_equal(scheme.plan(scheme.start(2)).loads, load)


def test_a_burst_by_hand() -> None:
    """Six jobs on four workers, each round in eighths; one burst of three stragglers in round 1.

    Round 0: all within 1.5: ends at 1.25.
    Round 1: three late, which the model allows: ends at 1.5 although the only result came at 1.
    Round 2: one of the three must repeat job 1, worker 1, which is in time; nobody may straggle
    who did before, and nobody does. Ends with the last, at 1.5.
    Round 3: worker 3 alone is late. Nobody repeats and 1 <= s: exempt, ends at 1.5.
    Round 4: worker 3 again; exempt as well, although it straggled a round ago.
    Round 5: as round 0. Round 6: job 5 is complete, so it takes no time.
    """
    table = np.array(
        [
            [1.0, 1.0, 1.25, 1.25],
            [1.0, 4.0, 4.0, 4.0],
            [1.5, 1.0, 1.25, 1.25],
            [1.0, 1.0, 1.0, 9.0],
            [1.0, 1.0, 1.0, 9.0],
            [1.0, 1.0, 1.25, 1.25],
            [7.0, 7.0, 7.0, 7.0],
        ]
    )
    trace = run(SMALL, table, 6)
    ends = [1.25, 2.75, 4.25, 5.75, 7.25, 8.5, 8.5]
    np.testing.assert_allclose(trace.times[0], ends, rtol=1e-15)
    np.testing.assert_allclose(trace.work.busy.sum(), 4.5 + 5.5 + 5 + 4.5 + 4.5 + 4.5)
    steps = SMALL.build(4).steps(trace)
    np.testing.assert_array_equal(steps.times, trace.times[:, 1:])
    np.testing.assert_array_equal(steps.arrived(), [[4, 2, 3, 3, 3, 4]])
    np.testing.assert_array_equal(steps.weights, 1)
    np.testing.assert_array_equal(steps.staleness, [[0, 1, 1, 1, 1, 1]])
    assert [int(steps.step(u).version[0]) for u in range(6)] == [0, 0, 1, 2, 3, 4]


def test_a_pattern_that_does_not_fit_is_waited_out() -> None:
    """Round 0: three late, allowed. Round 1: worker 1 repeats job 0; worker 2 is late again, in
    the round after its first: the master waits for all, so nobody straggled. Round 2: three late
    are allowed again. Round 3: worker 1 repeats job 2.
    """
    table = np.array(
        [
            [1.0, 2.0, 2.0, 2.0],
            [1.0, 1.0, 5.0, 1.0],
            [1.0, 3.0, 3.0, 3.0],
            [1.0, 1.25, 1.0, 1.0],
        ]
    )
    trace = run(SMALL, table, 3)
    np.testing.assert_allclose(trace.times[0], [1.5, 6.5, 8.0, 9.25], rtol=1e-15)
    steps = SMALL.build(4).steps(trace)
    np.testing.assert_array_equal(steps.arrived(), [[2, 3, 2]])


def test_different_stragglers_of_a_window_are_counted() -> None:
    """lambda = 2 and s = 1: two late count; a third one within W = 2 rounds is waited for."""
    family = Sequential(B=1, W=2, stragglers=2, tolerance=0.5)
    table = np.array([[1.0, 1, 2, 2], [1.0, 2, 1, 1], [1.0, 1, 1, 1]])
    trace = run(family, table, 2)
    np.testing.assert_allclose(trace.times[0], [1.5, 3.5, 3.5], rtol=1e-15)


def test_few_stragglers_after_a_burst_by_hand() -> None:
    """lambda = 2, s = 1, B = 2, W = 3. Two late in round 0, another one in round 1, in which nobody
    repeats: three different ones in a window, so the authors' program waits for it. The tighter
    rule ends the round at 1.5, since one missing result does no harm.
    """
    table = np.array([[1.0, 1, 2, 2], [1.0, 4, 1, 1], *[[1.0] * 4] * 3])
    family = Sequential(B=2, W=3, stragglers=2, tolerance=0.5)
    trace = run(family, table, 3)
    np.testing.assert_allclose(trace.times[0], [1.5, 5.5, 6.5, 6.5, 6.5], rtol=1e-15)
    trace = run(replace(family, exempt="current"), table, 3)
    np.testing.assert_allclose(trace.times[0], [1.5, 3.0, 4.0, 4.0, 4.0], rtol=1e-15)


def authors_total(delays: FloatArray, B: int, W: int, stragglers: int, mu: float) -> float:
    """Seconds of selective repeat, a round at a time in plain Python, as its authors' program
    does it: the current round must fit the model whatever the number of its stragglers is."""
    rounds, n = delays.shape
    spare = -(-B * stragglers // (W - 1 + B))
    counted: list[set[int]] = []
    undelivered: list[set[int]] = []
    total = 0.0
    for t in range(rounds):
        missing = sorted(undelivered[t - B]) if t >= B else []
        repeating = set(missing[: max(len(missing) - spare, 0)])
        if t >= rounds - B and not repeating:
            counted.append(set())
            undelivered.append(set())
            continue
        fastest, slowest = min(delays[t]), max(delays[t])
        late = {j for j in range(n) if delays[t, j] > (1 + mu) * fastest}
        window = counted[max(t - W + 1, 0) :]
        distinct = set.union(late, *window)
        again = set.union(set(), *counted[max(t - W + 1, 0) : max(t - B + 1, 0)])
        if len(distinct) <= stragglers and not late & again:
            total += min((1 + mu) * fastest, slowest)
        else:
            total += slowest
            late = set()
        undelivered.append(late | repeating)
        counted.append(late if repeating or len(late) > spare else set())
    return total


@given(
    shape=st.sampled_from([(1, 2), (1, 3), (2, 3), (2, 5), (3, 4)]),
    stragglers=st.integers(0, 8),
    stays=st.sampled_from([0.0, 0.5, 0.9]),
    tolerance=st.sampled_from([0.5, 1.0]),
    seed=st.integers(0, 10**6),
)
@examples(60)
def test_totals_are_those_of_the_authors_rounds(shape, stragglers, stays, tolerance, seed):
    (B, W), n, jobs = shape, 8, 30
    rng, slow = np.random.default_rng(seed), np.zeros(n, dtype=bool)
    table = np.empty((jobs + B, n))
    for row in table:
        slow = np.where(slow, rng.random(n) < stays, rng.random(n) < 0.15)
        row[:] = rng.exponential(0.2, n) + np.where(slow, 4.0, 1.0)
    family = Sequential(B=B, W=W, stragglers=stragglers, tolerance=tolerance)
    trace = run(family, table, jobs)
    np.testing.assert_allclose(
        trace.times[0, -1], authors_total(table, B, W, stragglers, tolerance), rtol=1e-12
    )


def admitted(scheme, rounds, late, stays, seed):
    """Who is heard in rounds of eight runs, in which stragglers come and stay at random."""
    rng, slow = np.random.default_rng(seed), np.zeros((8, scheme.workers), dtype=bool)
    state, heard = scheme.start(8), []
    for _ in range(rounds):
        slow = np.where(slow, rng.random(slow.shape) < stays, rng.random(slow.shape) < late)
        delays = np.where(slow, 4.0, 1.0)
        ended = scheme.plan(state).stopping.stopping_delay(delays, np.zeros(8))
        outcome = RoundOutcome(ended, delays <= ended[:, None])
        heard.append(outcome.arrived)
        state = scheme.after(state, outcome)
    return np.stack(heard, axis=1)


@given(
    n=st.integers(1, 12),
    B=st.integers(1, 4),
    spans=st.integers(1, 4),
    share=st.floats(0, 1),
    late=st.sampled_from([0.02, 0.1, 0.3, 0.6]),
    stays=st.sampled_from([0.0, 0.5, 0.9]),
    seed=st.integers(0, 2**31),
)
@examples(150)
def test_every_admitted_pattern_can_be_decoded(n, B, spans, share, late, stays, seed):
    """Stragglers come and stay at random; whatever the rule admits, each job is complete B later.

    The scheme itself raises where a worker that repeats a job is late.
    """
    stragglers = min(int(share * n), n - 1 if n == 1 else n)
    exempt = "past" if seed % 2 else "current"
    scheme = SelectiveRepeat(n, B, spans * B + 1, stragglers, 0.5, exempt, jobs=60)
    heard = admitted(scheme, 60 + B, late, stays, seed)
    assert scheme.exact
    trace = Trace(np.zeros((8, 60 + B)), Rounds(heard), None, "batch")
    np.testing.assert_array_equal(scheme.steps(trace).weights, 1)


def test_a_job_that_cannot_be_decoded_is_an_error() -> None:
    """Four missing and two spare: workers 0 and 1 repeat job 0, and worker 1 is late."""
    one = SelectiveRepeat(12, 1, 2, 4, 0.5)
    assert one.spare == 2
    state = one.start(1)
    missing = np.zeros((1, 1, 12), dtype=bool)
    missing[0, 0, :4] = True
    repeating = one._repeating(type(state)(1, missing, missing))
    assert np.flatnonzero(repeating[0]).tolist() == [0, 1]
    late = np.ones((1, 12), dtype=bool)
    late[0, 0] = False
    with pytest.raises(RuntimeError, match="job 0 cannot be decoded"):
        one.after(type(state)(1, missing, missing), RoundOutcome(np.ones(1), late))


masks = st.lists(st.booleans(), min_size=6, max_size=6).map(np.array)


@given(
    row=st.lists(st.integers(0, 6), min_size=6, max_size=6).map(lambda row: np.array(row) * 0.1),
    dead=masks,
    tolerance=st.sampled_from([0.0, 0.5, 1.0]),
    spare=st.integers(0, 3),
    stragglers=st.integers(0, 6),
    strict=st.booleans(),
    exempt=st.sampled_from(["past", "current"]),
    recent=masks,
    banned=masks,
    idle=st.booleans(),
    opened=st.sampled_from([0.0, 0.3]),
)
@examples(250)
def test_the_state_says_the_same_as_the_rule(
    row, dead, tolerance, spare, stragglers, strict, exempt, recent, banned, idle, opened
):
    """Ties at the end of the window, dead workers, and a late set that shrinks after it."""
    code = SimpleNamespace(
        tolerance=tolerance, spare=spare, stragglers=stragglers, burst=2, exempt=exempt
    )
    counted = np.array([[recent & ~banned, recent & banned]])
    rule = BurstWindow(code, counted, np.array([strict]), np.array([idle]))
    delays = opened + np.where(dead, np.inf, row)
    (ended,) = rule.stopping_delay(delays[None], np.array([opened]))
    assert rule.of(0).stopping_delay(delays, opened) == ended
    assert end_by_state(rule.of(0).stopping_state(6, opened), delays, opened) == ended
    assert rule.enough(np.isfinite(delays)[None])[0] == (idle or not dead.any())


@pytest.mark.parametrize("policy", POLICIES)
def test_the_last_rounds_take_no_time_under_any_policy(policy: str) -> None:
    """No round repeats anything: job T - 1 is applied when round T - 1 ends, or has drained."""
    scheme = Sequential(B=2, W=3, stragglers=4, tolerance=9.0).build(4)
    table = np.tile([1.0, 1.0, 2.0, 3.0], (7, 1)) / scheme.load
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 5, policy)
    np.testing.assert_allclose(trace.times[0], [3.0, 6, 9, 12, 15, 15, 15], rtol=1e-15)
    np.testing.assert_allclose(trace.work.busy[0], [5, 5, 10, 15])


@pytest.mark.parametrize(
    ("iterations", "end", "fits"),
    [
        (10, "truncated", True),
        (11, "truncated", False),
        (20, "truncated", False),
        (20, "cyclic", True),
    ],
)
def test_a_trace_needs_rows_for_the_last_rounds_as_well(tmp_path, iterations, end, fits):
    """Twelve rows are ten jobs with B = 2: the first rows must not be read again unasked."""
    path = tmp_path / "trace.csv"
    np.savetxt(path, np.random.default_rng(1).random((12, 6)), delimiter=",")
    document = {
        "name": "trace",
        "workers": 6,
        "iterations": iterations,
        "replications": 1,
        "delay": {"model": "trace", "path": str(path), "end": end},
        "schemes": [{"name": "sequential", "B": 2, "W": 3, "stragglers": 3, "tolerance": 0.5}],
    }
    if fits:
        assert len(eh.run(document).iterations) == iterations + 1
        return
    with pytest.raises(ConfigError, match=f"iterations = {iterations}: .* must be at most 10, or"):
        eh.run(document)


# The multiplexed sequential code: rounds worked out by hand, loads, and its promise.


def multiplexed(B: int, W: int, stragglers: int, workers: int, tolerance: float) -> Multiplexed:
    family = Sequential(variant="multiplexed", B=B, W=W, stragglers=stragglers, tolerance=tolerance)
    return family.build(workers)


@pytest.mark.parametrize(
    ("B", "W", "stragglers", "workers", "load"),
    [
        (1, 2, 27, 256, 256 * 0.00754),
        (1, 2, 1, 4, 4 / 3),
        (2, 3, 1, 4, 4 / 3),
        (2, 3, 4, 4, 2.0),  # no code: two pieces and two rounds to make up for them
        (1, 4, 0, 4, 1.0),
    ],
)
def test_multiplexed_the_load_is_that_of_the_source(B, W, stragglers, workers, load):
    """M(1, 2, 27) of 256 computes .00754 of the data."""
    scheme = multiplexed(B, W, stragglers, workers, 1.0)
    assert scheme.load == pytest.approx(load, rel=1e-3)
    assert scheme.updates(10) == 10 + W - 2 + B


BURST = np.array(
    [
        [1.0, 1.0, 1.25, 1.25],
        [1.0, 1.0, 1.0, 9.0],
        [1.0, 1.25, 1.0, 9.0],
        [1.0, 1.0, 1.0, 1.25],
        [1.0, 1.0, 1.0, 4.0],
        [1.0, 1.0, 4.0, 1.0],
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 1.25, 1.0, 1.0],
        [1.0, 1.0, 1.25, 1.0],
    ]
)
"""Seconds of four workers with their whole load; six jobs, and three rounds after them."""


def test_multiplexed_a_burst_by_hand() -> None:
    """B = 2, W = 3, lambda = 1, mu = 0.5: jobs of two pieces and two groups, applied 3 rounds on.

    Round 0: all in the window of 1.5: ends with the last, at 1.25.
    Rounds 1 and 2: worker 3 is late in both, a burst of two: each ends with its window, after 1.5.
    Round 3: it straggled two rounds ago, so it may not now, and it is in time: 1.25.
    Round 4: it did so in round 2, and is late: the master waits for it, 4 s. So nobody straggled.
    Round 5: worker 2 is late, and no other one was in rounds 3 and 4: 1.5.
    Rounds 6, 7 and 8 after the last job take time as well: 1, 1.25 and 1.25.
    """
    scheme = multiplexed(2, 3, 1, 4, 0.5)
    trace = both_finish(scheme, [TableTape(BURST / scheme.load)], Proportional(), 6)
    lengths = [1.25, 1.5, 1.5, 1.25, 4.0, 1.5, 1.0, 1.25, 1.25]
    np.testing.assert_allclose(trace.intervals[0], lengths, rtol=1e-14)
    steps = scheme.steps(trace)
    np.testing.assert_array_equal(steps.times, trace.times[:, 3:])
    np.testing.assert_array_equal(steps.weights, 1)
    np.testing.assert_array_equal(steps.staleness, [[0, 1, 2, 3, 3, 3]])
    assert [int(steps.step(u).version[0]) for u in range(6)] == [0, 0, 0, 0, 1, 2]


def test_what_is_lacking_by_hand() -> None:
    """The run above: what worker 3, then worker 2, lack of the three newest jobs after each round.

    Round 1: the first piece of job 1, the second of job 0. Round 2: the first of job 2 and the
    second of job 1, which it now lacks whole; for job 0 it cannot make up. Round 3: it delivers
    the piece of job 0 instead of the second group, and one of job 1 instead of the first. Round 4:
    the last one of job 1, and the one of job 2. Round 5: worker 2 misses pieces of jobs 5 and 4.
    """
    scheme = multiplexed(2, 3, 1, 4, 0.5)
    state, lacking = scheme.start(1), []
    late = [(), (3,), (3,), (), (), (2,), (), (), ()]
    for who in late:
        arrived = np.array([[worker not in who for worker in range(4)]])
        state = scheme.after(state, RoundOutcome(np.ones(1), arrived))
        lacking.append(state.lacking[0, :, 2:].T.tolist())
    third = [rows[1] for rows in lacking]
    assert third[:6] == [[0, 0, 0], [1, 1, 0], [1, 2, 1], [0, 1, 1], [0, 0, 0], [0, 0, 0]]
    assert [rows[0] for rows in lacking[5:]] == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_multiplexed_different_stragglers_of_a_window_are_counted() -> None:
    """B = 1, W = 2, lambda = 1: a second one a round later, or the same one again, is waited for;
    two rounds later it may be late."""
    scheme = multiplexed(1, 2, 1, 3, 0.5)
    table = np.array([[1.0, 1, 3], [1, 3, 1], [1, 1, 3], [1, 1, 3], [3, 1, 1], [1, 1, 1]])
    trace = both_finish(scheme, [TableTape(table / scheme.load)], Proportional(), 5)
    np.testing.assert_allclose(trace.intervals[0], [1.5, 3, 1.5, 3, 1.5, 1], rtol=1e-14)


@given(
    n=st.integers(1, 12),
    B=st.integers(1, 4),
    more=st.integers(1, 6),
    share=st.floats(0, 1),
    late=st.sampled_from([0.02, 0.1, 0.3, 0.6]),
    stays=st.sampled_from([0.0, 0.5, 0.9]),
    seed=st.integers(0, 2**31),
)
@examples(150)
def test_multiplexed_every_admitted_pattern_can_be_decoded(n, B, more, share, late, stays, seed):
    """Stragglers come and stay at random; whatever the rule admits, each job is complete in time.

    The scheme itself raises where a piece or a group is missing; the pieces are counted here again.
    """
    scheme = multiplexed(B, B + more, int(share * n), n, 0.5)
    arrived = admitted(scheme, 60, late, stays, seed)
    for job in range(60 - scheme.lag):
        rounds = arrived[:, job : job + scheme.lag + 1]
        pieces = np.count_nonzero(rounds[:, : scheme.window - 1], axis=1)
        for group in np.moveaxis(rounds[:, scheme.window - 1 :], 1, 0):
            coded = group & (pieces == scheme.window - 1)
            assert np.all(np.count_nonzero(coded, axis=1) >= n - scheme.stragglers)
            pieces = np.minimum(pieces + group, scheme.window - 1)
        assert np.all(pieces == scheme.window - 1)
    trace = Trace(np.zeros((8, 60)), Rounds(arrived), None, "batch")
    np.testing.assert_array_equal(scheme.steps(trace).weights, 1)


def test_multiplexed_a_job_that_cannot_be_decoded_is_an_error() -> None:
    """Two of four do not deliver for a group, where one may; and a piece that never comes."""
    scheme = multiplexed(1, 2, 1, 4, 0.5)
    late = np.array([[True, True, False, False]])
    with pytest.raises(RuntimeError, match="round 0 cannot be decoded"):
        scheme.after(scheme.start(1), RoundOutcome(np.ones(1), late))
    lacks = Past(5, np.zeros((1, 1, 4), dtype=bool), np.array([[[2, 0, 0, 0]]]))
    with pytest.raises(RuntimeError, match="round 5 cannot be decoded"):
        scheme.after(lacks, RoundOutcome(np.ones(1), np.ones((1, 4), dtype=bool)))
