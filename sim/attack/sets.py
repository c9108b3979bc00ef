"""Sets of s stragglers among n workers, as masks: ``(N, n)`` bool."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np

from ..types import BoolArray, IntArray

CELLS = 2**20
"""Entries of the masks that are made at once."""


def mask(members: IntArray, workers: int) -> BoolArray:
    """``(N, s)`` or ``(s,)`` members -> ``(N, n)`` or ``(n,)``."""
    found = np.zeros((*members.shape[:-1], workers), dtype=np.bool_)
    np.put_along_axis(found, members, True, axis=-1)
    return found


def every_set(workers: int, stragglers: int) -> Iterator[BoolArray]:
    """All C(n, s) sets in lexicographic order, some thousand at a time."""
    order = combinations(range(workers), stragglers)
    step = max(1, CELLS // workers)
    while some := list(islice(order, step)):
        yield mask(np.array(some, dtype=np.int64).reshape(len(some), stragglers), workers)


def random_sets(
    workers: int, stragglers: int, count: int, rng: np.random.Generator
) -> Iterator[BoolArray]:
    """Independent uniformly random sets, some thousand at a time."""
    step = max(1, CELLS // workers)
    for start in range(0, count, step):
        draws = rng.random((min(step, count - start), workers))
        yield mask(np.argsort(draws, axis=1)[:, :stragglers], workers)
