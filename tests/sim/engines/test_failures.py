"""Workers that crash, come back, or are dead."""

from __future__ import annotations

import weakref
from dataclasses import replace

import numpy as np
import pytest

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.plugins import BoolArray, Fixed, FloatArray, Groups, SumArrived, Trace
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.base.errors import InvalidDelay, NeverEnough
from erasurehead.sim.engines.event import networked
from erasurehead.sim.engines.run import Cluster, Failures, Network, Policy
from erasurehead.sim.engines.tapes import columns
from erasurehead.stopping import StoppingRule
from tests.sim.engines.agreement import Engine, batch, both, both_finish, event
from tests.statistics import assert_z
from tests.tools import TableTape

# A task that is done again is a new execution.


@pytest.mark.parametrize("name", ["uncoded", "balanced"])
@pytest.mark.parametrize("policy", Policy)
def test_a_retry_draws_anew(name: str, policy: Policy) -> None:
    """One worker, exponential tasks of 1 s and lives of 2 s, repairs of 0.5 s. An attempt takes
    E[min(X, U)] = 2/3 s and succeeds with chance 2/3, else costs a repair: (2/3 + 1/6) / (2/3) =
    1.25 s. With the same draw again and again it is E[exp(X/2) - 1] (2 + 0.5) = 2.5 s."""
    fields = {"micro_batches": 1} if name == "balanced" else {}
    scheme = SCHEMES[name](**fields).build(1)
    seconds = []
    for r in range(2):
        task, up = (Tape(MODELS["exponential"](rate=rate), 1, 5 + r, 0) for rate in (1.0, 0.5))
        down = forever(0.5)
        around = Cluster(failures=[Failures(replace(up, replication=9), down)] * 2)
        other = replace(task, replication=1)
        trace = event.simulate(scheme, [task, other], Proportional(), 500, policy, around)
        seconds.append(trace.intervals.ravel())
    assert_z(np.concatenate(seconds), 1.25)


def test_a_task_longer_than_any_life_ends_when_it_is_drawn_anew() -> None:
    """A fifth of the tasks take about 1.5 s, and nobody lives longer than all but the longest."""
    tape = Tape(MODELS["mixture"].examples()[0], 3, 1, 0)
    life = 0.99 * float(tape.rows(0, 60).max())
    around = Cluster(failures=[Failures(forever(life, life, life), forever(0.1, 0.1, 0.1))])
    trace = event.simulate(UNCODED.build(3), [tape], Proportional(), 60, Policy.CANCEL, around)
    assert (trace.intervals < np.inf).all()


# Workers that crash so often that nothing gets done: the run stops and says so.


class Forever(TableTape):
    """The same row again and again."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return np.tile(self.table, (stop - start, 1))


def forever(*row: float) -> Forever:
    return Forever(np.array([row]))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose hope soon: what is tested is when, not how often."""
    monkeypatch.setattr(networked, "MOST_CRASHES", 50)


def run(
    family: SchemeFamily,
    delays: list[float],
    up: TableTape,
    down: TableTape | None,
    policy: Policy = Policy.CANCEL,
    network: Network | None = None,
    max_wait: float | None = None,
    rounds: int = 2,
) -> Trace:
    around = Cluster(network, None, [Failures(up, down)], max_wait)
    tapes = [forever(*delays)]
    scheme = family.build(len(delays))
    return event.simulate(scheme, tapes, Proportional(), rounds, policy, around)


UNCODED = SCHEMES["uncoded"]()
FIRST = SCHEMES["ignore_stragglers"](wait_for=1)
CHANNEL = Network(
    broadcast_latency=0.25,
    dispatch_skew=0.0,
    uplink_latency=0.125,
    bandwidth=8.0,
    message_bytes=1.0,
    channels=1,
)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(
    "network", [None, Network(broadcast_latency=0.25), CHANNEL], ids=["none", "late", "channel"]
)
def test_a_task_longer_than_any_life(network: Network | None, policy: Policy) -> None:
    """Two seconds of work, one second up: for ever, without ``max_wait``."""
    with pytest.raises(NeverEnough) as caught:
        run(UNCODED, [0.25, 2.0, 2.0], forever(1, 1, 1), forever(1, 1, 1), policy, network)
    assert (caught.value.iteration, caught.value.missing) == (1, [1, 2])
    message = str(caught.value)
    assert "\n" not in message
    for mention in ("50 crashes", "time_to_failure", "2 workers: 1, 2"):
        assert mention in message


def test_the_real_bound_is_reached_in_seconds() -> None:
    with pytest.raises(NeverEnough, match="after 10,000 crashes"):
        run(UNCODED, [2.0], forever(1), forever(1))


def test_who_is_repaired_has_the_model_that_is_still_on_its_way() -> None:
    """Sent at 0 s, here at 1 s; up again at 0.5 s, and two seconds of work from then on."""
    up, down = TableTape(np.array([[0.25], [np.inf]])), TableTape(np.array([[0.25], [np.inf]]))
    trace = run(UNCODED, [2.0], up, down, network=Network(broadcast_latency=1.0), rounds=1)
    assert trace.times[0].tolist() == [2.5]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
def test_as_long_as_somebody_can_still_be_heard(policy: Policy) -> None:
    """Worker 0 crashes a thousand times in a round, but worker 1 works on and will end it."""
    up, down = forever(1.0, np.inf), forever(0.5, 0.5)
    trace = run(FIRST, [1.25, 2000.0], up, down, policy, rounds=1)
    assert trace.times[0].tolist() == [2000]
    with pytest.raises(NeverEnough) as caught:  # but once worker 1 has been heard, nobody will
        run(UNCODED, [1.25, 2000.0], up, down, policy)
    assert (caught.value.iteration, caught.value.missing) == (1, [0])


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
def test_who_never_crashes_can_be_hopeless_too(policy: Policy) -> None:
    """Worker 1 has a task that never ends, and worker 2 is down for good."""
    up, down = forever(1.0, np.inf, 3.0), forever(0.5, 0.5, np.inf)
    with pytest.raises(NeverEnough) as caught:
        run(FIRST, [1.25, np.inf, 4.0], up, down, policy)
    assert (caught.value.iteration, caught.value.missing) == (1, [0, 1, 2])


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("patience", ["deadline", "max_wait"])
def test_as_long_as_the_clock_can_end_the_round(policy: Policy, patience: str) -> None:
    """A thousand crashes before a deadline are a round like any other."""
    lives = forever(1, 1), forever(0.5, 0.5)
    if patience == "deadline":
        family = SCHEMES["ignore_stragglers"](deadline=1500.25)
        trace = run(family, [2.0, 2.0], *lives, policy)
        opened = 1501.0 if policy is Policy.DRAIN else 1500.25  # when both have crashed once more
        assert trace.times[0].tolist() == [1500.25, opened + 1500.25]
    else:
        with pytest.raises(NeverEnough, match="max_wait = 1500 s"):
            run(UNCODED, [2.0, 2.0], *lives, policy, max_wait=1500.0)


@pytest.mark.usefixtures("few")
def test_who_will_be_repaired_can_be_heard() -> None:
    """Worker 1 is down while worker 0 crashes for the fiftieth time, and then does its task."""
    up = TableTape(np.array([[1.0, 3.0], *[[1.0, np.inf]] * 300]))
    down = TableTape(np.array([[0.5, 200.0]] * 300))
    assert run(FIRST, [1.25, 4.0], up, down, rounds=1).times[0].tolist() == [207]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
def test_a_crash_as_the_round_ends(policy: Policy) -> None:
    """The fiftieth crash of worker 0 comes just after the message that ends the round.

    Who still works then, worker 2 for ever, is not waited for.
    """
    up, down = forever(1.0, np.inf, np.inf), forever(0.5, 0.5, 0.5)
    assert run(FIRST, [1.25, 74.5, np.inf], up, down, policy, rounds=1).times[0, 0] == 74.5


@pytest.mark.usefixtures("few")
def test_each_round_counts_anew() -> None:
    """Thirty crashes in each of ten rounds are not too many."""
    up = TableTape(np.array([*[[1.0]] * 30, [2.5]] * 11))
    trace = run(UNCODED, [1.25], up, forever(0.5), rounds=10)
    assert np.isfinite(trace.times).all()


@pytest.mark.usefixtures("few")
def test_a_later_round_can_be_the_one() -> None:
    """Round 1 ends after a crash or two; round 2 asks for more than there is."""
    lives = [Failures(TableTape(np.array([[0.5], *[[1.0]] * 300])), forever(0.5))]
    tapes = [TableTape(np.array([[0.75], [2.0]]))]
    around = Cluster(failures=lives)
    with pytest.raises(NeverEnough, match="50 crashes") as caught:
        event.simulate(UNCODED.build(1), tapes, Proportional(), 2, Policy.CANCEL, around)
    assert caught.value.iteration == 2


@pytest.mark.usefixtures("few")
def test_hope_returns_with_a_new_round() -> None:
    """Worker 0 crashes sixty times in round 1 and never again: it ends both rounds.

    In round 2 worker 1 has a task that never ends, and worker 2 always crashes.
    """
    up = TableTape(np.array([*[[1.0, np.inf, 1.0]] * 60, *[[np.inf, np.inf, 1.0]] * 900]))
    around = Cluster(failures=[Failures(up, forever(0.5, 0.5, 0.5))])
    tapes = [TableTape(np.array([[1.25, 100.0, 1.25], [500.0, np.inf, 1.25]]))]
    trace = event.simulate(FIRST.build(3), tapes, Proportional(), 2, Policy.CANCEL, around)
    assert trace.times[0].tolist() == [91.25, 591.25]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("max_wait", [None, 1e6])
def test_a_round_that_never_drains(max_wait: float | None) -> None:
    """One of workers 1 and 2 is always up and at work, and neither can finish."""
    up = TableTape(np.concatenate([[[np.inf, 1.0, 1.6]], np.tile([np.inf, 1.0, 1.0], (300, 1))]))
    down = forever(0.5, 0.5, 0.5)
    with pytest.raises(NeverEnough, match="crashes") as caught:
        run(FIRST, [0.25, 2.0, 2.0], up, down, Policy.DRAIN, max_wait=max_wait)
    assert caught.value.iteration == 1
    assert set(caught.value.missing) <= {1, 2}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("max_wait", [None, 5.0])
def test_time_that_stands_still(max_wait: float | None) -> None:
    """Up for no time and down for no time: no clock will ever end this round."""
    with pytest.raises(NeverEnough, match="50 crashes"):
        run(UNCODED, [2.0, 2.0], forever(0, 9), forever(0, 1), max_wait=max_wait)


def test_a_message_that_is_sent_again_counts_once() -> None:
    """Worker 0 crashes between its two messages and begins again; three messages end the round.

    They come at 1 (and again, which is no news, at 3.5), from worker 1 at 4, and at 4.5.
    """
    up = TableTape(np.array([[1.5, 99.0, 99.0], [99.0, 99.0, 99.0]]))
    family = SCHEMES["multi_message"](load=2, wait_for=3)
    trace = run(family, [1.0, 4.0, 9.0], up, forever(1.0, 1.0, 1.0), rounds=1)
    assert trace.heard.arrived is not None
    assert trace.work.useful is not None
    assert trace.times[0].tolist() == [4.5]
    assert trace.heard.arrived[0, 0].tolist() == [True, True, True, False, False, False]
    assert trace.work.useful[0].tolist() == [2.0, 4.0, 0.0]


class Counted(TableTape):
    """Keeps an eye on the blocks that it has given out."""

    def __init__(self, table: FloatArray) -> None:
        super().__init__(table)
        object.__setattr__(self, "given", [])

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        rows = self.table[start:stop].copy()
        self.given.append(weakref.ref(rows))  # type: ignore[attr-defined]
        return rows


def test_columns_are_the_tape_and_hold_little_of_it() -> None:
    """Whatever the pace of each worker; workers side by side share the reading of a block."""
    table = np.random.default_rng(1).random((100, 3))
    tape = Counted(table)
    first, second, third = columns(tape)
    for row in range(100):
        assert first[row] == table[row, 0]
        assert second[row] == table[row, 1]
        if row % 10 == 0:
            assert third[row // 10] == table[row // 10, 2]
        assert sum(block() is not None for block in tape.given) <= 2  # type: ignore[attr-defined]
    assert len(tape.given) <= 20 + 2  # type: ignore[attr-defined]


def test_rare_crashes_are_legitimate() -> None:
    """Lives twice as long as tasks: every round ends, with the bound as it is."""
    laws = {"delay": 1.0, "up": 0.5, "down": 2.0}
    tapes = {name: Tape(MODELS["exponential"](rate=rate), 8, i, 0)
             for i, (name, rate) in enumerate(laws.items())}  # fmt: skip
    around = Cluster(failures=[Failures(tapes["up"], tapes["down"])])
    scheme = UNCODED.build(8)
    trace = event.simulate(scheme, [tapes["delay"]], Proportional(), 300, Policy.CANCEL, around)
    assert np.isfinite(trace.times).all()


# Tasks that never end, and delays that are not delays, in both engines.


ENGINES = [event, batch]
NETWORKS = [None, Network(), Network(broadcast_latency=0.25, dispatch_skew=0.0, uplink_latency=0.5)]
KEEP_DEAD = [Policy.FINISH, Policy.QUEUE]
"""Policies under which a worker stays with a task that never ends."""

around = pytest.mark.parametrize("network", NETWORKS, ids=["no network", "instant", "latencies"])
engines = pytest.mark.parametrize("engine", ENGINES, ids=["event", "batch"])


def random_table(rounds: int, workers: int) -> FloatArray:
    return np.random.default_rng(3).random((rounds, workers))


@around
@pytest.mark.parametrize("policy", [Policy.CANCEL, *KEEP_DEAD])
@pytest.mark.parametrize("load", [1, 3], ids=["one message", "three messages"])
def test_a_run_goes_on_without_them(network: Network | None, policy: Policy, load: int) -> None:
    """Seconds stay numbers: a message that never came took no useful time."""
    table = random_table(12, 6)
    table[2, 3:] = table[7, 0] = np.inf
    scheme = SCHEMES["multi_message"](load=load, wait_for=2).build(6)
    for law in (Proportional(), PerPartition(), Additive(seconds_per_partition=0.25)):
        trace = both_finish(scheme, [TableTape(table)], law, 12, policy, Cluster(network))
        assert trace.heard.arrived is not None
        assert trace.work.busy is not None
        assert trace.work.useful is not None
        assert np.isfinite(trace.times).all()
        assert np.isfinite(trace.work.busy).all()
        assert np.all((trace.work.useful >= 0) & (trace.work.useful <= trace.work.busy + 1e-12))
        heard = trace.heard.arrived.reshape(12, 6, load).any(axis=(1, 2))
        assert heard.all()
        after = trace.heard.arrived[0, 3:, 3 * load :]
        assert after.any() == (policy is Policy.CANCEL)  # a new model ends a dead task


class PartlyDead(TableTape):
    """Stream 0 is the table; every later piece of worker 0 never ends."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        table = super().rows(start, stop).copy()
        if stream > 0:
            table[:, 0] = np.inf
        return table


@around
@pytest.mark.parametrize("policy", Policy)
def test_only_the_later_messages_never_come(network: Network | None, policy: Policy) -> None:
    """The first piece of worker 0 arrives, the others do not, and it never rests again."""
    tape = PartlyDead(np.full((4, 3), 0.5))
    scheme = SCHEMES["multi_message"](load=2, wait_for=3).build(3)
    result = both(scheme, [tape], PerPartition(), 4, policy, Cluster(network))
    if policy is Policy.DRAIN:
        assert isinstance(result, NeverEnough)
        assert (result.iteration, result.missing) == (1, [0])
        return
    assert not isinstance(result, NeverEnough)
    assert result.heard.arrived is not None
    first_round, second_round = result.heard.arrived[0, :2, :2].tolist()
    assert first_round == [True, False]
    assert second_round == [policy is Policy.CANCEL, False]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("dead_from", [0, 3])
@around
def test_messages_lost_for_ever(network: Network | None, policy: Policy, dead_from: int) -> None:
    """The task ends but its message is sent again and again: who waits for it waits in vain."""
    lost = np.zeros((8, 4))
    lost[dead_from:, 1] = np.inf
    cluster = Cluster(network, resends=[TableTape(lost)])
    tapes = [TableTape(np.ones((8, 4)))]
    error = both(SCHEMES["uncoded"]().build(4), tapes, Proportional(), 8, policy, cluster)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (dead_from + 1, [1])
    goes_on = SCHEMES["erasurehead"](load=2, wait_for=2).build(4)
    result = both(goes_on, tapes, Proportional(), 8, policy, cluster)
    assert isinstance(result, NeverEnough) == (policy is Policy.DRAIN)


@around
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("max_wait", [None, 1e308, np.inf])
def test_the_end_of_time_is_never(
    network: Network | None, policy: Policy, max_wait: float | None
) -> None:
    """Two rounds of 1e308 seconds are later than any number: the second one never ends.

    Nor does a patience that is as long.
    """
    tapes = [TableTape(np.full((3, 2), 1e308))]
    scheme = SCHEMES["uncoded"]().build(2)
    error = both(scheme, tapes, Proportional(), 3, policy, Cluster(network, max_wait=max_wait))
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (2, [0, 1])
    assert "can never end" in str(error)


class MoreThanAll(StoppingRule):
    """A rule with a mistake: all arrivals are not enough."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.sum(axis=-1) > arrived.shape[-1])


@around
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize(
    ("max_wait", "begins"),
    [(None, "can never end"), (9.0, "has not ended after max_wait = 9 s")],
)
def test_a_rule_that_all_arrivals_do_not_satisfy_is_named(
    network: Network | None, policy: Policy, max_wait: float | None, begins: str
) -> None:
    scheme = Fixed("mine", Groups(4, 1), MoreThanAll(), SumArrived(), exact=False)
    tapes = [TableTape(np.random.default_rng(2).random((3, 4)))]
    error = both(scheme, tapes, Proportional(), 3, policy, Cluster(network, max_wait=max_wait))
    text = "all 4 workers have arrived, and the stopping rule MoreThanAll still says not enough"
    assert str(error) == f"iteration 1 {begins}: {text}"


@pytest.mark.parametrize("policy", Policy)
def test_delays_that_overflow_are_never(policy: Policy) -> None:
    """exp(300 Z) is beyond any number in one cell of a hundred: such a task does not end."""
    tapes = [Tape(MODELS["lognormal"](median=1.0, sigma=300.0), 6, 1, r) for r in range(2)]
    for family in (SCHEMES["uncoded"](), SCHEMES["ignore_stragglers"](wait_for=1)):
        both(family.build(6), tapes, Proportional(), 20, policy)


def test_who_never_comes_back_is_gone() -> None:
    """A repair that takes for ever is a crash for good, and an endless life never ends."""
    up = TableTape(np.array([[2.5, np.inf]] * 5))
    down = TableTape(np.full((5, 2), np.inf))
    runs = [
        event.simulate(
            SCHEMES["ignore_stragglers"](wait_for=1).build(2),
            [TableTape(np.tile([2.0, 1.0], (4, 1)))],
            Proportional(),
            4,
            policy,
            Cluster(failures=[Failures(up, repair)]),
        )
        for policy in (Policy.CANCEL, Policy.QUEUE)
        for repair in (None, down)
    ]
    for trace in runs:
        assert trace.times[0].tolist() == [1, 2, 3, 4]
        assert trace.work.down is not None
        assert trace.work.down[0].tolist() == [1.5, 0]


@pytest.mark.parametrize("name", ["malenia", "ringleader"])
def test_who_lives_for_ever_may_have_a_task_without_end(name: str) -> None:
    """Both need everybody; without the refusal worker 2 would go on for ever."""
    family = SCHEMES[name]()
    with pytest.raises(NeverEnough) as caught:
        run(family, [np.inf, 1.0], forever(np.inf, np.inf), None)
    assert (caught.value.iteration, caught.value.missing) == (1, [0])


@engines
@pytest.mark.parametrize("network", [None, Network()], ids=["no network", "network"])
@pytest.mark.parametrize("value", [np.nan, -0.5, -np.inf])
@pytest.mark.parametrize(
    "law", [Proportional(), Additive(seconds_per_partition=1.0), PerPartition()], ids=repr
)
def test_what_is_no_delay_is_refused(
    engine: Engine, network: Network | None, value: float, law: object
) -> None:
    """Wherever it is hidden: behind a sum that makes it positive, or in a later piece."""
    table = random_table(9, 6)
    table[7, 2] = value
    scheme = SCHEMES["fractional_repetition"](load=3).build(6)
    with pytest.raises(InvalidDelay) as caught:
        engine.simulate(scheme, [TableTape(table)], law, 9, Policy.CANCEL, Cluster(network))
    message = str(caught.value)
    assert "\n" not in message
    for mention in (f"{value:g} s", "worker 2", "row 7", "TableTape"):
        assert mention in message


@engines
def test_the_model_of_a_bad_delay_is_named(engine: Engine) -> None:
    """0 times infinity: an exponential law whose mean is beyond any number, at a draw of 0."""

    class Broken(TableTape):
        model = MODELS["exponential"](rate=1e-320)

    table = np.full((2, 2), np.inf)
    table[1, 0] = np.nan
    with pytest.raises(InvalidDelay, match=r"Exponential\(rate=1e-320\)"):
        engine.simulate(
            SCHEMES["ignore_stragglers"](deadline=1.0).build(2),
            [Broken(table)],
            Proportional(),
            2,
            Policy.CANCEL,
        )


@pytest.mark.parametrize("value", [np.nan, -1.0])
@pytest.mark.parametrize("what", ["resends", "up", "down"])
def test_bad_tapes_of_trouble_are_refused(what: str, value: float) -> None:
    """A NaN among SimPy's instants would silently disorder them."""
    bad, good = (TableTape(np.full((5, 2), seconds)) for seconds in (value, 0.75))
    cluster = {
        "resends": Cluster(resends=[bad]),
        "up": Cluster(failures=[Failures(bad, good)]),
        "down": Cluster(failures=[Failures(good, bad)]),
    }[what]
    scheme = SCHEMES["ignore_stragglers"](deadline=1.0).build(2)
    tapes = [TableTape(np.ones((5, 2)))]
    for engine in ENGINES if what == "resends" else [event]:
        with pytest.raises(InvalidDelay, match="worker 0"):
            engine.simulate(scheme, tapes, Proportional(), 5, Policy.CANCEL, cluster)
