"""How long a delay may be.

Engines read an infinite time as "never": the task of a dead worker. So a law whose draws overflow
(a lognormal with sigma 300, an exponential with rate 1e-320) would silently kill workers, and a law
whose draws come close would overflow in the sums and squares that follow. This is known before
anything is drawn: a draw is made from finitely many random bits, so every law has a longest draw,
``DelayModel.longest``. Code that makes a model from a user's numbers calls ``refuse_endless``; a
tape does not, so drawing costs nothing extra.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from .base import DelayModel

LONGEST = 1e150
"""Seconds: sums and squares of delays up to here do not overflow."""

EXPONENTIAL_END = 45.0
"""No exponential draw of NumPy is larger: 7.7, where its tail begins, + 53 log 2."""

NORMAL_END = 14.0
"""No normal draw of NumPy is larger: 3.65, where its tail begins, + 53 log 2 / 3.65."""


class EndlessDelays(ValueError):
    """A delay model whose draws can be longer than ``LONGEST``.

    Args:
        model: the model, or the part of it that causes this.
        longest: its longest draw in seconds.
    """

    def __init__(self, model: DelayModel, longest: float) -> None:
        super().__init__(model, longest)
        self.model = model
        self.longest = longest

    @override
    def __str__(self) -> str:
        seconds = "infinity" if np.isinf(self.longest) else f"{self.longest:.2g} s"
        return (
            f"{' '.join(repr(self.model).split())} can give delays up to {seconds}; "
            f"must stay below {LONGEST:.0e} s"
        )


def refuse_endless(model: DelayModel) -> None:
    """Refuse a model if it, or a model in it, can give delays beyond ``LONGEST``.

    Raises:
        EndlessDelays: naming the innermost such model.
    """
    for part in model.parts():
        refuse_endless(part)
    longest = model.longest()
    if not longest <= LONGEST:
        raise EndlessDelays(model, longest)


def exp(exponent: float) -> float:
    """e to that power; infinity, without a warning, where that overflows."""
    with np.errstate(over="ignore"):
        return float(np.exp(exponent))


def gamma_end(shape: float) -> float:
    """No gamma draw of NumPy with this shape is larger.

    Up to shape 1 a draw is below the sum of two exponential draws; above, it is
    b (1 + z / sqrt(9 b))^3 with b = shape - 1/3 and z a normal draw. Both are below the bound.
    """
    return 2 * shape + 1000
