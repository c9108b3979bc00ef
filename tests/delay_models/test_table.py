"""Tables that hold no delays, or hide some: one clear line each; nothing is mended in silence."""

from __future__ import annotations

import datetime
import gzip
import pickle
import warnings
import zipfile
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erasurehead.delay_models.tables.measured import TableError
from tests.tools import read_all_loads, read_delays

LONG = "worker,round,seconds\n"


def refused(path: Path, *mentions: str) -> None:
    """Both readers refuse in one line that names the file and the place."""
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
            assert mention in line


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
        ('"1,234.5",2\n3,4\n', "mixes names and numbers: '1,234.5'"),
        ("1.5,2.5\n3.5,4.5\nround,5\n", "row 3, column 0: 'round' is not a number"),
        ("a,b\n1,2\na,b\n3,4\n", "row 2, column a: 'a' is not a number"),
        (LONG + "0,0,1\n" + LONG + "1,0,2\n", "row 2, column seconds: 'seconds'"),
        ("a,b\n2020-01-01,1\n", "row 1, column a: '2020-01-01' is not a number"),
        ("2020-01-01,1\n2020-01-02,2\n", "mixes names and numbers: '2020-01-01'"),
        (LONG + "0,2020-01-01,1\n", "column round: '2020-01-01'"),
        (",0,1\n0,1.5,2.5\n", "column 1 has no name"),
        (",a,b\n0,1.5,2.5\n", "column 1 has no name"),
        ("1,2,\n3,4,\n", "worker 2 is missing"),
        ("nan,1\n1,5\n", "round 0, worker 0 is missing"),
        ("a;b,c\n1,5;2,5;3\n", "more cells than the header"),
        ("# seconds\n1,2\n3,4\n", "more cells than the header"),
        ("a,b\n123456789012345678901234567890,2\n", "column a holds object"),
        (LONG + ",0,1\n1,0,1\n", "a worker is missing"),
        (LONG + "1,inf,1\n1,0,1\n", "a round is missing or infinite"),
        ("worker,round,seconds,load\n0,0,1,-1\n", "a load is negative"),
        ("a,b\n1,2\n1,1e200\n", "round 1, worker b is beyond 1e+150 s"),
        (LONG + "".join(f"{i},{i},1\n" for i in range(30_000)), "899970000 delays are missing"),
        (" \n", "cannot be read as csv"),
        ("a,b\n" + "1,2\n" * 300_000 + "x,3\n", "row 300001, column a: 'x'"),
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
        (pd.array([1, None], dtype="Int64"), "round 1, worker a is missing"),
        (["1.5", "2.5"], "column a holds"),
        (["1.5", "fast"], "row 2, column a: 'fast'"),
        ([b"x", b"y"], "row 1, column a"),
        ([b"\xff", b"\xfe"], "column a holds bytes that are no text"),
        ([[1.0, 2.0], [3.0]], "column a holds list<element: double>"),
        ([{"x": 1}, {"x": 2}], "column a holds struct"),
        ([Decimal("1.5"), Decimal("2.5")], "column a holds object"),
        ([datetime.date(2020, 1, 1)] * 2, "row 1, column a: '2020-01-01'"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "column a holds datetime64"),
        (pd.to_timedelta([1, 2], unit="s"), "column a holds timedelta64"),
        ([None, None], "row 1, column a: 'None'"),
    ],
    ids=str,
)
def test_odd_parquet_columns_are_refused(values: Any, mention: str, tmp_path: Path) -> None:
    """The index does not matter: catches a row that is told by its label."""
    pd.DataFrame({"a": values}, index=["x", "y"]).to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", mention)


def test_parquet_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table([[1.0], [2.0]], names=["a", "a"]), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "two columns are named 'a'")


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


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet", "npz"])
def test_damage_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    """Three hundred files of each kind with a few wrong bytes, or cut short."""
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
    for _ in range(300):
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
    ],
)
def test_good_layouts_are_read(text: str, table: list[list[float]], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_delays(str(tmp_path / "t.csv")), table)
