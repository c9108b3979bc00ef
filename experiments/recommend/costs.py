"""What a scheme costs, and whether that keeps the limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..config.errors import ConfigError
from .entry import LIMITS, Entry, running
from .goal import Goal, Limits
from .measured import Measured

NUMBER = 8.0
"""Bytes of a number in a message."""


def costs(entry: Entry, one: Measured, value: float, goal: Goal, features: int) -> dict[str, float]:
    """Load, worker-seconds, message bytes and error of a scheme that reaches a value.

    Args:
        entry: the scheme.
        one: what was measured of it.
        value: what the goal makes small; NaN where it is not known.
        goal: whose budget, if it has one, is used up in any case.
        features: p, the numbers of a gradient; 0 without a problem, where messages have no size.
    """
    seconds = goal.value if goal.kind == "budget" else value
    size = NUMBER * features if features else np.nan
    assert entry.sketch is not None
    return {
        "load": float(entry.sketch.holds),
        "worker_seconds": float(one.busy.mean()) * seconds,
        "bytes": float(one.heard.mean()) * size * seconds,
        "error": one.error,
    }


def limit(entry: Entry, numbers: Mapping[str, float], limits: Limits) -> None:
    """Note that a scheme breaks a limit; one that the config does not name leaves.

    Args:
        entry: the scheme; an expected decoding error counts more than a measured one.
        numbers: its costs, by name.
        limits: what must be kept.
    """
    if entry.expected is not None:
        numbers = {**numbers, "error": entry.expected.error}
    broken = limits.broken(**numbers)
    if broken is not None and entry.given:
        entry.breaks = broken
    elif broken is not None:
        entry.leave(LIMITS, broken)


def require_some(entries: Sequence[Entry]) -> None:
    """Refuse limits that nothing keeps.

    Raises:
        ConfigError: every scheme breaks one.
    """
    if any(not entry.breaks for entry in running(entries)):
        return
    broken = [e for e in entries if e.breaks or e.stage == LIMITS]
    texts = [f"{entry.label}: {entry.breaks or entry.out}" for entry in broken[:2]]
    raise ConfigError(f"no scheme keeps the limits ({'; '.join(texts)}, ...)")
