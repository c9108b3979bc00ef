"""Who waits for whom: for stragglers that are drawn, and on completion times that were measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....delay_models.presets import CURVE, AuthorsMeasured
from ....sim.base.errors import InvalidParameter
from ....sim.base.types import FloatArray
from ....sim.schemes.arrivals import NoFormula, uncovered_after
from ....sim.theory.decoding_error import GroupErasure, expected_decoding_error
from ....sim.theory.scheme_time import scheme_iteration_time
from ...pictures import looks, style
from ...pictures.looks import INK, MUTED, SOLID, Look
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from .. import base
from ..base import Effort, Numbers, Words, estimate_text, farthest, rows_at, z_scores

# How much later a straggler is, in mean delays: at 20, no other worker is ever as late.
LATE_DELAYS = 20.0
CODES = ("cyclic_repetition", "fractional_repetition", "erasurehead")


@final
@dataclass(frozen=True)
class DelayTolerance(base.Figure):
    """Decoding error and stopping time against the number of stragglers, points on formulas."""

    title: ClassVar[str] = "Decoding error and stopping time against stragglers"

    workers: int = 30  # n
    load: int = 3  # d
    wait_for: int = 15  # r of ErasureHead
    # s, how many workers straggle in every round, drawn anew in each
    stragglers: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 21, 24)
    rounds: int = 4000  # rounds simulated for each point
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per code and s; between the simulated values of s, theory alone.
        Raises InvalidParameter: sizes that do not fit each other."""
        if max(self.stragglers) > self.workers:
            valid = f"must be at most workers = {self.workers}"
            raise InvalidParameter("stragglers", max(self.stragglers), valid)
        every = sorted({*range(max(self.stragglers) + 1), *self.stragglers})
        rows = [row for s in every for row in self._rows(s, effort)]
        return pd.DataFrame(rows).sort_values(["scheme", "stragglers"], ignore_index=True)

    def _rows(self, late: int, effort: Effort) -> list[dict[str, Any]]:
        known = {scheme: self._theory(scheme, late) for scheme in CODES}
        measured = self._simulated(late, effort) if late in self.stragglers else {}
        sizes = {"workers": self.workers, "load": self.load, "wait_for": self.wait_for}
        sizes["stragglers"], seconds_late = late, LATE_DELAYS * self.delay
        rows = []
        for scheme in CODES:
            seconds, error = measured.get(scheme, (np.empty(0), np.empty(0)))
            waits = float(np.mean(seconds > seconds_late)) if seconds.size else np.nan
            row = {"scheme": scheme, **sizes, "late": seconds_late, **known[scheme]}
            row |= {"rounds": seconds.size, "waits": waits}
            row |= base.estimate_columns(seconds)
            rows.append(row | base.estimate_columns(error, "error", "error_se"))
        return rows

    def _simulated(self, late: int, effort: Effort) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Seconds of each round, and the error of what is decoded before a straggler answers."""
        clock = base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        if late:
            held_up: base.Section = {"model": "deterministic", "value": LATE_DELAYS * self.delay}
            hit = {"probability": 1.0, "sizes": [late], "delay": held_up}
            clock["delay"] = {"model": "cold_starts", "base": clock["delay"], **hit}
        schemes = base.five_schemes(self.load, self.wait_for, self.workers)[2:]
        sizes = {"workers": self.workers, "iterations": effort.times(self.rounds)}
        by_scheme = {}
        for cell, run, trace in effort.clocks({**sizes, "schemes": schemes, **clock}):
            seconds = np.asarray(trace.intervals[0])
            lost = 0.0 if run.scheme.exact else run.scheme.steps(trace).error[0] / self.workers
            # of a round that waits for a straggler, nothing is decoded yet
            error = np.where(seconds > LATE_DELAYS * self.delay, 1.0, lost)
            by_scheme[cell.scheme["name"]] = seconds, error
        return by_scheme

    def _theory(self, scheme: str, late: int) -> dict[str, float]:
        """Mean seconds, the chance that a straggler is waited for, and the mean error before.

        Stragglers are a random set, so the order of arrivals is random: u_m, the chance that m
        arrivals are not enough, is that without stragglers, and with c = n - s

            E[T] = d work + delay (sum_{m < c} (u_m - u_c) / (c - m) + sum_{m >= c} u_m / (n - m))
                   + u_c late,

        since a round that waits spends ``late`` instead of the first sum. Our derivation."""
        n, r = self.workers, self.wait_for
        enough = {"cyclic_repetition": n - self.load + 1, "erasurehead": r}.get(scheme, n)
        covered = scheme != "cyclic_repetition"
        unmet = uncovered_after(n, self.load, n) if covered else np.ones(n)
        unmet = np.append(np.where(np.arange(n) < enough, unmet, 0.0), 0.0)
        out, prompt = n - np.arange(n), n - late
        before = (unmet[:prompt] - unmet[prompt]) / (out[:prompt] - late)
        after = unmet[prompt:n] / out[prompt:]
        mean = self.load * base.QUICK_WORK + self.delay * (before.sum() + after.sum())
        mean += unmet[prompt] * LATE_DELAYS * self.delay
        lost = GroupErasure(n, self.load, r).one_erased
        early = lost if scheme == "erasurehead" and prompt >= r else 0.0
        waits = float(unmet[prompt])
        return {"theory": float(mean), "waits_theory": waits, "error_theory": waits + early}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Left the error of what is decoded before a straggler answers, right when it stops."""
        n = int(frame["workers"].iloc[0])
        x = Axis(f"stragglers among {n} workers")
        error = Axis("decoding error per partition", low=-0.03)
        drawn = pd.concat([rows_at(frame, scheme=scheme) for scheme in CODES])
        left = base.marks_on_theory(drawn, "stragglers", "error_theory", "error", "error_se")
        right = base.marks_on_theory(drawn, "stragglers")
        seconds = Axis("mean stopping time (s)", low=0.0)
        panels = [
            Panel(x, error, left, "before a straggler answers (1: no gradient)"),
            Panel(x, seconds, right, "when the master stops"),
        ]
        return Picture(panels, 2, style.TWO_PANELS, 4.0, last=[looks.THEORY_LOOK.title])

    def words(self, frame: pd.DataFrame) -> Words:
        """What straggles, how it is read, and both quantities of each code."""
        sizes, seen = frame.iloc[0], frame[frame["rounds"] > 0]
        known = settled(seen)
        z = z_scores(known)
        pairs = (("error", "error_se"), ("simulated", "standard_error"))
        rows = []
        for s in seen["stragglers"].unique():
            own = rows_at(seen, stragglers=s).set_index("scheme")
            texts = [estimate_text(*own.loc[c, [*pair]]) for pair in pairs for c in CODES]
            rows.append([str(s), *texts])
        names = [looks.look(scheme).title for scheme in CODES]
        header = ["stragglers", *(f"{of}, {name}" for of in ("error", "s") for name in names)]
        return (
            f"{int(sizes['workers'])} workers, load d = {int(sizes['load'])}. In every round as "
            f"many workers straggle as the axis says: drawn anew, and {sizes['late']:g} s late. "
            f"All have an exponential delay of mean {self.delay:g} s, and a partition takes "
            f"{base.QUICK_WORK:g} s. ErasureHead "
            f"stops at r = {int(sizes['wait_for'])} arrivals or full cover, fractional repetition "
            f"at full cover, cyclic repetition at all but {int(sizes['load']) - 1} arrivals. Left: "
            "‖w − 1‖² / n of the gradient that is decoded before a straggler answers; a master "
            "that has to wait has none yet, which counts 1. Right: mean seconds until it stops. "
            f"Points are means of {int(seen['rounds'].max())} rounds with 95 % intervals, lines "
            f"closed forms (our derivation); the largest difference of times is {farthest(z)}.\n\n"
            "Decoding error per partition, and seconds:",
            base.Numbers(header, rows),
        )


def settled(frame: pd.DataFrame, min_rounds: int = 50) -> pd.DataFrame:
    """The rows whose mean time is nearly normal: rounds that wait are expected never, always, or
    often enough. Of fewer than ``min_rounds`` that wait, or that do not, no error is known."""
    waits, rounds = frame["waits_theory"], frame["rounds"]
    rare = np.minimum(waits, 1 - waits) * rounds
    known: pd.DataFrame = frame[(rounds > 0) & ((rare < 1e-9) | (rare >= min_rounds))]
    return known


# the two ends of what the curve leaves open: none of the time is computing, or all of it
CURVE_LAWS: dict[str, base.Section] = {
    "additive": {"kind": "additive", "seconds_per_partition": 0.0},
    "proportional": {"kind": "proportional"},
}
CURVE_SCHEMES: tuple[base.Section, ...] = (
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
class MeasuredCurve(base.RunsFigure):
    """What nine schemes wait for on the authors' measured completion times, both load laws.

    The curve is the preset ``authors_measured``; its task and machines are not known, so it is not
    a known experiment."""

    title: ClassVar[str] = "The authors' measured curve of completion times"

    iterations: int = 2000
    replications: int = 16

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law and scheme: seconds an iteration, simulated and by integration."""
        rows = []
        for kind, law in CURVE_LAWS.items():
            own = {"delay": {"model": "authors_measured"}, "schemes": list(CURVE_SCHEMES)}
            document = self.document(effort, load_law=law, **own)
            for cell, run, trace in effort.clocks(document):
                exactly = scheme_iteration_time(run.scheme, AuthorsMeasured(), run.load_law)
                error = expected_decoding_error(run.scheme)
                assert not isinstance(exactly, NoFormula)
                assert error is not None
                row = {"load_law": kind, "scheme": cell.scheme["name"]}
                row |= {name: cell.scheme.get(name, 0) for name in ("load", "wait_for")}
                row["integrated"] = exactly.mean()
                row |= base.estimate_columns(trace.intervals.mean(axis=1))
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
        marks += [Points(ADDITIVE_LOOK), Points(PROPORTIONAL_LOOK, hollow=True)]
        marks.append(Points(INTEGRAL_LOOK))
        x = Axis("mean iteration time (s)", True, (1, 2, 3, 5))
        y = Axis("", low=len(names) - 0.5, high=-0.5, names=names)
        schemes = Panel(x, y, marks, f"what {self.workers} workers wait for")
        last = [ADDITIVE_LOOK.title, PROPORTIONAL_LOOK.title, INTEGRAL_LOOK.title]
        return Picture([curve, schemes], 2, style.TWO_PANELS, 4.4, last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """The times, and whether codes pay on this curve."""
        z = z_scores(frame, "integrated")
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
            f"the largest difference is {farthest(z)}.\n\n"
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
