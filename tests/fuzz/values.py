"""Values of broken inputs, and where each number's randomness comes from."""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.document import read_yaml
from erasurehead.experiments.config.schema import schema
from erasurehead.schemes import SCHEMES
from tests.golden.configs import (
    ADDITIVE,
    CRASHES,
    DELAYS,
    EXPONENTIAL,
    FAST,
    LOSSES,
    SHIFTED,
    Document,
    documents,
)

# A case: files in an empty folder, and commands that are run there one after the other.


Command = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What is done to the program.

    Attributes:
        files: content by name, relative to the case's folder.
        commands: arguments of the program.
        note: what was broken, for the reader of a report.
        again: whether the last command repeats what a first one has done: if that went well,
            this one must go well too, and leave the same tables.
    """

    files: Mapping[str, bytes]
    commands: tuple[Command, ...]
    note: str = ""
    repeats: bool = False
    fifos: tuple[str, ...] = field(default=())


Make = Callable[[random.Random], Case]


def randomness(kind: str, number: int) -> random.Random:
    """All randomness of a case; the same on every machine."""
    return random.Random(f"{kind} {number}")


# What the mutators begin with: whole configs, and sections of everything that has a name.


SHIPPED = Path(__file__).parents[2] / "experiments" / "config" / "examples"
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

LAWS = (EXPONENTIAL, SHIFTED, FAST, {"model": "deterministic", "value": 0.5})


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


def mixed(rng: random.Random) -> Document:
    """A config that runs, or says in a line why not: schemes of all families in a cluster with
    messages of random times and much else, of which the clock alone is kept."""
    network: Document = {"broadcast_latency": rng.choice((0.0, 0.25))}
    network |= {name: rng.choice(LAWS) for name in ("uplink", "transfer") if rng.random() < 0.7}
    network |= rng.choice(({}, {}, {}, {"dispatch_skew": 0.125}, {"channels": 2}))
    failures: Document = rng.choice(
        ({}, {}, LOSSES, {"max_wait": 2.0}, {**CRASHES, "max_wait": rng.choice((3.0, 300.0))})
    )
    family = rng.choice([*SCHEMES.values()])
    return {
        "workers": 12,
        "iterations": rng.choice((1, 7, 12)),
        "replications": 2,
        "seed": rng.randrange(10**6),
        "record": "clock",
        "policy": rng.choice(("cancel", "finish", "queue", "drain")),
        "delay": rng.choice((*LAWS, DELAYS["markov"], DELAYS["group_effects"])),
        "load_law": rng.choice(({"kind": "proportional"}, ADDITIVE, {"kind": "per_partition"})),
        "schemes": [plain(rng.choice(family.examples()), BUILT_IN)],
        **({"network": network} if rng.random() < 0.8 else {}),
        **({"failures": failures} if failures else {}),
    }


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
            section = {name: _sample(rng, properties[name], depth) for name in names}
            if isinstance(other := node.get("additionalProperties"), dict):  # by numbers
                section[str(rng.choice((1, 2, 3)))] = _sample(rng, other, depth)
            return section
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


# Odd numbers, texts and pieces of YAML.


class Raw(str):
    """A piece of YAML that is written as it is."""

    __slots__ = ()


NUMBERS: tuple[Any, ...] = (
    *(
        0,
        -1,
        1,
        2,
        3,
        7,
        12,
        13,
        100,
        1000,
        -7,
        2**31,
        2**63,
        2**64,
        -(2**63),
        10**9,
        10**12,
        10**20,
    ),
    *(10**400, -(10**400), 0.5, -0.5, -0.0, 5e-324, 1e-300, 1e-9, 1e9, 1e16, 1e300, 1.7e308, 3.0),
    *(float("inf"), float("-inf"), float("nan"), 0.1, 1 / 3, 1.0000001, True, False),
)

SPELLINGS = tuple(
    map(
        Raw,
        [
            "1e400",
            "-1e400",
            "1e-400",
            "0x10",
            "0o17",
            "010",
            "1_000",
            "12:30:45",
            ".5",
            "5.",
            "+7",
            ".inf",
            "-.INF",
            ".nan",
            "1e5",
            "1E+5",
            "--1",
            "1.2.3",
            "~",
            "null",
            "yes",
            "no",
            "on",
            "off",
            "True",
            "TRUE",
            "tRUE",
            "!",
            "!!",
            "&",
            "*",
            "|",
            ">",
            "%",
            "@",
            "`",
            "-",
            "?",
            ":",
            "2001-01-01",
            "2001-01-01T10:00:00Z",
            "١٢",
            "１２",
            "Ⅻ",
            "∞",
            "½",
            "1e",
            "0b11",
            "1,5",
            "''",
            '""',
            "=",
        ],
    )
)

TAGGED = tuple(
    map(
        Raw,
        (
            *("!!float ''", "!!float abc", "!!int ''", "!!int 1e5", "!!int 9" + "9" * 5000),
            *(
                "!!bool maybe",
                "!!bool ''",
                "!!null x",
                "!!binary aGVsbG8=",
                "!!binary ?",
                "!!str 1",
            ),
            *(
                "!!set {a, b}",
                "!!omap [a: 1]",
                "!!pairs [a: 1]",
                "!!timestamp 2001-01-01",
                "!!map [1]",
            ),
            *("!!seq {a: 1}", "!!map ''", "!!seq ''", "!!str {a: 1}", "!!python/none ''", "!x y"),
            *("!!python/object/apply:os.system ['touch owned']", "!!python/name:os.system ''"),
            *("!!python/tuple [1, 2]", "!!merge <<", "!!value =", "!<tag:yaml.org,2002:float> ''"),
            *(
                "&a [*a]",
                "&a {b: *a}",
                "&a {*a : 1}",
                "*nothing",
                "&a &b 1",
                "&a 1",
                "{<<: {a: 1}}",
            ),
            *(
                "{<<: 1}",
                "{<<: [{a: 1}, 2]}",
                "{<<: &a {<<: *a}}",
                "{? [1, 2] : 3}",
                "{? {a: 1} : 2}",
            ),
            *(
                "{1: 2, a: 3, null: 4, 1.5: 5}",
                "{rate: 1, rate: 2}",
                "{true: 1}",
                "{.nan: 1, .nan: 2}",
            ),
        ),
    )
)

TEXTS = (
    *("", " ", "a", "A b", "0", "-1", "nan", "inf", "None", "null", "true", "[]", "{}", "..", "/"),
    *("exponential", "uncoded", "logistic", "gd", "trace", "file", "auto", "1/rows", "range(1, 3)"),
    *("range(1e9)", "range(1, 0)", "range(0, 1, 0)", "linspace(0, 1, 3)", "linspace(0, 1, 10**9)"),
    *("logspace(-400, 400, 5)", "linspace(nan, 1, 3)", "range(1,", "range(a, b)", "linspace(1, 2)"),
    *("/dev/zero", "/dev/null", "/dev/stdin", "/dev/full", "/proc/self/mem", "/etc", "/etc/passwd"),
    *(
        "/root/../etc/shadow",
        "~",
        "~root",
        "$HOME",
        "nosuch.csv",
        "config.yaml",
        "trace.csv",
        "pipe",
    ),
    *("a\nb", "a\rb", "a\tb", "a\0b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x07\x08", "\x7f"),
    *("\x85", "\u2028", "\u202egnp.exe", "\u2066x", "\ufeff", "\u200b", "\ufffe", "\U0010ffff"),
    *("\ud800", "a\udfffb", "\ud83d", "é", "e\u0301", "Å", "日本語", "한국어", "العربية", "עברית"),
    *("👩‍🔬", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "Z̷̢̧a̸l̷g̵o̶", "ﷺ", "𝕳𝖊𝖑𝖑𝖔", "ı", "ß", "ﬁ", "À la carte", "½"),
    *("[red]x[/red]", "[/b]", "[/]", "[link=http://x]y[/link]", "[[", "]]", ":smile:", "[bold"),
    *(
        "$x$",
        "$",
        "$$",
        r"$\frac{$",
        r"$\input{/etc/passwd}$",
        r"\$",
        r"$\badcommand$",
        "$^$",
        "a_b^c",
    ),
    *(r"\n", "\\", r"\textbf{x}", "${HOME}", "$" + "{" * 3000 + "}" * 3000 + "$", r"$\sqrt{2}$"),
    *("<b>x</b>", "<script>alert(1)</script>", "&amp;", "&", "<", "]]>", "<!--", "\"'`", "a,b;c|d"),
    *(
        "=1+1",
        "%s%d%n",
        "{0}",
        "{x.__class__}",
        "%(a)s",
        "{{",
        "}}",
        "a" * 300,
        "x" * 10_000,
        "é" * 3000,
    ),
    *(
        "日" * 200,
        "_hidden",
        "__class__",
        "a.b.c",
        ".",
        "a.",
        ".a",
        "-",
        "--",
        "--help",
        "-rf",
        "#",
        "'",
    ),
)


def nested(rng: random.Random) -> Raw:
    """Something deep, or something short that stands for something large."""
    depth = rng.choice((3, 20, 99, 101, 300, 3000, 30_000))
    kind = rng.randrange(5)
    if kind == 0:
        return Raw("[" * depth + "]" * depth)
    if kind == 1:
        return Raw("{a: " * depth + "1" + "}" * depth)
    if kind == 2:
        return Raw("[" * depth)
    if kind == 3:
        return Raw("{" * depth + "}" * depth)
    return laughs(rng)


def laughs(rng: random.Random) -> Raw:
    """Each list holds the one before several times."""
    levels, times, made = rng.choice((3, 9, 25)), rng.choice((2, 9)), ["&a0 [lol]"]
    mapping = rng.random() < 0.3
    for level in range(1, levels):
        inner = [f"*a{level - 1}"] * times
        if mapping:
            made.append(f"&a{level} {{{', '.join(f'k{i}: {x}' for i, x in enumerate(inner))}}}")
        else:
            made.append(f"&a{level} [{', '.join(inner)}]")
    return Raw(f"[{', '.join(made)}]")


def odd(rng: random.Random) -> Any:
    """Any odd value."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    if kind < 0.65:
        return rng.choice(TEXTS)
    if kind < 0.73:
        return rng.choice(SPELLINGS)
    if kind < 0.81:
        return rng.choice(TAGGED)
    if kind < 0.85:
        return nested(rng)
    if kind < 0.9:
        return [odd(rng) for _ in range(rng.randrange(4))]
    if kind < 0.95:
        return {odd_key(rng): odd(rng) for _ in range(rng.randrange(4))}
    return rng.choice((None, [], {}, [[]], [{}], {"": None}, [None], [1, "a", None, [], {}]))


def odd_key(rng: random.Random) -> Any:
    """Any odd key; most are texts."""
    if rng.random() < 0.7:
        return rng.choice(TEXTS)
    keys = [n for n in NUMBERS if n == n] + [None, *SPELLINGS[:12]]
    return rng.choice(keys)
