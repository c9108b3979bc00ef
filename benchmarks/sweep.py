"""A sweep with two jobs against one: whole commands, from start to the last table."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import Row, paired

CELLS, REPLICATIONS, ITERATIONS = 60, 32, 100

DOCUMENT: dict[str, Any] = {
    "workers": 30,
    "iterations": ITERATIONS,
    "replications": REPLICATIONS,
    "delay": {"model": "shifted_exponential", "shift": 1.0, "rate": 2.0},
    "schemes": [
        {"name": "uncoded"},
        {"name": "ignore_stragglers", "wait_for": 25},
        {"name": "fractional_repetition", "load": 3},
        {"name": "cyclic_repetition", "load": 3},
        {"name": "erasurehead", "load": 3, "wait_for": 15},
    ],
    "optimizer": {"rule": "accelerated", "learning_rate": 0.5},
    "target_loss": 0.5,
    "sweep": {"delay.rate": [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0]},
}
"""The schemes of the authors' experiments at twelve rates."""

PROBLEMS: dict[str, dict[str, Any]] = {
    "synthetic data, 6,000 x 100": {"dataset": "synthetic", "rows": 6000, "features": 100},
    "breast cancer data, 455 x 31": {"dataset": "breast_cancer"},
}


def rows() -> list[Row]:
    """Each on two cores; the smaller the work, the more the command's own start counts."""
    return [_row(data, {"loss": "logistic", **problem}) for data, problem in PROBLEMS.items()]


def _row(data: str, problem: dict[str, Any]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(json.dumps(DOCUMENT | {"problem": problem}))
        number = iter(range(1000))

        def sweep(jobs: int) -> None:
            output = Path(folder) / str(next(number))
            command = [sys.executable, "-m", "experiments", "sweep", str(config)]
            options = ["--jobs", str(jobs), "--output", str(output)]
            subprocess.run([*command, *options], check=True, capture_output=True)

        seconds, ratio = paired(lambda: sweep(2), lambda: sweep(1), repeats=3)
    subject = f"sweep of {CELLS} cells x {REPLICATIONS} x {ITERATIONS}, {data}, 2 jobs"
    target = 1.6 if problem["dataset"] == "synthetic" else float("nan")
    return Row(subject, "1 job", ratio, target, CELLS / seconds, f"cells/s, {seconds:.1f} s")
