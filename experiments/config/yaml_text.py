"""YAML as version 1.2 has it, so that what a person writes is what is meant, and back.

PyYAML follows version 1.1, in which ``1e-4`` is a text, ``yes`` is true, ``010`` is eight and of
two equal keys the last one silently wins.

YAML can repeat a part of a document by its name, even within itself, so that a few hundred bytes
stand for gigabytes. What a document holds is counted before anything is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import yaml

DEEPEST, MOST_VALUES = 100, 300_000
"""Bounds on a document with all its repetitions written out."""

DEEP = f"nested more than {DEEPEST} deep"

MOST_DIGITS = 400
"""Of a whole number: more than the largest float has."""

TAG = "tag:yaml.org,2002:"
CORE = ("null", "bool", "int", "float", "str", "seq", "map")


class _Reader(yaml.SafeLoader):
    """The core schema of YAML 1.2, and merge keys; keys are texts, each once in a mapping.

    A part that is repeated by its name counts as often as it stands in the document.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._open = 0
        self._sizes: dict[int, int] = {}
        self._depths: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if self._open == DEEPEST:
            raise _error(DEEP, event)
        self._open += 1
        node = super().compose_node(parent, index)
        self._open -= 1
        if node is None:
            return None
        if not isinstance(event, yaml.AliasEvent):
            self._measure(node)
        if id(node) not in self._sizes:
            raise _error("a value contains itself", event)
        if self._open + self._depths[id(node)] > DEEPEST:
            raise _error(DEEP, event)
        if self._sizes[id(node)] > MOST_VALUES:
            raise _error(f"holds more than {MOST_VALUES:,} values", event)
        return node

    def _measure(self, node: yaml.Node) -> None:
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in parts)
        self._depths[id(node)] = 1 + max((self._depths[id(part)] for part in parts), default=0)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (LookupError, TypeError, AttributeError, ValueError):
            tag = node.tag.removeprefix(TAG)
            raise _error(f"a value is not what its tag !!{tag} says", node) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == TAG + "merge":
                continue
            if not isinstance(key, yaml.ScalarNode) or key.tag != TAG + "str":
                raise _error("a key must be text; put it in quotes", key)
            if key.value in seen:
                raise _error(f"the key {key.value} appears twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_decimal(self, node: yaml.ScalarNode) -> int:
        text = self.construct_scalar(node)
        if len(text) > MOST_DIGITS:
            raise _error(f"a number has at most {MOST_DIGITS} digits, not {len(text)}", node)
        return int(text)


def _error(problem: str, at: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    mark: Any = at.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


class _Writer(yaml.SafeDumper):
    """What a person can read: on one line where a section or list holds nothing but plain values.

    It quotes what the reader would take for something else.
    """

    def represent_section(self, value: Mapping[str, Any]) -> yaml.Node:
        node = self.represent_mapping(TAG + "map", value)
        node.flow_style = _flat(value.values()) and len(value) <= 4
        return node

    def represent_values(self, value: list[Any]) -> yaml.Node:
        node = self.represent_sequence(TAG + "seq", value)
        node.flow_style = _flat(value)
        return node


def _flat(values: Iterable[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


_Reader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (None, *(TAG + name for name in CORE))
}
_Reader.add_constructor(TAG + "int", _Reader.construct_decimal)
_Writer.add_representer(dict, _Writer.represent_section)
_Writer.add_representer(list, _Writer.represent_values)
_Reader.yaml_implicit_resolvers = {}
_Writer.yaml_implicit_resolvers = {}
for name, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    for either in (_Reader, _Writer):
        either.add_implicit_resolver(TAG + name, re.compile(f"^({pattern})$"), first)


def read(text: str) -> Any:
    """The document that a text holds.

    Raises:
        ValueError: with one line that says where the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Reader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(f"{place}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def write(document: Mapping[str, Any]) -> str:
    """A mapping as a text, keys in their order; ``read`` gives the same mapping back."""
    return yaml.dump(dict(document), Dumper=_Writer, sort_keys=False, width=96)
