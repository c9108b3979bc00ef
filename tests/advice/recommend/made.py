"""Recommendations that are made by hand: of rows and of what their runs did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from erasurehead.experiments.advice.recommend import (
    answer,
    compare,
    question,
    request,
    scenario,
    study,
)
from erasurehead.experiments.advice.recommend.search import evaluate, halving, measure

RUNGS = (halving.Rung(4, 9), halving.Rung(4, 9))
# One for each candidate, unless its section is given.
SCHEMES = ("uncoded", "ignore_stragglers", "window", "balanced", "drop_compute", "speculative")
RUNS = np.array([0.98, 1.02, 0.99, 1.01])  # what four runs take, times their mean


@cache
def asked() -> question.Question:
    """Nine workers, nothing trained; the median decides, of which nothing is told of rare runs."""
    document = {"workers": 9, "delay": {"model": "exponential", "rate": 1.0}}
    found = question.ask(document, request.SearchRequest(criterion="median"), None)
    scene = replace(found.scenario, worker_time=(1.0, 1.5, 3.0))
    return replace(found, scenario=scene, goal=question.Goal("iterations", 5.0, "median"))


@dataclass
class Made:
    """A candidate: its name, what it takes, and what else is known of it."""

    label: str
    seconds: Any = 1.0  # one number, or what each run takes
    more: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


def one(label: str, seconds: Any = 1.0, **more: Any) -> Made:
    """A candidate; what is no field of it is one of its ``Performance``."""
    of_run = {key: more.pop(key) for key in {*more} - {*evaluate.Candidate.__dataclass_fields__}}
    return Made(label, seconds, more, of_run)


def performance(values: Any, **more: Any) -> measure.Performance:
    """Runs that take so many seconds."""
    taken = np.atleast_2d(np.asarray(values, dtype=np.float64))
    known: dict[str, Any] = {"criterion": "median", "rates": (), "values": taken}
    return measure.Performance(**({**known, "to_target": np.empty((0, taken.shape[1]))} | more))


def recommendation(
    *made: Made,
    trains: bool = False,
    changed: Sequence[study.Changed] = (),
    tuned: dict[int, evaluate.Candidate] | None = None,
    **scene: Any,
) -> study.Recommendation:
    """Of candidates of which the first is the scheme of today."""
    about = replace(asked(), scenario=replace(asked().scenario, **scene))
    if trains:
        goal = question.Goal("target", 0.5, "median")
        about = replace(about, goal=goal, common_rate=0.5, exact_rate=0.5)
    rows = dict[int, evaluate.Candidate]()
    for index, one in enumerate(made):
        taken = one.seconds * RUNS if np.ndim(one.seconds) == 0 else np.asarray(one.seconds)
        rates = {"rates": (0.25, 0.5), "values": np.array([taken, taken])} if trains else {}
        run = performance(**({"values": taken} | rates | one.run))
        of = compare.order(taken, run.criterion)
        known: dict[str, Any] = {
            "section": {"name": SCHEMES[index]}, "run": run, "rung": 1, "order": of,
            "value": of[1] if of[0] == 0 else np.nan, "load": 1.0,
            "rate": 0.25 if trains else np.nan, "iteration_time": 2.0, "clocked": 1.0,
            "counted": 1.0, "error": 0.0, "staleness": 0.0, "least_heard": 1.0, "coverage": 1.0,
            "worker_seconds": 1.0,
        }  # fmt: skip
        rows[index] = evaluate.Candidate(
            index, given=index == 0, label=one.label, **(known | one.more)
        )
    return study.Recommendation(
        halving.SearchResult(about, rows, tuned or {}, RUNGS), tuple(changed)
    )


def row_of(found: study.Recommendation, label: str) -> evaluate.Candidate:
    """The candidate of that name."""
    return next(row for row in found.everybody if row.label == label)


def changed(
    found: study.Recommendation,
    name: Any,
    value: float,
    times: dict[str, float],
    misses: bool = False,
) -> list[study.Changed]:
    """What candidates take on changed delays, times what the winner takes, which may miss."""
    change, here = scenario.Perturbation(name, value, median=1.0), found.winner.label
    often = {here: np.nan if misses else 1.0} | times
    usual = {label: row_of(found, label) for label in often}
    rows = {k: replace(row, run=performance(often[k] * RUNS)) for k, row in usual.items()}
    return [study.Changed(change, usual[label], rows[label], rows[here]) for label in often]


def said_of(found: study.Recommendation) -> str:
    """The verdict and what limits it."""
    return " ".join(answer.verdict(found))
