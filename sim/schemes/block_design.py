"""Codes from symmetric block designs: any two workers share the same number of partitions.

Then any m arrivals are worth the same: with the weight d / (d + lambda (m - 1)) for each, the error
is v - d^2 m / (d + lambda (m - 1)), the least possible, whoever arrived.

Source: Kadhe, Koyluoglu, Ramchandran, Gradient Coding Based on Block Designs for Mitigating
Adversarial Stragglers (2019). The designs are difference sets of cyclic groups, as in
any handbook of combinatorial designs; a test checks every one.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT
from .base import Fixed, SchemeFamily
from .codes import Decoded, DecoderName, Loaded, scheme_of
from .decoders import least_error
from .graph_codes import is_prime, shifted

BLOCKS: dict[int, tuple[int, ...]] = {
    7: (0, 1, 3),
    13: (0, 1, 3, 9),
    21: (3, 6, 7, 12, 14),
    31: (1, 5, 11, 24, 25, 27),
    37: (1, 7, 9, 10, 12, 16, 26, 33, 34),
    40: (1, 2, 3, 5, 6, 9, 14, 15, 18, 20, 25, 27, 35),
    57: (0, 1, 3, 13, 32, 36, 43, 52),
    73: (0, 1, 3, 7, 15, 31, 36, 54, 63),
    91: (0, 1, 3, 9, 27, 49, 56, 61, 77, 81),
}
"""Difference sets by v: projective planes, points of a space, the quartic residues of 37."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class BlockDesign(Decoded, Loaded):
    """A symmetric block design: any two workers share lambda = d (d - 1) / (n - 1) partitions.

    Args:
        load: d, partitions per worker. Not every pair of workers and load has a design; the error
            of a pair without one names the nearest.

    Facts:
        decoding: ``fixed``: the sum of the m arrivals, times d / (d + lambda (m - 1)), which is
            least squares, unless ``decoder`` says otherwise.
        error: n - d^2 r / (d + lambda (r - 1)), whoever arrives (``eh.theory.design_error``).
        time: E[T_(r)]: ``eh.theory.mean_first_k`` for exponential times, any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        confirmed: ``schemes/test_codes.py``: ``test_every_difference_appears_equally_often``,
            ``test_block_designs_do_not_care_who_arrived``.
        ours: only designs that are difference sets of a cyclic group, and their complements.
    """

    name: ClassVar[str] = "block_design"

    decoder: DecoderName = "fixed"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=11, wait_for=6),
            cls(load=11, wait_for=3, decoder="optimal"),
            cls(load=1, wait_for=8),
        )

    @classmethod
    @override
    def portrait(cls) -> tuple[SchemeFamily, int]:
        """The Fano plane: 12 workers have no design that is worth a look."""
        return cls(load=3, wait_for=4), 7

    @override
    def build(self, workers: int) -> Fixed:
        """Needs a design with so many workers and this load."""
        block = base_block(workers, self.load)
        if block is None:
            raise _without_design(workers, self.load)
        code = shifted(np.array(block), workers)
        fixed = least_error(code)
        return scheme_of(self, code, self.load, fixed=fixed, copies=self.load)


def base_block(workers: int, load: int) -> tuple[int, ...] | None:
    """A set of d residues mod v in which every difference but 0 appears equally often."""
    return _designs(workers).get(load)


def _designs(v: int) -> dict[int, tuple[int, ...]]:
    """Base blocks by load: known ones, and what each leaves out."""
    found = [(0,), tuple(range(v))]
    if v in BLOCKS:
        found.append(BLOCKS[v])
    if is_prime(v) and v % 4 == 3:
        found.append(tuple(sorted({x * x % v for x in range(1, v)})))
    twin = next((p for p in range(3, v) if p * (p + 2) == v), None)
    if twin is not None and is_prime(twin) and is_prime(twin + 2):
        found.append(_twin_primes(twin))
    rest = [tuple(x for x in range(v) if x not in block) for block in map(set, found)]
    return {len(block): block for block in (*rest, *found) if block}


def _twin_primes(p: int) -> tuple[int, ...]:
    """x mod p (p + 2) that are squares modulo both primes or neither, or multiples of p + 2."""
    q = p + 2
    squares = [{x * x % m for x in range(1, m)} for m in (p, q)]

    def belongs(x: int) -> bool:
        if x % q == 0:
            return True
        return x % p != 0 and (x % p in squares[0]) == (x % q in squares[1])

    return tuple(x for x in range(p * q) if belongs(x))


def _without_design(workers: int, load: int) -> InvalidParameter:
    """Names the valid loads of this cluster, and the nearest cluster with a design that codes."""
    own = sorted(_designs(workers))
    for distance in range(1, workers + 8):
        for other in (workers + distance, workers - distance):
            loads = [d for d in sorted(_designs(other)) if 1 < d < other - 1] if other > 1 else []
            if loads:
                listed = ", ".join(map(str, loads))
                valid = (
                    f"no symmetric design with {workers} workers has this load; valid: "
                    f"{', '.join(map(str, own))}; nearest cluster: {other} workers, load {listed}"
                )
                close = min(loads, key=lambda d: abs(d - load))
                return InvalidParameter("load", load, valid, {"workers": other, "load": close})
    raise AssertionError("there is a design with 7 workers")
