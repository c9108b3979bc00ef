"""Everything that is found out about a measured table, in order, and as tidy tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ....delay_models.measured.measured import MeasuredDelays
from ....sim.base.errors import ConfigError, Option, at
from ....sim.base.numerics import one_thread
from ...config.document import write_yaml
from ...text import number_of
from ..statistics.groups import Group
from .candidates import (
    Chosen,
    LoadFindings,
    bootstrapped,
    choose,
    may_be_bootstrapped,
    mixture_of,
)
from .config import CONFIG, small_config
from .cut.study import CutFindings, cut_tables, for_workers, is_cut, study_cut
from .laws.cold import UnitDelays, by_load
from .laws.families import EMPIRICAL, FAMILIES
from .laws.goodness import (
    Resimulated,
    fit_families,
    folds,
    observed_order_statistics,
    resimulated,
)
from .laws.law import section_of
from .laws.load import LoadFit, measure_load, positive_units
from .laws.variance import measure_memory, split_variance
from .laws.workers import Racks, Workers, find_racks, in_turn, judge_workers, without
from .recipes import MEASURED_ROUNDS

LOAD_COLUMNS = ["load", "rounds", "median", "spread", "delays", "worker", "round", "rest"]
LOAD_COLUMNS += ["worker_chance", "round_chance", "persistence", "persistence_low"]
LOAD_COLUMNS += ["persistence_high", "persistence_chance", "cold_rounds", "cold_beyond"]
LOAD_COLUMNS += ["cold_at_once"]
ESTIMATES = ("slower", "slow", "spell", "correlation", "cost")  # with intervals
OFF_FACTOR = 1.05  # a law that is further off in its own table gives way to that table's rounds
HANDFUL_ROUNDS = 8  # so many, or fewer, show no law: they are drawn again, whatever fits them
MOST_WORKERS = 100_000  # that a section may list
MARKED_LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)  # that carry a marker in the picture


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found in a table."""

    measured: MeasuredDelays  # the table
    ks: Sequence[int]  # the order statistics that families are ranked by
    load: LoadFit | None  # how delays grow with the load; ``None`` where there is one load
    load_law: dict[str, Any]  # the ``load_law:`` section
    loads: list[LoadFindings]  # of each load and of all; the config is made from the first
    chosen: Chosen  # the ``delay:`` section
    workers: Workers | None  # each by itself; ``None`` where too little was measured
    shorter: dict[float | None, int]  # per load, how many calls took less than the load costs
    checked: list[Resimulated]  # the sections against the rounds of their loads
    together: list[Group]  # workers that are slow together
    size: int | None = None  # workers of the section and the config, if not those of the table

    @property
    def warnings(self) -> list[str]:
        """What the fitted sections get wrong of the table they came from, at most a line of when
        workers arrive and one of who is late."""
        lines, of = list[str](), self.measured.workers
        farthest = max(self.checked, key=lambda check: float(check.times.outside.max()))
        if farthest.missed:
            times, worst = farthest.times, int(np.argmax(farthest.times.outside))
            lines.append(
                f"the fitted model misses its own table: {_at(farthest)}arrival {times.ks[worst]} "
                f"of {of} is at {times.simulated[worst]:.3g} s in the mean, where "
                f"{times.measured[worst]:.3g} s were measured"
            )
        for check in self.checked:
            if (heard := check.heard) is not None and (unlike := heard.most_unlike) is not None:
                lines.append(
                    f"the fitted model misses who is late: {_at(check)}the worker that is heard "
                    f"least is among the first {heard.ks[unlike]} of {of} in "
                    f"{heard.simulated[unlike]:.2f} of its rounds, and in "
                    f"{heard.measured[unlike]:.2f} of the measured ones"
                )
                break
        return lines

    @property
    def main(self) -> LoadFindings:
        """What the config is made from."""
        return self.loads[0]

    @property
    def racks(self) -> Racks | None:
        """Those of the section; ``None``: it has none."""
        return None if self.chosen.taken is MEASURED_ROUNDS else self.main.delays.racks

    @cached_property
    def sections(self) -> str:
        """``delay:`` and ``load_law:`` as YAML, to be pasted into a config."""
        return write_yaml({"delay": self.chosen.section, "load_law": self.load_law})

    @property
    def config(self) -> dict[str, Any]:
        """A whole small config with the fitted sections, for ``erasurehead run``."""
        n = self.size or self.measured.workers
        return small_config(
            delay=self.chosen.section,
            load_law=self.load_law,
            workers=n,
            wait_for=max(1, min(n - 1, round(0.9 * n))),
            rounds=len(self.main.delays.rounds),
            varies=max(check.varies for check in self.checked),
        )


def _at(check: Resimulated) -> str:
    return "" if check.load is None else f"at load {check.load:g} "


@one_thread()
def study(
    measured: MeasuredDelays,
    ks: Sequence[int],
    load: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    bootstrap: bool = True,
) -> Findings:
    """Fit load law, workers, families and memory to a table without missing delays, and choose the
    ``delay:`` section, by the order statistics ``ks``, and from one load alone if that is given.
    Measured rounds are the section only if they may be drawn again (``bootstrap``), for no more
    workers. ``progress`` is told of steps done, and in all. Raises ConfigError: nothing can be
    fitted."""
    tables = measured.tables
    growth = measure_load({key: t for key, t in tables.items() if key is not None})
    law = {"kind": "proportional"} if growth is None else growth.law
    units, shorter = positive_units(tables, law)
    wanted = by_load(units, law, load)
    workers = judge_workers(wanted[0].tables)
    asked = {key: table for key, table in tables.items() if load is None or key == load}
    together, racks = find_racks(wanted[0].tables, measured.hosts, measured.groups)
    steps, drafts = 2 * len(wanted) + 1, list[tuple[LoadFindings, Chosen, list[Resimulated]]]()
    progress(0, steps)
    for known in dict.fromkeys((racks, None)):  # without racks, if with them no law holds
        delays = replace(wanted[0], racks=known)
        own = workers if known is None else judge_workers(delays.mended)
        first = _of_load(delays, ks, own)
        if not first.fits:
            raise ConfigError(f"no family can be fitted: {next(iter(first.refused.values()))}")
        progress(1, steps)
        chosen = choose(first, ks, own)
        drafts.append((first, chosen, resimulated(chosen.section, law, asked)))
        if not _fails(*drafts[-1][1:]):
            break
    first, chosen, checked = min(drafts, key=lambda draft: (_fails(*draft[1:]), draft[1].off))
    every = [first]
    for delays in wanted[1:]:
        progress(2 * len(every), steps)
        every.append(_of_load(delays, ks, workers))
        progress(2 * len(every) - 1, steps)
    progress(steps - 1, steps)
    # Under per_partition a task draws for each partition, and a measured round is one draw.
    drawable = bootstrap and law["kind"] != "per_partition"
    if drawable and may_be_bootstrapped(first.delays):
        drawn = bootstrapped(chosen, first.delays, ks)
        few = len(first.delays.rounds) <= HANDFUL_ROUNDS
        chosen = replace(chosen, tried=drawn.tried)
        if few or _fails(chosen, checked):
            mended = resimulated(drawn.section, law, asked)
            if few or not any(check.departs for check in mended):  # as those of pooled loads may
                chosen, checked = drawn, mended
    progress(steps, steps)
    return Findings(measured, ks, growth, law, every, chosen, workers, shorter, checked, together)


def _of_load(delays: UnitDelays, ks: Sequence[int], workers: Workers | None) -> LoadFindings:
    """What is found in the delays of one load; some ``workers`` may have spells of their own."""
    spells, whole = () if workers is None else workers.spelled, delays.bulk_tables
    held_out = folds(whole)
    families = [*FAMILIES.values(), *([EMPIRICAL] if held_out else [])]
    fits, refused = fit_families(families, delays.bulk, np.concatenate(whole), ks, held_out)
    mixture = mixture_of(fits)
    memory = None if mixture is None else measure_memory(without(whole, spells), mixture)
    return LoadFindings(delays, fits, refused, split_variance(whole), memory)


def _fails(chosen: Chosen, checked: Sequence[Resimulated]) -> bool:
    """Whether a section makes other rounds than those of its table."""
    return bool(chosen.off > np.log(OFF_FACTOR)) or any(check.departs for check in checked)


def study_for(
    count: int | None,
    measured: MeasuredDelays,
    ks: Sequence[int],
    load: float | None,
    progress: Callable[[int, int], None],
) -> Findings | CutFindings:
    """``study``, or ``study_cut`` where rounds ended before all were heard, with a section for so
    many workers, those of the table in turn; ``None``: as many as it has. Raises ConfigError: there
    are none, or too many; or nothing can be fitted."""
    if count is not None and not 1 <= count <= MOST_WORKERS:
        raise at(Option("workers"), count, f"must be 1 to {MOST_WORKERS}")
    cut = is_cut(measured, load)
    if count is None:
        if cut:
            return study_cut(measured, ks, load, progress)
        return study(measured, ks, load, progress)
    workers = measured.workers
    who = f"the {workers} of the table in turn" if count >= workers else "the first of the table"
    text = f"{number_of(count, 'worker')}: {who}, each with as large a task as it had"
    if cut:
        return for_workers(study_cut(measured, ks, load, progress), count, text)
    findings = study(measured, ks, load, progress, bootstrap=count <= workers)
    chosen = findings.chosen
    section = in_turn(chosen.section, workers, count)
    chosen = replace(chosen, section=section, why=(*chosen.why, text))
    return replace(findings, size=count, chosen=chosen)


def tables(findings: Findings | CutFindings) -> dict[str, pd.DataFrame]:
    """All that is kept of the findings, each by the name of its file; docs/traces.md has columns.
    ``fit``: a row per load and family, best prediction of held-out rounds first.
    ``order_statistics``: a row per load, family and k. ``quantiles``: of the delays that the config
    is made from, a row per family and level. ``candidates``: the delay sections that competed, from
    simple to full. ``loads``: a row per load. ``load_laws``: a row per law. ``workers``: a row per
    worker, those that stand out first."""
    if isinstance(findings, CutFindings):
        return cut_tables(findings)
    growth, chosen = findings.load, findings.chosen
    rows = [
        ("; ".join(recipe.words), score.error, score.bias, recipe is chosen.taken)
        for recipe, score in chosen.tried.items()
    ]
    misfits = {} if growth is None else growth.misfits
    laws = [(law, misfit, growth and law == growth.kind) for law, misfit in sorted(misfits.items())]
    return {
        "fit": pd.DataFrame([row for of in findings.loads for row in _fit_rows(of)]),
        "order_statistics": _order_statistics(findings),
        "quantiles": _quantiles(findings.main),
        "candidates": pd.DataFrame(rows, columns=["candidate", "held_out", "bias", "taken"]),
        "loads": _loads(findings),
        "load_laws": pd.DataFrame(laws, columns=["law", "misfit", "holds"]),
        "workers": worker_table(findings.workers, findings.measured.hosts),
    }


def _fit_rows(findings: LoadFindings) -> Iterator[dict[str, object]]:
    for rank, fit in enumerate(findings.fits, start=1):
        yield {
            "load": findings.delays.label,
            "family": fit.family.name,
            "delay": json.dumps(section_of(fit.law)),
            "parameters": fit.family.parameters,
            "delays": len(findings.delays.bulk),
            "log_likelihood": fit.log_likelihood,
            "aic": fit.aic,
            "ks": fit.ks,
            "order_error": fit.order_error,
            "held_out": fit.held_out.error,
            "rank_order": rank,
            "rank_aic": 1 + sum(other.aic < fit.aic for other in findings.fits),
        }


def _order_statistics(findings: Findings) -> pd.DataFrame:
    """The config's against those of all rounds, families' against rounds without cold starts."""
    main, ks = findings.main.delays, findings.ks
    whole = observed_order_statistics(main.rounds, ks)
    series = [(main.label, CONFIG, whole, findings.chosen.predicted)]
    for of in findings.loads:
        series += [(of.delays.label, f.family.name, f.observed, f.predicted) for f in of.fits]
    frames = []
    with np.errstate(divide="ignore", invalid="ignore"):  # a delay of 0 s has no ratio
        for load, family, observed, predicted in series:
            row = {"load": load, "family": family, "k": np.array(ks)}
            row |= {"observed": observed, "predicted": predicted, "ratio": predicted / observed}
            frames.append(pd.DataFrame(row))
    return pd.concat(frames, ignore_index=True)


def _quantiles(findings: LoadFindings) -> pd.DataFrame:
    """Fitted and measured ones at levels that are dense at both ends; ``marked`` in the picture."""
    sample = np.sort(findings.delays.bulk)
    edge, count = 0.5 / len(sample), 400  # levels on each side of the median
    marks = [level for level in MARKED_LEVELS if edge < level < 1 - edge]
    low, high = np.geomspace(edge, 0.5, count), 1 - np.geomspace(0.5, edge, count)
    levels = np.unique(np.concatenate([low, high, marks]))
    known = {"measured": np.quantile(sample, levels, method="hazen")}
    known["marked"] = np.isin(levels, marks)
    frames = []
    for fit in findings.fits:
        own = {"family": fit.family.name, "level": levels, "fitted": fit.law.isf(1 - levels)}
        frames.append(pd.DataFrame({**own, **known}))
    return pd.concat(frames, ignore_index=True)


def _loads(findings: Findings) -> pd.DataFrame:
    """What was found at each load; of loads that were not fitted only what was measured."""
    growth, rows = findings.load, dict[str, dict[str, object]]()
    for of in findings.loads:
        row: dict[str, object] = {"load": of.delays.label, "rounds": len(of.delays.rounds)}
        row |= {"delays": len(of.delays.bulk), "cold_rounds": 0}
        if (split := of.variance) is not None:
            row |= {name: split.share(name) for name in ("worker", "round", "rest")}
            row |= {"worker_chance": split.worker_chance, "round_chance": split.round_chance}
        if (memory := of.memory) is not None:
            row |= dict(zip(("persistence_low", "persistence_high"), memory.interval, strict=True))
            row |= {"persistence": memory.persistence, "persistence_chance": memory.chance}
        if (cold := of.delays.cold) is not None:
            row |= {"cold_rounds": cold.hit, "cold_beyond": cold.beyond, "cold_at_once": cold.clump}
        rows[of.delays.label] = row
    if growth is not None:
        columns = growth.loads, growth.locations, growth.spreads
        for load, median, spread in zip(*columns, strict=True):
            bare = {"load": f"{load:g}", "rounds": len(findings.measured.tables[load])}
            row = rows.setdefault(f"{load:g}", {**bare, "delays": 0, "cold_rounds": 0})
            row |= {"median": median, "spread": spread}
    return pd.DataFrame([*rows.values()], columns=LOAD_COLUMNS)


def worker_table(workers: Workers | None, hosts: Sequence[str]) -> pd.DataFrame:
    """One row per worker, those that stand out first. Columns: ``worker`` (its number), ``host``,
    ``stands_out``; and ``slower`` (times the median worker), ``slow`` (share of rounds), ``spell``
    (mean slow rounds in a row), ``correlation`` (at lag 1), ``cost`` (seconds a round), each with
    ``_low`` and ``_high``, the ends of its 95 % interval. No rows of too few rounds or workers."""
    order = [] if workers is None else [*workers.order]
    columns: dict[str, object] = {
        "worker": np.array(order, dtype=np.int64),
        "host": pd.array([hosts[j] for j in order], dtype="string"),
        "stands_out": np.isin(order, () if workers is None else workers.standing),
    }
    for name in ESTIMATES:
        estimates = getattr(workers, name, None)
        for field, end in (("value", ""), ("low", "_low"), ("high", "_high")):
            columns[name + end] = getattr(estimates, field, np.empty(0))[order]
    return pd.DataFrame(columns)
