"""Text for people: words around numbers, and text from outside as it may be shown. Labels, names,
paths and libraries' words are data. A terminal acts on control characters and an SVG must not hold
them, half a character cannot be encoded, and marks of direction make a text look like another one.
All of these are written as in a Python string: ``\\x1b``, ``\\u202e``. Nothing here imports a
library, so that errors can be told while nothing else works."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST_LINE = 300  # characters of a line in the terminal
GAP = " ... "  # in place of what is left out of a long text
# marks without a shape of their own, which several scripts and many emoji need
JOINERS = "\u200c\u200d"
_PLAIN = re.compile(r"[ -~]*")


def is_plain(text: str) -> bool:
    """Whether a text is made of visible characters and spaces alone."""
    return bool(_PLAIN.fullmatch(text)) or not any(map(_acts, text))


def escaped(text: str) -> str:
    """The text with everything else than visible characters and spaces written in ASCII."""
    if is_plain(text):
        return text
    return "".join(in_ascii(each) if _acts(each) else each for each in text)


def in_ascii(character: str) -> str:
    """A character as it can be written in a Python string."""
    return character.encode("unicode_escape").decode("ascii")


def shortened(text: str, most: int = LONGEST_LINE) -> str:
    """The text, without its middle if it is longer than ``most``: its end often says the most."""
    if len(text) <= most:
        return text
    last = 2 * (most - len(GAP)) // 5
    return f"{text[: most - len(GAP) - last]}{GAP}{text[-last:]}"


def line(text: str, most: int = LONGEST_LINE) -> str:
    """One line of at most ``most`` characters, whatever the text holds."""
    return shortened(escaped(text), most)


def _acts(character: str) -> bool:
    """Control characters, marks, halves, private and unassigned characters, ends of lines."""
    kind = unicodedata.category(character)
    return (kind[0] == "C" and character not in JOINERS) or kind in ("Zl", "Zp")


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def number_of(number: int, one: str, more: str = "") -> str:
    """The number and its noun: ``1 cell``, ``3 cells``; ``more`` is a plural of its own."""
    return f"{number} {one if number == 1 else more or one + 's'}"


def left_out(number: int, noun: str, of: str = "") -> str:
    """A picture's remark on what it leaves out; empty if it shows everything.
    The noun is in the singular; ``of`` comes after it and says what they belong to."""
    if number == 0:
        return ""
    named = number_of(number, f"more {noun}", f"more {noun}s")
    return f"{named}{f' {of}' if of else ''} {'is' if number == 1 else 'are'} not shown"


def enumerated(names: Sequence[str], most: int) -> str:
    """The first names, with commas, and how many more there are: ``a, b and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
