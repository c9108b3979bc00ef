"""What a recommendation is for: a config, or a measured table, and the schemes of today."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...delay_models import Tape
from ...delay_models.base import ReplayedDelays
from ...sim.problems import Problem
from ..config import build
from ..config.catalogue import Catalogue
from ..config.cells import Cell, catalogue_of, cells
from ..config.errors import ConfigError, at
from ..run.estimate import Room, check, size

MOST_WORKERS = 2000

SEARCHED, LONGEST, LARGEST = 64, 20.0, 2**30
"""Replications of a run of the search, and the seconds and bytes that one may take."""

ROUNDS = 200
"""Rounds that are drawn to see what is typical."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A cluster and, if any, its problem.

    Attributes:
        name: of the config or the table.
        base: the config without its schemes, every default written out.
        given: sections of the schemes that the config compares, with their labels.
        catalogue: what a config can name.
        problem: what is trained; ``None``: timing only.
        features: p; 0 without a problem.
        typical: seconds, median time of a worker with one partition.
        centre: seconds, median unit delay.
        worker_time: seconds at load 1 and 2, medians, and the mean of the slowest of n at load 1.
        replayed: whether all replications read the same delays.
        notes: what should be known of the input, a line each.
        data_dir: where the public data sets lie.
    """

    name: str
    base: Mapping[str, Any]
    given: tuple[Mapping[str, Any], ...]
    catalogue: Catalogue
    problem: Problem | None
    features: int
    typical: float
    centre: float
    worker_time: tuple[float, float, float]
    replayed: bool
    notes: tuple[str, ...]
    data_dir: Path | None = None

    @property
    def workers(self) -> int:
        """n."""
        return int(self.base["workers"])

    @property
    def iterations(self) -> int:
        """T of the config."""
        return int(self.base["iterations"])

    @property
    def text(self) -> str:
        """The base as JSON."""
        return json.dumps(self.base)


TODAY = {"name": "uncoded", "label": "uncoded"}
"""The scheme of today where a config names none."""


def of_config(
    document: Mapping[str, Any], data_dir: Path | None, notes: Sequence[str] = ()
) -> Subject:
    """Read a config; it may leave its schemes out.

    Raises:
        ConfigError: it is bad, has a grid, or its data are missing.
    """
    if document.get("sweep"):
        keys = ", ".join(map(str, document["sweep"]))
        raise ConfigError(f"sweep: must be empty; choose one value with --set for {keys}")
    whole = {"schemes": [TODAY], **document}
    if not whole["schemes"]:
        whole["schemes"] = [TODAY]
    grid, left_out = _possible(cells(whole, data_dir), data_dir)
    first = grid[0]
    settings = first.settings
    _, learning = build.both(first, data_dir)
    model, law, n = settings.delay, settings.load_law, settings.workers
    rounds = min(ROUNDS, model.rounds_available() or ROUNDS)
    tape = Tape(model, n, settings.seed, 0)
    unit = tape.rows(0, rounds)
    one, two = (law.worker_times(tape, np.full(n, load), 0, rounds) for load in (1, 2))
    finite = np.where(np.isfinite(one), one, np.nan)
    if not np.isfinite(finite).any():
        raise ConfigError("delay: no worker ever arrives in the first rounds")
    slowest = float(np.nanmean(np.nanmax(finite, axis=1)))
    replayed = isinstance(model, ReplayedDelays)
    lines = [*notes, *left_out, *build.warnings(settings)]
    if replayed:
        lines.append(
            "every replication replays the same delays, so that intervals say nothing of other "
            "days; {model: trace, resample: rounds} draws whole rounds anew"
        )
    typical = float(np.nanmedian(finite))
    if typical <= 0:
        raise ConfigError("delay: half or more of the delays are 0 s; nothing to compare")
    return Subject(
        settings.name,
        {key: value for key, value in first.document.items() if key not in ("schemes", "sweep")},
        tuple(_section(cell) for cell in grid),
        catalogue_of(whole),
        None if learning is None else learning.problem,
        0 if learning is None else learning.problem.features,
        typical,
        float(np.nanmedian(np.where(np.isfinite(unit), unit, np.nan))),
        (typical, float(np.nanmedian(np.where(np.isfinite(two), two, np.nan))), slowest),
        replayed,
        tuple(dict.fromkeys(lines)),
        data_dir,
    )


def _possible(grid: Sequence[Cell], data_dir: Path | None) -> tuple[list[Cell], list[str]]:
    """The cells that can be built, and a line for each other one: of a list of values, some may not
    suit the rest.

    Raises:
        ConfigError: there is none, one takes too long for a search of some hundred schemes, or data
            are missing.
    """
    settings = grid[0].settings
    if settings.workers > MOST_WORKERS:
        raise at("workers", settings.workers, f"must be at most {MOST_WORKERS} for a search")
    found = check(grid, data_dir, Room.here(Path()))
    possible = [cell for cell in grid if cell.key in found.estimates]
    for cell in possible:
        need = found.estimates[cell.key]
        share = SEARCHED / cell.settings.replications
        seconds, memory = need.seconds * share, need.memory * share
        if seconds > LONGEST or memory > LARGEST:
            what = (
                f"{cell.label} takes about {seconds:.3g} s and {size(memory)} for one of many runs"
            )
            valid = f"at most {LONGEST:g} s and {size(LARGEST)} for a search"
            raise at("iterations", settings.iterations, f"{what}; must be {valid}: take fewer")
    left_out = [
        f"{cell.label} is left out: {found.impossible[cell.key]}"
        for cell in grid
        if cell.key in found.impossible
    ]
    return possible, left_out


def _section(cell: Cell) -> Mapping[str, Any]:
    return {**cell.scheme, "label": cell.label}
