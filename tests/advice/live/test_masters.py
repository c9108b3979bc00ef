"""The masters and the worker of ``live``. Speaks to them: they are held to the event engine at each
arrival, which no real worker repeats."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pytest
from typing_extensions import override

from erasurehead import ConfigError
from erasurehead.delays import Exponential, Tape
from erasurehead.experiments.advice.live import command, masters, request, worker, workers
from erasurehead.experiments.config import build, cells
from erasurehead.experiments.run.compute import CellResult, compute, learn
from erasurehead.load_laws import Additive, Proportional
from erasurehead.optimizers import Nesterov
from erasurehead.plugins import (
    Barrierless,
    BoolArray,
    Fixed,
    KnownDelaysFamily,
    Rounds,
    Run,
    Stream,
)
from erasurehead.problems import Logistic
from erasurehead.schemes import SCHEMES, Scheme, SchemeFamily, Uncoded
from erasurehead.sim.base.errors import NeverEnough
from erasurehead.sim.engines.run import Cluster, Policy
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.training.learner import Learned
from erasurehead.stopping import StoppingRule
from tests.advice.live.simulated import SimulatedWorkers, nobody
from tests.tools import TableTape

# The live masters against the event engine: the same decisions, and the same models.
#
# Workers are simulated here, so that every arrival is known; real ones are in
# tests/advice/live/test_live.py.


WORKERS, ROUNDS = 12, 6


def problem(partitions: int) -> build.Training:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 5))
    y = np.sign(X[:, 0] + 0.3 * rng.standard_normal(80))
    data = Logistic(X, y, partitions=partitions, l2=0.01)
    return build.Training(data, rng.standard_normal(5), Nesterov(learning_rate=0.5))


def built(family: SchemeFamily) -> Scheme | None:
    """The scheme for 12 workers, if live runs it."""
    if isinstance(family, KnownDelaysFamily):
        return None
    scheme = family.build(WORKERS)
    return scheme if worker.supported(scheme) else None


SCHEMES_HERE = [
    (family, scheme)
    for cls in SCHEMES.values()
    for family in cls.examples()
    if (scheme := built(family)) is not None
]
FIXED = [pair for pair in SCHEMES_HERE if isinstance(pair[1], Fixed)]
FREE = [pair for pair in SCHEMES_HERE if not isinstance(pair[1], Fixed)]


def run_of(scheme: Scheme, policy: Policy = Policy.CANCEL, replications: int = 2) -> Run:
    model = Exponential(rate=1.0)
    tapes = [Tape(model, WORKERS, 7, r) for r in range(replications)]
    return Run(scheme, tapes, Additive(seconds_per_partition=0.25), ROUNDS, policy)


def played(
    run: Run, learning: build.Training, deaths: dict[int, float] | None = None
) -> list[masters.LiveMaster]:
    held = worker.computations(run.scheme, learning.problem)
    return command.play_all(
        masters.Session(run, SimulatedWorkers(held, run.policy, deaths), learning)
    )


def same_models(run: Run, learning: build.Training, found: list[masters.LiveMaster]) -> float:
    steps = command.steps_of(run, command.trace_of(run, found), found)
    said = command.difference(
        command.learned(learning.problem, found), learn(learning, steps, run.iterations)
    )
    return max(said.model, said.loss)


def of_policies(whole: bool) -> list[tuple[Scheme, tuple[Policy, ...]]]:
    """Each code under one policy, in turn, and the first example of a scheme under all; or, where
    ``whole``, each under those that are left."""
    taken, found = set[str](), list[tuple[Scheme, tuple[Policy, ...]]]()
    for place, (family, scheme) in enumerate(FIXED):
        every, first = tuple(Policy), family.name not in taken
        one = every[place % len(every)]
        taken.add(family.name)
        quick = every if first else (one,)
        found.append(
            (scheme, tuple(each for each in every if each not in quick) if whole else quick)
        )
    return [each for each in found if each[1]]


@pytest.mark.one_in(4)
@pytest.mark.parametrize(
    ("scheme", "policies"),
    [
        *of_policies(whole=False),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in of_policies(whole=True)),
    ],
    ids=lambda x: repr(x),
)
def test_rounds_are_the_event_engines(scheme: Scheme, policies: Sequence[Policy]) -> None:
    """Every instant, every mask, every second of work, under each policy; and the same models.

    Catches a wrong decoding vector, a task of another round that counts, a late alarm.
    """
    learning = problem(scheme.partitions)
    for policy in policies:
        run = run_of(scheme, policy)
        expected = simulate(run, "event")
        found = played(run, learning)
        got = command.trace_of(run, found)
        assert isinstance(expected.heard, Rounds)
        assert isinstance(got.heard, Rounds)
        np.testing.assert_allclose(got.times, expected.times, rtol=1e-12)
        np.testing.assert_array_equal(got.heard.arrived, expected.heard.arrived)
        assert got.work is not None
        assert expected.work is not None
        np.testing.assert_array_equal(got.work.last, expected.work.last)
        for name in ("busy", "useful", "margin"):
            np.testing.assert_allclose(
                getattr(got.work, name), getattr(expected.work, name), atol=1e-9, err_msg=name
            )
        assert same_models(run, learning, found) <= 1e-9


@pytest.mark.parametrize(("family", "scheme"), FREE, ids=lambda x: repr(x))
def test_updates_are_the_event_engines(family: SchemeFamily, scheme: Scheme) -> None:
    """Who counts in each update, with which staleness, and when; and the same models."""
    learning = problem(scheme.partitions)
    run = run_of(scheme)
    expected, found = simulate(run, "event"), played(run, learning)
    got = command.trace_of(run, found)
    np.testing.assert_allclose(got.times, expected.times, rtol=1e-12)
    assert type(got.heard) is type(expected.heard)
    for name, array in vars(expected.heard).items():
        np.testing.assert_array_equal(getattr(got.heard, name), array, err_msg=name)
    assert got.work is not None
    assert expected.work is not None
    for name in ("busy", "useful", "margin"):
        np.testing.assert_allclose(
            getattr(got.work, name), getattr(expected.work, name), atol=1e-9, err_msg=name
        )
    assert same_models(run, learning, found) <= 1e-9


def test_schemes_that_the_issue_names_are_run() -> None:
    names = {scheme.name for _, scheme in SCHEMES_HERE}
    wanted = "uncoded ignore_stragglers fractional_repetition cyclic_repetition erasurehead"
    barrierless = "asynchronous k_async rennala malenia ringleader"
    assert {*wanted.split(), *barrierless.split()} <= names


def test_a_code_goes_on_without_a_dead_worker() -> None:
    """Worker 1 dies in the second round; from then on it is counted as dead, and as down."""
    family = SCHEMES["fractional_repetition"](load=3)
    run = run_of(family.build(WORKERS), replications=1)
    learning = problem(WORKERS)
    whole = command.trace_of(run, played(run, learning)).times[0]
    instant = (whole[0] + whole[1]) / 2
    found = played(run, learning, {1: instant})
    trace = command.trace_of(run, found)
    assert trace.work is not None
    assert isinstance(trace.heard, Rounds)
    assert trace.work.dead[0].tolist() == [0] + [1] * (ROUNDS - 1)
    assert not trace.heard.arrived[0, 2:, 1].any()
    assert trace.work.down[0, 1] == pytest.approx(trace.times[0, -1] - instant)
    assert same_models(run, learning, found) <= 1e-9


def test_nobody_waits_for_a_worker_that_dies_while_its_round_drains() -> None:
    """Round 1 is over at 3 s; worker 1, which needs 15, dies at 4, and round 2 begins."""
    scheme = SCHEMES["fractional_repetition"](load=3).build(WORKERS)
    table = np.ones((400, WORKERS))
    table[:, 1] = 5.0
    run = Run(scheme, [TableTape(table)], Proportional(), ROUNDS, Policy.DRAIN)
    for deaths, starts in ({}, 15.0), ({1: 4.0}, 4.0):
        times = command.trace_of(run, played(run, problem(WORKERS), deaths)).times[0]
        load = times[0]
        assert times[1] == pytest.approx(starts + load)
        if deaths:
            np.testing.assert_allclose(np.diff(times[1:]), load)


def test_ringleader_keeps_what_comes_too_late_for_the_cycle() -> None:
    """Workers twice as fast as others send several gradients a cycle; each counts in a mean.

    Catches a table that is not emptied, one that loses what was kept, and a mean of all messages.
    """
    scheme = SCHEMES["ringleader"]().build(WORKERS)
    run, learning = run_of(scheme, replications=1), problem(WORKERS)
    table = np.linspace(1.0, 2.5, WORKERS) + np.random.default_rng(3).random((400, WORKERS))
    run = replace(run, tapes=[TableTape(table)])
    found = played(run, learning)
    heard = command.trace_of(run, found).heard
    assert isinstance(heard, Stream)
    assert len(heard.message) > 1.4 * run.updates, "some gradients make no update"
    assert same_models(run, learning, found) <= 1e-9


@pytest.mark.parametrize(("name", "iteration"), [("malenia", 2), ("ringleader", 2)])
def test_one_gradient_of_each_is_needed(name: str, iteration: int) -> None:
    """Worker 3 dies at once after the first iteration: the others would go on for ever."""
    run = run_of(SCHEMES[name]().build(WORKERS), replications=1)
    learning = problem(WORKERS)
    whole = command.trace_of(run, played(run, learning)).times[0, run.updates // ROUNDS - 1]
    with pytest.raises(
        masters.CannotEnd, match=rf"^iteration {iteration} can never end: worker 3 died$"
    ):
        played(run, learning, {3: float(np.nextafter(whole, inf))})


@pytest.mark.parametrize("policy", Policy)
def test_uncoded_names_the_dead_worker(policy: Policy) -> None:
    run = run_of(Uncoded().build(WORKERS), policy, replications=1)
    learning = problem(WORKERS)
    whole = command.trace_of(run, played(run, learning)).times[0]
    with pytest.raises(masters.CannotEnd, match=r"^iteration 2 can never end: worker 3 died$"):
        played(run, learning, {3: float(np.nextafter(whole[0], inf))})


@dataclass(frozen=True)
class OneMore(StoppingRule):
    """More than there are."""

    def enough(self, arrived: BoolArray) -> BoolArray:
        return arrived.sum(axis=-1) > arrived.shape[-1]


@pytest.mark.parametrize("lost", [[], [1, 3]])
def test_what_never_ends_is_said_as_the_simulator_says_it(lost: list[int]) -> None:
    """A rule that all arrivals do not satisfy, or messages that never come."""
    table = np.ones((ROUNDS, WORKERS))
    table[:, lost] = inf
    scheme = replace(Uncoded().build(WORKERS), stopping=OneMore())
    run = replace(run_of(scheme, replications=1), tapes=[TableTape(table)])
    with pytest.raises(NeverEnough, match=r"^iteration 1 can never end: ") as simulated:
        simulate(run, "event")
    with pytest.raises(masters.CannotEnd) as heard:
        played(run, problem(WORKERS))
    assert str(heard.value) == str(simulated.value)


def test_a_round_that_never_drains_is_said_as_the_simulator_says_it() -> None:
    """Ten messages end round 2, whose other two never come."""
    scheme = SCHEMES["ignore_stragglers"](wait_for=10).build(WORKERS)
    table = np.ones((ROUNDS, WORKERS))
    table[1, [2, 5]] = inf
    run = Run(scheme, [TableTape(table)], Proportional(), ROUNDS, Policy.DRAIN)
    with pytest.raises(NeverEnough, match=r"^iteration 2 can never end: ") as simulated:
        simulate(run, "event")
    with pytest.raises(masters.CannotEnd) as heard:
        played(run, problem(WORKERS))
    assert str(heard.value) == str(simulated.value)


@pytest.mark.parametrize("name", ["uncoded", "asynchronous"])
def test_messages_are_counted_and_those_that_are_late(name: str) -> None:
    """All messages of worker 0 are late here."""
    run = run_of(SCHEMES[name]().build(WORKERS))
    for master in played(run, problem(WORKERS)):
        assert master.messages == WORKERS * ROUNDS
        late = ROUNDS
        if isinstance(master, masters.LiveBarrierlessMaster):
            late = sum(worker == 0 for worker, *_ in master.decisions.accepted)
        assert 0 < master.late == late < master.messages


@pytest.mark.parametrize("name", ["uncoded", "asynchronous"])
def test_max_wait_ends_the_run(name: str) -> None:
    """As soon as the clock shows it: a worker's first message comes after minutes."""
    run = Run(
        SCHEMES[name]().build(2),
        [Tape(Exponential(rate=0.001), 2, 0, 0)],
        Proportional(),
        3,
        cluster=Cluster(max_wait=0.5),
    )
    with pytest.raises(
        masters.CannotEnd, match=r"iteration 1 has not ended after max_wait = 0\.5 s"
    ):
        played(run, problem(2))


def test_how_far_models_are_from_the_simulators() -> None:
    """The largest over replications, each of its own length; losses of the largest first one."""
    losses = np.array([[4.0, 2.0, 1.0], [2.0, 1.0, 0.5]])
    models = np.array([[3.0, 0.0], [4.0, 1e-3]])
    moved = losses + np.array([[0.0, 0.2, -0.4], [0.1, 0.0, 0.0]])
    away = models + np.array([[0.0, 1e-5], [0.05, 0.0]])
    found = Learned(moved, None, away, None)
    said = command.difference(found, Learned(losses, None, models, None))
    assert said.loss == pytest.approx(0.1)
    assert said.model == pytest.approx(max(0.05 / 5, 1e-5 / 1e-3))


def test_the_largest_difference_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """And each cell above round-off has a warning; without a problem nothing is compared."""
    facts = [
        command.Facts(
            message,
            2 * message,
            None,
            None if model is None else command.Difference(0.0, model),
        )
        for message, model in ((0.001, 3e-12), (0.004, 2e-8), (0.002, None), (0.003, 1e-9))
    ]
    cells = [SimpleNamespace(label=name, named=name, scheme={"name": "mine"}) for name in "abcd"]
    command.show_live(cast(Any, SimpleNamespace(finished=cells)), facts)
    out, err = capsys.readouterr()
    assert (
        "there and back takes 0.004 s of the config, an empty round of all workers 0.008 s" in out
    )
    assert "finds the same models, to 2e-08 of their length" in out
    assert err.startswith("warning: b: the models are 2e-08 of their length")
    assert err.count("warning") == 1
    command.show_live(cast(Any, SimpleNamespace(finished=cells[2:3])), facts[2:3])
    assert "the same models" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "how", "said"),
    [
        (17_280.0, command.How(), "the delays take about 8.64e+04 s in real time\n"),
        (17_281.0, command.How(), None),
        (34_560.0, command.How(scale=0.5), "the delays take about 8.64e+04 s in real time\n"),
        (34_562.0, command.How(scale=0.5), None),
        (1e9, command.How(injected=False), ""),
    ],
)
def test_a_day_is_allowed(
    seconds: float, how: command.How, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of real time, over all iterations and replications; more of it where that is asked for."""
    delay = {"model": "deterministic", "value": seconds}
    document = {"workers": 2, "iterations": 5, "replications": 1, "delay": delay}
    grid = cells.cells({**document, "schemes": [{"name": "uncoded"}]})
    if said is None:
        with pytest.raises(ConfigError, match="the delays take 24 h in real time; take fewer"):
            command.require_live(grid, how, False)
    else:
        assert command.require_live(grid, how, False) == 5
        assert capsys.readouterr().out == said
    assert command.require_live(grid, how, True) == 5


# One worker without a process: its rows, a few at a time, and what ends its tasks.


DROPPED = -1
"""In the place of a task's number."""


@dataclass
class Overtaken(worker.Computation):
    """Orders come while it computes task 0; ``log`` has each half of its work."""

    orders: SimpleQueue[worker.Order]
    coming: Sequence[worker.Order]
    log: list[int] = field(default_factory=list)

    @override
    def compute(self, wanted: worker.Wanted) -> worker.Vector:
        self.log.append(wanted.argument)
        if wanted.argument == 0:
            for order in self.coming:
                self.orders.put(order)
        wanted.listen()
        self.log.append(wanted.argument)
        return np.empty(0)


class Finite(SimpleQueue[worker.Order]):
    """A worker that waits for more than will ever come fails, and does not hang."""

    @override
    def get(self, block: bool = True, timeout: float | None = None) -> worker.Order:
        return self.get_nowait()


@dataclass
class Line:
    """To a master that closes it after the answer to task 2, or to ``Drop``."""

    orders: SimpleQueue[worker.Order]
    heard: list[int] = field(default_factory=list)

    def send(self, told: worker.Reply | worker.Idle) -> None:
        number = told.number if isinstance(told, worker.Reply) else DROPPED
        self.heard.append(number)
        if number in (2, DROPPED):
            self.orders.put(None)


@pytest.mark.parametrize(
    ("policy", "log"),
    [
        (Policy.CANCEL, [0, 2, 2]),
        (Policy.FINISH, [0, 0, 2, 2]),
        (Policy.DRAIN, [0, 0, 2, 2]),
        (Policy.QUEUE, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_tasks_that_come_while_a_worker_computes(policy: Policy, log: list[int]) -> None:
    """Cancel stops in the middle; the others finish, and go on with the newest or the next."""
    orders = Finite()
    orders.put(worker.Task(0, (0.0,), 0))
    line, work = (
        Line(orders),
        Overtaken(orders, [worker.Task(1, (0.0,), 1), worker.Task(2, (0.0,), 2)]),
    )
    worker.LiveWorker(cast(Any, line), worker.Setup(work, policy), orders).serve()
    assert work.log == log
    assert line.heard == [number for number in range(3) if log.count(number) == 2]


@pytest.mark.parametrize("policy", list(Policy))
def test_drop_ends_a_task_in_the_middle_and_those_that_wait(policy: Policy) -> None:
    orders = Finite()
    orders.put(worker.Task(0, (0.0,), 0))
    line, work = (
        Line(orders),
        Overtaken(orders, [worker.Task(1, (0.0,), 1), worker.Drop()]),
    )
    worker.LiveWorker(cast(Any, line), worker.Setup(work, policy), orders).serve()
    assert work.log == [0]
    assert line.heard == [DROPPED]


class Clock:
    """Of a worker without a process: it stands still but in ``get`` and where work is done."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@dataclass
class Coming:
    """Orders that come at their instants, and a line that remembers when it heard what."""

    clock: Clock
    orders: list[tuple[float, worker.Order]]
    heard: list[tuple[float, worker.Reply | worker.Idle]] = field(default_factory=list)

    def get(self, timeout: float | None = None) -> worker.Order:
        timeout = inf if timeout is None else timeout
        instant = self.orders[0][0] if self.orders else inf
        assert min(instant, timeout) < inf, "the worker waits for more than will ever come"
        if instant > self.clock.now + timeout:
            self.clock.now += timeout
            raise Empty
        self.clock.now = max(self.clock.now, instant)
        return self.orders.pop(0)[1]

    def get_nowait(self) -> worker.Order:
        return self.get(0.0)

    def send(self, told: worker.Reply | worker.Idle) -> None:
        self.heard.append((self.clock.now, told))


@dataclass
class OneSecond(worker.Computation):
    """Each message takes a second, in two halves."""

    clock: Clock

    @override
    def compute(self, wanted: worker.Wanted) -> worker.Vector:
        for _ in range(2):
            self.clock.now += 0.5
            wanted.listen()
        return np.array([float(wanted.message)])


def served(
    monkeypatch: pytest.MonkeyPatch,
    orders: list[tuple[float, worker.Order]],
    policy: Policy = Policy.CANCEL,
    slow: float = 1.0,
) -> list[tuple[float, worker.Reply | worker.Idle]]:
    """What a worker says, and when; each message takes a second to compute."""
    clock = Clock()
    monkeypatch.setattr(worker, "time", clock)
    line = Coming(clock, [*orders, (100.0, None)])
    worker.LiveWorker(
        cast(Any, line), worker.Setup(OneSecond(clock), policy, slow), cast(Any, line)
    ).serve()
    assert clock.now == 100.0
    return line.heard


@pytest.mark.parametrize(
    ("policy", "ends", "busy"),
    [
        (Policy.CANCEL, {2: 7.0}, 7.0),
        (Policy.FINISH, {0: 4.0, 2: 8.0}, 8.0),
        (Policy.DRAIN, {0: 4.0, 2: 8.0}, 8.0),
        (Policy.QUEUE, {0: 4.0, 1: 8.0, 2: 12.0}, 12.0),
    ],
)
def test_when_a_worker_answers(
    policy: Policy, ends: dict[int, float], busy: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of 4 s that come at 0, 2 and 3 s; at 20 s it says how long it was busy, and at 30 s
    that it has not been since."""
    tasks: list[tuple[float, worker.Order]] = [
        (at, worker.Task(i, (4.0,), 0)) for i, at in enumerate((0, 2, 3))
    ]
    heard = served(monkeypatch, [*tasks, (20.0, worker.Drop()), (30.0, worker.Drop())], policy)
    assert {told.number: at for at, told in heard if isinstance(told, worker.Reply)} == ends
    assert all(told.seconds == 4.0 for _, told in heard if isinstance(told, worker.Reply))
    assert heard[-2:] == [(20.0, worker.Idle(busy)), (30.0, worker.Idle(0.0))]


@pytest.mark.parametrize(
    ("waits", "slow", "said"),
    [
        ((0.5,), 1.0, [(1.0, 0, 1.0, True)]),
        ((1.0,), 1.0, [(1.0, 0, 1.0, False)]),
        ((0.0,), 3.0, [(3.0, 0, 3.0, True)]),
        ((4.0,), 3.0, [(4.0, 0, 4.0, False)]),
        ((1.5, inf, 4.0), 1.0, [(1.5, 0, 1.5, False), (4.0, 2, 2.5, False)]),
        ((1.5, inf), 1.0, [(1.5, 0, 1.5, False)]),
    ],
)
def test_when_messages_of_a_task_are_sent(
    waits: tuple[float, ...],
    slow: float,
    said: list[tuple[float, int, float, bool]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Never before its delay nor before it is computed: then it is late. Each message says its
    seconds since the one before; what is given up takes no time, unless it is the last."""
    heard = served(
        monkeypatch,
        [(0.0, worker.Task(0, waits, 0)), (20.0, worker.Drop())],
        slow=slow,
    )
    replies = [(at, told) for at, told in heard if isinstance(told, worker.Reply)]
    assert [(at, told.message, told.seconds, told.late) for at, told in replies] == said
    assert all(told.value.tolist() == [told.message] for _, told in replies)
    assert heard[-1] == (20.0, worker.Idle(20.0 if waits[-1] == inf else said[-1][0]))


def test_a_task_without_work_sends_its_argument_back(monkeypatch: pytest.MonkeyPatch) -> None:
    [(at, told)] = served(monkeypatch, [(0.0, worker.Task(0, (0.0,), "the model", empty=True))])
    assert isinstance(told, worker.Reply)
    assert (at, told.value, told.seconds, told.late) == (0.0, "the model", 0.0, False)


@pytest.mark.parametrize("alone", [False, True])
def test_a_worker_whose_line_closes_ends(alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is kept; a process of its own ends at once, whatever it computes."""
    orders = SimpleQueue[worker.Order]()
    coming = iter([worker.Task(0, (0.0,), 0), worker.Drop()])
    ended: list[int] = []

    def recv() -> worker.Order:
        if (order := next(coming, None)) is None:
            raise EOFError
        return order

    monkeypatch.setattr(worker.os, "_exit", ended.append)
    worker._read(cast(Any, SimpleNamespace(recv=recv)), orders, alone)
    assert [orders.get_nowait() for _ in range(3)] == [
        worker.Task(0, (0.0,), 0),
        worker.Drop(),
        None,
    ]
    assert ended == [0] * alone


def test_a_gradient_is_computed_a_few_rows_at_a_time() -> None:
    """80 rows of 5 features, in partitions of 27, 27 and 26 rows, four at a time."""
    learning = problem(3)
    beta = learning.initial
    pieces = worker.parts_of(learning.problem, entries=20)
    assert [[each.rows for each in part] for part in pieces] == [
        [4] * 6 + [3],
        [4] * 6 + [3],
        [4] * 6 + [2],
    ]
    work = worker.SingleGradient(dict(enumerate(pieces)), learning.problem.rows)
    for partition in range(3):
        whole = learning.problem.gradient_of(partition, beta[:, None])[:, 0]
        found = work.compute(worker.Wanted(0, (partition, beta), {}, nobody))
        np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-15)
    left = iter(range(3))

    def ends() -> None:
        if next(left, None) is None:
            raise worker.Ended

    with pytest.raises(worker.Ended):
        work.compute(worker.Wanted(0, (0, beta), {}, ends))


def test_a_cell_that_cannot_end_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reason is kept, and its iterations count as done; without workers, since whatever they
    find is known: what a simulation finds. Late messages are warned of from 1 % on."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 3}]
    document = {"workers": 4, "iterations": 5, "replications": 2, "schemes": schemes}
    document |= {"delay": {"model": "exponential", "rate": 100.0}}
    late = iter([0.01, 0.02])

    def play(
        cell: cells.Cell, how: command.How, progress: Callable[[], None]
    ) -> tuple[CellResult, command.Facts]:
        progress()
        if cell.scheme["name"] == "uncoded":
            raise masters.CannotEnd(NeverEnough(2, [1]), ["worker 1"])
        for _ in range(9):
            progress()
        return compute(cell), command.Facts(0.5, 1.5, next(late), None)

    monkeypatch.setattr(command, "play", play)
    looks = count()
    clock = SimpleNamespace(monotonic=lambda: 1.23456 * next(looks))
    monkeypatch.setattr(command, "time", clock)
    for share in (0.01, 0.02):
        progress, out = Mock(), tmp_path / str(share)
        asked = request.LiveRequest(slow=["1=2.5"], time_scale=0.5)
        outcome, facts = command.run_live(document, out, asked, progress)
        [(cell, reason)] = outcome.failed
        assert cell.scheme["name"] == "uncoded"
        assert reason.startswith("iteration 2 ")
        assert [cell.scheme["name"] for cell in outcome.finished] == ["ignore_stragglers"]
        assert len(facts) == 1
        told = [call.args for call in progress.call_args_list]
        assert told == [(0, 20), (1, 20), *((done, 20) for done in range(11, 21))]
        assert outcome.summary["live"].tolist() == [True]
        warned = [text for text in outcome.warnings if "messages were late" in text]
        assert [text[:9] for text in warned] == ([] if share == 0.01 else ["up to 2 %"])
        manifest = json.loads((out / "manifest.json").read_text())
        said = manifest["live"]
        assert (said["time_scale"], said["injected"], said["slow"]) == (0.5, True, {"1": 2.5})
        assert said["workers"] == "processes of this machine"
        [each] = said["cells"].values()
        assert (each["message"], each["round"], each["late"]) == (0.5, 1.5, share)
        seconds = [each["seconds"] for each in manifest["cells"].values()]
        assert (seconds, manifest["wall_seconds"]) == ([1.235], 6.173), "of one look, and of five"
        assert "held another run" not in capsys.readouterr().out
    document["iterations"] = 6
    late = iter([0.0])
    command.run_live(document, out, asked, lambda *x: None)
    assert f"{out} held another run" in capsys.readouterr().out


def test_a_cluster_that_is_too_small_by_now_leaves_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cell that fails names who died before; where nothing was measured, nothing is lost."""
    schemes = [{"name": "ignore_stragglers", "wait_for": 3}, {"name": "uncoded"}]
    document = {"workers": 4, "iterations": 2, "replications": 1, "schemes": schemes}
    document |= {"delay": {"model": "exponential", "rate": 100.0}}

    def play(
        cell: cells.Cell, how: command.How, progress: Callable[[], None]
    ) -> tuple[CellResult, command.Facts]:
        if cell.scheme["name"] == "uncoded":
            raise ConfigError("too small")
        return compute(cell), command.Facts(0.5, 1.5, 0.0, None, ("worker 2",))

    monkeypatch.setattr(command, "play", play)
    outcome, _ = command.run_live(document, tmp_path / "out", request.LiveRequest(), Mock())
    assert [cell.scheme["name"] for cell in outcome.finished] == ["ignore_stragglers"]
    assert [reason for _, reason in outcome.failed] == ["too small; worker 2 died before"]
    with pytest.raises(ConfigError, match="too small"):
        command.run_live(
            document | {"schemes": schemes[1:]}, tmp_path / "no", request.LiveRequest(), Mock()
        )
    assert not (tmp_path / "no").exists()


@dataclass
class Echo:
    """Worker j answers after j + 1 s; to task 20, the first round of all, 20 s later."""

    time: float = 0.0
    given: list[tuple[int, int]] = field(default_factory=list)
    coming: list[tuple[float, int, worker.Task]] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def give(self, j: int, task: worker.Task) -> None:
        assert (task.waits, task.empty, task.argument) == ((0.0,), True, "model")
        self.given.append((task.number, j))
        self.coming.append((self.time + j + 1 + 20 * (task.number == 20), j, task))

    def hear(self, until: float) -> list[workers.Arrival]:
        self.coming.sort(key=lambda each: each[0])
        self.time, worker, task = self.coming.pop(0)
        return [workers.Arrival(task.number, 0, task.argument, 1.0, False, worker, self.time)]


def test_what_empty_messages_cost_by_hand() -> None:
    """The median of 20 to one worker after the other, and the mean of 20 rounds of all: 2 s of 1, 2
    and 3 s, and 19 times 3 s and once 23. Each has a number of its own."""
    echo = Echo()
    assert command.message_costs(cast(Any, echo), 3, cast(Any, "model")) == (2.0, 4.0)
    assert echo.given[:20] == [(turn, turn % 3) for turn in range(20)]
    assert echo.given[20:] == [(turn, worker) for turn in range(20, 40) for worker in range(3)]
    assert echo.coming == []


def test_without_a_problem_models_are_empty() -> None:
    """There is none to keep, and updates are counted alone."""
    descent = masters.Descent(None)
    descent.update(np.empty(0), iteration=1)
    descent.keep()
    assert descent.point.shape == (0,)
    assert (descent.visited, descent.version) == ([], 1)


def test_workers_hold_no_more_than_they_may_be_asked_for() -> None:
    """Their own partition; all data only where a gradient is of a random one."""
    learning = problem(WORKERS).problem
    for family, scheme in FREE:
        assert isinstance(scheme, Barrierless)
        held = [
            sorted(cast(Any, each).partitions) for each in worker.computations(scheme, learning)
        ]
        every = [[j] if scheme.own_data else [*range(WORKERS)] for j in range(WORKERS)]
        assert held == every, family


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        (None, ()),
        (["3=2.5", "0=1"], ((3, 2.5), (0, 1.0))),
        (["999999=1e3"], ((999999, 1000.0),)),
        (["1000000=2"], None),
        (["3=0.99"], None),
        (["3=1e999"], None),
        (["3"], None),
        (["3=2."], ((3, 2.0),)),
        (["3=2.5.1"], None),
        (["3=."], None),
        (["-1=2"], None),
    ],
)
def test_who_is_slowed_by_how_much(
    given: list[str] | None, pairs: tuple[tuple[int, float], ...] | None
) -> None:
    """A factor of 1 at least, since nothing makes a worker faster."""
    if pairs is not None:
        assert command.slowed(given) == pairs
    else:
        with pytest.raises(ConfigError, match="must be WORKER=FACTOR, such as"):
            command.slowed(given)


@pytest.mark.parametrize(
    ("scale", "injected", "refused"),
    [
        (0.5, True, None),
        (1.0, False, None),
        (0.0, True, "must be a number above 0"),
        (inf, True, "must be a number above 0"),
        (2.0, False, "--no-injection has none"),
    ],
)
def test_at_which_pace_a_config_is_run(scale: float, injected: bool, refused: str | None) -> None:
    asked = request.LiveRequest(time_scale=scale, no_injection=not injected)
    if refused is None:
        assert command.read_how(asked) == command.How(None, scale, injected)
    else:
        with pytest.raises(ConfigError, match=refused):
            command.read_how(asked)
