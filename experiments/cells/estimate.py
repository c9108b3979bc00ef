"""About how long a cell takes and how much memory, before it runs.

The rates are those of one core of a laptop (``docs/benchmarks.md``), so an estimate is right within
a factor of three or so: good enough to see that a sweep takes an hour and not a minute, and to
start the long cells first. Memory is right within a factor of two (measured as the peak of the
resident set of thirteen kinds of cells).
"""

from __future__ import annotations

from dataclasses import dataclass

from ...delay_models.tape import BLOCK_CELLS
from ...sim.engines.batch.rounds import BUDGET, BYTES_PER_CELL, CACHED
from ...sim.engines.cluster import IDEAL
from ...sim.engines.policy import Policy
from ...sim.engines.run import Engine, Run
from ...sim.learner import BLOCK
from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import DECODING as DECODING_AT_MOST
from ...sim.schemes.base import Fixed, RoundScheme, Sees
from ...sim.schemes.conditioning import PROBES
from ...sim.steps import WEIGHTS_AT_ONCE, WEIGHTS_KEPT

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

OPERATIONS = 2e9
"""Floating-point operations of a decoder in a second."""

FLOAT = 8
"""Bytes."""

ROW, RUN, WORKER, MESSAGE = 270, 350, 450, 120
"""Bytes of memory for a row of the table of iterations, for a replication, for a row of the table
of workers, and for a gradient of a scheme without rounds; measured, with the temporaries."""

DISK, DISK_RUN, DISK_WORKER, DISK_CELL = 40, 80, 120, 60_000
"""Bytes on disk for the same, and for a cell however small it is."""

DATA = 2
"""How often the data are in memory while they are made."""

MARGINS = 4
"""Arrays with a number for each row and model of the learner."""


@dataclass(frozen=True)
class Estimate:
    """What a cell will need.

    Attributes:
        engine: the one that runs.
        reason: why, if it is not the batch engine; else empty.
        seconds: about how long on one core.
        memory: bytes beyond the program itself.
        disk: bytes of its file and of its part of the tables.
        rows: of its table of iterations.
    """

    engine: str
    reason: str
    seconds: float
    memory: int
    disk: int = 0
    rows: int = 0


@dataclass(frozen=True)
class Data:
    """How large a problem is.

    Attributes:
        entries: of the training data that a product reads.
        rows: training rows.
        features: p.
    """

    entries: int
    rows: int
    features: int


def table_memory(need: Estimate) -> int:
    """Bytes of a cell's part of the tables, while they are made."""
    return ROW * need.rows


def estimate(run: Run, engine: Engine, data: Data | None = None) -> Estimate:
    """Estimate a cell.

    Args:
        run: what is simulated.
        engine: what the config asks for.
        data: of the problem; ``None`` for timing only.
    """
    chosen = run.chosen(engine)
    reason = "asked for" if engine == "event" else run.refusal() or ""
    replications, workers = len(run.tapes), run.scheme.workers
    rounds = run.updates * replications
    each = TABLES.get(run.policy, TABLE)
    if chosen == "event":
        each = EVENTS if run.cluster is IDEAL else EVENTS_AROUND
    seconds = START + rounds * workers * (each + DECODING) + _decoding(run, data) / OPERATIONS
    memory = _recorded(run) + _working(run, chosen)
    if data is not None:
        late = run.scheme.updates(run.iterations) > run.iterations  # each trains its own models
        models = 1 if run.scheme.exact and not late else replications
        product = data.entries * (READING + models * PRODUCT)
        seconds += run.iterations * (LEARNING + 2 * product)
        memory += DATA * data.entries * FLOAT
        memory += MARGINS * FLOAT * (data.rows * min(models, BLOCK) + data.features * models)
    rows = replications * (run.iterations + 1)
    disk = DISK * rows + DISK_RUN * replications + DISK_WORKER * workers + DISK_CELL
    return Estimate(chosen, reason, seconds, int(memory), disk, rows)


def _recorded(run: Run) -> int:
    """Bytes of the trace, of what is decoded from it, and of the tables."""
    replications, scheme = len(run.tapes), run.scheme
    rows = replications * (run.iterations + 1)
    tables = ROW * rows + RUN * replications + WORKER * scheme.workers
    rounds = replications * run.updates
    if isinstance(scheme, Barrierless):
        return tables + MESSAGE * rounds * scheme.gradients
    weights = rounds * scheme.partitions
    kept = weights if weights <= WEIGHTS_KEPT else 0
    at_once = min(weights, max(WEIGHTS_AT_ONCE, replications * scheme.partitions))
    messages = scheme.messages if isinstance(scheme, RoundScheme) else 1
    arrived = rounds * scheme.workers * messages
    return tables + arrived + FLOAT * (kept + 3 * at_once)


def _working(run: Run, engine: str) -> int:
    """Bytes that the batch engine works in."""
    scheme = run.scheme
    if engine == "event" or not isinstance(scheme, RoundScheme):
        return 0
    block = max(1, BLOCK_CELLS // scheme.workers)
    rounds = run.updates if not run.cluster.ideal else min(run.updates, block)
    one = BYTES_PER_CELL * rounds * scheme.workers * scheme.messages
    if scheme.sees is not Sees.NOTHING:
        return len(run.tapes) * one // 4
    together = BUDGET if run.policy.couples_rounds or not run.cluster.ideal else CACHED
    return max(one, min(len(run.tapes) * one, together))


def _decoding(run: Run, data: Data | None) -> float:
    """Operations to make a code and to decode, as far as rounds are decoded."""
    scheme = run.scheme
    if not isinstance(scheme, Fixed) or not scheme.decoder.operations:
        return 0.0
    rounds = PROBES + run.updates * len(run.tapes)
    decoding = rounds * scheme.decoder.operations
    if data is None and scheme.exact:
        decoding = min(decoding, DECODING_AT_MOST + 2 * PROBES * scheme.decoder.operations)
    return decoding + scheme.assignment.operations
