"""The real crew: workers behind a network, that can crash and come back.

Here is what comes to the workers from outside: models, crashes and repairs. What they make of it is
in ``engines.event.worker``, and what becomes of their messages in ``sim.engines.event.uplink``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import count, repeat
from math import inf
from typing import final

import numpy as np
from simpy.events import Event, Timeout

from ...types import BoolArray
from ..cluster import Cluster
from ..policy import Policy
from ..tapes import TapeColumn, columns
from .calls import RECEPTION, Call
from .master import Crew, Master
from .timeline import Recorder
from .uplink import Uplink
from .worker import Worker

Process = Generator[Event, object, None]


@final
class RealCrew(Crew):
    """Workers of a cluster with a network, lost messages and failures.

    Args:
        workers: number of workers n.
        policy: what a worker does with unfinished work.
        cluster: what surrounds the workers.
        replication: index into the cluster's sequences.
        recorder: where the timeline goes, if anywhere.
        sizes: of a worker's messages.
    """

    def __init__(
        self,
        workers: int,
        policy: Policy,
        cluster: Cluster,
        replication: int,
        recorder: Recorder | None,
        sizes: Sequence[float],
    ) -> None:
        self.policy = policy
        self.recorder = recorder
        self._network, self._sizes = cluster.network, sizes
        self._resends = None if cluster.resends is None else cluster.resends[replication]
        self._failures = None if cluster.failures is None else cluster.failures[replication]
        self.resting = workers
        self.busy = np.zeros(workers)
        self.down = np.zeros(workers)
        self.workers: list[Worker] = []
        self.uplink: Uplink

    def employ(self, master: Master) -> None:
        """A courier for the models, and per worker a process for its failures."""
        self.workers = [Worker(self, master, j) for j in range(master.workers)]
        self.uplink = Uplink(master.env, self._network, self._resends, self._sizes)
        master.env.process(self._courier(master))
        if self._failures is not None:
            ups = columns(self._failures.up)
            downs = repeat(None) if self._failures.down is None else columns(self._failures.down)
            for worker, up, down in zip(self.workers, ups, downs, strict=False):
                master.env.process(self._fate(master, worker, up, down))

    def _courier(self, master: Master) -> Process:
        """Carry each model to each worker."""
        n = master.workers
        delays = [0.0] * n if self._network is None else self._network.downlink(n).tolist()
        while True:
            of_round = yield master.broadcast
            for worker, seconds in zip(self.workers, delays, strict=True):
                worker.under_way_changes(+1)
                Call(master.env, RECEPTION, worker.receive, seconds, of_round)

    def _fate(
        self, master: Master, worker: Worker, up: TapeColumn, down: TapeColumn | None
    ) -> Process:
        """Crash and repair one worker, over and over; without a repair it never comes back."""
        for life in count():
            yield Timeout(master.env, up[life])
            seconds = inf if down is None else down[life]
            worker.crash(seconds)
            yield Timeout(master.env, seconds)
            worker.repair()

    def settle(self, opened: float, now: float, over: bool) -> None:
        """Tasks are booked when they end; at the end of the run the rest is."""
        if over:
            for worker in self.workers:
                worker.end_of_run()

    def unfinished(self) -> BoolArray:
        """Whose task or message is still under way."""
        return np.array([worker.under_way > 0 for worker in self.workers])

    def hopeless(self, waited_for: list[int]) -> bool:
        """Whether somebody is waited for, and nothing is to be expected from any of them."""
        return bool(waited_for) and all(self.workers[j].hopeless for j in waited_for)
