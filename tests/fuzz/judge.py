"""What a good ending is. A fault is a line; its first word says the kind."""

from __future__ import annotations

import json
import re
import signal
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from xml.parsers import expat

import pandas as pd
import pyarrow.parquet as pq

from erasurehead.experiments.config.document import read_yaml
from erasurehead.experiments.page.folder import read_answer
from erasurehead.experiments.run import outputs
from erasurehead.experiments.run.compute import read_cell
from tests.fuzz.harness import Ending, Snapshot
from tests.fuzz.values import Case

LONGEST_LINE = 300
MOST_MEMORY = 2 * 2**30
GOOD_CODES = (0, 1, 2)

WARNING = re.compile(r"^\S+\.py:\d+: \w*Warning: ", re.MULTILINE)
"""How Python prints a warning that nobody caught."""

REVERSING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make a terminal show a line in another order than it has."""

LEFT_BEHIND = re.compile(r"\.part$|\.lock$|^tmp/")

RUNS = ("run", "sweep")
DRAW = ("plot", "fit", "whatif", "verify", "report", "recommend")


def faults(case: Case, endings: Sequence[Ending], folder: Path) -> list[str]:
    """Everything that is wrong with how a case ended; empty if it ended well."""
    found = [f"{' '.join(e.command)[:80]!r}: {fault}" for e in endings for fault in _one(e)]
    if not found:
        found += _folder(endings[-1], folder)
        if case.repeats:
            pairs = [pair for pair in pairwise(endings) if pair[1].command[0] in RUNS]
            found += [fault for pair in pairs for fault in repeated_faults(*pair)]
    return found


def _one(ending: Ending) -> Iterator[str]:
    """Of one command by itself."""
    if ending.code == -signal.SIGXCPU:
        yield f"hang: {ending.cpu:.0f} s of computing"
    elif ending.code == -signal.SIGKILL:
        yield f"hang: {ending.wall:.0f} s, of which {ending.cpu:.0f} s of computing"
    elif ending.code not in GOOD_CODES:
        yield f"code: {ending.code}"
    if ending.memory > MOST_MEMORY:
        yield f"memory: {ending.memory / 2**30:.1f} GiB"
    for name, content in (("stdout", ending.out), ("stderr", ending.err)):
        data = name == "stdout" and "--schema" in ending.command  # for an editor, not for a reader
        for fault in text_faults(content):
            if not (data and fault.startswith("long")):
                yield f"{fault} on {name}"
    if ending.code == 2:
        yield from refusal_faults(ending.err)
        changed = [*_changed(ending.before, ending.after)]
        if changed:
            yield f"written: refused, but {', '.join(changed)[:200]} changed"
    left = [path for path in ending.after if LEFT_BEHIND.search(path) and path not in ending.before]
    if left:
        yield f"left: {', '.join(left)[:200]}"


def text_faults(content: bytes) -> Iterator[str]:
    """Of what the program printed."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        yield f"encoding: {error}"
        text = content.decode("utf-8", "replace")
    if "Traceback (most recent call last)" in text or "\n  File " in text:
        yield f"traceback: {text.strip().splitlines()[-1][:200]!r}"
    if warning := WARNING.search(text):
        yield f"warning: {text[warning.start() :].splitlines()[0][-200:]!r}"
    for line in text.split("\n"):
        if len(line) > LONGEST_LINE and not line.startswith("|"):  # a table's row stays whole
            yield f"long: a line of {len(line)} characters, {line[:60]!r}"
            break
    for character in text:
        if character != "\n" and (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in REVERSING
        ):
            yield f"control: {character!r}"
            break


def refusal_faults(err: bytes) -> Iterator[str]:
    """A refusal is one line at the end, or says how the command is used."""
    lines = err.decode("utf-8", "replace").splitlines()
    if not lines:
        yield "silent: exit code 2 without a word"
    elif not lines[0].startswith("Usage: "):
        if not lines[-1].startswith("error: ") or not lines[-1][7:].strip():
            yield f"unclear: the last line is {lines[-1][:100]!r}"
        if any(not line.startswith("warning: ") for line in lines[:-1]):
            yield f"lines: {len(lines)} lines of error, {lines[0][:100]!r}"


def _changed(before: Snapshot, after: Snapshot) -> Iterator[str]:
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield path


def repeated_faults(first: Ending, second: Ending) -> Iterator[str]:
    """The same command once more finds everything done."""
    if first.code != second.code:
        last = second.err.decode("utf-8", "replace").strip().splitlines()[-1:]
        yield f"again: exit code {first.code}, then {second.code} {last}"
        return
    tables = [name for name in first.after if name.endswith(".parquet") and "timeline" not in name]
    changed = [name for name in tables if first.after[name] != second.after.get(name)]
    if changed:
        yield f"again: {', '.join(changed)[:200]} changed"
    if new := [name for name in second.after if "/cells/" in name and name not in first.after]:
        yield f"again: {', '.join(new)[:200]} computed anew"


def _folder(ending: Ending, folder: Path) -> Iterator[str]:
    """What a command that was not refused has written."""
    command = ending.command
    if ending.code == 2 or command[0] not in (*RUNS, *DRAW):
        return
    if command[0] in RUNS and "--dry-run" not in command and "--output" in command:
        yield from run_faults(folder / command[command.index("--output") + 1], ending.code)
    if command[0] == "recommend":
        yield from answer_faults(folder / command[command.index("--output") + 1])
    yield from picture_faults(folder)
    for path in folder.rglob("*.md"):
        yield from (f"{fault} in {path.name}" for fault in text_faults(path.read_bytes()))


def run_faults(output: Path, code: int) -> Iterator[str]:
    """Of a run's folder: whole, readable, and all of one story."""
    try:
        config = read_yaml((output / outputs.CONFIG).read_text(encoding="utf-8"))
        text = (output / outputs.MANIFEST).read_text(encoding="utf-8")
        manifest = json.loads(text, parse_constant=_no_constant)
        keys = [*manifest["cells"]]
        identity = outputs.required_id(output)
        if not isinstance(config, dict):
            yield "folder: config.yaml is no mapping"
        if (code == 0 or keys) and not keys:
            yield "folder: exit code 0 without a cell"
        if not keys:
            return
        for name in (outputs.ITERATIONS, outputs.SUMMARY, outputs.WORKERS):
            metadata = pq.read_metadata(output / name).metadata
            outputs.require_id(identity, outputs.id_in(metadata), output / name)
            if set(pd.read_parquet(output / name, columns=["cell"])["cell"]) != set(keys):
                yield f"folder: {name} has other cells than the manifest"
        for key in keys:
            if read_cell(output, key) is None:
                yield f"folder: cell {key} cannot be read"
    except Exception as error:
        yield f"folder: {type(error).__name__}: {error}"


def answer_faults(output: Path) -> Iterator[str]:
    """Of a recommendation's folder: whole and readable."""
    try:
        json.loads((output / outputs.MANIFEST).read_text(encoding="utf-8"))
        if not read_answer(output).verdict:
            yield "folder: no verdict"
        if not isinstance(read_yaml((output / "winner.yaml").read_text()), dict):
            yield "folder: winner.yaml is no mapping"
        for name in ("ranking", "candidates", "sensitivity", "rates"):
            rows = len(pd.read_parquet(output / f"{name}.parquet"))
            if rows != len(pd.read_csv(output / f"{name}.csv")):
                yield f"folder: {name} has other rows as CSV"
        if not (output / "report.md").exists():
            yield "folder: no report"
    except Exception as error:
        yield f"folder: {type(error).__name__}: {error}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def picture_faults(folder: Path) -> Iterator[str]:
    """Of pictures anywhere in a folder: whole, and well-formed."""
    for path in folder.rglob("*.svg"):
        content = path.read_bytes()
        try:
            expat.ParserCreate().Parse(content, True)
        except expat.ExpatError as error:
            yield f"picture: {path.name} is no XML: {error}"
        if b"<script" in content:
            yield f"picture: {path.name} holds a script"
    for path in folder.rglob("*.png"):
        content = path.read_bytes()
        if not content.startswith(b"\x89PNG\r\n") or not content.endswith(b"IEND\xaeB`\x82"):
            yield f"picture: {path.name} is no whole PNG"
