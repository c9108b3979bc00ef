"""How a table was read, in a few lines: they open every command that reads one.

Two importers: the commands that read a table, and the public ``read_table``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...sim.files import short
from .measured import Measured, Names, median_of

SHOWN = 6
"""Workers whose names and delays are shown."""

ROWS = 3
"""Rounds that are shown."""

LISTED = 8
"""Loads that are listed."""


def as_read(measured: Measured, chosen: float | None = None) -> list[str]:
    """Size, loads, unit and why, names, the first rounds, the slowest and the fastest worker, and
    what was assumed; a line each, without a full stop. Rounds and workers are those at the load
    that was ``chosen``, or at the first one."""
    return [*_lines(measured, chosen), *measured.assumed]


def _lines(measured: Measured, chosen: float | None) -> Iterator[str]:
    tables, hosts = measured.tables, measured.hosts
    sizes = [*dict.fromkeys(len(table) for table in tables.values())]
    size = _many(sizes[0], "round")
    if len(sizes) > 1:
        size = f"{min(sizes)} to {max(sizes)} rounds"
    loads = [f"{load:g}" for load in tables if load is not None]
    at = f", at load{'s' * (len(loads) > 1)} {_some(loads, LISTED)}" if loads else ""
    yield f"read as {size} of {_many(len(hosts), 'worker')}{at}; times in {measured.unit}"
    load = chosen if chosen in tables else next(iter(tables))
    table = tables[load]
    names = measured.names_of_rounds(load)
    yield f"workers: {_some(hosts, SHOWN)}; rounds: {_name(names, 0)} to {_name(names, -1)}"
    place = "" if load is None else f", load {load:g}"
    for row in range(min(ROWS, len(table))):
        cells = _some([f"{seconds:.4g}" for seconds in table[row]], SHOWN)
        yield f"round {_name(names, row)}{place}: {cells} s"
    if len(hosts) > 1:
        typical = median_of(table, axis=0)
        slow, fast = int(np.argmax(typical)), int(np.argmin(typical))
        middle = float(np.median(typical))
        slower = typical[slow] / middle if middle > 0 else 1.0
        times = f", {slower:.3g} times the median worker" if slower > 1.005 else ""
        yield (
            f"slowest worker: {short(hosts[slow])}, typically {typical[slow]:.4g} s{times}; "
            f"fastest: {short(hosts[fast])}, {typical[fast]:.4g} s{place}"
        )


def _name(names: Names, place: int) -> str:
    name = names[place]
    return short(f"{name:.15g}" if isinstance(name, float) else name)


def _some(texts: Sequence[str], most: int) -> str:
    """The first ones, and the last where not all are shown."""
    shown = [short(text) for text in texts]
    if len(shown) <= most + 1:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])}, ..., {shown[-1]}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
