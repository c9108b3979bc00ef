"""How wrong the decoded gradient is after r arrivals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ...sim.theory.decoding_error import GroupErasure
from ...sim.types import FloatArray
from ..pictures import style
from ..pictures.looks import THEORY, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture
from ..run.records import mean_and_error
from . import base
from .base import Effort, PaperFigure, Section, curve_of, estimate_text, markdown_table, points_of

LEAST_SHOWN = 1e-3  # errors per partition below this are left out of the picture
LEAST_ROUNDS = 50  # rounds with an error that a point needs: from fewer, its own error is not known
ROUNDING = 1e-9


@final
@dataclass(frozen=True)
class DecodingErrorArrivals(PaperFigure):
    """Decoding error of ErasureHead against arrivals r for several loads, points on formulas."""

    title: ClassVar[str] = "Decoding error against arrivals"

    workers: int = 60  # n, divisible by every load
    loads: tuple[int, ...] = (2, 3, 4, 5, 6)  # the values of d
    arrivals: tuple[int, ...] = (3, 6, 12, 18, 24, 30, 36, 42, 48, 54)  # the values of r
    rounds: int = 4000  # rounds simulated for each point

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per scheme and r; between the simulated values of r, theory alone."""
        rows = [self._row(section, self._simulate(section, effort)) for section in self._sections()]
        return pd.DataFrame(rows).sort_values(["scheme", "rescale", "load", "arrivals"])

    def _sections(self) -> list[Section]:
        every = range(1, self.workers + 1)
        theirs: Section = {"name": "ignore_stragglers"}
        ours: Section = {"name": "erasurehead"}
        return [
            *(theirs | {"wait_for": r, "rescale": each} for each in (False, True) for r in every),
            *(ours | {"load": d, "wait_for": r} for d in self.loads for r in every),
        ]

    def _simulate(self, section: Section, effort: Effort) -> FloatArray:
        """Decoding errors of all rounds; none where r is not one of the simulated values."""
        if section["wait_for"] not in self.arrivals:
            return np.empty(0)
        sizes = {"workers": self.workers, "iterations": effort.times(self.rounds)}
        clock = base.delays_and_law("additive", base.QUICK_WORK)
        [(_, run, trace)] = effort.clocks({**sizes, "schemes": [section], **clock}, heard=True)
        return np.asarray(run.scheme.steps(trace).error[0])

    def _row(self, section: Section, errors: FloatArray) -> dict[str, object]:
        d, r, n = section.get("load", 1), section["wait_for"], self.workers
        rescale = bool(section.get("rescale", False))
        mean, error = mean_and_error(errors)
        theory = GroupErasure(n, d, r, n / r if rescale else 1.0).decoding_error
        wrong = int(np.count_nonzero(errors > ROUNDING))
        facts = {"scheme": section["name"], "load": d, "rescale": rescale, "arrivals": r}
        facts |= {"workers": n, "theory": theory, "simulated": mean, "standard_error": error}
        return facts | {"rounds_with_error": wrong, "rounds": errors.size}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One line per load, in shares of the partitions."""
        own = variants(list(dict(zip(_labels(frame), frame["scheme"], strict=True)).items()))
        columns = ("theory", "arrivals", "simulated", "standard_error")
        shares = frame.assign(**{name: frame[name] / frame["workers"] for name in columns})
        marks: list[Mark] = []
        for label, rows in shares.groupby(_labels(frame), sort=False):
            look = own[str(label)]
            line = replace(look, marker="", title="")
            marks.append(curve_of(rows[rows["theory"] > 0], "arrivals", "theory", line))
            seen = rows[rows["rounds_with_error"] >= LEAST_ROUNDS]
            marks.append(points_of(seen, "arrivals", "simulated", look, "standard_error"))
        x = Axis("share of workers heard, r/n", low=0.0, high=1.0)
        y = Axis("decoding error per partition,\n‖w − 1‖² / n", True, low=LEAST_SHOWN, high=30.0)
        panels = [Panel(x, y, [*marks, Curve(THEORY)])]
        return Picture(panels, 1, style.ONE_PANEL + 0.6, 4.3, legend=2, last=[THEORY.title])

    def text(self, frame: pd.DataFrame) -> str:
        """What is lost at r = n/2, and the largest z."""
        known = frame[(frame["rounds_with_error"] >= LEAST_ROUNDS) & (frame["load"] > 1)]
        z = ((known["simulated"] - known["theory"]) / known["standard_error"]).abs()
        n = int(frame["workers"].iloc[0])
        simulated = frame[frame["rounds"] > 0]
        at = int(min(simulated["arrivals"].unique(), key=lambda r: abs(r - n / 2)))
        half = simulated[simulated["arrivals"] == at]
        steps = half[half["load"] > 1]["simulated"].to_numpy()
        divided = ""
        if steps.size > 1:
            factors = steps[:-1] / steps[1:]
            span = f"by {factors.min():.1f} to {factors.max():.1f}"
            divided = f", one more unit of load divides the error {span}"
        rows = []
        for label, (_, row) in zip(_labels(half), half.iterrows(), strict=True):
            mean = estimate_text(row["simulated"], row["standard_error"])
            rows.append([label, mean, f"{row['theory']:.4g}", f"{row['theory'] / n:.2%}"])
        header = ["scheme", "simulated", "theory", "theory per partition"]
        return (
            "The squared distance of the partition weights w from 1, divided by the number of "
            f"partitions, n = {n}. For ErasureHead it is the share of partitions that no message "
            "covers: 1 means that nothing is decoded, 0 that the gradient is exact. Points are "
            f"means of {int(frame['rounds'].max())} rounds with 95 % intervals, drawn where "
            f"at least {LEAST_ROUNDS} rounds had an error; lines are the formula "
            "n C(n−d, r)/C(n, r), n − r for ignore stragglers (load 1) and n(n−r)/r when it is "
            "rescaled by n/r, which removes the bias and enlarges the distance. "
            f"The largest difference is {z.max():.1f} standard errors over {len(z)} points.\n\n"
            f"With half of the workers heard (r = {at}){divided}:\n\n"
            + markdown_table(header, rows)
        )


def _labels(frame: pd.DataFrame) -> list[str]:
    return [
        f"ErasureHead, d = {row.load}"
        if row.scheme == "erasurehead"
        else f"ignore stragglers{', rescaled' if row.rescale else ''}"
        for row in frame.itertuples()
    ]


FIGURE = DecodingErrorArrivals()
