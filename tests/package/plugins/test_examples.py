"""Each of the five runs from a config that names its file: on both engines, in two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.load_laws import Proportional
from erasurehead.plugins import Run
from tests.package.plugins import redo_missing

HERE = Path(__file__).parent
SCHEMES: dict[str, dict[str, Any]] = {
    "fresh_buffer": {"wait_for": 4, "oldest": 2},
    "random_sparse": {"load": 2, "wait_for": 10, "code_seed": 2},
    "redo_missing": {"wait_for": 9},
    "small_residual": {"load": 3, "missing": 0.25},
    "wait_longer": {"wait_for": 2},
}
NAMES = [*SCHEMES]


def document(names: list[str], **more: Any) -> dict[str, Any]:
    schemes = [{"name": name, **SCHEMES[name]} for name in names]
    return {
        "workers": 12,
        "iterations": 20,
        "replications": 3,
        "plugins": [str(HERE / f"{name}.py") for name in names],
        "delay": {"model": "exponential", "rate": 2.0},
        "schemes": [{"name": "uncoded"}, *schemes],
        "problem": {"loss": "logistic", "dataset": "breast_cancer"},
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
        **more,
    }


def tables(folder: Path, names: list[str], jobs: int = 1, **more: Any) -> pd.DataFrame:
    found = eh.run(document(names, **more), output=folder, jobs=jobs, progress=False)
    assert not found.failed
    return found.iterations.drop(columns="cell")


def test_there_are_five() -> None:
    files = sorted(file.stem for file in HERE.glob("*.py") if not file.name.startswith("test_"))
    assert files == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_engines_agree_on_a_plugin(name: str, tmp_path: Path) -> None:
    slow, fast = (tables(tmp_path / e, [name], engine=e) for e in ("event", "batch"))
    pd.testing.assert_frame_equal(slow, fast, check_exact=True)
    mine = fast[fast.scheme == name]
    assert mine.time.is_monotonic_increasing or mine.replication.nunique() > 1
    assert mine.groupby("replication").train_loss.last().max() < 0.5


def test_all_of_them_in_two_processes(tmp_path: Path) -> None:
    one, two = (tables(tmp_path / str(jobs), NAMES, jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def rows(folder: Path, name: str) -> pd.DataFrame:
    frame = tables(folder, [name])
    return frame[(frame.scheme == name) & (frame.iteration > 0)]


def test_a_random_code_says_how_often_it_was_exact(tmp_path: Path) -> None:
    frame = rows(tmp_path, "random_sparse")
    summary = pd.read_parquet(tmp_path / "summary.parquet").set_index("scheme")
    share = (frame.decoding_error < 1e-15).groupby(frame.replication).mean().mean()
    assert summary.exact_mean["random_sparse"] == pytest.approx(share)
    assert 0 < share < 1
    assert np.isnan(summary.exact_mean["uncoded"])
    # Who alone holds a partition gets weight 1, and coefficients are 1: nobody needs more.
    assert summary.code_largest_weight["random_sparse"] == pytest.approx(1.0, rel=1e-9)


def test_the_residual_is_small_at_every_stop(tmp_path: Path) -> None:
    frame = rows(tmp_path, "small_residual")
    assert (frame.decoding_error <= 0.25 * 12).all()
    assert frame.arrived.min() < 12


def test_what_was_missing_comes_one_round_late(tmp_path: Path) -> None:
    frame = rows(tmp_path, "redo_missing")
    assert frame.recovered.mean() > 0.85 > 9 / 12  # nine of twelve without it
    assert set(frame.staleness) == {0.0, 1.0}
    plan = redo_missing.RedoMissing(wait_for=9).build(4)
    loads = plan.plan(np.array([[False, True, False, False]])).loads
    np.testing.assert_array_equal(loads, [[1, 1, 2, 1]])
    assert Run(plan, [], Proportional(), 20).updates == 21


def test_more_workers_are_waited_for_once_the_loss_stalls(tmp_path: Path) -> None:
    frame = rows(tmp_path, "wait_longer")
    for _, mine in frame.groupby("replication"):
        arrived = mine.arrived.to_numpy(int)
        assert arrived[0] == 2
        assert (np.diff(arrived) >= 0).all()
        assert arrived[-1] > 6


def test_a_buffer_of_fresh_gradients_counts_updates(tmp_path: Path) -> None:
    frame = rows(tmp_path, "fresh_buffer")
    assert set(frame.updates) == {3}
    assert (frame.staleness < 2).all()
    assert frame.staleness.max() > 0
