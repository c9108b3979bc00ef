"""An output folder tells one story, and a plan tells it before it happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments import run as running
from experiments.cells.pool import Died
from experiments.console import show_plan
from experiments.pictures.command import write_pictures
from experiments.run import Options, plan, run

DOCUMENT: dict[str, Any] = {
    "workers": 6,
    "iterations": 20,
    "replications": 4,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 3}],
}
TABLES = {"iterations.parquet", "summary.parquet", "workers.parquet"}


def go(document: Mapping[str, Any], out: Path) -> tuple[running.Outcome, list[str]]:
    said: list[str] = []
    return run(document, out, Options(tell=said.append)), said


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run, its pictures and a timeline, and files of the user."""
    out = tmp_path / "out"
    _, said = go(DOCUMENT, out)
    assert said == []
    write_pictures(out, "workers")
    (out / "timeline.parquet").write_bytes(b"of the first run")
    (out / "notes.txt").write_text("mine")
    (out / "plots" / "notes.txt").write_text("mine too")
    return out


def test_the_same_run_again_keeps_everything(out: Path) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    del before[out / "manifest.json"]
    outcome, said = go(DOCUMENT, out)
    assert (dict(outcome.seconds), said) == ({}, [])
    assert all(path.read_bytes() == content for path, content in before.items())


def test_another_run_leaves_nothing_of_the_first_but_cells(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches tables of one config beside the manifest of another: here every cell fails."""
    first = names(out / "cells")

    def all_die(task: object, items: list[Any], *_: object) -> Any:
        return ((item, Died("out of memory?")) for item in items)

    with monkeypatch.context() as patch:
        patch.setattr(running, "map_unordered", all_die)
        outcome, said = go(DOCUMENT | {"seed": 1}, out)
    assert len(outcome.failed) == 2
    assert said == [f"{out} held another run: its tables and pictures go, its cells stay"]
    assert names(out) == {"cells", "config.yaml", "manifest.json", "plots", "notes.txt"}
    assert names(out / "plots") == {"notes.txt"}
    assert names(out / "cells") == first


def test_going_back_computes_nothing(out: Path) -> None:
    before = {name: (out / name).read_bytes() for name in TABLES}
    go(DOCUMENT | {"seed": 1}, out)
    assert all((out / name).read_bytes() != before[name] for name in TABLES - {"workers.parquet"})
    outcome, _ = go(DOCUMENT, out)
    assert dict(outcome.seconds) == {}
    assert {name: (out / name).read_bytes() for name in TABLES} == before


def test_a_grown_sweep_computes_what_is_new(tmp_path: Path) -> None:
    go(DOCUMENT | {"sweep": {"delay.rate": [1.0, 2.0]}}, tmp_path)
    outcome, _ = go(DOCUMENT | {"sweep": {"delay.rate": [1.0, 2.0, 3.0]}}, tmp_path)
    assert len(outcome.seconds) == 2
    summary = pd.read_parquet(tmp_path / "summary.parquet")
    assert sorted(summary["delay.rate"].unique()) == [1, 2, 3]


def test_a_plan_says_what_would_run_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = {"bandwidth": 1e6, "message_bytes": 1e3, "channels": 2}
    document = DOCUMENT | {"sweep": {"network": [None, network]}}
    show_plan(plan(document, tmp_path / "out", None), tmp_path / "out", 2)
    lines = capsys.readouterr().out.splitlines()
    assert not list(tmp_path.iterdir())
    assert ["batch" in line for line in lines[1:5]] == [True, True, False, False]
    assert sum("event engine: messages that wait for a channel" in line for line in lines) == 1
    assert any(line.startswith("4 of 4 cell(s) to compute: about") for line in lines)
    assert lines[-1].startswith("nothing was computed or written")


def test_a_plan_knows_what_is_finished(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grown = DOCUMENT | {
        "schemes": [*DOCUMENT["schemes"], {"name": "ignore_stragglers", "wait_for": 5}]
    }
    show_plan(plan(grown, out, None), out, 1)
    lines = capsys.readouterr().out.splitlines()
    assert ["finished" in line for line in lines[1:4]] == [True, True, False]
    assert names(out) >= TABLES


def test_longer_cells_have_longer_estimates_and_come_first(tmp_path: Path) -> None:
    document = DOCUMENT | {"sweep": {"iterations": [10, 1000, 100], "engine": ["batch", "event"]}}
    planned = plan(document, tmp_path, None)
    order = [cell.settings.iterations for cell in planned.todo if cell.settings.engine == "event"]
    assert order == sorted(order, reverse=True)
    seconds = [planned.checked.estimates[cell.key].seconds for cell in planned.todo]
    assert seconds == sorted(seconds, reverse=True)
    for need in planned.checked.estimates.values():
        assert need.memory > 0
        assert need.reason == ("asked for" if need.engine == "event" else "")
