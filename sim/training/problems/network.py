"""Networks with several classes, in NumPy: softmax regression, and layers of ReLU units before it.

A model's parameters are, layer after layer, the weights row by row and then the biases. All
replications are computed side by side, each by matrix products of its own, so that its bits do not
depend on who stands beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, ClassVar, final

import numpy as np
from annotated_types import MinLen
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...base.fields import STRICT, Count, Seed
from ...base.types import FloatArray, IntArray
from .objective import Objective, Task, as_rows, scores


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Start:
    """The start of a network.

    Args:
        seed: of the draws; without it the run's.
    """

    seed: Seed


@dataclass(frozen=True, config=STRICT, kw_only=True)
class MlpFields:
    """What a config says of a network beside its data.

    Args:
        hidden: units of each hidden layer.
        start: ``{seed: ...}``: draws of the start, the same for every scheme and replication;
            default from the run's seed.
    """

    hidden: Annotated[tuple[Count, ...], MinLen(1)]
    start: Start | None = None


LAYER_NUMBERS_AT_ONCE = 2**17  # 1 MiB: a few fit in the cache


@dataclasses.dataclass(frozen=True, eq=False)
class NeuralNetwork(Objective):
    """Mean cross-entropy of softmax over C classes, after fully connected layers; abstract.
    Raises ``InvalidParameter``: labels are not whole numbers from 0, or the data are sparse."""

    task: ClassVar[Task] = "classes"
    _: dataclasses.KW_ONLY
    hidden: tuple[int, ...] = ()  # units of each hidden layer
    classes: int = 0  # C; 0: as many as the largest label says, at least two

    @override
    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_dense("a network")
        object.__setattr__(self, "classes", self.count_classes(self.classes, 2))

    @cached_property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        return [*pairwise([self.features, *self.hidden, self.classes])]

    @property
    @override
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)

    @override
    def test_accuracy(self, beta: FloatArray) -> FloatArray | None:
        return self.tested(beta)[1]

    @override
    def tested(self, beta: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        """The share of the right is NaN for a model that has diverged."""
        if self.X_test is None or self.y_test is None:
            return None, None
        right = np.zeros(beta.shape[:-2] + beta.shape[-1:])
        loss = self.mean_loss(self.X_test, self.y_test, beta, right.reshape(-1))
        return loss, right / len(self.y_test)

    @override
    def mean_loss(
        self, X: Any, y: FloatArray, beta: FloatArray, right: FloatArray | None = None
    ) -> FloatArray:
        """To ``right``, ``(M,)``, is added how many rows are right. Cost: a product a layer."""
        models, label = as_rows(beta), y.astype(np.intp)
        total = np.zeros(len(models))
        for rows, some in self._batches(len(y), len(models)):
            outputs = self._forward(X[rows], models[some])[-1]
            if right is not None:
                right[some] += (outputs.argmax(axis=-1) == label[rows]).sum(axis=-1)
                right[some] += np.where(np.isfinite(outputs).all(axis=(-1, -2)), 0.0, np.nan)
            _exponentials(outputs, label[rows], total[some])
        return (total / len(y)).reshape(beta.shape[:-2] + beta.shape[-1:])

    @override
    def scores_and_gradient_at(
        self, at: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Cost: three products for each layer, and one with the test rows."""
        total = np.zeros(at.shape[:-2] + at.shape[-1:])
        rows = self.X, self.y, at, self._row_weights(weights)
        gradient = self.summed_gradient(*rows, total.reshape(-1))
        return scores(total / self.rows, *self.tested(beta)), gradient / self.rows

    @override
    def summed_gradient(
        self,
        X: Any,
        y: FloatArray,
        beta: FloatArray,
        weights: FloatArray | None = None,
        total: FloatArray | None = None,
    ) -> FloatArray:
        """To ``total``, ``(M,)``, are added the rows' losses. Cost: three products a layer."""
        models, label = as_rows(beta), y.astype(np.intp)
        gradients, lead = np.zeros(models.shape), beta.shape[:-2]
        every = None if weights is None else np.tile(weights, (int(np.prod(lead)), 1))
        for rows, some in self._batches(len(y), len(models)):
            values = self._forward(X[rows], models[some])
            slopes = values[-1]
            slopes /= _exponentials(slopes, label[rows], None if total is None else total[some])
            slopes[:, np.arange(slopes.shape[1]), label[rows]] -= 1.0
            if every is not None:
                slopes *= every[some, rows, None]
            self._backward(values, slopes, models[some], gradients[some])
        return np.ascontiguousarray(gradients.reshape(*lead, -1, self.parameters).swapaxes(-1, -2))

    def _batches(self, rows: int, models: int) -> Iterator[tuple[slice, slice]]:
        """Some rows and some models at a time. How many rows depends on the layers alone, so that
        a model's sums do not depend on those beside it."""
        widest = max(outputs for _, outputs in self.layers)
        step = min(rows, max(1, LAYER_NUMBERS_AT_ONCE // widest))
        together = max(1, LAYER_NUMBERS_AT_ONCE // (step * widest))
        for first in range(0, rows, step):
            for model in range(0, models, together):
                yield slice(first, first + step), slice(model, model + together)

    def _unpacked(self, models: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Weights ``(M, inputs, outputs)`` and biases ``(M, 1, outputs)`` of each layer; views."""
        first = 0
        for inputs, outputs in self.layers:
            end = first + inputs * outputs
            matrix = models[:, first:end].reshape(-1, inputs, outputs)
            yield matrix, models[:, None, end : end + outputs]
            first = end + outputs

    def _forward(self, X: FloatArray, models: FloatArray) -> list[FloatArray]:
        """What enters each layer, and last the scores, ``(M, m, C)``."""
        values = [X]
        for layer, (matrix, bias) in enumerate(self._unpacked(models)):
            value = values[-1] @ matrix
            value += bias
            if layer < len(self.hidden):
                np.maximum(value, 0.0, out=value)
            values.append(value)
        return values

    def _backward(
        self,
        values: list[FloatArray],
        slopes: FloatArray,
        models: FloatArray,
        gradients: FloatArray,
    ) -> None:
        """Add the gradients of M models, from the slopes ``(M, m, C)`` of their scores."""
        layers = [*zip(self._unpacked(models), self._unpacked(gradients), strict=True)]
        for layer in reversed(range(len(layers))):
            (matrix, _), (into, bias) = layers[layer]
            into += values[layer].swapaxes(-1, -2) @ slopes
            bias += slopes.sum(axis=-2, keepdims=True)
            if layer:
                slopes = slopes @ matrix.swapaxes(-1, -2)
                slopes *= values[layer] > 0


def _exponentials(scores: FloatArray, label: IntArray, total: FloatArray | None) -> FloatArray:
    """In place ``(M, m, C)`` scores become exp(score - the row's largest); returns their sums ``(M,
    m, 1)``. To ``total``, ``(M,)``, are added the losses of the rows."""
    scores -= scores.max(axis=-1, keepdims=True)
    right = None if total is None else scores[:, np.arange(len(label)), label]
    np.exp(scores, out=scores)
    sums = scores.sum(axis=-1, keepdims=True)
    if total is not None:
        total += (np.log(sums[..., 0]) - right).sum(axis=-1)
    return np.asarray(sums)


# To add a loss: a final subclass of ``Objective`` and a line in ``LOSSES``.
@final
@dataclasses.dataclass(frozen=True, eq=False)
class Softmax(NeuralNetwork):
    """Mean cross-entropy of a linear model with a score for each class: a row of weights for each
    feature, and one of biases. ``l2`` covers the biases, too."""


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Mlp(NeuralNetwork):
    """Mean cross-entropy of a network of ReLU units. It starts with weights of variance 2 over a
    layer's inputs (1 over them in the last layer) and biases of zero.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers" (2015), section 2.2."""

    fields: ClassVar[type[Any] | None] = MlpFields

    @override
    def start(self, rng: np.random.Generator) -> FloatArray:
        numbers = []
        for layer, (inputs, outputs) in enumerate(self.layers):
            scale = np.sqrt((2.0 if layer < len(self.hidden) else 1.0) / inputs)
            numbers += [scale * rng.standard_normal(inputs * outputs), np.zeros(outputs)]
        return np.concatenate(numbers)
