"""What is said of a recommendation, and the tables that are made of it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from erasurehead.experiments.advice.recommend import (
    answer,
    command,
    compare,
    reasons,
    scenario,
    study,
)
from erasurehead.experiments.advice.recommend.search import evaluate
from tests.advice.recommend.made import (
    RUNS,
    changed,
    one,
    performance,
    recommendation,
    row_of,
    said_of,
)

LATE = np.array([1.0, 1.0, np.nan, 1.0])


def reason(found: study.Recommendation, begins: str) -> str:
    """The one reason that begins so, or that has none."""
    lines = [line for line in reasons.why(found) if re.match(begins, line, re.IGNORECASE)]
    assert len(lines) < 2
    return "".join(lines)


@pytest.mark.parametrize(
    ("pays", "tied", "begins"),
    [
        (True, "", "The best is b, 1 s"),
        (False, "", "Redundancy is not best: b is, 1 s"),
        (False, "c", "Redundancy is not among the best: the best are b and c, about 1 s"),
        (True, "c", "The best are b and c, about 1 s"),
        (False, "a", "Coding does not pay: keep a: nothing is surely better, about 1 s"),
        (True, "a", "Keep a: nothing is surely better, about 1 s"),
    ],
)
def test_what_is_said_of_codes_is_true(pays: bool, tied: str, begins: str) -> None:
    """Coding may save something of what today's scheme takes although another scheme is better; it
    does not pay where nothing beats today's."""
    noisy = np.array([0.9, 1.1, 1.2, 0.95])
    some = [one(name, noisy if name == tied else 2.0) for name in "ac"]
    some = [some[0], one("b"), some[1]]
    found = recommendation(*some, *([] if pays else [one("d", 3.0, coded=True)]))
    assert said_of(found).startswith(begins)


def test_what_the_winner_saves_beside_today() -> None:
    """Less, as a share with its paired interval; nothing is said of today's own."""
    best, usual = np.array([0.7, 0.8, 0.72, 0.78]), np.ones(4)
    found = recommendation(one("a usual", usual), one("b best", best))
    middle, low, high = (100 * (1 - share) for share in compare.ratio(best, usual, "median"))
    said = f"{middle:.1f} % ({high:.1f} to {low:.1f} %) less than today's a usual"
    assert f", {said}" in said_of(found)
    assert "less than" not in said_of(recommendation(one("a")))
    late = recommendation(one("a usual", LATE * np.nan), one("b best"))
    assert "today's a usual does not reach it in every run" in said_of(late)
    broken = recommendation(one("a usual", violates="load"), one("b best", 0.5))
    assert "which breaks a limit (partitions a worker)" in said_of(broken)
    quick = recommendation(one("a usual", 0.5, violates="load"), one("b best"))
    assert "100 % (100 to 100 %) more than today's a usual, which breaks a limit" in said_of(quick)
    unheard = recommendation(one("a usual", covered=False), one("b best", 0.5))
    assert "less than today's a usual, which hardly ever hears" in said_of(unheard)


def test_the_next_best_is_one_that_may_be_recommended() -> None:
    best, broken = one("a best"), one("b", 0.5, violates="load")
    found = recommendation(best, broken, one("c next", 1.5), one("d last", 3.0))
    assert said_of(found).startswith("Keep a best, nothing is better: 1 s")
    assert "; c next, the next, takes 50.0 % (50.0 to 50.0 %) more" in said_of(found)
    assert "the next" not in said_of(recommendation(best, broken))


def test_a_scheme_that_is_as_good_as_any_is_kept() -> None:
    """Three names and not today's among the rest would send a user away from what he has."""
    tied = recommendation(one("e", RUNS[::-1]), *(one(name) for name in "abcd"))
    said, limits = answer.verdict(tied)
    assert said.startswith("Keep e: nothing is surely better, about 1 s for the progress of 5")
    assert limits.startswith("A, b, c and 1 more cannot be told apart from it; ")


def test_the_best_for_a_stock_training_loop_is_named_first() -> None:
    """Of those that may be taken; neither where schemes were asked for, nor where today's has a
    loop of its own."""
    own = one("b fast (d = 3)", 0.5, plain=False)
    stale = one("c", 0.4, staleness=1.0)
    stock, unheard = one("e stock (d = 2)", 0.8), one("d", 0.6, covered=False)
    found = recommendation(one("a"), own, stale, unheard, stock)
    assert not [row.label for row in (found.winner, row_of(found, own.label)) if row.stock]
    said, limits = answer.verdict(found)
    time = "0.8 s for the progress of 5 exact iterations (median)"
    assert said == f"Best in a stock training loop: e stock (d = 2), {time}; c in its own, 0.4 s."
    saves = "takes 50.0 % (50.0 to 50.0 %) less"
    assert limits.startswith(f"C {saves}, but not each worker sends one fresh gradient in a round;")
    assert "; e stock (d = 2) takes 20.0 % (20.0 to 20.0 %) less than today's a;" in limits
    assert answer.next_steps(found, "x.yaml")[1] == "run c: `erasurehead run x.yaml`"
    facts = answer.answered(found, "x.yaml").stock
    assert facts is not None
    assert (facts["scheme"], facts["value"], facts["ratio"][0]) == ("e stock (d = 2)", 0.8, 2.0)
    asked = replace(found, search=replace(found.search, question=replace(found.question, only="a")))
    for other in (asked, recommendation(own, one("a"))):
        assert other.stock is answer.answered(other, "x.yaml").stock is None
        assert "stock" not in said_of(other).split(",")[0]


def test_what_takes_less_and_leaves_data_out() -> None:
    """The best of those; only if it is surely faster, and the winner itself hears all."""
    fast = one("b fast", 0.5, covered=False, least_heard=0.02)
    broken = one("c broken", 0.1, covered=False, violates="load")
    best = one("a best", coverage=0.5, least_heard=0.02)
    begin = "Keep a best, nothing that hears every partition is better"
    said = said_of(recommendation(best, broken, fast))
    assert said.startswith(begin)
    assert (
        "B fast takes 50.0 % (50.0 to 50.0 %) less than that, but some partition is in 0.02 of "
        "the updates, in some runs in hardly any (--allow-unheard)"
    ) in said
    close = one("b close", RUNS[::-1], covered=False)
    assert "takes" not in said_of(recommendation(best, close))
    uneven = one("a best", coverage=0.49, least_heard=0.02)
    told = "the partition that it hears least is in 0.02 of the updates"
    assert told in said_of(recommendation(uneven)).lower()
    assert told not in said_of(recommendation(best)).lower()
    none = recommendation(one("a", covered=False, least_heard=0.02), fast)
    assert "B fast hardly ever hears some partition (in 0.02 of the updates)" in said_of(none)


def test_a_winner_by_count_that_leaves_much_of_the_data_out_is_found_out() -> None:
    """The best that leaves nothing out is named, before any number of the winner's."""
    whole = one("a whole", 12.5, exact=True)
    for counts, partial in ((0.79, True), (0.8, False)):
        found = recommendation(whole, one("b fast", counted=1 / counts))
        said, limits = answer.verdict(found)
        text = "The best by count alone is b fast, 1 s" if partial else "The best is b fast, 1 s"
        assert said.startswith(text)
        less = f"An update of it counts as {counts:.2g} of an exact iteration; the best with exact "
        assert limits.startswith(f"{less}updates is a whole, 12.5 s") == partial
    trained = recommendation(whole, one("b fast", counted=2.0), trains=True)
    assert "by count alone" not in said_of(trained)


def test_few_runs_that_decide_are_told() -> None:
    """Of the winner, or of another scheme whose typical run is as good and that may be taken."""
    rare = np.append(np.ones(99), 500.0)
    found = recommendation(one("a", 6.0 * np.ones(100)), one("b", rare), one("c", rare, rung=0))
    question = replace(found.question, goal=replace(found.question.goal, criterion="mean"))
    told = "1 of 100 runs decides that: more replications are needed"
    assert told in said_of(replace(found, search=replace(found.search, question=question)))
    assert "decide" not in said_of(found), "of a median"


def test_a_goal_that_is_not_reached_in_every_run() -> None:
    """By a mean; most runs have a median whatever the others do."""
    found = recommendation(one("a", LATE, criterion="mean"))
    assert answer.verdict(found) == (
        "No scheme reaches the goal in every run: a does in 3 of 4.",
        "Give more iterations or an easier target.",
    )
    assert reasons.why(found) == []
    assert len(answer.next_steps(found, "x")) == 1
    assert said_of(recommendation(one("a", LATE))).startswith("Keep a, nothing is better: 1 s")


def test_what_an_iteration_takes_is_told_of_the_winner_and_of_today() -> None:
    needed = {"to_target": np.array([[4.0, 6.0, 5.0, 5.0]])}
    best = one("b best", 0.5, staleness=1.5, error=0.25, **needed)
    found = recommendation(one("a usual", iteration_time=3.0), best, trains=True)
    assert reasons.why(found)[0] == (
        "An iteration of b best takes 2 s, mean decoding error 0.25, gradients 1.5 updates old, "
        "5 iterations; one of a usual 3 s, error 0."
    )
    few = recommendation(one("a", to_target=np.ones((1, 4))), trains=True)
    assert reasons.why(few)[:2] == [
        "An iteration of a takes 2 s, mean decoding error 0, 1 iteration.",
        "The target is reached in 1 iteration, too few to say much; give a lower --target.",
    ]


def test_why_coding_does_not_pay() -> None:
    """Half as long again for two partitions, three times for the slowest of nine; and the best
    code, as far as it came."""
    text = (
        "A worker with two partitions takes 1.50 times as long as with one (medians), while "
        "waiting for the slowest of 9 takes 3.00 times a typical worker: redundancy can save no "
        "more than that wait"
    )
    usual, best = one("a usual", 2.0), one("b best")
    assert reason(recommendation(usual, best), "a worker") == ""
    code = one("c code", 1.25, coded=True)
    told = f"{text}; the best code, c code, takes 1.25 times as long (1.25 to 1.25)"
    found = recommendation(usual, best, code, one("d", 1.5, coded=True))
    assert reason(found, "a worker") == f"{told}, 37.5 % less than a usual in the same 4 runs."
    slower = recommendation(one("a usual", 1.1), best, code)
    assert reason(slower, "a worker") == f"{told}."
    gone = one("c code", 1.25, coded=True, rung=0, run=None)
    assert reason(recommendation(usual, best, gone), "a worker") == (
        f"{text}; the best code, c code, left after rung 1."
    )


def test_what_a_count_of_iterations_would_say() -> None:
    """The best by a count that hears every partition, and what became of it when trained; nothing
    where it is recommended, or where iterations are counted anyway."""
    best, lost = one("a", counted=3.0), one("c", counted=1.0, covered=False)
    begin = "If iterations were counted, b would be best; trained, it "
    for more, said in (
        ({"rung": 0, "rates": ()}, "left after rung 1"),
        ({"seconds": LATE * np.nan}, "reaches the goal in 0 of 4 runs"),
        ({"seconds": 2.0}, "takes 2 s"),
    ):
        gone = one("b", more.pop("seconds", 1.5), counted=2.0, **more)
        assert reason(recommendation(best, gone, lost, trains=True), "if ") == f"{begin}{said}."
    first = one("b", 0.5, counted=2.0)
    assert reason(recommendation(best, first, trains=True), "if ") == ""
    assert reason(recommendation(best, one("b", 2.0, counted=2.0)), "if ") == ""


def test_what_the_common_rate_would_say() -> None:
    """At rates of 0.25, everybody's own, and of 0.5."""

    def said(*common: Any) -> str:
        some = [
            one(name, place + 1.0, values=np.array([(place + 1) * RUNS, each * np.ones(4)]))
            for place, (name, each) in enumerate(zip("abcd", common, strict=True))
        ]
        return reason(recommendation(*some, trains=True), "every scheme has its own")

    start = "Every scheme has its own best learning rate of one grid of powers of 2; at the common "
    start += "rate 0.5 "
    assert said(1, 2, 3, 4) == f"{start}the same would be first (a, b, c)."
    assert said(2, 1, 3, 4) == f"{start}the ranking would be b, a, c."
    late = np.array([np.nan, np.nan, 1.0, np.nan])
    assert said(late, 1, 2, 3).endswith("b, c, d, where the best does not always arrive.")
    assert said(late, late, late, late) == f"{start}none of them reaches the goal in every run."


def held_by(found: study.Recommendation, name: str) -> str:
    """What is said of one kind of other delays."""
    parts = reason(found, "on other delays").removesuffix(".").split("; ")
    [begins] = [
        i for i, part in enumerate(parts) if part.removeprefix("On other delays, ").startswith(name)
    ]
    more = itertools.takewhile(
        lambda part: not part.startswith(("cost of", "tail", "persistence")), parts[begins + 1 :]
    )
    return "; ".join([parts[begins].partition(": ")[2], *more]) + "."


BOTH = "the answer holds from 0.5 to 2 times."
DOWN, UP = "the answer holds down to 0.5 times", "the answer holds up to 2 times."


def held(name: str, times: dict[float, dict[str, float]], more: Any = (), **of_b: Any) -> str:
    """What is said where others take so many times as long as the winner, a."""
    some = [one("a here", coded=True), one("b other", 2.0, **of_b), one("a plain", 2.0)]
    some.append(one("a less", 2.0, coded=True))
    some[2].more["section"] = some[3].more["section"] = {"name": "uncoded"}
    found = recommendation(*some)
    rows = [each for value, of in times.items() for each in changed(found, name, value, of)]
    named = {"load": "cost of", "tail": "tail", "persistence": "persistence"}[name]
    whole = replace(found, changed=(*more, *rows))
    return held_by(whole, named)


@pytest.mark.parametrize(
    ("below", "above", "said"),
    [
        ({"b other": 2.0}, {"b other": 2.0}, BOTH),
        ({"b other": 0.5}, {"b other": 2.0}, f"at 0.5 times b other is better, {UP}"),
        ({"b other": 2.0}, {"b other": 0.5}, f"{DOWN}, at 2 times b other is better."),
        ({"a less": 0.5}, {}, BOTH),  # another number of arrivals is no other answer
        ({"a plain": 0.5}, {}, f"at 0.5 times a plain is better, {UP}"),
        ({"b other": 1.0}, {"b other": 1.0}, BOTH),
    ],
)
def test_how_far_the_answer_holds(
    below: dict[str, float], above: dict[str, float], said: str
) -> None:
    """The change nearest to none, on either side."""
    assert held("load", {0.5: below, 2.0: above}) == said
    wider = held("load", {0.1: below, 0.5: below, 2.0: above, 4.0: above})
    said = said.replace("0.5 to 2", "0.1 to 4").replace("down to 0.5", "down to 0.1")
    said = said.replace("up to 2", "up to 4")
    assert wider == said


def test_what_a_change_makes_better_is_not_so_without_it() -> None:
    """A scheme that is ahead in the same runs on the delays as they are is no news of a change; nor
    is one that breaks a limit, or hears less."""
    better = f"at 0.5 times b other is better, {UP}"
    times = {0.5: {"b other": 0.5}, 2.0: {"b other": 2.0}}
    for infeasible in ({"violates": "load"}, {"covered": False}):
        assert held("load", times, **infeasible) == BOTH
    for usual, said in ((0.9, BOTH), (1.0, better), (2.0, better)):
        found = recommendation(one("a here"), one("b other", 2.0))
        rows = [*changed(found, "", 1.0, {"b other": usual})]
        rows += [*changed(found, "load", 0.5, {"b other": 0.5}), *changed(found, "load", 2.0, {})]
        assert held_by(replace(found, changed=tuple(rows)), "cost of") == said


def test_what_does_not_arrive_is_no_answer() -> None:
    found = recommendation(one("a here"), one("b other", 2.0))
    for taken, said in (
        (2.0, "b other always reaches the goal and a here does not."),
        (np.nan, "a here does not always reach the goal."),
    ):
        late = changed(found, "tail", 2.0, {"b other": taken}, misses=True)
        rows = (*changed(found, "tail", 0.5, {"b other": 2.0}), *late)
        assert held_by(replace(found, changed=rows), "tail") == f"{DOWN}, at 2 times {said}"
    tail = tuple(changed(found, "tail", 2.0, {}))
    unasked = "the answer does not depend on it, since no compared scheme has a load above 1."
    assert reasons.why(replace(found, changed=tail))[-1].endswith(unasked), (
        "what says nothing comes last"
    )
    assert held_by(replace(found, changed=tail), "persistence") == "not tried."


def test_persistence_in_words() -> None:
    """Where delays are shuffled, those count whose data would be unheard."""
    slow = {"b other": 2.0}
    both = held("persistence", {scenario.SHUFFLED_ROUNDS: slow, 0.9: slow})
    assert both.startswith("the answer holds if the delays of a round are")
    fast = {"b other": 0.5}
    assert held("persistence", {scenario.SHUFFLED_ROUNDS: fast, 0.9: fast}, covered=False) == (
        "shuffled each round: b other is better."
    )
    assert held("persistence", {scenario.SHUFFLED_ROUNDS: slow, 0.9: fast}) == (
        "kept with probability 0.9: b other is better."
    )


@pytest.mark.parametrize(
    ("usual", "pieces", "said"),
    [
        (10, 160, "more than pieces = 160"),
        (10, 80, ""),
        (10, 81, "more than pieces = 81"),
        (10, 1, ""),
        (32, 2, "less than pieces = 2"),
        (16, 1, ""),  # there are no half ones to go on to
    ],
)
def test_a_number_at_which_the_search_ended_is_named(usual: int, pieces: int, said: str) -> None:
    """Sixteen times beyond the usual number it ends, and does not go on to what would be beyond."""
    section = {"name": "drop_compute", "pieces": usual, "patience": 1.0}
    found = recommendation(
        one("a", 2.0, section=section),
        one("b", section={**section, "pieces": pieces}, listed=False),
    )
    assert reason(found, "no ").split(" was ")[0] == (f"No {said}" if said else "")


def test_the_recommended_scheme_is_explained_with_the_numbers_that_it_names() -> None:
    """As its docstring has them, cut at what is a detail."""
    section = {"name": "ignore_stragglers", "grace": 0.1, "wait_for": 9}
    assert reason(recommendation(one("a", section=section)), "what it does") == (
        "What it does: take the first wait_for of n (or what has come by deadline), drop the rest; "
        "grace: seconds for which the master waits on after the r-th arrival, unless all come "
        "before; wait_for: r, arrivals that end a round."
    )


def test_what_to_do_next() -> None:
    """The cheaper of the tied, to measure loads where they decide, and losses where none were."""
    run = "run it: `erasurehead run 'x y.yaml'`"
    usual, other = one("a", worker_seconds=5.0), one("b", 2.0)
    assert answer.next_steps(recommendation(usual, other, trains=True), "x y.yaml") == [run]
    for cost, cheaper in ((4.0, True), (4.96, False)):
        tied = recommendation(usual, one("b", RUNS[::-1], worker_seconds=cost), trains=True)
        assert answer.next_steps(tied, "x y.yaml") == [
            *["take the cheaper one: b costs fewest worker-seconds"] * cheaper,
            run,
        ]
    found = recommendation(usual, other, trains=True)
    for name, steps in (("load", 2), ("tail", 1)):
        rows = tuple(changed(found, name, 0.5, {"b": 0.5}))
        assert len(answer.next_steps(replace(found, changed=rows), "x")) == steps
    assert answer.next_steps(recommendation(usual), "x")[1:] == [
        "add problem and optimizer to the config: losses decide better than a count"
    ]


def test_tables_have_a_row_for_everybody() -> None:
    """The winner first, then by time; whoever left, what breaks a limit, and each rate that was
    tried, with the mean over the runs that reach the goal."""
    tuned = evaluate.Candidate(
        1, {}, run=performance([[4.0, np.nan], [1.0, 2.0]], rates=(0.5, 0.25))
    )
    found = recommendation(
        one("a", 3.0, violates="load"), one("b", 2.0), one("c", 1.0, rung=0),
        one("d", 0.5, covered=False, least_heard=0.05),
        trains=True, tuned={1: tuned},
    )  # fmt: skip
    tables = study.recommendation_tables(found)
    ranking = tables["ranking"].set_index("label")
    assert [*ranking.index] == ["b", "d", "a", "c"]
    assert [*ranking["left"]] == ["", "", "", "after 4 runs"]
    heard = "some partition is in 0.05 of the updates, in some runs in hardly any"
    assert [*ranking["unheard"]] == ["", heard, "", ""]
    assert ranking.at["a", "breaks"] == "load"
    assert ranking.at["b", "to_today"] == pytest.approx(2 / 3)
    assert [*ranking.index[ranking["tied"]]] == ["b"]
    candidates = tables["candidates"].set_index("label")
    assert [*candidates["stage"]] == ["stayed", "stayed", "rung 1", "infeasible"]
    assert [*candidates["reason"]][:2] == ["load", ""]
    rows = tables["rates"].to_numpy().tolist()
    assert rows == [["b", 0.25, 1.5, 2, 2, True], ["b", 0.5, 4.0, 1, 2, False]]


@pytest.mark.parametrize("trains", [False, True])
def test_the_config_of_the_winner(trains: bool) -> None:
    """With its own rate and the goal, where there are any; what is not set is left out."""
    base = {"workers": 4, "policy": None, "plugins": [], "optimizer": {"rule": "gd"}}
    scene = SimpleNamespace(base=base, name="n" * 99)
    goal = SimpleNamespace(kind="target" if trains else "iterations", value=0.25)
    found: Any = SimpleNamespace(
        question=SimpleNamespace(scenario=scene, trains=trains, goal=goal),
        winner=SimpleNamespace(section={"name": "uncoded"}, rate=0.5),
    )
    config = command.winner_config(cast(study.Recommendation, found))
    assert config.pop("name") == "n" * 99 + "-"
    expected: dict[str, Any] = {"workers": 4, "schemes": [{"name": "uncoded"}]}
    expected["optimizer"] = {"rule": "gd", **({"learning_rate": 0.5} if trains else {})}
    assert config == {**expected, **({"target_loss": 0.25} if trains else {})}
    base["plugins"] = ["mine.py"]
    assert command.winner_config(cast(study.Recommendation, found))["plugins"] == ["mine.py"]
    assert base["optimizer"] == {"rule": "gd"}, "the question's own config stays as it was"


def test_the_best_of_a_kind_is_of_the_furthest_rung() -> None:
    """And may be recommended, or at least keeps the limits."""
    found = recommendation(
        one("a", 1.0), one("b", 0.5, coded=True, rung=0), one("c", 3.0, coded=True),
        one("d", 0.1, coded=True, violates="load"),
    )  # fmt: skip
    assert found.best(coded=True) is row_of(found, "c")
    assert found.best(barrierless=True) is None
