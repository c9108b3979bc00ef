"""Formats, units and options of tables: what each is read as, and its refusal in one line."""

from __future__ import annotations

import gzip
import json
from datetime import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from tests.delay_models.door import outcome, without_numbers
from tests.golden.records import require_recorded


def long(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.rename_axis("step").reset_index().melt("step", var_name="host")
    rows = rows.sort_values("step", kind="stable")[["host", "step", "value"]]
    return rows.set_axis(["host", "step", "seconds"], axis=1).reset_index(drop=True)


def measured(rounds: int = 40, workers: int = 5) -> pd.DataFrame:
    table = np.random.default_rng(8).lognormal(0.2, 0.25, (rounds, workers)).round(3)
    return pd.DataFrame(table, columns=[f"node{j}" for j in range(1, workers + 1)])


def values(table: Any, **options: Any) -> np.ndarray:
    """The only load, ``(rounds, workers)`` seconds."""
    (frame,) = eh.read_table(table, **options).tables.values()
    return frame.to_numpy()


@pytest.mark.golden
def test_options_say_what_counts(tmp_path: Path) -> None:
    """Rows by number and by value, workers of a long table, and the first row."""
    frame, path = measured(), tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    table = frame.to_numpy()
    parts = {"3:10": table[2:10], ":5": table[:5], "::2": table[::2], "36:": table[35:]}
    for rows, part in parts.items():
        np.testing.assert_array_equal(values(path, rows=rows), part)
    refused = {rows: outcome(path, rows=rows) for rows in ("x=1", "50:", "job")}
    calls = long(frame).assign(job=lambda f: np.where(f.step < 10, "A", "B"))
    refused["nobody"] = outcome(calls, drop=["x", "job"])
    require_recorded("read/options", refused)
    np.testing.assert_array_equal(values(calls, rows="job=B"), table[10:])
    found = eh.read_table(calls, rows="step=5:8", drop=["node2", "job"]).tables[None]
    np.testing.assert_array_equal(found, table[5:9, [0, 2, 3, 4]])
    assert [*found.index] == [5, 6, 7, 8]
    frame.set_axis(range(5), axis=1).to_csv(path, index=False)
    assert len(values(path, header="no")) == 41
    frame.set_axis(range(4, 9), axis=1).to_csv(path, index=False)
    assert [*eh.read_table(path, header="yes").tables[None]] == [*"45678"]


NO_TABLES: list[Any] = [
    [[1.5, 2.5], [3.5]],
    [["a", "a"], [1.5, 2.5]],
    '[{"a": 1.5, "a": 2.5}]',
    [[10**400, 1], [2, 3]],
    [[[1.5]]],
    [True],
    {"a": 1},
    {"traceEvents": []},
    [{"ph": "X", "name": "x", "ts": 1, "dur": 2}],
]


@pytest.mark.golden
@pytest.mark.parametrize("content", NO_TABLES, ids=range(len(NO_TABLES)))
def test_json_that_is_no_table_is_one_line(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
    require_recorded("read/json", {text[:60]: outcome(path)})


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson.gz", ".json"])
@pytest.mark.parametrize("calls", [True, False])
def test_a_json_value_on_each_line(ending: str, calls: bool, tmp_path: Path) -> None:
    """Of a call, or of a round; empty lines are none; a line that is no value is named."""
    rows: list[Any] = [[1.5, 2.5, 1.25], [2.75, 1.75, 3.5], [2.25, 1.125, 1.0]]
    if calls:
        rows = [
            {"step": t, "host": f"h{j}", "seconds": seconds}
            for t, row in enumerate(rows)
            for j, seconds in enumerate(row)
        ]
    else:
        rows = [dict(zip(("h0", "h1", "h2"), row, strict=True)) for row in rows]
    lines, path = [json.dumps(row) for row in rows], tmp_path / f"t{ending}"
    pack: Any = gzip.open if ending.endswith("gz") else open
    with pack(path, "wt") as stream:
        stream.write("\n\n \n".join(lines) + "\n\n")
    (found,) = eh.read_table(path, unit="s").tables.values()
    np.testing.assert_array_equal(found, [[1.5, 2.5, 1.25], [2.75, 1.75, 3.5], [2.25, 1.125, 1.0]])
    assert [*found.columns] == ["h0", "h1", "h2"]
    with pack(path, "wt") as stream:
        stream.write("\n".join([*lines[:2], "{oops", *lines[2:]]))
    assert "line 3 is not a JSON value" in outcome(path)[0]


def test_objects_of_numbered_workers_and_rounds_are_said(tmp_path: Path) -> None:
    """As pandas writes them; either may be outside."""
    frame, path = pd.DataFrame(measured(6, 4).to_numpy()), tmp_path / "t.json"
    frame.to_json(path, orient="columns", double_precision=15)
    np.testing.assert_array_equal(values(path), frame)
    assert any("outer keys are taken for the workers" in line for line in outcome(path))
    frame.to_json(path, orient="index", double_precision=15)
    np.testing.assert_array_equal(values(path, columns={"worker": ""}), frame)


@pytest.mark.golden
@pytest.mark.parametrize("outer", ["ab", "01", "12"])
@pytest.mark.parametrize("inner", ["xyz", "012", "123"])
def test_objects_in_an_object_are_named_or_counted(outer: str, inner: str, tmp_path: Path) -> None:
    """Workers are outside, unless the outer keys count rounds and the inner ones are names; where
    both are names, those inside may be rounds."""
    cells = {
        key: {name: 1.5 + i + j / 8 for j, name in enumerate(inner)} for i, key in enumerate(outer)
    }
    path = tmp_path / "t.json"
    path.write_text(json.dumps(cells))
    require_recorded("read/json", {f"{outer} of {inner}": outcome(path, unit="s")})


@pytest.mark.golden
@pytest.mark.parametrize(
    ("name", "unit"),
    [("t_h", 3600.0), ("t_ms", "ms"), ("x_us", "us"), ("t_days", 86400.0),
     ("ms", None), ("h", None), ("a_s", None), ("sec", None), ("abc", None)],
)  # fmt: skip
def test_a_unit_in_the_name_of_a_file_is_asked_about(name: str, unit: Any, tmp_path: Path) -> None:
    """With what ``--unit`` takes; names of one or two letters may be anything."""
    path = tmp_path / f"{name}.csv"
    measured().to_csv(path, index=False)
    if unit is None:
        values(path)
    else:
        require_recorded("read/name", {name: outcome(path)})
        values(path, unit=unit)


@pytest.mark.golden
def test_durations_beside_other_cells(tmp_path: Path) -> None:
    """A gap stays one, a unit in the name counts once, and another unit is a contradiction."""
    table, path = measured(6, 3).to_numpy().copy(), tmp_path / "t.csv"
    lasting = pd.DataFrame(table).apply(lambda column: pd.to_timedelta(column, unit="s"))
    frame = lasting.astype(str).set_axis(["a_ms", "b_ms", "c_ms"], axis=1)
    frame.iloc[2, 1] = "timeout"
    frame.to_csv(path, index=False)
    table[2, 1] = np.inf
    np.testing.assert_allclose(values(path, missing="never"), table, rtol=1e-12)
    said = {name: outcome(path, **options) for name, options in UNITS.items()}
    require_recorded("read/durations", said)


UNITS: dict[str, dict[str, Any]] = {"never": {"missing": "never"}, "ms": {"unit": "ms"}}


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [("0,1", True), ("1,2", True), ("1,2,3", True), ("2,3,4", False), ("0", False)],
)
def test_a_first_row_that_numbers_the_workers(cells: str, numbers: bool, tmp_path: Path) -> None:
    path, one = tmp_path / "t.csv", ",".join(["0.5"] * len(cells.split(",")))
    path.write_text(f"{cells}\n{one}\n{one}\n")
    assert len(values(path, unit="s")) == 2 + (not numbers)


TIMES: list[tuple[str, dict[str, Any]]] = [
    ("a_ms,b_ms\n1500,2500\n", {}),
    ("a_ms,b_ms\n1500,2500\n", {"unit": "ms"}),
    ("a_ms,b_ms\n1500,2500\n", {"unit": 2.5}),
    ("a_ms,b_ms\n1500,2500\n", {"unit": "s"}),
    ("a,b\n1500,2500\n", {"unit": "us"}),
    ("a,b\n1500,2500\n", {"unit": 2.5}),
    ("step_min\n7.5\n8.5\n", {}),
    ("worker,round,took_min\na,0,7.5\n", {}),
    ("a,b\n100.5,99.5\n", {}),
    ("a,b\n1,2\n1,2\n1,2\n1,2\n", {"rows": ":"}),
]


@pytest.mark.golden
@pytest.mark.parametrize(("text", "options"), TIMES)
def test_the_unit_of_times(text: str, options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    require_recorded("read/unit", {f"{text!r} {options}": outcome(tmp_path / "t.csv", **options)})


@pytest.mark.golden
@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize(("gap", "missing"), [(True, "refuse"), (True, "never"), (False, "refuse")])
def test_a_table_that_needs_two_options_is_refused_once(
    is_long: bool, gap: bool, missing: Any, tmp_path: Path
) -> None:
    """The line names --missing only where a cell is empty and nothing was said of it."""
    rows = [[815.5, 903.25], ["" if gap else 788.5, 850.75], [822.5, 899.0]]
    frame = pd.DataFrame(rows, columns=["a", "b"])
    if is_long:
        rows = [[t, w, rows[t][w]] for t in range(3) for w in range(2)]
        frame = pd.DataFrame(rows, columns=["round", "worker", "duration"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    (line,) = outcome(tmp_path / "t.csv", missing=missing)
    assert "say with unit what they are, s, ms" in line
    assert ('missing="drop-rounds"' in line) == (gap and missing == "refuse")


NAMES = {
    "worker": ["worker", "hostName", "rank_id", "pod-idx", "host_name"],
    "round": ["step", "global step", "iteration_no"],
    "seconds": ["Duration (ms)", "step_ms", "elapsedSeconds", "batch_time", "durationMs", "ms"],
    "nothing": ["node3", "loss", "workers", "started_at", "wait_ms", "wait [µs]", "s", "cpu_ticks"],
}


@pytest.mark.parametrize(("name", "is_of"), [(n, role) for role in NAMES for n in NAMES[role]])
def test_what_a_columns_name_stands_for(name: str, is_of: str) -> None:
    """Of the three columns that a call needs two are there: by its name it is the third, or not."""
    cells = {"worker": [3, 4, 3, 4], "round": [5, 5, 6, 6], "seconds": [1.5, 2.5, 1.25, 2.25]}
    for role in cells:
        others = {other: cells[other] for other in cells if other != role}
        if name not in others:
            first = outcome(pd.DataFrame({**others, name: cells[role]}))[0]
            assert first.startswith("read as 2 rounds of 2 workers" if role == is_of else "refused")


CELLS: list[list[Any]] = [
    ["0:00:01.5", "0:01:00"],
    ["0 days 00:00:02", "1 day, 0:00:00"],
    [pd.Timedelta(1500, "ms").to_pytimedelta()] * 2,
    ["0:00:01", "timeout"],
    ["0:00:01", "worker 3"],
    ["timeout", "failed"],
    [time(0, 0, 1)] * 2,  # a time of day is no duration
    [None, None],
    ["1.5", "0:00:01"],
    ["12:30:00", "0:00:01"],
]


@pytest.mark.golden
@pytest.mark.parametrize("cells", CELLS, ids=str)
@pytest.mark.parametrize("unit", [None, "s"])
def test_durations_are_seconds_and_times_of_day_are_not(cells: list[Any], unit: Any) -> None:
    frame = pd.DataFrame(
        {"worker": ["a", "b"], "round": 0, "seconds": pd.Series(cells, dtype=object)}
    )
    said = outcome(frame.rename(columns={"seconds": "took"}), unit=unit, missing="never")
    require_recorded("read/lasting", {f"{cells} {unit}": without_numbers(said) + said[-1:]})


def test_how_slow_workers_are_that_never_arrive() -> None:
    """Like the others, as nothing says more; the median worker is 1."""

    def slowest(table: Any) -> str:
        lines = eh.read_table(np.array(table), missing="never").lines
        (line,) = (line for line in lines if "slowest" in line)
        return line.split(",", 1)[1].strip()

    assert slowest(np.full((3, 2), np.inf)) == "typically inf s"
    table = [[1.0, 2.0, 6.0], [1.0, 2.0, 4.0], [9.0, np.inf, np.inf]]
    assert slowest(table) == "typically 5 s, 2.5 times the median worker of a round"
