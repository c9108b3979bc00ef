"""One cell on real workers: play every replication, then make the numbers that a run has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...sim.engines.event.barrierless import task_columns
from ...sim.engines.run import Run
from ...sim.engines.tapes import CheckedTape
from ...sim.learner import training
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed
from ...sim.types import FloatArray
from ..cells.compute import CellResult, result
from ..config import build
from ..config.build import Training
from ..config.errors import ConfigError
from ..config.grid import Cell
from .crew import Crew, LineCrew
from .descent import Descent
from .free import FreeMaster
from .played import Casualties, Played, arrivals
from .replay import Difference, difference, learned, steps_of, trace_of
from .rounds import Report, RoundMaster
from .staff import hired
from .tasks import Employment
from .work import refusal, works

EMPTY = 20
"""Rounds of empty tasks that measure what messages cost."""

PARTITIONS = 2**32 - 3
"""Key of the random partitions of live runs; no tape, data set or simulation uses it."""


@dataclass(frozen=True)
class How:
    """How to run on real workers.

    Attributes:
        scheduler: address of a Dask cluster; ``None``: processes of this machine.
        scale: real seconds that one second of the config takes.
        injected: whether the config's delays are slept out.
        slow: how many times as long the computing of some workers takes, by worker.
    """

    scheduler: str | None = None
    scale: float = 1.0
    injected: bool = True
    slow: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Facts:
    """What a live run says besides its tables. Seconds are those of the config.

    Attributes:
        message: seconds of an empty task, there and back, to one worker; the median.
        round: seconds of a round of empty tasks, all workers; the mean.
        late: share of messages whose computing took longer than their delay; ``None`` where none
            was injected.
        replayed: how far the models are from those that the simulator finds for the same
            arrivals; ``None`` without a problem.
    """

    message: float
    round: float
    late: float | None
    replayed: Difference | None


def play(
    cell: Cell, how: How, data_dir: Path | None = None, report: Callable[[], None] = lambda: None
) -> tuple[CellResult, Facts]:
    """Run a cell on real workers.

    Args:
        cell: what to run.
        how: on which workers.
        data_dir: where the public data sets lie.
        report: called after each iteration.

    Raises:
        ConfigError: the cell cannot be built, or not be run on real workers.
        CannotEnd: workers died without which an update cannot happen.
    """
    run, learning = build.both(cell, data_dir)
    reason = refusal(run, how.injected)
    if reason is not None:
        raise ConfigError(reason)
    n, policy = run.scheme.workers, run.policy
    slow = dict(how.slow)
    with hired(n, how.scheduler) as staff, training():
        crew = LineCrew(staff.lines, staff.names, how.scale)
        held = works(run.scheme, None if learning is None else learning.problem)
        crew.employ([Employment(w, policy, slow.get(j, 1.0)) for j, w in enumerate(held)])
        crew.settle()
        message, everybody = _cost(crew, n, np.empty(0) if learning is None else learning.initial)
        played = play_all(run, learning, crew, how.injected, 2 * EMPTY + 2, report)
    trace = trace_of(run, played)
    steps = steps_of(run, trace, played)
    found = again = None
    if learning is not None:
        models = np.stack([each.models for each in played if each.models is not None])
        found = learned(learning.problem, models)
        again = difference(learning, run, trace, played, found)
    late = sum(each.late for each in played) / max(1, sum(each.heard for each in played))
    facts = Facts(message, everybody, late if how.injected else None, again)
    return result(run, trace, steps, found, cell.settings.target_loss), facts


def play_all(
    run: Run,
    learning: Training | None,
    crew: Crew,
    injected: bool = True,
    first: int = 0,
    report: Report = lambda: None,
) -> list[Played]:
    """All replications, one after the other, on one crew."""
    casualties = Casualties(run.scheme.workers)
    played = []
    for replication in range(len(run.tapes)):
        descent = Descent(learning)
        master: RoundMaster | FreeMaster
        if isinstance(run.scheme, Fixed):
            offsets = _offsets(run, run.scheme, replication, injected)
            master = RoundMaster(
                run.scheme,
                offsets,
                crew,
                descent,
                run.policy,
                run.cluster.max_wait,
                casualties,
                first,
                report,
            )
            played.append(master.play())
            first += len(offsets)
        else:
            assert isinstance(run.scheme, Barrierless)
            sequence = np.random.SeedSequence(run.seed, spawn_key=(PARTITIONS, replication))
            master = FreeMaster(
                run.scheme,
                run.iterations,
                task_columns(run, replication) if injected else None,
                crew,
                descent,
                run.cluster.max_wait,
                casualties,
                first,
                np.random.Generator(np.random.PCG64(sequence)),
                report,
            )
            played.append(master.play())
            first = master.next_number
    return played


def _offsets(run: Run, scheme: Fixed, replication: int, injected: bool) -> FloatArray:
    """``(T, n m)`` seconds until each message is computed, as the event engine reads them."""
    if not injected:
        return np.zeros((run.updates, scheme.workers * scheme.messages))
    tape, plan = CheckedTape(run.tapes[replication]), scheme.plan()
    return plan.message_times(run.load_law, tape, scheme.messages, 0, run.updates)


def _cost(crew: LineCrew, workers: int, model: FloatArray) -> tuple[float, float]:
    """Seconds of an empty task there and back: of one worker, and of all in a round."""
    single, number = [], 0
    for turn in range(EMPTY):
        began = crew.now()
        crew.give(turn % workers, number, [0.0], model, empty=True)
        list(arrivals(crew, 1, 1))
        single.append(crew.now() - began)
        number += 1
    rounds = []
    for _ in range(EMPTY):
        began = crew.now()
        for worker in range(workers):
            crew.give(worker, number, [0.0], model, empty=True)
        list(arrivals(crew, workers, 1))
        rounds.append(crew.now() - began)
        number += 1
    return float(np.median(single)), float(np.mean(rounds))
