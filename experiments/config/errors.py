"""Errors of the command line: one clear line each, exit code 2. Text from outside is escaped."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

# Text from outside (labels, names, paths, libraries' words) as it may be shown: as data.
#
# A terminal acts on control characters and an SVG must not hold them, half a character cannot be
# encoded, and marks of direction make a text look like another one. All of these are written as in
# a Python string: ``\x1b``, ``\u202e``. Nothing here imports a library, so that errors can be told
# while nothing else works.


LONGEST_LINE = 300
"""Characters of a line in the terminal."""

GAP = " ... "
"""In place of what is left out of a long text."""

JOINERS = "\u200c\u200d"
"""Marks without a shape of their own, which several scripts and many emoji need."""

_PLAIN = re.compile(r"[ -~]*")


def is_plain(text: str) -> bool:
    """Whether a text is made of visible characters and spaces alone."""
    return bool(_PLAIN.fullmatch(text)) or not any(map(_acts, text))


def escaped(text: str) -> str:
    """The text with everything else than visible characters and spaces written in ASCII."""
    if is_plain(text):
        return text
    return "".join(in_ascii(each) if _acts(each) else each for each in text)


def in_ascii(character: str) -> str:
    """A character as it can be written in a Python string."""
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int = LONGEST_LINE) -> str:
    """The text, without its middle if it is longer than ``most``: its end often says the most."""
    if len(text) <= most:
        return text
    last = 2 * (most - len(GAP)) // 5
    return f"{text[: most - len(GAP) - last]}{GAP}{text[-last:]}"


def line(text: str, most: int = LONGEST_LINE) -> str:
    """One line of at most ``most`` characters, whatever the text holds."""
    return shortened(escaped(text), most)


def _acts(character: str) -> bool:
    """Control characters, marks, halves, private and unassigned characters, ends of lines."""
    kind = unicodedata.category(character)
    return (kind[0] == "C" and character not in JOINERS) or kind in ("Zl", "Zp")


# Errors of the command line: one clear line each, exit code 2.


class ConfigError(ValueError):
    """A config that cannot be run; one line that names field, value and what is valid.

    What comes from outside, such as a key or a path, is escaped, so that it stays one line.
    """

    def __init__(self, line: str) -> None:
        super().__init__(escaped(line))


def at(place: str, value: Any, valid: str) -> ConfigError:
    """Make the one line: ``delay.rate = -1: must be greater than 0``."""
    return ConfigError(f"{place} = {_short(value)}: {valid}")


LONGEST = 260
"""Letters of a list of names; of a longer one the likely ones are shown."""

LIKELY = 6


def one_of(valid: Iterable[str], given: Any) -> str:
    """List the valid names, with the likely one last: ``must be one of: ... (did you mean ...?)``.

    Of a long list only those that look like the given one are shown.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(str(given), names, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    if len(", ".join(names)) > LONGEST:
        shown = sorted(difflib.get_close_matches(str(given), names, n=LIKELY, cutoff=0.0))
        return f"must be one of {len(names)} names: {', '.join(shown)}, ...{hint}"
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


_BRANCH = re.compile(
    r"(choice|constrained|function|literal|is-instance|lax-or-strict|nullable)\b.*"
)
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
            reasons = dict.fromkeys(map(_valid, tried))
            valid = f"must {' or '.join(reasons).replace(' or be ', ' or ')}"
            return ConfigError(f"{path} = {_short(first['input'])}: {valid}{more}")


WORDS = {
    "int_type": "be an integer",
    "int_parsing": "be an integer",
    "int_parsing_size": "be an integer",
    "int_from_float": "be an integer",
    "float_type": "be a number",
    "float_parsing": "be a number",
    "finite_number": "be a finite number",
    "string_type": "be text",
    "string_unicode": "be text",
    "string_pattern_mismatch": "be letters, digits, '.', '_' or '-', a letter or digit first",
    "string_too_long": "have at most {max_length} characters",
    "string_too_short": "have at least {min_length} characters",
    "bool_type": "be true or false",
    "bool_parsing": "be true or false",
    "dict_type": "be a section: keys with values",
    "list_type": "be a list",
    "tuple_type": "be a list",
    "too_short": "have at least {min_length} items",
    "too_long": "have at most {max_length} items",
    "none_required": "be null",
    "is_instance_of": "be a {class}",
}
"""What pydantic means, by the type of its error."""


def _valid(problem: Mapping[str, Any]) -> str:
    """What a value must do or be, as the end of a sentence that begins with ``must``."""
    if problem["type"] in WORDS:
        return WORDS[problem["type"]].format_map(problem.get("ctx", {}))
    text: str = problem["msg"]
    return text.replace("Input should ", "").replace("Value error, ", "")


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
