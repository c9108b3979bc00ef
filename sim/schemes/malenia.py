"""Every worker's gradients at one model, averaged by worker.

Source: Tyurin, Richtárik, Optimal Time Complexities of Parallel Stochastic Optimization Methods
Under a Fixed Computation Model (arXiv 2305.12387), Malenia SGD.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT
from ..steps import DecodedRounds, Steps
from ..types import BoolArray, FloatArray, Trace
from .barrierless import Barrierless, Stops
from .base import SchemeFamily


@final
@dataclass(frozen=True, config=STRICT)
class Malenia(SchemeFamily):
    """An update once everybody has a gradient at the current model; meanwhile nobody rests.

    The model moves along the mean of the workers' means, and the update stops everybody. Worker j's
    gradient is that of partition j. Here it is the gradient of the whole partition, without noise,
    so all of a worker's gradients at one model are equal, and so is their mean: the update is the
    exact gradient. We therefore drop all but a worker's first (they use rows of its tape and are
    not useful work). Updates come when those of ``uncoded`` do in law: with the slowest worker's.

    A worker-round takes the batch engine some ten times as long as one of ``erasurehead``: workers
    begin several tasks in it (H_n = 4 for exponential times and n = 30), each at its own row.

    Facts:
        load: 1 partition a gradient.
        stop: an update when everybody has a gradient at the current model.
        decoding: the mean of the workers' means, scaled to all data.
        error: 0.
        time: E[T_(n)], as ``uncoded`` (``eh.theory.mean_uncoded``).
        confirmed: ``engines/test_malenia.py``: ``test_malenia_by_hand``,
            ``test_mean_time_is_that_of_the_slowest_of_n``, ``test_training_is_gradient_descent``.
        ours: gradients are those of whole partitions, without noise, so only a worker's first
            counts.
    """

    name: ClassVar[str] = "malenia"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    @override
    def build(self, workers: int) -> OneOfEach:
        return OneOfEach(
            self.name,
            workers,
            workers,
            oldest=1,
            stops=Stops.EVERYBODY,
            own_data=True,
            distinct=True,
            exact=True,
        )


@final
@plain_dataclass(frozen=True)
class OneOfEach(Barrierless):
    """A gradient of each worker at the newest model makes an update."""

    @override
    def steps(self, trace: Trace) -> Steps:
        """Every partition weighs 1 in every update."""
        everybody = np.broadcast_to(True, (*trace.times.shape, self.n))
        return DecodedRounds(trace.times, everybody, _weights, self.n, self.n)


def _weights(arrived: BoolArray) -> FloatArray:
    return arrived.astype(np.float64)
