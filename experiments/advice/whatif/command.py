"""``erasurehead whatif``: reads a measured table, asks, and writes what was found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ....delay_models.measured.measured import MeasuredDelays, name_at
from ....sim.base.errors import ConfigError, at
from ....sim.base.files import MOST_CELLS, short
from ....sim.base.reading import Reading
from ...options import numbers_up_to
from ...page.content import Answer, Page
from ...page.folder import FORMATS, REPORT, write_page
from ...run.files import ANSWER
from ..understood import measured_delays
from . import page
from .study import QUANTILES, Study, study_load

if TYPE_CHECKING:
    from ...run.command import Progress  # which imports all schemes

SHORTEST = 1e-150  # seconds: products and quotients down to here are numbers
MOST_COUNTS = 100  # numbers of hosts, and time-outs, that may be asked for
# Hosts that are replaced, dropped or not waited for (``None``: some), and shares for time-outs.
Trials = tuple[Sequence[int] | None, Sequence[float]]
PICTURES = ("heat_map", "timeline")
CSV = (page.SLOWDOWN, page.HOSTS, page.CHANGES, page.STAGES)  # are written as CSV, too


def read_usable(path: str, reading: Reading, allow_large: bool) -> tuple[MeasuredDelays, list[str]]:
    """Read a table of delays, and warnings. Raises ConfigError: it cannot be used."""
    measured = measured_delays(path, reading, None if allow_large else MOST_CELLS)
    if reading.load is not None:
        measured = replace(measured, tables={reading.load: measured.tables[reading.load]})
    for load in measured.tables:
        _require_usable(path, measured, load)
    return measured, [f"{path}: {line}" for line in measured.warnings]


def _require_usable(path: str, measured: MeasuredDelays, load: float | None) -> None:
    """Refuse a table in which no round ends, or whose medians are nothing to divide by."""
    table, hosts = measured.tables[load], measured.hosts
    finite = np.isfinite(table)
    whole = finite.all(axis=1)
    if not whole.any():
        absent = (~finite).sum(axis=0)
        worst = int(np.argmax(absent))
        lost = f"missing in {int(absent[worst])} of {len(table)} rounds"
        leave = f"leave host {short(hosts[worst])} out, which is {lost}"
        raise ConfigError(f"{path}: no round has every worker; {leave}")
    table = table if whole.all() else table[whole]
    if (least := float(table.min(where=table > 0, initial=1.0))) < SHORTEST:
        raise ConfigError(f"{path}: a delay of {least:g} s; must be 0 or at least {SHORTEST:g} s")
    zeros = table == 0
    if not zeros.any():
        return
    rounds, workers = zeros.mean(axis=1), zeros.mean(axis=0)
    remedy = "were they measured? --missing drop-rounds or never takes 0 s for missing"
    if rounds.max() >= 0.5:
        first = name_at(measured.names_of_rounds(load)[whole], int(np.argmax(rounds)))
        raise ConfigError(f"{path}: half or more of the delays of round {first} are 0 s: {remedy}")
    if workers.max() >= 0.5:
        name = short(hosts[int(np.argmax(workers))])
        raise ConfigError(f"{path}: half or more of the delays of host {name} are 0 s: {remedy}")


def trials(stragglers: str | None, timeout: str | None, workers: int) -> Trials:
    """What ``--stragglers 1:4,8`` and ``--timeout 0.95,0.99`` say. Raises ConfigError: bad ones."""
    quantiles: Sequence[float] = QUANTILES
    if timeout is not None:
        try:
            quantiles = tuple(dict.fromkeys(float(quantile) for quantile in timeout.split(",")))
        except ValueError:
            quantiles = ()
        if not 0 < len(quantiles) <= MOST_COUNTS or not all(0 < q < 1 for q in quantiles):
            raise at("--timeout", timeout, "must be numbers between 0 and 1, with commas between")
    if stragglers is None:
        return None, quantiles
    counts = numbers_up_to(workers, stragglers)
    if not 1 <= counts[0] <= counts[-1] < workers:
        raise at("--stragglers", stragglers, f"must be from 1 to {workers - 1} (workers - 1)")
    if len(counts) > MOST_COUNTS:
        raise at("--stragglers", stragglers, f"must be at most {MOST_COUNTS} numbers")
    return counts, quantiles


def investigate(measured: MeasuredDelays, tried: Trials, progress: Progress) -> list[Study]:
    """Ask everything at every load; ``progress`` is told of loads done, and of all loads."""
    studies = list[Study]()
    for load, table in measured.tables.items():
        progress(len(studies), len(measured.tables))
        more = measured.stages.get(load), measured.groups
        studies.append(study_load(table, measured.hosts, load, *tried, *more))
        names = measured.names_of_rounds(load)[np.isfinite(table).all(axis=1)]
        for frame in (studies[-1].heat_map, studies[-1].timeline):
            frame["name"] = [name_at(names, index) for index in frame["round"]]
    progress(len(studies), len(studies))
    return studies


def file_names(loads: Iterable[float | None]) -> list[str]:
    """All that is written for these loads."""
    every = [*loads]
    ends = [page.mark(load) for load in every] if len(every) > 1 else [""]
    drawn = [f"{name}{end}.{kind}" for end in ends for name in PICTURES for kind in FORMATS]
    csv = [str(Path(name).with_suffix(".csv")) for name in CSV]
    return [ANSWER, *CSV, *csv, page.HEAT_MAP, page.TIMELINE, *drawn, REPORT]


def tables_of(studies: Sequence[Study]) -> dict[str, pd.DataFrame]:
    """The tables of all loads, by the names of their files; without stages none of them."""
    every = {
        name: pd.concat([getattr(study, field) for study in studies], ignore_index=True)
        for name, (field, _) in page.TABLES.items()
    }
    return {name: table for name, table in every.items() if len(table)}


def write_whatif(
    measured: MeasuredDelays, studies: Sequence[Study], answer: Answer, output: Path
) -> Page:
    """Write tables, pictures, report and answer under ``output``; returns what they say."""
    drawn_before = (path.name for name in PICTURES for path in sorted(output.glob(f"{name}*")))
    tables = tables_of(studies)
    whole = page.whatif_page(studies, answer)
    drawn = [ident for ident in whole.charts if ident.startswith(PICTURES)]
    older = dict.fromkeys([ANSWER, REPORT, *drawn_before, *reversed(file_names(measured.tables))])
    write_page(whole, output, older, tables, drawn, CSV)
    return whole
