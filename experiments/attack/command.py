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

from ...sim.attack import SearchBudget, worst_sets
from ...sim.numerics import one_thread
from ..config.cells import resolved
from ..config.document import write_yaml
from ..config.errors import ConfigError, at
from ..pictures import paint, style
from ..run import files
from ..run.compute import code_fingerprint
from ..run.outputs import ATTACK, CONFIG, Origin, holds_another
from .page import picture
from .study import AttackedCodes, attack_row, codes_of

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
        match = RANGE.fullmatch(part.strip())
        if match is None:
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
