"""Problems whose best answer is known by closed form."""

from __future__ import annotations

from typing import Any

from erasurehead.experiments.recommend.goal import Limits
from erasurehead.experiments.recommend.question import Options
from erasurehead.experiments.recommend.study import Study, goal_of, investigate
from erasurehead.experiments.recommend.subject import of_config
from erasurehead.sim.theory import (
    ExponentialTime,
    GroupErasure,
    harmonic,
    mean_erasurehead,
    mean_k_batch_async,
)

WORKERS, SHIFT, RATE = 30, 1.0, 1.0
DELAY = {"model": "shifted_exponential", "shift": SHIFT, "rate": RATE}
WORK = 0.05


def ask(limits: Limits | None = None, only: str | None = None, **document: Any) -> Study:
    """The answer for 30 workers under shifted exponential delays, nothing trained."""
    whole = {"workers": WORKERS, "iterations": 100, "delay": DELAY, **document}
    subject = of_config(whole, None)
    goal, course = goal_of(subject, None, None)
    names = Options(only=only).schemes(subject.catalogue)
    quiet = limits or Limits()
    return investigate(subject, goal, course, quiet, names, None, (), lambda done, total: None)


def erasurehead(load: int, wait_for: int) -> float:
    """Seconds of an exact iteration's progress, additive law: a round over the share heard.

    The mean round is ``d tau + shift + (1/rate) sum_m q_(m-1) / (n - m + 1)``.
    """
    time = ExponentialTime(load * WORK + SHIFT, 1 / RATE)
    seconds = mean_erasurehead(time, WORKERS, load, wait_for)
    return seconds / GroupErasure(WORKERS, load, wait_for).heard


def k_sync(wait_for: int) -> float:
    """Seconds of an exact iteration's progress: ``shift + (H_n - H_(n-K)) / rate`` for K / n."""
    spread = (harmonic(WORKERS) - harmonic(WORKERS - wait_for)) / RATE
    return (SHIFT + spread) * WORKERS / wait_for


def k_batch_async(wait_for: int) -> float:
    """The same with K random partitions: K E[X] / n for 1 / (rho + s), with
    rho = 1 + (n - 1) / K and s = (n - 1) / K."""
    update = mean_k_batch_async(WORKERS, wait_for, SHIFT + 1 / RATE)
    return update * (1 + 2 * (WORKERS - 1) / wait_for)


def random_partitions_error(wait_for: int) -> float:
    """Mean decoding error of K gradients of random partitions: n (n - 1) / K."""
    return WORKERS * (WORKERS - 1) / wait_for
