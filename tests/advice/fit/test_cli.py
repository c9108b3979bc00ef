"""``erasurehead fit`` as a person uses it: answers, files, a config that runs, and bad input.
Speaks to a fit where its numbers are made by hand, and where a search may not draw rounds again."""

from __future__ import annotations

import pickle
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import erasurehead as eh
from erasurehead.delays import MODELS, Exponential
from erasurehead.experiments.advice.fit import command, page, study
from erasurehead.experiments.advice.fit.laws import goodness, law
from tests.advice.fit.walled import fit_told
from tests.golden.kept import folder_of
from tests.golden.records import require_recorded
from tests.tools import inside


def long_table(tables: dict[float, np.ndarray]) -> pd.DataFrame:
    frames = []
    for load, table in tables.items():
        rounds, workers = np.indices(table.shape)
        columns = {"worker": workers, "round": rounds, "seconds": table}
        frames.append(pd.DataFrame({k: v.ravel() for k, v in columns.items()}).assign(load=load))
    return pd.concat(frames)


def wide(path: Path, table: np.ndarray) -> Path:
    pd.DataFrame(table).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A cluster with additive load, cold starts and slow workers that stay slow."""
    folder = tmp_path_factory.mktemp("fit")
    fast, slow = (
        MODELS["lognormal"](median=0.6, sigma=0.05),
        MODELS["lognormal"](median=1.0, sigma=0.2),
    )
    chain = MODELS["markov"](slow_to_slow=0.76, fast_to_slow=0.06, fast=fast, slow=slow)
    start_up = MODELS["deterministic"](value=30.0)
    model = MODELS["cold_starts"](base=chain, probability=0.1, share=0.1, delay=start_up)
    tables = {
        load: 0.8 * load + model.sample(np.random.default_rng(seed), 60, 40)
        for seed, load in enumerate((1.0, 2.0, 3.0))
    }
    long_table(tables).to_csv(folder / "cluster.csv.gz", index=False)
    done = inside("fit", folder / "cluster.csv.gz", "--output", folder / "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder / "out", done.stdout


@pytest.mark.long("fits a table of three loads for the whole file")
def test_fit_writes_what_it_found(fitted: tuple[Path, str]) -> None:
    out, stdout = fitted
    assert {path.name for path in out.iterdir()} == {*command.FILES, ".erasurehead"}
    fits = pd.read_parquet(out / "fit.parquet")
    assert set(fits.load) == {"all", "1", "2", "3"}
    np.testing.assert_allclose(fits.aic, 2 * fits.parameters - 2 * fits.log_likelihood)
    for _, one in fits.groupby("load"):
        assert one.rank_order.tolist() == list(range(1, len(one) + 1))
        assert one.held_out.is_monotonic_increasing
        assert one.set_index("rank_aic").sort_index().aic.is_monotonic_increasing
    best = fits[(fits.load == "all") & (fits.rank_aic == 1)].iloc[0]
    assert best.family == "mixture"
    orders = pd.read_parquet(out / "order_statistics.parquet")
    np.testing.assert_allclose(orders.ratio, orders.predicted / orders.observed)
    ours = orders[orders.family == "config"]
    assert np.all(np.abs(np.log(ours.ratio)) < 0.25)
    assert "additive" in stdout


def test_every_load_has_its_numbers(fitted: tuple[Path, str]) -> None:
    """All together first, whose seconds are of unit delays; shares of the variance add up."""
    out, _ = fitted
    loads = pd.read_parquet(out / "loads.parquet")
    assert loads["load"].tolist() == ["all", "1", "2", "3"]
    assert loads["rounds"].tolist() == [180, 60, 60, 60]
    assert loads["median"].isna().tolist() == [True, False, False, False]
    np.testing.assert_allclose(np.diff(loads["median"][1:]), 0.8, atol=0.05)
    np.testing.assert_allclose(loads[["worker", "round", "rest"]].sum(axis=1), 1.0)
    assert (loads["persistence_low"] < loads["persistence"]).all()
    assert (loads["persistence"] < loads["persistence_high"]).all()
    assert (loads["delays"] <= loads["rounds"] * 40).all()
    assert loads["delays"][0] > loads["delays"][1:].max()
    hit = loads["cold_rounds"] > 0
    assert hit[0]
    assert (loads["cold_beyond"][hit] < 30).all()
    assert (loads["cold_at_once"][hit] >= 1).all()


@pytest.mark.golden
def test_a_fit_is_the_recorded_one(fitted: tuple[Path, str]) -> None:
    out, stdout = fitted
    found = {"page": page.read_fit(out), "said": stdout, **folder_of(out, "delay.yaml")}
    require_recorded("fit/cluster", found)


def test_a_ratio_of_one_has_its_tick(fitted: tuple[Path, str]) -> None:
    """And so has every further round number, on an axis with equal room above and below."""
    seconds, ratios = page.read_fit(fitted[0]).charts["order_statistics"].picture.panels
    assert seconds.y.ticks == (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    [quantiles] = page.read_fit(fitted[0]).charts["qq"].picture.panels
    assert quantiles.x.ticks == quantiles.y.ticks == (1, 2, 5)
    assert {1, 1.5, 2, 5} <= {*ratios.y.ticks}
    assert ratios.y.ticks == tuple(sorted({*ratios.y.ticks}))
    assert ratios.y.high in page.REACHES
    assert ratios.y.low == 1 / ratios.y.high


def test_fit_finds_the_cluster(fitted: tuple[Path, str]) -> None:
    out, _ = fitted
    config = yaml.safe_load((out / "delay.yaml").read_text())
    law, delay = config["load_law"], config["delay"]
    assert law["kind"] == "additive"
    assert law["seconds_per_partition"] == pytest.approx(0.8, abs=0.02)
    assert delay["model"] == "cold_starts"
    assert delay["probability"] == pytest.approx(0.1, abs=0.11)
    assert delay["share"] == pytest.approx(0.1, abs=0.05)
    start_up = delay["delay"].get("value", delay["delay"].get("median"))
    assert start_up == pytest.approx(30.0, abs=1.0)
    chain = delay["base"]
    assert chain["model"] == "markov"
    assert chain["slow_to_slow"] - chain["fast_to_slow"] == pytest.approx(0.7, abs=0.05)
    assert chain["fast"]["median"] == pytest.approx(0.6, abs=0.02)
    assert chain["slow"]["median"] == pytest.approx(1.0, abs=0.05)


def test_the_config_runs_as_it_is(fitted: tuple[Path, str], tmp_path: Path) -> None:
    """And the sections that are printed are the same, ready to be pasted."""
    out, stdout = fitted
    few = ("--set", "iterations=5", "--set", "replications=2")
    done = inside("run", out / "delay.yaml", *few, "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(tmp_path / "run" / "summary.parquet")) == 2
    printed = stdout[stdout.index("delay:") : stdout.index("report, pictures")]
    config = yaml.safe_load((out / "delay.yaml").read_text())
    sections = yaml.safe_load(printed)
    assert sections == {"delay": config["delay"], "load_law": config["load_law"]}


@pytest.mark.golden
def test_one_load_and_a_range(fitted: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = fitted
    options = ("--load", "2", "--k-range", "30:40", "--output", tmp_path)
    done = inside("fit", out.parent / "cluster.csv.gz", *options)
    assert done.returncode == 0, done.stderr
    require_recorded("fit/load", {"said": done.stdout})
    assert set(pd.read_parquet(tmp_path / "fit.parquet").load) == {"2"}
    loads = pd.read_parquet(tmp_path / "loads.parquet").set_index("load")
    assert [*loads.index] == ["2", "1", "3"]
    assert loads["delays"].gt(0).tolist() == [True, False, False]
    assert loads["worker"].isna().tolist() == [False, True, True]
    assert loads["rounds"].tolist() == [60] * 3
    assert set(pd.read_parquet(tmp_path / "order_statistics.parquet").k) == set(range(30, 41))
    assert yaml.safe_load((tmp_path / "delay.yaml").read_text())["load_law"]["kind"] == "additive"


@pytest.mark.one_in(2)
@pytest.mark.golden
@pytest.mark.parametrize(
    "model",
    [
        {"model": "exponential", "rate": 2.0},
        {"model": "weibull", "shape": 0.6, "scale": 1.0, "shift": 0.2},
        {
            "model": "heterogeneous",
            "spread": 0.4,
            "base": {"model": "gamma", "shape": 9, "scale": 1},
        },
        {
            "model": "round_effects",
            "factor": {"model": "lognormal", "median": 1.0, "sigma": 0.5},
            "base": {"model": "shifted_exponential", "shift": 1.0, "rate": 3.0},
        },
    ],
    ids=lambda m: m["model"],
)
def test_the_config_predicts_what_was_measured(model: dict[str, Any]) -> None:
    """Through whatever parts it takes; within 5 % from half of the workers to all."""
    table = law.model_of(model).sample(np.random.default_rng(5), 100, 30)
    found = eh.fit(table, unit="s", k_range=(15, 30), progress=False).findings
    assert found.chosen.error < 0.05, found.chosen.section
    if model["model"] in ("heterogeneous", "round_effects"):
        assert found.chosen.section["model"] == model["model"]
    require_recorded(f"fit/{model['model']}", fit_told(found))


@pytest.mark.slow
@pytest.mark.golden
def test_a_single_clump_is_predicted_around_its_edge() -> None:
    """One round of 30 has 9 cold workers of 256: the 247th arrival is warm, the 248th is cold.

    Catches a clump whose size varies although it was seen once, and one as long as its longest.
    """
    base = {"model": "lognormal", "median": 1.1, "sigma": 0.05}
    table = law.model_of(base).sample(np.random.default_rng(3), 30, 256)
    table[27, 40:45] += 25.0
    table[27, 100:104] += 36.7
    ks = range(240, 257)
    found = eh.fit(table, unit="s", k_range=(240, 256), progress=False).findings
    require_recorded("fit/clump", fit_told(found))
    measured = np.sort(table, axis=1)[:, np.array(ks) - 1].mean(axis=0)
    np.testing.assert_allclose(found.chosen.predicted, measured, rtol=0.1)


@pytest.mark.parametrize(
    ("workers", "rounds", "wait_for", "iterations", "varies", "replications"),
    [
        (10, 100, 9, 100, 0.0, 32),
        (10, 101, 9, 100, 0.0565, 32),
        (10, 99, 9, 99, 0.0567, 64),
        (4, 9, 3, 9, 0.16, 256),
        (1, 1, 1, 1, 9.0, 1024),
        (10_000, 100, 9000, 100, 9.0, 32),
    ],
)
def test_the_config_waits_for_nine_tenths(
    workers: int, rounds: int, wait_for: int, iterations: int, varies: float, replications: int
) -> None:
    """But not for all, if there are two; as many iterations as rounds, a hundred at most. The mean
    of r replications is known to 1 % if r is the square of how much each varies, in per cent; there
    are 32 to 1024, and 25 million delays at most."""
    delays = SimpleNamespace(rounds=np.ones((rounds, workers)))
    found = SimpleNamespace(
        size=None,
        measured=SimpleNamespace(workers=workers),
        main=SimpleNamespace(delays=delays),
        chosen=SimpleNamespace(section={"model": "exponential", "rate": 1.0}),
        load_law={"kind": "proportional"},
        checked=[SimpleNamespace(varies=0.0), SimpleNamespace(varies=varies)],
    )
    config = study.Findings.config.fget(found)  # type: ignore[attr-defined]
    assert (config["workers"], config["iterations"]) == (workers, iterations)
    _, ignoring = config["schemes"]
    assert ignoring == {"name": "ignore_stragglers", "wait_for": wait_for}
    assert (config["seed"], config["replications"]) == (0, replications)


@pytest.mark.parametrize(
    ("count", "marked"),
    [(49, (0.1, 0.5, 0.9)), (51, (0.01, 0.1, 0.5, 0.9, 0.99)), (10, (0.1, 0.5, 0.9)), (5, (0.5,))],
)
def test_quantiles_between_the_least_and_the_longest(count: int, marked: tuple[float, ...]) -> None:
    """The i-th of N delays at (i - 1/2) / N; a level beyond them has no marker."""
    sample = np.arange(1.0, count + 1)
    law = MODELS["exponential"](rate=1.0)
    fit = SimpleNamespace(family=SimpleNamespace(name="exponential"), law=law)
    main: Any = SimpleNamespace(delays=SimpleNamespace(bulk=sample[::-1]), fits=[fit])
    table = study._quantiles(main)
    assert tuple(table["level"][table["marked"]]) == marked
    assert table["level"].is_monotonic_increasing
    assert (table["measured"].iloc[0], table["measured"].iloc[-1]) == (1.0, count)
    np.testing.assert_allclose(table["measured"], 0.5 + count * table["level"], rtol=1e-9)
    np.testing.assert_allclose(table["fitted"], -np.log1p(-table["level"]), rtol=1e-9)


def odd_tables() -> dict[str, dict[float | None, np.ndarray]]:
    rng = np.random.default_rng(0)
    bulk = rng.lognormal(0, 0.1, (30, 20))
    workers, rounds = np.tile(np.arange(1.0, 9), (30, 1)), np.tile(np.arange(1.0, 31), (8, 1)).T
    return {
        "one round": {None: rng.exponential(1, (1, 12))},
        "one worker": {None: rng.exponential(1, (12, 1))},
        "zeros": {None: np.maximum(rng.normal(0, 1, (30, 8)), 0)},
        "mostly zeros": {None: (rng.random((30, 8)) < 0.1) * 1.0},
        "two values": {None: np.where(rng.random((30, 8)) < 0.3, 2.0, 1.0)},
        "nearly equal": {None: 1 + 1e-9 * rng.random((30, 8))},
        "huge": {None: rng.lognormal(20, 1, (30, 8))},
        "tiny": {None: rng.lognormal(-20, 1, (30, 8))},
        "no mean": {None: rng.pareto(0.2, (60, 20)) + 1},
        "workers alone": {None: workers},
        "rounds alone": {None: rounds},
        "one outlier": {None: np.where(np.arange(600).reshape(30, 20) == 77, 500.0, bulk)},
        "load 0 alone": {0.0: bulk},
        "less at more load": {1.0: 3 * bulk, 2.0: bulk},
        "draws per partition": {d: rng.gamma(2 * d, 1, (40, 8)) for d in (2.0, 3.0)},
    }


OFTEN = {"one round", "no mean"}
"""Tables that are tried at every run; the others with the slow tests."""


@pytest.mark.golden
@pytest.mark.parametrize(
    "name",
    [
        name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow)
        for name in odd_tables()
    ],
)
def test_odd_tables_get_an_answer(name: str, tmp_path: Path) -> None:
    """Whatever a file holds, the config can be built, and every file is written."""
    tables = odd_tables()[name]
    [workers] = {table.shape[1] for table in tables.values()}
    table = tables[None] if None in tables else long_table(tables)
    keep = [*map(str, range(workers))] if name == "rounds alone" else []  # they seem to count
    fitted = eh.fit(table, unit="s", keep=keep, progress=False)
    assert law.model_of(fitted.delay).sample(np.random.default_rng(0), 3, workers).min() >= 0
    require_recorded(f"fit/{name}", fit_told(fitted.findings))
    files = fitted.save(tmp_path)
    assert len({path.name for path in files}) == 14
    assert all(path.is_file() for path in files)


def test_mixed_units_are_a_warning_and_a_table_gives_the_same_bytes_again(tmp_path: Path) -> None:
    table = np.random.default_rng(0).lognormal(0, 0.2, (30, 10))
    table[:, 3] *= 1000
    path = wide(tmp_path / "t.csv", table)
    done = inside("fit", path, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("read as 30 rounds of 10 workers, one column a worker; times")
    assert second.startswith("the first row, 0, 1, ")  # names, rounds and who is slow: `read`
    assert (tmp_path / "out" / "report.md").read_text().splitlines()[2].startswith("- read as 30 ")
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("warning: ")
    assert "worker 3" in lines[0]
    assert "times" in lines[0]
    assert inside("fit", path, "--output", tmp_path / "again").returncode == 0
    for file in (tmp_path / "out").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


GOOD = b"0.5,0.6\n0.7,0.4\n0.5,0.9\n0.8,0.6\n0.4,0.7\n"


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("t.csv", GOOD + b"0.1,-0.2\n", [], ["round 5, worker 1", "negative"]),
        ("t.csv", b"0.5,0.6\n", [], ["2 delays", "at least 10"]),
        ("t.csv", b"0.5,0.6,0.9\n0.7,0.4,0.6\n0.5,0.9,0.8\n", [], ["9 delays", "at least 10"]),
        ("t.csv", b"1.5,1.5\n" * 10, [], ["all delays are equal"]),
        ("t.csv", GOOD, ["--load", "2"], ["--load", "no column load"]),
        ("t.csv", GOOD, ["--k-range", "3"], ["--k-range", "A:B"]),
        ("t.csv", GOOD, ["--k-range", "1:3"], ["--k-range", "2 workers"]),
        ("t.csv", GOOD, ["--k-range", "0:1"], ["1 <= A"]),
        ("t.csv", GOOD, ["--k-range", "1:" + "9" * 5000], ["1 <= A"]),
        ("t.pkl", pickle.dumps(1), [], ["unknown ending"]),
        ("t.csv", GOOD + b"1e-310,1\n", [], ["1e-310 s", "at least 1e-150 s"]),
        ("t.csv", GOOD + b"9e-151,1\n", [], ["9e-151 s", "0 or at least 1e-150 s"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, name: str, content: bytes, options: list[str], words: list[str]
) -> None:
    """On stderr, with exit code 2, and nothing is written."""
    (tmp_path / name).write_bytes(content)
    done = inside("fit", tmp_path / name, *options, "--output", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert len(lines[0].replace(str(tmp_path), "")) < 300
    for word in words:
        assert word in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("least", [0.0, 2e-150])
def test_a_delay_is_zero_or_long_enough_to_be_squared(least: float) -> None:
    """A shorter one is refused, above."""
    table = np.random.default_rng(0).exponential(1.0, (9, 4)) + 0.1
    table[3, 2] = least
    assert eh.fit(table, unit="s", progress=False).findings.measured.tables[None].min() == least


def test_a_large_table_is_read_when_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MOST_FITTED", 9)
    path = tmp_path / "t.csv"
    path.write_bytes(GOOD)
    asked = ("fit", path, "--output", tmp_path / "out")
    done = inside(*asked)
    assert done.returncode == 2
    assert "10 numbers or more; must be at most 9" in done.stderr
    assert inside(*asked, "--allow-large").returncode == 0


def test_a_table_of_many_workers_has_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 250 order statistics 100 are compared: a report that counts from the first is lost."""
    monkeypatch.setattr(command, "MOST_KS", 100)
    path = wide(tmp_path / "t.csv", np.random.default_rng(0).exponential(1.0, (2, 250)) + 0.1)
    done = inside("fit", path, "--k-range", "1:250", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    orders = pd.read_parquet(tmp_path / "out" / "order_statistics.parquet")
    assert orders["k"].nunique() == 100
    report = (tmp_path / "out" / "report.md").read_text()
    (header,) = [line for line in report.splitlines() if "order error |" in line]
    shown = [int(cell.strip()[2:]) for cell in header.split("|") if cell.strip()[:2] == "k="]
    assert len(shown) == 6
    assert (shown[0], shown[-1]) == (250, 1)  # a narrow terminal drops the last


def test_order_statistics_of_many_workers_are_thinned() -> None:
    """Catches memory that grows as workers^1.5: 4 GB at 30,000."""
    ks = command.k_range(None, 30_000)
    assert len(ks) == 1000
    assert (ks[0], ks[-1]) == (15_000, 30_000)
    assert command.k_range("1:1000", 30_000) == range(1, 1001)
    assert len(command.k_range("1:1001", 30_000)) == 1000
    assert [*command.k_range(None, 1), *command.k_range(None, 5), *command.k_range("5:5", 5)] == [
        1,
        2,
        3,
        4,
        5,
        5,
    ]
    assert [*command.k_range(None, 2), *command.k_range(None, 3)] == [1, 2, 1, 2, 3], (
        "from half of them on"
    )
    law = Exponential(rate=1.0)
    tracemalloc.start()
    predicted = goodness.expected_order_statistics(law, 30_000, ks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400e6
    harmonic = np.cumsum(1 / np.arange(30_000, 0, -1.0))
    np.testing.assert_allclose(predicted, harmonic[np.array(ks) - 1], rtol=1e-6)


def test_a_file_that_is_not_there() -> None:
    done = inside("fit", "no/such.csv")
    assert done.returncode == 2
    assert done.stderr.strip() == "error: no/such.csv: no such file"


class Bomb:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_no_pickle_is_ever_loaded(tmp_path: Path) -> None:
    mark = tmp_path / "loaded"
    np.savez(tmp_path / "object.npz", np.array([[Bomb(mark)]], dtype=object), allow_pickle=True)
    for name in ("renamed.npz", "renamed.parquet", "renamed.csv"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb(mark)))
    for path in sorted(tmp_path.iterdir()):
        assert inside("fit", path).returncode == 2, path
    assert not mark.exists()
