"""Mean times between updates against plain simulations, event by event."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from erasurehead.sim.theory import (
    bound_k_async,
    mean_asynchronous,
    mean_k_async,
    mean_k_batch_async,
    mean_k_batch_sync,
    mean_k_sync,
    proportional_worker_time,
)
from tests.statistics import BOUND, assert_z

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
