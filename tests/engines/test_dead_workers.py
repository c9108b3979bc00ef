"""Tasks that never end, and delays that are not delays, in both engines."""

from __future__ import annotations

import numpy as np
import pytest

from erasurehead.delay_models import MODELS, Tape
from erasurehead.sim.engines.cluster import Cluster, Failures, Network, Policy
from erasurehead.sim.errors import InvalidDelay, NeverEnough
from erasurehead.sim.load_laws import Additive, PerPartition, Proportional
from erasurehead.sim.schemes import SCHEMES
from erasurehead.sim.types import FloatArray
from tests.engines.agreement import both, both_finish
from tests.engines.engines import Engine, batch, event
from tests.tables import TableTape

ENGINES = [event, batch]
NETWORKS = [None, Network(), Network(0.25, 0.0, 0.5)]
KEEP_DEAD = [Policy.FINISH, Policy.QUEUE]
"""Policies under which a worker stays with a task that never ends."""

around = pytest.mark.parametrize("network", NETWORKS, ids=["no network", "instant", "latencies"])
engines = pytest.mark.parametrize("engine", ENGINES, ids=["event", "batch"])


def random_table(rounds: int, workers: int) -> FloatArray:
    return np.random.default_rng(3).random((rounds, workers))


@around
@pytest.mark.parametrize("policy", [Policy.CANCEL, *KEEP_DEAD])
@pytest.mark.parametrize("load", [1, 3], ids=["one message", "three messages"])
def test_a_run_goes_on_without_them(network: Network | None, policy: Policy, load: int) -> None:
    """Seconds stay numbers: a message that never came took no useful time."""
    table = random_table(12, 6)
    table[2, 3:] = table[7, 0] = np.inf
    scheme = SCHEMES["multi_message"](load=load, wait_for=2).build(6)
    for law in (Proportional(), PerPartition(), Additive(seconds_per_partition=0.25)):
        trace = both_finish(scheme, [TableTape(table)], law, 12, policy, Cluster(network))
        assert trace.heard.arrived is not None
        assert trace.work.busy is not None
        assert trace.work.useful is not None
        assert np.isfinite(trace.times).all()
        assert np.isfinite(trace.work.busy).all()
        assert np.all((trace.work.useful >= 0) & (trace.work.useful <= trace.work.busy + 1e-12))
        heard = trace.heard.arrived.reshape(12, 6, load).any(axis=(1, 2))
        assert heard.all()
        after = trace.heard.arrived[0, 3:, 3 * load :]
        assert after.any() == (policy is Policy.CANCEL)  # a new model ends a dead task


class PartlyDead(TableTape):
    """Stream 0 is the table; every later piece of worker 0 never ends."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        table = super().rows(start, stop).copy()
        if stream > 0:
            table[:, 0] = np.inf
        return table


@around
@pytest.mark.parametrize("policy", Policy)
def test_only_the_later_messages_never_come(network: Network | None, policy: Policy) -> None:
    """The first piece of worker 0 arrives, the others do not, and it never rests again."""
    tape = PartlyDead(np.full((4, 3), 0.5))
    scheme = SCHEMES["multi_message"](load=2, wait_for=3).build(3)
    result = both(scheme, [tape], PerPartition(), 4, policy, Cluster(network))
    if policy is Policy.DRAIN:
        assert isinstance(result, NeverEnough)
        assert (result.iteration, result.missing) == (1, [0])
        return
    assert not isinstance(result, NeverEnough)
    assert result.heard.arrived is not None
    first_round, second_round = result.heard.arrived[0, :2, :2].tolist()
    assert first_round == [True, False]
    assert second_round == [policy is Policy.CANCEL, False]


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("dead_from", [0, 3])
@around
def test_messages_lost_for_ever(network: Network | None, policy: Policy, dead_from: int) -> None:
    """The task ends but its message is sent again and again: who waits for it waits in vain."""
    lost = np.zeros((8, 4))
    lost[dead_from:, 1] = np.inf
    cluster = Cluster(network, resends=[TableTape(lost)])
    tapes = [TableTape(np.ones((8, 4)))]
    error = both(SCHEMES["uncoded"]().build(4), tapes, Proportional(), 8, policy, cluster)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (dead_from + 1, [1])
    goes_on = SCHEMES["erasurehead"](load=2, wait_for=2).build(4)
    result = both(goes_on, tapes, Proportional(), 8, policy, cluster)
    assert isinstance(result, NeverEnough) == (policy is Policy.DRAIN)


@around
@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("max_wait", [None, 1e308, np.inf])
def test_the_end_of_time_is_never(
    network: Network | None, policy: Policy, max_wait: float | None
) -> None:
    """Two rounds of 1e308 seconds are later than any number: the second one never ends.

    Nor does a patience that is as long.
    """
    tapes = [TableTape(np.full((3, 2), 1e308))]
    scheme = SCHEMES["uncoded"]().build(2)
    error = both(scheme, tapes, Proportional(), 3, policy, Cluster(network, max_wait=max_wait))
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (2, [0, 1])
    assert "can never end" in str(error)


@pytest.mark.parametrize("policy", Policy)
def test_delays_that_overflow_are_never(policy: Policy) -> None:
    """exp(300 Z) is beyond any number in one cell of a hundred: such a task does not end."""
    tapes = [Tape(MODELS["lognormal"](median=1.0, sigma=300.0), 6, 1, r) for r in range(2)]
    for family in (SCHEMES["uncoded"](), SCHEMES["ignore_stragglers"](wait_for=1)):
        both(family.build(6), tapes, Proportional(), 20, policy)


def test_who_never_comes_back_is_gone() -> None:
    """A repair that takes for ever is a crash for good, and an endless life never ends."""
    up = TableTape(np.array([[2.5, np.inf]] * 5))
    down = TableTape(np.full((5, 2), np.inf))
    runs = [
        event.simulate(
            SCHEMES["ignore_stragglers"](wait_for=1).build(2),
            [TableTape(np.tile([2.0, 1.0], (4, 1)))],
            Proportional(),
            4,
            policy,
            Cluster(failures=[Failures(up, repair)]),
        )
        for policy in (Policy.CANCEL, Policy.QUEUE)
        for repair in (None, down)
    ]
    for trace in runs:
        assert trace.times[0].tolist() == [1, 2, 3, 4]
        assert trace.work.down is not None
        assert trace.work.down[0].tolist() == [1.5, 0]


@engines
@pytest.mark.parametrize("network", [None, Network()], ids=["no network", "network"])
@pytest.mark.parametrize("value", [np.nan, -0.5, -np.inf])
@pytest.mark.parametrize("law", [Proportional(), Additive(1.0), PerPartition()], ids=repr)
def test_what_is_no_delay_is_refused(
    engine: Engine, network: Network | None, value: float, law: object
) -> None:
    """Wherever it is hidden: behind a sum that makes it positive, or in a later piece."""
    table = random_table(9, 6)
    table[7, 2] = value
    scheme = SCHEMES["fractional_repetition"](load=3).build(6)
    with pytest.raises(InvalidDelay) as caught:
        engine.simulate(scheme, [TableTape(table)], law, 9, Policy.CANCEL, Cluster(network))
    message = str(caught.value)
    assert "\n" not in message
    for mention in (f"{value:g} s", "worker 2", "row 7", "TableTape"):
        assert mention in message


@engines
def test_the_model_of_a_bad_delay_is_named(engine: Engine) -> None:
    """0 times infinity: an exponential law whose mean is beyond any number, at a draw of 0."""

    class Broken(TableTape):
        model = MODELS["exponential"](rate=1e-320)

    table = np.full((2, 2), np.inf)
    table[1, 0] = np.nan
    with pytest.raises(InvalidDelay, match=r"Exponential\(rate=1e-320\)"):
        engine.simulate(
            SCHEMES["ignore_stragglers"](deadline=1.0).build(2),
            [Broken(table)],
            Proportional(),
            2,
            Policy.CANCEL,
        )


@pytest.mark.parametrize("value", [np.nan, -1.0])
@pytest.mark.parametrize("what", ["resends", "up", "down"])
def test_bad_tapes_of_trouble_are_refused(what: str, value: float) -> None:
    """A NaN among SimPy's instants would silently disorder them."""
    bad, good = (TableTape(np.full((5, 2), seconds)) for seconds in (value, 0.75))
    cluster = {
        "resends": Cluster(resends=[bad]),
        "up": Cluster(failures=[Failures(bad, good)]),
        "down": Cluster(failures=[Failures(good, bad)]),
    }[what]
    scheme = SCHEMES["ignore_stragglers"](deadline=1.0).build(2)
    tapes = [TableTape(np.ones((5, 2)))]
    for engine in ENGINES if what == "resends" else [event]:
        with pytest.raises(InvalidDelay, match="worker 0"):
            engine.simulate(scheme, tapes, Proportional(), 5, Policy.CANCEL, cluster)
