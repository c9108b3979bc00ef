"""Timelines: what every worker did and when, as a table and for ui.perfetto.dev. The JSON is the
Trace Event Format: one process per scheme, one row for the master, one per worker, and one per
worker for its uplink when messages take time. Spans on a row do not overlap. An arrow goes from the
message that ended a round to the master's update."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ...sim.base.errors import at
from ...sim.base.types import Recorder, Span
from ...sim.engines.simulate import simulate
from ...sim.schemes.base import RoundScheme, Sees
from ..config import build
from ..config.cells import Cell
from . import files, outputs
from .compute import learn_along

Event = dict[str, Any]
Timelines = dict[str, list[Span]]  # spans by the label of the scheme
SPAN_COLUMNS = ["label", "worker", "kind", "start", "end", "iteration", "ended_by"]
MICROSECONDS = 1e6


def record(recorded: Iterable[Cell]) -> Timelines:
    """Run the first replication of each cell on the event engine and note every span."""
    timelines: Timelines = {}
    for cell in recorded:
        run, learning = build.both(cell)
        run, recorder = replace(run, tapes=run.tapes[:1]), Recorder()
        scheme = run.scheme
        if learning is not None and isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
            learn_along(run, learning, recorder=recorder)
        else:
            simulate(run, "event", recorder=recorder)
        timelines[cell.label] = recorder.spans
    return timelines


def shown(grid: Iterable[Cell]) -> list[Cell]:
    """The cells of the grid's first point, which alone have a timeline."""
    return [cell for cell in grid if cell.point == 0]


def require_apart(path: Path, taken: Iterable[Path]) -> None:
    """Refuse (ConfigError) a timeline that would replace what its run reads or writes."""
    if path.resolve() in [own.resolve() for own in taken]:
        raise at("--timeline", str(path), "is a file of this run; choose another name")


def timeline_table(timelines: Timelines) -> pd.DataFrame:
    """One row per span, with the scheme's ``label`` and the fields of ``Span``."""
    rows = [
        {"label": label, **asdict(span)} for label, spans in timelines.items() for span in spans
    ]
    return pd.DataFrame(rows, columns=SPAN_COLUMNS)


def trace_events(timelines: Timelines, identity: str | None = None) -> bytes:
    """The JSON file for a trace viewer, times in microseconds."""
    events: list[Event] = []
    for process, (label, spans) in enumerate(timelines.items(), start=1):
        events += _names(process, label, spans)
        sends = any(span.kind == "sending" for span in spans)
        for span in spans:
            events += _events(process, span, "sending" if sends else "computing")
    document: Event = {"displayTimeUnit": "ms", "traceEvents": events}
    if identity is not None:
        document["otherData"] = {"id": identity}
    return json.dumps(document, separators=(",", ":")).encode()


def _row(worker: int, kind: str) -> int:
    """Row number: 0 is the master; each worker has a row, and one below it for its uplink."""
    return 0 if worker < 0 else 1 + 2 * worker + (kind == "sending")


def _names(process: int, label: str, spans: list[Span]) -> Iterator[Event]:
    yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": label}}
    for worker, uplink in sorted({(span.worker, span.kind == "sending") for span in spans}):
        name = "master" if worker < 0 else f"worker {worker}" + (" uplink" if uplink else "")
        row = _row(worker, "sending" if uplink else "")
        track = {"ph": "M", "pid": process, "tid": row}
        yield track | {"name": "thread_name", "args": {"name": name}}
        yield track | {"name": "thread_sort_index", "args": {"sort_index": row}}


def _events(process: int, span: Span, source: str) -> Iterator[Event]:
    """A span; for the master also its update, and an arrow from the message that ended it."""
    start, end = round(span.start * MICROSECONDS, 3), round(span.end * MICROSECONDS, 3)
    event: Event = {"pid": process, "tid": _row(span.worker, span.kind)}
    args = {"iteration": span.iteration}
    length = round(end - start, 3)
    yield event | {"ph": "X", "name": span.kind, "ts": start, "dur": length, "args": args}
    if span.worker < 0:
        yield event | {"ph": "i", "name": "update", "ts": end, "s": "t", "args": args}
        if span.ended_by >= 0:
            arrow: Event = {"name": "ends the round", "cat": "round", "id": span.iteration}
            origin = {"pid": process, "tid": _row(span.ended_by, source)}
            yield arrow | origin | {"ph": "s", "ts": end}
            yield arrow | event | {"ph": "f", "bp": "e", "ts": end}


def write_timeline(finished: Iterable[Cell], file: Path, output: Path) -> None:
    """Write the timelines of the grid's first point: ``file`` and ``output/timeline.parquet``.
    Both carry the id of the result in ``output``."""
    timelines = record(shown(finished))
    identity = outputs.id_of(output)
    files.write_bytes(file, trace_events(timelines, identity))
    facts = {} if identity is None else {outputs.ID: identity.encode()}
    files.write_table(output / outputs.TIMELINE_TABLE, timeline_table(timelines), facts)
