"""The probe: every worker does the same task at the same time, round after round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from ..live.crew import LineCrew
from ..live.played import arrivals
from ..live.staff import hired
from ..live.tasks import Employment
from .tasks import Workload

COLUMNS = ("worker", "host", "round", "load", "start", "end", "busy", "seconds")

STRETCH = 5
"""Rounds of a load in a row."""


def measured(
    tasks: Workload,
    loads: Sequence[int],
    rounds: int,
    scheduler: str | None,
    slow: dict[int, float],
    report: Callable[[int, int], None],
) -> pd.DataFrame:
    """Measure.

    Args:
        tasks: what the workers compute.
        loads: partitions, or products, of a task.
        rounds: rounds of each load.
        scheduler: address of a Dask cluster; ``None``: processes of this machine.
        slow: how many times as long the computing of some workers takes.
        report: progress, in rounds.

    Returns:
        One row per task with the columns ``COLUMNS``. All instants are the master's: ``start`` is
        the broadcast of the round and ``end`` the arrival of the answer, in seconds since 1970;
        ``seconds`` lie between them, as does the delay that a simulation draws. The worker itself
        worked for ``busy`` of these seconds; the rest is messages, and waiting for a processor.

    Raises:
        CannotEnd: a worker died.
        ConfigError: the cluster cannot be reached, or is too small.
    """
    rows: list[tuple[object, ...]] = []
    works, total = tasks.works, rounds * len(loads)
    with hired(len(works), scheduler) as staff:
        crew = LineCrew(staff.lines, staff.names, 1.0)
        crew.employ([Employment(work, slow=slow.get(j, 1.0)) for j, work in enumerate(works)])
        crew.settle()
        crew.start_clock()
        zero, done = time.time(), 0
        for number, (turn, load) in enumerate(_turns(loads, rounds)):
            start = crew.now()
            for worker in range(len(works)):
                crew.give(worker, number, [0.0], (load, tasks.model))
            for told in arrivals(crew, len(works), done + 1):
                place = told.worker, staff.hosts[told.worker], turn, load
                times = zero + start, zero + told.now, told.seconds, told.now - start
                rows.append((*place, *times))
            if turn >= 0:
                done += 1
                report(done, total)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table[table["round"] >= 0].sort_values(["round", "load", "worker"], ignore_index=True)


def _turns(loads: Sequence[int], rounds: int) -> Iterator[tuple[int, int]]:
    """Round and load of each turn; round -1 is not recorded.

    The loads take turns, so that a machine that becomes slower does not look like a load law; in
    stretches, so that a round follows one of its own kind, as in training.
    """
    for first in range(0, rounds, STRETCH):
        for load in loads:
            yield -1, load
            for turn in range(first, min(first + STRETCH, rounds)):
                yield turn, load
