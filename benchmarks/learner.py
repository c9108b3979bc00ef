"""The learner against the plain matrix products of the same shapes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks.timing import Row, paired
from erasurehead.sim.learner import train
from erasurehead.sim.optimizers import OPTIMIZERS
from erasurehead.sim.problems import Problem
from erasurehead.sim.problems.datasets.base import interactions, one_hot
from erasurehead.sim.problems.losses import LogisticLoss
from erasurehead.sim.steps import GivenWeights

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
        return train(problem, OPTIMIZER, np.zeros(p), _steps(weights), ITERATIONS)

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


def _sparse(r: int = 32, k: int = 30) -> Row:
    rng = np.random.default_rng(0)
    x = _employees(rng, 26_215)
    problem = LogisticLoss(x, np.sign(rng.standard_normal(x.shape[0])), k)
    weights = (rng.random((ITERATIONS, r, k)) < 0.8).astype(float)

    def together() -> object:
        return _train(problem, weights)

    def one_by_one() -> None:
        for j in range(r):
            _train(problem, weights[:, j : j + 1])

    mine, ratio = paired(together, one_by_one, repeats=3)
    flops = ITERATIONS * 4 * x.nnz * r
    subject = f"learner, sparse {x.shape[0]} x {x.shape[1]}, {r} replications"
    return Row(subject, f"{r} single runs", ratio, 1.4, flops / mine / 1e9, "GFLOP/s")


def _train(problem: Problem, weights: np.ndarray) -> object:
    start = np.zeros(problem.features)
    return train(problem, OPTIMIZER, start, _steps(weights), ITERATIONS)


def _employees(rng: np.random.Generator, rows: int) -> sparse.csr_array:
    """A made-up table of the Amazon data's kind, encoded as that is: 44 ones a row.

    Nine columns with skewed laws; as in a real firm, a manager fixes the department and that the
    unit, and a title fixes the role family and code. Most pairs of values are rare or redundant.
    """

    def skewed(levels: int) -> np.ndarray:
        return np.minimum((levels * rng.random(rows) ** 9).astype(int), levels - 1)

    resource, manager, title = skewed(7518), skewed(4243), skewed(343)
    department, family = manager % 449, title % 67
    description = (manager * 31 + title * 7) % 2358
    columns = [
        resource, manager, department % 128, department % 177, department,
        title, description, family, title * 3,
    ]  # fmt: skip
    pairs = interactions(columns, skip=frozenset({(5, 7), (2, 3)}))
    return one_hot([*columns, *pairs, np.ones(rows)])


def _steps(weights: np.ndarray) -> GivenWeights:
    """From ``(T, R, k)`` weights."""
    by_replication = np.swapaxes(weights, 0, 1)
    return GivenWeights(np.zeros(by_replication.shape[:2]), by_replication)
