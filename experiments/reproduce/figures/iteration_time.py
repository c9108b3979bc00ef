"""Mean iteration time against the number of workers: to hundreds, and from ten to ten million."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....delay_models import Tape
from ....sim.base.fields import require_group
from ....sim.base.types import FloatArray
from ....sim.engines import law as law_engine
from ....sim.engines.run import Engine, Run
from ....sim.engines.simulate import simulate
from ....sim.schemes import SchemeFamily
from ....sim.schemes.codes.erasurehead import ErasureHead, FractionalRepetition
from ....sim.schemes.uncoded import IgnoreStragglers, Uncoded
from ....sim.theory import IterationTimeLaw, scheme_iteration_time
from ...config import build
from ...config.settings import section
from ...pictures import looks, style
from ...pictures.looks import INK, THEORY_LOOK, Look
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from .. import base
from ..base import Effort, Figure, Words, curve_of, farthest, points_of, rows_at, z_scores

MAX_NAMED_SIZES = 6  # of which the axis and the table name each
BATCH_LOOK = Look(INK, "o", "none", "rings: batch engine, every worker")
LAW_LOOK = Look(INK, "o", "none", "dots: law engine")


def _setting(made: IterationTimeWorkers | IterationTimeScale, fewer: str) -> str:
    return (
        f"Each partition takes {base.EVEN_WORK:g} s of work and each worker has an exponential "
        f"delay of mean {made.delay:g} s; coded schemes have load d = {made.load}, ErasureHead "
        f"waits for r = n/2 and ignore stragglers for {fewer} arrivals. "
    )


@final
@dataclass(frozen=True)
class IterationTimeWorkers(Figure):
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
                seconds = np.empty(0)
                if n in self.workers:
                    run = replace(build.run_of(cell.settings), iterations=rounds)
                    seconds = simulate(run, heard=False, work=False).intervals[0]
                rows.append(row | base.estimate_columns(seconds) | {"rounds": seconds.size})
        return pd.DataFrame(rows)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Points on lines, one panel per load law."""
        panels = [self._panel(law, rows_at(frame, load_law=law)) for law in base.LAW_TITLES]
        return Picture(panels, 2, style.TWO_PANELS, 3.9, last=[THEORY_LOOK.title])

    def _panel(self, law: str, frame: pd.DataFrame) -> Panel:
        sizes = frame.loc[frame["rounds"] > 0, "workers"].unique()
        ticks = sizes if len(sizes) <= MAX_NAMED_SIZES else sizes[::2]
        x = Axis("workers n", True, names=tuple(map(str, ticks)), places=tuple(ticks))
        y = Axis("mean iteration time (s)", low=0.0)
        return Panel(x, y, base.marks_on_theory(frame, "workers"), base.LAW_TITLES[law])

    def words(self, frame: pd.DataFrame) -> Words:
        """Growth per doubling, and the largest z."""
        seen = frame[frame["rounds"] > 0]
        z = z_scores(seen)
        first, last = int(seen["workers"].min()), int(seen["workers"].max())
        growth = ""
        if first < last:
            known = rows_at(seen, load_law="additive")
            known = known.pivot(index="workers", columns="scheme", values=["simulated", "theory"])
            slope = (known.loc[last] - known.loc[first]) / np.log2(last / first)
            growth = (
                f"Every doubling of n costs uncoded {slope['simulated', 'uncoded']:.3f} s (theory: "
                f"{slope['theory', 'uncoded']:.3f} s, in the limit ln 2 / rate = "
                f"{np.log(2) * self.delay:.3f} s) and ErasureHead, under the additive law, "
                f"{slope['simulated', 'erasurehead']:+.3f} s.\n\n"
            )
        sizes = sorted({*map(int, seen["workers"])})
        return (
            f"{_setting(self, f'n − {self.load - 1}')}"
            f"Points are means of {int(seen['rounds'].max())} simulated rounds with 95 % "
            "intervals (mostly smaller than the points), lines are the closed forms; "
            f"the largest difference is {farthest(z)}.\n\n"
            f"{growth}"
            "Mean iteration time in seconds, simulated ± standard error:",
            base.times_table(seen, sizes if len(sizes) <= MAX_NAMED_SIZES else (first, last)),
        )


@final
@dataclass(frozen=True)
class IterationTimeScale(Figure):
    """Mean iteration time from ten workers to ten million: both engines on the theory's lines."""

    title: ClassVar[str] = "From ten workers to ten million"

    # powers of ten, the numbers of workers that are simulated; the load divides each
    decades: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    rounds: int = law_engine.ROUNDS_DRAWN  # rounds that the law engine draws for each point
    load: int = 5  # d
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, scheme, size and source; sizes between have theory alone."""
        rows = []
        # Beyond a thousand workers the lines are straight.
        between = [m * 10**k for k, m in product(self.decades, (2, 5)) if k < 3]
        for name, n in product(base.LAW_TITLES, sorted([*between, *(10**k for k in self.decades)])):
            families: tuple[SchemeFamily, ...] = (
                Uncoded(),
                IgnoreStragglers(wait_for=n - n // 10),
                FractionalRepetition(load=self.load),
                ErasureHead(load=self.load, wait_for=n // 2),
            )
            for family in families:
                theory = self._theory(name, n, family)
                row = {"load_law": name, "scheme": family.name, "workers": n, "theory": theory}
                drawn = 0 if n in between else effort.times(self.rounds)
                rounds: dict[Engine, int] = {"law": drawn}
                # the batch engine simulates 4 million worker-rounds of a point, or not at all
                # where that would be fewer than 40 rounds
                affordable = min(4000, 4_000_000 // n)
                if n not in between and affordable >= 40:
                    rounds["batch"] = effort.times(affordable)
                for engine, count in rounds.items():
                    seconds = np.empty(0)
                    if count:
                        seconds = self._simulated(name, n, family, engine, count, effort)
                    row["engine"] = engine if count else ""
                    rows.append(row | base.estimate_columns(seconds) | {"rounds": count})
        return pd.DataFrame(rows)

    def _simulated(
        self, name: str, n: int, family: SchemeFamily, engine: Engine, rounds: int, effort: Effort
    ) -> FloatArray:
        """Seconds of each round, without a config, which has at most a million workers."""
        delays, load_law = self._laws(name)
        run = Run(family.build(n), [Tape(delays, n, effort.seed, 0)], load_law, rounds)
        return np.asarray(simulate(run, engine, heard=False, work=False).intervals[0])

    def _theory(self, name: str, n: int, family: SchemeFamily) -> float:
        if family.name != "erasurehead" or n <= 10_000:
            return base.mean_time(name, family.name, n, self.load, n - n // 10, self.delay)
        # the sum takes n^2 / (2 d) steps; of an integral the most likely counts are enough
        law = scheme_iteration_time(family.build(n), *self._laws(name))
        assert isinstance(law, IterationTimeLaw)
        return law.mean()

    def _laws(self, name: str) -> tuple[Any, Any]:
        sections = base.delays_and_law(name, base.EVEN_WORK, self.delay)
        delays, load_law = (section(*item) for item in sections.items())
        return delays, load_law

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Rings and dots on lines, one panel per load law."""
        panels = [_panel(name, rows_at(frame, load_law=name)) for name in base.LAW_TITLES]
        last = [THEORY_LOOK.title, LAW_LOOK.title, BATCH_LOOK.title]
        return Picture(panels, 2, style.TWO_PANELS, 4.1, last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """What grows, from where on coding pays, and the largest z of either engine."""
        z = z_scores(frame)
        worst = dict(iter(z.groupby(frame["engine"])))
        by_law = rows_at(frame, engine="law")
        sizes = sorted(by_law["workers"].unique())
        largest = rows_at(frame, engine="batch")["workers"].max()
        wide = by_law.pivot(index=["load_law", "workers"], columns="scheme", values="simulated")
        grown = ""
        if len(sizes) > 1:
            ends = wide.loc["additive"].iloc[[0, -1]]
            growth = (ends.iloc[1] - ends.iloc[0]) / np.log10(sizes[-1] / sizes[0])
            grown = (
                "Ten times the workers cost, under the additive law, uncoded "
                f"{growth['uncoded']:.3f} s (theory: ln 10 / rate = {np.log(10) * self.delay:.3f} "
                f"s) and fractional repetition {growth['fractional_repetition']:.3f} s (a d-th of "
                "that). Of schemes that wait for a fixed share of the workers, they cost ignore "
                f"stragglers {growth['ignore_stragglers']:+.3f} s and ErasureHead "
                f"{growth['erasurehead']:+.3f} s. "
            )
        faster = "; ".join(
            f"under the {name} law {_crossing(rows_at(frame, load_law=name))}"
            for name in base.LAW_TITLES
        )
        rings = (
            "Rings are means of the batch engine, which simulates every worker of up to "
            f"{largest:,}. "
        )
        differences = ", and ".join(
            f"{farthest(own)} of the {engine} engine" for engine, own in worst.items() if engine
        )
        return (
            f"{_setting(self, '0.9 n')}{rings if 'batch' in worst else ''}Dots are means of "
            f"{int(by_law['rounds'].max()):,} rounds of the law engine, which draws the length of "
            "a round from its law, here from the same random numbers at every size; both with 95 % "
            "intervals (mostly smaller than the marks). Lines are the closed forms. The largest "
            f"difference from them is {differences}.\n\n"
            f"{grown}The size at which ErasureHead overtakes uncoded depends on how time grows "
            f"with load: {faster}.\n\n"
            "Mean iteration time in seconds, law engine ± standard error:",
            base.times_table(by_law, sizes),
        )


def _panel(name: str, frame: pd.DataFrame) -> Panel:
    lines, marks = list[Mark](), list[Mark]()
    for scheme, rows in frame.groupby("scheme", sort=False):
        look = replace(looks.look(str(scheme)), marker="")
        lines.append(curve_of(rows.drop_duplicates("workers"), "workers", "theory", look))
        dot = replace(look, marker="o", title="")
        for engine, how in (
            ("batch", {"hollow": True, "beneath": True, "size": 8.0}),
            ("law", {"size": 3.0}),
        ):
            own = rows_at(rows, engine=engine)
            marks.append(points_of(own, "workers", "simulated", dot, "standard_error", **how))
    entries: list[Mark] = [Curve(THEORY_LOOK), Points(LAW_LOOK, size=3.0)]
    entries += [Points(BATCH_LOOK, hollow=True)] * ("batch" in {*frame["engine"]})
    x, y = Axis("workers n", log=True), Axis("mean iteration time (s)", low=0.0)
    return Panel(x, y, [*lines, *marks, *entries], base.LAW_TITLES[name])


def _crossing(frame: pd.DataFrame) -> str:
    once = frame.drop_duplicates(["scheme", "workers"])
    wide = once.pivot(index="workers", columns="scheme", values="theory")
    faster = wide.index[wide["erasurehead"] < wide["uncoded"]]
    if faster.empty:
        return "nowhere on this axis"
    return f"at n = {faster[0]:,} and more (of the sizes computed)"
