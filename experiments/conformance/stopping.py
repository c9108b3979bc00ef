"""Stopping rules are monotone, and their fast answers are those of the definition."""

from __future__ import annotations

import numpy as np

from ...sim.schemes.stopping import StoppingRule, stopping_delay_by_bisection
from ...sim.types import FloatArray
from .subject import Subject, require
from .telling import told


def check_stopping(subject: Subject) -> str:
    """More arrivals, or earlier ones, never end a round later; delays full of ties.

    Whatever is enough stays enough with more arrivals, and everybody is enough unless time decides.
    Earlier messages never end a round later, unless the rule says that it is not ``monotone``. The
    rule's own ``stopping_delay`` is the bisection of ``enough``, and its tally says the same.
    """
    if subject.rounds is None:
        return ""
    planned = subject.first_round().stopping
    rule = planned.of(0)
    arrived = subject.arrivals(2)
    more = arrived | subject.arrivals(3)
    text = "stops at some arrivals, and not at these and others"
    require(np.all(rule.enough(more) >= rule.enough(arrived)), text)
    if not rule.timed:
        require(np.all(rule.enough(np.ones_like(arrived))), "does not stop when all have arrived")
    messages = arrived.shape[1]
    delays = np.random.default_rng(6).integers(0, 5, (200, messages)).astype(np.float64) * 0.1
    found = _ends(rule, delays)
    if not rule.timed:
        expected = stopping_delay_by_bisection(rule, delays)
        require(np.array_equal(found, expected), "stopping_delay differs from what enough says")
    for row, ended in zip(delays, found, strict=True):
        said = told(rule.tally(messages), row)
        require(said == ended, f"its tally stops at {said:g} s, stopping_delay says {ended:g} s")
    if not rule.monotone:
        return "not monotone, as it says"
    _earlier(rule, np.random.default_rng(7).random((400, messages)))
    _earlier(rule, delays)
    return "monotone"


def _ends(rule: StoppingRule, delays: FloatArray) -> FloatArray:
    ended = rule.stopping_delay(delays)
    require(ended.shape == delays.shape[:-1], f"stopping_delay has shape {ended.shape}")
    return ended


def _earlier(rule: StoppingRule, delays: FloatArray) -> None:
    """Some messages come earlier: in half of the rows one of them, in the others about half."""
    rng = np.random.default_rng(8)
    some = rng.random(delays.shape) < 0.5
    one = rng.integers(0, delays.shape[1], len(delays))
    some[::2] = np.arange(delays.shape[1]) == one[::2, None]
    earlier = np.where(some, delays * rng.random(delays.shape), delays)
    before, after = _ends(rule, delays), _ends(rule, earlier)
    worse = np.flatnonzero(after > before)
    if worse.size:
        r = worse[0]
        require(False, f"ends at {after[r]:.3g} s, {before[r]:.3g} s with later messages")
