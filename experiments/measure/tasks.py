"""What a probe computes: products of matrices, or gradients of a config's problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from typing_extensions import override

from ...sim.types import FloatArray
from ..config.build import Training
from ..live.tasks import Held, Listen, Vector, Work
from ..live.work import parts_of


@final
@dataclass(frozen=True)
class Products(Work):
    """As many products of two square matrices as the load says.

    Attributes:
        size: rows and columns.
    """

    size: int

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        load, _ = argument
        matrix = np.full((self.size, self.size), 1 / self.size)
        for _ in range(load):
            matrix = matrix @ matrix
            listen()
        first: Vector = matrix[0]
        return first


@final
@dataclass(frozen=True, eq=False)
class Gradients(Held):
    """The sum of the gradients of as many partitions as the load says, from a worker's own one on.

    Attributes:
        own: its partition.
    """

    own: int

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        load, beta = argument
        chosen = [(self.own + i) % len(self.parts) for i in range(load)]
        return np.asarray(np.sum([self.gradient(i, beta, listen) for i in chosen], axis=0))


@final
@dataclass(frozen=True, eq=False)
class Workload:
    """What is measured: tasks whose argument is a load and a model.

    Attributes:
        works: what each worker computes.
        model: ``(p,)`` sent with each task, as in training; empty for tasks without data.
    """

    works: Sequence[Work]
    model: FloatArray


def products(size: int, workers: int) -> Workload:
    """The same products of matrices for every worker."""
    return Workload([Products(size)] * workers, np.empty(0))


def gradients(learning: Training, workers: int) -> Workload:
    """Gradients of k = n partitions, of which each worker begins with its own."""
    problem = replace(learning.problem, partitions=workers)
    parts = dict(enumerate(parts_of(problem)))
    works = [Gradients(parts, problem.rows, worker) for worker in range(workers)]
    return Workload(works, learning.initial)
