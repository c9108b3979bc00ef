"""What papers and their authors' code print, beside the same settings simulated here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ...sim.engines.run import Run
from ...sim.engines.simulate import simulate
from ...sim.schemes.base import RoundOutcome
from ...sim.schemes.sequential import BurstWindow, Multiplexed
from ...sim.schemes.stopping import StoppingRule
from ...sim.types import BoolArray, FloatArray, Trace
from ..config import build
from ..pictures import looks, style
from ..pictures.picture import Axis, Panel, Picture, Points, Rules
from ..run.records import mean_and_error
from ..text import TableCell, number_of
from .base import Effort, Numbers, PaperFigure, Section, Words, bars, rows_at
from .claims import Interval, around
from .printed_numbers import GC, PRINTED, SETTINGS, SR, M, Measure, PrintedNumber
from .sequential_members import load_of

CLOSE = 0.05  # the share of a printed number up to which ours may be away and agrees

# scheme and value of the sweep of a config -> what was played
Played = Mapping[tuple[str, str, float | None], tuple[Run, Trace]]


class Agreement(StrEnum):
    """What a number of ours says of a printed one."""

    AGREES = "agrees"
    DIFFERS = "differs"
    NOT_STATED = "setting not stated"
    NOT_PRINTED = "not printed"


def verdict_on(ours: Interval, printed: str) -> Agreement:
    """Whether ours is as near as ``CLOSE``, or as its interval and the printed digits leave."""
    if not printed:
        return Agreement.NOT_PRINTED
    value, decimals = float(printed), len(printed.partition(".")[2])
    mean, low, high = ours
    digits = 0.5 * 10.0**-decimals
    near = abs(mean - value) <= CLOSE * value or low - digits <= value <= high + digits
    return Agreement.AGREES if near else Agreement.DIFFERS


@final
@dataclass(frozen=True)
class Printed(PaperFigure):
    """Printed numbers beside ours; in the picture, sequential gradient codes under two barriers.

    The numbers are those of papers and of their authors' programs, as far as their settings are
    stated."""

    title: ClassVar[str] = "Numbers that papers print"

    replications: int = 24

    @override
    def config(self) -> Mapping[str, Section]:
        common = {"replications": self.replications, "record": "clock"}
        return {
            f"{name}.yaml": {"name": name} | common | setting.document
            for name, setting in SETTINGS.items()
        }

    @override
    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per number: what is printed, ours with its interval, and what that says."""
        played, replications = {}, effort.times(self.replications)
        for name, setting in SETTINGS.items():
            for cell in effort.cells(setting.document | {"replications": replications}):
                run = effort.remembering(cell, build.run_of(cell.settings))
                at = next(iter(cell.swept.values()), None)
                played[name, cell.label, at] = run, simulate(run, heard=False)
        return pd.DataFrame([_row(number, played) for number in PRINTED])

    @override
    def picture(self, frame: pd.DataFrame) -> Picture:
        """Sequential gradient coding: both barriers, and what is printed."""
        theirs, earliest = (rows_at(frame, measure=m) for m in (Measure.RELATIVE, Measure.EARLIEST))
        names = [*theirs["what"]]
        marks = []
        barrier = looks.Look("#C2410C", "s", "none", "barrier of their program")
        early = looks.Look("#1D4ED8", "o", "none", "each round as early as the code allows")
        for own, look in ((theirs, barrier), (earliest, early)):
            ours, low, high = own[["ours", "low", "high"]].to_numpy(float).T
            at = np.array([float(names.index(name)) for name in own["what"]])
            marks.append(Points(look, ours, at, dx=bars(ours, low, high), size=9.0))
        printed = theirs["printed"].to_numpy(float)
        at = np.arange(float(len(names)))
        look = looks.Look(looks.INK, "D", "none", "as their program prints it")
        marks.append(Points(look, printed, at, hollow=True, size=9.0))
        x = Axis("time of 80 jobs, relative to uncoded", low=0.65, high=1.02)
        y = Axis("", low=len(names) - 0.5, high=-0.5, names=tuple(names))
        panel = Panel(x, y, [Rules("uncoded", x=np.ones(1)), *marks])
        return Picture([panel], 1, style.TWO_PANELS, 3.0, legend=2)

    @override
    def words(self, frame: pd.DataFrame) -> Words:
        """Which barrier decides the comparison, how it is judged, and every number."""
        return (
            f"{_barriers(frame)}\n\n"
            "Each number that a paper, or its authors' program, prints and whose setting is stated "
            "was set up as a config and simulated. Ours agrees where it is at most "
            f"{100 * CLOSE:g} % away, or where its 95 % interval reaches what the printed digits "
            "leave. Nothing is said of a number whose setting is not stated.",
            how_many_agree(frame),
            Numbers(
                ["number", "printed", "ours", "ratio", "verdict", "setting", "source", "config"],
                [_cells(row) for _, row in frame.iterrows()],
            ),
        )


class Admissible(StoppingRule):
    """As soon as the straggler model of a sequential code allows for whoever is missing."""

    def __init__(self, barrier: BurstWindow) -> None:
        self.barrier = barrier

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.barrier.allows(~arrived)


def earliest(run: Run) -> FloatArray:
    """Seconds of a run of the multiplexed code, ``(R,)``, in which no round waits for a window."""
    code, tapes = run.scheme, run.tapes
    assert isinstance(code, Multiplexed)
    loads = np.full(code.n, code.load)
    times = np.stack([run.load_law.worker_times(t, loads, 0, run.updates) for t in tapes])
    state, seconds = code.start(len(tapes)), np.zeros(len(tapes))
    for t in range(run.updates):
        barrier = code.plan(state).stopping
        assert isinstance(barrier, BurstWindow)
        took = Admissible(barrier).stopping_delay(times[:, t])
        state = code.after(state, RoundOutcome(took, times[:, t] <= took[:, None]))
        seconds += took
    return seconds


def measured(number: PrintedNumber, played: Played) -> FloatArray:
    """Ours, ``(R,)``."""
    run, trace = played[number.config, number.label, number.at]
    ends = trace.times[:, -1]
    uncoded = played.get((number.config, "uncoded", number.at), (run, trace))[1].times[:, -1]
    match number.measure:
        case Measure.RELATIVE | Measure.EARLIEST:
            if number.measure == Measure.EARLIEST and isinstance(run.scheme, Multiplexed):
                ends = earliest(run)
            return np.asarray(ends / uncoded)
        case Measure.FASTER:
            return np.asarray(uncoded / ends)
        case Measure.LOAD:
            return np.full(len(ends), load_of(run.scheme) / run.scheme.partitions)
        case Measure.COMPUTING:
            assert trace.work is not None
            return np.asarray(100.0 * trace.work.busy.mean(axis=1) / ends)
        case Measure.SLOW:
            return np.asarray(100.0 * np.mean(trace.intervals > 1.0, axis=1))
    return ends


def _row(number: PrintedNumber, played: Played) -> dict[str, Any]:
    ours, code = (np.nan, np.nan, np.nan), Agreement.NOT_STATED
    if number.config:
        mean, error = mean_and_error(measured(number, played))
        ours = around(mean, np.nan_to_num(error))
        code = verdict_on(ours, number.printed)
    names = {"source": number.source, "what": number.what, "measure": str(number.measure)}
    printed = {"digits": number.printed, "printed": float(number.printed or "nan")}
    interval = dict(zip(("ours", "low", "high"), ours, strict=True))
    verdict = {"verdict": str(code), "because": number.because, "config": number.config}
    return names | printed | interval | verdict


def _barriers(frame: pd.DataFrame) -> str:
    """Whether the order of two codes hangs on the barrier."""
    theirs, earliest = (
        rows_at(frame, measure=measure).set_index("what")["ours"]
        for measure in (Measure.RELATIVE, Measure.EARLIEST)
    )
    turns = (theirs[M] < theirs[GC]) != (earliest[M] < earliest[GC])
    rows = rows_at(frame, measure=Measure.RELATIVE).set_index("what")
    apart = rows["high"][SR] < rows["low"][GC]
    return (
        f"The barrier {'decides' if turns else 'does not decide'} which code is faster: with that "
        f"of the authors' program, gradient coding takes {theirs[GC]:.3f} and M-SGC "
        f"{theirs[M]:.3f} of uncoded's time; with every round as early as the code allows, "
        f"{earliest[GC]:.3f} and {earliest[M]:.3f}. Printed, {SR} is faster than gradient coding; "
        f"ours {'say so, too' if apart else 'do not tell the two apart'}."
    )


def how_many_agree(frame: pd.DataFrame) -> str:
    """How many numbers agree."""
    counts = {code: int((frame["verdict"] == code).sum()) for code in Agreement}
    agree, differ, unknown = (counts[code] for code in [*Agreement][:3])
    stated = number_of(agree + differ, "printed number")
    return (
        f"Of {stated} with a stated setting, {agree} agree and {differ} differ; of "
        f"{unknown} others the setting is not stated."
    )


def _cells(row: pd.Series) -> list[str | TableCell]:
    ours, low, high = row["ours"], row["low"], row["high"]
    known, ratio = "–", "–"
    if row["config"]:
        known = f"{ours:#.4g}" + ("" if low == high else f" ({low:#.4g} to {high:#.4g})")
        ratio = f"{ours / row['printed']:.3f}" if row["digits"] else ratio
    verdict, because = str(row["verdict"]), row["because"]
    if because and row["verdict"] in (Agreement.DIFFERS, Agreement.NOT_STATED):
        verdict += f" because {because}" if row["config"] else f": {because}"
    setting = TableCell(SETTINGS[row["config"]].words if row["config"] else "–")
    what, file = f"{row['what']}: {row['measure']}", f"{row['config']}.yaml"
    link = TableCell(file, link=file) if row["config"] else "–"
    return [what, row["digits"] or "–", known, ratio, verdict, setting, row["source"], link]
