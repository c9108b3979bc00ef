"""How wrong the decoded gradient is after r random arrivals, and how fast descent by it converges.

``docs/theory.md`` has the symbols. Ignoring stragglers is the case d = 1. A rule that stops early
at full cover changes nothing where delays have no ties: all arrivals of that instant count.

Sources: the error ||w - 1||^2 is that of Tandon et al. (arXiv 1612.03301) and Charles et al.
(arXiv 1711.06771); the formulas below are our derivation.

Of descent f is beta-smooth and satisfies the Polyak-Lojasiewicz inequality ||grad f||^2 >= 2 mu (f
- f*). With step eta, scale c, p the chance that a group is heard, pi_1 - pi_2 the chance that one
given group is erased and another is not, and V a bound on the sum over groups of ||grad f_b||^2
along the path (our derivation, for c eta <= 1 / (beta p)):

    E f(x_t+1) - f* <= rho (E f(x_t) - f*) + beta (c eta)^2 (pi_1 - pi_2) V / 2
    E f(x_T) - f* <= rho^T (f(x_0) - f*) + (1 - rho^T) beta c eta (pi_1 - pi_2) V / (2 p mu)
    rho = 1 - c eta p mu

In the first line V may be the mean over runs at step t, which makes a much closer bound. At c eta
= 1 / (beta p) the rate is that of full gradient descent at step 1 / beta. Not covered: momentum,
decaying steps, arrivals that depend on the past."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.errors import InvalidParameter
from ..base.fields import require_count, require_group, require_non_negative, require_positive
from ..base.types import FloatArray
from ..schemes.arrivals import NoFormula, first_arrivals, same_every_round
from ..schemes.base import Fixed, Scheme
from ..schemes.parts.assignments import Assignment, Groups
from ..schemes.parts.decoders import CommonWeight, OnePerGroup, Optimal, SumArrived


@dataclass(frozen=True)
class GroupErasure:
    """One message per group heard, times ``scale``, after r random arrivals of n. Raises
    ``InvalidParameter``: the fields do not fit each other."""

    workers: int  # n
    size: int  # d, workers (and partitions) in a group; d divides n
    arrivals: int  # r, 1 to n
    scale: float = 1.0  # factor on the decoded sum, > 0

    def __post_init__(self) -> None:
        require_group(self.size, self.workers)
        require_count("arrivals", self.arrivals, workers=self.workers)
        require_positive("scale", self.scale)

    @property
    def one_erased(self) -> float:
        """pi_1 = C(n - d, r) / C(n, r)."""
        return float(np.exp(_log_erased(self.workers, self.size, self.arrivals)))

    @property
    def two_erased(self) -> float:
        """pi_2 = C(n - 2d, r) / C(n, r)."""
        return float(np.exp(_log_erased(self.workers, 2 * self.size, self.arrivals)))

    @property
    def heard(self) -> float:
        """p = 1 - pi_1: the chance that a given group is heard."""
        return float(-np.expm1(_log_erased(self.workers, self.size, self.arrivals)))

    @property
    def contrast(self) -> float:
        """pi_1 - pi_2: a given group is erased and another given group is not."""
        rest = self.workers - self.size
        return self.one_erased * float(-np.expm1(_log_erased(rest, self.size, self.arrivals)))

    @property
    def decoding_error(self) -> float:
        """E||w - 1||^2 = n (p (scale - 1)^2 + pi_1)."""
        return self.workers * (self.heard * (self.scale - 1.0) ** 2 + self.one_erased)

    @property
    def error_variance(self) -> float:
        """Var ||w - 1||^2: a missed group adds d (1 - (scale - 1)^2)."""
        groups, erased = self.workers / self.size, self.one_erased
        pairs = groups * (groups - 1) * (self.two_erased - erased**2)
        missed = groups * erased * (1 - erased) + pairs
        return float(missed * (self.size * (1.0 - (self.scale - 1.0) ** 2)) ** 2)

    @property
    def error_skewness(self) -> float:
        """Of ||w - 1||^2: that of the number of missed groups; 0 for a constant."""
        groups, erased = self.workers / self.size, self.one_erased
        three_erased = float(np.exp(_log_erased(self.workers, 3 * self.size, self.arrivals)))
        mean = groups * erased
        pairs = groups * (groups - 1) * self.two_erased  # E[M (M - 1)] of M missed groups
        triples = groups * (groups - 1) * (groups - 2) * three_erased
        variance = pairs + mean - mean**2
        if variance <= 0.0:
            return 0.0
        third = triples + 3.0 * pairs + mean - 3.0 * mean * (pairs + mean) + 2.0 * mean**3
        sign = np.sign(1.0 - (self.scale - 1.0) ** 2)
        return float(sign * third / variance**1.5)

    def mean_gradient(self, groups: FloatArray) -> FloatArray:
        """E[u] = scale * p * grad f, from the groups' summed gradients: ``(G, p) -> (p,)``."""
        return np.asarray(self.scale * self.heard * groups.sum(axis=0))

    def mean_square(self, groups: FloatArray) -> float:
        """E||u||^2, from the groups' summed gradients ``(G, p)``."""
        both = self.heard - self.contrast  # 1 - 2 pi_1 + pi_2
        spread = float(np.sum(np.square(groups)))
        return self.scale**2 * (both * _square(groups) + self.contrast * spread)

    def mean_square_error(self, groups: FloatArray) -> float:
        """E||u - grad f||^2, from the groups' summed gradients ``(G, p)``."""
        excess = self.scale - 1.0
        both = self.heard - self.contrast
        across = both * excess**2 - 2.0 * self.contrast * excess + self.two_erased
        spread = float(np.sum(np.square(groups)))
        return across * _square(groups) + self.scale**2 * self.contrast * spread


def _log_erased(n: int, held: int, r: int) -> float:
    """log(C(n - held, r) / C(n, r)), the chance that ``held`` given workers all miss."""
    if held + r > n:
        return -np.inf
    few, many = min(held, r), max(held, r)
    return float(np.sum(np.log1p(-many / (n - np.arange(few, dtype=np.float64)))))


def _square(groups: FloatArray) -> float:
    total = groups.sum(axis=0)
    return float(total @ total)


def one_step_error(workers: int, partitions: int, load: int, arrivals: int) -> float:
    """E||w - 1||^2 of any 0/1 code with equal row sums d and equal column sums, one-step decoded
    (the sum of what arrived, times k / (r d)): k (k - d) (n - r) / (r d (n - 1)). Raises
    ``InvalidParameter``: an impossible argument; equal column sums need k to divide n d."""
    n, k, d, r = workers, partitions, load, arrivals
    require_count("workers", n)
    require_count("partitions", k)
    require_count("load", d, partitions=k)
    require_count("arrivals", r, workers=n)
    if n * d % k:
        valid = f"workers * load = {n * d} must be a multiple of partitions = {k}"
        raise InvalidParameter("load", d, valid)
    return 0.0 if n == r else k * (k - d) * (n - r) / (r * d * (n - 1))


def bernoulli_error(partitions: int, load: float, arrivals: int) -> float:
    """E||w - 1||^2 of a code with independent Bernoulli(d/k) entries, one-step decoded: k (k -
    d) / (r d), the mean over codes and arrivals. Raises ``InvalidParameter``: an impossible
    argument; the load may be a fraction, up to k."""
    require_count("partitions", partitions)
    require_count("arrivals", arrivals)
    require_positive("load", load)
    if load > partitions:
        raise InvalidParameter("load", load, f"must be at most partitions = {partitions}")
    return partitions * (partitions - load) / (arrivals * load)


def stochastic_block_error(
    workers: int, load: float, community: int, inside: float, arrivals: int
) -> float:
    """E||w - 1||^2 of a stochastic block code, one-step decoded: the mean over codes and arrivals.
    Raises ``InvalidParameter``: an impossible argument.

    With c = k / (r d), h = r b / k, v = r (b/k) (1 - b/k) (k - r) / (k - 1) the variance of the
    arrivals from a community of b, and p, q the probabilities inside and outside it:
    k c^2 (h p (1 - p) + (r - h) q (1 - q) + (p - q)^2 v). The mean weight is 1.

    Source: Charles, Papailiopoulos (arXiv 1805.10378); the closed form is our derivation."""
    k, r, b, p = workers, arrivals, community, inside
    require_group(b, k)
    require_count("arrivals", r, workers=k)
    require_positive("load", load)
    q = (load - p * b) / (k - b) if k > b else 0.0
    if not 0 <= p <= 1 or not 0 <= q <= 1 or (k == b and abs(load - p * b) > 1e-9 * load):
        raise InvalidParameter("inside", p, "must leave both probabilities from 0 to 1")
    c, h = k / (r * load), r * b / k
    v = r * (b / k) * (1 - b / k) * (k - r) / (k - 1) if k > 1 else 0.0
    return k * c**2 * (h * p * (1 - p) + (r - h) * q * (1 - q) + (p - q) ** 2 * v)


def design_error(workers: int, load: int, arrivals: int) -> float:
    """||w - 1||^2 of a symmetric block design after any r arrivals, with the best common weight:
    v - d^2 r / (d + lambda (r - 1)), lambda = d (d - 1) / (v - 1), by Kadhe et al. Raises
    ``InvalidParameter``: an impossible argument."""
    require_count("arrivals", arrivals, workers=workers)
    require_count("load", load, workers=workers)
    shared = load * (load - 1) / (workers - 1) if workers > 1 else 0.0
    return workers - load**2 * arrivals / (load + shared * (arrivals - 1))


def expander_bound(workers: int, load: int, second: float, arrivals: int) -> float:
    """The most that ||w - 1||^2 can be after any r arrivals of a regular graph's code, by Raviv et
    al. (arXiv 1707.03858): (lambda / d)^2 n s / (n - s) with s = n - r, for the weight n / (r d) of
    each arrival, and lambda = ``second`` the second largest size of an eigenvalue. Raises
    ``InvalidParameter``: an impossible argument."""
    require_count("arrivals", arrivals, workers=workers)
    require_count("load", load, workers=workers)
    require_non_negative("second", second)
    return (second / load) ** 2 * workers * (workers - arrivals) / arrivals


def quorum_error(workers: int, wait_for: int, heard: float, rescale: bool = True) -> float:
    """E||w - 1||^2 where ``wait_for`` arrive, and each of the others with the
    chance p = ``heard``: E[n (n - m) / m], or E[n - m] if the sum of m arrivals is not multiplied
    by n / m (``rescale``), with m - K binomial. That is a quorum with grace g, for exponential
    times with p = 1 - exp(-rate g); by inspection."""
    require_count("workers", workers)
    require_count("wait_for", wait_for, workers=workers)
    if not 0.0 <= heard <= 1.0:
        raise InvalidParameter("heard", heard, "must be between 0 and 1")
    from scipy import stats  # half a second, for this formula alone

    m = np.arange(wait_for, workers + 1)
    chance = stats.binom.pmf(m - wait_for, workers - wait_for, heard)
    return float(chance @ ((workers - m) * (workers / m if rescale else 1.0)))


def group_erasure(scheme: Scheme) -> GroupErasure | NoFormula:
    """How many groups a round of the scheme misses; an exact scheme misses none. Knows fractional
    repetition with one message per group (or optimal decoding, which is the same), uncoded sums,
    and exact schemes; no deadlines, and no ties between arrivals."""
    n = scheme.workers
    if isinstance(scheme, Fixed) and scheme.exact:
        return GroupErasure(n, 1, n)
    plain = same_every_round(scheme)
    if isinstance(plain, NoFormula):
        return plain
    asked = first_arrivals(plain)
    if isinstance(asked, NoFormula):
        return asked
    d = plain.assignment.load if isinstance(plain.assignment, Groups) else None
    r, decoder = asked.high, plain.decoder
    if isinstance(decoder, Optimal) and d is not None:
        decoder = OnePerGroup(d)  # which is optimal for fractional repetition
    match decoder:
        case OnePerGroup(size, scale) if size == d and asked.size in (None, size):
            return GroupErasure(n, size, r, scale)
        case SumArrived(rescale) if d == 1:
            return GroupErasure(n, 1, r, n / r if rescale else 1.0)
    return NoFormula(f"the decoder {type(plain.decoder).__name__} has no closed form here")


def expected_decoding_error(scheme: Scheme) -> float | None:
    """E||w - 1||^2 of a round of the scheme, or ``None`` where there is no formula. Knows
    ``group_erasure`` and any one code whose r arrivals have a common weight."""
    erased = group_erasure(scheme)
    if not isinstance(erased, NoFormula):
        return erased.decoding_error
    plain = same_every_round(scheme)
    if isinstance(plain, NoFormula) or not isinstance(plain.decoder, CommonWeight):
        return None
    asked = first_arrivals(plain)
    if isinstance(asked, NoFormula) or asked.low != asked.high:
        return None
    arrivals = min(asked.high, plain.assignment.senders)
    return common_weight_error(plain.assignment, arrivals, plain.decoder.weights[arrivals])


def common_weight_error(code: Assignment, arrivals: int, weight: float) -> float:
    """E||w - 1||^2 of one code over random sets of r of its n messages, all with one weight c;
    an empty row is no message.
    With b_j the rows of B: k - 2 c (r/n) sum_ji B_ji + c^2 (r/n) (q + (r - 1)/(n - 1) (p - q)),
    q = sum_j ||b_j||^2, p = ||sum_j b_j||^2. Our derivation. ``InvalidParameter``: r is above n."""
    b, r = code.encoding, arrivals
    n, k = int(np.count_nonzero(np.diff(b.indptr))), b.shape[1]
    require_count("arrivals", r, workers=n)
    own = float(np.square(b.data).sum())
    others = float(np.square(b.sum(axis=0)).sum()) - own
    pairs = (r - 1) / (n - 1) if n > 1 else 0.0
    return k - 2 * weight * r / n * float(b.sum()) + weight**2 * r / n * (own + pairs * others)


# Relative slack on the largest step, for a step computed from the same formula.
STEP_TOLERANCE = 1e-12


@dataclass(frozen=True)
class LeastSquaresSpectrum:
    """The constants of f(x) = mean (y - X x)^2 + l2 ||x||^2 that the bound needs."""

    smoothness: float  # beta, the largest eigenvalue of the Hessian 2 X'X / N + 2 l2
    pl_constant: float  # mu, its smallest eigenvalue that is not 0
    minimum: float  # f*
    minimiser: FloatArray  # x*, ``(p,)``, the shortest one
    l2: float  # the regularisation


def least_squares_spectrum(
    features: FloatArray, targets: FloatArray, l2: float = 0.0
) -> LeastSquaresSpectrum:
    """The spectrum of a least-squares problem with dense data ``(N, p)`` and ``(N,)``. Raises
    ``InvalidParameter``: shapes that do not fit, data that are all 0, or a negative ``l2``. Cost:
    one singular value decomposition of the data."""
    require_non_negative("l2", l2)
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        valid = f"must be (N,) for features (N, p) of shape {features.shape}"
        raise InvalidParameter("targets.shape", targets.shape, valid)
    if not np.any(features):
        raise InvalidParameter("features.shape", features.shape, "must have an entry that is not 0")
    rows, columns = features.shape
    u, values, vt = np.linalg.svd(features, full_matrices=False)
    kept = values > values[0] * max(rows, columns) * np.finfo(np.float64).eps
    u, values, vt = u[:, kept], values[kept], vt[kept]
    x = vt.T @ (values / (values**2 + rows * l2) * (u.T @ targets))
    minimum = float(np.mean(np.square(targets - features @ x)) + l2 * (x @ x))
    data = 2.0 * values**2 / rows
    lowest = 0.0 if l2 > 0.0 and values.size < columns else float(data[-1])
    return LeastSquaresSpectrum(float(data[0]) + 2 * l2, lowest + 2 * l2, minimum, x, l2)


def gradient_descent_rate(smoothness: float, pl_constant: float, step: float) -> float:
    """Factor on f - f* per step of full gradient descent: 1 - step * mu, for step <= 1 / beta.
    Raises ``InvalidParameter``: the step is too long, or not 0 < mu <= beta."""
    _check_curvature(smoothness, pl_constant)
    _check_step(step, 1.0 / smoothness)
    return 1.0 - step * pl_constant


@dataclass(frozen=True)
class ErasureBound:
    """The bound above, for one problem, one scheme and one constant step. Raises
    ``InvalidParameter``: the step is too long, l2 > 0 with a biased decoder, not 0 < mu <= beta, or
    a negative spread, gap or l2.

    The L2 term's gradient is exact at the master while the data's is erased, so with l2 > 0 the
    decoded step points along the gradient of f only when it is unbiased, scale * p = 1; then the
    bound holds as it stands with beta, mu and f* of the whole objective."""

    smoothness: float  # beta
    pl_constant: float  # mu
    erasure: GroupErasure  # the scheme's groups, arrivals and scale
    step: float  # eta, on the gradient of the mean over rows
    # V, the largest sum over groups of ||grad f_b||^2 on the path, where grad f_b is the group's
    # part of the gradient of the mean data loss (row gradients summed, over N).
    spread: float
    gap: float  # f(x_0) - f*
    l2: float = 0.0  # the regularisation

    def __post_init__(self) -> None:
        _check_curvature(self.smoothness, self.pl_constant)
        for field in ("spread", "gap", "l2"):
            require_non_negative(field, getattr(self, field))
        bias = self.erasure.scale * self.erasure.heard
        if self.l2 > 0.0 and abs(bias - 1.0) > STEP_TOLERANCE:
            raise InvalidParameter("l2", self.l2, "the bound needs l2 = 0, or rescale: true")
        _check_step(self.step, 1.0 / (self.smoothness * bias))

    @property
    def rate(self) -> float:
        """rho = 1 - scale * step * p * mu."""
        return 1.0 - self._decrease

    @property
    def _decrease(self) -> float:
        return self.erasure.scale * self.step * self.erasure.heard * self.pl_constant

    @property
    def kick(self) -> float:
        """beta (scale step)^2 (pi_1 - pi_2) / 2: added to f - f* by one step, per unit of V."""
        return 0.5 * self.smoothness * (self.erasure.scale * self.step) ** 2 * self.erasure.contrast

    @property
    def noise_floor(self) -> float:
        """beta scale step (pi_1 - pi_2) V / (2 p mu): the bound as T grows."""
        return self.kick * self.spread / self._decrease

    def bound(self, iterations: int) -> FloatArray:
        """Upper bounds on E f(x_t) - f* for t = 0 .. iterations: ``(iterations + 1,)``."""
        require_count("iterations", iterations, least=0)
        decay = self.rate ** np.arange(iterations + 1)
        return np.asarray(decay * self.gap + (1.0 - decay) * self.noise_floor)

    def bound_along(self, spreads: FloatArray) -> FloatArray:
        """The same with E[V] of each step, ``(T,)`` from the start on: ``(T + 1,)``."""
        bounds = [self.gap]
        for spread in spreads:
            require_non_negative("spreads", float(spread))
            bounds.append(self.rate * bounds[-1] + self.kick * float(spread))
        return np.array(bounds)


def expected_total_time(iterations: float, iteration_time: float) -> float:
    """E[seconds of a run] = E[number of rounds] * E[seconds of a round] (Wald's identity). Raises
    ``InvalidParameter``: a number that is negative or NaN. Needs rounds that are independent and
    identically distributed, and a number of rounds that does not look ahead: a fixed number, or the
    first round at which the loss meets a target."""
    require_non_negative("iterations", iterations)
    if not iteration_time >= 0:
        raise InvalidParameter("iteration_time", iteration_time, "must be a number >= 0")
    return iterations * iteration_time if iterations else 0.0  # also if a round may never end


def _check_curvature(smoothness: float, pl_constant: float) -> None:
    require_positive("smoothness", smoothness)
    require_positive("pl_constant", pl_constant)
    if pl_constant > smoothness * (1.0 + STEP_TOLERANCE):
        valid = f"must be at most smoothness = {smoothness:.6g}"
        raise InvalidParameter("pl_constant", pl_constant, valid)


def _check_step(step: float, longest: float) -> None:
    if not 0.0 < step <= longest * (1.0 + STEP_TOLERANCE):
        raise InvalidParameter("learning_rate", step, f"must be in (0, {longest:.6g}]")
