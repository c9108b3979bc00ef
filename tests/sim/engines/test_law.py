"""Rounds by the law of their length, held to closed forms and to the batch engine."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, LoadLaw, PerPartition, Proportional
from erasurehead.plugins import Run
from erasurehead.schemes import SCHEMES, Scheme
from erasurehead.sim import theory
from erasurehead.sim.base.errors import EngineRefused
from erasurehead.sim.base.types import Recorder
from erasurehead.sim.engines import law
from erasurehead.sim.engines.run import Cluster, Network, Policy
from erasurehead.sim.engines.simulate import rounds, simulate
from erasurehead.sim.schemes.arrivals import Arrivals
from tests.statistics import assert_z

UNIT = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
GAMMA = MODELS["gamma"](shape=2.5, scale=0.4)
ROUNDS = 20_000


def run_of(scheme: Scheme, law: LoadLaw, model=UNIT, replications=1, **rest) -> Run:
    tapes = [Tape(model, scheme.workers, 3, r) for r in range(replications)]
    return Run(scheme, tapes, law, ROUNDS, **rest)


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
    expected = theory.scheme_iteration_time(scheme, delays, load_law)
    if not isinstance(expected, theory.IterationTimeLaw):
        assert isinstance(load_law, PerPartition)
        return
    lengths = simulate(run_of(scheme, load_law, delays), "law").intervals[0]
    assert_z(lengths, expected.mean())
    points = np.quantile(lengths, [0.02, 0.25, 0.5, 0.75, 0.98])
    assert_z(lengths[:, None] <= points, expected.cdf(points), "share of rounds")


@pytest.mark.parametrize("family", SCHEMES_OF_TWELVE, ids=lambda family: repr(family)[:40])
def test_drained_rounds_open_as_in_the_batch_engine(family):
    """Catches a last arrival that is drawn as if nobody had arrived before it."""
    run = run_of(family.build(12), Proportional(), policy=Policy.DRAIN)
    fast, plain = simulate(run, "law"), simulate(run, "batch", heard=False, work=False)
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
    lengths = simulate(run_of(scheme, Proportional()), "law").intervals[0]
    assert_z(lengths, 5 * (1 + np.log(2) / 2))  # half of them have arrived at the median


def test_a_longer_run_begins_with_the_shorter_one():
    scheme = SCHEMES["erasurehead"](load=3, wait_for=6).build(12)
    tapes = [Tape(UNIT, 12, 3, r) for r in range(2)]
    long = simulate(Run(scheme, tapes, Proportional(), law.ROUNDS_DRAWN + 100), "law").times
    short = simulate(Run(scheme, tapes[:1], Proportional(), law.ROUNDS_DRAWN + 7), "law").times
    assert np.array_equal(long[:1, : law.ROUNDS_DRAWN + 7], short)
    assert not np.array_equal(long[0], long[1])
    assert len(np.unique(np.diff(long[0]))) > law.ROUNDS_DRAWN  # no block is drawn twice


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"policy": Policy.QUEUE}, "cancel and drain"),
        ({"cluster": Cluster(network=Network(uplink_latency=0.1))}, "without network"),
        ({"cluster": Cluster(max_wait=9.0)}, "max_wait"),
        ({"model": MODELS["markov"].examples()[0]}, "independent delays"),
    ],
)
def test_what_it_does_not_know_is_refused(change, reason):
    scheme = SCHEMES["ignore_stragglers"](wait_for=7).build(12)
    with pytest.raises(EngineRefused, match=reason):
        simulate(run_of(scheme, Proportional(), **change), "law")


def test_rounds_and_timelines_are_refused():
    """Catches the batch engine's rounds, or the event engine's timeline, under the law's name."""
    run = run_of(SCHEMES["uncoded"]().build(12), Proportional())
    for refused in (
        lambda: simulate(run, "law", recorder=Recorder()),
        lambda: rounds(run, "law"),
        lambda: run.chosen("law"),
    ):
        with pytest.raises(EngineRefused, match="the clock alone"):
            refused()


@pytest.mark.parametrize("name", ["drop_compute", "asynchronous", "k_batch_sync", "adaptive_k"])
def test_schemes_whose_rounds_have_no_such_law_are_refused(name):
    scheme = SCHEMES[name].examples()[0].build(12)
    with pytest.raises(EngineRefused, match="the law of a round is known"):
        simulate(run_of(scheme, Proportional()), "law")


KNOWN = "the law of a round is known "
SPLIT = SCHEMES["heterogeneity_aware"](load=2, speeds=(1,) * 4 + (2,) * 4 + (4,) * 4)
PLAIN = SCHEMES["uncoded"]()
MARKOV = MODELS["heterogeneous"](base=UNIT, spread=0.3)


@pytest.mark.parametrize(
    ("scheme", "rest", "reason"),
    [
        (SCHEMES["asynchronous"](), {}, "for schemes with rounds whose plan never changes"),
        (SCHEMES["sequential"](B=1, W=2, stragglers=2, tolerance=0.5), {}, "for schemes with ro"),
        (SCHEMES["multi_message"](load=2), {}, "for one message per worker"),
        (SCHEMES["speculative"](copy_after=8), {}, "for one message per worker"),
        (SCHEMES["local_sgd"](steps=2), {}, "where workers take no local steps"),
        (PLAIN, {"policy": Policy.QUEUE}, "under cancel and drain, without network and failures"),
        (
            PLAIN,
            {"cluster": Cluster(Network(broadcast_latency=0.1))},
            "under cancel and drain, without network and",
        ),
        (PLAIN, {"cluster": Cluster(max_wait=9.0)}, "where no max_wait ends the run"),
        (SPLIT, {}, "where all workers have the same load"),
        (PLAIN, {"model": MARKOV}, "for independent delays with quantiles"),
    ],
)
def test_why_the_law_of_a_round_is_not_known(scheme, rest, reason):
    found = law.round_law(run_of(scheme.build(12), Proportional(), **rest))
    assert isinstance(found, str)
    assert found.startswith(KNOWN + reason)


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
    found = law.round_law(run_of(scheme.build(12), own, GAMMA))
    assert not isinstance(found, str)
    assert found.load == load
    mean = GAMMA.mean() * (3 if isinstance(own, PerPartition) else 1)
    assert found.delay.mean() == pytest.approx(mean)
