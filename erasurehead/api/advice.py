"""Why a measured job is slow, and which scheme would be faster, from Python."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, final, get_type_hints

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from erasurehead.api import running
from erasurehead.api.face import face
from erasurehead.api.fitting import (
    IN_MEMORY,
    ReadingOptions,
    Table,
    arguments,
    as_arguments,
    checked_argument,
    command_words,
    from_table,
    reading_from,
)
from erasurehead.api.result import draw
from erasurehead.api.running import Config, Folder, ShowProgress, document_of, reporting
from erasurehead.experiments.advice.recommend import command as recommending
from erasurehead.experiments.advice.recommend.question import ask
from erasurehead.experiments.advice.recommend.request import Criterion, SearchRequest
from erasurehead.experiments.advice.recommend.scenario import answered_by_whatif
from erasurehead.experiments.advice.whatif import command as asking
from erasurehead.experiments.advice.whatif.answer import whatif_answer
from erasurehead.experiments.advice.whatif.page import whatif_page
from erasurehead.experiments.advice.whatif.study import QUANTILES
from erasurehead.experiments.config.document import read_yaml
from erasurehead.experiments.page.content import Page
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.experiments.run.files import output_folder
from erasurehead.sim.base.errors import ConfigError, at, one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Advice:
    """The answer of ``whatif`` or ``recommend``.

    Attributes:
        tables: every table by the name of its file, such as ``changes`` or ``ranking``.
        main: the name of the one that ranks what can be done.
        warnings: what the reader should know of the table, a line each.
    """

    _page: Page
    tables: Mapping[str, pd.DataFrame]
    main: str
    warnings: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """The answer, one sentence."""
        return self._page.answer.verdict

    @property
    def limits(self) -> str:
        """What the verdict does not hold for, in one line; may be empty."""
        return self._page.answer.limits

    @property
    def stock(self) -> Mapping[str, Any] | None:
        """Of ``recommend``, where a scheme wins that needs a training loop of its own: the best for
        a stock one, as in ``answer.json``."""
        return self._page.answer.stock

    @property
    def why(self) -> tuple[str, ...]:
        """What it rests on, a sentence each."""
        return self._page.answer.why

    @property
    def table(self) -> pd.DataFrame:
        """Every change and what it saves, or every scheme, ranked; columns as in the file."""
        return self.tables[self.main]

    @property
    def config(self) -> Mapping[str, Any]:
        """Of ``recommend``: the config of the recommended scheme, for ``run``; else empty."""
        config: Any = read_yaml(self._page.config)
        return config or {}

    @property
    def report(self) -> str:
        """All in words and tables, as Markdown."""
        return as_markdown(self._page, {})

    def plot(self, picture: str = "") -> Axes:
        """Draw a picture, the first one unless it is named; returns the first panel.
        Raises ConfigError: there is no such picture."""
        charts = self._page.charts
        name = picture or next(iter(charts))
        if name not in charts:
            raise at("picture", picture, one_of(charts, picture))
        return draw(charts[name].picture)

    def __repr__(self) -> str:
        return f"<{self._page.answer.kind} of {self._page.answer.subject}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict, and the table of what can be done, for a notebook."""
        words = "".join(f"<p>{escape(text)}</p>" for text in (self.verdict, self.limits, *self.why))
        return f"{words}{self.table.to_html(border=0, max_rows=12)}"


@face
def whatif(
    table: Table,
    *,
    stragglers: Sequence[int] | None = None,
    timeout: Sequence[float] = QUANTILES,
    output: Folder = None,
    progress: ShowProgress = None,
    **reading: Unpack[ReadingOptions],
) -> Advice:
    """Why the steps of a measured job are slow, and what would make them faster, as
    ``erasurehead whatif`` says it. Raises ``ConfigError``: the table cannot be used, in one line.

    Args:
        table: a file, an array ``(rounds, workers)`` of seconds, or a DataFrame, as for ``fit``.
        stragglers: numbers of hosts to replace, drop, or not wait for; default 1 to 10 %.
        timeout: quantiles of all delays after which a task's backup copy starts.
        output: keep report, tables and pictures in this folder.
        progress: as for ``run``.
        reading: how the table is read, as for ``fit``.
    """
    measured, warnings = from_table(
        table, reading_from(reading), lambda path, how: asking.read_usable(path, how, False)
    )
    path = os.fspath(table) if isinstance(table, str | os.PathLike) else None
    source = IN_MEMORY if path is None else Path(path).name
    with arguments():
        numbers = None if stragglers is None else ",".join(map(str, np.atleast_1d(stragglers)))
        quantiles = ",".join(map(str, np.atleast_1d(timeout)))
        tried = asking.trials(numbers, quantiles, measured.workers)
    with reporting(progress, "loads") as update:
        studies = asking.investigate(measured, tried, update)
    then = "`eh.fit(table)` is a delay model of this job."
    answer = whatif_answer(studies, source, measured, command_words(path, reading))
    answer = replace(answer, next=(then,)) if path is None else answer
    tables = {Path(name).stem: table for name, table in asking.tables_of(studies).items()}
    lines = tuple(map(as_arguments, warnings))
    if output is None:
        return Advice(_in_python(whatif_page(studies, answer), then), tables, "whatif", lines)
    folder = running.folder_of("output", output)
    with output_folder(folder, asking.file_names(measured.tables)):
        return Advice(
            asking.write_whatif(measured, studies, answer, folder), tables, "whatif", lines
        )


class SearchOptions(TypedDict, total=False):
    """What ``recommend`` searches for; ``erasurehead recommend --help`` explains each."""

    target: float | None  # loss to reach soonest
    budget: float | None  # seconds in which the loss is to be least
    max_load: float | None  # partitions that a worker can hold
    max_worker_seconds: float | None  # computing, of all workers, to the goal
    max_bytes: float | None  # of messages heard, to the goal
    max_error: float | None  # mean decoding error of an update
    only: str | Sequence[str] | None  # search these schemes alone
    criterion: Criterion  # what of the seconds or losses is least: "mean", "median" or "p95"
    allow_unheard: bool  # also schemes that never hear some partition


@face
def recommend(
    config: Config,
    *,
    set: Mapping[str, Any] | None = None,
    jobs: int = 1,
    data_dir: Folder = None,
    output: Folder = None,
    progress: ShowProgress = None,
    **options: Unpack[SearchOptions],
) -> Advice:
    """The scheme, load, stop and learning rate that reach a target soonest, as ``erasurehead
    recommend`` finds them. Raises ``ConfigError``: the question cannot be answered, in one line;
    so it is with measured delays, of which ``whatif`` says what helps.

    Args:
        config: a YAML file or a mapping, as for ``run``.
        set: values that replace those of the config, as for ``run``.
        jobs: schemes computed at the same time.
        data_dir: where the public data sets lie.
        output: keep report, tables, pictures and the winner's config in this folder.
        progress: as for ``run``.
        options: the options of the command, ``SearchOptions``.
    """
    if isinstance(config, str | os.PathLike):
        name = os.fspath(config)
        is_table = recommending.is_table(Path(config))
    else:
        name = IN_MEMORY
        is_table = not isinstance(config, Mapping)
    if is_table:
        raise ConfigError(f"{name}: {answered_by_whatif('eh.whatif(table)', 'eh.fit(table)')}")
    given: dict[str, Any] = dict(options)
    kinds: dict[str, Any] = get_type_hints(SearchOptions)
    for name, value in given.items():
        if name not in kinds:
            raise ConfigError(f"{name}: no such argument; {one_of(kinds, name)}")
        given[name] = checked_argument(TypeAdapter(kinds[name]), name, value)
    if not isinstance(given.get("only"), str | None):
        given["only"] = ",".join(given["only"])
    request = SearchRequest(**given)
    how_to, changes = running.options_of(jobs, None, data_dir), running.changes_of(set)
    with _kept(output) as folder, arguments(), reporting(progress, "stages") as update:
        question = ask(document_of(config, changes), request, how_to.data_dir)
        page = recommending.answer_in(folder, question, how_to.jobs, update)
        return Advice(page, _tables(folder), "ranking", question.scenario.notes)


def _in_python(page: Page, then: str) -> Page:
    """A page whose answer names what Python has in place of commands and options, and what to do
    next where no folder is kept."""
    read = (as_arguments(text.replace(", as --unit says", "")) for text in page.answer.read)
    return replace(page, answer=replace(page.answer, next=(then,), read=tuple(read)))


@contextmanager
def _kept(output: Folder) -> Iterator[Path]:
    """The folder that was asked for, or one that goes afterwards."""
    if output is not None:
        yield running.folder_of("output", output)
        return
    with TemporaryDirectory(prefix="erasurehead-") as name:
        yield Path(name) / "advice"


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {file.stem: pd.read_parquet(file) for file in sorted(folder.glob("*.parquet"))}
