"""What ``reproduce`` is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..options import MOST_JOBS, DataDir, Formats, Tables, option, whole


@dataclass(frozen=True)
class ReproduceRequest:
    """How much ``reproduce`` computes, where, and what it writes."""

    full: Annotated[bool, option("More replications.", "--full")] = False
    only_paper: Annotated[
        bool, option("Only what the paper's claims need (15 seconds).", "--only-paper")
    ] = False
    set_: Annotated[
        list[str] | None,
        option(
            "Change a figure: workers, load, delay (mean seconds).", "--set", metavar="KEY=VALUE"
        ),
    ] = None
    output: Annotated[Path, option("Where index.html, pictures and tables go.")] = Path(
        "results/reproduce"
    )
    data_dir: DataDir = None
    against: Annotated[
        Path | None,
        option("Say whether data and numbers are those of this folder.", metavar="FOLDER"),
    ] = None
    jobs: Annotated[
        int | None, whole(1, MOST_JOBS, "Figures made at the same time; default one per core.")
    ] = None
    format_: Formats = "png,svg"
    tables: Tables = "parquet"
