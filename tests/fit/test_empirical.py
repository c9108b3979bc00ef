"""The empirical law: its pieces, its tail, and effects on ranks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from erasurehead.delay_models import MODELS
from erasurehead.experiments.fit.goodness import (
    expected_order_statistics,
    observed_order_statistics,
)
from erasurehead.experiments.fit.laws import EMPIRICAL
from erasurehead.experiments.fit.laws.empirical import (
    EmpiricalLaw,
    fit_tail,
    latent,
    rank_effects,
    smoothed,
)
from erasurehead.experiments.fit.laws.law import CannotFit


def test_pieces_keep_the_mean() -> None:
    """Straight lines between quantiles read off one by one are too long before a tail."""
    ordered = np.sort(np.random.default_rng(0).pareto(1.5, 6400) + 1)[:6300]
    ends = smoothed(ordered, 64)
    assert np.all(np.diff(ends) >= 0)
    assert (ends[1:] + ends[:-1]).mean() / 2 == pytest.approx(ordered.mean(), rel=1e-3)
    np.testing.assert_allclose(smoothed(np.linspace(1, 3, 100), 4), [1, 1.5, 2, 2.5, 3], atol=0.02)


@pytest.mark.parametrize("shape", [-0.5, 0.0, 0.3])
def test_the_tail_is_found(shape: float) -> None:
    found = []
    for seed in range(20):
        excess = stats.genpareto.rvs(shape, size=500, random_state=seed)
        found.append(fit_tail(np.sort(2.0 * excess)))
    scale, fitted = np.mean(found, axis=0)
    assert fitted == pytest.approx(shape, abs=0.06)
    assert scale == pytest.approx(2.0, abs=0.12)


def test_the_tail_reaches_every_delay() -> None:
    """A law under which a measured delay cannot happen would have no likelihood."""
    for seed in range(10):
        sample = 17 - 15 * np.random.default_rng(seed).random(3000) ** 4
        law = EMPIRICAL.fit(sample)
        assert np.all(np.isfinite(law.logpdf(sample)))
        assert law.longest() < 17.1


@pytest.mark.parametrize("name", ["wall", "pareto", "lognormal"])
def test_it_bends_to_any_shape(name: str) -> None:
    """Order statistics from the median to the slowest of 64 within 3 %."""
    draw = {
        "wall": lambda rng, shape: 17 - 15 * rng.random(shape) ** 4,
        "pareto": lambda rng, shape: rng.pareto(3.0, shape) + 1,
        "lognormal": lambda rng, shape: rng.lognormal(0, 0.5, shape),
    }[name]
    ks = [32, 48, 60, 64]
    table = draw(np.random.default_rng(0), (1500, 64))
    truth = observed_order_statistics(draw(np.random.default_rng(1), (20_000, 64)), ks)
    law = EMPIRICAL.fit(table.ravel())
    np.testing.assert_allclose(expected_order_statistics(law, 64, ks), truth, rtol=0.03)


def test_its_density_and_its_section_are_those_of_the_law() -> None:
    sample = np.random.default_rng(0).gamma(3.0, 1.0, 4000)
    law = EMPIRICAL.fit(sample)
    assert isinstance(law, EmpiricalLaw)
    grid = np.linspace(0.001, 30, 60_001)
    assert np.trapezoid(np.exp(law.logpdf(grid)), grid) == pytest.approx(1, abs=0.01)
    assert MODELS["empirical"](**{k: v for k, v in law.section().items() if k != "model"}) == (
        law.model
    )
    for few in (np.full(40, 2.0), np.arange(1.0, 10.0)):
        with pytest.raises(CannotFit):
            EMPIRICAL.fit(few)


def test_ranks_do_not_see_the_margin() -> None:
    """Delays through any rising function have the same effects."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=30) * 0.5 + rng.normal(size=(200, 1)) * 0.4
    numbers = numbers + rng.normal(size=(200, 30))
    effects = rank_effects([numbers], worker=True, by_round=True, spells=False)
    assert rank_effects([np.exp(5 * numbers)], True, True, False) == effects
    assert np.ptp(latent([numbers])[0]) == np.ptp(latent([np.arctan(numbers)])[0])


def test_effects_on_ranks_are_recovered() -> None:
    """Drawn from the model, fitted, and found again."""
    ranks = (-1.5, -0.5, 0.0, 0.0, 0.5, 1.5) * 4
    truth = {"round": 0.3, "spells": 0.4, "persistence": 0.8}
    quantiles = tuple(17 - 15 * (1 - np.linspace(0, 1, 40)) ** 3)
    model = MODELS["empirical"](quantiles=quantiles, ranks=ranks, **truth)
    table = model.sample(np.random.default_rng(0), 2000, len(ranks))
    found = rank_effects([table], worker=True, by_round=True, spells=True)
    np.testing.assert_allclose(found.pop("ranks"), ranks, atol=0.15)
    assert found == {key: pytest.approx(value, abs=0.06) for key, value in truth.items()}
