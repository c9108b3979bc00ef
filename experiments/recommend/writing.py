"""The folder of an answer: tables, pictures, the winner's config, report and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..config.document import write_yaml
from ..guard import postponed
from ..page.answer import ANSWER, Answer, write_answer
from ..pictures import style
from ..run import files, store
from ..run.outputs import MANIFEST, provenance, to_json
from .frames import (
    candidates_table,
    ranking_table,
    rates_table,
    sensitivity_table,
)
from .pictures import NAMES, pictures
from .report import markdown
from .study import Study
from .words import following, verdict, why

REPORT, CONFIG = "report.md", "winner.yaml"

FRAMES = {
    "ranking": ranking_table,
    "candidates": candidates_table,
    "sensitivity": sensitivity_table,
    "rates": rates_table,
}
FORMATS = ("png", "svg")

FILES = (
    REPORT,
    CONFIG,
    ANSWER,
    MANIFEST,
    *(f"{name}.{kind}" for name in FRAMES for kind in ("csv", "parquet")),
    *(f"{name}.{kind}" for name in NAMES for kind in FORMATS),
)


def write(
    study: Study, output: Path, command: str, seconds: float, question: Mapping[str, Any]
) -> None:
    """Write everything under ``output``, in place of an earlier answer.

    All is made before the first file is written. The manifest goes first and comes last: what lies
    beside it answers one question.

    Args:
        study: what was found.
        output: the folder.
        command: how it was asked, for a shell.
        seconds: how long it took.
        question: the options, for the manifest.
    """
    config = str(output / CONFIG)
    mark = _mark(study, question)
    tables = {name: frame_of(study) for name, frame_of in FRAMES.items()}
    content = {
        f"{name}.csv": frame.to_csv(index=False).encode() for name, frame in tables.items()
    } | _pictures(study)
    content[CONFIG] = write_yaml(winner_config(study)).encode()
    content[REPORT] = markdown(study, config).encode()
    answer = _answer(study, config, command)
    manifest = to_json(_facts(study, seconds, {**question, "mark": mark}))
    with postponed():
        files.remove(output / name for name in (MANIFEST, *(n for n in FILES if n != MANIFEST)))
        for name, frame in tables.items():
            facts = {b"erasurehead.question": mark.encode()}
            files.write_table(output / f"{name}.parquet", frame, facts)
        for name, bytes_of in content.items():
            files.write_bytes(output / name, bytes_of)
        write_answer(answer, output)
        files.write_bytes(output / MANIFEST, manifest)


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


def _pictures(study: Study) -> dict[str, bytes]:
    """Files by their names."""
    content: dict[str, bytes] = {}
    for name, draw in pictures(study).items():
        figure = draw(study)
        content |= {f"{name}.{kind}": style.rendered(figure, kind) for kind in FORMATS}
    return content


def _mark(study: Study, question: Mapping[str, Any]) -> str:
    """Equal for the same question to the same code."""
    asked = json.dumps([study.subject.text, dict(question)], sort_keys=True, default=str)
    return sha256(f"{asked}\n{store.code_fingerprint()}".encode()).hexdigest()[:16]


def _answer(study: Study, config: str, command: str) -> Answer:
    return Answer(
        "recommend",
        study.subject.name,
        verdict(study),
        tuple(why(study)),
        tuple(following(study, config)),
        command,
        study.subject.notes,
    )


def _facts(study: Study, seconds: float, question: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest says."""
    return {
        **provenance(),
        "command": "recommend",
        "question": question,
        "seed": study.subject.base["seed"],
        "wall_seconds": round(seconds, 3),
        "warnings": list(study.subject.notes),
    }
