"""Who cannot win, from theory where it knows and from the clock where it does not.

Only what is sure goes: a scheme that is slower per iteration than one whose gradients are at least
as good (exact, or of the same scheme with no larger error), by more than a margin. Without a
problem the goal itself has a closed form for many schemes, and all that are slower than the best of
them by more than the margin go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .expected import CLOCK, THEORY, Expected
from .goal import Goal

MARGIN = {THEORY: 0.02, CLOCK: 0.1}
"""By how much a scheme must be slower to go; drawn rounds have an error of their own."""


@dataclass(frozen=True)
class Known:
    """A scheme and what is expected of it.

    Attributes:
        place: its number among the candidates.
        scheme: its registry name.
        label: how it is called.
        kept: whether it stays in any case, since the config names it.
        expected: or ``None``.
    """

    place: int
    scheme: str
    label: str
    kept: bool
    expected: Expected | None


def cannot_win(known: Sequence[Known], goal: Goal) -> dict[int, str]:
    """Places of the schemes that go, each with the reason."""
    sure = [one for one in known if one.expected is not None]
    gone: dict[int, str] = {}
    for one in sure:
        if not one.kept and (reason := _beaten(one, sure, goal)) is not None:
            gone[one.place] = reason
    return gone


def _beaten(one: Known, others: Sequence[Known], goal: Goal) -> str | None:
    mine = one.expected
    assert mine is not None
    for other in others:
        theirs = other.expected
        assert theirs is not None
        margin = max(MARGIN[mine.source], MARGIN[theirs.source])
        if np.isfinite(theirs.value) and mine.value > theirs.value * (1 + margin):
            text = f"{mine.value:.4g} s, by {mine.source}; {other.label} {theirs.value:.4g} s"
            return f"{text} {goal.words}"
        as_good = theirs.error <= 1e-9 or (
            other.scheme == one.scheme and theirs.error <= mine.error * (1 + 1e-9)
        )
        slower = mine.iteration_time > theirs.iteration_time * (1 + margin)
        if mine.sound and theirs.sound and as_good and slower:
            text = f"an iteration takes {mine.iteration_time:.4g} s by {mine.source}"
            better = "is exact" if theirs.error <= 1e-9 else "has no larger error"
            return f"{text}; {other.label} {better} and takes {theirs.iteration_time:.4g} s"
    return None
