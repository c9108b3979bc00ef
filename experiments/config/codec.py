"""Sections become objects, and objects sections. Pydantic checks the fields and says where. A
section names a class of the catalogue under its tag; its other keys are the fields of the class,
which is a pydantic dataclass. A field that holds a delay model reads a nested section: the
``Reader`` is pydantic's validation context, so nested fields can call it."""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, LiteralString

from pydantic import TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from ...delay_models import DelayModel
from ...delay_models.base import EndlessDelays, refuse_endless
from ...sim.base.errors import ConfigError, one_of
from ...sim.base.fields import one_line
from ...sim.training.problems import ProblemConfig
from ...sim.training.problems.losses import ProblemSettings
from .catalogue import Catalogue

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
MAX_NESTED_MODELS = 20  # how deep delay models may be nested; a YAML file can even hold itself
LIST_TYPES = (list, tuple, set, frozenset, Collection, Sequence)
UNDERSCORED = re.compile(r"[-+.0-9eE]*[0-9]_[-+.0-9eE_]*")  # a number as Python writes it
FOLLOWING = "n/2 (rounded up) or n-2, where n is the number of workers"


class NestedTooDeep(Exception):
    """Delay models are nested too deep. Pydantic lets it through as it is."""


@dataclass(frozen=True)
class Reader:
    """Reads the sections of one document."""

    catalogue: Catalogue  # what they can name
    workers: Any = None  # n as it is given, or ``None``; a scheme's count can follow it
    depth: int = 0  # how deep the delay model that is being read is nested

    def delay_model(self, value: Any) -> Any:
        """A nested section as a delay model; what is no section is left as it is.
        Fields of type ``delay_models.base.Part`` call this."""
        return self.named("delays", value) if isinstance(value, Mapping) else value

    def named(self, kind: str, value: Any) -> Any:
        """The object that a section stands for, or the object itself. Raises ValidationError: the
        name or a field is missing, unknown or wrong; NestedTooDeep: delay models are."""
        tag = self.catalogue[kind].tag
        if isinstance(value, self.catalogue[kind].family):
            if isinstance(value, DelayModel):
                refuse_endless(value)
            return value
        family = self._family(kind, value)
        rest = {key: entry for key, entry in value.items() if key != tag}
        if kind != "delays":
            return self.build(family, rest)
        if self.depth > MAX_NESTED_MODELS:
            raise NestedTooDeep(f"models are nested more than {MAX_NESTED_MODELS} deep")
        model: DelayModel = replace(self, depth=self.depth + 1).build(family, rest)
        refuse_endless(model)
        return model

    def names(self, kind: str) -> list[str]:
        """The names of a kind, as a list: a config may ask whether anything is in it."""
        return list(self.catalogue[kind].classes)

    def problem(self, value: Any) -> ProblemConfig:
        """A ``problem`` section: the fields of every problem and, beside them, of its data set."""
        _require_section(value)
        if "model" in value:  # a file in place of the name of a loss
            value = {"loss": "model", **value}
        family, losses = self._family("data", value), self.catalogue["losses"].classes
        name = value.get("loss")
        kinds = [ProblemSettings, family]
        if isinstance(name, str) and name in losses and losses[name].fields is not None:
            kinds.append(losses[name].fields)
        require_known(value, [key for kind in kinds for key in names(kind)])
        sections = [
            {key: entry for key, entry in value.items() if key in names(kind)} for kind in kinds
        ]
        settings, data, *own = (self.build(*pair) for pair in zip(kinds, sections, strict=True))
        if settings.loss not in losses:
            raise fault(["loss"], settings.loss, one_of(losses, settings.loss) + self._yours)
        if settings.initial != "zeros" and getattr(own[0] if own else None, "start", None):
            raise fault(["initial"], settings.initial, "must be left out, since start is given")
        return ProblemConfig(settings, data, own[0] if own else None, losses)

    def build(self, family: Any, section: Any) -> Any:
        """Make a dataclass from a section that holds its fields.
        Raises ValidationError: an unknown or missing key, or a bad value."""
        _require_section(section)
        tag, _ = self.catalogue.name_of(family)
        require_known(section, names(family), "" if tag in (None, "name") else tag)
        for key, value in section.items():
            refuse_underscores(value, types_of(family)[key], [key])
            for inner, entry in _truth_values(value):
                if not mentions(types_of(family)[key], (bool,)):
                    what = "a delay model" if inner and issubclass(family, DelayModel) else "a name"
                    raise fault([key, *inner], entry, f"must be a number or {what}")
        return _adapter(family).validate_python(dict(section), context=self)

    def _family(self, kind: str, section: Any) -> Any:
        _require_section(section)
        tag, classes = self.catalogue[kind].tag, self.catalogue[kind].classes
        if (name := section.get(tag)) is None:
            for key, value in section.items():
                if isinstance(value, str) and value in classes:
                    raise faulty_keys({str(key): f"unknown key; did you mean {tag}?"})
            raise faulty_keys({tag: f"missing; {one_of(classes, None)}"})
        if not isinstance(name, str) or name not in classes:
            valid = one_of(classes, name) if classes else f"no {tag} is known"
            raise fault([tag], name, valid + self._yours)
        return classes[name]

    @property
    def _yours(self) -> str:
        """How to add a class of one's own."""
        if self.catalogue.unread:
            unread = ", ".join(self.catalogue.unread)
            return f"; the code of {unread} is not run to look at a result"
        how = "; plugins: [file.py] (in Python plugins=[Class]) adds your own"
        return "" if self.catalogue.plugins else how


@contextmanager
def located(place: str) -> Iterator[None]:
    """Turn errors of a ``Reader`` into a ConfigError's one line, with the place of the section."""
    try:
        yield
    except ValidationError as error:
        raise one_line(error, place, _more_valid) from None
    except (NestedTooDeep, EndlessDelays) as error:
        raise ConfigError(f"{place or 'delay'}: {error}") from None


def plain(value: Any, catalogue: Catalogue) -> Any:
    """What ``Reader`` reads back as ``value``: mappings, lists, numbers, texts, every field.
    Two ways to say one thing have one plain form."""
    if isinstance(value, ProblemConfig):
        values = (value.family, *([] if value.own is None else [value.own]), value.settings)
        return {
            key: entry for settings in values for key, entry in plain(settings, catalogue).items()
        }
    if is_dataclass(value):
        family: Any = type(value)
        tag, name = catalogue.name_of(family)
        section = {field: plain(getattr(value, field), catalogue) for field in names(family)}
        return section if tag in (None, "dataset") else {tag: name} | section
    match value:
        case Mapping():
            return {str(key): plain(entry, catalogue) for key, entry in value.items()}
        case list() | tuple():
            return [plain(entry, catalogue) for entry in value]
        case Enum():
            return value.value
        case float():
            return float(value)  # NumPy's number is one too
    return value


def classes_in(value: Any) -> Iterator[type[Any]]:
    """The classes of the catalogue that an object is made of, among others."""
    if isinstance(value, type):
        return
    if is_dataclass(value):
        yield type(value)
        for field in fields(value):
            yield from classes_in(getattr(value, field.name))
    elif isinstance(value, list | tuple | Mapping):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from classes_in(entry)
    if isinstance(value, ProblemConfig):
        yield value.losses[value.settings.loss]


def filled(given: Any, full: Any) -> Any:
    """``given`` in its own order and wording, with what it leaves unsaid taken from ``full``."""
    if isinstance(given, Mapping) and isinstance(full, Mapping):
        known = {key: filled(value, full[key]) for key, value in given.items() if key in full}
        return known | {key: value for key, value in full.items() if key not in known}
    if isinstance(given, list) and isinstance(full, list) and len(given) == len(full):
        return [filled(*pair) for pair in zip(given, full, strict=True)]
    return given if type(given) in (int, float) and given == full else full


@cache
def names(family: Any) -> tuple[str, ...]:
    """The fields that a section of this class can have."""
    return tuple(field.name for field in fields(family) if field.init)


def takes_list(family: Any, field: str) -> bool:
    """Whether a field's value may itself be a list."""
    return field in names(family) and mentions(types_of(family)[field], LIST_TYPES)


def mentions(annotation: Any, wanted: tuple[Any, ...]) -> bool:
    """Whether a type, or a type within it, is one of ``wanted`` or anything at all."""
    origin = typing.get_origin(annotation) or annotation
    if annotation is Any or (isinstance(origin, type) and origin in wanted):
        return True
    return any(mentions(argument, wanted) for argument in typing.get_args(annotation))


@cache
def types_of(family: Any) -> Mapping[str, Any]:
    """The annotations of a class's fields."""
    return typing.get_type_hints(family, include_extras=True)


def no_section(value: Any) -> str:
    """What an error says of what is no section; of a class, that its fields are missing."""
    own = "; give its fields, as in Uncoded()" * isinstance(value, type)
    return "must be a section: keys with values" + own


def _require_section(value: Any) -> None:
    if not isinstance(value, Mapping):
        raise fault([], value, no_section(value))


def require_known(section: Mapping[Any, Any], known: Collection[str], tag: str = "") -> None:
    """Refuse keys that a section cannot have. Raises ValidationError: each, and the known ones.
    ``tag``: a key that may have been changed without the rest of its section."""
    if unknown := [str(key) for key in section if key not in known]:
        free = [key for key in known if key not in section]
        none = "there are no fields to set"
        valid = {key: one_of(known, key, free) if known else none for key in unknown}
        meant = any("did you mean" in text for text in valid.values())
        more = "" if meant or not tag else f"; to change {tag}, replace the section"
        raise faulty_keys({key: f"unknown key; {text}{more}" for key, text in valid.items()})


def _truth_values(value: Any) -> Iterator[tuple[list[int], bool]]:
    """Where true and false stand: they are no numbers, though Python has them as 1 and 0."""
    if isinstance(value, bool):
        yield [], value
    elif isinstance(value, list):
        yield from (([i], entry) for i, entry in enumerate(value) if isinstance(entry, bool))


def refuse_underscores(value: Any, annotation: Any, loc: list[str | int]) -> None:
    """Refuse (ValidationError) ``1_0`` for a number: Python reads 10, and YAML a text."""
    if not mentions(annotation, (int, float)) or mentions(annotation, (str,)):
        return
    for entry in value if isinstance(value, list | tuple) else [value]:
        if isinstance(entry, str) and UNDERSCORED.fullmatch(entry.strip()):
            raise fault(loc, entry, "must be a number without _")


def fault(loc: Iterable[str | int], value: Any, text: str) -> ValidationError:
    """An error of our own in pydantic's form, so that outer sections put their place before it."""
    return _faults("fault_of_value", [(loc, value, text)])


def faulty_keys(texts: Mapping[str, str]) -> ValidationError:
    """As ``fault``, of keys rather than their values."""
    return _faults("fault_of_place", [((key,), None, text) for key, text in texts.items()])


def _faults(kind: LiteralString, faults: Iterable[tuple[Any, Any, str]]) -> ValidationError:
    details = []
    for loc, value, text in faults:
        error = PydanticCustomError(kind, "{text}", {"text": text})
        details.append(InitErrorDetails(type=error, loc=tuple(loc), input=value))
    return ValidationError.from_exception_data("config", details)


def _more_valid(path: str, problem: Mapping[str, Any]) -> str:
    """What a config can say beside what a field itself allows."""
    kind, given = problem["type"], problem["input"]
    if kind == "int_parsing" and re.fullmatch(r"schemes\.[^.]+\.[^.]+", path):
        return f", or {FOLLOWING}"
    if kind in ("int_type", "float_type", "enum") and isinstance(given, list):
        return "; a sweep takes lists of values (eh.sweep)"
    if (path, kind) == ("schemes", "list_type") and isinstance(given, Mapping):
        return "; a sweep takes a list of such lists"
    return ""
