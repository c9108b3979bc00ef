"""Members of the sequential figure: closed forms and hand counts; tuned rates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.pictures.picture import Heat, Points, Texts
from erasurehead.experiments.reproduce.base import LAW_TITLES, MEAN_DELAY, Effort
from erasurehead.experiments.reproduce.figures import sequential_members, time_to_target, waiting
from erasurehead.experiments.reproduce.figures.loss_time import EXPERIMENTS
from erasurehead.experiments.reproduce.figures.ranking import CLUSTER_WORK, additive
from erasurehead.experiments.reproduce.figures.sequential_members import (
    EXACT_FAMILIES,
    ITERATION,
    MULTIPLEXED,
    REPEAT,
    TARGET,
    load_of,
    members_text,
    require_reached,
    timed_members,
    until,
)
from erasurehead.experiments.reproduce.figures.sequential_persistence import SequentialPersistence
from erasurehead.experiments.reproduce.figures.time_to_target import TimeToTarget
from erasurehead.experiments.run.tuning import TARGET_SHARE, Runs, best, target_loss
from erasurehead.sim.base.errors import InvalidParameter
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.training.problems.losses import LeastSquares
from tests.tools import assert_readable

CONSTANT_DELAYS = {
    "iterations": 20,
    "replications": 2,
    "delay": {"model": "deterministic", "value": MEAN_DELAY},
}

ROUNDS = 11
"""To the target, in tests that are not about learning."""


@pytest.mark.parametrize(
    ("load_law", "work"), [({"kind": "proportional"}, None), (additive(CLUSTER_WORK), CLUSTER_WORK)]
)
def test_without_stragglers_a_code_costs_its_load(
    load_law: dict[str, object], work: float | None
) -> None:
    """Catches a lost load, rounds after the last job that are not counted, and a wrong lag.

    B = 1, W = 2, lambda = 4: selective repeat has s = ceil(4/2) = 2; multiplexed has two mini-tasks
    a round, of 1/(1 + 1/5) partitions each, and one round more for every run.
    """
    members = [
        EXACT_FAMILIES["uncoded"][0],
        EXACT_FAMILIES["fractional_repetition"][0],
        *(
            one
            for family in (REPEAT, MULTIPLEXED)
            for one in EXACT_FAMILIES[family]
            if (one["B"], one["W"], one["stragglers"]) == (1, 2, 4)
        ),
    ]
    document = CONSTANT_DELAYS | {"load_law": load_law}
    found = timed_members(document, members, lambda member, staleness: (1.0, ROUNDS), Effort())
    extra = (0, 0, 0, 1)
    for one, load, rounds, lag in zip(found, (1, 2, 3, 10 / 6), extra, (0, 0, 1, 1), strict=True):
        second = load * MEAN_DELAY if work is None else load * work + MEAN_DELAY
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
    problem = LeastSquares(X, y, partitions=4, l2=0.1)
    model = np.linalg.solve(X.T @ X / 40 + 0.1 * np.eye(3), X.T @ y / 40)
    start, end = np.mean(y**2), np.mean((y - X @ model) ** 2)
    expected = end + (1 - TARGET_SHARE) * (start - end)
    assert target_loss(problem) == pytest.approx(expected, rel=1e-9)


def test_runs_at_a_rate_are_those_of_a_config() -> None:
    """Catches a clock, a rate or an iteration of asynchronous updates that differs."""
    rates = (0.01, 0.001)
    for scheme in ({"name": "uncoded"}, {"name": "asynchronous"}):
        _, several = sequential_members.training_runs(DATA, scheme, rates, Effort())
        for rate, runs in zip(rates, several, strict=True):
            optimizer = sequential_members.GRADIENT_DESCENT["optimizer"] | {"learning_rate": rate}
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
        for one in figure.tuned_schemes().values():
            run, _ = sequential_members.training_runs(
                document, dict(one.section), grid.rates, Effort()
            )
            assert run.iterations == DATA["iterations"]


@pytest.mark.parametrize("load", [2, 3, 5])
def test_tuned_schemes_have_the_load_of_the_figure(load: int) -> None:
    """B = 1 and W = 2 make a load of 1 + lambda / 2; who leaves out few waits for n - d + 1."""
    figure = TimeToTarget(load=load, wait_for=12)
    known = figure.tuned_schemes()
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


def test_uncoded_must_arrive_since_all_are_compared_with_it() -> None:
    require_reached(np.array([3.0, 4.0]), 12)
    with pytest.raises(InvalidParameter, match="iterations = 12: must take uncoded to the target"):
        require_reached(np.array([3.0, np.nan]), 12)


def test_where_some_runs_do_not_arrive_there_is_no_mean() -> None:
    """Runs of an update each second; the last loss of the second is above the target again."""
    losses = np.array([[4.0, 2.0, 1.0], [4.0, 1.0, 3.0]])
    runs = Runs(np.array([[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]), losses)
    found = time_to_target.numbers_at_target(runs, 2.0)
    assert (found["reached"], found["replications"], found["elapsed"]) == (1, 2, 3.0)
    assert np.isnan(found["seconds"])
    assert "ratio" not in found
    whole = time_to_target.numbers_at_target(runs, 3.0, np.array([2.0, 1.0]))
    assert (whole["reached"], whole["seconds"]) == (2, 1.5)
    assert whole["iterations"] == 1.0
    assert whole["ratio"] == pytest.approx(1.0), "1 s of 2 s, and 2 s of 1 s"


def tuned_frame() -> pd.DataFrame:
    """Uncoded, two that are as fast for all one knows, one that only tuning makes faster, and
    others of which some runs never arrive; three rates are tried."""
    figure, rows = TimeToTarget(), []
    for place, scheme in enumerate(figure.tuned_schemes()):
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
    frame = pd.DataFrame(rows).assign(dataset="breast_cancer")
    return pd.concat([frame.assign(load_law=law) for law in LAW_TITLES], ignore_index=True)


def report(frame: pd.DataFrame) -> str:
    """What the text says of the additive law."""
    return TimeToTarget().text(frame).partition(", additive law**")[2]


def test_who_is_first_and_who_gains_by_tuning() -> None:
    """Everybody within the first one's interval; best rates at an end of the grid are told."""
    frame = tuned_frame()
    said = report(frame)
    titles = {key: known.look.title for key, known in TimeToTarget().tuned_schemes().items()}
    uncoded, ours, leader, batch = (
        titles[name] for name in ("uncoded", "erasurehead", "ringleader", "k_async")
    )
    assert len({uncoded, ours, leader, batch}) == 4
    assert f"each at its own best rate {ours}; at uncoded's best rate, 1, {ours}." in said
    assert f"Faster than uncoded only when tuned: {batch}." in said
    arrive = {ours, uncoded, leader, batch}
    missed = ", ".join(title for title in titles.values() if title not in arrive)
    assert f"that one beyond may be better: {ours}, {batch}, {leader}." in said
    wide = frame.assign(seconds_high=frame["seconds_high"] * 1.1)
    assert f"each at its own best rate {ours}, {leader}; at" in report(wide)
    assert f"at the common rate: {missed}; at their own: {missed}. Best rate at" in said
    some = frame.assign(
        rate=frame["rate"].where(
            frame["kind"] != "grid", frame["rate"].replace({0.5: 0.25, 2.0: 4.0})
        )
    )
    assert "that one beyond may be better: none." in report(some), (
        "no end of the grid is a best one"
    )
    rows = [line.split(" | ") for line in said.splitlines() if line.startswith(f"| {ours} ")]
    assert [cell.strip(" |") for cell in rows[0]] == [
        *(ours, "approximate code", "d = 3, r = 15", "2", "1.00 (0.90 to 1.10)"),
        *("0.25 (0.23 to 0.28)", "1", "0.25 (0.23 to 0.28)", "1"),
    ]
    [middle] = [line for line in said.splitlines() if line.startswith(f"| {leader} ")]
    assert middle.split(" | ")[3] == "1/2"
    assert middle.split(" | ")[6] == "2", "the rank"
    [late] = [line for line in said.splitlines() if line.startswith(f"| {titles['ringmaster']} ")]
    assert late.count("6 of 8 arrive") == 4 - 1
    assert "6 of 8 arrive in " in late
    assert late.split(" | ")[6] == "–", "the rank"


def test_marks_of_a_tuned_scheme() -> None:
    """Its own rate in its colour, the common one as a ring, runs that do not arrive as an arrow."""
    figure, frame = TimeToTarget(), tuned_frame()
    picture = figure.picture(frame)
    assert_readable(picture)
    _, panel, _, rates = picture.panels
    schemes = [*figure.tuned_schemes()]
    points = [m for m in panel.marks if isinstance(m, Points) and len(m.x)]
    at = {name: [m for m in points if m.y[0] == place] for place, name in enumerate(schemes)}
    assert [(m.look.marker, m.x[0], m.hollow) for m in at["uncoded"]] == [
        (figure.tuned_schemes()["uncoded"].look.marker, 1.0, False)
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
    heat, best = rates.marks
    assert isinstance(heat, Heat)
    assert isinstance(best, Texts)
    np.testing.assert_array_equal(heat.values[schemes.index("k_async")], [1.0, 2.0, 2.0])
    assert np.isnan(heat.values[place]).all()
    assert (1.0, float(schemes.index("uncoded"))) in {*zip(best.x, best.y, strict=True)}
    assert len(best.x) == 4


def settings(**columns: object) -> pd.DataFrame:
    """Both sequential codes, uncoded and a code without memory at two persistences."""
    ratios = {
        f"{name}{end}": 1.0 for name in ("seconds", "to_uncoded") for end in ("", "_low", "_high")
    }
    rows = [
        {**ratios, "measure": measure, "load_law": law, "persistence": persistence,
         "family": family, "rate": 0.5, "iterations": 40.0, "staleness": 1, "reached": 8,
         "replications": 8, "waits": 0.25 + persistence / 2, "load": 1.5 + persistence,
         "to_uncoded_high": 0.9 if persistence else 1.0, "to_cyclic_repetition_high": 1.0,
         "to_fractional_repetition_high": 0.999 if law == "additive" else 1.5,
         "target": 0.25, "trials": 4, "parameters": ""}
        for measure in (ITERATION, TARGET)
        for law in ("proportional", "additive")
        for persistence in (0.0, 0.5)
        for family in (REPEAT, MULTIPLEXED, "uncoded", "erasurehead")
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def said_of(frame: pd.DataFrame) -> str:
    return SequentialPersistence().text(frame)


@pytest.mark.parametrize(("cyclic", "said"), [(0.9, "At 2 of the 8"), (1.1, "At none of the 8")])
def test_the_first_line_says_where_sequential_codes_pay(cyclic: float, said: str) -> None:
    """Faster than each code without memory: one that beats two of three does not pay."""
    text = said_of(settings(to_cyclic_repetition_high=cyclic))
    assert text.startswith(said)
    assert "than uncoded at 4, " in text


def test_at_which_persistences_a_sequential_code_is_faster() -> None:
    """Where the interval ends below 1, and as fast is not faster."""
    table = said_of(settings()).partition("| measure | load law | code |")[2]
    lines = table.partition("\nWhy: ")[0].splitlines()[2:]
    assert len(lines) == 2 * 2 * 2
    for line in lines:
        _, law, _, *than = (cell.strip() for cell in line.strip("|").split("|"))
        fractional = "0, 0.5" if law == "additive" else "none"
        assert than == ["0.5", fractional, "none"]


def test_why_sequential_codes_pay_is_told_with_their_numbers() -> None:
    """Spells of 1 / ((1 - 0.05) (1 - p)) rounds; nobody of 30 is slow in 0.95^30 of the rounds."""
    text = said_of(settings())
    assert "a worker stays slow for 1.05, 2.11 rounds on average" in text
    shares = "25 % of its rounds at persistence 0 (load 1.50) and in 50 % at 0.5 (load 2.00)"
    assert text.count(shares) == 2
    assert "nobody is slow in 21 % of all rounds" in text


def test_rates_at_an_end_and_targets_that_are_missed_are_named() -> None:
    """Not of who has no rate, since it never arrives."""
    first, last = sequential_members.RATES[0], sequential_members.RATES[-1]
    assert "Chosen at an end of that grid: none. Does not reach the target: none." in said_of(
        settings()
    )
    frame = settings()
    frame.loc[0, "rate"], frame.loc[1, "rate"], frame.loc[2, "rate"] = first, last, last
    frame.loc[2, "iterations"] = np.nan
    late = frame.index[(frame["measure"] == TARGET) & (frame["family"] == "erasurehead")][:1]
    frame.loc[late, "reached"] = 7
    frame.loc[frame["measure"] == ITERATION, "reached"] = 6
    titles = [sequential_members.CODE_LOOKS[name].title for name in (REPEAT, MULTIPLEXED)]
    assert (
        f"Chosen at an end of that grid: {titles[0]}, {titles[1]}. Does not reach the target: "
        "ErasureHead at persistence 0, proportional law (7 of 8 replications do).\n"
    ) in said_of(frame)
    frame = settings()
    frame.loc[frame["family"] == "uncoded", ["staleness", "iterations"]] = [0, 30.0]
    counts = "rate: 0 updates late: 30 (rate 0.5), 1 updates late: 40 (rate 0.5).\n"
    assert counts in said_of(frame)


def test_what_the_measured_curve_says() -> None:
    """The fastest exact code beside uncoded, the better ErasureHead, and the shortest of all."""
    rows = [
        ("uncoded", 0, 0, 10.0, 0.0),
        ("cyclic_repetition", 2, 0, 20.0, 0.0),
        ("fractional_repetition", 3, 0, 5.0, 0.0),
        ("erasurehead", 2, 15, 4.0, 2.5),
        ("erasurehead", 3, 15, 3.0, 1.25),
        ("ignore_stragglers", 0, 15, 2.0, 30.0),
    ]
    columns = ["scheme", "load", "wait_for", "integrated", "decoding_error"]
    known = pd.DataFrame(rows, columns=columns).assign(standard_error=0.5, rounds=100)

    def said(**columns: object) -> str:
        frame = known.assign(**columns)
        frame = frame.assign(simulated=frame["integrated"])
        laws = [frame.assign(load_law=law) for law in waiting.CURVE_LAWS]
        return waiting.MeasuredCurve().text(pd.concat(laws))

    assert (
        "Under the additive law uncoded takes 10.0 s an iteration. The fastest exact code, "
        "fractional repetition, d = 3, takes 5.0 s, 2 times as fast. The better ErasureHead, "
        "d = 3, r = 15, takes 3.0 s, 3.3 times as fast, with a decoding error of 1.2. The shortest "
        "time of all is that of ignore stragglers, r = 15: 2.0 s, with a decoding error of 30."
    ) in said()
    slow = said(integrated=[10.0, 20.0, 25.0, 40.0, 30.0, 12.0])
    assert "cyclic repetition, d = 2, takes 20.0 s, 2 times as long" in slow
    assert "d = 3, r = 15, takes 30.0 s, 3 times as long" in slow
    assert "that of uncoded: 10.0 s" in slow
