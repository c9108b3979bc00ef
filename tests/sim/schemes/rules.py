"""A master of the tests' own, which is told of one message after the other; rules in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from erasurehead.plugins import FloatArray, StoppingRule, StoppingState
from erasurehead.schemes import SCHEMES


def end_by_state(state: StoppingState, delays: FloatArray, opened: float = 0.0) -> float:
    """When a state ends a round, told of arrivals (finite delays, before alarms of their instant).
    It must not take back a yes."""
    events, ended = [(float(t), 0, j) for j, t in enumerate(delays) if np.isfinite(t)], np.inf
    now = opened
    while True:
        events += [(now + seconds, 1, -1) for seconds in state.alarms]
        state.alarms.clear()
        if not events:
            return ended
        now, alarm, message = event = min(events)
        events.remove(event)
        yes = state.ring(now) if alarm else state.arrive(message, now)
        ended = min(ended, now) if yes else ended
        assert yes == (ended <= now), "the state takes back a yes"


def earliest(rule: StoppingRule, delays: FloatArray, opened: float = 0.0) -> FloatArray:
    """When a rule without a clock ends rounds, ``(..., n) -> (...)``, by its definition: at the
    first instant at which those who have arrived are enough, be it the opening."""
    instants = np.sort(delays, axis=-1)
    instants = np.concatenate([np.full_like(instants[..., :1], opened), instants], axis=-1)
    enough = rule.enough(
        (delays[..., None, :] <= instants[..., None]) & np.isfinite(delays)[..., None, :]
    )
    first = np.take_along_axis(instants, enough.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return np.where(enough.any(axis=-1), first, np.inf)


def rule_of(stop: Any, workers: int) -> StoppingRule:
    """The rule that a config's ``stop`` means for workers without copies."""
    return SCHEMES["ignore_stragglers"](stop=stop).build(workers).stopping
