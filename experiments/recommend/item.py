"""What is measured: one scheme on one set of delays, as plain values that any process can take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...sim.errors import EngineRefused, InvalidParameter, NeverEnough
from ..config.catalogue import with_plugins
from ..config.cells import Cell
from ..config.codec import plain
from ..config.errors import ConfigError
from ..config.settings import Settings, validate
from ..config.settings import section as setting
from .dials import AS_IT_IS, Dial
from .goal import Goal

REFUSALS = (ConfigError, EngineRefused, InvalidParameter, NeverEnough)
"""What says that a scheme does not suit the cluster."""


@dataclass(frozen=True)
class Item:
    """What is measured.

    Attributes:
        place: tells items apart.
        base: the config without its schemes, every default written out, as JSON.
        scheme: its section, as JSON.
        seed: of the problem, and of the delays but for ``delays``.
        iterations, replications: instead of the config's.
        goal: what is looked at.
        rates: learning rates; empty: the clock alone.
        data_dir: where the public data sets lie.
        dial: what is changed about the delays.
        delays: is added to the seed of the delays: others for the same problem.
    """

    place: int
    base: str
    scheme: str
    seed: int
    iterations: int
    replications: int
    goal: Goal
    rates: tuple[float, ...] = ()
    data_dir: Path | None = None
    dial: Dial = AS_IT_IS
    delays: int = 0


@dataclass(frozen=True)
class Refused:
    """A scheme that cannot be measured here, and why."""

    reason: str


def cell_of(item: Item) -> Cell:
    """The cell that an item stands for, as ``run`` would have it."""
    base: Mapping[str, Any] = json.loads(item.base)
    settings = _settings(item.base)
    catalogue = with_plugins(base.get("plugins", []))
    entries = setting("schemes", [json.loads(item.scheme)], catalogue)
    changed = {
        "schemes": entries,
        "seed": (item.seed + item.delays) % 2**63,
        "iterations": item.iterations,
        "replications": item.replications,
    }
    section = {**plain(entries[0].family, catalogue), "label": entries[0].label}
    cell = Cell({**base, "schemes": [section]}, entries[0].label, {}, 0, "")
    cell.__dict__["settings"] = settings.model_copy(update=changed)
    return cell


@lru_cache(maxsize=2)
def _settings(base: str) -> Settings:
    """Read once in each process: a trace may be long."""
    document = {**json.loads(base), "schemes": [{"name": "uncoded"}]}
    return validate(document, with_plugins(document.get("plugins", [])))
