"""Somebody's own ``sim.py`` beside his script: one clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder; our packages come after it on the path, as installed ones do."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["sim.py", "experiments.py", "delay_models/__init__.py"])
def test_a_file_that_hides_ours_is_named(tmp_path: Path, name: str) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("x = 1\n")
    (tmp_path / "mine.py").write_text("import erasurehead\n")
    done = python(tmp_path, "mine.py")
    *_, last = done.stderr.splitlines()
    package = Path(name).parts[0].removesuffix(".py")
    assert last.startswith(f"ImportError: {own} hides the package {package} of erasurehead")
    assert "rename it" in last
    assert "is not a package" not in done.stderr


def test_also_where_it_has_been_imported_before(tmp_path: Path) -> None:
    (tmp_path / "sim.py").write_text("")
    (tmp_path / "mine.py").write_text("import sim\nimport erasurehead\n")
    assert f"ImportError: {tmp_path / 'sim.py'} hides" in python(tmp_path, "mine.py").stderr


@pytest.mark.parametrize("program", ["erasurehead", "experiments"])
def test_the_command_line_says_it_in_one_line(tmp_path: Path, program: str) -> None:
    (tmp_path / "sim.py").write_text("")
    done = python(tmp_path, "-m", program, "list")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path / 'sim.py'} hides the package sim of erasurehead")
    assert done.returncode == 2


def test_a_folder_that_is_no_package_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "sim").mkdir()
    assert python(tmp_path, "-c", "import erasurehead").returncode == 0
