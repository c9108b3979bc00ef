"""From the master's updates to losses: the learner replays what the master applied.

Timing does not depend on gradient values, so the learner sees steps and nothing else. (A scheme
that looks at losses is trained along the way, with ``Learner`` itself.) All replications are
columns of one matrix, trained in blocks of a fixed width.

Cost: a dense step takes one product with ``X`` and one with ``X^T``, whatever K and n are; a stale
one reuses the margins of its version. A step with few partitions takes two products with their rows
alone, and so does a renewal of a few entries of a table of gradients. Held gradients take the two
products of a dense step. Losses are evaluated at iterations only, in one product with the training
rows and one with the test rows; after dense steps the margins are already there. Equal features of
sparse data are merged first, which changes nothing but the cost.

A model that diverges is a result too: its losses become infinite or NaN, without a warning.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np

from .errors import InvalidParameter
from .numerics import one_thread
from .optimizers import Optimizer
from .problems.base import Problem, product
from .steps import EXACT, Dense, Held, Renewal, Sparse, Step, Steps
from .types import FloatArray, IntArray


@final
class HeldGradients:
    """d gradients of every partition, for a few replications side by side; all zero at first.

    A row's part of a gradient is its features times its slope. So the slopes are kept, which
    are mixed row by row before the one product with ``X^T``.

    Args:
        problem: data and loss.
        held: d.
        width: replications.
    """

    def __init__(self, problem: Problem, held: int, width: int) -> None:
        self._problem = problem
        self._slopes = np.zeros((held, problem.rows, width))

    def mixed(self, step: Held, margins: FloatArray) -> FloatArray:
        """Renew some gradients and decode the weighted sum of all: ``(p, width)``.

        Args:
            step: which are taken anew, and the weights.
            margins: ``(N, width)`` of the newest model.

        Cost: one product, and two passes over N numbers for each of the d and each replication.
        """
        problem, slopes = self._problem, self._problem.slopes(margins)
        renewed = np.ascontiguousarray(step.fresh.transpose(1, 2, 0))
        scaled = np.ascontiguousarray(step.weights.transpose(1, 2, 0)) / problem.rows
        for rows, owner in problem.pieces(slopes.shape[1]):
            newest, mixed = slopes[rows], np.zeros_like(slopes[rows])
            for held, renew, weight in zip(self._slopes[:, rows], renewed, scaled, strict=True):
                np.copyto(held, newest, where=renew[owner])
                mixed += held * weight[owner]
            slopes[rows] = mixed
        return problem.gradient_from_slopes(slopes)


@final
class GradientTables:
    """Tables of gradients and their sums, one for each replication; every entry is zero at first.

    The sum follows each change, so a renewal costs a few passes over p numbers, however many
    entries there are.

    Args:
        width: replications.
        size: entries of each table.
        features: p.
    """

    def __init__(self, width: int, size: int, features: int) -> None:
        self._contents = np.zeros((width, size, features))
        self._total = np.zeros((width, features))
        self._renewals = np.zeros(width, dtype=np.int64)

    @property
    def total(self) -> FloatArray:
        """The sum of all entries of each table, ``(p, width)``; not a copy."""
        return self._total.T

    def renew(self, column: int, entry: int, gradient: FloatArray, share: float = 1.0) -> None:
        """Replace an entry of one table, or mix a gradient into it.

        Args:
            column: which replication's table.
            entry: which entry.
            gradient: ``(p,)`` the new gradient.
            share: weight of the new gradient; the old content has the rest.
        """
        contents, total = self._contents[column], self._total[column]
        change = gradient - contents[entry]
        if share == 1:
            contents[entry] = gradient
        else:
            change *= share
            contents[entry] += change
        total += change
        self._renewals[column] += 1
        # Rounding must not pile up in a long run. Adding up anew after as many renewals as there
        # are entries costs one more pass per renewal.
        if self._renewals[column] % len(contents) == 0:
            contents.sum(axis=0, out=total)

    def clear(self) -> None:
        """Make every entry of every table zero."""
        self._contents[:] = 0.0
        self._total[:] = 0.0


# A fixed width, because a matrix product rounds differently at another shape: so the losses are a
# function of the arguments alone, not of the machine.
BLOCK = 128
"""Columns trained together: wide enough for matrix products at nearly full speed."""

REMEMBERED = 2 * 2**30
"""Bytes of past models and gradients that may be kept."""

Progress = Callable[[int, int], None]
"""Called with iterations done and iterations in all."""


@dataclass(frozen=True)
class Kept:
    """How much of the past the learner keeps.

    Attributes:
        models: how many updates back a gradient may be taken.
        table: gradients in the table of ``Renewal``; 0: no table.
        held: d of ``Held``; 0: none is held.
    """

    models: int = 0
    table: int = 0
    held: int = 0


@dataclass(frozen=True, eq=False)
class Learned:
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
    steps: Steps,
    iterations: int,
    progress: Progress | None = None,
) -> Learned:
    """Train R models, each on the gradients that its own replication decoded.

    Args:
        problem: data and loss.
        optimizer: the rule of the updates.
        initial: ``(p,)`` the start of every replication.
        steps: the master's updates. Where every one is exact, one model is trained and all
            replications share it: the arrays returned are read-only views.
        iterations: T; each has the same number of updates.
        progress: told of each iteration.

    Raises:
        InvalidParameter: past models or gradients do not fit into memory.
    """
    replications, updates = steps.times.shape
    with training_context():
        exact = steps.exact
        kept = Kept(steps.depth, steps.table_size, steps.held)
        require_memory_for(kept, problem, steps)
        learner = Learner(problem, optimizer, initial, 1 if exact else replications, kept)
        for t in range(iterations):
            for u in range(t * updates // iterations, (t + 1) * updates // iterations):
                learner.update(None if exact else steps.step(u))
            learner.evaluate()
            if progress is not None:
                progress(t + 1, iterations)
        learned = learner.learned()
    return _shared(learned, replications) if exact else learned


class Learner:
    """The models of all replications in training, and their losses so far.

    Life cycle: made at the start, whose losses it evaluates; ``update`` and ``evaluate`` as often
    as wanted; ``learned`` at the end. Use it within ``training_context()``.

    Args:
        problem, optimizer, initial: as for ``train``.
        replications: R.
        kept: how much of the past is kept.
    """

    def __init__(
        self,
        problem: Problem,
        optimizer: Optimizer,
        initial: FloatArray,
        replications: int,
        kept: Kept = Kept(),
    ) -> None:
        self._problem, start, self._basis = problem.merged(initial)
        blocks = [
            slice(first, min(first + BLOCK, replications))
            for first in range(0, replications, BLOCK)
        ]
        self._blocks = [
            (block, Models(self._problem, optimizer, start, block.stop - block.start, kept))
            for block in blocks
        ]
        self._losses: list[FloatArray] = []
        self.evaluate()

    def update(self, step: Step | None, align: bool = False) -> None:
        """Apply one update to every replication; see ``Models.update``."""
        for part, models in self._blocks:
            models.update(None if step is None else step.columns(part), align)

    @property
    def alignment(self) -> FloatArray:
        """``(R,)`` inner product of the last two decoded gradients; 0 at first."""
        return np.concatenate([models.alignment for _, models in self._blocks])

    def evaluate(self) -> FloatArray:
        """Record the losses of the current models; returns the training losses, ``(R,)``."""
        losses = np.empty((2, self._blocks[-1][0].stop))
        for part, models in self._blocks:
            losses[0, part], losses[1, part] = models.losses()
        self._losses.append(losses)
        return np.asarray(losses[0])

    def learned(self) -> Learned:
        """The losses at every evaluation so far, and the current models."""
        train_loss, test_loss = np.stack(self._losses, axis=-1)
        final = np.hstack([models.beta for _, models in self._blocks])
        auc = self._problem.test_auc(final)
        if self._basis is not None:
            final = product(self._basis, final)
        return Learned(
            np.ascontiguousarray(train_loss),
            None if self._problem.X_test is None else np.ascontiguousarray(test_loss),
            final,
            auc,
        )


@contextmanager
def training_context() -> Iterator[None]:
    """The context that training needs: one thread, and no warnings of divergence."""
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        yield


class Models:
    """The models of a few replications, side by side.

    Life cycle: ``losses`` and ``update`` in any order; each update moves on by one.

    Args:
        problem: data and loss.
        optimizer: the rule of the updates.
        initial: ``(p,)`` the start of every replication.
        width: replications.
        kept: how much of the past is kept.

    Attributes:
        updates: updates so far.
        alignment: ``(width,)`` inner product of the last two decoded gradients; 0 at first.
    """

    def __init__(
        self,
        problem: Problem,
        optimizer: Optimizer,
        initial: FloatArray,
        width: int,
        kept: Kept,
    ) -> None:
        self._problem, self._optimizer = problem, optimizer
        self._state = optimizer.init(np.repeat(initial[:, None], width, axis=1))
        margins = problem.margins(self.beta)
        self._margins: deque[FloatArray | None] = deque([margins, margins], maxlen=2)
        self._points: deque[FloatArray] = deque(maxlen=kept.models + 1)
        self._margins_at: deque[FloatArray | None] = deque(maxlen=kept.models + 1)
        self._gradient: FloatArray | None = None
        self._tables = GradientTables(width, kept.table, problem.features)
        self._held = HeldGradients(problem, kept.held, width)
        self.alignment = np.zeros(width)
        self.updates = 0
        self._remember()

    @property
    def beta(self) -> FloatArray:
        """The current models, ``(p, width)``."""
        return self._state[0]

    def losses(self) -> tuple[FloatArray, FloatArray | float]:
        """Training and test loss, ``(width,)`` each; NaN without a test set."""
        test = self._problem.test_loss(self.beta)
        margins = self._margins[-1]
        if margins is None:
            margins = self._margins[-1] = self._problem.margins(self.beta)
        return self._problem.loss_from_margins(margins), np.nan if test is None else test

    def update(self, step: Step | None, align: bool = False) -> None:
        """Apply one update.

        Args:
            step: that of these replications; ``None`` when every partition has weight 1 and its
                gradient is taken at the newest model.
            align: also compute ``alignment``.
        """
        problem, t = self._problem, self.updates + 1
        gradient = self._decoded(step)
        if align:
            before, self._gradient = self._gradient, gradient.copy()
            if before is not None:
                self.alignment = np.einsum("pr,pr->r", before, self._gradient)
        if problem.l2 > 0:
            gradient += problem.l2_gradient(self._optimizer.point(self._state, t))
        self._state = self._optimizer.step(self._state, gradient, t)
        dense = not isinstance(step, Sparse | Renewal)
        self._margins.append(problem.margins(self.beta) if dense else None)
        self.updates = t
        self._remember()

    def _remember(self) -> None:
        """Keep where the next gradient is taken: the point itself, and its margins if known."""
        t = self.updates + 1
        m, margins, before = self._optimizer.extrapolation(t), self._margins[-1], self._margins[-2]
        if m != 0:  # margins are linear in the model, so extrapolating them saves a product
            known = margins is not None and before is not None
            margins = margins + m * (margins - before) if known else None  # type: ignore[operator]
        self._margins_at.append(margins)
        self._points.append(self._optimizer.point(self._state, t))

    def _decoded(self, step: Step | None) -> FloatArray:
        match step:
            case Sparse():
                return self._sparse(step)
            case Renewal():
                return self._renewed(step)
            case Held():
                return self._held.mixed(step, self._margins_of(0))
        return self._dense(step)

    def _dense(self, step: Dense | None) -> FloatArray:
        if step is None:
            return self._problem.gradient_from_margins(self._margins_of(0), None)
        weights = np.where(np.abs(step.weights - 1) <= EXACT, 1.0, step.weights)
        if step.version is None:
            return self._problem.gradient_from_margins(self._margins_of(0), weights)
        lags = self.updates - step.version
        if (lags == lags[0]).all():
            return self._problem.gradient_from_margins(self._margins_of(int(lags[0])), weights)
        margins = np.stack(
            [self._margins_of(int(lag))[:, column] for column, lag in enumerate(lags)], axis=1
        )
        return self._problem.gradient_from_margins(margins, weights)

    def _margins_of(self, lag: int) -> FloatArray:
        place = -1 - lag
        margins = self._margins_at[place]
        if margins is None:
            margins = self._margins_at[place] = self._problem.margins(self._points[place])
        return margins

    def _sparse(self, step: Sparse) -> FloatArray:
        """One partition's rows at a time, each at the model of its version."""
        lags: IntArray = self.updates - step.version
        gradient = np.zeros(self.beta.shape)
        for column, place in zip(*np.nonzero(step.partition >= 0), strict=True):
            partition, lag = int(step.partition[column, place]), int(lags[column, place])
            part = self._single(partition, lag, int(column))
            gradient[:, column] += step.weight[column, place] * part
        return gradient

    def _renewed(self, step: Renewal) -> FloatArray:
        """The table's sum after its renewal, one new gradient at a time."""
        lags: IntArray = self.updates - step.version
        if step.clear:
            self._tables.clear()
        for column, place in zip(*np.nonzero(step.entry >= 0), strict=True):
            partition, lag = int(step.partition[column, place]), int(lags[column, place])
            part = self._single(partition, lag, int(column))
            share = 1.0 if step.share is None else float(step.share[column, place])
            self._tables.renew(int(column), int(step.entry[column, place]), part, share)
        return self._tables.total * step.scale

    def _single(self, partition: int, lag: int, column: int) -> FloatArray:
        """``(p,)`` the gradient of one partition at a past model of one replication."""
        return self._problem.partition_gradient(partition, self._points[-1 - lag][:, column])


def require_memory_for(kept: Kept, problem: Problem, steps: Steps) -> None:
    """Refuse to keep more past models and gradients than fit into memory.

    Raises:
        InvalidParameter: naming the number of replications.
    """
    numbers = kept.models * (problem.features + (0 if steps.sparse else problem.rows))
    numbers += kept.table * problem.features + kept.held * problem.rows
    replications = len(steps.times)
    size = numbers * replications * 8
    if size > REMEMBERED:
        raise InvalidParameter(
            "replications",
            replications,
            f"past models and gradients (up to {kept.models} updates old) take "
            f"{size / 2**30:.1f} GiB; must fit into {REMEMBERED / 2**30:.0f} GiB: fewer "
            "replications or iterations",
        )


def _shared(one: Learned, replications: int) -> Learned:
    """What one model learned, as that of every replication; nothing is copied."""

    def rows(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        return np.broadcast_to(values, (replications, *values.shape[1:]))

    train_loss = np.broadcast_to(one.train_loss, (replications, one.train_loss.shape[1]))
    final = np.broadcast_to(one.final_beta, (len(one.final_beta), replications))
    return Learned(train_loss, rows(one.test_loss), final, rows(one.final_auc))
