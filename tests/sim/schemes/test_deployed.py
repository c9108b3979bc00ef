"""What people deploy: backup tasks, and work that is dealt by speed.

Speaks to both ways to settle a round of copies, and to dealing, by themselves.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, DelayModel, Tape
from erasurehead.load_laws import Proportional
from erasurehead.schemes import SCHEMES, SchemeFamily
from erasurehead.sim.schemes.deployed import Copies, deal
from erasurehead.theory import (
    ExponentialTime,
    IterationTimeLaw,
    mean_speculative,
    scheme_iteration_time,
)
from tests.sim.engines.agreement import POLICIES, auto, both_finish, steady
from tests.statistics import BOUND, assert_z

UNIT = MODELS["exponential"](rate=1.0)
SHIFTED = MODELS["shifted_exponential"](shift=1.0, rate=2.0)


def times(family: SchemeFamily, n: int, rounds: int, delay: DelayModel = UNIT, **more: Any) -> Any:
    """Instants of updates; of each replication its own row."""
    return eh.simulate(family, delay, workers=n, iterations=rounds, seed=23, **more).times


def lengths(*run: Any, **more: Any) -> np.ndarray:
    """Seconds of each iteration, replication by replication."""
    return np.diff(times(*run, **more), prepend=0.0)


def near(samples: np.ndarray, expected: float, known_to: float) -> None:
    """A mean that is itself known to so much only."""
    error = float(np.hypot(samples.std(ddof=1) / np.sqrt(samples.size), known_to))
    assert abs(samples.mean() - expected) < BOUND * error, (samples.mean(), expected, error)


class Streams:
    """A tape of given tables, one for each stream; ``(rounds, workers)`` each."""

    block_rounds = 4

    def __init__(self, *tables: list[list[float]]) -> None:
        self.tables = [np.array(table) for table in tables]
        self.workers = self.tables[0].shape[1]

    def rows(self, start: int, stop: int, stream: int = 0) -> np.ndarray:
        return self.tables[stream][start:stop]


@pytest.mark.parametrize(
    ("copy_after", "streams", "ends", "busy", "useful"),
    [
        # Tasks of 1, 2, 9 and 8 s; copies of 3, 9, 1 and 1 s. At 2 s worker 0 takes task 2, which
        # it has at 5 s, and worker 1 takes task 3, which its own worker has first, at 8 s.
        (
            *(2, [[1.0, 2.0, 9.0, 8.0], [3.0, 9.0, 1.0, 1.0]], 8.0),
            *([1 + 3, 2 + 6, 5, 8], [1 + 3, 2, 0, 8]),
        ),
        # More missing than idle: worker 0 is done at 1 s and copies task 1 until 3 s; both workers
        # are then free, and take tasks 2 and 3, which end at 6 s (a copy of 3 s) and at 7 s (one of
        # 4 s).
        (
            *(
                1,
                [[1.0, 10.0, 10.0, 10.0], [2.0, 4.0, 9.0, 9.0], [3.0] + [9.0] * 3, [9.0] * 4],
                7.0,
            ),
            *([1 + 2 + 3, 3 + 4, 6, 7], [1 + 2 + 3, 4, 0, 0]),
        ),
    ],
)
@pytest.mark.parametrize("policy", POLICIES)
def test_copies_by_hand(copy_after, streams, ends, busy, useful, policy) -> None:
    scheme = SCHEMES["speculative"](copy_after=copy_after).build(4)
    tape = Streams(*([stream] for stream in streams))
    trace = both_finish(scheme, [tape], Proportional(), 1, policy)
    assert trace.times.tolist() == [[ends]]
    assert trace.heard.arrived.all()
    assert trace.work.busy[0].tolist() == busy
    assert trace.work.useful[0].tolist() == useful
    if copy_after == 2:
        assert (trace.work.last[0, 0], trace.work.margin[0, 0]) == (3, 3.0)


@pytest.mark.parametrize(
    ("n", "q"), [(4, 2), (30, 23), (30, 15), (12, 12), (7, 4), (4, 1), (12, 3)]
)
def test_mean_time_of_copies(n: int, q: int) -> None:
    seconds = lengths(SCHEMES["speculative"](copy_after=q), n, 20_000)[0]
    assert_z(seconds, mean_speculative(ExponentialTime(0.0, 1.0), n, q))


def test_the_law_of_a_round_with_copies() -> None:
    """Two workers: the first arrival, then two attempts, 2 a second each; moments are integrals."""
    delay, law = MODELS["gamma"](shape=1.0, scale=1.0), Proportional()
    two = scheme_iteration_time(SCHEMES["speculative"](copy_after=1).build(2), delay, law)
    t = np.array([-1.0, 0.0, 0.3, 1.0, 5.0, 1e6])
    known = [1.0, 1.0, *np.exp(-2 * t[2:]) * (1 + 2 * t[2:])]
    np.testing.assert_allclose(two.sf(t), known, atol=1e-14)
    eight = scheme_iteration_time(SCHEMES["speculative"](copy_after=8).build(12), delay, law)
    grid = np.linspace(0.0, 40.0, 2001)
    later = eight.sf(grid)
    assert np.trapezoid(later, grid) == pytest.approx(eight.mean(), abs=1e-3)
    second = np.trapezoid(2 * grid * later, grid)
    assert second - eight.mean() ** 2 == pytest.approx(eight.variance(), abs=2e-3)
    assert eight.mean() == mean_speculative(ExponentialTime(0.0, 1.0), 12, 8)


def test_only_exponential_times_have_a_law_with_copies() -> None:
    def known(delay: DelayModel, **fields: Any) -> bool:
        scheme = SCHEMES["speculative"](**fields).build(12)
        return isinstance(scheme_iteration_time(scheme, delay, Proportional()), IterationTimeLaw)

    for rate in (1e-9, 1.0, 1e9):
        assert known(MODELS["exponential"](rate=rate), copy_after=8)
    assert not known(MODELS["exponential"](rate=1.0), copy_after=8, multiplier=1.2)
    others = MODELS["weibull"](shape=0.999, scale=1.0), MODELS["deterministic"](value=1.0)
    shifted = MODELS["shifted_exponential"](shift=1e-3, rate=1.0)
    assert not any(known(delay, copy_after=8) for delay in (*others, shifted))
    assert known(shifted, copy_after=12)  # nobody is copied


@pytest.mark.parametrize(
    ("delay", "fields", "seconds", "error"),
    [
        (UNIT, {"spark": "before 4.0"}, 2.642, 0.004),
        pytest.param(SHIFTED, {"spark": "before 4.0"}, 2.857, 0.002, marks=pytest.mark.slow),
        (SHIFTED, {"copy_after": 22}, 2.778, 0.002),
    ],
    ids=str,
)
def test_what_spark_copies(delay: DelayModel, fields: dict, seconds: float, error: float) -> None:
    """n = 30; numbers of a simulation of its own."""
    near(lengths(SCHEMES["speculative"](**fields), 30, 6_000, delay)[0], seconds, error)


def test_the_rules_of_spark_by_version() -> None:
    old, new = (
        SCHEMES["speculative"](spark=version).build(30) for version in ("before 4.0", "4.0")
    )
    assert (old.q, old.multiplier, new.q, new.multiplier) == (22, 1.5, 27, 3.0)


def test_both_ways_to_settle_agree() -> None:
    """What is found at once, and event by event."""
    rng = np.random.default_rng(2)
    for n, q in ((4, 2), (9, 5), (12, 11)):
        scheme = Copies(n, q, 0.0)
        times = rng.exponential(1.0, (300, n * 2))
        own = times.reshape(-1, n, 2)
        for one, two in zip(scheme._at_once(own), scheme._in_turn(own), strict=True):
            np.testing.assert_allclose(one, two, rtol=0, atol=1e-12)


def test_busy_and_useful_seconds_of_copies() -> None:
    """Of every task one attempt counts: useful seconds are theirs, and nobody is busy twice."""
    scheme = SCHEMES["speculative"](copy_after=3, multiplier=1.1).build(12)
    tapes = [Tape(UNIT, 12, 23, r) for r in range(3)]
    trace = auto.simulate(scheme, tapes, Proportional(), 200)
    assert np.all(trace.work.useful <= trace.work.busy + 1e-9)
    assert np.all(trace.work.busy <= trace.times[:, -1:] + 1e-9)
    assert 0.5 < trace.work.useful.sum() / trace.work.busy.sum() < 0.9


def test_without_copies_it_is_uncoded() -> None:
    tapes = [Tape(UNIT, 12, 23, r) for r in range(2)]
    copies, uncoded = (
        auto.simulate(family.build(12), tapes, Proportional(), 50)
        for family in (SCHEMES["speculative"](copy_after=12), SCHEMES["uncoded"]())
    )
    np.testing.assert_array_equal(copies.times, uncoded.times)
    np.testing.assert_allclose(copies.work.busy, uncoded.work.busy, rtol=1e-12)


def test_copies_need_an_ideal_cluster() -> None:
    network = {"uplink_latency": 0.1}
    with pytest.raises(ValueError, match="speculative: needs a cluster without network"):
        times(SCHEMES["speculative"](copy_after=6), 12, 3, network=network)


# Work that is dealt by speed.


def plain_deal(seconds: np.ndarray, total: int) -> list[int]:
    dealt = [0] * len(seconds)
    heap = [(t, j) for j, t in enumerate(seconds.tolist())]
    heapq.heapify(heap)
    for _ in range(total):
        _, j = heapq.heappop(heap)
        dealt[j] += 1
        heapq.heappush(heap, ((dealt[j] + 1) * seconds[j], j))
    return dealt


@pytest.mark.parametrize("levels", [3, 10**6])
def test_dealing_is_what_a_heap_deals(levels: int) -> None:
    """Also with ties, and in many replications at once."""
    rng = np.random.default_rng(levels)
    for total in (1, 7, 40, 1000):
        seconds = (1 + rng.integers(0, levels, (20, 9))) / levels
        assert deal(seconds, total).tolist() == [plain_deal(row, total) for row in seconds]


def test_dealing_is_optimal() -> None:
    """Against every way to deal."""
    rng = np.random.default_rng(4)
    ways = [w for w in itertools.product(range(7), repeat=3) if sum(w) == 6]
    for _ in range(100):
        seconds = rng.lognormal(0.0, 1.0, 3)
        best = min(max(np.array(way) * seconds) for way in ways)
        assert max(deal(seconds[None], 6)[0] * seconds) == pytest.approx(best, rel=1e-12)
    assert deal(np.array([[1.0, 1.0, 4.0]]), 3).tolist() == [[2, 1, 0]]
    assert deal(np.array([[0.0, 1.0, 0.0]]), 5).tolist() == [[5, 0, 0]]


@pytest.mark.parametrize(("pieces", "seconds"), [(90, 4 / 3), (120, 1.5)])
def test_balanced_by_hand(pieces: int, seconds: float) -> None:
    """15 workers at 1 s and 15 at 2 s, learned in the first round; uncoded takes 2 s."""
    speeds = (1.0,) * 15 + (2.0,) * 15
    for given, first in ((None, 2.0), (speeds, seconds)):
        scheme = SCHEMES["balanced"](micro_batches=pieces, seconds=given).build(30)
        trace = both_finish(scheme, [steady(*speeds)], Proportional(), 4)
        assert trace.intervals[0] == pytest.approx([first] + [seconds] * 3)


def test_equal_speeds_are_uncoded_to_the_bit() -> None:
    for n, pieces in ((12, 48), (30, 1470)):  # 49 (30 / 1470) is not 1
        equal = SCHEMES["balanced"](micro_batches=pieces, seconds=(0.7,) * n)
        for policy in POLICIES:
            size: Any = {"replications": 2, "policy": policy}
            one, two = (times(each, n, 30, **size) for each in (equal, SCHEMES["uncoded"]()))
            np.testing.assert_array_equal(one, two)


def test_learned_speeds_lose_where_only_chance_is_slow() -> None:
    """Equal exponential workers; and log-normal ones that differ for good."""
    equal = lengths(SCHEMES["balanced"](micro_batches=120), 30, 400, replications=20)
    near(equal.mean(axis=1), 4.26, 0.02)
    base = MODELS["lognormal"](median=np.exp(-0.005), sigma=0.1)  # a mean of 1 s
    speeds = (1.0,) * 15 + (2.0,) * 15
    delay = MODELS["heterogeneous"](base=base, factors=speeds)
    for fields, seconds, error in (({}, 1.7795, 0.0011), ({"seconds": speeds}, 1.7796, 0.0011)):
        scheme = SCHEMES["balanced"](micro_batches=120, **fields)
        late = lengths(scheme, 30, 400, delay, replications=20)[:, 20:]
        near(late.mean(axis=1), seconds, error)
    uncoded = lengths(SCHEMES["uncoded"](), 30, 400, delay, replications=20)
    near(uncoded.mean(axis=1), 2.370, 0.001)
