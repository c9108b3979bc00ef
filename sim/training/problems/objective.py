"""What is trained: data in partitions, and a loss of each row with its gradient, for many models at
once. Every model is a column of P parameters: ``beta`` is ``(P, R)``, one for each replication, or
``(L, P, R)``, L sets of models, each with the bits that it has alone.

A gradient that was decoded with partition weights w is that of ``sum_i w_i L_i``: one weighted pass
over the rows serves every scheme, whatever the model is. ``Problem`` is the linear case, in which
the learner keeps margins; ``network.NeuralNetwork`` and a user's own model are others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import scipy

from ...base.errors import InvalidParameter
from ...base.fields import require_count
from ...base.types import FloatArray, IntArray
from ..steps import Held

Csr: TypeAlias = "scipy.sparse.csr_array[np.float64]"
Matrix: TypeAlias = "FloatArray | Csr"
# Targets are numbers, -1 and +1, or the numbers of classes from 0.
Task: TypeAlias = Literal["regression", "classification", "classes"]


class HeldGradients:
    """d gradients of every partition, for L sets of ``width`` models side by side; all zero at
    first. Memory: ``d k L P width`` numbers."""

    def __init__(self, objective: Objective, held: int, rates: int, width: int) -> None:
        self._objective = objective
        shape = (held, objective.partitions, rates, objective.parameters, width)
        self._gradients = np.zeros(shape if held else (0,) * 5)

    def mixed(self, step: Held, at: FloatArray) -> FloatArray:
        """Renew some gradients and decode the weighted sum of all: ``(L, P, width)``; ``at`` is
        what the learner keeps of the newest models."""
        total = np.zeros(self._gradients.shape[2:])
        for partition in range(self._objective.partitions):
            fresh, weights = step.fresh[:, :, partition].T, step.weights[:, :, partition].T
            if fresh.any():
                newest = self._objective.gradient_of(partition, at)
            for held, renew, weight in zip(self._gradients, fresh, weights, strict=True):
                if renew.any():
                    np.copyto(held[partition], newest, where=renew)
                total += held[partition] * weight
        return total


@dataclass(frozen=True, eq=False)
class Objective(ABC):
    """Training data and a model with a loss; abstract. A final subclass says how many parameters a
    model has, what the mean loss of some rows is, and its weighted gradient. Memory: the data once.
    Raises ``InvalidParameter``: fewer rows than partitions, or arrays that do not fit each other.
    """

    task: ClassVar[Task]  # what kind of target the loss is for
    fields: ClassVar[type[Any] | None] = None  # what a config says of it, if anything
    compiles: ClassVar[bool] = False  # whether losses alone take a program that gradients do not
    X: Matrix  # ``(N, p)`` training rows, a dense C-order array or ``scipy.sparse.csr_array``
    y: FloatArray  # ``(N,)`` targets
    _: KW_ONLY
    # k; partition i is the i-th of k contiguous blocks of rows, cut as ``numpy.array_split`` does.
    partitions: int = 1
    l2: float = 0.0  # the coefficient of ``||beta||^2`` in the objective, >= 0
    X_test: Matrix | None = None  # ``(M, p)`` test rows, or ``None``
    y_test: FloatArray | None = None  # ``(M,)`` test targets, or ``None``

    def __post_init__(self) -> None:
        for name, axes in (("X", 2), ("y", 1), ("X_test", 2), ("y_test", 1)):
            object.__setattr__(self, name, _numbers(name, getattr(self, name), axes))
        require_count("partitions", self.partitions)
        if self.partitions > self.rows:
            valid = f"must be at least the number of partitions, {self.partitions}"
            raise InvalidParameter("rows", self.rows, valid)
        if self.y.shape != (self.rows,):
            raise InvalidParameter("y", self.y.shape, f"its shape must be ({self.rows},)")
        if self.X_test is None or self.y_test is None:
            if self.X_test is not None or self.y_test is not None:
                raise InvalidParameter("X_test", None, "give both X_test and y_test, or neither")
            return
        if self.X_test.shape != (self.y_test.size, self.features):
            valid = f"its shape must be ({self.y_test.size}, {self.features}): y_test by features"
            raise InvalidParameter("X_test", self.X_test.shape, valid)

    def require_dense(self, model: str) -> None:
        """Refuse sparse features, for what is called ``model``. Raises InvalidParameter."""
        if scipy.sparse.issparse(self.X) or scipy.sparse.issparse(self.X_test):
            raise InvalidParameter("dataset", "sparse", f"{model} needs dense features")

    def count_classes(self, given: int, least: int) -> int:
        """The ``given`` number of classes; for 0 what the largest label says, but at ``least`` so
        many. Raises InvalidParameter: a label is no whole number from 0 below that."""
        labels = self.y if self.y_test is None else np.concatenate([self.y, self.y_test])
        most = int(labels.max()) + 1 if np.isfinite(labels).all() else 0
        classes = given or max(least, most)
        if not np.isin(labels, np.arange(classes)).all():
            seen = np.unique(labels)[:5].tolist()
            raise InvalidParameter("y", seen, f"labels must be whole numbers below {classes}")
        return classes

    def require_finite(self) -> None:
        """Refuse data with NaN or infinity. Raises InvalidParameter. Cost: one pass over them."""
        for name in ("X", "y", "X_test", "y_test"):
            values: Any = getattr(self, name)
            numbers = values.data if isinstance(values, scipy.sparse.csr_array) else values
            if numbers is not None and not np.isfinite(numbers).all():
                wrong = float(numbers[~np.isfinite(numbers)][0])
                raise InvalidParameter(name, wrong, "every number must be finite")

    @property
    def rows(self) -> int:
        """Number of training rows N."""
        return int(self.X.shape[0])

    @property
    def features(self) -> int:
        """Number of features p."""
        return int(self.X.shape[1])

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Numbers P in a model, a gradient and a message."""

    @abstractmethod
    def mean_loss(self, X: Any, y: FloatArray, beta: FloatArray) -> FloatArray:
        """Mean loss over m of the rows, without L2: ``(m, p)``, ``(m,)``, ``(..., P, R)`` ->
        ``(..., R)``."""

    @abstractmethod
    def summed_gradient(
        self, X: Any, y: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> FloatArray:
        """The gradient of the sum of these rows' losses, each with a weight, without L2: ``(m,
        p)``, ``(m,)``, ``(..., P, R)`` and ``(R, m)``, or 1 without, ``-> (..., P, R)``."""

    def start(self, rng: np.random.Generator) -> FloatArray:
        """Where training begins unless something else is said: ``(P,)``, zeros here."""
        return np.zeros(self.parameters)

    def start_of(self, seed: int, rng: np.random.Generator) -> FloatArray:
        """The start of a seed that was asked for, ``(P,)``; ``rng`` draws from it."""
        return self.start(rng)

    def tested(self, beta: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        """``test_loss`` and ``test_accuracy``."""
        return self.test_loss(beta), self.test_accuracy(beta)

    def test_accuracy(self, beta: FloatArray) -> FloatArray | None:
        """Share of the test rows whose class is right: ``(..., P, R) -> (..., R)``; ``None``
        without classes or test rows."""
        return None

    def test_auc(self, beta: FloatArray) -> FloatArray | None:
        """Area under the ROC curve on the test rows: ``(P, R) -> (R,)``, or ``None``."""
        return None

    @property
    def kept(self) -> int:
        """Numbers that ``at`` has for a model."""
        return self.parameters

    def at(self, beta: FloatArray) -> FloatArray:
        """What the learner keeps of models to take losses and gradients there later, linear in
        the model: here the parameters, ``(..., P, R)``."""
        return beta

    def loss_at(self, at: FloatArray) -> FloatArray:
        """Mean loss over the training rows, without L2: ``(..., R)``."""
        return self.mean_loss(self.X, self.y, at)

    def gradient_at(self, at: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """``(1/N) sum_i w_i g_i``, without L2, with partition weights ``(R, k)``, or 1 without:
        ``(..., P, R)``. Cost: one pass over the data, whatever k is."""
        return self.summed_gradient(self.X, self.y, at, self._row_weights(weights)) / self.rows

    def scores_at(self, at: FloatArray, beta: FloatArray) -> FloatArray:
        """What is recorded of models, ``(3, ..., R)``: mean loss over the training rows, over the
        test rows, and ``test_accuracy``; NaN what there is not. ``at`` is ``at(beta)``."""
        return scores(self.loss_at(at), *self.tested(beta))

    def scores_and_gradient_at(
        self, at: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray | None, FloatArray]:
        """``gradient_at``, and ``scores_at`` where one pass gives both; else ``None``."""
        return None, self.gradient_at(at, weights)

    def _row_weights(self, weights: FloatArray | None) -> FloatArray | None:
        return None if weights is None else np.repeat(weights, self.partition_sizes, axis=1)

    def gradient_of(self, partition: int, beta: FloatArray) -> FloatArray:
        """``(1/N) g_i(beta)`` of partition i, without L2, at R models: ``(..., P, R)``."""
        rows, X = self._blocks[partition]
        return self.summed_gradient(X, self.y[rows], beta) / self.rows

    def single_gradients(self, partition: IntArray, beta: FloatArray) -> FloatArray:
        """``gradient_of`` for ``(G,)`` partitions, each at L models of its own: ``(G, L, P) -> (G,
        L, P)``. Cost: a call for each different partition."""
        gradients = np.empty_like(beta)
        for i in np.unique(partition).tolist():
            own = partition == i
            models = beta[own].reshape(-1, self.parameters)
            gradients[own] = self.gradient_of(i, models.T).T.reshape(gradients[own].shape)
        return gradients

    def held(self, held: int, rates: int, width: int) -> HeldGradients:
        """Storage of gradients of every partition, for ``steps.Held``."""
        return HeldGradients(self, held, rates, width)

    @property
    def held_size(self) -> int:
        """Numbers of a held gradient of every partition, for a model."""
        return self.partitions * self.parameters

    def merged(self, initial: FloatArray) -> tuple[Self, FloatArray, Csr | None]:
        """The same in fewer coordinates, its start, and how to get back; here it is as it is."""
        return self, initial, None

    def loss(self, beta: FloatArray) -> FloatArray:
        """Mean data loss, without L2: ``(P, R) -> (R,)``."""
        return self.loss_at(self.at(beta))

    def gradient(self, beta: FloatArray, partition_weights: FloatArray | None = None) -> FloatArray:
        """``(1/N) sum_i w_i g_i(beta)``, without L2: ``(P, R)``, ``(R, k)`` -> ``(P, R)``."""
        return self.gradient_at(self.at(beta), partition_weights)

    def test_loss(self, beta: FloatArray) -> FloatArray | None:
        """Mean loss over the test rows: ``(..., P, R) -> (..., R)``; ``None`` without any."""
        if self.X_test is None or self.y_test is None:
            return None
        return self.mean_loss(self.X_test, self.y_test, beta)

    def objective(self, beta: FloatArray) -> FloatArray:
        """``loss + l2 ||beta||^2``: ``(P, R) -> (R,)``."""
        return np.asarray(self.loss(beta) + self.l2 * np.square(beta).sum(axis=0))

    def l2_gradient(self, beta: FloatArray) -> FloatArray:
        """``2 l2 beta``, of any shape."""
        return np.asarray(2 * self.l2 * beta)

    @cached_property
    def partition_sizes(self) -> IntArray:
        """Rows of each partition: ``(k,)``; the first N mod k have one row more."""
        size, larger = divmod(self.rows, self.partitions)
        return size + (np.arange(self.partitions) < larger).astype(np.int64)

    @cached_property
    def _blocks(self) -> list[tuple[slice, Matrix]]:
        ends = [0, *np.cumsum(self.partition_sizes).tolist()]
        return [(slice(start, end), self.X[start:end]) for start, end in pairwise(ends)]


def scores(train: FloatArray, test: FloatArray | None, right: FloatArray | None) -> FloatArray:
    """``(3, ..., R)``, of ``(..., R)`` each; NaN what there is not."""
    kept = np.full((3, *train.shape), np.nan)
    for row, values in zip(kept, (train, test, right), strict=True):
        if values is not None:
            row[...] = values
    return kept


def as_rows(beta: FloatArray) -> FloatArray:
    """``(..., P, R)`` models as rows, ``(M, P)``."""
    return np.ascontiguousarray(beta.swapaxes(-1, -2)).reshape(-1, beta.shape[-2])


def _numbers(name: str, values: Any, axes: int) -> Any:
    """A dense C-order array of floats, or a sparse one; what is one already is not copied.
    Raises InvalidParameter: these are no numbers, or have another number of axes."""
    if values is None:
        return None
    if isinstance(values, scipy.sparse.csr_array) and values.dtype == np.float64:
        return values
    if scipy.sparse.issparse(values):
        whole: Any = values
        return scipy.sparse.csr_array(whole).astype(np.float64)
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidParameter(name, values, "must be numbers") from None
    if np.ndim(values) != axes:
        shape = "(rows, features)" if axes == 2 else "(rows,)"
        raise InvalidParameter(name, np.shape(values), f"its shape must be {shape}")
    return array
