"""Reads tables that users bring, CSV and Parquet, in bounded time and memory. What a file says of
its size is looked at before it is read: the metadata of Parquet, and in one pass the text of a CSV.
Importing pandas and pyarrow takes 0.3 s, so this module is imported where a table is read. Of ours
it imports only ``sim.base.files``, and ``delay_models`` may import it, too."""

from __future__ import annotations

import gzip
import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from .files import (
    HOW_TO_ALLOW,
    MOST_CELLS,
    UnusableFile,
    reading,
    require_cells,
    require_regular,
    short,
)

MOST_BYTES_PER_CELL = 20  # of a CSV, on average: a number's longest form and a comma
MOST_LINE_BYTES = 2**25  # of a CSV
MOST_COLUMNS = 200_000  # of a CSV: pandas takes some 50 microseconds for each
MOST_PARTS = 50_000  # columns times row groups of a Parquet file: each takes some 10 kB to read
MOST_FOOTER_BYTES = 2**24  # of a Parquet file's metadata, which takes twenty times as many
MOST_LETTERS = 10_000  # of a text in a Parquet file
BYTES_AT_ONCE = 2**20  # of a CSV
FORMULA = re.compile(r"'*[=+\-@\t]")  # how a text begins that a spreadsheet computes, once marked
BLANKS = r"\s+"  # as pandas says that any number of blanks separates two cells


def read_csv(path: Path, most: int | None = MOST_CELLS, **options: Any) -> pd.DataFrame:
    """``pandas.read_csv`` of a file, gzipped or not, of at most so many cells, checked first.
    Raises ``UnusableFile``: it is damaged or too large."""
    require_regular(path)
    with reading("csv.gz" if path.suffix == ".gz" else "csv"):
        try:
            warnings.simplefilter("error", pd.errors.ParserWarning)  # until the context ends
            separator = options.get("sep", ",")
            quoted = _require_size(path, most, b" " if separator == BLANKS else separator.encode())
            frame: pd.DataFrame = pd.read_csv(path, low_memory=False, **options)
            return _texts_changed(frame, _read_back) if quoted else frame
        except pd.errors.ParserWarning:
            raise UnusableFile("a row has more cells than the header") from None


def csv_of(frame: pd.DataFrame, header: bool = True) -> bytes:
    """A table as CSV, for ``read_csv`` and for spreadsheets: these compute a text that begins with
    one of ``=+-@`` or a tab, so it gets an apostrophe, which ``read_csv`` takes away."""
    return _texts_changed(frame, _as_text).to_csv(index=False, header=header).encode()


def _texts_changed(frame: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Apply ``change`` to the names of columns and to all texts."""
    frame = frame.rename(columns=lambda name: change(name) if isinstance(name, str) else name)
    for index, kind in enumerate(frame.dtypes):
        if not (is_numeric_dtype(kind) or is_datetime64_any_dtype(kind)):
            column = frame.iloc[:, index]
            new = {text: change(text) for text in column.unique() if isinstance(text, str)}
            if any(text != other for text, other in new.items()):
                frame.isetitem(index, [new.get(value, value) for value in column])
    return frame


def _as_text(text: str) -> str:
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def _read_back(text: str) -> str:
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _require_size(path: Path, most: int | None, separator: bytes) -> bool:
    """Refuse a text that is too large; returns whether it may have an apostrophe. Cost: one pass,
    0.3 s for 100 MB of gzip."""
    if most is None:
        return True
    quoted = False
    total = line = separators = columns = 0
    first = True
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        while block := file.read(BYTES_AT_ONCE):
            total += len(block)
            quoted = quoted or b"'" in block
            ends = max(block.count(b"\n"), block.count(b"\r"))
            separators += block.count(separator) + ends
            last = max(block.rfind(b"\n"), block.rfind(b"\r"))
            line = line + len(block) if last < 0 else len(block) - last - 1
            if first:
                head, end, _ = block.replace(b"\r", b"\n").partition(b"\n")
                first, columns = not end, columns + head.count(separator)
                if columns >= MOST_COLUMNS:
                    raise UnusableFile(f"has more than {MOST_COLUMNS:,} columns")
            require_cells(separators, most)
            if total > MOST_BYTES_PER_CELL * most:
                size = f"{MOST_BYTES_PER_CELL * most:,} bytes"
                raise UnusableFile(f"is longer than {size}, {HOW_TO_ALLOW}")
            if line > MOST_LINE_BYTES:
                raise UnusableFile(f"has a line of more than {MOST_LINE_BYTES:,} bytes")
    return quoted


def read_parquet(path: Path, most: int | None = MOST_CELLS) -> pd.DataFrame:
    """Read a Parquet file; how many cells it has is looked at first. Raises ``UnusableFile``: it is
    damaged or too large."""
    require_regular(path)
    with reading("parquet"):
        if most is not None:
            _require_footer(path)
        schema = pq.read_schema(path)
        _require_flat(schema)
        # Types that a file can store as indices into a dictionary.
        indexed = pa.types.is_string, pa.types.is_large_string, pa.types.is_binary
        texts = [field.name for field in schema if any(fits(field.type) for fits in indexed)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            facts = file.metadata
            if most is not None and facts.num_columns * facts.num_row_groups > MOST_PARTS:
                text = f"has {facts.num_columns:,} columns in {facts.num_row_groups:,} row groups"
                raise UnusableFile(f"{text}; their product must be at most {MOST_PARTS:,}")
            require_cells(facts.num_rows * facts.num_columns, most)
            frame: pd.DataFrame = _with_plain_texts(_rows_of(file, most)).to_pandas()
        if not frame.columns.is_unique:
            raise UnusableFile("its metadata, which pandas wrote, name two columns alike")
        return frame


def plain_columns(frame: pd.DataFrame, most: int | None = MOST_CELLS) -> pd.DataFrame:
    """The columns of a frame in memory with the types that they have in a Parquet file, where
    ``read_parquet`` reads the same. Raises ``UnusableFile``: a column holds values of several types
    or of one that no file has, two are named alike, or there are too many cells."""
    require_cells(frame.size, most)
    named = any(name is not None for name in frame.index.names)
    try:
        table = pa.Table.from_pandas(frame if named else frame.reset_index(drop=True))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UnusableFile(f"cannot be used: {short(error)}") from None
    _require_flat(table.schema)
    plain: pd.DataFrame = _with_plain_texts(table).to_pandas()
    return plain


def _require_flat(schema: pa.Schema) -> None:
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise UnusableFile(f"two columns are named {short(twice[0])!r}")
    for field in schema:
        if pa.types.is_nested(field.type):
            held = f"column {short(field.name)} holds {short(field.type)}"
            raise UnusableFile(f"{held}; valid: numbers")


def _require_footer(path: Path) -> None:
    with path.open("rb") as file:  # the size of the metadata stands before the last four bytes
        end = file.seek(0, 2)
        file.seek(max(end - 8, 0))
        size = int.from_bytes(file.read(4), "little")
    if MOST_FOOTER_BYTES < size <= end:
        text = f"has {size:,} bytes of metadata; must be at most {MOST_FOOTER_BYTES:,}"
        raise UnusableFile(f"{text}: fewer columns or row groups")


def _rows_of(file: pq.ParquetFile, most: int | None) -> pa.Table:
    """Read a file and count its cells as they come, since its metadata need not be true."""
    # Column chunks say how many values they have, too, but asking a damaged one ends the process.
    batches: list[pa.RecordBatch] = []
    cells = 0
    for batch in file.iter_batches():
        cells += batch.num_rows * batch.num_columns
        require_cells(cells, most)
        batches.append(batch)
    return pa.Table.from_batches(batches) if batches else file.read()


def _with_plain_numbers(table: pa.Table) -> pa.Table:
    """Decimals as numbers, and times of the type ``time`` as durations since 0:00."""
    for index, field in enumerate(table.schema):
        column = table.column(index)
        if pa.types.is_decimal(field.type):
            column = column.cast(pa.float64())
        elif pa.types.is_time32(field.type) or pa.types.is_time64(field.type):
            whole = pa.int32() if pa.types.is_time32(field.type) else pa.int64()
            column = column.cast(whole).cast(pa.int64()).cast(pa.duration(field.type.unit))
        if column.type != field.type:
            table = table.set_column(index, field.with_type(column.type), column)
    return table


def _with_plain_texts(table: pa.Table) -> pa.Table:
    """Decode texts, from bytes and from their dictionary; it can repeat a text cheaply, so that a
    long one is refused."""
    table = _with_plain_numbers(table)
    kinds = pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary
    for index, field in enumerate(table.schema):
        column, name = table.column(index), short(field.name)
        if pa.types.is_dictionary(field.type):
            texts = (text.as_py() or "" for chunk in column.chunks for text in chunk.dictionary)
            if (longest := max(map(len, texts), default=0)) > MOST_LETTERS:
                raise UnusableFile(f"column {name} holds a text of {longest} letters")
            column = column.cast(field.type.value_type)
        if any(fits(column.type) for fits in kinds):
            try:
                column = column.cast(pa.large_string())
            except pa.ArrowException:
                what = f"column {name} holds bytes that are no text"
                raise UnusableFile(f"{what}; valid: numbers, or texts in UTF-8") from None
        if column.type != field.type:
            table = table.set_column(index, field.with_type(column.type), column)
    return table
