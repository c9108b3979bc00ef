"""Training loss against the number of iterations: the clock left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from experiments.pictures.base import Panels
from experiments.pictures.kinds.curves import band
from experiments.pictures.kinds.losses import ceiling, needs_losses, paint_losses
from experiments.pictures.records import Records
from experiments.pictures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
class LossIteration(Panels):
    """Median and band over replications; exact schemes lie on one line."""

    name: ClassVar[str] = "loss_iteration"

    def obstacle(self, records: Records) -> str | None:
        """Needs losses."""
        return needs_losses(records)

    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """One line per scheme."""
        curves = []
        for label, _ in records.labels():
            losses = records.runs(label, "train_loss")
            iterations = np.arange(losses.shape[1], dtype=float)
            curves.append((iterations, band(losses), looks[label]))
        axes.set_xlabel("iteration")
        paint_losses(axes, curves, ceiling(records))
