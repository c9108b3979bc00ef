"""The files that a table of delays can be in, and tables in memory, each as a data frame."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ...sim.base.errors import Message, Option
from ...sim.base.files import (
    UnusableFile,
    floats,
    read_npy,
    read_npz,
    reading,
    require_cells,
    require_regular,
    short,
)
from ...sim.base.reading import LateWork, Reading
from ...sim.base.tables import (
    BLANKS,
    MOST_COLUMNS,
    MOST_LINE_BYTES,
    plain_columns,
    read_csv,
    read_parquet,
)
from ..base import FloatArray
from .cells import NUMBER_KINDS, durations, failed, lasting
from .listening import ROUNDING_SECONDS
from .names import SPELLINGS, parse, role_of

TableInMemory = pd.DataFrame | np.ndarray
HEAD_BYTES, HEAD_LINES = 2**16, 50  # that are looked at
SEPARATOR_NAMES = {";": "semicolons", "\t": "tabs", "|": "bars |", BLANKS: "spaces"}
NUMBER_FORM = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)", re.IGNORECASE)
COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
ISO_DATE = r"\d{4}-\d\d-\d\d"
ISO_MOMENT = re.compile(ISO_DATE + r"[T ]\d\d:.*")
TEXT_ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".psv", ".txt")


@dataclass(frozen=True, eq=False)
class FileContents:
    """What a file holds."""

    frame: pd.DataFrame  # its columns; of an array they are ``"0"``, ``"1"``, ...
    units: Mapping[str, str] = field(default_factory=dict)  # of columns, whatever their names say
    # ``unit``, ``where``: that an array's name or the file's metadata names, and which; or ``None``
    unit: str | None = None
    where: str = ""
    hint: str = ""  # the unit that the file's own name names; empty: none
    index: tuple[str, ...] = ()  # columns that are the index of a Parquet file
    assumed: tuple[Message, ...] = ()  # what was taken to be so, a sentence each
    others: tuple[str, ...] = ()  # dropped or kept names of no column; perhaps workers

    def unit_of(self, name: str) -> str | None:
        """The unit of a column, by what the file says of it or else by its name."""
        return self.units.get(name) or parse(name).unit


def read_file(path: str, most: int | None, options: Reading) -> FileContents:
    """Read the file as it is. It may have ``most`` cells; ``None``: any number. ``options`` say
    what a text does not say of its first row and its numbers. Raises UnusableFile: the file is
    missing, empty, of an unknown kind, too large, or not what its ending says."""
    file = Path(path)
    require_regular(file)
    if file.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    if path.endswith(".npz"):
        contents = _read_npz(file, most)
    elif path.endswith(".npy"):
        contents = FileContents(pd.DataFrame(_numbers_of("the file", read_npy(file, most))))
    elif path.endswith(".parquet"):
        contents = _read_parquet(file, most)
    elif path.endswith(TEXT_ENDINGS):
        contents = _read_text(file, most, options)
    else:
        ways = f"{', '.join((*TEXT_ENDINGS, '.parquet', '.npz', '.npy'))}, .json, .jsonl"
        raise UnusableFile(f"unknown ending; valid: {ways}: export CSV, Parquet or JSON")
    contents.frame.columns = contents.frame.columns.map(str)
    stem = file.name.split(".")[0]
    return replace(contents, hint=parse(stem).unit or "") if len(stem) > 2 else contents


def read_memory(table: TableInMemory, most: int | None) -> FileContents:
    """A table in memory as one that is read from a file: of a frame, columns have the types that a
    Parquet file keeps. Raises UnusableFile: it has too many cells, or such as no file has."""
    if isinstance(table, np.ndarray):
        require_cells(table.size, most)
        frame = pd.DataFrame(_numbers_of("the array", table))
        return FileContents(frame.rename(columns=str))
    frame = plain_columns(table.rename(columns=str), most)
    frame, index = _with_index_as_columns(frame)
    unit = SPELLINGS.get(str(frame.attrs.get("unit", "")).lower())
    return FileContents(frame, unit=unit, where="its metadata", index=index)


def with_durations(contents: FileContents, options: Reading) -> FileContents:
    """With durations as seconds, but for columns whose names say that they are something else."""
    columns, frame, notes = dict[str, pd.Series](), contents.frame, list[Message]()
    for name in frame.columns[[dtype.kind in "mO" for dtype in frame.dtypes]]:
        other = role_of(name) not in (None, "seconds", "value")
        if other or (seconds := durations(frame[name], options.unit)) is None:
            continue
        text = f"column {short(name)} holds durations ({short(frame[name].iloc[0])})"
        if options.unit not in (None, "s"):
            which = f"{text}, which say their unit: "
            raise UnusableFile(which, Option("unit", "s"), ", or leave it out")
        columns[name], notes = seconds, notes or [Message(text)]
    units, assumed = {**contents.units, **dict.fromkeys(columns, "s")}, (*contents.assumed, *notes)
    return replace(contents, frame=frame.assign(**columns), units=units, assumed=assumed)


def of_moments(column: pd.Series) -> bool:
    """Whether a column says when: as moments, or texts of ISO 8601."""
    first = str(column.dropna().iloc[0]) if column.notna().any() else ""
    return column.dtype.kind == "M" or bool(re.match(ISO_DATE, first))


def retyped(frame: pd.DataFrame) -> pd.DataFrame:
    """With columns of texts that are numbers as numbers, once other rows are gone."""
    columns = dict[str, pd.Series]()
    for name in frame.columns[[dtype.kind == "O" for dtype in frame.dtypes]]:
        with reading("numbers"):
            numbers = pd.to_numeric(frame[name], errors="coerce")
        if numbers.notna().any() and numbers.isna().equals(frame[name].isna()):
            columns[name] = numbers
    return frame.assign(**columns)


def _read_npz(file: Path, most: int | None) -> FileContents:
    def choose(names: list[str]) -> list[str]:
        wanted = [name for name in names if name == "seconds"] or names
        if len(wanted) != 1:
            text = f"holds {short(sorted(names))}; valid: one array, or one named seconds"
            raise UnusableFile(text)
        return wanted

    ((name, array),) = read_npz(file, choose, most).items()
    if wrong := parse(name).wrong:
        raise UnusableFile(f"array {short(name)} says {wrong} by its name; valid: seconds of calls")
    frame = pd.DataFrame(_numbers_of(f"array {name}", array))
    return FileContents(frame, unit=parse(name).unit, where=f"array {short(name)}")


def _numbers_of(what: str, array: np.ndarray) -> FloatArray:
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        text = f"{what} has shape {array.shape} and type {array.dtype}"
        raise UnusableFile(f"{text}; valid: a 2-D table of numbers, rounds x workers")
    return floats(array)


def _read_parquet(file: Path, most: int | None) -> FileContents:
    frame, index = _with_index_as_columns(read_parquet(file, most))
    with reading("parquet"):
        schema = pq.read_schema(file)
    free = [column for column in schema if parse(column.name).unit is None]
    units = {column.name: u for column in free if (u := _unit_in(column.metadata))}
    unit = _unit_in(schema.metadata) or SPELLINGS.get(str(frame.attrs.get("unit", "")).lower())
    return FileContents(frame, units, unit, "its metadata", index=index)


def _with_index_as_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """An index with a name is a column, and one of texts is as well; and which columns they are."""
    if frame.index.nlevels == 1 and frame.index.name is None and frame.index.dtype.kind == "O":
        frame = frame.rename_axis("label") if len(frame) else frame
    index = tuple(str(name) for name in frame.index.names if name is not None)
    if twice := {*index} & {*map(str, frame.columns)}:
        raise UnusableFile(f"the index and a column are both named {short(min(twice))!r}")
    if index:
        frame = frame.reset_index(level=[name for name in frame.index.names if name is not None])
    if not frame.index.equals(pd.RangeIndex(len(frame))):  # rows are found by their place
        frame = frame.reset_index(drop=True)
    return frame, index


def _unit_in(metadata: Mapping[bytes, bytes] | None) -> str | None:
    unit = (metadata or {}).get(b"unit") or (metadata or {}).get(b"units") or b""
    return SPELLINGS.get(unit.decode("utf-8", "replace").strip().lower())


def _head(path: Path) -> tuple[list[str], int, str]:
    """The first lines that are not empty, how many empty ones stand before them, the encoding.
    Reads on until four such lines are whole: the first of many workers may be a megabyte long.
    Raises UnusableFile: it has too many cells."""
    packed = path.suffix == ".gz"
    with (
        reading("csv.gz" if packed else "csv"),
        (gzip.open if packed else open)(path, "rb") as file,
    ):
        block = more = file.read(HEAD_BYTES)
        while more and len(block) <= MOST_LINE_BYTES and _filled(block) <= 4:
            block += (more := file.read(len(block)))
        ended = not more or not file.read(1)
    encoding = "utf-16"
    if not block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Without a mark it is UTF-16 if every second byte is 0, or nearly.
        first, second = (3 * block[offset::2].count(0) > len(block) for offset in (0, 1))
        encoding = "utf-8" if first == second else "utf-16-be" if first else "utf-16-le"
    text = block.decode(encoding, "replace").removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = lines if ended else lines[:-1]
    filled = [line for line in lines if line.strip()][:HEAD_LINES]
    if filled and max(len(filled[0].split()), *map(filled[0].count, ",;\t|")) > MOST_COLUMNS:
        raise UnusableFile(f"has more than {MOST_COLUMNS:,} columns")
    return filled, lines.index(filled[0]) if filled else 0, encoding


def _filled(block: bytes) -> int:
    return sum(1 for line in block.splitlines() if line.strip(b"\0 \t"))


def cells_of(lines: list[str]) -> tuple[str, list[list[str]]]:
    """What separates the cells of a text, as pandas says it, and the cells of its first lines:
    commas, unless every line has as many semicolons, tabs or bars as the others, or as many pieces
    between spaces, with numbers among them. Raises UnusableFile: spaces separate several numbers
    of cells."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in lines]
    for separator in (";", "\t", "|"):
        if len(counts := {line.count(separator) for line in bare}) == 1 and counts != {0}:
            return separator, [*csv.reader(lines, delimiter=separator)]
    rows = [[piece.strip('"') for piece in re.findall(r'"[^"]*"|\S+', line)] for line in lines]
    commas = [*csv.reader(lines)]
    if not rows or not all(COMMA_NUMBER.fullmatch(c) for row in rows for c in row if "," in c):
        return ",", commas
    body, head = rows[1:] or rows, rows[0][rows[0][0] == "#" :]
    width = len(body[-1])
    last = [bool(NUMBER_FORM.fullmatch(cell.replace(",", "."))) for cell in body[-1]]
    index = len(head) == width - 1 and (counted(head) or not any(map(NUMBER_FORM.fullmatch, head)))
    alike = {*map(len, body)} == {width} and (len(head) == width or index)
    if width > 1 and all(last) and not alike:
        odd = next((n for n, row in enumerate(rows, 1) if len(row) != width), 1)
        text = f"spaces separate the cells: line {odd} has {len(rows[odd - 1])}, others {width}"
        raise UnusableFile(f"{text}; write commas, semicolons or tabs")
    return (BLANKS, rows) if width > 1 and any(last) and alike else (",", commas)


def mark_of(cells: list[str]) -> str:
    """What stands before a fraction: a comma, if every number with a comma is a fraction, a point,
    if there is none. Raises UnusableFile: 1,234 could be 1.234 or 1234."""
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell)]
    if commas and all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in commas):
        number = short(commas[0])
        meant = f"{number.replace(',', '.')} or {number.replace(',', '')}"
        raise UnusableFile(
            f"{number!r} could be {meant}; write a decimal point, or say with ",
            Option("decimal"),
            " which it is, point or comma",
        )
    return "," if commas else "."


def counted(cells: Sequence[str]) -> bool:
    """Whether cells number workers from 0 or 1, also as 0.0, 1.0, ..."""
    plain = [cell.removesuffix(".0") for cell in cells]
    return plain in ([*map(str, range(len(cells)))], [*map(str, range(1, len(cells) + 1))])


def _names_columns(cells: list[str], header: str | None) -> tuple[bool, str]:
    """Whether a first row names the columns, and what that assumes: not if it holds numbers alone
    and does not count. Raises UnusableFile: it mixes names and numbers, or names one twice."""
    forms = NUMBER_FORM.fullmatch, ISO_MOMENT.fullmatch, lasting
    values = [any(of(cell) for of in forms) for cell in cells]
    numbered = len(cells) > 1 and counted(cells)
    below = len(cells) > 1 and not values[0] and counted(cells[1:])  # a name for the rounds
    named, pairs = numbered or below or not any(values), zip(cells, values, strict=True)
    odd = [cell for cell, value in pairs if not value and cell and not failed(cell)]
    if header is None and odd and not named:
        text = f"the first row mixes names and numbers ({short(odd[0])!r} is no number)"
        says = " says whether it names the columns, yes or no"
        raise UnusableFile(f"{text}: ", Option("header"), says)
    named = named if header is None else header == "yes"
    if named and (twice := [c for c, count in Counter(cells).items() if c and count > 1]):
        raise UnusableFile(f"two columns are named {short(twice[0])!r}: rename them, or leave one")
    if header is not None or not any(values) or below:
        return named, ""
    row = f"the first row, {short(', '.join(cells[:9]))}, numbers the workers"
    return named, row if named else "no header: the first row is a round"


def _remarks(lines: Sequence[str]) -> int:
    """The number of lines above the table that are no rows of it: Excel's ``sep=;``, and lines
    after ``#`` with another number of cells than the first line without one. A line that names a
    unit or what is measured counts as a row, since the table may need what it says."""
    count = 0
    while count < len(lines) - 1 and re.match(r"#|sep=.$", lines[count]):
        count += 1
    width = {mark: lines[count].count(mark) for mark in (",", ";", "\t", "|")} if lines else {}
    while count and not lines[count - 1].startswith("sep="):
        remark = lines[count - 1]
        own = {mark: remark.count(mark) for mark in width}
        if own != width and any(width.values()) and not _says_what_is_measured(remark):
            break
        count -= 1
    return count


def _says_what_is_measured(remark: str) -> bool:
    text = remark.lstrip("# ").strip()
    return parse(text).unit is not None or role_of(text) is not None


def _read_text(file: Path, most: int | None, options: Reading) -> FileContents:
    lines, empty, encoding = _head(file)
    remarks = _remarks(lines)
    first_remark = lines[0] if remarks else ""
    lines = lines[remarks:]
    is_ruled = len(lines) > 1 and bool(re.fullmatch(r"[|:\- ]*-{3,}[|:\- ]*", lines[1]))
    if is_ruled:  # Markdown
        del lines[1]
    with reading("csv"):
        sep, rows = cells_of(lines)
    rows = [[cell.strip() for cell in row] for row in rows] or [[]]
    mark = {"point": ".", "comma": ",", None: "."}[options.decimal]
    if options.decimal is None and sep != ",":
        mark = mark_of([cell for row in rows for cell in row])
    form: dict[str, Any] = {"sep": sep, "encoding": encoding, "decimal": mark}
    form |= {"thousands": {".": ",", ",": "."}[mark]} if options.decimal else {}
    rule = [empty + remarks + 1] if is_ruled else []
    form |= {"skiprows": [*range(empty + remarks), *rule], "skip_blank_lines": sep == BLANKS}
    notes, known, named = list[str](), dict[str, str](), options.header == "yes"
    if remarks:
        first_lines = "the first line is" if remarks == 1 else f"the first {remarks} lines are"
        notes.append(f"{first_lines} no row ({short(first_remark)})")
    if sep == BLANKS and rows[0][0] == "#":  # as NumPy writes it
        form |= {"names": rows[0][1:], "comment": "#"}
        named = False
    elif sep == BLANKS and len(rows[0]) < len(rows[-1]):  # pandas and R: an index without a name
        form["names"], named = ["Unnamed: 0", *rows[0]], True
    else:
        first = [cell.replace(",", ".") if mark == "," else cell for cell in rows[0]]
        named, note = _names_columns(first, options.header)
        notes += [note] if note else []
        second = rows[1] if len(rows) > 1 else []
        units = [SPELLINGS.get(cell.strip("()[]").lower(), "") for cell in second]
        if any(units) and not any(c for c, u in zip(second, units, strict=True) if not u):
            known = {name: unit for name, unit in zip(rows[0], units, strict=False) if unit}
            form["skiprows"] += [empty + remarks + 1]  # as spreadsheets have it
            notes.append("row 1 holds the units")
    frame = read_csv(file, most, header=0 if named else None, index_col=False, **form)
    frame.columns = frame.columns.map(str).str.strip()
    ends = [name for name in frame.columns if name.startswith("Unnamed: ") and len(frame)]
    frame = frame.drop(columns=[name for name in ends if frame[name].isna().all()])
    if sep != "," and not str(file).removesuffix(".gz").endswith(".tsv"):
        notes.append(f"{SEPARATOR_NAMES[sep]} separate the cells")
    return FileContents(frame, known, assumed=tuple(map(Message, notes)))


# Files of times that the programs of ErasureHead's authors write (2019). Beside
# ``STEM_worker_timeset.dat``, a row per round and a column per worker in which one that was not
# heard is -1, stands ``STEM_timeset.dat``, a line per round: seconds until the master had updated
# the model, rounded to milliseconds. Nobody is listened to while it updates, so that a round
# stopped listening at its last message, which is the largest number of its row.
#
# Source: facts read from the authors' public code.

WORKERS_ENDING = "_worker_timeset.dat"
ROUNDS_ENDING = "_timeset.dat"
NOT_HEARD = -1.0
# Runs whose master goes on while stragglers work: they begin the next round late.
QUEUED = re.compile(r"(coded|avoidstragg|partialcoded|partialreplication)(_.*)?")
DROPPED = re.compile(r"(naive|replication)(_.*)?")
TWO_MESSAGES = re.compile(r"partial.*")


def is_of_authors(path: str) -> bool:
    """Whether a file's name is one that the authors' programs give."""
    return path.endswith(ROUNDS_ENDING)


def read_authors(
    path: str, max_cells: int | None, options: Reading
) -> tuple[FileContents, Reading]:
    """Read a file of workers' times: its cells, and how they are to be read. Raises UnusableFile:
    it is damaged, does not fit the rounds' times beside it, or is to be read as something that it
    is not."""
    file = Path(path)
    if not path.endswith(WORKERS_ENDING):
        workers_name = file.name.removesuffix(ROUNDS_ENDING) + WORKERS_ENDING
        raise UnusableFile(f"holds the times of rounds, not of workers: give {short(workers_name)}")
    if options.missing in ("drop-rounds", "never"):
        raise UnusableFile(
            Option("missing", options.missing),
            " is of calls that failed, and -1 in this file is a worker that was not heard before "
            "the round stopped listening; valid: later, or nothing",
        )
    seconds = _rows_of_numbers(file, max_cells)
    assumed = _master_update(file, seconds)
    stem = file.name.removesuffix(WORKERS_ENDING)
    if TWO_MESSAGES.fullmatch(stem):
        assumed.append(
            Message(
                "each time is that of the later of a worker's two messages: of a worker that was "
                "not heard the first may have come"
            )
        )
    how = replace(
        options,
        missing="later",
        not_heard=NOT_HEARD if options.not_heard is None else options.not_heard,
        round_end="last" if options.round_end is None else options.round_end,
        late_work=options.late_work or _late_work(stem),
    )
    contents = FileContents(
        frame=pd.DataFrame(seconds, columns=[*map(str, range(seconds.shape[1]))]),
        unit="s",
        where="the authors' format",
        assumed=tuple(assumed),
    )
    return contents, how


def _late_work(stem: str) -> LateWork | None:
    """What the program of this name does with the work of a worker that was not heard; ``None``:
    it is none of the authors'."""
    if QUEUED.fullmatch(stem):
        return "queued"
    if DROPPED.fullmatch(stem):
        return "dropped"
    return None


def _rows_of_numbers(file: Path, max_cells: int | None) -> FloatArray:
    """The rows of numbers, as many in each. Raises UnusableFile: naming the first that is none."""
    frame = read_csv(file, max_cells, header=None, sep=BLANKS)
    kinds = np.array([dtype.kind in NUMBER_KINDS for dtype in frame.dtypes])
    if not kinds.all():
        column = int(np.argmin(kinds))
        with reading("numbers"):
            known = pd.to_numeric(frame[column], errors="coerce")
        row = int(np.argmax(known.isna()))
        raise UnusableFile(
            f"line {row + 1}, number {column + 1}: {short(frame[column].iloc[row])!r} is no number"
        )
    table = frame.to_numpy(np.float64)
    finite = np.isfinite(table)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise UnusableFile(
            f"line {row + 1} has no number in place {column + 1} of {table.shape[1]}: is the file "
            "whole?"
        )
    return table


def _master_update(file: Path, seconds: FloatArray) -> list[Message]:
    """How long the master updates the model, by the rounds' times beside the workers'; empty where
    there are none. Raises UnusableFile: they are not of the same rounds."""
    rounds_file = file.with_name(file.name.removesuffix(WORKERS_ENDING) + ROUNDS_ENDING)
    if not rounds_file.exists():
        return []
    name = short(rounds_file.name)
    try:
        of_rounds = _rows_of_numbers(rounds_file, len(seconds) + 10**6)
    except UnusableFile as error:
        raise UnusableFile(f"{name} beside it: ", error.message) from None
    if of_rounds.shape != (len(seconds), 1):
        raise UnusableFile(
            f"{name} beside it has {len(of_rounds)} lines of {of_rounds.shape[1]} numbers; must be "
            f"{len(seconds)} of one, a line for each round of this file"
        )
    update = of_rounds[:, 0] - seconds.max(axis=1)
    if (update < -ROUNDING_SECONDS).any():
        row = int(np.argmin(update))
        raise UnusableFile(
            f"{name} beside it says that round {row} ended after {of_rounds[row, 0]:g} s, before "
            f"its last message ({seconds[row].max():g} s): are both of one run?"
        )
    typical = max(float(np.median(update)), 0.0)
    return [
        Message(
            f"the master's own update, typically {typical:.2g} s, is in {name} beside it and in no "
            "worker's time: nobody is listened to then"
        )
    ]
