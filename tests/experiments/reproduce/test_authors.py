"""The authors' experiments, recomputed here in plain NumPy and compared with a whole run.

The recomputation follows the facts of the authors' program message by message: every worker
computes its partitions' gradients, encodes and sleeps; the master takes messages in order of
arrival until the scheme's condition holds, decodes and updates. It shares no code with ``sim``.
"""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.experiments.config.build import run_of, training
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run.compute import learn
from erasurehead.sim.engines.simulate import simulate

N, D, R, ROUNDS, SECONDS = 30, 3, 15, 40, 0.01
S = D - 1

SCHEMES = [
    {"name": "uncoded"},
    {"name": "ignore_stragglers", "wait_for": N - S, "rescale": True},
    {"name": "fractional_repetition", "load": D},
    {"name": "cyclic_repetition", "load": D},
    {"name": "erasurehead", "load": D, "wait_for": R},
]
LOSSES = {
    "logistic": {"loss": "logistic", "dataset": "breast_cancer"},
    "least_squares": {"loss": "least_squares", "dataset": "diabetes"},
}


def cyclic_matrix(n: int, s: int) -> np.ndarray:
    """B of Tandon et al., entry by entry, from the same Gaussian draws as ours."""
    h = np.random.default_rng(0).standard_normal((s, n))
    h[:, -1] = -h[:, :-1].sum(axis=1)
    b = np.zeros((n, n))
    for i in range(n):
        rest = [(i + shift) % n for shift in range(1, s + 1)]
        b[i, i] = 1
        b[i, rest] = -np.linalg.inv(h[:, rest]) @ h[:, i]
    return b


def partition_gradient(loss: str, x: np.ndarray, y: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Gradient of the SUM over a partition's rows."""
    if loss == "logistic":
        return -x.T @ (y / (1 + np.exp(y * (x @ beta))))
    return -2 * x.T @ (y - x @ beta)


def master_round(
    scheme: str, t: int, gradients: list[np.ndarray], b: np.ndarray
) -> tuple[float, np.ndarray]:
    """One round: (seconds until the master had enough, decoded gradient of the sum)."""
    np.random.seed(t)
    sleeps = np.random.exponential(0.5, N)
    coded = scheme in {"fractional_repetition", "cyclic_repetition", "erasurehead"}
    finish = sleeps + (D if coded else 1) * SECONDS
    arrivals: list[int] = []
    covered: dict[int, np.ndarray] = {}
    for worker in np.argsort(finish, kind="stable"):
        group = worker // D
        arrivals.append(int(worker))
        if group not in covered:
            covered[group] = sum(gradients[group * D + i] for i in range(D))
        heard, full = len(arrivals), len(covered) == N // D
        if scheme == "uncoded" and heard == N:
            break
        if scheme in {"ignore_stragglers", "cyclic_repetition"} and heard == N - S:
            break
        if scheme == "fractional_repetition" and full:
            break
        if scheme == "erasurehead" and (heard == R or full):
            break
    seconds = finish[arrivals[-1]]
    if scheme in {"fractional_repetition", "erasurehead"}:
        return seconds, sum(covered.values())
    if scheme == "cyclic_repetition":
        rows = sorted(arrivals)
        messages = np.array([sum(b[j, i] * gradients[i] for i in range(N)) for j in rows])
        a = np.linalg.lstsq(b[rows].T, np.ones(N), rcond=None)[0]
        return seconds, a @ messages
    total = sum(gradients[j] for j in arrivals)
    return seconds, total / ((N - S) / N) if scheme == "ignore_stragglers" else total


def recompute(
    scheme: str, loss: str, rule: str, eta: float, x: np.ndarray, y: np.ndarray
) -> tuple[list[float], np.ndarray]:
    rows, features = x.shape
    alpha = 1 / rows
    blocks = np.array_split(np.arange(rows), N)
    b = cyclic_matrix(N, S)
    beta, u = np.zeros(features), np.zeros(features)
    now, times = 0.0, []
    for t in range(ROUNDS):
        gradients = [partition_gradient(loss, x[block], y[block], beta) for block in blocks]
        seconds, g = master_round(scheme, t, gradients, b)
        now += seconds
        times.append(now)
        if rule == "gd":
            beta = (1 - 2 * alpha * eta) * beta - eta / rows * g
        else:
            theta = 2 / (t + 2)
            point = (1 - theta) * beta + theta * u
            new = point - eta / rows * g - 2 * alpha * eta * beta
            u = beta + (new - beta) / theta
            beta = new
    return times, beta


@pytest.mark.one_in(4)
@pytest.mark.parametrize("engine", ["event", "batch"])
@pytest.mark.parametrize("rule", ["gd", "accelerated"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme["name"])
def test_a_run_is_the_authors_program(
    scheme: dict[str, object], loss: str, rule: str, engine: str
) -> None:
    """Times exactly, models to 1e-10: order of arrivals, stopping, decoding, scaling, update."""
    eta = 0.5 if loss == "logistic" else 0.05
    document = {
        "workers": N,
        "iterations": ROUNDS,
        "engine": engine,
        "delay": {"model": "authors_stream", "scale": 0.5},
        "load_law": {"kind": "additive", "seconds_per_partition": SECONDS},
        "schemes": [scheme],
        "problem": {**LOSSES[loss], "l2": "1/rows"},
        "optimizer": {"rule": rule, "learning_rate": eta},
    }
    (cell,) = cells(document)
    run, learning = run_of(cell.settings), training(cell)
    assert learning is not None
    trace = simulate(run, engine)
    model = learn(learning, run.scheme.steps(trace), run.iterations).final_beta[:, 0]

    x, y = np.asarray(learning.problem.X), learning.problem.y
    times, beta = recompute(str(scheme["name"]), loss, rule, eta, x, y)
    assert trace.times[0].tolist() == times
    np.testing.assert_allclose(model, beta, rtol=1e-10, atol=1e-10)
    assert np.abs(beta).max() > 0.1, "the comparison means nothing on a model that did not move"


def test_the_stream_is_numpy_seeded_by_the_round() -> None:
    tape = MODELS["authors_stream"](scale=0.5)
    np.random.seed(7)
    expected = np.random.exponential(0.5, N)
    np.testing.assert_array_equal(Tape(tape, N, seed=99, replication=3).rows(7, 8)[0], expected)
