"""How far delays may move before the answer changes: the best few schemes on changed delays.

Everybody keeps the learning rate that suits the delays as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .bench import STAGES, Bench, Part
from .compare import mean, ratio
from .dials import Dial, dials
from .entry import Entry
from .item import Item
from .measure import measure_all
from .measured import Measured

REPLICATIONS, QUICK_REPLICATIONS = 16, 64
"""With a problem, and without one."""

FEW = 6


@dataclass(frozen=True)
class Moved:
    """One scheme on changed delays.

    Attributes:
        dial: what is changed.
        entry: the scheme.
        value: mean of what the goal makes small; infinite where it is not always reached.
        ratio, low, high: to the recommended scheme on the same delays, with a 95 % interval; NaN
            where one of the two does not always reach the goal.
        best: the same mean of the recommended scheme.
    """

    dial: Dial
    entry: Entry
    value: float
    ratio: float
    low: float
    high: float
    best: float

    @property
    def beats(self) -> bool:
        """Whether it is surely better than the recommended scheme here."""
        return bool(self.high < 1) or self.alone

    @property
    def alone(self) -> bool:
        """Whether it reaches the goal in every run where the recommended scheme does not."""
        return bool(np.isfinite(self.value) and not np.isfinite(self.best))


def few(finalists: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """The best, the next ones, and the best of each kind: coded, not coded, without a barrier.

    Args:
        finalists: the best first.
        others: those that left, the best first.
    """
    chosen = [*finalists[:3]]
    for kind in ((True, False), (False, False), (False, True)):
        alike = [e for e in [*finalists, *others] if _kind(e) == kind]
        if alike and not any(e in chosen for e in alike):
            chosen.append(alike[0])
    given = [e for e in finalists if e.given and e not in chosen]
    return [*chosen, *given[:1]][:FEW]


def _kind(entry: Entry) -> tuple[bool, bool]:
    assert entry.sketch is not None
    return entry.sketch.coded, entry.sketch.barrierless


def sensitivity(bench: Bench, chosen: Sequence[Entry]) -> list[Moved]:
    """Simulate a few schemes on changed delays; the first is the recommended one."""
    trains = bench.asked.trains
    replications = REPLICATIONS if trains else QUICK_REPLICATIONS
    turned = dials(bench.subject.centre)
    items: list[Item] = []
    for dial in turned:
        for entry in chosen:
            rate = entry.rate if entry.rate > 0 else bench.asked.centre
            rates = (rate,) if trains else ()
            item = bench.item(entry, replications, rates)
            items.append(replace(item, place=len(items), dial=dial))
    found = measure_all(items, bench.lanes, bench.told(Part(STAGES - 1, 1.0), len(items)))
    moved = []
    for place, dial in enumerate(turned):
        row = found[place * len(chosen) : (place + 1) * len(chosen)]
        best = row[0]
        for entry, one in zip(chosen, row, strict=True):
            if not isinstance(one, Measured) or not isinstance(best, Measured):
                continue
            mine, first = one.values[0], best.values[0]
            moved.append(Moved(dial, entry, mean(mine), *ratio(mine, first), mean(first)))
    return moved
