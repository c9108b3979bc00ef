"""From a section to a problem in one call."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.problems import Problem, parse_problem
from sim.types import FloatArray


def build_problem(
    settings: Mapping[str, Any], partitions: int, seed: int, data_dir: Path | None = None
) -> tuple[Problem, FloatArray]:
    """The problem and its start."""
    return parse_problem(settings).build(partitions, seed, data_dir)
