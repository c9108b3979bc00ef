"""Telling a tally of a round as a master does: arrivals in order, and the alarms it wants."""

from __future__ import annotations

import heapq

import numpy as np

from ...sim.schemes.stopping import Tally
from ...sim.types import FloatArray
from .subject import require


def told(tally: Tally, delays: FloatArray, opened: float = 0.0) -> float:
    """When the tally first says yes; messages of an instant come before its alarms.

    Infinite delays never arrive.

    Raises:
        Nonconforming: a yes is taken back.
    """
    events = [(float(t), 0, j) for j, t in enumerate(delays) if np.isfinite(t)]
    heapq.heapify(events)
    ended = np.inf

    def set_alarms(now: float) -> None:
        for seconds in tally.alarms:
            heapq.heappush(events, (now + seconds, 1, -1))
        tally.alarms.clear()

    set_alarms(opened)
    while events:
        now, _, message = heapq.heappop(events)
        yes = tally.ring(now) if message < 0 else tally.arrive(message, now)
        set_alarms(now)
        if yes:
            ended = min(ended, now)
        require(yes == (ended <= now), "the tally of the stopping rule takes back a yes")
    return ended
