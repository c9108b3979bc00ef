"""What happens when stragglers work off every round: waiting grows with the backlog."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise, product, starmap
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.engines.cluster import Policy
from ...sim.schemes.base import Fixed
from ...sim.types import FloatArray
from ..pictures import looks, style
from ..pictures.looks import DASHED, DOTTED, MUTED, SOLID, LineStyle, Look
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Rules
from ..run.records import mean_and_error
from . import base
from .base import CodedFigure, Effort, Numbers, Words, curve_of, estimate_text, ranked_by, rows_at
from .clusters import CLUSTER_WORK, SLOW_SHARE, SPEED_RATIO, additive, persistent

POLICY_LINES: dict[Policy, LineStyle] = {
    Policy.CANCEL: SOLID,
    Policy.FINISH: DASHED,
    Policy.QUEUE: DOTTED,
}


@final
@dataclass(frozen=True)
class Backlog(CodedFigure):
    """Iteration time over rounds and persistence, where work is cancelled, finished or queued."""

    title: ClassVar[str] = "Backlogs: stragglers that work through every round"

    # correlations of a worker's state from round to round
    persistences: tuple[float, ...] = (0.0, 0.5, 0.9, 0.98, 1.0)
    iterations: int = 1000
    replications: int = 32

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per persistence, policy, scheme and span of rounds."""
        rows: list[dict[str, Any]] = []
        uncoded, _, _, *repeated = base.five_schemes(self.load, self.wait_for)
        schemes = [uncoded, *repeated]
        for persistence, policy in product(self.persistences, POLICY_LINES):
            law = {"delay": persistent(persistence), "load_law": additive(CLUSTER_WORK)}
            document = self.document(effort, policy=policy.value, schemes=schemes, **law)
            for cell, run, trace in effort.clocks(document):
                assert isinstance(run.scheme, Fixed)
                own_work = (
                    float(run.scheme.assignment.loads.mean()) * CLUSTER_WORK + base.MEAN_DELAY
                )
                names = {"policy": policy.value, "scheme": cell.scheme["name"]}
                facts = {"persistence": persistence, **names, "own_work": own_work}
                rows += [facts | span for span in spans(trace.intervals)]
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
        cancelled = rows_at(frame, policy="cancel", persistence=0)
        dashed = Look(MUTED, "", "--", "cancel, persistence 0")
        marks.append(curve_of(cancelled, "middle", "iteration_time", dashed, width=1.4))
        own_work = frame["own_work"].to_numpy(dtype=float)[:1]
        marks.append(Rules("a worker's own work per round", y=own_work, line=":"))
        x, y = Axis("iteration", True), Axis("mean iteration time (s)", low=0.0)
        return Panel(x, y, marks, "ErasureHead, over the rounds")

    def _against_persistence(self, frame: pd.DataFrame) -> Panel:
        own = {scheme: looks.look(scheme) for scheme in frame["scheme"].unique()}
        ranked = ranked_by(frame, "persistence")
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
        x = Axis("persistence of slow workers", names=tuple(f"{p:g}" for p in self.persistences))
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
        fixed = _last(queued[queued["persistence"] == 1])["iteration_time"]
        grown = (
            f" Rounds that took {start['iteration_time'].mean():.2f} s at first take "
            f"{end.min():.2f} to {end.max():.2f} s in the end."
        )
        seconds = f": {fixed.mean():.2f} s" if fixed.size else ""
        return (
            f"{self.workers} workers, of which {SLOW_SHARE:.0%} are {SPEED_RATIO:g} times "
            f"slower than the others at any moment; exponential delays of mean {base.MEAN_DELAY:g} "
            f"s over all, {CLUSTER_WORK:g} s of work per partition, additive law, d = {self.load}, "
            f"r = {self.wait_for}. The persistence is the correlation of a worker's state in "
            "successive rounds: 0 decides anew in each round who is slow, 1 never; a single round "
            "has the same law at every persistence. Left: mean over "
            f"{int(frame['replications'].max())} replications and a growing span of rounds, with "
            f"95 % intervals. Right: the last {int(last['rounds'].iloc[0])} of "
            f"{int(last['last_round'].max())} rounds; circles and solid lines are cancel, squares "
            "and dashes finish, triangles and dots queue, in the schemes' colours (black: uncoded, "
            "where nobody is ever left behind).\n\n"
            f"When unfinished work is cancelled, ErasureHead takes {cancel.min():.3f} to "
            f"{cancel.max():.3f} s per round, whatever the persistence. When every round is worked "
            "off, a worker is a queue: once slow, it is late in the rounds "
            f"after.{grown if half_ways else ''} In the long run the mean round cannot be shorter "
            f"than a worker's own work per round (dotted, {queued['own_work'].iloc[0]:.2f} s), "
            "however few workers are waited for. Persistence decides how soon that "
            f"shows{f': half of the growth is done by round {half_ways}' if half_ways else ''}; "
            "shorter runs underestimate the time. If the slow workers are always the same "
            f"(persistence 1{seconds}), the others carry on without them. Closed forms for "
            "independent rounds do not show this.\n\n"
            f"Seconds per iteration in the last {int(last['rounds'].iloc[0])} rounds, by "
            "persistence:",
            Numbers(header, rows, names=2),
        )


def spans(seconds: FloatArray) -> list[dict[str, float]]:
    """Means over spans of rounds that double in length: ``seconds`` is ``(R, T)``."""
    replications, rounds = seconds.shape
    edges = np.unique(np.append(np.geomspace(1, rounds + 1, 21).astype(int)[:-1], rounds + 1)) - 1
    rows = []
    for start, stop in pairwise(edges.tolist()):
        mean, error = mean_and_error(seconds[:, start:stop].mean(axis=1))
        span = {"middle": float(np.sqrt((start + 1) * stop)), "last_round": stop}
        known = {"iteration_time": mean, "standard_error": error, "replications": replications}
        rows.append(span | {"rounds": stop - start} | known)
    return rows


def _curve(rows: pd.DataFrame, along: str, look: Look) -> Curve:
    return curve_of(rows, along, "iteration_time", look, "standard_error", width=1.5, bars=True)


def _last(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.query("last_round == last_round.max()")


def half_way(rows: pd.DataFrame) -> float:
    """The round by which half of the growth of the iteration time is done."""
    seconds = rows["iteration_time"].to_numpy(dtype=float)
    return float(rows["middle"].iloc[int(np.argmax(seconds >= (seconds[0] + seconds[-1]) / 2))])
