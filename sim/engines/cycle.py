"""Cycles of updates, one of each worker: what Ringleader's master keeps in mind."""

from __future__ import annotations

from collections.abc import Set
from typing import final


@final
class Cycle:
    """Whose message makes an update.

    A cycle collects first: until everybody has a gradient in the table, messages only add to it.
    That of the last one makes the first update; then everybody else's next message makes one, in
    order of arrival. What a worker sends after its own update is kept for the next cycle's table.

    Life cycle: ``hear`` is told of every message, in order.

    Args:
        workers: n.
    """

    def __init__(self, workers: int) -> None:
        self._n = workers
        self._collecting = True
        self._kept: set[int] = set()
        self.needed = set(range(workers))

    needed: set[int]
    """Who must be heard before the collecting ends, or, after it, whose update is still to come."""

    def hear(self, worker: int) -> bool:
        """Whether a worker's message makes an update."""
        if self._collecting:
            self.needed.discard(worker)
            if self.needed:
                return False
            self._collecting = False
            self.needed = set(range(self._n))
        elif worker not in self.needed:
            self._kept.add(worker)
            return False
        self.needed.remove(worker)
        if not self.needed:
            self._collecting = True
            self.needed, self._kept = set(range(self._n)) - self._kept, set()
        return True

    def hopeless(self, lost: Set[int]) -> list[int]:
        """Whom the master waits for in vain, if no update can come any more; else nobody.

        Args:
            lost: workers of whom nothing more comes.
        """
        never = self.needed & lost
        return sorted(never) if never and (self._collecting or never == self.needed) else []
