"""Objectives of any kind: networks, and what every scheme does with them."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import erasurehead as eh
from erasurehead.delays import Exponential
from erasurehead.optimizers import GradientDescent
from erasurehead.plugins import FloatArray, GivenWeights, Sees
from erasurehead.problems import LeastSquares, Mlp, Objective, OwnModel, Softmax
from erasurehead.schemes import SCHEMES
from erasurehead.sim.training.learner import Learner, train, training_context
from erasurehead.sim.training.optimizers import OPTIMIZERS
from erasurehead.sim.training.problems.objective import Task
from erasurehead.sim.training.steps import Dense, Held

ROWS, K, R = 29, 6, 3


def network(kind: type[Any] = Mlp, k: int = K, **more: Any) -> Any:
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((ROWS, 4)), rng.integers(0, 3, ROWS).astype(float)
    if kind is Mlp:
        more = {"hidden": (5, 4)} | more
    return kind(X[:24], y[:24], partitions=k, X_test=X[24:], y_test=y[24:], **more)


def models(problem: Objective, *lead: int) -> FloatArray:
    return np.random.default_rng(1).standard_normal((*lead, problem.parameters, R))


@pytest.mark.parametrize("kind", [Softmax, Mlp])
def test_gradients_are_the_slopes_of_the_loss(kind: type[Any]) -> None:
    """Central differences, along random directions, of the loss of each partition's weights."""
    problem, rng = network(kind), np.random.default_rng(2)
    beta, weights = models(problem), rng.uniform(-1, 2, (R, K))

    def loss(at: FloatArray) -> FloatArray:
        ends = np.cumsum(problem.partition_sizes)[:-1]
        partitions = zip(np.split(problem.X, ends), np.split(problem.y, ends), strict=True)
        parts = [problem.mean_loss(X, y, at) for X, y in partitions]
        shares = weights * problem.partition_sizes / problem.rows
        return np.asarray((np.array(parts).T * shares).sum(axis=1))

    for _ in range(5):
        along = rng.standard_normal(beta.shape)
        slope = (loss(beta + 1e-6 * along) - loss(beta - 1e-6 * along)) / 2e-6
        exact = (problem.gradient(beta, weights) * along).sum(axis=0)
        np.testing.assert_allclose(slope, exact, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", [Softmax, Mlp])
def test_a_weighted_pass_is_the_sum_of_partition_gradients(kind: type[Any]) -> None:
    problem, rng = network(kind), np.random.default_rng(2)
    beta, weights = models(problem, 2), rng.uniform(-1, 2, (R, K))
    found = problem.gradient_at(problem.at(beta), weights)
    each = np.stack([problem.gradient_of(i, beta) for i in range(K)])
    expected = np.einsum("klpr,rk->lpr", each, weights)
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
    partition = np.array([3, 0, 3, 5])
    points = rng.standard_normal((4, 2, problem.parameters))
    single = problem.single_gradients(partition, points)
    for place, part in enumerate(partition.tolist()):
        alone = problem.gradient_of(part, points[place].T).T
        np.testing.assert_allclose(single[place], alone, rtol=1e-12, atol=1e-15)


def test_a_model_has_the_bits_that_it_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands beside it."""
    problem = network()
    monkeypatch.setattr("erasurehead.sim.training.problems.network.LAYER_NUMBERS_AT_ONCE", 60)
    beta, weights = models(problem, 2), np.random.default_rng(2).uniform(0, 2, (R, K))
    gradient, loss = problem.gradient_at(beta, weights), problem.loss_at(beta)
    for which in range(R):
        alone = beta[1, :, which : which + 1]
        np.testing.assert_array_equal(
            problem.gradient(alone, weights[which : which + 1])[:, 0], gradient[1, :, which]
        )
        np.testing.assert_array_equal(problem.loss(alone), loss[1, which : which + 1])


@pytest.mark.parametrize("rule", ["gd", "nesterov"])
def test_losses_that_come_with_the_next_gradient_are_those_of_their_models(rule: str) -> None:
    """Training takes both from one pass where it can; an evaluation at once takes its own."""
    problem, rng = network(l2=0.0), np.random.default_rng(3)
    optimizer = OPTIMIZERS[rule](learning_rate=0.2)
    weights, start = rng.uniform(0, 2, (R, 4, K)), rng.standard_normal(problem.parameters)
    learned = train(problem, optimizer, start, GivenWeights(np.ones((R, 4)), weights), 4)
    with training_context():
        learner = Learner(problem, [optimizer], start, R)
        losses = [learner.evaluate()[0]]
        for t in range(4):
            learner.update(Dense(weights[:, t]))
            losses.append(learner.evaluate()[0])
    np.testing.assert_array_equal(learned.train_loss, np.stack(losses, axis=1))
    np.testing.assert_array_equal(learned.train_loss[:, -1], problem.loss(learned.final_beta))


def test_by_hand() -> None:
    """One unit, two classes: loss log(1 + exp(s_other - s_right)); half of the rows are right."""
    X, y = np.array([[1.0], [-1.0]]), np.array([0.0, 1.0])
    problem = Mlp(X, y, hidden=(1,), X_test=X, y_test=y)
    beta = np.array([[2.0, 0.5, 1.0, -1.0, 0.0, 0.25]]).T  # w, b, out weights, out biases
    unit = np.maximum(2.0 * X[:, 0] + 0.5, 0.0)
    away = np.array([-unit[0] + 0.25 - unit[0], unit[1] - (-unit[1] + 0.25)])
    np.testing.assert_allclose(problem.loss(beta), np.log1p(np.exp(away)).mean(), rtol=1e-14)
    assert problem.test_accuracy(beta) == [1.0]
    beta[4:] = [[9.0], [0.0]]
    assert problem.test_accuracy(beta) == [0.5]
    assert np.isnan(problem.test_accuracy(beta * np.nan)).all()
    assert (problem.classes, problem.parameters) == (2, 6)


@pytest.mark.parametrize("model", [Softmax, partial(OwnModel, model="never_read.py")])
def test_labels_that_are_no_classes_and_features_that_are_sparse(model: Any) -> None:
    X, y = np.ones((3, 2)), np.array([0.0, 1.0, 0.0])
    for wrong in ([-1.0, 1.0, 1.0], [0.5, 1.0, 0.0], [0.7, 1.7, 0.7]):
        with pytest.raises(eh.ConfigError, match="labels must be whole numbers below"):
            model(X, np.array(wrong))
        with pytest.raises(eh.ConfigError, match="labels must be whole numbers below"):
            model(X, y, X_test=X, y_test=np.array(wrong))
    with pytest.raises(eh.ConfigError, match="labels must be whole numbers below 2"):
        model(X, 2 * y, classes=2)
    thin = sparse.csr_array(X)
    for training, test in ((thin, X), (X, thin)):
        with pytest.raises(eh.ConfigError, match="needs dense features"):
            model(training, y, X_test=test, y_test=y)


def test_classes_are_counted_from_the_largest_label() -> None:
    X = np.ones((3, 2))
    assert Softmax(X, np.array([0.0, 4.0, 0.0])).classes == 5


def test_held_gradients_by_hand() -> None:
    """Each partition's last fresh gradient counts, at the model where it was taken."""
    problem, rng = network(k=2), np.random.default_rng(3)
    held, sums = problem.held(1, 1, R), []
    kept = np.zeros((2, problem.parameters, R))
    for _ in range(3):
        beta, fresh = rng.standard_normal((1, problem.parameters, R)), rng.random((R, 1, 2)) < 0.5
        weights = rng.uniform(0, 2, (R, 1, 2))
        sums.append(held.mixed(Held(fresh, weights), problem.at(beta))[0])
        for i in range(2):
            kept[i] = np.where(fresh[:, 0, i], problem.gradient_of(i, beta[0]), kept[i])
        np.testing.assert_allclose(sums[-1], (kept * weights[:, 0].T[:, None]).sum(axis=0))


@dataclasses.dataclass(frozen=True, eq=False)
class Plain(Objective):
    """Least squares as any objective: it knows nothing of margins."""

    task: ClassVar[Task] = "regression"

    @property
    def parameters(self) -> int:
        return self.features

    def mean_loss(self, X: Any, y: FloatArray, beta: FloatArray) -> FloatArray:
        return np.asarray(np.square(X @ beta - y[:, None]).mean(axis=-2))

    def summed_gradient(self, X, y, beta, weights=None):
        slopes = 2 * (X @ beta - y[:, None])
        return np.asarray(X.T @ (slopes if weights is None else slopes * weights.T))


NAMED = [cls.examples()[0] for cls in SCHEMES.values()]
BLIND = [each for each in NAMED if getattr(each.build(12), "sees", None) is not Sees.LOSSES]


@pytest.mark.parametrize("scheme", BLIND, ids=lambda made: made.name)
def test_every_scheme_trains_any_objective_as_a_linear_one(scheme: Any) -> None:
    """Every kind of update: dense, of old models, sparse, renewed, held and local. Schemes that
    decide by the losses are in the next test."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((72, 3)), rng.standard_normal(72)
    run = eh.simulate(scheme, Exponential(rate=1.0), workers=12, iterations=8, replications=2)
    rule = GradientDescent(learning_rate=0.05)
    with np.errstate(all="ignore"):  # some codes diverge: so must both
        linear, other = (eh.train(run, kind(X, y, l2=0.1), rule) for kind in (LeastSquares, Plain))
    np.testing.assert_allclose(other.train_loss, linear.train_loss, rtol=1e-9)


@pytest.mark.parametrize("name", SCHEMES)
def test_every_scheme_trains_a_network(name: str) -> None:
    """Losses fall, or at least stay finite, and both seeds are trained."""
    scheme = SCHEMES[name].examples()[0]
    problem = {"loss": "mlp", "hidden": [3], "dataset": "synthetic", "rows": 72, "features": 4}
    config = {"workers": 12, "iterations": 6, "replications": 2, "schemes": [scheme]}
    config |= {"delay": {"model": "exponential", "rate": 1.0}, "problem": problem}
    config |= {"optimizer": {"rule": "gd", "learning_rate": 0.02}}
    table = eh.run(config, output=None).iterations
    assert np.isfinite(table["train_loss"]).all()
    assert table["test_accuracy"].between(0, 1).all()
    last = table.query("iteration == 6")["train_loss"]
    first = table.query("iteration == 0")["train_loss"]
    assert (last.to_numpy() != first.to_numpy()).all()


def test_messages_are_as_large_as_the_model() -> None:
    """P numbers of 8 bytes, not one a feature."""
    problem = {"loss": "mlp", "hidden": [7], "dataset": "synthetic", "rows": 40, "features": 3}
    config: dict[str, Any] = {"workers": 4, "iterations": 3, "schemes": [{"name": "uncoded"}]}
    config |= {"delay": {"model": "deterministic", "value": 1.0}, "problem": problem}
    config |= {"optimizer": {"rule": "gd", "learning_rate": 0.1}, "network": {"bandwidth": 100.0}}
    size = 8 * ((3 + 1) * 7 + (7 + 1) * 2)
    table = eh.run(config, output=None).iterations
    given = eh.run(config | {"network": {"bandwidth": 100.0, "message_bytes": size}}, output=None)
    pd.testing.assert_frame_equal(table.iloc[:, 1:], given.iterations.iloc[:, 1:])
    assert table["time"].iloc[-1] > 3 * size / 100


def test_the_start_of_a_network_has_a_seed_of_its_own() -> None:
    problem = {"loss": "mlp", "hidden": [3], "dataset": "digits"}
    config: dict[str, Any] = {"workers": 2, "iterations": 1, "schemes": [{"name": "uncoded"}]}
    config |= {"delay": {"model": "deterministic", "value": 1.0}}
    config |= {"optimizer": {"rule": "gd", "learning_rate": 0.1}}

    def start(seed: int, **more: Any) -> float:
        table = eh.run(config | {"problem": problem | more, "seed": seed}, output=None).iterations
        return float(table["train_loss"].iloc[0])

    assert start(0) != start(1)
    assert start(0, start={"seed": 4}) == start(1, start={"seed": 4}) != start(1)


def test_a_network_that_diverges_is_a_result() -> None:
    problem = network(l2=0.0)
    with training_context():
        learner = Learner(
            problem, [GradientDescent(learning_rate=1e200)], np.ones(problem.parameters), 1
        )
        for _ in range(4):
            learner.update(None)
            learner.evaluate()
    [learned] = learner.learned()
    assert not np.isfinite(learned.train_loss[0, -1])
    assert np.isnan(learned.test_accuracy[0, -1])
