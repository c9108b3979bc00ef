"""Mixtures: weights go to their components, cells are independent, quantiles invert atoms too."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from erasurehead.delay_models import MODELS, DelayModel, Tape
from erasurehead.delay_models.mixture import Mixture
from erasurehead.delay_models.parametric import (
    Deterministic,
    Exponential,
    LogNormal,
    Pareto,
    Weibull,
)
from tests.statistics import BOUND, assert_z


def test_cells_take_their_component_with_its_weight_and_independently() -> None:
    """Catches swapped weights, one choice for a whole round or worker, and order in a block."""
    model = Mixture(
        weights=(0.7, 0.1, 0.2), components=tuple(Deterministic(value=v) for v in (1.0, 2.0, 3.0))
    )
    rows = Tape(model, 50, seed=1, replication=0).rows(0, 2000)
    for value, weight in ((1.0, 0.7), (2.0, 0.1), (3.0, 0.2)):
        assert_z((rows == value).ravel(), weight)
    for one, two in ((rows[:, 1:], rows[:, :-1]), (rows[1:], rows[:-1])):
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < BOUND / np.sqrt(one.size)


def test_quantiles_of_atoms_are_the_smallest_seconds_with_enough_probability() -> None:
    """Catches root finding that runs away where the CDF jumps or is flat."""
    model = Mixture(
        weights=(0.5, 0.25, 0.25),
        components=(Deterministic(value=1.0), Deterministic(value=3.0), Exponential(rate=1e-9)),
    )
    np.testing.assert_allclose(model.ppf([0.1, 0.5, 0.6, 0.7499]), [1, 1, 3, 3], rtol=1e-6)
    np.testing.assert_array_equal(model.ppf([0.0, 1.0]), [0.0, np.inf])


def test_quantiles_have_the_shape_of_the_question() -> None:
    model = Mixture.examples()[0]
    assert np.shape(model.ppf(0.5)) == ()
    assert np.shape(model.ppf(np.full((2, 3), 0.5))) == (2, 3)
    assert np.shape(model.cdf(0.5)) == ()


def test_the_tail_is_precise() -> None:
    """Catches 1 - cdf in the survival function: at 1e-20 that is 0."""
    part = Pareto(alpha=2.0, scale=1.0)
    model = Mixture(weights=(0.75, 0.25), components=(Exponential(rate=1.0), part))
    assert model.sf(1e10) == pytest.approx(0.25 * 1e-20, rel=1e-12, abs=0)


def test_one_component_is_that_component() -> None:
    part = Weibull(shape=0.7, scale=1.5)
    model = Mixture(weights=(1.0,), components=(part,))
    q = np.linspace(0, 1, 11)
    np.testing.assert_array_equal(model.ppf(q), part.ppf(q))
    assert model.mean() == part.mean()


def test_a_component_without_weight_does_not_matter() -> None:
    """Catches 0 times an infinite mean."""
    endless, part = Pareto(alpha=0.5, scale=1.0), Exponential(rate=2.0)
    model = Mixture(weights=(0.0, 1.0), components=(endless, part))
    assert model.mean() == 0.5
    assert model.ppf(0.5) == part.ppf(0.5)
    assert Mixture(weights=(0.1, 0.9), components=(endless, part)).mean() == np.inf


def test_mixtures_nest() -> None:
    inner = Mixture(weights=(0.5, 0.5), components=(Exponential(rate=1.0), Exponential(rate=2.0)))
    nested = Mixture(weights=(0.5, 0.5), components=(inner, LogNormal(median=1.0, sigma=0.5)))
    flat = Mixture(weights=(0.25, 0.25, 0.5), components=(*inner.components, nested.components[1]))
    x = np.linspace(0, 5, 20)
    np.testing.assert_allclose(nested.cdf(x), flat.cdf(x), rtol=1e-12)
    np.testing.assert_allclose(nested.ppf([0.2, 0.9]), flat.ppf([0.2, 0.9]), rtol=1e-9)


ONE = Exponential(rate=1.0)


@pytest.mark.parametrize(
    ("weights", "components", "message"),
    [
        ((0.5, 0.4), (ONE, ONE), "weights sum to 0.9; must sum to 1"),
        ((0.5, 0.5), (ONE,), "2 weights for 1 components"),
        ((), (), "at least 1"),
        ((1.0,), (MODELS["markov"].examples()[0],), "independent delays; Markov"),
        ((1.0,), (MODELS["authors_stream"](),), "independent delays; AuthorsStream"),
    ],
)
def test_what_is_no_mixture_is_refused(
    weights: tuple[float, ...], components: tuple[DelayModel, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Mixture(weights=weights, components=components)
