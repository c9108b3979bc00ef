"""What every scheme must keep, whoever wrote it: one suite over the registry and over plugins.

A check is a function of a ``SchemeUnderTest`` that raises ``Nonconforming``, or returns in a few
words what it has confirmed, if anything. ``erasurehead.testing`` is for authors of plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from . import codes, rounds
from .codes import Nonconforming, SchemeUnderTest

Check = Callable[[SchemeUnderTest], str]

CHECKS: Mapping[str, Check] = {
    "values": rounds.check_values,  # frozen, hashable, picklable
    "loads": codes.check_loads,  # rows of B against loads, copies of every partition
    "decoding": codes.check_decoding,  # a decoder's two answers are one, row by row
    "stopping": rounds.check_stopping,  # monotone, and fast rules against their definition
    "exactness": codes.check_exactness,  # exact at every stop, and without any tolerated stragglers
    "unbiased": codes.check_unbiased,  # mean weights are 1, where that is claimed
    "error": codes.check_error,  # the decoding error against its formula and its bound
    "engines": rounds.check_engines,  # batch and event engine, to the bit
    "refusals": rounds.check_refusals,  # a refused number comes with one that is accepted
}

__all__ = ["CHECKS", "Check", "Nonconforming", "SchemeUnderTest"]
