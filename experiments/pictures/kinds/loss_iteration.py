"""Training loss against the number of iterations: the clock left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from experiments.pictures.base import PanelKind
from experiments.pictures.kinds.curves import BANDS, spread
from experiments.pictures.kinds.losses import ceiling, loss_panel, needs_losses
from experiments.pictures.looks import Look
from experiments.pictures.records import Records
from experiments.pictures.shown import Axis, Band, Panel


@final
class LossIterationKind(PanelKind):
    """One line per scheme; exact schemes lie on one line."""

    name: ClassVar[str] = "loss_iteration"

    @override
    def obstacle(self, records: Records) -> str | None:
        return needs_losses(records)

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        spreads = []
        for label, _ in records.labels():
            losses = records.runs(label, "train_loss")
            iterations = np.arange(losses.shape[1], dtype=float)
            spreads.append((iterations, spread(losses, band), looks[label]))
        note = BANDS[band] if records.replicated() else ""
        return loss_panel(Axis("iteration"), spreads, ceiling(records), records.title, note)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (BANDS[band],)
