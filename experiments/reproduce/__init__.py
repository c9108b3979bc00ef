"""The delay analysis and the loss-versus-time comparison.

To add a figure: write a class of the same name, and add its name and file to ``FIGURES``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from math import inf
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .base import Figure

# every figure, and its file
FIGURES = {
    "delay_tolerance": "waiting", "claim_b_curve": "claim_b",
    "iteration_time_workers": "iteration_time", "loss_time": "loss_time",
    "loss_time_real": "loss_time", "speedup": "loss_time", "loss_iteration_floor": "least_squares",
    "iteration_time_scale": "iteration_time", "tradeoff_load_arrivals": "least_squares",
    "policies": "policies", "backlog": "policies", "ranking": "ranking",
    "time_to_target": "time_to_target", "measured_curve": "waiting", "atlas": "all_schemes",
}  # fmt: skip


def figure_named(name: str) -> Figure:
    """One of ``FIGURES`` at its default sizes; its file is imported now."""
    module = import_module(f"{__name__}.figures.{FIGURES[name]}")
    made: Figure = getattr(module, name.title().replace("_", ""))()
    return made


# What ``--set`` changes in a figure: its fields. The figure's Parquet file says so in its metadata,
# for whoever draws it again from that file; at the default sizes it says nothing.

CHANGES_KEY: Final = b"erasurehead.set"
# kinds of fields that can be set
SETTABLE_TYPES: Final = (int, float, tuple[int, ...], tuple[float, ...])


def settable(made: Figure) -> dict[str, Any]:
    """The fields of a figure that ``--set`` can change, with their types."""
    from dataclasses import fields
    from typing import get_type_hints

    every: Any = made
    hints, held = get_type_hints(type(made)), made.held
    named = sorted(field.name for field in fields(every) if field.name not in held)
    return {name: hints[name] for name in named if hints[name] in SETTABLE_TYPES}


def figure_with(name: str, changes: Sequence[str]) -> Figure:
    """The figure of that name with other values of its fields, ``key=value`` each.
    Raises ConfigError: it has no such field, or the field cannot have such a value."""
    from dataclasses import replace

    from pydantic import TypeAdapter, ValidationError

    from ...sim.base.errors import at, one_of
    from ..config.document import override

    made = figure_named(name)
    own = settable(made)
    for change in changes:
        document: dict[str, Any] = {}
        override(document, [change])
        [(key, value)] = (document.get("sweep") or document).items()
        if key not in own:
            raise at(f"--set of {name}", key, one_of(own, key))
        many = own[key] in SETTABLE_TYPES[2:]
        if many:  # each value once, in the order given
            value = [*dict.fromkeys(value)] if isinstance(value, list) else [value]
        try:
            good = TypeAdapter(own[key]).validate_python(value)
        except ValidationError:
            kind = "whole numbers" if own[key] in SETTABLE_TYPES[::2] else "numbers"
            valid = f"must be {kind}" if many else "must be one number"
            raise at(f"--set {key}", value, valid) from None
        zero = key in ("persistences", "stragglers")  # these can be 0, and no other field
        for number in good if many else (good,):
            if not (0 < number < inf or (zero and number == 0)):
                raise at(f"--set {key}", value, "must be positive")
        made = replace(made, **{key: good})  # type: ignore[type-var]
    return made


def facts_of(changes: Sequence[str], full: bool) -> dict[bytes, bytes]:
    """As metadata of a figure's Parquet file; nothing for a quick figure at its default sizes."""
    options = [*changes, *(["--full"] if full else [])]
    return {CHANGES_KEY: json.dumps(options).encode()} if options else {}


def changes_in(file: Path) -> tuple[list[str], bool]:
    """What ``facts_of`` has written into a file, if anything: the changes, and whether full."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        options = json.loads((pq.read_schema(file).metadata or {}).get(CHANGES_KEY, b"[]"))
    except (OSError, ValueError, RecursionError, pa.ArrowException):
        options = []
    words = [str(option) for option in options] if isinstance(options, list) else []
    return [option for option in words if option != "--full"], "--full" in words


def line_of(name: str, changes: Sequence[str], full: bool) -> str:
    """The command that makes a figure."""
    options = [word for change in changes for word in ("--set", change)]
    return join(["erasurehead", "reproduce", name, *options, *(["--full"] if full else [])])
