"""Who cannot win, from theory where it knows and from the clock where it does not.

Only what is sure goes: a scheme that is slower per iteration than one whose gradients are at least
as good (exact, or of the same scheme with no larger error), by more than a margin. Without a
problem the goal itself has a closed form for many schemes, and all that are slower than the best of
them by more than the margin go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.recommend.goal import Goal
from sim.engines.policy import Policy
from sim.engines.run import Run
from sim.schemes.barrierless import Barrierless, Stops
from sim.schemes.base import Fixed
from sim.theory import (
    NoFormula,
    expected_decoding_error,
    group_erasure,
    mean_k_batch_async,
    scheme_iteration_time,
    worker_time_at,
)
from sim.theory.arrivals import Arrivals, Demand
from sim.theory.iteration_time import IterationTimeLaw

THEORY, CLOCK = "closed form", "drawn rounds"

MARGIN = {THEORY: 0.02, CLOCK: 0.1}
"""By how much a scheme must be slower to go; drawn rounds have an error of their own."""


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


@dataclass(frozen=True)
class Known:
    """A scheme and what is expected of it.

    Attributes:
        place: its number among the candidates.
        scheme: its registry name.
        label: how it is called.
        kept: whether it stays in any case, since the config names it.
        expected: or ``None``.
    """

    place: int
    scheme: str
    label: str
    kept: bool
    expected: Expected | None


def cannot_win(known: Sequence[Known], goal: Goal) -> dict[int, str]:
    """Places of the schemes that go, each with the reason."""
    sure = [one for one in known if one.expected is not None]
    gone: dict[int, str] = {}
    for one in sure:
        if not one.kept and (reason := _beaten(one, sure, goal)) is not None:
            gone[one.place] = reason
    return gone


def _beaten(one: Known, others: Sequence[Known], goal: Goal) -> str | None:
    mine = one.expected
    assert mine is not None
    for other in others:
        theirs = other.expected
        assert theirs is not None
        margin = max(MARGIN[mine.source], MARGIN[theirs.source])
        if np.isfinite(theirs.value) and mine.value > theirs.value * (1 + margin):
            text = f"{mine.value:.4g} s, by {mine.source}; {other.label} {theirs.value:.4g} s"
            return f"{text} {goal.words}"
        as_good = theirs.error <= 1e-9 or (
            other.scheme == one.scheme and theirs.error <= mine.error * (1 + 1e-9)
        )
        slower = mine.iteration_time > theirs.iteration_time * (1 + margin)
        if mine.sound and theirs.sound and as_good and slower:
            text = f"an iteration takes {mine.iteration_time:.4g} s by {mine.source}"
            better = "is exact" if theirs.error <= 1e-9 else "has no larger error"
            return f"{text}; {other.label} {better} and takes {theirs.iteration_time:.4g} s"
    return None
