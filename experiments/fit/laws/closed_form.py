"""Families whose fit is a formula: exponential, shifted exponential, Pareto.

The likelihood of a law that begins at an unknown point is greatest when it begins at the smallest
observation, which is always too late: the minimum of N draws lies 1/(N rate) above the shift on
average. The estimates here are the maximum-likelihood ones with that bias removed (they are the
minimum-variance unbiased ones). Moving the start by its bias lowers the log-likelihood by about 1;
the AIC is taken at the law that is reported.

Source: own derivation from the minimum's law; the estimators are classical (Johnson, Kotz and
Balakrishnan, Continuous Univariate Distributions 1, 1994, chapters 19 and 20).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from typing_extensions import override

from ....delay_models.base import FloatArray
from ....delay_models.parametric import Exponential, Pareto, ShiftedExponential
from .law import (
    CannotFit,
    Family,
    Law,
    ScipyLaw,
    require_positive_delays,
    require_spread,
)


class ExponentialFamily(Family):
    """Exponential delays, by maximum likelihood: rate = 1 / mean."""

    name: ClassVar[str] = "exponential"
    parameters: ClassVar[tuple[str, ...]] = ("rate",)

    @override
    def fit(self, sample: FloatArray) -> Law:
        mean = float(sample.mean())
        if mean <= 0:
            raise CannotFit("all delays are 0 s; use the model deterministic")
        return ScipyLaw(self.name, Exponential(rate=1 / mean))


class ShiftedExponentialFamily(Family):
    """The minimum less its bias; the mean excess over the minimum with its lost degree."""

    name: ClassVar[str] = "shifted_exponential"
    parameters: ClassVar[tuple[str, ...]] = ("shift", "rate")

    @override
    def fit(self, sample: FloatArray) -> Law:
        """With m the minimum: 1/rate = N (mean - m) / (N - 1), shift = m - 1/(N rate) >= 0."""
        require_spread(sample)
        size, least = len(sample), float(sample.min())
        scale = (float(sample.mean()) - least) * size / (size - 1)
        shift = max(0.0, least - scale / size)
        if shift == 0.0:
            scale = float(sample.mean())
        return ScipyLaw(self.name, ShiftedExponential(shift=shift, rate=1 / scale))


class ParetoFamily(Family):
    """log X is a shifted exponential: the same two estimates, on logarithms."""

    name: ClassVar[str] = "pareto"
    parameters: ClassVar[tuple[str, ...]] = ("alpha", "scale")

    @override
    def fit(self, sample: FloatArray) -> Law:
        """With 1/a = mean log(X/m): alpha = a (N - 2) / N, scale = m (1 - 1/((N - 1) a))."""
        require_positive_delays(sample)
        require_spread(sample)
        size, least = len(sample), float(sample.min())
        inverse = float(np.mean(np.log(sample / least)))
        scale = least * (1 - inverse / (size - 1))
        if size < 3 or scale <= 0:
            raise CannotFit("too few delays for a tail")
        return ScipyLaw(self.name, Pareto(alpha=(size - 2) / (size * inverse), scale=scale))
