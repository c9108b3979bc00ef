"""Plants one fault at a time and sees whether the quick tests notice: ``make mutants``.

Faults are drawn from a seed, by package with its lines as weights: a comparison flipped, a whole
number off by one, min and max swapped, a statement or a guard dropped. The quick suite runs once,
which tells the lines that each test executes. Then each fault is planted, and the tests that
execute its statement run, those of the quickest files first, until one fails. Where it runs at
import, or in no test (but maybe in a process that a test starts), it is those that execute its
module or mention what it defines, and those named like the module; both are said. What survives is
printed with its place: a test is missing there, or the fault changes nothing that anybody can see.

    python -m benchmarks.mutants 20 --seed 7 --package experiments/advice/fit --own
"""

from __future__ import annotations

import argparse
import ast
import functools
import gc
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData

ROOT = Path(__file__).parent.parent

FOLDERS = ["sim", "delay_models", "experiments", "erasurehead"]

FLIPPED = {ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">")}
FLIPPED |= {ast.Eq: ("==", "!="), ast.NotEq: ("!=", "==")}
SWAPPED = {"min": "max", "minimum": "maximum", "argmin": "argmax"}
SWAPPED |= {new: old for old, new in SWAPPED.items()}

TOLD, CHOSEN = "MUTANTS_TOLD", "MUTANTS_CHOSEN"
"""Variables: the file for seconds and failures of tests; that of tests to run, and all seconds."""

PATIENCE = 120
"""Seconds after which a test that hangs has noticed, besides 20 times those that it takes."""


@dataclass(frozen=True)
class Fault:
    """A change of one file."""

    path: Path  # from the root
    start: int  # of the bytes that are replaced
    end: int
    text: str
    line: int  # for a reader, as is the kind
    kind: str

    def planted(self, source: bytes) -> bytes:
        """The source with the fault in it."""
        return source[: self.start] + self.text.encode() + source[self.end :]


def faults(path: Path) -> Iterator[Fault]:
    """All faults that can be planted in a file."""
    source = (ROOT / path).read_bytes()
    begins = [0]
    for line in source.splitlines(keepends=True):
        begins.append(begins[-1] + len(line))

    def place(line: int | None, column: int | None) -> int:
        return begins[(line or 1) - 1] + (column or 0)

    def fault(node: ast.expr | ast.stmt, text: str, kind: str) -> Fault:
        begin, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
        return Fault(path, place(*begin), place(*end), text, node.lineno, kind)

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                start = place(left.end_lineno, left.end_col_offset)
                between = source[start : place(right.lineno, right.col_offset)].decode()
                old, new = FLIPPED.get(type(operator), ("", ""))
                if old and between.count(old) == 1:
                    start += len(between.partition(old)[0].encode())
                    end = start + len(old)
                    yield Fault(path, start, end, new, node.lineno, f"{old} is {new}")
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                yield fault(node, str(number + 1), f"{number} is {number + 1}")
            case ast.Call(func=ast.Name(id=name) as called) if name in SWAPPED:
                yield fault(called, SWAPPED[name], f"{name} is {SWAPPED[name]}")
            case ast.Attribute(value=owner, attr=name) if name in SWAPPED:
                text = f"{ast.unparse(owner)}.{SWAPPED[name]}"
                yield fault(node, text, f"{name} is {SWAPPED[name]}")
            case ast.Expr(value=ast.Call()) | ast.AugAssign():
                yield fault(node, "pass", "a statement is dropped")
            case ast.If(test=test, body=[ast.Raise() | ast.Return() | ast.Continue()], orelse=[]):
                yield fault(test, "False", "a guard is dropped")


def package_of(path: Path) -> str:
    """Such as ``sim/theory``, ``experiments/advice/fit`` or ``sim`` for a file at its top."""
    return "/".join(path.parts[:2] if len(path.parts) > 2 else path.parts[:1])


def own_tests(path: Path) -> list[str]:
    """Folders and files of tests that are named like the file or a folder of it."""
    found = list[Path]()
    for name in (*path.parts[:-1], path.stem):
        found += [ROOT / "tests" / name, *sorted((ROOT / "tests").rglob(f"test_{name}*.py"))]
    return [str(each.relative_to(ROOT)) for each in dict.fromkeys(found) if each.exists()]


# Hooks of pytest, for which this file is a plugin.

ASKED = os.environ.get(CHOSEN)
ORDER, USUAL = json.loads(Path(ASKED).read_text(encoding="utf-8")) if ASKED else ({}, {})
CACHES = list[Any]()
signal.alarm(PATIENCE if ASKED else 0)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The chosen tests alone, and those that only the fault brought about."""
    if ASKED:
        items[:] = [one for one in items if one.nodeid in ORDER or one.nodeid not in USUAL]
        items.sort(key=lambda one: ORDER.get(one.nodeid, -1))
    else:
        kept = [each for each in gc.get_objects() if isinstance(each, functools._lru_cache_wrapper)]
        CACHES.extend(each for each in kept if each.__module__.startswith(("erasurehead", "tests")))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that hangs ends the process; one whose lines are told finds nothing remembered."""
    signal.alarm(int(PATIENCE + 20 * USUAL.get(item.nodeid, 0)) if ASKED else 0)
    for each in CACHES:
        each.cache_clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells how long tests took, and which failed."""
    if TOLD in os.environ:
        seconds, groups = defaultdict[str, float](float), terminalreporter.stats.values()
        reports = [one for all in groups for one in all if isinstance(one, pytest.TestReport)]
        for one in reports:
            seconds[one.nodeid] += one.duration
        failed = sorted({one.nodeid for one in reports if one.failed})
        Path(os.environ[TOLD]).write_text(json.dumps([seconds, failed]), encoding="utf-8")


def passes(copy: Path, *arguments: str, **variables: str) -> bool:
    """Whether a run of tests in a copy of the tree ends well."""
    words = [sys.executable, "-m", "pytest", "-p", "benchmarks.mutants", "-p", "no:cacheprovider"]
    own = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "", "TMPDIR": str(copy.parent)}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words += ["-m", "not slow and not browser", *arguments]
    env, no = os.environ | threads | own | variables, subprocess.DEVNULL
    run = subprocess.Popen(words, cwd=copy, env=env, stdout=no, stderr=no, start_new_session=True)
    run.wait()
    with suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)  # what a test that hangs has started
    return run.returncode in (0, 5)  # 5: there is no such test


def file_of(test: str) -> str:
    """Where a test stands."""
    return test.partition("::")[0]


class Suite:
    """The quick tests, or some: their seconds, and the lines that each executes."""

    def __init__(self, copy: Path, tests: Iterable[str]) -> None:
        """Runs them once; one that fails without a fault can notice none."""
        told, data = copy.parent / "told.json", copy.parent / "coverage"
        how = ["-n", "2", "--dist=loadfile", "--cov-context=test", "--cov-report="]
        how += [f"--cov={folder}" for folder in FOLDERS]
        passes(copy, *how, *tests, **{"COVERAGE_FILE": str(data), TOLD: str(told)})
        self.seconds, self.failed = json.loads(told.read_text(encoding="utf-8"))
        self.copy, self.known = copy, dict[Path, dict[int, set[str]]]()
        self.data = CoverageData(str(data))
        self.data.read()

    def pass_in(self, copy: Path, tests: Iterable[str]) -> bool:
        """Whether tests pass in a copy, those of the quickest files first."""
        cost = Counter[str]()
        for test in tests:
            cost[file_of(test)] += self.seconds[test]
        order = sorted(tests, key=lambda t: (cost[file_of(t)], file_of(t), self.seconds[t]))
        asked = copy.with_suffix(".json")
        asked.write_text(json.dumps([{test: k for k, test in enumerate(order)}, self.seconds]))
        return not order or passes(copy, "-x", *cost, **{CHOSEN: str(asked)})

    def at(self, path: Path, lines: Iterable[int]) -> set[str]:
        """The tests that execute a line, and an empty name if it runs outside of tests, too."""
        if path not in self.known:
            found = self.data.contexts_by_lineno(os.path.realpath(self.copy / path))
            self.known[path] = {k: {c.rpartition("|")[0] for c in found[k]} for k in found}
        return set[str]().union(*(self.known[path].get(line, ()) for line in lines))

    def mentioning(self, name: str) -> set[str]:
        """The tests that execute a function in which a name stands."""
        found, word = set[str](), re.compile(rf"\b{name}\b")
        for path in paths_in(FOLDERS):
            text = (ROOT / path).read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if word.search(text) else ():
                if isinstance(node, ast.FunctionDef) and word.search(ast.unparse(node)):
                    found |= self.at(path, range(node.lineno, (node.end_lineno or 0) + 1))
        return found

    def concerned(self, one: Fault) -> tuple[set[str], str]:
        """The tests that may notice, and what is special about the fault's line."""
        text = (ROOT / one.path).read_text(encoding="utf-8")
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
        around = [n for n in nodes if head(n).start <= one.line <= (n.end_lineno or 0)]
        functions = [n for n in around if isinstance(n, ast.FunctionDef)]
        found = self.at(one.path, [one.line, *head(around[-1])])
        special = "" if found else "no test executes it"
        if "" in found or all(one.line in head(each) for each in functions):
            special = "at import"
        if special:
            found |= self.at(one.path, range(1, text.count("\n") + 2))
            defined = re.findall(r"\w+", text.splitlines()[(functions or around)[-1].lineno - 1])
            found |= self.mentioning(next(word for word in defined if word not in ("def", "class")))
            own = tuple(f"{each}{end}" for each in own_tests(one.path) for end in ("/", "::"))
            found |= {test for test in self.seconds if test.startswith(own)}
        shared = {f for f in map(file_of, found) if f and "scope=" in (ROOT / f).read_text()}
        found |= {test for test in self.seconds if file_of(test) in shared}
        return {test for test in found if test and test not in self.failed}, special


def head(node: ast.stmt) -> range:
    """The lines of a statement, without those of what is inside."""
    first = min(each.lineno for each in (node, *getattr(node, "decorator_list", ())))
    inside = getattr(node, "body", None)
    last = inside[0].lineno - 1 if inside else node.end_lineno or node.lineno
    return range(first, max(last, node.lineno) + 1)


def paths_in(folders: Iterable[str]) -> list[Path]:
    """The program's files below some folders."""
    return [p.relative_to(ROOT) for each in folders for p in sorted((ROOT / each).rglob("*.py"))]


def main() -> None:
    """Draw, plant, run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--package", action="append", help="only files below this folder")
    parser.add_argument("--own", action="store_true", help="the tests of the package alone")
    asked = parser.parse_args()
    paths, draw = paths_in(asked.package or FOLDERS), random.Random(asked.seed)
    lines = [(ROOT / path).read_text(encoding="utf-8").count("\n") for path in paths]
    drawn = list[Fault]()
    while len(drawn) < asked.number:
        if known := list(faults(draw.choices(paths, lines)[0])):
            drawn.append(draw.choice(known))
    own = {test for one in drawn for test in own_tests(one.path)}
    killed = Counter[str]()
    left = shutil.ignore_patterns(".git", ".venv", "__pycache__", "results", ".*_cache", "site")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        free = [Path(folder, name) for name in ("0", "1")]
        for copy in free:
            shutil.copytree(ROOT, copy, symlinks=True, ignore=left)
        suite = Suite(free[0], sorted(own) if asked.own else [])
        for test in suite.failed:
            print(f"fails without a fault, and is left out: {test}", flush=True)

        def survives(one: Fault, tests: set[str]) -> bool:
            copy = free.pop()
            (copy / one.path).write_bytes(one.planted((ROOT / one.path).read_bytes()))
            passed = suite.pass_in(copy, tests)
            shutil.copy2(ROOT / one.path, copy / one.path)
            free.append(copy)
            return passed

        plans = [suite.concerned(one) for one in drawn]
        found = pool.map(survives, drawn, [tests for tests, _ in plans])
        for one, (_, special), passed in zip(drawn, plans, found, strict=True):
            killed[package_of(one.path)] += not passed
            where = f"{one.path}:{one.line} {one.kind}" + (f" ({special})" if special else "")
            print(f"{'SURVIVES' if passed else 'noticed '} {where}", flush=True)
    for package, number in sorted(Counter(package_of(one.path) for one in drawn).items()):
        print(f"{package:28} {killed[package]:3} of {number}")
    silent = sum(special.startswith("no") for _, special in plans)
    print(f"{'all':28} {killed.total():3} of {len(drawn)}, and no test executes {silent}")


if __name__ == "__main__":
    main()
