"""``erasurehead live``: a config on real workers, and what the simulator says of their arrivals."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ....sim.base.errors import ConfigError, Failed, at
from ....sim.base.types import FloatArray, Rounds, Trace, Work
from ....sim.engines.run import Run
from ....sim.engines.simulate import simulate
from ....sim.engines.updates import Trajectory
from ....sim.schemes.barrierless import Barrierless
from ....sim.schemes.base import Fixed
from ....sim.training.learner import Learned, training_context
from ....sim.training.problems.objective import Objective
from ....sim.training.steps import SingleGradients, Steps
from ...config import build
from ...config.cells import Cell, cells, resolved
from ...config.code import carried
from ...config.document import write_yaml
from ...config.names import shown_cell, shown_point
from ...page import terminal
from ...run import files
from ...run.command import Outcome, Progress, write_result
from ...run.compute import CellResult, learn, result
from ...run.estimate import Room, check
from ...run.outputs import CONFIG, OWN_PROCESSES, RUN_FILES, make_way, write_code
from ...run.records import diverged, summary_table
from ...text import whole_percent
from .masters import (
    CannotEnd,
    LiveBarrierlessMaster,
    LiveMaster,
    LiveRoundMaster,
    Session,
    received,
)
from .request import LiveRequest
from .worker import Setup, Task, computations, refusal
from .workers import ConnectedWorkers, hired


def trace_of(run: Run, masters: Sequence[LiveMaster]) -> Trace:
    """All replications as an engine would tell them."""
    fails = any(any(master.dead) for master in masters)
    if isinstance(run.scheme, Barrierless):
        trajectory = Trajectory(run)
        for master in masters:
            assert isinstance(master, LiveBarrierlessMaster)
            trajectory.add(master.decisions, master.busy, master.dead, master.down)
        return trajectory.trace("live", fails)

    def stack(name: str) -> np.ndarray:
        return np.stack([np.asarray(getattr(master, name)) for master in masters])

    work = Work(*map(stack, ("busy", "useful", "last", "margin", "dead", "down")))
    return Trace(stack("times"), Rounds(stack("masks")), work, "live", run.seed, fails)


def steps_of(run: Run, trace: Trace, masters: Sequence[LiveMaster]) -> Steps:
    """The updates; partitions are those that the workers drew."""
    steps = run.scheme.steps(trace)
    if not isinstance(steps, SingleGradients):
        return steps
    drawn = [master.partitions for master in masters if isinstance(master, LiveBarrierlessMaster)]
    return replace(steps, partition=np.stack(drawn))


def learned(problem: Objective, masters: Sequence[LiveMaster]) -> Learned:
    """Losses of the models that the workers found."""
    models = np.array([master.descent.visited for master in masters])
    r, t, p = models.shape
    columns = np.ascontiguousarray(models.reshape(r * t, p).T)
    final, tested = np.ascontiguousarray(models[:, -1].T), problem.tested(columns)
    test, right = (None if values is None else values.reshape(r, t) for values in tested)
    loss = problem.loss(columns).reshape(r, t)
    return Learned(loss, test, final, problem.test_auc(final), right)


@dataclass(frozen=True)
class Difference:
    """How far the workers' models are from those of the simulator."""

    loss: float  # largest difference of training losses over all iterations, of the first loss
    model: float  # largest distance of two last models, of the longer one's length


def difference(measured: Learned, simulated: Learned) -> Difference:
    """Compare the workers' models with those of the simulator."""
    first = np.abs(measured.train_loss[:, 0]).max()
    losses = np.abs(simulated.train_loss - measured.train_loss).max() / first
    apart = np.linalg.norm(simulated.final_beta - measured.final_beta, axis=0)
    length = np.linalg.norm(simulated.final_beta, axis=0)
    return Difference(float(losses), float((apart / np.maximum(length, 1e-300)).max()))


EMPTY_ROUNDS = 20  # rounds of empty tasks that measure what messages cost


@dataclass(frozen=True)
class How:
    """How to run on real workers."""

    scheduler: str | None = None  # address of a Dask cluster; ``None``: processes of this machine
    scale: float = 1.0  # real seconds that one second of the config takes
    injected: bool = True  # whether the config's delays are slept out
    slow: tuple[tuple[int, float], ...] = ()  # workers, and times their computing takes


@dataclass(frozen=True)
class Facts:
    """What a live run says besides its tables. Seconds are those of the config."""

    message: float  # seconds of an empty task, there and back, to one worker; the median
    round: float  # seconds of a round of empty tasks, all workers; the mean
    late: float | None  # share of messages that computing made late; ``None``: no delays
    replayed: Difference | None  # from models that the simulator finds; ``None``: no problem
    died: tuple[str, ...] = ()  # workers, as a person finds them
    deaths: tuple[str, ...] = ()  # the same with the update before which each died
    shared: int = 0  # workers that share their process, and so its interpreter, with another


def play(
    cell: Cell, how: How, progress: Callable[[], None] = lambda: None
) -> tuple[CellResult, Facts]:
    """Run a cell on real workers, which has no ``refusal``; ``progress`` is called after each
    iteration. Raises ConfigError: it cannot be built; CannotEnd: an update needs workers that
    died."""
    run, learning = build.both(cell)
    slow = dict(how.slow)
    with hired(run.scheme.workers, how.scheduler) as workers, training_context():
        workers.scale = how.scale
        held = computations(run.scheme, None if learning is None else learning.problem)
        workers.set_up([Setup(work, run.policy, slow.get(j, 1.0)) for j, work in enumerate(held)])
        model = np.empty(0) if learning is None else learning.initial
        message, everybody = message_costs(workers, len(held), model)
        first = 2 * EMPTY_ROUNDS + 2
        session = Session(run, workers, learning, how.injected, progress, next_task=first)
        masters = play_all(session)
        # Who died after the last update has been missed by none.
        session.died |= {event.worker: 0.0 for event in workers.hear(0.0)}
    trace = trace_of(run, masters)
    steps = steps_of(run, trace, masters)
    trained = replayed = None
    if learning is not None:
        # Given the same arrivals, the simulator must find the models that the workers found.
        trained = learned(learning.problem, masters)
        replayed = difference(trained, learn(learning, steps, run.iterations))
    late = sum(m.late for m in masters) / max(1, sum(m.messages for m in masters))
    facts = Facts(
        message=message,
        round=everybody,
        late=late if how.injected else None,
        replayed=replayed,
        died=tuple(workers.names[worker] for worker in sorted(session.died)),
        deaths=tuple(death_line(session, worker) for worker in sorted(session.died)),
        shared=workers.shared,
    )
    return result(run, trace, steps, trained, cell.settings.target_loss), facts


def death_line(session: Session, worker: int) -> str:
    """Who died, and when: ``worker 2 (process 71) died before update 5``."""
    name = session.workers.names[worker]
    if worker not in session.missed:
        return f"{name} died after the last update"
    replication, update = session.missed[worker]
    several = f" of replication {replication + 1}" if len(session.run.tapes) > 1 else ""
    return f"{name} died before update {update}{several}"


def play_all(session: Session) -> list[LiveMaster]:
    """All replications, one after the other, on the same workers."""
    masters, scheme = list[LiveMaster](), session.run.scheme
    for replication in range(len(session.run.tapes)):
        if isinstance(scheme, Barrierless):
            masters.append(LiveBarrierlessMaster(session, scheme, replication))
        else:
            assert isinstance(scheme, Fixed)
            masters.append(LiveRoundMaster(session, scheme, replication))
        masters[-1].play()
    return masters


def message_costs(workers: ConnectedWorkers, n: int, model: FloatArray) -> tuple[float, float]:
    """Seconds of an empty task there and back: of one worker, and of all in a round."""
    numbers = itertools.count()

    def seconds(asked: Sequence[int]) -> float:
        number, began = next(numbers), workers.now()
        for worker in asked:
            workers.give(worker, Task(number, (0.0,), model, empty=True))
        list(received(workers, len(asked), 1))
        return workers.now() - began

    single = [seconds([turn % n]) for turn in range(EMPTY_ROUNDS)]
    rounds = [seconds(range(n)) for _ in range(EMPTY_ROUNDS)]
    return float(np.median(single)), float(np.mean(rounds))


def show_live(outcome: Outcome, facts: Sequence[Facts]) -> None:
    """What messages cost, and whether the simulator finds the same models."""
    if not facts:
        return
    message = f"{max(own.message for own in facts):.2g} s of the config"
    everybody = f"an empty round of all workers {max(own.round for own in facts):.2g} s"
    terminal.say(f"an empty message there and back takes {message}, {everybody}")
    for cell, own in zip(outcome.finished, facts, strict=True):
        if own.replayed is not None and not own.replayed.model <= 1e-9:  # round-off
            away = f"the models are {own.replayed.model:.1g} of their length from those"
            same = "that the simulator finds for the same arrivals"
            terminal.tell(f"warning: {shown_cell(cell)}: {away} {same}")
    if known := [own.replayed.model for own in facts if own.replayed is not None]:
        same = f"the same models, to {max(known):.1g} of their length"
        terminal.say(f"from the same arrivals the simulator finds {same}")


MAX_LIVE_SECONDS = 86_400.0  # seconds that a live run may take unless the caller allows more


def read_how(asked: LiveRequest) -> How:
    """On which workers, at which pace. Raises ConfigError: a wrong value, or a scale of nothing."""
    scale, injected = asked.time_scale, not asked.no_injection
    if not 0 < scale < inf:
        raise at("--time-scale", scale, "must be a number above 0")
    if not injected and scale != 1:
        raise at("--time-scale", scale, "scales delays, and --no-injection has none: leave it out")
    return How(asked.scheduler, scale, injected, slowed(asked.slow))


def slowed(given: list[str] | None) -> tuple[tuple[int, float], ...]:
    """``WORKER=FACTOR``, as pairs. Raises ConfigError: it is not that, or the factor is below 1."""
    pairs = list[tuple[int, float]]()
    for text in given or []:
        match = re.fullmatch(r"([0-9]{1,6})=([0-9]+\.?[0-9]*(?:e[+-]?[0-9]+)?)", text)
        if match is None or not 1 <= float(match[2]) < inf:
            raise at("--slow", text, "must be WORKER=FACTOR, such as 3=2.5, the factor at least 1")
        if int(match[1]) in dict(pairs):
            raise at("--slow", text, f"worker {match[1]} has a factor already")
        pairs.append((int(match[1]), float(match[2])))
    return tuple(pairs)


def run_live(
    document: Mapping[str, Any],
    output: Path,
    asked: LiveRequest,
    progress: Progress,
    reads: Sequence[Path] = (),
) -> tuple[Outcome, list[Facts]]:
    """Run every cell of a config on real workers, one after the other; write the tables.
    ``progress`` is told of iterations done, and in all; the files in ``reads`` are not replaced.
    Returns what became of the cells, and what each says besides its tables. Raises ConfigError: the
    config or ``output`` is bad, it cannot be run live, or the cluster cannot be reached."""
    began, at_once = time.monotonic(), datetime.now(UTC).isoformat()
    how = read_how(asked)
    grid = cells(document, asked.data_dir)
    room = Room() if asked.allow_large else Room.here(output)
    checked = check(grid, room, simulated=False)
    possible = [cell for cell in grid if cell.key not in checked.impossible]
    total = require_live(possible, how, asked.allow_large)
    in_folder = carried(resolved(document), output)
    config = in_folder.config
    failed = [(cell, checked.impossible[cell.key]) for cell in grid if cell not in possible]
    finished, facts, seconds = list[tuple[Cell, CellResult]](), list[Facts](), dict[str, float]()

    def measured(waiting: Sequence[Cell] = ()) -> Outcome:
        """What is measured so far is written, since nobody can measure it again."""
        summary = summary_table(finished, simulated=False)
        summary["live"] = True
        warnings = [*checked.warnings, *diverged(finished, shown_point)]
        for (cell, _), own in zip(finished, facts, strict=True):
            warnings += [
                f"{shown_point(cell)}: {death}: from there on these are the times of fewer workers "
                "than the config has; measure again"
                for death in own.deaths
            ]
        if shared := max((own.shared for own in facts), default=0):
            warnings.append(
                f"{shared} workers share a process with another, so that one computes while the "
                "other waits: start Dask workers with --nthreads 1"
            )
        late = max((own.late or 0.0 for own in facts), default=0.0)
        if late > 0.01:
            warnings.append(
                f"up to {whole_percent(late)} of a scheme's messages were late, since computing "
                "took longer than their delays: a larger --time-scale makes them comparable with a "
                "simulation"
            )
        missing = [(cell, "was not measured: the command ended before") for cell in waiting]
        cells, lost = [cell for cell, _ in finished], [*failed, *missing]
        outcome = Outcome(cells, lost, seconds, summary, tuple(warnings), finished)
        live = {
            "began": at_once,
            "workers": how.scheduler or OWN_PROCESSES,
            "time_scale": how.scale,
            "injected": how.injected,
            "slow": {str(worker): factor for worker, factor in how.slow},
            "cells": {c.key: asdict(own) for (c, _), own in zip(finished, facts, strict=True)},
        }
        write_result(config, output, outcome, time.monotonic() - began, live)
        return outcome

    with files.output_folder(output, RUN_FILES, reads) as keep, files.folder_made(output):
        files.require_writable(output)
        if make_way(output, config):
            terminal.say(f"{output} held another run: its tables and pictures go, its cells stay")
        write_code(in_folder, output)
        files.write_bytes(output / CONFIG, write_yaml(config).encode())
        for turn, (cell, became, taken) in enumerate(_played(possible, how, progress, total), 1):
            if isinstance(became, str):
                failed.append((cell, became))
                continue
            finished.append((cell, became[0]))
            facts.append(became[1])
            seconds[cell.key] = taken
            if waiting := possible[turn:]:
                measured(waiting)
                keep()
        outcome = measured()
    return outcome, facts


def _played(
    grid: Sequence[Cell], how: How, progress: Progress, total: int
) -> Iterator[tuple[Cell, tuple[CellResult, Facts] | str, float]]:
    done, died = 0, list[str]()
    progress(0, total)

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for cell in grid:
        started, before = time.monotonic(), done
        became: tuple[CellResult, Facts] | str
        try:
            became = play(cell, how, count)
            died += became[1].died
        except Failed as error:
            became = str(error)
            died += error.dead if isinstance(error, CannotEnd) else ()
        except ConfigError as error:
            if cell is grid[0]:
                raise  # nothing is lost
            became = "; ".join([str(error), *(f"{name} died before" for name in died)])
        if isinstance(became, str):
            done = before + build.iterations(cell.settings) * cell.settings.replications
        yield cell, became, round(time.monotonic() - started, 3)


def require_live(grid: list[Cell], how: How, allow_large: bool) -> int:
    """Refuse what cannot run (ConfigError), and say how long the rest takes; returns iterations."""
    total, expected = 0, 0.0
    for cell in grid:
        build.require_delays(cell, "a run on real workers")
        timed = build.run_of(cell.settings)
        if (reason := refusal(timed, how.injected)) is not None:
            raise ConfigError(f"schemes: {reason}")
        for worker, _ in how.slow:
            if worker >= timed.scheme.workers:
                raise at("--slow", worker, f"must be a worker from 0 to {timed.scheme.workers - 1}")
        total += timed.iterations * len(timed.tapes)
        if how.injected:
            times = simulate(timed, cell.settings.engine, heard=False, work=False).times
            expected += float(times[:, -1].sum()) * how.scale
    if not expected <= MAX_LIVE_SECONDS and not allow_large:
        less = "take fewer replications or iterations or a smaller --time-scale"
        text = f"the delays take {expected / 3600:.3g} h in real time"
        raise ConfigError(f"{text}; {less}, or allow it with --allow-large")
    if how.injected:
        terminal.say(f"the delays take about {expected:.3g} s in real time")
    return total
