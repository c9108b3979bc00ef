"""``erasurehead fit``: reads a measured table, and writes what was found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....delay_models.measured.measured import AS_IT_IS, MeasuredDelays
from ....delay_models.measured.read import Source, name_of
from ....delay_models.measured.signs import left_out_rounds
from ....sim.base.errors import ConfigError, Message, Option, at
from ....sim.base.reading import Reading
from ...config.document import write_yaml
from ...page.content import Answer, Page
from ...page.folder import FORMATS, REPORT, write_page
from ...run.files import ANSWER
from ...text import number_of
from ..understood import measured_delays
from .cut.study import CutFindings
from .looks import DELAY
from .page import NEEDED, fit_page
from .study import Findings
from .study import tables as tables_of

FEWEST = 10  # the smallest number of delays that can be fitted
SHORTEST = 1e-150  # seconds: rates and squares of delays down to here are numbers
MOST_KS = 1000  # order statistics that are compared: of more, so many at equal distances
MOST_FITTED = 20_000_000  # numbers that a table may hold by default: a fit takes 75 bytes each
CHARTS = ("qq", "order_statistics")
FILES = (
    *(ANSWER, DELAY, REPORT),
    *(f"{name}.parquet" for name in NEEDED),
    *(f"{name}.{kind}" for name in CHARTS for kind in FORMATS),
)


def read_tables(
    source: Source, reading: Reading = AS_IT_IS, allow_large: bool = False
) -> tuple[MeasuredDelays, list[Message]]:
    """Read a table of delays that can be fitted, however large if that is allowed: without the
    rounds in which a worker never arrived, for no law of this program gives infinite delays; and
    warnings. Raises ConfigError: the table cannot be used, or has no such load."""
    measured = measured_delays(source, reading, None if allow_large else MOST_FITTED)
    name = name_of(source)
    cut = measured.listening  # where nobody was heard is known there, and is fitted
    whole = {
        load: np.ones(len(table), bool) if load in cut else np.isfinite(table).all(axis=1)
        for load, table in measured.tables.items()
    }
    tables = {load: table[whole[load]] for load, table in measured.tables.items()}
    if not all(len(table) for table in tables.values()):
        text = "no round has every worker; a fit needs rounds in which all arrive"
        raise ConfigError(f"{name}: {text}")
    load = reading.load
    left_out = list[Message]()
    for own, rows in whole.items():
        if lost := int((~rows).sum()):
            where = "" if own is None else f" at load {own:g}"
            some = f"{number_of(lost, 'round')}{where}"
            differ = left_out_rounds(measured.tables[own], np.asarray(~rows))
            text = f"{some} in which a worker never arrives: not fitted; {differ}"
            left_out.append(Message(text))
    heard = [
        table[np.isfinite(table)] if own in cut else table.ravel() for own, table in tables.items()
    ]
    if (smallest := min(map(len, heard))) < FEWEST:
        few = number_of(smallest, "delay")
        raise ConfigError(f"{name}: {few} at a load; a fit needs at least {FEWEST}")
    for delays in heard:
        if (least := float(delays.min(where=delays > 0, initial=1.0))) < SHORTEST:
            text = f"a delay of {least:g} s; a fit needs 0 or at least {SHORTEST:g} s"
            raise ConfigError(f"{name}: {text}")
        if np.ptp(delays) == 0:
            model = f"{{model: deterministic, value: {delays[0]:g}}}"
            raise ConfigError(f"{name}: all delays are equal; nothing to fit: use {model}")
    measured = replace(measured, tables=tables)
    warnings = [*left_out, *measured.warnings]
    if load is not None and len(tables) > 1 and len(tables[load]) < 2:
        text = f"one round at load {load:g}: workers and rounds cannot be told apart"
        warnings.append(Message(text))
    return measured, warnings


def k_range(text: str | None, workers: int, cut: bool = False) -> Sequence[int]:
    """Order statistics ``A:B``, both included; default n/2 to n, and 1 to n where rounds were
    ``cut``, since the first ones are what was measured. Of more than ``MOST_KS`` some, at equal
    distances. Raises ConfigError: not two numbers, or not 1 <= A <= B <= n."""
    first, last = 1 if cut else max(1, workers // 2), workers
    if text is not None:
        if (match := re.fullmatch(r"0*([0-9]+):0*([0-9]+)", text)) is None:
            raise at(Option("k_range"), text, "must be A:B, two whole numbers")
        first, last = (int(number[:20]) for number in match.groups())  # 20 digits are too many
        if not 1 <= first <= last <= workers:
            valid = f"must be A:B with 1 <= A <= B <= {workers} workers"
            raise at(Option("k_range"), text, valid)
    if last - first < MOST_KS:
        return range(first, last + 1)
    return [int(k) for k in np.linspace(first, last, MOST_KS).round()]


def write_fit(findings: Findings | CutFindings, answer: Answer, output: Path) -> Page:
    """Write tables, pictures, report, config and answer under ``output``; returns the page."""
    config, tables = write_yaml(findings.config), tables_of(findings)
    whole = fit_page(tables, answer, config)
    kept = {f"{name}.parquet": table for name, table in tables.items()}
    write_page(whole, output, FILES, kept, CHARTS, others={DELAY: config.encode()})
    return whole
