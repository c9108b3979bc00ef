"""Data sets that need no file, and the encodings, on small generated tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.preprocessing import OneHotEncoder

from erasurehead.sim.problems import DATASETS
from erasurehead.sim.problems.datasets.base import interactions, one_hot
from erasurehead.sim.problems.datasets.included import Synthetic


def test_one_hot_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 7, (40, 5)) * np.array([1, -3, 10, 1000, 0])
    expected = OneHotEncoder().fit_transform(table).toarray()
    np.testing.assert_array_equal(one_hot(list(table.T)).toarray(), expected)


def test_an_interaction_is_one_value_per_pair_of_values() -> None:
    rng = np.random.default_rng(1)
    columns = [rng.integers(0, 5, 60) * scale for scale in (1, 7, -2)]
    pairs = interactions(list(columns), skip=frozenset({(0, 2)}))
    assert len(pairs) == 2
    for combined, (i, j) in zip(pairs, [(0, 1), (1, 2)], strict=True):
        table = np.column_stack([np.asarray(combined), columns[i], columns[j]])
        triples = set(map(tuple, table.tolist()))
        assert len(triples) == len({t[0] for t in triples}) == len({t[1:] for t in triples})


def synthetic(task: str, seed: int = 0, rows: int = 4000, features: int = 9):  # type: ignore[no-untyped-def]
    family = Synthetic(rows=rows, features=features)
    data = family.load(task, np.random.default_rng(seed), None)  # type: ignore[arg-type]
    model = np.random.default_rng(seed).choice([-1.0, 1.0], size=features)
    return data, model


def test_synthetic_labels_follow_the_logistic_model() -> None:
    """z of the labels against their stated chances, and of a wrong sign as a counter-check."""
    data, model = synthetic("classification")
    chance = expit(data.X @ model)

    def z(p: np.ndarray) -> float:
        return float(np.sum((data.y > 0) - p) / np.sqrt(np.sum(p * (1 - p))))

    residual = (data.y > 0) - chance
    slope = float(np.sum(residual * (data.X @ model)))
    spread = np.sqrt(np.sum(chance * (1 - chance) * (data.X @ model) ** 2))
    assert abs(z(chance)) < 5
    assert abs(slope / spread) < 5
    assert set(np.unique(data.y)) == {-1.0, 1.0}


def test_synthetic_rows_are_the_stated_mixture() -> None:
    """x.beta* has mean 0, variance 100 + 15^2/p, and a mixture's negative excess kurtosis."""
    data, model = synthetic("classification", rows=40_000)
    m = np.asarray(data.X @ model)
    p = model.size
    mean = 10 / np.sqrt(p) * 1.5
    assert abs(m.mean()) < 5 * m.std() / np.sqrt(m.size)
    fourth = 3 * 100.0**2 + 6 * 100 * mean**2 + mean**4
    variance = 100 + mean**2
    error = np.sqrt((fourth - variance**2) / m.size)
    assert abs(np.mean(m**2) - variance) < 5 * error
    one = np.asarray(data.X[:, 0])
    assert abs(one.var() / (100 / p + (mean / p) ** 2) - 1) < 5 * np.sqrt(2 / m.size)


def test_synthetic_regression_adds_unit_noise() -> None:
    data, model = synthetic("regression", rows=4000)
    noise = data.y - data.X @ model
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.var() - 1) < 5 * np.sqrt(2 / noise.size)


def test_synthetic_is_a_function_of_its_seed() -> None:
    first, second, other = (synthetic("classification", seed)[0] for seed in (3, 3, 4))
    assert first.X.tobytes() == second.X.tobytes()
    assert first.y.tobytes() == second.y.tobytes()
    assert not np.array_equal(first.X, other.X)


def test_synthetic_test_rows() -> None:
    rng = np.random.default_rng(0)
    assert Synthetic(rows=10, features=2).load("regression", rng, None).X_test.shape == (2, 2)
    assert Synthetic(rows=10, features=2, test_rows=0).load("regression", rng, None).X_test is None
    seven = Synthetic(rows=10, features=2, test_rows=7).load("regression", rng, None)
    assert seven.X_test.shape == (7, 2)
    assert seven.y_test.shape == (7,)


@pytest.mark.parametrize(
    ("name", "shape", "task"),
    [("breast_cancer", (455, 31), "classification"), ("diabetes", (353, 11), "regression")],
)
def test_embedded_data_are_standardised_with_the_training_rows(
    name: str, shape: tuple[int, int], task: str
) -> None:
    data = DATASETS[name]().load(task, np.random.default_rng(0), None)  # type: ignore[arg-type]
    assert data.task == task
    assert data.X.shape == shape
    np.testing.assert_allclose(data.X[:, :-1].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(data.X[:, :-1].std(axis=0), 1, rtol=1e-12)
    assert np.all(data.X[:, -1] == 1)
    assert data.X_test is not None
    assert np.all(data.X_test[:, -1] == 1)
    assert not np.allclose(data.X_test[:, :-1].mean(axis=0), 0, atol=1e-6)
    if task == "classification":
        assert set(np.unique(data.y)) == {-1.0, 1.0}
    else:
        assert np.mean(data.y**2) == pytest.approx(1)
