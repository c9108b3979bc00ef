"""``erasurehead report`` as a person uses it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from erasurehead.experiments.report.kinds import numbers
from tests.program import inside
from tests.report.reader import Reader
from tests.report.results import config, done, make_run, make_sweep


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report"))


def refused(*arguments: object) -> str:
    ended = inside("report", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_what_is_no_result_is_refused(run: Path, tmp_path: Path) -> None:
    assert "no such directory" in refused(tmp_path / "none")
    assert "holds no result" in refused(tmp_path)
    (tmp_path / "answer.json").write_text("{}")
    (tmp_path / "fit.parquet").write_text("no table")
    assert "is no answer" in refused(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "manifest.json").unlink()
    assert "has not come to the end" in refused(broken)
    assert not (broken / "report.html").exists()


@pytest.mark.parametrize("content", ["[]", "{", '{"origin": 3}'])
def test_a_damaged_manifest_is_refused(content: str, run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "manifest.json").write_text(content)
    refused(broken)


def test_a_file_or_a_folder(run: Path, tmp_path: Path) -> None:
    done("report", run, "--output", tmp_path / "new" / "page.html")
    done("report", run, "--output", tmp_path)
    one, two = tmp_path / "new" / "page.html", tmp_path / "report.html"
    assert one.read_bytes() == two.read_bytes()
    (tmp_path / "link.html").symlink_to(one)
    assert "symbolic link" in refused(run, "--output", tmp_path / "link.html")


def test_the_page_of_another_config_goes(tmp_path: Path) -> None:
    """A folder tells one story, its page included."""
    out = tmp_path / "out"
    path = config(tmp_path, problem=None, target_loss=None)
    done("run", path, "--output", out)
    done("report", out)
    done("run", path, "--output", out, "--set", "seed=1")
    assert not (out / "report.html").exists()


def test_a_long_table_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MOST_ROWS", 5)
    out = make_sweep(tmp_path)
    done("report", out)
    page = Reader((out / "report.html").read_text())
    assert "The first 5 of 18 rows; summary.parquet has all." in page.words
    assert len(page.all("tr")) == 6
