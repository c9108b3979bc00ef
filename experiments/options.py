"""Options that several commands have, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer


def whole(least: int, most: int) -> Callable[[str | int], int]:
    """How an option is read that is a whole number."""

    def read(given: str | int) -> int:
        text = str(given).strip()
        plain = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20
        if not plain or not least <= int(text) <= most:
            raise typer.BadParameter(f"must be a whole number from {least} to {most}, not {text}")
        return int(text)

    return read


MOST_JOBS = 1024
"""Processes that a command may start; a machine with more cores takes a cluster."""

MOST_SETS = 10**7
"""Sets of stragglers that ``attack`` may decode for each code and number of stragglers."""

MOST_ROUNDS = 10**7
"""Rounds that ``verify`` may simulate of each scheme: 15 GB."""


Config = Annotated[
    Path, typer.Argument(metavar="CONFIG.yaml", help="What to run; init writes an example.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change dotted.key; several values v1,v2 make a sweep."
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", help="Where results go; default results/<name>/.")
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder of the public data sets; default $ERASUREHEAD_DATA."),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="Compute on a Dask cluster: tcp://host:port (extra cluster)."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Show cells, engines and estimated cost; compute and write nothing."
    ),
]
AllowLarge = Annotated[
    bool,
    typer.Option("--allow-large", help="Run even if it seems too large for this machine."),
]
MeasuredTable = Annotated[
    Path,
    typer.Argument(
        help="Measured delays: CSV, Parquet, NPZ, or PyTorch profiler traces (a folder).",
    ),
]
OneLoad = Annotated[
    float | None, typer.Option("--load", help="One load of a table with several; default all.")
]
Unit = Literal["s", "ms", "us", "ns"]
Missing = Literal["refuse", "drop-rounds", "never"]
Retries = Literal["refuse", "last", "sum"]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="What the columns are: worker=host,seconds=duration_ms."),
]
Drop = Annotated[
    list[str] | None, typer.Option("--drop", help="Columns to leave out, separated by commas.")
]
UnitOption = Annotated[
    Unit | None, typer.Option("--unit", help="Unit of times, if the column names do not give it.")
]
MissingOption = Annotated[
    Missing,
    typer.Option(
        "--missing", help="A missing delay: refuse it, drop its round, or treat as never arriving."
    ),
]
RetriesOption = Annotated[
    Retries,
    typer.Option(
        "--retries", help="Several rows for a worker and round: refuse, keep the last, or sum."
    ),
]
OnCluster = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Use the workers of a Dask cluster: tcp://host:port (extra cluster); default "
        "processes on this machine.",
    ),
]
Slow = Annotated[
    list[str] | None,
    typer.Option(
        "--slow", metavar="WORKER=FACTOR", help="Multiply a worker's computing time by a factor."
    ),
]
JOBS = whole(1, MOST_JOBS)
Jobs = Annotated[
    int, typer.Option("--jobs", parser=JOBS, metavar="N", help="Cells computed at the same time.")
]
