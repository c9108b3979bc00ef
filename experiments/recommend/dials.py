"""Changed delays: the same draws under another load law, another tail, another persistence.

A dial changes one thing and keeps the rest, so that a scheme on changed delays is compared with
itself draw by draw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from typing_extensions import override

from ...sim.engines.run import Run
from ...sim.load_laws import LoadLaw
from ...sim.types import FloatArray, Loads, TapeLike

Name = Literal["", "load", "tail", "persistence"]


@dataclass(frozen=True)
class Dial:
    """One changed thing.

    Attributes:
        name: ``load``: what partitions beyond the first add to a worker's time is multiplied by
            ``value``. ``tail``: what a unit delay exceeds ``centre`` by is. ``persistence``: with
            this probability a worker's unit delay is that of its round before; below 0, the delays
            of a round are dealt to the workers anew.
        value: 1 changes nothing for the first two, 0 for the last.
        centre: seconds, the median unit delay.
    """

    name: Name = ""
    value: float = 1.0
    centre: float = 0.0

    def turned(self, run: Run) -> Run:
        """The run on changed delays."""
        if self.name == "load":
            return replace(run, load_law=Dearer(run.load_law, self.value))
        if not self.name:
            return run
        tapes = [Changed(tape, self, (run.seed, r)) for r, tape in enumerate(run.tapes)]
        return replace(run, tapes=tapes)


AS_IT_IS = Dial()

DEARER = (0.25, 0.5, 2.0, 4.0)
LONGER = (0.25, 0.5, 2.0, 4.0)
DEALT_ANEW = -1.0
KEPT = (DEALT_ANEW, 0.5, 0.9)


def dials(centre: float) -> list[Dial]:
    """All that are tried, around unit delays with this median."""
    return [
        *(Dial("load", value) for value in DEARER),
        *(Dial("tail", value, centre) for value in LONGER),
        *(Dial("persistence", value) for value in KEPT),
    ]


@dataclass(frozen=True)
class Dearer(LoadLaw):
    """Another law, with partitions beyond a worker's first ``times`` as dear.

    Load d takes the other law's time for 1 + times (d - 1) partitions: where a time is linear in
    the load, the first takes what it took, and what the rest adds is multiplied.
    """

    kind: ClassVar[str] = "dearer"

    law: LoadLaw
    times: float

    @override
    def worker_times(self, tape: TapeLike, loads: Loads, start: int, stop: int) -> FloatArray:
        whole = np.asarray(loads, dtype=np.float64)
        felt = np.where(whole > 1, 1 + self.times * (whole - 1), whole)
        return self.law.worker_times(tape, felt, start, stop)


class Changed:
    """A tape whose delays are changed as they are read; the original is left as it is.

    Args:
        tape: the original.
        dial: ``tail`` or ``persistence``.
        key: of the random numbers of ``persistence``.
    """

    def __init__(self, tape: TapeLike, dial: Dial, key: tuple[int, int]) -> None:
        self._tape, self._dial, self._key = tape, dial, key

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self._tape.workers

    @property
    def block_rounds(self) -> int:
        """How many rounds are cheapest to read together."""
        return self._tape.block_rounds

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Changed unit delays of rounds ``start <= t < stop``: ``(stop - start, n)`` seconds."""
        if self._dial.name == "tail":
            drawn, centre = self._tape.rows(start, stop, stream), self._dial.centre
            return np.where(drawn > centre, centre + self._dial.value * (drawn - centre), drawn)
        drawn = self._tape.rows(0, stop, stream)
        chance = np.random.default_rng(self._key).random(drawn.shape)
        if self._dial.value < 0:
            return np.take_along_axis(drawn, chance.argsort(axis=1), axis=1)[start:]
        kept = chance < self._dial.value
        kept[:1] = False
        source = np.where(kept, 0, np.arange(stop)[:, None])
        source = np.maximum.accumulate(source, axis=0)
        return np.take_along_axis(drawn, source, axis=0)[start:]
