"""Causes by hand, and planted ones, by what ``whatif`` answers. Speaks to its parts where hundreds
of tables are asked who stands out, and where a definition is brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from math import ceil
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.signal import lfilter

import erasurehead as eh
from erasurehead.experiments.advice.fit.laws.workers import judge_workers
from erasurehead.experiments.advice.statistics import job, series
from erasurehead.experiments.advice.whatif import slowdown, study
from erasurehead.plugins import FloatArray
from tests.tools import examples

# Every number of a table of two rounds and three workers, worked out by hand.


TABLE = np.array([[1.0, 2.0, 6.0], [2.0, 4.0, 5.0]])
"""Medians of rounds 2 and 4 s, their median 3 s; rounds of 6 and 5 s, both ended by the third."""


CAUSES = ("workers", "rounds", "rest")


def asked(table: FloatArray, names: Iterable[str] | None = None, **how: Any) -> eh.WhatIf:
    columns = None if names is None else [*names]
    return eh.whatif(pd.DataFrame(table, columns=columns), unit="s", **how)


def hosts(found: eh.WhatIf, column: str) -> FloatArray:
    """A column of the table of hosts, in the order of the measured table."""
    return found.hosts.sort_values("worker")[column].to_numpy(dtype=float)


def standing(found: eh.WhatIf) -> list[int]:
    """The hosts that stand out."""
    return np.flatnonzero(hosts(found, "stands_out")).tolist()


def part(found: eh.WhatIf, name: str) -> float:
    """Seconds of a mean step, or what it owes to a part."""
    return float(found.tables["slowdown"].set_index("part")["seconds"][name])


def told(found: eh.WhatIf, words: str) -> str:
    """The one line with some words."""
    [line] = [line for line in found.why if words in line]
    return line


@pytest.fixture(scope="module")
def found() -> eh.WhatIf:
    return asked(TABLE, "abc")


def test_a_step_and_its_medians(found: eh.WhatIf) -> None:
    assert part(found, "step") == 5.5
    assert part(found, "typical") == 3.0
    assert 1 - found.hosts["mean"].mean() / part(found, "step") == pytest.approx(1 - 20 / 33)


def test_factors_are_medians_over_rounds(found: eh.WhatIf) -> None:
    """Ratios to the round's median: 0.5 and 0.5, 1 and 1, 3 and 1.25."""
    np.testing.assert_allclose(hosts(found, "factor"), [0.5, 1.0, 2.125])


def test_causes_add_up(found: eh.WhatIf) -> None:
    """Jobs with some causes; with a = 2.125 taken out, the rounds take 6 / a = 48/17 and 4 s."""
    a, first = 2.125, 48 / 17
    job = {
        "": 3.0,
        "w": 3 * a,
        "b": 3.0,
        "e": (first * 3 / 2 + 4 * 3 / 4) / 2,
        "wb": 3 * a,
        "we": (6 * 3 / 2 + 5 * 3 / 4) / 2,
        "be": (first + 4) / 2,
        "wbe": 5.5,
    }

    def shapley(own: str, one: str, other: str) -> float:
        def gain(*before: str) -> float:
            return job[_key(own, *before)] - job[_key(*before)]

        return (2 * gain() + gain(one) + gain(other) + 2 * gain(one, other)) / 6

    parts = {cause: part(found, cause) for cause in CAUSES}
    assert parts == pytest.approx(
        {
            "workers": shapley("w", "b", "e"),
            "rounds": shapley("b", "w", "e"),
            "rest": shapley("e", "w", "b"),
        }
    )
    assert sum(parts.values()) == pytest.approx(5.5 - 3.0, rel=1e-12)


def _key(*causes: str) -> str:
    return "".join(cause for cause in "wbe" if cause in causes)


def test_hosts(found: eh.WhatIf) -> None:
    np.testing.assert_allclose(hosts(found, "alone"), [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(hosts(found, "blame"), [0, 0, (4 + 1) / 2])
    np.testing.assert_allclose(hosts(found, "ends"), [0, 0, 1])
    assert not standing(found), "two rounds are too few to tell"


def test_those_who_are_late_together_share_the_blame() -> None:
    """Up to the fourth's 4 s two share 2 s beyond the median; the last has 2 s more."""
    blame = job.Job(np.array([[6.0, 1.0, 4.0, 2.0, 1.0]])).blame
    np.testing.assert_allclose(blame, [3.0, 0.0, 1.0, 0.0, 0.0])


def test_a_large_table_is_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is in one piece, a row at least, and all is as it is of the whole table."""
    table = np.random.default_rng(0).lognormal(0, 0.3, (23, 5))
    whole = job.Job(table, 2)
    expected = (whole.medians, whole.blame, whole.slowest.seconds, whole.factors)
    rest = slowdown.slowdown(table, whole.medians, whole.factors).jobs[frozenset(["rest"])]
    monkeypatch.setattr(job, "PIECE_CELLS", 10)
    assert [(each.start, each.stop) for each in job.pieces(7, 5)] == [
        *((0, 2), (2, 4), (4, 6), (6, 7))
    ]
    assert [each.stop for each in job.pieces(3, 99)] == [1, 2, 3]
    assert [each.stop for each in job.pieces(20, 0)] == [10, 20]
    parts = job.Job(table, 2)
    found = (parts.medians, parts.blame, parts.slowest.seconds, parts.factors)
    same = slowdown.slowdown(table, parts.medians, parts.factors).jobs[frozenset(["rest"])]
    for one, other in zip((*found, same), (*expected, rest), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(found[2], np.sort(table, axis=1)[:, :0:-1])
    assert job.slowest(table, 99).seconds.shape == (23, 5)


# Tables with planted faults: causes are those of the table before the fault, within 2 %.


ROUNDS, WORKERS = 300, 64
NAMES = [f"gpu-{worker:02d}" for worker in range(WORKERS)]


def healthy(seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).lognormal(0.0, 0.05, (ROUNDS, WORKERS))


def seconds(table: FloatArray) -> float:
    return float(table.max(axis=1).mean())


def test_a_slow_host_is_a_lasting_cause() -> None:
    table = healthy()
    table[:, 7] *= 1.35
    found = asked(table)
    assert standing(found) == [7]
    assert part(found, "workers") > part(found, "rest")
    assert hosts(found, "factor")[7] == pytest.approx(1.35, rel=0.02)
    planted = seconds(table) - seconds(healthy())
    assert hosts(found, "alone")[7] == pytest.approx(planted, rel=0.02)


def test_long_spells_are_no_lasting_cause() -> None:
    """Nothing lasts, so they belong to the rest; the host stands out all the same."""
    table = healthy()
    for start in (20, 110, 200):
        table[start : start + 40, 30] *= 2.0
    found = asked(table)
    assert standing(found) == [30]
    assert part(found, "rest") > 5 * part(found, "workers")


def test_twins_cost_nothing_alone_and_share_the_blame() -> None:
    """The same delays twice: an order by what a host costs alone would never find them."""
    table = healthy()
    table[:, 7] *= 1.35
    table[:, 50] = table[:, 7]
    found = asked(table)
    assert hosts(found, "alone").max() == 0.0
    assert {*found.hosts.sort_values("order")["worker"][:2]} == {7, 50}
    assert hosts(found, "blame")[7] == hosts(found, "blame")[50]


def test_slow_rounds_are_a_cause() -> None:
    table = healthy()
    table[::20] *= 3.0
    found = asked(table)
    planted = seconds(table) - seconds(healthy())
    assert part(found, "rounds") == pytest.approx(planted, rel=0.1)
    slow = told(found, "slow for all workers")
    assert slow.startswith("15 rounds of 300 ")
    assert slow.endswith(f": {', '.join(map(str, range(0, 240, 20)))} and 3 more, one in 20.")
    assert not standing(found)


def test_a_round_is_slow_from_one_and_a_half_times_the_typical_median_on() -> None:
    table = np.tile([0.9, 1.0, 1.1], (12, 1))
    table[[2, 7, 8]] *= np.array([[1.5], [1.49], [1.6]])
    assert told(asked(table), "slow for all").endswith(": 2, 8.")
    table[0, 0] = np.nan  # a round that never ends is counted
    slow = told(asked(table, missing="never"), "slow for all")
    assert slow.startswith("2 rounds of 12 ")
    assert slow.endswith(": 2, 8.")


# Many kinds of tables, each drawn anew: without a host that differs, and with planted ones.


Kind = Callable[[np.random.Generator], FloatArray]


def size(rng: np.random.Generator, least: int = 60, most: int = 400) -> tuple[int, int]:
    """Rounds, and 8 to 64 hosts, spread evenly on a logarithmic scale."""
    return int(np.exp(rng.uniform(*np.log([least, most])))), int(8 ** rng.uniform(1, 2))


def wander(rng: np.random.Generator, shape: tuple[int, int], persistence: float) -> FloatArray:
    """AR(1) of each host, with variance 1."""
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - persistence**2)
    return np.asarray(lfilter([1.0], [1.0, -persistence], noise, axis=0))


def bursts(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Every host is two or three times as slow in a tenth of its rounds, some in a row."""
    stay, share = 1 - 1 / rng.choice([3, 10, 30]), 0.1
    slow = np.empty(shape, dtype=bool)
    slow[0] = rng.random(shape[1]) < share
    for before, now in pairwise(slow):
        enter = (1 - stay) * share / (1 - share)
        now[:] = rng.random(shape[1]) < np.where(before, stay, enter)
    return np.where(slow, rng.choice([2.0, 3.0]), 1.0) * rng.lognormal(0, 0.1, shape)


def storms(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Now and then a third of the hosts, others each time, is slow for ten rounds."""
    table = rng.lognormal(0, 0.1, shape)
    for start in rng.integers(0, shape[0], 5):
        table[start : start + 10] *= np.where(rng.random(shape[1]) < 0.3, 2, 1)
    return table


def waves(rng: np.random.Generator, shape: tuple[int, int], own: bool) -> FloatArray:
    """Days and nights, of all hosts together or of each at its own hour."""
    hour = np.arange(shape[0])[:, None] / rng.integers(20, 60)
    shift = rng.random(shape[1]) if own else 0.0
    return np.exp(0.2 * np.sin(2 * np.pi * (hour + shift))) * rng.lognormal(0, 0.1, shape)


CLEAN: dict[str, Kind] = {
    "lognormal": lambda rng: rng.lognormal(0, rng.choice([0.05, 0.3, 0.8]), size(rng)),
    "exponential": lambda rng: 0.2 + rng.exponential(1.0, size(rng)),
    "heavy tails": lambda rng: 1 + rng.pareto(rng.choice([1.2, 2.0]), size(rng)),
    "coarse clock": lambda rng: np.round(rng.gamma(20, 0.05, size(rng)), 1) + 0.1,
    "spikes": lambda rng: rng.lognormal(0, 0.1, s := size(rng)) + 5 * (rng.random(s) < 0.003),
    **{
        f"AR(1) of {phi}": lambda rng, phi=phi: np.exp(0.1 * wander(rng, size(rng), phi))  # type: ignore[misc]
        for phi in (0.5, 0.8, 0.9, 0.97, 0.99)
    },
    "random walks": lambda rng: np.exp(0.02 * rng.standard_normal(size(rng)).cumsum(axis=0)),
    "AR(1) and chance": lambda rng: (
        np.exp(0.1 * wander(rng, s := size(rng), rng.choice([0.9, 0.97])))
        * rng.lognormal(0, 0.1, s)
    ),
    "rounds": lambda rng: (
        np.exp(0.5 * wander(rng, ((s := size(rng))[0], 1), 0.9)) * rng.lognormal(0, 0.1, s)
    ),
    "drift": lambda rng: np.linspace(1, 3, (s := size(rng))[0])[:, None] * rng.lognormal(0, 0.1, s),
    "day and night": lambda rng: waves(rng, size(rng), own=False),
    "own days": lambda rng: waves(rng, size(rng), own=True),
    "bursts": lambda rng: bursts(rng, size(rng)),
    "storms": lambda rng: storms(rng, size(rng)),
    "few rounds": lambda rng: np.exp(0.1 * wander(rng, size(rng, 2, 30), rng.choice([0, 0.97]))),
    "many hosts": lambda rng: np.exp(
        0.1 * wander(rng, (size(rng, 20, 80)[0], 512), rng.choice([0, 0.97]))
    ),
}
"""Hosts are alike: who is slow is chance, however long that lasts."""


def calm(rng: np.random.Generator, least: int = 60, persistence: float = 0.0) -> FloatArray:
    return np.exp(0.05 * wander(rng, size(rng, least, max(20, 5 * least)), persistence))


def slow_host(rng: np.random.Generator, table: FloatArray, start: float = 0.0) -> FloatArray:
    """The last host is a third slower from some share of the rounds on."""
    table[int(start * len(table)) :, -1] *= 1.35
    return table


def spells(rng: np.random.Generator, table: FloatArray) -> FloatArray:
    for start in rng.integers(0, len(table) - 20, 3):
        table[start : start + 20, -1] *= 2
    return table


def timeouts(rng: np.random.Generator, table: FloatArray, share: float) -> FloatArray:
    table[rng.random(len(table)) < share, -1] += 3
    return table


def bad(
    rng: np.random.Generator, table: FloatArray, hosts: slice | int, share: float
) -> FloatArray:
    """Rounds, one at least, in which some or all hosts take ten times as long."""
    some = rng.random(len(table)) < share
    some[rng.integers(len(table))] = True
    table[some, hosts] *= 10
    return table


PLANTED: dict[str, Kind] = {
    "slow": lambda rng: slow_host(rng, calm(rng)),
    "slow, heavy tails": lambda rng: slow_host(rng, 1 + rng.exponential(0.3, size(rng, 200))),
    "slow among AR(1) of 0.9": lambda rng: slow_host(rng, calm(rng, 100, 0.9)),
    "slow among AR(1) of 0.97": lambda rng: slow_host(rng, calm(rng, 150, 0.97)),
    "slow, few rounds": lambda rng: slow_host(rng, calm(rng, 8)),
    "slow from a round on": lambda rng: slow_host(rng, calm(rng), rng.uniform(0.4, 0.75)),
    "three spells": lambda rng: spells(rng, calm(rng, 100)),
    "time-outs": lambda rng: timeouts(rng, calm(rng, 100), 0.2),
    "rare time-outs": lambda rng: timeouts(rng, calm(rng, 200), 0.05),
}
"""The last host is at fault."""

COMMON: dict[str, Kind] = {
    "one bad round": lambda rng: bad(rng, calm(rng), slice(None), 0),
    "one bad task": lambda rng: bad(rng, calm(rng), -1, 0),
    "slow rounds": lambda rng: bad(rng, calm(rng), slice(None), 0.1),
}
"""Something happens, and no host is at fault."""


def named(draw: Callable[[int], FloatArray], tables: int) -> Iterator[tuple[int, list[int]]]:
    """Of each of so many tables the last host, and who stands out."""
    for table in map(draw, range(tables)):
        yield table.shape[1] - 1, job.Job(table).standing_out()


def seeded(kind: str) -> Callable[[int], FloatArray]:
    kinds = CLEAN | COMMON | PLANTED
    return lambda seed: kinds[kind](np.random.default_rng([crc32(kind.encode()), seed]))


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    ("tables", "most"), [(6, 2), pytest.param(100, 8, marks=pytest.mark.slow)], ids=["6", "100"]
)
@pytest.mark.parametrize("kind", [*CLEAN, *COMMON])
def test_one_clean_table_of_a_hundred_names_a_host(kind: str, tables: int, most: int) -> None:
    """Of 100 tables 9 or more with a chance of 1e-6, and of 6 three or more of 2e-5."""
    assert sum(bool(those) for _, those in named(seeded(kind), tables)) <= most


@pytest.mark.parametrize(
    ("tables", "least"), [(6, 5), pytest.param(100, 95, marks=pytest.mark.slow)], ids=["6", "100"]
)
@pytest.mark.parametrize("kind", PLANTED)
def test_the_host_at_fault_is_named(kind: str, tables: int, least: int) -> None:
    assert sum(last in those for last, those in named(seeded(kind), tables)) >= least


@pytest.mark.parametrize("shape", [(1, 5), (2, 1), (3, 2), (40, 3), (7, 300)])
def test_parts_add_up_whatever_the_table(shape: tuple[int, int]) -> None:
    table = np.random.default_rng(6).gamma(0.7, 1.0, shape)
    found = asked(table)
    whole = sum(part(found, cause) for cause in CAUSES)
    assert whole == pytest.approx(
        part(found, "step") - part(found, "typical"), rel=1e-12, abs=1e-15
    )
    median = np.median(table, axis=1).mean()
    assert hosts(found, "blame").sum() == pytest.approx(part(found, "step") - median, rel=1e-9)


@pytest.mark.parametrize(("persistence", "tolerance"), [(0.0, 0.15), (0.8, 0.3)])
def test_intervals_are_as_wide_as_correlation_makes_them(
    persistence: float, tolerance: float
) -> None:
    """AR(1): the mean's variance is (1 + p) / (1 - p) of that of independent rounds, 9 at 0.8."""
    rng, rounds, widths = np.random.default_rng(9), 1500, []
    for _ in range(12):
        noise = rng.standard_normal(rounds) * np.sqrt(1 - persistence**2)
        noise[0] = rng.standard_normal()
        values = noise.copy()
        for t in range(1, rounds):
            values[t] += persistence * values[t - 1]
        grouped = series.blocks([values])
        low, high = grouped.interval(0.0, grouped.means(values) - values.mean())
        widths.append(high - low)
    expected = 2 * 1.96 * np.sqrt((1 + persistence) / (1 - persistence) / rounds)
    assert np.mean(widths) == pytest.approx(expected, rel=tolerance)


def length_by_definition(series: list[float]) -> int:
    """Politis and White (2004), section 3.2 and footnote c, with the constant of 2009, in sums."""
    size, mean = len(series), sum(series) / len(series)
    off = [value - mean for value in series]
    looked = max(5, int(np.log10(size)))
    most = min(ceil(size**0.5) + looked, size - 1)
    r = [sum(off[t] * off[t + k] for t in range(size - k)) / size for k in range(most + 1)]
    quiet = [abs(each) < 2 * (np.log10(size) / size) ** 0.5 * r[0] for each in r]
    last = (m for m in range(most - looked + 1) if all(quiet[m + 1 : m + looked + 1]))
    reach = min(2 * max(next(last, most), 1), most)
    window = [min(1.0, 2 * (1 - k / reach)) for k in range(reach + 1)]
    total = r[0] + 2 * sum(window[k] * r[k] for k in range(1, reach + 1))
    slope = 2 * sum(window[k] * k * r[k] for k in range(1, reach + 1))
    if total <= 0:
        return 1
    best = (2 * slope**2 / (4 / 3 * total**2) * size) ** (1 / 3)
    return max(1, ceil(min(best, 3 * size**0.5, size / 3)))


@pytest.mark.parametrize("memory", [-0.5, 0.0, 0.5, 0.9, 0.99, 1.0])
def test_the_length_of_a_block_is_that_of_its_source(memory: float) -> None:
    """Noise, memory, and walks of which no lag is quiet."""
    rng = np.random.default_rng(3)
    for size in (16, 17, 20, 33, 60):
        for _ in range(3):
            values = np.asarray(lfilter([1.0], [1.0, -memory], rng.standard_normal(size)))
            assert series.block_length(values) == length_by_definition(values.tolist())


def test_blocks_of_constant_and_short_series() -> None:
    assert series.block_length(np.ones(100)) == 1
    assert series.block_length(np.arange(3.0)) == 1
    grouped = series.blocks([np.array([2.0])])
    assert np.isnan(grouped.interval(2.0, grouped.means(np.array([2.0])))).all()
    whole = series.blocks([np.zeros(10_001)])
    np.testing.assert_allclose(whole.means(np.full(10_001, 3.0)), 3.0)
    assert whole.count <= 2000


@pytest.mark.parametrize("seed", range(3))
def test_a_lighter_round_does_not_end_a_spell(seed: int) -> None:
    """Delays vary by 15 %, so one in ten of the slow rounds is below the level of slow ones."""
    rng = np.random.default_rng(seed)
    table = 0.35 + rng.gamma(3, 0.04, (600, 20))
    runs = [[40, 57], [133, 149], [221, 235], [300, 319], [411, 424], [520, 536]]
    for first, last in runs:
        table[first : last + 1, 17] *= 1.9
    found = asked(table)
    assert np.flatnonzero(hosts(found, "in_spells")).tolist() == [17]
    spells = told(found, "Host 17 is slow in spells").partition(": rounds ")[2].rstrip(".")
    # An end may be off by a round that was as light as those beside it.
    ends = [[*map(int, spell.split(" to "))] for spell in spells.split(", ")]
    np.testing.assert_allclose(ends, runs, atol=1)
    workers = judge_workers([table])
    assert workers is not None
    assert [*workers.spelled] == [17]
    # A round or two elsewhere are as long by chance, and spells of their own.
    assert 10 < workers.spell.value[17] < 18
    assert workers.slow.value[17] == pytest.approx(102 / 600, abs=0.006)


# Stages of a step.


def stages_found(parts: dict[str, FloatArray]) -> eh.WhatIf:
    """The answer for the rounds whose stages these are."""
    rounds, workers = next(iter(parts.values())).shape
    calls = {"rank": np.tile(range(workers), rounds), "step": np.repeat(range(rounds), workers)}
    seconds = {f"{name}_s": each.ravel() for name, each in parts.items()}
    return eh.whatif(pd.DataFrame(calls | seconds), columns={"stages": "+".join(seconds)})


def stages(found: eh.WhatIf) -> pd.DataFrame:
    return found.tables["stages"]


def slow_in(found: eh.WhatIf) -> dict[str, list[int]]:
    """The workers that stand out in each stage, of those in which some do."""
    slow = stages(found)[stages(found)["stands_out"]]
    return {str(stage): rows["worker"].tolist() for stage, rows in slow.groupby("stage")}


def test_who_ends_each_stage_by_hand() -> None:
    """The stages end after 1, 3 | 4, 4 | 6, 5 and 2, 1 | 2, 4 | 3, 5: the last 3, 4, 6 and 2, 4, 5.

    Catches sums of each stage's own maxima (3, 3, 2 and 2, 3, 1), which are more than the step.
    """
    parts = {
        "load": np.array([[1.0, 3.0], [2.0, 1.0]]),
        "back": np.array([[3.0, 1.0], [0.0, 3.0]]),
        "tail": np.array([[2.0, 1.0], [1.0, 1.0]]),
    }
    added, ends = zip(*study.stages_of(parts, np.array([[6.0, 5.0], [3.0, 5.0]])), strict=True)
    np.testing.assert_array_equal(added, [[3, 2], [1, 2], [2, 1]])
    # a tie is half a round of each
    np.testing.assert_array_equal(ends, [[0.5, 0.5], [0.25, 0.75], [0.5, 0.5]])
    table = stages(stages_found(parts))
    assert table["stage"].tolist() == ["load", "load", "back", "back", "tail", "tail"]
    assert table["seconds"].tolist() == [2.5, 2.5, 1.5, 1.5, 1.5, 1.5]
    assert table["share"].sum() / 2 == pytest.approx(1.0)
    assert table["mean"].tolist() == [1.5, 2.0, 1.5, 2.0, 1.5, 1.0]


@examples(100)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 5), st.integers(1, 12), st.integers(1, 7)),
        elements=st.one_of(st.just(0.0), st.floats(1e-9, 1e6)),
    )
)
def test_what_stages_add_is_the_step_in_every_round(numbers: FloatArray) -> None:
    """Also with ties, stages of no time, and numbers of very different size."""
    parts = {f"stage {place}": part for place, part in enumerate(numbers)}
    added, ends = zip(*study.stages_of(parts, np.add.reduce(numbers)), strict=True)
    step = np.add.reduce(numbers).max(axis=1)
    assert (np.array(added) >= 0).all()
    np.testing.assert_allclose(np.sum(added, axis=0), step, rtol=1e-12, atol=0)
    for last in ends:
        assert np.isnan(last).all() or last.sum() == pytest.approx(1.0)


def planted(
    rounds_: int, workers: int, seed: int, **slow: tuple[int, float]
) -> dict[str, FloatArray]:
    """Stages of independent times; in some of them a worker is so many times as slow."""
    rng, typical = np.random.default_rng(seed), {"data": 1.0, "forward": 3.0, "backward": 6.0}
    parts = {
        name: seconds * rng.lognormal(0.0, 0.1, (rounds_, workers))
        for name, seconds in (typical | {"optimizer": 0.5}).items()
    }
    for name, (worker, times) in slow.items():
        parts[name][:, worker] *= times
    return parts


@pytest.mark.parametrize(("rounds_", "workers"), [(60, 4), (40, 8), (100, 30)])
def test_a_worker_is_named_for_the_stage_in_which_it_is_slow(rounds_: int, workers: int) -> None:
    """It is late, and so the last, in the stages that follow as well, but is not slow in these."""
    found = stages_found(planted(rounds_, workers, 1, backward=(3, 1.5)))
    assert slow_in(found) == {"backward": [3]}
    ends = stages(found)[stages(found)["worker"] == 3].set_index("stage")["ends"]
    assert ends["optimizer"] > 0.8 < ends["backward"]
    assert ends["forward"] < 0.6
    assert "slow: host 3 in backward (" in told(found, "in backward (")
    two = stages_found(planted(rounds_, workers, 2, data=(0, 3.0), backward=(1, 1.5)))
    assert slow_in(two) == {"data": [0], "backward": [1]}


def test_workers_that_are_alike_are_named_for_no_stage() -> None:
    """By chance a table of four stages has one named in 4 of 100; constant times have none."""
    named = [bool(slow_in(stages_found(planted(40, 6, seed)))) for seed in range(5)]
    assert sum(named) <= 1
    equal = {name: np.ones((30, 4)) for name in ("forward", "backward")}
    assert not slow_in(stages_found(equal))
    assert stages_found(equal).verdict == "No host is clearly slow in a stage."
    assert "stages" not in asked(TABLE).tables


@pytest.mark.parametrize("tail", [0.0, 0.5])
def test_stages_tell_who_is_slow_where_steps_include_waiting(tail: float) -> None:
    """The last one is in the all-reduce for 0.2 s, and the others wait as well. It adds 0.2 s and
    nobody is slow in it; that steps include waiting is said, also if what follows it varies."""
    parts = planted(60, 8, 4, backward=(3, 1.5))
    optimizer = parts.pop("optimizer")
    own = np.add.reduce([*parts.values()])
    parts["sync"] = own.max(axis=1, keepdims=True) - own + 0.2
    found = stages_found(parts | ({"optimizer": tail * optimizer} if tail else {}))
    assert slow_in(found) == {"backward": [3]}
    sync = stages(found)[stages(found)["stage"] == "sync"]
    assert sync["ends"].isna().all()
    assert sync["seconds"].iloc[0] == pytest.approx(0.2)
    assert {*found.tables["slowdown"]["waits"]} == {"carried"}
    blame = stages(found)[stages(found)["stage"] == "backward"].set_index("worker")["blame"]
    own = parts["backward"]
    assert blame.sum() == pytest.approx(np.mean(own.max(axis=1) - np.median(own, axis=1)))
    assert blame[3] > 0.8 * blame.sum()


@pytest.mark.parametrize("count", [2, 5, 50])
def test_an_interval_of_few_blocks_is_students(count: int) -> None:
    """Of normal resampled means it is that of the mean: of the unbiased standard deviation, with
    count - 1 degrees of freedom."""
    drawn = series.Blocks(1, count, np.ones((1, count)))
    resampled = 3.0 + 0.5 * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    low, high = drawn.interval(3.0, resampled)
    half = stats.t.ppf(0.975, count - 1) * 0.5 * np.sqrt(count / (count - 1))
    assert (3.0 - low, high - 3.0) == (pytest.approx(half, rel=2e-3), pytest.approx(half, rel=2e-3))
    assert np.isnan(series.Blocks(1, 1, np.ones((1, 1))).interval(3.0, resampled)).all()


@pytest.mark.parametrize(("slowest", "out"), [(145, [3]), (115, [])])
def test_a_host_stands_out_beside_each_of_the_others(slowest: int, out: list[int]) -> None:
    """By chance each of four is the slowest in 100 of 400 rounds, and hardly one in 130; of three,
    it would be in 133."""
    rest = np.arange(400 - slowest) % 3
    who = np.random.default_rng(0).permutation([*rest, *[3] * slowest])
    table = np.ones((400, 4))
    table[np.arange(400), who] = 2.0
    assert job.Job(table).standing_out() == out


def test_where_nobody_stays_slow_each_round_counts_for_itself() -> None:
    """Four of seven rounds are more than chance leaves one of sixty; two blocks of two are not."""
    table = np.ones((7, 60))
    table[:4, 5], table[4, 7], table[5, 8], table[6, 9] = 3.0, 2.0, 2.0, 2.0
    assert job.Job(table).standing_out() == [5]


def test_long_series_are_looked_at_in_means_of_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The length is that of the means, in rounds; what is left over at the end does not count."""
    rng = np.random.default_rng(4)
    means = np.asarray(lfilter([1.0], [1.0, -0.9], rng.standard_normal(100)))
    known = series.block_length(means)
    monkeypatch.setattr(series, "FINEST", 110)
    values = np.append((means[:, None] + [-0.5, 0.0, 0.5]).ravel(), [99.0, -99.0])
    assert known > 1
    assert series.block_length(values) == 3 * known
