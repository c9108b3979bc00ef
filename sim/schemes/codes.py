"""The fields that codes share: when a round ends, and how it is decoded.

A code is an encoding matrix; with a stopping rule and a decoder it is a scheme. Families of codes
inherit the fields from here, say what their own rule and decoder are, and call ``scheme`` or
``coded``, which put the scheme together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from ..errors import InvalidParameter
from ..fields import STRICT, Load, Seed, WaitFor, require_at_most_workers
from .assignments import Assignment
from .base import Fixed, Guarantees, RandomOrder, SchemeFamily
from .decoders import CommonWeight, Decoder, Optimal, least_error, unbiased
from .stop import Stop, ending, refuse_beside_stop
from .stopping import FirstK, StoppingRule

DecoderName = Literal["optimal", "one_step", "least_error", "fixed", "sum"]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Loaded(SchemeFamily):
    """A code whose workers have a load; abstract.

    Args:
        load: d, partitions per worker."""

    load: Load


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Stopped(Loaded):
    """A code with a stopping rule of its own, which ``stop`` replaces; abstract.

    Args:
        stop: when a round ends, in place of the code's own rule. Whether a round is then decoded
            exactly depends on who has arrived.
    """

    stop: Stop | None = None

    def scheme(self, code: Assignment, own: StoppingRule, decoder: Decoder, late: int) -> Fixed:
        """A code of d copies that is exact with its own rule, after so many stragglers. Raises
        ``InvalidParameter``: the choice cannot work with the code."""
        if self.stop is not None:
            rule, guarantees = ending(self.stop, code), Guarantees(copies=self.load)
            return Fixed(self.name, code, rule, decoder, exact=None, guarantees=guarantees)
        guarantees = Guarantees(copies=self.load, tolerates=late)
        return Fixed(self.name, code, own, decoder, exact=True, guarantees=guarantees)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Counted(SchemeFamily):
    """A code that is waited for by a number of arrivals or by ``stop``; abstract.

    Args:
        wait_for: r, arrivals that end a round.
        stop: when a round ends, in place of ``wait_for``."""

    wait_for: WaitFor | None = None
    stop: Stop | None = None

    def rule(self, code: Assignment) -> StoppingRule:
        """The stopping rule for a code. Raises ``InvalidParameter``: neither field is given, or
        both, or they cannot work with the code."""
        if self.stop is not None:
            refuse_beside_stop(wait_for=self.wait_for)
            return ending(self.stop, code)
        if self.wait_for is None:
            raise InvalidParameter("wait_for", None, f"give 1 to {code.workers}, or a stop")
        require_at_most_workers("wait_for", self.wait_for, code.workers)
        return FirstK(self.wait_for)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Choosing(SchemeFamily):
    """A code of plain numbers, with a choice of decoders; abstract.

    Args:
        decoder: ``optimal``: the weights of least error ||w - 1||^2 for what arrived. ``one_step``:
            the sum, times k / (m d) for m arrivals, which is unbiased where they come in random
            order, as with equal loads. ``least_error``: the sum, times the weight of least mean
            error over all sets of m arrivals. ``fixed``: the sum, times the weight that the code's
            paper has for m arrivals, or else that of ``least_error``. ``sum``: as it is."""

    decoder: DecoderName = "optimal"

    def decoder_of(self, code: Assignment, load: float, own: Mapping[str, Decoder] = {}) -> Decoder:
        """The decoder that was chosen, for a code whose rows add up to d on average: one of the
        code's ``own`` by that name (the weights of ``fixed`` where its paper has some, a faster
        decoder for ``optimal``), or one for any code. Raises ``InvalidParameter``: it cannot."""
        name = self.decoder
        if name in own:
            return own[name]
        if name == "optimal":
            return Optimal(code)
        if np.iscomplexobj(code.encoding):
            valid = "must be optimal, since the code is complex"
            raise InvalidParameter("decoder", name, valid, {"decoder": "optimal"})
        if name == "one_step":
            return unbiased(code, load)
        if name in ("fixed", "least_error"):
            return least_error(code)
        return CommonWeight(code, (1.0,) * (code.workers * code.messages + 1))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Decoded(Choosing, Counted):
    """A code with a choice of decoders and of when a round ends; abstract."""

    def coded(
        self,
        code: Assignment,
        load: float,
        own: Mapping[str, Decoder] = {},
        copies: int | None = None,
    ) -> Fixed:
        """A code with the chosen rule and decoder (``decoder_of``), of so many copies if all have
        as many; whether it is exact depends on who arrives. Raises ``InvalidParameter``: the
        choices cannot work with the code."""
        decoder = self.decoder_of(code, load, own)
        fair = copies and self.stop is None and decoder == unbiased(code, load)
        guarantees = Guarantees(copies=copies, unbiased=RandomOrder() if fair else None)
        return Fixed(self.name, code, self.rule(code), decoder, exact=None, guarantees=guarantees)


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Seeded(SchemeFamily):
    """A random code; abstract.

    Args:
        code_seed: seed of the code, apart from the run's seed: every replication and every run
            uses the same code.
    """

    code_seed: Seed = 0
