"""Fractional repetition, with claims."""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.fields import STRICT, Load
from sim.schemes.assignments import Groups
from sim.schemes.base import Fixed, SchemeFamily
from sim.schemes.claims import Claims
from sim.schemes.decoders import OnePerGroup
from sim.schemes.stopping import CoverGroups


@final
@dataclass(frozen=True, config=STRICT)
class Claimed(SchemeFamily):
    """Groups of ``load`` workers hold the same partitions; all of them are waited for."""

    name: ClassVar[str] = "claimed"

    load: Load

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(load=3),)

    def build(self, workers: int) -> Fixed:
        claims = Claims(copies=self.load, tolerates=self.load - 1)
        stopping = CoverGroups(self.load)
        return Fixed(self.name, Groups(workers, self.load), stopping, OnePerGroup(self.load), True, claims=claims)
