"""Tasks in lanes: every result once, also when processes die; and one thread in each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from erasurehead.experiments.run import lanes
from erasurehead.experiments.run.lanes import (
    Died,
    Item,
    Lane,
    Result,
    Share,
    Task,
    _Work,
    map_unordered,
    open_lanes,
)
from erasurehead.sim.numerics import one_thread
from tests.run.commands import PATIENCE, ROOT, fatal_at, process_of, until


def square(item: int, share: Share) -> int:
    share(0.5)
    return item * item


def fatal_once(folder: Path, item: int, share: Share) -> int:
    """Dies at item 3 when it is started for the first time."""
    mark = folder / "died"
    if item == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def dies_in_its_answer(folder: Path, item: int, share: Share) -> bytes:
    """The first time that it is started, its process writes a part of the answer and dies."""
    mark = folder / "died"
    if not mark.exists():
        mark.touch()
        write = Connection._send  # type: ignore[attr-defined]

        def write_a_part(line: Connection, buffer: bytes) -> None:
            if len(buffer) > 1000:
                os.write(line.fileno(), buffer[:1000])
                os.kill(os.getpid(), signal.SIGKILL)
            write(line, buffer)

        Connection._send = write_a_part  # type: ignore[attr-defined]
    return bytes(10**6)


def waits_for_a_look(folder: Path, item: int, share: Share) -> int:
    """Half done, and no more until somebody has noticed."""
    share(0.5)
    until((folder / "noticed").exists)
    return item


def wrong_at_3(item: int, share: Share) -> int:
    if item == 3:
        raise ArithmeticError("three")
    return item


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_result_once(jobs: int) -> None:
    reported: list[float] = []
    with open_lanes(jobs) as lanes:
        found = list(map_unordered(square, range(20), lanes, reported.append))
    assert sorted(found) == [(item, item * item) for item in range(20)]
    assert reported[-1] == 20


def test_shares_are_reported_in_between() -> None:
    reported: list[float] = []
    list(map_unordered(square, range(2), [], reported.append))
    assert reported == [0.5, 1, 1.5, 2]


def test_shares_come_from_other_processes_too(tmp_path: Path) -> None:
    """Catches progress that is known only when a task has ended: this one would never end."""
    reported: list[float] = []

    def report(done: float) -> None:
        reported.append(done)
        if done == 0.5:
            (tmp_path / "noticed").touch()

    with open_lanes(2) as lanes:
        list(map_unordered(partial(waits_for_a_look, tmp_path), [1], lanes, report))
    assert reported[-1] == 1
    assert reported == sorted(reported)


def test_a_process_that_dies_takes_nothing_but_its_task_with_it(tmp_path: Path) -> None:
    """Tried twice is the task at which it died, and not the one that was to come next."""
    bad = (0, 7, 11)
    with open_lanes(2) as lanes:
        task = partial(fatal_at, bad, tmp_path)
        found = dict(map_unordered(task, range(12), lanes))
    died = Died("the worker process died (signal 9): out of memory?")
    assert found == {item: died if item in bad else item * item for item in range(12)}
    starts = {item: len((tmp_path / str(item)).read_text().splitlines()) for item in range(12)}
    assert starts == {item: 2 if item in bad else 1 for item in range(12)}


def test_a_task_whose_process_was_killed_once_is_computed_after_all(tmp_path: Path) -> None:
    with open_lanes(2) as lanes:
        found = dict(map_unordered(partial(fatal_once, tmp_path), range(8), lanes))
    assert found == {item: item for item in range(8)}


def test_a_process_that_dies_in_the_middle_of_its_answer(tmp_path: Path) -> None:
    """Catches a command that waits for the rest for ever."""
    with open_lanes(2) as lanes:
        found = list(map_unordered(partial(dies_in_its_answer, tmp_path), [7], lanes))
    assert (tmp_path / "died").exists()
    assert found == [(7, bytes(10**6))]


def test_a_process_that_dies_idle_is_replaced() -> None:
    """One lane alone: which lane computes a task depends on when it notices that it has died."""
    with open_lanes(2) as (lane, _):
        [(_, first)] = map_unordered(process_of, [0], [lane])
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        [(_, second)] = map_unordered(process_of, [0], [lane])
    assert isinstance(second, int)
    assert second not in (first, os.getpid())


def test_an_error_of_a_task_is_raised_here() -> None:
    with open_lanes(2) as lanes, pytest.raises(ArithmeticError, match="three"):
        list(map_unordered(wrong_at_3, range(100), lanes))


class Counting(Lane):
    """Hands tasks on to another lane, and counts those that it has not finished."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.most = lane, 0
        self.given: list[Future[Any]] = []

    def slots(self) -> int:
        return self.lane.slots()

    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        self.most = max(self.most, 1 + sum(not future.done() for future in self.given))
        self.given.append(self.lane.submit(task, item))
        return self.given[-1]

    def is_death(self, error: BaseException | None) -> bool:
        return self.lane.is_death(error)

    def revive(self) -> str:
        return self.lane.revive()


def test_no_more_tasks_are_handed_out_than_needed() -> None:
    """Catches a million cells that are all in memory at once. A quick lane may have fewer than two:
    that there is always one to come next is shown below."""
    with open_lanes(2) as lanes:
        counting = [Counting(lane) for lane in lanes]
        assert len(list(map_unordered(square, range(50), counting))) == 50
    assert max(lane.most for lane in counting) <= 2


def sleeps(item: int, share: Share) -> int:
    """A task of so many seconds."""
    time.sleep(item)
    return item


def test_nothing_of_a_lane_goes_on_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches threads that close their pipes while the interpreter ends, which it tells."""
    monkeypatch.setattr(lanes, "ENDING", PATIENCE)

    def managers() -> set[threading.Thread]:
        return {each for each in threading.enumerate() if "Executor" in type(each).__name__}

    before = managers()  # of what others have left
    with open_lanes(2) as both:
        assert dict(map_unordered(square, range(2), both)) == {0: 0, 1: 1}
        running = both[0].submit(sleeps, 60)
        assert len(managers() - before) == 2
    assert managers() <= before
    assert running.done()


SCRIPT = """
from erasurehead.experiments.run.lanes import map_unordered, open_lanes
from tests.run.test_pool import square
print("once")
with open_lanes(2) as lanes:
    print(sorted(map_unordered(square, range(3), lanes)))
"""


@pytest.mark.parametrize("way", ["file", pytest.param("standard input", marks=pytest.mark.slow)])
def test_a_script_needs_no_main_guard(way: str, tmp_path: Path) -> None:
    """Catches processes that run the user's script again, and so start processes without end."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    run = subprocess.run(
        [sys.executable, path if way == "file" else "-"],
        input=None if way == "file" else SCRIPT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("once\n[(0, 0), (1, 1), (2, 4)]\n", "")


# Linear algebra on one thread, whichever library does it.


def test_a_library_that_is_imported_later_is_limited_too() -> None:
    """Catches a solver that brings SciPy's BLAS when NumPy's alone has been limited."""
    program = (
        "import numpy;"
        "from threadpoolctl import threadpool_info;"
        "from erasurehead.sim.numerics import one_thread\n"
        "with one_thread():\n"
        "    import scipy.linalg\n"
        "    pools = [pool for pool in threadpool_info() if pool['user_api'] == 'blas']\n"
        "    print({pool['num_threads'] for pool in pools})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{1}\n"


def test_threads_come_back_afterwards() -> None:
    import scipy.linalg  # noqa: F401  # a library that came in between would be new afterwards

    with threadpool_limits(2):
        before = threadpool_info()
        with one_thread():
            pass
        assert threadpool_info() == before


# Lanes that compute nothing: who gets which task, and who is blamed for a death.


class Death(Exception):
    """Of a process."""


class Still(Lane):
    """Takes tasks, whose futures the test finishes."""

    def __init__(self, slots: int, one: bool = True) -> None:
        self.open, self.asleep, self.revived = slots, 0, 0
        self.blames_one = one  # type: ignore[misc]
        self.given: dict[int, Future[Any]] = {}

    def slots(self) -> int:
        return self.open

    def submit(self, task: Any, item: Any) -> Future[Any]:
        if self.asleep:
            self.asleep -= 1
            raise Death
        self.given[item] = Future()
        return self.given[item]

    def is_death(self, error: BaseException | None) -> bool:
        return isinstance(error, Death)

    def revive(self) -> str:
        self.revived += 1
        for future in self.given.values():
            if not future.done():
                future.set_exception(Death())
        return "it died"


@pytest.mark.parametrize(
    ("items", "first", "second"),
    [
        (2, [0], [1]),
        (3, [0], [1, 2]),
        (6, [0], [1, 2]),  # three are left to whoever is ready first
        (7, [0, 3], [1, 2]),
        (8, [0, 3], [1, 2, 4]),
        (20, [0, 3], [1, 2, 4, 5]),
    ],
)
def test_a_task_for_each_slot_and_one_to_come_next(
    items: int, first: list[int], second: list[int]
) -> None:
    one, two = Still(1), Still(2)
    work = _Work(square, range(items), [one, two], lambda done: None)
    work._hand_out()
    assert [*one.given] == first
    assert [*two.given] == second
    assert [attempt.item for attempt in work.waiting] == [*range(len(first + second), items)]


def test_a_lane_that_died_while_it_had_nothing_to_do_is_revived() -> None:
    lane = Still(1)
    lane.asleep = 2
    work = _Work(square, range(1), [lane], lambda done: None)
    work._hand_out()
    assert lane.revived == 2
    assert [*lane.given] == [0]


@pytest.mark.parametrize(
    ("one", "suspects", "waiting"),
    [(True, [0], [1, 2, 3, 4, 5, 6]), (False, [0, 1], [2, 3, 4, 5, 6])],
)
def test_the_oldest_lost_task_is_to_blame(
    one: bool, suspects: list[int], waiting: list[int]
) -> None:
    """Or all that were lost; the others wait again, before those that never began. Suspects come
    when nothing else is left, alone; at the second death they are given up."""
    lane = Still(1, one)
    work = _Work(square, range(7), [lane], lambda done: None)
    work._hand_out()
    assert [*lane.given] == [0, 1]
    lane.given[0].set_exception(Death())
    assert list(work._collect(lane)) == []
    assert lane.revived == 1
    assert [attempt.item for attempt in work.suspects] == suspects
    assert [attempt.item for attempt in work.waiting] == waiting
    lane.given.clear()
    results = []
    for _ in range(20):
        work._hand_out()
        for item, future in lane.given.items():
            if not future.done():
                if item == 0:
                    assert len(work.taken[lane]) == 1, "alone"
                    future.set_exception(Death())
                else:
                    future.set_result(item * item)
        results += list(work._collect(lane))
    assert dict(results) == {0: Died("it died")} | {item: item**2 for item in range(1, 7)}
    assert len(results) == 7


class DiesMeanwhile(Future[Any]):
    """Of a task whose process dies right after the first look."""

    def done(self) -> bool:
        seen = super().done()
        if not seen:
            self.set_exception(Death())
        return seen


def test_a_lane_that_dies_while_its_results_are_collected() -> None:
    """Catches two looks at who is done: the lane would not be revived, so that the next task pays
    for the death, too, and nobody could say why the process died."""
    lane = Still(1)
    work = _Work(square, range(7), [lane], lambda done: None)
    work._hand_out()
    [first, *others] = work.taken[lane].items()
    work.taken[lane] = {DiesMeanwhile(): first[1], **dict(others)}
    assert (list(work._collect(lane)), lane.revived) == ([], 0)
    assert (list(work._collect(lane)), lane.revived) == ([], 1)
    assert [attempt.item for attempt in work.suspects] == [0]
    assert [attempt.item for attempt in work.waiting] == [1, 2, 3, 4, 5, 6]


def test_a_lane_that_dies_while_it_is_given_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is revived once, for the task that it had. Catches a second time, at which the main thread
    waits for the new task, and its process is thrown away."""
    lane, given = Still(1), list[int]()
    work = _Work(square, range(7), [lane], lambda done: None)
    submit = lane.submit

    def dies_at_1(task: Any, item: Any) -> Future[Any]:
        given.append(item)
        if item == 1 and lane.revived == 0:
            if given.count(1) == 2:  # what it had is lost a moment after it is known to be dead
                lane.given[0].set_exception(Death())
            raise Death
        return submit(task, item)

    monkeypatch.setattr(lane, "submit", dies_at_1)
    work._hand_out()
    assert given == [0, 1, 1, 1, 2]
    assert [attempt.item for attempt in work.taken[lane].values()] == [1, 2]
    assert [attempt.item for attempt in work.suspects] == [0]
    assert (list(work._collect(lane)), lane.revived) == ([], 1)


def test_progress_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while the answer of a task that has ended is on its way, nor after a death."""
    lane, reported = Still(1), list[float]()
    work = _Work(square, range(1), [lane], reported.append)
    shares = iter([0.5, 0.0, 0.25, 0.75, 0.0])

    def share() -> float:
        if (part := next(shares)) == 0.75:
            lane.given[0].set_result(0)
        return part

    monkeypatch.setattr(lanes, "LOOK", 0.0)
    monkeypatch.setattr(lane, "share", share)
    assert list(work.results()) == [(0, 0)]
    assert reported == [0.5, 0.5, 0.5, 0.75, 1.0]


def test_an_error_of_a_task_is_the_callers() -> None:
    lane = Still(1)
    work = _Work(square, range(3), [lane], lambda done: None)
    work._hand_out()
    lane.given[0].set_exception(ArithmeticError("three"))
    with pytest.raises(ArithmeticError, match="three"):
        list(work._collect(lane))
    assert lane.revived == 0


def test_shares_are_sent_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most one in ``PAUSE`` seconds, and always that nothing is being done any more."""
    sent, now = list[float](), [10.0]
    line = SimpleNamespace(send=sent.append)
    monkeypatch.setattr(lanes, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(lanes._FarEnd, "line", line)
    monkeypatch.setattr(lanes._FarEnd, "told", 10.0)
    monkeypatch.setattr(lanes, "PAUSE", 0.25)
    for moment, share in ((10.25, 0.1), (10.5, 0.2), (10.75, 0.3), (10.75, 0.0), (11.25, 0.4)):
        now[0] = moment
        lanes._tell(share)
    assert sent == [0.2, 0.0, 0.4]
    assert lanes._call(lambda item, tell: item + 1, 4) == 5
    assert sent == [0.2, 0.0, 0.4, 0.0]
    monkeypatch.setattr(lanes._FarEnd, "line", None)
    lanes._tell(0.0)
    assert len(sent) == 4


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_the_server_of_several_lanes_imports_meanwhile(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started before the first task, unless everything is computed right here."""
    prepared: list[None] = []
    monkeypatch.setattr(lanes, "prepare", lambda: prepared.append(None))
    with open_lanes(jobs) as found:
        assert len(found) == (jobs if jobs > 1 else 0)
        assert len(prepared) == (jobs > 1)


@pytest.mark.parametrize(("deaths", "starts"), [(0, True), (2, True), (4, True), (5, False)])
def test_a_process_is_started_anew_while_its_server_does(
    deaths: int, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times at most, each after a pause, with a line and an executor of its own."""
    paused: list[float] = []
    monkeypatch.setattr(lanes, "time", SimpleNamespace(sleep=paused.append))
    found: Future[int] = Future()
    executor = Mock(
        submit=Mock(side_effect=[*[ConnectionError] * deaths, found]), _result_queue=None
    )
    lane = lanes.ProcessLane()
    lane.close()
    revived: list[None] = []
    monkeypatch.setattr(lane, "revive", lambda: revived.append(None))
    monkeypatch.setattr(lane, "_executor", executor)
    monkeypatch.setattr(lane, "_far_end", Mock())
    if starts:
        assert lane.submit(square, 3) is found
        assert len(revived) == deaths
        assert lane._far_end is None
    else:
        with pytest.raises(lanes.Failed, match="run the same command again"):
            lane.submit(square, 3)
        assert len(revived) == deaths - 1
    assert paused == [lanes.PAUSE] * len(revived)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "the worker process died"),
        (0, "the worker process died"),
        (1, "the worker process died"),
        (-1, "the worker process died (signal 1)"),
        (-9, "the worker process died (signal 9): out of memory?"),
        (-10, "the worker process died (signal 10)"),
    ],
)
def test_how_a_process_died_is_said(code: int | None, reason: str) -> None:
    lane = lanes.ProcessLane()
    lane._process = Mock(exitcode=code) if code is not None else None
    assert lane.revive() == reason
    lane.close()


@pytest.mark.parametrize("server", [True, False])
def test_a_server_is_started_where_there_can_be_one(
    server: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it shall import, and before anybody asks for a process."""
    done: list[object] = []
    monkeypatch.setattr(lanes, "SERVER", server)
    monkeypatch.setattr(lanes.forkserver, "ensure_running", lambda: done.append("running"))
    monkeypatch.setattr(lanes.multiprocessing, "set_forkserver_preload", done.append)
    lanes.prepare()
    assert done == ([lanes.PRELOADED, "running"] if server else [])


@pytest.mark.parametrize("warnings", [None, "error"])
def test_ctrl_c_is_kept_from_what_starts_and_not_from_the_command(
    warnings: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards signals and environment are as before, also if it could not be started."""
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    if warnings is not None:
        monkeypatch.setenv("PYTHONWARNINGS", warnings)
    blocked = partial(signal.pthread_sigmask, signal.SIG_BLOCK, ())
    before = blocked()
    assert signal.SIGINT not in before
    tracker = lanes.resource_tracker  # to start it unblocks Ctrl-C, so it comes first
    monkeypatch.setattr(tracker, "ensure_running", lambda: during.append(blocked()))
    during: list[object] = []
    with suppress(OSError), lanes.undisturbed():
        during += [blocked(), os.environ["PYTHONWARNINGS"]]
        raise OSError
    assert during == [before, before | {signal.SIGINT}, "ignore:resource_tracker"]
    after = blocked()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert after == before
    assert os.environ.get("PYTHONWARNINGS") == warnings


@pytest.mark.parametrize(("process", "gone"), [(None, True), (7, False)])
def test_the_address_of_a_server_goes_with_the_server(
    process: int | None, gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its folder; the command, which knows the server's process, leaves it alone."""
    address = tmp_path / "folder" / "address"
    address.parent.mkdir()
    address.touch()
    server = SimpleNamespace(_forkserver_address=str(address), _forkserver_pid=process)
    monkeypatch.setattr(lanes.forkserver, "_forkserver", server)
    lanes._unlink_address()
    assert address.parent.exists() == (not gone)
    lanes._unlink_address()  # it is no longer there


def test_a_process_of_a_lane_ends_when_its_line_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ignores Ctrl-C, and dies in silence when nobody reads what it says."""
    ended, signals = SimpleQueue[int](), list[tuple[int, object]]()
    near, far = Pipe()
    monkeypatch.setattr(lanes.signal, "signal", lambda *given: signals.append(given))
    monkeypatch.setattr(lanes.os, "_exit", ended.put)
    monkeypatch.setattr(lanes._FarEnd, "line", None)
    lanes._begin(far)
    assert signals == [(signal.SIGINT, signal.SIG_IGN), (signal.SIGPIPE, signal.SIG_DFL)]
    assert lanes._FarEnd.line is far
    with pytest.raises(Empty):
        ended.get(timeout=0.01)
    near.close()
    assert ended.get(timeout=PATIENCE) == 1
    far.close()
