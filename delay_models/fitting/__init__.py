"""From measured delays to fitted laws: one family per class, one question per file.

To add a family: write one class and add one line here.
"""

from delay_models.fitting.closed_form import (
    ExponentialFamily,
    ParetoFamily,
    ShiftedExponentialFamily,
)
from delay_models.fitting.family import Family
from delay_models.fitting.lognormals import TwoLogNormalsFamily
from delay_models.fitting.shifted import GammaFamily, LogNormalFamily, WeibullFamily

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
