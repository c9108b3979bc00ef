"""The codes of a config and the worst stragglers of each, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...sim.attack import Code, NoCode, Worst, code_of
from ...sim.theory import Bound, NoFormula, WorstCase, worst_bound, worst_cases
from ..config import build
from ..config.cells import Cell, cells
from ..config.errors import ConfigError, at
from ..page.numbers import counted

# The codes of a config: what is attacked, and what is left out for which reason.


MOST_WORKERS = 20_000


@dataclass(frozen=True, eq=False)
class Subject:
    """A code of a config.

    Attributes:
        label: how table and picture name it.
        scheme: registry name of its scheme.
        code: encoding matrix and decoder.
        cases: what is known of its worst case.
        seed: the run's.
    """

    label: str
    scheme: str
    code: Code
    cases: Sequence[WorstCase]
    seed: int

    def bound(self, stragglers: int) -> Bound | None:
        """The least known upper bound of the error."""
        return worst_bound(self.cases, stragglers)


@dataclass(frozen=True)
class Found:
    """What a config holds.

    Attributes:
        subjects: its codes, in the config's order.
        left_out: a line for each scheme that is not attacked.
        keys: of all cells, for the table's origin.
    """

    subjects: list[Subject]
    left_out: list[str]
    keys: list[str]


def subjects(document: Mapping[str, Any]) -> Found:
    """The codes of a config; what differs in nothing that an attack sees is named once.

    Raises:
        ConfigError: the config is bad, or holds no code.
    """
    found, lines, known = list[Subject](), list[str](), set[str]()
    grid = cells(document)
    for cell in grid:
        said = json.dumps([cell.settings.workers, cell.settings.seed, cell.scheme], sort_keys=True)
        if said in known:
            continue
        known.add(said)
        subject = _subject(cell, found)
        if isinstance(subject, Subject):
            found.append(subject)
        else:
            lines.append(f"{cell.label}: {subject}")
    if not found:
        reasons = "; ".join(dict.fromkeys(lines))
        raise ConfigError(f"schemes: none is a code with an encoding matrix: {reasons}")
    return Found(found, [*dict.fromkeys(lines)], [cell.key for cell in grid])


def _subject(cell: Cell, before: Sequence[Subject]) -> Subject | str:
    """The code of a cell, or why there is none."""
    workers, name = cell.settings.workers, str(cell.scheme["name"])
    if workers > MOST_WORKERS:
        raise at("workers", workers, f"must be at most {MOST_WORKERS} for an attack")
    try:
        scheme = build.scheme_of(cell)
    except build.ImpossibleCell as error:
        if not cell.swept:
            raise
        return f"left out: {error}"
    code = code_of(scheme)
    if isinstance(code, NoCode):
        return f"left out: {code.reason}"
    seed = cell.settings.seed
    for other in before:
        if other.scheme == name and other.seed == seed and other.code.same(code):
            return f"left out: the same code and decoder as {other.label}"
    cases = worst_cases(scheme)
    known = () if isinstance(cases, NoFormula) else cases
    return Subject(_label(cell, code, before), name, code, known, seed)


def _label(cell: Cell, code: Code, before: Sequence[Subject]) -> str:
    """The cell's label; with its place in the grid where another code has the same."""
    taken = {(other.label, other.code.workers) for other in before}
    if (cell.label, code.workers) not in taken:
        return cell.label
    place = ", ".join(f"{key}={value}" for key, value in cell.swept.items())
    return f"{cell.label} [{place}]"


# The numbers of an attack as a table: one row per code and number of stragglers.


LOSS = 1e-6
"""An error up to here is rounding."""


def table(found: Iterable[tuple[Subject, Worst]]) -> pd.DataFrame:
    """Columns as ``docs/results.md`` has them."""
    return pd.DataFrame([_row(subject, worst) for subject, worst in found])


def _row(subject: Subject, worst: Worst) -> dict[str, object]:
    k = subject.code.partitions
    bound = subject.bound(worst.stragglers)
    return {
        "label": subject.label,
        "scheme": subject.scheme,
        "workers": subject.code.workers,
        "partitions": k,
        "stragglers": worst.stragglers,
        "worst_error": worst.error,
        "worst_relative": worst.error / k,
        "exact": worst.exact,
        "found_by": worst.found_by,
        "bound": np.nan if bound is None else bound.value,
        "bound_attained": bound is not None and bound.attained,
        "bound_source": "" if bound is None else bound.source,
        "random_mean": worst.mean,
        "random_se": worst.mean_error,
        "random_sets": worst.sets,
        "worst_set": " ".join(map(str, worst.members)),
    }


def rounding(rows: pd.DataFrame) -> str | None:
    """From how many stragglers on a decoder's rounding costs more than the bound allows, in words.

    Args:
        rows: of one code.
    """
    above = rows[rows["worst_error"] > rows["bound"] + LOSS]
    if above.empty:
        return None
    s = above["stragglers"].iloc[0]
    return f"from s = {s} on the decoder loses so many digits that errors exceed the upper bound"


def beginning(rows: pd.DataFrame) -> str:
    """From how many stragglers on a code loses something, in words.

    Args:
        rows: of one code.
    """
    lost = rows[rows["worst_error"] > LOSS]
    if lost.empty:
        most, proven = rows["stragglers"].max(), bool(rows["exact"].all())
        return f"no error {'with' if proven else 'was found with'} up to {most} stragglers"
    first = lost.iloc[0]
    k = first["partitions"]
    error = f"{first['worst_error']:.4g} of {k}"
    if first["stragglers"] == 0:
        return f"an error of {error} without stragglers"
    before = rows[rows["stragglers"] < first["stragglers"]]
    if before.empty:
        return f"an error of {error} with {counted(first['stragglers'], 'straggler')}"
    none = "no error" if bool(before["exact"].all()) else "no error was found"
    most, s = before["stragglers"].max(), first["stragglers"]
    gap = "" if s == most + 1 else f" ({most + 1} to {s - 1} not looked at)"
    return f"{none} up to s = {most}{gap}; the first, {error}, at s = {s}"
