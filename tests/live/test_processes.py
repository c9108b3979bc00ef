"""Real workers: processes of this machine, few and with short delays. No test waits for time."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from erasurehead.delay_models import Tape
from erasurehead.delay_models.parametric import ShiftedExponential
from erasurehead.experiments.config.document import write_yaml
from erasurehead.experiments.live.cell import difference, learned, play_all, trace_of
from erasurehead.experiments.live.worker import Employment, works
from erasurehead.experiments.live.workers import LineCrew, hired
from erasurehead.experiments.pictures.records import LIVE, read_records
from erasurehead.sim.engines.run import Run
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES
from tests.cells.commands import PATIENCE, kill, session_of, signalled, start, until, workers_of
from tests.live.test_masters import problem
from tests.program import inside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

CONFIG = {
    "name": "four",
    "workers": 4,
    "iterations": 5,
    "replications": 1,
    "delay": {"model": "shifted_exponential", "shift": 0.01, "rate": 100.0},
    "schemes": [
        {"name": "uncoded"},
        {"name": "cyclic_repetition", "load": 2},
        {"name": "asynchronous"},
    ],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 80, "features": 5},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
}


def written(folder: Path, **changes: object) -> Path:
    path = folder / "config.yaml"
    path.write_text(write_yaml({**CONFIG, **changes}))
    return path


def test_live_writes_the_tables_of_a_run(tmp_path: Path) -> None:
    """A real message is never earlier than its delay, and stopping rules are monotone: so no
    iteration is shorter than the simulated one. Pictures say what they show."""
    config = written(tmp_path)
    live, run = tmp_path / "live", tmp_path / "run"
    done = inside("live", config, "--output", live)
    assert done.returncode == 0, done.stderr
    assert "the simulator finds the same models" in done.stdout
    assert inside("run", config, "--output", run).returncode == 0
    measured, simulated = read_records(live), read_records(run)
    assert list(measured.iterations.columns) == list(simulated.iterations.columns)
    assert measured.summary["live"].all()
    for label, scheme in simulated.labels():
        if scheme != "asynchronous":
            extra = measured.runs(label, "iteration_time") - simulated.runs(label, "iteration_time")
            assert (extra[:, 1:] > -1e-9).all()
    manifest = json.loads((live / "manifest.json").read_text())
    for said in manifest["live"]["cells"].values():
        assert said["replayed"]["model"] <= 1e-9
        assert said["message"] > 0
        assert said["round"] > 0
    assert measured.title == LIVE
    assert simulated.title == ""
    assert not (live / "cells").exists(), "what was measured is no simulated cell"


def test_a_code_goes_on_when_a_worker_is_killed() -> None:
    """Killed between two decisions, so that nobody knows when the master will see it."""
    scheme = SCHEMES["fractional_repetition"](load=2).build(4)
    tapes = [Tape(ShiftedExponential(shift=0.01, rate=100.0), 4, 0, 0)]
    run, learning = Run(scheme, tapes, Proportional(), 30), problem(4)
    with hired(4, None) as staff:
        pid = int(re.findall(r"process (\d+)", staff.names[2])[0])
        rounds = 0

        def report() -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 5:
                os.kill(pid, signal.SIGKILL)
                until(lambda: not alive(pid))

        crew = LineCrew(staff.lines, staff.names, 1.0)
        crew.employ([Employment(work) for work in works(scheme, learning.problem)])
        crew.settle()
        played = play_all(run, learning, crew, report=report)
    trace = trace_of(run, played)
    assert trace.work is not None
    assert trace.work.dead[0].tolist() == [0] * 5 + [1] * 25
    assert not trace.heard.arrived[0, 6:, 2].any()  # type: ignore[union-attr]
    models = np.stack([each.models for each in played if each.models is not None])
    said = difference(learning, run, trace, played, learned(learning.problem, models))
    assert said.model <= 1e-9


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


ENDLESS = {"delay": {"model": "deterministic", "value": 3600.0}, "problem": None}


def test_uncoded_ends_with_the_worker_that_was_killed(tmp_path: Path) -> None:
    config = written(tmp_path, **ENDLESS, schemes=[{"name": "uncoded"}])
    command = start("live", config, "--output", tmp_path / "out")
    until(lambda: len(workers_of(command)) == 4 or command.poll() is not None)
    victim = workers_of(command)[0]
    kill([victim])
    _, error = command.communicate(timeout=PATIENCE)
    assert command.returncode == 1
    assert re.search(
        rf"^failed: uncoded: iteration 1 can never end: worker \d \(process {victim}\) died$",
        error,
        re.MULTILINE,
    ), error
    assert not session_of(command)


def test_interrupt_is_one_line_and_leaves_nobody(tmp_path: Path) -> None:
    config = written(tmp_path, **ENDLESS, schemes=[{"name": "uncoded"}])
    command = start("live", config, "--output", tmp_path / "out")
    until(lambda: len(workers_of(command)) == 4 or command.poll() is not None)
    error = signalled(command, signal.SIGINT)
    assert command.returncode == 130
    assert error == "interrupted; run the same command again to start over\n"
    until(lambda: not session_of(command))


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"schemes": [{"name": "gradient_table"}]}, [], "gradient_table is not among what live"),
        ({"network": {"uplink_latency": 0.1}}, [], "network and failures are real here"),
        ({}, ["--slow", "4=2"], "--slow = 4: must be a worker from 0 to 3"),
        ({}, ["--slow", "1=0.5"], "--slow = '1=0.5': must be WORKER=FACTOR"),
        ({}, ["--time-scale", "0"], "--time-scale = 0.0: must be a number above 0"),
        ({}, ["--time-scale", "2", "--no-injection"], "--no-injection has none"),
        ({"delay": {"model": "deterministic", "value": 1e5}}, [], "allow it with --allow-large"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path, changes: dict[str, object], options: list[str], says: str
) -> None:
    out = tmp_path / "out"
    done = inside("live", written(tmp_path, **changes), "--output", out, *options)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()
