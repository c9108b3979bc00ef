"""The probe: every worker does the same task at the same time, round after round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import pandas as pd

from experiments.live.crew import Death, LineCrew
from experiments.live.played import CannotEnd
from experiments.live.staff import hired
from experiments.live.tasks import Employment, Work

COLUMNS = ("worker", "host", "round", "load", "start", "end", "seconds")


def measured(
    works: Sequence[Work],
    loads: Sequence[int],
    rounds: int,
    scheduler: str | None,
    slow: dict[int, float],
    report: Callable[[int, int], None],
) -> pd.DataFrame:
    """Measure; one round of each load goes before and is not recorded.

    Args:
        works: what each worker computes; the argument is the load.
        loads: partitions, or products, of a task.
        rounds: rounds of each load; the loads take turns.
        scheduler: address of a Dask cluster; ``None``: processes of this machine.
        slow: how many times as long the computing of some workers takes.
        report: progress, in rounds.

    Returns:
        One row per task with the columns ``COLUMNS``: start and end on the clock of the worker's
        host, in seconds since 1970, and the seconds between them by a steadier clock.

    Raises:
        CannotEnd: a worker died.
        ConfigError: the cluster cannot be reached, or is too small.
    """
    rows: list[tuple[object, ...]] = []
    total = rounds * len(loads)
    with hired(len(works), scheduler) as staff:
        crew = LineCrew(staff.lines, staff.names, 1.0)
        crew.employ([Employment(work, slow=slow.get(j, 1.0)) for j, work in enumerate(works)])
        crew.settle()
        number = 0
        for turn in range(-1, rounds):
            for load in loads:
                for worker in range(len(works)):
                    crew.give(worker, number, [0.0], load)
                missing = len(works)
                while missing:
                    for event in crew.hear(inf):
                        if isinstance(event, Death):
                            raise CannotEnd(max(turn + 1, 1), [crew.name(event.worker)])
                        missing -= 1
                        start = event.ended - event.seconds
                        place = event.worker, staff.hosts[event.worker], turn, load
                        rows.append((*place, start, event.ended, event.seconds))
                number += 1
                if turn >= 0:
                    report(number - len(loads), total)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table[table["round"] >= 0].sort_values(["round", "load", "worker"], ignore_index=True)
