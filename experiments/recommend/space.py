"""What is searched: every scheme of the registry, with several loads and stops.

A recipe lists sections of a scheme for a cluster; those that do not suit the number of workers drop
out when they are built. A scheme without a recipe, such as a plugin's, is tried with what its
fields' names say (``load``, ``wait_for``), or with its own examples.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

from ...sim.schemes import SchemeFamily
from ..config.catalogue import Catalogue
from ..config.codec import plain

Section = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """What recipes need to know of the cluster.

    Attributes:
        workers: n.
        typical: seconds, the median time of a worker with one partition.
        most_load: partitions that a worker may hold.
        fine: list every number of arrivals, as theory and the clock alone can rank them quickly.
        network: whether the size of messages matters.
    """

    workers: int
    typical: float
    most_load: int
    fine: bool = False
    network: bool = False

    @property
    def loads(self) -> list[int]:
        """2, 3, 4, 6 and divisors of n up to half of it; of many, some."""
        n = self.workers
        some = {d for d in range(2, n // 2 + 1) if n % d == 0} | {2, 3, 4, 6}
        fit = sorted(d for d in some if 2 <= d <= min(n, self.most_load))
        if len(fit) <= MOST_LOADS:
            return fit
        return [*fit[: MOST_LOADS - 2], fit[(len(fit) + MOST_LOADS - 2) // 2], fit[-1]]

    @property
    def few_loads(self) -> list[int]:
        """For codes that differ from others of their load in little."""
        return self.loads[:2]

    def arrivals(self, most: int | None = None) -> list[int]:
        """Numbers of arrivals, up to ``most`` (default n - 1); all where ``fine``."""
        n, last = self.workers, self.workers - 1 if most is None else most
        if last < 1:
            return []
        if self.fine and n <= FINE:
            return [*range(1, last + 1)]
        shares = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
        return sorted({min(last, max(1, round(share * n))) for share in shares} | {last})

    @property
    def few_arrivals(self) -> list[int]:
        """For codes that differ from others of their load in little."""
        return sorted({max(1, round(share * self.workers)) for share in (0.5, 0.75, 0.9)})

    @property
    def batches(self) -> list[int]:
        """Gradients of an update that is not bound to as many workers."""
        return sorted({max(1, round(share * self.workers)) for share in (0.25, 0.5, 1.0)})

    def seconds(self, *times: float) -> list[float]:
        """Multiples of the typical time, to three digits."""
        return [float(f"{factor * self.typical:.3g}") for factor in times]


MOST_LOADS = 7
FINE = 64
"""Workers up to which every number of arrivals is listed."""


def _every(**choices: Sequence[Any]) -> Iterator[Section]:
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _sequential(room: Room) -> Iterator[Section]:
    for variant in ("selective_repeat", "multiplexed"):
        for load in room.few_loads:
            few = 2 * (load - 1)
            yield {"B": 1, "W": 2, "stragglers": few, "tolerance": 0.5, "variant": variant}


def _stochastic_block(room: Room) -> Iterator[Section]:
    for section in _every(load=room.few_loads, wait_for=room.few_arrivals):
        yield {**section, "community": section["load"], "inside": 0.8}


def _codes(room: Room) -> Iterator[Section]:
    return _every(load=room.few_loads, wait_for=room.few_arrivals)


def _own_or_sampled(**choices: Sequence[Any]) -> Iterator[Section]:
    return _every(**choices, data=("sampled", "own"))


RECIPES: Mapping[str, Callable[[Room], Iterable[Section]]] = {
    "uncoded": lambda room: [{}],
    "ignore_stragglers": lambda room: _every(wait_for=room.arrivals()),
    "window": lambda room: _every(tolerance=(0.25, 0.5, 1.0), at_least=[max(1, room.workers // 2)]),
    "fractional_repetition": lambda room: _every(load=room.loads),
    "cyclic_mds": lambda room: _every(load=room.loads),
    "generalized_fractional_repetition": lambda room: _every(load=room.loads),
    "communication_efficient": lambda room: (
        _every(load=room.loads, share=(2, 3)) if room.network else []
    ),
    "erasurehead": lambda room: _every(load=room.loads, wait_for=room.arrivals()),
    "bernoulli": _codes,
    "stochastic_block": _stochastic_block,
    "regular_graph": _codes,
    "expander": _codes,
    "block_design": lambda room: _every(
        load=[d for d in (3, 4, 5, 6, 8, 9, 10, 13) if d <= room.most_load],
        wait_for=room.few_arrivals,
    ),
    "graph_assignment": lambda room: _every(degree=room.few_loads, wait_for=room.few_arrivals),
    "stochastic_gradient_coding": lambda room: _every(
        load=room.few_loads, wait_for=room.few_arrivals, straggle_probability=[0.1]
    ),
    "ignore_arbitrary": lambda room: _every(load=room.few_loads, wait_for=room.few_arrivals),
    "multi_message": lambda room: _every(load=room.loads[:3]),
    "partial_stragglers": lambda room: _every(load=room.loads[:3]),
    "drop_compute": lambda room: _every(pieces=[10], patience=room.seconds(1.1, 1.5, 2.0, 3.0)),
    "pipelined": lambda room: _every(
        load=room.few_loads, wait_for=sorted({*room.few_arrivals, max(1, room.workers - 1)})
    ),
    "mindflayer": lambda room: _every(trials=(1, 2), patience=room.seconds(1.1, 1.5, 2.0)),
    "block_coordinate": lambda room: [{}],
    "sequential": _sequential,
    "adaptive_k": lambda room: _every(wait_for=[max(1, room.workers // 2)], step=[2]),
    "adaptive_deadline": lambda room: _every(
        kappa=(1.0, 3.0), at_least=[max(1, room.workers // 2)]
    ),
    "asynchronous": lambda room: _own_or_sampled(),
    "k_async": lambda room: _own_or_sampled(wait_for=room.few_arrivals),
    "k_batch_async": lambda room: _own_or_sampled(
        wait_for=room.arrivals(room.workers) if room.fine else room.batches
    ),
    "k_batch_sync": lambda room: _own_or_sampled(wait_for=room.batches),
    "rennala": lambda room: _own_or_sampled(batch=room.batches),
    "ringmaster": lambda room: _own_or_sampled(oldest=[room.workers, 2 * room.workers]),
    "ringleader": lambda room: [{}],
    "malenia": lambda room: [{}],
    "gradient_table": lambda room: [{}],
}

LEFT_OUT: Mapping[str, str] = {
    "cyclic_repetition": "as fast as cyclic_mds, whose code is better conditioned",
    "heterogeneity_aware": "needs the workers' speeds; name it in the config to have it compared",
    "heterogeneous_split": "needs the workers' chances to straggle; name it in the config",
    "matrix": "needs a file with the matrix; name it in the config",
}
"""Schemes that are not searched, and why."""


def sections(room: Room, catalogue: Catalogue, only: Sequence[str] = ()) -> Iterator[Section]:
    """Everything that is tried, scheme by scheme in the order of the registry.

    Args:
        room: the cluster.
        catalogue: what a config can name.
        only: names of the schemes that are searched; empty: all.
    """
    for name, family in catalogue["schemes"].classes.items():
        if (only and name not in only) or (name in LEFT_OUT):
            continue
        found = RECIPES[name](room) if name in RECIPES else _by_fields(family, room, catalogue)
        for section in found:
            yield {"name": name, **{key: value for key, value in section.items() if key != "name"}}


def _by_fields(family: type[SchemeFamily], room: Room, catalogue: Catalogue) -> Iterable[Section]:
    """Sections of a scheme that has no recipe."""
    known = {"load": room.few_loads, "wait_for": room.few_arrivals}
    mine = fields(family)  # type: ignore[arg-type]
    required = [f.name for f in mine if f.default is MISSING and f.default_factory is MISSING]
    named = [f.name for f in mine if f.name in known]
    if all(name in known for name in required):
        return _every(**{name: known[name] for name in named})
    return [plain(example, catalogue) for example in family.examples()]


def neighbours(
    section: Mapping[str, Any], others: Sequence[Mapping[str, Any]]
) -> Iterator[Section]:
    """Sections half-way between one and those next to it in its number of arrivals.

    Args:
        section: one that was tried.
        others: all that were tried.
    """
    for key in ("wait_for", "batch"):
        if not isinstance(section.get(key), int):
            continue
        rest = {k: v for k, v in section.items() if k != key}
        tried = sorted(
            other[key]
            for other in others
            if {k: v for k, v in other.items() if k != key} == rest and isinstance(other[key], int)
        )
        place = tried.index(section[key])
        for near in (tried[place - 1] if place else 0, *tried[place + 1 : place + 2]):
            half = (near + section[key]) // 2
            if half not in tried and half >= 1:
                yield {**section, key: half}
