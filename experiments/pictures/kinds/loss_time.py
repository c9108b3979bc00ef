"""Training loss against simulated seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

from typing_extensions import override

from experiments.pictures.base import PanelKind
from experiments.pictures.kinds.curves import BANDS, instants_of, loss_at, spread
from experiments.pictures.kinds.losses import ceiling, loss_panel, needs_losses
from experiments.pictures.looks import Look
from experiments.pictures.records import Records
from experiments.pictures.shown import Axis, Band, Panel


@final
class LossTimeKind(PanelKind):
    """One line per scheme, up to where its fastest replication ends."""

    name: ClassVar[str] = "loss_time"

    @override
    def obstacle(self, records: Records) -> str | None:
        return needs_losses(records)

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        spreads = []
        for label, _ in records.labels():
            times, losses = (records.runs(label, name) for name in ("time", "train_loss"))
            instants = instants_of(times)
            spreads.append((instants, spread(loss_at(times, losses, instants), band), looks[label]))
        note = BANDS[band] if records.replicated() else ""
        return loss_panel(
            Axis("simulated time (s)"), spreads, ceiling(records), records.title, note
        )

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (BANDS[band],)
