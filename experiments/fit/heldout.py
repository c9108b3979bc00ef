"""Rounds that a candidate has not seen: halves of a table, each predicted from the other one.

A law with many parameters follows whatever it is fitted to, so candidates are compared by the order
statistics of rounds that were held out. The first half predicts the second one and the other way
round; so do every second round and the rounds between them. The former shows what has changed
during the measurement, the latter what is left if nothing has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...delay_models.base import FloatArray

FEWEST_ROUNDS = 6
"""Rounds that a table must have to be cut into halves of three."""

MOST_CELLS = 10_000
"""Delays of a half that a candidate is fitted to; of more, so many at equal distances."""


@dataclass(frozen=True, eq=False)
class Half:
    """One direction of one split.

    Attributes:
        seen: ``(rounds, n)`` tables that a candidate is fitted to.
        held_out: ``(R, n)`` rounds that it must predict.
    """

    seen: tuple[FloatArray, ...]
    held_out: FloatArray

    @property
    def sample(self) -> FloatArray:
        """Delays that were seen, ``(N,)`` seconds."""
        return thinned(np.concatenate([table.ravel() for table in self.seen]))


def thinned(sample: FloatArray) -> FloatArray:
    """At most ``MOST_CELLS`` of ``(N,)``, at equal distances."""
    return sample[:: -(-len(sample) // MOST_CELLS)]


def halves(tables: Sequence[FloatArray]) -> list[Half]:
    """Two splits, both directions of each; none where the tables have too few rounds.

    Args:
        tables: ``(rounds, n)`` seconds, one per load; each is split by itself.
    """
    if sum(map(len, tables)) < FEWEST_ROUNDS or min(map(len, tables)) < 2:
        return []
    return list(_halves(tables))


def _halves(tables: Sequence[FloatArray]) -> Iterator[Half]:
    for first, second in (
        ([t[: len(t) // 2] for t in tables], [t[len(t) // 2 :] for t in tables]),
        ([t[::2] for t in tables], [t[1::2] for t in tables]),
    ):
        yield Half(tuple(first), np.concatenate(second))
        yield Half(tuple(second), np.concatenate(first))


@dataclass(frozen=True)
class Score:
    """How well held-out rounds were predicted; smaller is better, without unit.

    Attributes:
        apart: mean over k of ``|log(predicted / measured)|`` of each half, from the other one. It
            holds what the two halves differ by, whatever is predicted.
        together: the same of both halves of a split taken as one, each still predicted from the
            other, for each split. What the halves differ by cancels out, and what is left is wrong
            with the law.
    """

    apart: tuple[float, ...]
    together: tuple[float, ...]

    @property
    def error(self) -> float:
        """Mean error of a half that was not seen."""
        return float(np.mean(self.apart))

    @property
    def bias(self) -> float:
        """Mean error of what differs between the halves taken out."""
        return float(np.mean(self.together))


def score(predicted: Sequence[FloatArray], measured: Sequence[FloatArray]) -> Score:
    """Of the ``(K,)`` seconds of each half, in the order of ``halves``."""
    apart = [order_error(p, m) for p, m in zip(predicted, measured, strict=True)]
    together = [
        order_error(predicted[i] + predicted[i + 1], measured[i] + measured[i + 1])
        for i in range(0, len(predicted) - 1, 2)
    ]
    return Score(tuple(apart), tuple(together or apart))


def order_error(predicted: FloatArray, observed: FloatArray) -> float:
    """Mean over k of ``|log(predicted / observed)|``: too long and too short count the same."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = float(np.mean(np.abs(np.log(predicted / observed))))
    return error if np.isfinite(error) else float("inf")
