"""The files that a table of delays can be in, and what each must look like before it is read. What
pandas would repair silently is an error: two columns of one name, a row longer than the header."""

from __future__ import annotations

import codecs
import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ...sim.files import UnusableFile, floats, read_npy, read_npz, reading, require_regular, short
from ...sim.tables import BLANKS, read_csv, read_parquet
from ..base import FloatArray
from .columns import A_SECOND, SPELLINGS, durations, numbers, parse, role_of
from .measured import Decimal, Reading, Repair
from .odd_rows import NUMBER, counting, is_header

HEAD = 2**16  # bytes that are looked at
MARKS = {"point": ".", "comma": ","}
LINES = 50  # lines that are looked at
QUOTED = re.compile(r'"[^"]*"')
PIECE = re.compile(r'"[^"]*"|\S+')
COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
POINTED = re.compile(r"[1-9]\d{0,2}\.\d{3}")


def form_of(path: str, decimal: Decimal | None = None) -> tuple[dict[str, Any], list[str]]:
    """How a text is to be read (options of ``pandas.read_csv``), and the names of its columns where
    its first line must not be read like the others; else none. Commas separate cells, unless every
    line has as many semicolons, or tabs, as the others, or as many pieces between spaces. A point
    stands before a fraction, if nothing else is said (``decimal``) or seen. Raises UnusableFile:
    1,234 could be 1.234 or 1234, lines have several numbers of cells, or it cannot be read."""
    lines, encoding = _head(path)
    bare = [QUOTED.sub("", line) for line in lines]
    form: dict[str, Any] = {"sep": ",", "encoding": encoding}
    names: list[str] = []
    cells: list[str] = []
    for separator in (";", "\t"):
        counts = {line.count(separator) for line in bare}
        if len(counts) == 1 and counts != {0}:
            form["sep"] = separator
            cells = [cell.strip().strip('"') for line in lines for cell in line.split(separator)]
            break
    else:
        rows = [[piece.strip('"') for piece in PIECE.findall(line)] for line in lines]
        if _spaced(rows):
            form["sep"], cells = BLANKS, [piece for row in rows[1:] for piece in row]
            if rows[0][0] == "#":  # as NumPy writes it
                names, form["comment"] = rows[0][1:], "#"
            elif len(rows[0]) < len(rows[-1]):  # as pandas and R do: the index has no name
                names = ["Unnamed: 0", *rows[0]]
    return form | {"decimal": MARKS[decimal] if decimal else _decimal(cells)}, names


def _spaced(rows: list[list[str]]) -> bool:
    """Whether lines are cut into cells by spaces: as many in every line, numbers among them. Raises
    UnusableFile: there are lines of numbers with spaces between, but of several lengths."""
    body = rows[1:] or rows
    commas = (cell for row in rows for cell in row if "," in cell)
    if not body or not all(map(COMMA_NUMBER.fullmatch, commas)):
        return False
    width, head = len(body[-1]), rows[0][1:] if rows[0][0] == "#" else rows[0]
    index = len(head) == width - 1 and (counting(head) or not any(map(NUMBER.fullmatch, head)))
    alike = {len(row) for row in body} == {width} and (len(head) == width or index)
    last = [bool(NUMBER.fullmatch(cell.replace(",", "."))) for cell in body[-1]]
    if width > 1 and all(last) and not alike:
        odd = next((n for n, row in enumerate(rows, 1) if len(row) != width), 1)
        text = f"spaces separate the cells: line {odd} has {len(rows[odd - 1])}, others {width}"
        raise UnusableFile(f"{text}; write commas, semicolons or tabs")
    return width > 1 and any(last) and alike


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked if its name ends in gz."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(path: str) -> tuple[list[str], str]:
    require_regular(Path(path))
    with reading("csv.gz" if path.endswith(".gz") else "csv"), opened(Path(path)) as file:
        block = file.read(HEAD)
    encoding = "utf-16"
    if not block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Without a mark it is UTF-16 if every second byte is 0, or nearly.
        first, second = (3 * block[place::2].count(0) > len(block) for place in (0, 1))
        encoding = "utf-8" if first == second else "utf-16-be" if first else "utf-16-le"
    text = block.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines if len(block) < HEAD else lines[:-1]
    return [line for line in lines if line.strip()][:LINES], encoding


def _decimal(cells: list[str]) -> str:
    """A comma, if every number with a comma is a decimal fraction; a point, if there is none."""
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell)]
    if not commas:
        return "."
    if all(GROUPED.fullmatch(cell) for cell in commas):
        number = short(commas[0])
        meant = f"{number.replace(',', '.')} or {number.replace(',', '')}"
        remedy = "write numbers with a decimal point, or say --decimal comma, or point"
        raise UnusableFile(f"{number!r} could be {meant}; {remedy}")
    return ","


TEXTS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
ENDINGS = (*TEXTS, ".parquet", ".npz", ".npy")


@dataclass(frozen=True, eq=False)
class Held:
    """What a file holds."""

    frame: pd.DataFrame  # its columns; of an array they are ``"0"``, ``"1"``, ...
    units: Mapping[str, str] = field(default_factory=dict)  # of columns whose names say none
    # ``unit``, ``where``: that an array's name or the file's metadata names, and which; or ``None``
    unit: str | None = None
    where: str = ""
    hint: str = ""  # the unit that the file's own name names; empty: none
    pointed: Mapping[str, str] = field(default_factory=dict)  # columns of cells like 1.184
    index: tuple[str, ...] = ()  # columns that are the index of a Parquet file
    assumed: tuple[str, ...] = ()  # what was taken to be so, a sentence each
    others: tuple[str, ...] = ()  # dropped or kept names of no column; perhaps workers

    def unit_of(self, name: str) -> str | None:
        """The unit of a column, by its name or else by what the file says of it."""
        return parse(name).unit or self.units.get(name)


def read_file(path: str, most: int | None, said: Reading) -> Held:
    """Read the file as it is. It may have ``most`` cells; ``None``: any number. ``said`` has what a
    text does not say of its first row and its numbers. Raises UnusableFile: the file is missing,
    empty, of an unknown kind, too large, or not what its ending says."""
    file = Path(path)
    require_regular(file)
    if file.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    if path.endswith(".npz"):
        held = _read_npz(file, most)
    elif path.endswith(".npy"):
        held = Held(pd.DataFrame(_numbers_of("the file", read_npy(file, most))))
    elif path.endswith(".parquet"):
        held = _read_parquet(file, most)
    elif path.endswith(TEXTS):
        held = _read_text(path, most, said)
    else:
        raise UnusableFile(f"unknown ending; valid: {', '.join(ENDINGS)}, .json, .jsonl")
    held.frame.columns = held.frame.columns.map(str)
    held = _with_durations(held, said)
    stem = file.name.split(".")[0]
    return replace(held, hint=parse(stem).unit or "") if len(stem) > 2 else held


def _with_durations(held: Held, said: Reading) -> Held:
    """With durations as numbers: in the unit that the column's name says, else in seconds."""
    columns, units, shown = {}, dict(held.units), ""
    for name in held.frame.columns[[dtype.kind in "mO" for dtype in held.frame.dtypes]]:
        column = held.frame[name]
        found = durations(column, said.unit, A_SECOND.get(parse(str(name)).unit or "s", 1.0))
        if found is None:
            continue
        if said.unit not in (None, "s"):
            text = f"column {short(name)} holds durations ({short(column.iloc[0])})"
            raise UnusableFile(f"{text}, which say their unit: --unit s, or leave it out")
        shown = shown or f"column {short(name)} ({short(column.iloc[0])})"
        columns[name], units[str(name)] = found, "s"
    if not shown:
        return held
    assumed = (*held.assumed, f"{shown} holds durations, which are read as such")
    return replace(held, frame=held.frame.assign(**columns), units=units, assumed=assumed)


def _read_parquet(file: Path, most: int | None) -> Held:
    """An index with a name is a column."""
    frame = read_parquet(file, most)
    index = tuple(str(name) for name in frame.index.names if name is not None)
    if twice := {*index} & {*map(str, frame.columns)}:
        raise UnusableFile(f"the index and a column are both named {short(min(twice))!r}")
    assumed: list[str] = []
    if index:
        frame = frame.reset_index(level=[name for name in frame.index.names if name is not None])
    elif frame.index.dtype.kind == "O" and len(frame):
        texts = ", ".join(map(str, frame.index[:3]))
        assumed.append(f"the rows' labels ({short(texts)}, ...) have no name and are left out")
    with reading("parquet"):
        schema = pq.read_schema(file)
    units = {column.name: unit for column in schema if (unit := _unit_in(column.metadata))}
    unit = _unit_in(schema.metadata) or SPELLINGS.get(str(frame.attrs.get("unit", "")).lower())
    return Held(frame, units, unit, "its metadata", index=index, assumed=tuple(assumed))


def _unit_in(metadata: Mapping[bytes, bytes] | None) -> str | None:
    found = (metadata or {}).get(b"unit") or (metadata or {}).get(b"units") or b""
    return SPELLINGS.get(found.decode("utf-8", "replace").strip().lower())


def _read_text(path: str, most: int | None, said: Reading) -> Held:
    file = Path(path)
    form, names = form_of(path, said.decimal)
    decimal = form["decimal"]
    if said.decimal:
        form["thousands"] = "," if decimal == "." else "."
    raw = {**form, "header": None, "dtype": object, "keep_default_na": False, "index_col": False}
    try:
        head = read_csv(file, most, nrows=LINES, **raw)
    except UnusableFile:  # of a row with too many cells, say: the whole table says it better
        head = read_csv(file, most, nrows=1, **raw)
    cells, *body = [[str(text).strip() for text in row] for row in head.to_numpy()]
    named, assumed = said.header == "yes", ""
    if said.header is None and not names:
        named, assumed = is_header(cells, body, decimal)
    if names:
        form["names"], named = names, "comment" not in form
    frame = read_csv(file, None, header=0 if named else None, index_col=False, **form)
    frame.columns = frame.columns.map(str).str.strip()
    rows = body if named else [cells, *body]
    pointed = {
        str(name): rows[0][place]
        for place, name in enumerate(frame.columns)
        if decimal == "."
        and not said.decimal
        and rows
        and all(POINTED.fullmatch(row[place]) for row in rows)
    }
    return Held(frame, pointed=pointed, assumed=(assumed,) if assumed else ())


def _read_npz(file: Path, most: int | None) -> Held:
    def choose(names: list[str]) -> list[str]:
        wanted = [name for name in names if name == "seconds"] or names
        if len(wanted) != 1:
            text = f"holds {short(sorted(names))}; valid: one array, or one named seconds"
            raise UnusableFile(text)
        return wanted

    ((name, array),) = read_npz(file, choose, most).items()
    frame = pd.DataFrame(_numbers_of(f"array {name}", array))
    return Held(frame, unit=parse(name).unit, where=f"array {short(name)}")


def _numbers_of(what: str, array: np.ndarray) -> FloatArray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        text = f"{what} has shape {array.shape} and type {array.dtype}"
        raise UnusableFile(f"{text}; valid: a 2-D table of numbers, rounds x workers")
    return floats(array)


# Mini-batch times of jobs on Alibaba's PAI: columns worker, time, batch_time_norm.
#
# ``time`` is when a sample was taken, every ten seconds. A sample shows the worker's latest
# mini-batch, so that it repeats until there is a new one (sample and hold): a repeated value is no
# new measurement. Times were normalised to 0 to 1000 by those who published them: ratios mean
# something, seconds do not.
#
# Source: https://github.com/alibaba/clusterdata, cluster-trace-gpu-v2020/mini-batch-time.


def is_pai(columns: list[str]) -> bool:
    """Whether columns are like that: a worker, a time, a batch time, and nothing that counts."""
    sampled = {"worker", "time"} <= {*columns} and "round" not in map(role_of, columns)
    return sampled and sum(map(_is_batch_time, columns)) == 1


def _is_batch_time(name: str) -> bool:
    return parse(name).whole.startswith("batch_time")


def new_measurements(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Repair]]:
    """Each worker's new measurements in the order of time: columns worker, round, seconds. Workers
    hold their values for different times, so they have different numbers of measurements; of each
    the first so many are kept, as many as the worker with the fewest has. Raises UnusableFile: a
    worker or a time is missing, or sampled twice."""
    name = next(name for name in frame.columns if _is_batch_time(str(name)))
    time, seconds = numbers(frame["time"], "the time")[0], numbers(frame[name], "seconds")[0]
    samples = pd.DataFrame({"worker": frame["worker"], "time": time, "seconds": seconds})
    if samples.isna().any(axis=None):
        row = int(np.flatnonzero(samples.isna().any(axis=1))[0]) + 1
        raise UnusableFile(f"row {row}: a worker, a time or a batch time is missing")
    if samples.duplicated(["worker", "time"]).any():
        row = int(np.flatnonzero(samples.duplicated(["worker", "time"]))[0]) + 1
        raise UnusableFile(f"row {row}: a worker was sampled twice at one time; keep one")
    samples = samples.sort_values(["worker", "time"], kind="stable")
    held = samples["seconds"].eq(samples.groupby("worker")["seconds"].shift())
    new = samples[~held].copy()
    new["round"] = new.groupby("worker").cumcount()
    most = int(new.groupby("worker").size().min())
    late = int((new["round"] >= most).sum())
    text = f"{int(held.sum())} of {len(samples)} samples repeat the worker's last one: held, no new"
    text += " measurements; left out. Rounds are each worker's measurements in order"
    repairs = [Repair("hold", int(held.sum()), text)]
    if late:
        text = f"{late} measurements are left out, so that every worker has {most}"
        repairs.append(Repair("unused", late, text))
    if "norm" in name:
        text = f"{name} is normalised: ratios mean something, seconds do not"
        repairs.append(Repair("unit", len(new), text))
    return new[new["round"] < most][["worker", "round", "seconds"]].reset_index(drop=True), repairs
