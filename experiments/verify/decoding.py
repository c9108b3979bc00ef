"""How wrong the decoded gradient is: the mean decoding error ``||w - 1||^2``."""

from __future__ import annotations

from delay_models.parametric import Deterministic
from experiments.verify.compare import NotComparable, Outcome, Quantities, mean, same
from experiments.verify.simulation import Case
from sim.schemes import Scheme
from sim.schemes.decoding import OnePerGroup, SumArrived
from sim.theory import NoFormula, expected_decoding_error
from sim.theory.arrivals import demand
from sim.theory.decoding_error import GroupErasure

EXACT = 1e-9
"""Relative tolerance of a decoded gradient that is exact but for the decoder's round-off."""

TIES = NotComparable("ties: all who arrive at the stopping instant count, here everyone")


def compare(case: Case) -> Quantities:
    """The decoding error."""
    return [("decoding error, mean", _error(case))]


def _error(case: Case) -> Outcome:
    errors = case.decoded.error.ravel()
    if case.scheme.exact:
        return same(errors, 0.0, EXACT**2, scale=case.scheme.partitions)
    expected = expected_decoding_error(case.scheme)
    if expected is None:
        unknown = erasure(case.scheme)
        assert isinstance(unknown, NoFormula)
        return unknown
    if isinstance(case.setting.delay, Deterministic):
        return TIES
    return mean(errors, expected)


def erasure(scheme: Scheme) -> GroupErasure | NoFormula:
    """Which groups a scheme erases: an exact scheme hears everyone."""
    n = scheme.workers
    if scheme.exact:
        return GroupErasure(n, 1, n)
    asked = demand(scheme.stopping, n)
    if isinstance(asked, NoFormula):
        return asked
    if asked.arrivals is None or not asked.timeless:
        return NoFormula("a deadline leaves the number of arrivals random")
    r = asked.arrivals.high
    match scheme.decoder:
        case OnePerGroup(size, scale):
            return GroupErasure(n, size, r, scale)
        case SumArrived(rescale):
            return GroupErasure(n, 1, r, n / r if rescale else 1.0)
    return NoFormula(f"no formula for the decoder {type(scheme.decoder).__name__}")
