"""All schemes on one clock: the points are those of the theory, the front is one."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.pictures.kinds.losses import FRONT_LOOK, pareto
from erasurehead.experiments.pictures.picture import (
    Bars,
    Curve,
    Mark,
    Panel,
    Points,
    Rules,
    Texts,
)
from erasurehead.experiments.reproduce import FIGURES, base, figure_named
from erasurehead.experiments.reproduce.base import FIGURE_WORKERS, Effort
from erasurehead.experiments.reproduce.figures import (
    iteration_time,
    least_squares,
    loss_time,
    policies,
    ranking,
    waiting,
)
from erasurehead.experiments.reproduce.figures.all_schemes import (
    ATLAS_DELAYS,
    MEMBER_FIELDS,
    REASONS_LEFT_OUT,
    STRIP_DECADES,
    Atlas,
    apart,
    height_of,
    members,
    not_compared,
    title,
)
from erasurehead.experiments.reproduce.figures.ranking import CLUSTER_WORK, additive
from erasurehead.plugins import RoundScheme
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.tapes import RememberedTape
from erasurehead.theory import IterationTimeLaw, scheme_iteration_time
from tests.statistics import BOUND
from tests.tools import assert_readable

KNOWN = ("uncoded", "ignore_stragglers", "fractional_repetition", "erasurehead", "expander")
OTHERS = ("graph_assignment", "multi_message", "pipelined", "mindflayer", "sequential")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return Atlas(schemes=KNOWN + OTHERS, iterations=40, replications=24).compute(Effort())


@pytest.mark.parametrize("delays", [name for name in ATLAS_DELAYS if "speeds" not in name])
def test_times_are_those_of_the_theory(frame: pd.DataFrame, delays: str) -> None:
    """Catches a member under another's name, another delay or load law, and seconds of all rounds.

    Of Pareto delays the slowest of 30 has too heavy a tail for a z-score.
    """
    part = frame[frame["delays"] == delays].set_index("member")
    chosen = [member for member in members() if member["name"] in KNOWN]
    document = {
        "workers": FIGURE_WORKERS,
        "iterations": 1,
        "delay": ATLAS_DELAYS[delays],
        "schemes": chosen,
    }
    compared = 0
    for member, cell in zip(
        chosen, cells(document | {"load_law": additive(CLUSTER_WORK)}), strict=True
    ):
        settings, row = cell.settings, part.loc[title(member)]
        theory = scheme_iteration_time(build.scheme_of(settings), settings.delay, settings.load_law)
        heavy = "Pareto" in delays and member["name"] == "uncoded"
        if isinstance(theory, IterationTimeLaw) and not heavy:
            z = (row["iteration_time"] - theory.mean()) / row["iteration_time_se"]
            assert abs(z) < BOUND, title(member)
            compared += 1
    assert compared > 30


def test_errors_are_those_of_the_formulas(frame: pd.DataFrame) -> None:
    """Catches an error that is not per partition, and the formula of another load or wait."""
    rows = frame[frame["formula"] & (frame["measured_error"] > 0) & (frame["error"] > 1e-3)]
    fixed = rows["measured_error_se"] < 1e-12
    np.testing.assert_allclose(rows["measured_error"][fixed], rows["error"][fixed], rtol=1e-9)
    drawn = rows[~fixed]
    assert len(drawn) > 3 * 15
    z = (drawn["measured_error"] - drawn["error"]) / drawn["measured_error_se"]
    assert np.all(np.abs(z) < BOUND)


def test_the_error_of_clipped_trials(frame: pd.DataFrame) -> None:
    """sum_j (1 - p) / (p B) over n, at shifted exponential delays."""
    delays = "shifted exponential"
    part = frame[frame["delays"] == delays].set_index("member")
    delay = build.delay_model(ATLAS_DELAYS[delays])
    for member in members():
        if member["name"] == "mindflayer":
            p = 1 - float(np.asarray(delay.sf(member["patience"] - CLUSTER_WORK)))
            row = part.loc[title(member)]
            expected = (1 - p) / (p * member["trials"])
            assert abs(row["measured_error"] - expected) < BOUND * row["measured_error_se"]


def test_the_front_is_of_schemes_with_fresh_gradients(frame: pd.DataFrame) -> None:
    """And nothing that is on it is beaten by any of those."""
    late = frame[frame["late"]]
    assert set(late["scheme"]) == {"pipelined", "sequential"}
    assert not late["on_front"].any()
    for _, part in frame[~frame["late"]].groupby("delays"):
        for row in part[part["on_front"]].itertuples():
            faster = part[part["iteration_time"] < row.iteration_time]
            assert not (faster["error"] <= row.error).any()


def test_what_was_not_seen_is_no_error_of_0(frame: pd.DataFrame) -> None:
    """Such as that of a graph of degree 5 when 25 of 30 arrive; ErasureHead's is known instead."""
    inexact = frame[~frame["exact"]]
    assert not (inexact["error"] == 0).any()
    unseen = inexact[inexact["measured_error"] < 1e-12]
    np.testing.assert_array_equal(unseen["error"].isna(), ~unseen["formula"])


def test_pareto_against_every_pair() -> None:
    """On a coarse lattice, so that points are equal in one or both."""
    rng = np.random.default_rng(0)
    for count in (1, 2, 7, 40):
        cost, loss = rng.integers(0, 6, (2, count)).astype(float)
        beaten = [
            any(
                c <= cost[i] and e <= loss[i] and (c < cost[i] or e < loss[i])
                for c, e in zip(cost, loss, strict=True)
            )
            for i in range(count)
        ]
        np.testing.assert_array_equal(pareto(cost, loss), ~np.array(beaten))


def test_names_keep_apart() -> None:
    rng = np.random.default_rng(1)
    for count in range(1, 11):
        wanted = np.sort(rng.random(count) ** 3)[::-1]
        places = apart(wanted, 0.085)
        assert np.all(places[:-1] - places[1:] > 0.085 - 1e-12)
        assert places[-1] >= 0.0425 - 1e-12
    np.testing.assert_array_equal(apart(np.array([0.9, 0.5, 0.2]), 0.085), [0.9, 0.5, 0.2])


def front_of(**columns: object) -> pd.DataFrame:
    """Members on the front under one delay law."""
    known = {"delays": "law", "scheme": "uncoded", "member": "name", "on_front": True}
    known |= {"late": False, "formula": True, "iteration_time_se": 0.25, "measured_error_se": 0.2}
    return pd.DataFrame(columns).assign(**known | columns)


def test_names_keep_off_the_edge_of_the_strip_of_exact_schemes() -> None:
    """A line through a name cannot be read; names of exact schemes stand within the strip."""
    count = 10
    error = np.append(np.geomspace(1.0, 0.1, count), 0.0)
    front = front_of(iteration_time=np.arange(1.0, count + 2), error=error)
    [panel] = Atlas().picture(front).panels
    [texts] = drawn(panel, Texts)
    assert panel.y.high is not None
    half = 0.04 * (panel.y.high + STRIP_DECADES)  # names are 8 % of the axis apart
    assert np.all(texts.y[:-1] >= STRIP_DECADES + half - 1e-9)
    assert abs(texts.y[-1]) <= STRIP_DECADES
    [others] = drawn(Atlas().picture(front[:-1]).panels[0], Texts)
    np.testing.assert_array_equal(texts.y[:-1], others.y)


def test_every_synchronous_scheme_is_compared_or_left_out_for_a_reason() -> None:
    with_rounds = {
        name
        for name, family in SCHEMES.items()
        if isinstance(family.examples()[0].build(12), RoundScheme)
    }
    compared = set(MEMBER_FIELDS)
    assert compared | set(not_compared()) == with_rounds
    assert not compared & set(not_compared())
    assert set(not_compared()) >= set(REASONS_LEFT_OUT)


def test_titles_tell_members_apart() -> None:
    titles = [title(member) for member in members()]
    assert len(titles) == len(set(titles)) > 100


def test_where_errors_are_drawn() -> None:
    """A decade is one apart above 0.001; below that heights are linear down to 0."""
    errors = np.array([0.0, 5e-4, 1e-3, 0.1, 10.0])
    np.testing.assert_allclose(height_of(errors), [0.0, 0.35, 0.7, 2.7, 4.7])
    for formula, ends in ((True, (0.1, 0.1)), (False, (0.0, 0.3))):
        [panel] = (
            Atlas().picture(front_of(iteration_time=[3.0], error=[0.1], formula=formula)).panels
        )
        point = drawn(panel, Points)[-1]
        assert (point.x[0], point.y[0]) == (3.0, pytest.approx(2.7))
        np.testing.assert_array_equal(point.dx, [[0.25], [0.25]])
        middle, low, high = height_of(np.array([0.1, *ends]))
        np.testing.assert_allclose(point.dy, [[middle - low], [high - middle]])


def test_a_panel_has_every_member(frame: pd.DataFrame) -> None:
    """In grey those off the front, late ones apart; the front as stairs; uncoded always."""
    by_delays = frame.groupby("delays", sort=False)
    for (delays, part), panel in zip(by_delays, Atlas().picture(frame).panels, strict=True):
        assert panel.title == delays
        strip, others, late, stairs, *rest = panel.marks
        assert isinstance(strip, Bars)
        assert (strip.start[0], strip.end[0]) == (panel.x.low, panel.x.high)
        assert isinstance(others, Points)
        assert isinstance(late, Points)
        assert isinstance(stairs, Curve)
        front = part[part["on_front"]]
        assert len(others.x) == (~part["on_front"] & ~part["late"]).sum()
        assert len(late.x) == part["late"].sum()
        assert stairs.x.tolist() == sorted(front["iteration_time"])
        assert (np.diff(stairs.y) <= 0).all()
        points = [mark for mark in rest if isinstance(mark, Points)]
        assert len(points) == len(front) + 1
        uncoded = part.loc[part["scheme"] == "uncoded", "iteration_time"].item()
        assert points[-1].x[0] == uncoded
        assert panel.y.names is not None
        assert panel.y.places is not None
        assert panel.y.names[:2] == ("exact", "0.001")
        assert panel.y.places[:2] == (0.0, pytest.approx(0.7))
        assert float(panel.y.names[-1]) < part["error"].max()
        assert panel.y.high == pytest.approx(height_of(np.array([2 * part["error"].max()]))[0])
        assert panel.x.low == pytest.approx(part["iteration_time"].min() / 3, rel=0.02)


def test_who_is_the_fastest_exact_scheme() -> None:
    """Of those with fresh gradients, with one message a worker beside it; and who is on the front
    under every law."""

    def member(delays: str, scheme: str, seconds: float, front: bool, **more: bool) -> Any:
        known = {"delays": delays, "scheme": scheme, "member": f"{scheme}!", "on_front": front}
        errors = {"error": 0.5, "measured_error_se": 0.1, "formula": True, "iteration_time_se": 0.1}
        sizes = {"replications": 8, "iterations": 100, "exact": True, "late": False}
        return {**known, **errors, **sizes, "iteration_time": seconds, **more}

    rows = [
        each
        for place, delays in enumerate(ATLAS_DELAYS)
        for each in (
            member(delays, "uncoded", 4.0, False),
            member(delays, "multi_message", 2.0, place < 2),
            member(delays, "fractional_repetition", 3.0, True),
            member(delays, "pipelined", 1.0, False, late=True),
            member(delays, "erasurehead", 0.5, False, exact=False),
        )
    ]
    said = Atlas().text(pd.DataFrame(rows))
    first = "in 2 s (with one message a worker fractional_repetition!, in 3 s; uncoded in 4 s)"
    assert said.count(f"multi_message!, {first}") == len(ATLAS_DELAYS)
    assert "On the front under all 3 laws: fractional repetition.\n\n" in said


# What figures share: numbers as text, curves of tables, settings of clusters.


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [
        (1.23456, 0.0123, "1.235 ± 0.012"),
        (345.6, 12.3, "346 ± 12"),
        (345.6, 1.23, "345.6 ± 1.2"),
        (100.0, 0.01, "100.000 ± 0.010"),
        (100.0, 0.0099, "100"),
        (1.23456, 0.0, "1.235"),
        (0.0, 0.0, "0"),
        (1.23456, np.inf, "1.235"),
        (np.nan, 0.1, "–"),
    ],
)
def test_a_mean_has_the_digits_that_its_error_leaves(mean: float, error: float, text: str) -> None:
    """Two of the error; an error beyond the mean's fourth digit is not shown."""
    assert base.estimate_text(mean, error) == text


def test_tables_and_curves_are_those_of_the_frame() -> None:
    assert base.ratio_text(1.234, 1.2, 1.3) == "1.23 (1.20 to 1.30)"
    assert base.ratio_text(np.nan, 1.2, 1.3) == "–"
    assert base.ratio_text(1.234, np.nan, np.nan) == "1.23"
    assert base.ratio_text(2.0, 0.0, np.inf) == "2.00 (0.00 or more)"
    table = str(base.Numbers(["a", "b", "c"], [["x", "y", "1"]], names=2))
    assert table == "| a | b | c |\n| --- | --- | ---: |\n| x | y | 1 |"
    assert str(base.Numbers(["a", "b"], [])) == "| a | b |\n| --- | ---: |"
    frame = pd.DataFrame({"x": [3.0, 1.0, 3.0], "y": [1.0, 2.0, 4.0], "se": [0.5, 0.0, 1.0]})
    assert base.ranked_by(frame, "x")["place"].tolist() == [1.0, 0.0, 1.0]
    assert base.rows_at(frame, x=3.0, y=4.0)["se"].tolist() == [1.0]
    line = base.curve_of(frame, "x", "y", FRONT_LOOK, "se")
    assert line.low is not None
    assert line.high is not None
    assert (line.x.tolist(), line.y.tolist()) == ([1.0, 3.0, 3.0], [2.0, 1.0, 4.0])
    np.testing.assert_allclose(line.high - line.low, 2 * 1.96 * frame["se"][[1, 0, 2]])
    np.testing.assert_allclose((line.high + line.low) / 2, line.y)
    assert base.curve_of(frame, "x", "y", FRONT_LOOK).low is None
    points = base.points_of(frame, "x", "y", FRONT_LOOK, "se")
    np.testing.assert_allclose(points.dy, [1.96 * frame["se"]] * 2)  # type: ignore[arg-type]
    assert base.points_of(frame, "x", "y", FRONT_LOOK).dy is None
    ends = frame.assign(y_low=frame["y"] - 1, y_high=frame["y"] + 2)
    barred = base.interval_curve_of(ends, "x", "y", FRONT_LOOK)
    assert barred.bars
    assert barred.low is not None
    assert barred.high is not None
    assert (barred.low.tolist(), barred.high.tolist()) == ([1.0, 0.0, 3.0], [4.0, 3.0, 6.0])
    lengths = base.bars(np.array([1.0, 1.0]), np.array([0.5, 1.5]), np.array([3.0, 1.0]))
    np.testing.assert_array_equal(lengths, [[0.5, 0.0], [2.0, 0.0]])


@pytest.mark.parametrize(("law", "delays"), [("additive", 1.0), ("proportional", 3.0)])
def test_mean_times_of_the_five_schemes(law: str, delays: float) -> None:
    """Of 12 workers with load 3: half a second of work for each partition, and a delay of 2 s in
    the mean, which counts for each partition under the proportional law alone."""

    def harmonic(n: int) -> float:
        return sum(1 / k for k in range(1, n + 1))

    def mean(scheme: str) -> float:
        return base.mean_time(law, scheme, 12, 3, 10, 2.0)

    loaded = 1.5 + 2.0 * delays * (harmonic(12) - harmonic(2))
    assert mean("uncoded") == pytest.approx(0.5 + 2.0 * harmonic(12))
    assert mean("ignore_stragglers") == pytest.approx(0.5 + 2.0 * (harmonic(12) - harmonic(2)))
    assert mean("cyclic_repetition") == pytest.approx(loaded)
    assert mean("fractional_repetition") == pytest.approx(1.5 + 2.0 * delays * harmonic(4) / 3)
    count = 1.5 + 2.0 * delays * (harmonic(12) - harmonic(6))
    assert 0.9 * count < mean("erasurehead") < count, "half arrive, or fewer that cover all groups"
    document = base.delays_and_law(law, 0.5, 2.0)
    delay = build.delay_model(document["delay"])
    assert delay.mean() == pytest.approx(2.0 if law == "additive" else 2.5)
    assert document["load_law"].get("seconds_per_partition", 0.0) == (
        0.5 if law == "additive" else 0
    )
    waits = [each.get("wait_for") for each in base.five_schemes(3, 6, 12)]
    assert waits == [None, 10, None, None, 6]


def test_tapes_are_remembered_as_long_as_there_is_room() -> None:
    """The latest stay; what is too large for all of it is drawn anew."""
    two_tapes = 2 * 9 * 3  # of 8 rounds and an eighth, 3 workers
    effort = Effort(tapes=build.SharedTapes(two_tapes))

    def tapes(seed: int, workers: int = 3, scheme: str = "uncoded") -> object:
        document = {"workers": workers, "iterations": 8, "replications": 1, "seed": seed}
        document |= {"delay": {"model": "exponential", "rate": 1.0}, "schemes": [{"name": scheme}]}
        [(_, run, _)] = effort.clocks(document)
        return run.tapes[0]

    first = tapes(0)
    assert tapes(0, scheme="block_coordinate") is first
    second = tapes(1)
    assert tapes(0) is first
    third = tapes(2)  # the second goes, which was asked for before the first
    assert (tapes(0), tapes(2)) == (first, third)
    assert tapes(1) is not second
    assert not isinstance(tapes(0, workers=7), RememberedTape)
    assert Effort(full=True).times(5) == 8 * Effort().times(5) == 40


def test_figures_are_of_the_sizes_that_they_tell() -> None:
    """From ten workers to ten million, doublings, loads that divide the workers, powers of two."""
    known: dict[str, Any] = {name: figure_named(name) for name in FIGURES}
    decades = known["iteration_time_scale"].decades
    assert [10**k for k in (decades[0], decades[-1])] == [10, 10_000_000]
    assert [*np.diff(decades)] == [1] * (len(decades) - 1)
    assert all(10**k % known["iteration_time_scale"].load == 0 for k in decades)
    sizes = known["iteration_time_workers"].workers
    assert all(2 * n == more for n, more in pairwise(sizes))
    assert sizes[0] % (2 * known["iteration_time_workers"].load) == 0
    late = known["delay_tolerance"]
    assert {0, late.load - 1, late.load, late.workers - late.wait_for} < {*late.stragglers}
    for name, made in known.items():
        loads = getattr(made, "loads", ()) or (getattr(made, "load", 1),)
        workers = made.workers if isinstance(getattr(made, "workers", ()), int) else 0
        assert {workers % load for load in loads} == {0}, name
        assert getattr(made, "wait_for", 15) == 15, name
        assert workers in (0, 30), name
    rates = [grid.rates for grid in known["time_to_target"].grids + known["time_to_target"].more]
    for grid in rates:
        assert all(2 * rate == more for rate, more in pairwise(grid))
    assert [(1 / one[0], one[-1]) for one in rates] == [(64, 8), (2048, 0.5)]


def theory_lines(**schemes: list[float]) -> pd.DataFrame:
    """Lines of theory over decades of workers, with simulations on them by both engines."""
    rows = [
        {"load_law": law, "scheme": name, "workers": 10**k, "theory": seconds, "engine": engine,
         "simulated": seconds, "standard_error": 0.5, "rounds": 100}
        for law in base.LAW_TITLES
        for name, times in schemes.items()
        for k, seconds in enumerate(times, start=1)
        for engine in ("batch", "law")
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("ours", "scale"),
    [
        ([1.0, 1.0, 1.0], "at n = 10 and more"),
        ([2.0, 2.0, 1.0], "at n = 1,000 and more"),
        ([2.0, 1.0, 1.0], "at n = 100 and more"),
        ([2.0, 2.0, 2.0], "nowhere on this axis"),
        ([1.0], "at n = 10 and more"),
    ],
)
def test_from_where_on_a_code_is_faster(ours: list[float], scale: str) -> None:
    """As fast is not faster."""
    others = dict.fromkeys(
        ("uncoded", "ignore_stragglers", "fractional_repetition"), [2.0] * len(ours)
    )
    text = iteration_time.IterationTimeScale().text(theory_lines(**others, erasurehead=ours))
    assert f"under the additive law {scale}" in text


def test_what_a_doubling_costs() -> None:
    """From the smallest to the largest size that was simulated; sizes between have theory alone."""
    rows = []
    for law in base.LAW_TITLES:
        for scheme, each in (("uncoded", 1.0), ("erasurehead", 0.25)):
            for power, simulated in enumerate((True, False, True)):
                theory = 1.0 + each * power
                error = 0.5 if simulated else np.nan
                seen = theory + (0.5 if power and law == "additive" else 0.0)
                row = {"load_law": law, "scheme": scheme, "workers": 8 * 2**power}
                row |= {"theory": theory, "standard_error": error, "rounds": 100 * simulated}
                rows.append({**row, "simulated": seen if simulated else np.nan})
    frame = pd.DataFrame(rows)
    text = iteration_time.IterationTimeWorkers(delay=2.0).text(frame)
    assert "Every doubling of n costs uncoded 1.250 s (theory: 1.000 s, in the limit" in text
    assert f"ln 2 / rate = {2 * np.log(2):.3f} s" in text
    assert "and ErasureHead, under the additive law, +0.500 s." in text
    assert "the largest difference is 1.0 standard errors over 8 points" in text
    single = iteration_time.IterationTimeWorkers().text(frame.assign(standard_error=np.nan))
    assert "the largest difference is not known" in single
    assert "Points are means of 100 simulated rounds" in text
    assert "ignore stragglers for n − 2 arrivals" in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(table) == 2 + 4
    assert table[4] == "| additive | 8 | 1.00 ± 0.50 | 1.00 ± 0.50 |"
    _, panel = iteration_time.IterationTimeWorkers().picture(frame).panels
    assert (panel.x.names, panel.x.places) == (("8", "32"), (8, 32))
    line, points, *_ = panel.marks
    assert isinstance(line, Curve)
    assert isinstance(points, Points)
    assert (line.x.tolist(), points.x.tolist()) == ([8, 16, 32], [8, 32])
    once = iteration_time.IterationTimeWorkers().text(frame[frame["workers"] == 8])
    assert "doubling" not in once


def test_what_ten_times_the_workers_cost() -> None:
    """By the law engine, and over as many decades as there are."""
    rows = []
    for law in base.LAW_TITLES:
        for scheme in ("uncoded", "ignore_stragglers", "fractional_repetition", "erasurehead"):
            for power in (1, 3):
                for engine in ("law", "batch") if power == 1 else ("law",):
                    row = {"load_law": law, "scheme": scheme, "workers": 10**power}
                    row |= {"theory": float(power), "engine": engine, "standard_error": 0.5}
                    shift = 1.0 if engine == "batch" else 0.25
                    rows.append({**row, "simulated": power + shift, "rounds": 1000 * power})
    text = iteration_time.IterationTimeScale(delay=2.0).text(pd.DataFrame(rows))
    assert "uncoded 1.000 s (theory: ln 10 / rate = 4.605 s)" in text
    assert "fractional repetition 1.000 s (a d-th of that)" in text
    assert "they cost ignore stragglers +1.000 s and ErasureHead +1.000 s" in text
    assert "simulates every worker of up to 10. Dots are means of 3,000 rounds" in text
    assert "is 2.0 standard errors over 8 points of the batch engine, and 0.5 standard" in text
    rows_of_table = [line for line in text.splitlines() if line.startswith("| additive |")]
    assert [line.split(" | ")[1] for line in rows_of_table] == ["10", "1,000"]


def test_half_of_the_growth() -> None:
    rows = pd.DataFrame({"iteration_time": [1.0, 1.9, 2.0, 3.0], "middle": [1.0, 2.5, 6.0, 20.0]})
    assert policies.half_way(rows) == 6.0
    assert policies.half_way(rows.assign(iteration_time=[1.0, 2.0, 2.5, 3.0])) == 2.5
    found = policies.doubling_means(np.arange(1.0, 101.0)[None].repeat(2, axis=0))
    assert [one["rounds"] for one in found[:3]] == [1, 1, 2], "nearly doubling"
    assert sum(one["rounds"] for one in found) == found[-1]["last_round"] == 100
    assert found[-1]["middle"] == pytest.approx(np.sqrt((100 - found[-1]["rounds"] + 1) * 100))
    assert found[-1]["replications"] == 2


def test_the_cheapest_scheme_that_is_nearly_exact() -> None:
    """Within a part of the loss of the exact gradient; the exact one itself if no other is. Points
    are called by what makes them."""
    close = least_squares.NEARLY_EXACT_FACTOR
    names = ("uncoded", "erasurehead", "erasurehead", "fractional_repetition")
    frame = pd.DataFrame({"scheme": names, "load": [1, 2, 3, 3], "arrivals": [30, 10, 15, 30]})
    frame = frame.assign(work=0.5, load_law="additive", iteration_time=[4.0, 1.0, 2.0, 3.0])
    frame = frame.assign(loss_above_minimum=[1.0, close + 1e-9, close, 1.0], loss_se=0.0)
    frame = frame.assign(iteration_time_se=0.0, replications=8, on_front=True)
    figure = least_squares.TradeoffLoadArrivals()
    text = figure.text(frame)
    assert (
        "is 2 s with ErasureHead, d = 3, r = 15 (additive law, 0.5 s of work; uncoded 4 s)." in text
    )
    assert "fastest of these have redundancy (d > 1) in: additive law, 0.5 s of work." in text
    assert "is 4 s with uncoded (" in figure.text(frame[:2])
    assert "fastest of these have redundancy (d > 1) in: none." in figure.text(frame[:2])
    assert "| fractional repetition, d = 3 | 3 |" in text


def ranked_frame(ratios: list[dict[str, float]], **columns: object) -> pd.DataFrame:
    """A row of the ranking's table for each cluster, of the schemes' ratios to uncoded."""
    rows = [
        {"group": "additive law: d work + delay", "cluster": f"cluster {i}", "scheme": scheme,
         "ratio": of_cluster.get(scheme, 1.0), "ratio_low": of_cluster.get(scheme, 1.0),
         "ratio_high": of_cluster.get(scheme, 1.0), "iteration_time": 1.234, "replications": 8,
         "standard_error": 0.05, "share_lost": 0.0, "fastest": False, "fastest_exact": False}
        for i, of_cluster in enumerate(ratios)
        for scheme in ranking.RANKED
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def marks_of_cell(panel: Panel, scheme: str, row: int = 0) -> list[Any]:
    """Shade and box, number and half of the interval."""
    x = ranking.RANKED.index(scheme)
    bars = [
        mark
        for mark in drawn_bars(panel)
        if mark.rows[0] == row and abs(mark.start[0] + 0.5 - x) < 0.1
    ]
    return bars + [
        mark for mark in drawn(panel, Texts) if mark.y[0] == row and abs(mark.x[0] - x) < 0.1
    ]


def drawn_bars(panel: Panel) -> list[Bars]:
    return [mark for mark in panel.marks if isinstance(mark, Bars) and len(mark.rows)]


def test_a_cell_of_the_ranking() -> None:
    """Its number, bold for the fastest, with half of the interval unless that rounds to nothing."""
    figure, frame = ranking.Ranking(), ranked_frame([{"erasurehead": 0.5}])
    ours, uncoded = (frame["scheme"] == name for name in ("erasurehead", "uncoded"))
    frame.loc[ours, ["ratio_low", "ratio_high", "fastest"]] = [0.4, 0.62, True]
    frame.loc[uncoded, "fastest_exact"] = True
    assert "| **0.500 ± 0.110** |" in figure.text(frame)
    assert "| 1.234 ± 0.050 |" in figure.text(frame)
    assert "No scheme wins everywhere" not in figure.text(frame)
    [panel] = figure.picture(frame).panels
    shade, number, half = marks_of_cell(panel, "erasurehead")
    assert (shade.start[0], shade.end[0]) == (5.5, 6.5)
    assert (number.words, number.bold, half.words) == (["0.50"], True, ["±.11"])
    _, box, number = marks_of_cell(panel, "uncoded")
    assert (box.start[0] > -0.5, box.end[0] < 0.5, box.fill.outline) == (True, True, True)
    assert number.words == ["1.23 s"]
    frame.loc[ours, ["ratio_low", "ratio_high", "fastest"]] = [0.497, 0.503, False]
    assert "| 0.500 ± 0.003 |" in figure.text(frame)
    assert len(marks_of_cell(figure.picture(frame).panels[0], "erasurehead")) == 2


def test_cells_are_blue_where_a_scheme_is_faster_and_red_where_it_is_slower() -> None:
    """From three times on as dark as it gets; equal is white."""
    names = ("cyclic_repetition", "uncoded", "erasurehead", "multi_message", "drop_compute")
    ratios = dict(zip(names, (3.0, 1.0, 1 / 3, 9.0, 1 / 9), strict=True))
    [panel] = ranking.Ranking().picture(ranked_frame([ratios])).panels
    red, white, blue, *darker = (marks_of_cell(panel, name)[0].fill.colour for name in names)
    assert int(red[1:3], 16) > int(red[5:7], 16)
    assert int(blue[5:7], 16) > int(blue[1:3], 16)
    assert min(int(white[i : i + 2], 16) for i in (1, 3, 5)) > 240
    assert darker == [red, blue]


def test_a_speed_up_has_a_line_for_each_work() -> None:
    known = {"speedup": 1.5, "speedup_low": 1.25, "speedup_high": 2.0}
    pairs = [(work, scheme) for work in base.WORKS for scheme in loss_time.EXACT_SCHEMES]
    part = pd.DataFrame([{"work": w, "scheme": s, "load": 2, **known} for w, s in pairs])
    frame = pd.concat([part.assign(load_law=law) for law in base.LAW_TITLES])
    one, *lines = loss_time.Speedup().picture(frame).panels[0].marks
    titles = [mark.title for mark in lines if isinstance(mark, Curve)]
    assert (
        titles
        == ["over uncoded", "over cyclic repetition", "over fractional repetition"] + [""] * 3
    )
    hollow = [mark for mark in lines if isinstance(mark, Points) and len(mark.x)]
    assert [mark.hollow for mark in hollow] == [True] * 3
    assert isinstance(one, Rules)
    assert one.y.tolist() == [1.0]


def test_panels_of_data_sets_stand_two_in_a_row() -> None:
    """Each from the third iteration of the fastest scheme on, as far as every replication goes."""
    figure = loss_time.LossTime(iterations=6, replications=2)
    times = {"uncoded": 2.0, "erasurehead": 1.0}
    rows = [
        {"dataset": name, "delays": "exponential", "scheme": scheme, "replication": r,
         "iteration": t, "time": seconds * t * (1 + r / 4), "train_loss": 1.0 / (1 + t),
         "left_out": ""}
        for name in ("breast_cancer", "diabetes", "amazon")
        for scheme, seconds in times.items()
        for r in range(2)
        for t in range(7)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    for datasets, columns, lines in ((1, 1, 1), (2, 2, 1), (3, 2, 2)):
        names = frame["dataset"].unique()[:datasets]
        picture = figure.picture(frame[frame["dataset"].isin(names)])
        assert (len(picture.panels), picture.columns) == (datasets, columns)
        assert picture.height == pytest.approx(3.1 * lines + 0.8)
        assert_readable(picture)
    panel = picture.panels[0]
    assert panel.x.low == 3.0, "the third iteration of the faster one takes 3 s"
    one, two = (mark for mark in panel.marks if isinstance(mark, Curve))
    assert (one.x[0], one.x[-1]) == (pytest.approx(2.0), pytest.approx(12.0))
    assert (two.x[0], two.x[-1]) == (pytest.approx(1.0), pytest.approx(6.0))
    assert [mark.x[0] for mark in panel.marks if isinstance(mark, Points)] == [
        pytest.approx(12.0),
        pytest.approx(6.0),
    ]


# The page of all figures.


def test_runs_under_the_four_policies() -> None:
    """A row for each scheme, a step in it for each policy; bars span the replications on the left,
    on the right the interval of the paired ratio to uncoded under the same policy."""
    rows = [
        {"policy": policy.value, "scheme": scheme, "replication": r, "target": 0.25,
         "iteration_time": factor * (step + 1) * (1 + r), "time_to_target": 8.0 * factor * (1 + r),
         "final_train_loss": 0.5, "wasted": 0.125, "iterations": 40}
        for scheme, factor in (("uncoded", 2.0), ("erasurehead", 1.0))
        for step, policy in enumerate(policies.POLICY_MEANINGS)
        for r in (1, 0)
    ]  # fmt: skip
    frame, figure = pd.DataFrame(rows), policies.Policies()
    left, right = figure.picture(frame).panels
    assert_readable(figure.picture(frame))
    marks = [mark for mark in left.marks if isinstance(mark, Points) and len(mark.x)]
    assert [mark.y[0] for mark in marks] == pytest.approx(
        [row + 0.18 * (step - 1.5) for row in (0, 1) for step in range(4)]
    )
    assert [mark.x[0] for mark in marks] == [3.0, 6.0, 9.0, 12.0, 1.5, 3.0, 4.5, 6.0]
    np.testing.assert_allclose(marks[1].dx, [[2.0], [2.0]])
    assert [panel.y.names for panel in (left, right)] == [("uncoded", "ErasureHead")] * 2
    ratios = [mark for mark in right.marks if isinstance(mark, Points) and len(mark.x)]
    assert [(mark.x[0], mark.y[0]) for mark in ratios] == [
        (pytest.approx(2.0), pytest.approx(1 + 0.18 * (step - 1.5))) for step in range(4)
    ]
    keys = [mark for mark in left.marks if isinstance(mark, Points) and not len(mark.x)]
    assert [mark.title.partition(":")[0] for mark in keys] == ["cancel", "finish", "queue", "drain"]
    text = figure.text(frame)
    assert "is 2.00 under cancel, 2.00 under finish, 2.00 under queue, 2.00 under drain." in text
    assert "largest" not in text
    line = next(line for line in text.splitlines() if line.startswith("| ErasureHead | finish |"))
    cells = [cell.strip() for cell in line.strip("|").split("|")][2:]
    assert cells == ["3.0 ± 1.0", "2.00 (2.00 to 2.00)", "12.0 ± 4.0", "0.5", "12.5 %"]
    assert "means over 2 replications" in text
    assert "means over the first 40 iterations" in text


def test_a_floor_of_losses_beside_its_bounds() -> None:
    """The first r with both bounds, the others with the close one; the worst slack in standard
    errors, but for the start, where nothing was drawn."""
    rows = [
        {"arrivals": r, "iteration": t, "mean_gap": gap / 2**t, "standard_error": 0.25 * gap,
         "bound": 2 * gap / 2**t, "bound_constant": 4 * gap, "heard": r / 30, "step": 0.5,
         "rate": 0.9, "minimum": 0.125, "replications": 16, "load": 3}
        for r, gap in ((30, 1.0), (15, 8.0), (6, 16.0))
        for t in range(3)
    ]  # fmt: skip
    frame, figure = pd.DataFrame(rows), least_squares.LossIterationFloor()
    left, right = figure.picture(frame).panels
    assert (left.title, right.title) == ("r = 15, with both bounds", "several r")
    assert left.y.low == pytest.approx(8.0 / 4 / 30)
    curves = [mark for mark in left.marks if isinstance(mark, Curve) and len(mark.x)]
    assert [curve.y[-1] for curve in curves] == [2.0, 4.0, 0.25, 32.0]
    curves = [mark for mark in right.marks if isinstance(mark, Curve) and len(mark.x)]
    assert [curve.y[-1] for curve in curves] == [4.0, 8.0, 2.0, 4.0, 0.25]
    text = figure.text(frame)
    assert "All start 1 above the minimum of 0.125" in text
    assert (
        "descent is 0.25 above it, and ErasureHead, which has a noise floor, 2 to 4, less" in text
    )
    upside_down = frame.replace({"arrivals": {15: 6, 6: 15}})
    assert "noise floor, 2 to 4.\n" in figure.text(upside_down)
    assert "at least 16 times what is measured with the largest V of the path, and 2 times" in text
    assert "After 2 iterations:" in text
    assert "| 6 | 0.200 | 0.5 | 4 ± 4 | 8 | 64 |" in text


def drawn(panel: Panel, kind: type[Mark]) -> list[Any]:
    """The marks of a kind that stand for numbers; the others make entries of the legend."""
    return [mark for mark in panel.marks if isinstance(mark, kind) and len(cast(Any, mark).x)]


def test_a_picture_of_speed_ups() -> None:
    """A panel for each load law beside the other, from a tenth below one half or the least on."""
    rows = [
        {"load_law": law, "work": work, "load": load, "scheme": scheme, "speedup": 2.0 / load,
         "speedup_low": 1.5 / load, "speedup_high": 3.0 / load}
        for law in base.LAW_TITLES
        for work in base.WORKS
        for load in (2, 6)
        for scheme in loss_time.EXACT_SCHEMES
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    for least, low in ((2.0 / 6, 0.3), (0.6, 0.45)):
        picture = loss_time.Speedup().picture(frame.assign(speedup=frame["speedup"].clip(least)))
        left, right = picture.panels
        assert (picture.columns, picture.share) == (2, "y")
        assert [left.title, right.title] == [*base.LAW_TITLES.values()]
        assert (left.x.names, left.x.places) == (("2", "6"), (2, 6))
        assert (left.y.log, left.y.ticks) == (True, (1, 2, 5))
        assert (left.y.low, left.y.high) == pytest.approx((low, 1.15))
        assert [curve.x.tolist() for curve in drawn(left, Curve)] == [[2, 6]] * 6
        assert_readable(picture)
    known = {"target": 0.1, "replications": 8, "iterations_to_target": 5.0}
    known |= {"iterations_to_target_erasurehead": 6.0}
    frame = frame.assign(**known, per_iteration=np.where(frame["load"] == 6, 1.001, 1.5))
    together = "ErasureHead and fractional repetition take equally long"
    assert f"With d = 6 {together}" in loss_time.Speedup().text(frame)
    assert together not in loss_time.Speedup().text(frame.assign(per_iteration=1.5))
    unsorted = loss_time.Speedup().picture(frame.iloc[::-1]).panels[0]
    assert [curve.x.tolist() for curve in drawn(unsorted, Curve)] == [[2, 6]] * 6


def test_a_picture_of_backlogs() -> None:
    """Left ErasureHead over the rounds, right the last rounds of each scheme under each policy;
    uncoded is the same under all where nothing is left over, and is drawn under one."""
    steps = {"cancel": 1.0, "finish": 2.0, "queue": 3.0}
    rows = [
        {"policy": policy, "scheme": scheme, "persistence": persistence, "own_work": 0.75,
         "middle": middle, "last_round": last, "rounds": last, "replications": 4,
         "iteration_time": factor * (1 + persistence) * last / 10, "standard_error": 0.01}
        for policy, factor in steps.items()
        for scheme in ("uncoded", "erasurehead")
        for persistence in (0.0, 1.0)
        for middle, last in ((1.5, 2), (6.0, 10))
    ]  # fmt: skip
    picture = policies.Backlog(persistences=(0.0, 1.0)).picture(pd.DataFrame(rows))
    left, right = picture.panels
    assert picture.columns == 2
    queue, queued, cancelled = drawn(left, Curve)
    np.testing.assert_allclose([queue.y, queued.y], [[0.6, 3.0], [1.2, 6.0]])
    assert (cancelled.x.tolist(), cancelled.y.tolist()) == ([1.5, 6.0], pytest.approx([0.2, 1.0]))
    [rule] = [mark for mark in left.marks if isinstance(mark, Rules)]
    assert rule.y.tolist() == [0.75]
    assert (left.x.log, left.y.low) == (True, 0.0)
    ends = [curve.y for curve in drawn(right, Curve)]
    np.testing.assert_allclose(ends, [[1.0, 2.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    titles = [m.look.title for m in right.marks if isinstance(m, Curve) and not len(m.x)]
    unfinished = [f"{policy} unfinished work" for policy in steps]
    assert titles == ["uncoded", "ErasureHead", *unfinished]
    assert (right.x.names, right.y.log, right.y.ticks) == (("0", "1"), True, (1, 2, 3, 5))
    assert_readable(picture)
    frame = pd.DataFrame(rows).replace({"persistence": {1.0: 0.5, 0.0: 0.75}})
    left, right = policies.Backlog(persistences=(0.75, 0.5)).picture(frame).panels
    assert right.x.names == ("0.5", "0.75"), "in the order of their places"
    assert "cancel, persistence 0.5" in {
        mark.title for mark in left.marks if isinstance(mark, Curve)
    }


@pytest.mark.parametrize(("last", "grows"), [(2.0, True), (0.5, False)])
def test_backlogs_are_told_where_they_are(last: float, grows: bool) -> None:
    rows = [
        {"policy": policy, "scheme": "erasurehead", "persistence": persistence, "own_work": 0.75,
         "middle": float(end), "last_round": end, "rounds": end, "replications": 4,
         "iteration_time": seconds, "standard_error": 0.01}
        for policy in ("cancel", "queue")
        for persistence, own in ((0.5, last), (1.0, 2 * last))
        for end, seconds in ((1, 1.0), (8, own))
    ]  # fmt: skip
    text = policies.Backlog(persistences=(0.5, 1.0)).text(pd.DataFrame(rows))
    assert ("shorter runs underestimate" in text) == grows
    assert (
        "2.00 to 2.00 s in the end; half of the growth is done by round 8 at 0.5" in text
    ) == grows
    assert "the others carry on without them" not in text, "2 or 4 s are more than 0.75"
    fast = pd.DataFrame(rows).assign(own_work=9.0)
    assert "carry on without them" in policies.Backlog(persistences=(0.5, 1.0)).text(fast)


def test_a_picture_of_times_in_large_clusters() -> None:
    """A line of theory for each scheme, each size once, and dots of the engine that drew them."""
    rows = [
        {"load_law": law, "scheme": scheme, "workers": n, "engine": engine,
         "theory": place + n / 10, "simulated": place + n / 9, "standard_error": 0.125}
        for law in base.LAW_TITLES
        for place, scheme in enumerate(("uncoded", "erasurehead"))
        for n, engine in ((10, "batch"), (10, "law"), (20, ""), (100, "law"))
    ]  # fmt: skip
    picture = iteration_time.IterationTimeScale().picture(pd.DataFrame(rows))
    left, right = picture.panels
    assert picture.columns == 2
    assert [left.title, right.title] == [*base.LAW_TITLES.values()]
    assert [curve.x.tolist() for curve in drawn(left, Curve)] == [[10, 20, 100]] * 2
    assert [curve.y[1] for curve in drawn(left, Curve)] == [2.0, 3.0]
    assert_readable(picture)
    dots = drawn(left, Points)
    assert [(dot.x.tolist(), dot.hollow) for dot in dots] == [
        ([10], True), ([10, 100], False), ([10], True), ([10, 100], False)
    ]  # fmt: skip
    np.testing.assert_allclose(dots[0].dy, np.full((2, 1), 1.96 * 0.125))
    assert (left.x.log, left.y.low) == (True, 0.0)


def test_a_picture_of_what_the_authors_measured() -> None:
    """Their curve, and a row for each scheme: filled under the one law, hollow under the other."""
    rows = [
        {"load_law": law, "scheme": scheme, "load": load, "wait_for": 0, "simulated": seconds + at,
         "integrated": seconds, "standard_error": 0.5}
        for seconds, law in ((10.0, "additive"), (40.0, "proportional"))
        for at, (scheme, load) in enumerate((("uncoded", 0), ("fractional_repetition", 3)))
    ]  # fmt: skip
    picture = waiting.MeasuredCurve().picture(pd.DataFrame(rows))
    curve, schemes = picture.panels
    assert picture.columns == 2
    [line] = drawn(curve, Curve)
    assert [*zip(line.y.tolist(), line.x.tolist(), strict=True)] == [*waiting.CURVE]
    assert len(schemes.y.names or ()) == 2
    dots = drawn(schemes, Points)
    assert [(dot.x[0], dot.y[0], dot.hollow) for dot in dots[::2]] == [
        (10.0, 0.0, False), (11.0, 1.0, False), (40.0, 0.0, True), (41.0, 1.0, True)
    ]  # fmt: skip
    assert [(dot.x[0], dot.y[0]) for dot in dots[1::2]] == [
        (10.0, 0.0), (10.0, 1.0), (40.0, 0.0), (40.0, 1.0)
    ]  # fmt: skip
    np.testing.assert_allclose(dots[0].dx, [[0.98], [0.98]])
    assert (schemes.x.log, schemes.x.ticks) == (True, (1, 2, 3, 5))
    keys = [mark.title for mark in schemes.marks if isinstance(mark, Points) and not len(mark.x)]
    assert keys == picture.last
    assert_readable(picture)


def test_panels_of_all_schemes_stand_below_each_other(frame: pd.DataFrame) -> None:
    """Names need the whole width."""
    picture = Atlas(schemes=KNOWN + OTHERS).picture(frame)
    assert (len(picture.panels), picture.columns) == (len(ATLAS_DELAYS), 1)
    assert picture.names_left


def test_numbers_are_white_on_dark_cells() -> None:
    """Where the luma of the shade is below one half, by the weights of television."""
    inks, ratios = set(), np.geomspace(1 / 3, 3, 41)
    [panel] = ranking.Ranking().picture(ranked_frame([{"erasurehead": r} for r in ratios])).panels
    for row, ratio in enumerate(ratios):
        shade, number = marks_of_cell(panel, "erasurehead", row)
        red, green, blue = bytes.fromhex(shade.fill.colour[1:])
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 127.5
        assert (number.colour == "#FFFFFF") == dark, ratio
        inks.add(number.colour)
    assert len(inks) == 2


def test_a_speed_up_is_over_all_pairs_of_runs() -> None:
    """One of eight runs of ErasureHead fails, and the interval of the median knows it."""
    figure = loss_time.Speedup(iterations=40, replications=8, loads=(2,), wait_for=5)
    frame = figure.compute(Effort())
    assert set(frame["reached"]) == {0.875}
    assert (frame["speedup_low"] == 0).all(), "the least of the eight"
    assert (frame["speedup"] > 0).all()
    assert frame["iterations_to_target_erasurehead"].isna().all()
    assert "| – | 20.0 |" in figure.text(frame)
    figure.picture(frame.assign(speedup=frame["speedup"].where(frame["load_law"] == "additive", 0)))
