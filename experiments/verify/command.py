"""The command ``verify``: run the grid, show and keep the table."""

from __future__ import annotations

import time
from pathlib import Path

from experiments.console import progress
from experiments.verify import grid, table, verify
from experiments.verify.simulation import Engine


def command(replications: int, engine: Engine, seed: int, output: Path | None) -> bool:
    """Verify the whole grid; True when every row passes."""
    began = time.monotonic()
    with progress("schemes") as report:
        result = verify(grid.grid(), replications, engine, seed, report)
    table.show(result, time.monotonic() - began)
    if output is not None:
        table.write(result, output)
        print(f"results in {output}/")
    return not result.failed
