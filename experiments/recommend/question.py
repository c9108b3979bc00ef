"""What is asked: goal and limits as options, and a measured table in place of a config."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...delay_models.tables.measured import AS_IT_IS, Reading
from ..config.catalogue import Catalogue
from ..config.errors import ConfigError, at, one_of
from ..fit import command
from ..fit.study import investigate
from .goal import Limits


@dataclass(frozen=True)
class Options:
    """Goal and limits, as they are given on the command line."""

    target: float | None = None
    budget: float | None = None
    max_load: float | None = None
    max_worker_seconds: float | None = None
    max_bytes: float | None = None
    max_error: float | None = None
    only: str | None = None

    def limits(self, features: int) -> Limits:
        """What must be kept.

        Args:
            features: p; 0 without a problem, where messages have no size.

        Raises:
            ConfigError: one is not a number that can be kept.
        """
        for name in ("max_load", "max_worker_seconds", "max_bytes", "max_error"):
            value, least = getattr(self, name), 1.0 if name == "max_load" else 0.0
            if value is not None and not (math.isfinite(value) and value >= least):
                option = f"--{name.replace('_', '-')}"
                raise at(option, value, f"must be a number of at least {least:g}")
        if self.max_bytes is not None and not features:
            text = "needs a problem, which says how long a gradient is"
            raise at("--max-bytes", self.max_bytes, text)
        return Limits(self.max_load, self.max_worker_seconds, self.max_bytes, self.max_error)

    def schemes(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Names of the schemes that are searched; empty: all.

        Raises:
            ConfigError: there is no such scheme.
        """
        if self.only is None:
            return ()
        names = tuple(dict.fromkeys(part.strip() for part in self.only.split(",")))
        known: Mapping[str, Any] = catalogue["schemes"].classes
        for name in names:
            if name not in known:
                raise at("--only", name, one_of(known, name))
        return names


REPLICATIONS, ITERATIONS = 32, 100
"""Of a config that is made from a table."""

ROWS_A_WORKER, FEATURES = 40, 20
"""Of the synthetic problem that stands for one's own."""


@dataclass(frozen=True)
class Table:
    """Measured delays, and what is trained on them.

    Attributes:
        path: the table.
        workers: n; ``None``: as many as the table has.
        loss: of the problem; ``None``: timing only.
        dataset: of the problem; ``None``: synthetic.
        replay: draw whole measured rounds anew instead of fitting a law to them.
        reading: what the file does not say of itself.
    """

    path: Path
    workers: int | None = None
    loss: str | None = None
    dataset: str | None = None
    replay: bool = False
    reading: Reading = AS_IT_IS

    @classmethod
    def of(
        cls,
        path: Path | None,
        workers: int | None,
        loss: str | None,
        dataset: str | None,
        replay: bool,
        reading: Reading,
    ) -> Table | None:
        """The options of a command line; ``None`` without a table.

        Raises:
            ConfigError: one of them says something of a table, and there is none.
        """
        if path is not None:
            return cls(path, workers, loss, dataset, replay, reading)
        said = {"workers": workers, "loss": loss, "dataset": dataset}
        said |= {key: v for key, v in vars(reading).items() if v != getattr(AS_IT_IS, key)}
        said |= {"replay": True} if replay else {}
        for option, value in said.items():
            if value is not None:
                raise ConfigError(f"--{option}: says something of a measured table; needs --trace")
        return None

    def document(self) -> tuple[dict[str, Any], list[str]]:
        """A config made from the table, and what should be known of it.

        Raises:
            ConfigError: the table cannot be used.
        """
        path, loss, dataset = self.path, self.loss, self.dataset
        reading, replay, workers = self.reading, self.replay, self.workers
        measured, notes = command.read_tables(str(path), reading)
        n = measured.workers if workers is None else workers
        document: dict[str, Any] = {
            "name": path.name.split(".")[0] or "trace",
            "workers": n,
            "iterations": ITERATIONS,
            "replications": REPLICATIONS,
        }
        if replay:
            if len(measured.tables) > 1:
                loads = ", ".join(f"{key:g}" for key in measured.tables if key is not None)
                raise ConfigError(
                    f"--replay: {path} has several loads; choose one of {loads} (--load)"
                )
            document["delay"] = _replayed(path, reading, n < measured.workers)
        else:
            ks = command.k_range(None, measured.workers)
            found = investigate(
                measured.tables, reading.load, ks, lambda done, total: None, measured.hosts, ()
            )
            document |= {"delay": found.chosen.section, "load_law": found.load_law}
            notes = [*notes, f"delays fitted to {path.name}: {', '.join(found.chosen.why)}"]
        if len(measured.tables) == 1:
            notes = [*notes, f"{path.name} has one load, so the load law is assumed: proportional"]
        if loss is not None:
            data = {"dataset": dataset or "synthetic"}
            if dataset is None:
                data |= {"rows": ROWS_A_WORKER * n, "features": FEATURES}  # type: ignore[dict-item]
                notes = [
                    *notes,
                    "the problem is synthetic: times to its target rank the schemes, and "
                    "are not those of your training",
                ]
            document["problem"] = {"loss": loss, **data}
            document["optimizer"] = {"rule": "gd", "learning_rate": 1.0}
        elif dataset is not None:
            raise at("--dataset", dataset, "needs --loss as well")
        return document, notes


def _replayed(path: Path, reading: Reading, fewer: bool) -> dict[str, Any]:
    section: dict[str, Any] = {"model": "trace", "path": str(path), "resample": "rounds"}
    said = {
        "columns": dict(reading.columns) or None,
        "drop": list(reading.drop) or None,
        "unit": reading.unit,
        "load": reading.load,
        "hosts": "first" if fewer else None,
    }
    section |= {key: value for key, value in said.items() if value is not None}
    section |= {"missing": reading.missing, "retries": reading.retries}
    return section
