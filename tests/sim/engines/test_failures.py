"""Workers that crash, come back, or are dead.

Speaks to the event engine: its patience with crashes is shortened, and what it keeps of tapes is
counted.
"""

from __future__ import annotations

import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.plugins import BoolArray, Fixed, FloatArray, Groups, SumArrived
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.event import networked
from erasurehead.sim.engines.tapes import columns
from erasurehead.stopping import StoppingRule
from tests.sim.engines.agreement import (
    POLICIES,
    batch,
    both,
    both_finish,
    both_stuck,
    event,
    outcome,
)
from tests.statistics import assert_z
from tests.tools import TableTape

INF = np.inf
policies = pytest.mark.parametrize("policy", POLICIES)

# A task that is done again is a new execution.


@pytest.mark.parametrize("name", ["uncoded", "balanced"])
@policies
def test_a_retry_draws_anew(name: str, policy: str) -> None:
    """One worker, exponential tasks of 1 s and lives of 2 s, repairs of 0.5 s. An attempt takes
    E[min(X, U)] = 2/3 s and succeeds with chance 2/3, else costs a repair: (2/3 + 1/6) / (2/3) =
    1.25 s. With the same draw again and again it is E[exp(X/2) - 1] (2 + 0.5) = 2.5 s."""
    fields = {"micro_batches": 1} if name == "balanced" else {}
    scheme = SCHEMES[name](**fields).build(1)
    seconds = []
    for r in range(2):
        task, up = (Tape(MODELS["exponential"](rate=rate), 1, 5 + r, 0) for rate in (1.0, 0.5))
        down = forever(0.5)
        lives = [(replace(up, replication=9), down)] * 2
        tapes = [task, replace(task, replication=1)]
        trace = event.simulate(scheme, tapes, Proportional(), 500, policy, lives=lives)
        seconds.append(trace.intervals.ravel())
    assert_z(np.concatenate(seconds), 1.25)


def test_a_task_longer_than_any_life_ends_when_it_is_drawn_anew() -> None:
    """A fifth of the tasks take about 1.5 s, and nobody lives longer than all but the longest."""
    tape = Tape(MODELS["mixture"].examples()[0], 3, 1, 0)
    life = 0.99 * float(tape.rows(0, 60).max())
    lives = [(forever(life, life, life), forever(0.1, 0.1, 0.1))]
    trace = event.simulate(UNCODED.build(3), [tape], Proportional(), 60, lives=lives)
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


def run(family, delays, up, down, policy="cancel", rounds=2, **around) -> Any:
    """A trace, or why there is none: of the same delays in each round, or of a table of them."""
    tape = TableTape(np.array(delays)) if isinstance(delays[0], list) else forever(*delays)
    scheme, lives = family.build(tape.workers), [(up, down)]
    return outcome(
        lambda: event.simulate(
            scheme, [tape], Proportional(), rounds, policy, lives=lives, **around
        )
    )


def table(*rows: list[float]) -> TableTape:
    return TableTape(np.array(rows))


UNCODED = SCHEMES["uncoded"]()
FIRST = SCHEMES["ignore_stragglers"](wait_for=1)
CHANNEL = {
    "broadcast_latency": 0.25,
    "uplink_latency": 0.125,
    "bandwidth": 8.0,
    "message_bytes": 1.0,
    "channels": 1,
}


@pytest.mark.usefixtures("few")
@policies
@pytest.mark.parametrize(
    "network", [None, {"broadcast_latency": 0.25}, CHANNEL], ids=["none", "late", "channel"]
)
def test_a_task_longer_than_any_life(network, policy) -> None:
    """Two seconds of work, one second up: for ever, without ``max_wait``."""
    lives = forever(1, 1, 1), forever(1, 1, 1)
    error = run(UNCODED, [0.25, 2.0, 2.0], *lives, policy, network=network)
    assert (error.iteration, error.missing) == (1, [1, 2])
    assert "\n" not in str(error)
    for mention in ("50 crashes", "time_to_failure", "2 workers: 1, 2"):
        assert mention in str(error)


def test_the_real_bound_is_reached_in_seconds() -> None:
    assert "after 10,000 crashes" in str(run(UNCODED, [2.0], forever(1), forever(1)))


HALVES = forever(0.5, 0.5, 0.5)
DEADLINE = SCHEMES["ignore_stragglers"](deadline=1500.25)


@pytest.mark.usefixtures("few")
@policies
@pytest.mark.parametrize(
    ("family", "delays", "up", "down", "rounds", "ends"),
    [
        # Worker 0 crashes a thousand times in a round, but worker 1 works on and will end it;
        # once worker 1 has been heard, nobody will.
        (FIRST, [1.25, 2000.0], forever(1.0, INF), forever(0.5, 0.5), 1, [2000]),
        (UNCODED, [1.25, 2000.0], forever(1.0, INF), forever(0.5, 0.5), 2, (1, [0])),
        # Who never crashes can be hopeless too: worker 1 has a task that never ends, and worker 2
        # is down for good.
        (
            FIRST,
            [1.25, INF, 4.0],
            forever(1.0, INF, 3.0),
            forever(0.5, 0.5, INF),
            2,
            (1, [0, 1, 2]),
        ),
        # The fiftieth crash of worker 0 comes just after the message that ends the round. Who still
        # works then, worker 2 for ever, is not waited for.
        (FIRST, [1.25, 74.5, INF], forever(1.0, INF, INF), HALVES, 1, [74.5]),
        # A thousand crashes before a deadline are a round like any other.
        (DEADLINE, [2.0, 2.0], forever(1, 1), forever(0.5, 0.5), 2, [1500.25, 3000.5]),
        # Both need everybody; without the refusal worker 2 would go on for ever.
        (SCHEMES["malenia"](), [INF, 1.0], forever(INF, INF), None, 2, (1, [0])),
        (SCHEMES["ringleader"](), [INF, 1.0], forever(INF, INF), None, 2, (1, [0])),
    ],
)
def test_as_long_as_somebody_can_still_be_heard(family, delays, up, down, rounds, ends, policy):
    """Instants of updates, or the round that cannot end and who is missing."""
    found = run(family, delays, up, down, policy, rounds)
    if isinstance(ends, tuple):
        assert (found.iteration, found.missing) == ends
        return
    if family is DEADLINE and policy == "drain":  # when both have crashed once more
        ends = [1500.25, 1501.0 + 1500.25]
    assert found.times[0].tolist() == ends


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("family", "delays", "up", "down", "rounds", "around", "ends"),
    [
        # Who is repaired has the model that is still on its way: sent at 0 s, here at 1 s; up
        # again at 0.5 s, and two seconds of work from then on.
        (
            *(UNCODED, [2.0], table([0.25], [INF]), table([0.25], [INF]), 1),
            *({"network": {"broadcast_latency": 1.0}}, [2.5]),
        ),
        # Worker 1 is down while worker 0 crashes for the fiftieth time, and then does its task.
        (
            *(FIRST, [1.25, 4.0], table([1.0, 3.0], *[[1.0, INF]] * 300)),
            *(table(*[[0.5, 200.0]] * 300), 1, {}, [207]),
        ),
        # Thirty crashes in each of ten rounds are not too many: each round counts anew.
        (
            *(UNCODED, [1.25], table(*[[1.0]] * 30, *[[2.5]] * 11), forever(0.5), 10),
            *({}, None),
        ),
        # Round 1 ends after a crash or two; round 2 asks for more than there is.
        (
            *(UNCODED, [[0.75], [2.0]], table([0.5], *[[1.0]] * 300), forever(0.5), 2),
            *({}, (2, [0], "50 crashes")),
        ),
        # Worker 0 crashes sixty times in round 1 and never again: it ends both rounds. In round 2
        # worker 1 has a task that never ends, and worker 2 always crashes.
        (
            *(FIRST, [[1.25, 100.0, 1.25], [500.0, INF, 1.25]]),
            table(*[[1.0, INF, 1.0]] * 60, *[[INF, INF, 1.0]] * 900),
            *(HALVES, 2, {}, [91.25, 591.25]),
        ),
    ],
)
def test_crashes_by_hand(family, delays, up, down, rounds, around, ends) -> None:
    """Instants of updates; or the round that cannot end, who is missing and why."""
    found = run(family, delays, up, down, rounds=rounds, **around)
    if isinstance(ends, tuple):
        assert (found.iteration, found.missing) == ends[:2]
        assert ends[2] in str(found)
    else:
        assert np.isfinite(found.times).all() if ends is None else found.times[0].tolist() == ends


@pytest.mark.usefixtures("few")
@policies
def test_max_wait_ends_a_round_of_crashes(policy) -> None:
    error = run(UNCODED, [2.0, 2.0], forever(1, 1), forever(0.5, 0.5), policy, max_wait=1500.0)
    assert "max_wait = 1500 s" in str(error)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("max_wait", [None, 5.0])
def test_time_that_stands_still(max_wait: float | None) -> None:
    """Up for no time and down for no time: no clock will ever end this round."""
    error = run(UNCODED, [2.0, 2.0], forever(0, 9), forever(0, 1), max_wait=max_wait)
    assert "50 crashes" in str(error)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("max_wait", [None, 1e6])
def test_a_round_that_never_drains(max_wait: float | None) -> None:
    """One of workers 1 and 2 is always up and at work, and neither can finish."""
    up = table([INF, 1.0, 1.6], *[[INF, 1.0, 1.0]] * 300)
    error = run(FIRST, [0.25, 2.0, 2.0], up, HALVES, "drain", max_wait=max_wait)
    assert "crashes" in str(error)
    assert error.iteration == 1
    assert set(error.missing) <= {1, 2}


def test_a_message_that_is_sent_again_counts_once() -> None:
    """Worker 0 crashes between its two messages and begins again; three messages end the round.

    They come at 1 (and again, which is no news, at 3.5), from worker 1 at 4, and at 4.5.
    """
    up = table([1.5, 99.0, 99.0], [99.0, 99.0, 99.0])
    family = SCHEMES["multi_message"](load=2, wait_for=3)
    trace = run(family, [1.0, 4.0, 9.0], up, forever(1.0, 1.0, 1.0), rounds=1)
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
        self.given.append(weakref.ref(rows))
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
        assert sum(block() is not None for block in tape.given) <= 2
    assert len(tape.given) <= 20 + 2


def test_rare_crashes_are_legitimate() -> None:
    """Lives twice as long as tasks: every round ends, with the bound as it is."""
    rates = 1.0, 0.5, 2.0
    models = [MODELS["exponential"](rate=rate) for rate in rates]
    delay, up, down = (Tape(model, 8, seed, 0) for seed, model in enumerate(models))
    lives = [(up, down)]
    trace = event.simulate(UNCODED.build(8), [delay], Proportional(), 300, lives=lives)
    assert np.isfinite(trace.times).all()


# Tasks that never end, and delays that are not delays, in both engines.


NETWORKS = [None, {}, {"broadcast_latency": 0.25, "uplink_latency": 0.5}]
around = pytest.mark.parametrize("network", NETWORKS, ids=["no network", "instant", "latencies"])
engines = pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])


def random_table(rounds: int, workers: int) -> FloatArray:
    return np.random.default_rng(3).random((rounds, workers))


@around
@pytest.mark.parametrize("policy", POLICIES[:3])
@pytest.mark.parametrize("load", [1, 3], ids=["one message", "three messages"])
def test_a_run_goes_on_without_them(network, policy: str, load: int) -> None:
    """Seconds stay numbers: a message that never came took no useful time."""
    table = random_table(12, 6)
    table[2, 3:] = table[7, 0] = np.inf
    scheme = SCHEMES["multi_message"](load=load, wait_for=2).build(6)
    for law in (Proportional(), PerPartition(), Additive(seconds_per_partition=0.25)):
        trace = both_finish(scheme, [TableTape(table)], law, 12, policy, network=network)
        assert np.isfinite(trace.times).all()
        assert np.isfinite(trace.work.busy).all()
        assert np.all((trace.work.useful >= 0) & (trace.work.useful <= trace.work.busy + 1e-12))
        heard = trace.heard.arrived.reshape(12, 6, load).any(axis=(1, 2))
        assert heard.all()
        after = trace.heard.arrived[0, 3:, 3 * load :]
        assert after.any() == (policy == "cancel")  # a new model ends a dead task


class PartlyDead(TableTape):
    """Stream 0 is the table; every later piece of worker 0 never ends."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        table = super().rows(start, stop).copy()
        if stream > 0:
            table[:, 0] = np.inf
        return table


@around
@policies
def test_only_the_later_messages_never_come(network, policy: str) -> None:
    """The first piece of worker 0 arrives, the others do not, and it never rests again."""
    tape = PartlyDead(np.full((4, 3), 0.5))
    scheme = SCHEMES["multi_message"](load=2, wait_for=3).build(3)
    run = scheme, [tape], PerPartition(), 4, policy
    if policy == "drain":
        error = both_stuck(*run, network=network)
        assert (error.iteration, error.missing) == (1, [0])
        return
    arrived = both_finish(*run, network=network).heard.arrived[0, :2, :2]
    assert arrived.tolist() == [[True, False], [policy == "cancel", False]]


@policies
@pytest.mark.parametrize("dead_from", [0, 3])
@around
def test_messages_lost_for_ever(network, policy: str, dead_from: int) -> None:
    """The task ends but its message is sent again and again: who waits for it waits in vain."""
    lost = np.zeros((8, 4))
    lost[dead_from:, 1] = np.inf
    trouble = {"network": network, "resends": [TableTape(lost)]}
    tapes = [TableTape(np.ones((8, 4)))]
    error = both_stuck(UNCODED.build(4), tapes, Proportional(), 8, policy, **trouble)
    assert (error.iteration, error.missing) == (dead_from + 1, [1])
    goes_on = SCHEMES["erasurehead"](load=2, wait_for=2).build(4)
    ends = both_stuck if policy == "drain" else both_finish
    ends(goes_on, tapes, Proportional(), 8, policy, **trouble)


@around
@policies
@pytest.mark.parametrize("max_wait", [None, 1e308, np.inf])
def test_the_end_of_time_is_never(network, policy, max_wait) -> None:
    """Two rounds of 1e308 seconds are later than any number: the second one never ends.

    Nor does a patience that is as long.
    """
    tapes = [TableTape(np.full((3, 2), 1e308))]
    scheme = SCHEMES["uncoded"]().build(2)
    error = both_stuck(scheme, tapes, Proportional(), 3, policy, network=network, max_wait=max_wait)
    assert (error.iteration, error.missing) == (2, [0, 1])
    assert "can never end" in str(error)


class MoreThanAll(StoppingRule):
    """A rule with a mistake: all arrivals are not enough."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.sum(axis=-1) > arrived.shape[-1])


@around
@policies
@pytest.mark.parametrize(
    ("max_wait", "begins"),
    [(None, "can never end"), (9.0, "has not ended after max_wait = 9 s")],
)
def test_a_rule_that_all_arrivals_do_not_satisfy_is_named(network, policy, max_wait, begins):
    scheme = Fixed("mine", Groups(4, 1), MoreThanAll(), SumArrived(), exact=False)
    tapes = [TableTape(np.random.default_rng(2).random((3, 4)))]
    error = both(scheme, tapes, Proportional(), 3, policy, network=network, max_wait=max_wait)
    text = "all 4 workers have arrived, and the stopping rule MoreThanAll still says not enough"
    assert str(error) == f"iteration 1 {begins}: {text}"


@policies
def test_delays_that_overflow_are_never(policy: str) -> None:
    """exp(300 Z) is beyond any number in one cell of a hundred: such a task does not end."""
    tapes = [Tape(MODELS["lognormal"](median=1.0, sigma=300.0), 6, 1, r) for r in range(2)]
    for family in (SCHEMES["uncoded"](), SCHEMES["ignore_stragglers"](wait_for=1)):
        both(family.build(6), tapes, Proportional(), 20, policy)


@pytest.mark.parametrize("policy", ["cancel", "queue"])
@pytest.mark.parametrize("repair", [None, forever(INF, INF)], ids=["crash for good", "endless"])
def test_who_never_comes_back_is_gone(repair, policy) -> None:
    """A repair that takes for ever is a crash for good, and an endless life never ends."""
    trace = run(FIRST, [2.0, 1.0], forever(2.5, INF), repair, policy, 4)
    assert trace.times[0].tolist() == [1, 2, 3, 4]
    assert trace.work.down[0].tolist() == [1.5, 0]


@engines
@pytest.mark.parametrize("network", [None, {}], ids=["no network", "network"])
@pytest.mark.parametrize("value", [np.nan, -0.5, -INF])
@pytest.mark.parametrize(
    "law", [Proportional(), Additive(seconds_per_partition=1.0), PerPartition()], ids=repr
)
def test_what_is_no_delay_is_refused(engine, network, value, law) -> None:
    """Wherever it is hidden: behind a sum that makes it positive, or in a later piece."""
    table = random_table(9, 6)
    table[7, 2] = value
    scheme = SCHEMES["fractional_repetition"](load=3).build(6)
    with pytest.raises(ValueError, match="gives") as caught:
        engine.simulate(scheme, [TableTape(table)], law, 9, network=network)
    message = str(caught.value)
    assert "\n" not in message
    for mention in (f"{value:g} s", "worker 2", "row 7", "TableTape"):
        assert mention in message


@engines
def test_the_model_of_a_bad_delay_is_named(engine) -> None:
    """0 times infinity: an exponential law whose mean is beyond any number, at a draw of 0."""

    class Broken(TableTape):
        model = MODELS["exponential"](rate=1e-320)

    tapes = [Broken(np.array([[INF, INF], [np.nan, INF]]))]
    with pytest.raises(ValueError, match=r"Exponential\(rate=1e-320\)"):
        engine.simulate(DEADLINE.build(2), tapes, Proportional(), 2)


@pytest.mark.parametrize("value", [np.nan, -1.0])
@pytest.mark.parametrize("what", ["resends", "up", "down"])
def test_bad_tapes_of_trouble_are_refused(what: str, value: float) -> None:
    """A NaN among SimPy's instants would silently disorder them."""
    bad, good = forever(value, value), forever(0.75, 0.75)
    trouble: dict[str, Any] = {
        "resends": {"resends": [bad]},
        "up": {"lives": [(bad, good)]},
        "down": {"lives": [(good, bad)]},
    }[what]
    scheme = SCHEMES["ignore_stragglers"](deadline=1.0).build(2)
    for engine in (event, batch) if what == "resends" else (event,):
        with pytest.raises(ValueError, match=r"gives .* for worker 0"):
            engine.simulate(scheme, [forever(1, 1)], Proportional(), 5, **trouble)
