"""One cell on real workers, and what the simulator says of the same arrivals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...sim.engines.event.barrierless import task_columns
from ...sim.engines.run import Run
from ...sim.engines.tapes import CheckedTape
from ...sim.learner import Learned, training
from ...sim.problems.base import Problem
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed
from ...sim.steps import SingleGradients, Steps
from ...sim.types import FloatArray, Messages, Rounds, Trace, Work
from ..config import build
from ..config.build import Training
from ..config.cells import Cell
from ..config.errors import ConfigError
from ..run.compute import CellResult, learn, result
from .masters import Casualties, Descent, FreeMaster, Played, Report, RoundMaster, arrivals
from .worker import Employment, refusal, works
from .workers import Crew, LineCrew, hired

# From what happened on real workers to a trace, to steps, and to losses.
#
# Given the arrivals, the simulator's steps and learner must find the models that the workers
# found: ``replayed`` is what they find.


def trace_of(run: Run, played: Sequence[Played]) -> Trace:
    """All replications as an engine would tell them."""

    def stack(name: str) -> np.ndarray:
        return np.stack([getattr(each, name) for each in played])

    heard: Rounds | Messages
    if played[0].arrived is not None:
        heard = Rounds(stack("arrived"))
    else:
        messages = stack("messages")
        heard = Messages(messages[:, 0], messages[:, 1])
    names = ("busy", "useful", "last", "margin", "dead", "down")
    work = Work(*map(stack, names))
    return Trace(stack("times"), heard, work, "live", run.seed, fails=bool(work.dead.any()))


def steps_of(run: Run, trace: Trace, played: Sequence[Played]) -> Steps:
    """The updates; partitions are those that the workers drew."""
    steps = run.scheme.steps(trace)
    if isinstance(steps, SingleGradients):
        assert all(each.messages is not None for each in played)
        partition = np.stack([each.messages[2] for each in played])  # type: ignore[index]
        return replace(steps, partition=partition)
    return steps


def learned(problem: Problem, models: FloatArray) -> Learned:
    """Losses of the workers' models: ``(R, T + 1, p)``."""
    r, t, p = models.shape
    columns = np.ascontiguousarray(models.reshape(r * t, p).T)
    test = problem.test_loss(columns)
    final = np.ascontiguousarray(models[:, -1].T)
    return Learned(
        problem.loss(columns).reshape(r, t),
        None if test is None else test.reshape(r, t),
        final,
        problem.test_auc(final),
    )


@dataclass(frozen=True)
class Difference:
    """How far the workers' models are from the replayed ones.

    Attributes:
        loss: largest difference of training losses over all iterations, of the first loss.
        model: largest distance of two last models, of the longer one's length.
    """

    loss: float
    model: float


def difference(
    learning: Training, run: Run, trace: Trace, played: Sequence[Played], found: Learned
) -> Difference:
    """Replay the arrivals and compare."""
    again = learn(learning, steps_of(run, trace, played), run.iterations)
    losses = (
        np.abs(again.train_loss - found.train_loss).max() / np.abs(found.train_loss[:, 0]).max()
    )
    apart = np.linalg.norm(again.final_beta - found.final_beta, axis=0)
    length = np.linalg.norm(again.final_beta, axis=0)
    return Difference(float(losses), float((apart / np.maximum(length, 1e-300)).max()))


# One cell on real workers: play every replication, then make the numbers that a run has.


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
