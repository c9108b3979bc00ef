"""How delays grow with the load. Speaks to the measured law, as hundreds of tables are looked
at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.experiments.advice.fit import study
from erasurehead.experiments.advice.fit.laws import cold, goodness, load
from erasurehead.load_laws import (
    Additive,
    LoadLaw,
    PartlyProportional,
    PerPartition,
    Proportional,
    StepCosts,
)
from erasurehead.plugins import FloatArray
from tests.advice.fit.walled import fit_told
from tests.golden.records import require_recorded
from tests.tools import TableTape, inside, numbered

# A share of a task's time that does not grow with its load: found, and not where there is none.


SPEEDS = np.array([1.0, 1.1, 0.9, 3.0])
"""Of four workers, in multiples of a delay."""


class Drawn:
    """Delays of workers of different speed; some five rounds in a row are slow for everybody."""

    workers = len(SPEEDS)
    block_rounds = 64

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Fresh ones at every call: loads are measured in rounds of their own."""
        size = stop - start
        slow = np.repeat(self._rng.lognormal(0.0, 0.02, -(-size // 5)), 5)[:size, None]
        own = self._rng.lognormal(0.0, 0.15, (size, self.workers))
        return np.asarray(0.02 * SPEEDS * slow * own)


def tables(
    law: LoadLaw, seed: int, rounds: int = 60, loads: tuple[float, ...] = (1.0, 2.0, 3.0)
) -> dict[float, FloatArray]:
    tape = Drawn(np.random.default_rng(seed))
    return {d: law.worker_times(tape, np.full(tape.workers, d), 0, rounds) for d in loads}


def test_a_fixed_share_is_found() -> None:
    """Its standard error is 0.022 here (over 300 tables); 4 of these hold for 20 tables."""
    for seed in range(20):
        found = load.measure_load(tables(PartlyProportional(fixed=0.4), seed))
        assert found is not None
        section = found.law
        assert section["kind"] == "partly_proportional"
        assert section["fixed"] == pytest.approx(0.4, abs=0.09)


def test_a_fixed_share_of_short_wide_tables_is_found() -> None:
    """In units of a wide spread 40 % too long is little: 14 of 40 looked proportional."""
    kinds = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        made = {d: (0.4 + 0.6 * d) * rng.gamma(4.0, 0.25, (30, 3)) for d in (1.0, 2.0, 3.0)}
        found = load.measure_load(made)
        assert found is not None
        kinds.append(found.kind)
    assert kinds.count("partly_proportional") >= 36


def test_the_unit_delays_are_those_of_load_1() -> None:
    """Of a table without load they are what it has."""
    table = np.array([[2.0, 3.0]])
    np.testing.assert_array_equal(load.unit_delays(table, 0.0, {"kind": "proportional"}), table)
    for law in (PartlyProportional(fixed=0.4), Additive(seconds_per_partition=0.05)):
        made = tables(law, 0)
        found = load.measure_load(made)
        assert found is not None
        medians = [np.median(load.unit_delays(table, d, found.law)) for d, table in made.items()]
        np.testing.assert_allclose(medians, medians[0], rtol=0.05)
    assert found.slope == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("loads", [(1, 2), (1, 2, 3, 5, 8)], ids=str)
def test_sums_of_draws_are_found_where_workers_are_alike(loads: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    made = {float(d): d + rng.gamma(d, 0.5, (100, 256)) for d in loads}
    found = load.measure_load(made)
    assert found is not None
    assert found.kind == "per_partition", found.misfits


@pytest.mark.one_in(2)
@pytest.mark.parametrize("rounds", [20, 60])
@pytest.mark.parametrize(
    ("law", "kinds"),
    [
        (Proportional(), {"proportional"}),
        (Additive(seconds_per_partition=0.05), {"additive"}),
        (PerPartition(), {"per_partition", "proportional"}),
    ],
    ids=["proportional", "additive", "per_partition"],
)
def test_other_laws_are_still_what_they_are(law: LoadLaw, kinds: set[str], rounds: int) -> None:
    """About 1 in 100 tables of 20 rounds and two loads shows a share by chance; 3 of 50 may.

    Where workers differ by a factor of three, spreads hardly tell ``per_partition``.
    """
    fixed = 0
    for seed in range(50):
        found = load.measure_load(
            tables(law, seed, rounds, (1.0, 2.0) if rounds == 20 else (1, 2, 3))
        )
        assert found is not None
        fixed += found.kind == "partly_proportional"
        if seed == 0 and rounds == 60:
            assert found.kind in kinds
    assert fixed <= 3


# Loads that step instead of slope: said, fitted, and predicted.


MEDIANS = {0.0: 1.46, 0.25: 1.63, 0.5: 1.65, 0.75: 1.66, 1.0: 1.70}
"""Seconds at each load, as measured on a profile of AWS Lambda: a line has R squared 0.75."""


def test_sums_of_a_million_draws_are_not_looked_for() -> None:
    """Loads that count rows: nobody draws so many partitions one by one. Catches a fit of hours."""
    rng = np.random.default_rng(2)
    found = load.measure_load({load: load * rng.uniform(1.0, 2.0, (40, 4)) for load in (1.0, 1e6)})
    assert found is not None
    assert (found.kind, found.misfits["per_partition"]) == ("proportional", 1e6)


def load_steps_tables(medians: dict[float, float], rounds: int = 20) -> dict[float, np.ndarray]:
    rng = np.random.default_rng(0)
    return {d: m - 0.3 + 0.3 * rng.lognormal(0, 0.2, (rounds, 64)) for d, m in medians.items()}


def test_steps_are_found() -> None:
    found = load.measure_load(load_steps_tables(MEDIANS))
    assert found is not None
    assert found.kind == "steps"
    assert found.r_squared == pytest.approx(0.75, abs=0.05)
    law = found.law
    assert law["loads"] == [0.0, 0.25, 0.5, 0.75, 1.0][: len(law["loads"])]
    np.testing.assert_allclose(law["seconds"], [0, 0.17, 0.19, 0.20, 0.24], atol=0.01)
    medians = [
        np.median(load.unit_delays(t, d, law)) for d, t in load_steps_tables(MEDIANS).items()
    ]
    np.testing.assert_allclose(medians, 1.46, atol=0.005)


def test_a_line_is_a_line_and_nothing_is_nothing() -> None:
    """Nor are two loads steps, nor loads that do not matter, whose medians differ by chance."""
    line = load.measure_load(load_steps_tables({d: 1 + 0.2 * d for d in MEDIANS}))
    flat = load.measure_load(load_steps_tables(dict.fromkeys(MEDIANS, 1.5)))
    two = load.measure_load(load_steps_tables({0.0: 1.0, 1.0: 2.0}))
    for found in (line, two):
        assert found is not None
        assert found.kind == "additive"
    assert flat is not None
    assert agree([built(flat.law), Additive(seconds_per_partition=0.0)], flat.loads)
    same = load.measure_load(dict.fromkeys(MEDIANS, np.arange(1.0, 21).reshape(5, 4)))
    assert same is not None
    assert same.r_squared == 0, "a line explains nothing of medians that are equal"


def test_more_work_never_takes_less_time() -> None:
    """A median below that of a smaller load is pooled with it."""
    law = load.measure_load(load_steps_tables({0.0: 1.0, 1.0: 2.0, 2.0: 1.9, 3.0: 2.0, 4.0: 2.02}))
    assert law is not None
    section = law.law
    assert section["kind"] == "steps"
    assert np.all(np.diff(section["seconds"]) > 0)
    assert section["loads"][:2] == [0.0, 1.0]
    assert section["seconds"][1] == pytest.approx(0.95, abs=0.02)


def test_steps_cost_no_more_than_the_shortest_delay() -> None:
    """Beyond that they are cut, and still ascend; a few odd calls do not cut them."""
    tables = load_steps_tables(MEDIANS)
    found = load.measure_load(tables)
    assert found is not None
    tables[1.0][0, :3] = 0.18
    again = load.measure_load(tables)
    assert again is not None
    np.testing.assert_allclose(again.law["seconds"], found.law["seconds"], rtol=0.03)
    tables[1.0][:, :5] = 0.18  # 8 % of the calls
    cut = load.measure_load(tables)
    assert cut is not None
    law = cut.law
    assert law["seconds"][0] == 0
    assert np.all(np.diff(law["seconds"]) >= 0)
    assert law["seconds"][-1] == pytest.approx(0.18, rel=0.01)
    units, short = load.positive_units(tables, law)
    assert short == {1.0: 100}
    assert all(unit.min() > 0 for unit in units.values())
    StepCosts(loads=tuple(law["loads"]), seconds=tuple(law["seconds"]))


def test_a_step_costs_no_more_than_any_delay_of_a_larger_load() -> None:
    """Load 3 has a delay of 0.5 s: what load 2 adds, which a worker at load 3 pays as well, is no
    more. The first load costs nothing, and loads that cost alike are one step."""
    tables = [np.full((20, 4), seconds) for seconds in (1.0, 2.5, 2.6)]
    tables[2][3, 1] = 0.5
    arrivals = load.MeanArrivals(np.array([1.0, 2.0, 3.0]), tables)
    *others, (law, _, numbers) = arrivals.laws(np.array([0.0, 1.5, 1.6]))
    assert law == {"kind": "steps", "loads": [1.0, 2.0], "seconds": [0.0, 0.5]}
    assert [of_law["kind"] for of_law, _, _ in others] == [
        *("proportional", "per_partition", "additive", "partly_proportional")
    ]
    assert [count for *_, count in others] == [0, 0, 1, 1], "numbers of its own"
    assert numbers == 2, "a step for each load but the first"


def test_standard_errors_are_those_of_batches() -> None:
    """Of sqrt(T) batches of successive rounds, two at least; of one round from its delays."""
    rounds = np.arange(9.0)[:, None]
    table = np.hstack([rounds, rounds])
    np.testing.assert_allclose(load.standard_errors(table, rounds), [3 / np.sqrt(3)])
    np.testing.assert_allclose(
        load.standard_errors(table[:2], rounds[:2]), [np.sqrt(0.5) / np.sqrt(2)]
    )
    one = np.array([[1.0, 3.0, 1.0, 3.0]])
    np.testing.assert_allclose(load.standard_errors(one, one[:, :2]), [0.5, 0.5])


@pytest.mark.parametrize(
    ("loads", "law", "load", "labels"),
    [
        ([None], "proportional", None, [""]),
        ([2.0], "proportional", None, ["2"]),
        ([1.0, 2.0], "proportional", None, ["all", "1", "2"]),
        ([1.0, 2.0], "additive", 2.0, ["2"]),
        ([0.0, 2.0, 1.0], "per_partition", None, ["1", "0", "2"]),
    ],
    ids=str,
)
def test_the_config_is_made_from_all_loads_or_from_one(
    loads: list[float | None], law: str, load: float | None, labels: list[str]
) -> None:
    """From all, unless there is one or one is asked for; of sums of draws from the least load that
    takes time. That comes first, and then each by itself."""
    units = {key: np.full((3, 2), float(key or 9)) for key in loads}
    found = cold.by_load(units, {"kind": law}, load)
    assert [one.label for one in found] == labels
    for one in found:
        pooled = [*units] if one.label == "all" else [float(one.label) if one.label else None]
        np.testing.assert_array_equal(one.rounds, np.concatenate([units[key] for key in pooled]))


# An odd call, which failed at once or hung, decides nothing; and what is written is held to the
# rounds of its own table.


LAWS: dict[str, LoadLaw] = {
    "proportional": Proportional(),
    "additive": Additive(seconds_per_partition=1.0),
    "partly_proportional": PartlyProportional(fixed=0.4),
    "steps": StepCosts(loads=(1.0, 4.0), seconds=(0.0, 2.0)),
}


@dataclass(frozen=True)
class Alike:
    """Lognormal delays of 1 s, every call by itself."""

    rng: np.random.Generator
    workers: int
    block_rounds: int = 64

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return self.rng.lognormal(0.0, 0.3, (stop - start, self.workers))


def with_an_odd_call(
    seed: int, kind: str
) -> tuple[dict[float, FloatArray], dict[float, FloatArray]]:
    """A table of three loads, and the same with one odd call at some load and place."""
    rng = np.random.default_rng(seed)
    tape = Alike(rng, int(rng.integers(4, 20)))
    rounds = int(rng.integers(20, 60))
    loads = np.sort(rng.choice(5, 3, replace=False) + 1.0)
    if kind == "steps":
        loads = np.array([1.0, 2.0, 4.0])
    whole = {
        float(d): LAWS[kind].worker_times(tape, np.full(tape.workers, d), 0, rounds) for d in loads
    }
    odd = {load: table.copy() for load, table in whole.items()}
    table = odd[float(rng.choice(loads))]
    place = rng.integers(rounds), rng.integers(tape.workers)
    table[place] *= np.exp(rng.choice([-1, 1]) * rng.uniform(1.0, 7.0))
    return whole, odd


def built(section: Mapping[str, Any]) -> LoadLaw:
    """The law of a section."""
    every = (Additive, PartlyProportional, PerPartition, Proportional, StepCosts)
    kinds: dict[str, Any] = {family.kind: family for family in every}
    return kinds[section["kind"]](**{key: each for key, each in section.items() if key != "kind"})  # type: ignore[no-any-return]


def agree(laws: Sequence[LoadLaw], loads: Iterable[float]) -> bool:
    """Whether two laws make of a delay of 1 s the same seconds, to 5 %."""
    ones = TableTape(np.ones((1, 1)))
    found = [[law.worker_times(ones, np.array([d]), 0, 1)[0, 0] for d in loads] for law in laws]
    return bool(np.allclose(*found, rtol=0.05))


@pytest.mark.one_in(2)
@pytest.mark.parametrize("kind", sorted(LAWS))
def test_an_odd_call_decides_nothing(kind: str) -> None:
    """At any load and place, a thousand times too fast or too slow."""
    for seed in range(20):
        whole, odd = map(load.measure_load, with_an_odd_call(seed, kind))
        assert whole is not None
        assert odd is not None
        laws = [built(found.law) for found in (whole, odd)]
        assert agree(laws, whole.loads), (seed, laws)


@pytest.mark.slow
@pytest.mark.golden
def test_a_call_that_failed_at_once_does_not_change_what_a_load_costs() -> None:
    """It took the cost to 0.1 s, rounds of load 1 to 4.03 s for 2.55, and said nothing of it."""
    rng = np.random.default_rng(0)
    tables = {d: d + rng.lognormal(0, 0.3, (50, 8)) for d in (1.0, 2.0, 3.0)}
    tables[3.0][5, 3] = 0.3
    told = []
    rows = [
        (worker, 100 * at + t, seconds, at)
        for at, table in tables.items()
        for t, row in enumerate(table)
        for worker, seconds in enumerate(row)
    ]
    frame = pd.DataFrame(rows, columns=["worker", "round", "seconds", "load"])
    fitted = eh.fit(frame, k_range=(4, 8), unit="s", progress=lambda *done: told.append(done))
    found = fitted.findings
    assert told == [(done, 9) for done in range(10)], "two steps for each load and for all"
    require_recorded("fit/failed call", fit_told(found))
    assert found.load_law["seconds_per_partition"] == pytest.approx(1.0, abs=0.02)
    assert found.warnings == []
    said = " ".join(fitted.report.split())
    assert "- Against its own table, simulated over measured mean arrivals" in said
    assert "- 1 call at load 3 took less" in said
    for each in found.checked:
        np.testing.assert_allclose(each.times.ratios, 1.0, atol=0.03)


BENT = {1.0: 0.9, 2.0: 0.9, 4.0: 2.9}
"""Medians at loads."""


def test_a_law_that_misses_its_own_table_is_told() -> None:
    """What used to be written is 30 % off at load 1, and much more than noise."""
    rng = np.random.default_rng(0)
    tables = {d: d + rng.lognormal(0, 0.3, (50, 8)) for d in (1.0, 2.0, 3.0)}
    delay = {"model": "weibull", "shape": 4.03603, "scale": 3.12949, "shift": 0.0}
    law = {"kind": "additive", "seconds_per_partition": 0.0999}
    first = goodness.resimulated(delay, law, tables)[0]
    assert first.times.ks == (4, 7, 8)
    assert first.times.ratios[-1] == pytest.approx(4.03 / 2.55, abs=0.02)
    assert first.missed


def test_a_law_that_is_wrong_about_who_is_late_is_told() -> None:
    """Of six workers one is last in every round: by a law of equals it is among the first five of
    six in five rounds of six, and by one with its factor in none."""
    table = np.random.default_rng(0).gamma(40.0, 0.025, (60, 6))
    table[:, 3] = 2.5 * table.max(axis=1)
    equals = {"model": "exponential", "rate": 1.0}
    (found,) = goodness.resimulated(equals, {"kind": "proportional"}, {None: table})
    assert found.heard is not None
    assert found.heard.ks == (3, 5)
    assert found.heard.most_unlike == 1
    assert found.heard.measured[1] == 0
    assert found.heard.simulated[1] == pytest.approx(5 / 6 - 0.08, abs=0.03)
    own = {"model": "heterogeneous", "factors": [1, 1, 1, 3, 1, 1]}
    own["base"] = {"model": "gamma", "shape": 40.0, "scale": 0.025}
    (found,) = goodness.resimulated(own, {"kind": "proportional"}, {None: table})
    assert found.heard is not None
    assert found.heard.most_unlike is None
    (alone,) = goodness.resimulated(equals, {"kind": "proportional"}, {None: table[:, :1]})
    assert alone.heard is None


def resimulation(load: float | None, *ratios: float, apart: float = 0.0) -> goodness.Resimulated:
    """Means that are so many times too long; nearly all tables have them ``apart`` around that."""
    ones, simulated = np.ones(len(ratios)), np.array(ratios)
    ends = simulated * (1 - apart), simulated * (1 + apart)
    ks = tuple(range(1, len(ratios) + 1))
    return goodness.Resimulated(load, goodness.Comparison(ks, ones, simulated, *ends))


def test_the_load_that_is_missed_most_is_warned_of() -> None:
    """At its worst arrival; nothing is said where none is missed."""
    none, some, most = (
        resimulation(load, 1.0, ratio) for load, ratio in ((1.0, 1.05), (2.0, 1.2), (3.0, 0.5))
    )

    def warned(*checked: goodness.Resimulated) -> list[str]:
        found = SimpleNamespace(checked=checked, measured=SimpleNamespace(workers=2))
        lines: list[str] = study.Findings.warnings.fget(found)  # type: ignore[attr-defined]
        return lines

    start = "the fitted model misses its own table: "
    assert warned(none) == []
    assert warned(none, some) == [
        f"{start}at load 2 arrival 2 of 2 is at 1.2 s in the mean, where 1 s were measured"
    ]
    assert warned(most, none, some) == [
        f"{start}at load 3 arrival 2 of 2 is at 0.5 s in the mean, where 1 s were measured"
    ]
    assert warned(replace(some, load=None)) == [
        f"{start}arrival 2 of 2 is at 1.2 s in the mean, where 1 s were measured"
    ]


def test_a_table_that_no_law_holds_for_is_told(tmp_path: Path) -> None:
    """Load 2 is faster than load 1: warned of, in the answer, and before the table."""
    rng = np.random.default_rng(0)
    medians = {1: 3.0, 2: 1.0}
    rows = [
        (worker, 100 * load + t, seconds, load)
        for load, median in medians.items()
        for t, row in enumerate(rng.lognormal(np.log(median), 0.05, (12, 3)))
        for worker, seconds in enumerate(row)
    ]
    path = tmp_path / "t.csv"
    pd.DataFrame(rows, columns=["worker", "round", "seconds", "load"]).to_csv(path, index=False)
    text = "the fitted model misses its own table: at load"
    done = inside("fit", path, "--output", tmp_path / "out")
    assert done.returncode == 0
    assert f"warning: {path}: {text}" in done.stderr
    answer = json.loads((tmp_path / "out" / "answer.json").read_text())
    assert "does not simulate these workers well" in answer["verdict"], "no praise first"
    assert answer["limits"].startswith("The fitted model misses its own table: at load")
    report = (tmp_path / "out" / "report.md").read_text()
    assert text.capitalize() in " ".join(report.split())


@pytest.mark.slow
def test_tables_of_a_known_law_are_not_said_to_be_missed() -> None:
    """At most 2 of 40 small tables with an odd call."""
    warned = 0
    for seed in range(40):
        _, odd = with_an_odd_call(seed, sorted(LAWS)[seed % 4])
        workers = next(iter(odd.values())).shape[1]
        warned += bool(study.study(numbered(odd), range(workers // 2, workers + 1)).warnings)
    assert warned <= 2


@pytest.mark.parametrize(
    ("low", "high", "missed"),
    [
        (1.1, 2.0, False),
        (1.11, 2.0, True),
        (0.5, 0.909, True),
        (0.5, 0.91, False),
        (0.9, 1.2, False),
    ],
)
def test_a_model_misses_its_table_beyond_a_tenth(low: float, high: float, missed: bool) -> None:
    """Of the nearest of nearly all simulated means, too short or too long."""
    ones = np.ones(2)
    ends = np.array([1.0, low]), np.array([1.0, high])
    found = goodness.Resimulated(None, goodness.Comparison((1, 2), ones, ones, *ends))
    assert found.missed == missed
    assert found.times.outside[0] == 1.0


def test_a_line_through_loads_by_hand() -> None:
    """Medians 5, 8 and 14 s at loads 1, 2 and 4; a call that failed at once and one that hung count
    as the next ones."""
    around = np.linspace(-0.1, 0.1, 21)
    around[[0, -1]] = -4.9, 1e6
    made = {d: (2.0 + 3.0 * d + around).reshape(7, 3) for d in (4.0, 1.0, 2.0)}
    found = load.measure_load(made)
    assert found is not None
    assert found.loads.tolist() == [1.0, 2.0, 4.0]
    np.testing.assert_allclose(found.locations, [5.0, 8.0, 14.0])
    inner = np.clip(np.linspace(-0.1, 0.1, 21), -0.09, 0.09)
    np.testing.assert_allclose(found.spreads, np.abs(inner).mean())
    assert (found.slope, found.intercept) == (pytest.approx(3.0), pytest.approx(2.0))
    assert found.r_squared == pytest.approx(1.0)
    assert set(found.misfits) == {
        "proportional", "per_partition", "additive", "partly_proportional", "steps",
    }  # fmt: skip
    assert found.kind == "additive"
    assert found.law["seconds_per_partition"] == pytest.approx(3.0, abs=1e-3)
    flat = load.measure_load({1.0: np.full((4, 3), 2.0), 2.0: np.full((4, 3), 2.0)})
    assert flat is not None
    assert flat.r_squared == 0.0
