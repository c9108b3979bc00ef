"""A table of gradients that is renewed one entry at a time, and the sum of it."""

from __future__ import annotations

from typing import final

import numpy as np

from .types import FloatArray


@final
class Entries:
    """The tables of a few replications, side by side; every entry is zero at first.

    The sum follows each change, so a renewal costs a few passes over p numbers, however many
    entries there are. After as many renewals as entries it is added up anew, which is one pass more
    for each renewal, so that rounding does not pile up in a long run.

    Args:
        width: replications.
        entries: of each table.
        features: p.
    """

    def __init__(self, width: int, entries: int, features: int) -> None:
        self._contents = np.zeros((width, entries, features))
        self._total = np.zeros((width, features))
        self._renewals = np.zeros(width, dtype=np.int64)

    @property
    def total(self) -> FloatArray:
        """The sum of all entries of each table, ``(p, width)``; not a copy."""
        return self._total.T

    def renew(self, column: int, entry: int, gradient: FloatArray, share: float = 1.0) -> None:
        """Mix ``(p,)`` a gradient into an entry of one table, or replace the entry by it.

        Args:
            column: which table.
            entry: which entry.
            gradient: the new one.
            share: of it in the entry; the rest is what was there.
        """
        contents, total = self._contents[column], self._total[column]
        change = gradient - contents[entry]
        if share == 1:
            contents[entry] = gradient
        else:
            change *= share
            contents[entry] += change
        total += change
        self._renewals[column] += 1
        if self._renewals[column] % len(contents) == 0:
            contents.sum(axis=0, out=total)

    def clear(self) -> None:
        """Make every entry of every table zero."""
        self._contents[:] = 0.0
        self._total[:] = 0.0
