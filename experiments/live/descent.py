"""The master's model: it moves along the gradients that were decoded, and remembers its way."""

from __future__ import annotations

from typing import final

import numpy as np

from ...sim.types import FloatArray
from ..config.build import Training
from .tasks import Vector


@final
class Descent:
    """One model on its way; without a problem there is none, and updates are counted alone.

    Attributes:
        version: updates so far.
        visited: the models that were kept: the start, and whatever ``keep`` was called for.
    """

    def __init__(self, learning: Training | None) -> None:
        self._learning = learning
        self.version = 0
        self.visited: list[FloatArray] = []
        if learning is not None:
            self._state = learning.optimizer.init(learning.initial)
        self.keep()

    @property
    def point(self) -> FloatArray:
        """``(p,)`` where the next gradient is taken; empty without a problem."""
        if self._learning is None:
            return np.empty(0)
        return self._learning.optimizer.point(self._state, self.version + 1)

    def update(self, gradient: Vector) -> None:
        """One step along a decoded gradient ``(1/N) sum_i w_i g_i``, to which L2 is added."""
        self.version += 1
        if self._learning is None:
            return
        problem, optimizer = self._learning.problem, self._learning.optimizer
        real = np.ascontiguousarray(gradient.real)
        if problem.l2 > 0:
            real = real + problem.l2_gradient(optimizer.point(self._state, self.version))
        self._state = optimizer.step(self._state, real, self.version)

    def keep(self) -> None:
        """Remember the model as it is."""
        if self._learning is not None:
            self.visited.append(self._state[0])
