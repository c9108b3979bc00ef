"""Two results beside each other: what the table says of results whose relation is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.compare import (
    Pair,
    comparison_picture,
    comparison_table,
    ratio_of_means,
)
from erasurehead.experiments.pictures.picture import Points
from tests.live.test_processes import written
from tests.program import inside


def pair(first: np.ndarray, second: np.ndarray, shift: float = 0.0) -> Pair:
    """Iteration times of one replication; the second's losses differ by ``shift`` at the end."""

    def side(seconds: np.ndarray, loss: np.ndarray) -> dict[str, np.ndarray]:
        times = np.concatenate([[0.0], np.cumsum(seconds)])
        own = np.concatenate([[np.nan], seconds])
        columns = {"time": times, "iteration_time": own, "train_loss": loss}
        return {name: values[None] for name, values in columns.items()}

    loss = np.linspace(1.0, 0.1, len(first) + 1)
    other = loss.copy()
    other[-1] += shift
    return Pair("a", "uncoded", {}, side(first, loss), side(second, other))


def test_every_iteration_longer_by_a_known_factor_and_constant() -> None:
    """Twice as long: ratio 2 to the bit, no uncertainty, correlation 1."""
    a = np.array([1.0, 2.0, 4.0, 3.0])
    row = comparison_table([pair(a, 2 * a, shift=-0.25)]).iloc[0]
    assert row["ratio"] == row["ratio_low"] == row["ratio_high"] == 2.0
    assert row["difference"] == pytest.approx(2.5)
    assert row["correlation"] == pytest.approx(1.0)
    assert row["loss_difference"] == pytest.approx(0.25)


def test_the_interval_covers_the_ratio_of_means() -> None:
    """300 tables of 40 pairs: an interval of 95 % misses 15 on average, and more than 35 with a
    chance below 1e-5; one of independent samples, which is four times as wide, misses none."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(300):
        a = rng.gamma(2.0, size=40)
        b = 1.1 * a + 0.1 * rng.gamma(2.0, size=40)
        _, low, high = ratio_of_means(a, b)
        missed += not low <= 1.2 <= high
    assert 3 <= missed <= 35


def test_the_picture_shows_each_iteration_once() -> None:
    a = np.array([1.0, 2.0, 4.0, 3.0])
    shown = comparison_picture([pair(a, a + 1)], "run", "live").panels[0]
    points = next(mark for mark in shown.marks if isinstance(mark, Points))
    np.testing.assert_array_equal(points.x, a)
    np.testing.assert_array_equal(points.y, a + 1)
    assert shown.x.label == "run: iteration time (s)"


def test_a_run_beside_itself_and_half_of_it(tmp_path: Path) -> None:
    """The same tape gives the same times; what only one has is left out."""
    config = written(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    assert inside("run", config, "--output", one).returncode == 0
    half = ["--set", "iterations=3", "--set", "schemes.uncoded.label=other"]
    assert inside("run", config, *half, "--output", two).returncode == 0
    done = inside("compare", one, two, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert table["label"].tolist() == ["cyclic_repetition load=2", "asynchronous"]
    assert table["iterations"].tolist() == [3, 3]
    assert (table["ratio"] == 1).all()
    assert (table["loss_difference"] == 0).all()


def test_compare_refuses_in_one_line(tmp_path: Path) -> None:
    done = inside("compare", tmp_path / "none", tmp_path, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no such directory" in done.stderr
