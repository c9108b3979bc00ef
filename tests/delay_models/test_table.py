"""Tables that hold no delays, or hide some: one clear line each; nothing is mended in silence.

The record ``read`` has the whole outcome of each table; what is known of it is asserted beside."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import erasurehead as eh
from erasurehead.delays import MeasuredTrace
from tests.delay_models.door import outcome, without_numbers
from tests.delay_models.layouts import all_reduced, own_times
from tests.golden.records import require_recorded
from tests.tools import inside

LONG = "worker,round,seconds\n"
EVENT = "host,step,event,value\n"
WHEN = "host,step,closed,opened\n"
SQUARES = "".join(f"{t * t},9\n" for t in range(9))
SEVEN = "0,1,2,3,4,5,6"
DAY = "2026-01-31T"


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(table: Any, **options: Any) -> str:
    """The one line of a table that is refused; as a model of delays it is, too."""
    (line,) = outcome(table, **options)
    assert line.startswith("refused: ")
    if isinstance(table, Path):
        with pytest.raises(ValueError, match=r".+"):
            MeasuredTrace(path=str(table), **options)
    return line.removeprefix("refused: ")


REFUSED = [
    # cells that are no numbers, and rows that are no cells
    "a,b\nTrue,1\nFalse,2\n",
    "True,False\nTrue,True\n",
    LONG + "0,0,True\n",
    LONG + "True,0,1\nFalse,0,1\n",
    'a,b\n"1,234.5",2\n',
    '"1,234.5",2\n3,4\n',
    "1.5,2.5\n3.5,4.5\nround,5\n",
    "a,b\n1,2\na,b\n3,4\n",
    LONG + "0,0,1\n" + LONG + "1,0,2\n",
    LONG + "0,2020-01-01,1\n",
    LONG + "0,0,1\n1,one,2\n",
    "a;b,c\n1,5;2,5;3\n",
    "# seconds\n1,2\n3,4\n",
    "a,b\n123456789012345678901234567890,2\n",
    "a\nfoo\nbar\n",
    " \n",
    "s\n",
    "a,b,c\n1.5,foo,2\n2,bar,3\n3,foo,4\n",
    "a,b,c\n1.5,foo,2\n2,foo,3\n",
    # what is missing, or beyond all delays
    "1,2,\n3,4,\n",
    "nan,1\n1,5\n",
    LONG + ",0,1\n1,0,1\n",
    LONG + ",0,1\nx,0,1\n",
    LONG + "1,inf,1\n1,0,1\n",
    "worker,round,seconds,load\n0,0,1,-1\n",
    "a,b\n1,2\n1,1e200\n",
    "a,b\n1e200,0.5\n0.5,1e200\n0.5,0.5\n",
    LONG + "a,0,1\na,0,2\nb,1,1\n",
    # names
    "a,a\n1,2\n",
    "worker,round,seconds,seconds\n0,0,1,2\n",
    ",0,1\n0,1.5,2.5\n",
    ",a,b\n0,1.5,2.5\n",
    "host,step,time_min,time_max\na,0,1.5,2\nb,0,1.5,2\n",
    "host,step,took_s,unit\na,0,7,ms\nb,0,8,ms\n",
    "loss,fps\n0.5,1\n0.6,2\n",
    "loss-7,loss-8\n1,2\n",
    "a0,a1,a0_wait,a1_wait\n1,2,3,4\n",
    "a0,a1,a0_more,a1_more\n1,2,3,4\n",
    "a0b,a1b,a0c,a1c,a0d,a1d\n1,2,3,4,5,6\n",
    "a1,a2,b\n1,2,3\n",
    "a_s,a (s)\n1,2\n",
    "x,a,b\nnode1,2,3\nnode2,5,7\n",
    "step,a,b\nstd,2,3\nmean,5,7\n",
    "x,1\nfoo,2\nbar,5\n",
    "host,step,tier,colour\na,0,x,red\nb,0,y,blue\n",
    "host,step,took,elapsed\na,0,1,3\n",
    "host,step,loss,fps,lr,acc\na,0,1,2,3,4\n",
    "host,step,took_m\na,0,1\n",
    "host,step,loss_ms_per_step\na,0,7\n",
    'a1,a2,"loss, x"\n1,2,3\n1,2,3\n',
    # counts and clocks
    "n1,n2,n3\n1.5,1,2.5\n1.2,2,2.5\n2.1,3,2.5\n",
    "a_ms,b_ms\n1,9\n2,9\n3,9\n",
    "a_ms,b_ms\n" + SQUARES + "81,9\n",
    # rows of several kinds, and rows that come again
    EVENT + "a,0,step_s,1\na,0,x,2\na,0,z,2\n",
    EVENT + "a,0,x,1\na,0,y,1\na,1,y,1\na,1,z,1\na,1,w,1\n",
    EVENT + "a,0,step_s,1\na,0,took_s,2\n",
    WHEN + f"a,0,{DAY}03:,\nb,0,,{DAY}01:\n",
    WHEN + f"a,0,{DAY}03:,{DAY}01:\nb,0,{DAY}04:,{DAY}05:\n",
    WHEN + f"a,0,{DAY}03:,{DAY}01:\nb,0,{DAY}03:,{DAY}05:\n",
    "host,rank,step,took_s\na,0,0,3\na,0,0,4\n",
    LONG + "a,0,1\na,0,2\nb,0,1\n",
    LONG + "a,0,1\na,1,1\na,2,1\n" * 3 + "b,0,1\nc,0,1\n",
    LONG + "a,0,1\na,0,2\na,0,3\n",
    LONG[:-1] + ",job\n0,0,1,7\n0,1,2,8\n",
    "worker,round,seconds,attempt\na,0,1,1\na,0,2,2\n",
    "worker,round,duration,unit\na,0,1.5,s\nb,0,15,ms\n",
    "worker,round,duration,unit\na,0,1.5,furlong\nb,0,15,furlong\n",
    "worker,round,seconds,status\na,0,1.5,0\nb,0,1.5,1\n",
]


@pytest.mark.golden
@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_odd_text_is_refused(text: str, tmp_path: Path) -> None:
    """Also what pandas would read by dropping a row, a column or a cell."""
    require_recorded("read/refused", {repr(text): refusal(written(tmp_path, text))})


def test_a_place_far_down_is_named(tmp_path: Path) -> None:
    """Beyond the first rows that pandas guesses types from; and of so many cells none is listed."""
    text = "a,b\n" + "1,2\n" * 263_000 + "x,3\n"
    assert outcome(written(tmp_path, text))[0].startswith("refused: row 263001, column a: 'x'")
    text = LONG + "".join(f"{i},{i},1\n" for i in range(30_000))
    assert "899970000 delays are missing" in outcome(written(tmp_path, text))[0]


GOOD: dict[str, list[list[float]]] = {
    "0,1\n0.5,0.6\n": [[0.5, 0.6]],
    "1,2,3\n0.5,0.6,0.7\n": [[0.5, 0.6, 0.7]],
    "0.1,0.2\n0.5,0.6\n": [[0.1, 0.2], [0.5, 0.6]],
    "fast,slow\n0.5,0.6\n\n0.7,0.8\n": [[0.5, 0.6], [0.7, 0.8]],
    "\ufeff0.5,0.6\n0.7,0.8\n": [[0.5, 0.6], [0.7, 0.8]],
    "a;b\n1,5;2,5\n": [[1.5, 2.5]],
    "worker,round,seconds,host\n1,0,2.5,x\n0,0,1.5,y\n": [[1.5, 2.5]],
    "worker,round,seconds,load\n0,0,1.5,0\n1,0,2.5,0\n": [[1.5, 2.5]],
    "a_msec_taken,b_msec_taken\n1500,2500\n": [[1.5, 2.5]],
    "host,step,duration,unit\na,0,7,ms\nb,0,8,ms\n": [[0.007, 0.008]],
    "host,step,duration,unit\na,0,7,ms\n": [[0.007]],
    EVENT + "a,0,step_s,1.5\n": [[1.5]],
    "host,step,train_ms_per_step\na,0,1500\n": [[1.5]],
    "a_s,b_s\n1e150,2\n": [[1e150, 2.0]],
    "host,step,msec_taken\na,0,1500\n": [[1.5]],
    LONG[:-1] + ",job\n0,0,1.5,7\n1,0,2.5,7\n": [[1.5, 2.5]],
    "a1,a2,b,c\n1.5,2,3,4\n": [[1.5, 2.0, 3.0, 4.0]],
    "p94,p95\n1.5,2.5\n": [[1.5, 2.5]],
    "rack-log-7,rack-log-8\n1.5,2.5\n": [[1.5, 2.5]],
    "step,a,b,c\n0,1.5,foo,2.5\n1,2.5,foo,3.5\n": [[1.5, 2.5], [2.5, 3.5]],
    "a_ms,b_ms\n" + SQUARES: [[t * t / 1000, 0.009] for t in range(9)],
    LONG + "a,0,PT5M\nb,0,P1DT2M\n": [[300.0, 86520.0]],  # minutes alone are a duration
    LONG + "9007199254740992,0,1.5\n9007199254740993,0,2.5\n": [[1.5, 2.5]],
    "round,a1,a2\n2,1.5,2.5\n0,1.6,2.5\n1,1.7,2.6\n": [[1.6, 2.5], [1.7, 2.6], [1.5, 2.5]],
    # of columns that each could be the seconds, one alone has a unit
    "step,rank,compute_ms\n0,0,1\n0,1,2\n1,0,2\n1,1,3\n": [[0.001, 0.002], [0.002, 0.003]],
    "step,rank,fwd_bwd_us\n0,0,1\n0,1,2\n": [[1e-6, 2e-6]],
    "step,rank,phase 2 (s)\n0,0,1\n0,1,2\n": [[1.0, 2.0]],
}


@pytest.mark.golden
@pytest.mark.parametrize("text", GOOD, ids=range(len(GOOD)))
def test_good_layouts_are_read(text: str, tmp_path: Path) -> None:
    """Also one load of them, as a model of delays."""
    path = written(tmp_path, text)
    require_recorded("read/good", {repr(text): without_numbers(outcome(path))})
    np.testing.assert_allclose(MeasuredTrace(path=str(path)).table, GOOD[text], rtol=1e-15)


TEN = "step,w\n" + "".join(f"{10 * t},{t}.5\n" for t in range(1, 11))
PARTS = "step,rank,compute_ms,data_ms\n0,0,1,5\n0,1,2,5\n"
RUNS = LONG + "a,0,1\nb,0,1\na,1,1\nb,1,1\n" * 3
WITH: list[tuple[str, dict[str, Any]]] = [
    # missing delays and rows that come again
    ("a,b\n1.5,timeout\n2.5,0\ninf,\n1.5,2.5\n", {"missing": "drop-rounds"}),
    ("a,b\n1.5,\n2.5,3.5\n", {"missing": "drop-rounds"}),
    (LONG + "a,0,1\nb,0,2\nb,1,2\n", {"missing": "never"}),
    (LONG + "a,0,1\na,0,2\n", {"retries": "last"}),
    (LONG + "a,0,1\n" * 3, {"retries": "sum"}),
    ("worker,round,seconds,attempt\na,0,5,2\na,0,1,1\nb,0,2,1\n", {"retries": "last"}),
    # columns that are not used, and which are said to be workers
    (LONG[:-1] + ",a,b,c,d,e,f\n0,0,1.5\n", {}),
    (LONG[:-1] + ",a,b,c,d,e,f,g\n0,0,1.5\n", {}),
    ("round,loss,w\n1,0.1,0.1\n2,0.2,0.2\n3,0.3,0.3\n",
     {"columns": {"round": ""}, "keep": ["round", "loss", "w"], "unit": "s", "rows": ":"}),
    ("a,b\n" + "".join(f"{t + 1},{t + 3}\n" for t in range(12)), {"keep": ["a"], "unit": "s"}),
    ("a,b\n" + "".join(f"{t + 1},{t + 3}\n" for t in range(12)), {"keep": ["a", "b"], "unit": "s"}),
    ("a,b\n" + "".join(f"{t * 1.5 + t % 3 / 8},{t + 0.5}\n" for t in range(12)), {"unit": "s"}),
    ("loss,w\n7,8\n", {"keep": ["loss", "w"], "unit": "s", "rows": ":"}),
    # how many workers, and how long steps are: likely, or just not
    (f"{SEVEN},7\n{SEVEN},8\n{SEVEN},9\n", {"unit": "s"}),
    (f"{SEVEN},7\n{SEVEN},8\n", {"unit": "s"}),
    (f"{SEVEN}\n{SEVEN}\n{SEVEN}\n", {"unit": "s"}),
    ("a,b\n60.5,59.75\n", {"unit": "s"}),
    ("a,b\n60.5,59.5\n", {"unit": "s"}),
    # times without a unit: a few whole numbers may be seconds
    ("a,b,c\n99.9,0.5,99.9\n", {}),
    ("a,b,c\n100.0,0.5,100.0\n", {}),
    ("a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n", {}),
    ("a,b,c,d,e,f,g,h\n1,2,3,4,5,6,7,8\n", {}),
    ("a,b,c,d,e,f,g,h,i\n4,4,4,4,4,4,4,4,4\n", {}),
    ("a,b\n9,9\n", {}),
    ("a,b\n10,10\n", {}),
    ("a,b,c\ninf,nan,0.25\n", {"missing": "never"}),
    # a comma before three digits: other digits decide
    ("a;b\n1.5;7\n", {}),
    ("a;b\n1,5;2,250\n", {}),
    ("a;b\n7;1,250\n", {}),
    ("a;b\n7;1,250\n", {"decimal": "comma"}),
    # the form of a text is that of its first 50 lines
    ("a;b\n" + "1;2\n" * 48 + "5;6;7\n", {}),
    ("a;b\n" + "1;2\n" * 49 + "5;6;7\n", {}),
    # rows that count
    *((TEN, {"rows": rows}) for rows in (
        None, "1:3", "9:", ":2", "2:9:3", "::4", " 10:10 ", "step=30", "step=30:50", "step=:20",
        "step=85:", "step=20:90:20", "step=::30", "11:", "a", "1:2:0", "step=31:39", "step=31",
        "stop=1:2")),
    ("worker,round,seconds,part\na,0,1.5,1\nb,0,2.5,1\na,0,9,2\nb,0,9,2\n", {"rows": "part=1.0"}),
    (RUNS, {"rows": "5:"}),
    # rounds in the order of their numbers
    *((f"step,a,b\n{rows}", {}) for rows in (
        "0,.5,9.5\n1,1.5,8.5\n2,2.5,8.5\n", "2,.5,9.5\n0,1.5,8.5\n1,2.5,8.5\n",
        "0,.5,9.5\n1,1.5,8.5\n2,2.5,8.5\n0,3.5,8.5\n1,4.5,8.5\n",
        "0,.5,9.5\n0,1.5,8.5\n1,2.5,8.5\n")),
    # numbers that no round has
    *((LONG + "".join(f"a,{t},1.5\n" for t in rounds), {}) for rounds in (
        [0, 1, 2, 4, 5], [0, 10, 20, 50, 60, 80], [0, 2], [0, 1, 3, 5, 9], [0, 1, 3], [0, 1, 2, 4],
        [0, 1, 2, 3], [0, 1, 3, 6, 10], [4, 5, 6, 7, 8 + 10**9 - 1], [4, 5, 6, 7, 8 + 10**9])),
    # options that a table has no use for
    ("a,b\n1,2\n2,3\n", {"columns": {"load": "b"}}),
    ("a,b\n1,2\n2,3\n", {"columns": {"rack": "b"}}),
    ("a,b\n1,2\n2,3\n", {"retries": "sum"}),
    ("n1,n2\n1.5,2.5\n", {"drop": ["c"]}),
    ("n1,n2\n1.5,2.5\n", {"load": 2.0}),
    # which column is the seconds, and which are its parts
    (PARTS, {}),
    (PARTS, {"columns": {"seconds": "compute_ms"}}),
    (PARTS, {"columns": {"stages": "compute_ms+data_ms"}}),
    ("worker,round,fwd,bwd\n,,ms,ms\na,0,10.5,20\nb,0,11.5,20\n",
     {"columns": {"stages": "fwd+bwd"}}),
    # ratios that no cluster has, and those that one may have
    *((f"a,b,c\n{cells}", {"unit": "s"}) for cells in (
        "1,1,201\n1,1,201\n1,1,201\n", "1,1,200\n1,1,200\n1,1,200\n",
        "30,.1,.1\n.1,30,.1\n.1,.1,30\n", ".001,.3,.3\n.3,.001,.3\n.3,.3,.001\n",
        "1,1,1\n201,201,201\n1,1,1\n", "1,1,1\n200,200,200\n1,1,1\n")),
    ("a,b,c\ninf,1,150\ninf,1,150\ninf,1,150\n", {"unit": "s", "missing": "never"}),
    *((LONG[:-1] + ",load\n" + "".join(
        f"{worker},{t},{seconds},{load}\n" for load, seconds in times.items()
        for t in range(3) for worker in "ab"), {"unit": "s"}) for times in (
            {1: 1.0, 2: 201.0}, {1: 1.0, 2: 200.0})),
    (LONG + "a,0,0\nb,0,0\na,1,1.5\nb,1,2.5\n", {"missing": "never"}),
    # what is shown of a table: six workers, three rounds, the slowest worker
    (",".join("abcdefghi") + "\n" + "1,2,3,4,5,6,7,8,16\n" * 4, {"unit": "s"}),
    ("a,b\n1,3\n", {"unit": "s"}),
    ("a\n7\n", {"unit": "s"}),
    ("a,b,c\n1.0,1.0,1.005\n", {"unit": "s"}),
]  # fmt: skip


@pytest.mark.golden
@pytest.mark.parametrize("case", range(len(WITH)))
def test_what_is_read_mended_or_refused_with_options(case: int, tmp_path: Path) -> None:
    text, options = WITH[case]
    name = f"{text!r} {options}" if len(text) < 240 else f"{text[:120]!r} ... {options}"
    require_recorded("read/with", {name: outcome(written(tmp_path, text), **options)})


@pytest.mark.parametrize(("size", "is_seen"), [(65_536, True), (65_537, False)])
def test_the_form_of_a_text_is_that_of_its_first_bytes(
    size: int, is_seen: bool, tmp_path: Path
) -> None:
    """A line of three cells that is among them, whole, is a reason against semicolons."""
    lines = ["a;b", *[f"{1.5:<2000};2"] * 30, "5;6;7\n"]
    lines[1] = lines[1].replace("  ", "  " + " " * (size - len("\n".join(lines))), 1)
    path = written(tmp_path, "\n".join(lines))
    assert path.stat().st_size == size
    said = outcome(path)[0]
    assert ("line 32 has 3 cells, and the lines before it have 2" in said) != is_seen


ENDS = [
    ([1.0, 2.0], [1.5, 2.0], {}),
    ([1e11, 1e11], [1e11, 1e11 + 1], {}),
    ([2e11, 1.0], [2e11, 2.0], {}),
    ([2e11, 1.0], [2e11, 2.0], {"unit": "ms"}),
    ([1.0, 2.0], [1.5, 1.9], {}),
    (np.uint64([5, 6]), np.uint64([6, 4]), {}),
    (["2026-01-31T12:00:00Z"], ["2026-01-31T12:00:01.5Z"], {}),
    (["2026-01-31T12:00:00Z"], [3.0], {}),
    (["noon"], ["night"], {}),
    ([f"{DAY}12:00:00+01:00"], [f"{DAY}11:00:02Z"], {}),
    ([f"{DAY}12:00:00"], [f"{DAY}12:00:01Z"], {}),
    ([f"{DAY}12:00:00"], [f"{DAY}12:00:01-05:00"], {}),
    ([f"{DAY}12:00:00+01"], [f"{DAY}12:00:01"], {}),
    ([f"{DAY}14:00:00"], [f"{DAY}12:00:01Z"], {}),
]


@pytest.mark.golden
@pytest.mark.parametrize(("start", "end", "options"), ENDS, ids=range(len(ENDS)))
def test_how_long_a_call_took(start: Any, end: Any, options: Any) -> None:
    """From two clocks, or two moments with or without a zone."""
    rounds = {"worker": "a", "round": range(len(start))}
    frame = pd.DataFrame({**rounds, "start": start, "end": end})
    name = f"{[*start]} {[*end]} {options}"
    require_recorded("read/start and end", {name: outcome(frame, missing="never", **options)})


ODD_COLUMNS = [
    [True, False],
    pd.array([True, None], dtype="boolean"),
    pd.array([1, None], dtype="Int64"),
    ["1.5", "2.5"],
    ["1.5", "fast"],
    [b"x", b"y"],
    [b"\xff", b"\xfe"],
    [[1.0, 2.0], [3.0]],
    [{"x": 1}, {"x": 2}],
    pd.to_datetime(["2020-01-01", "2020-01-02"]),
    [None, None],
]


@pytest.mark.golden
@pytest.mark.parametrize("values", ODD_COLUMNS, ids=range(len(ODD_COLUMNS)))
def test_odd_parquet_columns_are_refused(values: Any, tmp_path: Path) -> None:
    """The index does not matter: catches a row that is told by its label."""
    pd.DataFrame({"a": values}, index=["x", "y"]).to_parquet(tmp_path / "t.parquet")
    require_recorded("read/parquet", {repr([*values]): refusal(tmp_path / "t.parquet")})


ODD_ARRAYS = [
    np.ones((2, 2), bool),
    np.array([["2020"]], "M8[s]"),
    np.array([["1"]]),
    np.ones((2, 2), complex),
    np.ones(3),
    np.ones((0, 3)),
    np.ones((3, 0)),
    np.array([["x", None]], object),
]


@pytest.mark.golden
@pytest.mark.parametrize("array", ODD_ARRAYS, ids=range(len(ODD_ARRAYS)))
def test_odd_arrays_are_refused(array: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", seconds=array, allow_pickle=True)
    name = f"{array.dtype} {array.shape}"
    require_recorded("read/npz", {name: refusal(tmp_path / "t.npz")})


@pytest.mark.golden
def test_files_that_are_not_what_their_name_says(tmp_path: Path) -> None:
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.ones((2, 2)))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("seconds", "1,2")
    pq.write_table(pa.table([[1.0], [2.0]], names=["a", "a"]), tmp_path / "twice")
    contents = {
        "plain.csv.gz": b"1,2\n3,4\n",
        "short.csv.gz": gzip.compress(b"1,2\n" * 5000)[:-20],
        "hollow.csv.gz": gzip.compress(b""),
        "text.parquet": b"1,2\n3,4\n",
        "text.npz": b"1,2\n3,4\n",
        "pickle.npz": pickle.dumps([[1.0]]),
        "array.npz": array.getvalue(),
        "zip.npz": archive.getvalue(),
        "empty.parquet": b"",
        "twice.parquet": (tmp_path / "twice").read_bytes(),
    }
    said = {name: refusal(written(tmp_path, text, name)) for name, text in contents.items()}
    require_recorded("read/file", said)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "npz"])
def test_damage_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    """A hundred files of each kind with a few wrong bytes, or cut short; some is not seen."""
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
        with suppress(eh.ConfigError):
            eh.read_table(path)


def test_a_host_of_the_model_must_be_there(tmp_path: Path) -> None:
    path = written(tmp_path, "n1,n2\n1.5,2.5\n")
    with pytest.raises(ValueError, match="hosts: no worker is named 'n3'"):
        MeasuredTrace(path=str(path), hosts=("n1", "n3"))


FAILED: list[tuple[str, list[Any], list[int]]] = [
    ("error", [None, None, "no disk"], [2]),
    ("error", [None, "no disk", "no disk"], [1, 2]),
    ("exit_code", [0, 137, 0], [1]),
    ("exit_code", [1, 137, 0], [0, 1]),
    ("status", [200, 200, 503], [2]),
    ("status", [200, 399, 200], []),
    ("status", [100, 200, 100], []),
    ("status", [0, 137, 0], [1]),  # no status of HTTP is 0
    ("http_status", [200, 0, 404], [1, 2]),
    ("rc", [0, 1, 0], [1]),
    ("exit_code", ["", "1", "0"], [1]),
    ("success", ["True", "False", ""], [1]),
    ("success", ["yes", "no", "yes"], [1]),
    ("error", ["True", "False", ""], [0]),
    ("status", [True, False, True], [1]),
    ("state", ["COMPLETED", "CANCELLED by 1000", "COMPLETED"], [1]),
    ("status", [200, 400, 200], [1]),
    ("state", ["done", "Timeout ", "done"], [1]),
    ("state", ["done", "-", "done"], []),  # a sign alone says nothing
    ("ok", [True, False, True], [1]),
    ("ok", [1, 0, 1], [1]),
    ("failed", [False, True, False], [1]),
    ("failed", [0, 2, 0], [1]),
    ("ok", [True, True, True], []),
    ("anything", [1, 0, 1], []),
]


@pytest.mark.parametrize(("name", "cells", "failed"), FAILED, ids=map(str, FAILED))
def test_columns_that_say_which_calls_failed(
    name: str, cells: list[Any], failed: list[int], tmp_path: Path
) -> None:
    """The first is named; with an option they never arrive, and all others do."""
    calls = {"worker": ["a", "b", "c"], "round": 1, "seconds": [1.5, 2.5, 3.5], name: cells}
    path = tmp_path / "t.csv"
    pd.DataFrame(calls).to_csv(path, index=False)
    if failed:
        many = f"{len(failed)} call{'s' * (len(failed) != 1)} failed (first: row {failed[0] + 1})"
        assert f"column {name} says that {many}" in refusal(path)
    (table,) = eh.read_table(path, missing="never").tables.values()
    arrives = [seconds for i, seconds in enumerate([1.5, 2.5, 3.5]) if i not in failed]
    assert table.to_numpy()[np.isfinite(table.to_numpy())].tolist() == arrives


def calls(**columns: Any) -> pd.DataFrame:
    """Five rounds of two workers, a row each."""
    frame = pd.DataFrame({"worker": ["a", "b"] * 5, "round": np.repeat(range(5), 2)})
    seconds = np.random.default_rng(1).uniform(0.5, 1.5, 10).round(6)
    return frame.assign(seconds=seconds, **columns)


def again(rows: Any = slice(None)) -> pd.DataFrame:
    """Two runs in one file, or some of their rows."""
    second = calls().assign(seconds=lambda frame: frame["seconds"] + 0.123456)
    return pd.concat([calls(), second], ignore_index=True).loc[rows]


WORST = [0.1] * 4 + [9.0] + [0.1] * 5
ROWS: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {
    "two runs": (again(), {}),
    "two runs, the first row twice": (again([0, 0, *range(1, 20)]), {}),
    "two runs, of the second one worker": (again([*range(11), 12, 14, 16, 18]), {}),
    "a run and two rows": (again([*range(11), 12]), {}),
    "a run and two rounds": (again(slice(13)), {}),
    "a run and one round and a half": (again(slice(12)), {}),
    "every column dropped": (calls(), {"drop": ["a", "b"]}),
    "others dropped": (calls(), {"drop": ["c", "d"]}),
    "another kept": (calls(), {"keep": ["e"]}),
    "a failure": (calls(state=["ok"] * 6 + ["timeout"] + ["ok"] * 3), {}),
    "two failures": (calls(state=["ok"] * 3 + ["timeout"] * 2 + ["ok"] * 5), {}),
    "a stage longer than its step": (
        calls(load_s=[0.1] * 10, work_s=WORST),
        {"columns": {"stages": "load_s+work_s", "seconds": "seconds"}},
    ),
    "an all-reduce longer than its step": (
        calls(reduce=WORST),
        {"columns": {"allreduce": "reduce"}},
    ),
}


@pytest.mark.golden
@pytest.mark.parametrize("case", ROWS)
def test_the_row_to_look_at_is_named(case: str, tmp_path: Path) -> None:
    """Counted from 1, below the header."""
    frame, options = ROWS[case]
    frame.to_csv(tmp_path / "t.csv", index=False)
    line = refusal(tmp_path / "t.csv", unit="s", **options)
    require_recorded("read/row", {case: line})


@pytest.mark.parametrize("wrong", ["worker", "who=a", "worker=a,worker=b", "worker=a,"])
def test_columns_are_named_by_role(wrong: str, tmp_path: Path) -> None:
    """A name may hold an equals sign, and spaces around it do not count."""
    path = written(tmp_path, "host,n,t=1\na,0,1.5\nb,0,2.5\n")
    found = inside("read", path, "--columns", "worker=host, seconds = t=1,round=n")
    assert found.returncode == 0
    assert "1 round of 2 workers" in found.stdout
    refused = inside("read", path, "--columns", wrong)
    assert refused.returncode == 2
    assert "each role once; roles: worker, round, seconds, st" in refused.stderr


@pytest.mark.parametrize(
    ("text", "typical", "slowest"),
    [
        ("a,b,c\n1,4,7\n9,8,5\n2,3,6\n", 5.0, "c, typically 6 s"),
        ("a,b,c\n1,inf,7\n9,inf,nan\n2,inf,5\n", 5.0, "b, typically inf s"),
    ],
)
def test_a_median_is_of_the_delays_that_are_finite(
    text: str, typical: float, slowest: str, tmp_path: Path
) -> None:
    """Of the workers' own medians, too, but of one that never arrives."""
    path = written(tmp_path, text)
    lines = eh.read_table(path, unit="s", missing="never").lines
    assert any(f"typically {typical:g} " in line for line in lines), lines
    assert any(f"slowest:  {slowest}" in line for line in lines), lines


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
