"""Every registered delay model keeps the contract of ``DelayModel``."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from delay_models import MODELS, DelayModel, Tape
from delay_models.base import IndependentDelays

EXAMPLES = [model for family in MODELS.values() for model in family.examples()]
WITH_CDF = [model for model in EXAMPLES if model.cdf([1.0]) is not None]
CONTINUOUS = [m for m in WITH_CDF if type(m) is not MODELS["deterministic"]]

# The suite makes about 200 statistical checks; at 1e-6 each it fails by chance once in 5,000 runs.
P_VALUE = 1e-6


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_samples_are_delays(model: DelayModel) -> None:
    delays = model.sample(np.random.default_rng(1), 50, 7)
    assert delays.shape == (50, 7)
    assert delays.dtype == np.float64
    assert np.all(np.isfinite(delays))
    assert np.all(delays >= 0)


@pytest.mark.parametrize("model", CONTINUOUS, ids=repr)
def test_samples_follow_the_cdf(model: DelayModel) -> None:
    """Catches a wrong scale, rate for scale, a lost shift, a Lomax taken for a Pareto."""
    sample = model.sample(np.random.default_rng(2), 2000, 10).ravel()
    assert stats.kstest(sample, model.cdf).pvalue > P_VALUE


@pytest.mark.parametrize("model", WITH_CDF, ids=repr)
def test_mean_is_the_integral_of_the_survival_function(model: DelayModel) -> None:
    """E[X] = integral of ppf over (0, 1), by the midpoint rule on transformed nodes."""
    v = (np.arange(400_000) + 0.5) / 400_000
    tail_heavy = 1 - v**2  # dense near 1, where quantiles explode
    weights = 2 * v / 400_000
    assert np.sum(model.ppf(tail_heavy) * weights) == pytest.approx(model.mean(), rel=1e-3)


@pytest.mark.parametrize("model", CONTINUOUS, ids=repr)
def test_ppf_inverts_cdf(model: DelayModel) -> None:
    q = np.linspace(0.01, 0.99, 25)
    np.testing.assert_allclose(model.cdf(model.ppf(q)), q, rtol=1e-9)


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_tape_does_not_depend_on_how_it_is_read(model: DelayModel) -> None:
    """Catches a tape whose rows depend on where reading starts, or on the order of reading."""
    workers = 4000  # a block is 8 rounds
    tape = Tape(model, workers, seed=3, replication=1)
    assert tape.block_rounds == 8
    whole = tape.rows(0, 40)
    fresh = Tape(model, workers, seed=3, replication=1)
    np.testing.assert_array_equal(fresh.rows(21, 30), whole[21:30])
    np.testing.assert_array_equal(fresh.rows(5, 6), whole[5:6])
    np.testing.assert_array_equal(tape.rows(0, 40), whole)


RANDOM = [model for model in CONTINUOUS if isinstance(model, IndependentDelays)]


@pytest.mark.parametrize("model", RANDOM, ids=repr)
@pytest.mark.parametrize("other", [{"seed": 4}, {"replication": 2}], ids=str)
def test_other_replications_and_seeds_are_other_draws(
    model: DelayModel, other: dict[str, int]
) -> None:
    mine = Tape(model, 10, seed=3, replication=1).rows(0, 5)
    theirs = Tape(model, 10, **({"seed": 3, "replication": 1} | other)).rows(0, 5)
    assert not np.any(mine == theirs)


@pytest.mark.parametrize("model", RANDOM, ids=repr)
def test_streams_and_blocks_are_other_draws(model: DelayModel) -> None:
    tape = Tape(model, 4000, seed=3, replication=1)
    assert not np.any(tape.rows(0, 8) == tape.rows(0, 8, stream=1))
    assert not np.any(tape.rows(0, 8) == tape.rows(8, 16))


@pytest.mark.parametrize("name", MODELS)
def test_bad_numbers_are_refused(name: str) -> None:
    """Every numeric field refuses NaN, infinity and a negative number, and unknown fields."""
    adapter = TypeAdapter(MODELS[name])
    for model in MODELS[name].examples():
        good = dataclasses.asdict(model)
        with pytest.raises(ValidationError):
            adapter.validate_python(good | {"no_such_field": 1})
        for field, value in good.items():
            if isinstance(value, float):
                for bad in (float("nan"), float("inf"), -1.0, "fast"):
                    with pytest.raises(ValidationError):
                        adapter.validate_python(good | {field: bad})
