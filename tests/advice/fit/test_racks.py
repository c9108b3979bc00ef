"""Racks that are slow together: planted ones become a law, and others do not. Speaks to how racks
are found, as many tables are looked at."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.delays import (
    DelayModel,
    Deterministic,
    Gamma,
    GroupEffects,
    LogNormal,
    Mixture,
    RoundEffects,
    ShiftedExponential,
    Spells,
    Tape,
)
from erasurehead.experiments.advice.fit import candidates
from erasurehead.experiments.advice.fit.laws import cold, law, variance, workers
from erasurehead.experiments.advice.statistics.groups import placed
from tests.statistics import BOUND

ONE = Deterministic(value=1.0)
SINGLE = Mixture(weights=(0.9, 0.1), components=(ONE, Deterministic(value=3.0)))
SPELLS = Spells(slow=2.0, enter=0.02, leave=0.2)
BASES = (
    LogNormal(median=1.0, sigma=0.1),
    Gamma(shape=3.0, scale=0.1, shift=1.9),
    ShiftedExponential(shift=0.8, rate=5.0),
)
ROUNDS = 600


def planted(model: DelayModel, n: int, rounds: int = ROUNDS, seed: int = 0) -> np.ndarray:
    return Tape(model, n, seed, 0).rows(0, rounds)


def in_racks(base: DelayModel, factor: Any, **rack: Any) -> GroupEffects:
    return GroupEffects(base=base, factor=factor, **rack)


def hosts_of(n: int) -> list[str]:
    return [f"node{j:02}" for j in range(n)]


def with_column(table: np.ndarray, racks: list[str]) -> pd.DataFrame:
    """A row for each call, with the rack of its host."""
    rows = [
        (host, t, rack, seconds)
        for t, row in enumerate(table)
        for host, rack, seconds in zip(hosts_of(len(racks)), racks, row, strict=True)
    ]
    return pd.DataFrame(rows, columns=["host", "step", "rack", "seconds"])


SIZES = [(30, 5, "within"), (24, 3, "across"), (32, 8, "within"), (24, 12, "across")]


@pytest.mark.parametrize("factor", [SINGLE, SPELLS], ids=["single", "spells"])
@pytest.mark.parametrize(("n", "size", "place"), SIZES, ids=str)
@pytest.mark.parametrize("base", BASES, ids=repr)
def test_planted_racks_are_found_without_a_column(
    base: DelayModel, n: int, size: int, place: str, factor: Any
) -> None:
    """Who is in which, how slow, how often and how long; bounds are those of so many rounds.
    Catches a rack that is compared with itself, and a factor that counts a host's own noise."""
    model = in_racks(base, factor, size=size, placement=place)
    groups, racks = workers.find_racks([planted(model, n)], hosts_of(n), {})
    assert racks is not None
    assert len(groups) == n // size
    np.testing.assert_array_equal(racks.of_worker, model.racks(n))
    assert racks.times == pytest.approx(2.0 if factor is SPELLS else 3.0, rel=0.04)
    enter, leave = (0.02, 0.2) if factor is SPELLS else (0.1, 0.9)
    share, cells = enter / (enter + leave), ROUNDS * n / size
    alike = (2 - enter - leave) / (enter + leave)  # independent rounds are worth so many of these
    assert abs(racks.share - share) < BOUND * np.sqrt(share * (1 - share) * alike / cells) + 0.005
    assert racks.lasts == (factor is SPELLS)
    if racks.lasts:
        error = np.sqrt(leave * (1 - leave) / (share * cells))
        assert abs(racks.leaves - leave) < BOUND * error + 0.02
    section = racks.section({"model": "deterministic", "value": 1.0})
    assert (section["size"], section["placement"]) == (size, place)


@pytest.mark.parametrize("zones", [{"all": hosts_of(24)}, {host: [host] for host in hosts_of(24)}])
def test_a_column_that_tells_nobody_apart_names_no_racks(zones: dict[str, list[str]]) -> None:
    """All workers in one zone, or each in one of its own: racks are found as without the column."""
    table = planted(in_racks(BASES[0], SINGLE, size=6), 24)
    _, racks = workers.find_racks([table], hosts_of(24), zones)
    assert racks is not None
    np.testing.assert_array_equal(racks.of_worker, np.arange(24) // 6)


@pytest.mark.slow
@pytest.mark.parametrize(("rounds", "least"), [(200, 0.85), (600, 0.97)])
def test_racks_are_found_as_often_as_the_docs_say(rounds: int, least: float) -> None:
    """``docs/traces.md``: 0.91 and 0.997 of the tables without a column; factors are off by 1 %."""
    found, off = [], []
    for base, (n, size, place), factor, seed in itertools.product(
        BASES, SIZES, (SINGLE, SPELLS), range(20, 30)
    ):
        model = in_racks(base, factor, size=size, placement=place)
        _, racks = workers.find_racks([planted(model, n, rounds, seed)], hosts_of(n), {})
        found.append(racks is not None and np.array_equal(racks.of_worker, model.racks(n)))
        if racks is not None:
            off.append(abs(racks.times / (2.0 if factor is SPELLS else 3.0) - 1))
    assert np.mean(found) >= least
    assert np.median(off) < 0.015


@pytest.mark.parametrize(
    ("base", "factor", "n", "size", "place"),
    [
        pytest.param(BASES[0], SPELLS, 24, 3, "across", marks=pytest.mark.slow),
        (BASES[2], SINGLE, 30, 5, "within"),
        pytest.param(BASES[1], SINGLE, 24, 6, "across", marks=pytest.mark.slow),
        pytest.param(BASES[1], SPELLS, 32, 8, "within", marks=pytest.mark.slow),
    ],
)
def test_a_table_of_racks_is_fitted_by_their_law(
    base: DelayModel, factor: Any, n: int, size: int, place: str
) -> None:
    """So are single delays, and arrivals."""
    true = in_racks(base, factor, size=size, placement=place)
    table = planted(true, n)
    fitted = eh.fit(pd.DataFrame(table, columns=hosts_of(n)))
    delay = fitted.delay
    assert (delay["model"], delay["size"], delay["placement"]) == ("group_effects", size, place)
    assert fitted.findings.warnings == []
    model = law.model_of(delay)
    again, x = planted(model, n, 4000), np.quantile(table, [0.2, 0.5, 0.8, 0.95])
    np.testing.assert_allclose([(again <= s).mean() for s in x], true.cdf(x), atol=0.05)
    for k in (n // 2, n - size, n):
        measured, simulated = (np.sort(t, axis=1)[:, k - 1].mean() for t in (table, again))
        assert simulated == pytest.approx(measured, rel=0.08)
    assert f"slow together: {n // size} racks" in " ".join(fitted.report.split())
    ran = eh.run(fitted.config | {"iterations": 5, "replications": 2})
    assert len(ran.summary) == 2


def test_a_column_names_racks_that_are_hardly_slow() -> None:
    """Of six racks two are never slow; their order in the table is no matter."""
    rng = np.random.default_rng(5)
    racks = [f"r{j % 6}" for j in rng.permutation(30)]
    table = rng.lognormal(0, 0.1, (200, 30))
    for rack, first in (("r1", 10), ("r2", 60), ("r2", 120), ("r4", 90), ("r5", 160)):
        table[first : first + 6, [r == rack for r in racks]] *= 2.5
    fitted = eh.fit(with_column(table, racks))
    delay = fitted.delay
    assert delay["model"] == "group_effects"
    named = dict(zip(racks, delay["placement"], strict=True))
    assert [named[r] for r in racks] == delay["placement"]
    assert len(named) == 6
    factor = delay["factor"]
    assert factor["slow"] == pytest.approx(2.5, rel=0.05)
    assert factor["leave"] == pytest.approx(1 / 6, rel=0.02)
    assert factor["enter"] == pytest.approx(5 / (6 * 200 - 30), rel=0.1)
    wide = eh.fit(pd.DataFrame(table, columns=hosts_of(30)))
    assert wide.delay["model"] != "group_effects", "nothing says who is with whom"
    assert "Slow together: " in " ".join(wide.report.split())


@pytest.mark.parametrize("kind", ["independent", "one rack", "unlike", "lasting"])
def test_what_is_no_law_of_racks(kind: str) -> None:
    """One bad rack is named, but its law is not that of all others."""
    rng = np.random.default_rng(6)
    table = rng.lognormal(0, 0.1, (400, 24))
    named = {f"rack {r}": hosts_of(24)[6 * r : 6 * r + 6] for r in range(4)}
    slow = {"one rack": [1.0, 0, 0, 0], "unlike": [1.0, 0.1, 0.1, 0.1]}.get(kind, [0.0] * 4)
    for rack, share in enumerate(slow):
        table[np.ix_(rng.random(400) < 0.2 * share, range(6 * rack, 6 * rack + 6))] *= 2.0
    if kind == "lasting":
        table[:, :6] *= 2.0
    groups, racks = workers.find_racks([table], hosts_of(24), named)
    assert racks is None
    assert len(groups) == {"independent": 0, "one rack": 1, "unlike": 4, "lasting": 1}[kind]


OFTEN = Mixture(weights=(0.8, 0.2), components=(ONE, Deterministic(value=2.0)))
ROUND = Mixture(weights=(0.9, 0.1), components=(ONE, Deterministic(value=1.6)))


@pytest.mark.parametrize("rounds", [False, True], ids=["racks", "racks and rounds"])
@pytest.mark.parametrize("factor", [OFTEN, SPELLS], ids=["often", "spells"])
@pytest.mark.parametrize(
    "seeds", [range(4), pytest.param(range(100, 140), marks=pytest.mark.slow)], ids=["4", "40"]
)
def test_rounds_in_which_all_three_racks_are_slow_are_of_racks(
    factor: Any, rounds: bool, seeds: range
) -> None:
    """They are slow for everybody, as often as chance has it of such racks; rounds that are slow by
    themselves stay. Catches racks that are compared with each other alone."""
    model: DelayModel = in_racks(BASES[0], factor, size=8)
    model = RoundEffects(base=model, factor=ROUND) if rounds else model
    slow, lost = 0, 0
    for seed in seeds:
        table = planted(model, 24, 300, seed)
        _, racks = workers.find_racks([table], hosts_of(24), {})
        left = [table] if racks is None else racks.mended([table])
        slow += any(
            effect.round
            for effect in candidates.effects_of(variance.split_variance(left), False, False)
        )
        lost += racks is None
    wrong = len(seeds) - slow if rounds else slow - lost
    assert wrong <= max(1, len(seeds) // 20)
    assert lost <= len(seeds) // 2


def test_racks_around_cold_starts_and_loads() -> None:
    """Rounds of two loads, each a table: a run of slow rounds ends where a table does."""
    racks = workers.Racks(np.array([0, 0, 1, 1]), np.array([[True, False], [False, True]]), 2.0)
    first, second = racks.mended([np.full((1, 4), 4.0), np.full((1, 4), 6.0)])
    np.testing.assert_array_equal(first, [[2.0, 2.0, 4.0, 4.0]])
    np.testing.assert_array_equal(second, [[6.0, 6.0, 3.0, 3.0]])
    model = in_racks(BASES[0], SPELLS, size=5)
    table = planted(model, 30)
    _, known = workers.find_racks([table], hosts_of(30), {})
    rng, hit = np.random.default_rng(7), np.random.default_rng(8).random(ROUNDS) < 0.05
    for t in np.flatnonzero(hit):
        table[t, rng.permutation(30)[:4]] += 30.0
    delays = cold.UnitDelays("", (table,), known)
    assert delays.cold is not None
    assert delays.cold.hit == hit.sum()
    assert delays.bulk.max() < 2.0 < table[~hit].max()
    np.testing.assert_array_equal(delays.rounds, table)


@pytest.mark.parametrize("count", [3, 6, 7, 12, 14])
@pytest.mark.parametrize(
    "rack", [{"size": 2, "placement": "within"}, {"size": 3, "placement": "across"},
             {"placement": [0, 1, 1, 2, 0, 1]}], ids=str
)  # fmt: skip
def test_more_workers_are_in_more_racks_of_these_sizes(rack: dict[str, Any], count: int) -> None:
    """Worker j + n is like worker j, in a rack of its own; also within another law."""
    section = {"model": "group_effects", **rack, "factor": vars(SPELLS).copy(),
               "base": {"model": "deterministic", "value": 1.0}}  # fmt: skip
    old = law.model_of(section).racks(6)  # type: ignore[attr-defined]
    new = law.model_of(workers.in_turn(section, 6, count)).racks(count)  # type: ignore[attr-defined]
    for i, j in itertools.combinations(range(count), 2):
        together = i // 6 == j // 6 and old[i % 6] == old[j % 6]
        assert (new[i] == new[j]) == together
    outer = {"model": "cold_starts", "probability": 0.1, "share": 0.1, "base": section}
    outer["delay"] = {"model": "deterministic", "value": 5.0}
    assert workers.in_turn(outer, 6, count)["base"] == workers.in_turn(section, 6, count)


def test_hosts_that_two_groups_claim() -> None:
    """The first has them, if the other keeps more than half; then racks that a table names."""
    hosts = hosts_of(8)
    assert placed([hosts[:4], hosts[3:7]], hosts, {}).tolist() == [0, 0, 0, 0, 1, 1, 1, -1]
    assert placed([hosts[:4], hosts[2:6]], hosts, {}).tolist() == [-1] * 8
    named = {"zone a": hosts, "rack 1": hosts[:2], "rack 2": hosts[4:8], "rack 3": hosts[2:4]}
    assert placed([hosts[4:8]], hosts, named).tolist() == [1, 1, 2, 2, 0, 0, 0, 0]
