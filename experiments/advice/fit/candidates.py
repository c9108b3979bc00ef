"""Delay sections that could stand for a measured cluster, from simple to full, and the choice. The
base law is the family with the best AIC, the one that predicts held-out rounds best, or the
empirical one. Around it go a factor or a rank for each worker or round, where workers or rounds
differ at all, and memory, where there is some. The fullest has a law for each worker. All predict
the order statistics of unseen rounds; a later one, which is fuller, must do so better."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....delay_models import DelayModel
from ....delay_models.base import FloatArray
from ....delay_models.mixture import Mixture
from .laws.cold import UnitDelays
from .laws.families import EMPIRICAL, FAMILIES
from .laws.goodness import (
    Fit,
    Fold,
    Score,
    folds,
    observed_order_statistics,
    order_error,
    score,
    waited_for,
)
from .laws.law import model_of
from .laws.variance import NO_EFFECTS, Effects, Memory, Variance
from .laws.workers import Workers, with_own_laws, without
from .recipes import MEASURED_ROUNDS, Recipe, factors, factors_of, laws_of_workers, ranked, states

# An effect that explains at least this share of the variance is part of every candidate: order
# statistics alone do not show who is slow, but codes that group workers depend on it. Whether it
# acts by a factor or on ranks is a matter of what predicts better. One that explains less than the
# smaller share is never used, nor one as large as chance makes it more often than this.
LARGE_SHARE, SMALL_SHARE, EFFECT_CHANCE = 0.2, 0.02, 0.01
# A fuller candidate predicts better by more than the first. Or, since long tables tell smaller
# differences, by more than the second in both splits and by more than this share of the simpler
# one's error: following the sample of a known law gains that much.
LEAST_GAIN, LEAST_GAIN_IN_BOTH, LEAST_GAIN_SHARE = 0.015, 0.002, 0.2
# Weight of the error in which the chance of the folds cancels out, beside the plain one. Without
# it, one round in which everything was slow, which is in one of two folds, decides by itself; with
# that error alone, whatever repeats the measured rounds would win.
BIAS_WEIGHT = 0.5
# A candidate misplaces a worker whose share of rounds among the first k is further than this, and
# than so many standard errors, from the measured one: it is wrong about who, if not when.
MISPLACED_SHARE, MISPLACED_ERRORS = 0.1, 4.0
# Measured rounds are drawn again from so few rounds on, up to so many delays, which are all listed,
# and if loads do not differ by more than this factor from all together.
FEWEST_DRAWN_ROUNDS, MOST_DRAWN_DELAYS, MOST_LOAD_FACTOR = 3, 50_000, 1.1
DELAYS_OF_FOLD = 250_000  # that are simulated of a candidate, which has RUNS runs
RUNS, SEED = 20, 20190405


@dataclass(frozen=True, eq=False)
class LoadFindings:
    """What was found in the unit delays of one load, or of all loads together."""

    delays: UnitDelays  # the unit delays
    fits: list[Fit]  # of each family to the bulk, best prediction of held-out rounds first
    refused: dict[str, str]  # families that cannot fit, with the reason
    variance: Variance | None  # split into worker, round and rest, of the bulk
    memory: Memory | None  # persistence, of the bulk without workers that have spells of their own


def beats(new: Score, old: Score) -> bool:
    """Whether a fuller recipe predicts so much better than a simpler one that it is worth it."""
    if not np.isfinite(old.error):
        return bool(np.isfinite(new.error))
    gain = float(old.error - new.error + BIAS_WEIGHT * (old.bias - new.bias))
    gains = np.subtract(old.together, new.together)
    clear = min(gain, float(gains.min())) > LEAST_GAIN_IN_BOTH
    return gain > LEAST_GAIN or (clear and gain > LEAST_GAIN_SHARE * old.error)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The delay section and what it predicts."""

    section: dict[str, Any]  # the ``delay:`` section
    predicted: FloatArray  # mean k-th smallest delay of a round, ``(K,)`` seconds
    error: float  # mean over k of ``|log(predicted / observed)|``
    off: float  # the largest of these where masters wait
    why: tuple[str, ...]  # what it is made of, in words
    tried: Mapping[Recipe, Score]  # all that competed, the simplest first
    taken: Recipe  # the one of them that was chosen


def choose(findings: LoadFindings, ks: Sequence[int], workers: Workers | None) -> Chosen:
    """The section to simulate with, compared by the order statistics ``ks``. At least one family
    fits. Who is slower for good must be so in the section, so none is taken that misplaces a
    worker, unless all do."""
    delays, n, tables = findings.delays, findings.delays.workers, findings.delays.bulk_tables
    held_out = folds(tables)
    competing = held_out or [Fold(tuple(tables), np.concatenate(tables))]
    measured = [observed_order_statistics(fold.held_out, ks) for fold in competing]
    tried = dict[Recipe, Score]()
    heard = Heard.of(tables, () if workers is None else workers.spelled)
    differ = workers is not None and workers.differ
    effects = effects_of(findings.variance, differ, heard.misplaced(heard.alike))
    taken: Recipe | None = None
    best: Recipe | None = None  # whether or not it misplaces a worker
    for recipe in recipes_of(findings, effects, bool(held_out)):
        models: list[DelayModel] = []
        if (known := recipe.known) is None:
            models = [model_of(recipe.section(fold.sample, fold.seen)) for fold in competing]
            simulated = [simulated_order_statistics(m, n, ks, DELAYS_OF_FOLD) for m in models]
            known = score(simulated, measured)
        tried[recipe] = known
        best = recipe if best is None or beats(known, tried[best]) else best
        better = taken is None or beats(known, tried[taken])
        # of a handful of rounds nobody's place is known
        if better and not (held_out and heard.misses(recipe, models)):
            taken = recipe
    assert best is not None
    taken = taken or best
    section, why = _built(taken, delays, workers)
    every = [*ks, *waited_for(n)]
    own = observed_order_statistics(delays.rounds, every)
    predicted = simulated_order_statistics(model_of(section), n, every, known=0.01)
    of_ks, of_waits = slice(len(ks)), slice(len(ks), None)
    error = order_error(predicted[of_ks], own[of_ks])
    off = order_error(predicted[of_waits], own[of_waits], np.max)
    return Chosen(section, predicted[of_ks], error, off, why, tried, taken)


def bootstrapped(chosen: Chosen, delays: UnitDelays, ks: Sequence[int]) -> Chosen:
    """The measured rounds, drawn again, in place of what was chosen."""
    tables = delays.bulk_tables
    every = folds(tables) or [Fold(tuple(tables), np.concatenate(tables))]
    seen = [observed_order_statistics(np.concatenate(fold.seen), ks) for fold in every]
    measured = [observed_order_statistics(fold.held_out, ks) for fold in every]
    tried = {**chosen.tried, MEASURED_ROUNDS: score(seen, measured)}
    section = MEASURED_ROUNDS.section(np.empty(0), delays.tables)
    own, why = observed_order_statistics(delays.rounds, ks), tuple(MEASURED_ROUNDS.words)
    return Chosen(section, own, 0.0, 0.0, why, tried, MEASURED_ROUNDS)


def may_be_bootstrapped(delays: UnitDelays) -> bool:
    """Whether a table is small enough, and its loads so alike, that its rounds may be drawn."""
    if len(delays.rounds) < FEWEST_DRAWN_ROUNDS or delays.rounds.size > MOST_DRAWN_DELAYS:
        return False
    waits = waited_for(delays.workers)
    own = observed_order_statistics(delays.rounds, waits)
    of_loads = (observed_order_statistics(table, waits) for table in delays.tables)
    most = np.log(MOST_LOAD_FACTOR)
    return all(order_error(seconds, own, np.max) <= most for seconds in of_loads)


@dataclass(frozen=True, eq=False)
class Heard:
    """How often each worker is among the first k of a round, for the k that masters wait for."""

    ks: NDArray[np.int64]  # these k, without n: ``(K,)``
    shares: FloatArray  # of the rounds, ``(K, n)``
    rounds: int  # how many
    errors: FloatArray  # their standard errors, ``(K, n)``, from batches of successive rounds
    judged: NDArray[np.bool_]  # ``(n,)``, workers to be placed: without a law of their own

    @classmethod
    def of(cls, tables: Sequence[FloatArray], own: Collection[int]) -> Heard:
        """In ``(rounds, n)`` tables; workers with an ``own`` law are not judged."""
        rounds = np.concatenate(tables)
        n = rounds.shape[1]
        ks = np.array(sorted({*waited_for(n)[:-1], max(1, n - 1)}), dtype=np.int64)
        first = _first(rounds, ks)
        errors, count = np.zeros(first.shape[1:]), isqrt(len(first))
        if count > 1:
            means = [batch.mean(axis=0) for batch in np.array_split(first, count)]
            errors = np.std(means, axis=0, ddof=1) / np.sqrt(count)
        return cls(ks, first.mean(axis=0), len(first), errors, ~np.isin(np.arange(n), [*own]))

    def misses(self, recipe: Recipe, models: Sequence[DelayModel]) -> bool:
        """Whether a recipe misplaces a worker, by its models of the folds, if it has any."""
        if not (recipe.effects.worker or recipe.own_laws):
            return self.misplaced(self.alike)
        n = len(self.judged)
        rounds = max(200, DELAYS_OF_FOLD // n)
        tables = (model.sample(np.random.default_rng(SEED), rounds, n) for model in models)
        firsts = [_first(table, self.ks).mean(axis=0) for table in tables]
        return self.misplaced(np.mean(firsts, axis=0))

    @property
    def alike(self) -> FloatArray:
        """Shares if workers are alike, ``(K, n)``."""
        return np.broadcast_to(self.ks[:, None] / len(self.judged), self.shares.shape)

    def misplaced(self, shares: FloatArray) -> bool:
        """Whether such shares, ``(K, n)``, misplace a worker."""
        chance = np.sqrt(shares * (1 - shares) / self.rounds)
        most = np.maximum(MISPLACED_SHARE, MISPLACED_ERRORS * np.maximum(self.errors, chance))
        return bool(np.any((np.abs(shares - self.shares) > most)[:, self.judged]))


def _first(rounds: FloatArray, ks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who is among the first k: ``(rounds, n) -> (rounds, K, n)``; of equal delays by chance, as a
    clock that ticks coarsely makes many."""
    lots = np.random.default_rng(SEED).random(rounds.shape)
    order = np.argsort(np.lexsort((lots, rounds), axis=1), axis=1)
    return np.asarray(order[:, None, :] < ks[:, None])


def _built(
    recipe: Recipe, delays: UnitDelays, workers: Workers | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    why, tables = recipe.words, delays.bulk_tables
    if workers is not None and workers.spelled:
        others = without(tables, workers.spelled)
        sample = np.concatenate([table.ravel() for table in others])
        section = with_own_laws(recipe.section(sample, others), tables, workers)
        count = len(workers.spelled)
        why.append(f"a law with spells for {count} worker{'s' if count > 1 else ''}")
    else:
        section = recipe.section(delays.bulk, tables)
    if delays.racks is not None:
        section = delays.racks.section(section)
        why.append(f"slow together: {delays.racks.words}")
    if delays.cold is not None:
        section = delays.cold.section(section)
        why.append(f"cold starts in {delays.cold.hit} of {delays.cold.rounds} rounds")
    return section, tuple(why)


def simulated_order_statistics(
    model: DelayModel,
    workers: int,
    ks: Sequence[int],
    delays: int = 5_000_000,
    known: float = np.inf,
) -> FloatArray:
    """Mean k-th smallest of n delays over many simulated rounds, ``(K,)`` seconds; seeded. In
    several independent runs: a model with a memory or drawn workers has more than one start. In
    five times as many where a relative standard error is larger than is to be ``known``, since few
    long spells make single runs differ."""
    rounds = int(np.clip(delays // workers, 200, 20_000))
    means: list[FloatArray] = []
    for run in range(5 * RUNS):
        rng = np.random.default_rng([SEED, run])
        means.append(observed_order_statistics(model.sample(rng, rounds // RUNS, workers), ks))
        if run + 1 == RUNS:
            errors = np.std(means, axis=0, ddof=1) / np.sqrt(RUNS)
            if not np.any(errors > known * np.mean(means, axis=0)):
                break
    return np.asarray(np.mean(means, axis=0))


def recipes_of(
    findings: LoadFindings, effects: Sequence[Effects], held_out: bool
) -> Iterator[Recipe]:
    """What competes, from simple to full; nothing that follows every delay if none are held out."""
    tables, memory = findings.delays.bulk_tables, findings.memory
    mixture = mixture_of(findings.fits)
    if memory is not None and memory.significant and mixture is not None:
        yield from (states(effect, mixture, memory) for effect in effects)
        if held_out:
            yield from (ranked(effect, spells=True) for effect in effects)
        return
    # Alone: the classic family with the best AIC, the one that predicts best, the empirical law.
    classic = [fit for fit in findings.fits if fit.family is not EMPIRICAL]
    empirical = [fit for fit in findings.fits if fit.family is EMPIRICAL]
    best = dict.fromkeys([min(classic, key=lambda fit: fit.aic), classic[0]]) if classic else {}
    for effect in effects:
        if not effect:
            for fit in (*best, *empirical):
                yield factors(effect, fit.family, fit.law, fit.held_out)
            continue
        yield factors_of([*FAMILIES.values()], tables, effect)
        if held_out:
            yield factors_of([EMPIRICAL], tables, effect)
            yield ranked(effect)
    if held_out and any(effect.worker for effect in effects):
        for by_round in sorted({effect.round for effect in effects}):
            yield laws_of_workers(Effects(round=by_round))


def effects_of(variance: Variance | None, differ: bool, unlike: bool) -> list[Effects]:
    """The effects that are large, alone and with those that are there at all; workers ``differ``
    where some are slower than the others for good, and are ``unlike`` where the order of arrivals
    shows it, though few long delays make most of the variance."""
    if variance is None:
        return [NO_EFFECTS]
    options = {}
    for name, chance in (("worker", variance.worker_chance), ("round", variance.round_chance)):
        share, of_workers = variance.share(name), name == "worker"
        there = chance <= EFFECT_CHANCE and share >= SMALL_SHARE
        large = there and (share >= LARGE_SHARE or (of_workers and differ))
        always = large or (of_workers and unlike)
        options[name] = (True,) if always else (False, True) if there else (False,)
    return [Effects(w, r) for r in options["round"] for w in options["worker"]]


def mixture_of(fits: Sequence[Fit]) -> Mixture | None:
    """The fitted mixture of two lognormals, if it could be fitted."""
    return next((fit.law for fit in fits if isinstance(fit.law, Mixture)), None)
