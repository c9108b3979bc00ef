"""What the clock leaves out: the same runs under the four straggler policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ...sim.engines.cluster import Policy
from ...sim.metrics import per_replication
from ...sim.types import FloatArray
from ..pictures import looks, style
from ..pictures.picture import Axis, Mark, Panel, Picture, Points, Rules
from ..run.records import compared_times
from . import base
from .base import CodedFigure, Effort, Numbers, Words, bars, mean_text, ratio_text, rows_at

# what becomes of a straggler's unfinished work
POLICY_MEANINGS = {
    Policy.CANCEL: "cancel: drop the old task at once",
    Policy.FINISH: "finish: end the old task, then the newest",
    Policy.QUEUE: "queue: do every task in order",
    Policy.DRAIN: "drain: all wait for the old task",
}

Runs = dict[tuple[Policy, str], FloatArray]  # of each replication, ``(R,)``, by policy and scheme


@final
@dataclass(frozen=True)
class Policies(CodedFigure):
    """The same runs under cancel, finish, queue and drain: when the gain is real.

    The target is the loss of the exact gradient after half of the iterations."""

    title: ClassVar[str] = "What becomes of unfinished work"

    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per policy, scheme and replication."""
        document = self.document(
            effort,
            schemes=base.five_schemes(self.load, self.wait_for, self.workers),
            **base.BREAST_CANCER,
            **base.delays_and_law("additive", base.QUICK_WORK, self.delay),
        )
        target = effort.half_way_loss(document)
        frames = []
        for policy in POLICY_MEANINGS:
            chosen = document | {"policy": policy.value, "target_loss": target}
            for cell, result in effort.results(chosen):
                runs = pd.DataFrame(per_replication(result)).reset_index(names="replication")
                names = {"policy": policy.value, "scheme": cell.scheme["name"]}
                frames.append(runs.assign(**names, target=target, iterations=self.iterations))
        return pd.concat(frames, ignore_index=True)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Left: seconds per iteration. Right: speed-up over uncoded under the same policy."""
        schemes = list(frame["scheme"].unique())
        runs = _runs(frame)
        seconds, speedups, markers = list[Mark](), list[Mark](), base.POLICY_MARKERS
        for row, scheme in enumerate(schemes):
            for step, policy in enumerate(POLICY_MEANINGS):
                y = row + 0.18 * (step - 1.5)
                look = looks.Look(looks.look(scheme).colour, markers[policy], "none", "")
                own = runs["iteration_time"][policy, scheme]
                drawn = [(seconds, (own.mean(), own.min(), own.max()))]
                if scheme != "uncoded":
                    drawn.append((speedups, _speedup(runs["time_to_target"], policy, scheme)))
                for marks, interval in drawn:
                    middle, low, high = np.array(interval)[:, None]
                    marks.append(Points(look, middle, np.array([y]), dx=bars(middle, low, high)))
        keys = [
            Points(looks.Look(looks.MUTED, markers[policy], "none", meaning))
            for policy, meaning in POLICY_MEANINGS.items()
        ]
        names = tuple(looks.look(scheme).title.replace(" ", "\n") for scheme in schemes)
        rows = Axis("", low=len(schemes) - 0.5, high=-0.5, names=names)
        equal = Rules("", x=np.ones(1))
        faster = "times faster to the target\nthan uncoded, same policy"
        panels = [
            Panel(Axis("mean iteration time (s)", low=0.0), rows, [*seconds, *keys]),
            Panel(Axis(faster, True, (1, 2, 5), low=0.8), rows, [equal, *speedups]),
        ]
        return Picture(panels, 2, style.TWO_PANELS, 4.2, share="rows", legend=2)

    def words(self, frame: pd.DataFrame) -> Words:
        """Seconds per iteration and speed-up for each scheme and policy."""
        runs, rows, speedups = _runs(frame), [], {}
        for scheme in frame["scheme"].unique():
            for policy in POLICY_MEANINGS:
                own = {column: values[policy, scheme] for column, values in runs.items()}
                speedups[scheme, policy] = _speedup(runs["time_to_target"], policy, scheme)
                names = ("iteration_time", "time_to_target", "final_train_loss")
                seconds, *others = (mean_text(own[name]) for name in names)
                row = [looks.look(scheme).title, policy.value, seconds]
                row += [ratio_text(*speedups[scheme, policy]), *others]
                rows.append([*row, f"{own['wasted'].mean():.1%}"])
        header = ["scheme", "policy", "s / iteration", "speed-up to target over uncoded"]
        header += ["s to target", "final loss", "work wasted"]
        gains = ", ".join(
            f"{speedups['erasurehead', policy][0]:.2f} under {policy.value}"
            for policy in POLICY_MEANINGS
        )
        return (
            f"The runs of the loss-versus-time figure on breast cancer data ({self.workers} "
            f"workers, d = {self.load}, r = {self.wait_for}, exponential delays of mean "
            f"{self.delay:g} s after {base.QUICK_WORK:g} s of work per partition, "
            "additive law), with four answers to what a straggler does with unfinished work when "
            "the next model is sent. Points are means over "
            f"{frame['replication'].nunique()} replications on common delays; bars on the left "
            "span all replications, on the right the 95 % interval of the paired ratio.\n\n"
            f"ErasureHead's speed-up over uncoded to a training loss of "
            f"{frame['target'].iloc[0]:.4g} is {gains}. It is largest where stragglers can be told "
            "to stop. A master that waits until everyone is idle (drain) needs as long per "
            "iteration as uncoded, however early it decoded, so a scheme gains nothing and one "
            "with inexact gradients loses. Under queue a worker that fell behind is late in the "
            "rounds after, so early rounds are shorter than later ones (see the figure on "
            f"backlogs); these are means over the first {int(frame['iterations'].iloc[0])} "
            "iterations. To compare reported times one must know the policy: the authors' program "
            "reports uncoded, fractional repetition and ErasureHead as under cancel although it "
            "drains, but ignore stragglers and cyclic repetition as under queue.",
            Numbers(header, rows, names=2),
        )


def _runs(frame: pd.DataFrame) -> dict[str, Runs]:
    rows = {
        (policy, scheme): rows_at(frame, policy=policy.value, scheme=scheme)
        for policy in POLICY_MEANINGS
        for scheme in frame["scheme"].unique()
    }
    return {
        name: {key: own.sort_values("replication")[name].to_numpy() for key, own in rows.items()}
        for name in ("iteration_time", "time_to_target", "final_train_loss", "wasted")
    }


def _speedup(times: Runs, policy: Policy, scheme: str) -> tuple[float, float, float]:
    return compared_times(times[policy, "uncoded"], times[policy, scheme])[1]
