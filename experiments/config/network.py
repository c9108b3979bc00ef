"""The ``network`` and ``failures`` sections of a config."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar, final, overload

import numpy as np
from annotated_types import Ge, Lt
from numpy.typing import ArrayLike
from pydantic import AllowInfNan, ConfigDict
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ...delay_models import Tape
from ...delay_models.base import (
    STRICT,
    DelayModel,
    Finite,
    FloatArray,
    IndependentDelays,
    Part,
    PositiveSeconds,
    Seconds,
)
from ...sim.engines.cluster import IDEAL, Cluster, Failures, Network
from .codec import Reader
from .errors import ConfigError, fault

# Seconds lost to messages that must be sent again.


@final
@dataclass(frozen=True, config=STRICT)
class Resends(IndependentDelays):
    """Each attempt is lost with probability ``loss``; a loss costs ``retry_after`` seconds.

    The sum is ``retry_after`` times a geometric number of losses. Not in the registry: it is part
    of a config's ``failures``, not a model of workers.
    """

    loss: Annotated[Finite, Ge(0), Lt(1)]
    retry_after: Seconds

    @override
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
        return np.asarray(self.retry_after * (rng.geometric(1 - self.loss, shape) - 1.0))

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """1 - loss^(k+1) with k the losses that fit into ``seconds``."""
        time = np.asarray(seconds, dtype=np.float64)
        if self.retry_after == 0:
            return np.asarray(time >= 0, dtype=np.float64)
        losses = np.floor(time / self.retry_after)
        return np.where(time >= 0, 1 - self.loss ** (losses + 1), 0.0)

    @override
    def longest(self) -> float:
        """The largest whole number that NumPy draws is 2^63 - 1."""
        return self.retry_after * 2.0**63

    @override
    def mean(self) -> float:
        return self.retry_after * self.loss / (1 - self.loss)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (cls(loss=0.3, retry_after=0.5),)


# The ``network`` and ``failures`` sections of a config: what surrounds the workers.


T = TypeVar("T")

UP, DOWN, LOSSES = 2**30, 2**30 + 2**29, 2**31
"""Replication numbers of the tapes of failures, repairs and losses; no run has so many."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid", arbitrary_types_allowed=True))
class FailureSettings:
    """What can go wrong.

    Args:
        time_to_failure: how long a worker stays up; ``None``: for ever.
        time_to_repair: how long it is down then; ``None``: for good.
        message_loss: probability that an attempt to send a message is lost.
        retry_after: seconds until a lost message is sent again.
        max_wait: seconds after which a round that has not ended stops the run.
    """

    time_to_failure: Part | None = None
    time_to_repair: Part | None = None
    message_loss: Annotated[float, Ge(0), Lt(1), AllowInfNan(False)] = 0.0
    retry_after: Seconds = 0.0
    max_wait: PositiveSeconds | None = None

    def __post_init__(self) -> None:
        """A repair without failures, or workers that fail without ever being up, is a mistake."""
        if self.time_to_repair is not None and self.time_to_failure is None:
            raise ValueError("time_to_repair needs time_to_failure")
        if self.time_to_failure is not None and self.time_to_failure.mean() == 0:
            raise ValueError("time_to_failure must be longer than 0 s on average")
        if self.message_loss > 0 and self.retry_after == 0:
            raise ValueError("message_loss needs retry_after, in seconds, greater than 0")


def read_network(reader: Reader, value: Any) -> Network:
    """Read a ``network`` section.

    Raises:
        ValidationError: an unknown key or a bad value.
    """
    built: Network = reader.build(Network, value)
    if built.channels is not None and built.bandwidth is None:
        raise fault(["channels"], built.channels, "needs a bandwidth, in bytes per second")
    return built


def read_failures(reader: Reader, value: Any) -> FailureSettings:
    """Read a ``failures`` section.

    Raises:
        ValidationError: an unknown key or a bad value.
    """
    built: FailureSettings = reader.build(FailureSettings, value)
    return built


def sized(network: Network | None, features: int | None, gradients: float = 1.0) -> Network | None:
    """The network, a gradient taking 8 bytes a feature unless ``message_bytes`` is given.

    Args:
        network: as the config has it.
        features: p; ``None`` without data.
        gradients: size of a message of the scheme, in gradients.

    Raises:
        ConfigError: no size is known, and a bandwidth needs one.
    """
    if network is None:
        return network
    size = network.message_bytes
    if size is None:
        if features is None and network.bandwidth is not None:
            raise ConfigError("network.message_bytes: missing; without a problem no size is known")
        size = 8.0 * (features or 0)
    return replace(network, message_bytes=gradients * size)


def cluster_of(
    net: Network | None, trouble: FailureSettings | None, workers: int, seed: int, replications: int
) -> Cluster:
    """The surroundings of a run, with a tape for each kind of trouble and replication."""
    if net is None and trouble is None:
        return IDEAL
    trouble = trouble or FailureSettings()

    def tapes(model: DelayModel, first: int) -> Sequence[Tape]:
        return Lazily(lambda r: Tape(model, workers, seed, first + r), replications)

    lives = None
    if trouble.time_to_failure is not None:
        up = tapes(trouble.time_to_failure, UP)
        repair = trouble.time_to_repair
        down = None if repair is None else tapes(repair, DOWN)
        lives = Lazily(lambda r: Failures(up[r], None if down is None else down[r]), replications)
    resends = None
    if trouble.message_loss > 0:
        resends = tapes(Resends(trouble.message_loss, trouble.retry_after), LOSSES)
    return Cluster(net, resends, lives, trouble.max_wait)


class Lazily(Sequence[T]):
    """A sequence whose items are made each time that they are read; a million cost no memory."""

    def __init__(self, make: Callable[[int], T], length: int) -> None:
        self._make, self._length = make, length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        places = range(self._length)[index]
        return self._make(places) if isinstance(places, int) else [self._make(i) for i in places]
