"""The parts by hand: what an update counts, changed delays, what is searched, and the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from erasurehead.delay_models import MODELS, Tape
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.options import Criterion, SearchRequest
from erasurehead.experiments.page import content
from erasurehead.experiments.page.answer import Answer
from erasurehead.experiments.page.markdown import as_markdown
from erasurehead.experiments.pictures.kinds.losses import pareto
from erasurehead.experiments.pictures.picture import Picture, Points
from erasurehead.experiments.pictures.svg.marks import UNIT, PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.recommend import (
    candidates,
    contender,
    measure,
    page,
    question,
    scenario,
    search,
    stages,
    study,
)
from erasurehead.experiments.recommend.candidates import (
    CLOCK,
    LEFT_OUT,
    THEORY,
    Expected,
    Profile,
    SearchSpace,
    Tried,
    far_beyond,
    neighbours,
    profile,
)
from erasurehead.experiments.recommend.contender import (
    LIMITS,
    UNBUILT,
    Contender,
    behind,
    cannot_win,
    decided_by,
    estimate,
    ratio,
    to_goal,
    trial_order,
)
from erasurehead.experiments.recommend.measure import Performance, Simulation, exact_iterations
from erasurehead.experiments.recommend.question import (
    Goal,
    Question,
    ask,
    broken,
    order,
    read_limits,
    trial,
)
from erasurehead.experiments.recommend.scenario import (
    LAW,
    SHUFFLED,
    Perturbation,
    PerturbedTape,
    ScaledLoad,
)
from erasurehead.experiments.recommend.search import Search
from erasurehead.sim.load_laws import Additive, PerPartition, Proportional
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.steps import DecodedRounds
from erasurehead.sim.types import BoolArray, FloatArray
from tests.golden.records import hash_of, require_recorded
from tests.tools import assert_told


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
        np.testing.assert_allclose(exact_iterations(steps, 4, False), [0.5])
    np.testing.assert_allclose(exact_iterations(steps, 4, True), [1.0])
    nobody = DecodedRounds(np.array([[1.0, 2.0]]), np.zeros_like(arrived), weights, 4, 4)
    assert exact_iterations(nobody, 4, False) == [0], "who hears nobody makes no progress"


def test_a_stale_gradient_counts_one_over_its_age_and_one() -> None:
    """Exact, but two updates late (once 0, once 1, then 2): a mean staleness of 1."""
    arrived = np.ones((1, 3, 4), dtype=bool)
    steps = DecodedRounds(
        np.array([[1.0, 2.0, 3.0]]), arrived, lambda a: a.astype(np.float64), 4, 4, lag=2
    )
    np.testing.assert_allclose(exact_iterations(steps, 4, True), [0.5])
    np.testing.assert_allclose(exact_iterations(steps, 4, False), [0.5])


@pytest.mark.parametrize("times", [0.0, 0.5, 2.0])
def test_further_partitions_become_dearer_and_the_first_does_not(times: float) -> None:
    tape, loads = Table(DRAWN), np.array([1, 2, 3])
    for law in (Proportional(), Additive(seconds_per_partition=0.5)):
        plain = law.worker_times(tape, np.array([1, 1, 1]), 0, 4)
        whole = law.worker_times(tape, loads, 0, 4)
        found = ScaledLoad(law, times).worker_times(tape, loads, 0, 4)
        np.testing.assert_allclose(found, plain + times * (whole - plain))
    assert ScaledLoad(PerPartition(), times).worker_times(tape, loads, 0, 4).shape == (4, 3)


def test_a_longer_tail_leaves_the_lower_half() -> None:
    changed = PerturbedTape(Table(DRAWN), Perturbation("tail", 2.0, median=3.5), (0, 0)).rows(0, 4)
    np.testing.assert_array_equal(changed[0], [1.0, 2.0, 14.5])
    np.testing.assert_array_equal(changed[3], DRAWN[3])


@pytest.mark.parametrize(("name", "value"), [("tail", 1.0), ("persistence", 0.0)])
def test_a_change_of_nothing_leaves_every_stream(name: str, value: float) -> None:
    """Catches a block that is read from another stream than the one asked for."""
    tape = Tape(MODELS["exponential"](rate=1.0), 3, 0, 0)
    changed = PerturbedTape(tape, Perturbation(name, value, median=0.7), (0, 0))
    np.testing.assert_allclose(changed.rows(2, 6), tape.rows(2, 6), rtol=1e-12)
    np.testing.assert_allclose(changed.rows(2, 6, 3), tape.rows(2, 6, 3), rtol=1e-12)


def test_everything_is_changed_by_twice_and_four_times_either_way() -> None:
    """A tail is what exceeds the median of the delays; they are shuffled, or kept for a while."""
    factors, chances = (0.25, 0.5, 2.0, 4.0), (SHUFFLED, 0.5, 0.9)
    tried = [(each.name, each.value) for each in scenario.perturbations(1.5)]
    assert tried == [
        *(("load", factor) for factor in factors),
        *(("tail", factor) for factor in factors),
        *(("persistence", chance) for chance in chances),
    ]
    tails = [each.median for each in scenario.perturbations(1.5) if each.name == "tail"]
    assert tails == [1.5] * 4


def test_persistence_repeats_and_dealing_anew_permutes() -> None:
    """A block read by itself is that of the whole; a worker's delay is one of its own earlier."""
    kept = PerturbedTape(Table(DRAWN), Perturbation("persistence", 0.5), (0, 0))
    whole = kept.rows(0, 4)
    np.testing.assert_array_equal(kept.rows(2, 4), whole[2:])
    np.testing.assert_array_equal(whole[0], DRAWN[0])
    for t in range(1, 4):
        for j in range(3):
            assert whole[t, j] in (whole[t - 1, j], DRAWN[t, j])
    assert (whole != DRAWN).any()
    dealt = PerturbedTape(Table(DRAWN), Perturbation("persistence", SHUFFLED), (0, 0)).rows(0, 4)
    np.testing.assert_array_equal(np.sort(dealt, axis=1), np.sort(DRAWN, axis=1))


def course(losses: list[list[float]], read: list[int]) -> Iterator[FloatArray]:
    """Losses ``(R, T + 1)`` one iteration after the other; ``read`` counts them."""
    for t, loss in enumerate(np.array(losses).T):
        read.append(t)
        yield loss


HIGH, LOW, TARGET = 1.0, 0.4, Goal("target", 0.5)
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
    found = trial(TARGET, 2 * TIMES, course([losses], seen))
    np.testing.assert_array_equal(found.iterations, [iterations])
    np.testing.assert_array_equal(found.values, [2 * iterations])
    assert seen[-1] == read


def test_a_trial_ends_where_it_can_no_longer_match_the_best() -> None:
    """One replication was there after 4 s, so the other may take until 16 s for a mean of 10."""
    seen: list[int] = []
    losses = [[HIGH] * 4 + [LOW] * 57, [HIGH] * 40 + [LOW] * 21]
    times = np.repeat(TIMES, 2, axis=0)
    found = trial(TARGET, times, course(losses, seen), best=(0.0, 10.0))
    assert seen[-1] == 16
    assert order(found.values) > (0.0, 10.0)
    whole = trial(TARGET, times, course(losses, seen), best=(1.0, 3.0))
    np.testing.assert_array_equal(whole.values, [4.0, 40.0])


def test_a_budget_reads_no_loss_beyond_it() -> None:
    seen: list[int] = []
    losses = [[1.0, 0.9, 0.8, 0.7, 0.6], [1.0, 0.5, 0.4, 0.3, 0.2]]
    times = np.array([[0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 2.0, 4.0, 6.0, 8.0]])
    found = trial(Goal("budget", 2.5), times, course(losses, seen))
    np.testing.assert_array_equal(found.values, [0.8, 0.5])
    assert seen[-1] == 2


def test_who_does_not_always_arrive_is_not_flattered() -> None:
    lucky, sure = np.array([1.0, np.nan, 1.0]), np.array([5.0, 5.0, 5.5])
    assert order(sure) < order(lucky)
    assert to_goal(lucky) == np.inf
    assert np.isnan(ratio(lucky, sure)[0])
    assert not behind(sure, sure)
    assert behind(sure * 1.5, sure)
    assert not behind(sure * 1.5, sure, surge=100.0)  # one run of many may take so much longer


def test_a_ratio_is_of_what_is_compared() -> None:
    """A few runs make a mean and no median; catches a ratio of geometric means beside means."""
    rng = np.random.default_rng(0)
    usual = rng.uniform(0.9, 1.1, 400)
    rare = np.where(np.arange(400) < 8, 100.0, usual)
    steady = np.full(400, 2.0)
    for criterion, seconds in (("mean", rare.mean()), ("median", 1.0), ("p95", 1.1)):
        middle, low, high = ratio(rare, steady, criterion)  # type: ignore[arg-type]
        assert middle == pytest.approx(seconds / 2, rel=0.02)
        assert low < middle < high
        assert estimate(rare, criterion)[0] == pytest.approx(2 * middle)  # type: ignore[arg-type]
    assert behind(steady, rare, "median")
    assert not behind(steady, rare, "mean")
    assert decided_by(rare) == 5  # half of 8 x 99 s, and of 10 s that the others take beyond 1
    assert decided_by(usual) == 0
    assert decided_by(np.array([1.0, 1.0, 1.0, 1.2])) == 0, "a mean 5 % above the median is usual"
    assert decided_by(np.array([1.0, 1.0, 1.0, 1.21])) == 1


@pytest.mark.parametrize("count", [2, 3, 40])
def test_the_interval_of_a_ratio_of_means_is_students(count: int) -> None:
    """By the first order of the errors of both means, over the replications that both have."""
    mine, best = np.random.default_rng(count).lognormal(0.0, 0.3, (2, count))
    middle, low, high = ratio(np.append(mine, 9.0), best, sure=0.9)
    assert middle == pytest.approx(mine.mean() / best.mean())
    of_each = mine / mine.mean() - best / best.mean()
    error = np.sqrt((of_each**2).sum() / (count - 1) / count)
    half = stats.t(count - 1).ppf(0.95) * error
    assert (low, high) == pytest.approx((middle * np.exp(-half), middle * np.exp(half)))
    assert np.isnan(ratio(mine[:1], best[:1])[1:]).all()
    assert np.isnan(ratio(mine, np.zeros(count))[0])


def test_the_interval_of_a_ratio_of_medians_is_that_of_their_errors() -> None:
    """Each is sqrt(pi / 2) of that of the mean, for normal values."""
    mine, best = np.random.default_rng(0).normal(10.0, 1.0, (2, 2000))
    _, low, high = ratio(mine, best, "median")
    error = np.sqrt(np.pi / 2) * np.sqrt(2) / 10 / np.sqrt(2000)
    assert np.log(high / low) == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_who_is_behind_by_hand() -> None:
    """A run so rare that 10 runs miss it with a chance of 0.999 may cost the best ln 1000 / 10 of
    its surge in the mean, and nothing in the median; who misses the goal in over half is behind."""
    mine, best = np.full(10, 2.0), np.full(10, 1.0)
    assert behind(mine, best, surge=1.44)
    assert not behind(mine, best, surge=1.46)
    assert behind(mine, best, "median", surge=100.0)
    mine[:5] = np.nan
    assert behind(mine, best)
    mine[5:] = 0.5
    assert not behind(mine, best)
    mine[5] = np.nan
    assert behind(mine, best)


def test_limits_that_nobody_keeps_are_told_with_the_first_two() -> None:
    """The config's own breaks one, and stays; others left for theirs."""
    some = [Contender(i, {"name": name}, not i) for i, name in enumerate("abcd")]
    asked: Any = SimpleNamespace(limits={"load": 2.0, "error": 0.5})
    for one, load in zip(some, (3.0, 4.0, 5.0), strict=False):
        one.keep_limits(asked, {"load": load, "error": 0.0})
    assert [(one.breaks, one.stage) for one in some[:2]] == [
        ("partitions a worker 3, limit 2", ""),
        ("", LIMITS),
    ]
    contender.require_some(some)
    some[3].expected = known_of(THEORY, 1.0, error=0.75)
    some[3].keep_limits(asked, {"load": 1.0, "error": 0.0})
    assert some[3].reason == "mean decoding error 0.75, limit 0.5", "not what a few runs had"
    said = "a: partitions a worker 3, limit 2; b: partitions a worker 4, limit 2, ..."
    with pytest.raises(ConfigError, match=re.escape(f"keeps the limits ({said})")):
        contender.require_some(some)


def test_what_is_asked_in_numbers() -> None:
    """Seconds of exact iterations from updates that count as less; the nearest rates first; and
    how much a rare slow round adds to what is asked for."""
    assert Goal("iterations", 5.0).expected(2.0, 0.5) == 20.0
    for goal, share in (
        (Goal("iterations", 5.0), 0.0),
        (Goal("iterations", 5.0), np.nan),
        (Goal("iterations", 5.0, "median"), 0.5),
        (Goal("target", 5.0), 0.5),
    ):
        assert np.isnan(goal.expected(2.0, share))
    scene: Any = SimpleNamespace(surge=3.0, iterations=20)
    for goal, surge in (
        (Goal("target", 0.1), 3.0),
        (Goal("budget", 9.0), 0.0),
        (Goal("iterations", 5.0), 0.75),
    ):
        of_goal = Question(scene, goal, {}, SearchRequest(), (), np.nan, 3.0)
        assert of_goal.surge == surge
        assert of_goal.trains == (goal.kind != "iterations")
        assert of_goal.rates((0.25, 1.0, 4.0), 0.5) == (0.5, 0.125, 2.0, 3.0)


@pytest.mark.parametrize("criterion", ["mean", "median", "p95"])
def test_intervals_of_a_ratio_cover_it(criterion: Criterion) -> None:
    """Of 200 paired samples whose ratio is known, at least 178 (a 95 % interval that covers 93 % of
    the time does so but for one in a thousand)."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        shared = rng.gamma(4.0, size=(2, 128))
        mine, best = 1.25 * (shared[0] + rng.gamma(2.0, size=128)), shared[0] + shared[1]
        truth = (
            1.25 * {"mean": 6 / 8, "median": 5.6702 / 7.6693, "p95": 10.5130 / 13.1481}[criterion]
        )
        low, high = ratio(mine, best, criterion)[1:]
        covered += low <= truth <= high
    assert covered >= 178


@pytest.mark.parametrize(
    ("scenario", "trains", "heats"),
    [
        ((1, 64, 999), False, [(16, 24), (64, 12), (256, 8)]),
        ((1, 300, 999), False, [(16, 24), (64, 12), (300, 8)]),
        ((1, 300, 270), False, [(16, 24), (64, 12), (270, 8)]),
        ((4, 64, 999), False, [(64, 12), (256, 6), (1024, 4)]),
        ((16, 2000, 9999), False, [(64, 12), (256, 6), (2000, 4)]),
        ((1, 300, 999), True, [(8, 16), (16, 12), (32, 8), (64, 8)]),
        ((2, 300, 999), True, [(16, 16), (32, 12), (64, 8), (128, 8)]),
    ],
)
def test_more_replications_where_few_rounds_are_very_slow(
    scenario: tuple[int, int, int], trains: bool, heats: list[tuple[int, int]]
) -> None:
    """Four times as many at most, of fewer schemes; and as many as the config asks for, as far as
    memory allows. Where losses are trained, its number is of no matter."""
    repeats, asked, affordable = scenario
    facts = SimpleNamespace(repeats=repeats, base={"replications": asked}, affordable=affordable)
    assert stages.race_heats(cast(Any, SimpleNamespace(scenario=facts, trains=trains))) == heats


def test_who_is_far_behind_by_the_yardstick_is_not_trained() -> None:
    """More than four times the best; and of those without a barrier all but eight, unless the
    config names them."""

    def one(index: int, yardstick: float, free: bool = False, given: bool = False) -> Contender:
        clocked, profile = SimpleNamespace(yardstick=yardstick), Profile("", 1, True, free, None)
        known: dict[str, Any] = {"clocked": clocked, "profile": profile}
        return Contender(index, {"name": "uncoded"}, given, **known)

    some = [one(0, 1.0), one(1, 4.0), one(2, 4.01), one(3, 9.0, given=True)]
    some += [one(4 + i, 2.0 + i / 100, free=True) for i in range(10)]
    some[4] = one(4, 2.0, free=True, given=True)
    search: Any = SimpleNamespace(contenders=some, left=some)
    stages._drop_by_yardstick(search)
    gone = {each.index: each.reason for each in some if each.stage}
    assert {*gone} == {2, 12, 13}
    assert gone[2] == "4.01 times the best by the yardstick of progress"
    assert gone[12].startswith("not among the 8 best without a barrier")
    assert {some[i].stage for i in gone} == {stages.SCREENED}


def raced(index: int, values: FloatArray, given: bool = False, stage: str = "") -> Contender:
    final: Any = SimpleNamespace(
        at=lambda rate: values,
        order=lambda rate: (0.0, values.mean()),
        criterion="mean",
        evidence=LAW,
    )
    return Contender(index, {"name": "uncoded"}, given, final=final, stage=stage)


def test_a_race_drops_the_slow_and_the_last_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surely behind the leader, or not among the best three; the config's own stays to the end, and
    whoever left before and was better comes back, unless it breaks a limit."""
    noise = np.random.default_rng(0).normal(0.0, 0.2, (5, 16))
    near = [1 + i / 20 + own - own.mean() for i, own in enumerate(noise)]
    some = [raced(i, values) for i, values in enumerate(near)]
    some += [raced(5, near[0] + 2), raced(6, near[0] + 2, given=True)]
    some += [raced(7, near[0] - 0.1, stage=stages.LEFT), raced(8, near[0] - 0.2, stage=LIMITS)]
    some += [raced(9, near[0], stage=stages.LEFT)]  # no better than the best of those that stayed
    some += [raced(10, near[1] - 0.5, stage=LIMITS), raced(11, near[3][:8], stage="race")]
    some[11].reason = "surely behind who broke a limit then"
    goal = Goal("iterations", 5.0)
    asked: Any = SimpleNamespace(trains=False, surge=0.0, goal=goal)
    search, heats = Search(asked, (), lambda done, total: None, some), list[int]()
    monkeypatch.setattr(stages, "_heat", lambda search, some, count: heats.append(count))
    monkeypatch.setattr(stages, "race_heats", lambda question: [(16, 3)])
    stages.race(search)
    assert heats == [16, 16], "whoever comes back runs as long as the others"
    left = "race, 16 replications"
    assert [one.stage for one in some] == [
        "",
        "",
        "",
        left,
        left,
        left,
        "",
        "",
        LIMITS,
        stages.LEFT,
        LIMITS,
        "race",
    ]
    assert some[5].reason == "surely behind uncoded"
    assert {some[3].reason, some[4].reason} == {"not among the best 3"}
    assert some[11].reason == "no better until then than uncoded", "of the best that is left"


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("others", [False, True])
def test_who_does_not_hear_every_partition_is_set_aside(allowed: bool, others: bool) -> None:
    """If others do, unless that is allowed. The best of them by the yardstick stays for comparison,
    and so does the config's own; none is to be recommended."""

    def one(index: int, unheard: bool, yardstick: float, given: bool = False) -> Contender:
        run: Any = SimpleNamespace(unheard=unheard, yardstick=yardstick, least_heard=0.0125)
        return Contender(index, {"name": "uncoded"}, given, clocked=run)

    some = [one(0, True, 5.0), one(1, True, 4.0), one(2, True, 6.0, given=True)]
    some += [one(3, False, 1.0)] if others else []
    request = SearchRequest(allow_unheard=allowed)
    question = SimpleNamespace(request=request)
    search: Any = SimpleNamespace(left=some, question=question)
    stages._set_unheard_aside(search)
    aside = others and not allowed
    assert [one.barred for one in some[:3]] == [aside] * 3
    assert [one.stage for one in some[:3]] == [stages.UNHEARD if aside else "", "", ""]
    if aside:
        share = "0.013 of the updates"
        said = f"some partition is in {share}, in some runs in hardly any"
        assert {one.unheard for one in some[:3]} == {said}
    assert all(not each.barred and not each.stage for each in some[3:])


def test_who_does_the_same_is_looked_at_once() -> None:
    """Exact gradients at the same times are the same scheme, with the fewest partitions a worker;
    where nothing is trained any equal run is, else an equal section whatever its label. The
    config's own stays."""

    def one(index: int, digest: str, holds: int, exact: bool, given: bool = False) -> Contender:
        run: Any = SimpleNamespace(digest=digest, exact=exact)
        known = Profile(f"s{index}", holds, False, False, None)
        code = {"name": "bernoulli", "load": 2 + index % 6, "wait_for": 4}
        section = code | ({"code_seed": 0} if index > 5 else {})  # its default
        return Contender(index, section, given, profile=known, clocked=run)

    scenario = SimpleNamespace(catalogue=BUILT_IN)
    always = {0: "s1", 2: "s1", 10: "s4"}
    for trains, gone in ((True, always), (False, always | {5: "s4"})):
        some = [one(0, "a", 3, True), one(1, "a", 2, True), one(2, "a", 2, True)]
        some += [one(3, "a", 4, True, given=True), one(4, "b", 1, False), one(5, "b", 1, False)]
        some += [one(10, "b", 1, False)]
        question = SimpleNamespace(trains=trains, scenario=scenario)
        search: Any = SimpleNamespace(left=some, question=question)
        stages._drop_doubles(search)
        left = {each.index: each.reason for each in some if each.stage == stages.SCREENED}
        assert left == {index: f"does the same as {name}" for index, name in gone.items()}


def known_of(
    source: str, seconds: float, error: float = 0.0, value: float = np.nan, fresh: bool = True
) -> Expected:
    return Expected(source, seconds, error, value, fresh)


@pytest.mark.parametrize(
    ("mine", "theirs", "same", "lost"),
    [
        (known_of(THEORY, 1.021), known_of(THEORY, 1.0), False, True),
        (known_of(THEORY, 1.019), known_of(THEORY, 1.0), False, False),
        (known_of(CLOCK, 1.09), known_of(THEORY, 1.0), False, False),
        (known_of(THEORY, 1.09), known_of(CLOCK, 1.0), False, False),
        (known_of(CLOCK, 1.11), known_of(THEORY, 1.0), False, True),
        (known_of(THEORY, 2.0, 0.5), known_of(THEORY, 1.0, 0.1), False, False),
        (known_of(THEORY, 2.0, 0.5), known_of(THEORY, 1.0, 0.5), True, True),
        (known_of(THEORY, 2.0, 0.5), known_of(THEORY, 1.0, 0.51), True, False),
        (known_of(THEORY, 2.0, 0.5), known_of(THEORY, 1.0, 0.0), False, True),
        (known_of(THEORY, 2.0, fresh=False), known_of(THEORY, 1.0), False, False),
        (known_of(THEORY, 2.0), known_of(THEORY, 1.0, fresh=False), False, False),
        (known_of(THEORY, 1.0, 0.5, 10.3), known_of(THEORY, 1.0, 0.1, 10.0), False, True),
        (known_of(THEORY, 1.0, 0.5, 10.1), known_of(THEORY, 1.0, 0.1, 10.0), False, False),
    ],
)
def test_who_cannot_win(mine: Expected, theirs: Expected, same: bool, lost: bool) -> None:
    """Slower by more than a margin, wider where rounds were drawn, than a scheme whose gradients
    are exact, or of the same kind and no worse; or behind in what is asked for."""
    names = ["uncoded" if same else "erasurehead", "uncoded"]
    goal = Goal("iterations", 5.0)
    one, other = (
        Contender(i, {"name": name}, False, expected=known)
        for i, (name, known) in enumerate(zip(names, (mine, theirs), strict=True))
    )
    gone = cannot_win([one, other], goal)
    assert [*gone] == ([0] if lost else [])
    one.given = True
    assert cannot_win([one, other], goal) == {}, "the config's own stays"
    if lost and np.isnan(mine.value):
        one.given = False
        median = Goal("iterations", 5.0, "median")
        assert cannot_win([one, other], median) == {}, "means say nothing of medians"


def test_errors_of_finer_pieces_are_compared_by_their_share() -> None:
    """Of 80 pieces 8 are a tenth, of 20 pieces 5 a quarter: a shorter iteration is no better."""
    goal, few, many = Goal("iterations", 5.0), (20, 5.0, 1.0), (80, 8.0, 2.0)
    coarse, fine = (
        Contender(
            i,
            {"name": "drop_compute"},
            False,
            profile=Profile("", 1, True, False, None, parts),
            expected=known_of(THEORY, seconds, error),
        )
        for i, (parts, error, seconds) in enumerate((few, many))
    )
    assert cannot_win([coarse, fine], goal) == {}
    coarse.expected = known_of(THEORY, 1.0, 1.9)  # of 20, less than a tenth
    assert [*cannot_win([coarse, fine], goal)] == [1]


@pytest.mark.parametrize("counts", [0.79, 0.8, np.nan])
def test_the_best_with_exact_updates_stays_beside_a_count(
    counts: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the winner's updates leave much out, it is sought also among those that left, and runs
    as often as the others; no scheme that leaves a little out, is stale, or breaks a limit."""

    def one(index: int, seconds: float, error: float = 0.0, **more: Any) -> Contender:
        fresh = more.pop("fresh", True)
        known = known_of(THEORY, 1.0, error, seconds, fresh)
        left = {"stage": stages.SCREENED, "expected": known}
        return Contender(index, {"name": "uncoded"}, False, **(left | more))

    run = SimpleNamespace(
        iteration_time=np.array([counts]), yardstick=1.0, order=lambda rate: (0.0, 1.0)
    )
    leader = one(0, 1.0, 0.5, stage="", final=run)
    some = [leader, one(1, 4.0), one(2, 3.0), one(3, 2.0, 0.01), one(4, 2.0, fresh=False)]
    some += [one(5, 2.0, stage=LIMITS), one(6, 2.0, stage=stages.UNHEARD), one(7, 2.0, unheard="x")]
    search: Any = SimpleNamespace(contenders=some, left=[leader], question=None)
    raced = list[tuple[int, int]]()
    monkeypatch.setattr(stages, "_heat", lambda search, s, n: raced.append((s[0].index, n)))
    monkeypatch.setattr(stages, "race_heats", lambda question: [(16, 3), (64, 2)])
    stages.keep_exact(search)
    assert raced == ([(2, 64)] if counts < 0.8 else [])
    assert (some[2].stage == "") == (counts < 0.8)


def test_what_a_scheme_costs_until_the_goal() -> None:
    """Worker-seconds and bytes of the whole way; a budget is used up whatever the loss is."""
    one = Contender(0, {"name": "uncoded"}, False, profile=Profile("", 3, False, False, None))
    run: Any = SimpleNamespace(busy=np.array([4.0, 6.0]), heard=np.array([2.0]), error=0.25)

    def costs(goal: Goal, features: int) -> dict[str, float]:
        asked: Any = SimpleNamespace(goal=goal, scenario=SimpleNamespace(features=features))
        return one.costs(asked, run, 10.0)

    found = {"load": 3.0, "worker_seconds": 50.0, "bytes": 2 * 8 * 7 * 10.0, "error": 0.25}
    assert costs(TARGET, 7) == found
    assert costs(Goal("budget", 5.0), 7) == {**found, "worker_seconds": 25.0, "bytes": 560.0}
    assert np.isnan(costs(TARGET, 0)["bytes"])
    assert costs(TARGET, 1)["bytes"] == 160.0
    limits = {"worker_seconds": 50.0, "bytes": 1119.0}
    assert broken(limits, found) == "message bytes 1120, limit 1119"
    assert broken({"worker_seconds": 50.0, "bytes": 1120.0}, found) is None
    assert broken({"error": 0.2}, {"error": np.nan}) is None, "what is not known breaks no limit"


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
    request = SearchRequest(**given)  # type: ignore[arg-type]
    if wrong:
        with pytest.raises(ConfigError, match=wrong):
            read_limits(request, features=0)
    else:
        found = read_limits(request, features=0)
        assert found == {name.removeprefix("max_"): value for name, value in given.items()}


def test_the_front_by_hand() -> None:
    points = np.array([[1, 9, 9], [9, 1, 9], [2, 9, 9], [9, 9, np.nan], [9, 1, 9], [5, 5, 5.0]])
    assert pareto(*points.T).tolist() == [True, True, False, False, True, True]


def test_a_scheme_is_known_by_the_latest_stage_that_measured_it() -> None:
    """Catches a trial that is forgotten once its scheme has left, and a rate of another scheme."""

    def measured(*means: float) -> Performance:
        values, cells = np.array(means)[:, None] + [-1.0, 1.0], np.ones(2)
        trained = ((0.1, 0.2), 1.0, values, values)
        timed = (cells, 0.0, 0.0, cells, cells, True)
        return Performance("mean", *trained, *timed, 1.0, 1.0, False, "")

    one = Contender(0, {"name": "uncoded"}, True, rate=0.2)
    assert np.isnan(study._best_known(one))
    one.trial = measured(3.0, 4.0)
    assert study._best_known(one) == 4.0
    one.final = measured(5.0, 6.0)
    assert study._best_known(one) == 6.0


def test_every_scheme_is_searched_or_left_out_with_a_reason() -> None:
    """Of the registry, for 31 and 32 workers: a new scheme needs no recipe, but must build."""
    searched = set[str]()
    for workers in (31, 32):
        for fine in (False, True):
            space = SearchSpace(workers, 1.0, workers, fine, network=True)
            for section in space.sections(BUILT_IN):
                fields = {key: value for key, value in section.items() if key != "name"}
                try:
                    SCHEMES[section["name"]](**fields).build(workers)
                except (ValueError, NotImplementedError):
                    continue
                searched.add(section["name"])
    searched.add("block_coordinate")  # its split is that of known delays
    assert searched == set(SCHEMES) - set(LEFT_OUT)


@pytest.mark.golden
@pytest.mark.parametrize(("workers", "fine"), [(12, False), (12, True), (30, False)])
def test_what_is_searched_is_what_was_searched_yesterday(workers: int, fine: bool) -> None:
    """Every section of every scheme, with a network where the steps are large."""
    tried: dict[str, list[str]] = {}
    for section in SearchSpace(workers, 1.5, 6, fine, network=not fine).sections(BUILT_IN):
        tried.setdefault(section["name"], []).append(json.dumps(section))
    found = [f"{name} {len(each)} {hash_of(str(each))}" for name, each in tried.items()]
    require_recorded("recommend", {f"sections {workers} {fine}": found})


def test_a_limit_on_the_load_bounds_what_is_searched() -> None:
    space = SearchSpace(30, 1.0, 3)
    loads = {section.get("load", 1) for section in space.sections(BUILT_IN)}
    assert loads <= {1, 2, 3}


def test_designs_that_are_searched_are_projective_spaces() -> None:
    """A worker holds the points of a line of a plane of order q, or of a plane of the space of
    order 3; as far as its load may go."""
    loads = [q + 1 for q in (2, 3, 4, 5, 7, 8, 9)] + [1 + 3 + 9]
    for most in (200, 9, 8):
        space = SearchSpace(57, 1.0, most)
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
        assert far_beyond(section, listed) is far
        assert not far_beyond({**section, "stop": "all"}, listed)  # nothing alike to go on from


def test_neighbours_lie_half_way() -> None:
    """Between 6, 12 and 18 lie 9 and 15; a stop that was tried is not tried again, and loads go on
    to half and twice, or to a divisor of the workers."""

    def tried(worth: Mapping[int, float]) -> list[Tried]:
        own = [({"name": "erasurehead", "load": 3, "wait_for": r}, s) for r, s in worth.items()]
        return [*own, ({"name": "erasurehead", "load": 2, "wait_for": 13}, 1.0)]

    some = tried({6: 2.0, 12: 1.0, 18: 2.0})
    found = [(s["load"], s["wait_for"]) for s in neighbours(some[1][0], some, 30)]
    assert found == [(1, 12), (6, 12), (3, 9), (3, 15)]
    assert not list(neighbours({"name": "uncoded"}, [({"name": "uncoded"}, 1.0)], 30))


def drops(index: int, pieces: int, value: float, yardstick: float = 1.0) -> Contender:
    """A contender that was trained; the first one is listed, and the search found the others."""
    section = {"name": "drop_compute", "pieces": pieces, "patience": 1.0}
    trial = cast(Any, SimpleNamespace(order=lambda rate: (0.0, value)))
    clocked = cast(Any, SimpleNamespace(yardstick=yardstick))
    return Contender(index, section, False, index > 0, clocked=clocked, trial=trial, rate=0.5)


def test_what_is_known_of_a_built_scheme_may_end_its_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not suit six workers, or holds more than is allowed; the others stay. One replication
    says what that takes, unless more are asked for."""
    sizes: list[int] = []
    told: list[tuple[float, int]] = []

    def noted(asked: Simulation, share: Any) -> Any:
        sizes.append(asked.replications)
        return profile(asked, share)

    monkeypatch.setattr("erasurehead.experiments.recommend.search.profile", noted)
    document = {"workers": 6, "iterations": 5, "delay": {"model": "exponential", "rate": 1.0}}
    search = Search(ask(document, SearchRequest(max_load=2), None), (), lambda *at: told.append(at))
    sections = [{"name": "fractional_repetition", "load": load} for load in (2, 3, 4)]
    some = [Contender(i, section, False) for i, section in enumerate(sections)]
    search.part = (0.5, 0.25)
    search.build_all(some)
    assert told == [*dict.fromkeys(told)] == sorted(told)
    assert told[-1] == (0.75, 5), "where this part of the five stages ends"
    assert [one.stage for one in some] == ["", LIMITS, UNBUILT]
    assert some[1].reason == "partitions a worker 3, limit 2"
    assert "load = 4: must divide" in some[2].reason
    search.build_all(some[:1], 3)
    assert sizes == [1, 1, 1, 3]
    asked_for = Contender(0, sections[2], True)
    with pytest.raises(ConfigError, match="must divide"):
        search.build_all([asked_for])


@pytest.mark.parametrize(
    ("holds", "dials", "count"), [((1, 1), 3, 16), ((1, 2), 4, 20), ((2, 2), 4, 24)]
)
def test_a_load_law_is_changed_where_somebody_has_more_than_one_partition(
    holds: tuple[int, ...], dials: int, count: int
) -> None:
    """Else it changes nothing, and the simulation on delays as they are serves; tails and
    persistence are changed in any case, in four ways and in three."""
    tried: list[Simulation] = []

    def results(task: object, simulations: list[Simulation]) -> list[str]:
        tried.extend(simulations)
        return ["too long"] * len(simulations)

    schemes = [
        Contender(i, {"name": "uncoded"}, False, profile=Profile("", load, load == 1, False, None))
        for i, load in enumerate(holds)
    ]
    question = SimpleNamespace(
        trains=False, scenario=SimpleNamespace(unit_delay=1.0), exact_rate=np.nan
    )
    search: Any = SimpleNamespace(
        question=question,
        contenders=[],
        results=results,
        simulation=lambda one, count, rates: Simulation(one.index, "", "", 1, count, TARGET, rates),
    )
    assert study.sensitivities(search, schemes) == [], "what cannot be simulated has no row"
    assert len({each.perturbation.name for each in tried}) == dials
    assert len(tried) == count
    assert [each.index for each in tried] == [*range(len(tried))]
    assert {each.rates for each in tried} == {()}


def test_the_search_goes_on_beside_the_best_and_not_too_far() -> None:
    """Sixteen times what is listed is the end: 160 pieces are not doubled, but halved."""
    contenders = [drops(0, 10, 3.0), drops(1, 160, 1.0)]
    scenario = SimpleNamespace(catalogue=BUILT_IN, workers=30)
    search: Any = SimpleNamespace(
        contenders=contenders, question=SimpleNamespace(scenario=scenario)
    )
    new = stages._go_on(search, contenders[1:], trial_order)
    found = [(one.section["pieces"], one.section["patience"]) for one in new]
    assert sorted(found) == [(85, 1.0), (160, 0.5), (160, 2.0)]
    assert {*new.values()} == {contenders[1]}
    assert contenders[2:] == [*new]
    assert [one.index for one in new] == [2, 3, 4]
    assert all(one.found and not one.given for one in new)


@pytest.mark.parametrize(("allowed", "others"), [(False, True), (True, True), (False, False)])
def test_what_is_found_is_built_for_the_last_heat_and_hears_all(
    allowed: bool, others: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have to run as often as that; if nobody hears all, or that is allowed, it stays."""
    new = [drops(0, 10, 1.0), drops(1, 20, 1.0)]
    for one, unheard in zip(new, (not others, True), strict=True):
        one.clocked = cast(Any, SimpleNamespace(unheard=unheard))
    question = SimpleNamespace(request=SearchRequest(allow_unheard=allowed))
    search: Any = Mock(question=question, left=new)
    monkeypatch.setattr(stages, "race_heats", lambda question: [(16, 9), (64, 7)])
    stages._look_at(search, new)
    search.build_all.assert_called_once_with(new, 64)
    search.clock_all.assert_called_once_with(new, 4)
    aside = stages.UNHEARD if others and not allowed else ""
    assert [one.stage for one in new] == ["", aside]


def test_who_is_far_behind_what_it_was_found_from_is_not_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By more than half as long again of the yardstick; the others at rates around its own."""
    best, near, far = drops(0, 10, 1.0, 2.0), drops(1, 20, 9.0, 3.0), drops(2, 5, 9.0, 3.01)
    found = iter([{near: best, far: best}, {}])
    trained: list[Any] = []
    question = SimpleNamespace(
        scenario=SimpleNamespace(catalogue=BUILT_IN),
        only=(),
        rates=lambda factors, centre: tuple(centre * factor for factor in factors),
    )
    search: Any = SimpleNamespace(
        question=question, left=[best], train=lambda rates, count: trained.append((rates, count))
    )
    monkeypatch.setattr(stages, "_go_on", lambda *given: next(found))
    monkeypatch.setattr(stages, "_look_at", lambda *given: None)
    stages.refine_by_training(search)
    assert (near.stage, far.stage) == ("", stages.SCREENED)
    assert far.reason.startswith("far behind what it was found from")
    assert trained == [({near: (0.25, 0.5, 1.0)}, stages.TRIAL)]


@pytest.mark.parametrize(
    ("values", "best", "found"),
    [
        ({1.5: 3.0, 2.0: 4.0}, 1.5, [0.75, 1.73]),  # the smallest is best: go on below it
        ({1.5: 4.0, 2.0: 3.0}, 2.0, [1.73, 4.0]),
        ({1.0: 4.0, 1.5: 3.0, 2.0: 4.0}, 1.5, [1.22, 1.73]),  # inside: closer on both sides
        ({1.45: 4.0, 1.5: 3.0, 1.55: 4.0}, 1.5, []),  # close enough
        ({1.5: 3.0, 2.0: 3.001}, 1.5, []),  # it gains nothing any more
        ({1.15: 3.02, 1.34: 3.0, 1.57: 4.0}, 1.34, [1.24, 1.45]),  # the best is between two alike
        ({1.5: 3.0}, 1.5, [0.75, 3.0]),
    ],
)
def test_one_goes_on_beyond_the_edge_until_the_best_is_inside(
    values: dict[float, float], best: float, found: list[float]
) -> None:
    tried = [({"name": "drop_compute", "patience": v}, worth) for v, worth in values.items()]
    section = {"name": "drop_compute", "patience": best}
    steps = [each["patience"] for each in neighbours(section, tried, 8, flat=0.01)]
    assert steps == found


def ends(column: str, value: float) -> dict[str, float]:
    """A mean and its interval, as columns."""
    return {column: value, f"{column}_low": 0.9 * value, f"{column}_high": 1.1 * value}


RANKING = pd.DataFrame(
    [
        {"rank": rank, "scheme": scheme, "label": label, "goal": "seconds", "reached": reached,
         "replications": 4, "tied": False, "rate": 0.5, "load": rank, "left": "", "breaks": "",
         "value_at_common_rate": common, "today": rank == 3,
         **ends("value", value), **ends("ratio", value / 2), **ends("to_today", value / 9)}
        for rank, scheme, label, reached, value, common in (
            (1, "erasurehead", "erasurehead load=3", 4, 2.0, 3.0),
            (2, "erasurehead", "erasurehead load=2", 4, 3.0, np.inf),
            (3, "uncoded", "uncoded", 3, np.nan, 9.0),
        )
    ]
)  # fmt: skip
CANDIDATES = pd.DataFrame(
    [
        {"scheme": "erasurehead", "label": label, "stage": "stayed", "reason": "", "value": value,
         "error": error, "worker_seconds": cost, "front": front}
        for label, value, error, cost, front in (
            ("erasurehead load=3", 2.0, 1.0, 10.0, True),
            ("erasurehead load=2", 3.0, 2.0, 90.0, False),
            ("erasurehead load=4", 4.0, 0.0, np.nan, False),
        )
    ]
)  # fmt: skip
CHANGED = pd.DataFrame(
    [
        {"dial": dial, "times": times, "scheme": "erasurehead", "label": label, "value": 1.0,
         **ends("ratio", ratio), "replications": 16}
        for dial, times in (("unchanged", 1.0), ("load", 0.5), ("persistence", SHUFFLED))
        for label, ratio in (("erasurehead load=3", 1.0), ("erasurehead load=2", 1.5))
    ]
)  # fmt: skip
TABLES = {"ranking": RANKING, "candidates": CANDIDATES, "sensitivity": CHANGED}


def picture(name: str) -> Picture:
    """A picture of the page."""
    whole = page.recommendation_page(TABLES, Answer("recommend", "demo", "Yes."), {}, "")
    return whole.charts[name].picture


def points(name: str) -> list[Points]:
    """Its points."""
    return [mark for mark in picture(name).panels[0].marks if isinstance(mark, Points)]


def test_the_common_rate_is_a_hollow_marker_beside_the_own_one() -> None:
    """Where it reaches the goal; catches a ratio to the scheme's own value."""
    hollow = [(mark.x[0], mark.y[0]) for mark in points("ranking") if mark.hollow]
    filled = [(mark.x[0], mark.y[0]) for mark in points("ranking") if not mark.hollow]
    assert hollow == [(1.5, 0.0)]
    assert filled == [(1.0, 0.0), (1.5, 1.0)]


def test_costs_are_sizes_and_unknown_ones_small() -> None:
    """Small for few worker-seconds, large for many; looks stay those of the scheme."""
    known = {mark.look.title: mark for mark in points("front") if len(mark.x)}
    cheap, dear, theory = (known[f"erasurehead load={load}"] for load in (3, 2, 4))
    assert cheap.ringed
    assert not dear.ringed
    assert cheap.size == theory.size == page.SMALLEST
    assert dear.size == page.LARGEST
    looks = {mark.look.title: mark.look for mark in points("ranking")}
    for one in (cheap, dear):
        look = looks[one.look.title]
        assert (one.look.colour, one.look.marker) == (look.colour, look.marker)
    keys = [mark.look.title for mark in points("front") if not len(mark.x)]
    assert keys == ["size: 10 worker-seconds", "size: 90 worker-seconds"]
    entries = draw_picture(picture("front"), "", "p", PageStyle()).entries
    drawn = [re.findall(r"scale\((.*?)\)", entry.swatch)[-1] for entry in entries[-2:]]
    ends = (page.SMALLEST * UNIT, page.LARGEST * UNIT)
    assert [float(size) for size in drawn] == pytest.approx(ends, abs=0.1)


def ranked(table: pd.DataFrame, said: str = "Yes.") -> content.Table:
    """The ranking of the page, beside an answer."""
    tables = {**TABLES, "ranking": table, "sensitivity": CHANGED[:0]}
    whole = page.recommendation_page(tables, Answer("recommend", "demo", said), {}, "")
    [found] = [part for part in whole.sections[0].parts if isinstance(part, content.Table)]
    return found


def test_the_recommended_scheme_is_the_first_that_is_not_barred() -> None:
    """A faster one is not recommended, and stands below; the one that follows is tied."""
    three = pd.concat([RANKING.iloc[[0]]] * 3, ignore_index=True)
    three = three.assign(
        label=["erasurehead load=3", "b", "c"],
        unheard=["never", "", ""],
        breaks="",
        tied=[False, True, True],
    )
    found = ranked(three)
    assert (found.columns[1], found.columns[-1]) == ("status", "remark")
    assert [str(row[1]) for row in found.rows] == ["recommended", "tied", "not recommended"]
    assert [str(row[-1]) for row in found.rows] == ["-", "-", "unheard: never"]


def test_rows_are_in_order_of_time_and_those_that_a_sentence_names_are_printed() -> None:
    """Whoever left stands where its time says, and who breaks a limit last; catches a scheme of
    today that is cut off, and saved ranks as the order."""
    labels = ["fast", "best", "today", *(f"left {place}" for place in range(20)), "costly"]
    values = [1.0, 2.0, 50.0, *np.arange(3.0, 23.0), 1.5]
    table = pd.concat([RANKING.iloc[[0]]] * len(labels), ignore_index=True).assign(
        label=labels,
        value=values,
        unheard=["never", *[""] * 23],
        tied=[label == "best" for label in labels],
        left=["", "", "", *["race"] * 20, "limits"],
    )
    found = ranked(table, "The best is best, 2 s, less than today; left 15 was ruled out.")
    order = ["best", *(f"left {place}" for place in range(20)), "today", "fast", "costly"]
    assert [str(row[0]) for row in found.rows] == order
    printed = [str(found.rows[row][0]) for row in found.brief]
    assert printed == ["best", *(f"left {place}" for place in range(3)), "left 15", "today"]
    assert found.file == "ranking.csv"


def test_who_misses_the_goal_comes_after_who_reaches_it() -> None:
    """The more runs reach it, the higher; a time of the runs that do would flatter."""
    table = pd.concat([RANKING.iloc[[0]]] * 4, ignore_index=True).assign(
        label=["best", "never", "often", "always"],
        value=[2.0, np.nan, np.nan, 9.0],
        reached=[4, 0, 3, 4],
        tied=[True, False, False, False],
    )
    assert [str(row[0]) for row in ranked(table).rows] == ["best", "always", "often", "never"]


def test_who_left_has_no_ratio_to_all_runs_of_today() -> None:
    """Its few runs, beside the many of others, would seem to contradict the ranking."""
    found = ranked(RANKING.assign(left=["", "race", ""], replications=[4, 2, 4]))
    column = found.columns.index("to today's (95 %)")
    assert [str(row[column]) == "-" for row in found.rows[:2]] == [False, True]
    assert str(found.rows[1][1]) == "left after 2 runs"
    assert (
        found.note == "Relative: to the recommended scheme, over the replications that both have."
    )


def test_the_report_says_who_misses_the_goal_and_what_holds_as_is() -> None:
    whole = page.recommendation_page(TABLES, Answer("recommend", "demo", "Yes."), {}, "")
    text = as_markdown(whole, {name: f"{name}.png" for name in whole.charts})
    assert "in 3 of 4 runs" in text
    assert "inf" not in text
    assert "unchanged: in 16 runs like all rows here" in " ".join(text.split())
    assert [*whole.charts] == ["ranking", "front", "sensitivity"]
    unknown = {**TABLES, "candidates": CANDIDATES.assign(value=np.nan)}
    bare = page.recommendation_page(unknown, Answer("recommend", "demo", "Yes."), {}, "")
    assert [*bare.charts] == ["ranking", "sensitivity"], "no axes without a scheme on them"
    load, persistence = whole.charts["sensitivity"].picture.panels
    assert load.x.names == ("0.5", "1")
    assert persistence.x.names == ("shuffled", "as is")


def test_the_search_is_the_one_that_the_docs_describe() -> None:
    """Each number that the page promises is the program's."""
    words = {3: "three", 4.0: "four", 8: "eight", 10: "ten"}
    heats, quick = ([r for r, _ in each] for each in (stages.HEATS, stages.QUICK_HEATS))
    assert_told(
        "recommend.md",
        f"{search.CLOCKED} short runs estimate the iteration time",
        f"up to {scenario.MOST_REPEATS} times as many",
        f"one more step gains less than {stages.FLAT:.0%}".replace("%", " %"),
        f"it is {candidates.FARTHEST} times as far as the values listed at first",
        f"over {words[stages.FAR]} times as long as the best by the yardstick above",
        f"only the best {words[stages.MOST_SLOW]} schemes without a barrier",
        f"Near the best {words[stages.TRAINED]} schemes",
        f"After heats of {', '.join(map(str, heats[:-1]))} and {heats[-1]} replications",
        f"the heats have {', '.join(map(str, quick[:-1]))} and {quick[-1]} replications",
        f"if those are more and take less than {scenario.LONGEST:g} s",
        f"there are up to {stages.MOST_RACED} times as many",
        f"{study.TRAINED_REPLICATIONS} times ({study.TIMED_REPLICATIONS} without a problem)",
        f"an update of the winner counts less than {contender.WHOLE:g}",
        f"If {contender.FEW} runs or fewer cause half of the gap",
        f"More than {scenario.MOST_WORKERS} workers",
        f"({measure.START} for each worker, at most half of a run)",
        f"as it took to get there ({words[question.STAYS]} at least)",
    )
    steps = {more / rate for rate, more in pairwise(stages.COARSE)}
    assert (steps, stages.FINE) == ({4.0}, (0.5, 1.0, 2.0)), "powers of 2 around the best rate"
    assert 1.0 in stages.COARSE
    assert search.RACE_DELAYS == 0, "the race's delays are those of the config's seed"
    assert search.TRIAL_DELAYS == 1, "those of a trial are of the seed after it"


def test_values_that_differ_by_rounding_are_equal() -> None:
    """To twelve digits; who misses the goal in fewer runs is better, whatever the others take."""
    one, same, other = (np.array([1.0 + each]) for each in (0.0, 3e-12, 9e-12))
    assert order(one, "mean") == order(same, "mean") == (0, 1.0)
    assert order(one, "mean") < order(other, "mean")
    assert order(np.array([9.0, 9.0]), "mean") < order(np.array([1.0, np.nan]), "mean")


def test_what_trains_quickly_is_tried_first_and_the_others_against_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exact schemes share one training, those without a barrier are slow; trials end at twice the
    best of those before. Of all within that the best 32 stay, and the config's own."""
    seconds = [1.0, 1.5, 1.25, *(1.5 + i / 100 for i in range(3, 40)), 1.99, 2.01]
    some = [
        Mock(
            index=i, best=value, stays=i == 40, barrierless=i == 1,
            clocked=SimpleNamespace(exact=i == 0),
        )
        for i, value in enumerate(seconds)
    ]  # fmt: skip
    asked = Mock(rates=Mock(return_value=(0.25, 0.5)), exact_rate=0.5)
    search: Any = Mock(question=asked, left=some)
    monkeypatch.setattr(stages, "slower", Mock())
    monkeypatch.setattr(stages, "trial_order", lambda one: (0.0, one.best))
    begun: list[tuple[str, int]] = []  # and how often was trained before
    for name in ("_drop_by_yardstick", "refine_by_training"):
        note = lambda search, name=name: begun.append((name, search.train.call_count))  # noqa: E731
        monkeypatch.setattr(stages, name, note)
    parts: list[tuple[float, float]] = []
    search.train.side_effect = lambda *given: parts.append(search.part)
    stages.try_rates(search)
    assert parts == [(1.0, 1 / 6), (1 + 1 / 6, 1 / 6), (1 + 2 / 6, 1 / 6)], "half of a stage"
    assert begun == [("_drop_by_yardstick", 0), ("refine_by_training", 3)]
    trained = [call.args for call in search.train.call_args_list]
    assert [[one.index for one in rates] for rates, *_ in trained] == [[0], [*range(2, 42)], [1]]
    assert {value for rates, *_ in trained for value in rates.values()} == {(0.25, 0.5)}
    assert [count for _, count, _ in trained] == [4, 4, 4]
    assert [bar[1] for *_, bar in trained] == [np.inf, 2.0, 2.0]
    stayed = [one.index for one in some if not one.leave.called]
    assert stayed == [*range(32), 40], "the best 32, and one that stays anyway"


@pytest.mark.parametrize(
    ("trains", "steps", "beside", "close"), [(True, 8, 3, 2.0), (False, 24, 6, 1.5)]
)
def test_how_often_and_beside_how_many_the_search_goes_on(
    trains: bool, steps: int, beside: int, close: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By training from the best three, eight times; by the clock 24 times, from the best six that
    take half as long again at most. The bar moves all the while."""
    values = [1.0, 1.5, 1.51, 1.2, 1.3, 1.4, 1.45, 1.1]
    some = [drops(i, 10 + i, value, value) for i, value in enumerate(values)]
    asked: list[list[int]] = []

    def go_on(search: Any, best: Iterable[Any], worth: object) -> dict[Any, Any]:
        asked.append([one.index for one in best])
        return {some[0]: some[0]}

    monkeypatch.setattr(stages, "_go_on", go_on)
    monkeypatch.setattr(stages, "_look_at", Mock())
    monkeypatch.setattr(stages, "best_of_each", lambda some, worth, names: sorted(some, key=worth))
    monkeypatch.setattr(stages, "remaining", lambda new: [])
    for one in some:
        one.clocked = SimpleNamespace(
            yardstick=one.clocked.yardstick, order=lambda rate, one=one: (0.0, values[one.index])
        )
        one.expected = SimpleNamespace(value=values[one.index])
    question = SimpleNamespace(
        scenario=SimpleNamespace(catalogue=BUILT_IN), only=(), trains=trains, rates=Mock()
    )
    parts: list[tuple[float, float]] = []

    class Found(SimpleNamespace):
        def __setattr__(self, name: str, value: Any) -> None:
            if name == "part":
                parts.append(value)
            super().__setattr__(name, value)

    search: Any = Found(question=question, contenders=some, left=some, train=Mock())
    (stages.refine_by_training if trains else stages.refine_by_clock)(search)
    assert len(asked) == steps
    best = sorted(range(8), key=values.__getitem__)
    near = [i for i in best if values[i] <= close] if not trains else best
    assert asked[0] == near[:beside]
    first, last = parts[0], parts[-1]
    assert first[0] == (1.5 if trains else 0.9)
    assert first[1] == pytest.approx((0.25 if trains else 0.1) / steps)
    assert last[0] == pytest.approx(first[0] + (0.5 if trains else 0.1) * (steps - 1) / steps)
