"""Configs that are broken somewhere: in a value, in the structure, in the text, in a ``--set``."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from tests.fuzz import labels, values
from tests.fuzz.values import Case, Command, nested, odd, odd_key

Place = tuple[Any, ...]
"""Keys and indices that lead to a value."""


def make(rng: random.Random) -> Case:
    """A config with one to three things wrong, and what is done with it."""
    document = values.config(rng)
    notes = [
        rng.choice(MUTATORS)(rng, document) for _ in range(rng.choice((0, 1, 1, 1, 1, 1, 2, 3)))
    ]
    if document.get("iterations") == document.get("replications") == 1000:
        document["replications"] = 100  # a million rounds is no mistake, and rightly takes minutes
    text = labels.write(document, rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.14:
        text, note = _broken_text(rng, text)
        notes.append(note)
    overrides = settings(rng, document) if rng.random() < 0.25 else ()
    notes += [f"{option!r:.80}" for option in overrides[1::2]]
    files = {"config.yaml": text, **values.files()}
    return Case(files, _commands(rng, overrides), "; ".join(notes), repeats=True, fifos=("pipe",))


def _commands(rng: random.Random, overrides: Command) -> tuple[Command, ...]:
    run: Command = ("run", "config.yaml", *overrides, "--output", "out")
    sweep: Command = ("sweep", *run[1:])
    kind = rng.random()
    if kind < 0.1:
        return ((*run, "--dry-run"),)
    if kind < 0.13:
        return (("list", "--schema", "config.yaml"),)
    if kind < 0.18:
        return ((*run, "--timeline", "out/timeline.json"), run)
    if kind < 0.2:
        return ((*sweep, "--jobs", "2"), run)
    if kind < 0.23:
        return (_worst(rng, overrides),)
    if kind < 0.3:
        return (run, ("run", "out/config.yaml", "--output", "out"))
    if kind < 0.35:
        return (run, ("plot", "out", "--format", rng.choice(("svg", "png", "pdf"))))
    return (sweep if kind < 0.55 else run,)


def _worst(rng: random.Random, overrides: Command) -> Command:
    options: list[str] = ["--budget", rng.choice(("100", "1000", "0", "x"))]
    if rng.random() < 0.5:
        options += ["--stragglers", rng.choice(("0:2", "1", "3:1", "99", "-1", "", "0:99999999"))]
    return ("verify", "--worst", "config.yaml", *overrides, *options, "--output", "out")


def places(value: Any, place: Place = ()) -> list[Place]:
    """Of every value in a document."""
    found = [place] if place else []
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in entries:
        if isinstance(entry, dict | list):
            found += places(entry, (*place, key))
        else:
            found.append((*place, key))
    return found


def parent(document: Any, place: Place) -> Any:
    for key in place[:-1]:
        document = document[key]
    return document


def _any(rng: random.Random, document: Any) -> tuple[Any, Any, Place]:
    """The container of some value, its key there, and its place."""
    found = places(document)
    if not found:
        document["x"] = 1
        found = [("x",)]
    place = rng.choice(found)
    return parent(document, place), place[-1], place


def _replace(rng: random.Random, document: Any) -> str:
    holder, key, place = _any(rng, document)
    holder[key] = odd(rng)
    return f"{_dotted(place)} = {str(holder[key])[:60]!r}"


def _delete(rng: random.Random, document: Any) -> str:
    holder, key, place = _any(rng, document)
    del holder[key]
    return f"{_dotted(place)} deleted"


def _rename(rng: random.Random, document: Any) -> str:
    holder, key, place = _any(rng, document)
    if not isinstance(holder, dict):
        return _replace(rng, document)
    new = rng.choice((odd_key(rng), f"{key}s", str(key).upper(), str(key)[:-1]))
    holder[new] = holder.pop(key)
    return f"{_dotted(place)} is called {str(new)[:60]!r}"


def _add(rng: random.Random, document: Any) -> str:
    holder, _, place = _any(rng, document)
    if isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), odd(rng))
    else:
        holder[odd_key(rng)] = odd(rng)
    return f"something odd beside {_dotted(place)}"


def _swap(rng: random.Random, document: Any) -> str:
    one, one_key, place = _any(rng, document)
    other, other_key, second = _any(rng, document)
    if place[: len(second)] == second or second[: len(place)] == place:  # one within the other
        return _replace(rng, document)
    one[one_key], other[other_key] = other[other_key], one[one_key]
    return f"{_dotted(place)} and {_dotted(second)} swapped"


def _wrap(rng: random.Random, document: Any) -> str:
    holder, key, place = _any(rng, document)
    value = holder[key]
    many = [value, odd(rng)]
    holder[key] = rng.choice(
        ([value], [value, value], many, {"a": value}, {key: value}, str(value))
    )
    return f"{_dotted(place)} wrapped"


def _scale(rng: random.Random, document: Any) -> str:
    found = [
        place
        for place in places(document)
        if type(parent(document, place)[place[-1]]) in (int, float)
    ]
    if not found:
        return _replace(rng, document)
    place = rng.choice(found)
    holder, key = parent(document, place), place[-1]
    value = holder[key]
    if isinstance(value, int):
        changed = (
            value + 1,
            value + 2,
            value - 1,
            value * 2,
            value * 3,
            value // 2,
            -value,
            value * 100,
        )
    else:
        near = (value * 2, value / 3, value * 10, 1 - value, -value, round(value) + 1)
        changed = (
            *near,
            *near,
            value * 1e-9,
            value * 1e-200,
            value * 1e9,
            value * 1e200,
            1 - 1e-16,
        )
    holder[key] = rng.choice(changed)
    return f"{_dotted(place)}: {value} -> {holder[key]}"


def _graft(rng: random.Random, document: Any) -> str:
    """A section of another config in place of one: often two things that do not go together."""
    key, new = rng.choice([*values.config(rng).items()])
    document[key] = new
    return f"{key} of another config"


def _sweep(rng: random.Random, document: Any) -> str:
    _, _, place = _any(rng, document)
    key = _dotted(place) if rng.random() < 0.7 else odd_key(rng)
    value = copy.deepcopy(parent(document, place)[place[-1]])
    values = rng.choice(
        ([value], [value, odd(rng)], [odd(rng), value], odd(rng), [1, 2], [odd(rng)])
    )
    sweep = document.setdefault("sweep", {})
    if not isinstance(sweep, dict):
        sweep = document["sweep"] = {}
    sweep[key] = values
    return f"sweep of {str(key)[:60]!r}: {str(values)[:60]!r}"


def _whole(rng: random.Random, document: Any) -> str:
    """A value that is deep or large."""
    holder, key, place = _any(rng, document)
    holder[key] = nested(rng)
    return f"{_dotted(place)} nested"


SIZES = {
    "workers": (1, 2, 100, 1000, 3000, 10**6, 10**9, 10**12),
    "iterations": (1, 2, 100, 1000, 10**9, 2**31, 2**63),
    "replications": (1, 3, 100, 1000, 2**30, 10**9, 10**12),
    "problem.rows": (1, 5, 1000, 10**9, 10**12, 10**20),
    "problem.features": (1, 1000, 10**6, 10**9, 10**12),
    "seed": (2**31, 2**63, 2**64, 10**30),
}
"""Small enough to be worked on in seconds, or so large that it must be refused."""


def _size(rng: random.Random, document: Any) -> str:
    place = rng.choice([*SIZES])
    size = rng.choice(SIZES[place])
    section, _, key = place.rpartition(".")
    holder = document.get(section) if section else document
    if not isinstance(holder, dict):
        return _scale(rng, document)
    holder[key] = size
    return f"{place} = {size}"


def _plugins(rng: random.Random, document: Any) -> str:
    named = ["os", "nosuch", "./nosuch.py", "config.yaml", "config.py", "", "a b", ".", "trace.csv"]
    document["plugins"] = rng.choice(([rng.choice(named)], rng.choice(named), [odd(rng)], odd(rng)))
    return f"plugins = {str(document['plugins'])[:60]!r}"


MUTATORS: tuple[Callable[[random.Random, Any], str], ...] = (
    *(_replace,) * 8,
    *(_delete, _delete, _rename, _rename, _add, _add, _swap, _swap, _wrap, _wrap),
    *(_scale,) * 9,
    *(_graft,) * 7,
    *(_sweep,) * 3,
    *(_size,) * 3,
    *(_whole, _plugins),
)


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _broken_text(rng: random.Random, text: bytes) -> tuple[bytes, str]:
    lines = text.splitlines(keepends=True)
    at, line = rng.randrange(len(text) + 1), rng.randrange(len(lines) + 1)
    several = rng.randrange(1, 10)
    noise = bytes(rng.randrange(256) for _ in range(several))
    signs = "".join(rng.choice(":{}[],&*#?|->!%@`'\" \t\n") for _ in range(several)).encode()
    odd_line = labels.flow({odd_key(rng): odd(rng)})[1:-1].encode("utf-8", "surrogatepass") + b"\n"
    choices: tuple[tuple[str, bytes], ...] = (
        ("noise", text[:at] + noise + text[at:]),
        ("signs", text[:at] + signs + text[at:]),
        ("some bytes replaced", text[:at] + noise + text[at + several :]),
        ("some bytes missing", text[:at] + text[at + several :]),
        ("cut short", text[:at]),
        ("a line twice", b"".join([*lines[:line], *lines[max(line - 1, 0) :]])),
        ("an odd line", b"".join([*lines[:line], odd_line, *lines[line:]])),
        ("indented", b"".join([*lines[:line], *(b"  " + each for each in lines[line:])])),
        ("tabs", text.replace(b" ", b"\t")),
        ("CRLF", text.replace(b"\n", b"\r\n")),
        ("CR", text.replace(b"\n", b"\r")),
        ("BOM", b"\xef\xbb\xbf" + text),
        ("UTF-16", text.decode("utf-8", "replace").encode("utf-16")),
        ("UTF-32", text.decode("utf-8", "replace").encode("utf-32")),
        ("Latin-1", text + b"# caf\xe9\n"),
        ("NUL", text[:at] + b"\0" + text[at:]),
        ("two documents", text + b"---\n" + text),
        ("a directive", b"%YAML 1.1\n---\n" + text),
        ("an odd directive", b"%TAG ! tag:x,2000:\n--- !y\n" + text),
        ("ends early", text[:at] + b"\n...\n" + text[at:]),
        ("empty", rng.choice((b"", b"\n", b"#\n", b"---\n", b"null\n", b"[]", b"{}", b"1", b"a"))),
        ("nested", nested(rng).encode()),
        ("a long comment", b"#" + b"x" * 10**6 + b"\n" + text),
        ("a long key", b"k" * 10**5 + b": 1\n" + text),
        ("many keys", b"".join(b"k%d: 1\n" % i for i in range(3000)) + text),
        ("same again", text + text),
        ("binary", bytes(rng.randrange(256) for _ in range(2000))),
    )
    note, broken = rng.choice(choices)
    return broken, note


FORMS = (
    *(
        "1",
        "1,2",
        "1,,2",
        ",",
        "",
        "=",
        "a=b",
        "[1,2]",
        "[1,2",
        "{a: 1}",
        "{a: 1",
        "]",
        "null",
        "~",
    ),
    *(
        "range(1,3)",
        "range(1,3,0)",
        "range(1,1e9)",
        "range(1e400)",
        "linspace(0,1,5)",
        "logspace(0,400,3)",
    ),
    *(
        "linspace(0.1,1,1000000)",
        "a\nb",
        "a: b",
        "- a",
        "!!float ''",
        "&a [*a]",
        "*a",
        "{1: 2, a: 3}",
    ),
    *(
        "{name: uncoded}",
        "[{name: uncoded}]",
        "{model: exponential, rate: 1}",
        "{model: exponential}",
    ),
    *(
        "\x1b[31m",
        "\udcff",
        "日本",
        "[/b]",
        "$x",
        "'",
        '"',
        "x" * 5000,
        "1" * 5000,
        "1e400",
        ".inf",
        "# c",
    ),
)
KEYS = (
    *(
        "workers",
        "iterations",
        "delay",
        "delay.rate",
        "schemes",
        "schemes.0",
        "schemes.uncoded.label",
    ),
    *(
        "schemes.99.load",
        "schemes.-1.load",
        "schemes.erasurehead.load",
        "sweep",
        "sweep.workers",
        "name",
    ),
    *(
        "plugins",
        "seed",
        "problem.rows",
        "problem",
        "network.channels",
        "failures",
        "a",
        "",
        ".",
        "a.b.c",
    ),
    *(
        "delay.",
        ".delay",
        "delay..rate",
        "name.x",
        "[/x]",
        "\x1b[1m",
        "\udcff",
        "k" * 300,
        "schemes.0.label",
    ),
)


def settings(rng: random.Random, document: Any) -> Command:
    """Some ``--set KEY=VALUE``."""
    options: list[str] = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = places(document)
        known = found and rng.random() < 0.4
        key = _dotted(rng.choice(found)) if known else rng.choice(KEYS)
        value = rng.choice(FORMS) if rng.random() < 0.7 else labels.flow(odd(rng))
        option = f"{key}={value}" if rng.random() < 0.95 else rng.choice((key, value))
        options += ["--set", _argument(option)]
    return tuple(options)


def _argument(text: str) -> str:
    """As the system allows it: no NUL, not too long."""
    return (
        text.replace("\0", "")
        .encode("utf-8", "surrogatepass")
        .decode("utf-8", "surrogateescape")[:100_000]
    )
