"""What is said and drawn of a recommendation, from results that are made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from erasurehead.experiments.page.answer import Answer
from erasurehead.experiments.pictures.picture import Curve, Points
from erasurehead.experiments.recommend import page
from erasurehead.experiments.recommend.answer import _changed, _holds
from erasurehead.experiments.recommend.contender import LIMITS, Contender
from erasurehead.experiments.recommend.measure import _heard
from erasurehead.experiments.recommend.scenario import SHUFFLED, Perturbation
from erasurehead.experiments.recommend.search import LONGER, Search
from erasurehead.experiments.recommend.study import Sensitivity, _few
from erasurehead.sim.types import Messages, Stream
from tests.recommend.test_parts import CANDIDATES, CHANGED, RANKING

RUNS = np.ones(4)
NEVER = np.array([1.0, 1.0, np.inf, 1.0])


def scheme(label: str, **more: object) -> Any:
    """A contender; those whose names begin alike are one scheme."""
    known = {"breaks": "", "unheard": "", "scheme": label[0], "coded": True}
    return SimpleNamespace(label=label, **(known | more))


HERE = scheme("a here")


def held(name: str, rows: Mapping[float, tuple[Any, float]], best: Mapping[float, Any] = {}) -> str:
    """What is said where others take so many times as long as the recommended scheme."""
    found = [
        Sensitivity(Perturbation(name, value, median=1.0), each, times * RUNS, here, "mean")
        for value, (other, times) in rows.items()
        for here in [best.get(value, RUNS)]
        for each, times in ((HERE, here[2]), (other, times))
    ]
    return _holds(cast(Any, SimpleNamespace(winner=HERE, sensitivities=found)), name)


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
        ({0.5: (B, 0.9), 2.0: (B, 0.5)}, f"at 0.5 times b {BETTER}, at 2 times b {BETTER}"),
        (
            {0.1: (B, 0.5), 0.5: (B, 0.5), 2.0: (B, 0.5), 4.0: (B, 0.5)},
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
    assert held("persistence", rows).startswith("the answer holds from delays shuffled")
    unheard = scheme("c", unheard="w")
    assert held("persistence", {SHUFFLED: (unheard, 0.5), 0.9: (unheard, 0.5)}) == (
        "shuffled each round: c is better"
    )
    assert held("persistence", {**rows, 0.9: (B, 0.5)}) == (
        "kept with probability 0.9: b other is better"
    )
    assert _changed(cast(Any, SimpleNamespace(winner=HERE)), []) == {}


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
    assert panel.y.low > 1 > 0 > panel.y.high


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
    assert page._value({**row, "reached": 4}).order == 1e-20


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
    scenario = SimpleNamespace(iterations=20, base={}, data_dir=None)
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
