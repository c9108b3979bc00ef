"""A table of gradients that is renewed one entry at a time, and the sum of it."""

from __future__ import annotations

from typing import final

import numpy as np

from sim.types import FloatArray


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

    def renew(self, column: int, entry: int, gradient: FloatArray) -> None:
        """Put ``(p,)`` a gradient in the place of the one before, in one table."""
        contents, total = self._contents[column], self._total[column]
        total += gradient - contents[entry]
        contents[entry] = gradient
        self._renewals[column] += 1
        if self._renewals[column] % len(contents) == 0:
            contents.sum(axis=0, out=total)
