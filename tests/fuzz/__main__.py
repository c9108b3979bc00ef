"""Thousands of broken inputs, each made from its kind and number alone, and how each must end.

``python -m tests.fuzz configs 0:2000`` runs cases and prints those that end badly;
``python -m tests.fuzz configs 1234 --keep DIR`` leaves one behind to be looked at. The exit code
is 0 if all end well.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from tests.fuzz import harness
from tests.fuzz.values import Case, Make, randomness

KINDS = ("configs", "tables", "labels", "results", "searches", "profilers")
ELSEWHERE = {"profilers": ("arrays", "profilers")}
"""Kinds that are not made by ``make`` of a module of their name: module and function."""


def made(kind: str, number: int) -> Case:
    """A case by its number."""
    module, function = ELSEWHERE.get(kind, (kind, "make"))
    make: Make = getattr(importlib.import_module(f"tests.fuzz.{module}"), function)
    return make(randomness(kind, number))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "cases", nargs="+", metavar="KIND NUMBERS", help="numbers: one, or FIRST:LAST without LAST"
    )
    parser.add_argument("--keep", type=Path, help="leave the case's folder here")
    parser.add_argument("--show", action="store_true", help="show what commands printed")
    given = parser.parse_args()
    harness.prepare()
    pairs = zip(given.cases[::2], given.cases[1::2], strict=True)
    return min(100, sum(run_all(kind, numbers, given) for kind, numbers in pairs))


def run_all(kind: str, interval: str, given: argparse.Namespace) -> int:
    """Run the cases of a kind, and say how they end; how many end badly."""
    from tests.fuzz import judge  # after the environment is set, since it imports NumPy

    first, colon, last = interval.partition(":")
    numbers = range(int(first), int(last) if colon else int(first) + 1)
    began, bad, codes = time.monotonic(), 0, Counter[int]()
    slowest, largest = (0.0, -1), (0.0, -1)
    for number in numbers:
        case = made(kind, number)
        with harness.room(case) as folder:
            endings = harness.run(case, folder)
            faults = judge.faults(case, endings, folder)
            if given.keep is not None:
                shutil.copytree(folder, given.keep, ignore=shutil.ignore_patterns(*case.fifos))
        codes.update(ending.code for ending in endings)
        slowest = max(slowest, *((ending.cpu, number) for ending in endings))
        largest = max(largest, *((ending.memory / 2**30, number) for ending in endings))
        if given.show:
            for ending in endings:
                print(ending.command, ending.code, f"{ending.cpu:.1f} s", flush=True)
                sys.stdout.buffer.write(ending.out + ending.err)
                sys.stdout.buffer.flush()
        if faults:
            bad += 1
            note = case.note.encode("unicode_escape").decode()
            print(f"{kind} {number} [{note[:150]}]", flush=True)
            for fault in faults:
                print(f"    {fault.encode('unicode_escape').decode()[:400]}", flush=True)
    ended = ", ".join(f"{count} x {code}" for code, count in sorted(codes.items()))
    print(
        f"{len(numbers) - bad} of {len(numbers)} {kind} end well; exit codes: {ended}; "
        f"{time.monotonic() - began:.0f} s; most computing {slowest[0]:.1f} s ({slowest[1]}), "
        f"most memory {largest[0]:.2f} GiB ({largest[1]})"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main())
