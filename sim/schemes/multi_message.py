"""Partial work: a worker sends each partition's gradient as soon as it is computed.

Sources: the multi-message scheme of Ozfatura, Gündüz, Ulukus (2018), with plain partitions and the
cyclic schedule of Mohammadi Amiri, Gündüz (arXiv 1810.09992). A worker's i-th of d pieces is done
at i/d of its time under the proportional load law; the other laws say it in ``sim.load_laws``.
"""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.errors import InvalidParameter
from sim.fields import STRICT, Load, WaitFor, require_at_most_workers
from sim.schemes.assignments import CyclicPieces
from sim.schemes.base import Fixed, SchemeFamily
from sim.schemes.decoders import OnePerPartition
from sim.schemes.stopping import CoverPartitions, FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT)
class MultiMessage(SchemeFamily):
    """A message per finished partition, in cyclic order; stop when every partition is covered.

    Args:
        load: d, partitions per worker.
        wait_for: r, messages (not workers) that end a round in any case, 1 to n d. The scheme is
            exact without it, and with r > (n - 1) d, when no partition can lack all d messages.
    """

    name: ClassVar[str] = "multi_message"

    load: Load
    wait_for: WaitFor | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """From one piece to all, and ends by messages that leave partitions out, or none."""
        return (
            cls(load=1),
            cls(load=3),
            cls(load=12),
            cls(load=3, wait_for=10),
            cls(load=3, wait_for=34),
            cls(load=1, wait_for=11),
        )

    def build(self, workers: int) -> Fixed:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        pieces = CyclicPieces(workers, self.load)
        rule: StoppingRule = CoverPartitions(pieces)
        if self.wait_for is not None:
            if self.wait_for > workers * self.load:
                valid = f"must be between 1 and the number of messages, {workers * self.load}"
                raise InvalidParameter("wait_for", self.wait_for, valid)
            rule = rule | FirstK(self.wait_for)
        exact = self.wait_for is None or self.wait_for > (workers - 1) * self.load
        return Fixed(self.name, pieces, rule, OnePerPartition(pieces), exact)
