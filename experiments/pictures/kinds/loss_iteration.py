"""Training loss against the number of iterations: the clock left out."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from experiments.pictures.kinds.curves import Spread, spread
from experiments.pictures.kinds.losses import LossKind
from experiments.pictures.records import Records
from experiments.pictures.shown import Band
from sim.types import FloatArray


@final
class LossIterationKind(LossKind):
    """One line per scheme; exact schemes lie on one line."""

    name: ClassVar[str] = "loss_iteration"
    along: ClassVar[str] = "iteration"

    @override
    def spread(self, records: Records, label: str, band: Band) -> tuple[FloatArray, Spread]:
        losses = records.runs(label, "train_loss")
        return np.arange(losses.shape[1], dtype=float), spread(losses, band)
