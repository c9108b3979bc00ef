"""The sequential codes and codes without memory that figures compare, and their learning rates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
from typing_extensions import override

from ....sim.base.errors import InvalidParameter
from ....sim.base.numerics import one_thread
from ....sim.base.types import BoolArray, FloatArray, Rounds
from ....sim.engines.run import Run
from ....sim.engines.simulate import simulate
from ....sim.schemes.across_rounds.sequential import BurstWindow, Multiplexed
from ....sim.schemes.base import RoundOutcome
from ....sim.schemes.parts.stopping import StoppingRule
from ...config import build
from ...pictures import looks
from ...run.tuning import Runs, clock, replayed
from ..base import GRADIENT_DESCENT, Effort, Section


def require_reached(exact: FloatArray, iterations: int) -> None:
    """Raises InvalidParameter: so many iterations do not take all ``(R,)`` runs of uncoded to the
    target, and its time to it is what all others are compared with."""
    if np.isnan(exact).any():
        raise InvalidParameter("iterations", iterations, "must take uncoded to the target loss")


def training_runs(
    document: Mapping[str, Any], scheme: Section, rates: Sequence[float], effort: Effort
) -> tuple[Run, list[Runs]]:
    """One scheme on the delays and the problem of a document, at each rate."""
    [cell] = effort.cells({**document, **GRADIENT_DESCENT, "schemes": [scheme]})
    run, learning = build.both(cell)
    assert learning is not None
    run = effort.remembering(cell, run)
    with one_thread():
        trace = simulate(run, work=False)
        steps = run.scheme.steps(trace)
        if not isinstance(trace.heard, Rounds):
            return run, replayed(run, steps, learning, rates)
        # Models depend on who was heard and not on when: another load law need not train anew.
        others = {k: v for k, v in cell.document.items() if k not in ("delay", "load_law")}
        heard = sha256(np.packbits(trace.heard.arrived).tobytes()).hexdigest()
        key = json.dumps([others, list(rates), heard])
        if key not in effort.losses:
            effort.losses[key] = [runs.losses for runs in replayed(run, steps, learning, rates)]
        times = clock(steps, run.iterations)
        return run, [Runs(times, losses) for losses in effort.losses[key]]


# The families of codes that are compared. Each has several members; a figure shows the best one.

STRAGGLER_TOLERANCE = 0.5  # mu: whoever takes 1.5 times as long as the fastest is a straggler
REPEAT, MULTIPLEXED = "selective_repeat", "multiplexed"


def sequential(
    variant: str, tolerated: Sequence[int], windows: Sequence[tuple[int, int]]
) -> list[Section]:
    """The members of a sequential code: numbers of stragglers, and bursts B in windows W."""
    common, mu = {"name": "sequential", "variant": variant}, {"tolerance": STRAGGLER_TOLERANCE}
    return [
        common | {"B": burst, "W": window, "stragglers": stragglers} | mu
        for stragglers in tolerated
        for burst, window in windows
    ]


MEMORYLESS: dict[str, list[Section]] = {
    "uncoded": [{"name": "uncoded"}],
    "fractional_repetition": [{"name": "fractional_repetition", "load": d} for d in (2, 3, 5, 6)],
    "cyclic_repetition": [{"name": "cyclic_repetition", "load": d} for d in (2, 3, 5, 6, 9)],
}
SEQUENTIAL = {
    REPEAT: sequential(REPEAT, (2, 4, 8, 15), ((1, 2), (1, 4), (2, 3), (4, 5))),
    MULTIPLEXED: sequential(
        MULTIPLEXED, (2, 4, 8, 15, 30), ((1, 2), (1, 4), (1, 8), (2, 8), (4, 8))
    ),
}
INEXACT_FAMILIES: dict[str, list[Section]] = {
    "ignore_stragglers": [{"name": "ignore_stragglers", "wait_for": r} for r in (28, 25)],
    "erasurehead": [{"name": "erasurehead", "load": d, "wait_for": 15} for d in (2, 3)],
}

CODE_LOOKS = {
    **{name: looks.look(name) for name in MEMORYLESS},
    REPEAT: replace(looks.look("sequential"), title="sequential: selective repeat"),
    MULTIPLEXED: replace(
        looks.look("sequential"), title="sequential: multiplexed", marker="X", line=looks.SOLID
    ),
    **{name: looks.look(name) for name in INEXACT_FAMILIES},
}

ITERATION, TARGET = MEASURES = ("mean iteration time", "time to the target loss")  # both in seconds


def until(times: FloatArray, iterations: float) -> FloatArray:
    """``(R,)`` seconds of so many iterations, ``(R, T)``; NaN where there are fewer, or for NaN."""
    if not 1 <= iterations <= times.shape[1]:
        return np.full(len(times), np.nan)
    return np.asarray(times[:, int(iterations) - 1])


class Admissible(StoppingRule):
    """As soon as the straggler model of a sequential code allows for whoever is missing."""

    def __init__(self, barrier: BurstWindow) -> None:
        self.barrier = barrier

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.barrier.allows(~arrived)


def earliest(run: Run) -> FloatArray:
    """Seconds of a run of the multiplexed code, ``(R,)``, in which no round waits for a window."""
    code, tapes = run.scheme, run.tapes
    assert isinstance(code, Multiplexed)
    loads = np.full(code.n, code.load)
    times = np.stack([run.load_law.worker_times(t, loads, 0, run.updates) for t in tapes])
    state, seconds = code.start(len(tapes)), np.zeros(len(tapes))
    for t in range(run.updates):
        barrier = code.plan(state).stopping
        assert isinstance(barrier, BurstWindow)
        took = Admissible(barrier).stopping_delay(times[:, t])
        state = code.after(state, RoundOutcome(took, times[:, t] <= took[:, None]))
        seconds += took
    return seconds


# as they are written
SYMBOLS = {"load": "d", "wait_for": "r", "stragglers": "λ", "tolerance": "μ"}


def parameters(section: Section, common: Sequence[str] = ("name", "variant", "tolerance")) -> str:
    """Those of a member, but for what is ``common`` to all, as a text."""
    own = {key: value for key, value in section.items() if key not in common}
    return ", ".join(f"{SYMBOLS.get(key, key)} = {value}" for key, value in own.items())


def either(values: Iterable[str]) -> str:
    """Each value once: a, b or c."""
    *first, last = dict.fromkeys(values)
    return f"{', '.join(first)} or {last}" if first else last
