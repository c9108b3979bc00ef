"""The four claims of the paper's abstract, and what the figures' tables say of each.

A verdict is a value: findings, each a number with its interval and the limit that it is held to.
Its sentences are written from that value alone, last. Where the abstract leaves open what is quick
and what is small, nothing is held to a limit: a statement and a curve stand in place of a verdict.

Source: the abstract of Wang, Charles, Papailiopoulos (arXiv 1901.09671)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import product
from typing import Any, final

import numpy as np
import pandas as pd

from ..pictures.looks import look
from ..run.records import compared_times
from ..text import number_of, sentence
from .base import ratio_text, rows_at
from .figures.claim_b import DIVIDED as DIVIDED_STEP
from .figures.claim_b import RATIO, REGRESSIONS, TOLD_FLOORS
from .figures.loss_time import (
    AUTHORS,
    DIVIDED,
    EXACT_SCHEMES,
    EXPERIMENTS,
    EXPONENTIAL,
    RATIO_LOOKS,
    iteration_ratios,
    left_out,
    reached,
    title_in,
)

Frames = Mapping[str, pd.DataFrame]  # the tables that a folder holds, by figure
Interval = tuple[float, float, float]  # a number and the ends of its 95 % interval
Z_95 = 1.96  # standard errors of a mean on either side
LIVE_TABLE = "live"  # the table of a run on real workers, with these columns of a round's seconds
LIVE_COLUMNS = ("measured", "standard_error")


class Quantity(StrEnum):
    """What is measured, as it is said behind its number."""

    WAITS = "more of the rounds wait for a straggler than with ErasureHead (share)"
    LACKS = "of the partitions lacks ErasureHead's gradient (share)"
    RUNTIME = "times as fast as uncoded"
    SOONER = "times as fast to the target loss"
    REPLAYED = "times as fast to the target loss on the authors' one sequence of delays"
    OTHERS = "times as fast to the target loss, over loads, load laws and work (breast cancer)"
    ROUNDS = "times as fast a round of real workers"


class Judgement(StrEnum):
    """What the numbers say, of a finding or of all findings of a claim."""

    HOLDS = "holds"
    # holds in some settings; in others it fails, is not decided, or was not run
    PARTLY = "holds in part"
    FAILS = "fails"
    OPEN = "is not decided"  # the limit is within the interval
    SAME = "is the same"  # the number is the limit, in every run: neither for nor against


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
        if low == high == self.limit:
            return Judgement.SAME
        if not (low > self.limit or high < self.limit):
            return Judgement.OPEN
        return Judgement.HOLDS if self.above == (low > self.limit) else Judgement.FAILS


@final
@dataclass(frozen=True)
class ClaimVerdict:
    """What the tables say of a claim."""

    findings: Sequence[Finding]
    facts: Mapping[str, Any] = field(default_factory=dict)  # other numbers that are told
    statement: str = ""  # in place of a verdict: what the tables say
    curve: Sequence[Mapping[str, Any]] = ()  # the numbers behind the statement
    left_out: Mapping[str, str] = field(default_factory=dict)  # data sets and figures, and why

    @property
    def code(self) -> Judgement | None:
        """Of all findings; the first quantity is the claim's own. What is not decided or was left
        out counts as if it did not hold. ``None``: there is a statement instead."""
        if self.statement:
            return None
        every = {f.code for f in self.findings} - {Judgement.SAME}
        own = {f.code for f in self.findings if f.what == self.findings[0].what} & every
        if Judgement.FAILS in every and {Judgement.FAILS} in (
            own - {Judgement.OPEN},
            every - {Judgement.OPEN},
        ):
            return Judgement.FAILS
        if Judgement.HOLDS not in own:
            return Judgement.OPEN
        return Judgement.PARTLY if len(every) > 1 or self.left_out else Judgement.HOLDS

    @property
    def said(self) -> str:
        """The verdict, or what stands in its place."""
        return self.statement or str(self.code)

    def of(self, what: Quantity | None = None, **where: object) -> list[Finding]:
        """The findings of a quantity, of all if none is named, in settings with these values."""
        own = (f for f in self.findings if what in (None, f.what))
        return [f for f in own if where.items() <= f.where.items()]

    @property
    def exceptions(self) -> list[str]:
        """Where it fails or is not decided: in how many settings of each quantity, what they share,
        and how far; then what was left out."""
        sentences = []
        for what, over in dict.fromkeys((f.what, f.where.get("over")) for f in self.findings):
            every = self.of(what, **({"over": over} if over else {}))
            against = f"against {over} " if over else ""
            for code, verb in ((Judgement.FAILS, "fails"), (Judgement.OPEN, "is not decided")):
                if some := [f for f in every if f.code is code]:
                    many = f"in {len(some)} of {len(every)} settings{shared_settings(some, every)}"
                    sentences.append(f"{verb} {against}{many}: {numbers_of(some)} {what}")
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        return sentences + [
            f"left out: {', '.join(names)}: {reason}" for reason, names in reasons.items()
        ]


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
        return f"({self.letter}) {self.title}: {verdict.said}"

    def sentences(self, verdict: ClaimVerdict) -> list[str]:
        """All that is said of a verdict, the exceptions last."""
        return [*map(sentence, self.words(verdict) + verdict.exceptions)]

    def as_plain(self, verdict: ClaimVerdict) -> dict[str, Any]:
        """A verdict as it stands in ``claims.json``; a number that is not known is ``null``."""
        ends, findings = ("value", "low", "high"), []
        for finding in verdict.findings:
            known = map(plain_number, finding.interval)
            row = {"what": finding.what, "where": dict(finding.where), "limit": finding.limit}
            row |= {"above": finding.above, "verdict": str(finding.code)}
            findings.append(row | dict(zip(ends, known, strict=True)))
        named = {"claim": self.letter, "title": self.title, "quote": self.quote}
        key = "verdict" if verdict.code else "statement"
        judged = {key: verdict.said, "says": self.sentences(verdict)}
        rest = {"figures": list(self.figures), "findings": findings}
        rest |= {"curve": list(verdict.curve)} if verdict.curve else {}
        return named | judged | rest | {"left_out": dict(verdict.left_out)}


def plain_number(value: float) -> float | None:
    """A number to six digits, which are the same on every machine; ``None`` if it is not known."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def numbers_of(some: Sequence[Finding]) -> str:
    """The least and the largest number; without those that are not known."""
    far = sorted(f.interval[0] for f in some if not np.isnan(f.interval[0]))
    ends = dict.fromkeys(f"{number:.3g}" for number in (*far[:1], *far[-1:]))
    return " to ".join(ends) or "not known:"


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
        # On common delays ErasureHead waits in no round in which an exact code does not: the
        # difference is the share of the rounds in which the code alone waits.
        alone = abs(theirs - ours)
        error = float(np.sqrt(alone * (1 - alone) / rounds))
        where: dict[str, str | float] = {"over": _title(code), "stragglers": float(s)}
        findings.append(Finding(Quantity.WAITS, where, around(theirs - ours, error), 0.0))
    waiting = [s for s, row in seen.items() if row["erasurehead"]["waits"] > 0]
    never = [s for s in seen if not waiting or s < waiting[0]]
    most = (never or [*seen])[-1]
    ours = seen[most]["erasurehead"]
    lacks = around(ours["error"], ours["error_se"])
    findings.append(Finding(Quantity.LACKS, {}, lacks, 1.0, above=False))
    shares = {s: {row[code]["waits"] for code in (*EXACT_SCHEMES[1:], "erasurehead")}
              for s, row in seen.items()}  # fmt: skip
    same = [s for s, each in shares.items() if each in ({0.0}, {1.0})]
    return ClaimVerdict(findings, {"most": most, "there": seen[most], "same": same})


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
    numbers = ", ".join(f"{s:g}" for s in verdict.facts["same"])
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


def judge_floor(frames: Frames) -> ClaimVerdict:
    """The statement for each r, and the curve: no number is held to a limit."""
    frame = rows_at(frames["claim_b_curve"], kind=RATIO)
    n = int(frames["claim_b_curve"]["arrivals"].max())
    curve: list[Mapping[str, Any]] = []
    for _, own in frame.groupby(["dataset", "step", "arrivals"], sort=False):
        first = own.iloc[0]
        points = own[["floors", "ratio"]].to_numpy(float)
        curve.append(
            {
                "data": REGRESSIONS[first["dataset"]].title,
                "step": first["step"],
                "r": int(first["arrivals"]),
                "n": n,
                "floor": plain_number(first["floor"]),
                "a": plain_number(first["excess"]),
                "charged": plain_number(first["charged"]),
                "floors": [*map(plain_number, points[:, 0])],
                "iterations": [*map(plain_number, points[:, 1])],
            }
        )
    told = curve[0]["r"]  # the first is told first
    stated = [
        f"{row['a'] + 1:.2f} times full descent's plus {row['floor']:.2g} of the start "
        f"({row['data'].lower()})"
        for row in curve
        if (row["step"], row["r"]) == (DIVIDED_STEP, told)
    ]
    statement = (
        "until full descent itself is at the noise floor, the mean loss is at most "
        f"{', '.join(stated)}, with r = {told} of {n}"
    )
    real: list[Mapping[str, Any]] = []
    if "loss_time_real" in frames:
        real = _ratios_on_real_data(frames["loss_time_real"])
    facts = {"r": told, "n": n}
    return ClaimVerdict([], facts, statement, [*curve, *real])


def _ratios_on_real_data(frame: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Iterations over those of full descent on the authors' data, with their rule and rates."""
    rows: list[Mapping[str, Any]] = []
    drawn = rows_at(frame, left_out="", delays=EXPONENTIAL)
    for name in drawn["dataset"].unique():
        own = rows_at(drawn, dataset=name)
        table = iteration_ratios(own)
        for scheme, shown in RATIO_LOOKS.items():
            ratios = rows_at(table, scheme=scheme)
            columns = {
                "at": ratios["iteration"].tolist(),
                "iterations": [*map(plain_number, ratios["ratio"])],
                "low": [*map(plain_number, ratios["ratio_low"])],
                "high": [*map(plain_number, ratios["ratio_high"])],
            }
            rows.append({"data": title_in(own, str(name)), "step": shown.title, **columns})
    return rows


def say_floor(verdict: ClaimVerdict) -> list[str]:
    """The statement of every r, the curve at some losses both ways, and on the authors' data."""
    told, n = verdict.facts["r"], verdict.facts["n"]
    curves = [row for row in verdict.curve if "floor" in row]
    names = list(dict.fromkeys(row["data"] for row in curves))
    sentences = []
    for name in names:
        own = [row for row in curves if row["data"] == name and row["step"] == DIVIDED_STEP]
        own = sorted(own, key=lambda row: -row["r"])
        each = (f"{row['a']:.3f} and {row['floor']:.2g} with r = {row['r']}" for row in own)
        sentences.append(
            f"{name}: until full descent is at the floor, the mean loss is at most (1 + a) times "
            f"its plus the floor (share of the start); a and floor are {', '.join(each)}"
        )
    for step in dict.fromkeys(row["step"] for row in curves):
        ratios = (
            f"{_at_floors(row)} ({row['data'].lower()})"
            for row in curves
            if (row["step"], row["r"]) == (step, told)
        )
        many = ", ".join(f"{floors:g}" for floors in TOLD_FLOORS)
        sentences.append(
            f"with r = {told} of {n} and the step {step}, it needs {' and '.join(ratios)} times "
            f"the iterations of full descent to {many} noise floors, and infinitely many to one"
        )
    for row in verdict.curve:
        known = [ratio for ratio in row["iterations"] if ratio is not None]
        if "at" in row and known:
            ends = f"{min(known):.2f} to {max(known):.2f}"
            sentences.append(
                f"{row['data']}, {row['step']}, authors' rule and rate: {ends} times the "
                f"iterations of full descent from its {row['at'][0]}th to its {row['at'][-1]}th"
            )
    return [
        *sentences,
        "exact for least squares, where arrivals are uniformly random and independent of the model",
    ]


def _at_floors(row: Mapping[str, Any]) -> str:
    """The curve at the told multiples of the floor; a dash where it has none."""
    known = dict(zip(row["floors"], row["iterations"], strict=True))
    ratios = (known.get(floors) for floors in TOLD_FLOORS)
    return ", ".join("–" if ratio is None else f"{ratio:.2f}" for ratio in ratios)


def _left_out(frames: Frames) -> dict[str, str]:
    """The authors' data sets that were not run, and why."""
    public = [name for name, experiment in EXPERIMENTS.items() if experiment.public]
    why = dict.fromkeys(public, "no folder with its file was given")
    if "loss_time_real" in frames:
        why = left_out(frames["loss_time_real"])
    return {EXPERIMENTS[name].title: reason for name, reason in why.items()}


# (c) Faster overall runtime under a probabilistic delay model.


def judge_runtime(frames: Frames) -> ClaimVerdict:
    """Seconds of an iteration times the iterations of claim (b), over n and both load laws.
    Independent rounds: the mean runtime is the product (Wald). The iterations are those until full
    descent is at the noise floor."""
    frame, findings = frames["iteration_time_workers"], list[Finding]()
    charged: dict[str, float] = {}
    if "claim_b_curve" in frames:
        verdict = judge_floor(frames)
        charged = {
            row["data"]: row["charged"]
            for row in verdict.curve
            if row["step"] == DIVIDED_STEP and row.get("r") == verdict.facts["r"]
        }
    for (law, _), rows in frame[frame["rounds"] > 0].groupby(["load_law", "workers"], sort=False):
        own, n = _by(rows, "scheme"), float(rows["workers"].iloc[0])
        pair = own[EXACT_SCHEMES[0]], own["erasurehead"]
        a, b = ([row["simulated"], row["standard_error"]] for row in pair)
        ratio, low, high = mean_ratio(a, b)
        for data, more in (charged or {"": np.nan}).items():
            where: dict[str, str | float] = {"law": f"{law} law", "n": n}
            where |= {"data": data} if data else {}
            interval = ratio / more, low / more, high / more
            findings.append(Finding(Quantity.RUNTIME, where, interval, 1.0))
    missing = {} if charged else {"iterations to a loss": "run the figure claim_b_curve, too"}
    facts = {"charged": charged, "n": float(frame["workers"].max())}
    return ClaimVerdict(findings, facts, left_out=missing)


def say_runtime(verdict: ClaimVerdict) -> list[str]:
    """The largest n under each law."""
    n, charged = verdict.facts["n"], verdict.facts["charged"]
    sentences = []
    for data, more in charged.items():
        ratios = (
            f"{ratio_text(*f.interval)} ({f.where['law']})"
            for f in verdict.of(Quantity.RUNTIME, n=n, data=data)
        )
        sentences.append(
            f"with {n:g} workers, {' and '.join(ratios)} times as fast as uncoded, with "
            f"{more:.2f} times the iterations charged to it: those of (b) on {data.lower()} data "
            "until full descent is at the noise floor"
        )
    return sentences


# (d) Significant speedups on real data and clusters.


AS_OTHERS = "step as the others'"  # of ErasureHead; the other way is ``DIVIDED``


def judge_speedup(frames: Frames) -> ClaimVerdict:
    """Paired runs on each data set, then on the authors' one sequence of delays, then over loads,
    load laws and work, then on real workers."""
    findings, replayed = list[Finding](), list[Finding]()
    facts: dict[str, Any] = {"data": {}}
    for name, frame in _races(frames):
        title = title_in(frame, name)
        seconds = reached(rows_at(frame, delays=EXPONENTIAL), name)
        once = (
            reached(rows_at(frame, delays=AUTHORS), name) if AUTHORS in {*frame["delays"]} else {}
        )
        facts["data"][title] = int(np.isnan(seconds["erasurehead"]).sum())  # runs that miss it
        for ours, scheme in product(("erasurehead", DIVIDED), EXACT_SCHEMES):
            if ours not in seconds:
                continue
            step = AS_OTHERS if ours == "erasurehead" else RATIO_LOOKS[ours].title
            where: dict[str, str | float] = {"over": _title(scheme), "data": title, "step": step}
            _, interval = compared_times(seconds[scheme], seconds[ours])
            findings.append(Finding(Quantity.SOONER, where, interval, 1.0))
            if ours in once:
                ratio = single_ratio(float(once[scheme][0]), float(once[ours][0]))
                replayed.append(Finding(Quantity.REPLAYED, where, (ratio, ratio, ratio), 1.0))
    findings += replayed
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
    missing = _left_out(frames)
    if "speedup" not in frames:
        missing["other loads, load laws and work"] = "run the figure speedup, too"
    return ClaimVerdict(findings, facts, left_out=missing)


def _races(frames: Frames) -> list[tuple[str, pd.DataFrame]]:
    """The runs of each data set, those of scikit-learn first."""
    races = []
    for frame in (frames[name] for name in ("loss_time", "loss_time_real") if name in frames):
        known = rows_at(frame, left_out="")
        races += [(str(name), rows_at(known, dataset=name)) for name in known["dataset"].unique()]
    return races


def single_ratio(theirs: float, ours: float) -> float:
    """Of two times that are known to be what they are; 0 where only ours misses the target."""
    if np.isnan(ours):
        return np.nan if np.isnan(theirs) else 0.0
    return np.inf if np.isnan(theirs) else theirs / ours


def say_speedup(verdict: ClaimVerdict) -> list[str]:
    """Each data set, and real workers beside their simulation."""
    sentences = []
    for data, missed in verdict.facts["data"].items():
        every = verdict.of(Quantity.SOONER, data=data, step=AS_OTHERS)
        ratios = ", ".join(f"{ratio_text(*f.interval)} as {f.where['over']}" for f in every)
        late = f"; {number_of(missed, 'run')} of ErasureHead without it" if missed else ""
        sentences.append(f"{data}, times as fast to the target loss: {ratios}{late}")
        divided = verdict.of(Quantity.SOONER, data=data, step=RATIO_LOOKS[DIVIDED].title)
        if divided:
            other = ", ".join(ratio_text(*f.interval) for f in divided)
            sentences.append(f"{data}, with its step divided by p, as in (b): {other}")
        once = verdict.of(Quantity.REPLAYED, data=data, step=AS_OTHERS)
        if once:
            replayed = ", ".join(ratio_text(f.interval[0], np.nan, np.nan) for f in once)
            sentences.append(f"{data}, on the authors' one sequence of delays: {replayed}")
    if len(verdict.facts["data"]) > 1:
        sentences.append(
            "the clock is the same on all data sets: only the factor of iterations is the data's"
        )
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
          ("claim_b_curve", "loss_time_real"), judge_floor, say_floor),
    Claim("c", "Faster overall runtime",
          "has faster overall runtime under a probabilistic delay model",
          ("iteration_time_workers", "claim_b_curve"), judge_runtime, say_runtime),
    Claim("d", "Speedups on real data and clusters",
          "extensive experiments on real world datasets and distributed clusters and demonstrate "
          "that our method can lead to significant speedups over both standard and gradient coded "
          "GD",
          ("loss_time", "loss_time_real", "speedup"), judge_speedup, say_speedup),
)  # fmt: skip
CLAIM_FIGURES = tuple(dict.fromkeys(name for claim in CLAIMS for name in claim.figures))


def verdicts(frames: Frames) -> list[tuple[Claim, ClaimVerdict]]:
    """The claims with a figure of their own, judged."""
    own = {claim.letter: claim.figures[:1] for claim in CLAIMS} | {"d": CLAIMS[3].figures[:2]}
    there = [claim for claim in CLAIMS if {*own[claim.letter]} & frames.keys()]
    return [(claim, claim.judge(frames)) for claim in there]
