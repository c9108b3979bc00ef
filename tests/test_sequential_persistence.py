"""Members of the sequential figure: closed forms and hand counts; tuned rates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.pictures.picture import Heat, Picture, Points, Texts
from erasurehead.experiments.reproduce import sequential_members, time_to_target
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
    load_of,
    members_text,
    timed_members,
    until,
)
from erasurehead.experiments.reproduce.sequential_persistence import _verdict
from erasurehead.experiments.reproduce.time_to_target import TimeToTarget
from erasurehead.experiments.run.tuning import SHARE, Runs, best, target_loss
from erasurehead.sim.problems.losses import SquaredLoss
from erasurehead.sim.schemes import SCHEMES
from tests.tools import assert_readable

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


@pytest.mark.parametrize("load", [2, 3, 5])
def test_contestants_have_the_load_of_the_figure(load: int) -> None:
    """B = 1 and W = 2 make a load of 1 + lambda / 2; who leaves out few waits for n - d + 1."""
    figure = TimeToTarget(load=load, wait_for=12)
    known = figure.contestants()
    repeat = SCHEMES["sequential"](
        **{k: v for k, v in known[REPEAT].section.items() if k != "name"}
    )
    assert load_of(repeat.build(30)) == load
    for one in known.values():
        assert one.section.get("load", load) == load
        fewer = one.section["name"] in ("ignore_stragglers", "pipelined")
        assert one.section.get("wait_for", 12) == (30 - load + 1 if fewer else 12)
    assert known[MULTIPLEXED].parameters.endswith(f"λ = {2 * (load - 1)}, μ = 0.5")
    assert (known["uncoded"].parameters, known["uncoded"].family) == ("–", "synchronous")


def test_where_some_runs_do_not_arrive_there_is_no_mean() -> None:
    """Runs of an update each second; the last loss of the second is above the target again."""
    losses = np.array([[4.0, 2.0, 1.0], [4.0, 1.0, 3.0]])
    runs = Runs(np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]), losses)
    found = time_to_target._numbers(runs, 2.0)
    assert (found["reached"], found["replications"], found["elapsed"]) == (1, 2, 3.0)
    assert np.isnan(found["seconds"])
    assert "ratio" not in found
    whole = time_to_target._numbers(runs, 3.0, np.array([2.0, 1.0]))
    assert (whole["reached"], whole["seconds"]) == (2, 1.5)
    assert whole["iterations"] == 1.0
    assert whole["ratio"] == pytest.approx(1.0), "1 s of 2 s, and 2 s of 1 s"
    late = pd.Series({"reached": 1, "replications": 2, "elapsed": 3.0}, dtype=object)
    assert time_to_target._timed(late, "seconds", " in 3.0 s") == "1 of 2 arrive in 3.0 s"
    there = pd.Series({"reached": 2, "replications": 2, "seconds": 1.5})
    there["seconds_low"], there["seconds_high"] = 1.25, 2.0
    assert time_to_target._timed(there, "seconds", " in 3.0 s") == "1.50 [1.25, 2.00]"
    assert [time_to_target._power(rate) for rate in (2.0, 1.0, 0.5)] == ["2", "1", "1/2"]
    rows = pd.DataFrame({"scheme": [*"abcd"], "seconds": [2.0, 1.0, np.nan, 2.0]})
    assert time_to_target._ranks(rows) == {"a": "2", "b": "1", "c": "–", "d": "2"}


def tuned_frame() -> pd.DataFrame:
    """Uncoded, two that are as fast for all one knows, one that only tuning makes faster, and
    others of which some runs never arrive; three rates are tried."""
    figure, rows = TimeToTarget(), []
    for place, scheme in enumerate(figure.contestants()):
        seconds = {"uncoded": 4.0, "erasurehead": 1.0, "ringleader": 1.25, "k_async": 3.0}
        mean, arrive = seconds.get(scheme, np.nan), 8 if scheme in seconds else 6
        own = {"erasurehead": 2.0, "ringleader": 0.5, "k_async": 0.5}.get(scheme, 1.0)
        for kind, rate in (("own best rate", own), ("uncoded's best rate", 1.0)):
            slower = 2.0 if scheme == "k_async" and kind != "own best rate" else 1.0
            known = {"scheme": scheme, "kind": kind, "rate": rate, "target": 0.25}
            ends = {"": slower, "_low": slower * 0.9, "_high": slower * 1.1}
            known |= {f"seconds{end}": mean * factor for end, factor in ends.items()}
            known |= {f"ratio{end}": mean * factor / 4 for end, factor in ends.items()}
            rows.append({**known, "reached": arrive, "replications": 8, "elapsed": 40.0 + place})
        for rate in (0.5, 1.0, 2.0):
            known = {"scheme": scheme, "kind": "grid", "rate": rate, "target": 0.25}
            slow = 1.0 if rate == own else 2.0
            rows.append({**known, "seconds": mean * slow, "reached": 4, "replications": 4})
    return pd.DataFrame(rows).assign(dataset="breast_cancer", load_law="additive")


def test_who_is_first_and_who_gains_by_tuning() -> None:
    """Everybody within the first one's interval; best rates at an end of the grid are told."""
    frame = tuned_frame()
    said = TimeToTarget()._cluster_report("breast_cancer", "additive", frame)
    titles = {one.section["name"]: one.look.title for one in TimeToTarget().contestants().values()}
    uncoded, ours, leader, batch = (
        titles[name] for name in ("uncoded", "erasurehead", "ringleader", "k_async")
    )
    assert len({uncoded, ours, leader, batch}) == 4
    assert f"each at its own best rate {ours}; at uncoded's best rate, 1, {ours}." in said
    assert f"Faster than uncoded only when tuned: {batch}." in said
    assert said.count(titles["ringmaster"]) >= 2, "some of its runs do not arrive"
    assert f"that one beyond may be better: {ours}, {batch}, {leader}." in said
    wide = frame.assign(seconds_high=frame["seconds_high"] * 1.1)
    both = TimeToTarget()._cluster_report("breast_cancer", "additive", wide)
    assert f"each at its own best rate {ours}, {leader}; at" in both
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith(f"| {ours} ")]
    assert [cell.strip(" |") for cell in rows[0]] == [
        *(ours, "approximate code", "d = 3, r = 15", "2", "1.00 [0.90, 1.10]"),
        *("0.25 [0.23, 0.28]", "1", "0.25 [0.23, 0.28]", "1"),
    ]
    [late] = [line for line in said.splitlines() if line.startswith(f"| {titles['ringmaster']} ")]
    assert late.count("6 of 8 arrive") == 4 - 1
    assert "6 of 8 arrive in " in late


def test_marks_of_a_tuned_scheme() -> None:
    """Its own rate in its colour, the common one as a ring, runs that do not arrive as an arrow."""
    figure, frame = TimeToTarget(), tuned_frame()
    panel = figure._ratios(frame, "additive")
    assert_readable(Picture([panel], 1, 5.0, 5.0))
    schemes = [*figure.contestants()]
    points = [m for m in panel.marks if isinstance(m, Points) and len(m.x)]
    at = {name: [m for m in points if m.y[0] == place] for place, name in enumerate(schemes)}
    assert [(m.look.marker, m.x[0], m.hollow) for m in at["uncoded"]] == [
        (figure.contestants()["uncoded"].look.marker, 1.0, False)
    ]
    bars, ring, own = at["k_async"]
    assert [m.x[0] for m in (bars, ring, own)] == [1.5, 1.5, 0.75]
    assert (ring.look.marker, ring.hollow, own.hollow) == ("o", True, False)
    np.testing.assert_allclose(own.dx, [[0.075], [0.075]])
    place = schemes.index("ringmaster")
    assert [(m.look.marker, m.x[0], m.hollow) for m in at["ringmaster"]] == [
        (">", (40.0 + place) / 4.0, True)
    ]
    [words] = [mark for mark in panel.marks if isinstance(mark, Texts)]
    assert words.words[:2] == ("rate", "1")
    assert words.words[1 + schemes.index("erasurehead")] == "2"
    assert words.y.tolist() == [float(i) for i in range(-1, len(schemes))]
    heat, best = figure._rates(frame[frame["kind"] == "grid"], "title").marks
    assert isinstance(heat, Heat)
    assert isinstance(best, Texts)
    np.testing.assert_array_equal(heat.values[schemes.index("k_async")], [1.0, 2.0, 2.0])
    assert np.isnan(heat.values[place]).all()
    assert (1.0, float(schemes.index("uncoded"))) in {*zip(best.x, best.y, strict=True)}
    assert len(best.x) == 4
