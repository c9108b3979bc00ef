"""What becomes of unfinished work: the same runs under every policy, and growing backlogs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product, starmap
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ....sim.engines.run import Policy
from ....sim.schemes.base import Fixed
from ...pictures import looks, style
from ...pictures.looks import DASHED, DOTTED, MUTED, SOLID, LineStyle, Look
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points, Rules
from ...run.metrics import per_replication
from ...run.records import compared_times
from ...text import number_of, percent, whole_percent
from .. import base
from ..base import Effort, Numbers, Words, curve_of, estimate_text, mean_text, ratio_text, rows_at
from .ranking import CLUSTER_WORK, SLOW_SHARE, SPEED_RATIO, additive, persistent

# what becomes of a straggler's unfinished work
POLICY_MEANINGS = {
    Policy.CANCEL: "cancel: drop the old task at once",
    Policy.FINISH: "finish: complete the old task, then the newest",
    Policy.QUEUE: "queue: do every task in order",
    Policy.DRAIN: "drain: all wait for the old task",
}

Runs = dict[tuple[Any, ...], pd.DataFrame]  # replications, by policy and scheme


@final
@dataclass(frozen=True)
class Policies(base.CodedFigure):
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
                own = runs[policy, scheme]["iteration_time"].to_numpy()
                drawn = [(seconds, (own.mean(), own.min(), own.max()))]
                if scheme != "uncoded":
                    drawn.append((speedups, _speedup(runs, policy, scheme)))
                for marks, interval in drawn:
                    middle, low, high = np.array(interval)[:, None]
                    reach = base.bars(middle, low, high)
                    marks.append(Points(look, middle, np.array([y]), dx=reach))
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
                own = runs[policy, scheme]
                speedups[scheme, policy] = _speedup(runs, policy, scheme)
                names = ("iteration_time", "time_to_target", "final_train_loss")
                seconds, *others = (mean_text(own[name].to_numpy()) for name in names)
                row = [looks.look(scheme).title, policy.value, seconds]
                row += [ratio_text(*speedups[scheme, policy]), *others]
                rows.append([*row, str(percent(own["wasted"].to_numpy().mean()))])
        header = ["scheme", "policy", "s / iteration", "speed-up to target over uncoded"]
        header += ["s to target", "final loss", "work wasted"]
        by_policy = {policy: speedups["erasurehead", policy][0] for policy in POLICY_MEANINGS}
        gains = ", ".join(f"{ratio:.2f} under {policy}" for policy, ratio in by_policy.items())
        return (
            f"The runs of the loss-versus-time figure on breast cancer data ({self.workers} "
            f"workers, d = {self.load}, r = {self.wait_for}, exponential delays of mean "
            f"{self.delay:g} s after {base.QUICK_WORK:g} s of work per partition, "
            "additive law), with four answers to what a straggler does with unfinished work when "
            "the next model is sent. Points are means over "
            f"{number_of(frame['replication'].nunique(), 'replication')} on common delays; bars on "
            "the left span all replications, on the right the 95 % interval of the paired "
            "ratio.\n\nErasureHead's speed-up over uncoded to a training loss of "
            f"{frame['target'].iloc[0]:.4g} is {gains}. A master that waits until everyone is idle "
            "(drain) needs at least as long per iteration as uncoded, however early it decoded. "
            "Under queue a worker that fell behind is late in the rounds after, so later rounds "
            "can be longer than the first (see the figure on backlogs); these are means over "
            f"the first {int(frame['iterations'].iloc[0])} "
            "iterations. To compare reported times one must know the policy: the authors' program "
            "reports uncoded, fractional repetition and ErasureHead as under cancel although it "
            "drains, but ignore stragglers and cyclic repetition as under queue.",
            Numbers(header, rows, names=2),
        )


def _runs(frame: pd.DataFrame) -> Runs:
    return dict(list(frame.sort_values("replication").groupby(["policy", "scheme"])))


def _speedup(runs: Runs, policy: Policy, scheme: str) -> tuple[float, float, float]:
    theirs, ours = (runs[policy, name]["time_to_target"].to_numpy() for name in ("uncoded", scheme))
    return compared_times(theirs, ours)[1]


POLICY_LINES: dict[Policy, LineStyle] = {
    Policy.CANCEL: SOLID,
    Policy.FINISH: DASHED,
    Policy.QUEUE: DOTTED,
}


@final
@dataclass(frozen=True)
class Backlog(base.CodedFigure):
    """Iteration time over rounds and persistence, where work is cancelled, finished or queued."""

    title: ClassVar[str] = "Backlogs: stragglers that work through every round"

    # correlations of a worker's state from round to round
    persistences: tuple[float, ...] = (0.0, 0.5, 0.9, 0.98, 1.0)
    iterations: int = 1000
    replications: int = 32

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per persistence, policy, scheme and stretch of rounds."""
        rows: list[dict[str, Any]] = []
        uncoded, _, _, *repeated = base.five_schemes(self.load, self.wait_for)
        schemes = [uncoded, *repeated]
        for persistence, policy in product(self.persistences, POLICY_LINES):
            law = {"delay": persistent(persistence), "load_law": additive(CLUSTER_WORK)}
            document = self.document(effort, policy=policy.value, schemes=schemes, **law)
            for cell, run, trace in effort.clocks(document):
                assert isinstance(run.scheme, Fixed)
                load = float(run.scheme.assignment.loads.mean())
                own_work = load * CLUSTER_WORK + base.MEAN_DELAY
                names = {"policy": policy.value, "scheme": cell.scheme["name"]}
                facts = {"persistence": persistence, **names, "own_work": own_work}
                rows += [facts | means for means in doubling_means(trace.intervals)]
        return pd.DataFrame(rows)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Left: ErasureHead over the rounds. Right: the last rounds against persistence."""
        over_rounds = self._over_rounds(frame[frame["scheme"] == "erasurehead"])
        panels = [over_rounds, self._against_persistence(_last(frame))]
        return Picture(panels, 2, style.TWO_PANELS, 5.0)

    def _over_rounds(self, frame: pd.DataFrame) -> Panel:
        colours = looks.ramp(len(self.persistences))
        queued = rows_at(frame, policy="queue").groupby("persistence")
        marks: list[Mark] = [
            _curve(rows, "middle", Look(colour, "", SOLID, f"queue, persistence {persistence:g}"))
            for colour, (persistence, rows) in zip(colours, queued, strict=True)
        ]
        least = frame["persistence"].min()
        cancelled = rows_at(frame, policy="cancel", persistence=least)
        dashed = Look(MUTED, "", "--", f"cancel, persistence {least:g}")
        marks.append(curve_of(cancelled, "middle", "iteration_time", dashed, width=1.4))
        own_work = frame["own_work"].to_numpy(dtype=float)[:1]
        marks.append(Rules("a worker's own work per round", y=own_work, line=":"))
        x, y = Axis("iteration", True), Axis("mean iteration time (s)", low=0.0)
        return Panel(x, y, marks, "ErasureHead, over the rounds")

    def _against_persistence(self, frame: pd.DataFrame) -> Panel:
        own = {scheme: looks.look(scheme) for scheme in frame["scheme"].unique()}
        ranked = base.ranked_by(frame, "persistence")
        marks: list[Mark] = []
        for scheme, look in own.items():
            for policy in (Policy.CANCEL,) if scheme == "uncoded" else POLICY_LINES:
                rows = rows_at(ranked, scheme=scheme, policy=policy.value)
                line = Look(look.colour, base.POLICY_MARKERS[policy], POLICY_LINES[policy], "")
                marks.append(_curve(rows, "place", line))
        marks += [Curve(replace(look, marker="", line=SOLID), width=3.0) for look in own.values()]
        for policy, dashes in POLICY_LINES.items():
            title = f"{policy.value} unfinished work"
            marks.append(Curve(Look(MUTED, base.POLICY_MARKERS[policy], dashes, title)))
        x = Axis("persistence of slow workers", names=base.sorted_names(frame["persistence"]))
        y = Axis("mean iteration time (s)", True, (1, 2, 3, 5))
        return Panel(x, y, marks, "last rounds, by policy")

    def words(self, frame: pd.DataFrame) -> Words:
        """The last rounds, and how far they are from the first."""
        last = _last(frame)
        header = ["scheme", "policy", *(f"{p:g}" for p in self.persistences)]
        rows = []
        for scheme, of_scheme in last.groupby("scheme", sort=False):
            for policy, own in of_scheme.groupby("policy", sort=False):
                pairs = own[["iteration_time", "standard_error"]].to_numpy(dtype=float)
                title = looks.look(str(scheme)).title
                rows.append([title, str(policy), *starmap(estimate_text, pairs)])
        queued = rows_at(frame, scheme="erasurehead", policy="queue")
        cancel = _last(rows_at(frame, scheme="erasurehead", policy="cancel"))["iteration_time"]
        moving = queued[queued["persistence"] < 1]
        end, start = _last(moving)["iteration_time"], moving[moving["last_round"] == 1]
        half_ways = ", ".join(
            f"{half_way(rows):.0f} at {persistence:g}"
            for persistence, rows in moving.groupby("persistence")
        )
        fixed = _last(queued[queued["persistence"] == 1])["iteration_time"].mean()
        first, own_work = start["iteration_time"].mean(), queued["own_work"].iloc[0]
        grown = (
            f" Rounds that took {first:.2f} s at first take {end.min():.2f} to {end.max():.2f} s "
            f"in the end; half of the growth is done by round {half_ways}, and shorter runs "
            "underestimate the time."
        )
        without = (
            f" Where the slow workers are always the same (persistence 1: {fixed:.2f} s), the "
            "others carry on without them."
        )
        return (
            f"{self.workers} workers, of which {whole_percent(SLOW_SHARE)} are {SPEED_RATIO:g} "
            "times slower than the others at any moment; exponential delays of mean "
            f"{base.MEAN_DELAY:g} s over all, {CLUSTER_WORK:g} s of work per partition, additive "
            f"law, d = {self.load}, r = {self.wait_for}. The persistence is the correlation of a "
            "worker's state in successive rounds: 0 decides anew in each round who is slow, 1 "
            "never; a single round has the same law at every persistence. Left: mean over "
            f"{number_of(frame['replications'].max(), 'replication')} and ever more "
            f"rounds, with 95 % intervals. Right: the last {int(last['rounds'].iloc[0])} of "
            f"{int(last['last_round'].max())} rounds; circles and solid lines are cancel, squares "
            "and dashes finish, triangles and dots queue, in the schemes' colours (black: "
            "uncoded, where nobody is ever left behind).\n\n"
            f"When unfinished work is cancelled, ErasureHead takes {cancel.min():.3f} to "
            f"{cancel.max():.3f} s per round, whatever the persistence. When every round is worked "
            "off, a worker is a queue: once slow, it is late in the rounds "
            f"after.{grown * bool(end.min() > first)} In the long run, and unless somebody is slow "
            f"for ever, the mean round cannot be shorter than a worker's own work per round "
            f"(dotted, {own_work:.2f} s), however few workers are waited "
            f"for.{without * bool(fixed < own_work)} Closed forms for independent rounds do not "
            "show this.\n\n"
            f"Seconds per iteration in the last {int(last['rounds'].iloc[0])} rounds, by "
            "persistence:",
            Numbers(header, rows, names=2),
        )


def doubling_means(seconds: FloatArray) -> list[dict[str, float]]:
    """Means over stretches of rounds that double in length: ``seconds`` is ``(R, T)``."""
    replications, rounds = seconds.shape
    edges = np.unique(np.append(np.geomspace(1, rounds + 1, 21).astype(int)[:-1], rounds + 1)) - 1
    rows = []
    for start, stop in pairwise(edges.tolist()):
        stretch = {"middle": float(np.sqrt((start + 1) * stop)), "last_round": stop}
        known = base.estimate_columns(seconds[:, start:stop].mean(axis=1), "iteration_time")
        rows.append(stretch | {"rounds": stop - start, **known, "replications": replications})
    return rows


def _curve(rows: pd.DataFrame, along: str, look: Look) -> Curve:
    return curve_of(rows, along, "iteration_time", look, "standard_error", width=1.5, bars=True)


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.query("last_round == last_round.max()")


def half_way(rows: pd.DataFrame) -> float:
    """The round by which half of the growth of the iteration time is done."""
    seconds = rows["iteration_time"].to_numpy(dtype=float)
    return float(rows["middle"].iloc[int(np.argmax(seconds >= (seconds[0] + seconds[-1]) / 2))])
