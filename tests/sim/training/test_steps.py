"""What updates are made of, against loops that count one message at a time."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.experiments.run.metrics import METRICS
from erasurehead.plugins import BoolArray, DecodedRounds, FloatArray, GivenWeights
from erasurehead.sim.base.numerics import summed_by
from erasurehead.sim.training import steps as module
from erasurehead.sim.training.steps import (
    SingleGradients,
    Sparse,
    count_distinct,
    iteration_ends,
    weights_of,
)

R, U, N, K = 3, 8, 4, 5
"""Replications, updates, workers (or gradients of an update) and partitions."""

TIMES = np.cumsum(np.random.default_rng(0).random((R, U)) + 0.5, axis=1)


def single(seed: int) -> SingleGradients:
    """Few workers and partitions, so that they repeat; some gradients are padding."""
    rng = np.random.default_rng(seed)
    padding = rng.random((R, U, N)) < 0.3
    worker = np.where(padding, -1, rng.integers(0, N, (R, U, N)))
    partition = np.where(padding, -1, rng.integers(0, K, (R, U, N)))
    weight = np.where(padding, 0.0, rng.integers(0, 3, (R, U, N)) / 2)
    version = np.maximum(np.arange(U)[:, None] - rng.integers(0, 4, (R, U, N)), 0)
    return SingleGradients(TIMES, worker, partition, weight, version, K)


@pytest.mark.parametrize("seed", range(3))
def test_updates_of_single_gradients(seed: int) -> None:
    found = single(seed)
    assert found.depth == max(
        u - found.version[r, u, j]
        for r in range(R)
        for u in range(U)
        for j in range(N)
        if found.worker[r, u, j] >= 0
    )
    parts = np.zeros((R, K))
    for r in range(R):
        for u in range(U):
            there = found.worker[r, u] >= 0
            weights = np.zeros(K)
            for j in np.flatnonzero(there):
                weights[found.partition[r, u, j]] += found.weight[r, u, j]
            carried = {*found.partition[r, u][found.weight[r, u] != 0].tolist()}
            assert found.recovered[r, u] == len(carried) / K
            assert found.error[r, u] == pytest.approx(((weights - 1) ** 2).sum())
            lags = u - found.version[r, u][there]
            assert found.staleness[r, u] == pytest.approx(lags.mean() if there.any() else 0.0)
            step = found.step(u)
            known = weights_of(step, K)
            np.testing.assert_allclose(known[r], weights)
            np.testing.assert_allclose(weights_of(step.columns(slice(r, r + 1)), K), [weights])
            for i in carried:
                parts[r, i] += 1 / U
    np.testing.assert_allclose(found.shares, parts)


@pytest.mark.parametrize("at_once", [1, 2**17])
def test_workers_of_several_updates_count_once(at_once, monkeypatch):
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", at_once)
    found = single(1)
    for together in (1, 2, 4):
        groups = found.worker.reshape(R, U // together, -1)
        expected = [[len({*each.tolist()} - {-1}) for each in row] for row in groups]
        np.testing.assert_array_equal(found.arrived(together), expected)
    np.testing.assert_array_equal(found.arrived(), found.arrived(1))
    np.testing.assert_array_equal(count_distinct(np.array([[0, 0, -1], [2, 0, 1]])), [1, 3])
    np.testing.assert_array_equal(GivenWeights(TIMES, np.ones((R, U, K))).arrived(), 0)


def test_sums_by_index_are_added_in_order() -> None:
    """To the bit, also of more than are added at once; a negative index is another entry."""
    rng = np.random.default_rng(2)
    index, values = rng.integers(-1, 3, 2**17 + 9).astype(np.int32), rng.random(2**17 + 9)
    total = [0.0] * 4
    for entry, value in zip(index.tolist(), values.tolist(), strict=True):
        total[entry] += value
    assert summed_by(index, values, 4).tolist() == total
    assert summed_by(index, 1.0, 4).tolist() == [*np.bincount(index[index >= 0]), (index < 0).sum()]


MESSAGES = 2 * N
ARRIVED = np.random.default_rng(4).random((R, U, MESSAGES)) < 0.6
CODE = np.random.default_rng(5).integers(0, 3, (MESSAGES, K)) / 2


def decode(arrived: BoolArray) -> FloatArray:
    return np.asarray(arrived @ CODE)


@pytest.mark.parametrize("at_once", [1, R * MESSAGES * 3, 2**22])
@pytest.mark.parametrize("kept", [0, 2**26])
def test_decoded_rounds(at_once: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few are decoded together, and whether their weights are kept or not."""
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", at_once)
    monkeypatch.setattr(module, "WEIGHTS_KEPT", kept)
    found = DecodedRounds(TIMES, ARRIVED, decode, N, K)
    weights = decode(ARRIVED)
    np.testing.assert_array_equal(found.weights, weights)
    np.testing.assert_allclose(found.recovered, (weights != 0).mean(axis=-1))
    np.testing.assert_allclose(found.error, ((weights - 1) ** 2).sum(axis=-1))
    np.testing.assert_allclose(found.shares, (weights != 0).mean(axis=1))
    assert not found.exact
    assert found.staleness is None
    assert found.depth == 0
    for u in range(U):
        np.testing.assert_array_equal(found.step(u).weights, weights[:, u])
        assert found.step(u).version is None
    for together in (1, 2, 8):
        by_worker = ARRIVED.reshape(R, U // together, together, N, 2)
        np.testing.assert_array_equal(
            found.arrived(together), by_worker.any(axis=(2, 4)).sum(axis=2)
        )


@pytest.mark.parametrize("at_once", [1, 2**22])
def test_a_sample_of_rounds_is_decoded(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first to the last at equal distances; of the others nothing is known."""
    monkeypatch.setattr(module, "WEIGHTS_AT_ONCE", at_once)
    whole = DecodedRounds(TIMES, ARRIVED, decode, N, K)
    some = DecodedRounds(TIMES, ARRIVED, decode, N, K, checked=7)
    looked_at = np.zeros(R * U, dtype=bool)
    looked_at[np.linspace(0, R * U - 1, 7).astype(int)] = True
    assert looked_at[[0, -1]].all()
    looked_at = looked_at.reshape(R, U)
    for name in ("recovered", "error"):
        expected = np.where(looked_at, getattr(whole, name), np.nan)
        np.testing.assert_array_equal(getattr(some, name), expected)
    used = decode(ARRIVED) != 0
    shares = [used[r][looked_at[r]].mean(axis=0) for r in range(R)]
    np.testing.assert_allclose(some.shares, shares)
    assert not some.exact
    for all_of_them in (R * U, R * U + 1):
        checked = DecodedRounds(TIMES, ARRIVED, decode, N, K, checked=all_of_them)
        np.testing.assert_array_equal(checked.error, whole.error)


@pytest.mark.parametrize("checked", [None, 7])
def test_how_old_gradients_are_is_known_without_decoding(checked: int | None) -> None:
    """Catches least squares of every round for a number that the lag alone tells."""

    def decode(arrived: BoolArray) -> FloatArray:
        raise AssertionError

    found = DecodedRounds(TIMES, ARRIVED, decode, N, K, 2, checked)
    np.testing.assert_array_equal(found.staleness, R * [[0, 1, *[2] * (U - 2)]])
    assert DecodedRounds(TIMES, ARRIVED, decode, N, K, 0, checked).staleness is None


@pytest.mark.parametrize("lag", [1, 3, U + 2])
def test_rounds_that_apply_older_gradients(lag: int) -> None:
    found = DecodedRounds(TIMES, ARRIVED, lambda a: np.ones((*a.shape[:-1], K)), N, K, lag)
    expected = [max(u - lag, 0) for u in range(U)]
    for u in range(U):
        version = found.step(u).version
        assert version.tolist() == R * [expected[u]]
    assert (found.staleness == np.arange(U) - expected).all()
    assert found.depth == max(np.arange(U) - expected)
    assert not found.exact, "the gradient is exact, but of an older model"
    assert DecodedRounds(TIMES, ARRIVED, lambda a: np.ones((*a.shape[:-1], K)), N, K).exact


def test_weights_are_exact_up_to_round_off() -> None:
    for away, exact in ((0.0, True), (5e-10, True), (-5e-10, True), (2e-9, False), (-1.0, False)):
        weights = np.ones((R, U, K))
        weights[1, -1, 2] += away
        assert GivenWeights(TIMES, weights).exact == exact
        rounds = DecodedRounds(TIMES, ARRIVED, lambda _, w=weights: w, N, K)
        assert rounds.exact == exact


def test_when_iterations_end() -> None:
    """With several updates each: the last of them. Of three local steps an update: at thirds of
    the round; the last update has two, if there are five iterations."""
    times = np.array([[3.0, 9.0, 12.0, 20.0]])
    assert iteration_ends(times, 4).tolist() == [[3, 9, 12, 20]]
    assert iteration_ends(times, 2).tolist() == [[9, 20]]
    assert iteration_ends(times, 1).tolist() == [[20]]
    two = times[:, :2]
    assert iteration_ends(two, 6, 3).tolist() == [[1, 2, 3, 5, 7, 9]]
    odd = np.array([[2.0**-53, 1 + 2.0**-52]])  # the sum of the first and the difference is 1
    np.testing.assert_array_equal(iteration_ends(odd, 6, 3)[:, 2::3], odd)
    assert iteration_ends(two, 5, 3).tolist() == [[1, 2, 3, 6, 9]]
    assert iteration_ends(two, 4, 3).tolist() == [[1, 2, 3, 9]]


def test_values_of_updates_are_those_of_iterations() -> None:
    given = GivenWeights(TIMES, np.ones((R, U, K)))
    values = np.arange(float(R * U)).reshape(R, U)
    np.testing.assert_array_equal(given.at(values, U), values)
    pairs = (values[:, ::2] + values[:, 1::2]) / 2
    np.testing.assert_array_equal(given.at(values, U // 2), pairs)
    assert given.updates_by(U // 2).tolist() == [0, 2, 4, 6, 8]
    np.testing.assert_array_equal(given.clock(U // 2), TIMES[:, 1::2])


def test_padding_has_no_weight() -> None:
    step = Sparse(np.array([[0, -1, 0]]), np.array([[0.5, 7.0, 1.0]]), np.zeros((1, 3), dtype=int))
    np.testing.assert_array_equal(weights_of(step, 2), [[1.5, 0.0]])


def test_what_stands_in_place_of_a_mean_that_some_runs_lack() -> None:
    """How many runs miss the target and when they end; of the time to it alone."""
    row = {"replications": 5, "target_reached": 0.4, "time_to_target_above": 117.26}
    time = METRICS["time_to_target"]
    assert time.late(row) == "> 117.3 in 3 of 5"
    assert time.late({**row, "target_reached": 1.0}) == ""
    assert time.late({**row, "target_reached": 0.0}) == "> 117.3 in 5 of 5"
    assert time.late({"replications": 5}) == ""
    assert METRICS["iteration_time"].late(row) == ""
    assert time.median({"time_to_target_median": 109.27}) == " (109.3)"
    assert time.median({"time_to_target_median": np.inf}) == " (not reached)"
    assert time.median(row) == ""


def test_round_off_is_no_standard_error() -> None:
    """Errors that are sums of equal numbers: 2.4 ± 3e-17 is 2.4 ± 0, and 2.4 ± 3e-9 stays."""
    error = METRICS["decoding_error"]
    for noise, shown in ((3e-17, 0.0), (3e-9, 3e-9)):
        row = {"decoding_error_mean": 2.4, "decoding_error_se": noise}
        assert error.estimate(row) == (2.4, shown)


@pytest.mark.parametrize("name", METRICS)
def test_a_mean_below_its_round_off_is_zero_and_another_stays(name: str) -> None:
    """Only of metrics that are differences of sums; the limit itself is a number."""
    metric = METRICS[name]
    least = metric.rounding or 1e-300
    for mean, shown in ((least, least), (-least, -least), (0.9 * least, 0.0), (0.0, 0.0)):
        shown = mean if not metric.rounding else shown
        row = {f"{name}_mean": mean, f"{name}_se": 7.0}
        assert metric.rounded(mean) == shown
        assert metric.estimate(row) == (shown, 7.0 if shown or not metric.rounding else 0.0)
    for mean in (0.0, 1.0):
        found = metric.estimate({f"{name}_mean": mean, f"{name}_se": np.nan})
        assert np.isnan(found[1]), "of one run there is no error"


def test_who_is_heard_of_given_weights_is_a_share_of_the_updates() -> None:
    """Of each replication and partition: whatever weighs something counts."""
    weights = np.array([[[1.0, 0.0], [0.5, 0.0], [0.0, -2.0], [1.0, 0.0]]])
    measured = GivenWeights(np.ones((1, 4)), weights).measure()
    np.testing.assert_array_equal(measured.recovered, [[0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(measured.error, [[1.0, 1.25, 10.0, 1.0]])
    np.testing.assert_array_equal(measured.shares, [[0.75, 0.25]])
