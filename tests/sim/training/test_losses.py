"""Losses, and equal features merged into one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import check_grad
from sklearn.metrics import roc_auc_score

from erasurehead.plugins import InvalidParameter
from erasurehead.problems import LeastSquares, Logistic, Problem
from erasurehead.sim.training.problems import base
from erasurehead.sim.training.problems.base import class_basis
from erasurehead.sim.training.problems.losses import area_under_curve
from tests.tools import LINEAR

# Losses and gradients against finite differences, explicit sums and the other storage.


ROWS, FEATURES, PARTITIONS = 23, 5, 4

every_loss = pytest.mark.parametrize("loss", LINEAR.values(), ids=LINEAR.keys())


def make(loss: type[Problem], l2: float = 0.3, sparse_data: bool = False, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((ROWS, FEATURES)) * (rng.random((ROWS, FEATURES)) < 0.6)
    X_test = rng.standard_normal((9, FEATURES))
    if loss.task == "classification":
        y, y_test = rng.choice([-1.0, 1.0], ROWS), np.where(np.arange(9) % 2, 1.0, -1.0)
    else:
        y, y_test = rng.standard_normal(ROWS), rng.standard_normal(9)
    kind: Any = sparse.csr_array if sparse_data else np.asarray
    tests = {"X_test": kind(X_test), "y_test": y_test}
    return loss(kind(X), y, partitions=PARTITIONS, l2=l2, **tests)


def betas(columns: int = 3, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((FEATURES, columns))


@every_loss
def test_gradient_is_the_derivative_of_the_loss(loss: type[Problem]) -> None:
    problem = make(loss)
    error = check_grad(
        lambda b: problem.loss(b[:, None])[0],
        lambda b: problem.gradient(b[:, None])[:, 0],
        betas()[:, 0],
    )
    assert error < 1e-6


@every_loss
def test_l2_gradient_is_the_derivative_of_what_the_objective_adds(loss: type[Problem]) -> None:
    problem = make(loss)
    error = check_grad(
        lambda b: problem.objective(b[:, None])[0],
        lambda b: (problem.gradient(b[:, None]) + problem.l2_gradient(b[:, None]))[:, 0],
        betas()[:, 0],
    )
    assert error < 1e-6


def test_losses_are_the_textbook_means() -> None:
    logistic, squares = make(Logistic), make(LeastSquares)
    beta = betas()
    expected = [
        np.mean(
            [np.log(1 + np.exp(-y * (x @ b))) for x, y in zip(logistic.X, logistic.y, strict=True)]
        )
        for b in beta.T
    ]
    np.testing.assert_allclose(logistic.loss(beta), expected, rtol=1e-13)
    expected = [np.mean((squares.y_test - squares.X_test @ b) ** 2) for b in beta.T]
    np.testing.assert_allclose(squares.test_loss(beta), expected, rtol=1e-13)


@every_loss
def test_each_column_is_a_model_of_its_own(loss: type[Problem]) -> None:
    problem, beta = make(loss), betas()
    for j in range(beta.shape[1]):
        column = beta[:, [j]]
        np.testing.assert_allclose(problem.gradient(beta)[:, [j]], problem.gradient(column))
        np.testing.assert_allclose(problem.loss(beta)[[j]], problem.loss(column))


@every_loss
def test_partition_gradients_are_sums_over_array_split_blocks(loss: type[Problem]) -> None:
    problem, beta = make(loss), betas()[:, 0]
    gradients = problem.partition_gradients(beta)
    assert gradients.shape == (FEATURES, PARTITIONS)
    for i, block in enumerate(np.array_split(np.arange(ROWS), PARTITIONS)):
        alone = loss(problem.X[block], problem.y[block])
        np.testing.assert_allclose(
            gradients[:, i], len(block) * alone.gradient(beta[:, None])[:, 0], rtol=1e-12
        )
    whole = problem.gradient(beta[:, None])[:, 0]
    np.testing.assert_allclose(gradients.sum(axis=1) / ROWS, whole, rtol=1e-12)


@every_loss
@pytest.mark.parametrize("sparse_data", [False, True])
def test_weighted_gradient_is_the_weighted_sum(loss: type[Problem], sparse_data: bool) -> None:
    problem, beta = make(loss, sparse_data=sparse_data), betas()
    weights = np.random.default_rng(2).standard_normal((3, PARTITIONS))
    weights[0, 1] = 0.0
    weighted = problem.gradient(beta, weights)
    for r in range(3):
        expected = problem.partition_gradients(beta[:, r]) @ weights[r] / ROWS
        np.testing.assert_allclose(weighted[:, r], expected, rtol=1e-12)


@every_loss
def test_unit_weights_are_no_weights(loss: type[Problem]) -> None:
    problem, beta = make(loss), betas()
    np.testing.assert_allclose(
        problem.gradient(beta, np.ones((3, PARTITIONS))), problem.gradient(beta), rtol=1e-13
    )


@every_loss
def test_sparse_and_dense_data_agree(loss: type[Problem]) -> None:
    dense, thin, beta = make(loss), make(loss, sparse_data=True), betas()
    np.testing.assert_allclose(thin.loss(beta), dense.loss(beta), rtol=1e-13)
    np.testing.assert_allclose(thin.gradient(beta), dense.gradient(beta), rtol=1e-12)
    np.testing.assert_allclose(thin.test_loss(beta), dense.test_loss(beta), rtol=1e-13)
    np.testing.assert_allclose(
        thin.partition_gradients(beta[:, 0]), dense.partition_gradients(beta[:, 0]), rtol=1e-12
    )


@every_loss
@pytest.mark.parametrize("sparse_data", [False, True])
@pytest.mark.parametrize("at_once", [1, 30, 2**15])  # a block of rows may end among the test rows
def test_one_pass_gives_the_losses_and_the_gradient_of_two(loss, sparse_data, at_once, monkeypatch):
    problem, beta = make(loss, sparse_data=sparse_data), betas()
    monkeypatch.setattr(base, "NUMBERS_AT_ONCE", at_once)
    at, weights = problem.at(beta), np.random.default_rng(2).random((3, PARTITIONS))
    (train, test, right), gradient = problem.scores_and_gradient_at(at, beta, weights)
    np.testing.assert_array_equal(gradient, problem.gradient_at(at, weights))
    np.testing.assert_array_equal([train, test], problem.scores_at(at, beta)[:2])
    np.testing.assert_allclose(train, problem.mean_loss(problem.X, problem.y, beta), rtol=1e-14)
    np.testing.assert_allclose(test, problem.test_loss(beta), rtol=1e-14)
    assert np.isnan(right).all()


def test_logistic_loss_is_finite_at_any_margin() -> None:
    """Catches exp(-y z) written naively, and a slope that overflows to NaN."""
    X = np.array([[1.0]])
    for label in (-1.0, 1.0):
        problem = Logistic(X, np.array([label]), partitions=1)
        beta = np.array([[-np.inf, -2000.0, -40.0, 0.0, 40.0, 2000.0, np.inf]])
        loss, slope = problem.loss(beta * label), problem.gradient(beta * label)[0] * label
        tiny = np.exp(-40.0)
        expected = [np.inf, 2000, 40 + tiny, np.log(2), tiny, 0, 0]
        np.testing.assert_allclose(loss, expected, rtol=1e-14)
        slopes = [-1, -1, -1, -0.5, -tiny, 0, 0]
        np.testing.assert_allclose(slope, slopes, rtol=1e-13, atol=1e-300)
        mild = problem.loss(beta[:, 2:5] * label)  # nor does a model see how far others are
        np.testing.assert_array_equal(mild, loss[2:5])


def test_auc_is_the_share_of_ordered_pairs() -> None:
    problem, beta = make(Logistic), betas()
    expected = []
    for b in beta.T:
        scores = problem.X_test @ b
        plus, minus = scores[problem.y_test > 0], scores[problem.y_test < 0]
        expected.append(np.mean(plus[:, None] > minus))
    np.testing.assert_allclose(problem.test_auc(beta), expected)


@pytest.mark.parametrize("rows", [2, 3, 114, 2000])
def test_auc_is_that_of_scikit_learn_to_the_bit(rows: int) -> None:
    """Catches a sum in another order; scores with ties, all equal, in order and in reverse."""
    rng = np.random.default_rng(rows)
    for _ in range(20):
        y = rng.permutation(np.append([-1.0, 1.0], rng.choice([-1.0, 1.0], rows - 2)))
        scores = rng.standard_normal(rows) + y
        for tried in (scores, np.round(scores), np.zeros(rows), y, -y):
            assert area_under_curve(y > 0, tried) == roc_auc_score(y, tried)


def test_auc_where_there_is_none() -> None:
    problem = make(Logistic)
    bare = Logistic(problem.X, problem.y, partitions=2)
    assert bare.test_loss(betas()) is None
    assert bare.test_auc(betas()) is None
    assert make(LeastSquares).test_auc(betas()) is None
    one_class = Logistic(
        problem.X, problem.y, partitions=2, l2=0.0, X_test=problem.X_test, y_test=np.ones(9)
    )
    assert one_class.test_auc(betas()) is None
    diverged = betas()
    diverged[0, 1] = np.inf
    auc = problem.test_auc(diverged)
    assert np.isnan(auc).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"partitions": ROWS + 1}, "rows"),
        ({"y": np.ones(ROWS - 1)}, "y"),
        ({"y": np.zeros(ROWS)}, "y"),
        ({"y_test": None}, "X_test"),
        ({"X_test": np.ones((9, FEATURES + 1))}, "X_test"),
        ({"y_test": np.full(9, np.nan)}, "y_test"),
        ({"y_test": np.ones(8)}, "X_test"),
    ],
)
def test_data_that_do_not_fit_are_refused(arguments: dict[str, object], field: str) -> None:
    good = make(Logistic)
    values = {
        name: getattr(good, name) for name in ("X", "y", "partitions", "l2", "X_test", "y_test")
    }
    with pytest.raises(InvalidParameter) as refused:
        Logistic(**{**values, **arguments})
    assert refused.value.field == field


@every_loss
@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("at_once", [1, 7, 12, 10_000])
def test_rows_may_be_looked_at_a_few_at_a_time(loss, columns, at_once, monkeypatch):
    """However the cut falls: catches a last part left out, and weights of another's partition."""
    problem, beta = make(loss), betas(columns)
    weights = np.random.default_rng(3).random((columns, PARTITIONS))
    losses = problem.row_losses(problem.X @ beta, problem.y).mean(axis=0)
    parts = [problem.partition_gradients(beta[:, j]) @ weights[j] for j in range(columns)]
    monkeypatch.setattr(base, "NUMBERS_AT_ONCE", at_once)
    np.testing.assert_allclose(problem.loss(beta), losses, rtol=1e-14)
    np.testing.assert_allclose(
        problem.gradient(beta, weights), np.transpose(parts) / ROWS, rtol=1e-12, atol=1e-15
    )


@every_loss
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("at_once", [1, 70, 10_000])
def test_single_gradients_together_are_those_of_a_plain_loop_to_the_bit(
    loss, sparse_data, models, at_once, monkeypatch
):
    """23 rows in 4 partitions: catches one that is cut as its larger neighbours are."""
    monkeypatch.setattr(base, "NUMBERS_AT_ONCE", at_once)
    problem, rng = make(loss, sparse_data=sparse_data), np.random.default_rng(4)
    for gradients in (0, 1, 2, 9):
        partition = rng.integers(0, PARTITIONS, gradients)
        beta = rng.standard_normal((gradients, models, FEATURES))
        found = problem.single_gradients(partition, beta)
        assert found.shape == beta.shape
        for i, several, gradient in zip(partition, beta, found, strict=True):
            each = [problem.gradient_of(i, one[:, None])[:, 0] for one in several]
            np.testing.assert_array_equal(gradient, each)


# Merging equal features is a change of coordinates: the same margins, gradients and norms.


COLUMNS = np.array(
    # The last columns: twins of the first, an opposite, a multiple, a twin again, and an empty one.
    [
        [1.0, 0.0, 2.0, 1.0, -1.0, 2.0, 1.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3.0, 1.0, 0.0, 3.0, -3.0, 6.0, 3.0, 0.0],
        [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 0.0, 1.0, -1.0, 2.0, 1.0, 0.0],
    ]
)


def problem() -> LeastSquares:
    rng = np.random.default_rng(0)
    X_test = sparse.csr_array(rng.standard_normal((3, COLUMNS.shape[1])))
    y, y_test = rng.standard_normal(5), rng.standard_normal(3)
    return LeastSquares(
        sparse.csr_array(COLUMNS), y, partitions=2, l2=0.1, X_test=X_test, y_test=y_test
    )


def test_classes_are_the_equal_columns() -> None:
    basis = class_basis(sparse.csr_array(COLUMNS)).toarray()
    members = {tuple(np.flatnonzero(column)) for column in basis.T}
    assert members == {(0, 3, 6), (1,), (2,), (4,), (5,)}
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-15)
    np.testing.assert_allclose(COLUMNS @ basis @ basis.T, COLUMNS, rtol=1e-15, atol=1e-15)


def test_classes_with_most_non_zeros_come_first() -> None:
    merged = sparse.csr_array(COLUMNS) @ class_basis(sparse.csr_array(COLUMNS))
    counts = np.count_nonzero(merged.toarray(), axis=0)
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)


@pytest.mark.parametrize("start", ["zeros", "spanned", "nearly spanned", "any"])
def test_the_merged_problem_is_the_same_problem(start: str) -> None:
    original = problem()
    rng = np.random.default_rng(1)
    initial = {
        "zeros": np.zeros(8),
        "spanned": np.array([1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 1.0, 0.0]),
        "nearly spanned": np.array([1.1, 2.0, 3.0, 1.1 + 1e-9, 4.0, 5.0, 1.1, 0.0]),
        "any": rng.standard_normal(8),
    }[start]
    merged, coordinates, basis = original.merged(initial)
    assert merged.features == coordinates.size == (5 if start in ("zeros", "spanned") else 6)
    S = basis.toarray()
    np.testing.assert_allclose(S.T @ S, np.eye(S.shape[1]), atol=1e-14)
    np.testing.assert_allclose(S @ coordinates, initial, atol=1e-14)
    beta, b = initial[:, None], coordinates[:, None]
    weights = rng.random((1, 2))
    np.testing.assert_allclose(merged.loss(b), original.loss(beta), rtol=1e-13)
    np.testing.assert_allclose(merged.objective(b), original.objective(beta), rtol=1e-13)
    np.testing.assert_allclose(merged.test_loss(b), original.test_loss(beta), rtol=1e-12)
    np.testing.assert_allclose(
        S @ merged.gradient(b, weights), original.gradient(beta, weights), atol=1e-13
    )


def test_dense_data_are_left_alone() -> None:
    dense = LeastSquares(COLUMNS, np.ones(5), partitions=2)
    initial = np.ones(8)
    same, start, basis = dense.merged(initial)
    assert same is dense
    assert start is initial
    assert basis is None
