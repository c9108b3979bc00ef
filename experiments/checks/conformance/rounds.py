"""Checks of a scheme's stopping rule, of both engines, of its values and of its refusals."""

from __future__ import annotations

import dataclasses
import heapq
import pickle
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from typing import Any

import numpy as np

from ....delay_models import Tape
from ....delay_models.parametric import Gamma
from ....sim.base.errors import ConfigError, InvalidParameter
from ....sim.base.types import BoolArray, FloatArray, Trace
from ....sim.engines.run import Policy, Run
from ....sim.engines.simulate import simulate
from ....sim.load_laws import Additive, LoadLaw, PerPartition, Proportional
from ....sim.schemes import SchemeFamily
from ....sim.schemes.barrierless import Barrierless
from ....sim.schemes.parts.stopping import StoppingRule, StoppingState, stopping_delay_by_bisection
from .codes import Nonconforming, SchemeUnderTest, ensure


def end_by_state(state: StoppingState, delays: FloatArray, opened: float = 0.0) -> float:
    """When the state of a stopping rule ends a round, told of arrivals (finite delays, before
    alarms of their instant) as a master tells it. Raises Nonconforming: a yes is taken back."""
    events = [(float(t), 0, j) for j, t in enumerate(delays) if np.isfinite(t)]
    heapq.heapify(events)
    ended = np.inf

    def set_alarms(now: float) -> None:
        for seconds in state.alarms:
            heapq.heappush(events, (now + seconds, 1, -1))
        state.alarms.clear()

    set_alarms(opened)
    while events:
        now, _, message = heapq.heappop(events)
        yes = state.ring(now) if message < 0 else state.arrive(message, now)
        set_alarms(now)
        if yes:
            ended = min(ended, now)
        ensure(yes == (ended <= now), "the state of the stopping rule takes back a yes")
    return ended


def check_stopping(tested: SchemeUnderTest) -> str:
    """More arrivals, or earlier ones, never end a round later; delays full of ties. Whatever is
    enough stays enough with more arrivals, and everybody is enough unless time decides. Earlier
    messages never end a round later, unless the rule says that it is not ``monotone``. The rule's
    own ``stopping_delay`` is the bisection of ``enough``, and its state says the same."""
    if tested.rounds is None:
        return ""
    rule = tested.first_round().stopping.of(0)
    arrived = tested.arrivals(2)
    more, yes = arrived | tested.arrivals(3), np.asarray(rule.enough(arrived))
    text = "enough must return one truth value per row; of 400 rows it returns"
    good = yes.dtype == np.bool_ and yes.shape == arrived.shape[:1]
    ensure(good, f"{text} {yes.dtype} {yes.shape}")
    if (undone := np.flatnonzero(yes & ~rule.enough(more))).size:
        row = min(undone, key=lambda row: more[row].sum())
        raise Nonconforming(_undone(rule, arrived[row], more[row], tested.workers))
    if not rule.timed:
        ensure(np.all(rule.enough(np.ones_like(arrived))), "does not stop when all have arrived")
    messages = arrived.shape[1]
    delays = np.random.default_rng(6).integers(0, 5, (200, messages)).astype(np.float64) * 0.1
    ends = _ends(rule, delays)
    if not rule.timed:
        expected = stopping_delay_by_bisection(rule, delays)
        ensure(np.array_equal(ends, expected), "stopping_delay differs from what enough says")
    for row, ended in zip(delays, ends, strict=True):
        by_state = end_by_state(rule.stopping_state(messages), row)
        apart = f"its state stops at {by_state:g} s, stopping_delay says {ended:g} s"
        ensure(by_state == ended, apart)
    if not rule.monotone:
        return "not monotone, as it says"
    _earlier(rule, np.random.default_rng(7).random((400, messages)))
    _earlier(rule, delays)
    return "monotone"


def _undone(rule: StoppingRule, first: BoolArray, more: BoolArray, workers: int) -> str:
    """Who of those that come after the first takes the yes of a rule back."""
    heard = first.copy()
    for last in np.flatnonzero(more & ~first):
        before, heard[last] = np.flatnonzero(heard).tolist(), True
        if not rule.enough(heard[None])[0]:
            break
    who = "workers" if len(first) == workers else "messages"
    return f"stops when {who} {before} have arrived, and not when {last} has arrived as well"


def _ends(rule: StoppingRule, delays: FloatArray) -> FloatArray:
    ended = rule.stopping_delay(delays)
    ensure(ended.shape == delays.shape[:-1], f"stopping_delay has shape {ended.shape}")
    return ended


def _earlier(rule: StoppingRule, delays: FloatArray) -> None:
    """Some messages come earlier: in half of the rows one of them, in the others about half."""
    rng = np.random.default_rng(8)
    some = rng.random(delays.shape) < 0.5
    chosen = rng.integers(0, delays.shape[1], len(delays))
    some[::2] = np.arange(delays.shape[1]) == chosen[::2, None]
    earlier = np.where(some, delays * rng.random(delays.shape), delays)
    before, after = _ends(rule, delays), _ends(rule, earlier)
    r = int(np.argmax(after > before))
    text = f"ends at {after[r]:.3g} s, {before[r]:.3g} s with later messages"
    ensure(after[r] <= before[r], text)


TESTED_LAWS: tuple[LoadLaw, ...] = (
    Proportional(),
    Additive(seconds_per_partition=0.25),
    PerPartition(),
)


def check_engines(tested: SchemeUnderTest) -> str:
    """Times, arrivals, busy and useful seconds are equal, under every policy and load law. Not for
    rounds that need a problem's losses; where the batch engine refuses, the event engine runs."""
    if tested.sees_losses:
        return ""
    tapes = [Tape(Gamma(shape=0.6, scale=0.5), tested.workers, 7, r) for r in range(2)]
    pairs = [
        (policy, law)
        for p, policy in enumerate(Policy)
        for i, law in enumerate(TESTED_LAWS)
        if p == 0
        or i == p % len(TESTED_LAWS)  # all laws under the first policy, one under each other
    ]
    for policy, law in pairs:
        run = Run(tested.scheme, tapes, law, 40, policy)
        slow = simulate(run, "event")
        if (refused := run.refusal()) is not None:
            return f"event engine alone: {refused}"
        by_event, by_batch = trace_arrays(slow), trace_arrays(simulate(run, "batch"))
        for name in by_event:
            text = f"engines differ in {name} under {policy.value}, {law.kind}"
            ensure(np.array_equal(by_event[name], by_batch[name]), text)
    return "equal to the bit"


def trace_arrays(trace: Trace) -> dict[str, Any]:
    """Everything that a trace says, by name."""
    arrays: dict[str, Any] = {"times": trace.times}
    for record in (trace.heard, trace.work):
        if record is not None:
            arrays |= {field.name: getattr(record, field.name) for field in fields(record)}
    return arrays


# Engines, processes and tables share schemes.
def check_values(tested: SchemeUnderTest) -> str:
    """Family, scheme and its parts are frozen, have a hash, and come back from a pickle. A family
    that is built again has the same encoding matrix."""
    scheme, family = tested.scheme, tested.family
    ensure(family.name == scheme.name, f"the scheme is called {scheme.name}, not {family.name}")
    values: list[Any] = [family, scheme]
    if (fixed := tested.fixed) is not None:
        values += [fixed.assignment, fixed.stopping, fixed.decoder]
        fresh = SchemeUnderTest(dataclasses.replace(family), tested.workers)  # type: ignore[type-var]
        b, rebuilt = (own.assignment.encoding.toarray() for own in (fixed, fresh.fixed) if own)
        ensure(np.array_equal(b, rebuilt), "build() gives another code each time: draw from a seed")
    for value in values:
        kind = type(value).__name__
        hash(value)
        with suppress(dataclasses.FrozenInstanceError):
            value.anything = 1
            raise Nonconforming(f"{kind} can be changed; make it a frozen dataclass")
        ensure(type(pickle.loads(pickle.dumps(value))) is type(value), f"{kind} cannot be pickled")
    ensure(pickle.loads(pickle.dumps(family)) == family, "a pickled family is another one")
    travelled = pickle.loads(pickle.dumps(scheme))
    ensure(travelled.workers == tested.workers, f"has {scheme.workers} workers when pickled")
    size: float = scheme.local_steps  # iterations of an update; without a barrier n gradients
    if isinstance(scheme, Barrierless):
        size = scheme.gradients / scheme.n
    ensure(scheme.updates(7) * size >= 7, "its updates do not make up the iterations")
    return "frozen values"


def check_refusals(tested: SchemeUnderTest) -> str:
    """Each refusal names a field of the family, in one line, and for a number one that works. The
    family is built for 1 to 33 and 64 workers, and with other whole numbers in each of its fields.
    A refusal of a number has ``nearest``: its message shows these values, and with them the family
    is built, or refused for another field, which then names a value in turn. No whole number that
    is nearer is accepted."""
    refused = {}
    for family, workers in _variations(tested):
        if (error := _refusal(family, workers)) is not None:
            _named(family, workers, error)
            refused[error.field] = str(error)
    return f"refusals of {', '.join(refused)} name what is accepted" if refused else ""


def _variations(tested: SchemeUnderTest) -> Iterator[tuple[SchemeFamily, int]]:
    n, family = tested.workers, tested.family
    for workers in (*range(1, 34), 64, n):
        yield family, workers
    for field in dataclasses.fields(family):  # type: ignore[arg-type]
        given = getattr(family, field.name)
        if isinstance(given, int) and not isinstance(given, bool):
            for value in sorted({1, 2, 3, 4, 5, 7, n - 1, n, n + 1, 3 * n}):
                with suppress(ConfigError):
                    yield dataclasses.replace(family, **{field.name: value}), n  # type: ignore[type-var]


def _refusal(family: SchemeFamily, workers: int) -> InvalidParameter | None:
    try:
        family.build(workers)
    except InvalidParameter as error:
        return error
    return None


def _named(family: SchemeFamily, workers: int, error: InvalidParameter) -> None:
    seen: set[str] = set()
    while True:
        where = f"refuses {error.field} = {error.value!r} with {workers} workers"
        fields = {field.name for field in dataclasses.fields(family)}  # type: ignore[arg-type]
        ensure(error.field.partition(".")[0] in fields, f"{where}; it has no field {error.field}")
        ensure("\n" not in error.valid, f"{where} in more than one line")
        number = isinstance(error.value, int | float) and not isinstance(error.value, bool)
        ensure(error.nearest or not number, f"{where} and names no value that works: give nearest")
        if not error.nearest or "." in error.field:  # a part of another field
            return
        ensure(error.field not in seen, f"{where} again, with the value that it has named")
        seen.add(error.field)
        for name, value in error.nearest.items():
            written = re.search(rf"(?<![\w.]){re.escape(_written(value))}(?![\w.]*\w)", error.valid)
            ensure(written, f"{where}; its message does not name {name} = {_written(value)}")
        # No whole number between the refused and the named one is accepted.
        value, named = error.value, error.nearest.get(error.field)
        whole = isinstance(value, int) and isinstance(named, int)
        far = abs(named - value) if whole and "workers" not in error.nearest else 0
        for other in range(value - far + 1, value + far) if far else ():
            try:
                near = dataclasses.replace(family, **{error.field: other})  # type: ignore[type-var]
            except ConfigError:
                continue
            refused = _refusal(near, workers)
            nearer = refused is None or refused.field != error.field
            ensure(not nearer, f"{where} and names {named}; {other} is nearer and accepted")
        nearest = dict(error.nearest)
        workers = nearest.pop("workers", workers)
        family = dataclasses.replace(family, **nearest)  # type: ignore[type-var]
        if (refused := _refusal(family, workers)) is None:
            return
        error = refused


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
