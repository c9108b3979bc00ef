"""The findings as tables; docs/recommend.md has the columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..run.records import interval_columns, mean_interval
from .compare import mean
from .entry import Entry
from .study import Study, is_coded


def ranking_table(study: Study) -> pd.DataFrame:
    """One row per scheme of the race: those that stayed, the best first, and then those that left,
    by what they did until then."""
    rows = []
    places = {id(e): place for place, e in enumerate(study.untuned, 1)}
    for rank, entry in enumerate(study.ranked, 1):
        final, own = entry.final, entry.own()
        assert final is not None
        there = np.isfinite(own)
        values = own if there.all() else np.full(len(own), np.nan)
        row: dict[str, Any] = {
            "rank": rank,
            "scheme": entry.section["name"],
            "label": entry.label,
            **interval_columns("value", mean_interval(values)),
            **interval_columns("ratio", study.ratio(entry, study.winner)),
            **interval_columns("to_today", study.ratio(entry, study.today)),
            "reached": int(there.sum()),
            "replications": len(own),
            "tied": entry is study.winner or entry in study.tied,
            "rate": entry.rate,
            "value_at_common_rate": _at_common(study, entry),
            "rank_at_common_rate": places.get(id(entry), np.nan),
            "iteration_time": float(final.iteration_time.mean()),
            "iterations": _iterations(entry),
            "staleness": final.staleness,
            **study.costs(entry),
            "coded": is_coded(entry),
            "today": entry is study.today,
            "breaks": entry.breaks,
            "left": entry.stage,
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    frame.insert(3, "goal", study.asked.goal.column)
    return frame


def _iterations(entry: Entry) -> float:
    assert entry.final is not None
    needed = entry.final.needed
    return float(np.mean(needed[0])) if needed.size else np.nan


def _at_common(study: Study, entry: Entry) -> float:
    if not study.asked.trains or entry.final is None:
        return float("nan")
    return mean(entry.final.at(study.asked.common))


def candidates_table(study: Study) -> pd.DataFrame:
    """One row per scheme that was looked at, with why it left."""
    rows = [_candidate(study, entry) for entry in study.entries]
    frame = pd.DataFrame(rows)
    frame["front"] = on_front(frame[["value", "error", "worker_seconds"]].to_numpy(float))
    return frame


def _candidate(study: Study, entry: Entry) -> dict[str, Any]:
    expected, clocked = entry.expected, entry.clocked
    value = _best_known(entry)
    costs = {"load": np.nan, "worker_seconds": np.nan, "bytes": np.nan, "error": np.nan}
    if clocked is not None:
        costs = study.bench.costs(entry, entry.final or clocked, value)
    elif expected is not None:
        costs["error"] = expected.error
    if entry.sketch is not None:
        costs["load"] = float(entry.sketch.holds)
    fields = {k: v for k, v in entry.section.items() if k not in ("label",)}
    return {
        "scheme": entry.section["name"],
        "label": entry.label,
        "section": json.dumps(fields, sort_keys=True),
        "stage": entry.stage or "stayed",
        "reason": entry.out or entry.breaks,
        "value": value if np.isfinite(value) else np.nan,
        "rate": entry.rate,
        "iteration_time": expected.iteration_time if expected is not None else np.nan,
        "known_by": expected.source if expected is not None else "",
        **costs,
        "coded": is_coded(entry),
    }


def _best_known(entry: Entry) -> float:
    """What the goal makes small, from the latest stage that measured it."""
    if entry.final is not None:
        return mean(entry.own())
    if entry.trial is not None:
        return mean(entry.trial.at(entry.rate))
    return np.nan if entry.expected is None else entry.expected.value


def on_front(points: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of ``(N, 3)`` points no other beats in one number and equals or beats in all; of rows
    with NaN none is on the front."""
    known = np.isfinite(points).all(axis=1)
    front = known.copy()
    for place in np.flatnonzero(known):
        mine = points[place]
        others = points[known]
        beaten = (others <= mine).all(axis=1) & (others < mine).any(axis=1)
        front[place] = not beaten.any()
    return np.asarray(front)


def sensitivity_table(study: Study) -> pd.DataFrame:
    """One row per changed thing and scheme."""
    columns = ["dial", "times", "scheme", "label", "value", "ratio", "ratio_low", "ratio_high"]
    rows = [
        [
            m.dial.name,
            m.dial.value,
            m.entry.section["name"],
            m.entry.label,
            m.value if np.isfinite(m.value) else np.nan,
            m.ratio,
            m.low,
            m.high,
        ]
        for m in study.moved
    ]
    return pd.DataFrame(rows, columns=columns)


def rates_table(study: Study) -> pd.DataFrame:
    """One row per scheme and learning rate of the last trial."""
    rows: list[Sequence[Any]] = []
    for entry in study.entries:
        if entry.trial is None:
            continue
        for rate, values in zip(entry.trial.rates, entry.trial.values, strict=True):
            there = np.isfinite(values)
            average = float(values[there].mean()) if there.any() else np.nan
            own = rate == entry.rate
            rows.append([entry.label, rate, average, int(there.sum()), len(values), own])
    columns = ["label", "rate", "value", "reached", "replications", "own"]
    return pd.DataFrame(rows, columns=columns)
