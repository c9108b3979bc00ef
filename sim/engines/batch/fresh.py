"""Which messages are fresh enough, where the master drops those that are too old."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import final

import numpy as np

from ...schemes.barrierless import Barrierless
from ...types import IntArray


@final
class Fresh:
    """Finds the messages that the master accepts, block by block.

    A message is fresh enough if its worker got its model after the update that is ``oldest``
    updates back from the next one. Instants are counted in messages decided.

    Life cycle: ``take`` each block in order, until one has all that are wanted.

    Args:
        scheme: its choices.
        updates: of the run; no message can be older.
    """

    def __init__(self, scheme: Barrierless, updates: int) -> None:
        self._k = scheme.gradients
        # When each message of the last ``oldest`` updates was accepted, and each one since.
        self._accepted = [0] * (self._k * min(int(scheme.oldest), updates))
        self._begun = 0  # messages of the next update
        self._decided = 0
        self._updates = np.zeros(1, dtype=np.int32)

    def take(self, before: IntArray, most: int) -> IntArray:
        """Places of the messages of a block that are accepted.

        Cost: a turn of a Python loop for each message, about 40 ns.

        Args:
            before: for each message, how many had been decided when its worker got its model.
            most: accept no more than these; the messages after them are left.
        """
        earlier, accept = len(self._accepted), self._accepted.append
        messages = enumerate(before.tolist(), self._decided + 1)
        for limit in islice(self._limits(), most):
            for decided, known in messages:
                if known >= limit:
                    accept(decided)
                    break
            else:
                break
        places = np.array(self._accepted[earlier:], dtype=np.int64) - (self._decided + 1)
        self._count(places[self._k - self._begun - 1 :: self._k], len(before))
        done, self._begun = divmod(self._begun + len(places), self._k)
        del self._accepted[: done * self._k]
        return places

    def updates_after(self, decided: IntArray) -> IntArray:
        """Updates that had happened when so many messages had been decided."""
        return self._updates[decided]

    def _limits(self) -> Iterator[int]:
        """When the update happened that makes the next message fresh; then for those after it.

        Read from ``accepted``, which grows meanwhile.
        """
        if self._k == 1:
            return iter(self._accepted)
        updates = islice(self._accepted, self._k - 1, None, self._k)
        limits = chain.from_iterable(map(repeat, updates, repeat(self._k)))
        return islice(limits, self._begun, None)

    def _count(self, updates: IntArray, decided: int) -> None:
        """Note a block with updates at these places."""
        start, self._decided = self._decided, self._decided + decided
        if self._decided >= len(self._updates):
            longer = np.empty(2 * (self._decided + 1), dtype=np.int32)
            longer[: start + 1] = self._updates[: start + 1]
            self._updates = longer
        block = self._updates[start + 1 : self._decided + 1]
        block[:] = 0
        block[updates] = 1
        block[:1] += self._updates[start]
        np.cumsum(block, out=block)
