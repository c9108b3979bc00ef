"""A worker behind a network, that can crash and come back; how its messages reach the master."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from math import inf, isnan
from typing import Any, final

import numpy as np
import simpy
from simpy.events import Event, Timeout
from typing_extensions import override

from ...base.errors import NeverEnough
from ...base.types import BoolArray, TapeLike
from ..run import Network
from ..tapes import CheckedTape, RetryTape, columns, columns_of
from .master import RECEPTION, Call, Crew, Master, RoundWorkers

# When nothing can make a message wait for another, a message arrives one addition after its task
# began, ``began + (computed + sent)``: the batch engine adds the same numbers.


@final
class Uplink:
    """A replication's way to the master, for messages of sizes in multiples of the network's."""

    def __init__(self, env: simpy.Environment, crew: Crew, sizes: Sequence[float] = (1.0,)) -> None:
        around, replication = crew.run.cluster, crew.replication
        network = around.network or Network()
        self._env, self._sizes, self._gradients = env, sizes, crew.run.scheme.message_size
        self._latency, self._occupied = network.uplink_latency, network.occupied
        self._uplink, self._transfer = (
            None if tapes is None else MessageDraws(tapes[replication], len(sizes))
            for tapes in (around.uplink, around.transfer)
        )
        resends = around.resends
        self._resends = None if resends is None else columns(resends[replication])
        self._channels: simpy.Resource | None = None
        if around.contended:
            assert network.channels is not None
            self._channels = simpy.Resource(env, capacity=network.channels)

    def carry(
        self,
        worker: int,
        index: int,
        of_round: int,
        retry: int,
        computed: float,
        wanted: Callable[[], bool],
        arrive: Callable[[Event], None],
    ) -> None:
        """Call ``arrive``, a SimPy callback, when a worker's message has reached the master: the
        one of an ``index``, from 0, which is ``computed`` so many seconds from now, and still
        ``wanted`` when a channel becomes free. One of a task that is done again, after so many
        crashes, is another message."""
        sent, transfer, size = self._latency, self._occupied, self._sizes[index]
        if size == 0:  # it only counts, and comes with the task's last one
            index = len(self._sizes) - 1
        if self._uplink is not None:
            sent = self._uplink.seconds(worker, index, of_round, retry)
        if self._transfer is not None:
            whole = self._transfer.seconds(worker, index, of_round, retry)
            transfer = self._gradients * whole
        transfer = transfer * size if size > 0 else 0.0
        channels = self._channels if transfer > 0 else None
        if channels is None:
            sent += transfer
        if self._resends is not None:
            sent += self._resends[worker][of_round]
        ready = computed + sent
        if channels is None:
            Timeout(self._env, ready).callbacks.append(arrive)
            return

        def wait_for_a_channel() -> Generator[Event, object, None]:
            yield Timeout(self._env, ready)
            with channels.request() as channel:
                yield channel
                if wanted():  # a begun transfer is not cut off
                    yield Timeout(self._env, transfer)
            arrive(channel)

        self._env.process(wait_for_a_channel())


@final
class MessageDraws:
    """What each of a worker's m messages draws from a tape, for all workers."""

    def __init__(self, tape: TapeLike, messages: int) -> None:
        self._tape = CheckedTape(tape)
        own = (partial(self._tape.rows, stream=i) for i in range(messages))
        self._streams = [columns_of(rows, tape.block_rounds, tape.workers) for rows in own]

    def seconds(self, worker: int, index: int, row: int, retry: int) -> float:
        """Of a worker's message of an index in a row of the tape."""
        if retry == 0:
            return self._streams[index][worker][row]
        return float(RetryTape(self._tape, retry).rows(row, row + 1, index)[0, worker])


# A worker receives models, computes one task at a time, and sends its messages; sending does not
# keep it from computing. What reaches it at an instant is looked at after what ends then.
#
# A crash loses the task and whatever the worker was sending. A worker that comes back has the
# newest model at once and begins again: with the newest round, or under ``queue`` with the one it
# lost. To do a task again is a new execution with draws of its own; a replay has the same again.
# Under ``drain`` a worker that is down counts as resting. Under ``cancel`` a worker drops its task
# and its messages when the next model reaches it, not before.

# Crashes of one worker in one round, after which nothing is expected of it any more. If an attempt
# at a task succeeds with probability p, so many fail in a row with probability (1 - p)^10,000: 2e-9
# for p = 1/500. With exponential tasks, and exponential lives u times as long on average, it is
# one task in 10,000^u / Gamma(1 + u): fifty million for u = 2. Until then the simulation has
# spent about a tenth of a second on each such worker.
MOST_CRASHES = 10_000


@final
class NetworkedWorker:
    """One worker. Life cycle: ``receive`` a model -> begin a task -> finish it (or drop it) -> the
    next one; ``crash`` and ``repair`` at any time."""

    def __init__(self, host: NetworkedRoundWorkers, master: Master, index: int) -> None:
        self.host, self.master, self.env, self.index = host, master, master.env, index
        self.under_way = 0  # models on their way to it, its task, and its messages on their way
        self.attempt = self.void_until = 0  # a task; up to ``void_until`` they are void
        self.newest = self.last = -1
        # The round of its latest task, and how often it has begun it again.
        self.begun, self.retry = -1, 0
        self.began: float | None = None
        self.sending = 0
        self.is_down = self.for_good = False
        self.crashed_at = 0.0
        # How often it has crashed in round ``crashes_in``.
        self.crashes, self.crashes_in, self.counted_from = 0, -1, 0.0

    def under_way_changes(self, by: int) -> None:
        """Keep the count of resting workers."""
        before = self.under_way
        self.under_way += by
        if before == 0:
            self.host.resting -= 1
        elif self.under_way == 0:
            self.host.resting += 1
            self.master.rested()

    def receive(self, model: Event) -> None:
        """A model has come; the newest wins, and under ``cancel`` it ends all earlier work."""
        of_round: Any = model.value
        if not self.is_down and of_round > self.newest:
            self.newest = of_round
            if self.host.policy.interrupts:
                self._drop()
            self._begin_next()
        self.under_way_changes(-1)

    def crash(self, repair: float) -> None:
        """Lose the task and the messages, and be down for ``repair`` seconds; raises
        ``NeverEnough`` if workers crash so often that the round makes no headway."""
        lost = self.began is not None or self.sending > 0
        self._drop()
        if lost:
            self.last -= 1
        self.is_down, self.for_good = True, repair == inf
        self.crashed_at = self.env.now
        self.host.dead += 1
        self._count_crash()

    def repair(self) -> None:
        """Be up again, with the newest model."""
        self._record("dead", self.crashed_at)
        self.is_down = False
        self.host.dead -= 1
        self.newest = self.master.round
        self._begin_next()

    def end_of_run(self) -> None:
        """Record what is unfinished."""
        if self.began is not None:
            self._record("cancelled", self.began)
        if self.is_down:
            self._record("dead", self.crashed_at)

    @property
    def hopeless(self) -> bool:
        """Whether nothing is to be expected of it in this round."""
        if self.crashes_in == self.master.round and self.crashes >= MOST_CRASHES:
            return True
        if self.is_down:
            return self.for_good
        return self.under_way == (self.began is not None)  # at most a task that never ends

    def _count_crash(self) -> None:
        """Every so often, see whether there is still hope, and whether time still passes."""
        now, this_round = self.env.now, self.master.round
        if self.crashes_in != this_round:
            self.crashes, self.crashes_in, self.counted_from = 0, this_round, now
        self.crashes += 1
        if self.crashes % MOST_CRASHES == 0:
            frozen, self.counted_from = now == self.counted_from, now
            if frozen or self.host.hopeless(self.master.waits_for()):
                raise NeverEnough(this_round + 1, self.master.missing(), crashes=self.crashes)

    def _begin_next(self) -> None:
        if self.is_down or self.began is not None or self.last >= self.newest:
            return
        self.last = self.host.policy.next_round(self.last, self.newest)
        m = self.master.messages
        self.retry = self.retry + 1 if self.begun == self.last else 0
        self.begun = self.last
        offsets = self.master.offsets_of(self.last, self.retry)
        if isnan(offsets[self.index * m]):  # it has nothing to send
            self._begin_next()
            return
        self.began = self.env.now
        self.attempt += 1
        self.under_way_changes(+1)
        messages = range(self.index * m, (self.index + 1) * m)
        since = 0.0
        for message in messages:
            if offsets[message] < inf:
                self._send(message, offsets[message], offsets[message] - since)
                since = offsets[message]
        if offsets[messages[-1]] < inf:
            attempt = self.attempt
            ended = Timeout(self.env, offsets[messages[-1]])
            ended.callbacks.append(lambda _: self._finish(attempt))

    def _finish(self, attempt: int) -> None:
        if attempt == self.attempt and self.began is not None:
            self._record("computing", self.began)
            self.began = None
            self._begin_next()
            self.under_way_changes(-1)

    def _send(self, message: int, computed: float, seconds: float) -> None:
        """Have a message arrive once it is computed, which takes ``seconds`` of the task."""
        of_round, attempt, began = self.last, self.attempt, self.env.now

        def valid() -> bool:
            return attempt > self.void_until

        def deliver(_: Event) -> None:
            if not valid():
                return
            if self.host.recorder is not None:
                sent = began + computed
                self.host.recorder.span(self.index, "sending", sent, self.env.now, of_round)
            self.sending -= 1
            self.master.hear(message, of_round, seconds)
            self.under_way_changes(-1)

        self.sending += 1
        self.under_way_changes(+1)
        index = message % self.master.messages
        again = of_round, self.retry
        self.host.uplink.carry(self.index, index, *again, computed, valid, deliver)

    def _drop(self) -> None:
        if self.began is not None:
            self._record("cancelled", self.began)
            self.began = None
            self.under_way_changes(-1)
        dropped, self.sending = self.sending, 0
        self.void_until = self.attempt
        if dropped:
            self.under_way_changes(-dropped)

    def _record(self, kind: str, since: float) -> None:
        self.host.record(self.index, kind, since, self.env.now, -1 if kind == "dead" else self.last)


@final
class NetworkedRoundWorkers(RoundWorkers):
    """Workers of a cluster with a network, lost messages and failures, in one replication."""

    @override
    def employ(self, master: Master) -> None:
        self.workers = [NetworkedWorker(self, master, j) for j in range(master.n)]
        self.uplink = Uplink(master.env, self, self.run.rounds.message_sizes)
        master.env.process(self._courier(master))
        self.let_fail(master.env)

    def _courier(self, master: Master) -> Generator[Event, object, None]:
        n, network = master.n, self.run.cluster.network
        delays = [0.0] * n if network is None else network.downlink(n).tolist()
        while True:
            of_round = yield master.broadcast
            for worker, seconds in zip(self.workers, delays, strict=True):
                worker.under_way_changes(+1)
                Call(master.env, RECEPTION, worker.receive, seconds, of_round)

    @override
    def crash(self, worker: int, seconds: float) -> None:
        self.workers[worker].crash(seconds)

    @override
    def repair(self, worker: int) -> None:
        self.workers[worker].repair()

    @override
    def settle(self, opened: float, now: float, over: bool) -> None:
        """Tasks are recorded when they end; at the end of the run the rest is."""
        if over:
            for worker in self.workers:
                worker.end_of_run()

    @override
    def unfinished(self) -> BoolArray:
        return np.array([worker.under_way > 0 for worker in self.workers])

    def hopeless(self, waited_for: list[int]) -> bool:
        """Whether somebody is waited for, and nothing is to be expected from any of them."""
        return bool(waited_for) and all(self.workers[j].hopeless for j in waited_for)
