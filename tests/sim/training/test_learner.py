"""The learner, also on stale gradients."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.optimizers import Accelerated, GradientDescent, Nesterov, Optimizer
from erasurehead.plugins import DecodedRounds, GivenWeights, InvalidParameter, Run, Steps
from erasurehead.problems import Problem
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.training import learner
from erasurehead.sim.training.learner import Learned, train, train_each
from erasurehead.sim.training.optimizers import OPTIMIZERS, Together
from erasurehead.sim.training.problems import LOSSES, losses
from erasurehead.sim.training.problems import base as problem_base
from erasurehead.sim.training.steps import WEIGHT_TOLERANCE, Dense, SingleGradients
from tests.tools import LINEAR

RULES = {rule.rule: rule for rule in (GradientDescent, Nesterov, Accelerated)}

# The learner against a plain loop over replications, and its promises on cost and bytes.


R, T, N, P, K = 5, 7, 26, 6, 4


def make(loss, sparse_data=False, l2=0.02, test=True):
    """Data in which two features are equal and one is never seen in training."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 3, (N, P)) / 2.0
    X[:, 3], X[:, 4] = X[:, 1], 0.0
    X_test = rng.integers(0, 3, (8, P)) / 2.0
    y = rng.choice([-1.0, 1.0], N + 8)
    convert = sparse.csr_array if sparse_data else np.asarray
    tests = {"X_test": convert(X_test), "y_test": y[N:]} if test else {}
    return LINEAR[loss](convert(X), y[:N], partitions=K, l2=l2, **tests), rng.standard_normal(P)


def random_weights(replications: int = R) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.integers(0, 3, (T, replications, K)) * rng.random((T, replications, 1))


def dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def plain(problem, rule, rate, beta, weights):
    """One replication by the textbook: per-partition gradients, weighted and added."""
    X, X_test, y, y_test = dense(problem.X), dense(problem.X_test), problem.y, problem.y_test
    logistic = problem.task == "classification"

    def loss(X: np.ndarray, y: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean(np.log(1 + np.exp(-y * (X @ b))) if logistic else (y - X @ b) ** 2))

    def gradient(b: np.ndarray, w: np.ndarray) -> np.ndarray:
        total = np.zeros(P)
        for weight, block in zip(w, np.array_split(np.arange(N), K), strict=True):
            for x, label in zip(X[block], y[block], strict=True):
                if logistic:
                    total += weight * -label * x / (1 + np.exp(label * (x @ b)))
                else:
                    total += weight * -2 * x * (label - x @ b)
        return total / N

    before, u = beta, np.zeros(P)
    train_loss, test_loss = [loss(X, y, beta)], [loss(X_test, y_test, beta)]
    for t in range(T):
        m = t / (t + 3) if rule == "nesterov" else 0.0
        point = beta + m * (beta - before)
        g = gradient(point, weights[t])
        if rule == "accelerated":
            theta = 2 / (t + 2)
            moved = (1 - theta) * beta + theta * u - rate * g - 2 * problem.l2 * rate * beta
            u = beta + (moved - beta) / theta
        else:
            moved = point - rate * (g + 2 * problem.l2 * point)
        before, beta = beta, moved
        train_loss.append(loss(X, y, beta))
        test_loss.append(loss(X_test, y_test, beta))
    return train_loss, test_loss, beta


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("loss", LINEAR)
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
def test_learner_agrees_with_one_plain_loop_per_replication(
    rule, loss, sparse_data, block, monkeypatch
):
    monkeypatch.setattr(learner, "BLOCK_WIDTH", block)
    problem, initial = make(loss, sparse_data)
    weights = random_weights()
    optimizer = OPTIMIZERS[rule](learning_rate=0.2)
    found = train(problem, optimizer, initial, given(weights, T), T)
    assert found.train_loss.shape == (R, T + 1)
    for r in range(R):
        train_loss, test_loss, beta = plain(problem, rule, 0.2, initial, weights[:, r])
        np.testing.assert_allclose(found.train_loss[r], train_loss, rtol=1e-11)
        np.testing.assert_allclose(found.test_loss[r], test_loss, rtol=1e-11)
        np.testing.assert_allclose(found.final_beta[:, r], beta, rtol=1e-10, atol=1e-12)
    if loss == "logistic":
        np.testing.assert_allclose(found.final_auc, problem.test_auc(found.final_beta))
    else:
        assert found.final_auc is None


def given(weights: np.ndarray, iterations: int) -> GivenWeights:
    """Steps from ``(T, R, K)`` weights."""
    by_replication = np.swapaxes(weights, 0, 1)[:, :iterations]
    return GivenWeights(np.zeros(by_replication.shape[:2]), by_replication)


def every_one(iterations: int, replications: int = R) -> np.ndarray:
    return np.ones((iterations, replications, K))


class Asked(GivenWeights):
    """Calls back at each step, and does not say that it is exact."""

    exact = False

    def __init__(self, weights: np.ndarray, iterations: int, asked: Callable[[int], None]) -> None:
        inner = given(weights, iterations)
        super().__init__(inner.times, inner.weights)
        object.__setattr__(self, "asked", asked)

    def step(self, u: int) -> Dense:
        self.asked(u)
        return super().step(u)


@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
def test_exact_replications_share_one_model(sparse_data: bool) -> None:
    problem, initial = make("logistic", sparse_data)
    optimizer = OPTIMIZERS["accelerated"](learning_rate=0.5)
    shared = train(problem, optimizer, initial, given(every_one(T), T), T)
    every = Asked(every_one(T), T, lambda u: None)
    spelled_out = train(problem, optimizer, initial, every, T)
    for name in ("train_loss", "test_loss", "final_beta", "final_auc"):
        one, all_ones = getattr(shared, name), getattr(spelled_out, name)
        assert one.shape == all_ones.shape
        np.testing.assert_allclose(one, all_ones, rtol=1e-12)


def outcome(training: Learned) -> bytes:
    return b"".join(
        array.tobytes() for array in (training.train_loss, training.test_loss, training.final_beta)
    )


def test_round_off_of_a_decoder_counts_as_exact() -> None:
    problem, initial = make("logistic")
    optimizer = OPTIMIZERS["gd"](learning_rate=0.5)

    def trained(value: float) -> bytes:
        return outcome(train(problem, optimizer, initial, given(value * every_one(T), T), T))

    assert WEIGHT_TOLERANCE == 1e-9
    assert trained(1 + 0.9e-9) == trained(1 - 0.9e-9) == trained(1.0)
    assert trained(1 + 1.1e-9) != trained(1.0)


def test_turned_signs_move_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of class +1 is trained as one of class -1 with the opposite features."""
    problem, initial = make("logistic")

    def trained() -> Learned:
        optimizer = OPTIMIZERS["nesterov"](learning_rate=0.5)
        return train(problem, optimizer, initial, given(random_weights(), T), T)

    turned = trained()
    monkeypatch.setattr(losses, "MOST_TURNED", 0)
    plain = trained()
    assert outcome(turned) == outcome(plain)
    np.testing.assert_array_equal(turned.final_auc, plain.final_auc)


def test_a_weight_of_two_counts_twice() -> None:
    """As half the learning rate with twice the gradient; only weights near 1 are rounded."""
    problem, initial = make("logistic", l2=0.0)
    twice, once = (
        train(problem, OPTIMIZERS["gd"](learning_rate=rate), initial, given(weights, T), T)
        for rate, weights in ((0.1, 2 * every_one(T)), (0.2, every_one(T)))
    )
    np.testing.assert_allclose(twice.final_beta, once.final_beta, rtol=1e-12)


def test_weights_are_asked_for_once_an_iteration_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner, "BLOCK_WIDTH", 2)
    problem, initial = make("logistic")
    asked: list[int] = []
    steps = Asked(every_one(T), T, asked.append)
    train(problem, OPTIMIZERS["gd"](learning_rate=0.5), initial, steps, T)
    assert asked == list(range(T))


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
def test_an_iteration_costs_two_products_and_one_with_the_test_rows(rule, sparse_data, monkeypatch):
    problem, initial = make("logistic", sparse_data)
    optimizer: Optimizer = OPTIMIZERS[rule](learning_rate=0.5)
    weights = random_weights()
    train(problem, optimizer, initial, given(weights, 1), 1)
    multiply = problem_base.product
    counts: dict[str, int] = {}

    def counted(matrix: Any, columns: np.ndarray, *out: Any) -> np.ndarray:
        if columns.ndim == 2:
            kind = "transposed" if matrix.shape[1] == N else {N: "rows", 8: "test"}[matrix.shape[0]]
            counts[kind] = counts.get(kind, 0) + 1
        return multiply(matrix, columns, *out)

    monkeypatch.setattr(problem_base, "product", counted)

    def products(iterations: int) -> dict[str, int]:
        counts.clear()
        train(problem, optimizer, initial, given(weights, iterations), iterations)
        return dict(counts)

    fewer, more = products(3), products(4)
    assert fewer == {"rows": 4, "transposed": 3, "test": 4}
    assert more == {"rows": 5, "transposed": 4, "test": 5}


def test_bytes_do_not_depend_on_the_threads_allowed() -> None:
    rng = np.random.default_rng(0)
    problem = LOSSES["logistic"](
        rng.standard_normal((700, 90)), rng.choice([-1.0, 1.0], 700), partitions=K
    )
    optimizer = OPTIMIZERS["nesterov"](learning_rate=0.5)
    weights = random_weights(70)
    found = set()
    for threads in (1, 2):
        with threadpool_limits(threads):
            training = train(problem, optimizer, np.zeros(90), given(weights, T), T)
        found.add(training.train_loss.tobytes() + training.final_beta.tobytes())
    assert len(found) == 1


def test_products_run_on_one_thread() -> None:
    """Whatever is allowed outside: a product rounds differently with another number of threads."""
    problem, initial = make("logistic")
    seen = set()

    def look(u: int) -> None:
        seen.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    with threadpool_limits(2):
        train(
            problem, OPTIMIZERS["gd"](learning_rate=0.5), initial, Asked(every_one(T), T, look), T
        )
    assert seen == {1}


def test_losses_without_a_test_set() -> None:
    problem, initial = make("logistic", test=False)
    training = train(
        problem, OPTIMIZERS["gd"](learning_rate=0.5), initial, given(every_one(T), T), T
    )
    assert training.test_loss is None
    assert training.final_auc is None


def test_no_iterations_give_the_start() -> None:
    problem, initial = make("least_squares", sparse_data=True)
    training = train(
        problem, OPTIMIZERS["gd"](learning_rate=0.5), initial, given(every_one(0), 0), 0
    )
    np.testing.assert_allclose(training.train_loss, np.full((R, 1), problem.loss(initial[:, None])))
    np.testing.assert_allclose(training.final_beta[:, 2], initial)


@pytest.mark.parametrize("loss", LINEAR)
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
def test_divergence_is_a_result_not_a_warning(loss: str, sparse_data: bool) -> None:
    """The suite turns every warning into an error."""
    problem, initial = make(loss, sparse_data)
    optimizer = OPTIMIZERS["nesterov"](learning_rate=1e200)
    training = train(problem, optimizer, initial, given(1e100 * every_one(T), T), T)
    assert not np.isfinite(training.train_loss[:, -1]).any()


def test_convex_training_reaches_the_least_squares_solution() -> None:
    problem, initial = make("least_squares", l2=0.0)
    X = dense(problem.X)
    solution = X @ np.linalg.lstsq(X, problem.y, rcond=None)[0]
    optimizer = OPTIMIZERS["nesterov"](learning_rate=0.1)
    training = train(problem, optimizer, initial, given(every_one(3000, 2), 3000), 3000)
    np.testing.assert_allclose(X @ training.final_beta[:, 0], solution, atol=1e-6)


# Learning from gradients of older models, against a plain loop that keeps every one of them.


STALE_N, STALE_P, STALE_K = 50, 6, 12


def problem(sparse_data: bool = False, l2: float = 0.0) -> tuple[Problem, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.integers(-2, 3, (STALE_N, STALE_P)) / 2.0
    X[:, 4] = X[:, 1]
    data: Any = sparse.csr_array(X) if sparse_data else X
    return LOSSES["logistic"](
        data, rng.choice([-1.0, 1.0], STALE_N), partitions=STALE_K, l2=l2
    ), rng.standard_normal(STALE_P)


def some_steps(name: str, iterations: int, replications: range, **fields: Any) -> Steps:
    scheme = SCHEMES[name](**fields).build(STALE_K)
    tapes = [Tape(MODELS["exponential"](rate=2.0), STALE_K, 4, r) for r in replications]
    return scheme.steps(simulate(Run(scheme, tapes, Proportional(), iterations, seed=5)))


def steps_of(name: str, iterations: int, **fields: Any) -> SingleGradients:
    return some_steps(name, iterations, range(3), **fields)


def one_gradient(problem: Problem, partition: int, beta: np.ndarray) -> np.ndarray:
    """Of a partition's summed loss, row by row."""
    rows = np.array_split(np.arange(STALE_N), STALE_K)[partition]
    X = problem.X.toarray() if sparse.issparse(problem.X) else np.asarray(problem.X)
    total = np.zeros(STALE_P)
    for x, label in zip(X[rows], problem.y[rows], strict=True):
        total += -label * x / (1 + np.exp(label * (x @ beta)))
    return total


@pytest.mark.one_in(4)
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("block", [1, 2, 64])
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("asynchronous", {"data": "own"}),
        ("asynchronous", {"data": "own", "delay_adaptive": True}),
        ("asynchronous", {}),
        ("k_batch_async", {"wait_for": 5, "data": "own"}),
        ("k_batch_async", {"wait_for": 15}),
        ("k_batch_sync", {"wait_for": 4, "data": "own"}),
        ("ringmaster", {"oldest": 5, "stops": True, "data": "own"}),
    ],
)
def test_a_plain_loop_with_every_old_model(name, fields, block, sparse_data, monkeypatch):
    """beta <- beta - rate (k / N) mean of g_j(beta at its version), one gradient at a time."""
    monkeypatch.setattr(learner, "BLOCK_WIDTH", block)
    l2, rate = 0.01, 0.05
    data, start = problem(sparse_data, l2)
    steps = steps_of(name, 6, **fields)
    found = train(data, OPTIMIZERS["gd"](learning_rate=rate), start, steps, 6)
    replications, updates = steps.times.shape
    gradients = steps.partition.shape[2]
    for r in range(replications):
        models = [start]
        for u in range(updates):
            total = np.zeros(STALE_P)
            for place in range(gradients):
                version = int(steps.version[r, u, place])
                gradient = one_gradient(data, int(steps.partition[r, u, place]), models[version])
                if fields.get("delay_adaptive"):
                    gradient *= STALE_K / max(STALE_K, u - version)
                total += gradient
            step = STALE_K / STALE_N * total / gradients + 2 * l2 * models[-1]
            models.append(models[-1] - rate * step)
        np.testing.assert_allclose(found.final_beta[:, r], models[-1], rtol=0, atol=1e-12)
        ends = [-(-t * STALE_K // gradients) for t in range(7)]
        losses = [data.loss(beta[:, None])[0] for beta in (models[u] for u in ends)]
        np.testing.assert_allclose(found.train_loss[r], losses, rtol=0, atol=1e-12)


STALE = [
    ("asynchronous", {"data": "own"}),
    ("k_batch_async", {"wait_for": 5, "data": "own"}),
    ("ringmaster", {"oldest": 5, "stops": True, "data": "own"}),
    ("gradient_table", {}),
    ("ringleader", {}),
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("sparse_data", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("at_once", [1, 2**20])
@pytest.mark.parametrize(("name", "fields"), STALE, ids=[name for name, _ in STALE])
def test_replications_together_have_the_bits_of_each_alone(
    name, fields, at_once, sparse_data, monkeypatch
):
    """Single gradients are taken for all replications in one go; alone, one after another."""
    monkeypatch.setattr(learner, "SINGLES_AT_ONCE", at_once)
    data, start = problem(sparse_data, 0.01)
    optimizer = OPTIMIZERS["nesterov"](learning_rate=0.05)
    together = train(data, optimizer, start, some_steps(name, 6, range(7), **fields), 6)
    for r in (0, 3, 6):
        alone = train(data, optimizer, start, some_steps(name, 6, range(r, r + 1), **fields), 6)
        np.testing.assert_array_equal(together.final_beta[:, r], alone.final_beta[:, 0])


SIDE_BY_SIDE = [
    *STALE,
    ("uncoded", {}),
    ("erasurehead", {"load": 3, "wait_for": 6}),
    ("pipelined", {"load": 3, "wait_for": 8}),
    ("sequential", {"B": 1, "W": 2, "stragglers": 6, "tolerance": 0.5}),
    ("local_sgd", {"steps": 3, "wait_for": 9, "outer": {"rule": "nesterov"}}),
    ("local_sgd", {"steps": 3}),
]


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("name", "fields", "sparse_data", "rule"),
    [  # each scheme, each kind of data and each rule; all together are slow
        pytest.param(
            *(name, fields, sparse_data, rule),
            id=f"{name}-{'sparse' if sparse_data else 'dense'}-{rule}",
            marks=[] if (place + sparse_data + turn) % 3 == 0 else pytest.mark.slow,
        )
        for place, (name, fields) in enumerate(SIDE_BY_SIDE)
        for sparse_data in (False, True)
        for turn, rule in enumerate(OPTIMIZERS)
    ],
)
def test_learning_rates_side_by_side_have_the_bits_of_each_alone(
    rule, name, fields, sparse_data, monkeypatch
):
    """Catches a rate that moves another's models, and a group of rates left out."""
    monkeypatch.setattr(learner, "BLOCK_WIDTH", 2)
    monkeypatch.setattr(learner, "MARGINS_AT_ONCE", 3 * 3 * STALE_N)
    data, start = problem(sparse_data, 0.01)
    steps = some_steps(name, 5, range(3), **fields)
    iterations = 5 if steps.times.shape[1] % 5 == 0 else steps.times.shape[1]
    optimizers = [OPTIMIZERS[rule](learning_rate=rate) for rate in (0.3, 0.1, 1e200, 0.2, 0.05)]
    told: list[tuple[int, int]] = []
    several = train_each(
        data, optimizers, start, steps, iterations, lambda done, of: told.append((done, of))
    )
    assert told == sorted(told)
    assert told[-1] == (iterations, iterations)
    assert len(several) == len(optimizers)
    for found, optimizer in zip(several, optimizers, strict=True):
        alone = train(data, optimizer, start, steps, iterations)
        np.testing.assert_array_equal(found.train_loss, alone.train_loss)
        np.testing.assert_array_equal(found.final_beta, alone.final_beta)


@pytest.mark.parametrize(
    ("cells", "groups"), [(1, [1] * 5), (2, [2, 2, 1]), (2.9, [2, 2, 1]), (3, [3, 2]), (9, [5])]
)
def test_as_many_rates_side_by_side_as_fit_in_the_cache(cells, groups, monkeypatch):
    """One at least; ``cells`` is how often the margins of three replications fit."""
    data, start = problem()
    steps = some_steps("asynchronous", 2, range(3))
    monkeypatch.setattr(learner, "MARGINS_AT_ONCE", int(cells * 3 * data.rows) if cells > 1 else 0)
    seen: list[int] = []
    make = learner.Learner.__init__

    def watched(self: learner.Learner, problem: Problem, rules: Any, *others: Any) -> None:
        seen.append(len(rules))
        make(self, problem, rules, *others)

    monkeypatch.setattr(learner.Learner, "__init__", watched)
    rates = [OPTIMIZERS["gd"](learning_rate=rate) for rate in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert len(train_each(data, rates, start, steps, 2)) == 5
    assert seen == groups


@pytest.mark.parametrize("rule", OPTIMIZERS)
def test_momentum_takes_old_gradients_where_they_were_taken(rule: str) -> None:
    """Nesterov's point of a version is beyond its model; the old point is what counts."""
    data, start = problem()
    steps = steps_of("k_batch_async", 4, wait_for=6, data="own")
    optimizer = OPTIMIZERS[rule](learning_rate=0.05)
    found = train(data, optimizer, start, steps, 4)
    for r in range(len(steps.times)):
        state, points = optimizer.init(start[:, None]), []
        for u in range(steps.times.shape[1]):
            points.append(optimizer.point(state, u + 1)[:, 0])
            total = np.zeros(STALE_P)
            for place in range(6):
                partition = int(steps.partition[r, u, place])
                total += one_gradient(data, partition, points[int(steps.version[r, u, place])])
            state = optimizer.step(state, (STALE_K / STALE_N * total / 6)[:, None], u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("lag", [1, 3])
def test_whole_gradients_that_come_late(rule: str, lag: int) -> None:
    """A sequential code's: round u decodes the gradient of the model of round u - lag."""
    data, start = problem(l2=0.02)
    arrived = np.random.default_rng(0).random((2, 9, STALE_K)) < 0.7
    steps = DecodedRounds(
        np.zeros((2, 9)), arrived, lambda mask: mask.astype(np.float64), STALE_K, STALE_K, lag
    )
    optimizer = OPTIMIZERS[rule](learning_rate=0.1)
    found = train(data, optimizer, start, steps, 9)
    assert steps.depth == lag
    for r in range(2):
        state, points = optimizer.init(start[:, None]), []
        for u in range(9):
            points.append(optimizer.point(state, u + 1))
            old = points[max(u - lag, 0)]
            gradient = data.gradient(old, arrived[r, u][None].astype(float))
            gradient += data.l2_gradient(points[-1])
            state = optimizer.step(state, gradient, u + 1)
        np.testing.assert_allclose(found.final_beta[:, r], state[0][:, 0], rtol=0, atol=1e-12)


def test_staleness_is_a_mean_over_what_was_heard() -> None:
    """Worker 0 is somebody, what pads is nobody, and an update of nothing is not stale."""
    worker = np.array([[[0, 1], [1, -1], [-1, -1], [0, 1]]])
    version = np.array([[[0, 0], [0, -1], [-1, -1], [1, 3]]])
    weight = np.where(worker >= 0, 1.0, 0.0)
    steps = SingleGradients(np.zeros((1, 4)), worker, worker, weight, version, 2)
    np.testing.assert_array_equal(steps.staleness, [[0, 1, 0, 1]])
    np.testing.assert_array_equal(steps.error, [[0, 1, 2, 0]])
    assert steps.depth == 2


def test_random_partitions_are_fair_and_a_stream_of_each_replication() -> None:
    steps = steps_of("asynchronous", 200)
    for r in range(3):
        counts = np.bincount(steps.partition[r].ravel(), minlength=STALE_K)
        assert counts.min() > 120  # of 200 expected, standard deviation 14
    assert not np.array_equal(steps.partition[0], steps.partition[1])
    again = steps_of("asynchronous", 200)
    np.testing.assert_array_equal(steps.partition, again.partition)


def test_too_many_past_models_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data, start = problem()
    steps = steps_of("asynchronous", 6)
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", 1000)
    with pytest.raises(InvalidParameter, match="past models"):
        train(data, OPTIMIZERS["gd"](learning_rate=0.1), start, steps, 6)


@pytest.mark.parametrize(("together", "fits"), [(1, True), (1, False), (3, True), (3, False)])
def test_margins_that_are_remembered_count_as_memory(together, fits, monkeypatch):
    """Late whole gradients keep margins and models of some updates, of each rate beside another."""
    data, start = problem()
    arrived = np.ones((2, 9, STALE_K), dtype=np.bool_)
    steps = DecodedRounds(
        np.zeros((2, 9)), arrived, lambda mask: mask.astype(np.float64), STALE_K, STALE_K, lag=3
    )
    one = 2 * 3 * (STALE_P + STALE_N) * 8
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", together * one - (not fits))
    if not fits and together == 1:
        with pytest.raises(InvalidParameter, match="past models and gradients"):
            train(data, OPTIMIZERS["gd"](learning_rate=0.1), start, steps, 9)
        return
    most = 0
    make = learner.Models.__init__

    def watched(self: learner.Models, problem: Problem, rules: Together, *others: Any) -> None:
        nonlocal most
        make(self, problem, rules, *others)
        most = max(most, len(self.beta))

    monkeypatch.setattr(learner.Models, "__init__", watched)
    rates = [OPTIMIZERS["gd"](learning_rate=rate) for rate in (0.1, 0.2, 0.3, 0.4)]
    assert len(train_each(data, rates, start, steps, 9)) == 4
    assert most == together - (not fits)


def test_a_gradient_of_one_partition_costs_its_rows_alone() -> None:
    """30 replications of 600 updates: far less than 600 passes over the data for all of them.

    The two are measured in one process, the passes on a tenth of their number.
    """
    rng = np.random.default_rng(0)
    rows, features, replications = 6000, 100, 30
    data = LOSSES["logistic"](
        rng.standard_normal((rows, features)), rng.choice([-1.0, 1.0], rows), partitions=30
    )
    shape = (replications, 600, 1)
    partition = rng.integers(0, 30, shape)
    version = np.maximum(np.arange(600)[:, None] - rng.integers(0, 60, shape), 0)
    weight = np.full(shape, 30.0)
    steps = SingleGradients(np.zeros(shape[:2]), partition, partition, weight, version, 30)
    optimizer = OPTIMIZERS["gd"](learning_rate=0.01)
    began = time.process_time()
    train(data, optimizer, np.zeros(features), steps, 20)
    mine = time.process_time() - began
    beta = rng.standard_normal((features, replications))
    began = time.process_time()
    for _ in range(60):
        data.gradient(beta)
    passes = 10 * (time.process_time() - began)
    assert mine < passes / 2


@pytest.mark.parametrize(("single", "numbers"), [(False, 2 * 13 + 4 * 3 + 10), (True, 2 * 3 + 22)])
def test_how_many_optimizers_fit_into_memory(single, numbers, monkeypatch):
    """Past models, and margins unless updates are sparse; a table of gradients; held margins. Of
    each replication, eight bytes a number: one optimizer must fit to the byte."""
    problem: Any = SimpleNamespace(parameters=3, kept=10, held_size=10)
    past: Any = SimpleNamespace(
        depth=2, times=np.zeros((5, 1)), sparse=single, table_size=4, held=1
    )
    size = numbers * 5 * 8
    for room, optimizers in ((size, 1), (2 * size - 1, 1), (2 * size, 2), (7 * size + 3, 7)):
        monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", room)
        assert learner.fit_into_memory(problem, past) == optimizers
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", size - 1)
    with pytest.raises(InvalidParameter, match=r"^replications = 5: past models and gradients"):
        learner.fit_into_memory(problem, past)
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", 50)
    nothing: Any = SimpleNamespace(
        depth=0, times=np.zeros((5, 1)), sparse=single, table_size=0, held=0
    )
    assert learner.fit_into_memory(problem, nothing) == 50
    monkeypatch.setattr(learner, "MOST_BYTES_OF_PAST", 2**31)
    nothing.table_size = 2**28
    with pytest.raises(InvalidParameter, match=r"take 30\.0 GiB; must fit into 2 GiB: fewer"):
        learner.fit_into_memory(problem, nothing)
