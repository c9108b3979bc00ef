"""From measured delays to fitted laws: one family per class, one question per file.

To add a family: write one class and add one line here.
"""

from .empirical import EmpiricalFamily
from .families import (
    ExponentialFamily,
    GammaFamily,
    LogNormalFamily,
    ParetoFamily,
    ShiftedExponentialFamily,
    WeibullFamily,
)
from .law import Family
from .lognormals import TwoLogNormalsFamily

FAMILIES: dict[str, Family] = {
    "exponential": ExponentialFamily(),
    "shifted_exponential": ShiftedExponentialFamily(),
    "weibull": WeibullFamily(),
    "pareto": ParetoFamily(),
    "lognormal": LogNormalFamily(),
    "gamma": GammaFamily(),
    "mixture": TwoLogNormalsFamily(),
}
"""Classic families: a handful of parameters each."""

EMPIRICAL = EmpiricalFamily()
"""The law that bends to whatever was measured; it needs rounds that are held out."""

__all__ = ["EMPIRICAL", "FAMILIES", "Family"]
