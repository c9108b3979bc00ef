"""Candidates are compared by rounds that they have not seen. Speaks to the laws where each side of
a limit is a number made by hand; tables are fitted through ``eh.fit``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, LogNormal
from erasurehead.experiments.advice.fit import candidates, recipes, study
from erasurehead.experiments.advice.fit.laws import (
    cold,
    families,
    goodness,
    law,
    lognormals,
    variance,
)
from tests.advice.fit.walled import KINDS, fit_told, in_launches, walled
from tests.golden.records import require_recorded
from tests.statistics import BOUND
from tests.tools import numbered

Generator = Callable[[np.random.Generator, int, int], np.ndarray]


def found(table: np.ndarray, first: int = 0, bootstrap: bool = True) -> study.Findings:
    workers = table.shape[1]
    first = first or workers // 2
    if bootstrap:
        return eh.fit(table, unit="s", k_range=(first, workers), progress=False).findings
    return study.study(numbered({None: table}), range(first, workers + 1), bootstrap=False)


def test_every_round_is_held_out_once_in_each_split() -> None:
    """And none is predicted from itself; loads are split one by one."""
    tables = [np.arange(14.0).reshape(7, 2), 100 + np.arange(12.0).reshape(6, 2)]
    everything = sorted(np.concatenate(tables)[:, 0])
    for first, second in zip(
        goodness.folds(tables)[::2], goodness.folds(tables)[1::2], strict=True
    ):
        assert sorted([*first.held_out[:, 0], *second.held_out[:, 0]]) == everything
        for half in (first, second):
            assert sorted([*half.sample, *half.held_out.ravel()]) == sorted(
                np.concatenate([table.ravel() for table in tables])
            )
    assert len(goodness.thinned(np.arange(20_000.0))) == 10_000
    assert len(goodness.thinned(np.arange(20_001.0))) == 6_667
    assert (
        goodness.folds([np.ones((5, 3))])
        == goodness.folds([np.ones((6, 3)), np.ones((1, 3))])
        == []
    )
    assert (
        len(goodness.folds([np.ones((6, 3))]))
        == len(goodness.folds([np.ones((4, 3)), np.ones((2, 3))]))
        == 4
    )


def known(name: str, numbers: int, log_likelihood: float) -> law.Family:
    """A family with so many parameters whose likelihood is known, of whatever sample."""
    made = Mock(spec=LogNormal, longest=lambda: 1.0)
    made.logpdf = lambda seconds: np.full(len(seconds), log_likelihood / len(seconds))
    return law.Family(name, numbers, lambda sample: made)


@pytest.mark.parametrize(("more", "best"), [(0.9, "one"), (1.1, "two"), (-5.0, "one")])
def test_a_parameter_must_gain_a_unit_of_log_likelihood(more: float, best: str) -> None:
    """AIC = 2 parameters - 2 log-likelihood: the family around which factors of workers go."""
    some = [known("one", 1, -40.0), known("two", 2, -40.0 + more)]
    tables = [np.random.default_rng(0).lognormal(0, 0.3, (20, 4))]
    for several in (some, some[::-1]):
        assert recipes.factors_of(several, tables, ONE).base == f"base law: {best}"


def test_what_predicts_best_competes_beside_the_best_aic() -> None:
    """And the empirical law; each once, without effects. Catches the second best prediction."""
    table = np.random.default_rng(0).lognormal(0, 0.3, (20, 4))

    def base_laws(*fits: tuple[Any, float]) -> list[str]:
        delays = cold.UnitDelays("", (table,))
        some: list[Any] = [Mock(family=family, law=None, aic=aic) for family, aic in fits]
        found = candidates.LoadFindings(delays, some, {}, None, None)
        found = [*candidates.recipes_of(found, [NONE], held_out=True)]
        return [recipe.base.removeprefix("base law: ") for recipe in found]

    gamma, weibull, pareto = (families.FAMILIES[name] for name in ("gamma", "weibull", "pareto"))
    assert base_laws((gamma, 3.0), (weibull, 2.0), (pareto, 1.0)) == ["pareto", "gamma"]
    assert base_laws((gamma, 1.0), (families.EMPIRICAL, 0.0), (weibull, 2.0)) == [
        "gamma",
        "empirical",
    ]
    assert base_laws((families.EMPIRICAL, 0.0)) == ["empirical"]


NONE, ONE, BOTH = (
    variance.Effects(),
    variance.Effects(worker=True),
    variance.Effects(worker=True, round=True),
)
ROUND = variance.Effects(round=True)


@pytest.mark.parametrize(
    ("shares", "chances", "differ", "unlike", "competing"),
    [
        ((0.2, 0.0), (0.01, 1.0), False, False, [ONE]),
        ((0.19, 0.0), (0.01, 1.0), False, False, [NONE, ONE]),
        ((0.19, 0.0), (0.01, 1.0), True, False, [ONE]),
        ((0.02, 0.0), (0.01, 1.0), False, False, [NONE, ONE]),
        ((0.019, 0.0), (0.01, 1.0), True, False, [NONE]),
        ((0.5, 0.0), (0.011, 1.0), True, False, [NONE]),
        ((0.0, 0.0), (1.0, 1.0), False, True, [ONE]),
        ((0.0, 0.2), (1.0, 0.01), False, False, [ROUND]),
        ((0.0, 0.19), (1.0, 0.01), True, False, [NONE, ROUND]),
        ((0.0, 0.19), (1.0, 0.01), True, True, [ONE, BOTH]),
        ((0.1, 0.1), (0.01, 0.01), False, False, [NONE, ONE, ROUND, BOTH]),
    ],
)
def test_large_effects_are_in_every_candidate(
    shares: tuple[float, float],
    chances: tuple[float, float],
    differ: bool,
    unlike: bool,
    competing: list[variance.Effects],
) -> None:
    """From a fifth of the variance on; smaller ones compete from 2 % on, if chance makes them in at
    most 1 % of tables. Workers must be in if some are slower for good, or arrive in their order."""
    split = variance.Variance(*shares, 1 - sum(shares), *chances)
    assert candidates.effects_of(split, differ, unlike) == competing
    assert candidates.effects_of(None, True, True) == [NONE]


@pytest.mark.parametrize(
    ("share", "rounds", "error", "judged", "off"),
    [
        (0.61, 10_000, 0.0, True, True),
        (0.59, 10_000, 0.0, True, False),
        (0.31, 100, 0.0, True, True),  # four standard errors are 0.185
        (0.33, 100, 0.0, True, False),
        (0.31, 100, 0.06, True, False),
        (0.61, 10_000, 0.0, False, False),
    ],
)
def test_a_worker_is_misplaced_by_a_tenth_beyond_noise(
    share: float, rounds: int, error: float, judged: bool, off: bool
) -> None:
    """Of rounds that differ by chance, or more where successive ones are alike."""
    one = np.array([1])
    measured, errors = np.array([[0.5, 0.5]]), np.array([[error, error]])
    heard = candidates.Heard(one, measured, rounds, errors, np.array([judged, True]))
    assert heard.misplaced(np.array([[share, 0.5]])) == off


@pytest.mark.parametrize(
    ("shape", "longer", "no_law"),
    [
        ((60, 4), 1.0, True),
        ((500, 50), 1.0, True),
        ((501, 50), 1.0, False),
        ((1, 4), 1.0, False),
        ((60, 4), 1.19, True),
        ((60, 4), 1.23, False),  # the shorter load takes 1.115 times less than both together
    ],
)
def test_rounds_may_be_drawn_again_where_they_are_not_many_and_loads_alike(
    shape: tuple[int, int], longer: float, no_law: bool
) -> None:
    """Of two loads together 3 rounds or more and 50,000 delays at most, no load 10 % off."""
    table = np.ones(shape)
    assert candidates.may_be_bootstrapped(cold.UnitDelays("all", (table, longer * table))) == no_law


def test_places_of_workers_by_hand() -> None:
    """Worker 0 of two is first in half of 16 rounds, in two of four batches."""
    table = np.ones((16, 2))
    table[:8, 0] = 0.5
    table[8:, 0] = 2.0
    heard = candidates.Heard.of([table[:6], table[6:]], (1,))
    np.testing.assert_array_equal(heard.shares, [[0.5, 0.5]])
    np.testing.assert_allclose(heard.errors, np.sqrt(1 / 3) / 2)
    assert (heard.ks.tolist(), heard.rounds) == ([1], 16)
    assert heard.judged.tolist() == [True, False]
    np.testing.assert_array_equal(candidates.Heard.of([table[:3]], ()).errors, 0.0)
    four = candidates.Heard.of([table[[0, 0, 15, 15]]], ())
    np.testing.assert_allclose(four.errors, np.sqrt(0.5) / np.sqrt(2))


def test_a_coarse_clock_places_nobody() -> None:
    """Workers that are alike, three of four delays of a round equal: chance orders these, not the
    number of a worker. Catches a factor for each worker of a table of ticks."""
    ticks = np.ceil(np.random.default_rng(3).exponential(0.6, (300, 8)))
    heard = candidates.Heard.of([ticks], ())
    assert np.abs(heard.shares - heard.alike).max() < 4.9 * np.sqrt(0.25 / 300)
    assert not heard.misplaced(heard.alike)


def test_arrivals_at_0_s_are_predicted_by_0_s() -> None:
    """So that the rounds of a table of which half are 0 s may be drawn again."""
    assert goodness.order_error(np.array([0.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(
        np.log(2) / 2
    )
    assert goodness.order_error(np.array([0.0, 2.0]), np.array([1.0, 1.0])) == np.inf


def test_places_are_judged_where_one_worker_is_not_waited_for() -> None:
    """The last of 16 is always the last: no share among the first 8 or 14 shows how surely."""
    table = np.tile(np.arange(16.0), (100, 1))
    heard = candidates.Heard.of([table], ())
    assert heard.ks.tolist() == [8, 14, 15]
    shares = heard.shares.copy()
    assert not heard.misplaced(shares)
    shares[-1, 15] = 0.25
    assert heard.misplaced(shares)


def test_factors_stand_around_what_they_leave() -> None:
    """Those of rounds as a law, if they differ at all; those of workers one by one."""
    base = {"model": "exponential", "rate": 1.0}
    assert lognormals.Split(np.ones(3)).around(base) == base
    assert lognormals.Split(np.ones(3), None, np.ones(3)).around(base) == base
    rounds = lognormals.Split(np.ones(3), None, np.array([1.0, 1.0, 1.5])).around(base)
    assert (rounds["model"], rounds["base"]) == ("round_effects", base)
    four = lognormals.Split(np.ones(3), np.array([1.23456, 0.0123456])).around(base)
    assert four["factors"] == [1.235, 0.01235], "four digits"
    both = lognormals.Split(np.ones(3), np.array([1.0, 2.00001]), np.array([1.0, 1.5])).around(base)
    assert both["base"] == {"model": "heterogeneous", "factors": [1.0, 2.0], "base": base}


@pytest.mark.parametrize(
    ("old", "new", "beats"),
    [
        ((0.1, 0.05, 0.05), (0.084, 0.05, 0.05), True),
        ((0.1, 0.05, 0.05), (0.086, 0.05, 0.05), False),
        ((0.1, 0.05, 0.05), (0.09, 0.038, 0.038), True),  # half of the bias counts: 0.016
        ((0.02, 0.02, 0.02), (0.0155, 0.0175, 0.0175), True),  # more than a fifth, in both splits
        ((0.02, 0.02, 0.02), (0.0155, 0.0185, 0.0165), False),
        ((0.04, 0.02, 0.02), (0.0355, 0.0175, 0.0175), False),
        ((0.04, 0.03, 0.03), (0.039, 0.016, 0.016), False),  # a fifth, and no more
        ((0.01, 0.01, 0.01), (0.0075, 0.008, 0.008), False),  # 0.002 in both splits, and no more
        ((np.inf, np.inf, np.inf), (9.0, 9.0, 9.0), True),
        ((np.inf, np.inf, np.inf), (np.inf, np.inf, np.inf), False),
    ],
)
def test_a_fuller_candidate_must_predict_better(
    old: tuple[float, ...], new: tuple[float, ...], beats: bool
) -> None:
    """By 0.015; or clearly so in both splits, where the simpler one is hardly wrong."""
    simpler, fuller = (goodness.Score(of[:1], of[1:]) for of in (old, new))
    assert candidates.beats(fuller, simpler) == beats


def test_what_the_halves_differ_by_cancels_out() -> None:
    """Replaying each half for the other is off by what they differ by, and not biased."""
    one, other = np.array([2.0, 3.0]), np.array([4.0, 4.0])
    replayed = goodness.score([one, other, one, other], [other, one, other, one])
    assert replayed.error == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    assert replayed.bias == 0
    twice = goodness.score([2 * one, 2 * other], [other, one])
    assert twice.bias == pytest.approx(np.log(2))
    assert (
        goodness.score([one], [other]).error
        == goodness.score([one], [other]).bias
        == goodness.order_error(one, other)
    )


def worst(findings: study.Findings, fresh: np.ndarray, ks: range) -> float:
    """The largest error of any k, as a factor less 1, against many rounds of the same law."""
    model = law.model_of(findings.chosen.section)
    predicted = candidates.simulated_order_statistics(model, fresh.shape[1], ks)
    logs = np.log(predicted / goodness.observed_order_statistics(fresh, ks))
    return float(np.exp(np.abs(logs).max()) - 1)


def worst_of_walled(seed: int, rounds: int) -> float:
    """The same workers do the fitted rounds and the many they are compared with."""
    table = walled(np.random.default_rng(seed), rounds + 2000, 256)
    return worst(found(table[:rounds]), table[rounds:], range(1, 257))


@pytest.mark.slow
@pytest.mark.golden
def test_a_wall_is_not_run_through() -> None:
    """Within 10 % at every k. A fifth of the variance is the workers', which used to force a factor
    for each; two lognormals put the slowest of 256 at 1.8 times the truth.
    """
    table = walled(np.random.default_rng(0), 2020, 256)
    findings = found(table[:20], bootstrap=False)
    require_recorded("fit/wall", fit_told(findings))
    assert worst(findings, table[20:], range(1, 257)) < 0.10
    assert "base law: empirical" in findings.chosen.why
    scores = findings.chosen.tried
    factors = [each.error for recipe, each in scores.items() if "factor" in str(recipe.words)]
    assert min(factors) > 4 * scores[findings.chosen.taken].error


@pytest.mark.golden
def test_workers_that_differ_in_how_much_they_vary_have_laws_of_their_own() -> None:
    """Factors give every worker the same relative spread, and ranks one law: 12 % off."""
    table = in_launches(np.random.default_rng(0), 2060, 16)
    findings = found(table[:60])
    require_recorded("fit/own laws", fit_told(findings))
    assert worst(findings, table[60:], range(1, 17)) < 0.06
    assert findings.chosen.why == ("a law for each worker",)
    scores = findings.chosen.tried
    for other in [*scores.values()][:-2]:
        assert other.error > 2 * scores[findings.chosen.taken].error


@pytest.mark.slow
def test_a_classic_law_is_not_beaten_by_its_own_sample() -> None:
    """The empirical law follows every sample; held out, it predicts no better than the truth."""
    whys = [
        found(model.sample(np.random.default_rng(seed), 40, 30)).chosen.why
        for model in (MODELS["gamma"](shape=3.0, scale=0.4), MODELS["exponential"](rate=1.0))
        for seed in range(10)
    ]
    assert sum("base law: empirical" in why for why in whys) <= 2


def test_large_effects_are_kept_whatever_the_order_statistics_say() -> None:
    """Who is slow hardly shows in them, but matters to codes that group workers."""
    rng = np.random.default_rng(2)
    table = rng.lognormal(0, 0.1, (30, 20)) * np.exp(rng.normal(0, 0.15, 20))
    assert any("for each worker" in part for part in found(table).chosen.why)


def test_factors_of_rounds_are_shrunk() -> None:
    """Of 4 workers, a round's mean is mostly chance: unshrunk, factors vary as the cells do."""
    rng = np.random.default_rng(0)
    rounds = rng.normal(0, 0.05, (4000, 1))
    cells = rng.normal(0, 0.2, (4000, 4))
    split = lognormals.split_factors(
        np.empty(0), [np.exp(rounds + cells)], variance.Effects(round=True)
    )
    assert split.by_round is not None
    factors = np.log(split.by_round)
    expected = 0.05**2 / (0.05**2 + 0.2**2 / 4)  # what a best linear prediction trusts
    slope = float(factors @ (rounds + cells.mean(axis=1, keepdims=True)).ravel())
    slope /= float(np.sum((rounds.ravel() + cells.mean(axis=1)) ** 2))
    assert slope == pytest.approx(expected, abs=0.05)
    unbiased = float(factors @ rounds.ravel()) / float(factors @ factors)
    assert unbiased == pytest.approx(1.0, abs=0.15)


# Short tables of many kinds: what is fitted predicts the rounds that follow about as well as the
# table itself does.


def predicts_what_follows(kind: str, seed: int) -> tuple[bool, study.Findings]:
    """For half, 90 % and all workers, the rounds that follow are predicted within 10 %, or within
    2 % more than what the fitted rounds themselves are off by.
    """
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    rounds = int(rng.integers(10, 61))
    workers = int(np.exp(rng.uniform(np.log(8), np.log(256))))
    seen, later = np.split(KINDS[kind](rng, 2 * rounds, workers), 2)
    findings = found(seen)
    ks, model = goodness.waited_for(workers), law.model_of(findings.chosen.section)
    drawn_rounds = [  # of many starts, so that the mean is known to a percent
        model.sample(np.random.default_rng([7, run]), int(min(2e5, 4e6 / workers) / 20), workers)
        for run in range(20)
    ]
    predicted = np.mean([goodness.observed_order_statistics(t, ks) for t in drawn_rounds], axis=0)
    measured = goodness.observed_order_statistics(later, ks)
    replayed, error = (
        float(np.abs(np.log(each / measured)).max())
        for each in (goodness.observed_order_statistics(seen, ks), predicted)
    )
    return error <= max(np.log(1.1), replayed + 0.02), findings


@pytest.mark.golden
@pytest.mark.parametrize(
    ("kind", "seed"), [("same_five", 5), pytest.param("two_states", 1, marks=pytest.mark.slow)]
)
def test_what_no_law_of_single_delays_shows_is_drawn_again(kind: str, seed: int) -> None:
    """The maximum was predicted at 0.55 and at 1.24 of what was measured."""
    held, findings = predicts_what_follows(kind, seed)
    require_recorded(f"fit/{kind}", fit_told(findings))
    assert held
    assert findings.chosen.section["model"] == "measured_rounds"
    assert findings.chosen.why == ("the measured rounds, drawn again",)
    assert findings.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_short_tables_of_every_kind_predict_what_follows(kind: str) -> None:
    """95 of 100 are promised; chance leaves 88 in all but a thousandth of choices of seeds.

    Of ``spells`` and ``restarts`` the very law that drew the table scores 81 to 86 of 100 (six
    sets of other seeds): few slow calls decide, and the measured rounds are then now and then
    nearer by chance. Replayed alone these score 100 by definition; what is fitted lies between.
    """
    held = sum(predicts_what_follows(kind, seed)[0] for seed in range(100))
    print(f"{kind}: {held} of 100")
    assert held >= 88


def test_long_tables_have_laws() -> None:
    """More than 120 rounds are not listed, where chance explains what a law gets wrong of them."""
    table = KINDS["two_states"](np.random.default_rng(0), 130, 10)
    assert found(table).chosen.section["model"] != "measured_rounds"


def racks(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """A quarter of the workers are slow together, ten rounds of fifty."""
    slow = (np.arange(rounds)[:, None] // 10 % 5 == 0) & (np.arange(workers) < workers // 4)
    return rng.lognormal(0.0, 0.2, (rounds, workers)) * np.where(slow, 2.5, 1.0)


def clumps(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """In one round of twenty two workers of five, others each time, are 3 s late."""
    late = rng.random((rounds, workers)).argsort(axis=1) < 0.4 * workers
    return (
        rng.exponential(0.3, (rounds, workers))
        + 0.2
        + 3 * (late & (rng.random((rounds, 1)) < 0.05))
    )


def unlike_rounds(rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """In three rounds of ten delays vary widely, in the others hardly."""
    wide = rng.random((rounds, 1)) < 0.3
    laws = rng.lognormal(0.5, 0.6, (rounds, workers)), rng.lognormal(0.0, 0.1, (rounds, workers))
    return np.where(wide, *laws)


@pytest.mark.parametrize(
    "kind", [pytest.param(racks, marks=pytest.mark.slow), clumps, unlike_rounds]
)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(s, marks=pytest.mark.slow) for s in range(1, 8))]
)
def test_no_config_is_worse_on_its_own_table_than_its_rounds(kind: Generator, seed: int) -> None:
    """Where a law departs from its table by more than noise, as 1.71 s for 1.41 by clumps, the
    measured rounds are drawn again, however many they are. Catches a law that is kept because the
    table is long, or because fuller ones misplace a worker."""
    table = kind(np.random.default_rng([seed, 3]), 400, 16)
    [checked] = found(table).checked
    assert checked.times.outside.max() <= 1.015
    assert checked.heard is None or checked.heard.most_unlike is None


@pytest.mark.one_in(3)
@pytest.mark.parametrize("rounds", [3, 5, 8])
def test_a_handful_of_rounds_is_drawn_again(rounds: int) -> None:
    """They show neither a law nor who is slow; of two, the law that is nearest is taken, although
    none can be held out."""
    rng = np.random.default_rng(4)
    table = (
        rng.lognormal(0.0, 0.3, (rounds, 12)) * np.where(np.arange(rounds) == 2, 4.5, 1)[:, None]
    )
    taken = found(table).chosen
    assert (taken.section["model"], taken.error) == ("measured_rounds", 0.0)
    chosen = found(table[1:3]).chosen
    assert chosen.section["model"] != "measured_rounds"
    best = min(each.error for each in chosen.tried.values())
    assert chosen.tried[chosen.taken].error <= best + 0.02


def steadily_slow(rng: np.random.Generator, rounds: int, workers: int, tail: float) -> np.ndarray:
    """One worker 1.5 times as slow in every round, slow rounds, and a share of long delays."""
    table = 0.8 * np.exp(0.15 * rng.standard_normal((rounds, workers)))
    table += (rng.random(table.shape) < tail) * 0.5 * rng.pareto(1.8, table.shape)
    table[:, 7] *= 1.5
    return table * np.where(rng.random((rounds, 1)) < 0.1, 1.6, 1.0)


@pytest.mark.parametrize(
    ("rounds", "tail", "seed"),
    [
        (120, 0.0, 0),
        *(
            pytest.param(rounds, tail, seed, marks=pytest.mark.slow)
            for rounds in (60, 120, 400)
            for tail in (0.0, 0.02)
            for seed in range(1, 6)
        ),
    ],
)
def test_who_is_always_late_is_so_in_the_model(rounds: int, tail: float, seed: int) -> None:
    """Catches effects on ranks that give all workers one width: a slow host was early four times
    as often as measured, and so schemes seemed to hear it."""
    rng = np.random.default_rng([20251, seed])
    table, fresh = np.split(steadily_slow(rng, rounds + 5_000, 20, tail), [rounds])
    model = law.model_of(found(table).chosen.section)
    simulated = model.sample(np.random.default_rng(1), 5_000, 20)
    for k in (10, 18):
        early = [
            (np.sort(each, axis=1)[:, k - 1] >= each[:, 7]).mean() for each in (simulated, fresh)
        ]
        noise = BOUND * np.sqrt(early[1] * (1 - early[1]) / rounds)
        assert abs(early[0] - early[1]) < 0.1 + noise, (k, early)


@pytest.mark.parametrize(
    ("rounds", "model"), [(63, "lognormal"), (64, "empirical"), (1, "deterministic")]
)
def test_the_law_of_one_worker_is_its_own_from_64_delays_on(rounds: int, model: str) -> None:
    """Of fewer there is a middle and a width; of equal ones nothing varies."""
    sample = np.random.default_rng(0).lognormal(0.0, 0.3, rounds)
    section = recipes.law_of_one(sample)
    assert section["model"] == model
    if model == "lognormal":
        assert section["median"] == pytest.approx(np.exp(np.log(sample).mean()), rel=1e-5)
        assert section["sigma"] == pytest.approx(np.log(sample).std(ddof=1), rel=1e-5)


@pytest.mark.parametrize(("rounds", "workers"), [(2, 1), (1, 2)])
def test_one_worker_or_one_round_has_no_factors(rounds: int, workers: int) -> None:
    table = np.random.default_rng(0).lognormal(0.0, 0.3, (rounds, workers))
    both = variance.Effects(worker=True, round=True)
    for tables in ([table], [np.ones((2, 2)), table]):
        left = lognormals.split_factors(table.ravel(), tables, both)
        assert (left.by_worker, left.by_round) == (None, None)
        np.testing.assert_array_equal(left.sample, table.ravel())


@pytest.mark.parametrize(("apart", "runs"), [(0.08, 20), (0.1, 100)])
def test_runs_that_differ_are_five_times_as_many(apart: float, runs: int) -> None:
    """Half of the runs longer by this share: the error of their mean is a half of it over sqrt(19),
    0.92 or 1.15 %."""
    values = (1 - apart / 2, 1 + apart / 2)
    each = iter([*values * 50])
    model = Mock(sample=Mock(side_effect=lambda rng, count, n: np.full((1, 4), next(each))))
    mean = candidates.simulated_order_statistics(model, 100, [1, 4], known=0.01)
    assert model.sample.call_count == runs
    np.testing.assert_allclose(mean, 1.0)


@pytest.mark.parametrize(
    ("count", "slow", "model"),
    [(9, 3, "lognormal"), (10, 3, "mixture"), (30, 0, "lognormal")],
)
def test_factors_of_rounds_have_two_laws_where_some_are_slow(
    count: int, slow: int, model: str
) -> None:
    """From ten rounds on; of median 1, whatever the unit."""
    factors = 7.0 * np.exp(0.1 * np.random.default_rng(1).standard_normal(count))
    factors[:slow] *= 4.0
    section = lognormals.factor_law(factors)
    assert section["model"] == model
    if model == "lognormal":
        logs = np.log(factors / np.median(factors))
        assert section["median"] == pytest.approx(np.exp(logs.mean()), rel=1e-5)
        assert section["sigma"] == pytest.approx(logs.std(), rel=1e-5)
    else:
        assert section["weights"][1] == pytest.approx(0.3, abs=0.01)
        assert section["components"][0]["median"] == pytest.approx(1.0, abs=0.1)


def test_factors_that_are_all_alike_have_no_spread() -> None:
    """However many rounds there are: nothing is fitted to them."""
    section = {"model": "lognormal", "median": 1.0, "sigma": 0.0}
    assert lognormals.factor_law(np.full(64, 3.0)) == section


@pytest.mark.slow
def test_the_noise_ceiling_of_a_trace_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a benchmark that uses what is no longer there: nothing else executes it."""
    from benchmarks import held_out

    seconds = np.random.default_rng(0).lognormal(0.0, 0.3, (60, 6))
    names = ",".join(f"host{j}" for j in range(6))
    table, picture = tmp_path / "t.csv", tmp_path / "o.png"
    np.savetxt(table, seconds, delimiter=",", header=names, comments="")
    monkeypatch.setattr("sys.argv", ["held_out", str(table), str(picture)])
    held_out.main()
    assert "of 16 cases" in capsys.readouterr().out
    assert picture.stat().st_size > 10_000
