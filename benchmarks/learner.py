"""The learner against the plain matrix products of the same shapes."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.timing import Row, paired
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.base import Scheme
from erasurehead.sim.training.learner import train, train_each
from erasurehead.sim.training.optimizers import OPTIMIZERS
from erasurehead.sim.training.problems import DATASETS, Problem
from erasurehead.sim.training.problems.datasets.base import interactions, one_hot
from erasurehead.sim.training.problems.losses import Logistic
from erasurehead.sim.training.steps import GivenWeights, Steps

ITERATIONS = 8
OPTIMIZER = OPTIMIZERS["gd"](learning_rate=0.1)


def rows() -> list[Row]:
    """Against ``X @ B`` and ``X.T @ Z``, single runs, plain loops, and scikit-learn's score."""
    return [
        _dense(6000, 500, 256, ITERATIONS, 0, 0.6),
        _dense(1200, 20, 16, 200, 300, np.nan),
        _sparse(),
        *(_singles(name, r) for name in ("asynchronous", "gradient_table") for r in (4, 20, 100)),
        *(_rates(r) for r in (4, 20, 100)),
        *(_auc(r) for r in (4, 20, 100)),
    ]


def _dense(n: int, p: int, r: int, iterations: int, tests: int, target: float) -> Row:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((n + tests, p)), np.sign(rng.standard_normal(n + tests))
    held = {"X_test": x[n:], "y_test": y[n:]} if tests else {}
    problem = Logistic(x[:n], y[:n], partitions=30, **held)
    weights = (rng.random((iterations, r, 30)) < 0.8).astype(float)
    beta, z = rng.standard_normal((p, r)), rng.standard_normal((n, r))

    def products() -> None:
        with threadpool_limits(1):
            for _ in range(iterations):
                problem.X @ beta
                problem.X.T @ z

    mine, ratio = paired(lambda: _train(problem, weights), products)
    subject = f"learner, dense {n} x {p}{f' and {tests} test rows' if tests else ''}"
    speed = iterations * 4 * n * p * r / mine / 1e9
    against = "the plain products"
    return Row(f"{subject}, {r} replications", against, ratio, target, speed, "GFLOP/s")


def _sparse(r: int = 32, k: int = 30) -> Row:
    rng = np.random.default_rng(0)
    x = _employees(rng, 26_215)
    problem = Logistic(x, np.sign(rng.standard_normal(x.shape[0])), partitions=k)
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


def _singles(name: str, r: int, n: int = 30) -> Row:
    """All replications in one go, and one after another."""
    problem, scheme = _tumours(n), SCHEMES[name]().build(n)
    tapes = [Tape(MODELS["exponential"](rate=2.0), n, 4, j) for j in range(r)]
    alone = [_simulated(scheme, tapes[j : j + 1]) for j in range(r)]
    every = _simulated(scheme, tapes)

    def learn(steps: Steps) -> object:
        return train(problem, OPTIMIZER, np.zeros(problem.features), steps, ITERATIONS)

    mine, ratio = paired(lambda: learn(every), lambda: [learn(steps) for steps in alone])
    subject = f"learner, {name}, n = {n}, {r} replications"
    return Row(
        subject, f"{r} single runs", ratio, np.nan, every.times.size / mine / 1e3, "k updates/s"
    )


def _rates(r: int, rates: int = 12) -> Row:
    """Learning rates side by side, and one after another."""
    problem, rng = _tumours(30), np.random.default_rng(0)
    steps = _steps((rng.random((10 * ITERATIONS, r, 30)) < 0.8).astype(float))
    optimizers = [OPTIMIZERS["gd"](learning_rate=2.0**-power) for power in range(rates)]
    rest = np.zeros(problem.features), steps, 10 * ITERATIONS

    mine, ratio = paired(
        lambda: train_each(problem, optimizers, *rest),
        lambda: [train(problem, optimizer, *rest) for optimizer in optimizers],
    )
    subject = f"learner, {rates} learning rates, {r} replications"
    speed = rates * r * 10 * ITERATIONS / mine / 1e3
    return Row(subject, f"{rates} trainings", ratio, np.nan, speed, "k updates/s")


def _auc(r: int) -> Row:
    problem = _tumours(30)
    beta = np.random.default_rng(0).standard_normal((problem.features, r))
    scores = np.asarray(problem.X_test @ beta)

    mine, ratio = paired(
        lambda: problem.test_auc(beta),
        lambda: [roc_auc_score(problem.y_test, column) for column in scores.T],
    )
    subject = f"area under the ROC curve, 114 rows, {r} models"
    return Row(subject, "scikit-learn", ratio, 5, r / mine / 1e3, "k models/s")


def _tumours(k: int) -> Problem:
    data = DATASETS["breast_cancer"]().load("classification", np.random.default_rng(0), None)
    return Logistic(data.X, data.y, partitions=k, l2=0.0, X_test=data.X_test, y_test=data.y_test)


def _simulated(scheme: Scheme, tapes: list[Tape]) -> Steps:
    return scheme.steps(simulate(Run(scheme, tapes, Proportional(), ITERATIONS), work=False))


def _train(problem: Problem, weights: np.ndarray) -> object:
    start = np.zeros(problem.features)
    return train(problem, OPTIMIZER, start, _steps(weights), len(weights))


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
