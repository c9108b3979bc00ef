"""The findings as tables; docs/whatif.md has the columns."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from .study import Estimate, Study
from .words import change_name

LISTED = 100
"""Hosts that a cell names; ``hosts.csv`` has the order of all."""


def whatif_table(studies: Iterable[Study]) -> pd.DataFrame:
    """One row per load and change."""
    rows = [
        {
            "load": study.load,
            "change": saving.kind,
            "count": saving.count,
            "hosts": ", ".join(study.names[host] for host in saving.hosts[:LISTED]),
            "quantile": saving.quantile,
            "timeout": saving.timeout,
            "seconds": saving.seconds,
            **_ends("saved", saving.saved),
            **_ends("share", saving.share),
            **_ends("hours_a_day", saving.hours),
            "slowdown": saving.seconds / study.typical,
            "rounds_ended": len(study.table) + saving.ended,
            "text": change_name(study, saving),
        }
        for study in studies
        for saving in study.savings
    ]
    return pd.DataFrame(rows).astype({"load": float})


def slowdown_table(studies: Iterable[Study]) -> pd.DataFrame:
    """The seconds of a step, by cause, for each load."""
    rows = []
    for study in studies:
        nothing = {"low": np.nan, "high": np.nan}
        parts = {cause: vars(part) for cause, part in study.parts.items()}
        parts = {"typical": {"value": study.typical, **nothing}, **parts}
        parts["step"] = {"value": study.seconds, **nothing}
        for part, ends in parts.items():
            rows.append(
                {
                    "load": study.load,
                    "part": part,
                    "seconds": ends["value"],
                    "seconds_low": ends["low"],
                    "seconds_high": ends["high"],
                    "share": ends["value"] / study.seconds,
                }
            )
    return pd.DataFrame(rows).astype({"load": float})


def hosts_table(studies: Iterable[Study]) -> pd.DataFrame:
    """One row per load and host, the one that costs most by itself first."""
    return pd.concat([_hosts(study) for study in studies], ignore_index=True)


def _hosts(study: Study) -> pd.DataFrame:
    host, rounds = study.host, len(study.table)
    place = np.empty(study.workers, dtype=np.int64)
    place[list(host.order)] = np.arange(1, study.workers + 1)
    absent = study.missing.sum(axis=0)
    frame = pd.DataFrame(
        {
            "load": np.full(study.workers, np.nan if study.load is None else study.load),
            "host": study.names,
            "worker": np.arange(study.workers),
            "alone": host.alone,
            "alone_low": host.low,
            "alone_high": host.high,
            "alone_share": host.alone / study.seconds,
            "blame": host.blame,
            "factor": host.factor,
            "ends": host.ends,
            "mean": study.table.mean(axis=0),
            "missing": absent / (rounds + len(study.missing)),
            "stands_out": np.isin(np.arange(study.workers), host.standing),
            "order": place,
        }
    )
    return frame.sort_values(["alone", "blame"], ascending=False, kind="stable")


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
