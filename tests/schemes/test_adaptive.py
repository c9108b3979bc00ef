"""Schemes whose waiting changes as a run goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run.compute import CellResult, compute
from erasurehead.sim.engines.cluster import Cluster, Network, Policy
from erasurehead.sim.engines.run import Engine, Run
from erasurehead.sim.engines.simulate import rounds
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes.uncoded import AdaptiveDeadline, AdaptiveK, robust_deadline
from erasurehead.sim.types import FloatArray, Trace
from tests.engines.agreement import arrays, batch, both_finish, lattice
from tests.statistics import assert_z
from tests.tools import TableTape

# A scheme that looks at gradients: rounds worked out by hand, and from a config to the tables.


ENGINES: tuple[Engine, Engine] = ("event", "batch")


def told(run: Run, engine: Engine, alignment: FloatArray) -> Trace:
    """Run it, with these inner products: ``(T, R)``."""
    course = rounds(run, engine)
    next(course)
    for row in alignment:
        try:
            course.send((np.zeros(len(row)), row))
        except StopIteration as end:
            trace: Trace = end.value
            return trace
    raise AssertionError("more rounds than inner products")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("family", "signs", "arrivals"),
    [
        # The first gradient has none before it. Then counts 1 and 2, which is above 1; 0 again.
        (AdaptiveK(wait_for=1, step=2, burn_in=0, threshold=1), "0--+--+", [1, 1, 1, 3, 3, 3, 3]),
        # Above 0 from the second round on, but three rounds pass first, and after an increase.
        (AdaptiveK(wait_for=2, burn_in=3, threshold=0), "0-------", [2, 2, 2, 2, 3, 3, 3, 3]),
        # A turn back counts -1, so this one never gets above 0.
        (AdaptiveK(wait_for=2, burn_in=0, threshold=0), "0+-+-+-", [2, 2, 2, 2, 2, 2, 2]),
        # As far as ``most``, and as far as there are workers.
        (AdaptiveK(wait_for=1, step=3, burn_in=0, threshold=0, most=3), "0----", [1, 1, 3, 3, 3]),
        (AdaptiveK(wait_for=2, step=9, burn_in=0, threshold=0), "0--", [2, 2, 5]),
        # By default one more after 11 rounds, if the count is 6 by then; it is -3 at first here.
        (AdaptiveK(wait_for=2), "0" + 11 * "-", [2] * 11 + [3]),
        (AdaptiveK(wait_for=2), "0+++" + 10 * "-", [2] * 13 + [3]),
    ],
)
def test_arrivals_by_hand(
    family: AdaptiveK, signs: str, arrivals: list[int], engine: Engine
) -> None:
    """Five workers at 1 to 5 s, so a round lasts as many seconds as arrivals; beside a replication
    whose gradients never turn."""
    scheme = family.build(5)
    tapes = [TableTape(np.tile(np.arange(1.0, 6.0), (14, 1)))] * 2
    run = Run(scheme, tapes, Proportional(), len(signs))
    mine = np.array([{"0": 0.0, "-": -2.0, "+": 3.0}[sign] for sign in signs])
    trace = told(run, engine, np.stack([mine, np.zeros(len(signs))], axis=1))
    np.testing.assert_array_equal(trace.intervals[0], arrivals)
    np.testing.assert_array_equal(trace.intervals[1], family.wait_for)
    weights = scheme.steps(trace).step(len(signs) - 1).weights  # type: ignore[union-attr]
    last = np.array([arrivals[-1], family.wait_for])
    expected = np.where(np.arange(5) < last[:, None], 5 / last[:, None], 0.0)
    np.testing.assert_allclose(weights, expected)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("step", [0.1, 0.25])
def test_engines_agree_to_the_bit(policy: Policy, step: float) -> None:
    """On lattices with ties and zeros, each replication with its own number of arrivals."""
    for seed in range(5):
        tapes = lattice(seed, 7, 3, 4, step, 0.0)
        scheme = AdaptiveK(wait_for=2, burn_in=1, threshold=0).build(7)
        run = Run(scheme, tapes, Proportional(), 20, policy, Cluster())
        alignment = np.random.default_rng(seed).normal(-0.3, 1.0, (20, 3))
        slow, fast = (arrays(told(run, engine, alignment)) for engine in ENGINES)
        for name in slow:
            assert np.array_equal(slow[name], fast[name]), name


BASE: dict[str, Any] = {
    "name": "adaptive",
    "workers": 12,
    "iterations": 40,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 3.0},
}


def result(scheme: dict[str, Any], **changes: Any) -> CellResult:
    (cell,) = cells(BASE | {"schemes": [scheme]} | changes)
    return compute(cell)


def test_from_a_config_to_the_tables() -> None:
    """The same with both engines; arrivals grow, each replication when its own gradients turn."""
    scheme = {"name": "adaptive_k", "wait_for": 2, "step": 2, "burn_in": 3, "threshold": 0}
    slow, fast = (result(scheme, engine=engine) for engine in ENGINES)
    assert (slow.engine, fast.engine) == ENGINES
    pd.testing.assert_frame_equal(slow.iterations, fast.iterations, check_exact=True)
    pd.testing.assert_frame_equal(slow.workers, fast.workers, check_exact=True)
    arrived = slow.iterations.pivot(index="replication", columns="iteration", values="arrived")
    arrived = arrived.drop(columns=0).to_numpy(dtype=int)
    assert np.all(np.diff(arrived, axis=1) >= 0)
    assert np.all(arrived[:, :4] == 2)
    assert arrived.max() > 2
    assert len(np.unique(arrived, axis=0)) > 1


def test_one_that_never_grows_ignores_stragglers() -> None:
    """With nothing above the threshold, times and losses are those of a fixed number."""
    adaptive = result({"name": "adaptive_k", "wait_for": 5, "threshold": 1000})
    fixed = result({"name": "ignore_stragglers", "wait_for": 5})
    pd.testing.assert_frame_equal(adaptive.iterations, fixed.iterations, check_exact=True)


# A deadline that follows past arrivals: rounds worked out by hand, what is cut off, no bias.


def test_rounds_by_hand() -> None:
    """Five workers, kappa = 2, two rounds remembered.

    Round 0 waits for all: 5 s. Median 3, distances 2 1 0 1 2, MAD 1: deadline 3 + 2 = 5.
    Round 1: four in time, the fifth would come at 9: ends at 5.
    Round 2: of 1 1 2 2 3 3 4 4 5 inf the median is 3, distances 2 2 1 1 0 0 1 1 2 inf, median
    1: deadline 5. Everybody is in by 4.
    Round 3: of 1 1 2 2 3 3 4 4 4 inf: median 3, distances 2 2 1 1 0 0 1 1 1 inf, 1: deadline 5.
    """
    table = np.array([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 9], [1, 2, 3, 4, 4], [9, 2, 9, 9, 9]])
    scheme = AdaptiveDeadline(kappa=2.0, rounds=2).build(5)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 4, Policy.CANCEL)
    np.testing.assert_array_equal(trace.intervals[0], [5, 5, 4, 5])
    steps = scheme.steps(trace)
    np.testing.assert_array_equal(steps.arrived(), [[5, 4, 5, 1]])
    np.testing.assert_allclose(steps.step(1).weights, [[1.25] * 4 + [0]])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("seconds", "deadline"),
    [
        ([4.0, 1.0], 2.5 + 2 * 1.5),
        ([1.0, 2.0, 4.0, 20.0], 3.0 + 2 * 1.5),  # distances 1 1 2 17
        ([1.0, 2.0, 4.0, np.inf], 3.0 + 2 * 1.5),  # 1 1 2 inf
        ([1.0, 2.0, np.inf, np.inf], np.inf),  # between the middle ones: half are too late
        ([1.0, 2.0, 9.0, np.inf, np.inf], 9.0 + 2 * 8.0),  # 7 8 0 inf inf
    ],
)
def test_a_median_is_in_the_middle(seconds: list[float], deadline: float) -> None:
    """Catches the upper of the two middle values of an even count."""
    assert robust_deadline(np.array([seconds]), 2.0)[0] == deadline


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


@pytest.mark.parametrize(
    "network", [Network(broadcast_latency=0.05, dispatch_skew=0.0, uplink_latency=0.1)], ids=str
)
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
