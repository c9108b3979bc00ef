"""How wrong the decoded gradient is: the mean decoding error ``||w - 1||^2``."""

from __future__ import annotations

from ...delay_models.parametric import Deterministic
from ...sim.theory import NoFormula
from ...sim.theory.decoding_error import group_erasure
from .compare import NotComparable, Outcome, Quantities, mean, same
from .simulation import Case

EXACT = 1e-9
"""Relative tolerance of a decoded gradient that is exact but for the decoder's round-off."""

TIES = NotComparable("ties: all who arrive at the stopping instant count, here everyone")


def compare_decoding_error(case: Case) -> Quantities:
    """The mean decoding error."""
    return [("decoding error, mean", _error(case))]


def _error(case: Case) -> Outcome:
    errors = case.decoded.error.ravel()
    if case.scheme.exact:
        return same(errors, 0.0, EXACT**2, scale=case.scheme.partitions)
    erased = group_erasure(case.scheme)
    if isinstance(erased, NoFormula):
        return erased
    if isinstance(case.setting.delay, Deterministic):
        return TIES
    return mean(errors, erased.decoding_error)
