"""How messages reach the master: latency, losses, transfer, and waiting for a channel.

When nothing can make a message wait for another, a message arrives one addition after its task
began, ``began + (computed + sent)``: the batch engine adds the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import final

import simpy
from simpy.events import Event, Timeout

from ...types import TapeLike
from ..network import Network
from ..tapes import columns
from .calls import call


@final
class Uplink:
    """The way from the workers to the master, of one replication.

    Args:
        env: the SimPy environment.
        network: latency, size and bandwidth; ``None``: messages take no time.
        resends: row t: seconds that lost messages of round t cost each worker; ``None``: none lost.
        sizes: of a worker's messages, as multiples of the network's.
    """

    def __init__(
        self,
        env: simpy.Environment,
        network: Network | None,
        resends: TapeLike | None,
        sizes: Sequence[float] = (1.0,),
    ) -> None:
        self._env = env
        transfer = 0.0 if network is None else network.transfer
        self._sent = [0.0 if network is None else network.uplink_latency] * len(sizes)
        self._transfer = [transfer * size for size in sizes]
        self._resends = None if resends is None else columns(resends)
        self._channels: simpy.Resource | None = None
        if network is not None and network.contended:
            assert network.channels is not None
            self._channels = simpy.Resource(env, capacity=network.channels)
        else:
            self._sent = [
                sent + more for sent, more in zip(self._sent, self._transfer, strict=True)
            ]

    def carry(
        self,
        worker: int,
        place: int,
        of_round: int,
        computed: float,
        wanted: Callable[[], bool],
        arrive: Callable[[Event], None],
    ) -> None:
        """Call ``arrive`` when a message has reached the master.

        Args:
            worker: whose message it is.
            place: which of the worker's messages, from 0.
            of_round: the round that it belongs to.
            computed: seconds from now until it is computed.
            wanted: whether it is still to be sent when a channel becomes free.
            arrive: what to do then; a SimPy callback.
        """
        sent = self._sent[place]
        if self._resends is not None:
            sent += self._resends[worker][of_round]
        seconds = computed + sent
        transfer = self._transfer[place]
        if self._channels is None or transfer == 0:
            call(Timeout(self._env, seconds), arrive)
        else:
            self._env.process(self._through(self._channels, transfer, seconds, wanted, arrive))

    def _through(
        self,
        channels: simpy.Resource,
        transfer: float,
        seconds: float,
        wanted: Callable[[], bool],
        arrive: Callable[[Event], None],
    ) -> Generator[Event, object, None]:
        """Reach the master, wait for a channel, occupy it. A begun transfer is not cut off."""
        yield Timeout(self._env, seconds)
        with channels.request() as channel:
            yield channel
            if wanted():
                yield Timeout(self._env, transfer)
        arrive(channel)
