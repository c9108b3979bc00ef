"""Schemes whose waiting changes as a run goes on.

Speaks to a course, which is told inner products of gradients as a test wants them.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq

import erasurehead as eh
from erasurehead.delays import MODELS, DelayModel
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import FloatArray, Run, Trace
from erasurehead.schemes import SCHEMES, AdaptiveDeadline, AdaptiveK
from erasurehead.sim.engines.simulate import rounds
from erasurehead.sim.schemes.parts.deadlines import robust_deadline
from tests.sim.engines.agreement import (
    POLICIES,
    both_finish,
    lattice,
    run_of,
    same,
    steady,
)
from tests.sim.schemes.rules import end_by_state, rule_of
from tests.statistics import BOUND
from tests.tools import TableTape, assert_told

# A scheme that looks at gradients: rounds worked out by hand, and from a config to the tables.


Engine = Literal["event", "batch"]
ENGINES: tuple[Engine, Engine] = ("event", "batch")


def told(run: Run, engine: Engine, alignment: FloatArray) -> Trace:
    """Run it, with these inner products: ``(T, R)``."""
    course = rounds(run, engine)
    next(course)
    for row in alignment:
        try:
            course.send((np.zeros(len(row)), row))
        except StopIteration as end:
            trace: Trace = end.value
            return trace
    raise AssertionError("more rounds than inner products")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("family", "signs", "arrivals"),
    [
        # The first gradient has none before it. Then counts 1 and 2, which is above 1; 0 again.
        (AdaptiveK(wait_for=1, step=2, burn_in=0, threshold=1), "0--+--+", [1, 1, 1, 3, 3, 3, 3]),
        # Above 0 from the second round on, but three rounds pass first, and after an increase.
        (AdaptiveK(wait_for=2, burn_in=3, threshold=0), "0-------", [2, 2, 2, 2, 3, 3, 3, 3]),
        # A turn back counts -1, so this one never gets above 0.
        (AdaptiveK(wait_for=2, burn_in=0, threshold=0), "0+-+-+-", [2, 2, 2, 2, 2, 2, 2]),
        # As far as ``most``, and as far as there are workers.
        (AdaptiveK(wait_for=1, step=3, burn_in=0, threshold=0, most=3), "0----", [1, 1, 3, 3, 3]),
        (AdaptiveK(wait_for=2, step=9, burn_in=0, threshold=0), "0--", [2, 2, 5]),
        # By default one more after 11 rounds, if the count is 6 by then; it is -3 at first here.
        (AdaptiveK(wait_for=2), "0" + 11 * "-", [2] * 11 + [3]),
        (AdaptiveK(wait_for=2), "0+++" + 10 * "-", [2] * 13 + [3]),
    ],
)
def test_arrivals_by_hand(family, signs, arrivals, engine):
    """Five workers at 1 to 5 s, so a round lasts as many seconds as arrivals; beside a replication
    whose gradients never turn."""
    scheme = family.build(5)
    run = run_of(scheme, [steady(1, 2, 3, 4, 5)] * 2, Proportional(), len(signs))
    mine = np.array([{"0": 0.0, "-": -2.0, "+": 3.0}[sign] for sign in signs])
    trace = told(run, engine, np.stack([mine, np.zeros(len(signs))], axis=1))
    np.testing.assert_array_equal(trace.intervals[0], arrivals)
    np.testing.assert_array_equal(trace.intervals[1], family.wait_for)
    weights = scheme.steps(trace).step(len(signs) - 1).weights
    last = np.array([arrivals[-1], family.wait_for])
    expected = np.where(np.arange(5) < last[:, None], 5 / last[:, None], 0.0)
    np.testing.assert_allclose(weights, expected)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("step", [0.1, 0.25])
def test_engines_agree_to_the_bit(policy: str, step: float) -> None:
    """On lattices with ties and zeros, each replication with its own number of arrivals."""
    for seed in range(5):
        tapes = lattice(seed, 7, 3, 4, step, 0.0)
        scheme = AdaptiveK(wait_for=2, burn_in=1, threshold=0).build(7)
        run = run_of(scheme, tapes, Proportional(), 20, policy)
        alignment = np.random.default_rng(seed).normal(-0.3, 1.0, (20, 3))
        assert same(*(told(run, engine, alignment) for engine in ENGINES))


BASE: dict[str, Any] = {
    "name": "adaptive",
    "workers": 12,
    "iterations": 40,
    "replications": 3,
    "delay": {"model": "exponential", "rate": 2.0},
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 3.0},
}


def result(scheme: Any, **changes: Any) -> eh.Result:
    return eh.run(BASE | {"schemes": [scheme]} | changes)


def assert_same(one: eh.Result, two: eh.Result) -> None:
    """To the bit, whatever they are called."""
    for table in ("iterations", "workers"):
        alike = (getattr(run, table).select_dtypes("number") for run in (one, two))
        pd.testing.assert_frame_equal(*alike, check_exact=True)


def test_from_a_config_to_the_tables() -> None:
    """The same with both engines; arrivals grow, each replication when its own gradients turn."""
    scheme = {"name": "adaptive_k", "wait_for": 2, "step": 2, "burn_in": 3, "threshold": 0}
    slow, fast = (result(scheme, engine=engine) for engine in ENGINES)
    assert_same(slow, fast)
    arrived = slow.iterations.pivot(index="replication", columns="iteration", values="arrived")
    arrived = arrived.drop(columns=0).to_numpy(dtype=int)
    assert np.all(np.diff(arrived, axis=1) >= 0)
    assert np.all(arrived[:, :4] == 2)
    assert arrived.max() > 2
    assert len(np.unique(arrived, axis=0)) > 1


def test_one_that_never_grows_ignores_stragglers() -> None:
    """With nothing above the threshold, times and losses are those of a fixed number."""
    adaptive = result({"name": "adaptive_k", "wait_for": 5, "threshold": 1000})
    assert_same(adaptive, result({"name": "ignore_stragglers", "wait_for": 5}))


# A deadline that follows past arrivals: rounds worked out by hand, what is cut off, no bias.


def test_rounds_by_hand() -> None:
    """Five workers, kappa = 2, two rounds remembered.

    Round 0 waits for all: 5 s. Median 3, distances 2 1 0 1 2, MAD 1: deadline 3 + 2 = 5.
    Round 1: four in time, the fifth would come at 9: ends at 5.
    Round 2: of 1 1 2 2 3 3 4 4 5 inf the median is 3, distances 2 2 1 1 0 0 1 1 2 inf, median
    1: deadline 5. Everybody is in by 4.
    Round 3: of 1 1 2 2 3 3 4 4 4 inf: median 3, distances 2 2 1 1 0 0 1 1 1 inf, 1: deadline 5.
    """
    table = np.array([[1.0, 2, 3, 4, 5], [1, 2, 3, 4, 9], [1, 2, 3, 4, 4], [9, 2, 9, 9, 9]])
    scheme = AdaptiveDeadline(kappa=2.0, rounds=2).build(5)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 4)
    np.testing.assert_array_equal(trace.intervals[0], [5, 5, 4, 5])
    steps = scheme.steps(trace)
    np.testing.assert_array_equal(steps.arrived(), [[5, 4, 5, 1]])
    np.testing.assert_allclose(steps.step(1).weights, [[1.25] * 4 + [0]])


@pytest.mark.parametrize(
    ("seconds", "deadline"),
    [
        ([4.0, 1.0], 2.5 + 2 * 1.5),
        ([1.0, 2.0, 4.0, 20.0], 3.0 + 2 * 1.5),  # distances 1 1 2 17
        ([1.0, 2.0, 4.0, np.inf], 3.0 + 2 * 1.5),  # 1 1 2 inf
        ([1.0, 2.0, np.inf, np.inf], np.inf),  # between the middle ones: half are too late
        ([1.0, 2.0, 9.0, np.inf, np.inf], 9.0 + 2 * 8.0),  # 7 8 0 inf inf
    ],
)
def test_a_median_is_in_the_middle(seconds: list[float], deadline: float) -> None:
    """Catches the upper of the two middle values of an even count."""
    assert robust_deadline(np.array([seconds]), 2.0)[0] == deadline


def test_at_least_so_many_arrive() -> None:
    """Round 1: median 1 and MAD 0, so the deadline is 1; the third arrival comes at 4."""
    table = np.array([[1.0, 1, 1, 1], [1, 3, 4, 5]])
    scheme = AdaptiveDeadline(kappa=9.0, at_least=3).build(4)
    trace = both_finish(scheme, [TableTape(table)], Proportional(), 2)
    np.testing.assert_array_equal(trace.intervals[0], [1, 4])


# A stop with spread: at median + k MAD of this round's first q arrivals, or of past rounds', for
# any code. Hand and special cases, means beside a simulation that shares nothing, the trap.

WORKERS, FIRST, SPREAD, PAST = 30, 15, 3.0, 10


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("spread", "seconds", "arrived"),
    [(3.0, 5.0, 4), (2.0, 4.0, 4), (1.5, 3.5, 3), (0.5, 3.0, 3), (0.0, 3.0, 3), (99.0, 10.0, 5)],
)
def test_a_spread_by_hand(spread: float, seconds: float, arrived: int, policy: str) -> None:
    """Of 1, 2, 3 the median is 2 and the MAD 1: ends at 2 + k, ties count, not before 3, nor after
    the last. Catches a time from the q-th arrival, and a MAD that is scaled to a normal law."""
    scheme = SCHEMES["ignore_stragglers"](stop={"first": 3, "spread": spread}).build(5)
    trace = both_finish(scheme, [steady(1, 10, 3, 2, 4)], Proportional(), 1, policy)
    assert trace.times[0, 0] == seconds
    assert scheme.steps(trace).arrived()[0, 0] == arrived


def median_of(seconds: FloatArray) -> FloatArray:
    """Of the last axis, by sorting: the middle, or half of the two middle ones."""
    ranked = np.sort(seconds, axis=-1)
    many = ranked.shape[-1]
    return np.asarray((ranked[..., (many - 1) // 2] + ranked[..., many // 2]) / 2)


def closing(seconds: FloatArray) -> FloatArray:
    """median + 3 MAD of the last axis."""
    middle = median_of(seconds)
    return middle + SPREAD * median_of(np.abs(seconds - middle[..., None]))


def this_round(times: FloatArray) -> FloatArray:
    """When rounds of ``(..., n)`` times end, by their own first arrivals."""
    ranked = np.sort(times, axis=-1)
    latest = np.maximum(ranked[..., FIRST - 1], closing(ranked[..., :FIRST]))
    return np.minimum(ranked[..., -1], latest)


def past_rounds(times: FloatArray, censored: bool = True) -> FloatArray:
    """When rounds of ``(R, T, n)`` times end, by the last ten; a late one counts as infinite, or
    not at all."""
    ends = np.empty(times.shape[:2])
    for t in range(times.shape[1]):
        ranked, deadline = np.sort(times[:, t], axis=-1), np.full(len(times), np.inf)
        if t:
            before = slice(max(0, t - PAST), t)
            late = times[:, before] > ends[:, before, None]
            heard = np.where(late, np.inf, times[:, before]).reshape(len(times), -1)
            some = [row if censored else row[np.isfinite(row)] for row in heard]
            deadline = np.array([closing(row) for row in some])
        ends[:, t] = np.minimum(ranked[:, -1], np.maximum(ranked[:, FIRST - 1], deadline))
    return ends


@pytest.mark.parametrize("first", [1, 2, 5, 8])
def test_a_spread_is_by_the_definition(first: int) -> None:
    """With ties and zeros, as a table and told message by message, and from any opening."""
    rng = np.random.default_rng(first)
    tables = rng.integers(0, 9, (200, 8)) * 0.25, rng.lognormal(0.0, 0.5, (200, 8))
    for table, spread in product(tables, (0.0, 0.5, 1.0, 4.0)):
        rule = rule_of({"first": first, "spread": spread}, 8)
        ranked = np.sort(table, axis=1)
        own, middle = ranked[:, :first], median_of(ranked[:, :first])
        closes = middle + spread * median_of(np.abs(own - middle[:, None]))
        expected = np.minimum(ranked[:, -1], np.maximum(own[:, -1], closes))
        ends = rule.stopping_delay(table)
        np.testing.assert_allclose(ends, expected, rtol=1e-15)
        later = rule.stopping_delay(table + 4.0, np.full(len(table), 4.0))
        for row, alone, moved in zip(table, ends, later, strict=True):
            assert end_by_state(rule.stopping_state(8), row) == alone
            assert end_by_state(rule.stopping_state(8, 4.0), row + 4.0, 4.0) == moved


ENDINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"first": 7, "spread": 0.0}, {"first": 7}),
    ({"first": 12, "spread": 2.0}, {"first": 12}),
    ({"adaptive": {"kappa": 2.0, "at_least": 12}}, {"first": 12}),
    ({"adaptive": {"kappa": 1e12}}, {"first": 12}),
    ({"adaptive": {"kappa": 2.0}}, {"any": [{"adaptive": {"kappa": 2.0}}, {"deadline": 1e9}]}),
]


@pytest.mark.parametrize(("stop", "alike"), ENDINGS)
@pytest.mark.parametrize("engine", ENGINES)
def test_special_cases_to_the_bit(stop, alike, engine):
    """No spread is the q-th arrival, q = n everybody; of a code, whose arrivals it decodes."""
    code = {"name": "cyclic_repetition", "load": 3}
    assert_same(*(result(code | {"stop": s}, engine=engine) for s in (stop, alike)))


@pytest.mark.parametrize("policy", ["cancel", "queue"])
def test_the_scheme_is_the_stop_to_the_bit(policy: str) -> None:
    fields = {"kappa": 1.0, "at_least": 4, "rounds": 3}
    scheme = result({"name": "adaptive_deadline"} | fields, policy=policy)
    stop = result({"name": "ignore_stragglers", "stop": {"adaptive": fields}}, policy=policy)
    assert_same(scheme, stop)


@pytest.mark.parametrize(
    ("stop", "seconds"),
    [
        ({"adaptive": {"kappa": 0.5}}, [7.0, 4.25]),  # 10 s if the three were late
        ({"all": [{"first": 5, "spread": 0.5}, {"deadline": 5.0}]}, [7.0, 7.0]),
        ({"first": 3, "spread": 0.5}, [4.0, 4.0]),
    ],
)
def test_who_sends_nothing_is_not_late(stop, seconds, tmp_path) -> None:
    """Four of seven send, at 1, 3, 4 and 7 s: their median is 3.5 and their MAD 1.5."""
    np.savetxt(path := tmp_path / "b.csv", np.diag(SENDING), delimiter=",")
    scheme = SCHEMES["matrix"](path=str(path), stop=stop).build(7)
    law, tape = Additive(seconds_per_partition=0.0), steady(*range(1, 8))
    trace = both_finish(scheme, [tape], law, 2)
    np.testing.assert_array_equal(trace.intervals[0], seconds)


SENDING = [1.0, 0, 1, 1, 0, 0, 1]
LAWS_OF_TIMES: dict[str, tuple[DelayModel, Any]] = {
    "Exp": (MODELS["exponential"](rate=1.0), lambda rng, size: rng.exponential(size=size)),
    "log-normal .3": (
        MODELS["lognormal"](median=1.0, sigma=0.3),
        lambda rng, size: rng.lognormal(0.0, 0.3, size),
    ),
    "5 % × 10, log-normal .1": (
        MODELS["mixture"](
            weights=[0.95, 0.05],
            components=[MODELS["lognormal"](median=m, sigma=0.1) for m in (1.0, 10.0)],
        ),
        lambda rng, size: rng.lognormal(0.0, 0.1, size) * np.where(rng.random(size) < 0.05, 10, 1),
    ),
}
# Seconds of a round and arrivals, of a simulation that is neither the program nor this test's, with
# what its last digit leaves open: as docs/codes.md shows them.
KNOWN = {
    "this round": [(0.8046, 0.0009, 16.69), (1.1029, 0.0005, 18.94), (1.0493, 0.0002, 19.58)],
    "past ten, late ones later than all": [
        (2.123, 0.006, 26.38), (1.581, 0.002, 28.18), (1.218, 0.001, 27.86)
    ],
    "past ten, arrivals only": [(1.268, 0.011, 21.5), (1.486, 0.003, 27.2), (1.183, 0.001, 27.2)],
}  # fmt: skip
STOPS: dict[str, dict[str, Any] | None] = {
    "this round": {"first": FIRST, "spread": SPREAD},
    "past ten, late ones later than all": {"adaptive": {"kappa": SPREAD, "at_least": FIRST}},
    "past ten, arrivals only": None,  # no rule of ours
}


@pytest.mark.parametrize("law", LAWS_OF_TIMES)
@pytest.mark.parametrize("stop", STOPS)
def test_mean_seconds_and_arrivals_of_a_stop_with_spread(stop: str, law: str) -> None:
    """The program beside a simulation of the definition, on other draws, and both beside numbers
    that neither has made. Catches a deadline that starts elsewhere, or counts other arrivals."""
    model, draw = LAWS_OF_TIMES[law]
    times = draw(np.random.default_rng(8), (40, 120, WORKERS))
    ends = this_round(times) if stop == "this round" else past_rounds(times, "only" not in stop)
    heard = np.count_nonzero(times <= ends[..., None], axis=-1)
    mine = np.stack([ends[:, 20:].mean(axis=1), heard[:, 20:].mean(axis=1)], axis=1)
    seconds, error, arrivals = KNOWN[stop][[*LAWS_OF_TIMES].index(law)]
    known, digits = np.array([seconds, arrivals]), np.array([error, 0.03 + 0.1 * ("only" in stop)])
    samples = [mine]
    if (section := STOPS[stop]) is not None:
        size = {"workers": WORKERS, "iterations": 120, "replications": 40, "seed": 9}
        run = eh.simulate(eh.schemes.IgnoreStragglers(stop=section), model, **size)
        seconds = np.diff(run.times, axis=1)[:, 19:].mean(axis=1)
        arrived = run.arrived.sum(axis=2)[:, 20:].mean(axis=1)
        samples.append(np.stack([seconds, arrived], axis=1))
        assert_close(samples[0].mean(axis=0), samples[1].mean(axis=0), *map(spread_of, samples))
    for sample in samples:
        assert_close(sample.mean(axis=0), known, spread_of(sample), digits)


def spread_of(sample: FloatArray) -> FloatArray:
    """The standard error of the mean over the first axis."""
    return np.asarray(sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))


def assert_close(one: FloatArray, other: FloatArray, *errors: FloatArray) -> None:
    assert np.all(np.abs(one - other) < BOUND * np.hypot(*errors)), (one, other)


def after(deadline: float, kappa: float) -> float:
    """median + kappa MAD of Exp(1) up to a deadline."""
    reached = -np.expm1(-deadline)
    middle = -np.log1p(-reached / 2)

    def too_few(distance: float) -> float:
        high = min(middle + distance, deadline)
        return float(np.exp(-max(middle - distance, 0.0)) - np.exp(-high) - reached / 2)

    return float(middle + kappa * brentq(too_few, 0.0, deadline))


@pytest.mark.parametrize(("kappa", "fixed_point"), [(3.0, 1.2946), (2.0, 0.0)])
def test_a_deadline_that_learns_from_arrivals_alone_tightens(kappa, fixed_point):
    """For Exp(1) and many workers: median and MAD of what a deadline lets through give the next
    deadline. Ours, to which a late one is later than all, stays where it would be if nothing were
    cut off: ln 2 + kappa asinh ½."""
    whole = np.log(2.0) + kappa * np.arcsinh(0.5)
    deadline = whole
    for _ in range(3000):
        deadline = after(deadline, kappa)
    assert deadline == pytest.approx(fixed_point, abs=5e-5 if fixed_point else 5e-3)
    times = np.random.default_rng(4).exponential(size=(1, 400_001))
    ours = robust_deadline(np.where(times <= whole, times, np.inf), kappa)
    np.testing.assert_allclose(ours, whole, rtol=5e-3)


def test_the_docs_tell_these_numbers() -> None:
    table = [
        f"| {' | '.join([name, *(f'{s:g} s, {heard:g}' for s, _, heard in row)])} |"
        for name, row in KNOWN.items()
    ]
    whole = np.log(2.0) + 3.0 * np.arcsinh(0.5)
    assert_told("codes.md", *table, f"{whole:.4f}", "1.2946 s with k = 3", "0 with k = 2")


def test_they_are_classes_in_python() -> None:
    """And the words of a config come back from them."""
    stopping = eh.stopping
    either = stopping.Earliest(
        any=(
            stopping.Spread(first=5, spread=1.0),
            stopping.Adaptive(adaptive=stopping.PastDeadline(kappa=1.0, rounds=3)),
        )
    )
    keys = {"any": [{"first": 5, "spread": 1.0}, {"adaptive": {"kappa": 1.0, "rounds": 3}}]}
    named = [{"name": "erasurehead", "load": 3, "stop": keys}]
    runs = [
        eh.run(BASE | {"schemes": s}).iterations
        for s in ([eh.schemes.ErasureHead(load=3, stop=either)], named)
    ]
    pd.testing.assert_frame_equal(runs[0], runs[1], check_exact=True)
