"""Loss against simulated time on real data, and how much sooner ErasureHead reaches a loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import product
from typing import Any, ClassVar, Final, cast, final

import numpy as np
import pandas as pd
import scipy

from ....sim.base.errors import ConfigError, InvalidParameter
from ....sim.base.files import sha256 as sha256_of_file
from ....sim.base.types import FloatArray
from ....sim.training.problems import Problem
from ....sim.training.problems.datasets import DATASETS
from ....sim.training.problems.datasets.brought import PublicDataset
from ....sim.training.problems.objective import Matrix
from ...pictures import looks, style
from ...pictures.kinds.losses import loss_axis
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points, Rules
from ...run.compute import CellResult
from ...run.metrics import time_to_target
from ...run.records import compared_times, ratio_interval
from ...text import interval_columns, number_of
from .. import base
from ..base import Effort, Numbers, Words, mean_text, median_curve, points_of, rows_at

# delay models: random draws for bands, and the one table that the authors' program draws
EXPONENTIAL, AUTHORS = "exponential", "authors_stream"
# what real workers run, to stand beside the simulations: a config in the folder
LIVE_CONFIG, LIVE_DATASET = "live.yaml", "breast_cancer"


@final
@dataclass(frozen=True)
class Experiment:
    """A data set, its loss and its learning rate."""

    title: str  # for people
    loss: str  # of the problem section
    # of the accelerated rule: for public data from the authors' experiments, else our choice
    learning_rate: float
    public: bool = False  # its file is the user's to bring
    decay: float = 1.0  # of the rate


EXPERIMENTS = {
    "breast_cancer": Experiment("Breast cancer (logistic)", "logistic", 0.1),
    "diabetes": Experiment("Diabetes (least squares)", "least_squares", 0.02),
    "amazon": Experiment("Amazon Employee Access (logistic)", "logistic", 10.0, public=True),
    "covertype": Experiment("Covertype (logistic)", "logistic", 0.1, public=True),
    "kc_housing": Experiment("KC House Sales (least squares)", "least_squares", 0.1, True, 0.98),
}


# ErasureHead once more, with its step divided by p, the chance that a group is heard: its gradient
# is then right on average, as in claim (b)
DIVIDED: Final = "erasurehead_divided"
DIVIDED_LOOK = replace(looks.look("erasurehead"), title="ErasureHead, step divided by p")


def look_of(scheme: str) -> looks.Look:
    """The look of a scheme of these figures."""
    return DIVIDED_LOOK if scheme == DIVIDED else looks.look(scheme)


@dataclass(frozen=True)
class Races(base.CodedFigure):
    """Loss against simulated time on data sets, with the delays of the authors' program; abstract.

    ``replications`` are of the random delays; the authors' sequence of delays is one."""

    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    @property
    @abstractmethod
    def datasets(self) -> Sequence[str]:
        """The keys of ``EXPERIMENTS``."""

    def _document(self, dataset: str, delays: str, effort: Effort) -> dict[str, Any]:
        experiment = EXPERIMENTS[dataset]
        clock = base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        if delays == AUTHORS:
            clock["delay"] = {"model": "authors_stream", "scale": self.delay}
        rate = {"learning_rate": experiment.learning_rate, "decay": experiment.decay}
        many = self.replications if experiment.public else effort.times(self.replications)
        schemes = base.five_schemes(self.load, self.wait_for, self.workers)
        return self.document(
            effort,
            replications=many if delays == EXPONENTIAL else 1,
            schemes=[*schemes, schemes[-1] | {"rescale": True}],
            problem={"loss": experiment.loss, "dataset": dataset, "l2": "1/rows"},
            optimizer={"rule": "accelerated", **rate},
            **clock,
        )

    def _runs(self, dataset: str, effort: Effort) -> pd.DataFrame:
        """All runs of a data set. Raises ConfigError: its file is not there, or is another."""
        frames = []
        for delays in (EXPONENTIAL, AUTHORS):
            document = self._document(dataset, delays, effort)
            size = self._size(dataset, effort.problem(document), effort)
            for cell, result in effort.results(document):
                kept = result.iterations[["replication", "iteration", "time", "train_loss"]]
                scheme = cell.scheme["name"]
                if scheme == "erasurehead" and cell.scheme["rescale"]:
                    scheme = DIVIDED
                names = {"dataset": dataset, "delays": delays, "scheme": scheme}
                frames.append(kept.assign(**names, **size, left_out=""))
        return pd.concat(frames, ignore_index=True)

    def _size(self, dataset: str, problem: Problem, effort: Effort) -> dict[str, Any]:
        return {"rows": problem.rows, "features": problem.features}

    def _panel(self, frame: pd.DataFrame, title: str) -> Panel:
        curves, ends = [], []
        for scheme in frame["scheme"].unique():
            if scheme == DIVIDED:  # its line would hide the other
                continue
            look = looks.look(scheme)
            curve = median_curve(look, *_runs_of(frame, scheme))
            curves.append(curve)
            end = replace(look, marker="|", title="")
            ends.append(Points(end, curve.x[-1:], curve.y[-1:], size=11))
        # from where the fastest scheme has ended three iterations, or half of them
        begins = min(3, frame["iteration"].max() // 2)
        known = frame[frame["scheme"] != DIVIDED]
        first = known.loc[(known["iteration"] >= begins) & (known["time"] > 0), "time"].min()
        x = Axis("simulated time (s)", log=True, ticks=(1,), low=first)
        y = loss_axis(curves, "training loss")
        return Panel(x, y, [*curves, *ends], title)

    def _caption(self, drawn: pd.DataFrame) -> str:
        runs = rows_at(drawn, delays=EXPONENTIAL).groupby("dataset")["replication"]
        many = sorted(set(runs.nunique()))
        return (
            f"{self.workers} workers, load d = {self.load} for the coded schemes, ErasureHead "
            f"stopping at r = {self.wait_for} arrivals or full cover, ignore stragglers at "
            f"{self.workers - self.load + 1} arrivals; {self.iterations} iterations of the "
            "accelerated rule with an L2 term of 1/N, all from the zero model. Every worker waits "
            f"an exponential time of mean {self.delay:g} s after computing, whatever its "
            f"load (additive law); a partition takes {base.QUICK_WORK:g} s, our choice. "
            "Unfinished work is cancelled at no cost: the figure on policies shows what that "
            f"leaves out. Lines are medians over {' or '.join(map(str, many))} "
            f"replication{'s' * (many != [1])} on common delays, bands the 10th to 90th "
            "percentile; a bar ends the fastest "
            "replication. On the logarithmic axis a speed-up is a shift to the left.\n\n"
            "The target in the tables is the loss that the exact gradient reaches after half of "
            "the iterations. Exact schemes take the same path and differ in the clock alone. "
            "ErasureHead's step is that of the others, as in the authors' program; the last row "
            "has it divided by p, as in claim (b), on the same clock. "
            "`authors_stream` is the one sequence of delays that the authors' program draws, "
            "replayed exactly; the others are means ± standard errors over random delays, with a "
            "dash where a replication does not reach the target."
        )

    def _table(self, drawn: pd.DataFrame, dataset: str) -> Words:
        own = rows_at(drawn, dataset=dataset)
        random, exact = (rows_at(own, delays=delays) for delays in (EXPONENTIAL, AUTHORS))
        target, seconds = target_of(random), reached(random, dataset)
        rows = []
        for scheme in random["scheme"].unique():
            times, losses = _runs_of(random, scheme)
            stream_times, stream_losses = _runs_of(exact, scheme)
            rounds = times.shape[1] - 1
            texts = map(mean_text, (times[:, -1] / rounds, seconds[scheme], losses[:, -1]))
            in_stream = mean_text(time_to_target(stream_times, stream_losses, target))
            row = [look_of(scheme).title, *texts, f"{stream_times[0, -1] / rounds:.4f}"]
            rows.append([*row, in_stream, f"{stream_losses[0, -1]:.4g}"])
        header = ["scheme", "s / iteration", "s to target", "final loss"]
        stream = ["authors_stream: s / iteration", "s to target", "final loss"]
        size = f"{int(random['rows'].iloc[0]):,} × {int(random['features'].iloc[0]):,}"
        title = f"**{title_in(own, dataset)}**, {size} training rows, target {target:.4g}:"
        return title, Numbers([*header, *stream], rows)


@final
@dataclass(frozen=True)
class LossTime(Races):
    """Loss against simulated time on real data, five schemes, delays of the authors' program."""

    title: ClassVar[str] = "Loss against time on real data"

    @property
    def datasets(self) -> Sequence[str]:
        """Those that come with scikit-learn."""
        return [name for name, experiment in EXPERIMENTS.items() if not experiment.public]

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per data set, delays, scheme, replication and iteration."""
        frames = [self._runs(dataset, effort) for dataset in self.datasets]
        return pd.concat(frames, ignore_index=True)

    def config(self) -> Mapping[str, Mapping[str, Any]]:
        """Twenty rounds of the authors' delays, for ``erasurehead live``."""
        document = self._document(LIVE_DATASET, AUTHORS, Effort())
        five = document["schemes"][:-1]
        short = {"iterations": min(20, self.iterations), "seed": 0, "schemes": five}
        return {LIVE_CONFIG: {"name": "paper"} | document | short}

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One panel per data set."""
        by_dataset = rows_at(frame, delays=EXPONENTIAL).groupby("dataset", sort=False)
        panels = [self._panel(rows, EXPERIMENTS[str(name)].title) for name, rows in by_dataset]
        columns = min(2, len(panels))
        return Picture(panels, columns, style.TWO_PANELS, 3.1 * -(-len(panels) // columns) + 0.8)

    def words(self, frame: pd.DataFrame) -> Words:
        """Seconds per iteration, time to the loss of half a run, final loss."""
        tables = [item for dataset in self.datasets for item in self._table(frame, dataset)]
        return (self._caption(frame), *tables)


@final
@dataclass(frozen=True)
class LossTimeReal(Races):
    """The same on the authors' data sets, whose files are the user's to bring (--data-dir).

    Beside it, iterations to a loss over those of full descent, the step divided by p and not."""

    title: ClassVar[str] = "Loss against time on the authors' data sets"

    replications: int = 16

    @property
    def datasets(self) -> Sequence[str]:
        """Those of the authors' program."""
        return [name for name, experiment in EXPERIMENTS.items() if experiment.public]

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per data set, delays, scheme, replication and iteration; a data set that is left
        out is one row, with the reason. Raises ConfigError: none is there."""
        frames = []
        reasons = []
        for dataset in self.datasets:
            try:
                frames.append(self._runs(dataset, effort))
            except (ConfigError, InvalidParameter) as error:
                reason = str(error).removeprefix("problem.dataset: ")
                reasons.append(f"{EXPERIMENTS[dataset].title}: {reason}")
                frames.append(pd.DataFrame({"dataset": [dataset], "left_out": [reason]}))
        if len(reasons) == len(frames):
            raise ConfigError(f"loss_time_real: no data set can be used. {reasons[0]}")
        return pd.concat(frames, ignore_index=True)

    def config(self) -> Mapping[str, Mapping[str, Any]]:
        """What is run on each data set."""
        documents = {name: self._document(name, EXPONENTIAL, Effort()) for name in self.datasets}
        return {
            f"{self.name}_{name}.yaml": {"name": name} | document
            for name, document in documents.items()
        }

    def _size(self, dataset: str, problem: Problem, effort: Effort) -> dict[str, Any]:
        """Also what the data are: how much of the known set, and the hashes of file and arrays.
        Raises InvalidParameter: more rows than the known set has."""
        family = cast(PublicDataset, DATASETS[dataset]())
        file = family.file(effort.data_dir)
        tests = 0 if problem.y_test is None else len(problem.y_test)
        found, whole = problem.rows + tests, family.whole
        if found > whole:
            valid = f"{file} has {found:,} rows; the known set has {whole:,}: is it the right file?"
            raise InvalidParameter("dataset", dataset, valid)
        return super()._size(dataset, problem, effort) | {
            "part": "" if found == whole else f"part: {found:,} of {whole:,} rows",
            "file": file.name,
            "file_sha256": sha256_of_file(file),
            "arrays_sha256": arrays_hash(problem.X, problem.y, problem.X_test, problem.y_test),
        }

    def picture(self, frame: pd.DataFrame) -> Picture:
        """A row per data set: loss against time, and the ratios of iterations."""
        panels = []
        for name, rows in rows_at(frame, left_out="", delays=EXPONENTIAL).groupby(
            "dataset", sort=False
        ):
            panels.append(self._panel(rows, title_in(rows, str(name))))
            panels.append(self._ratios(rows))
        last = [each.title for each in RATIO_LOOKS.values()]
        height = 3.1 * (len(panels) // 2) + 1.0
        return Picture(panels, 2, style.TWO_PANELS, height, last=last)

    def _ratios(self, frame: pd.DataFrame) -> Panel:
        marks: list[Mark] = [Rules("", y=np.ones(1))]
        table = iteration_ratios(frame)
        for scheme, look in RATIO_LOOKS.items():
            own = rows_at(table, scheme=scheme).astype({"iteration": float})
            lines = own[["iteration", "ratio", "ratio_low", "ratio_high"]].to_numpy(float).T
            marks.append(Curve(look, *lines))
        x = Axis("iteration of full descent")
        return Panel(x, Axis("iterations to the same loss,\nErasureHead over full descent"), marks)

    def words(self, frame: pd.DataFrame) -> Words:
        """Times and losses, the ratios of iterations both ways, and what was left out."""
        drawn = frame[frame["left_out"] == ""]
        names = list(drawn["dataset"].unique())
        tables = [item for dataset in names for item in self._table(drawn, dataset)]
        return (
            f"{self._caption(drawn)} The clock is the same on all data sets: only iterations to "
            "the target depend on the data.",
            *tables,
            "Iterations of ErasureHead to the loss that full descent has after some iterations, "
            "over these, with 95 % intervals (bootstrap of the replications):",
            self._ratio_table(drawn),
            *(
                f"{EXPERIMENTS[name].title} was left out: {reason}."
                for name, reason in left_out(frame).items()
            ),
        )

    def _ratio_table(self, drawn: pd.DataFrame) -> Numbers:
        rows = []
        told = [t for t in TOLD_ITERATIONS if t <= drawn["iteration"].max()]
        for name in drawn["dataset"].unique():
            own = rows_at(drawn, dataset=name, delays=EXPONENTIAL)
            table = iteration_ratios(own, told)
            for scheme, look in RATIO_LOOKS.items():
                ratios = rows_at(table, scheme=scheme)
                texts = (base.interval_text(row, "ratio") for _, row in ratios.iterrows())
                rows.append([title_in(own, name), look.title, *texts])
        header = ["data", "step", *(f"iteration {t:g}" for t in told)]
        return Numbers(header, rows, names=2)


RATIO_LOOKS = {
    DIVIDED: replace(looks.look("erasurehead"), marker="", title="step divided by p"),
    "erasurehead": looks.Look(looks.MUTED, "", looks.DASHED, "step not divided"),
}
FIRST_RATIO, LAST_RATIO = 40, 90  # iterations of full descent at which its losses are compared
TOLD_ITERATIONS = (40, 60, 90)  # of these
RESAMPLES = 200  # of the replications


def iteration_ratios(
    drawn: pd.DataFrame, at: Sequence[int] = range(FIRST_RATIO, LAST_RATIO + 1)
) -> pd.DataFrame:
    """Iterations until ErasureHead's mean loss is that of full descent at some iterations, over
    these, of one data set with random delays; intervals are percentiles of a bootstrap."""
    _, exact = _runs_of(drawn, "uncoded")
    known = [t for t in at if t < exact.shape[1]]
    rows: list[dict[str, Any]] = []
    for scheme in RATIO_LOOKS:
        _, losses = _runs_of(drawn, scheme)
        picks = np.random.default_rng(0).integers(0, len(losses), (RESAMPLES, len(losses)))
        resampled = [losses[pick].mean(axis=0) for pick in picks]
        for t in known:
            ratio = base.crossing(losses.mean(axis=0), exact[0, t]) / t
            several = [base.crossing(curve, exact[0, t]) / t for curve in resampled]
            ends = np.quantile(several, (0.025, 0.975), method="nearest")
            interval = interval_columns("ratio", (ratio, float(ends[0]), float(ends[1])))
            rows.append({"scheme": scheme, "iteration": t, **interval})
    return pd.DataFrame(rows, columns=["scheme", "iteration", "ratio", "ratio_low", "ratio_high"])


def title_in(frame: pd.DataFrame, dataset: str) -> str:
    """A data set's title, with how much of it there is if that is not all."""
    part = frame.loc[frame["dataset"] == dataset, "part"].iloc[0] if "part" in frame else ""
    return f"{EXPERIMENTS[dataset].title}, {part}" if part else EXPERIMENTS[dataset].title


def left_out(frame: pd.DataFrame) -> dict[str, str]:
    """The data sets that are not in a table, and why."""
    missing = frame[frame["left_out"] != ""]
    return dict(zip(missing["dataset"], missing["left_out"], strict=True))


def arrays_hash(*arrays: Matrix | FloatArray | None) -> str:
    """SHA-256 of arrays as the learner has them: of sparse rows, where the entries are and what."""
    digest = sha256()
    for part in _parts(arrays):
        digest.update(f"{part.dtype.str}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _parts(arrays: Sequence[Matrix | FloatArray | None]) -> Iterator[np.ndarray]:
    for array in arrays:
        if array is None:
            continue
        if isinstance(array, np.ndarray):
            yield array.astype("<f8")
            continue
        rows = scipy.sparse.csr_array(array)
        yield rows.indptr.astype("<i8")
        yield rows.indices.astype("<i8")
        yield rows.data.astype("<f8")


def _runs_of(frame: pd.DataFrame, scheme: str) -> tuple[FloatArray, FloatArray]:
    """Times and losses of a scheme, ``(R, T + 1)`` each."""
    times, losses = base.by_replication(rows_at(frame, scheme=scheme), "time", "train_loss")
    return times, losses


def target_of(runs: pd.DataFrame) -> float:
    """The loss that the exact gradient reaches after half of the iterations."""
    _, losses = _runs_of(runs, "uncoded")
    return base.as_target(float(losses[0, losses.shape[1] // 2]))


def reached(drawn: pd.DataFrame, dataset: str) -> dict[str, FloatArray]:
    """Seconds to the target loss of each scheme's runs, ``(R,)``; NaN if a run misses it."""
    own = rows_at(drawn, dataset=dataset)
    target, schemes = target_of(own), own["scheme"].unique()
    return {scheme: time_to_target(*_runs_of(own, scheme), target) for scheme in schemes}


EXACT_SCHEMES = ("uncoded", "cyclic_repetition", "fractional_repetition")
SAME_TIME = 0.02  # share of a time by which two that are called equal may differ
QUICK_LOOK = looks.Look(looks.MUTED, "o", "none", f"filled: work {base.WORKS[0]:g} s")
EVEN_LOOK = looks.Look(looks.MUTED, "o", "none", f"open: work {base.WORKS[1]:g} s")


@final
@dataclass(frozen=True)
class Speedup(base.RunsFigure):
    """Time to a target loss, ErasureHead against exact schemes, paired 95 % intervals.

    The target is the loss of the exact gradient after half of the iterations. Where some run does
    not reach it, a speed-up is the median over all pairs: 0 where half of ErasureHead's do not."""

    title: ClassVar[str] = "Speed-up to a target loss"

    loads: tuple[int, ...] = (2, 3, 5, 6)  # the values of d
    wait_for: int = 15  # r
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, work, load and exact scheme that ErasureHead is compared with."""
        sections = base.BREAST_CANCER | base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        target = effort.half_way_loss(self.document(effort, **sections))
        grid = product(base.LAW_TITLES, base.WORKS, self.loads)
        rows = [row for setting in grid for row in self._compare(*setting, target, effort)]
        return pd.DataFrame(rows)

    def _compare(
        self, law: str, work: float, load: int, target: float, effort: Effort
    ) -> list[dict[str, Any]]:
        uncoded, _, *codes = base.five_schemes(load, self.wait_for)
        sections = base.BREAST_CANCER | base.delays_and_law(law, work, self.delay)
        sections |= {"schemes": [uncoded, *codes], "target_loss": target}
        document = self.document(effort, **sections)
        results = {cell.scheme["name"]: result for cell, result in effort.results(document)}
        seconds = {n: r.replications["time_to_target"].to_numpy(float) for n, r in results.items()}
        runs = {name: result.iterations.groupby("replication") for name, result in results.items()}
        rounds = {n: own["iteration_time"].mean().to_numpy(dtype=float) for n, own in runs.items()}
        ours, setting = "erasurehead", {"load_law": law, "work": work, "load": load}
        return [
            {
                **setting,
                "scheme": scheme,
                "target": target,
                "replications": seconds[ours].size,
                **interval_columns("speedup", compared_times(seconds[scheme], seconds[ours])[1]),
                **interval_columns("per_iteration", ratio_interval(rounds[scheme], rounds[ours])),
                "iterations_to_target": _rounds(results[scheme], target),
                "iterations_to_target_erasurehead": _rounds(results[ours], target),
                "reached": float(np.isfinite(seconds[ours]).mean()),
            }
            for scheme in EXACT_SCHEMES
        ]

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Speed-up against load, one panel per load law."""
        ticks = sorted(frame["load"].unique())
        x = Axis("load d", names=tuple(map(str, ticks)), places=tuple(ticks))
        known = [ratio for ratio in frame["speedup"] if 0 < ratio < np.inf]
        low, high = 0.9 * min([0.5, *known]), 1.15 * max([1.0, *known])
        y = Axis("ErasureHead: times as fast\nto the target loss", True, (1, 2, 5), low, high)
        panels = [
            Panel(x, y, _marks(rows_at(frame, load_law=law)), base.LAW_TITLES[law])
            for law in base.LAW_TITLES
        ]
        last = [QUICK_LOOK.title, EVEN_LOOK.title]
        return Picture(panels, 2, style.TWO_PANELS, 4.2, share="y", last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """The speed-ups with their intervals, and what they are made of."""
        rows = []
        for (law, work, load), own in frame.groupby(["load_law", "work", "load"], sort=False):
            ratios = [base.interval_text(row, "speedup") for _, row in own.iterrows()]
            both = ("iterations_to_target_erasurehead", "iterations_to_target")
            iterations = (own[column].iloc[0] for column in both)
            counts = ("–" if np.isnan(count) else f"{count:.1f}" for count in iterations)
            rows.append([str(law), f"{work:g}", str(load), *ratios, *counts])
        over = (f"over {looks.look(name).title}" for name in EXACT_SCHEMES)
        header = ["load law", "work (s)", "d", *over]
        header += ["iterations, ErasureHead", "iterations, exact"]
        return (
            f"How many times sooner ErasureHead (r = {self.wait_for}, not rescaled) reaches a "
            f"training loss of {frame['target'].iloc[0]:.4g} on the breast cancer data than each "
            f"exact scheme: geometric mean over "
            f"{number_of(frame['replications'].max(), 'pair')} of runs on the same delays, with "
            "95 % intervals of the paired ratio (mostly smaller than the "
            f"points). Delays are exponential with mean {self.delay:g} s; filled points have "
            f"{base.WORKS[0]:g} s of work per partition, open ones {base.WORKS[1]:g} s. The codes "
            "have the same load as ErasureHead, uncoded has load 1.\n\n"
            f"{self._stops_together(frame)}Erased groups may cost iterations, too (last columns).",
            Numbers(header, rows),
        )

    def _stops_together(self, frame: pd.DataFrame) -> str:
        """At which loads every group is covered before r workers are heard, if at any."""
        apart = (rows_at(frame, scheme="fractional_repetition")["per_iteration"] - 1).abs()
        farthest = apart.groupby(frame["load"]).max()
        loads = ", ".join(str(load) for load, far in farthest.items() if far < SAME_TIME)
        return (
            f"With d = {loads} ErasureHead and fractional repetition take equally long for an "
            f"iteration, to {100 * SAME_TIME:g} %: nearly always all groups are covered before "
            f"{self.wait_for} workers are heard. "
            if loads
            else ""
        )


def _rounds(result: CellResult, target: float) -> float:
    """Mean iterations to the target; NaN where a run does not reach it."""
    reached = result.iterations[result.iterations["train_loss"] <= target]
    first = reached.groupby("replication")["iteration"].min()
    return float(first.mean()) if len(first) == len(result.replications) else np.nan


def _marks(frame: pd.DataFrame) -> list[Mark]:
    """A line for each work and exact scheme: with filled markers where work is quick, else open."""
    marks: list[Mark] = [Rules("", y=np.ones(1))]
    for (work, scheme), rows in frame.groupby(["work", "scheme"], sort=False):
        own = looks.look(str(scheme))
        quick, unnamed = work == base.WORKS[0], replace(own, title="")
        line = replace(own, title=f"over {own.title}") if quick else replace(unnamed, marker="")
        marks.append(base.interval_curve_of(rows, "load", "speedup", line, width=1.4))
        if not quick:
            marks.append(points_of(rows, "load", "speedup", unnamed, hollow=True))
    return [*marks, Points(QUICK_LOOK), Points(EVEN_LOOK, hollow=True)]
