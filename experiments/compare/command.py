"""``erasurehead compare``: reads two results, writes the table and the picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from .. import answers
from ..cells import files
from ..config.errors import ConfigError
from ..lock import locked
from ..pictures import paint, style
from ..pictures.records import LIVE, Records, read_records
from .pairs import pairs
from .picture import comparison_picture
from .table import comparison_table
from .words import answer

TABLE = "comparison.csv"
PICTURE = "comparison"
FILES = (answers.NAME, TABLE, f"{PICTURE}.png", f"{PICTURE}.svg")


def compare(
    first: Path, second: Path, output: Path, command: str = ""
) -> tuple[pd.DataFrame, list[Path]]:
    """Compare two results scheme by scheme, the first as what is expected.

    Returns:
        The table, and the files written.

    Raises:
        ConfigError: one is no result, they have no scheme in common, or ``output`` is one of them.
    """
    for directory in (first, second):
        if output.resolve() == directory.resolve():
            raise ConfigError(f"--output = {str(output)!r}: must not be one of the two results")
    one, two = read_records(first), read_records(second)
    together = pairs(one, two)
    table = comparison_table(together)
    names = _names(one, two)
    with locked(output, FILES):
        files.remove([output / answers.NAME])
        files.write_bytes(output / TABLE, table.to_csv(index=False).encode())
        picture = comparison_picture(together, *names)
        written = style.save(paint.figure(picture), output / PICTURE)
        answers.write(answer(table, *names, command), output)
    return table, [output / TABLE, *written, output / answers.NAME]


def _names(one: Records, two: Records) -> tuple[str, str]:
    """What pictures call them: the folders' names, unless one of them is measured."""
    live = [records.title == LIVE for records in (one, two)]
    if live[0] != live[1]:
        return ("measured", "simulated") if live[0] else ("simulated", "measured")
    names = one.directory.resolve().name, two.directory.resolve().name
    return names if names[0] != names[1] else (str(one.directory), str(two.directory))
