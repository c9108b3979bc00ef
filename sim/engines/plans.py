"""Schemes that are asked for each round's plan: what both engines do around a round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..schemes.base import Round, RoundOutcome, RoundScheme, State
from ..schemes.places import Later
from ..schemes.stopping import StoppingRule
from ..types import FloatArray, Trace
from .tapes import RoundOfAll

if TYPE_CHECKING:
    from collections.abc import Generator

    from .run import Feedback, Run

Play = Callable[[int, StoppingRule, FloatArray], RoundOutcome]
"""Play round t, given its stopping rule and ``(R, n m)`` seconds until each message is computed."""


def play_rounds(
    run: Run, scheme: RoundScheme, play: Play
) -> Generator[RoundOutcome, Feedback, None]:
    """Ask for each plan, play its round in all replications, tell the scheme what happened."""
    replications, tapes = len(run.tapes), RoundOfAll(run.tapes, run.updates)
    state = scheme.start(replications)
    for t in range(run.updates):
        tapes.round = t
        plan = plan_of(run, scheme, state)
        offsets = plan.message_times(run.load_law, tapes, scheme.messages, 0, replications)
        with np.errstate(over="ignore"):  # a time beyond any number is infinite: it never comes
            outcome = play(t, plan.stopping, offsets)
        feedback = yield outcome
        if feedback is not None:
            outcome = replace(outcome, losses=feedback[0], alignment=feedback[1])
        state = scheme.after(state, outcome)


def plan_of(run: Run, scheme: RoundScheme, state: State) -> Round:
    """The next round, with what the network adds to its end."""
    plan, network = scheme.plan(state), run.cluster.network
    if not plan.fetches or network is None:
        return plan
    return replace(plan, stopping=Later(plan.stopping, network.round_trip(scheme.workers)))


def to_the_end(course: Generator[RoundOutcome, Feedback, Trace]) -> Trace:
    """The trace of a course whose scheme needs no feedback."""
    while True:
        try:
            next(course)
        except StopIteration as end:
            trace: Trace = end.value
            return trace
