"""The asynchronous family by a plain loop over instants, without SimPy and without sorting blocks.

It is slow and knows nothing of the engines: at each instant it collects who is done, decides in the
order of workers, and sets workers to work again.
"""

from __future__ import annotations

import numpy as np

from erasurehead.sim.schemes.barrierless import Barrierless, Stops


def plain(
    scheme: Barrierless, table: np.ndarray, updates: int
) -> tuple[list[float], list[list[int]], list[list[int]]] | None:
    """Times, senders and versions of each update; ``None`` if they never come.

    Args:
        scheme: the four choices.
        table: ``(rows, n)`` seconds of each worker's tasks.
        updates: how many.
    """
    n = scheme.workers
    row, version, waiting = [0] * n, [0] * n, [False] * n
    done_at = [float(table[0, j]) for j in range(n)]
    times: list[float] = []
    senders: list[list[int]] = []
    versions: list[list[int]] = []
    buffer: list[tuple[int, int]] = []
    counted: set[int] = set()

    def begin(worker: int, now: float) -> None:
        row[worker] += 1
        version[worker] = len(times)
        waiting[worker] = False
        done_at[worker] = now + float(table[row[worker], worker])

    while True:
        busy = [j for j in range(n) if not waiting[j]]
        now = min((done_at[j] for j in busy), default=np.inf)
        if np.isinf(now):
            return None
        lost = {j for j in busy if np.isinf(done_at[j])}
        if scheme.distinct and n - len(counted | lost) < scheme.gradients - len(buffer):
            return None
        before = len(times)
        ready = [j for j in busy if done_at[j] == now]
        starting = set()
        for worker in ready:
            if len(times) - version[worker] >= scheme.oldest:
                starting.add(worker)
                continue
            if scheme.distinct and worker in counted:
                starting.add(worker)
                continue
            counted.add(worker)
            buffer.append((worker, version[worker]))
            if scheme.restarts_at_once:
                starting.add(worker)
            else:
                waiting[worker] = True
            if len(buffer) == scheme.gradients:
                times.append(now)
                senders.append([sender for sender, _ in buffer])
                versions.append([read for _, read in buffer])
                if not scheme.restarts_at_once:
                    starting |= {sender for sender, _ in buffer}
                buffer, counted = [], set()
                if len(times) == updates:
                    return times, senders, versions
        if len(times) > before:
            for worker in range(n):
                stale = len(times) - version[worker] >= scheme.oldest
                if scheme.stops is Stops.EVERYBODY or (scheme.stops is Stops.STALE and stale):
                    starting.add(worker)
        for worker in sorted(starting):
            begin(worker, now)
