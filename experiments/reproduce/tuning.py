"""One target loss for all schemes of a figure, and the runs of each at several learning rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...sim.engines.run import Run
from ...sim.problems import Problem
from ..config import build
from ..config.grid import cells
from ..tuning import Runs, trained
from . import setting
from .base import Effort

Section = dict[str, Any]

RULE = "gd"
"""Plain gradient descent with a constant rate."""

RATES = tuple(2.0**k for k in range(-7, 5))
"""The grid of learning rates."""


def problem(document: Mapping[str, Any], effort: Effort) -> Problem:
    """The problem of a document without schemes and optimizer."""
    return setting.problem({**document, "schemes": [{"name": "uncoded"}], **_any_rate()}, effort)


def train(
    document: Mapping[str, Any], scheme: Section, rates: Sequence[float], effort: Effort
) -> tuple[Run, Iterator[Runs]]:
    """One scheme on the delays and the problem of a document, at each rate."""
    whole = {"workers": setting.WORKERS, "seed": effort.seed, **document, **_any_rate()}
    [cell] = cells({**whole, "schemes": [scheme]})
    run, learning = build.both(cell, effort.data_dir)
    assert learning is not None
    return run, trained(run, learning, rates)


def _any_rate() -> Section:
    return {"optimizer": {"rule": RULE, "learning_rate": 1.0}}
