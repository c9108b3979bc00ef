"""Local steps: by hand, against plain loops, and in both engines on the rows of the tape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from scipy.signal import fftconvolve

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, PartlyProportional, PerPartition, Proportional
from erasurehead.plugins import FloatArray
from erasurehead.problems import LeastSquares, Problem
from erasurehead.schemes import SCHEMES, LocalSgd, Outer
from erasurehead.stopping import Deadline
from erasurehead.theory import NoFormula, scheme_iteration_time
from tests.sim.engines.agreement import both, both_finish, both_stuck, event, runs
from tests.sim.engines.agreement import lattice as lattices
from tests.sim.training.test_learner import RULES, dense, make
from tests.statistics import BOUND, assert_z
from tests.tools import LINEAR, TableTape, examples

NESTEROV = Outer(rule="nesterov")
UNIT = MODELS["exponential"](rate=1.0)
UNCODED = SCHEMES["uncoded"]()


def simulated(family: Any, workers: int, iterations: int, **more: Any) -> eh.Simulation:
    """Three replications of exponential workers, unless it is said otherwise."""
    size: dict[str, Any] = {"replications": 3, "seed": 3, "delay": UNIT} | more
    return eh.simulate(family, workers=workers, iterations=iterations, **size)


def lengths(family: Any, workers: int, iterations: int, **more: Any) -> FloatArray:
    """Seconds of a step in each whole round, of one replication; nothing else is made."""
    run = simulated(family, workers, iterations, **{"replications": 1, **more})
    return np.diff(run.times[:, family.steps - 1 :: family.steps], prepend=0.0) / family.steps


# The learner.


def two_workers() -> Problem:
    """f_i = a_i (x - c_i)^2 / 2 with a = (1, 2) and c = (0, 1)."""
    x = np.sqrt(np.array([[0.5], [1.0]]))
    return LeastSquares(x, x[:, 0] * np.array([0.0, 1.0]), partitions=2)


def models(family: LocalSgd, iterations: int) -> float:
    """Where two workers come from 0, at a rate of 1/4."""
    run = simulated(family, 2, iterations, replications=1)
    return float(eh.train(run, two_workers(), QUARTER).final_beta[0, 0])


QUARTER = eh.optimizers.GradientDescent(learning_rate=0.25)


def test_two_workers_by_hand() -> None:
    """Catches a mean of gradients for one of models, a local loss without the factor n, and an
    outer momentum of another form."""
    plain, outer = LocalSgd(steps=2), LocalSgd(steps=2, outer=NESTEROV)
    assert models(plain, 2) == pytest.approx(0.375, rel=1e-14)
    assert models(plain, 4) == pytest.approx(0.52734375, rel=1e-14)
    assert models(plain, 200) == pytest.approx(12 / 19, rel=1e-12)
    assert models(outer, 2) == pytest.approx(0.49875, rel=1e-14)
    assert models(outer, 4) == pytest.approx(0.81626836, rel=1e-7)
    one = LocalSgd(steps=1)
    assert [models(one, t) for t in (1, 2)] == pytest.approx([0.25, 0.40625], rel=1e-14)
    assert models(one, 200) == pytest.approx(2 / 3, rel=1e-12)
    # The fixed point of H steps: (1 - a eta)^H of the distance is left, of each worker.
    left = 1 - (1 - 0.25 * np.array([1.0, 2.0])) ** 5
    assert models(LocalSgd(steps=5), 1000) == pytest.approx(left[1] / left.sum(), rel=1e-12)


def group_after(step: int, levels: dict[int, int]) -> int:
    """How many neighbours average after so many steps of a round."""
    return max((size for period, size in levels.items() if step % period == 0), default=1)


def loop(problem, rule, rate, beta, weights, steps, outer, levels):
    """The model of one replication after each round, example by example; ``weights (U, k)``."""
    X, n, k = dense(problem.X), problem.rows, problem.partitions
    blocks = np.array_split(np.arange(n), k)

    def gradient(i: int, b: FloatArray) -> FloatArray:
        total = np.zeros(len(b))
        for x, label in zip(X[blocks[i]], problem.y[blocks[i]], strict=True):
            if problem.task == "classification":
                total += -label * x / (1 + np.exp(label * (x @ b)))
            else:
                total += -2 * x * (label - x @ b)
        return total * k / n + 2 * problem.l2 * b

    other = np.zeros(len(beta)) if rule == "accelerated" else beta
    velocity, t, found = np.zeros(len(beta)), 0, []
    for heard, count in zip(weights, steps, strict=True):
        ends = [(beta, other)] * k
        for s in range(t, t + count):
            for i, (b, c) in enumerate(ends):
                match rule:
                    case "gd":
                        b = b - rate * gradient(i, b)
                    case "nesterov":
                        y = b + s / (s + 3) * (b - c)
                        b, c = y - rate * gradient(i, y), b
                    case _:
                        theta = 2 / (s + 2)
                        moved = (1 - theta) * b + theta * c - rate * gradient(i, b)
                        b, c = moved, b + (moved - b) / theta
                ends[i] = b, c
            for start in range(0, k, size := group_after(s - t + 1, levels)):
                group = ends[start : start + size]
                ends[start : start + size] = [tuple(np.mean(group, axis=0))] * size
        t += count
        difference = sum(w * (b - beta) for w, (b, _) in zip(heard, ends, strict=True)) / k
        rest = sum(w * (c - other) for w, (_, c) in zip(heard, ends, strict=True)) / k
        velocity = outer[1] * velocity + difference
        move = outer[0] * (difference + outer[1] * velocity)
        other = other + rest + (move - difference if rule != "gd" else 0)
        beta = beta + move
        found.append(beta)
    return found


FAMILIES = [
    LocalSgd(steps=3),
    LocalSgd(steps=3, wait_for=2),
    LocalSgd(steps=2, load=2),
    LocalSgd(steps=4, load=2, wait_for=1),
    LocalSgd(steps=3, wait_for=3, outer=NESTEROV),
    LocalSgd(steps=2, outer=Outer(rule="nesterov", learning_rate=0.4, momentum=0.5)),
    LocalSgd(steps=4, levels={1: 2}),
    LocalSgd(steps=4, levels={2: 2}, outer=NESTEROV),
]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
@pytest.mark.parametrize("loss", LINEAR)
def test_the_learner_is_a_plain_loop(family: LocalSgd, loss: str) -> None:
    """Partitions of different sizes, dense and sparse data, L2, every optimizer, k of n, groups,
    and a last round that is shorter."""
    iterations = 7
    run = simulated(family, 4, iterations)
    counts = [min(family.steps, iterations - start) for start in range(0, iterations, family.steps)]
    group = run.arrived.reshape(3, len(counts), -1, family.load).any(axis=3)
    heard = np.repeat(group, family.load, axis=2)
    weights = heard * (4 / heard.sum(axis=2, keepdims=True))
    outer = (1.0, 0.0)
    if family.outer is not None:
        outer = family.outer.learning_rate or 0.7, family.outer.momentum or 0.9
    for rule in RULES:
        problem, initial = make(loss, sparse_data=rule == "nesterov")
        learned = eh.train(run, problem, RULES[rule](learning_rate=0.2), initial=initial)
        for r in range(3):
            levels = family.levels or {}
            found = loop(problem, rule, 0.2, initial.copy(), weights[r], counts, outer, levels)
            losses = problem.loss(np.array([initial, *found]).T)
            rounds = np.minimum(np.arange(iterations + 1) // family.steps, len(counts) - 1)
            rounds[-1] = len(counts)
            np.testing.assert_allclose(learned.train_loss[r], losses[rounds], rtol=1e-12)
            np.testing.assert_allclose(learned.final_beta[:, r], found[-1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_one_step_and_averaging_is_uncoded(rule: str) -> None:
    """To the bit in time, to 1e-12 in loss; and k of n is ignoring stragglers."""
    problem, initial = make("logistic")
    optimizer = RULES[rule](learning_rate=0.3, decay=0.9)
    pairs: list[tuple[LocalSgd, Any]] = [
        (LocalSgd(steps=1), UNCODED),
        (LocalSgd(steps=1, wait_for=3), SCHEMES["ignore_stragglers"](wait_for=3)),
        (LocalSgd(steps=1, load=2), SCHEMES["fractional_repetition"](load=2)),
    ]
    for pair in pairs:
        one, two = (simulated(family, 4, 20) for family in pair)
        np.testing.assert_array_equal(one.times, two.times)
        found, expected = (eh.train(r, problem, optimizer, initial=initial) for r in (one, two))
        np.testing.assert_allclose(found.train_loss, expected.train_loss, rtol=1e-12)


def test_where_all_are_heard_one_model_stands_for_all_replications() -> None:
    problem, initial = make("logistic")
    optimizer = RULES["accelerated"](learning_rate=0.3)
    for family in (LocalSgd(steps=3, wait_for=3, outer=NESTEROV), LocalSgd(steps=3)):
        learned = eh.train(simulated(family, 4, 8), problem, optimizer, initial=initial)
        alike = (np.ptp(learned.train_loss, axis=0) == 0).all()
        assert alike == (family.wait_for is None)


def test_a_trajectory_without_weight_may_diverge() -> None:
    """Catches 0 times infinity: one partition, which is too steep, is never heard in one run, and
    is in the other."""
    delay = MODELS["heterogeneous"](base=MODELS["deterministic"](value=1.0), factors=(2.0, 1.0))
    run = simulated(LocalSgd(steps=2, wait_for=1), 2, 4, delay=delay, replications=1)
    for steep, finite in (([1e200], [1.0]), True), (([1.0], [1e200]), False):
        problem = LeastSquares(np.array(steep), np.ones(2), partitions=2)
        learned = eh.train(run, problem, QUARTER)
        assert np.isfinite(learned.final_beta).all() == finite


def four_workers(a: tuple[int, ...]) -> Problem:
    """f_i = a_i (x - c_i)^2 / 2 with c = (0, 1, 2, 3)."""
    x = np.sqrt(np.array(a) / 2)[:, None]
    return LeastSquares(x, x[:, 0] * np.arange(4.0), partitions=4)


@pytest.mark.parametrize(
    ("a", "rate", "levels", "first", "second", "end"),
    [
        ((1, 2, 1, 2), 0.25, {2: 2}, 1.362305, 1.587138, 31 / 19),
        ((1, 2, 1, 2), 0.25, None, 1.279297, 1.521664, 1.578313),
        ((1, 4, 1, 1), 0.125, {2: 2}, None, None, 1.384128),
        ((1, 4, 1, 1), 0.125, None, None, None, 1.379832),
    ],
)
def test_four_workers_by_hand(a, rate, levels, first, second, end):
    """The first two rounds and the fixed point. A level can lead closer to the optimum, 5/3, and
    further from it, 9/7. Catches groups of others, and a mean after each step."""
    family, optimizer = LocalSgd(steps=4, levels=levels), RULES["gd"](learning_rate=rate)
    for iterations, expected in ((4, first), (8, second), (240, end)):
        run = simulated(family, 4, iterations, replications=1)
        learned = eh.train(run, four_workers(a), optimizer)
        if expected is not None:
            assert learned.final_beta[0, 0] == pytest.approx(expected, abs=5e-7)


# Times.


@st.composite
def leveled(draw: st.DrawFn) -> LocalSgd:
    """Up to two levels of six workers."""
    ratios = draw(st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 2)))
    periods = np.cumprod(ratios).tolist()
    sizes = draw(st.sampled_from([(2,), (3,), (1,), (1, 2), (1, 3), (2, 2)]))
    levels = dict(zip(periods, sizes, strict=False))
    return LocalSgd(steps=periods[2], levels=levels)


@given(family=leveled(), iterations=st.integers(1, 20), seed=st.integers(0, 10**6))
@examples(100)
def test_levels_are_a_plain_loop(family: LocalSgd, iterations: int, seed: int) -> None:
    """Each worker's clock, step by step, on a lattice, where sums are exact; and who worked."""
    [tape] = lattices(seed, 6, 1, 4, 0.25, 0.0)
    rows, now, ends = tape.rows(0, iterations), 0.0, []
    for start in range(0, iterations, family.steps):
        clocks = np.full(6, now)
        for step, row in enumerate(rows[start : start + family.steps], 1):
            clocks += row
            if step < family.steps:
                size = group_after(step, family.levels or {})
                clocks = np.repeat(clocks.reshape(-1, size).max(axis=1), size)
        now = clocks.max()
        ends.append(now)
    trace = both_finish(family.build(6), [tape], Proportional(), iterations, "finish")
    np.testing.assert_array_equal(trace.times[0], ends)
    np.testing.assert_array_equal(trace.work.busy[0], rows.sum(axis=0))
    np.testing.assert_array_equal(trace.work.useful[0], rows.sum(axis=0))


def test_levels_that_change_nothing() -> None:
    """To the bit: no level, a level of single workers, and of one step."""

    def times(family: Any) -> FloatArray:
        return simulated(family, 6, 25).times

    np.testing.assert_array_equal(times(LocalSgd(steps=1, levels={1: 3})), times(UNCODED))
    for levels in (None, {2: 1}, {6: 3}):
        found = times(LocalSgd(steps=6, levels=levels))
        np.testing.assert_array_equal(found, times(LocalSgd(steps=6)))
    assert not np.array_equal(times(LocalSgd(steps=6, levels={2: 3})), times(LocalSgd(steps=6)))


def test_groups_on_a_network_by_hand() -> None:
    """Models reach workers one after the other: who begins later is waited for, too. Worker 1 has
    the model at 1.5; its group goes on at 3.5, and ends at 4.5 and 5.5; worker 3 ends at 11."""
    network = {"broadcast_latency": 1.0, "dispatch_skew": 0.5, "uplink_latency": 0.25}
    scheme = LocalSgd(steps=2, levels={1: 2}).build(4)
    for third, fourth, seconds in (
        ((1.0, 3.0), 4.0, 1.0 + 1.5 + 4 + 4),
        ((1.0, 3.0), 0.0, 6.0),  # worker 2 ends at 1 + 1 + 1 + 3, where the pair ends at 5.5
        ((1.0, 0.0), 0.0, 5.5),
    ):
        table = np.array([[1.0, 2.0, step, fourth] for step in third])
        trace = both_finish(scheme, [TableTape(table)], Proportional(), 2, network=network)
        np.testing.assert_array_equal(trace.times, [[seconds + 0.25]])


def test_a_worker_that_crashes_does_its_round_again() -> None:
    """Worker 0 crashes at 1.5, is up at 2 and takes both steps anew, by itself; the others go on at
    2, when it would have been there. Without ``max_wait`` there is no such run."""
    table = np.tile([[1.0, 2.0], [1.0, 0.5]], 2)
    up = TableTape(np.tile([[1.5, 99.0], [99.0, 99.0]], 2))
    run = LocalSgd(steps=2, levels={1: 2}).build(4), [TableTape(table)], Proportional(), 2
    lives = [(up, TableTape(np.full((2, 4), 0.5)))]
    assert event.simulate(*run, lives=lives, max_wait=9.0).times.tolist() == [[4.0]]
    with pytest.raises(ValueError, match=r"give failures\.max_wait, or no levels"):
        event.simulate(*run, lives=lives)


ANY = leveled() | st.builds(
    LocalSgd,
    steps=st.integers(1, 9),
    wait_for=st.none() | st.integers(1, 6),
    load=st.sampled_from([1, 2, 3]),
)
LATENT = {"broadcast_latency": 0.1, "dispatch_skew": 0.01, "uplink_latency": 0.25}


@given(
    run=runs(ANY.map(lambda family: family.build(6)), longest=30, replications=st.just(2)),
    network=st.sampled_from([None, LATENT]),
)
@examples(60)
def test_engines_agree(run, network):
    """Whatever the tapes, with ties, zero delays and dead workers; the last round may be short."""
    both(**run, network=network)


ROUNDS = np.array([[1.0, 2.0], [4.0, 1.0], [1.0, 1.0], [2.0, 5.0], [0.5, 0.25]])
SLOW = {"network": {"broadcast_latency": 0.5, "uplink_latency": 0.25}}


@pytest.mark.parametrize(
    ("wait_for", "policy", "around", "ends"),
    [
        (None, "cancel", {}, [5.0, 11.0, 11.5]),
        (None, "cancel", SLOW, [5.75, 12.5, 13.75]),  # the network is crossed once a round
        # The first of two: the other's steps are lost under cancel, and delay its next under finish
        (1, "cancel", {}, [3.0, 6.0, 6.25]),
        (1, "finish", {}, [3.0, 8.0, 8.5]),
    ],
)
def test_a_round_by_hand(wait_for, policy, around, ends) -> None:
    """Steps read successive rows, the last round has one."""
    scheme = LocalSgd(steps=2, wait_for=wait_for).build(2)
    trace = both_finish(scheme, [TableTape(ROUNDS)], Proportional(), 5, policy, **around)
    np.testing.assert_array_equal(trace.times, [ends])
    if ends[0] == 5.0:
        np.testing.assert_array_equal(scheme.steps(trace).clock(5), [[2.5, 5.0, 8.0, 11.0, 11.5]])


def test_a_round_that_cannot_end_is_named_by_its_first_iteration() -> None:
    table = np.ones((8, 2))
    table[6, 1] = np.inf
    error = both_stuck(LocalSgd(steps=3).build(2), [TableTape(table)], Proportional(), 8)
    assert str(error).startswith("iteration 7 ")


def test_each_partition_of_a_step_has_a_draw_of_its_own() -> None:
    """A load of two: both streams of each row; catches rows that are read as streams."""
    tape, family = Tape(UNIT, 4, 1, 0), LocalSgd(steps=3, load=2)
    run = simulated(family, 4, 6, load_law=PerPartition(), replications=1, seed=1)
    each = tape.rows(0, 6, 0) + tape.rows(0, 6, 1)
    sums = np.add.accumulate(each.reshape(2, 3, 4), axis=1)[:, -1]
    rounds = sums.reshape(2, 2, 2).min(axis=2).max(axis=1)
    np.testing.assert_array_equal(run.times[0, 2::3], np.cumsum(rounds))


@pytest.mark.parametrize("workers", [2, 3000])
def test_however_the_tape_is_read(workers: int) -> None:
    """More steps than rows in a block, and rounds across blocks: the rows are what they are."""
    tape = Tape(UNIT, workers, 5, 0)
    steps, iterations = 37, 99 if workers > 2 else 40_000
    run = simulated(LocalSgd(steps=steps), workers, iterations, replications=1, seed=5)
    assert iterations > tape.block_rounds or steps > tape.block_rounds
    rows, starts = tape.rows(0, iterations), range(0, iterations, steps)
    ends = [np.add.accumulate(rows[t : t + steps])[-1].max() for t in starts]
    last = np.minimum(np.array(starts) + steps, iterations) - 1
    np.testing.assert_array_equal(run.times[0, last], np.add.accumulate(ends))


SECONDS = np.linspace(0, 60, 60_001)


def mean_of(order: int, survival: FloatArray, n: int = 30) -> float:
    """E of the order-th of n independent times, of which so many are longer than ``SECONDS``."""
    later = stats.binom.cdf(order - 1, n, 1 - survival)
    return float(integrate.trapezoid(later, SECONDS))


@pytest.mark.parametrize(
    ("steps", "every", "most", "coded"),
    [
        (1, 3.995, 1.545, 2.929),
        (4, 2.286, 1.345, 3.181),
        (10, 1.755, 1.230, 3.165),
        (32, 1.396, 1.133, 3.1125),
        (100, 1.2155, 1.076, 3.070),
    ],
)
def test_mean_seconds_of_a_step(steps: int, every: float, most: float, coded: float) -> None:
    """Order statistics of gamma times, for all of 30, for 24 and for groups of three."""
    times, rounds = stats.gamma(steps, scale=1 / steps), 3000 if steps < 10 else 60_000 // steps
    alone, groups = times.sf(SECONDS), times.sf(SECONDS / 3) ** 3
    cases = [
        (LocalSgd(steps=steps), every, mean_of(30, alone)),
        (LocalSgd(steps=steps, wait_for=24), most, mean_of(24, alone)),
        (LocalSgd(steps=steps, load=3), coded, mean_of(10, groups, 10)),
    ]
    for family, said, known in cases:
        assert known == pytest.approx(said, abs=6e-4)
        law = scheme_iteration_time(family.build(30), UNIT, Proportional())
        assert law.mean() == pytest.approx(known, rel=1e-5)
        assert_z(lengths(family, 30, rounds * steps, seed=8)[0], known, f"{family}")


@pytest.mark.parametrize(
    "load_law", [Additive(seconds_per_partition=0.3), PerPartition(), PartlyProportional(fixed=0.4)]
)
def test_theory_knows_every_load_law(load_law) -> None:
    """Catches costs that are paid once a round, and draws of a step that are counted once."""
    family, delay = LocalSgd(steps=4, load=2, wait_for=7), MODELS["gamma"](shape=0.7, scale=2.0)
    law = scheme_iteration_time(family.build(12), delay, load_law)
    found = lengths(family, 12, 20_000, delay=delay, load_law=load_law, seed=2)
    assert_z(found[0], law.mean())
    timed = LocalSgd(steps=4, stop=Deadline(deadline=1.0)).build(12)
    assert isinstance(scheme_iteration_time(timed, delay, load_law), NoFormula)
    drawn = MODELS["lognormal"](median=1.0, sigma=0.5)
    assert isinstance(scheme_iteration_time(family.build(12), drawn, load_law), NoFormula)


def grid_mean(levels: dict[int, int], steps: int, workers: int, spacing: float = 0.004) -> float:
    """E[L] / H for exponential steps by the recursion, with densities on a grid: the first sum is
    a gamma law, further ones are convolutions by the trapezoidal rule."""
    chain = [*sorted(levels.items()), (steps, workers)]
    seconds = np.arange(0.0, 30.0 + 2.0 * steps, spacing)
    period, size = chain[0]
    reached = stats.gamma.cdf(seconds, period) ** size
    for longer, larger in chain[1:]:
        density = np.gradient(reached, spacing)
        one = density
        for _ in range(longer // period - 1):
            density = fftconvolve(density, one)[: len(seconds)] * spacing
        reached = np.minimum(integrate.cumulative_trapezoid(density, seconds, initial=0.0), 1.0)
        reached = (reached / reached[-1]) ** (larger // size)
        period, size = longer, larger
    return float(integrate.trapezoid(1.0 - reached, seconds)) / steps


@pytest.mark.parametrize(
    ("levels", "steps", "seconds", "error"),
    [
        ({1: 5}, 5, 3.0148, 0.0022),
        ({2: 5}, 10, 2.3526, 0.0013),
        ({5: 5}, 20, 1.8345, 0.0008),
        ({5: 15}, 10, 2.0687, 0.0013),
        ({1: 5, 2: 15}, 10, None, None),
    ],
)
def test_the_law_of_levels(levels, steps, seconds, error):
    """Against the recursion on a grid, a run, and other people's runs. Catches a sum of as many
    copies as the period, and a maximum over as many as the size."""
    family = LocalSgd(steps=steps, levels=levels)
    law = scheme_iteration_time(family.build(30), UNIT, Proportional())
    assert law.mean() == pytest.approx(grid_mean(levels, steps, 30), rel=5e-5)
    assert seconds is None or abs(law.mean() - seconds) < BOUND * error
    rounds = lengths(family, 30, 150 * steps, replications=8).ravel()
    assert_z(rounds, law.mean())
    assert_z((rounds - law.mean()) ** 2, law.variance())
    for chance in (0.1, 0.9):
        assert_z((rounds <= law.quantile(chance)).astype(float), chance)


def test_laws_of_levels_that_are_known_otherwise() -> None:
    """One level of single workers is no level; a constant is exact; a slow worker sets the pace,
    whatever the levels."""
    plain = scheme_iteration_time(LocalSgd(steps=4).build(12), UNIT, Proportional())
    for levels in ({2: 1}, {4: 3}):
        law = scheme_iteration_time(
            LocalSgd(steps=4, levels=levels).build(12), UNIT, Proportional()
        )
        assert law.mean() == pytest.approx(plain.mean(), rel=1e-6)
        assert law.variance() == pytest.approx(plain.variance(), rel=1e-4)
    family = LocalSgd(steps=4, levels={2: 3})
    constant = MODELS["deterministic"](value=0.7)
    law = scheme_iteration_time(family.build(12), constant, Proportional())
    assert (law.mean(), law.variance()) == (pytest.approx(0.7, rel=1e-15), 0.0)
    for load_law in (Additive(seconds_per_partition=0.3), PartlyProportional(fixed=0.2)):
        law = scheme_iteration_time(family.build(12), UNIT, load_law)
        assert_z(lengths(family, 12, 4000, load_law=load_law, seed=1)[0], law.mean())
    for model in (
        MODELS["pareto"](alpha=2.1, scale=1.0),
        MODELS["pareto"](alpha=0.9, scale=1.0),
        MODELS["mixture"](weights=[0.5, 0.5], components=[constant, UNIT]),
    ):
        found = scheme_iteration_time(family.build(12), model, Proportional())
        assert isinstance(found, NoFormula)
    slow = MODELS["heterogeneous"](base=MODELS["deterministic"](value=1.0), factors=[1] * 11 + [2])
    for levels in ({1: 2}, {2: 3}, {1: 2, 4: 6}):
        found = lengths(LocalSgd(steps=8, levels=levels), 12, 16, delay=slow)
        np.testing.assert_array_equal(found, [[2.0, 2.0]])


# Configs, tables, and what is refused.


DOCUMENT: dict[str, Any] = {
    "workers": 6,
    "iterations": 10,
    "replications": 3,
    "seed": 1,
    "delay": {"model": "exponential", "rate": 1.0},
    "problem": {"loss": "least_squares", "dataset": "diabetes"},
    "optimizer": {"rule": "gd", "learning_rate": 0.05},
}


def run_one(scheme: dict[str, Any], **sections: Any) -> pd.DataFrame:
    return eh.run({**DOCUMENT, **sections, "schemes": [{"name": "local_sgd", **scheme}]}).iterations


def test_an_iteration_is_a_local_step() -> None:
    """The loss within a round is that at its opening, and its time is divided equally."""
    frame = run_one({"steps": 4, "wait_for": 4})
    assert len(frame) == 3 * 11
    for _, run in frame.groupby("replication"):
        loss, seconds = run["train_loss"].to_numpy(), run["iteration_time"].to_numpy()[1:]
        assert len(np.unique(loss)) == 4
        np.testing.assert_array_equal(loss[[0, 4, 8]], loss[[3, 7, 9]])
        np.testing.assert_allclose(seconds[:4], seconds[0], rtol=1e-12)
        np.testing.assert_allclose(seconds[8:], seconds[8], rtol=1e-12)
        assert run["arrived"].tolist()[1:] == [4] * 10
        assert run["decoding_error"].to_numpy()[1:] == pytest.approx(6 * 2 / 4)
    clock = run_one({"steps": 4}, record="clock", problem=None, optimizer=None)
    whole = run_one({"steps": 4})
    np.testing.assert_array_equal(clock["time"], whole["time"])


def test_a_replayed_trace_gives_a_row_to_each_step(tmp_path: Path) -> None:
    """One row for a whole round would make H steps exactly H times uncoded; and a trace of T rows
    is enough for T iterations, whatever divides them."""
    table = 0.1 + np.random.default_rng(0).exponential(size=(10, 6))
    np.savez(tmp_path / "t.npz", delays=table)
    delay = {"model": "trace", "path": str(tmp_path / "t.npz")}
    grouped = run_one({"steps": 4, "levels": {2: 3}}, delay=delay, replications=1)
    pairs = np.maximum.reduceat(table[:8].reshape(4, 2, 6).sum(axis=1), [0, 3], axis=1)
    whole = pairs.reshape(2, 2, 2).sum(axis=1).max(axis=1).sum() + table[8:].sum(axis=0).max()
    assert grouped["time"].iloc[-1] == pytest.approx(whole, rel=1e-12)
    for steps in (1, 3, 4, 64):
        frame = run_one({"steps": steps}, delay=delay, replications=1)
        sums = [table[t : t + steps].sum(axis=0).max() for t in range(0, 10, steps)]
        assert frame["time"].iloc[-1] == pytest.approx(sum(sums), rel=1e-12)
        # Between the rounds of a run are those rows of which each is a round of uncoded.
        assert steps == 1 or sum(sums) < table.max(axis=1).sum() * 0.95


def test_a_label_has_the_outer_step() -> None:
    given = {"steps": 2, "outer": {"rule": "nesterov", "momentum": 0.5}}
    label = "local_sgd steps=2 outer(rule=nesterov, momentum=0.5)"
    assert run_one(given)["label"].unique().tolist() == [label]
