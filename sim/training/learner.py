"""From the master's updates to losses: the learner replays what the master applied.

The learner sees steps and nothing else (``docs/design.md``). All replications are columns of one
matrix, trained in blocks of a fixed width.

Cost: a dense step takes one product with ``X`` and one with ``X^T``, whatever K and n are; a stale
one reuses the margins of its version. A step with few partitions takes two products with their rows
alone, and so does a renewal of a few entries of a table of gradients. Held gradients take the two
products of a dense step, and local steps those of as many dense ones, partition by partition.
Losses are evaluated at iterations only, in one product with the training rows and one with the test
rows; after dense steps the margins are already there. Equal features of sparse data are merged.

A model that diverges is a result too: its losses become infinite or NaN, without a warning."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..base.errors import InvalidParameter
from ..base.numerics import GradientTables, one_thread
from ..base.types import FloatArray, IntArray
from .optimizers import Optimizer, State, Together
from .problems.base import product
from .problems.objective import Objective
from .steps import WEIGHT_TOLERANCE, Dense, Held, Levels, Local, Renewal, Sparse, Step, Steps

# A fixed width, because a matrix product rounds differently at another shape: so the losses are a
# function of the arguments alone, not of the machine.
BLOCK_WIDTH = 128  # columns: wide enough for matrix products at nearly full speed
MARGINS_AT_ONCE = 2**16  # of learning rates side by side, 512 KiB: more would leave the cache
MOST_BYTES_OF_PAST = 2 * 2**30  # models and gradients that may be kept
SINGLES_AT_ONCE = 2**20  # numbers of single gradients: 8 MiB
Progress = Callable[[int, int], None]  # called with iterations done and iterations in all


@dataclass(frozen=True, eq=False)
class Learned:
    """What the models did."""

    # ``(R, T + 1)`` mean data loss over the training rows, without L2; index 0 is the start.
    train_loss: FloatArray
    # ``(R, T + 1)`` the same over the test rows, or ``None`` without a test set.
    test_loss: FloatArray | None
    final_beta: FloatArray  # ``(p, R)`` the models after the last iteration
    final_auc: FloatArray | None  # ``(R,)`` area under the ROC curve on the test rows, or ``None``
    # ``(R, T + 1)`` share of the test rows whose class is right, or ``None`` without classes.
    test_accuracy: FloatArray | None = None


def train(
    problem: Objective,
    optimizer: Optimizer,
    initial: FloatArray,
    steps: Steps,
    iterations: int,
    progress: Progress | None = None,
) -> Learned:
    """Train R models from one start, ``(p,)``, each on the gradients that its replication decoded.
    Where every update is exact, one model is trained and all replications share it: the arrays
    returned are read-only views. Each iteration has the same number of updates. Raises
    ``InvalidParameter``: past models or gradients do not fit into memory."""
    [learned] = train_each(problem, [optimizer], initial, steps, iterations, progress)
    return learned


def train_each(
    problem: Objective,
    optimizers: Sequence[Optimizer],
    initial: FloatArray,
    steps: Steps,
    iterations: int,
    progress: Progress | None = None,
) -> list[Learned]:
    """``train`` with each of several optimizers, as many side by side as fit in the cache. Each has
    the bits that it has alone. Progress counts the iterations of all."""
    replications = len(steps.times)
    learned: list[Learned] = []
    with training_context():
        exact, alike = steps.exact, steps.alike
        width = 1 if alike else replications
        together = min(
            fit_into_memory(problem, steps),
            max(1, MARGINS_AT_ONCE // (max(problem.rows, problem.kept) * width)),
        )
        for first in range(0, len(optimizers), together):
            rules = optimizers[first : first + together]
            learner = Learner(problem, rules, initial, width, steps)
            for t, updates in enumerate(updates_of(steps, iterations)):
                learner.begin(t + 1, steps)
                for u in updates:
                    step = None if exact else steps.step(u)
                    learner.update(step.columns(slice(1)) if step and alike else step)
                learner.evaluate_later()
                if progress is not None:
                    done = first * iterations + (t + 1) * len(rules)
                    progress(done // len(optimizers), iterations)
            learned += learner.learned()
    return [_shared(model, replications) for model in learned] if alike else learned


def updates_of(steps: Steps, iterations: int) -> list[range]:
    """The updates of each iteration; none within a round of local steps."""
    return [range(start, end) for start, end in pairwise(steps.updates_by(iterations).tolist())]


class Learner:
    """The models of all replications in training, and their losses so far. Life cycle: made at the
    start, whose losses it evaluates; ``update`` and ``evaluate`` as often as wanted; ``learned`` at
    the end. Use it within ``training_context()``. Every replication is trained with each of L
    optimizers; the ``steps`` of ``update`` say how much of the past is kept: nothing unless given.
    """

    def __init__(
        self,
        problem: Objective,
        optimizers: Sequence[Optimizer],
        initial: FloatArray,
        replications: int,
        steps: Steps | None = None,
    ) -> None:
        self._problem, start, self._basis = problem.merged(initial)
        self._judge = problem if self._basis is None else self._problem  # has the labels themselves
        everybody = np.repeat(start[:, None], replications, axis=1)
        starts = range(0, replications, BLOCK_WIDTH)
        blocks = [slice(first, first + BLOCK_WIDTH) for first in starts]
        rules = Together(optimizers)
        models = (Models(self._problem, rules, everybody[:, block], steps) for block in blocks)
        self._blocks = list(zip(blocks, models, strict=True))
        self.evaluate_later()

    def update(self, step: Step | None, align: bool = False) -> None:
        """Apply one update to every replication; see ``Models.update``."""
        for block, models in self._blocks:
            some = step if step is None or len(self._blocks) == 1 else step.columns(block)
            models.update(some, align)

    def begin(self, iteration: int, steps: Steps) -> None:
        """The updates from now on are of this iteration, from 1. Not of local steps, each of which
        is an iteration: these are counted."""
        if steps.local_steps > 1:
            return
        for _, models in self._blocks:
            models.begin(iteration)

    @property
    def alignment(self) -> FloatArray:
        """``(L, R)`` inner product of the last two decoded gradients; 0 at first."""
        return np.concatenate([models.alignment for _, models in self._blocks], axis=-1)

    def evaluate_later(self) -> None:
        """Record the losses of the current models, if not now then with their next gradient."""
        for _, models in self._blocks:
            models.due += 1

    def evaluate(self) -> FloatArray:
        """Record the losses of the current models; returns the training losses, ``(L, R)``."""
        self.evaluate_later()
        return np.concatenate([models.recorded()[-1][0] for _, models in self._blocks], axis=-1)

    def learned(self) -> list[Learned]:
        """The losses at every evaluation so far, and the current models, of each optimizer."""
        losses = [np.stack(models.recorded(), axis=-1) for _, models in self._blocks]
        train_loss, test_loss, accuracy = np.concatenate(losses, axis=-2)
        tested = self._problem.X_test is not None
        results = []
        for index, last in enumerate(np.concatenate([m.beta for _, m in self._blocks], axis=-1)):
            final = last if self._basis is None else product(self._basis, last)
            test = np.ascontiguousarray(test_loss[index]) if tested else None
            auc = self._judge.test_auc(last)
            classes = self._problem.test_accuracy(last) is not None
            right = np.ascontiguousarray(accuracy[index]) if classes else None
            train = np.ascontiguousarray(train_loss[index])
            results.append(Learned(train, test, final, auc, right))
        return results


@contextmanager
def training_context() -> Iterator[None]:
    """The context that training needs: one thread, and no warnings of divergence."""
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):
        yield


class Models:
    """The models of a few replications, side by side, once for each of L optimizers. Life cycle:
    ``recorded`` and ``update`` in any order; each update moves on by one. The replications begin at
    ``start``, ``(p, width)``; ``steps`` are as for ``Learner``."""

    def __init__(
        self, problem: Objective, rules: Together, start: FloatArray, steps: Steps | None
    ) -> None:
        self._problem, self._rules = problem, rules
        self._rules_now = rules  # with the learning rates of the iteration, if it was told
        depth, table, held, singles = 0, 0, 0, False
        if steps is not None:
            depth, table, held, singles = steps.depth, steps.table_size, steps.held, steps.sparse
        self._states = rules.init(start)
        self.beta = rules.models(self._states)  # ``(L, p, width)`` the current models
        rates, features, width = self.beta.shape
        margins = problem.at(self.beta)
        self._margins: deque[FloatArray | None] = deque([margins, margins], maxlen=2)
        self._margins_at: deque[FloatArray | None] = deque(maxlen=depth + 1)
        # The rows of one partition are few: to pick the model from arrays of all replications
        # would take longer than its gradient. So a model's numbers lie side by side.
        self._points = np.empty((singles * (depth + 1), width, rates, features))
        self._gradient: FloatArray | None = None
        self._tables = GradientTables(width, table, (rates, features))
        self._held = problem.held(held, rates, width)
        self.alignment = np.zeros((rates, width))  # inner products of the last two gradients
        self._velocity = np.zeros(())  # of outer steps, (L, p, width) after the first
        self.updates = 0  # each local step counted
        self.due = 0  # evaluations of the current models that were asked for, and are to be made
        self._recorded: list[FloatArray] = []
        self._scores: FloatArray | None = None  # of these models, if a gradient has given them
        self._shared = False  # whether the last gradient gave scores
        self._remember()

    def recorded(self) -> list[FloatArray]:
        """Of each evaluation so far, training and test losses, and the share of test rows that are
        right, ``(3, L, width)``; NaN without a test set, and without classes."""
        if self.due:
            problem = self._problem
            if (margins := self._margins[-1]) is None:
                margins = self._margins[-1] = problem.at(self.beta)
            scores = self._scores
            if scores is None and self._shared and problem.compiles:  # the last one
                scores, _ = problem.scores_and_gradient_at(margins, self.beta)
            scores = problem.scores_at(margins, self.beta) if scores is None else scores
            self._recorded += [scores] * self.due
            self.due, self._scores = 0, None
        return self._recorded

    def begin(self, iteration: int) -> None:
        """See ``Learner.begin``."""
        self._rules_now = self._rules.within(iteration)

    def update(self, step: Step | None, align: bool = False) -> None:
        """Apply one update; with ``align`` also compute ``alignment``. ``None``: every partition
        has weight 1 and its gradient is taken at the newest model."""
        if isinstance(step, Local):
            self.recorded()
            self._move_outwards(step)
            return
        problem, t = self._problem, self.updates + 1
        gradient = self._decoded(step)
        self.recorded()
        if align:
            before, self._gradient = self._gradient, gradient.copy()
            if before is not None:
                self.alignment = np.einsum("lpr,lpr->lr", before, self._gradient)
        if problem.l2 > 0:
            gradient += problem.l2_gradient(self._point)
        self._states = self._rules_now.step(self._states, gradient, t)
        self.beta = self._rules.models(self._states)
        dense = not isinstance(step, Sparse | Renewal)
        self._margins.append(problem.at(self.beta) if dense else None)
        self.updates = t
        self._remember()

    def _move_outwards(self, step: Local) -> None:
        before, differences = self._states, self._mean_differences(step)
        mean = differences[:, 0]
        self._velocity = step.momentum * self._velocity + mean
        beyond = step.rate * (mean + step.momentum * self._velocity) - mean
        self._states = [
            tuple(old + (new + more) for old, new in zip(state, change, strict=True))
            for state, change, more in zip(before, differences, beyond, strict=True)
        ]
        self.beta = self._rules.models(self._states)
        self._margins.append(self._problem.at(self.beta))
        self.updates += step.steps
        self._remember()

    def _mean_differences(self, step: Local) -> FloatArray:
        """``(L, S, p, width)`` by how much the optimizer's S arrays change, on weighted average."""
        before, partitions = self._states, self._problem.partitions
        weights = _without_round_off(step.weights) / partitions
        total = np.zeros((len(before), *np.shape(before[0])))
        size = step.levels[-1][1] if step.levels else 1
        for partition in np.flatnonzero(weights.any(axis=0)).tolist():
            if partition % size:  # its group has a trajectory
                continue
            weight = weights[:, partition : partition + size].sum(axis=1)
            states = self._trained(before, step.levels, partition, self.updates, step.steps)
            for sums, ends, starts in zip(total, states, before, strict=True):
                for difference, end, start in zip(sums, ends, starts, strict=True):
                    # Not weight times difference: a trajectory without weight may have diverged.
                    np.add(difference, weight * (end - start), out=difference, where=weight != 0)
        return total

    def _trained(
        self, states: list[State], levels: Levels, first: int, done: int, steps: int
    ) -> list[State]:
        """Where so many local steps, after ``done`` ones, lead from common states: the partitions
        from the ``first`` one on that average at the last of ``levels``, or that one alone."""
        if levels:
            *lower, (period, size) = levels
            part = lower[-1][1] if lower else 1
            for start in range(0, steps, period):
                span = done + start, min(period, steps - start)
                ends = [
                    self._trained(states, tuple(lower), first + own, *span)
                    for own in range(0, size, part)
                ]
                states = [_mean_states(rule) for rule in zip(*ends, strict=True)]
            return states
        problem, rules = self._problem, self._rules
        for t in range(done + 1, done + steps + 1):
            point = rules.points(states, t)
            gradient = problem.partitions * problem.gradient_of(first, point)
            if problem.l2 > 0:
                gradient += problem.l2_gradient(point)
            states = rules.step(states, gradient, t)
        return states

    def _remember(self) -> None:
        """Keep where the next gradient is taken: the points themselves, and margins if known."""
        t, (before, margins) = self.updates + 1, self._margins
        m = self._rules.extrapolation(t)
        if m is not None:  # margins are linear in the model, so extrapolating them saves a product
            known = margins is not None and before is not None
            margins = margins + m * (margins - before) if known else None  # type: ignore[operator]
        self._margins_at.append(margins)
        self._point = self._rules.points(self._states, t)
        if len(self._points):
            self._points[self.updates % len(self._points)] = self._point.transpose(2, 0, 1)

    def _decoded(self, step: Dense | Sparse | Renewal | Held | None) -> FloatArray:
        match step:
            case Sparse():
                return self._sparse(step)
            case Renewal():
                return self._renewed(step)
            case Held():
                return self._held.mixed(step, self._margins_of(0))
            case _:
                return self._dense(step)

    def _dense(self, step: Dense | None) -> FloatArray:
        if step is None:
            return self._gradient_at(self._margins_of(0), None)
        weights = _without_round_off(step.weights)
        lags = [0] if step.version is None else (self.updates - step.version).tolist()
        margins = self._margins_of(lags[0])
        if len(set(lags)) > 1:
            columns = [self._margins_of(lag)[..., column] for column, lag in enumerate(lags)]
            margins = np.stack(columns, axis=-1)
        return self._gradient_at(margins, weights)

    def _gradient_at(self, margins: FloatArray, weights: FloatArray | None) -> FloatArray:
        self._shared = bool(self.due) and margins is self._margins[-1]
        if self._shared:
            both = self._problem.scores_and_gradient_at(margins, self.beta, weights)
            self._scores, gradient = both
            self._shared = self._scores is not None
            return gradient
        return self._problem.gradient_at(margins, weights)

    def _margins_of(self, lag: int) -> FloatArray:
        if (margins := self._margins_at[-1 - lag]) is None:  # after a step with single gradients
            point = self._points[(self.updates - lag) % len(self._points)].transpose(1, 2, 0)
            margins = self._margins_at[-1 - lag] = self._problem.at(point)
        return margins

    def _sparse(self, step: Sparse) -> FloatArray:
        """The weighted sum of each replication's gradients, in the order of their slots."""
        total = np.zeros((len(step.partition), *self.beta.shape[:2]))
        for slot, column, gradients in self._singles(step, step.partition):
            gradients *= step.weight[column, slot, None, None]
            total[column] += gradients
        return np.ascontiguousarray(total.transpose(1, 2, 0))

    def _renewed(self, step: Renewal) -> FloatArray:
        if step.clear:
            self._tables.clear()
        for slot, column, gradients in self._singles(step, step.entry):
            share = None if step.share is None else step.share[column, slot]
            self._tables.renew(column, step.entry[column, slot], gradients, share)
        return self._tables.total * step.scale

    def _singles(
        self, step: Sparse | Renewal, named: IntArray
    ) -> Iterator[tuple[int, IntArray, FloatArray]]:
        """Gradients of single partitions, those in one slot of all replications together: yields a
        slot, the c replications that have a gradient there, and ``(c, L, p)`` gradients.
        ``named``: ``(width, K)``, -1 where a replication has no gradient in a slot."""
        together, count = max(1, SINGLES_AT_ONCE // self.beta.size), named.shape[1]
        for first in range(0, count, together):
            slots, column = (named[:, first : first + together] >= 0).T.nonzero()
            slots += first
            points = self._points[step.version[column, slots] % len(self._points), column]
            gradients = self._problem.single_gradients(step.partition[column, slots], points)
            ends = [0, *np.bincount(slots, minlength=count).cumsum().tolist()]
            for slot in range(first, min(first + together, count)):
                rows = slice(ends[slot], ends[slot + 1])
                yield slot, column[rows], gradients[rows]


def _mean_states(states: Sequence[State]) -> State:
    return tuple(np.mean(arrays, axis=0) for arrays in zip(*states, strict=True))


def _without_round_off(weights: FloatArray) -> FloatArray:
    return np.where(np.abs(weights - 1) <= WEIGHT_TOLERANCE, 1.0, weights)


def fit_into_memory(problem: Objective, steps: Steps) -> int:
    """For how many optimizers past models and gradients fit into memory: at least for one. Raises
    ``InvalidParameter``: as ``past_bytes``."""
    sizes = problem.parameters, problem.kept, problem.held_size
    return MOST_BYTES_OF_PAST // max(past_bytes(steps, len(steps.times), *sizes), 1)


def past_bytes(steps: Steps, replications: int, parameters: int, kept: int, held_size: int) -> int:
    """Bytes of the past models and gradients that steps need, by the sizes of an ``Objective``.
    Raises ``InvalidParameter``: more than may be kept, naming the number of replications."""
    depth = steps.depth
    numbers = depth * (parameters + (0 if steps.sparse else kept))
    numbers += steps.table_size * parameters + steps.held * held_size
    size = numbers * replications * 8
    if size > MOST_BYTES_OF_PAST:
        past = f"past models and gradients (up to {depth} updates old)"
        room = f"{MOST_BYTES_OF_PAST / 2**30:.0f} GiB: fewer replications or iterations"
        valid = f"{past} take {size / 2**30:.1f} GiB; must fit into {room}"
        raise InvalidParameter("replications", replications, valid)
    return size


def _shared(learned: Learned, replications: int) -> Learned:
    """What one model learned, as that of every replication; nothing is copied."""

    def rows(values: FloatArray) -> FloatArray:
        return np.broadcast_to(values, (replications, *values.shape[1:]))

    test = None if learned.test_loss is None else rows(learned.test_loss)
    auc = None if learned.final_auc is None else rows(learned.final_auc)
    right = None if learned.test_accuracy is None else rows(learned.test_accuracy)
    return Learned(rows(learned.train_loss), test, rows(learned.final_beta.T).T, auc, right)
