"""Markers, line styles and hatches of matplotlib as SVG: drawn once, used everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup

from ..looks import LineStyle

PLAIN_DASHES = {"--": (3.7, 1.6), ":": (1.0, 1.65)}
"""matplotlib's own line styles that are given by a sign, in widths of the line."""

HATCHES = {
    "/": '<path d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5"/>',
    "\\": '<path d="M-1 -1L7 7M5 -1L7 1M-1 5L1 7"/>',
    ".": '<circle cx="3" cy="3" r=".9" class="dot"/>',
    "x": '<path d="M-1 7L7 -1M-1 -1L7 7"/>',
}
"""By the first sign of matplotlib's pattern, on a tile of 6 by 6."""


def dashes(line: LineStyle, width: float) -> str:
    """The value of ``stroke-dasharray``; empty for a solid line."""
    pattern = PLAIN_DASHES.get(line, ()) if isinstance(line, str) else line[1]
    return " ".join(f"{part * width:.3g}" for part in pattern)


CLOSE = 79
"""matplotlib's code for the end of a closed path."""


@dataclass
class Symbols:
    """The markers and hatches that a page uses."""

    markers: dict[str, str] = field(default_factory=dict)
    hatches: dict[str, str] = field(default_factory=dict)

    def marker(self, code: str) -> str:
        """The identifier of a marker, of about one unit."""
        return self.markers.setdefault(code, f"m{len(self.markers)}")

    def hatch(self, pattern: str) -> str:
        """The identifier of a hatch."""
        return self.hatches.setdefault(pattern[:1], f"h{len(self.hatches)}")

    def definitions(self) -> Markup:
        """What stands once in the page."""
        parts = [_marker(code, name) for code, name in self.markers.items()]
        parts += [
            f'<pattern id="{name}" class="hatch" width="6" height="6" '
            f'patternUnits="userSpaceOnUse">{HATCHES.get(sign, HATCHES["/"])}</pattern>'
            for sign, name in self.hatches.items()
        ]
        return Markup("".join(parts))


def _marker(code: str, name: str) -> str:
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(code)
    path = style.get_path().transformed(style.get_transform())
    steps = []
    signs = {1: "M", 2: "L", 3: "Q", 4: "C", CLOSE: "Z"}
    for points, step in path.iter_segments(curves=True, simplify=False):
        pairs = np.asarray(points).reshape(-1, 2)
        numbers = " ".join(f"{x:.3g} {-y:.3g}" for x, y in pairs)
        steps.append(signs[int(step)] + (numbers if int(step) != CLOSE else ""))
    kind = "face" if style.is_filled() else "stroke"
    if code.startswith("$"):
        kind = "letter"
    return f'<path id="{name}" class="{kind}" d="{"".join(steps)}"/>'
