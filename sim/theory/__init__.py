"""Closed forms beside the simulator: what a run should measure, known without running it.

``worker_time``      the law of one worker's time, from a unit delay's CDF and a load law
``arrivals``         what a stopping rule asks of a uniformly random order of arrivals
``iteration_time``   the law of a round's duration: CDF, mean, variance, quantiles
``exponential``      means of the same in elementary terms, for (shifted) exponential delays
``decoding_error``   how wrong the decoded gradient is, and its first two moments
``convergence``      a bound on the loss of gradient descent with erased groups
``asynchronous``     mean times between updates without a barrier

Everything is for independent, identically distributed delays, equal loads and the straggler
policy ``cancel``. Where nothing is known the answer is ``None`` or a ``NoFormula`` with the reason.
"""

from sim.theory.arrivals import NoFormula
from sim.theory.decoding_error import expected_decoding_error
from sim.theory.iteration_time import IterationTime, iteration_time
from sim.theory.worker_time import WorkerTime, additive, per_partition, proportional

__all__ = [
    "IterationTime",
    "NoFormula",
    "WorkerTime",
    "additive",
    "expected_decoding_error",
    "iteration_time",
    "per_partition",
    "proportional",
]
