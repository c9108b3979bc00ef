"""What the pictures of ``whatif`` show of tables that are made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.pictures.picture import Axis, Bars, Heat, Points
from erasurehead.experiments.whatif import rounds
from erasurehead.experiments.whatif.page import (
    MOST_CHANGES,
    PARTS,
    TICKS,
    _heat,
    _hosts_axis,
    _parts,
    _savings,
    _timeline,
)
from erasurehead.experiments.whatif.study import Study, change_name, study_load

ROUNDS, HOSTS = 40, 6


def studied(table: np.ndarray, load: float | None = None) -> Study:
    return study_load(table, [f"h{j}" for j in range(table.shape[1])], load=load, counts=[1])


def alike(hosts: int = HOSTS) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.9, 1.1, (ROUNDS, hosts))


def heat(study: Study) -> tuple[Heat, Axis]:
    [panel] = _heat(study, "").picture.panels
    [found] = panel.marks
    assert isinstance(found, Heat)
    return found, panel.y


def test_shades_begin_at_the_least_delay_or_a_hundredth_of_the_median() -> None:
    table = alike()
    assert heat(studied(table))[0].low == table.min()
    table[3, 2] = 1e-6
    assert heat(studied(table))[0].low == pytest.approx(np.median(table) / 100)


def test_a_heat_map_has_the_rounds_and_the_hosts() -> None:
    """In their order, where all have room; and in bold who stands out."""
    table = alike()
    table[:, 4] *= 3
    study = studied(table)
    found, axis = heat(study)
    np.testing.assert_allclose(found.values, table.T)
    assert found.extent is not None
    assert found.extent[1] - found.extent[0] == ROUNDS
    assert axis.names == tuple(f"h{j}" for j in range(HOSTS))
    assert axis.strong == {4.0}
    many = alike(2 * TICKS + 2)
    axis = _hosts_axis(study := studied(many), study.heat_map)
    assert axis.places is not None
    assert len(axis.places) <= TICKS
    assert not axis.strong


def test_parts_of_a_step_stand_one_after_the_other() -> None:
    table = alike()
    table[:, 1] *= 2
    study = studied(table)
    [panel] = _parts(study).panels
    bars = [mark for mark in panel.marks if isinstance(mark, Bars)]
    assert len(bars) == len(PARTS)
    at = 0.0
    for part, mark in zip(PARTS, bars, strict=True):
        assert (mark.start[0], mark.end[0]) == (at, pytest.approx(at + study.seconds(part)))
        at = mark.end[0]
    assert at == pytest.approx(study.seconds())
    assert panel.x.high is not None
    assert panel.x.high > at


def test_changes_that_save_most_are_shown() -> None:
    """The most above, with their intervals; and it says how many others there are."""

    def changes(count: int) -> pd.DataFrame:
        share = np.arange(count) / 100 - 0.01
        low, high = share - 0.01, share + 0.02
        texts = [f"change {i}" for i in range(count)]
        return pd.DataFrame({"share": share, "share_low": low, "share_high": high, "text": texts})

    picture = _savings(changes(3))
    [panel] = picture.panels
    bars, points = panel.marks
    assert isinstance(bars, Bars)
    assert isinstance(points, Points)
    np.testing.assert_allclose(points.x, [1.0, 0.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(bars.start, [0.0, 0.0, -1.0], atol=1e-12)
    np.testing.assert_allclose(bars.end, [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(points.dx, [[1.0] * 3, [2.0] * 3])
    assert panel.y.names == ("change 2", "change 1", "change 0")
    assert picture.heading == ""
    assert _savings(changes(MOST_CHANGES)).heading == ""
    many = _savings(changes(MOST_CHANGES + 1))
    assert many.heading == f"The {MOST_CHANGES} of {MOST_CHANGES + 1} changes that save most"
    assert len(many.panels[0].y.names or ()) == MOST_CHANGES


def test_a_timeline_beside_one_of_typical_tasks() -> None:
    """Both on one axis; who ends a round is told from who waits."""
    table = alike()
    table[:, 2] *= 2
    study = studied(table)
    measured, ideal = _timeline(study, "").picture.panels
    assert measured.x == ideal.x
    shown = study.timeline.drop_duplicates("round")["step"].sum()
    assert measured.x.high == pytest.approx(1.01 * shown)
    ends = [max(mark.end.max(initial=0) for mark in p.marks if isinstance(mark, Bars))
            for p in (measured, ideal)]  # fmt: skip
    count = study.timeline["round"].nunique()
    assert ends == [pytest.approx(shown), pytest.approx(count * study.seconds("typical"))]
    named = {mark.title: mark for mark in measured.marks if isinstance(mark, Bars)}
    slowest = next(mark for title, mark in named.items() if "slowest" in title)
    assert len(slowest.rows) == count
    assert len(set(slowest.rows)) == 1


@pytest.mark.parametrize("load", [None, 2.0])
def test_every_table_begins_with_its_load(load: float | None) -> None:
    study = studied(alike(), load)
    for name in ("slowdown", "hosts", "changes", "heat_map", "timeline"):
        table = getattr(study, name)
        assert table.columns[0] == "load"
        assert table["load"].isna().all() if load is None else (table["load"] == load).all()
    assert study.load == load


def test_changes_in_a_few_words() -> None:
    """Two hosts are named; of more, the first and how many there are."""
    names, seconds = [*"abcdef"], np.ones(2)

    def said(kind: str, **more: Any) -> str:
        return change_name(rounds.Change(kind, seconds, **more), names, 1.5)

    replaced = [said(rounds.REPLACE, count=m, hosts=(2, 0, 4)[:m]) for m in (1, 2, 3)]
    assert replaced == [
        "replace c by median hosts",
        "replace c, a by median hosts",
        "replace c, ... (3 hosts) by median hosts",
    ]
    assert said(rounds.DROP, count=1, hosts=(5,)) == "drop f: the others share the work"
    assert said(rounds.WAIT, count=2) == "wait for 4 of 6"
    assert said(rounds.IDEAL) == "every task is typical, 1.5 s"
    assert said(rounds.BACKUP, quantile=0.9, timeout=2.5) == "backup copy after 2.5 s (90 %)"
