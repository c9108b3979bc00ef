"""YAML as version 1.2 has it, so that what a person writes is what is meant, and back.

PyYAML follows version 1.1, in which ``1e-4`` is a text, ``yes`` is true, ``010`` is eight and of
two equal keys the last one silently wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

TAG = "tag:yaml.org,2002:"
CORE = ("null", "bool", "int", "float", "str", "seq", "map")


class _Reader(yaml.SafeLoader):
    """The core schema of YAML 1.2, and merge keys; a key may appear once in a mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == TAG + "merge":
                continue
            if key_node.value in seen:
                problem = f"the key {key_node.value} appears twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_decimal(self, node: yaml.ScalarNode) -> int:
        return int(self.construct_scalar(node))


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
    except (LookupError, TypeError, AttributeError):
        raise ValueError("a value is not what its tag (!!) says") from None


def write(document: Mapping[str, Any]) -> str:
    """A mapping as a text, keys in their order; ``read`` gives the same mapping back."""
    return yaml.dump(dict(document), Dumper=_Writer, sort_keys=False, width=96)
