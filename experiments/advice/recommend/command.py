"""``erasurehead recommend``: searches, and writes what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ....sim.base.errors import ConfigError
from ...config.code import Carried, carried
from ...config.document import write_yaml
from ...config.installed import code_fingerprint
from ...page import terminal
from ...page.content import Page
from ...page.folder import FORMATS, REPORT, json_at, write_page
from ...run import files
from ...run.command import Progress
from ...run.files import ANSWER
from ...run.outputs import MANIFEST, id_of, provenance, result_id, to_json, write_code
from ...run.pools import open_pool
from .answer import answered, method
from .page import WINNER, recommendation_page
from .question import Question
from .scenario import IN_A_SHELL
from .search.evaluate import Evaluator
from .study import Recommendation, recommendation_tables, recommended

# Of a file that can be no config; one that ends in .json or .txt may be either.
TABLE_ENDINGS = (".csv", ".tsv", ".psv", ".gz", ".parquet", ".npz", ".npy", ".jsonl")
FILES = (
    *(ANSWER, MANIFEST, REPORT, WINNER),
    *("ranking.csv", "candidates.csv", "sensitivity.csv", "rates.csv"),
    *("ranking.parquet", "candidates.parquet", "sensitivity.parquet", "rates.parquet"),
    *(f"{chart}.{kind}" for chart in ("ranking", "front", "sensitivity") for kind in FORMATS),
)


def is_table(path: Path) -> bool:
    """Whether a file, or a folder of traces, holds measured delays, by its name alone."""
    return path.is_dir() or path.name.endswith(TABLE_ENDINGS)


def refuse_table(path: Path) -> None:
    """Refuse (ConfigError) a measured table in place of a config."""
    if is_table(path):
        raise ConfigError(f"{path}: {IN_A_SHELL}")


def answer_question(
    question: Question, output: Path | None, jobs: int, command: str, reads: Sequence[Path] = ()
) -> None:
    """Search, and answer in the terminal and in a folder, by default one of the config's name;
    ``reads`` stay. Raises ConfigError: nothing keeps the limits, or can be written."""
    for line in question.scenario.notes:
        terminal.tell(f"warning: {line}")
    folder = output or Path("results/recommend") / question.scenario.name
    if id_of(folder) is not None:
        raise ConfigError(f"{folder}: holds the result of a run; give another --output")
    with suppress(ConfigError, AttributeError):  # there is none, or a damaged one
        if json_at(folder / MANIFEST).get("question", {}).get("id") != _id(question):
            terminal.tell(f"warning: {folder}: the answer to another question is replaced")
    with terminal.progress("stages") as progress:
        written = answer_in(folder, question, jobs, progress, command, reads)
    terminal.show(written)
    terminal.say(f"report, tables, pictures and config in {folder}/")
    terminal.follow("report", folder)


def answer_in(
    folder: Path,
    question: Question,
    jobs: int,
    progress: Progress,
    command: str = "",
    reads: Sequence[Path] = (),
) -> Page:
    """Search, write the answer into a folder, and return the page. Raises ConfigError: as above."""
    with files.output_folder(folder, FILES, reads):
        found = search(question, jobs, progress, folder, command)
        write_recommendation(found, folder)
    return found.page


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found, in words and as data; nothing of it is on disk."""

    page: Page
    tables: Mapping[str, pd.DataFrame]  # by name: ``ranking``, ``candidates``, ...
    winner: Carried  # the config of the recommended scheme, as the folder has it
    manifest: Mapping[str, Any]


def search(
    question: Question, jobs: int, progress: Progress, folder: Path | None, command: str = ""
) -> Found:
    """Search, and say what was found, for a ``folder`` if it goes to one.
    Raises ConfigError: nothing keeps the limits."""
    began = time.monotonic()
    with open_pool(jobs) as pool:
        recommendation = recommended(question, Evaluator(question, pool, progress))
    return found_of(recommendation, folder, command, seconds=time.monotonic() - began)


def found_of(
    recommendation: Recommendation, folder: Path | None, command: str, seconds: float
) -> Found:
    """Words, tables and the winner's config of a recommendation."""
    scenario = recommendation.question.scenario
    config = winner_config(recommendation)
    winner_path = WINNER if folder is None else str(folder / WINNER)
    winner = Carried(config) if folder is None else carried(config, folder)
    tables = recommendation_tables(recommendation)
    manifest = {
        **provenance(),
        "command": "recommend",
        "question": {**asdict(recommendation.question.request), "id": _id(recommendation.question)},
        "seed": scenario.base["seed"],
        "wall_seconds": round(seconds, 3),
        "warnings": list(scenario.notes),
    }
    answer = replace(answered(recommendation, winner_path), command=command)
    page = recommendation_page(
        tables, answer, manifest, write_yaml(winner.config), method(recommendation)
    )
    return Found(page=page, tables=tables, winner=winner, manifest=manifest)


def write_recommendation(found: Found, output: Path) -> None:
    """Write everything under ``output``, in place of an earlier answer."""
    tables = {f"{name}.parquet": table for name, table in found.tables.items()}
    write_code(found.winner, output)
    others = {WINNER: write_yaml(found.winner.config).encode(), MANIFEST: to_json(found.manifest)}
    write_page(found.page, output, FILES, tables, found.page.charts, csv=tables, others=others)


def _id(question: Question) -> str:
    """Equal for the same question to the same code."""
    return result_id(question.scenario.base, [code_fingerprint()], asdict(question.request))


def winner_config(recommendation: Recommendation) -> dict[str, Any]:
    """A whole config with the recommended scheme, its learning rate and its goal."""
    question, winner = recommendation.question, recommendation.winner
    base = dict(question.scenario.base)
    if not base.get("plugins"):
        base.pop("plugins", None)
    name = f"{question.scenario.name}-winner"[:100]
    document = {**base, "name": name, "schemes": [dict(winner.section)]}
    if question.trains:
        document["optimizer"] = {**document["optimizer"], "learning_rate": winner.rate}
    if question.goal.kind == "target":
        document["target_loss"] = question.goal.value
    return {key: value for key, value in document.items() if value is not None}
