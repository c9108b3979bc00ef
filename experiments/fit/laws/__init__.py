"""From measured delays to fitted laws: one family per class, one question per file.

To add a family: write one class and add one line here.
"""

from experiments.fit.laws.closed_form import (
    ExponentialFamily,
    ParetoFamily,
    ShiftedExponentialFamily,
)
from experiments.fit.laws.law import Family
from experiments.fit.laws.lognormals import TwoLogNormalsFamily
from experiments.fit.laws.shifted import GammaFamily, LogNormalFamily, WeibullFamily

FAMILIES: dict[str, Family] = {
    "exponential": ExponentialFamily(),
    "shifted_exponential": ShiftedExponentialFamily(),
    "weibull": WeibullFamily(),
    "pareto": ParetoFamily(),
    "lognormal": LogNormalFamily(),
    "gamma": GammaFamily(),
    "mixture": TwoLogNormalsFamily(),
}

__all__ = ["FAMILIES", "Family"]
