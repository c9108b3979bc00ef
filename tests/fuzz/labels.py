"""Labels from outside, and YAML as others write it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from tests.fuzz.values import TEXTS, Case, Command, Raw

# Labels, keys and names of folders in all the writing of the world, through run and plot.


PIECES = (
    *(
        "a",
        "B",
        " ",
        "_",
        "^",
        "$",
        "{",
        "}",
        "\\",
        "[",
        "]",
        "/",
        "<",
        ">",
        "&",
        '"',
        "'",
        "%",
        "#",
        "~",
    ),
    *(
        "\n",
        "\t",
        "\r",
        "\0",
        "\x1b[1m",
        "\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\u202e",
        "\u200d",
        "\ufeff",
    ),
    *(
        "é",
        "ß",
        "日本",
        "한",
        "مرحبا",
        "שלום",
        "ไทย",
        "🙂",
        "👩‍🔬",
        "\U0001f1e9\U0001f1ea",
        "𝔛",
        "\ud800",
    ),
    *(
        r"\frac",
        r"\sqrt",
        r"\alpha",
        r"\text{",
        "[b]",
        "[/b]",
        "[/",
        "<svg>",
        "</text>",
        "&lt;",
        "]]>",
        "$$",
    ),
    *(
        r"\overline{",
        r"\left(",
        r"\mathbf{",
        r"\genfrac",
        r"\substack{",
        "{{{",
        "}}}",
        "_nolegend_",
        "=",
        ":",
    ),
)
KINDS = (
    *(
        "loss_time",
        "loss_iteration",
        "iteration_time",
        "tradeoff",
        "utilisation",
        "workers",
        "delays",
    ),
    "gantt",
)


def text(rng: random.Random) -> str:
    """A label: one of the known odd ones, or pieces put together."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(TEXTS)
    if kind < 0.95:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 12)))
    return rng.choice(PIECES) * rng.choice((100, 1000, 10_000))


def make(rng: random.Random) -> Case:
    """A small run with odd labels, and pictures of it."""
    schemes: list[dict[str, Any]] = [
        {"name": "uncoded", "label": text(rng)},
        {"name": "erasurehead", "load": 2, "wait_for": 2, "label": text(rng)},
    ]
    document: dict[str, Any] = {
        "workers": 4,
        "iterations": 4,
        "replications": 2,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": schemes[: rng.choice((1, 1, 2))],
    }
    if rng.random() < 0.5:
        document["problem"] = {
            "loss": "logistic",
            "dataset": "synthetic",
            "rows": 40,
            "features": 3,
        }
        document["optimizer"] = {"rule": "gd", "learning_rate": 0.1}
        document["target_loss"] = 0.69
    if rng.random() < 0.15:
        document["name"] = text(rng)
    if rng.random() < 0.2:
        labels = [text(rng), text(rng)]
        document["sweep"] = {rng.choice(("schemes.0.label", text(rng))): labels}
    content = write(document, rng).encode("utf-8", "surrogatepass")
    return Case({"config.yaml": content}, _commands(rng), "; ".join(s["label"] for s in schemes))


def _commands(rng: random.Random) -> tuple[Command, ...]:
    output = "out" if rng.random() < 0.9 else _folder(rng)
    run: Command = (rng.choice(("run", "run", "sweep")), "config.yaml", "--output", output)
    if run[0] == "run" and rng.random() < 0.4:
        run += ("--timeline", f"{output}/timeline.json")
    plot: Command = ("plot", output, "--format", rng.choice(("svg", "svg", "png,svg", "pdf")))
    if rng.random() < 0.75:
        plot += ("--kind", rng.choice(KINDS))
    return (run, plot if rng.random() < 0.6 else ("report", output))


def _folder(rng: random.Random) -> str:
    """A name that a folder can have."""
    name = text(rng).replace("\0", "").replace("/", "|").strip(".~-")
    name = name.encode("utf-8", "replace").decode()
    while len(name.encode()) > 200:
        name = name[: len(name) // 2]
    return name or "out"


# Documents as YAML, with pieces that no decent writer would write.


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
