"""A measured table as a command takes it: read, and in lines for people how it was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...delay_models.base import FloatArray
from ...delay_models.measured.listening import Listening, heard_words
from ...delay_models.measured.measured import (
    WORKERS_COLUMNS,
    WORKERS_ROWS,
    MeasuredDelays,
    TableError,
    name_at,
)
from ...delay_models.measured.read import Source, read_measured
from ...delay_models.measured.signs import median_of
from ...sim.base.errors import ConfigError, Message, Option, at
from ...sim.base.files import short
from ...sim.base.reading import Reading
from ..text import number_of

SHOWN = 6  # workers whose names and delays are shown
ROWS = 3  # rounds that are shown
LISTED = 8  # loads that are listed
WIDE = {WORKERS_COLUMNS: "one column a worker", WORKERS_ROWS: "one row a worker"}


def measured_delays(source: Source, reading: Reading, most: int | None) -> MeasuredDelays:
    """Read a table of at most so many delays; it has the load that ``reading`` names, if any.
    Raises ConfigError: the table cannot be used, or has no such load."""
    try:
        measured = read_measured(source, reading, most)
    except TableError as error:
        raise ConfigError(f"{error.path}: ", error.defect) from None
    if reading.load is not None and reading.load not in measured.tables:
        valid = f"must be one of {short([*measured.tables])}"
        none = "the table has no column load"
        raise at(Option("load"), reading.load, none if None in measured.tables else valid)
    return replace(measured, read=tuple(as_read(measured, reading.load)))


def as_read(measured: MeasuredDelays, chosen: float | None = None) -> Iterator[Message]:
    """Size, loads, unit and why; an indented table of what is the worker, the round and the
    seconds, the first rounds, and who is slowest and fastest; and what was assumed. A line each;
    rounds and workers are those at the load that was ``chosen``, or at the first one."""
    tables, hosts = measured.tables, measured.hosts
    sizes = {len(table) for table in tables.values()}
    few, many = min(sizes), max(sizes)
    size = number_of(few, "round") if few == many else f"{few} to {many} rounds"
    loads = [f"{load:g}" for load in tables if load is not None]
    at = f", at load{'s' * (len(loads) > 1)} {_some(loads, LISTED)}" if loads else ""
    source = {role: measured.roles.get(role, "") for role in ("worker", "round", "seconds")}
    workers = number_of(len(hosts), "worker")
    if measured.host_of:
        kind = "rank" if "rank" in source["worker"] else "worker"
        places = {measured.host_of[host] for host in hosts if host in measured.host_of}
        workers = f"{number_of(len(hosts), kind)} on {number_of(len(places), 'host')}"
    if source["seconds"] in WIDE:
        workers = f"{workers}, {WIDE[source['seconds']]}"
    whose = _whose_times(measured)
    yield Message(f"read as {size} of {workers}{at}; times{whose} in ", measured.unit.why)
    load = chosen if chosen in tables else next(iter(tables))
    table, names = tables[load], measured.names_of_rounds(load)
    at_load = "" if load is None else f", load {load:g}"
    typical = median_of(table, axis=0)
    source["seconds"] = source["seconds"] or measured.roles.get("start", "")
    rows = [("worker", source["worker"], _some(hosts, SHOWN))]
    rows += [("round", source["round"], f"{name_at(names, 0)} to {name_at(names, -1)}")]
    listening = measured.listening.get(load)
    of_heard = "" if listening is None else ", of those heard"
    middle = f"typically {float(median_of(table)):.4g}{of_heard}{at_load}"
    rows += [("seconds", source["seconds"], middle)]
    if listening is not None:
        rows += _cut_rows(listening, measured.roles)
    if measured.groups:
        rows.append(("groups", measured.roles.get("rack", ""), _some([*measured.groups], SHOWN)))
    for row in range(min(ROWS, len(table))):
        cells = _some(cells_as_text(table[row], listening, row), SHOWN)
        rows.append((f"round {name_at(names, row)}{at_load}", "", cells))
    if listening is not None:
        rows += _heard_least(listening, hosts)
    elif len(hosts) > 1:
        slow, fast = int(np.argmax(typical)), int(np.argmin(typical))
        slower = _slower(table)[slow]
        times = f", {slower:.4g} times the median worker of a round" if slower > 1.005 else ""
        for what, host, text in (("slowest", slow, times), ("fastest", fast, "")):
            name = short(hosts[host])
            if hosts[host] in measured.host_of:
                name = f"{name} on {short(measured.host_of[hosts[host]])}"
            rows.append((what, "", f"{name}, typically {typical[host]:.4g} s{text}"))
    width = max(len(what) for what, _, _ in rows) + 1
    for what, where, text in rows:
        yield Message(f"  {what + ':':{width}}  {text}{f' ({where})' if where else ''}")
    yield from measured.assumed


def _whose_times(measured: MeasuredDelays) -> str:
    """Which columns of a long table are the times, where the words of their unit do not name them;
    of a wide one they are the workers'."""
    roles = measured.roles
    column = roles.get("seconds", "")
    if column in WIDE or column == measured.unit.said_by:
        return ""
    if column.startswith("column "):
        return f" of {column}"
    if "start" not in roles or " to " in measured.unit.words:
        return ""
    return f" from {roles['start']} to {roles['end'].removeprefix('column ')}"


def cells_as_text(row: FloatArray, listening: Listening | None, index: int) -> list[str]:
    """The delays of a round, of which one that was not heard is beyond the round's end."""
    if listening is None:
        return [f"{seconds:.4g}" for seconds in row]
    beyond = f"> {listening.ends[index]:.4g}"
    heard = listening.heard[index]
    return [f"{s:.4g}" if is_heard else beyond for s, is_heard in zip(row, heard, strict=True)]


def _cut_rows(listening: Listening, roles: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What is known of rounds that stopped listening: a name, who says so, and what."""
    not_heard = int((~listening.heard).sum())
    heard = f"{heard_words(listening)}; {not_heard:,} cells not heard"
    end = f"typically after {float(np.median(listening.ends)):.4g} s"
    late = "dropped: a worker that was not heard begins the next round on time"
    if roles["late_work"] == "queued":
        backlog = int((~listening.on_time).sum())
        late = f"queued; {backlog:,} cells left out as backlog, of workers that began late"
    return [
        ("heard", roles["heard"], heard),
        ("round end", roles["round_end"], end),
        ("late work", "", late),
    ]


def _heard_least(listening: Listening, hosts: Sequence[str]) -> list[tuple[str, str, str]]:
    """Who is heard in the fewest and in the most rounds."""
    rounds = listening.heard.sum(axis=0)
    return [
        (what, "", f"{short(hosts[host])}, in {rounds[host]} of {len(listening.ends)} rounds")
        for what, host in (
            ("heard least", int(np.argmin(rounds))),
            ("heard most", int(np.argmax(rounds))),
        )
    ]


def _slower(table: FloatArray) -> FloatArray:
    """How many times the median worker each takes, ``(n,)``: medians over rounds of its delay over
    the round's median, as ``fit`` and ``whatif`` have it. Rounds that do not end are left out."""
    medians = median_of(table, axis=1)
    known = (medians > 0) & np.isfinite(medians)
    if not known.any():
        return np.ones(table.shape[1])
    ratios = median_of(table[known] / medians[known, None], axis=0)
    of_workers_that_arrive = ratios[np.isfinite(ratios)]
    return np.asarray(ratios / (float(np.median(of_workers_that_arrive)) or 1.0))


def _some(texts: Sequence[str], most: int) -> str:
    names = [short(text) for text in texts]
    if len(names) <= most + 1:
        return ", ".join(names)
    return f"{', '.join(names[:most])}, ..., {names[-1]}"
