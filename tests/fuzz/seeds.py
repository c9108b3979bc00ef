"""What the mutators begin with: whole configs, and sections of everything that has a name."""

from __future__ import annotations

import copy
import random
import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

from erasurehead.experiments.config.document import read_yaml
from erasurehead.experiments.config.schema import schema
from tests.golden.configs import documents

SHIPPED = Path(__file__).parents[2] / "experiments" / "configs"
SMALL = {"iterations": 6, "replications": 2}
"""Cases are many, so each is small."""

KEYS = {
    "delay": "delays",
    "load_law": "load_laws",
    "schemes": "schemes",
    "problem": "data",
    "optimizer": "optimizers",
    "network": "network",
    "failures": "failures",
}

Document = dict[str, Any]


@cache
def _golden() -> tuple[tuple[Document, ...], dict[str, bytes]]:
    """The golden configs, and the files that they name."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        found = tuple(documents(Path()).values())
        return found, {path.name: path.read_bytes() for path in Path().iterdir()}


@cache
def _configs() -> tuple[Document, ...]:
    shipped = (read_yaml(path.read_text()) for path in sorted(SHIPPED.glob("*.yaml")))
    return tuple({**document, **SMALL} for document in (*_golden()[0], *shipped))


@cache
def _schema() -> Document:
    return schema()


def files() -> dict[str, bytes]:
    """Those that the configs name."""
    return _golden()[1]


def config(rng: random.Random) -> Document:
    """A config that runs; most are known ones, some are put together from the schema."""
    document = copy.deepcopy(rng.choice(_configs()))
    for key in KEYS:
        if rng.random() < 0.15:
            document[key] = [grown(rng, key)] if key == "schemes" else grown(rng, key)
    if document.get("problem") and not document.get("optimizer"):
        document["optimizer"] = {"rule": "gd", "learning_rate": 0.1}
    return document


def grown(rng: random.Random, key: str) -> Any:
    """A section that the schema allows."""
    return _sample(rng, {"$ref": f"#/$defs/{KEYS[key]}"}, 0)


def _sample(rng: random.Random, node: Document, depth: int) -> Any:
    if "$ref" in node:
        return _sample(rng, _schema()["$defs"][node["$ref"].rpartition("/")[2]], depth + 1)
    for choice in ("oneOf", "anyOf"):
        if choice in node:
            options = node[choice]
            if depth > 6 and "$ref" in options[0]:  # models in models come to an end
                options = options[:1]
            return _sample(rng, rng.choice(options), depth)
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return rng.choice(node["enum"])
    match node.get("type"):
        case "object":
            required, properties = node.get("required", []), node.get("properties", {})
            names = [name for name in properties if name in required or rng.random() < 0.25]
            return {name: _sample(rng, properties[name], depth) for name in names}
        case "array":
            size = rng.choice((1, 1, 2, 3)) + node.get("minItems", 1) - 1
            return [_sample(rng, node.get("items", {}), depth) for _ in range(size)]
        case "integer":
            return int(node.get("minimum", 1)) + rng.choice((0, 1, 2, 3, 5))
        case "number":
            least = node.get("minimum", node.get("exclusiveMinimum", 0))
            return min(least + rng.choice((0.1, 0.5, 1.0, 3.0)), node.get("maximum", 10.0))
        case "boolean":
            return rng.random() < 0.5
        case "string":
            return rng.choice(("trace.csv", "data.npz", "x"))
        case _:
            return None
