"""The search: theory and the clock, a trial of learning rates, and a race on common delays."""

from __future__ import annotations

from dataclasses import dataclass

from .bench import Bench
from .entry import Entry
from .race import race
from .screening import by_clock, by_theory, listed
from .trial import try_rates, tune


@dataclass(frozen=True)
class Searched:
    """What came of a search.

    Attributes:
        bench: on which all was measured.
        entries: all schemes, by their places.
        finalists: those that stayed, the best first.
    """

    bench: Bench
    entries: list[Entry]
    finalists: list[Entry]


def search(bench: Bench) -> Searched:
    """Go through all stages.

    Raises:
        ConfigError: nothing keeps the limits, or a scheme of the config cannot be simulated.
    """
    entries = listed(bench.subject, bench.asked)
    by_theory(bench, entries)
    bench = by_clock(bench, entries)
    if bench.asked.trains:
        try_rates(bench, entries)
        tune(bench, entries)
    return Searched(bench, entries, race(bench, entries))
