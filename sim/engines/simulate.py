"""The only way to call an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from ..base.errors import EngineRefused, NeverEnough
from ..base.types import Recorder, Trace
from ..schemes.barrierless import Barrierless
from ..schemes.base import RoundScheme, Sees
from .batch.barrierless import batch_barrierless
from .batch.rounds import batch_course, batch_rounds
from .event.barrierless import event_barrierless
from .event.rounds import event_course, event_rounds
from .law import law_rounds, round_law
from .run import Course, Engine, Run
from .tapes import CheckedTape


def simulate(
    run: Run,
    engine: Engine = "auto",
    *,
    heard: bool = True,
    work: bool = True,
    recorder: Recorder | None = None,
) -> Trace:
    """Simulate a run. Raises ``EngineRefused``: the engine that was asked for cannot simulate this;
    ``NeverEnough``: an update can never happen, or has not by ``max_wait``; ``InvalidDelay``: a
    tape gives a negative number or NaN; ``ValueError``: the scheme sees losses; see ``rounds``.

    Args:
        engine: ``auto`` takes the batch engine wherever it can, and the event engine elsewhere;
            ``law`` gives the clock alone, whatever ``heard`` and ``work`` say.
        heard: record which messages the master had heard.
        work: record each worker's busy and useful seconds, and who ended each round.
        recorder: collects the timeline of the first replication; needs the event engine.
    """
    if engine == "law" and recorder is None:
        law = round_law(run)
        if isinstance(law, str):
            raise EngineRefused(law)
        return law_rounds(run, law)
    batch = run.chosen(engine) == "batch" and recorder is None
    with (
        np.errstate(over="ignore"),  # a time beyond any number is infinite: it never comes
        _naming_the_cut(run),
    ):
        if isinstance(run.scheme, Barrierless):
            return (
                batch_barrierless(run, heard, work) if batch else event_barrierless(run, recorder)
            )
        run = _with_rounds(run)
        if run.rounds.sees is Sees.LOSSES:
            raise ValueError(f"{run.scheme.name} sees losses: a run needs a problem and a learner")
        try:
            trace = batch_rounds(run, heard, work) if batch else event_rounds(run, recorder)
        except NeverEnough as error:  # of a round, which may be several iterations
            first = (error.iteration - 1) * run.scheme.local_steps + 1
            rule = run.rounds.plan(run.rounds.start(len(run.tapes))).stopping
            why = error.waited, error.crashes, error.endless
            unmet = run.scheme.workers, type(rule).__name__
            raise NeverEnough(first, error.missing, *why, unmet) from None
        return _with_work_time(run, trace)


def rounds(run: Run, engine: Engine = "auto", recorder: Recorder | None = None) -> Course:
    """A run of a scheme with rounds, one round at a time, all replications together. Send
    ``(losses, alignment)`` after each outcome where the scheme sees losses, else ``None``. Raises
    ``EngineRefused, NeverEnough, InvalidDelay``: as ``simulate``."""
    run = _with_rounds(run)
    batch = run.chosen(engine) == "batch" and recorder is None
    return _course_naming_the_cut(run, batch_course(run) if batch else event_course(run, recorder))


def _course_naming_the_cut(run: Run, course: Course) -> Course:
    with _naming_the_cut(run):
        return (yield from course)


@contextmanager
def _naming_the_cut(run: Run) -> Iterator[None]:
    """Within this context a round that can never end says so of measured rounds that stopped
    listening, if it waits for what was not heard."""
    try:
        yield
    except NeverEnough as error:
        unknown = getattr(CheckedTape(run.tapes[0]).model, "unknown_after_cut", None)
        cut = "" if unknown is None else unknown()
        if not cut or error.crashes is not None or error.endless is not None:
            raise
        raise NeverEnough(error.iteration, error.missing, cut=cut) from None


def _with_work_time(run: Run, trace: Trace) -> Trace:
    """Fill in what workers did for each other, where a scheme says it. Cost: a draw of tapes."""
    scheme, crash = run.rounds, run.cluster.failures is not None
    if trace.work is None or crash or type(scheme).work_time is RoundScheme.work_time:
        return trace
    plan = scheme.plan(scheme.start(1))
    rows = plan.together(run.tapes[0])
    busy, useful = np.zeros_like(trace.work.busy), np.zeros_like(trace.work.useful)
    for r, tape in enumerate(run.tapes):
        for start in range(0, run.updates, rows):
            stop = min(start + rows, run.updates)
            seconds = scheme.work_time(plan.times(run.load_law, tape, scheme.messages, start, stop))
            assert seconds is not None
            busy[r] += seconds[0].sum(axis=0)
            useful[r] += seconds[1].sum(axis=0)
    return replace(trace, work=replace(trace.work, busy=busy, useful=useful))


def _with_rounds(run: Run) -> Run:
    scheme = run.rounds.within(run.iterations)
    if (reason := run.impossible()) is not None:
        raise EngineRefused(f"{scheme.name} {reason}")
    return replace(run, scheme=scheme)
