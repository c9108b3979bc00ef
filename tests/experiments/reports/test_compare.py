"""``report`` of two results: what answer, table and pictures say of results that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.experiments.pictures import style
from erasurehead.experiments.pictures.picture import Curve, Points
from erasurehead.experiments.reports.compare import (
    Pair,
    compare_results,
    comparison_answer,
    comparison_page,
    comparison_picture,
    comparison_table,
    differences,
    pairs,
    ratio_of_means,
    ratio_picture,
    read_comparison,
)
from erasurehead.experiments.run.files import ANSWER
from erasurehead.experiments.run.reader import Records
from erasurehead.plugins import FloatArray
from tests.tools import SMALL, agg

Ratio = tuple[float, float, float]


def ratios(rows: Sequence[Ratio], **more: list[float]) -> pd.DataFrame:
    """A table of the ratios and their intervals; the first result takes 1 s an iteration."""
    ratio, low, high = zip(*rows, strict=True)
    names = [f"code {i}" for i in range(len(rows))]
    columns = {"label": names, "scheme": "uncoded", "first": 1.0, "second": ratio, "ratio": ratio}
    return pd.DataFrame({**columns, "ratio_low": low, "ratio_high": high, **more})


def test_points_of_two_sweeps_are_matched_by_their_values() -> None:
    """1 is 1.0, and nothing is nothing. Where they sweep other keys, whichever of the two does,
    nobody knows which point is meant; before, the first of them was."""

    def result(label: str = "a", **columns: Sequence[float | None]) -> Records:
        points = max(map(len, columns.values()), default=1)
        table = pd.DataFrame({"label": [label] * points, "scheme": "uncoded", **columns})
        rounds = table.assign(replication=0, iteration=0, time=np.arange(float(points)))
        return Records(rounds, table, directory=Path("there"))

    once, twelve = result(), result(workers=[12])
    for first, second in ((once, twelve), (twelve, once), (twelve, result(seed=[12]))):
        with pytest.raises(ConfigError, match="; must sweep the same keys as there, which"):
            pairs(first, second)
    with pytest.raises(ConfigError, match="has no scheme and point of a sweep that there has: b"):
        pairs(once, result("b"))
    both = pairs(result(rate=[1, 2]), result(rate=[1.0, 1.5, 2.0]))
    assert [(pair.label, pair.scheme, pair.swept) for pair in both] == [
        ("a", "uncoded", {"rate": "1"}),
        ("a", "uncoded", {"rate": "2"}),
    ]
    assert [float(pair.second["time"][0, 0]) for pair in both] == [0.0, 2.0]
    unlimited, _ = pairs(result(rate=[None, 2.0]), result(rate=[2.0, None]))
    assert unlimited.swept == {"rate": "null"}
    assert unlimited.second["time"].tolist() == [[1.0]]


NAN = float("nan")


def test_iterations_of_no_time_are_as_long_as_each_other() -> None:
    assert ratio_of_means(np.zeros(3), np.zeros(3)) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("rows", "verdict", "why"),
    [
        ([(1.0, NAN, NAN)], "Iterations of b take exactly as long as those of a.", ""),
        ([(1.001, 0.9, 1.1)], "as long as one of a: their means do not differ clearly, over", ""),
        ([(1.001, 1.0, 1.1)], "their means do not differ clearly", "0 of 1 ratios"),
        ([(0.9999, 0.9, 1.0)], "their means do not differ clearly", "0 of 1 ratios"),
        ([(1.001, 1.0005, 1.1)], "takes 1.001 times as long", "in a, 1.001 s in b"),
        ([(0.9999, 0.9, 0.99995)], "takes 0.9999 times as long", "1 of 1 ratios"),
        ([(1.0000125, 1.00001, 1.00002)], "takes 1.00001 times", "in a, 1.00001 s in b"),
        ([(1.001, NAN, NAN)], "takes 1.001 times as long", "Farthest apart is code"),
        ([(1.5, 0.9, 2.0)], "takes 1.5 times as long as one of a, over the scheme that", "0 of 1"),
        ([(2.0, 1.5, 3.0), (1.0, NAN, NAN)], "1.41 times as long as one of a (1 to 2)", "1 of 1"),
        ([(2.0, 1.5, NAN), (4.0, 3.0, 5.0)], "over the 2 schemes and points that", "1 of 1 ratios"),
        ([(3.0, 2.0, 4.0), (0.25, 0.2, 0.3)], "(0.25 to 3)", "Farthest apart is code 1: 1 s an"),
        ([(0.0, 0.0, 0.0), (3.0, 2.0, 4.0)], "takes 1.5 times", "Farthest apart is code 0"),
    ],
)  # fmt: skip
def test_what_is_said_of_ratios(rows: list[Ratio], verdict: str, why: str) -> None:
    """Ends of an interval that touch 1 hold it; distances are those of logarithms."""
    said = comparison_answer(ratios(rows), "a", "b")
    assert verdict in said.verdict
    assert any(why in line for line in said.why) if why else True
    far = any("Farthest apart" in line for line in said.why)
    assert far == any(ratio != 1 for ratio, *_ in rows)


def test_the_largest_difference_of_losses_is_said() -> None:
    table = ratios([(1.0, 1.0, 1.0)] * 3, loss_difference=[0.1, 0.3, 0.2])
    said = "Training losses differ by 0.3 at most, iteration by iteration."
    assert said in comparison_answer(table, "a", "b").why
    table["loss_difference"] = np.nan  # of two infinite losses
    assert "Training losses diverge." in comparison_answer(table, "a", "b").why


def test_the_picture_of_ratios_has_a_row_each() -> None:
    """From the top down, with the interval's two sides; an unknown one has no bar."""
    picture = ratio_picture(ratios([(2.0, 1.5, 4.0), (0.5, NAN, NAN)]))
    [panel] = picture.panels
    line, *points = panel.marks
    assert isinstance(line, Curve)
    assert set(line.x) == {1.0}
    found = [mark for mark in points if isinstance(mark, Points)]
    assert [(*mark.x, *mark.y) for mark in found] == [(2.0, 0.0), (0.5, 1.0)]
    bars = [mark.dx for mark in found]
    np.testing.assert_array_equal(bars, [[[0.5], [2.0]], [[0.0], [0.0]]])
    assert panel.y.names == ("code 0", "code 1")
    assert panel.y.low is not None
    assert panel.y.high is not None
    assert panel.y.low > 1 > 0 > panel.y.high, "the first row is on top, and all are inside"
    assert not picture.heading
    assert ratio_picture(ratios([(2.0, 1.5, 4.0)] * 30)).heading == ""
    many = ratio_picture(ratios([(2.0, 1.5, 4.0)] * 32))
    assert "2" in many.heading
    assert len(many.panels[0].marks) == 31


def test_a_row_is_named_by_its_point_of_the_sweep() -> None:
    known = {"ratio": 1.0, "ratio_low": 0.9, "ratio_high": 1.1}
    for columns, name in (
        ({"delay.rate": 2.0, "seed": 1, "replications": 3}, "a; 2.0, 1"),
        ({"replications": 3}, "a"),
        ({}, "a"),
    ):
        table = pd.DataFrame([{"label": "a", "scheme": "uncoded", **columns, **known}])
        assert ratio_picture(table).panels[0].y.names == (name,)


def test_the_table_has_the_points_of_a_sweep_and_losses_if_there_are_any() -> None:
    table = ratios([(2.0, 1.5, 4.0), (0.5, NAN, NAN)], correlation=[0.5, 0.5])
    table.insert(2, "replications", [2, 4])
    table.insert(3, "iterations", [9, 7])
    said = comparison_answer(table, "a", "b")
    counts = comparison_page(table, said, []).question
    assert counts == [("results", "a, b"), ("iterations", "9"), ("replications", "4")]
    for extra, columns, cells in (
        ({}, [], ["code 0", "1", "2", "2 (1.5 to 4)", "0.5"]),
        (
            {"loss_difference": 0.25},
            ["largest loss difference"],
            ["code 0", "1", "2", "2 (1.5 to 4)", "0.5", "0.25"],
        ),
    ):
        [shown] = comparison_page(table.assign(**extra), said, []).tables
        assert shown.columns[1:] == [
            *("first (s)", "second (s)", "ratio (95 %)", "correlation", *columns)
        ]
        assert [str(cell) for cell in shown.rows[0]] == cells
        assert len(shown.rows) == 2
    swept = table.copy()
    swept.insert(2, "seed", [1, 2])
    [shown] = comparison_page(swept, said, []).tables
    assert shown.columns[:2] == ["scheme", "seed"]
    assert [str(row[1]) for row in shown.rows] == ["1", "2"]


def side(seconds: FloatArray, loss: FloatArray | None) -> dict[str, FloatArray]:
    """The columns of ``(R, T)`` iteration times."""
    start = np.zeros((len(seconds), 1))
    times = np.hstack([start, np.cumsum(seconds, axis=1)])
    found = {"time": times, "iteration_time": np.hstack([start + np.nan, seconds])}
    return found if loss is None else {**found, "train_loss": loss}


def paired(a: FloatArray, b: FloatArray, losses: bool = True, **swept: str) -> Pair:
    rng = np.random.default_rng(0)
    one, two = rng.random((2, len(a), a.shape[1] + 1)) if losses else (None, None)
    return Pair("a", "uncoded", swept, side(a, one), side(b, two))


def test_what_varies_correlates_and_what_does_not_is_unknown() -> None:
    up = np.array([[1.0, 2.0], [3.0, 5.0]])
    for a, b, expected in (
        (up, 9.0 - up, -1.0),
        (up, np.ones((2, 2)), NAN),
        (np.ones((2, 2)), up, NAN),
        (up[:1, :1], up[:1, :1], NAN),
    ):
        row = comparison_table([paired(a, b, losses=False)]).iloc[0]
        np.testing.assert_allclose(row["correlation"], expected)
        assert (row["replications"], row["iterations"]) == a.shape
        assert row["difference"] == (b - a).mean()
        assert "loss_difference" not in row
    assert np.isnan(ratio_of_means(np.ones(1), np.ones(1))[1:]).all()
    assert np.isfinite(ratio_of_means(np.ones(2), np.ones(2))).all()


def test_what_only_one_result_has_of_a_cell_is_left_out() -> None:
    def result(replications: int, iterations: int) -> Records:
        index = [(r, t) for r in range(replications) for t in range(iterations + 1)]
        frame = pd.DataFrame(index, columns=["replication", "iteration"])
        seconds = 10.0 * frame["replication"] + frame["iteration"]
        frame = frame.assign(time=seconds, iteration_time=seconds, label="a", scheme="uncoded")
        return Records(frame.assign(seed=2), pd.DataFrame({"seed": [2]}))

    [found] = pairs(result(3, 4), result(2, 6))
    assert found.swept == {"seed": "2"}
    expected = [[0.0, 1.0, 2.0, 3.0, 4.0], [10.0, 11.0, 12.0, 13.0, 14.0]]
    for columns in (found.first, found.second):
        assert set(columns) == {"time", "iteration_time"}
        np.testing.assert_array_equal(columns["time"], expected)


@pytest.mark.parametrize(("least", "log"), [(0.099, True), (0.1, False), (0.0, False)])
def test_times_that_span_more_than_tenfold_are_logarithmic(least: float, log: bool) -> None:
    """Both axes have the same ends, and the line of equal times goes through them."""
    times = np.array([[least, 1.0, 0.5]])
    panel = comparison_picture([paired(times, times[:, ::-1])], "run", "live").panels[0]
    assert (panel.x.log, panel.y.log) == (log, log)
    assert (panel.x.low, panel.x.high) == (panel.y.low, panel.y.high)
    assert panel.x.low is not None
    assert panel.x.low < least if log else panel.x.low == 0
    assert panel.x.high is not None
    assert panel.x.high > 1
    line = panel.marks[-1]
    assert isinstance(line, Curve)
    np.testing.assert_array_equal(line.x, line.y)
    np.testing.assert_array_equal(line.x, [panel.x.low, panel.x.high])


def test_of_many_iterations_some_are_drawn_and_the_ends_always() -> None:
    times = np.arange(1.0, 1201.0)[None]
    picture = comparison_picture([paired(times, times)], "run", "live")
    points = [next(m for m in panel.marks if isinstance(m, Points)) for panel in picture.panels]
    assert len(points[0].x) == 300
    assert (points[0].x[0], points[0].x[-1]) == (1.0, times[0, -1])
    assert len(points[1].x) == 12
    assert (points[1].x[0], points[1].x[-1]) == (0.0, times.sum())


def test_losses_are_means_over_replications() -> None:
    """The first result is a line, the second points on it; without losses there is no panel."""
    a = np.array([[1.0, 2.0], [3.0, 4.0]])
    cell = paired(a, 2 * a)
    _, panel = comparison_picture([cell], "run", "live").panels
    curve, points = panel.marks
    assert isinstance(curve, Curve)
    assert isinstance(points, Points)
    np.testing.assert_array_equal(curve.x, [0.0, 2.0, 5.0])
    np.testing.assert_array_equal(points.x, [0.0, 4.0, 10.0])
    for mark, known in (curve, cell.first), (points, cell.second):
        np.testing.assert_array_equal(mark.y, known["train_loss"].mean(axis=0))
    alone = comparison_picture([paired(a, a, losses=False)], "run", "live")
    assert len(alone.panels) == alone.columns == 1
    assert alone.width < comparison_picture([cell], "run", "live").width
    both = [paired(a, a, seed="1"), paired(a, a, seed="2")]
    shown = comparison_picture(both, "run", "live")
    assert shown.heading == "seed = 1"
    assert len(shown.panels[0].marks) == 2, "of the first point of the sweep, and the line"


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    """Values where they are words or numbers; and the schemes that one result has alone."""

    def records(name: str, labels: list[str], **config: object) -> Records:
        table = pd.DataFrame({"label": labels, "scheme": labels})
        empty = pd.DataFrame()
        return Records(tmp_path / name, table, table, empty, config=dict(config))

    one = records("one", ["a", "b"], workers=4, seed=1, delay={"rate": 1})
    two = records("two", ["b"], workers=4, seed=2, delay={"rate": 2})
    seed, delay, alone = differences(one, two, "one", "two")
    assert seed == "They differ in seed: 1 in one, 2 in two, so ratios are not of schemes alone."
    assert delay == "They differ in delay, so ratios are not of schemes alone."
    assert alone == "Only one has a."
    assert differences(one, one, "one", "one") == ()
    code = {"name": "erasurehead", "label": "EH", "wait_for": 4}
    four = records("four", ["EH"], schemes=[code, {"name": "uncoded"}], sweep={"seed": [1, 2]})
    six = records("six", ["EH"], schemes=[{**code, "wait_for": 6}], sweep={"seed": [2, 3]})
    assert differences(four, six, "four", "six") == (
        "They sweep other values; the points that both have are compared.",
        "EH is another scheme in six than in four.",
    )
    nothing = records("none", ["c"])
    assert differences(two, nothing, "two", "none") == ("Only two has b.", "Only none has c.")


def test_an_old_answer_does_not_outlive_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a later comparison fails on the way, nobody reads the answer of another one."""
    config = {k: v for k, v in SMALL.items() if k not in ("problem", "optimizer")}
    for name, seed in (("one", 0), ("two", 1)):
        eh.run(config, set={"seed": seed}, output=tmp_path / name, progress=False)
    one, two, out = (tmp_path / name for name in ("one", "two", "out"))
    with agg():
        compare_results(one, two, out)
        assert "They differ in seed: 0 in one, 1 in two" in (out / ANSWER).read_text()
        assert read_comparison(out).answer.kind == "compare"
        monkeypatch.setattr(style, "save", Mock(side_effect=OSError("No space left on device")))
        with pytest.raises(OSError, match="No space"):
            compare_results(two, one, out)
    assert not (out / ANSWER).exists()
    with pytest.raises(ConfigError, match="must not be one of the two results"):
        compare_results(one, two, two)
    with pytest.raises(ConfigError, match="must not be one of the two results"):
        compare_results(one, two, one)


@pytest.mark.parametrize(
    ("one", "two"), [([1.0, 4.0], [2.0, 2.0]), ([2.0, 2.0], [4.0, 1.0]), ([2.0, 4.0], [4.0, 2.0])]
)
def test_the_line_of_equal_times_goes_beyond_the_longest_of_both(
    one: list[float], two: list[float]
) -> None:
    """Whichever of the two it is in."""
    panel = comparison_picture([paired(np.array([one]), np.array([two]))], "run", "live").panels[0]
    [line] = [mark for mark in panel.marks if isinstance(mark, Curve)]
    assert line.x.tolist() == line.y.tolist() == pytest.approx([0.0, 4.2])


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_axes_begin_before_the_shortest_of_all(swapped: bool, first: bool) -> None:
    """Whichever result it is in, and whichever scheme's it is."""
    short, long = np.array([[0.05, 1.0]]), np.array([[0.5, 2.0]])
    one, two = (long, short) if swapped else (short, long)
    shown = [paired(one, two), replace(paired(long, long), label="b")]
    panel = comparison_picture(shown if first else shown[::-1], "run", "live").panels[0]
    assert panel.x.log
    assert (panel.x.low, panel.x.high) == pytest.approx((0.05 / 1.1, 2.1))
