"""Everything that is found out about a measured table, in order, and as tidy tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...delay_models.base import FloatArray
from ..config.errors import ConfigError
from .candidates import Candidate, choose, mixture_of
from .families import EMPIRICAL, FAMILIES
from .goodness import Fit, fit_families, halves, observed_order_statistics
from .load import LoadFit, measure_load
from .recipes import Subject, subjects
from .variance import Memory, Variance, measure_memory, split_variance
from .workers import Estimates, Workers, describe, without

# Everything that is found out about a measured table, in order.


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


# The findings as tidy tables.


CONFIG = "config"
"""The family's name of the whole ``delay:`` section, beside the families."""


def fit_table(findings: Findings) -> pd.DataFrame:
    """One row per subject and family, best prediction of held-out rounds first.

    Columns: ``load`` (``all`` pools all loads), ``family``, ``delay`` (the section, JSON),
    ``parameters`` (how many), ``delays`` (how many were fitted), ``log_likelihood``, ``aic``,
    ``ks``, ``order_error`` (of the rounds that were fitted), ``held_out`` (of rounds that were
    not), ``rank_order``, ``rank_aic``.
    """
    rows = []
    for answer in findings.answers:
        aics = sorted(fit.aic for fit in answer.fits)
        for rank, fit in enumerate(answer.fits, start=1):
            rows.append(
                {
                    "load": answer.subject.label,
                    "family": fit.family.name,
                    "delay": json.dumps(fit.law.section()),
                    "parameters": len(fit.family.parameters),
                    "delays": len(answer.subject.bulk),
                    "log_likelihood": fit.log_likelihood,
                    "aic": fit.aic,
                    "ks": fit.ks,
                    "order_error": fit.order_error,
                    "held_out": fit.held_out.error,
                    "rank_order": rank,
                    "rank_aic": 1 + aics.index(fit.aic),
                }
            )
    return pd.DataFrame(rows)


def order_table(findings: Findings) -> pd.DataFrame:
    """One row per subject, family and k: mean k-th smallest delay of a round, seconds.

    Columns: ``load``, ``family`` (``config``: the whole section, against all rounds; families:
    against rounds without cold starts), ``k``, ``observed``, ``predicted``, ``ratio``.
    """
    ks = np.array(findings.ks)
    whole = observed_order_statistics(findings.main.subject.rounds, findings.ks)
    parts = [(findings.main.subject.label, CONFIG, whole, findings.chosen.predicted)]
    for answer in findings.answers:
        label = answer.subject.label
        parts += [(label, f.family.name, f.observed, f.predicted) for f in answer.fits]
    with np.errstate(divide="ignore", invalid="ignore"):  # a delay of 0 s has no ratio
        frames = [_orders(ks, *part) for part in parts]
    return pd.concat(frames, ignore_index=True)


def workers_table(findings: Findings) -> pd.DataFrame:
    """One row per worker; see ``hosts.worker_table``."""
    return worker_table(findings.workers, findings.hosts)


def _orders(
    ks: np.ndarray, load: str, family: str, observed: FloatArray, predicted: FloatArray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "load": load,
            "family": family,
            "k": ks,
            "observed": observed,
            "predicted": predicted,
            "ratio": predicted / observed,
        }
    )


def shown_places(count: int) -> list[int]:
    """Which of so many order statistics are shown: at most six, with the first and the last."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, 6).round())]


COLUMNS = ("slower", "slow", "spell", "correlation", "cost")


TITLES = {
    "slower": "times as slow",
    "slow": "slow rounds",
    "spell": "rounds in a row",
    "correlation": "correlation at lag 1",
    "cost": "costs (s a round)",
}


UNKNOWN = "cannot tell"


WIDEST = {"slow": 0.5, "correlation": 1.0}
"""Half of what is possible: an interval as wide holds everything that might matter."""


def worker_table(workers: Workers | None, hosts: Sequence[str]) -> pd.DataFrame:
    """One row per worker, those that stand out first.

    Columns: ``worker`` (its number), ``host``, ``stands_out``; and ``slower`` (times the median
    worker), ``slow`` (share of rounds), ``spell`` (mean slow rounds in a row), ``correlation`` (at
    lag 1), ``cost`` (seconds a round), each with ``_low`` and ``_high``, the ends of its 95 %
    interval. No rows where there are too few rounds or workers.
    """
    order = [] if workers is None else [*workers.order]
    columns: dict[str, object] = {
        "worker": np.array(order, dtype=np.int64),
        "host": pd.array([hosts[j] for j in order], dtype="string"),
        "stands_out": np.array(
            [workers is not None and j in workers.standing for j in order], bool
        ),
    }
    for name in COLUMNS:
        found: Estimates | None = None if workers is None else getattr(workers, name)
        for field, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            values = np.empty(0) if found is None else getattr(found, field)[order]
            columns[name + end] = values
    return pd.DataFrame(columns)


def named(workers: Workers | None, hosts: Sequence[str]) -> list[str]:
    """A line for each worker that stands out."""
    if workers is None:
        return ["- workers: cannot be told (too few rounds or workers)"]
    if not workers.standing:
        return ["- workers: none is slow more often, or for longer, than chance explains"]
    return [f"- worker {hosts[j]} stands out: {_sentence(workers, j)}" for j in workers.standing]


def standing_rows(workers: Workers, hosts: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of those that stand out."""
    rows = [
        [hosts[j], *(_with_interval(name, getattr(workers, name), j) for name in COLUMNS)]
        for j in workers.standing
    ]
    return ["worker", *TITLES.values()], rows


def _sentence(workers: Workers, j: int) -> str:
    slower, slow, spell = workers.slower.value[j], workers.slow.value[j], workers.spell.value[j]
    parts = [f"{slower:.2f} times as slow as the median worker", f"slow in {slow:.1%} of rounds"]
    if np.isfinite(spell):
        parts.append(f"for {spell:.1f} rounds in a row")
    return f"{', '.join(parts)}; costs {workers.cost.value[j]:.3g} s a round"


def _with_interval(name: str, found: Estimates, j: int) -> str:
    value, low, high = found.value[j], found.low[j], found.high[j]
    width = high - low
    if not np.isfinite(width) or width >= WIDEST.get(name, np.inf):
        return UNKNOWN if not np.isfinite(value) else f"{_number(name, value)} ({UNKNOWN})"
    return f"{_number(name, value)} ({_number(name, low)} to {_number(name, high)})"


def _number(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "slow" else f"{value:.3g}"
