"""Sequential codes beside codes without memory, as stragglers stay slow for longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...pictures import style
from ...pictures.picture import Axis, Panel, Picture
from ...run.records import mean_interval, ratio_interval
from ...run.tuning import TARGET_SHARE, target_loss
from ...run.tuning import best as best_of
from ...text import interval_columns, number_of, whole_percent
from .. import base
from ..base import Effort, Numbers, RunsFigure, Section, Words, ranked_by, rows_at
from . import sequential_members as codes
from .ranking import CLUSTER_WORK, SPEED_RATIO, additive, persistent
from .sequential_members import CODE_LOOKS, ITERATION, MEASURES, MEMORYLESS, SEQUENTIAL, TARGET

# share of workers that are slow at any moment; share of a delay that does not vary
RARE_SHARE, CONSTANT_SHARE = 0.05, 0.9
SEQUENTIAL_LAWS: dict[str, Section] = {
    "proportional": {"kind": "proportional"},
    "additive": additive(CLUSTER_WORK),
}
SEQUENTIAL_TITLES = {
    "proportional": "proportional law: d × delay",
    "additive": f"additive law: {CLUSTER_WORK:g} s × d + delay",
}


@final
@dataclass(frozen=True)
class SequentialPersistence(RunsFigure):
    """Sequential codes against codes without memory, over the persistence of stragglers."""

    title: ClassVar[str] = "Sequential codes beside codes without memory"
    held: ClassVar[tuple[str, ...]] = ("workers",)

    # correlations of a worker's state from round to round
    persistences: tuple[float, ...] = (0.0, 0.5, 0.8, 0.95, 0.99)
    replications: int = 32
    trials: int = 16  # replications, on other delays, that choose a family's member and rate

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, persistence, measure and family."""
        always: Section = {"model": "deterministic", "value": 1.0}
        problem = base.BREAST_CANCER["problem"]
        alone = {**self.document(effort, delay=always, problem=problem), "replications": 1}
        target = target_loss(effort.problem(alone))
        known: dict[int, tuple[float, float]] = {}

        def path(member: Section, staleness: int) -> tuple[float, float]:
            """What each staleness needs to reach the target."""
            if staleness not in known:
                _, several = codes.training_runs(alone, member, codes.RATES, effort)
                counts = [runs.iterations(target) for runs in several]
                best = best_of(counts)
                if not staleness:
                    codes.require_reached(counts[best], self.iterations)
                known[staleness] = codes.RATES[best], float(counts[best][0])
            return known[staleness]

        rows = []
        for (law, load_law), persistence in product(SEQUENTIAL_LAWS.items(), self.persistences):
            delay = persistent(persistence, RARE_SHARE, CONSTANT_SHARE)
            document = self.document(effort, delay=delay, load_law=load_law)
            facts = {"load_law": law, "persistence": persistence, "target": target}
            rows += [facts | row for row in self._cluster(document, target, path, effort)]
        return pd.DataFrame(rows)

    def _cluster(
        self, document: Section, target: float, path: codes.BestRate, effort: Effort
    ) -> Iterator[dict[str, Any]]:
        trial = {**document, "replications": effort.times(self.trials)}
        other = replace(effort, seed=effort.seed + 1)
        chosen: dict[str, dict[str, codes.Timed]] = {measure: {} for measure in MEASURES}
        for family, members in codes.EXACT_FAMILIES.items():
            tried = codes.timed_members(trial, members, path, other)
            best = {m: best_of([member.seconds[m] for member in tried]) for m in MEASURES}
            numbers = sorted(set(best.values()))
            sections = [members[number] for number in numbers]
            timed = codes.timed_members(document, sections, path, effort, heard=True)
            for measure, number in best.items():
                chosen[measure][family] = timed[numbers.index(number)]
        training = {"problem": base.BREAST_CANCER["problem"]}
        document, trial = document | training, trial | training
        for family, members in codes.INEXACT_FAMILIES.items():
            tried = list[codes.Timed]()
            for member in members:
                tried += codes.trained_inexact(trial, member, codes.RATES, target, other)
            best_of_tried = tried[best_of([member.seconds[TARGET] for member in tried])]
            section, rates = best_of_tried.section, [best_of_tried.rate]
            [trained] = codes.trained_inexact(document, section, rates, target, effort)
            for measure in MEASURES:
                chosen[measure][family] = trained
        for measure, families in chosen.items():
            for row in _rows(measure, families):
                yield {**row, "trials": trial["replications"]}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """A row of panels for each measure, a column for each load law."""
        panels = [
            self._panel(measure, law, rows_at(frame, measure=measure, load_law=law))
            for measure, law in product(MEASURES, SEQUENTIAL_LAWS)
        ]
        return Picture(panels, len(SEQUENTIAL_LAWS), style.TWO_PANELS, 7.2, share="rows")

    def _panel(self, measure: str, law: str, frame: pd.DataFrame) -> Panel:
        ranked = ranked_by(frame, "persistence")
        curves = [
            base.interval_curve_of(rows_at(ranked, family=key), "place", "seconds", look, width=1.4)
            for key, look in CODE_LOOKS.items()
        ]
        x = Axis("persistence of slow workers", names=base.sorted_names(frame["persistence"]))
        y = Axis(f"{measure} (s)", True, (1, 2, 5))
        return Panel(x, y, curves, SEQUENTIAL_TITLES[law] if measure == MEASURES[0] else "")

    def words(self, frame: pd.DataFrame) -> Words:
        """Whether sequential codes pay, why, and all numbers."""
        by_time = rows_at(frame, measure=ITERATION)
        tables = list[str | Numbers]()
        for measure in MEASURES:
            by_measure = f"{measure.capitalize()} relative to uncoded (uncoded: in seconds)"
            own = rows_at(frame, measure=measure)
            tables += [f"{by_measure}, by persistence:", _by_persistence(own, CODE_LOOKS, _ratio)]
        return (
            f"{_verdict(frame)}\n\n"
            f"{self.workers} workers, of which {whole_percent(RARE_SHARE)} are {SPEED_RATIO:g} "
            f"times slower than the others at any moment; delays of mean {base.MEAN_DELAY:g} s "
            f"over all, {whole_percent(CONSTANT_SHARE)} of them constant and the rest exponential, "
            "so that stragglers stand out. The persistence is the correlation of a worker's state "
            "in successive rounds; a single round has the same law at every persistence, so the "
            "mean of a code without memory does not depend on it. Unfinished work is cancelled. "
            f"Means over {number_of(frame['replications'].max(), 'replication')} of "
            f"{self.iterations} iterations on common delays, with 95 % intervals; the rounds that "
            "a sequential code needs after its last job count.\n\n"
            "Each family is shown by its best member, chosen by one rule on other delays "
            f"({number_of(frame['trials'].max(), 'replication')}): the least {ITERATION} (above) "
            f"or {TARGET} (below; inexact schemes in both). There is {codes.members_text()}; μ = "
            f"{codes.STRAGGLER_TOLERANCE:g}. The target, {frame['target'].iloc[0]:.4g}, lies "
            f"{whole_percent(TARGET_SHARE)} of the way from the zero model's loss to that of the "
            "best model (breast cancer data, logistic, gradient descent); each scheme has the "
            f"best of the learning rates {codes.RATES[0]:.3g} to {codes.RATES[-1]:g} in steps of a "
            f"factor 2. {_ends(frame)}\n\nPersistences at which a sequential code is faster, by "
            "the 95 % interval of the paired ratio:",
            _pays(frame),
            f"{_why(by_time)}\n\n{_staleness(frame)}",
            *tables,
            f"Members with the least {ITERATION}, their load, and the share of rounds in "
            "which everybody is heard:",
            _by_persistence(by_time, codes.EXACT_FAMILIES, _member),
        )


def _rows(measure: str, families: dict[str, codes.Timed]) -> Iterator[dict[str, Any]]:
    """Each family, beside each of the codes without memory. A mean over those replications that
    reach the target would flatter, so there is none where some do not."""
    reached = {family: np.isfinite(member.seconds[measure]) for family, member in families.items()}
    seconds = {
        family: member.seconds[measure] if reached[family].all() else reached[family] * np.nan
        for family, member in families.items()
    }
    for family, member in families.items():
        row = {
            "measure": measure,
            "family": family,
            "parameters": codes.parameters(member.section),
            "load": member.load,
            "waits": member.waits if measure == ITERATION else np.nan,
            "staleness": member.staleness,
            "rate": member.rate,
            "iterations": member.iterations,
            **interval_columns("seconds", mean_interval(seconds[family])),
        }
        for other in MEMORYLESS:
            row |= interval_columns(f"to_{other}", ratio_interval(seconds[family], seconds[other]))
        yield row | {"reached": int(reached[family].sum()), "replications": reached[family].size}


def _verdict(frame: pd.DataFrame) -> str:
    """At how many settings a sequential code is faster than every code without memory."""
    own = frame[frame["family"].isin([*SEQUENTIAL])]
    setting = ["measure", "load_law", "persistence"]
    faster = own[setting].assign(**{other: own[f"to_{other}_high"] < 1 for other in MEMORYLESS})
    faster["every"] = faster[[*MEMORYLESS]].all(axis=1)
    counts = faster.groupby(setting).any()
    faster_everywhere, total = int(counts["every"].sum()), len(counts)
    than = ", ".join(
        f"than {CODE_LOOKS[other].title} at {counts[other].sum()}" for other in MEMORYLESS
    )
    return (
        f"At {faster_everywhere or 'none'} of the {total} settings of measure, load law and "
        "persistence a sequential code is faster than every code without memory (95 % intervals of "
        f"paired ratios): {than}."
    )


def _pays(frame: pd.DataFrame) -> Numbers:
    rows = []
    for measure, law, family in product(MEASURES, SEQUENTIAL_LAWS, SEQUENTIAL):
        own = rows_at(frame, measure=measure, load_law=law, family=family)
        faster = [own.loc[own[f"to_{other}_high"] < 1, "persistence"] for other in MEMORYLESS]
        texts = (", ".join(f"{p:g}" for p in where) or "none" for where in faster)
        rows.append([measure, law, CODE_LOOKS[family].title, *texts])
    header = ["measure", "load law", "code", *(f"than {CODE_LOOKS[f].title}" for f in MEMORYLESS)]
    return Numbers(header, rows, names=len(header))


def _why(frame: pd.DataFrame) -> str:
    first, last = frame["persistence"].min(), frame["persistence"].max()
    shares = []
    for law in SEQUENTIAL_LAWS:
        own = rows_at(frame, load_law=law, family=codes.MULTIPLEXED).set_index("persistence")
        early, late = own.loc[first], own.loc[last]
        shares.append(
            f"{whole_percent(early['waits'])} of its rounds at persistence {first:g} (load "
            f"{early['load']:.2f}) and in {whole_percent(late['waits'])} at {last:g} (load "
            f"{late['load']:.2f})"
        )
    spells = ", ".join(
        f"{1 / ((1 - RARE_SHARE) * (1 - p)):.3g}" if p < 1 else "all"
        for p in frame["persistence"].unique()
    )
    return (
        "Why: a code without memory that tolerates any λ stragglers in every round has load λ + 1; "
        "sequential codes have less. That is worth more the dearer work is, so more under the "
        "proportional law than under the additive one. But they tolerate bursts of at most B "
        f"rounds, and a worker stays slow for {spells} rounds on average, by persistence. A round "
        "that does not fit the model waits for everybody. The multiplexed code waits for everybody "
        f"in {', and under the additive law in '.join(shares)}; nobody is slow in "
        f"{whole_percent((1 - RARE_SHARE) ** base.FIGURE_WORKERS)} of all rounds. Fractional "
        "repetition needs no such model, and decodes from one worker of each group, which is most "
        "patterns of few stragglers even at a small load."
    )


def _staleness(frame: pd.DataFrame) -> str:
    exact = frame[frame["family"].isin(codes.EXACT_FAMILIES)].sort_values("staleness")
    pairs = exact[["staleness", "iterations", "rate"]].drop_duplicates()
    counts = ", ".join(
        f"{row['staleness']:.0f} updates late: {row['iterations']:.0f} (rate {row['rate']:g})"
        for _, row in pairs[pairs["iterations"].notna()].iterrows()
    )
    return (
        "Time to the target is that of the one model that is trained here. A sequential code "
        "applies its gradients B (selective repeat) or W - 2 + B (multiplexed) updates late; the "
        "paper trains as many more models in turn, and so has no stale gradients. Iterations to "
        f"the target with exact gradients, each at its best rate: {counts}."
    )


def _ends(frame: pd.DataFrame) -> str:
    """Which choices lie at an end of the grid, and who does not reach the target."""
    ends = frame["rate"].isin([codes.RATES[0], codes.RATES[-1]]) & frame["iterations"].notna()
    at_end = ", ".join(dict.fromkeys(CODE_LOOKS[f].title for f in frame.loc[ends, "family"]))
    text = f"Chosen at an end of that grid: {at_end or 'none'}."
    short = frame[(frame["measure"] == TARGET) & (frame["reached"] < frame["replications"])]
    cases = [
        f"{CODE_LOOKS[row['family']].title} at persistence {row['persistence']:g}, "
        f"{row['load_law']} law ({row['reached']} of {row['replications']} replications do)"
        for _, row in short.iterrows()
    ]
    return f"{text} Does not reach the target: {'; '.join(cases) or 'none'}."


def _by_persistence(
    frame: pd.DataFrame, families: Iterable[str], cell: Callable[[pd.Series], str]
) -> Numbers:
    rows = []
    for law in SEQUENTIAL_LAWS:
        for family in families:
            cells = [cell(row) for _, row in rows_at(frame, load_law=law, family=family).iterrows()]
            rows.append([law, CODE_LOOKS[family].title, *cells])
    header = ["load law", "scheme", *(f"{p:g}" for p in frame["persistence"].unique())]
    return Numbers(header, rows, names=2)


def _ratio(row: pd.Series) -> str:
    return base.interval_text(row, "seconds" if row["family"] == "uncoded" else "to_uncoded")


def _member(row: pd.Series) -> str:
    return f"{row['parameters'] or 'd = 1'}: {row['load']:.2f}, {whole_percent(row['waits'])}"
