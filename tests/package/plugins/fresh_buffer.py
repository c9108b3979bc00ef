"""An asynchronous scheme: a buffer of gradients that are not too old."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from erasurehead.plugins import STRICT, Barrierless, SchemeFamily, WaitFor


@dataclass(frozen=True, config=STRICT)
class FreshBuffer(SchemeFamily):
    """An update for every ``wait_for`` gradients whose staleness is below ``oldest``."""

    name: ClassVar[str] = "fresh_buffer"

    wait_for: WaitFor
    oldest: WaitFor

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(wait_for=4, oldest=2),)

    def build(self, workers: int) -> Barrierless:
        return Barrierless(self.name, workers, self.wait_for, self.oldest, own_data=True)
