"""Pictures of any run or sweep, drawn from its tables alone."""

from __future__ import annotations

from ....sim.types import registry
from ..base import PictureKind
from .delays import DelaysKind
from .gantt import GanttKind, WorkersKind
from .losses import LossIterationKind, LossTimeKind, TradeoffKind
from .times import AgainstKind, IterationTimeKind, UtilisationKind

KINDS: dict[str, PictureKind] = registry(
    "name",
    AgainstKind(),
    LossTimeKind(),
    TradeoffKind(),
    IterationTimeKind(),
    LossIterationKind(),
    UtilisationKind(),
    GanttKind(),
    WorkersKind(),
    DelaysKind(),
)


def ranked() -> list[PictureKind]:
    """Every kind, in the order of ``rank``."""
    return sorted(KINDS.values(), key=lambda kind: kind.rank)
