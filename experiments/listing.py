"""``erasurehead list``: what a config can name, read from the registries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from inspect import getdoc

from rich.console import Console

from delay_models import MODELS
from experiments.config.errors import at, one_of
from experiments.reproduce import FIGURES
from sim.load_laws import LOAD_LAWS
from sim.optimizers import OPTIMIZERS
from sim.problems import DATASETS
from sim.schemes import SCHEMES

REGISTRIES: dict[str, Mapping[str, object]] = {
    "schemes": SCHEMES,
    "delays": MODELS,
    "load_laws": LOAD_LAWS,
    "problems": DATASETS,
    "optimizers": OPTIMIZERS,
    "figures": FIGURES,
}


def show(what: str | None) -> None:
    """What a config can name.

    Raises:
        ConfigError: ``what`` is not a list we have.
    """
    if what is not None and what not in REGISTRIES:
        raise at("list", what, one_of(REGISTRIES, what))
    console = Console(highlight=False)
    for title, registry in REGISTRIES.items():
        if what in (None, title):
            console.print(f"[bold]{title}[/bold]")
            for name, entry in registry.items():
                console.print(f"  {_signature(name, entry)}", markup=False, soft_wrap=True)
                first = (getdoc(entry) or "").splitlines()[0]
                console.print(f"      {first}", markup=False, soft_wrap=True)


def _signature(name: str, entry: object) -> str:
    if not isinstance(entry, type):
        return name
    return " ".join([name, *(_field(field) for field in fields(entry))])


def _field(field: Field[object]) -> str:
    return field.name if field.default is MISSING else f"[{field.name}={field.default}]"
