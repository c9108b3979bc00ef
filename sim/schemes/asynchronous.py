"""The asynchronous family of Dutta et al., and methods that refuse gradients that are too old."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import STRICT, Count, WaitFor, configured, not_bool, require_at_most_workers
from .barrierless import Barrierless, DelayAdaptive, Discount, Stops
from .base import SchemeFamily

Data = Literal["sampled", "own"]
"""Whose gradient a task is: of a partition drawn at random, or always of the worker's own."""


class AsynchronousFamily(SchemeFamily):
    """Fields that all of them have; abstract.

    Args:
        data: as for ``asynchronous``.
        delay_adaptive: as for ``asynchronous``.
        staleness: as for ``asynchronous``."""

    data: Data
    delay_adaptive: bool
    staleness: Discount | None

    def accepting_all(self, workers: int, gradients: int) -> Barrierless:
        """A scheme that accepts every gradient and stops nobody."""
        if self.delay_adaptive and self.staleness is not None:
            valid = "must be left out, since staleness says what a stale gradient weighs"
            raise InvalidParameter("delay_adaptive", True, valid)
        discount = DelayAdaptive(workers) if self.delay_adaptive else self.staleness
        own = self.data == "own"
        return Barrierless(self.name, workers, gradients, own_data=own, discount=discount)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Batched(AsynchronousFamily):
    """An update takes ``wait_for`` gradients; abstract."""

    wait_for: WaitFor
    data: Data = "sampled"
    delay_adaptive: bool = False
    staleness: Discount | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(wait_for=5, data="own"), cls(wait_for=1), cls(wait_for=30)


@configured
class Asynchronous(AsynchronousFamily):
    """Every gradient is an update of its own; nobody waits.

    Args:
        data: ``sampled``: each gradient is that of a random partition; ``own``: worker j's is that
            of partition j, scaled to all data, which favours fast workers' data: with mean times
            tau_j partition j weighs (1 / tau_j) / mean(1 / tau) on average
            (``eh.theory.asynchronous_weights``), and descent ends elsewhere.
        delay_adaptive: a gradient of staleness s counts n / max(n, s) times.
        staleness: what a gradient of staleness s counts instead: ``{power: a}``: (1 + s)^-a times;
            ``{hinge: [a, b]}``: once up to s = b, then 1 / (a (s - b) + 1) times.
        rescale: with ``data: own``, worker j's i-th gradient of u counts u / (n i) times as much,
            which makes all data count alike without knowing the speeds.

    Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race (arXiv
    1803.01113); ``delay_adaptive``: Koloskova, Stich, Jaggi (arXiv 2206.08307); ``staleness``: Xie,
    Koyejo, Gupta (arXiv 1903.03934); ``rescale``: arXiv 2605.13434."""

    name: ClassVar[str] = "asynchronous"
    data: Data = "sampled"
    delay_adaptive: bool = False
    staleness: Discount | None = None
    rescale: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        stale = cls(staleness=Discount(power=0.5)), cls(staleness=Discount(hinge=(10, 4)))
        return cls(), cls(data="own", delay_adaptive=True), cls(data="own", rescale=True), *stale

    @override
    def build(self, workers: int) -> Barrierless:
        if self.rescale and self.data != "own":
            valid = "needs data: own; random partitions count alike"
            raise InvalidParameter("rescale", True, valid)
        return replace(self.accepting_all(workers, 1), rescale=self.rescale)


@configured
class KAsync(Batched):
    """An update for every ``wait_for`` gradients of different workers, which wait for it.

    Args:
        wait_for: K, gradients in an update, at most workers.

    Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race (arXiv
    1803.01113), K-async."""

    name: ClassVar[str] = "k_async"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(wait_for=5, data="own"), cls(wait_for=1), cls(wait_for=12)

    @override
    def build(self, workers: int) -> Barrierless:
        require_at_most_workers("wait_for", self.wait_for, workers)
        return replace(self.accepting_all(workers, self.wait_for), restarts_at_once=False)


@configured
class KBatchAsync(Batched):
    """An update for every ``wait_for`` gradients of any workers; nobody waits.

    Args:
        wait_for: K, gradients in an update; may exceed workers.

    Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race (arXiv
    1803.01113), K-batch-async; known as buffered (FedBuff)."""

    name: ClassVar[str] = "k_batch_async"

    @override
    def build(self, workers: int) -> Barrierless:
        return self.accepting_all(workers, self.wait_for)


Ahead = Annotated[
    Annotated[int, BeforeValidator(not_bool), Ge(0)] | None,
    BeforeValidator(lambda value: None if value in (inf, "inf") else value),
]
"""A number of gradients, or ``inf``, which is kept as ``None``."""


@configured
class StaleSynchronous(Batched):
    """Stale synchronous parallel: nobody is more than ``ahead`` gradients ahead of the slowest.

    A worker that has delivered c gradients starts the next one once everybody has delivered c - s.
    Nobody is stopped, and no gradient is dropped. With ``ahead: 0, wait_for: n, data: own`` it is
    ``uncoded``; with ``ahead: inf`` it is ``k_batch_async``, and with one gradient an update
    ``asynchronous``.

    Args:
        ahead: s, gradients; ``inf``, or left out: nobody waits for slower workers.
        wait_for: K, gradients in an update; may exceed workers.

    Source: Ho, Cipar, Cui, Kim, Lee, Gibbons, Gibson, Ganger, Xing, More Effective Distributed ML
    via a Stale Synchronous Parallel Parameter Server (NIPS 2013)."""

    name: ClassVar[str] = "ssp"
    ahead: Ahead = None
    wait_for: WaitFor = 1

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        some = cls(ahead=2), cls(ahead=0, wait_for=12, data="own"), cls(ahead=1, wait_for=30)
        return *some, cls(wait_for=5)

    @classmethod
    @override
    def portrait(cls) -> tuple[SchemeFamily, int]:
        """Workers who wait: with more, the first updates are those of ``asynchronous``."""
        return cls(ahead=0), 12

    @override
    def build(self, workers: int) -> Barrierless:
        ahead = inf if self.ahead is None else self.ahead
        synchronous = ahead == 0 and self.wait_for == workers and self.data == "own"
        exact = synchronous and self.staleness is None
        return replace(self.accepting_all(workers, self.wait_for), ahead=ahead, exact=exact)


@configured
class KBatchSync(Batched):
    """An update for every ``wait_for`` gradients at the current model; then all start anew.

    Args:
        wait_for: K, gradients in an update; may exceed workers.
        delay_adaptive, staleness: of no effect, since no gradient is stale; for comparison.

    Source: Dutta, Joshi, Ghosh, Dube, Nagpurkar, Slow and Stale Gradients Can Win the Race (arXiv
    1803.01113), K-batch-sync."""

    name: ClassVar[str] = "k_batch_sync"

    @override
    def build(self, workers: int) -> Barrierless:
        scheme = self.accepting_all(workers, self.wait_for)
        return replace(scheme, oldest=1, stops=Stops.EVERYBODY, discount=None)


@configured
class Rennala(AsynchronousFamily):
    """An update for every ``batch`` gradients that were all taken at the current model.

    Args:
        batch: S, gradients in an update; may exceed workers.
        on_stale: ``ignore``: a worker finishes what it has begun, and a stale gradient is dropped;
            ``interrupt``: an update stops everybody, as in ``k_batch_sync``.
        delay_adaptive, staleness: of no effect, since no gradient is stale; for comparison.

    Source: Tyurin, Richtárik, Optimal Time Complexities of Parallel Stochastic Optimization Methods
    Under a Fixed Computation Model (arXiv 2305.12387), Rennala SGD."""

    name: ClassVar[str] = "rennala"
    batch: WaitFor
    on_stale: Literal["ignore", "interrupt"] = "ignore"
    data: Data = "sampled"
    delay_adaptive: bool = False
    staleness: Discount | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(batch=5), cls(batch=30, on_stale="interrupt"), cls(batch=1, data="own")

    @override
    def build(self, workers: int) -> Barrierless:
        stops = Stops.EVERYBODY if self.on_stale == "interrupt" else Stops.NOBODY
        return replace(self.accepting_all(workers, self.batch), oldest=1, stops=stops)


@configured
class Ringmaster(AsynchronousFamily):
    """Every gradient is an update, unless its staleness has reached ``oldest``: then it is dropped.

    Args:
        oldest: R, updates; unless given no gradient is too old, as in ``asynchronous``.
        stops: after each update, workers whose staleness has reached R start anew.

    Source: Maranjyan, Tyurin, Richtárik, Ringmaster ASGD (arXiv 2501.16168)."""

    name: ClassVar[str] = "ringmaster"
    oldest: Count | None = None
    stops: bool = False
    data: Data = "sampled"
    delay_adaptive: bool = False
    staleness: Discount | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(oldest=3), cls(), cls(oldest=4, stops=True, data="own", delay_adaptive=True)

    @override
    def build(self, workers: int) -> Barrierless:
        if self.stops and self.oldest is None:
            raise InvalidParameter("stops", True, "needs oldest: without it nobody is too stale")
        oldest = inf if self.oldest is None else self.oldest
        stops = Stops.STALE if self.stops else Stops.NOBODY
        return replace(self.accepting_all(workers, 1), oldest=oldest, stops=stops)
