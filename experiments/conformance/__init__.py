"""What every scheme must keep, whoever wrote it: one suite over the registry and over plugins.

``values``     frozen, hashable, picklable
``loads``      rows of B against loads, copies of every partition
``decoding``   a decoder's two answers are one, row by row
``stopping``   monotone, and fast rules against their definition
``exactness``  exact at every stop, and without any stragglers that are tolerated
``unbiased``   mean weights are 1, where that is claimed
``error``      the decoding error against its formula and its bound
``engines``    batch and event engine, to the bit
``refusals``   a refused number comes with one that is accepted

A check is a function of a ``Subject`` that raises ``Nonconforming``, or returns in a few words what
it has confirmed; empty where the scheme gives it nothing to check. ``erasurehead.testing`` is the
door for the authors of plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .codes import check_decoding, check_error, check_exactness, check_loads, check_unbiased
from .rounds import check_engines, check_refusals, check_stopping, check_values
from .subject import Nonconforming, Subject

Check = Callable[[Subject], str]

CHECKS: Mapping[str, Check] = {
    "values": check_values,
    "loads": check_loads,
    "decoding": check_decoding,
    "stopping": check_stopping,
    "exactness": check_exactness,
    "unbiased": check_unbiased,
    "error": check_error,
    "engines": check_engines,
    "refusals": check_refusals,
}

__all__ = ["CHECKS", "Check", "Nonconforming", "Subject"]
