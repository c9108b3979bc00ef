"""The fourth stage: a race on common delays, heat by heat with more replications and fewer schemes.

The delays are those of the config's seed.
"""

from __future__ import annotations

from collections.abc import Sequence

from .bench import RACE_DELAYS, Bench, Part
from .compare import behind, leader, mean, order
from .costs import require_some
from .entry import Entry, final_order, running
from .goal import Asked
from .item import Refused
from .trial import LEFT

HEATS = ((8, 16), (16, 12), (32, 8), (64, 8))
"""Replications of each heat of the race, and how many schemes stay after it at most."""

QUICK_HEATS = ((16, 24), (64, 12), (256, 8))
"""The same where nothing is trained."""


def race(bench: Bench, entries: Sequence[Entry]) -> list[Entry]:
    """Run all heats; returns the finalists, the best first.

    Raises:
        ConfigError: a scheme of the config cannot be simulated, or nothing keeps the limits.
    """
    heats = HEATS if bench.asked.trains else QUICK_HEATS
    if bench.asked.trains:
        _readmit_untuned_best(bench.asked, entries)
    for heat, (replications, most) in enumerate(heats):
        left = running(entries)
        rates = {entry.place: _rates(bench.asked, entry) for entry in left}
        part = Part(3 + heat / len(heats), 1 / len(heats))
        found = bench.measured(left, replications, part, rates, RACE_DELAYS)
        for entry, one in zip(left, found, strict=True):
            if isinstance(one, Refused):
                entry.refuse(one.reason)
                continue
            entry.final = one
            bench.limit(entry, bench.costs(entry, one, mean(entry.own())))
        _leave_behind(entries, replications, most)
    return sorted(running(entries), key=final_order)


def _leave_behind(entries: Sequence[Entry], replications: int, most: int) -> None:
    """After a heat whoever is surely behind the leader leaves, and the last of too many."""
    require_some(entries)
    left = running(entries)
    first = entries[leader({e.place: e.own() for e in left if not e.breaks})]
    stage = f"race, {replications} replications"
    for rank, entry in enumerate(sorted(left, key=final_order)):
        if entry is first or entry.given:
            continue
        if behind(entry.own(), first.own()):
            entry.leave(stage, f"surely behind {first.label}")
        elif rank >= most:
            entry.leave(stage, f"not among the best {most}")


def _readmit_untuned_best(asked: Asked, entries: Sequence[Entry]) -> None:
    """Whoever would be first without tuning is in the race as well."""

    def untuned(entry: Entry) -> tuple[float, float]:
        assert entry.trial is not None
        return order(entry.trial.at(asked.common))

    tried = [e for e in entries if e.trial is not None and asked.common in e.trial.rates]
    if tried:
        first = min(tried, key=untuned)
        if first.out and first.stage == LEFT:
            first.out = first.stage = ""


def _rates(asked: Asked, entry: Entry) -> tuple[float, ...]:
    """A scheme's own learning rate and the common one; none where nothing is trained."""
    return tuple(dict.fromkeys((entry.rate, asked.common))) if asked.trains else ()
