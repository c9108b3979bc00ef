"""The learner against the plain matrix products of the same shapes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.timing import Row, paired
from sim.learner import train
from sim.optimizers import OPTIMIZERS
from sim.problems import Problem
from sim.problems.logistic import LogisticLoss

ITERATIONS = 8
OPTIMIZER = OPTIMIZERS["gd"](learning_rate=0.1)


def rows() -> list[Row]:
    """Dense data against ``X @ B`` and ``X.T @ Z``; sparse data against single runs."""
    return [_dense(), _sparse()]


def _dense(n: int = 6000, p: int = 500, r: int = 256, k: int = 30) -> Row:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n, p)), np.sign(rng.standard_normal(n))
    problem = LogisticLoss(x, y, k)
    weights = (rng.random((ITERATIONS, r, k)) < 0.8).astype(float)
    beta, z = rng.standard_normal((p, r)), rng.standard_normal((n, r))

    def learner() -> object:
        return train(problem, OPTIMIZER, np.zeros(p), lambda t: weights[t], ITERATIONS, r)

    def products() -> None:
        with threadpool_limits(1):
            for _ in range(ITERATIONS):
                x @ beta
                x.T @ z

    mine, ratio = paired(learner, products)
    flops = ITERATIONS * 4 * n * p * r
    return Row(
        f"learner, dense {n} x {p}, {r} replications",
        "the plain products",
        ratio,
        0.6,
        flops / mine / 1e9,
        "GFLOP/s",
    )


def _sparse(n: int = 26_215, p: int = 241_915, per_row: int = 44, r: int = 32, k: int = 30) -> Row:
    """The shape of the Amazon data, one-hot: 44 ones a row (9 columns, 34 pairs, a constant)."""
    rng = np.random.default_rng(0)
    problem = LogisticLoss(_one_hot(rng, n, p, per_row), np.sign(rng.standard_normal(n)), k)
    weights = (rng.random((ITERATIONS, r, k)) < 0.8).astype(float)

    def together() -> object:
        return _train(problem, weights)

    def one_by_one() -> None:
        for j in range(r):
            _train(problem, weights[:, j : j + 1])

    mine, ratio = paired(together, one_by_one, repeats=3)
    flops = ITERATIONS * 4 * n * per_row * r
    subject = f"learner, sparse {n} x {p}, {r} replications"
    return Row(subject, f"{r} single runs", ratio, 1.4, flops / mine / 1e9, "GFLOP/s")


def _train(problem: Problem, weights: np.ndarray) -> object:
    r = weights.shape[1]
    start = np.zeros(problem.features)
    return train(problem, OPTIMIZER, start, lambda t: weights[t], ITERATIONS, r)


def _one_hot(rng: np.random.Generator, n: int, p: int, per_row: int) -> sparse.csr_array:
    """Each of ``per_row`` columns is a categorical variable with a skewed law of its own."""
    width = p // per_row
    levels = np.minimum((width * rng.random((n, per_row)) ** 4).astype(np.int32), width - 1)
    columns = levels + np.arange(per_row, dtype=np.int32) * width
    pointers = np.arange(n + 1, dtype=np.int32) * per_row
    return sparse.csr_array((np.ones(n * per_row), columns.ravel(), pointers), shape=(n, p))
