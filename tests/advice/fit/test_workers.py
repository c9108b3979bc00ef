"""Who is slow: planted hosts are found, with what was planted, and nobody else is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import MODELS, DelayModel
from erasurehead.experiments.advice.fit.answer import _memory_sentence, fit_answer, worker_sentences
from erasurehead.experiments.advice.fit.laws import workers as workers_module
from erasurehead.experiments.advice.fit.laws.goodness import Comparison, Resimulated, Score
from erasurehead.experiments.advice.fit.laws.load import LoadFit
from erasurehead.experiments.advice.fit.laws.variance import Effects, Memory, Variance
from erasurehead.experiments.advice.fit.laws.workers import (
    Estimates,
    Workers,
    in_turn,
    judge_workers,
    spell_lengths,
    with_own_laws,
)
from erasurehead.experiments.advice.fit.page import _estimate, fit_page
from erasurehead.experiments.advice.fit.recipes import Recipe, laws_of_workers
from erasurehead.experiments.advice.fit.study import study, tables, worker_table
from erasurehead.experiments.config.build import delay_model
from erasurehead.experiments.page.content import Answer
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.sim.base.errors import Message
from tests.advice.fit.walled import fit_told
from tests.golden.records import require_recorded
from tests.tools import inside, numbered

CONSTANT, SPELLED = 17, 42


def planted(seed: int, rounds: int, n: int = 64) -> np.ndarray:
    """One worker always takes 1.35 times as long, one 1.8 times in four spells; spikes are rare."""
    rng = np.random.default_rng(seed)
    table = rng.lognormal(0, 0.08, (rounds, n)) * rng.lognormal(0, 0.03, (rounds, 1))
    table[:, CONSTANT] *= 1.35
    quarter = rounds // 4
    for part in range(4):
        length = int(rng.integers(rounds // 50 + 2, rounds // 20 + 2))
        start = part * quarter + int(rng.integers(0, quarter - length))
        table[start : start + length, SPELLED] *= 1.8
    table[rng.random(table.shape) < 5e-4] *= 6
    return table


def test_exactly_the_planted_hosts_are_named() -> None:
    """Not those with a spike or two. In the words of the report as in the table."""
    hosts = tuple(f"node{j}" for j in range(64))
    for seed in range(5):
        workers = judge_workers([planted(seed, 500)])
        assert workers is not None
        assert {*workers.standing} == {CONSTANT, SPELLED}
        lines = worker_sentences(workers, hosts)
        assert len(lines) == 2
        assert worker_sentences(replace(workers, standing=()), hosts) == [
            "workers: none is slow more often, or for longer, than chance explains"
        ]
        every = (*range(9), CONSTANT)  # the costliest has a sentence, the cheap ones share one
        several = worker_sentences(replace(workers, standing=every), hosts)
        assert [text.startswith("worker node") for text in several] == [True, True, True, False]
        assert several[0].startswith("worker node17 stands out")
        assert several[3].startswith("so do, but cost less: ")
        assert several[3].count("node") == 7
        assert {line.split()[1] for line in lines} == {"node17", "node42"}
        # Who is always slow is so by one number; its rounds are no spells.
        [always] = [line for line in lines if "node17" in line]
        low, high = workers.slower.low[CONSTANT], workers.slower.high[CONSTANT]
        assert f" ({low:.4g} to {high:.4g} times); costs " in always
        assert "rounds" not in always
    [table] = fit_page(
        by_hand() | {"workers": worker_table(workers, hosts)}, Answer("fit", "t", "Yes."), ""
    ).tables[4:5]
    told = {str(row[0]): str(row[3]) for row in table.rows}
    assert told["node17"] == "lasting"
    assert float(told["node42"].split()[0]) > 2


@pytest.mark.slow
def test_exactly_the_planted_hosts_are_named_in_many_tables() -> None:
    hits = 0
    for rounds in (300, 500, 1000):
        for seed in range(100, 140):
            workers = judge_workers([planted(seed, rounds)])
            assert workers is not None
            hits += {*workers.standing} == {CONSTANT, SPELLED}
    assert hits >= 0.95 * 120


def test_what_was_planted_is_told() -> None:
    """Intervals hold the truth: 1.35 times, spells as long as they are, and their cost."""
    table = planted(0, 1000)
    workers = judge_workers([table])
    assert workers is not None
    assert workers.slower.low[CONSTANT] < 1.35 < workers.slower.high[CONSTANT]
    assert workers.slower.high[CONSTANT] - workers.slower.low[CONSTANT] < 0.05
    assert workers.slower.low[SPELLED] < 1.05
    assert workers.correlation.low[SPELLED] > 0.5
    assert workers.correlation.low[CONSTANT] < 0 < workers.correlation.high[CONSTANT]
    assert workers.spell.low[SPELLED] > 5
    assert workers.spell.high[CONSTANT] < 4
    others = np.delete(table, CONSTANT, axis=1).max(axis=1)
    saved = float(np.mean(table.max(axis=1) - others))
    assert workers.cost.value[CONSTANT] == pytest.approx(saved)
    assert workers.cost.low[CONSTANT] < saved < workers.cost.high[CONSTANT]
    assert workers.differ


def test_spells_have_an_interval_from_three_on() -> None:
    """Student's, of two degrees: 4.303 standard errors; no spell is shorter than a round."""
    runs = [(np.arange(len(each)), np.array(each)) for each in ([], [2, 4], [2, 4, 6], [1, 1, 7])]
    found = spell_lengths(runs)
    np.testing.assert_allclose(found.value, [np.nan, 3.0, 4.0, 3.0])
    half = 4.302653 * np.array([2.0, np.sqrt(12.0)]) / np.sqrt(3)
    np.testing.assert_allclose(found.low, [np.nan, np.nan, 1.0, 1.0])
    np.testing.assert_allclose(
        found.high, [np.nan, np.nan, 4.0 + half[0], 3.0 + half[1]], rtol=1e-6
    )


def test_by_hand() -> None:
    """Worker 2 is slow in rounds 2, 3, 4 and 8 of the first table, and 0 and 1 of the second."""
    tables = [np.ones((10, 5)), np.ones((4, 5))]
    tables[0][[2, 3, 4, 8], 2] = 3.0
    tables[1][[0, 1], 2] = 3.0
    workers = judge_workers(tables)
    assert workers is not None
    assert workers.slow.value[2] == pytest.approx(6 / 14)
    assert workers.spell.value[2] == pytest.approx(2.0)
    assert workers.cost.value[2] == pytest.approx(2.0 * 6 / 14)
    assert workers.slower.value[2] == 1.0
    assert np.isnan(workers.spell.value[0])
    assert workers.order[0] == 2


@pytest.mark.parametrize(
    "model",
    [
        MODELS["lognormal"](median=1.0, sigma=0.1),
        MODELS["pareto"](alpha=1.5, scale=1.0),
        MODELS["cold_starts"](
            base=MODELS["lognormal"](median=1.0, sigma=0.1),
            probability=0.1,
            share=0.05,
            delay=MODELS["deterministic"](value=20.0),
        ),
    ],
    ids=lambda model: type(model).__name__,
)
def test_nobody_stands_out_where_all_are_alike(model: DelayModel) -> None:
    """Twice the stated 1 % and the 0.1 % of spells: at most 3 of 20 (p = 1e-3)."""
    tables = [model.sample(np.random.default_rng(seed), 200, 32) for seed in range(20)]
    found = [judge_workers([table]) for table in tables]
    assert sum(bool(workers and workers.standing) for workers in found) <= 3


def test_intervals_are_told_of_the_fifty_costliest() -> None:
    """Of 60 workers; what others cost has no interval, and how slow they are has one."""
    workers = judge_workers([np.random.default_rng(0).lognormal(0, 0.1, (40, 60))])
    assert workers is not None
    for found in (workers.slow, workers.cost):
        assert np.flatnonzero(np.isfinite(found.low)).tolist() == sorted(workers.order[:50])
        np.testing.assert_array_equal(np.isfinite(found.low), np.isfinite(found.high))
    assert np.isfinite(workers.slower.low).all()
    assert (np.diff(workers.cost.value[[*workers.order]]) <= 0).all()


def test_too_little_is_no_table() -> None:
    assert len(worker_table(None, ())) == 0
    assert "cannot be told" in worker_sentences(None, ())[0]


@pytest.mark.golden
def test_a_slower_host_is_slower_in_the_model() -> None:
    """A hundredth of the workers is hardly any variance; yet it ends most rounds."""
    rng = np.random.default_rng(1)
    table = rng.lognormal(0, 0.1, (100, 40))
    table[:, 7] *= 1.35
    found = study(numbered({None: table}), range(20, 41))
    section = found.chosen.section
    if section["model"] == "heterogeneous":
        assert section["factors"][7] == pytest.approx(1.35, abs=0.05)
    else:
        assert np.argmax(section["ranks"]) == 7
    assert found.workers is not None
    made = fit_page(tables(found), fit_answer(found, "t\u202e.csv"), "")
    require_recorded("fit/slower host", {"workers": tables(found)["workers"]})
    (rows,) = [table.rows for table in made.tables if table.file == "workers.parquet"]
    assert "7" in [row[0].text for row in rows if row[-1].text == "yes"]
    report = as_markdown(made, {})
    assert "| 7" in report
    assert report.startswith("# fit: t\\u202e.csv\n")


@pytest.mark.slow
@pytest.mark.golden
def test_spells_of_one_host_are_its_own_in_the_model() -> None:
    """Catches a memory for everybody, and factors or ranks that move to the next worker."""
    table = planted(1, 300)
    found = study(numbered({None: table}), range(32, 65))
    require_recorded("fit/spells", fit_told(found))
    section = found.chosen.section
    while section["model"] != "own_laws":
        section = section["base"]
    assert section["workers"] == [SPELLED]
    (law,) = section["models"]
    assert law["model"] == "markov"
    slow = table[:, SPELLED] > 1.4 * np.median(table, axis=1)
    share = law["fast_to_slow"] / (1 - law["slow_to_slow"] + law["fast_to_slow"])
    assert share == pytest.approx(slow.mean(), abs=0.02)
    assert law["slow"]["median"] / law["fast"]["median"] == pytest.approx(1.8, abs=0.1)
    rows = delay_model(found.chosen.section).sample(np.random.default_rng(0), 5000, 64)
    again = judge_workers([rows])
    assert again is not None
    assert {*again.standing} == {CONSTANT, SPELLED}
    assert found.chosen.error < 0.02


def memory(persistence: float, error: float, chance: float = 0.005) -> Memory:
    return Memory(persistence, error, chance, 0.1, np.array([0.2, 0.1]), 0.0)


@pytest.mark.parametrize(
    ("found", "significant", "unknown"),
    [
        (memory(0.05, 0.01, 0.01), True, False),
        (memory(0.049, 0.01, 0.01), False, False),
        (memory(0.05, 0.01, 0.011), False, False),
        (memory(0.196, 0.1), False, False),  # its interval begins at 0
        (memory(0.197, 0.1), True, False),
        (memory(0.25, 0.2, 0.5), False, True),
        (memory(0.1, 0.2, 0.5), False, False),  # its interval ends at 0.492
        (memory(0.9, 0.01, 0.5), False, False),
    ],
)
def test_what_is_a_memory(found: Memory, significant: bool, unknown: bool) -> None:
    """Chance makes it in 1 % of tables at most, it is 0.05 at least, and its interval lies above 0.
    Nothing can be told where that holds 0 and a half."""
    assert (found.significant, found.unknown) == (significant, unknown)
    told = _memory_sentence(found)
    start = "slow workers stay slow" if significant else "none that matters"
    assert told.startswith("too few rounds to tell: " if unknown else start)
    assert "levelling off" not in _memory_sentence(replace(found, static=0.05))
    lasting = _memory_sentence(replace(found, static=0.06))
    assert ("levelling off at 0.060: some workers are always slower" in lasting) != unknown


@pytest.mark.parametrize(
    ("name", "ends", "told"),
    [
        ("slow", (0.1, 0.59), "20.0 % (10.0 to 59.0 %)"),
        ("slow", (0.1, 0.6), "20.0 % (cannot tell)"),
        ("correlation", (-0.4, 0.59), "0.2 (-0.4 to 0.59)"),
        ("correlation", (-0.4, 0.6), "0.2 (cannot tell)"),
        ("spell", (0.1, 99.0), "0.2 (0.1 to 99)"),
        ("spell", (np.nan, np.nan), "0.2 (cannot tell)"),
    ],
)
def test_an_interval_as_wide_as_can_be_tells_nothing(
    name: str, ends: tuple[float, float], told: str
) -> None:
    row = {name: 0.2, f"{name}_low": ends[0], f"{name}_high": ends[1]}
    assert str(_estimate(row, name)) == told
    assert str(_estimate({**row, name: np.nan}, name)) == "cannot tell"


def test_who_differs_for_good() -> None:
    """Of those that stand out, by an interval that lies above 1."""

    def of_two(low: float) -> Estimates:
        return Estimates(*(np.array([low, 2.0]) for _ in range(3)))

    some = of_two(1.0)
    found = Workers(of_two(1.0), some, some, some, some, {}, (0,), (0, 1), 1.0, ())
    assert not found.differ
    assert replace(found, slower=of_two(1.001)).differ
    assert replace(found, standing=(0, 1)).differ


def test_a_correlation_is_told_with_its_lag() -> None:
    """As far as it was measured; catches the value of the next lag."""
    found = replace(memory(0.133, 0.02), correlation=np.arange(10, 0, -1) / 20)
    told = _memory_sentence(found)
    assert told.endswith("being slow 0.500, 0.450, 0.300, 0.050 at lags 1, 2, 5, 10")
    told = _memory_sentence(replace(found, correlation=found.correlation[:2]))
    assert told.endswith("being slow 0.500, 0.450 at lags 1, 2")


@pytest.mark.slow
def test_names_are_in_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    table = planted(2, 150, 64)[:, :48]
    path = tmp_path / "t.csv"
    pd.DataFrame(table, columns=[f"node{j}" for j in range(48)]).to_csv(path, index=False)
    done = inside("fit", path, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    looked = inside("whatif", path, "--output", tmp_path / "whatif").stdout
    assert "slowest:" not in looked, "``read`` says so"
    looked += inside("read", path).stdout
    # One factor under one name: of times divided by what each round takes, against the median one.
    read = re.search(
        r"slowest:  node17, typically \S+ s, (\S+) times the median worker of a round", looked
    )
    fitted = re.search(
        r"node17 stands out: lastingly (\S+) times as slow as the median worker \(", done.stdout
    )
    report = (tmp_path / "whatif" / "report.md").read_text()
    factor = re.search(r"\| node17 \(stands out\) .* % *\| (1\.\S+) ", report)
    assert read is not None
    assert fitted is not None
    assert factor is not None
    assert read[1] == fitted[1] == factor[1]
    assert float(factor[1]) == pytest.approx(1.35, abs=0.02)
    # One rule says who has spells; memory is that of the others.
    whole = (tmp_path / "out" / "report.md").read_text()
    memory_of = re.search(
        r"Memory: node42 has spells \((\S+) rounds in a row\); in the others (.*)", whole
    )
    assert memory_of is not None
    assert memory_of[2].startswith("none that matters")
    assert "Host node42 is slow in spells" in report
    assert "node42 (stands out) (in spells)" in report
    rows = pd.read_parquet(tmp_path / "out" / "workers.parquet")
    assert float(memory_of[1]) == pytest.approx(rows.set_index("host").spell["node42"], abs=0.05)
    assert set(rows[rows.stands_out].host) == {"node17", "node42"}
    assert len(rows) == 48
    assert rows.filter(like="_low").shape[1] == rows.filter(like="_high").shape[1] == 5


def test_a_worker_with_spells_takes_its_place_among_laws_of_their_own() -> None:
    """The laws that were fitted without it are those of the same workers as before."""
    rng = np.random.default_rng(3)
    middles = np.array([1.0, 1.1, 1.2, 1.3])
    spells = np.repeat(rng.random(40) < 0.3, 10)
    table = middles * rng.lognormal(0, [0.02, 0.05, 0.01, 0.03], (400, 4))
    table[:, 1] *= np.where(spells, 3.0, 1.0)
    workers = judge_workers([table])
    assert workers is not None
    others = [np.delete(table, 1, axis=1)]
    recipe = laws_of_workers(Effects())
    section = with_own_laws(recipe.section(others[0], others), [table], workers)
    assert [*workers.spelled] == [1]
    simulated = delay_model(section).sample(np.random.default_rng(0), 20_000, 4)
    assert np.median(simulated, axis=0) == pytest.approx(middles, rel=0.06)
    assert section["base"]["workers"] == [0, 2, 3]
    assert section["complete"], "the base has a law for nobody else"


def test_twice_as_many_workers_are_those_of_the_table_twice() -> None:
    """Of planted factors, 48 of 24 hosts: mean k-th arrivals are those of numpy's draws of the
    doubled law. Catches hosts 25 to 48 that follow the first one, or that are all alike."""
    factors = np.linspace(0.7, 1.6, 24)
    section = {
        "model": "heterogeneous",
        "factors": factors.tolist(),
        "base": {"model": "lognormal", "median": 1.0, "sigma": 0.2},
    }
    model = delay_model(in_turn(section, 24, 48))
    assert model.workers_available() == 48
    made = np.sort(model.sample(np.random.default_rng(0), 4000, 48), axis=1)
    drawn = np.random.default_rng(1).lognormal(0, 0.2, (4000, 48)) * np.tile(factors, 2)
    expected = np.sort(drawn, axis=1)
    error = np.sqrt((made.var(axis=0) + expected.var(axis=0)) / 4000)
    assert np.abs(made.mean(axis=0) - expected.mean(axis=0)).max() < 4.9 * error.max()
    assert np.all(np.abs(made.mean(axis=0) - expected.mean(axis=0)) < 4.9 * error)


def test_laws_of_each_worker_are_repeated_and_serve_no_more() -> None:
    """A law for each and one with spells: worker 10 is slow as worker 4 is, 7 has the spells of 1.
    With fewer workers, the first ones; nobody is left for the law of a worker that is not there."""
    one = {"model": "deterministic", "value": 1.0}
    laws = [{**one, "value": float(j)} for j in (1, 3, 4, 5, 6)]
    inner = {"model": "own_laws", "workers": [0, 2, 3, 4, 5], "models": laws, "base": laws[0]}
    spells = {**one, "value": 20.0}
    section = {
        "model": "own_laws",
        "workers": [1],
        "models": [spells],
        "base": inner | {"complete": True},
        "complete": True,
    }
    whole = [1.0, 20.0, 3.0, 4.0, 5.0, 6.0]
    for count in (1, 5, 6, 8, 12):
        model = delay_model(in_turn(section, 6, count))
        assert model.workers_available() == count
        row = model.sample(np.random.default_rng(0), 1, count)[0]
        assert row.tolist() == [whole[j % 6] for j in range(count)]
    free = delay_model({**inner, "complete": False})
    assert free.workers_available() is None, "a base serves any number of others"


@pytest.mark.parametrize("count", [4, 16, 32])
def test_clumps_hit_as_many_of_other_workers(count: int) -> None:
    """A cold start hits 2 or 6 of 16 workers, a quarter in the mean; so it does of others."""
    cold = {"model": "deterministic", "value": 9.0}
    section = {"model": "cold_starts", "probability": 1.0, "sizes": [2, 6], "delay": cold}
    model = delay_model(in_turn(section | {"base": {**cold, "value": 1.0}}, 16, count))
    hit = (model.sample(np.random.default_rng(0), 4000, count) > 9).mean(axis=1)
    assert abs(hit.mean() - 0.25) < 4.9 * hit.std() / 4000**0.5


def test_so_many_workers_are_written() -> None:
    """The config has as many, the answer says so, and measured rounds, which have no more, are
    taken for no more workers alone."""
    rng = np.random.default_rng(5)
    table = rng.lognormal(0, 0.1, (30, 6)) * np.where(rng.random((30, 1)) < 0.3, 4.0, 1.0)
    table *= np.where(rng.random((30, 6)) < 0.1, rng.pareto(0.9, (30, 6)) + 1, 1.0)
    few = eh.fit(table, workers=6)
    assert few.delay["model"] == "measured_rounds"
    assert any("6 workers: the 6 of the table in turn" in line for line in few._answer.why)
    found = eh.fit(table, workers=12)
    assert found.config["workers"] == 12
    assert delay_model(found.delay).workers_available() in (12, None)
    assert any("12 workers: the 6 of the table in turn" in line for line in found._answer.why)
    with pytest.raises(ConfigError, match=r"^workers = 0: must be 1 to 100000"):
        eh.fit(table, workers=0)


# The page, from tables that are made by hand.


def by_hand(cold: int = 0) -> dict[str, pd.DataFrame]:
    """All loads together with five families, load 1 with one, and load 2 with none."""
    families = [f"family {i}" for i in range(4)] + ["gamma"]
    ks = np.arange(10, 21)

    def fits(load: str, names: list[str]) -> pd.DataFrame:
        order = np.arange(len(names))
        known = {"aic": 50.0 - 7 * order, "ks": 0.125 + order / 10, "held_out": 0.01 + order / 100}
        each = {"order_error": 0.02, "parameters": 2 + order, "delays": 400}
        return pd.DataFrame({"load": load, "family": names, **known, **each})

    def orders(load: str, family: str, factor: float) -> pd.DataFrame:
        observed = np.where(ks == 10, 0.0, ks / 10) if family == "config" else ks / 20
        predicted = factor * np.maximum(observed, 0.5)
        known = {"load": load, "family": family, "k": ks, "observed": observed}
        ratios = np.divide(predicted, observed, out=np.full(11, np.inf), where=observed > 0)
        return pd.DataFrame({**known, "predicted": predicted, "ratio": ratios})

    every = [("all", "config", 1.0), *(("all", name, 1.5) for name in families), ("1", "gamma", 2)]
    levels = np.array([0.005, 0.01, 0.5, 0.9, 0.99])
    quantiles = pd.DataFrame({"level": levels, "measured": [0.0, 0.4, 1.0, 2.0, 4.0]})
    quantiles = quantiles.assign(marked=[False, True, True, False, True])
    loads = pd.DataFrame({"load": ["all", "1", "2"], "rounds": [60, 30, 30]})
    loads = loads.assign(median=[np.nan, 1.0, 2.0], spread=[np.nan, 0.25, 0.5])
    loads = loads.assign(worker=0.25, round=[0.0, 0.5, np.nan], persistence=[0.5, np.nan, np.nan])
    loads = loads.assign(persistence_chance=[0.005, np.nan, np.nan], cold_rounds=[cold, 2, 0])
    laws = {"law": ["additive", "steps"], "misfit": [0.01234, 1e6], "holds": [True, False]}
    tried = {"candidate": ["a", "b"], "held_out": [0.1, 0.05], "bias": [0.02, 0.01]}
    return {
        "fit": pd.concat([fits("all", families), fits("1", ["gamma"])]),
        "order_statistics": pd.concat([orders(*each) for each in every]),
        "quantiles": pd.concat(
            quantiles.assign(family=name, fitted=quantiles["measured"] * 1.5) for name in families
        ),
        "candidates": pd.DataFrame({**tried, "taken": [False, True]}),
        "loads": loads.assign(cold_at_once=[3.0, 1.5, np.nan]),
        "load_laws": pd.DataFrame(laws),
        "workers": worker_table(None, ()),
    }


def finding(**changes: Any) -> Any:
    """What ``fit_answer`` reads, of one load and five workers."""
    taken = Recipe("base law: gamma", lambda sample, tables: {})
    law = MODELS["gamma"](shape=2.5, scale=0.4)
    family = SimpleNamespace(name="gamma")
    recipe = SimpleNamespace(family=family, law=law, order_error=0.0625)
    ones = np.ones(2)
    delays = SimpleNamespace(tables=(ones,), cold=None)
    main = SimpleNamespace(fits=[recipe], variance=None, memory=None, delays=delays, refused={})
    chosen = SimpleNamespace(
        section={"model": "gamma"}, why=("base law: gamma",), error=0.0125,
        taken=taken, tried={taken: Score((0.03, 0.03), (0.0,))},
    )  # fmt: skip
    found = SimpleNamespace(
        racks=None,
        together=[],
        main=main, chosen=chosen, ks=[3, 4, 5], warnings=[], load=None,
        load_law={"kind": "proportional"}, shorter={}, workers=None,
        checked=[Resimulated(None, Comparison((4, 5), ones, ones, ones, ones))],
        measured=SimpleNamespace(
            workers=5, hosts=(), notes=(Message("a note"),), read=(Message("as read"),),
            tables={None: np.array([[1.0, 1.0, 3.0, 1.0, 2.0], [2.0, 1.0, 1.0, 1.0, 1.0]])},
        ),
    )  # fmt: skip
    for name, value in changes.items():
        owner, _, field = name.rpartition("__")
        setattr({"": found, "main": main, "chosen": chosen, "delays": delays}[owner], field, value)
    return found


def test_what_is_said_of_a_fit() -> None:
    """Each sentence, and what changes it."""
    said = fit_answer(finding(), "my table.csv")
    error = "Delay model gamma simulates these workers: its mean k-th arrivals are off by 1.2 % on "
    assert said.verdict == f"{error}average, k = 3 to 5 of 5."
    assert said.limits == "Where rounds were held out, they are off by 3.0 %."
    assert said.why == (
        "Base law: gamma.",
        "Waiting for 4 of 5 saves 40.0 % in the measured rounds, and 0.0 % by this model "
        "(chance explains that in 2 rounds).",
        "Load: the table has one, so the load law is assumed: proportional; measure several to "
        "know it.",
        "Workers: cannot be told (too few rounds or workers).",
        "Memory: cannot be told (too few rounds).",
        "Of one law for all delays, gamma (shape 2.5, scale 0.4, shift 0) predicts arrivals best: "
        "off by 6.2 %.",
    )
    assert "`erasurehead whatif 'my table.csv'`" in said.next[0]
    assert (
        "`erasurehead whatif again.csv --unit ms`"
        in (fit_answer(finding(), "my table.csv", "again.csv --unit ms").next[0])
    )
    assert (said.notes, said.read) == (("a note",), ("as read",))
    bare = replace(finding().chosen.taken, effects=Effects(worker=True))
    few = {bare: Score((0.03,), (0.0,))}
    assert fit_answer(finding(chosen__taken=bare, chosen__tried=few), "t").limits == ""
    ones = np.ones(2)
    low = Resimulated(None, Comparison((4, 5), ones * 2, ones, ones, ones))
    [_, wrong, *_] = fit_answer(finding(checked=[low]), "t").why
    assert wrong.endswith("and 0.0 % by this model (which misses these rounds).")
    near = Resimulated(None, Comparison((4, 5), ones, np.array([0.605, 1.0]), ones, ones))
    assert fit_answer(finding(checked=[near]), "t").why[1].endswith("and 39.5 % by this model.")
    two = finding(checked=[replace(near, load=load) for load in (1.0, 2.0)])
    two.measured.tables = {1.0: two.measured.tables[None]}
    assert "40.0 % in the measured rounds at load 1, and 39.5 %" in fit_answer(two, "t").why[1]
    warned = fit_answer(finding(warnings=["the model misses"]), "t")
    assert warned.verdict.startswith("Delay model gamma does not simulate these workers well: ")
    assert warned.limits.startswith("The model misses; where rounds were held out")
    pooled = finding(
        chosen__why=("a factor for each worker", "memory"),
        chosen__taken=bare,
        chosen__tried=few,
        delays__tables=(np.ones(2),) * 2,
    )
    assert fit_answer(pooled, "t").why[0] == (
        "A factor for each worker; memory; a worker's factor is against the mean of all; "
        "all loads are pooled."
    )
    split = Variance(0.5, 0.25, 0.25, 0.005, 0.25)
    refused = finding(main__variance=split, main__refused={"pareto": "too few delays"})
    assert fit_answer(refused, "t").why[-1] == (
        "Variance of single delays, not of steps: worker 50.0 %, round 25.0 %, rest 25.0 % "
        "(chance of a worker part so large: 0.005, of a round part: 0.250)."
    )
    assert fit_answer(refused, "t").notes == ("a note", "pareto cannot be fitted: too few delays")
    loads = np.array([1.0, 2.0])
    grown = LoadFit(loads, loads, loads, 0.5, 0.25, 1.0, {}, {"kind": "proportional"})
    why = fit_answer(finding(load=grown, shorter={1.0: 1, 2.0: 2}), "t").why[3:7]
    counted = "took less than the load costs, and counted as the shortest of the others"
    assert why == (
        "Load: seconds = 0.5 + 0.25 load (R squared 1.000); the proportional law holds.",
        "Workers: cannot be told (too few rounds or workers).",
        f"1 call at load 1 {counted}.",
        f"2 calls at load 2 {counted}.",
    )
    hit = SimpleNamespace(hit=1, rounds=1, beyond=12.34, clump=2.0)
    assert "Cold starts: 1 of 1 round has delays beyond 12.3 s, 2.0 at once." in (
        fit_answer(finding(delays__cold=hit), "t").why
    )


def test_workers_are_judged_from_some_rounds_and_three_workers_on() -> None:
    """Where every round has a median; in two tables as in one."""
    few = workers_module.FEWEST_ROUNDS
    table = np.random.default_rng(0).lognormal(0.0, 0.1, (few, 3))
    assert judge_workers([table]) is not None
    assert judge_workers([table[:1], table[1:]]) is not None
    assert judge_workers([table[1:]]) is None
    assert judge_workers([table[:, :2]]) is None
    table[0, :2] = 0.0
    assert judge_workers([table]) is None
