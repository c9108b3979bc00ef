"""The remedies as one ranked list, in two blocks: steps with the same gradient, by their time; then
steps with fewer gradients, by their time for as much of everybody's data. And which of them are
told first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ..statistics.series import Blocks
from .remedies import REPLACE, Remedy

MATTERS = 0.02  # share of a step from which a saving is worth a word
LATELY_MATTERS = 0.005  # the same of the last quarter of the rounds
CLOSE = 1e-9  # seconds whose ratio is nearer to 1 are the same
COLUMNS = (
    "kind", "text", "exact", "seconds", "seconds_low", "saves", "saves_low", "saves_high",
    "lately", "for_all", "worth_below", "worker_seconds", "heard", "least", "least_host", "load",
    "copies", "hosts", "needs", "assumed", "tied", "beaten_by",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Ranking:
    """The list, and the row of each block that is told first: its place, if one clearly saves."""

    remedies: pd.DataFrame  # ``COLUMNS``; the best row of each block first
    sections: Sequence[Mapping[str, Any] | None]  # of a config, for each row that has one
    headline: int | None  # with the same gradient
    fewer: int | None  # with fewer gradients


@dataclass(frozen=True, eq=False)
class _Best:
    """The best row of a block."""

    row: int
    clear: bool  # whether its saving is surely more than nothing
    optimism: float  # share of a step that it seems to save for having been chosen
    tied: Sequence[int]  # rows that the rounds cannot tell from it


def ranked(remedies: Sequence[Remedy], blocks: Blocks) -> Ranking:
    """Rank remedies of the same rounds, of which the first is to leave all as it is."""
    table = pd.DataFrame([_row(remedy, remedies[0]) for remedy in remedies])
    resampled = blocks.means(np.stack([remedy.seconds for remedy in remedies], axis=1))
    times = resampled / resampled[:, :1]  # of a step, ``(DRAWS, rows)``
    steps_for_all = np.array([remedy.outcome.steps_for_all for remedy in remedies])
    saves = table["saves"].to_numpy(dtype=float)
    ends = [blocks.interval(saves[row], 1 - times[:, row]) for row in range(len(table))]
    low, high = np.array(ends).T
    tied = np.zeros(len(table), dtype=np.bool_)
    beaten_by = _beaten(table)
    told = dict[bool, int | None]()
    for exact in (True, False):
        for_all = times if exact else times * steps_for_all
        there = table["exact"].to_numpy() == exact
        late = table["lately"].to_numpy(dtype=float) >= LATELY_MATTERS
        candidates = [
            row for row in range(len(table)) if there[row] and late[row] and not beaten_by[row]
        ]
        best = _best(
            candidates, saves, table["for_all"].to_numpy(dtype=float), times, for_all, blocks
        )
        # Who is to be replaced was judged before: a median host is slower in no round.
        surely = best is not None and (best.clear or remedies[best.row].kind == REPLACE)
        told[exact] = best.row if best is not None and surely else None
        if best is not None:
            low[best.row] -= best.optimism
            high[best.row] = max(high[best.row] - best.optimism, saves[best.row])
            tied[[*best.tied]] = True
    replaced = table["kind"].to_numpy() == REPLACE
    low[replaced] = np.maximum(low[replaced], 0.0)
    table = table.assign(saves_low=low, saves_high=high, tied=tied, beaten_by=beaten_by)
    order = _order(table)
    place: dict[int | None, int] = {row: index for index, row in enumerate(order)}
    return Ranking(
        remedies=table.iloc[order][[*COLUMNS]].reset_index(drop=True),
        sections=[remedies[row].section for row in order],
        headline=place.get(told[True]),
        fewer=place.get(told[False]),
    )


def _order(table: pd.DataFrame) -> list[int]:
    """Rows with the same gradient by their time, then the others by their time for all data."""
    by_time = table[table["exact"]].sort_values("seconds", kind="stable").index
    others = table[~table["exact"]].sort_values(["for_all", "seconds"], ascending=[False, True])
    return [*by_time, *others.index]


def _row(remedy: Remedy, today: Remedy) -> dict[str, object]:
    outcome = remedy.outcome
    once = outcome if remedy.once is None else remedy.once
    step = float(today.seconds.mean())
    seconds = float(remedy.seconds.mean())
    last_quarter = slice(-max(1, len(today.seconds) // 4), None)
    lately = remedy.seconds[last_quarter].mean() / today.seconds[last_quarter].mean()
    worth_below = np.nan
    if remedy.load > 1:
        worth_below = step / float(once.seconds.mean()) / once.steps_for_all
    return {
        "kind": remedy.kind,
        "text": remedy.text,
        "exact": remedy.exact,
        "seconds": seconds,
        "seconds_low": seconds / remedy.growth,
        "saves": 1 - seconds / step,
        "lately": 1 - float(lately),
        "for_all": 1 - seconds * outcome.steps_for_all / step,
        "worth_below": worth_below,
        "worker_seconds": remedy.growth * outcome.worker_seconds,
        "heard": float(outcome.heard.mean()),
        "least": float(outcome.heard.min()),
        "least_host": remedy.least_host,
        "load": remedy.load,
        "copies": remedy.copies,
        "hosts": remedy.hosts,
        "needs": ", ".join(remedy.needs),
        "assumed": remedy.assumed,
    }


def _beaten(table: pd.DataFrame) -> list[str]:
    """For each row the fastest of those that beat it: that take less time, leave the gradient as it
    is if it does, and are no worse in anything else. Empty: none does."""

    def both(column: str) -> tuple[FloatArray, FloatArray]:
        """Of each row, down, and of each that may beat it, across."""
        values = table[column].to_numpy(dtype=float)
        return values[:, None], values[None, :]

    needs = [set(text.split(", ")) - {""} for text in table["needs"]]
    better = np.array([[other <= own for other in needs] for own in needs])
    seconds = table["seconds"].to_numpy(dtype=float)
    better &= seconds[None, :] < table["seconds_low"].to_numpy(dtype=float)[:, None] * (1 - CLOSE)
    for column in ("exact", "least", "heard"):
        own, other = both(column)
        better &= other >= own
    for column in ("load", "copies", "hosts", "worker_seconds"):
        own, other = both(column)
        better &= other <= own * (1 + CLOSE)
    fastest = np.where(better, seconds, np.inf).argmin(axis=1)
    texts = [str(text) for text in table["text"]]
    beaten = np.flatnonzero(better.any(axis=1))
    return [texts[fastest[row]] if row in beaten else "" for row in range(len(table))]


def _best(
    candidates: Sequence[int],
    saves: FloatArray,
    for_all: FloatArray,
    times: FloatArray,
    times_for_all: FloatArray,
    blocks: Blocks,
) -> _Best | None:
    """The best of some rows by what each saves ``for_all``, which of exact rows is what it saves;
    ``None``: none saves enough to matter. ``times`` are those of a step in the resampled rounds,
    as shares of today's, ``(DRAWS, rows)``."""
    if not candidates:
        return None
    best = max(candidates, key=lambda row: for_all[row])
    if not for_all[best] >= MATTERS:
        return None
    optimism = _optimism(candidates, saves, times, times_for_all)
    tied = list[int]()
    for row in candidates:
        # how many times as long as the best a row takes, beyond once
        apart = (1 - for_all[row]) / (1 - for_all[best]) - 1
        if row != best and np.isfinite(apart):
            resampled = times_for_all[:, row] / times_for_all[:, best] - 1
            low, _ = blocks.interval(apart, resampled)
            if not low > 0:
                tied.append(row)
    low, _ = blocks.interval(for_all[best], 1 - times_for_all[:, best])
    return _Best(best, clear=low - optimism > 0, optimism=optimism, tied=tied)


def _optimism(
    candidates: Sequence[int], saves: FloatArray, times: FloatArray, times_for_all: FloatArray
) -> float:
    """How much more the best of some rows seems to save than it does: in rounds that are drawn from
    the measured ones, the best of the drawn rounds saves so much more in them than in the measured
    ones, on average. Source: the optimism bootstrap, Efron, JASA 78 (1983)."""
    rows = np.array(candidates)
    best = rows[np.argmin(times_for_all[:, rows], axis=1)]
    drawn = 1 - times[np.arange(len(times)), best]
    return max(0.0, float(np.mean(drawn - saves[best])))
