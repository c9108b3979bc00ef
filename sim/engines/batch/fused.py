"""Loops of the batch engine over single messages, compiled; ``rounds`` asks for them alone, where
numba is installed: ``traces.record_rounds`` in one pass, and rounds that carry work on, many at
a call.

The extra ``fast`` installs numba. The bits are those of NumPy. Importing numba and loading what it
compiled takes a second or two, so only large runs do it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ...base.types import BoolArray, FloatArray, IntArray
from .traces import TraceArrays

Kernel = Callable[..., None]
Fuse = Callable[[Kernel], Kernel | None]


def kernel(loop: Kernel, size: int, fuse: Fuse | None = None) -> Kernel | None:
    """What plays the part of a loop of this file, in a run of such a size; ``None``: NumPy does,
    because the run is too small for numba to pay, or numba is not there. ``fuse`` decides
    otherwise."""
    if fuse is None:
        return compiled(loop) if size >= LEAST_SIZE[loop] else None
    return fuse(loop)


@cache  # numba reads its types and its own cache anew at each call
def compiled(loop: Kernel) -> Kernel | None:
    """A loop of this file, compiled; ``None``: numba is not installed, does not fit this NumPy, or
    has no folder to keep what it compiled."""
    # Times are no NaN and no -0.0: said so, maxima and choices become vector instructions.
    options: dict[str, Any] = {"fastmath": {"nnan", "nsz"}, "error_model": "numpy"}
    try:
        import numba

        cube, table, strided = "f8[:,:,::1]", "f8[:,::1]", "f8[:,:]"
        filled = f"f8[:],{table},{table},{strided},{cube},{cube}"
        work = f"{table},{table},i8[:,:],{strided}"
        types = {
            record_in_one_pass: f"void({cube},{strided},{strided},b1[:,:,::1],{work})",
            play_in_one_pass: f"void(f8[:,:,:],UniTuple(i8,3),b1,{filled},i8)",
        }
        numba.extending.register_jitable(**options)(nth)
        kernel: Kernel = numba.njit(types[loop], cache=True, nogil=True, **options)(loop)
    except (ImportError, OSError, RuntimeError):
        return None
    return kernel


def record_with(kernel: Kernel, view: TraceArrays, opened: FloatArray, offsets: FloatArray) -> None:
    """``record_rounds`` for rounds that opened at ``(r, t)``, messages ``(r, t, n)`` later."""
    arrived, work = view.arrived, view.work
    assert arrived is not None
    assert work is not None
    room = arrived if arrived.flags.c_contiguous else np.empty(arrived.shape, dtype=np.bool_)
    offsets = np.ascontiguousarray(offsets)
    kernel(offsets, opened, view.times, room, work.busy, work.useful, work.last, work.margin)
    if room is not arrived:
        arrived[:] = room


def record_in_one_pass(
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
    both ``(r, t)``. Cost: two passes."""
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
                    if last[r, t] >= 0:
                        last[r, t], margin[r, t] = -1, 0.0
                        break
                    last[r, t], margin[r, t] = j, end - max(before, begin)


def play_in_one_pass(
    offsets: FloatArray,
    needs: tuple[int, int, int],
    skips: bool,
    now: FloatArray,
    free: FloatArray,
    opened: FloatArray,
    ended: FloatArray,
    begun: FloatArray,
    arrive: FloatArray,
    first: int,
) -> None:
    """Play rounds one after the other whose workers finish what they have begun, and skip the
    models that come meanwhile, or do not. Fills in ``opened`` and, from round ``first`` of their
    blocks on, ``begun`` and ``arrive (r, block, n)``, and ``ended (r, t)``; ``now (r,)`` and when
    workers are ``free (r, n)`` go on. ``offsets (r, t, n)`` seconds from beginning to message.
    ``needs``: low, high and size of ``Arrivals``; size 0, if only the count matters. Cost: three
    passes over messages and those of ``nth``."""
    low, high, size = needs
    replications, rounds, workers = offsets.shape
    for r in range(replications):
        for t in range(rounds):
            begin, row = begun[r, first + t], arrive[r, first + t]
            for j in range(workers):
                begin[j] = max(now[r], free[r, j])
                row[j] = begin[j] + offsets[r, t, j]
            end = np.inf
            if size:
                end = nth(row, low, end) if low else 0.0
                for member in range(0, workers, size):
                    earliest = row[member]
                    for j in range(member + 1, member + size):
                        earliest = min(earliest, row[j])
                    end = max(end, earliest)
            end = nth(row, high, end)
            for j in range(workers):
                free[r, j] = free[r, j] if skips and begin[j] > end else row[j]
            opened[r, first + t], ended[r, t] = now[r], end
            now[r] = end


def nth(times: FloatArray, k: int, bound: float) -> float:
    """The k-th smallest of ``times (n,)``, or the ``bound``, whichever is earlier. Bisects instants
    between the two that are nearest to it. Cost: about log2(n) passes, where times are spread
    evenly, and at most n; each without a branch."""
    low, high, before = np.inf, 0.0, 0
    for j in range(len(times)):
        early = times[j] < bound
        low = min(low, times[j])
        high = max(high, times[j] if early else 0.0)
        before += early
    if before < k:
        return bound
    while low < high:
        middle = low + (high - low) / 2
        if middle == low:  # no number lies between
            middle = high
        latest, next_one, before = 0.0, np.inf, 0
        for j in range(len(times)):
            early = times[j] < middle
            latest = max(latest, times[j] if early else 0.0)
            next_one = min(next_one, np.inf if early else times[j])
            before += early
        if before >= k:
            low, high = latest if before == k else low, latest
        else:
            low, high = next_one, next_one if before == k - 1 else high
    return high


# With fewer messages, or rounds, starting numba takes longer than it saves.
LEAST_SIZE = {record_in_one_pass: 3 * 10**8, play_in_one_pass: 10**5}
