"""Workers that crash so often that nothing gets done: the run stops and says so."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.cluster import Cluster, Failures, Network, Policy
from erasurehead.sim.engines.event import worker
from erasurehead.sim.engines.tapes import columns
from erasurehead.sim.errors import NeverEnough
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.types import FloatArray, Trace
from tests.engines.engines import event
from tests.tables import TableTape


class Forever(TableTape):
    """The same row again and again."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return np.tile(self.table, (stop - start, 1))


def forever(*row: float) -> Forever:
    return Forever(np.array([row]))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose hope soon: what is tested is when, not how often."""
    monkeypatch.setattr(worker, "TOO_OFTEN", 50)


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
CHANNEL = Network(0.25, 0.0, 0.125, bandwidth=8.0, message_bytes=1.0, channels=1)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("network", [None, Network(0.25), CHANNEL], ids=["none", "late", "channel"])
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
