"""What a user writes with objects; ``mypy --strict`` reads it, and a test runs it."""

import numpy as np

import erasurehead as eh
from erasurehead.delays import Exponential, RoundEffects, ShiftedExponential
from erasurehead.load_laws import Additive
from erasurehead.optimizers import Accelerated
from erasurehead.problems import BreastCancer, LeastSquares, Logistic, from_dataset
from erasurehead.schemes import ErasureHead, SchemeFamily, Uncoded
from erasurehead.stopping import Deadline, Earliest, FirstK

X = np.random.default_rng(0).standard_normal((60, 4))
delay = RoundEffects(base=ShiftedExponential(shift=0.5, rate=1.0), factor=Exponential(rate=1.0))
schemes: list[SchemeFamily] = [
    Uncoded(),
    ErasureHead(load=3, stop=Earliest(any=(FirstK(first=6), Deadline(deadline=2.0)))),
]
for scheme in schemes:
    rounds = eh.simulate(scheme, delay, workers=12, load_law=Additive(seconds_per_partition=0.1))
    shape: tuple[int, ...] = rounds.times.shape + rounds.arrived.shape + rounds.weights.shape
    learned = eh.train(rounds, LeastSquares(X, X[:, 0]), Accelerated(learning_rate=0.1))
    losses: np.ndarray = learned.train_loss
problem, start = from_dataset(Logistic, BreastCancer(), l2="1/rows")
features: int = problem.features
summary = eh.run({"workers": 12, "schemes": schemes, "delay": delay}, progress=False).summary
verdict: str = eh.whatif(rounds.times[:, :1] + np.abs(X), unit="s").verdict
