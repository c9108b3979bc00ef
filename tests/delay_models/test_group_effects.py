"""Racks that are slow together: how their factors are drawn, and the laws of rounds under them."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from scipy import integrate

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import (
    MODELS,
    DelayModel,
    Deterministic,
    Exponential,
    GroupEffects,
    LogNormal,
    Mixture,
    RoundEffects,
    Spells,
    Tape,
)
from erasurehead.load_laws import Additive, Proportional
from erasurehead.plugins import Run
from erasurehead.schemes import SCHEMES
from erasurehead.sim.engines.simulate import simulate
from erasurehead.theory import IterationTimeLaw, NoFormula, round_theory
from erasurehead.theory import scheme_iteration_time as law_of
from tests.statistics import BOUND, assert_z
from tests.tools import SMALL, pace

SLOW, CHANCE, N = 5.0, 0.1, 24
ONE = Deterministic(value=1.0)
TIMES = Mixture(weights=(1 - CHANCE, CHANCE), components=(ONE, Deterministic(value=SLOW)))
STICKY = MODELS["markov"].examples()[0]


def table(model: DelayModel, workers: int = 12, rounds: int = 40, stream: int = 0) -> np.ndarray:
    return Tape(model, workers, seed=3, replication=1).rows(0, rounds, stream)


# How factors are drawn.


@pytest.mark.parametrize("base", [LogNormal(median=1.0, sigma=0.5), STICKY], ids=["iid", "markov"])
def test_special_cases_have_the_same_bits(base: DelayModel) -> None:
    """One rack is ``round_effects``; a factor of 1 is the base, also where that has conditions."""
    factor = LogNormal(median=1.0, sigma=0.3)
    whole = table(RoundEffects(base=base, factor=factor))
    for rack in ({"size": 12}, {"placement": ["r1"] * 12}, {"size": 12, "placement": "across"}):
        np.testing.assert_array_equal(table(GroupEffects(base=base, factor=factor, **rack)), whole)
    for one in (ONE, Spells(slow=1.0, enter=0.2, leave=0.3)):
        plain = GroupEffects(base=base, size=3, factor=one)
        np.testing.assert_array_equal(table(plain), table(base))


@pytest.mark.parametrize(
    ("rack", "of_worker"),
    [
        ({"size": 3}, [0, 0, 0, 1, 1, 1]),
        ({"size": 3, "placement": "across"}, [0, 1, 0, 1, 0, 1]),
        ({"size": 2, "placement": "across"}, [0, 1, 2, 0, 1, 2]),
        ({"placement": ["b", "a", "b", 7, 7, "a"]}, [0, 1, 0, 2, 2, 1]),
    ],
)
def test_workers_of_a_rack_share_a_factor_and_others_do_not(
    rack: dict[str, Any], of_worker: list[int]
) -> None:
    """Also in every stream, since a rack is slow for all tasks of its workers."""
    model = GroupEffects(base=ONE, factor=LogNormal(median=1.0, sigma=0.3), **rack)
    drawn = table(model, workers=6)
    first = [of_worker.index(r) for r in of_worker]
    np.testing.assert_array_equal(drawn, drawn[:, first])
    assert all(len({*row}) == len({*of_worker}) for row in drawn.tolist())
    np.testing.assert_array_equal(table(model, workers=6, stream=2), drawn)


def test_spells_keep_the_mean_and_fade_as_the_chain_does() -> None:
    """pi = a / (a + b) in every round, and a correlation of (1 - a - b)^t after t rounds. Catches
    a start that is not stationary, and enter and leave that are swapped."""
    enter, leave = 0.05, 0.2
    share, fades = enter / (enter + leave), 1 - enter - leave
    model = GroupEffects(base=ONE, size=1, factor=Spells(slow=SLOW, enter=enter, leave=leave))
    assert model.mean() == pytest.approx(1 + (SLOW - 1) * share)
    racks = [Tape(model, 1000, 1, r).rows(0, 13) == SLOW for r in range(40)]
    for lag in (0, 1, 2, 5, 12):
        both = [np.mean(slow[0] & slow[lag]) for slow in racks]
        assert_z(both, share**2 + share * (1 - share) * fades**lag, f"lag {lag}")
    assert_z([slow[12].mean() for slow in racks], share)


def test_the_law_of_a_cell_is_a_mixture() -> None:
    model = GroupEffects(base=Exponential(rate=2.0), size=3, factor=TIMES)
    x = np.linspace(0.01, 9, 30)
    expected = (1 - CHANCE) * np.exp(-2 * x) + CHANCE * np.exp(-2 * x / SLOW)
    np.testing.assert_allclose(model.sf(x), expected, rtol=1e-12)
    assert GroupEffects(base=ONE, size=3, factor=LogNormal(median=1, sigma=0.1)).cdf(1.0) is None


CONSTANT = {"model": "deterministic", "value": 1.0}
MARKOV = {"model": "markov", "slow_to_slow": 0.5, "fast_to_slow": 0.1,
          "fast": CONSTANT, "slow": CONSTANT}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"size": 4}, "delay.size = 4: must divide workers = 6: 1, 2, 3, 6"),
        ({"size": 2, "placement": [0] * 6}, "size = 2: must be left out, since placement lists"),
        ({}, "size: missing; must be how many workers a rack has"),
        ({"placement": [0, 0, 1]}, "workers = 6: the delay model has 3 workers"),
        ({"size": 2, "placement": "between"}, "'between': must be within, across, or a list"),
        ({"size": 2, "factor": {"model": "deterministic", "value": 0}}, "factor: can be 0"),
        (
            {"size": 2, "factor": {"slow": 2, "enter": 0, "leave": 0}},
            "delay.factor: enter and leave are both 0",
        ),
        ({"size": 2, "factor": {"slow": 2, "enter": 0.1}}, "delay.factor.leave: missing"),
        ({"size": 2, "factor": {"enter": 0.1, "leave": 0.1}}, "delay.factor.slow: missing"),
        ({"size": 2, "factor": MARKOV}, "delay.factor: must be a model with independent delays"),
        ({"size": 2, "factor": {"slow": 0, "enter": 0.1, "leave": 0.1}}, "delay.factor.slow = 0"),
    ],
)
def test_refusals_are_one_line(fields: dict[str, Any], line: str) -> None:
    spells = {"slow": 2.0, "enter": 0.1, "leave": 0.5}
    delay = {"model": "group_effects", "base": {"model": "exponential", "rate": 1.0}}
    document = SMALL | {"delay": delay | {"factor": spells} | fields}
    with pytest.raises(ConfigError) as refused:
        eh.run(document)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_array_of_racks_is_refused_in_the_words_of_the_field() -> None:
    """Catches NumPy's line on the truth of an array."""
    with pytest.raises(ConfigError, match=r"placement: .* must be within, across, or a list"):
        GroupEffects(base=ONE, placement=np.arange(6), factor=ONE)  # type: ignore[arg-type]


def test_a_size_is_checked_inside_another_law() -> None:
    inner = GroupEffects(base=ONE, size=4, factor=TIMES)
    with pytest.raises(ConfigError, match=r"delay\.size = 4: must divide workers = 6"):
        eh.run(SMALL | {"delay": eh.delays.Shifted(by=1.0, base=inner)})


@pytest.mark.parametrize("name", ["uncoded", "block_coordinate"])
@pytest.mark.parametrize("place", ["delay", "failures"])
@pytest.mark.parametrize(
    ("law", "line"),
    [
        ({"model": "group_effects", "placement": [0, 0, 1]}, "has 3 workers; must be 1 to 3"),
        ({"model": "group_effects", "size": 4}, "size = 4: must divide workers = 6"),
        ({"model": "heterogeneous", "factors": [1, 2, 3]}, "has 3 workers; must be 1 to 3"),
    ],
    ids=str,
)
def test_laws_of_too_few_workers_are_refused_before_they_are_drawn(
    law: dict[str, Any], line: str, place: str, name: str
) -> None:
    """``block_coordinate`` draws some when it is built; a crash may have a law of its own."""
    base = {"model": "exponential", "rate": 1.0}
    factor = {"factor": {"slow": 2, "enter": 0.1, "leave": 0.2}} if "factors" not in law else {}
    own = {**law, **factor, "base": base}
    document = SMALL | {"delay": base, "schemes": [{"name": name}]}
    document |= {"failures": {"time_to_failure": own, "time_to_repair": base}}
    if place == "delay":
        document |= {"delay": own, "failures": None}
    with pytest.raises(ConfigError) as refused:
        eh.run(document)
    assert line in str(refused.value)


# The laws of rounds: an enumeration of all racks, and for exponential delays an integral.


def racks_of(size: int, placement: str) -> np.ndarray:
    j = np.arange(N)
    return j // size if placement == "within" else j % (N // size)


def of_racks(racks: np.ndarray, given_slow: Any) -> float:
    """The mean of a number that is known where it is known who is slow."""
    count = int(racks.max()) + 1
    chances = (
        (CHANCE ** sum(s) * (1 - CHANCE) ** (count - sum(s)), s)
        for s in itertools.product((0, 1), repeat=count)
    )
    return sum(chance * given_slow(np.array(slow)[racks] == 1) for chance, slow in chances)


PRINTED = {  # mean seconds of fractional repetition, simulated ones with exponential delays
    (3, "within"): (3.2781, 1.609), (3, "across"): (1.0288, 1.038),
    (6, "within"): (2.3756, 1.527), (6, "across"): (1.0148, 1.026),
    (8, "within"): (2.0840, 1.402), (8, "across"): (1.0040, 1.021),
    (12, "within"): (1.7600, 1.403), (12, "across"): (1.0400, 1.073),
}  # fmt: skip
SIMULATED_ERROR = 0.003


@pytest.mark.parametrize(("size", "placement"), PRINTED, ids=str)
def test_fractional_repetition_is_slow_where_a_group_has_only_slow_racks(
    size: int, placement: str
) -> None:
    """Worker times 1 or 5, three to a group; then exponential ones. Catches groups that are taken
    to be independent, though they share racks."""
    racks = racks_of(size, placement)
    scheme = SCHEMES["fractional_repetition"](load=3).build(N)
    exact, simulated = PRINTED[size, placement]

    def lasts(slow: np.ndarray) -> float:
        return SLOW if slow.reshape(-1, 3).all(axis=1).any() else 1.0

    fixed = GroupEffects(base=Deterministic(value=1 / 3), size=size, placement=placement,
                         factor=TIMES)  # fmt: skip
    law = law_of(scheme, fixed, Proportional())
    expected = of_racks(racks, lasts)
    assert law.mean() == pytest.approx(expected, rel=1e-9)
    assert expected == pytest.approx(exact, abs=5.1e-5)

    def going(t: np.ndarray, slow: np.ndarray) -> np.ndarray:
        missing = np.prod(np.exp(-t[:, None, None] / np.where(slow, SLOW, 1.0).reshape(-1, 3)), -1)
        return 1 - np.prod(1 - missing, axis=-1)

    random = GroupEffects(base=Exponential(rate=1.0), size=size, placement=placement, factor=TIMES)
    law = law_of(scheme, random, Additive(seconds_per_partition=0.0))
    t = np.linspace(0, 60, 2001)
    expected = integrate.simpson(of_racks(racks, lambda slow: going(t, slow)), x=t)
    assert law.mean() == pytest.approx(expected, rel=1e-6)
    assert abs(expected - simulated) < BOUND * SIMULATED_ERROR


RULES: list[tuple[str, dict[str, int]]] = [
    ("uncoded", {}),
    ("ignore_stragglers", {"wait_for": 4}),
    ("ignore_stragglers", {"wait_for": 1}),
    ("fractional_repetition", {"load": 3}),
    ("erasurehead", {"load": 2, "wait_for": 4}),
    ("erasurehead", {"load": 3, "wait_for": 5}),
]
PLACED = [
    [0, 1, 0, 2, 2, 1],
    [0, 0, 1, 1, 1, 1],
    [0, 1, 2, 3, 4, 5],
    [0, 1, 2, 0, 1, 2, 2, 1, 0],
    [0, 0, 1, 1, 1, 2, 2],
]


@pytest.mark.parametrize(
    ("name", "fields", "racks"),
    [(*r, p) for r in RULES for p in PLACED if len(p) % r[1].get("load", 1) == 0],
    ids=str,
)
def test_the_law_of_a_round_is_that_of_all_sets_of_arrivals(
    name: str, fields: dict[str, int], racks: list[int]
) -> None:
    """Three factors; racks of different size; every set of workers that may have arrived by t.
    Catches a sum over half of the roots of unity that is right for an even number of workers."""
    n = len(racks)
    chances, factors = (0.7, 0.2, 0.1), (1.0, 2.0, 6.0)
    parts = tuple(Deterministic(value=factor) for factor in factors)
    model = GroupEffects(
        base=Exponential(rate=1.0),
        placement=racks,
        factor=Mixture(weights=chances, components=parts),
    )
    scheme = SCHEMES[name](**fields).build(n)
    sets = np.array([*itertools.product((False, True), repeat=n)])
    enough = scheme.stopping.enough(sets)
    law = law_of(scheme, model, Additive(seconds_per_partition=0.0))
    for t in (0.05, 0.4, 1.0, 3.0, 9.0):
        going = 0.0
        for drawn in itertools.product(range(3), repeat=max(racks) + 1):
            done = 1 - np.exp(-t / np.array(factors)[np.array(drawn)[racks]])
            chance = np.prod(np.where(sets, done, 1 - done), axis=1)
            going += np.prod(np.array(chances)[[*drawn]]) * chance[~enough].sum()
        assert law.sf(t) == pytest.approx(going, abs=1e-12)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("engine", ["batch", "event"])
@pytest.mark.parametrize("factor", [TIMES, Spells(slow=SLOW, enter=0.02, leave=0.18)], ids=repr)
@pytest.mark.parametrize(
    ("name", "fields"),
    [("fractional_repetition", {}), ("erasurehead", {"wait_for": 12}), ("cyclic_mds", {})],
)
def test_a_run_has_the_law(engine: str, factor: Any, name: str, fields: dict[str, int]) -> None:
    """Of the rounds of a run; in spells they depend on each other, and keep their mean."""
    model = GroupEffects(base=Exponential(rate=3.0), size=6, placement="across", factor=factor)
    scheme = SCHEMES[name](load=3, **fields).build(N)
    many, length = (300, 100) if engine == "batch" else (100, 10)
    tapes = [Tape(model, N, 5, r) for r in range(many)]
    run = Run(scheme, tapes, Proportional(), length)
    rounds = np.diff(simulate(run, engine).times, axis=1, prepend=0.0)
    law = law_of(scheme, model, Proportional())
    assert isinstance(law, IterationTimeLaw)
    assert_z(rounds.mean(axis=1), law.mean())
    assert_z(rounds[:, 9], law.mean(), "the tenth round")
    assert_z(((rounds - law.mean()) ** 2).mean(axis=1), law.variance(), "variance")


@pytest.mark.parametrize(("workers", "size"), [(4_000, 1), (100_000, 100), (100_000, 1)])
def test_a_law_of_many_racks_is_given_up_at_once(workers: int, size: int) -> None:
    """All ways to be slow were told apart before they were too many: minutes in each run."""
    scheme, delay = (
        SCHEMES["uncoded"]().build(workers),
        GroupEffects(base=ONE, size=size, factor=TIMES),
    )
    begun = time.process_time()
    assert isinstance(round_theory(scheme, delay, Proportional()).time, NoFormula)
    assert time.process_time() - begun < 3 * pace()


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.1, 2.5])
def test_a_mean_is_infinite_where_there_is_none(alpha: float) -> None:
    """The k-th of n has the tail of n - k + 1 workers, whatever they share. Catches a tail that
    ends where sums round."""
    heavy = MODELS["pareto"](alpha=alpha, scale=1.0)
    model = GroupEffects(base=heavy, size=3, factor=TIMES)
    for k in (5, 8, 9):
        law = law_of(SCHEMES["ignore_stragglers"](wait_for=k).build(9), model, Proportional())
        index = alpha * (10 - k)
        assert (law.mean() < np.inf) == (index > 1)
        assert (law.variance() < np.inf) == (index > 2)


def test_what_has_no_closed_form_says_why() -> None:
    """And a run without racks has the law that it had."""
    scheme = SCHEMES["fractional_repetition"](load=3).build(N)
    continuous = GroupEffects(base=ONE, size=3, factor=LogNormal(median=1.0, sigma=0.2))
    sticky = GroupEffects(base=STICKY, size=3, factor=TIMES)
    for delay in (continuous, sticky):
        assert isinstance(round_theory(scheme, delay, Proportional()).time, NoFormula)
    model = GroupEffects(base=Exponential(rate=1.0), size=3, factor=TIMES)
    local = SCHEMES["local_sgd"](steps=3).build(N)
    speculative = SCHEMES["speculative"](copy_after=12).build(N)
    for other in (local, speculative):
        assert isinstance(round_theory(other, model, Proportional()).time, NoFormula)
    alone = GroupEffects(base=Exponential(rate=1.0), size=1, factor=ONE)
    known = law_of(scheme, Exponential(rate=1.0), Proportional()).mean()
    assert law_of(scheme, alone, Proportional()).mean() == pytest.approx(known, rel=1e-9)


def test_a_run_has_the_closed_form_beside_it() -> None:
    delay = {"model": "group_effects", "size": 3, "placement": "across"}
    delay |= {"base": {"model": "deterministic", "value": 0.5}}
    delay |= {"factor": {"slow": 5.0, "enter": 0.05, "leave": 0.45}}
    document = SMALL | {"delay": delay, "schemes": [{"name": "fractional_repetition", "load": 2}]}
    known = eh.run(document).summary["iteration_time_theory"]
    assert known.tolist() == pytest.approx([1 + 4 * 0.1**2], rel=1e-9)
