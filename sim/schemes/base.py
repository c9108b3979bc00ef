"""What a scheme is: an assignment, a stopping rule and a decoder.

A *scheme family* is the configurable thing that a config names (``erasurehead`` with a load and
a number of arrivals); ``build(workers)`` turns it into a ``Scheme`` for a given cluster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt
from pydantic import AllowInfNan, ConfigDict

from sim.errors import InvalidParameter
from sim.schemes.assignment import Assignment
from sim.schemes.decoding import Decoder
from sim.schemes.stopping import StoppingRule

Load = Annotated[int, Ge(1)]
WaitFor = Annotated[int, Ge(1)]
Seconds = Annotated[float, Gt(0), AllowInfNan(False)]

STRICT = ConfigDict(extra="forbid")
"""Every scheme family is a pydantic dataclass with this setting: an unknown field is an error."""


@dataclass(frozen=True)
class Scheme:
    """An assignment x a stopping rule x a decoder, for n workers.

    Attributes:
        name: the registry name of its family.
        assignment: who computes what and how messages are encoded.
        stopping: when the master stops waiting.
        decoder: how the master combines the messages that arrived.
        exact: True when the stopping rule guarantees the exact gradient.
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


class SchemeFamily(ABC):
    """A scheme as the config names it; abstract. Subclasses are frozen pydantic dataclasses."""

    name: ClassVar[str]
    """The registry name."""

    @classmethod
    @abstractmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """A few valid configurations for 12 workers, for the contract tests."""

    @abstractmethod
    def build(self, workers: int) -> Scheme:
        """Return the scheme for ``workers`` workers.

        Raises:
            InvalidParameter: the family's fields cannot work with this number of workers.
        """


def require_divisor(load: int, workers: int) -> None:
    """Fractional repetition needs the load to divide the number of workers."""
    if workers % load:
        valid = ", ".join(str(d) for d in range(1, workers + 1) if workers % d == 0)
        raise InvalidParameter("load", load, f"must divide workers = {workers}: {valid}")


def require_at_most_workers(field: str, value: int, workers: int) -> None:
    """A count of workers cannot exceed the cluster."""
    if value > workers:
        raise InvalidParameter(field, value, f"must be between 1 and workers = {workers}")
