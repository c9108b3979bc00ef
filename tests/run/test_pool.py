"""Tasks in lanes: every result once, also when processes die; and one thread in each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from erasurehead.experiments.run.lanes import (
    Died,
    Item,
    Lane,
    Result,
    Share,
    Task,
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


def test_a_process_that_dies_idle_is_replaced(tmp_path: Path) -> None:
    with open_lanes(2) as lanes:
        first = {pid for _, pid in map_unordered(process_of, range(2), lanes)}
        for pid in first:
            assert isinstance(pid, int)
            os.kill(pid, signal.SIGKILL)
        second = {pid for _, pid in map_unordered(process_of, range(2), lanes)}
    assert len(second) == 2
    assert not first & second


def test_an_error_of_a_task_is_raised_here() -> None:
    with open_lanes(2) as lanes, pytest.raises(ArithmeticError, match="three"):
        list(map_unordered(wrong_at_3, range(100), lanes))


class Counting(Lane):
    """Hands tasks on to another lane, and counts those that it has."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.taken, self.most = lane, 0, 0

    def slots(self) -> int:
        return self.lane.slots()

    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        self.taken += 1
        self.most = max(self.most, self.taken)
        future = self.lane.submit(task, item)
        future.add_done_callback(self._gave_back)
        return future

    def _gave_back(self, future: object) -> None:
        self.taken -= 1

    def is_death(self, error: BaseException | None) -> bool:
        return self.lane.is_death(error)

    def revive(self) -> str:
        return self.lane.revive()


def test_no_more_tasks_are_handed_out_than_needed() -> None:
    """Catches a million cells that are all in memory at once."""
    with open_lanes(2) as lanes:
        counting = [Counting(lane) for lane in lanes]
        assert len(list(map_unordered(square, range(50), counting))) == 50
    assert [lane.most for lane in counting] == [2, 2]


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
