"""What a probe computes: products of matrices, or gradients of a config's problem."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from experiments.config.build import Training
from experiments.live.tasks import Held, Vector, Work
from experiments.live.work import parts_of
from sim.types import FloatArray


@final
@dataclass(frozen=True)
class Products(Work):
    """So many products of two square matrices as the load says, which is the argument.

    Attributes:
        size: rows and columns.
    """

    size: int

    @override
    def compute(self, place: int, argument: Any, done: dict[int, FloatArray]) -> Vector:
        matrix = np.full((self.size, self.size), 1 / self.size)
        for _ in range(argument):
            matrix = matrix @ matrix
        first: Vector = matrix[0]
        return first


@final
@dataclass(frozen=True, eq=False)
class Gradients(Held):
    """The gradients of as many partitions as the load says, from a worker's own one on.

    Attributes:
        own: its partition.
        beta: the model.
    """

    own: int
    beta: FloatArray

    @override
    def compute(self, place: int, argument: Any, done: dict[int, FloatArray]) -> Vector:
        chosen = [(self.own + i) % len(self.parts) for i in range(argument)]
        return np.asarray(np.sum([self.gradient(i, self.beta) for i in chosen], axis=0))


def gradients(learning: Training, workers: int) -> list[Work]:
    """What each worker computes, of k = n partitions."""
    problem = replace(learning.problem, partitions=workers)
    parts = dict(enumerate(parts_of(problem)))
    beta = learning.initial
    return [Gradients(parts, problem.rows, worker, beta) for worker in range(workers)]
