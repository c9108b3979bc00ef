"""Tasks in a pool: every result once, also when processes die; and one thread in each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from erasurehead.experiments.run import pools
from erasurehead.experiments.run.pools import Died, Pool, Share, map_unordered, open_pool
from erasurehead.sim.base.errors import Failed
from erasurehead.sim.base.numerics import one_thread
from tests.experiments.run.commands import PATIENCE, ROOT, fatal_at, process_of, session_of, until


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
    with open_pool(jobs) as pool:
        found = list(map_unordered(square, range(20), pool, reported.append))
    assert sorted(found) == [(item, item * item) for item in range(20)]
    assert reported[-1] == 20


def test_shares_are_reported_in_between() -> None:
    reported: list[float] = []
    list(map_unordered(square, range(2), None, reported.append))
    assert reported == [0.5, 1, 1.5, 2]


def test_shares_come_from_other_processes_too(tmp_path: Path) -> None:
    """Catches progress that is known only when a task has ended: this one would never end."""
    reported: list[float] = []

    def report(done: float) -> None:
        reported.append(done)
        if done == 0.5:
            (tmp_path / "noticed").touch()

    with open_pool(2) as pool:
        list(map_unordered(partial(waits_for_a_look, tmp_path), [1], pool, report))
    assert reported[-1] == 1
    assert reported == sorted(reported)


def test_a_process_that_dies_takes_nothing_but_its_task_with_it(tmp_path: Path) -> None:
    """Tried twice is the task at which it died, and not the one that was to come next."""
    bad = (0, 7, 11)
    with open_pool(2) as pool:
        task = partial(fatal_at, bad, tmp_path)
        found = dict(map_unordered(task, range(12), pool))
    died = Died("the worker process died (signal 9): out of memory?")
    assert found == {item: died if item in bad else item * item for item in range(12)}
    starts = {item: len((tmp_path / str(item)).read_text().splitlines()) for item in range(12)}
    assert starts == {item: 2 if item in bad else 1 for item in range(12)}


def test_a_task_whose_process_was_killed_once_is_computed_after_all(tmp_path: Path) -> None:
    with open_pool(2) as pool:
        found = dict(map_unordered(partial(fatal_once, tmp_path), range(8), pool))
    assert found == {item: item for item in range(8)}


def test_a_process_that_dies_in_the_middle_of_its_answer(tmp_path: Path) -> None:
    """Catches a command that waits for the rest for ever."""
    with open_pool(2) as pool:
        found = list(map_unordered(partial(dies_in_its_answer, tmp_path), [7], pool))
    assert (tmp_path / "died").exists()
    assert found == [(7, bytes(10**6))]


def test_a_process_that_dies_idle_is_replaced() -> None:
    with open_pool(2) as pool:
        [(_, first)] = map_unordered(process_of, [0], pool)
        assert isinstance(first, int)
        os.kill(first, signal.SIGKILL)
        [(_, second)] = map_unordered(process_of, [0], pool)
    assert isinstance(second, int)
    assert second not in (first, os.getpid())


def test_an_error_of_a_task_is_raised_here() -> None:
    with open_pool(2) as pool, pytest.raises(ArithmeticError, match="three"):
        list(map_unordered(wrong_at_3, range(100), pool))


SCRIPT = """
from erasurehead.experiments.run.pools import map_unordered, open_pool
from tests.experiments.run.test_pool import square
print("once")
with open_pool(2) as pool:
    print(sorted(map_unordered(square, range(3), pool)))
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


DEAF = """
import sys
from functools import partial
from pathlib import Path
from erasurehead.experiments.run.pools import map_unordered, open_pool
from tests.experiments.run.commands import deaf
with open_pool(2) as pool:
    list(map_unordered(partial(deaf, Path(sys.argv[1])), range(2), pool))
"""


def test_processes_end_with_a_killed_command_whatever_they_compute(
    tmp_path: Path, temporary: Path
) -> None:
    """Catches a thread that is to end them: it waits for the interpreter's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    until(lambda: len([*tmp_path.iterdir()]) == 2)
    process.kill()
    process.wait()
    until(lambda: session_of(process) == {})
    assert [*temporary.iterdir()] == []


class Doomed(pools.Worker):
    """A process that ends before it has read a task."""

    def __init__(self) -> None:
        super().__init__()
        self.process.kill()
        self.process.join()


def test_processes_that_never_come_to_a_task_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a command that starts them for ever."""
    monkeypatch.setattr(pools, "Worker", Doomed)
    with open_pool(2) as pool, pytest.raises(pools.Failed, match="die as soon as they are"):
        list(map_unordered(square, range(3), pool))


# Linear algebra on one thread, whichever library does it.


def test_a_library_that_is_imported_later_is_limited_too() -> None:
    """Catches a solver that brings SciPy's BLAS when NumPy's alone has been limited."""
    program = (
        "import numpy;"
        "from threadpoolctl import threadpool_info;"
        "from erasurehead.sim.base.numerics import one_thread\n"
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


def killed(item: int, share: Share) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize(("signals", "hint"), [(9, ": out of memory?"), (10, "")])
def test_how_a_process_died_is_said(signals: int, hint: str) -> None:
    assert pools.why_died(-signals) == f"the worker process died (signal {signals}){hint}"
    assert pools.why_died(None) == pools.why_died(1) == "the worker process died"


class Still(Pool):
    """Takes tasks, and loses or computes them as it is told."""

    def __init__(self, room: int, fatal: Sequence[int] = ()) -> None:
        self.size, self.fatal = room, fatal
        self.running: list[Any] = []
        self.started: list[int] = []

    def room(self) -> int:
        return self.size - len(self.running)

    def submit(self, task: Any, attempt: Any) -> None:
        self.running.append(attempt)
        self.started.append(attempt.item)

    def completed(self, seconds: float) -> list[tuple[Any, Any]]:
        first, *self.running = self.running
        return [(first, Died("it died") if first.item in self.fatal else first.item**2)]


class BlamesAll(Still):
    """Loses all tasks with the fatal one, like a Dask worker that had them to come next."""

    def completed(self, seconds: float) -> list[tuple[Any, Any]]:
        if all(attempt.item not in self.fatal for attempt in self.running):
            return super().completed(seconds)
        lost, self.running = self.running, []
        return [(attempt, Died("it died")) for attempt in lost]


def test_a_lost_task_is_tried_once_more_when_all_others_are_done() -> None:
    pool = Still(2, fatal=[1])
    found = dict(map_unordered(square, range(4), pool))
    assert found == {0: 0, 1: Died("it died"), 2: 4, 3: 9}
    assert pool.started == [0, 1, 2, 3, 1]


def test_a_task_that_was_lost_with_another_is_not_blamed_for_it() -> None:
    """Two fatal ones could take it with them twice. Catches suspects tried side by side."""
    found = dict(map_unordered(square, range(6), BlamesAll(3, fatal=[1, 4])))
    assert found == {i: Died("it died") if i in (1, 4) else i**2 for i in range(6)}


def test_no_more_tasks_are_handed_out_than_there_is_room() -> None:
    """Catches a million cells that are all in memory at once."""
    taken = list[int]()
    first = next(map_unordered(square, (taken.append(i) or i for i in range(50)), Still(3)))
    assert first == (0, 0)


def test_progress_never_goes_back() -> None:
    reported, shares = list[float](), iter([0.5, 0.0, 0.0])
    pool = Still(1)
    pool.share = lambda: next(shares)  # type: ignore[method-assign]
    list(map_unordered(square, range(2), pool, reported.append))
    assert reported == [1.5, 2.0, 2.0]


def imported(item: int, share: Share) -> bool:
    return "erasurehead.experiments.run.compute" in sys.modules


def test_processes_have_imported_what_cells_need() -> None:
    """Catches a second of imports in each process: they are forked from a server that has done
    it."""
    with open_pool(2) as pool:
        assert list(map_unordered(imported, [1], pool)) == [(1, pools.HAS_FORKSERVER)]


def test_ctrl_c_is_kept_from_what_starts_and_not_from_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Afterwards signals are as before, also if it could not be started."""
    blocked = partial(signal.pthread_sigmask, signal.SIG_BLOCK, ())
    before = blocked()
    assert signal.SIGINT not in before
    tracker = pools.resource_tracker  # to start it unblocks Ctrl-C, so it comes first
    monkeypatch.setattr(tracker, "ensure_running", lambda: during.append(blocked()))
    during: list[object] = []
    with suppress(OSError), pools.starting():
        during.append(blocked())
        raise OSError
    assert during == [before, before | {signal.SIGINT}]
    after = blocked()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert after == before


def test_pools_of_several_threads_leave_the_process_as_it_was() -> None:
    """Catches what is set for a process that starts, and found there by another thread."""
    main, environment = sys.modules["__main__"], dict(os.environ)

    def squares(first: int) -> list[tuple[int, int]]:
        with open_pool(2) as pool:
            items = range(first, first + 4)
            return sorted((i, n) for i, n in map_unordered(square, items, pool) if type(n) is int)

    with ThreadPoolExecutor(3) as threads:
        results = [*threads.map(squares, (0, 10, 20, 30, 40, 50))]
    assert results == [[(i, i * i) for i in range(n, n + 4)] for n in (0, 10, 20, 30, 40, 50)]
    assert sys.modules["__main__"] is main
    assert dict(os.environ) == environment


def pooled(connection: Any) -> None:
    try:
        with open_pool(2):
            connection.send("a pool")
    except Failed as error:
        connection.send(str(error))


def test_a_daemonic_process_has_no_pool_and_one_line() -> None:
    """Such as one of somebody's own multiprocessing.Pool."""
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=pooled, args=(theirs,), daemon=True)
    child.start()
    assert ours.recv() == "a daemonic process may start none itself; run it with --jobs 1 (jobs=1)"
    child.join()


FORKED = """
import multiprocessing
import sys

import erasurehead as eh

config = {
    "workers": 4, "iterations": 3, "replications": 2,
    "delay": {"model": "exponential", "rate": 1.0}, "schemes": [{"name": "uncoded"}],
}


def again():
    result = eh.sweep(config, set={"delay.rate": [1.0, 2.0]}, jobs=2, progress=False)
    sys.exit(0 if result.iterations.equals(first.iterations) else 3)


first = eh.sweep(config, set={"delay.rate": [1.0, 2.0]}, jobs=2, progress=False)
child = multiprocessing.get_context("fork").Process(target=again)
child.start()
child.join()
sys.exit(child.exitcode)
"""


@pytest.mark.long("a script and its child start processes")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_sweep_in_a_forked_child_works(tmp_path: Path) -> None:
    """Catches a child that waits for the server of its parent, or for a lock that nobody holds."""
    script = tmp_path / "script.py"
    script.write_text(FORKED)
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
