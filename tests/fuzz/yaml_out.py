"""Documents as YAML, with pieces that no decent writer would write."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from tests.fuzz.values import Raw


def write(document: Any, rng: random.Random) -> str:
    """A mapping has a line for each key, as people write it."""
    if not isinstance(document, dict) or not document:
        return flow(document) + "\n"
    ascii_only = rng.random() < 0.3
    lines = [
        f"{flow(key, ascii_only)}: {flow(value, ascii_only)}\n" for key, value in document.items()
    ]
    return "".join(lines)


def flow(value: Any, ascii_only: bool = True) -> str:
    """A value on one line."""
    match value:
        case Raw():
            return str(value)
        case dict():
            pairs = (f"{flow(k, ascii_only)}: {flow(v, ascii_only)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(flow(each, ascii_only) for each in value) + "]"
        case bool() | None:
            return json.dumps(value)
        case int():
            return str(value)
        case float():
            return number(value)
        case _:
            return json.dumps(str(value), ensure_ascii=ascii_only or not str(value).isprintable())


def number(value: float) -> str:
    """As YAML 1.2 has it."""
    if math.isnan(value):
        return ".nan"
    return repr(value) if math.isfinite(value) else ("-.inf" if value < 0 else ".inf")
