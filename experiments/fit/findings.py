"""Everything that is found out about a measured table, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...delay_models.base import FloatArray
from ..config.errors import ConfigError
from .candidates import Candidate, choose, mixture_of
from .heldout import halves
from .laws import EMPIRICAL, FAMILIES
from .laws.goodness import Fit, fit_families
from .laws.load import LoadFit, measure_load
from .laws.memory import Memory, measure_memory
from .laws.variance import Variance, split_variance
from .spells import without
from .subject import Subject, subjects
from .workers import Workers, describe

Report = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Answers:
    """What was found in one subject.

    Attributes:
        subject: the delays.
        fits: every family fitted to the bulk, best order statistics of held-out rounds first.
        refused: families that cannot fit, with the reason.
        variance: split into worker, round and rest, of the bulk.
        memory: persistence, of the bulk; but for workers with spells of their own.
    """

    subject: Subject
    fits: list[Fit]
    refused: dict[str, str]
    variance: Variance | None
    memory: Memory | None


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in a table.

    Attributes:
        tables: ``{load: (rounds, n) seconds}``.
        ks: the order statistics that families are ranked by.
        load: how delays grow with the load; ``None`` where there is one load.
        load_law: the ``load_law:`` section.
        answers: one per subject; the first is what the config is made from.
        chosen: the ``delay:`` section.
        hosts: names of the workers.
        notes: what should be known of the table, a line each.
        workers: each by itself; ``None`` where too little was measured.
    """

    tables: Mapping[float | None, FloatArray]
    ks: Sequence[int]
    load: LoadFit | None
    load_law: dict[str, Any]
    answers: list[Answers]
    chosen: Candidate
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    workers: Workers | None = None

    @property
    def main(self) -> Answers:
        """The subject of the config."""
        return self.answers[0]


def investigate(
    tables: Mapping[float | None, FloatArray],
    load: float | None,
    ks: Sequence[int],
    report: Report,
    hosts: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Findings:
    """Fit everything.

    Args:
        tables: ``{load: (rounds, n) seconds}``, all with the same n.
        load: make the config from this load alone.
        ks: which order statistics, 1 is the smallest.
        report: progress.
        hosts: names of the workers; their numbers if empty.
        notes: what should be known of the table.

    Raises:
        ConfigError: nothing can be fitted.
    """
    loads = measure_load({key: t for key, t in tables.items() if key is not None})
    law = {"kind": "proportional"} if loads is None else positive_law(loads, tables)
    wanted = subjects(tables, law, load)
    workers = describe(wanted[0].tables)
    lasting = () if workers is None else workers.lasting
    steps = 2 * len(wanted) + 1
    answers: list[Answers] = []
    for index, subject in enumerate(wanted):
        report(2 * index, steps)
        bulk, whole = subject.bulk, subject.bulk_tables
        held_out = halves(whole)
        families = [*FAMILIES.values(), *([EMPIRICAL] if held_out else [])]
        fits, refused = fit_families(families, bulk, subject.bulk_rounds, ks, held_out)
        report(2 * index + 1, steps)
        mixture = mixture_of(fits)
        variance = split_variance(whole)
        memory = None if mixture is None else measure_memory(without(whole, lasting), mixture)
        answers.append(Answers(subject, fits, refused, variance, memory))
    first = answers[0]
    if not first.fits:
        raise ConfigError(f"no family can be fitted: {next(iter(first.refused.values()))}")
    report(steps - 1, steps)
    chosen = choose(first.subject, first.fits, first.variance, first.memory, ks, workers)
    report(steps, steps)
    hosts = hosts or tuple(map(str, range(first.subject.workers)))
    return Findings(tables, ks, loads, law, answers, chosen, hosts, notes, workers)


def positive_law(loads: LoadFit, tables: Mapping[float | None, FloatArray]) -> dict[str, Any]:
    """The load law; what a load costs is capped where a unit delay would become negative."""
    section = loads.section()
    if section["kind"] == "additive":
        most = min(float(t.min()) / key for key, t in tables.items() if key)
        section["seconds_per_partition"] = min(section["seconds_per_partition"], most * 0.999)
    if section["kind"] == "steps":
        least = min(float(t.min()) for key, t in tables.items() if key != min(loads.loads))
        section["seconds"] = [min(seconds, least * 0.999) for seconds in section["seconds"]]
    return section
