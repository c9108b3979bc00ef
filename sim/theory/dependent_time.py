"""A round's law where workers depend on each other: groups that wait for local steps, slow racks.

With levels of period P_i and size g_i, P_0 = g_0 = 1 and L_0 the time of a step, the time of the
steps in a period is L_i = max of g_i / g_(i-1) copies of a sum of P_i / P_(i-1) copies of L_(i-1),
all independent; the last level is all n workers and all H steps (our derivation). So a law is
followed through sums and maxima, on a lattice: a step's time is rounded to it once, and then sums
(powers of a Fourier transform) and maxima (powers of a CDF) stay on it.

Where racks of workers are slow together, workers are independent once it is known which law each
rack has in the round. So a round's law is a mixture, over how many workers of each law every code
group has; groups alike in that are of one kind, and only their number counts (our derivation)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import accumulate, repeat
from math import ceil, prod, sqrt
from operator import or_
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import override

from ..base.types import FloatArray, IntArray
from ..schemes.arrivals import Arrivals, Demand, NoFormula
from .iteration_time import IterationTimeLaw
from .worker_time import WorkerTime, smallest

MOST_POINTS = 2**20  # of the lattice
LEAST_PER_SPREAD = 50.0  # points between the quartiles of a step


@dataclass(frozen=True, eq=False)
class LevelsLaw(IterationTimeLaw):
    """A step, the H-th part of a round. The mean is off by about 1e-6 of the spread of a step."""

    steps: int  # H
    least: float  # seconds that every step takes
    spacing: float  # seconds between the points of the lattice
    chances: FloatArray  # of a round's time beyond H times ``least``, at the points from 0 on

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise; between the points it is a line."""
        beyond = (np.asarray(seconds, dtype=np.float64) - self.least) * self.steps / self.spacing
        reached = np.minimum(np.cumsum(self.chances), 1.0)
        ends = np.arange(len(reached)) + 0.5
        return np.asarray(np.where(beyond < 0, 1.0, 1.0 - np.interp(beyond, ends, reached)))

    @override
    def mean(self) -> float:
        return self.least + float(self._beyond @ self.chances)

    @override
    def variance(self) -> float:
        far = self._beyond - self._beyond @ self.chances
        return float(far**2 @ self.chances)

    @override
    def _third_moment(self) -> float:
        far = self._beyond - self._beyond @ self.chances
        return float(far**3 @ self.chances)

    @property
    def _beyond(self) -> FloatArray:
        return np.asarray(np.arange(len(self.chances)) * (self.spacing / self.steps))

    @override
    def tail_index(self) -> float:
        """That of the longest of n steps: sums and maxima have no heavier tails."""
        return IterationTimeLaw(self.demand, self.worker).tail_index()


def levels_law(
    worker: WorkerTime, levels: tuple[tuple[int, int], ...], workers: int, steps: int
) -> LevelsLaw | NoFormula:
    """The law of a step, given that of a worker's step, without ties, and the levels as periods and
    sizes. ``NoFormula``: the tail reaches further than ``MOST_POINTS``. Cost: some Fourier
    transforms of as many points; 0.1 s for 30 workers and ten steps of about a second."""
    everybody = Demand(Arrivals(workers, workers, workers))
    quartiles = np.array([0.0, 0.25, 0.75])
    start, low, high = smallest(lambda t: worker.cdf(t) > quartiles, 3).tolist()
    longest = IterationTimeLaw(everybody, worker)
    mean, spread, scale = longest.mean(), sqrt(longest.variance()), high - low
    # where a step of a round is with a chance of a millionth of a millionth
    far = float(smallest(lambda t: worker.sf(t) * workers * steps <= 1e-12, 1)[0])
    reach = steps * (mean - start) + 8.0 * sqrt(steps) * spread + far - start
    density = min(8 * LEAST_PER_SPREAD, MOST_POINTS / reach * scale) if reach else LEAST_PER_SPREAD
    if not (reach < np.inf and density >= LEAST_PER_SPREAD):
        return NoFormula("levels: the tail of a step is too heavy for a lattice")
    spacing = scale / density or 1.0
    points = ceil(reach / spacing) + 1
    chances = np.diff(worker.cdf(start + (np.arange(points) + 0.5) * spacing), prepend=0.0)
    period = size = 1
    for longer, larger in (*levels, (steps, workers)):
        sums = np.fft.irfft(np.fft.rfft(chances) ** (longer // period), points)
        reached = np.clip(np.cumsum(sums), 0.0, 1.0) ** (larger // size)
        chances, period, size = np.diff(reached, prepend=0.0), longer, larger
    return LevelsLaw(everybody, worker, steps, start, spacing, chances)


Kind = tuple[int, ...]  # workers of each law in a code group
Groups = tuple[tuple[Any, Any], ...]  # a mapping that can be hashed
Chances = dict[tuple[tuple[Kind, int], ...], float]  # by how many groups are of each kind

MAX_TERMS = 10_000  # numbers of groups of each kind, times arrivals that are counted
SMALLEST_TAIL = 1e-13  # sums of powers of roots of unity are off by less than this


def chances_of_kinds(racks: IntArray, weights: Sequence[float], size: int) -> Chances | NoFormula:
    """How likely it is that so many code groups, ``size`` neighbours each, are of each kind;
    ``racks`` is the rack of each worker, ``(n,)``, counted from 0, and ``weights`` are of the laws
    that one can have. Racks are taken in one by one, and a group is finished with its last."""
    groups_of = (np.flatnonzero(racks == rack) // size for rack in range(racks.max() + 1))
    members = [Counter(groups.tolist()) for groups in groups_of]
    most = min(4096, 100_000 // len(racks))  # ways in which racks can be slow, told apart at once
    last = {group: rack for rack, own in enumerate(members) for group in own}
    states: dict[tuple[Groups, Groups], float] = {((), ()): 1.0}  # unfinished, finished
    for rack, own in enumerate(members):
        after = defaultdict[tuple[Groups, Groups], float](float)
        for (unfinished, finished), chance in states.items():
            for law, weight in enumerate(weights):
                kinds, numbers = dict(unfinished), Counter(dict(finished))
                for group, workers in own.items():
                    kind = [*kinds.get(group, (0,) * len(weights))]
                    kind[law] += workers
                    kinds[group] = tuple(kind)
                numbers.update(kinds.pop(group) for group in own if last[group] == rack)
                key = tuple(sorted(kinds.items())), tuple(sorted(numbers.items()))
                after[key] += chance * weight / sum(weights)
        states = {key: chance for key, chance in after.items() if chance > 0}
        if len(states) > most:
            return NoFormula(f"racks can be slow in more than {most} ways")
    return {finished: chance for (_, finished), chance in states.items()}


def rack_law(
    asked: Demand, worker: WorkerTime, racks: IntArray, weights: Sequence[float],
    laws: Sequence[WorkerTime],
) -> IterationTimeLaw | NoFormula:  # fmt: skip
    """The law of a round of workers that have one of some ``laws`` by their rack, as
    ``chances_of_kinds`` has racks and weights; ``worker`` is the mixture of the laws."""
    arrivals = asked.arrivals
    if arrivals is None or asked.quorum is not None or asked.window is not None:
        return NoFormula("where racks are slow together, only rules that count arrivals")
    if arrivals.workers > MAX_TERMS:
        return NoFormula(f"where racks are slow together, at most {MAX_TERMS} workers")
    size = arrivals.size or (1 if arrivals.low == arrivals.workers else arrivals.workers)
    chances = chances_of_kinds(racks, weights, size)
    if isinstance(chances, NoFormula):
        return chances
    if len(chances) * arrivals.workers > MAX_TERMS:
        return NoFormula(f"racks can be slow in {len(chances)} ways that count")
    return RackLaw(asked, worker, tuple(laws), chances, size)


@dataclass(frozen=True)
class RackLaw(IterationTimeLaw):
    """A round of workers whose racks have one of several laws; ``worker`` is their mixture. Rules
    count arrivals, or ask for every code group. ``sf`` is as accurate as the laws where everybody
    or every group is awaited, else to ``SMALLEST_TAIL``, which counts as 0. Cost: that of the laws,
    times the terms of the mixture."""

    laws: tuple[WorkerTime, ...]
    chances: Chances
    size: int  # workers of a code group, neighbours

    @cached_property
    def _most(self) -> dict[Kind, int]:
        """How many groups of each kind there are at most."""
        return reduce(or_, (Counter(dict(groups)) for groups in self.chances))

    @override
    def tail_index(self) -> float:
        """That of independent workers: who shares a factor moves no power of the tail."""
        return IterationTimeLaw(self.demand, self.worker).tail_index()

    @override
    def mean(self) -> float:
        return super().mean() if self.tail_index() > 1.0 else np.inf

    @override
    def variance(self) -> float:
        return super().variance() if self.tail_index() > 2.0 else np.inf

    @override
    def _waiting(self, t: FloatArray, asked: Arrivals) -> FloatArray:
        missing = [law.sf(t.ravel()) for law in self.laws]
        if asked.low <= asked.workers // self.size and asked.high > asked.workers - self.size:
            with np.errstate(divide="ignore"):
                logs = {kind: np.log1p(-_all_of(missing, kind)) for kind in self._most}
            some = [
                chance * -np.expm1(sum(number * logs[kind] for kind, number in groups))
                for groups, chance in self.chances.items()
            ]
            return np.asarray(np.sum(some, axis=0)).reshape(t.shape)
        rows = max(1, 2**18 // (asked.workers * sum(self._most.values())))
        starts = range(0, max(1, t.size), rows)
        some = [self._counted([m[i : i + rows] for m in missing], asked) for i in starts]
        return np.concatenate(some).reshape(t.shape)

    def _counted(self, missing: Sequence[FloatArray], asked: Arrivals) -> FloatArray:
        """P(fewer than ``low`` arrivals, or fewer than ``high`` that leave out a group), ``(T,)``.
        The number of arrivals has a polynomial, the product of those of groups; without their
        constants it is that of arrivals in all groups. Their values at the roots of unity give any
        sum of coefficients."""
        n = asked.workers
        j = np.arange((n + 1) // 2 + 1)  # the others' values are conjugate
        roots = np.exp(2j * np.pi * j / (n + 1))
        counted = np.where((j == 0) | (2 * j == n + 1), 1.0, 2.0) / (n + 1)
        turned = roots[:, None] ** -np.arange(n + 1) * counted[:, None]
        below = turned[:, : asked.high].sum(axis=1)
        between = turned[:, asked.low : asked.high].sum(axis=1)
        alone = [_powers(m[:, None] + (1.0 - m[:, None]) * roots, self.size) for m in missing]
        every, heard = dict[Kind, Any](), dict[Kind, Any]()
        for kind, most in self._most.items():
            group = np.asarray(prod(law[c] for law, c in zip(alone, kind, strict=True)))
            every[kind] = _powers(group, most)
            heard[kind] = _powers(group - _all_of(missing, kind)[:, None], most)
        total = np.zeros(len(missing[0]))
        for groups, chance in self.chances.items():
            some = prod(every[kind][number] for kind, number in groups) @ below
            if asked.low < asked.high:
                some = some - prod(heard[kind][number] for kind, number in groups) @ between
            total += chance * some.real
        return np.where(total < SMALLEST_TAIL, 0.0, np.minimum(total, 1.0))


def _all_of(missing: Iterable[FloatArray], kind: Kind) -> FloatArray:
    """P(nobody of a group of a kind is done)."""
    return np.asarray(prod(m**count for m, count in zip(missing, kind, strict=True) if count))


def _powers(values: NDArray[Any], most: int) -> list[NDArray[Any]]:
    return [*accumulate(repeat(values, most), np.multiply, initial=np.ones_like(values))]
