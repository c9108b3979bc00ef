"""Pictures as SVG: scales, ticks, fewer points, the dark, what each mark becomes, and any text."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from xml.dom import minidom

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.looks import SCHEME_LOOKS, SOLID, Look
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
    DARK_BACKGROUND,
    LINE_UNITS,
    MIN_CONTRAST,
    MIN_LIGHT_CONTRAST,
    PageStyle,
    contrast,
    dashed,
    on_dark,
    shades,
)
from erasurehead.experiments.pictures.svg.picture import draw_picture, row_count
from erasurehead.experiments.pictures.svg.scale import (
    Scale,
    kept,
    limits,
    linear_ticks,
    log_ticks,
    readable,
    tenth,
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


@pytest.mark.parametrize("look", SCHEME_LOOKS.values(), ids=list(SCHEME_LOOKS))
def test_a_scheme_is_legible_in_the_dark_and_on_paper(look: Look) -> None:
    assert contrast(on_dark(look.colour), DARK_BACKGROUND) >= MIN_CONTRAST
    inks = PageStyle()
    inks.ink(look.colour)
    (paper,) = re.findall(r"--c:(#\w{6})", inks.css()[0])
    assert contrast(paper, "#FFFFFF") >= MIN_LIGHT_CONTRAST
    assert paper == look.colour or contrast(look.colour, "#FFFFFF") < MIN_LIGHT_CONTRAST


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
    assert on_dark("#FFFFFF") == DARK_BACKGROUND


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
    """A third of its letters would be left of the drawing; each line must fit into its margin. Its
    lines are about as long, the drawing is as high as they are many, and "76.7 %" is one word. A
    picture that is wide in a file is so in a page, where a narrow window has it in fewer units."""
    name = "wait for 23 of 24 (without node-17 in 76.7 % of the steps)"
    bar = Bars(Fill("#000000", "", "a"), np.zeros(1), np.zeros(1), np.ones(1))
    shown = Panel(Axis("share"), Axis("", low=0.5, high=-0.5, names=(name,)), [bar])
    [one] = draw_picture(Picture([shown], 1, 4.8, 3.0), "p", "p", PageStyle()).panels
    [wide] = draw_picture(Picture([shown], 1, 7.2, 3.0), "p", "p", PageStyle()).panels
    assert (one.width, one.narrow, wide.width) == (480, "", 880)
    for svg, lines in ((one.svg, 3), (wide.svg, 2), (wide.narrow, 3)):
        found = re.findall(r'text-anchor="end" x="([\d.]+)" y="([\d.]+)">([^<]+)<', svg)
        assert " ".join(text for *_, text in found).replace("\xa0", " ") == name
        assert all(float(x) >= 8.2 * len(text) for x, _, text in found)
        lengths = [len(text) for *_, text in found]
        assert len(found) == lines
        assert max(lengths) - min(lengths) < 10
        assert not any(text.startswith("%") for *_, text in found)
        assert float(found[0][1]) > 15, "below the upper edge"
    assert "0 0 880" in wide.svg
    assert "0 0 480" in wide.narrow
    assert [*wide.values["narrow"]["x"]["at"]] == one.values["x"]["at"]


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
    assert (height > rows * 2 * LINE_UNITS) == (lines == 2)


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


@pytest.mark.one_in(4)
@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:20])
def test_odd_texts_are_drawn_without_a_word(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = paint.figure(picture(text))
        svg, _, _ = (style.rendered(drawn, kind) for kind in ("svg", "png", "pdf"))
    minidom.parseString(svg)
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
    assert max(map(len, lines)) <= 60
    assert " ".join(lines) == label
    assert [len(line) for line in style.drawable(f"{'a' * 60}\n{'b' * 61}").split("\n")] == [
        *(60, 60, 1)
    ]
    assert style.drawable("c" * 240).replace("\n", "") == "c" * 240
    cut = style.drawable("c" * 241).replace("\n", "")
    assert len(cut) == 240
    assert cut.startswith("c" * 100)
    assert cut.endswith("c")


# What is drawn where: sizes, ticks and their names, words for who cannot see, strokes and shades.


def sized(picture: Picture) -> list[tuple[float, float]]:
    """Width and height of each panel, in units of the drawing."""
    panels = draw_picture(picture, "p", "p", PageStyle()).panels
    found = [re.search(r'viewBox="0 0 (\S+) (\S+)"', panel.svg) for panel in panels]
    return [(float(each[1]), float(each[2])) for each in found if each]


def in_rows(rows: int, a_row: int = 1, *more: object) -> Panel:
    """Bars in rows with names, so many in each."""
    y = Axis("", low=rows - 0.5, high=-0.5, names=tuple(f"r{i}" for i in range(rows)))
    places = np.repeat(np.arange(rows, dtype=float), a_row)
    bars = Bars(Fill("#000000", "", "a"), places, 0 * places, 1 + 0 * places)
    return Panel(Axis("x"), y, [bars, *more])  # type: ignore[list-item]


CURVED = Panel(Axis("x"), Axis("y"), [Curve(LOOK, np.arange(2.0), np.arange(2.0))])
SHADED = Heat(np.ones((3, 4)))


@pytest.mark.parametrize(
    ("panels", "width", "height", "wide"),
    [
        ([CURVED], 480, 310, False),
        ([CURVED] * 2, 400, 268, True),
        ([in_rows(1)], 480, 130, False),  # never lower than that
        ([in_rows(3)], 480, 70 + 3 * 24, False),
        ([in_rows(12)], 480, 70 + 12 * 24, False),
        ([in_rows(13)], 880, 70 + 13 * 24, True),
        ([in_rows(12)] * 2, 480, 70 + 12 * 24, True),
        ([in_rows(12)] * 3, 480, 70 + 12 * 15, True),  # rows are lower where there are three
        ([in_rows(30)], 880, 70 + 30 * 11, True),
        ([in_rows(100)], 880, 70 + 100 * 8, True),  # and never lower than 8
        ([in_rows(4, 3)], 480, 70 + 4 * 24, False),
        ([in_rows(4, 4)], 880, 70 + 4 * 24, True),  # over three bars a row need the width
        ([in_rows(1, 6)], 480, 130, False),
        ([in_rows(1, 7)], 880, 130, True),
        ([Panel(Axis("x"), Axis("y"), [SHADED])], 880, 70 + 3 * 24, True),
    ],
    ids=str,
)
def test_a_panel_is_as_large_as_what_it_shows(
    panels: list[Panel], width: float, height: float, wide: bool
) -> None:
    picture = Picture(panels, len(panels), 4.8, 3.0)
    assert sized(picture) == [(width, height)] * len(panels)
    assert draw_picture(picture, "p", "p", PageStyle()).wide is wide


def test_panels_below_each_other_have_the_width_of_the_page() -> None:
    """Each is drawn again for a narrow window, but for one with words, which would be cut there."""
    words = replace(CURVED, marks=[*CURVED.marks, Texts(np.ones(1), np.ones(1), ("a",))])
    picture = Picture([CURVED, words], 1, 4.8, 3.0)
    assert sized(picture) == [(880, 310)] * 2
    panels = draw_picture(picture, "p", "p", PageStyle()).panels
    kinds = [re.findall(r'class="panel ?(\w*)"', panel.svg + panel.narrow) for panel in panels]
    assert kinds == [["broad", ""], ["labelled"]]


def test_a_panel_without_anything_to_see_is_left_out_unless_all_are() -> None:
    gone = np.full(2, np.nan)
    nothing = [
        Panel(Axis("x"), Axis("y"), [mark])
        for mark in (
            Curve(LOOK, np.arange(2.0), gone),
            Points(LOOK, gone, np.arange(2.0)),
            Bars(Fill("#000000", "", "a")),
            Heat(np.full((2, 2), np.nan)),
            Texts(np.empty(0), np.empty(0), ()),
            Rules("r", np.ones(1)),
        )
    ]
    assert sized(Picture([CURVED, *nothing], 3, 4.8, 3.0)) == [(480, 310)]
    assert len(sized(Picture(nothing, 3, 4.8, 3.0))) == len(nothing)
    for mark in (Points(LOOK, np.ones(1), np.ones(1)), Texts(np.ones(1), np.ones(1), ("a",))):
        assert len(sized(Picture([CURVED, Panel(Axis("x"), Axis("y"), [mark])], 2, 4, 3))) == 2


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 6, [0, 1, 2, 3, 4, 5, 6]),
        (0, 6.1, [0, 2, 4, 6]),
        (0, 12.1, [0, 2.5, 5, 7.5, 10]),
        (0, 15.1, [0, 5, 10, 15]),
        (0, 31, [0, 10, 20, 30]),
        (30, -1, [0, 10, 20, 30]),
        (0.3, 0.7, [0.3, 0.4, 0.5, 0.6, 0.7]),
    ],
)
def test_ticks_are_multiples_of_1_2_2_and_a_half_or_5(
    low: float, high: float, ticks: list[float]
) -> None:
    assert linear_ticks(low, high) == pytest.approx(np.array(ticks, dtype=float))


@pytest.mark.parametrize(
    ("x", "names"),
    [
        (range(12, 25), ["12", "14", "16", "18", "20", "22", "24"]),  # no 12.5
        (range(14, 28), ["14", "16", "18", "20", "22", "24", "27"]),  # 26 is too near to the last
        (range(13), ["0", "2", "4", "6", "8", "10", "12"]),
        (range(4), ["0", "1", "2", "3"]),
        (range(101), ["0", "20", "40", "60", "80", "100"]),
        ([0.0, 1.0], ["0", "0.2", "0.4", "0.6", "0.8", "1"]),  # from end to end, no count
        ([0.0, 1.0, 4.5], ["0", "1", "2", "3", "4"]),
    ],
)
def test_an_axis_that_counts_has_whole_numbers_and_the_last(
    x: Sequence[float], names: list[str]
) -> None:
    at = np.array(x, dtype=float)
    panel = draw_picture(whole(Curve(LOOK, at, at + 0.5)), "p", "p", PageStyle()).panels[0]
    assert re.findall(r'text-anchor="middle" x="[\d.]+" y="283">([^<]+)<', panel.svg) == names


@pytest.mark.parametrize(
    ("low", "high", "mantissas", "ticks"),
    [
        (1, 1e7, (), [10.0**k for k in range(8)]),  # steps of two decades from eight on
        (1, 1e8, (), [1, 1e2, 1e4, 1e6, 1e8]),
        (1, 1e15, (), [1, 1e3, 1e6, 1e9, 1e12, 1e15]),
        (1e3, 1, (), [1, 10, 100, 1000]),
        (1, 20, (), [1, 2, 5, 10, 20]),  # two powers alone would be too few
        (1, 100, (), [1, 10, 100]),
        (1.2, 6.5, (), [1.5, 2, 3, 5]),
        (1, 100, (1, 3), [1, 3, 10, 30, 100]),
        (4.1, 4.9, (), [4.2, 4.4, 4.6, 4.8]),  # no multiple is there: as on a plain axis
    ],
)
def test_ticks_of_a_logarithmic_axis(
    low: float, high: float, mantissas: tuple[float, ...], ticks: list[float]
) -> None:
    assert log_ticks(low, high, mantissas) == pytest.approx(np.array(ticks, dtype=float))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-4, "0.0001"),
        (9.9e-5, "9.9·10⁻⁵"),
        (99999.0, "99999"),
        (1e5, "10⁵"),
        (-123456.0, "\N{MINUS SIGN}1.235·10⁵"),
        (-0.0, "0"),
        (-3e-12, "\N{MINUS SIGN}3·10⁻¹²"),
    ],
)
def test_numbers_at_ticks(value: float, text: str) -> None:
    assert tick_text(value) == text


def test_what_a_pointer_reads_has_four_digits() -> None:
    assert readable([1.23456, 12345.6, 3.0, 1e15, 2e14, np.nan, np.inf]) == [
        *(1.235, 12350, 3, 1e15, 2 * 10**14, None, None)
    ]
    assert [type(each) for each in readable([3.0, 0.5, 1e15])] == [int, float, float]
    assert [tenth(v) for v in (1.0, 1.25, -0.04, 0.04, -0.06, 10.0)] == [
        *("1", "1.2", "0", "0", "-0.1", "10")
    ]
    far = Scale(0.0, 1.0, 0.0, 100.0)(np.array([1e9, -1e9, np.inf]))
    assert far[:2].tolist() == [1e4, -1e4], "a browser cannot draw what lies so far away"
    assert np.isnan(far[2])


def words_of(*marks: object, **axes: Axis) -> str:
    svg = draw_picture(whole(*marks, **axes), "p", "p", PageStyle()).panels[0].svg
    [said] = re.findall(r"<desc[^>]*>(.*)</desc>", svg)
    return str(said)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (Points(LOOK, np.array([2.0]), np.array([3.0])), ": 3 at 2."),
        (Points(LOOK, np.arange(2.0), np.arange(2.0)), ": 2 points."),
        (Curve(LOOK, np.arange(4.0), np.array([np.nan, 7, 8, np.nan])), ": 7 at 1, 8 at 2."),
        (Bars(Fill("#000000", "", "c"), *np.array([[1.0], [2.0], [4.0]])), "c: 2 to 4."),
        (Bars(Fill("#000000", "", "c"), *np.ones((3, 2))), "c: 2 bars."),
        (Heat(np.arange(6.0).reshape(2, 3)), "2 rows of 3 shades, from 0 to 5."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_mark_in_words(mark: object, words: str) -> None:
    assert words in words_of(mark)


@pytest.mark.parametrize(
    ("schemes", "more"), [(12, ""), (13, "And 1 more. "), (20, "And 8 more. ")]
)
def test_a_picture_in_words_names_twelve_schemes(schemes: int, more: str) -> None:
    one = np.ones(1)
    marks = [Points(Look("#0072B2", "s", SOLID, f"s{i}"), one, one) for i in range(schemes)]
    said = words_of(*marks, y=Axis("loss", log=True), x=Axis("", names=("a",)))
    assert len(re.findall(r"s\d+: ", said)) == 12
    assert said.endswith(f"s11: 1 at 1. {more}&lt;remark&gt;.")
    assert said.startswith("Horizontal: rows. Vertical: loss, from "), "names have no ends"
    assert ", logarithmic." in said


def texts_of(svg: str, kind: str) -> list[tuple[float, float, str]]:
    found = re.findall(rf'<text class="{kind}" [^>]*x="(\S+)" y="(\S+)">([^<]*)<', svg)
    return [(float(x), float(y), words) for x, y, words in found]


def test_where_words_stand_around_a_panel() -> None:
    """One row of shades, 880 units wide and 130 high: the axes end at 866 and at 88, and begin at
    26 and beside two letters of 8.2 units. The shades are told from 0 to 10 s at the right."""
    y = Axis("worker", names=("w0",))
    shown = whole(Heat(np.array([[0.0, 10.0]]), "s"), y=y)
    panel = draw_picture(shown, "p", "p", PageStyle()).panels[0]
    left, right, below = 16 + 2 * 8.2, 866, 88
    assert panel.values["x"]["at"] == [left, right]
    assert panel.values["y"]["at"] == [below, 26]
    assert texts_of(panel.svg, "al") == [
        (pytest.approx((left + right) / 2), below + 34, "time (s)"),
        (6, 15, "worker"),
    ]
    assert texts_of(panel.svg, "rm") == [(862, 38, "&lt;remark&gt;")]
    words = [each for each in texts_of(panel.svg, "tk") if each[1] != below + 15]
    assert words == [(left - 6, (below + 26) / 2 + 4, "w0"), (866, 17, "10 s"), (750.2, 17, "0")]
    assert '<image x="755.2" y="8.5" width="72" height="9"' in panel.svg
    assert f'class="heat" x="{left}" y="26" width="{right - left}" height="62"' in panel.svg
    two = draw_picture(whole(Heat(np.ones((2, 2)))), "p", "p", PageStyle()).panels[0]
    [(start, level, end)] = re.findall(r'class="gap" d="M(\S+) (\S+)H(\S+)"', two.svg)
    assert [float(start), float(end)] == two.values["x"]["at"]
    assert float(level) == (26 + 130 - 42) / 2, "between its rows"
    nameless = draw_picture(whole(*CURVED.marks, y=replace(y, names=())), "p", "p", PageStyle())
    assert nameless.panels[0].values["x"]["at"] == [16, 480 - 14]


def test_lines_of_a_grid_are_at_the_ticks() -> None:
    """Upright ones from the axis to the top, level ones across; the axes are one line."""
    ends = {"x": Axis("x", low=0.0, high=2.0), "y": Axis("y", low=0.0, high=2.0)}
    svg = draw_picture(whole(*CURVED.marks, **ends), "p", "p", PageStyle()).panels[0].svg
    [d] = re.findall(r'class="grid" d="([^"]*)"', svg)
    found = re.findall(r"M([\d.]+) ([\d.]+)([HV])([\d.]+)", d)
    ticks, left, right = np.linspace(0.0, 2.0, 5), 16 + 3 * 8.2, 466
    upright = [(float(x), float(y), float(to)) for x, y, way, to in found if way == "V"]
    level = [(float(x), float(y), float(to)) for x, y, way, to in found if way == "H"]
    across, up = left + ticks / 2 * (right - left), 268 - ticks / 2 * 242
    np.testing.assert_allclose(upright, [(x, 268, 26) for x in across], atol=0.051)
    np.testing.assert_allclose(level, [(left, y, right) for y in up], atol=0.051)
    assert 'class="axis" d="M40.6 26V268H466"' in svg
    bare = replace(whole(*CURVED.marks).panels[0], grid=False)
    plain = draw_picture(Picture([bare], 1, 4.8, 3.0), "p", "p", PageStyle()).panels[0].svg
    assert 'class="grid"' not in plain


def test_names_below_the_axis_do_not_run_into_each_other() -> None:
    """Of 30 long names some are left out, of 4 short ones none."""
    for names, whole_row in ((tuple(f"scheme {i:02}" for i in range(30)), False), ("abcd", True)):
        x = Axis("x", names=tuple(names), low=-0.5, high=len(names) - 0.5)
        svg = draw_picture(whole(*CURVED.marks, x=x), "p", "p", PageStyle()).panels[0].svg
        bottom = 310 - 42 + 15
        shown = [(at, words) for at, y, words in texts_of(svg, "tk") if y == bottom]
        assert (len(shown) == len(names)) == whole_row
        assert shown[0][1] == names[0]
        for (left, one), (right, other) in pairwise(shown):
            assert right - left > 3.6 * (len(one) + len(other)), "half of each, at 7.2 a character"


def test_ticks_outside_of_the_axis_are_not_drawn() -> None:
    """By a pixel and a half (1.006), or by more."""
    y = Axis(
        "y", low=0.0, high=1.0, places=(-0.2, 0.0, 0.5, 1.0, 1.006, 1.2), strong=frozenset({0.5})
    )
    svg = draw_picture(whole(*CURVED.marks, y=y), "p", "p", PageStyle()).panels[0].svg
    assert [words for _, _, words in texts_of(svg, "tk")[-2:]] == ["0", "1"]
    [(_, height, words)] = texts_of(svg, "tk strong")
    assert words == "0.5"
    assert height == pytest.approx((26 + 310 - 42) / 2 + 4), "half of the way up"
    [(left, top, label)] = texts_of(svg, "al")[1:]
    assert (left, top, label) == (6, 15, "y")


@pytest.mark.parametrize(
    ("line", "lengths"), [("--", "7.4 3.2"), (":", "2 3.3"), ((0, (5, 1)), "10 2")]
)
def test_dashes_are_in_widths_of_the_line(line: object, lengths: str) -> None:
    assert dashed(line, 2.0) == f' stroke-dasharray="{lengths}"'  # type: ignore[arg-type]
    assert dashed("-", 2.0) == ""


@pytest.mark.parametrize(
    ("code", "kind", "d"),
    [
        ("s", "face", "M-0.5 0.5L0.5 0.5L0.5 -0.5L-0.5 -0.5Z"),
        ("^", "face", "M0 -0.5L-0.5 0.5L0.5 0.5Z"),
        ("x", "stroke", "M-0.5 0.5L0.5 -0.5M-0.5 -0.5L0.5 0.5"),
        ("+", "stroke", "M-0.5 -0L0.5 -0M0 0.5L0 -0.5"),
        ("o", "face", None),
        ("$1$", "letter", None),
    ],
)
def test_a_marker_is_matplotlibs_with_y_downwards(code: str, kind: str, d: str | None) -> None:
    """One unit wide; a page defines it once, and a circle is of eight curves."""
    page = PageStyle()
    assert [page.marker(code), page.marker(code), page.marker("D")] == ["m0", "m0", "m1"]
    shape, other = re.findall(r'<path id="(\w+)" class="(\w+)" d="([^"]+)"/>', page.definitions())
    assert (shape[:2], other[:2]) == (("m0", kind), ("m1", "face"))
    assert d is None or shape[2] == d
    if code == "o":
        assert re.sub("[^A-Z]", "", shape[2]) == f"M{'C' * 8}Z"
        assert shape[2].startswith("M0 0.5C")


def test_hatches_are_told_apart_by_their_sign_and_drawn_once() -> None:
    """However dense matplotlib draws them; a sign that is not known is a stroke."""
    page = PageStyle()
    names = [page.hatch(pattern) for pattern in ("///", "xx", "/", "..", "x", "\\", "oo")]
    assert names == ["h0", "h1", "h0", "h2", "h1", "h3", "h4"]
    drawn = re.findall(r'<pattern id="(h\d)"[^>]*>(.*?)</pattern>', page.definitions())
    patterns = dict(drawn)
    assert len(drawn) == len(patterns) == 5
    assert patterns["h4"] == patterns["h0"]
    assert len({*patterns.values()}) == 4
    assert ["circle" in patterns[name] for name in ("h0", "h1", "h2")] == [False, False, True]


def test_a_line_carries_eight_markers_or_those_that_it_names() -> None:
    x = np.arange(80.0)

    def markers(curve: Curve) -> list[float]:
        svg = draw_picture(whole(curve), "p", "p", PageStyle()).panels[0].svg
        return [float(at) for at in re.findall(r"<use [^>]*translate\((\S+) ", svg)]

    found = markers(Curve(LOOK, x, x))
    assert len(found) == 8
    assert np.ptp(np.diff(found)) < 0.2, "at equal distances"
    assert found == markers(Curve(LOOK, x, x, marked=tuple(range(5, 80, 10))))
    assert len(markers(Curve(LOOK, x[:5], x[:5]))) == 5
    assert len(markers(Curve(LOOK, x, x, x - 1, x + 1, bars=True))) == 80


@pytest.mark.parametrize(
    ("colour", "dark"), [("#000000", "#E8E8E8"), ("#7F7F7F", "#A9A9A9"), ("#707F70", "#B0A9B0")]
)
def test_dark_greys_turn_around_on_a_dark_page(colour: str, dark: str) -> None:
    """232 less half of each channel; other colours, and light greys, become lighter at most."""
    assert on_dark(colour) == dark
    for other in ("#808080", "#6F7F6F"):
        assert on_dark(other)[1:3] >= other[1:3]
    assert on_dark("#FFFF00") == "#FFFF00", "it is legible as it is"


def test_shades_are_pixels_from_white_to_dark() -> None:
    from PIL import Image

    def pixels(mark: Heat) -> np.ndarray:
        data = shades(mark.values, mark).partition("base64,")[2]
        return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGBA"))

    found = pixels(Heat(np.array([[0.0, 5.0, 10.0], [np.nan, 2.0, 8.0]])))
    assert found.shape == (2, 3, 4)
    assert found[1, 0, 3] == 0, "nothing is drawn of what is not known"
    blue = found[..., :3].sum(axis=2, dtype=int)
    assert blue[0, 0] > blue[1, 1] > blue[0, 1] > blue[1, 2] > blue[0, 2]
    logs = pixels(Heat(np.array([[1.0, 10.0, 100.0]]), log=True))
    assert (logs[0, 1] == found[0, 1]).all(), "half of the decades is half of the way"
    assert (logs[0, [0, 2]] == found[0, [0, 2]]).all()


@pytest.mark.parametrize(("rows", "gaps"), [(24, 23), (25, 0), (1, 0)])
def test_up_to_24_rows_of_shades_are_told_apart(rows: int, gaps: int) -> None:
    drawn = draw_picture(whole(Heat(np.ones((rows, 3)))), "p", "p", PageStyle()).panels[0]
    assert drawn.svg.count('class="gap"') == gaps


def test_a_large_table_of_shades_is_not_read_by_a_pointer() -> None:
    for rows, columns, read in ((2, 30_000, True), (3, 20_001, False)):
        values = np.zeros((rows, columns))
        panel = draw_picture(whole(Heat(values)), "p", "p", PageStyle()).panels[0]
        assert bool(panel.values["marks"]) is read


def test_bars_of_no_length_are_not_drawn_and_others_from_end_to_end() -> None:
    x, y = Axis("x", low=0.0, high=10.0), Axis("y", low=0.0, high=10.0)
    points = Points(
        *(LOOK, np.array([2.0, 4.0]), np.array([5.0, 5.0])),
        dx=np.array([[1.0, 0.0], [2.0, 0.0]]),
        dy=np.array([[0.0, 1.0], [0.0, 3.0]]),
    )
    panel = draw_picture(whole(points, x=x, y=y), "p", "p", PageStyle()).panels[0]
    start, end = panel.values["x"]["at"]
    across = Scale(0.0, 10.0, start, end)
    up = Scale(0.0, 10.0, 310 - 42, 26)
    [level] = re.findall(r'"1\.8" d="M(\S+) (\S+)H([\d.]+)"', panel.svg)
    [upright] = re.findall(r'"1\.8" d="M(\S+) (\S+)V([\d.]+)"', panel.svg)
    expected = [*across(np.array([1.0, 4.0])), *up(np.array([5.0]))]
    assert sorted(map(float, level)) == pytest.approx(sorted(expected), abs=0.06)
    expected = [*across(np.array([4.0])), *up(np.array([4.0, 8.0]))]
    assert sorted(map(float, upright)) == pytest.approx(sorted(expected), abs=0.06)


def test_a_staircase_goes_level_first_and_a_gap_lifts_the_pen() -> None:
    x = np.array([0.0, 1.0, 2.0, 3.0])
    axes = {"x": Axis("x", low=0.0, high=3.0), "y": Axis("y", low=0.0, high=3.0)}
    for steps, d in ((True, r"M\S+ \S+H\S+V\S+M\S+ \S+"), (False, r"M\S+ \S+L\S+ \S+M\S+ \S+")):
        curve = Curve(LOOK, x, np.array([0.0, 1.0, np.nan, 3.0]), steps=steps)
        panel = draw_picture(whole(curve, **axes), "p", "p", PageStyle()).panels[0]
        assert re.search(rf'class="ln" stroke-width="2\.2" d="{d}"', panel.svg)
        assert panel.values["marks"][0].get("steps", 0) == steps


def test_a_band_is_one_outline_for_each_stretch_that_is_known() -> None:
    x = np.arange(6.0)
    low = np.array([0.0, 0.0, np.nan, 0.0, np.nan, 0.0])
    for across in ("x", "y"):
        curve = Curve(LOOK, x, x, low, x + 1, across=across)  # type: ignore[arg-type]
        panel = draw_picture(whole(curve), "p", "p", PageStyle()).panels[0]
        [d] = re.findall(r'class="bd" d="([^"]*)"', panel.svg)
        assert (d.count("M"), d.count("Z"), d.count("L")) == (1, 1, 3), "one of two points"
        assert panel.values["marks"][0].get("across", 0) == (across == "x")


def test_entries_of_a_legend_are_short_and_numbered_but_for_the_last() -> None:
    one = np.ones(1)
    looks = [Look("#0072B2", "s", SOLID, title) for title in ("t" * 130, "key", "b")]
    picture = Picture(
        [Panel(Axis("x"), Axis("y"), [Points(look, one, one) for look in looks])],
        *(1, 4.8, 3.0),
        last=("key", "absent"),
    )
    drawn = draw_picture(picture, "p", "p", PageStyle()).entries
    assert [entry.title for entry in drawn[1:]] == ["b", "key"]
    assert 100 < len(drawn[0].title) <= 120
    assert [entry.key for entry in drawn] == [0, 2, -1], "each mark has a number"
    without = draw_picture(replace(picture, legend=0), "p", "p", PageStyle()).entries
    assert [entry.title for entry in without] == ["key"], "names stand on an axis"


@pytest.mark.parametrize(
    ("y", "marks", "rows"),
    [
        (Axis("y"), [], 0),
        (Axis("y", names=("a", "b", "c")), [], 3),
        (Axis("y", names=("a", "b", "c"), low=-0.5, high=6.5), [], 7),
        (Axis("y", names=("a", "b", "c"), low=4.5, high=-0.5), [], 5),
        (Axis("y", names=("a", "b", "c"), low=-0.5), [], 3),
        (Axis("y", log=True, names=("exact", "1"), places=(0.1, 1.0)), [], 0),  # names of numbers
        (Axis("y", low=-0.4, high=3.0, names=("exact", "1"), places=(0.0, 0.7)), [], 0),
        (Axis("y", log=True), [Heat(np.zeros((4, 2)))], 4),
    ],
)
def test_rows_of_a_panel(y: Axis, marks: list[Heat], rows: int) -> None:
    assert row_count(Panel(Axis("x"), y, marks)) == rows


@pytest.mark.parametrize(
    ("colour", "turned"),
    [
        ("#000000", "#E8E8E8"),
        ("#202F20", "#D8D1D8"),  # channels that differ by 15 make a grey
        ("#7F7F7F", "#A9A9A9"),
        ("#203020", None),  # by 16, a colour
        ("#808080", None),  # a light one stays
    ],
)
def test_dark_greys_turn_around_in_the_dark(colour: str, turned: str | None) -> None:
    """The darkest become the lightest; colours are mixed with white alone."""
    found = on_dark(colour)
    if turned is not None:
        assert found == turned
    else:
        channels = [[int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in (colour, found)]
        assert all(after >= before for before, after in zip(*channels, strict=True))
        assert channels[1][1] >= channels[1][0], "green stays green"
