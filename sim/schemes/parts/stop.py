"""``stop``: the stopping rules that a config can name, for any code; ``docs/codes.md`` lists them.

``first``, ``deadline`` and ``window`` are the rules themselves; the others need to know the code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, fields
from functools import cached_property, reduce
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, final, get_args

import numpy as np
from pydantic import BeforeValidator, Discriminator, Tag
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import (
    Configurable,
    Grace,
    Number,
    Positive,
    Tolerance,
    WaitFor,
    configured,
    require_at_most,
)
from ...base.numerics import row_max
from ...base.types import BoolArray, FloatArray
from .assignments import Assignment, Groups
from .deadlines import Deadline, Later, PastDeadline, Spread, Window, WindowIfFew
from .decoders import Optimal, decoding_error
from .stopping import CoverGroups, FirstK, GroupsState, Opened, StoppingRule, StoppingState

if TYPE_CHECKING:
    from pydantic import ValidationInfo


def _yes(value: Any) -> Any:
    if value is not True:
        own = "for a share of the partitions write a stopping rule of your own"
        raise ValueError(f"{value!r}: must be true; {own}")
    return value


@final
@dataclass(frozen=True)
class CoverPartitions(StoppingRule):
    """Stop when every partition is in a message that arrived; never if one is in none at all."""

    code: Assignment

    @cached_property
    def carried(self) -> list[list[int]]:
        """The partitions that each message carries."""
        b = self.code.encoding
        return [b.indices[start:stop].tolist() for start, stop in pairwise(b.indptr)]

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        if self.code.carriers is None:
            return np.zeros(arrived.shape[:-1], dtype=np.bool_)
        return np.asarray(arrived[..., self.code.carriers].any(axis=-1).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: a gather for each copy."""
        if self.code.carriers is None:
            return np.full(delays.shape[:-1], np.inf)
        first, *others = self.code.carriers.T
        earliest = delays[..., first]
        for messages in others:
            np.minimum(earliest, delays[..., messages], out=earliest)
        return row_max(earliest)

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        partitions = self.code.partitions
        return GroupsState(partitions, [1] * partitions, self.carried)


@final
@dataclass(frozen=True)
class Decodable(StoppingRule):
    """Stop when least squares over what arrived leaves ||w - 1||^2 <= ``error``. Monotone, since
    another message can always be given the weight 0. Cost: log2(n) least-squares solutions a round,
    and one per arrival in the event engine."""

    code: Assignment
    error: float

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return decoding_error(self._decoder.partition_weights(arrived)) <= self.error

    @cached_property
    def _decoder(self) -> Optimal:
        return Optimal(self.code)


@dataclass(frozen=True)
class NamedRule(StoppingRule, metaclass=Configurable):
    """A stopping rule of a plugin; abstract. A config has it as ``stop: {rule: NAME, fields}``,
    with any code and decoder."""

    rule: ClassVar[str]  # the name

    @property
    def code(self) -> Assignment:
        """The code whose rounds it ends."""
        code: Assignment = vars(self)["_code"]
        return code

    @override
    def on(self, code: Assignment) -> StoppingRule:
        own = copy(self)
        vars(own)["_code"] = code
        return own


def _named(value: Any, info: ValidationInfo) -> Any:
    """Whoever reads rules from a text says in pydantic's context how (``named``)."""
    if info.context is not None:
        value = info.context.named("stopping_rules", value)
    if not isinstance(value, NamedRule):
        raise ValueError("must be an object of the rule's class")
    return value


class ForCode(metaclass=Configurable):
    """A choice that becomes a stopping rule once the code is known; abstract."""

    @abstractmethod
    def on(self, code: Assignment) -> StoppingRule:
        """The stopping rule for a code; raises ``InvalidParameter``: it cannot work with it."""


@configured
class Quorum(ForCode):
    """So many seconds after a number of arrivals.

    Args:
        first: K, the arrivals that start the grace.
        grace: seconds for which the master waits on after the K-th arrival.
    """

    first: WaitFor
    grace: Grace

    @override
    def on(self, code: Assignment) -> StoppingRule:
        rule = FirstK(self.first).on(code)
        everybody = self.first == code.workers * code.messages
        return Later(rule, self.grace) if self.grace and not everybody else rule


@configured
class Barrier(ForCode):
    """At (1 + window) times the first arrival, never earlier, if few are late then.

    The master looks at the end of the window: whoever has not arrived is late. If few are, it goes
    on without them; else it waits on. A round also ends when everybody has arrived.

    Args:
        window: how much longer than the first message another may take.
        tolerates: s, messages that may be late.
        strict: fewer than s may be late, as in the authors' program, else s: a code of load s + 1
            then wastes one straggler.
        otherwise: where more are late, ``all``: the round ends when everybody has arrived.
            ``decodable``: with all but s, whom a code that tolerates s does without; s late ones
            then end it whether ``strict`` or not.

    Source: Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding for Straggler Mitigation (ICLR
    2023), the barrier under which their program runs gradient coding."""

    window: Tolerance
    tolerates: Number
    strict: bool = True
    otherwise: Literal["all", "decodable"] = "all"

    @override
    def on(self, code: Assignment) -> StoppingRule:
        most = code.workers * code.messages
        require_at_most("stop.tolerates", self.tolerates, most, least=0)
        sent = code.senders * code.messages
        if self.otherwise == "decodable":
            if not self.strict:
                valid = "must be left out with otherwise: decodable, which lets s be late anyway"
                raise InvalidParameter("stop.strict", self.strict, valid)
            return FirstK(max(1, sent - self.tolerates)) & Window(self.window)
        late = self.tolerates - self.strict
        return WindowIfFew(self.window, late, sent) if late > 0 else FirstK(most)


@configured
class Adaptive(ForCode):
    """At a deadline that follows past arrivals, if enough have arrived by then.

    Args:
        adaptive: ``kappa``, ``at_least`` and ``rounds``, as in the scheme ``adaptive_deadline``.
    """

    adaptive: PastDeadline

    @override
    def on(self, code: Assignment) -> StoppingRule:
        most = code.workers * code.messages
        require_at_most("stop.adaptive.at_least", self.adaptive.at_least, most)
        return FirstK(most) if self.adaptive.at_least == most else self.adaptive


@configured
class Covered(ForCode):
    """Every partition is held by somebody who arrived.

    Args:
        cover: true.
    """

    cover: Annotated[Literal[True], BeforeValidator(_yes)]

    @override
    def on(self, code: Assignment) -> StoppingRule:
        return CoverGroups(code.load) if isinstance(code, Groups) else CoverPartitions(code)


@configured
class DecodableWithin(ForCode):
    """Least squares over what arrived leaves a decoding error of at most this.

    Args:
        decodable: largest ||w - 1||^2.
    """

    decodable: Positive

    @override
    def on(self, code: Assignment) -> StoppingRule:
        return Decodable(code, self.decodable)


@configured
class Earliest(ForCode):
    """The earliest of several.

    Args:
        any: the choices, at least one.
    """

    any: tuple[Stop, ...]

    @override
    def on(self, code: Assignment) -> StoppingRule:
        return reduce(StoppingRule.__or__, _rules("any", self.any, code))


@configured
class Latest(ForCode):
    """The latest of several.

    Args:
        all: the choices, at least one.
    """

    all: tuple[Stop, ...]

    @override
    def on(self, code: Assignment) -> StoppingRule:
        return reduce(StoppingRule.__and__, _rules("all", self.all, code))


def _rules(name: str, stops: tuple[Stop, ...], code: Assignment) -> list[StoppingRule]:
    if not stops:
        raise InvalidParameter(f"stop.{name}", [], "must have at least one entry")
    return [stop.on(code) for stop in stops]


Choices: TypeAlias = (
    # asked first: it may have fields of any name
    Annotated[NamedRule, BeforeValidator(_named), Tag("choice-rule")]
    | Annotated[Quorum, Tag("choice-grace")]  # asked before "first", which it also has
    | Annotated[Spread, Tag("choice-spread")]
    | Annotated[FirstK, Tag("choice-first")]
    | Annotated[Covered, Tag("choice-cover")]
    | Annotated[DecodableWithin, Tag("choice-decodable")]
    | Annotated[Deadline, Tag("choice-deadline")]
    | Annotated[Barrier, Tag("choice-tolerates")]  # asked before "window", which it also has
    | Annotated[Window, Tag("choice-window")]
    | Annotated[Adaptive, Tag("choice-adaptive")]
    | Annotated[Earliest, Tag("choice-any")]
    | Annotated[Latest, Tag("choice-all")]
)
KINDS: dict[str, type[StoppingRule | ForCode]] = {
    choice.__metadata__[-1].tag.removeprefix("choice-"): choice.__origin__
    for choice in get_args(Choices)
}
"""The key that tells which choice a section is."""

STOPS_BY_WORD: dict[str, Mapping[str, Any]] = {
    "cover": {"cover": True},
    "decodable": {"decodable": 1e-6},
}


def _written(value: Any) -> Any:
    """A choice as a section: a word's, and those of rules that check nothing when they are made."""
    if isinstance(value, FirstK | Spread | Deadline | Window):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return STOPS_BY_WORD.get(value, value) if isinstance(value, str) else value


def _kind(value: Any) -> str | None:
    kinds = [name for name, kind in KINDS.items() if isinstance(value, kind)]
    if isinstance(value, Mapping):
        kinds = [name for name in KINDS if name in value]
    return f"choice-{kinds[0]}" if kinds else None


Stop = Annotated[
    Choices,
    Discriminator(
        _kind,
        custom_error_type="stop",
        custom_error_message="Input should be a section with one of: " + ", ".join(KINDS),
    ),
    BeforeValidator(_written),
]
"""The field ``stop``."""


def refuse_beside(given: str, **others: object) -> None:
    """Refuse (``InvalidParameter``) the fields that one that is ``given`` replaces."""
    for field, value in others.items():
        if value is not None:
            raise InvalidParameter(field, value, f"must be left out, since {given} is given")


def ending(stop: Stop, code: Assignment) -> StoppingRule:
    """The rule of a choice; a round also ends when everybody has arrived. Raises as ``on``."""
    rule = stop.on(code)
    return rule if isinstance(rule, FirstK) else FirstK(code.workers * code.messages) | rule
