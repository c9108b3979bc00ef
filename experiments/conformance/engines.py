"""Both engines say the same, to the bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np

from ...delay_models import Tape
from ...delay_models.parametric import Gamma
from ...sim.engines.policy import Policy
from ...sim.engines.run import Run, simulate
from ...sim.load_laws import Additive, LoadLaw, PerPartition, Proportional
from ...sim.types import Trace
from .subject import Subject, require

LAWS: tuple[LoadLaw, ...] = (Proportional(), Additive(seconds_per_partition=0.25), PerPartition())


def check_engines(subject: Subject) -> str:
    """Times, arrivals, busy and useful seconds are equal, under every policy and load law.

    A scheme that sees losses is not compared here: its rounds need a problem. What the batch engine
    refuses is run by the event engine alone.
    """
    if subject.sees_losses:
        return ""
    tapes = [Tape(Gamma(shape=0.6, scale=0.5), subject.workers, 7, r) for r in range(2)]
    for policy, law in _settings():
        run = Run(subject.scheme, tapes, law, 40, policy)
        slow = simulate(run, "event")
        refused = run.refusal()
        if refused is not None:
            return f"event engine alone: {refused}"
        fast = simulate(run, "batch")
        one, two = arrays(slow), arrays(fast)
        for name in one:
            text = f"engines differ in {name} under {policy.value}, {law.kind}"
            require(np.array_equal(one[name], two[name]), text)
    return "equal to the bit"


def _settings() -> Iterator[tuple[Policy, LoadLaw]]:
    """Every policy and every law, and both for the first of each."""
    for p, policy in enumerate(Policy):
        for i, law in enumerate(LAWS):
            if p == 0 or i == p % len(LAWS):
                yield policy, law


def arrays(trace: Trace) -> dict[str, Any]:
    """Everything that a trace says, by name."""
    found: dict[str, Any] = {"times": trace.times}
    for part in (trace.heard, trace.work):
        if part is not None:
            found |= {field.name: getattr(part, field.name) for field in fields(part)}
    return found
