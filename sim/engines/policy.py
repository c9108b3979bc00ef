"""What a worker does with unfinished work when the next model is broadcast."""

from __future__ import annotations

from enum import StrEnum


class Policy(StrEnum):
    """The straggler policies.

    With S_t the start of round t, E_t its end and x the worker's time in it:

    - ``cancel``: drop the work at once; S_{t+1} = E_t.
    - ``finish``: finish it, then take the newest model, skipping those in between.
    - ``queue``: finish it, then take the next model in order, skipping none.
    - ``drain``: the master starts the next round only when everyone is idle.
    """

    CANCEL = "cancel"
    FINISH = "finish"
    QUEUE = "queue"
    DRAIN = "drain"
