"""One command at a time writes to an output folder (Linux)."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from erasurehead import ConfigError
from erasurehead.experiments.run import files
from erasurehead.experiments.run.files import LOCK_NAME, locked, output_folder, writer_of
from erasurehead.experiments.run.outputs import unfinished
from tests.experiments.run.commands import ROOT
from tests.tools import inside

HOLDER = """
import sys
from pathlib import Path
from erasurehead.experiments.run.files import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "out")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


def test_a_second_command_is_refused_with_the_first_ones_process(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    line = f"{out}: process {holder.pid} is writing to it; wait for its end"
    with pytest.raises(ConfigError, match=f"^{line}$"), locked(out):
        pass
    assert writer_of(out) == holder.pid
    assert str(unfinished(out)) == line
    holder.communicate("")
    with locked(out):
        assert writer_of(out) == os.getpid()
    assert not out.exists()


def test_a_lock_of_a_dead_process_is_no_obstacle(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (out / LOCK_NAME).read_text() == f"{holder.pid}\n"
    assert writer_of(out) is None
    with locked(out):
        assert writer_of(out) == os.getpid()
    assert not (out / LOCK_NAME).exists()


def test_threads_of_one_process_are_told_apart(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match=f"process {os.getpid()} is writing to it")
    with locked(tmp_path), refused, locked(tmp_path):
        pass


def test_the_lock_goes_with_its_context(tmp_path: Path) -> None:
    """Also after an error; a folder that was made for it and stays empty goes too."""
    with pytest.raises(ArithmeticError), locked(tmp_path / "a" / "b"):
        raise ArithmeticError
    assert not list(tmp_path.iterdir())
    with locked(tmp_path / "a"):
        (tmp_path / "a" / "table").write_bytes(b"")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["table"]


def test_what_stands_in_the_way_is_known_at_once(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    refused = pytest.raises(
        ConfigError, match=f"^{tmp_path}/table: is a directory; must be a file$"
    )
    with refused, output_folder(tmp_path, ["new", "table"]):
        raise AssertionError
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


@pytest.mark.parametrize(
    ("command", "table", "computes"),
    [
        ("fit trace.npz", "order_statistics.parquet", "advice.fit.study.study"),
        ("verify", "verify.csv", "checks.verify.command.compare_settings"),
    ],
)
def test_commands_look_before_they_compute(
    command: str, table: str, computes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches minutes of work that end with one line, that of a file which cannot be written."""
    began: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"erasurehead.experiments.{computes}", lambda *_: began.append(command))
    Path("out", table).mkdir(parents=True)
    np.savez("trace.npz", seconds=1.0 + np.random.default_rng(0).random((20, 5)))
    done = inside(*command.split(), "--output", "out")
    assert (done.returncode, began) == (2, [])
    assert done.stderr == f"error: out/{table}: is a directory; must be a file\n"


@pytest.mark.parametrize("odd", ["link", "fifo", "folder", "text"])
def test_whatever_is_in_the_lock_s_place(odd: str, tmp_path: Path) -> None:
    path, target = tmp_path / LOCK_NAME, tmp_path / "target"
    target.write_text("of the user")
    if odd == "text":
        path.write_text("not a process\n" * 100)
        with locked(tmp_path):
            assert path.read_text() == f"{os.getpid()}\n"
        return
    if odd == "link":
        path.symlink_to(target)
    elif odd == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(ConfigError, match=r"cannot be written|must be a file"), locked(tmp_path):
        pass
    assert writer_of(tmp_path) is None
    assert target.read_text() == "of the user"


def test_a_full_disk_keeps_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "mine").touch()
    monkeypatch.setattr("os.write", full)
    with pytest.raises(ConfigError, match="No space left on device"), locked(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "command",
    [
        "verify --worst c.yaml",
        pytest.param("fit t.csv", marks=pytest.mark.slow),
        pytest.param("whatif t.csv", marks=pytest.mark.slow),
        pytest.param("recommend c.yaml --only uncoded", marks=pytest.mark.slow),
        pytest.param("report one two", marks=pytest.mark.slow),
    ],
)
def test_what_a_full_disk_cuts_short_goes_again(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever file it is at which the disk is full; catches tables without their answer."""
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).exponential(size=(30, 4)) + 0.1
    np.savetxt("t.csv", rows, delimiter=",", header="a,b,c,d", comments="")
    delay = {"model": "exponential", "rate": 1.0}
    schemes = [{"name": "fractional_repetition", "load": 2}]
    config = {"workers": 4, "iterations": 3, "delay": delay, "schemes": schemes}
    Path("c.yaml").write_text(yaml.safe_dump(config))
    if command.startswith("report"):
        for folder in ("one", "two"):
            assert inside("run", "c.yaml", "--output", folder).returncode == 0
    replace, left = Path.replace, 0

    def full(part: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", full)
    for at in (1, 3, 5, 9):
        left = at
        done = inside(*command.split(), "--output", "out")
        if left > 0:  # it has fewer files
            assert done.returncode == 0
            break
        assert (done.returncode, "No space left on device" in done.stderr) == (2, True), done
        assert not Path("out").exists(), at


def open_below(folder: Path) -> list[str]:
    """Files that this process has open there; other threads open and close theirs meanwhile."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # of the listing itself, or of another thread
            found.append(os.readlink(f"/proc/self/fd/{entry}"))
    return [path for path in found if path.startswith(f"{folder}/")]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="Linux lists open files")
@pytest.mark.parametrize("how", ["free", "an error", "a FIFO", "taken", "full"])
def test_a_lock_leaves_no_file_open(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep in one process takes it a thousand times, also where it is refused."""
    if how == "a FIFO":
        os.mkfifo(tmp_path / LOCK_NAME)
    if how == "full":

        def full(handle: int, content: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.write", full)
    with suppress(ConfigError, KeyError), locked(tmp_path):
        assert writer_of(tmp_path) == os.getpid()
        assert len(open_below(tmp_path)) == 1
        if how == "taken":
            with locked(tmp_path):
                pass
        if how == "an error":
            raise KeyError
    assert open_below(tmp_path) == []
    assert (tmp_path / LOCK_NAME).exists() == (how == "a FIFO")


# Files by hand, in this process.


@pytest.mark.parametrize(
    ("error", "lives"),
    [(None, True), (ProcessLookupError, False), (OverflowError, False), (PermissionError, True)],
)
def test_a_process_that_is_somebody_elses_lives(
    error: type[Exception] | None, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(process: int, number: int) -> None:
        assert (process, number) == (77, 0)
        if error is not None:
            raise error

    monkeypatch.setattr(files.os, "kill", kill)
    assert files.alive(77) == lives


@pytest.mark.parametrize(
    ("handle", "error", "waited", "lives"),
    [(8, 0, 0x102, True), (8, 0, 0, False), (0, 5, 0, True), (0, 87, 0, False)],
)
def test_no_signal_asks_whether_a_process_of_windows_lives(
    handle: int, error: int, waited: int, lives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches ``os.kill``, which ends a process there whatever the signal is."""
    closed = list[int]()
    kernel = SimpleNamespace(
        OpenProcess=lambda right, inherited, process: handle,
        GetLastError=lambda: error,
        WaitForSingleObject=lambda of, seconds: waited,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(files.ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setattr(files.os, "kill", lambda *_: pytest.fail("ends the process"))
    assert files.alive(77) == lives
    assert closed == [handle] * (handle != 0)


@pytest.mark.parametrize("looks", [1, 49, 50])
def test_a_lock_of_nobody_is_waited_for(
    looks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second at the most: who has just got it has not written yet who it is."""
    seconds, taken = list[float](), files._taken
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=seconds.append))
    monkeypatch.setattr(files, "_taken", lambda file: len(seconds) >= looks and taken(file))
    if looks < 50:
        os.close(files._acquired(tmp_path / LOCK_NAME))
    else:
        with pytest.raises(ConfigError, match=f"^{tmp_path}: another process is writing to it"):
            files._acquired(tmp_path / LOCK_NAME)
    assert sum(seconds) == pytest.approx(looks / 50)


@pytest.mark.parametrize(
    ("content", "process"),
    [
        (b"12\n", 12),
        (b" 7", 7),
        (b"", None),
        (b"x", None),
        (b"-1", None),
        (b"9" * 19, int("9" * 19)),
        (b"9" * 20, None),
    ],
)
def test_a_process_is_a_number_of_some_digits(content: bytes, process: int | None) -> None:
    assert files._process(content) == process


def test_leftovers_of_the_dead_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder and its cells; not those of a living process, nor what is called otherwise."""
    monkeypatch.setattr(files, "alive", lambda process: process == 5)
    stay = [".a.5.ff.part", ".5.ff.part", ".a.x.ff.part", ".part", "a.4.ff.part", ".b.4.ff.other"]
    go = [".a.4.ff.part", ".a.b.csv.4.ff.part", ".4.ff.part"]
    for folder in (tmp_path, tmp_path / "cells", tmp_path / "plots"):
        folder.mkdir(exist_ok=True)
        for name in (*stay, *go):
            (folder / name).touch()
    files.remove_leftovers(tmp_path)
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {*stay, "cells", "plots"}
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {*stay}
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {*stay, *go}
    files.remove_leftovers(tmp_path / "not there")


def test_a_file_comes_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its temporary name is short; an error leaves neither of both, and what was there stays."""
    path = tmp_path / ("n" * 200)
    seen = list[str]()
    replace = Path.replace

    def look(part: Path, target: Path) -> Path:
        seen.append(part.name)
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", look)
    files.write_bytes(path, b"one")
    assert path.read_bytes() == b"one"
    assert seen[0].startswith(f".{'n' * 40}.{os.getpid()}.")
    assert seen[0].endswith(".part")
    assert len(seen[0]) == 1 + 40 + 1 + len(str(os.getpid())) + 1 + 8 + 5

    limits, frame = resource.getrlimit(resource.RLIMIT_FSIZE), pd.DataFrame({"a": range(10_000)})
    for most, write in (
        (2, lambda: files.write_bytes(path, b"two")),
        (2, lambda: files.write_bytes(path, bytes(2**20))),
        (2, lambda: files.write_table(path, frame)),
        (2**16, lambda: files.write_table(path, [frame] * 20)),
        (2, lambda: files.write_arrow(path, pa.table({"a": range(10)}))),
        (
            2**16,
            lambda: files.write_arrow(path, pa.table({"a": np.arange(10**5)}), compression="none"),
        ),
        (2**16, lambda: files.write_table(path, [frame] * 2, csv=True)),
    ):
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            with pytest.raises(ConfigError, match="cannot be written: File too large"):
                write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert [each.name for each in tmp_path.iterdir()] == [path.name]
        assert path.read_bytes() == b"one"


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe")
    for name, what in (("folder", "a directory"), ("link", "a symbolic link"), ("pipe", "a FIFO")):
        with pytest.raises(ConfigError, match=f"{name}: is {what}; must be a file"):
            files.require_replaceable(tmp_path / name)
        with pytest.raises(ConfigError, match=f"{name}: is {what}; must be a file"):
            files.require_file(tmp_path / name)
    files.require_replaceable(tmp_path / "nothing")


def test_a_place_is_tried_out_and_left_as_it_was(tmp_path: Path) -> None:
    """Folders that are made for it go again; those with something in them stay."""
    files.require_writable(tmp_path / "a" / "b")
    files.require_file(tmp_path / "c" / "d.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "e.json").write_text("mine")
    files.require_file(tmp_path / "e.json")
    assert (tmp_path / "e.json").read_text() == "mine"
    with pytest.raises(ConfigError, match="cannot be written: Not a directory"):
        files.require_writable(tmp_path / "e.json" / "below")
    with files.folder_made(tmp_path / "f" / "g"):
        (tmp_path / "f" / "kept").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["e.json", "f", "kept"]


def test_files_that_come_all_or_not_at_all(tmp_path: Path) -> None:
    """Only what was written within goes: a new file, and one that was replaced."""
    old, new, other = tmp_path / "old", tmp_path / "new", tmp_path / "other"
    old.write_text("1")
    other.write_text("1")
    with pytest.raises(ArithmeticError), files.all_or_none([old, new, other, tmp_path / "never"]):
        raise_after(new, other)
    assert old.read_text() == "1"
    assert not new.exists()
    assert not other.exists()
    with files.all_or_none([new]):
        new.write_text("2")
    assert new.read_text() == "2"


def raise_after(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        path.write_text("half")
    raise ArithmeticError


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ([], True),
        ([".hidden"], True),
        (["a.txt"], False),
        ([".erasurehead", "a.txt"], True),
        (['manifest.json {"versions": 1}'], True),
        (['manifest.json {"version": 1}'], False),
        (['answer.json {"verdict": 1}', "a.txt"], True),
        (['answer.json ["verdict"]'], False),
        (["answer.json {"], False),
    ],
)
def test_a_folder_is_ours(names: list[str], ours: bool, tmp_path: Path) -> None:
    """Empty, with a mark, or with what only results of before have in it."""
    for name in names:
        file, _, content = name.partition(" ")
        (tmp_path / file).write_text(content)
    assert files.is_ours(tmp_path) == ours
    assert files.is_ours(tmp_path / "not there")


def test_ctrl_c_waits_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """And then comes, once; elsewhere than in the main thread nothing is changed."""
    done = list[str]()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted(done)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["within", "still within"]
    with files.postponed():
        done.append("again")
    monkeypatch.setattr(files.signal, "signal", lambda *_: int("no main thread"))
    with files.postponed():
        done.append("elsewhere")
    assert done[2:] == ["again", "elsewhere"]


def interrupted(done: list[str]) -> None:
    with files.postponed():
        done.append("within")
        signal.raise_signal(signal.SIGINT)
        done.append("still within")
    done.append("too late")


def test_a_file_is_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(ConfigError, match="Not a directory"), files.folder_made(tmp_path / "f"):
        pass
    assert (tmp_path / "f").read_text() == "mine"


def test_a_folder_of_ours_has_a_mark_from_the_first_file_on(tmp_path: Path) -> None:
    """It goes again with a command that has written nothing."""
    folder = tmp_path / "results"
    with output_folder(folder, ["a"]):
        assert (folder / files.MARK).is_file()
    assert not (folder / files.MARK).exists()
    with output_folder(folder, ["a"]):
        (folder / "a").write_text("1")
    assert (folder / files.MARK).read_bytes() == files.MARK_TEXT
