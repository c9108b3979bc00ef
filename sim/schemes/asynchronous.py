"""The asynchronous family of Dutta et al.

Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race
(arXiv 1803.01113): K-async, K-batch-async (buffered: FedBuff) and K-batch-sync. The step that
shrinks with staleness is that of Koloskova, Stich, Jaggi (arXiv 2206.08307), as a factor
n / max(n, staleness).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, final

from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from sim.fields import STRICT, WaitFor, not_bool, require_at_most_workers
from sim.schemes.barrierless import Barrierless, Stops
from sim.schemes.base import SchemeFamily

Data = Literal["sampled", "own"]
"""Whose gradient a task is: of a partition drawn at random, or always of the worker's own."""

Staleness = Annotated[int, BeforeValidator(not_bool), Ge(1)]
"""A number of updates."""


class AsynchronousFamily(SchemeFamily):
    """Fields that all of them have; abstract."""

    data: Data
    delay_adaptive: bool


@final
@dataclass(frozen=True, config=STRICT)
class Asynchronous(AsynchronousFamily):
    """Every gradient is an update of its own; nobody waits.

    Args:
        data: ``sampled``: each gradient is that of a random partition; ``own``: worker j's is that
            of partition j, scaled to all data, which favours fast workers' data.
        delay_adaptive: a gradient of staleness s counts n / max(n, s) times.
    """

    name: ClassVar[str] = "asynchronous"

    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(), cls(data="own", delay_adaptive=True)

    @override
    def build(self, workers: int) -> Barrierless:
        return barrierless(self, workers, 1)


@final
@dataclass(frozen=True, config=STRICT)
class KAsync(AsynchronousFamily):
    """An update for every ``wait_for`` gradients of different workers, which wait for it.

    Args:
        wait_for: K, gradients in an update, at most workers.
        data, delay_adaptive: as for ``asynchronous``.
    """

    name: ClassVar[str] = "k_async"

    wait_for: WaitFor
    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(wait_for=1), cls(wait_for=5, data="own"), cls(wait_for=12)

    @override
    def build(self, workers: int) -> Barrierless:
        require_at_most_workers("wait_for", self.wait_for, workers)
        return barrierless(self, workers, self.wait_for, restarts_at_once=False)


@final
@dataclass(frozen=True, config=STRICT)
class KBatchAsync(AsynchronousFamily):
    """An update for every ``wait_for`` gradients of any workers; nobody waits.

    Args:
        wait_for: K, gradients in an update; may exceed workers.
        data, delay_adaptive: as for ``asynchronous``.
    """

    name: ClassVar[str] = "k_batch_async"

    wait_for: WaitFor
    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(wait_for=1), cls(wait_for=5, data="own"), cls(wait_for=30)

    @override
    def build(self, workers: int) -> Barrierless:
        return barrierless(self, workers, self.wait_for)


@final
@dataclass(frozen=True, config=STRICT)
class KBatchSync(SchemeFamily):
    """An update for every ``wait_for`` gradients at the current model; then all start anew.

    Args:
        wait_for: K, gradients in an update; may exceed workers.
        data: as for ``asynchronous``.
        delay_adaptive: of no effect, since no gradient is stale; for comparison.
    """

    name: ClassVar[str] = "k_batch_sync"

    wait_for: WaitFor
    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(wait_for=1), cls(wait_for=5, data="own"), cls(wait_for=30)

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(
            self.name,
            workers,
            self.wait_for,
            oldest=1,
            stops=Stops.EVERYBODY,
            own_data=self.data == "own",
        )


def barrierless(
    family: AsynchronousFamily, workers: int, gradients: int, restarts_at_once: bool = True
) -> Barrierless:
    """A scheme that accepts every gradient and stops nobody."""
    return Barrierless(
        family.name,
        workers,
        gradients,
        restarts_at_once=restarts_at_once,
        own_data=family.data == "own",
        delay_adaptive=family.delay_adaptive,
    )
