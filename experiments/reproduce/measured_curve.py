"""What each scheme waits for on the completion times that the authors of ErasureHead measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ...delay_models.presets import CURVE, AuthorsMeasured
from ...sim.schemes.arrivals import NoFormula
from ...sim.theory.decoding_error import expected_decoding_error
from ...sim.theory.scheme_time import scheme_iteration_time
from ..pictures import looks, style
from ..pictures.looks import INK, MUTED, SOLID, Look
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from ..run.records import mean_and_error
from .base import Effort, Numbers, RunsFigure, Section, Words, estimate_text, rows_at

# the two ends of what the curve leaves open: none of the time is computing, or all of it
CURVE_LAWS: dict[str, Section] = {
    "additive": {"kind": "additive", "seconds_per_partition": 0.0},
    "proportional": {"kind": "proportional"},
}
CURVE_SCHEMES: tuple[Section, ...] = (
    {"name": "uncoded"},
    {"name": "ignore_stragglers", "wait_for": 28},
    {"name": "ignore_stragglers", "wait_for": 15},
    {"name": "cyclic_repetition", "load": 2},
    {"name": "cyclic_repetition", "load": 3},
    {"name": "fractional_repetition", "load": 2},
    {"name": "fractional_repetition", "load": 3},
    {"name": "erasurehead", "load": 2, "wait_for": 15},
    {"name": "erasurehead", "load": 3, "wait_for": 15},
)

ADDITIVE_LOOK = Look(MUTED, "o", "none", "filled: additive law, no computing")
PROPORTIONAL_LOOK = Look(MUTED, "o", "none", "open: proportional law, all computing")
INTEGRAL_LOOK = Look(INK, "|", "none", "bars: by integration")


@final
@dataclass(frozen=True)
class MeasuredCurve(RunsFigure):
    """What nine schemes wait for on the authors' measured completion times, both load laws.

    The curve is the preset ``authors_measured``; its task and machines are not known, so it is not
    an experiment of the paper."""

    title: ClassVar[str] = "The authors' measured curve of completion times"

    iterations: int = 2000
    replications: int = 16

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law and scheme: seconds an iteration, simulated and by integration."""
        rows = []
        for kind, law in CURVE_LAWS.items():
            document = self.document(
                effort,
                delay={"model": "authors_measured"},
                load_law=law,
                schemes=list(CURVE_SCHEMES),
            )
            for cell, run, trace in effort.clocks(document):
                exactly = scheme_iteration_time(run.scheme, AuthorsMeasured(), run.load_law)
                error = expected_decoding_error(run.scheme)
                assert not isinstance(exactly, NoFormula)
                assert error is not None
                mean, spread = mean_and_error(trace.intervals.mean(axis=1))
                row = {"load_law": kind, "scheme": cell.scheme["name"]}
                row |= {name: cell.scheme.get(name, 0) for name in ("load", "wait_for")}
                row |= {"integrated": exactly.mean(), "simulated": mean, "standard_error": spread}
                rows.append(row | {"decoding_error": error, "rounds": trace.times.size})
        return pd.DataFrame(rows)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """The curve, and a row per scheme with its mean times under both laws."""
        chances, seconds = np.array(CURVE).T
        x = Axis("completion time T (s)", low=0.0, high=300.0)
        y = Axis("Pr(completion time < T)", low=0.0, high=1.02)
        line = Curve(Look(INK, "o", SOLID, ""), seconds, chances, marked=tuple(range(len(CURVE))))
        curve = Panel(x, y, [line], "what the authors measured")
        kinds = frame.drop_duplicates(["scheme", "load", "wait_for"])
        names = tuple(_label(row) for _, row in kinds.iterrows())
        marks: list[Mark] = []
        for law, rows in frame.groupby("load_law", sort=False):
            for height, (_, row) in enumerate(rows.iterrows()):
                look = replace(looks.look(str(row["scheme"])), title="")
                at, mean = np.array([float(height)]), np.array([row["simulated"]])
                half = np.full((2, 1), 1.96 * row["standard_error"])
                hollow = law == "proportional"
                marks.append(Points(look, mean, at, dx=half, hollow=hollow, size=8.0))
                exactly = replace(INTEGRAL_LOOK, title="")
                marks.append(Points(exactly, np.array([row["integrated"]]), at, size=13.0))
        marks += [
            Points(ADDITIVE_LOOK),
            Points(PROPORTIONAL_LOOK, hollow=True),
            Points(INTEGRAL_LOOK),
        ]
        x = Axis("mean iteration time (s)", True, (1, 2, 3, 5))
        y = Axis("", low=len(names) - 0.5, high=-0.5, names=names)
        schemes = Panel(x, y, marks, f"what {self.workers} workers wait for")
        last = [ADDITIVE_LOOK.title, PROPORTIONAL_LOOK.title, INTEGRAL_LOOK.title]
        return Picture([curve, schemes], 2, style.TWO_PANELS, 4.4, last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """The times, and whether codes pay on this curve."""
        z = ((frame["simulated"] - frame["integrated"]) / frame["standard_error"]).abs()
        rows = []
        for _, row in rows_at(frame, load_law="additive").iterrows():
            same = rows_at(frame, scheme=row["scheme"], load=row["load"], wait_for=row["wait_for"])
            rows.append([_label(row), f"{row['decoding_error']:.3g}"])
            for _, own in same.iterrows():
                simulated = estimate_text(own["simulated"], own["standard_error"])
                rows[-1] += [f"{own['integrated']:.2f}", simulated]
        header, took = ["scheme", "decoding error"], dict(CURVE)
        header += [f"{law}, {how} (s)" for law in CURVE_LAWS for how in ("integrated", "simulated")]
        return (
            "The authors' program shows a measured curve of completion times: half of the tasks "
            f"take {took[0.5]:g} s or less, and the slowest {took[1.0]:g} s. The "
            "task and the machines are not named. The curve is taken as the law of a worker's time "
            f"at load 1, independent between {self.workers} workers and between rounds. How it "
            "grows with the load is not known either, so both extremes are shown: under the "
            "additive law none of the time is computing and load is free; under the proportional "
            "law all of it is, and d partitions take d times as long. Bars are means by "
            f"integration, points are {int(frame['rounds'].max())} simulated rounds; "
            f"the largest difference is {z.max():.1f} standard errors over {len(z)} points.\n\n"
            + " ".join(_verdict(rows_at(frame, load_law=law), law) for law in CURVE_LAWS),
            Numbers(header, rows),
        )


def _label(row: pd.Series) -> str:
    fields = {"d": "load", "r": "wait_for"}
    given = [f"{key} = {row[column]}" for key, column in fields.items() if row[column] > 0]
    return ", ".join([looks.look(str(row["scheme"])).title, *given])


def _verdict(frame: pd.DataFrame, law: str) -> str:
    frame = frame.assign(label=frame.apply(_label, axis=1)).sort_values("integrated")
    (uncoded,) = rows_at(frame, scheme="uncoded")["integrated"]

    def compared(row: pd.Series) -> str:
        ahead = "fast" if row["integrated"] < uncoded else "long"
        ratio = max(uncoded / row["integrated"], row["integrated"] / uncoded)
        return f"{row['label']}, takes {row['integrated']:.1f} s, {ratio:.2g} times as {ahead}"

    coded = frame[(frame["decoding_error"] < 1e-9) & (frame["scheme"] != "uncoded")].iloc[0]
    ours, best = rows_at(frame, scheme="erasurehead").iloc[0], frame.iloc[0]
    return (
        f"Under the {law} law uncoded takes {uncoded:.1f} s an iteration. The fastest exact code, "
        f"{compared(coded)}. The better {compared(ours)}, with a decoding error of "
        f"{ours['decoding_error']:.2g}. The shortest time of all is that of {best['label']}: "
        f"{best['integrated']:.1f} s, with a decoding error of {best['decoding_error']:.2g}."
    )
