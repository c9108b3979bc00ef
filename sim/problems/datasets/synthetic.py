"""Data drawn from the run's seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..base import Task
from .base import STRICT, Dataset, DatasetFamily


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
