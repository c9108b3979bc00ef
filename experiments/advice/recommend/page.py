"""The page of a recommendation, made from its tables; ``report`` makes it again from the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....sim.base.types import BoolArray, FloatArray
from ...config.names import shown_in
from ...page.content import Answer, Page, Section, Table, capped, plain_cell
from ...page.folder import json_at, read_answer, table_at, text_at
from ...pictures import style
from ...pictures.looks import DASHED, MUTED, Look, variants
from ...pictures.picture import Axis, Chart, Curve, Mark, Panel, Picture, Points, axis_of
from ...run.metrics import METRICS
from ...run.outputs import MANIFEST
from ...text import TableCell, interval, left_out, number_of

Parts = list[Chart | Table]
WINNER = "winner.yaml"
MOST_NAMED = 8  # schemes with a look of their own in the front's picture
LOG_AXIS_RATIO = 4.0  # numbers that differ by this factor are drawn on a logarithmic axis
LEAST_ERROR = 1e-3  # where an exact scheme stands on a logarithmic axis of decoding errors
CHANGE_AXES = {  # what is changed about the delays: the labels of axes
    "load": "further partitions cost (times)",
    "tail": "delays beyond median (times)",
    "persistence": "chance to keep a delay",
}
OTHERS = Look(MUTED, "o", "none", "other schemes")
SMALLEST_MARKER, LARGEST_MARKER = 3.5, 9.0  # in points
RECOMMENDED = Look(MUTED, "", DASHED, "the recommended scheme")


def read_recommendation(directory: Path) -> Page:
    """The page again, from what ``recommend`` left. Raises ConfigError: the result is not whole."""
    answer = read_answer(directory)
    manifest = json_at(directory / MANIFEST)
    ranked = ("scheme", "label", "goal", "value", "ratio", "ratio_low", "ratio_high", "breaks")
    looked_at = ("scheme", "label", "stage", "value", "error", "front")
    changed = ("dial", "times", "label", "scheme", "value", "ratio", "ratio_low", "ratio_high")
    wanted = {"ranking": ranked, "candidates": looked_at, "sensitivity": changed}
    tables = {  # where nothing was changed, there is no row
        name: table_at(directory / f"{name}.parquet", columns, name == "sensitivity")
        for name, columns in wanted.items()
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
    drawn = (ranking, sensitivity, measured.head(MOST_NAMED))
    named = pd.concat([table[["label", "scheme"]] for table in drawn]).drop_duplicates("label")
    looks = variants([(str(label), str(scheme)) for label, scheme in named.to_numpy()])
    quantity = title = "loss at the end of the budget"
    if str(ranking["goal"].iloc[0]) == "seconds":
        quantity, title = "time to the goal (s)", "s to the goal"  # as narrow as its numbers
    asked = [
        (name.replace("_", " "), str(value))
        for name, value in (manifest.get("question") or {}).items()
        if value not in (None, []) and name not in ("id", "mark")  # a mark is of version 0.3
    ]
    versions = ", ".join(f"{k} {v}" for k, v in (manifest.get("versions") or {}).items())
    words = " ".join([answer.verdict, answer.limits, *answer.why])
    first, brief = (_first_rows(ranking, words, most) for most in (12, 6))
    ranked: Parts = [*_ranking_chart(ranking, first, looks), _ranking_table(ranking, title, brief)]
    costs = "error", "worker_seconds", "load"
    rows = [
        [plain_cell(shown_in(row)), *_numbers(row, "value", *costs)]
        for row in measured[measured["front"].astype(bool)].to_dict("records")
    ]
    titles = ["scheme", quantity, *(cost.replace("_", "-") for cost in costs)]
    front: Parts = [capped("front-table", "", titles, rows, "candidates.csv")]
    front += _front_chart(measured, quantity, looks)
    changed: Parts = [_sensitivity_table(sensitivity), *_sensitivity_chart(sensitivity, looks)]
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
    errors = METRICS["decoding_error"].rounded
    shown = [errors(v) if name == "error" else v for name, v in zip(names, values, strict=True)]
    return [plain_cell(value if np.isfinite(value) else np.nan) for value in shown]


def _ratio(row: Mapping[Any, Any], name: str = "ratio") -> TableCell:
    value, low, high = (row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high"))
    return interval(value, low, high, digits=4)


def _in_order(ranking: pd.DataFrame) -> pd.DataFrame:
    """The recommended scheme first, then by time, of those that a stock training loop can run
    before the others; last, however fast, what is not to be taken."""
    others = np.arange(len(ranking)) != np.argmax(_values(ranking, "tied") == 1)  # the first tied
    infeasible = [_infeasible(row) for row in ranking.to_dict("records")]
    values, reached = _values(ranking, "value"), _values(ranking, "reached")
    order = np.lexsort(np.array([-reached, values, _own_loop(ranking), infeasible, others]))
    return ranking.iloc[order].reset_index(drop=True)


def _own_loop(ranking: pd.DataFrame) -> BoolArray:
    """Which rows need a training loop of their own; of an older version none is known to."""
    return np.asarray(_values(ranking, "stock") == 0)


def _first_rows(ranking: pd.DataFrame, words: str, most: int) -> list[int]:
    """The rows to show: the schemes that the answer names, and the first of the others."""
    named = [shown_in(row) in words for row in ranking.to_dict("records")]
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
            plain_cell(shown_in(row)),
            TableCell(", ".join(_status(row, rank == 0)) or "-"),
            _value(row),
            _ratio(row),
            *_numbers(row, "rate", "load", "iteration_time", "error"),
            # today's own are more
            _ratio({} if row.get("replications", most) < most else row, "to_today"),
            *_numbers(row, "worker_seconds", "bytes"),
            plain_cell(_remark(row)),
        ]
        for rank, row in enumerate(ranking.to_dict("records"))
    ]
    note = "Relative: to the recommended scheme, over the replications that both have."
    if _own_loop(ranking).any():
        note += " Own loop: not, as in a stock training loop, one fresh gradient of each worker."
    return capped("ranking-table", "", columns, rows, "ranking.csv", note, brief)


def _value(row: Mapping[Any, Any]) -> TableCell:
    reached, replications = row.get("reached"), row.get("replications")
    if reached == replications:
        return plain_cell(row["value"])
    return TableCell(f"in {reached} of {replications} runs", np.nan)


def _infeasible(row: Mapping[Any, Any]) -> bool:
    reasons = (row.get(column) for column in ("breaks", "unheard"))
    return any(isinstance(reason, str) and reason for reason in reasons)  # NaN: there is none


def _status(row: Mapping[Any, Any], best: bool) -> Iterator[str]:
    if best:
        yield "recommended"
    if row.get("today"):
        yield "today's"
    if not row.get("stock", True):
        yield "own loop"
    if _infeasible(row) and not best:
        yield "not recommended"
    if row.get("left"):
        yield f"left after {row['replications']} runs"
    elif row.get("tied") and not best:
        yield "tied"


def _remark(row: Mapping[Any, Any]) -> str | None:
    if not _infeasible(row):
        return None
    limit = str(row["breaks"]).replace("_", " ")
    return f"breaks a limit: {limit}" if row["breaks"] else f"unheard: {row['unheard']}"


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
    marks: list[Mark] = [Curve(RECOMMENDED, np.ones(2), np.array([-0.6, end]), width=1.0)]
    for i, label in enumerate(map(str, rows["label"])):
        y = np.array([float(i)])
        bars = np.nan_to_num([[x[i] - low[i]], [high[i] - x[i]]])
        marks.append(Points(looks[label], x[i : i + 1], y, dx=bars))
        if np.isfinite(untuned[i]):
            same = replace(looks[label], title="")  # no entry of its own in a legend
            marks.append(Points(same, untuned[i : i + 1], y, hollow=True))
    axis = axis_of("ratio to the recommended scheme", np.append(x, untuned), LOG_AXIS_RATIO)
    names = Axis("", low=end, high=-0.6, names=tuple(map(shown_in, rows.to_dict("records"))))
    more = number_of(len(ranking) - len(rows), "more scheme is", "more schemes are")
    remarks = [f"{more} in the table"] if len(ranking) > len(rows) else []
    caption = "Ratio to the recommended scheme on the same delays, with its 95 % interval"
    if np.isfinite(untuned).any():
        remarks.insert(0, "filled: own learning rate; hollow: the common one")
        caption += "; filled at a scheme's own learning rate, hollow at the common one"
    size, last = (style.TWO_PANELS, 1.5 + 0.34 * max(2, len(rows))), (RECOMMENDED.title,)
    panel, heading = Panel(axis, names, marks), "; ".join(remarks)
    picture = Picture([panel], 1, *size, heading=heading, legend=0, last=last)
    yield Chart("ranking", "How far behind", f"{caption}.", picture)


def _front_chart(table: pd.DataFrame, quantity: str, looks: Mapping[str, Look]) -> Iterator[Chart]:
    """Time over decoding error; the smaller, the fewer worker-seconds. Ringed: the front."""
    if table.empty:
        return
    near = table[table["value"] <= 3 * table["value"].min()]
    beyond = left_out(len(table) - len(near), "scheme", "beyond 3 times the best")
    cost, x = _values(near, "worker_seconds"), np.maximum(_values(near, "error"), LEAST_ERROR)
    # Small for few worker-seconds, large for many, by their logarithm; smallest where unknown.
    logs = np.log(np.maximum(cost, 1e-12))
    low, high = (np.nanmin(logs), np.nanmax(logs)) if np.isfinite(logs).any() else (0.0, 0.0)
    shares = np.nan_to_num((logs - low) / (high - low)) if high > low else np.zeros_like(logs)
    sizes = SMALLEST_MARKER + (LARGEST_MARKER - SMALLEST_MARKER) * shares
    y, marks = _values(near, "value"), list[Mark]()
    for i, row in enumerate(near.to_dict("records")):
        look = looks.get(str(row["label"]), OTHERS) if i < MOST_NAMED else OTHERS
        ringed, size = bool(row["front"]), float(sizes[i])
        marks.append(Points(look, x[i : i + 1], y[i : i + 1], ringed=ringed, size=size))
    known = np.flatnonzero(np.isfinite(cost))
    extremes = sorted(known, key=lambda i: cost[i])[:: max(1, len(known) - 1)]
    keys = {f"size: {cost[i]:.4g} worker-seconds": float(sizes[i]) for i in extremes}
    marks += [Points(Look(MUTED, "o", "none", title), size=size) for title, size in keys.items()]
    error = Axis(f"mean decoding error (exact: at {LEAST_ERROR:g})", log=True)
    panel = Panel(error, axis_of(quantity, y, LOG_AXIS_RATIO), marks)
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
            plain_cell(shown_in(row)),
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
    y = axis_of("ratio to the recommended scheme", _values(table, "ratio"), LOG_AXIS_RATIO)
    unchanged = table["dial"] == "unchanged"
    now, panels = table[unchanged], []
    for dial, own in table[~unchanged].groupby("dial", sort=False):
        as_is = 0.0 if dial == "persistence" else 1.0
        rows = pd.concat([own, now.assign(times=as_is)])
        times = sorted(rows["times"].unique())
        marks: list[Mark] = []
        for count, (label, line) in enumerate(rows.groupby("label", sort=False)):
            line = line.drop_duplicates("times").sort_values("times")
            x = np.searchsorted(times, line["times"]).astype(np.float64)
            middle, low, high = (_values(line, f"ratio{end}") for end in ("", "_low", "_high"))
            width = max(1.8, 4.2 - 0.6 * count)  # of lines on one another, all are seen
            marks.append(Curve(looks[str(label)], x, middle, low, high, width=width))
        named = {-1.0: "shuffled"} | ({0.0: "as is"} if dial == "persistence" else {})
        names = tuple(named.get(time, f"{time:g}") for time in times)
        axis = Axis(CHANGE_AXES.get(str(dial), str(dial)), names=names)
        panels.append(Panel(axis, y, marks, str(dial)))
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
            plain_cell(shown_in(row)),
            plain_cell(row["stage"]),
            plain_cell(row.get("reason") or "-"),
            *_numbers(row, "value", "iteration_time"),
            plain_cell(row.get("known_by") or "-"),
            *_numbers(row, "load", "error"),
        ]
        for row in candidates.sort_values("value", kind="stable").to_dict("records")
    ]
    return capped("candidates-table", "", columns, rows, "candidates.csv")
