"""Pictures of any run or sweep, drawn from its tables alone.

To add a kind: write one file with one ``PictureKind`` and add one line here.
"""

from __future__ import annotations

from ..base import PictureKind
from .delays import DelaysKind
from .gantt import GanttKind
from .losses import LossIterationKind, LossTimeKind
from .times import IterationTimeKind, UtilisationKind, WorkersKind
from .tradeoff import TradeoffKind

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
