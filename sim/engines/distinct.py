"""Which workers have been counted since the last update, where each counts once."""

from __future__ import annotations

from typing import final

STANDSTILL = 100_000
"""Messages of one worker at one instant, all dropped, after which nothing more is expected."""


@final
class Distinct:
    """Workers that were counted, and whether enough others are left.

    Life cycle: ``has`` is asked of every message; ``clear`` at each update.

    Args:
        lost: workers of whom nothing more comes; others keep this set up to date.
        workers: n.

    Attributes:
        endless: a worker that delivers again and again while time stands still, if there is one.
    """

    def __init__(self, lost: set[int], workers: int) -> None:
        self._lost, self._n = lost, workers
        self._again: dict[int, tuple[float, int]] = {}
        self.endless: int | None = None

    def has(self, worker: int, now: float) -> bool:
        """Whether a worker was counted before; else it is now."""
        if worker not in self._again:
            self._again[worker] = now, 0
            return False
        instant, times = self._again[worker]
        times = times + 1 if instant == now else 0
        self._again[worker] = now, times
        if times >= STANDSTILL and self.endless is None:
            self.endless = worker
        return True

    def clear(self) -> None:
        """Count everybody anew."""
        self._again.clear()

    @property
    def lost(self) -> list[int]:
        """Workers that were not counted and never will be."""
        return sorted(self._lost - self._again.keys())

    @property
    def possible(self) -> int:
        """How many more can still be counted. Cost: none while nobody is lost."""
        return self._n - len(self._again) - len(self._lost - self._again.keys())
