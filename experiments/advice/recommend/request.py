"""What ``recommend`` is asked: a goal and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ...options import option

GOAL = "Goal and limits"  # a box of the help
# what is compared of many runs; ``p95``: what 95 % of them do not exceed
Criterion = Literal["mean", "median", "p95"]


@dataclass(frozen=True)
class SearchRequest:
    """What ``recommend`` searches for, as its options say it."""

    target: Annotated[
        float | None,
        option("Loss to reach soonest; without a problem, exact iterations.", panel=GOAL),
    ] = None
    budget: Annotated[
        float | None, option("Seconds in which the loss is to be least.", panel=GOAL)
    ] = None
    max_load: Annotated[float | None, option("Partitions that a worker can hold.", panel=GOAL)] = (
        None
    )
    max_worker_seconds: Annotated[
        float | None, option("Computing of all workers, to the goal.", panel=GOAL)
    ] = None
    max_bytes: Annotated[float | None, option("Messages heard, to the goal.", panel=GOAL)] = None
    max_error: Annotated[float | None, option("Mean decoding error of an update.", panel=GOAL)] = (
        None
    )
    only: Annotated[str | None, option("Search these schemes alone.", metavar="SCHEME,...")] = None
    criterion: Annotated[
        Criterion, option("mean, median or p95 of the runs.", metavar="WHICH", panel=GOAL)
    ] = "mean"
    allow_unheard: Annotated[
        bool, option("Allow partitions that are never heard.", "--allow-unheard")
    ] = False
