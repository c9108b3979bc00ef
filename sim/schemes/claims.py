"""What a scheme promises beyond being exact; the conformance tests hold it to that.

Nothing is claimed unless it is said: a scheme whose claims are the default is tested for what every
scheme must keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class RandomOrder:
    """Workers whose times are independent and of one law; a round ends by the scheme's own rule."""


@dataclass(frozen=True)
class Independent:
    """Each worker straggles with a chance of its own, whatever ends the round.

    Args:
        chances: ``(n,)``, from 0 to below 1.
    """

    chances: tuple[float, ...]


Stragglers: TypeAlias = RandomOrder | Independent
"""Who straggles."""


@dataclass(frozen=True)
class Claims:
    """What a scheme promises; ``None`` where it promises nothing.

    Attributes:
        copies: workers that hold each partition.
        tolerates: s; whoever s of the workers never send anything, a round ends without them, and
            is decoded exactly.
        unbiased: the stragglers under which every partition's weight is 1 on average.
        mean_error: the mean decoding error ``||w - 1||^2`` of a round, under ``RandomOrder``.
        largest_error: the most that it can be when a round ends.
    """

    copies: int | None = None
    tolerates: int | None = None
    unbiased: Stragglers | None = None
    mean_error: float | None = None
    largest_error: float | None = None


NONE = Claims()
