"""Which cells of two results belong together, and what both have of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..config.errors import ConfigError
from ..pictures.records import Records, swept_keys


@dataclass(frozen=True, eq=False)
class Pair:
    """One scheme at one point of a sweep, in two results.

    Attributes:
        label, scheme: its name in tables, and in the registry.
        swept: the sweep's keys and values.
        first, second: ``(R, T + 1, columns)`` of iterations, by the name of the column.
    """

    label: str
    scheme: str
    swept: dict[str, str]
    first: dict[str, FloatArray]
    second: dict[str, FloatArray]


COLUMNS = ("time", "iteration_time", "train_loss")


def pairs(first: Records, second: Records) -> list[Pair]:
    """The cells that both results have, in the first one's order.

    They are matched by label and swept values. Of each, the replications and iterations that both
    have are kept.

    Raises:
        ConfigError: no scheme is in both.
    """
    keys = swept_keys(first.iterations, first.summary)
    others = {tuple(name): rows for name, rows in _cells(second, keys)}
    found = [
        _pair(name, keys, rows, others[tuple(name)])
        for name, rows in _cells(first, keys)
        if tuple(name) in others
    ]
    if not found:
        labels = ", ".join(label for label, _ in second.labels())
        raise ConfigError(
            f"{first.directory}: has no scheme and point of a sweep that {second.directory} has: "
            f"{labels}"
        )
    return found


def _cells(records: Records, keys: list[str]) -> Iterator[tuple[list[str], pd.DataFrame]]:
    table = records.iterations
    known = [key for key in keys if key in table]
    if known != keys:
        return
    names = table[["label", "scheme", *keys]].astype(str)
    for _, rows in table.groupby([names[name] for name in names], sort=False):
        yield [*map(str, rows[names.columns].iloc[0])], rows


def _pair(name: list[str], keys: list[str], one: pd.DataFrame, two: pd.DataFrame) -> Pair:
    columns = [c for c in COLUMNS if c in one and c in two]
    wide = [
        {
            c: rows.drop_duplicates(["replication", "iteration"])
            .pivot(index="replication", columns="iteration", values=c)
            .to_numpy(dtype=np.float64, na_value=np.nan)
            for c in columns
        }
        for rows in (one, two)
    ]
    r, t = (min(side["time"].shape[axis] for side in wide) for axis in (0, 1))
    first, second = ({c: values[:r, :t] for c, values in side.items()} for side in wide)
    label, scheme, *values = name
    return Pair(label, scheme, dict(zip(keys, values, strict=True)), first, second)
