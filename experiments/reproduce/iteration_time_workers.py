"""Mean iteration time against the number of workers: log n growth, and how to be rid of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar, final

import numpy as np
import pandas as pd

from ...sim.engines.simulate import simulate
from ...sim.fields import require_group
from ..config import build
from ..pictures import looks, style
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture
from ..run.records import mean_and_error
from . import base
from .base import Effort, PaperFigure, Words, curve_of, points_of, rows_at

MAX_NAMED_SIZES = 6  # of which the axis and the table name each


@final
@dataclass(frozen=True)
class IterationTimeWorkers(PaperFigure):
    """Mean iteration time against the number of workers, simulated and in theory, two load laws."""

    title: ClassVar[str] = "Iteration time against the number of workers"

    # simulated cluster sizes; the load divides each, and so does 2
    workers: tuple[int, ...] = (12, 24, 48, 96, 192, 384, 768)
    rounds: int = 4000  # rounds simulated for each point
    load: int = 3  # d
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, scheme and cluster size; sizes between have theory alone."""
        for n in self.workers:
            require_group(self.load, n)
        between = np.geomspace(self.workers[0], self.workers[-1], 30) / (2 * self.load)
        sizes = {int(n) * 2 * self.load for n in np.round(between) if n >= 1} | set(self.workers)
        rounds = effort.times(self.rounds)
        rows = []
        for law, n in product(base.LAW_TITLES, sorted(sizes)):
            schemes = {"schemes": base.five_schemes(self.load, n // 2, n)}
            clock = base.delays_and_law(law, base.EVEN_WORK, self.delay)
            for cell in effort.cells({"workers": n, **schemes, **clock}):
                name = cell.scheme["name"]
                theory = base.mean_time(law, name, n, self.load, n - self.load + 1, self.delay)
                row = {"load_law": law, "scheme": name, "workers": n, "theory": theory}
                row |= {"simulated": np.nan, "standard_error": np.nan, "rounds": 0}
                if n in self.workers:
                    run = replace(build.timing(cell), iterations=rounds)
                    trace = simulate(run, heard=False, work=False)
                    mean, error = mean_and_error(trace.intervals[0])
                    row |= {"simulated": mean, "standard_error": error, "rounds": rounds}
                rows.append(row)
        return pd.DataFrame(rows)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Points on lines, one panel per load law."""
        panels = [_panel(law, rows_at(frame, load_law=law)) for law in base.LAW_TITLES]
        return Picture(panels, 2, style.TWO_PANELS, 3.9, last=[looks.THEORY_LOOK.title])

    def words(self, frame: pd.DataFrame) -> Words:
        """Growth per doubling, and the largest z."""
        seen = frame[frame["rounds"] > 0]
        z = ((seen["simulated"] - seen["theory"]) / seen["standard_error"]).abs()
        first, last = int(seen["workers"].min()), int(seen["workers"].max())
        growth = ""
        if first < last:
            known = rows_at(seen, load_law="additive").pivot(
                index="workers", columns="scheme", values=["simulated", "theory"]
            )
            slope = (known.loc[last] - known.loc[first]) / np.log2(last / first)
            growth = (
                f"Every doubling of n costs uncoded {slope['simulated', 'uncoded']:.3f} s (theory: "
                f"{slope['theory', 'uncoded']:.3f} s, in the limit ln 2 / rate = "
                f"{np.log(2) * self.delay:.3f} s) and ErasureHead, under the additive law, "
                f"{slope['simulated', 'erasurehead']:+.3f} s.\n\n"
            )
        sizes = sorted({*map(int, seen["workers"])})
        return (
            f"Each partition takes {base.EVEN_WORK:g} s of work and each worker has an exponential "
            f"delay of mean {self.delay:g} s; coded schemes have load d = {self.load}, ErasureHead "
            f"waits for r = n/2 and ignore stragglers for n − {self.load - 1} arrivals. "
            f"Points are means of {int(seen['rounds'].max())} simulated rounds with 95 % "
            "intervals (mostly smaller than the points), lines are the closed forms; "
            f"the largest difference is {z.max():.1f} standard errors over {len(z)} points.\n\n"
            f"{growth}"
            "Mean iteration time in seconds, simulated ± standard error:",
            base.times_table(seen, sizes if len(sizes) <= MAX_NAMED_SIZES else (first, last)),
        )


def _panel(law: str, frame: pd.DataFrame) -> Panel:
    marks: list[Mark] = []
    for scheme, rows in frame.groupby("scheme", sort=False):
        look = looks.look(str(scheme))
        marks.append(curve_of(rows, "workers", "theory", replace(look, marker="", title="")))
        seen = rows[rows["rounds"] > 0]
        marks.append(points_of(seen, "workers", "simulated", look, "standard_error"))
    sizes = frame.loc[frame["rounds"] > 0, "workers"].unique()
    ticks = sizes if len(sizes) <= MAX_NAMED_SIZES else sizes[::2]
    x = Axis("workers n", True, names=tuple(map(str, ticks)), places=tuple(ticks))
    y = Axis("mean iteration time (s)", low=0.0)
    return Panel(x, y, [*marks, Curve(looks.THEORY_LOOK)], base.LAW_TITLES[law])
