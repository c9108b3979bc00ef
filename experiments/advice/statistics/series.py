"""Rounds that depend on each other: intervals of their means by blocks, and spells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ....delay_models.base import FloatArray

LEVEL = 0.95  # of the intervals
DRAWS = 1000  # resampled sequences of blocks
SEED = 20251125
MOST_BLOCKS = 2000  # more rounds are taken together, which changes an interval by little
FEWEST_BLOCKS = 8  # longer correlations than a table can show are cut to leave so many
FINEST = 20_000  # values of a series whose correlation is looked at: of more, means of runs


@dataclass(frozen=True, eq=False)
class Blocks:
    """Consecutive rounds, and resampled sequences of such blocks."""

    length: int  # rounds of a block; the last one may have fewer
    rounds: int  # R
    drawn: FloatArray  # ``(DRAWS, blocks)``, how often each block is drawn

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return int(self.drawn.shape[1])

    def means(self, series: FloatArray) -> FloatArray:
        """Means of ``(R,)`` over each resampled sequence, ``(DRAWS,)``; of ``(R, m)`` series
        ``(DRAWS, m)``."""
        starts = np.arange(0, self.rounds, self.length)
        sums = np.add.reduceat(series, starts)
        sizes = self.drawn @ np.diff(starts, append=self.rounds)
        totals = self.drawn @ sums
        return np.asarray((totals.T / sizes).T)

    def interval(self, value: float, resampled: FloatArray) -> tuple[float, float]:
        """Ends of the interval around ``value``, from what the resampled sequences give. Quantiles
        of the bootstrap, moved away from ``value`` by Student's quantile over the normal one: few
        blocks vary less than what they were drawn from. Source: Hesterberg, The American
        Statistician 69 (2015), expanded percentiles."""
        if self.count < 2:
            return float("nan"), float("nan")
        tail = (1 - LEVEL) / 2
        student = special.stdtrit(self.count - 1, tail) / special.ndtri(tail)
        wider = float(student * np.sqrt(self.count / (self.count - 1)))
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return value + wider * (float(low) - value), value + wider * (float(high) - value)

    def intervals(
        self, values: FloatArray, judged: Iterable[int], series: Callable[[int], FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Around means of workers, ``(n,)`` each, by their ``(R,)`` series; NaN if not judged."""
        low = np.full_like(values, np.nan)
        high = np.full_like(values, np.nan)
        for worker in judged:
            means = self.means(series(worker))
            low[worker], high[worker] = self.interval(float(values[worker]), means)
        return low, high


def blocks(series: Sequence[FloatArray]) -> Blocks:
    """Blocks that suit ``(R,)`` series: block bootstrap, Carlstein, Ann. Statist. 14 (1986)."""
    rounds = len(series[0])
    longest = max(map(block_length, series))
    length = max(min(longest, rounds // FEWEST_BLOCKS), -(-rounds // MOST_BLOCKS))
    count = -(-rounds // length)
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, count, (DRAWS, count)) + count * np.arange(DRAWS)[:, None]
    drawn = np.bincount(chosen.ravel(), minlength=DRAWS * count).reshape(DRAWS, count)
    return Blocks(length, rounds, drawn.astype(np.float64))


def block_length(series: FloatArray) -> int:
    """Rounds in a block for which the variance of the mean is estimated best. Source: Politis and
    White, Econometric Reviews 23 (2004), with the correction of Patton, Politis and White, 28
    (2009): flat-top window, circular blocks."""
    run = -(-len(series) // FINEST)
    if run > 1:
        series = series[: len(series) // run * run].reshape(-1, run).mean(axis=1)
    size = len(series)
    if size < 2 * FEWEST_BLOCKS:
        return run
    series = series / (float(np.abs(series).max()) or 1.0)
    looked = max(5, int(np.log10(size)))
    most = min(int(np.ceil(np.sqrt(size))) + looked, size - 1)
    length = 1 << (size + most).bit_length()
    spectrum = np.fft.rfft(series - series.mean(), length)
    # the autocovariance at lags 0 to ``most``, by the convolution theorem
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, length)[: most + 1] / size
    if covariance[0] <= 1e-24:
        return run
    clear = np.abs(covariance[1:]) < 2 * np.sqrt(np.log10(size) / size) * covariance[0]
    quiet = np.convolve(clear, np.ones(looked, dtype=int), mode="valid") == looked
    last = int(np.argmax(quiet)) if quiet.any() else len(covariance) - 1
    reach = min(2 * max(last, 1), len(covariance) - 1)
    lags = np.arange(1, reach + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / reach)) * covariance[1 : reach + 1]
    total = covariance[0] + 2 * weighted.sum()
    if total <= 0:
        return run
    slope = 2 * float((lags * weighted).sum())
    best = (2 * slope**2 / (4 / 3 * total**2) * size) ** (1 / 3)
    return run * max(1, int(np.ceil(min(best, 3 * np.sqrt(size), size / 3))))


@dataclass(frozen=True, eq=False)
class Estimates:
    """A number of each worker and the ends of its 95 % interval, ``(n,)`` each; NaN: unknown."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def correlations(tables: Sequence[FloatArray]) -> Estimates:
    """At lag 1, with Fisher's interval; lags do not cross from one table to the next."""
    centred = [table - table.mean(axis=0) for table in tables]
    squares = np.sum([np.sum(table**2, axis=0) for table in centred], axis=0)
    products = np.sum([np.sum(table[1:] * table[:-1], axis=0) for table in centred], axis=0)
    pairs = sum(len(table) - 1 for table in tables)
    value = np.clip(products / np.where(squares > 0, squares, 1.0), -0.999, 0.999)
    reach = -float(special.ndtri((1 - LEVEL) / 2)) / np.sqrt(max(pairs - 2, 1))
    return Estimates(value, np.tanh(np.arctanh(value) - reach), np.tanh(np.arctanh(value) + reach))


# Spells: who is slow in which rounds, for how long, and with whom.

# A worker is *slow* in a round if it takes more than the first times the round's median, or more
# than the second robust standard deviations beyond it if workers usually vary more than that.
SLOW_FACTOR = 1.2
SLOW_DEVIATIONS = 4.0
FEWEST_ROUNDS = 8  # of fewer, no spells are found
# Smallest correlation of successive rounds, at its interval's lower end, of who has spells.
SPELL_CORRELATION = 0.2
# P(some worker of a table has so long a spell, or some so many at once) by chance
SPELL_CHANCE = 1e-3
STRETCH_CHANCE = 0.01  # P(a worker that is always alike has a stretch of slow rounds) by chance
MOST_ENDS = 250  # rounds at which a stretch may begin, which are compared with each other


def fading(
    values: FloatArray, weights: FloatArray, curves: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For each of ``(G, L)`` curves the ``size`` and ``stays``, >= 0, for which ``stays + size
    curve`` is nearest to ``(L,)`` values, by least squares with ``(L,)`` weights; and the misfits:
    ``(G,)`` each."""
    mean, means = np.average(values, weights=weights), np.average(curves, axis=1, weights=weights)
    centred = curves - means[:, None]
    squares, whole = centred**2 @ weights, curves**2 @ weights
    along = centred @ (weights * (values - mean))
    size = np.maximum(0.0, np.divide(along, squares, out=0 * along, where=squares > 1e-12))
    stays = mean - size * means
    alone = curves @ (weights * values)
    alone = np.maximum(0.0, np.divide(alone, whole, out=0 * alone, where=whole > 0))
    size, stays = np.where(stays < 0, alone, size), np.maximum(stays, 0.0)
    return size, stays, (values - stays[:, None] - size[:, None] * curves) ** 2 @ weights


def wandering(
    table: FloatArray, left_out: Collection[int], most_hosts: int = 64, finest: int = FINEST
) -> float:
    """How long hosts of ``(R, n)`` seconds stay slow or fast, in rounds; 0 if they do not. Some
    hosts are left out; at most ``most_hosts`` and the means of ``finest`` runs of rounds are looked
    at. A host's place in each round is compared with its place some rounds later. Lasting
    differences of hosts make this alike at all lags; what wanders fades. So ``q + a exp(-lag /
    span)`` is fitted. Places have Savage's scores (mean places of exponential delays), so that what
    is common to a round drops out and slow hosts count most."""
    others = np.delete(np.arange(table.shape[1]), [*left_out])
    hosts = others[np.linspace(0, len(others) - 1, min(len(others), most_hosts)).astype(int)]
    run = -(-len(table) // finest)
    means = table[: len(table) // run * run, hosts].reshape(-1, run, len(hosts)).mean(axis=1)
    rounds, n = means.shape
    coarse = float(run) if run > 1 else 0.0
    if rounds < 4 or n < 2:
        return coarse
    scores = np.cumsum(1 / np.arange(n, 0, -1)) - 1
    score = scores[means.argsort(axis=1, kind="stable").argsort(axis=1)]
    lags = np.unique(np.geomspace(1, 3 * rounds // 4, 150).astype(int))
    sums = [np.einsum("rh,rh", score[lag:], score[:-lag]) for lag in lags]
    alike = np.array(sums) / ((rounds - lags) * n * np.mean(scores**2))
    weights = np.gradient(lags.astype(float)) * (rounds - lags)
    spans = np.geomspace(0.5, rounds / 2, 30)
    size, stays, misfit = fading(alike, weights, np.exp(-lags / spans[:, None]))
    best = int(np.argmin(misfit))
    mean = float(np.average(alike, weights=weights))
    gain = (weights @ (alike - max(mean, 0.0)) ** 2 - misfit[best]) * (n - 1)
    later = np.arange(1, rounds)
    share = size[best] / max(1 - stays[best], 1e-9)
    variance = 1 + 2 * share * float((1 - later / rounds) @ np.exp(-later / spans[best]))
    # It explains so much more of the misfit, in chi squared with two degrees of freedom, and
    # multiplies the variance of a host's mean by so much.
    return run * float(spans[best]) if gain > 9.0 and variance > 1.2 else coarse


Runs = tuple[NDArray[np.int64], NDArray[np.int64]]  # first rounds, and how many rounds each lasts


@dataclass(frozen=True, eq=False)
class SlowRounds:
    """The rounds in which each worker is slow, and the runs that they make."""

    level: float  # slow is who takes more than so many times the round's median
    cells: NDArray[np.bool_]  # ``(R, n)``
    runs: list[Runs]  # of each worker; none crosses two tables

    @property
    def long(self) -> NDArray[np.bool_]:
        """Who has a spell so long that 1 of 1000 tables has one, ``(n,)``. A slow worker stays
        slow with the probability p with which the others do (of those slow in half of the rounds or
        fewer: who is mostly slow has no spells), or with its own share of slow rounds if that is
        larger; so of S spells one lasts L rounds with a chance of at most S p**(L - 1)."""
        spells = np.array([len(lengths) for _, lengths in self.runs])
        rounds = np.array([lengths.sum() for _, lengths in self.runs])
        own = rounds / len(self.cells)
        few = own <= 0.5
        stays, counted = (rounds - spells) * few, rounds * few
        others = (stays.sum() - stays + 1) / (counted.sum() - counted + 10)
        longest = np.array([lengths.max(initial=1) for _, lengths in self.runs])
        chance = max(1, spells.sum()) * np.maximum(own, others) ** (longest - 1.0)
        return np.asarray(chance <= SPELL_CHANCE)


def slow_rounds(ratios: FloatArray, ends: Sequence[int] = ()) -> SlowRounds:
    """Of ``(R, n)`` delays over the round's median; a table begins at each of the ``ends``."""
    deviation = float(np.median(np.abs(ratios - np.median(ratios))))
    level = max(SLOW_FACTOR, 1 + SLOW_DEVIATIONS * deviation * 1.4826)
    cells = ratios > level
    return SlowRounds(level, cells, runs_of(cells, ends))


def spans(runs: Runs) -> NDArray[np.int64]:
    """The first and the last round of each run, ``(runs, 2)``."""
    first, rounds = runs
    return np.stack([first, first + rounds - 1], axis=1)


def runs_of(cells: NDArray[np.bool_], ends: Sequence[int] = ()) -> list[Runs]:
    """The runs of true cells in each column of ``(R, n)``; none crosses one of the ``ends``."""
    # A fast round before each table ends the runs of the one before.
    padded = np.insert(cells, [0, *ends, len(cells)], False, axis=0).astype(np.int8)
    added = [end + index for index, end in enumerate(ends, 1)]
    runs = list[Runs]()
    for column in np.diff(padded, axis=0).T:
        first = np.flatnonzero(column > 0)
        after = np.flatnonzero(column < 0)
        runs.append((first - np.searchsorted(added, first, "right"), after - first))
    return runs


def in_spells(
    ratios: FloatArray, slow: SlowRounds, asked: Sequence[int], ends: Sequence[int] = ()
) -> tuple[SlowRounds, list[int]]:
    """Which of the workers ``asked`` of ``(R, n)`` are slow in spells; and the slow rounds, of
    those workers by their most likely states: one lighter round does not end a spell."""
    logs = np.log(np.maximum(ratios[:, asked], 1e-12))
    alike = correlations(np.split(logs, ends)).low
    spelled, cells = list[int](), slow.cells.copy()
    for worker, correlation, own in zip(asked, alike, logs.T, strict=True):
        cell = slow.cells[:, worker]
        if has_spells(correlation, cell.mean(), cell.sum() / max(1, len(slow.runs[worker][0]))):
            spelled.append(worker)
            cells[:, worker] = likely_states(own, cell)
    return SlowRounds(slow.level, cells, runs_of(cells, ends)), spelled


def likely_states(logs: FloatArray, slow: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a worker is slow in each round, ``(R,)``: the most likely path through two states
    with a mean each and one deviation, which are estimated from the path before. Source: Viterbi
    training, Juang and Rabiner, IEEE Trans. ASSP 38 (1990). The first path is that of two means
    (Lloyd's rule), which begin at ``slow``, neither all nor none. Cost: a loop over the rounds for
    each of 20 paths at most."""
    for _ in range(20):
        nearer = logs > (logs[~slow].mean() + logs[slow].mean()) / 2
        if (nearer == slow).all() or nearer.all() or not nearer.any():
            break
        slow = nearer
    for _ in range(20):
        fast_mean, slow_mean = float(logs[~slow].mean()), float(logs[slow].mean())
        variance = float(np.mean((logs - np.where(slow, slow_mean, fast_mean)) ** 2))
        if variance <= 0:
            break
        # one more of each than was seen: a change is never impossible
        begins = (np.count_nonzero(slow[1:] & ~slow[:-1]) + 1) / (np.count_nonzero(~slow) + 2)
        ends = (np.count_nonzero(~slow[1:] & slow[:-1]) + 1) / (np.count_nonzero(slow) + 2)
        odds = ((logs - fast_mean) ** 2 - (logs - slow_mean) ** 2) / (2 * variance)
        path = _path(odds, begins, ends)
        if (path == slow).all() or path.all() or not path.any():
            break
        slow = path
    return slow


def _path(odds: FloatArray, begins: float, ends: float) -> NDArray[np.bool_]:
    """The likeliest path, from the log odds that each round was slow, and the chances that a spell
    begins after a fast round and ends after a slow one. Carried on is how much likelier the best
    path is that ends in the slow state than the one that ends in the fast one."""
    begin, stay_fast, end, stay_slow = np.log([begins, 1 - begins, ends, 1 - ends]).tolist()
    lead, leads = 0.0, list[float]()
    for odd in odds.tolist():
        lead = max(lead + stay_slow, begin) - max(lead + end, stay_fast) + odd
        leads.append(lead)
    path, slow = np.empty(len(odds), dtype=np.bool_), leads[-1] > 0
    for at in range(len(odds) - 1, -1, -1):
        path[at] = slow
        slow = leads[at - 1] > (begin - stay_slow if slow else stay_fast - end)
    return path


@dataclass(frozen=True)
class Stretch:
    """Successive rounds, the first and the last of which count."""

    first: int
    last: int


def normal_scores(values: FloatArray) -> FloatArray:
    """The ranks of ``(R, n)`` values in their columns, as normal values."""
    ranks = values.argsort(axis=0, kind="stable").argsort(axis=0)
    return np.asarray(special.ndtri((ranks + 0.5) / len(values)))


def slow_stretches(logs: FloatArray, most: int, deviation: float) -> list[Stretch]:
    """The stretches of rounds in which a worker is slower than in its other rounds, by its ``(R,)``
    logarithms of delay over the round's median; at most so many, in their order. The clearest one
    is taken out, and the next is looked for among the rounds that are left. One counts if chance
    shows as much in less than ``STRETCH_CHANCE`` of the tables (all pairs of ends are tried), where
    means of long runs deviate so many times as much as those of independent rounds. Rounds count by
    the normal scores of their ranks: a few large delays make no stretch. Source: circular binary
    segmentation, Olshen et al., Biostatistics 5 (2004). Cost: all pairs of ``MOST_ENDS`` rounds."""
    rounds = len(logs)
    scores = normal_scores(logs)
    reach = -deviation * float(special.ndtri(STRETCH_CHANCE / (rounds * (rounds + 1) / 2)))
    left = np.arange(rounds)
    found = list[Stretch]()
    while len(found) < most and len(left) > 1:
        first, after, clear = _clearest(scores[left])
        if clear < reach:
            break
        first, after = _unbroken(scores[left], first, after, reach)
        first, after = _sharpened(logs[left], first, after)
        found.append(Stretch(int(left[first]), int(left[after - 1])))
        left = np.delete(left, slice(first, after))
    return sorted(found, key=lambda stretch: stretch.first)


def _clearest(scores: FloatArray) -> tuple[int, int, float]:
    """The stretch of ``(R,)`` scores whose mean is furthest above that of the others: its first
    round, the one after its last, and how far, in standard errors of scores of deviation 1. It
    begins and ends at one of ``MOST_ENDS`` rounds."""
    rounds = len(scores)
    before = np.concatenate([[0.0], np.cumsum(scores - scores.mean())])
    ends = np.linspace(0, rounds, min(rounds, MOST_ENDS) + 1).astype(np.int64)
    length = ends - ends[:, None]
    inside = np.clip(length, 1, rounds - 1)
    clear = (before[ends] - before[ends, None]) / np.sqrt(inside * (rounds - inside) / rounds)
    clear[(length < 1) | (length >= rounds)] = -np.inf
    first, after = np.unravel_index(int(np.argmax(clear)), clear.shape)
    return int(ends[first]), int(ends[after]), float(clear[first, after])


def _unbroken(scores: FloatArray, first: int, after: int, reach: float) -> tuple[int, int]:
    """The slowest part of a stretch that has no break: rounds that are as clearly faster than the
    others of the stretch as it must be slower. Many spells are no long one."""
    while after - first > 1:
        begin, end, clear = _clearest(-scores[first:after])
        if clear < reach:
            break
        parts = ((first, first + begin), (first + end, after))
        first, after = max(parts, key=lambda part: scores[slice(*part)].sum())
    return first, after


def _sharpened(logs: FloatArray, first: int, after: int) -> tuple[int, int]:
    """The ends of a stretch, by how far each round lies above the middle between the mean in the
    stretch and that of the others: the sum from end to end is the largest."""
    outside = np.delete(logs, slice(first, after))
    middle = (logs[first:after].mean() + outside.mean()) / 2
    before = np.concatenate([[0.0], np.cumsum(logs - middle)])
    centre = (first + after) // 2
    return int(np.argmin(before[: centre + 1])), centre + 1 + int(np.argmax(before[centre + 1 :]))


def long_run_deviation(series: FloatArray) -> float:
    """How many times as much means of long runs of ``(R,)`` values of deviation 1 deviate as if
    they were independent, at least 1."""
    length = min(block_length(series), len(series) // FEWEST_BLOCKS)
    if length < 2:
        return 1.0
    runs = series[: len(series) // length * length].reshape(-1, length).mean(axis=1)
    return max(1.0, float(runs.std(ddof=1)) * float(np.sqrt(length)))


def has_spells(correlation: float, slow: float, spell: float) -> bool:
    """Whether a worker that stands out is slow for a while, then fast again: by the lower end of
    the correlation of its successive rounds, its share of slow rounds (the law of a state that is
    seen in fewer than 1 % is not known), and how many are in a row on average."""
    return bool(correlation >= SPELL_CORRELATION and 0.01 <= slow <= 0.99 and spell > 1)


def in_and_out(ratios: FloatArray, slow: NDArray[np.bool_], worker: int) -> tuple[float, float]:
    """How many times the round's median a worker typically takes in its spells, and else: medians
    of its ``(R, n)`` ratios where ``slow``, some of whose rounds are, and where not."""
    own, cells = ratios[:, worker], slow[:, worker]
    return float(np.median(own[cells])), float(np.median(own[~cells]))
