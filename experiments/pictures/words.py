"""Texts in pictures: drawn as they are, never read as formulas, and only with glyphs there are.

matplotlib takes what stands between two dollar signs for mathematics, leaves entries of a legend
out that begin with an underscore, and draws a box for a character that its font lacks. An SVG with
a control character is no XML.
"""

from __future__ import annotations

import textwrap
from functools import cache

from ..config.escape import escaped, in_ascii, shortened

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that pictures are the same on every machine."""

MORE_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAexGothic", "IPAGothic", "NanumGothic",
    "Droid Sans Fallback", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Emoji",
    "Symbola", "Unifont",
)  # fmt: skip
"""Asked in this order for what ``FONT`` lacks, where they are installed."""

WIDEST = 60
"""Characters of a line; longer ones are broken."""

MOST = 240
"""Characters that are shown of a longer text."""


def text(words: str) -> str:
    """What matplotlib is told so that it draws these words; their lines stay lines."""
    return "\n".join(_line(part) for part in words.split("\n"))


def entry(words: str) -> str:
    """The same, for an entry of a legend."""
    found = text(words)
    return f" {found}" if found.startswith("_") else found


def _line(words: str) -> str:
    plain = shortened(escaped(words), MOST)
    if not plain.isascii():
        plain = "".join(each if each.isascii() or _has(each) else in_ascii(each) for each in plain)
    if len(plain) > WIDEST:
        plain = "\n".join(textwrap.wrap(plain, WIDEST, break_on_hyphens=False)) or plain
    return plain.replace("$", r"\$")


@cache
def fonts() -> tuple[str, ...]:
    """The fonts that are asked for a character, of those that are installed."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (FONT, *(name for name in MORE_FONTS if name in installed))


def _has(character: str) -> bool:
    return any(ord(character) in _characters(font) for font in fonts())


@cache
def _characters(font: str) -> frozenset[int]:
    """The characters that a font can draw."""
    from matplotlib import font_manager

    file = font_manager.findfont(font, fallback_to_default=False)
    return frozenset(font_manager.get_font(file).get_charmap())
