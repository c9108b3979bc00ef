"""``run``, ``sweep`` and ``load`` from Python."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pandas.testing import assert_frame_equal

import erasurehead as eh
from erasurehead.experiments.config.document import write_yaml
from tests.package.conftest import SMALL

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_without_output_leaves_nothing_behind(files: Path) -> None:
    result = eh.run(SMALL, progress=False)
    assert result.directory is None
    assert not list(files.iterdir())
    assert list(result.summary["scheme"]) == ["uncoded", "erasurehead"]
    assert len(result.iterations) == 2 * 3 * 9
    assert len(result.workers) == 2 * 6
    assert result.config["delay"] == {"model": "exponential", "rate": 2.0}


def test_a_file_a_mapping_and_what_was_written_are_the_same(files: Path, result: eh.Result) -> None:
    Path("small.yaml").write_text(write_yaml(SMALL))
    written = eh.run("small.yaml", output="out", progress=False)
    assert written.directory == Path("out")
    for other in (written, eh.load("out"), eh.run(result.config, progress=False)):
        for name in ("summary", "iterations", "workers"):
            assert_frame_equal(getattr(other, name), getattr(result, name))
        assert other.config == result.config


def test_the_config_that_was_given_stays_as_it_was() -> None:
    given = copy.deepcopy(SMALL) | {"sweep": {"seed": [0, 1]}}
    before = copy.deepcopy(given)
    changed = eh.run(given, set={"delay.rate": 1.0, "seed": 5}, progress=False)
    assert given == before
    assert changed.config["delay"]["rate"] == 1.0
    assert len(changed.summary) == 2  # a set value replaces the axis
    assert changed.config["seed"] == 5


def test_a_relative_path_starts_from_the_working_directory(files: Path) -> None:
    np.savetxt("delays.csv", np.ones((9, 6)), delimiter=",")
    delay = {"model": "trace", "path": Path("delays.csv")}
    found = eh.run(SMALL | {"delay": delay}, output="deep/out", progress=False)
    assert found.config["delay"]["path"] == str(files / "delays.csv")
    changed = eh.run(SMALL, set={"delay": delay}, progress=False)
    assert changed.config["delay"] == found.config["delay"]
    eh.run("deep/out/config.yaml", progress=False)


def test_numbers_and_lists_may_be_those_of_numpy() -> None:
    given = SMALL | {"workers": np.int64(6), "schemes": tuple(SMALL["schemes"])}
    found = eh.sweep(
        given, set={"delay.rate": np.array([1.0, 2.0]), "seed": range(2)}, progress=False
    )
    points = found.summary[["delay.rate", "seed"]].drop_duplicates()
    assert points.to_numpy().tolist() == [[1.0, 0], [1.0, 1], [2.0, 0], [2.0, 1]]


def test_a_list_in_another_list_is_one_value() -> None:
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 3}]
    found = eh.sweep(SMALL, set={"schemes": [schemes], "seed": 1}, progress=False)
    assert list(found.summary["scheme"]) == ["uncoded", "ignore_stragglers"]
    (value,) = found.config["sweep"].values()
    assert value == [schemes]


def test_a_mistake_is_one_line() -> None:
    with pytest.raises(eh.ConfigError, match="must be greater than 0") as info:
        eh.run(SMALL, set={"delay.rate": -1.0})
    assert "\n" not in str(info.value)
    with pytest.raises(eh.ConfigError, match=r"^nowhere.yaml: no such file$"):
        eh.run("nowhere.yaml")
    with pytest.raises(eh.ConfigError, match="nowhere: no such directory"):
        eh.load("nowhere")


def test_a_folder_without_a_result_is_none(files: Path) -> None:
    with pytest.raises(eh.ConfigError, match="the output of a run"):
        eh.load(files)


def test_large_tables_are_read_when_they_are_asked_for(files: Path) -> None:
    eh.run(SMALL, output="out", progress=False)
    loaded = eh.load("out")
    Path("out/iterations.parquet").write_bytes(b"damaged")
    assert repr(loaded) == "<Result small: 2 cells; 6 workers, 8 iterations, in out>"
    assert len(loaded.summary) == 2
    with pytest.raises(eh.ConfigError, match=r"iterations.parquet: cannot be read"):
        loaded.iterations  # noqa: B018


def test_cells_that_cannot_be_computed_are_named() -> None:
    found = eh.sweep(SMALL, set={"schemes.erasurehead.load": [2, 4]}, progress=False)
    ((name, reason),) = found.failed.items()
    assert name.endswith("[schemes.erasurehead.load=4]")
    assert "must divide workers = 6" in reason
    assert len(found.summary) == 3
    assert "3 cells, 1 failed" in repr(found)


def test_progress_can_be_a_function() -> None:
    seen: list[tuple[float, int]] = []
    eh.run(SMALL, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, 2)
    assert seen[-1] == (2, 2)


def test_a_result_is_frozen(result: eh.Result) -> None:
    with pytest.raises(AttributeError):
        result.directory = Path()  # type: ignore[misc]


def test_a_result_says_what_it_is(result: eh.Result) -> None:
    assert repr(result) == "<Result small: 2 cells; 6 workers, 8 iterations, in memory>"


def test_html_shows_the_main_columns_and_is_escaped() -> None:
    schemes: list[Any] = [{"name": "uncoded", "label": "<b>all & sundry</b>"}]
    html = eh.run(SMALL | {"schemes": schemes}, progress=False)._repr_html_()
    assert "&lt;b&gt;all &amp; sundry&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "s / iteration" in html
    assert " ± " in html


def test_html_of_a_sweep_shows_the_points() -> None:
    found = eh.sweep(SMALL, set={"workers": [4, 6], "delay.rate": [1.0, 2.0]}, progress=False)
    html = found._repr_html_()
    assert "<th>workers</th>" in html
    assert "<th>delay.rate</th>" in html
    assert "8 cells; 4 to 6 workers, 8 iterations" in html


SCRIPT = """
import erasurehead as eh
found = eh.sweep("small.yaml", set={"seed": [0, 1]}, jobs=2)
print(len(found.summary))
"""


def test_two_jobs_need_no_main_guard(files: Path) -> None:
    """A script that calls ``sweep`` at its top level must not run itself once more."""
    Path("small.yaml").write_text(write_yaml(SMALL))
    Path("script.py").write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "script.py"], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "4\n", done.stderr
    assert not done.stderr


@pytest.mark.parametrize("jobs", [0, -1, True])
def test_jobs_are_counted_from_one(jobs: int) -> None:
    with pytest.raises(eh.ConfigError, match=r"jobs = .*: must be a whole number of at least 1"):
        eh.run({"workers": 2}, jobs=jobs)
