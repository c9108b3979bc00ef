"""The settings that several figures share, as parts of config documents.

The delays of the authors' experiments are exponential with mean 0.5 s. How long computing takes
beside them is our choice, and decides much, so two values are used: ``QUICK_WORK`` (a delay is 25
times as long as the work on a partition) and ``EVEN_WORK`` (they are equally long). The two load
laws agree at load 1: a worker then needs the work plus the delay under both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...sim.engines.policy import Policy
from ...sim.engines.run import Run, simulate
from ...sim.problems import Problem
from ...sim.types import Trace
from ..cells.compute import compute
from ..config import build
from ..config.grid import Cell, cells
from ..records.tables import Finished
from .base import Effort

Section = dict[str, Any]

WORKERS = 30
RATE = 2.0
"""1/s, of the exponential delays: mean 0.5 s."""

QUICK_WORK, EVEN_WORK = WORKS = (0.02, 0.5)
"""Seconds of work per partition."""

LAWS = ("proportional", "additive")

LAW_TITLES = {
    "proportional": "proportional law: $d$ (work + delay)",
    "additive": "additive law: $d$ work + delay",
}

THEORY = "lines: theory"
"""What legends say of the lines under simulated points."""

BREAST_CANCER: Section = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer", "l2": "1/rows"},
    "optimizer": {"rule": "accelerated", "learning_rate": 0.1},
}

POLICY_MARKERS = {Policy.CANCEL: "o", Policy.FINISH: "s", Policy.QUEUE: "^", Policy.DRAIN: "X"}


def clock(law: str, work: float) -> dict[str, Section]:
    """The ``delay`` and ``load_law`` sections: work in seconds per partition, and random delays."""
    if law == "additive":
        return {
            "delay": {"model": "exponential", "rate": RATE},
            "load_law": {"kind": "additive", "seconds_per_partition": work},
        }
    return {
        "delay": {"model": "shifted_exponential", "shift": work, "rate": RATE},
        "load_law": {"kind": "proportional"},
    }


def five_schemes(load: int, wait_for: int, workers: int = WORKERS) -> list[Section]:
    """The schemes of the authors' experiments; two of them wait for all but load - 1 workers."""
    return [
        {"name": "uncoded"},
        {"name": "ignore_stragglers", "wait_for": workers - load + 1},
        {"name": "cyclic_repetition", "load": load},
        {"name": "fractional_repetition", "load": load},
        {"name": "erasurehead", "load": load, "wait_for": wait_for},
    ]


def problem(document: Mapping[str, Any], effort: Effort) -> Problem:
    """The problem of a config document.

    Raises:
        ConfigError: its data are missing.
    """
    seeded = {"workers": WORKERS, "seed": effort.seed, **document}
    parts = build.training(cells(seeded)[0], effort.data_dir)
    assert parts is not None
    return parts.problem


def results(document: Mapping[str, Any], effort: Effort) -> list[Finished]:
    """Compute every cell of a config document in this process."""
    seeded = {"workers": WORKERS, "seed": effort.seed, **document}
    return [(cell, compute(cell, effort.data_dir)) for cell in cells(seeded)]


def half_way_loss(document: Section, effort: Effort) -> float:
    """The training loss that the exact gradient reaches after half of the iterations."""
    exact = document | {"schemes": [{"name": "uncoded"}], "replications": 1}
    [(_, result)] = results(exact, effort)
    return float(result.iterations["train_loss"].iloc[document["iterations"] // 2])


def clocks(
    document: Mapping[str, Any], effort: Effort, heard: bool = False
) -> Iterator[tuple[Cell, Run, Trace]]:
    """Run every cell of a timing-only document for its clock.

    Arrivals only where the scheme is inexact, or where they are asked for.
    """
    seeded = {"workers": WORKERS, "seed": effort.seed, **document}
    for cell in cells(seeded):
        run = build.timing(cell)
        yield cell, run, simulate(run, heard=heard or not run.scheme.exact, work=False)
