"""Rounds that ended before everybody was heard: when listening stopped, and who was heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import FloatArray

BoolArray = NDArray[np.bool_]
# What rounding a time to milliseconds makes of it, and a little more: a message may seem to come so
# much after the end of its round.
ROUNDING_SECONDS = 0.00051


@dataclass(frozen=True, eq=False)
class Listening:
    """What is known of ``R`` rounds of ``n`` workers that did not wait for everybody.

    A cell ``(t, j)`` whose worker was heard has its time in the table. One that was not heard came
    after ``ends[t]``, and the table holds infinity there. A worker that was not heard and whose
    late work is queued begins its next cell late: that cell says nothing about how long a task
    takes (``on_time`` is False), whether it was heard or not."""

    ends: FloatArray  # (R,) seconds from the round's start at which listening stopped
    heard: BoolArray  # (R, n)
    on_time: BoolArray  # (R, n): the worker began this round's task when the round began

    @property
    def fewest_heard(self) -> int:
        """The smallest number of workers heard in a round."""
        return int(self.heard.sum(axis=1).min())

    def only(self, workers: Sequence[int]) -> Listening:
        """These columns alone, in this order; listening ended when it did for all."""
        return Listening(
            ends=self.ends,
            heard=self.heard[:, workers],
            on_time=self.on_time[:, workers],
        )

    def of_rounds(self, kept: BoolArray) -> Listening:
        """These rounds alone."""
        return Listening(
            ends=self.ends[kept],
            heard=self.heard[kept],
            on_time=self.on_time[kept],
        )


def began_on_time(heard: BoolArray, late_work_is_queued: bool) -> BoolArray:
    """Which workers begin each round's task with the round, ``(R, n)``: all of them where late work
    is dropped, else those that were heard in the round before."""
    on_time = np.ones_like(heard)
    if late_work_is_queued:
        on_time[1:] = heard[:-1]
    return on_time


def heard_words(listening: Listening) -> str:
    """How many workers are heard in a round: ``11 to 15 of 30 workers heard in each round``."""
    counts = listening.heard.sum(axis=1)
    fewest = int(counts.min())
    most = int(counts.max())
    number = str(fewest) if fewest == most else f"{fewest} to {most}"
    return f"{number} of {listening.heard.shape[1]} workers heard in each round"
