"""The page of a recommendation, from tables that are made by hand."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.advice.recommend import page
from erasurehead.experiments.advice.recommend.scenario import SHUFFLED_ROUNDS
from erasurehead.experiments.page import content
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.experiments.pictures.picture import Curve, Picture, Points
from erasurehead.experiments.pictures.svg.marks import UNITS_PER_POINT, PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture


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
            (1, "erasurehead", "ErasureHead (d = 3)", 4, 2.0, 3.0),
            (2, "erasurehead", "ErasureHead (d = 2)", 4, 3.0, np.inf),
            (3, "uncoded", "uncoded", 3, np.nan, 9.0),
        )
    ]
)  # fmt: skip


CANDIDATES = pd.DataFrame(
    [
        {"scheme": "erasurehead", "label": label, "stage": "stayed", "reason": "", "value": value,
         "error": error, "worker_seconds": cost, "front": front}
        for label, value, error, cost, front in (
            ("ErasureHead (d = 3)", 2.0, 1.0, 10.0, True),
            ("ErasureHead (d = 2)", 3.0, 2.0, 90.0, False),
            ("ErasureHead (d = 4)", 4.0, 0.0, np.nan, False),
        )
    ]
)  # fmt: skip


CHANGED = pd.DataFrame(
    [
        {"dial": dial, "times": times, "scheme": "erasurehead", "label": label, "value": 1.0,
         **ends("ratio", ratio), "replications": 16}
        for dial, times in (("unchanged", 1.0), ("load", 0.5), ("persistence", SHUFFLED_ROUNDS))
        for label, ratio in (("ErasureHead (d = 3)", 1.0), ("ErasureHead (d = 2)", 1.5))
    ]
)  # fmt: skip


TABLES = {"ranking": RANKING, "candidates": CANDIDATES, "sensitivity": CHANGED}


def made(said: str = "Yes.", **tables: pd.DataFrame) -> content.Page:
    """The page of these tables, and of the usual ones in place of others."""
    return page.recommendation_page({**TABLES, **tables}, Answer("recommend", "demo", said), {}, "")


def chart(name: str, **tables: pd.DataFrame) -> Picture:
    """A picture of the page."""
    return made(**tables).charts[name].picture


def points(name: str, **tables: pd.DataFrame) -> list[Points]:
    """Its points in the first panel, those of the legend's sizes last."""
    return [mark for mark in chart(name, **tables).panels[0].marks if isinstance(mark, Points)]


def ranked(table: pd.DataFrame, said: str = "Yes.") -> content.Table:
    """The ranking of the page, beside an answer."""
    sections = made(said, ranking=table, sensitivity=CHANGED[:0]).sections
    [found] = [part for part in sections[0].parts if isinstance(part, content.Table)]
    return found


def test_the_common_rate_is_a_hollow_marker_beside_the_own_one() -> None:
    """Where it reaches the goal; catches a ratio to the scheme's own value."""
    hollow = [(mark.x[0], mark.y[0]) for mark in points("ranking") if mark.hollow]
    filled = [(mark.x[0], mark.y[0]) for mark in points("ranking") if not mark.hollow]
    assert hollow == [(1.5, 0.0)]
    assert filled == [(1.0, 0.0), (1.5, 1.0)]


def test_costs_are_sizes_and_unknown_ones_small() -> None:
    """Small for few worker-seconds, large for many; looks stay those of the scheme."""
    known = {mark.look.title: mark for mark in points("front") if len(mark.x)}
    cheap, dear, theory = (known[f"ErasureHead (d = {load})"] for load in (3, 2, 4))
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
    entries = draw_picture(chart("front"), "", "p", PageStyle()).entries
    drawn = [re.findall(r"scale\((.*?)\)", entry.swatch)[-1] for entry in entries[-2:]]
    ends = (page.SMALLEST_MARKER * UNITS_PER_POINT, page.LARGEST_MARKER * UNITS_PER_POINT)
    assert [float(size) for size in drawn] == pytest.approx(ends, abs=0.1)


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


def column(table: content.Table, title: str) -> list[str]:
    """What stands in a column, or in the note where it is the same in all rows."""
    if title not in table.columns:
        [same] = re.findall(rf"{re.escape(title)} (.+?)(?:, |\.$)", table.note)
        return [same] * len(table.rows)
    return [str(row[table.columns.index(title)]) for row in table.rows]


def test_the_status_of_a_scheme() -> None:
    """In few words; what is infeasible may still be the best, where all are. Who left has no ratio
    to all runs of today: its few, beside the many of others, would seem to contradict the rank."""
    rows = (
        ({"tied": True, "today": True}, "recommended, today's"),
        ({"tied": True, "today": True}, "today's, tied"),
        ({"left": "runs", "tied": True, "replications": 2}, "left after 2 runs"),
        ({"breaks": np.nan, "unheard": np.nan}, "-"),
        ({"stock": False, "value": 0.5}, "own loop"),  # below those of a stock loop
        ({"breaks": "max load"}, "not recommended"),
        (
            {"unheard": "a", "left": "runs", "replications": 2},
            "not recommended, left after 2 runs",
        ),
    )
    usual = RANKING.iloc[0].to_dict() | {"today": False, "unheard": ""}
    table = pd.DataFrame([usual | {"value": k} | row for k, (row, _) in enumerate(rows, 1)])
    found = ranked(table)
    assert column(found, "status") == [status for _, status in rows]
    assert column(found, "remark")[-2:] == ["breaks a limit: max load", "unheard: a"]
    none = [cell == "-" for cell in column(found, "to today's (95 %)")]
    assert none == [False, False, True, False, False, False, True]
    alone = ranked(table[5:6].assign(tied=True))
    assert column(alone, "status") == ["recommended"]
    assert found.note.startswith("Relative: to the recommended scheme, over the replications")


def test_the_report_says_who_misses_the_goal_and_what_holds_as_is() -> None:
    whole = made()
    text = as_markdown(whole, {name: f"{name}.png" for name in whole.charts})
    assert "in 3 of 4 runs" in text
    assert "inf" not in text
    assert "unchanged: in 16 runs like all rows here" in " ".join(text.split())
    assert [*whole.charts] == ["ranking", "front", "sensitivity"]
    bare = made(candidates=CANDIDATES.assign(value=np.nan))
    assert [*bare.charts] == ["ranking", "sensitivity"], "no axes without a scheme on them"
    load, persistence = whole.charts["sensitivity"].picture.panels
    assert load.x.names == ("0.5", "1")
    assert persistence.x.names == ("shuffled", "as is")


def test_bars_of_the_ranking_are_intervals() -> None:
    [panel] = chart("ranking").panels
    filled = [mark for mark in points("ranking") if not mark.hollow]
    for mark, (_, row) in zip(filled, RANKING.iterrows(), strict=False):
        assert mark.dx is not None
        low, high = row["ratio"] - row["ratio_low"], row["ratio_high"] - row["ratio"]
        np.testing.assert_allclose(mark.dx, [[low], [high]])
    assert panel.y.names == ("ErasureHead (d = 3)", "ErasureHead (d = 2)")
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
        drawn = made(ranking=ranking).charts["ranking"]
        assert drawn.picture.heading == "; ".join(headings)
        assert drawn.words.endswith(common if told else "with its 95 % interval.")


def test_keys_of_sizes_are_the_least_and_the_most() -> None:
    for costs, keys in (
        ([10.0, 90.0, 30.0], [10, 90]),
        ([10.0, np.nan, np.nan], [10]),
        ([np.nan] * 3, []),
        ([5.0, 5.0, 5.0], [5, 5]),
    ):
        marks = points("front", candidates=CANDIDATES.assign(worker_seconds=costs))
        titles = [mark.look.title for mark in marks if not len(mark.x)]
        assert titles == [f"size: {key} worker-seconds" for key in dict.fromkeys(keys)]
        drawn = [mark for mark in marks if len(mark.x)]
        assert [mark.x[0] for mark in drawn] == [1.0, 2.0, page.LEAST_ERROR]
        sizes = dict(zip(costs, (mark.size for mark in drawn), strict=True))
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
    far = CANDIDATES.assign(value=[2.0, 6.0, 6.01])
    heading = chart("front", candidates=far).heading
    assert heading == "1 more scheme beyond 3 times the best is not shown"
    drawn = [mark.y[0] for mark in points("front", candidates=far) if len(mark.x)]
    assert drawn == [2.0, 6.0]
    assert not chart("front").heading
    # Those that are left out are not counted among the first that have a look of their own.
    rows = [CANDIDATES.iloc[0].to_dict() | {"label": f"scheme {i}"} for i in range(12)]
    values = [1.0, *([9.0] * 6), *np.linspace(1.1, 1.5, 5)]
    many = pd.DataFrame(rows).assign(value=values, front=[True] * 7 + [False] * 5)
    titles = [mark.look.title for mark in points("front", candidates=many) if len(mark.x)]
    assert len(titles) == 6
    assert sum(title.startswith("scheme") for title in titles) <= page.MOST_NAMED


def test_changes_stand_in_their_order() -> None:
    """The delays as they are in their place: once for a factor, at 0 for persistence."""
    load, persistence = chart("sensitivity").panels
    for panel, title in ((load, "load"), (persistence, "persistence")):
        assert panel.title == title
        curves = {mark.look.title: mark for mark in panel.marks if isinstance(mark, Curve)}
        assert set(curves) == {"ErasureHead (d = 3)", "ErasureHead (d = 2)"}
        np.testing.assert_array_equal(curves["ErasureHead (d = 2)"].x, [0, 1])
        np.testing.assert_allclose(curves["ErasureHead (d = 2)"].y, [1.5, 1.5])
        np.testing.assert_allclose(curves["ErasureHead (d = 3)"].y, [1.0, 1.0])


def test_numbers_of_a_row() -> None:
    """A decoding error that is round-off is 0; a value below that is itself; what is not finite is
    no number."""
    rows = {"error": [1e-20, 1.0, 1.0], "value": [1e-20, 1.0, 1.0], "load": [np.inf, 2.0, 3.0]}
    ratio = {"ratio": 1.23456, "ratio_low": 1.1, "ratio_high": 1.4}
    found = ranked(RANKING.assign(**rows, **ratio, reached=4))
    titles = ("error", "s to the goal", "load", "relative (95 %)")
    first = [column(found, title)[0] for title in titles]
    assert first == ["0", "1e-20", "-", "1.235 (1.1 to 1.4)"]
