"""The only way to call an engine."""

from __future__ import annotations

import numpy as np

from ..errors import EngineRefused
from ..schemes.barrierless import Barrierless
from ..schemes.base import RoundScheme, Sees
from ..types import Trace
from .batch.barrierless import batch_barrierless
from .batch.rounds import batch_course, batch_rounds
from .event.barrierless import event_barrierless
from .event.rounds import event_course, event_rounds
from .law import law_rounds, round_law
from .run import Course, Engine, Recorder, Run


def simulate(
    run: Run,
    engine: Engine = "auto",
    *,
    heard: bool = True,
    work: bool = True,
    recorder: Recorder | None = None,
) -> Trace:
    """Simulate a run.

    Args:
        run: what to simulate.
        engine: ``auto`` takes the batch engine wherever it can, and the event engine elsewhere;
            ``law`` gives the clock alone, whatever ``heard`` and ``work`` say.
        heard: record which messages the master had heard.
        work: record each worker's busy and useful seconds, and who ended each round.
        recorder: collects the timeline of the first replication; needs the event engine.

    Raises:
        EngineRefused: the engine that was asked for cannot simulate this.
        NeverEnough: an update can never happen, or has not by ``max_wait``.
        InvalidDelay: a tape gives a negative number or NaN.
        ValueError: the scheme sees losses; see ``rounds``.
    """
    if engine == "law" and recorder is None:
        law = round_law(run)
        if isinstance(law, str):
            raise EngineRefused(law)
        return law_rounds(run, law)
    batch = run.chosen(engine) == "batch" and recorder is None
    with np.errstate(over="ignore"):  # a time beyond any number is infinite: it never comes
        if isinstance(run.scheme, Barrierless):
            if batch:
                return batch_barrierless(run, heard, work)
            return event_barrierless(run, recorder)
        scheme = _with_rounds(run)
        if scheme.sees is Sees.LOSSES:
            raise ValueError(f"{scheme.name} sees losses: a run needs a problem and a learner")
        if batch:
            return batch_rounds(run, scheme, heard, work)
        return event_rounds(run, scheme, recorder)


def rounds(run: Run, engine: Engine = "auto", recorder: Recorder | None = None) -> Course:
    """A run of a scheme with rounds, one round at a time, all replications together.

    Send ``(losses, alignment)`` after each outcome where the scheme sees losses, else ``None``.

    Raises:
        EngineRefused, NeverEnough, InvalidDelay: as ``simulate``.
    """
    scheme = _with_rounds(run)
    if run.chosen(engine) == "batch" and recorder is None:
        return batch_course(run, scheme)
    return event_course(run, scheme, recorder)


def _with_rounds(run: Run) -> RoundScheme:
    if not isinstance(run.scheme, RoundScheme):
        raise TypeError(f"{type(run.scheme).__name__} is neither a RoundScheme nor Barrierless")
    return run.scheme.within(run.iterations)
