"""``make bench``: runs every benchmark and writes the table to ``results/benchmarks/``."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import barrierless, commands, learner, rounds
from erasurehead.experiments.run.files import write_bytes, write_table

OUTPUT = Path("results/benchmarks")


def main() -> None:
    """Run every benchmark, print its rows, and write them to ``results/benchmarks``."""
    rows = []
    for module in (commands, rounds, barrierless, learner):
        for row in module.rows():
            print(line(asdict(row)), flush=True)
            rows.append(asdict(row))
    frame = pd.DataFrame(rows)
    write_table(OUTPUT / "benchmarks.parquet", frame)
    write_bytes(OUTPUT / "benchmarks.md", markdown(frame).encode())
    print(f"table in {OUTPUT}/")


def line(row: dict[str, object]) -> str:
    """One row for the terminal."""
    speed = f"{row['speed']:.3g} {row['unit']}"
    return f"{row['subject']:<66} {row['ratio']:>8.2f} x {row['against']} ({speed})"


def markdown(frame: pd.DataFrame) -> str:
    """The table for the docs."""
    lines = [
        f"Measured on {platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, NumPy {np.__version__}; each ratio in one process, the two "
        "sides in turn, the median of the pairs.",
        "",
        "| subject | against | ratio | expected of an idle machine | speed |",
        "|---|---|---|---|---|",
    ]
    for row in frame.itertuples():
        missed = " (missed here)" if row.ratio < row.target else ""
        target = "" if np.isnan(row.target) else f"≥ {row.target:g}{missed}"
        speed = f"{row.speed:.3g} {row.unit}"
        lines.append(f"| {row.subject} | {row.against} | {row.ratio:.2f} | {target} | {speed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
