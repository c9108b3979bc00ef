"""Sweeps lose nothing: killed, resumed, in parallel or on a cluster, the tables are the same."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_1samp, ttest_ind

from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.document import load
from erasurehead.experiments.run import command, files, records
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.metrics import per_replication
from tests.experiments.run.commands import (
    PATIENCE,
    ROOT,
    assert_same_tables,
    cells_of,
    finish,
    kill,
    listen_to_interrupts,
    servers_of,
    session_of,
    signalled,
    sweep,
    until,
    until_cells,
    workers_of,
)
from tests.tools import inside

TRIES = 20  # sweeps that may be quicker than who stops them
GRID: dict[str, Any] = {
    "name": "grid",
    "workers": 12,
    "iterations": 30,
    "replications": 8,
    "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 2.0},
    "schemes": [
        {"name": "uncoded"},
        {"name": "cyclic_repetition", "load": 3},
        {"name": "erasurehead", "load": 3, "wait_for": [4, 6, 8]},
    ],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 600, "features": 20},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
    "target_loss": 0.6,
    "sweep": {"delay.rate": [0.5, 1.0, 2.0, 4.0]},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The config and the results of an uninterrupted run with one job."""
    folder = tmp_path_factory.mktemp("sweep")
    config = folder / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    finish_here(config, folder / "whole")
    return config, folder / "whole"


def finish_here(config: Path, out: Path) -> None:
    """``finish`` without a process of its own, which is quicker."""
    done = inside("sweep", config, "--output", out)
    assert done.returncode == 0, done.stderr


def killed_after(config: Path, out: Path, more: int, pause: float, jobs: int) -> None:
    """Start a sweep, and kill -9 all its processes ``pause`` seconds after ``more`` new cells."""
    enough = cells_of(out) + more
    process = sweep(config, out, "--jobs", jobs)
    until_cells(process, out, enough)
    time.sleep(pause)
    assert signalled(process, signal.SIGKILL) == ""


@pytest.mark.long("a sweep of two processes is killed")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_killed_at_any_moment_and_resumed(
    whole: tuple[Path, Path], tmp_path: Path, number: signal.Signals
) -> None:
    """The command's processes end with it, without a word, and nothing half-written is left.
    Catches processes that wait for the next cell."""
    config, reference = whole
    for out in (tmp_path / str(attempt) for attempt in range(TRIES)):
        process = sweep(config, out, "--jobs", 2)
        until_cells(process, out, 2)
        assert len(workers_of(process)) == 2 or cells_of(out) == 20
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
        assert error == ""
        until(lambda process=process: session_of(process) == {})
        if process.returncode == -number and cells_of(out) < 20:
            break  # otherwise the sweep was quicker: once more
    else:
        pytest.fail("each time the sweep was quicker")
    finish_here(config, out)
    assert_same_tables(out, reference)
    assert {p.name for p in out.iterdir()} == {p.name for p in reference.iterdir()}
    assert cells_of(out) == len(list((out / "cells").iterdir())) == 20


@pytest.mark.slow
def test_twenty_random_kills_each_resumed(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """Each kill at a random moment of a fresh sweep, from start-up to the writing of tables."""
    config, reference = whole
    rng = np.random.default_rng(0)
    killed = []
    for attempt in range(20):
        out = tmp_path / str(attempt)
        more, pause = int(rng.integers(0, 21)), float(rng.random())
        killed_after(config, out, more, pause if more in {0, 20} else pause / 20, 1 + attempt % 2)
        killed.append(cells_of(out))
        finish(config, out, "--jobs", 2 - attempt % 2)
        assert_same_tables(out, reference)
    print("cells on disk at each kill:", killed)


INTERRUPTED = "interrupted; run the same command again to go on\n"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_interrupted_says_so_and_goes_on_later(
    whole: tuple[Path, Path], tmp_path: Path, jobs: int
) -> None:
    """Ctrl-C reaches every process of the group, as in a terminal."""
    config, reference = whole
    outputs = (tmp_path / str(attempt) for attempt in range(TRIES))
    for out in outputs:
        process = sweep(config, out, "--jobs", jobs)
        until_cells(process, out, 2)
        error = signalled(process, signal.SIGINT)
        if cells_of(out) < 20:  # otherwise the sweep was quicker: once more
            break
    assert process.returncode == 130
    assert error == INTERRUPTED
    assert {p.name for p in out.iterdir()} == {files.MARK, ".lock", "cells", "config.yaml"}
    until(lambda: session_of(process) == {})
    finish_here(config, out)
    assert_same_tables(out, reference)


def long(folder: Path) -> Path:
    """A config of two cells that take minutes: no command is quicker than who wants to stop it."""
    schemes, config = GRID["schemes"][:2], folder / "long.yaml"
    changes = {"engine": "event", "iterations": 10**6, "sweep": {}, "schemes": schemes}
    config.write_text(yaml.safe_dump(GRID | changes))
    return config


def test_interrupted_while_the_processes_start(tmp_path: Path) -> None:
    """Catches a server that hears of Ctrl-C while it imports, and prints what it was importing."""
    process = sweep(long(tmp_path), tmp_path / "out", "--jobs", 2)
    until(lambda: servers_of(process) != [] or process.poll() is not None)
    assert signalled(process, signal.SIGINT) == INTERRUPTED
    assert process.returncode == 130


def test_killed_while_the_processes_start(tmp_path: Path, temporary: Path) -> None:
    """Between the address of their server and the server, which imports for seconds: catches a
    socket that stays, and a server that goes on."""
    process = sweep(long(tmp_path), tmp_path / "out", "--jobs", 2)
    until(lambda: [*temporary.rglob("listener-*")] != [] or process.poll() is not None)
    process.kill()
    process.communicate(timeout=PATIENCE)
    until(lambda: session_of(process) == {})
    assert [*temporary.iterdir()] == []


SHORT = {"workers": 3, "iterations": 3, "delay": {"model": "deterministic", "value": 0.001}}
HERE = [
    "sweep c.yaml --set seed=1,2 --jobs 2 --output out",
    "live c.yaml --output out",
    pytest.param("reproduce delay_tolerance --jobs 2 --output out", marks=pytest.mark.slow),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("files", [None, 30])
@pytest.mark.parametrize("command", HERE)
def test_a_long_temporary_folder_and_few_files(
    command: str, files: int | None, tmp_path: Path
) -> None:
    """The address of a socket may have 107 characters; and 30 files are too few for many processes.
    Catches what is not one line, and what is left."""
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(SHORT | {"schemes": [{"name": "uncoded"}]}))
    (temporary := tmp_path / (130 * "t")).mkdir()
    words = [tmp_path / word if word in ("c.yaml", "out") else word for word in command.split()]
    words += ["--set", "workers=12"] if files and command.startswith("live") else []

    def fewer() -> None:
        listen_to_interrupts()
        if files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *words],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=fewer,
    )
    _, error = process.communicate(timeout=PATIENCE)
    until(lambda: session_of(process) == {})
    assert [*temporary.iterdir()] == []
    if process.returncode != 0:
        assert files is not None
        assert (process.returncode, error.count("\n")) == (2, 1)
        assert error.startswith("error: Too many open files: take fewer workers or --jobs, ")


def test_interrupted_when_all_is_done() -> None:
    """Python would let Ctrl-C kill a process that takes itself down; its work is done by then."""
    program = (
        "import os, signal, sys\nfrom erasurehead.experiments.commands.cli import main\n"
        "class Last:\n    def __del__(self, kill=os.kill, me=os.getpid()):\n        kill(me, 2)\n"
        "last, sys.argv = Last(), ['erasurehead', '--version']\nmain()\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long("a sweep starts its processes twice")
@pytest.mark.parametrize(
    "victims",
    [pytest.param(workers_of, marks=pytest.mark.slow), servers_of],
    ids=["workers", "server"],
)
def test_processes_killed_once_cost_nothing(
    victims: Callable[[subprocess.Popen[str]], list[int]], whole: tuple[Path, Path], tmp_path: Path
) -> None:
    """As the system does when memory is short: the cells are computed again, and nobody notices."""
    config, reference = whole
    process = sweep(config, tmp_path, "--jobs", 2)
    until_cells(process, tmp_path, 2)
    kill(victims(process))
    _, error = process.communicate(timeout=PATIENCE)
    assert (process.returncode, error) == (0, "")
    assert_same_tables(tmp_path, reference)


@pytest.mark.long("each process is killed and started anew")
def test_a_cell_whose_process_is_always_killed_fails(tmp_path: Path) -> None:
    """And only that: no traceback, and the command goes on to its end."""
    process = sweep(long(tmp_path), tmp_path / "out", "--jobs", 2)

    def none_lives_long() -> bool:
        kill(workers_of(process))
        return process.poll() is not None

    until(none_lives_long)
    _, error = process.communicate(timeout=PATIENCE)
    lines = error.splitlines()
    assert process.returncode == 1
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("failed: ")
        assert line.endswith(": the worker process died (signal 9): out of memory?")


def test_a_file_replaced_during_a_run_is_no_result(tmp_path: Path) -> None:
    """The cell is reported and not kept, neither under the old file's key nor the new one's."""
    path = tmp_path / "t.npz"
    np.savez(path, seconds=np.ones((5, 12)))
    document = GRID | {"delay": {"model": "trace", "path": str(path)}, "sweep": {}}

    def replaced(done: int, total: int) -> None:
        np.savez(path, seconds=np.full((5, 12), 2.0))

    outcome = run(document, tmp_path / "out", RunOptions(progress=replaced))
    assert len(outcome.failed) == 5
    assert all(str(path) in reason for _, reason in outcome.failed)
    assert cells_of(tmp_path / "out") == 0


def test_other_code_on_a_worker_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster's workers may have another version installed than the one that asks."""
    computed_here = command.compute_cell

    def computed_elsewhere(*given: Any, **named: Any) -> Any:
        return replace(computed_here(*given, **named), code="another")

    monkeypatch.setattr(command, "compute_cell", computed_elsewhere)
    outcome = run(GRID | {"sweep": {}}, tmp_path / "out", RunOptions())
    assert len(outcome.failed) == 5
    assert "other code" in outcome.failed[0][1]
    assert cells_of(tmp_path / "out") == 0


def test_finished_cells_are_never_computed_twice(whole: tuple[Path, Path], tmp_path: Path) -> None:
    config, reference = whole
    out = tmp_path / "out"
    finish_here(config, out)
    before = {p: p.stat().st_mtime_ns for p in out.glob("cells/*.parquet")}
    assert len(before) == 20
    next(iter(before)).unlink()
    finish_here(config, out)
    after = {p: p.stat().st_mtime_ns for p in out.glob("cells/*.parquet")}
    assert sum(before[p] != after[p] for p in before) == 1
    assert_same_tables(out, reference)


def test_another_target_computes_nothing(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """The time to it is found in the losses that are stored; also of several, side by side."""
    config, reference = whole
    for target in ("0.55", "0.3,0.6"):
        again, fresh = tmp_path / f"again {target}", tmp_path / f"fresh {target}"
        shutil.copytree(reference, again)
        options = ["sweep", config, "--set", f"target_loss={target}", "--output"]
        done = inside(*options, again)
        assert "\n0 cells computed" in done.stdout, done.stderr
        inside(*options, fresh)
        assert_same_tables(again, fresh)
    summary = pd.read_parquet(again / "summary.parquet")
    early, late = (summary[summary.target_loss == target] for target in (0.6, 0.3))
    known = pd.read_parquet(reference / "summary.parquet").time_to_target_median
    assert early.time_to_target_median.tolist() == known.tolist()
    assert (early.time_to_target_median.values < late.time_to_target_median.values).any()


def test_a_cell_is_named_by_the_contents_of_its_files(tmp_path: Path) -> None:
    """Also of a trace deep inside a delay model; another file at the same path is another cell."""
    path = tmp_path / "t.npz"
    trace = {"model": "trace", "path": str(path)}
    keys = []
    for base in (trace, {"model": "scaled", "by": 2.0, "base": trace}):
        for value in (1.0, 2.0):
            np.savez(path, seconds=np.full((5, 12), value))
            keys.append(cells(GRID | {"delay": base, "sweep": {}})[0].key)
    assert len(set(keys)) == 4


@pytest.mark.parametrize("damage", [b"", b"PAR1 half a file"])
def test_a_damaged_cell_is_computed_again(
    whole: tuple[Path, Path], tmp_path: Path, damage: bytes
) -> None:
    config, reference = whole
    out = tmp_path / "out"
    key = cells(load(config))[0].key
    files.write_bytes(files.cell_path(out, key), damage)
    (out / files.MARK).touch()
    finish_here(config, out)
    assert_same_tables(out, reference)


def test_paired_intervals_are_narrower(whole: tuple[Path, Path]) -> None:
    """On one tape, a difference of schemes is known better than from two independent samples."""
    base, _, mine = cells(load(whole[0], ["delay.rate=2", "replications=64"]))[:3]
    a = per_replication(compute(mine))["iteration_time"]
    b = per_replication(compute(base))["iteration_time"]
    _, low, high = records.mean_interval(a - b)
    unpaired = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert high - low < unpaired.high - unpaired.low
    assert (low + high) / 2 == pytest.approx((unpaired.low + unpaired.high) / 2)


def test_paired_columns(whole: tuple[Path, Path]) -> None:
    """Differences and ratios are those of the replications' own numbers, at the same point."""
    _, out = whole
    summary = pd.read_parquet(out / "summary.parquet")
    iterations = pd.read_parquet(out / "iterations.parquet")
    means = iterations.groupby(["cell", "replication"]).iteration_time.mean()
    for _, point in summary.groupby("delay.rate"):
        base = means[point.iloc[0]["cell"]]
        for _, row in point.iterrows():
            mine = means[row["cell"]]
            assert row.iteration_time_difference == pytest.approx((mine - base).mean())
            ratio = np.exp(np.log(mine / base).mean())
            assert row.iteration_time_ratio == pytest.approx(ratio)
            assert row.iteration_time_ratio_low <= row.iteration_time_ratio
    first = summary[summary.scheme == "uncoded"]
    assert np.all(first.iteration_time_difference == 0)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    """95 % intervals over 2,000 samples of 10: between 93 and 97 % (a z of 4.1)."""
    rng = np.random.default_rng(5)
    samples = rng.normal(3.0, 2.0, (2000, 10))
    reference = ttest_1samp(samples[0], 3.0).confidence_interval(0.95)
    assert records.mean_interval(samples[0])[1:] == pytest.approx((reference.low, reference.high))
    intervals = np.array([records.mean_interval(sample) for sample in samples])
    covered = np.mean((intervals[:, 1] <= 3.0) & (intervals[:, 2] >= 3.0))
    assert 0.93 < covered < 0.97
