"""An exact code for workers of known, different speeds.

Source: Wang, Guo, Tang, Li, Li, Heterogeneity-aware Gradient Coding for Straggler Tolerance (2019).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Gt
from pydantic import AllowInfNan, BeforeValidator
from pydantic.dataclasses import dataclass
from scipy import sparse
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Count, not_bool, require_at_most_workers
from ..types import FloatArray, IntArray
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Loaded, Seeded, Stopped
from .decoders import Optimal
from .stopping import FirstK

Speed = Annotated[float, BeforeValidator(not_bool), Gt(0), AllowInfNan(False)]
"""Partitions per second, up to a common factor."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class HeterogeneityAware(Stopped, Seeded, Loaded):
    """Each partition on ``load`` workers, and each worker as many as suits its speed.

    Worker j computes about k d c_j / sum(c) partitions, so that without stragglers all are done at
    the same time. Any d - 1 stragglers are tolerated. Column j of B solves C_j b = 1, with C_j the
    holders' columns of a random d x n matrix C: for any d - 1 stragglers some combination of C's
    rows is zero on them, and sums the other columns' messages to the gradient.

    Args:
        load: d, copies of each partition, and partitions per worker on average.
        speeds: c_1, ..., c_n, up to a common factor.
        partitions: k; as many as workers unless given. Many follow the speeds more closely.

    Facts:
        load: about k d c_j / sum(c) partitions for worker j, at most k of them.
        stop: at the arrival n - d + 1, or by ``stop``.
        decoding: least squares over the arrived rows.
        error: 0.
        time: d k / sum(c) where worker j computes exactly c_j partitions a second; with random
            delays measured.
        confirmed: ``schemes/test_codes.py``: ``test_speeds_decide_loads``,
            ``test_portions_respect_the_most_that_fits``.
        ours: loads are rounded by largest remainder, and least squares find the decoding vector.
    """

    name: ClassVar[str] = "heterogeneity_aware"

    speeds: tuple[Speed, ...]
    partitions: Count | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=2, speeds=(1,) * 4 + (2,) * 4 + (4,) * 4, partitions=28),
            cls(load=3, speeds=(1,) * 6 + (3,) * 6, code_seed=2),
            cls(load=1, speeds=(1,) * 12),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Needs one speed per worker, load at most workers."""
        require_at_most_workers("load", self.load, workers)
        if len(self.speeds) != workers:
            valid = f"must have one entry for each of the workers = {workers}"
            raise InvalidParameter("speeds", [*self.speeds], f"{valid}, not {len(self.speeds)}")
        partitions = self.partitions or workers
        counts = portions(np.array(self.speeds), partitions * self.load, partitions)
        gaussian = np.random.default_rng(self.code_seed).standard_normal((self.load, workers))
        code = _code(counts, gaussian, partitions)
        late = self.load - 1
        return self.scheme(code, FirstK(workers - late), Optimal(code), late)


def portions(speeds: FloatArray, total: int, most: int) -> IntArray:
    """Split ``total`` in proportion to speeds, no part above ``most``: largest remainders.

    What a worker cannot take goes to the others, in proportion to their speeds.
    """
    parts = np.zeros(len(speeds), dtype=np.int64)
    while (left := total - int(parts.sum())) > 0:
        free = parts < most
        ideal = np.where(free, left * speeds / speeds[free].sum(), 0.0)
        whole = np.floor(ideal).astype(np.int64)
        order = np.argsort(whole - ideal, kind="stable")
        whole[order[: left - int(whole.sum())]] += 1
        parts = np.minimum(parts + whole, most)
    return parts


def _code(counts: IntArray, gaussian: FloatArray, partitions: int) -> Encoded:
    """Copies laid one after the other, mod k, with coefficients from a random ``(d, n)`` matrix."""
    load = len(gaussian)
    owner = np.repeat(np.arange(len(counts)), counts)
    held = np.arange(len(owner)) % partitions
    holders = owner[np.argsort(held, kind="stable")].reshape(partitions, load)
    systems = gaussian.T[holders].transpose(0, 2, 1)
    values = np.linalg.solve(systems, np.ones((partitions, load, 1)))[:, :, 0]
    columns = np.repeat(np.arange(partitions), load)
    shape = (len(counts), partitions)
    entries = sparse.coo_array((values.ravel(), (holders.ravel(), columns)), shape=shape)
    return Encoded(sparse.csr_array(entries.tocsr()))
