"""Reading YAML as version 1.2 has it, so that what a person writes is what is meant.

PyYAML follows version 1.1, in which ``1e-4`` is a text, ``yes`` is true, ``010`` is eight and of
two equal keys the last one silently wins.
"""

from __future__ import annotations

import re
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


_Reader.yaml_implicit_resolvers = {}
_Reader.yaml_constructors = {
    tag: yaml.SafeLoader.yaml_constructors[tag] for tag in (None, *(TAG + name for name in CORE))
}
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
    _Reader.add_implicit_resolver(TAG + name, re.compile(f"^({pattern})$"), first)
_Reader.add_constructor(TAG + "int", _Reader.construct_decimal)


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
