"""The decoding error against what is known of it."""

from __future__ import annotations

import numpy as np

from ...sim.schemes.base import Fixed
from ...sim.schemes.decoders import decoding_error
from ...sim.theory import NoFormula, expected_decoding_error, worst_bound, worst_cases
from ...sim.types import BoolArray, FloatArray
from .subject import BOUND, Subject, require

ORDERS = 4000


def check_error(subject: Subject) -> str:
    """Mean and largest ``||w - 1||^2`` over 4,000 random orders of arrival.

    The mean is within 4.9 standard errors of the closed form (``sim.theory``) and of the scheme's
    own claim; no set of arrivals goes beyond a bound of its number of stragglers.
    """
    scheme = subject.fixed
    if scheme is None or scheme.messages > 1 or scheme.patience is not None:
        return ""
    known, cases = expected_decoding_error(scheme), worst_cases(scheme)
    claims, bounded = scheme.claims, not isinstance(cases, NoFormula)
    if known is None and claims.mean_error is None and claims.largest_error is None and not bounded:
        return ""
    arrived = _at_stops(scheme)
    found = decoding_error(scheme.weights(arrived))
    said = []
    for source, value in (("formula", known), ("claim", claims.mean_error)):
        if value is not None:
            said.append(_mean(found, value, source))
    if claims.largest_error is not None:
        said.append(_largest(found, claims.largest_error, "claim"))
    if not isinstance(cases, NoFormula):
        stragglers = subject.workers - np.count_nonzero(arrived, axis=1)
        bounds = {s: worst_bound(cases, s) for s in np.unique(stragglers).tolist()}
        said += [
            _largest(found[stragglers == s], bound.value, f"{bound.source} bound")
            for s, bound in bounds.items()
            if bound is not None
        ]
    return "; ".join(said)


def _mean(found: FloatArray, value: float, source: str) -> str:
    mean, spread = float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found)))
    text = f"mean decoding error {mean:.5g} +- {spread:.2g}"
    near = abs(mean - value) <= max(BOUND * spread, 1e-9 * (1 + value))
    require(near, f"{text}; its {source} says {value:.5g}")
    return f"{text}, {source} {value:.5g}"


def _largest(found: FloatArray, value: float, source: str) -> str:
    most = float(found.max())
    text = f"a decoding error of {most:.5g} is above its {source} {value:.5g}"
    require(most <= value + 1e-9 * (1 + value), text)
    return f"largest {most:.5g}, {source} {value:.5g}"


def _at_stops(scheme: Fixed) -> BoolArray:
    """``(ORDERS, n)`` who has arrived when a round ends; time limits count ranks for seconds."""
    ranks = np.tile(np.arange(1.0, scheme.workers + 1), (ORDERS, 1))
    ranks = np.random.default_rng(9).permuted(ranks, axis=1)
    return np.asarray(ranks <= scheme.stopping.stopping_delay(ranks)[:, None])
