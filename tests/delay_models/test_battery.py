"""Formats, units and options of tables: what each is read as, and its refusal in one line."""

from __future__ import annotations

import gzip
import json
import re
from datetime import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.measured.cells import durations as lasting
from erasurehead.delay_models.measured.cells import settle
from erasurehead.delay_models.measured.files import counted
from erasurehead.delay_models.measured.measured import MeasuredDelays, TableError
from erasurehead.delay_models.measured.names import parse, role_of
from erasurehead.delay_models.measured.profiler import by_keys
from erasurehead.delay_models.measured.read import read_measured
from erasurehead.experiments.advice.understood import as_read
from erasurehead.sim.base.files import UnusableFile
from erasurehead.sim.base.reading import Reading
from tests.tools import numbered, told


def text(frame: pd.DataFrame, path: Path) -> Path:
    file = path.with_suffix(".csv")
    frame.to_csv(file, index=False)
    return file


def long(frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.rename_axis("step").reset_index().melt("step", var_name="host")
    rows = rows.sort_values("step", kind="stable")[["host", "step", "value"]]
    return rows.set_axis(["host", "step", "seconds"], axis=1).reset_index(drop=True)


def measured(rounds: int = 40, workers: int = 5) -> pd.DataFrame:
    table = np.random.default_rng(8).lognormal(0.2, 0.25, (rounds, workers)).round(3)
    return pd.DataFrame(table, columns=[f"node{j}" for j in range(1, workers + 1)])


def refusal(frame: pd.DataFrame, path: Path, known: Reading | None = None) -> str:
    with pytest.raises(TableError) as caught:
        read_measured(str(text(frame, path)), known or Reading())
    (defect,) = told([caught.value.defect])
    assert len(defect) < 250
    return defect


def test_options_say_what_counts(tmp_path: Path) -> None:
    """Rows by number and by value, workers of a long table, and the first row."""
    frame = measured()

    def read(frame: pd.DataFrame, **said: Any) -> MeasuredDelays:
        return read_measured(str(text(frame, tmp_path / "t")), Reading(**said))

    table = frame.to_numpy()
    parts = {"3:10": table[2:10], ":5": table[:5], "::2": table[::2], "36:": table[35:]}
    for rows, part in parts.items():
        np.testing.assert_array_equal(read(frame, rows=rows).tables[None], part)
    calls = long(frame).assign(job=lambda f: np.where(f.step < 10, "A", "B"))
    np.testing.assert_array_equal(read(calls, rows="job=B").tables[None], table[10:])
    found = read(calls, rows="step=5:8", drop=("node2", "job"))
    np.testing.assert_array_equal(found.tables[None], table[5:9, [0, 2, 3, 4]])
    assert found.names_of_rounds(None).tolist() == [5, 6, 7, 8]
    wrong = {"x=1": "no column is named 'x'", "50:": "no row of 40", "job": "must be"}
    for rows, said in wrong.items():
        assert said in refusal(frame, tmp_path / "t", Reading(rows=rows))
    nobody = refusal(calls, tmp_path / "t", Reading(drop=("x", "job")))
    assert "no column and no worker is named 'x'" in nobody
    assert len(read(frame.set_axis(range(5), axis=1), header="no").tables[None]) == 41
    assert read(frame.set_axis(range(4, 9), axis=1), header="yes").hosts == (*"45678",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([[1.5, 2.5], [3.5]], "its lists have 1 to 2 cells"),
        ([["a", "a"], [1.5, 2.5]], "two columns are named 'a'"),
        ('[{"a": 1.5, "a": 2.5}]', "two columns are named 'a'"),
        ([[10**400, 1], [2, 3]], "int too large"),
        ([[[1.5]]], "no event ProfilerStep"),
        ([True], "no event ProfilerStep"),
        ({"a": 1}, "or a table in one file"),
        ({"traceEvents": []}, "no event ProfilerStep"),
        ([{"ph": "X", "name": "x", "ts": 1, "dur": 2}], "no event ProfilerStep"),
    ],
    ids=str,
)
def test_json_that_is_no_table_is_one_line(content: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(TableError, match=re.escape(said)):
        read_measured(str(file))


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
    lines, file = [json.dumps(row) for row in rows], tmp_path / f"t{ending}"
    pack: Any = gzip.open if ending.endswith("gz") else open
    with pack(file, "wt") as stream:
        stream.write("\n\n \n".join(lines) + "\n\n")
    found = read_measured(str(file), Reading(unit="s"))
    np.testing.assert_array_equal(
        found.tables[None], [[1.5, 2.5, 1.25], [2.75, 1.75, 3.5], [2.25, 1.125, 1.0]]
    )
    assert found.hosts == ("h0", "h1", "h2")
    with pack(file, "wt") as stream:
        stream.write("\n".join([*lines[:2], "{oops", *lines[2:]]))
    with pytest.raises(TableError, match="line 3 is not a JSON value"):
        read_measured(str(file))


def test_objects_of_numbered_workers_and_rounds_are_said(tmp_path: Path) -> None:
    """As pandas writes them; either may be outside."""
    table = measured(6, 4).to_numpy()
    pd.DataFrame(table).to_json(tmp_path / "t.json", orient="columns", double_precision=15)
    found = read_measured(str(tmp_path / "t.json"))
    np.testing.assert_array_equal(found.tables[None], table)
    assert any("outer keys are taken for the workers" in line for line in told(found.assumed))
    pd.DataFrame(table).to_json(tmp_path / "t.json", orient="index", double_precision=15)
    found = read_measured(str(tmp_path / "t.json"), Reading(columns={"worker": ""}))
    np.testing.assert_array_equal(found.tables[None], table)


@pytest.mark.parametrize("outer", [["a", "b"], ["0", "1"], ["1", "2"]])
@pytest.mark.parametrize("inner", [["x", "y", "z"], ["0", "1", "2"], ["1", "2", "3"]])
def test_objects_in_an_object_are_named_or_counted(outer: list[str], inner: list[str]) -> None:
    """Workers are outside, unless the outer keys count rounds and the inner ones are names; where
    both are names, those inside may be rounds."""
    cells = {
        key: {name: 1.5 + i + j / 8 for j, name in enumerate(inner)} for i, key in enumerate(outer)
    }
    held = by_keys(pd.DataFrame(cells))
    names, frame = [*held.frame.columns], held.frame
    if outer != ["a", "b"] and inner == ["x", "y", "z"]:
        assert names == inner
        assert frame["y"].tolist() == [1.625, 2.625]
    elif inner == ["x", "y", "z"]:
        assert names == ["Unnamed: 0", *outer]
        assert frame["Unnamed: 0"].tolist() == inner
    else:
        assert names == outer
        assert frame[outer[1]].tolist() == [2.5, 2.625, 2.75]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("t_h", "3600"), ("t_ms", "ms"), ("x_us", "us"), ("t_days", "86400"),
     ("ms", None), ("h", None), ("a_s", None), ("sec", None), ("abc", None)],
)  # fmt: skip
def test_a_unit_in_the_name_of_a_file_is_asked_about(
    name: str, unit: str | None, tmp_path: Path
) -> None:
    """With what ``--unit`` takes; names of one or two letters may be anything."""
    if unit is None:
        read_measured(str(text(measured(), tmp_path / name)))
    else:
        assert f"alone says {name.split('_')[1]}: say --unit" in refusal(
            measured(), tmp_path / name
        )
        assert f"--unit {unit} if so" in refusal(measured(), tmp_path / name)
        given = float(unit) if unit[0].isdigit() else cast(Any, unit)
        read_measured(str(tmp_path / f"{name}.csv"), Reading(unit=given))


def test_durations_beside_other_cells(tmp_path: Path) -> None:
    """A gap stays one, a unit in the name counts once, and another unit is a contradiction."""
    table = measured(6, 3).to_numpy().copy()
    lasting = pd.DataFrame(table).apply(lambda column: pd.to_timedelta(column, unit="s"))
    frame = lasting.astype(str).set_axis(["a_ms", "b_ms", "c_ms"], axis=1)
    frame.iloc[2, 1] = "timeout"
    found = read_measured(str(text(frame, tmp_path / "t")), Reading(missing="never"))
    table[2, 1] = np.inf
    np.testing.assert_allclose(found.tables[None], table, rtol=1e-12)
    assert any("holds durations" in line for line in told(found.assumed))
    assert "say their unit" in refusal(frame, tmp_path / "t", Reading(unit="ms"))


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        ("0 1", True),
        ("1 2", True),
        ("1 2 3", True),
        ("0 1 2", True),
        ("2 3 4", False),
        ("0", True),
    ],
)
def test_a_first_row_that_numbers_the_workers(cells: str, header: bool) -> None:
    assert counted(cells.split()) == header


@pytest.mark.parametrize(
    ("said", "named", "seen", "unit", "words"),
    [
        (None, "ms", None, "ms", "milliseconds, as here says"),
        ("us", None, None, "us", "microseconds, as --unit says"),
        ("ms", "ms", None, "ms", "milliseconds, as here says"),
        (2.5, "ms", None, 2.5, "units of 2.5 s, as --unit says"),
        (None, None, [99.9, 99.9], "s", "seconds, which is assumed"),
        (None, None, [100.5, 99.5], None, "say with --unit what they are, s, ms"),
        (None, None, [1, 2, 1, 2, 1, 2, 1], "s", "seconds, which is assumed"),  # seven are few
        (None, None, [1, 2, 1, 2, 1, 2, 1, 2], None, "all whole numbers, typically 1.5"),
        (None, None, [2] * 8, "s", "seconds, which is assumed"),  # all alike
        (None, None, [10, 10], None, "all whole numbers, typically 10"),
        (None, None, [9, 9], "s", "seconds, which is assumed"),
        (
            None,
            "min",
            None,
            None,
            "is in min by its name: give seconds, or say --unit 60",
        ),
        ("s", "ms", None, None, "says ms, but --unit s was given"),
    ],
)
def test_the_unit_of_times(
    said: Any, named: str | None, seen: list[float] | None, unit: Any, words: str
) -> None:
    table = None if seen is None else np.array([*seen, np.inf])
    if unit is None:
        with pytest.raises(UnusableFile, match=re.escape(words)):
            settle(said, named, "here", table)
        return
    found = settle(said, named, "here", table)
    assert (found.unit, told([found.why])) == (unit, [words])
    assert bool(found.assumed()) == ("assumed" in words)
    a_second = {"s": 1, "ms": 1000, "us": 10**6}.get(unit, 1 / 2.5)
    assert found.seconds(np.array([3.0 * a_second])) == pytest.approx(3.0)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("gap", "missing"), [(True, "refuse"), (True, "never"), (False, "refuse")])
def test_a_table_that_needs_two_options_is_refused_once(
    long: bool, gap: bool, missing: Any, tmp_path: Path
) -> None:
    """The line names --missing only where a cell is empty and nothing was said of it."""
    rows = [[815.5, 903.25], ["" if gap else 788.5, 850.75], [822.5, 899.0]]
    frame = pd.DataFrame(rows, columns=["a", "b"])
    if long:
        rows = [[t, w, rows[t][w]] for t in range(3) for w in range(2)]
        frame = pd.DataFrame(rows, columns=["round", "worker", "duration"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError, match="say with --unit what they are, s, ms") as refused:
        read_measured(str(tmp_path / "t.csv"), Reading(missing=missing))
    assert ("--missing drop-rounds" in str(refused.value)) == (gap and missing == "refuse")
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("worker", "worker"), ("hostName", "worker"), ("rank_id", "worker")),
        *(("pod-idx", "worker"), ("host_name", "worker")),
        *(("step", "round"), ("global step", "round"), ("iteration_no", "round"), ("load", "load")),
        *(("started_at", "start"), ("finish_time", "end"), ("Duration (ms)", "seconds")),
        *(("step_ms", "seconds"), ("elapsedSeconds", "seconds"), ("batch_time", "seconds")),
        *(("node3", None), ("loss", None), ("wait_ms", None), ("workers", None)),
    ],
)  # fmt: skip
def test_what_a_columns_name_stands_for(name: str, role: str | None) -> None:
    assert role_of(name) == role


@pytest.mark.parametrize(
    ("name", "base", "unit"),
    [
        ("durationMs", "duration", "ms"),
        ("Duration (ms)", "duration", "ms"),
        ("duration_ms", "duration", "ms"),
        ("wait [µs]", "wait", "us"),
        ("seconds", "seconds", "s"),
        ("ms", "ms", "ms"),
        ("s", "s", None),  # a worker may have that name
        ("time_min", "time", "min"),
        ("cpu_ticks", "cpu", "ticks"),
        ("node", "node", None),
    ],
)
def test_a_columns_name_is_taken_apart(name: str, base: str, unit: str | None) -> None:
    assert (parse(name).base, parse(name).unit) == (base, unit)


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["0:00:01.5", "0:01:00"], [1.5, 60.0]),
        (["0 days 00:00:02", "1 day, 0:00:00"], [2.0, 86400.0]),
        ([pd.Timedelta(1500, "ms").to_pytimedelta()] * 2, [1.5, 1.5]),
        (["0:00:01", "timeout"], [1.0, "timeout"]),
        (["0:00:01", "worker 3"], None),
        (["timeout", "failed"], None),
        ([time(0, 0, 1)] * 2, None),  # a time of day is no duration
        ([None, None], None),
        (["1.5", "0:00:01"], None),
    ],
)
def test_durations_are_seconds_and_times_of_day_are_not(
    cells: list[Any], seconds: list[Any] | None
) -> None:
    found = lasting(pd.Series(cells, dtype=object, name="took"), None)
    assert (found is None) == (seconds is None)
    assert found is None or found.tolist() == seconds


def test_a_clock_needs_a_unit_to_be_a_duration() -> None:
    column = pd.Series(["12:30:00", "0:00:01"], dtype=object, name="t")
    with pytest.raises(UnusableFile, match="holds 12:30:00, a duration or a time of day"):
        lasting(column, None)
    found = lasting(column, "s")
    assert found is not None
    assert found.tolist() == [45_000.0, 1.0]


def test_how_slow_workers_are_that_never_arrive() -> None:
    """Like the others, as nothing says more; the median worker is 1."""

    def slowest(table: Any) -> str:
        lines = told(as_read(numbered({None: np.array(table)})))
        (line,) = (line for line in lines if "slowest" in line)
        return line.split(",", 1)[1].strip()

    assert slowest(np.full((3, 2), np.inf)) == "typically inf s"
    assert slowest(np.zeros((3, 2))) == "typically 0 s"
    table = [[1.0, 2.0, 6.0], [1.0, 2.0, 4.0], [9.0, np.inf, np.inf]]
    assert slowest(table) == "typically 5 s, 2.5 times the median worker of a round"
