"""How wrong the decoded gradient can be after the worst s stragglers of n: upper bounds.

``worst_cases(scheme)`` names what is known of a scheme, and ``worst_bound`` is the least of it. All
bounds are of ||w - 1||^2, and hold whatever the stopping rule: s workers are not heard, the other
m = n - s are.

Sources: Tandon et al. (arXiv 1612.03301), repetition; Raviv et al. (arXiv 1707.03858), expanders;
Kadhe et al. (2019), block designs; Glasgow, Wootters (arXiv 2006.09638), graph assignments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import require_count, require_group, require_non_negative, require_positive
from ..base.types import FloatArray
from ..schemes.arrivals import NoFormula, first_arrivals
from ..schemes.base import Fixed, Scheme
from ..schemes.codes.cyclic import Cyclic
from ..schemes.codes.erasurehead import BestClass
from ..schemes.codes.graph_codes import ByComponent
from ..schemes.codes.random_codes import Rescaled
from ..schemes.parts.assignments import CyclicCode, CyclicMds, Groups
from ..schemes.parts.decoders import CommonWeight, Decoder, OnePerGroup, Optimal, SumArrived

RELATIVE_TOLERANCE = 1e-9  # relative difference of numbers that are equal but for rounding
MAX_DENSE_SIZE = 2000  # workers, or partitions, up to which all singular values are computed


@dataclass(frozen=True)
class Bound:
    """The most that ||w - 1||^2 can be."""

    value: float
    attained: bool  # whether some set of stragglers reaches it
    source: str  # what kind of bound it is


class WorstCase(ABC):
    """What is known of a code's worst case; abstract."""

    @abstractmethod
    def bound(self, stragglers: int) -> Bound | None:
        """The bound for s stragglers; ``None`` where nothing is known."""


@final
@dataclass(frozen=True)
class Tolerant(WorstCase):
    """A code that is exact with at most so many stragglers."""

    tolerated: int

    @override
    def bound(self, stragglers: int) -> Bound | None:
        return Bound(0.0, True, "exact code") if stragglers <= self.tolerated else None


@final
@dataclass(frozen=True)
class GroupsLost(WorstCase):
    """Groups of d workers hold the same d partitions; one whose members all straggle is lost. The
    same holds for d classes of n / d workers, of which the master takes the most complete one: s
    stragglers leave floor(s / d) workers, with d partitions each, missing in every class.

    The worst s stragglers are floor(s / d) whole groups. With l partitions lost the error is
    l + (n - l) (c - 1)^2, where each group that was heard has the weight c. It is linear in l: for
    c > 2 the fewest lost groups are the worst."""

    workers: int  # n
    size: int  # d
    scale: float | None = 1.0  # c; ``None``: n / (n - l), or n / (n - s) for single workers

    def __post_init__(self) -> None:
        require_group(self.size, self.workers)
        if self.scale is not None:
            require_positive("scale", self.scale)

    @override
    def bound(self, stragglers: int) -> Bound:
        n, d = self.workers, self.size
        require_count("stragglers", stragglers, 0, workers=n)
        most = d * (stragglers // d)
        fewest = d * max(0, n // d - (n - stragglers))
        return Bound(max(self._error(most), self._error(fewest)), True, "whole groups lost")

    def _error(self, lost: int) -> float:
        kept = self.workers - lost
        scale = self.scale if self.scale is not None else self.workers / max(kept, 1)
        return lost + kept * (scale - 1.0) ** 2


@final
@dataclass(frozen=True)
class Spectral(WorstCase):
    """B has equal row sums d and equal column sums n d / k: see ``spectral_bound``. The all-ones
    vector then belongs to a singular value, and lambda is the largest of the others. Where these
    are all the same, as in a symmetric block design, all sets of stragglers are equally bad, and
    the bound is their error."""

    workers: int  # n
    partitions: int  # k
    load: float  # |d|
    second: float  # lambda
    alike: bool  # whether all singular values but that of the all-ones vector are lambda
    # ``(n + 1,)`` the common weight of m arrivals; ``None`` for optimal decoding.
    weights: tuple[float, ...] | None

    @override
    def bound(self, stragglers: int) -> Bound:
        n, k = self.workers, self.partitions
        m = n - stragglers
        weight = None if self.weights is None else self.weights[m]
        value = spectral_bound(n, k, self.load, self.second, m, weight)
        return Bound(value, self.alike, "block design" if self.alike else "spectral")


def spectral_bound(
    workers: int,
    partitions: int,
    load: float,
    second: float,
    arrivals: int,
    weight: float | None = None,
) -> float:
    """The most that ||w - 1||^2 can be after any m arrivals, for equal row sums and column sums.
    Raises ``InvalidParameter``: an impossible argument.

    A common weight c for the arrivals splits into its mean over all n workers and a rest z with sum
    0 and ||z||^2 = c^2 m s / n. The mean decodes x = c m d / k times the gradient, and B^T z is
    orthogonal to that and at most lambda ||z|| long. So the error is at most k ((x - 1)^2 + b x^2)
    with b = (lambda / d)^2 k s / (n m). For x = 1 it is k b, for the best weight k b / (1 + b),
    which optimal decoding therefore never exceeds.

    With k = n and x = 1 that is the bound of Raviv et al., (lambda / d)^2 n s / (n - s). For the
    edges of a d-regular graph, lambda^2 = 2 d - gap, and b is the bound of Glasgow and Wootters on
    the relative error, (2 d - gap) / (2 d) p / (1 - p) with p = s / n. With lambda^2 = d - l of a
    symmetric design k b / (1 + b) is v - d^2 m / (d + l (m - 1)), Kadhe et al. The common form and
    the factor 1 / (1 + b) are our derivation.

    Here d is ``load``, the sum of a row of B, or its absolute value with optimal decoding; lambda
    is ``second``, the largest singular value of B but that of the all-ones vector; and c is the
    ``weight``, the best one unless given. With m = 0 ``arrivals`` the error is k."""
    n, k, m = workers, partitions, arrivals
    require_count("workers", n)
    require_count("partitions", k)
    require_count("arrivals", m, 0, workers=n)
    require_positive("load", load)
    require_non_negative("second", second)
    if m == 0:
        return float(k)
    b = (second / load) ** 2 * k * (n - m) / (n * m)
    if weight is None:
        return k * b / (1 + b)
    x = weight * m * load / k
    return k * ((x - 1) ** 2 + b * x**2)


def worst_cases(scheme: Scheme) -> tuple[WorstCase, ...] | NoFormula:
    """What is known of a scheme's worst case. Cost: the singular values of B, O(n^3), or its
    largest two by a sparse method above ``MAX_DENSE_SIZE``."""
    if not isinstance(scheme, Fixed) or scheme.patience is not None:
        return NoFormula("its rounds do not all decode by one encoding matrix")
    known = [*_tolerant(scheme), *_groups(scheme), *_spectral(scheme)]
    return tuple(known) or NoFormula("no bound is known for this code and decoder")


def worst_bound(cases: Iterable[WorstCase], stragglers: int) -> Bound | None:
    """The least bound for s stragglers; ``None`` where nothing is known."""
    bounds = [bound for case in cases if (bound := case.bound(stragglers)) is not None]
    return min(bounds, key=lambda bound: bound.value, default=None)


def _tolerant(scheme: Fixed) -> list[Tolerant]:
    code, decoder = scheme.assignment, scheme.decoder
    if isinstance(code, CyclicCode | CyclicMds) and _weights(decoder) is None:
        return [Tolerant(code.load - 1)]
    if isinstance(decoder, BestClass):
        return [Tolerant(decoder.classes - 1)]
    if scheme.exact and code.messages == 1:
        asked = first_arrivals(scheme)
        if not isinstance(asked, NoFormula):
            return [Tolerant(max(0, code.senders - asked.high))]
    return []


def _groups(scheme: Fixed) -> list[GroupsLost]:
    n, decoder = scheme.workers, scheme.decoder
    if isinstance(decoder, BestClass) and n % decoder.classes == 0:
        return [GroupsLost(n, decoder.classes)]
    if not isinstance(scheme.assignment, Groups):
        return []
    d = scheme.assignment.load
    match decoder:
        case OnePerGroup(size, scale) if size == d:
            return [GroupsLost(n, d, scale)]
        case Rescaled(OnePerGroup(size, 1.0)) if size == d:
            return [GroupsLost(n, d, None)]
        case SumArrived(rescale) if d == 1:
            return [GroupsLost(n, 1, None if rescale else 1.0)]
        case Optimal():
            return [GroupsLost(n, d)]
    return []


def _spectral(scheme: Fixed) -> list[Spectral]:
    weights = _weights(scheme.decoder)
    b = scheme.assignment.encoding
    n, k = b.shape
    if isinstance(weights, NoFormula) or min(n, k) < 2:
        return []
    rows, columns = (np.asarray(b.sum(axis=axis)) for axis in (1, 0))
    d = complex(rows.mean())  # to which all rows shall add up, and all columns to one number, too
    apart = max(np.abs(rows - d).max(), np.abs(columns - columns.mean()).max())
    if d == 0 or apart > RELATIVE_TOLERANCE * abs(d) or (weights is not None and d.real < 0):
        return []
    values = singular_values(b)
    # That of the all-ones vector need not be the largest.
    others = np.delete(values, int(np.argmin(np.abs(values - abs(d) * sqrt(n / k)))))
    alike = n == k and len(others) == n - 1 and np.ptp(others) <= RELATIVE_TOLERANCE * abs(d)
    return [Spectral(n, k, abs(d), float(others.max()), bool(alike), weights)]


def _weights(decoder: Decoder) -> tuple[float, ...] | NoFormula | None:
    """The common weight of m arrivals; ``None`` for a decoder as good as least squares."""
    match decoder:
        case CommonWeight(weights=weights):
            return weights
        case Optimal() | ByComponent() | Cyclic():
            return None
    return NoFormula("neither a common weight nor least squares")


def singular_values(b: sparse.csr_array) -> FloatArray:
    """Singular values of B, the largest first; of a large one the first two alone. Raises
    ``InvalidParameter``: B has fewer than two rows or columns."""
    if min(b.shape) < 2:
        raise InvalidParameter("encoding", b.shape, "must have at least two rows and columns")
    if max(b.shape) <= MAX_DENSE_SIZE:
        return np.asarray(np.linalg.svd(b.toarray(), compute_uv=False))
    from scipy.sparse.linalg import eigsh  # 2 MiB that no other command needs

    square = b @ b.T
    start = np.random.default_rng(0).standard_normal(b.shape[0])  # ARPACK's own is random
    squares = eigsh(square, k=2, which="LA", return_eigenvectors=False, v0=start)
    return np.array([sqrt(max(0.0, value)) for value in sorted(squares, reverse=True)])
