"""A rule of one's own: stop as soon as what is missing of the gradient is small enough."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

from pydantic.dataclasses import dataclass

from erasurehead.plugins import (
    STRICT,
    BoolArray,
    Decoder,
    Fixed,
    Groups,
    Load,
    OnePerGroup,
    SchemeFamily,
    Share,
    StoppingRule,
    decoding_error,
)


@plain_dataclass(frozen=True)
class SmallError(StoppingRule):
    """Stop when the decoding error is at most ``error``."""

    decoder: Decoder
    error: float

    def enough(self, arrived: BoolArray) -> BoolArray:
        return decoding_error(self.decoder.partition_weights(arrived)) <= self.error


@dataclass(frozen=True, config=STRICT)
class SmallResidual(SchemeFamily):
    """Fractional repetition until at most a share ``missing`` of the partitions is missing."""

    name: ClassVar[str] = "small_residual"

    load: Load
    missing: Share

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(load=3, missing=0.25),)

    def build(self, workers: int) -> Fixed:
        decoder = OnePerGroup(self.load)
        rule = SmallError(decoder, self.missing * workers)
        exact = self.missing < self.load / workers
        return Fixed(self.name, Groups(workers, self.load), rule, decoder, exact)
