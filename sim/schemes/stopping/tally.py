"""A stopping rule's memory within one round, for the engine that hears messages one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod


class Tally(ABC):
    """What has arrived in this round, as far as the rule cares; abstract.

    Life cycle: made when a round starts, told of each arrival and of each deadline, dropped when
    the round ends. Once it has answered True, to either question, it goes on answering True to
    both: later messages of the same instant are still noted, and combined rules rely on it.
    """

    @abstractmethod
    def arrive(self, message: int) -> bool:
        """Note a message; True when the master has enough.

        Args:
            message: its row in the encoding matrix. With m messages per worker, worker j sends
                messages j m, ..., j m + m - 1. No message is noted twice.
        """

    @abstractmethod
    def elapse(self, seconds: float) -> bool:
        """Note that ``seconds`` of the round have passed; True when the master has enough."""
