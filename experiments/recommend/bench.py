"""Measures schemes side by side, in lanes if there are any, and says how far it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..run.processes import Lane
from .costs import costs, limit
from .entry import Entry
from .goal import Asked
from .item import Item, Refused
from .lengths import long_enough
from .measure import measure_all
from .measured import Measured
from .subject import Subject

Report = Callable[[float, int], None]
"""Called with the stages that are done, and how many there are."""

STAGES = 5
"""Steps of the progress bar: theory and clock, trial, rates, race, sensitivity."""

RACE_DELAYS, TRIAL_DELAYS = 0, 1
"""What is added to the config's seed: rates are chosen on other delays than those of the race."""


@dataclass(frozen=True)
class Part:
    """A part of the progress bar.

    Attributes:
        start: stages that are done when it begins.
        length: its share of a stage.
    """

    start: float
    length: float


@dataclass(frozen=True)
class Bench:
    """What measuring needs to know.

    Attributes:
        subject: the cluster.
        asked: the question.
        lanes: where to compute; none: here.
        report: told of the progress.
        horizon: seconds that uncoded takes for the config's iterations; NaN before its clock ran.
    """

    subject: Subject
    asked: Asked
    lanes: Sequence[Lane]
    report: Report
    horizon: float = np.nan

    def item(
        self,
        entry: Entry,
        replications: int,
        rates: tuple[float, ...] = (),
        delays: int = RACE_DELAYS,
    ) -> Item:
        """What is measured of a scheme, with a run that is long enough for the goal."""
        subject, goal = self.subject, self.asked.goal
        iterations = subject.iterations
        return Item(
            entry.place,
            subject.text,
            json.dumps(dict(entry.section)),
            int(subject.base["seed"]),
            long_enough(entry, iterations, goal, self.horizon) if rates else iterations,
            replications,
            goal,
            rates,
            subject.data_dir,
            delays=delays,
        )

    def measured(
        self,
        entries: Sequence[Entry],
        replications: int,
        part: Part,
        rates: Mapping[int, tuple[float, ...]] | None = None,
        delays: int = TRIAL_DELAYS,
    ) -> list[Measured | Refused]:
        """Measure schemes; without rates, their clocks alone.

        Args:
            entries: the schemes.
            replications: of each.
            part: of the progress bar.
            rates: learning rates of each, by its place.
            delays: which, ``RACE_DELAYS`` or ``TRIAL_DELAYS``.
        """
        chosen = rates or {}
        items = [
            self.item(entry, replications, chosen.get(entry.place, ()), delays) for entry in entries
        ]
        return measure_all(items, self.lanes, self.told(part, len(items)))

    def told(self, part: Part, count: int) -> Callable[[float], None]:
        """A report of the items done, of so many."""

        def tell(done: float) -> None:
            self.report(part.start + part.length * done / max(1, count), STAGES)

        return tell

    def costs(self, entry: Entry, one: Measured, value: float) -> dict[str, float]:
        """What a scheme costs that reaches a value."""
        return costs(entry, one, value, self.asked.goal, self.subject.features)

    def limit(self, entry: Entry, numbers: Mapping[str, float]) -> None:
        """Note that a scheme breaks a limit, if it does."""
        limit(entry, numbers, self.asked.limits)
