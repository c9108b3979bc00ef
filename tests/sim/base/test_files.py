"""Files that users bring: damaged and hostile ones are one line, in bounded time and memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erasurehead.delay_models.measured.measured import TableError
from erasurehead.experiments.page.folder import table_at
from erasurehead.plugins import InvalidParameter
from erasurehead.problems import File
from erasurehead.sim.base import files, tables
from erasurehead.sim.base.files import (
    UnusableFile,
    read_npy,
    read_npz,
    reading,
    require_cells,
    require_regular,
)
from erasurehead.sim.base.tables import MOST_COLUMNS, csv_of, read_csv, read_parquet
from tests.tools import read_all_loads, read_delays


def member(header: str, data: bytes = b"") -> bytes:
    """An array's bytes with any header at all."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def shaped(shape: str, dtype: str = "<f8") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}}}"


def archive(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name in ("seconds", "X", "y"):
            file.writestr(f"{name}.npy", content)
    return path


def sized(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(shape))
    return buffer.getvalue()


def encrypted(path: Path) -> None:
    """The flag alone: whoever opens such a member is asked for a password."""
    bytes_ = bytearray(archive(path, sized((3, 3))).read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := bytes_.find(signature, at + 1)) >= 0:
            bytes_[at + place] |= 1
    path.write_bytes(bytes_)


def method(path: Path, number: int) -> None:
    """An archive that says another compression than it has."""
    bytes_ = bytearray(archive(path, sized((30, 30))).read_bytes())
    for signature, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = -1
        while (at := bytes_.find(signature, at + 1)) >= 0:
            bytes_[at + place : at + place + 2] = struct.pack("<H", number)
    path.write_bytes(bytes_)


def corrupt(path: Path, kind: int) -> None:
    content = bytearray(archive(path, sized((300, 30)), kind).read_bytes())
    for name in (b"seconds.npy", b"X.npy", b"y.npy"):
        place = content.find(name) + 20
        content[place : place + 20] = bytes(20)
    path.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "shape of 1e12": (lambda p: archive(p, member(shaped("(1000000, 1000000)"))), "ends early"),
    "shape of 1e20": (lambda p: archive(p, member(shaped(f"({10**10}, {10**10})"))), "ends early"),
    "shape of 1e400": (lambda p: archive(p, member(shaped(f"(1, 1{'0' * 400})"))), "ends early"),
    "negative shape": (lambda p: archive(p, member(shaped("(-3, 3)"))), "negative size"),
    "both negative": (lambda p: archive(p, member(shaped("(-3, -3)"), bytes(72))), "negative"),
    "shape of text": (lambda p: archive(p, member(shaped("('a', 3)"))), "damaged header"),
    "shape cut off": (lambda p: archive(p, member(shaped("(3, 3)"), bytes(40))), "ends early"),
    "header of minuses": (lambda p: archive(p, member("-" * 5000 + "1")), "damaged header"),
    "header of brackets": (lambda p: archive(p, member("[" * 5000)), "damaged header"),
    "header of nothing": (lambda p: archive(p, member("")), "damaged header"),
    "header of calls": (lambda p: archive(p, member("f('x')")), "damaged header"),
    "header too long": (lambda p: archive(p, member(" " * 60000 + "{}")), "damaged header"),
    "text": (lambda p: archive(p, b"hello"), "not an array"),
    "empty member": (lambda p: archive(p, b""), "not an array"),
    "objects": (lambda p: archive(p, member(shaped("(1, 1)", "|O"))), "valid: numbers"),
    "times": (lambda p: archive(p, member(shaped("(1, 1)", "<M8[s]"), bytes(8))), "numbers"),
    "bomb": (
        lambda p: archive(p, member(shaped("(51000, 1000)", "|i1"), bytes(51_000_000))),
        "000,000 numbers or more",
    ),
    "encrypted": (encrypted, ".npy' is encrypted"),
    "unknown method": (lambda p: method(p, 77), "compression"),
    "wrong method lzma": (lambda p: method(p, 14), "cannot be read"),
    "wrong method bzip2": (lambda p: method(p, 12), "damaged"),
    "corrupt zlib": (lambda p: corrupt(p, zipfile.ZIP_DEFLATED), "damaged"),
    "corrupt lzma": (lambda p: corrupt(p, zipfile.ZIP_LZMA), ""),
    "cut short": (lambda p: p.write_bytes(archive(p, sized((99, 9))).read_bytes()[:-40]), "NPZ"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_npz_files_are_one_line(name: str, tmp_path: Path) -> None:
    make, says = BAD[name]
    make(path := tmp_path / "t.npz")
    with pytest.raises(TableError) as trace:
        read_delays(str(path))
    with pytest.raises(InvalidParameter) as data:
        File(path=str(path)).load("regression", np.random.default_rng(0), None)
    for error in (trace, data):
        line = str(error.value).replace(str(tmp_path), "")
        assert says in line
        assert line.isprintable()
        assert len(line) < 250


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_both_versions_of_an_array_s_header_are_read(version, tmp_path):
    array = np.arange(6.0).reshape(3, 2)
    with (tmp_path / "t.npy").open("wb") as file:
        np.lib.format.write_array(file, array, version=version)
    np.testing.assert_array_equal(read_npy(tmp_path / "t.npy", 6), array)
    with pytest.raises(UnusableFile, match="6 numbers or more; must be at most 5"):
        read_npy(tmp_path / "t.npy", 5)


def test_a_large_npz_is_read_when_that_is_allowed(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.npz", sized((20, 30)))
    with pytest.raises(UnusableFile, match="600 numbers or more; must be at most 599"):
        read_npz(path, lambda names: ["X"], 599)
    assert read_npz(path, lambda names: ["X"], 600)["X"].shape == (20, 30)
    assert read_npz(path, lambda names: ["X"], None)["X"].shape == (20, 30)
    for most, error in ((1199, InvalidParameter), (1200, None)):
        file = File(path=str(path), most_cells=most)
        with pytest.raises(InvalidParameter, match="1,200 numbers" if error else "y has shape"):
            file.load("regression", np.random.default_rng(0), None)


def test_longest_doubles_are_refused_without_a_warning(tmp_path: Path) -> None:
    huge = np.array([[np.longdouble("1e4000"), 1.0]])
    np.savez(tmp_path / "t.npz", seconds=huge)
    with pytest.raises(TableError, match="is infinite"):
        read_delays(str(tmp_path / "t.npz"))


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("ending", [".npz", ".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (fifo, "is a FIFO"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: None, "no such file"),
    ],
)
def test_only_regular_files_are_read(make, says, ending, tmp_path):
    make(path := tmp_path / f"t{ending}")
    with pytest.raises(TableError, match=says):
        read_delays(str(path))
    with pytest.raises(InvalidParameter, match=says):
        File(path=str(path)).load("regression", np.random.default_rng(0), None)


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000, "x/" * 3000])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(UnusableFile):
        require_regular(Path(name))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"1,2\n" * 1001, "numbers or more; must be at most 2,000"),
        (b"\n" * 5000, "numbers or more"),
        (b"\r" * 5000, "numbers or more"),
        (b"1" * 50_000, "longer than 40,000 bytes"),
        (b'"' + b"a" * 50_000, "longer than 40,000 bytes"),
    ],
)
def test_large_csv_files_are_refused(text: bytes, says: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(gzip.compress(text) if ending == ".csv.gz" else text)
    with pytest.raises(UnusableFile, match=says):
        read_csv(path, 2000)


def test_a_gzip_bomb_is_read_no_further_than_needed(tmp_path: Path) -> None:
    """A line that never ends: 100 MB from 100 kB."""
    with gzip.open(tmp_path / "t.csv.gz", "wb", 1) as file:
        for _ in range(100):
            file.write(b"1" * 2**20)
    with pytest.raises(TableError, match="a line of more than 33,554,432 bytes"):
        read_delays(str(tmp_path / "t.csv.gz"))


def test_csv_columns_have_a_bound(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("1," * MOST_COLUMNS + "1\n")
    with pytest.raises(TableError, match="more than 200,000 columns"):
        read_delays(str(path))


@pytest.mark.slow
def test_many_columns_take_few_seconds(tmp_path: Path) -> None:
    """Catches work that grows with the square of the number of columns: 70 s at 30,000. A quarter
    of the columns then takes a sixteenth of the time."""
    taken = []
    for count in (2_000, 5_000, 20_000):  # the first one imports
        names = ",".join(f"worker {i}" for i in range(count))
        row = ",".join(["1.5"] * count)
        (tmp_path / "t.csv").write_text(f"{names}\n{row}\n{row}\n")
        began = process_time()
        assert read_delays(str(tmp_path / "t.csv")).shape == (2, count)
        taken.append(process_time() - began)
    assert taken[2] < 8 * taken[1]


def test_a_column_load_that_holds_something_else(tmp_path: Path) -> None:
    """Catches one pass over the table for each of many loads."""
    loads = np.arange(50_000)
    frame = pd.DataFrame({"worker": 0, "round": loads, "seconds": 1.5, "load": loads})
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="50000 different loads; must be at most 1000"):
        read_all_loads(str(tmp_path / "t.parquet"))
    frame = frame[:5000].assign(load=loads[:5000] % 1000)  # five rounds each: no remarks on them
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(read_all_loads(str(tmp_path / "t.parquet"))) == [*range(1000)]
    with pytest.raises(TableError, match="say which") as error:
        read_delays(str(tmp_path / "t.parquet"))
    assert len(str(error.value).replace(str(tmp_path), "")) < 200


@pytest.mark.parametrize("text", ["1" * 400, "9" * 5000, "-" + "1" * 400, "1e999"])
def test_numbers_of_hundreds_of_digits(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"1.5,2.5\n{text},3\n")
    (tmp_path / "h.csv").write_text(f"{text},3\n1.5,2.5\n")
    for name in ("t.csv", "h.csv"):
        with pytest.raises(TableError) as error:
            read_delays(str(tmp_path / name))
        assert len(str(error.value).replace(str(tmp_path), "")) < 250


def test_deep_metadata_of_pandas(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    deep = b'{"index_columns": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    pq.write_table(table.replace_schema_metadata({"pandas": deep}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match="cannot be read as parquet"):
        read_delays(str(tmp_path / "t.parquet"))


@pytest.mark.parametrize(
    "facts",
    [{}, [], {"columns": 5}, {"index_columns": ["x"]}, {"index_columns": [{"kind": "range"}]}],
)
def test_wrong_metadata_of_pandas(facts: object, tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    told = table.replace_schema_metadata({"pandas": json.dumps(facts)})
    pq.write_table(told, tmp_path / "t.parquet")
    try:
        assert read_delays(str(tmp_path / "t.parquet")).shape == (2, 2)
    except TableError as error:
        assert "cannot be read" in str(error)  # noqa: PT017 - either is fine


def test_parquet_files_that_unpack_to_gigabytes(tmp_path: Path) -> None:
    """Runs of one value, in rows and within rows, and a long text that is said many times."""
    rows = pa.table({"a": pa.array(np.zeros(600_000))})
    pq.write_table(rows, tmp_path / "rows.parquet")
    with pytest.raises(UnusableFile, match="600,000 numbers or more"):
        read_parquet(tmp_path / "rows.parquet", 500_000)
    lists = pa.table({"a": pa.array([np.zeros(1000)])})
    pq.write_table(lists, tmp_path / "lists.parquet")
    with pytest.raises(UnusableFile, match="holds list<"):
        read_parquet(tmp_path / "lists.parquet")
    texts = pa.table({"a": pa.array(["1" * 100_000] * 600)})
    pq.write_table(texts, tmp_path / "texts.parquet")
    with pytest.raises(UnusableFile, match="a text of 100000 letters"):
        read_parquet(tmp_path / "texts.parquet")


def test_parquet_files_of_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns in many row groups: each part has a description of its own in the file's footer."""
    path = tmp_path / "t.parquet"
    rows = pa.table({f"w{i}": [1.0, 2.0] for i in range(100)})
    pq.write_table(rows, path, row_group_size=1)
    assert read_parquet(path).shape == (2, 100)
    monkeypatch.setattr("erasurehead.sim.base.tables.MOST_PARTS", 199)
    with pytest.raises(UnusableFile, match=r"has 100 columns in 2 row groups.*at most 199"):
        read_parquet(path)
    monkeypatch.setattr("erasurehead.sim.base.tables.MOST_FOOTER_BYTES", 1000)
    with pytest.raises(UnusableFile, match=r"bytes of metadata; must be at most 1,000"):
        read_parquet(path)
    assert read_parquet(path, None).shape == (2, 100)


@pytest.mark.parametrize(
    ("version", "said"), [((1, 0), None), ((2, 0), None), ((3, 0), "damaged header")]
)
def test_arrays_of_numbers_have_one_of_two_headers(version, said, tmp_path):
    """Later versions are for named fields."""
    with (tmp_path / "t.npy").open("wb") as file:
        np.lib.format.write_array(file, np.arange(6.0).reshape(2, 3), version=version)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.write(tmp_path / "t.npy", "seconds.npy")
    if said is None:
        for found in (
            read_npy(tmp_path / "t.npy"),
            read_npz(tmp_path / "t.npz", lambda names: names)["seconds"],
        ):
            np.testing.assert_array_equal(found, [[0, 1, 2], [3, 4, 5]])
        return
    with pytest.raises(UnusableFile, match=said):
        read_npy(tmp_path / "t.npy")


def test_a_count_of_numbers_is_said_up_to_16_digits() -> None:
    """A header can claim anything; and exactly as many as are allowed are read."""
    require_cells(5, 5)
    require_cells(10**30, None)
    for cells, said in (
        (6, "holds 6 numbers or more; must be at most 5"),
        (10**15 - 1, "holds 999,999,999,999,999 numbers or more"),
        (10**15, r"holds 10\^15 numbers or more"),
        (10**400, r"holds 10\^15 numbers or more"),
    ):
        with pytest.raises(UnusableFile, match=said):
            require_cells(cells, 5)


@pytest.mark.parametrize(
    ("limits", "most", "text", "says"),
    [
        ({"MOST_COLUMNS": 3}, 99, "1,2,3\n1,2,3\n", None),
        ({"MOST_COLUMNS": 3}, 99, "1,2,3,4\n1,2,3,4\n", "has more than 3 columns"),
        ({"MOST_COLUMNS": 3}, 99, "1\n,,,,,\n", None),  # of the first line alone
        ({}, 6, "1,2\n3,4\n5,6\n", None),
        ({}, 5, "1,2\n3,4\n5,6\n", "holds 6 numbers or more; must be at most 5, unless most_cells"),
        ({}, 5, "1,2\r3,4\r5,6\r", "holds 6 numbers or more"),
        ({}, 6, "1,2\r\n3,4\r\n5,6\r\n", None),  # an end of a line is one
        ({"MOST_BYTES_PER_CELL": 2}, 6, "1,2\n3,4\n5,67", None),
        (
            {"MOST_BYTES_PER_CELL": 2},
            6,
            "1,2\n3,4\n56,78",
            "is longer than 12 bytes, unless most_cells",
        ),
        ({"MOST_LINE_BYTES": 3}, 99, "123\n12\n123", None),
        ({"MOST_LINE_BYTES": 3}, 99, "12\n1234", "has a line of more than 3 bytes"),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 5])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_csv_of_just_as_much_as_is_allowed(
    limits, most, text, says, block, ending, tmp_path, monkeypatch
):
    """However it is cut into blocks, where these do not part the two bytes of an end."""
    if "\r\n" in text:
        block = 5
    for name, value in {"BYTES_AT_ONCE": block, **limits}.items():
        monkeypatch.setattr(tables, name, value)
    path = tmp_path / f"t.csv{ending}"
    path.write_bytes(gzip.compress(text.encode()) if ending else text.encode())
    assert read_csv(path, None).size
    if says is None:
        assert read_csv(path, most).size
    else:
        with pytest.raises(UnusableFile, match=f"^{says}"):
            read_csv(path, most)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("MOST_PARTS", 4, None),
        ("MOST_PARTS", 3, "has 2 columns in 2 row groups; their product must be at most 3"),
        ("MOST_LETTERS", 4, None),
        ("MOST_LETTERS", 3, "column b holds a text of 4 letters"),
        ("MOST_FOOTER_BYTES", 10, "bytes of metadata; must be at most 10: fewer columns or row gr"),
    ],
)
def test_a_parquet_file_of_just_as_much_as_is_allowed(name, value, says, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, name, value)
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": ["x", "four"]}), path, row_group_size=1)
    if says is None:
        assert read_parquet(path)["b"].tolist() == ["x", "four"]
        return
    with pytest.raises(UnusableFile, match=says):
        read_parquet(path)
    if name != "MOST_LETTERS":
        assert read_parquet(path, most=None).shape == (2, 2)


def test_the_cells_of_a_parquet_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]}), path, row_group_size=1)
    assert read_parquet(path, most=4).shape == (2, 2)
    with pytest.raises(UnusableFile, match="holds 4 numbers or more; must be at most 3"):
        read_parquet(path, most=3)
    whole, count, none = path.read_bytes(), b"\x16\x04\x19", b"\x16\x00\x19"
    assert whole.count(count) == 1
    path.write_bytes(whole.replace(count, none))  # whatever the metadata say: no rows
    assert read_parquet(path, most=4).shape == (2, 2)
    with pytest.raises(UnusableFile, match="holds 4 numbers or more; must be at most 3"):
        read_parquet(path, most=3)
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), path)
    assert [*read_parquet(path)] == ["a"]


def test_a_word_and_a_reason_have_so_many_letters() -> None:
    assert files.short("x" * 60) == "x" * 60
    assert files.short("x" * 61) == "x" * 57 + "..."
    assert files.short("\n") == "\\n"
    longer = ValueError("C error: Expected 2 fields in line 4, saw 3")
    for error, reason in (
        (ValueError("y" * 200), "y" * 200),
        (ValueError("y" * 201), "y" * 197 + "..."),
        (ValueError(""), "ValueError"),
        (OSError(2, "No such file", "a name"), "No such file"),
        (longer, "line 4 has 3 cells, and the lines before it have 2"),
    ):
        with pytest.raises(UnusableFile) as refused, reading("csv"):
            raise error
        assert str(refused.value) == f"cannot be read as csv: {reason}"


def test_an_array_that_promises_what_its_bytes_hold(tmp_path: Path) -> None:
    """To the byte; one that has a negative size, or other things than numbers, is refused."""
    path = tmp_path / "a.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    whole = path.read_bytes()
    np.testing.assert_array_equal(read_npy(path), np.arange(6.0).reshape(2, 3))
    assert read_npy(path, most=6).size == 6
    with pytest.raises(UnusableFile, match="holds 6 numbers or more; must be at most 5"):
        read_npy(path, most=5)
    path.write_bytes(whole[:-1])
    with pytest.raises(UnusableFile, match=r"array a.npy has shape \(2, 3\), and ends early"):
        read_npy(path)
    path.write_bytes(whole.replace(b"(2, 3)", b"(-2,3)"))
    with pytest.raises(UnusableFile, match=r"a.npy has shape \(-2, 3\), with a negative size"):
        read_npy(path)
    np.save(path, np.array(["a", "b"]))
    with pytest.raises(UnusableFile, match=r"shape \(2,\) and type <U1; valid: numbers"):
        read_npy(path)
    np.save(path, np.array([True, False]))
    assert read_npy(path).tolist() == [True, False]


NAMES = [
    "=1+2", "+1+2", "-x", "@SUM(A1)", "\tx", "=cmd|' /C calc'!A0", "'=1", "''@x", "'quoted'",
    "it's", "-5", "+.5", "plain", "NA", "-", "=", "'",
]  # fmt: skip


def test_no_text_of_a_csv_is_a_formula_and_all_are_read_back(tmp_path: Path) -> None:
    """In cells and in names of columns, by what spreadsheets and our readers take them for."""
    frame = pd.DataFrame({"label": NAMES, "=n": range(len(NAMES)), "x": np.linspace(-1, 1, 17)})
    frame.insert(1, "host", frame["label"].astype("category"))
    (path := tmp_path / "t.csv").write_bytes(csv_of(frame))
    for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")):
        for cell in row:
            numeric = cell.lstrip("+-").replace(".", "", 1).replace("e-", "", 1).isdigit()
            assert numeric or not cell.startswith(tuple("=+-@\t")), cell
    read = table_at(path, ["label", "=n"])
    assert [*read.columns] == ["label", "host", "=n", "x"]
    assert [*read["label"]] == [*read["host"]] == NAMES
    assert read["=n"].tolist() == frame["=n"].tolist()
    assert read["x"].tolist() == frame["x"].tolist()
    assert [*read_csv(path, keep_default_na=False)["label"]] == NAMES
    assert [*frame.columns] == ["label", "host", "=n", "x"], "the table itself stays"


DAMAGED: list[object] = [
    {"index_columns": [["round"]], "columns": [], "column_indexes": []},
    {"index_columns": [], "columns": [{"field_name": "host"}], "column_indexes": []},
    {"index_columns": [], "columns": [], "column_indexes": [[]]},
    {"index_columns": ["round"], "columns": [{"name": {}}], "column_indexes": [None]},
    {"index_columns": [{"kind": "range", "start": 0, "stop": "x", "step": 0}], "columns": []},
    {"index_columns": [], "column_indexes": [], "columns": [
        {"name": "seconds", "field_name": name, "pandas_type": "float64", "numpy_type": "float64",
         "metadata": None} for name in ("round", "seconds")]},
    [], 3, "x",
]  # fmt: skip


@pytest.mark.parametrize("facts", DAMAGED, ids=str)
def test_damaged_metadata_of_pandas_are_one_line_for_every_reader(facts, tmp_path):
    """Readers of measured tables refuse or read them, those of our results need none."""
    table = pa.table({"round": [0, 1], "host": ["a", "b"], "seconds": [1.0, 2.0]})
    path = tmp_path / "t.parquet"
    pq.write_table(table.replace_schema_metadata({b"pandas": json.dumps(facts).encode()}), path)
    with suppress(UnusableFile):
        read_parquet(path)
    with suppress(TableError):
        read_delays(str(path))
    assert [*table_at(path, ["host"])["seconds"]] == [1.0, 2.0]
