"""Who is slow: planted hosts are found, with what was planted, and nobody else is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models import MODELS, DelayModel
from erasurehead.experiments.config.build import delay_model
from erasurehead.experiments.fit import page
from erasurehead.experiments.fit.page import fit_answer, fit_page, worker_sentences
from erasurehead.experiments.fit.recipes import LawsOfWorkers
from erasurehead.experiments.fit.study import study, tables, worker_table
from erasurehead.experiments.fit.variance import Memory, Parts
from erasurehead.experiments.fit.workers import (
    Estimates,
    Workers,
    judge_workers,
    with_own_laws,
)
from erasurehead.experiments.page.markdown import as_markdown
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
        every = (*range(9), CONSTANT)  # the costliest has a sentence, the cheap ones share one
        several = worker_sentences(replace(workers, standing=every), hosts)
        assert [text.startswith("worker node") for text in several] == [True, True, True, False]
        assert several[0].startswith("worker node17 stands out")
        assert several[3].startswith("so do, but cost less: ")
        assert several[3].count("node") == 7
        assert {line.split()[1] for line in lines} == {"node17", "node42"}


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
    for table in (np.ones((5, 9)), np.ones((20, 2)), np.zeros((20, 5))):
        assert judge_workers([table]) is None
    assert len(worker_table(None, ())) == 0
    assert "cannot be told" in worker_sentences(None, ())[0]


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
    (rows,) = [table.rows for table in made.tables if table.file == "workers.parquet"]
    assert "7" in [row[0].text for row in rows if row[-1].text == "yes"]
    report = as_markdown(made, {})
    assert "| 7" in report
    assert report.startswith("# fit: t\\u202e.csv\n")


def test_spells_of_one_host_are_its_own_in_the_model() -> None:
    """Catches a memory for everybody, and factors or ranks that move to the next worker."""
    table = planted(1, 600)
    found = study(numbered({None: table}), range(32, 65))
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
    rows = delay_model(found.chosen.section).sample(np.random.default_rng(0), 20_000, 64)
    again = judge_workers([rows])
    assert again is not None
    assert {*again.standing} == {CONSTANT, SPELLED}
    assert found.chosen.error < 0.02


def memory(persistence: float, error: float, chance: float = 0.005) -> Memory:
    return Memory(persistence, error, chance, 0.1, np.array([0.2, 0.1]), 0.0)


def test_an_interval_that_holds_everything_is_no_memory() -> None:
    """0.133 +- 0.349, with a small chance by permutation, used to become a model."""
    assert not memory(0.133, 0.349).significant
    assert memory(0.133, 0.349).unknown
    assert memory(0.133, 0.02).significant
    assert not memory(0.02, 0.01, 0.5).unknown
    assert memory(0.9, 0.05).interval == (pytest.approx(0.802), pytest.approx(0.998))


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
    told = page._memory_sentence(found)
    start = "slow workers stay slow" if significant else "none that matters"
    assert told.startswith("cannot tell: " if unknown else start)
    assert "levelling off" not in page._memory_sentence(replace(found, static=0.05))
    lasting = page._memory_sentence(replace(found, static=0.06))
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
    assert str(page._estimate(row, name)) == told
    assert str(page._estimate({**row, name: np.nan}, name)) == "cannot tell"


@pytest.mark.parametrize(
    ("correlation", "slow", "spell", "lasting"),
    [
        (0.2, 0.5, 2.0, True),
        (0.19, 0.5, 2.0, False),
        (0.2, 0.01, 2.0, True),
        (0.2, 0.009, 2.0, False),
        (0.2, 0.99, 2.0, True),
        (0.2, 0.991, 2.0, False),
        (0.2, 0.5, 1.0, False),
    ],
)
def test_who_is_slow_for_a_while(
    correlation: float, slow: float, spell: float, lasting: bool
) -> None:
    """Successive rounds are alike, both states are seen, and a slow round follows another one; of
    workers that stand out alone."""

    def of_two(value: float) -> Estimates:
        return Estimates(*(np.array([value, value]) for _ in range(3)))

    found = Workers(
        of_two(1.0), of_two(slow), of_two(spell), of_two(correlation), of_two(1.0), (1,), (1, 0), 1
    )
    assert found.lasting == ((1,) if lasting else ())
    assert not found.differ, "an interval of how much slower it is begins at 1"


def test_a_correlation_is_told_with_its_lag() -> None:
    """As far as it was measured; catches the value of the next lag."""
    found = replace(memory(0.133, 0.02), correlation=np.arange(10, 0, -1) / 20)
    told = page._memory_sentence(found)
    assert told.endswith("being slow 0.500, 0.450, 0.300, 0.050 at lags 1, 2, 5, 10")
    told = page._memory_sentence(replace(found, correlation=found.correlation[:2]))
    assert told.endswith("being slow 0.500, 0.450 at lags 1, 2")


def test_names_are_in_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    table = planted(2, 300, 64)[:, :48]
    path = tmp_path / "t.csv"
    pd.DataFrame(table, columns=[f"node{j}" for j in range(48)]).to_csv(path, index=False)
    done = inside("fit", path, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    looked = inside("whatif", path, "--output", tmp_path / "whatif").stdout
    # One factor under one name: of times divided by what each round takes, against the median one.
    read = re.search(r"slowest worker: node17, .* s, (\S+) times the median worker", looked)
    fitted = re.search(r"node17 stands out: (\S+) times as slow as the median worker", done.stdout)
    factor = re.search(r"node17 \(stands out\) .* %  +(1\.\S+) ", looked)
    assert read is not None
    assert fitted is not None
    assert factor is not None
    assert read[1] == fitted[1] == factor[1]
    assert float(factor[1]) == pytest.approx(1.35, abs=0.02)
    rows = pd.read_parquet(tmp_path / "out" / "workers.parquet")
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
    recipe = LawsOfWorkers(Parts())
    section = with_own_laws(recipe.section(others[0], others), [table], workers)
    assert workers.lasting == (1,)
    simulated = delay_model(section).sample(np.random.default_rng(0), 20_000, 4)
    assert np.median(simulated, axis=0) == pytest.approx(middles, rel=0.06)
    assert section["base"]["workers"] == [0, 2, 3]
