"""A random sparse code with optimal decoding: whether a round is exact depends on the draw."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import sparse

from erasurehead.plugins import (
    STRICT,
    Encoded,
    FirstK,
    Fixed,
    Load,
    Optimal,
    SchemeFamily,
    Seed,
    WaitFor,
)


@dataclass(frozen=True, config=STRICT)
class RandomSparse(SchemeFamily):
    """Each worker holds its own partition and each other one with probability (load - 1) / n."""

    name: ClassVar[str] = "random_sparse"

    load: Load
    wait_for: WaitFor
    code_seed: Seed = 0

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(load=2, wait_for=10, code_seed=2),)

    def build(self, workers: int) -> Fixed:
        held = np.random.default_rng(self.code_seed).random((workers, workers))
        held = (held < (self.load - 1) / workers) | np.eye(workers, dtype=bool)
        code = Encoded(sparse.csr_array(held.astype(float)))
        return Fixed(self.name, code, FirstK(self.wait_for), Optimal(code), exact=None)
