"""Exact schemes are exact: at every stop, and with any stragglers that they tolerate."""

from __future__ import annotations

import itertools

import numpy as np

from ...sim.schemes.base import Fixed
from ...sim.schemes.decoders import decoding_error
from ...sim.types import BoolArray
from .simulated import simulated
from .subject import Subject, require

EXACT = 1e-8
"""Partition weights this close to 1 are exact but for round-off."""


def check_exactness(subject: Subject) -> str:
    """Every set of arrivals that ends a round decodes to ones, where the scheme says so.

    All sets up to 2^12, else 4,000 random ones; rounds of a simulation where the plan changes. With
    ``claims.tolerates`` of s, a round ends without any s workers, each of C(n, s) patterns up to
    5,000, else 2,000 random ones. A scheme that says it is not exact must not be.
    """
    scheme = subject.scheme
    found = []
    if (fixed := subject.fixed) is not None:
        if fixed.stopping.timed:
            require(not fixed.exact, "claims to be exact, but a deadline can end its rounds")
        elif fixed.exact is not None:
            found.append(_at_every_stop(subject, fixed))
    elif scheme.exact and not subject.sees_losses:
        error = float(simulated(subject, replications=2, iterations=60).error.max())
        require(error <= EXACT, f"claims to be exact; a round's decoding error is {error:.3g}")
        found.append("exact in 120 rounds")
    if scheme.claims.tolerates is not None:
        found.append(_without_any(subject, scheme.claims.tolerates))
    return ", ".join(found)


def _at_every_stop(subject: Subject, scheme: Fixed) -> str:
    messages = subject.workers * scheme.messages
    if messages <= 12:
        masks = np.array([*itertools.product([False, True], repeat=messages)])
    else:
        masks = np.concatenate([subject.arrivals(4, rows=4000), np.ones((1, messages), dtype=bool)])
    enough = masks[scheme.stopping.enough(masks)]
    weights = scheme.weights(enough)
    away = np.abs(weights - 1).max(axis=1)
    if not scheme.exact:
        text = "says that it is not exact, but every set of arrivals that ends a round decodes so"
        require(messages > 12 or away.max() > EXACT, text)
        return ""
    require(away.max() <= EXACT, f"claims to be exact; {_number(scheme, enough, away)}")
    return f"exact at {len(enough)} stops"


def _without_any(subject: Subject, stragglers: int) -> str:
    scheme = subject.rounds
    if scheme is None:
        return ""
    arrived = subject.without(stragglers)
    ends = subject.first_round().stopping.enough(arrived)
    if not np.all(ends):
        lost = np.flatnonzero(~arrived[np.argmin(ends)][:: scheme.messages])
        require(False, f"claims to tolerate {stragglers} stragglers, but waits for {lost.tolist()}")
    away = np.abs(scheme.weights(arrived) - 1).max(axis=1)
    text = f"claims to tolerate {stragglers} stragglers; {_number(scheme, arrived, away)}"
    require(away.max() <= EXACT, text)
    return f"{len(arrived)} patterns of {stragglers} stragglers: {_number(scheme, arrived, away)}"


def _number(scheme: object, arrived: BoolArray, away: np.ndarray) -> str:
    """How far the worst weight is from 1, and how the code is conditioned there."""
    worst = arrived[int(np.argmax(away))]
    text = f"weights are at most {away.max():.1e} away from 1"
    if not isinstance(scheme, Fixed):
        return text
    text += f", decoding error {decoding_error(scheme.weights(worst)):.1e}"
    if not scheme.decoder.solves:
        return text
    largest = np.abs(scheme.decoder.decoding_vector(worst)).max()
    values = np.linalg.svd(scheme.assignment.encoding.toarray()[worst], compute_uv=False)
    number = values[0] / values[values > values[0] * 1e-14].min()
    return f"{text}, max |a| {largest:.3g}, condition number {number:.3g}"
