"""Families fitted where some workers were not heard, by maximum likelihood: a cell that was heard
says its seconds, one that was not says that it takes longer than the end of its round.

The formulas and the search over shifts are those of ``families``; with everybody heard, so are the
laws that come out. ``scipy.stats`` fits no shift of these laws as well: with ``floc=0`` its Pareto
stops far from the maximum where scales are small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import optimize, special

from .....delay_models import parametric
from .....delay_models.base import MAX_DELAY_SECONDS, FloatArray
from .....delay_models.mixture import Mixture
from .....delay_models.parametric import LogNormal
from .....sim.base.errors import ConfigError
from .families import GAMMA, LARGEST_SHAPE, WEIBULL, WithShift
from .law import CannotFit, Law, Weighed, log_density, require_spread
from .lognormals import NARROWEST, SPLITS

MOST_HEARD, MOST_ENDS = 4_000, 300  # groups of neighbours that a search looks at
FEWEST_HEARD = 10
TINY = 1e-300  # seconds, or a chance, whose logarithm is still a number
LOG_ROOT = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True, eq=False)
class Cells:
    """Seconds of the cells that were heard, and the ends that the others outlasted."""

    heard: Weighed  # seconds ``(D,)``
    ends: Weighed  # seconds ``(M,)``; none where everybody was heard

    @classmethod
    def of(cls, heard: FloatArray, ends: FloatArray) -> Cells:
        """Of ``(D,)`` and ``(M,)`` seconds; equal ends are counted once."""
        values, counts = np.unique(ends, return_counts=True)
        return cls(Weighed(heard, np.ones(len(heard))), Weighed(values, counts.astype(np.float64)))

    @property
    def grouped(self) -> Cells:
        """Groups of neighbours, for a search."""
        return Cells(_grouped(self.heard, MOST_HEARD), _grouped(self.ends, MOST_ENDS))

    @property
    def size(self) -> float:
        """How many cells there are."""
        return float(self.heard.counts.sum() + self.ends.counts.sum())

    def with_heard(self, seconds: FloatArray) -> Cells:
        """The same with other heard seconds."""
        return Cells(Weighed(seconds, self.heard.counts), self.ends)

    def log_likelihood(self, law: Law) -> float:
        """Of a law: log densities of what was heard, and log chances of outlasting the ends."""
        density = self.heard.sum(log_density(law, self.heard.values))
        with np.errstate(divide="ignore"):
            later = np.log(np.asarray(law.sf(self.ends.values)))
        return float(density + self.ends.sum(later))


def _grouped(weighed: Weighed, most: int) -> Weighed:
    """Means of at most about so many groups of neighbours; at the low end, where laws begin, a
    tenth of them stay alone."""
    if len(weighed.values) <= most:
        return weighed
    order = np.argsort(weighed.values, kind="stable")
    values = weighed.values[order]
    counts = weighed.counts[order]
    alone = most // 10
    starts = np.unique(
        np.concatenate(
            [np.arange(alone), np.linspace(alone, len(values), most - alone + 1).astype(np.int64)]
        )[:-1]
    )
    sums = np.add.reduceat(counts, starts)
    return Weighed(np.add.reduceat(values * counts, starts) / sums, sums)


# Exponential, shifted exponential, Pareto: as in ``families``, with the total time on test in place
# of the sum. Above the smallest heard m, D heard cells of N spent T seconds until they were heard
# or their rounds ended; then D - 1 over T is the unbiased rate. Source: Epstein and Sobel, Some
# theorems relevant to life testing from an exponential distribution, Ann. Math. Statist. 25 (1954).


def fit_exponential(cells: Cells) -> Law:
    """Rate = number heard / total time."""
    total = float(cells.heard.sum(cells.heard.values) + cells.ends.sum(cells.ends.values))
    if total <= 0:
        raise CannotFit("all delays are 0 s; use the model deterministic")
    return parametric.Exponential(rate=float(cells.heard.counts.sum()) / total)


def fit_shifted_exponential(cells: Cells) -> Law:
    """With m the smallest: 1/rate = (time on test above m) / (D - 1), shift = m - 1/(N rate)."""
    require_spread(cells.heard.values)
    least = float(cells.heard.values.min())
    above = float(
        cells.heard.sum(cells.heard.values - least)
        + cells.ends.sum(np.maximum(cells.ends.values - least, 0.0))
    )
    scale = above / (float(cells.heard.counts.sum()) - 1)
    shift = max(0.0, least - scale / cells.size)
    if shift == 0.0:
        return parametric.ShiftedExponential(shift=0.0, rate=fit_exponential(cells).rate)  # type: ignore[union-attr]
    return parametric.ShiftedExponential(shift=shift, rate=1 / scale)


def fit_pareto(cells: Cells) -> Law:
    """log X is a shifted exponential: alpha = (D - 2) / T, scale = m (1 - T / ((N - 1) D))."""
    require_spread(cells.heard.values, of_logs=True)
    least = float(cells.heard.values.min())
    count = float(cells.heard.counts.sum())
    above = float(
        cells.heard.sum(np.log(cells.heard.values / least))
        + cells.ends.sum(np.log(np.maximum(cells.ends.values, least) / least))
    )
    scale = least * (1 - above / ((cells.size - 1) * count))
    if count < 3 or scale <= 0:
        raise CannotFit("too few delays for a tail")
    return parametric.Pareto(alpha=(count - 2) / above, scale=scale)


# Weibull, lognormal, gamma at a shift: the best two other parameters and the mean log density.


def _beyond(cells: Cells, shift: float) -> FloatArray:
    """Logarithms of the ends beyond the shift; an end before it says nothing."""
    return np.asarray(np.log(np.maximum(cells.ends.values - shift, TINY)))


def normal_hazard(z: FloatArray) -> FloatArray:
    """Density over the chance to be larger, of a standard normal number."""
    return np.asarray(np.exp(-0.5 * z * z - LOG_ROOT - special.log_ndtr(-z)))


def lognormal_at(cells: Cells, shift: float) -> tuple[float, float, float]:
    """By Newton's method in 1/sigma and mu/sigma, in which the log-likelihood is concave. Source:
    Olsen, Note on the uniqueness of the maximum likelihood estimator for the Tobit model,
    Econometrica 46 (1978)."""
    logs = np.log(cells.heard.values - shift)
    later = _beyond(cells, shift)
    heard, ends = cells.heard, cells.ends
    count = float(heard.counts.sum())

    def value(ratio: float, inverse: float) -> float:
        """The log-likelihood of the logarithms, without a constant."""
        z = inverse * logs - ratio
        return float(
            count * np.log(inverse)
            - 0.5 * heard.sum(z * z)
            + ends.sum(special.log_ndtr(ratio - inverse * later))
        )

    inverse = 1 / max(heard.std(logs), 1e-6)
    ratio = float(heard.mean(logs)) * inverse
    best = value(ratio, inverse)
    for _ in range(100):
        z = inverse * logs - ratio
        hazard = normal_hazard(inverse * later - ratio)
        bend = hazard * (hazard - (inverse * later - ratio))
        gradient = np.array(
            [
                heard.sum(z) + ends.sum(hazard),
                count / inverse - heard.sum(logs * z) - ends.sum(later * hazard),
            ]
        )
        across = float(heard.sum(logs) + ends.sum(later * bend))
        curvature = np.array(
            [
                [count + float(ends.sum(bend)), -across],
                [
                    -across,
                    count / inverse**2
                    + float(heard.sum(logs * logs) + ends.sum(later * later * bend)),
                ],
            ]
        )
        step = np.linalg.solve(curvature, gradient)
        length = 1.0
        while length > 1e-6:
            new_ratio = ratio + length * float(step[0])
            new_inverse = inverse + length * float(step[1])
            if new_inverse > 0 and (new := value(new_ratio, new_inverse)) >= best:
                break
            length /= 2
        else:
            break
        gain = new - best
        ratio = new_ratio
        inverse = new_inverse
        best = new
        if gain <= 1e-10 * count:
            break
    mean = best - LOG_ROOT * count - float(heard.sum(logs))
    return float(np.exp(ratio / inverse)), 1 / inverse, mean / cells.size


def weibull_at(cells: Cells, shift: float) -> tuple[float, float, float]:
    """As of a whole sample, but the sums of powers are over all cells, and the mean logarithm is
    over those that were heard."""
    heard, ends = cells.heard, cells.ends
    logs = np.log(heard.values - shift)
    later = _beyond(cells, shift)
    count = float(heard.counts.sum())
    log_mean = float(heard.mean(logs))
    largest = float(max(logs.max(), later.max(initial=-np.inf)))
    centred = logs - largest  # powers of numbers up to 1: no overflow
    centred_later = later - largest

    def sums(shape: float) -> tuple[float, float, float]:
        """Of powers, and of these times the logarithm, once and twice."""
        powers = np.exp(shape * centred)
        powers_later = np.exp(shape * centred_later)
        return (
            float(heard.sum(powers) + ends.sum(powers_later)),
            float(heard.sum(powers * centred) + ends.sum(powers_later * centred_later)),
            float(heard.sum(powers * centred**2) + ends.sum(powers_later * centred_later**2)),
        )

    shape = 1.2 / max(heard.std(logs), 1e-12)
    for _ in range(50):
        total, first, second = sums(shape)
        first /= total
        second /= total
        gap = 1 / shape + (log_mean - largest) - first
        slope = -1 / shape**2 - (second - first**2)
        step = -gap / (slope * shape)
        shape = min(shape * float(np.exp(np.clip(step, -1.0, 1.0))), LARGEST_SHAPE)
        if abs(step) < 1e-10:
            break
    total, _, _ = sums(shape)
    log_scale = largest + np.log(total / count) / shape
    density = np.log(shape) - shape * log_scale + (shape - 1) * log_mean - 1
    return shape, float(np.exp(log_scale)), float(density) * count / cells.size


def gamma_at(cells: Cells, shift: float) -> tuple[float, float, float]:
    """A quasi-Newton search for the logarithms of shape and scale; the slope of the chance to be
    longer, which has no formula in the shape, from its two neighbours."""
    heard = cells.heard
    excess = heard.values - shift
    later = np.maximum(cells.ends.values - shift, 0.0)
    count = float(heard.counts.sum())
    total = float(heard.sum(excess))
    log_total = float(heard.sum(np.log(excess)))
    near = 1e-5  # distance of the neighbours, in the logarithm of the shape

    def log_later(shape: float, scale: float) -> FloatArray:
        z = later / scale
        chance = special.gammaincc(shape, z)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = (shape - 1) * np.log(z) - z - special.gammaln(shape)
            return np.asarray(np.where(chance > TINY, np.log(chance), far))

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        shape, scale = np.exp(x).tolist()
        z = later / scale
        chances = log_later(shape, scale)
        density = (shape - 1) * log_total - total / scale
        density -= count * (special.gammaln(shape) + shape * np.log(scale))
        larger = log_later(shape * np.exp(near), scale)
        smaller = log_later(shape * np.exp(-near), scale)
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = np.exp(special.xlogy(shape, z) - z - special.gammaln(shape) - chances)
        by_shape = shape * (log_total - count * (special.digamma(shape) + np.log(scale)))
        by_shape += float(cells.ends.sum((larger - smaller) / (2 * near)))
        by_scale = total / scale - count * shape + float(cells.ends.sum(hazard))
        value = float(density + cells.ends.sum(chances))
        return -value / count, -np.array([by_shape, by_scale]) / count

    mean = (total + float(cells.ends.sum(later))) / count
    found = optimize.minimize(
        loss,
        [0.0, np.log(mean)],
        jac=True,
        method="L-BFGS-B",
        bounds=[(-12.0, np.log(LARGEST_SHAPE)), (np.log(mean) - 20.0, np.log(mean) + 20.0)],
        options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 200},
    )
    shape, scale = np.exp(found.x).tolist()
    return shape, scale, -float(found.fun) * count / cells.size


def _with_shift(family: WithShift[Cells], cells: Cells) -> Law:
    """The family with the shift that fits best."""

    def of(heard: FloatArray, large: float) -> Cells:
        moved = cells.with_heard(heard)
        return moved if large == np.inf else moved.grouped

    return family.fit(cells.heard.values, of)


# Two lognormals: expectation-maximisation from several starts on groups of neighbours, where a cell
# that was not heard counts with the mean and the variance of a normal number beyond its end; then a
# search with the gradient, since EM slows down the more cells are missing.

START_STEPS = 60
START_HEARD, START_ENDS = 500, 60  # groups that the starts look at
SHARE_REACH, MEAN_REACH, SIGMA_REACH = 6.0, 4.0, np.log(8.0)


@dataclass(frozen=True, eq=False)
class TwoNormals:
    """Two normal laws of the logarithm: the share of each, means and standard deviations, ``(2,)``
    each."""

    shares: FloatArray
    means: FloatArray
    sigmas: FloatArray

    def log_densities(self, logs: FloatArray) -> FloatArray:
        """Weighted, ``(2, N)``."""
        z = (logs - self.means[:, None]) / self.sigmas[:, None]
        constant = np.log(self.shares) - np.log(self.sigmas) - LOG_ROOT
        return np.asarray(constant[:, None] - 0.5 * z * z)

    def log_later(self, logs: FloatArray) -> FloatArray:
        """Logarithms of the weighted chances to be larger, ``(2, N)``."""
        z = (logs - self.means[:, None]) / self.sigmas[:, None]
        return np.asarray(np.log(self.shares)[:, None] + special.log_ndtr(-z))


@dataclass(frozen=True, eq=False)
class Logs:
    """Logarithms of heard seconds and of ends, and the smallest sigma of a part."""

    heard: Weighed
    ends: Weighed
    floor: float

    def log_likelihood(self, law: TwoNormals) -> float:
        """Of the logarithms."""
        density = self.heard.sum(np.logaddexp(*law.log_densities(self.heard.values)))
        return float(density + self.ends.sum(np.logaddexp(*law.log_later(self.ends.values))))

    def em_step(self, law: TwoNormals) -> TwoNormals:
        """The next law of expectation-maximisation."""
        density = law.log_densities(self.heard.values)
        later = law.log_later(self.ends.values)
        of_heard = np.exp(density - np.logaddexp(*density)) * self.heard.counts
        of_ends = np.exp(later - np.logaddexp(*later)) * self.ends.counts
        means = law.means[:, None]
        sigmas = law.sigmas[:, None]
        z = (self.ends.values - means) / sigmas
        hazard = normal_hazard(z)
        expected = means + sigmas * hazard
        variance = sigmas**2 * np.maximum(1 + z * hazard - hazard**2, 0.0)
        weights = np.maximum(of_heard.sum(axis=1) + of_ends.sum(axis=1), 1e-9)
        sums = (of_heard * self.heard.values).sum(axis=1) + (of_ends * expected).sum(axis=1)
        new_means = sums / weights
        squares = (of_heard * (self.heard.values - new_means[:, None]) ** 2).sum(axis=1)
        squares += (of_ends * ((expected - new_means[:, None]) ** 2 + variance)).sum(axis=1)
        return TwoNormals(
            shares=np.clip(weights / weights.sum(), 1e-9, 1 - 1e-9),
            means=new_means,
            sigmas=np.maximum(np.sqrt(squares / weights), self.floor),
        )

    def polished(self, start: TwoNormals) -> TwoNormals:
        """A search with the gradient around a start."""
        size = float(self.heard.counts.sum() + self.ends.counts.sum())

        def unpack(x: FloatArray) -> TwoNormals:
            second = float(np.clip(special.expit(x[0]), 1e-12, 1 - 1e-12))
            return TwoNormals(np.array([1 - second, second]), x[1:3].copy(), np.exp(x[3:]))

        def loss(x: FloatArray) -> tuple[float, FloatArray]:
            law = unpack(x)
            density = law.log_densities(self.heard.values)
            later = law.log_later(self.ends.values)
            of_heard = np.exp(density - np.logaddexp(*density)) * self.heard.counts
            of_ends = np.exp(later - np.logaddexp(*later)) * self.ends.counts
            sigmas = law.sigmas[:, None]
            z = (self.heard.values - law.means[:, None]) / sigmas
            z_later = (self.ends.values - law.means[:, None]) / sigmas
            hazard = normal_hazard(z_later)
            weights = of_heard.sum(axis=1) + of_ends.sum(axis=1)
            by_share = weights[1] - size * law.shares[1]
            by_mean = ((of_heard * z).sum(axis=1) + (of_ends * hazard).sum(axis=1)) / law.sigmas
            by_sigma = (of_heard * (z * z - 1)).sum(axis=1) + (of_ends * hazard * z_later).sum(
                axis=1
            )
            gradient = np.concatenate([[by_share], by_mean, by_sigma])
            return -self.log_likelihood(law) / size, -gradient / size

        width = self.heard.std(self.heard.values)
        x = np.concatenate([[special.logit(start.shares[1])], start.means, np.log(start.sigmas)])
        reach = np.array([SHARE_REACH, *[MEAN_REACH * width] * 2, *[SIGMA_REACH] * 2])
        lowest = x - reach
        lowest[3:] = np.minimum(np.maximum(lowest[3:], np.log(self.floor)), x[3:])
        found = optimize.minimize(
            loss,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(lowest, x + reach),
            options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 2000, "maxfun": 5000},
        )
        return max(start, unpack(np.asarray(found.x)), key=self.log_likelihood)


def fit_two_lognormals(cells: Cells) -> Law:
    """From the split points of the whole sample's fit, on the heard cells and the ends together."""
    require_spread(cells.heard.values, of_logs=True)
    if cells.heard.counts.sum() < FEWEST_HEARD:
        raise CannotFit(f"fewer than {FEWEST_HEARD} delays cannot tell two parts")
    grouped = cells.grouped
    width = cells.heard.std(np.log(cells.heard.values))

    def logs_of(heard: Weighed, ends: Weighed) -> Logs:
        logs = Weighed(np.log(heard.values), heard.counts)
        later = Weighed(np.log(np.maximum(ends.values, TINY)), ends.counts)
        return Logs(logs, later, NARROWEST * width)

    few = logs_of(_grouped(grouped.heard, START_HEARD), _grouped(grouped.ends, START_ENDS))
    most = logs_of(grouped.heard, grouped.ends)
    found = list[TwoNormals]()
    for split in SPLITS:
        law = _start(few, split)
        for _ in range(START_STEPS):
            law = few.em_step(law)
        found.append(few.polished(law))
    best = most.polished(max(found, key=most.log_likelihood))
    order = np.argsort(best.means)
    laws = [
        LogNormal(median=float(np.exp(best.means[part])), sigma=float(best.sigmas[part]))
        for part in order
    ]
    slow = float(best.shares[order[1]])
    return Mixture(weights=(1 - slow, slow), components=tuple(laws))


def _start(logs: Logs, split: float) -> TwoNormals:
    """Two parts: the logarithms below and above a quantile of all cells, ends included."""
    every = np.concatenate([logs.heard.values, logs.ends.values])
    counts = np.concatenate([logs.heard.counts, logs.ends.counts])
    order = np.argsort(every, kind="stable")
    place = np.searchsorted(np.cumsum(counts[order]), split * counts.sum())
    edge = every[order[min(int(place), len(order) - 1)]]
    low = every <= edge
    if low.all():
        low = every < edge
    means = list[float]()
    sigmas = list[float]()
    for part in (low, ~low):
        mean = float(np.average(every[part], weights=counts[part]))
        means.append(mean)
        square = float(np.average((every[part] - mean) ** 2, weights=counts[part]))
        sigmas.append(max(square**0.5, 0.1 * logs.heard.std(logs.heard.values), logs.floor))
    return TwoNormals(np.array([split, 1 - split]), np.array(means), np.array(sigmas))


LOGNORMAL_CUT = WithShift(parametric.LogNormal, lognormal_at, None)
GAMMA_CUT = WithShift(parametric.Gamma, gamma_at, GAMMA.start_scale)
WEIBULL_CUT = WithShift(parametric.Weibull, weibull_at, WEIBULL.start_scale)

FITS: dict[str, Callable[[Cells], Law]] = {  # by the name of the family
    "exponential": fit_exponential,
    "shifted_exponential": fit_shifted_exponential,
    "weibull": partial(_with_shift, WEIBULL_CUT),
    "pareto": fit_pareto,
    "lognormal": partial(_with_shift, LOGNORMAL_CUT),
    "gamma": partial(_with_shift, GAMMA_CUT),
    "mixture": fit_two_lognormals,
}


def fitted(name: str, cells: Cells) -> Law:
    """The law of a family that fits the cells best. Raises CannotFit: there is none."""
    try:
        law = FITS[name](cells)
    except (ConfigError, ArithmeticError, np.linalg.LinAlgError) as error:
        text = "the delays are too small or too large: a parameter overflows"
        raise CannotFit(text) from error
    if law.longest() > MAX_DELAY_SECONDS:
        raise CannotFit("the tail is too heavy to simulate: it can give infinite delays")
    return law
