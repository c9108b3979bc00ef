"""Which workers have been counted since the last update, where each counts once."""

from __future__ import annotations

from typing import final

STANDSTILL = 100_000
"""Messages of one worker at one instant, all in vain, after which nothing more is expected."""


@final
class Standstill:
    """Notices a worker that delivers again and again while time stands still.

    Attributes:
        endless: such a worker, once there is one.
    """

    def __init__(self) -> None:
        self._again: dict[int, tuple[float, int]] = {}
        self.endless: int | None = None

    def note(self, worker: int, now: float) -> None:
        """Note a message that made no update."""
        instant, times = self._again.get(worker, (now, 0))
        times = times + 1 if instant == now else 0
        self._again[worker] = now, times
        if times > STANDSTILL and self.endless is None:
            self.endless = worker

    def clear(self) -> None:
        """Forget the messages noted so far: an update was made."""
        self._again.clear()


@final
class Distinct:
    """Workers that were counted, and whether enough others are left.

    Life cycle: ``has`` is asked of every message; ``clear`` at each update.

    Args:
        lost: workers of whom nothing more comes; others keep this set up to date.
        workers: n.
    """

    def __init__(self, lost: set[int], workers: int) -> None:
        self._lost, self._n = lost, workers
        self._counted: set[int] = set()

    def has(self, worker: int) -> bool:
        """Whether a worker was counted before; else it is now."""
        if worker in self._counted:
            return True
        self._counted.add(worker)
        return False

    def clear(self) -> None:
        """Forget who was counted: an update was made."""
        self._counted.clear()

    def hopeless(self, missing: int) -> list[int]:
        """Whom the master waits for in vain, if fewer can still be counted than are missing."""
        never = self._lost - self._counted
        return sorted(never) if self._n - len(self._counted) - len(never) < missing else []
