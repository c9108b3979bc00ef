"""How a measured table is read, where the file does not say it itself: declared here once, for the
commands, for the delay model ``trace`` and for Python. docs/traces.md explains each option."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from typing_extensions import Doc

Unit = Literal["s", "ms", "us", "ns"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Missing = Literal["refuse", "drop-rounds", "never", "later"]
Retries = Literal["refuse", "last", "sum"]
LateWork = Literal["dropped", "queued"]
Header = Literal["yes", "no"]
Decimal = Literal["point", "comma"]
# What a column can be; the last three are only what somebody says they are. ``round`` alone names
# the column of a wide table that numbers its rounds; an empty name says that every column is a
# worker's, and ``workers`` which are, as patterns: ``node*+gpu*``. ``allreduce`` is how long the
# worker was in the all-reduce, of which the wait for the slowest is taken off its seconds; an empty
# name says that no column is to be read so.
# ``stages`` are the columns of parts of a step, in a worker's order, with ``+`` between them; they
# add up to the step if no column is its seconds. A ``rack`` is any group that shares something.
# Of a ``clock`` that runs on, what passed since the worker's row before is read. A ``worker`` or a
# ``round`` may be several columns with ``+`` between them.
Role = Literal[
    "worker",
    "round",
    "seconds",
    "start",
    "end",
    "clock",
    "load",
    "rack",
    "allreduce",
    "stages",
    "workers",
]
ROLES: tuple[Role, ...] = get_args(Role)
LAST_MESSAGE = "last"  # a ``round_end``: a round stops listening when its last message has come


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a measured table is read, where the file does not say it itself."""

    load: Annotated[float | None, Doc("One load of a table with several; default all.")] = None
    columns: Annotated[
        dict[Role, str] | None,
        Doc("What columns are: worker=host,seconds=ms or start=t0,end=t1."),
    ] = None
    drop: Annotated[tuple[str, ...], Doc("Columns to leave out.")] = ()
    keep: Annotated[
        tuple[str, ...], Doc("Columns that are workers', whatever they look like.")
    ] = ()
    rows: Annotated[
        str | None, Doc("Rows that count: A:B[:STEP] from 1, or COLUMN=VALUE; : for all.")
    ] = None
    header: Annotated[Header | None, Doc("Whether the first row names the workers.")] = None
    decimal: Annotated[Decimal | None, Doc("What stands before a number's fraction.")] = None
    unit: Annotated[
        Unit | float | None,
        Doc("Unit of times, if no name gives it: s, ms, us, ns, or how many seconds."),
    ] = None
    missing: Annotated[
        Missing,
        Doc("A missing delay: refuse, drop-rounds, never (arrives) or later (than its round)."),
    ] = "refuse"
    not_heard: Annotated[float | None, Doc("Number that says that a worker was not heard: -1.")] = (
        None
    )
    round_end: Annotated[
        str | float | None,
        Doc("When rounds stopped listening: last (message), SECONDS, or a column."),
    ] = None
    late_work: Annotated[
        LateWork | None, Doc("Of a worker that was not heard: dropped, or queued (it goes on).")
    ] = None
    retries: Annotated[
        Retries, Doc("Several rows for a worker and round: refuse, last (counts) or sum.")
    ] = "refuse"

    @property
    def asked(self) -> Mapping[Role, str]:
        """Role to column, as ``columns`` says."""
        return self.columns or {}

    @property
    def stages(self) -> tuple[str, ...]:
        """The columns that are stages of a step."""
        return tuple(name.strip() for name in self.asked.get("stages", "").split("+") if name)

    @property
    def end_column(self) -> str | None:
        """The column that says when a round stopped listening, if one is named."""
        is_column = isinstance(self.round_end, str) and self.round_end != LAST_MESSAGE
        return str(self.round_end) if is_column else None

    @property
    def named(self) -> list[str]:
        """All columns that have a role."""
        several = ("stages", "workers")
        end = [] if self.end_column is None else [self.end_column]
        roles = [n for role, n in self.asked.items() if n and role not in several]
        return [*roles, *self.stages, *end]


def parse_columns(text: str) -> dict[Role, str]:
    """``worker=host,seconds=duration_ms`` as a mapping. Raises ValueError: no such mapping."""
    columns: dict[Role, str] = {}
    for item in text.split(","):
        role, equals, name = (piece.strip() for piece in item.partition("="))
        if not equals or role not in ROLES or role in columns:
            form = "must be role=column with commas between, each role once"
            raise ValueError(f"{form}; roles: {', '.join(ROLES)}")
        columns[role] = name
    return columns
