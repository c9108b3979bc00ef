"""Several rows of one worker and round: calls that were tried again, or two runs in one file."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import short
from .error import TableError
from .measured import Repair
from .reading import Reading

MOST_RUNS = 50
"""Different values of a column that says which run a row is of."""

SPLIT = "split it there, or sort it by worker and round"

Calls = pd.DataFrame
"""Columns ``worker`` and ``round`` (numbers from 0), ``seconds``; one row per row of the file."""


def one_each(
    path: str,
    calls: Calls,
    others: pd.DataFrame,
    labels: tuple[Sequence[str], NDArray[np.float64]],
    reading: Reading,
) -> tuple[Calls, list[Repair]]:
    """One row for each worker and round.

    Args:
        path: of the file, for errors.
        calls: in the order of the file.
        others: the file's other columns, one of which may tell the rows apart.
        labels: names of the workers, numbers of the rounds.
        reading: what several rows are.

    Raises:
        TableError: rows are repeated, and it was not said what that means; or the file holds
            several runs, which nothing can mean.
    """
    twice = calls.duplicated(["worker", "round"])
    count = int(twice.sum())
    if not count:
        return calls, []
    restart = _restart(calls)
    if restart is not None:
        raise TableError(
            path,
            f"round numbers begin again at row {restart + 1}: two runs in one file, or rows out of "
            f"order? {_tells_apart(calls, others) or SPLIT}",
        )
    if reading.retries == "refuse":
        row = calls[twice].iloc[0]
        worker, number = labels[0][int(row["worker"])], labels[1][int(row["round"])]
        raise TableError(
            path,
            f"two rows for worker {short(worker)}, round {number:g} ({count} such rows; keep one): "
            + (_tells_apart(calls, others) or "if calls were tried again, --retries last or sum"),
        )
    if reading.retries == "last":
        kept = calls.drop_duplicates(["worker", "round"], keep="last")
        text = f"{count} rows repeat a worker and round: the last of each counts"
    else:
        whole = calls.groupby(["worker", "round"], sort=False)["seconds"]
        kept = whole.sum(min_count=1).reset_index()
        unknown = whole.count().to_numpy() < whole.size().to_numpy()
        kept.loc[unknown, "seconds"] = np.nan
        text = f"{count} rows repeat a worker and round: their seconds are added"
    return kept, [Repair("retry", count, text)]


def _restart(calls: Calls) -> int | None:
    """The first row where a worker's rounds begin again, if at least half of the workers' do."""
    ordered = calls.sort_values("worker", kind="stable")
    same = ordered["worker"].diff().eq(0)
    falls = ordered[same & ordered["round"].diff().lt(0)]
    if 2 * falls["worker"].nunique() < calls["worker"].nunique():
        return None
    return int(falls.index.min())


def _tells_apart(calls: Calls, others: pd.DataFrame) -> str | None:
    """One or two columns of few values with which every row is another call."""
    few = [name for name in others.columns if others[name].nunique() <= MOST_RUNS]
    for names in (*itertools.combinations(few, 1), *itertools.combinations(few[:10], 2)):
        keys = [pd.factorize(others[name])[0] for name in names]
        keyed = np.column_stack([calls["worker"], calls["round"], *keys])
        if not pd.DataFrame(keyed).duplicated().any():
            shown = short(" and ".join(map(str, names)))
            return f"{shown} says which: write a file for each"
    return None
