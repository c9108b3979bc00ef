"""What separates the cells of a text file, and what its decimals look like."""

from __future__ import annotations

import codecs
import gzip
import re
from pathlib import Path
from typing import IO, cast

from ...sim.files import reading, require_regular, short
from .error import TableError

HEAD = 2**16
"""Bytes that are looked at."""

LINES = 50
"""Lines that are looked at."""

QUOTED = re.compile(r'"[^"]*"')
COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def separators(path: str) -> tuple[str, str]:
    """What stands between cells, and in a number before its fraction.

    Commas and points, unless every line has as many semicolons, or tabs, as the others.

    Raises:
        TableError: numbers with a comma could be 1.234 or 1234, or only spaces separate cells.
        UnusableFile: the file cannot be read.
    """
    lines = _head(path)
    bare = [QUOTED.sub("", line) for line in lines]
    for separator in (";", "\t"):
        counts = {line.count(separator) for line in bare}
        if len(counts) == 1 and counts != {0}:
            cells = [cell.strip().strip('"') for line in lines for cell in line.split(separator)]
            return separator, _decimal(path, cells)
    if bare and not any("," in line for line in bare):
        rows = [line.split() for line in bare[-2:]]
        if all(len(row) > 1 and all(map(NUMBER.fullmatch, row)) for row in rows):
            raise TableError(path, "spaces separate the cells; write commas, semicolons or tabs")
    return ",", "."


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked if its name ends in gz."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(path: str) -> list[str]:
    """The first lines that are whole and not empty."""
    require_regular(Path(path))
    with reading("csv.gz" if path.endswith(".gz") else "csv"), opened(Path(path)) as file:
        block = file.read(HEAD)
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise TableError(path, "cannot be read as csv: UTF-16; save it as UTF-8")
    text = block.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n") if len(block) < HEAD else text.split("\n")[:-1]
    return [line for line in lines if line.strip()][:LINES]


def _decimal(path: str, cells: list[str]) -> str:
    """A comma, if every number with a comma is a decimal fraction; a point, if there is none."""
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell)]
    if not commas:
        return "."
    if all(GROUPED.fullmatch(cell) for cell in commas):
        number = short(commas[0])
        plain = number.replace(",", "")
        meant = f"{number.replace(',', '.')} or {plain}"
        raise TableError(path, f"{number!r} could be {meant}; write numbers with a decimal point")
    return ","
