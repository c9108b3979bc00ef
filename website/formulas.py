"""Formulas as drawings, made with the page: no script, and no font of the reader's."""

from __future__ import annotations

import re
from html import escape, unescape

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
"""What the Markdown extension ``arithmatex`` leaves of ``$...$`` and of ``$$...$$``."""

EM = 1000  # units of a drawing to the size of the text around it
ROOM = 30  # units around what is drawn
NAMES = {r"\\le\b": r"\\leq", r"\\ge\b": r"\\geq"}  # LaTeX knows two names, Matplotlib one
LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}


def with_drawings(page: str) -> str:
    """The HTML of a page, its formulas as SVG. Raises ValueError: one cannot be drawn."""

    def drawn(found: re.Match[str]) -> str:
        tex = " ".join(unescape(found["tex"]).split())
        if found["tag"] == "span":
            return drawing(tex, tex)
        large = tex.replace("\\frac", "\\dfrac")
        return f'<div class="formula">{drawing(tex, large)}</div>'

    return FORMULA.sub(drawn, page)


def drawing(tex: str, drawn: str) -> str:
    """An SVG of the size and on the line of the text around it; ``tex`` is what is read aloud."""
    for name, same in NAMES.items():
        drawn = re.sub(name, same, drawn)
    path = TextPath((0, 0), f"${drawn}$", EM, prop=FontProperties(math_fontfamily="stix"))
    (left, bottom), (right, top) = path.get_extents().padded(ROOM).get_points().round().astype(int)
    line = "".join(
        LETTERS[code] + " ".join(f"{x:.0f} {-y:.0f}" for x, y in points.reshape(-1, 2))
        if code in LETTERS
        else "Z"
        for points, code in path.iter_segments(simplify=False)
    )
    return (
        f'<svg class="tex" role="img" aria-label="{escape(tex)}" '
        f'viewBox="{left} {-top} {right - left} {top - bottom}" '
        f'style="width:{(right - left) / EM}em;vertical-align:{bottom / EM}em">'
        f'<path d="{line}"/></svg>'
    )
