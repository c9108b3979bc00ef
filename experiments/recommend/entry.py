"""A scheme on its way through the search: what each stage finds out, and at which it leaves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...sim.types import FloatArray
from ..config.errors import ConfigError
from .compare import order
from .expected import Expected
from .measured import Measured
from .sketch import Sketch

Section = Mapping[str, Any]

LIMITS, UNBUILT = "limits", "cannot be built"
"""Stages at which a scheme leaves that breaks a limit, and one that does not suit the cluster."""


@dataclass
class Entry:
    """A scheme on its way through the search.

    Attributes:
        place: its number.
        section: of the config, with a label if the config gives one.
        given: whether the config names it.
        sketch: what is known without simulating it.
        expected: before anything is trained.
        clocked: the clock alone.
        trial: values on trial delays at several rates.
        rate: its own learning rate; NaN without training.
        final: values on the config's delays, at its own rate and at the common one.
        out: why it left; empty for those that stayed to the end.
        stage: at which stage it left.
        breaks: the limit that one of the config's breaks; it stays for comparison.
    """

    place: int
    section: Section
    given: bool
    sketch: Sketch | None = None
    expected: Expected | None = None
    clocked: Measured | None = None
    trial: Measured | None = None
    rate: float = np.nan
    final: Measured | None = None
    out: str = ""
    stage: str = ""
    breaks: str = ""

    @property
    def label(self) -> str:
        """How it is called."""
        if self.sketch is not None:
            return self.sketch.label
        named = self.section.get("label")
        rest = (f"{k}={v}" for k, v in self.section.items() if k not in ("name", "label"))
        return str(named) if named else " ".join([str(self.section["name"]), *rest])

    @property
    def barrierless(self) -> bool:
        """Whether no barrier separates its rounds, as far as that is known."""
        return self.sketch is not None and self.sketch.barrierless

    def leave(self, stage: str, why: str) -> None:
        """Note that it left, and why."""
        self.stage, self.out = stage, why

    def refuse(self, reason: str) -> None:
        """Note that it cannot be simulated.

        Raises:
            ConfigError: the config names it.
        """
        if self.given:
            raise ConfigError(reason)
        self.leave(UNBUILT, reason)

    def own(self) -> FloatArray:
        """Final values at its own rate, ``(R,)``."""
        assert self.final is not None
        return self.final.at(self.rate)


def running(entries: Iterable[Entry]) -> list[Entry]:
    """Those that have not left."""
    return [entry for entry in entries if not entry.out]


def trial_order(entry: Entry) -> tuple[float, float]:
    """A key that sorts by how good schemes were in their trial, each at its best rate."""
    if entry.trial is None:
        return np.inf, np.inf
    return order(entry.trial.at(entry.rate))


def final_order(entry: Entry) -> tuple[float, float]:
    """A key that sorts by how good schemes were in the race, each at its own rate."""
    return order(entry.own())
