"""Loss against time where a round is cheap or dear, and where the model is a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ...pictures import style
from ...pictures.looks import DASHED, SOLID, Look, look, ramp
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Rules
from ...run.tuning import Runs, best, target_loss
from ...text import number_of, whole_percent
from .. import base
from ..base import Effort, Numbers, Section, Words, by_replication, mean_text, median_curve, rows_at
from .sequential_members import training_runs

# the target is this share of the way from the zero model's loss to that of the best model: what
# many local steps reach although they settle beside the optimum
LOCAL_SHARE = 0.95
# learning rates from which every line has its own
LOCAL_RATES = tuple(2.0**k for k in range(-9, 0))


@final
@dataclass(frozen=True)
class LocalSteps(base.CodedFigure):
    """Loss against time of local steps, ErasureHead and asynchronous updates, over two networks."""

    title: ClassVar[str] = "Local steps, where a round is cheap and where it is dear"

    steps: tuple[int, ...] = (1, 4, 16, 64)  # H, local steps in a round
    round_trips: tuple[float, ...] = (0.02, 4.0)  # seconds to a worker and back, of each network
    iterations: int = 192
    replications: int = 8
    trials: int = 4  # replications, on other delays, on which rates are chosen
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per network, scheme, replication and iteration."""
        frames = [frame for trip in self.round_trips for frame in self._network(trip, effort)]
        return pd.concat(frames, ignore_index=True)

    def _network(self, trip: float, effort: Effort) -> Iterator[pd.DataFrame]:
        document = self.document(
            effort,
            problem={"loss": "least_squares", "dataset": "diabetes", "l2": "1/rows"},
            network={"broadcast_latency": trip / 2, "uplink_latency": trip / 2},
            **base.delays_and_law("additive", base.QUICK_WORK, self.delay),
        )
        trial = {**document, "replications": effort.times(self.trials)}
        other = replace(effort, seed=effort.seed + 1)
        problem = effort.problem(document)
        target, least = target_loss(problem, LOCAL_SHARE), target_loss(problem, 1.0)
        local: list[Section] = [{"name": "local_sgd", "steps": steps} for steps in self.steps]
        coded = {"name": "erasurehead", "load": self.load, "wait_for": self.wait_for}
        for section in [*local, coded, {"name": "asynchronous"}]:
            _, tried = training_runs(trial, section, LOCAL_RATES, other)
            rate = LOCAL_RATES[best([runs.seconds(target) for runs in tried])]
            _, [runs] = training_runs(document, section, [rate], effort)
            replication, iteration = np.indices(runs.times.shape).reshape(2, -1)
            table = pd.DataFrame({"replication": replication, "iteration": iteration})
            table = table.assign(time=runs.times.ravel(), train_loss=runs.losses.ravel())
            names = {"scheme": section["name"], "steps": section.get("steps", 0)}
            facts = {"rate": rate, "target": target, "least": least}
            yield table.assign(round_trip=trip, **names, **facts)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One panel per network."""
        trips = frame["round_trip"].unique()
        panels = [
            self._panel(trip, rows_at(frame, round_trip=trip), trip == trips[0]) for trip in trips
        ]
        return Picture(panels, 2, style.TWO_PANELS, 3.9, share="rows")

    def _panel(self, trip: float, frame: pd.DataFrame, named: bool) -> Panel:
        curves, least = [], float(frame["least"].iloc[0])
        for drawn, rows in _lines(frame):
            times, losses = by_replication(rows, "time", "train_loss")
            own = drawn if named else replace(drawn, title="")
            above = np.maximum(losses - least, 1e-12)
            curves.append(median_curve(own, times, above, marked=(-1,)))
        target = Rules("target" if named else "", y=frame["target"].unique() - least)
        seconds = Axis("simulated time (s)", log=True, ticks=(1,))
        loss = Axis("training loss above\nthe best model's", log=True)
        return Panel(seconds, loss, [*curves, target], f"round trip {trip:g} s")

    def words(self, frame: pd.DataFrame) -> base.Words:
        """Rates, seconds per iteration, time to the target, final loss, for each network."""
        tables, first = list[str | base.Numbers](), []
        for trip, over_network in frame.groupby("round_trip", sort=False):
            rows, soonest = [], {}
            for drawn, own in _lines(over_network):
                runs = Runs(*by_replication(own, "time", "train_loss"))
                target = float(own["target"].iloc[0])
                soonest[drawn.title] = float(np.nan_to_num(runs.seconds(target), nan=np.inf).mean())
                seconds = runs.times[:, -1] / (runs.times.shape[1] - 1)
                texts = map(mean_text, (seconds, runs.seconds(target), runs.losses[:, -1]))
                rows.append([drawn.title, f"{own['rate'].iloc[0]:g}", *texts])
            header = ["scheme", "learning rate", "s / iteration", "s to target", "final loss"]
            order = sorted((s, title) for title, s in soonest.items() if np.isfinite(s))
            names = " and ".join(title for _, title in order[:2]) or "none"
            first.append(f"Over a round trip of {trip:g} s soonest on average: {names}.")
            tables.append(f"**Round trip of {trip:g} s**, target {target:.4g}:")
            tables.append(base.Numbers(header, rows))
        replications = number_of(frame["replication"].nunique(), "replication")
        last = int(frame["iteration"].max())
        return (
            f"{self.workers} workers, diabetes data (least squares), plain gradient descent from "
            f"the zero model; exponential delays of mean {self.delay:g} s after "
            f"{base.QUICK_WORK:g} s of work per partition, additive law; unfinished work is "
            f"cancelled. Lines are medians over {replications} on common delays, "
            "bands the 10th to 90th percentile, each up to where its fastest replication has made "
            f"{last} iterations: local steps, decoded gradients, or n single gradients of "
            "asynchronous updates. With H local steps, a worker takes H on its own partition, and "
            "then all models are averaged; H = 1 is plain synchronous descent. Each line has its "
            f"own best learning rate of {LOCAL_RATES[0]:g} to {LOCAL_RATES[-1]:g} (powers of 2): "
            f"that at which the target, {whole_percent(LOCAL_SHARE)} of the way from the zero "
            "model's loss to the best model's, is reached soonest on other delays. A dash says "
            f"that a replication does not reach it.\n\n{' '.join(first)}\n\n"
            "Local steps save what a round costs: the network, and a part of the waiting for the "
            "slowest, since the sum of H delays varies less than one delay. They pay in progress: "
            "each worker moves towards the optimum of its own data, so that their mean settles "
            "beside that of all. A code saves the waiting alone, but its gradients are "
            "those of nearly all data. Asynchronous updates pay the network once a gradient.",
            *tables,
        )


def _lines(frame: pd.DataFrame) -> Iterator[tuple[Look, pd.DataFrame]]:
    several = sorted(set(frame["steps"]) - {0})
    colours = dict(zip(several, ramp(len(several)), strict=True))
    for (scheme, steps), rows in frame.groupby(["scheme", "steps"], sort=False):
        own = Look(colours[steps], "", SOLID, f"H = {steps}") if steps else look(str(scheme))
        yield own, rows


@final
@dataclass(frozen=True)
class NetworkDigits(base.CodedFigure):
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
        uncoded, ignoring, _, *coded = base.five_schemes(self.load, self.wait_for)
        ignoring["wait_for"] = self.workers - self.workers // 5
        frames = []
        for rate, schemes in (
            (self.rate, [uncoded, ignoring, *coded, {"name": "asynchronous"}]),
            *[(self.small_rate, [{"name": "asynchronous"}])] * (self.small_rate != self.rate),
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
        left, right = list[Curve](), list[Mark]()
        for own, (times, losses, accuracies) in self._lines(frame):
            left.append(median_curve(own, times, losses, marked=(-1,)))
            beside = replace(own, title="")
            right.append(median_curve(beside, times, accuracies, marked=(-1,)))
        right.append(Rules("chance", y=np.array([0.1])))  # one of ten digits
        seconds = Axis("simulated time (s)", log=True, ticks=(1,))
        loss, accuracy = Axis("training loss", log=True), Axis("test accuracy")
        panels = [Panel(seconds, loss, left), Panel(seconds, accuracy, right)]
        return Picture(panels, 2, style.TWO_PANELS, 3.9)

    def _lines(self, frame: pd.DataFrame) -> Iterator[tuple[Look, list[FloatArray]]]:
        """Look, and ``(R, T + 1)`` times, losses and accuracies, of each line."""
        for (scheme, rate), rows in frame.groupby(["scheme", "rate"], sort=False):
            drawn = look(str(scheme))
            if scheme == "asynchronous":
                line = drawn.line if rate == self.rate else DASHED
                drawn = replace(drawn, line=line, title=f"{drawn.title}, rate {rate:g}")
            yield drawn, by_replication(rows, "time", "train_loss", "test_accuracy")

    def words(self, frame: pd.DataFrame) -> Words:
        """Seconds per iteration, final losses and accuracies."""
        rows = []
        for drawn, (times, losses, right) in self._lines(frame):
            seconds = times[:, -1] / (times.shape[1] - 1)
            texts = map(mean_text, (seconds, losses[:, -1], right[:, -1]))
            rows.append([drawn.title, *texts])
        table = Numbers(["scheme", "s / iteration", "final loss", "test accuracy"], rows)
        sizes = " and ".join(map(str, self.hidden))
        replications = number_of(frame["replication"].nunique(), "replication")
        last = int(frame["iteration"].max())
        return (
            f"{self.workers} workers, the digits of scikit-learn, ReLU units ({sizes}) and "
            f"softmax, plain gradient descent at learning rate {self.rate:g}, all from one start; "
            f"exponential delays of mean {self.delay:g} s after {base.QUICK_WORK:g} s of work per "
            "partition, "
            f"additive law. Lines are medians over {replications} on common delays, "
            f"bands the 10th to 90th percentile, over {last} iterations. A network is not convex, "
            "so no theorem of the paper speaks of it: what a code decodes is a gradient of nearly "
            "all data, whatever the model is. Asynchronous gradients are old, and a learning rate "
            f"that serves the others may be too large for them.",
            table,
        )
