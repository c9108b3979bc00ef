"""The small config that a fit ends with, for ``erasurehead run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .laws.goodness import ITERATIONS

CONFIG = "config"  # what tables call the whole ``delay:`` section, beside the families


def small_config(
    delay: Mapping[str, Any],
    load_law: Mapping[str, Any],
    workers: int,
    wait_for: int,
    rounds: int,
    varies: float,
) -> dict[str, Any]:
    """With fitted sections, as many iterations as rounds were measured, at most ``ITERATIONS``, and
    two schemes: waiting for all, and for some. A run's mean step ``varies`` by this share."""
    iterations = max(1, min(ITERATIONS, rounds))
    # A power of two with which the mean step is known to 1 % (a standard error), without more
    # delays than a run takes in a few seconds.
    replications = 32
    while (
        replications < 1024
        and varies > 0.01 * replications**0.5
        and 2 * replications * iterations * workers <= 25_000_000
    ):
        replications *= 2
    return {
        "name": "fitted",
        "workers": workers,
        "iterations": iterations,
        "replications": replications,
        "seed": 0,
        "delay": dict(delay),
        "load_law": dict(load_law),
        "schemes": [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": wait_for}],
    }
