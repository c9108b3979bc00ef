"""Partial work: a worker sends each partition's gradient as soon as it is computed.

Source: the multi-message scheme of Ozfatura et al. A worker's i-th of d pieces is done at i/d of
its time under the proportional load law; the other laws say it in ``sim.load_laws``.
"""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.errors import InvalidParameter
from sim.schemes.assignment import CyclicPieces
from sim.schemes.base import (
    STRICT,
    Load,
    Scheme,
    SchemeFamily,
    WaitFor,
    require_at_most_workers,
)
from sim.schemes.decoding import OnePerPartition
from sim.schemes.stopping import CoverPartitions, FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT)
class MultiMessage(SchemeFamily):
    """A message per finished partition, in cyclic order; stop when every partition is covered.

    Args:
        load: d, partitions per worker.
        wait_for: messages that end a round in any case; exact without it.
    """

    name: ClassVar[str] = "multi_message"

    load: Load
    wait_for: WaitFor | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """For the contract tests."""
        return cls(load=1), cls(load=3), cls(load=3, wait_for=10)

    def build(self, workers: int) -> Scheme:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        pieces = CyclicPieces(workers, self.load)
        rule: StoppingRule = CoverPartitions(pieces)
        if self.wait_for is not None:
            if self.wait_for > workers * self.load:
                valid = f"must be between 1 and the number of messages, {workers * self.load}"
                raise InvalidParameter("wait_for", self.wait_for, valid)
            rule = rule | FirstK(self.wait_for)
        exact = self.wait_for is None
        return Scheme(self.name, pieces, rule, OnePerPartition(pieces), exact)
