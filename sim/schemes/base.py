"""What a scheme is: an assignment, a stopping rule and a decoder.

A *scheme family* is the configurable thing that a config names (``erasurehead`` with a load and
a number of arrivals); ``build(workers)`` turns it into a ``Scheme`` for a given cluster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from sim.schemes.assignment import Assignment
from sim.schemes.conditioning import Conditioning, conditioning
from sim.schemes.decoding import Decoder
from sim.schemes.stopping import StoppingRule


@dataclass(frozen=True)
class Scheme:
    """An assignment x a stopping rule x a decoder, for n workers.

    Attributes:
        name: the registry name of its family.
        assignment: who computes what and how messages are encoded.
        stopping: when the master stops waiting.
        decoder: how the master combines the messages that arrived.
        exact: True when every set of arrivals that the stopping rule accepts decodes to the exact
            gradient, in exact arithmetic; ``conditioning`` says what rounding leaves of it.
    """

    name: str
    assignment: Assignment
    stopping: StoppingRule
    decoder: Decoder
    exact: bool

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.assignment.workers

    @property
    def partitions(self) -> int:
        """Number of partitions k."""
        return self.assignment.partitions

    def conditioning(self) -> Conditioning | None:
        """How large the code's numbers are and how exactly it decodes in double precision.

        Returns:
            ``None`` for a code without coefficients.

        Cost: as much as decoding 16 rounds, 0.2 s for n = 300 (``sim.schemes.conditioning``);
        without coefficients one pass over the non-zeros of B.
        """
        return conditioning(self.assignment, self.stopping, self.decoder)


class SchemeFamily(ABC):
    """A scheme as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]
    """The registry name."""

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Valid configurations for 12 workers, the edge cases among them, for the tests."""

    @abstractmethod
    def build(self, workers: int) -> Scheme:
        """Return the scheme for ``workers`` workers.

        Raises:
            InvalidParameter: the family's fields cannot work with this number of workers.
        """
