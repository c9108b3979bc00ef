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

A check is a function of a ``SchemeUnderTest`` that raises ``Nonconforming``, or returns in a few
words what it has confirmed: an empty text where the scheme has nothing to check. Authors of plugins
use it through ``erasurehead.testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .codes import check_decoding, check_error, check_exactness, check_loads, check_unbiased
from .rounds import check_engines, check_refusals, check_stopping, check_values
from .tested import Nonconforming, SchemeUnderTest

Check = Callable[[SchemeUnderTest], str]

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

__all__ = ["CHECKS", "Check", "Nonconforming", "SchemeUnderTest"]
