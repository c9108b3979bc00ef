"""Training loss against the number of iterations: the clock left out."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ....sim.types import FloatArray
from ..records import Records
from ..shown import Band
from .curves import Spread, spread
from .losses import LossKind


@final
class LossIterationKind(LossKind):
    """One line per scheme; exact schemes lie on one line."""

    name: ClassVar[str] = "loss_iteration"
    along: ClassVar[str] = "iteration"

    @override
    def spread(self, records: Records, label: str, band: Band) -> tuple[FloatArray, Spread]:
        losses = records.runs(label, "train_loss")
        return np.arange(losses.shape[1], dtype=float), spread(losses, band)
