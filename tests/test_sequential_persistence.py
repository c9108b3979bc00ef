"""Members of the sequential figure: closed forms and hand counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.reproduce.base import Effort
from erasurehead.experiments.reproduce.clusters import MEAN, WORK, additive
from erasurehead.experiments.reproduce.sequential_members import (
    EXACT,
    ITERATION,
    MULTIPLEXED,
    REPEAT,
    SEQUENTIAL,
    TARGET,
    members_text,
    timed_members,
    until,
)
from erasurehead.experiments.reproduce.sequential_persistence import _verdict

CONSTANT_DELAYS = {
    "iterations": 20,
    "replications": 2,
    "delay": {"model": "deterministic", "value": MEAN},
}

ROUNDS = 11
"""To the target, in tests that are not about learning."""


@pytest.mark.parametrize(
    ("load_law", "work"), [({"kind": "proportional"}, None), (additive(WORK), WORK)]
)
def test_without_stragglers_a_code_costs_its_load(
    load_law: dict[str, object], work: float | None
) -> None:
    """Catches a lost load, rounds after the last job that are not counted, and a wrong lag.

    B = 1, W = 2, lambda = 4: selective repeat has s = ceil(4/2) = 2; multiplexed has two mini-tasks
    a round, of 1/(1 + 1/5) partitions each, and one round more for every run.
    """
    members = [
        EXACT["uncoded"][0],
        EXACT["fractional_repetition"][0],
        *(
            one
            for family in (REPEAT, MULTIPLEXED)
            for one in EXACT[family]
            if (one["B"], one["W"], one["stragglers"]) == (1, 2, 4)
        ),
    ]
    document = CONSTANT_DELAYS | {"load_law": load_law}
    found = timed_members(document, members, lambda member, staleness: (1.0, ROUNDS), Effort())
    extra = (0, 0, 0, 1)
    for one, load, rounds, lag in zip(found, (1, 2, 3, 10 / 6), extra, (0, 0, 1, 1), strict=True):
        second = load * MEAN if work is None else load * work + MEAN
        assert one.load == pytest.approx(load)
        assert one.staleness == lag
        np.testing.assert_allclose(one.seconds[ITERATION], second * (20 + rounds) / 20)
        np.testing.assert_allclose(one.seconds[TARGET], second * (ROUNDS + lag))


def test_until_counts_from_the_first_iteration() -> None:
    times = np.array([[1.0, 2.5, 4.0]])
    assert [float(until(times, k)[0]) for k in (1, 3)] == [1.0, 4.0]
    assert np.isnan(until(times, 4)).all()
    assert np.isnan(until(times, np.nan)).all()


def test_the_text_names_every_family_and_its_choices() -> None:
    assert (
        "selective repeat: λ = 2, 4, 8 or 15, (B, W) = (1, 2), (1, 4), (2, 3) or (4, 5)"
        in members_text()
    )


@pytest.mark.parametrize(("groups", "said"), [(0.9, "at 1 of the 2"), (1.1, "at none of the 2")])
def test_the_first_line_says_where_sequential_codes_pay(groups: float, said: str) -> None:
    """Faster than each code without memory: one that beats two of three does not pay."""
    rows = [
        {
            "measure": "seconds",
            "load_law": "additive",
            "persistence": persistence,
            "family": family,
            "to_uncoded_high": high,
            "to_fractional_repetition_high": high * groups,
            "to_cyclic_repetition_high": high,
        }
        for persistence, high in ((0.0, 0.99), (0.9, 1.5))
        for family in (*SEQUENTIAL, "uncoded")
    ]
    text = _verdict(pd.DataFrame(rows))
    assert said in text
    assert "than uncoded at 1, " in text
