"""A JSON Schema of configs, and each field in words, from the classes that a config can name."""

from __future__ import annotations

import re
import typing
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import cleandoc
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, Unit
from pydantic import Tag, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from typing_extensions import Doc

from ...delay_models import DelayModel
from ...sim.base.reading import Reading
from ...sim.schemes.parts.stop import NamedRule
from ...sim.training.problems.losses import ProblemSettings
from .catalogue import BUILT_IN, Catalogue
from .codec import names, plain, takes_list
from .settings import (
    AUTO,
    FIELDS,
    OF_WORKERS,
    FailureSettings,
    NetworkSettings,
    OwnSettings,
    Settings,
    adapter,
)

Schema = dict[str, Any]
NESTED = "x-nested"  # stands for a nested section of a kind until all definitions are there
# pydantic's words for bounds that it cannot place, and those of JSON Schema
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
RANGE_SCHEMA = {
    "type": "string",
    "pattern": r"^\s*(range|linspace|logspace)\s*\(.*\)\s*$",
    "description": "range(a, b[, step]), linspace(a, b, m) or logspace(a, b, m)",
}
# numbers in quotes, which are taken, too
QUOTED = {
    "integer": r"^\s*[+-]?\d[\d_]*(\.0*)?\s*$",
    "number": r"^\s*[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$",
}
ABOUT = ("title", "description", "default")  # what says nothing of a value's type
# settings that are a section, and where its schema is defined
SECTION_KINDS = {
    "delay": "delays",
    "load_law": "load_laws",
    "problem": "data",
    "optimizer": "optimizers",
    "network": "network",
    "failures": "failures",
}
PLAIN = {int: "integer", float: "number", bool: "true or false", str: "text"}
BOUND_SIGNS: dict[type, str] = {Ge: ">=", Gt: ">", Le: "<=", Lt: "<"}
ARGS = re.compile(r"^Args:\n(?P<lines>(?:[ ]{4}.*\n?|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(?P<name>\w+): (?P<text>.*(?:\n {8}.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class FieldRow:
    """A field, in words."""

    name: str  # its key in a config
    value: str  # type and range, such as ``integer >= 1``
    unit: str  # such as ``s``; empty for a number without one
    default: str  # what holds if the key is left out; ``required`` if it cannot be
    meaning: str  # from the docstring; may be empty


def field_rows(family: type) -> list[FieldRow]:
    """The fields that a section of this class can have, in their order; last how a table is read.
    Type and range come from the annotation, the unit from ``annotated_types.Unit`` in it, the
    meaning from the ``Args`` of the class or of those that it inherits from, or from a ``Doc``."""
    hints = typing.get_type_hints(family, include_extras=True)
    meanings = meanings_of(family)
    rows = []
    last = {field.name for field in fields(Reading)} if issubclass(family, Reading) else set()
    for field in sorted(fields(family), key=lambda field: field.name in last):
        if field.init:
            value, unit = _value(hints[field.name])
            default = "required" if field.default is MISSING else str(field.default)
            if field.default is None or isinstance(field.default, bool):
                default = default.lower()
            if field.default == ():
                default = "none"
            sentences = [m.documentation for m in get_args(hints[field.name]) if isinstance(m, Doc)]
            sentences = [text[0].lower() + text[1:] for text in sentences]
            meaning = meanings.get(field.name, *sentences or [""])
            rows.append(FieldRow(field.name, value, unit, default, meaning))
    return rows


def first_sentence(entry: object) -> str:
    """What a class or an object is, in the first paragraph of its docstring."""
    return " ".join(cleandoc(entry.__doc__ or "").split("\n\n")[0].split()).replace("``", "")


def _value(hint: Any) -> tuple[str, str]:
    """Type and range, and the unit."""
    if hint in PLAIN:
        return PLAIN[hint], ""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is typing.Annotated:
        (text, unit), bounds = _value(inner[0]), list[str]()
        for mark in inner[1:]:
            unit = mark.unit if isinstance(mark, Unit) else unit
            if sign := BOUND_SIGNS.get(type(mark)):
                bounds.append(f"{sign} {getattr(mark, type(mark).__name__.lower())}")
        bounds = [
            bound for bound in bounds if "=" not in bound or bound.replace("=", "") not in bounds
        ]
        return " ".join(filter(None, [text, " and ".join(bounds)])), unit
    if origin in (typing.Union, UnionType):
        kinds = [_value(kind) for kind in inner if kind is not NoneType]
        marks = [mark for kind in inner for mark in get_args(kind)[1:]]
        if choices := [mark.tag.removeprefix("choice-") for mark in marks if isinstance(mark, Tag)]:
            return f"section with {' or '.join(choices)}", ""
        return " or ".join(text for text, _ in kinds), next((u for _, u in kinds if u), "")
    if origin is Literal:
        return " | ".join(map(str, inner)), ""
    if origin in (tuple, list):
        text, unit = _value(inner[0])
        return f"list of {text}", unit
    if origin is dict:
        return "section", ""
    if isinstance(hint, type) and issubclass(hint, DelayModel):
        return "delay model", ""
    if isinstance(hint, type) and is_dataclass(hint):
        return f"section with {', '.join(field.name for field in fields(hint))}", ""
    return getattr(hint, "__name__", str(hint)), ""


def meanings_of(family: type) -> dict[str, str]:
    """What the ``Args`` of a class say of each field, as one line.
    What the class does not say, those that it inherits from say."""
    meanings: dict[str, str] = {}
    for base in reversed(family.__mro__):
        if (section := ARGS.search(cleandoc(base.__doc__ or ""))) is not None:
            entries = ENTRY.finditer(section["lines"])
            meanings |= {entry["name"]: " ".join(entry["text"].split()) for entry in entries}
    return {name: text.replace("``", "") for name, text in meanings.items()}


def prose_of(entry: object) -> list[str]:
    """The paragraphs of a docstring, each as one line, before its first section."""
    text = re.split(r"^\w+:$", cleandoc(entry.__doc__ or ""), flags=re.MULTILINE)[0]
    return [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]


class _Fields(GenerateJsonSchema):
    """Schemas of fields; one that holds a delay model or rule points at all of these."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> Schema:
        return {NESTED: "delays"} if schema["cls"] is DelayModel else {}

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> Schema:
        rule = schema["cls"] is NamedRule
        return {NESTED: "stopping_rules"} if rule else super().dataclass_schema(schema)


def schema(catalogue: Catalogue = BUILT_IN) -> Schema:
    """The JSON Schema of a config document, made from the classes and plugins that it can name.
    With it an editor completes keys and names, shows what a field means, and marks what is wrong.
    It knows types, ranges and names, and few of the fields that go together."""
    definitions: Schema = {}
    for key, kind in catalogue.kinds.items():
        if key != "losses":
            sections = {f"{key}.{name}": _named(catalogue, key, name) for name in kind.classes}
            of_all = _by_name(kind.tag, [*kind.classes], key) if sections else {"not": {}}
            definitions |= sections | {key: of_all}
    definitions |= {"network": _object(NetworkSettings), "failures": _object(FailureSettings)}
    meanings = meanings_of(Settings)
    settings = {name: _setting(name) | {"description": meanings[name]} for name in FIELDS}
    settings["sweep"] |= _swept(definitions)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A config of the ErasureHead simulator",
        "type": "object",
        "properties": settings,
        "required": [key for key, field in Settings.model_fields.items() if field.is_required()],
        "additionalProperties": False,
        **TRAINED,
    }
    gathered: Schema = {}  # what else the fields of sections refer to

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(entry) for entry in node]
        if not isinstance(node, dict):
            return node
        if "$defs" in node:
            gathered.update(walk(node["$defs"]))
        if NESTED in node:
            node = dict(node)
            node |= _ref(node.pop(NESTED))
        if isinstance(kind := node.get("type"), str) and kind in QUOTED:
            node = node | {"type": [kind, "string"], "pattern": QUOTED[kind]}
        bounds = {key: BOUNDS[key] for key in BOUNDS if isinstance(node.get(key), int | float)}
        return {bounds.get(key, key): walk(entry) for key, entry in node.items() if key != "$defs"}

    whole: Schema = walk(document)
    definitions = walk(definitions)
    return whole | {"$defs": gathered | definitions}


def _setting(name: str) -> Schema:
    field = Settings.model_fields[name]
    if name == "schemes":
        return {"type": "array", "items": _ref("schemes"), "minItems": 1}
    if name == "sweep":
        return {"type": "object"}
    value = _ref(SECTION_KINDS[name]) if name in SECTION_KINDS else _json_schema(adapter(name))
    if name == "workers":
        return {"anyOf": [value, {"const": AUTO}]}
    if field.is_required():
        return value
    if name in SECTION_KINDS and field.default is None:
        value = {"anyOf": [value, {"type": "null"}]}
    return value | {"default": plain(field.default, BUILT_IN)}


# a problem is trained by an optimizer, which may be swept
NO_OPTIMIZER_SWEPT: Schema = {"not": {"required": ["optimizer"]}}
TRAINED: Schema = {
    "if": {
        "properties": {"problem": {"type": "object"}, "sweep": NO_OPTIMIZER_SWEPT},
        "required": ["problem"],
    },
    "then": {"properties": {"optimizer": {"type": "object"}}, "required": ["optimizer"]},
}


def _by_name(tag: str, names: list[str], key: str) -> Schema:
    """The section of the class that its name says, so that an editor marks the field at fault."""
    return {
        "type": "object",
        "properties": {tag: {"enum": names}},
        "required": [tag],
        "allOf": [
            {
                "if": {"properties": {tag: {"const": name}}, "required": [tag]},
                "then": _ref(f"{key}.{name}"),
            }
            for name in names
        ],
    }


def _swept(definitions: Schema) -> Schema:
    """The keys that a sweep can have, and the values of each: a setting, or a field of a section by
    its dotted key, of any class that has it."""

    def listed(items: Any) -> Schema:
        return {"anyOf": [{"type": "array", "minItems": 1, "items": items}, RANGE_SCHEMA]}

    whole, dotted = dict[str, Schema](), dict[str, Schema]()
    for name in FIELDS:
        if name in ("plugins", "sweep"):
            continue
        whole[name] = listed(_bare(_setting(name)))
        kind = "schemes" if name == "schemes" else SECTION_KINDS.get(name, "-")
        values: dict[str, list[Any]] = {}
        for key, section in definitions.items():
            if key == kind or key.startswith(f"{kind}."):
                for field, value in section.get("properties", {}).items():
                    if (bare := _bare(value)) not in (known := values.setdefault(field, [])):
                        known.append(bare)
        path = name + r"\.[^.]+" * (name == "schemes")
        for field, kinds in values.items():
            dotted[rf"^{path}\.{field}$"] = listed({"anyOf": kinds})
            dotted[rf"^{path}\.{field}\..+$"] = listed(True)
    return {"properties": whole, "patternProperties": dotted, "additionalProperties": False}


def _bare(value: Schema) -> Schema:
    return {key: entry for key, entry in value.items() if key not in ABOUT}


def _named(catalogue: Catalogue, key: str, name: str) -> Schema:
    kind = catalogue[key]
    family = kind.classes[name]
    section = _object(family)
    properties = section["properties"]
    if key == "data":
        shared = _object(ProblemSettings)
        properties |= shared["properties"]
        section["required"] += shared["required"]
        for family in catalogue["losses"].classes.values():  # a loss may have fields of its own
            if family.fields is not None:
                properties |= _object(family.fields)["properties"]
        properties["loss"] |= {"enum": [*catalogue["losses"].classes]}
    if key == "schemes":
        own = _object(OwnSettings)  # in place of the config's
        own["properties"]["delay"]["anyOf"] = [_ref("delays"), {"type": "null"}]
        section["$defs"] = section.get("$defs", {}) | own.get("$defs", {})
        of_scheme = {
            field: value for field, value in properties.items() if not takes_list(family, field)
        }
        for field, value in (of_scheme | own["properties"]).items():
            properties[field] = _or_one_scheme_for_each(value)
        label = "how tables and pictures name the scheme"
        properties["label"] = {"type": ["string", "number", "null"], "description": label}
    section["properties"] = {kind.tag: {"const": name}} | properties | {kind.tag: {"const": name}}
    section["required"] = [kind.tag, *(key for key in section["required"] if key != kind.tag)]
    if {"stop", "wait_for"} <= properties.keys():  # one of them says when a round ends
        given = {key: {"not": {"type": "null"}} for key in ("stop", "wait_for")}
        section["not"] = {"properties": given, "required": [*given]}
    return section | {"title": name}


def _or_one_scheme_for_each(value: Schema) -> Schema:
    """A value of a scheme's field, or a list of values, which stands for one scheme for each."""
    bare = _bare(value)
    kinds = [bare]
    if any(kind.get("type") == "integer" for kind in bare.get("anyOf", kinds)):
        kinds.append({"type": "string", "pattern": f"^{OF_WORKERS.pattern}$"})
    item = {"anyOf": kinds} if len(kinds) > 1 else bare
    several = {"anyOf": [*kinds, {"type": "array", "items": item, "minItems": 1}]}
    return {key: value[key] for key in ABOUT if key in value} | several


def _object(family: Any) -> Schema:
    section = _json_schema(TypeAdapter(family))
    properties = section.get("properties", {})
    for field in field_rows(family):
        unit = f" ({field.unit})" if field.unit else ""
        if field.meaning or unit:
            properties[field.name]["description"] = f"{field.meaning}{unit}".strip()
    return section | {
        "description": first_sentence(family),
        "properties": {name: properties[name] for name in names(family)},
        "required": section.get("required", []),
        "additionalProperties": False,
    }


def _json_schema(adapter: TypeAdapter[Any]) -> Schema:
    return adapter.json_schema(schema_generator=_Fields)


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
