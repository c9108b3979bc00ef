"""Workers that call the master, as those of a cluster do; here they are threads. Speaks to the
lines between them, on which no command says what strangers sent."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from itertools import accumulate, chain, count, cycle
from math import inf
from multiprocessing.connection import (
    Client,
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.experiments.advice.live import measure, request, worker, workers
from tests.experiments.run.commands import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="as the other tests of workers")

KEY, COUNT = b"a key", 3


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Iterator[workers.ConnectedWorkers]:
    """Three workers of which the last called first; their threads end when their lines do."""
    monkeypatch.setattr(workers, "CALL_SECONDS", PATIENCE)
    monkeypatch.setattr(worker, "one_thread", nullcontext)  # for a process each
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0), backlog=COUNT) as listener:
        for j in reversed(range(COUNT)):
            arguments = (listener.getsockname(), KEY, j)
            threads.append(threading.Thread(target=workers.call, args=arguments, daemon=True))
            threads[-1].start()
        accepted = workers.accepted_workers(listener, KEY, [], COUNT, "tcp://here:1")
    accepted.set_up([worker.Setup()] * COUNT)
    accepted.start_clock()
    yield accepted
    accepted.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def knows_the_key(wire: socket.socket) -> None:
    """And says what no worker says; a slow machine may have cut it off before."""
    with Connection(os.dup(wire.fileno())) as line, suppress(EOFError, OSError):
        answer_challenge(line, KEY)
        deliver_challenge(line, KEY)
        line.send("a worker?")


STRANGERS: dict[str, Callable[[socket.socket], object]] = {
    "scans ports": lambda wire: wire.close(),
    "says nothing": lambda wire: None,
    "says half a word": lambda wire: wire.sendall(b"\0\0"),
    "another protocol": lambda wire: wire.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
    "a message of 2 GB": lambda wire: wire.sendall(b"\x7f\xff\xff\xff" + bytes(1000)),
    "another key": lambda wire: wire.sendall(b"\0\0\0\x10" + bytes(16)),
    "the key, and no name": knows_the_key,
    "resets": lambda wire: (
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
        wire.close(),
    ),
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stranger_costs_nothing_but_itself(
    stranger: Callable[[socket.socket], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than workers, all before these: catches who waits for one, counts it as a
    worker, or ends with it. Who says nothing is not waited for, and its line ends."""
    monkeypatch.setattr(workers, "CALL_SECONDS", PATIENCE)
    monkeypatch.setattr(workers, "GREETING_SECONDS", 0.1)
    monkeypatch.setattr(worker, "one_thread", nullcontext)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        wires = [socket.create_connection(address) for _ in range(COUNT + 1)]
        callers = [threading.Thread(target=stranger, args=(wire,)) for wire in wires]
        callers += [
            threading.Thread(target=workers.call, args=(address, KEY, j)) for j in range(COUNT)
        ]
        for thread in callers:
            thread.start()
        people = workers.accepted_workers(listener, KEY, [], COUNT, "tcp://here:1")
        for wire in wires:
            with suppress(OSError):  # reset, or closed on this side
                wire.settimeout(PATIENCE)
                while wire.recv(4096):
                    pass
            wire.close()
        assert [name.split()[1] for name in people.names] == ["0", "1", "2"]
        people.close()
        for thread in callers:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def heard(
    people: workers.ConnectedWorkers, enough: Callable[[list[workers.Event]], bool]
) -> list[workers.Event]:
    """Everything until there is enough of it."""
    events: list[workers.Event] = []
    while not enough(events):
        events += people.hear(inf)
    return events


def cut(people: workers.ConnectedWorkers, worker: int) -> None:
    """End a line, as a network does that fails."""
    with socket.socket(fileno=os.dup(people._lines[worker].fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def test_each_worker_has_its_line(called: workers.ConnectedWorkers) -> None:
    """Whoever calls first; catches answers that are taken for another worker's."""
    for j in range(COUNT):
        assert called.names[j].startswith(f"worker {j} (process ")
        called.give(j, worker.Task(10 + j, (0.0,), f"model {j}", empty=True))
    events = heard(called, lambda events: len(events) == COUNT)
    answers = {}
    for event in events:
        assert isinstance(event, workers.Arrival)
        answers[event.worker] = event.number, event.message, event.value
    assert answers == {j: (10 + j, 0, f"model {j}") for j in range(COUNT)}


def test_seconds_are_those_of_the_config(called: workers.ConnectedWorkers) -> None:
    """At a scale of 1 ms: 20 s of the config are 20 ms, on every clock."""
    called.scale = 0.001
    called.start_clock()
    called.give(1, worker.Task(0, (20.0,), None))
    [event] = heard(called, lambda events: len(events) == 1)
    assert isinstance(event, workers.Arrival)
    assert event.now >= event.seconds >= 20.0
    busy = called.settle()
    assert busy[1] >= 20.0
    assert busy[[0, 2]].max() < busy[1]
    assert (called.settle() < 20.0).all()


def test_nothing_is_heard_before_its_time(called: workers.ConnectedWorkers) -> None:
    """Neither of a task that takes for ever, nor of one that was dropped."""
    called.give(0, worker.Task(0, (inf,), None))
    until = called.now() + 0.02
    assert called.hear(until) == []
    assert called.now() >= until
    called.settle()
    called.give(0, worker.Task(1, (0.0,), "next", empty=True))
    [event] = heard(called, lambda events: len(events) == 1)
    assert isinstance(event, workers.Arrival)
    assert (event.number, event.value) == (1, "next")


def test_a_worker_that_is_gone_is_heard_of_once(called: workers.ConnectedWorkers) -> None:
    """And is given nothing more; when all are gone, nobody waits."""
    for j in (1, 0, 2):
        cut(called, j)
        [event] = heard(called, lambda events: len(events) == 1)
        assert isinstance(event, workers.Death)
        assert event.worker == j
        called.give(j, worker.Task(7, (0.0,), None))
    assert called.hear(inf) == []


def test_who_dies_between_two_runs_is_heard_of_in_the_next(
    called: workers.ConnectedWorkers,
) -> None:
    cut(called, 2)
    called.settle()
    called.start_clock()
    assert called.hear(0.0) == [workers.Death(2, 0.0)]
    assert np.array_equal(called.settle() >= 0, [True] * COUNT)


@pytest.mark.parametrize(
    ("futures", "reason"),
    [
        ([], "$"),
        ([SimpleNamespace(status="pending")], "$"),
        (
            [
                SimpleNamespace(status="pending"),
                SimpleNamespace(status="error", exception=lambda: OSError("no route\nat all")),
            ],
            ": no route$",
        ),
    ],
)
def test_who_does_not_call_is_missed(
    futures: list[Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with the reason where one is known."""
    monkeypatch.setattr(workers, "CALL_SECONDS", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = rf"^--scheduler = 'tcp://here:1': 3 of 3 workers did not call .*{reason}"
        with pytest.raises(ConfigError, match=said) as caught:
            workers.accepted_workers(listener, KEY, futures, COUNT, "tcp://here:1")
    assert "\n" not in str(caught.value)


def test_threads_of_a_cluster_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on each Dask worker first, and then on their further threads. Who is starting again
    is waited for."""
    monkeypatch.setattr(workers, "RESTART_SECONDS", PATIENCE)
    growing = iter([{"a": 1}, {"a": 1}, {"a": 1, "b": 1}])
    assert workers.worker_addresses(SimpleNamespace(nthreads=lambda: next(growing)), 2, "x") == [
        "a",
        "b",
    ]
    monkeypatch.setattr(workers, "RESTART_SECONDS", 0.0)
    client = SimpleNamespace(nthreads=lambda: {"a": 3, "b": 1, "c": 2})
    assert workers.worker_addresses(client, 2, "x") == ["a", "b"]
    assert workers.worker_addresses(client, 6, "x") == ["a", "b", "c", "a", "c", "a"]
    with pytest.raises(ConfigError, match="cluster has 6 threads, and 7 workers need one each"):
        workers.worker_addresses(client, 7, "x")
    with pytest.raises(ConfigError, match="cluster has 0 threads, and 1 workers need"):
        workers.worker_addresses(SimpleNamespace(nthreads=dict), 1, "x")


# What ``live --measure`` measures, in which order, and how long it says that it takes.


def test_loads_take_turns_in_stretches() -> None:
    """Five rounds of a load in a row; the first of each stretch is not recorded."""
    expected = [
        (turn, load)
        for stretch in (range(5), range(5, 7))
        for load in (3, 1)
        for turn in (-1, *stretch)
    ]
    assert [*measure.turns_of([3, 1], 7)] == expected
    assert {turn for turn, _ in measure.turns_of([1], 10)} == {-1, *range(10)}


def test_loads_are_whole_numbers_from_1_on() -> None:
    assert measure.read_loads("1") == [1]
    assert measure.read_loads("3,1") == [3, 1]
    most = [*map(str, range(1, 1001))]
    assert len(measure.read_loads(",".join(most))) == 1000
    for text in ("", "0", "-1", "1,1", "1.5", ",".join([*most, "1001"])):
        with pytest.raises(ConfigError, match="must be whole numbers from 1 on"):
            measure.read_loads(text)


def test_without_a_config_tasks_are_products() -> None:
    assert [*measure.read_workload(None, request.MeasureRequest(size=1)).tasks] == [
        measure.Products(1)
    ] * 4
    most = request.MeasureRequest(size=20_000, workers=2)
    assert [*measure.read_workload(None, most).tasks] == [measure.Products(20_000)] * 2
    assert measure.read_workload(None, most).model.shape == (0,), (
        "without data there is no model to send"
    )
    for size in (0, 20_001):
        with pytest.raises(ConfigError, match="must be from 1 to"):
            measure.read_workload(None, request.MeasureRequest(size=size))
    document = {"workers": 3, "iterations": 2, "delay": {"model": "deterministic", "value": 1.0}}
    with pytest.raises(ConfigError, match="problem: missing; its gradients are the tasks"):
        measure.read_workload(
            document | {"schemes": [{"name": "uncoded"}]}, request.MeasureRequest()
        )
    wanted = measure.Wanted(0, (3, np.empty(0)), {}, lambda: None)
    assert measure.Products(4).compute(wanted) == pytest.approx(np.full(4, 0.25))
    assert worker.Setup().computation.compute(wanted).shape == (0,), "no data, and nothing to send"


def expected(monkeypatch: pytest.MonkeyPatch, **asked: object) -> None:
    """Two processors; a task takes 5 s at first, which starts libraries, and then 1 s."""
    times: Iterator[float] = accumulate(chain([0.0], cycle([5.0, 0.0, 1.0, 0.0])))
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: next(times)))
    monkeypatch.setattr(measure, "cores", lambda: 2)
    tried: list[int] = []
    monkeypatch.setattr(
        measure.Products, "compute", lambda self, wanted: tried.append(wanted.argument[0])
    )
    given = request.MeasureRequest(**({"workers": 4, "loads": "1"} | asked))  # type: ignore[arg-type]
    measure.require_short(measure.read_workload(None, given), given)
    assert tried == [1, 1], "twice, since the first one starts libraries"


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({"rounds": 25}, None),
        ({"rounds": 26}, "64"),
        ({"rounds": 50}, "120"),
        ({"rounds": 50, "loads": "1,2,4"}, "840"),
        ({"rounds": 50, "slow": ["1=3", "2=1.5"]}, "360"),
        ({"rounds": 100, "workers": 2}, "120"),
        ({"rounds": 100, "workers": 1}, "120"),
        ({"rounds": 100, "scheduler": "tcp://host:1"}, "120"),
        ({"rounds": 50, "size": 1}, "120"),
        ({"rounds": 50, "size": 800}, "960"),
        ({"rounds": 36_000}, "8.64e+04"),
    ],
)
def test_how_long_tasks_take(
    asked: dict[str, object],
    seconds: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two of four workers wait for a processor, and every stretch has one round more. What takes
    a minute is not worth a word, and a day is allowed."""
    expected(monkeypatch, **asked)
    said = "" if seconds is None else f"the tasks take about {seconds} s\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"rounds": 36_001}, "--rounds"),
        ({"slow": ["1=1000"]}, "--slow"),
        ({"loads": "1,800"}, "--loads"),
        ({"size": 20_000}, "--size"),
        ({"slow": ["1=100"], "rounds": 5000}, "--slow"),
        ({"slow": ["1=2"], "rounds": 36_000}, "--slow"),
        ({"slow": ["1=1e4"], "rounds": 5_000_000}, "--rounds"),
        ({"slow": ["1=1e6"], "rounds": 5_000_000}, "--slow"),
    ],
)
def test_the_option_that_makes_it_long_is_named(
    asked: dict[str, object], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first that is enough to change, or else the one that is the furthest from usual."""
    with pytest.raises(ConfigError, match=rf"^{named} = .*: takes about .* days; must take one"):
        expected(monkeypatch, **asked)
    with pytest.raises(ConfigError, match=": takes about 2 days; must take one at most"):
        expected(monkeypatch, rounds=72_000)


def test_turns_that_are_not_recorded_do_not_count_as_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of each stretch; progress is told of the others, from the first round on."""
    clock = count()
    idle = SimpleNamespace(set_up=Mock(), start_clock=Mock(), give=Mock(), hosts=["here", "there"])
    idle.now = lambda: float(next(clock))

    def come(workers: object, number: int, iteration: int) -> Iterator[object]:
        for place in range(number):
            yield SimpleNamespace(worker=place, now=float(next(clock)), seconds=0.5)

    monkeypatch.setattr(measure, "hired", lambda number, scheduler: nullcontext(idle))
    monkeypatch.setattr(measure, "received", come)
    monkeypatch.setattr(measure, "require_short", Mock())
    told: list[tuple[int, int]] = []
    asked = request.MeasureRequest(rounds=3, loads="1,2", size=2, workers=2)
    table = measure.measure_tasks(None, tmp_path / "m.csv", asked, lambda *at: told.append(at))
    assert told == [(done, 6) for done in range(1, 7)]
    assert [*zip(table["round"], table["load"], table["worker"], strict=True)] == [
        (turn, load, worker) for turn in range(3) for load in (1, 2) for worker in (0, 1)
    ]
    assert {*zip(table["worker"], table["host"], strict=True)} == {(0, "here"), (1, "there")}
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.csv"):
        measure.measure_tasks(None, tmp_path / "folder.csv", asked, Mock())
    assert idle.set_up.call_count == 1, "nobody is asked for a table that cannot be written"


def test_small_messages_do_not_wait_for_others() -> None:
    """Nagle's algorithm is off on a line that was made direct, which stays open."""
    with Listener(("127.0.0.1", 0), authkey=KEY) as listener:
        calls = threading.Thread(target=lambda: accepted.append(listener.accept()))
        accepted: list[Any] = []
        calls.start()
        with Client(listener.address, authkey=KEY) as line:
            calls.join()
            workers.direct(line)
            with socket.socket(fileno=os.dup(line.fileno())) as wire:
                assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            accepted[0].send("still here")
            assert line.recv() == "still here"
        accepted[0].close()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:8786", "tls://127.0.0.1:1"])
def test_workers_of_a_cluster_call_the_address_that_its_scheduler_sees(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of this machine on the way to it; one task for each worker, on its own address."""
    asked: list[tuple[Any, ...]] = []

    def submit(loads: object, given: bytes, workers: list[str], **once: object) -> str:
        task, arguments = pickle.loads(given)
        asked.append((task, *arguments, workers, once))
        return f"future {len(asked)}"

    client = SimpleNamespace(
        scheduler=SimpleNamespace(address=address), submit=submit, nthreads=lambda: {"a": 2, "b": 1}
    )
    accepted = Mock(return_value="workers")
    monkeypatch.setattr(workers, "connected", lambda scheduler: nullcontext(client))
    monkeypatch.setattr(workers, "accepted_workers", accepted)
    monkeypatch.setattr(workers, "RemoteCall", lambda task, arguments: (task, arguments))
    with workers._on_cluster(3, "there") as found:
        assert found == "workers"
    _, _, futures, people, scheduler = accepted.call_args.args
    assert (futures, people, scheduler) == (["future 1", "future 2", "future 3"], 3, "there")
    assert {where[0] for _, where, *_ in asked} == {"127.0.0.1"}
    for place, (task, where, key, which, on, once) in enumerate(asked):
        assert (task, where, len(key)) == (workers.call, asked[0][1], 16)
        assert (which, on) == (place, [["a"], ["b"], ["a"]][place])
        assert once == {"pure": False, "retries": 0}, "a task that died is not done twice"
