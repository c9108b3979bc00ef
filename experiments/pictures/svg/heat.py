"""A table of values as shades: a small image, stretched, whatever its size."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
from markupsafe import Markup

from ....sim.types import FloatArray
from ..shown import Heat
from .numbers import place, readable
from .scale import Scale

MOST_READ = 60_000
"""Values that a pointer can read; a larger table is a picture alone."""


def heat_image(mark: Heat, x: Scale, y: Scale) -> tuple[Markup, dict[str, Any]]:
    """The image, and its values row by row."""
    rows = len(mark.values)
    left, right = x(np.array(mark.sides, dtype=np.float64))
    top, bottom = y(np.array([-0.5, rows - 0.5], dtype=np.float64))
    image = Markup(
        '<image class="heat" x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none" '
        'href="{}"/>'
    ).format(
        *map(place, (min(left, right), min(top, bottom), abs(right - left), abs(bottom - top))),
        source(shades(mark.values, mark)),
    )
    lines = Markup("").join(
        Markup('<path class="gap" d="M{} {}H{}"/>').format(place(left), place(at), place(right))
        for at in y(np.arange(1, rows, dtype=np.float64) - 0.5)
        if rows <= 24
    )
    if mark.values.size > MOST_READ:
        return image + lines, {}
    values = {
        "kind": "heat",
        "v": [readable(row) for row in mark.values],
        "label": mark.label,
        "sides": mark.sides,
    }
    return image + lines, values


def shades(values: FloatArray, mark: Heat) -> bytes:
    """Values in the colours of a mark, as the bytes of a PNG, one pixel each."""
    from matplotlib import colormaps
    from PIL import Image

    low, high = mark.ends
    with np.errstate(invalid="ignore", divide="ignore"):
        if mark.log:
            values, low, high = np.log(np.maximum(values, low)), np.log(low), np.log(high)
        share = np.clip((values - low) / (high - low), 0.0, 1.0)
    pixels = colormaps["Blues"](np.nan_to_num(share), bytes=True)
    pixels[~np.isfinite(values)] = 0
    sink = BytesIO()
    Image.fromarray(pixels, "RGBA").save(sink, "png", optimize=True)
    return sink.getvalue()


def source(png: bytes) -> str:
    """An image as part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def colour_bar(mark: Heat, right: float, y: float) -> Markup:
    """Which shade is which value: flush right at a place, one line high."""
    low, high = mark.ends
    steps = np.geomspace(low, high, 48) if mark.log else np.linspace(low, high, 48)
    return Markup(
        '<text class="tk" text-anchor="end" x="{0}" y="{1}">{2}</text>'
        '<image x="{3}" y="{4}" width="72" height="9" preserveAspectRatio="none" href="{5}"/>'
        '<text class="tk" text-anchor="end" x="{6}" y="{1}">{7}</text>'
    ).format(
        place(right),
        place(y),
        f"{high:.3g} {mark.label}".strip(),
        place(right - 78 - 6.0 * len(f"{high:.3g} {mark.label}".strip())),
        place(y - 8.5),
        source(shades(steps[None, :], mark)),
        place(right - 83 - 6.0 * len(f"{high:.3g} {mark.label}".strip())),
        f"{low:.3g}",
    )
