"""What theory knows of a candidate, so that nothing has to be simulated to rank it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...sim import theory
from ...sim.engines.cluster import Policy
from ...sim.engines.run import Run
from ...sim.schemes.arrivals import Arrivals, Demand
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed
from ...sim.theory.iteration_time import IterationTimeLaw
from .question import Goal


def closed_forms(run: Run, goal: Goal) -> dict[str, Any] | None:
    """What theory knows of a scheme's mean; ``None`` where it knows too little. Closed forms are
    for independent delays, an ideal network, and the policy ``cancel``."""
    if goal.kind != "iterations" or goal.criterion != "mean":
        return None
    scheme, model = run.scheme, run.tapes[0].model  # type: ignore[attr-defined]
    if not model.independent or not run.cluster.ideal:
        return None
    if isinstance(scheme, Barrierless):
        return _without_rounds(run, scheme, goal)
    if run.policy is not Policy.CANCEL or not isinstance(scheme, Fixed):
        return None
    law = theory.scheme_iteration_time(scheme, model, run.load_law)
    error, erased = theory.expected_decoding_error(scheme), theory.group_erasure(scheme)
    if isinstance(law, theory.NoFormula) or error is None:
        return None
    seconds = law.mean()
    share = np.nan if isinstance(erased, theory.NoFormula) else erased.heard
    if not share > 0:
        return None
    return _facts(seconds, error * scheme.workers / scheme.partitions, seconds / share, 0.0)


def _without_rounds(run: Run, scheme: Barrierless, goal: Goal) -> dict[str, Any] | None:
    """``k_batch_async`` of random partitions: renewal rates, and n - 1 others between two of one's
    own, so a staleness of (n - 1) / K updates."""
    plain = scheme.independent and scheme.restarts_at_once and not scheme.own_data
    if not plain or np.isfinite(scheme.oldest) or scheme.distinct or scheme.cycles:
        return None
    if type(scheme) is not Barrierless or scheme.discount is not None:
        return None
    unit = theory.worker_time_at(run.tapes[0].model, run.load_law, 1)  # type: ignore[attr-defined]
    if unit is None:
        return None
    n, k = scheme.n, scheme.gradients
    mean = IterationTimeLaw(Demand(Arrivals(1, 1, 1)), unit).mean()
    if not np.isfinite(mean) or mean <= 0:
        return None
    update = theory.mean_k_batch_async(n, k, mean)
    growth, staleness = 1 + (n - 1) / k, (n - 1) / k
    seconds, effective = update * scheme.updates(1), update * (growth + staleness)
    return _facts(seconds, n * (n - 1) / k, effective, staleness)


def _facts(seconds: float, error: float, effective: float, staleness: float) -> dict[str, Any]:
    names = ("iteration_time", "error", "effective_time", "staleness")
    return dict(zip(names, (seconds, error, effective, staleness), strict=True))
