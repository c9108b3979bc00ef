"""How the ranking of the schemes changes with load law, tail, persistence, and on real clusters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ....sim.engines.run import Policy
from ...config import build
from ...pictures import looks, style
from ...pictures.picture import Axis, Bars, Fill, Mark, Panel, Picture, Points, Rules, Texts
from ...run.records import ratio_interval
from ...text import interval_columns, number_of, percent, whole_percent
from .. import base
from ..base import MEAN_DELAY, CodedFigure, Effort, Numbers, Section, Words, estimate_text, rows_at

CLUSTER_WORK = 0.1  # seconds of work per partition
DROP_COMPUTE_PATIENCE = 1.25  # in mean times of a partition
# share of workers that are slow at any moment, and how many times slower they are
SLOW_SHARE, SPEED_RATIO = 0.2, 5.0

# from light to heavy; all of the same mean
TAILS: dict[str, Section] = {
    "shifted exponential": {
        "model": "shifted_exponential",
        "shift": MEAN_DELAY / 2,
        "rate": 2 / MEAN_DELAY,
    },
    "log-normal (σ = 1)": {
        "model": "lognormal",
        "median": MEAN_DELAY * math.exp(-0.5),
        "sigma": 1.0,
    },
    "Pareto (α = 2.2)": {"model": "pareto", "alpha": 2.2, "scale": MEAN_DELAY * 1.2 / 2.2},
}


class Varied(StrEnum):
    """What is varied in rows of the ranking."""

    ADDITIVE = "additive law: d work + delay"
    PER_PARTITION = "law per partition: d draws of (work + delay)"
    PROPORTIONAL = "proportional law: d (work + delay)"
    CANCEL = "additive law, stragglers that stay slow; unfinished work: cancel"
    QUEUE = "additive law, stragglers that stay slow; unfinished work: queue"
    MEASURED = "measured clusters"


@final
@dataclass(frozen=True)
class RankedCluster:
    """One row of the ranking."""

    group: Varied
    title: str  # the value
    # delay, load_law: sections of a config
    delay: Section
    load_law: Section
    policy: Policy = Policy.CANCEL  # what becomes of unfinished work

    def mean_time(self) -> float:
        """Mean seconds that a partition takes."""
        mean = build.delay_model(self.delay).mean()
        assert mean is not None
        return mean + float(self.load_law.get("seconds_per_partition", 0.0))


def additive(work: float) -> Section:
    """Load law T = d * work + X."""
    return {"kind": "additive", "seconds_per_partition": work}


def persistent(persistence: float, slow_share: float = SLOW_SHARE, constant: float = 0) -> Section:
    """Delays of workers that are slow or fast, and stay so with a given correlation.

    At persistence 0 every round decides anew who is slow, at 1 the slow workers are always the
    same; in between a worker's state has this correlation from round to round. The law of a single
    round is the same at every persistence. The share ``constant`` of a state's mean delay is always
    the same, the rest is exponential."""
    mean = MEAN_DELAY / (1 - slow_share + slow_share * SPEED_RATIO)  # of a fast worker
    fast, slow = (
        {"model": "shifted_exponential", "shift": constant * m, "rate": 1 / ((1 - constant) * m)}
        for m in (mean, SPEED_RATIO * mean)
    )
    changing = persistence < 1
    return {
        "model": "markov",
        "slow_to_slow": slow_share + (1 - slow_share) * persistence if changing else 1.0,
        "fast_to_slow": slow_share * (1 - persistence),
        "slow_share": slow_share,
        "fast": fast,
        "slow": slow,
    }


def clusters() -> Iterator[RankedCluster]:
    """The rows of the ranking, group by group."""
    proportional, per_partition = {"kind": "proportional"}, {"kind": "per_partition"}
    for group, law, work in (  # the same tails under three load laws, which agree at load 1
        (Varied.ADDITIVE, additive(CLUSTER_WORK), 0.0),
        (Varied.PER_PARTITION, per_partition, CLUSTER_WORK),
        (Varied.PROPORTIONAL, proportional, CLUSTER_WORK),
    ):
        for tail, delay in TAILS.items():
            shifted = {"model": "shifted", "by": work, "base": delay}
            yield RankedCluster(group, tail, shifted if work else delay, law)
    for group, policy, persistences in (
        (Varied.CANCEL, Policy.CANCEL, (0.0, 1.0)),
        (Varied.QUEUE, Policy.QUEUE, (0.0, 0.5, 0.9, 1.0)),
    ):
        for persistence in persistences:
            title = f"persistence {persistence:g}"
            delay, law = persistent(persistence), additive(CLUSTER_WORK)
            yield RankedCluster(group, title, delay, law, policy)
    for title, delay, law in (
        ("lambda_cnn, additive", {"model": "lambda_cnn", "load": 0}, additive(1.127)),
        ("lambda_cnn, proportional", {"model": "lambda_cnn", "load": 1}, proportional),
        ("llm_ranks, per partition", {"model": "llm_ranks"}, per_partition),
        ("llm_ranks, proportional", {"model": "llm_ranks"}, proportional),
    ):
        yield RankedCluster(Varied.MEASURED, title, delay, law)


EXACT_RANKED = ("uncoded", "fractional_repetition", "cyclic_repetition", "multi_message")
INEXACT_RANKED = ("ignore_stragglers", "drop_compute", "erasurehead")
DROP_COMPUTE_PIECES = 12  # micro-batches
RANKED = (*EXACT_RANKED, *INEXACT_RANKED)
TIE_FACTOR = 1.01  # schemes are equally fast when they differ by less than this factor
FASTER_TITLE, SLOWER_TITLE = "faster than uncoded", "slower than uncoded"


def _colour(ratio: float, darkest: float = 3.0) -> str:
    """Blue for faster, red for slower, white for equal; told apart by the numbers in grey.
    From ``darkest`` times faster or slower on, a cell is as dark as it gets."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    share = np.log(ratio) / np.log(darkest)
    return to_hex(colormaps["RdBu_r"](0.5 + 0.36 * float(np.clip(share, -1, 1))))


FASTEST_EXACT_FILL = Fill(looks.INK, "", "box: fastest exact scheme", height=0.84, outline=True)
FASTEST_LOOK = looks.Look(looks.INK, "", "none", "bold: fastest of all")


@final
@dataclass(frozen=True)
class Ranking(CodedFigure):
    """Iteration times relative to uncoded over load laws, tails, persistence, real clusters."""

    title: ClassVar[str] = "Who wins depends on the cluster"

    iterations: int = 200
    replications: int = 32

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per cluster and scheme."""
        rows = [row for cluster in clusters() for row in self._cluster(cluster, effort)]
        return pd.DataFrame(rows)

    def _cluster(self, cluster: RankedCluster, effort: Effort) -> list[dict[str, Any]]:
        laws = {"delay": cluster.delay, "load_law": cluster.load_law}
        schemes, policy = self._schemes(cluster), cluster.policy.value
        document = self.document(effort, policy=policy, **laws, schemes=schemes)
        seconds: dict[str, FloatArray] = {}
        inexact: dict[str, tuple[float, float]] = {}
        for cell, run, trace in effort.clocks(document):
            name = str(cell.scheme["name"])
            seconds[name] = trace.intervals.mean(axis=1)
            if not run.scheme.exact:
                steps = run.scheme.steps(trace)
                inexact[name] = float(steps.error.mean()), float(1 - steps.recovered.mean())
        means = {name: own.mean() for name, own in seconds.items()}
        fastest, best = (min(own, key=means.__getitem__) for own in (EXACT_RANKED, means))
        return [
            {
                "group": cluster.group.value,
                "cluster": cluster.title,
                "scheme": name,
                **base.estimate_columns(own, "iteration_time"),
                **interval_columns("ratio", ratio_interval(own, seconds["uncoded"])),
                # as fast as the fastest, as far as the paired interval can tell
                "fastest_exact": name in EXACT_RANKED
                and ratio_interval(own, seconds[fastest])[1] <= TIE_FACTOR,
                "fastest": ratio_interval(own, seconds[best])[1] <= TIE_FACTOR,
                "decoding_error": inexact.get(name, (0.0, 0.0))[0],
                "share_lost": inexact.get(name, (0.0, 0.0))[1],
                "replications": own.size,
            }
            for name, own in seconds.items()
        ]

    def _schemes(self, cluster: RankedCluster) -> list[Section]:
        patience = round(DROP_COMPUTE_PATIENCE * cluster.mean_time(), 6)
        extra: dict[str, Section] = {
            "uncoded": {},
            "ignore_stragglers": {"wait_for": self.workers - self.load + 1},
            "drop_compute": {"pieces": DROP_COMPUTE_PIECES, "patience": patience},
            "erasurehead": {"load": self.load, "wait_for": self.wait_for},
        }
        return [{"name": name, **extra.get(name, {"load": self.load})} for name in RANKED]

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One block of rows per group of clusters, one column per scheme."""
        groups = dict(list(frame.groupby("group", sort=False)))
        # rows above the first cluster, for the names of the schemes
        heads = [1.6, *[0.0] * (len(groups) - 1)]
        named = list(zip(groups.items(), heads, strict=True))
        heights = [rows["cluster"].nunique() + head for (_, rows), head in named]
        panels = [_block(str(group), rows, head) for (group, rows), head in named]
        how: Any = {"share": "x", "legend": 2, "names_left": True, "heights": heights}
        last = [FASTER_TITLE, SLOWER_TITLE, FASTEST_EXACT_FILL.title, FASTEST_LOOK.title]
        return Picture(panels, 1, style.TWO_PANELS, 8.9, last=last, **how)

    def words(self, frame: pd.DataFrame) -> Words:
        """All numbers, and who is fastest where."""
        rows = []
        for (group, cluster), own in frame.groupby(["group", "cluster"], sort=False):
            cells = [_cell(_row(own, scheme)) for scheme in RANKED]
            lost = (percent(_row(own, scheme)["share_lost"]) for scheme in INEXACT_RANKED[1:])
            rows.append([str(group), str(cluster), *cells, " / ".join(map(str, lost))])
        titles = [looks.look(scheme).title for scheme in RANKED]
        header = ["what is varied", "cluster", f"{titles[0]} (s)", *titles[1:], "error"]
        return (
            f"{self.workers} workers, load d = {self.load} for the coded schemes; ErasureHead "
            f"waits for r = {self.wait_for}, ignore stragglers for "
            f"{self.workers - self.load + 1}; drop compute has {DROP_COMPUTE_PIECES} micro-batches "
            f"and a patience of {DROP_COMPUTE_PATIENCE:g} times the mean time of a partition. Mean "
            "iteration time: of uncoded in seconds, of the others relative to it (geometric mean "
            f"of the paired ratio over "
            f"{number_of(frame['replications'].max(), 'replication')} of "
            f"{self.iterations} iterations on common delays, with half of its 95 % interval). A "
            "box marks the fastest scheme whose gradient is exact, bold the fastest of all; "
            f"several where they are less than {whole_percent(TIE_FACTOR - 1)} apart or the "
            "interval cannot tell. The last three buy their time with an inexact gradient: ignore "
            f"stragglers loses {self.load - 1} of {self.workers} partitions in each round, drop "
            "compute and ErasureHead the shares under “error” on average.\n\n"
            f"The parametric delays all have mean {MEAN_DELAY:g} s, and a partition takes "
            f"{CLUSTER_WORK:g} s. “Stragglers that stay slow”: {whole_percent(SLOW_SHARE)} of the "
            f"workers are {SPEED_RATIO:g} times slower than the others, with exponential delays; "
            "the persistence is the correlation of a worker's state from round to round. "
            "lambda_cnn and llm_ranks are presets: serverless calls with cold starts (additive is "
            "what was measured, 1.127 s for each partition) and ranks of a language model's "
            "training.\n\n"
            f"{_findings(frame)}",
            Numbers(header, rows, names=2),
        )


def _findings(frame: pd.DataFrame) -> str:
    ratio = frame.pivot(index=["group", "cluster"], columns="scheme", values="ratio")
    winners = frame[frame["fastest_exact"]].groupby("scheme")["cluster"].count()
    wins = ", ".join(f"{looks.look(name).title} {winners.get(name, 0)}" for name in EXACT_RANKED)
    coded = ratio[["fractional_repetition", "cyclic_repetition"]]
    ours = rows_at(frame, scheme="erasurehead")
    additive, proportional, cancel, queue = (
        rows_at(ours, group=group)
        for group in (Varied.ADDITIVE, Varied.PROPORTIONAL, Varied.CANCEL, Varied.QUEUE)
    )
    shares = " and ".join(
        f"{', '.join(f'{ratio:.2f}' for ratio in rows['ratio'])} of uncoded's under the {law} law"
        for law, rows in (("additive", additive), ("proportional", proportional))
    )
    fixed_is_faster = bool((queue["iteration_time"].diff()[-1:] < 0).all())
    except_fixed = ", except where the slow ones are always the same and nobody needs them"
    return (
        f"{'No scheme wins everywhere. ' * bool(winners.max() < len(ratio))}Times that an exact "
        "scheme is the fastest exact one, of "
        f"{len(ratio)} clusters (ties count for each): {wins}. Fractional repetition is slower "
        f"than uncoded in {int((coded['fractional_repetition'] > 1).sum())} of them, cyclic "
        f"repetition in {int((coded['cyclic_repetition'] > 1).sum())}. From the lightest tail to "
        f"the heaviest, ErasureHead's time is {shares}. Persistence alone changes no mean while "
        f"unfinished work can be cancelled (ErasureHead: {_listed(cancel)}), since each "
        "round has the same law; when work queues up, a worker that was slow is late long after "
        f"(ErasureHead: {_listed(queue)} at growing persistence)"
        f"{except_fixed * fixed_is_faster}."
    )


def _listed(rows: pd.DataFrame) -> str:
    return ", ".join(f"{value:.2f}" for value in rows["iteration_time"]) + " s"


def _cell(row: pd.Series) -> str:
    text = f"{row['ratio']:.3f} ± {(row['ratio_high'] - row['ratio_low']) / 2:.3f}"
    if row["scheme"] == "uncoded":
        text = estimate_text(row["iteration_time"], row["standard_error"])
    return f"**{text}**" if row["fastest"] else text


def _row(frame: pd.DataFrame, scheme: str) -> pd.Series:
    return rows_at(frame, scheme=scheme).iloc[0]


def _block(group: str, frame: pd.DataFrame, head: float) -> Panel:
    """Some clusters as rows of cells, below ``head`` rows that name the columns."""
    titles = (looks.look(scheme).title for scheme in RANKED)
    names = tuple(dict.fromkeys(frame["cluster"]))
    columns = tuple(title.replace(" ", "\n").replace("-", "-\n") for title in titles)
    marks: list[Mark] = []
    for y, name in enumerate(names):
        own = rows_at(frame, cluster=name)
        for x, scheme in enumerate(RANKED):
            marks += _cell_marks(x, np.array([float(y)]), _row(own, scheme))
    marks.append(Rules("", x=np.array([len(EXACT_RANKED) - 0.5])))
    if head:
        above = np.full(len(columns), -0.5 - head / 2)
        marks.append(Texts(np.arange(0.0, len(columns)), above, columns, "center", size=9.0))
    shades = [Fill(_colour(0.5), "", FASTER_TITLE), Fill(_colour(2.0), "", SLOWER_TITLE)]
    marks += [*map(Bars, [*shades, FASTEST_EXACT_FILL]), Points(FASTEST_LOOK)]
    label = "mean iteration time: uncoded in s, others relative to it"
    across = Axis(label, low=-0.5, high=len(RANKED) - 0.5, names=columns)
    down = Axis("", low=len(names) - 0.5, high=-0.5 - head, names=names)
    return Panel(across, down, marks, group.replace("that stay", "stay"), grid=False)


def _cell_marks(x: int, at: FloatArray, row: pd.Series) -> Iterator[Mark]:
    """A cell: its shade, a box around the fastest exact scheme, and the number."""
    colour = _colour(float(row["ratio"]))
    start = np.array([x - 0.5])
    yield Bars(Fill(colour, "", "", height=1.0), at, start, start + 1.0)
    if row["fastest_exact"]:
        yield Bars(replace(FASTEST_EXACT_FILL, title=""), at, start + 0.03, start + 0.97)
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    ink = "#FFFFFF" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.5 else looks.INK
    number: Any = {"bold": bool(row["fastest"]), "colour": ink, "size": 10.0}
    if row["scheme"] == "uncoded":
        words = [f"{row['iteration_time']:#.3g} s"]
        yield Texts(np.array([float(x)]), at, words, "center", **number)
        return
    yield Texts(np.array([x + 0.02]), at, [f"{row['ratio']:.2f}"], "right", **number)
    half = f"{(row['ratio_high'] - row['ratio_low']) / 2:.2f}".removeprefix("0")
    if half != ".00":
        yield Texts(np.array([x + 0.07]), at, [f"±{half}"], "left", colour=ink, size=7.5)
