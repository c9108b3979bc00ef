"""Stragglers: who must wait for one of them, for how long, and what an early gradient lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.errors import InvalidParameter
from ...sim.schemes.arrivals import uncovered_after
from ...sim.theory.decoding_error import GroupErasure
from ...sim.types import FloatArray
from ..pictures import looks, style
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture
from ..run.records import mean_and_error
from . import base
from .base import Effort, PaperFigure, Section, Words, curve_of, estimate_text, points_of, rows_at

# How much later a straggler is, in mean delays: at 20, no other worker is ever as late.
LATE_DELAYS = 20.0
CODES = ("cyclic_repetition", "fractional_repetition", "erasurehead")


@final
@dataclass(frozen=True)
class DelayTolerance(PaperFigure):
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
        nothing = (np.nan, np.nan)
        rows = []
        for scheme in CODES:
            seconds, error = measured.get(scheme, (np.empty(0), np.empty(0)))
            waits = float(np.mean(seconds > seconds_late)) if seconds.size else np.nan
            row = {"scheme": scheme, **sizes, "late": seconds_late, **known[scheme]}
            means = [
                mean_and_error(values) if values.size else nothing for values in (seconds, error)
            ]
            names = ("simulated", "standard_error", "error", "error_se")
            row |= {"rounds": seconds.size, "waits": waits}
            rows.append(row | dict(zip(names, sum(means, ()), strict=True)))
        return rows

    def _simulated(self, late: int, effort: Effort) -> dict[str, tuple[FloatArray, FloatArray]]:
        """Seconds of each round, and the error of what is decoded before a straggler answers."""
        clock = base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        if late:
            held_up: Section = {"model": "deterministic", "value": LATE_DELAYS * self.delay}
            hit = {"probability": 1.0, "sizes": [late], "delay": held_up}
            clock["delay"] = {"model": "cold_starts", "base": clock["delay"], **hit}
        schemes = base.five_schemes(self.load, self.wait_for, self.workers)[2:]
        sizes = {"workers": self.workers, "iterations": effort.times(self.rounds)}
        by_scheme = {}
        for cell, run, trace in effort.clocks({**sizes, "schemes": schemes, **clock}):
            seconds = np.asarray(trace.intervals[0])
            lost = 0.0 if run.scheme.exact else run.scheme.steps(trace).error[0] / self.workers
            error = np.where(
                seconds > LATE_DELAYS * self.delay, 1.0, lost
            )  # nothing is decoded yet
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
        offset = self.load * base.QUICK_WORK
        mean = (
            offset
            + self.delay * (before.sum() + after.sum())
            + unmet[prompt] * LATE_DELAYS * self.delay
        )
        lost = GroupErasure(n, self.load, r).one_erased
        early = lost if scheme == "erasurehead" and prompt >= r else 0.0
        waits = float(unmet[prompt])
        return {"theory": float(mean), "waits_theory": waits, "error_theory": waits + early}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Left the error of what is decoded before a straggler answers, right when it stops."""
        n = int(frame["workers"].iloc[0])
        x = Axis(f"stragglers among {n} workers")
        error = Axis("decoding error per partition", low=-0.03)
        left = _marks(frame, "error_theory", "error", "error_se")
        right = _marks(frame, "theory", "simulated", "standard_error")
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
        z = ((known["simulated"] - known["theory"]) / known["standard_error"]).abs()
        pairs = (("error", "error_se"), ("simulated", "standard_error"))
        rows = []
        for s in seen["stragglers"].unique():
            own = rows_at(seen, stragglers=s).set_index("scheme")
            texts = [estimate_text(*own.loc[c, [*pair]]) for pair in pairs for c in CODES]
            rows.append([str(s), *texts])
        names = [looks.look(scheme).title for scheme in CODES]
        header = [
            "stragglers",
            *(f"error, {name}" for name in names),
            *(f"s, {name}" for name in names),
        ]
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
            f"closed forms (our derivation); the largest difference of times is {z.max():.1f} "
            f"standard errors over {len(z)} points.\n\n"
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


def _marks(frame: pd.DataFrame, theory: str, simulated: str, error: str) -> list[Mark]:
    marks: list[Mark] = []
    for scheme in CODES:
        own, look = rows_at(frame, scheme=scheme), looks.look(scheme)
        line = replace(look, marker="", title="")
        marks.append(curve_of(own, "stragglers", theory, line))
        marks.append(points_of(own[own["rounds"] > 0], "stragglers", simulated, look, error))
    return [*marks, Curve(looks.THEORY_LOOK)]
