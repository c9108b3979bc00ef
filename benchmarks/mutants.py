"""Plants one fault at a time and sees whether the quick tests notice: ``make mutants``.

Faults are drawn from a seed, by package with its lines as weights: a comparison flipped, a whole
number off by one, min and max swapped, a statement or a guard dropped. The tests of the package run
first, then the whole quick suite. What survives is printed with its place: a test is missing there,
or the fault changes nothing that anybody can see.

    python -m benchmarks.mutants 20 --seed 7 --package experiments/fit --own
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

FLIPPED = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
}

SWAPPED = {
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
}

TIMEOUT = 1800.0
"""Seconds after which a suite that hangs has noticed."""


@dataclass(frozen=True)
class Fault:
    """A change of one file.

    Attributes:
        path: of the file, from the root.
        start, end: which bytes are replaced.
        text: by what.
        line: where, for a reader.
        kind: what was done.
    """

    path: Path
    start: int
    end: int
    text: str
    line: int
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
        start = place(node.lineno, node.col_offset)
        end = place(node.end_lineno, node.end_col_offset)
        return Fault(path, start, end, text, node.lineno, kind)

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
    """Such as ``sim/theory``, ``experiments/fit`` or ``sim`` for a file at its top."""
    return "/".join(path.parts[:2] if len(path.parts) > 2 else path.parts[:1])


def own_tests(path: Path) -> list[str]:
    """Folders and files of tests that are named like the file or a folder of it."""
    found = list[Path]()
    for name in (*path.parts[:-1], path.stem):
        found += [ROOT / "tests" / name, *sorted((ROOT / "tests").rglob(f"test_{name}*.py"))]
    return [str(each.relative_to(ROOT)) for each in dict.fromkeys(found) if each.exists()]


def noticed(copy: Path, tests: list[str]) -> bool:
    """Whether a test fails, or hangs."""
    command = [sys.executable, "-m", "pytest", "-x", "-n", "2", "-m", "not slow and not browser"]
    own = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env=os.environ | threads | own,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode not in (0, 5)  # 5: there is no such test


def main() -> None:
    """Draw, plant, run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, nargs="?", default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--package", action="append", help="only files below this folder")
    parser.add_argument("--own", action="store_true", help="the tests of the package alone")
    asked = parser.parse_args()
    folders = asked.package or ["sim", "delay_models", "experiments", "erasurehead"]
    paths = [
        p.relative_to(ROOT) for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))
    ]
    lines = [(ROOT / path).read_text(encoding="utf-8").count("\n") for path in paths]
    draw = random.Random(asked.seed)
    drawn, killed = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        left = shutil.ignore_patterns(".git", ".venv", "__pycache__", "results", ".*_cache", "site")
        shutil.copytree(ROOT, copy, symlinks=True, ignore=left)
        while drawn.total() < asked.number:
            path = draw.choices(paths, lines)[0]
            known = list(faults(path))
            if not known:
                continue
            one, source = draw.choice(known), (ROOT / path).read_bytes()
            (copy / path).write_bytes(one.planted(source))
            own = own_tests(path)
            found = bool(own) and noticed(copy, own)
            found = found or (not asked.own and noticed(copy, []))
            (copy / path).write_bytes(source)
            drawn[package_of(path)] += 1
            killed[package_of(path)] += found
            print(f"{'noticed ' if found else 'SURVIVES'} {path}:{one.line} {one.kind}", flush=True)
    for package, number in sorted(drawn.items()):
        print(f"{package:28} {killed[package]:3} of {number}")
    print(f"{'all':28} {killed.total():3} of {drawn.total()}")


if __name__ == "__main__":
    main()
