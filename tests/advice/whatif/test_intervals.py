"""Rounds that depend on each other. Speaks to the statistics, which are held to their definitions:
loops, sums and whole lists of paths."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.signal import lfilter

from erasurehead.experiments.advice.statistics import series
from erasurehead.plugins import FloatArray


def ar1(seed: int, shape: tuple[int, int], memory: float) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(shape)
    noise[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(lfilter([1.0], [1.0, -memory], noise, axis=0))


def span_by_definition(table: FloatArray) -> float:
    """Scores in loops, and the fit of ``q + a exp(-lag / span)`` by nonnegative least squares."""
    rounds, n = table.shape
    scores = [sum(1 / (n - i) for i in range(place + 1)) - 1 for place in range(n)]
    placed = np.array([[scores[sorted(row).index(each)] for each in row] for row in table])
    lags = sorted({int(lag) for lag in np.geomspace(1, 3 * rounds // 4, 150)})
    alike = [(placed[lag:] * placed[:-lag]).mean() / np.mean(np.square(scores)) for lag in lags]
    # A lag stands for half the way to those beside it, with as many pairs of rounds as it has.
    steps = [lags[1] - lags[0], *(np.subtract(lags[2:], lags[:-2]) / 2), lags[-1] - lags[-2]]
    root = np.sqrt(steps * (rounds - np.array(lags)))
    ones, found = np.ones(len(lags)), []
    for span in np.geomspace(0.5, rounds / 2, 30):
        fades = np.exp(-np.array(lags) / span)
        (stays, size), misfit = nnls(np.column_stack([ones, fades]) * root[:, None], alike * root)
        found.append((misfit**2, span, stays, size))
    misfit, span, stays, size = min(found)
    gain = (nnls((ones * root)[:, None], alike * root)[1] ** 2 - misfit) * (n - 1)
    later = sum((1 - lag / rounds) * np.exp(-lag / span) for lag in range(1, rounds))
    return span if gain > 9 and 1 + 2 * size / (1 - stays) * later > 1.2 else 0.0


@pytest.mark.parametrize(
    ("rounds", "n", "memory", "lasting"),
    [
        (4, 40, 0.9, 0.0), (9, 30, 0.8, 0.0), (40, 3, 0.8, 0.0), (40, 12, 0.5, 1.0),
        (60, 2, 0.9, 0.0), (80, 9, 0.9, 0.5), (80, 30, 0.15, 0.0), (120, 6, -0.5, 0.0),
        (150, 10, 0.97, 1.0), (150, 12, 0.0, 0.0), (150, 12, 0.0, 1.0),
    ],
)  # fmt: skip
def test_how_long_hosts_wander_is_the_best_fit_to_their_places(
    rounds: int, n: int, memory: float, lasting: float
) -> None:
    """Whatever they differ by for good; hosts that are left out have no say, and neither has what
    is common to a round."""
    table = ar1(rounds + n, (rounds, n), memory) + lasting * np.linspace(-1, 1, n)
    expected = span_by_definition(table)
    assert series.wandering(np.exp(table), ()) == pytest.approx(expected, rel=1e-9)
    more = np.insert(np.exp(table), [0, 1], np.arange(1.0, rounds + 1)[:, None], axis=1)
    common = np.random.default_rng(0).lognormal(0, 1, (rounds, 1))
    assert series.wandering(common * more, (0, 2)) == pytest.approx(expected, rel=1e-9)


def test_too_few_rounds_or_hosts_do_not_wander() -> None:
    """Of long tables means of runs are looked at, and a span is at least a run; of many hosts
    some, from the first to the last."""
    table = np.exp(ar1(1, (200, 9), 0.95))
    assert series.wandering(table[:3], ()) == series.wandering(table[:, :1], ()) == 0.0
    few, span = series.wandering(table[:, [0, 4, 8]], ()), series.wandering(table, ())
    assert few != span > 0
    means = (table[:, None] * [[0.5], [1.0], [1.5]]).reshape(600, 9)
    longer = np.vstack([means, table[:2]])  # what is left over at the end does not count
    assert series.wandering(longer, (), finest=201) == pytest.approx(3 * span)
    assert series.wandering(longer[:, :1], (), finest=201) == 3.0
    steady = np.ones((602, 9)) * np.arange(1, 10)
    assert series.wandering(steady, (), finest=201) == 3.0, "nobody wanders"
    assert series.wandering(table, (), most_hosts=3) == few


def test_blocks_are_drawn_with_replacement_and_weigh_what_they_hold() -> None:
    """As long as the series with most memory wants, an eighth of the rounds at most; the last has
    the rounds that are left."""
    walk, noise = np.random.default_rng(3).standard_normal(61).cumsum(), np.ones(61)
    assert series.block_length(walk) > 61 // 8
    assert series.blocks([noise]).length == 1
    for several in ([walk, noise], [noise, walk]):
        found = series.blocks(several)
        assert (found.length, found.rounds, found.count) == (7, 61, 9)
    assert found.drawn.shape == (1000, 9)
    assert (found.drawn.sum(axis=1) == 9).all()
    assert found.drawn.mean(axis=0) == pytest.approx(np.ones(9), abs=0.15)
    assert found.drawn.var() == pytest.approx(8 / 9, abs=0.06), "as a multinomial"
    parts = [walk[start : start + 7] for start in range(0, 61, 7)]
    for draw, mean in zip(found.drawn[:5].astype(int), found.means(walk), strict=False):
        taken = np.concatenate(
            [part for part, times in zip(parts, draw, strict=True) for _ in range(times)]
        )
        assert mean == pytest.approx(taken.mean())
    low, high = found.intervals(np.array([5.0, walk.mean(), 7.0]), [1], lambda worker: walk)
    ends = found.interval(float(walk.mean()), found.means(walk))
    assert (low[1], high[1]) == ends
    assert low[1] < walk.mean() < high[1]
    assert np.isnan([low[0], low[2], high[0], high[2]]).all()
    assert series.blocks([np.zeros(4001)]).length == 3, "at most 2000"


def test_runs_are_those_of_each_table() -> None:
    """Also at its begin and end; catches a run that goes on in the next table."""
    cells = np.random.default_rng(0).random((60, 8)) < 0.6
    cells[:, 0], cells[:, 1] = True, False
    for ends in ((), (20,), (1, 20, 59)):
        for column, (first, lengths) in enumerate(series.runs_of(cells, ends)):
            expected, place = [], 0
            for part in np.split(cells[:, column], ends):
                for slow, run in groupby(part):
                    length = len([*run])
                    expected += [(place, length)] if slow else []
                    place += length
            assert [*zip(first, lengths, strict=True)] == expected


def test_slow_is_who_takes_a_fifth_more_or_far_more_than_usual() -> None:
    """Four robust standard deviations of 1.4826 times the median deviation, which is 0.1 here."""
    usual = np.tile([0.8, 0.9, 0.9, 1.0, 1.0, 1.1, 1.1, 1.2], (5, 1))
    usual[0, 0], usual[1, 1] = 1.594, 1.593
    found = series.slow_rounds(usual)
    assert found.level == pytest.approx(1 + 4 * 1.4826 * 0.1)
    assert np.argwhere(found.cells).tolist() == [[0, 0]]
    steady = np.where(np.eye(9, 20) > 0, 1.2 + 1e-9, 1.0)
    assert series.slow_rounds(steady).level == 1.2
    assert series.slow_rounds(steady).cells.sum() == 9
    assert not series.slow_rounds(np.where(np.eye(9, 20) > 0, 1.2, 1.0)).cells.any()


def test_a_spell_is_long_if_it_would_be_chance_in_one_of_a_thousand() -> None:
    """By the probability with which the others stay slow, or its own share of slow rounds."""
    told = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        cells = rng.random((50, 4)) < rng.choice([0.0, 0.02, 0.1, 0.3])
        cells[:, 3] |= rng.random(50) < rng.choice([0.0, 0.9])
        start, length = rng.integers(0, 30), rng.integers(2, 12)
        cells[start : start + length, rng.integers(4)] = True
        runs = series.runs_of(cells)
        lengths = [found.tolist() for _, found in runs]
        for worker, own in enumerate(lengths):
            others = [
                each
                for other in (*lengths[:worker], *lengths[worker + 1 :])
                for each in (other if sum(other) <= 25 else [])  # no spells of the mostly slow
            ]
            stays = (sum(each - 1 for each in others) + 1) / (sum(others) + 10)
            chance = max(stays, sum(own) / 50) ** (max(own, default=1) - 1)
            expected = sum(map(len, lengths)) * chance <= 1e-3
            assert series.SlowRounds(1.2, cells, runs).long[worker] == expected
            told.append(expected)
    assert 10 < sum(told) < 60
    assert not series.SlowRounds(
        1.2, np.zeros((9, 3), dtype=bool), series.runs_of(np.zeros((9, 3), bool))
    ).long.any()


PATHS = np.array([*product([False, True], repeat=9)])


def likeliest(odds: FloatArray, begins: float, ends: float) -> Any:
    """Of all paths, after a round of either state."""
    into = np.log([[1 - begins, begins], [ends, 1 - ends]])
    first = np.where(PATHS[:, 0], into[:, 1].max(), into[:, 0].max())
    steps = into[PATHS[:, :-1].astype(int), PATHS[:, 1:].astype(int)].sum(axis=1)
    return PATHS[np.argmax(PATHS @ odds + first + steps)]


def test_the_likeliest_path_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        odds, (begins, ends) = 3 * rng.standard_normal(9), rng.uniform(0.05, 0.95, 2)
        np.testing.assert_array_equal(
            series._path(odds, begins, ends), likeliest(odds, begins, ends)
        )


def states_by_definition(logs: FloatArray, slow: Any) -> Any:
    """Two means, then paths: each from the one before, until it stays."""

    def settled(found: Any, before: Any) -> bool:
        return bool((found == before).all() or found.all() or not found.any())

    while not settled(found := logs > (logs[slow].mean() + logs[~slow].mean()) / 2, slow):
        slow = found
    for _ in range(20):
        means = np.where(slow, logs[slow].mean(), logs[~slow].mean())
        if (variance := np.mean((logs - means) ** 2)) == 0:
            break
        pairs = [*zip(slow[:-1].tolist(), slow[1:].tolist(), strict=True)]
        begins = (pairs.count((False, True)) + 1) / ((~slow).sum() + 2)
        ends = (pairs.count((True, False)) + 1) / (slow.sum() + 2)
        likelihoods = [
            -((logs - logs[state].mean()) ** 2) / (2 * variance) for state in (slow, ~slow)
        ]
        found = likeliest(likelihoods[0] - likelihoods[1], begins, ends)
        if settled(found, slow):
            break
        slow = found
    return slow


def test_the_states_of_a_worker_are_those_of_viterbi_training() -> None:
    moved = 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        slow = rng.random(9) < 0.5
        slow[:2] = [True, False]
        logs = np.repeat(rng.random(3) < 0.5, 3) * rng.choice([0.5, 1.0]) + rng.normal(0, 0.3, 9)
        expected = states_by_definition(logs, slow)
        np.testing.assert_array_equal(series.likely_states(logs, slow), expected)
        moved += bool((expected != slow).any())
    assert moved > 60
    steps = np.array([0.0, 0.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(series.likely_states(steps, steps > 0), steps > 0)
    np.testing.assert_array_equal(series.likely_states(steps, steps == 0), steps > 0)


def test_a_path_has_both_states_whatever_the_rounds() -> None:
    """Of heavy tails without a spell the likeliest path may be all fast or all slow, here in 3 of
    60: the last one with both states stays. Catches a mean of no rounds, and states of NaN."""
    rng = np.random.default_rng(2)
    for _ in range(60):
        logs, slow = rng.laplace(size=100), rng.random(100) < 0.15
        assert 0 < np.count_nonzero(series.likely_states(logs, slow)) < 100


def test_correlations_of_successive_rounds_have_fishers_interval() -> None:
    """Of both tables together, each about its own mean; catches a pair across two tables."""
    rng = np.random.default_rng(0)
    one, two = rng.standard_normal((12, 2)), 5 + rng.standard_normal((7, 2)).cumsum(axis=0)
    found = series.correlations([one, two])
    off = [table - table.mean(axis=0) for table in (one, two)]
    pairs = sum(table[t] * table[t + 1] for table in off for t in range(len(table) - 1))
    value = pairs / sum(row**2 for table in off for row in table)
    half = 1.959964 / np.sqrt(11 + 6 - 2)
    np.testing.assert_allclose(found.value, value)
    np.testing.assert_allclose(np.arctanh(found.low), np.arctanh(value) - half, rtol=1e-6)
    np.testing.assert_allclose(np.arctanh(found.high), np.arctanh(value) + half, rtol=1e-6)
    constant = series.correlations([np.ones((2, 3))])
    np.testing.assert_array_equal(constant.value, np.zeros(3))
    np.testing.assert_allclose(constant.high, np.tanh(1.959964), rtol=1e-6)


@pytest.mark.parametrize(
    ("correlation", "slow", "spell", "has"),
    [
        (0.2, 0.5, 1.01, True), (0.199, 0.5, 3.0, False), (0.9, 0.5, 1.0, False),
        (0.9, 0.01, 2.0, True), (0.9, 0.0099, 2.0, False),
        (0.9, 0.99, 2.0, True), (0.9, 0.991, 2.0, False),
    ],
)  # fmt: skip
def test_who_has_spells(correlation: float, slow: float, spell: float, has: bool) -> None:
    assert series.has_spells(correlation, slow, spell) is has


def test_spells_by_hand() -> None:
    """Twice the median in rounds 3 to 14 and 93 to 104; another is slow in as many rounds, one by
    one. A second table begins within the second spell."""
    table = np.ones((160, 5))
    table[3:15, 1] = table[93:105, 1] = 2.0
    table[1::7, 2] = 2.0
    whole, found = series.in_spells(table, series.slow_rounds(table), [1, 2])
    assert found == [1]
    assert [part.tolist() for part in whole.runs[1]] == [[3, 93], [12, 12]]
    assert series.in_and_out(table, whole.cells, 1) == (2.0, 1.0)
    slow = series.slow_rounds(table, [97])
    assert slow.long.tolist() == [False, True, False, False, False]
    both, who = series.in_spells(table, slow, [1, 2], [97])
    assert who == [1]
    assert [part.tolist() for part in both.runs[1]] == [[3, 93, 97], [12, 4, 8]]
    np.testing.assert_array_equal(both.cells[:, 2], table[:, 2] > 1)
    cells = np.zeros((160, 5), dtype=bool)
    cells[4:9, 1] = True
    assert series.in_and_out(table, cells, 1) == (2.0, 1.0)
