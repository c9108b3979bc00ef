"""The empirical law: its quantiles, its tail, and effects that act on ranks alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from erasurehead import ConfigError
from erasurehead.delays import MODELS, Empirical, Tape
from tests.statistics import BOUND, assert_z

WALLED = (2.0, 6.0, 9.0, 11.0, 13.0, 14.0, 15.0, 15.5)


def normal_scores(model: Empirical, table: np.ndarray) -> np.ndarray:
    return stats.norm.ppf(model.cdf(table))


def tables(model: Empirical, count: int, rounds: int, workers: int) -> list[np.ndarray]:
    return [model.sample(np.random.default_rng(seed), rounds, workers) for seed in range(count)]


def test_the_quantiles_are_those_given() -> None:
    """At equally spaced levels up to the tail, linear between them."""
    model = Empirical(quantiles=(1.0, 2.0, 4.0), tail=0.2, tail_scale=1.0)
    levels = [0.0, 0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(model.ppf(levels), [1.0, 1.5, 2.0, 3.0, 4.0])
    np.testing.assert_allclose(model.cdf([0.9, 1.5, 4.0]), [0.0, 0.2, 0.8])
    np.testing.assert_allclose(model.sf(4.0 + np.log(2.0)), 0.1)


def test_what_is_said_of_the_curve_that_the_authors_measured() -> None:
    law = MODELS["authors_measured"]()
    assert law.ppf(0.5) == pytest.approx(35.7)
    assert 1 / law.sf(2 * 35.7) == pytest.approx(13, abs=0.05)
    assert law.cdf(96.1) == pytest.approx(0.964, abs=5e-4)
    assert law.longest() == pytest.approx(287.0)


@pytest.mark.parametrize("shape", [-0.5, -0.1, 0.0, 0.3])
def test_the_tail_is_a_generalized_pareto_law(shape: float) -> None:
    model = Empirical(quantiles=(1.0, 2.0), tail=0.1, tail_scale=0.7, tail_shape=shape)
    law = stats.genpareto(shape, loc=2.0, scale=0.7)
    x = np.linspace(2.01, 3.3, 20)
    np.testing.assert_allclose(model.sf(x), 0.1 * law.sf(x), rtol=1e-9)
    np.testing.assert_allclose(model.ppf(1 - 0.1 * law.sf(x)), x, rtol=1e-9)
    assert model.longest() == pytest.approx(law.isf(2.0**-53 / 0.1), rel=1e-6)


def test_a_value_that_many_have_keeps_its_share() -> None:
    """Equal quantiles are an atom. Catches a division by zero and a share that is lost."""
    model = Empirical(quantiles=(1.0, 2.0, 2.0, 3.0))
    np.testing.assert_allclose(model.cdf([1.999999, 2.0, 2.5]), [1 / 3, 2 / 3, 5 / 6], atol=1e-6)
    sample = model.sample(np.random.default_rng(0), 1000, 30)
    assert stats.binomtest(int((sample == 2.0).sum()), sample.size, 1 / 3).pvalue > 1e-6


EFFECTS = [
    ({"worker": 0.3}, (0.3, 0.3, 0.0)),
    ({"round": 0.4}, (0.0, 0.0, 0.4)),
    ({"spells": 0.5, "persistence": 0.8}, (0.4, 0.5 * 0.8**3, 0.0)),
    ({"worker": 0.2, "round": 0.3, "spells": 0.4, "persistence": 0.5}, (0.4, 0.25, 0.3)),
]


@pytest.mark.parametrize(("effects", "expected"), EFFECTS, ids=str)
def test_effects_are_correlations_of_ranks(
    effects: dict[str, Any], expected: tuple[float, float, float]
) -> None:
    """Of a worker's normal scores at lags 1 and 3, and of two workers in a round.

    Catches shares taken for standard deviations, and a spell that begins anew in each round.
    """
    model = Empirical(quantiles=WALLED, **effects)
    found = []
    for table in tables(model, 1500, 6, 4):
        z = normal_scores(model, table)
        found.append(
            [(z[1:] * z[:-1]).mean(), (z[3:] * z[:-3]).mean(), (z[:, 1:] * z[:, :-1]).mean()]
        )
    assert_z(found, expected)


@pytest.mark.parametrize("ranks", [(0.0, 0.0, 0.0, 3.0), (-1.0, 0.0, 1.0, 0.5)], ids=str)
def test_ranks_order_workers_and_keep_the_quantiles(ranks: tuple[float, ...]) -> None:
    """All workers together have the law, whoever of them is slow."""
    model = Empirical(quantiles=WALLED, tail=0.1, tail_scale=1.0, tail_shape=-0.4, ranks=ranks)
    table = model.sample(np.random.default_rng(1), 4000, 4)
    levels = np.linspace(0.05, 0.98, 20)
    below = table[:, :, None] <= model.ppf(levels)
    assert_z(below.mean(axis=1), levels)
    assert np.argmax(np.median(table, axis=0)) == np.argmax(ranks)
    assert model.workers_available() == 4


def test_the_margin_is_kept_at_every_share() -> None:
    """A factor would move the wall; an effect on ranks cannot."""
    for effects, _ in EFFECTS:
        model = Empirical(quantiles=WALLED, **effects)
        longest = max(table.max() for table in tables(model, 20, 40, 50))
        assert longest <= 15.5


def test_spells_go_on_from_block_to_block() -> None:
    """The tape draws in blocks of 8 rounds here. Catches a state that is forgotten."""
    model = Empirical(quantiles=WALLED, spells=1.0, persistence=0.95)
    z = normal_scores(model, Tape(model, 4000, seed=1, replication=0).rows(0, 16))
    across = np.corrcoef(z[7], z[8])[0, 1]
    assert np.arctanh(across) == pytest.approx(np.arctanh(0.95), abs=BOUND / 4000**0.5)


def test_tasks_of_a_round_share_their_effects_alone() -> None:
    model = Empirical(quantiles=WALLED, worker=0.3, round=0.2)
    scores = [
        [normal_scores(model, Tape(model, 20, 5, r).rows(0, 30, stream=s)) for s in (0, 1)]
        for r in range(150)
    ]
    assert_z([(one * other).mean() for one, other in scores], 0.5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"quantiles": (2.0, 1.0)}, "ascend"),
        ({"tail": 0.1}, "tail_scale"),
        ({"tail_scale": 0.1}, "tail_scale"),
        ({"worker": 0.6, "round": 0.5}, "at most 1"),
        ({"worker": 0.1, "ranks": (0.0, 1.0)}, "either"),
        ({"quantiles": (1.0,)}, "at least 2"),
        ({"tail_shape": 1.0}, "less than 1"),
    ],
    ids=str,
)
def test_contradictions_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MODELS["empirical"](**{"quantiles": WALLED, **fields})


def test_many_ranks_share_the_quantiles_as_few_do() -> None:
    """With uniform quantiles, a latent number's delay is the mean chance of all workers to be below
    it; ranks of more than 200 workers are summed in cells."""
    ranks = np.random.default_rng(3).normal(0.0, 0.7, 500).round(4)
    model = Empirical(quantiles=(0.0, 1.0), ranks=tuple(ranks))
    # Some of the latent numbers at which delays are tabulated; a task adds nothing of its own.
    latent = np.linspace(ranks.min() - 9.0, ranks.max() + 9.0, 8001)[::400]
    own: Any = SimpleNamespace(standard_normal=np.zeros)
    seconds = model.delays(latent[None], own, 1, len(latent))[0]
    expected = stats.norm.cdf(latent[:, None] - ranks).mean(axis=1)
    np.testing.assert_allclose(seconds, expected, atol=1e-12, rtol=0)
