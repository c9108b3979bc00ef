"""What ``recommend`` is asked: a goal and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from ...options import option

# what is compared of many runs; ``p95``: what 95 % of them do not exceed
Criterion = Literal["mean", "median", "p95"]


@dataclass(frozen=True)
class SearchRequest:
    """What ``recommend`` searches for, as its options say it."""

    target: Annotated[
        float | None, option("Loss to reach soonest; without a problem, exact iterations.")
    ] = None
    budget: Annotated[float | None, option("Seconds in which the loss is to be least.")] = None
    max_load: Annotated[float | None, option("Partitions that a worker can hold.")] = None
    max_worker_seconds: Annotated[
        float | None, option("Computing, of all workers, to the goal.")
    ] = None
    max_bytes: Annotated[float | None, option("Of messages heard, to the goal.")] = None
    max_error: Annotated[float | None, option("Mean decoding error of an update.")] = None
    only: Annotated[str | None, option("Search these schemes alone.", metavar="SCHEME,...")] = None
    criterion: Annotated[Criterion, option("What of the seconds or losses is least.")] = "mean"
    allow_unheard: Annotated[
        bool, option("Also schemes that never hear some partition.", "--allow-unheard")
    ] = False
