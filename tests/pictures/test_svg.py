"""Pictures as SVG: scales, ticks, fewer points, the dark, what each mark becomes, and any text."""

from __future__ import annotations

import re
import warnings
from io import BytesIO
from itertools import pairwise
from xml.dom import minidom

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.looks import LOOKS, SOLID, Look
from erasurehead.experiments.pictures.picture import (
    Axis,
    Bars,
    Curve,
    Fill,
    Heat,
    Panel,
    Picture,
    Points,
    Rules,
    Texts,
)
from erasurehead.experiments.pictures.svg.marks import (
    DARK,
    LEAST,
    LINE,
    PageStyle,
    contrast,
    on_dark,
)
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.pictures.svg.scale import (
    Scale,
    kept,
    limits,
    linear_ticks,
    log_ticks,
    tick_text,
)
from tests.tools import examples

LOOK = Look("#0072B2", "s", SOLID, "a <b> & c")


def test_places_on_a_linear_and_a_logarithmic_axis() -> None:
    linear = Scale(0.0, 10.0, 50.0, 150.0)
    assert linear(np.array([0.0, 5.0, 10.0])).tolist() == [50.0, 100.0, 150.0]
    log = Scale(1.0, 100.0, 0.0, 200.0, log=True)
    assert log(np.array([1.0, 10.0, 100.0])).tolist() == [0.0, 100.0, 200.0]
    assert np.isnan(log(np.array([0.0, -1.0]))).all()
    turned = Scale(3.0, -1.0, 0.0, 4.0)
    assert turned(np.array([3.0, 0.0, -1.0])).tolist() == [0.0, 3.0, 4.0]


numbers = st.floats(1e-9, 1e9)


@examples(100)
@given(numbers, numbers)
def test_ticks_are_round_within_the_axis_and_not_too_many(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    if high <= low * (1 + 1e-6):
        return
    ticks = linear_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert low - 1e-6 * high <= ticks[0] < ticks[-1] <= high * (1 + 1e-6)
    assert np.ptp(np.diff(ticks)) <= 1e-6 * high
    powers = log_ticks(low, high)
    assert len(powers) >= 2
    assert low * (1 - 1e-6) <= powers[0] < powers[-1] <= high * (1 + 1e-6)


def test_ticks_as_a_reader_expects_them() -> None:
    assert linear_ticks(0.0, 1.0).tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert log_ticks(0.5, 2000.0).tolist() == [1.0, 10.0, 100.0, 1000.0]
    assert log_ticks(1.0, 9.0, (1, 2, 5)).tolist() == [1.0, 2.0, 5.0]
    assert [tick_text(v) for v in (0.0, 1200.0, -2.5)] == ["0", "1200", "−2.5"]
    assert [tick_text(v) for v in (1e-6, 2e7)] == ["10⁻⁶", "2·10⁷"]


def test_an_axis_reaches_around_its_marks_unless_it_says_how_far() -> None:
    curve = Curve(
        LOOK, np.array([0.0, 10.0]), np.array([1.0, np.nan]), np.zeros(2), np.full(2, 3.0)
    )
    assert limits(Axis("x"), [curve], "x") == pytest.approx((-0.5, 10.5))
    assert limits(Axis("y"), [curve], "y") == pytest.approx((-0.15, 3.15))
    assert limits(Axis("y", low=0.0), [curve], "y") == pytest.approx((0.0, 3.15))
    assert limits(Axis("y", low=5.0, high=-1.0), [curve], "y") == (5.0, -1.0)
    assert limits(Axis("x"), [Heat(np.zeros((2, 4)))], "x") == (-0.5, 3.5)
    low, high = limits(Axis("y", log=True), [curve], "y")
    assert 0 < low < 1 < high, "values that are not positive are no obstacle"


@examples(100)
@given(st.lists(st.floats(0, 300), min_size=3, max_size=60), st.floats(0.1, 3.0))
def test_a_thinned_line_stays_where_it_was(values: list[float], tolerance: float) -> None:
    """Every point that is left out lies within the tolerance of the line that is drawn."""
    x, y = np.arange(len(values), dtype=float), np.array(values)
    places = kept(x, [y], tolerance)
    assert places[0] == 0
    assert places[-1] == len(x) - 1
    for a, b in pairwise(places):
        dx, dy = x[b] - x[a], y[b] - y[a]
        far = np.abs(dx * (y[a:b] - y[a]) - dy * (x[a:b] - x[a])) / np.hypot(dx, dy)
        assert far.max() <= tolerance * (1 + 1e-9)


def test_a_straight_line_is_two_points_and_a_gap_stays() -> None:
    x = np.arange(100.0)
    assert kept(x, [2 * x]) == [0, 99]
    y = 2 * x
    y[40:50] = np.nan
    assert kept(x, [y]) == [0, 39, 40, 49, 50, 99]


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_a_scheme_is_legible_in_the_dark(look: Look) -> None:
    assert contrast(on_dark(look.colour), DARK) >= LEAST


def test_contrasts_are_those_of_the_standard() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)
    for pure, against_white in (("#FF0000", 4.00), ("#00FF00", 1.37), ("#0000FF", 8.59)):
        assert contrast(pure, "#FFFFFF") == pytest.approx(against_white, abs=0.01)
        assert contrast("#FFFFFF", pure) == contrast(pure, "#FFFFFF")


def test_one_value_has_room_on_both_sides() -> None:
    """Also on a logarithmic axis, and where it has no value at all to show."""
    for value in (1e-3, 1.0, 250.0):
        one = [Points(LOOK, np.array([value]), np.array([value]))]
        for log in (False, True):
            low, high = limits(Axis("x", log=log), one, "x")
            assert low < value < high
            assert low > 0
    assert limits(Axis("x", log=True), [Points(LOOK, np.zeros(1), np.ones(1))], "x")[0] > 0
    low, high = limits(Axis("x"), [], "x")
    assert low < high


def test_shades_span_what_is_known() -> None:
    """From 0, or on a logarithm from the least positive value or what the picture says."""
    values = np.array([[0.0, 2.0, np.nan], [8.0, np.inf, 4.0]])
    assert Heat(values).limits == (0.0, 8.0)
    assert Heat(values, log=True).limits == (2.0, 8.0)
    assert Heat(values, log=True, low=3.0).limits == (3.0, 8.0)
    assert Heat(values, log=True, low=1.0).limits == (1.0, 8.0), "the lightest shade is nobody's"
    low, high = Heat(np.full((2, 2), 5.0), log=True).limits
    assert 0 < low < high == 5.0
    assert Heat(np.full((1, 2), np.nan)).limits == (0.0, 1.0)
    assert Heat(values).sides == (-0.5, 2.5)
    assert on_dark("#FFFFFF") == DARK


def whole(*marks: object, **axes: Axis) -> Picture:
    x, y = axes.get("x", Axis("time (s)")), axes.get("y", Axis("loss"))
    return Picture([Panel(x, y, list(marks), "a\nb", "<remark>")], 1, 4.8, 3.0)  # type: ignore[arg-type]


def test_what_a_pointer_reads_is_what_was_given() -> None:
    x = np.linspace(0, 10, 50)
    points = Points(LOOK, np.array([5.0]), np.array([2.0]), np.array([[1.0], [2.0]]))
    bars = Bars(Fill("#E69F00", "///", "bar"), np.array([1.0]), np.array([0.0]), np.array([4.0]))
    drawn = draw_picture(
        whole(Curve(LOOK, x, x**2), points, bars, Rules("end", np.array([3.0]))),
        "p",
        "p",
        PageStyle(),
    )
    curve, read, bar = drawn.panels[0].values["marks"]
    assert curve["x"][0] == 0
    assert curve["y"][-1] == 100
    assert np.interp(5.0, curve["x"], curve["y"]) == pytest.approx(25.0, abs=0.2)
    assert read["dx"] == [[4], [7]]
    assert (bar["r"], bar["s"], bar["e"]) == ([1], [0], [4])
    assert [entry.title for entry in drawn.entries] == ["a <b> & c", "bar", "end"]
    assert [entry.key for entry in drawn.entries] == [0, 1, -1], "a rule hides nothing"


def test_texts_are_escaped_and_described() -> None:
    drawn = draw_picture(
        whole(Curve(LOOK, np.arange(2.0), np.arange(2.0))), "p<i>", "p", PageStyle()
    )
    svg = str(drawn.panels[0].svg)
    assert "<b>" not in svg
    assert "<remark>" not in svg
    assert 'aria-label="p&lt;i&gt;: a, b"' in svg
    assert "a &lt;b&gt; &amp; c: 0 at 0, 1 at 1." in svg
    assert "Horizontal: time (s), from -0.05 to 1.05." in svg


def test_a_wide_table_of_shades_stays_small() -> None:
    values = np.random.default_rng(0).random((100, 400))
    values[0, 0] = np.nan
    drawn = draw_picture(whole(Heat(values, "s", log=True)), "p", "p", PageStyle())
    panel = drawn.panels[0]
    assert len(panel.svg) < 150_000
    assert panel.values["marks"][0]["v"][0][0] is None
    assert panel.values["marks"][0]["v"][99][399] == pytest.approx(values[99, 399], rel=1e-3)


def test_a_long_name_beside_the_axis_is_folded_and_not_cut() -> None:
    """A third of its letters would be left of the drawing; each line must fit into its margin."""
    name = "drop_compute pieces=6 patience=1.8 cut=at"
    y = Axis("", low=0.5, high=-0.5, names=(name,))
    bar = Bars(Fill("#000000", "", "a"), np.zeros(1), np.zeros(1), np.ones(1))
    picture = Picture([Panel(Axis("share"), y, [bar])], 1, 4.8, 3.0)
    [panel] = draw_picture(picture, "p", "p", PageStyle()).panels
    found = re.findall(r'text-anchor="end" x="([\d.]+)" y="[\d.]+">([^<]+)<', panel.svg)
    assert " ".join(text for _, text in found) == name
    assert all(float(x) >= 6.0 * len(text) for x, text in found)


def test_a_hidden_scheme_takes_its_whole_bar_along() -> None:
    """Parts of a bar without a title of their own belong to the titled part before them."""
    ones = (np.zeros(1), np.zeros(1), np.ones(1))
    marks = [Bars(Fill("#000000", "", "a"), *ones), Bars(Fill("#AAAAAA", "/", ""), *ones)]
    svg = str(draw_picture(whole(*marks), "p", "p", PageStyle()).panels[0].svg)
    assert len(re.findall(r'class="mark \w+" data-k="0"', svg)) == 2


def test_bars_rules_texts_and_outlines_are_drawn_by_both() -> None:
    """Catches a mark that one renderer knows and the other does not."""
    x = np.array([0.0, 1.0, 2.0])
    marks = (
        Curve(LOOK, x, x + 1, x + 0.5, x + 2, bars=True),
        Rules("at 1.5", x[:1], np.array([1.5]), ":"),
        Texts(x, x, ("<one>", "two\nlines", "three"), "right", bold=True),
        Bars(Fill("#222222", "", "", outline=True), x, x, x + 1),
    )
    picture = whole(*marks)
    svg = draw_picture(picture, "p", "p", PageStyle()).panels[0].svg
    for part in (">&lt;one&gt;<", 'text-anchor="end" font-weight="bold"', ">two<", ">lines<"):
        assert part in svg
    assert 'class="ol"' in svg
    assert svg.count("stroke-dasharray") == 1
    (axes,) = paint.figure(picture).axes
    assert [text.get_text() for text in axes.texts[:3]] == ["<one>", "two\nlines", "three"]
    assert len(axes.containers) == 1


def test_panels_of_a_row_share_their_vertical_axis() -> None:
    x = np.arange(3.0)
    panels = [Panel(Axis("t (s)"), Axis("y"), [Curve(LOOK, x, k * x)]) for k in (1, 5, 2, 3)]
    picture = Picture(panels, 2, 4.8, 3.0, share="rows", heights=(2, 1))
    ends = [
        panel.values["y"]["ends"] for panel in draw_picture(picture, "p", "p", PageStyle()).panels
    ]
    assert ends[0] == ends[1] != ends[2] == ends[3]
    limits = [axes.get_ylim() for axes in paint.figure(picture).axes]
    assert limits[0] == limits[1] != limits[2] == limits[3]


@pytest.mark.parametrize(("least", "log"), [(0.5, True), (0.0, False), (-1.0, False)])
def test_a_shared_axis_is_logarithmic_if_every_panel_can_be(least: float, log: bool) -> None:
    """One is, and the other has numbers of this size."""
    x = np.arange(3.0)
    panels = [
        Panel(Axis("t (s)"), Axis("y", log=True), [Curve(LOOK, x, 10.0**x)]),
        Panel(Axis("t (s)"), Axis("y", low=least), [Curve(LOOK, x, least + x)]),
    ]
    drawn = draw_picture(Picture(panels, 2, 4.8, 3.0, share="y"), "p", "p", PageStyle()).panels
    assert ["log" in panel.values["y"] for panel in drawn] == [log, log]


@pytest.mark.parametrize(("rows", "lines"), [(1, 2), (40, 2), (41, 1)])
def test_names_of_several_lines_have_room_up_to_forty_rows(rows: int, lines: int) -> None:
    y = Axis("", low=rows - 0.5, high=-0.5, names=("one\ntwo",) * rows)
    bars = Bars(Fill("#000000", "", ""), np.arange(rows * 1.0), np.zeros(rows), np.ones(rows))
    picture = Picture([Panel(Axis("x"), y, [bars])], 1, 7.2, 7.0)
    svg = draw_picture(picture, "p", "p", PageStyle()).panels[0].svg
    height = float(re.search(r'viewBox="0 0 \S+ ([\d.]+)"', svg)[1])  # type: ignore[index]
    assert (height > rows * 2 * LINE) == (lines == 2)


# Texts in pictures are drawn as they are: no formulas, no missing glyphs, well-formed XML.


ODD = [
    r"$\frac{$",
    r"$\input$",
    "$" + "{" * 3000 + "$",
    "a$b$c",
    r"\$ and $x$ and \$",
    "_hidden",
    "a\x00\x01\x1b[31m\x07b\r",
    "\ud800 half",
    "\ufffe",
    "\u202eleft",
    "快速 🚀 ✈️",
    "word " * 60,
    "<script>&amp;",
    "[/b]",
]


def picture(text: str) -> Picture:
    curve = Curve(Look("#000000", "o", "-", text), np.arange(3.0), np.arange(3.0))
    panel = Panel(Axis(text), Axis(text, names=(text,), places=(1.0,)), [curve], text, text)
    return Picture(panels=[panel], columns=1, width=7.2, height=7.0, heading=text)


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:20])
def test_odd_texts_are_drawn_without_a_word(text: str) -> None:
    with warnings.catch_warnings(), style.applied():
        warnings.simplefilter("error")
        drawn = paint.figure(picture(text))
        for kind in ("svg", "png", "pdf"):
            sink = BytesIO()
            drawn.savefig(sink, format=kind)
            if kind == "svg":
                minidom.parseString(sink.getvalue())
    (legend,) = drawn.legends
    (entry,) = legend.get_texts()
    assert entry.get_text().strip()


def test_a_dollar_is_a_dollar() -> None:
    """Catches a text that is read as a formula, and one whose own backslash is lost."""
    from matplotlib.text import Text

    for text in ("$x$", r"\$5", "5 $", r"a\b"):
        shown, formula = Text(0, 0, "")._preprocess_math(style.drawable(text))
        assert (shown, formula) == (text, False)


def test_plain_texts_stay() -> None:
    for text in ("ErasureHead, d = 3", "±2 µs", "two\nlines"):
        assert style.drawable(text) == style.entry(text) == text


def test_what_no_font_has_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "fonts", lambda: (style.FONT,))
    assert style.drawable("快") == r"\u5feb"
    assert style.drawable("é") == "é"


def test_a_long_text_is_broken_into_lines() -> None:
    label = " ".join(["label"] * 16)
    lines = style.entry(label).split("\n")
    assert max(map(len, lines)) <= style.WIDEST
    assert " ".join(lines) == label
