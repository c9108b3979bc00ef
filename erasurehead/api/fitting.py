"""From measured delays to a delay model, from Python."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    TypedDict,
    Unpack,
    final,
    get_type_hints,
)

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from erasurehead.api.face import face
from erasurehead.api.result import Ax, draw, folder_of
from erasurehead.api.running import ShowProgress, reporting
from erasurehead.delay_models.base import FloatArray
from erasurehead.delay_models.measured.cells import MAX_SECONDS_WITHOUT_UNIT
from erasurehead.delay_models.measured.measured import MeasuredDelays, Times
from erasurehead.delay_models.measured.read import IN_MEMORY, Source
from erasurehead.delay_models.trace import MeasuredTrace
from erasurehead.experiments.advice.fit import command, page
from erasurehead.experiments.advice.fit.answer import fit_answer
from erasurehead.experiments.advice.fit.cut.study import CutFindings
from erasurehead.experiments.advice.fit.study import Findings, study_for, tables
from erasurehead.experiments.advice.understood import measured_delays
from erasurehead.experiments.config.document import write_yaml
from erasurehead.experiments.options import given_words
from erasurehead.experiments.page.content import Answer, Page
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.experiments.run.files import output_folder
from erasurehead.experiments.text import sentence
from erasurehead.sim.base.errors import ConfigError, Dialect, Message, at, one_of, shell_word
from erasurehead.sim.base.files import MOST_CELLS
from erasurehead.sim.base.reading import (
    Decimal,
    Header,
    LateWork,
    Missing,
    Reading,
    Retries,
    Role,
    Unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Fitted:
    """What was found in a table of measured delays.

    Attributes:
        findings: every answer in full.
        source: the file, or what stands for it.
        warnings: what the reader should know of the table, and what the fitted model gets wrong of
            it, a line each.
    """

    findings: Findings | CutFindings
    source: str
    warnings: tuple[str, ...]
    _words: str = ""  # of a file, and how it is read, on a command line

    @property
    def delay(self) -> dict[str, Any]:
        """The ``delay:`` section of a config."""
        return dict(self.findings.chosen.section)

    @property
    def load_law(self) -> dict[str, Any]:
        """The ``load_law:`` section of a config."""
        return dict(self.findings.load_law)

    @property
    def config(self) -> dict[str, Any]:
        """A small config with both sections, for ``run``."""
        return self.findings.config

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return tables(self.findings)

    @cached_property
    def _answer(self) -> Answer:
        answer = fit_answer(self.findings, self.source, self._words, Dialect.PYTHON)
        if self.source != IN_MEMORY:
            return answer
        then = "`eh.run(fitted.config)` simulates these workers: put your schemes into it."
        return replace(answer, next=(then,))

    @cached_property
    def _page(self) -> Page:
        return page.fit_page(self._tables, self._answer, write_yaml(self.config))

    @property
    def table(self) -> pd.DataFrame:
        """One row per family, the best first; as ``fit.parquet``."""
        return self._tables["fit"]

    @property
    def order_statistics(self) -> pd.DataFrame:
        """One row per family and k: mean k-th smallest delay of a round, measured and predicted."""
        return self._tables["order_statistics"]

    @property
    def workers(self) -> pd.DataFrame:
        """One row per worker: how slow, how often, how long, at what cost, with intervals."""
        return self._tables["workers"]

    @property
    def report(self) -> str:
        """All in words and tables, as Markdown; of the workers those that stand out."""
        few = {**self._tables, "workers": self.workers[self.workers["stands_out"].astype(bool)]}
        return as_markdown(page.fit_page(few, self._answer, write_yaml(self.config)), {})

    @property
    def plot(self) -> FittedPlots:
        """Pictures: ``fitted.plot.quantiles()``, ``fitted.plot.order_statistics()``."""
        return FittedPlots(self._page)

    def save(self, output: str | os.PathLike[str]) -> list[Path]:
        """Write tables, pictures, report and config, as ``erasurehead fit`` does."""
        folder = folder_of("output", output)
        with output_folder(folder, command.FILES):
            command.write_fit(self.findings, self._answer, folder)
        return [folder / name for name in command.FILES]

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        columns = self.table[["family", "parameters", "aic", "ks", "order_error", "held_out"]]
        delay = escape(self.findings.sections)
        return f"<p>{escape(self._title())}</p><pre>{delay}</pre>{columns.to_html(border=0)}"

    def _title(self) -> str:
        if isinstance(self.findings, CutFindings):
            rounds = self.findings.rounds
        else:
            rounds = len(self.findings.main.delays.rounds)
        size = f"{rounds} rounds of {self.findings.measured.workers} workers"
        return f"Fitted {self.source}: {size}, delay model {self.delay['model']}"


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class FittedPlots:
    """Pictures of a fit: on ``ax``, an array of axes where there are several panels, or on a new
    figure of pyplot. Each method returns the first panel."""

    _page: Page

    def __repr__(self) -> str:
        return "<Plots: .quantiles(), .order_statistics()>"

    def quantiles(self, ax: Ax = None) -> Axes:
        """Measured quantiles against those of each family."""
        return draw(self._page.charts["qq"].picture, ax)

    def order_statistics(self, ax: Ax = None) -> Axes:
        """How long a master waits for k workers, measured and predicted; two panels."""
        return draw(self._page.charts["order_statistics"].picture, ax)


@final
@dataclass(frozen=True, eq=False, repr=False)
class TableRead:
    """How a table of measured delays is read.

    Attributes:
        tables: load to the delays, a DataFrame of rounds x hosts in seconds; the key is ``None``
            where the table has no loads. Infinite: the worker never arrived, or was not heard.
        notes: what was assumed, mended or left out, a sentence each.
        lines: size, unit, names and first rounds, as ``erasurehead read`` shows them.
        source: the file, or what stands for it.
        ends: of rounds that stopped listening before everybody was heard, load to when each did, a
            Series in seconds; empty where everybody was heard.
    """

    tables: dict[float | None, pd.DataFrame]
    notes: tuple[str, ...]
    lines: tuple[str, ...]
    source: str
    ends: dict[float | None, pd.Series] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<{self.source} {self.lines[0]}>"

    def _repr_html_(self) -> str:
        """How it was read, what was assumed, and the first rounds of each load, for a notebook."""
        lines = [f"{self.source} {self.lines[0]}", *self.notes]
        words = "".join(f"<p>{escape(line)}</p>" for line in lines)
        for load, table in self.tables.items():
            title = "seconds" if load is None else f"seconds at load {load:g}"
            if load in self.ends:
                # a worker that was not heard came after the end of its round
                first = table.head(12)
                beyond = self.ends[load].head(12).map("> {:.4g}".format).to_numpy()
                texts = np.where(np.isfinite(first), first.map("{:.6g}".format), beyond[:, None])
                table = pd.DataFrame(texts, first.index, first.columns)
            words += f"<p>{title}</p>{table.to_html(border=0, max_rows=12, max_cols=20)}"
        return words


class ReadingOptions(TypedDict, total=False):
    """How a table is read, where it does not say so itself: the fields of ``Reading``, for those
    who check types; ``docs/traces.md`` explains each."""

    load: float | None
    columns: Mapping[Role, str] | None
    drop: Sequence[str]
    keep: Sequence[str]
    rows: str | None
    header: Header | None
    decimal: Decimal | None
    unit: Unit | float | None
    missing: Missing
    not_heard: float | None
    round_end: str | float | None
    late_work: LateWork | None
    retries: Retries


Table = str | os.PathLike[str] | pd.DataFrame | FloatArray | Sequence[Sequence[float]]


@face
def read_table(
    table: Table,
    **reading: Unpack[ReadingOptions],
) -> TableRead:
    """Read a table of measured delays as ``fit``, ``whatif`` and the delay model ``trace`` do.
    Raises ``ConfigError``: the table cannot be used, or could mean several things; one line names
    the argument that says which.

    Args: as those of ``fit``."""

    def read(source: Source, how: Reading) -> tuple[MeasuredDelays, list[Message]]:
        delays = measured_delays(source, how, MOST_CELLS)
        return delays, [*delays.assumed, *delays.warnings]

    options = reading_from(reading)
    measured, notes = from_table(table, options, read)
    frames = {
        key: pd.DataFrame(delays, measured.names_of_rounds(key), [*measured.hosts])
        for key, delays in measured.tables.items()
        if options.load in (None, key)
    }
    source = os.fspath(table) if isinstance(table, str | os.PathLike) else IN_MEMORY
    sentences = (sentence(line.spelled(Dialect.PYTHON)) for line in notes)
    lines = (line.spelled(Dialect.PYTHON) for line in measured.read)
    ends = {
        key: pd.Series(of_load.ends, frames[key].index)
        for key, of_load in measured.listening.items()
        if key in frames
    }
    return TableRead(frames, tuple(sentences), tuple(lines), source, ends)


@face
def fit(
    table: Table,
    *,
    k_range: tuple[int, int] | None = None,
    workers: int | None = None,
    progress: ShowProgress = None,
    **reading: Unpack[ReadingOptions],
) -> Fitted:
    """Fit delay models to a table of measured delays. Raises ``ConfigError``: the table cannot be
    used; one line names the place.

    Args:
        table: a file as ``erasurehead fit`` reads it; an array ``(rounds, workers)`` of seconds; or
            a DataFrame, either like the array or with the columns ``worker``, ``round``,
            ``seconds`` and perhaps ``load``; docs/traces.md has all layouts.
        k_range: the first and last order statistic that families are ranked by; default n/2 to n,
            and 1 to n where not everybody was heard.
        workers: number of workers in the config, those of the table in turn; default as many as it
            has.
        progress: as for ``run``.
        reading: how the table is read: ``ReadingOptions``. An array is in seconds.
    """
    text = _range_text(k_range)
    workers = checked_argument(TypeAdapter(int | None), "workers", workers)
    options = reading_from(reading)
    measured, warnings = from_table(table, options, command.read_tables)
    source = os.fspath(table) if isinstance(table, str | os.PathLike) else IN_MEMORY
    ks = command.k_range(text, measured.workers, cut=bool(measured.listening))
    with reporting(progress, "fits") as update:
        findings = study_for(workers, measured, ks, options.load, update)
    lines = [line.spelled(Dialect.PYTHON) for line in (*warnings, *measured.assumed)]
    lines += findings.warnings
    if findings.load is None:
        lines.append(f"one load, so the load law is assumed: {findings.load_law['kind']}")
    words = command_words(source if isinstance(table, str | os.PathLike) else None, reading)
    return Fitted(findings, source, tuple(f"{source}: {line}" for line in lines), words)


# what the arguments of a reading may be: its fields, as a config checks them
READING_TYPES: Mapping[str, TypeAdapter[Any]] = {
    field.name: TypeAdapter(get_type_hints(MeasuredTrace, include_extras=True)[field.name])
    for field in fields(Reading)
}


def reading_from(options: Mapping[str, Any]) -> Reading:
    """How a table is read. Raises ConfigError: there is no such option, or no such value."""
    checked: dict[str, Any] = {}
    for name, value in options.items():
        if name not in READING_TYPES:
            raise ConfigError(f"{name}: no such argument; {one_of(READING_TYPES, name)}")
        checked[name] = checked_argument(READING_TYPES[name], name, value)
    return Reading(**checked)


def checked_argument(kind: TypeAdapter[Any], name: str, value: Any) -> Any:
    """An argument as a config checks it. Raises ConfigError: it has another kind of value."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        every = error.errors(include_url=False)
        literal = (problem for problem in every if problem["type"] == "literal_error")
        first = next(literal, every[0])
        valid = first["msg"].removeprefix("Input should be ")
        valid = valid.replace("a valid tuple", "a list of names")
        more = ", or how many seconds one is" if name == "unit" else ""
        if name == "round_end":
            valid = "last, seconds above 0, or the name of a column"
        raise at(name, value, f"must be {valid}{more}") from None


def command_words(path: str | None, reading: Mapping[str, Any]) -> str:
    """What reads a file the same way on a command line; empty: a table in memory."""
    words = [] if path is None else [path, *given_words(reading_from(reading))]
    return " ".join(map(shell_word, words))


def _range_text(k_range: Any) -> str | None:
    if k_range is None:
        return None
    try:
        first, last = map(operator.index, k_range)
    except (TypeError, ValueError):
        valid = "must be two whole numbers, the first and the last k"
        raise at("k_range", k_range, valid) from None
    return f"{first}:{last}"


Read = Callable[[Source, Reading], tuple[MeasuredDelays, list[Message]]]


def from_table(table: Table, reading: Reading, read: Read) -> tuple[MeasuredDelays, list[Message]]:
    """What a table holds, and warnings. Raises ConfigError: it cannot be used."""
    if isinstance(table, str | os.PathLike):
        return read(os.fspath(table), reading)
    if isinstance(table, pd.DataFrame):
        return read(table, reading)
    try:
        array = np.asarray(table)
    except ValueError as error:
        raise at(IN_MEMORY, type(table).__name__, f"cannot be used: {error}") from None
    if reading.unit is not None or not _is_in_seconds(array):
        return read(array, reading)
    # Nobody has said that an array is in seconds: that is how arrays are.
    measured, warnings = read(array, replace(reading, unit="s"))
    said = measured.unit.why
    lines = (
        Message(*(Times().why if part == said else part for part in line.parts))
        for line in measured.read
    )
    return replace(measured, read=tuple(lines)), warnings


def _is_in_seconds(array: np.ndarray) -> bool:
    if array.dtype.kind not in "fiu":
        return False
    known = array[~np.isnan(array)]
    typical = np.median(known) if known.size else 0.0
    return bool(typical < MAX_SECONDS_WITHOUT_UNIT)
