"""Delay sections that could stand for a measured cluster, from simple to full, and the choice.

The base law is the family with the best order statistics, or the one with the best AIC. Around it
go cold starts, a factor per round, a factor per worker, and memory, where the data show them. Cold
starts, memory, and a factor that explains much of the variance are always used; a factor that
explains little is used only if it improves the order statistics by more than ``GAIN``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from delay_models import DelayModel
from delay_models.base import FloatArray
from delay_models.parametric import LogNormal
from experiments.config.build import delay_model
from experiments.fit.laws.goodness import observed_order_statistics, order_error
from experiments.fit.laws.law import CannotFit, Family, TwoLogNormals, fitted, rounded
from experiments.fit.laws.lognormals import fit_two_lognormals
from experiments.fit.laws.memory import Memory
from experiments.fit.laws.variance import Variance
from experiments.fit.subject import Subject

MUCH = 0.2
"""A factor that explains at least this share of the variance is always used."""

LITTLE = 0.02
"""A factor that explains less than this share is never used."""

CHANCE = 0.01
GAIN = 0.01
NARROWEST = 0.1
FEWEST_FACTORS = 10
CELLS, MOST_ROUNDS = 5_000_000, 20_000
SEED = 20190405


@dataclass(frozen=True, eq=False)
class Candidate:
    """A delay section and what it predicts.

    Attributes:
        section: the ``delay:`` section.
        predicted: mean k-th smallest delay of a round, ``(K,)`` seconds.
        error: mean over k of ``|log(predicted / observed)|``.
        why: the parts, in words.
    """

    section: dict[str, Any]
    predicted: FloatArray
    error: float
    why: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """Which parts go around the base law."""

    round: bool = False
    worker: bool = False


def choose(
    subject: Subject,
    families: Sequence[Family],
    mixture: TwoLogNormals | None,
    variance: Variance | None,
    memory: Memory | None,
    ks: Sequence[int],
) -> Candidate:
    """The section to simulate with.

    Args:
        subject: what was measured.
        families: of the base law, all of them are tried, the preferred one first.
        mixture: two lognormals fitted to the bulk: the states of a memory.
        variance: of the bulk.
        memory: of the bulk.
        ks: the order statistics to compare.
    """
    observed = observed_order_statistics(subject.rounds, ks)
    must, may = _parts(variance)
    options = [must]
    for part in may:
        grown = [Parts(p.round or part == "round", p.worker or part == "worker") for p in options]
        options += grown
    best: Candidate | None = None
    for parts, family in itertools.product(options, families):
        section, why = _section(subject, family, mixture, variance, memory, parts)
        predicted = simulated_order_statistics(delay_model(section), subject.workers, ks)
        error = order_error(predicted, observed)
        if best is None or error < best.error - GAIN:
            best = Candidate(section, predicted, error, tuple(why))
    assert best is not None
    return best


def simulated_order_statistics(model: DelayModel, workers: int, ks: Sequence[int]) -> FloatArray:
    """Mean k-th smallest of n delays over many simulated rounds, ``(K,)`` seconds; seeded.

    Drawn in several independent runs, so that a model with a memory or with drawn workers has more
    than one start.
    """
    rounds = int(np.clip(CELLS // workers, 200, MOST_ROUNDS))
    runs = 20
    total = np.zeros(len(ks))
    for run in range(runs):
        rng = np.random.default_rng([SEED, run])
        table = model.sample(rng, rounds // runs, workers)
        total += observed_order_statistics(table, ks)
    return np.asarray(total / runs)


def _parts(variance: Variance | None) -> tuple[Parts, list[str]]:
    """Parts that must be used, and those that may be."""
    if variance is None:
        return Parts(), []
    chances = {"round": variance.round_chance, "worker": variance.worker_chance}
    there = [p for p in chances if chances[p] <= CHANCE and variance.share(p) >= LITTLE]
    must = {part: part in there and variance.share(part) >= MUCH for part in chances}
    return Parts(**must), [part for part in there if not must[part]]


def _section(
    subject: Subject,
    family: Family,
    mixture: TwoLogNormals | None,
    variance: Variance | None,
    memory: Memory | None,
    parts: Parts,
) -> tuple[dict[str, Any], list[str]]:
    sample, by_round, by_worker = _without_factors(subject, variance, parts)
    why: list[str] = []
    section: dict[str, Any]
    if memory is not None and memory.significant and mixture is not None:
        section = _markov(mixture, memory)
        why.append(f"memory: persistence {memory.persistence:.2f}")
    else:
        section = _base(family, sample)
        why.append(f"base law: {section['model']}")
    if by_worker is not None:
        factors = [rounded_to_4(f) for f in by_worker]
        section = {"model": "heterogeneous", "factors": factors, "base": section}
        why.append("a factor for each worker")
    if by_round is not None:
        section = {"model": "round_effects", "factor": factor_law(by_round), "base": section}
        why.append("a factor for each round")
    if subject.cold is not None:
        section = subject.cold.section(section)
        why.append(f"cold starts in {subject.cold.hit} of {subject.cold.rounds} rounds")
    return section, why


def _base(family: Family, sample: FloatArray) -> dict[str, Any]:
    """The fitted law; a constant where the factors explain everything."""
    try:
        return fitted(family, sample).section()
    except CannotFit:
        return {"model": "deterministic", "value": rounded(float(sample.mean()))}


def _markov(mixture: TwoLogNormals, memory: Memory) -> dict[str, Any]:
    slow, fast = mixture.section()["components"][1], mixture.section()["components"][0]
    return {
        "model": "markov",
        "slow_to_slow": rounded_to_4(memory.slow_to_slow),
        "fast_to_slow": rounded_to_4(memory.fast_to_slow),
        "fast": fast,
        "slow": slow,
    }


def _without_factors(
    subject: Subject, variance: Variance | None, parts: Parts
) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
    """The bulk divided by its factors, and the factors of rounds ``(R,)`` and workers ``(n,)``.

    A factor is the exponential of a mean of logarithms; a worker's is shrunk towards 1 by the part
    of it that is noise (the best linear unbiased prediction of a random effect).
    """
    if not (parts.round or parts.worker) or variance is None:
        return subject.bulk, None, None
    logs = np.log(np.maximum(np.concatenate(subject.bulk_tables), 1e-12))
    by_round = logs.mean(axis=1) - logs.mean()
    by_worker = logs.mean(axis=0) - logs.mean()
    noise = variance.rest / len(logs)
    trust = variance.worker / (variance.worker + noise) if variance.worker > 0 else 0.0
    rest = logs
    if parts.round:
        rest = rest - by_round[:, None]
    if parts.worker:
        rest = rest - trust * by_worker
    return (
        np.exp(rest).ravel(),
        np.exp(by_round) if parts.round else None,
        np.exp(trust * by_worker) if parts.worker else None,
    )


def factor_law(factors: FloatArray) -> dict[str, Any]:
    """A section for the factors of rounds, ``(R,)`` numbers > 0, scaled to median 1.

    Often all rounds are alike but a few, which are slow for all workers. One lognormal would spread
    those few over all rounds; two say that a round is slow with some probability. Two are taken
    where the Bayesian information criterion prefers them, with parts no narrower than a tenth of
    the whole: among a few dozen rounds a part would otherwise sit on a single one.
    """
    factors = factors / np.median(factors)
    logs = np.log(factors)
    mean, sigma = float(logs.mean()), float(logs.std())
    one = {"model": "lognormal", "median": rounded(float(np.exp(mean))), "sigma": rounded(sigma)}
    if len(factors) < FEWEST_FACTORS or sigma <= 0:
        return one
    two = fit_two_lognormals(factors, narrowest=NARROWEST)
    single = LogNormal(median=float(np.exp(mean)), sigma=sigma).distribution().logpdf(factors).sum()
    gain = float(two.logpdf(factors).sum() - single)
    return two.section() if gain > 1.5 * np.log(len(factors)) and _apart(two) else one


def _apart(two: TwoLogNormals) -> bool:
    """Whether each part holds at least about one round."""
    return 1e-3 < two.slow_share < 1 - 1e-3


def rounded_to_4(value: float) -> float:
    """Four significant digits: enough for a factor or a probability."""
    return float(f"{value:.4g}")


def runnable(
    name: str, section: Mapping[str, Any], law: Mapping[str, Any], workers: int, iterations: int
) -> dict[str, Any]:
    """A whole small config with this ``delay:`` and ``load_law:``, for ``erasurehead run``."""
    most = max(1, min(workers - 1, round(0.9 * workers)))
    return {
        "name": name,
        "workers": workers,
        "iterations": iterations,
        "replications": 32,
        "seed": 0,
        "delay": dict(section),
        "load_law": dict(law),
        "schemes": [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": most}],
    }
