"""The worst set of s stragglers: by enumeration where that is possible, else the worst one found.

Whatever is reported was decoded by the scheme's own decoder, so that every error is one that a set
of stragglers really causes: the exact maximum, or a lower bound of it. A lower bound that reaches a
known upper bound is the maximum, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import comb

import numpy as np

from ..schemes.base import DECODING
from ..types import BoolArray, FloatArray, IntArray
from . import sets, starts
from .beginning import nobody_straggles
from .climb import climbed, extended
from .code import Code
from .position import Position
from .survey import SAME, Survey, survey, worst_first

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


@dataclass(frozen=True, eq=False)
class _Hints:
    """What a code suggests for every number of stragglers.

    Attributes:
        orders: ``(n,)`` each, in which workers are lost so that partition after partition is.
        vectors: ``(n, v)`` singular vectors.
        nobody: the empty set.
    """

    orders: Sequence[IntArray]
    vectors: FloatArray
    nobody: Position

    @classmethod
    def of(cls, code: Code, seed: int) -> _Hints:
        held = starts.holders(code)
        rng = np.random.default_rng([seed, code.workers])
        tie_breaks = [None, *[rng] * (ORDERS - 1)]
        orders = [starts.partition_after_partition(held, each) for each in tie_breaks]
        return cls(orders, starts.singular_vectors(code), nobody_straggles(code))


class _Search:
    """Remembers between numbers of stragglers what a code suggests, and the worst set so far."""

    def __init__(self, code: Code, effort: Effort) -> None:
        self._code, self._effort, self._budget = code, effort, effort.sets(code)
        self._before: BoolArray = np.zeros(code.workers, dtype=np.bool_)

    @cached_property
    def _hints(self) -> _Hints:
        return _Hints.of(self._code, self._effort.seed)

    def worst(self, count: int, ceiling: float | None) -> Worst:
        enumerated = comb(self._code.workers, count) <= max(1, self._budget)
        found = self._all(count) if enumerated else self._some(count, ceiling)
        members = np.array(found.members, dtype=np.int64)
        self._before = sets.mask(members, self._code.workers)
        return found

    def _all(self, count: int) -> Worst:
        seen = survey(self._code, sets.every_set(self._code.workers, count))
        worst = _Start(seen.worst[0], float(seen.errors[0]), ENUMERATION)
        return _reported(worst, True, replace(seen, spread=0.0))

    def _some(self, count: int, ceiling: float | None) -> Worst:
        """Stops as soon as the upper bound is reached."""
        effort, rng = self._effort, np.random.default_rng([self._effort.seed, count])
        random = sets.random_sets(self._code.workers, count, effort.samples, rng)
        seen = survey(self._code, random, LUCKY)
        lucky = zip(seen.worst, seen.errors, strict=True)
        found = [*self._suggested(count), *(_Start(m, float(e), RANDOM) for m, e in lucky)]
        for more in (self._one_by_one, self._improved):
            if self._reaches(found, ceiling):
                break
            found += more(found, count, rng)
        return _reported(self._largest(found), self._reaches(found, ceiling), seen)

    def _suggested(self, count: int) -> list[_Start]:
        lost = [
            (sets.mask(order[:count], self._code.workers), HOLDERS) for order in self._hints.orders
        ]
        ends = ((masks, SINGULAR) for masks in starts.extremes(self._hints.vectors, count))
        return self._certified([*lost, *ends])

    def _one_by_one(
        self, found: Sequence[_Start], count: int, rng: np.random.Generator
    ) -> list[_Start]:
        """The worst set of the number of stragglers before, with more workers."""
        nobody = self._hints.nobody
        if not nobody.foresees and self._code.workers > self._budget:
            return []
        position = extended(nobody.at(self._before), count, self._budget)
        return self._certified([(position.stragglers, ONE_BY_ONE)])

    def _improved(
        self, found: Sequence[_Start], count: int, rng: np.random.Generator
    ) -> list[_Start]:
        """Searches by swaps, from the worst start on, until the tries are used up."""
        nobody, k = self._hints.nobody, self._code.partitions
        tries = self._budget * (FORESIGHT if nobody.foresees else 1)
        distinct = {start.stragglers.tobytes(): start for start in reversed(found)}
        better = list[tuple[BoolArray, str]]()
        for start in sorted(distinct.values(), key=lambda start: -start.error):
            if tries <= 0:
                break
            reached = climbed(nobody.at(start.stragglers), k, tries, rng)
            tries -= max(reached.tries, 1)
            if reached.moved:
                better.append((reached.position.stragglers, start.found_by + SWAPS))
        return self._certified(better)

    def _certified(self, found: Sequence[tuple[BoolArray, str]]) -> list[_Start]:
        """Decoded by the scheme's own decoder; what it cannot decode is no candidate."""
        if not found:
            return []
        errors = self._code.errors(np.array([masks for masks, _ in found]))
        pairs = zip(found, errors, strict=True)
        return [_Start(m, float(error), by) for (m, by), error in pairs if not np.isnan(error)]

    def _largest(self, found: Sequence[_Start]) -> _Start:
        errors = np.array([start.error for start in found])
        return found[int(worst_first(errors, SAME * self._code.partitions)[0])]

    def _reaches(self, found: Sequence[_Start], ceiling: float | None) -> bool:
        """Whether the worst is as bad as the bound; it is worse where a decoder loses digits."""
        if ceiling is None:
            return False
        return abs(self._largest(found).error - ceiling) <= SAME * self._code.partitions


def _reported(worst: _Start, exact: bool, seen: Survey) -> Worst:
    members = tuple(np.flatnonzero(worst.stragglers).tolist())
    by, mean = worst.found_by, seen.mean
    return Worst(len(members), worst.error, members, exact, by, mean, seen.spread, seen.sets)
