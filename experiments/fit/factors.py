"""The law of the factors by which whole rounds differ: one lognormal, or two of them.

Often all rounds are alike but a few, which are slow for everybody. One lognormal would spread those
few over all rounds; two say that a round is slow with some probability. Two are taken where the
Bayesian information criterion prefers them, with parts no narrower than a tenth of the whole: among
a few dozen rounds a part would otherwise sit on a single one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from delay_models.base import FloatArray
from delay_models.parametric import LogNormal
from experiments.fit.laws.law import TwoLogNormals, rounded
from experiments.fit.laws.lognormals import fit_two_lognormals

NARROWEST = 0.1
FEWEST = 10


def factor_law(factors: FloatArray) -> dict[str, Any]:
    """A section for the factors of rounds, ``(R,)`` numbers > 0, scaled to median 1."""
    factors = factors / np.median(factors)
    logs = np.log(factors)
    mean, sigma = float(logs.mean()), float(logs.std())
    one = {"model": "lognormal", "median": rounded(float(np.exp(mean))), "sigma": rounded(sigma)}
    if len(factors) < FEWEST or sigma <= 0:
        return one
    two = fit_two_lognormals(factors, narrowest=NARROWEST)
    single = LogNormal(median=float(np.exp(mean)), sigma=sigma).distribution().logpdf(factors).sum()
    gain = float(two.logpdf(factors).sum() - single)
    return two.section() if gain > 1.5 * np.log(len(factors)) and _apart(two) else one


def _apart(two: TwoLogNormals) -> bool:
    """Whether both parts hold a round or so."""
    return 1e-3 < two.slow_share < 1 - 1e-3
