"""The law of a round's duration under the straggler policy ``cancel``. Sources: order statistics
for the first k arrivals; cover of groups, Tandon et al., Gradient Coding (arXiv 1612.03301); the
rule that stops at r arrivals or at cover is our derivation. Not modelled: unequal loads, workers
that remember the past, policies other than ``cancel``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.linalg import expm
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import require_count
from ..load_laws import LoadLaw
from ..schemes.arrivals import Arrivals, Demand, NoFormula, demand, same_every_round
from ..schemes.base import Fixed, Scheme
from ..schemes.deadlines import Deadline
from ..schemes.deployed import Copies
from ..schemes.local_sgd import LocalRounds
from ..schemes.stopping import FirstK, StoppingRule
from ..schemes.time_limits import TimeLimited
from ..types import DelayLaw, FloatArray
from .decoding_error import expected_decoding_error, group_erasure
from .worker_time import WorkerTime, piece_time_at, smallest, step_time_at, worker_time_at

GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(12)  # on a panel
MAX_PANELS = 4096  # refinement ends here: the rest is rounding, or a law with thousands of jumps


def integrate(
    function: Callable[[FloatArray], FloatArray], knots: FloatArray, tolerance: float = 1e-11
) -> float:
    """Integral from the first knot to the last, by adaptive Gauss-Legendre panels of an elementwise
    function; put a knot where it has a kink. A panel is halved until it agrees with the sum of its
    halves to a tolerance relative to the whole integral, all panels side by side."""
    left, right = knots[:-1], knots[1:]
    coarse = _panels(function, left, right)
    scale, total = tolerance * float(np.abs(coarse).sum()), 0.0
    while 0 < left.size <= MAX_PANELS:
        middle = 0.5 * (left + right)
        first, second = _panels(function, left, middle), _panels(function, middle, right)
        split = (np.abs(first + second - coarse) > scale) & (left < middle) & (middle < right)
        total += float((first + second)[~split].sum())
        right = np.concatenate((middle[split], right[split]))
        left = np.concatenate((left[split], middle[split]))
        coarse = np.concatenate((first[split], second[split]))
    return total + float(coarse.sum())


def _panels(
    function: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> FloatArray:
    half = 0.5 * (right - left)[:, None]
    return np.asarray((half * function(left[:, None] + half * (1.0 + GAUSS_NODES))) @ GAUSS_WEIGHTS)


_LARGE = [1 - 1e-15, 1 - 1e-12, 1 - 1e-9, 1 - 1e-6, 0.999, 0.99, 0.9, 0.75, 0.5, 0.25]
SURVIVAL_LEVELS = np.concatenate((_LARGE, 10.0 ** -np.arange(1.0, 101.0)))
"""Values of ``sf`` at which the integrals are cut into panels."""


MAX_SECONDS = 1e300  # seconds; beyond, a law's arguments overflow, and its values are nonsense
MEDIAN_LEVEL, TAIL_LEVELS = (
    8,
    [49, 69],
)  # places in SURVIVAL_LEVELS of 0.5; and of 1e-40 and 1e-60, for the tail's slope


@dataclass(frozen=True)
class IterationTimeLaw:
    """How long one round lasts, in seconds, from the start of the round.

    Attributes:
        demand: the stopping rule, as arrivals and deadlines.
        worker: the law of one worker's time at its load.

    Moments are integrals of the CDF, to about 1e-9 relative for a law with ``sf``. Without one, the
    part at probabilities below 1e-10 is extrapolated: a light tail has nothing there, and a Pareto
    mean with alpha 1.05 loses about 1e-6 relative, but most of the variance of a log-normal law
    with sigma 3 is there. Cost: about 15,000 evaluations of the worker's law."""

    demand: Demand
    worker: WorkerTime

    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise; small values keep their relative accuracy."""
        t = np.asarray(seconds, dtype=np.float64)
        if self.demand.quorum is not None:
            going = self._before_quorum(t, *self.demand.quorum)
        elif self.demand.arrivals is None:
            going = np.ones(t.shape)
        else:
            going = self.demand.arrivals.sf(self.worker.sf(t), lambda: self.worker.cdf(t))
        going = np.where(t >= self.demand.latest, 0.0, going)
        return np.where(t < self.demand.earliest, 1.0, going)

    def _before_quorum(self, t: FloatArray, asked: Arrivals, grace: float) -> FloatArray:
        """P(fewer than k arrivals by t - grace, and not all n by t); our derivation. With I the
        incomplete beta function, F a worker's law and f = F(t - grace), the first has probability
        I(1 - f), and I(1 - f / F) given that all have arrived by t."""
        early = self.worker.sf(t - grace)
        if self.demand.arrivals is None:
            return asked.sf(early, lambda: self.worker.cdf(t - grace))
        n, a, b = asked.workers, asked.workers - asked.high + 1, asked.high
        missing, reached = self.worker.sf(t), self.worker.cdf(t)
        with np.errstate(all="ignore"):
            some_missing = -np.expm1(n * np.log1p(-missing))
            given = np.where(reached > 0, np.clip((early - missing) / reached, 0.0, 1.0), 1.0)
            apart = np.where(reached > 0, missing * (1.0 - early) / reached, 0.0)
            steep = apart * ((a - 1) / given + (b - 1) / (1.0 - early)) > 1.0
        direct = special.betainc(a, b, early) - special.betainc(a, b, given)
        x = given[..., None] + apart[..., None] * (0.5 * (1.0 + GAUSS_NODES))
        density = np.exp(
            special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
        )
        # The difference of two numbers that are close.
        close = 0.5 * apart * (density @ GAUSS_WEIGHTS)
        rest = np.where(steep | (apart == 0.0), np.maximum(direct, 0.0), close)
        return np.asarray(some_missing * special.betainc(a, b, given) + rest)

    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """P(T <= seconds), elementwise, to about 1e-15."""
        return np.asarray(1.0 - self.sf(seconds))

    def quantile(self, probability: ArrayLike) -> FloatArray:
        """The smallest t with ``cdf(t) >= probability``. ``InvalidParameter``: not in [0, 1]."""
        q = np.asarray(probability, dtype=np.float64)
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise InvalidParameter("probability", probability, "must be between 0 and 1")
        flat = q.ravel()
        return smallest(lambda t: self.cdf(t) >= flat, flat.size).reshape(q.shape)

    def mean(self) -> float:
        """E[T]; infinite for a tail that is heavy enough."""
        centre, tail = self._centre, self._tail_beyond(1)
        if not np.isfinite(centre + tail):
            return np.inf
        return centre + integrate(self.sf, self._above) + tail - integrate(self.cdf, self._below)

    def variance(self) -> float:
        """E[(T - E[T])^2]; infinite for a tail that is heavy enough. Computed around the median, so
        that a large constant part of T costs no digits."""
        centre, tail = self._centre, self._tail_beyond(2)
        if not np.isfinite(centre + tail):
            return np.inf
        above = integrate(lambda t: 2.0 * (t - centre) * self.sf(t), self._above)
        below = integrate(lambda t: 2.0 * (centre - t) * self.cdf(t), self._below)
        square = above + tail - 2.0 * centre * self._tail_beyond(1) + below
        return max(0.0, square - (self.mean() - centre) ** 2)

    def tail_index(self) -> float:
        """Moments of an order below this are finite: the slope of the tail far out, to a tenth.
        Exact for a power law, large for lighter tails, infinite for a bounded one."""
        near, far = self._passed[TAIL_LEVELS]
        if far > MAX_SECONDS:
            return 0.0  # it falls by less than 1e60 in 300 powers of ten
        return np.inf if near == far else round(float(np.log(1e20) / np.log(far / near)), 1)

    @cached_property
    def _passed(self) -> FloatArray:
        """When ``sf`` passes each of the levels."""
        return smallest(lambda t: self.sf(t) <= SURVIVAL_LEVELS, SURVIVAL_LEVELS.size)

    @cached_property
    def _knots(self) -> FloatArray:
        """These instants, as far as the law's values are accurate."""
        t = np.unique(self._passed[self._passed <= MAX_SECONDS])
        return t[: int(np.count_nonzero(self.worker.sf(t) >= self.worker.resolution)) + 1]

    @cached_property
    def _centre(self) -> float:
        """The knot nearest to the median, where the integrals below and above must meet."""
        median = float(self._passed[MEDIAN_LEVEL])
        if not median <= MAX_SECONDS:
            return np.inf
        return float(self._knots[np.abs(self._knots - median).argmin()])

    @property
    def _above(self) -> FloatArray:
        return self._knots[self._knots >= self._centre]

    @property
    def _below(self) -> FloatArray:
        return self._knots[self._knots <= self._centre]

    def _tail_beyond(self, power: int) -> float:
        """Integral of ``power * t^(power - 1) * sf(t)`` beyond the last knot. ``sf`` is continued
        there as a power law, c t^-slope, with the slope of the last panel: exact in the limit for a
        Pareto law, and almost 0 for a light tail."""
        left = float(self.sf(self._knots[-1])) if self._knots.size else 1.0
        if left == 0.0:
            return 0.0
        if self._knots.size < 2 or self._knots[-2] == 0.0:
            return np.inf
        a, b = self._knots[-2:]
        slope = float(np.log(self.sf(a) / left) / np.log(b / a))
        slack = 1e-9 if self.worker.resolution == 0.0 else 1e-4
        if slope <= power * (1.0 + slack):
            return np.inf
        return float(power * left * b**power / (slope - power))


@dataclass(frozen=True)
class StagesLaw(IterationTimeLaw):
    """A round of independent exponential waits, one after the other, with ``(S,)`` rates per
    second. Cost: an exponential of an S x S matrix for each number of seconds; moments are sums."""

    rates: tuple[float, ...]

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise, to about 1e-14."""
        t = np.asarray(seconds, dtype=np.float64)
        # By then each wait is over with a chance that no double tells from 1.
        end = sum(800.0 / rate for rate in self.rates)
        generator = np.diag(self.rates[:-1], 1) - np.diag(self.rates)
        values = [
            1.0 if x <= 0 else 0.0 if x >= end else float(expm(generator * x)[0].sum())
            for x in t.ravel()
        ]
        return np.asarray(np.clip(np.reshape(values, t.shape), 0.0, 1.0))

    @override
    def mean(self) -> float:
        return sum(1.0 / rate for rate in self.rates)

    @override
    def variance(self) -> float:
        return sum(1.0 / rate**2 for rate in self.rates)

    @override
    def tail_index(self) -> float:
        return np.inf


def iteration_time_law(
    rule: StoppingRule, workers: int, worker: WorkerTime
) -> IterationTimeLaw | NoFormula:
    """The law of a round's duration for a stopping rule, n workers and one law of their times.
    Returns ``NoFormula`` with the reason when the rule has no closed form. Raises
    ``InvalidParameter``: the rule does not fit the number of workers."""
    require_count("workers", workers)
    asked = demand(rule, workers)
    return asked if isinstance(asked, NoFormula) else IterationTimeLaw(asked, worker)


def scheme_iteration_time(
    scheme: Scheme, delay: DelayLaw, law: LoadLaw
) -> IterationTimeLaw | NoFormula:
    """``iteration_time_law`` of a scheme, given the unit delay and the load law. Returns
    ``NoFormula`` when the plan changes, when a worker gives up by itself or sends several messages,
    when loads differ, or when the worker's time or the rule has no closed form.

    For ``drop_compute`` it is known only if the micro-batch under way is dropped: a round then
    takes the last worker's time, or tau if that is shorter. Of local steps it is the law of an
    iteration, the H-th part of a round."""
    if isinstance(scheme, TimeLimited):
        if not (scheme.sharp or scheme.exact):
            return NoFormula("how far a worker goes beyond its patience has no closed form")
        if (worker := piece_time_at(delay, law, scheme.pieces, scheme.pieces)) is None:
            return NoFormula(f"the time of {scheme.pieces} pieces has no closed form")
        limit = FirstK(scheme.workers) | Deadline(scheme.patience)
        rule = FirstK(scheme.workers) if scheme.exact else limit
        return iteration_time_law(rule, scheme.workers, worker)
    if isinstance(scheme, LocalRounds):
        if scheme.stopping.timed:
            return NoFormula("a round of local steps that ends by time has no closed form")
        worker = step_time_at(delay, law, scheme.assignment.load, scheme.local_steps)
        if worker is None:
            return NoFormula(f"the time of {scheme.local_steps} steps has no closed form")
        return iteration_time_law(scheme.stopping, scheme.workers, worker)
    if isinstance(scheme, Copies):
        return _copied_law(scheme, worker_time_at(delay, law, 1))
    plain = same_every_round(scheme)
    if isinstance(plain, NoFormula):
        return plain
    if unequal := _unequal(plain):
        return unequal
    loads = plain.assignment.loads
    loads = loads[loads > 0]  # the others send nothing
    if loads[0] % 1:
        return NoFormula(f"a load of {loads[0]:g} partitions is not a whole number")
    if (worker := worker_time_at(delay, law, int(loads[0]))) is None:
        return NoFormula(f"a worker's time at load {loads[0]} has no closed form")
    senders = len(loads)
    return iteration_time_law(plain.stopping.among(np.asarray(senders)), senders, worker)


def speculative_rates(workers: int, copy_after: int) -> FloatArray:
    """``(n,)`` rates of the waits for the next task of a round with backup tasks, each worker's
    being 1; see ``eh.theory.mean_speculative``."""
    missing = np.arange(workers, 0, -1.0)
    return np.where(np.arange(workers) >= copy_after, np.minimum(2.0 * missing, workers), missing)


def _memoryless_rate(worker: WorkerTime) -> float | None:
    """The rate of an exponential time, per second; ``None`` for any other law. Of all laws it alone
    has P(T > 2 t) = P(T > t)^2 for every t."""
    median = smallest(lambda t: worker.sf(t) <= 0.5, 1)
    if not 0.0 < median < np.inf:
        return None
    t = median * np.geomspace(1e-3, 30.0, 25)
    once, twice = worker.sf(t), worker.sf(2.0 * t)
    if not np.allclose(twice, once**2, rtol=1e-9, atol=0.0):
        return None
    return float(-np.log(once[-1]) / t[-1])


def _copied_law(scheme: Copies, worker: WorkerTime | None) -> IterationTimeLaw | NoFormula:
    if worker is not None and scheme.q == scheme.n:
        return iteration_time_law(FirstK(scheme.n), scheme.n, worker)
    rate = None if worker is None else _memoryless_rate(worker)
    if worker is None or rate is None or scheme.multiplier:
        return NoFormula("backup tasks: only exponential times, without multiplier")
    rates = tuple((rate * speculative_rates(scheme.n, scheme.q)).tolist())
    return StagesLaw(Demand(Arrivals(scheme.n, scheme.n, scheme.n)), worker, rates)


def _unequal(scheme: Fixed) -> NoFormula | None:
    loads = scheme.assignment.loads
    loads = loads[loads > 0]
    least, most = loads.min(), loads.max()
    return None if least == most else NoFormula(f"loads differ, from {least} to {most}")


# What is known of a run: of its scheme, in its cluster.

NOT_CANCELLED = "closed forms are for the policy cancel, or schemes that wait for everybody"
NOT_INDEPENDENT = "closed forms are for delays that are independent draws from one law"
NOT_IDEAL = "networks and failures have no closed form"
TIED = "ties: all who arrive at the stopping instant count"

MIN_TIE_PROBABILITY, TIE_LEVELS = 1e-6, np.linspace(0.0, 1.0, 66)[1:-1]
"""A chance of one exact time from which ties count, and where times are looked at."""


@dataclass(frozen=True)
class RoundTheory:
    """What is known of a scheme's rounds without a run: their law and mean error, or why not."""

    time: IterationTimeLaw | NoFormula
    error: float | NoFormula


def round_theory(
    scheme: Scheme, delay: DelayLaw, law: LoadLaw, cancels: bool = True, ideal: bool = True
) -> RoundTheory:
    """What is known of a scheme's rounds, or why it is not, under a policy that ``cancels`` or does
    not (where a scheme waits for everybody, all policies are alike) and in an ``ideal`` cluster, in
    which messages take no time and nothing fails, or another."""
    known = 0.0 if scheme.exact else None
    if not ideal or not delay.independent:
        why = NoFormula(NOT_INDEPENDENT if ideal else NOT_IDEAL)
        return RoundTheory(why, why if known is None or not ideal else known)
    time = scheme_iteration_time(scheme, delay, law)
    if not cancels and not (isinstance(time, IterationTimeLaw) and _waits_for_all(time.demand)):
        return RoundTheory(
            NoFormula(NOT_CANCELLED), NoFormula(NOT_CANCELLED) if known is None else known
        )
    if known is not None:
        return RoundTheory(time, known)
    if (error := expected_decoding_error(scheme)) is None:
        erased = group_erasure(scheme)
        assert isinstance(erased, NoFormula)  # else the error would be known
        return RoundTheory(time, erased)
    plain = same_every_round(scheme)
    if not isinstance(plain, NoFormula) and (unequal := _unequal(plain)):
        return RoundTheory(time, unequal)  # who has less to do arrives first
    tied = isinstance(time, IterationTimeLaw) and _tied(time.worker)
    return RoundTheory(time, NoFormula(TIED) if tied else error)


def _waits_for_all(asked: Demand) -> bool:
    arrivals = asked.arrivals
    return asked.timeless and arrivals is not None and arrivals.low == arrivals.workers


def _tied(worker: WorkerTime) -> bool:
    """Whether some exact time has a chance of its own, so that workers arrive together."""
    times = smallest(lambda t: worker.sf(t) <= TIE_LEVELS, TIE_LEVELS.size)
    return bool(
        np.any(worker.sf(np.nextafter(times, 0.0)) - worker.sf(times) > MIN_TIE_PROBABILITY)
    )
