"""Rounds that are cut, of any law: who is heard, and when each round stops listening."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from erasurehead.delay_models.measured.listening import Listening, began_on_time
from erasurehead.delay_models.measured.measured import MeasuredDelays

WORKERS = 30


class Cut(NamedTuple):
    """Rounds as a job records them."""

    table: np.ndarray  # ``(R, n)`` seconds, infinite where a worker was not heard
    ends: np.ndarray  # ``(R,)`` seconds
    queued: bool = False  # whether a worker that was not heard begins the next round late

    @property
    def measured(self) -> MeasuredDelays:
        """The table as it is read."""
        heard = np.isfinite(self.table)
        listening = Listening(self.ends, heard, began_on_time(heard, self.queued))
        hosts = tuple(map(str, range(self.table.shape[1])))
        return MeasuredDelays(hosts, {None: self.table}, listening={None: listening})


def _cut(delays: np.ndarray, last: np.ndarray) -> Cut:
    """Rounds that end with the arrival whose place, from 0, is given for each, ``(R,)``."""
    ends = np.sort(delays, axis=1)[np.arange(len(delays)), last]
    return Cut(np.where(delays <= ends[:, None], delays, np.inf), ends)


def first(delays: np.ndarray, count: int) -> Cut:
    """The first ``count`` are heard."""
    return _cut(delays, np.full(len(delays), count - 1))


def deadline(delays: np.ndarray, seconds: float) -> Cut:
    """Who is there by then is heard."""
    return Cut(np.where(delays <= seconds, delays, np.inf), np.full(len(delays), seconds))


def covered(delays: np.ndarray, group: int = 3, most: int = WORKERS) -> Cut:
    """Until one of each group of neighbours is heard, or ``most`` workers: fractional repetition,
    and ErasureHead."""
    rounds, workers = delays.shape
    first_of_group = delays.reshape(rounds, workers // group, group).min(axis=2).max(axis=1)
    place = (delays <= first_of_group[:, None]).sum(axis=1) - 1
    return _cut(delays, np.minimum(place, most - 1))


def queued(service: np.ndarray, count: int) -> Cut:
    """The first ``count`` are heard, and who was not goes on with its old work first."""
    free = np.zeros(service.shape[1])
    begins = 0.0
    seconds = np.empty_like(service)
    for row, own in zip(seconds, service, strict=True):
        free = np.maximum(begins, free) + own
        row[:] = free - begins
        begins += np.sort(row)[count - 1]
    return first(seconds, count)._replace(queued=True)
