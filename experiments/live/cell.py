"""One cell on real workers, and what the simulator says of the same arrivals."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...sim.engines.run import Run
from ...sim.engines.updates import Trajectory
from ...sim.learner import Learned, training_context
from ...sim.problems.base import Problem
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed
from ...sim.steps import SingleGradients, Steps
from ...sim.types import FloatArray, Rounds, Trace, Work
from ..config import build
from ..config.cells import Cell
from ..config.errors import ConfigError
from ..run.compute import CellResult, learn, result
from .masters import LiveBarrierlessMaster, LiveMaster, LiveRoundMaster, Session, arrivals
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
    drawn = [each.partitions for each in masters if isinstance(each, LiveBarrierlessMaster)]
    return replace(steps, partition=np.stack(drawn))


def learned(problem: Problem, masters: Sequence[LiveMaster]) -> Learned:
    """Losses of the models that the workers found."""
    models = np.array([master.descent.visited for master in masters])
    r, t, p = models.shape
    columns = np.ascontiguousarray(models.reshape(r * t, p).T)
    final, test = np.ascontiguousarray(models[:, -1].T), problem.test_loss(columns)
    test = None if test is None else test.reshape(r, t)
    return Learned(problem.loss(columns).reshape(r, t), test, final, problem.test_auc(final))


@dataclass(frozen=True)
class Difference:
    """How far the workers' models are from those of the simulator."""

    loss: float  # largest difference of training losses over all iterations, of the first loss
    model: float  # largest distance of two last models, of the longer one's length


def difference(found: Learned, simulated: Learned) -> Difference:
    """Compare the workers' models with those of the simulator."""
    first = np.abs(found.train_loss[:, 0]).max()
    losses = np.abs(simulated.train_loss - found.train_loss).max() / first
    apart = np.linalg.norm(simulated.final_beta - found.final_beta, axis=0)
    length = np.linalg.norm(simulated.final_beta, axis=0)
    return Difference(float(losses), float((apart / np.maximum(length, 1e-300)).max()))


EMPTY = 20  # rounds of empty tasks that measure what messages cost


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


def play(
    cell: Cell, how: How, progress: Callable[[], None] = lambda: None
) -> tuple[CellResult, Facts]:
    """Run a cell on real workers; ``progress`` is called after each iteration. Raises ConfigError:
    it cannot be built, or not run there; CannotEnd: an update needs workers that died."""
    run, learning = build.both(cell)
    if (reason := refusal(run, how.injected)) is not None:
        raise ConfigError(reason)
    slow = dict(how.slow)
    with hired(run.scheme.workers, how.scheduler) as workers, training_context():
        workers.scale = how.scale
        held = computations(run.scheme, None if learning is None else learning.problem)
        workers.set_up([Setup(each, run.policy, slow.get(j, 1.0)) for j, each in enumerate(held)])
        model = np.empty(0) if learning is None else learning.initial
        message, everybody = _cost(workers, len(held), model)
        session = Session(run, workers, learning, how.injected, progress, next_task=2 * EMPTY + 2)
        masters = play_all(session)
    trace = trace_of(run, masters)
    steps = steps_of(run, trace, masters)
    found = replayed = None
    if learning is not None:
        # Given the same arrivals, the simulator must find the models that the workers found.
        found = learned(learning.problem, masters)
        replayed = difference(found, learn(learning, steps, run.iterations))
    late = sum(each.late for each in masters) / max(1, sum(each.messages for each in masters))
    facts = Facts(message, everybody, late if how.injected else None, replayed)
    return result(run, trace, steps, found, cell.settings.target_loss), facts


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


def _cost(workers: ConnectedWorkers, n: int, model: FloatArray) -> tuple[float, float]:
    """Seconds of an empty task there and back: of one worker, and of all in a round."""
    numbers = itertools.count()

    def seconds(asked: Sequence[int]) -> float:
        number, began = next(numbers), workers.now()
        for worker in asked:
            workers.give(worker, Task(number, (0.0,), model, empty=True))
        list(arrivals(workers, len(asked), 1))
        return workers.now() - began

    single = [seconds([turn % n]) for turn in range(EMPTY)]
    rounds = [seconds(range(n)) for _ in range(EMPTY)]
    return float(np.median(single)), float(np.mean(rounds))
