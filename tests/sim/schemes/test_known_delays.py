"""Schemes that are made for the law of the delays, or stop by themselves.

Speaks to what a scheme is told of its delays: chances and order statistics, by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import erasurehead as eh
from erasurehead.delays import MODELS, Tape
from erasurehead.load_laws import Additive, LoadLaw, PerPartition, Proportional
from erasurehead.plugins import FloatArray, InvalidParameter
from erasurehead.schemes import DropCompute, MindFlayer, Uncoded
from erasurehead.sim.schemes.time_limits import Clipped
from erasurehead.sim.theory.worker_time import KnownDelayLaw
from erasurehead.theory import (
    NoFormula,
    mean_pieces_done,
    normal_pieces_done,
    scheme_iteration_time,
)
from tests.sim.engines.agreement import LAWS, POLICIES, batch, both_finish
from tests.statistics import assert_z
from tests.tools import TableTape

# Clipped trials: rounds worked out by hand, tasks that never end, chances and no bias.


@dataclass(frozen=True, eq=False)
class Trials:
    """A tape whose s-th stream is the s-th table."""

    tables: FloatArray
    block_rounds: int = 5

    @property
    def workers(self) -> int:
        return int(self.tables.shape[2])

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return np.asarray(self.tables[stream, start:stop])


@pytest.mark.parametrize("policy", POLICIES)
def test_rounds_by_hand(policy: str) -> None:
    """Three trials of at most 1 s; two workers.

    Round 0: worker 0 needs 0.5, 0.5 and 1 (just in time): three successes in 2 s. Worker 1 fails
    twice, once for ever, and succeeds in a quarter: one, in 2.25 s, when the round ends.
    Round 1: nobody succeeds: 3 s, and the gradient is 0.
    """
    inf = np.inf
    tables = np.array([[[0.5, 1.5], [2, 2]], [[0.5, inf], [inf, 2]], [[1, 0.25], [2, 2]]])
    scheme = Clipped(2, 3, 1.0, (0.5, 0.25))
    trace = both_finish(scheme, [Trials(tables)], Proportional(), 2, policy)
    np.testing.assert_array_equal(trace.times, [[2.25, 5.25]])
    steps = scheme.steps(trace)
    np.testing.assert_allclose(steps.step(0).weights, [[3 / 1.5, 1 / 0.75]])
    np.testing.assert_array_equal(steps.step(1).weights, [[0, 0]])
    np.testing.assert_array_equal(trace.work.busy, [[5.0, 5.25]])


@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_the_gradient_is_unbiased_under_every_law(law: LoadLaw) -> None:
    """With the chances of the delay model; trials of one worker are independent."""
    delay = MODELS["exponential"](rate=1.0)
    scheme = MindFlayer(trials=3, patience=0.8).build_for(4, KnownDelayLaw(delay, law))
    trace = batch.simulate(scheme, [Tape(delay, 4, 6, 0)], law, 8000)
    weights = scheme.weights(trace.heard.arrived)[0]
    assert_z(weights, np.ones(4), "partition weight")
    p = scheme.chances[0]
    assert_z((weights - 1) ** 2, np.full(4, (1 - p) / (3 * p)), "variance of a weight")


def test_a_run_knows_its_delays() -> None:
    """An impossible patience is one line; a chance is that of the run's delays: each success weighs
    1 over it and over the trials."""
    delay = MODELS["shifted_exponential"](shift=0.5, rate=1.0)
    run = eh.simulate(MindFlayer(trials=2, patience=1.5), delay, workers=4)
    weighed = np.unique(run.weights)
    np.testing.assert_allclose(weighed, np.array([0, 1, 2]) / (2 * (1 - np.exp(-1))))
    with pytest.raises(ValueError, match=r"patience = 0\.25: must be long enough"):
        eh.simulate(MindFlayer(trials=2, patience=0.25), delay, workers=4)


def test_a_worker_that_never_succeeds_is_named() -> None:
    class Knows:
        def order_statistics(self, workers: int) -> FloatArray:
            raise NotImplementedError

        def chances(self, workers: int, seconds: float) -> FloatArray:
            return np.array([0.5, 0.0, 0.5])

    with pytest.raises(InvalidParameter, match="worker 1 never needs so little"):
        MindFlayer(trials=1, patience=1.0).build_for(3, Knows())


# Work that stops by itself: rounds worked out by hand, the published numbers, no bias.


TABLE = np.array([[1.0, 2.0, 4.0], [4.0, 4.0, 8.0], [1.0, 1.0, 1.0]])
"""Seconds of three workers for a partition of four micro-batches."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("network", [None, {"uplink_latency": 0.5}], ids=str)
@pytest.mark.parametrize(
    ("cut", "lengths", "done"),
    [
        # tau = 1.5. Round 0: 4 pieces by 1, 3 by 1.5 (not beyond it: a fourth, to 2), 2 (to 2).
        # Round 1: the second piece of the first two ends at 2, the first of the third at 2.
        ("after", [2.0, 2.0, 1.0], [[4, 4, 2], [2, 2, 1], [4, 4, 4]]),
        ("at", [1.5, 1.5, 1.0], [[4, 3, 1], [1, 1, 0], [4, 4, 4]]),
    ],
)
def test_drop_compute_rounds_by_hand(policy, network, cut, lengths, done):
    """Nobody is late in any policy: who is slow stops. A synchronisation takes half a second."""
    scheme = DropCompute(pieces=4, patience=1.5, cut=cut).build(3)
    trace = both_finish(scheme, [TableTape(TABLE)], Proportional(), 3, policy, network=network)
    more = 0.0 if network is None else 0.5
    np.testing.assert_array_equal(trace.intervals[0], np.array(lengths) + more)
    steps = scheme.steps(trace)
    for t, (step, counts) in enumerate(zip(map(steps.step, range(3)), done, strict=True)):
        weights = step.weights[0].reshape(3, 4)
        assert np.count_nonzero(weights, axis=1).tolist() == counts
        np.testing.assert_allclose(weights[weights > 0], 12 / sum(counts))
        assert steps.recovered[0, t] == sum(counts) / 12
    np.testing.assert_array_equal(steps.arrived(), [[3, 3, 3]])


def test_what_a_worker_computes_until_it_stops_counts_as_useful() -> None:
    """The piece that is dropped as well: the last message, with the sum, comes at its end."""
    scheme = DropCompute(pieces=4, patience=1.5, cut="at").build(3)
    trace = both_finish(scheme, [TableTape(TABLE)], Proportional(), 2)
    np.testing.assert_array_equal(trace.work.busy[0], [2.5, 3.0, 3.0])
    np.testing.assert_array_equal(trace.work.useful[0], [2.5, 3.0, 3.0])


def test_with_endless_patience_it_is_uncoded() -> None:
    """To the bit where a worker's pieces share its delay."""
    tapes = [Tape(MODELS["exponential"](rate=2.0), 12, 3, r) for r in range(2)]
    for law in (Proportional(), Additive(seconds_per_partition=0.3)):
        whole = batch.simulate(Uncoded().build(12), tapes, law, 50)
        scheme = DropCompute(pieces=5).build(12)
        trace = batch.simulate(scheme, tapes, law, 50)
        np.testing.assert_array_equal(trace.times, whole.times)
        assert scheme.exact
        np.testing.assert_array_equal(scheme.steps(trace).error, 0.0)


@dataclass(frozen=True)
class NormalPieces(LoadLaw):
    """Micro-batches of N(1, 1/4) s; 2 % of the draws are negative, and take no time."""

    kind = "normal pieces"

    def worker_times(self, tape, loads, start, stop):
        raise NotImplementedError

    def message_times(self, tape, loads, messages, start, stop, shares=None):
        rng = np.random.default_rng([7, start])
        shape = stop - start, tape.workers, messages - 1
        times = np.maximum(rng.normal(1.0, 0.5, shape), 0.0).cumsum(axis=-1)
        return np.concatenate([times, times[..., -1:]], axis=-1).reshape(stop - start, -1)


def steps_and_pieces(patience: float | None, cut: str, rounds: int) -> tuple[FloatArray, ...]:
    """Seconds of each step without its synchronisation, and micro-batches a worker of twelve."""
    scheme = DropCompute(pieces=12, patience=patience, cut=cut).build(64)
    tape = TableTape(np.zeros((rounds, 64)))
    plan = scheme.plan()
    times = plan.message_times(NormalPieces(), tape, scheme.messages, 0, rounds)
    ended = plan.stopping.stopping_delay(times)
    done = np.isfinite(times.reshape(rounds, 64, 13)[..., :-1]).sum(axis=-1).mean(axis=-1)
    return ended, done


@pytest.mark.parametrize(
    ("cut", "patience", "step", "done", "speed_up"),
    [("after", 10.0, 12.80, 10.41, 1.156), ("at", 10.5, 11.50, 9.97, 1.232)],
)
def test_published_numbers(cut, patience, step, done, speed_up):
    """M = 12, N(1, 1/4), n = 64, a synchronisation of 1 s; a full step takes 17.06 s."""
    full, all_done = steps_and_pieces(None, "after", 8000)
    assert np.all(all_done == 12)
    ended, pieces = steps_and_pieces(patience, cut, 8000)
    assert_z(full + 1, 17.06, "full step")
    assert_z(ended + 1, step, "step")
    assert pieces.mean() == pytest.approx(done, abs=0.015)

    def gain(tau: float) -> float:
        ended, pieces = steps_and_pieces(tau, cut, 2000)
        return float(pieces.mean() / 12 * (full.mean() + 1) / (ended.mean() + 1))

    assert gain(patience) == pytest.approx(speed_up, abs=0.006)
    for other in (patience - 1.5, patience + 1.5):
        assert gain(other) < gain(patience)
    if cut == "at":
        closed = normal_pieces_done(12, patience, 1.0, 0.5)
        assert closed == pytest.approx(9.9974, abs=1e-4)
        # What is cut off at 0 makes a micro-batch 0.0042 s longer: a worker does 0.03 fewer.
        assert 0 < closed - pieces.mean() < 0.04


@pytest.mark.parametrize("cut", ["after", "at"])
@pytest.mark.parametrize("law", LAWS, ids=repr)
def test_pieces_and_steps_against_theory(law: LoadLaw, cut: str) -> None:
    """Exponential delays: the mean count of pieces, and of ``at`` the law of the round."""
    delay = MODELS["exponential"](rate=1.0)
    scheme = DropCompute(pieces=4, patience=1.2, cut=cut).build(6)
    trace = batch.simulate(scheme, [Tape(delay, 6, 5, 0)], law, 20_000)
    expected = mean_pieces_done(4, 1.2, cut, delay, law)
    assert not isinstance(expected, NoFormula)
    assert_z(scheme.steps(trace).recovered[0] * 4, expected, "pieces")
    duration = scheme_iteration_time(scheme, delay, law)
    if cut == "after":
        assert isinstance(duration, NoFormula)
        return
    assert_z(trace.intervals[0], duration.mean(), "iteration time")


@pytest.mark.parametrize("cut", ["after", "at"])
def test_the_gradient_is_unbiased(cut: str) -> None:
    """Every micro-batch's mean weight is 1; in a fixed order the last would weigh less."""
    scheme = DropCompute(pieces=5, patience=0.7, cut=cut).build(4)
    tapes = [Tape(MODELS["exponential"](rate=1.0), 4, 2, r) for r in range(4)]
    trace = batch.simulate(scheme, tapes, PerPartition(), 5000)
    steps = scheme.steps(trace)
    weights = np.concatenate([steps.step(u).weights for u in range(5000)])
    assert_z(weights, np.ones(20), "partition weight")
    in_order = scheme.weights(trace.heard.arrived).reshape(-1, 20)
    with pytest.raises(AssertionError, match="partition weight"):
        assert_z(in_order, np.ones(20), "partition weight")


def test_from_a_config_to_the_tables() -> None:
    """Forty-eight micro-batches are partitions of the data, and the model learns from them, with
    both engines alike."""
    document = {
        "workers": 12,
        "iterations": 30,
        "replications": 3,
        "delay": {"model": "exponential", "rate": 2.0},
        "schemes": [{"name": "drop_compute", "pieces": 4, "patience": 0.5}],
        "problem": {"loss": "logistic", "dataset": "breast_cancer"},
        "optimizer": {"rule": "gd", "learning_rate": 1.0},
    }
    table, other = (
        eh.run(document | {"engine": engine}).iterations.select_dtypes("number")
        for engine in ("event", "batch")
    )
    pd.testing.assert_frame_equal(table, other, check_exact=True)
    losses = table[table["replication"] == 0]["train_loss"].to_numpy()
    assert losses[-1] < 0.3 * losses[0]
    recovered = table["recovered"].dropna() * 48
    np.testing.assert_allclose(recovered, np.round(recovered), atol=1e-9)
    assert recovered.min() < 48


def test_a_fixed_table_is_looked_at_twice() -> None:
    """And a law as often as its mean needs: catches a fixed table that is made 64 times."""

    @dataclass
    class Counted:
        base: object
        draws: int = 0
        independent = False

        def rounds_available(self) -> int | None:
            return None

        def sample(self, rng: np.random.Generator, rounds: int, workers: int) -> FloatArray:
            self.draws += 1
            return self.base.sample(rng, rounds, workers)

    fixed, law = (Counted(MODELS[name]()) for name in ("authors_stream", "llm_ranks"))
    for each in (fixed, law):
        KnownDelayLaw(each, Proportional()).order_statistics(3)
    assert (fixed.draws, law.draws) == (2, 64)


def test_a_short_trace_is_foreseen_from_the_rounds_that_it_has(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1,5,2\n4,3,2\n")
    delay = MODELS["trace"](path=str(tmp_path / "t.csv"), unit="s", header="no")
    found = KnownDelayLaw(delay, Proportional()).order_statistics(3)
    np.testing.assert_allclose(found, [(1 + 2) / 2, (2 + 3) / 2, (5 + 4) / 2])


@pytest.mark.parametrize("seconds", [0.99, 1.0, 1.01])
def test_the_chance_to_be_done_counts_the_last_instant(seconds: float) -> None:
    """Tasks of exactly 1 s, of a law and of a model with a memory, whose chances are counted."""
    second = MODELS["deterministic"](value=1.0)
    chain = MODELS["markov"](slow_to_slow=0.5, fast_to_slow=0.5, fast=second, slow=second)
    for delay in (second, chain):
        found = KnownDelayLaw(delay, Proportional()).chances(3, seconds)
        assert found.tolist() == [float(seconds >= 1.0)] * 3
