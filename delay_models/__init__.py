"""How long a worker takes. Imports numpy and scipy, never ``sim``.

To add a model: write one frozen dataclass and add one line here.
"""

from delay_models.base import DelayModel
from delay_models.cold_starts import ColdStarts
from delay_models.compose import Scaled, Shifted
from delay_models.empirical import Empirical
from delay_models.factors import Drift, Heterogeneous, RoundEffects
from delay_models.markov import Markov
from delay_models.mixture import Mixture
from delay_models.own_laws import OwnLaws
from delay_models.parametric import (
    Deterministic,
    Exponential,
    Gamma,
    LogNormal,
    Pareto,
    ShiftedExponential,
    Weibull,
)
from delay_models.presets import LambdaCnn, LlmRanks
from delay_models.tape import Tape
from delay_models.trace import AuthorsStream, MeasuredTrace

MODELS: dict[str, type[DelayModel]] = {
    "deterministic": Deterministic,
    "exponential": Exponential,
    "shifted_exponential": ShiftedExponential,
    "weibull": Weibull,
    "pareto": Pareto,
    "lognormal": LogNormal,
    "gamma": Gamma,
    "mixture": Mixture,
    "empirical": Empirical,
    "markov": Markov,
    "scaled": Scaled,
    "shifted": Shifted,
    "heterogeneous": Heterogeneous,
    "round_effects": RoundEffects,
    "own_laws": OwnLaws,
    "drift": Drift,
    "cold_starts": ColdStarts,
    "lambda_cnn": LambdaCnn,
    "llm_ranks": LlmRanks,
    "trace": MeasuredTrace,
    "authors_stream": AuthorsStream,
}

__all__ = ["MODELS", "DelayModel", "Tape"]
