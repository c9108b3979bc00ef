"""What the sections of a config can name: the registries, each with the key that holds the name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from delay_models import MODELS
from sim.load_laws import LOAD_LAWS
from sim.optimizers import OPTIMIZERS
from sim.problems import DATASETS, LOSSES
from sim.schemes import SCHEMES


@dataclass(frozen=True)
class Kind:
    """What a section can be.

    Attributes:
        tag: the section's key that holds the name.
        classes: the classes by name; their fields are the section's other keys.
    """

    tag: str
    classes: Mapping[str, type[Any]]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Everything that a document can name; each document has its own.

    Attributes:
        kinds: ``delays``, ``load_laws``, ``schemes``, ``data``, ``losses`` and ``optimizers``.
    """

    kinds: Mapping[str, Kind]

    def __getitem__(self, kind: str) -> Kind:
        return self.kinds[kind]

    @cached_property
    def names(self) -> Mapping[type, tuple[str, str]]:
        """Of each class the key and the name that a section gives it."""
        return {
            family: (kind.tag, name)
            for kind in self.kinds.values()
            for name, family in kind.classes.items()
        }


BUILT_IN = Catalogue(
    {
        "delays": Kind("model", MODELS),
        "load_laws": Kind("kind", LOAD_LAWS),
        "schemes": Kind("name", SCHEMES),
        "data": Kind("dataset", DATASETS),
        "losses": Kind("loss", LOSSES),
        "optimizers": Kind("rule", OPTIMIZERS),
    }
)
"""What comes with the simulator."""
