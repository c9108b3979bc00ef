"""Reads files that users bring, in bounded time and memory; whatever is wrong is one line.

A small file can say that it is huge (a ZIP or gzip that unpacks to gigabytes, a header with a shape
of 10^12), and reading a FIFO or a device can go on for ever. So size and kind are looked at first.

This module imports nothing of ours, and ``delay_models`` may import it as well as ``sim``.
"""

from __future__ import annotations

import gzip
import math
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

MOST_CELLS = 50_000_000
"""Numbers that a file may hold, unless the caller allows more: 400 MB in memory."""

REMEDY = "unless most_cells in the config, or --allow-large of fit, allows more"

BYTES_PER_CELL = 20
"""Of a CSV, at most, on average: the longest way to write a number, and its comma."""

LONGEST_LINE = 2**25
"""Bytes of a line of a CSV."""

MOST_COLUMNS = 200_000
"""Of a CSV: pandas takes some 50 microseconds for each."""

MOST_PARTS = 50_000
"""Columns times row groups of a Parquet file: each takes some 10 kB to read."""

LARGEST_FOOTER = 2**24
"""Bytes of what a Parquet file says of itself; it takes twenty times as many in memory."""

LONGEST_TEXT = 10_000
"""Characters of a text in a Parquet file."""

BLOCK = 2**20
"""Bytes that are read at a time."""

TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)
"""Types that a Parquet file can hold as numbers in a dictionary."""

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Versions of arrays of numbers; later ones are for names of fields."""

ENCRYPTED = 1
"""The bit of a ZIP member's flags."""


class UnusableFile(ValueError):
    """A file that cannot be read as what it should be; the message is one line without its name."""


def require_regular(path: Path) -> None:
    """Refuse what is no regular file, or not there.

    Raises:
        UnusableFile: naming the defect.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UnusableFile("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnusableFile(f"cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(mode):
        kinds: Mapping[str, Callable[[int], bool]] = {
            "a folder": stat.S_ISDIR,
            "a FIFO": stat.S_ISFIFO,
            "a socket": stat.S_ISSOCK,
        }
        kind = next((name for name, fits in kinds.items() if fits(mode)), "a device")
        raise UnusableFile(f"is {kind}; must be a regular file")


@contextmanager
def reading(form: str) -> Iterator[None]:
    """Turn whatever a library raises at a damaged file into one line.

    A reader of a format that meets damage raises what its inner parts raise: ``RuntimeError``,
    ``RecursionError``, ``zlib.error``, ``tokenize.TokenError``... There is no list of them.

    Args:
        form: the format, for the line.

    Raises:
        UnusableFile: the same in one line.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except UnusableFile:
        raise
    except MemoryError as error:
        raise UnusableFile(f"cannot be read as {form}: memory is short") from error
    except Exception as error:
        raise UnusableFile(f"cannot be read as {form}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Its first line, without the file's name and not too long."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = (text.strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= 200 else f"{line[:197]}..."


def short(value: object) -> str:
    """A value in at most 60 letters."""
    text = str(value)[:1000]
    text = text if text.isprintable() else text.encode("unicode_escape").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def require_cells(cells: int, most: int | None) -> None:
    """Refuse a file with at least so many cells, if they may not be read; ``None``: all may.

    Raises:
        UnusableFile: naming both numbers.
    """
    if most is not None and cells > most:
        shown = f"{cells:,} numbers or more" if cells < 10**15 else "10^15 numbers or more"
        raise UnusableFile(f"holds {shown}; must be at most {most:,}, {REMEDY}")


def read_npz(
    path: Path, choose: Callable[[list[str]], list[str]], most: int | None = MOST_CELLS
) -> dict[str, np.ndarray]:
    """Read arrays of numbers from an NPZ file. A pickle is never loaded.

    Args:
        path: the file.
        choose: from the names that the file holds to those that are wanted.
        most: cells that the wanted arrays may have together.

    Raises:
        UnusableFile: it is no NPZ, damaged, encrypted, too large, or holds other things.
    """
    require_regular(path)
    with reading("npz"):
        if not zipfile.is_zipfile(path):
            raise UnusableFile("is not an NPZ file (a ZIP archive of arrays)")
        with zipfile.ZipFile(path) as archive:
            members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            wanted = choose(list(members))
            counts = [_count(archive, name, members[name]) for name in wanted]
            require_cells(sum(counts), most)
            return {name: _array(archive, members[name]) for name in wanted}


def _count(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> int:
    """How many numbers an array says that it has, if it can have them."""
    if info.flag_bits & ENCRYPTED:
        raise UnusableFile(f"array {name} is encrypted")
    try:
        with archive.open(info) as member:
            version = np.lib.format.read_magic(member)
            read = HEADERS[version]
            shape, _, dtype = read(member)
            header = member.tell()
    except (zipfile.BadZipFile, NotImplementedError):  # of the archive, not of the array
        raise
    except Exception as error:  # NumPy parses the header as Python, which raises a dozen things
        raise UnusableFile(f"{name} is not an array, or has a damaged header") from error
    if any(size < 0 for size in shape):
        raise UnusableFile(f"array {name} has shape {short(shape)}, with a negative size")
    if dtype.kind not in "fiub":
        raise UnusableFile(
            f"array {name} has shape {short(shape)} and type {short(dtype)}; valid: numbers"
        )
    count = math.prod(shape)
    if header + count * dtype.itemsize > info.file_size:
        raise UnusableFile(f"array {name} has shape {short(shape)}, and ends early")
    return count


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(info) as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def floats(array: np.ndarray) -> NDArray[np.float64]:
    """The numbers as doubles; what is beyond them becomes infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, dtype=np.float64)


def read_csv(path: Path, most: int | None = MOST_CELLS, **options: Any) -> pd.DataFrame:
    """``pandas.read_csv`` of a file, gzipped or not, that is looked through first.

    Args:
        path: the file.
        most: cells that it may have.
        options: for pandas.

    Raises:
        UnusableFile: it is damaged or too large.
    """
    require_regular(path)
    with reading("csv.gz" if path.suffix == ".gz" else "csv"):
        try:
            looked_through = _looked_through(path, most, options.get("sep", ",").encode())
            frame: pd.DataFrame = pd.read_csv(looked_through, low_memory=False, **options)
            return frame
        except pd.errors.ParserWarning:
            raise UnusableFile("a row has more cells than the header") from None


def _looked_through(path: Path, most: int | None, separator: bytes) -> Path:
    """The path, if its text is not too large. Cost: one pass, 0.3 s for 100 MB of gzip."""
    if most is None:
        return path
    total = line = separators = columns = 0
    first = True
    with ExitStack() as stack:
        file: Any = stack.enter_context(path.open("rb"))
        if path.suffix == ".gz":
            file = stack.enter_context(gzip.open(file))
        while block := file.read(BLOCK):
            total += len(block)
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
            if total > BYTES_PER_CELL * most:
                raise UnusableFile(f"is longer than {BYTES_PER_CELL * most:,} bytes, {REMEDY}")
            if line > LONGEST_LINE:
                raise UnusableFile(f"has a line of more than {LONGEST_LINE:,} bytes")
    return path


def read_parquet(
    path: Path, most: int | None = MOST_CELLS, columns: list[str] | None = None
) -> pd.DataFrame:
    """Read a Parquet file whose metadata is looked at first.

    Args:
        path: the file.
        most: cells that it may have.
        columns: those that are wanted; ``None``: all.

    Raises:
        UnusableFile: it is damaged or too large.
    """
    require_regular(path)
    with reading("parquet"):
        if most is not None:
            _require_footer(path)
        schema = pq.read_schema(path)
        twice = [name for name, count in Counter(schema.names).items() if count > 1]
        if twice:
            raise UnusableFile(f"two columns are named {short(twice[0])!r}")
        for field in schema:
            if pa.types.is_nested(field.type) and (columns is None or field.name in columns):
                raise UnusableFile(
                    f"column {short(field.name)} holds {short(field.type)}; valid: numbers"
                )
        texts = [field.name for field in schema if any(fits(field.type) for fits in TEXTS)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            facts = file.metadata
            parts = facts.num_columns * facts.num_row_groups
            if most is not None and parts > MOST_PARTS:
                raise UnusableFile(
                    f"has {facts.num_columns:,} columns in {facts.num_row_groups:,} row groups; "
                    f"their product must be at most {MOST_PARTS:,}"
                )
            require_cells(facts.num_rows * facts.num_columns, most)
            wanted = columns and [name for name in columns if name in schema.names]
            table = _counted(file, wanted, most)
        frame: pd.DataFrame = _plain(table).to_pandas()
        return frame


def _require_footer(path: Path) -> None:
    """Refuse a file that says too much of itself; how much stands before the last four bytes."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(end - 8, 0))
        size = int.from_bytes(file.read(4), "little")
    if LARGEST_FOOTER < size <= end:
        raise UnusableFile(
            f"has {size:,} bytes of metadata; must be at most {LARGEST_FOOTER:,}: "
            "fewer columns or row groups"
        )


def _counted(file: pq.ParquetFile, columns: list[str] | None, most: int | None) -> pa.Table:
    """Read a file whose numbers of rows need not be true: cells are counted as they come.

    Column chunks say how many values they have, too, but a damaged one ends the process when asked.
    """
    batches: list[pa.RecordBatch] = []
    cells = 0
    for batch in file.iter_batches(columns=columns):
        cells += batch.num_rows * batch.num_columns
        require_cells(cells, most)
        batches.append(batch)
    return pa.Table.from_batches(batches) if batches else file.read(columns=columns)


def _plain(table: pa.Table) -> pa.Table:
    """Texts as they are. A dictionary can say a long text many times, so long ones are refused."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            column = table.column(index)
            chunks = column.chunks
            longest = max(
                (len(text.as_py() or "") for chunk in chunks for text in chunk.dictionary),
                default=0,
            )
            if longest > LONGEST_TEXT:
                raise UnusableFile(f"column {short(field.name)} holds a text of {longest} letters")
            plain = column.cast(field.type.value_type)
            table = table.set_column(index, field.with_type(field.type.value_type), plain)
    return table
