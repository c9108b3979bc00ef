"""Cold starts, and clusters that were measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from erasurehead import ConfigError
from erasurehead.delays import (
    MODELS,
    ColdStarts,
    Deterministic,
    LambdaCnn,
    LlmRanks,
    LogNormal,
    Tape,
)

# Cold starts: how often a round is hit, who is in the clump, and that it waits together.


WORKERS = 200
START_UP = LogNormal(median=20.0, sigma=0.2)
MODEL = ColdStarts(base=Deterministic(value=1.0), probability=0.1, share=0.05, delay=START_UP)
ROWS = Tape(MODEL, WORKERS, seed=8, replication=0).rows(0, 6000)
COLD = ROWS > 1
HIT = COLD.any(axis=1)


def test_rounds_are_hit_with_the_probability() -> None:
    """Catches hits per worker instead of per round: then nearly every round would have one."""
    empty = 0.95**WORKERS  # a clump of nobody
    assert stats.binomtest(int(HIT.sum()), 6000, 0.1 * (1 - empty)).pvalue > 1e-6
    assert abs(np.corrcoef(HIT[1:], HIT[:-1])[0, 1]) < 4.9 / 6000**0.5


def test_the_clump_is_binomial() -> None:
    """Catches a clump of fixed size, of everyone, or of the first workers only."""
    sizes = COLD[HIT].sum(axis=1)
    assert abs(sizes.mean() - 10) < 4.9 * np.sqrt(9.5 / len(sizes))
    assert abs(sizes.var() - 9.5) < 4.9 * 9.5 * np.sqrt(2.1 / len(sizes))
    per_worker = COLD[HIT].sum(axis=0)
    assert stats.chisquare(per_worker).pvalue > 1e-6


FIXED = ColdStarts(
    base=Deterministic(value=1.0), probability=0.1, share=0.0525, delay=START_UP, clump="fixed"
)  # 10.5 workers of 200


def test_a_fixed_clump_has_one_of_two_sizes() -> None:
    """And is anyone: catches a rounded mean, a size per run, neighbours, and the first workers."""
    cold = Tape(FIXED, WORKERS, seed=8, replication=0).rows(0, 6000) > 1
    hit = cold.any(axis=1)
    assert stats.binomtest(int(hit.sum()), 6000, 0.1).pvalue > 1e-6
    sizes = cold[hit].sum(axis=1)
    assert set(sizes) == {10, 11}
    assert stats.binomtest(int((sizes == 11).sum()), len(sizes), 0.5).pvalue > 1e-6
    assert stats.chisquare(cold[hit].sum(axis=0)).pvalue > 1e-6
    neighbours = np.sum(cold[hit][:, 1:] & cold[hit][:, :-1])
    assert neighbours < 2 * len(sizes)  # about half a pair in a round


@pytest.mark.parametrize(("share", "size"), [(0.0, 0), (0.05, 10), (1.0, WORKERS)])
def test_a_whole_fixed_size_never_varies(share: float, size: int) -> None:
    model = ColdStarts(
        base=Deterministic(value=1.0), probability=1.0, share=share, delay=START_UP, clump="fixed"
    )
    cold = Tape(model, WORKERS, seed=8, replication=0).rows(0, 50) > 1
    np.testing.assert_array_equal(cold.sum(axis=1), size)


def test_a_clump_waits_for_one_start_up_on_top_of_its_work() -> None:
    """Catches a start-up for each worker, and one that replaces the work."""
    highest = ROWS[HIT].max(axis=1)
    np.testing.assert_array_equal(np.where(COLD[HIT], highest[:, None], 1.0), ROWS[HIT])
    assert stats.kstest(highest - 1, START_UP.cdf).pvalue > 1e-6


def test_all_tasks_of_a_round_meet_the_same_cold_start() -> None:
    """Catches hits drawn by a stream for itself; other replications are hit at other times."""
    tape = Tape(MODEL, WORKERS, seed=8, replication=0)
    np.testing.assert_array_equal(tape.rows(0, 500, stream=2), ROWS[:500])
    other = Tape(MODEL, WORKERS, seed=8, replication=1).rows(0, 6000) > 1
    assert np.sum(other.any(axis=1) & HIT) < 120  # 60 expected


def test_the_base_goes_on_as_without_cold_starts() -> None:
    """Catches start-ups that disturb the base's state or draws."""
    base = MODELS["markov"].examples()[0]
    never = ColdStarts(base=base, probability=0.0, share=0.5, delay=START_UP)
    model = ColdStarts(base=base, probability=0.3, share=0.5, delay=Deterministic(value=1e6))
    tables = [Tape(m, 7, seed=8, replication=0).rows(0, 300) for m in (never, model)]
    warm = tables[1] < 1e5
    assert 0.8 < warm.mean() < 0.9
    for m, table in ((never, tables[0]), (model, tables[1])):
        assert m.mean() == pytest.approx(base.mean() + (0.15 * 1e6 if m is model else 0))
        assert np.all(table[warm] < 1e5)


def test_the_start_up_must_be_independent() -> None:
    with pytest.raises(ConfigError, match="independent"):
        ColdStarts(base=START_UP, probability=0.1, share=0.1, delay=MODELS["markov"].examples()[0])


def cold_cells(model: ColdStarts, rounds: int, workers: int) -> np.ndarray:
    """Who is cold in each hit round, ``(hit, workers)``; the work itself takes 1 s."""
    cells = model.sample(np.random.default_rng(7), rounds, workers) > 1.5
    return np.asarray(cells[cells.any(axis=1)])


WORK, WAIT = Deterministic(value=1.0), Deterministic(value=10.0)


def test_clumps_have_the_given_sizes() -> None:
    """Each as often as the others; a clump is never larger than the cluster."""
    model = ColdStarts(base=WORK, probability=0.5, delay=WAIT, sizes=(1, 2, 50))
    sizes = cold_cells(model, 6000, 20).sum(axis=1)
    values, counts = np.unique(sizes, return_counts=True)
    assert values.tolist() == [1, 2, 20]
    expected = len(sizes) / 3
    assert np.all(np.abs(counts - expected) < 4.9 * np.sqrt(expected * 2 / 3))
    assert len(sizes) == pytest.approx(3000, abs=4.9 * np.sqrt(1500))


def test_start_ups_differ_within_a_clump() -> None:
    """By a factor for each worker, around the same start-up and of the same clumps."""
    alike = ColdStarts(base=WORK, probability=0.5, delay=WAIT, sizes=(4,))
    apart = replace(alike, within=0.2)
    once, each = (m.sample(np.random.default_rng(3), 4000, 20) - 1 for m in (alike, apart))
    np.testing.assert_array_equal(once > 0, each > 0)
    logs = np.log(each[once > 0] / 10).reshape(-1, 4)
    assert abs(logs.mean()) < 4.9 * 0.2 / np.sqrt(logs.size)
    assert logs.std() == pytest.approx(0.2, abs=4.9 * 0.2 / np.sqrt(2 * logs.size))
    between = logs.mean(axis=1).std()
    assert between == pytest.approx(0.1, abs=4.9 * 0.1 / np.sqrt(2 * len(logs)))
    shared = replace(apart, sizes=None, share=0.2)
    assert shared.mean() == pytest.approx(1 + 0.5 * 0.2 * 10 * np.exp(0.02))


@pytest.mark.parametrize("neighbours", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("size", ["sizes", "fixed", "binomial"])
def test_clumps_may_be_neighbours(neighbours: float, size: str) -> None:
    """Who follows a member is in the clump with that chance, or by chance; workers are alike."""
    fields = {"sizes": (8,)} if size == "sizes" else {"share": 0.1, "clump": size}
    model = ColdStarts(base=WORK, probability=1.0, delay=WAIT, neighbours=neighbours, **fields)  # type: ignore[arg-type]
    cells = cold_cells(model, 4000, 80)
    sizes = cells.sum(axis=1)
    assert sizes.mean() == pytest.approx(8, abs=0.2)
    share = cells.mean(axis=0)
    assert np.all(np.abs(share - 0.1) < 4.9 * np.sqrt(0.1 * 0.9 / len(cells)) * 1.3)
    follows = (cells & np.roll(cells, 1, axis=1)).sum(axis=1)
    if neighbours == 1.0:
        assert np.all(follows == sizes - 1)
    else:
        scattered = sizes * (sizes - 1) / 80
        expected = neighbours * (sizes - 1) + (1 - neighbours) * scattered
        assert follows.mean() == pytest.approx(expected.mean(), rel=0.1)


WRONG: tuple[dict[str, object], ...] = (
    {},
    {"share": 0.1, "sizes": (2,)},
    {"sizes": (2,), "clump": "fixed"},
    {"sizes": ()},
    {"sizes": (2, 0)},
)


@pytest.mark.parametrize("fields", WRONG, ids=str)
def test_a_clump_has_one_size(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        ColdStarts(base=WORK, probability=0.1, delay=WAIT, **fields)  # type: ignore[arg-type]


# Presets have the facts that were measured on the clusters they are named after.


PRESETS_WORKERS = 256


def lambda_rows(load: float, rounds: int = 4000) -> np.ndarray:
    return Tape(LambdaCnn(load=load), PRESETS_WORKERS, seed=9, replication=0).rows(0, rounds)


@pytest.mark.parametrize("load", [0.0, 0.5, 1.0])
def test_a_call_takes_longer_with_its_load_but_is_not_more_spread(load: float) -> None:
    """0.64 + 1.127 load within 5 %; half of the calls within 0.08 s. Catches swapped loads."""
    low, median, high = np.quantile(lambda_rows(load, 200), [0.25, 0.5, 0.75])
    assert median == pytest.approx(0.64 + 1.127 * load, rel=0.05)
    assert high - low < 0.12


@pytest.mark.parametrize("load", [0.0, 0.5, 1.0])
def test_nine_percent_of_rounds_have_about_five_cold_starts(load: float) -> None:
    cold = lambda_rows(load) > 10
    hit = cold.any(axis=1)
    assert stats.binomtest(int(hit.sum()), len(hit), 0.09).pvalue > 1e-6
    assert cold[hit].sum(axis=1).mean() == pytest.approx(5, abs=4.9 * np.sqrt(5 / hit.sum()))


def test_cold_starts_take_26_to_40_seconds() -> None:
    """Catches a start-up in place of the call, or one that knows no second length."""
    rows = lambda_rows(1.0)
    cold = rows[rows > 10]
    assert np.quantile(cold, 0.001) > 26
    assert np.quantile(cold, 0.999) < 40
    assert np.mean(cold > 32) == pytest.approx(0.35, abs=0.15)


@pytest.mark.parametrize(("stage", "ratio"), [(0, 1.41), (1, 1.28)])
def test_the_slowest_of_32_ranks(stage: int, ratio: float) -> None:
    """Largest over median of a step, as measured, within 3 %. Catches a lost shift or scale."""
    rows = Tape(LlmRanks(stage=stage), 32, seed=9, replication=0).rows(0, 4000)  # type: ignore[arg-type]
    assert np.mean(rows.max(axis=1) / np.median(rows, axis=1)) == pytest.approx(ratio, rel=0.03)


def test_the_last_stage_has_two_seconds_more() -> None:
    assert LlmRanks(stage=1).mean() - LlmRanks(stage=0).mean() == pytest.approx(2.03, abs=0.02)


def test_a_load_that_was_not_measured_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be one of the loads that were measured"):
        LambdaCnn(load=0.25)
