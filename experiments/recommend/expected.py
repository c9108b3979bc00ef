"""What is expected of a scheme before anything is trained: closed forms, where theory has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...sim.engines.cluster import Policy
from ...sim.engines.run import Run
from ...sim.schemes.barrierless import Barrierless, Stops
from ...sim.schemes.base import Fixed
from ...sim.theory import (
    NoFormula,
    expected_decoding_error,
    group_erasure,
    mean_k_batch_async,
    scheme_iteration_time,
    worker_time_at,
)
from ...sim.theory.arrivals import Arrivals, Demand
from ...sim.theory.iteration_time import IterationTimeLaw
from .goal import Goal

THEORY, CLOCK = "closed form", "drawn rounds"


@dataclass(frozen=True)
class Expected:
    """What is known of a scheme before anything is trained.

    Attributes:
        source: ``THEORY`` or ``CLOCK``.
        iteration_time: mean seconds.
        error: mean decoding error.
        value: what the goal makes small, where that needs no training; else NaN.
        sound: no stale gradients: updates of the newest model.
    """

    source: str
    iteration_time: float
    error: float
    value: float
    sound: bool


def by_theory(run: Run, goal: Goal) -> Expected | None:
    """What closed forms know of a scheme; ``None`` where they know too little.

    They are for independent delays, an ideal network, and the policy ``cancel``.
    """
    scheme, model = run.scheme, run.tapes[0].model  # type: ignore[attr-defined]
    if not model.independent or not run.cluster.ideal:
        return None
    if isinstance(scheme, Barrierless):
        return _without_rounds(run, scheme, model, goal)
    if run.policy is not Policy.CANCEL or not isinstance(scheme, Fixed):
        return None
    law = scheme_iteration_time(scheme, model, run.load_law)
    error, erased = expected_decoding_error(scheme), group_erasure(scheme)
    if isinstance(law, NoFormula) or error is None:
        return None
    seconds = law.mean()
    share = np.nan if isinstance(erased, NoFormula) else erased.heard
    if goal.kind == "iterations" and not share > 0:
        return None
    return Expected(THEORY, seconds, error, _progress(goal, seconds, share), True)


def _without_rounds(run: Run, scheme: Barrierless, model: object, goal: Goal) -> Expected | None:
    """``k_batch_async`` of random partitions: renewal rates, and n - 1 others between two of one's
    own, so a staleness of (n - 1) / K updates."""
    plain = scheme.restarts_at_once and scheme.stops is Stops.NOBODY and not scheme.own_data
    if not plain or np.isfinite(scheme.oldest) or scheme.distinct or scheme.cycles:
        return None
    if type(scheme) is not Barrierless or scheme.delay_adaptive:
        return None
    unit = worker_time_at(model, run.load_law, 1)  # type: ignore[arg-type]
    if unit is None:
        return None
    n, k = scheme.n, scheme.gradients
    mean = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), unit).mean()
    if not np.isfinite(mean) or mean <= 0:
        return None
    update = mean_k_batch_async(n, k, mean)
    growth, staleness = 1 + (n - 1) / k, (n - 1) / k
    updates = scheme.updates(1)
    value = _progress(goal, update, 1 / (growth + staleness))
    return Expected(THEORY, update * updates, n * (n - 1) / k, value, False)


def _progress(goal: Goal, update: float, share: float) -> float:
    """Seconds for the goal's exact iterations, from those of an update and what it counts."""
    return goal.value * update / share if goal.kind == "iterations" and share > 0 else np.nan
