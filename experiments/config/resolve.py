"""Writes out what a config leaves unsaid, so that two ways to say one thing are one cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from delay_models import MODELS
from experiments.config.errors import ConfigError
from sim.load_laws import LOAD_LAWS
from sim.optimizers import OPTIMIZERS
from sim.problems import DATASETS
from sim.problems.build import ProblemSettings
from sim.schemes import SCHEMES

Section = dict[str, Any]


DEEPEST = 20
"""How deep delay models may be nested; a YAML file can even hold itself."""


def delay(section: Section, depth: int = 0) -> Section:
    """A ``delay`` section with the defaults of its model and of the models nested in it.

    Raises:
        ConfigError: models are nested more than ``DEEPEST`` deep.
    """
    if depth > DEEPEST:
        raise ConfigError(f"delay: models are nested more than {DEEPEST} deep")
    filled = _filled(section, "model", MODELS)
    return {key: _nested(value, depth + 1) for key, value in filled.items()}


def _nested(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return delay(dict(value), depth)
    return [_nested(entry, depth) for entry in value] if isinstance(value, list) else value


def load_law(section: Section) -> Section:
    """A ``load_law`` section with its law's defaults."""
    return _filled(section, "kind", LOAD_LAWS)


def scheme(section: Section) -> Section:
    """A scheme's section with its family's defaults."""
    return _filled(section, "name", SCHEMES)


def optimizer(section: Section | None) -> Section | None:
    """An ``optimizer`` section with its rule's defaults."""
    return None if section is None else _filled(section, "rule", OPTIMIZERS)


def problem(section: Section | None) -> Section | None:
    """A ``problem`` section with the defaults of every problem and of its data set."""
    if section is None:
        return None
    filled = _filled(section, "dataset", DATASETS)
    return filled | {k: v for k, v in _defaults(ProblemSettings).items() if k not in filled}


def label(section: Section) -> str:
    """How tables and pictures name a scheme: its name and whatever is not a default."""
    if section.get("label") is not None:
        return str(section["label"])
    defaults = _defaults(SCHEMES.get(str(section.get("name"))))
    said = {k: v for k, v in section.items() if k not in {"name", "label"}}
    unusual = [f"{k}={_shown(v)}" for k, v in said.items() if k not in defaults or defaults[k] != v]
    return " ".join([str(section.get("name")), *unusual])


def _shown(value: Any) -> Any:
    """A load of 3.0 is a load of 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _filled(section: Section, tag: str, registry: Mapping[str, type]) -> Section:
    defaults = _defaults(registry.get(str(section.get(tag))))
    return section | {k: v for k, v in defaults.items() if k not in section}


def _defaults(family: type | None) -> Section:
    if family is None:
        return {}
    return {f.name: f.default for f in fields(family) if f.default is not MISSING}
