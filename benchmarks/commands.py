"""What a user waits for: schemes on the same delays against the NumPy script that he would write,
small problems, closed forms of large clusters, and whole commands. Processor time, and memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import erasurehead as eh
from benchmarks.script import iteration_times
from benchmarks.timing import Row
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.engines.tapes import RememberedTape
from erasurehead.sim.learner import train
from erasurehead.sim.load_laws import Additive
from erasurehead.sim.optimizers import OPTIMIZERS
from erasurehead.sim.problems.losses import Logistic
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.steps import GivenWeights

DELAYS = {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0}
WHERE = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
CELLS = 6_000_000  # workers times rounds
START = [sys.executable, "-c", "import numpy"]  # what any program with numbers takes


def rows() -> list[Row]:
    """Ratios above 1 are faster than what stands beside; a command's are below."""
    return [
        *(_schemes(n, work) for work in (False, True) for n in (30, 300, 1000)),
        *(_runs(n, target) for n, target in ((30, 0.23), (300, 0.5))),
        _small_problem(),
        *_commands(),
        *_memory(),
    ]


def _schemes(n: int, work: bool) -> Row:
    """The script's four schemes, on the delays of one tape."""
    rounds, load = CELLS // n, 3 if n % 3 == 0 else 5
    delays, law = (
        MODELS["shifted_exponential"](shift=0.5, rate=1.0),
        Additive(seconds_per_partition=0.0),
    )
    families = [
        SCHEMES["uncoded"](),
        SCHEMES["ignore_stragglers"](wait_for=8 * n // 10),
        SCHEMES["fractional_repetition"](load=load),
        SCHEMES["erasurehead"](load=load, wait_for=n // 2),
    ]

    def ours() -> None:
        tapes = [RememberedTape(Tape(delays, n, 0, 0), rounds)]
        for family in families:
            simulate(Run(family.build(n), tapes, law, rounds), "batch", heard=work, work=work)

    mine, ratio = _paired(ours, lambda: iteration_times(n, rounds, load))
    subject = f"four schemes, n = {n:,}{', with what each worker did' if work else ''}"
    speed = 4 * CELLS / mine / 1e6
    return Row(
        subject, "20 lines of NumPy", ratio, 0.7 if work else 1.0, speed, "M worker-rounds/s"
    )


def _runs(n: int, target: float) -> Row:
    """The same as a user calls it: tables, errors, standard errors and closed forms included."""
    schemes: list[dict[str, Any]] = [
        {"name": "uncoded"},
        {"name": "ignore_stragglers", "wait_for": 8 * n // 10},
        {"name": "fractional_repetition", "load": 3},
        {"name": "erasurehead", "load": 3, "wait_for": n // 2},
    ]
    config = {"workers": n, "replications": 10, "iterations": 2000, "delay": DELAYS}
    config |= {"problem": None, "schemes": schemes}
    mine, ratio = _paired(
        lambda: eh.run(config, progress=False), lambda: iteration_times(n, 20_000)
    )
    subject = f"eh.run, four schemes, n = {n}, 20,000 rounds"
    return Row(
        subject, "20 lines of NumPy", ratio, target, 80_000 * n / mine / 1e6, "M worker-rounds/s"
    )


def _small_problem(rows: int = 1200, p: int = 20, r: int = 16, k: int = 30, t: int = 200) -> Row:
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(rows + 300) < 0.5, -1.0, 1.0)
    x, test = rng.standard_normal((rows, p)), rng.standard_normal((300, p))
    problem = Logistic(x, labels[:rows], partitions=k, X_test=test, y_test=labels[rows:])
    weights = (rng.random((r, t, k)) < 0.8).astype(float)
    steps, optimizer = GivenWeights(np.zeros((r, t)), weights), OPTIMIZERS["gd"](learning_rate=0.1)
    beta, slopes = rng.standard_normal((p, r)), rng.standard_normal((rows, r))

    def products() -> None:
        with threadpool_limits(1):
            for _ in range(t):
                x @ beta
                x.T @ slopes

    mine, ratio = _paired(lambda: train(problem, optimizer, np.zeros(p), steps, t), products)
    subject = f"learner, {rows} x {p} and 300 test rows, {r} replications"
    return Row(subject, "the plain products", ratio, np.nan, t / mine / 1e3, "k updates/s")


def _commands() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        _seconds([*_program("init")], folder)
        grid = {"problem": "null", "engine": "batch", "iterations": "20", "replications": "4"}
        grid["seed"] = "range(0,150)"
        sweep = ["demo.yaml", *(word for key in grid for word in ("--set", f"{key}={grid[key]}"))]
        commands = {
            "erasurehead list": ["list"],
            "erasurehead run demo.yaml, batch engine": [
                "run",
                "demo.yaml",
                "--set",
                "engine=batch",
            ],
            "erasurehead plot of it, png and svg": ["plot", "results/demo"],
            "erasurehead sweep, 1,050 small cells": ["sweep", *sweep, "--output", "sweep"],
            "the same, all cells on disk": ["sweep", *sweep, "--output", "sweep"],
        }
        table = []
        for subject, words in commands.items():
            mine = _seconds(_program(*words), folder)
            start = min(_seconds(START, folder) for _ in range(5))
            table.append(Row(subject, "import numpy", start / mine, np.nan, mine, "s"))
        return table


def _memory() -> list[Row]:
    """Peaks of runs of the clock and of a large cluster, against the program with a short run."""
    base = {"workers": 30, "iterations": 1000, "delay": DELAYS, "record": "clock"}
    base["schemes"] = [{"name": "erasurehead", "load": 3, "wait_for": 15}]
    large = {"workers": 99_999, "iterations": 100, "replications": 4, "record": "all"}
    large["schemes"] = [{"name": "erasurehead", "load": 3, "wait_for": 50_000}]
    runs = {
        "10^6 rounds, record: clock": {"iterations": 10**6},
        "n = 99,999, 100 rounds, 4 replications": large,
    }
    short, _ = _peak(base)
    table = []
    for subject, changes in runs.items():
        peak, seconds = _peak(base | changes)
        unit = f"MiB at the peak, {seconds:.1f} s"
        table.append(Row(f"memory of {subject}", "1,000 rounds", short / peak, np.nan, peak, unit))
    return table


def _peak(config: dict[str, Any]) -> tuple[float, float]:
    """MiB and seconds of ``erasurehead run``, in a process whose only child it is."""
    script = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
    script += "usage = resource.getrusage(resource.RUSAGE_CHILDREN); "
    script += "print(usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, file=sys.stderr)"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(json.dumps(config))
        command = [sys.executable, "-c", script, *_program("run", "config.yaml", "--allow-large")]
        answer = subprocess.run(command, cwd=folder, env=WHERE, capture_output=True, check=True)
    peak, seconds = map(float, answer.stderr.split()[-2:])
    return peak, seconds


def _program(*words: str) -> list[str]:
    return [sys.executable, "-m", "erasurehead", *words]


def _seconds(command: list[str], folder: str) -> float:
    """Processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=WHERE, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _paired(subject: Callable[[], object], other: Callable[[], object]) -> tuple[float, float]:
    """As ``timing.paired``, in processor time, which a busy machine changes less."""

    def seconds(action: Callable[[], object]) -> float:
        began = time.process_time()
        action()
        return time.process_time() - began

    subject(), other()
    mine, theirs = np.array([(seconds(subject), seconds(other)) for _ in range(5)]).T
    return float(np.median(mine)), float(np.median(theirs / mine))
