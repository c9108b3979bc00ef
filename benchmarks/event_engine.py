"""The event engine against raw SimPy timeouts: how much of a timeout a worker-round costs."""

from __future__ import annotations

import simpy

from benchmarks.timing import Row, paired
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES

WORKERS, ROUNDS = 30, 2000
DELAYS = MODELS["shifted_exponential"](shift=1.0, rate=2.0)


def rows() -> list[Row]:
    """k-of-n at k = 15, 25, 30, policy ``cancel``."""
    table = []
    for k in (15, 25, 30):
        scheme = SCHEMES["ignore_stragglers"](wait_for=k).build(WORKERS)

        def engine(scheme=scheme) -> object:
            tapes = [Tape(DELAYS, WORKERS, 0, 0)]
            return simulate(Run(scheme, tapes, Proportional(), ROUNDS), "event")

        mine, ratio = paired(engine, raw_timeouts)
        speed = WORKERS * ROUNDS / mine / 1e6
        subject = f"event engine, {k} of {WORKERS}"
        table.append(Row(subject, "raw SimPy timeouts", ratio, 0.3, speed, "M worker-rounds/s"))
    return table


def raw_timeouts() -> None:
    """As many timeouts as worker-rounds, in 30 processes that do nothing else."""
    env = simpy.Environment()

    def process():
        for _ in range(ROUNDS):
            yield env.timeout(1.0)

    for _ in range(WORKERS):
        env.process(process())
    env.run()
