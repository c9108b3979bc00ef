"""What papers and their authors' code print, beside the same settings simulated here.

Every number and setting stands in the source that its row names. Of a number whose setting no
source states, there is no config: the row says what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ....sim.base.types import FloatArray, Trace
from ....sim.engines.run import Run
from ....sim.engines.simulate import simulate
from ....sim.schemes.across_rounds.sequential import Multiplexed
from ...config import build
from ...pictures import looks, style
from ...pictures.picture import Axis, Panel, Picture, Points, Rules
from ...run.records import mean_and_error
from ...text import TableCell, number_of
from ..base import Effort, Numbers, PaperFigure, Section, Words, bars, rows_at
from ..claims import Interval, around
from .sequential_members import earliest, load_of


class Measure(StrEnum):
    """What is measured of a scheme, or of a scheme over another one."""

    SECONDS = "seconds of the run"
    RELATIVE = "time relative to uncoded"
    EARLIEST = "time relative to uncoded, every round as early as the code allows"
    LOAD = "share of the data that a worker computes"
    COMPUTING = "time spent computing (%)"
    SLOW = "rounds longer than 1 s (%)"
    FASTER = "times as fast"
    SAVED = "time saved (%)"
    HOURS = "hours of the run"


@final
@dataclass(frozen=True)
class PrintedNumber:
    """A number, and how ours is measured."""

    source: str
    what: str  # of which it is the number
    printed: str  # its digits as they are printed; empty: it is not printed
    measure: Measure
    config: str = ""  # the config's name; empty: a part of the setting is not stated
    label: str = ""  # the scheme of the config
    at: float | None = None  # the value of the config's sweep
    because: str = ""  # what is not stated; or what differs from the source


@final
@dataclass(frozen=True)
class PrintedSetting:
    """A config, and what it is, in a few words."""

    words: str
    document: Section


GC, SR, M = "gradient coding", "SR-SGC", "M-SGC"
EARLY_GC, DILOCO = f"{GC}, 241st arrival", "DiLoCo"
_SGC = "Krishnan et al. (ICLR 2023), their program's table"
_FORGATHER = "forgather, docs/trainers/diloco.md"
_STREAMING = "Streaming DiLoCo (arXiv 2501.18512), table 4, 1B parameters"
_BLOG = "Wang, Varma, Straggler Mitigation (pytorch.org/blog/straggler-mitigation)"
_NO_RING = "averaging takes no time here, which explains a part of it"
_OTHER_BATCH = "the calls are of another batch than theirs"
_OVERLAP = "theirs overlaps sending with the backward pass, and ours does not"


# of GPUs: the chance that a step is a straggler's, the levels, and how fast at least and at most
HIERARCHIES: dict[int, tuple[float, tuple[dict[int, int], ...], tuple[str, ...]]] = {
    64: (0.02, ({2: 8, 4: 32}, {4: 32}), ("2.08", "2.45")),
    128: (0.01, ({2: 8, 4: 32}, {4: 32}), ("2.57", "2.68")),
    256: (0.01, ({1: 4, 2: 16, 4: 64}, {4: 16}), ("2.63", "3.25")),
}


def hierarchy(gpus: int, levels: dict[int, int]) -> str:
    """As the blog calls it: ``HSGD 2-8, 4-32, 8-64``."""
    return "HSGD " + ", ".join(f"{k}-{size}" for k, size in {**levels, 8: gpus}.items())


def _either(usual: float, rare: float, chance: float) -> Section:
    """A delay of so many seconds, or with this chance of others."""
    times = [{"model": "deterministic", "value": seconds} for seconds in (usual, rare)]
    return {"model": "mixture", "weights": [1 - chance, chance], "components": times}


def _hierarchical(gpus: int) -> PrintedSetting:
    chance, several, _ = HIERARCHIES[gpus]
    schemes = (
        {"name": "local_sgd", "label": hierarchy(gpus, levels), "steps": 8, "levels": levels}
        for levels in several
    )
    document = {"workers": gpus, "iterations": 1000, "delay": _either(0.055, 1.055, chance)}
    words = f"{gpus} GPUs, steps of 55 ms, {100 * chance:g} % of them 1 s longer"
    return PrintedSetting(words, document | {"schemes": [{"name": "uncoded"}, *schemes]})


_LOAD_16 = {"name": "cyclic_repetition", "load": 16}
_SEQUENTIAL = {"name": "sequential", "tolerance": 1.0}
SETTINGS = {
    "printed_sequential": PrintedSetting(
        "256 calls of AWS Lambda, 80 jobs, μ = 1",
        {
            "workers": 256,
            "iterations": 80,
            "delay": {  # the preset lambda_cnn without cold starts
                "model": "mixture",
                "weights": [0.785, 0.215],
                "components": [
                    {"model": "lognormal", "median": 0.640, "sigma": 0.044},
                    {"model": "lognormal", "median": 0.901, "sigma": 0.258},
                ],
            },
            # for all the data 2.201 s more
            "load_law": {"kind": "additive", "seconds_per_partition": 2.201 / 256},
            "schemes": [
                {"name": "uncoded"},
                _LOAD_16 | {"label": GC, "stop": {"window": 1.0, "tolerates": 15}},
                _LOAD_16 | {"label": EARLY_GC},
                _SEQUENTIAL | {"label": SR, "B": 2, "W": 3, "stragglers": 23},
                _SEQUENTIAL
                | {"label": M, "variant": "multiplexed", "B": 1, "W": 2, "stragglers": 27},
            ],
        },
    ),
    "printed_tail": PrintedSetting(
        "100 servers, each over 1 s with a chance of 1 %",
        {
            "workers": 100,
            "iterations": 1000,
            "delay": _either(0.5, 2.0, 0.01),
            "schemes": [{"name": "uncoded"}],
        },
    ),
    "printed_forgather": PrintedSetting(
        "H = 500 steps of 1 s, 1 Gbit/s, 2 bytes a parameter",
        {
            "workers": 2,
            "iterations": 1000,
            "delay": {"model": "deterministic", "value": 1.0},
            "network": {"bandwidth": 1e9 / 8, "message_bytes": 2e9},
            "schemes": [{"name": "local_sgd", "label": DILOCO, "steps": 500}],
            "sweep": {"network.message_bytes": [0.3e9, 2e9, 14e9]},
        },
    ),
    "printed_diloco": PrintedSetting(
        "H = 100 steps of 0.1 s, or each step; 16 Gbit",
        {
            "workers": 2,
            "iterations": 200,
            "delay": {"model": "deterministic", "value": 0.1},
            "network": {"bandwidth": 1e9 / 8, "message_bytes": 2e9},
            "schemes": [{"name": "local_sgd", "label": DILOCO, "steps": 100}, {"name": "uncoded"}],
            "sweep": {"network.bandwidth": [x * 1e9 / 8 for x in (1.4, 6.2, 13.3, 23.3, 86.8)]},
        },
    ),
    **{f"printed_hierarchical_{gpus}": _hierarchical(gpus) for gpus in HIERARCHIES},
}

PRINTED = (
    *(
        PrintedNumber(f"{_SGC}, over uncoded", name, printed, Measure.RELATIVE,
                      "printed_sequential", name, because=_OTHER_BATCH)
        for name, printed in ((GC, "0.892"), (SR, "0.864"), (M, "0.846"))
    ),
    PrintedNumber(_SGC, GC, "", Measure.EARLIEST, "printed_sequential", EARLY_GC),
    PrintedNumber(_SGC, M, "", Measure.EARLIEST, "printed_sequential", M),
    *(
        PrintedNumber(_SGC, name, printed, measure, "printed_sequential", name, because=because)
        for measure, because, numbers in (
            (Measure.SECONDS, _OTHER_BATCH, ("122.64", "109.36", "105.92", "103.73")),
            (Measure.LOAD, "", ("0.00391", "0.0625", "0.0508", "0.00754")),
        )
        for name, printed in zip(("uncoded", GC, SR, M), numbers, strict=True)
    ),
    PrintedNumber("Dean, Barroso, The Tail at Scale (2013), as told on a page about it",
                  "requests to 100 servers", "63", Measure.SLOW, "printed_tail", "uncoded"),
    *(
        PrintedNumber(_FORGATHER, f"{size} parameters", printed, Measure.COMPUTING,
                      "printed_forgather", DILOCO, message)
        for size, printed, message in (
            ("150M", "99.5", 0.3e9), ("1B", "97", 2e9), ("7B", "82", 14e9)
        )
    ),
    *(
        PrintedNumber(_STREAMING, f"DiLoCo at {gbit:g} Gbit/s", printed, Measure.COMPUTING,
                      "printed_diloco", DILOCO, gbit * 1e9 / 8, _OVERLAP)
        for gbit, printed in (
            (1.4, "50"), (6.2, "80"), (13.3, "90"), (23.3, "95"), (86.8, "99")
        )
    ),
    PrintedNumber(_STREAMING, "data-parallel at 86.8 Gbit/s", "50", Measure.COMPUTING,
                  "printed_diloco", "uncoded", 86.8e9 / 8, _OVERLAP),
    *(
        PrintedNumber(_BLOG, f"{hierarchy(gpus, levels)} over synchronous steps, {end}", printed,
                      Measure.FASTER, f"printed_hierarchical_{gpus}", hierarchy(gpus, levels),
                      because=_NO_RING)
        for gpus, (_, several, ends) in HIERARCHIES.items()
        for levels, end, printed in zip(several, ("at least", "at most"), ends, strict=True)
    ),
    PrintedNumber("Streaming DiLoCo (arXiv 2501.18512), table 1", "441 TB at 1 Gbit/s", "109",
                  Measure.HOURS, because="over how many links they go"),
    PrintedNumber("Ramamoorthy, Meng, Girimaji (arXiv 2405.19509)", "partial stragglers, about",
                  "2", Measure.FASTER, because="the law of a worker's time"),
    PrintedNumber("arXiv 1901.09339", "heterogeneity-aware codes, at most", "3",
                  Measure.FASTER, because="the speeds of the cluster"),
    *(
        PrintedNumber("Ye, Abbe (arXiv 1802.03475), abstract", f"on EC2, over {other}", printed,
                      Measure.SAVED, because="the law of a worker's time and of a message's")
        for other, printed in (("uncoded", "32"), ("earlier codes", "23"))
    ),
)  # fmt: skip

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
        at, printed = np.arange(float(len(names))), theirs["printed"].to_numpy(float)
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
    rows, early = (
        rows_at(frame, measure=measure).set_index("what")
        for measure in (Measure.RELATIVE, Measure.EARLIEST)
    )
    theirs, earliest = rows["ours"], early["ours"]
    turns = (theirs[M] < theirs[GC]) != (earliest[M] < earliest[GC])
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
    agree, differ, unknown = (int((frame["verdict"] == code).sum()) for code in [*Agreement][:3])
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
