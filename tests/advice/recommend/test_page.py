"""The page of a recommendation, from tables that are made by hand, as no search makes them on
demand: what it shows of each is a record."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.advice.recommend import page, scenario
from erasurehead.experiments.page import content
from tests.golden.records import require_recorded


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


SHUFFLED = scenario.SHUFFLED_ROUNDS
CHANGED = pd.DataFrame(
    [
        {"dial": dial, "times": times, "scheme": "erasurehead", "label": label, "value": 1.0,
         **ends("ratio", ratio), "replications": 16}
        for dial, times in (("unchanged", 1.0), ("load", 0.5), ("persistence", SHUFFLED))
        for label, ratio in (("ErasureHead (d = 3)", 1.0), ("ErasureHead (d = 2)", 1.5))
    ]
)  # fmt: skip


TABLES = {"ranking": RANKING, "candidates": CANDIDATES, "sensitivity": CHANGED}


def made(said: str = "Yes.", **tables: pd.DataFrame) -> content.Page:
    """The page of these tables, and of the usual ones in place of others."""
    answer = content.Answer("recommend", "demo", said)
    return page.recommendation_page({**TABLES, **tables}, answer, {}, "")


def several(*rows: dict[str, Any]) -> pd.DataFrame:
    """A ranking of rows like the first one, each with what differs."""
    usual = RANKING.iloc[0].to_dict() | {"today": False, "unheard": ""}
    return pd.DataFrame([usual | {"value": k} | row for k, row in enumerate(rows, 1)])


STATUS = several(
    {"tied": True, "today": True},
    {"tied": True, "today": True},
    {"left": "runs", "tied": True, "replications": 2},  # its few runs are no ratio to today's
    {"breaks": np.nan, "unheard": np.nan},
    {"stock": False, "value": 0.5},  # below those of a stock loop
    {"breaks": "max load"},
    {"unheard": "a", "left": "runs", "replications": 2},
)
LONG = several(
    {"label": "fast", "value": 1.0, "unheard": "never"},
    {"label": "best", "value": 2.0, "tied": True},
    {"label": "today", "value": 50.0},
    *({"label": f"left {k}", "value": 3.0 + k, "left": "after 16 runs"} for k in range(20)),
    {"label": "costly", "value": 1.5, "breaks": "load"},
)
NUMBERS = RANKING.assign(
    error=[1e-20, 1.0, 1.0], value=[1e-20, 1.0, 1.0], load=[np.inf, 2.0, 3.0],
    ratio=1.23456, ratio_low=1.1, ratio_high=1.4, reached=4,
)  # fmt: skip
MANY = pd.DataFrame(
    CANDIDATES.iloc[0].to_dict() | {"label": f"scheme {i}"} for i in range(12)
).assign(value=[1.0, *([9.0] * 6), *np.linspace(1.1, 1.5, 5)], front=[True] * 7 + [False] * 5)
COSTS = {"all known": [10.0, 90.0, 30.0], "one": [10.0, np.nan, np.nan], "alike": [5.0] * 3}
PAGES: dict[str, dict[str, Any]] = {
    "usual": {},
    # whoever left stands where its time says, and who breaks a limit last; a sentence names one
    "long": {"said": "The best is best, 2 s; left 15 was ruled out.", "ranking": LONG},
    # the more runs reach the goal, the higher
    "missed": {"ranking": several(
        {"label": "best", "value": 2.0, "tied": True}, {"label": "always", "value": 9.0},
        {"label": "never", "value": np.nan, "reached": 0},
        {"label": "often", "value": np.nan, "reached": 3},
    )},
    "status": {"ranking": STATUS},
    "infeasible, and the best": {"ranking": STATUS[5:6].assign(tied=True)},
    "numbers": {"ranking": NUMBERS},  # an error that is round-off is 0
    "no values": {"candidates": CANDIDATES.assign(value=np.nan)},
    "one row": {"ranking": RANKING.head(1)},
    "two rows": {"ranking": RANKING.head(2)},
    "no common rate": {"ranking": RANKING.head(2).assign(value_at_common_rate=np.nan)},
    "13 rows": {"ranking": pd.concat([RANKING.head(1)] * 13)},
    **{f"costs, {name}": {"candidates": CANDIDATES.assign(worker_seconds=costs)}
       for name, costs in COSTS.items()},
    # at 3 times the best a scheme is still drawn
    "far": {"candidates": CANDIDATES.assign(value=[2.0, 6.0, 6.01])},
    "many": {"candidates": MANY},
}  # fmt: skip

ROWS = ("long", "missed", "status", "infeasible, and the best", "numbers")


@pytest.mark.golden
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_the_recorded_one(name: str) -> None:
    """All of the usual one; of others the rows of the ranking, or the chart that differs."""
    whole, drawn = made(**PAGES[name]), "front" if "candidates" in PAGES[name] else "ranking"
    [ranking] = [part for part in whole.sections[0].parts if isinstance(part, content.Table)]
    found: dict[str, Any] = {"page": whole}
    if name in ROWS:
        rows = [" | ".join(map(str, row)) for row in (ranking.columns, *ranking.rows)]
        found = {"rows": [*rows, ranking.note, f"printed: {[*ranking.brief]}"]}
    elif name != "usual":
        found = {"charts": [*whole.charts]}
        if drawn in whole.charts:
            chart = whole.charts[drawn]
            found |= {drawn: chart.picture, "words": chart.words}
    require_recorded(f"recommend/page {name}", found)


def points(name: str, **tables: pd.DataFrame) -> list[Any]:
    """The points of a chart, those of the legend's sizes last."""
    return [
        mark
        for mark in made(**tables).charts[name].picture.panels[0].marks
        if hasattr(mark, "hollow")
    ]


def test_the_common_rate_is_a_hollow_marker_beside_the_own_one() -> None:
    """Where it reaches the goal; catches a ratio to the scheme's own value. Bars are intervals."""
    hollow = [(mark.x[0], mark.y[0]) for mark in points("ranking") if mark.hollow]
    filled = [mark for mark in points("ranking") if not mark.hollow]
    assert hollow == [(1.5, 0.0)]
    assert [(mark.x[0], mark.y[0]) for mark in filled] == [(1.0, 0.0), (1.5, 1.0)]
    for mark, (_, row) in zip(filled, RANKING.iterrows(), strict=False):
        low, high = row["ratio"] - row["ratio_low"], row["ratio_high"] - row["ratio"]
        np.testing.assert_allclose(mark.dx, [[low], [high]])


def test_costs_are_sizes_and_unknown_ones_small() -> None:
    """Small for few worker-seconds, large for many; looks stay those of the scheme."""
    known = {mark.look.title: mark for mark in points("front") if len(mark.x)}
    cheap, dear, theory = (known[f"ErasureHead (d = {load})"] for load in (3, 2, 4))
    assert (cheap.ringed, dear.ringed) == (True, False)
    assert cheap.size == theory.size == page.SMALLEST_MARKER
    assert dear.size == page.LARGEST_MARKER
    looks = {mark.look.title: mark.look for mark in points("ranking")}
    for mark in (cheap, dear):
        look = looks[mark.look.title]
        assert (mark.look.colour, mark.look.marker) == (look.colour, look.marker)


def test_changes_stand_in_their_order() -> None:
    """The delays as they are in their place: once for a factor, at 0 for persistence."""
    load, persistence = made().charts["sensitivity"].picture.panels
    assert (load.x.names, persistence.x.names) == (("0.5", "1"), ("shuffled", "as is"))
    for panel, title in ((load, "load"), (persistence, "persistence")):
        assert panel.title == title
        curves = {mark.look.title: mark for mark in panel.marks if not hasattr(mark, "hollow")}
        for name, ratio in (("ErasureHead (d = 3)", 1.0), ("ErasureHead (d = 2)", 1.5)):
            np.testing.assert_array_equal(curves[name].x, [0, 1])
            np.testing.assert_allclose(curves[name].y, [ratio, ratio])
