"""``import erasurehead`` is quick, and offers what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import erasurehead as eh

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there() -> None:
    for name in eh.__all__:
        assert getattr(eh, name) is not None
    assert dir(eh) == sorted(eh.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        eh.runn  # noqa: B018


def test_importing_it_imports_no_heavy_library() -> None:
    code = "import sys, erasurehead; print(*{'numpy', 'pandas', 'pydantic'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder; our package comes after it on the path, as an installed one does."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("program", ["erasurehead", "experiments"])
def test_files_of_others_with_our_names_do_not_disturb(tmp_path: Path, program: str) -> None:
    """Catches an import of a part of ours by its name alone. A folder that is no package hides
    nothing; one that is, as ``python -m experiments`` shows, is somebody else's program."""
    (tmp_path / "sim.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "delay_models.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "experiments").mkdir()
    done = python(tmp_path, "-m", program, "list", "schemes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "erasurehead" in done.stdout


@pytest.mark.parametrize("name", ["sim", "delay_models", "experiments"])
def test_our_parts_have_one_name(name: str) -> None:
    """From a checkout, where the folders lie side by side, each would be a second module."""
    done = python(ROOT, "-c", f"import {name}")
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"ImportError: {name} is a part of erasurehead: write ")


def test_both_ways_to_start_are_one_program() -> None:
    first, second = (
        python(ROOT, "-m", name, "list", "schemes").stdout
        for name in ("erasurehead", "experiments")
    )
    assert first == second != ""
