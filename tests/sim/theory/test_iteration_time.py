"""Laws of iteration times against closed forms, exact fractions and plain Monte Carlo."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import comb, gamma, inf
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special, stats
from scipy.integrate import quad, simpson

from erasurehead.delays import MODELS
from erasurehead.load_laws import Additive, PerPartition, Proportional
from erasurehead.plugins import AllOf, AnyOf, CoverGroups
from erasurehead.schemes import SCHEMES
from erasurehead.sim.schemes.arrivals import Arrivals, Demand
from erasurehead.sim.schemes.parts.deadlines import Later
from erasurehead.sim.theory import mean_times as closed
from erasurehead.sim.theory.iteration_time import integrate
from erasurehead.stopping import Deadline, FirstK
from erasurehead.theory import (
    IterationTimeLaw,
    MessageTime,
    NoFormula,
    WorkerTime,
    additive_worker_time,
    iteration_time_law,
    proportional_worker_time,
    quorum_error,
    scheme_iteration_time,
    worker_time_at,
)
from tests.sim.schemes.test_arrivals import covering_subsets
from tests.statistics import assert_z

UNIT = stats.expon(loc=1.0, scale=0.5)
"""Shifted exponential: shift 1 s, rate 2 / s."""

QUICK = stats.expon(loc=0.25, scale=0.25)


def stop(rule, times):
    """When the rule stops, from its definition alone: ``(R, n) -> (R,)``."""
    match rule:
        case FirstK(k):
            return np.sort(times, axis=1)[:, k - 1]
        case CoverGroups(size):
            return times.reshape(len(times), -1, size).min(axis=2).max(axis=1)
        case Deadline(seconds):
            return np.full(len(times), seconds)
        case Later(inner, seconds):
            return stop(inner, times) + seconds
        case AnyOf(left, right):
            return np.minimum(stop(left, times), stop(right, times))
        case AllOf(left, right):
            return np.maximum(stop(left, times), stop(right, times))


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_an_integral_is_refined_where_it_needs_to_be(pieces: int) -> None:
    """A root at 0 and a jump; catches a last panel that is left as coarse as it was."""
    knots = np.linspace(0.0, 1.0, pieces + 1)
    assert integrate(np.sqrt, knots) == pytest.approx(2 / 3, rel=1e-10)
    jump = integrate(lambda t: np.where(t < 0.3, 2.0, 1.0), knots)
    assert jump == pytest.approx(1.3, rel=1e-10)


@pytest.mark.parametrize(
    ("load", "erasurehead", "fractional", "cyclic"),
    [
        (2, "0.677", "1.659", "2.995"),
        (3, "0.661", "0.976", "2.495"),
        (5, "0.465", "0.490", "1.912"),
    ],
)
def test_reference_values_additive_law_thirty_workers(load, erasurehead, fractional, cyclic):
    """Catches a wrong law of any of the three rules, in the elementary means and in quadrature."""
    n, r = 30, 15
    time = closed.ExponentialTime(0.0, 1.0)
    worker = proportional_worker_time(stats.expon.cdf, 1)
    for rule, mean, printed in (
        (FirstK(r) | CoverGroups(load), closed.mean_erasurehead(time, n, load, r), erasurehead),
        (CoverGroups(load), closed.mean_cover(time, n, load), fractional),
        (FirstK(n - load + 1), closed.mean_first_k(time, n, n - load + 1), cyclic),
    ):
        assert f"{mean:.3f}" == printed
        assert iteration_time_law(rule, n, worker).mean() == pytest.approx(mean, rel=1e-9)
    assert f"{closed.mean_uncoded(time, n):.3f}" == "3.995"


@pytest.mark.one_in(2)
@pytest.mark.parametrize("sf", [UNIT.sf, None])
@pytest.mark.parametrize("n", [30, 1000, 100_000])
def test_quadrature_of_the_cdf_is_the_elementary_mean(n, sf):
    """Catches a wrong integral, and digits lost in 1 - F or in the beta function at large n."""
    load, tau, k = 5, 0.1, n - 4
    for worker, time in (
        (proportional_worker_time(UNIT.cdf, load, sf), closed.proportional_time(1.0, 2.0, load)),
        (additive_worker_time(UNIT.cdf, load, tau, sf), closed.additive_time(1.0, 2.0, load, tau)),
    ):
        cases = [
            (FirstK(n), closed.mean_uncoded(time, n)),
            (FirstK(k), closed.mean_first_k(time, n, k)),
            (FirstK(1), time.offset + time.scale / n),
            (CoverGroups(load), closed.mean_cover(time, n, load)),
        ]
        if n <= 1000:
            eighty = (8 * n) // 10
            either = FirstK(eighty) | CoverGroups(load)
            cases.append((either, closed.mean_erasurehead(time, n, load, eighty)))
        for rule, mean in cases:
            assert iteration_time_law(rule, n, worker).mean() == pytest.approx(mean, rel=2e-8)


def test_quadrature_leaves_no_gap_at_the_median():
    """Many laws: catches parts below and above the median that end at different numbers.

    They once did where the median was the next number to the knot there, as for d = 3, r = 20.
    """
    worst = 0.0
    for load, wait_for in itertools.product((1, 2, 3, 5, 6), (10, 15, 20, 25, 30)):
        time = closed.additive_time(0.25, 4.0, load, 0.1)
        worker = additive_worker_time(QUICK.cdf, load, 0.1, QUICK.sf)
        rule = FirstK(wait_for) | CoverGroups(load)
        mean = closed.mean_erasurehead(time, 30, load, wait_for)
        worst = max(worst, abs(iteration_time_law(rule, 30, worker).mean() / mean - 1))
    assert worst < 1e-9


@pytest.mark.parametrize(("share", "far"), [(0.09, 1e3), (0.3, 100.0), (0.97, 1e4)])
def test_a_few_that_take_far_longer_keep_the_digits(share, far):
    """Catches a law that is flat between panels, whose nodes miss what happens at its ends."""
    quick = MODELS["exponential"](rate=1.0)
    both = quick, MODELS["shifted"](by=far, base=quick)
    mixed = MODELS["mixture"](weights=(1 - share, share), components=both)
    time = iteration_time_law(FirstK(1), 1, worker_time_at(mixed, Proportional(), 1))
    assert time.mean() == pytest.approx(1 + share * far, rel=1e-9)
    assert time.variance() == pytest.approx(1 + share * (1 - share) * far**2, rel=1e-9)


def part(rng):
    """A law, the seconds at which it jumps or bends, and the power with which its tail falls."""
    begins, spread = rng.uniform(0.0, 3.0), 10 ** rng.uniform(-2.0, 1.0)
    kind = rng.integers(6)
    if kind == 0:
        return MODELS["deterministic"](value=begins), begins, inf
    if kind == 1:
        return MODELS["shifted_exponential"](shift=begins, rate=1 / spread), begins, inf
    if kind == 2:
        weibull = MODELS["weibull"](shape=rng.uniform(0.5, 3.0), scale=spread)
        return MODELS["shifted"](by=begins, base=weibull), begins, inf
    if kind == 3:
        law = MODELS["gamma"](shape=rng.uniform(0.5, 4.0), scale=spread, shift=begins)
        return MODELS["scaled"](by=2.0, base=law), 2.0 * begins, inf
    if kind == 4:
        alpha = rng.uniform(2.0, 4.0)
        return MODELS["pareto"](alpha=alpha, scale=begins + 0.1), begins + 0.1, alpha
    return MODELS["lognormal"](median=spread, sigma=rng.uniform(0.1, 1.0)), 0.0, inf


def going_after(rule, n, t, chance):
    """P(T > t) from P(a worker is not done by t), by sums that are written out."""
    if isinstance(rule, CoverGroups):
        with np.errstate(divide="ignore"):
            all_groups = n // rule.size * np.log1p(-(chance(t) ** rule.size))
        return -np.expm1(all_groups)
    if isinstance(rule, FirstK):
        return stats.binom.sf(n - rule.first, n, chance(t))
    early, late = chance(t - 0.7), chance(t)
    j = np.arange(n // 2)[:, None]
    some_missing = early ** (n - j) - (early - late) ** (n - j)
    return (special.comb(n, j) * (1 - early) ** j * some_missing).sum(axis=0)


def piecewise_mean(sf, kinks):
    """The integral of ``sf``, whose pieces grow by a twelfth away from each kink, both ways."""
    steps = 2.0 ** np.arange(-50.0, 100.0, 0.125)
    edges = np.unique(np.concatenate([[0.0], *([k, *(k + steps), *(k - steps)] for k in kinks)]))
    edges = edges[edges >= 0.0]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)[:, None]
    t = edges[:-1, None] + half * (1 + nodes)
    return float((half * sf(t.ravel()).reshape(t.shape) @ weights).sum())


@pytest.mark.one_in(6)
@pytest.mark.parametrize("first", range(0, 300, 50))
def test_means_of_mixtures_with_kinks_and_atoms(first: int) -> None:
    """Catches an integral across a corner or a jump of the workers' law, and one that is infinite
    because a jump leaves less than the lowest level at which it is cut."""
    for seed in range(first, first + 50):
        rng = np.random.default_rng(seed)
        parts = [part(rng) for _ in range(rng.integers(2, 5))]
        weights = rng.dirichlet(np.full(len(parts), 0.5))
        laws, begins, powers = zip(*parts, strict=True)
        mixed = MODELS["mixture"](weights=tuple(weights.tolist()), components=laws)
        n = int(rng.choice([1, 4, 12, 30, 150]))
        rules = [FirstK(int(rng.integers(1, n + 1))), FirstK(n), FirstK(-(-n // 2))]
        rules += [CoverGroups(2), FirstK(n) | Later(FirstK(n // 2), 0.7)] if 1 < n <= 30 else []
        rule = rules[rng.integers(len(rules))]
        load = int(rng.integers(1, 4))
        kinks = load * np.array(begins)
        if not isinstance(rule, FirstK | CoverGroups):
            kinks = np.concatenate((kinks, kinks + 0.7))

        def chance(t, load=load, weights=weights, laws=laws):
            each = (
                w * law.sf(np.maximum(t, 0) / load) for w, law in zip(weights, laws, strict=True)
            )
            return np.where(t < 0, 1.0, np.minimum(sum(each), 1.0))

        exact = piecewise_mean(lambda t: going_after(rule, n, t, chance), kinks)  # noqa: B023
        law = iteration_time_law(rule, n, worker_time_at(mixed, Proportional(), load))
        assert law.mean() == pytest.approx(exact, rel=1e-9), (seed, rule, mixed)
        assert min(powers) > 1


@pytest.mark.parametrize("wait_for", [75, 100, 140])
def test_a_round_that_an_atom_decides_has_a_mean(wait_for: int) -> None:
    """All but one worker in a thousand take 1 s: half of 150 do, but for a chance of 1e-184."""
    both = MODELS["deterministic"](value=1.0), MODELS["exponential"](rate=1.0)
    mixed = MODELS["mixture"](weights=(0.999, 0.001), components=both)
    law = iteration_time_law(FirstK(wait_for), 150, worker_time_at(mixed, Proportional(), 1))
    assert law.mean() == pytest.approx(1.0, rel=1e-9)
    assert law.variance() < 1e-20
    never = MODELS["pareto"](alpha=0.01, scale=1.0)
    heavy = MODELS["mixture"](weights=(0.999, 0.001), components=(both[0], never))
    law = iteration_time_law(FirstK(wait_for), 150, worker_time_at(heavy, Proportional(), 1))
    assert law.mean() == inf


def test_elementary_means_by_hand():
    """Catches the load applied to the wrong part: the shift, the tail, or the group's minimum."""
    h = closed.harmonic
    assert h(4) == pytest.approx(25 / 12)
    proportional_law = closed.proportional_time(1.0, 2.0, 3)
    additive_law = closed.additive_time(1.0, 2.0, 3, 0.1)
    n = 30
    assert closed.mean_uncoded(closed.proportional_time(1, 2, 1), n) == pytest.approx(1 + h(30) / 2)
    assert closed.mean_first_k(proportional_law, n, 28) == pytest.approx(
        3 * (1 + (h(30) - h(2)) / 2)
    )
    assert closed.mean_cover(proportional_law, n, 3) == pytest.approx(3 + h(10) / 2)
    assert closed.mean_cover(additive_law, n, 3) == pytest.approx(1.3 + h(10) / 6)


def test_variance_and_quantiles_of_the_slowest_of_n():
    """Catches a second moment that is not central, and a quantile of the wrong tail."""
    n = 30
    time = iteration_time_law(FirstK(n), n, proportional_worker_time(UNIT.cdf, 2, UNIT.sf))
    assert time.variance() == pytest.approx(np.sum(1 / np.arange(1, n + 1) ** 2), rel=1e-9)
    q = np.array([[1e-3, 0.5], [0.9, 0.999]])
    exact = 2 * UNIT.ppf(q ** (1 / n))
    np.testing.assert_allclose(time.quantile(q), exact, rtol=1e-11)
    np.testing.assert_allclose(time.cdf(exact), q, rtol=1e-11)


@pytest.mark.parametrize(
    ("scheme", "delay", "skewness"),
    [
        (SCHEMES["uncoded"](), MODELS["exponential"](rate=3.0), None),
        (SCHEMES["uncoded"](), MODELS["shifted_exponential"](shift=1e3, rate=3.0), None),
        (SCHEMES["speculative"](copy_after=9), MODELS["exponential"](rate=3.0), "of the cdf"),
        (SCHEMES["fractional_repetition"](load=12), MODELS["deterministic"](value=2.0), 0.0),
        (SCHEMES["ignore_stragglers"](wait_for=12), MODELS["pareto"](alpha=3.0, scale=1.0), inf),
    ],
)
def test_the_skewness_of_a_round(scheme, delay, skewness):
    """Catches a third moment around the median, and digits lost beside a large shift."""
    law = scheme_iteration_time(scheme.build(12), delay, Proportional())
    if skewness is None:
        k = np.arange(1.0, 13.0)
        skewness = 2 * np.sum(k**-3) / np.sum(k**-2) ** 1.5
        assert law.skewness() == pytest.approx(skewness, rel=1e-6)
    elif skewness == "of the cdf":  # E[T^m] is the integral of m t^(m - 1) P(T > t)
        t = np.linspace(0.0, float(law.quantile(1 - 1e-10)), 1_001)
        later = 1 - law.cdf(t)
        first, second, third = (simpson(m * t ** (m - 1) * later, x=t) for m in (1, 2, 3))
        about_mean = third - 3 * first * second + 2 * first**3
        skewness = about_mean / (second - first**2) ** 1.5
        assert law.skewness() == pytest.approx(skewness, rel=1e-4)
    else:
        assert law.skewness() == skewness


def test_variance_is_not_lost_beside_a_large_shift():
    """Catches E[T^2] - E[T]^2, which has no digit left when T is a million and varies by one."""
    law = stats.expon(loc=1e6)
    time = iteration_time_law(FirstK(30), 30, proportional_worker_time(law.cdf, 1, law.sf))
    assert time.variance() == pytest.approx(np.sum(1 / np.arange(1, 31) ** 2), rel=1e-8)


@pytest.mark.parametrize(("n", "d", "r"), [(12, 3, 7), (12, 2, 9), (30, 5, 20)])
def test_erasurehead_cdf_in_exact_fractions(n, d, r):
    """Catches a wrong sum over j: sum_{j>=r} C(n,j) F^j (1-F)^(n-j) + sum_{j<r} C_j F^j ..."""
    count = covering_subsets(n, d)
    for f in (Fraction(1, 20), Fraction(1, 3), Fraction(1, 2), Fraction(9, 10)):
        exact = sum(
            (comb(n, j) if j >= r else count[j]) * f**j * (1 - f) ** (n - j) for j in range(n + 1)
        )
        uniform = proportional_worker_time(lambda t: np.clip(t, 0, 1), 1)
        time = iteration_time_law(FirstK(r) | CoverGroups(d), n, uniform)
        assert float(time.cdf(float(f))) == pytest.approx(float(exact), abs=1e-13)


LAWS = {
    "shifted_exponential": (UNIT, lambda rng, s: 1 + rng.exponential(0.5, s)),
    "pareto_infinite_variance": (stats.pareto(1.5), lambda rng, s: 1 + rng.pareto(1.5, s)),
    "weibull_heavy": (stats.weibull_min(0.5), lambda rng, s: rng.weibull(0.5, s)),
    "lognormal": (stats.lognorm(1.0), lambda rng, s: np.exp(rng.standard_normal(s))),
    "gamma": (stats.gamma(2.0), lambda rng, s: rng.standard_gamma(2.0, s)),
}

RULES = [
    FirstK(8),
    CoverGroups(3),
    FirstK(8) | CoverGroups(3),
    FirstK(10) & CoverGroups(3),
    FirstK(8) | CoverGroups(3) | Deadline(2.5),
    (FirstK(2) & CoverGroups(3)) & Deadline(1.9),
    FirstK(12) | Later(FirstK(8), 0.4),
    (FirstK(12) | Later(FirstK(5), 0.4)) | Deadline(2.5),
    Later(FirstK(8), 0.4),
]


@pytest.mark.one_in(4)
@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("law", LAWS)
def test_cdf_and_mean_against_plain_monte_carlo(law, rule):
    """Catches a formula that is right for one law only, or for a rule in isolation only."""
    dist, draw = LAWS[law]
    rng = np.random.default_rng(20_240_601)
    n, load = 12, 1.5
    times = load * draw(rng, (20_000, n))
    stopped = stop(rule, times)
    worker = WorkerTime(dist.cdf, dist.sf, scale=load)
    time = iteration_time_law(rule, n, worker)
    at = np.quantile(stopped, [0.05, 0.3, 0.6, 0.95]) * 1.001
    assert_z(stopped[:, None] <= at, time.cdf(at), "cdf")
    assert_z(stopped, time.mean(), "mean")
    assert_z((stopped - time.mean()) ** 2, time.variance(), "variance")


@pytest.mark.parametrize("n", [1, 30, 100_000])
@pytest.mark.parametrize("alpha", [1.05, 1.2, 2.0, 2.5])
def test_mean_of_the_slowest_of_n_pareto_delays(alpha, n):
    """Catches a tail cut off: at alpha = 1.05 nearly half of it lies below P = 1e-6."""
    law = stats.pareto(alpha)
    logs = special.gammaln([n + 1, 1 - 1 / alpha, n + 1 - 1 / alpha])
    exact = np.exp(logs[0] + logs[1] - logs[2])
    precise = iteration_time_law(FirstK(n), n, proportional_worker_time(law.cdf, 1, law.sf))
    assert precise.mean() == pytest.approx(exact, rel=1e-8)
    coarse = iteration_time_law(FirstK(n), n, proportional_worker_time(law.cdf, 1))
    assert coarse.mean() == pytest.approx(exact, rel=1e-5 if alpha < 1.2 else 1e-6)
    assert (precise.variance() == inf) == (alpha <= 2.0)


@pytest.mark.parametrize("grace", [0.0, 0.01, 0.5, 3.0, 60.0])
@pytest.mark.parametrize(("n", "k"), [(30, 15), (30, 29), (4, 1), (1000, 900)])
def test_a_quorum_with_grace(n: int, k: int, grace: float) -> None:
    """The law of any delay against elementary terms; catches a tail that is lost to rounding."""
    time = closed.ExponentialTime(0.5, 0.25)
    worker = WorkerTime(stats.expon(0.5, 0.25).cdf, stats.expon(0.5, 0.25).sf)
    rule = FirstK(n) | Later(FirstK(k), grace)
    mean = closed.mean_quorum(time, n, k, grace)
    law = iteration_time_law(rule, n, worker)
    assert law.mean() == pytest.approx(mean, rel=1e-9)
    far = law.quantile(0.5) + 15.0  # where all but a few rounds are over
    late = stats.expon(0.5, 0.25).sf([far, far - grace])
    some_missing = -np.expm1(n * np.log1p(-late[0]))
    beyond = min(special.betainc(n - k + 1, k, late[1]), some_missing)
    assert 0.0 <= law.sf(far) <= beyond * (1 + 1e-6)


def test_a_quorum_of_thirty_by_hand() -> None:
    """n = 30, K = 15, half a second: the limits are those of K and of all."""
    unit = closed.ExponentialTime(0.0, 1.0)
    heard = 1 - np.exp(-0.5)
    assert 15 + 15 * heard == pytest.approx(20.902, abs=5e-4)
    assert closed.mean_quorum(unit, 30, 15, 0.5) == pytest.approx(1.1768, abs=5e-5)
    assert quorum_error(30, 15, heard) == pytest.approx(13.416, abs=5e-4)
    assert closed.mean_quorum(closed.ExponentialTime(1.0, 0.0), 3, 1, 0.5) == 1.0
    assert closed.mean_quorum(unit, 30, 15, 0.0) == closed.mean_first_k(unit, 30, 15)
    assert closed.mean_quorum(unit, 30, 15, 99.0) == pytest.approx(closed.mean_uncoded(unit, 30))
    assert quorum_error(30, 15, 0.0, rescale=False) == 15
    assert quorum_error(30, 15, 1.0) == 0


def test_no_method_is_faster_per_gradient_than_all_workers_together() -> None:
    """12/7 s per three gradients of workers of 1, 2 and 4 s; equal workers need their own time."""
    assert closed.least_seconds([1.0, 2.0, 4.0]) == pytest.approx(12 / 7)
    assert closed.least_seconds([0.7] * 30) == pytest.approx(0.7)
    weights = closed.asynchronous_weights([1.0, 2.0, 4.0])
    assert weights == pytest.approx([12 / 7, 6 / 7, 3 / 7])


@pytest.mark.parametrize("sf", [True, False])
def test_means_that_do_not_exist_are_infinite(sf):
    """Catches a finite number for a divergent integral, and inf where the rule tames the tail."""
    for alpha in (0.3, 0.5, 1.0):
        law = stats.pareto(alpha)
        worker = proportional_worker_time(law.cdf, 1, law.sf if sf else None)
        assert iteration_time_law(FirstK(10), 10, worker).mean() == inf
        # The first of ten has tail index 10 alpha: it has a mean, 10 alpha / (10 alpha - 1).
        first = iteration_time_law(FirstK(1), 10, worker).mean()
        assert first == pytest.approx(10 * alpha / (10 * alpha - 1), rel=1e-9)
        assert iteration_time_law(FirstK(10) | Deadline(5.0), 10, worker).mean() <= 5.0
    never = proportional_worker_time(lambda t: 0.9 * (t >= 1.0), 1)
    assert iteration_time_law(FirstK(1), 1, never).mean() == inf


@pytest.mark.parametrize(("sf", "rel"), [(True, 1e-8), (False, 5e-7)])
def test_variance_of_the_slowest_of_thirty_pareto_delays(sf, rel):
    """Catches an extrapolated tail that is squared around 0 instead of the median."""
    n, law = 30, stats.pareto(2.5)
    first, second = (
        np.exp(
            special.gammaln(n + 1) + special.gammaln(1 - m / 2.5) - special.gammaln(n + 1 - m / 2.5)
        )
        for m in (1, 2)
    )
    worker = proportional_worker_time(law.cdf, 1, law.sf if sf else None)
    variance = iteration_time_law(FirstK(n), n, worker).variance()
    assert variance == pytest.approx(second - first**2, rel=rel)


def test_a_deadline_counts_at_its_own_instant():
    """Catches an open interval: at the deadline the round is over, and not a moment before."""
    n, at = 3, 1.5
    worker = proportional_worker_time(UNIT.cdf, 1, UNIT.sf)
    before = np.nextafter(at, 0)
    all_in = UNIT.cdf(at) ** n
    either = iteration_time_law(FirstK(n) | Deadline(at), n, worker)
    np.testing.assert_allclose(either.cdf([before, at]), [all_in, 1.0], rtol=1e-12)
    both = iteration_time_law(FirstK(n) & Deadline(at), n, worker)
    np.testing.assert_allclose(both.cdf([before, at]), [0.0, all_in], rtol=1e-12)
    alone = iteration_time_law(Deadline(at), n, worker)
    assert (alone.mean(), alone.variance()) == (at, 0.0)


def test_weibull_and_lognormal_far_tails():
    """Catches an integral that stops at P = 1e-16: here the variance lives below that."""
    weibull, lognormal = stats.weibull_min(0.2), stats.lognorm(3.0)
    one = iteration_time_law(FirstK(1), 1, proportional_worker_time(weibull.cdf, 1, weibull.sf))
    assert one.mean() == pytest.approx(gamma(6), rel=1e-10)
    assert one.variance() == pytest.approx(gamma(11) - gamma(6) ** 2, rel=1e-9)
    one = iteration_time_law(FirstK(1), 1, proportional_worker_time(lognormal.cdf, 1, lognormal.sf))
    assert one.mean() == pytest.approx(np.exp(4.5), rel=1e-10)
    assert one.variance() == pytest.approx(np.exp(9) * (np.exp(9) - 1), rel=1e-9)
    lognormal = stats.lognorm(5.0)  # half of its variance lies below P = 1e-23
    one = iteration_time_law(FirstK(1), 1, proportional_worker_time(lognormal.cdf, 1, lognormal.sf))
    assert one.variance() == pytest.approx(np.exp(25) * (np.exp(25) - 1), rel=1e-6)


@pytest.mark.parametrize("rule", RULES[:4], ids=str)
def test_constant_delays_give_constant_rounds(rule):
    """Catches an open or closed step taken wrongly, and noise where nothing varies."""
    worker = additive_worker_time(lambda t: 1.0 * (t >= 0.25), 3, 0.5)
    time = iteration_time_law(rule, 12, worker)
    assert time.mean() == 1.75
    assert time.variance() == 0.0
    assert float(time.cdf(1.75)) == 1.0
    assert float(time.cdf(np.nextafter(1.75, 0))) == 0.0
    np.testing.assert_array_equal(time.quantile([0.01, 0.99, 1.0]), 1.75)


def test_two_point_delays():
    """Catches a jump that the integral smears: slow (10 s) with chance 0.1, else 1 s."""
    worker = proportional_worker_time(lambda t: 0.9 * (t >= 1.0) + 0.1 * (t >= 10.0), 1)
    slow = 1 - 0.9**5
    time = iteration_time_law(FirstK(5), 5, worker)
    assert time.mean() == pytest.approx(1 + 9 * slow, rel=1e-10)
    assert time.variance() == pytest.approx(81 * slow * (1 - slow), rel=1e-9)


@pytest.mark.parametrize("other", [FirstK(6), FirstK(6) | Deadline(9.0)], ids=str)
def test_a_deadline_that_only_the_last_arrival_waits_for_has_no_formula(other):
    """After two arrivals and a grace a round may end before it; catches a deadline that is lost."""
    quorum, late = Later(FirstK(2), 1.5), other & Deadline(3.0)
    for rule in (quorum | late, late | quorum, (FirstK(6) | quorum) | late):
        assert isinstance(iteration_time_law(rule, 6, WorkerTime(UNIT.cdf, UNIT.sf)), NoFormula)


def test_schemes_without_a_formula_say_why():
    """Catches a formula for equal loads used for others, or for a law that has none."""
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    for delay, law in (
        (MODELS["authors_stream"](), Proportional()),
        (MODELS["pareto"](alpha=1.5, scale=1.0), PerPartition()),
    ):
        assert isinstance(scheme_iteration_time(scheme, delay, law), NoFormula)
    assert proportional_worker_time(lambda t: None, 3) is None
    assert additive_worker_time(lambda t: None, 3, 0.1) is None
    without_sf = SimpleNamespace(
        cdf=UNIT.cdf, sf=lambda t: None, together=lambda n: None, kinks=lambda: np.empty(0)
    )
    time = scheme_iteration_time(scheme, without_sf, Proportional())
    mean = closed.mean_erasurehead(closed.proportional_time(1.0, 2.0, 3), 12, 3, 6)
    assert time.mean() == pytest.approx(mean, rel=1e-9)


def test_a_round_of_one_worker_is_its_time():
    scheme = SCHEMES["uncoded"]().build(1)
    time = scheme_iteration_time(scheme, MODELS["exponential"](rate=4.0), Proportional())
    assert time.mean() == pytest.approx(0.25)
    unknown = scheme_iteration_time(scheme, MODELS["authors_stream"](), Proportional())
    assert unknown == NoFormula("a worker's time at load 1 has no closed form")


def test_loads_that_differ_have_no_closed_form():
    """Who has more partitions comes later: arrivals are in no random order."""
    scheme = SCHEMES["heterogeneity_aware"](load=3, speeds=(1, 2, 4) * 4).build(12)
    loads = scheme.assignment.loads
    found = scheme_iteration_time(scheme, MODELS["exponential"](rate=1.0), Proportional())
    assert isinstance(found, NoFormula)
    assert found.reason == f"loads differ, from {min(loads)} to {max(loads)}"
    assert min(loads) < max(loads)


@pytest.mark.one_in(3)  # all of either, and both laws, are among them
@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.3, 0.5, 0.9, 1.0, 1.1, 2.5])
@pytest.mark.parametrize("scale", [1e-3, 0.4, 1.0, 50.0])
@pytest.mark.parametrize(
    "load_law", [Proportional(), Additive(seconds_per_partition=0.3)], ids=["proportional", "add"]
)
def test_a_mean_is_infinite_where_there_is_none(alpha, scale, load_law):
    """The k-th of n Pareto times has a tail of index alpha (n - k + 1), whatever the scale, and so
    has a mixture with one. Catches a tail that ends where times overflow, or a mean that a worker
    does not have taken for one that no round has."""
    heavy = MODELS["pareto"](alpha=alpha, scale=scale)
    light = MODELS["exponential"](rate=1.0)
    mixed = MODELS["mixture"](weights=(0.6, 0.4), components=(light, heavy))
    for delay, k in itertools.product((heavy, mixed), (1, 5, 8, 9)):
        scheme = SCHEMES["ignore_stragglers"](wait_for=k).build(9)
        law = scheme_iteration_time(scheme, delay, load_law)
        index = alpha * (10 - k)
        assert (law.mean() < inf) == (index > 1), (delay, k)
        assert (law.variance() < inf) == (index > 2), (delay, k)
        assert index > 3 or law.tail_index() <= index + 0.1


def test_the_tail_of_a_law_that_has_a_cdf_alone():
    """Catches a heavy tail that ends where 1 - cdf is rounded to 0."""
    law = MODELS["pareto"](alpha=1.5, scale=1.0)
    assert iteration_time_law(FirstK(1), 1, WorkerTime(law.cdf)).tail_index() == 1.5


# Messages that take random times.


def hypoexponential(first, second):
    """P(a time of one rate and one of another are over by t), from the formula."""
    if first == second:
        return lambda t: 1 - np.exp(-first * t) * (1 + first * t)
    gap = second - first
    return lambda t: 1 - (second * np.exp(-first * t) - first * np.exp(-second * t)) / gap


def mean_of_order(k, n, cdf):
    """E[T_(k)] as the integral of 1 - I_F(k, n - k + 1)."""
    longer = lambda t: 1 - special.betainc(k, n - k + 1, cdf(t))  # noqa: E731
    return quad(longer, 0, 5, limit=200)[0] + quad(longer, 5, 400, limit=200)[0]


def exponential(rate, shift=0.0):
    return MODELS["shifted_exponential"](shift=shift, rate=rate)


@pytest.mark.parametrize(
    ("rate", "k", "printed"),
    [(2.0, 15, 1.2023), (2.0, 24, 2.1754), (2.0, 30, 4.6799), (1.0, 30, 5.9063), (0.3, 24, None)],
)
def test_the_first_of_computing_and_sending(rate, k, printed):
    """Catches rates of the wrong part, and equal ones divided by their difference."""
    message = MessageTime(uplink=exponential(rate))
    scheme = SCHEMES["ignore_stragglers"](wait_for=k).build(30)
    law = scheme_iteration_time(scheme, exponential(1.0), Proportional(), message)
    expected = mean_of_order(k, 30, hypoexponential(1.0, rate))
    assert law.mean() == pytest.approx(expected, rel=1e-8)
    assert printed is None or expected == pytest.approx(printed, abs=5e-5)
    if rate == 1.0:
        two = scheme_iteration_time(scheme, MODELS["gamma"](shape=2.0, scale=1.0), Proportional())
        assert law.mean() == pytest.approx(two.mean(), rel=1e-9)
        assert law.variance() == pytest.approx(two.variance(), rel=1e-7)
        near = MessageTime(uplink=exponential(1.0 + 1e-12))
        beside = scheme_iteration_time(scheme, exponential(1.0), Proportional(), near)
        assert beside.mean() == pytest.approx(two.mean(), rel=1e-9)


@pytest.mark.parametrize(("rate", "printed"), [(2.0, 3.4705), (1.0, 4.0537)])
def test_groups_of_three_that_send(rate, printed):
    """Ten groups of three, each three times as long: the first of a group, the last of groups."""
    cdf = hypoexponential(1 / 3, rate)
    longer = lambda t: 1 - (1 - (1 - cdf(t)) ** 3) ** 10  # noqa: E731
    expected = quad(longer, 0, 10, limit=200)[0] + quad(longer, 10, 400, limit=200)[0]
    scheme = SCHEMES["fractional_repetition"](load=3).build(30)
    message = MessageTime(uplink=exponential(rate))
    law = scheme_iteration_time(scheme, exponential(1.0), Proportional(), message)
    assert law.mean() == pytest.approx(expected, rel=1e-8)
    assert expected == pytest.approx(printed, abs=5e-5)


@pytest.mark.parametrize(
    ("name", "fields", "load", "first", "size", "printed"),
    [
        ("uncoded", {}, 1, 8, 1, 36.1138),
        ("cyclic_mds", {"load": 8}, 8, 1, 1, 24.1063),
        ("communication_efficient", {"load": 4, "share": 3}, 4, 7, 1 / 3, 21.3697),
    ],
)
def test_the_example_of_communication_efficient_codes(name, fields, load, first, size, printed):
    """Eight workers: 1.6 + Exp(0.8) s a partition, 6 + Exp(0.1) s a gradient's transfer."""
    random = hypoexponential(0.8 / load, 0.1 / size)
    expected = 1.6 * load + 6 * size + mean_of_order(first, 8, random)
    message = MessageTime(transfer=exponential(0.1, 6.0))
    scheme = SCHEMES[name](**fields).build(8)
    law = scheme_iteration_time(scheme, exponential(0.8, 1.6), Proportional(), message)
    assert law.mean() == pytest.approx(expected, rel=1e-8)
    assert expected == pytest.approx(printed, abs=5e-5)


def test_a_sum_of_many_stages():
    """Rates far apart, equal rates and constants: moments of the parts add up."""
    parts = [exponential(rate, shift) for rate, shift in ((0.5, 0.25), (40.0, 0.0), (1e9, 0.0))]
    unit, uplink, transfer = parts
    for law, load, draws in ((PerPartition(), 4, 4), (Proportional(), 4, 1)):
        time = MessageTime(0.5, uplink, transfer).added_to(unit, law, load, size=2.0)
        growth = load / draws
        mean = 0.5 + load * (2.0 + 0.25) + 1 / 40 + 2e-9
        spread = draws * (growth * 2.0) ** 2 + 1 / 1600
        one = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), time)
        assert one.mean() == pytest.approx(mean, rel=1e-9)
        assert one.variance() == pytest.approx(spread, rel=1e-7)
        far = 0.25 * load + 0.5 + 700.0
        assert 0 < time.sf(far) < 1e-30
    local = MessageTime(uplink=exponential(2.0)).added_to(unit, Proportional(), 3, steps=5)
    one = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), local)
    assert one.mean() == pytest.approx(3 * 2.25 + 0.5 / 5, rel=1e-9)
    assert one.variance() == pytest.approx(9 * 4 / 5 + 0.25 / 25, rel=1e-7)


def test_sums_that_have_no_closed_form():
    """One part may be of any law if the others are constant; else all are exponential, and few."""
    lognormal, constant = (
        MODELS["lognormal"](median=1.0, sigma=0.5),
        MODELS["deterministic"](value=2.0),
    )
    added = MessageTime(uplink=lognormal, transfer=constant).added_to
    time = added(constant, Proportional(), 3, size=0.5)
    seconds = np.array([6.0, 8.0, 9.5])
    np.testing.assert_allclose(time.cdf(seconds), lognormal.cdf(seconds - 7.0))
    assert added(exponential(1.0), Proportional(), 1) is None
    assert MessageTime(uplink=exponential(1.0)).added_to(lognormal, Proportional(), 1) is None
    many = MessageTime(uplink=exponential(1.0)).added_to
    assert many(exponential(1.0), PerPartition(), 15) is not None
    assert many(exponential(1.0), PerPartition(), 16) is None
    limited = SCHEMES["drop_compute"](pieces=1, patience=1.0, cut="at").build(4)
    message = MessageTime(uplink=exponential(1.0))
    found = scheme_iteration_time(limited, exponential(1.0), Proportional(), message)
    assert isinstance(found, NoFormula)
