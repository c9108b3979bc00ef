"""SimPy events that call a function at an instant, in a given order within it."""

from __future__ import annotations

from collections.abc import Callable

import simpy
from simpy.events import Event, EventPriority

END_OF_TIME = EventPriority(0)
"""Before everything else that would happen at infinity, for that never happens."""

RECEPTION = EventPriority(2)
"""After NORMAL (1): who finishes at the instant at which a model reaches it finishes first."""

DECISION = EventPriority(3)
"""After every message and reception of an instant: when the master looks at its clock, too."""

GIVING_UP = EventPriority(4)
"""After every decision: a round may end exactly at ``max_wait``."""

Action = Callable[[Event], None]


class Call(Event):
    """Calls ``action`` in so many seconds, after everything of that instant that comes first.

    Args:
        env: the SimPy environment.
        priority: the order within an instant.
        action: what to call, with this event.
        seconds: from now.
        value: the event's value.
    """

    def __init__(
        self,
        env: simpy.Environment,
        priority: EventPriority,
        action: Action,
        seconds: float = 0.0,
        value: object = None,
    ) -> None:
        super().__init__(env)
        self._ok, self._value = True, value
        self.callbacks.append(action)
        env.schedule(self, priority=priority, delay=seconds)


def call(event: Event, action: Action) -> None:
    """Call ``action`` when the event happens."""
    event.callbacks.append(action)
