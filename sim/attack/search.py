"""The worst set of s stragglers: the exact one where all can be decoded, else the worst found.
Every reported error was decoded by the scheme's own decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, comb, sqrt

import numpy as np
from numpy.random import Generator

from ..base.errors import InvalidParameter
from ..base.types import BoolArray, FloatArray, IntArray
from ..schemes.base import MAX_DECODING_OPERATIONS
from .code import Code, every_set, extremes, mask, partition_orders, random_sets, singular_vectors
from .positions import Position, nobody_straggles

ERROR_TOLERANCE = 1e-9  # errors that differ by less than this times k are the same up to rounding


@dataclass(frozen=True, eq=False)
class Survey:
    """What many sets of stragglers leave."""

    worst: BoolArray  # ``(W, n)`` the worst sets, the worst first; of equals the first
    errors: FloatArray  # ``(W,)`` the errors of these sets
    mean: float  # the mean error over all sets
    spread: float  # standard error of the mean, if the sets are random; NaN for a single set
    sets: int  # number of sets in the mean


def survey(code: Code, batches: Iterable[BoolArray], keep: int = 1) -> Survey:
    """Decode ``(N, n)`` sets of stragglers, at least one in all, and remember the worst; sets that
    cannot be decoded are left out. Cost: one decoding of each set; 8 bytes of memory for each."""
    worst, errors, everything = None, np.empty(0), list[FloatArray]()
    for masks in batches:
        decoded = code.errors(masks)
        everything.append(decoded)
        first = worst_first(decoded, ERROR_TOLERANCE * code.partitions)[:keep]
        joint = masks[first] if worst is None else np.concatenate([worst, masks[first]])
        errors = np.concatenate([errors, decoded[first]])
        order = worst_first(errors, ERROR_TOLERANCE * code.partitions)[:keep]
        worst, errors = joint[order], errors[order]
    assert worst is not None
    known = np.concatenate(everything)
    known = known[~np.isnan(known)]
    spread = float(known.std(ddof=1)) / sqrt(len(known)) if len(known) > 1 else np.nan
    mean = float(known.mean()) if len(known) else np.nan
    return Survey(worst, errors, mean, spread, len(known))


def worst_first(errors: FloatArray, same: float) -> np.ndarray:
    """``(N,)`` places in order of decreasing error; equals up to rounding stay in their order."""
    rounded = np.round(errors / same) if same > 0 else errors
    return np.argsort(-np.nan_to_num(rounded, nan=-np.inf), kind="stable")


# A local search: from a set of stragglers to a worse one, by changing one worker at a time.


def extended(position: Position, stragglers: int, tries: int) -> Position:
    """Lose one worker after the other, each the one that costs most, until so many straggle;
    several at once where every try is a decoding and these are too few. Cost: n - s tries each."""
    n = len(position.stragglers)
    while (missing := stragglers - int(np.count_nonzero(position.stragglers))) > 0:
        together = 1 if position.foresees else min(missing, ceil(missing * n / tries))
        order = np.argsort(-position.losing(), kind="stable")[:together]
        if together == 1:
            position = position.lost(int(order[0]))
        else:
            position = position.at(position.stragglers | mask(order, n))
    return position


def climbed(position: Position, k: int, tries: int, rng: Generator) -> tuple[Position, int]:
    """Swap a straggler for another worker, the best swap of each step, until none helps: the worst
    set that was seen, ``position`` itself if no other is worse, and how many swaps were looked at.
    Where s (n - s) swaps are too many for a step, it looks at those of some random stragglers. At
    least one worker straggles, and one does not; k partitions are the scale of the error."""
    n = len(position.stragglers)
    others = n - int(np.count_nonzero(position.stragglers))
    most, left = max(1, tries // 10 // others), tries  # enough for at least ten steps
    while left >= others:
        members = np.flatnonzero(position.stragglers)
        count = min(len(members), most, left // others)
        whole = count == len(members)
        some = members if whole else np.sort(rng.choice(members, count, replace=False))
        errors = position.swapping(some)
        left -= count * others
        row, worker = divmod(int(np.argmax(errors)), n)
        if errors[row, worker] > position.error + 1e-6 * k:  # a smaller gain is rounding
            position = position.swapped(int(some[row]), worker)
        elif whole:
            break
    return position, tries - left


@dataclass(frozen=True)
class SearchBudget:
    """How much to search."""

    # Sets that are decoded for each s, besides the sample. If there are no more sets, all are
    # decoded. ``None``: as many as take about ten seconds, 500 to 50,000.
    budget: int | None = None
    samples: int = 400  # random sets for the mean
    seed: int = 0  # seed of the random sets, which are the same for all codes of n workers

    def sets(self, code: Code) -> int:
        """How many sets of a code may be decoded for each s."""
        if self.budget is not None:
            return self.budget
        fitting = MAX_DECODING_OPERATIONS / max(code.decoder.operations, 1.0)
        return int(min(50_000, max(500, fitting)))


@dataclass(frozen=True)
class Worst:
    """The worst set of stragglers that was found."""

    stragglers: int  # s
    error: float  # ``||w - 1||^2``
    members: tuple[int, ...]  # the workers, from 0
    exact: bool  # whether no set of s stragglers is worse
    # ``enumeration``, ``all holders``, ``one by one``, ``singular vectors`` or ``random``; with
    # `` + swaps`` where the search by swaps made it worse.
    found_by: str
    mean: float  # the mean error over random sets of s stragglers, or over all sets
    mean_error: float  # standard error of the mean; 0 over all sets
    sets: int  # number of sets in the mean


def worst_sets(
    code: Code,
    counts: Sequence[int],
    budget: SearchBudget,
    ceiling: Callable[[int], float | None] = lambda stragglers: None,
) -> Iterator[Worst]:
    """Find the worst set for each number of stragglers, ascending, 0 to n; one that reaches the
    ``ceiling``, an upper bound of the error for s stragglers, ends the search. Raises
    ``InvalidParameter``: they do not ascend, since each search goes on from the set before.

    Cost of a number of stragglers: up to ``budget`` decodings where all sets are enumerated. Else
    ``samples`` decodings for the mean, some thirty for the starts, and the search by swaps: fifty
    times ``budget`` swaps at most, of O(n) operations each, where the error after one is foreseen,
    otherwise ``budget`` decodings. Least squares add O(n^3) operations for each start. About ten
    seconds with n = 1000, d = 5 and optimal decoding, 0.1 s with n = 30."""
    if [*counts] != sorted(counts):
        raise InvalidParameter("counts", [*counts], "must ascend")
    search = _Search(code, budget)
    for count in counts:
        yield search.worst(count, ceiling(count))


@dataclass(frozen=True, eq=False)
class _Start:
    stragglers: BoolArray
    error: float
    found_by: str


class _Search:
    """Remembers between numbers of stragglers what a code suggests, and the worst set so far."""

    def __init__(self, code: Code, budget: SearchBudget) -> None:
        self._code, self._budget, self._sets = code, budget, budget.sets(code)
        self._before: BoolArray = np.zeros(code.workers, dtype=np.bool_)

    @cached_property
    def _hints(self) -> tuple[list[IntArray], FloatArray]:
        """Orders of all workers that lose partition after partition, and singular vectors."""
        rng = np.random.default_rng([self._budget.seed, self._code.workers])
        # One order breaks ties by number, the others at random.
        orders = partition_orders(self._code, [None, *[rng] * 7])
        return orders, singular_vectors(self._code)

    @cached_property
    def _nobody(self) -> Position:
        return nobody_straggles(self._code)

    def worst(self, count: int, ceiling: float | None) -> Worst:
        n = self._code.workers
        if comb(n, count) <= max(1, self._sets):
            seen = replace(survey(self._code, every_set(n, count)), spread=0.0)
            worst, exact = _Start(seen.worst[0], float(seen.errors[0]), "enumeration"), True
        else:
            rng = np.random.default_rng([self._budget.seed, count])
            seen = survey(self._code, random_sets(n, count, self._budget.samples, rng), keep=8)
            orders, vectors = self._hints
            holders_lost = [(mask(order[:count], n), "all holders") for order in orders]
            singular = ((masks, "singular vectors") for masks in extremes(vectors, count))
            starts = self._certified([*holders_lost, *singular])
            lucky = zip(seen.worst, seen.errors, strict=True)
            starts += [_Start(masks, float(error), "random") for masks, error in lucky]
            affordable = self._nobody.foresees or n <= self._sets
            if affordable and not self._reaches(starts, ceiling):
                position = extended(self._nobody.at(self._before), count, self._sets)
                starts += self._certified([(position.stragglers, "one by one")])
            if not self._reaches(starts, ceiling):
                starts += self._improved(starts, rng)
            worst, exact = self._largest(starts), self._reaches(starts, ceiling)
        self._before = worst.stragglers
        members, by = tuple(np.flatnonzero(worst.stragglers).tolist()), worst.found_by
        return Worst(count, worst.error, members, exact, by, seen.mean, seen.spread, seen.sets)

    def _improved(self, starts: Sequence[_Start], rng: Generator) -> list[_Start]:
        """Searches by swaps, from the worst start on, until the tries are used up."""
        nobody, k = self._nobody, self._code.partitions
        tries = self._sets * (50 if nobody.foresees else 1)  # swaps per decoding of the budget
        distinct = {start.stragglers.tobytes(): start for start in reversed(starts)}
        better = list[tuple[BoolArray, str]]()
        for start in sorted(distinct.values(), key=lambda start: -start.error):
            if tries <= 0:
                break
            begun = nobody.at(start.stragglers)
            reached, used = climbed(begun, k, tries, rng)
            tries -= max(used, 1)
            if reached is not begun:
                better.append((reached.stragglers, f"{start.found_by} + swaps"))
        return self._certified(better)

    def _certified(self, sets: Sequence[tuple[BoolArray, str]]) -> list[_Start]:
        """The sets with their errors, found by the scheme's own decoder; undecodable sets drop."""
        if not sets:
            return []
        pairs = zip(sets, self._code.errors(np.array([masks for masks, _ in sets])), strict=True)
        return [_Start(m, float(error), by) for (m, by), error in pairs if not np.isnan(error)]

    def _largest(self, starts: Sequence[_Start]) -> _Start:
        errors = np.array([start.error for start in starts])
        return starts[int(worst_first(errors, ERROR_TOLERANCE * self._code.partitions)[0])]

    def _reaches(self, starts: Sequence[_Start], ceiling: float | None) -> bool:
        """Whether the worst reaches the bound, up to the digits that a decoder loses."""
        if ceiling is None:
            return False
        return abs(self._largest(starts).error - ceiling) <= ERROR_TOLERANCE * self._code.partitions
