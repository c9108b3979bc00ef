"""Workers are the edges of a graph and data blocks its vertices: every worker holds two blocks.

Source: Glasgow, Wootters, Approximate Gradient Coding with Optimal Decoding (arXiv 2006.09638).

Optimal decoding looks at the connected components that the arrived edges make. In one that is not
bipartite every block gets the weight 1. In a bipartite one with sides of L and R blocks the two
sides' sums are always equal, and the best is the weight 2 R / (L + R) for the blocks of the first
side and 2 L / (L + R) for the others; the error is (L - R)^2 / (L + R). A block on its own gets 0.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import sparse
from typing_extensions import override

from ..fields import STRICT, Count, refuse_naming
from ..types import BoolArray, ComplexArray, FloatArray
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Decoded, Seeded
from .decoders import Decoder, Optimal, unbiased
from .graph_codes import regular_graph
from .random_codes import plain_code
from .stop import DecodableWithin, Latest
from .stopping import FirstK

AT_ONCE = 2**17  # edges of all rounds together that are decoded at once, to bound the memory


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class GraphAssignment(Seeded, Decoded):
    """A random d-regular graph on 2 n / d vertices; worker j holds the two blocks of edge j.

    The data are in k = 2 n / d blocks, so a worker computes d/n of the data.

    Args:
        degree: d, workers that hold a block; 2 n must be a multiple of it."""

    name: ClassVar[str] = "graph_assignment"
    degree: Count

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        one_step = cls(degree=4, wait_for=8, decoder="one_step", code_seed=1)
        late = Latest(all=(FirstK(first=5), DecodableWithin(decodable=1.0)))
        return cls(degree=3, wait_for=6), one_step, cls(degree=3, stop=late)

    @override
    def build(self, workers: int) -> Fixed:
        vertices, rest = divmod(2 * workers, self.degree)
        fit = [d for d in range(1, 2 * workers) if 2 * workers % d == 0 and 2 * workers // d > d]
        if rest or self.degree not in fit:
            rule = f"must divide 2 workers = {2 * workers}, and be below 2 workers / degree"
            refuse_naming("degree", self.degree, fit, rule)
        graph = regular_graph("degree", self.degree, vertices, self.code_seed)
        edges = sorted(tuple(sorted(edge)) for edge in graph.edges())
        code = plain_code([np.array(edge) for edge in edges], vertices)
        own = {"fixed": unbiased(code, 2.0), "optimal": ByComponent(code)}
        return self.coded(code, 2.0, own, copies=self.degree)


@final
@dataclasses.dataclass(frozen=True)
class ByComponent(Decoder):
    """Optimal decoding of a graph assignment, component by component. A component is bipartite if
    and only if its double cover falls into two components: two copies of each vertex, and for an
    edge (u, v) one edge from the first copy of u to the second of v and one from the first of v to
    the second of u. The row of a worker in B has its two blocks. Cost of the weights: linear in
    edges and vertices; the decoding vector itself, which no run needs, takes least squares."""

    code: Encoded

    def __post_init__(self) -> None:
        """Import what decoding needs now: in a live run, the first round would wait for it."""
        import scipy.sparse.csgraph  # noqa: F401

    @cached_property
    def _optimal(self) -> Optimal:
        return Optimal(self.code)

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray | ComplexArray:
        return self._optimal.decoding_vector(arrived)

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        flat = arrived.reshape(-1, arrived.shape[-1])
        weights = np.empty((len(flat), self.code.partitions))
        rounds = max(1, AT_ONCE // max(1, self.code.workers))
        ends = self.code.matrix.indices.reshape(-1, 2).astype(np.int32)
        for start in range(0, len(flat), rounds):
            part = slice(start, start + rounds)
            weights[part] = _weights(flat[part], ends, self.code.partitions)
        return weights.reshape(*arrived.shape[:-1], self.code.partitions)


def _weights(arrived: BoolArray, ends: np.ndarray, blocks: int) -> FloatArray:
    """``(N, n)`` arrivals and the ``(n, 2)`` ends of each edge -> ``(N, k)`` weights. The edges are
    in the order of their first ends, so that the rows of the cover need no sort."""
    from scipy.sparse.csgraph import connected_components

    rounds = len(arrived)
    vertices = rounds * blocks
    which, edge = np.nonzero(arrived)
    u, v = ends[edge].T + (which * blocks).astype(np.int32)
    twice = 2 * vertices
    starts = np.zeros(twice + 1, dtype=np.int32)
    np.cumsum(np.tile(np.bincount(u, minlength=vertices), 2), out=starts[1:])
    columns = np.concatenate([v + np.int32(vertices), v])
    cover = sparse.csr_array((np.ones(len(columns)), columns, starts), shape=(twice, twice))
    count, label = connected_components(cover, directed=False)
    first, second = label[:vertices], label[vertices:]
    bipartite = first != second
    weights = np.ones(vertices)
    mine, other = first[bipartite], second[bipartite]
    size = np.bincount(mine, minlength=count)  # first copies in each component of the cover
    weights[bipartite] = 2.0 * size[other] / (size[mine] + size[other])
    return weights.reshape(rounds, blocks)
