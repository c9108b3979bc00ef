"""The exact mean loss of erased groups against every path of a small problem, and against runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, pairwise, product

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import cells
from tests.statistics import z_scores

WORKERS, LOAD, ARRIVALS = 30, 3, (6, 10, 15, 20)
DATA = {
    "synthetic": {"dataset": "synthetic", "rows": 600, "features": 100, "test_rows": 0},
    "diabetes": {"dataset": "diabetes"},
}


def erasures(divided=True):
    plain = [eh.theory.GroupErasure(WORKERS, LOAD, r) for r in ARRIVALS]
    return [replace(each, scale=1 / each.heard) for each in plain] if divided else plain


def document(name, step, iterations, replications, **erasurehead):
    return {
        "workers": WORKERS,
        "iterations": iterations,
        "replications": replications,
        "delay": {"model": "exponential", "rate": 2.0},
        "schemes": [{"name": "erasurehead", "load": LOAD, **erasurehead}],
        "problem": {"loss": "least_squares", **DATA[name]},
        "optimizer": {"rule": "gd", "learning_rate": step},
    }


@cache
def problem(name):
    [cell] = cells(document(name, 1.0, 1, 1, wait_for=15))
    _, learning = build.both(cell)
    return np.asarray(learning.problem.X), learning.problem.y


def grouped(name):
    return eh.theory.grouped_least_squares(*problem(name), WORKERS, LOAD)


@pytest.mark.parametrize("divided", [True, False])
def test_every_path_of_a_small_problem(divided):
    """Three steps of six workers in pairs, all 15 x 15 x 15 sets of arrivals: catches a lost cross
    term of mean and residual, a second moment of the total, and a scale in one place of two."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((13, 4)), rng.standard_normal(13)
    X[:, 3] = X[:, 0] - X[:, 1]  # a direction without curvature
    n, d, r, step = 6, 2, 2, 0.15
    erasure = eh.theory.GroupErasure(n, d, r)
    erasure = replace(erasure, scale=1 / erasure.heard if divided else 1.0)
    parts = np.array_split(np.arange(len(y)), n)
    minimum = eh.theory.least_squares_spectrum(X, y).minimum
    sets = [*combinations(range(n), r)]
    total = np.zeros(4)
    for path in product(sets, repeat=3):
        x = np.zeros(4)
        gaps = [np.mean(np.square(y)) - minimum]
        for arrived in path:
            rows = np.concatenate([
                parts[i] for group in {j // d for j in arrived} for i in (2 * group, 2 * group + 1)
            ])  # fmt: skip
            gradient = 2 * X[rows].T @ (X[rows] @ x - y[rows]) / len(y)
            x = x - step * erasure.scale * gradient
            gaps.append(np.mean(np.square(y - X @ x)) - minimum)
        total += gaps
    expected = total / len(sets) ** 3
    problem = eh.theory.grouped_least_squares(X, y, n, d)
    assert problem.curvature.shape == (3,)
    found = problem.mean_losses([erasure], step, 3)
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


@pytest.mark.parametrize("name", DATA)
def test_floors_are_where_the_recursion_ends(name):
    """To three digits and more; at full descent's step, divided by p and not."""
    X, y = problem(name)
    spectrum = eh.theory.least_squares_spectrum(X, y)
    full = eh.theory.GroupErasure(WORKERS, LOAD, WORKERS)
    every = [full, *erasures(), *erasures(divided=False)]
    own, step = grouped(name), 1 / spectrum.smoothness
    floors = own.floors(every, step)
    lasts = own.mean_losses(every, step, {"synthetic": 80, "diabetes": 4000}[name])[:, -1]
    assert floors[0] == 0.0
    np.testing.assert_allclose(lasts[1:], floors[1:], rtol=1e-3)
    shares = floors[1:5] / own.mean_losses([full], step, 0)[0, 0]
    expected = {
        "synthetic": [5.691e-4, 2.104e-4, 6.507e-5, 1.523e-5],
        "diabetes": [3.874e-3, 1.482e-3, 4.643e-4, 1.091e-4],
    }[name]
    np.testing.assert_allclose(shares, expected, rtol=1e-3)


def test_full_descent_has_its_own_path_and_too_long_a_step_no_floor():
    X, y = problem("diabetes")
    spectrum = eh.theory.least_squares_spectrum(X, y)
    full, own = eh.theory.GroupErasure(WORKERS, LOAD, WORKERS), grouped("diabetes")
    [losses] = own.mean_losses([full], 1 / spectrum.smoothness, 30)
    x, expected = np.zeros(X.shape[1]), []
    for _ in range(31):
        expected.append(np.mean(np.square(y - X @ x)) - spectrum.minimum)
        x = x - 2 * X.T @ (X @ x - y) / len(y) / spectrum.smoothness
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
    assert own.floors(erasures(), 3 / spectrum.smoothness).tolist() == [np.inf] * 4
    with pytest.raises(eh.ConfigError, match="size = 7: must divide partitions = 30"):
        eh.theory.grouped_least_squares(X, y, WORKERS, 7)


@dataclass(frozen=True)
class Planted(eh.theory.GroupErasure):
    """Chances of which the one behind the second moment's noise is wrong by a factor."""

    factor: float = 1.0

    @property
    def contrast(self):
        return self.factor * super().contrast


@cache
def window_means(name, replications):
    """The mean loss above the minimum in each window of runs, ``(r, windows, R)``."""
    X, y = problem(name)
    spectrum = eh.theory.least_squares_spectrum(X, y)
    windows, means = WINDOWS[name], []
    for r in ARRIVALS:
        config = document(
            name, 1 / spectrum.smoothness, windows[-1], replications, wait_for=r, rescale=True
        )
        losses = eh.run(config).iterations["train_loss"].to_numpy().reshape(replications, -1)
        gaps = losses - spectrum.minimum
        means.append([gaps[:, first:last].mean(axis=1) for first, last in pairwise(windows)])
    return np.array(means)


def window_scores(name, replications, factor=1.0):
    """z of the mean loss of each window of runs, ``(r, windows)``: single iterations are too skew
    for a z."""
    step = 1 / eh.theory.least_squares_spectrum(*problem(name)).smoothness
    windows = WINDOWS[name]
    believed = [Planted(**vars(each), factor=factor) for each in erasures()]
    expected = grouped(name).mean_losses(believed, step, windows[-1])
    return np.array([
        [z_scores(losses, theory[first:last].mean())
         for losses, (first, last) in zip(windows_of_r, pairwise(windows), strict=True)]
        for windows_of_r, theory in zip(window_means(name, replications), expected, strict=True)
    ])  # fmt: skip


WINDOWS = {"synthetic": (1, 4, 8, 16, 24, 40), "diabetes": (1, 10, 40, 120, 280)}


@pytest.mark.parametrize("name", DATA)
def test_runs_are_the_recursion_and_an_error_of_5_percent_is_found(name):
    """|z| < 4 for each r and window, and not with a second moment whose noise is 5 % off."""
    assert np.abs(window_scores(name, 400)).max() < 4
    assert np.abs(window_scores(name, 400, factor=1.05)).max() > 4


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA)
def test_an_error_of_2_percent_is_found_in_2000_runs(name):
    assert np.abs(window_scores(name, 2000)).max() < 4
    assert np.abs(window_scores(name, 2000, factor=1.02)).max() > 4
