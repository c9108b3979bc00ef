"""Errors of the command line: one clear line each, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError


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


def from_validation(error: ValidationError, place: str, fields: Iterable[str]) -> ConfigError:
    """Turn pydantic's report into one line; ``place`` is where the section stands."""
    problems = error.errors()
    first = problems[0]
    path = place
    for part in first["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    match first["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            key = str(first["loc"][-1])
            return ConfigError(f"{path}: unknown key; {one_of(fields, key)}{more}")
        case "missing" | "missing_argument":
            return ConfigError(f"{path}: missing{more}")
        case "value_error":
            text = str(first["ctx"]["error"])
            return ConfigError(f"{path}: {text}{more}" if path else f"{text}{more}")
        case _:
            valid = first["msg"].replace("Input should be", "must be")
            return ConfigError(f"{path} = {_short(first['input'])}: {valid}{more}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
