"""Laws that are fitted, which are delay models: families, densities, sections of a config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from scipy import special

from .....delay_models import MODELS, DelayModel
from .....delay_models.base import MAX_DELAY_SECONDS, EndlessDelays, FloatArray, refuse_endless
from .....delay_models.empirical import Empirical
from .....delay_models.mixture import Mixture
from .....delay_models.parametric import LogNormal, Parametric
from .....sim.base.errors import ConfigError
from .....sim.load_laws import LOAD_LAWS, LoadLaw

Law: TypeAlias = "Parametric | Mixture | Empirical"  # a mixture is one of two lognormals
Section = dict[str, Any]  # the ``delay:`` section of a config, or that of a model in it
LARGE = 100_000  # delays of a sample above which a search looks at groups of neighbours
# Values at either end that stay alone: there laws begin and tails fall; and groups of the others.
SINGLE, GROUPS = 1_000, 10_000
WIDE = 0.05  # standard deviations; the values of a group that is wider stay alone, too
ROUNDING = 2e-5  # share of the longest delay: quantiles of a config are rounded to six digits
TAIL = ("tail", "tail_scale", "tail_shape")  # of an empirical law


class CannotFit(ValueError):
    """A sample that a family cannot be fitted to; the message says why."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """Values, ``(N,)``, and how many each of them stands for. A long sample is searched by the
    means of groups of neighbours, which differ by so little that means of smooth functions stay
    what they are: to 1e-8 or so, where chance leaves 1 / sqrt(N)."""

    values: FloatArray
    counts: FloatArray

    @classmethod
    def of(cls, sample: FloatArray, large: float = LARGE) -> Weighed:
        """All values of ``(N,)``, or groups of them where there are more than ``large``."""
        if len(sample) <= large:
            return cls(sample, np.ones(len(sample)))
        ordered = np.sort(sample)
        middle = np.linspace(SINGLE, len(sample) - SINGLE, GROUPS + 1).astype(np.int64)
        starts = np.concatenate([np.arange(SINGLE), middle, np.arange(middle[-1] + 1, len(sample))])
        ends = np.append(starts[1:], len(sample))
        wide = ordered[ends - 1] - ordered[starts] > WIDE * float(ordered.std())
        starts = np.union1d(starts, np.flatnonzero(np.repeat(wide, ends - starts)))
        counts = np.diff(starts, append=len(sample)).astype(np.float64)
        return cls(np.add.reduceat(ordered, starts) / counts, counts)

    @property
    def size(self) -> float:
        """How many values they stand for."""
        return float(self.counts.sum())

    def sum(self, numbers: FloatArray) -> FloatArray:
        """Sum over the sample of ``(..., N)`` numbers, one for each value."""
        return np.asarray((numbers * self.counts).sum(axis=-1))

    def mean(self, numbers: FloatArray) -> FloatArray:
        """Mean over the sample of ``(..., N)`` numbers, one for each value."""
        return np.asarray(self.sum(numbers) / self.counts.sum())

    def std(self, numbers: FloatArray) -> float:
        """Standard deviation over the sample of ``(N,)`` numbers, one for each value."""
        return float(np.sqrt(self.mean((numbers - self.mean(numbers)) ** 2)))


def log_normals(mixture: Mixture) -> tuple[LogNormal, LogNormal]:
    """The fast and the slow law of two lognormals."""
    return cast("tuple[LogNormal, LogNormal]", mixture.components)


def _log_parts(mixture: Mixture, seconds: FloatArray) -> list[FloatArray]:
    """Weighted log densities of the fast law and of the slow one."""
    parts = zip(log_normals(mixture), mixture.weights, strict=True)
    return [law.logpdf(seconds) + np.log(weight) for law, weight in parts]


def slow_probability(mixture: Mixture, seconds: FloatArray) -> FloatArray:
    """P(a delay came from the slow law | its seconds), elementwise."""
    fast, slow = _log_parts(mixture, seconds)
    return np.asarray(special.expit(slow - fast))


def log_density(law: Law, sample: FloatArray) -> FloatArray:
    """Logarithm of the density at each delay of a sample, ``(N,)`` seconds. An empirical law has
    the chance of a cell, as wide as numbers are rounded, over its width."""
    if isinstance(law, Parametric):
        return law.logpdf(sample)
    if isinstance(law, Mixture):
        return np.asarray(np.logaddexp(*_log_parts(law, sample)))
    window = max(1e-6 * float(np.std(sample)), ROUNDING * float(sample.max()))
    chance = law.sf(sample - window / 2) - law.sf(sample + window / 2)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(chance / window))


def section_of(law: Law) -> Section:
    """A law as the ``delay:`` section of a config."""
    section: Section = {"model": next(key for key, of in MODELS.items() if type(law) is of)}
    if isinstance(law, Mixture):
        share = rounded(law.weights[1])
        parts = [section_of(part) for part in log_normals(law)]
        return section | {"weights": [rounded(1 - share), share], "components": parts}
    if isinstance(law, Empirical):
        tail = {name: getattr(law, name) for name in TAIL if law.tail > 0}
        return section | {"quantiles": [*law.quantiles]} | tail
    fields = dataclasses.asdict(law)  # type: ignore[call-overload]
    return section | {key: rounded(value) for key, value in fields.items()}


def model_of(section: Mapping[str, Any]) -> DelayModel:
    """The model that a section says, with those in it. What was written here needs no reader of
    configs, which imports all schemes. Raises ConfigError: a delay may be beyond any number."""

    def made(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(made, value))
        return model_of(value) if isinstance(value, dict) and "model" in value else value

    fields = {key: made(value) for key, value in section.items() if key != "model"}
    model = MODELS[section["model"]](**fields)
    try:
        refuse_endless(model)
    except EndlessDelays as error:
        raise ConfigError(f"delay: {error}") from None
    return model


def load_law(section: Mapping[str, Any]) -> LoadLaw:
    """The load law that a section says."""
    fields = {key: value for key, value in section.items() if key != "kind"}
    law: LoadLaw = LOAD_LAWS[section["kind"]](**fields)
    return law


def lognormal_section(logs: FloatArray, sigma: float) -> Section:
    """A section for delays with these logarithms, whose standard deviation is taken as given."""
    median = float(np.exp(float(logs.mean())))
    return {"model": "lognormal", "median": rounded(median), "sigma": rounded(sigma)}


@dataclass(frozen=True)
class Family:
    """A family of laws that can be fitted to a sample."""

    name: str  # in the registry
    parameters: int  # free ones, all of which the AIC counts
    # The law that fits a sample ``(N,)`` best. Raises CannotFit: no likelihood is finite.
    fit: Callable[[FloatArray], Law]
    # The same for a sample much like the one that a law was fitted to; faster.
    refit: Callable[[FloatArray, Law], Law] | None = None

    def fitted(self, sample: FloatArray, near: Law | None = None) -> Law:
        """The law that fits a sample best, ready to be simulated; ``near`` as in ``refit``. Raises
        CannotFit: there is none, or its parameters or its delays are beyond any usable number, as
        the rate of delays of 1e-310 s is."""
        try:
            if near is None or self.refit is None:
                law = self.fit(sample)
            else:
                law = self.refit(sample, near)
        except (ConfigError, ArithmeticError) as error:
            text = "the delays are too small or too large: a parameter overflows"
            raise CannotFit(text) from error
        if law.longest() > MAX_DELAY_SECONDS:
            raise CannotFit("the tail is too heavy to simulate: it can give infinite delays")
        return law


def require_spread(sample: FloatArray, of_logs: bool = False) -> None:
    """Refuse a sample of equal values; ``of_logs``: also one with a delay of 0 s."""
    if of_logs and sample.min() <= 0:
        raise CannotFit("a delay of 0 s has no logarithm")
    if np.ptp(sample) <= 1e-12 * abs(float(sample.max())):
        raise CannotFit("all delays are equal; use the model deterministic")


def rounded(value: float, digits: int = 6) -> float:
    """A float with so many significant digits, for readable configs: 6 are far below any standard
    error; 4 do for a factor or a probability."""
    return float(f"{value:.{digits}g}")
