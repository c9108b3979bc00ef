"""Turning columns of a table into features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ...types import FloatArray, IntArray
from ..base import Task
from ..matrices import Matrix
from .base import Dataset


def category_codes(column: ArrayLike) -> tuple[IntArray, int]:
    """Number the distinct values of a column in sorted order: ``(N,)`` codes and their count."""
    values, codes = np.unique(np.asarray(column), return_inverse=True)
    return codes.astype(np.int64), values.size


def one_hot(columns: list[ArrayLike]) -> sparse.csr_array[np.float64]:
    """Replace every column by one 0/1 feature per distinct value.

    Args:
        columns: c columns of N values each.

    Returns:
        ``(N, p)``, p the number of distinct (column, value) pairs, with exactly c ones a row.

    Cost: one sort per column.
    """
    coded = [category_codes(column) for column in columns]
    sizes = np.array([size for _, size in coded])
    offsets = np.cumsum(sizes) - sizes
    indices = np.stack([codes for codes, _ in coded], axis=1) + offsets
    rows, width = indices.shape
    pointers = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    entries = (np.ones(rows * width), indices.astype(np.int32).ravel(), pointers)
    return sparse.csr_array(entries, shape=(rows, int(sizes.sum())))


def interactions(columns: list[ArrayLike], skip: frozenset[tuple[int, int]]) -> list[ArrayLike]:
    """One column for each pair i < j not in ``skip``, distinct for each pair of values."""
    coded = [category_codes(column) for column in columns]
    pairs = [(i, j) for i in range(len(coded)) for j in range(i + 1, len(coded))]
    return [coded[i][0] * coded[j][1] + coded[j][0] for i, j in pairs if (i, j) not in skip]


def with_constant(features: FloatArray) -> FloatArray:
    """Append a column of ones: ``(N, p) -> (N, p + 1)``."""
    return np.hstack([features, np.ones((len(features), 1))])


def split(task: Task, X: Matrix, y: FloatArray) -> Dataset:
    """80 % of the rows for training and 20 % for the test, shuffled with seed 0."""
    from sklearn.model_selection import train_test_split  # half a second, only when data are cut

    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    return Dataset(task, X_train, y_train, X_test, y_test)
