"""Loss and test accuracy of a network against time, under exact, approximate and old gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ..pictures import style
from ..pictures.looks import DASHED, Look, look
from ..pictures.picture import Axis, Curve, Panel, Picture, Rules
from . import base
from .base import CodedFigure, Effort, Numbers, Section, Words, mean_text, median_curve


@final
@dataclass(frozen=True)
class NetworkDigits(CodedFigure):
    """A network on digits: training loss and test accuracy against time."""

    title: ClassVar[str] = "A network on handwritten digits"

    iterations: int = 100
    replications: int = 4
    hidden: tuple[int, ...] = (32,)  # units of each hidden layer
    rate: float = 0.5  # learning rate
    small_rate: float = 0.05  # that of the second asynchronous line
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per line, replication and iteration."""
        synchronous: list[Section] = [
            {"name": "uncoded"},
            {"name": "ignore_stragglers", "wait_for": self.workers - self.workers // 5},
            {"name": "fractional_repetition", "load": self.load},
            {"name": "erasurehead", "load": self.load, "wait_for": self.wait_for},
        ]
        frames = []
        for rate, schemes in (
            (self.rate, [*synchronous, {"name": "asynchronous"}]),
            (self.small_rate, [{"name": "asynchronous"}]),
        ):
            document = self.document(
                effort,
                schemes=schemes,
                problem={"loss": "mlp", "hidden": [*self.hidden], "dataset": "digits"},
                optimizer={"rule": "gd", "learning_rate": rate},
                **base.delays_and_law("additive", base.QUICK_WORK, self.delay),
            )
            for cell, result in effort.results(document):
                columns = ["replication", "iteration", "time", "train_loss", "test_accuracy"]
                names = {"scheme": cell.scheme["name"], "rate": rate}
                frames.append(result.iterations[columns].assign(**names))
        return pd.concat(frames, ignore_index=True)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """The loss, and the accuracy beside it."""
        loss = Axis("training loss", log=True)
        seconds = Axis("simulated time (s)", log=True, ticks=(1,))
        accuracy = Axis("test accuracy")
        chance = Rules("chance", y=np.array([0.1]))  # one of ten digits
        panels = [
            Panel(seconds, loss, [*self._curves(frame, "train_loss", True)]),
            Panel(seconds, accuracy, [*self._curves(frame, "test_accuracy", False), chance]),
        ]
        return Picture(panels, 2, style.TWO_PANELS, 3.9)

    def _curves(self, frame: pd.DataFrame, column: str, named: bool) -> Iterator[Curve]:
        for drawn, times, values in self._lines(frame, column):
            own = drawn if named else replace(drawn, title="")
            yield median_curve(own, times, values, marked=(-1,))

    def _lines(
        self, frame: pd.DataFrame, column: str
    ) -> Iterator[tuple[Look, np.ndarray, np.ndarray]]:
        """Look, and ``(R, T + 1)`` times and values, of each line."""
        for (scheme, rate), rows in frame.groupby(["scheme", "rate"], sort=False):
            drawn = look(str(scheme))
            if scheme == "asynchronous":
                line = drawn.line if rate == self.rate else DASHED
                drawn = replace(drawn, line=line, title=f"{drawn.title}, rate {rate:g}")
            times, values = base.by_replication(rows, "time", column)
            yield drawn, times, values

    def words(self, frame: pd.DataFrame) -> Words:
        """Seconds per iteration, final losses and accuracies."""
        rows = []
        pairs = zip(
            self._lines(frame, "train_loss"), self._lines(frame, "test_accuracy"), strict=True
        )
        for (drawn, times, losses), (_, _, right) in pairs:
            seconds = times[:, -1] / (times.shape[1] - 1)
            texts = map(mean_text, (seconds, losses[:, -1], right[:, -1]))
            rows.append([drawn.title, *texts])
        table = Numbers(["scheme", "s / iteration", "final loss", "test accuracy"], rows)
        sizes = " and ".join(map(str, self.hidden))
        replications, last = frame["replication"].nunique(), int(frame["iteration"].max())
        return (
            f"{self.workers} workers, the digits of scikit-learn, ReLU units ({sizes}) and "
            f"softmax, plain gradient descent at learning rate {self.rate:g}, all from one start; "
            f"exponential delays of mean {self.delay:g} s after {base.QUICK_WORK:g} s of work per "
            "partition, "
            f"additive law. Lines are medians over {replications} replications on common delays, "
            f"bands the 10th to 90th percentile, over {last} iterations. A network is not convex, "
            "so no theorem of the paper speaks of it: what a code decodes is a gradient of nearly "
            "all data, whatever the model is. Asynchronous gradients are old, and a learning rate "
            f"that serves the others may be too large for them.",
            table,
        )
