"""What is known of a scheme without simulating it: what workers hold, and closed forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...sim.engines.run import Run
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import RoundScheme
from ..config import build
from ..config.cells import Cell
from ..run.processes import Share
from .expected import Expected, by_theory
from .item import REFUSALS, Item, Refused, cell_of


@dataclass(frozen=True)
class Sketch:
    """A scheme that can be built.

    Attributes:
        label: its name and what is not a default.
        computes: partitions that a worker computes in a round, at most.
        holds: partitions that it must have: all where it draws one at random.
        barrierless: whether no barrier separates rounds.
        expected: by closed forms; ``None`` where they know too little.
    """

    label: str
    computes: float
    holds: int
    barrierless: bool
    expected: Expected | None

    @property
    def coded(self) -> bool:
        """Whether workers hold more than one partition each for the sake of others."""
        return self.holds > 1 and not self.barrierless


def sketch(item: Item, share: Share = lambda done: None) -> Sketch | Refused:
    """Build a scheme, and ask theory."""
    try:
        cell = cell_of(item)
        features = 1 if cell.settings.problem is not None else None
        run = build.timing(cell, features)
        computes = _computes(run)
        holds = _holds(run, cell, computes)
        barrierless = isinstance(run.scheme, Barrierless)
        return Sketch(cell.label, computes, holds, barrierless, by_theory(run, item.goal))
    except REFUSALS as error:
        return Refused(str(error))


def _computes(run: Run) -> float:
    if not isinstance(run.scheme, RoundScheme):
        return 1.0
    return float(np.max(run.scheme.plan(run.scheme.start(1)).loads))


def _holds(run: Run, cell: Cell, computes: float) -> int:
    if isinstance(run.scheme, Barrierless):
        return 1 if run.scheme.own_data else run.scheme.partitions
    named = getattr(cell.settings.schemes[0].family, "load", 1)
    return max(int(np.ceil(computes)), named if isinstance(named, int) else 1)
