"""``erasurehead recommend``: reads the question, searches, and writes what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..config.document import load, override
from ..config.errors import ConfigError
from ..page import terminal
from ..run.files import locked
from ..run.outputs import origin_of
from ..run.pool import open_lanes
from .bench import Report
from .course import Course
from .goal import Goal, Limits
from .question import Options, Table
from .shown import show
from .study import Study, goal_of, investigate
from .subject import Subject, of_config
from .writing import CONFIG, FILES, write


def recommend(
    config: Path | None,
    overrides: Sequence[str],
    table: Table | None,
    options: Options,
    jobs: int,
    output: Path | None,
    data_dir: Path | None,
    said: str,
) -> None:
    """Answer a question in the terminal and in a folder.

    Args:
        config: the file; ``None`` where there is a table.
        overrides: ``key=value`` of ``--set``.
        table: measured delays; ``None`` where there is a config.
        options: goal and limits.
        jobs: schemes computed at the same time.
        output: the folder; ``None``: one of the config's name.
        data_dir: where the public data sets lie.
        said: the command line.

    Raises:
        ConfigError: the question cannot be answered, or the answer not be written.
    """
    if (config is None) == (table is None):
        raise ConfigError("recommend: give a config, or --trace with measured delays")
    if table is not None:
        document, notes = table.document()
        override(document, overrides)
        asked = ask(document, options, data_dir, notes)
    else:
        assert config is not None
        asked = ask(load(config, overrides), options, data_dir)
    for line in asked.subject.notes:
        terminal.tell(f"warning: {line}")
    folder = output or Path("results/recommend") / asked.subject.name
    with terminal.progress("stages") as report:
        study = answer(asked, folder, jobs, said, report)
    show(study, str(folder / CONFIG))
    terminal.say(f"report, tables, pictures and config in {folder}/")


@dataclass(frozen=True)
class Question:
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
    document: Mapping[str, Any],
    options: Options,
    data_dir: Path | None,
    notes: Sequence[str] | None = None,
) -> Question:
    """Read the question.

    Args:
        document: the config.
        options: goal and limits.
        data_dir: where the public data sets lie.
        notes: what should be known of the table that the config was made from; ``None``: it is the
            user's own, and its learning rate is that of the untuned comparison.

    Raises:
        ConfigError: one of them is bad.
    """
    subject = of_config(document, data_dir, notes or ())
    limits = options.limits(subject.features)
    only = options.schemes(subject.catalogue)
    goal, course = goal_of(subject, options.target, options.budget)
    rate = None
    if notes is None and goal.kind != "iterations":
        rate = float(subject.base["optimizer"]["learning_rate"])
    return Question(subject, goal, course, limits, only, rate, options)


def answer(asked: Question, output: Path, jobs: int, said: str, report: Report) -> Study:
    """Search and write what was found; ``said`` is the command line."""
    began = time.monotonic()
    require_own(output)
    with locked(output, FILES):
        with open_lanes(jobs) as lanes:
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
        write(study, output, said, time.monotonic() - began, asdict(asked.options))
    return study


def require_own(output: Path) -> None:
    """Refuse a folder in which a run has left its result.

    Raises:
        ConfigError: there is one.
    """
    if origin_of(output) is not None:
        raise ConfigError(f"{output}: holds the result of a run; give another --output")
