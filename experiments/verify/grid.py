"""What is verified: clusters x delays x load laws x schemes.

A *setting* is one cluster with one delay model and one load law; its schemes read one tape, and
every setting has a tape of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields

from ...delay_models import MODELS, DelayModel
from ...delay_models.parametric import (
    Deterministic,
    Exponential,
    Gamma,
    LogNormal,
    Pareto,
    ShiftedExponential,
    Weibull,
)
from ...sim.load_laws import Additive, LoadLaw, PerPartition, Proportional
from ...sim.schemes import SCHEMES, SchemeFamily
from ...sim.schemes.base import Fixed
from ...sim.schemes.erasurehead import ErasureHead
from ...sim.schemes.repetition import CyclicRepetition, FractionalRepetition
from ...sim.schemes.uncoded import IgnoreStragglers, Uncoded
from ..config.catalogue import BUILT_IN
from ..config.codec import plain
from ..config.settings import shown_field

DELAYS: tuple[DelayModel, ...] = (
    Exponential(rate=1.0),
    ShiftedExponential(shift=0.5, rate=2.0),
    Weibull(shape=0.6, scale=0.66),
    Gamma(shape=2.0, scale=0.5),
    LogNormal(median=0.7, sigma=0.8),
    Pareto(alpha=4.0, scale=0.75),
    Pareto(alpha=1.5, scale=1 / 3),
    Deterministic(value=0.7),
)
"""About one second on average; the second Pareto law has no variance."""

LAWS: tuple[LoadLaw, ...] = (Proportional(), Additive(seconds_per_partition=0.1), PerPartition())

THIRTY: tuple[SchemeFamily, ...] = (
    Uncoded(),
    IgnoreStragglers(wait_for=25),
    IgnoreStragglers(wait_for=25, rescale=False),
    FractionalRepetition(load=2),
    FractionalRepetition(load=5),
    CyclicRepetition(load=3),
    ErasureHead(load=2, wait_for=20),
    ErasureHead(load=3, wait_for=15),
    ErasureHead(load=3, wait_for=15, rescale=True),
    ErasureHead(load=5, wait_for=12),
    ErasureHead(load=3, wait_for=15, deadline=2.5),
)

TWELVE: tuple[SchemeFamily, ...] = tuple(
    example
    for family in SCHEMES.values()
    for example in family.examples()
    if isinstance(example.build(12), Fixed)
)
"""Every registered scheme whose plan never changes, as its contract tests configure it."""


@dataclass(frozen=True)
class Setting:
    """One cluster, one delay model, one load law, and the schemes that read its tape.

    Attributes:
        index: position in the grid; it selects the tape, so that a tape does not depend on the
            other settings.
        workers: n.
        delay: the unit delays.
        law: how a worker's time grows with its load.
        families: the schemes.
        learns: also train, for the convergence bound.
    """

    index: int
    workers: int
    delay: DelayModel
    law: LoadLaw
    families: tuple[SchemeFamily, ...]
    learns: bool

    @property
    def schemes(self) -> list[Fixed]:
        """The schemes, built for this cluster."""
        return [fixed(family, self.workers) for family in self.families]

    @property
    def labels(self) -> list[str]:
        """How the table names the schemes."""
        return [name_and_fields(family.name, family) for family in self.families]

    @property
    def delay_label(self) -> str:
        """How the table names the delays."""
        names = {family: name for name, family in MODELS.items()}
        return name_and_fields(names[type(self.delay)], self.delay)

    @property
    def law_label(self) -> str:
        """How the table names the load law."""
        return name_and_fields(self.law.kind, self.law)


def grid() -> tuple[Setting, ...]:
    """Every setting, in the table's order."""
    return tuple(
        Setting(index, n, delay, law, _families(all_families, n, law), _learns(delay, law))
        for index, (n, all_families, delay, law) in enumerate(_product())
    )


def _product() -> Iterator[tuple[int, tuple[SchemeFamily, ...], DelayModel, LoadLaw]]:
    for n, families, delays in ((30, THIRTY, DELAYS), (12, TWELVE, DELAYS[::4])):
        for delay in delays:
            for law in LAWS:
                yield n, families, delay, law


def _families(
    families: tuple[SchemeFamily, ...], workers: int, law: LoadLaw
) -> tuple[SchemeFamily, ...]:
    """With one partition per worker a sum of draws is a single draw: nothing new to verify."""
    if not isinstance(law, PerPartition):
        return families
    return tuple(f for f in families if fixed(f, workers).assignment.loads.max() > 1)


def fixed(family: SchemeFamily, workers: int) -> Fixed:
    """Build a scheme whose plan never changes."""
    scheme = family.build(workers)
    assert isinstance(scheme, Fixed)
    return scheme


def _learns(delay: DelayModel, law: LoadLaw) -> bool:
    """Decoding depends on the order of arrivals only, so one setting per cluster is enough."""
    return isinstance(delay, Exponential) and isinstance(law, Proportional)


def name_and_fields(name: str, instance: object) -> str:
    """A name and the fields that are not defaults: ``erasurehead load=3 wait_for=15``."""
    shown = []
    for field in fields(instance):  # type: ignore[arg-type]
        value = getattr(instance, field.name)
        if field.default is MISSING or field.default != value:
            number = f"{field.name}={value:.3g}" if isinstance(value, float) else ""
            shown.append(number or shown_field(field.name, plain(value, BUILT_IN)))
    return " ".join([name, *shown])
