"""What a data set is, what a family of data sets must offer, and columns of a table as features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import ConfigDict
from scipy import sparse

from ...types import FloatArray, IntArray
from ..base import Matrix, Task

STRICT = ConfigDict(extra="forbid")
"""Every data set family is a pydantic dataclass with this setting: an unknown field is an error."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Plain arrays, ready for a problem.

    Attributes:
        task: what kind of target ``y`` is.
        X: ``(N, p)`` training rows, in the order that partitions are cut from.
        y: ``(N,)`` targets; -1 and +1 for classification.
        X_test: ``(M, p)`` test rows, or ``None``.
        y_test: ``(M,)`` test targets, or ``None``.
        initial: ``(p,)`` the start that the data set brings with it, or ``None``.
    """

    task: Task
    X: Matrix
    y: FloatArray
    X_test: Matrix | None = None
    y_test: FloatArray | None = None
    initial: FloatArray | None = None


class DatasetFamily(ABC):
    """A data set as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]
    """The registry name."""

    def file(self, data_dir: Path | None) -> Path | None:
        """The file that ``load`` reads, or ``None`` for data that need none.

        Raises:
            DataNotFound: it is not there.
        """
        return None

    @property
    def entries(self) -> int | None:
        """How many numbers the arrays hold, if the fields say it; ``None``: only reading tells."""
        return None

    @abstractmethod
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        """Return the arrays.

        Args:
            task: what the loss asks for; a family that has only the other kind ignores it, and
                the caller refuses the pair.
            rng: for families that draw their data; a function of the run's seed alone.
            data_dir: where the user keeps data files, or ``None``.

        Raises:
            DataNotFound: a file that users bring themselves is not there.
            InvalidParameter: a file or a field cannot be used.
        """


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
