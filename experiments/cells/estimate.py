"""About how long a cell takes and how much memory, before it runs.

The rates are those of one core of a laptop (``docs/benchmarks.md``), so an estimate is right within
a factor of three or so: good enough to see that a sweep takes an hour and not a minute, and to
start the long cells first.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.engines.cluster import IDEAL
from sim.engines.policy import Policy
from sim.engines.run import Engine, Run

START = 0.01
"""Seconds that a cell takes however small it is."""

EVENTS, EVENTS_AROUND = 2e-6, 1.5e-5
"""Seconds of the event engine for a worker's round; with a network or failures."""

TABLE, TABLES = 1.5e-8, {Policy.FINISH: 5e-8, Policy.QUEUE: 5e-8}
"""Seconds of the batch engine for a worker's round; under policies that look back."""

DECODING = 5e-8
"""Seconds to decode and to record a worker's round."""

READING, PRODUCT, LEARNING = 1e-9, 2e-10, 1e-4
"""Seconds of a product with the data: to read an entry, to multiply it for one model, and for each
iteration."""

FLOAT = 8
"""Bytes."""


@dataclass(frozen=True)
class Estimate:
    """What a cell will need.

    Attributes:
        engine: the one that runs.
        reason: why, if it is not the batch engine; else empty.
        seconds: about how long on one core.
        memory: bytes beyond the program itself.
    """

    engine: str
    reason: str
    seconds: float
    memory: int


def estimate(run: Run, engine: Engine, entries: int) -> Estimate:
    """Estimate a cell.

    Args:
        run: what is simulated.
        engine: what the config asks for.
        entries: of the training data that a product reads; 0 for timing only.
    """
    chosen = run.chosen(engine)
    reason = "asked for" if engine == "event" else run.refusal() or ""
    replications, workers = len(run.tapes), run.scheme.workers
    rounds = run.iterations * replications
    each = TABLES.get(run.policy, TABLE)
    if chosen == "event":
        each = EVENTS if run.cluster is IDEAL else EVENTS_AROUND
    seconds = START + rounds * workers * (each + DECODING)
    memory = rounds * (workers + 6 * FLOAT)
    if entries:
        late = run.scheme.updates(run.iterations) > run.iterations  # each trains its own models
        models = 1 if run.scheme.exact and not late else replications
        product = entries * (READING + models * PRODUCT)
        seconds += run.iterations * (LEARNING + 2 * product)
        memory += rounds * run.scheme.partitions * FLOAT + 2 * entries * FLOAT
    return Estimate(chosen, reason, seconds, memory)
