"""Data that need no file: drawn from the run's seed, or small real sets of scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...types import FloatArray
from ..base import Task
from .base import STRICT, Dataset, DatasetFamily, split, with_constant


@final
@dataclass(frozen=True, config=STRICT)
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

        rows, p = self.rows, self.features
        test_rows = self._test_rows
        model = rng.choice([-1.0, 1.0], size=p)
        side = rng.choice([-1.0, 1.0], size=(rows + test_rows, 1))
        X = rng.standard_normal((rows + test_rows, p))
        X += side * (1.5 / p * model)
        X *= 10 / np.sqrt(p)
        margins = X @ model
        if task == "classification":
            y = np.where(rng.random(rows + test_rows) < expit(margins), 1.0, -1.0)
        else:
            y = margins + rng.standard_normal(rows + test_rows)
        if test_rows == 0:
            return Dataset(task, X, y)
        return Dataset(task, X[:rows], y[:rows], X[rows:], y[rows:])


# Small real data sets that come with scikit-learn, which is imported when one is loaded: that takes
# half a second.
#
# Both are split 80/20 with seed 0, their features are standardised with the training rows' mean
# and standard deviation, and a constant column is appended.


@final
@dataclass(frozen=True, config=STRICT)
class BreastCancer(DatasetFamily):
    """Breast cancer Wisconsin: 455 x 31 training rows, y = +1 benign and -1 malignant."""

    name: ClassVar[str] = "breast_cancer"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        from sklearn.datasets import load_breast_cancer

        X, y = load_breast_cancer(return_X_y=True)
        return _standardised(split("classification", X, 2.0 * y - 1.0))


@final
@dataclass(frozen=True, config=STRICT)
class Diabetes(DatasetFamily):
    """Diabetes progression: 353 x 11 training rows.

    The target too is standardised with the training rows' mean and standard deviation, so that
    the loss of the zero model is 1 and losses are shares of the target's variance.
    """

    name: ClassVar[str] = "diabetes"

    @override
    def load(self, task: Task, rng: np.random.Generator, data_dir: Path | None) -> Dataset:
        from sklearn.datasets import load_diabetes

        X, y = load_diabetes(return_X_y=True)
        data = _standardised(split("regression", X, y))
        centre, spread = data.y.mean(), data.y.std()
        assert data.y_test is not None
        return replace(data, y=(data.y - centre) / spread, y_test=(data.y_test - centre) / spread)


def _standardised(data: Dataset) -> Dataset:
    assert isinstance(data.X, np.ndarray)
    assert isinstance(data.X_test, np.ndarray)
    centre, spread = data.X.mean(axis=0), data.X.std(axis=0)

    def transform(features: FloatArray) -> FloatArray:
        return with_constant((features - centre) / spread)

    return replace(data, X=transform(data.X), X_test=transform(data.X_test))
