"""Rounds that ended before everybody was heard. Speaks to the laws of delays that are at least so
long, which are found again in hundreds of samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, DelayModel
from erasurehead.experiments.advice.fit.laws import censored, families
from erasurehead.experiments.advice.statistics.cut import arrivals_of, hosts_heard
from tests.delay_models.cut_runs import CutRun, covering, first, queued, until
from tests.statistics import assert_z
from tests.tools import assert_readable, inside, pace

WORKERS = 30
SHIFT, RATE = 0.02, 2.0  # the law of most tables here
MEAN_OF_ALL = SHIFT + sum(1 / k for k in range(1, WORKERS + 1)) / RATE  # of 30 workers: 2.017 s

LAWS: dict[str, DelayModel] = {
    "shifted_exponential": MODELS["shifted_exponential"](shift=SHIFT, rate=RATE),
    "weibull": MODELS["weibull"](shape=1.6, scale=0.6),
    "lognormal": MODELS["lognormal"](median=0.4, sigma=0.6),
    "pareto": MODELS["pareto"](alpha=2.5, scale=0.01),
    "gamma": MODELS["gamma"](shape=2.5, scale=0.3, shift=0.1),
    "mixture": MODELS["mixture"](
        weights=(0.75, 0.25),
        components=(
            MODELS["lognormal"](median=0.2, sigma=0.2),
            MODELS["lognormal"](median=0.6, sigma=0.3),
        ),
    ),
}
STOPS: dict[str, Callable[[np.ndarray], CutRun]] = {
    "first 20": lambda delays: first(delays, 20),
    "deadline": lambda delays: until(delays, float(np.quantile(delays, 0.6))),
    "groups": covering,
    "groups or 15": lambda delays: covering(delays, at_most=15),
}


def drawn(seed: int, rounds: int = 100, law: str = "shifted_exponential") -> np.ndarray:
    """Independent delays, ``(rounds, 30)`` seconds."""
    return LAWS[law].sample(np.random.default_rng(seed), rounds, WORKERS)


def fitted(cut: CutRun, end: str | float = "last", **how: Any) -> eh.Fitted:
    """What ``fit`` finds."""
    late: Any = "queued" if cut.is_queued else "dropped"
    reading = {"not_heard": -1.0, "round_end": end, "late_work": late, "unit": "s"}
    return eh.fit(cut.marked, progress=False, **reading, **how)  # type: ignore[arg-type]


def found(cut: CutRun, end: str | float = "last", **how: Any) -> Any:
    """Every answer in full."""
    return fitted(cut, end, **how).findings


def words_of(fit: eh.Fitted) -> str:
    return " ".join(fit.report.split())


def cells(cut: CutRun) -> censored.Cells:
    heard = np.isfinite(cut.seconds)
    return censored.Cells.of(
        cut.seconds[heard], np.broadcast_to(cut.ends[:, None], heard.shape)[~heard]
    )


def missing_of_slow_rounds() -> np.ndarray:
    """Every fifth round takes three times as long, and misses its last worker."""
    table = drawn(seed=1)
    table[::5] *= 3
    last = table[::5].argmax(axis=1)
    table[np.arange(0, len(table), 5), last] = np.nan
    return table


def test_rounds_that_are_left_out_may_be_the_slow_ones() -> None:
    """Said once by each command, with how much longer the other delays of these rounds are."""
    table = missing_of_slow_rounds()
    left_out = np.isnan(table).any(axis=1)
    times = np.nanmedian(table[left_out]) / np.median(table[~left_out])
    assert times > 2
    said = f"their other delays are typically {times:.3g} times those of whole rounds"
    assert said in " ".join(eh.read_table(table, missing="drop-rounds").notes)
    for warnings in (
        eh.fit(table, missing="drop-rounds", progress=False).warnings,
        eh.whatif(table, missing="drop-rounds").warnings,
        eh.fit(table, missing="never", progress=False).warnings,
    ):
        [line] = [line for line in warnings if "slow ones" in line]
        assert said in line
    assert said in " ".join(eh.whatif(table, missing="never").report.split())


@pytest.mark.parametrize("family", censored.FITS)
def test_with_everybody_heard_the_law_is_the_usual_one(family: str) -> None:
    sample = drawn(seed=3).ravel()
    levels = np.array([0.1, 0.5, 0.9, 0.99])
    usual = families.FAMILIES[family].fit(sample)
    law = censored.fitted(family, censored.Cells.of(sample, np.empty(0)))
    np.testing.assert_allclose(law.ppf(levels), usual.ppf(levels), rtol=1e-4)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("stop", STOPS)
@pytest.mark.parametrize("family", LAWS)
def test_a_law_is_found_again_whatever_ends_the_rounds(family: str, stop: str) -> None:
    """Its median, and what one delay in ten exceeds, which no round may have heard; but of two
    parts the second is unknown where most rounds end before it begins."""
    levels = np.array([0.5, 0.9])
    truth = np.log(LAWS[family].ppf(levels))
    logs = []
    for seed in range(12):
        of = cells(STOPS[stop](drawn(seed, law=family)))
        law = censored.fitted(family, of)
        assert of.log_likelihood(law) > of.log_likelihood(LAWS[family]) - 2
        logs.append(np.log(law.ppf(levels)))
    ends_early = stop in ("deadline", "groups or 15")
    judged = 1 if family == "mixture" and ends_early else 2
    for level in range(judged):
        assert_z(np.array(logs)[:, level], truth[level])


def test_a_backlog_that_is_left_in_spoils_the_rate() -> None:
    """Catches cells after a round in which a worker was not heard that are taken for a task."""
    cut = queued(drawn(seed=5, rounds=400), 25)
    rates = []
    for queue in (True, False):
        findings = found(replace(cut, is_queued=queue))
        [law] = [fit.law for fit in findings.fits if fit.family.name == "shifted_exponential"]
        rates.append(law.rate)
    assert rates[0] == pytest.approx(RATE, rel=0.04)
    assert rates[1] < 0.9 * RATE


def test_slow_hosts_are_those_that_are_heard_too_seldom() -> None:
    """Two of thirty that are three times slower, in each of ten tables; and no other."""
    factors = np.ones(WORKERS)
    factors[[4, 17]] = 3.0
    none = 0
    for seed in range(10):
        of = [first(drawn(seed) * of_hosts, 15) for of_hosts in (factors, np.ones(WORKERS))]
        two, nobody = (hosts_heard(cut.seconds, cut.measured.listening[None]) for cut in of)
        assert {*two.seldom} == {4, 17}
        none += not nobody.seldom
    assert none >= 9
    slower = []
    for seed in range(4):
        fit = fitted(first(drawn(seed) * factors, 15))
        slower.append([fit.findings.factors[j] for j in (4, 17)])
    assert_z(np.log(slower).mean(axis=1), np.log(3.0))
    assert fit.delay["model"] == "heterogeneous"
    assert np.flatnonzero(np.array(fit.delay["factors"]) > 1).tolist() == [4, 17]
    assert "Host 4 is heard too seldom: in " in words_of(fit)


def test_a_slow_state_that_begins_later_cannot_show() -> None:
    """15 % of the delays are four times as long, and nobody waits for them: the law is of the
    others, and no arrival beyond has an interval."""
    rng = np.random.default_rng(8)
    delays = rng.lognormal(0.0, 0.1, (100, WORKERS))
    delays[rng.random(delays.shape) < 0.15] *= 4
    fit = fitted(first(delays, 15))
    orders = fit.order_statistics
    own = orders[orders["family"] == "config"].set_index("k")
    assert own.loc[30, "predicted"] < 0.5 * np.sort(delays, axis=1)[:, -1].mean()
    later = own["known"] != "measured"
    assert own.index[later].tolist() == [*range(16, 31)]
    assert own.loc[later, ["low", "high", "observed", "ratio"]].isna().all(axis=None)
    assert own.loc[~later, ["low", "high", "observed"]].notna().all(axis=None)
    assert "and has no interval: " in words_of(fit)
    assert "where a slow state would be unseen" in words_of(fit)


def test_at_least_is_a_bound() -> None:
    delays = drawn(seed=9)
    cut = covering(delays, at_most=15)
    listening = cut.measured.listening[None]
    arrivals = arrivals_of(cut.seconds, listening, range(1, WORKERS + 1))
    truth = np.sort(delays, axis=1).mean(axis=0)
    measured = np.array(arrivals.known) == "measured"
    np.testing.assert_allclose(arrivals.seconds[measured], truth[measured])
    assert np.all(arrivals.at_least <= truth * (1 + 1e-12))
    assert (
        arrivals.rounds_heard.tolist()
        == (
            (np.isfinite(cut.seconds).sum(axis=1)[:, None] >= np.arange(1, WORKERS + 1)).sum(axis=0)
        ).tolist()
    )
    assert {*arrivals.known} == {"measured", "at least", "extrapolated"}


def test_rounds_that_are_slow_as_a_whole_are_said() -> None:
    together = np.random.default_rng(10).lognormal(0.0, 0.5, (100, 1))
    uneven = found(first(drawn(seed=10) * together, 15))
    assert uneven.ends_vary
    assert any("rounds are slow or fast as a whole" in line for line in uneven.warnings)
    even = [found(first(drawn(seed), 15)) for seed in range(3)]
    assert not any(findings.ends_vary for findings in even)
    assert np.mean([findings.ratio for findings in even]) == pytest.approx(1.0, abs=0.25)


def test_a_shape_that_no_family_has_is_said() -> None:
    """Of a clock that ticks coarsely; then nothing is said of rounds, which no law is there for."""
    [line] = found(first(np.ceil(2 * drawn(seed=16)) / 2, 15)).warnings
    assert line.startswith("no family has the shape of what was heard: ")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """The same files as of any fit; its folder has a page; the config runs."""
    factors = np.ones(WORKERS)
    factors[4] = 3.0
    fit = fitted(covering(drawn(seed=11) * factors, at_most=15))
    files = fit.save(tmp_path)
    assert {*files} == {path for path in tmp_path.iterdir() if path.name != ".erasurehead"}
    assert inside("report", tmp_path).returncode == 0
    for chart in fit._page.charts.values():
        assert_readable(chart.picture)
    own = fit.order_statistics.query("family == 'config'").sort_values("k")
    known = own["known"].tolist()
    assert known == sorted(known, key=["measured", "at least", "extrapolated"].index)
    assert len({*known}) == 3
    result = eh.run(fit.config, set={"replications": 32}, progress=False)
    waits = result.summary.set_index("scheme")["iteration_time_mean"]
    assert waits["uncoded"] == pytest.approx(own["predicted"].iloc[-1], rel=0.05)


def test_the_config_of_more_workers_takes_them_in_turn() -> None:
    factors = np.ones(WORKERS)
    factors[4] = 3.0
    fit = fitted(first(drawn(seed=12) * factors, 15), workers=60)
    assert fit.config["workers"] == 60
    assert np.flatnonzero(np.array(fit.delay["factors"]) > 1).tolist() == [4, 34]


def test_one_load_is_asked_for() -> None:
    seconds = first(drawn(seed=13), 15).marked
    places = [each.ravel() for each in np.indices(seconds.shape)]
    calls = pd.DataFrame({"round": places[0], "worker": places[1], "seconds": seconds.ravel()})
    table = pd.concat([calls.assign(load=1.0), calls.assign(load=2.0)])
    how: Any = {"not_heard": -1.0, "round_end": "last", "late_work": "dropped", "unit": "s"}
    with pytest.raises(eh.ConfigError, match=r"^load = 'all': must be one of 1, 2, since rounds"):
        eh.fit(table, progress=False, **how)
    assert eh.fit(table, load=1.0, progress=False, **how).delay["model"] == "shifted_exponential"


def test_a_hundred_thousand_cells_take_seconds() -> None:
    cut = first(drawn(seed=14, rounds=3334), 15)
    began = process_time()
    found(cut)
    assert process_time() - began < 20 * pace()


@pytest.mark.slow
@pytest.mark.parametrize("law", ["shifted_exponential", "lognormal", "gamma"])
def test_the_intervals_of_what_was_measured_hold_the_truth(law: str) -> None:
    """In 90 to 98 % of the tables, for each k, whatever ended their rounds; so many tables that
    chance leaves that alone."""
    truth = np.sort(drawn(99, rounds=200_000, law=law), axis=1).mean(axis=0)
    for cut, least in ((lambda d: first(d, 15), 15), (lambda d: covering(d, at_most=15), 10)):
        holds = []
        for seed in range(600):
            measured = cut(drawn(seed, law=law)).measured
            of = arrivals_of(measured.tables[None], measured.listening[None], range(1, least + 1))
            holds.append((of.low <= truth[:least]) & (truth[:least] <= of.high))
        shares = np.mean(holds, axis=0)
        assert np.all((shares >= 0.9) & (shares <= 0.98)), shares


def test_a_table_without_missing_cells_is_fitted_as_ever() -> None:
    """No column of cut rounds comes into the tables of others."""
    usual = eh.fit(pd.DataFrame(drawn(seed=15)), progress=False)
    assert "known" not in usual.order_statistics.columns
    assert "not_heard" not in usual.table.columns
