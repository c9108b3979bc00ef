"""A large table in pieces, so that what is computed of it takes little memory beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...delay_models.base import FloatArray

PIECE = 2_000_000
"""Cells of a piece: 16 MB."""


def pieces(count: int, across: int) -> Iterator[slice]:
    """Slices of ``count`` rows with ``across`` cells each, or of columns."""
    step = max(1, PIECE // max(1, across))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def round_medians(table: FloatArray) -> FloatArray:
    """Each round's median over its workers: ``(R, n)`` -> ``(R,)`` seconds."""
    parts = [np.median(table[rows], axis=1) for rows in pieces(*table.shape)]
    return np.concatenate(parts)
