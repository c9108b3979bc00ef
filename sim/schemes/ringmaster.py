"""Asynchronous methods that refuse gradients that are too old."""

from __future__ import annotations

from math import inf
from typing import ClassVar, Literal, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT, WaitFor
from .asynchronous import Data, Staleness
from .barrierless import Barrierless, Stops
from .base import SchemeFamily


@final
@dataclass(frozen=True, config=STRICT)
class Rennala(SchemeFamily):
    """An update for every ``batch`` gradients that were all taken at the current model.

    Cost: a gradient takes the batch engine some ten times as long as a worker-round of
    ``erasurehead``: which messages are stale depends on every update before.

    Args:
        batch: S, gradients in an update; may exceed workers.
        on_stale: ``ignore``: a worker finishes what it has begun, and a stale gradient is dropped;
            ``interrupt``: an update stops everybody, as in ``k_batch_sync``.
        data: as for ``asynchronous``.
        delay_adaptive: of no effect, since no gradient is stale; for comparison.

    Facts:
        load: 1 partition a gradient.
        stop: an update at S gradients that were all taken at the current model.
        decoding: k / S times their sum; stale gradients are dropped.
        error: k (k - 1) / S on average with ``data: sampled``.
        time: with ``interrupt`` that of ``k_batch_sync`` (``eh.theory.mean_k_batch_sync``); with
            ``ignore`` measured.
        source: Tyurin, Richtárik, Optimal Time Complexities of Parallel Stochastic Optimization
            Methods Under a Fixed Computation Model (arXiv 2305.12387), Rennala SGD.
        confirmed: ``engines/test_barrierless.py``:
            ``test_rennala_counts_gradients_of_the_current_model``,
            ``test_rennala_that_interrupts_is_k_batch_sync``, ``test_mean_error_of_an_update``.
        ours: none but those of ``asynchronous``.
    """

    name: ClassVar[str] = "rennala"

    batch: WaitFor
    on_stale: Literal["ignore", "interrupt"] = "ignore"
    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(batch=5), cls(batch=30, on_stale="interrupt"), cls(batch=1, data="own")

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(
            self.name,
            workers,
            self.batch,
            oldest=1,
            stops=Stops.EVERYBODY if self.on_stale == "interrupt" else Stops.NOBODY,
            own_data=self.data == "own",
            delay_adaptive=self.delay_adaptive,
        )


@final
@dataclass(frozen=True, config=STRICT)
class Ringmaster(SchemeFamily):
    """Every gradient is an update, unless its staleness has reached ``oldest``: then it is dropped.

    Cost: a gradient takes the batch engine some fifteen times as long as a worker-round of
    ``erasurehead``: each message may make others too old, so each is a turn of a loop.

    Args:
        oldest: R, updates; ``None``: no gradient is too old, as in ``asynchronous``.
        stops: after each update, workers whose staleness has reached R start anew.
        data, delay_adaptive: as for ``asynchronous``.

    Facts:
        load: 1 partition a gradient.
        stop: an update at every gradient that is less than R updates old.
        decoding: k times the gradient; older ones are dropped.
        error: k (k - 1) for one update, before staleness.
        time: with R = infinity E[X] / n (``eh.theory.mean_asynchronous``); else measured.
        source: Maranjyan, Tyurin, Richtárik, Ringmaster ASGD (arXiv 2501.16168).
        confirmed: ``engines/test_barrierless.py``:
            ``test_ringmaster_refuses_gradients_that_are_too_old``,
            ``test_ringmaster_stops_workers_that_have_grown_too_old``,
            ``test_ringmaster_that_refuses_nothing_is_asynchronous``.
        ours: none but those of ``asynchronous``.
    """

    name: ClassVar[str] = "ringmaster"

    oldest: Staleness | None = None
    stops: bool = False
    data: Data = "sampled"
    delay_adaptive: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(oldest=3), cls(), cls(oldest=4, stops=True, data="own", delay_adaptive=True)

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(
            self.name,
            workers,
            1,
            oldest=inf if self.oldest is None else self.oldest,
            stops=Stops.STALE if self.stops and self.oldest is not None else Stops.NOBODY,
            own_data=self.data == "own",
            delay_adaptive=self.delay_adaptive,
        )
