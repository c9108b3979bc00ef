"""A cell's key: everything that its numbers depend on, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import Cell, cells
from erasurehead.experiments.config.errors import ConfigError

BASE: dict[str, Any] = {
    "name": "one",
    "workers": 6,
    "iterations": 5,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "erasurehead", "load": 2, "wait_for": 3}],
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
}


def cell(data_dir: Path | None = None, **changes: Any) -> Cell:
    return cells(BASE | changes, data_dir)[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "two"},
        {"schemes": [BASE["schemes"][0] | {"label": "ours"}]},
        {"schemes": [BASE["schemes"][0] | {"rescale": False}]},
        {"schemes": [BASE["schemes"][0], {"name": "uncoded"}]},
        {"delay": {"model": "exponential", "rate": 2}},
        {"delay": {"rate": 2.0, "model": "exponential"}},
        {"workers": 6.0},
        {"policy": "cancel"},
        {"load_law": {"kind": "proportional"}},
        {"sweep": {"workers": [6]}},
        {"problem": BASE["problem"] | {"l2": 0}},
        {"network": None},
    ],
)
def test_two_ways_to_say_one_thing_are_one_cell(changes: dict[str, Any]) -> None:
    assert cell(**changes).key == cell().key


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 8},
        {"iterations": 6},
        {"replications": 4},
        {"seed": 1},
        {"engine": "event"},
        {"policy": "queue"},
        {"delay": {"model": "exponential", "rate": 2.5}},
        {"load_law": {"kind": "per_partition"}},
        {"schemes": [BASE["schemes"][0] | {"wait_for": 4}]},
        {"schemes": [BASE["schemes"][0] | {"rescale": True}]},
        {"problem": BASE["problem"] | {"l2": 0.1}},
        {"optimizer": {"rule": "gd", "learning_rate": 0.25}},
        {"network": {"broadcast_latency": 0.1}},
        {"failures": {"message_loss": 0.1, "retry_after": 1.0}},
        {"target_loss": 0.3},
    ],
)
def test_another_setting_is_another_cell(changes: dict[str, Any]) -> None:
    assert cell(**changes).key != cell().key


def test_a_whole_number_has_one_name() -> None:
    """Catches a load of 3.0 beside a load of 3, as if they were two schemes."""
    scheme = BASE["schemes"][0]
    mine = cell(schemes=[scheme | {"load": 2.0, "deadline": 0.5}])
    assert mine.label == "erasurehead load=2 wait_for=3 deadline=0.5"
    with pytest.raises(ConfigError, match="appears twice"):
        cell(schemes=[scheme, scheme | {"load": 2.0}])


def test_a_public_data_set_counts_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file in the data directory, or another directory: another cell. Moved: the same."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    amazon = {"problem": {"loss": "logistic", "dataset": "amazon"}}
    keys = []
    for folder, content in (("a", "1"), ("b", "2"), ("c", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").write_text(content)
        keys.append(cell(tmp_path / folder, **amazon).key)
    assert keys[0] == keys[2]
    assert len({*keys, cell(None, **amazon).key}) == 3
    monkeypatch.setenv("ERASUREHEAD_DATA", str(tmp_path / "b"))
    assert cell(None, **amazon).key == keys[1]


def test_data_that_are_replaced_are_loaded_again(tmp_path: Path) -> None:
    """In one process, as in a notebook: catches old numbers under the new file's key."""
    path = tmp_path / "data.npz"
    sums = []
    for factor in (1.0, 2.0):
        np.savez(path, X=factor * np.eye(8, 3) + 1, y=np.arange(8.0))
        mine = cell(problem={"loss": "least_squares", "dataset": "file", "path": str(path)})
        learning = build.training(mine, None)
        assert learning is not None
        sums.append(float(learning.problem.X.sum()))
    assert sums == [27.0, 30.0]


def test_a_file_that_is_replaced_is_noticed(tmp_path: Path) -> None:
    """Also by one of the same size; the key stays that of the file that was there before."""
    path = tmp_path / "data.npz"
    path.write_bytes(b"one")
    mine = cell(problem={"loss": "logistic", "dataset": "file", "path": str(path)})
    (file,) = mine.inputs
    key = mine.key
    assert file.unchanged()
    path.write_bytes(b"two")
    os.utime(path, ns=(file.stamp[0] + 1, file.stamp[0] + 1))
    assert not file.unchanged()
    assert mine.key == key
    path.unlink()
    assert not file.unchanged()
