"""How a table is to be read where the file does not say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Unit = Literal["s", "ms", "us", "ns"]
Missing = Literal["refuse", "drop-rounds", "never"]
Retries = Literal["refuse", "last", "sum"]

Role = Literal["worker", "round", "seconds", "start", "end", "load"]
"""What a column of a long table can be."""

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Reading:
    """The caller's choices.

    Attributes:
        columns: role to column name. ``round`` alone names the index column of a wide table; an
            empty name says that every column is a worker's.
        drop: columns that are left out.
        unit: of all times, where the columns' names do not say it.
        missing: what a missing delay is: an error, a round that is dropped, or a worker that never
            arrives in that round (infinite).
        retries: what several rows of one worker and round are: an error, of which the last one
            counts, or whose seconds add up.
    """

    columns: Mapping[Role, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    unit: Unit | None = None
    missing: Missing = "refuse"
    retries: Retries = "refuse"


def parse_columns(text: str | None) -> dict[Role, str]:
    """``worker=host,seconds=duration_ms`` as a mapping.

    Raises:
        ValueError: naming the part that is not like that.
    """
    columns: dict[Role, str] = {}
    for part in [] if text is None else text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or role not in ROLES or role in columns:
            form = "must be role=column with commas between, each role once"
            raise ValueError(f"{form}; roles: {', '.join(ROLES)}")
        columns[role] = name
    return columns


AS_IT_IS = Reading()
"""Nothing is said beyond what the file says."""
