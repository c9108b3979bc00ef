"""Checks on files that users bring, before they are read, and a reader of NPZ; ``tables`` reads CSV
and Parquet. A small file can say that it is huge (a ZIP or gzip that unpacks to gigabytes, a
header with a shape of 10^12), and reading a FIFO or a device can go on for ever. So size and kind
are looked at first."""

from __future__ import annotations

import glob
import hashlib
import math
import re
import stat
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from .errors import Mistake, address_defect

MOST_CELLS = 50_000_000  # numbers that a file may hold, unless more are allowed: 400 MB

HOW_TO_ALLOW = "unless most_cells in the config, or --allow-large of fit, allows more"

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
"""Readers of a header by its version; later versions are for named fields, not for numbers."""


TRACE_ENDINGS = (".json", ".json.gz")  # of a profiler's traces, one a rank


class UnusableFile(Mistake):
    """A file that cannot be read as what it should be; the message is one line without its name."""


def files_of(path: str) -> list[Path] | None:
    """The traces in a folder, or the files whose names fit a pattern such as ``rank*.json``, in the
    order of their names; ``None`` for a path of a single file."""
    named = Path(path)
    try:
        if named.is_dir():
            return sorted(file for file in named.iterdir() if file.name.endswith(TRACE_ENDINGS))
        if not any(c in path for c in "*?[") or named.exists():
            return None
    except (OSError, ValueError):
        return None
    return sorted(map(Path, glob.iglob(path)))


def require_regular(path: Path) -> None:
    """Refuse what is no regular file, or not there. Raises ``UnusableFile``: naming the defect."""
    if (defect := address_defect(path)) is not None:
        raise UnusableFile(defect)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise UnusableFile("no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UnusableFile(f"cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(mode):
        kinds = {"a folder": stat.S_ISDIR, "a FIFO": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
        kind = next((name for name, fits in kinds.items() if fits(mode)), "a device")
        raise UnusableFile(f"is {kind}; must be a regular file")


@contextmanager
def reading(form: str) -> Iterator[None]:
    """Turn whatever a library raises at a damaged file of this format into ``UnusableFile``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UnusableFile:
        raise
    except MemoryError as error:
        raise UnusableFile(f"cannot be read as {form}: memory is short") from error
    # Everything, since there is no list of what the inner parts of a library raise: RuntimeError,
    # RecursionError, zlib.error, tokenize.TokenError...
    except Exception as error:
        raise UnusableFile(f"cannot be read as {form}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The first line of an error, without the file's name, in at most 200 letters."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = (text.strip() or type(error).__name__).splitlines()[0]
    # What pandas says of a line that is longer than the others.
    if ragged := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", line):
        before, number, cells = ragged.groups()
        return f"line {number} has {cells} cells, and the lines before it have {before}"
    return line if len(line) <= 200 else f"{line[:197]}..."


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def short(value: object) -> str:
    """A value in at most 60 letters."""
    text = str(value)[:1000]
    text = text if text.isprintable() else text.encode("unicode_escape").decode()
    return text if len(text) <= 60 else f"{text[:57]}..."


def require_cells(cells: int, most: int | None = MOST_CELLS) -> None:
    """Raises ``UnusableFile``: a file has at least so many cells, and ``most`` is less."""
    if most is not None and cells > most:
        count = f"{cells:,} numbers or more" if cells < 10**15 else "10^15 numbers or more"
        raise UnusableFile(f"holds {count}; must be at most {most:,}, {HOW_TO_ALLOW}")


def read_npz(
    path: Path, choose: Callable[[list[str]], list[str]], most: int | None = MOST_CELLS
) -> dict[str, np.ndarray]:
    """Read arrays of numbers from an NPZ file. A pickle is never loaded. ``choose`` selects the
    wanted arrays from the names in the file; they may have ``most`` numbers together. Raises
    ``UnusableFile``: it is no NPZ, damaged, encrypted, too large, or holds other things."""
    require_regular(path)
    with reading("npz"):
        if not zipfile.is_zipfile(path):
            raise UnusableFile("is not an NPZ file (a ZIP archive of arrays)")
        with zipfile.ZipFile(path) as archive:
            arrays = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            members = {info.filename.removesuffix(".npy"): info for info in arrays}
            wanted, cells = choose(list(members)), 0
            for name in wanted:
                with archive.open(members[name].filename) as member:
                    cells += _promised(member, name, members[name].file_size)
            require_cells(cells, most)
            numbers = dict[str, np.ndarray]()
            for name in wanted:
                with archive.open(members[name]) as member:
                    numbers[name] = np.lib.format.read_array(member, allow_pickle=False)
            return numbers


def read_npy(path: Path, most: int | None = MOST_CELLS) -> np.ndarray:
    """Read an array of at most so many numbers from an NPY file. A pickle is never loaded. Raises
    ``UnusableFile``: it is no array of numbers, damaged, or too large."""
    require_regular(path)
    with reading("npy"), path.open("rb") as file:
        require_cells(_promised(file, path.name, path.stat().st_size), most)
        file.seek(0)
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _promised(member: IO[bytes], name: str, size: int) -> int:
    """How many numbers a header promises; refused if the ``size`` bytes are too few for it."""
    try:
        shape, _, dtype = HEADERS[np.lib.format.read_magic(member)](member)
        header = member.tell()
    except (zipfile.BadZipFile, NotImplementedError):  # of an archive
        raise
    except Exception as error:  # NumPy parses the header as Python, which raises a dozen things
        raise UnusableFile(f"{name} is not an array, or has a damaged header") from error
    if any(size < 0 for size in shape):
        raise UnusableFile(f"array {name} has shape {short(shape)}, with a negative size")
    if dtype.kind not in "fiub":
        text = f"array {name} has shape {short(shape)} and type {short(dtype)}"
        raise UnusableFile(f"{text}; valid: numbers")
    count = math.prod(shape)
    if header + count * dtype.itemsize > size:
        raise UnusableFile(f"array {name} has shape {short(shape)}, and ends early")
    return count


def floats(array: np.ndarray) -> NDArray[np.float64]:
    """The numbers as doubles; what is beyond them becomes infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, dtype=np.float64)
