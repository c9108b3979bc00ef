"""The figures: numbers that agree with theory, pictures that can be read, bytes that repeat."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import comb
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from erasurehead import ConfigError
from erasurehead.delay_models.presets import CURVE
from erasurehead.delays import MODELS, DelayModel, Markov
from erasurehead.experiments.checks.verify.grid import group_spreads
from erasurehead.experiments.commands.table import result_kinds
from erasurehead.experiments.config import build
from erasurehead.experiments.config.schema import first_sentence
from erasurehead.experiments.pictures import looks, paint
from erasurehead.experiments.pictures.picture import Heat
from erasurehead.experiments.pictures.svg.marks import PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.reports.report.command import write_report
from erasurehead.experiments.reproduce import FIGURES, base, figure_named, figure_with
from erasurehead.experiments.reproduce import command as page
from erasurehead.experiments.reproduce.base import MEAN_DELAY, Effort, Figure, mean_text
from erasurehead.experiments.reproduce.claims import verdicts
from erasurehead.experiments.reproduce.command import make, make_figures
from erasurehead.experiments.reproduce.figures import all_schemes as atlas
from erasurehead.experiments.reproduce.figures.policies import doubling_means
from erasurehead.experiments.reproduce.figures.ranking import (
    CLUSTER_WORK,
    EXACT_RANKED,
    clusters,
    persistent,
)
from erasurehead.experiments.reproduce.figures.time_to_target import Grid
from erasurehead.experiments.reproduce.figures.waiting import settled
from erasurehead.experiments.reproduce.reference import compare_with
from erasurehead.experiments.reproduce.request import ReproduceRequest
from erasurehead.experiments.run.files import MARK
from erasurehead.experiments.text import LONGEST_LINE
from erasurehead.problems import KcHousing, LeastSquares
from erasurehead.schemes import SCHEMES
from tests.experiments.reports.results import Reader
from tests.golden.records import require_recorded
from tests.sim.training.test_datasets import kc_table
from tests.statistics import BOUND
from tests.tools import assert_readable, inside, undrawn

SMALL: dict[str, dict[str, object]] = {
    "iteration_time_workers": {"workers": (12, 96), "rounds": 1000},
    "iteration_time_scale": {"decades": (1, 3, 6), "rounds": 2000},
    "delay_tolerance": {"stragglers": (0, 3, 15, 21), "rounds": 1000},
    "loss_iteration_floor": {
        "arrivals": (15, 6),
        "iterations": 25,
        "replications": 40,
        "rows": 240,
        "features": 20,
    },
    "loss_time": {"iterations": 20, "replications": 3},
    "loss_time_real": {"iterations": 60, "replications": 3},
    "claim_b_curve": {"arrivals": (15, 6), "replications": 16},
    "speedup": {"loads": (2, 6), "iterations": 40, "replications": 4},
    "tradeoff_load_arrivals": {"loads": (1, 3), "arrivals": (6, 20), "replications": 3},
    "policies": {"iterations": 40, "replications": 4},
    "backlog": {"persistences": (0.0, 0.9, 1.0), "iterations": 300, "replications": 12},
    "ranking": {"iterations": 60, "replications": 30},
    "measured_curve": {"iterations": 500, "replications": 8},
    "atlas": {"schemes": ("uncoded", "erasurehead"), "iterations": 20, "replications": 4},
    "time_to_target": {
        "grids": (Grid("breast_cancer", (0.125, 2.0, 4.0)),),
        "iterations": 12,
        "replications": 8,
        "trials": 2,
    },
}

FIGURE_NAMED = "erasurehead.experiments.reproduce.figure_named"


def small(name: str) -> Figure:
    return replace(figure_named(name), **SMALL[name])  # type: ignore[type-var]


class Frames(dict[str, pd.DataFrame]):
    """The table of each small figure, computed when a test first asks for it."""

    def __init__(self, data_dir: Path) -> None:
        self.effort = Effort(data_dir=data_dir)

    def __missing__(self, name: str) -> pd.DataFrame:
        frame = small(name).compute(self.effort)
        if "left_out" in frame:  # a reason says where it was looked
            reasons = frame["left_out"].str.replace(str(self.effort.data_dir), "data", regex=False)
            frame = frame.assign(left_out=reasons)
        self[name] = frame
        return frame


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A table that looks like King County's is the one data set that is brought."""
    folder = tmp_path_factory.mktemp("data")
    kc_table(80).to_csv(folder / "kc_house_data.csv", index=False)
    return Frames(folder)


@pytest.mark.golden
def test_every_figure_is_tested_and_names_itself() -> None:
    """And has the sizes of yesterday."""
    assert set(SMALL) == set(FIGURES)
    sizes = {name: {k: str(v) for k, v in vars(figure_named(name)).items()} for name in FIGURES}
    assert sizes["atlas"].pop("schemes") == str(tuple(SCHEMES))
    compared = {name: str(choices) for name, choices in atlas.MEMBER_FIELDS.items()}
    require_recorded("reproduce", {"sizes": sizes, "compared": compared})
    for name in FIGURES:
        assert figure_named(name).name == name
        assert figure_named(name).title
        assert first_sentence(figure_named(name)).endswith(".")


def test_clocks_know_of_network_and_failures() -> None:
    """Catches an engine that is called with the scheme and the delays alone."""
    document = {
        "iterations": 20,
        "delay": {"model": "exponential", "rate": 2.0},
        "schemes": [{"name": "uncoded"}],
    }
    slow = {"network": {"uplink_latency": 5.0}}
    crashing = {
        "failures": {
            "time_to_failure": {"model": "exponential", "rate": 0.05},
            "time_to_repair": {"model": "exponential", "rate": 0.5},
        }
    }
    times = [
        float(trace.times[0, -1])
        for extra in ({}, slow, crashing)
        for _, _, trace in Effort().clocks(document | extra)
    ]
    assert times[1] == pytest.approx(times[0] + 20 * 5.0)
    assert times[2] > times[0]


def test_a_mean_as_text() -> None:
    """Catches the spread of the values for the error of their mean, and a dash that is lost."""
    values = np.array([1.0, 2.0, 3.0, 6.0])
    assert mean_text(values) == "3.0 ± 1.1"
    assert mean_text(values[:1]) == "1"
    assert mean_text(np.append(values, np.nan)) == "–"


def test_iteration_times_agree_with_theory(frames: Frames) -> None:
    """Catches a theory line of another scheme, load law or load than the points on it."""
    frame = frames["iteration_time_workers"]
    seen = frame[frame.rounds > 0]
    assert len(seen) == 2 * 5 * 2
    z = (seen.simulated - seen.theory) / seen.standard_error
    assert np.all(np.abs(z) < BOUND)
    assert np.all(frame.theory > 0)
    assert not seen.theory.round(6).duplicated().all()


@pytest.mark.long("a million workers")
def test_both_engines_agree_with_theory_up_to_a_million(frames: Frames) -> None:
    """Catches an engine under another name, and a line that counts arrivals where groups count."""
    frame = frames["iteration_time_scale"]
    heavy = replace(small("iteration_time_scale"), load=20, decades=(2, 5))  # type: ignore[call-arg]
    coded = heavy.compute(Effort()).query("scheme == 'erasurehead' and workers == 100_000")
    assert np.all(np.abs(coded.simulated - coded.theory) < BOUND * coded.standard_error)
    seen = frame[frame.rounds > 0]
    assert seen.groupby("engine").workers.unique().map(list).to_dict() == {
        "batch": [10, 1000],
        "law": [10, 1000, 10**6],
    }
    z = (seen.simulated - seen.theory) / seen.standard_error
    assert np.all(np.abs(z) < BOUND)
    at = seen[seen.workers == 1000].set_index(["load_law", "scheme", "engine"]).simulated.unstack()
    assert (at.batch != at.law).all()
    text = small("iteration_time_scale").text(frame)
    worst = z.abs().groupby(seen.engine).max()
    assert f"is {worst.batch:.1f} standard errors over" in text
    assert f"and {worst.law:.1f} standard errors over" in text
    assert "| additive | 1,000,000 |" in text
    assert "under the additive law at n = 1,000 and more" in text


def test_the_load_laws_agree_at_load_one_and_only_there(frames: Frames) -> None:
    frame = frames["iteration_time_workers"]
    theory = frame.pivot(index=["scheme", "workers"], columns="load_law", values="theory")
    ratio = theory.proportional / theory.additive
    np.testing.assert_allclose(ratio.loc["uncoded"], 1, rtol=1e-12)
    assert np.all(ratio.loc["erasurehead"] > 1.2)


def test_stragglers_are_waited_for_as_theory_says(frames: Frames) -> None:
    """Catches a formula of another rule, and a straggler that others are as late as. By hand: the
    chance that three of 30 are a group of ten, and that cyclic repetition is exact up to two."""
    frame = frames["delay_tolerance"]
    known = settled(frame)
    assert len(known) >= 9
    assert np.all(np.abs(known.simulated - known.theory) < BOUND * known.standard_error)
    varies = known[known.error_se > 0]
    assert np.all(np.abs(varies.error - varies.error_theory) < BOUND * varies.error_se)
    waits = frame.set_index(["scheme", "stragglers"]).waits_theory
    assert waits["cyclic_repetition", 2] == 0 < 1 == waits["cyclic_repetition", 3]
    assert waits["fractional_repetition", 3] == pytest.approx(10 / comb(30, 3))
    ours, theirs = waits["erasurehead"], waits["fractional_repetition"]
    assert np.all(ours[:15] == 0)
    np.testing.assert_array_equal(ours[16:], theirs[16:])
    lost = frame.set_index(["scheme", "stragglers"]).error_theory["erasurehead"]
    np.testing.assert_allclose(lost[:15], comb(27, 15) / comb(30, 15))


def test_mean_loss_is_below_its_bound(frames: Frames) -> None:
    """Catches a bound of another step or scheme, and a V of another path."""
    frame = frames["loss_iteration_floor"]
    allowed = frame.bound * (1 + 1e-9) + BOUND * frame.standard_error
    assert np.all(frame.mean_gap <= allowed)
    assert np.all(frame.bound <= frame.bound_constant * (1 + 1e-9))
    last = frame[frame.iteration == 25].set_index("arrivals").mean_gap
    assert last[30] < 0.1 * last[15] < last[6]


def test_group_spreads_from_the_definition() -> None:
    """Two steps by hand, with one group erased in the first."""
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((12, 3)), rng.standard_normal(12)
    problem = LeastSquares(X, y, partitions=4)
    weights = np.array([[[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]]])
    beta, expected = np.zeros(3), []
    for heard in ([1.0, 0.0], [1.0, 1.0]):
        parts = [2 * X[b].T @ (X[b] @ beta - y[b]) / 12 for b in (slice(0, 6), slice(6, 12))]
        expected.append(sum(part @ part for part in parts))
        beta = beta - 0.05 * (heard[0] * parts[0] + heard[1] * parts[1])
    found = group_spreads(problem, np.zeros(3), weights, 0.05, size=2)
    np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_exact_schemes_share_one_path(frames: Frames) -> None:
    """Catches schemes that start elsewhere or use another optimizer."""
    frame = frames["loss_time"]
    keys = ["dataset", "delays", "replication", "iteration"]
    wide = frame.pivot(index=keys, columns="scheme", values="train_loss")
    for scheme in ("cyclic_repetition", "fractional_repetition"):
        np.testing.assert_allclose(wide[scheme], wide["uncoded"], rtol=1e-9)
    drawn = MODELS["authors_stream"](scale=0.5).sample(np.random.default_rng(0), 1, 30)
    stream = frame[(frame.delays == "authors_stream") & (frame.iteration == 1)]
    assert set(stream.replication) == {0}
    assert set(frame[frame.delays == "exponential"].replication) == {0, 1, 2}
    uncoded = stream[stream.scheme == "uncoded"].time
    np.testing.assert_allclose(uncoded, 0.02 + drawn.max(), rtol=1e-9)
    starts = wide.xs(0, level="iteration")
    np.testing.assert_allclose(starts, starts[["uncoded"] * 6], rtol=1e-12)


def test_speedup_is_iterations_times_seconds(frames: Frames) -> None:
    """Catches an inverted ratio, or one of different delays."""
    frame = frames["speedup"]
    rounds = frame.iterations_to_target / frame.iterations_to_target_erasurehead
    np.testing.assert_allclose(frame.speedup, frame.per_iteration * rounds, rtol=0.1)
    assert np.all(frame.speedup_low <= frame.speedup)
    assert np.all(frame.speedup <= frame.speedup_high)
    best = frame[(frame.load_law == "additive") & (frame.work < 0.1)]
    assert np.all(best[best.scheme == "uncoded"].speedup > 3)


def test_exact_schemes_take_as_many_iterations_to_a_loss_of_their_own() -> None:
    """The target is a tie: a code whose rounding is not taken for exact needs one more."""
    frame = replace(figure_named("speedup"), loads=(6,)).compute(Effort())  # type: ignore[call-arg]
    assert set(frame.iterations_to_target) == {50.0}


def test_pareto_front_is_not_beaten(frames: Frames) -> None:
    frame = frames["tradeoff_load_arrivals"]
    for _, part in frame.groupby(["load_law", "work"]):
        front = part[part.on_front]
        assert 1 < len(front) < len(part)
        for point in front.itertuples():
            better = (part.iteration_time < point.iteration_time) & (
                part.loss_above_minimum < point.loss_above_minimum * 0.99
            )
            assert not better.any()


def test_policies_differ_only_where_there_is_unfinished_work(frames: Frames) -> None:
    """Uncoded leaves none; drain takes everybody's slowest round, cancel the least."""
    frame = frames["policies"]
    mean = frame.groupby(["scheme", "policy"]).iteration_time.mean().unstack()
    np.testing.assert_allclose(mean.loc["uncoded"], mean.loc["uncoded", "drain"], rtol=1e-12)
    assert np.all(mean.cancel <= mean.finish * (1 + 1e-12))
    assert np.all(mean.finish <= mean.drain * (1 + 1e-12))
    assert mean.loc["erasurehead", "drain"] > 4 * mean.loc["erasurehead", "cancel"]


def order_statistic(delay: DelayModel, n: int, groups: int = 1, heard: int = 0) -> float:
    """Mean time until each of the groups of n has its first, or ``heard`` of n are done (iid)."""
    if heard:
        late = lambda x: stats.binom.cdf(heard - 1, n, 1 - survival(delay, x))  # noqa: E731
    else:
        late = lambda x: 1 - (1 - survival(delay, x) ** (n // groups)) ** groups  # noqa: E731
    return float(integrate.quad(late, 0, 1, limit=500)[0] + integrate.quad(late, 1, np.inf)[0])


def survival(delay: DelayModel, seconds: float) -> float:
    return float(np.asarray(delay.sf(seconds)))


def test_ranking_agrees_with_order_statistics(frames: Frames) -> None:
    """Catches a delay of another mean, a lost shift of work, and a law under a wrong name.

    Whatever the persistence, a round's law is the same, so cancel has the same mean.
    """
    frame = frames["ranking"].set_index(["group", "cluster", "scheme"])
    compared = 0
    for cluster in clusters():
        if cluster.policy != "cancel" or cluster.load_law["kind"] != "additive":
            continue
        delay = build.delay_model(cluster.delay)
        work = cluster.load_law["seconds_per_partition"]
        if delay.mean() is None or delay.sf(1.0) is None:
            continue
        rows = frame.loc[cluster.group].loc[cluster.title]
        for scheme, expected in (
            ("uncoded", work + order_statistic(delay, 30, groups=30)),
            ("ignore_stragglers", work + order_statistic(delay, 30, heard=28)),
            ("cyclic_repetition", 3 * work + order_statistic(delay, 30, heard=28)),
            ("fractional_repetition", 3 * work + order_statistic(delay, 30, groups=10)),
        ):
            row = rows.loc[scheme]
            assert abs(row.iteration_time - expected) < BOUND * row.standard_error, cluster.title
            compared += 1
    assert compared == 4 * 5


def test_ranking_marks_the_fastest(frames: Frames) -> None:
    frame = frames["ranking"]
    assert len(frame) == 7 * len([*clusters()])
    for _, part in frame.groupby(["group", "cluster"]):
        fastest = part.loc[part.iteration_time.idxmin()]
        assert fastest.fastest
        exact = part[part.scheme.isin(EXACT_RANKED)]
        assert (exact.decoding_error == 0).all()
        assert exact.loc[exact.iteration_time.idxmin()].fastest_exact
        assert not part[~part.scheme.isin(EXACT_RANKED)].fastest_exact.any()
        assert np.all(part[part.scheme == "uncoded"].ratio == 1)
        assert np.all(part.ratio_low <= part.ratio)
        assert np.all(part.ratio <= part.ratio_high)
    ignored = frame[frame.scheme == "ignore_stragglers"]
    np.testing.assert_allclose(ignored.decoding_error, 30 * 2 / 28)  # rescaled
    np.testing.assert_allclose(ignored.share_lost, 2 / 30)
    dropped = frame[frame.scheme == "drop_compute"]
    assert 0.1 < dropped.share_lost.max() < 0.5


def test_parametric_clusters_have_one_mean() -> None:
    """Catches tails that differ in mean, and persistence that changes the law of a round."""
    for cluster in clusters():
        if cluster.group != "measured clusters":
            shift = CLUSTER_WORK if cluster.load_law["kind"] != "additive" else 0.0
            mean = build.delay_model(cluster.delay).mean()
            assert mean == pytest.approx(MEAN_DELAY + shift, rel=1e-12)
    for persistence in (0.0, 0.5, 0.98, 1.0):
        model = build.delay_model(persistent(persistence))
        assert isinstance(model, Markov)
        assert model.persistence == pytest.approx(persistence)
        assert model.stationary


def test_backlogs_grow_to_a_workers_own_work(frames: Frames) -> None:
    """Under queue the mean round cannot stay below a worker's own work, unless states are fixed."""
    frame = frames["backlog"]
    assert np.all(frame.groupby(["persistence", "policy", "scheme"]).rounds.sum() == 300)
    ends = frame.groupby(["scheme", "policy", "persistence"]).last()
    ours = ends.loc["erasurehead"]
    for persistence in (0.0, 0.9):
        row = ours.loc[("queue", persistence)]
        assert row.iteration_time + BOUND * row.standard_error > row.own_work
        assert row.iteration_time > 1.7 * ours.loc[("cancel", persistence)].iteration_time
    fixed = ours.loc[("queue", 1.0)]
    assert fixed.iteration_time < 0.95 * fixed.own_work
    for scheme in ("uncoded", "fractional_repetition", "erasurehead"):
        cancel, finish, queue = (
            ends.loc[scheme].loc[p].iteration_time for p in ("cancel", "finish", "queue")
        )
        assert np.all(cancel <= finish * (1 + 1e-12))
        assert np.all(finish <= queue * (1 + 1e-12))
    uncoded = ends.loc["uncoded"].iteration_time
    np.testing.assert_allclose(uncoded["queue"], uncoded["cancel"], rtol=1e-12)


def test_means_cover_every_round_once() -> None:
    seconds = np.arange(12.0).reshape(2, 6) + 1
    found = doubling_means(seconds)
    assert sum(means["rounds"] for means in found) == 6
    assert found[0]["iteration_time"] == seconds[:, 0].mean()
    assert found[-1]["last_round"] == 6
    total = sum(means["iteration_time"] * means["rounds"] for means in found)
    assert total == pytest.approx(seconds.mean() * 6)


@pytest.mark.slow
def test_time_to_target_of_exact_schemes_agrees_with_theory(frames: Frames) -> None:
    """As many rounds as uncoded, of a mean that is known; catches a clock of another scheme."""
    frame = frames["time_to_target"]
    own = frame[frame["kind"] == "own best rate"].set_index(["load_law", "scheme"])
    harmonic = [sum(1 / i for i in range(1, n + 1)) for n in (10, 30)]
    uncoded = base.QUICK_WORK + harmonic[1] * base.MEAN_DELAY
    group = harmonic[0] * base.MEAN_DELAY / 3  # slowest of ten groups, fastest of three workers
    for law, scheme, expected in (
        ("additive", "uncoded", uncoded),
        ("proportional", "uncoded", uncoded),
        ("additive", "fractional_repetition", 3 * base.QUICK_WORK + group),
        ("proportional", "fractional_repetition", 3 * (base.QUICK_WORK + group)),
    ):
        row = own.loc[law, scheme]
        assert row.reached == row.replications
        assert row.iterations == own.loc[law, "uncoded"].iterations
        student = stats.t.ppf(0.975, row.replications - 1)
        error = (row.seconds_high - row.seconds_low) / 2 / student
        assert abs(row.seconds - row.iterations * expected) < BOUND * error


def test_own_rates_are_the_best_of_the_grid(frames: Frames) -> None:
    """Catches a rate chosen on the delays that are shown, and one common rate for all."""
    frame = frames["time_to_target"]
    compared = 0
    for _, part in frame.groupby(["load_law", "scheme"]):
        tried = part[(part["kind"] == "grid") & (part["reached"] == part["replications"])]
        [own] = part[part["kind"] == "own best rate"].itertuples()
        if len(tried):
            assert own.rate == tried.loc[tried["seconds"].idxmin(), "rate"]
            compared += 1
    assert compared > 10
    kinds = frame[frame["kind"] != "grid"].pivot_table(
        index=["load_law", "scheme"], columns="kind", values="rate"
    )
    uncoded = kinds.xs("uncoded", level="scheme")["own best rate"]
    for law, rows in kinds.groupby("load_law"):
        assert (rows["uncoded's best rate"] == uncoded[law]).all()
    assert kinds["own best rate"].nunique() > 2


def test_no_cell_of_rates_is_as_white_as_what_was_not_tried(frames: Frames) -> None:
    """The best rate takes 1 time as long; white would be 0.8 times."""
    panels = small("time_to_target").picture(frames["time_to_target"]).panels
    heats = [mark for panel in panels for mark in panel.marks if isinstance(mark, Heat)]
    assert heats
    for heat in heats:
        assert np.nanmin(heat.values) >= 1 > heat.limits[0]


def test_schemes_of_load_one_do_not_see_the_load_law(frames: Frames) -> None:
    frame = frames["time_to_target"]
    keys = ["scheme", "kind", "rate"]
    wide = frame.pivot(index=keys, columns="load_law", values="elapsed")
    for scheme in ("uncoded", "ignore_stragglers", "k_async", "asynchronous", "ringleader"):
        np.testing.assert_allclose(
            wide.loc[scheme]["additive"], wide.loc[scheme]["proportional"], rtol=1e-9
        )


def test_who_does_not_arrive_is_said(frames: Frames) -> None:
    """Catches a mean over the replications that happen to arrive, and a scheme that is left out."""
    frame = frames["time_to_target"]
    late = frame[frame["reached"] < frame["replications"]]
    assert late["seconds"].isna().all()
    shown = late[late["kind"] != "grid"]
    assert "asynchronous" in set(shown["scheme"])
    text = small("time_to_target").text(frame)
    assert text.count(" arrive in ") + text.count(" arrive |") >= len(shown)
    assert all(
        looks.look(name).title in text for name in ("ringleader", "pipelined", "erasurehead")
    )


UNITS = ("(s)", "workers n", "load d", "r/n", "loss", "error", "iteration", "faster", "persistence")
UNITS += ("relative", "stragglers")


@pytest.mark.parametrize(
    ("exact", "formula", "measured", "error"),
    [
        (True, None, 0.0, 0.0),
        (False, None, 1.0, 1.0),
        (False, 0.25, 1.0, 0.25),
        (False, None, 1e-13, np.nan),  # was not seen, which does not make it exact
        (False, 2.5e-14, 0.0, 2.5e-14),
    ],
)
def test_an_error_is_the_closed_form_or_what_was_seen(
    exact: bool, formula: float | None, measured: float, error: float
) -> None:
    found = atlas.error_or_nan(exact, formula, measured)
    assert found == pytest.approx(error, nan_ok=True)


def test_names_stand_apart_and_above_the_floor() -> None:
    for wanted, places in (
        ([0.9, 0.88, 0.2], [0.9, 0.8, 0.2]),
        ([0.9, 0.8, 0.2], [0.9, 0.8, 0.2]),
        ([0.12, 0.02], [0.15, 0.05]),
        ([0.5], [0.5]),
        ([0.0], [0.05]),
    ):
        np.testing.assert_allclose(atlas.apart(np.array(wanted), 0.1), places)


@pytest.mark.one_in(3)
@pytest.mark.golden
@pytest.mark.parametrize("name", FIGURES)
def test_pictures_have_labels_units_and_a_legend(name: str, frames: Frames) -> None:
    picture = small(name).picture(frames[name])
    assert draw_picture(picture, name, name, PageStyle()).entries, (
        "the page's renderer draws it, too"
    )
    figure = paint.figure(picture)
    require_recorded(f"reproduce/{name}", {"drawn": figure}, drawn=True)
    shared = " ".join(a.get_xlabel() + a.get_ylabel() for a in figure.axes)
    assert figure.legends
    for axes in figure.axes:
        assert axes.has_data()
        below = axes.get_xlabel() or shared
        assert any(unit in below for unit in UNITS), below
        left = axes.get_ylabel() or axes.get_yticklabels() or shared
        assert left


@pytest.mark.golden
@pytest.mark.parametrize("name", FIGURES)
def test_what_pictures_show_lies_within_axes_that_a_reader_knows(name: str, frames: Frames) -> None:
    picture = small(name).picture(frames[name])
    assert_readable(picture)
    for axis in (axis for panel in picture.panels for axis in (panel.x, panel.y)):
        round_numbers = (1,), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 4, 6, 8)
        assert axis.ticks in ((), *round_numbers)
    require_recorded(f"reproduce/{name}", {"table": frames[name], "picture": picture})


@pytest.mark.golden
@pytest.mark.parametrize("name", FIGURES)
def test_reports_are_text_and_tables_without_holes(name: str, frames: Frames) -> None:
    text = small(name).text(frames[name])
    require_recorded(f"reproduce/{name}", {"text": text})
    assert "| --- |" in text
    assert not re.search(r"\bnan\b", text)
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert min(widths) > 3


def test_times_on_the_measured_curve(frames: Frames) -> None:
    """Means of order statistics, integrated here over chances instead of seconds: E[T] is the
    integral of Q(p) over the law of the chance p at which the round ends."""
    n, p = 30, (np.arange(50_000) + 0.5) / 50_000
    seconds = np.interp(p, *np.array(CURVE).T)

    def mean_at(ended: np.ndarray) -> float:
        """From P(the round has ended when a worker has with chance p), at each p."""
        return float(seconds[0] + ((1 - ended[:-1]) * np.diff(seconds)).sum())

    heard = stats.binom(n, p)
    frame, factors = frames["measured_curve"], {"additive": 0, "proportional": 1}
    waited = frame[frame.wait_for > 0].groupby("scheme").wait_for.unique().map(set)
    assert dict(waited) == {"erasurehead": {n // 2}, "ignore_stragglers": {n // 2, n - 2}}
    for _, row in frame.iterrows():
        d, r = row["load"] or 1, row["wait_for"]
        covered = (1 - (1 - p) ** d) ** (n // d)
        match row["scheme"]:
            case "uncoded":
                ended = p**n
            case "ignore_stragglers":
                ended = heard.sf(r - 1)
            case "cyclic_repetition":
                ended = heard.sf(n - d)
            case "fractional_repetition":
                ended = covered
            case _:  # r have arrived, or fewer that cover every group: no group lacks all members
                full = [_covering(n, d, k) for k in range(n + 1)]
                early = sum(heard.pmf(k) * full[k] for k in range(r))
                ended = heard.sf(r - 1) + early
        expected = mean_at(ended) * d ** factors[row["load_law"]]
        assert row["integrated"] == pytest.approx(expected, rel=1e-3)
        assert abs(row["simulated"] - row["integrated"]) < BOUND * row["standard_error"]


def _covering(n: int, d: int, k: int) -> float:
    """The share of the sets of k of n workers that have a member of each group of d."""
    groups = n // d
    hit = sum((-1) ** j * comb(groups, j) * comb(n - j * d, k) for j in range(groups + 1))
    return hit / comb(n, k)


def real(folder: Path | None) -> pd.DataFrame:
    figure = replace(figure_named("loss_time_real"), iterations=4, replications=1)  # type: ignore[type-var]
    return figure.compute(Effort(data_dir=folder))


def test_data_sets_without_files_are_left_out_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, picture and verdict; without any there is no figure."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    with pytest.raises(ConfigError, match=r"no data set can be used\. Amazon .* needs"):
        real(tmp_path)
    kc_table(80).to_csv(tmp_path / "kc_house_data.csv", index=False)
    frame = real(tmp_path)
    text = figure_named("loss_time_real").text(frame)
    for title in ("Amazon", "Covertype"):
        [line] = [line for line in text.splitlines() if line.startswith(title)]
        assert "left out" in line
        assert "needs one of these files" in line
    [*_, (claim, verdict)] = verdicts({"loss_time_real": frame})
    assert "needs one of these files" in verdict.left_out["Amazon Employee Access (logistic)"]
    assert "Left out: Covertype (logistic)" in " ".join(claim.sentences(verdict))
    assert [*claim.as_plain(verdict)["left_out"]][:2] == [*verdict.left_out][:2]
    drawn = figure_named("loss_time_real").picture(frame)
    assert len(paint.figure(drawn).axes) == 2


@pytest.mark.parametrize("named", ["data_dir", "variable"])
def test_the_authors_data_where_they_are(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a folder that is not handed on, and a part of a set that passes for the whole: the
    heading, the picture and the verdict say how many rows there are; more are refused."""
    kc_table(80).to_csv(tmp_path / "kc_house_data.csv", index=False)
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    if named == "variable":
        monkeypatch.setenv("ERASUREHEAD_DATA", str(tmp_path))
    folder = tmp_path if named == "data_dir" else None
    frame = real(folder)
    title = "KC House Sales (least squares), part: 80 of 21,613 rows"
    assert f"**{title}**" in figure_named("loss_time_real").text(frame)
    assert figure_named("loss_time_real").picture(frame).panels[0].title == title
    [*_, (_, verdict)] = verdicts({"loss_time_real": frame})
    assert [each.where["over"] for each in verdict.of(data=title)]
    monkeypatch.setattr(KcHousing, "whole", 80)
    assert {*real(folder)["part"].dropna()} == {""}
    monkeypatch.setattr(KcHousing, "whole", 79)
    with pytest.raises(ConfigError, match="no data set can be used"):
        real(folder)


def test_a_folder_of_data_has_an_effect_or_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no figure named the real sets are run; beside others that read no data it is refused."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    done = inside("reproduce", "loss_time", "--data-dir", tmp_path, "--output", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--data-dir" in done.stderr
    assert "name loss_time_real, too" in done.stderr
    made: list[str] = []
    monkeypatch.setattr(page, "make", lambda effort, asked, figure, share: made.append(figure.name))
    for folder in (None, tmp_path):
        made.clear()
        with pytest.raises(ConfigError, match="holds no figure"):
            make_figures([], ReproduceRequest(output=tmp_path / "all", data_dir=folder))
        assert ("loss_time_real" in made) is (folder is not None)


@pytest.mark.long("a figure is made seven times")
@undrawn()
def test_a_reproduction_is_compared_with_another_by_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same data and numbers; a file of other bytes with the same arrays; a byte that changes a
    value; a set that is missing; numbers that are not those of the same data."""
    monkeypatch.delenv("ERASUREHEAD_DATA", raising=False)
    short = replace(small("loss_time_real"), iterations=10, replications=2)  # type: ignore[call-arg]
    monkeypatch.setattr(FIGURE_NAMED, lambda name: short)
    data, out, known = (tmp_path / name for name in ("data", "out", "known"))
    data.mkdir()
    file = data / "kc_house_data.csv"
    kc_table(80).to_csv(file, index=False)

    def compared(folder: Path = out) -> tuple[bool, str]:
        make_figures(["loss_time_real"], ReproduceRequest(output=folder, data_dir=data))
        same, lines = compare_with(folder, known)
        return same, " ".join(lines)

    make_figures(["loss_time_real"], ReproduceRequest(output=known, data_dir=data))
    same, said = compared()
    assert same
    assert "the reference's file and encoded arrays" in said
    assert "all files are the bytes of" in said
    text = file.read_bytes()
    file.write_bytes(text.replace(b"\n", b"\r\n"))
    same, said = compared()
    assert same
    assert "another file with the reference's encoded arrays" in said
    kc_table(80).assign(price=lambda table: table["price"] + 1).to_csv(file, index=False)
    same, said = compared()
    assert not same
    assert "NOT the reference's data" in said
    assert "its numbers are not compared" in said
    kc_table(70).to_csv(file, index=False)
    assert "part: 70 of 21,613 rows" in compared()[1]
    file.write_bytes(text)
    words = known / "loss_time_real.md"
    words.write_text(words.read_text().replace("0", "1", 1))
    same, said = compared()
    assert not same
    assert "loss_time_real.md: NOT the bytes of" in said
    record = known / "data.json"
    amazon = {"amazon": {"title": "Amazon", "arrays_sha256": "0", "file_sha256": "0"}}
    record.write_text(json.dumps(json.loads(record.read_text()) | amazon))
    same, said = compared()
    assert not same
    assert "Amazon Employee Access (logistic): left out: " in said
    record.unlink()
    with pytest.raises(ConfigError, match=r"--against = .* holds no data.json"):
        compared()


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_bytes_twice_and_from_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    """Catches dates and random identifiers in pictures, and state that passes between figures."""
    monkeypatch.setattr(FIGURE_NAMED, small)
    names = ["iteration_time_workers", "policies"]
    index, _ = make_figures(names, ReproduceRequest(output=tmp_path / "a"))
    make_figures(names[::-1], ReproduceRequest(output=tmp_path / "b", jobs=jobs))
    first = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    second = {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()}
    assert first == second
    endings, both = {".png", ".svg", ".parquet", ".md"}, {"summary.md", "claims.json", "index.html"}
    assert set(first) == {n + e for n in names for e in endings} | both | {MARK}
    assert b"<dc:date>" not in first["policies.svg"]
    summary = (tmp_path / "a" / "summary.md").read_text()
    assert all(f"]({name}.png)" in summary for name in names)
    assert index == tmp_path / "a" / "index.html"
    assert write_report(tmp_path / "a", result_kinds()) == index
    assert index.read_bytes() == first["index.html"]


@undrawn()
def test_a_figure_made_anew_keeps_the_others_in_the_summary(tmp_path: Path) -> None:
    asked = ReproduceRequest(output=tmp_path, format_="svg")
    make(Effort(), asked, small("iteration_time_workers"))
    make(Effort(), asked, small("delay_tolerance"))
    (tmp_path / MARK).touch()
    seen: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FIGURE_NAMED, small)
        asked = ReproduceRequest(output=tmp_path)
        index, _ = make_figures(["iteration_time_workers"], asked, lambda *x: seen.append(x))
    assert seen == [(0, 1), (1, 1)]
    assert "](delay_tolerance.svg)" in (tmp_path / "summary.md").read_text()
    words = Reader(index.read_text()).words
    assert "(a) Higher delay tolerance: holds" in words
    assert "simulator and closed forms agree: the farthest of" in words.lower()
    assert f"2 of {len(FIGURES)}" in words
    made = ("iteration_time_workers", "delay_tolerance")
    others = ", ".join(name for name in FIGURES if name not in made)
    assert page.read_reproduction(tmp_path).question[3:] == [
        ("figures", f"2 of {len(FIGURES)}"),
        ("not here", others),
    ]
    assert words.count("erasurehead reproduce delay_tolerance") == 1


LAWS_TABLE = base.Numbers(
    ["law", "n", "s"],
    [["a", "1,000", "**1.5** ± 0.1"], ["b", "20", "–"], ["c", "3", "1,234.5 s"]],
    names=2,
)
WORDS: base.Words = (
    "First **words** go on.\n\nWhat follows.",
    LAWS_TABLE,
    "Between.\n\nOf the others:",
    base.Numbers(["what", "s"], [["c", "−2e-3 s"]]),
    "The end.",
)


def test_the_text_of_a_figure_is_words_and_tables_with_what_leads_to_them() -> None:
    """Numbers sort as numbers; names and what has none do not. Words before the only table of a
    text, or without one, are all under the picture."""

    def made(*words: str | base.Numbers) -> Any:
        figure: Any = SimpleNamespace(name="fig", title="Fig", words=lambda frame: words)
        figure.picture, figure.__doc__ = lambda frame: "drawn", "A figure. More."
        return page.figure_section(page.Kept(figure, pd.DataFrame(), "the line"))

    found = made(*WORDS)
    chart, one, two = found.parts
    assert (chart.ident, chart.picture) == ("fig-picture", "drawn")
    assert found.words == "First words go on.\nBetween.\nThe end."
    assert (one.note, two.note) == ("What follows.", "Of the others:")
    assert (one.ident, two.ident) == ("fig-table-1", "fig-table-2")
    assert (one.columns, one.keys, two.keys) == (["law", "n", "s"], 2, 1)
    assert [[cell.text for cell in row] for row in one.rows] == [
        ["a", "1,000", "1.5 ± 0.1"],
        ["b", "20", "–"],
        ["c", "3", "1,234.5 s"],
    ]
    assert [[cell.order for cell in row] for row in one.rows] == [
        [None, None, order] for order in (1.5, None, 1234.5)
    ]
    assert [cell.order for cell in two.rows[0]] == [None, -0.002]
    alone = made("What follows.", LAWS_TABLE)
    assert (alone.words, alone.parts[1].note) == ("What follows.", "")
    assert (made("Words.").words, len(made("Words.").parts)) == ("Words.", 1)


def test_how_far_points_are_from_their_closed_forms() -> None:
    """Those that vary, and that were seen often enough; the farthest of all is told."""
    known = {"simulated": [1.0, 2.0, 3.0], "standard_error": [0.1, 0.5, 0.0]}
    frame = pd.DataFrame({**known, "theory": [1.2, 1.5, 3.0]})
    np.testing.assert_allclose(page.distances(frame), [2.0, 1.0])
    integrated = frame.rename(columns={"theory": "integrated"})
    np.testing.assert_allclose(page.distances(integrated), [2.0, 1.0])
    assert page.distances(frame.drop(columns="theory")).shape == (0,)
    often = 50 / 1000  # as many rounds that wait, and that do not, are needed
    rare = frame.assign(rounds=1000, waits_theory=[0.9 * often, often, 1.0])
    np.testing.assert_allclose(page.distances(rare), [1.0])
    [said] = page.agreement({"a": frame, "b": integrated})
    assert said.startswith("Simulator and closed forms agree: the farthest of 4 points (a) is 2.0 ")
    [far] = page.agreement({"a": frame.assign(theory=[9.0, 1.5, 3.0])})
    assert far.startswith("Simulator and closed forms do NOT agree: the farthest of 2 points")
    assert [*page.agreement({"c": frame[["simulated"]]})] == []


def test_figures_without_a_claim_are_counted(frames: Frames, tmp_path: Path) -> None:
    frames["policies"].to_parquet(tmp_path / "policies.parquet")
    (tmp_path / "policies.md").touch()
    verdict = page.read_reproduction(tmp_path).answer.verdict
    assert verdict == "1 figure, each with its numbers and its command."


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Within this context a larger file cannot be written, as if there were no room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("ends", [True, pytest.param(False, marks=pytest.mark.slow)])
@undrawn()
def test_a_figure_without_room_leaves_nothing_half_done(
    ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the room ends: the other figure stays whole, the folder has no summary of what was
    there before, and once there is room all is as it would have been."""
    monkeypatch.setattr(FIGURE_NAMED, small)
    names, out = ("delay_tolerance", "iteration_time_workers"), tmp_path / "out"

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in out.iterdir()}

    asked = ReproduceRequest(output=out)
    make(Effort(), asked, small(names[0]))
    (out / MARK).touch()
    other = files()
    make_figures(names[1:], asked)
    whole = files()
    new = sorted(whole.keys() - other.keys(), key=lambda name: len(whole[name]))
    for name in (new[0], new[-1]) if ends else new[1:-1]:
        refused = pytest.raises(ConfigError, match="cannot be written")
        with files_of_at_most(len(whole[name]) - 1), refused:
            make_figures(names[1:], asked)
        left = {path: content for path, content in files().items() if path in other}
        assert left == other
        made = files().keys() - other.keys()
        assert made in (set(), {f"{names[1]}.{end}" for end in ("parquet", "png", "svg", "md")})
        make_figures(names[1:], asked)
        assert files() == whole


def test_a_figure_of_another_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers, words, picture and command are of the values that were set; theory included."""
    monkeypatch.setattr(FIGURE_NAMED, small)
    name, changes = "iteration_time_workers", ["workers=16,64", "load=4", "delay=1.5"]
    options = [word for change in changes for word in ("--set", change)]
    done = inside("reproduce", name, *options, "--tables", "csv", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(tmp_path / f"{name}.csv")
    pd.testing.assert_frame_equal(frame, pd.read_parquet(tmp_path / f"{name}.parquet"))
    seen = frame[frame["rounds"] > 0]
    assert set(seen["workers"]) == {16, 64}
    uncoded = seen[(seen["scheme"] == "uncoded") & (seen["load_law"] == "additive")]
    harmonic = [sum(1 / k for k in range(1, n + 1)) for n in uncoded["workers"]]
    assert uncoded["theory"].to_numpy() == pytest.approx(0.5 + 1.5 * np.array(harmonic))
    assert np.all(np.abs(seen.simulated - seen.theory) < BOUND * seen.standard_error)
    words = Reader((tmp_path / "index.html").read_text()).words
    assert "delay of mean 1.5 s; coded schemes have load d = 4" in words
    assert "erasurehead reproduce iteration_time_workers --set workers=16,64 --set load=4" in words


@pytest.mark.parametrize(
    ("figures", "change", "reason"),
    [
        (["loss_time"], "loads=3", "did you mean load?"),
        (["loss_time"], "load=many", "must be one number"),
        (["loss_time"], "workers=-3", "must be positive"),
        (["speedup"], "loads=2,x", "must be whole numbers"),
        (["atlas"], "workers=24", "must be one of"),
        ([], "workers=24", "name the figures"),
    ],
)
def test_what_a_figure_has_not_is_refused(
    figures: list[str], change: str, reason: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = inside("reproduce", *figures, "--set", change, "--output", out)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert reason in done.stderr
    assert not out.exists()


def test_what_is_set_is_positive_and_persistences_may_be_0() -> None:
    found: Any = figure_with("backlog", ["persistences=0,0.5,0", "load=1"])
    assert (found.persistences, found.load) == ((0.0, 0.5), 1)
    assert figure_with("policies", ["delay=0.25"]).delay == 0.25  # type: ignore[attr-defined]
    for change in ("load=0", "delay=0", "delay=.inf", "delay=.nan"):
        with pytest.raises(ConfigError, match=f"--set {change.split('=')[0]} = .*must be positive"):
            figure_with("policies", [change])
    with pytest.raises(ConfigError, match="must be positive"):
        figure_with("backlog", ["persistences=-0.5"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("iteration_time_workers", "workers=20"),
        ("iteration_time_workers", "workers=2"),
        ("delay_tolerance", "workers=32"),
        ("loss_iteration_floor", "arrivals=30"),
    ],
)
def test_values_that_do_not_go_together_are_one_line(
    name: str, change: str, tmp_path: Path
) -> None:
    """A load that does not divide the workers: catches a word of the code instead of one's own. To
    wait for all is the other curve of the figure."""
    done = inside("reproduce", name, "--set", change, "--output", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    workers = change.removeprefix("workers=")
    refused = {
        "workers": ("load = ", f"must divide workers = {workers}"),
        "arrivals": ("arrivals = 30", "must be less than workers = 30"),
    }[change.partition("=")[0]]
    assert f"--set of {name}: {refused[0]}" in done.stderr
    assert refused[1] in done.stderr


ALONE = [
    ("iteration_time_workers", "workers=24"),
    ("iteration_time_workers", "rounds=1"),
    ("iteration_time_scale", "decades=6"),
    ("loss_time", "iterations=1"),
    ("speedup", "wait_for=1"),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("iteration_time_scale", "decades=1"),
            ("delay_tolerance", "stragglers=15"),
            ("delay_tolerance", "stragglers=0"),
            ("loss_iteration_floor", "arrivals=15"),
            ("speedup", "loads=3"),
            ("tradeoff_load_arrivals", "loads=3"),
            ("tradeoff_load_arrivals", "arrivals=15"),
            ("backlog", "persistences=0.9"),
            ("backlog", "persistences=1"),
        )
    ),
]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize(("name", "change"), ALONE)
def test_one_value_instead_of_several(
    name: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is compared with itself: no growth from a size to the same size, no row twice."""
    monkeypatch.setattr(FIGURE_NAMED, small)
    figure = figure_with(name, [change])
    frame = figure.compute(Effort())
    words, lines = figure.text(frame), figure.text(frame).splitlines()
    assert not re.search(r"\b(nan|inf)\b", words)
    rows = [line for line in lines if line.startswith("| ") and "---" not in line]
    assert len(rows) == len({*rows}) or not name.startswith("iteration_time")
    assert "nan" not in str(draw_picture(figure.picture(frame), name, name, PageStyle()))


def test_the_list_names_what_a_figure_can_be_told() -> None:
    """Its sizes, and not what it is made for: ``persistences`` of one figure, ``work`` of none."""
    shown = inside("list", "figures").stdout
    assert shown.startswith("figures  erasurehead reproduce NAME ...\n")
    told = shown.split()
    assert told.count("--set:") == len(FIGURES)
    lines = " ".join(told)
    assert "--set: delay, load, rounds, workers loss_time" in lines
    assert "persistences" in lines.partition("backlog")[2].partition("ranking")[0]
    assert ", ".join(FIGURES) in " ".join(inside("list").stdout.split())


def test_an_unknown_figure_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Of the many names whole ones are shown, among them the one that is meant."""
    with pytest.raises(ConfigError, match=r"did you mean iteration_time_workers\?") as caught:
        make_figures(["iteration_time_worker"], ReproduceRequest(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    shown = str(caught.value).partition("names: ")[2].partition(", ...")[0].split(", ")
    assert {"iteration_time_workers"} < {*shown} < {*FIGURES}
    assert len(f"error: {caught.value}") <= LONGEST_LINE  # of a longer line the middle is left out


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FIGURE_NAMED, small)
    out = tmp_path / "out"
    done = inside("reproduce", "iteration_time_workers", "--output", out, pictures=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "(c) Faster overall runtime: is not decided"
    assert str(out / "index.html") in done.stdout.splitlines()
    assert (out / "iteration_time_workers.png").stat().st_size > 10_000
    done = inside("reproduce", "iteration_time_workers", "--output", out, "--format", "svg,pdf")
    assert done.returncode == 0
    made = {path.suffix for path in out.glob("iteration_time_workers.*")}
    assert made == {".svg", ".pdf", ".parquet", ".md"}
    assert "](iteration_time_workers.svg)" in (out / "summary.md").read_text()
    wrong = inside("reproduce", "--output", tmp_path / "none", "--format", "gif")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: --format = 'gif'")
    assert not (tmp_path / "none").exists()
    wrong = inside("reproduce", "nothing", "--output", out)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "ranking" in wrong.stderr
