"""From measured delays to a delay model, from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from erasurehead.delay_models.base import FloatArray
from erasurehead.delay_models.tables.measured import (
    Measured,
    Missing,
    Reading,
    Retries,
    Role,
    Unit,
    as_fields,
)
from erasurehead.experiments.config.document import write_yaml
from erasurehead.experiments.config.errors import ConfigError, at
from erasurehead.experiments.fit import command, page
from erasurehead.experiments.fit.study import Findings, study, tables
from erasurehead.experiments.page.content import Answer, Page
from erasurehead.experiments.page.markdown import as_markdown
from erasurehead.experiments.pictures import paint
from erasurehead.experiments.run.files import output_folder
from erasurehead.plots import managed
from erasurehead.progress import ShowProgress, reporting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IN_MEMORY = "the table"
"""What errors call a table that is not in a file."""


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

    findings: Findings
    source: str
    warnings: tuple[str, ...]

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
        return page.fit_answer(self.findings, self.source)

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
        """Everything in words and tables, as Markdown."""
        return as_markdown(self._page, {name: f"{name}.png" for name in command.CHARTS})

    @property
    def plot(self) -> FittedPlots:
        """Pictures: ``fitted.plot.quantiles()``, ``fitted.plot.order_statistics()``."""
        return FittedPlots(self._page)

    def save(self, output: str | os.PathLike[str]) -> list[Path]:
        """Write tables, pictures, report and config, as ``erasurehead fit`` does."""
        with output_folder(Path(output), command.FILES):
            command.write_fit(self.findings, self._answer, Path(output))
        return [Path(output) / name for name in command.FILES]

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        shown = self.table[["family", "parameters", "aic", "ks", "order_error", "held_out"]]
        delay = escape(self.findings.sections)
        return f"<p>{escape(self._title())}</p><pre>{delay}</pre>{shown.to_html(border=0)}"

    def _title(self) -> str:
        rounds, workers = self.findings.main.delays.rounds.shape
        size = f"{rounds} rounds of {workers} workers"
        return f"Fitted {self.source}: {size}, delay model {self.delay['model']}"


@final
@dataclass(frozen=True, eq=False)
class FittedPlots:
    """Pictures of a fit, on axes of pyplot. Each method returns the first panel."""

    _page: Page

    def quantiles(self) -> Axes:
        """Measured quantiles against those of each family."""
        return managed(paint.figure(self._page.charts["qq"].picture)).axes[0]

    def order_statistics(self) -> Axes:
        """How long a master waits for k workers, measured and predicted; two panels."""
        return managed(paint.figure(self._page.charts["order_statistics"].picture)).axes[0]


Table = str | os.PathLike[str] | pd.DataFrame | FloatArray | Sequence[Sequence[float]]


def fit(
    table: Table,
    *,
    load: float | None = None,
    k_range: tuple[int, int] | None = None,
    columns: Mapping[Role, str] | None = None,
    drop: Sequence[str] = (),
    unit: Unit | None = None,
    missing: Missing = "refuse",
    retries: Retries = "refuse",
    progress: ShowProgress = None,
) -> Fitted:
    """Fit delay models to a table of measured delays.

    Args:
        table: a file as ``erasurehead fit`` reads it; an array ``(rounds, workers)`` of seconds; or
            a DataFrame, either like the array or with the columns ``worker``, ``round``,
            ``seconds`` and perhaps ``load``; docs/traces.md has all layouts.
        load: make the delay section from this load alone.
        k_range: the first and last order statistic that families are ranked by; default n/2 to n.
        columns: which column is what: ``{"worker": "host", "seconds": "duration_ms"}``; of a wide
            table ``{"round": "step"}``.
        drop: columns that are left out.
        unit: of the times, where the columns' names do not say it.
        missing: what a missing delay is: ``refuse``, ``drop-rounds``, or ``never``: no arrival.
        retries: what rows of one worker and round are: ``refuse``, ``last`` or ``sum``.
        progress: as for ``run``.

    Raises:
        ConfigError: the table cannot be used; one line names the place.
    """
    text = None if k_range is None else f"{k_range[0]}:{k_range[1]}"
    reading = Reading(columns or {}, tuple(drop), unit, missing, retries, load)
    try:
        if isinstance(table, str | os.PathLike):
            source = os.fspath(table)
            measured, warnings = command.read_tables(source, reading)
        else:
            source = IN_MEMORY
            measured, warnings = _in_memory(table, reading)
        ks = command.k_range(text, measured.workers)
    except ConfigError as error:
        # An error of the command line names its options; ours are arguments.
        said = as_fields(str(error)).removeprefix("--").replace("k-range", "k_range", 1)
        raise ConfigError(said) from None
    with reporting(progress, "fits") as told:
        findings = study(measured, ks, load, told)
    return Fitted(
        findings, source, (*warnings, *(f"{source}: {line}" for line in findings.warnings))
    )


def _in_memory(
    table: pd.DataFrame | FloatArray | Sequence[Sequence[float]], reading: Reading
) -> tuple[Measured, list[str]]:
    """Read a table through a file, so that it is checked as every other one is."""
    with TemporaryDirectory(prefix="erasurehead-") as folder:
        path = str(Path(folder) / "table")
        try:
            if isinstance(table, pd.DataFrame):
                path += ".parquet"
                table.rename(columns=str).reset_index(drop=True).to_parquet(path)
            else:
                path += ".npz"
                np.savez(path, seconds=np.asarray(table))
        except (ValueError, TypeError) as error:
            raise at(IN_MEMORY, type(table).__name__, f"cannot be used: {error}") from None
        try:
            measured, warnings = command.read_tables(path, reading)
        except ConfigError as error:
            raise ConfigError(str(error).replace(path, IN_MEMORY)) from None
        return measured, [line.replace(path, IN_MEMORY) for line in warnings]
