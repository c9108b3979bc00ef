"""The authors' experiments, recomputed here in plain NumPy and compared with a whole run.

The recomputation follows the facts of the authors' program message by message: every worker
computes its partitions' gradients, encodes and sleeps; the master takes messages in order of
arrival until the scheme's condition holds, decodes and updates. It shares no code with ``sim``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.experiments.config.build import run_of, training
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run.compute import learn
from erasurehead.sim.engines.simulate import simulate
from tests.sim.training.test_datasets import kc_table
from tests.tools import ROOT

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


# Their settings as configs: each runs, and its rounds are those of a replay by hand.

CONFIGS = sorted((ROOT / "experiments/config/examples/authors").glob("*.yaml"))
SMALL_DATA = {"logistic": "breast_cancer", "least_squares": "diabetes"}
WORK = 0.01  # seconds per partition in all of them


def expected_seconds(scheme: dict[str, Any], n: int, rounds: int, policy: str, delayed: bool):
    """Mean seconds of a round, from the stream that NumPy's seeds give."""
    load, own = scheme.get("load", 1), scheme.get("policy", policy)
    delayed = delayed and "delay" not in scheme
    if "partial" in scheme:  # nobody is late: load 1 / 6 of the rows more than without a code
        return WORK * (1 - scheme["partial"]) * load + WORK * scheme["partial"]
    free, now, lengths = np.zeros(n), 0.0, []
    for t in range(rounds):
        np.random.seed(t)
        seconds = load * WORK + (np.random.exponential(0.5, n) if delayed else np.zeros(n))
        start = np.maximum(now, free) if own in ("queue", "drain") else np.full(n, now)
        if own == "drain":
            start = np.full(n, max(now, free.max()))
        ends = start + seconds
        order = np.argsort(ends, kind="stable")
        kept = {"cyclic_repetition": n - load + 1}.get(scheme["name"], scheme.get("wait_for", n))
        heard = ends[order[kept - 1]] if scheme["name"] != "fractional_repetition" else np.inf
        if scheme["name"] in ("fractional_repetition", "erasurehead"):
            heard = min(heard, ends.reshape(-1, load).min(axis=1).max())
        free = ends
        lengths.append(heard - now)
        now = heard
    return float(np.mean(lengths))


@pytest.mark.filterwarnings("ignore:diverged")  # their rate of 10 does
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.stem)
def test_a_config_of_the_authors_runs_and_its_rounds_are_a_replay(config: Path) -> None:
    """On small data in place of theirs: the clock is the same."""
    document = yaml.safe_load(config.read_text())
    problem = document["problem"]
    small = {"loss": problem["loss"], "dataset": SMALL_DATA[problem["loss"]], "initial": "normal"}
    result = eh.run({**document, "problem": small, "iterations": 30})
    delayed = document["delay"]["model"] == "authors_stream"
    means = result.iterations.query("iteration > 0").groupby("label", sort=False)
    found = means["iteration_time"].mean()
    assert len(found) == len(document["schemes"])
    for scheme, seconds in zip(document["schemes"], found, strict=True):
        expected = expected_seconds(scheme, document["workers"], 30, document["policy"], delayed)
        assert seconds == pytest.approx(expected, rel=1e-9), scheme


def test_their_script_with_3_stragglers_is_refused() -> None:
    """30 workers are no groups of 4, here as there."""
    scheme = {"name": "fractional_repetition", "load": 4}
    document = {"workers": 30, "delay": {"model": "authors_stream"}, "schemes": [scheme]}
    with pytest.raises(eh.ConfigError, match="load = 4: must divide workers = 30"):
        eh.run(document)


def test_one_scheme_can_have_settings_of_its_own() -> None:
    """Another policy, other delays, another start; as if the whole config had them, in one cell
    with one key. Catches tapes that are shared with schemes of other delays."""
    common = {
        "workers": 6,
        "iterations": 20,
        "delay": {"model": "exponential", "rate": 1.0},
        "problem": {"loss": "least_squares", "dataset": "diabetes"},
        "optimizer": {"rule": "gd", "learning_rate": 0.05},
    }
    k_of_n = {"name": "ignore_stragglers", "wait_for": 4}
    constant = {"model": "deterministic", "value": 2.0}
    own = {"policy": "queue", "delay": constant, "initial": "normal"}
    document = {**common, "schemes": [k_of_n, {**k_of_n, **own}, {**k_of_n, "policy": "queue"}]}
    problem = common["problem"] | {"initial": "normal"}
    whole = common | {"policy": "queue", "delay": constant, "problem": problem, "schemes": [k_of_n]}
    keys = [cell.key for cell in cells(document)]
    assert len({*keys}) == 3
    assert keys[1] == cells(whole)[0].key
    mine, alone = eh.run(document).iterations, eh.run(whole).iterations
    second = mine[mine["label"] == mine["label"].unique()[1]]
    for column in ("time", "train_loss"):
        assert second[column].tolist() == alone[column].tolist()
    assert mine["label"].unique()[2] == "ignore_stragglers wait_for=4 policy=queue"
    with pytest.raises(eh.ConfigError, match=r"schemes\.ignore_stragglers\.policy = 'wait'"):
        eh.run({**common, "schemes": [{**k_of_n, "policy": "wait"}]})
    del document["problem"], document["optimizer"]
    with pytest.raises(eh.ConfigError, match="initial = 'normal': needs a problem"):
        eh.run(document)


def test_a_rate_that_falls_as_one_over_t() -> None:
    """And rows beyond a multiple of the workers are left out."""
    rule = eh.optimizers.GradientDescent(learning_rate=0.4, decay={"t0": 5})
    assert [rule.rate(t) for t in (1, 5, 15)] == pytest.approx([0.4 * 5 / 6, 0.2, 0.1])
    with pytest.raises(eh.ConfigError, match="t0 = 0: must be greater than 0"):
        eh.optimizers.GradientDescent(learning_rate=0.4, decay={"t0": 0})


def test_rows_beyond_a_multiple_are_left_out(tmp_path: Path) -> None:
    kc_table(80).to_csv(tmp_path / "kc_house_data.csv", index=False)
    document = {
        "workers": 6,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [{"name": "uncoded"}],
        "problem": {"loss": "least_squares", "dataset": "kc_housing", "multiple_of": 6},
        "optimizer": {"rule": "gd", "learning_rate": 0.1},
    }
    learning = training(cells(document, tmp_path)[0])
    assert learning is not None
    assert learning.problem.rows == 60  # of 64
    document["problem"]["multiple_of"] = 65
    with pytest.raises(eh.ConfigError, match="multiple_of = 65: must be at most the number of"):
        eh.run(document, data_dir=tmp_path)
