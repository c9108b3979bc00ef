"""Speaks to the signs of waiting, as their errors are counted over thousands of tables: steps of
all-reduce training, which include the wait for the slowest rank, are told from own times."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from erasurehead.delay_models.measured.signs import (
    carried,
    known_above,
    look_alike,
    relative_spread,
    waiting,
)
from tests.delay_models.layouts import all_reduced, own_times

LAWS = ("lognormal", "exponential tail", "a slow host", "AR(1)")


def shares(workers: int, rounds: int, law: str, tables: int, seed: int) -> list[float]:
    """Of own times that are flagged, and of steps with skews of 5e-4 and 1e-2."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(tables):
        own = own_times(law, rng, rounds, workers)
        steps = (own, all_reduced(own, rng)[0], all_reduced(own, rng, 1e-2)[0])
        found.append([waiting(table) != "" for table in steps])
    return np.mean(found, axis=0).tolist()


def detection(sizes: list[tuple[int, int]], tables: int) -> list[tuple[int, int, str, list[float]]]:
    found = [
        (workers, rounds, law, shares(workers, rounds, law, tables, seed))
        for seed, ((workers, rounds), law) in enumerate(itertools.product(sizes, LAWS))
    ]
    print("\nworkers rounds law: own times flagged, steps flagged at skews 5e-4, 1e-2")
    for workers, rounds, law, (false, *right) in found:
        print(f"{workers:7} {rounds:6} {law:16}: {false:.3f}, {right[0]:.2f}, {right[1]:.2f}")
    return found


def test_steps_that_include_waiting_are_told_from_own_times() -> None:
    for _, _, law, found in detection([(4, 100), (8, 50), (64, 20)], 6):
        assert found == [0, 1, 1], law


@pytest.mark.slow
def test_detection_and_false_alarms_over_sizes_and_laws() -> None:
    """From 4 workers and 50 rounds on nearly every table of steps is told; of own times none."""
    sizes = [*itertools.product((4, 8, 64), (20, 50, 100, 500))]
    found = detection(sizes, 100) + detection([*itertools.product((512,), (20, 100, 500))], 8)
    assert sum(round(100 * false) for *_, (false, _, _) in found) <= 2
    for workers, rounds, law, (_, as_equal, share) in found:
        assert as_equal == 1, (workers, rounds, law)
        enough = workers >= 8 or rounds >= 50
        assert share >= (0.93 if enough else 0.15), (workers, rounds, law)
    few = detection([(4, 20), (2, 50)], 200)
    for workers, share in ((4, 0.35), (2, 0.23)):
        shares = [each[-1] for n, _, _, each in few if n == workers]
        assert np.mean(shares) == pytest.approx(share, abs=0.06)


def test_the_statistics_of_waiting() -> None:
    """Waits that end one round later cancel in sums over blocks; own times do not."""
    rng = np.random.default_rng(0)
    own = own_times("lognormal", rng, 5000, 8)
    assert carried(own)[0] == pytest.approx(1.0, abs=0.1)
    ratio, most = carried(all_reduced(own, rng, 1e-2)[0])
    assert ratio == pytest.approx(0.1, abs=0.02)
    assert most == 0.5
    assert carried(own[:20])[1] == pytest.approx(chi2.ppf(1e-3, 14) / 14)
    assert relative_spread(all_reduced(own, rng)[0]) < 1e-3 < relative_spread(own)
    assert known_above(100, 30) == pytest.approx(0.858, abs=5e-4)


def test_what_looks_like_waiting_and_is_not() -> None:
    """Catches workers that take turns at being slow, whose sums over blocks are alike as well, and
    a single round, which factors of workers explain whole."""
    rng = np.random.default_rng(1)
    assert waiting(rng.normal(1, 0.005, (1, 30))) == ""
    for turn in (2, 3, 5, 7):
        late = 0.3 * ((np.arange(60)[:, None] + np.arange(6)) % turn == 0)
        assert waiting(1 + late + rng.normal(0, 0.01, (60, 6))) == "", turn
        due = (np.arange(300)[:, None] + rng.integers(20, size=8)) % rng.integers(
            3, 20, size=8
        ) == 0
        assert waiting(1 + 0.5 * due + rng.normal(0, 0.01, due.shape)) == "", turn
    dealt = rng.permuted(np.tile(np.arange(6) == 0, (60, 1)), axis=1) * 0.5
    assert waiting(1 + dealt + 0.01 * rng.random(dealt.shape)) == ""
    coarse = np.where(np.arange(60)[:, None] % 5 == np.arange(4), 3.0, 2.0)
    coarse[::2] = 2.0
    assert waiting(coarse) == ""
    timers = own_times("lognormal", rng, 100, 8).max(axis=1, keepdims=True)
    assert waiting(timers + rng.normal(0, 0.01, (100, 8))) == ""  # known not to be found
    heavy = rng.pareto(1.1, (200, 8)) + 1
    assert waiting(heavy) == ""
    few = np.round(rng.normal(1, 0.02, (5, 3)), 2)
    assert waiting(few) == waiting(few[:, :1]) == waiting(np.ones((2, 4))) == ""
    assert waiting(np.ones((30, 4))) == waiting(np.ones((10, 3))) == "alike"
    assert waiting(np.ones((19, 2))) == ""  # 19 differences of workers, and 20 above
    gaps = np.ones((30, 4))
    gaps[::2, 1] = np.inf
    assert waiting(gaps) == "alike"
    wide = 1 + rng.normal(0.0, 1e-4, (20, 3001))
    assert waiting(wide) == "alike"
    assert waiting(wide + 0.3 * rng.random(wide.shape)) == ""
    assert waiting(np.zeros((30, 4))) == waiting(np.full((30, 4), np.inf)) == ""


def test_signs_of_waiting_at_their_limits() -> None:
    """Of times that include the wait of the round before: each limit set to just what there is."""
    own = np.random.default_rng(3).exponential(1.0, (121, 3))
    table = own[1:] + own[:-1].max(axis=1, keepdims=True) - own[:-1]
    assert waiting(table) == "carried"
    assert waiting(own) == ""
    beyond = table - table.mean(axis=1, keepdims=True)
    before, *earlier = (
        np.mean(beyond[lag:] * beyond[:-lag]) / np.mean(beyond**2) for lag in range(1, 11)
    )
    assert len(earlier) == 9
    blocks = np.add.reduceat(beyond, range(0, 120, 10), axis=0)
    ratio, most = carried(table)
    assert ratio == pytest.approx((blocks**2).sum() / (beyond**2).sum())
    limits: dict[str, tuple[Any, Any]] = {  # what carries, and the next number, which does not
        "next_round": (before, np.nextafter(before, -1)),
        "rhythm": (np.nextafter(max(earlier), 1), max(earlier)),
        "fewest": (240, 241),
    }
    for name, (within, past) in limits.items():
        assert (waiting(table, **{name: within}), waiting(table, **{name: past})) == ("carried", "")
    assert most < 0.5
    assert carried(table, largest=ratio / 2) == (ratio, ratio / 2)
    assert carried(table[:19]) == (1.0, 0.0)
    assert carried(table[:20])[0] < 1.0
    equal = 1.0 + 1e-4 * np.random.default_rng(4).random((40, 3))
    factors = np.median(equal / np.median(equal, axis=1, keepdims=True), axis=0)
    own = equal / factors
    assert waiting(equal) == "alike"
    for name, limit in (("equal", relative_spread(own)), ("nearly", relative_spread(own, 0.9))):
        assert look_alike(equal, **{name: limit})
        assert not look_alike(equal, **{name: np.nextafter(limit, 0)})


def test_whole_rounds_tell_whether_they_wait() -> None:
    """Those with all workers, above 0 s; of many, the first rounds and some workers."""
    equal = 1.0 + 1e-4 * np.random.default_rng(4).random((40, 6))
    holes = equal.copy()
    holes[36:, 0] = np.inf, np.nan, np.inf, np.inf
    holes[35] = 0.0
    assert waiting(holes) == "alike"
    assert waiting(holes[33:]) == "", "two rounds of six are too few"
    other = equal.copy()
    other[20:] *= np.random.default_rng(5).random((20, 6))
    assert waiting(other) == ""
    assert waiting(other, most=20) == "alike"
    wide = equal.copy()
    wide[:, 1::2] *= 9.0
    assert waiting(wide, most=3, fewest=6) == "alike", "each second worker"
