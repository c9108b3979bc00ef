"""Codes from graphs and from symmetric block designs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np
import scipy
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import Count, configured, refuse_naming, require_size
from ...base.types import BoolArray, ComplexArray, FloatArray
from ..base import Fixed, SchemeFamily
from ..parts.assignments import Encoded, shifted
from ..parts.decoders import Decoder, Optimal, unbiased
from ..parts.stop import Covered, DecodableWithin, Earliest, Latest
from ..parts.stopping import FirstK
from .base import Decoded, DecoderName, Loaded, Seeded
from .random_codes import plain_code

if TYPE_CHECKING:
    import networkx as nx


# Codes whose encoding matrix is a d-regular graph.
#
# Worker j sends the sum of the partitions of its neighbours. With A the adjacency matrix and
# lambda the second largest size of an eigenvalue, the weight n / (m d) for each of m = n - s
# arrivals leaves an error of at most (lambda / d)^2 n s / (n - s), whoever the s stragglers are.

# Sets of offsets that are tried for a circulant, before it goes one by one.
MAX_OFFSET_SETS = 20_000


@configured
class RegularGraph(Seeded, Decoded, Loaded):
    """A random d-regular graph: every worker holds d partitions, every partition has d workers.

    Args:
        load: d, partitions per worker, below workers; load times workers must be even.

    Source: Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random Graphs
    (arXiv 1711.06771), regular graphs with optimal decoding."""

    name: ClassVar[str] = "regular_graph"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        one_step = cls(load=4, wait_for=9, decoder="one_step", code_seed=2)
        early = Earliest(any=(Covered(cover=True), FirstK(first=10)))
        return cls(load=3, wait_for=6), one_step, cls(load=3, stop=early)

    @override
    def build(self, workers: int) -> Fixed:
        code = Encoded(adjacency(regular_graph("load", self.load, workers, self.code_seed)))
        return self.coded(code, {"fixed": unbiased(code)}, copies=self.load)


@configured
class Expander(Seeded, Decoded, Loaded):
    """A d-regular graph with a small second eigenvalue, and one weight for all that arrived.

    Args:
        load: d, partitions per worker. Paley graphs have d = (workers - 1) / 2.
        graph: ``random``: a random regular graph. ``paley``: for a prime number of workers with
            remainder 1 when divided by 4. ``circulant``: worker j holds the partitions j + o for d
            offsets o with a small second eigenvalue, found by search.

    Source: Raviv, Tandon, Dimakis, Tamo, Gradient Coding from Cyclic MDS Codes and Expander Graphs
    (arXiv 1707.03858)."""

    name: ClassVar[str] = "expander"
    graph: Literal["random", "paley", "circulant"] = "random"
    decoder: DecoderName = "fixed"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        optimal = cls(load=4, wait_for=9, graph="circulant", decoder="optimal")
        return cls(load=3, wait_for=6), cls(load=3, wait_for=9, graph="circulant"), optimal

    @override
    def build(self, workers: int) -> Fixed:
        if self.code_seed and self.graph != "random":
            valid = f"must be left out: graph: {self.graph} is not drawn"
            raise InvalidParameter("code_seed", self.code_seed, f"{valid}, or 0", {"code_seed": 0})
        match self.graph:
            case "random":
                code = Encoded(adjacency(regular_graph("load", self.load, workers, self.code_seed)))
            case "paley":
                code = _paley(self.load, workers)
            case "circulant":
                self.require_load(workers)
                code = shifted(np.array(circulant_offsets(self.load, workers)), workers)
        return self.coded(code, {"fixed": unbiased(code)}, copies=self.load)


def regular_graph(field: str, degree: int, vertices: int, seed: int) -> nx.Graph:
    """A random regular graph; ``InvalidParameter``, in the name of ``field``, if there is none."""
    if degree >= vertices or degree * vertices % 2:
        fit = [d for d in range(1, vertices) if d * vertices % 2 == 0]
        if not fit:
            valid = f"one vertex has no edges; needs at least {degree + 1} workers"
            raise InvalidParameter(field, degree, valid, {"workers": degree + 1})
        refuse_naming(field, degree, fit, f"no graph has {vertices} vertices and this degree", 4)
    require_size(field, degree, vertices)
    import networkx as nx  # a tenth of a second that listing saves

    return nx.random_regular_graph(degree, vertices, seed=seed)


def adjacency(graph: nx.Graph) -> scipy.sparse.csr_array:
    """The adjacency matrix, as numbers, vertices in ascending order."""
    import networkx as nx

    nodes = range(graph.number_of_nodes())
    return scipy.sparse.csr_array(nx.to_scipy_sparse_array(graph, nodelist=nodes, dtype=np.float64))


def _paley(load: int, workers: int) -> Encoded:
    if not (is_prime(workers) and workers % 4 == 1):
        primes = [p for p in range(5, 2 * workers + 10) if p % 4 == 1 and is_prime(p)]
        near = sorted(primes, key=lambda p: abs(p - workers))[:3]
        close = ", ".join(map(str, sorted(near)))
        valid = f"no Paley graph has {workers} workers; nearest: {close}"
        raise InvalidParameter("graph", "paley", valid, {"workers": near[0]})
    if load != (half := (workers - 1) // 2):
        valid = f"must be (workers - 1) / 2 = {half} for a Paley graph"
        raise InvalidParameter("load", load, valid, {"load": half})
    return shifted(np.unique(np.arange(1, workers) ** 2 % workers), workers)


def circulant_offsets(load: int, workers: int) -> tuple[int, ...]:
    """d offsets, 0 among them, whose circulant has a small second eigenvalue. The least of all
    where there are at most ``MAX_OFFSET_SETS`` sets; beyond that one offset is added after the
    other, each the best of its turn. Cost: O(n) for each set that is tried; n d one by one."""
    roots = np.exp(2j * np.pi * np.arange(workers) / workers)
    waves = roots[np.outer(np.arange(1, workers // 2 + 1), np.arange(workers)) % workers]
    if load == workers or workers == 1:
        return tuple(range(load))
    if comb(workers - 1, load - 1) <= MAX_OFFSET_SETS:
        sets = np.array([(0, *rest) for rest in combinations(range(1, workers), load - 1)])
        largest = np.abs(waves[:, sets].sum(axis=2)).max(axis=0)
        return tuple(sets[int(np.argmin(largest.round(9)))].tolist())
    chosen, total = [0], waves[:, 0].copy()
    while len(chosen) < load:
        largest = np.abs(total[:, None] + waves).max(axis=0).round(9)
        largest[chosen] = np.inf
        chosen.append(int(np.argmin(largest)))
        total += waves[:, chosen[-1]]
    return tuple(sorted(chosen))


def is_prime(number: int) -> bool:
    """Whether a number has no divisor but 1 and itself."""
    return number > 1 and all(number % d for d in range(2, int(number**0.5) + 1))


# Codes from symmetric block designs: any two workers share the same number of partitions.
#
# Then any m arrivals are worth the same: with the weight d / (d + lambda (m - 1)) for each, the
# error is v - d^2 m / (d + lambda (m - 1)), the least possible, whoever arrived.

DIFFERENCE_SETS: dict[int, tuple[int, ...]] = {
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


@configured
class BlockDesign(Decoded, Loaded):
    """A symmetric block design: any two workers share lambda = d (d - 1) / (n - 1) partitions.

    Args:
        load: d, partitions per worker. Not every pair of workers and load has a design; the error
            of a pair without one names the nearest.

    Source: Kadhe, Koyluoglu, Ramchandran, Gradient Coding Based on Block Designs for Mitigating
    Adversarial Stragglers (2019). The designs are difference sets of cyclic groups, as in any
    handbook of combinatorial designs; a test checks every one."""

    name: ClassVar[str] = "block_design"
    decoder: DecoderName = "fixed"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        optimal = cls(load=11, wait_for=3, decoder="optimal")
        return cls(load=11, wait_for=6), optimal, cls(load=1, wait_for=8)

    @classmethod
    @override
    def portrait(cls) -> tuple[SchemeFamily, int]:
        """The Fano plane: 12 workers have no design that is worth a look."""
        return cls(load=3, wait_for=4), 7

    @override
    def build(self, workers: int) -> Fixed:
        if (block := designs(workers).get(self.load)) is None:
            raise _without_design(workers, self.load)
        return self.coded(shifted(np.array(block), workers), copies=self.load)


def designs(v: int) -> dict[int, tuple[int, ...]]:
    """Known sets of residues mod v, by load, in which all differences but 0 are as frequent."""
    blocks = [(0,), tuple(range(v))]
    if v in DIFFERENCE_SETS:
        blocks.append(DIFFERENCE_SETS[v])
    if is_prime(v) and v % 4 == 3:
        blocks.append(tuple(sorted({x * x % v for x in range(1, v)})))
    twin = next((p for p in range(3, v) if p * (p + 2) == v), None)
    if twin is not None and is_prime(twin) and is_prime(twin + 2):
        blocks.append(_twin_primes(twin))
    rest = [tuple(x for x in range(v) if x not in block) for block in map(set, blocks)]
    return {len(block): block for block in (*rest, *blocks) if block}


def _twin_primes(p: int) -> tuple[int, ...]:
    """x mod p (p + 2) that are squares modulo both primes or neither, or multiples of p + 2."""
    x, q = np.arange(p * (p + 2)), p + 2
    of_p, of_q = (np.isin(x % m, np.arange(1, m) ** 2 % m) for m in (p, q))
    return tuple(np.flatnonzero((x % q == 0) | ((x % p > 0) & (of_p == of_q))).tolist())


def _without_design(workers: int, load: int) -> InvalidParameter:
    own = sorted(designs(workers))
    for distance in range(1, workers + 8):
        for other in (workers + distance, workers - distance):
            loads = [d for d in sorted(designs(other)) if 1 < d < other - 1] if other > 1 else []
            if loads:
                listed = ", ".join(map(str, loads))
                known = f"no symmetric design with {workers} workers has this load; valid: "
                known += ", ".join(map(str, own))
                valid = f"{known}; nearest cluster: {other} workers, load {listed}"
                close = min(loads, key=lambda d: abs(d - load))
                return InvalidParameter("load", load, valid, {"workers": other, "load": close})
    raise AssertionError("there is a design with 7 workers")


@configured
class GraphAssignment(Seeded, Decoded):
    """A random d-regular graph on 2 n / d vertices; worker j holds the two blocks of edge j.

    The data are in k = 2 n / d blocks, so a worker computes d/n of the data.

    Args:
        degree: d, workers that hold a block; 2 n must be a multiple of it.

    Source: Glasgow, Wootters, Approximate Gradient Coding with Optimal Decoding (arXiv
    2006.09638)."""

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
        code = plain_code(np.array(edges).ravel(), np.full(workers, 2), vertices)
        own = {"fixed": unbiased(code), "optimal": ByComponent(code)}
        return self.coded(code, own, copies=self.degree)


@final
@dataclass(frozen=True)
class ByComponent(Decoder):
    """Optimal decoding of a graph assignment, by the connected components of the arrived edges. In
    one that is not bipartite every block gets the weight 1. In a bipartite one with sides of L and
    R blocks the two sides' sums are always equal, and the best is the weight 2 R / (L + R) for the
    blocks of the first side and 2 L / (L + R) for the others; the error is (L - R)^2 / (L + R). A
    block on its own gets 0.

    A component is bipartite if and only if its double cover falls into two components: two
    copies of each vertex, and for an edge (u, v) one edge from the first copy of u to the second
    of v and one from the first of v to the second of u. The row of a worker in B has its two
    blocks. Cost of the weights: linear in edges and vertices; the decoding vector itself, which
    no run needs, takes least squares."""

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
        rounds = max(1, 2**17 // max(1, self.code.workers))  # to bound the memory
        ends = self.code.matrix.indices.reshape(-1, 2).astype(np.int32)
        for start in range(0, len(flat), rounds):
            rows = slice(start, start + rounds)
            weights[rows] = _weights(flat[rows], ends, self.code.partitions)
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
    cover = scipy.sparse.csr_array((np.ones(len(columns)), columns, starts), shape=(twice, twice))
    count, label = connected_components(cover, directed=False)
    first, second = label[:vertices], label[vertices:]
    bipartite = first != second
    weights = np.ones(vertices)
    mine, other = first[bipartite], second[bipartite]
    size = np.bincount(mine, minlength=count)  # first copies in each component of the cover
    weights[bipartite] = 2.0 * size[other] / (size[mine] + size[other])
    return weights.reshape(rounds, blocks)
