"""Exact codes for partial stragglers: a part of the data is computed once, by its own worker.

Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), partial straggler
schemes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..types import BoolArray, FloatArray
from .base import Claims, Fixed, Round, RoundScheme, Sees, State
from .coverage import AtPlace, PerPlace
from .decoders import Conditioning


@final
@dataclass(frozen=True)
class PartlyUncoded(RoundScheme):
    """Each worker first computes a share of its own partition, then its part of a code.

    A share of every partition is not coded. A worker sends two messages: the gradient of the share
    of its own partition, which everybody must deliver, and its coded result for the rest of the
    data, which stragglers need not. So whoever is merely slow does something useful, and the load
    is share + (1 - share) d instead of d; but nobody may fail.

    Args:
        code: an exact code with n partitions and equal loads.
        share: of the data that is not coded, in (0, 1].
    """

    sees: ClassVar[Sees] = Sees.NOTHING

    code: Fixed
    share: float

    exact = True
    claims = Claims(tolerates=0)

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the code."""
        return self.code.name

    @property
    @override
    def workers(self) -> int:
        return self.code.workers

    @property
    @override
    def messages(self) -> int:
        return 2

    @property
    def load(self) -> float:
        """Partitions that a worker computes."""
        return self.share + (1 - self.share) * float(self.code.assignment.loads[0])

    @override
    def plan(self, state: State = None) -> Round:
        uncoded, coded = PerPlace((self.workers, 0)), AtPlace(self.code.stopping, 1, 2)
        shares = np.array([self.share / self.load, 1.0])
        return Round(np.full(self.workers, self.load), uncoded & coded, shares=shares)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        uncoded, coded = arrived[..., 0::2], arrived[..., 1::2]
        rest = self.code.decoder.partition_weights(coded)
        return np.asarray(self.share * uncoded + (1 - self.share) * rest)

    @override
    def conditioning(self) -> Conditioning | None:
        return self.code.conditioning()
