"""Ways to build a delay section from measured rounds; ``candidates`` chooses between them. A recipe
is fitted to halves of the table, to see what it predicts of the others, and, if chosen, to all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ...delay_models.base import FloatArray
from .empirical import rank_effects
from .families import EMPIRICAL
from .goodness import thinned
from .law import CannotFit, Family, Law, Section, TwoLogNormals, fitted, lognormal_section, rounded
from .lognormals import split_factors
from .variance import Memory, Parts

FEWEST_OF_ONE = 64  # delays of one worker that show more of a law than its middle and its width


@dataclass(frozen=True)
class Recipe(ABC):
    """From rounds to a delay section, with effects of workers and rounds; abstract."""

    parts: Parts
    each: ClassVar[str] = "a factor for each"

    @abstractmethod
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        """The ``delay:`` section, from all delays, ``(N,)``, and whole rounds, ``(rounds, n)``."""

    @property
    @abstractmethod
    def base(self) -> str:
        """What the effects go around, in words."""

    @property
    def words(self) -> list[str]:
        """What it is made of."""
        effects = (part for part in ("worker", "round") if getattr(self.parts, part))
        return [self.base, *(f"{self.each} {part}" for part in effects)]


@dataclass(frozen=True)
class Factors(Recipe):
    """A family's law, times a factor for each worker or round or both."""

    family: Family
    near: Law | None

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rest = split_factors(sample, tables, self.parts)
        try:
            section = fitted(self.family, rest.sample, self.near).section()
        except CannotFit:  # the factors explain everything
            section = {"model": "deterministic", "value": rounded(float(rest.sample.mean()))}
        return rest.around(section)

    @property
    @override
    def base(self) -> str:
        return f"base law: {self.family.name}"


def factors_of(families: Sequence[Family], tables: Sequence[FloatArray], parts: Parts) -> Factors:
    """A recipe with factors, and the family with the best AIC for what they leave of tables."""
    rest = split_factors(np.empty(0), tables, parts).sample
    best: tuple[float, Family, Law | None] = (np.inf, families[0], None)
    sample = thinned(rest) if rest.size else rest
    for family in families if rest.size else ():
        try:
            law = fitted(family, sample)
        except CannotFit:
            continue
        aic = 2 * len(family.parameters) - 2 * float(law.logpdf(sample).sum())
        best = min(best, (aic, family, law), key=lambda each: each[0])
    return Factors(parts, *best[1:])


@dataclass(frozen=True)
class States(Recipe):
    """Workers that are slow for a while: two lognormals with a memory, and factors around them."""

    mixture: TwoLogNormals
    family: Family
    memory: Memory

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rest = split_factors(sample, tables, self.parts)
        try:
            law = fitted(self.family, rest.sample, self.mixture)
        except CannotFit:
            law = self.mixture
        fast, slow = law.section()["components"]
        section: Section = {
            "model": "markov",
            "slow_to_slow": rounded(self.memory.slow_to_slow, 4),
            "fast_to_slow": rounded(self.memory.fast_to_slow, 4),
            "fast": fast,
            "slow": slow,
        }
        return rest.around(section)

    @property
    @override
    def base(self) -> str:
        return f"memory: persistence {self.memory.persistence:.2f}"


@dataclass(frozen=True)
class Ranked(Recipe):
    """The measured law as it is, with effects on ranks."""

    spells: bool = False
    each = "a rank for each"

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        try:
            section = fitted(EMPIRICAL, sample).section()
        except CannotFit:
            return {"model": "deterministic", "value": rounded(float(sample.mean()))}
        if min(min(table.shape) for table in tables) < 2:
            return section
        return section | rank_effects(tables, self.parts, self.spells)

    @property
    @override
    def base(self) -> str:
        return "base law: empirical" + (", spells on ranks" if self.spells else "")


@dataclass(frozen=True)
class LawsOfWorkers(Recipe):
    """A law for each worker, and perhaps a factor for each round. Where workers differ more than a
    worker does from round to round, they may also differ in how much they vary, which one law
    around factors or ranks does not show."""

    base = "a law for each worker"

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        table = np.concatenate(tables)
        rest = split_factors(table.ravel(), tables, self.parts)
        models = [_of_one(mine) for mine in rest.sample.reshape(table.shape).T]
        workers = [*range(len(models))]
        section = {"model": "own_laws", "workers": workers, "models": models, "base": models[0]}
        return rest.around(section | {"complete": True})


def _of_one(sample: FloatArray) -> Section:
    """The law of one worker's delays, ``(R,)`` seconds: a lognormal one, or as it was measured."""
    if np.ptp(sample) <= 0:
        return {"model": "deterministic", "value": rounded(float(sample[0]))}
    if len(sample) >= FEWEST_OF_ONE:
        return fitted(EMPIRICAL, sample).section()
    logs = np.log(np.maximum(sample, 1e-12))
    return lognormal_section(logs, float(logs.std(ddof=1)))


@dataclass(frozen=True)
class Again(Recipe):
    """The measured rounds, drawn again: no law of single delays holds. Workers may be slow
    together, or each in its own way; nothing is longer than what was measured."""

    base = "the measured rounds, drawn again"

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rounds = np.concatenate(tables)
        return {
            "model": "measured_rounds",
            "stretch": isqrt(len(rounds)),
            "seconds": [[rounded(seconds, 4) for seconds in row] for row in rounds.tolist()],
        }
