"""Training loss against simulated seconds."""

from __future__ import annotations

from typing import ClassVar, final

from typing_extensions import override

from experiments.pictures.kinds.curves import Spread, instants_of, loss_at, spread
from experiments.pictures.kinds.losses import LossKind
from experiments.pictures.records import Records
from experiments.pictures.shown import Band
from sim.types import FloatArray


@final
class LossTimeKind(LossKind):
    """One line per scheme, up to where its fastest replication ends."""

    name: ClassVar[str] = "loss_time"
    along: ClassVar[str] = ""

    @override
    def spread(self, records: Records, label: str, band: Band) -> tuple[FloatArray, Spread]:
        times, losses = (records.runs(label, name) for name in ("time", "train_loss"))
        instants = instants_of(times)
        return instants, spread(loss_at(times, losses, instants), band)
