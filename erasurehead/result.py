"""What a run found: its tables, config and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, final

import pandas as pd

from erasurehead.experiments.config.document import read_mapping
from erasurehead.experiments.config.errors import ConfigError
from erasurehead.experiments.pictures.records import Records, read_records, read_table
from erasurehead.experiments.run.outputs import CONFIG, SUMMARY, Origin, origin_of
from erasurehead.experiments.text import number_of
from erasurehead.plots import Plots
from erasurehead.sim.metrics import METRICS


@final
@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """What a run or sweep found. All times are simulated seconds.

    The tables are read from ``directory`` when they are first asked for, and then kept: copy one
    before you change it.

    Attributes:
        directory: where the tables lie; ``None`` for a run without ``output``.
        failed: cells of a sweep that could not be computed, with the reason (empty if loaded).
    """

    directory: Path | None
    failed: Mapping[str, str] = field(default_factory=dict)
    _memory: Records | None = None

    @classmethod
    def of(cls, directory: Path, failed: Mapping[str, str] | None = None) -> Result:
        """The result in a folder.

        Raises:
            ConfigError: there is none.
        """
        if not directory.is_dir():
            raise ConfigError(f"{directory}: no such directory")
        result = cls(directory, failed or {})
        result._origin  # noqa: B018
        result.summary  # noqa: B018  # the smallest table; says whether this is a result at all
        return result

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per cell: means over replications, standard errors, paired comparisons."""
        if self.directory is None:
            return self._records.summary
        return read_table(self.directory / SUMMARY)

    @property
    def iterations(self) -> pd.DataFrame:
        """One row per cell, replication and iteration: times, arrivals, errors, losses."""
        return self._records.iterations

    @property
    def workers(self) -> pd.DataFrame:
        """One row per cell and worker: utilisation, and what waiting for it cost."""
        workers = self._records.workers
        if workers is None:
            raise ConfigError(f"{self.directory}: has no workers.parquet")
        return workers

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The config with every default written out; ``run`` takes it as it is."""
        if self.directory is not None:
            return read_mapping(self.directory / CONFIG)
        assert self._memory is not None
        return self._memory.config or {}

    @cached_property
    def _origin(self) -> Origin | None:
        return None if self.directory is None else origin_of(self.directory)

    @cached_property
    def _records(self) -> Records:
        """Every table.

        Raises:
            ConfigError: another run has written to the directory since this result was loaded.
        """
        if self._memory is not None:
            return self._memory
        assert self.directory is not None
        records = read_records(self.directory)
        if origin_of(self.directory) != self._origin:
            raise ConfigError(f"{self.directory}: holds another run by now; load it again")
        return records

    @property
    def plot(self) -> Plots:
        """Pictures: ``result.plot.loss_time()``, and so on."""
        return Plots(self._records)

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _repr_html_(self) -> str:
        """The summary's main columns, for a notebook."""
        return f"<p>{escape(self._title())}</p>{self._overview().to_html(border=0)}"

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
        summary = self.summary
        swept = [key for key in self.config.get("sweep") or {} if key in summary]
        shown = summary[swept].copy()
        for metric in METRICS.values():
            if metric.heading and f"{metric.name}_mean" in summary:
                rows = summary.to_dict("records")
                shown[metric.heading] = [_estimate(*metric.estimate(row)) for row in rows]
        return shown.set_axis(summary["label"].rename("scheme"))


def _span(summary: pd.DataFrame, key: str) -> str:
    """``30 workers``, or ``12 to 48 workers`` where a sweep has several."""
    low, high = summary[key].min(), summary[key].max()
    return f"{low} {key}" if low == high else f"{low} to {high} {key}"


def _estimate(mean: float, error: float) -> str:
    if pd.isna(mean):
        return "-"
    return f"{mean:.4g}" + ("" if pd.isna(error) else f" ± {error:.1g}")
