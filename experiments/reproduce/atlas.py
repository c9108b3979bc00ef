"""Seconds per iteration against decoding error of all synchronous schemes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.engines.run import Run
from ...sim.schemes import SCHEMES
from ...sim.schemes.base import RoundScheme
from ...sim.theory import expected_decoding_error
from ...sim.types import FloatArray, Trace
from ..pictures import looks, style
from ..pictures.kinds.losses import pareto
from ..pictures.looks import MUTED, SOLID, Look, look
from ..pictures.picture import Axis, Bars, Curve, Fill, Mark, Panel, Picture, Points, Texts
from ..run.records import mean_and_error
from .base import Effort, RunsFigure, Section, bars, estimate_text, markdown_table, rows_of
from .clusters import MEAN, SLOW_SHARE, SLOWER, TAILS, WORK, additive, persistent

# What is compared. A scheme has as many members as its fields have choices in ``GRID``. One without
# a line there is left out, with its reason in ``LEFT_OUT`` if there is one.

LOADS = (2, 3, 5)
ARRIVALS = (15, 20, 25)
PIECES = 12  # micro-batches of ``drop_compute``
# seconds: multiples of the mean time of a partition
PATIENCE = tuple(round(factor * (MEAN + WORK), 6) for factor in (0.75, 1.0, 1.25, 1.5))

# why some schemes with rounds are not compared
LEFT_OUT = {
    "heterogeneity_aware": "for workers of different speeds",
    "heterogeneous_split": "for workers of different speeds",
    "block_design": "no design with 30 workers",
    "matrix": "depends on your file",
    "adaptive_k": "decides by losses",
}

# fields of each scheme, all combinations
GRID: dict[str, dict[str, tuple[Any, ...]]] = {
    "uncoded": {},
    "ignore_stragglers": {"wait_for": (10, 15, 20, 25, 28), "rescale": (False, True)},
    "window": {"tolerance": (0.5, 1.0, 2.0, 4.0), "rescale": (False, True)},
    "fractional_repetition": {"load": LOADS},
    "cyclic_repetition": {"load": LOADS},
    "cyclic_mds": {"load": LOADS},
    "generalized_fractional_repetition": {"load": (2, 3, 4, 5)},
    "communication_efficient": {"load": LOADS, "share": (2,)},
    "erasurehead": {"load": LOADS, "wait_for": ARRIVALS, "rescale": (False, True)},
    "bernoulli": {"load": LOADS, "wait_for": ARRIVALS},
    "stochastic_block": {"load": LOADS, "wait_for": ARRIVALS, "community": (6,), "inside": (0.3,)},
    "regular_graph": {"load": LOADS, "wait_for": ARRIVALS},
    "expander": {"load": LOADS, "wait_for": ARRIVALS, "graph": ("circulant",)},
    "graph_assignment": {"degree": (3, 4, 5), "wait_for": ARRIVALS},
    "stochastic_gradient_coding": {"load": LOADS, "wait_for": ARRIVALS},
    "ignore_arbitrary": {"load": LOADS, "wait_for": ARRIVALS},
    "multi_message": {"load": LOADS, "assignment": ("fractional", "cyclic")},
    "partial_stragglers": {"load": LOADS},
    "pipelined": {"load": LOADS, "wait_for": ARRIVALS},
    "block_coordinate": {},
    "adaptive_deadline": {"kappa": (1.0, 2.0, 4.0)},
    "sequential": {"B": (1,), "W": (2,), "stragglers": (4, 8), "tolerance": (1.0,)},
    "drop_compute": {"pieces": (PIECES,), "patience": PATIENCE, "cut": ("after", "at")},
    "mindflayer": {"trials": (1, 2), "patience": PATIENCE},
}


def members() -> Iterator[Section]:
    """The ``schemes`` of a config."""
    for name, choices in GRID.items():
        for values in product(*choices.values()):
            yield {"name": name, **dict(zip(choices, values, strict=True))}


def not_compared() -> dict[str, str]:
    """The schemes with rounds that are not compared, and why."""
    others = {
        name: "not part of this comparison"
        for name, family in SCHEMES.items()
        if name not in GRID | LEFT_OUT and isinstance(family.examples()[0].build(12), RoundScheme)
    }
    return LEFT_OUT | others


# how a title says a field; others have one value here
SHORT = {
    "load": "d = {}",
    "degree": "d = {}",
    "wait_for": "r = {}",
    "tolerance": "μ = {:g}",
    "kappa": "κ = {:g}",
    "patience": "τ = {:g} s",
    "trials": "B = {}",
    "stragglers": "λ = {}",
    "cut": "cut: {}",
    "assignment": "{}",
}


def title(member: Section) -> str:
    """A scheme's name for people, with what tells its members apart."""
    fields = [SHORT[key].format(value) for key, value in member.items() if key in SHORT]
    fields += ["rescaled"] if member.get("rescale") else []
    return ", ".join([look(str(member["name"])).title, *fields])


PERSISTENCE = 0.9
# three delay laws of one mean
DELAYS: dict[str, Section] = {
    "shifted exponential": TAILS["shifted exponential"],
    "Pareto (α = 2.2)": TAILS["Pareto (α = 2.2)"],
    f"two speeds, persistence {PERSISTENCE:g}": persistent(PERSISTENCE),
}
EXACT = "exact"
GREY = "#9A9A9A"
FRONT = Look(MUTED, "", SOLID, "Pareto front")
OTHERS = Look(GREY, "o", "none", "others")
LATE = Look(GREY, "x", "none", "others, with late gradients")
# exact schemes whose workers send several messages a round
SEVERAL = ("multi_message", "partial_stragglers", "block_coordinate")
LEADER = Look(MUTED, "", SOLID, "")  # the line from a name to its point
UNSEEN = 1e-12  # a measured error that is 0 but for rounding
# errors below the first are on a linear axis, on which it is so high, in decades; half the height
# of the strip of exact schemes
LINEAR, LOW, STRIP = 1e-3, 0.7, 0.4
# where the axis begins, in times of the fastest member; where a name ends, in times of its point;
# from one name to the next, as a share of the axis
ROOM, NAME, GAP = 0.33, 0.94, 0.08


@final
@dataclass(frozen=True)
class Atlas(RunsFigure):
    """Seconds per iteration against decoding error of all synchronous schemes, and Pareto front."""

    title: ClassVar[str] = "All schemes on one clock"
    held: ClassVar[tuple[str, ...]] = ("workers",)

    replications: int = 8
    schemes: tuple[str, ...] = tuple(SCHEMES)  # which; all of them unless given

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per delay law and member."""
        own = [each for each in members() if each["name"] in self.schemes]
        sections = {"load_law": additive(WORK), "schemes": own}
        laws = [self.document(effort, delay=delay, **sections) for delay in DELAYS.values()]
        # member by member, so that what is made once for a scheme serves all laws
        runs = zip(own, *(effort.clocks(law, heard=True) for law in laws), strict=True)
        rows = [
            [
                {"scheme": member["name"], "member": title(member)} | _measured(*run)
                for _, *run in of
            ]
            for member, *of in runs
        ]
        frames = []
        for delays, part in zip(DELAYS, zip(*rows, strict=True), strict=True):
            frame = pd.DataFrame(part)
            frame.insert(0, "delays", delays)
            seconds = frame["iteration_time"].where(~frame["late"])
            front = pareto(seconds.to_numpy(), frame["error"].to_numpy(dtype=float))
            frames.append(frame.assign(on_front=front, iterations=self.iterations))
        return pd.concat(frames, ignore_index=True)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One panel per delay law."""
        panels = [_panel(str(law), part) for law, part in frame.groupby("delays", sort=False)]
        last = [OTHERS.title, LATE.title]
        return Picture(panels, 1, style.TWO_PANELS, 9.2, "rows", last=last, names_left=True)

    def text(self, frame: pd.DataFrame) -> str:
        """The fronts, who is fastest among the exact, and what is left out."""
        rows = []
        for delays, part in frame[frame["on_front"]].groupby("delays", sort=False):
            for _, row in part.sort_values(["iteration_time", "error"]).iterrows():
                spread = 0.0 if row["formula"] or row["exact"] else row["measured_error_se"]
                seconds = estimate_text(row["iteration_time"], row["iteration_time_se"])
                error = EXACT if row["exact"] else estimate_text(row["error"], spread)
                rows.append([str(delays), str(row["member"]), seconds, error])
        by_reason: dict[str, list[str]] = {}
        for name, why in not_compared().items():
            by_reason.setdefault(why, []).append(name)
        reasons = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
        late = ", ".join(looks.look(name).title for name in frame["scheme"][frame["late"]].unique())
        return (
            f"{frame['scheme'].nunique()} synchronous schemes with several loads and waits, "
            f"{len(frame) // len(DELAYS)} members in all. {self.workers} workers; delays have "
            f"mean {MEAN:g} s whatever their law, and a partition takes {WORK:g} s of work under "
            "the additive law: a task of d partitions takes d times the work and one delay. At two "
            f"speeds {SLOW_SHARE:.0%} of the workers are {SLOWER:g} times slower than the others, "
            f"and stay so with a correlation of {PERSISTENCE:g} from round to round. Unfinished "
            "work is cancelled. Messages take no time, so several messages a worker cost nothing. "
            f"Means over {int(frame['replications'].max())} replications of "
            f"{int(frame['iterations'].max())} iterations on common delays, with their standard "
            "errors (smaller than most markers).\n\n"
            "The decoding error is ‖w − 1‖² over the number of partitions: the closed form where "
            "there is one, else measured. It counts bias and spread alike: a plain sum, which is "
            "too short on average, has less of it than one that is rescaled to be unbiased. A "
            "member without a formula of which no error was seen has none, and is not drawn.\n\n"
            "The front is what no other member beats in both. Members whose gradients are those of "
            f"older models ({late}) are not on it, since their error says nothing of that.\n\n"
            f"{_findings(frame)}\n\n"
            f"Left out: {reasons}; and schemes without rounds, whose updates mean something else. "
            "Names: d load or degree, r arrivals waited for, μ tolerance, κ of the adaptive "
            "deadline, τ patience, B trials, λ stragglers of a sequential code.\n\n"
            "The fronts:\n\n"
            + markdown_table(["delays", "scheme", "s / iteration", "error"], rows, names=2)
        )


def _findings(frame: pd.DataFrame) -> str:
    parts = []
    for delays, part in frame.groupby("delays", sort=False):
        exact = part[part["exact"] & ~part["late"]]
        one = exact[~exact["scheme"].isin(SEVERAL)]
        kinds = (exact, one, rows_of(part, scheme="uncoded"))
        best, plain, uncoded = (rows.nsmallest(1, "iteration_time").iloc[0] for rows in kinds)
        parts.append(
            f"{delays}: {best['member']}, in {best['iteration_time']:.3g} s (with one message a "
            f"worker {plain['member']}, in {plain['iteration_time']:.3g} s; uncoded in "
            f"{uncoded['iteration_time']:.3g} s)"
        )
    fronts = frame[frame["on_front"]].groupby("scheme")["delays"].nunique()
    always = [looks.look(str(name)).title for name in fronts.index[fronts == len(DELAYS)]]
    return (
        f"The fastest exact schemes: {'; '.join(parts)}. On the front under all {len(DELAYS)} "
        f"laws: {', '.join(always)}."
    )


def _measured(run: Run, trace: Trace) -> dict[str, Any]:
    """Seconds and error of one member; errors are shares of the number of partitions.
    Where there is a closed form, it is the error: what is too rare to be seen in so few rounds is
    not 0. Without one, an inexact scheme in which nothing was seen has no error."""
    seconds = mean_and_error(trace.intervals.mean(axis=1))
    steps, k, exact = run.scheme.steps(trace), run.scheme.partitions, bool(run.scheme.exact)
    measured = (0.0, 0.0) if exact else mean_and_error(steps.error.mean(axis=1) / k)
    formula = expected_decoding_error(run.scheme)
    unseen = not exact and measured[0] < UNSEEN
    return {
        "iteration_time": seconds[0],
        "iteration_time_se": seconds[1],
        "error": formula / k if formula is not None else np.nan if unseen else measured[0],
        "measured_error": measured[0],
        "measured_error_se": measured[1],
        "exact": exact,
        "formula": formula is not None,
        "late": steps.staleness is not None and bool(steps.staleness.any()),
        "replications": len(trace.times),
    }


def _panel(delays: str, part: pd.DataFrame) -> Panel:
    """All members under one delay law, in grey, and the front in colour with its names."""
    columns = ["iteration_time", "error"]
    left, right = ROOM * part["iteration_time"].min(), 1.1 * part["iteration_time"].max()
    x, most = Axis("mean iteration time (s)", True, (1, 2, 3, 5), left, right), part["error"].max()
    ticks = [tick for tick in (LINEAR, 0.01, 0.1, 1.0, 10.0) if tick < most]
    high = float(height_of(np.array([2 * most]))[0])
    names, places = (EXACT, *(f"{tick:g}" for tick in ticks)), (0.0, *height_of(np.array(ticks)))
    y = Axis("decoding error\nper partition", low=-STRIP, high=high, names=names, places=places)
    strip = Fill(looks.shade(looks.GRID, 0.4), "", "", height=2 * STRIP)
    marks: list[Mark] = [Bars(strip, np.zeros(1), np.array([left]), np.array([right]))]
    for late, grey in ((False, OTHERS), (True, LATE)):
        seconds, error = rows_of(part, on_front=False, late=late)[columns].to_numpy(dtype=float).T
        marks.append(Points(grey, seconds, height_of(error), size=3.5))
    front = part[part["on_front"]].sort_values(columns)
    seconds, error = front[columns].to_numpy(dtype=float).T
    marks.append(Curve(FRONT, seconds, height_of(error), steps=True, width=1.2))
    marks += _names(front, high)
    own = {name: looks.look(name) for name in part["scheme"]}
    marks += [_point(row, replace(own[row["scheme"]], title="")) for _, row in front.iterrows()]
    marks += [_point(row, own["uncoded"]) for _, row in rows_of(part, scheme="uncoded").iterrows()]
    return Panel(x, y, marks, delays)


def height_of(error: FloatArray) -> FloatArray:
    """Where errors are drawn: powers of ten one apart above ``LINEAR``, linear below, 0 at 0."""
    with np.errstate(divide="ignore"):
        return np.where(error < LINEAR, LOW * error / LINEAR, LOW + np.log10(error / LINEAR))


def _point(row: pd.Series, look: Look) -> Points:
    half = 0.0 if row["formula"] else row["measured_error_se"]
    ends = (row["error"], max(row["error"] - half, 0.0), row["error"] + half)
    middle, low, high = height_of(np.array(ends, dtype=float)[:, None])
    seconds, dx = np.array([row["iteration_time"]]), np.full((2, 1), row["iteration_time_se"])
    return Points(look, seconds, middle, dx, bars(middle, low, high), size=7.0)


def _names(front: pd.DataFrame, high: float) -> Iterator[Mark]:
    """Names left of their points, where nothing is: what is there would be on the front itself.
    Equal points share a name. Names that would touch each other or the edge of the strip of exact
    schemes are moved apart, with lines to their points."""
    points = [same for _, same in front.groupby(["iteration_time", "error"], sort=False)]
    firsts = pd.DataFrame([same.iloc[0] for same in points])
    seconds, error = firsts[["iteration_time", "error"]].to_numpy(dtype=float).T
    heights, span = height_of(error), high + STRIP
    places = heights.copy()
    for own, floor in ((error > 0, STRIP), (error == 0, -STRIP)):
        places[own] = floor + span * apart((heights[own] - floor) / span, GAP)
    for x, at, place in zip(seconds, heights, places, strict=True):
        yield Curve(LEADER, np.array([x * NAME, x]), np.array([place, at]), width=0.6)
    words = ["\n".join(same["member"]) for same in points]
    yield Texts(0.985 * NAME * seconds, places, words, align="right")


def apart(wanted: FloatArray, gap: float) -> FloatArray:
    """``(P,)`` descending places, at least ``gap`` apart and half of it above 0."""
    places = wanted.copy()
    for i in range(1, len(places)):
        places[i] = min(places[i], places[i - 1] - gap)
    for i in reversed(range(len(places))):
        places[i] = max(places[i], gap / 2 if i == len(places) - 1 else places[i + 1] + gap)
    return np.asarray(places)


FIGURE = Atlas()
