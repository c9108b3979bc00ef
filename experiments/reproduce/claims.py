"""The four claims of the paper's abstract, and what the figures' tables say of each.

A verdict is a value: findings, each a number with its interval and the limit that it is held to.
Its sentences are written from that value alone, last.

Source: the abstract of Wang, Charles, Papailiopoulos (arXiv 1901.09671)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any, final

import numpy as np
import pandas as pd

from ...sim.base.types import FloatArray
from ..pictures.looks import look
from ..run.records import compared_times
from ..text import number_of, sentence
from .base import ratio_text, rows_at
from .figures.loss_time import AUTHORS, EXACT_SCHEMES, EXPERIMENTS, EXPONENTIAL, reached

Frames = Mapping[str, pd.DataFrame]  # the tables that a folder holds, by figure
Interval = tuple[float, float, float]  # a number and the ends of its 95 % interval
Z_95 = 1.96  # standard errors of a mean on either side
LIVE_TABLE = "live"  # the table of a run on real workers, with these columns of a round's seconds
LIVE_COLUMNS = ("measured", "standard_error")

# What the abstract leaves open is decided here, once: "as quickly" is at most a tenth more
# iterations until the loss is within ten noise floors, and a "small" floor is below a hundredth of
# the loss at the start.
MAX_ITERATIONS_RATIO, NOISE_FLOORS, MAX_FLOOR_SHARE = 1.1, 10.0, 0.01


class Quantity(StrEnum):
    """What is measured, as it is said behind its number."""

    WAITS = "more of the rounds wait for a straggler than with ErasureHead (share)"
    LACKS = "of the partitions lacks ErasureHead's gradient (share)"
    ITERATIONS = "times the iterations of full descent to ten noise floors"
    FLOOR = "of the loss at the start is the noise floor (share)"
    BOUND = "times its bound is the mean loss, at most"
    RUNTIME = "times as fast as uncoded"
    SOONER = "times as fast to the target loss"
    OTHERS = "times as fast to the target loss, over loads, load laws and work (breast cancer)"
    ROUNDS = "times as fast a round of real workers"


class Judgement(StrEnum):
    """What the numbers say, of a finding or of all findings of a claim."""

    HOLDS = "holds"
    PARTLY = "holds in part"  # holds in some settings, fails in others
    FAILS = "fails"
    OPEN = "is not decided"  # the limit is within the interval


@final
@dataclass(frozen=True)
class Finding:
    """One number in one setting, and the limit that it must be above, or below."""

    what: Quantity
    where: Mapping[str, str | float]  # the setting: what is varied, and its value
    interval: Interval
    limit: float
    above: bool = True  # which side of the limit is the paper's

    @property
    def code(self) -> Judgement:
        """Whether the whole interval is on one side of the limit."""
        _, low, high = self.interval
        if not (low > self.limit or high < self.limit):
            return Judgement.OPEN
        return Judgement.HOLDS if self.above == (low > self.limit) else Judgement.FAILS


@final
@dataclass(frozen=True)
class ClaimVerdict:
    """What the tables say of a claim."""

    findings: Sequence[Finding]
    facts: Mapping[str, Any] = field(default_factory=dict)  # other numbers that are told

    @property
    def code(self) -> Judgement:
        """Of all findings that are decided; the first quantity is the claim's own."""
        every = {f.code for f in self.findings} - {Judgement.OPEN}
        own = {f.code for f in self.findings if f.what == self.findings[0].what} - {Judgement.OPEN}
        if Judgement.FAILS in every:
            return Judgement.FAILS if {Judgement.FAILS} in (own, every) else Judgement.PARTLY
        return Judgement.HOLDS if own else Judgement.OPEN

    def of(self, what: Quantity | None = None, **where: object) -> list[Finding]:
        """The findings of a quantity, of all if none is named, in settings with these values."""
        own = (f for f in self.findings if what in (None, f.what))
        return [f for f in own if where.items() <= f.where.items()]

    @property
    def exceptions(self) -> list[str]:
        """Where it fails: in how many settings of each quantity, what they share, and how far."""
        sentences = []
        for what, over in dict.fromkeys((f.what, f.where.get("over")) for f in self.findings):
            every = self.of(what, **({"over": over} if over else {}))
            if failed := [f for f in every if f.code is Judgement.FAILS]:
                far = sorted(f.interval[0] for f in failed)
                range_ = " to ".join(dict.fromkeys(f"{number:.3g}" for number in (far[0], far[-1])))
                many = f"in {len(failed)} of {len(every)} settings"
                against = f"against {over} " if over else ""
                common = shared_settings(failed, every)
                sentences.append(f"fails {against}{many}{common}: {range_} {what}")
        return sentences


@final
@dataclass(frozen=True)
class Claim:
    """A claim of the abstract, how it is judged, and what is said of the verdict."""

    letter: str
    title: str
    quote: str  # the abstract's words
    figures: tuple[str, ...]  # whose tables it reads; the first has its picture, and must be there
    judge: Callable[[Frames], ClaimVerdict]
    words: Callable[[ClaimVerdict], list[str]]  # without what the title and the exceptions say

    def heading(self, verdict: ClaimVerdict) -> str:
        """Name and verdict in a line."""
        return f"({self.letter}) {self.title}: {verdict.code}"

    def sentences(self, verdict: ClaimVerdict) -> list[str]:
        """All that is said of a verdict, the exceptions last."""
        return [*map(sentence, self.words(verdict) + verdict.exceptions)]

    def as_plain(self, verdict: ClaimVerdict) -> dict[str, Any]:
        """A verdict as it stands in ``claims.json``; a number that is not known is ``null``."""
        ends, findings = ("value", "low", "high"), []
        for finding in verdict.findings:
            known = (float(value) if np.isfinite(value) else None for value in finding.interval)
            row = {"what": finding.what, "where": dict(finding.where), "limit": finding.limit}
            row |= {"above": finding.above, "verdict": str(finding.code)}
            findings.append(row | dict(zip(ends, known, strict=True)))
        named = {"claim": self.letter, "title": self.title, "quote": self.quote}
        judged = {"verdict": str(verdict.code), "says": self.sentences(verdict)}
        return named | judged | {"figures": list(self.figures), "findings": findings}


def shared_settings(some: Sequence[Finding], every: Sequence[Finding]) -> str:
    """Behind a number of settings, what they have in common and some of the others have not."""
    phrases = []
    for key, value in some[0].where.items():
        own = sorted({f.where[key] for f in some}, key=lambda v: (isinstance(v, str), v))
        if len(own) < len({f.where[key] for f in every}):
            named = ", ".join(v if isinstance(v, str) else f"{v:g}" for v in own)
            phrases.append(named if isinstance(value, str) else f"{key} = {named}")
    return f", all with {', '.join(phrases)}" if phrases else ""


def around(mean: float, error: float) -> Interval:
    """A mean and its interval, from its standard error."""
    return mean, mean - Z_95 * error, mean + Z_95 * error


def mean_ratio(over: Sequence[float], under: Sequence[float]) -> Interval:
    """The ratio of two means, each with its standard error, as if they were independent."""
    ratio = over[0] / under[0]
    spread = float(np.exp(Z_95 * np.hypot(over[1] / over[0], under[1] / under[0])))
    return ratio, ratio / spread, ratio * spread


def _percent(interval: Interval) -> str:
    middle, low, high = (f"{100 * number:.3g}" for number in interval)
    return f"{middle} %" if low in (high, "nan") else f"{middle} % ({low} to {high} %)"


def _title(scheme: object) -> str:
    return look(str(scheme)).title


def _by(frame: pd.DataFrame, key: str) -> dict[Any, dict[Any, Any]]:
    """The rows of a table by their value in a column, which is another in each."""
    return {row[key]: row for row in frame.to_dict("records")}


# (a) An inexact gradient, with higher delay tolerance.


def judge_tolerance(frames: Frames) -> ClaimVerdict:
    """Each exact code against ErasureHead: in how many more rounds it waits for a straggler."""
    frame = frames["delay_tolerance"]
    seen: dict[Any, dict[Any, Any]] = {
        s: _by(rows, "scheme") for s, rows in frame[frame["rounds"] > 0].groupby("stragglers")
    }
    findings = []
    for code, (s, row) in product(EXACT_SCHEMES[1:], seen.items()):
        theirs, ours, rounds = row[code]["waits"], row["erasurehead"]["waits"], row[code]["rounds"]
        error = float(np.sqrt((theirs * (1 - theirs) + ours * (1 - ours)) / rounds))
        where: dict[str, str | float] = {"over": _title(code), "stragglers": float(s)}
        findings.append(Finding(Quantity.WAITS, where, around(theirs - ours, error), 0.0))
    waiting = [s for s, row in seen.items() if row["erasurehead"]["waits"] > 0]
    never = [s for s in seen if not waiting or s < waiting[0]]
    most = (never or [*seen])[-1]
    ours = seen[most]["erasurehead"]
    lacks = around(ours["error"], ours["error_se"])
    findings.append(Finding(Quantity.LACKS, {}, lacks, 1.0, above=False))
    return ClaimVerdict(findings, {"most": most, "there": seen[most]})


def say_tolerance(verdict: ClaimVerdict) -> list[str]:
    """Who waits how often with as many stragglers as ErasureHead tolerates, and its price."""
    there, most = verdict.facts["there"], verdict.facts["most"]
    shares, named = [], ("erasurehead", *reversed(EXACT_SCHEMES[1:]))
    for row in (there[scheme] for scheme in named):
        p = row["waits"]
        shares.append(_percent(around(p, np.sqrt(p * (1 - p) / row["rounds"]))))
    pairs = zip(named[1:], shares[1:], strict=True)
    codes = [f"{_title(scheme)} in {share}" for scheme, share in pairs]
    first, *more, last = (f"{there[scheme]['simulated']:.3g} s" for scheme in named)
    ours = there["erasurehead"]
    some = dict.fromkeys(f.where["stragglers"] for f in verdict.of(Quantity.WAITS))
    numbers = ", ".join(
        f"{s:g}"
        for s in some
        if all(f.interval == (0, 0, 0) for f in verdict.of(Quantity.WAITS, stragglers=s))
    )
    return [
        f"with {most} of {ours['workers']} workers {ours['late']:g} s late, ErasureHead waits for "
        f"one of them in {shares[0]} of the rounds, {' and '.join(codes)}; their rounds take "
        f"{', '.join([first, *more])} and {last}",
        *[
            f"its price: {_percent(verdict.of(Quantity.LACKS)[0].interval)} of the partitions are "
            "missing from the gradient, however few workers straggle"
        ]
        * (ours["waits"] == 0),
        *[f"it waits as often as both with {numbers} stragglers: never, or always"] * bool(numbers),
    ]


# (b) Down to a small noise floor, as quickly as distributed GD.


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


def judge_floor(frames: Frames) -> ClaimVerdict:
    """Each r against full gradient descent: iterations, noise floor, and the bound."""
    frame, findings = frames["loss_iteration_floor"], list[Finding]()
    n, *asked = sorted({*map(int, frame["arrivals"])}, reverse=True)
    exact = rows_at(frame, arrivals=n)["mean_gap"].to_numpy(float)
    for r in asked:
        own = rows_at(frame, arrivals=r)[["mean_gap", "standard_error", "bound"]]
        mean, error, bound = own.to_numpy(float).T
        last = slice(-max(1, len(mean) // 4), None)  # where the loss falls no more
        floor, bands = mean[last].mean(), (mean, mean - Z_95 * error, mean + Z_95 * error)
        with np.errstate(divide="ignore", invalid="ignore"):  # where a level is not reached
            quick = [crossing(losses, NOISE_FLOORS * floor) for losses in bands]
            quick = list(np.array(quick) / crossing(exact, NOISE_FLOORS * floor))
        small = np.array(around(floor, error[last].mean())) / mean[0]
        highest = [np.max(losses[1:] / bound[1:]) for losses in bands]
        limits = (
            (Quantity.ITERATIONS, quick, MAX_ITERATIONS_RATIO),
            (Quantity.FLOOR, small, MAX_FLOOR_SHARE),
            (Quantity.BOUND, highest, 1.0),
        )
        for what, (middle, low, high), limit in limits:
            interval = float(middle), float(low), float(high)
            findings.append(Finding(what, {"r": float(r)}, interval, limit, above=False))
    r = int(frame["arrivals"][frame["arrivals"] != n].iloc[0])  # the first is told first
    heard = float(rows_at(frame, arrivals=r)["heard"].iloc[0])
    return ClaimVerdict(findings, {"r": r, "n": n, "heard": heard})


def say_floor(verdict: ClaimVerdict) -> list[str]:
    """The first r, the others in short, and what another step does."""
    r, n, heard = (verdict.facts[key] for key in ("r", "n", "heard"))
    [quick], [floor] = (verdict.of(what, r=r) for what in (Quantity.ITERATIONS, Quantity.FLOOR))
    others = ", ".join(
        f"{ratio_text(*f.interval)} with r = {f.where['r']:g}"
        for f in verdict.of(Quantity.ITERATIONS)
        if f is not quick
    )
    highest = max(f.interval[0] for f in verdict.of(Quantity.BOUND))
    return [
        f"with r = {r} of {n} arrivals it needs {ratio_text(*quick.interval)} times the iterations "
        f"of full gradient descent to come within {NOISE_FLOORS:g} noise floors",
        *([f"the same needs {others}"] if others else []),
        f"the floor is {_percent(floor.interval)} of the initial excess loss (above the minimum)",
        f"over all r, the loss is at most {highest:.2f} times its bound (our derivation)",
        "the step is 1/(βp); with that of full descent, 1/β, theory has 1/p times the iterations, "
        f"here {1 / heard:.2f}",
    ]


# (c) Faster overall runtime under a probabilistic delay model.


def judge_runtime(frames: Frames) -> ClaimVerdict:
    """Seconds of an iteration times the iterations of claim (b), over n and both load laws.
    Independent rounds: the mean runtime is the product (Wald)."""
    frame, more, findings = frames["iteration_time_workers"], (1.0, 1.0, 1.0), list[Finding]()
    if "loss_iteration_floor" in frames:
        floor = judge_floor(frames)
        more = floor.of(Quantity.ITERATIONS, r=floor.facts["r"])[0].interval
    largest = float(frame["workers"].max())
    for (law, _), rows in frame[frame["rounds"] > 0].groupby(["load_law", "workers"], sort=False):
        own, n = _by(rows, "scheme"), float(rows["workers"].iloc[0])
        pair = own[EXACT_SCHEMES[0]], own["erasurehead"]
        a, b = ([row["simulated"], row["standard_error"]] for row in pair)
        ratio, low, high = mean_ratio(a, b)
        spread = float(np.exp(np.hypot(np.log(high / low), np.log(more[2] / more[1])) / 2))
        interval = ratio / more[0], ratio / more[0] / spread, ratio / more[0] * spread
        findings.append(Finding(Quantity.RUNTIME, {"law": f"{law} law", "n": n}, interval, 1.0))
    return ClaimVerdict(findings, {"more": more[0], "n": largest})


def say_runtime(verdict: ClaimVerdict) -> list[str]:
    """The largest n under each law."""
    n, more = verdict.facts["n"], verdict.facts["more"]
    ratios = (
        f"{ratio_text(*f.interval)} ({f.where['law']})" for f in verdict.of(Quantity.RUNTIME, n=n)
    )
    counted = f", with {more:.2f} times the iterations charged to it, as in (b)" * (more != 1)
    return [f"with {n:g} workers, {' and '.join(ratios)} times as fast as uncoded{counted}"]


# (d) Significant speedups on real data and clusters.


def judge_speedup(frames: Frames) -> ClaimVerdict:
    """Paired runs on each data set, then over loads, load laws and work, then on real workers."""
    frame, findings = frames["loss_time"], list[Finding]()
    drawn = rows_at(frame, left_out="", delays=EXPONENTIAL)
    data = [*map(str, drawn["dataset"].unique())]
    facts: dict[str, Any] = {"data": {}, "replayed": {}}
    replay = rows_at(frame, left_out="", delays=AUTHORS)
    for name in data:
        seconds, title = reached(drawn, name), EXPERIMENTS[name].title
        facts["data"][title] = int(np.isnan(seconds["erasurehead"]).sum())  # runs that miss it
        if (replay["dataset"] == name).any():
            once = {scheme: float(times[0]) for scheme, times in reached(replay, name).items()}
            facts["replayed"][title] = [once[name] / once["erasurehead"] for name in EXACT_SCHEMES]
        for scheme in EXACT_SCHEMES:
            _, interval = compared_times(seconds[scheme], seconds["erasurehead"])
            where = {"over": _title(scheme), "data": title}
            findings.append(Finding(Quantity.SOONER, where, interval, 1.0))
    for row in frames["speedup"].to_dict("records") if "speedup" in frames else ():
        interval = (row["speedup"], row["speedup_low"], row["speedup_high"])
        where = {"over": _title(row["scheme"]), "law": f"{row['load_law']} law"}
        where |= {"work": f"{row['work']:g} s of work a partition", "d": row["load"]}
        findings.append(Finding(Quantity.OTHERS, where, interval, 1.0))
    if LIVE_TABLE in frames:
        own = _by(frames[LIVE_TABLE], "scheme")
        mine = [own["erasurehead"][name] for name in LIVE_COLUMNS]
        for scheme in (exact for exact in EXACT_SCHEMES if exact in own):
            interval = mean_ratio([own[scheme][name] for name in LIVE_COLUMNS], mine)
            findings.append(Finding(Quantity.ROUNDS, {"over": _title(scheme)}, interval, 1.0))
            ratio = own[scheme]["simulated"] / own["erasurehead"]["simulated"]
            facts[_title(scheme)] = ratio, own[scheme]["rounds"]
    return ClaimVerdict(findings, facts)


def say_speedup(verdict: ClaimVerdict) -> list[str]:
    """Each data set, and real workers beside their simulation."""
    sentences = []
    for data, missed in verdict.facts["data"].items():
        every = verdict.of(Quantity.SOONER, data=data)
        ratios = ", ".join(f"{ratio_text(*f.interval)} as {f.where['over']}" for f in every)
        late = f"; {number_of(missed, 'run')} of ErasureHead without it" if missed else ""
        once = verdict.facts["replayed"].get(data, ())
        replayed = ", ".join(ratio_text(ratio, np.nan, np.nan) for ratio in once)
        own = f"; on the one sequence of delays of the authors' program {replayed}" * bool(once)
        sentences.append(f"{data}, times as fast to the target loss: {ratios}{own}{late}")
    if live := verdict.of(Quantity.ROUNDS):
        known = [(f, *verdict.facts[str(f.where["over"])]) for f in live]
        ratios = ", ".join(
            f"{ratio_text(*f.interval)} as {f.where['over']} (simulated {simulated:.2f})"
            for f, simulated, _ in known
        )
        sentences.append(f"real workers, times as fast in {known[0][2]} rounds: {ratios}")
    else:
        sentences.append("the clock is simulated, and no cluster was run")
    return sentences


CLAIMS = (
    Claim("a", "Higher delay tolerance",
          "uses approximate gradient codes to recover an inexact gradient at each iteration, but "
          "with higher delay tolerance",
          ("delay_tolerance",), judge_tolerance, say_tolerance),
    Claim("b", "As quick as distributed GD, down to a small noise floor",
          "down to a small noise floor, ErasureHead converges as quickly as distributed GD",
          ("loss_iteration_floor",), judge_floor, say_floor),
    Claim("c", "Faster overall runtime",
          "has faster overall runtime under a probabilistic delay model",
          ("iteration_time_workers", "loss_iteration_floor"), judge_runtime, say_runtime),
    Claim("d", "Speedups on real data and clusters",
          "extensive experiments on real world datasets and distributed clusters and demonstrate "
          "that our method can lead to significant speedups over both standard and gradient coded "
          "GD",
          ("loss_time", "speedup"), judge_speedup, say_speedup),
)  # fmt: skip
CLAIM_FIGURES = tuple(dict.fromkeys(name for claim in CLAIMS for name in claim.figures))


def verdicts(frames: Frames) -> list[tuple[Claim, ClaimVerdict]]:
    """The claims whose first figure is there, judged."""
    return [(claim, claim.judge(frames)) for claim in CLAIMS if claim.figures[0] in frames]
