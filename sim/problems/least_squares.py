"""Least squares: the loss of a row is (y - x.beta)^2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from sim.problems.base import Problem, Task
from sim.types import FloatArray


@final
@dataclass(frozen=True, eq=False)
class LeastSquares(Problem):
    """Mean of (y - x.beta)^2, without a factor of one half."""

    task: ClassVar[Task] = "regression"

    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """(x.beta - y)^2."""
        residuals = margins - targets[:, None]
        return np.square(residuals, out=residuals)

    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """2 (x.beta - y)."""
        residuals = margins - targets[:, None]
        residuals *= 2.0
        return residuals

    def test_auc(self, beta: FloatArray) -> None:
        """None: there are no classes."""
