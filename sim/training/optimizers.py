"""How the model moves along a gradient: pure ``init`` and ``step``, the state explicit. Every
update is linear in the models and in the gradient, and acts on each entry of the model by itself.
So one call serves all replications, as the columns of ``(p, R)`` arrays, and the learner knows the
margins at the gradient's point from margins it has already. Iterations are counted from 1, and so
are updates: an iteration is n gradients, in one update or in up to n, by the scheme. The learning
rate of iteration t is ``learning_rate * decay**t``, or falls as one over t, so that schemes are
compared at the same rates; momentum goes by updates."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Annotated, Any, ClassVar, Self, TypeAlias

import numpy as np
from annotated_types import Gt, Le
from pydantic import AllowInfNan, Discriminator, Tag
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..base.fields import STRICT, Configurable, configured
from ..base.types import FloatArray, registry

State: TypeAlias = "tuple[FloatArray, ...]"
"""Arrays of the model's shape; the first is the model beta itself."""


@configured
class Hyperbolic:
    """A learning rate that falls as one over t: times ``t0 / (t0 + t)`` in iteration t.

    Args:
        t0: the iteration in which half of the rate is left.
    """

    t0: Annotated[float, Gt(0), AllowInfNan(False)]


def _kind_of_decay(value: Any) -> str:
    return "choice section" if isinstance(value, Mapping | Hyperbolic) else "choice number"


Decay: TypeAlias = Annotated[
    Annotated[float, Gt(0), Le(1), Tag("choice number")]
    | Annotated[Hyperbolic, Tag("choice section")],
    Discriminator(_kind_of_decay),
]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Optimizer(metaclass=Configurable):
    """A rule of gradient descent; abstract.

    Args:
        learning_rate: the step along the gradient of the mean loss, > 0.
        decay: factor on the learning rate per iteration, 0 < decay <= 1; the first iteration
            already has it once. Or ``{t0: 10}``: the factor is t0 / (t0 + t). All updates of an
            iteration have one rate, while momentum goes by updates.
    """

    rule: ClassVar[str]  # the registry name

    learning_rate: Annotated[float, Gt(0), AllowInfNan(False)]
    decay: Decay = 1.0

    def rate(self, t: int) -> float:
        """The learning rate of iteration t, from 1."""
        if isinstance(self.decay, Hyperbolic):
            return self.learning_rate * self.decay.t0 / (self.decay.t0 + t)
        return self.learning_rate * self.decay**t

    def within(self, iteration: int) -> Self:
        """The same rule with the learning rate of an iteration, from 1, whatever t its updates
        have."""
        if self.decay == 1.0 and type(self).rate is Optimizer.rate:
            return self
        rate = self.rate(iteration)
        rule = copy(self)
        object.__setattr__(rule, "rate", lambda t: rate)
        return rule

    @abstractmethod
    def init(self, beta: FloatArray) -> State:
        """The state at the start beta, of any shape."""

    def extrapolation(self, t: int) -> float:
        """m: update t takes its gradient at ``beta + m (beta - beta before)``; 0 by default."""
        return 0.0

    def point(self, state: State, t: int) -> FloatArray:
        """The point at which update t takes its gradient; by default beta, not a copy."""
        return state[0]

    @abstractmethod
    def step(self, state: State, gradient: FloatArray, t: int) -> State:
        """The state after update t, from 1, and a gradient of the whole objective (mean data
        loss and L2) at ``point(state, t)``. The state before and the gradient do not change."""


@configured
class GradientDescent(Optimizer):
    """Plain gradient descent: beta' = beta - rate * gradient."""

    rule: ClassVar[str] = "gd"

    @override
    def init(self, beta: FloatArray) -> State:
        return (beta,)

    @override
    def step(self, state: State, gradient: FloatArray, t: int) -> State:
        moved = gradient * -self.rate(t)
        moved += state[0]
        return (moved,)


@configured
class Accelerated(Optimizer):
    """The accelerated rule of the authors' experiments, to the letter.

    With theta = 2 / (t + 1) in update t from 1: ``y = (1 - theta) beta + theta u``,
    ``beta' = y - rate * gradient(beta)``, ``u' = beta + (beta' - beta) / theta``, and u = 0 at the
    start. The gradient is taken at beta, not at y, which makes it a heavy-ball method with
    momentum (t - 2)/(t + 1) from the second iteration on. In the first, theta = 1 and y = u = 0:
    the start enters through its gradient alone.

    Putting beta' into u' leaves ``u' = u - rate / theta * gradient`` and
    ``beta' = (1 - theta) beta + theta u'``, which is what is computed.

    Source: facts read from the authors' public code (2019), which counts t from 0."""

    rule: ClassVar[str] = "accelerated"

    @override
    def init(self, beta: FloatArray) -> State:
        return beta, np.zeros_like(beta)

    @override
    def step(self, state: State, gradient: FloatArray, t: int) -> State:
        beta, u = state
        theta = 2 / (t + 1)
        u_next = gradient * (-self.rate(t) / theta)
        u_next += u
        moved = u_next * theta
        moved += beta * (1 - theta)
        return moved, u_next


@configured
class Nesterov(Optimizer):
    """Nesterov's accelerated gradient with momentum m = (t - 1)/(t + 2) in update t, from 1.

    ``y = beta + m (beta - beta before)``, ``beta' = y - rate * gradient(y)``.

    Source: Nesterov (1983) with the momentum of Su, Boyd, Candes (arXiv 1503.01243), section 1,
    who take the gradient of iteration t at a point with m = (t - 2)/(t + 1), from the second on:
    here each iteration has the m that is theirs one later."""

    rule: ClassVar[str] = "nesterov"

    @override
    def init(self, beta: FloatArray) -> State:
        return beta, beta

    @override
    def extrapolation(self, t: int) -> float:
        return (t - 1) / (t + 2)

    @override
    def point(self, state: State, t: int) -> FloatArray:
        beta, before = state
        y = beta - before
        y *= self.extrapolation(t)
        y += beta
        return y

    @override
    def step(self, state: State, gradient: FloatArray, t: int) -> State:
        moved = self.point(state, t)
        moved -= gradient * self.rate(t)
        return moved, state[0]


class Together:
    """L optimizers of one rule side by side; each has models of its own, and its own state."""

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        self._optimizers = optimizers

    def within(self, iteration: int) -> Together:
        """The same rules with the learning rates of an iteration, from 1."""
        return Together([rule.within(iteration) for rule in self._optimizers])

    def init(self, beta: FloatArray) -> list[State]:
        """The states where all start at one beta."""
        return [rule.init(beta) for rule in self._optimizers]

    def extrapolation(self, t: int) -> FloatArray | None:
        """m of each, ``(L, 1, 1)``; ``None`` where all are 0."""
        m = [rule.extrapolation(t) for rule in self._optimizers]
        return np.reshape(m, (-1, 1, 1)) if any(m) else None

    def models(self, states: Sequence[State]) -> FloatArray:
        """The models beta: ``(L, *beta.shape)``."""
        return _joined([state[0] for state in states])

    def points(self, states: Sequence[State], t: int) -> FloatArray:
        """The points at which update t takes its gradients: ``(L, *beta.shape)``."""
        pairs = zip(self._optimizers, states, strict=True)
        return _joined([rule.point(state, t) for rule, state in pairs])

    def step(self, states: Sequence[State], gradients: FloatArray, t: int) -> list[State]:
        """The states after update t, along ``(L, *beta.shape)`` gradients."""
        triples = zip(self._optimizers, states, gradients, strict=True)
        return [rule.step(state, gradient, t) for rule, state, gradient in triples]


def _joined(arrays: Sequence[FloatArray]) -> FloatArray:
    """One axis more in front; of one array a view, which keeps its order in memory."""
    return arrays[0][None] if len(arrays) == 1 else np.stack(arrays)


OPTIMIZERS: dict[str, type[Optimizer]] = registry("rule", GradientDescent, Accelerated, Nesterov)
