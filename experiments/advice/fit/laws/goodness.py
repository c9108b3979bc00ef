"""How well a law fits: AIC, distance, order statistics, and rounds that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from .....delay_models import Tape
from .....delay_models.base import FloatArray
from .....delay_models.measured.measured import ByLoad
from .....delay_models.parametric import Pareto
from .....delay_models.trace import MeasuredRounds
from .law import CannotFit, Family, Law, Section, load_law, log_density, model_of

# A law with many parameters follows whatever it is fitted to, so candidates are compared by the
# order statistics of rounds that were held out. The first half predicts the second one and the
# other way round; so do every second round and the rounds between them. The former shows what has
# changed during the measurement, the latter what is left if nothing has.


@dataclass(frozen=True, eq=False)
class Fold:
    """One direction of a split: ``(rounds, n)`` tables that predict ``(R, n)`` held-out rounds."""

    seen: tuple[FloatArray, ...]
    held_out: FloatArray

    @property
    def sample(self) -> FloatArray:
        """Delays that were seen, ``(N,)`` seconds."""
        return thinned(np.concatenate([table.ravel() for table in self.seen]))


def thinned(sample: FloatArray, most: int = 10_000) -> FloatArray:
    """At most so many of ``(N,)``, at equal distances."""
    return sample[:: -(-len(sample) // most)]


def folds(tables: Sequence[FloatArray]) -> list[Fold]:
    """Two splits of ``(rounds, n)`` tables into halves, each by itself, both ways; none of fewer
    than six rounds."""
    if sum(map(len, tables)) < 6 or min(map(len, tables)) < 2:
        return []
    early, late = [t[: len(t) // 2] for t in tables], [t[len(t) // 2 :] for t in tables]
    even, odd = [t[::2] for t in tables], [t[1::2] for t in tables]
    ways = ((early, late), (late, early), (even, odd), (odd, even))
    return [Fold(tuple(seen), np.concatenate(held_out)) for seen, held_out in ways]


@dataclass(frozen=True)
class Score:
    """How well held-out rounds were predicted; smaller is better, without unit."""

    # mean over k of ``|log(predicted / measured)|``, each half from the other
    apart: tuple[float, ...]
    # the same of both halves of a split taken as one, each still predicted from the other, for each
    # split. What the halves differ by cancels out, and what is left is wrong with the law.
    together: tuple[float, ...]

    @property
    def error(self) -> float:
        """Mean error of a half that was not seen."""
        return float(np.mean(self.apart))

    @property
    def bias(self) -> float:
        """Mean error of what differs between the halves taken out."""
        return float(np.mean(self.together))


def ratios(predicted: FloatArray, observed: FloatArray) -> FloatArray:
    """Predicted over observed; 1 where both are 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(predicted == observed, 1.0, predicted / observed)


def order_error(predicted: FloatArray, observed: FloatArray, of: Any = np.mean) -> float:
    """Mean over k of ``|log(predicted / observed)|``: too long and too short count the same."""
    with np.errstate(divide="ignore"):
        error = float(of(np.abs(np.log(ratios(predicted, observed)))))
    return error if np.isfinite(error) else float("inf")


def score(predicted: Sequence[FloatArray], measured: Sequence[FloatArray]) -> Score:
    """Of the ``(K,)`` seconds of each half, in the order of ``folds``, by ``order_error``."""
    apart = [order_error(p, m) for p, m in zip(predicted, measured, strict=True)]
    together = [
        order_error(predicted[i] + predicted[i + 1], measured[i] + measured[i + 1])
        for i in range(0, len(predicted) - 1, 2)
    ]
    return Score(tuple(apart), tuple(together or apart))


def waited_for(workers: int) -> tuple[int, ...]:
    """Where masters wait: for half, for 90 % and for all of the workers."""
    return tuple(sorted({max(1, workers // 2), max(1, round(0.9 * workers)), workers}))


# A master that waits for k of n workers waits for the k-th smallest delay of a round. A law may
# have a small Kolmogorov-Smirnov distance and still be wrong by a factor there, since what decides
# lies in its tail; so laws are ranked by the mean over k of |log(predicted / observed)|.

TOGETHER = 64  # order statistics whose integrals share their points
NEGLIGIBLE = 1e-30  # of a density, on the logit scale: where it is less, no digit changes


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law and how well it does."""

    family: Family  # its family
    law: Law  # the fitted law
    log_likelihood: float  # of the sample at this law
    ks: float  # largest distance of the two distribution functions
    predicted: FloatArray  # mean k-th smallest of n independent delays, ``(K,)`` seconds
    observed: FloatArray  # mean k-th smallest delay of a measured round, ``(K,)`` seconds
    held_out: Score  # of halves of the rounds from the others, or of all from themselves

    @property
    def aic(self) -> float:
        """2 parameters - 2 log-likelihood: smaller is better."""
        return 2 * self.family.parameters - 2 * self.log_likelihood

    @property
    def order_error(self) -> float:
        """Mean over k of ``|log(predicted / observed)|``; 0.05 is about 5 %."""
        return order_error(self.predicted, self.observed)


def fit_families(
    families: Sequence[Family],
    sample: FloatArray,
    rounds: FloatArray,
    ks: Sequence[int],
    held_out: Sequence[Fold] = (),
) -> tuple[list[Fit], dict[str, str]]:
    """Fit families to a sample, ``(N,)`` seconds, and compare their order statistics ``ks`` (1 is
    the smallest) with those of whole rounds, ``(rounds, n)``, and of held-out halves. Returns the
    fits, the best for held-out rounds first, and for each family that cannot fit the reason."""
    observed = observed_order_statistics(rounds, ks)
    measured = [observed_order_statistics(f.held_out, ks) for f in held_out] or [observed]
    ordered, size = np.sort(sample), len(sample)
    below, upto = (np.searchsorted(ordered, ordered, side) / size for side in ("left", "right"))
    fits: list[Fit] = []
    refused: dict[str, str] = {}
    for family in families:
        try:
            law = family.fitted(sample)
        except CannotFit as error:
            refused[family.name] = str(error)
            continue
        likelihood = float(log_density(law, sample).sum())
        predicted = expected_order_statistics(law, rounds.shape[1], ks)
        of_folds = [_of_fold(family, law, fold, ks) for fold in held_out] or [predicted]
        cdf = np.asarray(law.cdf(ordered))
        apart = float(max(np.max(cdf - below), np.max(upto - cdf)))  # Kolmogorov-Smirnov
        known = score(of_folds, measured)
        fits.append(Fit(family, law, likelihood, apart, predicted, observed, known))
    return sorted(fits, key=lambda fit: (fit.held_out.error, fit.aic)), refused


def _of_fold(family: Family, near: Law, fold: Fold, ks: Sequence[int]) -> FloatArray:
    """Order statistics predicted from what is seen; infinite where it cannot be fitted."""
    try:
        law = family.fitted(fold.sample, near)
    except CannotFit:
        return np.full(len(ks), np.inf)
    return expected_order_statistics(law, fold.held_out.shape[1], ks)


def arrivals(rounds: FloatArray, ks: Sequence[int]) -> FloatArray:
    """The k-th smallest delay of each round: ``(rounds, n) -> (rounds, K)`` seconds."""
    return np.asarray(np.sort(rounds, axis=1)[:, np.array(ks) - 1])


def observed_order_statistics(rounds: FloatArray, ks: Sequence[int]) -> FloatArray:
    """Mean over rounds of the k-th smallest delay of a round: ``(rounds, n) -> (K,)`` seconds."""
    return np.asarray(arrivals(rounds, ks).mean(axis=0))


def expected_order_statistics(law: Law, workers: int, ks: Sequence[int]) -> FloatArray:
    """E of the k-th smallest of n independent delays, ``(K,)`` seconds; may be infinite. The
    integral of the quantile function against the density of the k-th of n uniform numbers, by the
    trapezoidal rule on the logit scale, where it decays exponentially both ways. Pareto laws, whose
    quantiles grow too fast for it, have a closed form."""
    k = np.array(ks, dtype=np.float64)
    if isinstance(law, Pareto):
        return _pareto(law, workers, workers - k + 1)
    y, step = _points(workers)
    first, _ = _weights(workers, (min(ks),))  # what is before changes no digit
    quantiles = np.zeros(len(y))
    quantiles[first:] = law.isf(np.exp(-np.logaddexp(0, y[first:])))
    parts = []
    for start in range(0, len(k), TOGETHER):
        first, weights = _weights(workers, tuple(ks[start : start + TOGETHER]))
        parts.append(weights @ quantiles[first : first + weights.shape[1]])
    return np.concatenate(parts) * step


def _points(workers: int) -> tuple[FloatArray, float]:
    """Where the integral is taken, on the logit scale, and the distance of these points."""
    step = min(0.02, 0.5 / np.sqrt(workers))
    return np.arange(-45.0, 45.0, step), step


@lru_cache(maxsize=128)  # those of each family and fold are alike
def _weights(workers: int, ks: tuple[int, ...]) -> tuple[int, FloatArray]:
    """The first of the points that matter for increasing k, and the density of the k-th of n
    uniform numbers at these, ``(K, points)``."""
    y, _ = _points(workers)
    smallest, largest = _density(workers, (ks[0], ks[-1]), y) > NEGLIGIBLE
    first, beyond = int(np.argmax(smallest)), len(y) - int(np.argmax(largest[::-1]))
    return first, _density(workers, ks, y[first:beyond])


def _density(workers: int, ks: Sequence[int], y: FloatArray) -> FloatArray:
    k = np.array(ks, dtype=np.float64)
    above = workers - k + 1
    logs = -special.betaln(k, above)[:, None] + np.outer(k, -np.logaddexp(0, -y))
    return np.asarray(np.exp(logs + np.outer(above, -np.logaddexp(0, y))))


def _pareto(model: Pareto, workers: int, above: FloatArray) -> FloatArray:
    """scale Gamma(n + 1) Gamma(n-k+1 - 1/a) / (Gamma(n + 1 - 1/a) Gamma(n-k+1)); above = n-k+1."""
    inverse = 1 / model.alpha
    finite = above > inverse
    rest = np.where(finite, above - inverse, 1.0)
    whole = max(workers + 1 - inverse, 1e-300)
    logs = special.gammaln(rest) - special.gammaln(above)
    logs = logs + float(special.gammaln(workers + 1) - special.gammaln(whole))
    return np.where(finite, model.scale * np.exp(logs), np.inf)


# A fitted model against the table that it came from: the rounds of each load, simulated again.
#
# A load law, unit delays, factors and cold starts may each look right and together be wrong. So the
# sections that are written are simulated as ``run`` simulates them, and a round of each load is
# compared with those of the table where masters wait: for half, for 90 % and for all of the
# workers. What is noise is seen in the simulation itself: means over as many rounds as the table
# has vary from one simulated table to the next, whatever makes them vary (tails, memory, rare
# events, slow rounds). Where the measured mean is outside of nearly all, the model makes no such.

ITERATIONS = 100  # rounds of a run of the config, of as many as the table has
OFF_FACTOR = 1.1  # a model misses its table where the measured mean is outside by more than this
DEPARTS_FACTOR = 1.015  # ... and departs from it, beyond chance, by more than this
UNLIKE_SHARE = 0.05  # difference of two shares of rounds that matters


@dataclass(frozen=True, eq=False)
class Comparison:
    """Numbers of a table beside those of simulated tables of its length, one for each k."""

    ks: tuple[int, ...]  # which arrivals of a round
    measured: FloatArray  # ``(K,)``
    simulated: FloatArray  # in the mean of simulated tables, ``(K,)``
    low: FloatArray  # to ``high`` are those of nearly all simulated tables, ``(K,)``
    high: FloatArray

    @classmethod
    def of(
        cls, ks: tuple[int, ...], measured: FloatArray, simulated: Sequence[FloatArray]
    ) -> Comparison:
        """Nearly all: 1 % of the ``(K,)`` simulated ones at either end count as the next ones."""
        low, high = np.quantile(simulated, [0.01, 0.99], axis=0)
        return cls(ks, measured, np.mean(simulated, axis=0), low, high)

    @property
    def ratios(self) -> FloatArray:
        """Simulated over measured, ``(K,)``."""
        return ratios(self.simulated, self.measured)

    @property
    def outside(self) -> FloatArray:
        """How many times too small or too large the nearest simulated one is, ``(K,)``, >= 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = np.maximum(self.low / self.measured, self.measured / self.high)
        return np.asarray(np.nan_to_num(np.maximum(factors, 1.0), nan=1.0))

    @property
    def most_unlike(self) -> int | None:
        """The index of the k whose share of rounds is most wrong; ``None``: none is beyond chance
        and by more than matters."""
        apart = np.abs(self.simulated - self.measured)
        inside = (self.low <= self.measured) & (self.measured <= self.high)
        apart[inside | (apart <= UNLIKE_SHARE)] = 0.0
        return int(np.argmax(apart)) if apart.any() else None


@dataclass(frozen=True, eq=False)
class Resimulated:
    """Rounds of one load."""

    load: float | None  # ``None`` where the table has no loads
    times: Comparison  # mean k-th smallest delay of a round, seconds
    # how much the mean of ``ITERATIONS`` rounds that end with the last worker varies from run to
    # run: standard deviation over mean
    varies: float = 0.0
    # In how many rounds the worker that is heard least is among the first k, where masters wait for
    # fewer than all: a law may have the right time of every arrival and still be wrong about whose
    # it is. ``None`` of one worker, or of the table's own rounds.
    heard: Comparison | None = None

    @property
    def departs(self) -> bool:
        """Whether when workers arrive, or who does, is beyond what chance makes of the model."""
        unheard = self.heard is not None and self.heard.most_unlike is not None
        return unheard or bool(self.times.outside.max() > DEPARTS_FACTOR)

    @property
    def missed(self) -> bool:
        """Whether the model does not make such rounds."""
        return bool(self.times.outside.max() > OFF_FACTOR)


def least_heard(rounds: FloatArray, ks: Sequence[int], length: int) -> list[FloatArray]:
    """The smallest share of so many rounds in which a worker is among the first k, ``(K,)``: of
    each such stretch of ``(rounds, n)``, since the smallest of many is smaller in fewer rounds."""
    shares = []
    for stretch in rounds[: len(rounds) // length * length].reshape(-1, length, rounds.shape[1]):
        ends = arrivals(stretch, ks)
        shares.append(np.array([(stretch <= end[:, None]).mean(axis=0).min() for end in ends.T]))
    return shares


def resimulated(delay: Section, law: Mapping[str, Any], tables: ByLoad) -> list[Resimulated]:
    """Simulate sections of a config at each load of ``{load: (rounds, n) seconds}``."""
    model, grows = model_of(delay), load_law(law)
    replications, checked = 20, []  # runs: a model with a memory has so many starts
    for load, table in tables.items():
        n = table.shape[1]
        ks = waited_for(n)
        rounds = -(-max(200, 400_000 // n) // replications)
        length = min(rounds, len(table))
        # Of empty tasks alone no load law is known: their times are those of a task.
        unknown = load is None or (load == 0 and len(tables) == 1)
        loads = np.full(n, 1.0 if unknown else load)
        means, ends, shares = list[FloatArray](), list[FloatArray](), list[FloatArray]()
        some, fewer = min(ITERATIONS, length), tuple(sorted({*ks[:-1], n - 1} - {0, n}))
        if isinstance(model, MeasuredRounds):  # the table's own: drawn again, chance counts twice
            fewer = ()
        for replication in range(replications):
            drawn = grows.worker_times(Tape(model, n, 20190406, replication), loads, 0, rounds)
            times, whole = arrivals(drawn, ks), rounds // length * length
            means += [*times[:whole].reshape(-1, length, len(ks)).mean(axis=1)]
            ends += [*times[: rounds // some * some, -1].reshape(-1, some).mean(axis=1)]
            shares += least_heard(drawn, fewer, length) if fewer else []
        varies = float(np.std(ends, ddof=1) / np.mean(ends)) if np.mean(ends) > 0 else 0.0
        compared = Comparison.of(ks, observed_order_statistics(table, ks), means)
        heard = None
        if fewer:
            own = np.mean(least_heard(table, fewer, length), axis=0)
            heard = Comparison.of(fewer, own, shares)
        checked.append(Resimulated(load, compared, varies, heard))
    return checked
