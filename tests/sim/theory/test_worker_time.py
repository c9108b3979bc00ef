"""One worker's time, and arguments that are refused."""

from __future__ import annotations

from math import erf, sqrt
from typing import Any

import numpy as np
import pytest

from erasurehead.delays import MODELS
from erasurehead.load_laws import PerPartition
from erasurehead.plugins import CoverGroups, Groups, InvalidParameter
from erasurehead.sim import theory
from erasurehead.stopping import FirstK
from erasurehead.theory import additive_worker_time, proportional_worker_time, worker_time_at

# A worker's time at its load: the three load laws.


SUMMABLE = {
    "deterministic": {"value": 0.25},
    "exponential": {"rate": 2.0},
    "shifted_exponential": {"shift": 0.5, "rate": 2.0},
    "gamma": {"shape": 0.7, "scale": 2.0, "shift": 0.1},
}


def test_where_the_load_enters():
    """Catches F(d t) for F(t / d), and the additive cost counted once instead of d times."""
    model = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
    t = np.array([-1.0, 0.0, 2.9, 3.5, 6.0])
    assert_array_equal = np.testing.assert_array_equal
    assert_array_equal(proportional_worker_time(model.cdf, 3).cdf(t), model.cdf(t / 3))
    assert_array_equal(additive_worker_time(model.cdf, 3, 0.5).cdf(t), model.cdf(t - 1.5))
    assert_array_equal(additive_worker_time(model.cdf, 3, 0.5, model.sf).sf(t), model.sf(t - 1.5))


def test_nothing_is_done_before_the_round_starts():
    """Catches a callable asked for negative times, and a mass at 0 s that is moved too early."""
    half_at_once = additive_worker_time(lambda t: 1 - 0.5 * np.exp(-t), 2, 1.0)
    np.testing.assert_array_equal(half_at_once.cdf([0.0, 1.0, 1.999, 2.0]), [0, 0, 0, 0.5])
    np.testing.assert_array_equal(half_at_once.sf([0.0, 1.0, 1.999, 2.0]), [1, 1, 1, 0.5])


@pytest.mark.parametrize("name", SUMMABLE)
@pytest.mark.parametrize("draws", [1, 4])
def test_the_law_of_a_sum(name, draws):
    """Catches a wrong shape, scale or shift: moments of the sum, and its law by Kolmogorov."""
    model = MODELS[name](**SUMMABLE[name])
    total = model.sum_of(draws)
    assert total.mean() == pytest.approx(draws * model.mean(), rel=1e-12)
    samples = model.sample(np.random.default_rng(5), 20_000 * draws, 1)
    sums = np.sort(samples.reshape(20_000, draws).sum(axis=1))
    worker = worker_time_at(model, PerPartition(), draws)
    distance = np.abs(worker.cdf(sums) - (np.arange(20_000) + 0.5) / 20_000).max()
    # P(distance > 2.7 / sqrt(N)) = 1e-6 for a continuous law; a constant must match exactly.
    if name == "deterministic":
        np.testing.assert_array_equal(worker.cdf(sums), 1.0)
    else:
        assert distance < 2.7 / np.sqrt(20_000)


def test_laws_whose_sum_is_not_closed():
    """Catches a made-up law for a sum of Pareto, Weibull or log-normal delays."""
    for name, fields in {
        "pareto": {"alpha": 1.5, "scale": 1.0},
        "weibull": {"shape": 0.7, "scale": 1.0},
        "lognormal": {"median": 1.0, "sigma": 1.0},
        "authors_stream": {},
    }.items():
        model = MODELS[name](**fields)
        assert model.sum_of(3) is None
        assert worker_time_at(model, PerPartition(), 3) is None


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *SUMMABLE.items(),
        ("pareto", {"alpha": 1.1, "scale": 2.0}),
        ("lognormal", {"median": 1.0, "sigma": 2.0}),
    ],
)
def test_sf_is_what_the_cdf_leaves(name, fields):
    """Catches a survival function of another law than the CDF's."""
    model = MODELS[name](**fields)
    t = np.linspace(0.0, 20.0, 81)
    np.testing.assert_allclose(model.cdf(t) + model.sf(t), 1.0, rtol=1e-12)


# Impossible arguments: the error is one line with the field, the value and what is valid.


ONE = theory.ExponentialTime(0.0, 1.0)
UNIT = theory.WorkerTime(lambda t: 1 - np.exp(-t))
ERASURE = theory.GroupErasure(12, 3, 6)
BOUND = theory.ErasureBound(4.0, 0.5, ERASURE, 0.1, 1.0, 1.0)

EXPONENTIAL, PIECES = MODELS["exponential"](rate=1.0), PerPartition()
# what is called with what, and the argument that the refusal names
WRONG: list[tuple[Any, tuple[Any, ...], str]] = [
    ("ExponentialTime", (0.0, -1.0), "scale"),
    ("ExponentialTime", (np.nan, 1.0), "offset"),
    ("proportional_time", (0.0, 0.0, 1), "rate"),
    ("proportional_time", (0.0, 1.0, 0), "load"),
    ("proportional_time", (-1.0, 1.0, 1), "shift"),
    ("additive_time", (0.0, 0.0, 1, 0.1), "rate"),
    ("additive_time", (0.0, 1.0, 0, 0.1), "load"),
    ("additive_time", (-1.0, 1.0, 1, 0.1), "shift"),
    ("additive_time", (0.0, 1.0, 1, -0.1), "seconds_per_partition"),
    ("harmonic", (-1,), "n"),
    ("mean_uncoded", (ONE, 0), "workers"),
    ("mean_first_k", (ONE, 0, 0), "workers"),
    ("mean_first_k", (ONE, 30, 40), "wait_for"),
    ("mean_quorum", (ONE, 30, 15, -0.5), "grace"),
    ("mean_quorum", (ONE, 30, 31, 0.5), "wait_for"),
    ("mean_speculative", (ONE, 30, 31), "copy_after"),
    ("mean_speculative", (theory.ExponentialTime(1.0, 1.0), 30, 20), "offset"),
    ("mean_ssp", (-1, 1.0), "ahead"),
    ("asynchronous_weights", ([1.0, 0.0],), "mean_times"),
    ("least_seconds", ([],), "mean_times"),
    ("mean_cover", (ONE, 30, 4), "load"),
    ("mean_erasurehead", (ONE, 30, 3, 40), "wait_for"),
    ("mean_erasurehead", (ONE, 30, 4, 15), "load"),
    ("mean_k_sync", (30, 3, 0.0), "rate"),
    ("mean_k_sync", (30, 31, 1.0), "wait_for"),
    ("mean_k_async", (30, 0, 1.0), "wait_for"),
    ("mean_k_batch_sync", (0, 3, 1.0), "workers"),
    ("mean_k_batch_sync", (30, 0, 1.0), "wait_for"),
    ("mean_k_batch_async", (30, 0, 1.0), "wait_for"),
    ("mean_ssp", (1, 0.0), "rate"),
    ("mean_k_batch_sync", (30, 40, np.inf), "rate"),
    ("mean_k_batch_async", (30, 3, -1.0), "mean_delay"),
    ("mean_asynchronous", (0, 1.0), "workers"),
    ("bound_k_async", (0, 0, UNIT), "workers"),
    ("bound_k_async", (30, 31, UNIT), "wait_for"),
    ("WorkerTime", (UNIT.unit_cdf, None, 0.0, 0.0), "scale"),
    ("WorkerTime", (UNIT.unit_cdf, None, 1.0, -0.1), "offset"),
    ("proportional_worker_time", (UNIT.unit_cdf, 0), "load"),
    ("additive_worker_time", (UNIT.unit_cdf, 1, np.nan), "seconds_per_partition"),
    ("worker_time_at", (EXPONENTIAL, PIECES, 0), "load"),
    ("piece_time_at", (EXPONENTIAL, PIECES, 0, 1), "pieces"),
    ("piece_time_at", (EXPONENTIAL, PIECES, 2, 0), "done"),
    ("additive_worker_time", (UNIT.unit_cdf, 0, 1.0), "load"),
    (worker_time_at, (EXPONENTIAL, PIECES, 0, 2), "load"),
    (worker_time_at, (EXPONENTIAL, PIECES, 2, 0), "steps"),
    ("mean_pieces_done", (4, 0.0, "at", EXPONENTIAL, PIECES), "patience"),
    ("mean_pieces_done", (-1, 1.0, "at", EXPONENTIAL, PIECES), "pieces"),
    ("normal_pieces_done", (12, 10.0, 1.0, 0.0), "deviation"),
    ("normal_pieces_done", (12, 10.0, 0.0, 1.0), "mean"),
    ("normal_pieces_done", (0, 10.0, 1.0, 1.0), "pieces"),
    ("iteration_time_law", (FirstK(40), 30, UNIT), "wait_for"),
    ("iteration_time_law", (CoverGroups(4), 30, UNIT), "load"),
    ("iteration_time_law", (FirstK(1), 1.5, UNIT), "workers"),
    (theory.iteration_time_law(FirstK(1), 1, UNIT).quantile, (1.5,), "probability"),
    ("MessageTime", (-1.0,), "latency"),
    ("GroupErasure", (30, 4, 15), "load"),
    ("GroupErasure", (30, 3, 31), "arrivals"),
    ("GroupErasure", (30, 3, 15, 0.0), "scale"),
    ("quorum_error", (30, 15, 1.5), "heard"),
    ("grouped_least_squares", (np.eye(12), np.ones(12), 12, 5), "size"),
    ("grouped_least_squares", (np.eye(12), np.ones(12), 0, 1), "partitions"),
    ("quorum_error", (30, 31, 0.5), "wait_for"),
    ("one_step_error", (30, 30, 31, 15), "load"),
    ("one_step_error", (6, 4, 3, 2), "load"),
    ("one_step_error", (30, 30, 3, 0), "arrivals"),
    ("one_step_error", (0, 30, 3, 0), "workers"),
    ("one_step_error", (30, 0, 0, 15), "partitions"),
    ("bernoulli_error", (0, 0.5, 1), "partitions"),
    ("bernoulli_error", (30, 3.0, 0), "arrivals"),
    ("bernoulli_error", (30, 31.0, 15), "load"),
    ("bernoulli_error", (30, 0.0, 15), "load"),
    ("ErasureBound", (4.0, 5.0, ERASURE, 0.1, 1.0, 1.0), "pl_constant"),
    ("ErasureBound", (4.0, 0.5, ERASURE, 0.1, 1.0, -1.0), "gap"),
    (BOUND.bound, (-1,), "iterations"),
    (BOUND.bound_along, (np.array([-1.0]),), "spreads"),
    ("gradient_descent_rate", (0.0, 0.0, 0.1), "smoothness"),
    ("gradient_descent_rate", (1.0, 0.0, 0.1), "pl_constant"),
    ("least_squares_spectrum", (np.ones((3, 2)), np.ones(2)), "targets.shape"),
    ("least_squares_spectrum", (np.zeros((3, 2)), np.ones(3)), "features.shape"),
    ("least_squares_spectrum", (np.ones((3, 2)), np.ones(3), -0.1), "l2"),
    ("stochastic_block_error", (30, 3, 5, 0.9, 15), "inside"),
    ("stochastic_block_error", (4, 4, 4, 0.5, 2), "inside"),
    ("stochastic_block_error", (30, 3, 5, 0.5, 31), "arrivals"),
    ("stochastic_block_error", (30, 0, 5, 0.0, 15), "load"),
    ("stochastic_block_error", (30, 3, 4, 0.5, 15), "load"),
    ("common_weight_error", (Groups(6, 2), 7, 1.0), "arrivals"),
    ("design_error", (7, 3, 8), "arrivals"),
    ("design_error", (7, 8, 4), "load"),
    ("expander_bound", (13, 6, 2.3, 0), "arrivals"),
    ("expander_bound", (13, 14, 2.3, 10), "load"),
    ("quorum_error", (0, 0, 0.5), "workers"),
    ("expander_bound", (13, 6, -1.0, 10), "second"),
    ("spectral_bound", (13, 13, 6, 2.3, 14), "arrivals"),
    ("spectral_bound", (13, 13, 0, 2.3, 10), "load"),
    ("spectral_bound", (0, 13, 6, 2.3, 0), "workers"),
    ("spectral_bound", (13, 0, 6, 2.3, 10), "partitions"),
    ("spectral_bound", (13, 13, 6, -1.0, 10), "second"),
    ("expected_total_time", (-1.0, 1.0), "iterations"),
    ("expected_total_time", (1.0, np.nan), "iteration_time"),
]


@pytest.mark.parametrize(("call", "given", "field"), WRONG)
def test_an_impossible_argument_is_named(call, given, field):
    """Catches a number, NaN, a warning or a ZeroDivisionError where there is no answer."""
    with pytest.raises(InvalidParameter) as caught:
        (getattr(theory, call) if isinstance(call, str) else call)(*given)
    assert caught.value.field == field
    assert "must" in caught.value.valid
    assert "\n" not in str(caught.value)


def test_every_public_function_is_held_to_it():
    """A new function of the theory needs a line above; those that take a scheme have no number."""
    checked = {call for call, _, _ in WRONG if isinstance(call, str)}
    of_a_scheme = {"expected_decoding_error", "group_erasure", "scheme_iteration_time"}
    of_a_scheme |= {"worst_cases", "worst_bound", "round_theory"}
    answers = {"NoFormula", "RoundTheory", "LeastSquaresSpectrum", "WorstCase", "Bound"}
    answers |= {"IterationTimeLaw", "GroupedLeastSquares"}
    assert set(theory.__all__) == checked | of_a_scheme | answers


def test_pieces_that_are_done_by_the_central_limit():
    """The sum of the chances that the m-th is done: of each a normal law, by its error function."""
    chance = [0.5 * (1 + erf((2.5 - m * 0.8) / (0.3 * sqrt(2 * m)))) for m in range(1, 5)]
    assert theory.normal_pieces_done(4, 2.5, 0.8, 0.3) == pytest.approx(sum(chance))
    assert theory.normal_pieces_done(3, 100.0, 0.8, 0.3) == pytest.approx(3)


@pytest.mark.parametrize(("ahead", "seconds"), [(0, 3 / 4), (1, 5 / 8), (4, 11 / 20)])
def test_two_workers_of_which_one_may_be_ahead(ahead, seconds):
    """0 ahead: each pair of gradients takes the maximum of two, 3/2; far ahead: nobody waits."""
    assert theory.mean_ssp(ahead, 1.0) == pytest.approx(seconds)
    assert theory.mean_ssp(ahead, 4.0) == pytest.approx(seconds / 4)
    assert theory.mean_ssp(10**9, 2.0) == pytest.approx(0.25)
