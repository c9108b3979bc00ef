"""Runs cases: the program is imported once, and each command runs in a fork with limits (Linux)."""

from __future__ import annotations

import atexit
import gc
import hashlib
import importlib
import os
import resource
import select
import shutil
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.values import Case, Command

CPU, WALL = 20, 60
"""Seconds that a command may compute, and that it may take on a machine with other things to do."""

SEARCH = 3
"""A search is some hundred runs, and may take so many times as long."""

ADDRESSES = 4 * 2**30
"""Bytes of address space: a guard for the machine. The judge wants less."""

OUTPUT = 2**28
"""Bytes of a file."""

PRELOADED = (
    *(
        "erasurehead.experiments.commands.cli",
        "erasurehead.experiments.commands.table",
        "erasurehead.experiments.run.command",
    ),
    *(
        "erasurehead.experiments.run.compute",
        "erasurehead.experiments.run.pools",
        "erasurehead.experiments.config.schema",
    ),
    *(
        "erasurehead.experiments.advice.fit.command",
        "erasurehead.experiments.advice.fit.study",
        "erasurehead.experiments.advice.fit.page",
    ),
    *(
        "erasurehead.experiments.advice.whatif.command",
        "erasurehead.experiments.checks.attack",
        "erasurehead.experiments.reports.report.command",
    ),
    "erasurehead.experiments.advice.recommend.command",
    *("sklearn.datasets", "matplotlib.backends.backend_agg"),
)
"""What commands import."""

Snapshot = Mapping[str, str]
"""Of a folder: for each path in it, what is there."""


@dataclass(frozen=True)
class Ending:
    """What became of a command.

    Attributes:
        command: its arguments.
        code: its exit code; minus the signal that ended it.
        cpu, wall: seconds.
        memory: bytes, the most that it had.
        out, err: what it printed.
        before, after: the folder.
    """

    command: Command
    code: int
    cpu: float
    wall: float
    memory: int
    out: bytes
    err: bytes
    before: Snapshot
    after: Snapshot


def prepare() -> None:
    """Import the program, and keep what it needs out of the way of forks."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = "1"
    for name in ("ERASUREHEAD_DATA", "COLUMNS", "FORCE_COLOR"):
        os.environ.pop(name, None)
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()


@contextmanager
def room(case: Case) -> Iterator[Path]:
    """A folder with the case's files, which goes again."""
    around = Path(tempfile.mkdtemp(prefix="fuzz-"))  # TemporaryDirectory goes with a fork, too
    try:
        (around / "tmp").mkdir()
        furnish(case, around / "room")
        yield around / "room"
    finally:
        shutil.rmtree(around, ignore_errors=True)


def furnish(case: Case, folder: Path) -> None:
    """Write a case's files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for name in case.fifos:
        os.mkfifo(folder / name)


def run(case: Case, folder: Path) -> list[Ending]:
    """Run a case's commands in its folder, until one is not done well."""
    endings: list[Ending] = []
    for command in case.commands:
        endings.append(_run(command, folder))
        if endings[-1].code != 0:
            break
    return endings


def _run(command: Command, folder: Path) -> Ending:
    before, began = snapshot(folder), time.monotonic()
    names = [folder.parent / name for name in ("stdout", "stderr")]
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process == 0:
        _become(command, folder, names)
    finished = os.pidfd_open(process)
    try:
        if not select.select([finished], [], [], WALL * _times(command))[0]:
            os.kill(process, signal.SIGKILL)
    finally:
        os.close(finished)
    _, status, usage = os.wait4(process, 0)
    wall = time.monotonic() - began
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)
    out, err = (path.read_bytes() for path in names)
    return Ending(
        command,
        os.waitstatus_to_exitcode(status),
        usage.ru_utime + usage.ru_stime,
        wall,
        usage.ru_maxrss * 1024,
        out,
        err,
        before,
        snapshot(folder),
    )


def _times(command: Command) -> int:
    """How much longer than others a command may take."""
    return SEARCH if command[0] == "recommend" else 1


def _become(command: Command, folder: Path, names: list[Path]) -> None:
    """In the fork: be the program, alone in its session. Does not return."""
    code = 120
    try:
        os.setsid()
        os.chdir(folder)
        for target, path in zip((1, 2), names, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), target)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        cpu = CPU * _times(command)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 2))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (OUTPUT, OUTPUT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.environ["TMPDIR"] = str(folder.parent / "tmp")
        os.environ["XDG_STATE_HOME"] = str(folder.parent / "state")
        tempfile.tempdir = None
        sys.argv = ["erasurehead", *command]
        code = _main()
    except BaseException:
        sys.excepthook(*sys.exc_info())  # as the interpreter would at the end of the program
        code = 1
    finally:
        for end in (threading._shutdown, atexit._run_exitfuncs, sys.stdout.flush, sys.stderr.flush):
            with suppress(BaseException):
                end()
        os._exit(code)


def _main() -> int:
    from erasurehead.experiments.commands.cli import main

    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def snapshot(folder: Path) -> Snapshot:
    """Everything in a folder, and in the temporary one beside it."""
    found = {}
    for root in (folder, folder.parent / "tmp"):
        for path in root.rglob("*"):
            found[str(path.relative_to(folder.parent))] = _what(path)
    return found


def _what(path: Path) -> str:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return f"kind {stat.S_IFMT(mode):o}"
    return hashlib.sha256(path.read_bytes()).hexdigest()
