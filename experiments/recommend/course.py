"""What the exact gradient does: where the grid of learning rates lies, and which target is fair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...sim.learner import Learner, training
from ...sim.types import FloatArray
from ..config.build import Training
from .goal import Goal

STEPS = 40
"""Doublings, either way, in which the best rate is looked for."""


@dataclass(frozen=True, eq=False)
class Course:
    """Exact gradient descent at its best rate of those a power of 2 away from the config's.

    Attributes:
        rate: the best.
        losses: ``(T + 1,)`` training losses at it.
    """

    rate: float
    losses: FloatArray

    def reaches(self, target: float) -> bool:
        """Whether the losses come down to a target, and stay there."""
        return bool(self.losses[-1] <= target)


def exact_course(learning: Training, iterations: int, goal: Goal | None) -> Course:
    """Walk from the config's learning rate as long as it gets better.

    Args:
        learning: problem, start and optimizer.
        iterations: T.
        goal: whose target is to be reached soonest; else the loss half-way counts.
    """
    target = goal.value if goal is not None and goal.kind == "target" else None
    known: dict[int, FloatArray] = {}

    def quality(power: int) -> tuple[float, float]:
        if power not in known:
            known[power] = _losses(learning, 2.0**power, iterations)
        losses = known[power]
        half = max(float(losses[len(losses) // 2]), float(losses[-1]))
        half = half if np.isfinite(half) else np.inf
        if target is None:
            return 0.0, half
        first = np.flatnonzero(losses <= target)
        there = first.size > 0 and losses[-1] <= target
        return float(first[0]) if there else np.inf, half

    best = 0
    for way in (1, -1):
        for _ in range(STEPS):
            if quality(best + way) >= quality(best):
                break
            best += way
    return Course(learning.optimizer.learning_rate * 2.0**best, known[best])


def _losses(learning: Training, factor: float, iterations: int) -> FloatArray:
    rate = learning.optimizer.learning_rate * factor
    optimizer = replace(learning.optimizer, learning_rate=rate)
    bare = replace(learning.problem, X_test=None, y_test=None)
    with training():
        learner = Learner(bare, optimizer, learning.initial, 1)
        for _ in range(iterations):
            learner.update(None)
            learner.evaluate()
        return np.asarray(learner.learned().train_loss[0])
