"""Ways to build a delay section from measured rounds; ``candidates`` chooses between them. A recipe
is fitted to folds of the table, to see what it predicts of the others, and, if chosen, to all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isqrt

import numpy as np

from ....delay_models.base import FloatArray
from ....delay_models.mixture import Mixture
from .laws.families import EMPIRICAL, FAMILIES
from .laws.goodness import Score, thinned
from .laws.law import (
    CannotFit,
    Family,
    Law,
    Section,
    log_density,
    lognormal_section,
    rounded,
    section_of,
)
from .laws.lognormals import split_factors
from .laws.variance import NO_EFFECTS, Effects, Memory, rank_effects


@dataclass(frozen=True)
class Recipe:
    """From rounds to a delay section, with effects of workers and rounds."""

    base: str  # what the effects go around, in words
    # the ``delay:`` section, from all delays, ``(N,)``, and whole rounds, ``(rounds, n)`` each
    section: Callable[[FloatArray, Sequence[FloatArray]], Section]
    effects: Effects = NO_EFFECTS
    effect: str = "factor"  # as what these act
    own_laws: bool = False  # each worker has a law of its own
    known: Score | None = None  # how well it predicts, where that is known already

    @property
    def words(self) -> list[str]:
        """What it is made of."""
        there = (of for of in ("worker", "round") if getattr(self.effects, of))
        return [self.base, *(f"a {self.effect} for each {of}" for of in there)]


def factors(
    effects: Effects, family: Family, near: Law | None, known: Score | None = None
) -> Recipe:
    """A family's law, times a factor for each worker or round or both."""

    section = partial(_section_with_factors, effects, family, near)
    return Recipe(f"base law: {family.name}", section, effects, known=known)


def _section_with_factors(
    effects: Effects,
    family: Family,
    near: Law | None,
    sample: FloatArray,
    tables: Sequence[FloatArray],
) -> Section:
    rest = split_factors(sample, tables, effects)
    try:
        law = section_of(family.fitted(rest.sample, near))
    except CannotFit:  # the factors explain everything
        law = _constant(rest.sample)
    return rest.around(law)


def factors_of(
    families: Sequence[Family], tables: Sequence[FloatArray], effects: Effects
) -> Recipe:
    """A recipe with factors, and the family with the best AIC for what they leave of tables."""
    rest = split_factors(np.empty(0), tables, effects).sample
    best: tuple[float, Family, Law | None] = (np.inf, families[0], None)
    sample = thinned(rest) if rest.size else rest
    for family in families if rest.size else ():
        try:
            law = family.fitted(sample)
        except CannotFit:
            continue
        aic = 2 * family.parameters - 2 * float(log_density(law, sample).sum())
        best = min(best, (aic, family, law), key=lambda fit: fit[0])
    return factors(effects, *best[1:])


def states(effects: Effects, mixture: Mixture, memory: Memory) -> Recipe:
    """Workers that are slow for a while: two lognormals with a memory, and factors around them."""

    section = partial(_section_with_states, effects, mixture, memory)
    return Recipe(f"memory: persistence {memory.persistence:.2f}", section, effects)


def _section_with_states(
    effects: Effects,
    mixture: Mixture,
    memory: Memory,
    sample: FloatArray,
    tables: Sequence[FloatArray],
) -> Section:
    rest = split_factors(sample, tables, effects)
    try:
        law = FAMILIES["mixture"].fitted(rest.sample, mixture)
    except CannotFit:
        law = mixture
    fast, slow = section_of(law)["components"]
    stays, begins = rounded(memory.slow_to_slow, 4), rounded(memory.fast_to_slow, 4)
    chain: Section = {"model": "markov", "slow_to_slow": stays, "fast_to_slow": begins}
    return rest.around(chain | {"fast": fast, "slow": slow})


def ranked(effects: Effects, spells: bool = False) -> Recipe:
    """The measured law as it is, with effects on ranks."""

    base = "base law: empirical" + (", spells on ranks" if spells else "")
    return Recipe(base, partial(_ranked_section, effects, spells), effects, "rank")


def _ranked_section(
    effects: Effects, spells: bool, sample: FloatArray, tables: Sequence[FloatArray]
) -> Section:
    try:
        law = section_of(EMPIRICAL.fitted(sample))
    except CannotFit:
        return _constant(sample)
    few = min(min(table.shape) for table in tables) < 2
    return law if few else law | rank_effects(tables, effects, spells)


def laws_of_workers(effects: Effects) -> Recipe:
    """A law for each worker, and perhaps a factor for each round. Where workers differ more than a
    worker does from round to round, they may also differ in how much they vary, which one law
    around factors or ranks does not show."""

    section = partial(_section_of_workers, effects)
    return Recipe("a law for each worker", section, effects, own_laws=True)


def _section_of_workers(
    effects: Effects, sample: FloatArray, tables: Sequence[FloatArray]
) -> Section:
    table = np.concatenate(tables)
    rest = split_factors(table.ravel(), tables, effects)
    models = [law_of_one(own) for own in rest.sample.reshape(table.shape).T]
    laws = {"workers": [*range(len(models))], "models": models, "base": models[0]}
    return rest.around({"model": "own_laws", **laws, "complete": True})


def law_of_one(sample: FloatArray, fewest: int = 64) -> Section:
    """The law of one worker's delays, ``(R,)`` seconds: a lognormal one; as it was measured, where
    so many show more of a law than its middle and its width."""
    if np.ptp(sample) <= 0:
        return _constant(sample[:1])
    if len(sample) >= fewest:
        return section_of(EMPIRICAL.fitted(sample))
    logs = np.log(np.maximum(sample, 1e-12))
    return lognormal_section(logs, float(logs.std(ddof=1)))


def _constant(sample: FloatArray) -> Section:
    return {"model": "deterministic", "value": rounded(float(sample.mean()))}


def _listed(sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
    rounds = np.concatenate(tables)
    seconds = [[rounded(delay, 4) for delay in row] for row in rounds.tolist()]
    return {"model": "measured_rounds", "stretch": isqrt(len(rounds)), "seconds": seconds}


# No law of single delays holds. Workers may be slow together, or each in its own way; nothing is
# longer than what was measured.
MEASURED_ROUNDS = Recipe("the measured rounds, drawn again", _listed)
