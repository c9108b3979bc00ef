"""``erasurehead recommend``: reads the question, searches, and writes what was found."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from experiments import answers
from experiments.answers import Answer
from experiments.cells import files, store
from experiments.cells.pool import open_lanes
from experiments.config import yaml_text
from experiments.config.errors import ConfigError
from experiments.lock import locked
from experiments.outputs import MANIFEST, origin_of
from experiments.pictures import style
from experiments.recommend.course import Course
from experiments.recommend.frames import (
    candidates_table,
    ranking_table,
    rates_table,
    sensitivity_table,
)
from experiments.recommend.goal import Goal, Limits
from experiments.recommend.pictures import draw_front, draw_ranking, draw_sensitivity
from experiments.recommend.question import Options, Table
from experiments.recommend.report import markdown
from experiments.recommend.search import Report
from experiments.recommend.study import Study, goal_of, investigate
from experiments.recommend.subject import Subject, of_config
from experiments.recommend.words import following, verdict, why
from experiments.records.manifest import provenance, to_json

REPORT, CONFIG = "report.md", "winner.yaml"

FRAMES = {
    "ranking": ranking_table,
    "candidates": candidates_table,
    "sensitivity": sensitivity_table,
    "rates": rates_table,
}
PICTURES = {"ranking": draw_ranking, "front": draw_front, "sensitivity": draw_sensitivity}

FILES = (
    REPORT,
    CONFIG,
    answers.NAME,
    MANIFEST,
    *(f"{name}.{kind}" for name in FRAMES for kind in ("csv", "parquet")),
    *(f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")),
)


@dataclass(frozen=True)
class Asked:
    """A question that can be answered.

    Attributes:
        subject: the cluster.
        goal, course, limits, only, common: see ``investigate``.
        options: as they were given, for the manifest.
    """

    subject: Subject
    goal: Goal
    course: Course | None
    limits: Limits
    only: tuple[str, ...]
    common: float | None
    options: Options


def ask(
    document: Mapping[str, Any] | None, table: Table | None, options: Options, data_dir: Path | None
) -> Asked:
    """Read the question.

    Args:
        document: the config; ``None`` where there is a table.
        table: measured delays; ``None`` where there is a config.
        options: goal and limits.
        data_dir: where the public data sets lie.

    Raises:
        ConfigError: one of them is bad, or there is not exactly one of config and table.
    """
    if (document is None) == (table is None):
        raise ConfigError("recommend: give a config, or --trace with measured delays")
    notes: list[str] = []
    if table is not None:
        document, notes = table.document()
    assert document is not None
    subject = of_config(document, data_dir, notes)
    limits = options.limits(subject.features)
    only = options.schemes(subject.catalogue)
    goal, course = goal_of(subject, options.target, options.budget)
    rate = None
    if table is None and goal.kind != "iterations":
        rate = float(subject.base["optimizer"]["learning_rate"])
    return Asked(subject, goal, course, limits, only, rate, options)


def answer(asked: Asked, output: Path, jobs: int, said: str, report: Report) -> Study:
    """Search and write what was found; ``said`` is the command line."""
    began = time.monotonic()
    require_own(output)
    with locked(output, FILES), open_lanes(jobs) as lanes:
        study = investigate(
            asked.subject,
            asked.goal,
            asked.course,
            asked.limits,
            asked.only,
            asked.common,
            lanes,
            report,
        )
        seconds = time.monotonic() - began
        write(study, output, said, seconds, asdict(asked.options))
    return study


def require_own(output: Path) -> None:
    """Refuse a folder in which a run has left its result.

    Raises:
        ConfigError: there is one.
    """
    if origin_of(output) is not None:
        raise ConfigError(f"{output}: holds the result of a run; give another --output")


def winner_config(study: Study) -> dict[str, Any]:
    """A whole config with the recommended scheme, its learning rate and its goal."""
    base = dict(study.subject.base)
    if not base.get("plugins"):
        base.pop("plugins", None)
    scheme = dict(study.winner.section)
    document = {**base, "name": f"{study.subject.name}-winner"[:100], "schemes": [scheme]}
    if study.asked.trains:
        document["optimizer"] = {**document["optimizer"], "learning_rate": study.winner.rate}
    if study.asked.goal.kind == "target":
        document["target_loss"] = study.asked.goal.value
    return {key: value for key, value in document.items() if value is not None}


def write(
    study: Study, output: Path, command: str, seconds: float, question: Mapping[str, Any]
) -> list[Path]:
    """Write tables, pictures, config, answer and report under ``output``; returns the files.

    The manifest goes first and comes last: what lies beside it answers one question.

    Args:
        study: what was found.
        output: the folder.
        command: how it was asked, for a shell.
        seconds: how long it took.
        question: the options, for the manifest.
    """
    files.remove(output / name for name in (MANIFEST, *(n for n in FILES if n != MANIFEST)))
    asked = json.dumps([study.subject.text, dict(question)], sort_keys=True, default=str)
    mark = sha256(f"{asked}\n{store.code_fingerprint()}".encode()).hexdigest()[:16]
    facts = {b"erasurehead.question": mark.encode()}
    for name, frame_of in FRAMES.items():
        frame = frame_of(study)
        files.write_table(output / f"{name}.parquet", frame, facts)
        files.write_bytes(output / f"{name}.csv", frame.to_csv(index=False).encode())
    for name, draw in PICTURES.items():
        if name != "sensitivity" or study.moved:
            style.save(draw(study), output / name)
    files.write_bytes(output / CONFIG, yaml_text.write(winner_config(study)).encode())
    config = str(output / CONFIG)
    notes = study.subject.notes
    said = Answer(
        "recommend",
        study.subject.name,
        verdict(study),
        tuple(why(study)),
        tuple(following(study, config)),
        command,
        notes,
    )
    answers.write(said, output)
    files.write_bytes(output / REPORT, markdown(study, config).encode())
    facts_of = {
        **provenance(),
        "command": "recommend",
        "question": {**question, "mark": mark},
        "seed": study.subject.base["seed"],
        "wall_seconds": round(seconds, 3),
        "warnings": list(notes),
    }
    files.write_bytes(output / MANIFEST, to_json(facts_of))
    return [output / name for name in FILES]
