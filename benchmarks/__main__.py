"""``make bench``: runs every benchmark and prints its rows, and how to read them."""

from __future__ import annotations

import os
import platform
from textwrap import dedent

import numpy as np

from benchmarks import barrierless, commands, learner, rounds
from benchmarks.timing import Row

HOW_TO_READ = """
    Each line: what is measured, the ratio of its speed to that of what stands behind the cross, its
    own speed, and the ratio that is expected of an idle machine. None is promised: a ratio depends
    on the processor, and a busy machine lowers it.

    "draws + partition + <=" are the NumPy primitives that a round of k of n is made of, in blocks
    of the same shape. Runs also record what the workers did; "arrivals alone" is without that.
    "compiled" is how long runs are recorded where numba is installed (the extra "fast").
    "the plain products" are X @ B and X.T @ Z on one BLAS thread; the learner also evaluates losses
    and slopes. "n = 30" compares the speed of a worker's round with the first line of its kind: a
    ratio near 1 is a cost that is linear in workers, rounds and replications.
    """


def main() -> None:
    """Run every benchmark, and print a line for each."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"NumPy {np.__version__}; each ratio in one process, the two sides in turn, the median"
    )
    print(dedent(HOW_TO_READ))
    for module in (commands, rounds, barrierless, learner):
        for row in module.rows():
            print(line(row), flush=True)


def line(row: Row) -> str:
    """One row for the terminal."""
    expected = "" if np.isnan(row.target) else f", expected at least {row.target:g}"
    missed = ": missed here" if row.ratio < row.target else ""
    return (
        f"{row.subject:<66} {row.ratio:>8.2f} x {row.against} "
        f"({row.speed:.3g} {row.unit}{expected}{missed})"
    )


if __name__ == "__main__":
    main()
