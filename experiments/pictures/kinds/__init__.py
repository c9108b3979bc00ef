"""Pictures of any run or sweep, drawn from its tables alone.

To add a kind: write a ``PictureKind`` in a file of this folder and add a line to
``PICTURE_KINDS``, which ``plot``, ``report`` and the gallery of the docs read."""

from __future__ import annotations

from ....sim.base.types import registry
from ..base import PictureKind
from .delays import DelaysKind
from .gantt import GanttKind, WorkersKind
from .losses import LossIterationKind, LossTimeKind, TradeoffKind
from .times import AgainstKind, IterationTimeKind, UtilisationKind

PICTURE_KINDS: dict[str, PictureKind] = registry(
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


def kinds_by_rank() -> list[PictureKind]:
    """Every kind, in the order of ``rank``."""
    return sorted(PICTURE_KINDS.values(), key=lambda kind: kind.rank)
