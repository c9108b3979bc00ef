"""Pictures of any run or sweep, drawn from its tables alone.

To add a kind: write one file with one ``PictureKind`` and add one line here.
"""

from __future__ import annotations

from experiments.pictures.base import PictureKind
from experiments.pictures.kinds.delays import DelaysKind
from experiments.pictures.kinds.gantt import GanttKind
from experiments.pictures.kinds.iteration_time import IterationTimeKind
from experiments.pictures.kinds.loss_iteration import LossIterationKind
from experiments.pictures.kinds.loss_time import LossTimeKind
from experiments.pictures.kinds.tradeoff import TradeoffKind
from experiments.pictures.kinds.utilisation import UtilisationKind
from experiments.pictures.kinds.workers import WorkersKind

KINDS: dict[str, PictureKind] = {
    kind.name: kind
    for kind in (
        LossTimeKind(),
        LossIterationKind(),
        IterationTimeKind(),
        TradeoffKind(),
        UtilisationKind(),
        WorkersKind(),
        DelaysKind(),
        GanttKind(),
    )
}
