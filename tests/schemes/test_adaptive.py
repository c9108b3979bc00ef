"""A scheme that looks at gradients: rounds worked out by hand, and from a config to the tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.run.compute import CellResult, compute
from erasurehead.sim.engines.cluster import Cluster, Policy
from erasurehead.sim.engines.run import Engine, Run
from erasurehead.sim.engines.simulate import rounds
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes.adaptive import AdaptiveK
from erasurehead.sim.types import FloatArray, Trace
from tests.engines.agreement import arrays
from tests.engines.strategies import lattice
from tests.tables import TableTape

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
    ],
)
def test_arrivals_by_hand(
    family: AdaptiveK, signs: str, arrivals: list[int], engine: Engine
) -> None:
    """Five workers at 1 to 5 s, so a round lasts as many seconds as arrivals; beside a replication
    whose gradients never turn."""
    scheme = family.build(5)
    tapes = [TableTape(np.tile(np.arange(1.0, 6.0), (10, 1)))] * 2
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
