"""Mixtures of lognormals, and effects of workers and rounds as factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from .....delay_models.base import FloatArray
from .....delay_models.mixture import Mixture
from .....delay_models.parametric import LogNormal
from .law import (
    CannotFit,
    Law,
    Section,
    Weighed,
    log_density,
    lognormal_section,
    require_spread,
    rounded,
    section_of,
    slow_probability,
)
from .variance import Effects, components, trust

# Two lognormals are fitted by expectation-maximisation from several seeded starts. These are split
# points of the sorted sample and random splits; each runs on a subsample, the best goes on with the
# whole sample, and a quasi-Newton search ends it, since EM slows down near the maximum. The
# likelihood of a mixture is unbounded too (one part may sit on a single value), so a part's sigma
# is at least ``NARROWEST`` of the whole sample's.

NARROWEST = 1e-3  # smallest sigma of a part, as a share of the standard deviation of all logarithms
SUBSAMPLE = 4000
SPLITS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)
RANDOM_STARTS = 4
SEED = 20190401
START_STEPS, FULL_STEPS = 60, 20
SEARCH_STEPS, SHORT_SEARCH = 15_000, 30
NARROWEST_FACTORS = 0.1
FEWEST_FACTORS = 10


@dataclass(frozen=True)
class Normals:
    """Two normal laws of log X: share of the second, means, standard deviations."""

    share: float
    means: tuple[float, ...]
    sigmas: tuple[float, ...]

    def log_parts(self, logs: FloatArray) -> FloatArray:
        """Weighted log densities, ``(2, N)``."""
        weights = np.log([1 - self.share, self.share])
        z = logs - np.array(self.means)[:, None]
        z /= np.array(self.sigmas)[:, None]
        z *= z  # in place: for a million values, memory takes most of the time
        z *= 0.5
        constant = weights - np.log(self.sigmas) - 0.5 * np.log(2 * np.pi)
        return np.asarray(np.subtract(constant[:, None], z, out=z))


def fit_two_lognormals(sample: FloatArray, narrowest: float = NARROWEST) -> Mixture:
    """Ten starts on at most 4,000 of ``(N,)`` seconds, then 20 EM steps and a search on all of
    them; ``narrowest`` as ``NARROWEST``."""
    _require_two(sample)
    logs = np.log(sample)
    floor = narrowest * float(logs.std())
    rng = np.random.default_rng(SEED)
    few = logs if len(logs) <= SUBSAMPLE else rng.choice(logs, SUBSAMPLE, replace=False)
    starts = [np.where(few > np.quantile(few, q), 0.95, 0.05) for q in SPLITS]
    starts += [rng.beta(0.5, 0.5, len(few)) for _ in range(RANDOM_STARTS)]
    short, whole = Climb(Weighed.of(few), floor), Climb(Weighed.of(logs), floor)
    results = [short.steps(start, START_STEPS) for start in starts]
    return whole.ended(whole.shares(max(results, key=short.log_likelihood)), SEARCH_STEPS)


def refit_two_lognormals(sample: FloatArray, near: Law) -> Mixture:
    """One start, at the parts of ``near``."""
    assert isinstance(near, Mixture)
    _require_two(sample)
    logs = np.log(sample)
    climb = Climb(Weighed.of(logs), NARROWEST * float(logs.std()))
    second = slow_probability(near, sample if climb.logs is logs else np.exp(climb.logs))
    return climb.ended(second, SHORT_SEARCH)


def _require_two(sample: FloatArray) -> None:
    require_spread(sample, of_logs=True)
    if len(sample) < 10:
        raise CannotFit("fewer than 10 delays cannot tell two parts")


@dataclass(frozen=True, eq=False)
class Climb:
    """Ways up the likelihood of two normal laws of logarithms, with no sigma below ``floor``."""

    sample: Weighed
    floor: float

    @property
    def logs(self) -> FloatArray:
        """Logarithms of the delays, ``(N,)``."""
        return self.sample.values

    def ended(self, second: FloatArray, search: int) -> Mixture:
        """From P(second part) of each value, ``(N,)``, to the nearest maximum."""
        normals = self._polished(self.steps(second, FULL_STEPS), search)
        pairs = zip(normals.means, normals.sigmas, strict=True)
        laws = [LogNormal(median=float(np.exp(mean)), sigma=sigma) for mean, sigma in pairs]
        fast, slow = np.argsort(normals.means)
        share = normals.share if slow == 1 else 1 - normals.share
        return Mixture(weights=(1 - share, share), components=(laws[fast], laws[slow]))

    def log_likelihood(self, normals: Normals) -> float:
        """Of the logarithms, not of the delays."""
        return float(self.sample.sum(np.logaddexp(*normals.log_parts(self.logs))))

    def shares(self, normals: Normals) -> FloatArray:
        """P(second part) of each value, ``(N,)``."""
        first, second = normals.log_parts(self.logs)
        return np.asarray(special.expit(second - first))

    def steps(self, second: FloatArray, most: int) -> Normals:
        """EM steps from P(second part) of each value, ``(N,)``; fewer where it stands still."""
        normals = self._maximised(second)
        for _ in range(most):
            following = self._maximised(self.shares(normals))
            moved = np.abs(np.subtract(following.means, normals.means)).max()
            normals = following
            if moved < 1e-9:
                break
        return normals

    def _maximised(self, second: FloatArray) -> Normals:
        shares = np.stack([1 - second, second])
        add = self.sample.sum
        weights = np.maximum(add(shares), 1e-9)
        means = add(shares * self.logs) / weights
        variances = add(shares * (self.logs - means[:, None]) ** 2) / weights
        sigmas = np.maximum(np.sqrt(variances), self.floor)
        share = float(np.clip(weights[1] / self.sample.counts.sum(), 1e-9, 1 - 1e-9))
        return Normals(share, tuple(means.tolist()), tuple(sigmas.tolist()))

    def _polished(self, start: Normals, search: int) -> Normals:
        """A search with the gradient from EM's result; sigmas may halve or double."""
        mean = self.sample.mean

        def unpack(x: FloatArray) -> Normals:
            share = float(np.clip(special.expit(x[0]), 1e-12, 1 - 1e-12))
            return Normals(share, tuple(x[1:3].tolist()), tuple(np.exp(x[3:]).tolist()))

        def loss(x: FloatArray) -> tuple[float, FloatArray]:
            normals = unpack(x)
            log_parts = normals.log_parts(self.logs)
            total = np.logaddexp(*log_parts)
            second = np.exp(log_parts[1] - total)
            shares = np.stack([1 - second, second])
            z = (self.logs - np.array(normals.means)[:, None]) / np.array(normals.sigmas)[:, None]
            by_share, by_mean = mean(second) - normals.share, mean(shares * z) / normals.sigmas
            gradient = np.concatenate([[by_share], by_mean, mean(shares * (z**2 - 1))])
            return -float(mean(total)), -gradient

        x = np.array([special.logit(start.share), *start.means, *np.log(start.sigmas)])
        width = self.sample.std(self.logs)
        reach = np.array([3.0, width, width, np.log(2), np.log(2)])
        lowest = np.minimum(np.maximum((x - reach)[3:], np.log(self.floor)), x[3:])
        end = optimize.minimize(
            loss,
            x,
            jac=True,
            method="L-BFGS-B",
            bounds=optimize.Bounds(np.append((x - reach)[:3], lowest), x + reach),
            options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": search},
        )
        return max(start, unpack(np.asarray(end.x)), key=self.log_likelihood)


@dataclass(frozen=True, eq=False)
class Split:
    """What is left, and what was taken out."""

    sample: FloatArray  # ``(N,)`` seconds, divided by the factors
    by_worker: FloatArray | None = None  # ``(n,)`` factors > 0, or ``None``
    by_round: FloatArray | None = None  # ``(R,)`` factors > 0, or ``None``

    def around(self, section: Section) -> Section:
        """The factors, if there are any, around a section for what is left."""
        if self.by_worker is not None:
            factors = [rounded(float(factor), 4) for factor in self.by_worker]
            section = {"model": "heterogeneous", "factors": factors, "base": section}
        if self.by_round is not None and np.ptp(self.by_round) > 0:
            law = factor_law(self.by_round)
            section = {"model": "round_effects", "factor": law, "base": section}
        return section


def split_factors(sample: FloatArray, tables: Sequence[FloatArray], effects: Effects) -> Split:
    """Divide ``(rounds, n)`` tables by their factors; the ``(N,)`` sample stays without any. A
    factor is the exponential of a mean of logarithms, shrunk towards 1 by the part of it that is
    noise (the best linear unbiased prediction of a random effect): unshrunk, the factors of a few
    workers in a round would count what is chance in them twice, also in the base law."""
    if not effects or min(min(table.shape) for table in tables) < 2:
        return Split(sample)
    logs = [np.log(np.maximum(table, 1e-12)) for table in tables]
    of_worker, of_round, rest = components(logs)
    together = np.concatenate(logs)
    rounds, workers = together.shape
    rows = trust(of_round, rest / workers) * (together.mean(axis=1) - together.mean())
    columns = trust(of_worker, rest / rounds) * (together.mean(axis=0) - together.mean())
    left, by_worker, by_round = together, None, None
    if effects.round:
        left, by_round = left - rows[:, None], np.exp(rows)
    if effects.worker:
        left, by_worker = left - columns, np.exp(columns)
    return Split(np.exp(left).ravel(), by_worker, by_round)


def factor_law(factors: FloatArray) -> Section:
    """A section for the factors of rounds, ``(R,)`` numbers > 0, scaled to median 1. Often all
    rounds are alike but a few, which are slow for all workers. One lognormal would spread those few
    over all rounds; two say that a round is slow with some probability. Two are taken where the
    Bayesian information criterion prefers them, with parts no narrower than a tenth of the whole:
    among a few dozen rounds a part would otherwise sit on a single one."""
    factors = factors / np.median(factors)
    logs = np.log(factors)
    sigma = float(logs.std())
    single_law = lognormal_section(logs, sigma)
    if len(factors) < FEWEST_FACTORS or sigma <= 0:
        return single_law
    two = fit_two_lognormals(factors, narrowest=NARROWEST_FACTORS)
    single = LogNormal(median=float(np.exp(float(logs.mean()))), sigma=sigma)
    gain = float(log_density(two, factors).sum() - single.logpdf(factors).sum())
    both = min(two.weights) > 1e-3  # each part holds at least about one round
    return section_of(two) if gain > 1.5 * np.log(len(factors)) and both else single_law
