"""The parts by hand: what an update counts, changed delays, intervals, what is asked and listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from erasurehead import ConfigError
from erasurehead.delays import MODELS, Tape
from erasurehead.experiments.advice.recommend import compare, question, request, scenario
from erasurehead.experiments.advice.recommend.search import candidates, halving
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.plugins import BoolArray, DecodedRounds, FloatArray
from erasurehead.schemes import SCHEMES
from tests.golden.machine import hash_of
from tests.golden.records import require_recorded


class Table:
    """A tape that is a table, the same in all streams."""

    workers, block_rounds = 3, 4

    def __init__(self, rows: FloatArray) -> None:
        self._rows = rows

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return self._rows[start:stop]


DRAWN = np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0], [0.5, 1.5, 2.5]])


def test_r_of_n_workers_count_r_over_n() -> None:
    """Rescaled and not: what is scaled alike makes the same progress. Catches an error that is
    taken for a variance."""
    arrived = np.array([[[True, True, False, False], [False, True, True, False]]])
    for scale in (1.0, 2.0):

        def weights(heard: BoolArray, scale: float = scale) -> FloatArray:
            return scale * heard.astype(np.float64)

        steps = DecodedRounds(np.array([[1.0, 2.0]]), arrived, weights, 4, 4)
        np.testing.assert_allclose(compare.exact_iterations(steps, 4, False), [0.5])
    np.testing.assert_allclose(compare.exact_iterations(steps, 4, True), [1.0])
    nobody = DecodedRounds(np.array([[1.0, 2.0]]), np.zeros_like(arrived), weights, 4, 4)
    assert compare.exact_iterations(nobody, 4, False) == [0], "who hears nobody makes no progress"


def test_a_stale_gradient_counts_one_over_its_age_and_one() -> None:
    """Exact, but two updates late (once 0, once 1, then 2): a mean staleness of 1."""
    arrived = np.ones((1, 3, 4), dtype=bool)
    steps = DecodedRounds(
        np.array([[1.0, 2.0, 3.0]]), arrived, lambda a: a.astype(np.float64), 4, 4, lag=2
    )
    np.testing.assert_allclose(compare.exact_iterations(steps, 4, True), [0.5])
    np.testing.assert_allclose(compare.exact_iterations(steps, 4, False), [0.5])


@pytest.mark.parametrize("times", [0.0, 0.5, 2.0])
def test_further_partitions_become_dearer_and_the_first_does_not(times: float) -> None:
    tape, loads = Table(DRAWN), np.array([1, 2, 3])
    for law in (Proportional(), Additive(seconds_per_partition=0.5)):
        plain = law.worker_times(tape, np.array([1, 1, 1]), 0, 4)
        whole = law.worker_times(tape, loads, 0, 4)
        found = scenario.ScaledLoad(law, times).worker_times(tape, loads, 0, 4)
        np.testing.assert_allclose(found, plain + times * (whole - plain))
    assert scenario.ScaledLoad(PerPartition(), times).worker_times(tape, loads, 0, 4).shape == (
        4,
        3,
    )


def test_a_longer_tail_leaves_the_lower_half() -> None:
    changed = scenario.PerturbedTape(
        Table(DRAWN), scenario.Perturbation("tail", 2.0, median=3.5), (0, 0)
    ).rows(0, 4)
    np.testing.assert_array_equal(changed[0], [1.0, 2.0, 14.5])
    np.testing.assert_array_equal(changed[3], DRAWN[3])


@pytest.mark.parametrize(("name", "value"), [("tail", 1.0), ("persistence", 0.0)])
def test_a_change_of_nothing_leaves_every_stream(name: str, value: float) -> None:
    """Catches a block that is read from another stream than the one asked for."""
    tape = Tape(MODELS["exponential"](rate=1.0), 3, 0, 0)
    changed = scenario.PerturbedTape(tape, scenario.Perturbation(name, value, median=0.7), (0, 0))
    np.testing.assert_allclose(changed.rows(2, 6), tape.rows(2, 6), rtol=1e-12)
    np.testing.assert_allclose(changed.rows(2, 6, 3), tape.rows(2, 6, 3), rtol=1e-12)


def test_persistence_repeats_and_dealing_anew_permutes() -> None:
    """A block read by itself is that of the whole; a worker's delay is one of its own earlier."""
    kept = scenario.PerturbedTape(Table(DRAWN), scenario.Perturbation("persistence", 0.5), (0, 0))
    whole = kept.rows(0, 4)
    np.testing.assert_array_equal(kept.rows(2, 4), whole[2:])
    np.testing.assert_array_equal(whole[0], DRAWN[0])
    for t in range(1, 4):
        for j in range(3):
            assert whole[t, j] in (whole[t - 1, j], DRAWN[t, j])
    assert (whole != DRAWN).any()
    dealt = scenario.PerturbedTape(
        Table(DRAWN), scenario.Perturbation("persistence", scenario.SHUFFLED_ROUNDS), (0, 0)
    ).rows(0, 4)
    np.testing.assert_array_equal(np.sort(dealt, axis=1), np.sort(DRAWN, axis=1))


def course(losses: list[list[float]], read: list[int]) -> Iterator[FloatArray]:
    """Losses ``(R, T + 1)`` one iteration after the other; ``read`` counts them."""
    for t, loss in enumerate(np.array(losses).T):
        read.append(t)
        yield loss


HIGH, LOW, TARGET = 1.0, 0.4, question.Goal("target", 0.5)


TIMES = np.arange(61.0)[None]


@pytest.mark.parametrize(
    ("losses", "iterations", "read"),
    [
        # Ten iterations at least, and then it may leave.
        ([HIGH] * 2 + [LOW] * 11 + [HIGH] * 48, 2, 12),
        # As many again as it took to get there: 20, and not one less.
        ([HIGH] * 20 + [LOW] * 21 + [HIGH] * 20, 20, 40),
        ([HIGH] * 20 + [LOW] * 20 + [HIGH] * 21, np.nan, 60),
        # Passed by chance, and reached later: the first time counts.
        ([HIGH] * 5 + [LOW] + [HIGH] * 10 + [LOW] * 45, 5, 26),
        # At its end a run need not have stayed.
        ([HIGH] * 60 + [LOW], 60, 60),
        ([HIGH] * 5 + [LOW] * 5 + [HIGH] * 51, np.nan, 60),
        # Where it begins at the target, it is there after none.
        ([LOW] * 61, 0, 10),
        # A model that has diverged does not come back.
        ([HIGH, LOW, np.inf] + [LOW] * 58, np.nan, 2),
    ],
)
def test_a_target_is_reached_by_who_stays_as_long_again(
    losses: list[float], iterations: float, read: int
) -> None:
    """And nothing is trained beyond that. Catches the end of the run as the only judge."""
    seen: list[int] = []
    found = question.trial(TARGET, 2 * TIMES, course([losses], seen))
    np.testing.assert_array_equal(found, [[2 * iterations], [iterations]])
    assert seen[-1] == read


def test_a_trial_ends_where_it_can_no_longer_match_the_best() -> None:
    """One replication was there after 4 s, so the other may take until 16 s for a mean of 10."""
    seen: list[int] = []
    losses = [[HIGH] * 4 + [LOW] * 57, [HIGH] * 40 + [LOW] * 21]
    times = np.repeat(TIMES, 2, axis=0)
    found = question.trial(TARGET, times, course(losses, seen), best=(0.0, 10.0))
    assert seen[-1] == 16
    assert compare.order(found[0]) > (0.0, 10.0)
    whole = question.trial(TARGET, times, course(losses, seen), best=(1.0, 3.0))
    np.testing.assert_array_equal(whole[0], [4.0, 40.0])


def test_a_budget_reads_no_loss_beyond_it() -> None:
    seen: list[int] = []
    losses = [[1.0, 0.9, 0.8, 0.7, 0.6], [1.0, 0.5, 0.4, 0.3, 0.2]]
    times = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 6.0, 8.0]])
    found = question.trial(question.Goal("budget", 2.5), times, course(losses, seen))
    np.testing.assert_array_equal(found[0], [0.8, 0.5])
    assert seen[-1] == 2


def test_a_ratio_is_of_what_is_compared() -> None:
    """A few runs make a mean and no median; catches a ratio of geometric means beside means."""
    rng = np.random.default_rng(0)
    usual = rng.uniform(0.9, 1.1, 400)
    rare = np.where(np.arange(400) < 8, 100.0, usual)
    steady = np.full(400, 2.0)
    for criterion, seconds in (("mean", rare.mean()), ("median", 1.0), ("p95", 1.1)):
        middle, low, high = compare.ratio(rare, steady, criterion)  # type: ignore[arg-type]
        assert middle == pytest.approx(seconds / 2, rel=0.02)
        assert low < middle < high
        assert compare.interval_of(rare, criterion)[0] == pytest.approx(2 * middle)  # type: ignore[arg-type]
    assert compare.behind(steady, rare, "median")
    assert not compare.behind(steady, rare, "mean")
    assert (
        compare.decided_by(rare) == 5
    )  # half of 8 x 99 s, and of 10 s that the others take beyond 1
    assert compare.decided_by(usual) == 0
    assert compare.decided_by(np.array([1.0, 1.0, 1.0, 1.2])) == 0, (
        "a mean 5 % above the median is usual"
    )
    assert compare.decided_by(np.array([1.0, 1.0, 1.0, 1.21])) == 1


@pytest.mark.parametrize("count", [2, 3, 40])
def test_the_interval_of_a_ratio_of_means_is_students(count: int) -> None:
    """By the first order of the errors of both means, over the replications that both have."""
    mine, best = np.random.default_rng(count).lognormal(0.0, 0.3, (2, count))
    middle, low, high = compare.ratio(np.append(mine, 9.0), best, sure=0.9)
    assert middle == pytest.approx(mine.mean() / best.mean())
    of_each = mine / mine.mean() - best / best.mean()
    error = np.sqrt((of_each**2).sum() / (count - 1) / count)
    half = stats.t(count - 1).ppf(0.95) * error
    assert (low, high) == pytest.approx((middle * np.exp(-half), middle * np.exp(half)))
    assert np.isnan(compare.ratio(mine[:1], best[:1])[1:]).all()
    assert np.isnan(compare.ratio(mine, np.zeros(count))[0])


@pytest.mark.parametrize(("criterion", "wider"), [("median", np.sqrt(np.pi / 2)), ("p95", 2.113)])
def test_the_interval_of_a_ratio_of_quantiles_is_that_of_their_errors(
    criterion: request.Criterion, wider: float
) -> None:
    """Of normal values, each is sqrt(p (1 - p)) / density times that of the mean."""
    mine, best = np.random.default_rng(0).normal(10.0, 1.0, (2, 2000))
    _, low, high = compare.ratio(mine, best, criterion)
    error = wider * np.sqrt(2) / np.quantile(mine, 0.95 if criterion == "p95" else 0.5)
    assert np.log(high / low) == pytest.approx(2 * 1.96 * error / np.sqrt(2000), rel=0.25)


def test_who_is_behind_by_hand() -> None:
    """A run so rare that 10 runs miss it with a chance of 0.999 may cost the best ln 1000 / 10 of
    its tail allowance in the mean, and nothing in the median; who misses the goal in over half
    is behind."""
    mine, best = np.full(10, 2.0), np.full(10, 1.0)
    assert not compare.behind(best, best)
    assert compare.behind(mine, best, tail=1.44)
    assert not compare.behind(mine, best, tail=1.46)
    assert compare.behind(mine, best, "median", tail=100.0)
    mine[:5] = np.nan
    assert np.isnan(compare.ratio(mine, best)[0])
    assert compare.behind(mine, best)
    mine[5:] = 0.5
    assert not compare.behind(mine, best)
    mine[5] = np.nan
    assert compare.behind(mine, best)


def test_what_is_asked_in_numbers() -> None:
    """The nearest rates first; and how much a rare slow round adds to what is asked for."""
    scene: Any = SimpleNamespace(tail_allowance=3.0, iterations=20)
    for goal, tail in (
        (question.Goal("target", 0.1), 3.0),
        (question.Goal("budget", 9.0), 0.0),
        (question.Goal("iterations", 5.0), 0.75),
    ):
        of_goal = question.Question(scene, goal, {}, request.SearchRequest(), (), np.nan, 3.0)
        assert of_goal.tail_allowance == tail
        assert of_goal.trains == (goal.kind != "iterations")
        assert of_goal.rates((0.25, 1.0, 4.0), 0.5) == (0.5, 0.125, 2.0, 3.0)


@pytest.mark.parametrize(
    ("facts", "trains", "replications"),
    [
        ((1, 32, 10**9), False, [8, 16, 64, 256]),
        ((4, 32, 10**9), False, [32, 64, 256, 1024]),
        ((16, 32, 10**9), False, [32, 64, 256, 1024]),
        ((1, 4096, 10**9), False, [8, 16, 64, 4096]),
        ((1, 4096, 500), False, [8, 16, 64, 500]),
        ((1, 4096, 100), False, [8, 16, 64, 256]),
        ((1, 4096, 10**9), True, [8, 4, 16, 16, 64]),
        ((4, 32, 10**9), True, [32, 4, 16, 64, 256]),
    ],
)
def test_more_replications_where_few_rounds_are_very_slow(
    facts: tuple[int, int, int], trains: bool, replications: list[int]
) -> None:
    """Four times as many at most, but not of tuning; and as many as the config asks for, as far as
    memory allows. Where losses are trained, its number is of no matter."""
    repeats, given, affordable = facts
    scene = SimpleNamespace(repeats=repeats, base={"replications": given}, affordable=affordable)
    about = SimpleNamespace(scenario=scene, trains=trains, limits={})
    rungs = halving.rungs_of(cast(Any, about))
    assert [rung.replications for rung in rungs] == replications
    keep = [rung.keep for rung in rungs]
    assert keep == sorted(keep, reverse=True)
    assert keep[-1] == (4 if repeats > 1 and not trains else 8)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"max_load": 1.0, "max_error": 0.0, "max_worker_seconds": 0.0}, ""),
        ({"max_load": 0.99}, "--max-load = 0.99: must be a number of at least 1"),
        ({"max_error": -0.01}, "--max-error = -0.01: must be a number of at least 0"),
        ({"max_worker_seconds": np.inf}, "--max-worker-seconds = inf"),
        ({"max_bytes": 1.0}, "--max-bytes = 1.0: needs a problem"),
    ],
)
def test_limits_that_can_be_kept(given: dict[str, float], wrong: str) -> None:
    wanted = request.SearchRequest(**given)  # type: ignore[arg-type]
    if wrong:
        with pytest.raises(ConfigError, match=wrong):
            question.read_limits(wanted, features=0)
    else:
        found = question.read_limits(wanted, features=0)
        assert found == {name.removeprefix("max_"): value for name, value in given.items()}


def test_every_scheme_is_searched_or_left_out_with_a_reason() -> None:
    """Of the registry, for 31 and 32 workers: a new scheme needs no recipe, but must build."""
    searched = set[str]()
    for workers in (31, 32):
        for fine in (False, True):
            space = candidates.SearchSpace(workers, 1.0, workers, fine, network=True)
            for section in space.sections(BUILT_IN):
                fields = {key: value for key, value in section.items() if key != "name"}
                try:
                    SCHEMES[section["name"]](**fields).build(workers)
                except (ValueError, NotImplementedError):
                    continue
                searched.add(section["name"])
    searched.add("block_coordinate")  # its split is that of known delays
    assert searched == set(SCHEMES) - set(candidates.NOT_SEARCHED)


@pytest.mark.golden
@pytest.mark.parametrize(("workers", "fine"), [(12, False), (12, True), (30, False)])
def test_what_is_searched_is_what_was_searched_yesterday(workers: int, fine: bool) -> None:
    """Every section of every scheme, with a network where the steps are large."""
    tried: dict[str, list[str]] = {}
    for section in candidates.SearchSpace(workers, 1.5, 6, fine, network=not fine).sections(
        BUILT_IN
    ):
        tried.setdefault(section["name"], []).append(json.dumps(section))
    found = [f"{name} {len(each)} {hash_of(str(each))}" for name, each in tried.items()]
    require_recorded("recommend", {f"sections {workers} {fine}": found})


def test_designs_that_are_searched_are_projective_spaces() -> None:
    """A worker holds the points of a line of a plane of order q, or of a plane of the space of
    order 3; as far as its load may go."""
    loads = [q + 1 for q in (2, 3, 4, 5, 7, 8, 9)] + [1 + 3 + 9]
    for most in (200, 9, 8):
        space = candidates.SearchSpace(57, 1.0, most)
        found = {each["load"] for each in space.sections(BUILT_IN, ["block_design"])}
        assert sorted(found) == [load for load in loads if load <= most]


def test_one_goes_on_sixteen_times_as_far_at_most() -> None:
    listed = [
        {"name": "drop_compute", "pieces": 10, "patience": patience, "stop": None}
        for patience in (1.0, 3.0)
    ]
    for pieces, patience, far in (
        (160, 1.0, False),
        (161, 1.0, True),
        (10, 0.0625, False),
        (10, 0.06, True),
        (1, 48.0, False),
        (1, 49.0, True),
    ):
        section = {**listed[0], "pieces": pieces, "patience": patience}
        assert candidates.far_beyond(section, listed) is far
        assert not candidates.far_beyond(
            {**section, "stop": "all"}, listed
        )  # nothing alike to go on from


def test_neighbours_lie_half_way() -> None:
    """Between 6, 12 and 18 lie 9 and 15; a stop that was tried is not tried again, and loads go on
    to half and twice, or to a divisor of the workers."""

    def tried(worth: Mapping[int, float]) -> list[candidates.Tried]:
        own = [({"name": "erasurehead", "load": 3, "wait_for": r}, s) for r, s in worth.items()]
        return [*own, ({"name": "erasurehead", "load": 2, "wait_for": 13}, 1.0)]

    some = tried({6: 2.0, 12: 1.0, 18: 2.0})
    found = [(s["load"], s["wait_for"]) for s in candidates.neighbours(some[1][0], some, 30)]
    assert found == [(1, 12), (6, 12), (3, 9), (3, 15)]
    assert not list(candidates.neighbours({"name": "uncoded"}, [({"name": "uncoded"}, 1.0)], 30))
    least = {"name": "erasurehead", "load": 1, "wait_for": 1}
    found = [(s["load"], s["wait_for"]) for s in candidates.neighbours(least, [(least, 1.0)], 30)]
    assert found == [(2, 1), (1, 2)], "none has no load, and waits for nobody"


def test_a_run_that_misses_the_goal_is_later_than_all() -> None:
    """By the mean, after everybody who reaches it in all runs, then by the median of all runs; by
    the median, wherever that is; and last, by how many miss."""
    never, most, some = [1.0, np.nan, np.nan], [7.0, 9.0, np.nan], [2.0, 3.0, np.nan]
    every, none = [50.0, 60.0, 70.0], [np.nan] * 3
    for criterion, ranked in (
        ("mean", [every, some, most, never, none]),
        ("median", [some, most, every, never, none]),
        ("p95", [every, some, most, never, none]),
    ):
        orders = [compare.order(np.array(values), criterion) for values in ranked]  # type: ignore[arg-type]
        assert orders == sorted(orders)
        assert len({*orders}) == 5
    assert compare.order(np.array(most)) == (1.0, 9.0)
    assert compare.order(np.array(most), "median") == (0.0, 9.0)
    one, same, other = (np.array([1.0 + each]) for each in (0.0, 3e-12, 9e-12))
    assert compare.order(one) == compare.order(same) == (0, 1.0), "to twelve digits"
    assert compare.order(one) < compare.order(other)


def test_the_loss_half_way_is_one_that_the_end_keeps() -> None:
    assert question.ExactDescent(1.0, np.array([4.0, 3.0, 2.0, 1.0, 0.5])).halfway == 2.0
    assert question.ExactDescent(1.0, np.array([4.0, 3.0, 1.0, 2.5])).halfway == 2.5


PARETO = MODELS["pareto"](alpha=1.2, scale=1.0)


@pytest.mark.parametrize(
    ("workers", "most", "loads"),
    [
        (12, 12, [2, 3, 4, 6]),
        (30, 30, [2, 3, 4, 5, 6, 10, 15]),
        (30, 5, [2, 3, 4, 5]),
        (31, 31, [2, 3, 4, 6]),
        (5, 5, [2, 3, 4]),
        (3, 9, [2, 3]),
        (2, 9, [2]),
        (8, 1, []),
    ],
)
def test_loads_are_small_ones_and_divisors(workers: int, most: int, loads: list[int]) -> None:
    """Up to half of the workers; all of a few are searched, and of many the least and the most."""
    space = candidates.SearchSpace(workers, 1.0, most)
    assert space.loads == loads if len(loads) <= 7 else set(space.loads) < set(loads)
    assert space.few_loads == loads[:2]
    many = candidates.SearchSpace(720, 1.0, 720).loads
    assert len(many) == 7
    assert many[:5] == [2, 3, 4, 5, 6]
    assert many[-1] == 360
    assert many == sorted(set(many))
    assert 720 % many[-2] == 0


def test_arrivals_that_are_searched() -> None:
    """Shares of the workers, all numbers where the clock alone ranks them; n - 1 at most."""
    assert candidates.SearchSpace(20, 1.0, 20).arrivals() == [2, 5, 8, 10, 12, 14, 16, 18, 19]
    assert candidates.SearchSpace(20, 1.0, 20).arrivals(7) == [2, 5, 7]
    assert candidates.SearchSpace(20, 1.0, 20, fine=True).arrivals() == [*range(1, 20)]
    assert candidates.SearchSpace(64, 1.0, 1, fine=True).arrivals() == [*range(1, 64)]
    assert len(candidates.SearchSpace(65, 1.0, 1, fine=True).arrivals()) <= 10
    assert candidates.SearchSpace(2, 1.0, 2).arrivals() == [1]
    assert candidates.SearchSpace(1, 1.0, 1).arrivals() == []
    assert candidates.SearchSpace(20, 1.0, 20).few_arrivals == [10, 15, 18]
    assert (candidates.SearchSpace(1, 1.0, 1).half, candidates.SearchSpace(9, 1.0, 9).half) == (
        1,
        4,
    )
    assert candidates.SearchSpace(20, 1.0, 20).batches == [5, 10, 20]
    assert candidates.SearchSpace(20, 1.2345, 20).seconds(1.0, 2.0) == [1.23, 2.47]


@pytest.mark.parametrize(
    ("delay", "workers", "length", "affordable", "repeats"),
    [
        (MODELS["deterministic"](value=2.0), 10, 10, 10**9, 1),
        (PARETO, 10, 10, 10**9, 16),
        (PARETO, 10, 10, 1024, 1),
        (PARETO, 10, 10, 2048, 4),
        (PARETO, 64, 32, 10**9, 4),
        (PARETO, 64, 64, 10**9, 1),
    ],
)
def test_rare_rounds_need_more_replications(
    delay: Any, workers: int, length: int, affordable: int, repeats: int
) -> None:
    """In steps of four, as far as memory and a run's rounds allow; equal rounds need no more."""
    settings: Any = SimpleNamespace(
        delay=delay, workers=workers, iterations=length, load_law=Proportional(), seed=0
    )
    slowest = scenario._drawn(settings)[:, 1].max(axis=-1).ravel()
    tail, found = scenario._rare(slowest, settings, affordable)
    assert found == repeats
    assert (tail > 0) == (delay is PARETO)
    assert scenario._rare(np.ones(20), settings, affordable) == (0.0, 1), "all rounds alike"


@pytest.mark.parametrize(("workers", "drawn"), [(10, 1250), (2000, 65)])
def test_so_many_rounds_are_drawn(workers: int, drawn: int) -> None:
    """20,000 in 16 runs, of many workers as many as have 2^21 delays; each with what a worker takes
    with one partition and with two."""
    settings: Any = SimpleNamespace(
        delay=MODELS["deterministic"](value=2.0), workers=workers, load_law=Proportional(), seed=0
    )
    found = scenario._drawn(settings)
    assert found.shape == (16, 3, drawn, workers)
    np.testing.assert_array_equal(found[:, :, 0, 0], [[2.0, 2.0, 4.0]] * 16)


def heard(shares: Any, updates: int) -> tuple[float, float, bool]:
    shares = None if shares is None else np.asarray(shares, dtype=np.float64)
    times = np.empty((1 if shares is None else len(shares), updates))
    found = compare.hearing(cast(Any, SimpleNamespace(times=times, shares=shares)))
    return found["least_heard"], found["coverage"], not found["covered"]


def test_who_is_hardly_ever_part_of_an_update() -> None:
    """In many replications or in all together, and more rarely than by chance."""
    assert np.isnan(heard(None, 100)[:2]).all()
    assert heard(np.ones((4, 5)), 100) == (1.0, 1.0, False)
    assert heard([[0.5, np.nan]], 100) == (0.5, 0.5 / 0.75, False)
    never = [1.0, 1.0, 1.0, 0.0]
    assert heard([never] * 3, 100) == (0.0, 0.0, True)
    often = np.full((40, 4), 0.3)
    assert not heard(often, 200)[2]
    for replications, unheard in ((1, False), (2, False), (3, True)):
        some = often.copy()
        some[:replications, 1] = 0.0
        least, balance, found = heard(some, 200)
        assert found == unheard, replications
        assert least == pytest.approx(0.3 * (1 - replications / 40))
        assert 0.9 < balance < 1
    one = [[0.3, 0.3, 0.3, 0.0]]
    assert not heard(one, 10)[2], "0.775^10 is a chance of 8 %, for each of four partitions"
    assert heard(one, 100)[2]
    assert not heard([[0.3, 0.3, 0.3, 0.03]], 10_000)[2], "a ninth of the mean share"
    assert heard([[0.3, 0.3, 0.3, 0.02]], 10_000)[2]


@pytest.mark.parametrize(
    ("target", "given", "refused"),
    [
        (1.0, None, None),
        (0.99, None, "--target = 0.99: exact gradients come down to 0.5 in 7 iterations"),
        (None, 0.99, "target_loss = 0.99: exact gradients come down to 0.5"),
        (None, 1.0, None),
        (3.99, None, None),
        (4.0, None, "must be below the loss at the start, 4"),
    ],
)
def test_a_target_is_one_that_exact_gradients_reach_and_keep(
    target: float | None,
    given: float | None,
    refused: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their last loss counts, which here is above the one before."""
    exact = SimpleNamespace(losses=np.array([4.0, 0.5, 1.0]), halfway=0.5)
    asked: list[float | None] = []

    def descent(learning: object, iterations: int, wanted: float | None) -> Any:
        asked.append(wanted)
        return exact

    monkeypatch.setattr(question, "exact_descent", descent)
    monkeypatch.setattr(question, "cells", lambda document, folder: [None])
    monkeypatch.setattr(question.build, "training", lambda cell: object())
    scene = SimpleNamespace(features=3, iterations=7, base={"target_loss": given}, data_dir=None)
    wanted = request.SearchRequest(target=target)
    if refused is None:
        goal, found = question._goal(cast(Any, scene), wanted)
        assert (goal.kind, goal.value, found) == ("target", target or given, exact)
    else:
        with pytest.raises(ConfigError, match=re.escape(refused)):
            question._goal(cast(Any, scene), wanted)
    assert asked == [target or given]


@dataclass(frozen=True)
class Rated:
    """Stands for an optimizer, and for a training with one."""

    learning_rate: float = 1.0
    optimizer: Any = None


@pytest.mark.parametrize(
    ("target", "best"),
    [(2.0, 1.0), (1.9, 2.0), (None, 2.0), (3.0, 2.0)],
)
def test_the_best_rate_ends_at_its_target_or_below(
    target: float | None, best: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soonest; one that comes back above it does not reach it. Without a target, or where nobody
    gets there, by the loss half-way, or at the end if that is higher."""
    losses = {
        1.0: [4.0, 3.0, 2.0],
        2.0: [4.0, 1.9, 2.1],
        4.0: [4.0, 9.0, 9.0],
        0.5: [4.0, 4.0, 4.0],
    }
    path = lambda one: SimpleNamespace(loss=losses[one.optimizer.learning_rate].__getitem__)  # noqa: E731
    monkeypatch.setattr(question, "ExactPath", path)
    found = question.exact_descent(cast(Any, Rated(optimizer=Rated())), 2, target)
    assert found.rate == best
    assert found.losses.tolist() == losses[best]


@pytest.mark.parametrize("criterion", ["mean", "median", "p95"])
def test_an_interval_is_as_wide_as_the_runs_differ(criterion: request.Criterion) -> None:
    """In the unit of the runs, around the middle; of one run, and of runs that are all the same,
    it is not known. What is not a number does not count."""
    for runs in ([2.0, np.nan], [2.0] * 9):
        middle, *ends = compare.interval_of(np.array(runs), criterion)
        assert middle == 2.0
        assert np.isnan(ends).all()
    assert compare.interval_of(np.array([2.0, np.nan, 4.0]), criterion) == compare.interval_of(
        np.array([2.0, 4.0]), criterion
    )
    values = np.random.default_rng(0).lognormal(0.0, 0.5, 40)
    middle, low, high = compare.interval_of(values, criterion)
    assert high - middle == pytest.approx(middle - low)
    assert 0 < high - low < 2 * np.ptp(values)
    np.testing.assert_allclose(
        compare.interval_of(1e-3 * values, criterion), 1e-3 * np.array([middle, low, high])
    )
    if criterion != "p95":  # the error of a median of normal values is sqrt(pi / 2) as large
        normal = np.random.default_rng(1).normal(7.0, 2.0, 1000)
        middle, low, high = compare.interval_of(normal, criterion)
        error = normal.std() * {"mean": 1.0, "median": np.sqrt(np.pi / 2)}[criterion]
        assert high - low == pytest.approx(2 * 1.96 * error / np.sqrt(1000), rel=0.15)
