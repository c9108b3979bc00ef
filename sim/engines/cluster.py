"""What surrounds the workers of a run: the network, crashes and repairs; and their policy, which
says what becomes of unfinished work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Unit
from pydantic import AllowInfNan
from pydantic.dataclasses import dataclass as checked_dataclass

from ..fields import STRICT, Configurable
from ..types import BoolArray, FloatArray, TapeLike

# The network between the master and its workers.
#
# A model reaches worker j ``broadcast_latency + j * dispatch_skew`` seconds after the round opens;
# a message reaches the master ``uplink_latency + message_bytes / bandwidth`` seconds after its
# worker has computed it. With ``channels`` set, the master receives at most that many messages at
# a time and the others queue in order (incast): then, and only then, messages wait for each other.
#
# Not modelled here: messages that slow each other down while they share a link.

Seconds = Annotated[float, Ge(0), AllowInfNan(False), Unit("s")]
Bytes = Annotated[float, Ge(0), AllowInfNan(False), Unit("bytes")]
BytesPerSecond = Annotated[float, Gt(0), AllowInfNan(False), Unit("bytes/s")]


@checked_dataclass(frozen=True, config=STRICT, kw_only=True)
class Network(metaclass=Configurable):
    """Latencies in seconds, sizes in bytes, bandwidth in bytes per second.

    Args:
        broadcast_latency: from the opening of a round until the first worker has the model.
        dispatch_skew: seconds between one worker and the next, when the master sends in turn.
        uplink_latency: of a message.
        bandwidth: of the master's ingress, per channel; ``None`` for no limit.
        message_bytes: size of a message that carries one gradient; ``None`` for 8 bytes a feature
            of the problem. Messages of a complex code (``cyclic_mds``) are twice as large.
        channels: messages that the master receives at the same time; ``None`` for no limit.
    """

    broadcast_latency: Seconds = 0.0
    dispatch_skew: Seconds = 0.0
    uplink_latency: Seconds = 0.0
    bandwidth: BytesPerSecond | None = None
    message_bytes: Bytes | None = None
    channels: Annotated[int, Ge(1)] | None = None

    @property
    def occupied(self) -> float:
        """Seconds that one message occupies a channel."""
        return (self.message_bytes or 0.0) / self.bandwidth if self.bandwidth else 0.0

    def round_trip(self, workers: int) -> float:
        """Seconds to ask all workers at once for a message, and to receive them all."""
        turns = 1 if self.channels is None else -(-workers // self.channels)
        out = self.broadcast_latency + (workers - 1) * self.dispatch_skew
        return out + self.uplink_latency + turns * self.occupied

    def downlink(self, workers: int) -> FloatArray:
        """``(n,)`` seconds from the opening of a round until each worker has the model."""
        return np.asarray(self.broadcast_latency + np.arange(workers) * self.dispatch_skew)


class Policy(StrEnum):
    """What a worker does with unfinished work at the next broadcast; both engines read it here."""

    CANCEL = "cancel"  # drop it at once: the next round starts as this one ends
    FINISH = "finish"  # finish it, then take the newest model, skipping those in between
    QUEUE = "queue"  # finish it, then take the next model in order, skipping none
    DRAIN = "drain"  # the master starts the next round only when everyone is idle

    @property
    def interrupts(self) -> bool:
        """Whether a new model ends a worker's earlier work."""
        return self is Policy.CANCEL

    @property
    def in_order(self) -> bool:
        """Whether a worker takes every model, one after the other."""
        return self is Policy.QUEUE

    @property
    def drains(self) -> bool:
        """Whether the master waits for every worker before the next round."""
        return self is Policy.DRAIN

    @property
    def couples_rounds(self) -> bool:
        """Whether unfinished work is carried into later rounds."""
        return not (self.interrupts or self.drains)

    def next_round(self, last: int, newest: int) -> int:
        """The round that a free worker begins, after ``last``."""
        return last + 1 if self.in_order else newest

    def begins(self, received: FloatArray, free: FloatArray) -> FloatArray:
        """When workers begin a round, given when they receive the model and become free."""
        return received if self.interrupts else np.maximum(received, free)

    def skips(self, begun: FloatArray, next_model: FloatArray) -> BoolArray | None:
        """Who is still busy when the next model comes and so skips it; ``None``: nobody."""
        return begun > next_model if self is Policy.FINISH else None


@dataclass(frozen=True)
class Failures:
    """When the workers of one replication crash and come back."""

    up: TapeLike  # row i: how long each worker stays up for the i-th time
    # Row i: how long its i-th repair takes; ``None`` when a crash is for good.
    down: TapeLike | None


@dataclass(frozen=True)
class Cluster:
    """What surrounds the workers of a run, by default nothing; one entry per replication."""

    network: Network | None = None  # latencies, sizes, contention; ``None``: messages take no time
    # Row t: seconds that lost messages of round t cost each worker; ``None``: none lost.
    resends: Sequence[TapeLike] | None = None
    failures: Sequence[Failures] | None = None  # crashes and repairs; ``None``: none
    # Seconds that a round may take; a longer one stops the run. ``None``: any time.
    max_wait: float | None = None
    # Row t of stream i: seconds of each worker's i-th message of round t, or of its t-th without
    # rounds, in place of ``uplink_latency``; and of the transfer of a whole gradient, in place of
    # ``message_bytes / bandwidth``. ``None``: these are constant.
    uplink: Sequence[TapeLike] | None = None
    transfer: Sequence[TapeLike] | None = None

    @property
    def ideal(self) -> bool:
        """Whether nothing lies between the master and workers that never fail."""
        around = self.network, self.uplink, self.transfer, self.resends, self.failures
        return all(trouble is None for trouble in around)

    @property
    def contended(self) -> bool:
        """Whether messages can wait for each other."""
        network = self.network
        if network is None or network.channels is None:
            return False
        return self.transfer is not None or network.occupied > 0


IDEAL = Cluster()
