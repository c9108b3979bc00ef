"""What happened in one replication on real workers, and what a master raises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

import numpy as np
from typing_extensions import override

from ...sim.types import BoolArray, FloatArray, IntArray
from .crew import Arrival, Crew, Death


class CannotEnd(RuntimeError):
    """An update that waits for workers which are gone.

    Args:
        iteration: counted from 1.
        names: how a person finds each dead worker that is waited for.
        waited: seconds after which the master gave up, if it did.
    """

    def __init__(self, iteration: int, names: list[str], waited: float | None = None) -> None:
        super().__init__(iteration, names, waited)
        self.iteration, self.names, self.waited = iteration, names, waited

    @override
    def __str__(self) -> str:
        dead = f"{', '.join(self.names)} died" if self.names else "no message will ever come"
        if self.waited is None:
            return f"iteration {self.iteration} can never end: {dead}"
        dead = f"; {dead}" if self.names else ""
        return f"iteration {self.iteration} has not ended after max_wait = {self.waited:g} s{dead}"


def arrivals(crew: Crew, messages: int, iteration: int) -> Iterator[Arrival]:
    """So many messages, as they come.

    Raises:
        CannotEnd: a worker has died.
    """
    while messages > 0:
        for event in crew.hear(inf):
            if isinstance(event, Death):
                raise CannotEnd(iteration, [crew.name(event.worker)])
            messages -= 1
            yield event


@dataclass(frozen=True, eq=False)
class Played:
    """One replication. Seconds are those of the config.

    Attributes:
        times: ``(U,)`` when each update happened.
        arrived: ``(U, n m)`` what had been heard, with rounds.
        messages: ``(3, U, K)`` worker, version and partition of each gradient, without rounds.
        busy, useful, down: ``(n,)`` seconds.
        last, margin, dead: ``(U,)`` as in ``sim.types.Work``.
        models: ``(T + 1, p)`` the start, and the model after each iteration; ``None`` without a
            problem.
        late: messages that were late because of their computing.
        heard: messages in all.
    """

    times: FloatArray
    arrived: BoolArray | None
    messages: IntArray | None
    busy: FloatArray
    useful: FloatArray
    down: FloatArray
    last: IntArray
    margin: FloatArray
    dead: IntArray
    models: FloatArray | None
    late: int
    heard: int


class Casualties:
    """Who is dead, and since when."""

    def __init__(self, workers: int) -> None:
        self._since = np.full(workers, inf)

    def new_clock(self) -> None:
        """The clock starts anew: who is dead was dead from the beginning."""
        self._since[~self.alive] = 0.0

    def note(self, death: Death) -> None:
        """Count a worker as dead from now on."""
        self._since[death.worker] = death.now

    @property
    def alive(self) -> BoolArray:
        """``(n,)`` who is not dead."""
        return np.asarray(np.isinf(self._since))

    def down(self, now: float) -> FloatArray:
        """``(n,)`` seconds that each has been dead."""
        return np.where(self.alive, 0.0, now - self._since)

    def names(self, crew: Crew) -> list[str]:
        """How a person finds the dead."""
        return [crew.name(int(worker)) for worker in np.flatnonzero(~self.alive)]
