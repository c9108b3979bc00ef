"""When a sequential code's round ends: a window, as long as the stragglers fit its model.

Source: Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding for Straggler Mitigation (ICLR 2023),
as its authors' program does it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from ..arrays import row_max
from ..types import BoolArray, FloatArray
from .stopping import Clocked, Opened, Tally, Window


@final
@dataclass(frozen=True, eq=False)
class BurstWindow(Clocked):
    """Stop at (1 + tolerance) times the first arrival if the model allows for who is late then.

    The model counts stragglers of the last W rounds, this one included: at most lambda different
    ones, and nobody now who straggled B to W - 1 rounds ago. A round in which nobody repeats a job
    and at most s straggle is allowed in any case and not counted. Where the model does not allow
    it, the round ends when everybody has arrived; and never later than that.

    Args:
        tolerance: mu.
        spare: s.
        stragglers: lambda.
        strict: ``(R,)`` whether somebody repeats a job.
        recent: ``(R, n)`` who straggled in the W - 1 rounds before.
        banned: ``(R, n)`` who straggled B to W - 1 rounds ago.
        idle: ``(R,)`` where the round ends as it opens. Without the axis R, after ``of``.
    """

    tolerance: float
    spare: int
    stragglers: int
    strict: BoolArray
    recent: BoolArray
    banned: BoolArray
    idle: BoolArray

    @property
    @override
    def monotone(self) -> bool:
        """No: an early first arrival can make more workers late than the model allows."""
        return False

    @override
    def of(self, replication: int) -> BurstWindow:
        return replace(
            self,
            strict=self.strict[replication],
            recent=self.recent[replication],
            banned=self.banned[replication],
            idle=self.idle[replication],
        )

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Everybody: time aside, nothing else suffices."""
        return np.asarray(arrived.all(axis=-1) | self.idle)

    def allows(self, late: BoolArray) -> BoolArray:
        """Whether these may be late: ``(..., n)`` bool -> ``(...)`` bool."""
        exempt = ~self.strict & (np.count_nonzero(late, axis=-1) <= self.spare)
        few = np.count_nonzero(late | self.recent, axis=-1) <= self.stragglers
        return np.asarray(exempt | (few & ~(late & self.banned).any(axis=-1)))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        closes = Window(self.tolerance).closes(np.asarray(delays.min(axis=-1)), opened)
        everybody = row_max(delays)
        allowed = self.allows(delays > closes[..., None])
        ended = np.where(allowed, np.minimum(closes, everybody), everybody)
        return np.where(self.idle, opened, ended)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _BurstTally(self, messages, opened)


class _BurstTally(Tally):
    """Sets its alarm at the first arrival, and looks at who is late when it rings."""

    def __init__(self, rule: BurstWindow, messages: int, opened: float) -> None:
        self._window, self._opened, self._closes = rule, opened, np.inf
        self._late, self._out = np.ones(messages, dtype=np.bool_), messages
        self._over = bool(rule.idle)
        self.alarms = [0.0] if self._over else []

    @override
    def arrive(self, message: int, now: float) -> bool:
        if self._closes == np.inf:
            extra = self._window.tolerance * (now - self._opened)
            self._closes = now + extra
            self.alarms.append(extra)
        self._late[message] = False
        self._out -= 1
        return self.ring(now)

    @override
    def ring(self, now: float) -> bool:
        allowed = now == self._closes and bool(self._window.allows(self._late))
        self._over = self._over or allowed or self._out == 0
        return self._over
