"""Schemes without a barrier: two engines to the bit, traces worked by hand, and the mean times.

Where the batch engine refuses, the event engine is held to hand-worked traces and to theory alone.
Speaks to ``updates``: what is counted there ends runs that would go on for ever.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import Barrierless, Messages, Stops, Trace
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.engines import updates
from erasurehead.theory import asynchronous_weights, mean_ssp
from tests.sim.engines.agreement import (
    auto,
    batch,
    both,
    both_finish,
    event,
    outcome,
    plain,
    run_of,
    runs,
    same,
    steady,
    timeline,
)
from tests.statistics import BOUND, assert_z
from tests.tools import TableTape, examples

INF = np.inf


engines = pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])


def messages(trace: Trace) -> Messages:
    return trace.heard


@st.composite
def barrierless(draw: st.DrawFn) -> Barrierless:
    """Any of the four choices, by themselves: also those that no registered scheme makes."""
    n = draw(st.integers(1, 6))
    if draw(st.integers(0, 3)) == 0:
        return Barrierless("drawn", n, draw(st.integers(1, n)), restarts_at_once=False)
    if draw(st.integers(0, 3)) == 0:
        return Barrierless("drawn", n, draw(st.integers(1, 9)), ahead=draw(st.integers(0, 4)))
    stops = draw(st.sampled_from(Stops))
    oldest = 1 if stops is Stops.EVERYBODY else draw(st.sampled_from([INF, 1, 2, 3, 7]))
    distinct = draw(st.booleans())
    k = draw(st.integers(1, n if distinct else 9))
    return Barrierless("drawn", n, k, oldest, stops=stops, distinct=distinct)


@given(
    run=runs(
        barrierless(),
        longest=9,
        replications=st.sampled_from([1, 2, 3, 7]),
        levels=st.sampled_from([1, 2, 4, 50, 10**6]),
        policies=st.just("cancel"),
    )
)
@examples(300)
def test_engines_agree_on_lattices_with_ties_and_zeros(run):
    """levels=1 makes every delay 0: waves of one instant are all that is left.

    Seven replications are simulated together, where none of their messages tie.
    """
    trace = both(**run)
    clock = outcome(lambda: auto.simulate(heard=False, work=False, **run))
    if isinstance(trace, Trace):
        assert run_of(**run).refusal() is not None or (clock.heard, clock.work) == (None, None)
        np.testing.assert_array_equal(clock.times, trace.times)
    else:
        assert repr(clock) == repr(trace)


@st.composite
def any_barrierless(draw):
    """All four choices, those that the batch engine refuses among them."""
    n, gradients = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    if (ahead := draw(st.sampled_from([INF, INF, 0, 1, 3]))) < INF:
        return Barrierless("drawn", n, gradients, ahead=ahead)
    choices = {
        "restarts_at_once": draw(st.booleans()),
        "stops": draw(st.sampled_from(Stops)),
        "distinct": draw(st.booleans()),
    }
    few = choices["distinct"] or not choices["restarts_at_once"]
    oldest = draw(st.sampled_from([INF, 1, 2, 3, 7]))
    return Barrierless("drawn", n, min(gradients, n) if few else gradients, oldest, **choices)


@given(
    scheme=any_barrierless(),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4, 50]),
    dead=st.sampled_from([0.0, 0.0, 0.02]),
)
@examples(300)
def test_the_event_engine_does_what_a_plain_loop_does(scheme, seed, levels, dead):
    rng = np.random.default_rng(seed)
    table = rng.integers(0, levels, (600, scheme.workers)) * 0.25
    table[rng.random(table.shape) < dead] = INF
    run = scheme, [TableTape(table)], Proportional(), 3
    expected = plain(scheme, table, scheme.updates(3))
    if expected is None:
        event.stuck(*run)
        return
    trace = event.simulate(*run)
    times, senders, versions = expected
    np.testing.assert_array_equal(trace.times[0], times)
    np.testing.assert_array_equal(messages(trace).message[0], senders)
    np.testing.assert_array_equal(messages(trace).version[0], versions)


BATCHED = [
    family
    for name in (
        "asynchronous",
        "k_async",
        "k_batch_async",
        "k_batch_sync",
        "rennala",
        "ringmaster",
        "malenia",
        "ssp",
    )
    for family in SCHEMES[name].examples()
    if family.build(12).refusal() is None
]


REAL = [
    MODELS["gamma"](shape=0.6, scale=0.5),
    MODELS["deterministic"](value=0.5),
    MODELS["heterogeneous"](base=MODELS["exponential"](rate=1.0), spread=1.5),
    *MODELS["markov"].examples()[:1],
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("family", "delay"),
    [  # each scheme and each delay model; all together are slow
        pytest.param(
            *(family, delay),
            id=f"{family!r}-{type(delay).__name__}",
            marks=[] if (place + turn) % 4 == 0 else pytest.mark.slow,
        )
        for place, family in enumerate(BATCHED)
        for turn, delay in enumerate(REAL)
    ],
)
def test_engines_agree_on_real_delays_across_blocks(family: SchemeFamily, delay: Any) -> None:
    """The tape's blocks are short, and workers read them at very different speeds."""

    class Short(Tape):
        @property
        def block_rounds(self) -> int:
            return 16

    for replications in (2, 6):
        tapes = [Short(delay, 12, 5, r) for r in range(replications)]
        law = Additive(seconds_per_partition=0.02)
        both_finish(family.build(12), tapes, law, 40)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("oldest", [1, 2, 12, 40])
@pytest.mark.parametrize("few", [0, 300])
def test_which_messages_are_too_old_is_found_for_many_at_once(monkeypatch, oldest, few):
    """Uncertain messages are decided together while they are many, the last few in turn."""
    monkeypatch.setattr("erasurehead.sim.engines.batch.barrierless.MOST_IN_TURN", few)
    for delay in (MODELS["pareto"](scale=0.1, alpha=1.1), MODELS["exponential"](rate=2.0)):
        tapes = [Tape(delay, 12, 5, r) for r in range(2)]
        scheme = SCHEMES["ringmaster"](oldest=oldest).build(12)
        both_finish(scheme, tapes, Proportional(), 500, "cancel")


@pytest.mark.parametrize("replications", [1, 6])
def test_many_tasks_in_one_update(replications: int) -> None:
    """One worker of four is a hundred times as fast: the batch engine looks further ahead."""
    slow, fast = (MODELS["exponential"](rate=rate) for rate in (1.0, 100.0))
    delay = MODELS["own_laws"](base=slow, workers=(0,), models=(fast,))
    for k in (1, 5, 90):
        tapes = [Tape(delay, 4, 7, r) for r in range(replications)]
        scheme = SCHEMES["k_batch_sync"](wait_for=k).build(4)
        both_finish(scheme, tapes, Proportional(), 150, "cancel")


@pytest.mark.slow
def test_the_clock_alone_takes_the_memory_of_the_clock() -> None:
    """Of 120,000 messages nothing is kept but the instants of updates, 8 bytes each."""
    for name, fields in (("asynchronous", {}), ("ringmaster", {"oldest": 30}), ("ringleader", {})):
        scheme = SCHEMES[name](**fields).build(30)
        run = scheme, [Tape(DELAY, 30, 0, 0)], Proportional(), 4000
        tracemalloc.start()
        try:
            trace = auto.simulate(*run, heard=False, work=False)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < trace.times.nbytes + 8 * 2**20


@pytest.mark.parametrize("workers", [70_000])
def test_more_workers_than_a_short_number_counts(workers: int) -> None:
    """Messages are sorted by worker in 16 bits up to 65,536 workers, and in full beyond."""
    delays = np.random.default_rng(0).random((12, workers))
    scheme = SCHEMES["asynchronous"]().build(workers)
    trace = auto.simulate(scheme, [TableTape(delays, block_rounds=1)], Proportional(), 1)
    order = np.argsort(delays[0])[:10]
    np.testing.assert_array_equal(messages(trace).message[0, :10, 0], order)
    np.testing.assert_array_equal(trace.times[0, :10], delays[0, order])


# Traces worked by hand.


@engines
def test_rennala_counts_gradients_of_the_current_model(engine: Any) -> None:
    """Times 1, 2, 4 and S = 4: at 1, 2, 2 and 3 s four gradients of the first model have come.

    At 4 s those of workers 2 and 3 are still of the first model, and dropped. Of the second model
    worker 1's come at 4, 5 and 6 s, and worker 2's at 6 s.
    """
    scheme = SCHEMES["rennala"](batch=4).build(3)
    trace = engine.simulate(scheme, [steady(1, 2, 4)], Proportional(), 2)
    heard = messages(trace)
    assert trace.times[0, 0] == 3.0
    np.testing.assert_array_equal(heard.message[0, 0], [0, 0, 1, 0])
    assert trace.times[0, 1] == 6.0
    np.testing.assert_array_equal(heard.message[0, 1], [0, 0, 0, 1])
    assert (heard.version[0] == [[0], [1]]).all()


@engines
@pytest.mark.parametrize(("oldest", "counts"), [(2, False), (4, True)])
def test_ringmaster_refuses_gradients_that_are_too_old(engine, oldest, counts):
    """Times 1 and 3: worker 2's gradients are three updates old whenever they come."""
    scheme = SCHEMES["ringmaster"](oldest=oldest).build(2)
    trace = engine.simulate(scheme, [steady(1, 3)], Proportional(), 8)
    heard = messages(trace)
    slow = heard.message[0, :, 0] == 1
    assert slow.any() == counts
    staleness = np.arange(16) - heard.version[0, :, 0]
    if counts:
        np.testing.assert_array_equal(trace.times[0, :5], [1, 2, 3, 3, 4])
        assert staleness[3] == 3
    else:
        np.testing.assert_array_equal(trace.times[0], np.arange(1.0, 17.0))
        assert (staleness == 0).all()


def test_ringmaster_stops_workers_that_have_grown_too_old() -> None:
    """Times 1 and 3, R = 2: worker 2 starts anew at 2 s, at 4 s, ... and never delivers."""
    scheme = SCHEMES["ringmaster"](oldest=2, stops=True).build(2)
    table = np.tile([1.0, 3.0], (40, 1))
    table[2, 1] = 0.5  # its third task, begun at 4 s on the fourth model
    trace = auto.simulate(scheme, [TableTape(table)], Proportional(), 3)
    heard = messages(trace)
    np.testing.assert_array_equal(trace.times[0], [1, 2, 3, 4, 4.5, 5])
    np.testing.assert_array_equal(heard.message[0, :, 0], [0, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(heard.version[0, :, 0], [0, 1, 2, 3, 4, 4])


@engines
def test_k_async_workers_wait_for_the_update(engine: Any) -> None:
    """Times 1, 2, 5 and K = 2: updates at 2 and 4; at 5 worker 3's first gradient is in one. Two
    iterations of three gradients are three updates."""
    scheme = SCHEMES["k_async"](wait_for=2).build(3)
    trace = engine.simulate(scheme, [steady(1, 2, 5)], Proportional(), 2)
    heard = messages(trace)
    np.testing.assert_array_equal(trace.times[0], [2, 4, 5])
    np.testing.assert_array_equal(heard.message[0], [[0, 1], [0, 1], [0, 2]])
    np.testing.assert_array_equal(heard.version[0], [[0, 0], [1, 1], [2, 0]])
    # Worker 1 waits from 1 to 2 and from 3 to 4, the others never.
    np.testing.assert_array_equal(trace.work.busy[0], [3, 5, 5])


@engines
def test_k_batch_sync_starts_everybody_anew(engine: Any) -> None:
    """Times 1, 2, 5 and K = 3: 1, 2, 2; then from 2 s on again. Row i is a worker's own i-th task.

    Worker 1 has begun three tasks by then (the third is stopped), worker 2 two, worker 3 one.
    """
    table = np.tile([1.0, 2.0, 5.0], (12, 1))
    table[1, 2] = 0.25  # worker 3's second task
    scheme = SCHEMES["k_batch_sync"](wait_for=3).build(3)
    trace = engine.simulate(scheme, [TableTape(table)], Proportional(), 2)
    np.testing.assert_array_equal(trace.times[0], [2, 4])
    np.testing.assert_array_equal(messages(trace).message[0], [[0, 0, 1], [2, 0, 0]])
    np.testing.assert_array_equal(trace.work.busy[0], [4, 4, 4])
    np.testing.assert_array_equal(trace.work.useful[0], [4, 2, 0.25])
    np.testing.assert_array_equal(trace.work.last[0], [-1, 0])
    np.testing.assert_array_equal(trace.work.margin[0], [0, 1])


def test_who_is_heard_in_the_wave_that_ends_an_update_has_not_begun_anew() -> None:
    """Two messages an update. Workers 0 and 1 come together at 1.5 s; the five seconds that worker
    0 takes next are still to come when the update stops everybody, not behind it."""
    rows = [[1.5, 1.5, 10.0], [5.0, 2.0, 4.0], [7.0, 3.0, 2.0], [9.0, 1.0, 9.0], [9.0, 9.0, 9.0]]
    scheme = SCHEMES["k_batch_sync"](wait_for=2).build(3)
    for engine in (batch, event):
        trace = engine.simulate(scheme, [TableTape(np.array(rows))], Proportional(), 2)
        assert trace.times.tolist() == [[1.5, 5.5, 7.5]]
        assert trace.heard.message.tolist() == [[[0, 1], [1, 2], [1, 2]]]
        assert trace.heard.version.tolist() == [[[0, 0], [1, 1], [2, 2]]]


# One scheme as a special case of another, to the bit.

DELAY = MODELS["exponential"](rate=2.0)


def both_engines(family: SchemeFamily, iterations: int = 30) -> list[Trace]:
    tapes = [Tape(DELAY, 12, 3, r) for r in range(3)]
    scheme = family.build(12)
    return [each.simulate(scheme, tapes, Proportional(), iterations) for each in (event, batch)]


def test_ringmaster_that_refuses_nothing_is_asynchronous() -> None:
    for one, two in zip(
        both_engines(SCHEMES["ringmaster"]()), both_engines(SCHEMES["asynchronous"]()), strict=True
    ):
        assert same(one, two)


def test_rennala_that_interrupts_is_k_batch_sync() -> None:
    for one, two in zip(
        both_engines(SCHEMES["rennala"](batch=7, on_stale="interrupt")),
        both_engines(SCHEMES["k_batch_sync"](wait_for=7)),
        strict=True,
    ):
        assert same(one, two)


# Mean times of an update.


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("delay", [DELAY, MODELS["gamma"](shape=3.0, scale=0.2)], ids=repr)
def test_mean_time_without_waiting(k: int, delay: Any) -> None:
    """K E[X] / n per update, by the renewal theorem, once the start is forgotten.

    Source: Dutta et al. (arXiv 1803.01113); theory of the asynchronous family.
    """
    n, replications = 30, 200
    scheme = SCHEMES["k_batch_async"](wait_for=k).build(n)
    tapes = [Tape(delay, n, 11, r) for r in range(replications)]
    times = auto.simulate(scheme, tapes, Proportional(), 60, work=False).times
    early, updates = times.shape[1] // 3, times.shape[1]
    means = (times[:, -1] - times[:, early - 1]) / (updates - early)
    assert_z(means, k * delay.mean() / n)


def descent(family: SchemeFamily, tape: object, iterations: int, rate: float) -> float:
    """Where two losses (x - c)^2 / 2, c = 0 and 1, end: a plain loop over the updates, from 0."""
    scheme = family.build(2)
    steps = scheme.steps(auto.simulate(scheme, [tape], Proportional(), iterations, work=False))
    models = [0.0]
    for u in range(scheme.updates(iterations)):
        step = steps.step(u)
        places = zip(step.partition[0], step.weight[0], step.version[0], strict=True)
        gradient = sum(
            weight * (models[version] - partition) for partition, weight, version in places
        )
        models.append(models[-1] - rate * gradient / 2)
    return float(np.mean(models[len(models) // 2 :]))


def test_own_data_pull_by_their_speed_unless_rescaled() -> None:
    """Workers of 1 and 3 s: the fixed point is 1/4; rescaled by their counts, the optimum 1/2."""
    assert asynchronous_weights([1.0, 3.0]) == pytest.approx([1.5, 0.5])
    own, rescaled = (SCHEMES["asynchronous"](data="own", rescale=r) for r in (False, True))
    tape = steady(1.0, 3.0, rows=7501)
    assert descent(own, tape, 5000, 0.004) == pytest.approx(0.25, abs=2e-3)
    assert descent(rescaled, tape, 5000, 0.004) == pytest.approx(0.5, abs=2e-3)
    # Counted by hand: messages of 1, 1, 1 and 2 (ties in the order of workers), 1, 1, ...
    scheme = rescaled.build(2)
    steps = scheme.steps(auto.simulate(scheme, [tape], Proportional(), 4))
    weights = [float(steps.step(u).weight[0, 0]) for u in range(8)]
    assert weights == [2 * w for w in (1 / 2, 2 / 4, 3 / 6, 4 / 2, 5 / 8, 6 / 10, 7 / 12, 8 / 4)]


@pytest.mark.slow
def test_where_own_data_end_at_small_rates() -> None:
    """To four digits: short steps end nearer to 1/4 and 1/2, from below."""
    own, rescaled = (SCHEMES["asynchronous"](data="own", rescale=r) for r in (False, True))
    tape = steady(1.0, 3.0, rows=24_001)
    assert descent(own, tape, 16_000, 0.001) == pytest.approx(0.24981, abs=5e-5)
    assert descent(rescaled, tape, 16_000, 0.001) == pytest.approx(0.4998, abs=2e-4)


@pytest.mark.slow
def test_rescaled_descent_at_random_times_ends_where_a_loop_of_its_own_does() -> None:
    """Exponential times of 1 and 3 s, a rate of .002: known to .0007."""
    model = MODELS["heterogeneous"](base=MODELS["exponential"](rate=1.0), factors=(1.0, 3.0))
    rescaled = SCHEMES["asynchronous"](data="own", rescale=True)
    ends = [descent(rescaled, Tape(model, 2, 31, r), 6000, 0.002) for r in range(100)]
    error = float(np.hypot(np.std(ends, ddof=1) / np.sqrt(len(ends)), 0.0007))
    assert abs(np.mean(ends) - 0.4984) < BOUND * error


def test_rescaled_counts_are_each_replications_own() -> None:
    """Against a plain count; catches counts that go on from one replication to the next."""
    scheme = SCHEMES["asynchronous"](data="own", rescale=True).build(5)
    tapes = [Tape(MODELS["exponential"](rate=1.0), 5, 3, r) for r in range(3)]
    trace = auto.simulate(scheme, tapes, Proportional(), 20, work=False)
    steps = scheme.steps(trace)
    for r, senders in enumerate(messages(trace).message[:, :, 0]):
        sent = np.zeros(5)
        for u, worker in enumerate(senders):
            sent[worker] += 1
            step = steps.step(u)
            assert step.weight[r, 0] == 5 * ((u + 1) / (5 * sent[worker]))


@pytest.mark.parametrize(
    ("fields", "weight", "mean"),
    [
        ({"staleness": {"power": 1}}, lambda s: 1 / (1 + s), np.log(30) / 29),
        ({"staleness": {"power": 0.5}}, lambda s: (1 + s) ** -0.5, 0.2818),
        ({"staleness": {"hinge": [10, 4]}}, lambda s: 1 / (10 * np.maximum(s - 4, 0) + 1), 0.1654),
        ({"delay_adaptive": True}, lambda s: 30 / np.maximum(s, 30), 0.8577),
    ],
    ids=["power 1", "power 1/2", "hinge", "adaptive"],
)
def test_what_a_stale_gradient_weighs(fields: dict, weight: object, mean: float) -> None:
    """Equal exponential workers: P(staleness = s) = (1 / n) (1 - 1 / n)^s; our derivation."""
    n, s = 30, np.arange(20_000)
    chance = (1 / n) * (1 - 1 / n) ** s
    assert chance @ weight(s) == pytest.approx(mean, abs=5e-5)
    scheme = SCHEMES["asynchronous"](**fields).build(n)
    tapes = [Tape(MODELS["exponential"](rate=1.0), n, 15, r) for r in range(40)]
    steps = scheme.steps(auto.simulate(scheme, tapes, Proportional(), 60, work=False))
    late = [steps.step(u).weight[:, 0] / n for u in range(600, 1800, 60)]
    assert_z(np.mean(late, axis=0), mean)


@pytest.mark.parametrize("none", [{"power": 0}, {"hinge": [3.0, float("inf")]}, {"hinge": [0, 0]}])
def test_a_discount_of_nothing_is_none_to_the_bit(none: dict) -> None:
    plain, discounted = (SCHEMES["k_batch_async"](wait_for=3, staleness=s) for s in (None, none))
    trace = both_engines(plain)[0]
    one, two = (family.build(12).steps(trace) for family in (plain, discounted))
    np.testing.assert_array_equal(one.weight, two.weight)


def test_partitions_of_a_long_run_are_those_of_one_draw() -> None:
    """They are drawn some at a time, from one stream a replication, in the order of messages; none
    for a message that is not there."""
    scheme, shape = SCHEMES["k_batch_async"](wait_for=2).build(7), (2, 2**16 + 5, 2)
    worker = np.zeros(shape, dtype=np.int32)
    worker[1, -1, 1] = -1
    heard = Messages(worker, np.zeros_like(worker))
    steps = scheme.steps(Trace(np.zeros(shape[:2]), heard, None, "batch", seed=4))
    seeds = [np.random.SeedSequence(4, spawn_key=(2**32 - 2, r)) for r in range(2)]
    drawn = [np.random.Generator(np.random.PCG64(s)).integers(0, 7, shape[1:]) for s in seeds]
    np.testing.assert_array_equal(steps.partition, np.where(worker < 0, -1, drawn))
    np.testing.assert_array_equal(steps.weight, np.where(worker < 0, 0.0, 7 / 2))


@engines
def test_ssp_by_hand(engine: Any) -> None:
    """Workers of 1 and 3 s, at most two gradients ahead."""
    scheme = SCHEMES["ssp"](ahead=2).build(2)
    trace = engine.simulate(scheme, [steady(1.0, 3.0)], Proportional(), 5)
    assert trace.times[0].tolist() == [1, 2, 3, 3, 4, 6, 7, 9, 10, 12]
    assert scheme.steps(trace).staleness[0].tolist() == [0, 0, 0, 3, 0, 1, 0, 1, 0, 1]
    assert trace.work.busy[0].tolist() == [6, 12]  # worker 0 waits from its fourth gradient on


def test_ssp_lies_between_uncoded_and_asynchronous() -> None:
    """At its ends it is both, to the bit."""
    tapes = [Tape(DELAY, 12, 3, r) for r in range(3)]

    def trace(name: str, iterations: int = 20, **fields: object) -> Trace:
        scheme = SCHEMES[name](**fields).build(12)
        return auto.simulate(scheme, tapes, Proportional(), iterations)

    assert same(trace("ssp"), trace("asynchronous"))
    assert same(trace("ssp", ahead=500), trace("asynchronous"))
    assert not same(trace("ssp", ahead=3), trace("asynchronous"))
    assert SCHEMES["ssp"](ahead=float("inf")) == SCHEMES["ssp"](ahead="inf") == SCHEMES["ssp"]()
    synchronous, uncoded = trace("ssp", ahead=0, wait_for=12, data="own"), trace("uncoded")
    np.testing.assert_array_equal(synchronous.times, uncoded.times)
    scheme = SCHEMES["ssp"](ahead=0, wait_for=12, data="own").build(12)
    assert scheme.exact
    steps = scheme.steps(synchronous)
    assert not steps.error.any()
    assert not steps.staleness.any()
    one = trace("ssp", ahead=0)
    np.testing.assert_array_equal(one.times[:, 11::12], uncoded.times)


@pytest.mark.parametrize(
    ("n", "ahead", "seconds"),
    [(2, s, 2 * mean_ssp(s, 1.0)) for s in (0, 1, 2, 5)]
    + [(30, 0, sum(1 / i for i in range(1, 31)))],
)
def test_mean_time_of_ssp(n: int, ahead: int, seconds: float) -> None:
    """Seconds per n gradients: two exponential workers in closed form (ours), all at s = 0."""
    scheme = SCHEMES["ssp"](ahead=ahead).build(n)
    tapes = [Tape(MODELS["exponential"](rate=1.0), n, 19, r) for r in range(200)]
    times = auto.simulate(scheme, tapes, Proportional(), 90, work=False).times
    early = 30 * n
    assert_z((times[:, -1] - times[:, early - 1]) / 60, seconds)


@pytest.mark.parametrize(("ahead", "seconds"), [(1, 2.346), (3, 1.615), (10, 1.209)])
def test_seconds_of_ssp_with_thirty_workers(ahead: int, seconds: float) -> None:
    """Numbers of a recursion with draws of its own, known to 0.002."""
    scheme, n = SCHEMES["ssp"](ahead=ahead).build(30), 30
    tapes = [Tape(MODELS["exponential"](rate=1.0), n, 20, r) for r in range(60)]
    times = auto.simulate(scheme, tapes, Proportional(), 300, work=False).times
    found = (times[:, -1] - times[:, 100 * n - 1]) / 200
    error = float(np.hypot(found.std(ddof=1) / np.sqrt(len(found)), 0.002))
    assert abs(found.mean() - seconds) < BOUND * error


@pytest.mark.parametrize("k", [1, 10, 30, 45])
def test_mean_time_of_k_batch_sync(k: int) -> None:
    """K / (n mu) for exponential times: the K-th event of a Poisson process of rate n mu."""
    n = 30
    scheme = SCHEMES["k_batch_sync"](wait_for=k).build(n)
    tapes = [Tape(DELAY, n, 12, r) for r in range(60)]
    intervals = auto.simulate(scheme, tapes, Proportional(), 30, work=False).intervals
    assert_z(intervals.ravel(), k / (n * 2.0))


@pytest.mark.parametrize("k", [1, 10, 30])
def test_mean_time_of_k_async(k: int) -> None:
    """(H_n - H_{n-K}) / mu for exponential times, which forget how long they have run."""
    n = 30
    scheme = SCHEMES["k_async"](wait_for=k).build(n)
    tapes = [Tape(DELAY, n, 13, r) for r in range(40)]
    intervals = auto.simulate(scheme, tapes, Proportional(), max(1, 60 * k // n)).intervals
    assert_z(intervals.ravel(), sum(1 / (n - i) for i in range(k)) / 2.0)


@pytest.mark.parametrize(
    ("name", "k"),
    [
        ("k_async", 5),
        ("k_batch_async", 1),
        ("k_batch_async", 40),
        ("k_batch_sync", 5),
        ("rennala", 7),
    ],
)
def test_mean_error_of_an_update(name: str, k: int) -> None:
    """n (n - 1) / K: the weight of a partition is n / K times a binomial number of K draws.

    Of different workers with data of their own it is n (n - K) / K, whoever they are.
    """
    n = 12
    field = {"batch" if name == "rennala" else "wait_for": k}
    tapes = [Tape(DELAY, n, 14, r) for r in range(60)]

    def errors(data: str) -> np.ndarray:
        scheme = SCHEMES[name](**field, data=data).build(n)
        return scheme.steps(auto.simulate(scheme, tapes, Proportional(), 20)).error

    sampled = errors("sampled")
    if k == 1:
        np.testing.assert_allclose(sampled, n * (n - 1))
    else:
        assert_z(sampled.mean(axis=1), n * (n - 1) / k)
    if name == "k_async":
        np.testing.assert_allclose(errors("own"), n * (n - k) / k)


# Trouble.


def test_what_the_batch_engine_refuses() -> None:
    stops, plain = SCHEMES["ringmaster"](oldest=3, stops=True), SCHEMES["asynchronous"]()
    for family, around in (
        (stops, {}),
        (plain, {"network": {"uplink_latency": 0.1}}),
        (plain, {"failures": {"max_wait": 9.0}}),
    ):
        with pytest.raises(ConfigError, match=r"engine = 'batch': .*needs? the event engine"):
            eh.simulate(family, DELAY, workers=12, engine="batch", **around)
    for choices in ({"oldest": 2, "restarts_at_once": False}, {"distinct": True}):
        with pytest.raises(ValueError, match=r"needs? the event engine"):
            batch.simulate(Barrierless("drawn", 12, 3, **choices), [steady(1)], Proportional(), 3)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"gradients": 4, "distinct": True}, "distinct: gradients = 4 must be at most n = 3"),
        ({"gradients": 2, "cycles": True}, "cycles needs"),
        ({"cycles": True, "oldest": 2}, "cycles needs"),
        ({"cycles": True, "stops": Stops.EVERYBODY}, "cycles needs"),
        ({"cycles": True, "restarts_at_once": False}, "cycles needs"),
        ({"cycles": True, "ahead": 1}, "ahead = 1 needs"),
        ({"ahead": 1, "oldest": 1}, "ahead = 1 needs"),
        ({"ahead": 0, "stops": Stops.EVERYBODY}, "ahead = 0 needs"),
        ({"ahead": 0, "distinct": True}, "ahead = 0 needs"),
        ({"ahead": 1, "restarts_at_once": False}, "ahead = 1 needs"),
    ],
)
def test_choices_that_do_not_go_together(choices: dict[str, Any], says: str) -> None:
    """The engines would each make something else of them, or never end."""
    with pytest.raises(ValueError, match=says):
        Barrierless("drawn", 3, **({"gradients": 1} | choices))


def test_an_update_counts_as_headway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two different workers; one that delivers in vain four times at one instant is endless."""
    monkeypatch.setattr(updates, "MOST_VAIN_MESSAGES", 3)
    made = updates.Decisions(Barrierless("drawn", 2, 2, distinct=True), 9)

    def hear(worker: int) -> int | None:
        made.decide([(worker, made.version, 0.0)], [made.version] * 2, 1.0)
        return made.endless

    assert [hear(worker) for worker in (0, 0, 0, 0, 1)] == [None] * 5
    assert made.version == 1
    assert [hear(0) for _ in range(4)] == [None] * 4
    assert hear(0) == 0


@pytest.mark.parametrize("name", ["asynchronous", "k_batch_async", "rennala", "ringmaster"])
def test_a_run_goes_on_without_dead_workers(name: str) -> None:
    fields = {"k_batch_async": {"wait_for": 3}, "rennala": {"batch": 3}}.get(name, {})
    scheme = SCHEMES[name](**fields).build(4)
    table = np.random.default_rng(2).random((400, 4))
    table[3:, 1] = table[:, 2] = INF
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 20)
    assert np.isfinite(trace.times).all()
    assert set(np.unique(messages(trace).message[0, -10:])) == {0, 3}


def test_a_worker_that_died_many_blocks_ago() -> None:
    """The batch engine forgets old tasks, those of a dead worker as well."""
    scheme = SCHEMES["ringmaster"](oldest=3).build(4)
    table = np.random.default_rng(3).random((4000, 4))
    table[5:, 2] = INF
    both(scheme, [TableTape(table, 16)], Proportional(), 400)


@engines
def test_who_arrives_together_is_ahead_of_nobody(engine: Any) -> None:
    """Two of two at one instant make an update: neither was waited for alone."""
    scheme = SCHEMES["k_batch_async"](wait_for=2).build(2)
    work = engine.simulate(scheme, [steady(3, 3)], Proportional(), 4).work
    np.testing.assert_array_equal(work.margin, [[0, 0, 0, 0]])
    np.testing.assert_array_equal(work.last, [[-1, -1, -1, -1]])


def lives(up: list[list[float]], down: list[list[float]]) -> Any:
    return [(TableTape(np.array(up)), TableTape(np.array(down)))]


ASYNCHRONOUS = SCHEMES["asynchronous"]()


@pytest.mark.parametrize(
    ("family", "seconds", "iterations", "around", "times"),
    [
        # Updates at 1, 2, 3, ...: a second is enough; then the event engine runs.
        (ASYNCHRONOUS, [1], 5, {"max_wait": 1.0}, [1, 2, 3, 4, 5]),
        # Down 0.25, up 0.5, task 1: a worker's gradients come every 1.75 s.
        (
            ASYNCHRONOUS,
            [1, 1],
            3,
            {"network": {"broadcast_latency": 0.25, "uplink_latency": 0.5}},
            [1.75, 1.75, 3.5, 3.5, 5.25, 5.25],
        ),
        # K = 2 of different workers: the first delivers at 1 s, is down from 2 to 3 s, and waits
        # on: it does not start because it was repaired.
        (
            SCHEMES["k_async"](wait_for=2),
            [1, 10],
            1,
            {"lives": lives([[2.0, INF], [INF, INF]], [[1.0, INF], [INF, INF]])},
            [10],
        ),
    ],
)
def test_instants_of_updates_by_hand(family, seconds, iterations, around, times) -> None:
    scheme = family.build(len(seconds))
    trace = auto.simulate(scheme, [steady(*seconds)], Proportional(), iterations, **around)
    np.testing.assert_array_equal(trace.times[0], times)
    if "network" in around:  # a model is as old as its way and its task
        np.testing.assert_array_equal(messages(trace).version[0, :, 0], [0, 0, 2, 2, 4, 4])
        np.testing.assert_array_equal(trace.work.busy[0], [3, 3])
    if len(times) == 1:
        np.testing.assert_array_equal(messages(trace).message[0, 0], [0, 1])


def test_what_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four workers two are dead and three wanted; an update takes longer than ``max_wait``; and
    workers that only crash."""
    monkeypatch.setattr("erasurehead.sim.engines.event.barrierless.MOST_CRASHES", 50)
    k_async = SCHEMES["k_async"](wait_for=3).build(4)
    error = auto.stuck(k_async, [steady(1, 1, INF, INF)], Proportional(), 2)
    assert (error.iteration, error.missing) == (1, [2, 3])
    error = auto.stuck(ASYNCHRONOUS.build(1), [steady(1)], Proportional(), 5, max_wait=0.75)
    assert "max_wait = 0.75" in str(error)
    short = lives([[0.5, 0.5]] * 400, [[0.5, 0.5]] * 400)
    tapes = [steady(1, 1, rows=400)]
    error = auto.stuck(ASYNCHRONOUS.build(2), tapes, Proportional(), 2, lives=short)
    assert "crashes" in str(error)


@pytest.mark.parametrize("name", ["asynchronous", "k_async", "malenia"])
def test_an_instant_network_changes_nothing(name: str) -> None:
    """Two programs for workers, one truth."""
    scheme = SCHEMES[name](**({"wait_for": 4} if name == "k_async" else {})).build(6)
    run = scheme, [Tape(DELAY, 6, 1, 0)], Proportional(), 20
    ideal, real = event.simulate(*run), event.simulate(*run, network={})
    np.testing.assert_array_equal(ideal.times, real.times)
    np.testing.assert_array_equal(messages(ideal).version, messages(real).version)
    np.testing.assert_array_equal(messages(ideal).message, messages(real).message)


def test_crashes_cost_tasks_and_time() -> None:
    """Worker 2 crashes at 1.5 s of a task of 2 s, is back at 2.5 s and delivers at 4.5 s."""
    crash = lives([[INF, 1.5], [INF, INF]], [[INF, 1.0], [INF, INF]])
    run = ASYNCHRONOUS.build(2), [steady(3, 2)], Proportional(), 2
    trace, spans = timeline(*run, lives=crash)
    dead = [(s.worker, s.start, s.end, s.iteration) for s in spans if s.kind == "dead"]
    assert dead == [(1, 1.5, 2.5, 0)]
    np.testing.assert_array_equal(trace.times[0], [3, 4.5, 6, 6.5])
    np.testing.assert_array_equal(messages(trace).message[0, :, 0], [0, 1, 0, 1])
    np.testing.assert_array_equal(trace.work.down[0], [0, 1])
    np.testing.assert_array_equal(trace.work.busy[0], [6.5, 5.5])
    assert trace.fails


def test_a_repaired_worker_does_not_begin_twice_with_one_model() -> None:
    """Models take 3 s. Worker 1 is down from 4.5 to 5.5 s, when a model is on its way to it: the
    first update is at 5 s; it has that model at 5.5 s and its second task takes 9 s."""
    crash = lives([[4.5, INF], [INF, INF]], [[1.0, INF], [INF, INF]])
    scheme = SCHEMES["k_batch_sync"](wait_for=1).build(2)
    table = np.array([[9.0, 2.0], [9.0, 20.0], [4.0, 20.0], [9.0, 20.0], [9.0, 20.0]])
    around = {"network": {"broadcast_latency": 3.0}, "lives": crash}
    trace = auto.simulate(scheme, [TableTape(table)], Proportional(), 1, **around)
    np.testing.assert_array_equal(trace.times[0], [5, 14.5])


def test_a_trace_that_ends_is_refused(tmp_path) -> None:
    """Fast workers would come to its end before slow ones."""
    (path := tmp_path / "trace.csv").write_text("1.0,2.0\n1.5,2.5\n")
    measured = {"unit": "s", "header": "no"}
    with pytest.raises(ValueError, match=r"delay.end = 'truncated': .* give end: cyclic"):
        eh.simulate(ASYNCHRONOUS, MODELS["trace"](path=str(path), **measured), workers=2)
    cyclic = MODELS["trace"](path=str(path), end="cyclic", **measured)
    assert eh.simulate(ASYNCHRONOUS, cyclic, workers=2).times.shape == (1, 100)
