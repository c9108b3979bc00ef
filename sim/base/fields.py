"""The fields that scheme families share, and how they and other arguments are checked. Each
``require_...`` raises ``InvalidParameter``. Whole numbers follow pydantic: 3.0 is 3, and 3.5 is
refused. YAML reads ``true`` as True; a count, a seed or a time is never a truth value."""

from __future__ import annotations

import re
from abc import ABCMeta
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, field, fields, is_dataclass
from inspect import Parameter, Signature
from math import isfinite
from numbers import Integral
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar, final

from annotated_types import Ge, Gt, Le, Unit
from pydantic import AllowInfNan, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass
from typing_extensions import dataclass_transform

from .errors import ConfigError, Dialect, InvalidParameter, message_of, one_of, quoted

STRICT = ConfigDict(extra="forbid", defer_build=True, arbitrary_types_allowed=True)
"""Every class of a config is a pydantic dataclass with this: an unknown field is an error."""

Family = TypeVar("Family", bound=type[Any])


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, Field))
def configured(family: Family) -> Family:
    """Make a class that a config can name, of which nothing derives, a frozen pydantic dataclass
    with ``STRICT`` whose fields are given by name."""
    whole = dataclass(frozen=True, config=STRICT, kw_only=True)(family)
    return final(whole)  # type: ignore[return-value]


Problem = Mapping[str, Any]  # one of the errors that pydantic reports
# what a value must do or be, by the type of pydantic's error
REQUIREMENTS = {
    "unexpected_keyword_argument": "not be given: there is no such field beside the others",
    **dict.fromkeys(
        ("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "be an integer"
    ),
    **dict.fromkeys(("float_type", "float_parsing"), "be a number"),
    "finite_number": "be a finite number",
    **dict.fromkeys(("string_type", "string_unicode"), "be text"),
    "string_pattern_mismatch": "be letters, digits, '.', '_' or '-', a letter or digit first",
    "string_too_long": "have at most {max_length} characters",
    "string_too_short": "have at least {min_length} characters",
    **dict.fromkeys(("bool_type", "bool_parsing"), "be true or false"),
    **dict.fromkeys(("dict_type", "dataclass_type"), "be a section: keys with values"),
    **dict.fromkeys(("list_type", "tuple_type"), "be a list"),
    "too_short": "have at least {min_length} items",
    "too_long": "have at most {max_length} items",
    "none_required": "be null",
    "is_instance_of": "be a {class}",
}


def one_line(
    error: ValidationError,
    section: str,
    more: Callable[[str, Problem], str] = lambda path, _: "",
    dialect: Dialect = Dialect.CONFIG,
) -> ConfigError:
    """Pydantic's report as one line; ``section`` is where the fields stand, and ``dialect`` that of
    who reads it. ``more`` adds to what is valid, of a field's path and the first problem."""
    first, *_ = problems = error.errors(include_url=False)
    path = _path(section, first["loc"])
    tried = [other for other in problems if _path(section, other["loc"]) == path]
    rest = len(problems) - len(tried)
    end = more(path, first) + (f" (and {rest} more)" if rest else "")
    match first["type"]:
        case "missing" | "missing_argument" | "missing_keyword_only_argument":
            return ConfigError(f"{path}: missing{end}")
        case "value_error":
            text = message_of(first["ctx"]["error"]).spelled(dialect)
            return ConfigError(f"{path}: {text}{end}" if path else f"{text}{end}")
        case "fault_of_place":
            return ConfigError(f"{path}: {first['msg']}{end}")
        case "fault_of_value":
            return ConfigError(f"{path} = {quoted(first['input'])}: {first['msg']}{end}")
        case _:
            reasons = dict.fromkeys(map(_valid, tried))
            valid = f"must {' or '.join(reasons).replace(' or be ', ' or ')}"
            return ConfigError(f"{path} = {quoted(first['input'])}: {valid}{end}")


def _valid(problem: Mapping[str, Any]) -> str:
    """What a value must do or be, as the end of a sentence that begins with ``must``."""
    if problem["type"] in REQUIREMENTS:
        return REQUIREMENTS[problem["type"]].format_map(problem.get("ctx", {}))
    text: str = problem["msg"]
    return text.replace("Input should ", "").replace("Value error, ", "")


def _path(path: str, loc: Iterable[int | str]) -> str:
    # What pydantic adds to a path to say which of several allowed types it tried.
    tried = r"\[key\]|(choice|constrained|function|literal|is-instance|lax-or-strict|nullable)\b.*"
    for key in loc:
        if isinstance(key, int):
            path += f"[{key}]"
        elif not re.fullmatch(tried, key):
            path += f".{key}" if path else key
    return path


class _Signature:
    """What ``help`` and Jupyter show of a class: its fields, which are given by name."""

    def __get__(self, cls: Any, _owner: Any) -> Signature:
        known = fields(cls) if is_dataclass(cls) else ()
        return Signature(
            [
                Parameter(
                    each.name,
                    Parameter.KEYWORD_ONLY,
                    annotation=each.type,
                    default=Parameter.empty if each.default is MISSING else each.default,
                )
                for each in known
                if each.init
            ]
        )

    def __set__(self, cls: Any, signature: Any) -> None:
        """Not kept: when the first object is made, pydantic assigns a signature that begins with
        ``*args`` and spells every annotation out."""


class Configurable(ABCMeta):
    """The class of all classes that a config can name. Python code makes them by a call, which
    refuses wrong arguments in the words of the config: ``ErasureHead.load = 0: must be ...``.
    Raises ConfigError."""

    if not TYPE_CHECKING:  # a type checker then reads the constructor of each class itself
        __signature__ = _Signature()

        def __call__(cls, *given: Any, **named: Any) -> Any:
            """The object; see above."""
            try:
                return super().__call__(*given, **named)
            except ValidationError as error:
                known = [field.name for field in fields(cls)] if is_dataclass(cls) else []
                for name in named:
                    if name not in known:
                        free = [field for field in known if field not in named]
                        valid = one_of(known, name, free) if known else "there are no fields to set"
                        raise ConfigError(f"{cls.__name__}: no field {name}; {valid}") from None
                if given:
                    form = ", ".join(f"{name}=..." for name in known)
                    text = f"{cls.__name__}: fields are given by name: {cls.__name__}({form})"
                    raise ConfigError(text) from None
                raise one_line(error, cls.__name__, dialect=Dialect.PYTHON) from None


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


def require_at_most(field: str, value: int, most: int, called: str = "", least: int = 1) -> None:
    """Refuse a count above a limit; it may be ``called`` something, such as ``"load = "``."""
    if value > most:
        valid = f"must be between {least} and {called}{most}"
        raise InvalidParameter(field, value, valid, {field: most})


def require_size(field: str, value: int, owners: int, called: str = "workers") -> None:
    """Refuse a count that each worker has (or each of the ``owners``, ``called`` so), before
    anything of that size is made: messages of a round, rounds remembered, partitions in a code."""
    most_numbers = 5 * 10**7  # of a round
    if value > (most := max(1, most_numbers // owners)):
        valid = f"must be at most {most} with {called} = {owners}"
        text = f"{valid}: a scheme holds at most {most_numbers:,} numbers a round"
        raise InvalidParameter(field, value, text, {field: most})


def refuse_naming(
    field: str, value: int, allowed: Sequence[int], rule: str, most_named: int = 12
) -> NoReturn:
    """Refuse a number for a reason, a clause; all that are allowed are named, or the nearest."""
    near = sorted(allowed, key=lambda other: abs(other - value))
    named = ", ".join(map(str, sorted(near[:most_named])))
    valid = f"{rule}{'; nearest' if len(near) > most_named else ''}: {named}"
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
