"""Models around another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from erasurehead import ConfigError
from erasurehead.delay_models.base import NORMAL_END
from erasurehead.delays import (
    MODELS,
    ColdStarts,
    DelayModel,
    Deterministic,
    Drift,
    Exponential,
    Gamma,
    Heterogeneous,
    LogNormal,
    MeasuredRounds,
    Mixture,
    OwnLaws,
    RoundEffects,
    Scaled,
    Shifted,
    ShiftedExponential,
    Tape,
    Weibull,
)
from tests.statistics import assert_z

# Wrappers around a model: scaled, shifted, and factors of workers, rounds and time.


WORKERS = 4000  # eight rounds in a block
SECOND = Deterministic(value=1.0)
STICKY = MODELS["markov"].examples()[0]


def rows(model: DelayModel, rounds: int = 20, stream: int = 0, replication: int = 0) -> np.ndarray:
    return Tape(model, WORKERS, seed=6, replication=replication).rows(0, rounds, stream)


@pytest.mark.parametrize("base", [Exponential(rate=2.0), STICKY], ids=["independent", "markov"])
def test_scaled_and_shifted_keep_the_base_cell_by_cell(base: DelayModel) -> None:
    """Catches a wrapper that draws in another order, or loses the base's state or law."""
    plain = rows(base)
    for model, mapped, mean in (
        (Scaled(by=3.0, base=base), 3 * plain, 3 * base.mean()),
        (Shifted(by=0.5, base=base), plain + 0.5, base.mean() + 0.5),
    ):
        np.testing.assert_array_equal(rows(model), mapped)
        assert model.independent == base.independent
        assert model.mean() == pytest.approx(mean)
        np.testing.assert_allclose(model.cdf(mapped[0]), base.cdf(plain[0]), rtol=1e-6)


def test_sums_of_scaled_and_shifted() -> None:
    """Three draws of 2 + 0.5 E are 6 s and half a gamma. Catches a shift counted once."""
    model = Shifted(by=2.0, base=Scaled(by=0.5, base=Exponential(rate=1.0)))
    law = model.sum_of(3)
    assert law is not None
    x = np.linspace(5, 12, 15)
    np.testing.assert_allclose(law.cdf(x), Gamma(shape=3, scale=0.5, shift=6.0).cdf(x), rtol=1e-12)
    assert Scaled(by=2.0, base=Weibull(shape=0.7, scale=1.0)).sum_of(2) is None


def test_given_factors_belong_to_their_workers() -> None:
    """Catches factors that divide, are shuffled, or go to rounds."""
    model = Heterogeneous(base=Exponential(rate=2.0), factors=(1.0, 1.0, 2.5, 0.5))
    table = Tape(model, 4, seed=1, replication=0).rows(0, 5000)
    for worker, factor in enumerate((1.0, 1.0, 2.5, 0.5)):
        law = stats.expon(scale=factor / 2)
        assert stats.kstest(table[:, worker], law.cdf).pvalue > 1e-6
    assert model.workers_available() == 4
    np.testing.assert_array_equal(Tape(model, 3, 1, 0).rows(0, 1).shape, (1, 3))
    alone = Heterogeneous(base=SECOND, factors=(2.5,))
    np.testing.assert_array_equal(Tape(alone, 1, 1, 0).rows(0, 3), [[2.5]] * 3)


def test_the_law_of_given_factors_is_their_mixture() -> None:
    """A cell of a worker picked at random. Catches equal factors counted once."""
    model = Heterogeneous(base=Exponential(rate=2.0), factors=(1.0, 1.0, 2.5, 0.5))
    x = np.linspace(0, 5, 30)
    parts = np.mean([stats.expon(scale=f / 2).cdf(x) for f in (1, 1, 2.5, 0.5)], axis=0)
    np.testing.assert_allclose(model.cdf(x), parts, rtol=1e-12)
    np.testing.assert_allclose(model.sf(x), 1 - parts, rtol=1e-9)
    np.testing.assert_allclose(model.ppf(parts[1:]), x[1:], rtol=1e-6)
    assert model.mean() == pytest.approx(5 / 8)


def test_a_spread_is_drawn_once_per_replication() -> None:
    """Catches factors drawn anew in a block or a stream, or the same in every replication."""
    model = Heterogeneous(base=SECOND, spread=0.3)
    factors = rows(model)
    np.testing.assert_array_equal(factors, np.broadcast_to(factors[0], factors.shape))
    np.testing.assert_array_equal(rows(model, stream=2), factors)
    assert not np.any(rows(model, replication=1)[0] == factors[0])
    assert stats.kstest(factors[0], stats.lognorm(0.3).cdf).pvalue > 1e-6
    assert model.cdf(1.0) is None
    assert model.mean() == pytest.approx(np.exp(0.045))


def test_a_factor_multiplies_the_same_base_delays() -> None:
    """Catches a wrapper that feeds the base another task's draws."""
    base = LogNormal(median=1.0, sigma=0.5)
    np.testing.assert_array_equal(
        rows(Heterogeneous(base=base, spread=0.3)),
        rows(base) * rows(Heterogeneous(base=SECOND, spread=0.3)),
    )


@pytest.mark.parametrize(
    "fields", [{}, {"factors": (1.0,), "spread": 0.1}, {"factors": ()}, {"factors": (1.0, 0.0)}]
)
def test_factors_or_spread_and_positive(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Heterogeneous(base=SECOND, **fields)  # type: ignore[arg-type]


def test_a_round_effect_is_common_to_workers_and_tasks() -> None:
    """Catches a factor drawn per cell, per block or per stream; rounds are independent."""
    law = LogNormal(median=1.0, sigma=0.4)
    model = RoundEffects(base=SECOND, factor=law)
    table = rows(model, rounds=1000)
    factors = table[:, 0]
    np.testing.assert_array_equal(table, np.broadcast_to(factors[:, None], table.shape))
    np.testing.assert_array_equal(rows(model, 40, stream=1), table[:40])
    assert stats.kstest(factors, law.cdf).pvalue > 1e-6
    assert abs(np.corrcoef(np.log(factors[1:]), np.log(factors[:-1]))[0, 1]) < 4.9 / 1000**0.5
    assert not np.any(rows(model, 40, replication=1)[:, 0] == factors[:40])


def test_a_drift_is_a_ramp_that_ends() -> None:
    """Exact, over borders of blocks. Catches a ramp that starts again in each block."""
    expected = np.interp(np.arange(40), [0, 25], [1.0, 3.0])
    for stream in (0, 1):
        table = rows(Drift(base=SECOND, to=3.0, over=25), 40, stream)
        np.testing.assert_allclose(table, expected[:, None] * np.ones(WORKERS), rtol=1e-14)
    faster = rows(Drift(base=SECOND, to=0.25, over=25), 40)[:, 0]
    np.testing.assert_allclose(faster, np.interp(np.arange(40), [0, 25], [1.0, 0.25]))


def test_wrappers_nest_around_a_model_with_memory() -> None:
    """Reading late first gives the same rows. Catches a state that is changed in place."""
    model = RoundEffects(
        base=Heterogeneous(base=Drift(base=STICKY, to=2.0, over=10), spread=0.2),
        factor=Gamma(shape=9.0, scale=1 / 9),
    )
    whole = rows(model, 40)
    late_first = Tape(model, WORKERS, seed=6, replication=0)
    late_first.rows(0, 3, stream=1)
    np.testing.assert_array_equal(late_first.rows(30, 40), whole[30:])
    np.testing.assert_array_equal(late_first.rows(2, 19), whole[2:19])
    assert model.mean() is None


def test_the_mean_of_nested_factors_is_their_product() -> None:
    """Samples are replications, since each has its own factors."""
    model = RoundEffects(
        base=Heterogeneous(base=ShiftedExponential(shift=0.2, rate=2.0), spread=0.4),
        factor=LogNormal(median=1.0, sigma=0.3),
    )
    rng = np.random.default_rng(7)
    assert model.mean() == pytest.approx(0.7 * np.exp(0.08) * np.exp(0.045))
    assert_z([model.sample(rng, 20, 20).mean() for _ in range(1500)], model.mean())


# What is known of a model without a draw: of how many rounds and workers it knows delays, the
# longest one, and means of workers, which bound what any scheme can do.


def measured(rounds: int, workers: int) -> DelayModel:
    """Delays of 1 s, and one of 2."""
    table = np.ones((rounds, workers))
    table[-1, -1] = 2.0
    return MeasuredRounds(seconds=tuple(map(tuple, table.tolist())))


def replayed(tmp_path: Path, rounds: int, workers: int) -> DelayModel:
    path = tmp_path / f"{rounds}x{workers}.npz"
    np.savez(path, seconds=np.full((rounds, workers), 1.5))
    return MODELS["trace"](path=str(path))


THIRD = Deterministic(value=1 / 3)


@pytest.mark.parametrize(
    ("model", "longest", "means"),
    [
        (Heterogeneous(base=SECOND, factors=(2.0, 0.5, 4.0)), 4.0, [2.0, 0.5, 4.0]),
        (Heterogeneous(base=SECOND, factors=(0.5, 4.0, 2.0, 9.0)), 9.0, [0.5, 4.0, 2.0]),
        (Heterogeneous(base=SECOND, spread=0.5), np.exp(0.5 * NORMAL_END), None),
        (RoundEffects(base=SECOND, factor=Deterministic(value=3.0)), 3.0, None),
        (Drift(base=SECOND, to=3.0, over=5), 3.0, None),
        (Drift(base=SECOND, to=0.5, over=5), 1.0, None),  # it begins at 1
        (Scaled(by=3.0, base=THIRD), 1.0, [1.0, 1.0, 1.0]),
        (Shifted(by=3.0, base=THIRD), 10 / 3, [10 / 3] * 3),
        (Mixture(weights=(0.25, 0.75), components=(SECOND, THIRD)), 1.0, [0.5] * 3),
        (OwnLaws(base=SECOND, workers=(1,), models=(THIRD,)), 1.0, [1.0, 1 / 3, 1.0]),
        (OwnLaws(base=THIRD, workers=(2, 7), models=(SECOND, SECOND)), 1.0, [1 / 3, 1 / 3, 1.0]),
        (OwnLaws(base=SECOND, workers=(1,), models=(measured(3, 1),)), 2.0, None),
        (OwnLaws(base=measured(3, 3), workers=(1,), models=(SECOND,)), 2.0, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_longest_delay_and_means_of_workers_by_hand(
    model: DelayModel, longest: float, means: list[float] | None
) -> None:
    assert model.longest() == pytest.approx(longest, rel=1e-12)
    found = model.worker_means(3)
    assert (found is None) == (means is None)
    if found is not None and means is not None:
        np.testing.assert_allclose(found, means, rtol=1e-12)


def test_cold_starts_by_hand() -> None:
    """Half of the rounds, a tenth of the workers, 4 s: 0.2 s on average; 5 s at the most."""
    cold = {"base": SECOND, "probability": 0.5, "delay": Deterministic(value=4.0)}
    assert ColdStarts(**cold, share=0.1).mean() == pytest.approx(1.2)
    assert ColdStarts(**cold, share=0.1).longest() == 5.0
    assert ColdStarts(**cold, share=0.1, within=0.5).longest() == 1 + 4 * np.exp(NORMAL_END / 2)
    assert ColdStarts(**cold, share=0.1, within=0.5).mean() == pytest.approx(
        1 + 0.2 * np.exp(1 / 8)
    )
    assert ColdStarts(**cold, sizes=(1,)).mean() is None, "it depends on how many workers there are"
    assert ColdStarts(**{**cold, "base": measured(2, 2)}, share=0.1).mean() is None


@pytest.mark.parametrize(
    ("sizes", "there"), [((1,), {1}), ((3,), {3}), ((9,), {4}), ((1, 2), {1, 2})]
)
@pytest.mark.parametrize("neighbours", [0.0, 1.0])
def test_a_clump_has_one_of_its_sizes(
    sizes: tuple[int, ...], there: set[int], neighbours: float
) -> None:
    """At most all four workers; with 1 they stand side by side, worker 0 after the last one."""
    cold_start = {"probability": 1.0, "delay": Deterministic(value=4.0)}
    model = ColdStarts(base=SECOND, **cold_start, sizes=sizes, neighbours=neighbours)  # type: ignore[arg-type]
    cold = Tape(model, 4, seed=1, replication=0).rows(0, 200) == 5.0
    assert set(np.count_nonzero(cold, axis=1)) == there
    if neighbours == 1 and max(sizes) < 4:
        begins = np.count_nonzero(cold & ~np.roll(cold, 1, axis=1), axis=1)
        assert (begins == 1).all()
        assert len({*map(tuple, cold)}) == 4 * len(sizes), "anybody can be the first"


@pytest.mark.parametrize(("mine", "theirs", "both"), [(3, 2, 2), (2, 3, 2), (3, 3, 3)])
def test_who_is_there_is_known_to_all_models_around(
    mine: int, theirs: int, both: int, tmp_path: Path
) -> None:
    """The smaller number of workers and of rounds counts."""
    trace = replayed(tmp_path, 7, theirs)
    model = Heterogeneous(base=trace, factors=(1.0,) * mine)
    assert (model.workers_available(), model.rounds_available()) == (both, 7)
    spread = Heterogeneous(base=trace, spread=0.1)
    assert spread.workers_available() == theirs
    short = replayed(tmp_path, mine, 1)
    for own in (
        OwnLaws(base=SECOND, workers=(0, 1), models=(replayed(tmp_path, theirs, 1), short)),
        OwnLaws(base=replayed(tmp_path, theirs, 2), workers=(1,), models=(short,)),
    ):
        assert own.rounds_available() == both
    assert OwnLaws(base=short, workers=(0,), models=(SECOND,)).rounds_available() == mine


# Workers with laws of their own: only they differ, and each as its own model says.


FAST, SLOW = MODELS["deterministic"](value=1.0), MODELS["deterministic"](value=5.0)
SPELLS = MODELS["markov"](slow_to_slow=0.95, fast_to_slow=0.01, fast=FAST, slow=SLOW)


def test_each_follows_its_own() -> None:
    """Worker 2 has spells, worker 0 is always slow, worker 9 is not there, all others are fast."""
    model = OwnLaws(base=FAST, workers=(2, 0, 9), models=(SPELLS, SLOW, SLOW))
    rows = Tape(model, 5, seed=1, replication=0).rows(0, 40_000)
    assert np.all(rows[:, [1, 3, 4]] == 1.0)
    assert np.all(rows[:, 0] == 5.0)
    slow = rows[:, 2] == 5.0
    share = 0.01 / (0.01 + 0.05)
    # A chain with persistence 0.94 has (1 + 0.94) / (1 - 0.94) times the variance of the mean.
    error = np.sqrt(share * (1 - share) / len(slow) * 1.94 / 0.06)
    assert slow.mean() == pytest.approx(share, abs=4.9 * error)
    assert slow[1:][slow[:-1]].mean() == pytest.approx(0.95, abs=0.02)


def test_the_model_of_a_worker_needs_one_worker_and_the_base_needs_all(tmp_path: Path) -> None:
    """A table of one host serves one worker of any cluster; one of two hosts serves none."""
    one, two = replayed(tmp_path, 5, 1), replayed(tmp_path, 4, 2)
    model = OwnLaws(base=FAST, workers=(1, 9), models=(one, two))
    assert (model.workers_required(), model.workers_available()) == (None, None)
    model.require_workers(4)  # without worker 9
    with pytest.raises(ConfigError, match="models = 2: hosts in the trace of worker 9"):
        model.require_workers(10)
    np.testing.assert_array_equal(Tape(model, 4, seed=1, replication=0).rows(0, 5)[:, 0], 1.0)
    assert OwnLaws(base=two, workers=(1,), models=(one,)).workers_required() == 2
    racks = MODELS["group_effects"](base=FAST, size=3, placement="within", factor=FAST)
    with pytest.raises(ConfigError, match="size = 3"):
        OwnLaws(base=racks, workers=(1,), models=(FAST,)).require_workers(4)
    OwnLaws(base=FAST, workers=(1,), models=(replace(racks, size=1),)).require_workers(4)


@pytest.mark.parametrize(
    ("workers", "models", "word"),
    [
        ((0, 1), (FAST,), "1 models for 2 workers"),
        ((1, 1), (FAST, SLOW), "named twice"),
        ((), (), "at least 1"),
        ((-1,), (FAST,), "greater than or equal to 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    workers: tuple[int, ...], models: tuple[object, ...], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        OwnLaws(base=FAST, workers=workers, models=models)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["measured_rounds", "trace"])
def test_a_stretch_of_measured_rounds_goes_on_from_block_to_block(
    model: str, tmp_path: Path
) -> None:
    """And lasts so many rounds in the mean: a stretch ends with a chance of 1 / stretch, and of
    those that begin one in seven begins where the last one ended."""
    seconds = np.array([5.0, 1.0, 3.0, 7.0, 2.0, 6.0, 4.0])
    table, place = np.stack([0.37 * seconds, 1 / seconds], axis=1), np.argsort(seconds)
    np.savez(tmp_path / "t.npz", table)
    fields: dict[str, Any] = {"path": str(tmp_path / "t.npz"), "resample": "rounds"}
    fields = fields if model == "trace" else {"seconds": tuple(map(tuple, table.tolist()))}
    endless = MODELS[model](stretch=1e9, **fields)
    rng, state, rows = np.random.default_rng(0), 3, list[int]()
    for rounds in (4, 1, 5):
        drawn, state = endless.evolve(state, rng, rounds, 2)
        rows += place[np.rint(drawn[:, 0] / 0.37).astype(int) - 1].tolist()
    assert rows == [3, 4, 5, 6, 0, 1, 2, 3, 4, 5]
    drawn = Tape(MODELS[model](stretch=4.0, **fields), 2, 0, 0).rows(0, 4000)[:, 0]
    begins = (np.diff(place[np.rint(drawn / 0.37).astype(int) - 1]) % 7 != 1).mean()
    chance = 6 / 7 / 4
    assert abs(begins - chance) < 4.9 * np.sqrt(chance * (1 - chance) / 3999)


def test_measured_rounds_have_as_many_workers_each() -> None:
    text = "1 workers in one round and 3 in another; must be as many in each"
    with pytest.raises(ConfigError, match=text):
        MeasuredRounds(seconds=((1.0,), (1.0, 2.0, 3.0), (1.0, 2.0)))
