"""Reads what a run wrote. Pictures are drawn from this alone, never from live objects."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from experiments.errors import ConfigError
from sim.types import FloatArray

IDENTITY = ("cell", "scheme", "label")

MOST_PANELS = 9
"""Points of a sweep that are drawn; a picture of more would not be readable."""


@dataclass(frozen=True, eq=False)
class Records:
    """The two tables of a run or sweep, or the part of them that belongs to one panel.

    Attributes:
        iterations: one row per cell, replication and iteration.
        summary: one row per cell.
        title: what the part has in common, one line such as ``delay.rate = 2`` for each swept key;
            empty for a plain run.
        left_out: points of the sweep beyond those that are drawn.
    """

    iterations: pd.DataFrame
    summary: pd.DataFrame
    title: str = ""
    left_out: int = 0

    def labels(self) -> list[tuple[str, str]]:
        """(label, scheme) of each scheme, in the run's order."""
        pairs = self.summary[["label", "scheme"]].drop_duplicates("label")
        return [(str(label), str(scheme)) for label, scheme in pairs.itertuples(index=False)]

    def runs(self, label: str, column: str) -> FloatArray:
        """A column of one scheme as ``(R, T + 1)``: replications by iterations."""
        table = self.iterations[self.iterations["label"] == label]
        wide = table.pivot(index="replication", columns="iteration", values=column)
        return wide.to_numpy(dtype=float)

    def points(self) -> list[Records]:
        """One part for each point of the sweep's grid, at most ``MOST_PANELS``.

        Fields of a scheme (``scheme.load``) make no points: they are in its label.
        """
        keys = self._swept()
        if not keys:
            return [self]
        of_rows = _names(self.iterations, keys)
        of_cells = _names(self.summary, keys)
        names = list(dict.fromkeys(of_cells))
        shown = names[:MOST_PANELS]
        return [
            Records(
                self.iterations[of_rows == name],
                self.summary[of_cells == name],
                name,
                len(names) - len(shown),
            )
            for name in shown
        ]

    def _swept(self) -> list[str]:
        """The sweep's keys: the columns that both tables share, besides the names."""
        both = [name for name in self.iterations.columns if name in set(self.summary.columns)]
        return [name for name in both if name not in IDENTITY and not name.startswith("scheme.")]


def _names(table: pd.DataFrame, keys: list[str]) -> pd.Series[str]:
    parts = [
        table[key].map(lambda value, key=key: f"{key.removeprefix('schemes.')} = {_short(value)}")
        for key in keys
    ]
    names = parts[0]
    for part in parts[1:]:
        names = names + "\n" + part
    return names


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def read(directory: Path) -> Records:
    """Read the tables under a run's or sweep's output directory.

    Raises:
        ConfigError: they are not there, or not what a run writes.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    iterations, summary = (
        _table(directory / name) for name in ("iterations.parquet", "summary.parquet")
    )
    for table, name in ((iterations, "iterations"), (summary, "summary")):
        missing = [column for column in IDENTITY if column not in table.columns]
        if missing or table.empty:
            what = f"has no column {missing[0]}" if missing else "has no rows"
            raise ConfigError(f"{directory / name}.parquet {what}; is it the output of a run?")
    return Records(iterations, summary)


def _table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; is {path.parent} the output of a run?")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
