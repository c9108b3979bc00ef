"""What the sections of a config can name: the registries, and what plugins add to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...delay_models import MODELS, DelayModel
from ...sim.load_laws import LOAD_LAWS, LoadLaw
from ...sim.optimizers import OPTIMIZERS, Optimizer
from ...sim.problems import DATASETS, LOSSES, DatasetFamily, Problem
from ...sim.schemes import SCHEMES, SchemeFamily


@dataclass(frozen=True)
class Kind:
    """What a section can be.

    Attributes:
        tag: the section's key that holds the name.
        family: what all classes derive from.
        classes: the classes by name; their fields are the section's other keys.
        attribute: the class variable in which a plugin's class says its name.
    """

    tag: str
    family: type[Any]
    classes: Mapping[str, type[Any]]
    attribute: str = "name"


@dataclass(frozen=True)
class Plugin:
    """Code from elsewhere whose classes a document can name; see ``experiments.config.plugins``.

    Attributes:
        name: how the config or the distribution calls it.
        digest: hash of its code.
        classes: the classes that it defines.
        files: where the code lies.
        listed: whether the config names it: every cell of such a config depends on its code. Of an
            installed one's code, those do that use a class of it.
    """

    name: str
    digest: str
    classes: tuple[type[Any], ...]
    files: tuple[Path, ...]
    listed: bool = True


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Everything that a document can name; each document has its own.

    Attributes:
        kinds: ``delays``, ``load_laws``, ``schemes``, ``data``, ``losses`` and ``optimizers``.
        plugins: where the classes come from that are not built in.
    """

    kinds: Mapping[str, Kind]
    plugins: tuple[Plugin, ...] = ()

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
        "delays": Kind("model", DelayModel, MODELS),
        "load_laws": Kind("kind", LoadLaw, LOAD_LAWS, attribute="kind"),
        "schemes": Kind("name", SchemeFamily, SCHEMES),
        "data": Kind("dataset", DatasetFamily, DATASETS),
        "losses": Kind("loss", Problem, LOSSES),
        "optimizers": Kind("rule", Optimizer, OPTIMIZERS, attribute="rule"),
    }
)
"""What comes with the simulator."""
