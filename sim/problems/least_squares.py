"""Least squares: the loss of a row is (y - x.beta)^2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from sim.problems.base import Problem, Task
from sim.types import FloatArray


@final
@dataclass(frozen=True, eq=False)
class LeastSquares(Problem):
    """Mean of (y - x.beta)^2, without a factor of one half."""

    task: ClassVar[Task] = "regression"

    @override
    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        residuals = margins - targets[:, None]
        return np.square(residuals, out=residuals)

    @override
    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """2 (x.beta - y)."""
        residuals = margins - targets[:, None]
        residuals *= 2.0
        return residuals

    @override
    def test_auc(self, beta: FloatArray) -> None:
        return None
