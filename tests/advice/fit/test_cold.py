"""Cold starts in short tables: found where they are, and nowhere else. Speaks to how they are
found, as hundreds of tables are looked at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from erasurehead.delays import MODELS, DelayModel
from erasurehead.experiments.advice.fit.laws.cold import (
    Cold,
    UnitDelays,
    clumped,
    find_cold_starts,
    fit_clumps,
    fit_neighbours,
    gap_of,
)
from tests.advice.fit.walled import walled

FAST = MODELS["lognormal"](median=0.64, sigma=0.05)
CLEAR = MODELS["lognormal"](median=1.2, sigma=0.25)
BULK = MODELS["mixture"](
    weights=(0.85, 0.15), components=(FAST, MODELS["lognormal"](median=0.9, sigma=0.25))
)
FAR = MODELS["gamma"](shape=9.0, scale=3.0)


def rare(share: float) -> DelayModel:
    """Slow calls thrown over all rounds."""
    return MODELS["mixture"](weights=(1 - share, share), components=(FAST, FAR))


SLOW_ROUNDS = MODELS["mixture"](
    weights=(0.9, 0.1),
    components=(
        MODELS["lognormal"](median=1.0, sigma=0.02),
        MODELS["lognormal"](median=3.0, sigma=0.05),
    ),
)

WITHOUT: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    **{
        name: model.sample
        for name, model in {
            "pareto 1": MODELS["pareto"](alpha=1.0, scale=0.4),
            "pareto 2.5": MODELS["pareto"](alpha=2.5, scale=0.4),
            "weibull": MODELS["weibull"](shape=0.5, scale=1.0),
            "wide": MODELS["lognormal"](median=1.0, sigma=1.5),
            "narrow": MODELS["lognormal"](median=1.0, sigma=0.1),
            "exponential": MODELS["exponential"](rate=1.0),
            "gamma": MODELS["gamma"](shape=2.0, scale=1.0),
            "below 1": MODELS["gamma"](shape=0.4, scale=1.0),
            "bulk": BULK,
            "mixture": MODELS["mixture"](weights=(0.8, 0.2), components=(FAST, CLEAR)),
            "rare": rare(0.01),
            "less rare": rare(0.05),
            "states": MODELS["markov"](
                slow_to_slow=0.8,
                fast_to_slow=0.02,
                fast=FAST,
                slow=MODELS["lognormal"](median=2.0, sigma=0.05),
            ),
            "workers": MODELS["heterogeneous"](base=FAST, spread=0.5),
            "two hosts": MODELS["heterogeneous"](base=FAST, factors=(1.0,) * 254 + (3.0, 3.0)),
            "rounds": MODELS["round_effects"](
                base=FAST, factor=MODELS["lognormal"](median=1.0, sigma=0.5)
            ),
            "slow rounds": MODELS["round_effects"](base=FAST, factor=SLOW_ROUNDS),
        }.items()
    },
    "wall": walled,
}


def false_alarms(rounds: int, tables: int) -> list[tuple[str, int]]:
    return [
        (name, seed)
        for name, draw in WITHOUT.items()
        for seed in range(tables)
        if find_cold_starts([draw(np.random.default_rng(seed), rounds, 256)]) is not None
    ]


@pytest.mark.parametrize(
    ("rounds", "tables"),
    [(15, 4), *(pytest.param(rounds, 20, marks=pytest.mark.slow) for rounds in (5, 15, 60))],
)
def test_no_cold_starts_where_there_are_none(rounds: int, tables: int) -> None:
    """Tails, walls, slow hosts, slow rounds, states, and slow calls that come one by one."""
    assert false_alarms(rounds, tables) == []


def planted(
    seed: int, rounds: int, workers: int, size: int, times: float
) -> tuple[np.ndarray, ...]:
    """Two of five rounds are hit, ``size`` workers at once, ``times`` beyond the bulk's longest."""
    rng = np.random.default_rng(seed)
    table = BULK.sample(rng, rounds, workers)
    longest = table.max()
    cold = np.zeros_like(table, dtype=bool)
    for row in rng.choice(rounds, max(1, 2 * rounds // 5), replace=False):
        clump = 2 + int(rng.poisson(size - 2))
        cold[row, rng.choice(workers, min(clump, workers // 2), replace=False)] = True
    table[cold] = longest * times * rng.lognormal(0.05, 0.03, int(cold.sum()))
    return table, cold


def found(table: np.ndarray, cold: np.ndarray) -> bool:
    """Found, with at most one cell wrong."""
    answer = find_cold_starts([table])
    return answer is not None and int((answer.cells[0] != cold).sum()) <= 1


@pytest.mark.parametrize(
    ("rounds", "workers", "size", "times"),
    [
        (10, 256, 12, 1.5),  # 2 % of the cells, not twice as long as the bulk's longest
        (5, 256, 12, 1.7),  # in five rounds
        (30, 64, 8, 1.5),  # 5 % of the cells
        (15, 256, 25, 3.0),  # 4 % of the cells
    ],
)
def test_cold_starts_of_short_tables_are_found(
    rounds: int, workers: int, size: int, times: float
) -> None:
    hits = sum(found(*planted(seed, rounds, workers, size, times)) for seed in range(20))
    assert hits >= 17


@pytest.mark.parametrize(
    ("times", "cold"), [((1.7, 1.8, 2.5), 0), ((1.8, 1.9, 6.0), 0), ((2.1, 2.2, 3.0), 3)]
)
def test_a_few_must_all_be_far_from_the_others(times: tuple[float, ...], cold: int) -> None:
    """Three slow calls are cold starts where the shortest takes twice the longest other delay."""
    table = FAST.sample(np.random.default_rng(0), 15, 64)
    table[3, 5], table[3, 6], table[9, 20] = table.max() * np.array(times)
    answer = find_cold_starts([table])
    assert (0 if answer is None else int(answer.cells[0].sum())) == cold


def test_sizes_that_vary_more_are_kept_as_they_are() -> None:
    """Variance 27 at mean 6; binomial ones stay binomial, in all but 1 % of tables."""
    rng = np.random.default_rng(0)
    wide = np.minimum(1 + rng.geometric(1 / 5, 30), 100)
    clumps = fit_clumps(wide, 300, 256)
    assert sorted(clumps["sizes"]) == sorted(wide.tolist())
    assert clumps["probability"] == pytest.approx(0.1)
    assert tuple(fit_clumps(np.array([1, 60]), 100, 256)["sizes"]) == (1, 60)
    kept = 0
    for _ in range(200):
        sizes = rng.binomial(256, 6 / 256, 30)
        kept += "sizes" in fit_clumps(sizes[sizes > 0], 300, 256)
    assert kept <= 8
    assert len(fit_clumps(np.arange(1, 400), 4000, 4000)["sizes"]) == 100


def test_neighbours_are_found() -> None:
    """As often as they were drawn, and not at all where clumps are scattered."""
    model = MODELS["cold_starts"](
        base=MODELS["deterministic"](value=1.0),
        probability=0.5,
        delay=MODELS["deterministic"](value=10.0),
        sizes=(3, 6, 12),
        neighbours=0.3,
    )
    cells = model.sample(np.random.default_rng(0), 400, 256) > 2
    assert fit_neighbours([cells]) == pytest.approx(0.3, abs=0.05)
    shuffled = np.random.default_rng(0).permuted(cells, axis=1)
    assert fit_neighbours([shuffled]) == 0.0


def test_the_section_has_what_was_seen() -> None:
    """Sizes, neighbours and spreads end up in a model that can be built and has them again.

    Means of clumps differ also because start-ups do within them: by 0.13 in all.
    """
    model = MODELS["cold_starts"](
        base=BULK,
        probability=0.4,
        delay=MODELS["lognormal"](median=28.0, sigma=0.1),
        sizes=(1, 2, 3, 14, 20),
        neighbours=0.5,
        within=0.15,
    )
    answer = find_cold_starts([model.sample(np.random.default_rng(1), 400, 256)])
    assert isinstance(answer, Cold)
    section = answer.section({"model": "deterministic", "value": 1.0})
    assert set(section["sizes"]) == {1, 2, 3, 14, 20}
    assert section["neighbours"] == pytest.approx(0.5, abs=0.15)
    assert section["within"] == pytest.approx(0.15, abs=0.01)
    assert section["delay"]["sigma"] == pytest.approx(0.1, abs=0.02)
    assert "share" not in section


@pytest.mark.parametrize(
    ("total", "hit", "rounds", "times", "in_clumps"),
    [
        (3, 3, 20, 2.0, True),  # fewer than four must be twice as long as all others
        (3, 1, 20, 1.99, False),
        (4, 1, 20, 1.2, True),  # all in one of 20 rounds: by chance once in 8000 tables
        (4, 4, 20, 9.0, False),
        (4, 3, 20, 9.0, False),  # by chance in 28 % of tables
        (4, 2, 20, 9.0, False),  # in 1.7 %
        (4, 2, 60, 1.2, True),  # in 0.2 %
    ],
)
def test_few_rounds_are_hit_by_many(
    total: int, hit: int, rounds: int, times: float, in_clumps: bool
) -> None:
    """Fewer than random placements hit in 1 of 200 tables."""
    assert clumped(total, hit, rounds, times) == in_clumps


@pytest.mark.parametrize("total", [300, 301, 900])
def test_many_cold_starts_fall_into_rounds_by_a_normal_law(total: int) -> None:
    """Beyond what chance does in 1 of 700 tables, held to placements that are drawn."""
    rng = np.random.default_rng(0)
    drawn = [len(np.unique(rng.integers(0, 400, total))) for _ in range(4000)]
    rare, usual = np.quantile(drawn, [0.0005, 0.02])
    assert clumped(total, int(rare) - 2, 400, 1.2)
    assert not clumped(total, int(np.ceil(usual)), 400, 1.2)
    assert not clumped(total, 1, 1, 1.2), "a single round is hit whatever happens"


def test_cold_starts_by_hand() -> None:
    """A clump of three, and one of two: which cells, beyond what, and how long they take beyond
    what the others of their round do."""
    rng = np.random.default_rng(0)
    table = 1.0 + 0.01 * rng.random((30, 20))
    table[4, :3] = 1.005 + np.array([9.0, 10.0, 11.0])
    table[9, 5:7] = 1.005 + np.array([10.0, 10.0])
    answer = find_cold_starts([table[:5], table[5:]])
    assert answer is not None
    assert [cells.sum() for cells in answer.cells] == [3, 2]
    assert answer.beyond == pytest.approx(np.sqrt(10.005 * np.sort(table, axis=None)[-6]))
    assert (answer.hit, answer.rounds, answer.workers, answer.clump) == (2, 30, 20, 2.5)
    assert answer.start_ups == pytest.approx([np.cbrt(9.0 * 10.0 * 11.0), 10.0], rel=2e-3)
    logs = np.log([9.0, 10.0, 11.0])
    assert answer.within == pytest.approx(np.sqrt(3 * logs.var() / (5 - 2)), rel=0.02)
    section = answer.section({"model": "exponential", "rate": 1.0})
    assert section["delay"] == {"model": "deterministic", "value": pytest.approx(9.98, abs=0.01)}
    assert section["within"] == pytest.approx(answer.within, abs=1e-4)
    delays = UnitDelays("", (table,))
    assert [len(each) for each in delays.bulk_tables] == [28]
    assert len(delays.bulk) == 600 - 5


@pytest.mark.parametrize(("whole", "kept"), [(3, 3), (2, 30)])
def test_rounds_without_a_cold_start_are_the_bulk_if_there_are_three(whole: int, kept: int) -> None:
    table = 1.0 + 0.01 * np.random.default_rng(0).random((30, 20))
    cells = np.zeros((30, 20), dtype=bool)
    cells[whole:, 0] = True
    ones = np.ones(30 - whole)
    cold = Cold((cells,), 5.0, 30, ones.astype(np.int64), 20, ones, 0.0)
    delays = UnitDelays("", (table,))
    delays.__dict__["cold"] = cold
    assert sum(map(len, delays.bulk_tables)) == kept
    assert len(delays.bulk) == 600 - (30 - whole)


@pytest.mark.parametrize(("count", "found"), [(17, False), (18, True)])
def test_a_gap_needs_fifteen_delays_to_be_compared_with(count: int, found: bool) -> None:
    """It lies half-way between the delays on its sides, in logarithms."""
    values = np.append(np.linspace(1.0, 1.1, count - 1), 44.0)
    gap = gap_of(values)
    assert (gap is not None) == found
    assert gap is None or gap == pytest.approx(np.sqrt(1.1 * 44.0))
    assert gap_of(np.append(values[:-1], 1.26)) is None, "less than 1.15 times as long"
