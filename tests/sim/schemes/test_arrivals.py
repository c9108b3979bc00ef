"""Arrivals in random order, and schemes without a barrier."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from itertools import combinations
from math import comb

import numpy as np
import pytest
from scipy import stats

from erasurehead.plugins import CoverGroups, InvalidParameter
from erasurehead.sim.schemes.arrivals import Arrivals, Demand, demand, uncovered_after
from erasurehead.stopping import Deadline, FirstK
from erasurehead.theory import (
    NoFormula,
    bound_k_async,
    mean_asynchronous,
    mean_k_async,
    mean_k_batch_async,
    mean_k_batch_sync,
    mean_k_sync,
    proportional_worker_time,
)
from tests.statistics import BOUND, assert_z

# What stopping rules ask of the order of arrivals, against exact fractions and enumeration.


def covering_subsets(n, d):
    """C_j = [x^j] ((1 + x)^d - 1)^(n/d), exact, by multiplying the polynomials out."""
    polynomial = [1]
    for _ in range(n // d):
        product = [0] * (len(polynomial) + d)
        for i, a in enumerate(polynomial):
            for j in range(1, d + 1):
                product[i + j] += a * comb(d, j)
        polynomial = product
    return polynomial


def uncovered_by_inclusion_exclusion(n, d, m):
    groups = n // d
    missed = sum(
        (-1) ** (j + 1) * comb(groups, j) * comb(n - j * d, m)
        for j in range(1, groups + 1)
        if n - j * d >= m
    )
    return Fraction(missed, comb(n, m))


@pytest.mark.parametrize(("n", "d"), [(6, 2), (12, 3), (30, 5), (60, 2), (7, 1), (8, 8)])
def test_chain_is_the_exact_count_of_subsets_that_miss_a_group(n, d):
    """Catches a wrong transition probability, an off-by-one in m, a group lost at the ends."""
    exact = [Fraction(comb(n, m) - c, comb(n, m)) for m, c in enumerate(covering_subsets(n, d))]
    assert exact == [uncovered_by_inclusion_exclusion(n, d, m) for m in range(n + 1)]
    got = uncovered_after(n, d, n)
    np.testing.assert_allclose(got, [float(x) for x in exact[: len(got)]], rtol=1e-12, atol=0)


@pytest.mark.parametrize(("n", "d"), [(1000, 2), (1000, 10), (900, 30)])
def test_chain_keeps_its_digits_for_a_thousand_workers(n, d):
    """Catches cancellation: at d = 2, m = n/2 the alternating sum in doubles is 1e24."""
    q = uncovered_after(n, d, n)
    for m in (n // d, n // 2, 3 * n // 4, n - d):
        exact = float(uncovered_by_inclusion_exclusion(n, d, m))
        assert q[m] == pytest.approx(exact, rel=1e-11, abs=0)


@pytest.mark.parametrize(
    "rule",
    [
        FirstK(4),
        CoverGroups(2),
        FirstK(4) | CoverGroups(2),
        FirstK(5) & CoverGroups(2),
        (FirstK(5) | CoverGroups(3)) & FirstK(3),
        (FirstK(2) & CoverGroups(3)) | FirstK(4),
        FirstK(3) | FirstK(5),
        (FirstK(2) & CoverGroups(1)) | FirstK(5),
    ],
)
def test_not_enough_is_the_share_of_subsets_that_the_rule_refuses(rule):
    """Catches "either" and "both" confused, and low and high swapped, for every combination."""
    n = 6
    got = demand(rule, n)
    assert isinstance(got, Demand)
    for m in range(n + 1):
        masks = np.zeros((comb(n, m), n), dtype=bool)
        for row, members in zip(masks, combinations(range(n), m), strict=True):
            row[list(members)] = True
        assert got.arrivals.not_enough[m] == pytest.approx(1 - rule.enough(masks).mean(), abs=1e-14)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (CoverGroups(2) | CoverGroups(3), "dependent"),
        ((FirstK(2) & Deadline(1.0)) | CoverGroups(2), "deadline"),
        ((FirstK(2) | Deadline(1.0)) & CoverGroups(2), "deadline"),
    ],
)
def test_rules_without_a_formula_say_why(rule, word):
    """Catches a number given where the parts are dependent or the deadline is not the round's."""
    got = demand(rule, 6)
    assert isinstance(got, NoFormula)
    assert word in got.reason


@pytest.mark.parametrize(
    ("rule", "earliest", "latest"),
    [
        (Deadline(2.0), 2.0, 2.0),
        (Deadline(2.0) | Deadline(3.0), 2.0, 2.0),
        (Deadline(2.0) & Deadline(3.0), 3.0, 3.0),
        (FirstK(2) | Deadline(2.0), 0.0, 2.0),
        (Deadline(2.0) & FirstK(2), 2.0, np.inf),
        ((FirstK(2) | Deadline(2.0)) & Deadline(1.0), 1.0, 2.0),
        ((FirstK(2) & Deadline(2.0)) | Deadline(1.0), 1.0, 1.0),
        ((FirstK(2) | Deadline(2.0)) | (CoverGroups(2) | Deadline(1.0)), 0.0, 1.0),
        ((FirstK(2) & Deadline(2.0)) & (CoverGroups(2) & Deadline(3.0)), 3.0, np.inf),
    ],
)
def test_deadlines_become_the_bounds_of_a_round(rule, earliest, latest):
    """Catches a deadline taken as a minimum where it must be a maximum, or lost in nesting."""
    got = demand(rule, 6)
    assert (got.earliest, got.latest) == (earliest, latest)


def test_every_way_to_compute_the_survival_is_the_same_sum():
    """Catches a wrong split between the incomplete beta, the cover formula and the sum over m."""
    n = 12
    reached = np.linspace(0, 1, 33)
    m = np.arange(n + 1)
    pmf = np.array([[comb(n, j) * f**j * (1 - f) ** (n - j) for j in m] for f in reached])
    for size in (1, 2, 3, 4, 6, 12):
        for low in range(n + 1):
            for high in range(max(low, 1), n + 1):
                arrivals = Arrivals(n, low, high, None if low == high else size)
                expected = pmf @ arrivals.not_enough
                got = arrivals.sf(1 - reached, partial(np.asarray, reached))
                np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ((0, 0, 1), "workers"),
        ((6, 0, 0), "high"),
        ((6, 0, 7), "high"),
        ((6, -1, 3), "low"),
        ((6, 4, 3), "low"),
        ((6, 2, 3), "size"),
        ((6, 2, 3, 4), "load"),
    ],
)
def test_numbers_of_arrivals_that_cannot_be_are_named(given, field):
    """1 <= high <= n, 0 <= low <= high, and groups that divide the workers."""
    with pytest.raises(InvalidParameter) as error:
        Arrivals(*given)
    assert error.value.field == field


# Mean times between updates against plain simulations, event by event.


N, K, RATE = 6, 4, 2.0


def next_arrivals(rng, draw, runs, updates, distinct, restart):
    """Seconds per update, ``(runs,)``: workers redraw when they deliver; K deliveries update.

    Args:
        distinct: a worker that has delivered waits for the update.
        restart: everyone begins anew at an update, else who has not delivered goes on.
    """
    ready = draw(rng, (runs, N))
    clock = np.zeros(runs)
    rows = np.arange(runs)
    for _ in range(updates):
        delivered = np.zeros((runs, N), dtype=bool)
        for _ in range(K):
            first = np.argmin(np.where(delivered & distinct, np.inf, ready), axis=1)
            clock = ready[rows, first]
            delivered[rows, first] = True
            if not distinct:
                ready[rows, first] = clock + draw(rng, runs)
        renewed = np.ones((runs, N), dtype=bool) if restart else delivered & distinct
        ready = np.where(renewed, clock[:, None] + draw(rng, (runs, N)), ready)
    return clock / updates


def exponential(rng, shape):
    return rng.exponential(1 / RATE, shape)


def test_k_sync_and_k_batch_sync():
    """Catches K distinct workers confused with K gradients."""
    rng = np.random.default_rng(1)
    sync = next_arrivals(rng, exponential, 4000, 5, distinct=True, restart=True)
    assert_z(sync, mean_k_sync(N, K, RATE))
    batch = next_arrivals(rng, exponential, 4000, 5, distinct=False, restart=True)
    assert_z(batch, mean_k_batch_sync(N, K, RATE))


def test_k_async_is_k_sync_for_exponential_delays():
    """Catches a formula that counts on everyone beginning anew."""
    rng = np.random.default_rng(2)
    times = next_arrivals(rng, exponential, 4000, 20, distinct=True, restart=False)
    assert_z(times, mean_k_async(N, K, RATE))


def test_k_batch_async_is_a_renewal_rate_for_any_delay():
    """Catches a formula for exponential delays only: here they are uniform on (0, 2) s.

    The bias of a finite run is at most one delay in 400 updates' worth, allowed for.
    """
    rng = np.random.default_rng(3)
    times = next_arrivals(
        rng, lambda g, s: g.uniform(0, 2, s), 1000, 400, distinct=False, restart=False
    )
    exact = mean_k_batch_async(N, K, 1.0)
    assert abs(times.mean() - exact) <= 1.0 / 400 + BOUND * times.std() / np.sqrt(len(times))
    assert mean_asynchronous(N, 1.0) == exact / K


def test_k_async_bound_is_an_order_statistic_and_holds():
    """Catches a bound below the truth, and one that is not that of K-sync for Exp."""
    unit = proportional_worker_time(stats.expon(scale=1 / RATE).cdf, 1)
    assert bound_k_async(N, K, unit) == pytest.approx(mean_k_sync(N, K, RATE), rel=1e-8)
    uniform = bound_k_async(N, K, proportional_worker_time(stats.uniform(0, 2).cdf, 1))
    assert uniform == pytest.approx(2 * K / (N + 1), rel=1e-8)
    rng = np.random.default_rng(4)
    times = next_arrivals(
        rng, lambda g, s: g.uniform(0, 2, s), 1000, 50, distinct=True, restart=False
    )
    assert times.mean() < uniform
