"""``erasurehead verify``: simulate, compare, show and keep every row."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from ....sim.base.numerics import one_thread
from ....sim.theory import NoFormula
from ...config.cells import Cell, cells
from ...config.names import shown_name
from ...page import terminal
from ...run import files
from ...run.estimate import Room, free_memory, require_memory
from ...text import number_of
from ..request import VerifyRequest
from . import compare, grid
from .compare import NotComparable, Outcome, Scored, bound

if TYPE_CHECKING:
    from rich.console import Console


Compared = Callable[[grid.Case], compare.Quantities]
COMPARISONS: tuple[Compared, ...] = (
    compare.compare_iteration_time,
    compare.compare_law_engine,
    compare.compare_decoding_error,
    compare.compare_moments,
    compare.compare_losses,
)

Progress = Callable[[int, int], None]  # called with schemes done and schemes in all


def compare_settings(
    settings: Sequence[grid.Setting],
    asked: VerifyRequest,
    progress: Progress = lambda done, total: None,
    comparisons: Sequence[Compared] = COMPARISONS,
) -> Verification:
    """Simulate every scheme of every setting and compare it with the theory; ``progress`` is told
    of each. Cost: 80 s on one core for the grid and 200,000 rounds; 1.5 kB of memory per round."""
    total = sum(len(setting.labels) for setting in settings)
    rows: list[TableRow] = []
    done = 0
    progress(done, total)
    with one_thread():
        for setting in settings:
            law = grid.name_and_fields(setting.law.kind, setting.law)
            names = setting.workers, grid.delay_label(setting.delay), law
            for label, case in zip(setting.labels, grid.cases(setting, asked), strict=True):
                rows += [
                    TableRow(*names, label, name, outcome)
                    for compared in comparisons
                    for name, outcome in compared(case)
                ]
                done += 1
                progress(done, total)
    return Verification(rows)


def verify_grid(asked: VerifyRequest, document: Mapping[str, Any] | None = None) -> bool:
    """Verify the whole grid, or a config's, show the table and keep it; True when every row passes.
    Of a config the mean and a quantile of the iteration time and the mean decoding error are
    compared, in as many rounds as asked for. Raises ConfigError: a bad config, or so many
    replications do not fit into memory, unless ``allow_large``."""
    settings, others, compared = grid.whole_grid(), list[tuple[Cell, str]](), COMPARISONS
    if document is not None:
        of_config, others = grid.of_config(cells(document))
        settings = tuple(of_config)  # compared in what the tables of a run have closed forms of
        compared = (compare.compare_iteration_time, compare.compare_decoding_error)
    room = Room() if asked.allow_large else Room(free_memory())
    what = f"--replications {asked.replications}"
    # bytes of a round of one scheme: 1500 at least, and 50 a worker
    most = max([1500, *(50 * setting.workers for setting in settings)])
    require_memory(most * asked.replications, room, what, "take fewer")
    if document is None:
        count = number_of(sum(len(setting.labels) for setting in settings), "scheme")
        alone = "the schemes of a config alone: verify CONFIG.yaml"
        terminal.say(f"{count}, {asked.replications} rounds each: one to five minutes; {alone}")
    began, output = time.monotonic(), asked.output
    with nullcontext() if output is None else files.output_folder(output, VERIFY_FILES):
        with terminal.progress("schemes") as progress:
            result = compare_settings(settings, asked, progress, compared)
        for cell, why in others:
            n, delay, law = cell.settings.workers, cell.settings.delay, cell.settings.load_law
            names = n, grid.delay_label(delay), law.kind, cell.label, "iteration time and error"
            result.rows.append(TableRow(*names, NoFormula(why)))
        show_verification(result, time.monotonic() - began)
        if output is not None:
            write_verification(result, output)
            terminal.say(f"results in {output}/")
    return not result.failed


# that any row of the whole table fails although simulator and theory are right
FALSE_ALARM_CHANCE = 1e-4
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

    @property
    def shown(self) -> str:
        """The scheme as a person reads it."""
        return shown_name(self.scheme, self.scheme.partition(" ")[0])


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
    parquet, csv = (output / name for name in VERIFY_FILES)
    files.remove([csv, parquet])
    files.write_table(parquet, result.frame(), csv=True)


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
        for scheme, quantities in groupby(of_setting, key=lambda row: row.shown):
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
            f"worst |z|: {abs(z):.2f}, {row.quantity}, {row.shown}",
            f"  ({row.setting})",
        ]
    return lines
