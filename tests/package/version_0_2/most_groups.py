"""Fractional repetition that does without some groups."""  # most_groups.py

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.fields import STRICT, Load, WaitFor, require_at_most_workers, require_divisor
from sim.schemes.assignments import Groups
from sim.schemes.base import Fixed, SchemeFamily
from sim.schemes.decoders import OnePerGroup
from sim.schemes.stopping import StoppingRule
from sim.types import BoolArray


@final
@plain_dataclass(frozen=True)
class HearGroups(StoppingRule):
    """At least ``groups`` groups of ``size`` consecutive workers have been heard."""

    size: int
    groups: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        heard = arrived.reshape(*arrived.shape[:-1], -1, self.size).any(axis=-1)
        return heard.sum(axis=-1) >= self.groups


@final
@dataclass(frozen=True, config=STRICT)
class MostGroups(SchemeFamily):
    """Groups of ``load`` workers hold the same partitions; stop when ``wait_for`` groups were heard.

    Args:
        load: partitions of a worker, and workers of a group.
        wait_for: groups.
    """

    name: ClassVar[str] = "most_groups"

    load: Load
    wait_for: WaitFor

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(load=3, wait_for=3),)

    def build(self, workers: int) -> Fixed:
        require_divisor(self.load, workers)
        require_at_most_workers("wait_for", self.wait_for, workers // self.load)
        exact = self.wait_for == workers // self.load
        stopping = HearGroups(self.load, self.wait_for)
        return Fixed(self.name, Groups(workers, self.load), stopping, OnePerGroup(self.load), exact)
