"""Rounds with cold starts: a few delays far longer than all others, and how they clump."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from .....delay_models.base import FloatArray
from .....delay_models.measured.measured import ByLoad
from .law import Section, lognormal_section, rounded
from .workers import Racks

# How many workers a cold start hits at once is binomial, or nearly always the same. Both laws have
# one parameter, the mean size, so the one under which the observed sizes are more likely is taken;
# but where sizes vary so much more that a binomial law makes it in 1 % of tables, they are kept as
# they were seen. The difference matters to a master that waits for nearly all other
# workers: when always 9 of 256 are cold, the 247th arrival is warm, but with a binomial clump of
# mean 9 it is cold every second time.

SMALLEST_CLUMP = 0.2  # smallest mean size: single cold starts say only that it is small
CLUMP_CHANCE = 0.01
FEWEST_ROUNDS = 3  # rounds without a cold start that are needed to compare order statistics with


def fit_clumps(sizes: NDArray[np.int64], rounds: int, workers: int) -> Section:
    """Fit the laws to the numbers of cold starts in hit rounds, ``(hit,)``, of so many rounds.
    Returns fields of the model ``cold_starts``: the probability that a round is hit, also with a
    clump of 0 workers; and the sizes as observed, or the mean size over n, ``share``, where a law
    holds, with ``clump`` unless it is binomial."""
    # The index of dispersion, variance over that of a binomial law, has a chi-square law.
    mean, hit = float(sizes.mean()), len(sizes)
    expected = mean * (1 - mean / workers)
    index = float(((sizes - mean) ** 2).sum()) / expected if expected > 0 else 0.0
    if hit > 1 and special.chdtrc(hit - 1, index) <= CLUMP_CHANCE:
        # at most a hundred, at equal distances in their order
        kept = np.sort(sizes)[np.linspace(0, hit - 1, min(hit, 100)).round().astype(int)]
        return {"probability": rounded(hit / rounds), "sizes": [*map(int, kept)]}
    share, probability, binomial = _binomial(sizes, rounds, workers)
    larger = float(np.mean(sizes - sizes.min()))
    likely = -hit * float(special.entr(larger) + special.entr(1 - larger))  # of neighbouring sizes
    # Rare single slow calls look like clumps that are always of size 1.
    neighbouring = sizes.max() - sizes.min() <= 1 and sizes.min() >= 2
    if neighbouring and likely > binomial:
        fields = {"probability": rounded(hit / rounds), "share": rounded(mean / workers)}
        return fields | {"clump": "fixed"}
    return {"probability": rounded(probability), "share": rounded(share)}


def fit_neighbours(cells: Sequence[NDArray[np.bool_]]) -> float:
    """Chance that the worker after a member of a clump is in it, too, from which delays are cold
    starts, ``(rounds, n)`` each; 0 where chance explains it. A clump of c of n workers that is
    scattered has c (c - 1) / n members that follow another one on average; that many more than this
    is a Poisson event with a chance of at most ``CLUMP_CHANCE``."""
    rounds = np.concatenate(cells)
    sizes = rounds.sum(axis=1)
    follows = int((rounds & np.roll(rounds, 1, axis=1)).sum())
    expected = float((sizes * (sizes - 1)).sum()) / rounds.shape[1]
    most = float(np.maximum(sizes - 1, 0).sum())
    if follows == 0 or most <= expected or special.pdtrc(follows - 1, expected) > CLUMP_CHANCE:
        return 0.0
    return float(min(1.0, (follows - expected) / (most - expected)))


def _binomial(sizes: NDArray[np.int64], rounds: int, workers: int) -> tuple[float, float, float]:
    """Mean size over n, probability of a hit, and the log-likelihood of the sizes. It can give 0,
    but a round with a clump of 0 does not look hit. So the mean size of the hit rounds is matched
    to the law given a size > 0, and the probability is divided by the chance of that."""
    hit, mean = len(sizes) / rounds, float(sizes.mean())
    # The mean m of a Poisson law whose mean without its 0 is known: m / (1 - exp(-m)). It is at
    # least so large that the probability of a hit, seen or not, is at most 1.
    size = mean
    for _ in range(200):
        size = mean * -float(np.expm1(-size))
    least = max(SMALLEST_CLUMP, -float(np.log1p(-min(hit, 1 - 1e-9))))
    share = min(1.0, max(size, least) / workers)
    seen = -float(np.expm1(workers * np.log1p(-share))) if share < 1 else 1.0
    others = workers - sizes
    ways = special.gammaln(workers + 1) - special.gammaln(sizes + 1) - special.gammaln(others + 1)
    logs = ways + special.xlogy(sizes, share) + special.xlog1py(others, -share) - np.log(seen)
    return share, min(1.0, hit / seen), float(logs.sum())


# *A gap that no tail has.* With the delays sorted from the largest, X1 >= X2 >= ..., the scaled
# log-spacings i log(Xi / X(i+1)) of any tail that falls like a power are independent exponential
# draws with one mean, and those of a lighter tail shrink outwards. So if c log(Xc / X(c+1)) is far
# larger than the mean H of the next m spacings, the c largest delays are another kind of event.
# Under a power tail its ratio to H has the F(2, 2m) distribution: P(ratio > q) = (1 + q/m)**-m.
# Every c up to a tenth of all delays is tried, the best is kept, and its chance is multiplied by
# how many were tried. A lone outlier in a Pareto sample is therefore never taken for a cold start.
#
# *In clumps.* c delays thrown at random into R rounds would hit R (1 - (1 - 1/R)**c) of them. Four
# or more that hit about as many are the slow part of a mixture, and stay in, like workers that are
# always slow; fewer must be far out (``FAR_FACTOR``). If most of a round, it is a slow round.
#
# Source: own, from Renyi's representation of exponential spacings (1953); H is Hill's estimator.

LARGEST_SHARE = 0.1  # of the delays that may be cold starts; more are a part of the bulk
GAP_CHANCE = 1e-4  # that a tail has such a gap
LEAST_GAP = 1.15  # a cold start takes at least so many times the longest other delay
FAR_FACTOR = 2.0  # fewer than ``FEWEST_IN_CLUMPS`` must be this many times as long
FEWEST_IN_CLUMPS = 4
SMALLEST_SIGMA = 0.01  # start-ups that differ by less are one number
MOST_WITHIN = 0.2  # start-ups that differ by more in a round have no tail that a few of them show


@dataclass(frozen=True, eq=False)
class Cold:
    """Which calls were cold starts, and how long these take."""

    cells: tuple[NDArray[np.bool_], ...]  # ``(rounds, n)`` bool per table: cold starts
    beyond: float  # they take longer than this many seconds, the others less
    rounds: int  # how many rounds there are in all
    sizes: NDArray[np.int64]  # number of cold starts in each hit round, ``(hit,)``
    workers: int  # n
    # ``(hit,)`` seconds: the geometric mean of a round's cold starts, less its typical other delay
    start_ups: FloatArray
    within: float  # standard deviation of log start-ups in a round; 0 beyond ``MOST_WITHIN``

    @property
    def hit(self) -> int:
        """How many rounds are hit."""
        return len(self.sizes)

    @property
    def clump(self) -> float:
        """Mean number of cold starts in a hit round."""
        return float(self.sizes.mean())

    def section(self, base: Section) -> Section:
        """The ``delay:`` section of cold starts around ``base``."""
        neighbours = fit_neighbours(self.cells)
        logs = np.log(self.start_ups)
        sigma = float(logs.std(ddof=1)) if self.hit > 1 else 0.0
        # Means of clumps differ also because start-ups do within them.
        sigma = max(0.0, sigma**2 - self.within**2 * float(np.mean(1 / self.sizes))) ** 0.5
        delay = lognormal_section(logs, sigma)
        if sigma <= SMALLEST_SIGMA:
            delay = {"model": "deterministic", "value": delay["median"]}
        return {
            "model": "cold_starts",
            **fit_clumps(self.sizes, self.rounds, self.workers),
            **({"neighbours": rounded(neighbours, 4)} if neighbours > 0 else {}),
            **({"within": rounded(self.within, 4)} if self.within > SMALLEST_SIGMA else {}),
            "delay": delay,
            "base": base,
        }


def find_cold_starts(tables: Sequence[FloatArray]) -> Cold | None:
    """Look for cold starts in ``(rounds, n)`` tables of seconds; ``None`` if there are none."""
    values = np.concatenate([table.ravel() for table in tables])
    if (threshold := gap_of(values)) is None:
        return None
    cells = tuple(table > threshold for table in tables)
    counts = np.concatenate([cell.sum(axis=1) for cell in cells])
    total, hit, rounds = int(counts.sum()), int((counts > 0).sum()), len(counts)
    workers = tables[0].shape[1]
    times = float(values[values > threshold].min() / values[values <= threshold].max())
    if counts.max() > workers / 2 or not clumped(total, hit, rounds, times):
        return None
    start_ups, squares = [], 0.0
    for row, cold in zip(np.concatenate(tables), np.concatenate(cells), strict=True):
        if cold.any():
            warm = 0.0 if cold.all() else np.median(row[~cold])
            logs = np.log(row[cold] - warm)
            start_ups.append(np.exp(logs.mean()))
            squares += len(logs) * float(logs.var())
    within = (squares / max(1, total - hit)) ** 0.5
    within = within if within <= MOST_WITHIN else 0.0
    return Cold(cells, threshold, rounds, counts[counts > 0], workers, np.array(start_ups), within)


def gap_of(values: FloatArray) -> float | None:
    """Where ``(N,)`` seconds have a gap that no tail has; ``None``: nowhere."""
    largest = np.sort(values[values > 0])[::-1]
    tries = max(1, int(LARGEST_SHARE * len(values)))
    following = min(50, len(largest) - tries - 2)  # spacings whose mean is compared
    if following < 15:
        return None
    logs = np.log(largest[: tries + following + 1])
    spacings = np.arange(1, len(logs)) * (logs[:-1] - logs[1:])
    sums = np.concatenate([[0.0], np.cumsum(spacings)])
    hill = (sums[following + 1 :] - sums[1:-following]) / following
    ratio = spacings[: len(hill)] / np.maximum(hill, 1e-12)
    log_chance = -following * np.log1p(ratio / following)
    wide = logs[: len(hill)] - logs[1 : len(hill) + 1] >= np.log(LEAST_GAP)
    log_chance = np.where(wide, log_chance, 0.0)
    best = int(np.argmin(log_chance))
    if log_chance[best] + np.log(tries) > np.log(GAP_CHANCE):
        return None
    return float(np.sqrt(largest[best] * largest[best + 1]))


def clumped(total: int, hit: int, rounds: int, times: float) -> bool:
    """Whether so few rounds are hit in few random placements only; the shortest cold start takes so
    many times as long as the longest other delay."""
    if total < FEWEST_IN_CLUMPS:
        return times >= FAR_FACTOR
    if total > 300:  # by a normal law
        free = (1 - 1 / rounds) ** total
        both = (1 - 2 / rounds) ** total if rounds > 1 else 0.0
        mean = rounds * (1 - free)
        variance = rounds * free + rounds * (rounds - 1) * both - (rounds * free) ** 2
        return bool(hit < mean - 3 * np.sqrt(max(variance, 0.0)) - 0.5)
    thrown = np.random.default_rng(20190402).integers(0, rounds, (1999, total))
    thrown.sort(axis=1)
    distinct = 1 + np.count_nonzero(np.diff(thrown, axis=1), axis=1)
    return float(np.mean(distinct <= hit)) <= 0.005


@dataclass(frozen=True, eq=False)
class UnitDelays:
    """Unit delays of one load, or of all loads together."""

    label: str  # the load, ``"all"`` for all of them, or ``""`` where the table has no loads
    tables: tuple[FloatArray, ...]  # ``(rounds, n)`` unit delays in seconds, one per load
    racks: Racks | None = None  # what is taken out of the bulk

    @cached_property
    def cold(self) -> Cold | None:
        """The cold starts among them."""
        return find_cold_starts(self.mended)

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return int(self.tables[0].shape[1])

    @property
    def rounds(self) -> FloatArray:
        """All rounds, ``(R, n)`` seconds."""
        return np.concatenate(self.tables)

    @cached_property
    def mended(self) -> list[FloatArray]:
        """The tables without what racks do."""
        return list(self.tables) if self.racks is None else self.racks.mended(self.tables)

    @property
    def bulk_tables(self) -> list[FloatArray]:
        """Rounds without a cold start and without what racks do, per load and in their order; all,
        if nearly all are hit."""
        if self.cold is None:
            return self.mended
        kept = [t[~cold.any(axis=1)] for t, cold in zip(self.mended, self.cold.cells, strict=True)]
        if sum(map(len, kept)) < FEWEST_ROUNDS:
            return self.mended
        return [table for table in kept if len(table)]

    @property
    def bulk(self) -> FloatArray:
        """Every delay that is not a cold start, without what racks do, ``(N,)`` seconds."""
        if self.cold is None:
            return np.concatenate(self.mended).ravel()
        return np.concatenate([t[~c] for t, c in zip(self.mended, self.cold.cells, strict=True)])


def by_load(units: ByLoad, law: Mapping[str, Any], load: float | None) -> list[UnitDelays]:
    """The unit delays of each load; first those that the config is made from. Units are ``{load:
    (rounds, n) seconds}``. One load is fitted alone; ``None`` pools all."""
    of = {key: UnitDelays("" if key is None else f"{key:g}", (t,)) for key, t in units.items()}
    if len(of) == 1:
        return [*of.values()]
    if load is not None:
        return [of[load]]
    if law["kind"] != "per_partition":
        return [UnitDelays("all", tuple(units.values())), *of.values()]
    first = of.pop(min(key for key in units if key))
    return [first, *of.values()]
