"""Why a measured job is slow, and which scheme would be faster, from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, final, get_type_hints

import pandas as pd
from pydantic import TypeAdapter

from erasurehead.api import running
from erasurehead.api.face import face
from erasurehead.api.fitting import (
    ReadingOptions,
    Table,
    checked_argument,
    command_words,
    from_table,
    reading_from,
)
from erasurehead.api.result import draw, folder_of
from erasurehead.api.running import (
    Config,
    Folder,
    Plugins,
    ShowProgress,
    document_of,
    reporting,
    with_plugins,
)
from erasurehead.delay_models.measured.read import IN_MEMORY
from erasurehead.experiments.advice.recommend import command as recommending
from erasurehead.experiments.advice.recommend.question import ask
from erasurehead.experiments.advice.recommend.request import Criterion, SearchRequest
from erasurehead.experiments.advice.recommend.scenario import answered_by_whatif
from erasurehead.experiments.advice.whatif import command as asking
from erasurehead.experiments.advice.whatif.cut import CutFound
from erasurehead.experiments.advice.whatif.page import whatif_page
from erasurehead.experiments.config.document import read_yaml
from erasurehead.experiments.page.content import Page
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.experiments.run.files import output_folder
from erasurehead.sim.base.errors import ConfigError, Dialect, at, one_of
from erasurehead.sim.base.types import FloatArray
from erasurehead.sim.load_laws import LoadLaw

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Advice:
    """The answer of ``recommend``.

    Attributes:
        tables: every table by the name of its file, such as ``ranking``.
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
        """Where a scheme wins that needs a training loop of its own: the best for a stock one, as
        in ``answer.json``."""
        return self._page.answer.stock

    @property
    def why(self) -> tuple[str, ...]:
        """What it rests on, a sentence each."""
        return self._page.answer.why

    @property
    def table(self) -> pd.DataFrame:
        """Every scheme, ranked; columns as in the file."""
        return self.tables[self.main]

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of the recommended scheme, for ``run``."""
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
@final
@dataclass(frozen=True, eq=False, repr=False)
class WhatIf:
    """What to do about the slow steps of a measured job.

    Attributes:
        config: a config of the schemes that are listed, for ``run``; its delays are in the folder
            that was asked for, or else in ``path`` once ``delays`` are saved there.
        delays: what ``config`` reads, ``(rounds, workers)`` seconds, for ``numpy.savez``.
        warnings: what the reader should know of the table, a line each.
    """

    _found: asking.Found | CutFound
    _page: Page
    config: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """What to do, in a sentence or two."""
        return self._page.answer.verdict

    @property
    def limits(self) -> str:
        """What else is to be known before anything is done; may be empty."""
        return self._page.answer.limits

    @property
    def why(self) -> tuple[str, ...]:
        """What it rests on, a sentence each."""
        return self._page.answer.why

    @property
    def remedies(self) -> pd.DataFrame:
        """All that can be done, a row each: first with the same gradient, by time; then with fewer
        gradients, by time for as much of everybody's data. docs/whatif.md has the columns."""
        return self._found.remedies

    @property
    def hosts(self) -> pd.DataFrame:
        """The hosts, a row each, the one that costs most alone first."""
        return self._found.hosts

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Every table, by the name of its file without the ending."""
        return {Path(name).stem: table for name, table in self._found.tables.items()}

    @property
    def delays(self) -> FloatArray | None:
        """What ``config`` reads; ``None`` where rounds ended before all were heard: then it reads
        the table itself."""
        return None if isinstance(self._found, CutFound) else self._found.delays

    @property
    def report(self) -> str:
        """All in words and tables, as Markdown."""
        return as_markdown(self._page, {})

    def plot(self) -> Axes:
        """Draw all rounds of all hosts; or what waiting for some of them takes, where rounds ended
        before all were heard."""
        (chart,) = self._page.charts.values()
        return draw(chart.picture)

    def __repr__(self) -> str:
        return f"<whatif of {self._page.answer.subject}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """The verdict, and what can be done, for a notebook."""
        words = "".join(f"<p>{escape(text)}</p>" for text in (self.verdict, self.limits, *self.why))
        return f"{words}{self.remedies.to_html(border=0, max_rows=12)}"


@face
def whatif(
    table: Table,
    *,
    load_law: LoadLaw | Mapping[str, Any] | str | None = None,
    output: Folder = None,
    **reading: Unpack[ReadingOptions],
) -> WhatIf:
    """What to do about the slow steps of a measured job, as ``erasurehead whatif`` says it: one
    ranked list. Raises ``ConfigError``: the table cannot be used, in one line.

    Args:
        table: a file, an array ``(rounds, workers)`` of seconds, or a DataFrame, as for ``fit``.
        load_law: how a task grows with its work: of ``erasurehead.load_laws``, or a section of a
            config; default what several loads show, and otherwise both bounds.
        output: keep report, tables, picture and config in this folder.
        reading: how the table is read, as for ``fit``.
    """
    law = None if load_law is None else asking.law_of(load_law, "load_law")
    options = reading_from(reading)
    measured, warnings = from_table(
        table, options, lambda source, how: asking.read_usable(source, how, False)
    )
    path = os.fspath(table) if isinstance(table, str | os.PathLike) else None
    source = IN_MEMORY if path is None else Path(path).name
    found = asking.investigate(measured, options, law)
    then = "`eh.fit(table)` is a delay model of this job."
    words = command_words(path, reading)
    answer = asking.whatif_answer(found, source, measured, words, Dialect.PYTHON)
    answer = replace(answer, next=(then,)) if path is None else answer
    name = IN_MEMORY if path is None else path
    lines = tuple(f"{name}: {line.spelled(Dialect.PYTHON)}" for line in warnings)
    file = None if path is None else Path(path)
    folder = None if output is None else folder_of("output", output)
    if folder is None:
        page = whatif_page(found.tables, replace(answer, next=(then,)))
    else:
        with output_folder(folder, asking.FILES):
            page = asking.write_whatif(found, answer, folder, file)
    if isinstance(found, CutFound):
        return WhatIf(found, page, {} if path is None else found.config(path), lines)
    rounds = asking.ROUNDS if folder is None else str(folder / asking.ROUNDS)
    return WhatIf(found, page, found.config(rounds), lines)


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
    plugins: Plugins = (),
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
        plugins: what the config can name besides, as for ``run``.
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
    folder = None if output is None else folder_of("output", output)
    with reporting(progress, "stages") as update:
        document = with_plugins(document_of(config, changes, plugins), plugins, how_to)
        question = ask(document, request, how_to.data_dir)
        if folder is None:
            found = recommending.search(question, how_to.jobs, update, folder=None)
        else:
            with output_folder(folder, recommending.FILES):
                found = recommending.search(question, how_to.jobs, update, folder)
                recommending.write_recommendation(found, folder)
        return Advice(found.page, found.tables, "ranking", question.scenario.notes)
