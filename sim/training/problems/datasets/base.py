"""What a data set is, and those that need no file: drawn from the seed, or small real ones."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import scipy
from annotated_types import Ge
from numpy.typing import ArrayLike
from typing_extensions import override

from ....base.fields import Configurable, configured
from ....base.types import FloatArray, IntArray
from ..objective import Matrix, Task


@dataclass(frozen=True, eq=False)
class Dataset:
    """Plain arrays, ready for a problem."""

    task: Task  # what kind of target ``y`` is
    X: Matrix  # ``(N, p)`` training rows, in the order that partitions are cut from
    y: FloatArray  # ``(N,)`` targets; -1 and +1 for classification, and numbers of classes from 0
    X_test: Matrix | None = None  # ``(M, p)`` test rows, or ``None``
    y_test: FloatArray | None = None  # ``(M,)`` test targets, or ``None``
    # ``(P,)`` the start that the data set brings with it, or ``None``.
    initial: FloatArray | None = None


class DatasetFamily(metaclass=Configurable):
    """A data set as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]  # the registry name

    def file(self, data_dir: Path | None) -> Path | None:
        """The file that ``load`` reads, or ``None``: it needs none; raises ``DataNotFound``."""
        return None

    @property
    def entries(self) -> int | None:
        """How many numbers the arrays hold, if the fields say it; ``None``: only reading tells."""
        return None

    @abstractmethod
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        """Return the arrays. A family that has data for only another task ignores it, and the
        caller refuses the pair (-1 and +1 serve for two classes); one that draws its data does so
        from ``rng``, a function of the run's seed alone; the user's files are in ``data_dir``.
        Raises ``DataNotFound``: a file that users bring themselves is not there;
        ``InvalidParameter``: a file or a field cannot be used.
        """


def category_codes(column: ArrayLike) -> tuple[IntArray, int]:
    """Number the distinct values of a column in sorted order: ``(N,)`` codes and their count."""
    values, codes = np.unique(np.asarray(column), return_inverse=True)
    return codes.astype(np.int64), values.size


def one_hot(columns: list[ArrayLike]) -> scipy.sparse.csr_array[np.float64]:
    """Replace each of c columns of N values by one 0/1 feature per distinct value: ``(N, p)``, p
    the number of distinct (column, value) pairs, with exactly c ones a row. Cost: c sorts."""
    coded = [category_codes(column) for column in columns]
    sizes = np.array([size for _, size in coded])
    indices = np.stack([codes for codes, _ in coded], axis=1) + (np.cumsum(sizes) - sizes)
    rows, width = indices.shape
    pointers = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    entries = (np.ones(rows * width), indices.astype(np.int32).ravel(), pointers)
    return scipy.sparse.csr_array(entries, shape=(rows, int(sizes.sum())))


def interactions(columns: list[ArrayLike], skip: frozenset[tuple[int, int]]) -> list[ArrayLike]:
    """One column for each pair i < j not in ``skip``, distinct for each pair of values."""
    coded = [category_codes(column) for column in columns]
    pairs = [(i, j) for i in range(len(coded)) for j in range(i + 1, len(coded))]
    return [coded[i][0] * coded[j][1] + coded[j][0] for i, j in pairs if (i, j) not in skip]


def split(task: Task, X: Matrix, y: FloatArray) -> Dataset:
    """80 % of the rows for training and 20 % for the test, shuffled with seed 0: those of
    scikit-learn's ``train_test_split``, which takes half a second to import."""
    shuffled = np.random.RandomState(0).permutation(len(y))
    test, train = np.split(shuffled, [-(-len(y) // 5)])
    return Dataset(task, X[train], y[train], X[test], y[test])


@configured
class Synthetic(DatasetFamily):
    """A mixture of two Gaussians around a hidden model of signs.

    beta* is drawn from {-1, +1}^p. A row is ``10/sqrt(p) * (m + z)``, z standard normal and m
    either ``+1.5/p beta*`` or ``-1.5/p beta*`` with equal chance, so ``x.beta*`` has a standard
    deviation of 10 whatever p is. For classification y = +1 with probability
    ``1 / (1 + exp(-x.beta*))``, else -1; for regression y = x.beta* plus unit normal noise.

    Source: the mixture and the labels are those of Tandon et al. (arXiv 1612.03301) as the
    authors of ErasureHead ran them; the regression target is our own choice.

    Args:
        rows: N, training rows.
        features: p.
        test_rows: M, drawn from the same law; a quarter of ``rows`` unless given, 0 for none.
    """

    name: ClassVar[str] = "synthetic"
    rows: Annotated[int, Ge(1)] = 6000
    features: Annotated[int, Ge(1)] = 100
    test_rows: Annotated[int, Ge(0)] | None = None

    @property
    @override
    def entries(self) -> int:
        return (self.rows + self._test_rows) * (self.features + 2) + self.features

    @property
    def _test_rows(self) -> int:
        return self.rows // 4 if self.test_rows is None else self.test_rows

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        """Draw model, rows and targets, in this order."""
        from scipy.special import expit

        rows, p, test_rows = self.rows, self.features, self._test_rows
        model = rng.choice([-1.0, 1.0], size=p)
        side = rng.choice([-1.0, 1.0], size=(rows + test_rows, 1))
        X = rng.standard_normal((rows + test_rows, p))
        X += side * (1.5 / p * model)
        X *= 10 / np.sqrt(p)
        margins = X @ model
        if task == "regression":
            y = margins + rng.standard_normal(rows + test_rows)
        else:
            task = "classification"
            y = np.where(rng.random(rows + test_rows) < expit(margins), 1.0, -1.0)
        if test_rows == 0:
            return Dataset(task, X, y)
        return Dataset(task, X[:rows], y[:rows], X[rows:], y[rows:])


# Small real data sets that come with scikit-learn; to import it, when one is loaded, takes 0.5 s.
#
# They are split 80/20 with seed 0. Features of the first two are standardised with the training
# rows' mean and standard deviation, and a constant column is appended.


@configured
class BreastCancer(DatasetFamily):
    """Breast cancer Wisconsin: 455 x 31 training rows, y = +1 benign and -1 malignant."""

    name: ClassVar[str] = "breast_cancer"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        from sklearn.datasets import load_breast_cancer

        X, y = load_breast_cancer(return_X_y=True)
        return _standardised(split("classification", X, 2.0 * y - 1.0))


@configured
class Diabetes(DatasetFamily):
    """Diabetes progression: 353 x 11 training rows.

    The target too is standardised with the training rows' mean and standard deviation, so that
    the loss of the zero model is 1 and losses are shares of the target's variance."""

    name: ClassVar[str] = "diabetes"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
        data = _standardised(split("regression", X, y))
        centre, spread = data.y.mean(), data.y.std()
        assert data.y_test is not None
        return replace(data, y=(data.y - centre) / spread, y_test=(data.y_test - centre) / spread)


@configured
class Digits(DatasetFamily):
    """Handwritten digits: 1,437 x 64 training rows in ten classes, features from 0 to 1.

    Split 80/20 with seed 0; nothing is standardised."""

    name: ClassVar[str] = "digits"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        try:  # scikit-learn takes half a second to import
            package: Any = find_spec("sklearn")
            file = Path(package.origin).with_name("datasets") / "data" / "digits.csv.gz"
            table = np.loadtxt(file, delimiter=",")
        except OSError:
            from sklearn.datasets import load_digits

            table = np.column_stack(load_digits(return_X_y=True))
        return split("classes", table[:, :-1] / 16.0, table[:, -1].copy())


def _standardised(data: Dataset) -> Dataset:
    assert isinstance(data.X, np.ndarray)
    assert isinstance(data.X_test, np.ndarray)
    centre, spread = data.X.mean(axis=0), data.X.std(axis=0)

    def transform(features: FloatArray) -> FloatArray:
        return np.hstack([(features - centre) / spread, np.ones((len(features), 1))])

    return replace(data, X=transform(data.X), X_test=transform(data.X_test))
