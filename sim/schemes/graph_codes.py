"""Codes whose encoding matrix is a d-regular graph.

Worker j sends the sum of the partitions of its neighbours. With A the adjacency matrix and lambda
the second largest size of an eigenvalue, the weight n / (m d) for each of m = n - s arrivals leaves
an error of at most (lambda / d)^2 n s / (n - s), whoever the s stragglers are.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import sparse
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, refuse_naming, require_at_most_workers
from ..types import IntArray
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Decoded, DecoderName, Loaded, Seeded, scheme_of
from .decoders import unbiased
from .stop import Covered, Earliest, FirstArrivals

if TYPE_CHECKING:
    import networkx as nx

MOST_SETS = 20_000
"""Sets of offsets that the search for a circulant tries at most, before it goes one by one."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class RegularGraph(Seeded, Decoded, Loaded):
    """A random d-regular graph: every worker holds d partitions, every partition has d workers.

    Args:
        load: d, partitions per worker, below workers; load times workers must be even.

    Facts:
        error: k (k - d) (n - r) / (r d (n - 1)) on average with ``one_step``
            (``eh.theory.one_step_error``); less with ``optimal``, measured.
        time: E[T_(r)]: ``eh.theory.mean_first_k`` for exponential times, any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        source: Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random
            Graphs (arXiv 1711.06771), regular graphs with optimal decoding.
        confirmed: ``theory/test_decoding_error.py``:
            ``test_one_step_decoding_depends_on_row_and_column_sums_only``.
        ours: how a graph is drawn (networkx).
    """

    name: ClassVar[str] = "regular_graph"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=3, wait_for=6),
            cls(load=4, wait_for=9, decoder="one_step", code_seed=2),
            cls(load=3, stop=Earliest(any=(Covered(cover=True), FirstArrivals(first=10)))),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Needs a d-regular graph on so many vertices."""
        code = random_regular(self.load, workers, self.code_seed)
        fixed = unbiased(code, self.load)
        return scheme_of(self, code, self.load, fixed=fixed, copies=self.load)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Expander(Seeded, Decoded, Loaded):
    """A d-regular graph with a small second eigenvalue, and one weight for all that arrived.

    Args:
        load: d, partitions per worker. Paley graphs have d = (workers - 1) / 2.
        graph: ``random``: a random regular graph. ``paley``: for a prime number of workers with
            remainder 1 when divided by 4. ``circulant``: worker j holds the partitions j + o for d
            offsets o with a small second eigenvalue, found by search.

    Facts:
        decoding: ``fixed``: the sum of the m arrivals, times n / (m d), unless ``decoder`` says
            otherwise.
        error: at most (lambda / d)^2 n s / (n - s) whoever the s stragglers are
            (``eh.theory.expander_bound``); on average k (k - d) (n - r) / (r d (n - 1))
            (``eh.theory.one_step_error``).
        time: E[T_(r)]: ``eh.theory.mean_first_k`` for exponential times, any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        source: Raviv, Tandon, Dimakis, Tamo, Gradient Coding from Cyclic MDS Codes and Expander
            Graphs (arXiv 1707.03858).
        confirmed: ``schemes/test_codes.py``: ``test_paley_13``,
            ``test_expanders_keep_their_bound_for_any_stragglers``,
            ``test_circulants_are_found_by_search``.
        ours: the search for a circulant; Paley graphs for primes only.
    """

    name: ClassVar[str] = "expander"

    graph: Literal["random", "paley", "circulant"] = "random"
    decoder: DecoderName = "fixed"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=3, wait_for=6),
            cls(load=3, wait_for=9, graph="circulant"),
            cls(load=4, wait_for=9, graph="circulant", decoder="optimal"),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Needs a graph of its kind with this load."""
        match self.graph:
            case "random":
                code = random_regular(self.load, workers, self.code_seed)
            case "paley":
                code = _paley(self.load, workers)
            case "circulant":
                code = _circulant(self.load, workers)
        fixed = unbiased(code, self.load)
        return scheme_of(self, code, self.load, fixed=fixed, copies=self.load)


def random_regular(load: int, workers: int, seed: int) -> Encoded:
    """The adjacency matrix of a random d-regular graph on n vertices.

    Raises:
        InvalidParameter: there is none.
    """
    return Encoded(adjacency(regular_graph("load", load, workers, seed)))


def regular_graph(field: str, degree: int, vertices: int, seed: int) -> nx.Graph:
    """A random regular graph.

    Raises:
        InvalidParameter: in the name of ``field``, there is none.
    """
    if degree >= vertices or degree * vertices % 2:
        fit = [d for d in range(1, vertices) if d * vertices % 2 == 0]
        if not fit:
            valid = f"one vertex has no edges; needs at least {degree + 1} workers"
            raise InvalidParameter(field, degree, valid, {"workers": degree + 1})
        refuse_naming(field, degree, fit, f"no graph has {vertices} vertices and this degree", 4)
    import networkx as nx  # a tenth of a second that listing saves

    return nx.random_regular_graph(degree, vertices, seed=seed)


def adjacency(graph: nx.Graph) -> sparse.csr_array:
    """The adjacency matrix, as numbers, vertices in ascending order."""
    import networkx as nx

    nodes = range(graph.number_of_nodes())
    return sparse.csr_array(nx.to_scipy_sparse_array(graph, nodelist=nodes, dtype=np.float64))


def _paley(load: int, workers: int) -> Encoded:
    if not (is_prime(workers) and workers % 4 == 1):
        primes = [p for p in range(5, 2 * workers + 10) if p % 4 == 1 and is_prime(p)]
        near = sorted(primes, key=lambda p: abs(p - workers))[:3]
        close = ", ".join(map(str, sorted(near)))
        valid = f"no Paley graph has {workers} workers; nearest: {close}"
        raise InvalidParameter("graph", "paley", valid, {"workers": near[0]})
    if load != (workers - 1) // 2:
        half = (workers - 1) // 2
        valid = f"must be (workers - 1) / 2 = {half} for a Paley graph"
        raise InvalidParameter("load", load, valid, {"load": half})
    return shifted(np.unique(np.arange(1, workers) ** 2 % workers), workers)


def _circulant(load: int, workers: int) -> Encoded:
    require_at_most_workers("load", load, workers)
    return shifted(np.array(circulant_offsets(load, workers)), workers)


def shifted(offsets: IntArray, workers: int) -> Encoded:
    """Worker j holds partitions j + o (mod n), for every offset o."""
    columns = np.sort((np.arange(workers)[:, None] + offsets) % workers, axis=1)
    values, pointers = np.ones(columns.size), np.arange(workers + 1) * len(offsets)
    shape = (workers, workers)
    return Encoded(sparse.csr_array((values, columns.ravel(), pointers), shape=shape))


def circulant_offsets(load: int, workers: int) -> tuple[int, ...]:
    """d offsets, 0 among them, whose circulant has a small second eigenvalue.

    The least of all where there are at most ``MOST_SETS`` sets; beyond that one offset is added
    after the other, each the best of its turn.

    Cost: O(n) for each set of offsets that is tried; n d sets one by one.
    """
    roots = np.exp(2j * np.pi * np.arange(workers) / workers)
    waves = roots[np.outer(np.arange(1, workers // 2 + 1), np.arange(workers)) % workers]
    if load == workers or workers == 1:
        return tuple(range(load))
    if comb(workers - 1, load - 1) <= MOST_SETS:
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
