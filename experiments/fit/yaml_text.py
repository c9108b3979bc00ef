"""Sections as YAML that a person can read: lists of numbers stay on one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Flow style where a value holds nothing but plain values."""


def _flat(values: Any) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    node = dumper.represent_mapping("tag:yaml.org,2002:map", value)
    node.flow_style = _flat(value.values()) and len(value) <= 4
    return node


def _sequence(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    node = dumper.represent_sequence("tag:yaml.org,2002:seq", value)
    node.flow_style = _flat(value)
    return node


_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _sequence)


def to_yaml(document: Mapping[str, Any]) -> str:
    """A mapping as YAML, keys in their order."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, width=96)
