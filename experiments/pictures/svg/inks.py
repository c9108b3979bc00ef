"""Colours by name, so that a page can show each of them on white and on black."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..looks import shade

DARK = "#15181d"
"""The page's background in dark mode; the style sheet has the same."""

LEAST = 3.5
"""Contrast of a line with a dark background; WCAG 2.2 asks for 3."""

GREY = 16
"""Channels that differ by less make a grey."""


@dataclass
class Inks:
    """The colours of a page, each with the name of a class of the style sheet."""

    known: dict[str, str] = field(default_factory=dict)

    def name(self, colour: str) -> str:
        """The class of a hex colour."""
        return self.known.setdefault(colour.upper(), f"i{len(self.known)}")

    def css(self) -> tuple[str, str]:
        """Rules for a light page, and for a dark one."""
        light = "".join(f".{name}{{--c:{colour}}}" for colour, name in self.known.items())
        dark = "".join(f".{name}{{--c:{on_dark(colour)}}}" for colour, name in self.known.items())
        return light, dark


def on_dark(colour: str) -> str:
    """The colour, mixed with as little white as makes it legible on ``DARK``.

    White itself, which stands for nothing, becomes the background; black and dark greys turn
    around, since what is drawn in ink stays the strongest.
    """
    if colour.upper() == "#FFFFFF":
        return DARK
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if max(channels) - min(channels) < GREY and max(channels) < 128:
        return "#" + "".join(f"{232 - channel // 2:02X}" for channel in channels)
    shares = (step / 50 for step in range(51))
    return next(found for share in shares if contrast(found := shade(colour, share), DARK) >= LEAST)


def contrast(first: str, second: str) -> float:
    """Of two hex colours, 1 to 21. Source: WCAG 2.2, contrast ratio."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
