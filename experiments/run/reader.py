"""Reads what a run wrote. Pictures are drawn from this alone, never from live objects."""

from __future__ import annotations

import json
from collections.abc import Container, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.api.types import is_numeric_dtype, is_string_dtype

from ...sim.base.errors import ConfigError, at, one_of
from ...sim.base.types import FloatArray
from ..config.document import read_mapping
from ..config.names import shown_name
from . import files, outputs
from .files import as_frame, read_arrow

IDENTITY = ("cell", "scheme", "label")


@dataclass(frozen=True, eq=False)
class OneCell:
    """One scheme at one point of the sweep. Of single replications the tables hold nothing else."""

    iterations: pd.DataFrame
    replications: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False)
class Records:
    """What a run or sweep wrote, or the part of it that belongs to one panel."""

    iterations: pd.DataFrame  # one row per cell, replication and iteration
    summary: pd.DataFrame  # one row per cell
    # what the part has in common, a line like ``delay.rate = 2`` for each swept key; empty if none
    title: str = ""
    left_out: int = 0  # points of the sweep beyond those that are drawn
    workers: pd.DataFrame | None = None  # one row per cell and worker, if written
    # one row per span of the sweep's first point, if written; none where the part lacks that
    timeline: pd.DataFrame | None = None
    config: Mapping[str, Any] | None = None  # the resolved config, if written
    directory: Path = Path()  # where all of it lies, for messages
    live: bool = False  # measured on real workers
    names: Mapping[str, str] = field(default_factory=dict)  # of labels, in place of their own

    def only(self, schemes: Sequence[str] | None) -> Records:
        """The part of some schemes, named by label or by registry name; all for ``None``.
        Raises ConfigError: there is no such scheme."""
        if schemes is None:
            return self
        known = self.labels()
        names = {name for pair in known for name in pair}
        if not len(schemes):
            raise at("schemes", schemes, f"must name one or more of: {', '.join(sorted(names))}")
        for name in schemes:
            if name not in names:
                raise at("schemes", name, one_of(names, name))
        labels = [label for label, scheme in known if label in schemes or scheme in schemes]
        names_of_tables = ("iterations", "summary", "workers", "timeline")
        tables = {name: getattr(self, name) for name in names_of_tables}
        own = {n: t[t["label"].isin(labels)] for n, t in tables.items() if t is not None}
        return replace(self, **own)

    def where(self, conditions: Mapping[str, Any]) -> Records:
        """The part whose swept keys have these values; a list names several of a key.
        Raises ConfigError: no such key was swept, or it never had that value."""
        own, summary = np.ones(len(self.summary), dtype=bool), self.summary
        keys = [*self.swept(), *(key for key in map(str, summary) if key.startswith("scheme."))]
        for key, wanted in conditions.items():
            if key not in keys:
                raise at("where", key, one_of(keys, key) if keys else "nothing was swept here")
            has = summary[key].notna() | (key in self.swept())  # a scheme may lack the field
            texts, known = texts_of(summary[key]), [*map(comparable, summary[key])]
            rows = pd.Series(False, summary.index)
            for value in wanted if isinstance(wanted, list | tuple) else [wanted]:
                equal = np.array([known_value == comparable(value) for known_value in known])
                if not (same := (texts.eq(str(value)) | equal) & has).any():
                    raise at(f"where {key}", value, one_of([*texts[has].unique()], value))
                rows |= same
            own &= rows.to_numpy()
        if not own.any():
            raise at("where", dict(conditions), "no cell has all of these")
        common = [key for key in conditions if summary[key][own].nunique(dropna=False) == 1]
        title = names_of(summary, common)[own].iloc[0] if common else self.title
        return self._point(pd.Series(own, summary.index, dtype=bool), title, 0)

    def part(self, conditions: Mapping[str, Any]) -> Records:
        """``where``, for a command that shows a part. Raises ConfigError: also if it is no part,
        since all cells have these values."""
        own = self.where(conditions)
        if len(own.summary) == len(self.summary):
            raise at("where", dict(conditions), "all cells have these; leave it out")
        return own

    @property
    def clock(self) -> str:
        """What times are called on an axis."""
        return "measured time (s)" if self.live else "simulated time (s)"

    @property
    def target(self) -> float | None:
        """The loss that runs shall reach, if the config has one."""
        target = (self.config or {}).get("target_loss")
        return float(target) if isinstance(target, int | float) else None

    def replicated(self) -> bool:
        """Whether there is more than one replication, and so a spread to show."""
        return bool(self.iterations["replication"].max() > 0)

    def cell(self, label: str) -> OneCell:
        """One scheme's rows, of which metrics are made."""
        return OneCell(self.iterations[self.iterations["label"] == label])

    def labels(self) -> list[tuple[str, str]]:
        """(label, scheme) of each scheme, in the run's order."""
        pairs = self.summary[["label", "scheme"]].drop_duplicates("label")
        return [(str(label), str(scheme)) for label, scheme in pairs.itertuples(index=False)]

    def named(self, names: Sequence[str]) -> Records:
        """The same with other names for its schemes, in their order; an empty one stays.
        Raises ConfigError: there are more names or fewer."""
        labels = [label for label, _ in self.labels()]
        if len(names) != len(labels):
            order = ", ".join(labels)
            valid = f"must name {len(labels)} schemes, in the order {order}"
            raise at("labels", ",".join(names), valid)
        pairs = zip(labels, names, strict=True)
        return replace(self, names={label: name for label, name in pairs if name})

    def shown(self, label: str) -> str:
        """What a reader sees of a label."""
        return self.names.get(label) or shown_name(label, dict(self.labels()).get(label, ""))

    def runs(self, label: str, column: str) -> FloatArray:
        """A column of one scheme as ``(R, T + 1)``: replications by iterations. Raises ConfigError:
        the table has an iteration twice."""
        table = self.iterations[self.iterations["label"] == label]
        try:
            wide = table.pivot(index="replication", columns="iteration", values=column)
        except ValueError:  # two rows for one place
            file = self.directory / outputs.ITERATIONS
            raise ConfigError(
                f"{file}: has an iteration of {label!r} twice; run the same command again"
            ) from None
        return wide.to_numpy(dtype=float)

    def points(self, most: int = 9, apart: bool = False) -> list[Records]:
        """One part for each point of the sweep's grid, at most as many as can be read in a picture:
        the first ones, or some that lie ``apart``, the first and the last among them.
        Fields of a scheme (``scheme.load``) make no points: they are in its label."""
        keys = [key for key in self.swept() if self.summary[key].nunique(dropna=False) > 1]
        if not keys:
            return [self]
        points = names_of(self.summary, keys)
        names = list(dict.fromkeys(points))
        drawn = names[:most]
        if apart and len(names) > most:
            drawn = [names[i] for i in np.linspace(0, len(names) - 1, most).astype(int)]
        return [self._point(points == name, name, len(names) - len(drawn)) for name in drawn]

    def _point(self, rows: pd.Series[bool], title: str, left_out: int) -> Records:
        """The part with these rows of the summary; the other tables are matched by cell."""
        own, workers, timeline = self.summary[rows], self.workers, self.timeline
        title = f"{self.title}\n{title}" if self.title else title
        of_point = replace(self, summary=own, left_out=left_out, title=title)
        iterations = self._of_cells(self.iterations, own)
        workers = None if workers is None else self._of_cells(workers, own)
        if timeline is not None:
            first, point = (
                comparable(table[self.swept()].iloc[0].tolist()) for table in (self.summary, own)
            )
            timeline = timeline[timeline["label"].isin(own["label"]) & (point == first)]
        return replace(of_point, iterations=iterations, workers=workers, timeline=timeline)

    def _of_cells(self, table: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
        """Rows of the cells in ``summary``, which is a part of ours. Points that differ in no
        number but that of their target share their cells, and each has rows of its own."""
        rows = table[table["cell"].isin(summary["cell"]) & table["label"].isin(summary["label"])]
        if self.summary["cell"].is_unique:
            return rows
        keys = [key for key in ("cell", "label", *self.swept()) if key in table]
        points, wanted = (pd.MultiIndex.from_frame(each[keys]) for each in (rows, summary))
        return rows[points.isin(wanted)]

    def swept(self) -> list[str]:
        """Swept keys that make points of the grid, columns of both tables; not schemes' fields."""
        both = [name for name in self.iterations.columns if name in self.summary]
        return [k for k in both if k not in IDENTITY and not k.startswith("scheme.")]


def comparable(value: Any) -> Hashable:
    """A value as tables, Python and the command line all give it: 2, 2.0 and "2" are one; so are
    NaN, ``None`` and "null", and a section and its JSON."""
    if isinstance(value, str):
        for read in (json.loads, float):
            with suppress(ValueError, RecursionError):
                value = read(value)
                break
    if isinstance(value, Mapping):
        return frozenset((key, comparable(entry)) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(comparable, value))
    known: Hashable = None if value != value else value
    return known


def names_of(table: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    """What each row has of these keys, ``key = value`` a line."""
    texts = table[keys].apply(texts_of).rename(columns=lambda key: key.removeprefix("schemes."))
    return texts.apply(lambda row: "\n".join(f"{k} = {v}" for k, v in row.items()), axis=1)


def texts_of(column: pd.Series[Any]) -> pd.Series[str]:
    """A swept key's values as ``short_text``, numbered where several have the same."""
    codes, values = column.factorize(use_na_sentinel=False)
    texts = numbered([short_text(value) for value in values.tolist()])
    return pd.Series(np.array(texts, dtype=object)[codes], column.index)


def numbered(names: Sequence[str]) -> list[str]:
    """The names, those that several have with a number behind: ``a (1)``, ``a (2)``."""
    column = pd.Series(names, dtype=object)
    several, number = column.duplicated(keep=False), column.groupby(column).cumcount() + 1
    known = zip(names, several, number, strict=True)
    return [f"{name} ({n})" if alike else name for name, alike, n in known]


def short_text(value: Any) -> str:
    """A config's value, or section as JSON, for a title; of a delay model name and plain fields."""
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError, RecursionError):  # a label can begin like that, too
            value = json.loads(value)
    if isinstance(value, Mapping):
        fields = [k for k, v in value.items() if k != "model" and isinstance(v, int | float | str)]
        plain = [f"{k} = {short_text(value[k])}" for k in fields]
        return ", ".join([str(value.get("model", "...")), *plain])
    if value is None or value != value:  # as a table holds it
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(value)


def read_records(directory: Path) -> Records:
    """Read the tables under a run's or sweep's output directory.
    Raises ConfigError: they are not there, not what a run writes, or not of one run."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    identity = outputs.id_of(directory)
    wanted: dict[str, Sequence[str]] = {  # columns that the tables have at least
        outputs.ITERATIONS: (*IDENTITY, "replication", "iteration", "time"),
        outputs.SUMMARY: (*IDENTITY, "workers", "replications", "iteration_time_mean"),
    }
    if (directory / outputs.WORKERS).is_file():
        wanted[outputs.WORKERS] = (*IDENTITY, "worker")
    if outputs.has_rows(directory / outputs.TIMELINE_TABLE):
        columns = ("label", "worker", "kind", "start", "end", "iteration", "ended_by")
        wanted[outputs.TIMELINE_TABLE] = columns
    tables = {
        name: read_run_table(directory / name, needs, identity) for name, needs in wanted.items()
    }
    iterations, summary = tables[outputs.ITERATIONS], tables[outputs.SUMMARY]
    if "final_train_loss_mean" in summary and "train_loss" not in iterations:
        file = directory / outputs.ITERATIONS
        raise ConfigError(f"{file} has no column train_loss; is it the output of a run?")
    config = directory / outputs.CONFIG
    live = "live" in summary and bool(summary["live"].all())
    records = Records(
        iterations,
        summary,
        title="measured on real workers" if live else "",
        workers=tables.get(outputs.WORKERS),
        timeline=tables.get(outputs.TIMELINE_TABLE),
        config=read_mapping(config) if config.is_file() else None,
        directory=directory,
        live=live,
    )
    swept = {*iterations.columns} & {*summary.columns} - {*IDENTITY}
    for name, table in tables.items():
        _require_kinds(directory / name, table, swept)
        _fill_empty_columns(table, swept)
        shared = [column for column in ("cell", "label") if column in table]
        mine, every = (
            {*rows[shared].itertuples(index=False, name=None)}
            for rows in (table.drop_duplicates(shared), summary)
        )
        if not mine <= every or (name == outputs.ITERATIONS and mine != every):
            others = f"has other cells than {outputs.SUMMARY}; run the same command again"
            raise ConfigError(f"{directory / name}: {others}")
    if outputs.required_id(directory, records.config) != identity:
        raise ConfigError(f"{directory}: was rewritten while it was read; try again")
    return records


def write_records(records: Records, failed: Mapping[str, str], output: Path) -> list[Path]:
    """Write a result, or a part of one, so that ``read_records`` reads it again: tables, config
    with its code, and manifest; no cells. Returns the files. Raises ConfigError: another command
    writes to ``output``, or it cannot be written."""
    from ..config.code import Carried, carried
    from ..config.document import anchored, write_yaml

    before = {} if records.directory == Path() else outputs.manifest_in(records.directory)
    keys = [*dict.fromkeys(map(str, records.summary["cell"]))]
    in_folder = Carried()
    if records.config is not None:
        in_folder = carried(anchored(records.config, records.directory.absolute()), output)
    live = before.get("live")
    identity = outputs.result_id(in_folder.config, keys, live)
    tables = {
        outputs.ITERATIONS: records.iterations,
        outputs.SUMMARY: records.summary,
        outputs.WORKERS: records.workers,
        outputs.TIMELINE_TABLE: records.timeline,
    }
    known = before.get("cells") or {}
    manifest: dict[str, Any] = {
        "seed": (records.config or {}).get("seed"),
        **outputs.provenance(),
        "warnings": [],
        # what the folder says that it was read from, but of its cells' files
        **{fact: value for fact, value in before.items() if fact != "checksum"},
        "id": identity,
        "cells": {key: known.get(key, {}) for key in keys},
        "failed": dict(failed),
    }
    manifest.pop("origin", None)  # of version 0.3
    names = [name for name, table in tables.items() if table is not None]
    with files.postponed(), files.output_folder(output, outputs.RUN_FILES):
        outputs.clear(output)
        outputs.write_code(in_folder, output)
        if records.config is not None:
            files.write_bytes(output / outputs.CONFIG, write_yaml(in_folder.config).encode())
            names.append(outputs.CONFIG)
        for name, table in tables.items():
            if table is not None:
                files.write_table(output / name, table, {outputs.ID: identity.encode()})
        files.write_bytes(output / outputs.MANIFEST, outputs.to_json(manifest))
    return [output / name for name in (*names, outputs.MANIFEST)]


# endings of columns of a summary, and of those that each has beside it
COLUMN_PAIRS = (
    ("_mean", "_se"),
    ("_ratio", "_ratio_low"),
    ("_ratio", "_ratio_high"),
    ("_theory", "_z"),
    ("costliest_worker", "costliest_worker_last"),
    ("costliest_worker", "costliest_worker_cost"),
)


def read_run_table(
    path: Path, columns: Sequence[str] = IDENTITY, identity: str | None = None
) -> pd.DataFrame:
    """Read one table of a run, which must have these columns. ``identity`` is of the result that
    it must be of; ``None`` for that of the manifest beside it. Raises ConfigError: it is not there,
    damaged, empty, without these columns, or not of the run whose manifest lies beside it."""
    if not path.is_file():
        raise outputs.nothing_at(path)
    try:
        arrow = read_arrow(path)
        table = as_frame(arrow)
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    others = [
        name.removesuffix(ending) + beside
        for name in table.columns
        for ending, beside in COLUMN_PAIRS
        if name.endswith(ending) and "." not in name
    ]
    missing = [column for column in (*columns, *others) if column not in table.columns]
    if missing or table.empty:
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise ConfigError(f"{path} {what}; is it the output of a run?")
    required = outputs.required_id(path.parent) if identity is None else identity
    outputs.require_id(required, outputs.id_in(arrow.schema.metadata), path)
    return table


def _fill_empty_columns(table: pd.DataFrame, swept: Container[str]) -> None:
    """Make each column of numbers that holds none a column of NaN, in place of ``None``."""
    for name, column in table.items():
        if name not in swept and not is_numeric_dtype(column) and bool(column.isna().all()):
            table[name] = np.full(len(table), np.nan)


def _require_kinds(path: Path, table: pd.DataFrame, swept: Container[str]) -> None:
    """Raises ConfigError: a column holds a text among numbers, or no text where one must be."""
    for name, column in table.items():
        if name in (*IDENTITY, "kind"):  # all others are numbers, but for what is swept
            good, what = is_string_dtype(column) and not column.isna().any(), "text"
        else:
            good, what = is_numeric_dtype(column) or bool(column.isna().all()), "numbers"
        if not good and name not in swept:
            raise ConfigError(f"{path}: column {name} must hold {what}; is it the output of a run?")
