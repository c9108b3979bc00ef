"""From a section to a problem in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from erasurehead.sim.problems import DATASETS, Problem, ProblemConfig, ProblemSettings
from erasurehead.sim.types import FloatArray


def build_problem(
    section: Mapping[str, Any], partitions: int, seed: int, data_dir: Path | None = None
) -> tuple[Problem, FloatArray]:
    """The problem and its start."""
    shared = {field.name for field in fields(ProblemSettings)}
    settings = ProblemSettings(**{key: section[key] for key in shared & set(section)})
    own = {key: value for key, value in section.items() if key not in shared}
    family = DATASETS[settings.dataset](**own)
    return ProblemConfig(settings, family).build(partitions, seed, data_dir)
