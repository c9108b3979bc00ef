"""Training loss against simulated seconds."""

from __future__ import annotations

from typing import ClassVar, final

from typing_extensions import override

from ....sim.types import FloatArray
from ..records import Records
from ..shown import Band
from .curves import Spread, instants_of, loss_at, spread
from .losses import LossKind


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
