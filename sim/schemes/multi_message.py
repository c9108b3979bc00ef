"""Partial work: a worker sends each partition's gradient as soon as it is computed.

Sources: the multi-message scheme of Ozfatura, Gündüz, Ulukus (2018), with plain partitions and the
cyclic schedule of Mohammadi Amiri, Gündüz (arXiv 1810.09992). A worker's i-th of d pieces is done
at i/d of its time under the proportional load law; the other laws say it in ``sim.load_laws``.
"""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic.dataclasses import dataclass

from ..errors import InvalidParameter
from ..fields import STRICT, Load, WaitFor, require_at_most_workers, require_divisor
from .assignments import Pieces
from .base import Fixed, SchemeFamily
from .claims import Claims
from .decoders import OnePerPartition
from .stop import FirstArrivals, Stop, ending, refuse_beside_stop
from .stopping import CoverPartitions, FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT)
class MultiMessage(SchemeFamily):
    """A message per finished partition; stop when every partition is covered.

    The order matters as much as the code. Where a group of workers computes the same partitions in
    the same order, the round waits for somebody to come to the last of them, and with identically
    distributed proportional times nothing is gained over one message a worker. Where everybody
    begins with another one, a partition is early in some worker's list: so it is with ``rotated``
    groups, and with cyclic assignment as it stands.

    Cost: d messages a worker and round.

    Args:
        load: d, partitions per worker.
        wait_for: r, messages (not workers) that end a round in any case, 1 to n d. The scheme is
            exact without it, and with r > (n - 1) d, when no partition can lack all d messages.
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.
        order: ``natural``: a worker begins with the first of its partitions. ``rotated``: worker j
            begins with the (j mod d)-th and goes round.
        stop: when a round ends that does not cover every partition, in place of ``wait_for``; it
            counts messages, not workers.

    Facts:
        load: d partitions a worker, as far as it comes.
        stop: when every partition has arrived from somebody; at the r-th message if that is first;
            or by ``stop`` if that is.
        decoding: one message of each partition.
        error: 0; with ``wait_for`` or ``stop`` the number of partitions that did not come.
        time: measured. Exponential times, proportional law, n = 30, d = 3: fractional natural 2.929
            s (H_10, as one message a worker), fractional rotated 2.042 s, cyclic 2.106 s, uncoded
            3.995 s.
        confirmed: ``schemes/test_multi_message.py``: ``test_order_by_hand``,
            ``test_what_the_order_is_worth``,
            ``test_in_the_same_order_several_messages_gain_nothing``.
        ours: the ``rotated`` order within groups.
    """

    name: ClassVar[str] = "multi_message"

    load: Load
    wait_for: WaitFor | None = None
    assignment: Literal["cyclic", "fractional"] = "cyclic"
    order: Literal["natural", "rotated"] = "natural"
    stop: Stop | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """From one piece to all, ends by messages that leave partitions out or none, and orders."""
        return (
            cls(load=3),
            cls(load=1),
            cls(load=12),
            cls(load=3, wait_for=10),
            cls(load=3, wait_for=34),
            cls(load=1, wait_for=11),
            cls(load=3, assignment="fractional"),
            cls(load=4, assignment="fractional", order="rotated", wait_for=20),
            cls(load=5, order="rotated"),
            cls(load=3, stop=FirstArrivals(first=9)),
        )

    def build(self, workers: int) -> Fixed:
        """Any load up to workers; with groups, one that divides workers."""
        require_at_most_workers("load", self.load, workers)
        if self.assignment == "fractional":
            require_divisor(self.load, workers)
        fractional, rotated = self.assignment == "fractional", self.order == "rotated"
        pieces = Pieces(workers, self.load, fractional, rotated)
        rule: StoppingRule = CoverPartitions(pieces)
        if self.stop is not None:
            refuse_beside_stop(wait_for=self.wait_for)
            rule = rule | ending(self.stop, pieces)
            claims = Claims(copies=self.load)
            decoder = OnePerPartition(pieces)
            return Fixed(self.name, pieces, rule, decoder, exact=None, claims=claims)
        if self.wait_for is not None:
            if self.wait_for > workers * self.load:
                valid = f"must be between 1 and the number of messages, {workers * self.load}"
                most = {"wait_for": workers * self.load}
                raise InvalidParameter("wait_for", self.wait_for, valid, most)
            rule = rule | FirstK(self.wait_for)
        exact = self.wait_for is None or self.wait_for > (workers - 1) * self.load
        claims = Claims(copies=self.load, tolerates=self.load - 1 if exact else None)
        return Fixed(self.name, pieces, rule, OnePerPartition(pieces), exact, claims=claims)
