"""Malenia: one gradient of each worker makes an update, and meanwhile nobody rests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Proportional
from erasurehead.plugins import Barrierless, Stops
from erasurehead.schemes import SCHEMES
from erasurehead.theory import bound_k_async, proportional_worker_time
from tests.sim.engines.agreement import auto, batch, both_finish, both_stuck, event, steady
from tests.sim.engines.test_barrierless import engines, lives, messages
from tests.sim.training.test_learner import problem
from tests.statistics import assert_z
from tests.tools import TableTape

INF = np.inf


def malenia(workers: int) -> Barrierless:
    return SCHEMES["malenia"]().build(workers)


def table(*columns: float, rows: int = 60) -> np.ndarray:
    """Every task of worker j takes ``columns[j]`` seconds."""
    return steady(*columns, rows=rows).table


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
    intervals = auto.simulate(malenia(n), tapes, Proportional(), 40, work=False).intervals
    assert_z(intervals.ravel(), bound_k_async(n, n, proportional_worker_time(law.cdf, 1)))


def test_mean_time_of_exponential_workers() -> None:
    """The maximum of n has the mean H_n / rate."""
    expected = sum(1 / j for j in range(1, 13)) / 2.0
    unit = proportional_worker_time(stats.expon(scale=0.5).cdf, 1)
    assert bound_k_async(12, 12, unit) == pytest.approx(expected, rel=1e-9)


def test_training_is_gradient_descent() -> None:
    data, start = problem(l2=0.01)
    delay = MODELS["exponential"](rate=2.0)
    run = eh.simulate(eh.schemes.Malenia(), delay, workers=12, iterations=6, replications=3)
    assert not run.decoding_error.any()
    assert run.table["arrived"].dropna().eq(12).all()
    found = eh.train(run, data, eh.optimizers.GradientDescent(learning_rate=0.05), initial=start)
    beta = start[:, None]
    for _ in range(6):
        beta = beta - 0.05 * (data.gradient(beta) + data.l2_gradient(beta))
    np.testing.assert_allclose(found.final_beta, np.tile(beta, 3), rtol=0, atol=1e-12)


def test_workers_of_very_different_speeds() -> None:
    """A worker 300 times as fast uses 300 rows an update, and needs many pieces of the tape."""
    seconds = np.random.default_rng(0).random((4000, 3)) * [0.01, 1.0, 3.0]
    both_finish(malenia(3), [TableTape(seconds)], Proportional(), 8)


NO_TASK = table(1, 2, 3)
NO_TASK[4, 1] = INF  # worker 2's fifth task; it begins two for each of the first two updates
STOPPED = table(1, 4)
STOPPED[1, 0] = INF  # worker 1's second task, but its first has been counted
CRASHED = [(TableTape(np.array([[INF, 1.5]] * 3)), None)]  # worker 2 for good, at 1.5 s
REPAIRED = lives([[INF, 1.5], [INF, INF]], [[INF, 1.0], [INF, INF]])  # it begins its second anew


@pytest.mark.parametrize(
    ("seconds", "iterations", "around", "ends"),
    [
        (NO_TASK, 5, {}, (3, [1])),  # though others go on
        (STOPPED, 2, {}, [4, 8]),  # a task that never ends is stopped by an update
        (table(1, 1), 4, {"lives": CRASHED}, (2, [1])),
        (table(1, 1), 2, {"lives": REPAIRED}, [1, 3.5]),
        (table(0, 0, 0), 3, {}, [0, 0, 0]),  # nobody is waited for
        (table(2), 4, {}, [2, 4, 6, 8]),  # one worker is always the slowest
    ],
)
def test_who_is_waited_for(seconds, iterations, around, ends) -> None:
    """Instants of updates, or the one that can never happen and who is missing."""
    run = malenia(seconds.shape[1]), [TableTape(seconds)], Proportional(), iterations
    if isinstance(ends, list):
        np.testing.assert_array_equal(both_finish(*run, **around).times[0], ends)
    else:
        error = both_stuck(*run, **around)
        assert (error.iteration, error.missing) == ends
        assert "can never end" in str(error)


def test_a_worker_whose_tasks_take_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time would stand still for ever: worker 0 delivers again and again at 0 s."""
    for engine in ("erasurehead.sim.engines.updates", "erasurehead.sim.engines.batch.interrupted"):
        monkeypatch.setattr(f"{engine}.MOST_VAIN_MESSAGES", 1_000)
    run = malenia(3), [steady(0, 1, 2, rows=2_100)], Proportional(), 2
    errors = [both_stuck(*run), batch.stuck(*run), event.stuck(*run)]
    for error in errors:
        assert "worker 0 finishes task after task in no time" in str(error)
        assert error.missing == [1, 2]


def test_distinct_workers_without_stops_need_the_event_engine() -> None:
    scheme = Barrierless("drawn", 4, 2, stops=Stops.NOBODY, distinct=True)
    assert "need the event engine" in (scheme.refusal() or "")
