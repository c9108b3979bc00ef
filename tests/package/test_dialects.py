"""A mistake is told as it can be mended: with options in a shell, with arguments in Python. Both
are heard through their public doors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import erasurehead as eh
from tests.tools import SMALL, inside

ARGUMENT = re.compile(r"""\b[a-z_]+=(["'{\[]|True\b)""")  # unit="ms", columns={..., timeline=True

SECONDS = np.random.default_rng(5).gamma(3.0, 0.2, size=(12, 3)).round(4)
CALLS = pd.DataFrame(
    {
        "worker": np.tile(["a", "b", "c"], 12),
        "round": np.repeat(np.arange(12), 3),
        "seconds": SECONDS.ravel(),
    }
)


def wide(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(SECONDS, columns=["node1", "node2", "node3"]).assign(**columns)


# Of a table: the table, how it is read in Python, the same in a shell, what is said in Python, and
# what is said in a shell.
TABLES: dict[str, tuple[pd.DataFrame, dict[str, Any], list[str], str, str]] = {
    "no unit": (1000 * wide(), {}, [], "say with unit what they are", "say with --unit what"),
    "another unit": (
        wide().add_suffix("_ms"),
        {"unit": "s"},
        ["--unit", "s"],
        'says ms, but unit="s" was given; rename it, leave unit out, or give unit in seconds',
        "says ms, but --unit s was given; rename it, leave --unit out, or give --unit in seconds",
    ),
    "hours": (
        wide().add_suffix("_h"),
        {},
        [],
        "give seconds, or say unit=3600.0",
        "give seconds, or say --unit 3600",
    ),
    "a cell is missing": (
        wide(node2=[*SECONDS[:11, 1], np.nan]),
        {},
        [],
        'missing="drop-rounds" leaves such rounds out, missing="never": it never',
        "--missing drop-rounds leaves such rounds out, --missing never: it never",
    ),
    "no worker's column": (
        wide(**{"node_mean, all": SECONDS.mean(axis=1)}),
        {},
        [],
        'drop=["node_mean, all"]',
        "--drop 'node_mean? all'",
    ),
    "another pattern": (
        wide(extra=SECONDS[:, 0]),
        {},
        [],
        'drop=["extra"], or keep=["extra"] if it is a worker\'s',
        "--drop extra, or --keep extra if it is a worker's",
    ),
    "a column counts": (
        wide(node4=np.arange(12.0)),
        {},
        [],
        'say columns={"round": "node4"}; or keep=["node4"] if not',
        "say --columns round=node4; or --keep node4 if not",
    ),
    "repeated rows": (
        pd.concat([CALLS, CALLS[:1]]),
        {},
        [],
        "say which counts with retries, last or sum",
        "say which counts with --retries, last or sum",
    ),
    "two columns of seconds": (
        CALLS.assign(elapsed_s=SECONDS.ravel()).rename(columns={"seconds": "duration_s"}),
        {},
        [],
        'say columns={"seconds": "duration_s"}',
        "say --columns seconds=duration_s",
    ),
    "two jobs": (
        CALLS.assign(job=np.repeat(["one", "two"], 18)),
        {},
        [],
        'say rows="job=one"',
        "say --rows job=one",
    ),
    "rows that are not there": (
        wide(),
        {"rows": "90:"},
        ["--rows", "90:"],
        'rows="90:"',
        "--rows 90:",
    ),
    "no such load": (
        CALLS,
        {"load": 2.0},
        ["--load", "2"],
        "load = 2.0: the table",
        "error: --load = 2.0",
    ),
    "stages and retries": (
        CALLS.assign(read_s=CALLS["seconds"] / 2),
        {"columns": {"stages": "read_s"}, "retries": "sum"},
        ["--columns", "stages=read_s", "--retries", "sum"],
        'retries="sum" cannot stand beside columns={"stages": "..."}',
        "--retries sum cannot stand beside --columns stages=...",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_mistake_in_a_table(name: str, tmp_path: Path) -> None:
    table, arguments, options, in_python, in_shell = TABLES[name]
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(eh.ConfigError) as refused:
        eh.read_table(tmp_path / "t.csv", **arguments)
    line = str(refused.value)
    assert in_python in line
    assert "--" not in line
    done = inside("read", tmp_path / "t.csv", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert in_shell in done.stderr
    assert not ARGUMENT.search(done.stderr)


def against(x: str, y: str) -> None:
    eh.sweep(SMALL, set={"delay.rate": [0.5, 1.0]}, progress=False).plot.against(x, y)


# What is called in Python, the same in a shell, and how both lines begin.
CALLED: dict[str, tuple[Callable[[Path], object], list[str], str, str]] = {
    "jobs on a cluster": (
        lambda _: eh.run(SMALL, jobs=2, scheduler="tcp://localhost:1", progress=False),
        ["sweep", "small.yaml", "--jobs", "2", "--scheduler", "tcp://localhost:1"],
        "jobs = 2: must be left out beside scheduler: its workers compute",
        "--jobs = 2: must be left out beside --scheduler: its workers compute",
    ),
    "a folder of others": (
        lambda folder: eh.run(SMALL, output=folder / "mine", progress=False),
        ["run", "small.yaml", "--output", "mine"],
        "output = ",
        "--output = 'mine': holds ",
    ),
    "two goals": (
        lambda _: eh.recommend(SMALL, target=0.1, budget=3.0, progress=False),
        ["recommend", "small.yaml", "--target", "0.1", "--budget", "3"],
        "budget = 3.0: give either a target or a budget",
        "--budget = 3.0: give either a target or a budget",
    ),
    "a limit below the least": (
        lambda _: eh.recommend(SMALL, max_worker_seconds=-1, progress=False),
        ["recommend", "small.yaml", "--max-worker-seconds", "-1"],
        "max_worker_seconds = -1.0: must be a number of at least 0",
        "--max-worker-seconds = -1.0: must be a number of at least 0",
    ),
    "order statistics": (
        lambda folder: eh.fit(folder / "t.csv", k_range=(2, 9), unit="s", progress=False),
        ["fit", "t.csv", "--k-range", "2:9", "--unit", "s"],
        "k_range = '2:9': must be A:B",
        "--k-range = '2:9': must be A:B",
    ),
    "an axis that was not swept": (
        lambda _: against("seed", ""),
        ["plot", "swept", "--x", "seed"],
        "against cannot be drawn: seed was not swept; x must be one of: delay.rate",
        "seed was not swept; x must be one of: delay.rate",
    ),
}


@pytest.mark.parametrize("name", CALLED)
def test_a_mistake_in_a_call(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call, words, in_python, in_shell = CALLED[name]
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(yaml.safe_dump(SMALL))
    wide().to_csv("t.csv", index=False)
    Path("mine").mkdir()
    Path("mine/thesis.tex").touch()
    if "swept" in words:
        eh.sweep(SMALL, set={"delay.rate": [0.5, 1.0]}, output="swept", progress=False)
    with pytest.raises(eh.ConfigError) as refused:
        call(tmp_path)
    line = str(refused.value)
    assert line.startswith(in_python)
    assert "--" not in line
    done = inside(*words)
    assert done.returncode == 2
    assert in_shell in done.stderr
    assert not ARGUMENT.search(done.stderr)


def test_a_model_tells_fields_in_a_config_and_arguments_in_python(tmp_path: Path) -> None:
    """The same mistake in a section of a config."""
    table = wide(node2=[*SECONDS[:11, 1], np.nan])
    table.to_csv(tmp_path / "t.csv", index=False)
    path = str(tmp_path / "t.csv")
    section = {"model": "trace", "path": path, "unit": "s"}
    with pytest.raises(eh.ConfigError, match="missing: drop-rounds leaves such rounds out"):
        eh.run({**SMALL, "delay": section}, progress=False)
    with pytest.raises(eh.ConfigError, match='missing="drop-rounds" leaves such rounds out'):
        eh.delays.MeasuredTrace(path=path, unit="s")
