"""What is on disk is whole, and of the code that is installed."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from erasurehead import ConfigError
from erasurehead.experiments.config import installed as installed_module
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.installed import CODE_FOLDERS
from erasurehead.experiments.run import files
from erasurehead.experiments.run.compute import (
    PACKED_ROWS,
    TABLES_OF_A_CELL,
    CellResult,
    Columns,
    Packed,
    compute,
    read_cell,
    write_cell,
)

ROOT = Path(__file__).parents[3]


DOCUMENT: dict[str, Any] = {
    "workers": 4,
    "iterations": 20,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "cyclic_repetition", "load": 2}],
}


@pytest.fixture(scope="module")
def result() -> CellResult:
    return compute(cells(DOCUMENT)[0])


def test_a_cell_comes_back_as_it_was(tmp_path: Path, result: CellResult) -> None:
    assert read_cell(tmp_path, "k") is None
    write_cell(tmp_path, "k", result)
    back = read_cell(tmp_path, "k")
    assert back is not None
    assert_same(back, result)
    assert back.engine == result.engine
    assert back.conditioning == result.conditioning
    assert back.conditioning is not None


def assert_same(back: CellResult, result: CellResult) -> None:
    """To the bit, in this order, and whole numbers where they were whole."""
    for table in TABLES_OF_A_CELL:
        mine, its = getattr(result, table), getattr(back, table)
        assert [*its] == [*mine]
        for name, values in mine.items():
            assert (its[name].dtype, its[name].tobytes()) == (values.dtype, values.tobytes())


@pytest.mark.parametrize(
    "changes",
    [
        {"record": "clock"},  # no table of workers
        {"schemes": [{"name": "asynchronous"}], "replications": 3},
        {"failures": {"message_loss": 0.2, "retry_after": 1.0}},
        {"workers": 3000, "schemes": [{"name": "uncoded"}]},
        {
            "problem": {"dataset": "synthetic", "loss": "logistic", "rows": 40, "features": 3},
            "optimizer": {"rule": "gd", "learning_rate": 0.1},
            "target_loss": 0.6,
        },
    ],
    ids=["clock", "asynchronous", "failures", "many workers", "training"],
)
def test_every_kind_of_cell_comes_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = compute(cells(DOCUMENT | changes)[0])
    write_cell(tmp_path, "k", found)
    back = read_cell(tmp_path, "k")
    assert back is not None
    assert_same(back, found)


def test_any_flipped_bit_is_noticed_or_harmless(tmp_path: Path, result: CellResult) -> None:
    """A disk that forgets: never other numbers, never a traceback."""
    write_cell(tmp_path, "k", result)
    path = files.cell_path(tmp_path, "k")
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    noticed = 0
    for place in rng.integers(len(content), size=400):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        back = read_cell(tmp_path, "k")
        noticed += back is None
        if back is not None:
            assert_same(back, result)
    assert noticed > 0


def test_a_cell_of_other_code_is_another_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches numbers of other code or libraries under the name of ours."""
    before = cells(DOCUMENT)[0].key
    monkeypatch.setattr(installed_module, "installed", lambda: {"numpy": "another"})
    after = cells(DOCUMENT)[0].key
    assert before[:17] == after[:17]
    assert before[17:] != after[17:]


def test_the_file_of_another_cell_is_not_trusted(tmp_path: Path, result: CellResult) -> None:
    """Catches the numbers of one cell under another one's name."""
    write_cell(tmp_path, "k", result)
    files.cell_path(tmp_path, "k").rename(files.cell_path(tmp_path, "other"))
    assert read_cell(tmp_path, "other") is None


def test_the_fingerprint_is_of_sources_and_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of their contents and names, wherever they lie; of pandas, say; and of nothing else."""
    versions = dict.fromkeys(installed_module.LIBRARIES, "1.0")
    monkeypatch.setattr(installed_module.importlib.metadata, "version", versions.__getitem__)

    def installed(place: str, **sources: str) -> str:
        root = tmp_path / place
        for source, text in sources.items():
            file = root / f"{source.replace('_', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        here = root / "experiments" / "config" / "installed.py"
        monkeypatch.setattr(installed_module, "__file__", str(here))
        installed_module.installed.cache_clear()
        return installed_module.code_fingerprint()

    plain = {"sim_a": "x = 1", "experiments_run_b": ""}
    first = installed("one", **plain)
    assert installed("two", **plain, experiments_live_c="", d="") == first
    others = [
        installed("three", sim_a="x = 2", experiments_run_b=""),
        installed("four", sim_b="x = 1", experiments_run_b=""),
        installed("five", **plain, sim_deep_e=""),
    ]
    versions["pandas"] = "1.1"
    others.append(installed("one"))
    installed_module.installed.cache_clear()
    assert len({first, *others}) == 5


def test_the_fingerprint_covers_every_module_that_computes() -> None:
    """Catches a module between config and numbers whose change leaves stale cells trusted."""
    program = (
        "import sys, erasurehead.experiments.run.compute\n"
        "files = [getattr(module, '__file__', None) for module in sys.modules.values()]\n"
        "print(*filter(None, files), sep='\\n')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    files = [Path(line) for line in run.stdout.splitlines()]
    root = ROOT / "erasurehead"
    ours = [f.relative_to(root).as_posix() for f in files if f.is_relative_to(root)]
    assert len(ours) > 50
    idle = ("__init__.py", "experiments/__init__.py", "experiments/text.py")  # compute nothing
    uncovered = [f for f in ours if not f.startswith(CODE_FOLDERS) and f not in idle]
    assert uncovered == []


def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches writing in place: a full disk would leave half a table where a whole one was."""
    path = tmp_path / "table"
    files.write_bytes(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ConfigError, match=r"table: cannot be written: No space left on device$"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["table"]


def test_files_have_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("kind", ["a FIFO", "a symbolic link", "a directory", "a socket"])
def test_only_files_are_replaced(kind: str, tmp_path: Path) -> None:
    """Catches a device, a link or a FIFO of the user that a table takes the place of."""
    target, path = tmp_path / "target", tmp_path / "x"
    target.write_bytes(b"of the user")
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a symbolic link":
        path.symlink_to(target)
    elif kind == "a directory":
        path.mkdir()
    else:
        os.mknod(path, stat.S_IFSOCK)
    mode = path.lstat().st_mode
    for attempt in (partial(files.write_bytes, path, b"new"), partial(files.require_file, path)):
        with pytest.raises(ConfigError, match=f"^{path}: is {kind}; must be a file$"):
            attempt()
    assert path.lstat().st_mode == mode
    assert target.read_bytes() == b"of the user"
    assert {p.name for p in tmp_path.iterdir()} == {"target", "x"}


def test_a_name_as_long_as_the_system_takes_can_be_written(tmp_path: Path) -> None:
    """Catches a temporary name that is longer than the file's own."""
    path = tmp_path / ("n" * 255)
    files.require_file(path)
    assert not path.exists()
    files.write_bytes(path, b"")
    assert path.exists()


def test_what_cannot_be_written_is_known_before_and_leaves_nothing(tmp_path: Path) -> None:
    long, occupied = "n" * 256, tmp_path / "file"
    occupied.write_bytes(b"")
    for folder in (tmp_path / "a" / long, tmp_path / "a" / long / "b", occupied, occupied / "b"):
        with pytest.raises(ConfigError, match="cannot be written: "):
            files.require_writable(folder)
        with pytest.raises(ConfigError, match="cannot be written: "):
            files.require_file(folder / "t.json")
    for odd in ("nul\0", long):
        with pytest.raises(ConfigError, match="cannot be written: "):
            files.require_file(tmp_path / odd)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_dead_processes_go_and_nothing_else(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    cells_folder = tmp_path / "cells"
    cells_folder.mkdir()
    leftover = cells_folder / f".k.parquet.{dead.pid}.x1{files.TEMPORARY}"
    kept = [
        tmp_path / ".notes.of.mine",
        tmp_path / f".mine.{files.TEMPORARY}",
        cells_folder / f".k.parquet.{os.getpid()}.x2{files.TEMPORARY}",
        cells_folder / "k.parquet",
    ]
    for path in [leftover, *kept]:
        path.write_bytes(b"")
    files.remove_leftovers(tmp_path)
    assert not leftover.exists()
    assert all(path.exists() for path in kept)


def test_a_file_loses_its_own_leftovers_alone(tmp_path: Path) -> None:
    """What lies beside it is the user's, whatever it is called."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own, other = (tmp_path / f".{name}.{dead.pid}.x1{files.TEMPORARY}" for name in ("[m].csv", "m"))
    for path in (own, other):
        path.write_bytes(b"")
    files.require_file(tmp_path / "[m].csv")
    assert [*tmp_path.iterdir()] == [other]


def test_a_cell_that_memory_is_too_short_for_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a run under a memory limit that says that its own cells have vanished."""
    for error in (
        pa.ArrowMemoryError("malloc failed"),
        pa.ArrowException("Unknown error: Failed to launch worker thread"),
        OSError(12, "Cannot allocate memory"),
    ):

        def short(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("erasurehead.experiments.run.files.read_arrow", short)
        with pytest.raises(type(error)):
            read_cell(tmp_path, "key")
    monkeypatch.undo()
    assert read_cell(tmp_path, "key") is None


def test_packed_columns_are_the_same_to_the_bit() -> None:
    """Of any number of rows; long columns, and tables without rows, are left as they are."""
    rng = np.random.default_rng(0)
    for rows in (1, 2, 1000):
        table = {"whole": np.arange(rows), "a": rng.random(rows), "b": np.full(rows, np.nan)}
        held = Packed.of(table)
        assert Packed.of(held) is held is not table
        assert ([*held], len(held), "a" in held, "c" in held) == ([*table], 3, True, False)
        again = pickle.loads(pickle.dumps(held))
        for name, column in table.items():
            np.testing.assert_array_equal(held[name], column, strict=True)
            np.testing.assert_array_equal(again[name], column, strict=True)
        with pytest.raises(ValueError, match="read-only"):
            held["a"][0] = 1.0
        with pytest.raises(KeyError, match="c"):
            held["c"]
    others: list[Columns] = [{}, {"a": np.empty(0)}, {"a": np.zeros(PACKED_ROWS + 1)}]
    assert all(Packed.of(table) is table for table in others)
