"""Seconds per iteration against decoding error of all synchronous schemes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray, Trace
from ....sim.engines.run import Run
from ....sim.schemes import SCHEMES
from ....sim.schemes.base import RoundScheme
from ....sim.theory import expected_decoding_error
from ...config.names import FIELD_FORMATS, field_as_read
from ...pictures import looks, style
from ...pictures.kinds.losses import FRONT_LOOK, pareto
from ...pictures.looks import MUTED, SOLID, Look, look
from ...pictures.picture import Axis, Bars, Curve, Fill, Mark, Panel, Picture, Points, Texts
from ...run.records import mean_and_error
from ...text import number_of, whole_percent
from .. import base
from ..base import MEAN_DELAY, Effort, RunsFigure, Section, Words, bars, estimate_text, rows_at
from .ranking import CLUSTER_WORK, SLOW_SHARE, SPEED_RATIO, TAILS, additive, persistent

# What is compared. A scheme has as many members as its fields have choices in ``MEMBER_FIELDS``.
# One without a line there is left out, with its reason in ``REASONS_LEFT_OUT`` if there is one.

# seconds: multiples of the mean time of a partition
PATIENCES = tuple(
    round(factor * (MEAN_DELAY + CLUSTER_WORK), 6) for factor in (0.75, 1.0, 1.25, 1.5)
)

# why some schemes with rounds are not compared
REASONS_LEFT_OUT = {
    "heterogeneity_aware": "for workers of different speeds",
    "heterogeneous_split": "for workers of different speeds",
    "block_design": "no design with 30 workers",
    "matrix": "depends on your file",
    "adaptive_k": "decides by losses",
}

LOADS: dict[str, tuple[Any, ...]] = {"load": (2, 3, 5)}
LOADS_AND_WAITS = LOADS | {"wait_for": (15, 20, 25)}
# fields of each scheme, all combinations
MEMBER_FIELDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "uncoded": {},
    "ignore_stragglers": {"wait_for": (10, 15, 20, 25, 28), "rescale": (False, True)},
    "window": {"tolerance": (0.5, 1.0, 2.0, 4.0), "rescale": (False, True)},
    "fractional_repetition": LOADS,
    "cyclic_repetition": LOADS,
    "cyclic_mds": LOADS,
    "generalized_fractional_repetition": {"load": (2, 3, 4, 5)},
    "communication_efficient": LOADS | {"share": (2,)},
    "erasurehead": LOADS_AND_WAITS | {"rescale": (False, True)},
    "bernoulli": LOADS_AND_WAITS,
    "stochastic_block": LOADS_AND_WAITS | {"community": (6,), "inside": (0.3,)},
    "regular_graph": LOADS_AND_WAITS,
    "expander": LOADS_AND_WAITS | {"graph": ("circulant",)},
    "graph_assignment": {"degree": (3, 4, 5), "wait_for": (15, 20, 25)},
    "stochastic_gradient_coding": LOADS_AND_WAITS,
    "ignore_arbitrary": LOADS_AND_WAITS,
    "multi_message": LOADS | {"assignment": ("fractional", "cyclic")},
    "partial_stragglers": LOADS,
    "pipelined": LOADS_AND_WAITS,
    "block_coordinate": {},
    "adaptive_deadline": {"kappa": (1.0, 2.0, 4.0)},
    "sequential": {"B": (1,), "W": (2,), "stragglers": (4, 8), "tolerance": (1.0,)},
    "drop_compute": {"pieces": (12,), "patience": PATIENCES, "cut": ("after", "at")},
    "mindflayer": {"trials": (1, 2), "patience": PATIENCES},
}


def members() -> Iterator[Section]:
    """The ``schemes`` of a config."""
    for name, choices in MEMBER_FIELDS.items():
        for values in product(*choices.values()):
            yield {"name": name, **dict(zip(choices, values, strict=True))}


def not_compared() -> dict[str, str]:
    """The schemes with rounds that are not compared, and why."""
    others = {
        name: "not part of this comparison"
        for name, family in SCHEMES.items()
        if name not in MEMBER_FIELDS | REASONS_LEFT_OUT
        and isinstance(family.examples()[0].build(12), RoundScheme)
    }
    return REASONS_LEFT_OUT | others


def title(member: Section) -> str:
    """A scheme's name for people, with what tells its members apart."""
    known = (key for key in member if key in FIELD_FORMATS and member[key] is not False)
    fields = [field_as_read(key, member[key]) for key in known]
    return ", ".join([look(str(member["name"])).title, *fields])


PERSISTENCE = 0.9
# three delay laws of one mean
ATLAS_DELAYS: dict[str, Section] = {
    "shifted exponential": TAILS["shifted exponential"],
    "Pareto (α = 2.2)": TAILS["Pareto (α = 2.2)"],
    f"two speeds, persistence {PERSISTENCE:g}": persistent(PERSISTENCE),
}
OTHERS_LOOK = Look("#9A9A9A", "o", "none", "others")
LATE_LOOK = replace(OTHERS_LOOK, marker="x", title="others, with late gradients")
# errors below the first are on a linear axis, on which it is so high, in decades; half the height
# of the strip of exact schemes
LINEAR_ERROR, LINEAR_DECADES, STRIP_DECADES = 1e-3, 0.7, 0.4


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
        own = [member for member in members() if member["name"] in self.schemes]
        sections = {"load_law": additive(CLUSTER_WORK), "schemes": own}
        laws = [self.document(effort, delay=delay, **sections) for delay in ATLAS_DELAYS.values()]
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
        for delays, measured in zip(ATLAS_DELAYS, zip(*rows, strict=True), strict=True):
            frame = pd.DataFrame(measured)
            frame.insert(0, "delays", delays)
            seconds = frame["iteration_time"].where(~frame["late"])
            front = pareto(seconds.to_numpy(), frame["error"].to_numpy(dtype=float))
            frames.append(frame.assign(on_front=front, iterations=self.iterations))
        return pd.concat(frames, ignore_index=True)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One panel per delay law."""
        panels = [_panel(str(law), rows) for law, rows in frame.groupby("delays", sort=False)]
        last = [OTHERS_LOOK.title, LATE_LOOK.title]
        return Picture(panels, 1, style.TWO_PANELS, 9.2, "rows", last=last, names_left=True)

    def words(self, frame: pd.DataFrame) -> Words:
        """The fronts, who is fastest among the exact, and what is left out."""
        rows = []
        for delays, front in frame[frame["on_front"]].groupby("delays", sort=False):
            for _, row in front.sort_values(["iteration_time", "error"]).iterrows():
                spread = 0.0 if row["formula"] or row["exact"] else row["measured_error_se"]
                seconds = estimate_text(row["iteration_time"], row["iteration_time_se"])
                error = "exact" if row["exact"] else estimate_text(row["error"], spread)
                rows.append([str(delays), str(row["member"]), seconds, error])
        by_reason: dict[str, list[str]] = {}
        for name, why in not_compared().items():
            by_reason.setdefault(why, []).append(name)
        reasons = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
        late = ", ".join(looks.look(name).title for name in frame["scheme"][frame["late"]].unique())
        return (
            f"{frame['scheme'].nunique()} synchronous schemes with several loads and waits, "
            f"{len(frame) // len(ATLAS_DELAYS)} members in all. {self.workers} workers; delays "
            f"have mean {MEAN_DELAY:g} s whatever their law, and a partition takes "
            f"{CLUSTER_WORK:g} s of work under the additive law: a task of d partitions takes d "
            f"times the work and one delay. At two speeds {whole_percent(SLOW_SHARE)} of the "
            f"workers are {SPEED_RATIO:g} times slower than the others, and stay so with a "
            f"correlation of {PERSISTENCE:g} from round to round. Unfinished work is cancelled. "
            "Messages take no time, so several messages a worker cost nothing. Means over "
            f"{number_of(frame['replications'].max(), 'replication')} of "
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
            "The fronts:",
            base.Numbers(["delays", "scheme", "s / iteration", "error"], rows, names=2),
        )


def _findings(frame: pd.DataFrame) -> str:
    sentences = []
    for delays, under_law in frame.groupby("delays", sort=False):
        exact = under_law[under_law["exact"] & ~under_law["late"]]
        several = ("multi_message", "partial_stragglers", "block_coordinate")
        single_message = exact[~exact["scheme"].isin(several)]
        kinds = (exact, single_message, rows_at(under_law, scheme="uncoded"))
        best, plain, uncoded = (rows.nsmallest(1, "iteration_time").iloc[0] for rows in kinds)
        sentences.append(
            f"{delays}: {best['member']}, in {best['iteration_time']:.3g} s (with one message a "
            f"worker {plain['member']}, in {plain['iteration_time']:.3g} s; uncoded in "
            f"{uncoded['iteration_time']:.3g} s)"
        )
    fronts = frame[frame["on_front"]].groupby("scheme")["delays"].nunique()
    always = [looks.look(str(name)).title for name in fronts.index[fronts == len(ATLAS_DELAYS)]]
    return (
        f"The fastest exact schemes: {'; '.join(sentences)}. On the front under all "
        f"{len(ATLAS_DELAYS)} laws: {', '.join(always) or 'none'}."
    )


def _measured(run: Run, trace: Trace) -> dict[str, Any]:
    """Seconds and error of one member; errors are shares of the number of partitions."""
    steps, k, exact = run.scheme.steps(trace), run.scheme.partitions, bool(run.scheme.exact)
    seconds = trace.intervals.mean(axis=1)
    measured = (0.0, 0.0) if exact else mean_and_error(steps.error.mean(axis=1) / k)
    formula = expected_decoding_error(run.scheme)
    return {
        **base.estimate_columns(seconds, "iteration_time", "iteration_time_se"),
        "error": error_or_nan(exact, None if formula is None else formula / k, measured[0]),
        "measured_error": measured[0],
        "measured_error_se": measured[1],
        "exact": exact,
        "formula": formula is not None,
        "late": steps.staleness is not None and bool(steps.staleness.any()),
        "replications": len(trace.times),
    }


def error_or_nan(exact: bool, formula: float | None, measured: float) -> float:
    """The error of a member. Where there is a closed form, it is the error: what is too rare to be
    seen in so few rounds is not 0. Without one, an inexact scheme in which nothing was seen but
    rounding has no error: NaN."""
    if formula is not None:
        return formula
    return np.nan if not exact and measured < 1e-12 else measured


def _panel(delays: str, frame: pd.DataFrame) -> Panel:
    """All members under one delay law, in grey, and the front in colour with its names."""
    columns = ["iteration_time", "error"]
    # a third of the fastest member's time leaves room for the names
    left, right = 0.33 * frame["iteration_time"].min(), 1.1 * frame["iteration_time"].max()
    x, most = Axis("mean iteration time (s)", True, (1, 2, 3, 5), left, right), frame["error"].max()
    ticks = [tick for tick in (LINEAR_ERROR, 0.01, 0.1, 1.0, 10.0) if tick < most]
    high = float(height_of(np.array([2 * most]))[0])
    names, heights = ("exact", *(f"{tick:g}" for tick in ticks)), (0.0, *height_of(np.array(ticks)))
    y = Axis(
        "decoding error\nper partition", low=-STRIP_DECADES, high=high, names=names, places=heights
    )
    strip = Fill(looks.shade(looks.GRID_COLOUR, 0.4), "", "", height=2 * STRIP_DECADES)
    marks: list[Mark] = [Bars(strip, np.zeros(1), np.array([left]), np.array([right]))]
    for late, grey in ((False, OTHERS_LOOK), (True, LATE_LOOK)):
        seconds, error = rows_at(frame, on_front=False, late=late)[columns].to_numpy(dtype=float).T
        marks.append(Points(grey, seconds, height_of(error), size=3.5))
    front = frame[frame["on_front"]].sort_values(columns)
    seconds, error = front[columns].to_numpy(dtype=float).T
    marks.append(Curve(FRONT_LOOK, seconds, height_of(error), steps=True, width=1.2))
    marks += _names(front, high)
    own = {name: looks.look(name) for name in frame["scheme"]}
    marks += [_point(row, replace(own[row["scheme"]], title="")) for _, row in front.iterrows()]
    marks += [_point(row, own["uncoded"]) for _, row in rows_at(frame, scheme="uncoded").iterrows()]
    return Panel(x, y, marks, delays)


def height_of(error: FloatArray) -> FloatArray:
    """Where errors are drawn: powers of ten one apart above ``LINEAR_ERROR``, linear below, from 0
    on."""
    share = error / LINEAR_ERROR
    with np.errstate(divide="ignore"):
        return np.where(share < 1, LINEAR_DECADES * share, LINEAR_DECADES + np.log10(share))


def _point(row: pd.Series, look: Look) -> Points:
    half = 0.0 if row["formula"] else row["measured_error_se"]
    ends = (row["error"], max(row["error"] - half, 0.0), row["error"] + half)
    middle, low, high = height_of(np.array(ends, dtype=float)[:, None])
    seconds, dx = np.array([row["iteration_time"]]), np.full((2, 1), row["iteration_time_se"])
    return Points(look, seconds, middle, dx, bars(middle, low, high), size=7.0)


def _names(
    front: pd.DataFrame, high: float, name_end: float = 0.94, gap: float = 0.08
) -> Iterator[Mark]:
    """Names left of their points, where nothing is: what is there would be on the front itself.
    Equal points share a name. Names that would touch each other or the edge of the strip of exact
    schemes are moved apart, with lines to their points. A name ends at ``name_end`` times the time
    of its point; ``gap`` is from one name to the next, as a share of the axis."""
    points = [same for _, same in front.groupby(["iteration_time", "error"], sort=False)]
    firsts = pd.DataFrame([same.iloc[0] for same in points])
    seconds, error = firsts[["iteration_time", "error"]].to_numpy(dtype=float).T
    heights, span = height_of(error), high + STRIP_DECADES
    text_heights = heights.copy()
    for own, floor in ((error > 0, STRIP_DECADES), (error == 0, -STRIP_DECADES)):
        text_heights[own] = floor + span * apart((heights[own] - floor) / span, gap)
    for x, height, text_height in zip(seconds, heights, text_heights, strict=True):
        ends = np.array([x * name_end, x]), np.array([text_height, height])
        yield Curve(Look(MUTED, "", SOLID, ""), *ends, width=0.6)
    words = ["\n".join(same["member"]) for same in points]
    yield Texts(0.985 * name_end * seconds, text_heights, words, align="right")


def apart(wanted: FloatArray, gap: float) -> FloatArray:
    """``(P,)`` descending places, at least ``gap`` apart and half of it above 0."""
    down = [*accumulate(wanted, lambda above, own: min(own, above - gap))]
    up = accumulate(reversed(down), lambda below, own: max(own, below + gap), initial=-gap / 2)
    return np.array([*up][:0:-1])
