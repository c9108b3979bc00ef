"""``booking.book`` in one compiled pass; ``rounds`` alone asks for it, where numba is installed.

The extra ``fast`` installs numba. The bits are those of ``book``. Importing numba and loading what
it compiled takes a second or two, so only large runs do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from ...types import BoolArray, FloatArray, IntArray
from .booking import TraceArrays

WORTH = 3 * 10**8  # messages of a run: with fewer, starting numba takes longer than it saves

Kernel = Callable[
    [FloatArray, FloatArray, FloatArray, BoolArray, FloatArray, FloatArray, IntArray, FloatArray],
    None,
]


def kernel_for(messages: int) -> Kernel | None:
    """What books a run of so many messages in one pass; ``None``: NumPy does it in seven."""
    return compiled() if messages >= WORTH else None


@cache  # numba reads its types and its own cache anew at each call
def compiled() -> Kernel | None:
    """``book_in_one_pass`` compiled; ``None``: numba is not installed, does not fit this NumPy, or
    has no folder to keep what it compiled."""
    types = "void(f8[:,:,::1],f8[:,:],f8[:,:],b1[:,:,::1],f8[:,::1],f8[:,::1],i8[:,:],f8[:,:])"
    # Times are no NaN and no -0.0: said so, maxima and choices become vector instructions.
    promised = {"nnan", "nsz"}
    try:
        import numba

        make = numba.njit(types, cache=True, fastmath=promised, error_model="numpy", nogil=True)
        kernel: Kernel = make(book_in_one_pass)
    except (ImportError, OSError, RuntimeError):
        return None
    return kernel


def book_with(kernel: Kernel, part: TraceArrays, opened: FloatArray, offsets: FloatArray) -> None:
    """``booking.book`` of rounds that opened at ``(r, t)``, messages ``(r, t, n)`` later."""
    arrived, work = part.arrived, part.work
    assert arrived is not None
    assert work is not None
    room = arrived if arrived.flags.c_contiguous else np.empty(arrived.shape, dtype=np.bool_)
    offsets = np.ascontiguousarray(offsets)
    kernel(offsets, opened, part.times, room, work.busy, work.useful, work.last, work.margin)
    if room is not arrived:
        arrived[:] = room


def book_in_one_pass(
    offsets: FloatArray,
    opened: FloatArray,
    ended: FloatArray,
    arrived: BoolArray,
    busy: FloatArray,
    useful: FloatArray,
    last: IntArray,
    margin: FloatArray,
) -> None:
    """Fill in the arrays of ``Trace`` and ``Work`` from ``arrived`` on, for workers with a message
    each, ``offsets (r, t, n)`` seconds after rounds ``opened`` and were cut off as they ``ended``,
    both ``(r, t)``. Cost: two passes, the second one up to the message that ended the round."""
    replications, rounds, workers = offsets.shape
    for r in range(replications):
        for t in range(rounds):
            begin, end, before = opened[r, t], ended[r, t], 0.0
            for j in range(workers):
                arrive = begin + offsets[r, t, j]
                in_time = arrive <= end
                arrived[r, t, j] = in_time
                spent = min(arrive, end) - begin
                busy[r, j] += spent
                useful[r, j] += spent if in_time else 0.0
                before = max(before, arrive if arrive < end else 0.0)
            last[r, t], margin[r, t] = -1, 0.0
            for j in range(workers):
                if begin + offsets[r, t, j] == end:
                    last[r, t], margin[r, t] = j, end - max(before, begin)
                    break
