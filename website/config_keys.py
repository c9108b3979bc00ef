"""The reference of configs, read from the settings and the registries."""

from __future__ import annotations

import json
from typing import Any

from erasurehead.experiments.commands.listing import PLACES, sections
from erasurehead.experiments.config.schema import field_rows, first_sentence, schema
from website.markdown import code, plain, table

HEAD = """# Keys of a config

A config is a YAML file (or, [from Python](../python.md), a mapping). `erasurehead list NAME` prints
what stands here of a name, also of your plugins; `erasurehead list --schema` gives it to an editor.
What a scheme does, and what is known of it, is in the [atlas](../atlas.md); the delay models are
drawn in their [gallery](../delays.md). A list in a scheme's field stands for one scheme per value,
and a count in it can follow the number of workers: `n/2`, rounded up, or `n-2`. Keys are
texts; below `levels` they may be whole numbers, which become texts. If a config is invalid, one
line says what is wrong and what would be valid, and nothing is written.

**In an editor.** With `erasurehead list --schema > erasurehead.schema.json`, and
`# yaml-language-server: $schema=erasurehead.schema.json` as a config's first line, an editor
completes keys and names, explains them and marks mistakes.

**Sweeps.** A sweep lists values: `--set delay.rate=0.5,1,2` or, in the config,
`sweep: {delay.rate: [0.5, 1, 2]}`. Both also take `range(a,b[,step])` (b excluded),
`linspace(a,b,m)` (both ends included) and `logspace(a,b,m)` (10^a to 10^b).

**Paths.** A path in a config is relative to the config's folder, a path given with `--set` to the
working directory.

**Examples.** `erasurehead init NAME` writes a commented config: `demo`, `example` (every key),
`cluster` (workers that stay slow, a network, lost messages, crashes), `asynchronous` (schemes
without a barrier), `live` (for real workers), `lambda_cnn`, `authors_measured` (measured clusters).
"""

TITLES = {
    "schemes": "Schemes",
    "delays": "Delay models",
    "load_laws": "Load laws",
    "data": "Data sets",
    "losses": "Losses",
    "optimizers": "Optimizers",
    "network": "Network",
    "failures": "Failures",
}


def page() -> str:
    """The page, as Markdown."""
    parts = [HEAD, "## Top level", _top(schema())]
    for key, entries in sections().items():
        parts += [f"## {TITLES.get(key, key)}", f"In a config: `{PLACES[key]}`"]
        for name, family in entries.items():
            alone = key in ("network", "failures")
            parts += [] if alone else [f"### {name}"]
            parts.append(plain(first_sentence(family)))
            if key != "losses":  # their fields are the data
                parts.append(fields(family))
    return "\n\n".join(filter(None, parts)) + "\n"


def fields(family: type) -> str:
    """The fields of a class as a table; nothing where it has none."""
    rows = [
        (code(row.name), plain(row.value), plain(row.unit), code(row.default), plain(row.meaning))
        for row in field_rows(family)
    ]
    return table(["field", "value", "unit", "default", "meaning"], rows) if rows else ""


def _top(document: dict[str, Any]) -> str:
    rows = []
    for name, setting in document["properties"].items():
        default = "required" if name in document["required"] else ""
        if "default" in setting:
            default = json.dumps(setting["default"])
        rows.append((code(name), _type(setting), code(default), plain(setting["description"])))
    return table(["key", "value", "default", "meaning"], rows)


def _type(setting: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in setting:
        return "section"
    if "anyOf" in setting:
        return " or ".join(dict.fromkeys(_type(each) for each in setting["anyOf"]))
    if "enum" in setting:
        return " or ".join(code(str(value)) for value in setting["enum"])
    if "const" in setting:
        return code(str(setting["const"]))
    kind = {"array": "list", "object": "section", "string": "text", "null": "`null`"}
    kinds = setting.get("type", "any")
    name = kinds if isinstance(kinds, str) else str(kinds[0])  # numbers may stand in quotes
    bounds = {
        "minimum": ">=",
        "exclusiveMinimum": ">",
        "maximum": "<=",
        "exclusiveMaximum": "<",
    }
    limits = [f"{sign} {setting[key]}" for key, sign in bounds.items() if key in setting]
    return " ".join([kind.get(name, name), " and ".join(limits)]).strip()
