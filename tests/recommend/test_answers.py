"""What is said and drawn of a recommendation, from results that are made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models import MODELS
from erasurehead.delay_models.tables.measured import AS_IT_IS
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.options import Criterion, MeasuredJob, SearchRequest
from erasurehead.experiments.page.answer import ANSWER, Answer, read_answer, write_answer
from erasurehead.experiments.page.content import Page
from erasurehead.experiments.pictures.picture import Curve, Points
from erasurehead.experiments.recommend import answer, command, page, question, study
from erasurehead.experiments.recommend.answer import (
    _by_chance,
    _changed,
    _holds,
    _what_it_does,
    _where_search_ended,
)
from erasurehead.experiments.recommend.candidates import SearchSpace
from erasurehead.experiments.recommend.command import winner_config
from erasurehead.experiments.recommend.contender import LIMITS, Contender, estimate, slower
from erasurehead.experiments.recommend.measure import _heard, hearing
from erasurehead.experiments.recommend.question import ExactDescent
from erasurehead.experiments.recommend.scenario import (
    LAW,
    SHUFFLED,
    UNCHANGED,
    Perturbation,
    _drawn,
    _rare,
)
from erasurehead.experiments.recommend.search import LONGER, Search
from erasurehead.experiments.recommend.study import Recommendation, Sensitivity, _few, _rates
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.types import Messages, Stream
from tests.recommend.test_parts import CANDIDATES, CHANGED, RANKING

RUNS = np.ones(4)
NEVER = np.array([1.0, 1.0, np.inf, 1.0])


def scheme(label: str, **more: object) -> Any:
    """A contender; those whose names begin alike are one scheme."""
    known = {"breaks": "", "unheard": "", "scheme": label[0], "coded": True, "final": None}
    return SimpleNamespace(label=label, **(known | more))


HERE = scheme("a here")


def held(
    name: str,
    rows: Mapping[float, tuple[Any, float]],
    best: Mapping[float, Any] = {},
    more: Sequence[Sensitivity] = (),
) -> str:
    """What is said where others take so many times as long as the recommended scheme."""
    found = [
        Sensitivity(Perturbation(name, value, median=1.0), each, times * RUNS, here, "mean")
        for value, (other, times) in rows.items()
        for here in [best.get(value, RUNS)]
        for each, times in ((HERE, here[2]), (other, times))
    ]
    whole = SimpleNamespace(winner=HERE, sensitivities=[*more, *found])
    return _holds(cast(Any, whole), name)


@pytest.mark.parametrize(
    ("usual", "pieces", "said"),
    [
        (10, 160, ["no more than pieces=160"]),
        (10, 80, []),
        (10, 81, ["no more than pieces=81"]),
        (10, 1, []),
        (10, 2, []),
        (32, 2, ["no less than pieces=2"]),
        (16, 1, []),  # there are no half ones to go on to
    ],
)
def test_a_number_at_which_the_search_ended_is_named(
    usual: int, pieces: int, said: list[str]
) -> None:
    """Sixteen times beyond the usual number it ends, and does not go on to what would be beyond."""

    def tried(pieces: int, found: bool) -> Any:
        section = {"name": "drop_compute", "pieces": pieces, "patience": 1.0}
        return SimpleNamespace(section=section, found=found)

    contenders = [tried(usual, False), tried(pieces, True)]
    question = SimpleNamespace(scenario=SimpleNamespace(catalogue=BUILT_IN))
    whole = SimpleNamespace(question=question, contenders=contenders, winner=contenders[-1])
    texts = [*_where_search_ended(cast(Any, whole))]
    assert [text.split(" was ")[0] for text in texts] == said


def test_the_recommended_scheme_is_explained_with_the_numbers_that_it_names() -> None:
    """As its docstring has them, cut at what is a detail; code without a docstring says nothing."""
    section = {"name": "ignore_stragglers", "grace": 0.1, "wait_for": 9}
    does = (
        "what it does: take the first wait_for of n (or what has come by deadline), drop the rest; "
        "grace: seconds for which the master waits on after the r-th arrival, unless all come "
        "before; wait_for: r, arrivals that end a round"
    )
    plugin = SimpleNamespace(classes={"bare": type("Bare", (), {})})
    for catalogue, mine, said in (
        (BUILT_IN, section, does),
        (BUILT_IN, {"name": "uncoded"}, "what it does: wait for all n workers; exact"),
        ({"schemes": plugin}, {"name": "bare", "wait_for": 3}, ""),
    ):
        scenario = SimpleNamespace(scenario=SimpleNamespace(catalogue=catalogue))
        whole = SimpleNamespace(question=scenario, winner=SimpleNamespace(section=mine))
        assert "".join(_what_it_does(cast(Any, whole))) == said


B, PLAIN = scheme("b other"), scheme("a plain", coded=False)
BOTH = "the answer holds from 0.5 to 2 times"
DOWN = "the answer holds down to 0.5 times"
UP = "the answer holds up to 2 times"
BETTER = "other is better"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({0.5: (B, 2), 2.0: (B, 2)}, BOTH),
        ({0.5: (B, 0.5), 2.0: (B, 2)}, f"at 0.5 times b {BETTER}, {UP}"),
        ({0.5: (B, 2), 2.0: (B, 0.5)}, f"{DOWN}, at 2 times b {BETTER}"),
        ({0.5: (B, 2), 1.5: (B, 0.5), 2.0: (B, 2)}, f"{DOWN}, at 1.5 times b {BETTER}"),
        ({0.5: (B, 0.9), 2.0: (B, 0.5)}, f"at 0.5 times b {BETTER}, at 2 times b {BETTER}"),
        (
            {0.1: (B, 0.5), 0.5: (B, 0.5), 2.0: (B, 0.5), 4.0: (B, 0.5)},
            f"at 0.5 times b {BETTER}, at 2 times b {BETTER}",
        ),
        (
            {0.1: (PLAIN, 0.5), 0.5: (B, 0.5), 2.0: (B, 0.5), 4.0: (PLAIN, 0.5)},
            f"at 0.5 times b {BETTER}, at 2 times b {BETTER}",
        ),
        ({0.5: (scheme("a less"), 0.5), 2.0: (B, 2)}, BOTH),
        ({0.5: (PLAIN, 0.5), 2.0: (B, 2)}, f"at 0.5 times a plain is better, {UP}"),
        ({0.5: (scheme("b x", breaks="load"), 0.5), 2.0: (B, 2)}, BOTH),
        ({0.5: (scheme("b x", unheard="w"), 0.5), 2.0: (B, 2)}, BOTH),
        ({0.5: (B, 1.0), 2.0: (B, 1.0)}, BOTH),
    ],
)
def test_how_far_the_answer_holds(rows: dict[float, tuple[Any, float]], said: str) -> None:
    """The change nearest to none, on either side; another number of arrivals is no other answer."""
    assert held("load", rows) == said


@pytest.mark.parametrize(
    ("usual", "missed", "said"),
    [
        (0.9, False, BOTH),  # better anyway
        (1.0, True, BOTH),  # misses the goal in the race
        (1.0, False, f"at 0.5 times b {BETTER}, {UP}"),
        (2.0, False, f"at 0.5 times b {BETTER}, {UP}"),
    ],
)
def test_what_a_change_makes_better_is_not_so_without_it(
    usual: float, missed: bool, said: str
) -> None:
    """A scheme that is ahead in the same runs on the delays as they are is no news of a change; nor
    is one that misses the goal in the race, whose runs are more."""
    raced = np.append(RUNS, np.inf) if missed else RUNS
    other = scheme("b other", final=object(), values=raced)
    unchanged = Sensitivity(UNCHANGED, other, usual * RUNS, RUNS, "mean")
    assert held("load", {0.5: (other, 0.5), 2.0: (other, 2.0)}, more=[unchanged]) == said


def test_what_does_not_arrive_is_no_answer() -> None:
    rows = {0.5: (B, 2.0), 2.0: (B, 2.0)}
    assert held("tail", rows, {2.0: NEVER}) == (
        "the answer holds down to 0.5 times, at 2 times b other always reaches the goal and a here "
        "does not"
    )
    assert held("tail", {**rows, 2.0: (B, np.inf)}, {2.0: NEVER}) == (
        "the answer holds down to 0.5 times, at 2 times a here does not always reach the goal"
    )
    assert held("load", {}) == "not tried"


def test_persistence_in_words() -> None:
    """Where delays are shuffled, those count whose data would be unheard."""
    rows = {SHUFFLED: (B, 2.0), 0.9: (B, 2.0)}
    assert held("persistence", rows).startswith("the answer holds if the delays of a round are")
    unheard = scheme("c", unheard="w")
    assert held("persistence", {SHUFFLED: (unheard, 0.5), 0.9: (unheard, 0.5)}) == (
        "shuffled each round: c is better"
    )
    assert held("persistence", {**rows, 0.9: (B, 0.5)}) == (
        "kept with probability 0.9: b other is better"
    )
    assert _changed(cast(Any, SimpleNamespace(winner=HERE)), []) == {}


def run_of(seconds: float = 2.0, error: float = 0.0, **more: Any) -> Any:
    """What a contender did in the race."""
    none = {"to_target": np.full((1, 4), np.nan), "staleness": 0.0, "exact": False}
    return SimpleNamespace(iteration_time=np.full(4, seconds), error=error, **(none | more))


def racer(label: str, ratio: tuple[float, float, float] = (1.0, 1.0, 1.0), **more: Any) -> Any:
    """A finalist, and what it takes beside any other."""
    known = {"final": run_of(), "clocked": None, "barred": False, "values": RUNS, "value": 1.0}
    known |= {"parts": 9, "iteration_time": 2.0, "counts": 1.0}
    common = {"at": lambda rate: RUNS, "against": lambda other: ratio, "found": False}
    return scheme(label, **(known | common | more))


def answered_by(*finalists: Any, trains: bool = True, **more: Any) -> Any:
    """A recommendation of the first of them; the last one is the config's own."""
    scenario = SimpleNamespace(
        workers=9, worker_time=(1.0, 1.5, 3.0), base={}, read=(), notes=(), times=1.0
    )
    question = SimpleNamespace(trains=trains, common_rate=0.5, scenario=scenario)
    known = {"finalists": finalists, "untuned": finalists, "contenders": finalists, "tied": ()}
    known |= {"winner": finalists[0], "today": finalists[-1], "reached": True, "best_coded": None}
    known |= {"sensitivities": [], "question": question}
    return SimpleNamespace(**(known | more))


@pytest.mark.parametrize(
    ("counts", "other", "said"),
    [
        (0.8, True, ""),
        (np.nan, True, ""),
        (0.279, False, ""),
        (0.279, True, "; the best with exact updates is b whole, 12.5 s"),
    ],
)
def test_a_winner_by_count_that_leaves_much_of_the_data_out_is_found_out(
    counts: float, other: bool, said: str
) -> None:
    """A smaller batch is no gain that a count can show; the best that leaves nothing out is named,
    before any number of the winner's."""
    fast = racer("a fast", counts=counts)
    whole = racer("b whole", value=12.5) if other else None
    found = answered_by(fast, racer("c"), trains=False, best_exact=whole)
    found.question.goal = SimpleNamespace(unit=" s", phrase="to the goal", criterion="median")
    less = f" (an update of it counts as 0.28 of an exact iteration{said})"
    alone, named = (" by count alone", less) if counts < 0.8 else ("", "")
    assert answer.verdict(found).startswith(f"The best{alone} is a fast{named}, 1 s to the goal")
    assert answer._partial(answered_by(fast, best_exact=whole)) == "", "what is trained is no count"


def test_how_much_an_update_counts() -> None:
    """A mean iteration over the seconds of an exact iteration's progress; NaN without a clock."""
    for yardstick, counts in ((4.0, 0.5), (2.0, 1.0)):
        run: Any = SimpleNamespace(iteration_time=np.array([1.0, 3.0]), yardstick=yardstick)
        assert Contender(0, {"name": "uncoded"}, False, final=run).counts == counts
    assert np.isnan(Contender(0, {"name": "uncoded"}, False).counts)


def test_iterations_to_the_target_times_their_seconds_are_the_time_to_it() -> None:
    """A run goes on after the target, perhaps in a spell; those seconds are in no printed time."""
    taken, needed = np.array([[10.0, 20.0], [7.0, 8.0]]), np.array([[5.0, 10.0], [np.nan] * 2])
    run: Any = SimpleNamespace(
        rates=(1.0, 2.0), to_target=needed, iteration_time=np.array([3.0, 5.0])
    )
    run.at = lambda rate: taken[run.rates.index(rate)]
    one = Contender(0, {"name": "uncoded"}, False, final=run, rate=1.0)
    assert one.iteration_time == 15.0 / 7.5
    for nothing in (np.full((1, 2), np.nan), np.array([[5.0, np.nan]]), np.empty((0, 2))):
        run.to_target = nothing
        assert one.iteration_time == 4.0


@pytest.mark.parametrize(
    ("pays", "tied", "begins"),
    [
        (True, "", "The best is a, 1 s"),
        (False, "", "Redundancy is not best: a is, 1 s"),
        (False, "b", "Redundancy is not among the best: a and b cannot be told apart, about 1 s"),
        (True, "b", "The best cannot be told apart: a and b, about 1 s"),
        (False, "c", "Coding does not pay: keep c, nothing is surely better"),
        (True, "c", "Keep c, nothing is surely better"),
    ],
)
def test_what_is_said_of_codes_is_true(pays: bool, tied: str, begins: str) -> None:
    """Coding may save something of what today's scheme takes although another scheme is better; it
    does not pay where nothing beats today's."""
    a, b, c = (racer(name, coded=False) for name in "abc")
    code = racer("d", coded=True)
    others = [one for one in (b, c) if one.label == tied]
    contenders = (a, b, c) if pays else (a, b, c, code)
    found = answered_by(a, b, c, tied=others, contenders=contenders)
    found.question.goal = SimpleNamespace(unit=" s", phrase="to the goal", criterion="median")
    assert answer.verdict(found).startswith(begins)


def test_what_the_winner_saves_beside_today() -> None:
    """Less, as a share with its interval; nothing is said where both are the same or tied."""
    best = racer("b best", (0.75, 0.7, 0.8))
    usual = racer("a usual")
    assert answer._beside_today(answered_by(best, usual)) == (
        ", 25.0 % (20.0 to 30.0 %) less than a usual, the scheme of today"
    )
    assert answer._beside_today(answered_by(best)) == ""
    assert answer._beside_today(answered_by(best, usual, tied=(usual,))) == ""
    late = racer("b best", (np.nan,) * 3)
    assert "does not reach it in every run" in answer._beside_today(answered_by(late, usual))
    barred = racer("a usual", barred=True, breaks="load")
    assert answer._beside_today(answered_by(best, barred)).endswith(", which breaks a limit")
    unheard = racer("a usual", barred=True)
    assert answer._beside_today(answered_by(best, unheard)).endswith(
        ", which hardly ever hears some partition"
    )


def test_the_next_best_is_one_that_may_be_recommended() -> None:
    best, barred = racer("a best"), racer("b barred", barred=True)
    following, last = racer("c next", (1.5, 1.4, 1.6)), racer("d last", (3.0, 2.0, 4.0))
    assert answer._next_best(answered_by(best, barred, following, last)) == (
        "; c next, the next, takes 50.0 % (40.0 to 60.0 %) more"
    )
    assert answer._next_best(answered_by(best, barred)) == ""
    assert answer._next_best(answered_by(best, racer("c", (np.nan,) * 3))) == ""


def test_what_takes_less_and_leaves_data_out() -> None:
    """The best of those; only if it is surely faster, and the winner itself hears all."""
    best = racer("a best", clocked=SimpleNamespace(unheard=False, balance=0.5, least_heard=0.02))
    fast = racer("b fast", (0.5, 0.4, 0.6), unheard="some are lost")
    broken = racer("c broken", (0.1, 0.1, 0.1), unheard="all", breaks="load")
    assert [*answer._unheard(answered_by(best, broken, fast))] == [
        "b fast takes 50.0 % (40.0 to 60.0 %) less than that, but some are lost (--allow-unheard)"
    ]
    close = racer("b close", (0.9, 0.8, 1.0), unheard="some are lost")
    assert [*answer._unheard(answered_by(best, close, fast))] == []
    best.clocked.balance = 0.49
    assert [*answer._unheard(answered_by(best))] == [
        "the partition that it hears least is in 0.02 of the updates"
    ]
    best.clocked.unheard = True
    assert [*answer._unheard(answered_by(best, fast))] == [
        "a best hardly ever hears some partition (in 0.02 of the updates)"
    ]
    assert answer._faster(answered_by(racer("a", unheard="x"), fast)) == []


def test_what_an_iteration_takes_is_told_of_the_winner_and_of_today() -> None:
    reached = {"to_target": np.array([[4.0, 6.0, 5.0, 5.0]]), "staleness": 1.5}
    best = racer("a best", final=run_of(9.0, 0.25, **reached))
    usual = racer("b usual", iteration_time=3.0)
    assert [*answer._clocks(answered_by(best, usual))] == [
        "an iteration of a best takes 2 s, mean decoding error 0.25, gradients 1.5 updates old, "
        "5 iterations; one of b usual 3 s, error 0"
    ]
    one = {"to_target": np.array([[1.0, 1.0]])}
    few = racer("a best", final=run_of(9.0, **one))
    text, warning = answer._clocks(answered_by(few))
    assert text == "an iteration of a best takes 2 s, mean decoding error 0, 1 iteration"
    assert warning == (
        "the target is reached in 1 iteration, too few to say much; give a lower --target"
    )
    late = racer("b usual", final=run_of(9.0, **reached), iteration_time=3.0)
    [text] = answer._clocks(answered_by(racer("a", parts=90), late))
    assert "mean decoding error 0 over 90 pieces; one of" in text
    assert text.endswith("; one of b usual 3 s, error 0, 5 iterations")


def test_why_coding_does_not_pay() -> None:
    """Half as long again for two partitions, three times for the slowest of nine; and the best
    code, as far as it came."""
    best = racer("a best", coded=False)
    text = answer._no_coding(answered_by(best))
    assert text == (
        "a worker with two partitions takes 1.50 times as long as with one (medians), while "
        "waiting for the slowest of 9 takes 3.00 times a typical worker: redundancy can save no "
        "more than that wait"
    )
    assumed = answered_by(best)
    assumed.question.scenario.notes = ("t has one load, so the load law is assumed: proportional",)
    assert answer._no_coding(assumed) == text.replace("(medians)", "(assumed)")
    code = racer("c code", (1.25, 1.2, 1.3))
    told = f"{text}; the best code, c code, takes 1.25 times as long (1.20 to 1.30)"
    assert answer._no_coding(answered_by(best, best_coded=code)) == told
    today = racer("d today")
    code.against = lambda other: (0.9, 0.8, 1.0) if other is today else (1.25, 1.2, 1.3)
    assert answer._no_coding(answered_by(best, today, best_coded=code)) == (
        f"{told}, 10.0 % less than d today in the same 4 runs"
    )
    gone = {"final": None, "reason": "an iteration takes 9 s"}
    for other in (racer("c code", **gone), racer("c code", (np.nan,) * 3, reason=gone["reason"])):
        assert answer._no_coding(answered_by(best, best_coded=other)) == (
            f"{text}; the best code, c code, was ruled out: an iteration takes 9 s"
        )


def test_what_a_count_of_iterations_would_say() -> None:
    """The best by the yardstick that hears every partition, and what became of it when trained;
    nothing where it is recommended, or where iterations are counted anyway."""

    def clocked(yardstick: float, unheard: bool = False) -> Any:
        return SimpleNamespace(yardstick=yardstick, unheard=unheard)

    best, gone = racer("a", clocked=clocked(3.0)), racer("b", clocked=clocked(2.0))
    others = [racer("c", clocked=None), racer("d", clocked=clocked(1.0, unheard=True))]
    for index, one in enumerate([best, gone, *others]):
        one.index = index

    def said(**more: Any) -> str:
        known = {"contenders": [best, gone, *others], "winner": best, "tied": []}
        return "".join(answer._by_count(answered_by(best, **(known | more))))

    begin = "if iterations were counted, b would be best; trained, it "
    gone.final, gone.reason = None, "never arrives"
    assert said() == f"{begin}left the search: never arrives"
    gone.final, gone.values = object(), np.array([1.0, np.inf, 2.0])
    assert said() == f"{begin}reaches the goal in 2 of 3 runs"
    gone.values, gone.value = np.array([1.0, 3.0]), 2.0
    assert said() == f"{begin}takes 2 s"
    assert said(tied=[gone]) == said(winner=gone) == said(trains=False) == ""


def test_a_larger_job_than_the_table_is_said() -> None:
    best = racer("a best", counts=1.0)
    found = answered_by(best, trains=True)
    assert [*answer._counted(found)] == []
    found.question.scenario.times = 2.5
    (said,) = answer._counted(found)
    assert "so an iteration computes 2.5 times the data of the table (" in said
    assert said.endswith("the same data take 1 / 2.5 of the seconds)")


def test_what_the_common_rate_would_say() -> None:
    never = racer("d never", at=lambda rate: NEVER)
    names = [racer(name) for name in "abcd"]
    start = "every scheme has its own best learning rate of one grid of powers of 2; at the common "
    start += "rate 0.5 "
    assert answer._tuning(answered_by(*names)) == f"{start}the same would be first (a, b, c)"
    other = answered_by(*names, winner=names[1])
    assert answer._tuning(other) == f"{start}the ranking would be a, b, c"
    other = answered_by(*names, winner=never)
    assert answer._tuning(other) == (
        f"{start}the ranking would be a, b, c, where the best does not always arrive"
    )
    none = answered_by(never, *names)
    assert answer._tuning(none) == f"{start}none of them reaches the goal in every run"
    assert answer._tuning(answered_by(*names, trains=False)).startswith("an update counts as")


def test_a_scheme_that_is_as_good_as_any_is_kept() -> None:
    """Three names and not today's among the rest would send a user away from what he has."""
    a, b, c, d, e = (racer(name, value=8.0) for name in "abcde")
    goal = SimpleNamespace(unit=" s", phrase="to the goal", criterion="median")
    tied = answered_by(a, b, c, d, e, tied=(b, c, d, e))
    tied.question.goal = goal
    text = "eep e, nothing is surely better: a, b, c and 1 more cannot be told apart from it"
    assert f"{text}, about 8 s to the goal" in answer.verdict(tied)
    others = answered_by(a, b, c, tied=(b,))
    others.question.goal = goal
    said = answer.verdict(others)
    assert "est cannot be told apart: a and b, about 8 s to the goal" in said
    assert "less than c, the scheme of today" in said


def test_what_to_do_next() -> None:
    """The cheaper of the tied, to measure loads where they decide, and losses where none were."""
    a, b = racer("a"), racer("b")
    run = "run it: `erasurehead run 'x y.yaml'`"
    assert answer.next_steps(answered_by(a, b), "x y.yaml") == [run]
    costs = {"a": 5.0, "b": 4.0}
    tied = answered_by(a, b, tied=(b,), costs=lambda one: {"worker_seconds": costs[one.label]})
    assert answer.next_steps(tied, "x y.yaml") == [
        "take the cheaper one: b costs fewest worker-seconds",
        run,
    ]
    costs["b"] = 4.96  # as good as the same
    assert answer.next_steps(tied, "x y.yaml") == [run]
    better = Sensitivity(Perturbation("load", 0.5), B, 0.5 * RUNS, RUNS, "mean")
    assert (
        "erasurehead measure"
        in answer.next_steps(answered_by(a, b, sensitivities=[better]), "x")[1]
    )
    tail = replace(better, perturbation=Perturbation("tail", 0.5))
    assert len(answer.next_steps(answered_by(a, b, sensitivities=[tail]), "x")) == 1
    assert answer.next_steps(answered_by(a, trains=False), "x")[1:] == [
        "add problem and optimizer to the config: losses decide better than a count"
    ]
    measured = answered_by(a, trains=False)
    measured.question.scenario.read = ("read as",)
    assert answer.next_steps(measured, "x")[1].startswith("give --loss, and --dataset")
    assert len(answer.next_steps(answered_by(a, reached=False), "x")) == 1


@pytest.mark.parametrize("trains", [False, True])
def test_the_config_of_the_winner(trains: bool) -> None:
    """With its own rate and the goal, where there are any; what is not set is left out."""
    base = {"workers": 4, "policy": None, "plugins": [], "optimizer": {"rule": "gd"}}
    scenario = SimpleNamespace(base=base, name="n" * 99)
    goal = SimpleNamespace(kind="target" if trains else "iterations", value=0.25)
    found: Any = SimpleNamespace(
        question=SimpleNamespace(scenario=scenario, trains=trains, goal=goal),
        winner=SimpleNamespace(section={"name": "uncoded"}, rate=0.5),
    )
    config = winner_config(found)
    assert config.pop("name") == "n" * 99 + "-"
    expected: dict[str, Any] = {"workers": 4, "schemes": [{"name": "uncoded"}]}
    expected["optimizer"] = {"rule": "gd", **({"learning_rate": 0.5} if trains else {})}
    assert config == {**expected, **({"target_loss": 0.25} if trains else {})}
    base["plugins"] = ["mine.py"]
    assert winner_config(found)["plugins"] == ["mine.py"]
    assert base["optimizer"] == {"rule": "gd"}, "the question's own config stays as it was"


def chart(name: str, ranking: Any = RANKING, candidates: Any = CANDIDATES) -> Any:
    tables = {"ranking": ranking, "candidates": candidates, "sensitivity": CHANGED}
    said = Answer("recommend", "demo", "Yes.")
    return page.recommendation_page(tables, said, {}, "").charts[name].picture


def test_bars_of_the_ranking_are_intervals() -> None:
    [panel] = chart("ranking").panels
    filled = [mark for mark in panel.marks if isinstance(mark, Points) and not mark.hollow]
    for place, mark in enumerate(filled):
        row = RANKING.iloc[place]
        assert mark.dx is not None
        low, high = row["ratio"] - row["ratio_low"], row["ratio_high"] - row["ratio"]
        np.testing.assert_allclose(mark.dx, [[low], [high]])
    assert panel.y.names == ("erasurehead load=3", "erasurehead load=2")
    one, three = RANKING.head(1), pd.concat([RANKING, RANKING.head(1)])
    heights = [chart("ranking", ranking=ranking).height for ranking in (one, RANKING, three)]
    assert heights[0] == heights[1] < heights[2], "room for each row, and for two at least"
    assert panel.y.low > 1 > 0 > panel.y.high


def test_what_hollow_markers_are_is_said_where_there_are_any() -> None:
    """Above the picture and below it; and how many schemes are in the table alone."""
    own, common = "filled: own learning rate; hollow: the common one", "hollow at the common one."
    many = pd.concat([RANKING.head(1)] * 13)
    for ranking, headings, told in (
        (RANKING, [own, "1 more scheme is in the table"], True),
        (RANKING.head(2), [own], True),
        (RANKING.head(2).assign(value_at_common_rate=np.nan), [], False),
        (many, [own, "1 more scheme is in the table"], True),
    ):
        tables = {"ranking": ranking, "candidates": CANDIDATES, "sensitivity": CHANGED}
        whole = page.recommendation_page(tables, Answer("recommend", "demo", "Yes."), {}, "")
        shown = whole.charts["ranking"]
        assert shown.picture.heading == "; ".join(headings)
        assert shown.words.endswith(common if told else "with its 95 % interval.")


def test_keys_of_sizes_are_the_least_and_the_most() -> None:
    for costs, keys in (
        ([10.0, 90.0, 30.0], [10, 90]),
        ([10.0, np.nan, np.nan], [10]),
        ([np.nan] * 3, []),
        ([5.0, 5.0, 5.0], [5, 5]),
    ):
        [panel] = chart("front", candidates=CANDIDATES.assign(worker_seconds=costs)).panels
        titles = [m.look.title for m in panel.marks if isinstance(m, Points) and not len(m.x)]
        assert titles == [f"size: {key} worker-seconds" for key in dict.fromkeys(keys)]
        points = [mark for mark in panel.marks if isinstance(mark, Points) and len(mark.x)]
        assert [mark.x[0] for mark in points] == [1.0, 2.0, page.FLOOR]
        sizes = dict(zip(costs, (mark.size for mark in points), strict=True))
        if keys == [10, 90]:
            assert sizes[10.0] == page.SMALLEST < sizes[30.0] < sizes[90.0] == page.LARGEST


def test_the_front_is_not_squeezed_by_schemes_that_take_far_longer() -> None:
    """At 3 times the best a scheme is still drawn; what is not is counted."""
    far = chart("front", candidates=CANDIDATES.assign(value=[2.0, 6.0, 6.01]))
    assert far.heading == "1 more scheme beyond 3 times the best is not shown"
    drawn = [m for m in far.panels[0].marks if isinstance(m, Points) and len(m.x)]
    assert [mark.y[0] for mark in drawn] == [2.0, 6.0]
    assert not chart("front", candidates=CANDIDATES).heading


def test_changes_stand_in_their_order() -> None:
    """The delays as they are in their place: once for a factor, at 0 for persistence."""
    load, persistence = chart("sensitivity").panels
    for panel, title in ((load, "load"), (persistence, "persistence")):
        assert panel.title == title
        curves = {mark.look.title: mark for mark in panel.marks if isinstance(mark, Curve)}
        assert set(curves) == {"erasurehead load=3", "erasurehead load=2"}
        np.testing.assert_array_equal(curves["erasurehead load=2"].x, [0, 1])
        np.testing.assert_allclose(curves["erasurehead load=2"].y, [1.5, 1.5])
        np.testing.assert_allclose(curves["erasurehead load=3"].y, [1.0, 1.0])


def test_numbers_of_a_row() -> None:
    """A decoding error that is round-off is 0; a value below that is itself."""
    row = {"error": 1e-20, "value": 1e-20, "load": np.inf, "reached": 3, "replications": 4}
    error, value, load, lacking = page._numbers(row, "error", "value", "load", "nothing")
    assert error.order == 0
    assert value.order == 1e-20
    assert all(
        str(cell) == str(lacking) and not str(cell)[:1].isdigit() for cell in (load, lacking)
    )
    assert str(page._value(row)) == "in 3 of 4 runs"
    ratio = {"ratio": 1.23456, "ratio_low": 1.1, "ratio_high": 1.4}
    assert str(page._ratio(ratio)).startswith("1.235 ")
    assert page._value({**row, "reached": 4}).order == 1e-20


@pytest.mark.parametrize(
    ("row", "best", "status"),
    [
        ({}, True, ["recommended"]),
        ({"today": True, "tied": True}, True, ["recommended", "today's"]),
        ({"today": True, "tied": True}, False, ["today's", "tied"]),
        ({"breaks": "load 3"}, False, ["not recommended"]),
        ({"unheard": "a", "left": "race"}, False, ["not recommended", "left after 8 runs"]),
        ({"left": "race", "tied": True}, False, ["left after 8 runs"]),
        ({"unheard": "some"}, True, ["recommended"]),
        ({"breaks": np.nan, "unheard": np.nan}, False, []),
    ],
)  # fmt: skip
def test_the_status_of_a_scheme(row: dict[str, Any], best: bool, status: list[str]) -> None:
    """In few words; what is barred may still be the best, where all are."""
    assert [*page._status({"replications": 8, **row}, best)] == status


def test_the_loss_half_way_is_one_that_the_end_keeps() -> None:
    assert ExactDescent(1.0, np.array([4.0, 3.0, 2.0, 1.0, 0.5])).halfway == 2.0
    assert ExactDescent(1.0, np.array([4.0, 3.0, 1.0, 2.5])).halfway == 2.5


@pytest.mark.parametrize(
    ("each", "horizon", "expected"),
    [
        (2.0, 100.0, 50),
        (2.0, 10.0, 20),
        (0.001, 100.0, LONGER * 20),
        (np.inf, 100.0, 20),
        (0.0, 100.0, 20),
    ],
)
def test_a_faster_scheme_has_more_iterations(each: float, horizon: float, expected: int) -> None:
    """As long as uncoded takes, at least the config's and at most ``LONGER`` times as many."""
    scenario = SimpleNamespace(iterations=20, base={}, data_dir=None, evidence=LAW)
    question = SimpleNamespace(
        scenario=scenario, goal=SimpleNamespace(kind="target", value=0.1), common_rate=0.5
    )
    clocked = SimpleNamespace(iteration_time=np.array([each]))
    one = SimpleNamespace(index=3, clocked=clocked, section={"name": "x"}, given=False)
    search = Search(cast(Any, question), [], lambda done, total: None, horizon=horizon)
    found = search.simulation(cast(Contender, one), 4, (0.5,))
    assert found.iterations == expected
    assert search.simulation(cast(Contender, one), 4).iterations == 20
    assert found.reported == (0.5,)
    question.goal = SimpleNamespace(kind="budget", value=50.0)
    for seconds, iterations in ((2.0, 32 + 5), (0.001, 3 * 2000), (np.inf, 20), (0.0, 20)):
        clocked.iteration_time = np.array([seconds])
        assert search.simulation(cast(Contender, one), 4, (0.5,)).iterations == iterations
    assert search.simulation(cast(Contender, one), 4).iterations == 20


def test_messages_that_were_heard() -> None:
    """In gradients: each message of a size; -1 pads, and streams lie one after the other."""
    run = cast(Any, SimpleNamespace(scheme=SimpleNamespace(message_size=3.0)))
    message = np.array([[[0, 1], [2, -1]], [[-1, -1], [0, -1]]])
    heard = Messages(message, np.zeros_like(message))
    assert _heard(run, cast(Any, SimpleNamespace(heard=heard))).tolist() == [9.0, 3.0]
    stream = Stream(np.zeros(7, int), np.zeros(7, int), np.array([[2, 5], [6, 7]]))
    assert _heard(run, cast(Any, SimpleNamespace(heard=stream))).tolist() == [15.0, 6.0]
    with pytest.raises(ValueError, match="did not record"):
        _heard(run, cast(Any, SimpleNamespace(heard=None)))


PARETO = MODELS["pareto"](alpha=1.2, scale=1.0)


def contender(name: str, kind: str, **more: object) -> Any:
    """Of a kind: coded, plain or free of barriers; it left the race unless more is said."""
    known = {"label": name, "coded": kind == "coded", "barrierless": kind == "free", "rate": 1.0}
    known |= {"stage": "race", "given": False, "final": None, "trial": None}
    return SimpleNamespace(**(known | {"expected": expected(9.0)} | more))


def expected(seconds: float, value: float = np.nan) -> Any:
    return SimpleNamespace(iteration_time=seconds, value=value)


def measured(value: float) -> Any:
    return SimpleNamespace(order=lambda rate: (0.0, value * rate))


def test_a_few_schemes_of_each_kind_run_on_changed_delays() -> None:
    """Of a kind that no finalist among the first three is of, whoever came furthest, and of those
    the best; and one of the config. What breaks a limit, or was never timed, is not among them."""
    finalists = [contender(name, "coded") for name in "abc"]
    finalists += [contender("given", "coded", given=True), contender("also", "coded", given=True)]
    others = [
        contender("trial", "plain", trial=measured(1.0)),
        contender("raced, slow", "plain", final=measured(7.0)),
        contender("raced", "plain", final=measured(5.0)),
        contender("limit", "free", stage=LIMITS, final=measured(0.1)),
        contender("untouched", "free", stage="", final=measured(0.1)),
        contender("unknown", "free", expected=None, final=measured(0.1)),
        contender("theory, slow", "free", expected=expected(4.0)),
        contender("theory", "free", expected=expected(9.0, 3.0)),
    ]
    search = cast(Any, SimpleNamespace(contenders=others))
    chosen = [one.label for one in _few(search, finalists)]
    assert chosen == ["a", "b", "c", "raced", "theory", "given"]
    plain = [finalists[0], contender("p", "plain"), contender("f", "free"), *finalists[3:]]
    assert [one.label for one in _few(search, plain)] == ["a", "p", "f", "given"]
    search.contenders.append(contender("trial, free", "free", trial=measured(8.0)))
    assert [one.label for one in _few(search, finalists)][4] == "trial, free"


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
    space = SearchSpace(workers, 1.0, most)
    assert space.loads == loads if len(loads) <= 7 else set(space.loads) < set(loads)
    assert space.few_loads == loads[:2]
    many = SearchSpace(720, 1.0, 720).loads
    assert len(many) == 7
    assert many[:5] == [2, 3, 4, 5, 6]
    assert many[-1] == 360
    assert many == sorted(set(many))
    assert 720 % many[-2] == 0


def test_arrivals_that_are_searched() -> None:
    """Shares of the workers, all numbers where the clock alone ranks them; n - 1 at most."""
    assert SearchSpace(20, 1.0, 20).arrivals() == [2, 5, 8, 10, 12, 14, 16, 18, 19]
    assert SearchSpace(20, 1.0, 20).arrivals(7) == [2, 5, 7]
    assert SearchSpace(20, 1.0, 20, fine=True).arrivals() == [*range(1, 20)]
    assert SearchSpace(64, 1.0, 1, fine=True).arrivals() == [*range(1, 64)]
    assert len(SearchSpace(65, 1.0, 1, fine=True).arrivals()) <= 10
    assert SearchSpace(2, 1.0, 2).arrivals() == [1]
    assert SearchSpace(1, 1.0, 1).arrivals() == []
    assert SearchSpace(20, 1.0, 20).few_arrivals == [10, 15, 18]
    assert (SearchSpace(1, 1.0, 1).half, SearchSpace(9, 1.0, 9).half) == (1, 4)
    assert SearchSpace(20, 1.0, 20).batches == [5, 10, 20]
    assert SearchSpace(20, 1.2345, 20).seconds(1.0, 2.0) == [1.23, 2.47]


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
    slowest = _drawn(settings)[:, 1].max(axis=-1).ravel()
    surge, found = _rare(slowest, settings, affordable)
    assert found == repeats
    assert (surge > 0) == (delay is PARETO)
    assert _rare(np.ones(20), settings, affordable) == (0.0, 1), "all rounds alike"


@pytest.mark.parametrize(("workers", "drawn"), [(10, 1250), (2000, 65)])
def test_so_many_rounds_are_drawn(workers: int, drawn: int) -> None:
    """20,000 in 16 runs, of many workers as many as have 2^21 delays; each with what a worker takes
    with one partition and with two."""
    settings: Any = SimpleNamespace(
        delay=MODELS["deterministic"](value=2.0), workers=workers, load_law=Proportional(), seed=0
    )
    found = _drawn(settings)
    assert found.shape == (16, 3, drawn, workers)
    np.testing.assert_array_equal(found[:, :, 0, 0], [[2.0, 2.0, 4.0]] * 16)


def test_why_a_scheme_leaves_after_the_trial() -> None:
    goal = SimpleNamespace(unit=" s", phrase="to the goal")
    question = cast(Any, SimpleNamespace(goal=goal))
    assert slower(question, (0.0, 6.0), (0.0, 4.0), 1.5) == (
        "6 s to the goal at its best rate, 1.5 times the best"
    )
    missed = slower(question, (3.0, 6.0), (1.0, 4.0), 1.5)
    assert missed.startswith("does not reach the goal in 3 trial replications, or not within 1.5 ")
    assert "at its best rate" in slower(question, (1.0, 6.0), (1.0, 4.0), 1.5)


@pytest.mark.parametrize("criterion", ["mean", "median", "p95"])
def test_an_interval_needs_two_values(criterion: Criterion) -> None:
    """One is no measure of spread, and what is not a number does not count."""
    middle, low, high = estimate(np.array([2.0, np.nan]), criterion)
    assert middle == 2.0
    assert np.isnan([low, high]).all()
    middle, low, high = estimate(np.array([2.0, np.nan, 4.0]), criterion)
    assert low < middle < high
    assert 2.0 <= middle <= 4.0


def heard(shares: Any, updates: int) -> tuple[float, float, bool]:
    shares = None if shares is None else np.asarray(shares, dtype=np.float64)
    times = np.empty((1 if shares is None else len(shares), updates))
    return hearing(cast(Any, SimpleNamespace(times=times, shares=shares)))


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


def test_each_rate_that_was_tried_has_its_row() -> None:
    """In order, with the mean over the runs that reach the goal; a scheme's own rate is marked."""
    values = {0.5: [4.0, np.inf], 0.25: [1.0, 2.0], 1.0: [np.inf, np.inf]}
    trial = SimpleNamespace(rates=(0.5, 0.25, 1.0), at=lambda rate: np.array(values[rate]))
    tried = SimpleNamespace(label="a", trial=trial, rate=0.25)
    untried = SimpleNamespace(label="b", trial=None, rate=0.25)
    rows = [*_rates(cast(Any, SimpleNamespace(contenders=[untried, tried])))]
    assert rows[:2] == [["a", 0.25, 1.5, 2, 2, True], ["a", 0.5, 4.0, 1, 2, False]]
    label, rate, mean, *reached = rows[2]
    assert (label, rate, *reached) == ("a", 1.0, 0, 2, False)
    assert np.isnan(mean)


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
    scenario = SimpleNamespace(features=3, iterations=7, base={"target_loss": given}, data_dir=None)
    request = SearchRequest(target=target)
    if refused is None:
        goal, found = question._goal(cast(Any, scenario), request)
        assert (goal.kind, goal.value, found) == ("target", target or given, exact)
    else:
        with pytest.raises(ConfigError, match=re.escape(refused)):
            question._goal(cast(Any, scenario), request)
    assert asked == [target or given]


def test_a_load_that_no_scheme_has_changes_nothing() -> None:
    """Said only where something was tried at all."""
    other = Sensitivity(Perturbation("tail", 2.0, median=1.0), HERE, RUNS, RUNS, "mean")
    found = cast(Any, SimpleNamespace(winner=HERE, sensitivities=[other]))
    assert _holds(found, "load") == (
        "the answer does not depend on it, since no compared scheme has a load above 1"
    )
    assert _holds(found, "persistence") == "not tried"


def test_an_answer_that_cannot_be_written_leaves_none_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches the tables of one question beside the sentences of another; the manifest is last."""
    said = Answer("recommend", "demo", "Yes.")
    table = pd.DataFrame({"a": [1]})
    for name, result in (
        ("winner_config", {}),
        ("recommendation_tables", {"ranking": table}),
        ("answered", said),
        ("recommendation_page", Page(said, [], [])),
        ("method", []),
    ):
        monkeypatch.setattr(command, name, lambda *given, known=result: known)
    scenario = SimpleNamespace(base={"seed": 7}, notes=["a note"])
    asked = SimpleNamespace(scenario=scenario, request=SearchRequest(only="uncoded"))
    found = cast(Any, SimpleNamespace(question=asked))
    out = tmp_path / "out"
    out.mkdir()
    for name in command.FILES:
        (out / name).write_text("old")
    with monkeypatch.context() as full:
        full.setattr(command.files, "write_table", Mock(side_effect=OSError("no room")))
        with pytest.raises(OSError, match="no room"):
            command.write_recommendation(found, out, "erasurehead recommend x", 1.23456)
    assert [*out.iterdir()] == []
    with monkeypatch.context() as full:
        full.setattr(command, "write_answer", Mock(side_effect=OSError("no room")))
        with pytest.raises(OSError, match="no room"):
            command.write_recommendation(found, out, "erasurehead recommend x", 1.23456)
    assert not (out / command.MANIFEST).exists()
    command.write_recommendation(found, out, "erasurehead recommend x", 1.23456)
    written = json.loads((out / command.MANIFEST).read_text())
    assert (written["seed"], written["wall_seconds"]) == (7, 1.235)
    assert (written["command"], written["warnings"]) == ("recommend", ["a note"])
    assert written["question"]["only"] == "uncoded"
    pd.testing.assert_frame_equal(pd.read_csv(out / "ranking.csv"), table)
    assert read_answer(out).command == "erasurehead recommend x"


def test_an_answer_is_a_file_that_a_person_can_read(tmp_path: Path) -> None:
    """A field a line, two spaces in; of letters that every terminal shows."""
    answer = Answer("compare", "a", "one is faster \N{EM DASH} twice", why=("so",))
    write_answer(answer, tmp_path)
    first, second, *_, last = (tmp_path / ANSWER).read_bytes().decode("ascii").split("\n")
    assert (first, second, last) == ("{", '  "kind": "compare",', "")
    assert read_answer(tmp_path) == answer


def test_the_fewest_runs_that_decide_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the winner, or of another scheme whose typical run is as good and that is not barred."""
    monkeypatch.setattr(answer, "decided_by", lambda values: int(values[0]))

    def one(decided: int, typical: float, barred: bool = False) -> Any:
        return SimpleNamespace(values=np.array([decided, typical, typical]), barred=barred)

    def said(winner: int, *others: Any, criterion: str = "mean") -> list[str]:
        goal = SimpleNamespace(criterion=criterion)
        first = SimpleNamespace(values=np.array([winner, 9.0, 9.0]), value=9.0)
        whole = SimpleNamespace(
            question=SimpleNamespace(goal=goal), winner=first, today=one(0, 1.0), finalists=others
        )
        return [*_by_chance(cast(Any, whole))]

    text = "{} of 3 runs decide that: more replications are needed"
    assert said(0, one(5, 9.0), one(3, 8.0), one(4, 1.0)) == [text.format(3)]
    assert said(2, one(5, 9.0)) == [text.format(2)]
    assert said(0, one(5, 9.5), one(4, 1.0, barred=True)) == []
    assert said(2, criterion="median") == []


def test_the_best_code_is_the_best_of_the_race_or_of_what_is_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that were left behind or are barred come after the others."""
    for name in ("final_order", "_expected"):
        monkeypatch.setattr(study, name, lambda one: one.order)

    def code(order: int, final: int | None = 1, stage: str = "", **more: Any) -> Any:
        known = {"coded": True, "barred": False, "expected": 1} | more
        return SimpleNamespace(order=order, final=final, stage=stage, **known)

    def best(*contenders: Any) -> Any:
        whole: Any = SimpleNamespace(contenders=contenders)
        found = cast(Any, Recommendation.best_coded).fget(whole)
        return found and found.order

    assert best(code(3), code(2), code(1, coded=False)) == 2
    assert best(code(3), code(2, stage="left")) == 3
    assert best(code(3, stage="left"), code(2, stage="left")) == 2
    assert best(code(3), code(2, barred=True)) == 3
    assert (
        best(code(4, None), code(5, None), code(3, None, LIMITS), code(2, None, expected=None)) == 4
    )
    assert best(code(1, coded=False)) is None


@pytest.mark.parametrize(
    ("workers", "most", "loads"),
    [
        (240, 240, [2, 3, 4, 5, 6, 24, 120]),  # of 18, the first, one half-way to the end, the last
        (64, 64, [2, 3, 4, 6, 8, 16, 32]),  # seven are all
        (72, 30, [2, 3, 4, 6, 8, 18, 24]),
        (5, 5, [2, 3, 4]),
        (30, 3, [2, 3]),
    ],
)
def test_loads_are_divisors_and_small_ones(workers: int, most: int, loads: list[int]) -> None:
    space: Any = SimpleNamespace(workers=workers, most_load=most)
    assert cast(Any, SearchSpace.loads).fget(space) == loads


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
def test_an_interval_is_as_wide_as_the_runs_differ(criterion: Criterion) -> None:
    """In the unit of the runs, around the middle; runs that are the same leave nothing open."""
    values = np.random.default_rng(0).lognormal(0.0, 0.5, 40)
    middle, low, high = estimate(values, criterion)
    assert high - middle == pytest.approx(middle - low)
    assert 0 < high - low < 2 * np.ptp(values)
    np.testing.assert_allclose(
        estimate(1e-3 * values, criterion), 1e-3 * np.array([middle, low, high])
    )
    np.testing.assert_allclose(estimate(np.full(9, 5.0), criterion), 5.0)
    if criterion != "p95":  # the error of a median of normal values is sqrt(pi / 2) as large
        normal = np.random.default_rng(1).normal(7.0, 2.0, 1000)
        middle, low, high = estimate(normal, criterion)
        error = normal.std() * {"mean": 1.0, "median": np.sqrt(np.pi / 2)}[criterion]
        assert high - low == pytest.approx(2 * 1.96 * error / np.sqrt(1000), rel=0.15)


@dataclass
class Scened:
    """Stands for a question about a scenario."""

    scenario: str


def test_a_measured_table_becomes_a_question_with_its_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is set replaces what the table says, and the scenario is that of the table."""
    asked: list[tuple[dict[str, Any], Any]] = []

    def noted(document: dict[str, Any], request: object, folder: object, notes: Any) -> Scened:
        asked.append((dict(document), notes))
        return Scened("of the config")

    monkeypatch.setattr(command, "ask", noted)
    measured: Any = SimpleNamespace(
        job=replace(MeasuredJob(), trace=Path("t.csv")),
        reading=AS_IT_IS,
        document=lambda overrides: ({"workers": 4, "seed": 1}, ["a note"]),
        of=lambda scenario: f"{scenario}, of a table",
    )
    found = command.read_question(None, ["workers=7"], measured, SearchRequest(), None)
    assert asked == [({"workers": 7, "seed": 1}, ["a note"])]
    assert found.scenario == "of the config, of a table"
    with pytest.raises(ConfigError, match="give a config, or --trace"):
        command.read_question(Path("a.yaml"), [], measured, SearchRequest(), None)
