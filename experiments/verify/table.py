"""The rows of the table, the verdict on each, the terminal's page and the files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd

from ...sim.tables import csv_of
from ...sim.theory import NoFormula
from ..page import terminal
from ..run import files
from ..text import number_of
from .compare import NotComparable, Outcome, Scored, bound

if TYPE_CHECKING:
    from rich.console import Console

FALSE_ALARM_CHANCE = (
    1e-4  # that any row of the whole table fails although simulator and theory are right
)
Verdict: TypeAlias = Literal["pass", "FAIL", "no formula", "not comparable"]


@dataclass(frozen=True)
class TableRow:
    """One quantity of one scheme in one setting."""

    workers: int
    delay: str
    load_law: str
    scheme: str
    quantity: str
    outcome: Outcome

    @property
    def setting(self) -> str:
        """The heading under which the row is shown."""
        return f"{self.workers} workers, {self.delay}, {self.load_law}"


@dataclass(frozen=True, eq=False)
class Verification:
    """Every row, and the bound for that many comparisons."""

    rows: list[TableRow]

    @cached_property
    def bound(self) -> float:
        """The largest |z| that passes."""
        random = [o for o in (row.outcome for row in self.rows) if isinstance(o, Scored)]
        return bound(sum(compared.varies for compared in random), FALSE_ALARM_CHANCE)

    def verdict(self, row: TableRow) -> Verdict:
        """Pass or fail, or why neither."""
        match row.outcome:
            case Scored() as found:
                return "pass" if found.excess <= self.bound else "FAIL"
            case NoFormula():
                return "no formula"
            case NotComparable():
                return "not comparable"

    @property
    def failed(self) -> list[TableRow]:
        """The rows that fail."""
        return [row for row in self.rows if self.verdict(row) == "FAIL"]

    def worst(self) -> tuple[TableRow, float] | None:
        """The row farthest from its closed form, or farthest above its bound, and its z."""
        both = ((row, row.outcome) for row in self.rows)
        scored = [(row, compared) for row, compared in both if isinstance(compared, Scored)]
        top = max(scored, key=lambda score: score[1].excess, default=None)
        return None if top is None else (top[0], top[1].z)

    def frame(self) -> pd.DataFrame:
        """One line per row: the setting, both numbers, standard error, z, verdict and reason."""
        return pd.DataFrame([self._record(row) for row in self.rows])

    def _record(self, row: TableRow) -> dict[str, object]:
        unknown = Scored(np.nan, np.nan, np.nan)
        compared = row.outcome if isinstance(row.outcome, Scored) else unknown
        return {
            **{name: value for name, value in vars(row).items() if name != "outcome"},
            "simulated": compared.simulated,
            "standard_error": compared.error,
            "expected": compared.expected,
            "z": compared.z,
            "one_sided": compared.one_sided,
            "verdict": self.verdict(row),
            "reason": "" if isinstance(row.outcome, Scored) else row.outcome.reason,
        }


VERIFY_FILES = ("verify.parquet", "verify.csv")


@files.postponed()
def write_verification(result: Verification, output: Path) -> None:
    """Write both files, after removing those of an earlier run."""
    frame = result.frame()
    parquet, csv = (output / name for name in VERIFY_FILES)
    files.remove([csv, parquet])
    files.write_table(parquet, frame)
    files.write_bytes(csv, csv_of(frame))


def show_verification(result: Verification, seconds: float) -> None:
    """Print every setting's rows, the failed rows once more, and the counts."""
    console = terminal.console(soft_wrap=True)
    _show_rows(console, result, result.rows)
    if result.failed:
        console.print("\nFailed", style="bold red")
        _show_rows(console, result, result.failed)
    console.print("\n" + "\n".join(summary(result, seconds)))


def _show_rows(console: Console, result: Verification, rows: list[TableRow]) -> None:
    for setting, of_setting in groupby(rows, key=lambda row: row.setting):
        console.print(f"\n{setting}", style="bold")
        console.print(_line("", "simulated", "closed form", "z", ""), style="dim")
        for scheme, quantities in groupby(of_setting, key=lambda row: row.scheme):
            console.print(f"  {scheme}")
            for row in quantities:
                outcome, verdict = row.outcome, result.verdict(row)
                if isinstance(outcome, Scored):
                    closed = f"{'<= ' if outcome.one_sided else ''}{outcome.expected:.6g}"
                    z = "exact" if outcome.z == 0.0 and not outcome.varies else f"{outcome.z:+.2f}"
                    # what rounding leaves of 0
                    simulated = 0.0 if abs(outcome.simulated) < 1e-20 else outcome.simulated
                    line = _line(row.quantity, f"{simulated:.6g}", closed, z, verdict)
                else:
                    line = f"    {row.quantity:<34} {verdict}: {outcome.reason}"
                console.print(line, style={"pass": None, "FAIL": "bold red"}.get(verdict, "dim"))


def _line(quantity: str, simulated: str, expected: str, z: str, verdict: str) -> str:
    return f"    {quantity:<34} {simulated:>14} {expected:>16} {z:>10}  {verdict}".rstrip()


def summary(result: Verification, seconds: float) -> list[str]:
    """The footer: counts, time and, where something was compared, the bound and the worst row."""
    counts = Counter(result.verdict(row) for row in result.rows)
    lines = [
        f"{number_of(len(result.rows), 'row')} in {seconds:.0f} s: {counts['pass']} pass, "
        f"{counts['FAIL']} fail, {counts['no formula']} without a formula, "
        f"{counts['not comparable']} cannot be compared"
    ]
    if worst := result.worst():
        row, z = worst
        lines += [
            f"bound on |z|: {result.bound:.2f}; a table without errors has a row beyond it with a "
            f"chance of at most {FALSE_ALARM_CHANCE:g}",
            f"worst |z|: {abs(z):.2f}, {row.quantity}, {row.scheme}",
            f"  ({row.setting})",
        ]
    return lines
