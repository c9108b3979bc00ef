"""From the master's updates to losses: the learner replays what the master applied."""

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
from .types import BoolArray, FloatArray, IntArray

# Gradients that are held for several rounds, as the slopes of their rows.


@final
class Layers:
    """Each layer holds one gradient of every partition, of a few replications side by side.

    A row's share of a gradient is its features times its slope, so held gradients are mixed row by
    row before the one product with ``X^T``.

    Args:
        problem: data and loss.
        layers: d.
        width: replications.
    """

    def __init__(self, problem: Problem, layers: int, width: int) -> None:
        self._problem = problem
        self._slopes = np.zeros((layers, problem.rows, width))

    def mixed(self, fresh: BoolArray, weights: FloatArray, margins: FloatArray) -> FloatArray:
        """Renew some gradients, and ``(p, width)`` decode a weighted sum of all.

        Args:
            fresh: ``(width, d, k)`` which are taken anew.
            weights: ``(width, d, k)`` what each weighs in the decoded gradient.
            margins: ``(N, width)`` of the newest model.

        Cost: one product, and two passes over N numbers for each layer and replication.
        """
        problem, slopes = self._problem, self._problem.slopes(margins)
        renewed = np.ascontiguousarray(fresh.transpose(1, 2, 0))
        scaled = np.ascontiguousarray(weights.transpose(1, 2, 0)) / problem.rows
        for rows, owner in problem.pieces(slopes.shape[1]):
            newest, mixed = slopes[rows], np.zeros_like(slopes[rows])
            for held, renew, weight in zip(self._slopes[:, rows], renewed, scaled, strict=True):
                np.copyto(held, newest, where=renew[owner])
                mixed += held * weight[owner]
            slopes[rows] = mixed
        return problem.gradient_from_slopes(slopes)


# A table of gradients that is renewed one entry at a time, and the sum of it.


@final
class Entries:
    """The tables of a few replications, side by side; every entry is zero at first.

    The sum follows each change, so a renewal costs a few passes over p numbers, however many
    entries there are. After as many renewals as entries it is added up anew, which is one pass more
    for each renewal, so that rounding does not pile up in a long run.

    Args:
        width: replications.
        entries: of each table.
        features: p.
    """

    def __init__(self, width: int, entries: int, features: int) -> None:
        self._contents = np.zeros((width, entries, features))
        self._total = np.zeros((width, features))
        self._renewals = np.zeros(width, dtype=np.int64)

    @property
    def total(self) -> FloatArray:
        """The sum of all entries of each table, ``(p, width)``; not a copy."""
        return self._total.T

    def renew(self, column: int, entry: int, gradient: FloatArray, share: float = 1.0) -> None:
        """Mix ``(p,)`` a gradient into an entry of one table, or replace the entry by it.

        Args:
            column: which table.
            entry: which entry.
            gradient: the new one.
            share: of it in the entry; the rest is what was there.
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
        if self._renewals[column] % len(contents) == 0:
            contents.sum(axis=0, out=total)

    def clear(self) -> None:
        """Make every entry of every table zero."""
        self._contents[:] = 0.0
        self._total[:] = 0.0


# From the master's updates to losses: the learner replays what the master applied.
#
# Timing does not depend on gradient values (a scheme that looks at losses trains along the way,
# with ``Models`` itself), so the learner sees steps and nothing else. All replications are columns
# of one matrix, trained in blocks of a fixed width.
#
# Cost: a dense step takes one product with ``X`` and one with ``X^T``, whatever K and n are; a
# stale one reuses the margins of its version. A step with few partitions takes two products with
# their rows alone, and so does one that renews a few entries of a table of gradients
# (``sim.learner``). Held gradients take the two products of a dense step (``sim.learner``). Losses
# are evaluated at iterations alone, in one product with the training rows and one with the test
# rows; after dense steps the margins are there already. Equal features of sparse data are merged
# first, which changes nothing but the cost (``sim.problems.merging``).
#
# Memory: the models of the ``depth`` latest updates are remembered where gradients are stale, and
# gradients where there is a table of them, or where some are held.
#
# Bytes: blocks have a fixed width and matrix products run on one thread, so the result is a
# function of the arguments alone, not of the machine's number of cores or its load. A model that
# diverges is a result too: its losses become infinite or NaN, without a warning.


BLOCK = 128
"""Columns trained together: wide enough for matrix products at nearly full speed."""

REMEMBERED = 2 * 2**30
"""Bytes of past models and gradients that may be kept."""

Report = Callable[[int, int], None]
"""Called with iterations done and iterations in all."""


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
    report: Report | None = None,
) -> Learned:
    """Train R models, each on the gradients that its own replication decoded.

    Args:
        problem: data and loss.
        optimizer: the rule of the updates.
        initial: ``(p,)`` the start of every replication.
        steps: the master's updates. Where every one is exact, one model is trained and all
            replications share it: the arrays returned are read-only views.
        iterations: T; the updates of each are as many.
        report: told of each iteration.

    Raises:
        InvalidParameter: past models or gradients do not fit into memory.
    """
    replications, updates = steps.times.shape
    with training():
        exact = steps.exact
        require_memory(problem, steps)
        width = 1 if exact else replications
        kept = steps.depth, steps.entries, steps.layers
        learner = Learner(problem, optimizer, initial, width, *kept)
        for t in range(iterations):
            for u in range(t * updates // iterations, (t + 1) * updates // iterations):
                learner.update(None if exact else steps.step(u))
            learner.evaluate()
            if report is not None:
                report(t + 1, iterations)
        learned = learner.learned()
    return _shared(learned, replications) if exact else learned


class Learner:
    """All replications on their way: blocks of models, and the losses at each iteration so far.

    Life cycle: made at the start, whose losses it evaluates; ``update`` and ``evaluate`` as often
    as wanted; ``learned`` at the end. Use it within ``training()``.

    Args:
        problem, optimizer, initial: as for ``train``.
        replications: R.
        depth: how many updates back a gradient may reach.
        entries: of a table of gradients; 0: none.
        layers: of held gradients; 0: none.
    """

    def __init__(
        self,
        problem: Problem,
        optimizer: Optimizer,
        initial: FloatArray,
        replications: int,
        depth: int = 0,
        entries: int = 0,
        layers: int = 0,
    ) -> None:
        self._problem, start, self._basis = problem.merged(initial)
        kept = depth, entries, layers
        self._blocks = [
            (part, Models(self._problem, optimizer, start, part.stop - part.start, *kept))
            for part in _parts(replications)
        ]
        self._losses: list[FloatArray] = []
        self.evaluate()

    def update(self, step: Step | None, align: bool = False) -> None:
        """One update of every replication; see ``Models.update``."""
        for part, models in self._blocks:
            models.update(None if step is None else step.columns(part), align)

    @property
    def alignment(self) -> FloatArray:
        """``(R,)`` inner product of the last two decoded gradients; 0 at first."""
        return np.concatenate([models.alignment for _, models in self._blocks])

    def evaluate(self) -> FloatArray:
        """Note the losses of the models as they are; returns the training losses, ``(R,)``."""
        losses = np.empty((2, self._blocks[-1][0].stop))
        for part, models in self._blocks:
            losses[0, part], losses[1, part] = models.losses()
        self._losses.append(losses)
        return np.asarray(losses[0])

    def learned(self) -> Learned:
        """What became of the models."""
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
def training() -> Iterator[None]:
    """The context that training needs: one thread, no warnings of divergence."""
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        yield


class Models:
    """A few replications, side by side.

    Life cycle: ``losses`` and ``update`` in any order; each update moves on by one.

    Args:
        problem: data and loss.
        optimizer: the rule of the updates.
        initial: ``(p,)`` the start of every replication.
        width: replications.
        depth: how many updates back a gradient may reach.
        entries: of a table of gradients; 0: none.
        layers: of held gradients; 0: none.

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
        depth: int = 0,
        entries: int = 0,
        layers: int = 0,
    ) -> None:
        self._problem, self._optimizer = problem, optimizer
        self._state = optimizer.init(np.repeat(initial[:, None], width, axis=1))
        margins = problem.margins(self.beta)
        self._margins: deque[FloatArray | None] = deque([margins, margins], maxlen=2)
        self._points: deque[FloatArray] = deque(maxlen=depth + 1)
        self._margins_at: deque[FloatArray | None] = deque(maxlen=depth + 1)
        self._gradient: FloatArray | None = None
        self._entries = Entries(width, entries, problem.features)
        self._layers = Layers(problem, layers, width)
        self.alignment = np.zeros(width)
        self.updates = 0
        self._remember()

    @property
    def beta(self) -> FloatArray:
        """The models, ``(p, width)``."""
        return self._state[0]

    def losses(self) -> tuple[FloatArray, FloatArray | float]:
        """Training and test loss, ``(width,)`` each; NaN without a test set."""
        test = self._problem.test_loss(self.beta)
        train_loss = self._problem.loss_from_margins(self._newest_margins())
        return train_loss, np.nan if test is None else test

    def update(self, step: Step | None, align: bool = False) -> None:
        """One update; ``None`` when every partition weighs 1 at the newest model.

        Args:
            step: of this block's replications.
            align: also keep ``alignment``.
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

    def _newest_margins(self) -> FloatArray:
        margins = self._margins[-1]
        if margins is None:
            margins = self._margins[-1] = self._problem.margins(self.beta)
        return margins

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
                return self._layers.mixed(step.fresh, step.weights, self._margins_of(0))
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
        """The table's sum, one new gradient at a time."""
        lags: IntArray = self.updates - step.version
        if step.clear:
            self._entries.clear()
        for column, place in zip(*np.nonzero(step.entry >= 0), strict=True):
            partition, lag = int(step.partition[column, place]), int(lags[column, place])
            part = self._single(partition, lag, int(column))
            share = 1.0 if step.share is None else float(step.share[column, place])
            self._entries.renew(int(column), int(step.entry[column, place]), part, share)
        return self._entries.total * step.scale

    def _single(self, partition: int, lag: int, column: int) -> FloatArray:
        """``(p,)`` the gradient of one partition at a past model of one replication."""
        return self._problem.partition_gradient(partition, self._points[-1 - lag][:, column])


def require_memory(problem: Problem, steps: Steps) -> None:
    """Refuse to remember more past models and gradients than fit into memory.

    Raises:
        InvalidParameter: naming the number of replications.
    """
    numbers = steps.depth * (problem.features + (0 if steps.sparse else problem.rows))
    numbers += steps.entries * problem.features + steps.layers * problem.rows
    replications = len(steps.times)
    kept = numbers * replications * 8
    if kept > REMEMBERED:
        raise InvalidParameter(
            "replications",
            replications,
            f"past models and gradients (up to {steps.depth} updates old) take "
            f"{kept / 2**30:.1f} GiB; must fit into {REMEMBERED / 2**30:.0f} GiB: fewer "
            "replications or iterations",
        )


def _parts(columns: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, columns)) for start in range(0, columns, BLOCK)]


def _shared(one: Learned, replications: int) -> Learned:
    """One model's training as that of every replication, without copying it."""

    def rows(values: FloatArray | None) -> FloatArray | None:
        if values is None:
            return None
        return np.broadcast_to(values, (replications, *values.shape[1:]))

    train_loss = np.broadcast_to(one.train_loss, (replications, one.train_loss.shape[1]))
    final = np.broadcast_to(one.final_beta, (len(one.final_beta), replications))
    return Learned(train_loss, rows(one.test_loss), final, rows(one.final_auc))
