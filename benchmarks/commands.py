"""What a user waits for: schemes on the same delays against the NumPy script that he would write,
closed forms of large clusters, and whole commands. Processor time, and memory."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

import erasurehead as eh
from benchmarks.script import iteration_times
from benchmarks.timing import Row, paired
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim import theory
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.engines.tapes import RememberedTape
from erasurehead.sim.load_laws import Additive
from erasurehead.sim.schemes import SCHEMES

DELAYS = {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0}
LAW = MODELS["shifted_exponential"](shift=0.5, rate=1.0)
ROOT = str(Path(__file__).parents[1])
WHERE = {**os.environ, "PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": ""}
CELLS = 6_000_000  # workers times rounds
START = [sys.executable, "-c", "import numpy"]  # what any program with numbers takes


# in processor time, which a busy machine changes less
_paired = partial(paired, clock=time.process_time)


def rows() -> list[Row]:
    """Ratios above 1 are faster than what stands beside; a command's are below."""
    return [
        *(_schemes(n, work) for work in (False, True) for n in (30, 300, 1000)),
        *(_runs(n, target) for n, target in ((30, 0.23), (300, 0.5))),
        _closed_form(),
        *_commands(),
        *_memory(),
        *_jobs(),
    ]


def _schemes(n: int, work: bool) -> Row:
    """The script's four schemes, on the delays of one tape."""
    rounds, load = CELLS // n, 3 if n % 3 == 0 else 5
    law = Additive(seconds_per_partition=0.0)
    families = [
        SCHEMES["uncoded"](),
        SCHEMES["ignore_stragglers"](wait_for=8 * n // 10),
        SCHEMES["fractional_repetition"](load=load),
        SCHEMES["erasurehead"](load=load, wait_for=n // 2),
    ]

    def ours() -> None:
        tapes = [RememberedTape(Tape(LAW, n, 0, 0), rounds)]
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


def _closed_form(n: int = 99_999) -> Row:
    """ErasureHead's mean iteration time and decoding error, against the delays of ten rounds."""
    law = Additive(seconds_per_partition=0.1)
    scheme, rng = SCHEMES["erasurehead"](load=3, wait_for=n // 2).build(n), np.random.default_rng(0)

    def ours() -> None:
        theory.round_theory(scheme, LAW, law).time.mean()

    def drawn() -> None:
        for _ in range(10):
            np.sort(rng.exponential(size=n))

    mine, ratio = _paired(ours, drawn)
    return Row(f"closed forms, n = {n:,}", "10 rounds drawn", ratio, np.nan, 1e3 * mine, "ms")


def _commands() -> list[Row]:
    # as installed: without bytecode every start would compile the modules that it imports
    folders = ("delay_models", "erasurehead", "experiments", "sim")
    _seconds([sys.executable, "-m", "compileall", "-q", *folders], ROOT)
    with tempfile.TemporaryDirectory() as folder:
        _seconds([*_program("init")], folder)
        hosts = np.random.default_rng(0).lognormal(0.0, 0.3, (600, 24)) * np.linspace(1, 1.5, 24)
        names = ",".join(f"host{j}" for j in range(24))
        np.savetxt(f"{folder}/hosts.csv", hosts, delimiter=",", header=names, comments="")
        law = {"workers": 999_999, "iterations": 10_000, "engine": "law", "delay": DELAYS}
        law["schemes"] = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 800_000}]
        law["schemes"].append({"name": "erasurehead", "load": 3, "wait_for": 500_000})
        (Path(folder) / "law.yaml").write_text(json.dumps(law))
        grid = {"problem": "null", "engine": "batch", "iterations": "20", "replications": "4"}
        grid["seed"] = "range(0,150)"
        sweep = " ".join(["sweep demo.yaml", *(f"--set {key}={grid[key]}" for key in grid)])
        commands = {
            "erasurehead list": "list",
            "erasurehead run demo.yaml, batch engine": "run demo.yaml --set engine=batch",
            "erasurehead plot of it, png and svg": "plot results/demo",
            "erasurehead sweep, 1,050 small cells": f"{sweep} --output sweep",
            "the same, all cells on disk": f"{sweep} --output sweep",
            "erasurehead fit, 24 hosts x 600 rounds": "fit hosts.csv",
            "erasurehead whatif of them": "whatif hosts.csv",
            "erasurehead recommend demo.yaml, 24 workers": "recommend demo.yaml --set workers=24",
            "engine: law, three schemes, n = 999,999, 10^4 rounds": "run law.yaml",
        }
        table = []
        for subject, words in commands.items():
            mine = _seconds(_program(*words.split()), folder)
            start = min(_seconds(START, folder) for _ in range(5))
            table.append(Row(subject, "import numpy", start / mine, np.nan, mine, "s"))
        return table


def _memory() -> list[Row]:
    """Peaks of runs of the clock and of a large cluster, against the program with a short run."""
    base = {"workers": 30, "iterations": 1000, "delay": DELAYS, "record": "clock"}
    base["schemes"] = [{"name": "erasurehead", "load": 3, "wait_for": 15}]
    large = {"workers": 99_999, "iterations": 100, "replications": 4, "record": "all"}
    large["schemes"] = [{"name": "erasurehead", "load": 3, "wait_for": 50_000}]
    bernoulli = {"workers": 10**6, "iterations": 10, "record": "all"}
    bernoulli["schemes"] = [
        {"name": "bernoulli", "load": 3, "wait_for": 500_000, "decoder": "one_step"}
    ]
    cells = {"iterations": 20, "replications": 4, "record": "all"}
    cells["sweep"] = {"seed": "range(0,10000)"}
    free = {"workers": 1000, "iterations": 10_000, "record": "all"}
    free["schemes"] = [{"name": "asynchronous"}]
    runs = {
        "10^6 rounds, record: clock": {"iterations": 10**6},
        "n = 99,999, 100 rounds, 4 replications": large,
        "n = 10^6, Bernoulli code, 10 rounds": bernoulli,
        "asynchronous, n = 1,000, 10^7 updates": free,
        "a sweep of 10,000 small cells": cells,
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


SWEEP: dict[str, Any] = {
    "workers": 30,
    "iterations": 100,
    "replications": 32,
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
"""The schemes of the authors' experiments at twelve rates: 60 cells."""


def _jobs() -> list[Row]:
    """The sweep with two jobs against one, in seconds that pass: whole commands, from start to the
    last table. The smaller the work, the more the command's own start counts."""
    synthetic = {"dataset": "synthetic", "rows": 6000, "features": 100}
    problems: dict[str, tuple[dict[str, Any], float]] = {
        "synthetic data, 6,000 x 100": (synthetic, 1.6),
        "breast cancer data, 455 x 31": ({"dataset": "breast_cancer"}, np.nan),
    }
    table = []
    for data, (problem, target) in problems.items():
        with tempfile.TemporaryDirectory() as folder:
            config = SWEEP | {"problem": {"loss": "logistic", **problem}}
            (Path(folder) / "config.yaml").write_text(json.dumps(config))
            number = count()

            def sweep(jobs: int, folder: str = folder, number: Iterator[int] = number) -> None:
                words = "sweep", "config.yaml", "--jobs", str(jobs), "--output", str(next(number))
                _seconds(_program(*words), folder)

            seconds, ratio = paired(lambda: sweep(2), lambda: sweep(1), repeats=3)
        subject = f"sweep of 60 cells x 32 x 100, {data}, 2 jobs"
        table.append(
            Row(subject, "1 job", ratio, target, 60 / seconds, f"cells/s, {seconds:.1f} s")
        )
    return table


def _program(*words: str) -> list[str]:
    return [sys.executable, "-m", "erasurehead", *words]


def _seconds(command: list[str], folder: str) -> float:
    """Processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=WHERE, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
