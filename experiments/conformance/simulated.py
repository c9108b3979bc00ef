"""A short run under the plainest assumptions: independent exponential times, an ideal cluster."""

from __future__ import annotations

from ...delay_models import Tape
from ...delay_models.parametric import Exponential
from ...sim.engines.run import Run, simulate
from ...sim.load_laws import Proportional
from ...sim.steps import Steps
from .subject import Subject


def simulated(subject: Subject, replications: int, iterations: int, seed: int = 11) -> Steps:
    """The updates of a run with a mean of one second for one partition."""
    tapes = [Tape(Exponential(rate=1.0), subject.workers, seed, r) for r in range(replications)]
    run = Run(subject.scheme, tapes, Proportional(), iterations, seed=seed)
    return subject.scheme.steps(simulate(run, work=False))
