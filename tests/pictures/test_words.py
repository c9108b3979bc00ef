"""Texts in pictures are drawn as they are: no formulas, no missing glyphs, well-formed XML."""

from __future__ import annotations

import warnings
from io import BytesIO
from xml.dom import minidom

import numpy as np
import pytest

from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.looks import Look
from erasurehead.experiments.pictures.picture import Axis, Curve, Panel, Picture

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
