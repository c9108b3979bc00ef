"""Time to a target loss over all families, every scheme at its own best learning rate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.errors import InvalidParameter
from ....sim.base.numerics import one_thread
from ....sim.base.types import FloatArray, Rounds
from ....sim.engines.simulate import simulate
from ...config import build
from ...pictures import style
from ...pictures.looks import MUTED, SOLID, Look, look
from ...pictures.picture import Axis, Heat, Mark, Panel, Picture, Points, Rules, Texts
from ...run.records import mean_interval, ratio_interval
from ...run.tuning import TARGET_SHARE, Runs, best, clock, replayed, target_loss
from ...text import interval_columns, number_of, whole_percent
from .. import base
from ..base import CodedFigure, Effort, Numbers, Section, Words, bars, interval_text, rows_at
from .loss_time import EXPERIMENTS
from .ranking import DROP_COMPUTE_PATIENCE

STRAGGLER_TOLERANCE = 0.5  # mu: whoever takes 1.5 times as long as the fastest is a straggler
# the sequential codes, which are two variants of one scheme
SEQUENTIAL_LOOKS = {
    "selective_repeat": replace(look("sequential"), title="sequential: selective repeat"),
    "multiplexed": replace(
        look("sequential"), title="sequential: multiplexed", marker="X", line=SOLID
    ),
}
# as they are written
SYMBOLS = {"load": "d", "wait_for": "r", "stragglers": "λ", "tolerance": "μ"}


@final
@dataclass(frozen=True)
class TunedScheme:
    """A scheme of a family, as a section of a config."""

    family: str
    section: Section
    look: Look

    @property
    def parameters(self) -> str:
        """Fields of the section, as they are written."""
        own = {key: v for key, v in self.section.items() if key not in ("name", "variant")}
        return ", ".join(f"{SYMBOLS.get(key, key)} = {v}" for key, v in own.items()) or "–"


def require_reached(exact: FloatArray, iterations: int) -> None:
    """Raises InvalidParameter: so many iterations do not take all ``(R,)`` runs of uncoded to the
    target, and its time to it is what all others are compared with."""
    if np.isnan(exact).any():
        raise InvalidParameter("iterations", iterations, "must take uncoded to the target loss")


def training_runs(
    document: Section, scheme: Section, rates: Sequence[float], effort: Effort
) -> list[Runs]:
    """One scheme on the delays and the problem of a document, at each rate."""
    [cell] = effort.cells({**document, **base.GRADIENT_DESCENT, "schemes": [scheme]})
    run, learning = build.both(cell)
    assert learning is not None
    run = effort.remembering(cell, run)
    with one_thread():
        trace = simulate(run, work=False)
        steps = run.scheme.steps(trace)
        if not isinstance(trace.heard, Rounds):
            return replayed(run, steps, learning, rates)
        # Models depend on who was heard and not on when: another load law need not train anew.
        others = {k: v for k, v in cell.document.items() if k not in ("delay", "load_law")}
        heard = sha256(np.packbits(trace.heard.arrived).tobytes()).hexdigest()
        key = json.dumps([others, list(rates), heard])
        if key not in effort.losses:
            effort.losses[key] = [runs.losses for runs in replayed(run, steps, learning, rates)]
        times = clock(steps, run.iterations)
        return [Runs(times, losses) for losses in effort.losses[key]]


# kinds of rows: a rate that was tried on other delays; rates on the delays that are shown
TRIED, OWN, UNCODED_RATE = "grid", "own best rate", "uncoded's best rate"
OWN_TITLE, UNCODED_TITLE = f"at its {OWN}, written beside", f"at {UNCODED_RATE}"
MISSED_TITLE = "some replications do not reach it in these runs"


@final
@dataclass(frozen=True)
class Grid:
    """A data set, and the learning rates from which every scheme has its own."""

    dataset: str  # an embedded one
    rates: tuple[float, ...]  # powers of 2


@final
@dataclass(frozen=True)
class TimeToTarget(CodedFigure):
    """Time to a target loss over all families, every scheme at its own best learning rate."""

    title: ClassVar[str] = "Time to a target, every scheme at its best learning rate"

    # grids, more: those of every reproduction, and of a full one as well
    grids: tuple[Grid, ...] = (Grid("breast_cancer", tuple(2.0**k for k in range(-6, 4))),)
    more: tuple[Grid, ...] = (Grid("diabetes", tuple(2.0**k for k in range(-11, 0))),)
    iterations: int = 40
    replications: int = 16
    trials: int = 4  # replications, on other delays, on which rates are chosen
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per data set, load law, scheme and rate that was tried, and two for the shown."""
        rows = [
            {"dataset": grid.dataset, "load_law": law, **row}
            for grid in self.grids + (self.more if effort.full else ())
            for law in base.LAW_TITLES
            for row in self._cluster(grid, law, effort)
        ]
        return pd.DataFrame(rows)

    def tuned_schemes(self) -> dict[str, TunedScheme]:
        """Every code has load d; who may leave out few waits for n - d + 1, who may many for r.
        Of updates that are made of several gradients, r is their number."""
        load, wait_for = self.load, self.wait_for
        fewer = self.workers - load + 1
        patience = round(DROP_COMPUTE_PATIENCE * (base.QUICK_WORK + self.delay), 6)
        burst = {"B": 1, "W": 2, "stragglers": 2 * (load - 1), "tolerance": STRAGGLER_TOLERANCE}
        bursts = {
            variant: {"name": "sequential", "variant": variant, **burst}
            for variant in SEQUENTIAL_LOOKS
        }
        rows: list[tuple[str, str, Section]] = [
            ("synchronous", "uncoded", {}),
            ("synchronous", "ignore_stragglers", {"wait_for": fewer}),
            ("exact code", "fractional_repetition", {"load": load}),
            ("exact code", "cyclic_repetition", {"load": load}),
            ("approximate code", "erasurehead", {"load": load, "wait_for": wait_for}),
            ("partial work", "multi_message", {"load": load}),
            # the smallest data set has 353 rows for 30 workers' micro-batches
            ("partial work", "drop_compute", {"pieces": 10, "patience": patience}),
            *(("sequential", variant, section) for variant, section in bursts.items()),
            ("stale sums", "pipelined", {"load": load, "wait_for": fewer}),
            ("asynchronous", "k_async", {"wait_for": wait_for}),
            ("asynchronous", "k_batch_async", {"wait_for": wait_for}),
            ("asynchronous", "asynchronous", {}),
            ("asynchronous", "ringmaster", {"oldest": self.workers}),
            ("asynchronous", "ringleader", {}),
            ("asynchronous", "gradient_table", {}),
        ]
        looks = {key: SEQUENTIAL_LOOKS.get(key) or look(key) for _, key, _ in rows}
        return {
            key: TunedScheme(family, {"name": key, **fields}, looks[key])
            for family, key, fields in rows
        }

    def _cluster(self, grid: Grid, law: str, effort: Effort) -> Iterator[dict[str, Any]]:
        loss, rates = EXPERIMENTS[grid.dataset].loss, grid.rates
        document = self.document(
            effort,
            problem={"loss": loss, "dataset": grid.dataset, "l2": "1/rows"},
            **base.delays_and_law(law, base.QUICK_WORK, self.delay),
        )
        trial = {**document, "replications": effort.times(self.trials)}
        other = replace(effort, seed=effort.seed + 1)
        target = target_loss(effort.problem(document))
        common, exact = np.nan, np.empty(0)
        for scheme, member in self.tuned_schemes().items():
            facts = {"scheme": scheme, "target": target}
            tried = training_runs(trial, member.section, rates, other)
            for rate, runs in zip(rates, tried, strict=True):
                yield {**facts, "kind": TRIED, "rate": rate, **numbers_at_target(runs, target)}
            own = rates[best([runs.seconds(target) for runs in tried])]
            common = own if scheme == "uncoded" else common
            both = sorted({own, common})
            several = training_runs(document, member.section, both, effort)
            by_rate = dict(zip(both, several, strict=True))
            if scheme == "uncoded":
                exact = by_rate[own].seconds(target)
                require_reached(exact, self.iterations)
            for kind, rate in ((OWN, own), (UNCODED_RATE, common)):
                numbers = numbers_at_target(by_rate[rate], target, exact)
                yield {**facts, "kind": kind, "rate": rate, **numbers}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """A column for each load law: ratios to uncoded above, what other rates cost below."""
        datasets = list(dict.fromkeys(frame["dataset"]))
        panels = []
        for dataset in datasets:
            by_law = {law: rows_at(frame, dataset=dataset, load_law=law) for law in base.LAW_TITLES}
            panels += [self._ratios(rows, law) for law, rows in by_law.items()]
            title = EXPERIMENTS[dataset].title
            tried = {law: rows_at(rows, kind=TRIED) for law, rows in by_law.items()}
            top, last_law = max(np.nanmax(self._times(own)) for own in tried.values()), [*tried][-1]
            panels += [
                self._rates(own, f"{title},\n{law} law (dots: the best)", top, law == last_law)
                for law, own in tried.items()
            ]
        size = len(base.LAW_TITLES), style.TWO_PANELS, 7.6 * len(datasets) + 0.9
        last, heights = ([OWN_TITLE, UNCODED_TITLE, MISSED_TITLE], (1.5, 1.3) * len(datasets))
        return Picture(panels, *size, share="rows", legend=1, last=last, heights=heights)

    def _ratios(self, frame: pd.DataFrame, law: str) -> Panel:
        schemes = self.tuned_schemes()
        own, common = (rows_at(frame, kind=kind) for kind in (OWN, UNCODED_RATE))
        exact = rows_at(own, scheme="uncoded")["seconds"].iloc[0]
        marks: list[Mark] = [Rules("", x=np.ones(1))]
        rates = []
        for at, (scheme, member) in enumerate(schemes.items()):
            y = np.array([float(at)])
            tuned_row, other = (rows_at(rows, scheme=scheme).iloc[0] for rows in (own, common))
            for tuned, row in ((False, other), (True, tuned_row)):
                if not tuned and row["rate"] == tuned_row["rate"]:
                    continue  # it is the same mark
                if row["reached"] < row["replications"]:
                    late = Look(member.look.colour, ">", "none", "")
                    x = np.array([row["elapsed"] / exact])
                    marks.append(Points(late, x, y, hollow=True))
                    continue
                x, *ends = (np.array([row[f"ratio{end}"]]) for end in ("", "_low", "_high"))
                drawn = Look(member.look.colour, member.look.marker if tuned else "", "none", "")
                marks.append(Points(drawn, x, y, dx=bars(x, *ends)))
                if not tuned:
                    ring = replace(drawn, marker="o")
                    marks.append(Points(ring, x, y, hollow=True, beneath=True))
            rates.append(_power(tuned_row["rate"]) if tuned_row["reached"] else "–")
        every = np.concatenate([mark.x for mark in marks if isinstance(mark, Points)])
        low, high = float(np.nanmin(every)), float(np.nanmax(every))
        right = high * (high / low) ** 0.22
        words = Texts(np.full(len(rates) + 1, right), np.arange(-1.0, len(rates)), ("rate", *rates))
        entries = (("o", OWN_TITLE, False), ("o", UNCODED_TITLE, True), (">", MISSED_TITLE, True))
        keys = [Points(Look(MUTED, m, "none", text), hollow=open_) for m, text, open_ in entries]
        names = tuple(member.look.title for member in schemes.values())
        label = "time to target\nrelative to uncoded"
        across = Axis(label, True, (1, 2, 5), 0.8 * low, 1.02 * right)
        down = Axis("", low=len(schemes) - 0.4, high=-1.6, names=names)
        marks += [replace(words, align="right", size=8.0), *keys]
        return Panel(across, down, marks, f"{law} law")

    def _times(self, frame: pd.DataFrame) -> FloatArray:
        """Rows of schemes, columns of rates: how many times as long as at the best rate."""
        wide = frame.pivot(index="scheme", columns="rate", values="seconds")
        seconds = wide.reindex([*self.tuned_schemes()])
        return seconds.div(seconds.min(axis=1), axis=0).to_numpy(dtype=float)

    def _rates(self, frame: pd.DataFrame, title: str, top: float, bar: bool) -> Panel:
        """The times as shades, the darkest of which is ``top`` in all panels of a row."""
        rates, schemes = sorted(frame["rate"].unique()), self.tuned_schemes()
        times = self._times(frame)
        rows, columns = np.nonzero(times == 1.0)
        words = Texts(columns.astype(float), rows.astype(float), ["•"] * len(rows), "center")
        at = range(0, len(rates), 3)
        names = tuple(_power(rates[column]) for column in at)
        x = Axis("learning rate of every iteration", names=names, places=tuple(map(float, at)))
        y = Axis("", names=tuple(scheme.look.title for scheme in schemes.values()))
        # the lightest shade is below 1, so that no cell is as white as the paper
        heatmap = Heat(times, "times as long as at its best rate", True, 0.8, top, bar=bar)
        return Panel(x, y, [heatmap, words], title, grid=False)

    def words(self, frame: pd.DataFrame) -> Words:
        """The rule, who wins, what one common rate would have said, and all numbers."""
        reports = [
            self._cluster_report(str(dataset), str(law), rows)
            for (dataset, law), rows in frame.groupby(["dataset", "load_law"], sort=False)
        ]
        tried, compared = frame[frame["kind"] == TRIED], frame[frame["kind"] != TRIED]
        grids = "; ".join(
            f"{EXPERIMENTS[str(dataset)].title}: {_power(rates.min())} to {_power(rates.max())}"
            for dataset, rates in tried.groupby("dataset", sort=False)["rate"]
        )
        trials = number_of(tried["replications"].max(), "replication")
        return (
            f"{self.workers} workers, exponential delays of mean {self.delay:g} s, "
            f"{base.QUICK_WORK:g} s of work per partition, unfinished work cancelled. Plain "
            f"gradient descent from the zero model with a constant rate; {self.iterations} "
            f"iterations (n gradients each, without rounds), "
            f"{number_of(compared['replications'].max(), 'replication')} on common delays.\n\n"
            f"The target was set before any run: {whole_percent(TARGET_SHARE)} of the way from the "
            "zero model's loss to that of the best model. The time to it is that of the first "
            "iteration at or below it, in a run that also ends there, so that a rate that is too "
            "large does not arrive by chance. **Every scheme has its own best rate of one grid**, "
            f"powers of 2 ({grids}): the one at which most replications arrive, and of these the "
            f"soonest on average, over {trials} of other delays than those shown. The "
            "lower panels are these trials: mean seconds where all arrive, over those at the "
            "scheme's best rate. Parameters come from one rule, not from tuning: every code has "
            f"load {self.load}, those that may miss few workers wait for "
            f"{self.workers - self.load + 1}, ErasureHead and updates of several gradients take "
            f"{self.wait_for}; see the tables.\n\n"
            "Above, coloured marks are at a scheme's own best rate, open circles at the rate that "
            "is best for uncoded, as in comparisons in which only one scheme is tuned; bars are 95 "
            "% intervals of the paired ratio to uncoded. Arrows stand at the mean length of the "
            "runs where not all replications arrive in it; the tables say how many do.",
            *(item for report in reports for item in report),
        )

    def _cluster_report(self, dataset: str, law: str, frame: pd.DataFrame) -> Words:
        own, common = (rows_at(frame, kind=kind) for kind in (OWN, UNCODED_RATE))
        rank, rank_common = _ranks(own), _ranks(common)
        rows = []
        for scheme, member in self.tuned_schemes().items():
            tuned, untuned = (rows_at(rows, scheme=scheme).iloc[0] for rows in (own, common))
            rate = _power(tuned["rate"]) if tuned["reached"] else "–"
            seconds = _timed(tuned, "seconds", f" in {tuned['elapsed']:.1f} s")
            row = [member.look.title, member.family, member.parameters, rate, seconds]
            row += [_timed(tuned, "ratio"), rank[scheme], _timed(untuned, "ratio")]
            rows.append([*row, rank_common[scheme]])
        header = ["scheme", "family", "parameters", "best rate", "s to target"]
        header += ["relative to uncoded", "rank", f"relative, at {UNCODED_RATE}", "rank"]
        title = f"**{EXPERIMENTS[dataset].title}, {law} law**, target {own['target'].iloc[0]:.4g}. "
        findings = self._findings(own, common, rows_at(frame, kind=TRIED)["rate"])
        return f"{title}{findings}", Numbers(header, rows, names=3)

    def _findings(self, own: pd.DataFrame, common: pd.DataFrame, rates: pd.Series) -> str:
        schemes = self.tuned_schemes()

        def names(rows: pd.DataFrame) -> str:
            return ", ".join(schemes[scheme].look.title for scheme in rows["scheme"]) or "none"

        behind = common[~(common["ratio_high"] < 1)]["scheme"]
        gained = own[(own["ratio_high"] < 1) & own["scheme"].isin(behind)]
        late, late_common = (rows[rows["reached"] < rows["replications"]] for rows in (own, common))
        ends = own[own["rate"].isin((rates.min(), rates.max())) & (own["reached"] > 0)]
        first, first_common = (
            names(rows[rows["seconds_low"] <= rows["seconds_high"].iloc[0]])
            for rows in (kind.sort_values("seconds") for kind in (own, common))
        )
        return (
            "First, together with those whose 95 % intervals of the mean overlap: each at its own "
            f"best rate {first}; at {UNCODED_RATE}, {_power(common['rate'].iloc[0])}, "
            f"{first_common}. Faster than uncoded only when tuned: {names(gained)}. Not there in "
            f"all replications at the common rate: {names(late_common)}; at their own: "
            f"{names(late)}. Best rate at an end of the grid, so that one beyond may be better: "
            f"{names(ends)}."
        )


def numbers_at_target(runs: Runs, target: float, exact: FloatArray | None = None) -> dict[str, Any]:
    """Seconds and, beside those of uncoded, their ratio; empty where a replication is not there.
    A mean over those that are would flatter."""
    seconds = runs.seconds(target)
    reached = int(np.isfinite(seconds).sum())
    all_there = seconds if reached == seconds.size else np.full(seconds.size, np.nan)
    numbers = {
        **interval_columns("seconds", mean_interval(all_there)),
        "iterations": float(runs.iterations(target).mean()),
        "reached": reached,
        "replications": seconds.size,
        "elapsed": float(runs.times[:, -1].mean()),
    }
    if exact is not None:
        numbers |= interval_columns("ratio", ratio_interval(all_there, exact))
    return numbers


def _power(rate: float) -> str:
    return f"{rate:g}" if rate >= 1 else f"1/{1 / rate:g}"


def _timed(row: pd.Series, column: str, late: str = "") -> str:
    """Seconds or a ratio, where all replications arrive; else how many do."""
    if row["reached"] == row["replications"]:
        return interval_text(row, column)
    return f"{row['reached']} of {row['replications']} arrive{late}"


def _ranks(rows: pd.DataFrame) -> dict[str, str]:
    """The place of each scheme; a dash for one that does not arrive."""
    ranks = rows["seconds"].rank(method="min")
    texts = ["–" if np.isnan(rank) else f"{rank:.0f}" for rank in ranks]
    return dict(zip(rows["scheme"], texts, strict=True))
