"""Numbers about whole runs, from times and losses."""

from __future__ import annotations

import numpy as np

from sim.types import FloatArray


def time_to_target(times: FloatArray, losses: FloatArray, target: float) -> FloatArray:
    """Seconds until the loss is first at or below ``target``.

    Args:
        times: ``(R, T + 1)`` when each loss was reached; the first column is the start.
        losses: ``(R, T + 1)``.
        target: the loss to reach.

    Returns:
        ``(R,)``; NaN where the target is never reached.
    """
    reached = losses <= target
    first = reached.argmax(axis=1)
    found = np.take_along_axis(times, first[:, None], axis=1)[:, 0]
    return np.where(reached.any(axis=1), found, np.nan)
