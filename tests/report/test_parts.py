"""Parts of a report's page on tables that are made by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.page.answer import table_at
from erasurehead.experiments.page.html import MOST_ENTRIES, legible
from erasurehead.experiments.pictures.picture import Heat
from erasurehead.experiments.pictures.records import Records
from erasurehead.experiments.pictures.svg.picture import LegendEntry
from erasurehead.experiments.report.page import MOST_ROUNDS, MOST_SCHEMES, MOST_WORKERS, heat_maps
from erasurehead.experiments.text import enumerated, left_out, number_of, sentence
from tests.tools import inside


def timeline(label: str, workers: int, rounds: int) -> pd.DataFrame:
    """Worker j computes j + 1 s in each round, in two spans; the master and a dead worker, too."""
    index = [(j, t) for j in range(workers) for t in range(1, rounds + 1)]
    base = pd.DataFrame(index, columns=["worker", "iteration"])
    spans = []
    for kind, share in (("computing", 0.75), ("cancelled", 0.25), ("dead", 9.0)):
        seconds = share * (base["worker"] + 1)
        spans.append(base.assign(label=label, kind=kind, start=1.0, end=1.0 + seconds))
    master = base[:1].assign(label=label, kind="computing", worker=-1, start=0.0, end=50.0)
    return pd.concat([*spans, master], ignore_index=True)


def records(*spans: pd.DataFrame) -> Records:
    labels = [span["label"].iloc[0] for span in spans]
    table = pd.DataFrame({"label": labels, "scheme": "uncoded", "recovered": 1.0})
    return Records(table, table, timeline=pd.concat(spans, ignore_index=True))


def test_a_heat_map_has_the_seconds_that_workers_computed() -> None:
    [chart] = heat_maps(records(timeline("a", 3, 4)))
    [panel] = chart.picture.panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_allclose(heat.values, np.arange(1.0, 4.0)[:, None] * np.ones(4))
    assert heat.extent is not None
    assert tuple(heat.extent)[:2] == (0.5, 4.5)
    assert panel.y.names == ("0", "1", "2")
    assert "The first" not in chart.words
    assert [*heat_maps(replace(records(timeline("a", 3, 4)), timeline=None))] == []


@pytest.mark.parametrize(
    ("workers", "rounds", "cut"),
    [
        (MOST_WORKERS, 1, False),
        (MOST_WORKERS + 1, 1, True),
        (1, MOST_ROUNDS, False),
        (1, MOST_ROUNDS + 1, True),
    ],
)
def test_a_heat_map_says_what_it_leaves_out(workers: int, rounds: int, cut: bool) -> None:
    [chart] = heat_maps(records(timeline("a", workers, rounds)))
    [heat] = chart.picture.panels[0].marks
    assert isinstance(heat, Heat)
    assert heat.values.shape == (min(workers, MOST_WORKERS), min(rounds, MOST_ROUNDS))
    assert (f"The first {MOST_WORKERS} workers and {MOST_ROUNDS} rounds." in chart.words) == cut
    places = chart.picture.panels[0].y.places
    assert places is not None
    assert len(places) <= 13
    assert np.ptp(np.diff(places)) == 0 if len(places) > 1 else places == (0,)


def test_heat_maps_are_of_the_first_schemes() -> None:
    several = [timeline(name, 2, 2) for name in "abcd"]
    assert len(several) == MOST_SCHEMES + 1
    [chart] = heat_maps(records(*several[:-1]))
    assert [panel.title for panel in chart.picture.panels] == ["a", "b", "c"]
    assert "schemes with rounds" not in chart.words
    [chart] = heat_maps(records(*several))
    assert [panel.title for panel in chart.picture.panels] == ["a", "b", "c"]
    assert f"The first {MOST_SCHEMES} of 4 schemes with rounds." in chart.words


def test_a_legend_has_eight_schemes_and_what_is_no_scheme() -> None:
    """Entries with a key below 0, such as theory's, are never left out."""

    def entries(count: int) -> list[LegendEntry]:
        return [LegendEntry("", Markup(""), key) for key in (*range(count), -1)]

    for count, muted in ((3, ()), (MOST_ENTRIES, ()), (MOST_ENTRIES + 2, (8, 9))):
        shown, grey = legible(entries(count))
        assert grey == muted
        assert [each.key for each in shown] == [*range(min(count, MOST_ENTRIES)), -1]


def test_words_for_numbers() -> None:
    assert left_out(0, "row") == ""
    assert left_out(1, "row") == "1 more row is not shown"
    assert left_out(2, "row", "of the table") == "2 more rows of the table are not shown"
    assert (number_of(1, "cell"), number_of(0, "cell")) == ("1 cell", "0 cells")
    assert number_of(2, "worker holds", "workers hold") == "2 workers hold"
    assert enumerated("abc", 3) == "a, b, c"
    assert enumerated("abcd", 3) == "a, b, c and 1 more"
    assert (sentence("a b"), sentence("a")) == ("A b.", "A.")


def test_what_a_table_lacks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    assert table_at(path, ("b",)).shape == (1, 2)
    with pytest.raises(ConfigError, match=r"t\.csv: has no column c; run the same command again$"):
        table_at(path, ("a", "c", "d"))
    path.write_text("a,b\n")
    with pytest.raises(ConfigError, match=r"t\.csv: has no rows; run"):
        table_at(path, ("a",))
    assert table_at(path, ("a",), may_be_empty=True).empty


def test_plot_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        done = inside("plot", tmp_path / name)
        assert done.returncode == 2
        assert done.stderr == f"error: {tmp_path / name}: no such directory\n"
