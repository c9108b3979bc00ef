"""How a worker's time in a round grows with its load d, from its unit delays X.

A worker's time is one float per round, computed here and nowhere else, so that both engines read
the same bits. All times are seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge, Unit
from pydantic import AllowInfNan, ConfigDict
from pydantic.dataclasses import dataclass
from typing_extensions import override

from sim.types import FloatArray, Loads, TapeLike

STRICT = ConfigDict(extra="forbid")


class LoadLaw(ABC):
    """A law from loads and unit delays to worker times; abstract."""

    kind: ClassVar[str]
    """The registry name."""

    @abstractmethod
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """Seconds to compute a load, from its beginning.

        Args:
            tape: unit delays of n workers.
            loads: ``(n,)`` partitions that each worker computes.
            start, stop: rounds ``start <= t < stop``.

        Returns:
            ``(stop - start, n)``.
        """

    def message_times(
        self, tape: TapeLike, loads: Loads, messages: int, start: int, stop: int
    ) -> FloatArray:
        """When each message is computed, from the beginning of its worker's task.

        A worker that sends one message sends it at the end; one that sends m = d messages sends
        each finished partition.

        Args:
            tape, loads, start, stop: as in ``worker_times``.
            messages: m.

        Returns:
            ``(stop - start, n m)`` seconds, worker by worker.
        """
        if messages == 1:
            return self.worker_times(tape, loads, start, stop)
        done = [
            self.worker_times(tape, np.minimum(loads, piece), start, stop)
            for piece in range(1, messages + 1)
        ]
        return np.stack(done, axis=-1).reshape(stop - start, -1)


@final
@dataclass(frozen=True, config=STRICT)
class Proportional(LoadLaw):
    """T = d * X: a slow worker is slow at every partition."""

    kind: ClassVar[str] = "proportional"

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """One product per cell, none where every load is 1."""
        unit = tape.rows(start, stop)
        return unit if np.all(loads == 1) else unit * loads


@final
@dataclass(frozen=True, config=STRICT)
class Additive(LoadLaw):
    """T = d * tau + X: computing is predictable, the delay is not (the authors' experiments)."""

    kind: ClassVar[str] = "additive"

    seconds_per_partition: Annotated[float, Ge(0), AllowInfNan(False), Unit("s")]

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """One sum per cell."""
        return tape.rows(start, stop) + loads * self.seconds_per_partition


@final
@dataclass(frozen=True, config=STRICT)
class PerPartition(LoadLaw):
    """T = the sum of d independent draws, one per partition; piece i is stream i of the tape."""

    kind: ClassVar[str] = "per_partition"

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """max(d) draws and sums per cell."""
        total = tape.rows(start, stop)
        for piece in range(1, int(loads.max())):
            total = total + np.where(loads > piece, tape.rows(start, stop, stream=piece), 0.0)
        return total


LOAD_LAWS: dict[str, type[LoadLaw]] = {
    "proportional": Proportional,
    "additive": Additive,
    "per_partition": PerPartition,
}
