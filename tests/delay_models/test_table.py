"""Tables that hold no delays, or hide some: one clear line each; nothing is mended in silence."""

from __future__ import annotations

import gzip
import itertools
import pickle
import re
import warnings
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2

import erasurehead as eh
from erasurehead.delay_models.measured import files
from erasurehead.delay_models.measured.cells import settle
from erasurehead.delay_models.measured.long import between
from erasurehead.delay_models.measured.measured import MeasuredDelays, TableError
from erasurehead.delay_models.measured.read import read_measured, rows_of
from erasurehead.delay_models.measured.signs import (
    carried,
    known_above,
    look_alike,
    median_of,
    relative_spread,
    unit_warnings,
    waiting,
)
from erasurehead.delays import MeasuredTrace
from erasurehead.experiments.advice.understood import as_read
from erasurehead.sim.base.errors import Message
from erasurehead.sim.base.files import UnusableFile
from erasurehead.sim.base.reading import Reading, parse_columns
from tests.tools import inside, numbered, read_all_loads, read_delays, told

LONG = "worker,round,seconds\n"
EVENT = "host,step,event,value\n"
WHEN = "host,step,closed,opened\n"
SQUARES = "".join(f"{t * t},9\n" for t in range(9))
SEVEN = "0,1,2,3,4,5,6"
GONE = "missing (1 empty, 1 failed, 1 infinite, 1 0 s): 3 of 4 rounds are left out"
DROP, NEVER = Reading(missing="drop-rounds"), Reading(missing="never")
S, LAST, SUM = Reading(unit="s"), Reading(retries="last"), Reading(retries="sum")
DAY = "2026-01-31T"


def refused(path: Path, *mentions: str) -> None:
    """Both readers refuse in one line that names the file and the place. A mention with a full stop
    is the end of the line."""
    for read in (read_delays, read_all_loads):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(TableError) as caught:
                read(str(path))
        line = str(caught.value)
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        assert len(line.replace(str(path), "")) < 250
        for mention in mentions:
            assert mention in f"{line}."


@pytest.mark.parametrize("name", ["compute_ms", "fwd_bwd_us", "phase 2 (s)"])
def test_the_only_other_column_with_a_unit_is_the_seconds(name: str, tmp_path: Path) -> None:
    """Whatever it is called; not beside others that could be, and it is said."""
    path = tmp_path / "t.csv"
    rows = [f"{step},{rank},{1 + step + rank}" for step in range(3) for rank in range(2)]
    path.write_text("\n".join([f"step,rank,{name}", *rows]))
    unit = {"ms": 1e-3, "us": 1e-6, "s)": 1.0}[name[-2:]]
    (table,) = read_all_loads(str(path)).values()
    np.testing.assert_allclose(table, unit * np.array([[1, 2], [2, 3], [3, 4]]))
    path.write_text("\n".join([f"step,rank,{name},data_ms", *(f"{row},5" for row in rows)]))
    refused(path, "no column is the seconds by its name; --columns ", "stages=", "+data_ms")


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("a,b\nTrue,1\nFalse,2\n", "column a holds bool"),
        ("True,False\nTrue,True\n", "holds bool"),
        (LONG + "0,0,True\n", "column seconds holds bool"),
        (LONG + "True,0,1\nFalse,0,1\n", "column worker holds bool"),
        ("a,a\n1,2\n", "two columns are named 'a'"),
        ("worker,round,seconds,seconds\n0,0,1,2\n", "two columns are named 'seconds'"),
        ('a,b\n"1,234.5",2\n', "row 1, column a: '1,234.5' is not a number"),
        ('"1,234.5",2\n3,4\n', "mixes names and numbers ('1,234.5'"),
        ("1.5,2.5\n3.5,4.5\nround,5\n", "row 3, column 0: 'round' is not a number"),
        ("a,b\n1,2\na,b\n3,4\n", "row 2, column a: 'a' is not a number"),
        (LONG + "0,0,1\n" + LONG + "1,0,2\n", "row 2, column seconds: 'seconds'"),
        (LONG + "0,2020-01-01,1\n", "column round: '2020-01-01'"),
        (LONG + "0,0,1\n1,one,2\n", "'one' is not a number of the round; leave such rows out"),
        (",0,1\n0,1.5,2.5\n", "the first column has no name and does not count"),
        (",a,b\n0,1.5,2.5\n", "the first column has no name"),
        ("1,2,\n3,4,\n", "worker 2 is missing"),
        ("nan,1\n1,5\n", "round 0, worker 0 is missing"),
        ("a;b,c\n1,5;2,5;3\n", "more cells than the header"),
        ("# seconds\n1,2\n3,4\n", "more cells than the header"),
        ("a,b\n123456789012345678901234567890,2\n", "column a holds object"),
        (LONG + ",0,1\n1,0,1\n", "a worker is missing"),
        (LONG + ",0,1\nx,0,1\n", "a worker is missing"),
        ("n1,n2,n3\n1.5,1,2.5\n1.2,2,2.5\n2.1,3,2.5\n", "column n2 counts up (1, 2, 3, ...)"),
        ("host,step,time_min,time_max\na,0,1.5,2\nb,0,1.5,2\n", "no column is the seconds"),
        ("host,step,took_s,unit\na,0,7,ms\nb,0,8,ms\n", "took_s says s, and column unit says ms"),
        (LONG + "1,inf,1\n1,0,1\n", "a round is missing or infinite"),
        ("worker,round,seconds,load\n0,0,1,-1\n", "a load is negative"),
        ("a,b\n1,2\n1,1e200\n", "round 1, worker b is beyond 1e+150 s; valid"),
        ("a,b\n1e200,0.5\n0.5,1e200\n0.5,0.5\n", "beyond 1e+150 s, and so is 1 more; valid"),
        (LONG + "".join(f"{i},{i},1\n" for i in range(30_000)), "899970000 delays are missing"),
        (" \n", "the table has no rows"),
        (EVENT + "a,0,step_s,1\na,0,x,2\na,0,z,2\n", "x (1), z (1): say --rows event=step_s"),
        (EVENT + "a,0,x,1\na,0,y,1\na,1,y,1\na,1,z,1\na,1,w,1\n", "y (2), x (1), z (1), ...: s"),
        (EVENT + "a,0,step_s,1\na,0,took_s,2\n", "say --rows event=..."),
        (WHEN + f"a,0,{DAY}03:,\nb,0,,{DAY}01:\n", "name; valid: rounds x"),
        (WHEN + f"a,0,{DAY}03:,{DAY}01:\nb,0,{DAY}04:,{DAY}05:\n", "start=opened,end=closed"),
        (WHEN + f"a,0,{DAY}03:,{DAY}01:\nb,0,{DAY}03:,{DAY}05:\n", "name; valid: rounds x"),
        ("host,rank,step,took_s\na,0,0,3\na,0,0,4\n", "the worker, and calls come again by each"),
        ("loss,fps\n0.5,1\n0.6,2\n", "columns such as loss say another quantity by their names"),
        ("loss-7,loss-8\n1,2\n", "columns such as loss-7 say another quantity by their names"),
        ("a0,a1,a0_wait,a1_wait\n1,2,3,4\n", "--drop 'a*_wait'."),
        ("a0,a1,a0_more,a1_more\n1,2,3,4\n", "--drop 'a*_more' or --columns 'workers=a*_more'."),
        ("a0b,a1b,a0c,a1c,a0d,a1d\n1,2,3,4,5,6\n", "'workers=a*b' or --columns 'workers=a*c'."),
        ("a1,a2,b\n1,2,3\n", "column b is not named as others are (a#): --drop b, or --keep b"),
        ("a_s,a (s)\n1,2\n", "several columns are of worker a: leave one of them"),
        ("a\nfoo\nbar\n", "the table has no cells"),
        ("s\n", "the table has no rows"),
        ("a,b,c\n1.5,foo,2\n2,bar,3\n3,foo,4\n", "row 1, column b: 'foo' is not a number"),
        ("a,b,c\n1.5,foo,2\n2,foo,3\n", "texts that come again (foo), no delays: --drop b"),
        ("x,a,b\nnode1,2,3\nnode2,5,7\n", "names the rows (node1), as workers are named"),
        ("step,a,b\nstd,2,3\nmean,5,7\n", "row 1 is labelled std, which is no round: leave such"),
        ("x,1\nfoo,2\nbar,5\n", "column x names the rows (foo), as workers are named"),
        ("host,step,tier,colour\na,0,x,red\nb,0,y,blue\n", "name; valid: rounds x workers"),
        ("a_ms,b_ms\n1,9\n2,9\n3,9\n", "column a_ms counts up (1, 2, 3, ...)"),
        ("a_ms,b_ms\n" + SQUARES + "81,9\n", "column a_ms counts up (0, 1, 4, ...)"),
        (LONG + "a,0,1\na,0,2\nb,0,1\n", "two rows for worker a, round 0: say which counts with"),
        (LONG + "a,0,1\na,1,1\na,2,1\n" * 3 + "b,0,1\nc,0,1\n", "a, round 0, and 5 more such rows"),
        (LONG + "a,0,1\na,0,2\na,0,3\n", "round 0, and 1 more such rows: say which counts with"),
        (LONG + "a,0,1\na,0,2\nb,0,1\n", "last or sum, if calls were tried again."),
        (LONG[:-1] + ",job\n0,0,1,7\n0,1,2,8\n", "several job: 7 (1), 8 (1): say --rows job=7."),
        ("host,step,took,elapsed\na,0,1,3\n", "each be the seconds: say --columns seconds=took."),
        ("host,step,loss,fps,lr,acc\na,0,1,2,3,4\n", "lr (another quantity), acc"),
        ("host,step,took_m\na,0,1\n", "column took_m is in min by its name: give seconds"),
        ("host,step,loss_ms_per_step\na,0,7\n", "there are loss_ms_per_step (another quantity)"),
        (LONG + "a,0,1\na,0,2\nb,1,1\n", "; and since a delay is missing, --missing drop-rounds"),
        ("worker,round,seconds,attempt\na,0,1,1\na,0,2,2\n", "0: --retries last, or sum (of all)"),
        ("a,b\n" + "1,2\n" * 70_000 + "x,3\n", "row 70001, column a: 'x'"),
    ],
    ids=lambda value: value[:24],
)
def test_odd_csv_files_are_refused(text: str, mention: str, tmp_path: Path) -> None:
    """Also those that pandas would read by dropping a row, a column or a cell."""
    (tmp_path / "t.csv").write_text(text)
    refused(tmp_path / "t.csv", mention)


@pytest.mark.parametrize(
    ("values", "mention"),
    [
        ([True, False], "column a holds bool"),
        (pd.array([True, None], dtype="boolean"), "column a holds boolean"),
        (pd.array([1, None], dtype="Int64"), "round y, worker a is missing"),
        (["1.5", "2.5"], "column a holds"),
        (["1.5", "fast"], "row 2, column a: 'fast'"),
        ([b"x", b"y"], "row 1, column a"),
        ([b"\xff", b"\xfe"], "column a holds bytes that are no text"),
        ([[1.0, 2.0], [3.0]], "column a holds list<element: double>"),
        ([{"x": 1}, {"x": 2}], "column a holds struct"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "column a holds datetime64"),
        ([None, None], "row 1, column a: 'None'"),
    ],
    ids=str,
)
def test_odd_parquet_columns_are_refused(values: Any, mention: str, tmp_path: Path) -> None:
    """The index does not matter: catches a row that is told by its label."""
    pd.DataFrame({"a": values}, index=["x", "y"]).to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", mention)


def test_what_is_said_of_a_table_must_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    pd.DataFrame({"n1": [1.5], "n2": [2.5]}).to_parquet(path)
    for said, mention in (
        ({"drop": ("c",)}, "no column is named 'c'"),
        ({"load": 2.0}, "load was given, but the table has no column load"),
        ({"hosts": ("n1", "n3")}, "hosts: no worker is named 'n3'"),
    ):
        with pytest.raises(ValueError, match=mention):
            MeasuredTrace(path=path, **said)  # type: ignore[arg-type]
    pq.write_table(pa.table([[1.0], [2.0]], names=["a", "a"]), path)
    refused(Path(path), "two columns are named 'a'")


@pytest.mark.parametrize(
    ("array", "mention"),
    [
        (np.ones((2, 2), bool), "type bool"),
        (np.array([["2020"]], "M8[s]"), "datetime64"),
        (np.array([["1"]]), "type <U1"),
        (np.ones((2, 2), complex), "complex128"),
        (np.ones(3), "shape (3,)"),
        (np.ones((0, 3)), "no cells"),
        (np.ones((3, 0)), "no cells"),
        (np.array([[object()]], object), "type object"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_odd_arrays_are_refused(array: np.ndarray, mention: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", seconds=array, allow_pickle=True)
    refused(tmp_path / "t.npz", mention)


def test_files_that_are_not_what_their_name_says(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.ones((2, 2)))
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("seconds", "1,2")
    contents = {
        "plain.csv.gz": (b"1,2\n3,4\n", "cannot be read as csv.gz"),
        "short.csv.gz": (gzip.compress(b"1,2\n" * 5000)[:-20], "cannot be read as csv.gz"),
        "hollow.csv.gz": (gzip.compress(b""), "cannot be read as csv.gz"),
        "text.parquet": (b"1,2\n3,4\n", "cannot be read as parquet"),
        "text.npz": (b"1,2\n3,4\n", "is not an NPZ file"),
        "pickle.npz": (pickle.dumps([[1.0]]), "is not an NPZ file"),
        "array.npz": ((tmp_path / "array.npy").read_bytes(), "is not an NPZ file"),
        "zip.npz": ((tmp_path / "zip.npz").read_bytes(), "holds []"),
        "empty.parquet": (b"", "the file is empty"),
    }
    for name, (content, mention) in contents.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, mention)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "npz"])
def test_damage_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    """A hundred files of each kind with a few wrong bytes, or cut short."""
    rng = np.random.default_rng(0)
    path = tmp_path / f"t.{form}"
    frame = pd.DataFrame(rng.exponential(1, (20, 4)), columns=list("abcd"))
    if form == "npz":
        np.savez_compressed(path, seconds=frame.to_numpy())
    elif form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    whole = path.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(len(damaged), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, 2 * len(damaged))])
        with suppress(TableError):  # whose lines are checked above; some damage cannot be seen
            read_delays(str(path))


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("0,1\n0.5,0.6\n", [[0.5, 0.6]]),
        ("1,2,3\n0.5,0.6,0.7\n", [[0.5, 0.6, 0.7]]),
        ("0.1,0.2\n0.5,0.6\n", [[0.1, 0.2], [0.5, 0.6]]),
        ("fast,slow\n0.5,0.6\n\n0.7,0.8\n", [[0.5, 0.6], [0.7, 0.8]]),
        ("\ufeff0.5,0.6\n0.7,0.8\n", [[0.5, 0.6], [0.7, 0.8]]),
        ("a;b\n1,5;2,5\n", [[1.5, 2.5]]),
        ("worker,round,seconds,host\n1,0,2.5,x\n0,0,1.5,y\n", [[1.5, 2.5]]),
        ("worker,round,seconds,load\n0,0,1.5,0\n1,0,2.5,0\n", [[1.5, 2.5]]),
        ("a_msec_taken,b_msec_taken\n1500,2500\n", [[1.5, 2.5]]),
        ("host,step,duration,unit\na,0,7,ms\nb,0,8,ms\n", [[0.007, 0.008]]),
        ("host,step,duration,unit\na,0,7,ms\n", [[0.007]]),
        (EVENT + "a,0,step_s,1.5\n", [[1.5]]),
        ("host,step,train_ms_per_step\na,0,1500\n", [[1.5]]),
        ("a_s,b_s\n1e150,2\n", [[1e150, 2.0]]),
        ("host,step,msec_taken\na,0,1500\n", [[1.5]]),
        (LONG[:-1] + ",job\n0,0,1.5,7\n1,0,2.5,7\n", [[1.5, 2.5]]),
        ("a1,a2,b,c\n1.5,2,3,4\n", [[1.5, 2.0, 3.0, 4.0]]),
        ("p94,p95\n1.5,2.5\n", [[1.5, 2.5]]),
        ("rack-log-7,rack-log-8\n1.5,2.5\n", [[1.5, 2.5]]),
        ("step,a,b,c\n0,1.5,foo,2.5\n1,2.5,foo,3.5\n", [[1.5, 2.5], [2.5, 3.5]]),
        ("a_ms,b_ms\n" + SQUARES, [[t * t / 1000, 0.009] for t in range(9)]),
    ],
)
def test_good_layouts_are_read(text: str, table: list[list[float]], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_delays(str(tmp_path / "t.csv")), table)


@pytest.mark.parametrize(
    ("text", "reading", "said"),
    [
        ("a,b\n1.5,timeout\n2.5,0\ninf,\n1.5,2.5\n", DROP, f"4 of 8 delays are {GONE}"),
        ("a,b\n1.5,\n2.5,3.5\n", DROP, "1 of 4 delays is missing (1 empty): 1 of 2 rounds is l"),
        (LONG + "a,0,1\nb,0,2\nb,1,2\n", NEVER, "1 of 4 delays is missing (1 not in the table)"),
        (LONG + "a,0,1\na,0,2\n", LAST, "1 row repeats a worker and round: the last"),
        (LONG + "a,0,1\n" * 3, SUM, "2 rows repeat a worker and round: their sec"),
        (LONG[:-1] + ",a,b,c,d,e,f\n0,0,1.5\n", Reading(), "columns not used: a, b, c, d, e, f|"),
        (LONG[:-1] + ",a,b,c,d,e,f,g\n0,0,1.5\n", Reading(), "used: a, b, c, d, e, f, ... (7)|"),
        (f"{SEVEN},7\n{SEVEN},8\n{SEVEN},9\n", S, "2 rounds of 8 workers: if rows are work"),
        ("a,b\n60.5,59.75\n", S, "steps take 60.12 s: if the table is in ms, say --unit ms"),
    ],
)
def test_what_was_mended_or_assumed_is_said(
    text: str, reading: Reading, said: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(text)
    found = read_measured(str(tmp_path / "t.csv"), reading)
    assert said in "|".join([*told([*found.warnings, *found.assumed]), ""])


@pytest.mark.parametrize(
    "text", ["a,b\n60.5,59.5\n", f"{SEVEN},7\n{SEVEN},8\n", f"{SEVEN}\n{SEVEN}\n{SEVEN}\n"]
)
def test_nothing_is_said_of_a_table_as_it_may_well_be(text: str, tmp_path: Path) -> None:
    """A median of a minute; one round of eight workers, or two of seven."""
    (tmp_path / "t.csv").write_text(text)
    found = read_measured(str(tmp_path / "t.csv"), S)
    assert not re.search(
        "if the table|if rows are", "|".join(told([*found.warnings, *found.assumed]))
    )


def test_a_median_is_of_the_delays_that_are_finite() -> None:
    whole = np.array([[1.0, 4.0, 5.0], [2.0, 8.0, 6.0], [9.0, 3.0, 7.0]])
    gaps = whole.copy()
    gaps[:, 1], gaps[1, 2] = np.inf, np.nan
    for table, every, workers, rounds in (
        (whole, 5, [2, 4, 6], [4, 6, 7]),
        (gaps, 5, [2, np.inf, 6], [3, 2, 8]),
    ):
        assert median_of(table) == every
        np.testing.assert_array_equal(median_of(table, axis=0), workers)
        np.testing.assert_array_equal(median_of(table, axis=1), rounds)


ODD = np.diag([False, False, True])


@pytest.mark.parametrize(
    ("tables", "line"),
    [
        ({1.0: 1.0, 2.0: 201.0}, "the median of load 2 is 201 times that of load 1: "),
        ({1.0: 1.0, 2.0: 200.0}, None),
        ({1.0: 0.0, 2.0: 900.0}, "6 delays at load 1 are exactly 0 s: were they measured?"),
        ({None: np.array([1.0, 1, 201])}, "the median of worker 2 is 201 times that of worker 0: "),
        ({None: np.array([1.0, 1, 200])}, None),
        ({None: np.array([np.inf, 1, 150])}, None),
        (
            {None: np.where(ODD, 30.0, 0.1)},
            "1 delays are over 200 times the median (typically 300 ",
        ),
        (
            {None: np.where(ODD, 0.001, 0.3)},
            "1 delays are under 1/200 times the median (typically ",
        ),
        ({None: np.array([[1.0], [201.0], [1.0]])}, "the median of round 1 is 201 times that of"),
    ],
)
def test_ratios_that_no_cluster_has_are_told(
    tables: dict[float | None, Any], line: str | None
) -> None:
    whole = {load: np.broadcast_to(value, (3, 3))[:, :3] + 0.0 for load, value in tables.items()}
    if None not in whole:
        whole = {load: table[:, :2] for load, table in whole.items()}
    found = unit_warnings(whole)
    assert [each.startswith(line or "-") for each in found] == ([] if line is None else [True])


NINE = np.tile([1.0, 2, 3, 4, 5, 6, 7, 8, 16], (4, 1))


@pytest.mark.parametrize(
    ("tables", "chosen", "rows"),
    [
        (
            {1.0: NINE, 2.0: 2 * NINE[:2]},
            2.0,
            {
                "worker": "0, 1, 2, 3, 4, 5, ..., 8",
                "round": "0 to 1",
                "seconds": "typically 10, load 2",
                "round 0, load 2": "2, 4, 6, 8, 10, 12, ..., 32",
                "round 1, load 2": "2, 4, 6, 8, 10, 12, ..., 32",
                "slowest": "8, typically 32 s, 3.2 times the median worker of a round",
                "fastest": "0, typically 2 s",
            },
        ),
        (
            {1.0: NINE, 2.0: 2 * NINE[:2]},
            None,
            {f"round {t}, load 1": "1, 2, 3, 4, 5, 6, ..., 16" for t in range(3)},
        ),
        (
            {None: NINE[:1, [0, 2]]},
            None,
            {
                "worker": "0, 1",
                "round 0": "1, 3",
                "slowest": "1, typically 3 s, 1.5 times the median worker of a round",
            },
        ),
        ({None: NINE[:1, 6:7]}, None, {"worker": "0", "round": "0 to 0", "round 0": "7"}),
        ({None: np.array([[1.0, 1.0, 1.005]])}, None, {"slowest": "2, typically 1.005 s"}),
    ],
)
def test_a_table_shows_what_was_understood(
    tables: dict[Any, np.ndarray], chosen: float | None, rows: dict[str, str]
) -> None:
    """Six workers, three rounds, of the first load unless one is chosen; one worker is no slower
    than another."""
    shown = [line for line in told(as_read(numbered(tables), chosen)) if line.startswith("  ")]
    found = {line.split(":")[0].strip(): line.split(":", 1)[1].strip() for line in shown}
    assert found == found | rows
    assert ("slowest" in found) == (next(iter(tables.values())).shape[1] > 1)
    assert sum(name.startswith("round ") for name in found) == min(
        3, len(tables[chosen or next(iter(tables))])
    )


# Steps of all-reduce training: each includes the wait for the slowest rank.


def own_times(law: str, rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Seconds that workers compute, before they wait."""
    if law == "lognormal":
        return rng.lognormal(0.0, 0.15, (rounds, workers))
    if law == "exponential tail":
        return 0.7 + rng.exponential(0.3, (rounds, workers))
    if law == "a slow host":
        slow = np.where(np.arange(workers) == rng.integers(workers), 1.6, 1.0)
        return slow * rng.lognormal(0.0, 0.1, (rounds, workers))
    normal = rng.standard_normal((rounds, workers))
    for t in range(1, rounds):  # AR(1)
        normal[t] = 0.9 * normal[t - 1] + np.sqrt(0.19) * normal[t]
    return np.exp(0.1 * normal)


LAWS = ("lognormal", "exponential tail", "a slow host", "AR(1)")


def all_reduced(
    own: np.ndarray, rng: np.random.Generator, skew: float = 5e-4
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of steps and of their all-reduces: all end together, but for a lag of each rank."""
    rounds, workers = own.shape
    lag = np.abs(rng.normal(0.0, skew, (rounds + 1, workers)))
    transfer = 0.05 * rng.lognormal(0.0, 0.1, (rounds, 1))
    last = (own + lag[:-1]).max(axis=1, keepdims=True)
    reduce = last - (own + lag[:-1]) + transfer + lag[1:]
    return own + reduce, reduce


def shares(workers: int, rounds: int, law: str, tables: int, seed: int) -> list[float]:
    """Of own times that are flagged, and of steps with skews of 5e-4 and 1e-2."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(tables):
        own = own_times(law, rng, rounds, workers)
        steps = (own, all_reduced(own, rng)[0], all_reduced(own, rng, 1e-2)[0])
        found.append([waiting(table) != "" for table in steps])
    return np.mean(found, axis=0).tolist()


def detection(sizes: list[tuple[int, int]], tables: int) -> list[tuple[int, int, str, list[float]]]:
    found = [
        (workers, rounds, law, shares(workers, rounds, law, tables, seed))
        for seed, ((workers, rounds), law) in enumerate(itertools.product(sizes, LAWS))
    ]
    print("\nworkers rounds law: own times flagged, steps flagged at skews 5e-4, 1e-2")
    for workers, rounds, law, (false, *right) in found:
        print(f"{workers:7} {rounds:6} {law:16}: {false:.3f}, {right[0]:.2f}, {right[1]:.2f}")
    return found


def test_steps_that_include_waiting_are_told_from_own_times() -> None:
    for _, _, law, found in detection([(4, 100), (8, 50), (64, 20)], 6):
        assert found == [0, 1, 1], law


@pytest.mark.slow
def test_detection_and_false_alarms_over_sizes_and_laws() -> None:
    """From 4 workers and 50 rounds on nearly every table of steps is told; of own times none."""
    sizes = [*itertools.product((4, 8, 64), (20, 50, 100, 500))]
    found = detection(sizes, 100) + detection([*itertools.product((512,), (20, 100, 500))], 8)
    assert sum(round(100 * false) for *_, (false, _, _) in found) <= 2
    for workers, rounds, law, (_, as_equal, share) in found:
        assert as_equal == 1, (workers, rounds, law)
        enough = workers >= 8 or rounds >= 50
        assert share >= (0.93 if enough else 0.15), (workers, rounds, law)
    few = detection([(4, 20), (2, 50)], 200)
    for workers, share in ((4, 0.35), (2, 0.23)):
        shares = [each[-1] for n, _, _, each in few if n == workers]
        assert np.mean(shares) == pytest.approx(share, abs=0.06)


def test_the_statistics_of_waiting() -> None:
    """Waits that end one round later cancel in sums over blocks; own times do not."""
    rng = np.random.default_rng(0)
    own = own_times("lognormal", rng, 5000, 8)
    assert carried(own)[0] == pytest.approx(1.0, abs=0.1)
    ratio, most = carried(all_reduced(own, rng, 1e-2)[0])
    assert ratio == pytest.approx(0.1, abs=0.02)
    assert most == 0.5
    assert carried(own[:20])[1] == pytest.approx(chi2.ppf(1e-3, 14) / 14)
    assert relative_spread(all_reduced(own, rng)[0]) < 1e-3 < relative_spread(own)
    assert known_above(100, 30) == pytest.approx(0.858, abs=5e-4)


def test_what_looks_like_waiting_and_is_not() -> None:
    """Catches workers that take turns at being slow, whose sums over blocks are alike as well, and
    a single round, which factors of workers explain whole."""
    rng = np.random.default_rng(1)
    assert waiting(rng.normal(1, 0.005, (1, 30))) == ""
    for turn in (2, 3, 5, 7):
        late = 0.3 * ((np.arange(60)[:, None] + np.arange(6)) % turn == 0)
        assert waiting(1 + late + rng.normal(0, 0.01, (60, 6))) == "", turn
        due = (np.arange(300)[:, None] + rng.integers(20, size=8)) % rng.integers(
            3, 20, size=8
        ) == 0
        assert waiting(1 + 0.5 * due + rng.normal(0, 0.01, due.shape)) == "", turn
    dealt = rng.permuted(np.tile(np.arange(6) == 0, (60, 1)), axis=1) * 0.5
    assert waiting(1 + dealt + 0.01 * rng.random(dealt.shape)) == ""
    coarse = np.where(np.arange(60)[:, None] % 5 == np.arange(4), 3.0, 2.0)
    coarse[::2] = 2.0
    assert waiting(coarse) == ""
    timers = own_times("lognormal", rng, 100, 8).max(axis=1, keepdims=True)
    assert waiting(timers + rng.normal(0, 0.01, (100, 8))) == ""  # known not to be found
    heavy = rng.pareto(1.1, (200, 8)) + 1
    assert waiting(heavy) == ""
    few = np.round(rng.normal(1, 0.02, (5, 3)), 2)
    assert waiting(few) == waiting(few[:, :1]) == waiting(np.ones((2, 4))) == ""
    assert waiting(np.ones((30, 4))) == waiting(np.ones((10, 3))) == "alike"
    assert waiting(np.ones((19, 2))) == ""  # 19 differences of workers, and 20 above
    gaps = np.ones((30, 4))
    gaps[::2, 1] = np.inf
    assert waiting(gaps) == "alike"
    wide = 1 + rng.normal(0.0, 1e-4, (20, 3001))
    assert waiting(wide) == "alike"
    assert waiting(wide + 0.3 * rng.random(wide.shape)) == ""
    assert waiting(np.zeros((30, 4))) == waiting(np.full((30, 4), np.inf)) == ""


@pytest.fixture(scope="module")
def training() -> tuple[np.ndarray, pd.DataFrame]:
    """Own times with their transfers, and what ranks would log."""
    rng = np.random.default_rng(5)
    own = own_times("a slow host", rng, 60, 8)
    step, reduce = all_reduced(own, rng)
    assert (reduce.argmin(axis=1) == own.argmax(axis=1)).mean() > 0.9
    frame = pd.DataFrame({"rank": np.tile(range(8), 60), "step": np.repeat(range(60), 8)})
    frame["step_ms"], frame["nccl_ms"] = 1e3 * step.ravel(), 1e3 * reduce.ravel()
    return own + reduce.min(axis=1, keepdims=True), frame


WAITS = "these times include waiting for the slowest (all ranks look alike)"


def test_every_reading_says_that_times_include_waiting(
    training: tuple[np.ndarray, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erasurehead.experiments.pictures.style.rendered", lambda *_: b"")
    own, frame = training
    unread = eh.read_table(frame, columns={"allreduce": ""}).notes
    (note,) = (note for note in unread if "waiting" in note)
    assert note.startswith(WAITS.capitalize())
    assert 'columns={"allreduce": "nccl_ms"}' in note
    wide = pd.DataFrame(frame["step_ms"].to_numpy().reshape(60, 8) / 1e3).add_prefix("gpu")
    (note,) = (note for note in eh.read_table(wide).notes if "waiting" in note)
    assert '(columns={"allreduce": "..."}) or profiler traces' in note
    stages = frame.assign(work_ms=frame["step_ms"] - frame["nccl_ms"]).drop(columns="step_ms")
    notes = eh.read_table(stages, columns={"stages": "work_ms+nccl_ms"}).notes
    (note,) = (note for note in notes if "waiting" in note)
    assert note.endswith("who is slow is told by stage.")
    assert not [note for note in eh.read_table(own).notes if "waiting" in note]
    assert any(WAITS in line for line in eh.fit(wide).warnings)
    path, out = tmp_path / "steps.csv", tmp_path / "out"
    frame.rename(columns={"nccl_ms": "NCCL (ms)"}).to_csv(path, index=False)
    as_it_is = ("--columns", "allreduce=")
    for command, more in (("read", ()), ("whatif", ("--output", out))):
        done = inside(command, path, *as_it_is, *more)
        assert done.returncode == 0
        assert WAITS in done.stdout + done.stderr, command
    assert "Who is slow cannot be told: these times include waiting" in done.stdout
    assert "nothing to gain" not in done.stdout + (out / "report.md").read_text()
    assert "--columns 'allreduce=NCCL (ms)'" in done.stdout + done.stderr
    for columns in ((), ("--columns", "allreduce=NCCL (ms)")):
        assert "Replace host" in inside("whatif", path, *columns, "--output", out).stdout


@pytest.mark.parametrize("unit", ["ms", "us", "s", ""])
def test_own_times_come_from_an_all_reduce_column(
    unit: str, training: tuple[np.ndarray, pd.DataFrame], tmp_path: Path
) -> None:
    """Catches the wait added instead of taken off, other units, and other rounds' minima."""
    own, frame = training
    factor = {"us": 1e3, "s": 1e-3}.get(unit, 1.0)
    name = f"nccl_{unit}" if unit else "nccl"
    frame = frame.assign(**{name: factor * frame["nccl_ms"]}).sample(frac=1, random_state=1)
    if unit != "ms":
        frame = frame.drop(columns="nccl_ms")
    path = tmp_path / "steps.csv"
    frame.to_csv(path, index=False)
    for table in (path, frame):
        found = eh.read_table(table, columns={"allreduce": name})
        np.testing.assert_allclose(found.tables[None], own, rtol=0.01)
        assert np.abs(found.tables[None] / own - 1).to_numpy().max() < 0.01
        assert any(line.startswith("Own times") for line in found.notes)
        assert not any("waiting" in line for line in found.notes)
        # A host that is left out was in the all-reduce.
        some = eh.read_table(table, columns={"allreduce": name}, drop=["3"])
        np.testing.assert_allclose(some.tables[None], np.delete(own, 3, axis=1), rtol=0.01)
    model = MeasuredTrace(path=str(path), columns={"allreduce": name})
    np.testing.assert_allclose(model.table, own, rtol=0.01)
    frame.loc[frame.index[:2], name] = np.nan
    kept = np.setdiff1d(np.arange(60), frame["step"].iloc[:2])
    found = eh.read_table(frame, columns={"allreduce": name}, missing="drop-rounds")
    np.testing.assert_allclose(found.tables[None], own[kept], rtol=0.01)


def test_all_reduce_columns_that_cannot_be(
    training: tuple[np.ndarray, pd.DataFrame], tmp_path: Path
) -> None:
    _, frame = training
    for changed, options, says in (
        (frame, {"columns": {"allreduce": "nope"}}, "nope"),
        (frame.assign(nccl_ms=2e3), {}, ""),
        (frame.assign(nccl_ms=1e3 * frame["nccl_ms"]), {}, "longer than its step"),
        (frame, {"retries": "sum"}, 'retries="last"'),
        (frame.assign(nccl_ms=-frame["nccl_ms"]), {}, "nccl_ms is negative"),
        (frame.assign(nccl_ms="long"), {}, "'long' is not a number"),
        (frame.drop(columns="step"), {}, "no column is the round"),
    ):
        options = {"columns": {"allreduce": "nccl_ms"}, **options}
        if not says:  # all waited alike: nothing is taken off
            assert eh.read_table(changed, **options).tables[None].to_numpy().min() > 0
            continue
        with pytest.raises(eh.ConfigError, match=says):
            eh.read_table(changed, **options)


STAGES = "data_ms+backward_ms+nccl_ms"


@pytest.fixture(scope="module")
def staged() -> tuple[dict[str, np.ndarray], pd.DataFrame]:
    """Seconds of stages, ``(40, 5)``, and what ranks would log in any order."""
    rng = np.random.default_rng(6)
    parts = {name: rng.lognormal(0.0, 0.2, (40, 5)) for name in ("data", "backward", "nccl")}
    frame = pd.DataFrame({"rank": np.tile(range(5), 40), "step": np.repeat(range(40), 5)})
    for name, part in parts.items():
        frame[f"{name}_ms"] = 1e3 * part.ravel()
    frame["step_ms"] = frame["data_ms"] + frame["backward_ms"] + frame["nccl_ms"] + 250
    return parts, frame.sample(frac=1, random_state=2)


def read_stages(frame: pd.DataFrame, folder: Path, **how: Any) -> MeasuredDelays:
    frame.to_csv(folder / "t.csv", index=False)
    columns = how.pop("columns", {"stages": STAGES})
    return read_measured(str(folder / "t.csv"), Reading(columns=columns, **how))


def test_stages_of_a_long_table(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame], tmp_path: Path
) -> None:
    """Catches rows out of place, other units, and a rest that is forgotten."""
    parts, frame = staged
    for changed, rest in (
        (frame, True),
        (frame.drop(columns="step_ms"), False),
        (frame.assign(step_ms=frame["step_ms"] - 250), False),
        (frame.rename(columns={n: n[:-3] for n in ("data_ms", "backward_ms", "nccl_ms")}), True),
        (frame.assign(data_us=1e3 * frame["data_ms"]).drop(columns="data_ms"), True),
    ):
        names = [n for n in changed if n.split("_")[0] in parts]
        names.sort(key=lambda name: [*parts].index(name.split("_")[0]))
        found = read_stages(changed, tmp_path, columns={"stages": " + ".join(names)})
        (stages,) = found.stages.values()
        assert [*stages] == [*parts, *(["no stage"] if rest else [])]
        for name, part in parts.items():
            np.testing.assert_allclose(stages[name], part, rtol=1e-9)
        whole = sum(parts.values()) + 0.25 * rest
        np.testing.assert_allclose(found.tables[None], whole, rtol=1e-9)
        np.testing.assert_allclose(sum(stages.values()), whole, rtol=1e-9)
        assert not any("not used" in line for line in told(found.assumed))
    assert not read_stages(frame, tmp_path, columns={"seconds": "step_ms"}).stages
    rounded = read_stages(frame.assign(step_ms=(frame["step_ms"] - 250).round(-1)), tmp_path)
    assert all((part >= 0).all() for part in rounded.stages[None].values())
    np.testing.assert_allclose(sum(rounded.stages[None].values()), rounded.tables[None], rtol=1e-12)


def test_stages_of_workers_rounds_and_loads_that_are_left_out(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame], tmp_path: Path
) -> None:
    parts, frame = staged
    gaps = frame.sort_values(["step", "rank"]).reset_index(drop=True)
    gaps.loc[7, "data_ms"] = np.nan  # round 1, worker 2
    found = read_stages(gaps, tmp_path, missing="drop-rounds", drop=("4",))
    expected = np.delete(parts["data"], 1, axis=0)[:, :4]
    np.testing.assert_allclose(found.stages[None]["data"], expected, rtol=1e-9)
    np.testing.assert_allclose(
        found.only(["3", "1"]).stages[None]["data"], expected[:, [3, 1]], rtol=1e-9
    )
    two = pd.concat([frame.assign(load=1), frame[frame["rank"] < 3].assign(load=2)])
    found = read_stages(two, tmp_path)
    shapes = {1.0: (40, 3), 2.0: (40, 3)}
    assert {load: part["nccl"].shape for load, part in found.stages.items()} == shapes
    assert {load: table.shape for load, table in found.tables.items()} == shapes


@pytest.mark.parametrize(
    ("change", "columns", "says"),
    [
        ({}, "data_ms+nope", "nope"),
        ({}, "data_ms+data_ms", "names data_ms twice"),
        ({}, "rank+data_ms", "no column is the worker"),
        ({}, "step_ms+data_ms", "column step_ms is a whole step by its name"),
        ({"data_ms": -1.0}, STAGES, "data_ms is negative"),
        ({"data_ms": "long"}, STAGES, "'long' is not a number"),
        ({"data_ms": np.nan}, STAGES, "is missing"),
        ({"data_ms": 5e3}, STAGES, "take longer than their step: do they overlap"),
        ({"rank": None, "step": None}, STAGES, "no column is the worker or the round"),
        ({"step_ms": None, "nccl_us": 5.0}, "data_ms+nccl_us", "nccl_us are in different units"),
        ({"step_ms": None}, "", "+nccl_ms names parts of a step"),
    ],
)
def test_stages_that_cannot_be_told(
    staged: tuple[dict[str, np.ndarray], pd.DataFrame],
    change: dict[str, Any],
    columns: str,
    says: str,
    tmp_path: Path,
) -> None:
    """Each is one line; nothing is left out, cut or doubled in silence."""
    gone = [name for name, value in change.items() if value is None]
    frame = staged[1].assign(**change).drop(columns=gone)
    with pytest.raises(TableError) as caught:
        read_stages(frame, tmp_path, columns={"stages": columns} if columns else {})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options", [{"columns": {"load": "b"}}, {"columns": {"rack": "b"}}, {"retries": "sum"}]
)
def test_what_a_wide_table_has_not_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    """Catches an option that is accepted and has no effect."""
    (tmp_path / "t.csv").write_text("a,b\n1,2\n2,3\n")
    with pytest.raises(TableError, match="is of a long table, a row for each call"):
        read_measured(str(tmp_path / "t.csv"), Reading(**options))


def test_minutes_alone_are_a_duration(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(LONG + "a,0,PT5M\nb,0,P1DT2M\n")
    (table,) = read_measured(str(tmp_path / "t.csv"), Reading()).tables.values()
    assert table.tolist() == [[300.0, 86520.0]]


@pytest.mark.parametrize(
    ("rounds", "said"),
    [
        ([0, 1, 2, 4, 5], "1 round is missing for all workers (first: 3)"),
        ([0, 10, 20, 50, 60, 80], "3 rounds are missing for all workers (first: 30)"),
        ([0, 2], None),  # two rounds say nothing
        ([0, 1, 3, 5, 9], "1 round is missing for all workers (first: 7)"),
        ([0, 1, 3], None),  # neither step is usual
        ([0, 1, 2, 4], "1 round is missing for all workers (first: 3)"),
        ([0, 1, 2, 3], None),
        ([0, 1, 3, 6, 10], None),  # no step is usual
        ([4, 5, 6, 7, 8 + 10**9 - 1], "999999999 rounds are missing for all workers (first: 8);"),
        ([4, 5, 6, 7, 8 + 10**9], "1e+09 rounds are missing for all workers (first: 8);"),
    ],
)
def test_numbers_that_no_round_has(rounds: list[float], said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"worker": "a", "round": rounds, "seconds": 1.5}).to_csv(path, index=False)
    found = [note for note in told(read_measured(str(path)).notes) if "missing for all" in note]
    assert len(found) == (said is not None)
    assert said is None or found[0].startswith(said)


@pytest.mark.parametrize(
    ("columns", "failed"),
    [
        ({"error": [None, None, "no disk"]}, [2]),
        ({"error": [None, "no disk", "no disk"]}, [1, 2]),
        ({"exit_code": [0, 137, 0]}, [1]),
        ({"exit_code": [1, 137, 0]}, [0, 1]),
        ({"status": [200, 200, 503]}, [2]),
        ({"status": [200, 399, 200]}, None),
        ({"status": [100, 200, 100]}, None),
        ({"status": [0, 137, 0]}, [1]),  # no status of HTTP is 0
        ({"http_status": [200, 0, 404]}, [1, 2]),
        ({"rc": [0, 1, 0]}, [1]),
        ({"exit_code": ["", "1", "0"]}, [1]),
        ({"success": ["True", "False", ""]}, [1]),
        ({"success": ["yes", "no", "yes"]}, [1]),
        ({"error": ["True", "False", ""]}, [0]),
        ({"status": [True, False, True]}, [1]),
        ({"state": ["COMPLETED", "CANCELLED by 1000", "COMPLETED"]}, [1]),
        ({"status": [200, 400, 200]}, [1]),
        ({"state": ["done", "Timeout ", "done"]}, [1]),
        ({"state": ["done", "-", "done"]}, None),  # a sign alone says nothing
        ({"ok": [True, False, True]}, [1]),
        ({"ok": [1, 0, 1]}, [1]),
        ({"failed": [False, True, False]}, [1]),
        ({"failed": [0, 2, 0]}, [1]),
        ({"ok": [True, True, True]}, None),
        ({"anything": [1, 0, 1]}, None),
    ],
    ids=str,
)
def test_columns_that_say_which_calls_failed(
    columns: dict[str, Any], failed: list[int] | None, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    calls = {"worker": ["a", "b", "c"], "round": 1, "seconds": [1.5, 2.5, 3.5]}
    pd.DataFrame({**calls, **columns}).to_csv(path, index=False)
    if failed is None:
        assert read_measured(str(path)).tables[None].tolist() == [[1.5, 2.5, 3.5]]
        return
    (name,) = columns
    many = f"{len(failed)} call{'s' * (len(failed) != 1)} failed (first: row {failed[0] + 1})"
    with pytest.raises(TableError, match=re.escape(f"column {name} says that {many}")):
        read_measured(str(path))


# What a name or the rest of a line says, and reading it another way gave wrong numbers.
LINES: dict[str, tuple[str, Reading, Any]] = {
    "the last try, in any order": (
        "worker,round,seconds,attempt\na,0,5,2\na,0,1,1\nb,0,2,1\n", LAST, [[5, 2]]),
    "numbers longer than a double's": (
        "worker,round,seconds\n9007199254740992,0,1.5\n9007199254740993,0,2.5\n",
        Reading(), [[1.5, 2.5]]),
    "a row of units of stages": (
        "worker,round,fwd,bwd\n,,ms,ms\na,0,10.5,20\nb,0,11.5,20\n",
        Reading(columns={"stages": "fwd+bwd"}), [[0.0305, 0.0315]]),
    "--rows with a fraction of 0": (
        "worker,round,seconds,part\na,0,1.5,1\nb,0,2.5,1\na,0,9,2\nb,0,9,2\n",
        Reading(rows="part=1.0"), [[1.5, 2.5]]),
    "a column of several units": (
        "worker,round,duration,unit\na,0,1.5,s\nb,0,15,ms\n", Reading(),
        "rows are of several unit: s (1), ms (1): say --rows unit=s"),
    "a column of an unknown unit": (
        "worker,round,duration,unit\na,0,1.5,furlong\nb,0,15,furlong\n", Reading(),
        "furlong by its name: give seconds, or with --unit"),
    "0 and 1 of a status": (
        "worker,round,seconds,status\na,0,1.5,0\nb,0,1.5,1\n", Reading(),
        "which is a failure is not said: --rows status=1 takes those of 1; or --drop status"),
    "a comma in a name": (
        "a1,a2,\"loss, x\"\n1,2,3\n1,2,3\n", Reading(), "--drop 'loss? x'"),
    "rows begin again among --rows": (
        "worker,round,seconds\n" + "a,0,1\nb,0,1\na,1,1\nb,1,1\n" * 3, Reading(rows="5:"),
        "out of order? split it there"),
}  # fmt: skip


@pytest.mark.parametrize("case", LINES)
def test_what_names_say_decides(case: str, tmp_path: Path) -> None:
    lines, options, table = LINES[case]
    path = tmp_path / "t.csv"
    path.write_text(lines)
    if isinstance(table, str):
        with pytest.raises(TableError, match=re.escape(table)):
            read_measured(str(path), options)
        return
    found = read_measured(str(path), options)
    np.testing.assert_allclose(found.tables[None], table)
    for stages in found.stages.values():
        np.testing.assert_allclose(sum(stages.values()), table)


def test_racks_and_rounds_are_those_of_their_rows(tmp_path: Path) -> None:
    """An empty line stands between all others; rounds are in another order."""
    path = tmp_path / "t.csv"
    rows = [f"n{j},{t},{1.5 + j},r{j // 2}" for t in range(3) for j in range(4)]
    path.write_text("worker,round,seconds,rack\n" + "\n\n".join(rows) + "\n")
    assert read_measured(str(path)).groups == {"rack r0": ("n0", "n1"), "rack r1": ("n2", "n3")}
    path.write_text("round,a1,a2\n2,1.5,2.5\n0,1.6,2.5\n1,1.7,2.6\n")
    found = read_measured(str(path))
    assert found.tables[None][:, 0].tolist() == [1.6, 1.7, 1.5]
    assert "column round numbers the rounds, 0 to 2" in told(found.assumed)


def test_a_comma_before_three_digits_may_be_of_either_kind() -> None:
    """The first such number is named; one with other digits decides."""
    assert files.mark_of(["1.5", "7"]) == "."
    assert files.mark_of(["1,5", "2,250"]) == ","
    with pytest.raises(UnusableFile, match=r"'1,250' could be 1\.250 or 1250; write"):
        files.mark_of(["7", "1,250"])


@pytest.mark.parametrize(
    ("start", "end", "unit", "seconds", "stamps"),
    [
        ([1.0, 2.0], [1.5, 2.0], None, [0.5, 0.0], False),
        ([1e11, 1e11], [1e11, 1e11], None, [0.0, 0.0], False),
        ([2e11, 1.0], [2e11, 2.0], None, "too large for seconds since 1970: say", False),
        ([2e11, 1.0], [2e11, 2.0], "ms", [0.0, 1.0], False),
        ([1.0, 2.0], [1.5, 1.9], None, "row 2: end is before start; valid: end >= start", False),
        (np.uint64([5, 6]), np.uint64([6, 4]), None, "row 2: end is before start", False),
        (["2026-01-31T12:00:00Z"], ["2026-01-31T12:00:01.5Z"], None, [1.5], True),
        (["2026-01-31T12:00:00Z"], [3.0], None, "one holds numbers and one does not", False),
        (["noon"], ["night"], None, "valid: ISO 8601", False),
        ([f"{DAY}12:00:00+01:00"], [f"{DAY}11:00:02Z"], None, [2.0], True),
        ([f"{DAY}12:00:00"], [f"{DAY}12:00:01Z"], None, [1.0], True),
        ([f"{DAY}12:00:00"], [f"{DAY}12:00:01-05:00"], None, "end has a zone, -05:00, and", True),
        ([f"{DAY}12:00:00+01"], [f"{DAY}12:00:01"], None, "start has a zone, +01, and end", True),
        ([f"{DAY}14:00:00"], [f"{DAY}12:00:01Z"], None, "end has a zone, Z, and start has", True),
    ],
)
def test_how_long_a_call_took(
    start: list[Any], end: list[Any], unit: str | None, seconds: Any, stamps: bool
) -> None:
    columns = pd.Series(start, name="start"), pd.Series(end, name="end")
    if isinstance(seconds, str):
        with pytest.raises(UnusableFile, match=re.escape(seconds)):
            between(*columns, unit)
        return
    found, are = between(*columns, unit)
    assert (found.tolist(), are) == (seconds, stamps)


def calls(**columns: Any) -> pd.DataFrame:
    """Five rounds of two workers, a row each."""
    frame = pd.DataFrame({"worker": ["a", "b"] * 5, "round": np.repeat(range(5), 2)})
    seconds = np.random.default_rng(1).uniform(0.5, 1.5, 10).round(6)
    return frame.assign(seconds=seconds, **columns)


def again() -> pd.DataFrame:
    """Two runs in one file."""
    second = calls().assign(seconds=lambda frame: frame["seconds"] + 0.123456)
    return pd.concat([calls(), second], ignore_index=True)


PARTS = Reading(unit="s", columns={"stages": "load_s+work_s", "seconds": "seconds"})
REDUCED = Reading(unit="s", columns={"allreduce": "reduce"})


@pytest.mark.parametrize(
    ("frame", "reading", "said"),
    [
        (again(), Reading(unit="s"), "begin again at row 11: two runs in one file, or rows out of"),
        (again(), Reading(unit="s"), "--rows 1:10 takes the first"),
        (again().loc[[0, 0, *range(1, 20)]], S, "begin again at row 12: two runs"),
        (again().loc[[*range(11), 12, 14, 16, 18]], S, "begin again at row 11: two"),
        (again().loc[[*range(11), 12]], S, "two rows for worker a, round 0, and 1 more such rows"),
        (again()[:14], S, "begin again at row 11: two runs"),
        (again()[:13], S, "two rows for worker a, round 0, and 2 more such rows: "),
        (calls(), Reading(drop=("a", "b")), "the table has no cells"),
        (calls(), Reading(drop=("c", "d")), "no column and no worker is named 'c'; there are"),
        (calls(), Reading(keep=("e",)), "is named 'e'; there are worker, round, seconds, a"),
        (
            calls(state=["ok"] * 6 + ["timeout"] + ["ok"] * 3),
            *(Reading(unit="s"), "column state says that 1 call failed (first: row 7)"),
        ),
        (
            calls(state=["ok"] * 3 + ["timeout"] * 2 + ["ok"] * 5),
            *(Reading(unit="s"), "column state says that 2 calls failed (first: row 4)"),
        ),
        (
            calls(load_s=[0.1] * 10, work_s=[0.1] * 4 + [9.0] + [0.1] * 5),
            *(PARTS, "row 5: stages load_s+work_s take longer than their step"),
        ),
        (
            calls(reduce=[0.1] * 7 + [9.0] + [0.1] * 2),
            *(REDUCED, "row 8: reduce is longer than its step"),
        ),
    ],
)
def test_the_row_to_look_at_is_named(
    frame: pd.DataFrame, reading: Reading, said: str, tmp_path: Path
) -> None:
    """Counted from 1, below the header."""
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError) as refused:
        read_measured(str(tmp_path / "t.csv"), reading)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("numbers", "order", "said"),
    [
        ([0, 1, 2], None, None),
        ([2, 0, 1], [1, 2, 0], None),
        ([0, 1, 2, 0, 1], None, "begin again at row 4: two runs in one file? --rows 1:3 takes"),
        ([0, 0, 1], None, "begin again at row 2: two runs in one file? --rows 1:1 takes"),
    ],
)
def test_rounds_in_the_order_of_their_numbers(
    numbers: list[int], order: list[int] | None, said: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    seconds = np.arange(len(numbers)) + 0.5
    pd.DataFrame({"step": numbers, "a": seconds, "b": seconds + 9}).to_csv(path, index=False)
    if said is None:
        table = read_measured(str(path)).tables[None]
        assert table[:, 0].tolist() == [seconds[i] for i in order or range(len(numbers))]
        return
    with pytest.raises(TableError, match=re.escape(said)):
        read_measured(str(path))


def test_columns_that_are_all_kept_are_all_workers(tmp_path: Path) -> None:
    """Whatever they look like: a count, a clock, a copy."""
    path = tmp_path / "a.csv"
    path.write_text("round,loss,w\n1,0.1,0.1\n2,0.2,0.2\n3,0.3,0.3\n")
    keep = Reading(columns={"round": ""}, keep=("round", "loss", "w"), unit="s", rows=":")
    assert read_measured(str(path), keep).hosts == ("round", "loss", "w")
    path.write_text("loss,w\n7,8\n")
    found = read_measured(str(path), Reading(keep=("loss", "w"), unit="s", rows=":"))
    np.testing.assert_array_equal(found.tables[None], [[7, 8]])


def test_the_form_of_a_text_is_seen_in_its_first_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In so many bytes, or more if these have no four lines, a line that is cut left out; and in
    so many lines of these."""
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1;2\n\n3;4\n3;4\n3;4\n3;4\n5;6;7\n")
    size = path.stat().st_size

    def separator(head_bytes: int = 2**16, head_lines: int = 50) -> str:
        """Semicolons, where the last line, of three cells, is not among those that are seen."""
        monkeypatch.setattr(files, "HEAD_BYTES", head_bytes)
        monkeypatch.setattr(files, "HEAD_LINES", head_lines)
        with suppress(UnusableFile):
            return "," if [*files.read_file(str(path), None, Reading()).frame] == ["a;b"] else "?"
        return ";"

    assert [separator(head) for head in (size + 1, size, size - 1, 6)] == [",", ",", ";", ";"]
    assert [separator(head_lines=lines) for lines in (50, 7, 6)] == [",", ",", ";"]


NOBODY = "no unit is said: read as seconds, typically {} s; --unit ms if not"


@pytest.mark.parametrize(
    ("seen", "hint", "says"),
    [
        ([99.9, 0.5, 99.9], "", NOBODY.format("99.9")),
        ([100.0, 0.5, 100.0], "", "says no unit and is typically 100: say with --unit"),
        ([1, 2, 3, 4, 5, 6, 7], "", NOBODY.format("4")),  # a few whole numbers may be seconds
        ([1, 2, 3, 4, 5, 6, 7, 8], "", "is all whole numbers, typically 4.5: say with --unit"),
        ([4] * 9, "", NOBODY.format("4")),
        ([9, 9], "", NOBODY.format("9")),
        ([10, 10], "", "all whole numbers, typically 10: say"),
        ([0] * 9, "", NOBODY.format("0")),
        ([np.inf, np.nan, 0.25], "", NOBODY.format("0.25")),
        ([np.nan], "", NOBODY.format("0")),
        ([0.25], "s", NOBODY.format("0.25")),
        ([0.25], "ms", "name alone says ms: say --unit ms if so"),
    ],
)
def test_what_times_without_a_unit_are(seen: list[float], hint: str, says: str) -> None:
    def judge() -> Any:
        return settle(None, None, "it", np.array(seen, float), hint, Message(" -- so"))

    if says.startswith("no unit is said"):
        times = judge()
        assert times.unit == "s"
        assert told([times.why, times.assumed()]) == ["seconds, which is assumed", says]
        return
    with pytest.raises(UnusableFile, match=says) as refused:
        judge()
    assert str(refused.value).endswith(" -- so")


def test_columns_are_named_by_role() -> None:
    assert parse_columns("worker=host, seconds = t=1") == {"worker": "host", "seconds": "t=1"}
    assert parse_columns("round=") == {"round": ""}
    for wrong in ("", "worker", "who=a", "worker=a,worker=b", "worker=a,"):
        with pytest.raises(ValueError, match="each role once; roles: worker, round, seconds, st"):
            parse_columns(wrong)


TEN = pd.DataFrame({"step": np.arange(10, 101, 10), "w": np.arange(1, 11)})


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (None, [*range(1, 11)]),
        ("1:3", [1, 2, 3]),
        ("9:", [9, 10]),
        (":2", [1, 2]),
        ("2:9:3", [2, 5, 8]),
        ("::4", [1, 5, 9]),
        (" 10:10 ", [10]),
        ("step=30", [3]),
        ("step=30:50", [3, 4, 5]),
        ("step=:20", [1, 2]),
        ("step=85:", [9, 10]),
        ("step=20:90:20", [2, 4, 6, 8]),
        ("step=::30", [1, 4, 7, 10]),
    ],
)
def test_rows_that_count(rows: str | None, kept: list[int]) -> None:
    """From 1, both ends included; or by a column's numbers, from the first or its least on."""
    found = rows_of(TEN, rows)
    assert found["w"].tolist() == kept
    assert found.index.tolist() == [*range(len(kept))]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("11:", "--rows 11:: no row of 10 is there"),
        ("a", "--rows a: must be A:B or A:B:STEP"),
        ("1:2:0", "--rows 1:2:0: must be A:B or"),
        ("step=31:39", "--rows step=31:39: no row of 10 is there"),
        ("step=31", "--rows step=31: no cell of column step is that"),
        ("stop=1:2", "'stop'; there are step, w"),
    ],
)
def test_rows_that_are_not_there(rows: str, says: str) -> None:
    with pytest.raises(UnusableFile, match=re.escape(says)):
        rows_of(TEN, rows)


def in_stages(*steps: str) -> str:
    return "worker,round,step_s,read_s,work_s\n" + "".join(
        f"{worker},{number},{step}\n" for number, step in enumerate(steps) for worker in "ab"
    )


def test_stages_may_be_longer_than_their_step_by_a_hundredth(tmp_path: Path) -> None:
    """Their digits are rounded; what is beyond the step is cut. Of what is left nobody says what
    it is, unless there is nothing."""
    path = tmp_path / "t.csv"
    by = Reading(columns={"seconds": "step_s", "stages": "read_s+work_s"}, rows=":")
    path.write_text(in_stages("2.00,0.5,1.52", "2.00,0.5,1.5", "1.00,0.25,0.75"))
    stages = read_measured(str(path), by).stages[None]
    assert list(stages) == ["read", "work"]
    np.testing.assert_allclose(stages["work"][:, 0], [1.5, 1.5, 0.75])
    path.write_text(in_stages("2.00,0.5,1.25", "2.00,0.5,1.5"))
    stages = read_measured(str(path), by).stages[None]
    assert list(stages) == ["read", "work", "no stage"]
    np.testing.assert_allclose(stages["no stage"][:, 1], [0.25, 0.0])
    path.write_text(in_stages("2.00,0.5,1.5", "2.00,0.5,1.53"))
    with pytest.raises(TableError, match=r"row 3: stages read_s\+work_s take longer than their st"):
        read_measured(str(path), by)
    alone = Reading(columns={"stages": "read_s+work_s"}, drop=("step_s",), rows=":")
    found = read_measured(str(path), alone)
    np.testing.assert_allclose(found.tables[None][:, 0], [2.0, 2.03])
    path.write_text(in_stages("9,0.5,1.5", "9,,1.5", "9,0.5,1.0"))
    with pytest.raises(TableError, match="is missing"):
        read_measured(str(path), alone)
    left = read_measured(str(path), replace(alone, missing="drop-rounds"))
    np.testing.assert_allclose(left.tables[None][:, 0], [2.0, 1.5])
    for also, no in (({"retries": "sum"}, "--retries sum"), ({}, "--columns allreduce=...")):
        columns = {"stages": "read_s+work_s"} | ({} if also else {"allreduce": "step_s"})
        with pytest.raises(TableError, match=f"{no} cannot stand beside --columns stages="):
            read_measured(str(path), Reading(columns=columns, **also, drop=(), rows=":"))  # type: ignore[arg-type]


def test_signs_of_waiting_at_their_limits() -> None:
    """Of times that include the wait of the round before: each limit set to just what there is."""
    own = np.random.default_rng(3).exponential(1.0, (121, 3))
    table = own[1:] + own[:-1].max(axis=1, keepdims=True) - own[:-1]
    assert waiting(table) == "carried"
    assert waiting(own) == ""
    beyond = table - table.mean(axis=1, keepdims=True)
    before, *earlier = (
        np.mean(beyond[lag:] * beyond[:-lag]) / np.mean(beyond**2) for lag in range(1, 11)
    )
    assert len(earlier) == 9
    blocks = np.add.reduceat(beyond, range(0, 120, 10), axis=0)
    ratio, most = carried(table)
    assert ratio == pytest.approx((blocks**2).sum() / (beyond**2).sum())
    limits: dict[str, tuple[Any, Any]] = {  # what carries, and the next number, which does not
        "next_round": (before, np.nextafter(before, -1)),
        "rhythm": (np.nextafter(max(earlier), 1), max(earlier)),
        "fewest": (240, 241),
    }
    for name, (within, past) in limits.items():
        assert (waiting(table, **{name: within}), waiting(table, **{name: past})) == ("carried", "")
    assert most < 0.5
    assert carried(table, largest=ratio / 2) == (ratio, ratio / 2)
    assert carried(table[:19]) == (1.0, 0.0)
    assert carried(table[:20])[0] < 1.0
    equal = 1.0 + 1e-4 * np.random.default_rng(4).random((40, 3))
    factors = np.median(equal / np.median(equal, axis=1, keepdims=True), axis=0)
    own = equal / factors
    assert waiting(equal) == "alike"
    for name, limit in (("equal", relative_spread(own)), ("nearly", relative_spread(own, 0.9))):
        assert look_alike(equal, **{name: limit})
        assert not look_alike(equal, **{name: np.nextafter(limit, 0)})


def test_whole_rounds_tell_whether_they_wait() -> None:
    """Those with all workers, above 0 s; of many, the first rounds and some workers."""
    equal = 1.0 + 1e-4 * np.random.default_rng(4).random((40, 6))
    holes = equal.copy()
    holes[36:, 0] = np.inf, np.nan, np.inf, np.inf
    holes[35] = 0.0
    assert waiting(holes) == "alike"
    assert waiting(holes[33:]) == "", "two rounds of six are too few"
    other = equal.copy()
    other[20:] *= np.random.default_rng(5).random((20, 6))
    assert waiting(other) == ""
    assert waiting(other, most=20) == "alike"
    wide = equal.copy()
    wide[:, 1::2] *= 9.0
    assert waiting(wide, most=3, fewest=6) == "alike", "each second worker"
