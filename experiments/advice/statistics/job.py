"""The rounds of a job: who ends them, who is to blame, and who stands out from chance."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ....delay_models.base import FloatArray
from .series import SEED, SlowRounds, wandering

PIECE_CELLS = 2_000_000  # 16 MB: a large table needs little memory beside such a piece
RUNS = 10  # runs of consecutive rounds whose medians give the error of a worker's factor
DRAWS = 199  # times that the rounds' slowest workers are dealt out at random
SPANS_PER_BLOCK = 4.0  # a block is so many times as long as workers stay slow
FEWEST_ROUNDS = 30  # fewer do not show how long workers stay slow
FAR_CELLS = 100_000  # values that are drawn for how far one of them lies from the others
MOST_REPLACED = 20  # hosts that are looked for
# The data of a host that is in fewer steps than this share of what a mean one is in is hardly
# learned; ``recommend`` asks so of partitions.
RARELY = 0.1


def pieces(count: int, across: int) -> Iterator[slice]:
    """Slices of ``count`` rows with ``across`` cells each, or of columns."""
    step = max(1, PIECE_CELLS // max(1, across))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def round_medians(table: FloatArray) -> FloatArray:
    """Each round's median over its workers: ``(R, n)`` -> ``(R,)`` seconds."""
    return np.concatenate([np.median(table[rows], axis=1) for rows in pieces(*table.shape)])


def waiting_saves(table: FloatArray, k: int) -> float:
    """Share of a mean round that waiting for the first k workers saves of ``(R, n)`` measured
    seconds: ``whatif`` and ``fit`` say this number."""
    ends = np.partition(table, k - 1, axis=1)[:, k - 1]
    longest = table.max(axis=1)
    return float((longest - ends).mean() / longest.mean())


@dataclass(frozen=True, eq=False)
class Slowest:
    """The K slowest workers of each round, the slowest first."""

    seconds: FloatArray  # ``(R, K)``
    workers: NDArray[np.int64]  # ``(R, K)``; of equal delays the first worker's is first
    of: int  # n

    def without(self, gone: Collection[int]) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
        """The slowest of the workers that are left, which it is, and the next after it: ``(R,)``
        seconds, workers, and seconds. At most K - 2 workers may be gone, or all but two of them; of
        one more, what comes after the slowest is not known."""
        there = ~np.isin(self.workers, [*gone])
        rounds = np.arange(len(there))
        first = there.argmax(axis=1)
        there[rounds, first] = False
        after = self.seconds[rounds, there.argmax(axis=1)]
        return self.seconds[rounds, first], self.workers[rounds, first], after

    @cached_property
    def ended(self) -> tuple[NDArray[np.int64], FloatArray]:
        """Who ends each round, ``(R,)``, and the seconds that go if it is not the slowest."""
        first, worker, second = self.without(())
        return worker, first - second if self.of > 1 else np.zeros(len(first))

    def due_to(self, worker: int) -> FloatArray:
        """Seconds of each round, ``(R,)``, that go if this worker is never the slowest."""
        who, gaps = self.ended
        return np.where(who == worker, gaps, 0.0)

    @property
    def alone(self) -> tuple[FloatArray, FloatArray]:
        """What every worker costs by itself: ``(n,)`` seconds a round that go if a median host
        replaces this one (it is never the slowest, so the round ends with the next slowest); and
        ``(n,)`` shares of the rounds that this one ended. Those who are equally late share a
        round."""
        who, gaps = self.ended
        cost = np.bincount(who, weights=gaps, minlength=self.of) / len(gaps)
        last = self.seconds == self.seconds[:, :1]
        shares = last / last.sum(axis=1, keepdims=True)
        ends = np.bincount(self.workers.ravel(), weights=shares.ravel(), minlength=self.of)
        return cost, ends / len(gaps)


def slowest(table: FloatArray, count: int) -> Slowest:
    """The ``count`` slowest workers (at most n) of each round of ``(R, n)`` seconds."""
    rounds, n = table.shape
    count = min(count, n)
    seconds = np.empty((rounds, count))
    workers = np.empty((rounds, count), dtype=np.int64)
    for rows in pieces(rounds, n):
        columns = np.sort(np.argpartition(table[rows], n - count, axis=1)[:, n - count :], axis=1)
        values = np.take_along_axis(table[rows], columns, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        seconds[rows] = np.take_along_axis(values, order, axis=1)
        workers[rows] = np.take_along_axis(columns, order, axis=1)
    return Slowest(seconds, workers, n)


@dataclass(frozen=True, eq=False)
class Job:
    """The rounds of a job, ``(R, n)`` seconds, of which at most so many workers are left out."""

    table: FloatArray
    most: int = MOST_REPLACED

    @cached_property
    def medians(self) -> FloatArray:
        """Each round's median over its workers, ``(R,)`` seconds."""
        return round_medians(self.table)

    @cached_property
    def slowest(self) -> Slowest:
        """The slowest workers of each round."""
        return slowest(self.table, self.most + 2)

    @property
    def factors(self) -> FloatArray:
        """Lasting factors of the workers, ``(n,)``: 1 for the median worker, and in one round. A
        worker's factor is the median over rounds of its delay over the round's median, which must
        be above 0. The largest of many such numbers is large by chance alone, so what cannot be
        told from chance is taken back: factors within the reach of chance (each has a standard
        error from ``RUNS`` runs of rounds) are shrunk towards 1 by the share of their variance that
        the errors explain; those beyond it stay. Source: James and Stein's estimator with positive
        part; keeping what is far off is Efron and Morris's limited translation (JASA 67, 1972)."""
        rounds, n = self.table.shape
        runs = min(RUNS, rounds)
        if runs < 2 or n < 2:
            return np.ones(n)
        edges = np.linspace(0, rounds, runs + 1).astype(int)
        whole, split = np.empty(n), np.empty((runs, n))
        for columns in pieces(n, rounds):
            ratios = self.table[:, columns] / self.medians[:, None]
            whole[columns] = np.median(ratios, axis=0)
            for run, (start, stop) in enumerate(pairwise(edges)):
                split[run, columns] = np.median(ratios[start:stop], axis=0)
        if (centre := float(np.median(whole))) <= 0:
            return np.ones(n)
        return shrunk(whole / centre, split.var(axis=0, ddof=1) / runs / centre**2, runs - 1)

    @cached_property
    def blame(self) -> FloatArray:
        """Seconds a round that each worker makes the others wait beyond the median, ``(n,)``. The k
        slowest share the wait up to the k-th slowest's delay in equal parts, so that two hosts
        which are slow together share the blame, though neither costs anything alone. The sum over
        workers is the mean of (slowest - median). Source: The Shapley value of a maximum, as
        airports share the cost of a runway: Littlechild and Owen, Management Science 20 (1973)."""
        rounds, n = self.table.shape
        total = np.zeros(n)
        for rows in pieces(rounds, n):
            order = np.argsort(self.table[rows], axis=1, kind="stable")
            beyond = np.take_along_axis(self.table[rows], order, axis=1) - self.medians[rows, None]
            steps = np.diff(np.maximum(beyond, 0.0), axis=1, prepend=0.0)
            steps /= np.arange(n, 0, -1)
            np.cumsum(steps, axis=1, out=steps)
            total += np.bincount(order.ravel(), weights=steps.ravel(), minlength=n)
        return np.asarray(total / rounds)

    def standing_out(self, known: Sequence[int] = ()) -> list[int]:
        """The workers that are the slowest more often, or for longer, than chance explains. By
        chance, whoever is the slowest in a block of rounds might as well be any other worker that
        is not far faster than most. A block is as long as workers stay slow, so that a spell counts
        once; the one with most blame has no say in that, or a single slow worker would hide itself.
        Where all wander, or rounds are too few to tell, some worker is slow for most of a table by
        chance; there a worker must also be further from the others than they differ among
        themselves. The one with most blame among those who stand out is taken away, and the
        question is asked again of the others: of two slow hosts, one may hide the other. Those who
        are ``known`` to stand out are taken away before. At most ``most_standing``, in the order of
        being taken."""
        gone = [*known]
        (rounds, n), blame, last = self.table.shape, self.blame, self.slowest
        logs = np.zeros(n)  # each worker's mean logarithm of delay over round's median
        for rows in pieces(rounds, n):
            ratios = self.table[rows] / self.medians[rows, None]
            logs += np.log(np.maximum(ratios, 1e-12)).sum(axis=0)
        logs /= rounds
        rng = np.random.default_rng(SEED)
        # Clocks that tick coarsely make ties; the first worker is not to end all of these rounds.
        order = np.lexsort((rng.random(last.seconds.shape), -last.seconds), axis=-1)
        last = replace(last, workers=np.take_along_axis(last.workers, order, axis=1))
        while len(gone) < most_standing(n):
            left = np.delete(np.arange(n), gone)
            span = wandering(self.table, [*gone, int(left[np.argmax(blame[left])])])
            length = max(1, min(int(np.ceil(SPANS_PER_BLOCK * span)), rounds // 4))
            reach = far_by_chance(len(left))
            fast = int(np.count_nonzero(beyond(-logs[left]) > reach))
            first, worker, second = last.without(gone)
            in_block = np.arange(rounds) // length * n + worker
            blocks, inverse = np.unique(in_block, return_inverse=True)
            out = np.zeros(n, dtype=bool)
            # Two numbers are compared with the most of ``DRAWS`` deals, so chance makes somebody
            # stand out in 1 % of the tables in which nobody does.
            for weights in (first - second, np.ones(rounds)):
                sums = np.bincount(inverse, weights=weights).astype(np.float64)
                seen = np.bincount(blocks % n, weights=sums, minlength=n)
                dealt = (rng.integers(0, len(left) - fast, len(sums)) for _ in range(DRAWS))
                chance = max(np.bincount(deal, sums, len(left)).max() for deal in dealt)
                out |= seen > float(chance) * (1 + 1e-9)
            if out.any() and (span > 0 or rounds < FEWEST_ROUNDS):
                out[left] &= beyond(logs[left]) > reach
            if not out.any():
                break
            gone.append(int(np.argmax(np.where(out, blame, -1.0))))
        return gone

    def standing(self, slow: SlowRounds) -> list[int]:
        """The workers that have a spell longer than chance makes any, and those that stand out
        among the others, those to blame most first; at most ``most_standing``. A spell in a table
        is a stretch in which nobody else ends the rounds, and would hide who is always slow."""
        blame = self.blame
        most = most_standing(self.table.shape[1])
        long = slow.long  # asked once: it looks at all spells of all workers
        first = [int(j) for j in np.argsort(-blame, kind="stable") if long[j]][:most]
        return sorted(self.standing_out(first), key=lambda j: -blame[j])


def most_standing(workers: int) -> int:
    """How many workers can stand out from the others: of unequal ones, which all end more rounds
    than those that are faster, half are left."""
    return min(MOST_REPLACED, workers // 2) if workers > 2 else 0


def beyond(values: FloatArray) -> FloatArray:
    """How far values lie above their median, in robust standard deviations; of ``(..., n)``."""
    above = values - np.median(values, axis=-1, keepdims=True)
    deviations = 1.4826 * np.median(np.abs(above), axis=-1, keepdims=True)
    return np.asarray(above / np.maximum(deviations, 1e-12))


@cache
def far_by_chance(count: int) -> float:
    """How far ``beyond`` the others one of so many normal values lies in 1 % of the cases."""
    rng = np.random.default_rng(SEED)
    deals = rng.standard_normal((max(DRAWS, FAR_CELLS // count), count))
    return float(np.quantile(beyond(deals).max(axis=1), 0.99))


def shrunk(factors: FloatArray, errors: FloatArray, freedom: int) -> FloatArray:
    """Take back what chance explains of ``(n,)`` factors around 1, by their squared errors; any
    worker without a lasting difference keeps its factor as measured in 1 % of tables."""
    typical = float(np.median(errors)) * freedom / float(special.chdtri(freedom, 0.5))
    deviations = np.sqrt(np.maximum(errors, typical))
    reach = -float(special.ndtri(0.01 / 2 / len(factors)))
    far = np.abs(factors - 1) > reach * deviations
    near = factors[~far]
    spread = float(np.mean((near - 1) ** 2)) if len(near) else 0.0
    kept = max(0.0, 1 - typical / spread) if spread > 0 else 0.0
    return np.where(far, factors, 1 + kept * (factors - 1))
