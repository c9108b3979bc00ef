"""The notebooks run, and print what is committed in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 400_000
"""Bytes of a notebook with its outputs."""


def printed(cell: dict) -> str:  # type: ignore[type-arg]
    """What a cell printed; pictures and representations are left out."""
    return "".join("".join(out["text"]) for out in cell.outputs if out.output_type == "stream")  # type: ignore[attr-defined]


def test_there_are_two_and_they_are_small() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["erasurehead_claims", "which_code"]
    assert all(path.stat().st_size < LARGEST for path in NOTEBOOKS)


@pytest.mark.slow
@pytest.mark.docs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_is_committed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails for a good reason: run it, and commit it with its outputs."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    committed = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(fresh, timeout=300, resources=where).execute()
    shown = 0
    for old, new in zip(committed.cells, fresh.cells, strict=True):
        if new.cell_type == "code":
            assert not any(out.get("name") == "stderr" for out in new.outputs), new.outputs
            assert printed(new) == printed(old), new.source
            shown += any("image/png" in out.get("data", {}) for out in old.outputs)
    assert shown >= 3, "pictures are committed, too"
