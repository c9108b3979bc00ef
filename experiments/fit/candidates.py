"""Delay sections that could stand for a measured cluster, from simple to full, and the choice. The
base law is the family with the best AIC, the one that predicts held-out rounds best, or the
empirical one. Around it go a factor or a rank for each worker or round, where workers or rounds
differ at all, and memory, where there is some. The fullest has a law for each worker. All predict
the order statistics of unseen rounds; a later one, which is fuller, must do so better."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...delay_models import DelayModel
from ...delay_models.base import FloatArray
from ..config.build import delay_model
from .cold import UnitDelays
from .families import EMPIRICAL, FAMILIES
from .goodness import (
    Fit,
    Half,
    Score,
    halves,
    observed_order_statistics,
    order_error,
    score,
    waited_for,
)
from .law import TwoLogNormals
from .recipes import Again, Factors, LawsOfWorkers, Ranked, Recipe, States, factors_of
from .variance import Memory, Parts, Variance
from .workers import Workers, with_own_laws, without

# An effect that explains at least this share of the variance is part of every candidate: order
# statistics alone do not show who is slow, but codes that group workers depend on it. Whether it
# acts by a factor or on ranks is a matter of what predicts better.
MUCH = 0.2
LITTLE = 0.02  # an effect that explains less than this share of the variance is never used
CHANCE = 0.01  # nor is one as large as chance makes it more often than this
GAIN = 0.015  # a fuller candidate predicts better by more than this
# Or, since long tables tell smaller differences, by more than ``EACH`` in both splits and by more
# than this share of the simpler one's error: following the sample of a known law gains that much.
EACH, SHARE = 0.002, 0.2
# A candidate misplaces a worker whose share of rounds among the first k is further than this, and
# than so many standard errors, from the measured one: it is wrong about who, if not when.
MISPLACED, UNLIKELY = 0.1, 4.0
# Measured rounds are drawn again from so few rounds on, up to so many delays, which are all listed,
# and if loads do not differ by more than this factor from all together.
FEWEST_AGAIN, MOST_CELLS_AGAIN, MOST_APART = 3, 50_000, 1.1
CELLS, MOST_ROUNDS = 5_000_000, 20_000
# Weight of the error in which the chance of the halves cancels out, beside the plain one. Without
# it, one round in which everything was slow, which is in one of two halves, decides by itself; with
# that error alone, whatever repeats the measured rounds would win.
BIAS = 0.5
CELLS_OF_HALF = 250_000
RUNS = 20
# The chosen section is simulated in up to so many times as many runs, unless the standard error of
# each mean arrival is at most this share of it: few long spells make single runs differ.
MORE, KNOWN = 5, 0.01
SEED = 20190405


@dataclass(frozen=True, eq=False)
class LoadFindings:
    """What was found in the unit delays of one load, or of all loads together."""

    delays: UnitDelays  # the unit delays
    fits: list[Fit]  # of each family to the bulk, best prediction of held-out rounds first
    refused: dict[str, str]  # families that cannot fit, with the reason
    variance: Variance | None  # split into worker, round and rest, of the bulk
    memory: Memory | None  # persistence, of the bulk without workers that have spells of their own


@dataclass(frozen=True)
class Tried:
    """A recipe and how well it predicts."""

    recipe: Recipe
    held_out: Score

    def beats(self, simpler: Tried) -> bool:
        """Whether it predicts so much better that it is worth being fuller."""
        old, new = simpler.held_out, self.held_out
        if not np.isfinite(old.error):
            return bool(np.isfinite(new.error))
        gain = float(old.error - new.error + BIAS * (old.bias - new.bias))
        gains = np.subtract(old.together, new.together)
        clear = gain > SHARE * old.error and min(gain, float(gains.min())) > EACH
        return bool(gain > GAIN or clear)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A delay section and what it predicts."""

    section: dict[str, Any]  # the ``delay:`` section
    predicted: FloatArray  # mean k-th smallest delay of a round, ``(K,)`` seconds
    error: float  # mean over k of ``|log(predicted / observed)|``
    off: float  # the largest of these where masters wait
    why: tuple[str, ...]  # the parts, in words
    tried: tuple[Tried, ...]  # all that competed, the simplest first
    taken: Tried  # the one of them that was chosen


def choose(found: LoadFindings, ks: Sequence[int], workers: Workers | None) -> Candidate:
    """The section to simulate with, compared by the order statistics ``ks``. At least one family
    fits. Who is slower for good must be so in the section, so none is taken that misplaces a
    worker, unless all do."""
    delays, n, tables = found.delays, found.delays.workers, found.delays.bulk_tables
    held_out = halves(tables)
    competing = held_out or [Half(tuple(tables), np.concatenate(tables))]
    measured = [observed_order_statistics(half.held_out, ks) for half in competing]
    known = {fit.family.name: fit.held_out for fit in found.fits}
    tried: list[Tried] = []
    places = _Places.of(tables, () if workers is None else workers.spelled)
    parts = _parts(found.variance, workers is not None and workers.differ, places.off(places.alike))
    taken: Tried | None = None
    best: Tried | None = None  # whether or not it misplaces a worker
    for recipe in _recipes(found, parts, bool(held_out)):
        models: list[DelayModel] = []
        if isinstance(recipe, Factors) and not recipe.parts:
            each = Tried(recipe, known[recipe.family.name])
        else:
            models = [delay_model(recipe.section(half.sample, half.seen)) for half in competing]
            made = [simulated_order_statistics(model, n, ks, CELLS_OF_HALF) for model in models]
            each = Tried(recipe, score(made, measured))
        tried.append(each)
        best = each if best is None or each.beats(best) else best
        # of a handful of rounds nobody's place is known
        if (taken is None or each.beats(taken)) and not (
            held_out and places.misses(recipe, models)
        ):
            taken = each
    assert best is not None
    taken = taken or best
    section, why = _built(taken.recipe, delays, workers)
    every = [*ks, *waited_for(n)]
    own = observed_order_statistics(delays.rounds, every)
    predicted = simulated_order_statistics(delay_model(section), n, every, known=KNOWN)
    error, off = (
        order_error(predicted[some], own[some], of)
        for some, of in ((slice(len(ks)), np.mean), (slice(len(ks), None), np.max))
    )
    return Candidate(section, predicted[: len(ks)], error, off, why, tuple(tried), taken)


def drawn_again(chosen: Candidate, delays: UnitDelays, ks: Sequence[int]) -> Candidate:
    """The measured rounds, drawn again, in place of what was chosen."""
    tables = delays.bulk_tables
    every = halves(tables) or [Half(tuple(tables), np.concatenate(tables))]
    seen = [observed_order_statistics(np.concatenate(half.seen), ks) for half in every]
    measured = [observed_order_statistics(half.held_out, ks) for half in every]
    taken = Tried(Again(Parts()), score(seen, measured))
    section, why = _built(taken.recipe, delays, None)
    own = observed_order_statistics(delays.rounds, ks)
    return Candidate(section, own, 0.0, 0.0, why, (*chosen.tried, taken), taken)


def may_be_drawn_again(delays: UnitDelays) -> bool:
    """Whether a table is small enough, and its loads so alike, that its rounds may be drawn."""
    if len(delays.rounds) < FEWEST_AGAIN or delays.rounds.size > MOST_CELLS_AGAIN:
        return False
    waits = waited_for(delays.workers)
    own = observed_order_statistics(delays.rounds, waits)
    each = (observed_order_statistics(table, waits) for table in delays.tables)
    return all(order_error(one, own, np.max) <= np.log(MOST_APART) for one in each)


@dataclass(frozen=True, eq=False)
class _Places:
    """How often each worker is among the first k of a round, for the k that masters wait for."""

    ks: NDArray[np.int64]  # these k, without n: ``(K,)``
    shares: FloatArray  # of the rounds, ``(K, n)``
    rounds: int  # how many
    errors: FloatArray  # their standard errors, ``(K, n)``, from batches of successive rounds
    judged: NDArray[np.bool_]  # ``(n,)``, workers to be placed: without a law of their own

    @classmethod
    def of(cls, tables: Sequence[FloatArray], own: Collection[int]) -> _Places:
        """The places in ``(rounds, n)`` tables; workers with an ``own`` law are not judged."""
        rounds = np.concatenate(tables)
        n = rounds.shape[1]
        ks = np.array(sorted({*waited_for(n)[:-1], max(1, n - 1)}), dtype=np.int64)
        first = _first(rounds, ks)
        errors, count = np.zeros(first.shape[1:]), isqrt(len(first))
        if count > 1:
            means = [batch.mean(axis=0) for batch in np.array_split(first, count)]
            errors = np.std(means, axis=0, ddof=1) / np.sqrt(count)
        judged = np.ones(n, bool)
        judged[list(own)] = False
        return cls(ks, first.mean(axis=0), len(first), errors, judged)

    def misses(self, recipe: Recipe, models: Sequence[DelayModel]) -> bool:
        """Whether a recipe misplaces a worker, by its models of both halves, if it has any."""
        if not (recipe.parts.worker or isinstance(recipe, LawsOfWorkers)):
            return self.off(self.alike)
        n = len(self.judged)
        rounds = max(200, CELLS_OF_HALF // n)
        tables = (model.sample(np.random.default_rng(SEED), rounds, n) for model in models)
        return self.off(np.mean([_first(each, self.ks).mean(axis=0) for each in tables], axis=0))

    @property
    def alike(self) -> FloatArray:
        """Shares if workers are alike, ``(K, n)``."""
        return np.broadcast_to(self.ks[:, None] / len(self.judged), self.shares.shape)

    def off(self, shares: FloatArray) -> bool:
        """Whether such shares, ``(K, n)``, misplace a worker."""
        chance = np.sqrt(shares * (1 - shares) / self.rounds)
        most = np.maximum(MISPLACED, UNLIKELY * np.maximum(self.errors, chance))
        return bool(np.any((np.abs(shares - self.shares) > most)[:, self.judged]))


def _first(rounds: FloatArray, ks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who is among the first k: ``(rounds, n) -> (rounds, K, n)``."""
    places = np.argsort(np.argsort(rounds, axis=1), axis=1)
    return np.asarray(places[:, None, :] < ks[:, None])


def _built(
    recipe: Recipe, delays: UnitDelays, workers: Workers | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    why = [*recipe.words]
    if isinstance(recipe, Again):
        return recipe.section(np.empty(0), delays.tables), tuple(why)
    tables = delays.bulk_tables
    if workers is not None and workers.spelled:
        others = without(tables, workers.spelled)
        sample = np.concatenate([table.ravel() for table in others])
        section = with_own_laws(recipe.section(sample, others), tables, workers)
        count = len(workers.spelled)
        why.append(f"a law with spells for {count} worker{'s' if count > 1 else ''}")
    else:
        section = recipe.section(delays.bulk, tables)
    if delays.cold is not None:
        section = delays.cold.section(section)
        why.append(f"cold starts in {delays.cold.hit} of {delays.cold.rounds} rounds")
    return section, tuple(why)


def simulated_order_statistics(
    model: DelayModel,
    workers: int,
    ks: Sequence[int],
    cells: int = CELLS,
    known: float = np.inf,
) -> FloatArray:
    """Mean k-th smallest of n delays over many simulated rounds, ``(K,)`` seconds; seeded. In
    several independent runs: a model with a memory or drawn workers has more than one start. In
    ``MORE`` times as many where a relative standard error is larger than is to be ``known``."""
    rounds = int(np.clip(cells // workers, 200, MOST_ROUNDS))
    means: list[FloatArray] = []
    for run in range(RUNS * MORE):
        rng = np.random.default_rng([SEED, run])
        means.append(observed_order_statistics(model.sample(rng, rounds // RUNS, workers), ks))
        if run + 1 == RUNS:
            errors = np.std(means, axis=0, ddof=1) / np.sqrt(RUNS)
            if not np.any(errors > known * np.mean(means, axis=0)):
                break
    return np.asarray(np.mean(means, axis=0))


def _recipes(found: LoadFindings, parts: Sequence[Parts], held_out: bool) -> Iterator[Recipe]:
    """What competes, from simple to full; nothing that follows every delay if none are held out."""
    tables, memory, mixture = found.delays.bulk_tables, found.memory, mixture_of(found.fits)
    if memory is not None and memory.significant and mixture is not None:
        yield from (States(part, mixture, FAMILIES["mixture"], memory) for part in parts)
        if held_out:
            yield from (Ranked(part, spells=True) for part in parts)
        return
    # Alone: the classic family with the best AIC, the one that predicts best, the empirical law.
    classic = [fit for fit in found.fits if fit.family is not EMPIRICAL]
    empirical = [fit for fit in found.fits if fit.family is EMPIRICAL]
    best = dict.fromkeys([min(classic, key=lambda fit: fit.aic), classic[0]]) if classic else {}
    for part in parts:
        if not part:
            yield from (Factors(part, fit.family, fit.law) for fit in (*best, *empirical))
            continue
        yield factors_of([*FAMILIES.values()], tables, part)
        if held_out:
            yield factors_of([EMPIRICAL], tables, part)
            yield Ranked(part)
    if held_out and any(part.worker for part in parts):
        rounds = sorted({part.round for part in parts})
        yield from (LawsOfWorkers(Parts(round=by_round)) for by_round in rounds)


def _parts(variance: Variance | None, differ: bool, unlike: bool) -> list[Parts]:
    """The effects that are large, alone and with those that are there at all; workers ``differ``
    where some are slower than the others for good, and are ``unlike`` where the order of arrivals
    shows it, though few long delays make most of the variance."""
    if variance is None:
        return [Parts()]
    options = {}
    for part, chance in (("worker", variance.worker_chance), ("round", variance.round_chance)):
        there = chance <= CHANCE and variance.share(part) >= LITTLE
        large = there and (variance.share(part) >= MUCH or (part == "worker" and differ))
        large |= part == "worker" and unlike
        options[part] = (True,) if large else (False, True) if there else (False,)
    return [Parts(w, r) for r in options["round"] for w in options["worker"]]


def mixture_of(fits: Sequence[Fit]) -> TwoLogNormals | None:
    """The fitted mixture of two lognormals, if it could be fitted."""
    laws = (fit.law for fit in fits)
    return next((law for law in laws if isinstance(law, TwoLogNormals)), None)
