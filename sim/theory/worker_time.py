"""The law of one worker's time in a round, and what follows from it before a run.

A law is a plain callable, seconds -> P(X <= seconds), elementwise; a delay model's ``cdf`` is one.
A second callable ``sf``, seconds -> P(X > seconds), is optional: ``1 - cdf`` cannot represent a
probability below about 1e-16, so the mean of a heavy tail (Pareto with alpha near 1) needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, repeat
from math import factorial
from typing import final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, ndtr

from ..base.fields import require_count, require_non_negative, require_positive
from ..base.types import BoolArray, DelayLaw, FloatArray, TableTape
from ..load_laws import LoadLaw, OfOneDraw, PerPartition
from ..schemes.arrivals import NoFormula
from ..schemes.time_limits import Cut

UnitLaw = Callable[[FloatArray], FloatArray | None]
"""Seconds -> probability, elementwise; ``None`` if there is no closed form."""


@dataclass(frozen=True)
class WorkerTime:
    """The law of ``offset + scale * X``, in seconds, scale > 0 and offset >= 0; made by the
    functions below. ``unit_sf`` ``None`` stands for ``1 - unit_cdf``; ``unit_kinks`` are the values
    at which the law of X jumps or bends, as far as known."""

    unit_cdf: UnitLaw
    unit_sf: UnitLaw | None = None
    scale: float = 1.0
    offset: float = 0.0
    unit_kinks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_positive("scale", self.scale)
        require_non_negative("offset", self.offset)

    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """P(T <= seconds), elementwise."""
        return self._at(self.unit_cdf, seconds, before=0.0)

    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise."""
        if self.unit_sf is None:
            return np.asarray(1.0 - self.cdf(seconds))
        return self._at(self.unit_sf, seconds, before=1.0)

    @property
    def kinks(self) -> FloatArray:
        """Seconds at which the law jumps or bends, as far as known."""
        return self.offset + self.scale * np.array(self.unit_kinks)

    @property
    def resolution(self) -> float:
        """The smallest value of ``sf`` that is accurate; ``1 - cdf`` gives this to six digits."""
        return 1e-10 if self.unit_sf is None else 0.0

    def _at(self, law: UnitLaw, seconds: ArrayLike, before: float) -> FloatArray:
        unit = (np.asarray(seconds, dtype=np.float64) - self.offset) / self.scale
        with np.errstate(all="ignore"):
            values = law(np.maximum(unit, 0.0))
        assert values is not None  # ``_known`` has asked
        return np.where(unit < 0, before, values)


def smallest(holds: Callable[[FloatArray], BoolArray], count: int) -> FloatArray:
    """The smallest number t >= 0 at which a monotone condition holds, for ``count`` conditions:
    ``(count,)``, exact to the last bit, infinite where it never holds. ``holds`` is ``(count,)``
    numbers -> ``(count,)`` bool. Bisects on the bit pattern: doubles >= 0 are ordered as their
    patterns are, so 63 calls cover every scale from 0 to 1e308, and a jump is found exactly."""
    low = np.zeros(count, dtype=np.int64)
    high = np.full(count, np.inf).view(np.int64)
    while np.any(low < high):
        middle = low + (high - low) // 2
        yes = holds(middle.view(np.float64))
        low = np.where(yes | (low == high), low, middle + 1)
        high = np.where(yes, middle, high)
    return high.view(np.float64)


def worker_time_at(delay: DelayLaw, law: LoadLaw, load: int, steps: int = 1) -> WorkerTime | None:
    """The law of a worker's time at a load of d partitions, or of its mean time in H steps of that
    load, each with draws of its own; ``None`` where it is not closed. Raises ``InvalidParameter``:
    a load or a number of steps that is not a whole number >= 1."""
    require_count("load", load)
    require_count("steps", steps)
    return piece_time_at(delay, law, 1, load, steps)


def piece_time_at(
    delay: DelayLaw, law: LoadLaw, pieces: int, done: int, steps: int = 1
) -> WorkerTime | None:
    """The law of the time after which a worker has done so many of M equal pieces of a partition; M
    d of them are a load of d partitions. Under ``per_partition`` each piece has a draw of its own.
    Of several steps it is that of their mean time. Raises ``InvalidParameter``: a number of pieces
    that is not a whole number >= 1."""
    require_count("pieces", pieces)
    require_count("done", done)
    draws, scale, cost = steps * done, 1 / (steps * pieces), 0.0
    if isinstance(law, OfOneDraw):
        share = done / pieces
        draws, scale, cost = steps, float(law.growth(share)) / steps, float(law.cost(share))
    elif not isinstance(law, PerPartition):
        return None
    total = delay if draws == 1 else delay.sum_of(draws)
    return None if total is None else _time_of(total, scale, cost)


def proportional_worker_time(
    cdf: UnitLaw, load: int, sf: UnitLaw | None = None
) -> WorkerTime | None:
    """T = load * X; ``None`` when the unit delay has no CDF."""
    require_count("load", load)
    return _known(cdf, sf, scale=float(load))


def additive_worker_time(
    cdf: UnitLaw, load: int, seconds_per_partition: float, sf: UnitLaw | None = None
) -> WorkerTime | None:
    """T = load * seconds_per_partition + X; ``None`` when the unit delay has no CDF."""
    require_count("load", load)
    require_non_negative("seconds_per_partition", seconds_per_partition)
    return _known(cdf, sf, offset=load * seconds_per_partition)


def _time_of(delay: DelayLaw, scale: float, offset: float = 0.0) -> WorkerTime | None:
    """The law of a delay's multiple and some known seconds; ``None``: it is not closed."""
    time = _known(delay.cdf, delay.sf, scale, offset)
    if time is None:
        return None
    return replace(time, unit_kinks=tuple(np.unique(delay.kinks()).tolist()))


def _known(
    cdf: UnitLaw, sf: UnitLaw | None, scale: float = 1.0, offset: float = 0.0
) -> WorkerTime | None:
    probe = np.zeros(1)
    if cdf(probe) is None:
        return None
    known = sf is not None and sf(probe) is not None
    return WorkerTime(cdf, sf if known else None, scale, offset)


# Messages that take time.
#
# A worker's message arrives at the sum of what it computes, what the uplink takes and what the
# transfer takes. Of times that are exponential beyond a constant the sum is hypoexponential: a
# chain of stages with their rates, of which P(the last one is over by t) is an entry of e^(Q t).
# With J = I + Q / a, a the largest rate, that is sum_j e^(-a t) (a t)^j / j! J^j, without a
# negative term, so small chances keep their digits; for large a t it is squared.

MOST_STAGES = 16
SERIES_TERMS = 19  # for a t up to 1, to the last bit
LARGEST_RATIO = 1e5  # of two rates; a faster stage takes its mean, and a share of 1e-10 is lost


@dataclass(frozen=True)
class MessageTime:
    """What a network adds to each worker's time, in the seconds of laws and constants."""

    latency: float = 0.0  # of the model and of the message, known
    uplink: DelayLaw | None = None  # the law of what is not known of a message's latency
    transfer: DelayLaw | None = None  # of the transfer of a whole gradient

    def __post_init__(self) -> None:
        require_non_negative("latency", self.latency)

    def added_to(
        self, delay: DelayLaw, law: LoadLaw, load: int, size: float = 1.0, steps: int = 1
    ) -> WorkerTime | None:
        """The law of a worker's time at a load until its message, of so many gradients, is there;
        of several steps the mean time of one, see ``worker_time_at``. Known where at most one part
        of the sum is random, or all random ones are exponential beyond a constant, at most
        ``MOST_STAGES`` draws; else ``None``."""
        shares = (self.uplink, 1.0 / steps), (self.transfer, size / steps)
        ways = [_time_of(way, share) for way, share in shares if way is not None]
        known = [(way, exponential_beyond(way)) for way in ways if way is not None]
        fixed = [stage for _, stage in known if stage is not None and stage[1] == np.inf]
        latency = self.latency / steps + sum(offset for offset, _ in fixed)
        if len(known) < len(ways):
            return None
        if len(fixed) == len(ways):
            whole = worker_time_at(delay, law, load, steps)
            return None if whole is None else replace(whole, offset=whole.offset + latency)
        growth, cost, draws = 1.0, 0.0, steps * load
        if isinstance(law, OfOneDraw):
            growth, cost, draws = float(law.growth(load)), float(law.cost(load)), steps
        elif not isinstance(law, PerPartition):
            return None
        if (draw := _time_of(delay, growth / steps, cost / steps)) is None:
            return None
        random = [(way, stage) for way, stage in known if stage not in fixed]
        own = exponential_beyond(draw)
        if own is not None and own[1] == np.inf:
            latency += draws * own[0]
            if len(random) == 1:
                return replace(random[0][0], offset=random[0][0].offset + latency)
            draws = 0
        stages = [own] * draws + [stage for _, stage in random]
        if None in stages or len(stages) > MOST_STAGES:
            return None
        return _hypoexponential([stage for stage in stages if stage is not None], latency)


def exponential_beyond(time: WorkerTime) -> tuple[float, float] | None:
    """The offset, in seconds, and the rate of a time that is exponential beyond a constant; the
    rate is infinite for a constant. ``None`` for any other law: of all laws the exponential one
    alone has P(T > 2 t) = P(T > t)^2 for every t."""
    start = float(smallest(lambda t: time.cdf(t) > 0.0, 1)[0])
    median = float(smallest(lambda t: time.sf(t) <= 0.5, 1)[0])
    if not start < np.inf or not median < np.inf:
        return None
    if median == start:
        return (start, np.inf) if float(time.sf(start)) == 0.0 else None
    start = start if start > np.finfo(float).tiny else 0.0
    t = (median - start) * np.geomspace(1e-3, 30.0, 25)
    once, twice = time.sf(start + t), time.sf(start + 2.0 * t)
    if not np.allclose(twice, once**2, rtol=1e-9, atol=0.0):
        return None
    return start, float(-np.log(once[-1]) / t[-1])


def _hypoexponential(stages: Sequence[tuple[float, float]], seconds: float) -> WorkerTime:
    """The law of a sum of times by offset and rate, and of some known seconds."""
    slowest = min(rate for _, rate in stages)
    rates = [rate for _, rate in stages if rate <= LARGEST_RATIO * slowest]
    means = [1.0 / rate for _, rate in stages if rate > LARGEST_RATIO * slowest]
    offset = seconds + sum(means) + sum(start for start, _ in stages)
    return WorkerTime(
        lambda t: np.minimum(_chances(rates, t)[..., -1], 1.0),
        lambda t: np.minimum(_chances(rates, t)[..., :-1].sum(axis=-1), 1.0),
        offset=offset,
    )


def _chances(rates: Sequence[float], seconds: FloatArray) -> FloatArray:
    """``(..., S + 1)`` chances that each of S stages is under way by then, and that all are over.
    Cost: for each of the seconds some twenty products of matrices of (S + 1)^2 numbers."""
    size, fastest = len(rates) + 1, max(rates)
    jump = np.eye(size)
    own, after = np.arange(size - 1), np.arange(1, size)
    jump[own, own] = 1.0 - np.array(rates) / fastest
    jump[own, after] = np.array(rates) / fastest
    powers = [*accumulate(repeat(jump, SERIES_TERMS - 1), np.matmul, initial=np.eye(size))]
    # By then each stage is over with a chance that no double tells from 1.
    t = np.minimum(seconds, sum(800.0 / rate for rate in rates)).ravel() * fastest
    squarings = np.ceil(np.log2(np.maximum(t, 1.0))).astype(np.int64)
    x = (t / 2.0**squarings)[:, None]
    terms = np.arange(SERIES_TERMS)
    weights = np.exp(-x) * x**terms / [float(factorial(term)) for term in terms]
    matrices = np.tensordot(weights, np.array(powers), axes=1)
    for done in range(squarings.max(initial=0)):
        some = squarings > done
        matrices[some] = matrices[some] @ matrices[some]
    return np.asarray(matrices[:, 0].reshape(*seconds.shape, size))


# Workers that stop by themselves after some time.
#
# Source: Giladi and others, DropCompute (NeurIPS 2023). With S_m the time of the first m of M
# micro-batches, a worker that drops the one under way at tau does sum_m P(S_m <= tau) of them on
# average; one that finishes it begins a micro-batch whenever it ended the last one by tau.


def mean_pieces_done(
    pieces: int, patience: float, cut: Cut, delay: DelayLaw, law: LoadLaw
) -> float | NoFormula:
    """Of M micro-batches those that a worker does in a round on average, with ``patience`` tau in
    seconds and ``cut`` as in ``drop_compute``; ``NoFormula`` where the time of some has no closed
    form. Raises ``InvalidParameter``: pieces or patience are not positive."""
    require_count("pieces", pieces)
    require_positive("patience", patience)
    chances = []
    for done in range(1, pieces + (cut == "at")):
        if (time := piece_time_at(delay, law, pieces, done)) is None:
            return NoFormula(f"the time of {done} pieces has no closed form")
        chances.append(float(time.cdf(patience)))
    return sum(chances) + (cut == "after")


def normal_pieces_done(pieces: int, patience: float, mean: float, deviation: float) -> float:
    """Micro-batches done by tau (``patience``) where their times, of this mean and deviation, are
    independent, all in seconds: the central limit for each S_m. Raises ``InvalidParameter``:
    pieces, mean or deviation are not positive."""
    require_count("pieces", pieces)
    require_positive("mean", mean)
    require_positive("deviation", deviation)
    m = np.arange(1, pieces + 1)
    return float(ndtr((patience - m * mean) / (deviation * np.sqrt(m))).sum())


# What is known of workers' times before a run, in closed form or else from a sample. The sample
# always has the same seed, so that a scheme is a function of the config alone.

SAMPLE_RUNS, SAMPLE_ROUNDS = 64, 256  # of the sample: independent runs, and rounds of each
NODE_REACH, NODE_STEP = 4.0, 1 / 64  # where the sum is cut off; distance of its nodes
NODE_WORKERS = 1000  # up to which they stand close enough: densities narrow as 1 / sqrt(n)


@final
@dataclass(frozen=True)
class KnownDelayLaw:
    """Seconds for one partition, under a delay model and a load law."""

    delay: DelayLaw
    law: LoadLaw

    def order_statistics(self, workers: int) -> FloatArray:
        """``(n,)`` mean seconds until the first, second, ... of n workers has done a partition. In
        closed form E T_(j) is the integral of the quantiles against the density of the j-th of n
        uniform numbers, a sum of 513 terms (tanh-sinh), beyond 1,000 workers of 16 sqrt(n), to
        about 1e-10 relative for light tails."""
        step = NODE_STEP / np.sqrt(max(1.0, workers / NODE_WORKERS))
        x = np.arange(-NODE_REACH, NODE_REACH + step / 2, step)
        z = np.pi * np.sinh(x)
        log_u, log_rest = -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)  # of u and 1 - u
        u = np.minimum(np.exp(log_u), 1.0 - 2.0**-53)
        unit = self.delay.ppf(u) if self.delay.independent else None
        if unit is None:
            return np.asarray(np.sort(self._sample(workers), axis=1).mean(axis=0))
        seconds = self.law.worker_times(TableTape(unit[:, None]), np.ones(1), 0, len(x))[:, 0]
        weight = np.exp(log_u + log_rest) * np.pi * np.cosh(x) * step
        means = np.empty(workers)
        together = max(1, 2**22 // len(x))  # terms in memory at once: 32 MiB
        for first in range(0, workers, together):
            j = np.arange(first + 1, min(first + together, workers) + 1)[:, None]
            log_density = (j - 1) * log_u + (workers - j) * log_rest - betaln(j, workers + 1 - j)
            terms = np.exp(log_density) * weight * seconds
            means[first : first + together] = terms.sum(axis=1)
        return means

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """``(n,)`` chance to do a partition in so many seconds; of a sample, one half to 1/130."""
        time = worker_time_at(self.delay, self.law, 1) if self.delay.independent else None
        if time is not None:
            return np.full(workers, float(time.cdf(seconds)))
        return np.asarray((self._sample(workers) <= seconds).mean(axis=0))

    def _sample(self, workers: int) -> FloatArray:
        rounds = min(SAMPLE_ROUNDS, self.delay.rounds_available() or SAMPLE_ROUNDS)
        drawn = list[FloatArray]()
        for repetition in range(SAMPLE_RUNS):
            rng = np.random.default_rng([workers, repetition])
            drawn.append(self.delay.sample(rng, rounds, workers))
            if repetition == 1 and np.array_equal(drawn[0], drawn[1]):
                break  # a fixed table, which takes some models long to make
        table = np.concatenate(drawn)
        return self.law.worker_times(TableTape(table), np.ones(workers), 0, len(table))
