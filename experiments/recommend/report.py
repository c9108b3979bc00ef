"""``report.md``: the answer, and everything behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..page.markdown import plain, table, wrapped
from .frames import candidates_table, ranking_table, sensitivity_table
from .losers import MARGIN
from .pictures import pictures
from .screening import CLOCKED
from .space import LEFT_OUT
from .study import Study
from .trial import SPACING, TRIAL, TUNED
from .words import following, number, percent, verdict, why

LISTED = 25
"""Schemes that are listed of each kind; the tables have all."""

CAPTIONS = {
    "ranking": "The best schemes relative to the recommended one",
    "front": "Time over decoding error",
    "sensitivity": "Ratios on changed delays",
}


def markdown(study: Study, config: str) -> str:
    """The whole report.

    Args:
        study: what was found.
        config: path of the ready config.
    """
    lines = [f"# Recommended for {plain(study.subject.name)}", ""]
    lines += [f"**{plain(verdict(study))}**", ""]
    lines += [*(f"- {plain(text)}" for text in why(study)), ""]
    lines += ["## Next", "", *(f"- {text}" for text in following(study, config)), ""]
    lines += ["## Ranking", "", *_ranking(study), ""]
    lines += _picture(study, "ranking")
    lines += ["## Time, error and cost", "", *_front(study), "", *_picture(study, "front")]
    lines += ["## How far it holds", "", *_sensitivity(study), "", *_picture(study, "sensitivity")]
    lines += ["## Ruled out", "", *_ruled_out(study), ""]
    notes = study.subject.notes
    lines += [*(f"- {plain(note)}" for note in notes), *([""] if notes else [])]
    return "\n".join(map(wrapped, [*lines, *_method(study)]))


def _picture(study: Study, name: str) -> list[str]:
    return [f"![{CAPTIONS[name]}]({name}.png)", ""] if name in pictures(study) else []


def _ranking(study: Study) -> list[str]:
    goal, rows = study.asked.goal, []
    for row in ranking_table(study).head(LISTED).to_dict("records"):
        reached = row["reached"] == row["replications"]
        rows.append(
            [
                f"{row['rank']}",
                str(row["label"]) + (" (today)" if row["today"] else ""),
                number(row["value"]) if reached else f"{row['reached']} of {row['replications']}",
                _range(row, "ratio"),
                f"{row['rate']:.4g}" if study.asked.trains else "-",
                number(row["value_at_common_rate"]),
                number(row["iteration_time"]),
                number(row["error"], 3),
                f"{row['load']:g}",
                number(row["worker_seconds"], 3),
                _remark(row),
            ]
        )
    header = ["rank", "scheme", f"{goal.column}", "relative (95 %)", "rate", "at common rate"]
    header += ["s an iteration", "decoding error", "partitions held", "worker-seconds", ""]
    return table(header, rows)


def _remark(row: Mapping[Any, Any]) -> str:
    if row["breaks"]:
        return f"breaks a limit: {row['breaks']}"
    if row["left"]:
        return f"left the race after {row['replications']} replications"
    return "cannot be told apart" if row["tied"] and row["rank"] > 1 else ""


def _range(row: Mapping[Any, Any], name: str) -> str:
    if not np.isfinite(row[name]):
        return "-"
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"


def _front(study: Study) -> list[str]:
    frame = candidates_table(study)
    front = frame[frame["front"]].sort_values("value").head(LISTED)
    rows = [
        [
            str(row["label"]),
            number(row["value"]),
            number(row["error"], 3),
            number(row["worker_seconds"], 3),
            f"{row['load']:g}",
        ]
        for row in front.to_dict("records")
    ]
    head = ["scheme", study.asked.goal.column, "decoding error", "worker-seconds"]
    text = "No other scheme is better in all three: time, error and worker-seconds."
    return [text, "", *table([*head, "partitions held"], rows)]


def _sensitivity(study: Study) -> list[str]:
    frame = sensitivity_table(study)
    if frame.empty:
        return ["Not asked: the goal is not reached."]
    rows = [
        [
            str(row["dial"]),
            "shuffled" if row["times"] < 0 else f"{row['times']:g}",
            str(row["label"]),
            number(row["value"]),
            _range(row, "ratio"),
        ]
        for row in frame.to_dict("records")
    ]
    text = (
        "load: what partitions beyond the first add to a worker's time, times this; tail: what a "
        "delay exceeds the median by, times this; persistence: a worker keeps the delay of its "
        "round before with this probability, or the delays of a round are shuffled. Learning "
        "rates stay as they are. There is no value where a scheme does not reach the goal in every "
        "run, and no relative one where it or the recommended one does not."
    )
    return [text, "", *table(["changed", "to", "scheme", "value", "relative (95 %)"], rows)]


def _ruled_out(study: Study) -> list[str]:
    frame = candidates_table(study)
    frame = frame[frame["stage"] != "stayed"]
    counts = Counter(frame["stage"])
    told = ", ".join(f"{count} {stage}" for stage, count in counts.items())
    lines = [f"{len(study.entries)} schemes were looked at; {told}.", ""]
    shown = frame[frame["stage"] != "cannot be built"].sort_values("value").head(LISTED)
    rows = [[str(r["label"]), str(r["stage"]), str(r["reason"])] for r in shown.to_dict("records")]
    if rows:
        lines += [*table(["scheme", "left", "why"], rows), ""]
    lines += [f"- {name} was not searched: {reason}" for name, reason in LEFT_OUT.items()]
    return lines


def _method(study: Study) -> list[str]:
    text = (
        "Closed forms rule out who is slower than a scheme with gradients at least as good by more "
        f"than {percent(min(MARGIN.values()))}; where there is none, the clock of {CLOCKED} runs, "
        f"with {percent(max(MARGIN.values()))}. "
    )
    if study.asked.trains:
        text += (
            f"Learning rates are chosen on trial delays (the seed after the config's): {TRIAL} "
            f"replications by factors of {SPACING}, then {TUNED} by factors of 2, on one grid for "
            "all, around the best rate of the exact gradient. "
        )
    text += (
        "Then all race on common delays, those of the config's seed: after each heat whoever is "
        "surely behind the leader (99.9 % paired interval of the ratio) leaves, and the last where "
        f"too many are left. The last heat has {study.replications} replications. Intervals are "
        "95 %, of the paired ratio of geometric means; the best of several is flattered a little. "
        "Cannot be told apart: the interval does not exclude 1."
    )
    return ["## How it was found", "", text, ""]
