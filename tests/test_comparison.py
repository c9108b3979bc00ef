"""All schemes on one clock: the points are those of the theory, the front is one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from erasurehead.experiments.config import build
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.pictures.kinds.losses import pareto
from erasurehead.experiments.pictures.picture import Texts
from erasurehead.experiments.reproduce.atlas import (
    DELAYS,
    GAP,
    GRID,
    LEFT_OUT,
    STRIP,
    Atlas,
    _names,
    apart,
    members,
    not_compared,
    title,
)
from erasurehead.experiments.reproduce.base import WORKERS, Effort
from erasurehead.experiments.reproduce.clusters import WORK, additive
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.schemes.base import RoundScheme
from erasurehead.sim.theory import IterationTimeLaw, scheme_iteration_time
from tests.statistics import BOUND

KNOWN = ("uncoded", "ignore_stragglers", "fractional_repetition", "erasurehead", "expander")
OTHERS = ("graph_assignment", "multi_message", "pipelined", "mindflayer", "sequential")


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return Atlas(schemes=KNOWN + OTHERS, iterations=40, replications=24).compute(Effort())


@pytest.mark.parametrize("delays", [name for name in DELAYS if "speeds" not in name])
def test_times_are_those_of_the_theory(frame: pd.DataFrame, delays: str) -> None:
    """Catches a member under another's name, another delay or load law, and seconds of all rounds.

    Of Pareto delays the slowest of 30 has too heavy a tail for a z-score.
    """
    part = frame[frame["delays"] == delays].set_index("member")
    chosen = [member for member in members() if member["name"] in KNOWN]
    document = {"workers": WORKERS, "iterations": 1, "delay": DELAYS[delays], "schemes": chosen}
    compared = 0
    for member, cell in zip(chosen, cells(document | {"load_law": additive(WORK)}), strict=True):
        settings, row = cell.settings, part.loc[title(member)]
        theory = scheme_iteration_time(build.scheme_of(cell), settings.delay, settings.load_law)
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
    delay = build.delay_model(DELAYS[delays])
    for member in members():
        if member["name"] == "mindflayer":
            p = 1 - float(np.asarray(delay.sf(member["patience"] - WORK)))
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


def test_names_keep_off_the_edge_of_the_strip_of_exact_schemes() -> None:
    """A line through a name cannot be read; names of exact schemes stand within the strip."""
    count = 10
    error = np.append(np.geomspace(1.0, 0.1, count), 0.0)
    front = pd.DataFrame(
        {"iteration_time": np.arange(1.0, count + 2), "error": error, "member": "name"}
    )
    [texts] = [mark for mark in _names(front, 4.3) if isinstance(mark, Texts)]
    half = GAP / 2 * (4.3 + STRIP)
    assert np.all(texts.y[:-1] >= STRIP + half - 1e-9)
    assert abs(texts.y[-1]) <= STRIP


def test_every_synchronous_scheme_is_compared_or_left_out_for_a_reason() -> None:
    with_rounds = {
        name
        for name, family in SCHEMES.items()
        if isinstance(family.examples()[0].build(12), RoundScheme)
    }
    compared = set(GRID)
    assert compared | set(not_compared()) == with_rounds
    assert not compared & set(not_compared())
    assert set(not_compared()) >= set(LEFT_OUT)


def test_titles_tell_members_apart() -> None:
    titles = [title(member) for member in members()]
    assert len(titles) == len(set(titles)) > 100
