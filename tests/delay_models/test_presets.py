"""Presets have the facts that were measured on the clusters they are named after."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import stats

from erasurehead.delay_models import Tape
from erasurehead.delay_models.presets import LambdaCnn, LlmRanks

WORKERS = 256


def lambda_rows(load: float, rounds: int = 4000) -> np.ndarray:
    return Tape(LambdaCnn(load=load), WORKERS, seed=9, replication=0).rows(0, rounds)


@pytest.mark.parametrize("load", [0.0, 0.5, 1.0])
def test_a_call_takes_longer_with_its_load_but_is_not_more_spread(load: float) -> None:
    """0.64 + 1.127 load within 5 %; half of the calls within 0.08 s. Catches swapped loads."""
    low, median, high = np.quantile(lambda_rows(load, 200), [0.25, 0.5, 0.75])
    assert median == pytest.approx(0.64 + 1.127 * load, rel=0.05)
    assert high - low < 0.12


@pytest.mark.parametrize("load", [0.0, 0.5, 1.0])
def test_nine_percent_of_rounds_have_about_five_cold_starts(load: float) -> None:
    cold = lambda_rows(load) > 10
    hit = cold.any(axis=1)
    assert stats.binomtest(int(hit.sum()), len(hit), 0.09).pvalue > 1e-6
    assert cold[hit].sum(axis=1).mean() == pytest.approx(5, abs=4.9 * np.sqrt(5 / hit.sum()))


def test_cold_starts_take_26_to_40_seconds() -> None:
    """Catches a start-up in place of the call, or one that knows no second length."""
    rows = lambda_rows(1.0)
    cold = rows[rows > 10]
    assert np.quantile(cold, 0.001) > 26
    assert np.quantile(cold, 0.999) < 40
    assert np.mean(cold > 32) == pytest.approx(0.35, abs=0.15)


@pytest.mark.parametrize(("stage", "ratio"), [(0, 1.41), (1, 1.28)])
def test_the_slowest_of_32_ranks(stage: int, ratio: float) -> None:
    """Largest over median of a step, as measured, within 3 %. Catches a lost shift or scale."""
    rows = Tape(LlmRanks(stage=stage), 32, seed=9, replication=0).rows(0, 4000)  # type: ignore[arg-type]
    assert np.mean(rows.max(axis=1) / np.median(rows, axis=1)) == pytest.approx(ratio, rel=0.03)


def test_the_last_stage_has_two_seconds_more() -> None:
    assert LlmRanks(stage=1).mean() - LlmRanks(stage=0).mean() == pytest.approx(2.03, abs=0.02)


def test_a_load_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be one of the loads that were measured"):
        LambdaCnn(load=0.25)
