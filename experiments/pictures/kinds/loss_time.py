"""Training loss against simulated seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

from experiments.pictures.base import Panels
from experiments.pictures.kinds.curves import band, clock, loss_at
from experiments.pictures.kinds.losses import ceiling, needs_losses, paint_losses
from experiments.pictures.records import Records
from experiments.pictures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@final
class LossTime(Panels):
    """Median and band over replications, each line up to where its fastest replication ends."""

    name: ClassVar[str] = "loss_time"

    def obstacle(self, records: Records) -> str | None:
        """Needs losses."""
        return needs_losses(records)

    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """One line per scheme."""
        curves = []
        for label, _ in records.labels():
            times, losses = (records.runs(label, name) for name in ("time", "train_loss"))
            instants = clock(times)
            curves.append((instants, band(loss_at(times, losses, instants)), looks[label]))
        axes.set_xlabel("simulated time (s)")
        paint_losses(axes, curves, ceiling(records))
