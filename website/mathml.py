"""Formulas as MathML, which browsers draw by themselves: no script, no font from elsewhere."""

from __future__ import annotations

import re
from html import unescape

from latex2mathml.converter import convert

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
"""What the Markdown extension ``arithmatex`` leaves of ``$...$`` and of ``$$...$$``."""


def with_mathml(page: str) -> str:
    """The HTML of a page, its formulas as MathML."""

    def drawn(found: re.Match[str]) -> str:
        display = "block" if found["tag"] == "div" else "inline"
        math: str = convert(unescape(found["tex"]).strip(), display=display)
        return f'<div class="formula">{math}</div>' if display == "block" else math

    return FORMULA.sub(drawn, page)
