"""``erasurehead live --measure``: how long gradients take here, as a table for ``fit``."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ....sim.base.errors import ConfigError, at
from ....sim.base.numerics import one_thread
from ....sim.base.tables import csv_of
from ....sim.base.types import FloatArray
from ...config import build
from ...config.cells import cells
from ...options import cores
from ...page import terminal
from ...run import files
from ...run.command import Progress
from .command import MAX_LIVE_SECONDS, slowed
from .masters import received
from .request import MeasureRequest
from .worker import Computation, HeldPartitions, Setup, Task, Vector, Wanted, parts_of
from .workers import hired

MEASURE_COLUMNS = ("worker", "host", "round", "load", "start", "end", "busy", "seconds")
STRETCH = 5  # rounds of a load in a row
USUAL = MeasureRequest()


@final
@dataclass(frozen=True)
class Products(Computation):
    """As many products of two square matrices, of ``size`` rows, as the load says."""

    size: int

    @override
    def compute(self, wanted: Wanted) -> Vector:
        matrix = np.full((self.size, self.size), 1 / self.size)
        for _ in range(wanted.argument[0]):
            matrix = matrix @ matrix
            wanted.listen()
        return np.asarray(matrix[0])


@final
@dataclass(frozen=True, eq=False)
class Gradients(HeldPartitions):
    """The gradients of as many partitions as the load says, from the worker's own on, added up."""

    own: int

    @override
    def compute(self, wanted: Wanted) -> Vector:
        load, beta = wanted.argument
        chosen = [(self.own + i) % len(self.partitions) for i in range(load)]
        return np.asarray(np.sum([self.gradient(i, beta, wanted) for i in chosen], axis=0))


@final
@dataclass(frozen=True, eq=False)
class Workload:
    """What is measured: tasks whose argument is a load and a model."""

    tasks: Sequence[Computation]  # what each worker computes
    model: FloatArray  # ``(p,)`` sent with each task, as in training; empty for tasks without data


def gradients(learning: build.Training, workers: int) -> Workload:
    """Gradients of k = n partitions, of which each worker begins with its own."""
    problem = replace(learning.problem, partitions=workers)
    by_partition = dict(enumerate(parts_of(problem)))
    tasks = [Gradients(by_partition, problem.rows, worker) for worker in range(workers)]
    return Workload(tasks, learning.initial)


def read_workload(document: Mapping[str, Any] | None, asked: MeasureRequest) -> Workload:
    """What to measure: gradients of the config's problem; without a config, products of matrices.
    Raises ConfigError: the config is bad or has no problem, or other workers."""
    if document is None:
        if not 1 <= asked.size <= 20_000:  # rows: three such matrices take 10 GB
            raise at("--size", asked.size, "must be from 1 to 20000")
        return Workload([Products(asked.size)] * (asked.workers or 4), np.empty(0))
    if asked.size != USUAL.size:
        raise at("--size", asked.size, "is of matrix products: leave it out beside a config")
    cell = cells(document, asked.data_dir)[0]
    own = cell.settings.workers
    if asked.workers not in (None, own):
        raise at("--workers", asked.workers, f"must be that of the config, {own}")
    if (learning := build.training(cell)) is None:
        raise ConfigError("problem: missing; its gradients are the tasks")
    return gradients(learning, own)


def read_loads(text: str) -> list[int]:
    """Loads from ``1,2,3``. Raises ConfigError: it is not that."""
    valid = "must be whole numbers from 1 on with commas between, such as 1,2,3, none twice"
    try:
        loads = [int(word) for word in text.split(",")]
    except ValueError:
        raise at("--loads", text, valid) from None
    if min(loads) < 1 or len(set(loads)) < len(loads) or len(loads) > 1000:
        raise at("--loads", text, valid)
    return loads


def turns_of(loads: Sequence[int], rounds: int) -> Iterator[tuple[int, int]]:
    """Round and load of each turn; round -1 is not recorded. The loads take turns, so that a
    machine that becomes slower does not look like a load law; in stretches, so that a round follows
    one of its own kind, as in training."""
    for first in range(0, rounds, STRETCH):
        for load in loads:
            yield -1, load
            for turn in range(first, min(first + STRETCH, rounds)):
                yield turn, load


def require_short(workload: Workload, asked: MeasureRequest) -> None:
    """Say how long it takes, by a task that is tried out here, where that is long. Raises
    ConfigError: it takes more than a day; the option that makes it so long is named."""
    task, size = workload.tasks[0], 1.0
    if isinstance(task, Products):
        task, size = Products(min(task.size, USUAL.size)), max(task.size / USUAL.size, 1.0)
    spent = []
    with one_thread():
        for _ in range(2):  # the first one starts libraries
            began = time.perf_counter()
            task.compute(Wanted(0, (1, workload.model), {}, lambda: None))
            spent.append(time.perf_counter() - began)
    waits = len(workload.tasks) / cores() if asked.scheduler is None else 1.0  # for a processor
    task_seconds = min(spent) * max(waits, 1.0)
    slow = max([1.0, *dict(slowed(asked.slow)).values()])
    turns, usually = (rounds + -(-rounds // STRETCH) for rounds in (asked.rounds, USUAL.rounds))
    load, usual_load = (sum(read_loads(text)) for text in (asked.loads, USUAL.loads))
    usual = {
        "--slow": (asked.slow, slow, 1.0),
        "--loads": (asked.loads, min(load, 1e300), usual_load),
        "--rounds": (asked.rounds, turns, usually),
        "--size": (asked.size, size**3, 1.0),
    }
    expected = task_seconds * prod(mine for _, mine, _ in usual.values())
    if not expected <= MAX_LIVE_SECONDS:
        # The first one that makes it short enough alone, or the one that is the furthest off.
        times = {name: mine / other for name, (_, mine, other) in usual.items()}
        alone = [name for name in times if expected / times[name] <= MAX_LIVE_SECONDS]
        name = alone[0] if alone else max(times, key=times.__getitem__)
        text = f"takes about {expected / 86400:.3g} days; must take one at most"
        raise at(name, usual[name][0], text)
    if expected > 60:
        terminal.say(f"the tasks take about {expected:.3g} s")


def measure_tasks(
    document: Mapping[str, Any] | None, output: Path, asked: MeasureRequest, progress: Progress
) -> pd.DataFrame:
    """Measure and write the table ``output``; ``progress`` is told of rounds done, and in all.
    Every worker does the same task at the same time, round after round.

    Returns one row per task with ``MEASURE_COLUMNS``. All instants are the master's: ``start`` is
    the broadcast of the round and ``end`` the arrival of the answer, in seconds since 1970;
    ``seconds`` lie between them, as does the delay that a simulation draws. The worker itself
    worked for ``busy`` of these seconds; the rest is messages, and waiting for a processor.

    Raises ConfigError: a value is wrong, the file cannot be written, a worker does not exist, or
    the cluster cannot be reached or is too small; CannotEnd: a worker died."""
    workload, loads = read_workload(document, asked), read_loads(asked.loads)
    slow, tasks = dict(slowed(asked.slow)), workload.tasks
    if output.suffix != ".csv":
        raise at("--measure", str(output), "must end in .csv")
    for worker in slow:
        if worker >= len(tasks):
            raise at("--slow", worker, f"must be a worker from 0 to {len(tasks) - 1}")
    files.require_file(output)
    require_short(workload, asked)
    rows: list[tuple[object, ...]] = []
    with hired(len(tasks), asked.scheduler) as workers:
        workers.set_up([Setup(task, slow=slow.get(j, 1.0)) for j, task in enumerate(tasks)])
        workers.start_clock()
        zero, done = time.time(), 0
        for number, (turn, load) in enumerate(turns_of(loads, asked.rounds)):
            start = workers.now()
            for worker in range(len(tasks)):
                workers.give(worker, Task(number, (0.0,), (load, workload.model)))
            for arrival in received(workers, len(tasks), done + 1):
                origin = arrival.worker, workers.hosts[arrival.worker], turn, load
                times = zero + start, zero + arrival.now, arrival.seconds, arrival.now - start
                rows.append((*origin, *times))
            if turn >= 0:
                done += 1
                progress(done, asked.rounds * len(loads))
    table = pd.DataFrame(rows, columns=list(MEASURE_COLUMNS))
    table = table[table["round"] >= 0].sort_values(["round", "load", "worker"], ignore_index=True)
    files.write_bytes(output, csv_of(table))
    return table
