"""Records of what commands compute, say, draw and write: tests compare them where they have the
results. Each part of a record has a name, so a difference has one, and an old and a new value.

``python -m tests.golden NAME`` runs the tests that call ``require_recorded`` with that name, and
writes what moved. Texts are equal to the letter, and numbers to the last digit on the machine that
wrote the part; elsewhere a number may be a unit of that away, or ``near`` of itself.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.kept import NUMBER, clean, kept_of
from tests.golden.machine import machine

RECORDS = Path(__file__).parent / "records"
ROUNDING = 1e-11
"""``code_residual`` is rounding and nothing else: 4e-12 on one processor, 5e-12 on another."""
NEAR = {"fit": 1e-2}  # searches end at other last digits on another machine
SEVERAL = "several machines"  # wrote a part, whose numbers are compared nearly on each
LINE = 150  # characters of a line of a record, about
LONG_TEXT = "…"  # the first entry of a list of pieces that are one text
BITS = re.compile(r"#[0-9a-f]{12} ")  # a hash of numbers' bits, before their mean


def require_recorded(name: str, found: Mapping[str, Any], drawn: bool = False) -> None:
    """Each part is what the record has.

    Args:
        name: of the record; its first part is the file's.
        found: tables, pictures, pages, figures or texts, by what they are.
        drawn: whether they are compared only on the machine that wrote them.
    """
    file, _, rest = name.partition("/")
    names = os.environ.get("RECORD_NAMES")
    writing = names is not None and (not names or file in names.split())
    if names is not None and not writing:
        return
    folder = Path(os.environ["RECORD_BEFORE"]) if writing else RECORDS
    kept = read_record(folder / f"{file}.json", writing)
    moved, parts = list[str](), dict[str, Any]()
    for part, value in found.items():
        key = f"{rest} {part}".strip()
        new = json.loads(clean(json.dumps(kept_of(value), ensure_ascii=False)))
        old = kept.get(key)
        if old is None:
            lines = [f"came: {key}"]
        elif drawn and old["on"] != machine():
            lines = []
        else:
            near = 0.0 if old["on"] == machine() else NEAR.get(file, 1e-6)
            lines = [*differences(old["is"], new, key, near)]
        moved += lines
        if old is None or old["on"] == machine():
            parts[key] = {"on": machine(), "is": new}
        elif lines:  # what is the same but for another machine's rounding stays as it stands
            parts[key] = {"on": SEVERAL, "is": merged(old["is"], new, NEAR.get(file, 1e-6))}
        else:
            parts[key] = old
    if not writing:
        assert not moved, failure(file, moved)
        return
    written = read_record(RECORDS / f"{file}.json")
    assert not written.keys() & parts.keys(), "two records of one name"
    every = sorted((written | parts).items())
    lines = [f"{json.dumps(key, ensure_ascii=False)}: {_lines(part, 1)}" for key, part in every]
    (RECORDS / f"{file}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def failure(file: str, moved: list[str]) -> str:
    """What came, went or moved, and how the record is renewed."""
    more = [f"... and {len(moved) - 20} more"] if len(moved) > 20 else []
    meant = f"If that is meant, say so in CHANGELOG.md and run: python -m tests.golden {file}"
    return "\n".join([f"tests/golden/records/{file}.json:", *moved[:20], *more, meant])


def differences(old: Any, new: Any, where: str, near: float) -> Iterator[str]:
    """A line for each value that came, went or moved."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from (f"went: {where}, {key}" for key in old if key not in new)
        yield from (f"came: {where}, {key}: {_short(new[key])}" for key in new if key not in old)
        same = [key for key in old if key in new]
        if same != [key for key in new if key in old]:
            yield f"moved: {where}: the order is now {[*new]}"
        for key in same:
            yield from differences(old[key], new[key], f"{where}, {key}", near)
    elif isinstance(old, list) and isinstance(new, list):
        for a, b, c, d in _changed(old, new):
            for n, pair in enumerate(zip(old[a:b], new[c:d], strict=False)):
                yield from differences(*pair, f"{where}, {a + n}", near)
            yield from (f"went: {where}: {_short(entry)}" for entry in old[a + d - c : b])
            yield from (f"came: {where}: {_short(entry)}" for entry in new[c + b - a : d])
    elif old != new and not (near and _near(str(old), str(new), near)):
        yield f"moved: {where}: {_short(old)} is now {_short(new)}"


def merged(old: Any, new: Any, near: float) -> Any:
    """New values, but where old ones are nearly the same these."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {k: merged(old[k], value, near) if k in old else value for k, value in new.items()}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [merged(*pair, near) for pair in zip(old, new, strict=True)]
    return new if [*differences(old, new, "", near)] else old


def _changed(old: list[Any], new: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of two lists that differ. Of equally long ones all: entries keep their places."""
    if len(old) == len(new):
        yield 0, len(old), 0, len(new)
        return
    texts = [[json.dumps(entry) for entry in entries] for entries in (old, new)]
    for kind, *places in difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if kind != "equal":
            yield tuple(places)  # type: ignore[misc]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:200]} ... {text[-90:]}"


def _near(old: str, new: str, near: float) -> bool:
    if BITS.match(old) and BITS.match(new):  # bits differ between machines, means hardly
        means = [text.split()[1] for text in (old, new)]
        a, b = (float(mean) if mean != "None" else np.nan for mean in means)
        return bool(np.isclose(a, b, rtol=near, atol=ROUNDING, equal_nan=True))
    ours, theirs = NUMBER.split(old), NUMBER.split(new)
    if ours[::2] != theirs[::2]:
        return False
    return all(
        abs(float(a) - float(b)) <= max(_unit(a), near * abs(float(a)), ROUNDING)
        for a, b in zip(ours[1::2], theirs[1::2], strict=True)
    )


def _unit(text: str) -> float:
    """Of the last digit of a number that is written."""
    digits, _, power = text.partition("e")
    decimals = len(digits.partition(".")[2])
    return 1.01 * 10.0 ** (int(power or 0) - decimals) if decimals else 0.0


def read_record(path: Path, renewing: bool = False) -> dict[str, Any]:
    """The parts of a record; none if there is no file. One that is no JSON, as after a merge with
    conflicts, fails as any other, and has none where it is renewed."""
    try:
        return dict(_whole(json.loads(path.read_text()))) if path.exists() else {}
    except ValueError as error:
        if not renewing:
            raise AssertionError(failure(path.stem, [f"is no JSON: {error}"])) from None
        return {}


def _whole(value: Any) -> Any:
    """With long texts in one piece again."""
    if isinstance(value, dict):
        return {key: _whole(entry) for key, entry in value.items()}
    if isinstance(value, list):
        pieces = value[:1] == [LONG_TEXT]
        return "".join(value[1:]) if pieces else [_whole(entry) for entry in value]
    return value


def _lines(value: Any, depth: int, name: str = "") -> str:
    """JSON, an entry a line where all are too long for one, behind the name of the value."""
    text = json.dumps(value, ensure_ascii=False)
    if len(name) + len(text) + depth <= LINE or not value or isinstance(value, int | float):
        return text
    if isinstance(value, str):
        size = LINE * len(value) // (2 * len(text)) if text.count("\\") else LINE - 20
        pieces = re.findall(rf".{{1,{size}}}(?:\s|$)|.{{1,{size}}}", value, flags=re.DOTALL)
        return _lines([LONG_TEXT, *pieces], depth)
    start, end = "{}" if isinstance(value, dict) else "[]"
    entries = (
        [
            f"{json.dumps(k, ensure_ascii=False)}: {_lines(v, depth + 1, k)}"
            for k, v in value.items()
        ]
        if isinstance(value, dict)
        else [_lines(entry, depth + 1) for entry in value]
    )
    separator = ",\n" + " " * depth
    return f"{start}\n{' ' * depth}{separator.join(entries)}{end}"
