"""The codes of a config and the worst stragglers of each, as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...sim.attack import Code, NoCode, Worst, code_of
from ...sim.theory import NoFormula, WorstCase, worst_bound, worst_cases
from ..config import build
from ..config.cells import Cell, cells
from ..config.errors import ConfigError, at

MOST_WORKERS = 20_000
LOSS = 1e-6  # an error up to here is rounding


@dataclass(frozen=True, eq=False)
class AttackedCode:
    """A code of a config, with what is known of its worst case, and the run's seed."""

    label: str
    scheme: str
    code: Code
    cases: Sequence[WorstCase]
    seed: int

    def ceiling(self, stragglers: int) -> float | None:
        """The least known upper bound of the error."""
        bound = worst_bound(self.cases, stragglers)
        return None if bound is None else bound.value


@dataclass(frozen=True)
class AttackedCodes:
    """The codes of a config that are attacked, lines of those left out, and keys of all cells."""

    codes: list[AttackedCode]
    left_out: list[str]
    keys: list[str]


def codes_of(document: Mapping[str, Any]) -> AttackedCodes:
    """The codes of a config; equal ones once. Raises ConfigError: it is bad, or holds no code."""
    found, lines, known = list[AttackedCode](), list[str](), set[str]()
    grid = cells(document)
    for cell in grid:
        said = json.dumps([cell.settings.workers, cell.settings.seed, cell.scheme], sort_keys=True)
        if said in known:
            continue
        known.add(said)
        attacked = _attacked(cell, found)
        if isinstance(attacked, AttackedCode):
            found.append(attacked)
        else:
            lines.append(f"{cell.label}: {attacked}")
    if not found:
        reasons = "; ".join(dict.fromkeys(lines))
        raise ConfigError(f"schemes: none is a code with an encoding matrix: {reasons}")
    return AttackedCodes(found, [*dict.fromkeys(lines)], [cell.key for cell in grid])


def _attacked(cell: Cell, before: Sequence[AttackedCode]) -> AttackedCode | str:
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
    label = cell.label
    if (label, code.workers) in {(other.label, other.code.workers) for other in before}:
        label += f" [{', '.join(f'{key}={value}' for key, value in cell.swept.items())}]"
    return AttackedCode(label, name, code, () if isinstance(cases, NoFormula) else cases, seed)


def attack_row(attacked: AttackedCode, worst: Worst) -> dict[str, object]:
    """A code and a number of stragglers; ``docs/results.md`` has the columns."""
    k = attacked.code.partitions
    bound = worst_bound(attacked.cases, worst.stragglers)
    return {
        "label": attacked.label,
        "scheme": attacked.scheme,
        "workers": attacked.code.workers,
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
