"""What a table shows beyond the law of one cell: memory, workers, rounds, load, cold starts, units.
Every answer is held to a model that is known to have it, and to one that only looks like it. Speaks
to the laws, each of which is asked alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from erasurehead.delays import MODELS, DelayModel
from erasurehead.experiments.advice.fit import candidates
from erasurehead.experiments.advice.fit.laws import (
    cold,
    families,
    law,
    load,
    lognormals,
    variance,
    workers,
)
from tests.tools import assert_told

ROUNDS, WORKERS = 100, 256
FAST = MODELS["lognormal"](median=0.64, sigma=0.05)
CLEAR = MODELS["lognormal"](median=1.2, sigma=0.25)
OVERLAPPING = MODELS["lognormal"](median=0.8, sigma=0.3)
SHARE = 0.2


def chain(persistence: float, slow: DelayModel = CLEAR) -> DelayModel:
    fast_to_slow = (1 - persistence) * SHARE
    return MODELS["markov"](
        slow_to_slow=persistence + fast_to_slow, fast_to_slow=fast_to_slow, fast=FAST, slow=slow
    )


def table(model: DelayModel, seed: int) -> np.ndarray:
    return model.sample(np.random.default_rng(seed), ROUNDS, WORKERS)


def memory(*tables: np.ndarray) -> variance.Memory:
    mixture = lognormals.fit_two_lognormals(np.concatenate([t.ravel() for t in tables]))
    found = variance.measure_memory(tables, mixture)
    assert found is not None
    return found


@pytest.mark.parametrize("slow", [CLEAR, OVERLAPPING], ids=["clear", "overlapping"])
@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_finds_persistence(persistence: float, slow: DelayModel) -> None:
    """Within 0.05. Catches classification taken at face value, and workers centred by their own."""
    found = memory(table(chain(persistence, slow), 0))
    assert found.persistence == pytest.approx(persistence, abs=0.05)
    assert found.significant == (persistence > 0)
    assert (found.chance == 1 / 200) == (persistence > 0), "no shuffle of 199 shows as much"
    assert found.slow_share == pytest.approx(SHARE, abs=0.05)
    assert found.slow_to_slow - found.fast_to_slow == pytest.approx(found.persistence)


@pytest.mark.slow
@pytest.mark.parametrize("slow", [CLEAR, OVERLAPPING], ids=["clear", "overlapping"])
@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_finds_persistence_in_many_tables(persistence: float, slow: DelayModel) -> None:
    found = [memory(table(chain(persistence, slow), 1000 + s)).persistence for s in range(60)]
    assert np.mean(np.abs(np.array(found) - persistence) <= 0.05) >= 0.95
    assert np.mean(found) == pytest.approx(persistence, abs=0.02)


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_lasting_differences_are_not_persistence(persistence: float) -> None:
    """Workers of different speed, with and without memory: only what decays is memory."""
    spread = 0.1 if persistence else 0.2
    slower = MODELS["heterogeneous"](base=chain(persistence), spread=spread)
    found = memory(table(slower, 0))
    assert found.persistence == pytest.approx(persistence, abs=0.05)
    assert found.significant == (persistence > 0)
    if persistence == 0:
        assert found.static > 0.05
        assert found.correlation[0] > 0.05  # a lag-1 correlation alone would be misled


def test_workers_that_are_always_slow_are_lasting_differences() -> None:
    """A state that never changes cannot be told from a slow worker, and is called that."""
    fixed = MODELS["markov"](
        slow_to_slow=1.0, fast_to_slow=0.0, fast=FAST, slow=CLEAR, slow_share=SHARE
    )
    found = memory(table(fixed, 0))
    assert not found.significant
    assert found.static > 0.8


def test_slow_rounds_are_not_persistence() -> None:
    factor = MODELS["lognormal"](median=1.0, sigma=0.2)
    found = memory(table(MODELS["round_effects"](base=chain(0.0), factor=factor), 0))
    assert not found.significant
    assert found.persistence < 0.05


@pytest.mark.slow
def test_the_permutation_test_keeps_its_level() -> None:
    """Without memory a chance below 0.05 comes up in 5 % of tables: at most 9 of 60 (p = 1e-3)."""
    slower = MODELS["heterogeneous"](base=chain(0.0), spread=0.05)
    tables = [slower.sample(np.random.default_rng(s), 30, 40) for s in range(60)]
    assert sum(memory(t).chance <= 0.05 for t in tables) <= 9


def test_lags_do_not_cross_tables() -> None:
    """Two tables in a row are as two tables; glued together they would have one more pair."""
    first, second = table(chain(0.9), 0), table(chain(0.9), 1)
    assert memory(first, second).persistence == pytest.approx(0.9, abs=0.03)
    alternating = [first[i : i + 10] for i in range(0, 100, 10)]
    assert memory(*alternating).persistence == pytest.approx(0.9, abs=0.1)


def test_too_few_rounds_have_no_memory() -> None:
    mixture = lognormals.fit_two_lognormals(table(chain(0.5), 0).ravel())
    assert variance.measure_memory([table(chain(0.5), 0)[:7]], mixture) is None
    assert variance.measure_memory([table(chain(0.5), 0)[:8]], mixture) is not None


def test_orders_as_likely_as_the_measured_one_count_as_chance() -> None:
    """Rounds in which all workers are alike are the same in every order of these, and workers to
    whom all rounds are alike in every order of those."""
    rounds = np.repeat(np.arange(6.0)[:, None], 4, axis=1)
    of_rounds, of_workers = variance.split_variance([rounds]), variance.split_variance([rounds.T])
    assert of_rounds is not None
    assert of_workers is not None
    assert (of_rounds.worker_chance, of_workers.round_chance) == (1.0, 1.0)
    assert of_rounds.round_chance == of_workers.worker_chance < 0.02


@pytest.mark.parametrize("rho", [0.0, 0.006, 0.5021])
@pytest.mark.parametrize("lasting", [0.0, 0.3])
def test_a_correlation_that_decays_is_found_between_the_points_of_the_grid(
    rho: float, lasting: float
) -> None:
    """Within a tenth of their distance."""
    lags = np.arange(1, 31)
    found, static = variance.decay_of(0.8 * rho**lags + lasting, np.full(30, 50.0), 0.8)
    assert found == pytest.approx(rho, abs=5e-4)
    assert static == pytest.approx(lasting, abs=0.06)


def test_variance_components_are_recovered() -> None:
    """Gaussian effects with known variances, in two tables of different means."""
    rng = np.random.default_rng(0)
    tables = [
        level
        + 0.3 * rng.standard_normal(WORKERS)
        + 0.2 * rng.standard_normal((ROUNDS, 1))
        + 0.5 * rng.standard_normal((ROUNDS, WORKERS))
        for level in (10.0, 20.0)
    ]
    found = variance.split_variance(tables)
    assert found is not None
    # Standard errors of a variance: sqrt(2 / degrees of freedom), 510 workers and 198 rounds.
    assert found.worker == pytest.approx(0.09, rel=4.9 * np.sqrt(2 / 510) * 1.05)
    assert found.round == pytest.approx(0.04, rel=4.9 * np.sqrt(2 / 198) * 1.05)
    assert found.rest == pytest.approx(0.25, rel=4.9 * np.sqrt(2 / 50_000))
    assert found.worker_chance == found.round_chance == 1 / 200
    assert found.share("worker") + found.share("round") + found.share("rest") == pytest.approx(1)
    assert replace(found, worker=0.0, round=0.0, rest=0.0).share("rest") == 0.0


def test_independent_cells_have_no_worker_or_round_part() -> None:
    chances = []
    for seed in range(8):
        found = variance.split_variance([table(MODELS["pareto"](alpha=1.5, scale=1.0), seed)])
        assert found is not None
        chances += [found.worker_chance, found.round_chance]
    assert np.mean(np.array(chances) <= 0.05) <= 0.2


def test_load_zero_is_additive() -> None:
    """Seconds that are spent on nothing cannot grow in proportion."""
    rng = np.random.default_rng(0)
    tables = {d: 0.6 + 2.0 * d + rng.exponential(0.1, (30, 20)) for d in (0.0, 0.5, 1.0)}
    found = load.measure_load(tables)
    assert found is not None
    assert found.law == {
        "kind": "additive",
        "seconds_per_partition": pytest.approx(2.0, abs=0.05),
    }
    assert load.measure_load({1.0: tables[1.0]}) is None


COLD = MODELS["cold_starts"](
    base=MODELS["mixture"](weights=(0.85, 0.15), components=(FAST, OVERLAPPING)),
    probability=0.1,
    share=0.02,
    delay=MODELS["lognormal"](median=28.0, sigma=0.2),
)


def test_cold_starts_are_told_apart() -> None:
    """Which cells, how often, how many at once, how long."""
    for seed in range(5):
        cells = table(COLD, seed)
        found = cold.find_cold_starts([cells])
        assert found is not None
        truth = cells > 10
        np.testing.assert_array_equal(found.cells[0], truth)
        section = found.section({"model": "exponential", "rate": 1.0})
        hits = 0.1 * ROUNDS
        assert section["probability"] * ROUNDS == pytest.approx(hits, abs=4.9 * np.sqrt(hits))
        assert section["share"] == pytest.approx(0.02, rel=0.5)
        assert section["delay"]["median"] == pytest.approx(28.0, rel=0.3)
        assert section["base"]["model"] == "exponential"


@pytest.mark.parametrize(
    ("sizes", "clump", "mean"),
    [
        ((9,), "fixed", 9.0),
        ((4, 4, 5, 4), "fixed", 4.25),
        ((2, 2, 2, 2), "fixed", 2.0),
        ((5, 3, 3, 3), "binomial", 3.4),
        ((2, 9, 4, 12, 6), "binomial", 6.6),
        ((1, 1), "binomial", 0.2),
    ],
    ids=str,
)
def test_sizes_that_hardly_vary_are_fixed(sizes: tuple[int, ...], clump: str, mean: float) -> None:
    """Whichever law makes the observed sizes more likely; the mean start-ups come out right."""
    rng = np.random.default_rng(0)
    cells = rng.lognormal(0, 0.1, (30, 100))
    for row, size in enumerate(sizes):
        cells[5 * row, rng.choice(100, size, replace=False)] += 40.0
    found = cold.find_cold_starts([cells])
    assert found is not None
    section = found.section({"model": "deterministic", "value": 1.0})
    assert section.get("clump", "binomial") == clump
    assert section["share"] * 100 == pytest.approx(mean, rel=0.03)
    if clump == "binomial":
        seen = section["probability"] * (1 - (1 - section["share"]) ** 100)
        assert seen == pytest.approx(len(sizes) / 30, rel=1e-3)
    if mean > 1:
        assert section["probability"] * section["share"] == pytest.approx(
            sum(sizes) / cells.size, rel=0.03
        )


def test_the_numbers_of_a_fit_are_those_that_the_docs_promise() -> None:
    words = {4: "four", 1000: "a thousand", 0.2: "a fifth", 0.1: "a tenth"}
    assert variance.FEWEST_ROUNDS == workers.FEWEST_ROUNDS
    assert_told(
        "traces.md",
        f"a generalized Pareto tail of shape {families.HEAVIEST_SHAPE} at most",
        f"of up to {candidates.MOST_DRAWN_DELAYS:,} delays, where the law departs",
        f"explains {words[candidates.LARGE_SHARE]} of the variance or more",
        f"{candidates.MISPLACED_SHARE:g} (and "
        f"{words[int(candidates.MISPLACED_ERRORS)]} standard errors)",
        "With fewer than six rounds nothing can be held out",
        f"Above {law.LARGE:,} delays the search",
        f"looks at {law.GROUPS + 2 * law.SINGLE:,} groups of neighbouring delays",
        f"{words[law.SINGLE]} at either end stay single",
        f"between steps of 1/{families.PIECES},",
        f"up to {words[cold.LARGEST_SHARE]} of all delays may be",
        f"Fewer than {words[cold.FEWEST_IN_CLUMPS]} far delays in a table",
        f"are given for the {workers.JUDGED_WORKERS} costliest workers",
        f"fewer than {workers.FEWEST_ROUNDS} rounds or 3 workers",
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_of_a_large_table_are_those_of_groups(axis: int) -> None:
    """Every so many rounds, or workers, are added; scaled as if each group were one of them."""
    table = np.random.default_rng(0).random((11, 3) if axis == 0 else (3, 11))
    off = table - table.mean()
    rows = off if axis == 0 else off.T
    groups = [sum(rows[i] for i in range(first, 11, 4)) for first in range(4)]
    expected = np.array(groups) * np.sqrt(4 / 11)
    found = variance.grouped(table, axis, 12, 2)
    np.testing.assert_allclose(found if axis == 0 else found.T, expected)
    assert variance.grouped(table, axis, 12, 5).shape[axis] == 5
    np.testing.assert_allclose(variance.grouped(table, axis, 12, 99), off)
    assert variance.grouped(table, axis, 33) is table
