"""What ``live`` is asked: to run a config on real workers, or to measure tasks on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ...options import MOST_JOBS, MOST_ROUNDS, DataDir, option, whole

MEASURING = "With --measure"  # a box of the help
OnCluster = Annotated[
    str | None,
    option("A Dask cluster, tcp://host:port (extra cluster); default processes of this machine."),
]
Slow = Annotated[
    list[str] | None,
    option("Multiply a worker's computing time.", metavar="WORKER=FACTOR"),
]


@dataclass(frozen=True)
class LiveRequest:
    """On which workers ``live`` runs a config, and where it writes."""

    scheduler: OnCluster = None
    time_scale: Annotated[
        float, option("Real seconds of a simulated one; results are divided by it.")
    ] = 1.0
    no_injection: Annotated[
        bool, option("Inject no delays: workers compute.", "--no-injection")
    ] = False
    slow: Slow = None
    output: Annotated[Path | None, option("Default results/<name>-live/.")] = None
    data_dir: DataDir = None
    allow_large: Annotated[bool, option("Run even if longer than a day.", "--allow-large")] = False


@dataclass(frozen=True)
class MeasureRequest:
    """What ``live --measure`` measures, and on which workers."""

    workers: Annotated[
        int | None, whole(1, MOST_JOBS, "Number of workers; default the config's, or 4.", MEASURING)
    ] = None
    rounds: Annotated[int, whole(1, MOST_ROUNDS, "Rounds of each load.", MEASURING)] = 50
    loads: Annotated[str, option("Partitions (or products) of a task: 1,2,3.", panel=MEASURING)] = (
        "1,2,3"
    )
    size: Annotated[int, option("Rows and columns of the matrices.", panel=MEASURING)] = 400
    scheduler: OnCluster = None
    slow: Slow = None
    data_dir: DataDir = None
