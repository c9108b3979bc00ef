"""The codes of a config: what is attacked, and what is left out for which reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...sim.attack import Code, NoCode, code_of
from ...sim.theory import Bound, NoFormula, WorstCase, worst_bound, worst_cases
from ..config import build
from ..config.errors import ConfigError, at
from ..config.grid import Cell, cells

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
