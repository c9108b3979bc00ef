"""Merging equal features is a change of coordinates: the same margins, gradients and norms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from erasurehead.sim.problems.base import class_basis
from erasurehead.sim.problems.losses import SquaredLoss

COLUMNS = np.array(
    # The last columns: twins of the first, an opposite, a multiple, a twin again, and an empty one.
    [
        [1.0, 0.0, 2.0, 1.0, -1.0, 2.0, 1.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3.0, 1.0, 0.0, 3.0, -3.0, 6.0, 3.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 0.0, 1.0, -1.0, 2.0, 1.0, 0.0],
    ]
)


def problem() -> SquaredLoss:
    rng = np.random.default_rng(0)
    X_test = sparse.csr_array(rng.standard_normal((3, COLUMNS.shape[1])))
    y, y_test = rng.standard_normal(5), rng.standard_normal(3)
    return SquaredLoss(sparse.csr_array(COLUMNS), y, 2, 0.1, X_test, y_test)


def test_classes_are_the_equal_columns() -> None:
    basis = class_basis(sparse.csr_array(COLUMNS)).toarray()
    members = {tuple(np.flatnonzero(column)) for column in basis.T}
    assert members == {(0, 3, 6), (1,), (2,), (4,), (5,)}
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-15)
    np.testing.assert_allclose(COLUMNS @ basis @ basis.T, COLUMNS, rtol=1e-15, atol=1e-15)


def test_classes_with_most_non_zeros_come_first() -> None:
    merged = sparse.csr_array(COLUMNS) @ class_basis(sparse.csr_array(COLUMNS))
    counts = np.count_nonzero(merged.toarray(), axis=0)
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)


@pytest.mark.parametrize("start", ["zeros", "spanned", "nearly spanned", "any"])
def test_the_merged_problem_is_the_same_problem(start: str) -> None:
    original = problem()
    rng = np.random.default_rng(1)
    initial = {
        "zeros": np.zeros(8),
        "spanned": np.array([1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 1.0, 0.0]),
        "nearly spanned": np.array([1.1, 2.0, 3.0, 1.1 + 1e-9, 4.0, 5.0, 1.1, 0.0]),
        "any": rng.standard_normal(8),
    }[start]
    merged, coordinates, basis = original.merged(initial)
    assert basis is not None
    assert merged.features == coordinates.size == (5 if start in ("zeros", "spanned") else 6)
    S = basis.toarray()
    np.testing.assert_allclose(S.T @ S, np.eye(S.shape[1]), atol=1e-14)
    np.testing.assert_allclose(S @ coordinates, initial, atol=1e-14)
    beta, b = initial[:, None], coordinates[:, None]
    weights = rng.random((1, 2))
    np.testing.assert_allclose(merged.loss(b), original.loss(beta), rtol=1e-13)
    np.testing.assert_allclose(merged.objective(b), original.objective(beta), rtol=1e-13)
    np.testing.assert_allclose(merged.test_loss(b), original.test_loss(beta), rtol=1e-12)
    np.testing.assert_allclose(
        S @ merged.gradient(b, weights), original.gradient(beta, weights), atol=1e-13
    )


def test_dense_data_are_left_alone() -> None:
    dense = SquaredLoss(COLUMNS, np.ones(5), 2)
    initial = np.ones(8)
    same, start, basis = dense.merged(initial)
    assert same is dense
    assert start is initial
    assert basis is None
