"""One section of a config becomes one object, or one clear line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from experiments.config.errors import ConfigError, at, from_validation, one_of

T = TypeVar("T")


def named(section: Mapping[str, Any], tag: str, registry: Mapping[str, type[T]], place: str) -> T:
    """Make the object whose class a section names under ``tag``; the other keys are its fields.

    Raises:
        ConfigError: the name is missing or unknown, or a field is.
    """
    name = section.get(tag)
    if name is None:
        raise ConfigError(f"{place}.{tag}: missing; {one_of(registry, None)}")
    if not isinstance(name, str) or name not in registry:
        raise at(f"{place}.{tag}", name, one_of(registry, name))
    rest = {key: value for key, value in section.items() if key != tag}
    return checked(rest, registry[name], f"{place}.{name}" if place == "schemes" else place)


def checked(section: Mapping[str, Any], family: type[T], place: str) -> T:
    """Make a dataclass from a section that holds its fields.

    Raises:
        ConfigError: an unknown or missing key, or a bad value.
    """
    refuse_truth_values(section, (family,), place)
    try:
        return TypeAdapter(family).validate_python(dict(section))
    except ValidationError as error:
        raise from_validation(error, place, names(family)) from None


def refuse_truth_values(section: Mapping[str, Any], families: tuple[type, ...], place: str) -> None:
    """True and false are no numbers, though Python has them as 1 and 0.

    Raises:
        ConfigError: a field that is no truth value holds one.
    """
    types = {f.name: str(f.type) for family in families for f in fields(family)}
    for key, value in section.items():
        if isinstance(value, bool) and "bool" not in types.get(key, "bool"):
            raise at(f"{place}.{key}", value, "must be a number or a name")


def names(*families: type) -> list[str]:
    """The fields that sections of these families can have."""
    return [field.name for family in families for field in fields(family)]
