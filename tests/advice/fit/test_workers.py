"""Who is slow: planted hosts are found, with what was planted, and nobody else is. Speaks to the
judges of workers, as many tables are judged, and to the words of a fit that is made by hand."""

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
from erasurehead.experiments.advice.fit import answer, page, recipes, study
from erasurehead.experiments.advice.fit.laws import goodness, law, load, variance, workers
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
        judged = workers.judge_workers([planted(seed, 500)])
        assert judged is not None
        assert {*judged.standing} == {CONSTANT, SPELLED}
        lines = answer.worker_sentences(judged, hosts)
        assert len(lines) == 2
        assert answer.worker_sentences(replace(judged, standing=()), hosts) == [
            "workers: none is slow more often, or for longer, than chance explains"
        ]
        every = (*range(9), CONSTANT)  # the costliest has a sentence, the cheap ones share one
        several = answer.worker_sentences(replace(judged, standing=every), hosts)
        assert [text.startswith("worker node") for text in several] == [True, True, True, False]
        assert several[0].startswith("worker node17 stands out")
        assert several[3].startswith("so do, but cost less: ")
        assert several[3].count("node") == 7
        assert {line.split()[1] for line in lines} == {"node17", "node42"}
        # Who is always slow is so by one number; its rounds are no spells.
        [always] = [line for line in lines if "node17" in line]
        low, high = judged.slower.low[CONSTANT], judged.slower.high[CONSTANT]
        assert f" ({low:.4g} to {high:.4g} times); costs " in always
        assert "rounds" not in always


@pytest.mark.slow
def test_exactly_the_planted_hosts_are_named_in_many_tables() -> None:
    hits = 0
    for rounds in (300, 500, 1000):
        for seed in range(100, 140):
            judged = workers.judge_workers([planted(seed, rounds)])
            assert judged is not None
            hits += {*judged.standing} == {CONSTANT, SPELLED}
    assert hits >= 0.95 * 120


def test_what_was_planted_is_told() -> None:
    """Intervals hold the truth: 1.35 times, spells as long as they are, and their cost."""
    table = planted(0, 1000)
    judged = workers.judge_workers([table])
    assert judged is not None
    assert judged.slower.low[CONSTANT] < 1.35 < judged.slower.high[CONSTANT]
    assert judged.slower.high[CONSTANT] - judged.slower.low[CONSTANT] < 0.05
    assert judged.slower.low[SPELLED] < 1.05
    assert judged.correlation.low[SPELLED] > 0.5
    assert judged.correlation.low[CONSTANT] < 0 < judged.correlation.high[CONSTANT]
    assert judged.spell.low[SPELLED] > 5
    assert judged.spell.high[CONSTANT] < 4
    others = np.delete(table, CONSTANT, axis=1).max(axis=1)
    saved = float(np.mean(table.max(axis=1) - others))
    assert judged.cost.value[CONSTANT] == pytest.approx(saved)
    assert judged.cost.low[CONSTANT] < saved < judged.cost.high[CONSTANT]
    assert judged.differ


def test_spells_have_an_interval_from_three_on() -> None:
    """Student's, of two degrees: 4.303 standard errors; no spell is shorter than a round."""
    runs = [(np.arange(len(each)), np.array(each)) for each in ([], [2, 4], [2, 4, 6], [1, 1, 7])]
    found = workers.spell_lengths(runs)
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
    judged = workers.judge_workers(tables)
    assert judged is not None
    assert judged.slow.value[2] == pytest.approx(6 / 14)
    assert judged.spell.value[2] == pytest.approx(2.0)
    assert judged.cost.value[2] == pytest.approx(2.0 * 6 / 14)
    assert judged.slower.value[2] == 1.0
    assert np.isnan(judged.spell.value[0])
    assert judged.order[0] == 2


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
    found = [workers.judge_workers([table]) for table in tables]
    assert sum(bool(judged and judged.standing) for judged in found) <= 3


def test_intervals_are_told_of_the_fifty_costliest() -> None:
    """Of 60 workers; what others cost has no interval, and how slow they are has one."""
    judged = workers.judge_workers([np.random.default_rng(0).lognormal(0, 0.1, (40, 60))])
    assert judged is not None
    for found in (judged.slow, judged.cost):
        assert np.flatnonzero(np.isfinite(found.low)).tolist() == sorted(judged.order[:50])
        np.testing.assert_array_equal(np.isfinite(found.low), np.isfinite(found.high))
    assert np.isfinite(judged.slower.low).all()
    assert (np.diff(judged.cost.value[[*judged.order]]) <= 0).all()


def test_too_little_is_no_table() -> None:
    assert len(study.worker_table(None, ())) == 0
    assert "cannot be told" in answer.worker_sentences(None, ())[0]


@pytest.mark.golden
def test_a_slower_host_is_slower_in_the_model(tmp_path: Path) -> None:
    """A hundredth of the workers is hardly any variance; yet it ends most rounds."""
    rng = np.random.default_rng(1)
    table = rng.lognormal(0, 0.1, (100, 40))
    table[:, 7] *= 1.35
    path = tmp_path / "t\u202e.csv"
    pd.DataFrame(table).to_csv(path, index=False)
    fitted = eh.fit(path, k_range=(20, 40), unit="s", progress=False)
    section = fitted.delay
    if section["model"] == "heterogeneous":
        assert section["factors"][7] == pytest.approx(1.35, abs=0.05)
    else:
        assert np.argmax(section["ranks"]) == 7
    require_recorded("fit/slower host", {"workers": fitted.workers})
    assert "7" in [*fitted.workers["host"][fitted.workers["stands_out"].astype(bool)]]
    assert "| 7" in fitted.report
    assert fitted.report.splitlines()[0].endswith("t\\u202e.csv")


@pytest.mark.slow
@pytest.mark.golden
def test_spells_of_one_host_are_its_own_in_the_model() -> None:
    """Catches a memory for everybody, and factors or ranks that move to the next worker."""
    table = planted(1, 300)
    found = study.study(numbered({None: table}), range(32, 65))
    require_recorded("fit/spells", fit_told(found))
    section = found.chosen.section
    while section["model"] != "own_laws":
        section = section["base"]
    assert section["workers"] == [SPELLED]
    (own,) = section["models"]
    assert own["model"] == "markov"
    slow = table[:, SPELLED] > 1.4 * np.median(table, axis=1)
    share = own["fast_to_slow"] / (1 - own["slow_to_slow"] + own["fast_to_slow"])
    assert share == pytest.approx(slow.mean(), abs=0.02)
    assert own["slow"]["median"] / own["fast"]["median"] == pytest.approx(1.8, abs=0.1)
    rows = law.model_of(found.chosen.section).sample(np.random.default_rng(0), 5000, 64)
    again = workers.judge_workers([rows])
    assert again is not None
    assert {*again.standing} == {CONSTANT, SPELLED}
    assert found.chosen.error < 0.02


def memory(persistence: float, error: float, chance: float = 0.005) -> variance.Memory:
    return variance.Memory(persistence, error, chance, 0.1, np.array([0.2, 0.1]), 0.0)


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
def test_what_is_a_memory(found: variance.Memory, significant: bool, unknown: bool) -> None:
    """Chance makes it in 1 % of tables at most, it is 0.05 at least, and its interval lies above 0.
    Nothing can be told where that holds 0 and a half."""
    assert (found.significant, found.unknown) == (significant, unknown)
    told = answer._memory_sentence(found)
    start = "slow workers stay slow" if significant else "none that matters"
    assert told.startswith("too few rounds to tell: " if unknown else start)
    assert "levelling off" not in answer._memory_sentence(replace(found, static=0.05))
    lasting = answer._memory_sentence(replace(found, static=0.06))
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


def test_who_differs_for_good() -> None:
    """Of those that stand out, by an interval that lies above 1."""

    def of_two(low: float) -> workers.Estimates:
        return workers.Estimates(*(np.array([low, 2.0]) for _ in range(3)))

    some = of_two(1.0)
    found = workers.Workers(of_two(1.0), some, some, some, some, {}, (0,), (0, 1), 1.0, ())
    assert not found.differ
    assert replace(found, slower=of_two(1.001)).differ
    assert replace(found, standing=(0, 1)).differ


def test_a_correlation_is_told_with_its_lag() -> None:
    """As far as it was measured; catches the value of the next lag."""
    found = replace(memory(0.133, 0.02), correlation=np.arange(10, 0, -1) / 20)
    told = answer._memory_sentence(found)
    assert told.endswith("being slow 0.500, 0.450, 0.300, 0.050 at lags 1, 2, 5, 10")
    told = answer._memory_sentence(replace(found, correlation=found.correlation[:2]))
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
    row = {name: re.search(rf"\| {name} .*", whole) for name in ("node17", "node42")}
    assert row["node17"] is not None
    assert row["node42"] is not None
    assert "| lasting" in row["node17"][0]
    assert "| lasting" not in row["node42"][0]
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
    judged = workers.judge_workers([table])
    assert judged is not None
    others = [np.delete(table, 1, axis=1)]
    recipe = recipes.laws_of_workers(variance.Effects())
    section = workers.with_own_laws(recipe.section(others[0], others), [table], judged)
    assert [*judged.spelled] == [1]
    simulated = law.model_of(section).sample(np.random.default_rng(0), 20_000, 4)
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
    model = law.model_of(workers.in_turn(section, 24, 48))
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
        model = law.model_of(workers.in_turn(section, 6, count))
        assert model.workers_available() == count
        row = model.sample(np.random.default_rng(0), 1, count)[0]
        assert row.tolist() == [whole[j % 6] for j in range(count)]
    free = law.model_of({**inner, "complete": False})
    assert free.workers_available() is None, "a base serves any number of others"


@pytest.mark.parametrize("count", [4, 16, 32])
def test_clumps_hit_as_many_of_other_workers(count: int) -> None:
    """A cold start hits 2 or 6 of 16 workers, a quarter in the mean; so it does of others."""
    cold = {"model": "deterministic", "value": 9.0}
    section = {"model": "cold_starts", "probability": 1.0, "sizes": [2, 6], "delay": cold}
    model = law.model_of(workers.in_turn(section | {"base": {**cold, "value": 1.0}}, 16, count))
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
    assert law.model_of(found.delay).workers_available() in (12, None)
    assert any("12 workers: the 6 of the table in turn" in line for line in found._answer.why)
    with pytest.raises(ConfigError, match=r"^workers = 0: must be 1 to 100000"):
        eh.fit(table, workers=0)


# What is said of a fit that is made by hand.


def finding(**changes: Any) -> Any:
    """What ``fit_answer`` reads, of one load and five workers."""
    taken = recipes.Recipe("base law: gamma", lambda sample, tables: {})
    family = SimpleNamespace(name="gamma")
    of_one = {"family": family, "law": MODELS["gamma"](shape=2.5, scale=0.4), "order_error": 0.0625}
    delays = SimpleNamespace(tables=(ONES,), cold=None)
    main = SimpleNamespace(
        fits=[SimpleNamespace(**of_one)], variance=None, memory=None, delays=delays, refused={}
    )
    chosen = SimpleNamespace(
        section={"model": "gamma"}, why=("base law: gamma",), error=0.0125,
        taken=taken, tried={taken: goodness.Score((0.03, 0.03), (0.0,))},
    )  # fmt: skip
    found = SimpleNamespace(
        racks=None, together=[], main=main, chosen=chosen, ks=[3, 4, 5], warnings=[], load=None,
        load_law={"kind": "proportional"}, shorter={}, workers=None, checked=[checked(ONES, ONES)],
        measured=SimpleNamespace(
            workers=5, hosts=(), notes=(), read=(),
            tables={None: np.array([[1.0, 1.0, 3.0, 1.0, 2.0], [2.0, 1.0, 1.0, 1.0, 1.0]])},
        ),
    )  # fmt: skip
    for name, value in changes.items():
        owner, _, field = name.rpartition("__")
        setattr({"": found, "main": main, "chosen": chosen, "delays": delays}[owner], field, value)
    return found


ONES = np.ones(2)


def checked(measured: np.ndarray, simulated: np.ndarray, at: float | None = None) -> Any:
    """Means of arrivals 4 and 5, the simulated ones known exactly."""
    times = goodness.Comparison((4, 5), measured, simulated, ONES, ONES)
    return goodness.Resimulated(at, times)


BARE = recipes.Recipe(
    "base law: gamma", lambda sample, tables: {}, effects=variance.Effects(worker=True)
)
FEW = {"chosen__taken": BARE, "chosen__tried": {BARE: goodness.Score((0.03,), (0.0,))}}
NEAR = np.array([0.605, 1.0])
LOADS = np.array([1.0, 2.0])
SAID: dict[str, dict[str, Any]] = {
    "usual": {},
    "nothing held out": FEW,
    "wrong about waiting": {"checked": [checked(2 * ONES, ONES)]},
    "nearly right about waiting": {"checked": [checked(ONES, NEAR)]},
    "two loads": {"checked": [checked(ONES, NEAR, 1.0), checked(ONES, NEAR, 2.0)]},
    "a warning": {"warnings": ["the model misses"]},
    "pooled": FEW | {
        "chosen__why": ("a factor for each worker", "memory"), "delays__tables": (ONES, ONES),
    },
    "refused": {
        "main__variance": variance.Variance(0.5, 0.25, 0.25, 0.005, 0.25),
        "main__refused": {"pareto": "too few delays"},
    },
    "a load law": {
        "load": load.LoadFit(LOADS, LOADS, LOADS, 0.5, 0.25, 1.0, {}, {"kind": "proportional"}),
        "shorter": {1.0: 1, 2.0: 2},
    },
    "cold": {"delays__cold": SimpleNamespace(hit=1, rounds=1, beyond=12.34, clump=2.0)},
}  # fmt: skip


@pytest.mark.golden
@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_a_fit(name: str) -> None:
    """Each sentence, and what changes it. By hand: waiting for 4 of 5 takes 1.5 s in place of 2.5,
    40 % less, and of a model that has both arrivals at 1 s nothing less."""
    found = finding(**SAID[name])
    if name == "two loads":
        found.measured.tables = {1.0: found.measured.tables[None]}
    said = answer.fit_answer(found, "my table.csv", "again.csv --unit ms" * (name == "cold"))
    told = [said.verdict, said.limits, *said.why, *said.next, *said.notes]
    require_recorded("fit/said", {name: "\n".join(told)})
    if name == "usual":
        assert "Waiting for 4 of 5 saves 40.0 % in the measured rounds, and 0.0 % by" in told[3]
        assert "are off by 1.2 % on average, k = 3 to 5 of 5." in said.verdict


def test_workers_are_judged_from_some_rounds_and_three_workers_on() -> None:
    """Where every round has a median; in two tables as in one."""
    few = workers.FEWEST_ROUNDS
    table = np.random.default_rng(0).lognormal(0.0, 0.1, (few, 3))
    assert workers.judge_workers([table]) is not None
    assert workers.judge_workers([table[:1], table[1:]]) is not None
    assert workers.judge_workers([table[1:]]) is None
    assert workers.judge_workers([table[:, :2]]) is None
    table[0, :2] = 0.0
    assert workers.judge_workers([table]) is None
