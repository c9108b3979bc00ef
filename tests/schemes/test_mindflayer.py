"""Clipped trials: rounds worked out by hand, tasks that never end, chances and no bias."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import cells
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.errors import InvalidParameter
from erasurehead.sim.load_laws import LoadLaw, Proportional
from erasurehead.sim.schemes.mindflayer import Clipped, MindFlayer
from erasurehead.sim.theory.worker_time import DelayForesight
from erasurehead.sim.types import FloatArray
from tests.engines.agreement import both_finish
from tests.engines.engines import batch
from tests.engines.strategies import LAWS, lattice
from tests.statistics import assert_z


@dataclass(frozen=True, eq=False)
class Trials:
    """A tape whose s-th stream is the s-th table."""

    tables: FloatArray
    block_rounds: int = 5

    @property
    def workers(self) -> int:
        return int(self.tables.shape[2])

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return np.asarray(self.tables[stream, start:stop])


@pytest.mark.parametrize("policy", Policy)
def test_rounds_by_hand(policy: Policy) -> None:
    """Three trials of at most 1 s; two workers.

    Round 0: worker 0 needs 0.5, 0.5 and 1 (just in time): three successes in 2 s. Worker 1 fails
    twice, once for ever, and succeeds in a quarter: one, in 2.25 s, when the round ends.
    Round 1: nobody succeeds: 3 s, and the gradient is 0.
    """
    inf = np.inf
    tables = np.array([[[0.5, 1.5], [2, 2]], [[0.5, inf], [inf, 2]], [[1, 0.25], [2, 2]]])
    scheme = Clipped(2, 3, 1.0, (0.5, 0.25))
    trace = both_finish(scheme, [Trials(tables)], Proportional(), 2, policy)
    np.testing.assert_array_equal(trace.times, [[2.25, 5.25]])
    steps = scheme.steps(trace)
    np.testing.assert_allclose(steps.step(0).weights, [[3 / 1.5, 1 / 0.75]])
    np.testing.assert_array_equal(steps.step(1).weights, [[0, 0]])
    assert trace.work is not None
    np.testing.assert_array_equal(trace.work.busy, [[5.0, 5.25]])


def test_one_second_or_never() -> None:
    """Equally likely, two trials of 1 s: every round takes 2 s, and the gradient is unbiased."""
    rng = np.random.default_rng(4)
    tables = np.where(rng.random((2, 4000, 5)) < 0.5, 1.0, np.inf)
    scheme = Clipped(5, 2, 1.0, (0.5,) * 5)
    trace = batch.simulate(scheme, [Trials(tables)], Proportional(), 4000)
    np.testing.assert_array_equal(trace.intervals, 2.0)
    assert_z(scheme.weights(trace.heard.arrived)[0], np.ones(5), "partition weight")  # type: ignore[union-attr]


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_gradient_is_unbiased_under_every_law(law: LoadLaw) -> None:
    """With the chances of the delay model; trials of one worker are independent."""
    delay = MODELS["exponential"](rate=1.0)
    scheme = MindFlayer(trials=3, patience=0.8).build_for(4, DelayForesight(delay, law))
    trace = batch.simulate(scheme, [Tape(delay, 4, 6, 0)], law, 8000)
    weights = scheme.weights(trace.heard.arrived)[0]  # type: ignore[union-attr]
    assert_z(weights, np.ones(4), "partition weight")
    p = scheme.chances[0]
    assert_z((weights - 1) ** 2, np.full(4, (1 - p) / (3 * p)), "variance of a weight")


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_engines_agree_with_dead_tasks(policy: Policy, law: LoadLaw) -> None:
    for seed in range(6):
        tapes = lattice(seed, 5, 2, 4, 0.1, 0.2)
        both_finish(MindFlayer(trials=3, patience=0.2).build(5), tapes, law, 12, policy)


def test_a_run_knows_its_delays() -> None:
    """An impossible patience is one line; a chance is that of the config's delays."""
    document = {
        "name": "trials",
        "workers": 4,
        "delay": {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0},
        "schemes": [{"name": "mindflayer", "trials": 2, "patience": 1.5}],
    }
    run = build.timing(cells(document)[0])
    assert isinstance(run.scheme, Clipped)
    np.testing.assert_allclose(run.scheme.chances, 1 - np.exp(-1))
    assert simulate(run).engine == "batch"
    document["schemes"] = [{"name": "mindflayer", "trials": 2, "patience": 0.25}]
    with pytest.raises(build.ImpossibleCell, match=r"patience = 0\.25: must be long enough"):
        build.timing(cells(document)[0])


def test_a_worker_that_never_succeeds_is_named() -> None:
    class Knows:
        def order_statistics(self, workers: int) -> FloatArray:
            raise NotImplementedError

        def chances(self, workers: int, seconds: float) -> FloatArray:
            return np.array([0.5, 0.0, 0.5])

    with pytest.raises(InvalidParameter, match="worker 1 never needs so little"):
        MindFlayer(trials=1, patience=1.0).build_for(3, Knows())
