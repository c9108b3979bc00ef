"""What surrounds the workers of one run: a network, lost messages, failures, patience.

The ideal cluster, in which every one of these is absent, is the default everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..types import TapeLike
from .network import Network


@dataclass(frozen=True)
class Failures:
    """When the workers of one replication crash and come back.

    Attributes:
        up: row i: how long each worker stays up for the i-th time.
        down: row i: how long its i-th repair takes; ``None`` when a crash is for good.
    """

    up: TapeLike
    down: TapeLike | None


@dataclass(frozen=True)
class Cluster:
    """The surroundings; sequences have one entry per replication.

    Attributes:
        network: latencies, sizes, contention; ``None``: messages take no time.
        resends: row t: seconds that lost messages of round t cost each worker; ``None``: none lost.
        failures: crashes and repairs; ``None``: none.
        max_wait: seconds that a round may take; a longer one stops the run. ``None``: any time.
    """

    network: Network | None = None
    resends: Sequence[TapeLike] | None = None
    failures: Sequence[Failures] | None = None
    max_wait: float | None = None

    @property
    def ideal(self) -> bool:
        """Whether nothing lies between the master and workers that never fail."""
        return self.network is None and self.resends is None and self.failures is None

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``."""
        if self.network is not None and self.network.contended:
            return "messages that wait for a channel of the master need the event engine"
        if self.failures is not None:
            return "workers that crash need the event engine"
        return None

    def barrierless_refusal(self) -> str | None:
        """Why the batch engine cannot simulate a scheme without rounds on this, or ``None``."""
        if self.max_wait is not None:
            return "a scheme without rounds and with max_wait needs the event engine"
        if not self.ideal:
            return "a scheme without rounds on a network, or with failures, needs the event engine"
        return None


IDEAL = Cluster()
