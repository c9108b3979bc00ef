"""From what happened on real workers to a trace, to steps, and to losses.

Given the arrivals, the simulator's steps and learner must find the models that the workers found:
``replayed`` is what they find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...sim.engines.run import Run
from ...sim.learner import Learned
from ...sim.problems.base import Problem
from ...sim.steps import SingleGradients, Steps
from ...sim.types import FloatArray, Messages, Rounds, Trace, Work
from ..cells.compute import learn
from ..config.build import Training
from .played import Played


def trace_of(run: Run, played: Sequence[Played]) -> Trace:
    """All replications as an engine would tell them."""

    def stack(name: str) -> np.ndarray:
        return np.stack([getattr(each, name) for each in played])

    heard: Rounds | Messages
    if played[0].arrived is not None:
        heard = Rounds(stack("arrived"))
    else:
        messages = stack("messages")
        heard = Messages(messages[:, 0], messages[:, 1])
    names = ("busy", "useful", "last", "margin", "dead", "down")
    work = Work(*map(stack, names))
    return Trace(stack("times"), heard, work, "live", run.seed, fails=bool(work.dead.any()))


def steps_of(run: Run, trace: Trace, played: Sequence[Played]) -> Steps:
    """The updates; partitions are those that the workers drew."""
    steps = run.scheme.steps(trace)
    if isinstance(steps, SingleGradients):
        assert all(each.messages is not None for each in played)
        partition = np.stack([each.messages[2] for each in played])  # type: ignore[index]
        return replace(steps, partition=partition)
    return steps


def learned(problem: Problem, models: FloatArray) -> Learned:
    """Losses of the workers' models: ``(R, T + 1, p)``."""
    r, t, p = models.shape
    columns = np.ascontiguousarray(models.reshape(r * t, p).T)
    test = problem.test_loss(columns)
    final = np.ascontiguousarray(models[:, -1].T)
    return Learned(
        problem.loss(columns).reshape(r, t),
        None if test is None else test.reshape(r, t),
        final,
        problem.test_auc(final),
    )


@dataclass(frozen=True)
class Difference:
    """How far the workers' models are from the replayed ones.

    Attributes:
        loss: largest difference of training losses over all iterations, of the first loss.
        model: largest distance of two last models, of the longer one's length.
    """

    loss: float
    model: float


def difference(
    learning: Training, run: Run, trace: Trace, played: Sequence[Played], found: Learned
) -> Difference:
    """Replay the arrivals and compare."""
    again = learn(learning, steps_of(run, trace, played), run.iterations)
    losses = (
        np.abs(again.train_loss - found.train_loss).max() / np.abs(found.train_loss[:, 0]).max()
    )
    apart = np.linalg.norm(again.final_beta - found.final_beta, axis=0)
    length = np.linalg.norm(again.final_beta, axis=0)
    return Difference(float(losses), float((apart / np.maximum(length, 1e-300)).max()))
