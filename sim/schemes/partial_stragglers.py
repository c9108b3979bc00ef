"""Partial work without its traffic: workers report progress, and send one combination at the end.

Source: Ramamoorthy, Meng, Girimaji, Leveraging partial stragglers within gradient coding (arXiv
2405.19509).
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT, Load, require_at_most_workers, require_divisor
from ..types import BoolArray, FloatArray
from .assignments import Pieces
from .base import Round, RoundScheme, SchemeFamily, Sees, State
from .claims import Claims
from .decoders import OnePerPartition
from .stopping import CoverPartitions


@final
@dataclass(frozen=True, config=STRICT)
class PartialStragglers(SchemeFamily):
    """As ``multi_message``, but a worker reports each partition and sends one sum when asked.

    A report takes the network's latency and no bandwidth. When every partition is reported the
    master asks the workers for their parts of the sum, which takes one more round trip: both
    latencies, and the transfer of one message a worker. On an ideal cluster a round is one of
    ``multi_message`` to the bit. The gradient is exact.

    Cost: d messages a worker and round.

    Args:
        load: d, partitions per worker.
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.
        order: ``natural``: a worker begins with the first of its partitions. ``rotated``: worker j
            begins with the (j mod d)-th and goes round.

    Facts:
        load: d partitions a worker, as far as it comes.
        stop: one round trip after every partition was reported by somebody.
        decoding: one combination of each worker: every partition once.
        error: 0.
        time: that of ``multi_message`` and, on a network, of one more round trip; measured. No more
            than Q_max finished partitions are ever needed: 85, 88, 85 at n = 30, d = 3 (cyclic,
            fractional natural, rotated).
        confirmed: ``schemes/test_partial_stragglers.py``:
            ``test_published_numbers_of_finished_partitions``,
            ``test_the_number_is_the_worst_case``, ``test_on_an_ideal_cluster_it_is_multi_message``,
            ``test_the_round_trip_by_hand``.
        ours: a report takes the latency and no bandwidth; the order of a worker's partitions.
    """

    name: ClassVar[str] = "partial_stragglers"

    load: Load
    assignment: Literal["cyclic", "fractional"] = "cyclic"
    order: Literal["natural", "rotated"] = "natural"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(load=3), cls(load=1), cls(load=4, assignment="fractional", order="rotated")

    @override
    def build(self, workers: int) -> Reporting:
        """Any load up to workers; with groups, one that divides workers."""
        require_at_most_workers("load", self.load, workers)
        if self.assignment == "fractional":
            require_divisor(self.load, workers)
        rotated = self.order == "rotated"
        return Reporting(Pieces(workers, self.load, self.assignment == "fractional", rotated))


@final
@plain_dataclass(frozen=True)
class Reporting(RoundScheme):
    """Pieces that are reported, and fetched when they cover everything; see ``PartialStragglers``.

    Args:
        pieces: who computes what in which order.
    """

    sees: ClassVar[Sees] = Sees.NOTHING

    pieces: Pieces

    name = "partial_stragglers"
    exact = True

    @property
    @override
    def claims(self) -> Claims:
        """Whatever one copy's worker does not report, the others do."""
        return Claims(copies=self.pieces.load, tolerates=self.pieces.load - 1)

    @property
    @override
    def workers(self) -> int:
        return self.pieces.workers

    @property
    @override
    def messages(self) -> int:
        return self.pieces.messages

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return (0.0,) * self.messages

    @override
    def plan(self, state: State = None) -> Round:
        return Round(self.pieces.loads, CoverPartitions(self.pieces), fetches=True)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return OnePerPartition(self.pieces).partition_weights(arrived)


def most_before_cover(pieces: Pieces) -> int:
    """Q_max: so many finished partitions, whoever finished them, cover everything.

    One more than can be finished while some partition c is not: by a worker that holds c, what
    comes before it; by another one, everything. Source: equation for Q_max of arXiv 2405.19509.
    """
    n, d = pieces.workers, pieces.messages
    holds = np.reshape(pieces.carried, (n, d))[None] == np.arange(n)[:, None, None]
    before = np.where(holds.any(axis=-1), holds.argmax(axis=-1), d)
    return 1 + int(before.sum(axis=-1).max())
