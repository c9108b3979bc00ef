"""Rounds by the law of their length, held to closed forms and to the batch engine.

Speaks to the law itself: chances of arrivals at the end, the law of a round, blocks of draws.
"""

from __future__ import annotations

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, LoadLaw, PerPartition, Proportional
from erasurehead.schemes import SCHEMES, Scheme
from erasurehead.sim.engines import law
from erasurehead.sim.schemes.arrivals import Arrivals
from tests.sim.engines.agreement import batch, by_law, run_of
from tests.statistics import assert_z

UNIT = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
GAMMA = MODELS["gamma"](shape=2.5, scale=0.4)
ROUNDS = 20_000


def twelve(scheme: Scheme, law: LoadLaw, model=UNIT) -> tuple:
    """The words of a run of one replication."""
    return scheme, [Tape(model, scheme.workers, 3, 0)], law, ROUNDS


SCHEMES_OF_TWELVE = [
    SCHEMES["uncoded"](),
    SCHEMES["ignore_stragglers"](wait_for=7),
    SCHEMES["cyclic_repetition"](load=4),
    SCHEMES["fractional_repetition"](load=3),
    SCHEMES["erasurehead"](load=3, wait_for=6),
    SCHEMES["erasurehead"](load=6, wait_for=4),  # groups are few and large
]


@pytest.mark.parametrize("delays", [UNIT, GAMMA], ids=["shifted_exponential", "gamma"])
@pytest.mark.parametrize(
    "load_law",
    [Proportional(), Additive(seconds_per_partition=0.25), PerPartition()],
    ids=["proportional", "additive", "per_partition"],
)
@pytest.mark.parametrize("family", SCHEMES_OF_TWELVE, ids=lambda family: repr(family)[:40])
def test_lengths_have_the_law_of_theory(family, load_law, delays):
    """Catches a wrong order statistic, a wrong number of arrivals, and a load used twice."""
    scheme = family.build(12)
    expected = eh.theory.scheme_iteration_time(scheme, delays, load_law)
    if not isinstance(expected, eh.theory.IterationTimeLaw):
        assert isinstance(load_law, PerPartition)
        return
    lengths = by_law.simulate(*twelve(scheme, load_law, delays)).intervals[0]
    assert_z(lengths, expected.mean())
    points = np.quantile(lengths, [0.02, 0.25, 0.5, 0.75, 0.98])
    assert_z(lengths[:, None] <= points, expected.cdf(points), "share of rounds")


@pytest.mark.parametrize("family", SCHEMES_OF_TWELVE, ids=lambda family: repr(family)[:40])
def test_drained_rounds_open_as_in_the_batch_engine(family):
    """Catches a last arrival that is drawn as if nobody had arrived before it."""
    run = *twelve(family.build(12), Proportional()), "drain"
    fast, plain = by_law.simulate(*run), batch.simulate(*run, heard=False, work=False)
    for moment in (1, 2):
        ours, theirs = fast.intervals[0, 1:] ** moment, plain.intervals[0, 1:] ** moment
        noise = np.hypot(ours.std(), theirs.std()) / np.sqrt(ROUNDS)
        assert abs(ours.mean() - theirs.mean()) < 4.9 * noise
    # The wait for those left behind belongs to the round that they hold up.
    assert np.corrcoef(fast.intervals[0, 1:-1], fast.intervals[0, 2:])[0, 1] == pytest.approx(
        np.corrcoef(plain.intervals[0, 1:-1], plain.intervals[0, 2:])[0, 1], abs=0.05
    )


@pytest.mark.parametrize(
    "arrivals",
    [
        Arrivals(12, 0, 12, 3),
        Arrivals(12, 5, 8, 3),
        Arrivals(40, 0, 40, 20),
        Arrivals(6, 0, 6, 1),
        Arrivals(4800, 0, 4800, 240),  # most chances of a group are too small for numbers
    ],
    ids=str,
)
def test_arrivals_at_the_end_have_the_exact_chances(arrivals):
    """Both ways of drawing them: classes of groups, and groups that are few and large."""
    counts = np.concatenate(
        [law.arrivals_at_the_end(arrivals, np.random.default_rng(seed)) for seed in range(3)]
    )
    chances = arrivals.not_enough
    some = np.flatnonzero((chances > 1e-3) & (chances < 1 - 1e-3))
    assert_z(counts[:, None] > some, chances[some], "chance that m are not enough")
    assert counts.min() >= np.count_nonzero(chances == 1.0)
    assert counts.max() <= arrivals.high


def test_a_million_workers_are_as_cheap_as_ten():
    family = SCHEMES["erasurehead"](load=5, wait_for=500_000)
    scheme = family.build(1_000_000)
    lengths = by_law.simulate(*twelve(scheme, Proportional())).intervals[0]
    assert_z(lengths, 5 * (1 + np.log(2) / 2))  # half of them have arrived at the median


def test_a_longer_run_begins_with_the_shorter_one():
    def times(iterations, replications):
        size = {"workers": 12, "iterations": iterations, "replications": replications, "seed": 3}
        scheme = eh.schemes.ErasureHead(load=3, wait_for=6)
        return eh.simulate(scheme, UNIT, engine="law", **size).times

    long, short = times(law.ROUNDS_DRAWN + 100, 2), times(law.ROUNDS_DRAWN + 7, 1)
    assert np.array_equal(long[:1, : law.ROUNDS_DRAWN + 7], short)
    assert not np.array_equal(long[0], long[1])
    assert len(np.unique(np.diff(long[0]))) > law.ROUNDS_DRAWN  # no block is drawn twice


KNOWN = "engine = 'law': the law of a round is known "
SPLIT = SCHEMES["heterogeneity_aware"](load=2, speeds=(1,) * 4 + (2,) * 4 + (4,) * 4)
PLAIN = SCHEMES["uncoded"]()
MARKOV = MODELS["heterogeneous"](base=UNIT, spread=0.3)
FIXED = "for schemes with rounds whose plan never changes"


@pytest.mark.parametrize(
    ("scheme", "rest", "reason"),
    [
        (SCHEMES["asynchronous"](), {}, FIXED),
        (SCHEMES["k_batch_sync"].examples()[0], {}, FIXED),
        (SCHEMES["drop_compute"].examples()[0], {}, ""),
        (SCHEMES["sequential"](B=1, W=2, stragglers=2, tolerance=0.5), {}, FIXED),
        (SCHEMES["multi_message"](load=2), {}, "for one message per worker"),
        (SCHEMES["speculative"](copy_after=8), {}, "for one message per worker"),
        (SCHEMES["local_sgd"](steps=2), {}, "where workers take no local steps"),
        (SCHEMES["local_sgd"](steps=2, levels={1: 3}), {}, "where workers take no local steps"),
        (PLAIN, {"policy": "queue"}, "under cancel and drain, without network and failures"),
        (PLAIN, {"policy": "finish"}, "under cancel and drain, without network and failures"),
        (PLAIN, {"network": {"broadcast_latency": 0.1}}, "under cancel and drain, without network"),
        (PLAIN, {"failures": {"max_wait": 9.0}}, "where no max_wait ends the run"),
        (SPLIT, {}, "where all workers have the same load"),
        (PLAIN, {"delay": MARKOV}, "for independent delays with quantiles"),
        (PLAIN, {"delay": MODELS["markov"].examples()[0]}, "for independent delays with quantiles"),
    ],
)
def test_why_the_law_of_a_round_is_not_known(scheme, rest, reason):
    with pytest.raises(eh.ConfigError) as refused:
        eh.simulate(scheme, workers=12, engine="law", **{"delay": UNIT} | rest)
    assert str(refused.value).startswith(KNOWN + reason)


def test_rounds_and_arrivals_are_refused():
    """Catches the batch engine's rounds, or the event engine's, under the law's name."""
    with pytest.raises(ValueError, match="the clock alone"):
        run_of(*twelve(PLAIN.build(12), Proportional())).chosen("law")
    run = eh.simulate(PLAIN, UNIT, workers=12, engine="law")
    for name in ("arrived", "weights", "decoding_error"):
        with pytest.raises(eh.ConfigError, match="the clock alone"):
            getattr(run, name)


@pytest.mark.parametrize(
    ("scheme", "own", "load"),
    [
        (PLAIN, Proportional(), 1.0),
        (SCHEMES["fractional_repetition"](load=3), Proportional(), 3.0),
        (SCHEMES["fractional_repetition"](load=3), PerPartition(), 1.0),  # of the sum of three
    ],
)
def test_the_law_of_a_worker_in_a_round(scheme, own, load):
    """Of so many partitions, or of the sum of their draws."""
    found = law.round_law(run_of(*twelve(scheme.build(12), own, GAMMA)))
    assert not isinstance(found, str)
    assert found.load == load
    mean = GAMMA.mean() * (3 if isinstance(own, PerPartition) else 1)
    assert found.delay.mean() == pytest.approx(mean)
