"""The report of a fit: words, tables and pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...delay_models.base import FloatArray
from ..config.document import write_yaml
from ..page.answer import Answer
from ..page.markdown import plain, table, wrapped
from ..pictures import style
from ..pictures.looks import GRID, MUTED, Look
from .goodness import observed_order_statistics
from .load import LoadFit
from .study import CONFIG, Answers, Findings, named, shown_places, standing_rows
from .variance import Memory, Variance

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Workers in words and numbers: a part of the report, and ``workers.parquet``.


# The pictures of a fit: quantiles against quantiles, and how long a master waits for k workers.


LOOKS: dict[str, Look] = {
    CONFIG: Look("#000000", "o", (0, (5, 1.5)), "fitted config"),
    "mixture": Look("#D55E00", "P", "-", "two lognormals"),
    "lognormal": Look("#0072B2", "s", (0, (5, 1.5)), "lognormal"),
    "gamma": Look("#009E73", "^", (0, (1.5, 1.2)), "gamma"),
    "weibull": Look("#CC79A7", "v", (0, (6, 1.5, 1.5, 1.5)), "Weibull"),
    "shifted_exponential": Look("#E69F00", "D", "-", "shifted exponential"),
    "exponential": Look("#56B4E9", "X", (0, (5, 1.5)), "exponential"),
    "pareto": Look("#A89A00", "<", (0, (1.5, 1.2)), "Pareto"),
    "empirical": Look("#7A7A7A", "*", (0, (3, 1)), "empirical"),
}
"""How a family is drawn: its own colour, line and marker in every picture."""

POINTS = 400
MARKED = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
"""Levels that carry a marker."""

REACH = 3.0
"""How far fitted quantiles are shown beyond the measured ones."""

SMALLEST = 1e-12
"""Seconds that stand for 0 on a logarithmic axis."""

LOWEST, HIGHEST = 0.5, 2.0
"""Ratios that are shown; larger and smaller ones are outside the picture."""


def draw_quantiles(findings: Findings) -> Figure:
    """Fitted quantiles on the horizontal axis, measured ones on the vertical, both logarithmic."""
    answer = findings.main
    sample = np.sort(answer.subject.bulk)
    size = len(sample)
    edge = 0.5 / size
    levels = np.concatenate([np.geomspace(edge, 0.5, POINTS), 1 - np.geomspace(0.5, edge, POINTS)])
    levels = np.unique(np.concatenate([levels, [m for m in MARKED if edge < m < 1 - edge]]))
    marks = [int(np.argmin(np.abs(levels - m))) for m in MARKED if edge < m < 1 - edge]
    measured = np.quantile(sample, levels, method="hazen")
    positive = sample[sample > 0]
    low, high = float(positive[0]), float(sample[-1])
    with style.applied():
        figure = style.blank(style.ONE_PANEL, 4.9)
        axes = figure.subplots()
        axes.plot([low / 10, high * 10], [low / 10, high * 10], color=MUTED, linewidth=1)
        for fit in answer.fits:
            look = LOOKS[fit.family.name]
            axes.plot(
                fit.law.isf(1 - levels),
                measured,
                color=look.colour,
                linestyle=look.line,
                marker=look.marker,
                markevery=marks,
                label=look.title,
            )
        for axis in (axes.xaxis, axes.yaxis):
            style.log_axis(axis, (1, 2, 5))
        axes.set_xlim(low / 1.15, high * REACH)
        axes.set_ylim(low / 1.15, high * 1.15)
        what = _delays(findings)
        axes.set_xlabel("quantile of the fitted law (s)")
        axes.set_ylabel(f"measured quantile of {what} (s)")
        shown = ", ".join(f"{m:g}" for m in MARKED)
        axes.set_title(f"best on the grey diagonal; markers at levels\n{shown}", fontsize=9.5)
        style.legend_below(figure, 2)
    return figure


def draw_order_statistics(findings: Findings) -> Figure:
    """Left: mean seconds until the k-th arrival. Right: predicted over measured."""
    subject = findings.main.subject
    ks = np.array(findings.ks)
    whole = np.maximum(observed_order_statistics(subject.rounds, findings.ks), SMALLEST)
    with style.applied():
        figure = style.blank(style.TWO_PANELS, 4.1)
        seconds, ratio = figure.subplots(1, 2)
        title = "measured" if subject.cold is None else "measured, all rounds"
        seconds.plot(ks, whole, color=MUTED, linewidth=4, label=title)
        if subject.cold is not None:
            bulk = observed_order_statistics(subject.bulk_rounds, findings.ks)
            label = "measured, no cold starts"
            seconds.plot(ks, bulk, color=GRID, linewidth=4, label=label)
        ratio.axhline(1.0, color=MUTED, linewidth=4)
        for fit in findings.main.fits:
            _lines(seconds, ratio, fit.family.name, ks, fit.predicted, fit.ratio)
        _lines(
            seconds, ratio, CONFIG, ks, findings.chosen.predicted, findings.chosen.predicted / whole
        )
        seconds.set_ylim(whole.min() * 0.9, whole.max() * 1.6)
        style.log_axis(seconds.yaxis, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8))
        ratio.set_ylim(LOWEST, HIGHEST)
        style.log_axis(ratio.yaxis)
        ticks = [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0]
        ratio.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ratio.set_yticks([], minor=True)
        for axes in (seconds, ratio):
            axes.set_xlabel(f"arrivals waited for, k of {subject.workers}")
        seconds.set_ylabel("mean k-th smallest (s)")
        seconds.set_title(f"{_delays(findings)} of a round", fontsize=9.5)
        ratio.set_ylabel("predicted / measured")
        style.legend_below(figure, 3)
    return figure


def _lines(
    seconds: Any, ratio: Any, name: str, ks: FloatArray, predicted: FloatArray, shares: FloatArray
) -> None:
    look = LOOKS[name]
    for axes, values in ((seconds, predicted), (ratio, shares)):
        axes.plot(
            ks,
            np.where(np.isfinite(values), values, np.nan),
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            markevery=max(1, len(ks) // 6),
            label=look.title,
        )


def _delays(findings: Findings) -> str:
    """What the seconds of a picture are: with several loads, the load has been taken out."""
    return "delays" if findings.load is None else "unit delays"


# The findings in words and tables: ``report.md``, and the short text of the terminal.


def blocks(findings: Findings) -> str:
    """The ``delay:`` and ``load_law:`` sections, ready for a config."""
    return write_yaml({"delay": findings.chosen.section, "load_law": findings.load_law})


def terminal_report(findings: Findings) -> str:
    """What the terminal shows: the ranking, the other answers in a line each, the sections."""
    lines = [*table(*_families(findings.main, findings.ks)), ""]
    lines += _answers(findings)
    return "\n".join([*lines, "", blocks(findings)])


def markdown_report(findings: Findings, source: str) -> str:
    """The whole ``report.md``."""
    ks, main = findings.ks, findings.main
    lines = [f"# Delays in {plain(source)}", "", *_what(findings), ""]
    lines += ["## The config", "", *_chosen(findings), "", "```yaml"]
    lines += [blocks(findings).rstrip(), "```", ""]
    lines += ["## Candidates", "", *_candidates(findings), ""]
    lines += ["## Families", "", *_families_text(findings), ""]
    lines += [*table(*_families(main, ks)), ""]
    lines += [f"- {name} cannot be fitted: {why}" for name, why in main.refused.items()]
    lines += ["", "![Q-Q](qq.png)", "", "![Order statistics](order_statistics.png)", ""]
    if findings.load is not None:
        lines += ["## Load", "", *_load(findings), ""]
    lines += ["## Variance, memory, cold starts", "", *_answers(findings), ""]
    lines += ["## Workers", "", *_workers(findings), ""]
    if len(findings.answers) > 1:
        lines += ["## Each load", "", *_each(findings), ""]
    return "\n".join(map(wrapped, lines))


def answer(findings: Findings, source: str, command: str = "") -> Answer:
    """The findings in a few sentences, for ``answer.json``."""
    main, low, high = findings.main, findings.ks[0], findings.ks[-1]
    n, model = main.subject.workers, findings.chosen.section["model"]
    off = _percent(findings.chosen.error)
    best = main.fits[0]
    why = [
        f"{'; '.join(findings.chosen.why).capitalize()}.",
        f"Of one law for all delays, {best.family.name} predicts arrivals best: off by "
        f"{_percent(best.order_error)}.",
        *(_begun(line.removeprefix("- ")) + "." for line in _answers(findings)),
    ]
    steps = [
        "`erasurehead run delay.yaml` simulates these workers: put your schemes into it.",
        f"`erasurehead whatif {shlex.quote(source)}` says which hosts to blame, and what mending "
        "them would save.",
    ]
    return Answer(
        "fit",
        source,
        f"Delay model {model} simulates these workers: its mean k-th arrivals are off by {off} on "
        f"average, k = {low} to {high} of {n}.",
        tuple(why),
        tuple(steps),
        command,
        findings.notes,
    )


def _begun(text: str) -> str:
    """With a capital, and the names of hosts as they are."""
    return text[:1].upper() + text[1:]


def _what(findings: Findings) -> list[str]:
    shapes = [t.shape for t in findings.tables.values()]
    rounds = sum(shape[0] for shape in shapes)
    loads = [f"{key:g}" for key in findings.tables if key is not None]
    where = f", loads {', '.join(loads)}" if loads else ""
    text = f"{shapes[0][1]} workers, {rounds} rounds{where}. Times are seconds."
    if findings.load is not None:
        text += " Families are fitted to unit delays: seconds with the load taken out."
    return [text, *([""] if findings.notes else []), *(f"- {note}" for note in findings.notes)]


def _chosen(findings: Findings) -> list[str]:
    low, high = findings.ks[0], findings.ks[-1]
    error = findings.chosen.error
    pooled = "All loads are pooled; `--load` fits one alone. " if _pooled(findings) else ""
    return [
        f"{pooled}{'; '.join(findings.chosen.why)}. Its mean k-th arrivals are off by "
        f"{_percent(error)} on average for k = {low} to {high} of {findings.main.subject.workers}"
        f"{_unseen(findings)}."
    ]


def _unseen(findings: Findings) -> str:
    held_out = findings.chosen.taken.held_out
    if len(held_out.apart) == 1:
        return ""
    return f", and by {_percent(held_out.error)} where rounds were held out"


def _pooled(findings: Findings) -> bool:
    return len(findings.main.subject.tables) > 1


def _candidates(findings: Findings) -> list[str]:
    chosen = findings.chosen
    header = ["candidate", "held-out error", "error of both halves together", "taken"]
    rows = [
        [
            tried.recipe.words,
            _percent(tried.held_out.error),
            _percent(tried.held_out.bias),
            "yes" if tried is chosen.taken else "",
        ]
        for tried in chosen.tried
    ]
    low, high = findings.ks[0], findings.ks[-1]
    if len(chosen.taken.held_out.apart) == 1:
        how = (
            "There are too few rounds to hold some out: the errors are those of the fitted rounds."
        )
    else:
        how = (
            "Each is fitted to one half of the rounds (the first, or every second) and predicts "
            "the mean k-th arrivals of the other, in both directions: the held-out error. It "
            "holds what the halves differ by, whatever is predicted; that cancels out where both "
            "halves are taken together, each still predicted from the other."
        )
    text = f"From simple to full, errors over k = {low} to {high}. {how} A fuller one is taken"
    text += " only where it predicts better. Cold starts, if any, are left out."
    return [text, "", *table(header, rows)]


def _families_text(findings: Findings) -> list[str]:
    low, high = findings.ks[0], findings.ks[-1]
    return [
        f"Maximum likelihood, ranked by the order statistics k = {low} to {high} of rounds that "
        "were *held out*. An error is the mean over k of |log(predicted / measured)| of the mean "
        "k-th arrival of a round; *order error* is that of the fitted rounds themselves. A small "
        "AIC or KS does not make a law good there. Cold starts, if any, are left out.",
    ]


def _families(answer: Answers, ks: Sequence[int]) -> tuple[list[str], list[list[str]]]:
    if not answer.fits:
        return ["family"], []
    shown = shown_places(len(ks))
    best = min(fit.aic for fit in answer.fits)
    header = [
        "family",
        "held out",
        "order error",
        "AIC - best",
        "KS",
        *(f"k={ks[place]}" for place in shown),
    ]
    rows = [
        [
            fit.family.name,
            _percent(fit.held_out.error),
            _percent(fit.order_error),
            f"{fit.aic - best:.1f}",
            f"{fit.ks:.3f}",
            *(f"{fit.ratio[place]:.3f}" for place in shown),
        ]
        for fit in answer.fits
    ]
    return header, rows


def _answers(findings: Findings) -> list[str]:
    main = findings.main
    lines = []
    if findings.load is not None:
        load = findings.load
        lines.append(
            f"- load: seconds = {load.intercept:.4g} + {load.slope:.4g} load "
            f"(R squared {load.r_squared:.3f}); {_law(load)}"
        )
    if main.variance is not None:
        lines.append(f"- variance: {_variance(main.variance)}")
    lines.append(f"- memory: {_memory(main.memory)}")
    lines.append(f"- cold starts: {_cold(main)}")
    return [*lines, *named(findings.workers, findings.hosts)]


def _workers(findings: Findings) -> list[str]:
    workers = findings.workers
    if workers is None or not workers.standing:
        return [line.removeprefix("- ") for line in named(workers, findings.hosts)]
    return [
        "Those that are the slowest more often, or for longer, than chance explains, with 95 % "
        "intervals. A round is slow for a worker that takes more than "
        f"{workers.level:.2f} times the round's median. The costs are what a median worker in its "
        "place would save. All workers are in `workers.parquet`.",
        "",
        *table(*standing_rows(workers, findings.hosts)),
    ]


def _law(load: LoadFit) -> str:
    law = load.section()
    if load.kind == "partly_proportional":
        return f"{law['fixed']:.3g} of the time at load 1 is the same at every load"
    if load.kind != "steps":
        return f"the {load.kind} law holds"
    costs = (f"{s:.3g} s from {d:g}" for d, s in zip(law["loads"], law["seconds"], strict=True))
    return f"a line is no answer: loads step instead of slope, and cost {', '.join(costs)} on"


def _variance(variance: Variance) -> str:
    parts = [f"{part} {variance.share(part):.1%}" for part in ("worker", "round", "rest")]
    return (
        f"{', '.join(parts)} (chance of a worker part so large: {variance.worker_chance:.3f}, "
        f"of a round part: {variance.round_chance:.3f})"
    )


def _memory(memory: Memory | None) -> str:
    if memory is None:
        return "cannot be told (too few rounds)"
    lags = [lag for lag in (1, 2, 5, 10) if lag <= len(memory.correlation)]
    decay = ", ".join(f"{memory.correlation[lag - 1]:.3f}" for lag in lags)
    low, high = memory.interval
    if memory.unknown:
        return (
            f"cannot tell: persistence between {low:.2f} and {high:.2f}, which is none and a lot; "
            "more rounds would show"
        )
    verdict = "slow workers stay slow for a while" if memory.significant else "none that matters"
    lasting = "; the rest lasts: some workers are always slower" if memory.static > 0.05 else ""
    return (
        f"{verdict}: persistence {memory.persistence:.3f} +- {memory.standard_error:.3f} "
        f"(chance {memory.chance:.3f}); correlation of being slow {decay} at lags "
        f"{', '.join(map(str, lags))}, of which {memory.static:.3f} does not decay{lasting}"
    )


def _cold(answer: Answers) -> str:
    cold = answer.subject.cold
    if cold is None:
        return "none"
    return (
        f"{cold.hit} of {cold.rounds} rounds have delays beyond {cold.beyond:.3g} s, "
        f"{cold.clump:.1f} at once"
    )


def _load(findings: Findings) -> list[str]:
    load = findings.load
    assert load is not None
    rows = [
        [f"{d:g}", f"{m:.4g}", f"{s:.4g}"]
        for d, m, s in zip(load.loads, load.locations, load.spreads, strict=True)
    ]
    misfits = ", ".join(f"{kind} {misfit:.3g}" for kind, misfit in sorted(load.misfits.items()))
    return [
        f"Median seconds = {load.intercept:.4g} + {load.slope:.4g} load, R squared "
        f"{load.r_squared:.4f}. Misfit of each law to medians and spreads (smaller is better; 1e6 "
        f"means excluded): {misfits}. So the load law is **{load.kind}**: {_law(load)}.",
        "",
        *table(["load", "median (s)", "mean distance from it (s)"], rows),
    ]


def _each(findings: Findings) -> list[str]:
    rows = []
    for answer in findings.answers:
        if not answer.fits:
            continue
        first, memory = answer.fits[0], answer.memory
        aic = min(answer.fits, key=lambda fit: fit.aic)
        rows.append(
            [
                answer.subject.label,
                f"{first.family.name} ({_percent(first.held_out.error)})",
                f"{aic.family.name} (KS {aic.ks:.3f})",
                "-" if answer.variance is None else f"{answer.variance.share('worker'):.1%}",
                "-" if answer.variance is None else f"{answer.variance.share('round'):.1%}",
                "-" if memory is None else f"{memory.persistence:.3f} ({memory.chance:.3f})",
                _cold(answer),
            ]
        )
    header = [
        "load",
        "best order statistics",
        "best AIC",
        "worker",
        "round",
        "persistence (chance)",
    ]
    return [
        "Families are fitted to unit delays: what the load law leaves when the load is taken out.",
        "",
        *table([*header, "cold starts"], rows),
    ]


def _percent(error: float) -> str:
    return f"{error:.1%}" if np.isfinite(error) else "infinite"
