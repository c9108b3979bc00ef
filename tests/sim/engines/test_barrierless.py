"""Schemes without a barrier: two engines to the bit, traces worked by hand, and the mean times.

Where the batch engine refuses, the event engine is held to hand-worked traces and to theory alone.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead import ConfigError
from erasurehead.delays import MODELS, Tape
from erasurehead.experiments.config.build import ImpossibleCell, run_of
from erasurehead.experiments.config.cells import cells
from erasurehead.load_laws import Additive, LoadLaw, Proportional
from erasurehead.plugins import Barrierless, InvalidParameter, Messages, Run, Stops, Trace
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.base.errors import EngineRefused, NeverEnough
from erasurehead.sim.base.numerics import generator
from erasurehead.sim.base.types import Recorder, Span
from erasurehead.sim.engines import updates
from erasurehead.sim.engines.run import Cluster, Engine, Failures, Network, Policy
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.training.steps import SingleGradients, Sparse
from erasurehead.theory import asynchronous_weights, mean_ssp
from tests.sim.engines.agreement import (
    arrays,
    batch,
    both,
    both_finish,
    dead_shares,
    event,
    lattice,
    laws,
    plain,
    steps,
)
from tests.statistics import BOUND, assert_z
from tests.tools import TableTape, examples

INF = np.inf


def messages(trace: Trace) -> Messages:
    assert isinstance(trace.heard, Messages)
    return trace.heard


def steady(*seconds: float, rows: int = 40) -> TableTape:
    """Every task of worker j takes ``seconds[j]``."""
    return TableTape(np.tile(np.array(seconds), (rows, 1)))


def same(one: Trace, two: Trace) -> bool:
    a, b = arrays(one), arrays(two)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


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
    scheme=barrierless(),
    law=laws,
    iterations=st.integers(1, 9),
    replications=st.sampled_from([1, 2, 3, 7]),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4, 50, 10**6]),
    step=steps,
    dead=dead_shares,
)
@examples(300)
def test_engines_agree_on_lattices_with_ties_and_zeros(
    scheme: Barrierless,
    law: LoadLaw,
    iterations: int,
    replications: int,
    seed: int,
    levels: int,
    step: float,
    dead: float,
) -> None:
    """levels=1 makes every delay 0: waves of one instant are all that is left.

    Seven replications are simulated together, where none of their messages tie.
    """
    tapes = lattice(seed, scheme.workers, replications, levels, step, dead)
    trace = both(scheme, tapes, law, iterations, Policy.CANCEL)
    run = Run(scheme, tapes, law, iterations)
    if isinstance(trace, Trace):
        clock = simulate(run, heard=False, work=False)
        assert run.refusal() is not None or (clock.heard, clock.work) == (None, None)
        np.testing.assert_array_equal(clock.times, trace.times)
    else:
        with pytest.raises(NeverEnough) as caught:
            simulate(run, heard=False, work=False)
        assert repr(caught.value) == repr(trace)


@given(
    n=st.integers(1, 6),
    gradients=st.integers(1, 9),
    oldest=st.sampled_from([INF, 1, 2, 3, 7]),
    at_once=st.booleans(),
    stops=st.sampled_from(Stops),
    distinct=st.booleans(),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4, 50]),
    dead=st.sampled_from([0.0, 0.0, 0.02]),
    ahead=st.sampled_from([INF, INF, 0, 1, 3]),
)
@examples(300)
def test_the_event_engine_does_what_a_plain_loop_does(
    n: int,
    gradients: int,
    oldest: float,
    at_once: bool,
    stops: Stops,
    distinct: bool,
    seed: int,
    levels: int,
    dead: float,
    ahead: float,
) -> None:
    """All four choices, those that the batch engine refuses among them."""
    k = gradients if at_once and not distinct else min(gradients, n)
    scheme = Barrierless(
        "drawn", n, k, oldest, restarts_at_once=at_once, stops=stops, distinct=distinct
    )
    if ahead < INF:
        scheme = Barrierless("drawn", n, gradients, ahead=ahead)
    rng = np.random.default_rng(seed)
    table = rng.integers(0, levels, (600, n)) * 0.25
    table[rng.random(table.shape) < dead] = INF
    run = Run(scheme, [TableTape(table)], Proportional(), 3)
    expected = plain(scheme, table, run.updates)
    if expected is None:
        with pytest.raises(NeverEnough):
            simulate(run, "event")
        return
    trace = simulate(run, "event")
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
    if family.build(12).refusal() is None  # type: ignore[attr-defined]
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
def test_engines_agree_on_real_delays_across_blocks(family: SchemeFamily, delay: object) -> None:
    """The tape's blocks are short, and workers read them at very different speeds."""

    class Short(Tape):
        @property
        def block_rounds(self) -> int:
            return 16

    for replications in (2, 6):
        tapes = [Short(delay, 12, 5, r) for r in range(replications)]  # type: ignore[arg-type]
        law = Additive(seconds_per_partition=0.02)
        trace = both(family.build(12), tapes, law, 40, Policy.CANCEL)
        assert isinstance(trace, Trace)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("oldest", [1, 2, 12, 40])
@pytest.mark.parametrize("few", [0, 300])
def test_which_messages_are_too_old_is_found_for_many_at_once(
    monkeypatch: pytest.MonkeyPatch, oldest: int, few: int
) -> None:
    """Uncertain messages are decided together while they are many, the last few in turn."""
    monkeypatch.setattr("erasurehead.sim.engines.batch.barrierless.MOST_IN_TURN", few)
    for delay in (MODELS["pareto"](scale=0.1, alpha=1.1), MODELS["exponential"](rate=2.0)):
        tapes = [Tape(delay, 12, 5, r) for r in range(2)]
        scheme = SCHEMES["ringmaster"](oldest=oldest).build(12)
        both_finish(scheme, tapes, Proportional(), 500, Policy.CANCEL)


@pytest.mark.parametrize("replications", [1, 6])
def test_many_tasks_in_one_update(replications: int) -> None:
    """One worker of four is a hundred times as fast: the batch engine looks further ahead."""
    slow, fast = (MODELS["exponential"](rate=rate) for rate in (1.0, 100.0))
    delay = MODELS["own_laws"](base=slow, workers=(0,), models=(fast,))
    for k in (1, 5, 90):
        tapes = [Tape(delay, 4, 7, r) for r in range(replications)]
        scheme = SCHEMES["k_batch_sync"](wait_for=k).build(4)
        both_finish(scheme, tapes, Proportional(), 150, Policy.CANCEL)


@pytest.mark.slow
def test_the_clock_alone_takes_the_memory_of_the_clock() -> None:
    """Of 120,000 messages nothing is kept but the instants of updates, 8 bytes each."""
    for name, fields in (("asynchronous", {}), ("ringmaster", {"oldest": 30}), ("ringleader", {})):
        scheme = SCHEMES[name](**fields).build(30)
        run = Run(scheme, [Tape(DELAY, 30, 0, 0)], Proportional(), 4000)
        tracemalloc.start()
        try:
            trace = simulate(run, heard=False, work=False)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < trace.times.nbytes + 8 * 2**20


@pytest.mark.parametrize("workers", [70_000])
def test_more_workers_than_a_short_number_counts(workers: int) -> None:
    """Messages are sorted by worker in 16 bits up to 65,536 workers, and in full beyond."""
    delays = np.random.default_rng(0).random((12, workers))
    scheme = SCHEMES["asynchronous"]().build(workers)
    trace = simulate(Run(scheme, [TableTape(delays, block_rounds=1)], Proportional(), 1))
    order = np.argsort(delays[0])[:10]
    np.testing.assert_array_equal(messages(trace).message[0, :10, 0], order)
    np.testing.assert_array_equal(trace.times[0, :10], delays[0, order])


# Traces worked by hand.


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
def test_rennala_counts_gradients_of_the_current_model(engine: object) -> None:
    """Times 1, 2, 4 and S = 4: at 1, 2, 2 and 3 s four gradients of the first model have come.

    At 4 s those of workers 2 and 3 are still of the first model, and dropped. Of the second model
    worker 1's come at 4, 5 and 6 s, and worker 2's at 6 s.
    """
    scheme = SCHEMES["rennala"](batch=4).build(3)
    trace = engine.simulate(scheme, [steady(1, 2, 4)], Proportional(), 2)  # type: ignore[attr-defined]
    heard = messages(trace)
    assert trace.times[0, 0] == 3.0
    np.testing.assert_array_equal(heard.message[0, 0], [0, 0, 1, 0])
    assert trace.times[0, 1] == 6.0
    np.testing.assert_array_equal(heard.message[0, 1], [0, 0, 0, 1])
    assert (heard.version[0] == [[0], [1]]).all()


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
@pytest.mark.parametrize(("oldest", "counts"), [(2, False), (4, True)])
def test_ringmaster_refuses_gradients_that_are_too_old(
    engine: object, oldest: int, counts: bool
) -> None:
    """Times 1 and 3: worker 2's gradients are three updates old whenever they come."""
    scheme = SCHEMES["ringmaster"](oldest=oldest).build(2)
    trace = engine.simulate(scheme, [steady(1, 3)], Proportional(), 8)  # type: ignore[attr-defined]
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
    trace = simulate(Run(scheme, [TableTape(table)], Proportional(), 3))
    heard = messages(trace)
    np.testing.assert_array_equal(trace.times[0], [1, 2, 3, 4, 4.5, 5])
    np.testing.assert_array_equal(heard.message[0, :, 0], [0, 0, 0, 0, 1, 0])
    np.testing.assert_array_equal(heard.version[0, :, 0], [0, 1, 2, 3, 4, 4])


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
def test_k_async_workers_wait_for_the_update(engine: object) -> None:
    """Times 1, 2, 5 and K = 2: updates at 2 and 4; at 5 worker 3's first gradient is in one. Two
    iterations of three gradients are three updates."""
    scheme = SCHEMES["k_async"](wait_for=2).build(3)
    trace = engine.simulate(scheme, [steady(1, 2, 5)], Proportional(), 2)  # type: ignore[attr-defined]
    heard = messages(trace)
    np.testing.assert_array_equal(trace.times[0], [2, 4, 5])
    np.testing.assert_array_equal(heard.message[0], [[0, 1], [0, 1], [0, 2]])
    np.testing.assert_array_equal(heard.version[0], [[0, 0], [1, 1], [2, 0]])
    assert trace.work is not None
    # Worker 1 waits from 1 to 2 and from 3 to 4, the others never.
    np.testing.assert_array_equal(trace.work.busy[0], [3, 5, 5])


@pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])
def test_k_batch_sync_starts_everybody_anew(engine: object) -> None:
    """Times 1, 2, 5 and K = 3: 1, 2, 2; then from 2 s on again. Row i is a worker's own i-th task.

    Worker 1 has begun three tasks by then (the third is stopped), worker 2 two, worker 3 one.
    """
    table = np.tile([1.0, 2.0, 5.0], (12, 1))
    table[1, 2] = 0.25  # worker 3's second task
    scheme = SCHEMES["k_batch_sync"](wait_for=3).build(3)
    trace = engine.simulate(scheme, [TableTape(table)], Proportional(), 2)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(trace.times[0], [2, 4])
    np.testing.assert_array_equal(messages(trace).message[0], [[0, 0, 1], [2, 0, 0]])
    assert trace.work is not None
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
        assert isinstance(trace.heard, Messages)
        assert trace.heard.message.tolist() == [[[0, 1], [1, 2], [1, 2]]]
        assert trace.heard.version.tolist() == [[[0, 0], [1, 1], [2, 2]]]


# One scheme as a special case of another, to the bit.

DELAY = MODELS["exponential"](rate=2.0)


def both_engines(family: SchemeFamily, iterations: int = 30) -> list[Trace]:
    tapes = [Tape(DELAY, 12, 3, r) for r in range(3)]
    scheme = family.build(12)
    return [engine.simulate(scheme, tapes, Proportional(), iterations) for engine in (event, batch)]


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
def test_mean_time_without_waiting(k: int, delay: object) -> None:
    """K E[X] / n per update, by the renewal theorem, once the start is forgotten.

    Source: Dutta et al. (arXiv 1803.01113); theory of the asynchronous family.
    """
    n, replications = 30, 200
    scheme = SCHEMES["k_batch_async"](wait_for=k).build(n)
    tapes = [Tape(delay, n, 11, r) for r in range(replications)]  # type: ignore[arg-type]
    times = simulate(Run(scheme, tapes, Proportional(), 60), work=False).times
    early, updates = times.shape[1] // 3, times.shape[1]
    means = (times[:, -1] - times[:, early - 1]) / (updates - early)
    assert_z(means, k * delay.mean() / n)  # type: ignore[attr-defined]


def descent(family: SchemeFamily, tape: object, iterations: int, rate: float) -> float:
    """Where two losses (x - c)^2 / 2, c = 0 and 1, end: a plain loop over the updates, from 0."""
    scheme = family.build(2)
    steps = scheme.steps(simulate(Run(scheme, [tape], Proportional(), iterations), work=False))  # type: ignore[list-item]
    models = [0.0]
    for u in range(scheme.updates(iterations)):
        step = steps.step(u)
        assert isinstance(step, Sparse)
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
    run = Run(scheme, [tape], Proportional(), 4)
    step = [scheme.steps(simulate(run)).step(u) for u in range(8)]
    weights = [float(s.weight[0, 0]) for s in step]  # type: ignore[union-attr]
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
    trace = simulate(Run(scheme, tapes, Proportional(), 20), work=False)
    steps = scheme.steps(trace)
    for r, senders in enumerate(messages(trace).message[:, :, 0]):
        sent = np.zeros(5)
        for u, worker in enumerate(senders):
            sent[worker] += 1
            step = steps.step(u)
            assert isinstance(step, Sparse)
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
    assert chance @ weight(s) == pytest.approx(mean, abs=5e-5)  # type: ignore[operator]
    scheme = SCHEMES["asynchronous"](**fields).build(n)
    tapes = [Tape(MODELS["exponential"](rate=1.0), n, 15, r) for r in range(40)]
    steps = scheme.steps(simulate(Run(scheme, tapes, Proportional(), 60), work=False))
    late = [steps.step(u).weight[:, 0] / n for u in range(600, 1800, 60)]  # type: ignore[union-attr]
    assert_z(np.mean(late, axis=0), mean)


@pytest.mark.parametrize("none", [{"power": 0}, {"hinge": [3.0, float("inf")]}, {"hinge": [0, 0]}])
def test_a_discount_of_nothing_is_none_to_the_bit(none: dict) -> None:
    plain, discounted = (SCHEMES["k_batch_async"](wait_for=3, staleness=s) for s in (None, none))
    trace = both_engines(plain)[0]
    one, two = (family.build(12).steps(trace) for family in (plain, discounted))
    assert isinstance(one, SingleGradients)
    assert isinstance(two, SingleGradients)
    np.testing.assert_array_equal(one.weight, two.weight)


def test_partitions_of_a_long_run_are_those_of_one_draw() -> None:
    """They are drawn some at a time, from one stream a replication, in the order of messages; none
    for a message that is not there."""
    scheme, shape = SCHEMES["k_batch_async"](wait_for=2).build(7), (2, 2**16 + 5, 2)
    worker = np.zeros(shape, dtype=np.int32)
    worker[1, -1, 1] = -1
    heard = Messages(worker, np.zeros_like(worker))
    steps = scheme.steps(Trace(np.zeros(shape[:2]), heard, None, "batch", seed=4))
    assert isinstance(steps, SingleGradients)
    drawn = [generator(4, 2**32 - 2, r).integers(0, 7, shape[1:]) for r in range(2)]
    np.testing.assert_array_equal(steps.partition, np.where(worker < 0, -1, drawn))
    np.testing.assert_array_equal(steps.weight, np.where(worker < 0, 0.0, 7 / 2))


def test_what_asynchronous_refuses() -> None:
    for wrong in (
        {},
        {"power": 1, "hinge": [1, 2]},
        {"power": -1},
        {"power": np.inf},
        {"hinge": [1]},
    ):
        with pytest.raises(ConfigError):
            SCHEMES["asynchronous"](staleness=wrong)
    for fields, said in (
        ({"staleness": {"power": 1}, "delay_adaptive": True}, "staleness"),
        ({"rescale": True}, "data: own"),
    ):
        with pytest.raises(InvalidParameter, match=said):
            SCHEMES["asynchronous"](**fields).build(4)


@pytest.mark.parametrize("engine", [event, batch], ids=lambda engine: engine.name)
def test_ssp_by_hand(engine: object) -> None:
    """Workers of 1 and 3 s, at most two gradients ahead."""
    scheme = SCHEMES["ssp"](ahead=2).build(2)
    trace = engine.simulate(scheme, [steady(1.0, 3.0)], Proportional(), 5)  # type: ignore[attr-defined]
    assert trace.times[0].tolist() == [1, 2, 3, 3, 4, 6, 7, 9, 10, 12]
    assert scheme.steps(trace).staleness[0].tolist() == [0, 0, 0, 3, 0, 1, 0, 1, 0, 1]
    assert trace.work.busy[0].tolist() == [6, 12]  # worker 0 waits from its fourth gradient on


def test_ssp_lies_between_uncoded_and_asynchronous() -> None:
    """At its ends it is both, to the bit."""
    tapes = [Tape(DELAY, 12, 3, r) for r in range(3)]

    def trace(name: str, iterations: int = 20, **fields: object) -> Trace:
        scheme = SCHEMES[name](**fields).build(12)
        return simulate(Run(scheme, tapes, Proportional(), iterations))

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
    times = simulate(Run(scheme, tapes, Proportional(), 90), work=False).times
    early = 30 * n
    assert_z((times[:, -1] - times[:, early - 1]) / 60, seconds)


@pytest.mark.parametrize(("ahead", "seconds"), [(1, 2.346), (3, 1.615), (10, 1.209)])
def test_seconds_of_ssp_with_thirty_workers(ahead: int, seconds: float) -> None:
    """Numbers of a recursion with draws of its own, known to 0.002."""
    scheme, n = SCHEMES["ssp"](ahead=ahead).build(30), 30
    tapes = [Tape(MODELS["exponential"](rate=1.0), n, 20, r) for r in range(60)]
    times = simulate(Run(scheme, tapes, Proportional(), 300), work=False).times
    found = (times[:, -1] - times[:, 100 * n - 1]) / 200
    error = float(np.hypot(found.std(ddof=1) / np.sqrt(len(found)), 0.002))
    assert abs(found.mean() - seconds) < BOUND * error


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "far"])
def test_how_far_ahead_is_a_whole_number_or_inf(wrong: object) -> None:
    with pytest.raises(ConfigError):
        SCHEMES["ssp"](ahead=wrong)


@pytest.mark.parametrize("k", [1, 10, 30, 45])
def test_mean_time_of_k_batch_sync(k: int) -> None:
    """K / (n mu) for exponential times: the K-th event of a Poisson process of rate n mu."""
    n = 30
    scheme = SCHEMES["k_batch_sync"](wait_for=k).build(n)
    tapes = [Tape(DELAY, n, 12, r) for r in range(60)]
    intervals = simulate(Run(scheme, tapes, Proportional(), 30), work=False).intervals
    assert_z(intervals.ravel(), k / (n * 2.0))


@pytest.mark.parametrize("k", [1, 10, 30])
def test_mean_time_of_k_async(k: int) -> None:
    """(H_n - H_{n-K}) / mu for exponential times, which forget how long they have run."""
    n = 30
    scheme = SCHEMES["k_async"](wait_for=k).build(n)
    tapes = [Tape(DELAY, n, 13, r) for r in range(40)]
    intervals = simulate(Run(scheme, tapes, Proportional(), max(1, 60 * k // n))).intervals
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
        return scheme.steps(simulate(Run(scheme, tapes, Proportional(), 20))).error

    sampled = errors("sampled")
    if k == 1:
        np.testing.assert_allclose(sampled, n * (n - 1))
    else:
        assert_z(sampled.mean(axis=1), n * (n - 1) / k)
    if name == "k_async":
        np.testing.assert_allclose(errors("own"), n * (n - k) / k)


# Trouble.


def test_what_the_batch_engine_refuses() -> None:
    tapes = [Tape(DELAY, 12, 0, 0)]
    refused = (
        SCHEMES["ringmaster"](oldest=3, stops=True).build(12),
        Barrierless("drawn", 12, 3, oldest=2, restarts_at_once=False),
        Barrierless("drawn", 12, 3, distinct=True),
    )
    for one in refused:
        with pytest.raises(EngineRefused, match=r"needs? the event engine"):
            simulate(Run(one, tapes, Proportional(), 3), "batch")
    network = Cluster(network=Network(uplink_latency=0.1))
    scheme = SCHEMES["asynchronous"]().build(12)
    for around in (network, Cluster(max_wait=9.0)):
        with pytest.raises(EngineRefused, match="needs the event engine"):
            simulate(Run(scheme, tapes, Proportional(), 3, cluster=around), "batch")


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
    trace = both(scheme, [TableTape(table)], Proportional(), 20, Policy.CANCEL)
    assert isinstance(trace, Trace)
    assert np.isfinite(trace.times).all()
    assert set(np.unique(messages(trace).message[0, -10:])) == {0, 3}


def test_a_worker_that_died_many_blocks_ago() -> None:
    """The batch engine forgets old tasks, those of a dead worker as well."""
    scheme = SCHEMES["ringmaster"](oldest=3).build(4)
    table = np.random.default_rng(3).random((4000, 4))
    table[5:, 2] = INF
    both(scheme, [TableTape(table, 16)], Proportional(), 400, Policy.CANCEL)


def test_k_async_ends_when_too_few_workers_are_left() -> None:
    """Two of four are dead, and three different workers are wanted."""
    scheme = SCHEMES["k_async"](wait_for=3).build(4)
    with pytest.raises(NeverEnough) as caught:
        simulate(Run(scheme, [steady(1, 1, INF, INF)], Proportional(), 2))
    assert (caught.value.iteration, caught.value.missing) == (1, [2, 3])


@pytest.mark.parametrize("engine", ["event", "batch"])
def test_who_arrives_together_is_ahead_of_nobody(engine: Engine) -> None:
    """Two of two at one instant make an update: neither was waited for alone."""
    scheme = SCHEMES["k_batch_async"](wait_for=2).build(2)
    work = simulate(Run(scheme, [steady(3, 3)], Proportional(), 4), engine).work
    assert work is not None
    np.testing.assert_array_equal(work.margin, [[0, 0, 0, 0]])
    np.testing.assert_array_equal(work.last, [[-1, -1, -1, -1]])


def test_max_wait_is_between_updates() -> None:
    """Updates at 1, 2, 3, ...: a second is enough, less is not; then the event engine runs."""
    scheme = SCHEMES["asynchronous"]().build(1)
    run = Run(scheme, [steady(1)], Proportional(), 5, cluster=Cluster(max_wait=1.0))
    np.testing.assert_array_equal(simulate(run).times[0], [1, 2, 3, 4, 5])
    short = Run(scheme, [steady(1)], Proportional(), 5, cluster=Cluster(max_wait=0.75))
    with pytest.raises(NeverEnough, match=r"max_wait = 0.75"):
        simulate(short)


def test_a_network_delays_models_and_gradients() -> None:
    """Down 0.25, up 0.5, task 1: a worker's gradients come every 1.75 s, its model is that old."""
    scheme = SCHEMES["asynchronous"]().build(2)
    network = Cluster(network=Network(broadcast_latency=0.25, uplink_latency=0.5))
    trace = simulate(Run(scheme, [steady(1, 1)], Proportional(), 3, cluster=network))
    np.testing.assert_array_equal(trace.times[0], [1.75, 1.75, 3.5, 3.5, 5.25, 5.25])
    np.testing.assert_array_equal(messages(trace).version[0, :, 0], [0, 0, 2, 2, 4, 4])
    assert trace.work is not None
    np.testing.assert_array_equal(trace.work.busy[0], [3, 3])


def test_an_instant_network_changes_nothing() -> None:
    """Two programs for workers, one truth."""
    for name, fields in (("asynchronous", {}), ("k_async", {"wait_for": 4})):
        scheme = SCHEMES[name](**fields).build(6)
        tapes = [Tape(DELAY, 6, 1, 0)]
        ideal = simulate(Run(scheme, tapes, Proportional(), 20), "event")
        around = Cluster(network=Network())
        real = simulate(Run(scheme, tapes, Proportional(), 20, cluster=around), "event")
        np.testing.assert_array_equal(ideal.times, real.times)
        np.testing.assert_array_equal(messages(ideal).version, messages(real).version)


def test_crashes_cost_tasks_and_time() -> None:
    """Worker 2 crashes at 1.5 s of a task of 2 s, is back at 2.5 s and delivers at 4.5 s."""
    scheme = SCHEMES["asynchronous"]().build(2)
    up = TableTape(np.array([[INF, 1.5], [INF, INF]]))
    down = TableTape(np.array([[INF, 1.0], [INF, INF]]))
    cluster = Cluster(failures=[Failures(up, down)])
    recorder = Recorder()
    trace = simulate(
        Run(scheme, [steady(3, 2)], Proportional(), 2, cluster=cluster), recorder=recorder
    )
    assert [span for span in recorder.spans if span.kind == "dead"] == [
        Span(1, "dead", 1.5, 2.5, 0)
    ]
    np.testing.assert_array_equal(trace.times[0], [3, 4.5, 6, 6.5])
    np.testing.assert_array_equal(messages(trace).message[0, :, 0], [0, 1, 0, 1])
    assert trace.work is not None
    np.testing.assert_array_equal(trace.work.down[0], [0, 1])
    np.testing.assert_array_equal(trace.work.busy[0], [6.5, 5.5])
    assert trace.fails


def test_workers_that_only_crash_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erasurehead.sim.engines.event.barrierless.MOST_CRASHES", 50)
    scheme = SCHEMES["asynchronous"]().build(2)
    lives = TableTape(np.full((400, 2), 0.5))
    cluster = Cluster(failures=[Failures(lives, lives)])
    with pytest.raises(NeverEnough, match="crashes"):
        simulate(Run(scheme, [steady(1, 1, rows=400)], Proportional(), 2, cluster=cluster))


def test_a_trace_that_ends_is_refused(tmp_path: Path) -> None:
    """Fast workers would come to its end before slow ones; in a sweep only that cell fails."""
    path = tmp_path / "trace.csv"
    path.write_text("1.0,2.0\n1.5,2.5\n")
    document = {
        "workers": 2,
        "delay": {"model": "trace", "path": str(path)},
        "schemes": [{"name": "asynchronous"}],
    }
    (cell,) = cells(document)
    with pytest.raises(ImpossibleCell, match=r"delay.end = 'truncated': .* give end: cyclic"):
        run_of(cell.settings)
    document["delay"]["end"] = "cyclic"  # type: ignore[index]
    (cell,) = cells(document)
    trace = simulate(run_of(cell.settings))
    assert trace.times.shape == (1, 200)


def test_a_worker_that_waits_does_not_start_because_it_was_repaired() -> None:
    """K = 2 of different workers: worker 1 delivers at 1 s, is down from 2 to 3 s, and waits on."""
    scheme = SCHEMES["k_async"](wait_for=2).build(2)
    up = TableTape(np.array([[2.0, INF], [INF, INF]]))
    down = TableTape(np.array([[1.0, INF], [INF, INF]]))
    cluster = Cluster(failures=[Failures(up, down)])
    trace = simulate(Run(scheme, [steady(1, 10)], Proportional(), 1, cluster=cluster))
    assert trace.times[0, 0] == 10
    np.testing.assert_array_equal(messages(trace).message[0, 0], [0, 1])


def test_a_repaired_worker_does_not_begin_twice_with_one_model() -> None:
    """Models take 3 s. Worker 1 is down from 4.5 to 5.5 s, when a model is on its way to it."""
    scheme = SCHEMES["k_batch_sync"](wait_for=1).build(2)
    up = TableTape(np.array([[4.5, INF], [INF, INF]]))
    down = TableTape(np.array([[1.0, INF], [INF, INF]]))
    cluster = Cluster(network=Network(broadcast_latency=3.0), failures=[Failures(up, down)])
    table = np.array([[9.0, 2.0], [9.0, 20.0], [4.0, 20.0], [9.0, 20.0], [9.0, 20.0]])
    run = Run(scheme, [TableTape(table)], Proportional(), 1, cluster=cluster)
    trace = simulate(run)
    # The first update is at 5 s; worker 1 has that model at 5.5 s and its second task takes 9 s.
    assert trace.times[0, 0] == 5
    assert trace.times[0, 1] == 14.5
