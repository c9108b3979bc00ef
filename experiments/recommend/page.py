"""The page of a recommendation, made from its tables; ``report`` makes it again from the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...sim.metrics import METRICS
from ...sim.types import FloatArray
from ..config.errors import ConfigError
from ..page.answer import Answer, json_at, read_answer, table_at, text_at
from ..page.content import Chart, Page, Section, Table, capped, plain_cell
from ..pictures import style
from ..pictures.looks import DASHED, MUTED, Look, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Points, axis_of
from ..text import TableCell, interval, left_out, number_of

Parts = list[Chart | Table]
WINNER, MANIFEST = "winner.yaml", "manifest.json"
# Schemes in the ranking's picture, in the terminal, and named in the front's picture.
MOST_ROWS, MOST_PRINTED, MOST_NAMED = 12, 6, 8
WIDE = 4.0  # numbers that differ by this factor are drawn on a logarithmic axis
FAR = 3.0  # schemes beyond so many times the best are not drawn beside the front
FLOOR = 1e-3  # where an exact scheme stands on a logarithmic axis of decoding errors
CHANGES = {  # what is changed about the delays: the labels of axes
    "load": "further partitions cost (times)",
    "tail": "delays beyond median (times)",
    "persistence": "chance to keep a delay",
}
OTHERS = Look(MUTED, "o", "none", "other schemes")
SMALLEST, LARGEST = 3.5, 9.0  # sizes of markers, in points
NO_DIFFERENCE = Look(MUTED, "", DASHED, "the recommended scheme")


def read_recommendation(directory: Path) -> Page:
    """The page again, from what ``recommend`` left. Raises ConfigError: the result is not whole."""
    answer = read_answer(directory)
    manifest = json_at(directory / MANIFEST)
    ranked = ("scheme", "label", "goal", "value", "ratio", "ratio_low", "ratio_high", "breaks")
    looked_at = ("scheme", "label", "stage", "value", "error", "front")
    changed = ("dial", "times", "label", "scheme", "value", "ratio", "ratio_low", "ratio_high")
    try:
        sensitivity = table_at(directory / "sensitivity.csv", changed)
    except ConfigError:  # nothing was changed
        sensitivity = pd.DataFrame()
    tables = {
        "ranking": table_at(directory / "ranking.parquet", ranked),
        "candidates": table_at(directory / "candidates.parquet", looked_at),
        "sensitivity": sensitivity,
    }
    return recommendation_page(tables, answer, manifest, text_at(directory / WINNER))


def recommendation_page(
    tables: Mapping[str, pd.DataFrame],
    answer: Answer,
    manifest: Mapping[str, Any],
    config: str,
    method: Sequence[str] = (),
) -> Page:
    """What is said of a recommendation, from its tables ``ranking``, ``candidates`` and
    ``sensitivity``, the answer, manifest, winner's config, and how it was found, in paragraphs."""
    candidates, sensitivity = tables["candidates"], tables["sensitivity"]
    ranking = _in_order(tables["ranking"])
    # with a value and an error: the front first, and the best of each first
    known = candidates[np.isfinite(_values(candidates, "value") + _values(candidates, "error"))]
    ordered = known.sort_values(["front", "value"], ascending=[False, True], kind="stable")
    measured = ordered.drop_duplicates("label")
    named: dict[str, str] = {}
    for table in (ranking, sensitivity, measured.head(MOST_NAMED)):
        for row in table.to_dict("records"):
            named.setdefault(str(row["label"]), str(row["scheme"]))
    looks = variants([*named.items()])
    seconds = str(ranking["goal"].iloc[0]) == "seconds"
    quantity = "time to the goal (s)" if seconds else "loss at the end of the budget"
    title = "s to the goal" if seconds else quantity  # as narrow as its numbers
    asked = [
        (name.replace("_", " "), str(value))
        for name, value in (manifest.get("question") or {}).items()
        if value not in (None, []) and name != "mark"
    ]
    versions = ", ".join(f"{k} {v}" for k, v in (manifest.get("versions") or {}).items())
    said = " ".join([answer.verdict, *answer.why])
    first = _first_rows(ranking, said, MOST_ROWS)
    brief = _first_rows(ranking, said, MOST_PRINTED)
    ranked: Parts = [_ranking_table(ranking, title, brief), *_ranking_chart(ranking, first, looks)]
    front: Parts = [_front_table(measured, quantity), *_front_chart(measured, quantity, looks)]
    changed: Parts = [_sensitivity_table(sensitivity)]
    changed += _sensitivity_chart(sensitivity, looks)
    best = "No other scheme is better in all three: time, error and worker-seconds."
    return Page(
        answer,
        question=[("subject", answer.subject), *asked],
        sections=[
            Section("ranked", "Ranking", ranked),
            Section("compromises", "Time, error and cost", front, best),
            Section("changes", "How far it holds", changed),
            Section("looked-at", "All that was looked at", [_candidates_table(candidates)]),
        ],
        provenance=[
            ("seed", str(manifest.get("seed"))),
            ("commit", str(manifest.get("commit"))),
            ("computed in", f"{manifest.get('wall_seconds')} s"),
            ("versions", versions),
        ],
        config=config,
        method=method,
    )


def _values(table: pd.DataFrame, name: str) -> FloatArray:
    """A column as numbers; NaN for what is not finite, or not there."""
    values = np.array(table.get(name, np.full(len(table), np.nan)), dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _numbers(row: Mapping[Any, Any], *names: str) -> list[TableCell]:
    values = [row.get(name, np.nan) for name in names]
    errors = METRICS["decoding_error"].shown
    shown = [errors(v) if name == "error" else v for name, v in zip(names, values, strict=True)]
    return [plain_cell(value if np.isfinite(value) else np.nan) for value in shown]


def _ratio(row: Mapping[Any, Any], name: str = "ratio") -> TableCell:
    value, low, high = (row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high"))
    return interval(value, low, high, digits=4)


def _in_order(ranking: pd.DataFrame) -> pd.DataFrame:
    """The recommended scheme first, then by time; last, however fast, what is not to be taken."""
    best = np.argmax(_values(ranking, "tied") == 1)  # before all that it is tied with
    others = np.arange(len(ranking)) != best
    rows = ranking.to_dict("records")
    out = [_barred(row) or row.get("left") == "limits" for row in rows]
    values, reached = _values(ranking, "value"), _values(ranking, "reached")
    order = np.lexsort(np.array([-reached, values, out, others]))
    return ranking.iloc[order].reset_index(drop=True)


def _first_rows(ranking: pd.DataFrame, said: str, most: int) -> list[int]:
    """The rows to show: the schemes that the answer names, and the first of the others."""
    named = [str(label) in said for label in ranking["label"]]
    ordered = sorted(range(len(named)), key=lambda row: not named[row])
    return sorted(ordered[: max(most, sum(named))])


def _ranking_table(ranking: pd.DataFrame, quantity: str, brief: Sequence[int]) -> Table:
    columns = [
        "scheme", "status", quantity, "relative (95 %)", "own rate", "load", "s / iteration",
        "error", "to today's (95 %)", "worker-seconds", "bytes", "remark",
    ]  # fmt: skip
    most = _values(ranking, "replications").max()
    rows = [
        [
            plain_cell(row["label"]),
            TableCell(", ".join(_status(row, place == 0)) or "-"),
            _value(row),
            _ratio(row),
            *_numbers(row, "rate", "load", "iteration_time", "error"),
            # today's own are more
            _ratio({} if row.get("replications", most) < most else row, "to_today"),
            *_numbers(row, "worker_seconds", "bytes"),
            plain_cell(_remark(row)),
        ]
        for place, row in enumerate(ranking.to_dict("records"))
    ]
    note = "Relative: to the recommended scheme, over the replications that both have."
    return capped("ranking-table", "", columns, rows, "ranking.csv", note, brief)


def _value(row: Mapping[Any, Any]) -> TableCell:
    reached, replications = row.get("reached"), row.get("replications")
    if reached == replications:
        return plain_cell(row["value"])
    return TableCell(f"in {reached} of {replications} runs", np.nan)


def _barred(row: Mapping[Any, Any]) -> bool:
    reasons = (row.get(column) for column in ("breaks", "unheard"))
    return any(isinstance(reason, str) and reason for reason in reasons)  # NaN: there is none


def _status(row: Mapping[Any, Any], best: bool) -> Iterator[str]:
    if best:
        yield "recommended"
    if row.get("today"):
        yield "today's"
    if _barred(row) and not best:
        yield "not recommended"
    if row.get("left"):
        yield f"left after {row['replications']} runs"
    elif row.get("tied") and not best:
        yield "tied"


def _remark(row: Mapping[Any, Any]) -> str | None:
    if not _barred(row):
        return None
    return f"breaks a limit: {row['breaks']}" if row["breaks"] else f"unheard: {row['unheard']}"


def _ranking_chart(
    ranking: pd.DataFrame, first: Sequence[int], looks: Mapping[str, Look]
) -> Iterator[Chart]:
    rows = ranking.iloc[[*first]]
    rows = rows[np.isfinite(_values(rows, "ratio"))]
    if rows.empty:
        return
    x, low, high = (_values(rows, name) for name in ("ratio", "ratio_low", "ratio_high"))
    untuned = _values(rows, "value_at_common_rate") / _values(ranking, "value")[0]
    end = len(rows) - 0.4
    marks: list[Mark] = [Curve(NO_DIFFERENCE, np.ones(2), np.array([-0.6, end]), width=1.0)]
    for i, label in enumerate(map(str, rows["label"])):
        y = np.array([float(i)])
        bars = np.nan_to_num([[x[i] - low[i]], [high[i] - x[i]]])
        marks.append(Points(looks[label], x[i : i + 1], y, dx=bars))
        if np.isfinite(untuned[i]):
            same = replace(looks[label], title="")  # no entry of its own in a legend
            marks.append(Points(same, untuned[i : i + 1], y, hollow=True))
    axis = axis_of("ratio to the recommended scheme", np.append(x, untuned), WIDE)
    names = Axis("", low=end, high=-0.6, names=tuple(map(str, rows["label"])))
    more = number_of(len(ranking) - len(rows), "more scheme is", "more schemes are")
    remarks = [f"{more} in the table"] if len(ranking) > len(rows) else []
    caption = "Ratio to the recommended scheme on the same delays, with its 95 % interval"
    if np.isfinite(untuned).any():
        remarks.insert(0, "filled: own learning rate; hollow: the common one")
        caption += "; filled at a scheme's own learning rate, hollow at the common one"
    size, last = (style.TWO_PANELS, 1.5 + 0.34 * max(2, len(rows))), (NO_DIFFERENCE.title,)
    panel, heading = Panel(axis, names, marks), "; ".join(remarks)
    picture = Picture([panel], 1, *size, heading=heading, legend=0, last=last)
    yield Chart("ranking", "How far behind", f"{caption}.", picture)


def _front_table(measured: pd.DataFrame, quantity: str) -> Table:
    columns = ["scheme", quantity, "error", "worker-seconds", "load"]
    rows = [
        [plain_cell(row["label"]), *_numbers(row, "value", "error", "worker_seconds", "load")]
        for row in measured.to_dict("records")
        if row["front"]
    ]
    return capped("front-table", "", columns, rows, "candidates.csv")


def _front_chart(table: pd.DataFrame, quantity: str, looks: Mapping[str, Look]) -> Iterator[Chart]:
    """Time over decoding error; the smaller, the fewer worker-seconds. Ringed: the front."""
    if table.empty:
        return
    near = table[table["value"] <= FAR * table["value"].min()]
    beyond = left_out(len(table) - len(near), "scheme", f"beyond {FAR:g} times the best")
    table, cost = near, _values(near, "worker_seconds")
    # Small for few worker-seconds, large for many, by their logarithm; smallest where unknown.
    logs = np.log(np.maximum(cost, 1e-12))
    low, high = (np.nanmin(logs), np.nanmax(logs)) if np.isfinite(logs).any() else (0.0, 0.0)
    shares = (logs - low) / (high - low) if high > low else np.zeros_like(logs)
    sizes = np.where(np.isfinite(shares), SMALLEST + (LARGEST - SMALLEST) * shares, SMALLEST)
    x, y = np.maximum(_values(table, "error"), FLOOR), _values(table, "value")
    marks: list[Mark] = []
    for i, row in enumerate(table.to_dict("records")):
        look = looks[str(row["label"])] if i < MOST_NAMED else OTHERS
        ringed, size = bool(row["front"]), float(sizes[i])
        marks.append(Points(look, x[i : i + 1], y[i : i + 1], ringed=ringed, size=size))
    known = np.flatnonzero(np.isfinite(cost))
    extremes = sorted(known, key=lambda i: cost[i])[:: max(1, len(known) - 1)]
    keys = {f"size: {cost[i]:.4g} worker-seconds": float(sizes[i]) for i in extremes}
    marks += [Points(Look(MUTED, "o", "none", title), size=size) for title, size in keys.items()]
    error = Axis(f"mean decoding error (exact: at {FLOOR:g})", log=True)
    panel = Panel(error, axis_of(quantity, y, WIDE), marks)
    picture = Picture([panel], 1, style.TWO_PANELS, 4.9, legend=2, heading=beyond, last=tuple(keys))
    caption = (
        "What is known of each scheme. The smaller, the fewer worker-seconds; ringed: no other is "
        "better in all three."
    )
    yield Chart("front", "Time over error", caption, picture)


def _sensitivity_table(table: pd.DataFrame) -> Table:
    columns = ["changed", "to", "scheme", "value", "relative (95 %)"]
    rows = [
        [
            plain_cell(row["dial"]),
            plain_cell("shuffled" if row["times"] < 0 else f"{row['times']:g}"),
            plain_cell(row["label"]),
            plain_cell(row["value"]),
            _ratio(row),
        ]
        for row in table.to_dict("records")
    ]
    runs = _values(table, "replications").max(initial=0)  # NaN: of an older version
    usual = f"unchanged: in {runs:g} runs like all rows here (the ranking's are others); "
    note = (usual if runs > 0 else "") + (
        "load: the cost of each extra partition, scaled by this factor; tail: each delay's excess "
        "over the median, scaled by it; persistence: the probability that a worker keeps its delay "
        "of the round before; shuffled: the delays of a round are shuffled among the workers. "
        "Learning rates stay as they are. A value is missing where a scheme does not reach the "
        "goal in every run, and a ratio where it or the recommended scheme does not."
    )
    return capped("sensitivity-table", "", columns, rows, "sensitivity.csv", note)


def _sensitivity_chart(table: pd.DataFrame, looks: Mapping[str, Look]) -> Iterator[Chart]:
    known = np.isfinite(_values(table, "ratio"))
    if not known.any():
        return
    table = table[table["label"].isin(table[known]["label"])]
    y = axis_of("ratio to the recommended scheme", _values(table, "ratio"), WIDE)
    unchanged = table["dial"] == "unchanged"
    now, panels = table[unchanged], []
    for dial, own in table[~unchanged].groupby("dial", sort=False):
        as_is = 0.0 if dial == "persistence" else 1.0
        rows = pd.concat([own, now.assign(times=as_is)])
        times = sorted(rows["times"].unique())
        marks: list[Mark] = []
        for label, line in rows.groupby("label", sort=False):
            line = line.drop_duplicates("times").sort_values("times")
            x = np.searchsorted(times, line["times"]).astype(np.float64)
            middle, low, high = (_values(line, f"ratio{end}") for end in ("", "_low", "_high"))
            marks.append(Curve(looks[str(label)], x, middle, low, high))
        named = {-1.0: "shuffled"} | ({0.0: "as is"} if dial == "persistence" else {})
        names = [named.get(time, f"{time:g}") for time in times]
        x_axis = Axis(CHANGES.get(str(dial), str(dial)), names=tuple(names))
        panels.append(Panel(x_axis, y, marks, str(dial)))
    caption = (
        "Below 1, a scheme takes less time than the recommended one. Schemes that miss the goal in "
        "some run, leave data unheard or break a limit are shown for comparison. Bands: paired "
        "95 % intervals."
    )
    if not known.all():
        lacks = "where a scheme or the recommended one does not reach the goal in every run"
        caption += f" Nothing is shown {lacks}."
    size = style.TWO_PANELS + 1, 3.6 + 0.22 * table["label"].nunique()
    picture = Picture(panels, len(panels), *size, share="y", legend=2)
    yield Chart("sensitivity", "What if the cluster differs", caption, picture)


def _candidates_table(candidates: pd.DataFrame) -> Table:
    columns = ["scheme", "left", "why", "value", "s / iteration", "known by", "load", "error"]
    rows = [
        [
            plain_cell(row["label"]),
            plain_cell(row["stage"]),
            plain_cell(row.get("reason") or "-"),
            *_numbers(row, "value", "iteration_time"),
            plain_cell(row.get("known_by") or "-"),
            *_numbers(row, "load", "error"),
        ]
        for row in candidates.sort_values("value", kind="stable").to_dict("records")
    ]
    return capped("candidates-table", "", columns, rows, "candidates.csv")
