"""The worst set of s stragglers: by enumeration where that is possible, else the worst one found.

Whatever is reported was decoded by the scheme's own decoder, so that every error is one that a set
of stragglers really causes: the exact maximum, or a lower bound of it. A lower bound that reaches a
known upper bound is the maximum, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np

from sim.attack import sets, starts
from sim.attack.climb import climbed, extended
from sim.attack.code import Code
from sim.attack.position import Position, nobody_straggles
from sim.schemes.base import DECODING
from sim.types import BoolArray, FloatArray

ENUMERATION = "enumeration"
HOLDERS = "all holders"
ONE_BY_ONE = "one by one"
SINGULAR = "singular vectors"
RANDOM = "random"
SWAPS = " + swaps"

ORDERS = 8
"""Orders in which partitions are lost: the first chosen by number, the others at random."""

LUCKY = 8
"""The worst random sets from which a search goes on."""

FORESIGHT = 50
"""How many swaps are looked at for each set that might be decoded, where they are foreseen."""

MOST_SETS, LEAST_SETS = 50_000, 500
"""Sets that are decoded for each s, unless told otherwise."""

SAME = 1e-9
"""Of k: errors that close are the same up to rounding."""


@dataclass(frozen=True)
class Effort:
    """How much to search.

    Attributes:
        budget: sets that are decoded for each s, beside the sample; all of them, if there are no
            more. ``None``: as many as take ten seconds or so, at most ``MOST_SETS``.
        samples: random sets for the mean.
        seed: of random sets; all codes of n workers get the same.
    """

    budget: int | None = None
    samples: int = 400
    seed: int = 0

    def sets(self, code: Code) -> int:
        """The budget for a code."""
        if self.budget is not None:
            return self.budget
        return int(min(MOST_SETS, max(LEAST_SETS, DECODING / max(code.decoder.operations, 1.0))))


@dataclass(frozen=True)
class Worst:
    """The worst set of stragglers that was found.

    Attributes:
        stragglers: s.
        error: ``||w - 1||^2``.
        members: the workers, from 0.
        exact: whether no set of s stragglers is worse.
        found_by: how it was found.
        mean: the mean error over random sets of s stragglers, or over all.
        mean_error: standard error of the mean; 0 over all sets.
        sets: in the mean.
    """

    stragglers: int
    error: float
    members: tuple[int, ...]
    exact: bool
    found_by: str
    mean: float
    mean_error: float
    sets: int


def attack(
    code: Code,
    counts: Sequence[int],
    effort: Effort,
    ceiling: Callable[[int], float | None] = lambda stragglers: None,
) -> Iterator[Worst]:
    """Find the worst set for each number of stragglers.

    Args:
        code: what to attack.
        counts: numbers of stragglers s, ascending, 0 to n.
        effort: how much to search.
        ceiling: an upper bound of the error for s stragglers; a set that reaches it ends
            the search.

    Cost of a number of stragglers: up to ``budget`` decodings where all sets are enumerated. Else
    ``samples`` decodings for the mean, some thirty for the starts, and the search by swaps: with
    foresight ``FORESIGHT * budget`` swaps at most, of O(n) operations each, otherwise ``budget``
    decodings. Least squares add O(n^3) operations for each start. About ten seconds with n = 1000,
    d = 5 and optimal decoding, 0.1 s with n = 30.
    """
    search = _Search(code, effort)
    for count in counts:
        yield search.worst(count, ceiling(count))


@dataclass(frozen=True, eq=False)
class _Start:
    stragglers: BoolArray
    error: float
    found_by: str


class _Search:
    """Remembers between numbers of stragglers what a code suggests, and the worst set so far."""

    def __init__(self, code: Code, effort: Effort) -> None:
        self._code, self._effort, self._budget = code, effort, effort.sets(code)
        self._before: BoolArray = np.zeros(code.workers, dtype=np.bool_)
        self._known: tuple[FloatArray, list[np.ndarray], Position] | None = None

    def worst(self, count: int, ceiling: float | None) -> Worst:
        n = self._code.workers
        if comb(n, count) <= max(1, self._budget):
            found = self._all(count)
        else:
            found = self._some(count, ceiling)
        self._before = sets.mask(np.array(found.members, dtype=np.int64), n)
        return found

    def _all(self, count: int) -> Worst:
        parts = sets.every_set(self._code.workers, count)
        best, errors = self._decoded(parts)
        members = tuple(np.flatnonzero(best.stragglers).tolist())
        mean = float(errors.mean())
        return Worst(count, best.error, members, True, ENUMERATION, mean, 0.0, len(errors))

    def _decoded(self, parts: Iterator[BoolArray]) -> tuple[_Start, FloatArray]:
        """The first of the worst sets, and all errors."""
        best: _Start | None = None
        errors = []
        for masks in parts:
            found = self._code.errors(masks)
            first = _first_of_largest(found, SAME * self._code.partitions)
            if best is None or found[first] > best.error + SAME * self._code.partitions:
                best = _Start(masks[first], float(found[first]), RANDOM)
            errors.append(found)
        assert best is not None
        return best, np.concatenate(errors)

    def _some(self, count: int, ceiling: float | None) -> Worst:
        effort = self._effort
        rng = np.random.default_rng([effort.seed, count])
        lucky, mean, error = self._sampled(count, rng)
        found = [*self._suggested(count), *lucky]
        best = self._largest(found)
        reached = self._reaches(best, ceiling)
        if not reached:
            one_by_one = extended(self._position.at(self._before), count, self._budget)
            found += self._certified([(one_by_one.stragglers, ONE_BY_ONE)])
            best = self._largest(found)
            reached = self._reaches(best, ceiling)
        if not reached:
            best = self._largest([best, *self._improved(found, rng)])
            reached = self._reaches(best, ceiling)
        members = tuple(np.flatnonzero(best.stragglers).tolist())
        return Worst(
            count, best.error, members, reached, best.found_by, mean, error, effort.samples
        )

    @property
    def _position(self) -> Position:
        return self._hints[2]

    @property
    def _hints(self) -> tuple[FloatArray, list[np.ndarray], Position]:
        """Singular vectors, orders in which partitions are lost, and the empty set."""
        if self._known is None:
            held = starts.holders(self._code)
            rng = np.random.default_rng([self._effort.seed, self._code.workers])
            tie_breaks = [None, *[rng] * (ORDERS - 1)]
            orders = [starts.partition_after_partition(held, each) for each in tie_breaks]
            vectors = starts.singular_vectors(self._code)
            self._known = vectors, orders, nobody_straggles(self._code)
        return self._known

    def _sampled(self, count: int, rng: np.random.Generator) -> tuple[list[_Start], float, float]:
        """The worst of random sets, the mean error of all and its standard error."""
        code, samples = self._code, self._effort.samples
        masks = np.concatenate([*sets.random_sets(code.workers, count, samples, rng)])
        errors = code.errors(masks)
        order = np.argsort(-np.nan_to_num(errors, nan=-np.inf), kind="stable")[:LUCKY]
        lucky = [_Start(masks[i], float(errors[i]), RANDOM) for i in order]
        spread = float(np.nanstd(errors, ddof=1)) / sqrt(samples) if samples > 1 else np.nan
        return lucky, float(np.nanmean(errors)), spread

    def _suggested(self, count: int) -> list[_Start]:
        vectors, orders, _ = self._hints
        n = self._code.workers
        lost = [(sets.mask(order[:count], n), HOLDERS) for order in orders]
        return self._certified([*lost, *((m, SINGULAR) for m in starts.extremes(vectors, count))])

    def _certified(self, found: Sequence[tuple[BoolArray, str]]) -> list[_Start]:
        """Decoded by the scheme's own decoder."""
        errors = self._code.errors(np.array([masks for masks, _ in found]))
        return [
            _Start(masks, float(error), by)
            for (masks, by), error in zip(found, errors, strict=True)
        ]

    def _improved(self, found: Sequence[_Start], rng: np.random.Generator) -> list[_Start]:
        """Searches by swaps, from the worst start on, until the tries are used up."""
        code, position = self._code, self._position
        tries = self._budget * (FORESIGHT if position.foresees else 1)
        distinct = {start.stragglers.tobytes(): start for start in reversed(found)}
        better = list[tuple[BoolArray, str]]()
        for start in sorted(distinct.values(), key=lambda start: -start.error):
            if tries <= 0:
                break
            reached = climbed(position.at(start.stragglers), code.partitions, tries, rng)
            tries -= max(reached.tries, 1)
            if reached.moved:
                better.append((reached.position.stragglers, start.found_by + SWAPS))
        return self._certified(better) if better else []

    def _largest(self, found: Sequence[_Start]) -> _Start:
        errors = np.array([start.error for start in found])
        return found[_first_of_largest(errors, SAME * self._code.partitions)]

    def _reaches(self, found: _Start, ceiling: float | None) -> bool:
        return ceiling is not None and found.error >= ceiling - SAME * self._code.partitions


def _first_of_largest(errors: FloatArray, same: float) -> int:
    """The first of those that are the largest up to rounding; NaN is none of them."""
    known = np.nan_to_num(errors, nan=-np.inf)
    return int(np.argmax(known >= known.max() - same))
