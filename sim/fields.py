"""The fields that scheme families share, and how they and other arguments are checked. Each
``require_...`` raises ``InvalidParameter``. Whole numbers follow pydantic: 3.0 is 3, and 3.5 is
refused. YAML reads ``true`` as True; a count, a seed or a time is never a truth value."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from numbers import Integral
from typing import Annotated, Any, NoReturn

from annotated_types import Ge, Gt, Le, Unit
from pydantic import AllowInfNan, BeforeValidator, ConfigDict

from .errors import InvalidParameter

STRICT = ConfigDict(extra="forbid")
"""Every class of a config is a pydantic dataclass with this: an unknown field is an error."""


def not_bool(value: Any) -> Any:
    """Refuse a truth value where a number is meant."""
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is not a number")
    return value


Count = Annotated[int, BeforeValidator(not_bool), Ge(1)]  # of things, at least one
Load = Count  # d, partitions that a worker computes per round
WaitFor = Count  # r, arrivals that end a round

Positive = Annotated[float, BeforeValidator(not_bool), Gt(0), AllowInfNan(False)]
NotNegative = Annotated[float, BeforeValidator(not_bool), Ge(0), AllowInfNan(False)]
Tolerance = NotNegative  # mu: who takes longer than (1 + mu) times the fastest worker is late
Number = Annotated[int, BeforeValidator(not_bool), Ge(0)]  # of things, perhaps none
Seed = Number  # what NumPy takes as a seed
Seconds = Annotated[Positive, Unit("s")]  # a time, from the start of a round
Grace = Annotated[NotNegative, Unit("s")]  # for which the master waits on after some arrivals
Share = Annotated[float, BeforeValidator(not_bool), Ge(0), Le(1), AllowInfNan(False)]


def require_divisor(value: int, workers: int, field: str = "load") -> None:
    """Refuse a group size that does not divide the number of workers."""
    if workers % value:
        divisors = [d for d in range(1, workers + 1) if workers % d == 0]
        refuse_naming(field, value, divisors, f"must divide workers = {workers}")


def require_at_most_workers(field: str, value: int, workers: int) -> None:
    """Refuse a count of workers that exceeds the cluster."""
    require_at_most(field, value, workers, "workers = ")


def require_at_most(field: str, value: int, most: int, called: str = "") -> None:
    """Refuse a count above a limit; it may be ``called`` something, such as ``"load = "``."""
    if value > most:
        raise InvalidParameter(field, value, f"must be between 1 and {called}{most}", {field: most})


def refuse_naming(
    field: str, value: int, allowed: Sequence[int], rule: str, shown: int = 12
) -> NoReturn:
    """Refuse a number for a reason, a clause; all that are allowed are named, or the nearest."""
    near = sorted(allowed, key=lambda other: abs(other - value))
    named = ", ".join(map(str, sorted(near[:shown])))
    valid = f"{rule}{'; nearest' if len(near) > shown else ''}: {named}"
    raise InvalidParameter(field, value, valid, {field: near[0]})


def require_count(field: str, value: int, least: int = 1, **most: int) -> None:
    """Require a whole number >= ``least``; a limit is given by its name, such as ``workers=30``."""
    valid = f"must be a whole number >= {least}"
    for name, limit in most.items():
        valid = f"must be a whole number between {least} and {name} = {limit}"
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or any(value > limit for limit in most.values()):
        raise InvalidParameter(field, value, valid)


def require_group(load: int, workers: int) -> None:
    """Require a load that divides the number of workers."""
    require_count("workers", workers)
    require_count("load", load)
    require_divisor(load, workers)


def require_positive(field: str, value: float) -> None:
    """Require a finite number > 0."""
    if not (isfinite(value) and value > 0):
        raise InvalidParameter(field, value, "must be a finite number > 0")


def require_non_negative(field: str, value: float) -> None:
    """Require a finite number >= 0."""
    if not (isfinite(value) and value >= 0):
        raise InvalidParameter(field, value, "must be a finite number >= 0")
