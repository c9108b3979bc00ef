"""``erasurehead list``: what a config can name, read from the registries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from delay_models import MODELS
from experiments.config.errors import at, one_of
from experiments.config.surroundings import FailureSettings
from experiments.described import described, first_sentence
from sim.engines.network import Network
from sim.load_laws import LOAD_LAWS
from sim.optimizers import OPTIMIZERS
from sim.problems import DATASETS, LOSSES
from sim.problems.build import ProblemSettings
from sim.schemes import SCHEMES

Entries = Mapping[str, type]

SECTIONS: Mapping[str, tuple[str, Entries]] = {
    "schemes": ("an entry of schemes: {name: ..., fields}", SCHEMES),
    "delays": ("delay: {model: ..., fields}", MODELS),
    "load_laws": ("load_law: {kind: ..., fields}", LOAD_LAWS),
    "data": ("problem: {dataset: ..., fields}", {"every data set": ProblemSettings} | DATASETS),
    "losses": ("problem: {loss: ...}", LOSSES),
    "optimizers": ("optimizer: {rule: ..., fields}", OPTIMIZERS),
    "network": ("network: {fields}", {"network": Network}),
    "failures": ("failures: {fields}", {"failures": FailureSettings}),
}
"""What each list shows, and where that stands in a config."""

FIGURES = "figures"
OLD = {"problems": "data"}


def show(what: str | None) -> None:
    """Print what a config can name, with type, unit, range and default of every field.

    Args:
        what: one list; default all.

    Raises:
        ConfigError: ``what`` is not a list we have.
    """
    names = [*SECTIONS, FIGURES]
    what = OLD.get(what or "", what)
    if what is not None and what not in names:
        raise at("list", what, one_of(names, what))
    console = Console(highlight=False, markup=False)
    for name in names if what is None else [what]:
        if name == FIGURES:
            _show_figures(console)
        else:
            _show_section(console, name, *SECTIONS[name])


def _show_section(console: Console, title: str, place: str, entries: Entries) -> None:
    console.print(Text.assemble((title, "bold underline"), "  in a config: ", (place, "italic")))
    for name, family in entries.items():
        console.print(Padding(Text(name, "bold"), (1, 0, 0, 0)))
        console.print(Padding(first_sentence(family), (0, 0, 0, 2)))
        if title != "losses":  # their fields are the data
            _show_fields(console, family)
    console.print()


def _show_fields(console: Console, family: type) -> None:
    rows = described(family)
    if not rows:
        return
    shown: dict[str, Callable[..., str]] = {
        "field": lambda row: row.name,
        "value": lambda row: row.value,
        "unit": lambda row: row.unit,
        "default": lambda row: row.default,
        "meaning": lambda row: row.meaning,
    }
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    for title, of in shown.items():
        if any(map(of, rows)):
            whole = title in ("field", "unit", "default")
            table.add_column(title, no_wrap=whole, min_width=14 if title == "value" else None)
    for row in rows:
        table.add_row(*(Text(of(row)) for of in shown.values() if any(map(of, rows))))
    console.print(Padding(table, (0, 0, 0, 4)))


def _show_figures(console: Console) -> None:
    from experiments.reproduce import FIGURES as figures

    console.print(Text.assemble(("figures", "bold underline"), "  erasurehead reproduce NAME ..."))
    for name, figure in figures.items():
        console.print(Padding(Text(name, "bold"), (1, 0, 0, 0)))
        console.print(Padding(first_sentence(figure), (0, 0, 0, 2)))
