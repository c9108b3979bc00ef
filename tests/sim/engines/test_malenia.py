"""Malenia: one gradient of each worker makes an update, and meanwhile nobody rests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.plugins import Barrierless, Run, Stops
from erasurehead.schemes import SCHEMES
from erasurehead.sim.base.errors import NeverEnough
from erasurehead.sim.engines.run import Cluster, Failures, Network, Policy
from erasurehead.sim.engines.simulate import simulate
from erasurehead.sim.training.learner import train
from erasurehead.sim.training.optimizers import OPTIMIZERS
from erasurehead.theory import bound_k_async, proportional_worker_time
from tests.sim.engines.agreement import batch, both, both_finish, event
from tests.sim.engines.test_barrierless import messages
from tests.sim.training.test_learner import problem
from tests.statistics import assert_z
from tests.tools import TableTape

INF = np.inf
engines = pytest.mark.parametrize("engine", [event, batch], ids=["event", "batch"])


def malenia(workers: int) -> Barrierless:
    scheme = SCHEMES["malenia"]().build(workers)
    assert isinstance(scheme, Barrierless)
    return scheme


def table(*columns: float, rows: int = 60) -> np.ndarray:
    """Every task of worker j takes ``columns[j]`` seconds."""
    return np.tile(np.array(columns, dtype=float), (rows, 1))


@engines
def test_malenia_by_hand(engine: Any) -> None:
    """Times 1, 2 and 5, but worker 3's second task takes 0.25 s and worker 1's sixth 4 s.

    First update: worker 1 delivers at 1, 2, 3, 4, 5, worker 2 at 2, 4, worker 3 at 5: that is all.
    Worker 1's message of 5 s is decided in the same instant, so it has begun five tasks, worker 2
    three (the one from 4 to 6 s is stopped), worker 3 one.
    Second: worker 1's sixth, 5 to 9 s; worker 2's fourth, 5 to 7; worker 3's second, 5 to 5.25.
    So at 9 s. Worker 3 goes on with its third, 5.25 to 10.25, worker 2 with its fifth, 7 to 9.
    Third: worker 1's seventh, 9 to 10; worker 2's sixth, 9 to 11; worker 3's fourth, 9 to 14.
    """
    seconds = table(1, 2, 5)
    seconds[1, 2], seconds[5, 0] = 0.25, 4.0
    trace = engine.simulate(malenia(3), [TableTape(seconds)], Proportional(), 3)
    np.testing.assert_array_equal(trace.times[0], [5, 9, 14])
    np.testing.assert_array_equal(messages(trace).message[0], [[0, 1, 2], [2, 1, 0], [0, 1, 2]])
    np.testing.assert_array_equal(messages(trace).version[0], [[0] * 3, [1] * 3, [2] * 3])
    np.testing.assert_array_equal(trace.work.busy[0], [14, 14, 14])
    np.testing.assert_array_equal(trace.work.useful[0], [1 + 4 + 1, 2 + 2 + 2, 5 + 0.25 + 5])
    np.testing.assert_array_equal(trace.work.last[0], [2, 0, 2])
    np.testing.assert_array_equal(trace.work.margin[0], [3, 2, 3])


@engines
def test_a_worker_uses_the_rows_of_what_it_does_meanwhile(engine: Any) -> None:
    """Times 1 and 3.5; row i is a worker's own i-th task.

    Worker 1 ends tasks at 1, 2, 3 s and is in its fourth at 3.5 s; its fifth, of 7 s, is next.
    """
    seconds = table(1, 3.5)
    seconds[4, 0] = 7.0
    trace = engine.simulate(malenia(2), [TableTape(seconds)], Proportional(), 2)
    np.testing.assert_array_equal(trace.times[0], [3.5, 10.5])


@pytest.mark.parametrize(
    ("delay", "law"),
    [
        (MODELS["exponential"](rate=2.0), stats.expon(scale=0.5)),
        (MODELS["gamma"](shape=3.0, scale=0.2), stats.gamma(3.0, scale=0.2)),
    ],
    ids=["exponential", "gamma"],
)
def test_mean_time_is_that_of_the_slowest_of_n(delay: Any, law: Any) -> None:
    """Every update is a fresh start, so intervals are independent maxima of n draws."""
    n = 12
    tapes = [Tape(delay, n, 21, r) for r in range(60)]
    intervals = simulate(Run(malenia(n), tapes, Proportional(), 40), work=False).intervals
    assert_z(intervals.ravel(), bound_k_async(n, n, proportional_worker_time(law.cdf, 1)))


def test_mean_time_of_exponential_workers() -> None:
    """The maximum of n has the mean H_n / rate."""
    expected = sum(1 / j for j in range(1, 13)) / 2.0
    unit = proportional_worker_time(stats.expon(scale=0.5).cdf, 1)
    assert bound_k_async(12, 12, unit) == pytest.approx(expected, rel=1e-9)


def test_training_is_gradient_descent() -> None:
    data, start = problem(l2=0.01)
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 4, r) for r in range(3)]
    steps = malenia(12).steps(simulate(Run(malenia(12), tapes, Proportional(), 6)))
    assert steps.exact
    np.testing.assert_array_equal(steps.arrived(), np.full((3, 6), 12))
    found = train(data, OPTIMIZERS["gd"](learning_rate=0.05), start, steps, 6)
    beta = start[:, None]
    for _ in range(6):
        beta = beta - 0.05 * (data.gradient(beta) + data.l2_gradient(beta))
    for r in range(3):
        np.testing.assert_allclose(found.final_beta[:, r], beta[:, 0], rtol=0, atol=1e-12)


def test_one_worker_is_always_the_slowest() -> None:
    trace = both_finish(malenia(1), [TableTape(table(2.0))], Proportional(), 4, Policy.CANCEL)
    np.testing.assert_array_equal(trace.times[0], [2, 4, 6, 8])


def test_workers_of_very_different_speeds() -> None:
    """A worker 300 times as fast uses 300 rows an update, and needs many pieces of the tape."""
    seconds = np.random.default_rng(0).random((4000, 3)) * [0.01, 1.0, 3.0]
    both_finish(malenia(3), [TableTape(seconds)], Proportional(), 8, Policy.CANCEL)


# What never comes.


def test_a_dead_worker_ends_the_run_though_others_go_on() -> None:
    """Worker 2's fifth task never ends; it begins two for each of the first two updates."""
    seconds = table(1, 2, 3)
    seconds[4, 1] = INF
    error = both(malenia(3), [TableTape(seconds)], Proportional(), 5, Policy.CANCEL)
    assert isinstance(error, NeverEnough)
    assert (error.iteration, error.missing) == (3, [1])
    assert "can never end" in str(error)


def test_a_task_that_never_ends_is_stopped_by_an_update() -> None:
    """Worker 1's second task never ends, but its first has been counted."""
    seconds = table(1, 4)
    seconds[1, 0] = INF
    trace = both_finish(malenia(2), [TableTape(seconds)], Proportional(), 2, Policy.CANCEL)
    np.testing.assert_array_equal(trace.times[0], [4, 8])


def test_a_worker_whose_tasks_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time would stand still for ever: worker 0 delivers again and again at 0 s."""
    for engine in ("erasurehead.sim.engines.updates", "erasurehead.sim.engines.batch.interrupted"):
        monkeypatch.setattr(f"{engine}.MOST_VAIN_MESSAGES", 1_000)
    with pytest.raises(NeverEnough, match="worker 0 finishes task after task in no time") as one:
        simulate(Run(malenia(3), [TableTape(table(0, 1, 2, rows=2_100))], Proportional(), 2))
    long = TableTape(table(0, 1, 2, rows=2_100))
    error = both(malenia(3), [long], Proportional(), 2, Policy.CANCEL)
    assert repr(error) == repr(one.value)
    assert one.value.missing == [1, 2]


def test_nobody_is_waited_for_when_no_task_takes_time() -> None:
    trace = both_finish(malenia(3), [TableTape(table(0, 0, 0))], Proportional(), 3, Policy.CANCEL)
    np.testing.assert_array_equal(trace.times[0], [0, 0, 0])


def test_a_worker_that_crashes_for_good_ends_the_run() -> None:
    """Worker 2 is gone at 1.5 s, and worker 1 never crashes."""
    up = TableTape(np.array([[INF, 1.5]] * 3))
    cluster = Cluster(failures=[Failures(up, None)])
    run = Run(malenia(2), [TableTape(table(1, 1))], Proportional(), 4, cluster=cluster)
    with pytest.raises(NeverEnough) as caught:
        simulate(run)
    assert (caught.value.iteration, caught.value.missing) == (2, [1])


def test_a_worker_that_comes_back_is_waited_for() -> None:
    """Worker 2 is down from 1.5 to 2.5 s of its second task, which it begins anew."""
    up, down = np.full((3, 2), INF), np.full((3, 2), INF)
    up[0, 1], down[0, 1] = 1.5, 1.0
    cluster = Cluster(failures=[Failures(TableTape(up), TableTape(down))])
    run = Run(malenia(2), [TableTape(table(1, 1))], Proportional(), 2, cluster=cluster)
    np.testing.assert_array_equal(simulate(run).times[0], [1, 3.5])


def test_an_instant_network_changes_nothing() -> None:
    tapes = [Tape(MODELS["exponential"](rate=2.0), 6, 1, 0)]
    ideal = simulate(Run(malenia(6), tapes, Proportional(), 20), "event")
    around = Cluster(network=Network())
    real = simulate(Run(malenia(6), tapes, Proportional(), 20, cluster=around), "event")
    np.testing.assert_array_equal(ideal.times, real.times)
    np.testing.assert_array_equal(messages(ideal).message, messages(real).message)


def test_distinct_workers_without_stops_need_the_event_engine() -> None:
    scheme = Barrierless("drawn", 4, 2, stops=Stops.NOBODY, distinct=True)
    assert "need the event engine" in (scheme.refusal() or "")
