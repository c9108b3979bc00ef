"""What a live run says in the terminal besides its table."""

from __future__ import annotations

from collections.abc import Sequence

from .. import terminal
from ..run import Outcome
from .cell import Facts

SAME = 1e-9
"""Models this close, of their length, are the same up to round-off."""


def show(outcome: Outcome, facts: Sequence[Facts]) -> None:
    """What messages cost, and whether the simulator finds the same models."""
    if not facts:
        return
    message = max(each.message for each in facts)
    everybody = max(each.round for each in facts)
    terminal.say(
        f"an empty message there and back takes {message:.2g} s of the config, "
        f"an empty round of all workers {everybody:.2g} s"
    )
    for (cell, _), each in zip(outcome.finished, facts, strict=True):
        if each.replayed is not None and not each.replayed.model <= SAME:
            terminal.tell(
                f"warning: {cell.label}: the models are {each.replayed.model:.1g} of their length "
                "from those that the simulator finds for the same arrivals"
            )
    known = [each.replayed.model for each in facts if each.replayed is not None]
    if known:
        terminal.say(
            f"from the same arrivals the simulator finds the same models, to {max(known):.1g} "
            "of their length"
        )
