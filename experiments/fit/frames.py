"""The findings as tidy tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from ...delay_models.base import FloatArray
from .findings import Findings
from .hosts import worker_table
from .laws.goodness import observed_order_statistics

CONFIG = "config"
"""The family's name of the whole ``delay:`` section, beside the families."""


def fit_table(findings: Findings) -> pd.DataFrame:
    """One row per subject and family, best prediction of held-out rounds first.

    Columns: ``load`` (``all`` pools all loads), ``family``, ``delay`` (the section, JSON),
    ``parameters`` (how many), ``delays`` (how many were fitted), ``log_likelihood``, ``aic``,
    ``ks``, ``order_error`` (of the rounds that were fitted), ``held_out`` (of rounds that were
    not), ``rank_order``, ``rank_aic``.
    """
    rows = []
    for answer in findings.answers:
        aics = sorted(fit.aic for fit in answer.fits)
        for rank, fit in enumerate(answer.fits, start=1):
            rows.append(
                {
                    "load": answer.subject.label,
                    "family": fit.family.name,
                    "delay": json.dumps(fit.law.section()),
                    "parameters": len(fit.family.parameters),
                    "delays": len(answer.subject.bulk),
                    "log_likelihood": fit.log_likelihood,
                    "aic": fit.aic,
                    "ks": fit.ks,
                    "order_error": fit.order_error,
                    "held_out": fit.held_out.error,
                    "rank_order": rank,
                    "rank_aic": 1 + aics.index(fit.aic),
                }
            )
    return pd.DataFrame(rows)


def order_table(findings: Findings) -> pd.DataFrame:
    """One row per subject, family and k: mean k-th smallest delay of a round, seconds.

    Columns: ``load``, ``family`` (``config``: the whole section, against all rounds; families:
    against rounds without cold starts), ``k``, ``observed``, ``predicted``, ``ratio``.
    """
    ks = np.array(findings.ks)
    whole = observed_order_statistics(findings.main.subject.rounds, findings.ks)
    parts = [(findings.main.subject.label, CONFIG, whole, findings.chosen.predicted)]
    for answer in findings.answers:
        label = answer.subject.label
        parts += [(label, f.family.name, f.observed, f.predicted) for f in answer.fits]
    with np.errstate(divide="ignore", invalid="ignore"):  # a delay of 0 s has no ratio
        frames = [_orders(ks, *part) for part in parts]
    return pd.concat(frames, ignore_index=True)


def workers_table(findings: Findings) -> pd.DataFrame:
    """One row per worker; see ``hosts.worker_table``."""
    return worker_table(findings.workers, findings.hosts)


def _orders(
    ks: np.ndarray, load: str, family: str, observed: FloatArray, predicted: FloatArray
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "load": load,
            "family": family,
            "k": ks,
            "observed": observed,
            "predicted": predicted,
            "ratio": predicted / observed,
        }
    )


def shown_places(count: int) -> list[int]:
    """Which of so many order statistics are shown: at most six, with the first and the last."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, 6).round())]
