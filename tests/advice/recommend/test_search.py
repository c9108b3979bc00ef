"""The search on candidates whose numbers are made up: who is promoted, what is tried beside the
best, what costs too much, and how often anything is simulated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from erasurehead import ConfigError
from erasurehead.experiments.advice.recommend import question, request, study
from erasurehead.experiments.advice.recommend.search import evaluate, halving, measure
from tests.advice.recommend.made import one, performance, recommendation

Fields = dict[str, Any]
LOSS = {"loss": "least_squares", "dataset": "synthetic", "rows": 60, "features": 4}


def small(trains: bool = False, **changed: Any) -> evaluate.Evaluator:
    """A question about six workers."""
    wanted = changed.pop("request", request.SearchRequest(only=changed.pop("only", None)))
    document = {"workers": 6, "iterations": 20, "delay": {"model": "exponential", "rate": 1.0}}
    if trains:
        document |= {"problem": LOSS, "optimizer": {"rule": "gd", "learning_rate": 0.1}}
    return evaluate.Evaluator(question.ask({**document, **changed}, wanted, None))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[measure.CandidateRuns]]:
    """In place of simulations: what each section takes in so many ``runs``, by a function; returns
    what was asked."""

    def made_up(
        takes: Callable[[Fields], Any], best_rate: float = 0.5, **more: Any
    ) -> list[measure.CandidateRuns]:
        asked = list[measure.CandidateRuns]()

        def result(job: measure.CandidateRuns, share: object) -> measure.Facts | str:
            asked.append(job)
            section = json.loads(job.scheme)
            told = section | {"runs": job.budget.replications}
            if isinstance(taken := takes(told), str):
                return taken
            noise = np.random.default_rng(1).normal(1.0, 0.01, job.budget.replications)
            rates = job.rates or (np.nan,)
            nearer = [1 + abs(np.log(rate / best_rate)) if rate > 0 else 1.0 for rate in rates]
            values = np.array([taken * each * noise for each in nearer])
            of = {key: known(told) for key, known in more.items()}
            facts = {
                "label": " ".join(map(str, section.values())),
                "load": float(section.get("load", 1)),
                "effective_time": float(values[0].mean()),
                "iteration_time": 2.0,
                "staleness": 0.0,
                "digest": job.scheme,
            }
            facts |= {"busy": 1.0} if job.budget.work else {}
            needed = np.full((len(job.rates), job.budget.replications), np.nan)
            run = {"rates": job.rates, "criterion": job.goal.criterion, "to_target": needed}
            return facts | of | {"run": performance(values, **run)}

        monkeypatch.setattr(evaluate, "performance", result)
        return asked

    return made_up


def bowl(section: Fields) -> float:
    """Best at a patience of 3 s, of the pieces that are tried first."""
    return 10 + (np.log(section.get("patience", 1.0) / 3.0)) ** 2


def test_one_goes_on_until_the_best_has_neighbours_on_both_sides(simulated: Any) -> None:
    """From the typical patiences, far from the best, to within what gains less than 1 %; each
    candidate is asked once on a rung."""
    asked = simulated(bowl)
    about = small(only="drop_compute")
    found = halving.search(about)
    best = found.last[0]
    assert bowl(dict(best.section)) < 1.012 * 10
    assert not best.listed
    times = Counter((job.scheme, job.budget.replications) for job in asked)
    assert max(times.values()) == 1
    assert {row.rung for row in found.last} == {len(found.rungs) - 1}


def test_the_slow_leave_and_the_last_of_many(simulated: Any) -> None:
    """Who is surely behind, who is far, and the last of too many; the config's own stays, and the
    best that leaves data out is there for comparison."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": [1, 2, 3]}]
    takes = {1: 0.5, 2: 9.0, 3: 4.0, 4: 1.0, 5: 1.02}
    simulated(
        lambda section: takes.get(section.get("wait_for"), 3.0),
        covered=lambda section: section.get("wait_for") != 1,
    )
    wanted = request.SearchRequest(only="ignore_stragglers", criterion="median")
    evaluator = small(request=wanted, schemes=schemes)
    found = study.recommended(evaluator.question, evaluator)
    assert found.winner.section.get("wait_for") == 4
    last = {row.section.get("wait_for") for row in found.finalists}
    assert last >= {None, 1, 2, 3, 4}
    assert 5 not in last, "2 % behind, by 1 % of noise that is the same for both"
    assert found.today.scheme == "uncoded"


def promotes(*made: Any, rung: halving.Rung | None = None, trains: bool = False) -> set[str]:
    """The labels of those that go on."""
    found = recommendation(*made, trains=trains)
    kept = halving.promoted(rung or halving.Rung(4, 9), found.search.rows, found.question)
    return {row.label for row in kept}


def test_who_is_promoted() -> None:
    """The best, within what the rung keeps; of equals the one with the smallest load."""
    today, best, next_, far = one("t", 9.0), one("b"), one("n", 1.001 * np.ones(4)), one("f", 1.3)
    assert promotes(today, best, next_, far) == {"t", "b", "n"}, "f is surely behind"
    tuning = {"factors": (1.0,)}
    assert promotes(today, best, far, rung=halving.Rung(4, 9, **tuning), trains=True) == {
        "t",
        "b",
        "f",
    }
    near = halving.Rung(4, 9, near=1.2, **tuning)
    assert promotes(today, best, far, rung=near, trains=True) == {"t", "b"}
    assert promotes(today, best, next_, rung=halving.Rung(4, 1)) == {"t", "b"}
    free = [one(name, 1.0, barrierless=True, digest=name) for name in "xyz"]
    assert promotes(today, best, *free, rung=halving.Rung(4, 9, barrierless=2)) == {
        "t",
        "b",
        "x",
        "y",
    }
    assert promotes(today, best, one("s", same="b")) == {"t", "b"}
    exact = one("e", 2.0, exact=True, iteration_time=2.0)
    longer = one("l", 1.9, iteration_time=2.3)
    rung = halving.Rung(4, 9, dominated=1.1, **tuning)
    found = recommendation(today, exact, longer, trains=True)
    mean = replace(found.question, goal=replace(found.question.goal, criterion="mean"))
    kept = [row.index for row in halving.promoted(rung, found.search.rows, mean)]
    assert kept == [0, 1], "the iterations of l are longer than those of an exact scheme"
    kept = [row.index for row in halving.promoted(rung, found.search.rows, found.question)]
    assert kept == [0, 1, 2], "of a median, who knows"


def test_by_closed_forms_two_percent_decide() -> None:
    some = [one(name, s, run=None) for name, s in (("b", 1.0), ("c", 1.019), ("d", 1.03))]
    assert promotes(one("t", 9.0), *some, rung=halving.Rung(4, 9, theory=True)) == {"t", "b", "c"}


def test_who_would_be_first_without_tuning_goes_on() -> None:
    """At the common rate of 0.5; the others' own rate is another one."""
    flat = one("f", 3.0, values=np.array([3.0 * np.ones(4), np.ones(4)]))
    rung = halving.Rung(4, 9, near=1.5, factors=(1.0,))
    assert promotes(one("t", 9.0), one("b"), flat, rung=rung, trains=True) == {"t", "b"}
    slow = one("b", values=np.array([np.ones(4), 2.0 * np.ones(4)]))
    assert promotes(one("t", 9.0), slow, flat, rung=rung, trains=True) == {"t", "b", "f"}


def test_who_may_be_recommended() -> None:
    """Whoever keeps the limits and hears all; whoever keeps the limits, if none hears all or that
    is not asked for."""
    rows = recommendation(
        one("a", violates="load"), one("b", covered=False), one("c"), one("d", refused="no")
    ).search.rows.values()
    about = small().question
    free = replace(about, request=request.SearchRequest(allow_unheard=True))
    assert evaluate.recommendable(rows, about) == {2}
    assert evaluate.recommendable(rows, free) == {1, 2}
    assert evaluate.recommendable([row for row in rows if row.index != 2], about) == {1}


def test_limits_that_nobody_keeps_are_told(simulated: Any) -> None:
    simulated(lambda section: 1.0)
    evaluator = small(only="uncoded", request=request.SearchRequest(max_worker_seconds=1e-6))
    with pytest.raises(ConfigError, match=r"no scheme keeps the limits \(.*: worker_seconds"):
        halving.search(evaluator)


@pytest.mark.parametrize("trains", [False, True])
def test_who_is_slow_but_keeps_a_limit_is_looked_at(trains: bool) -> None:
    """Of exact schemes of 12 workers, uncoded alone computes little enough. It is far behind codes,
    by closed forms and by clocks, which do not say that. Catches: no scheme keeps the limits."""
    limit = request.SearchRequest(only="uncoded,fractional_repetition", max_error=0.0, max_load=6)
    coded, uncoded = {"name": "fractional_repetition", "load": 3}, {"name": "uncoded"}

    def asked(first: Fields, wanted: request.SearchRequest) -> dict[str, float]:
        evaluator = small(trains, workers=12, iterations=40, schemes=[first], request=wanted)
        rows = [row for row in halving.search(evaluator).last if row.feasible]
        rows.sort(key=lambda row: -row.worker_seconds)
        return {row.scheme: row.worker_seconds for row in rows}

    least, of_codes = asked(uncoded, limit)["uncoded"], asked(coded, limit)
    assert "uncoded" not in of_codes, "it is far behind"
    limit = replace(limit, max_worker_seconds=0.95 * of_codes["fractional_repetition"])
    assert 1.2 * least < limit.max_worker_seconds
    assert [*asked(coded, limit)] == ["uncoded"]


def test_what_cannot_be_simulated_leaves_unless_the_config_names_it(simulated: Any) -> None:
    simulated(lambda section: "too long" if section["name"] == "window" else 1.0)
    evaluator = small(only="window")
    rows = halving.search(evaluator).rows.values()
    assert {row.refused for row in rows if row.scheme == "window"} == {"too long"}
    given = small(only="uncoded", schemes=[{"name": "window", "tolerance": 1.0, "at_least": 2}])
    with pytest.raises(ConfigError, match="too long"):
        halving.search(given)


def test_what_a_candidate_costs_until_the_goal(simulated: Any) -> None:
    """Three workers compute and two gradients of four numbers are heard at a time, 8 bytes each;
    a load that is too large is not even simulated."""
    simulated(lambda section: 5.0, busy=lambda s: 3.0, heard=lambda s: 2.0)
    sections = ({"name": "uncoded"}, {"name": "cyclic_mds", "load": 4})
    some = {evaluate.Candidate(place, section): (0.5,) for place, section in enumerate(sections)}
    limits = request.SearchRequest(max_load=3, max_bytes=330.0, target=0.95)
    evaluator = small(trains=True, request=limits)
    rows = evaluator(some, measure.Budget(4))
    assert rows[0].worker_seconds == pytest.approx(3 * rows[0].value)
    assert rows[0].bytes == pytest.approx(2 * 8 * 4 * rows[0].value)
    assert (rows[0].violates, rows[1].violates) == ("", "load")
    clock = evaluator(dict.fromkeys(some, ()), measure.Budget(4))
    assert np.isnan(clock[0].bytes), "until something is trained"
    tight = replace(evaluator.question, limits={"bytes": 300.0})
    assert evaluate.Evaluator(tight)(some, measure.Budget(4))[0].violates == "bytes"


@pytest.mark.parametrize(
    ("each", "horizon", "target", "budget"),
    [
        (2.0, 100.0, 50, 37),
        (2.0, 10.0, 20, 37),
        (0.001, 100.0, 60, 6000),
        (np.inf, 100.0, 20, 20),
        (0.0, 100.0, 20, 20),
    ],
)
def test_a_faster_scheme_has_more_iterations(
    each: float, horizon: float, target: int, budget: int
) -> None:
    """As long as uncoded takes, at least the config's and at most three times as many; of a budget
    of 50 s, as many as it needs."""
    evaluator = small(trains=True)
    evaluator.horizon = horizon
    known = recommendation(one("a", clocked=each)).winner
    asked = evaluator.simulation(known, (0.5,), measure.Budget(4))
    assert asked.iterations == target
    assert asked.reported == (0.5,)
    assert evaluator.simulation(known, (), measure.Budget(4)).iterations == 20
    tuning = evaluator.simulation(known, (0.5,), measure.Budget(4, other_delays=1))
    assert tuning.reported == (evaluator.question.common_rate,)
    goal = replace(evaluator.question.goal, kind="budget", value=50.0)
    evaluator.question = replace(evaluator.question, goal=goal)
    assert evaluator.simulation(known, (0.5,), measure.Budget(4)).iterations == budget


def test_tuning_is_on_other_delays_and_ends_what_is_far_behind(simulated: Any) -> None:
    """What trains quickly is tried first; what trains slowly must match twice its best, and what it
    takes at the common rate."""
    evaluator = small(trains=True, only="ignore_stragglers")
    rate = evaluator.question.exact_rate
    asked = simulated(
        lambda s: 1.0 if s["name"] == "uncoded" else 3.0,
        rate,
        exact=lambda s: s["name"] == "uncoded",
    )
    found: halving.SearchResult = halving.search(evaluator)
    tuned = [job for job in asked if job.budget.other_delays]
    assert tuned
    assert all(job.rates for job in tuned)
    assert not any(job.budget.work for job in tuned), "the first rung has seen it"
    assert all(row.busy == 1.0 for row in found.tuned.values())
    bars = {
        json.loads(job.scheme)["name"]: (job.budget.bar[1], job.budget.common_bar[1])
        for job in tuned
        if job.budget.replications == 4
    }
    assert bars["uncoded"] == (np.inf, np.inf)
    untuned = 1 + abs(np.log(evaluator.question.common_rate / rate))
    assert bars["ignore_stragglers"] == pytest.approx((2.0, untuned), rel=0.03)
    own = {rate for row in found.tuned.values() for rate in row.run.rates}
    assert len(own) > 5
    assert found.last[0].rate == rate, "the best that was planted"
    assert not any(row.tuned for row in found.last)


@pytest.mark.parametrize("exact", [True, False])
def test_who_does_the_same_goes_on_once(simulated: Any, exact: bool) -> None:
    """The one with the smallest load; where losses are trained, only if it is exact."""
    simulated(lambda s: 1.0, digest=lambda s: s["name"], exact=lambda s: exact)
    for trains, once in ((False, True), (True, exact)):
        evaluator = small(trains, only="fractional_repetition")
        rows = halving.search(evaluator).rows.values()
        codes = [row for row in rows if row.scheme == "fractional_repetition" and not row.refused]
        loads = {row.section.get("load") for row in codes if not row.same}
        assert (len(loads) == 1) == once, loads


@pytest.mark.parametrize(
    ("third", "until", "comes_back"),
    [(1.2, 0, True), (2.995, 0, False), (2.995, 16, True), (3.005, 16, False)],
)
def test_who_was_dropped_beside_one_that_hears_too_little_comes_back(
    simulated: Any, third: float, until: int, comes_back: bool
) -> None:
    """The best of all is seen to leave data out in many runs alone; uncoded takes 3 s. Who left on
    an early rung comes back if it is 2 % better than that, who stayed up to the last but one if it
    is better at all: both ran on the delays of the last."""

    def takes(section: Fields) -> float:
        alike = section["runs"] <= until  # as good as the best in these runs
        return {4: 1.0, 3: 1.0 if alike else third}.get(section.get("wait_for"), 3.0)

    simulated(takes, covered=lambda s: s.get("wait_for") != 4 or s["runs"] < 256)
    evaluator = small(request=request.SearchRequest(only="ignore_stragglers", criterion="median"))
    found = study.recommended(evaluator.question, evaluator)
    assert found.winner.section.get("wait_for") == (3 if comes_back else None)
    assert (found.winner.replications, found.winner.rung) == (256, 3)


def test_the_best_exact_scheme_comes_back_beside_a_winner_by_count(simulated: Any) -> None:
    """An update of the winner counts 2 / 4 of an exact iteration, or 2 / 2.2, which is enough."""
    for each, there in ((4.0, True), (2.2, False)):
        simulated(
            lambda s, each=each: 9.0 if s["name"] == "fractional_repetition" else each,
            error=lambda s: 0.0 if s["name"] == "fractional_repetition" else 1.0,
        )
        evaluator = small(only="ignore_stragglers,fractional_repetition")
        last = halving.search(evaluator).last
        exact = [row for row in last if row.scheme == "fractional_repetition"]
        assert len(exact) == there


@pytest.mark.parametrize("plain", [True, False])
def test_the_best_for_a_stock_training_loop_comes_back(simulated: Any, plain: bool) -> None:
    """Beside a winner that has a loop of its own, however far behind it is."""
    simulated(
        lambda s: {"balanced": 1.0, "fractional_repetition": 9.0}.get(s["name"], 20.0),
        plain=lambda s: plain or s["name"] != "balanced",
    )
    last = [row.scheme for row in halving.search(small()).last]
    assert last[0] == "balanced"
    assert ("fractional_repetition" in last) != plain


def test_the_winner_and_two_others_run_on_changed_delays_at_their_own_rates(simulated: Any) -> None:
    """Of many that take the same; their own rate is half of the exact gradient's best."""
    evaluator = small(trains=True, only="ignore_stragglers")
    own = evaluator.question.exact_rate / 2
    asked = simulated(lambda section: 1.0, own)
    found = study.recommended(evaluator.question, evaluator)
    assert len(found.finalists) > 3
    assert len({each.usual.index for each in found.changed}) == 3
    assert {job.rates for job in asked if job.budget.perturbation.name} == {(own,)}


def test_every_listed_candidate_is_another_one() -> None:
    """The config's own first; none is listed twice."""
    schemes = [{"name": "uncoded"}, {"name": "fractional_repetition", "load": 2, "label": "mine"}]
    found = [*halving.candidates(small(schemes=schemes).question)]
    assert [each.given for each in found[:3]] == [True, True, False]
    assert [each.index for each in found] == [*range(len(found))]
    texts = [json.dumps({k: v for k, v in one.section.items() if k != "label"}) for one in found]
    assert len({*texts}) == len(texts)
