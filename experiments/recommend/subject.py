"""What a recommendation is for: a config, or a measured table, and the schemes of today."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from delay_models import Tape
from delay_models.base import ReplayedDelays
from experiments.config import build
from experiments.config.catalogue import Catalogue
from experiments.config.errors import ConfigError
from experiments.config.grid import Cell, catalogue_of, cells
from sim.problems import Problem

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
    grid = cells(whole, data_dir)
    first = grid[0]
    run, learning = build.both(first, data_dir)
    del run
    settings = first.settings
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
    lines = [*notes, *build.warnings(settings)]
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


def _section(cell: Cell) -> Mapping[str, Any]:
    return {**cell.scheme, "label": cell.label}
