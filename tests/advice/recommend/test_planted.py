"""Questions whose answer is known. Speaks to the search where its rungs are looked at, and where
each rate of each scheme is trained to the end."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import erasurehead as eh
from erasurehead.delays import Deterministic, GroupEffects, Mixture
from erasurehead.experiments.advice.recommend import (
    answer,
    compare,
    question,
    reasons,
    request,
    study,
)
from erasurehead.experiments.advice.recommend.search import evaluate, halving, measure
from erasurehead.experiments.config import build
from erasurehead.experiments.run.tuning import ROUND_OFF, replayed
from erasurehead.load_laws import Proportional
from erasurehead.plugins import FloatArray
from erasurehead.schemes import FractionalRepetition
from erasurehead.sim.engines.simulate import simulate
from erasurehead.theory import (
    ExponentialTime,
    GroupErasure,
    IterationTimeLaw,
    harmonic,
    mean_erasurehead,
    mean_k_batch_async,
    scheme_iteration_time,
)
from tests.tools import pace

# Problems whose best answer is known by closed form.


WORKERS, SHIFT, RATE = 30, 1.0, 1.0
DELAY = {"model": "shifted_exponential", "shift": SHIFT, "rate": RATE}
WORK = 0.05


def ask(
    only: str | None = None, options: Mapping[str, Any] | None = None, **document: Any
) -> eh.Advice:
    """The answer for 30 workers under shifted exponential delays, nothing trained."""
    whole = {"workers": WORKERS, "iterations": 100, "delay": DELAY, **document}
    return eh.recommend(whole, progress=False, **({"only": only} | dict(options or {})))


def section_of(found: eh.Advice) -> dict[str, Any]:
    """Of the recommended scheme."""
    return dict(found.config["schemes"][0])


def first_of(found: eh.Advice) -> Any:
    """The row of the recommended scheme."""
    return found.table.iloc[0]


def said_of(found: eh.Advice) -> str:
    """The verdict and what limits it."""
    return f"{found.verdict} {found.limits}"


def erasurehead(load: int, wait_for: int) -> float:
    """Seconds of an exact iteration's progress, additive law: a round over the share heard.

    The mean round is ``d tau + shift + (1/rate) sum_m q_(m-1) / (n - m + 1)``.
    """
    time = ExponentialTime(load * WORK + SHIFT, 1 / RATE)
    seconds = mean_erasurehead(time, WORKERS, load, wait_for)
    return seconds / GroupErasure(WORKERS, load, wait_for).heard


def k_batch_async(wait_for: int) -> float:
    """The same with K random partitions: K E[X] / n for 1 / (rho + s), with
    rho = 1 + (n - 1) / K and s = (n - 1) / K."""
    update = mean_k_batch_async(WORKERS, wait_for, SHIFT + 1 / RATE)
    return update * (1 + 2 * (WORKERS - 1) / wait_for)


def random_partitions_error(wait_for: int) -> float:
    """Mean decoding error of K gradients of random partitions: n (n - 1) / K."""
    return WORKERS * (WORKERS - 1) / wait_for


# Planted problems: the answer is the best by closed form, or within 1 % of it.
#
# How the best is known: nothing is trained, so a scheme's value is the mean time of an update over
# the exact iterations that it counts, and both have closed forms for these three schemes under
# shifted exponential delays (``sim.theory``; the measure of progress is our own definition). The
# closed form also judges what is recommended, so the sampling error of the search cannot hide.


ADDITIVE = {"load_law": {"kind": "additive", "seconds_per_partition": WORK}}
LOADS = (2, 3, 5, 6, 10, 15)
CLOSE = 1.01


def erasurehead_is_found(seed: int) -> None:
    found = ask(only="erasurehead", seed=seed, **ADDITIVE)
    section = section_of(found)
    assert section["name"] == "erasurehead"
    best = min(erasurehead(d, r) for d in LOADS for r in range(1, 30))
    assert erasurehead(section["load"], section["wait_for"]) <= CLOSE * best


def k_batch_async_is_found(seed: int) -> None:
    """The error n (n - 1) / K may be 116 at most: K = 8, as 7 has 124.3 and 8 has 108.8."""
    listed = [3, 5, 6, 7, 8, 9, 10, 12, 15]
    schemes = [{"name": "k_batch_async", "wait_for": listed}]
    wanted = {"max_error": 116.0, "only": "uncoded"}
    found = ask(options=wanted, seed=seed, schemes=schemes)
    fit = [k for k in range(1, 31) if random_partitions_error(k) <= 116]
    best = min(map(k_batch_async, fit))
    assert section_of(found)["wait_for"] in fit
    assert k_batch_async(section_of(found)["wait_for"]) <= CLOSE * best


@pytest.mark.parametrize("pays", [False, True])
def test_coding_pays_where_it_is_known_to(pays: bool) -> None:
    """shift x rate = 10 under a proportional law: a second partition costs 10 / rate, more than all
    stragglers together. Cheap work under the additive law: the words follow the numbers."""
    more = ADDITIVE if pays else {"delay": {**DELAY, "shift": 10.0}}
    found = ask(only="uncoded,fractional_repetition,cyclic_mds", **more)
    assert first_of(found)["scheme"] == ("fractional_repetition" if pays else "uncoded")
    assert bool(re.search("oding does not pay|edundancy is not", said_of(found))) != pays
    if not pays:
        assert said_of(found).startswith("Coding does not pay: keep uncoded")
        assert any("2.00 times" in text for text in found.why if "two partitions" in text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rack", "across"),
    [
        ({"size": 6}, [j // 6 for j in range(24)]),
        ({"size": 8, "placement": "across"}, [j % 3 for j in range(24)]),
        ({"placement": ["a", "b", "c", "d"] * 6}, [j % 4 for j in range(24)]),
    ],
    ids=str,
)
def test_placing_groups_across_racks_pays_as_theory_has_it(
    rack: dict[str, Any], across: list[int]
) -> None:
    """Tasks take 1 s, 5 s in a slow rack; by closed form of both placements, whatever the config's
    own is. Catches an order that is inverted, and workers who lose their rack."""
    times = {"model": "mixture", "weights": [0.9, 0.1]}
    times["components"] = [{"model": "deterministic", "value": value} for value in (1.0, 5.0)]
    base = {"model": "deterministic", "value": 1 / 3}
    document = {"workers": 24, "iterations": 100, "schemes": [
        {"name": "fractional_repetition", "load": 3}, {"name": "uncoded"}
    ]}  # fmt: skip
    document["delay"] = {"model": "group_effects", "base": base, "factor": times, **rack}
    wanted = request.SearchRequest(only="fractional_repetition,uncoded")
    asked = question.ask(document, wanted, None)
    found = study.recommended(asked, evaluate.Evaluator(asked))
    of = found.placement
    assert of is not None
    assert sorted(of.order) == [*range(24)]
    racks = np.array(across)
    ways = np.sort(racks), racks[[*of.order]]
    one, five, third = (Deterministic(value=value) for value in (1.0, 5.0, 1 / 3))
    slow = Mixture(weights=(0.9, 0.1), components=(one, five))
    for way, (middle, low, high) in zip(ways, of.takes, strict=True):
        law = scheme_iteration_time(
            FractionalRepetition(load=int(of.across.load)).build(24),
            GroupEffects(base=third, factor=slow, placement=way.tolist()),
            Proportional(),
        )
        assert isinstance(law, IterationTimeLaw)
        assert abs(middle - 100 * law.mean()) < 4.9 * (high - low) / 3.9
    assert of.pays
    [line] = [line for line in reasons.why(found) if line.startswith("Slow together: ")]
    scheme = f"fractional repetition (d = {int(of.across.load)})"
    assert f"{len({*across})} racks; {scheme} takes " in line
    assert "to place them across racks saves " in line
    assert any("across racks" in step for step in answer.next_steps(found, "winner.yaml"))


def test_nothing_is_said_of_placement_where_no_racks_are_slow() -> None:
    found = ask("fractional_repetition,uncoded", iterations=20)
    assert not any("racks" in line for line in found.why)


@pytest.mark.parametrize(
    ("only", "verdict"),
    [
        pytest.param(None, "Redundancy is not best", marks=pytest.mark.slow),
        ("uncoded,cyclic_repetition,erasurehead", "Coding does not pay"),
    ],
)
def test_the_ranks_of_a_language_model_are_not_coded_and_it_takes_no_two_minutes(
    only: str | None, verdict: str
) -> None:
    """The whole search, in the time of one core, whatever else the machine does. The slowest of 32
    takes 1.4 times the median, and twice the work twice as long."""
    began = time.process_time()
    found = ask(only=only, workers=32, delay={"model": "llm_ranks"})
    assert time.process_time() - began < 120 * max(1.0, pace())
    assert verdict in said_of(found)
    assert any("two partitions takes 2.00 times" in text for text in found.why)


# Planted learning rates: what is best is known, since every rate of every scheme is trained to the
# end of its run, and judged by the words of the docs.


RULES = ("gd", "accelerated", "nesterov")
SCHEMES = (
    "uncoded,ignore_stragglers",
    "erasurehead,fractional_repetition",
    "k_async,cyclic_mds",
    "regular_graph,asynchronous",
    "drop_compute,k_batch_sync",
    "pipelined,window",
)


def planted(seed: int) -> dict[str, Any]:
    """A small question with a problem, drawn anew for each seed."""
    rng = np.random.default_rng(seed)
    loss = ("least_squares", "logistic")[rng.integers(2)]
    return {
        "workers": 6,
        "iterations": int(rng.integers(20, 50)),
        "seed": seed,
        "delay": {
            "model": "shifted_exponential",
            "shift": float(rng.uniform(0.1, 1)),
            "rate": float(rng.uniform(0.3, 3)),
        },
        "load_law": {"kind": "additive", "seconds_per_partition": float(rng.uniform(0.01, 0.3))},
        "problem": {"loss": loss, "dataset": "synthetic", "rows": 60, "features": 4},
        "optimizer": {
            "rule": RULES[rng.integers(3)],
            "learning_rate": float(2 ** rng.uniform(-6, 0)),
        },
    }


def reached(losses: FloatArray, target: float) -> int | None:
    """The first iteration at or below the target, if the loss then stays there once for as many
    iterations in a row as it took to get there (ten at least), or until the end of the run."""
    below = [bool(loss <= target) for loss in losses]
    if True not in below:
        return None
    first = below.index(True)
    whole = [all(below[t : t + max(first, 10) + 1]) for t in range(len(below) - max(first, 10))]
    return first if any(whole) or below[-1] else None


def to_the_end(simulation: measure.CandidateRuns) -> dict[float, compare.Order]:
    """How good each learning rate of a scheme is."""
    there = replace(simulation.budget, other_delays=0)
    data, cell = replace(simulation, budget=there).cell(), simulation.cell()
    learning = build.training(data)
    assert learning is not None
    run = build.run_of(cell.settings, learning.problem.features)
    found = {}
    steps = run.scheme.steps(simulate(run, work=False))
    trained = replayed(run, steps, learning, simulation.rates)
    for rate, runs in zip(simulation.rates, trained, strict=True):
        goal = simulation.goal.value * (1 + ROUND_OFF)
        ends = [reached(losses, goal) for losses in runs.losses]
        pairs = zip(runs.times, ends, strict=True)
        found[rate] = compare.order(
            np.array([np.nan if end is None else row[end] for row, end in pairs])
        )
    return found


def best_rate_is_found(seed: int) -> None:
    """On the last rung that tunes, the best candidate is first, at its best rate, and also at the
    common one; catches a rule that ends a trial of either."""
    asked = question.ask(
        planted(seed), request.SearchRequest(only=SCHEMES[seed % len(SCHEMES)]), None
    )
    evaluator = evaluate.Evaluator(asked)
    found = halving.search(evaluator)
    (replications,) = {r.replications for r in found.rungs if len(r.factors) == 3}
    known, tuned = {}, {}
    for index, row in found.tuned.items():
        if row.run and row.replications == replications:
            rates, budget = row.run.rates, measure.Budget(replications, other_delays=1)
            simulation = evaluator.simulation(found.rows[index], rates, budget)
            known |= {(at, index, rate): row for rate, at in to_the_end(simulation).items()}
            tuned |= {(compare.order(row.values(rate)), index, rate): row for rate in rates}
    assert min(known)[0][0] == 0, "nothing is planted"
    for chosen in ({rate for *_, rate in known}, {asked.common_rate}):
        best, first = (min(key for key in of if key[2] in chosen) for of in (known, tuned))
        if best[0][0] == 0:  # or nobody gets there at the common rate
            assert best[1:] == first[1:]
            np.testing.assert_allclose(best[0], first[0], rtol=5e-12)  # to twelve digits


@pytest.mark.parametrize("seed", [1, 7])  # the quickest; the others are slow
def test_the_planted_rate_is_found(seed: int) -> None:
    best_rate_is_found(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_the_planted_rate_is_found_in_every_case(seed: int) -> None:
    best_rate_is_found(seed)


# Planted kinds of questions, each with its answer by closed form or by brute force: what the first
# line must say, and a value within 2 % of the best that can be had.


WITHIN = 1.02
NORMAL = {"model": "shifted_exponential", "shift": 1.0, "rate": 1.0}
SMALL: dict[str, Any] = {"workers": 12, "iterations": 20, "delay": NORMAL}


def catastrophes(chance: float, slow: float = 1000.0) -> dict[str, Any]:
    """A delay of 1 s, or rarely of many."""
    parts = [{"model": "deterministic", "value": value} for value in (1.0, slow)]
    return {"model": "mixture", "components": parts, "weights": [1 - chance, chance]}


def slower(workers: int, slow: int, factor: float) -> dict[str, Any]:
    """Some workers are slower for good, at random places."""
    factors = [factor] * slow + [1.0] * (workers - slow)
    base = {"model": "shifted_exponential", "shift": 1.0, "rate": 5.0}
    return {"model": "heterogeneous", "base": base, "factors": factors}


def additive(seconds: float) -> dict[str, Any]:
    return {"kind": "additive", "seconds_per_partition": seconds}


Fields = dict[str, Any]
Truth = Callable[[Fields], float]


def best_is(found: eh.Advice, truth: Truth, sections: Iterable[Fields]) -> None:
    """The recommended section is within 2 % of the best of all sections, by the closed form."""
    best = min(map(truth, sections))
    assert truth(section_of(found)) <= WITHIN * best, said_of(found)


def repetition(per_partition: float, shift: float = 1.0, each: float = 0.0) -> Truth:
    """Seconds of a round of 12 workers in groups of d: the slowest of 12 / d minima of d, of which
    further partitions cost so many seconds, or take a share ``each`` of the first one's time."""

    def seconds(fields: Fields) -> float:
        load = fields.get("load", 1)
        times = 1 + each * (load - 1)
        return float(times * (shift + harmonic(12 // load) / load) + load * per_partition)

    return seconds


REPETITIONS = [{}, *({"load": d} for d in (2, 3, 4, 6, 12))]


def best_load(law: dict[str, Any], shift: float = 1.0, **more: Any) -> Callable[[int], None]:
    truth = repetition(
        law.get("seconds_per_partition", 0.0), shift, float(law["kind"] == "proportional")
    )

    def check(seed: int) -> None:
        document = {**SMALL, "delay": {**NORMAL, "shift": shift}, "load_law": law, **more}
        found = ask(only="uncoded,fractional_repetition", seed=seed, **document)
        assert first_of(found)["replications"] > 1, "whatever the config says of its own runs"
        best_is(found, truth, REPETITIONS)

    return check


def best_load_of_those_that_fit(seed: int) -> None:
    found = ask(
        "uncoded,fractional_repetition", {"max_load": 3},
        **SMALL, seed=seed, load_law=additive(0.01),
    )  # fmt: skip
    assert section_of(found)["load"] == 3


def first_k(mean: Callable[[int], float], delay: dict[str, Any]) -> Callable[[int], None]:
    """The best number of arrivals of 12 where an update of K counts K / 12. A deadline is no number
    of arrivals, and may be better."""

    def check(seed: int) -> None:
        found = ask(only="ignore_stragglers", seed=seed, **{**SMALL, "delay": delay})
        takes = {k: mean(k) * 12 / k for k in range(1, 13)}
        seconds = takes.get(section_of(found).get("wait_for"), first_of(found)["value"] / 20)
        assert seconds <= WITHIN * min(takes.values()), said_of(found)

    return check


def exponential_arrival(k: int, shift: float = 0.0) -> float:
    return shift + harmonic(12) - harmonic(12 - k)


def pareto_arrival(k: int) -> float:
    """E[X_(k:12)] of a Pareto law with alpha 1.5 and scale 1."""
    gamma = math.gamma
    return gamma(13) * gamma(13 - k - 1 / 1.5) / (gamma(13 - k) * gamma(13 - 1 / 1.5))


def brute(found: eh.Advice, document: Fields, sections: Iterable[Fields]) -> None:
    """The recommended section is within 2 % of the best of all sections, on delays of their own."""
    there = evaluate.Evaluator(question.ask(document, request.SearchRequest(), None))

    def seconds(section: Fields) -> float:
        budget = measure.Budget(32, other_delays=5)
        result = measure.performance(there.simulation(evaluate.Candidate(0, section), (), budget))
        return np.inf if isinstance(result, str) else float(result["run"].values.mean())

    best = min(map(seconds, sections))
    assert seconds(section_of(found)) <= WITHIN * best, said_of(found)


TWO_SPEEDS = {
    "model": "mixture",
    "weights": [0.8, 0.2],
    "components": [
        {"model": "gamma", "shape": 50.0, "scale": 0.02},
        {"model": "gamma", "shape": 50.0, "scale": 0.1},
    ],
}
TRY: dict[str, Any] = {"workers": 8, "iterations": 20, "delay": TWO_SPEEDS}


def best_of_grid(
    name: str, *grids: Mapping[str, Iterable[float]], **more: Any
) -> Callable[[int], None]:
    """Of grids far beyond what is searched first: one goes on from its edge."""

    def check(seed: int) -> None:
        document = {**TRY, **more, "seed": seed}
        found = ask(only=name, **document)
        values = (itertools.product(*grid.values()) for grid in grids)
        pairs = ((grid, row) for grid, rows in zip(grids, values, strict=True) for row in rows)
        sections = [{"name": name, **dict(zip(grid, row, strict=True))} for grid, row in pairs]
        brute(found, document, sections)

    return check


def between(low: float, high: float, count: int) -> list[float]:
    """So many numbers, each as many times the one before."""
    return np.geomspace(low, high, count).round(3).tolist()


def smallest_batch(name: str, field: str) -> Callable[[int], None]:
    """(K + n - 1) / n seconds: the best K is 1, the edge of what can be."""

    def check(seed: int) -> None:
        delay = {"model": "exponential", "rate": 1.0}
        found = ask(only=name, seed=seed, **{**TRY, "delay": delay})
        if first_of(found)["scheme"] == name:
            assert section_of(found)[field] <= 2, said_of(found)

    return check


def rare(chance: float, criterion: str, begins: str) -> Callable[[int], None]:
    """Ten workers, ten rounds, 1000 s with this chance: what is said first."""

    def check(seed: int) -> None:
        document = {"workers": 10, "iterations": 10, "delay": catastrophes(chance), "seed": seed}
        wanted = {"only": "uncoded,fractional_repetition", "criterion": criterion}
        found = ask(options=wanted, **document)
        assert said_of(found).startswith(begins)
        assert ("in 95 % of the runs" in said_of(found)) == (criterion == "p95")
        if criterion == "mean" and "repetition" in begins:
            assert first_of(found)["value"] <= WITHIN * 20.03

    return check


PAIRS = "The best is fractional repetition (d = 2), 20"


def someone_is_never_heard(slow: int) -> Callable[[int], None]:
    """The best that hears all is recommended; the other one is named, and allowed where asked."""

    def check(seed: int) -> None:
        delay = slower(8, slow, 12.0)
        document = {**TRY, "iterations": 40, "delay": delay, "seed": seed}
        only = "ignore_stragglers,fractional_repetition"
        found = ask(only=only, **document)
        assert not first_of(found)["unheard"]
        assert "--allow-unheard" in said_of(found)
        wanted = {"only": only, "allow_unheard": True}
        found = ask(options=wanted, **document)
        assert section_of(found)["name"] == "ignore_stragglers", said_of(found)
        assert section_of(found).get("wait_for", 1) <= 8 - slow
        assert "hardly ever hears some partition" in said_of(found)

    return check


def test_who_is_unheard_is_no_better_answer_below_the_verdict() -> None:
    """Nowhere but where the slow worker is another in each round, so that all are heard."""
    document = {**TRY, "iterations": 40, "delay": slower(8, 1, 12.0), "seed": 0}
    found = ask(only="ignore_stragglers", **document)
    assert said_of(found).startswith("Keep uncoded, nothing that hears every partition is better")
    better = [line for line in found.why if "is better" in line]
    [text] = better
    assert "; persistence: shuffled each round: ignore stragglers (r = 7) is better" in text


def nobody_is_faster_than_anybody(law: dict[str, Any]) -> Callable[[int], None]:
    """Deterministic: all take 1 s a round, and a stale start is no gain."""

    def check(seed: int) -> None:
        delay = {"model": "deterministic", "value": 1.0}
        document = {"workers": 6, "iterations": 30, "delay": delay, "load_law": law, "seed": seed}
        found = ask(**document)
        assert section_of(found)["name"] == "uncoded", said_of(found)
        assert "less than today's uncoded" not in said_of(found)

    return check


def a_tie_with_all_of_them(seed: int) -> None:
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 12}]
    found = ask(only="uncoded", seed=seed, schemes=schemes, **SMALL)
    assert said_of(found).startswith("Keep uncoded: nothing is surely better, about ")
    assert "gnore stragglers (r = 12) cannot be told apart from it" in said_of(found)


def a_tie_of_two_codes(seed: int) -> None:
    """ErasureHead that waits for all is the repetition code: both end when every group is heard."""
    codes = [{"name": "fractional_repetition", "load": 6},
             {"name": "erasurehead", "load": 6, "wait_for": 12}]  # fmt: skip
    found = ask(only="uncoded", seed=seed, schemes=codes, load_law=additive(0.001), **SMALL)
    first, other = "Keep fractional repetition (d = 6): nothing is surely better, about ", "r = 12)"
    assert said_of(found).startswith(first)
    assert f"ErasureHead (d = 6, {other} cannot be told apart from it" in said_of(found)


KINDS: dict[str, Callable[[int], None]] = {
    "best load and arrivals": erasurehead_is_found,
    "best batch within an error": k_batch_async_is_found,
    "best load, work is cheap": best_load(additive(0.02)),
    "best load, work is dear": best_load(additive(0.3)),
    "best load, work is very dear": best_load(additive(3.0)),
    "best load at the edge": best_load(additive(0.0005)),
    "best load, proportional": best_load({"kind": "proportional"}, 0.05),
    "best load that fits": best_load_of_those_that_fit,
    "best K, exponential": first_k(exponential_arrival, {"model": "exponential", "rate": 1.0}),
    "best K, shifted": first_k(lambda k: exponential_arrival(k, 1.0), NORMAL),
    "best K, heavy tail": first_k(pareto_arrival, {"model": "pareto", "alpha": 1.5, "scale": 1.0}),
    "best patience and pieces": best_of_grid(
        "drop_compute",
        {"pieces": (5, 20, 60, 120), "patience": between(0.2, 4.0, 14)},
        delay=NORMAL,
    ),
    "best patience of a trial": best_of_grid(
        "mindflayer", {"trials": (1, 2, 3), "patience": between(0.9, 8.0, 16)}
    ),
    "best deadline": best_of_grid(
        "ignore_stragglers",
        {"wait_for": range(1, 8)},
        {"deadline": between(0.8, 7.0, 20)},
        schemes=[{"name": "uncoded"}, {"name": "ignore_stragglers", "deadline": 9.0}],
    ),
    "best tolerance": best_of_grid(
        "window", {"tolerance": between(0.05, 6.0, 16), "at_least": (1, 2, 4, 6, 7)}
    ),
    "smallest batch, k_batch_sync": smallest_batch("k_batch_sync", "wait_for"),
    "smallest batch, rennala": smallest_batch("rennala", "batch"),
    # 59.8 s uncoded, 20 s in pairs, though most runs of uncoded take 10 s
    "rare catastrophes": rare(0.0005, "mean", PAIRS),
    # 10 (1 + 999 (1 - (1 - 1e-5)^10)) = 11.0 s uncoded
    "too rare catastrophes": rare(1e-5, "mean", "Coding does not pay: keep uncoded"),
    # 19 of 20 runs have none
    "median": rare(0.0005, "median", "Coding does not pay: keep uncoded, nothing is better: 10 s"),
    # 18 % of the runs have one, so 95 % of them take at most some 1000 s
    "p95": rare(0.002, "p95", PAIRS),
    "one is never heard": someone_is_never_heard(1),
    "two are never heard": someone_is_never_heard(2),
    "deterministic, proportional": nobody_is_faster_than_anybody({"kind": "proportional"}),
    "deterministic, additive": nobody_is_faster_than_anybody(additive(0.1)),
    "one replication": best_load(additive(0.05), replications=1),
    "tie": a_tie_with_all_of_them,
    "tie of codes": a_tie_of_two_codes,
}
QUICK = (
    *("best load at the edge", "best K, shifted", "one is never heard", "one replication"),
    "tie of codes",
)


@pytest.mark.parametrize("kind", QUICK)
def test_a_planted_kind_is_answered(kind: str) -> None:
    KINDS[kind](0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_kind_is_answered_with_every_seed(kind: str, seed: int) -> None:
    KINDS[kind](seed)


# No verdict contradicts its own table.


def at_random(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A small question without a problem, of any kind of delays, criterion and schemes."""
    rng = np.random.default_rng(seed)
    workers = int(rng.integers(4, 11))
    delays: list[dict[str, Any]] = [
        {"model": "shifted_exponential", "shift": float(rng.uniform(0.1, 2)), "rate": 1.0},
        {"model": "pareto", "alpha": float(rng.uniform(1.1, 3)), "scale": 1.0},
        {"model": "lognormal", "sigma": float(rng.uniform(0.2, 2)), "median": 1.0},
        catastrophes(float(10 ** rng.uniform(-4, -1)), float(10 ** rng.uniform(1, 4))),
        slower(workers, 1, float(rng.uniform(1.2, 12))),
        {"model": "deterministic", "value": 1.0},
    ]
    names = ("uncoded", "ignore_stragglers", "fractional_repetition", "erasurehead", "window",
             "drop_compute", "cyclic_mds", "k_async", "mindflayer", "gradient_table")  # fmt: skip
    only = ",".join(rng.choice(names, 3, replace=False))
    document = {
        "workers": workers,
        "iterations": int(rng.integers(1, 25)),
        "seed": seed,
        "delay": delays[rng.integers(len(delays))],
        "load_law": (additive(float(10 ** rng.uniform(-3, 0))), {"kind": "proportional"})[
            rng.integers(2)
        ],
    }
    criterion = ("mean", "mean", "median", "p95")[rng.integers(4)]
    return document, {"only": only, "criterion": criterion, "allow_unheard": bool(seed % 2)}


def no_contradiction(seed: int) -> None:
    """Nobody that may be recommended has a better value, or a ratio below 1, in the table; a tie is
    one that its interval does not exclude, and what is said to be less is less."""
    document, wanted = at_random(seed)
    found = ask(options=wanted, **document)
    table = found.table
    free = table[(table["breaks"] == "") & (table["unheard"] == "")]
    first = free.iloc[0]
    assert first["scheme"] == section_of(found)["name"]
    assert (free["value"] >= first["value"] * (1 - 1e-11)).all(), said_of(found)
    stayed = free[free["left"] == ""]
    assert (stayed["ratio"] >= 1 - 1e-11).all(), said_of(found)
    tied = stayed["ratio_low"].fillna(stayed["ratio"]) <= 1 + 1e-12  # without chance no interval
    assert (stayed["tied"] == (tied | (stayed["label"] == first["label"]))).all()
    text = said_of(found)
    if "% less than" in text:
        assert table[table["today"]]["value"].iloc[0] > first["value"]
    if "eep uncoded" in text:
        assert first["today"]


@pytest.mark.one_in(2)
@pytest.mark.parametrize("seed", [0, 1, 5, 6])
def test_no_verdict_contradicts_its_table(seed: int) -> None:
    no_contradiction(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(48))
def test_no_verdict_contradicts_its_table_at_random(seed: int) -> None:
    no_contradiction(seed)
