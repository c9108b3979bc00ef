"""The network between the master and its workers.

A model reaches worker j ``broadcast_latency + j * dispatch_skew`` seconds after the round opens; a
message reaches the master ``uplink_latency + message_bytes / bandwidth`` seconds after its worker
has computed it. With ``channels`` set, the master receives at most that many messages at a time and
the others queue in order (incast): then, and only then, messages wait for each other.

Not modelled here: messages that slow each other down while they share a link.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Unit
from pydantic import AllowInfNan, ConfigDict
from pydantic.dataclasses import dataclass

from ..types import FloatArray

Seconds = Annotated[float, Ge(0), AllowInfNan(False), Unit("s")]
Bytes = Annotated[float, Ge(0), AllowInfNan(False), Unit("bytes")]
BytesPerSecond = Annotated[float, Gt(0), AllowInfNan(False), Unit("bytes/s")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Network:
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
    def transfer(self) -> float:
        """Seconds that one message occupies a channel."""
        return (self.message_bytes or 0.0) / self.bandwidth if self.bandwidth else 0.0

    @property
    def contended(self) -> bool:
        """Whether messages can wait for each other."""
        return self.channels is not None and self.transfer > 0

    def round_trip(self, workers: int) -> float:
        """Seconds to ask all workers at once for a message, and to receive them all."""
        turns = 1 if self.channels is None else -(-workers // self.channels)
        out = self.broadcast_latency + (workers - 1) * self.dispatch_skew
        return out + self.uplink_latency + turns * self.transfer

    def downlink(self, workers: int) -> FloatArray:
        """``(n,)`` seconds from the opening of a round until each worker has the model."""
        return np.asarray(self.broadcast_latency + np.arange(workers) * self.dispatch_skew)
