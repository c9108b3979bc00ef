"""How a worker's time in a round grows with its load d, from its unit delays X. A worker's time is
one float per round, in seconds, computed here alone, so that both engines read the same bits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge, Le, MinLen, Unit
from pydantic import AllowInfNan
from typing_extensions import override

from .base.fields import Configurable, configured
from .base.types import FloatArray, Loads, TapeAround, TapeLike, registry


class LoadLaw(metaclass=Configurable):
    """A law from loads and unit delays to worker times; abstract."""

    kind: ClassVar[str]  # the registry name

    @abstractmethod
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """Seconds to compute the ``(n,)`` partitions of each worker, from the beginning, in rounds
        ``start <= t < stop`` of its unit delays: ``(stop - start, n)``."""

    def message_times(
        self,
        tape: TapeLike,
        loads: Loads,
        messages: int,
        start: int,
        stop: int,
        shares: FloatArray | None = None,
    ) -> FloatArray:
        """When each message is computed, from the beginning of its worker's task, in seconds and
        worker by worker: ``(stop - start, n m)``. ``shares``, ``(m,)``: of its load that a worker
        has done by each of the m messages, ascending to 1; by the i-th i/m unless given."""
        if messages == 1:
            return self.worker_times(tape, loads, start, stop)
        if shares is None:  # product first: a whole partition stays a whole number
            done = loads[..., None] * np.arange(1, messages + 1) / messages
        else:
            done = loads[..., None] * shares
        return self._times_of(tape, np.asarray(done), start, stop).reshape(stop - start, -1)

    def _times_of(self, tape: TapeLike, done: FloatArray, start: int, stop: int) -> FloatArray:
        """``(stop - start, n, m)`` seconds until ``(..., n, m)`` partitions of each are done."""
        once, parts = _Streams(tape), np.moveaxis(done, -1, 0)
        return np.stack([self.worker_times(once, part, start, stop) for part in parts], axis=-1)

    def task_times(
        self, tape: TapeLike, loads: Loads, tasks: int, start: int, stop: int
    ) -> FloatArray:
        """How long each of several tasks of the same load takes, with draws of its own:
        ``(stop - start, n tasks)`` seconds, worker by worker. Task i reads the streams from
        i * ceil(max(d)) on; otherwise as ``worker_times``."""
        streams = max(1, int(np.ceil(loads.max())))
        own = (_Streams(tape, task * streams) for task in range(tasks))
        times = [self.worker_times(draws, loads, start, stop) for draws in own]
        return np.stack(times, axis=-1).reshape(stop - start, -1)


@final
class _Streams(TapeAround):
    """A tape from some stream on; each is drawn once, at its first call, for a task in parts."""

    def __init__(self, tape: TapeLike, first: int = 0) -> None:
        self.tape, self._first, self._rows = tape, first, dict[int, FloatArray]()

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        if stream not in self._rows:
            self._rows[stream] = self.tape.rows(start, stop, self._first + stream)
        return self._rows[stream]


class OfOneDraw(LoadLaw):
    """T = growth X + cost, both of the load, from one draw; abstract."""

    def growth(self, loads: Loads | float) -> FloatArray:
        """How many times X each load takes: 1 unless overridden."""
        return np.ones(np.shape(loads))

    def cost(self, loads: Loads | float) -> FloatArray:
        """Seconds that each load takes whatever X is: 0 unless overridden."""
        return np.zeros(np.shape(loads))

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        times, growth, cost = tape.rows(start, stop), self.growth(loads), self.cost(loads)
        if (growth != 1).any():
            with np.errstate(invalid="ignore"):  # nothing of a task that never ends
                times = times * growth
        return times + cost if cost.any() else times

    @override
    def _times_of(self, tape: TapeLike, done: FloatArray, start: int, stop: int) -> FloatArray:
        with np.errstate(invalid="ignore"):  # nothing of a task that never ends
            times = tape.rows(start, stop)[:, :, None] * self.growth(done)
        times += self.cost(done)
        return times


@configured
class Proportional(OfOneDraw):
    """T = d * X: a slow worker is slow at every partition."""

    kind: ClassVar[str] = "proportional"

    @override
    def growth(self, loads: Loads | float) -> FloatArray:
        return np.asarray(loads, dtype=np.float64)


@configured
class PartlyProportional(OfOneDraw):
    """T = (fixed + (1 - fixed) d) X: a share of the time at load 1 is the same at every load.

    Reading a model, waking up and sending an answer cost a worker as much for one partition as for
    three, and cost a slow worker more.

    Args:
        fixed: that share; 0 is ``proportional``.
    """

    kind: ClassVar[str] = "partly_proportional"
    fixed: Annotated[float, Ge(0), Le(1)]

    @override
    def growth(self, loads: Loads | float) -> FloatArray:
        return np.asarray(self.fixed + (1 - self.fixed) * np.asarray(loads, dtype=np.float64))


@configured
class Additive(OfOneDraw):
    """T = d * tau + X: computing is predictable, the delay is not (the authors' experiments)."""

    kind: ClassVar[str] = "additive"
    seconds_per_partition: Annotated[float, Ge(0), AllowInfNan(False), Unit("s")]

    @override
    def cost(self, loads: Loads | float) -> FloatArray:
        return np.asarray(loads * self.seconds_per_partition)


@configured
class StepCosts(OfOneDraw):
    """T = X + the cost of the load, a step function: it jumps at some loads and is flat between.

    Measured on AWS Lambda: 1.46 s without work, 1.63 to 1.70 s with any.

    Args:
        loads: where the cost jumps, ascending.
        seconds: the cost from each of these loads on, ascending. A load below the first costs
            nothing, and one beyond the last costs as much as the last.

    Raises:
        ValueError: not as many loads as seconds, or either does not ascend.
    """

    kind: ClassVar[str] = "steps"
    loads: Annotated[tuple[Annotated[float, Ge(0), AllowInfNan(False)], ...], MinLen(1)]
    seconds: tuple[Annotated[float, Ge(0), AllowInfNan(False), Unit("s")], ...]

    def __post_init__(self) -> None:
        if len(self.loads) != len(self.seconds):
            raise ValueError(f"{len(self.loads)} loads and {len(self.seconds)} seconds")
        if np.any(np.diff(self.loads) <= 0):
            raise ValueError("loads must ascend")
        if np.any(np.diff(self.seconds) < 0):
            raise ValueError("seconds must ascend: more work takes no less time")

    @override
    def cost(self, loads: Loads | float) -> FloatArray:
        step = np.searchsorted(self.loads, loads, side="right")
        return np.asarray(np.array((0.0, *self.seconds))[step])


@configured
class PerPartition(LoadLaw):
    """T = the sum of d independent draws, one per partition; piece i is stream i of the tape.

    A part of a partition takes that part of its draw. Where a worker sends messages, what it
    computes for each of them has a draw of its own: a partition that is cut into M micro-batches
    takes the mean of M draws."""

    kind: ClassVar[str] = "per_partition"

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        """max(d) draws and sums per cell."""
        whole = np.asarray(loads, dtype=np.float64)
        count = max(1, int(np.ceil(whole.max())))
        shares = [np.clip(whole - piece, 0.0, 1.0) for piece in range(count)]
        return _sum(tape, shares, start, stop)[-1]

    @override
    def message_times(
        self,
        tape: TapeLike,
        loads: Loads,
        messages: int,
        start: int,
        stop: int,
        shares: FloatArray | None = None,
    ) -> FloatArray:
        """A draw and a sum per message."""
        if messages == 1:
            return self.worker_times(tape, loads, start, stop)
        if shares is None:
            pieces = [np.asarray(loads / messages)] * messages
        else:
            pieces = [np.asarray(loads * share) for share in np.diff(shares, prepend=0.0)]
        return np.stack(_sum(tape, pieces, start, stop), axis=-1).reshape(stop - start, -1)


def _sum(tape: TapeLike, shares: Sequence[FloatArray], start: int, stop: int) -> list[FloatArray]:
    """Running sums over streams i of ``shares[i]`` of a draw; a share of 0 takes no time."""
    total, sums = np.zeros((stop - start, tape.workers)), list[FloatArray]()
    for stream, share in enumerate(shares):
        if np.any(share > 0):
            draws = tape.rows(start, stop, stream)
            if not np.all(share == 1):
                draws = np.where(share > 0, draws, 0.0) * share
            total = total + draws
        sums.append(total)
    return sums


LOAD_LAWS: dict[str, type[LoadLaw]] = registry(
    "kind", Proportional, PartlyProportional, Additive, PerPartition, StepCosts
)
