"""The network, lost messages and failures: agreement, and cases worked out by hand.

Speaks to what a network adds up, and to the tapes that engines read, each by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import erasurehead as eh
from erasurehead.delays import MODELS
from erasurehead.load_laws import PerPartition, Proportional
from erasurehead.plugins import FloatArray, Round
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.run import Cluster, Network, play_rounds
from erasurehead.sim.engines.tapes import CheckedTape, RoundOfAll
from erasurehead.stopping import FirstK
from tests.sim.engines.agreement import (
    POLICIES,
    auto,
    batch,
    both,
    both_finish,
    event,
    lattice,
    outcome,
    runs,
    schemes,
    steady,
    timeline,
)
from tests.tools import LatticeTape, TableTape, examples

ticks = st.integers(0, 4)


DRAWN = [(), ("uplink",), ("transfer",), ("uplink", "transfer")]


@given(
    run=runs(schemes(), longest=12, replications=st.just(2), waits=True),
    latencies=st.tuples(ticks, ticks, ticks),
    lossy=st.booleans(),
    drawn=st.sampled_from(DRAWN),
    seed=st.integers(0, 10**6),
    step=st.sampled_from([0.1, 0.25]),
    levels=st.sampled_from([1, 2, 4]),
    dead=st.sampled_from([0.0, 0.0, 0.01, 0.05]),
)
@examples(300)
def test_engines_agree_on_a_network_full_of_ties(
    run, latencies, lossy, drawn, seed, step, levels, dead
):
    """Latencies on a lattice as of the delays: a model often comes at the instant of a message.

    Some tasks never end, some messages are lost for ever, and some messages draw what they take.
    """
    n = run["scheme"].workers
    if run["scheme"].name == "partial_stragglers":
        drawn = ()  # refused
    names = ("broadcast_latency", "dispatch_skew", "uplink_latency")
    run["network"] = dict(zip(names, (ticks * step for ticks in latencies), strict=True))
    run["resends"] = lattice(seed + 77, n, 2, 3, step, dead) if lossy else None
    for name in drawn:
        run[name] = lattice(seed + 7 * len(name), n, 2, levels, step, dead)
    both(**run)


@given(run=runs(schemes(), longest=15, replications=st.just(1), waits=True))
@examples(200)
def test_a_network_that_takes_no_time_is_no_network(run):
    """The real crew with nothing in the way is the ideal crew, a different program."""
    ideal, real = (
        outcome(lambda net=net: event.simulate(**run, network=net)) for net in (None, {})
    )
    if not hasattr(ideal, "times") or not hasattr(real, "times"):
        assert repr(ideal) == repr(real)
        return
    assert np.array_equal(ideal.times, real.times)
    assert np.array_equal(ideal.heard.arrived, real.heard.arrived)
    np.testing.assert_allclose(ideal.work.busy, real.work.busy, atol=1e-12)
    np.testing.assert_allclose(ideal.work.useful, real.work.useful, atol=1e-12)


def test_latencies_by_hand() -> None:
    """Model at 1 + j * 0.5, one second of computing, message 0.25 + 100 / 200 s later."""
    net = {"broadcast_latency": 1.0, "dispatch_skew": 0.5, "uplink_latency": 0.25}
    net |= {"bandwidth": 200.0, "message_bytes": 100.0}
    scheme = SCHEMES["uncoded"]().build(3)
    trace = both_finish(scheme, [steady(1, 1, 1)], Proportional(), 2, network=net)
    assert trace.times[0].tolist() == [3.75, 7.5]
    assert trace.work.last[0].tolist() == [2, 2]
    assert trace.work.margin[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("computed", "need", "channels", "ended"),
    [
        ([[1.0, 1.5]], 1, 1, [2.0]),  # alone in the channel from 1 to 2
        ([[1.0, 1.5]], 2, 1, [3.0]),  # the second waits from 1.5 to 2
        ([[1.0, 4.0]], 2, 1, [5.0]),  # it finds the channel empty
        ([[0.0, 0.0, 0.0]], 3, 1, [3.0]),  # incast: three messages at once, one channel
        ([[0.0, 0.0, 0.0]], 3, 2, [2.0]),  # two channels
        ([[0.0, 0.0, 0.0]], 3, 3, [1.0]),  # no waiting
        ([[0.2, 0.1, 2.0]], 3, 1, [3.1]),  # 0.1-1.1, 1.1-2.1, 2.1-3.1
        ([[0.2, 0.1, 2.0]], 2, 1, [2.1]),
        # Three messages at 0: one ends round 1 at 1, one is in the channel then, one is dropped:
        # nobody wants it. So the first message of round 2 finds the channel empty at 2.
        ([[0.0] * 3] * 2, 1, 1, [1.0, 3.0]),
    ],
)
def test_single_ingress_is_a_finite_source_queue(computed, need, channels, ended) -> None:
    """Messages of one second each, worked out by hand: first come, first served. The batch engine
    refuses it."""
    net = {"bandwidth": 1.0, "message_bytes": 1.0, "channels": channels}
    scheme = SCHEMES["ignore_stragglers"](wait_for=need).build(len(computed[0]))
    run = scheme, [TableTape(np.array(computed))], Proportional(), len(computed)
    assert event.simulate(*run, network=net).times[0] == pytest.approx(ended, abs=1e-12)
    with pytest.raises(ValueError, match="channel"):
        batch.simulate(*run, network=net)


def test_queue_obeys_lindley() -> None:
    """n = 1, a new task every 0.7 s: W(t+1) = max(0, W(t) + X(t) - 0.7), exactly.

    A deadline opens rounds at regular instants, so the worker is a single-server queue.
    """
    rounds, period = 200, 0.7
    table = np.random.default_rng(3).exponential(0.65, (rounds, 1))
    scheme = SCHEMES["ignore_stragglers"](deadline=period).build(1)
    trace, told = timeline(scheme, [TableTape(table)], Proportional(), rounds, "queue")
    opened = [0.0, *trace.times[0, :-1].tolist()]
    finish, expected = 0.0, []
    for t in range(rounds):
        finish = max(opened[t], finish) + float(table[t, 0])
        expected.append(finish)
    spans = [s for s in told if s.worker == 0 and s.kind == "computing"]
    assert len(spans) > 100
    assert [s.end for s in spans] == expected[: len(spans)]
    assert max(f - o for f, o in zip(expected, opened, strict=True)) > 3 * period


UP = TableTape(np.array([[2.5, 50.0], [50.0, 50.0]]))
DOWN = TableTape(np.array([[1.0, 9.0], [9.0, 9.0]]))


@pytest.mark.parametrize("policy", POLICIES)
def test_crash_and_repair_by_hand(policy: str) -> None:
    """Worker 0 computes 2 s a round, worker 1 one second; worker 0 is down from 2.5 to 3.5: its
    second task began at 2, is lost, and begins again at 3.5. An exact scheme waits for the repair;
    dead seconds and dead workers are recorded."""
    scheme = SCHEMES["uncoded"]().build(2)
    trace = event.simulate(scheme, [steady(2, 1)], Proportional(), 3, policy, lives=[(UP, DOWN)])
    assert trace.times[0].tolist() == [2.0, 5.5, 7.5]
    assert trace.work.down[0].tolist() == [1.0, 0.0]
    assert trace.work.dead[0].tolist() == [0, 0, 0]
    assert trace.work.busy[0].tolist() == [2 + 0.5 + 2 + 2, 3]


def test_permanent_death_stops_an_exact_scheme_and_not_erasurehead() -> None:
    around: Any = {"lives": [(UP, None)]}
    error = event.stuck(SCHEMES["uncoded"]().build(2), [steady(2, 1)], Proportional(), 3, **around)
    assert (error.iteration, error.missing) == (2, [0])
    goes_on = SCHEMES["erasurehead"](load=2, wait_for=1).build(2)
    trace = event.simulate(goes_on, [steady(2, 1)], Proportional(), 3, **around)
    assert trace.work.dead[0].tolist() == [0, 1, 1]
    assert trace.times[0].tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(ValueError, match="crash"):
        batch.simulate(goes_on, [steady(2, 1)], Proportional(), 3, **around)


def test_utilisation_idle_and_dead_are_the_whole_time() -> None:
    """Every worker's spans do not overlap, and add up to what the trace says."""
    rng = np.random.default_rng(8)
    n, rounds = 6, 40
    up, down = (TableTape(rng.exponential(scale, (200, n))) for scale in (6.0, 2.0))
    net = {"broadcast_latency": 0.05, "dispatch_skew": 0.02, "uplink_latency": 0.1}
    net |= {"bandwidth": 10.0, "message_bytes": 1.0, "channels": 2}
    scheme = SCHEMES["ignore_stragglers"](wait_for=3).build(n)
    run = scheme, [TableTape(rng.exponential(0.8, (rounds, n)))], Proportional(), rounds
    for policy in POLICIES:
        trace, spans = timeline(*run, policy, network=net, lives=[(up, down)])
        end = trace.times[0, -1]
        for worker in range(n):
            mine = [s for s in spans if s.worker == worker and s.kind != "sending"]
            mine.sort(key=lambda s: s.start)
            idle, clock = 0.0, 0.0
            for span in mine:
                assert span.start >= clock, "spans overlap"
                idle += span.start - clock
                clock = span.end
            assert clock <= end
            idle += end - clock
            assert {s.iteration for s in mine if s.kind == "dead"} == {0}, "it belongs to no round"
            computed = sum(s.end - s.start for s in mine if s.kind != "dead")
            assert computed == pytest.approx(trace.work.busy[0, worker], rel=1e-12)
            whole = trace.work.busy[0, worker] + trace.work.down[0, worker] + idle
            assert whole == pytest.approx(end, rel=1e-12)
            assert trace.work.down[0].sum() > 0


def test_multi_message_wastes_less() -> None:
    """The same cover by the same work, but pieces count as soon as they are done."""
    tapes = [LatticeTape(5, 12, levels=40)]
    rounds = 200
    whole = SCHEMES["fractional_repetition"](load=3).build(12)
    pieces = SCHEMES["multi_message"](load=3).build(12)
    one = batch.simulate(whole, tapes, PerPartition(), rounds)
    many = batch.simulate(pieces, tapes, PerPartition(), rounds)
    wasted = [1 - t.work.useful.sum() / t.work.busy.sum() for t in (one, many)]
    assert wasted[1] < 0.7 * wasted[0]
    assert many.times[0, -1] < one.times[0, -1]


# Messages that draw what they take.


@dataclass(frozen=True)
class Keyed:
    """Row t of stream i, of worker j: ``t + i / 4 + j / 64`` seconds; the message of a task that is
    done again after r crashes has 32 r more."""

    base: float = 0.0
    workers: int = 2
    block_rounds: int = 3

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        retry, message = divmod(stream, 2**32)
        of_worker = np.arange(self.workers) / 64
        rows = np.arange(start, stop)[:, None] + self.base
        return np.asarray(rows + message / 4 + of_worker + 32 * retry)


def test_a_message_has_a_draw_by_round_and_place() -> None:
    """Messages of two workers, computed at once: the second ones take a quarter more than the
    first, and of a transfer each takes the share that it is of a gradient."""
    scheme = SCHEMES["multi_message"](load=2, assignment="fractional").build(2)
    tapes = [TableTape(np.zeros((5, 2)))]
    around = {"network": {}, "uplink": [Keyed()]}
    trace = both_finish(scheme, tapes, Proportional(), 5, **around)
    np.testing.assert_array_equal(trace.intervals[0], np.arange(5) + 1 / 4)
    thirds = SCHEMES["communication_efficient"](load=2, share=2).build(2)
    trace = both_finish(thirds, tapes, Proportional(), 5, **around, transfer=[Keyed()])
    np.testing.assert_array_equal(trace.intervals[0], 1.5 * (np.arange(5) + 1 / 64))


def test_without_rounds_a_draw_is_a_turns() -> None:
    """Worker 1's t-th message takes t + 1 / 64 s, that of worker 0 none but its task. Both are
    heard in each update: 1/2 and 1/64; then 1/2 + 3/2 of worker 0; then 2 + 5/2."""
    scheme = SCHEMES["k_async"](wait_for=2).build(2)
    around = {"network": {}, "uplink": [Keyed()]}
    trace = auto.simulate(scheme, [steady(0.5, 0)], Proportional(), 3, **around)
    assert trace.times[0].tolist() == [0.5, 2.0, 4.5]


def test_a_message_that_is_done_again_draws_again() -> None:
    """As its task does: worker 0 crashes at 1.5 while its message is under way, is up at 2.5 and
    has computed at 3.5; the message then takes 33 s. Catches the draw that was too long for a life
    again and again, so that a round never ends."""
    lives = [(TableTape(np.array([[1.5, 99.0], [99.0, 99.0]])), steady(1, 1))]
    around = {"network": {}, "lives": lives, "uplink": [Keyed(base=1.0)]}
    scheme = SCHEMES["uncoded"]().build(2)
    trace = event.simulate(scheme, [steady(1, 1)], Proportional(), 1, **around)
    assert trace.times[0].tolist() == [3.5 + 33.0]


UNIT = MODELS["exponential"](rate=1.0)
CONSTANT_SCHEMES = [
    SCHEMES["uncoded"](),
    SCHEMES["multi_message"](load=3, wait_for=7),
    SCHEMES["communication_efficient"](load=4, share=2),
    SCHEMES["cyclic_mds"](load=3),
    SCHEMES["block_coordinate"](split=(0.5,) * 2),
    SCHEMES["local_sgd"](steps=3),
    SCHEMES["k_async"](wait_for=3),
]


@pytest.mark.filterwarnings("ignore:policy")
@pytest.mark.parametrize("family", CONSTANT_SCHEMES, ids=repr)
@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize("policy", ["cancel", "queue"])
def test_a_law_that_is_constant_is_the_constant(family, channels, policy) -> None:
    """To the bit, in both engines, with messages that wait for each other and without."""
    size: Any = {"workers": 6, "iterations": 9, "replications": 2, "policy": policy}
    more = {"broadcast_latency": 0.1} | ({} if channels is None else {"channels": channels})
    law = {"model": "deterministic", "value": 0.3}
    networks = (
        {"uplink_latency": 0.3, "bandwidth": 1.0, "message_bytes": 0.3},
        {"uplink": law, "transfer": law},
    )
    for engine in ("event", "auto"):
        constant, drawn = (
            eh.simulate(family, UNIT, **size, network=network | more, engine=engine).times
            for network in networks
        )
        np.testing.assert_array_equal(drawn, constant)


TWO = TableTape(np.array([[1.0, 2.0], [3.0, 1.0]]))
FAR = {"broadcast_latency": 0.25, "uplink_latency": 0.5}
Told = list[tuple[int, str, float, float, int, int]]


def told(scheme: str, policy: str = "cancel", around: Any = None, **fields: int) -> Told:
    """Who did what, from when to when, in which round; of the master who ended it."""
    run = SCHEMES[scheme](**fields).build(2), [TWO], Proportional(), 2, policy
    _, told = timeline(*run, **(around or {}))
    spans = [(s.worker, s.kind, s.start, s.end, s.iteration, s.ended_by) for s in told]
    return sorted(spans, key=lambda span: (span[0], span[2], span[1]))


def test_what_everybody_did_by_hand() -> None:
    """Two rounds of all workers: a model takes 1/4 s, a message 1/2 s."""
    assert told("uncoded", around={"network": FAR}) == [
        (-1, "waiting", 0.0, 2.75, 1, 1),
        (-1, "waiting", 2.75, 6.5, 2, 0),
        (0, "computing", 0.25, 1.25, 1, -1),
        (0, "sending", 1.25, 1.75, 1, -1),
        (0, "computing", 3.0, 6.0, 2, -1),
        (0, "sending", 6.0, 6.5, 2, -1),
        (1, "computing", 0.25, 2.25, 1, -1),
        (1, "sending", 2.25, 2.75, 1, -1),
        (1, "computing", 3.0, 4.0, 2, -1),
        (1, "sending", 4.0, 4.5, 2, -1),
    ]
    without = told("uncoded")
    assert without == [
        (-1, "waiting", 0.0, 2.0, 1, 1),
        (-1, "waiting", 2.0, 5.0, 2, 0),
        (0, "computing", 0.0, 1.0, 1, -1),
        (0, "computing", 2.0, 5.0, 2, -1),
        (1, "computing", 0.0, 2.0, 1, -1),
        (1, "computing", 2.0, 3.0, 2, -1),
    ]


def test_what_the_first_worker_leaves_of_the_other_by_hand() -> None:
    """Of two, one is waited for: the other is told 1/4 s later, or finishes, or what it has sent
    comes too late and is as sent as any."""
    assert told("ignore_stragglers", "cancel", {"network": FAR}, wait_for=1) == [
        (-1, "waiting", 0.0, 1.75, 1, 0),
        (-1, "waiting", 1.75, 3.5, 2, 1),
        (0, "computing", 0.25, 1.25, 1, -1),
        (0, "sending", 1.25, 1.75, 1, -1),
        (0, "cancelled", 2.0, 3.5, 2, -1),
        (1, "cancelled", 0.25, 2.0, 1, -1),
        (1, "computing", 2.0, 3.0, 2, -1),
        (1, "sending", 3.0, 3.5, 2, -1),
    ]
    assert told("ignore_stragglers", "finish", {"network": FAR}, wait_for=1) == [
        (-1, "waiting", 0.0, 1.75, 1, 0),
        (-1, "waiting", 1.75, 3.75, 2, 1),
        (0, "computing", 0.25, 1.25, 1, -1),
        (0, "sending", 1.25, 1.75, 1, -1),
        (0, "cancelled", 2.0, 3.75, 2, -1),
        (1, "computing", 0.25, 2.25, 1, -1),
        (1, "computing", 2.25, 3.25, 2, -1),
        (1, "sending", 2.25, 2.75, 1, -1),
        (1, "sending", 3.25, 3.75, 2, -1),
    ]


def test_who_is_dead_by_hand() -> None:
    """Worker 1 crashes after 1 s, loses its task, and is up again 1/2 s later; then it begins the
    newest model anew, and stays up."""
    up = TableTape(np.array([[90.0, 1.0], [90.0, 90.0]]))
    down = TableTape(np.array([[1.0, 0.5], [1.0, 1.0]]))
    assert told("uncoded", around={"lives": [(up, down)]}) == [
        (-1, "waiting", 0.0, 3.5, 1, 1),
        (-1, "waiting", 3.5, 6.5, 2, 0),
        (0, "computing", 0.0, 1.0, 1, -1),
        (0, "computing", 3.5, 6.5, 2, -1),
        (1, "cancelled", 0.0, 1.0, 1, -1),
        (1, "dead", 1.0, 1.5, 0, -1),
        (1, "computing", 1.5, 3.5, 1, -1),
        (1, "computing", 3.5, 4.5, 2, -1),
    ]


@pytest.mark.parametrize(
    ("around", "transfer", "contended", "trip"),
    [
        (Network(), 0.0, False, 0.0),
        (
            Network(broadcast_latency=0.5, dispatch_skew=0.25, uplink_latency=2.0),
            0.0,
            False,
            0.5 + 4 * 0.25 + 2.0,
        ),
        (Network(bandwidth=10.0), 0.0, False, 0.0),
        (Network(message_bytes=5.0), 0.0, False, 0.0),
        (Network(bandwidth=10.0, message_bytes=5.0), 0.5, False, 0.5),
        (Network(bandwidth=10.0, message_bytes=5.0, channels=1), 0.5, True, 2.5),
        (Network(bandwidth=10.0, message_bytes=5.0, channels=2), 0.5, True, 1.5),
        (Network(bandwidth=10.0, message_bytes=5.0, channels=5), 0.5, True, 0.5),
        (Network(bandwidth=10.0, message_bytes=0.0, channels=1), 0.0, False, 0.0),
        (Network(channels=1), 0.0, False, 0.0),
    ],
)
def test_what_a_network_adds(around, transfer, contended, trip):
    """A message's seconds in a channel, and those to ask five workers and to hear them all."""
    found = around.occupied, Cluster(around).contended, around.round_trip(5)
    assert found == (transfer, contended, trip)
    steps = [around.broadcast_latency + worker * around.dispatch_skew for worker in range(5)]
    assert around.downlink(5).tolist() == steps


def test_a_tape_names_the_first_time_that_is_none() -> None:
    table = np.ones((3, 4))
    table[1, 2], table[2, 0] = np.nan, -1.0
    checked = CheckedTape(TableTape(table))
    np.testing.assert_array_equal(checked.rows(0, 1), [[1, 1, 1, 1]])
    for start, worker, row, seconds in ((0, 2, 1, "nan"), (2, 0, 2, "-1")):
        with pytest.raises(ValueError, match="gives") as refused:
            checked.rows(start, 3)
        assert (refused.value.worker, refused.value.row) == (worker, row)
        said = f"'TableTape' gives {seconds} s for worker {worker} in row {row} of its tape"
        assert str(refused.value).startswith(said)
    table[:] = 0.0
    table[0, 0] = np.inf
    np.testing.assert_array_equal(checked.rows(0, 3), table)


@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_one_round_of_all_replications(size: int) -> None:
    """Row r is replication r's, in whatever blocks their tapes are read."""
    tables = [np.arange(12.0).reshape(6, 2) + 100 * r for r in range(3)]
    both_of = RoundOfAll([TableTape(table, size) for table in tables], 5)
    for t in (0, 1, 4, 2, 2):
        both_of.round = t
        expected = [table[t] for table in tables]
        np.testing.assert_array_equal(both_of.rows(0, 3), expected)
        np.testing.assert_array_equal(both_of.rows(1, 3, stream=1), expected[1:])


def test_local_steps_need_a_plan_that_never_changes() -> None:
    """Each takes rows of the tape that others of a round do not."""
    plan = Round(np.ones(3), FirstK(3), steps=2)
    scheme = SimpleNamespace(
        start=lambda replications: None, plan=lambda state: plan, name="mine", messages=1
    )
    tape = TableTape(np.ones((4, 3)), 4)
    whole: Any = SimpleNamespace(
        rounds=scheme, tapes=[tape], updates=4, cluster=SimpleNamespace(network=None)
    )
    with pytest.raises(TypeError, match="mine: local steps need a plan that never changes"):
        next(play_rounds(whole, cast(Any, None)))


@pytest.mark.parametrize("engine", ["batch", "event"])
def test_what_only_counts_comes_with_the_sum(engine: Any) -> None:
    """Catches pieces of work whose messages are later than the sum that has them in it."""
    law = {"uplink": {"model": "exponential", "rate": 1.0}}
    scheme, delay = eh.schemes.DropCompute(pieces=3), eh.delays.Exponential(rate=1.0)
    run = eh.simulate(scheme, delay, workers=4, iterations=9, network=law, engine=engine)
    assert not run.decoding_error.any()
