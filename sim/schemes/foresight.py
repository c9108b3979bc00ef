"""What a scheme may know of the workers' times before a run, where its plan depends on them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, final

import numpy as np
from typing_extensions import override

from ..types import FloatArray
from .base import Scheme, SchemeFamily


class Foresight(Protocol):
    """The law of the seconds that a worker needs for one partition, as far as schemes ask for it.

    ``eh.theory.foresight`` has it for a delay model and a load law.
    """

    def order_statistics(self, workers: int) -> FloatArray:
        """``(n,)`` mean seconds until the first, second, ... of n workers has done a partition."""

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """``(n,)`` chance of each worker to do a partition in so many seconds."""


@final
class UnitExponential:
    """Independent exponential times of 1 s on average."""

    def order_statistics(self, workers: int) -> FloatArray:
        """H_n - H_(n-j)."""
        return np.cumsum(1.0 / np.arange(workers, 0, -1))

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """1 - exp(-seconds), the same for every worker."""
        return np.full(workers, -np.expm1(-seconds))


class ForesightedFamily(SchemeFamily):
    """A family whose scheme depends on the law of the delays; abstract.

    A run gives it the law of its config; ``build`` alone takes that of ``UnitExponential``.
    """

    @override
    def build(self, workers: int) -> Scheme:
        return self.build_for(workers, UnitExponential())

    @abstractmethod
    def build_for(self, workers: int, foresight: Foresight) -> Scheme:
        """Return the scheme for ``workers`` workers whose times are known.

        Raises:
            InvalidParameter: the family's fields cannot work with these workers.
        """
