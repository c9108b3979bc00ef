"""The third stage: each scheme's own learning rate, from trial delays.

Rates are chosen on trial delays and schemes compared on the config's, so that no scheme is
flattered by the choice of its rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import space
from .bench import Bench, Part
from .compare import order
from .entry import Entry, running, trial_order
from .goal import Asked, Goal
from .item import Refused
from .screening import SCREENED, clock, look_at

TRIAL, TUNED = 4, 16
"""Replications on which rates are tried by factors of 4, and then by factors of 2."""

SPACING = 4.0

COARSE = tuple(SPACING**k for k in range(-3, 2))
"""Learning rates that every scheme is tried at, times the best one of the exact gradient."""

FINE = (0.5, 1.0, 2.0)
"""Learning rates around the best one of a scheme."""

FAR, MOST_SLOW = 4.0, 8
"""Before anything is trained, whoever takes longer than so many times the best by the yardstick of
``progress`` goes; and of schemes without a barrier, which are slow to train, so many stay."""

TRIED, NEAR = 32, 2.0
"""Schemes that are tuned further and race: so many, within this factor of the best of the trial."""

REFINED, TIMES = 3, 2
"""Schemes between whose numbers of arrivals more are tried, and how often."""

LEFT = "trial"
"""The stage at which those leave that are far behind in the trial."""


def try_rates(bench: Bench, entries: list[Entry]) -> None:
    """Rates by factors of 4, for all; then half-way numbers of arrivals around the best, which
    become entries as well; whoever is far behind leaves.

    Raises:
        ConfigError: a scheme of the config cannot be simulated.
    """
    _by_yardstick(entries)
    rates = _rates(bench.asked, COARSE, bench.asked.centre)
    left = running(entries)
    slow = [entry for entry in left if entry.sketch is None or entry.barrierless]
    quick = [entry for entry in left if entry not in slow]
    for some, start in ((quick, 1.0), (slow, 1.25)):
        _try(bench, some, TRIAL, {entry.place: rates for entry in some}, Part(start, 0.25))
    for _ in range(TIMES):
        entries += _between(bench, entries)
    left = sorted(running(entries), key=trial_order)
    best = trial_order(left[0])
    for rank, entry in enumerate(left):
        mine = trial_order(entry)
        near = mine[0] <= best[0] and mine[1] <= NEAR * best[1]
        if not (entry.given or (near and rank < TRIED)):
            entry.leave(LEFT, _slower(mine, best, bench.asked.goal))


def tune(bench: Bench, entries: Sequence[Entry]) -> None:
    """Rates by factors of 2 around the best of each, on more trial delays.

    Raises:
        ConfigError: a scheme of the config cannot be simulated.
    """
    left = running(entries)
    rates = {entry.place: _rates(bench.asked, FINE, entry.rate) for entry in left}
    _try(bench, left, TUNED, rates, Part(2.0, 1.0))


def _by_yardstick(entries: Sequence[Entry]) -> None:
    """Whoever is far behind by the yardstick of progress goes, and most of those that are slow to
    simulate."""
    found = sorted(
        (e.clocked.yardstick, e.place) for e in running(entries) if e.clocked is not None
    )
    slow = 0
    for seconds, place in found:
        entry = entries[place]
        slow += entry.barrierless
        if entry.given:
            continue
        if seconds > FAR * found[0][0]:
            times = f"{seconds / found[0][0]:.3g} times the best"
            entry.leave(SCREENED, f"{times} by the yardstick of progress")
        elif entry.barrierless and slow > MOST_SLOW:
            text = f"not among the {MOST_SLOW} best without a barrier by the yardstick"
            entry.leave(SCREENED, text)


def _between(bench: Bench, entries: Sequence[Entry]) -> list[Entry]:
    """Numbers of arrivals between those that were tried, around the best of each scheme."""
    best: dict[tuple[Any, ...], Entry] = {}
    for entry in sorted(running(entries), key=trial_order):
        kind = tuple(
            (k, v) for k, v in entry.section.items() if k not in ("wait_for", "batch", "label")
        )
        best.setdefault(kind, entry)
    new: list[Entry] = []
    wanted: dict[int, tuple[float, ...]] = {}
    tried = [entry.section for entry in entries]
    for entry in [*best.values()][:REFINED]:
        for section in space.neighbours(entry.section, tried):
            tried.append(section)
            one = Entry(len(entries) + len(new), section, False)
            wanted[one.place] = _rates(bench.asked, FINE, entry.rate)
            new.append(one)
    look_at(bench, new, Part(1.5, 0.1))
    clock(bench, running(new), Part(1.6, 0.1))
    _try(bench, running(new), TRIAL, wanted, Part(1.75, 0.1))
    return new


def _try(
    bench: Bench,
    entries: Sequence[Entry],
    replications: int,
    rates: Mapping[int, tuple[float, ...]],
    part: Part,
) -> None:
    """Train at several rates, and note the best of each scheme."""
    found = bench.measured(entries, replications, part, rates)
    for entry, one in zip(entries, found, strict=True):
        if isinstance(one, Refused):
            entry.refuse(one.reason)
            continue
        entry.trial = one
        entry.rate = one.rates[min(range(len(one.rates)), key=lambda i: order(one.values[i]))]


def _rates(asked: Asked, factors: Sequence[float], centre: float) -> tuple[float, ...]:
    """A few rates, and the common one."""
    return tuple(sorted({*(centre * factor for factor in factors), asked.common}))


def _slower(mine: tuple[float, float], best: tuple[float, float], goal: Goal) -> str:
    if mine[1] == float("inf"):
        return "never reaches the goal in the length of the runs, at any rate"
    if mine[0] > best[0]:
        return f"reaches the goal in {mine[0]:.0f} trial replications less than the best"
    times = f"{mine[1] / best[1]:.3g} times the best"
    return f"{mine[1]:.4g}{goal.unit} {goal.words} at its best rate, {times}"
