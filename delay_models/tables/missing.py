"""Delays that are missing: nothing becomes 0 s, and whatever is left out is counted."""

from __future__ import annotations

import numpy as np

from ...sim.files import short
from ..base import FloatArray
from ..limits import LONGEST
from .error import TableError
from .measured import Part, Repair
from .reading import Reading

REMEDY = "--missing drop-rounds or never says what it means"


def complete(path: str, part: Part, reading: Reading) -> tuple[FloatArray, list[Repair]]:
    """The table without gaps.

    Args:
        path: of the file, for errors.
        part: what was read.
        reading: what a missing delay is.

    Raises:
        TableError: a delay is missing or infinite and nothing was said about that; one is negative
            or too long; or no round is left.
    """
    hosts, table, failed = part.hosts, part.table, part.failed
    if table.size == 0:
        raise TableError(path, "the table has no cells")
    absent, endless = np.isnan(table), np.isinf(table)
    refuses = reading.missing == "refuse"
    for bad, said in (
        (absent & refuses, f"is missing or not a number (a short row?); {REMEDY}"),
        (endless & (refuses | (table < 0)), f"is infinite; {REMEDY}"),
        (table < 0, "is negative; leave the cell empty if the call failed"),
        ((table > LONGEST) & ~endless, f"is beyond {LONGEST:.0e} s; valid: finite seconds >= 0"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            place = f"the delay of round {row}, worker {short(hosts[column])}"
            count = "the only such cell" if bad.sum() == 1 else f"{int(bad.sum())} such cells"
            defect, _, remedy = said.partition("; ")
            raise TableError(path, f"{place} {defect} ({count}); {remedy}")
    zero = table == 0
    gone = absent | endless | zero
    if refuses or not gone.any():
        return table, []
    counts = {
        "missing": int(absent.sum()) - failed,
        "timeout": failed,
        "infinite": int(endless.sum()),
        "zero": int(zero.sum()),
    }
    what = {"missing": "empty", "timeout": "failed", "infinite": "infinite", "zero": "0 s"}
    parts = ", ".join(f"{count} {what[kind]}" for kind, count in counts.items() if count)
    total = f"{int(gone.sum())} of {table.size} delays are missing ({parts})"
    rounds = gone.any(axis=1)
    hit = int(rounds.sum())
    if reading.missing == "drop-rounds":
        if rounds.all():
            worst = int(np.argmax(gone.sum(axis=0)))
            raise TableError(
                path,
                f"{total}; no round has every worker; leave worker {short(hosts[worst])} out, of "
                f"whose rounds {int(gone[:, worst].sum())} of {len(table)} are missing, or say "
                "--missing never",
            )
        text = f"{total}: {hit} of {len(table)} rounds are left out"
        repairs = [Repair("dropped", hit, text)]
        table = table[~rounds]
    else:
        text = f"{total}, in {hit} of {len(table)} rounds: these workers never arrive there"
        repairs = [Repair("never", int(gone.sum()), text)]
        table = np.where(gone, np.inf, table)
    counted = [Repair(kind, count) for kind, count in counts.items() if count]
    return table, repairs + counted
