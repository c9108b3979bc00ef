"""A deadline that follows past arrivals: rounds worked out by hand, what is cut off, no bias."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.cluster import Cluster, Network, Policy
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes.adaptive import AdaptiveDeadline, robust_deadline
from tests.engines.agreement import both_finish
from tests.engines.engines import batch
from tests.statistics import assert_z
from tests.tables import TableTape


def test_rounds_by_hand() -> None:
    """Five workers, kappa = 2, two rounds remembered.

    Round 0 waits for all: 5 s. Median 3, distances 2 1 0 1 2, MAD 1: deadline 3 + 2 = 5.
    Round 1: four in time, the fifth would come at 9: ends at 5.
    Round 2: of 1 1 2 2 3 3 4 4 5 inf the upper median is 3, distances 2 2 1 1 0 0 1 1 2 inf, upper
    median 1: deadline 5. Everybody is in by 4.
    Round 3: of 1 1 2 2 3 3 4 4 4 inf: median 3, distances 2 2 1 1 0 0 1 1 1 inf, 1: deadline 5.
    """
    table = np.array([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 9], [1, 2, 3, 4, 4], [9, 2, 9, 9, 9]])
    scheme = AdaptiveDeadline(kappa=2.0, rounds=2).build(5)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 4, Policy.CANCEL)
    np.testing.assert_array_equal(trace.intervals[0], [5, 5, 4, 5])
    steps = scheme.steps(trace)
    np.testing.assert_array_equal(steps.arrived(), [[5, 4, 5, 1]])
    np.testing.assert_allclose(steps.step(1).weights, [[1.25] * 4 + [0]])  # type: ignore[union-attr]


def test_at_least_so_many_arrive() -> None:
    """Round 1: median 1 and MAD 0, so the deadline is 1; the third arrival comes at 4."""
    table = np.array([[1.0, 1, 1, 1], [1, 3, 4, 5]])
    scheme = AdaptiveDeadline(kappa=9.0, at_least=3).build(4)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 2, Policy.CANCEL)
    np.testing.assert_array_equal(trace.intervals[0], [1, 4])


def test_who_is_cut_off_counts_as_late() -> None:
    """So the deadline stays where it is; one that learns from arrivals alone would creep down."""
    delays = np.random.default_rng(2).exponential(1.0, (1, 5001))
    deadline = robust_deadline(delays, 1.0)
    cut = np.where(delays <= deadline, delays, np.inf)
    np.testing.assert_array_equal(robust_deadline(cut, 1.0), deadline)
    assert np.isinf(robust_deadline(np.where(delays < 0.5, delays, np.inf), 1.0))


def test_of_a_normal_law() -> None:
    """MAD is .6745 standard deviations."""
    draws = np.random.default_rng(3).normal(10.0, 2.0, (1, 200_001))
    assert robust_deadline(draws, 1.4826)[0] == pytest.approx(12.0, abs=0.03)


@pytest.mark.parametrize("network", [Network(0.05, 0.0, 0.1)], ids=str)
@pytest.mark.parametrize("policy", Policy)
def test_engines_agree_on_a_network(network: Network, policy: Policy) -> None:
    tapes = [Tape(MODELS["exponential"](rate=1.0), 7, 3, r) for r in range(3)]
    scheme = AdaptiveDeadline(kappa=1.0, rounds=4).build(7)
    trace = both_finish(scheme, tapes, Proportional(), 25, policy, Cluster(network))
    assert scheme.steps(trace).arrived().min() < 7


def test_the_gradient_is_unbiased() -> None:
    scheme = AdaptiveDeadline(kappa=1.0).build(6)
    tapes = [Tape(MODELS["exponential"](rate=1.0), 6, 4, r) for r in range(10)]
    trace = batch.simulate(scheme, tapes, Proportional(), 1000)
    weights = scheme.weights(trace.heard.arrived)  # type: ignore[union-attr]
    assert_z(weights.reshape(-1, 6), np.ones(6), "partition weight")


def test_at_least_is_at_most_the_workers() -> None:
    with pytest.raises(InvalidParameter, match="at_least = 6: must be between 1 and workers = 5"):
        AdaptiveDeadline(kappa=1.0, at_least=6).build(5)
    assert AdaptiveDeadline(kappa=1.0, at_least=5).build(5).exact
