"""Members of the sequential figure: closed forms and hand counts; tuned rates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.reproduce import sequential_members
from erasurehead.experiments.reproduce.base import Effort
from erasurehead.experiments.reproduce.clusters import MEAN, WORK, additive
from erasurehead.experiments.reproduce.loss_time import EXPERIMENTS
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
from erasurehead.experiments.reproduce.time_to_target import TimeToTarget
from erasurehead.experiments.run.tuning import SHARE, Runs, best, target_loss
from erasurehead.sim.problems.losses import SquaredLoss

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


# Time to the target and tuned rates: by hand, and against the problem's own minimum.


DATA = {
    "iterations": 12,
    "replications": 2,
    "problem": {"loss": "least_squares", "dataset": "diabetes", "l2": "1/rows"},
    "delay": {"model": "deterministic", "value": 2.0},
}


def test_time_to_the_target_by_hand() -> None:
    """Reached at once, later, by chance on the way up, and never."""
    times = np.array([[0.0, 2.0, 3.0, 7.0]] * 4)
    losses = np.array(
        [[1.0, 0.5, 0.4, 0.3], [1.0, 0.9, 0.8, 0.5], [1.0, 0.2, 3.0, 9.0], [1.0, 0.9, 0.8, 0.7]]
    )
    runs = Runs(times, losses)
    np.testing.assert_array_equal(runs.seconds(0.5), [2.0, 7.0, np.nan, np.nan])
    np.testing.assert_array_equal(runs.iterations(0.5), [1, 3, np.nan, np.nan])


def test_the_best_is_reached_most_often_and_then_soonest() -> None:
    """Catches a mean over those replications that happen to reach the target."""
    often, soon, never = np.array([9.0, 11.0]), np.array([1.0, np.nan]), np.array([np.nan] * 2)
    assert best([never, soon, often]) == 2
    assert best([never, soon]) == 1
    assert best([often, often - 1, often + 1]) == 1
    assert best([never, never]) == 0


def test_the_target_of_least_squares_from_the_normal_equations() -> None:
    """Catches a target that forgets the L2 term in the minimum, or counts it in the loss."""
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((40, 3)), rng.standard_normal(40)
    problem = SquaredLoss(X, y, partitions=4, l2=0.1)
    model = np.linalg.solve(X.T @ X / 40 + 0.1 * np.eye(3), X.T @ y / 40)
    start, end = np.mean(y**2), np.mean((y - X @ model) ** 2)
    expected = end + (1 - SHARE) * (start - end)
    assert target_loss(problem) == pytest.approx(expected, rel=1e-9)


def test_runs_at_a_rate_are_those_of_a_config() -> None:
    """Catches a clock, a rate or an iteration of asynchronous updates that differs."""
    rates = (0.01, 0.001)
    for scheme in ({"name": "uncoded"}, {"name": "asynchronous"}):
        _, several = sequential_members.training_runs(DATA, scheme, rates, Effort())
        for rate, runs in zip(rates, several, strict=True):
            optimizer = sequential_members.ANY_RATE["optimizer"] | {"learning_rate": rate}
            document = DATA | {"schemes": [scheme], "optimizer": optimizer}
            [(_, result)] = Effort().results(document)
            for column, found in (("time", runs.times), ("train_loss", runs.losses)):
                expected = result.iterations[column].to_numpy().reshape(found.shape)
                np.testing.assert_array_equal(found, expected)


def test_every_scheme_suits_every_data_set() -> None:
    """Catches micro-batches that are more than the rows of a data set that only --full has."""
    figure = TimeToTarget()
    for grid in figure.grids + figure.more:
        loss = EXPERIMENTS[grid.dataset].loss
        document = DATA | {"problem": {"loss": loss, "dataset": grid.dataset, "l2": "1/rows"}}
        for one in figure.contestants().values():
            run, _ = sequential_members.training_runs(
                document, dict(one.section), grid.rates, Effort()
            )
            assert run.iterations == DATA["iterations"]
