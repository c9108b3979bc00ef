"""Commands that a test starts, watches and stops, and the processes that belong to them (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a worker of a cluster imports this module, and should start at once
    from erasurehead.experiments.run.pools import Share

ROOT = Path(__file__).parents[3]
PATIENCE = 120
"""Seconds; only a command that hangs takes so long, however busy the machine is."""


def start(*arguments: object) -> subprocess.Popen[str]:
    """The command in a session of its own, as if it were alone in a terminal."""
    return subprocess.Popen(
        [sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=listen_to_interrupts,
    )


def listen_to_interrupts() -> None:
    """Tests that run in the background ignore Ctrl-C, and what they start would do so too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def sweep(config: Path, out: Path, *arguments: object) -> subprocess.Popen[str]:
    return start("sweep", config, "--output", out, *arguments)


def finish(config: Path, out: Path, *arguments: object) -> None:
    process = sweep(config, out, *arguments)
    _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error


def until(condition: Callable[[], bool]) -> None:
    """Wait for an event."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)  # some conditions look at every process of the machine


def until_cells(process: subprocess.Popen[str], out: Path, number: int) -> None:
    """Wait until so many cells are finished, or the command is."""
    until(lambda: cells_of(out) >= number or process.poll() is not None)


def cells_of(out: Path) -> int:
    try:
        return sum(name.endswith(".parquet") for name in os.listdir(out / "cells"))
    except FileNotFoundError:
        return 0


def assert_same_tables(one: Path, two: Path) -> None:
    for table in ("iterations.parquet", "summary.parquet", "workers.parquet"):
        assert (one / table).read_bytes() == (two / table).read_bytes()


def signalled(process: subprocess.Popen[str], number: int) -> str:
    """Send a signal to all processes of a command; what they print on stderr until all are gone."""
    os.killpg(process.pid, number)
    _, error = process.communicate(timeout=PATIENCE)
    return error


def session_of(process: subprocess.Popen[str]) -> dict[int, int]:
    """The living processes of a command's session: parents by process."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, parent, _, session = file.read().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(session) == process.pid and state != "Z":
            found[int(pid)] = int(parent)
    return found


def children_of(pid: int) -> list[int]:
    """Quicker to ask for than a whole session, by those who ask until something is there."""
    with suppress(OSError):
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
        return [int(child) for one in lists for child in one.split()]
    return []


def servers_of(process: subprocess.Popen[str]) -> list[int]:
    """The server that processes are forked from."""
    found = []
    for pid in children_of(process.pid):
        with suppress(OSError):
            if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that compute cells: grandchildren of the command."""
    return [pid for child in children_of(process.pid) for pid in children_of(child)]


def kill(processes: Iterable[int]) -> None:
    """kill -9 those that are still there."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# Tasks that tests hand to processes and clusters.


def deaf(folder: Path, item: int, share: Share) -> None:
    """Says that it has started, and keeps the interpreter's lock, as computing in C may."""
    (folder / str(item)).touch()
    ctypes.PyDLL(None).sleep(10 * PATIENCE)


def process_of(item: int, share: Share) -> int:
    return os.getpid()


def fatal_at(bad: Sequence[int], folder: Path, item: int, share: Share) -> int:
    """Dies at some items; leaves a line for each time that it was started."""
    with (folder / str(item)).open("a") as file:
        file.write("started\n")
    if item in bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


def held(folder: Path, item: int, share: Share) -> int:
    """Says that it has started, and goes on when it is told to."""
    (folder / "started").touch()
    until((folder / "go on").exists)
    return item
