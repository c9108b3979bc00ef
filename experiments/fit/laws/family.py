"""What a family of laws is to the fitter: a name, its free parameters, a maximum-likelihood fit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from delay_models.base import FloatArray
from experiments.fit.laws.law import CannotFit, Law


class Family(ABC):
    """A family of laws that can be fitted to a sample; abstract."""

    name: ClassVar[str]
    """The registry name."""

    parameters: ClassVar[tuple[str, ...]]
    """Free parameters, all of which the AIC counts."""

    @abstractmethod
    def fit(self, sample: FloatArray) -> Law:
        """The law of this family that fits a sample ``(N,)`` of seconds best.

        Raises:
            CannotFit: no law of the family has a finite likelihood.
        """


def require_positive(sample: FloatArray) -> None:
    """Refuse a sample with a delay of 0 s, which laws of log X give no density."""
    if sample.min() <= 0:
        raise CannotFit("a delay of 0 s has no logarithm")


def require_spread(sample: FloatArray) -> None:
    """Refuse a sample of equal values."""
    if np.ptp(sample) <= 1e-12 * abs(float(sample.max())):
        raise CannotFit("all delays are equal; use the model deterministic")
