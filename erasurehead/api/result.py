"""What a run found: its tables, config and pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final, get_args

import numpy as np
import pandas as pd

from erasurehead.api.face import face
from erasurehead.experiments.config.document import anchored, read_mapping
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.base import PictureKind, on_axes
from erasurehead.experiments.pictures.kinds import PICTURE_KINDS
from erasurehead.experiments.pictures.kinds.times import AgainstKind
from erasurehead.experiments.pictures.picture import Band, Picture
from erasurehead.experiments.run.metrics import METRICS, Metric
from erasurehead.experiments.run.outputs import (
    CONFIG,
    SUMMARY,
    failed_cells,
    id_of,
)
from erasurehead.experiments.run.reader import (
    Records,
    read_records,
    read_run_table,
    write_records,
)
from erasurehead.experiments.text import number_of
from erasurehead.sim.base.errors import ConfigError, address_defect, at, one_of
from erasurehead.sim.base.looking import looking

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def folder_of(name: str, value: Any) -> Path:
    """A path that was given. Raises ConfigError: it is none."""
    if not isinstance(value, str | os.PathLike):
        raise at(name, value, "must be a path")
    if (defect := address_defect(os.fspath(value))) is not None:
        raise at(name, os.fspath(value), defect)
    return Path(value)


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What a run or sweep found. All times are simulated seconds.

    The tables are read from ``directory`` when they are first asked for, and then kept: copy one
    before you change it.

    Attributes:
        directory: where the tables lie; ``None`` for a run without ``output``.
        failed: cells of a sweep that could not be computed, with the reason.
    """

    directory: Path | None
    failed: Mapping[str, str] = field(default_factory=dict)
    _memory: Records | None = None

    @classmethod
    def of(cls, directory: Path, failed: Mapping[str, str] | None = None) -> Result:
        """The result in a folder. Raises ``ConfigError``: there is none."""
        if not directory.is_dir():
            raise ConfigError(f"{directory}: no such directory")
        result = cls(directory, failed_cells(directory) if failed is None else failed)
        result.id  # noqa: B018
        result.summary  # noqa: B018  # the smallest table; says whether this is a result at all
        return result

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per cell: means over replications, standard errors, paired comparisons."""
        if self.directory is None:
            return self._records.summary
        return read_run_table(self.directory / SUMMARY)

    @property
    def iterations(self) -> pd.DataFrame:
        """One row per cell, replication and iteration: times, arrivals, errors, losses."""
        return self._records.iterations

    @property
    def workers(self) -> pd.DataFrame:
        """One row per cell and worker: utilisation, and what waiting for it cost."""
        if (workers := self._records.workers) is None:
            raise ConfigError(f"{self.directory or 'this result'}: has no table of workers")
        return workers

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The config with every default written out; ``run`` takes it as it is."""
        if self.directory is not None:
            return anchored(read_mapping(self.directory / CONFIG), self.directory)
        assert self._memory is not None
        return self._memory.config or {}

    @cached_property
    def id(self) -> str | None:
        """A hash of config and cells, which the files in ``directory`` carry; else ``None``."""
        return None if self.directory is None else id_of(self.directory)

    @cached_property
    def _records(self) -> Records:
        """Every table. Raises ConfigError: another run has written here since this was loaded."""
        if self._memory is not None:
            return self._memory
        assert self.directory is not None
        records = read_records(self.directory)
        if id_of(self.directory) != self.id:
            raise ConfigError(f"{self.directory}: holds another run by now; load it again")
        return records

    def where(self, conditions: Mapping[str, Any]) -> Result:
        """The part whose swept keys have these values, in memory: ``{"delay.rate": [1, 2]}``.

        Args:
            conditions: a value for each key, or a list of several; of a scheme's field the key is
                ``scheme.load``. Raises ``ConfigError``: it was not swept, or never had that value.
        """
        if not isinstance(conditions, Mapping):
            raise at("conditions", conditions, 'must be a mapping, as {"delay.rate": [1, 2]}')
        return Result(None, self.failed, self._records.where(conditions))

    def save(self, output: str | os.PathLike[str]) -> list[Path]:
        """Write tables, config and manifest into a folder, from which ``load`` makes the same
        result; it has no cells from which a run could go on. Returns the files. Raises
        ``ConfigError``: the folder holds other things, or cannot be written."""
        folder = folder_of("output", output)
        if self.directory is not None and folder.resolve() == self.directory.resolve():
            raise at("output", os.fspath(output), "must be another folder: the result lies there")
        return write_records(self._records, self.failed, folder)

    @property
    def plot(self) -> Plots:
        """Pictures: ``result.plot.loss_time()``, and so on."""
        return Plots(self._records)

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        """The summary's main columns, for a notebook."""
        table, most = self._overview(), 60
        more = f"<p>{len(table) - most} more rows: <code>.summary</code></p>" * (len(table) > most)
        return f"<p>{escape(self._title())}</p>{table.head(most).to_html(border=0)}{more}"

    def _title(self) -> str:
        table = self.summary
        name = self.config.get("name", "run")
        cells = number_of(len(table), "cell")
        size = ", ".join(_span(table, key) for key in ("workers", "iterations"))
        failed = f", {len(self.failed)} failed" if self.failed else ""
        where = "in memory" if self.directory is None else f"in {self.directory}"
        return f"Result {name}: {cells}{failed}; {size}, {where}"

    def _overview(self) -> pd.DataFrame:
        """What a person looks at first: swept keys, mean and standard error of each metric."""
        summary, rows = self.summary, self.summary.to_dict("records")
        overview = summary[[key for key in self.config.get("sweep") or {} if key in summary]].copy()
        for metric in METRICS.values():
            if metric.heading and f"{metric.name}_mean" in summary:
                overview[metric.heading] = [_mean(metric, row) for row in rows]
        return overview.set_axis(summary["label"].rename("scheme"))


def _span(summary: pd.DataFrame, key: str) -> str:
    """``30 workers``, or ``12 to 48 workers`` where a sweep has several."""
    low, high = summary[key].min(), summary[key].max()
    return f"{low} {key}" if low == high else f"{low} to {high} {key}"


def _mean(metric: Metric, row: Mapping[Any, Any]) -> str:
    mean, error = metric.estimate(row)
    text = "-" if pd.isna(mean) else f"{mean:.4g}" + ("" if pd.isna(error) else f" ± {error:.1g}")
    return metric.in_words(row, text)


# one, or an array of them where a picture has several panels
Ax: TypeAlias = "Axes | Sequence[Axes] | np.ndarray[Any, Any] | None"
Schemes = str | Sequence[str] | None
Spread = Band | None


@face
@final
@dataclass(frozen=True, eq=False, repr=False)
class Plots:
    """Pictures of one result. Raises ``ConfigError``: the tables do not hold what the picture
    needs, there is no such scheme, or ``ax`` has another number of axes than there are panels.

    Every method draws into ``ax``, an array of axes where there are several panels (a sweep has one
    for each point), or, without it, into a new figure of pyplot, which notebooks and ``plt.show()``
    display. It returns the first axes, and ``axes.figure.axes`` has all.

    ``schemes`` picks schemes by label or by name; default all. ``band`` is how the spread over
    replications is shown: ``quantiles`` (10th to 90th percentile) or ``ci`` (95 % confidence
    interval of the mean); the trade-off shows ``ci`` by default, the others ``quantiles``.
    ``legend``: whether there is one, where it covers nothing; axes of one grid share it.
    ``width``: inches of the place that it is printed in, such as a column: letters have 8 points,
    panels and legend take as much height as they need."""

    _records: Records

    @looking()
    def __repr__(self) -> str:
        can = [
            name
            for name, kind in PICTURE_KINDS.items()
            if not kind.obstacle(self._records) and hasattr(self, name)
        ]
        return f"<Plots: {', '.join(f'.{name}()' for name in can)}>"

    def loss_time(
        self,
        ax: Ax = None,
        schemes: Schemes = None,
        band: Spread = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """Training loss against simulated seconds."""
        return self._draw(PICTURE_KINDS["loss_time"], ax, schemes, band, legend, width)

    def loss_iteration(
        self,
        ax: Ax = None,
        schemes: Schemes = None,
        band: Spread = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """Training loss against iterations."""
        return self._draw(PICTURE_KINDS["loss_iteration"], ax, schemes, band, legend, width)

    def iteration_time(
        self,
        ax: Ax = None,
        schemes: Schemes = None,
        band: Spread = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """How long iterations last: their distribution."""
        return self._draw(PICTURE_KINDS["iteration_time"], ax, schemes, band, legend, width)

    def tradeoff(
        self,
        ax: Ax = None,
        schemes: Schemes = None,
        band: Spread = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """Final loss (or decoding error) against mean iteration time, a point for each scheme."""
        return self._draw(PICTURE_KINDS["tradeoff"], ax, schemes, band, legend, width)

    def utilisation(
        self,
        ax: Ax = None,
        schemes: Schemes = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """What the workers' time was spent on."""
        return self._draw(PICTURE_KINDS["utilisation"], ax, schemes, None, legend, width)

    def against(
        self,
        x: str = "",
        y: str = "",
        ax: Ax = None,
        schemes: Schemes = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        """Means over a swept key, with lines of theory where there is a closed form.

        Args:
            x: the key, such as ``workers`` or ``delay.rate``; default the one with most values.
            y: a metric, such as ``decoding_error``, or a column of the summary; default the time to
                the target, else the iteration time.
            ax, schemes, legend, width: as for the other methods.
        """
        return self._draw(AgainstKind(x, y), ax, schemes, None, legend, width)

    def workers(self, schemes: Schemes = None, width: float | None = None) -> Axes:
        """Which worker everybody waited for, and what that cost; two panels."""
        return self._draw(PICTURE_KINDS["workers"], None, schemes, width=width)

    def delays(self, width: float | None = None) -> Axes:
        """Density, survival function and order statistics of the delays; three panels."""
        return self._draw(PICTURE_KINDS["delays"], None, None, width=width)

    def gantt(self, schemes: Schemes = None, width: float | None = None) -> Axes:
        """What every worker did in the first seconds; needs ``run(..., timeline=True)``."""
        records = self._records
        if records.timeline is None and (records.config or {}).get("engine") != "law":
            raise ConfigError("this result has no timeline: make it with run(..., timeline=True)")
        return self._draw(PICTURE_KINDS["gantt"], None, schemes, width=width)

    @looking()
    def _draw(
        self,
        kind: PictureKind,
        ax: Ax,
        schemes: Schemes,
        band: Spread = None,
        legend: bool = True,
        width: float | None = None,
    ) -> Axes:
        if band is not None and band not in get_args(Band):
            raise at("band", band, one_of(get_args(Band), band))
        if width is not None and not (ax is None and 1.5 <= width <= 40):
            valid = "inches, 1.5 to 40" if ax is None else "None where ax is given"
            raise at("width", width, f"must be {valid}")
        records = self._records.only([schemes] if isinstance(schemes, str | int) else schemes)
        return draw(kind.possible(records, band), ax, legend, width)


def draw(picture: Picture, ax: Ax = None, legend: bool = True, width: float | None = None) -> Axes:
    """Draw a picture on ``ax``, or on a new figure that is handed to pyplot, which then shows it
    like one that it has made itself. Returns the first axes."""
    if ax is not None:
        with style.applied():
            return on_axes(ax, picture, legend)
    from matplotlib import pyplot

    picture = picture if legend else replace(picture, legend=0)
    figure = paint.printed(picture, width) if width else paint.figure(picture)
    pyplot.figure(FigureClass=cast(Any, lambda **_: figure))
    return figure.axes[0]
