"""Candidates: sections of a config, and the neighbours of one that was good."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any

import numpy as np

from ....config.catalogue import Catalogue
from ....config.codec import plain

Section = dict[str, Any]  # a section of a config: a scheme's name and its fields
Tried = tuple[Mapping[str, Any], float]  # a section, and what it takes: infinite if unknown


@dataclass(frozen=True)
class SearchSpace:
    """What recipes need to know of the cluster."""

    workers: int  # n
    typical: float  # seconds, the median time of a worker with one partition
    most_load: int  # partitions that a worker may hold
    fine: bool = False  # list every number of arrivals, as nothing is trained
    network: bool = False  # whether the size of messages matters

    def sections(self, catalogue: Catalogue, only: Sequence[str] = ()) -> Iterator[Section]:
        """Everything that is tried, scheme by scheme as registered; ``only`` these, if any."""
        for name, family in catalogue["schemes"].classes.items():
            if (only and name not in only) or name in NOT_SEARCHED:
                continue
            found = RECIPES[name](self) if name in RECIPES else self._unknown(family, catalogue)
            for section in found:
                yield {"name": name, **section}

    def _unknown(self, family: Any, catalogue: Catalogue) -> Iterable[Section]:
        """Of a scheme without a recipe: what its fields' names say, or its own examples."""
        known = {"load": self.few_loads, "wait_for": self.few_arrivals}
        required = {f.name for f in fields(family) if f.default is f.default_factory is MISSING}
        if required <= {*known}:
            return _every(**{f.name: known[f.name] for f in fields(family) if f.name in known})
        examples = (plain(example, catalogue) for example in family.examples())
        return ({k: v for k, v in example.items() if k != "name"} for example in examples)

    @property
    def loads(self) -> list[int]:
        """2, 3, 4, 6 and divisors of n up to half of it; of many, the first five, the one half-way
        to the last, and the last."""
        n = self.workers
        some = {d for d in range(2, n // 2 + 1) if n % d == 0} | {2, 3, 4, 6}
        fit = sorted(d for d in some if d <= min(n, self.most_load))
        return fit if len(fit) <= 7 else [*fit[:5], fit[(len(fit) + 5) // 2], fit[-1]]

    @property
    def few_loads(self) -> list[int]:
        """For codes that differ from others of their load in little."""
        return self.loads[:2]

    def arrivals(self, most: int | None = None) -> list[int]:
        """Numbers of arrivals, up to ``most`` (default n - 1); all of up to 64 where ``fine``."""
        n, last = self.workers, self.workers - 1 if most is None else most
        if last < 1 or (self.fine and n <= 64):
            return [*range(1, last + 1)]
        shares = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
        return sorted({min(last, max(1, round(share * n))) for share in shares} | {last})

    @property
    def few_arrivals(self) -> list[int]:
        """For codes that differ from others of their load in little."""
        return sorted({max(1, round(share * self.workers)) for share in (0.5, 0.75, 0.9)})

    @property
    def half(self) -> int:
        """Half of the workers, at least one."""
        return max(1, self.workers // 2)

    @property
    def batches(self) -> list[int]:
        """Gradients of an update that is not bound to as many workers."""
        return sorted({max(1, round(share * self.workers)) for share in (0.25, 0.5, 1.0)})

    def seconds(self, *times: float) -> list[float]:
        """Multiples of the typical time, to three digits."""
        return [float(f"{factor * self.typical:.3g}") for factor in times]


def _every(**choices: Sequence[Any]) -> Iterator[Section]:
    for values in itertools.product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _sequential(space: SearchSpace) -> Iterator[Section]:
    for variant in ("selective_repeat", "multiplexed"):
        for load in space.few_loads:
            few = 2 * (load - 1)
            yield {"B": 1, "W": 2, "stragglers": few, "tolerance": 0.5, "variant": variant}


def _codes(space: SearchSpace) -> Iterator[Section]:
    return _every(load=space.few_loads, wait_for=space.few_arrivals)


def _own_or_sampled(**choices: Sequence[Any]) -> Iterator[Section]:
    return _every(**choices, data=("sampled", "own"))


# A recipe lists sections of a scheme for a cluster; those that do not suit the number of workers
# drop out when they are built.
RECIPES: Mapping[str, Callable[[SearchSpace], Iterable[Section]]] = {
    "ignore_stragglers": lambda space: [
        *_every(wait_for=space.arrivals()),
        *_every(deadline=space.seconds(1.1, 1.5, 2.0)),
        *_every(wait_for=space.few_arrivals, grace=space.seconds(0.1, 0.5)),
    ],
    "window": lambda space: [
        *_every(tolerance=(0.25, 0.5, 1.0), at_least=[space.half]),
        *_every(deadline=space.seconds(1.1, 1.5, 2.0), at_least=[space.half]),
    ],
    "fractional_repetition": lambda space: _every(load=space.loads),
    "cyclic_mds": lambda space: _every(load=space.loads),
    "generalized_fractional_repetition": lambda space: _every(load=space.loads),
    "communication_efficient": lambda space: (
        _every(load=space.loads, share=(2, 3)) if space.network else []
    ),
    "erasurehead": lambda space: _every(load=space.loads, wait_for=space.arrivals()),
    "stochastic_block": lambda space: [
        {**code, "community": code["load"], "inside": 0.8} for code in _codes(space)
    ],
    "block_design": lambda space: _every(
        load=[d for d in (3, 4, 5, 6, 8, 9, 10, 13) if d <= space.most_load],
        wait_for=space.few_arrivals,
    ),
    "graph_assignment": lambda space: _every(degree=space.few_loads, wait_for=space.few_arrivals),
    "stochastic_gradient_coding": lambda space: [
        {**code, "straggle_probability": 0.1} for code in _codes(space)
    ],
    "multi_message": lambda space: _every(load=space.loads[:3]),
    "partial_stragglers": lambda space: _every(load=space.loads[:3]),
    "drop_compute": lambda space: _every(pieces=[10], patience=space.seconds(1.1, 1.5, 2.0, 3.0)),
    "speculative": lambda space: [
        *_every(copy_after=space.few_arrivals),
        *_every(spark=("before 4.0", "4.0")),
    ],
    "balanced": lambda space: _every(micro_batches=[4 * space.workers]),
    "pipelined": lambda space: _every(
        load=space.few_loads, wait_for=sorted({*space.few_arrivals, max(1, space.workers - 1)})
    ),
    "mindflayer": lambda space: _every(trials=(1, 2), patience=space.seconds(1.1, 1.5, 2.0)),
    "sequential": _sequential,
    "adaptive_k": lambda space: _every(wait_for=[space.half], step=[2]),
    "adaptive_deadline": lambda space: _every(kappa=(1.0, 3.0), at_least=[space.half]),
    "asynchronous": lambda space: [
        *_own_or_sampled(),
        {"data": "own", "rescale": True},
        {"staleness": {"power": 0.5}},
    ],
    "k_async": lambda space: _own_or_sampled(wait_for=space.few_arrivals),
    "k_batch_async": lambda space: _own_or_sampled(
        wait_for=space.arrivals(space.workers) if space.fine else space.batches
    ),
    "k_batch_sync": lambda space: _own_or_sampled(wait_for=space.batches),
    "ssp": lambda space: _own_or_sampled(ahead=(1, 4), wait_for=(1, space.workers)),
    "rennala": lambda space: _own_or_sampled(batch=space.batches),
    "ringmaster": lambda space: _own_or_sampled(oldest=[space.workers, 2 * space.workers]),
}

NOT_SEARCHED: Mapping[str, str] = {  # schemes that are not searched, and why
    "cyclic_repetition": "as fast as cyclic_mds, whose code is better conditioned",
    "heterogeneity_aware": "needs the workers' speeds; name it in the config to have it compared",
    "heterogeneous_split": "needs the workers' chances to straggle; name it in the config",
    "local_sgd": "only training tells what its local steps are worth; name it in the config",
    "matrix": "needs a file with the matrix; name it in the config",
}


def expanded(section: Mapping[str, Any], catalogue: Catalogue) -> Section:
    """A section without its label and with every default, to be compared."""
    mine = fields(catalogue["schemes"].classes[section["name"]])
    known = {f.name: f.default for f in mine if f.default is not MISSING} | {**section}
    return {"name": section["name"], **{f.name: known[f.name] for f in mine if f.name in known}}


def brief(section: Mapping[str, Any], catalogue: Catalogue) -> Section:
    """A section without what is a default."""
    usual = {f.name: f.default for f in fields(catalogue["schemes"].classes[section["name"]])}
    return {k: v for k, v in section.items() if k not in usual or v != usual[k]}


def frozen(section: Mapping[str, Any]) -> str:
    """A section without its label, as text."""
    return json.dumps(_without(section, "label"), sort_keys=True, default=str)


def choices(section: Mapping[str, Any], zero: bool = False) -> str:
    """What is not a number in a section; ``zero``: or is left out by a 0."""
    return frozen({k: v for k, v in section.items() if not _is_number(k, v, zero)})


def _is_number(key: str, value: Any, zero: bool = False) -> bool:
    """Whether a field is gone on from. A 0 leaves a part of a scheme out, which is a choice; and of
    the seeds of a code none is better than another."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (zero or value != 0) and key != "code_seed"


def far_beyond(section: Section, listed: Iterable[Section], times: float = 16) -> bool:
    """Whether a number lies so many times beyond those of the sections that are alike. Where
    messages cost nothing, ever more and ever smaller pieces gain a little without end, and take
    twice as long to simulate."""
    mine = choices(section)
    like = [other for other in listed if choices(other) == mine]
    for key in (k for k, v in section.items() if like and _is_number(k, v)):
        values = [other[key] for other in like]
        if not min(values) / times <= section[key] <= max(values) * times:
            return True
    return False


def neighbours(
    section: Mapping[str, Any], tried: Sequence[Tried], workers: int, flat: float = 0.0
) -> Iterator[Section]:
    """Where to go on from the best section, in each of its numbers: half-way to the next one on
    either side of those that were tried with all else equal, and beyond where there is none. Not
    where all of those next to it are worse by less than the share ``flat``: if one of them is
    steep, the best may lie on the other side, and be lower than both."""
    mine = next(worth for other, worth in tried if frozen(other) == frozen(section))
    for key in (k for k, v in section.items() if _is_number(k, v)):
        value, rest = section[key], _without(section, key)
        line = {
            other[key]: worth
            for other, worth in tried
            if _is_number(key, other.get(key)) and _without(other, key) == rest
        }
        below = max((v for v in line if v < value), default=None)
        above = min((v for v in line if v > value), default=None)
        beside = [line[v] for v in (below, above) if v is not None]
        if beside and max(beside) < mine * (1 + flat):
            continue
        for near, edge in ((below, 0.5), (above, 2.0)):
            for step in _steps(key, value, near, edge, workers):
                if step not in line:
                    line[step] = np.inf
                    yield {**section, key: step}


def _without(section: Mapping[str, Any], key: str) -> Section:
    return {k: v for k, v in section.items() if k not in (key, "label")}


def _steps(
    key: str, value: float, near: float | None, edge: float, n: int, finest: float = 1.1
) -> Iterator[float]:
    """Half-way to ``near``, or ``edge`` times as far if there is none. Numbers that differ by less
    than the factor ``finest`` are close enough."""
    wide = near is None or max(value, near) > finest * min(value, near)
    if isinstance(value, float):
        step = value * edge if near is None else float(np.sqrt(max(value * near, 0.0)))
        if value > 0 and wide:
            yield float(f"{step:.3g}")
        return
    end = int(value * edge) if near is None else int(near)
    step = end if near is None else (int(value) + end) // 2
    inside = range(min(int(value), end) + 1, max(int(value), end))
    wide = wide and (near is None or len(inside) > 0)
    if step >= 1 and step != value and wide:
        yield step
    if key in ("load", "degree") and wide:  # most codes need a divisor of the workers
        fit = [d for d in (inside if near is not None else range(1, n + 1)) if n % d == 0]
        fit = [d for d in fit if (d > value) == (edge > 1) and d != value]
        yield from sorted(fit, key=lambda d: abs(d - step))[:1]
