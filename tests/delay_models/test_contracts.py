"""Every registered delay model keeps the contract of ``DelayModel``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from erasurehead.delay_models.parametric import Parametric
from erasurehead.delays import MODELS, DelayModel, Tape
from erasurehead.plugins import ReplayedDelays
from tests.statistics import assert_z

EXAMPLES = [model for family in MODELS.values() for model in family.examples()]
WITH_CDF = [model for model in EXAMPLES if model.cdf([1.0]) is not None]
CONTINUOUS = [m for m in WITH_CDF if type(m) is not MODELS["deterministic"]]
INDEPENDENT = [m for m in CONTINUOUS if m.independent]
COUPLED = [m for m in CONTINUOUS if not m.independent]
WITH_MEAN = [m for m in EXAMPLES if m.mean() is not None]
RANDOM = [
    m
    for m in EXAMPLES
    if type(m) not in (MODELS["deterministic"], MODELS["measured_rounds"])
    and not isinstance(m, ReplayedDelays)
]
"""Models that never give a number twice; ``measured_rounds`` draws from few."""

# The suite makes about 200 statistical checks; at 1e-6 each it fails by chance once in 5,000 runs.
P_VALUE = 1e-6


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_samples_are_delays(model: DelayModel) -> None:
    delays = model.sample(np.random.default_rng(1), 50, 7)
    assert delays.shape == (50, 7)
    assert delays.dtype == np.float64
    assert np.all(np.isfinite(delays))
    assert np.all(delays >= 0)


@pytest.mark.parametrize("model", INDEPENDENT, ids=repr)
def test_samples_follow_the_cdf(model: DelayModel) -> None:
    """Catches a wrong scale, rate for scale, a lost shift, a Lomax taken for a Pareto."""
    sample = model.sample(np.random.default_rng(2), 2000, 10).ravel()
    assert stats.kstest(sample, model.cdf).pvalue > P_VALUE


@pytest.mark.one_in(2)
@pytest.mark.parametrize("model", COUPLED, ids=repr)
@pytest.mark.parametrize("cell", [(0, 0), (5, 2)], ids=str)
def test_one_cell_of_each_replication_follows_the_cdf(
    model: DelayModel, cell: tuple[int, int]
) -> None:
    """Cells of one table depend on each other, so each sample takes one, at any fixed place.

    Catches a start that is not stationary, and a law whose weights are swapped.
    """
    rng = np.random.default_rng(3)
    sample = [model.sample(rng, 6, 3)[cell] for _ in range(4000)]
    assert stats.kstest(sample, model.cdf).pvalue > P_VALUE


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_no_draw_is_longer_than_the_longest(model: DelayModel) -> None:
    """Catches a bound that forgets a shift, a scale or a part.

    The quantile is the longest draw of 53 random bits, if each made one uniform number.
    """
    assert model.sample(np.random.default_rng(9), 2000, 20).max() <= model.longest() < 1e30
    furthest = model.ppf(1 - 2.0**-53)
    assert furthest is None or furthest <= model.longest()


@pytest.mark.parametrize("model", WITH_MEAN, ids=repr)
def test_tables_have_the_mean(model: DelayModel) -> None:
    """Also where there is no CDF; one table is one sample, however its cells are coupled."""
    rng = np.random.default_rng(4)
    assert_z([model.sample(rng, 20, 16).mean() for _ in range(600)], model.mean())


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_conditions_are_not_changed_by_drawing(model: DelayModel) -> None:
    """Several streams draw under the same conditions. Catches ``*=`` on a shared table."""
    rng = np.random.default_rng(5)
    conditions, _ = model.evolve(model.start(rng, 6), rng, 4, 6)
    one = model.delays(conditions, np.random.default_rng(6), 4, 6).copy()
    model.delays(conditions, np.random.default_rng(7), 4, 6)
    np.testing.assert_array_equal(model.delays(conditions, np.random.default_rng(6), 4, 6), one)


@pytest.mark.parametrize("model", [m for m in EXAMPLES if m.independent], ids=repr)
def test_independent_models_have_no_state(model: DelayModel) -> None:
    """The tape draws them without conditions. Catches ``independent`` claimed by mistake."""
    rng = np.random.default_rng(8)
    assert model.start(rng, 6) is None
    assert model.evolve(None, rng, 4, 6) == (None, None)


@pytest.mark.parametrize("model", WITH_CDF, ids=repr)
def test_mean_is_the_integral_of_the_survival_function(model: DelayModel) -> None:
    """E[X] = integral of ppf over (0, 1), by the midpoint rule on transformed nodes."""
    v = (np.arange(100_000) + 0.5) / 100_000
    tail_heavy = 1 - v**2  # dense near 1, where quantiles explode
    weights = 2 * v / 100_000
    assert np.sum(model.ppf(tail_heavy) * weights) == pytest.approx(model.mean(), rel=1e-3)


@pytest.mark.parametrize("model", CONTINUOUS, ids=repr)
def test_ppf_inverts_cdf(model: DelayModel) -> None:
    q = np.linspace(0.01, 0.99, 25)
    np.testing.assert_allclose(model.cdf(model.ppf(q)), q, rtol=1e-9)


CLOSED = [m for m in EXAMPLES if isinstance(m, Parametric)]
CLOSED.append(MODELS["pareto"](alpha=1.0, scale=2.0))  # type: ignore[call-arg, arg-type]

IN_SCIPY: dict[str, Callable[[Any], Any]] = {
    "Exponential": lambda m: stats.expon(scale=1 / m.rate),
    "ShiftedExponential": lambda m: stats.expon(loc=m.shift, scale=1 / m.rate),
    "Weibull": lambda m: stats.weibull_min(m.shape, loc=m.shift, scale=m.scale),
    "Pareto": lambda m: stats.pareto(m.alpha, scale=m.scale),
    "LogNormal": lambda m: stats.lognorm(m.sigma, loc=m.shift, scale=m.median),
    "Gamma": lambda m: stats.gamma(m.shape, loc=m.shift, scale=m.scale),
}


@pytest.mark.parametrize("model", CLOSED, ids=repr)
def test_a_law_in_closed_form_has_the_bits_of_scipy(model: Parametric) -> None:
    """Also at the ends: a law may spare the import of ``scipy.stats``, but no result may move."""
    chance = np.concatenate([np.linspace(0, 1, 101), [1e-300, 1 - 2.0**-53, -1.0, 2.0, np.nan]])
    seconds = np.concatenate([np.geomspace(1e-3, 1e3, 101), [0.0, -1.0, 0.4, np.inf, np.nan]])
    law = IN_SCIPY[type(model).__name__](model)
    assert model.mean() == law.mean()
    for known, asked, at in (
        (law.ppf, model.ppf, chance),
        (law.cdf, model.cdf, seconds),
        (law.sf, model.sf, seconds),
        (law.isf, model.isf, chance),
    ):
        np.testing.assert_array_equal(asked(at), known(at))
    finite = seconds[np.isfinite(seconds)]
    np.testing.assert_allclose(model.logpdf(finite), law.logpdf(finite), rtol=1e-14)


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


@pytest.mark.parametrize("model", [m for m in EXAMPLES if m.row_by_row], ids=repr)
def test_a_short_table_is_the_beginning_of_a_long_one(model: DelayModel) -> None:
    """The tape of a short run draws a part of a block. Catches a draw in two passes."""
    whole = model.sample(np.random.default_rng(9), 2000, 13)
    for rows in (1, 16, 48, 1000):
        np.testing.assert_array_equal(
            model.sample(np.random.default_rng(9), rows, 13), whole[:rows]
        )


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_a_short_reading_of_a_tape_is_the_beginning_of_a_long_one(model: DelayModel) -> None:
    """Catches ``row_by_row`` claimed by a model that draws in two passes."""
    whole = Tape(model, 12, seed=3, replication=1).rows(0, 3000)
    for stop in (1, 17, 100, 2735):
        tape = Tape(model, 12, seed=3, replication=1)
        np.testing.assert_array_equal(tape.rows(stop // 2, stop), whole[stop // 2 : stop])


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


def fields_of(model: DelayModel) -> dict[str, Any]:
    """The fields, one level deep: nested models stay models."""
    return {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_bad_numbers_are_refused(name: str) -> None:
    """Every numeric field refuses NaN, infinity and a negative number, and unknown fields."""
    adapter = TypeAdapter(MODELS[name])
    for model in MODELS[name].examples():
        good = fields_of(model)
        assert adapter.validate_python(good) == model
        with pytest.raises(ValidationError):
            adapter.validate_python(good | {"no_such_field": 1})
        for field, value in good.items():
            for bad in (float("nan"), float("inf"), -1.0, "fast"):
                if isinstance(value, float):
                    with pytest.raises(ValidationError):
                        adapter.validate_python(good | {field: bad})
                elif isinstance(value, tuple):
                    with pytest.raises(ValidationError):
                        adapter.validate_python(good | {field: (bad, *value[1:])})


@pytest.mark.parametrize("name", MODELS)
def test_a_nested_model_must_be_a_model(name: str) -> None:
    """Catches a field typed so loosely that a name or a mapping gets through to a run."""
    adapter = TypeAdapter(MODELS[name])
    for model in MODELS[name].examples():
        good = fields_of(model)
        for field, value in good.items():
            if isinstance(value, DelayModel):
                for bad in ("exponential", {"rate": 1.0}, None, 3.0):
                    with pytest.raises(ValidationError):
                        adapter.validate_python(good | {field: bad})


@pytest.mark.parametrize("model", EXAMPLES, ids=repr)
def test_a_law_is_random_where_replications_differ(model: DelayModel) -> None:
    """Catches a law whose runs are made once although they differ, or often though they do not."""
    first, second = (Tape(model, 12, seed=0, replication=r).rows(0, 50) for r in (0, 1))
    assert model.random == bool((first != second).any())
