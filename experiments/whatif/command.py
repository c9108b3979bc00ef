"""``erasurehead whatif``: reads a measured table, asks, and writes what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from ...delay_models.base import FloatArray
from ...delay_models.tables.measured import AS_IT_IS
from ...delay_models.tables.read import Measured, Reading, TableError, read_measured
from ...delay_models.trace import unit_warnings
from ...sim.files import MOST_CELLS, short
from ..attack.command import counts as read_counts
from ..config.errors import ConfigError, at
from ..page.answer import ANSWER, write_answer
from ..pictures import style
from ..run import files
from .frames import hosts_table, slowdown_table, whatif_table
from .pictures import draw_heat_map, draw_timeline, heat_map_table
from .report import answer, markdown
from .study import Study, study

SHORTEST = 1e-150
"""Seconds: products and quotients of delays down to here are numbers; so are those of 0 s."""

MOST_COUNTS = 100
"""Numbers of hosts, and time-outs, that may be asked for."""


@dataclass(frozen=True)
class Asked:
    """What is tried beside the single hosts.

    Attributes:
        counts: how many hosts are replaced, dropped or not waited for; ``None``: some.
        quantiles: time-outs, as shares of all delays.
    """

    counts: tuple[int, ...] | None = None
    quantiles: tuple[float, ...] = (0.95, 0.99)


def read_tables(
    path: str, reading: Reading = AS_IT_IS, allow_large: bool = False
) -> tuple[Measured, list[str]]:
    """Read a table of delays that questions can be asked of, and warnings.

    Args:
        path: the file.
        reading: what the file does not say of itself, and which load is wanted.
        allow_large: read whatever the file holds, however much it is.

    Raises:
        ConfigError: the table cannot be used, or has no such load.
    """
    try:
        measured = read_measured(path, reading, None if allow_large else MOST_CELLS)
    except TableError as error:
        raise ConfigError(str(error)) from None
    tables = measured.tables
    load = reading.load
    if load is not None and load not in tables:
        listed = short([*tables])
        valid = "the table has no column load" if None in tables else f"must be one of {listed}"
        raise at("--load", load, valid)
    if load is not None:
        tables = {load: tables[load]}
    for table in tables.values():
        _require_usable(path, table, measured.hosts)
    warnings = [*measured.notes, *unit_warnings(tables, measured.hosts)]
    found = Measured(measured.hosts, tables, measured.repairs)
    return found, [f"{path}: {line}" for line in warnings]


def _require_usable(path: str, table: FloatArray, hosts: Sequence[str]) -> None:
    """Refuse a table in which no round ends, or whose medians are nothing to divide by."""
    finite = np.isfinite(table)
    whole = finite.all(axis=1)
    if not whole.any():
        absent = (~finite).sum(axis=0)
        worst = int(np.argmax(absent))
        raise ConfigError(
            f"{path}: no round has every worker; leave host {short(hosts[worst])} out, which is "
            f"missing in {int(absent[worst])} of {len(table)} rounds"
        )
    table = table if whole.all() else table[whole]
    least = float(table.min(where=table > 0, initial=1.0))
    if least < SHORTEST:
        raise ConfigError(f"{path}: a delay of {least:g} s; must be 0 or at least {SHORTEST:g} s")
    zeros = table == 0
    if not zeros.any():
        return
    rounds, workers = zeros.mean(axis=1), zeros.mean(axis=0)
    remedy = "were they measured? --missing drop-rounds or never takes 0 s for missing"
    if rounds.max() >= 0.5:
        first = int(np.flatnonzero(whole)[np.argmax(rounds)])
        raise ConfigError(f"{path}: half or more of the delays of round {first} are 0 s: {remedy}")
    if workers.max() >= 0.5:
        name = short(hosts[int(np.argmax(workers))])
        raise ConfigError(f"{path}: half or more of the delays of host {name} are 0 s: {remedy}")


def asked(stragglers: str | None, timeout: str | None, workers: int) -> Asked:
    """The options as one value.

    Args:
        stragglers: ``1:4,8``.
        timeout: ``0.95,0.99``.
        workers: n.

    Raises:
        ConfigError: one of them is not like that.
    """
    quantiles = Asked().quantiles if timeout is None else _quantiles(timeout)
    if stragglers is None:
        return Asked(None, quantiles)
    found = read_counts(stragglers, workers)
    if not 1 <= found[0] <= found[-1] < workers:
        raise at("--stragglers", stragglers, f"must be from 1 to {workers - 1} (workers - 1)")
    if len(found) > MOST_COUNTS:
        raise at("--stragglers", stragglers, f"must be at most {MOST_COUNTS} numbers")
    return Asked(tuple(found), quantiles)


def _quantiles(text: str) -> tuple[float, ...]:
    try:
        found = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        found = ()
    if not found or len(found) > MOST_COUNTS or not all(0 < q < 1 for q in found):
        raise at("--timeout", text, "must be numbers between 0 and 1, with commas between")
    return found


Report = Callable[[int, int], None]
"""Called with loads done, and in all."""


def investigate(measured: Measured, what: Asked, report: Report) -> list[Study]:
    """Ask everything at every load."""
    found = []
    total = len(measured.tables)
    report(0, total)
    for load, table in measured.tables.items():
        found.append(study(table, measured.hosts, load, what.counts, what.quantiles))
        report(len(found), total)
    return found


HEAT_MAP = "heat_map.parquet"
"""The numbers of the heat maps, for the report in the browser."""

FRAMES = {"slowdown": slowdown_table, "hosts": hosts_table, "whatif": whatif_table}
PICTURES = {"heat_map": draw_heat_map, "timeline": draw_timeline}
REPORT = "report.md"


def file_names(loads: Iterable[float | None]) -> list[str]:
    """All that is written for these loads."""
    ends = [*loads]
    marks = [""] if len(ends) == 1 else [f"_load_{load:g}" for load in ends]
    drawn = [
        f"{name}{mark}.{kind}" for mark in marks for name in PICTURES for kind in ("png", "svg")
    ]
    tables = [f"{name}.{kind}" for name in FRAMES for kind in ("csv", "parquet")]
    return [ANSWER, *tables, HEAT_MAP, *drawn, REPORT]


def _marks(loads: Iterable[float | None]) -> list[str]:
    """What the names of each load's pictures end with."""
    each = [*loads]
    return [""] if len(each) == 1 else [f"_load_{load:g}" for load in each]


def write(
    studies: Sequence[Study], source: str, notes: Sequence[str], output: Path, command: str = ""
) -> list[Path]:
    """Write tables, pictures, report and answer under ``output``; returns the files.

    The answer goes first and comes last: what lies beside it is of one table. Each Parquet file
    holds the hash of that table.
    """
    names = file_names(one.load for one in studies)
    older = [path for name in PICTURES for path in sorted(output.glob(f"{name}*"))]
    files.remove(
        [
            output / ANSWER,
            output / REPORT,
            *older,
            *(output / name for name in reversed(names)),
        ]
    )
    facts = {b"erasurehead.table": _hash(studies).encode()}
    for name, frame_of in FRAMES.items():
        frame = frame_of(studies)
        files.write_table(output / f"{name}.parquet", frame, facts)
        files.write_bytes(output / f"{name}.csv", frame.to_csv(index=False).encode())
    files.write_table(output / HEAT_MAP, heat_map_table(studies), facts)
    marks = _marks(one.load for one in studies)
    for one, mark in zip(studies, marks, strict=True):
        for name, draw in PICTURES.items():
            style.save(draw(one), output / f"{name}{mark}")
    text = markdown(studies, source, notes, marks)
    files.write_bytes(output / REPORT, text.encode())
    write_answer(answer(studies, source, notes, command), output)
    return [output / name for name in names]


def _hash(studies: Sequence[Study]) -> str:
    digest = sha256()
    for one in studies:
        digest.update(repr((one.load, one.names, one.table.shape)).encode())
        digest.update(np.ascontiguousarray(one.table).tobytes())
    return digest.hexdigest()
