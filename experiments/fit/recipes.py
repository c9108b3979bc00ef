"""Ways to build a delay section from measured rounds; ``candidates`` chooses between them.

A recipe is fitted twice: to halves of the table, to see what it predicts of the other half, and to
all of it, if it is chosen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import override

from ...delay_models.base import FloatArray
from .empirical import rank_effects
from .families import EMPIRICAL
from .goodness import thinned
from .law import (
    CannotFit,
    Family,
    Law,
    Section,
    TwoLogNormals,
    fitted,
    lognormal_section,
    rounded,
    rounded_to_4,
)
from .lognormals import Split, factor_law, split_factors
from .variance import Memory

FEWEST_OF_ONE = 64
"""Delays of one worker that show more of a law than its middle and its width."""


@dataclass(frozen=True)
class Parts:
    """Which effects go around the base law."""

    worker: bool = False
    round: bool = False

    def __bool__(self) -> bool:
        return self.worker or self.round

    @property
    def names(self) -> list[str]:
        """``worker`` and ``round``, as far as there are such effects."""
        return [part for part in ("worker", "round") if getattr(self, part)]


class Recipe(ABC):
    """From rounds to a delay section; abstract."""

    @abstractmethod
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        """The ``delay:`` section.

        Args:
            sample: ``(N,)`` seconds, every delay.
            tables: ``(rounds, n)`` seconds, the rounds that are whole.
        """

    @property
    @abstractmethod
    def text(self) -> str:
        """What it is made of."""


@dataclass(frozen=True)
class Factors(Recipe):
    """A family's law, times a factor for each worker or round or both."""

    family: Family
    near: Law | None
    parts: Parts = Parts()

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rest = split_factors(tables, self.parts.worker, self.parts.round)
        sample = sample if rest is None else rest.sample
        try:
            section = fitted(self.family, sample, self.near).section()
        except CannotFit:  # the factors explain everything
            section = {"model": "deterministic", "value": rounded(float(sample.mean()))}
        return _multiplied(section, rest)

    @property
    @override
    def text(self) -> str:
        return _joined(f"base law: {self.family.name}", self.parts, "a factor for each")


def factors_of(families: Sequence[Family], tables: Sequence[FloatArray], parts: Parts) -> Factors:
    """A recipe with factors, ready to be tried on parts of ``(rounds, n)`` tables.

    Its family is the one with the best AIC for what the factors leave.
    """
    rest = split_factors(tables, parts.worker, parts.round)
    best: tuple[float, Family, Law | None] = (np.inf, families[0], None)
    if rest is None:
        return Factors(families[0], None, parts)
    sample = thinned(rest.sample)
    for family in families:
        try:
            law = fitted(family, sample)
        except CannotFit:
            continue
        aic = 2 * len(family.parameters) - 2 * float(law.logpdf(sample).sum())
        best = min(best, (aic, family, law), key=lambda each: each[0])
    return Factors(best[1], best[2], parts)


@dataclass(frozen=True)
class States(Recipe):
    """Workers that are slow for a while: two lognormals with a memory, and factors around them."""

    mixture: TwoLogNormals
    family: Family
    memory: Memory
    parts: Parts = Parts()

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rest = split_factors(tables, self.parts.worker, self.parts.round)
        try:
            law = fitted(self.family, sample if rest is None else rest.sample, self.mixture)
        except CannotFit:
            law = self.mixture
        fast, slow = law.section()["components"]
        section: Section = {
            "model": "markov",
            "slow_to_slow": rounded_to_4(self.memory.slow_to_slow),
            "fast_to_slow": rounded_to_4(self.memory.fast_to_slow),
            "fast": fast,
            "slow": slow,
        }
        return _multiplied(section, rest)

    @property
    @override
    def text(self) -> str:
        text = f"memory: persistence {self.memory.persistence:.2f}"
        return _joined(text, self.parts, "a factor for each")


@dataclass(frozen=True)
class Ranked(Recipe):
    """The measured law as it is, with effects on ranks."""

    parts: Parts
    spells: bool = False

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        try:
            section = fitted(EMPIRICAL, sample).section()
        except CannotFit:
            return {"model": "deterministic", "value": rounded(float(sample.mean()))}
        if min(min(table.shape) for table in tables) < 2:
            return section
        effects = rank_effects(tables, self.parts.worker, self.parts.round, self.spells)
        return section | effects

    @property
    @override
    def text(self) -> str:
        text = "base law: empirical" + (", spells on ranks" if self.spells else "")
        return _joined(text, self.parts, "a rank for each")


@dataclass(frozen=True)
class LawsOfWorkers(Recipe):
    """A law for each worker, and a factor for each round if it says so.

    Where workers differ more than a worker does from round to round, they may also differ in how
    much they vary, which one law around factors or ranks does not show.
    """

    round: bool = False

    @override
    def section(self, sample: FloatArray, tables: Sequence[FloatArray]) -> Section:
        rest = split_factors(tables, worker=False, by_round=self.round)
        table = np.concatenate(tables)
        if rest is not None:
            table = rest.sample.reshape(table.shape)
        models = [_of_one(mine) for mine in table.T]
        workers = [*range(len(models))]
        section = {"model": "own_laws", "workers": workers, "models": models, "base": models[0]}
        return _multiplied(section, rest)

    @property
    @override
    def text(self) -> str:
        return _joined("a law for each worker", Parts(round=self.round), "a factor for each")


def _of_one(sample: FloatArray) -> Section:
    """The law of one worker's delays, ``(R,)`` seconds: a lognormal one, or as it was measured."""
    if np.ptp(sample) <= 0:
        return {"model": "deterministic", "value": rounded(float(sample[0]))}
    if len(sample) >= FEWEST_OF_ONE:
        return fitted(EMPIRICAL, sample).section()
    logs = np.log(np.maximum(sample, 1e-12))
    return lognormal_section(logs, float(logs.std(ddof=1)))


def _joined(text: str, parts: Parts, each: str) -> str:
    return "; ".join([text, *(f"{each} {word}" for word in parts.names)])


def _multiplied(section: Section, split: Split | None) -> Section:
    """The factors of a split, if there is one, around a section."""
    if split is not None and split.by_worker is not None:
        factors = [rounded_to_4(float(factor)) for factor in split.by_worker]
        section = {"model": "heterogeneous", "factors": factors, "base": section}
    if split is not None and split.by_round is not None and np.ptp(split.by_round) > 0:
        law = factor_law(split.by_round)
        section = {"model": "round_effects", "factor": law, "base": section}
    return section
