"""A field in words: type, range, unit, default and meaning, read from the class that has it.

Type and range come from the annotation, the unit from ``annotated_types.Unit`` in it, the meaning
from the ``Args`` of the class or of those that it inherits from.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, Unit

from ..delay_models import DelayModel

PLAIN = {
    int: "integer",
    float: "number",
    bool: "true or false",
    str: "text",
    DelayModel: "delay model",
}
SIGNS = {Ge: ">=", Gt: ">", Le: "<=", Lt: "<"}


@dataclass(frozen=True)
class Described:
    """A field, in words.

    Attributes:
        name: its key in a config.
        value: type and range, such as ``integer >= 1``.
        unit: such as ``s``; empty for a number without one.
        default: what holds if the key is left out; ``required`` if it cannot be.
        meaning: from the docstring; may be empty.
    """

    name: str
    value: str
    unit: str
    default: str
    meaning: str


def described(family: type) -> list[Described]:
    """The fields that a section of this class can have, in their order."""
    hints = typing.get_type_hints(family, include_extras=True)
    meanings = meanings_of(family)
    found = []
    for field in fields(family):
        if field.init:
            value, unit = _value(hints[field.name])
            default = "required" if field.default is MISSING else _default(field.default)
            found.append(Described(field.name, value, unit, default, meanings.get(field.name, "")))
    return found


def first_sentence(entry: object) -> str:
    """What a class or an object is, in the first paragraph of its docstring."""
    paragraph = cleandoc(entry.__doc__ or "").split("\n\n")[0]
    return _prose(paragraph)


def _default(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(hint: Any) -> tuple[str, str]:
    """Type and range, and the unit."""
    if hint in PLAIN:
        return PLAIN[hint], ""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        text, unit = _value(inner[0])
        for mark in inner[1:]:
            unit = mark.unit if isinstance(mark, Unit) else unit
        return " ".join(filter(None, [text, _range(inner[1:])])), unit
    if origin in (typing.Union, UnionType):
        parts = [_value(part) for part in inner if part is not NoneType]
        return " or ".join(text for text, _ in parts), next((u for _, u in parts if u), "")
    if origin is Literal:
        return " | ".join(map(str, inner)), ""
    if origin in (tuple, list):
        text, unit = _value(inner[0])
        return f"list of {text}", unit
    if isinstance(hint, type) and issubclass(hint, DelayModel):
        return PLAIN[DelayModel], ""
    return getattr(hint, "__name__", str(hint)), ""


def _range(marks: Iterable[object]) -> str:
    bounds = [
        f"{sign} {getattr(mark, kind.__name__.lower())}"
        for mark in marks
        for kind, sign in SIGNS.items()
        if isinstance(mark, kind)
    ]
    return " and ".join(bounds)


ENTRY = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.*(?:\n {8}.*)*)", re.MULTILINE)


def meanings_of(family: type) -> dict[str, str]:
    """What the ``Args`` of a class say of each field."""
    return {name: _prose(text) for name, text in section_of(family, "Args").items()}


def section_of(family: type, title: str) -> dict[str, str]:
    """The entries of a section of a class's docstring, each as one line.

    What the class does not say, those that it inherits from say.
    """
    begins = re.compile(rf"^{title}:\n(?P<lines>(?:[ ]{{4}}.*\n?|\n)*)", re.MULTILINE)
    found: dict[str, str] = {}
    for base in reversed(family.__mro__):
        section = begins.search(cleandoc(base.__doc__ or ""))
        if section is not None:
            entries = ENTRY.finditer(section["lines"])
            found |= {entry["name"]: _one_line(entry["text"]) for entry in entries}
    return found


def prose_of(entry: object) -> list[str]:
    """The paragraphs of a docstring, each as one line, before its first section."""
    text = re.split(r"^\w+:$", cleandoc(entry.__doc__ or ""), flags=re.MULTILINE)[0]
    return [_one_line(paragraph) for paragraph in text.strip().split("\n\n")]


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _prose(text: str) -> str:
    """One line, without the marks of code."""
    return _one_line(text).replace("``", "")
