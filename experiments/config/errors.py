"""Errors of the command line: one clear line each, exit code 2."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class ConfigError(ValueError):
    """A config that cannot be run; one line that names field, value and what is valid."""


def at(place: str, value: Any, valid: str) -> ConfigError:
    """Make the one line: ``delay.rate = -1: must be greater than 0``."""
    return ConfigError(f"{place} = {_short(value)}: {valid}")


def one_of(valid: Iterable[str], given: Any) -> str:
    """List the valid names, with the likely one first: ``must be one of: ...``."""
    names = sorted(valid)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"must be one of: {', '.join(names)}{hint}"


def fault(loc: Iterable[str | int], value: Any, text: str) -> ValidationError:
    """An error of our own in pydantic's form, so that outer sections put their place before it."""
    error = PydanticCustomError("fault_of_value", "{text}", {"text": text})
    details = InitErrorDetails(type=error, loc=tuple(loc), input=value)
    return ValidationError.from_exception_data("config", [details])


def faulty_keys(keys: Iterable[str], texts: Iterable[str]) -> ValidationError:
    """As ``fault``, of keys rather than their values."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("fault_of_place", "{text}", {"text": text}),
            loc=(key,),
            input=None,
        )
        for key, text in zip(keys, texts, strict=True)
    ]
    return ValidationError.from_exception_data("config", details)


_BRANCH = re.compile(r"(constrained|function|literal|is-instance|lax-or-strict|nullable)\b.*")
"""What pydantic adds to a place to say which of several allowed types it tried."""


def from_validation(error: ValidationError, place: str) -> ConfigError:
    """Turn pydantic's report into one line; ``place`` is where the section stands."""
    problems = error.errors(include_url=False)
    first = problems[0]
    path = _path(place, first["loc"])
    tried = [other for other in problems if _path(place, other["loc"]) == path]
    rest = len(problems) - len(tried)
    more = f" (and {rest} more)" if rest else ""
    match first["type"]:
        case "missing" | "missing_argument":
            return ConfigError(f"{path}: missing{more}")
        case "value_error":
            text = str(first["ctx"]["error"])
            return ConfigError(f"{path}: {text}{more}" if path else f"{text}{more}")
        case "fault_of_place":
            return ConfigError(f"{path}: {first['msg']}{more}")
        case "fault_of_value":
            return ConfigError(f"{path} = {_short(first['input'])}: {first['msg']}{more}")
        case _:
            reasons = dict.fromkeys(
                other["msg"].removeprefix("Input should be ") for other in tried
            )
            valid = " or ".join(reasons)
            valid = valid if valid[:1].isupper() else f"must be {valid}"
            return ConfigError(f"{path} = {_short(first['input'])}: {valid}{more}")


def _path(place: str, loc: Iterable[int | str]) -> str:
    for part in loc:
        if isinstance(part, int):
            place += f"[{part}]"
        elif not _BRANCH.fullmatch(part):
            place += f".{part}" if place else part
    return place


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
