"""The batch engine against the NumPy primitives it is made of, and against the event engine.

The primitives for the same shape: random draws, one partition, one comparison, each over blocks
that stay in the cache, as the engine works.
"""

from __future__ import annotations

import numpy as np

from benchmarks.timing import Row, paired
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.batch.fused import compiled
from erasurehead.sim.engines.batch.rounds import batch_rounds
from erasurehead.sim.engines.run import Policy, Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES

DELAYS = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
CELLS = 6_000_000


def rows() -> list[Row]:
    """As ``run`` calls it, with what the workers did, compiled as in large runs, and with arrivals
    alone; one core."""
    return [*_against_primitives(), *_against_event()]


def _against_primitives() -> list[Row]:
    table = []
    for n, promised, in_one_pass in ((30, 0.35, 0.45), (300, 0.4, 0.55), (1000, 0.4, 0.55)):
        kinds = {
            "": (True, None, promised),
            ", compiled": (True, compiled(), in_one_pass),
            ", arrivals alone": (False, None, 0.6),
        }
        if compiled() is None:  # that row would be the first one again
            del kinds[", compiled"]
        rounds = CELLS // n
        families = {
            "uncoded": SCHEMES["uncoded"](),
            "k of n": SCHEMES["ignore_stragglers"](wait_for=n // 2),
            "fractional repetition": SCHEMES["fractional_repetition"](load=5),
            "ErasureHead": SCHEMES["erasurehead"](load=5, wait_for=n // 2),
        }
        for name, family in families.items():
            run = Run(family.build(n), [Tape(DELAYS, n, 0, 0)], Proportional(), rounds)
            for kind, (work, kernel, least) in kinds.items():
                mine, ratio = paired(
                    lambda run=run, work=work, kernel=kernel: batch_rounds(
                        run, work=work, kernel=kernel
                    ),
                    lambda n=n, rounds=rounds: _primitives(n, rounds),
                )
                subject = f"batch engine, {name}, n = {n}{kind}"
                speed = CELLS / mine / 1e6
                against = "draws + partition + <="
                table.append(Row(subject, against, ratio, least, speed, "M worker-rounds/s"))
    return table


def _primitives(n: int, rounds: int) -> None:
    rng = np.random.default_rng(0)
    block = max(1, 2**15 // n)
    for _ in range(0, rounds, block):
        delays = rng.exponential(0.5, (block, n))
        bound = np.partition(delays, n // 2 - 1, axis=-1)[:, n // 2 - 1]
        np.less_equal(delays, bound[:, None])


def _against_event() -> list[Row]:
    table = []
    n, rounds, factor = 30, 1000, 64
    scheme = SCHEMES["erasurehead"](load=5, wait_for=15).build(n)
    for policy in Policy:

        def fast(policy=policy) -> object:
            tapes = [Tape(DELAYS, n, 0, r) for r in range(factor)]
            return simulate(Run(scheme, tapes, Proportional(), rounds, policy), "batch")

        def slow(policy=policy) -> object:
            tapes = [Tape(DELAYS, n, 0, 0)]
            return simulate(Run(scheme, tapes, Proportional(), rounds, policy), "event")

        mine, ratio = paired(fast, slow, repeats=3)
        target = 40.0 if policy.couples_rounds else 80.0
        speed = factor * rounds * n / mine / 1e6
        subject = f"batch engine, ErasureHead, {policy}"
        table.append(
            Row(subject, "event engine", factor * ratio, target, speed, "M worker-rounds/s")
        )
    return table
