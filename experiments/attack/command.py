"""``erasurehead attack``: the search for every code of a config, and what it leaves in a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...sim.attack import Code, NoCode, SearchBudget, Worst, code_of, worst_sets
from ...sim.numerics import one_thread
from ...sim.theory import NoFormula, WorstCase, worst_bound, worst_cases
from ..config import build
from ..config.cells import Cell, cells, resolved
from ..config.document import write_yaml
from ..config.errors import ConfigError, at
from ..pictures import paint, style
from ..run import files
from ..run.compute import code_fingerprint
from ..run.outputs import ATTACK, CONFIG, Origin, holds_another
from .page import picture

MOST_WORKERS = 20_000


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
    found, lines, known, grid = list[AttackedCode](), list[str](), set[str](), cells(document)
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
    seed, label, cases = cell.settings.seed, cell.label, worst_cases(scheme)
    for other in before:
        if other.scheme == name and other.seed == seed and other.code.same(code):
            return f"left out: the same code and decoder as {other.label}"
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


RANGE = re.compile(r"0*([0-9]{1,9})(?::0*([0-9]{1,9}))?")
VALID = "must be numbers or ranges A:B (both included), with commas between"
SMALL, MOST = 10, 30  # by default every number up to ``SMALL``, some ``MOST`` in all


def straggler_numbers(text: str | None, workers: int) -> Sequence[int]:
    """Numbers of stragglers, ascending; by default from 0 to half of the workers. Raises
    ConfigError: not numbers and ranges, or more stragglers than workers."""
    if text is None:
        last = max(1, workers // 2)
        if last <= MOST:
            return range(last + 1)
        rest = np.linspace(SMALL, last, MOST - SMALL).round().astype(int)
        return sorted({*range(SMALL), *rest.tolist()})
    found = set[int]()
    for part in text.split(","):
        if (match := RANGE.fullmatch(part.strip())) is None:
            raise at("--stragglers", text, VALID)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= workers:
            valid = f"must be from 0 to workers = {workers}, the smaller number first"
            raise at("--stragglers", text, valid)
        found |= {*range(first, last + 1)}
    return sorted(found)


PARQUET, CSV, *PICTURES = ATTACK
FILES = (CONFIG, *ATTACK)


@dataclass(frozen=True)
class AttackPlan:
    """What is going to be attacked: the codes of a resolved config."""

    config: Mapping[str, Any]
    attacked: AttackedCodes
    counts: list[list[int]] = field(repr=False)  # numbers of stragglers for each code
    effort: SearchBudget

    @property
    def origin(self) -> Origin:
        """Of the table: the config, its cells, what was asked for, and the code that answered."""
        asked = json.dumps([self.counts, self.effort.budget, self.effort.samples])
        return Origin.of(self.config, [*self.attacked.keys, asked], code_fingerprint())


def plan_attack(document: Mapping[str, Any], asked: str | None, effort: SearchBudget) -> AttackPlan:
    """Read a config and find its codes; what is asked are numbers as ``--stragglers`` has them.
    Raises ConfigError: the config or an option is bad, or there is no code."""
    config, attacked = resolved(document), codes_of(document)
    wanted = [[*straggler_numbers(asked, one.code.workers)] for one in attacked.codes]
    return AttackPlan(config, attacked, wanted, effort)


def attack_codes(planned: AttackPlan, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """Search the worst stragglers of every code; ``progress`` is told of numbers of stragglers that
    are done, and of all. Cost: for each of them as ``sim.attack.worst_sets``."""
    total, rows = sum(map(len, planned.counts)), list[dict[str, object]]()
    progress(0, total)
    with one_thread():
        for attacked, wanted in zip(planned.attacked.codes, planned.counts, strict=True):
            effort = replace(planned.effort, seed=attacked.seed)
            for worst in worst_sets(attacked.code, wanted, effort, attacked.ceiling):
                rows.append(attack_row(attacked, worst))
                progress(len(rows), total)
    return pd.DataFrame(rows)


def require_own(output: Path, config: Mapping[str, Any]) -> None:
    """Refuse (ConfigError) a folder in which a run of another config has left its result."""
    if holds_another(output, config):
        raise ConfigError(f"{output}: holds the result of another config; give another --output")


@files.postponed()
def write_attack(planned: AttackPlan, frame: pd.DataFrame, output: Path) -> list[Path]:
    """Write config, table and pictures under ``output``; returns the files. The CSV goes first and
    comes last: what lies beside it is of one config."""
    files.remove(output / name for name in (CSV, *PICTURES, PARQUET))
    files.write_bytes(output / CONFIG, write_yaml(planned.config).encode())
    files.write_table(output / PARQUET, frame, planned.origin.facts)
    style.save(paint.figure(picture(frame)), output / Path(PICTURES[0]).stem)
    files.write_bytes(output / CSV, frame.to_csv(index=False).encode())
    return [output / name for name in FILES]
