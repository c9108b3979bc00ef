"""Schemes without a barrier: the batch engine against its primitives, and against the event engine.

The primitives are draws and an argsort, each over blocks of 2^15 that stay in the cache.
"""

from __future__ import annotations

import numpy as np

from benchmarks.rounds import WORKERS
from benchmarks.timing import Row, paired
from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.run import Run
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.load_laws import Proportional
from erasurehead.sim.schemes import SCHEMES, SchemeFamily

DELAYS = MODELS["exponential"](rate=2.0)
FAMILIES: dict[str, tuple[SchemeFamily, int, float]] = {
    "asynchronous": (SCHEMES["asynchronous"](), 20, 20.0),
    "K-batch-async, K = 15": (SCHEMES["k_batch_async"](wait_for=15), 20, 20.0),
    "Rennala, S = 15": (SCHEMES["rennala"](batch=15), 20, 10.0),
    "Ringmaster, R = 30": (SCHEMES["ringmaster"](oldest=30), 20, 15.0),
    "Rennala, S = 15, interrupt": (SCHEMES["rennala"](batch=15, on_stale="interrupt"), 50, 15.0),
    "K-batch-sync, K = 15": (SCHEMES["k_batch_sync"](wait_for=15), 50, 15.0),
    "K-async, K = 5": (SCHEMES["k_async"](wait_for=5), 50, 10.0),
    "K-async, K = 15": (SCHEMES["k_async"](wait_for=15), 50, 15.0),
}
"""Each with its replications, and the least ratio to the event engine."""


def rows() -> list[Row]:
    """With the messages of each update, as a learner needs them."""
    return [
        *_against_primitives(),
        *_against_event(),
        *_of_any_length(),
    ]


def _against_primitives() -> list[Row]:
    table = []
    for n in (30, 1000):
        messages = 3_000_000
        run = _run("asynchronous", n, messages // n)
        mine, ratio = paired(
            lambda run=run: simulate(run, "batch", work=False),
            lambda messages=messages: _primitives(messages),
        )
        subject = f"batch engine, asynchronous, n = {n}"
        speed = messages / mine / 1e6
        table.append(Row(subject, "draws + argsort", ratio, 0.5, speed, "M messages/s"))
    return table


def _primitives(messages: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(0, messages, 2**15):
        np.argsort(rng.exponential(0.5, 2**15))


def _against_event() -> list[Row]:
    """Per gradient: many replications of the batch engine, one of the event engine."""
    table = []
    for name, (_, factor, promised) in FAMILIES.items():
        fast, slow = _run(name, WORKERS, 300, factor), _run(name, WORKERS, 300)
        mine, ratio = paired(
            lambda fast=fast: simulate(fast, "batch"),
            lambda slow=slow: simulate(slow, "event"),
            repeats=3,
        )
        speed = factor * 300 * WORKERS / mine / 1e6
        subject = f"batch engine, {name}"
        row = Row(subject, "event engine", factor * ratio, promised, speed, "M gradients/s")
        table.append(row)
    return table


def _of_any_length() -> list[Row]:
    """Per update: one long replication, and many short ones, against some of middle length.

    To open a replication's tape costs 10 microseconds, much of a short run of small updates.
    """
    table = []
    for name, (family, _, _) in FAMILIES.items():
        a_round = family.build(WORKERS).updates(1)
        small = a_round > 2
        middle = _run(name, WORKERS, max(1, 1000 // a_round), 100)
        shapes = (("one replication", 20_000 // a_round, 1), ("short", max(1, 10 // a_round), 2000))
        for label, iterations, replications in shapes:
            run = _run(name, WORKERS, iterations, replications)
            mine, ratio = paired(
                lambda run=run: simulate(run, "batch"),
                lambda middle=middle: simulate(middle, "batch"),
                repeats=3,
            )
            updates = run.updates * replications
            ratio *= updates / (middle.updates * 100)
            subject = f"{name}, {label}: {replications:,} x {run.updates:,} updates"
            against = f"100 x {middle.updates:,}"
            promised = 0.08 if small and replications > 1 else 0.1
            speed = updates / mine / 1e6
            table.append(Row(subject, against, ratio, promised, speed, "M updates/s"))
    return table


def _run(name: str, n: int, iterations: int, replications: int = 1) -> Run:
    tapes = [Tape(DELAYS, n, 0, r) for r in range(replications)]
    return Run(FAMILIES[name][0].build(n), tapes, Proportional(), iterations)
