"""The sliders of the page, and what a page may say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..config.errors import ConfigError, at, one_of


@dataclass(frozen=True)
class Slider:
    """A number that is chosen.

    Attributes:
        name: in the address.
        title: for people, with the unit.
        low, high, step: what it can be.
        start: what it is at first.
        hint: what it means.
    """

    name: str
    title: str
    low: float
    high: float
    step: float
    start: float
    hint: str = ""

    def read(self, text: str) -> float:
        """What was chosen.

        Raises:
            ConfigError: it is no number between the ends.
        """
        try:
            value = float(text) if len(text) <= LONGEST else float("nan")
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high:
            raise at(self.name, text, f"must be a number from {self.low:g} to {self.high:g}")
        if self.step == 1 and value != int(value):
            raise at(self.name, text, "must be a whole number")
        return value


@dataclass(frozen=True)
class Choice:
    """One of some names."""

    name: str
    title: str
    names: Mapping[str, str]
    start: str
    hint: str = ""

    def read(self, text: str) -> str:
        """What was chosen.

        Raises:
            ConfigError: it is none of the names.
        """
        if text not in self.names:
            raise at(self.name, text, one_of(self.names, text))
        return text


LONGEST = 32
"""Characters of a number."""

LAWS = {
    "exponential": "exponential",
    "weibull": "Weibull, shape 0.6",
    "lognormal": "lognormal, sigma 1",
    "pareto": "Pareto, alpha 2.5",
    "gamma": "gamma, shape 4",
}

CONTROLS: tuple[Slider | Choice, ...] = (
    Slider("n", "workers n", 4, 60, 1, 30),
    Slider("d", "load d", 1, 10, 1, 3, "partitions that a worker of a code computes in a round"),
    Slider("r", "arrivals r", 1, 60, 1, 15, "after how many ErasureHead and the others go on"),
    Choice("law", "law of the random delay", LAWS, "exponential"),
    Slider("shift", "least delay (s)", 0, 3, 0.05, 0.5),
    Slider("mean", "mean of the random delay (s)", 0.05, 3, 0.05, 1.0),
    Choice(
        "load_law",
        "load law",
        {
            "additive": "additive: computing is predictable",
            "proportional": "proportional: slow at every partition",
            "per_partition": "per partition: a draw for each",
        },
        "additive",
    ),
    Slider("tau", "seconds a partition (additive)", 0, 1, 0.02, 0.1),
    Slider("slow", "a slow worker takes so many times as long", 1, 8, 0.5, 1),
    Slider("share", "share of slow workers", 0.02, 0.5, 0.02, 0.1),
    Slider(
        "persistence", "persistence of being slow", 0, 0.98, 0.02, 0, "0: drawn anew each round"
    ),
    Choice(
        "policy",
        "straggler policy",
        {
            "cancel": "cancel: stragglers stop at once",
            "finish": "finish, then the newest model",
            "queue": "queue: finish every model",
            "drain": "drain: the master waits for all",
        },
        "cancel",
    ),
    Slider("rate", "learning rate", 0.01, 0.5, 0.01, 0.05),
)


def chosen(query: Mapping[str, str]) -> dict[str, float | str]:
    """What all sliders say; those that are not told are where they begin.

    Raises:
        ConfigError: one of them is not what it can be, or there is no such slider.
    """
    known = {control.name for control in CONTROLS}
    for name in query:
        if name not in known:
            raise ConfigError(f"{name[:LONGEST]}: {one_of(known, name)}")
    return {each.name: each.read(query.get(each.name, str(each.start))) for each in CONTROLS}
