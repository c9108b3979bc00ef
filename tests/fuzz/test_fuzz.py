"""A sample of broken inputs, and the judge who looks at what became of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest

from erasurehead import ConfigError
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.document import load, read_yaml
from erasurehead.experiments.run.command import RunOptions, run
from erasurehead.experiments.run.compute import compute
from erasurehead.sim.base.errors import NeverEnough
from tests.fuzz import judge, labels
from tests.fuzz.__main__ import KINDS, made
from tests.fuzz.harness import Ending, snapshot
from tests.fuzz.values import Case, Raw, mixed, randomness

slow = pytest.mark.slow

# The judge sees what is wrong: each of these endings is bad in one way.


GOOD = Ending(("run", "x"), 2, 0.1, 0.1, 2**28, b"", b"error: x = 1: must be 2\n", {}, {})
CASE = Case({}, ())


def found(ending: Ending, folder: Path) -> set[str]:
    """The kinds of its faults."""
    faults = judge.faults(CASE, [ending], folder)
    return {fault.removeprefix("'run x': ").partition(":")[0] for fault in faults}


def test_a_refusal_in_one_line_is_good(tmp_path: Path) -> None:
    assert found(GOOD, tmp_path) == set()
    assert found(replace(GOOD, err=b"warning: w\n" + GOOD.err), tmp_path) == set()
    assert found(replace(GOOD, err=b"Usage: erasurehead run\n| a box |\n"), tmp_path) == set()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("code", {"code": 70}),
        ("code", {"code": -11}),
        ("hang", {"code": -9}),
        ("hang", {"code": -24}),
        ("memory", {"memory": 3 * 2**30}),
        ("silent", {"err": b""}),
        ("unclear", {"err": b"error: \n"}),
        ("lines", {"err": b"a\nb\nc\nerror: d\n"}),
        ("long", {"err": b"error: " + b"x" * 300 + b"\n"}),
        ("long", {"out": b"x" * 301 + b"\n"}),
        ("control", {"err": b"error: \x1b[1m\n"}),
        ("control", {"err": b"error: a\rb\n"}),
        ("control", {"out": "\u202ex\n".encode()}),
        ("encoding", {"out": b"\xff\n"}),
        ("written", {"after": {"room/out/config.yaml": "1"}}),
        ("written", {"before": {"room/out/config.yaml": "1"}}),
        ("left", {"code": 0, "after": {"room/out/.x.1.ab.part": "1"}}),
        ("left", {"code": 0, "after": {"tmp/x": "1"}}),
        ("warning", {"code": 0, "err": b"/a/b.py:12: UserWarning: glyph missing\n  x()\n"}),
        (
            "traceback",
            {"code": 1, "err": b'Traceback (most recent call last):\n  File "x"\nE: 1\n'},
        ),
    ],
)
def test_what_is_wrong_has_a_name(kind: str, change: dict[str, object], tmp_path: Path) -> None:
    assert kind in found(replace(GOOD, **change), tmp_path)  # type: ignore[arg-type]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """The output of a run."""
    schemes = [{"name": "uncoded"}, {"name": "multi_message", "load": 2}]
    document = {"workers": 3, "iterations": 3, "delay": {"model": "exponential", "rate": 1}}
    run({**document, "schemes": schemes}, tmp_path / "out", RunOptions())
    return tmp_path / "out"


def test_a_whole_folder_is_good(whole: Path) -> None:
    assert [*judge.run_faults(whole, 0)] == []
    assert snapshot(whole) != snapshot(whole.parent)


@pytest.mark.parametrize(
    "name", ["config.yaml", "manifest.json", "summary.parquet", "iterations.parquet", "cells/*"]
)
@pytest.mark.parametrize("damage", ["gone", "half", "empty"])
def test_a_damaged_folder_is_bad(name: str, damage: str, whole: Path) -> None:
    path = sorted(whole.glob(name))[0]
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "half" else b"")
    assert [*judge.run_faults(whole, 0)] != []


def test_pictures_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "good.svg").write_text("<svg><text>x</text></svg>")
    assert [*judge.picture_faults(tmp_path)] == []
    (tmp_path / "bad.svg").write_text("<svg><text>\x1b</text></svg>")
    (tmp_path / "script.svg").write_text("<svg><script>x</script></svg>")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n half of it")
    assert len([*judge.picture_faults(tmp_path)]) == 3


def test_a_repeated_command_must_find_everything_done() -> None:
    first = replace(
        GOOD, code=0, after={"room/out/cells/a.parquet": "1", "room/out/t.parquet": "1"}
    )
    assert [*judge.repeated_faults(first, first)] == []
    for after in (
        {**first.after, "room/out/t.parquet": "2"},
        {**first.after, "room/out/cells/b.parquet": "1"},
        {},
    ):
        assert [*judge.repeated_faults(first, replace(first, after=after))] != []
    assert [*judge.repeated_faults(first, replace(first, code=2))] != []


def test_what_the_writer_of_yaml_writes_is_what_the_reader_reads(tmp_path: Path) -> None:
    document = {"a": [1, -2.5, None, True, "x: y", float("inf"), 10**300], "é\n": {"": {}}}
    for number in range(5):
        text = labels.write({**document, "raw": Raw("[1, 2]")}, randomness("yaml", number))
        assert read_yaml(text) == {**document, "raw": [1, 2]}
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        assert load(tmp_path / "config.yaml")["a"] == document["a"]


# On a disk that is full or read-only: one line, whole files, and a run that goes on later.


ROOT = Path(__file__).parents[2]
OWN_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount")


def obstacle(folder: Path) -> str | None:
    """Why a test cannot mount a file system here."""
    if shutil.which("unshare") is None:
        return "there is no unshare(1) to mount a file system with"
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    tried = subprocess.run([*OWN_MOUNTS, *mount], capture_output=True, text=True, check=False)
    return f"no tmpfs: {tried.stderr.strip()}" if tried.returncode else None


@pytest.mark.slow
def test_commands_on_a_disk_that_is_too_small(tmp_path: Path) -> None:
    if reason := obstacle(tmp_path):
        pytest.skip(reason)
    command = [*OWN_MOUNTS, sys.executable, "-m", "tests.fuzz.disk"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# Broken configs, tables and labels end in a result, or in one readable line; see the judge.
#
# The sample is small, so that `make test` is quick; the slow test runs every case.


SAMPLE = {
    "configs": "0:3",
    "tables": "0:3",
    "labels": "0:1",
    "results": "0:1",
    "searches": "0:1",
    "profilers": "0:2",
}
WHOLE = {
    **dict.fromkeys(("configs", "tables"), "0:2000"),
    **dict.fromkeys(("labels", "searches"), "0:200"),
    "results": "0:300",
    "profilers": "0:500",
}

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="forks with limits and pidfd: Linux"
)


def run_numbers(cases: Mapping[str, str]) -> None:
    """In one process, since importing the program takes longer than many a case."""
    command = [sys.executable, "-m", "tests.fuzz", *chain(*cases.items())]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[3] for line in done.stdout.splitlines()] == [*cases]


def played(document: dict[str, object], engine: str) -> object:
    """When iterations ended, or the line that says why they did not."""
    try:
        [cell] = cells({**document, "engine": engine})
        return compute(cell).per_iteration["time"].tobytes()
    except (ConfigError, NeverEnough) as error:
        return str(error)


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(s, marks=slow) for s in range(4, 80))])
def test_both_engines_end_alike(seed: int) -> None:
    """Configs that mix messages of random times with schemes, policies, failures and laws."""
    for number in range(10):
        document = mixed(randomness("mixed", 10 * seed + number))
        event, batch = (played(document, engine) for engine in ("event", "batch"))
        if not isinstance(batch, str) or "event or auto" not in batch:
            assert event == batch, document


@pytest.mark.long("a process of broken inputs of each kind")
def test_a_sample_ends_well() -> None:
    assert SAMPLE.keys() == {*KINDS}
    run_numbers(SAMPLE)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_ends_well(kind: str) -> None:
    run_numbers({kind: WHOLE[kind]})


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_made_from_its_number_alone(kind: str) -> None:
    assert made(kind, 7) == made(kind, 7)
    assert made(kind, 7) != made(kind, 8)
