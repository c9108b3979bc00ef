"""The event engine against raw SimPy timeouts (how much of a timeout a worker-round costs); of
schemes with rounds, the batch engine against its primitives, and against the event engine.

The primitives for the same shape: random draws, one partition, one comparison, each over blocks
that stay in the cache, as the engine works.
"""

from __future__ import annotations

import numpy as np
import simpy

from benchmarks.timing import Row, paired, seconds
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.batch.fused import (
    Fuse,
    compiled,
    play_in_one_pass,
    record_in_one_pass,
)
from erasurehead.sim.engines.batch.rounds import batch_rounds
from erasurehead.sim.engines.run import Policy, Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES, SchemeFamily

DELAYS = MODELS["shifted_exponential"](shift=1.0, rate=2.0)
WORKERS, CELLS = 30, 6_000_000
SIZES = [  # workers, rounds and replications
    (30, 100_000, 4),
    (100, 100_000, 4),
    (1_000, 20_000, 4),
    (10_000, 2_000, 4),
    (100_000, 1_000, 4),
    (30, 1_000, 4),
    (30, 10_000, 4),
    (30, 1_000, 400),
]


def rows() -> list[Row]:
    """The batch engine as ``run`` calls it, with what the workers did, compiled as in large runs,
    and with arrivals alone; one core."""
    return [*_against_timeouts(), *_against_primitives(), *_against_event(), *_against_size()]


def _against_timeouts(rounds: int = 2000) -> list[Row]:
    """k-of-n at k = 15, 25, 30, policy ``cancel``, and without a barrier."""
    families: dict[str, SchemeFamily] = {
        f"{k} of {WORKERS}": SCHEMES["ignore_stragglers"](wait_for=k) for k in (15, 25, 30)
    }
    table = []
    for name, family in [*families.items(), ("asynchronous", SCHEMES["asynchronous"]())]:

        def engine(family=family) -> object:
            tapes = [Tape(DELAYS, WORKERS, 0, 0)]
            return simulate(Run(family.build(WORKERS), tapes, Proportional(), rounds), "event")

        mine, ratio = paired(engine, lambda: _raw_timeouts(rounds))
        speed = WORKERS * rounds / mine / 1e6
        subject = f"event engine, {name}"
        table.append(Row(subject, "raw SimPy timeouts", ratio, 0.3, speed, "M worker-rounds/s"))
    return table


def _raw_timeouts(count: int) -> None:
    """So many timeouts in each of 30 processes that do nothing else."""
    env = simpy.Environment()

    def process():
        for _ in range(count):
            yield env.timeout(1.0)

    for _ in range(WORKERS):
        env.process(process())
    env.run()


def _against_primitives() -> list[Row]:
    table = []
    for n, promised, in_one_pass in ((30, 0.35, 0.45), (300, 0.4, 0.55), (1000, 0.4, 0.55)):
        kinds = {
            "": (True, None, promised),
            ", compiled": (True, compiled, in_one_pass),
            ", arrivals alone": (False, None, 0.6),
        }
        if compiled(record_in_one_pass) is None:  # that row would be the first one again
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
            for kind, (work, fuse, least) in kinds.items():
                mine, ratio = paired(
                    lambda run=run, work=work, fuse=fuse: batch_rounds(run, work=work, fuse=fuse),
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
    """Many replications under each policy; then few under those that carry work on."""
    many = [(policy, 64, 1000, None, 40 if policy.couples_rounds else 80) for policy in Policy]
    few = [
        (policy, 8, 2000, fuse, target)
        for policy in Policy
        if policy.couples_rounds
        for fuse, target in ((None, 20), (compiled, 40))
        if fuse is None or fuse(play_in_one_pass) is not None
    ]
    return [_row(*asked) for asked in many + few]


def _row(policy: Policy, factor: int, rounds: int, fuse: Fuse | None, target: int) -> Row:
    scheme = SCHEMES["erasurehead"](load=5, wait_for=15).build(WORKERS)

    def run(replications: int) -> Run:
        tapes = [Tape(DELAYS, WORKERS, 0, r) for r in range(replications)]
        return Run(scheme, tapes, Proportional(), rounds, policy)

    mine, ratio = paired(
        lambda: batch_rounds(run(factor), fuse=fuse),
        lambda: simulate(run(1), "event"),
        repeats=3,
    )
    speed = factor * rounds * WORKERS / mine / 1e6
    kind = f", {factor} replications{'' if fuse is None else ', compiled'}"
    subject = f"batch engine, ErasureHead, {policy}{kind}"
    return Row(subject, "event engine", factor * ratio, target, speed, "M worker-rounds/s")


def _against_size() -> list[Row]:
    """Timing only, ErasureHead with d = 5; speed per worker-round against n = 30."""
    table, reference = list[Row](), 0.0
    for n, rounds, replications in SIZES:
        scheme = SCHEMES["erasurehead"](load=5, wait_for=n // 2).build(n)
        tapes = [Tape(DELAYS, n, 0, r) for r in range(replications)]
        run = Run(scheme, tapes, Proportional(), rounds)
        taken = seconds(lambda run=run: simulate(run, "batch", heard=False, work=False))
        speed = n * rounds * replications / taken / 1e6
        reference = reference or speed
        subject = f"timing only, n = {n:,}, {rounds:,} rounds, {replications} replications"
        subject += f" ({taken:.2f} s)"
        table.append(Row(subject, "n = 30", speed / reference, np.nan, speed, "M worker-rounds/s"))
    return table
