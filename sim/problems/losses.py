"""The losses. To add one: a final subclass of ``Problem`` and a line in ``LOSSES``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..errors import InvalidParameter
from ..types import FloatArray
from .base import Problem, Task
from .matrices import product


@final
@dataclass(frozen=True, eq=False)
class SquaredLoss(Problem):
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


@final
@dataclass(frozen=True, eq=False)
class LogisticLoss(Problem):
    """Mean of log(1 + exp(-y x.beta)) with y = -1 or +1; finite for margins of any size."""

    task: ClassVar[Task] = "classification"

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        for name, labels in (("y", self.y), ("y_test", self.y_test)):
            if labels is not None and not np.isin(labels, (-1.0, 1.0)).all():
                found = np.unique(labels)[:5].tolist()
                raise InvalidParameter(name, found, "logistic loss needs labels -1 and +1")

    @override
    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """max(v, 0) + log(1 + exp(-|v|)) with v = -y x.beta, which never overflows."""
        signed = margins * -targets[:, None]
        losses = np.abs(signed)
        np.negative(losses, out=losses)
        np.exp(losses, out=losses)
        np.log1p(losses, out=losses)
        np.maximum(signed, 0.0, out=signed)
        losses += signed
        return losses

    @override
    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """-y / (1 + exp(y x.beta)); an overflow to infinity gives the right slope, 0."""
        slopes = margins * targets[:, None]
        with np.errstate(over="ignore"):
            np.exp(slopes, out=slopes)
        slopes += 1.0
        return np.divide(-targets[:, None], slopes, out=slopes)

    @override
    def test_auc(self, beta: FloatArray) -> FloatArray | None:
        """NaN for a model that has diverged; ``None`` unless both classes are in the test set."""
        if self.X_test is None or self.y_test is None or np.unique(self.y_test).size < 2:
            return None
        from sklearn.metrics import roc_auc_score  # half a second, only when there is a score

        scores = product(self.X_test, beta)
        return np.array(
            [
                roc_auc_score(self.y_test, column) if np.isfinite(column).all() else np.nan
                for column in scores.T
            ]
        )


LOSSES: dict[str, type[Problem]] = {
    "logistic": LogisticLoss,
    "least_squares": SquaredLoss,
}
