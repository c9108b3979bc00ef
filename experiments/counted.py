"""Nouns after a number, in singular and plural."""

from __future__ import annotations


def counted(number: int, one: str, more: str = "") -> str:
    """The number and its noun: ``1 cell``, ``3 cells``.

    Args:
        number: how many.
        one: the noun, with its verb if there is one.
        more: its plural, ``one`` with an ``s`` if empty.
    """
    return f"{number} {one if number == 1 else more or one + 's'}"


def left_out(number: int, noun: str, of: str = "") -> str:
    """A picture's remark on what it does not show; empty if it shows everything.

    Args:
        number: how many are not shown.
        noun: what they are, in the singular.
        of: what they belong to, after the noun.
    """
    if number == 0:
        return ""
    named = counted(number, f"more {noun}", f"more {noun}s")
    return f"{named}{f' {of}' if of else ''} {'is' if number == 1 else 'are'} not shown"
