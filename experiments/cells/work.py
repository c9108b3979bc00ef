"""What a worker process does with one cell; any error is that cell's alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from ...sim.errors import EngineRefused, InvalidParameter, NeverEnough
from .. import guard
from ..config.errors import ConfigError
from ..config.grid import Cell
from .compute import CellResult, compute
from .pool import Share
from .store import code_fingerprint

EXPECTED = (ConfigError, NeverEnough, EngineRefused, InvalidParameter)
"""Errors whose message says everything; of others the kind is said too."""


@dataclass(frozen=True)
class Done:
    """A cell that was computed, or failed.

    Attributes:
        result: its numbers, or why there are none.
        seconds: how long it took.
        code: fingerprint of the code that computed it, which may be on another machine.
    """

    result: CellResult | str
    seconds: float
    code: str


def work(data_dir: Path | None, cell: Cell, share: Share) -> Done:
    """Compute one cell, and say how far it is."""
    began = time.monotonic()
    result: CellResult | str
    try:
        result = compute(cell, data_dir, lambda done, total: share(done / total))
    except EXPECTED as error:
        result = str(error)
    except Exception as error:
        short = guard.is_memory(error)
        result = guard.out_of_memory(error) if short else f"{type(error).__name__}: {error}"
    return Done(result, time.monotonic() - began, code_fingerprint())
