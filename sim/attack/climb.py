"""From a set of stragglers to a worse one, by changes of one worker at a time."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from .position import Position

GAIN = 1e-6
"""Of k: a smaller gain is rounding."""

STEPS = 10
"""At least so many steps share the tries of a search."""


def extended(position: Position, stragglers: int, tries: int) -> Position:
    """Lose one worker after the other, each the one that costs most, until so many straggle.

    Where every try is a decoding and there are too few, several are lost at a time.

    Cost: n - s tries for each step.
    """
    while (missing := stragglers - int(np.count_nonzero(position.stragglers))) > 0:
        together = 1
        if not position.foresees:
            together = min(missing, ceil(missing * len(position.stragglers) / max(tries, 1)))
        order = np.argsort(-position.losing(), kind="stable")[:together]
        if together == 1:
            position = position.lost(int(order[0]))
        else:
            more = position.stragglers.copy()
            more[order] = True
            position = position.at(more)
    return position


@dataclass(frozen=True, eq=False)
class Climbed:
    """Where a search by swaps has come to.

    Attributes:
        position: the worst set that was seen.
        tries: swaps that were looked at.
        moved: whether it is another set than the first.
    """

    position: Position
    tries: int
    moved: bool


def climbed(position: Position, k: int, tries: int, rng: np.random.Generator) -> Climbed:
    """Swap a straggler for another worker, the best swap of each step, until none helps.

    Where s (n - s) swaps are too many for a step, it looks at those of some random stragglers.

    Args:
        position: where to begin; at least one straggles, and one does not.
        k: partitions, the scale of the error.
        tries: swaps to look at.
        rng: chooses.
    """
    n = len(position.stragglers)
    others = n - int(np.count_nonzero(position.stragglers))
    most, left, moved = max(1, tries // STEPS // others), tries, False
    while left >= others:
        members = np.flatnonzero(position.stragglers)
        count = min(len(members), most, left // others)
        whole = count == len(members)
        some = members if whole else np.sort(rng.choice(members, count, replace=False))
        errors = position.swapping(some)
        left -= count * others
        row, worker = divmod(int(np.argmax(errors)), n)
        if errors[row, worker] > position.error + GAIN * k:
            position, moved = position.swapped(int(some[row]), worker), True
        elif whole:
            break
    return Climbed(position, tries - left, moved)
