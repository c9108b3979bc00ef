"""A worker's time at its load: the three load laws."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delay_models import MODELS
from erasurehead.sim.load_laws import PerPartition
from erasurehead.sim.theory import additive_worker_time, proportional_worker_time, worker_time_at

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
