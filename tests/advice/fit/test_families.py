"""Fitted laws. Speaks to them, as parameters are found again in hundreds of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from erasurehead.delays import MODELS, DelayModel, Empirical
from erasurehead.experiments.advice.fit.laws import families, goodness, law, lognormals, variance
from tests.statistics import BOUND

# Fits recover known parameters, and tell the families apart.
#
# Errors are measured in standard errors over replicates: with R replicates, the mean estimate of
# each parameter is within ``tests.statistics.BOUND`` of its truth plus a bias of 0.3 of one
# estimate's standard error (maximum likelihood is unbiased only in the limit), and at most 1 % of
# all estimates are further than 3 standard errors away (normal: 0.27 %).


ROUNDS, WORKERS = 100, 256
FAST, SLOW = {"median": 0.64, "sigma": 0.05}, {"median": 0.95, "sigma": 0.25}

TRUTHS: dict[str, tuple[str, dict[str, Any]]] = {
    "exponential": ("exponential", {"rate": 2.0}),
    "shifted_exponential": ("shifted_exponential", {"shift": 1.0, "rate": 2.0}),
    "weibull_heavy": ("weibull", {"shape": 0.7, "scale": 1.5, "shift": 0.3}),
    "weibull": ("weibull", {"shape": 1.6, "scale": 1.5, "shift": 0.3}),
    "weibull_regular": ("weibull", {"shape": 3.0, "scale": 1.5, "shift": 0.3}),
    "pareto": ("pareto", {"alpha": 2.5, "scale": 0.4}),
    "lognormal": ("lognormal", {"median": 0.8, "sigma": 0.5, "shift": 0.2}),
    "gamma": ("gamma", {"shape": 2.5, "scale": 0.4, "shift": 0.1}),
    "gamma_heavy": ("gamma", {"shape": 0.6, "scale": 0.4, "shift": 0.1}),
    "mixture": ("mixture", {"weights": (0.8, 0.2)}),
}


def model(case: str) -> DelayModel:
    family, fields = TRUTHS[case]
    if family == "mixture":
        parts = tuple(MODELS["lognormal"](**part) for part in (FAST, SLOW))
        return MODELS["mixture"](weights=fields["weights"], components=parts)
    return MODELS[family](**fields)


def numbers(case: str, section: dict[str, Any]) -> list[float]:
    if case == "mixture":
        fast, slow = section["components"]
        return [section["weights"][1], *(part[f] for part in (fast, slow) for f in FAST)]
    return [section[field] for field in TRUTHS[case][1]]


def truth(case: str) -> np.ndarray:
    if case == "mixture":
        return np.array([0.2, *FAST.values(), *SLOW.values()])
    return np.array([*TRUTHS[case][1].values()])


def estimates(case: str, seeds: range) -> np.ndarray:
    family = families.FAMILIES[TRUTHS[case][0]]
    rows = []
    for seed in seeds:
        sample = model(case).sample(np.random.default_rng(seed), ROUNDS, WORKERS).ravel()
        rows.append(numbers(case, law.section_of(family.fit(sample))))
    return np.array(rows)


def assert_recovers(case: str, found: np.ndarray) -> None:
    error = found - truth(case)
    # Sections hold six digits; a shift can be known better than that.
    spread = np.maximum(found.std(axis=0, ddof=1), 1e-6 * np.abs(truth(case)))
    bound = BOUND / np.sqrt(len(found)) + 0.3
    assert np.all(np.abs(error.mean(axis=0)) <= bound * spread), (error.mean(axis=0), spread)
    far = np.abs(error) > 3 * spread
    assert far.mean() <= 0.01 + 1 / far.size, (case, found[far.any(axis=1)])


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "seeds", [range(12), pytest.param(range(1000, 1200), marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("case", TRUTHS)
def test_recovers_known_parameters(case: str, seeds: range) -> None:
    """Catches a wrong scale, rate for scale, a lost shift, a likelihood that ran to infinity."""
    assert_recovers(case, estimates(case, seeds))


def test_a_long_shift_before_little_chance_is_found() -> None:
    """A thousand times as long as the rest: the search for it begins at the gap to the least."""
    truth = MODELS["weibull"](shape=1.6, scale=1e-3, shift=1.0)
    sample = truth.sample(np.random.default_rng(0), 100, 40).ravel()
    found = law.section_of(families.FAMILIES["weibull"].fit(sample))
    assert found["shift"] == pytest.approx(1.0, abs=2e-5)
    assert found["shape"] == pytest.approx(1.6, abs=0.1)
    assert found["scale"] == pytest.approx(1e-3, rel=0.05)


def best_by_aic(case: str, seed: int) -> str:
    table = model(case).sample(np.random.default_rng(seed), ROUNDS, WORKERS)
    fits, refused = goodness.fit_families(
        [*families.FAMILIES.values()], table.ravel(), table, [WORKERS]
    )
    assert not refused
    return min(fits, key=lambda fit: fit.aic).family.name


SEPARATED = [case for case in TRUTHS if case not in ("exponential", "shifted_exponential")]
"""An exponential law is also a Weibull, a gamma and a shifted one: nested, not separated."""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("seeds", [range(1), pytest.param(range(100, 200), marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", SEPARATED)
def test_aic_picks_the_family(case: str, seeds: range) -> None:
    """In 95 of 100 tables."""
    picked = [best_by_aic(case, seed) for seed in seeds]
    assert picked.count(TRUTHS[case][0]) >= 0.95 * len(seeds)


@pytest.mark.parametrize("case", ["exponential", "shifted_exponential"])
def test_aic_of_nested_families_is_close(case: str) -> None:
    """A family that holds the true law cannot be beaten by much; one without it is far behind."""
    table = model(case).sample(np.random.default_rng(0), ROUNDS, WORKERS)
    fits, _ = goodness.fit_families([*families.FAMILIES.values()], table.ravel(), table, [WORKERS])
    aic = {fit.family.name: fit.aic for fit in fits}
    best = min(aic.values())
    holders = {"shifted_exponential", "weibull", "gamma", case}
    assert all(aic[name] - best < 15 for name in holders)
    assert all(aic[name] - best > 100 for name in aic.keys() - holders - {"exponential"})


@pytest.mark.parametrize("case", TRUTHS)
def test_expected_order_statistics_are_those_of_simulated_rounds(case: str) -> None:
    """Catches k counted from the wrong end, a lost weight, a truncated tail."""
    ks = [1, 3, 5, 8, 10]
    table = model(case).sample(np.random.default_rng(1), 20_000, 10)
    fitted = families.FAMILIES[TRUTHS[case][0]].fit(table.ravel())
    ordered = np.sort(table, axis=1)[:, np.array(ks) - 1]
    # Where the variance is infinite or so, z says nothing: compare the medians' neighbours only.
    keep = slice(0, 4) if case == "pareto" else slice(0, 5)
    error = ordered.mean(axis=0) - goodness.expected_order_statistics(fitted, 10, ks)
    z = error / (ordered.std(axis=0) / np.sqrt(len(ordered)))
    assert np.all(np.abs(z[keep]) < BOUND)


def test_the_shift_never_reaches_the_smallest_delay() -> None:
    """The likelihood is unbounded there: it must be finite for few, tied and rounded delays."""
    rng = np.random.default_rng(3)
    samples = [
        rng.exponential(1.0, 12) + 1,
        np.round(rng.weibull(0.5, 500) + 1, 2),
        np.repeat([1.0, 1.5, 2.5], 40),
        np.round(rng.lognormal(0, 0.1, 300), 3),
    ]
    for sample in samples:
        for name in ("weibull", "lognormal", "gamma", "shifted_exponential", "mixture"):
            fitted = families.FAMILIES[name].fit(sample)
            assert np.all(np.isfinite(law.log_density(fitted, sample))), (name, fitted)
            if name != "mixture":
                assert (
                    0 <= law.section_of(fitted)["shift"] <= sample.min() * (1 + 1e-5)
                )  # six digits


def test_what_cannot_be_fitted_is_refused_with_a_reason() -> None:
    same = np.full(100, 2.0)
    for name in ("shifted_exponential", "weibull", "pareto", "lognormal", "gamma", "mixture"):
        with pytest.raises(law.CannotFit, match="all delays are equal"):
            families.FAMILIES[name].fit(same)
    for name in ("shifted_exponential", "weibull", "gamma"):
        with pytest.raises(law.CannotFit, match="all delays are equal"):
            families.FAMILIES[name].fit(np.zeros(100))
    for name in ("pareto", "mixture"):
        with pytest.raises(law.CannotFit, match="0 s"):
            families.FAMILIES[name].fit(np.array([0.0, 1.0, 2.0]))
    few = np.geomspace(1.0, 9.0, 10)
    with pytest.raises(law.CannotFit, match="fewer than 10 delays cannot tell two parts"):
        families.FAMILIES["mixture"].fit(few[:9])
    assert np.isfinite(law.log_density(families.FAMILIES["mixture"].fit(few), few)).all()
    with pytest.raises(law.CannotFit, match="too few delays for a tail"):
        families.FAMILIES["pareto"].fit(few[:2])
    assert np.isfinite(law.log_density(families.FAMILIES["pareto"].fit(few[:3]), few[:3])).all()
    with pytest.raises(law.CannotFit, match="all delays are 0 s"):
        families.FAMILIES["exponential"].fit(np.zeros(3))


@pytest.mark.parametrize("second", [0.0, 1.0])
def test_a_part_without_a_value_keeps_a_share(second: float) -> None:
    """Whose logarithm is finite: the likelihood of all values is."""
    values = np.array([0.0, 1.0, 2.0])
    normals = lognormals.Climb(law.Weighed.of(values), 0.1)._maximised(np.full(3, second))
    assert 0 < normals.share < 1
    assert np.isfinite(normals.log_parts(values)).all()
    assert max(normals.share, 1 - normals.share) == pytest.approx(1.0, abs=1e-6)


def test_mixture_is_a_distribution() -> None:
    """Its quantiles invert its distribution function, and its density integrates to it."""
    sample = model("mixture").sample(np.random.default_rng(0), ROUNDS, WORKERS).ravel()
    fitted = families.FAMILIES["mixture"].fit(sample)
    levels = np.array([1e-12, 1e-3, 0.1, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(fitted.sf(fitted.isf(levels)), levels, rtol=1e-9)
    grid = np.linspace(0.3, 3.0, 20_001)
    area = np.trapezoid(np.exp(law.log_density(fitted, grid)), grid)
    assert area == pytest.approx(float(np.diff(fitted.cdf(grid[[0, -1]]))[0]), abs=1e-6)
    assert stats.kstest(sample, fitted.cdf).pvalue > 1e-6


# The empirical law: its pieces, its tail, and effects on ranks.


def test_pieces_keep_the_mean() -> None:
    """Straight lines between quantiles read off one by one are too long before a tail."""
    ordered = np.sort(np.random.default_rng(0).pareto(1.5, 6400) + 1)[:6300]
    ends = families.smoothed(ordered, 64)
    assert np.all(np.diff(ends) >= 0)
    assert (ends[1:] + ends[:-1]).mean() / 2 == pytest.approx(ordered.mean(), rel=1e-3)
    np.testing.assert_allclose(
        families.smoothed(np.linspace(1, 3, 100), 4), [1, 1.5, 2, 2.5, 3], atol=0.02
    )


@pytest.mark.parametrize("shape", [-0.5, 0.0, 0.3])
def test_the_tail_is_found(shape: float) -> None:
    found = []
    for seed in range(20):
        excess = stats.genpareto.rvs(shape, size=500, random_state=seed)
        found.append(families.fit_tail(np.sort(2.0 * excess)))
    scale, fitted = np.mean(found, axis=0)
    assert fitted == pytest.approx(shape, abs=0.06)
    assert scale == pytest.approx(2.0, abs=0.12)


def test_the_tail_reaches_every_delay() -> None:
    """A law under which a measured delay cannot happen would have no likelihood."""
    for seed in range(10):
        sample = 17 - 15 * np.random.default_rng(seed).random(3000) ** 4
        fitted = families.EMPIRICAL.fit(sample)
        assert np.all(np.isfinite(law.log_density(fitted, sample)))
        assert fitted.longest() < 17.1


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
    truth = goodness.observed_order_statistics(draw(np.random.default_rng(1), (20_000, 64)), ks)
    fitted = families.EMPIRICAL.fit(table.ravel())
    np.testing.assert_allclose(goodness.expected_order_statistics(fitted, 64, ks), truth, rtol=0.03)


def test_its_density_and_its_section_are_those_of_the_law() -> None:
    sample = np.random.default_rng(0).gamma(3.0, 1.0, 4000)
    fitted = families.EMPIRICAL.fit(sample)
    assert isinstance(fitted, Empirical)
    grid = np.linspace(0.001, 30, 60_001)
    assert np.trapezoid(np.exp(law.log_density(fitted, grid)), grid) == pytest.approx(1, abs=0.01)
    assert law.model_of(law.section_of(fitted)) == fitted
    for few in (np.full(40, 2.0), np.arange(1.0, 10.0)):
        with pytest.raises(law.CannotFit):
            families.EMPIRICAL.fit(few)


@pytest.mark.parametrize(
    ("size", "pieces", "tail"),
    [(16, 2, 0), (39, 4, 0), (40, 5, 16), (511, 63, 16), (512, 64, 16), (6400, 64, 200)],
)
def test_a_piece_has_eight_delays_and_a_tail_two_pieces(size: int, pieces: int, tail: int) -> None:
    """Of up to 64 pieces, and of five at least where there is a tail."""
    sample = np.random.default_rng(0).exponential(1.0, size)
    fitted = families.EMPIRICAL.fit(sample)
    assert isinstance(fitted, Empirical)
    assert len(fitted.quantiles) == pieces + 1
    assert fitted.tail == pytest.approx(tail / size, rel=1e-5)
    with pytest.raises(law.CannotFit, match="fewer than 16 delays show no shape"):
        families.EMPIRICAL.fit(sample[:15])


def test_ranks_do_not_see_the_margin() -> None:
    """Delays through any rising function have the same effects."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=30) * 0.5 + rng.normal(size=(200, 1)) * 0.4
    numbers = numbers + rng.normal(size=(200, 30))
    both = variance.Effects(worker=True, round=True)
    effects = variance.rank_effects([numbers], both, spells=False)
    assert variance.rank_effects([np.exp(5 * numbers)], both, spells=False) == effects
    assert np.ptp(variance.latent([numbers])[0]) == np.ptp(variance.latent([np.arctan(numbers)])[0])


def test_effects_on_ranks_are_recovered() -> None:
    """Drawn from the model, fitted, and found again."""
    ranks = (-1.5, -0.5, 0.0, 0.0, 0.5, 1.5) * 4
    truth = {"round": 0.3, "spells": 0.4, "persistence": 0.8}
    quantiles = tuple(17 - 15 * (1 - np.linspace(0, 1, 40)) ** 3)
    model = MODELS["empirical"](quantiles=quantiles, ranks=ranks, **truth)
    table = model.sample(np.random.default_rng(0), 2000, len(ranks))
    found = variance.rank_effects([table], variance.Effects(worker=True, round=True), spells=True)
    np.testing.assert_allclose(found.pop("ranks"), ranks, atol=0.15)
    assert found == {key: pytest.approx(value, abs=0.06) for key, value in truth.items()}


def test_what_lasts_is_no_spell() -> None:
    """Workers that are always early or late correlate alike at every lag, in short tables, too;
    and so do tables of other lengths together. Catches pairs of another lag."""
    alike = [np.tile([1.0, -1.0, 0.0], (rounds, 1)) for rounds in (9, 6)]
    assert variance.what_stays(alike)[0] == pytest.approx(0.0, abs=1e-12)
    assert variance.what_stays([alike[0][:2]]) == (0.0, 0.0), (
        "two rounds have one lag, which tells nothing"
    )


def test_two_smallest_delays_may_be_neighbouring_numbers() -> None:
    """0.1 s and the next number: nothing lies between them, where the smallest one's cell was."""
    sample = np.append(np.linspace(0.2, 1.0, 60), [0.1, np.nextafter(0.1, 1)])
    for name in ("lognormal", "gamma", "weibull"):
        assert 0 <= families.FAMILIES[name].fit(sample).isf(1 - 1e-9) <= 0.1 + 1e-9


# Long samples are searched by groups of neighbours.


def test_groups_stand_for_the_whole_sample() -> None:
    """Each value counts once, those at both ends alone, and those on both sides of a gap apart."""
    rng = np.random.default_rng(0)
    sample = np.concatenate([rng.normal(0, 1, 110_050), rng.normal(40, 1, 40_000)])
    found, ordered = law.Weighed.of(sample), np.sort(sample)
    assert found.counts.sum() == len(sample)
    assert len(found.values) < len(sample) / 8
    np.testing.assert_array_equal(found.values[:1000], ordered[:1000])
    np.testing.assert_array_equal(found.values[-1000:], ordered[-1000:])
    assert not np.any((found.values > ordered[110_049]) & (found.values < ordered[110_050]))
    assert found.mean(found.values) == pytest.approx(sample.mean())
    assert found.std(found.values) == pytest.approx(sample.std(), rel=1e-6)
    assert len(law.Weighed.of(sample[:100_000]).values) == 100_000
    assert len(law.Weighed.of(sample[:100_001]).values) < 100_000
    assert len(law.Weighed.of(rng.random(150_000)).values) == 12_000, "as the docs say"


# How hard a fit looks, as its docstring says.


@pytest.mark.parametrize(("stays", "begins"), [(0.5, 0.5), (0.95, 0.01)])
def test_how_much_runs_of_a_hundred_rounds_vary_is_that_of_a_markov_chain(
    stays: float, begins: float
) -> None:
    """Of one worker that takes 1 or 3 s: the variance of a mean of T rounds is s^2 / T times
    (1 + r) / (1 - r) - 2 r (1 - r^T) / (T (1 - r)^2), with r the chain's correlation. Catches runs
    of independent rounds, and tables of other lengths."""
    parts = {
        name: {"model": "deterministic", "value": s} for name, s in (("fast", 1.0), ("slow", 3.0))
    }
    chain = {"model": "markov", "slow_to_slow": stays, "fast_to_slow": begins, **parts}
    [found] = goodness.resimulated(chain, {"kind": "proportional"}, {None: np.ones((400, 1))})
    r, slow, length = stays - begins, begins / (1 - stays + begins), 100
    longer = (1 + r) / (1 - r) - 2 * r * (1 - r**length) / (length * (1 - r) ** 2)
    deviation = np.sqrt(4 * slow * (1 - slow) / length * longer)
    assert found.varies == pytest.approx(deviation / (1 + 2 * slow), rel=0.06)


def test_a_model_is_resimulated_at_the_load_of_its_table() -> None:
    """Of constant tasks every simulated table is alike. At a load that is not known a task is
    whatever was measured; a load of 0 is one beside another."""
    delay, fitted = {"model": "deterministic", "value": 2.0}, {"kind": "proportional"}
    one, several = np.ones((7, 10)), {0.0: np.ones((7, 10)), 3.0: np.ones((7, 10))}
    for tables, seconds in (({None: one}, [2.0]), ({0.0: one}, [2.0]), (several, [0.0, 6.0])):
        checked = goodness.resimulated(delay, fitted, tables)
        assert [check.load for check in checked] == [*tables]
        for check, expected in zip(checked, seconds, strict=True):
            assert check.times.ks == (5, 9, 10)
            for made in (check.times.simulated, check.times.low, check.times.high):
                np.testing.assert_array_equal(made, expected)
            assert check.varies == 0.0
