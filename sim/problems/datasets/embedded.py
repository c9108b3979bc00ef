"""Small real data sets that come with scikit-learn, so that a real-data run needs no file.

scikit-learn is imported when a data set is loaded: it takes half a second.

Both are split 80/20 with seed 0, their features are standardised with the training rows' mean and
standard deviation, and a constant column is appended.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...types import FloatArray
from ..base import Task
from .base import STRICT, Dataset, DatasetFamily
from .encodings import split, with_constant


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
