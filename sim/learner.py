"""From decoded gradients to losses: the learner replays what the master decoded.

Timing never depends on gradient values, so the learner is handed partition weights only. All
replications are columns of one matrix, trained in blocks of a fixed width: per iteration and block
one product with ``X`` and one with ``X^T``, and one with the test rows. The margins that give an
iteration's loss are those its gradient needs. Equal features of sparse data are merged first,
which changes nothing but the cost (``sim.problems.merging``).

Bytes: blocks have a fixed width and matrix products run on one thread, so the result is a function
of the arguments alone, not of the machine's number of cores or its load. A model that diverges is
a result too: its losses become infinite or NaN, without a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from sim.optimizers import Optimizer
from sim.problems.base import Problem
from sim.problems.matrices import product
from sim.types import FloatArray

Weights: TypeAlias = Callable[[int], FloatArray]
"""Iteration t, from 0 -> the partition weights ``(R, k)`` that the master decoded with."""

EXACT = 1e-9
"""A partition weight this close to 1 counts as 1: the difference is a decoder's round-off."""

BLOCK = 128
"""Columns trained together: wide enough for matrix products at nearly full speed."""

BLAS_THREADS = 1
"""Threads of one matrix product. Cells run side by side in processes instead."""


@dataclass(frozen=True, eq=False)
class Training:
    """What the models did.

    Attributes:
        train_loss: ``(R, T + 1)`` mean data loss over the training rows, without L2; index 0 is
            the start.
        test_loss: ``(R, T + 1)`` the same over the test rows, or ``None`` without a test set.
        final_beta: ``(p, R)`` the models after the last iteration.
        final_auc: ``(R,)`` area under the ROC curve on the test rows, or ``None``.
    """

    train_loss: FloatArray
    test_loss: FloatArray | None
    final_beta: FloatArray
    final_auc: FloatArray | None


def train(
    problem: Problem,
    optimizer: Optimizer,
    initial: FloatArray,
    weights: Weights | None,
    iterations: int,
    replications: int,
) -> Training:
    """Train R models, each on the gradients that its own replication decoded.

    Args:
        problem: data and loss.
        optimizer: the rule of the updates.
        initial: ``(p,)`` the start of every replication.
        weights: asked once for each iteration, in order; ``None`` when every iteration of every
            replication decodes exactly. Then one model is trained and all replications share it:
            the arrays returned are read-only views.
        iterations: T.
        replications: R.
    """
    columns = 1 if weights is None else replications
    with threadpool_limits(BLAS_THREADS), np.errstate(over="ignore", invalid="ignore"):
        reduced, start, basis = problem.merged(initial)
        training = _train(reduced, optimizer, start, weights, iterations, columns)
        if basis is not None:
            training = replace(training, final_beta=product(basis, training.final_beta))
    return _shared(training, replications) if weights is None else training


def _train(
    problem: Problem,
    optimizer: Optimizer,
    initial: FloatArray,
    weights: Weights | None,
    iterations: int,
    replications: int,
) -> Training:
    columns = [
        slice(start, min(start + BLOCK, replications)) for start in range(0, replications, BLOCK)
    ]
    blocks = [_Block(problem, optimizer, initial, part.stop - part.start) for part in columns]
    train_loss = np.empty((replications, iterations + 1))
    test_loss = np.empty_like(train_loss)
    for t in range(iterations + 1):
        for block, part in zip(blocks, columns, strict=True):
            train_loss[part, t], test_loss[part, t] = block.losses()
        if t < iterations:
            decoded = None if weights is None else _rounded(weights(t))
            for block, part in zip(blocks, columns, strict=True):
                block.update(None if decoded is None else decoded[part])
    final = np.hstack([block.beta for block in blocks])
    has_test = problem.X_test is not None
    return Training(train_loss, test_loss if has_test else None, final, problem.test_auc(final))


class _Block:
    """A few replications, side by side.

    Life cycle: ``losses`` and ``update`` in turn; ``update`` moves to the next iteration.
    """

    def __init__(
        self, problem: Problem, optimizer: Optimizer, initial: FloatArray, width: int
    ) -> None:
        self._problem = problem
        self._optimizer = optimizer
        self._state = optimizer.init(np.repeat(initial[:, None], width, axis=1))
        self._margins = self._margins_before = problem.margins(self.beta)
        self._iteration = 1

    @property
    def beta(self) -> FloatArray:
        """The models, ``(p, width)``."""
        return self._state[0]

    def losses(self) -> tuple[FloatArray, FloatArray | float]:
        """Training and test loss, ``(width,)`` each; NaN without a test set."""
        test = self._problem.test_loss(self.beta)
        return self._problem.loss_from_margins(self._margins), np.nan if test is None else test

    def update(self, weights: FloatArray | None) -> None:
        """One iteration with partition weights ``(width, k)``; ``None`` when all are 1."""
        problem, t = self._problem, self._iteration
        gradient = problem.gradient_from_margins(self._margins_at_point(t), weights)
        if problem.l2 > 0:
            gradient += problem.l2_gradient(self._optimizer.point(self._state, t))
        self._state = self._optimizer.step(self._state, gradient, t)
        self._margins_before, self._margins = self._margins, problem.margins(self.beta)
        self._iteration += 1

    def _margins_at_point(self, t: int) -> FloatArray:
        """Margins are linear in the model, so extrapolating them saves a product."""
        m = self._optimizer.extrapolation(t)
        if m == 0:
            return self._margins
        return self._margins + m * (self._margins - self._margins_before)


def _rounded(weights: FloatArray) -> FloatArray:
    return np.where(np.abs(weights - 1) <= EXACT, 1.0, weights)


def _shared(one: Training, replications: int) -> Training:
    """One model's training as that of every replication, without copying it."""

    def rows(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        return np.broadcast_to(values, (replications, *values.shape[1:]))

    train_loss = np.broadcast_to(one.train_loss, (replications, one.train_loss.shape[1]))
    final = np.broadcast_to(one.final_beta, (len(one.final_beta), replications))
    return Training(train_loss, rows(one.test_loss), final, rows(one.final_auc))
