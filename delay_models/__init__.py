"""How long a worker takes. Imports numpy and scipy, never ``sim``.

To add a model: write one frozen dataclass and add one line here.
"""

from delay_models.base import DelayModel
from delay_models.parametric import (
    Deterministic,
    Exponential,
    Gamma,
    LogNormal,
    Pareto,
    ShiftedExponential,
    Weibull,
)
from delay_models.tape import Tape
from delay_models.trace import AuthorsStream, Trace

MODELS: dict[str, type[DelayModel]] = {
    "deterministic": Deterministic,
    "exponential": Exponential,
    "shifted_exponential": ShiftedExponential,
    "weibull": Weibull,
    "pareto": Pareto,
    "lognormal": LogNormal,
    "gamma": Gamma,
    "trace": Trace,
    "authors_stream": AuthorsStream,
}

__all__ = ["MODELS", "DelayModel", "Tape"]
