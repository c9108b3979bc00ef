"""Options that several commands have, and how their values are read."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import ArgumentInfo

from ..sim.base.errors import ConfigError, Option, address_defect, at
from ..sim.base.reading import UNITS, Reading, parse_columns
from .text import enumerated

# names that a place of the command line takes
Known = Literal["data", "examples", "figures", "kinds", "keys", "topics"]
# commands whose output folder ``report`` takes
REPORTED = "run, sweep, live, fit, whatif, recommend, reproduce or report"
# what can stand in a place of the command line that begins so
Complete = Callable[[Any, str], list[str]]
MOST_ROUNDS = 10**7  # rounds that ``verify`` may simulate of each scheme: 15 GB
MOST_JOBS = 1024  # processes that a command may start; a machine with more cores takes a cluster


def whole(least: int, most: int, meaning: str, panel: str | None = None) -> Any:
    """An option that is a whole number in this range; ``panel`` is its box of the help."""

    def read(given: str | int) -> int:
        text = str(given).strip()
        plain = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20
        if not plain or not least <= int(text) <= most:
            raise typer.BadParameter(f"must be a whole number from {least} to {most}, not {text}")
        return int(text)

    return typer.Option(parser=read, metavar="N", help=meaning, rich_help_panel=panel)


def numbers_up_to(workers: int, text: str) -> list[int]:
    """What ``--stragglers`` says, ascending. Raises ConfigError: not numbers and ranges, or more
    stragglers than workers."""
    chosen = set[int]()
    for word in text.split(","):
        match = re.fullmatch(r"0*([0-9]{1,9})(?::0*([0-9]{1,9}))?", word.strip())
        if match is None:
            valid = "must be numbers or ranges A:B (both included), with commas between"
            raise at("--stragglers", text, valid)
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= workers:
            valid = f"must be from 0 to workers = {workers}, the smaller number first"
            raise at("--stragglers", text, valid)
        chosen |= {*range(first, last + 1)}
    return sorted(chosen)


def option(
    meaning: str,
    *names: str,
    metavar: str | None = None,
    complete: Complete | None = None,
    panel: str | None = None,
) -> Any:
    """An option, called as its parameter is unless it has names; a flag always has one. ``panel``
    is its box of the help."""
    return typer.Option(
        *names, metavar=metavar, help=meaning, autocompletion=complete, rich_help_panel=panel
    )


def argument(meaning: str, metavar: str | None = None, complete: Complete | None = None) -> Any:
    """An argument, which stands in the command line without a name."""
    return typer.Argument(metavar=metavar, help=meaning, autocompletion=complete)


def completed(what: Known) -> Complete:
    """Complete a name that the command knows (``known``); a shell completes files by itself."""

    def names(ctx: Any, begun: str) -> list[str]:
        return [name for name in ctx.command.known(what, ctx) if name.startswith(begun)]

    return names


class Plain:
    """A command whose help shows no type beside a flag: it takes no value."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Click's parameters; a flag shows no type."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_flag", False) and parameter.metavar is None:
                parameter.metavar = ""
        return parameters


class PlainCommand(Plain, TyperCommand):
    """A command whose help shows all that it has."""


class PlainGroup(Plain, TyperGroup):
    """The program, with all commands."""


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


Where = Annotated[
    list[str] | None,
    option("Only where a swept key has these values.", "--where", metavar="KEY=V1,V2"),
]
Set = Annotated[
    list[str] | None,
    option(
        "Change dotted.key; v1,v2 sweep it.",
        "--set",
        metavar="KEY=VALUE",
        complete=completed("keys"),
    ),
]
DataDir = Annotated[Path | None, option("Data sets; default $ERASUREHEAD_DATA.")]
Formats = Annotated[str, option("Any of png, svg and pdf, separated by commas.", "--format")]
Tables = Annotated[str, option("parquet, or csv to have CSV files beside them.")]
AllowLarge = Annotated[bool, option("Run even if it seems too large.", "--allow-large")]
AllowPlugins = Annotated[bool, option("Run a result's plugins and models.", "--allow-plugins")]
MeasuredTable = Annotated[
    Path,
    argument("Measured delays: CSV, Parquet, NPZ, JSON, or a folder of profiler traces.", "TABLE"),
]


def csv_wanted(given: str) -> bool:
    """Whether ``--tables`` asks for CSV beside Parquet. Raises ConfigError: for something else."""
    kinds = {kind.strip() for kind in given.split(",")}
    if not kinds <= {"parquet", "csv"}:
        raise at("--tables", given, "must be parquet, csv or both; Parquet is always written")
    return "csv" in kinds


@dataclass(frozen=True)
class GivenConfig:
    """A config, and what the command line changes in it."""

    config: Annotated[Path, argument("What to run; init writes an example.", "CONFIG.yaml")]
    set_: Set = None
    allow_plugins: AllowPlugins = False

    def document(self) -> dict[str, Any]:
        """The config to be run. Raises ConfigError: it cannot be read, a change does not fit, or it
        lies in a result and names code."""
        from .config.code import code_in
        from .config.document import load
        from .run.outputs import sent_code

        document = load(self.config, self.set_ or [])
        if not self.allow_plugins:
            sent = sent_code(load(self.config), self.config)
            if names := [name for name in code_in(document) if name in sent]:
                raise ConfigError(
                    f"{self.config}: lies in a result, and the code that it names would be run: "
                    f"{enumerated(names, 3)}; read it, then add ",
                    Option("allow_plugins"),
                )
        return document


def refuse_set_alone(config: Path | None, changes: list[str] | None) -> None:
    """Refuse (ConfigError) changes of a config where there is none."""
    if config is None and changes:
        raise at("--set", changes[0], "changes a config: give CONFIG.yaml, too")


def refuse_other(ctx: typer.Context, other: type[Any], chosen: type[Any], valid: str) -> None:
    """Refuse (ConfigError) an option of the ``other`` request that the ``chosen`` one lacks."""
    names = {field.name for field in fields(other)} - {field.name for field in fields(chosen)}
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(str(parameter.name))
        if parameter.name in names and source is not None and source.name == "COMMANDLINE":
            value = ctx.params[parameter.name]
            raise at(parameter.opts[0], str(value) if isinstance(value, Path) else value, valid)


@dataclass(frozen=True)
class OutputOptions:
    """Where a run or sweep reads and writes, and whether it does."""

    output: Annotated[Path | None, option("Where results go; default results/<name>/.")] = None
    data_dir: DataDir = None
    dry_run: Annotated[
        bool,
        option("Show cells, engines and memory; compute and write nothing.", "--dry-run"),
    ] = False
    tables: Tables = "parquet"
    allow_large: AllowLarge = False


@dataclass(frozen=True)
class PoolOptions:
    """Where a sweep computes its cells."""

    jobs: Annotated[int, whole(1, MOST_JOBS, "Cells computed at the same time.")] = 1
    scheduler: Annotated[
        str | None, option("Compute on a Dask cluster: tcp://host:port (extra cluster).")
    ] = None


READING_PANEL = "Reading a table"  # their box in ``help table``


def is_of_reading(parameter: Any) -> bool:
    """Whether a parameter of a command is an option of reading a table."""
    return getattr(parameter, "rich_help_panel", None) == READING_PANEL


def reading_options() -> list[inspect.Parameter]:
    """The options of a command that reads a measured table: a field of ``Reading`` each."""
    parameters = []
    for field in inspect.signature(Reading, eval_str=True).parameters.values():
        kind, doc = get_args(field.annotation)
        several = kind == tuple[str, ...]
        plain = field.name in ("columns", "unit", "round_end")
        given = list[str] | None if several else str | None if plain else kind
        metavar = "NAME,..." if several else None
        if field.name in ("missing", "late_work", "retries"):  # their choices would fill the line
            metavar = "HOW"
        info = option(doc.documentation, metavar=metavar, panel=READING_PANEL)
        own: Any = Annotated[given, info]
        parameters.append(field.replace(annotation=own, default=None if several else field.default))
    return parameters


def reading_of(drop: list[str] | None, keep: list[str] | None, **given: Any) -> Reading:
    """How a table is read, as options say it. Raises ConfigError: there is no such column's role,
    or no such unit."""
    for name, texts in {"drop": drop, "keep": keep}.items():
        given[name] = tuple(n.strip() for n in ",".join(texts or []).split(",") if n.strip())
    try:
        given["columns"] = given["columns"] and parse_columns(given["columns"])
    except ValueError as error:
        raise at("--columns", given["columns"], str(error)) from None
    if (unit := given["unit"]) not in (None, *UNITS):
        with suppress(ValueError):
            given["unit"] = float(unit)
        if not isinstance(given["unit"], float) or not 0 < given["unit"] < float("inf"):
            raise at("--unit", unit, "must be s, ms, us, ns, or how many seconds one is")
    if (end := given.get("round_end")) is not None:
        with suppress(ValueError):
            given["round_end"] = float(end)
    if (value := given.get("not_heard")) is not None and not isfinite(value):
        raise at("--not-heard", value, "must be a number; what is no number is missing anyway")
    return Reading(**given)


def given_words(*groups: Any) -> list[str]:
    """Words of a command line that give these options again; defaults are left out."""
    words = []
    for group in groups:
        for name, parameter in inspect.signature(type(group), eval_str=True).parameters.items():
            value, [info] = getattr(group, name), parameter.annotation.__metadata__
            if isinstance(info, ArgumentInfo):
                words.append(str(value))
            elif value != parameter.default:
                names = getattr(info, "param_decls", None) or ()
                flag = next(iter(names), f"--{name.strip('_').replace('_', '-')}")
                if isinstance(value, dict):
                    value = ",".join(f"{role}={column}" for role, column in value.items())
                if name in ("not_heard", "round_end") and isinstance(value, float):
                    value = f"{value:.15g}"
                several = value if isinstance(value, list | tuple) else [value]
                words += [
                    word for entry in several for word in (flag, str(entry))[: 2 - (entry is True)]
                ]
    return words


def require_here(parameter: inspect.Parameter, value: Any) -> None:
    """Refuse (ConfigError) the path of an option or argument that is an address."""
    if isinstance(value, Path) and (defect := address_defect(value)) is not None:
        if isinstance(parameter.annotation.__metadata__[0], ArgumentInfo):
            raise ConfigError(f"{_as_given(value)}: {defect}")
        raise at(Option(parameter.name), _as_given(value), defect)


def _as_given(address: Path) -> str:
    """An address with both its slashes, of which a path keeps one."""
    scheme, rest = str(address).split(":/", 1)
    return f"{scheme}://{rest}"


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Make a parameter whose type is a dataclass into an option for each of its fields. A field
    that two of them have is one option of both."""
    signature = inspect.signature(command, eval_str=True)
    kinds = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    groups: dict[str, Any] = {name: kind for name, kind in kinds.items() if is_dataclass(kind)}

    grouped = {field.name for group in groups.values() for field in fields(group)}

    @wraps(command)
    def run(**given: Any) -> None:
        for parameter in parameters:
            require_here(parameter, given.get(parameter.name))
        values = {name: given.pop(name) for name in grouped}
        for name, group in groups.items():
            make = reading_of if group is Reading else group
            given[name] = make(**{field.name: values[field.name] for field in fields(group)})
        command(**given)

    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if name in groups:
            options = (
                reading_options()
                if groups[name] is Reading
                else inspect.signature(groups[name], eval_str=True).parameters.values()
            )
            known = {each.name for each in parameters}
            parameters += [
                option.replace(kind=parameter.kind)
                for option in options
                if option.name not in known
            ]
        else:
            parameters.append(parameter)
    # Typer reads both the signature and the annotations.
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
