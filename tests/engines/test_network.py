"""The network, lost messages and failures: agreement, and cases worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engines import batch, event
from sim.engines.cluster import Cluster, Failures
from sim.engines.network import Network
from sim.engines.policy import Policy
from sim.engines.timeline import Recorder
from sim.errors import EngineRefused, NeverEnough
from sim.load_laws import Additive, PerPartition, Proportional
from sim.schemes import SCHEMES, Scheme
from sim.types import Tape, Trace
from tests.engines.test_agreement import schemes
from tests.tables import LatticeTape, TableTape

FIELDS = ("times", "arrived", "busy", "useful", "last", "margin")
ticks = st.integers(0, 4)


def both(
    scheme: Scheme, tapes: Sequence[Tape], law: object, rounds: int, policy: Policy, around: Cluster
) -> Trace:
    slow = event.simulate(scheme, tapes, law, rounds, policy, around)  # type: ignore[arg-type]
    fast = batch.simulate(scheme, tapes, law, rounds, policy, around)  # type: ignore[arg-type]
    for name in FIELDS:
        assert np.array_equal(getattr(slow, name), getattr(fast, name)), name
    return slow


multi = st.builds(
    lambda n, d, r: SCHEMES["multi_message"](load=min(n, d), wait_for=r).build(n),
    st.integers(2, 6),
    st.integers(1, 3),
    st.none() | st.integers(1, 2),
)


@given(
    scheme=schemes() | multi,
    law=st.sampled_from([Proportional(), Additive(seconds_per_partition=0.25), PerPartition()]),
    policy=st.sampled_from(list(Policy)),
    latencies=st.tuples(ticks, ticks, ticks),
    step=st.sampled_from([0.1, 0.25]),
    lossy=st.booleans(),
    rounds=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([1, 2, 4]),
)
@settings(max_examples=400, deadline=None)
def test_engines_agree_on_a_network_full_of_ties(
    scheme: Scheme,
    law: object,
    policy: Policy,
    latencies: tuple[int, int, int],
    step: float,
    lossy: bool,
    rounds: int,
    seed: int,
    levels: int,
) -> None:
    """Latencies on the lattice of the delays: a model often comes at the instant of a message."""
    n = scheme.workers
    net = Network(*(ticks * step for ticks in latencies))
    tapes = [LatticeTape(seed + r, n, levels, step=step) for r in range(2)]
    resends = [LatticeTape(seed + 77 + r, n, 3, step=step) for r in range(2)] if lossy else None
    both(scheme, tapes, law, rounds, policy, Cluster(net, resends))


@given(scheme=schemes() | multi, policy=st.sampled_from(list(Policy)), seed=st.integers(0, 10**6))
@settings(max_examples=150, deadline=None)
def test_a_network_that_takes_no_time_is_no_network(
    scheme: Scheme, policy: Policy, seed: int
) -> None:
    """The real crew with nothing in the way is the ideal crew, a different program."""
    tapes = [LatticeTape(seed, scheme.workers)]
    ideal = event.simulate(scheme, tapes, Proportional(), 15, policy)
    real = event.simulate(scheme, tapes, Proportional(), 15, policy, Cluster(Network()))
    assert np.array_equal(ideal.times, real.times)
    assert np.array_equal(ideal.arrived, real.arrived)  # type: ignore[arg-type]
    np.testing.assert_allclose(ideal.busy, real.busy, atol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(ideal.useful, real.useful, atol=1e-12)  # type: ignore[arg-type]


def test_latencies_by_hand() -> None:
    """Model at 1 + j * 0.5, one second of computing, message 0.25 + 100 / 200 s later."""
    net = Network(1.0, 0.5, 0.25, bandwidth=200.0, message_bytes=100.0)
    trace = both(
        SCHEMES["uncoded"]().build(3),
        [TableTape(np.ones((2, 3)))],
        Proportional(),
        2,
        Policy.CANCEL,
        Cluster(net),
    )
    assert trace.times[0].tolist() == [3.75, 7.5]
    assert trace.last is not None
    assert trace.margin is not None
    assert trace.last[0].tolist() == [2, 2]
    assert trace.margin[0].tolist() == [0.5, 0.5]


def ingress(computed: list[float], need: int, channels: int = 1) -> float:
    net = Network(bandwidth=1.0, message_bytes=1.0, channels=channels)
    scheme = SCHEMES["ignore_stragglers"](wait_for=need).build(len(computed))
    tapes = [TableTape(np.array([computed]))]
    return float(
        event.simulate(scheme, tapes, Proportional(), 1, Policy.CANCEL, Cluster(net)).times[0, 0]
    )


@pytest.mark.parametrize(
    ("computed", "need", "channels", "ended"),
    [
        ([1.0, 1.5], 1, 1, 2.0),  # alone in the channel from 1 to 2
        ([1.0, 1.5], 2, 1, 3.0),  # the second waits from 1.5 to 2
        ([1.0, 4.0], 2, 1, 5.0),  # it finds the channel empty
        ([0.0, 0.0, 0.0], 3, 1, 3.0),  # incast: three messages at once, one channel
        ([0.0, 0.0, 0.0], 3, 2, 2.0),  # two channels
        ([0.0, 0.0, 0.0], 3, 3, 1.0),  # no waiting
        ([0.2, 0.1, 2.0], 3, 1, 3.1),  # 0.1-1.1, 1.1-2.1, 2.1-3.1
        ([0.2, 0.1, 2.0], 2, 1, 2.1),
    ],
)
def test_single_ingress_is_a_finite_source_queue(
    computed: list[float], need: int, channels: int, ended: float
) -> None:
    """n = 2 and 3 messages of one second each, worked out by hand: first come, first served."""
    assert ingress(computed, need, channels) == pytest.approx(ended, abs=1e-12)


def test_batch_refuses_contention_and_failures() -> None:
    scheme = SCHEMES["uncoded"]().build(2)
    tapes = [TableTape(np.ones((3, 2)))]
    net = Network(bandwidth=1.0, message_bytes=1.0, channels=1)
    for around, reason in (
        (Cluster(net), "channel"),
        (Cluster(failures=[Failures(tapes[0], None)]), "crash"),
    ):
        with pytest.raises(EngineRefused, match=reason):
            batch.simulate(scheme, tapes, Proportional(), 1, Policy.CANCEL, around)


def test_queue_obeys_lindley() -> None:
    """n = 1, a new task every 0.7 s: W(t+1) = max(0, W(t) + X(t) - 0.7), exactly.

    A deadline opens rounds at regular instants, so the worker is a single-server queue.
    """
    rounds, period = 200, 0.7
    table = np.random.default_rng(3).exponential(0.65, (rounds, 1))
    scheme = SCHEMES["ignore_stragglers"](deadline=period).build(1)
    recorder = Recorder()
    trace = event.simulate(
        scheme, [TableTape(table)], Proportional(), rounds, Policy.QUEUE, recorder=recorder
    )
    opened = [0.0, *trace.times[0, :-1].tolist()]
    finish, expected = 0.0, []
    for t in range(rounds):
        finish = max(opened[t], finish) + float(table[t, 0])
        expected.append(finish)
    spans = [s for s in recorder.spans if s.worker == 0 and s.kind == "computing"]
    assert len(spans) > 100
    assert [s.end for s in spans] == expected[: len(spans)]
    assert max(f - o for f, o in zip(expected, opened, strict=True)) > 3 * period


UP = TableTape(np.array([[2.5, 50.0], [50.0, 50.0]]))
DOWN = TableTape(np.array([[1.0, 9.0], [9.0, 9.0]]))


@pytest.mark.parametrize(
    ("policy", "ended"),
    [
        # Worker 0 computes 2 s a round, worker 1 one second; worker 0 is down from 2.5 to 3.5.
        # Its second task began at 2, is lost, and begins again at 3.5.
        (Policy.CANCEL, [2.0, 5.5, 7.5]),
        (Policy.FINISH, [2.0, 5.5, 7.5]),
        (Policy.QUEUE, [2.0, 5.5, 7.5]),
        (Policy.DRAIN, [2.0, 5.5, 7.5]),
    ],
)
def test_crash_and_repair_by_hand(policy: Policy, ended: list[float]) -> None:
    """An exact scheme waits for the repair; dead seconds and dead workers are recorded."""
    table = np.tile([2.0, 1.0], (3, 1))
    around = Cluster(failures=[Failures(UP, DOWN)])
    scheme = SCHEMES["uncoded"]().build(2)
    trace = event.simulate(scheme, [TableTape(table)], Proportional(), 3, policy, around)
    assert trace.times[0].tolist() == ended
    assert trace.down is not None
    assert trace.dead is not None
    assert trace.busy is not None
    assert trace.down[0].tolist() == [1.0, 0.0]
    assert trace.dead[0].tolist() == [0, 0, 0]
    assert trace.busy[0].tolist() == [2 + 0.5 + 2 + 2, 3]


def test_permanent_death_stops_an_exact_scheme_and_not_erasurehead() -> None:
    table = np.tile([2.0, 1.0], (3, 1))
    around = Cluster(failures=[Failures(UP, None)])
    tapes = [TableTape(table)]
    with pytest.raises(NeverEnough) as caught:
        event.simulate(
            SCHEMES["uncoded"]().build(2), tapes, Proportional(), 3, Policy.CANCEL, around
        )
    assert (caught.value.iteration, caught.value.missing) == (2, [0])
    goes_on = SCHEMES["erasurehead"](load=2, wait_for=1).build(2)
    trace = event.simulate(goes_on, tapes, Proportional(), 3, Policy.CANCEL, around)
    assert trace.dead is not None
    assert trace.dead[0].tolist() == [0, 1, 1]
    assert trace.times[0].tolist() == [2.0, 4.0, 6.0]


def test_utilisation_idle_and_dead_are_the_whole_time() -> None:
    """Every worker's spans do not overlap, and add up to what the trace says."""
    rng = np.random.default_rng(8)
    n, rounds = 6, 40
    up, down = (TableTape(rng.exponential(scale, (200, n))) for scale in (6.0, 2.0))
    net = Network(0.05, 0.02, 0.1, bandwidth=10.0, message_bytes=1.0, channels=2)
    around = Cluster(net, failures=[Failures(up, down)])
    scheme = SCHEMES["ignore_stragglers"](wait_for=3).build(n)
    table = TableTape(rng.exponential(0.8, (rounds, n)))
    for policy in Policy:
        recorder = Recorder()
        trace = event.simulate(
            scheme, [table], Proportional(), rounds, policy, around, recorder=recorder
        )
        assert trace.busy is not None
        assert trace.down is not None
        end = trace.times[0, -1]
        for worker in range(n):
            mine = [s for s in recorder.spans if s.worker == worker and s.kind != "sending"]
            mine.sort(key=lambda s: s.start)
            idle, clock = 0.0, 0.0
            for span in mine:
                assert span.start >= clock, "spans overlap"
                idle += span.start - clock
                clock = span.end
            assert clock <= end
            idle += end - clock
            computed = sum(s.end - s.start for s in mine if s.kind != "dead")
            assert computed == pytest.approx(trace.busy[0, worker], rel=1e-12)
            whole = trace.busy[0, worker] + trace.down[0, worker] + idle
            assert whole == pytest.approx(end, rel=1e-12)
            assert trace.down[0].sum() > 0


def test_multi_message_wastes_less() -> None:
    """The same cover by the same work, but pieces count as soon as they are done."""
    tapes = [LatticeTape(5, 12, levels=40)]
    rounds = 200
    whole = SCHEMES["fractional_repetition"](load=3).build(12)
    pieces = SCHEMES["multi_message"](load=3).build(12)
    one = batch.simulate(whole, tapes, PerPartition(), rounds, Policy.CANCEL)
    many = batch.simulate(pieces, tapes, PerPartition(), rounds, Policy.CANCEL)
    wasted = [1 - t.useful.sum() / t.busy.sum() for t in (one, many)]  # type: ignore[union-attr]
    assert wasted[1] < 0.7 * wasted[0]
    assert many.times[0, -1] < one.times[0, -1]
