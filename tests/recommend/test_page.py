"""The page of a recommendation, from tables that are made by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.page import content
from erasurehead.experiments.page.answer import Answer
from erasurehead.experiments.page.markdown import as_markdown
from erasurehead.experiments.pictures.picture import Curve, Picture, Points
from erasurehead.experiments.pictures.svg.marks import UNITS_PER_POINT, PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.recommend import page
from erasurehead.experiments.recommend.scenario import SHUFFLED


def ends(name: str, value: float) -> dict[str, float]:
    """A value with an interval of 10 % to either side."""
    return {name: value, f"{name}_low": 0.9 * value, f"{name}_high": 1.1 * value}


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
    assert cheap.size == theory.size == page.SMALLEST_MARKER
    assert dear.size == page.LARGEST_MARKER
    looks = {mark.look.title: mark.look for mark in points("ranking")}
    for one in (cheap, dear):
        look = looks[one.look.title]
        assert (one.look.colour, one.look.marker) == (look.colour, look.marker)
    keys = [mark.look.title for mark in points("front") if not len(mark.x)]
    assert keys == ["size: 10 worker-seconds", "size: 90 worker-seconds"]
    entries = draw_picture(picture("front"), "", "p", PageStyle()).entries
    drawn = [re.findall(r"scale\((.*?)\)", entry.swatch)[-1] for entry in entries[-2:]]
    ends = (page.SMALLEST_MARKER * UNITS_PER_POINT, page.LARGEST_MARKER * UNITS_PER_POINT)
    assert [float(size) for size in drawn] == pytest.approx(ends, abs=0.1)


def ranked(table: pd.DataFrame, said: str = "Yes.") -> content.Table:
    """The ranking of the page, beside an answer."""
    tables = {**TABLES, "ranking": table, "sensitivity": CHANGED[:0]}
    whole = page.recommendation_page(tables, Answer("recommend", "demo", said), {}, "")
    [found] = [part for part in whole.sections[0].parts if isinstance(part, content.Table)]
    return found


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
        breaks=[*[""] * 23, "load"],
        left=["", "", "", *["after 16 runs"] * 20, ""],
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
        assert [mark.x[0] for mark in points] == [1.0, 2.0, page.LEAST_ERROR]
        sizes = dict(zip(costs, (mark.size for mark in points), strict=True))
        if keys == [10, 90]:
            assert (
                sizes[10.0]
                == page.SMALLEST_MARKER
                < sizes[30.0]
                < sizes[90.0]
                == page.LARGEST_MARKER
            )


def test_the_front_is_not_squeezed_by_schemes_that_take_far_longer() -> None:
    """At 3 times the best a scheme is still drawn; what is not is counted."""
    far = chart("front", candidates=CANDIDATES.assign(value=[2.0, 6.0, 6.01]))
    assert far.heading == "1 more scheme beyond 3 times the best is not shown"
    drawn = [m for m in far.panels[0].marks if isinstance(m, Points) and len(m.x)]
    assert [mark.y[0] for mark in drawn] == [2.0, 6.0]
    assert not chart("front", candidates=CANDIDATES).heading
    # Those that are left out are not counted among the first that have a look of their own.
    rows = [CANDIDATES.iloc[0].to_dict() | {"label": f"scheme {i}"} for i in range(12)]
    values = [1.0, *([9.0] * 6), *np.linspace(1.1, 1.5, 5)]
    many = pd.DataFrame(rows).assign(value=values, front=[True] * 7 + [False] * 5)
    shown = chart("front", candidates=many).panels[0].marks
    titles = [m.look.title for m in shown if isinstance(m, Points) and len(m.x)]
    assert len(titles) == 6
    assert sum(title.startswith("scheme") for title in titles) <= page.MOST_NAMED


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
