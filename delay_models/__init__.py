"""How long a worker takes. To add a model: write one frozen dataclass and add one line here."""

if __name__ == "delay_models":
    where = "write erasurehead.delay_models instead of delay_models"
    raise ImportError(f"delay_models is a part of erasurehead: {where}")

from .base import DelayModel, Tape
from .compose import ColdStarts, OwnLaws, Scaled, Shifted
from .empirical import Empirical
from .factors import Drift, GroupEffects, Heterogeneous, RoundEffects, Spells
from .mixture import Markov, Mixture
from .parametric import (
    Deterministic,
    Exponential,
    Gamma,
    LogNormal,
    Pareto,
    ShiftedExponential,
    Weibull,
)
from .presets import AuthorsMeasured, LambdaCnn, LlmRanks
from .trace import AuthorsStream, MeasuredRounds, MeasuredTrace

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
    "group_effects": GroupEffects,
    "own_laws": OwnLaws,
    "drift": Drift,
    "cold_starts": ColdStarts,
    "lambda_cnn": LambdaCnn,
    "llm_ranks": LlmRanks,
    "authors_measured": AuthorsMeasured,
    "trace": MeasuredTrace,
    "measured_rounds": MeasuredRounds,
    "authors_stream": AuthorsStream,
}

__all__ = [
    "MODELS", "AuthorsMeasured", "AuthorsStream", "ColdStarts", "DelayModel", "Deterministic",
    "Drift", "Empirical", "Exponential", "Gamma", "GroupEffects", "Heterogeneous", "LambdaCnn",
    "LlmRanks", "LogNormal", "Markov", "MeasuredRounds", "MeasuredTrace", "Mixture", "OwnLaws",
    "Pareto", "RoundEffects", "Scaled", "Shifted", "ShiftedExponential", "Spells", "Tape",
    "Weibull",
]  # fmt: skip
