"""Closed forms beside the simulator: what a run should measure, known without running it.

Everything is for independent, identically distributed delays and equal loads, and, with a barrier,
for the straggler policy ``cancel``. Where nothing is known the answer is ``None`` or a
``NoFormula`` with the reason; an impossible argument raises ``InvalidParameter``.

``docs/theory.md`` has the formulas, by what they are about."""

from ..schemes.arrivals import NoFormula
from .decoding_error import (
    ErasureBound,
    GroupErasure,
    LeastSquaresSpectrum,
    bernoulli_error,
    common_weight_error,
    design_error,
    expander_bound,
    expected_decoding_error,
    expected_total_time,
    gradient_descent_rate,
    group_erasure,
    least_squares_spectrum,
    one_step_error,
    quorum_error,
    stochastic_block_error,
)
from .iteration_time import IterationTimeLaw
from .mean_loss import GroupedLeastSquares, grouped_least_squares
from .mean_times import (
    ExponentialTime,
    additive_time,
    asynchronous_weights,
    bound_k_async,
    harmonic,
    least_seconds,
    mean_asynchronous,
    mean_cover,
    mean_erasurehead,
    mean_first_k,
    mean_k_async,
    mean_k_batch_async,
    mean_k_batch_sync,
    mean_k_sync,
    mean_quorum,
    mean_speculative,
    mean_ssp,
    mean_uncoded,
    proportional_time,
)
from .scheme_time import RoundTheory, iteration_time_law, round_theory, scheme_iteration_time
from .worker_time import (
    MessageTime,
    WorkerTime,
    additive_worker_time,
    mean_pieces_done,
    normal_pieces_done,
    piece_time_at,
    proportional_worker_time,
    worker_time_at,
)
from .worst_case import Bound, WorstCase, spectral_bound, worst_bound, worst_cases

__all__ = [
    "Bound", "ErasureBound", "ExponentialTime", "GroupErasure", "GroupedLeastSquares",
    "IterationTimeLaw", "LeastSquaresSpectrum", "MessageTime", "NoFormula", "RoundTheory",
    "WorkerTime", "WorstCase", "additive_time", "additive_worker_time", "asynchronous_weights",
    "bernoulli_error", "bound_k_async", "common_weight_error", "design_error", "expander_bound",
    "expected_decoding_error", "expected_total_time", "gradient_descent_rate", "group_erasure",
    "grouped_least_squares", "harmonic", "iteration_time_law", "least_seconds",
    "least_squares_spectrum", "mean_asynchronous", "mean_cover", "mean_erasurehead", "mean_first_k",
    "mean_k_async", "mean_k_batch_async", "mean_k_batch_sync", "mean_k_sync", "mean_pieces_done",
    "mean_quorum", "mean_speculative", "mean_ssp", "mean_uncoded", "normal_pieces_done",
    "one_step_error", "piece_time_at", "proportional_time", "proportional_worker_time",
    "quorum_error", "round_theory", "scheme_iteration_time", "spectral_bound",
    "stochastic_block_error", "worker_time_at", "worst_bound", "worst_cases",
]  # fmt: skip
