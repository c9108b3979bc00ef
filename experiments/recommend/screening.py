"""The first two stages: theory and the clock say who cannot win, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..config.errors import ConfigError
from ..run.pool import Died, map_unordered
from . import space
from .bench import Bench, Part
from .compare import mean
from .costs import require_some
from .entry import Entry, running
from .expected import CLOCK, Expected
from .goal import Asked
from .item import Refused
from .lengths import require_budget
from .losers import Known, cannot_win
from .measured import Measured
from .sketch import Sketch, sketch
from .subject import Subject

CLOCKED = 8
"""Replications of the clock that screens."""

SCREENED = "screened"
"""The stage at which those leave that cannot win."""


def listed(subject: Subject, asked: Asked) -> list[Entry]:
    """The schemes of the config, and then all that are searched."""
    most = asked.limits.load if asked.limits.load is not None else subject.workers
    network = subject.base.get("network") is not None or asked.limits.bytes is not None
    room = space.Room(subject.workers, subject.typical, int(most), not asked.trains, network)
    sections = [*subject.given, *space.sections(room, subject.catalogue, asked.only)]
    return [
        Entry(place, section, place < len(subject.given)) for place, section in enumerate(sections)
    ]


def by_theory(bench: Bench, entries: Sequence[Entry]) -> None:
    """What theory knows, of every scheme; whoever cannot win leaves.

    Raises:
        ConfigError: one of the config cannot be built, or none keeps the limits.
    """
    look_at(bench, entries, Part(0.0, 0.5))
    require_some(entries)
    _drop_losers(bench, entries)


def by_clock(bench: Bench, entries: Sequence[Entry]) -> Bench:
    """The clock of all that are left; whoever cannot win or does the same as another leaves.

    Returns the bench, which knows how long uncoded takes.

    Raises:
        ConfigError: one of the config cannot be simulated, none keeps the limits, or the budget is
            too long.
    """
    each = float(_baseline(bench, entries).iteration_time.mean())
    bench = replace(bench, horizon=each * bench.subject.iterations)
    if bench.asked.goal.kind == "budget":
        require_budget(bench.asked.goal, each)
    clock(bench, running(entries), Part(0.5, 0.5))
    require_some(entries)
    _drop_doubles(bench, entries)
    _drop_losers(bench, entries)
    return bench


def look_at(bench: Bench, entries: Sequence[Entry], part: Part) -> None:
    """Build schemes, and note what is known of each without simulating it."""
    items = [bench.item(entry, 1) for entry in entries]
    found: dict[int, Sketch | Refused | Died] = {}
    for item, one in map_unordered(sketch, items, bench.lanes, bench.told(part, len(items))):
        found[item.place] = one
    for entry in entries:
        match found[entry.place]:
            case Sketch() as one:
                entry.sketch, entry.expected = one, one.expected
                error = np.nan if one.expected is None else one.expected.error
                bench.limit(entry, {"load": float(one.holds), "error": error})
            case Refused(reason) | Died(reason):
                entry.refuse(reason)


def clock(bench: Bench, entries: Sequence[Entry], part: Part) -> None:
    """Simulate the clocks of schemes, and note what is expected of those that theory does not
    know."""
    found = bench.measured(entries, CLOCKED, part)
    for entry, one in zip(entries, found, strict=True):
        if isinstance(one, Refused):
            entry.refuse(one.reason)
            continue
        entry.clocked = one
        value = np.nan if bench.asked.trains else mean(one.values[0])
        if entry.expected is None:
            sound = one.staleness == 0 and not entry.barrierless
            seconds = float(one.iteration_time.mean())
            entry.expected = Expected(CLOCK, seconds, one.error, value, sound)
        bench.limit(entry, bench.costs(entry, one, value))


def _baseline(bench: Bench, entries: Sequence[Entry]) -> Measured:
    """The clock of uncoded; where that never ends, of the config's first scheme."""
    reason = ""
    for entry in (Entry(len(entries), {"name": "uncoded"}, True), entries[0]):
        found = bench.measured([entry], CLOCKED, Part(0.5, 0.0))[0]
        if isinstance(found, Measured):
            return found
        reason = found.reason
    raise ConfigError(reason)


def _drop_losers(bench: Bench, entries: Sequence[Entry]) -> None:
    """Whoever cannot win leaves, unless limits on costs decide that are not known yet."""
    limits, asked = bench.asked.limits, bench.asked
    known = not asked.trains and not np.isnan(bench.horizon)
    if (limits.worker_seconds, limits.bytes) != (None, None) and not known:
        return
    seen = [
        Known(e.place, str(e.section["name"]), e.label, e.given, e.expected)
        for e in running(entries)
        if not e.breaks
    ]
    for place, why in cannot_win(seen, asked.goal).items():
        entries[place].leave(SCREENED, why)


def _drop_doubles(bench: Bench, entries: Sequence[Entry]) -> None:
    """Of schemes that do the same the first stays, and those of the config."""
    seen: dict[tuple[Any, ...], Entry] = {}
    for entry in running(entries):
        same = seen.setdefault(_deeds(entry, bench.asked.trains), entry)
        if same is not entry and not entry.given:
            entry.leave(SCREENED, f"does the same as {same.label}")


def _deeds(entry: Entry, trains: bool) -> tuple[Any, ...]:
    """Equal for two schemes that do the same: fresh exact gradients at the same times, or one
    scheme twice; without training also other updates that count the same."""
    one, known = entry.clocked, entry.sketch
    assert one is not None
    assert known is not None
    if one.exact or not trains:
        return one.mark, known.holds, one.exact
    return (one.label,)
