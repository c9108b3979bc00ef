"""Levels of coordinates: the published split, a round by hand, and what is known of the delays.

Speaks to the split and to order statistics, whose formulas are checked by themselves.
"""

from __future__ import annotations

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import InvalidParameter
from erasurehead.schemes import BlockCoordinate, CyclicRepetition
from erasurehead.sim.schemes.base import UnitExponential
from erasurehead.sim.schemes.partial_work import optimal_split
from erasurehead.sim.theory.worker_time import KnownDelayLaw
from erasurehead.stopping import FirstK
from erasurehead.theory import iteration_time_law, worker_time_at
from tests.sim.engines.agreement import LAWS, both_finish, steady
from tests.statistics import BOUND, assert_z

UNIT = MODELS["exponential"](rate=1.0)


def test_a_round_by_hand() -> None:
    """Half of the coordinates uncoded, half coded against one straggler: a load of 3/2.

    Unit times 2, 4 and 8: the uncoded half is there at 1, 2 and 4, the coded one at 3, 6 and 12.
    All three of the first and two of the second: 6 s.
    """
    scheme = BlockCoordinate(split=(1.0, 1.0)).build(3)
    np.testing.assert_array_equal(scheme.plan(None).loads, 1.5)
    run = scheme, [steady(2, 4, 8)], Proportional(), 1
    trace = both_finish(*run)
    np.testing.assert_allclose(trace.times, [[6.0]])
    np.testing.assert_array_equal(trace.heard.arrived[0, 0], [1, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(scheme.steps(trace).error, 0)
    # A message has the size of its coordinates: 0.5 s of the whole gradient's second.
    trace = both_finish(*run, network={"bandwidth": 1.0, "message_bytes": 1.0})
    np.testing.assert_allclose(trace.times, [[6.5]])


def test_published_split() -> None:
    """Four workers, unit exponential."""
    scheme = BlockCoordinate().build(4)
    np.testing.assert_allclose(scheme.split, [0.3124, 0.1442, 0.1716, 0.3719], atol=6e-5)
    t = np.array([1 / 4, 7 / 12, 13 / 12, 25 / 12])
    np.testing.assert_allclose(scheme.split, optimal_split(t), rtol=1e-12)
    # On mean times all levels end together.
    ends = np.cumsum((1 + np.arange(4)) * scheme.split) * t[::-1]
    np.testing.assert_allclose(ends, ends[0], rtol=1e-12)


@pytest.mark.parametrize(
    ("workers", "delay", "split", "published"),
    [
        (4, UNIT, "optimal", 1.020),
        (4, UNIT, (1.0,), 25 / 12),
        (4, UNIT, (0, 1.0), 2 * 13 / 12),
        (4, UNIT, (0, 0, 1.0), 3 * 7 / 12),
        (4, UNIT, (0, 0, 0, 1.0), 1.0),
        (30, MODELS["shifted_exponential"](shift=1.0, rate=1.0), "optimal", 4.14),
    ],
)
def test_published_times(workers: int, delay: object, split: object, published: float) -> None:
    """Proportional: the mean of max_s c_s T_(n-s), drawn here again; within z of what is known."""
    family = BlockCoordinate(split=split)
    size = {"workers": workers, "iterations": 2500, "replications": 8, "seed": 8}
    seconds = np.diff(eh.simulate(family, delay, **size).times, prepend=0.0).ravel()
    scheme = family.build_for(workers, KnownDelayLaw(delay, Proportional()))
    assert_z(seconds, published, "published") if split != "optimal" else None
    error = seconds.std(ddof=1) / np.sqrt(seconds.size)
    assert abs(seconds.mean() - published) <= BOUND * error + 5e-3  # given to three digits
    draws = delay.sample(np.random.default_rng(1), 20_000, workers)
    done = np.cumsum((1 + np.arange(workers)) * scheme.split)
    again = (done * np.sort(draws, axis=1)[:, ::-1])[:, np.array(scheme.split) > 0].max(axis=1)
    assert_z(seconds, again.mean(), "drawn again") if split != "optimal" else None
    assert abs(seconds.mean() - again.mean()) < 7 * again.std() / np.sqrt(20_000)


def test_better_than_the_best_single_level() -> None:
    """30 workers, shift 1 and rate 1: 4.14 s against 4.99 s."""
    delay = MODELS["shifted_exponential"](shift=1.0, rate=1.0)
    times = KnownDelayLaw(delay, Proportional()).order_statistics(30)
    single = (1 + np.arange(30)) * times[::-1]
    assert single.min() == pytest.approx(4.99, abs=0.006)
    assert int(single.argmin()) == 0


@pytest.mark.parametrize("s", [0, 2])
def test_a_single_level_is_a_gradient_code(s: int) -> None:
    """To the bit, with the time of a load of s + 1."""
    code, level = CyclicRepetition(load=s + 1), BlockCoordinate(split=(0.0,) * s + (1.0,))
    for law in LAWS:
        size = {"workers": 6, "iterations": 60, "replications": 2, "load_law": law}
        one, two = (eh.simulate(family, UNIT, **size) for family in (code, level))
        np.testing.assert_array_equal(one.times, two.times)


@pytest.mark.parametrize(
    ("delay", "tolerance"),
    [
        (UNIT, 1e-9),
        (MODELS["shifted_exponential"](shift=1.0, rate=2.0), 1e-9),
        (MODELS["weibull"](shape=0.7, scale=1.0), 1e-7),
        (MODELS["pareto"](alpha=3.0, scale=1.0), 1e-6),
    ],
    ids=repr,
)
def test_order_statistics_in_closed_form(delay: object, tolerance: float) -> None:
    """The quadrature over quantiles against the one over times, of the theory of rounds."""
    law = Additive(seconds_per_partition=0.25)
    found = KnownDelayLaw(delay, law).order_statistics(6)
    worker = worker_time_at(delay, law, 1)
    for j in (1, 4, 6):
        expected = iteration_time_law(FirstK(j), 6, worker).mean()
        assert found[j - 1] == pytest.approx(expected, rel=tolerance)


def test_order_statistics_from_a_sample() -> None:
    """Workers that stay slow have no closed form together; the sample is always the same one."""
    delay = MODELS["markov"](
        slow_to_slow=0.9,
        fast_to_slow=0.1,
        fast=MODELS["deterministic"](value=1.0),
        slow=MODELS["deterministic"](value=3.0),
    )
    known = KnownDelayLaw(delay, Proportional())
    first = known.order_statistics(4)
    np.testing.assert_array_equal(first, known.order_statistics(4))
    # Half are slow: the fastest of four is unless all are, 1/16.
    assert first[0] == pytest.approx(1 + 2 / 16, abs=0.05)
    np.testing.assert_allclose(known.chances(4, 2.0), 0.5, atol=0.05)
    np.testing.assert_allclose(UnitExponential().order_statistics(2), [0.5, 1.5])
    for n in (30, 1000, 5000):  # whose densities are narrower than the nodes of a thousand
        exact = KnownDelayLaw(UNIT, Proportional()).order_statistics(n)
        np.testing.assert_allclose(UnitExponential().order_statistics(n), exact, rtol=1e-10)


def test_from_a_config() -> None:
    """The split is that of the config's delays; a list is one split, not a scheme for each."""
    splits = optimal_split(np.array([3, 7, 13, 25.0])).tolist(), [0.5, 0.5]
    document = {
        "workers": 4,
        "iterations": 40,
        "delay": {"model": "exponential", "rate": 3.0},
        "schemes": [{"name": "block_coordinate", **({"split": split} if split else {})}
                    for split in (None, *splits)],
    }  # fmt: skip
    found = eh.run(document).summary["elapsed_mean"]
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    assert found[2] != pytest.approx(found[1], rel=1e-2)


def test_a_split_of_work_that_takes_no_time() -> None:
    nothing = KnownDelayLaw(MODELS["deterministic"](value=0.0), Proportional())
    with pytest.raises(InvalidParameter, match="split = 'optimal': must be a list of numbers"):
        BlockCoordinate().build_for(3, nothing)
