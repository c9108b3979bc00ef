"""Time to the target and tuned rates: by hand, and against the problem's own minimum."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.experiments.reproduce import sequential_members
from erasurehead.experiments.reproduce.base import Effort
from erasurehead.experiments.reproduce.loss_time import EXPERIMENTS
from erasurehead.experiments.reproduce.time_to_target import TimeToTarget, contestants
from erasurehead.experiments.run.tuning import SHARE, Runs, best, target_loss
from erasurehead.sim.problems.losses import SquaredLoss

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
        for one in contestants(figure.load, figure.wait_for, 0.02).values():
            run, _ = sequential_members.training_runs(
                document, dict(one.section), grid.rates, Effort()
            )
            assert run.iterations == DATA["iterations"]
