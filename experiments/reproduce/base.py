"""What a figure is, what the figures share, and tables in Markdown."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from ...sim.base.errors import InvalidParameter
from ...sim.base.types import FloatArray, Trace
from ...sim.engines.run import Policy, Run
from ...sim.engines.simulate import simulate
from ...sim.theory import mean_times
from ...sim.training.problems import Problem
from ..config import build
from ..config.cells import Cell, cells
from ..pictures.kinds.losses import band_of, loss_at
from ..pictures.looks import THEORY_LOOK, Look, look
from ..pictures.picture import Curve, Mark, Picture, Points
from ..run.compute import compute
from ..run.records import Finished, mean_and_error

if TYPE_CHECKING:
    import pandas as pd


Section = dict[str, Any]


@final
@dataclass(frozen=True)
class Numbers:
    """A table whose first columns are ``names``, aligned to the left, and whose others are numbers.
    As a string it is Markdown; what is between ``**`` stands out."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1

    def __str__(self) -> str:
        rule = ["---"] * self.names + ["---:"] * (len(self.header) - self.names)
        return "\n".join(f"| {' | '.join(row)} |" for row in (self.header, rule, *self.rows))


Words = tuple[str | Numbers, ...]  # paragraphs, with blank lines between them, and tables


def estimate_text(mean: float, error: float) -> str:
    """A mean with its standard error, to the digits that the error leaves.
    An error beyond the mean's fourth digit is not shown."""
    if not np.isfinite(mean):
        return "–"
    if not np.isfinite(error) or error < 1e-4 * abs(mean) or error <= 0:
        return f"{mean:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def times_table(frame: pd.DataFrame, sizes: Iterable[int]) -> Numbers:
    """Simulated iteration times: a row for each load law and number of workers."""
    schemes, rows = list(frame["scheme"].unique()), []
    for law, n in product(LAW_TITLES, sizes):
        own = rows_at(frame, load_law=law, workers=n).set_index("scheme")
        pairs = (own.loc[scheme, ["simulated", "standard_error"]] for scheme in schemes)
        rows.append([law, f"{n:,}", *starmap(estimate_text, pairs)])
    return Numbers(["load law", "n", *(look(scheme).title for scheme in schemes)], rows)


def mean_text(values: FloatArray) -> str:
    """Mean ± standard error of ``(R,)``; a dash when a replication has no value."""
    return "–" if np.isnan(values).any() else estimate_text(*mean_and_error(values))


def estimate_columns(
    values: FloatArray, mean: str = "simulated", error: str = "standard_error"
) -> dict[str, float]:
    """A mean and its standard error as columns of a row; NaN where there are no values."""
    return dict(zip((mean, error), mean_and_error(values), strict=True))


def ratio_text(middle: float, low: float, high: float) -> str:
    """A ratio and the ends of its interval, where it has one."""
    if not np.isfinite(middle):
        return "–"
    to = f"to {high:.2f}" if high < np.inf else "or more"
    return f"{middle:.2f}" if np.isnan(low) else f"{middle:.2f} ({low:.2f} {to})"


def interval_text(row: pd.Series, column: str) -> str:
    """The same, from the columns that ``interval_columns`` names."""
    return ratio_text(*(row[f"{column}{end}"] for end in ("", "_low", "_high")))


def rows_at(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """The rows that have a value in each of these columns."""
    for column, value in values.items():
        frame = frame[frame[column] == value]
    return frame


def z_scores(frame: pd.DataFrame, expected: str = "theory") -> pd.Series:
    """How many standard errors each simulated mean that has one is from what is expected."""
    return ((frame["simulated"] - frame[expected]) / frame["standard_error"]).abs().dropna()


def farthest(z: pd.Series) -> str:
    """The largest of some of these, and of how many."""
    return f"{z.max():.1f} standard errors over {len(z)} points" if len(z) else "not known"


def ranked_by(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The table with ``place``, the rank of each row's value in a column: an axis of names."""
    return frame.assign(place=frame[column].rank(method="dense") - 1)


def sorted_names(values: pd.Series) -> tuple[str, ...]:
    """Those of the axis along ``place``: each value once, in its order."""
    return tuple(f"{value:g}" for value in sorted(values.unique()))


def curve_of(rows: pd.DataFrame, x: str, y: str, look: Look, error: str = "", **how: Any) -> Curve:
    """A line through two columns of a table, from left to right; ``how`` are other fields of the
    curve. ``error`` is the column of standard errors, for 95 % intervals."""
    rows = rows.sort_values(x, kind="stable")
    across, up = rows[[x, y]].to_numpy(dtype=float).T
    if not error:
        return Curve(look, across, up, **how)
    half = 1.96 * rows[error].to_numpy(dtype=float)
    return Curve(look, across, up, up - half, up + half, **how)


def interval_curve_of(rows: pd.DataFrame, x: str, y: str, look: Look, **how: Any) -> Curve:
    """The same with bars from column ``<y>_low`` to ``<y>_high``."""
    rows = rows.sort_values(x, kind="stable")
    across, up, low, high = rows[[x, y, f"{y}_low", f"{y}_high"]].to_numpy(dtype=float).T
    return Curve(look, across, up, low, high, bars=True, **how)


def crossing(losses: FloatArray, level: float) -> float:
    """The iteration, interpolated, at which ``(T + 1,)`` losses are first at this level; or inf.
    NaN where a loss is not known."""
    if np.isnan(losses).any():
        return np.nan
    below = np.flatnonzero(losses <= level)
    if not below.size or below[0] == 0:
        return 0.0 if below.size else np.inf
    before, after = np.log(np.maximum(losses[below[0] - 1 : below[0] + 1], 1e-300))
    return float(below[0] - (np.log(level) - after) / (before - after))


def as_target(loss: float) -> float:
    """A loss of the exact gradient as a target: other runs whose gradients are exact reach it in
    the same iteration, whatever the last digits of their sums."""
    return loss * (1.0 + 1e-9)


def by_replication(rows: pd.DataFrame, *columns: str) -> list[FloatArray]:
    """Each column, ``(R, T + 1)``, of rows that are sorted by replication and iteration."""
    shape = rows["replication"].nunique(), -1
    return [rows[column].to_numpy(dtype=float).reshape(shape) for column in columns]


def median_curve(look: Look, times: FloatArray, values: FloatArray, **how: Any) -> Curve:
    """The median of ``(R, T + 1)`` values against time, in a band from the 10th to the 90th
    percentile, up to where the fastest replication ends."""
    instants = np.geomspace(times[:, 1].min(), times[:, -1].min(), 201)
    return Curve(look, instants, *band_of(loss_at(times, values, instants), "quantiles"), **how)


def points_of(
    rows: pd.DataFrame, x: str, y: str, look: Look, error: str = "", **how: Any
) -> Points:
    """Points of two columns of a table, as ``curve_of``."""
    dy = 1.96 * rows[[error, error]].to_numpy(dtype=float).T if error else None
    across, up = rows[[x, y]].to_numpy(dtype=float).T
    return Points(look, across, up, dy=dy, **how)


def marks_on_theory(
    frame: pd.DataFrame,
    x: str,
    theory: str = "theory",
    simulated: str = "simulated",
    error: str = "standard_error",
) -> list[Mark]:
    """Of each scheme, its line of theory and, with ``error``, the points that were simulated."""
    marks: list[Mark] = []
    for scheme, rows in frame.groupby("scheme", sort=False):
        own = look(str(scheme))
        marks.append(curve_of(rows, x, theory, replace(own, marker="", title="")))
        marks.append(points_of(rows[rows["rounds"] > 0], x, simulated, own, error))
    return [*marks, Curve(THEORY_LOOK)]


def bars(middle: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Error bars, ``(2, P)``, from the ends of an interval, ``(P,)`` each."""
    return np.maximum([middle - low, high - middle], 0.0)


FIGURE_WORKERS = 30  # unless a figure says otherwise
# plain gradient descent with a constant rate, which is replaced by those that are tried
GRADIENT_DESCENT: Section = {"optimizer": {"rule": "gd", "learning_rate": 1.0}}


@final
@dataclass(frozen=True)
class Effort:
    """How much to compute."""

    seed: int = 0  # of all tapes
    full: bool = False  # more replications
    data_dir: Path | None = None  # where those files lie
    # 128 MiB of delays are kept for the next scheme
    tapes: build.SharedTapes = field(
        default_factory=lambda: build.SharedTapes(2**24), compare=False, repr=False
    )
    # what was trained already, by all that it depends on; see ``training_runs``
    losses: dict[str, list[FloatArray]] = field(default_factory=dict, compare=False, repr=False)

    def times(self, count: int) -> int:
        """Replications or rounds, given those of a quick reproduction: a full one has eight times
        as many."""
        return 8 * count if self.full else count

    def cells(self, document: Mapping[str, Any]) -> Sequence[Cell]:
        """The cells of a config document; it has the common workers and this seed."""
        return cells({"workers": FIGURE_WORKERS, "seed": self.seed, **document}, self.data_dir)

    def problem(self, document: Mapping[str, Any]) -> Problem:
        """The problem of a config document, which need not have schemes and an optimizer.
        Raises ConfigError: its data are missing."""
        alone = {"schemes": [{"name": "uncoded"}], **GRADIENT_DESCENT}
        learning = build.training(self.cells({**alone, **document})[0])
        assert learning is not None
        assert isinstance(learning.problem, Problem)
        return learning.problem

    def results(self, document: Mapping[str, Any]) -> list[Finished]:
        """Compute every cell of a config document in this process."""
        return [(cell, compute(cell)) for cell in self.cells(document)]

    def half_way_loss(self, document: Section) -> float:
        """The training loss that the exact gradient reaches after half of the iterations."""
        exact = document | {"schemes": [{"name": "uncoded"}], "replications": 1}
        [(_, result)] = self.results(exact)
        return as_target(float(result.iterations["train_loss"].iloc[document["iterations"] // 2]))

    def clocks(self, document: Section, heard: bool = False) -> Iterator[tuple[Cell, Run, Trace]]:
        """Run every cell of a timing-only document for its clock.
        Arrivals only where the scheme is inexact, or where they are asked for."""
        for cell in self.cells(document):
            run = self.remembering(cell, build.run_of(cell.settings))
            yield cell, run, simulate(run, heard=heard or not run.scheme.exact, work=False)

    def remembering(self, cell: Cell, run: Run) -> Run:
        """The run on tapes that other cells with these delays read, too, if they are not large."""
        keys = ("delay", "workers", "replications", "seed")
        return self.tapes.shared(json.dumps([cell.document[key] for key in keys]), run)


class Figure(ABC):
    """One figure; abstract. Subclasses are frozen dataclasses whose fields are its sizes. Picture
    and words are made from the table alone, so that both can be made anew.

    The class's docstring begins with what ``erasurehead list figures`` says."""

    title: ClassVar[str]  # the heading of its part of the summary
    # fields that cannot be set: much of the figure is made for their value
    held: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """The registry name, and that of the files: that of its class."""
        return re.sub("(?<=.)(?=[A-Z])", "_", type(self).__name__).lower()

    @abstractmethod
    def compute(self, effort: Effort) -> pd.DataFrame:
        """Simulate; returns everything that picture and text need, as one tidy table."""

    def config(self) -> Mapping[str, Mapping[str, Any]]:
        """Configs that a reader can run to see more of the figure, by the names of their files."""
        return {}

    @abstractmethod
    def picture(self, frame: pd.DataFrame) -> Picture:
        """The picture of a table that ``compute`` returned."""

    @abstractmethod
    def words(self, frame: pd.DataFrame) -> Words:
        """Caption and tables; every number in them comes from the table."""

    @final
    def text(self, frame: pd.DataFrame) -> str:
        """Its words in Markdown."""
        return "\n\n".join(map(str, self.words(frame))) + "\n"


@dataclass(frozen=True)
class RunsFigure(Figure):
    """A figure of whole runs on common delays; abstract."""

    iterations: int = 100  # T
    replications: int = 64  # R of a quick reproduction
    workers: int = FIGURE_WORKERS  # n

    def document(self, effort: Effort, **sections: Any) -> dict[str, Any]:
        """A config document with so many workers, iterations and replications."""
        sizes = {"workers": self.workers, "iterations": self.iterations}
        return {**sizes, "replications": effort.times(self.replications), **sections}

    def require_fewer(self, arrivals: Sequence[int]) -> None:
        """Raises InvalidParameter: one of the values of r is not less than n."""
        if max(arrivals) >= self.workers:
            valid = f"must be less than workers = {self.workers}"
            raise InvalidParameter("arrivals", max(arrivals), valid)


@dataclass(frozen=True)
class CodedFigure(RunsFigure):
    """A figure whose coded schemes have one load; abstract."""

    load: int = 3  # d
    wait_for: int = 15  # r of ErasureHead


# The settings that several figures share, as parts of config documents. The delays of the authors'
# experiments are exponential with mean 0.5 s. How long computing takes beside them is our choice,
# and decides much, so two values are used: ``QUICK_WORK`` (a delay is 25 times as long as the work
# on a partition) and ``EVEN_WORK`` (they are equally long). The two load laws agree at load 1: a
# worker then needs the work plus the delay under both.

MEAN_DELAY = 0.5  # seconds, the mean of the exponential delays
QUICK_WORK, EVEN_WORK = WORKS = (0.02, 0.5)  # seconds of work per partition
LAW_TITLES = {
    "proportional": "proportional law: d (work + delay)",
    "additive": "additive law: d work + delay",
}

BREAST_CANCER: Section = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer", "l2": "1/rows"},
    "optimizer": {"rule": "accelerated", "learning_rate": 0.1},
}

POLICY_MARKERS = {Policy.CANCEL: "o", Policy.FINISH: "s", Policy.QUEUE: "^", Policy.DRAIN: "X"}


def delays_and_law(law: str, work: float, delay: float = MEAN_DELAY) -> dict[str, Section]:
    """The ``delay`` and ``load_law`` sections: seconds of work a partition, and the mean delay."""
    if law == "additive":
        random: Section = {"model": "exponential", "rate": 1 / delay}
        return {"delay": random, "load_law": {"kind": "additive", "seconds_per_partition": work}}
    random = {"model": "shifted_exponential", "shift": work, "rate": 1 / delay}
    return {"delay": random, "load_law": {"kind": "proportional"}}


def five_schemes(load: int, wait_for: int, workers: int = FIGURE_WORKERS) -> list[Section]:
    """The schemes of the authors' experiments; two of them wait for all but load - 1 workers."""
    return [
        {"name": "uncoded"},
        {"name": "ignore_stragglers", "wait_for": workers - load + 1},
        {"name": "cyclic_repetition", "load": load},
        {"name": "fractional_repetition", "load": load},
        {"name": "erasurehead", "load": load, "wait_for": wait_for},
    ]


def worker_time(law: str, load: int, delay: float = MEAN_DELAY) -> mean_times.ExponentialTime:
    """A worker's time with ``EVEN_WORK`` and these delays."""
    if law == "additive":
        return mean_times.additive_time(0.0, 1 / delay, load, EVEN_WORK)
    return mean_times.proportional_time(EVEN_WORK, 1 / delay, load)


def mean_time(
    law: str, scheme: str, n: int, load: int, heard: int, delay: float = MEAN_DELAY
) -> float:
    """Mean seconds of an iteration in closed form, with ``EVEN_WORK``.
    Ignoring stragglers waits for ``heard`` arrivals, and ErasureHead for n / 2."""
    single, loaded = worker_time(law, 1, delay), worker_time(law, load, delay)
    match scheme:
        case "uncoded":
            return mean_times.mean_uncoded(single, n)
        case "ignore_stragglers":
            return mean_times.mean_first_k(single, n, heard)
        case "cyclic_repetition":
            return mean_times.mean_first_k(loaded, n, n - load + 1)
        case "fractional_repetition":
            return mean_times.mean_cover(loaded, n, load)
        case _:
            return mean_times.mean_erasurehead(loaded, n, load, n // 2)
