"""Workers with laws of their own: only they differ, and each as its own model says."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from erasurehead.delay_models import MODELS, Tape
from erasurehead.delay_models.compose import OwnLaws

FAST, SLOW = MODELS["deterministic"](value=1.0), MODELS["deterministic"](value=5.0)
SPELLS = MODELS["markov"](slow_to_slow=0.95, fast_to_slow=0.01, fast=FAST, slow=SLOW)


def test_each_follows_its_own() -> None:
    """Worker 2 has spells, worker 0 is always slow, worker 9 is not there, all others are fast."""
    model = OwnLaws(base=FAST, workers=(2, 0, 9), models=(SPELLS, SLOW, SLOW))
    rows = Tape(model, 5, seed=1, replication=0).rows(0, 40_000)
    assert np.all(rows[:, [1, 3, 4]] == 1.0)
    assert np.all(rows[:, 0] == 5.0)
    slow = rows[:, 2] == 5.0
    share = 0.01 / (0.01 + 0.05)
    # A chain with persistence 0.94 has (1 + 0.94) / (1 - 0.94) times the variance of the mean.
    error = np.sqrt(share * (1 - share) / len(slow) * 1.94 / 0.06)
    assert slow.mean() == pytest.approx(share, abs=4.9 * error)
    assert slow[1:][slow[:-1]].mean() == pytest.approx(0.95, abs=0.02)


def test_own_laws_last_as_long_as_the_shortest() -> None:
    model = OwnLaws(base=FAST, workers=(0,), models=(SLOW,))
    assert model.rounds_available() is None
    assert model.longest() == 5.0


@pytest.mark.parametrize(
    ("workers", "models", "word"),
    [
        ((0, 1), (FAST,), "1 models for 2 workers"),
        ((1, 1), (FAST, SLOW), "named twice"),
        ((), (), "at least 1"),
        ((-1,), (FAST,), "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    workers: tuple[int, ...], models: tuple[object, ...], word: str
) -> None:
    with pytest.raises(ValidationError, match=word):
        OwnLaws(base=FAST, workers=workers, models=models)  # type: ignore[arg-type]
