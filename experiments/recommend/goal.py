"""What is asked for: the goal, the limits that an answer must keep, and the schemes searched."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

Kind = Literal["target", "budget", "iterations"]


@dataclass(frozen=True)
class Goal:
    """What is made as small as possible.

    Attributes:
        kind: ``target``: seconds until the training loss is first at or below ``value``;
            ``budget``: the training loss after ``value`` seconds; ``iterations``, without a
            problem: seconds that ``value`` exact iterations, or as much progress, take.
        value: a loss, seconds, or a number of iterations.
    """

    kind: Kind
    value: float

    @property
    def unit(self) -> str:
        """Of what is made small: `` s``, or nothing for a loss."""
        return "" if self.kind == "budget" else " s"

    @property
    def column(self) -> str:
        """What tables call it."""
        return "loss" if self.kind == "budget" else "seconds"

    @property
    def words(self) -> str:
        """What it is, after a number: ``12.3 s to a training loss of 0.5``."""
        match self.kind:
            case "target":
                return f"to a training loss of {self.value:.4g}"
            case "budget":
                return f"of training loss after {self.value:.4g} s"
            case "iterations":
                return f"for the progress of {self.value:g} exact iterations"


@dataclass(frozen=True)
class Limits:
    """What an answer must keep; ``None``: no limit.

    Attributes:
        load: partitions that a worker holds.
        worker_seconds: that workers compute until the goal is reached.
        bytes: of messages that the master hears until then.
        error: mean decoding error ``||w - 1||^2`` of an update.
    """

    load: float | None = None
    worker_seconds: float | None = None
    bytes: float | None = None
    error: float | None = None

    def broken(self, **found: float) -> str | None:
        """The first limit that numbers break, in words; unknown (NaN) ones break none."""
        for each in fields(self):
            limit = getattr(self, each.name)
            number = found.get(each.name, float("nan"))
            if limit is not None and number > limit * (1 + 1e-9):
                return f"{WORDS[each.name]} {number:.4g}, limit {limit:g}"
        return None


WORDS = {
    "load": "partitions a worker",
    "worker_seconds": "worker-seconds",
    "bytes": "message bytes",
    "error": "mean decoding error",
}


@dataclass(frozen=True)
class Asked:
    """What the search is for.

    Attributes:
        goal: what is made small.
        limits: what must be kept.
        only: schemes that are searched; empty: all.
        centre: the exact gradient's best learning rate; NaN without training.
        common: the rate of the untuned comparison; NaN without training.
    """

    goal: Goal
    limits: Limits
    only: tuple[str, ...] = ()
    centre: float = np.nan
    common: float = np.nan

    @property
    def trains(self) -> bool:
        """Whether there is a problem."""
        return self.goal.kind != "iterations"
