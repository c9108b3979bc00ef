"""Every synchronous scheme at several loads, for the comparison of them all.

A scheme has as many members as its fields have choices here. A new scheme with rounds gets its line
in ``MEMBERS``, or its reason in ``LEFT_OUT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from ..pictures.looks import look

Section = dict[str, Any]

LOADS = (2, 3, 5)
ARRIVALS = (15, 20, 25)
PIECES = 12
"""Micro-batches of ``drop_compute``."""

LEFT_OUT = {
    "heterogeneity_aware": "is for workers of different speeds",
    "heterogeneous_split": "is for workers of different speeds",
    "block_design": "has no design with 30 workers",
    "matrix": "is whatever you bring",
    "adaptive_k": "decides by the losses of a problem",
}
"""Schemes with rounds that are not compared, and why."""

GRID: dict[str, dict[str, tuple[Any, ...]]] = {
    "uncoded": {},
    "ignore_stragglers": {"wait_for": (10, 15, 20, 25, 28), "rescale": (False, True)},
    "window": {"tolerance": (0.5, 1.0, 2.0, 4.0), "rescale": (False, True)},
    "fractional_repetition": {"load": LOADS},
    "cyclic_repetition": {"load": LOADS},
    "cyclic_mds": {"load": LOADS},
    "generalized_fractional_repetition": {"load": (2, 3, 4, 5)},
    "communication_efficient": {"load": LOADS, "share": (2,)},
    "erasurehead": {"load": LOADS, "wait_for": ARRIVALS, "rescale": (False, True)},
    "bernoulli": {"load": LOADS, "wait_for": ARRIVALS},
    "stochastic_block": {"load": LOADS, "wait_for": ARRIVALS, "community": (6,), "inside": (0.3,)},
    "regular_graph": {"load": LOADS, "wait_for": ARRIVALS},
    "expander": {"load": LOADS, "wait_for": ARRIVALS, "graph": ("circulant",)},
    "graph_assignment": {"degree": (3, 4, 5), "wait_for": ARRIVALS},
    "stochastic_gradient_coding": {"load": LOADS, "wait_for": ARRIVALS},
    "ignore_arbitrary": {"load": LOADS, "wait_for": ARRIVALS},
    "multi_message": {"load": LOADS, "assignment": ("fractional", "cyclic")},
    "partial_stragglers": {"load": LOADS},
    "pipelined": {"load": LOADS, "wait_for": ARRIVALS},
    "block_coordinate": {},
    "adaptive_deadline": {"kappa": (1.0, 2.0, 4.0)},
    "sequential": {"B": (1,), "W": (2,), "stragglers": (4, 8), "tolerance": (1.0,)},
}
"""Fields of each scheme, all combinations; those of ``timed`` come on top."""


def members(mean_time: float) -> Iterator[Section]:
    """The ``schemes`` of a config.

    Args:
        mean_time: mean seconds of a partition, for fields in seconds.
    """
    for name, choices in (GRID | timed(mean_time)).items():
        for values in product(*choices.values()):
            yield {"name": name, **dict(zip(choices, values, strict=True))}


def timed(mean_time: float) -> dict[str, dict[str, tuple[Any, ...]]]:
    """Fields in seconds: multiples of the mean time of a partition."""
    patience = tuple(round(factor * mean_time, 6) for factor in (0.75, 1.0, 1.25, 1.5))
    return {
        "drop_compute": {"pieces": (PIECES,), "patience": patience, "cut": ("after", "at")},
        "mindflayer": {"trials": (1, 2), "patience": patience},
    }


SHORT = {
    "load": "d = {}",
    "degree": "d = {}",
    "wait_for": "r = {}",
    "tolerance": "μ = {:g}",
    "kappa": "κ = {:g}",
    "patience": "τ = {:g} s",
    "trials": "B = {}",
    "stragglers": "λ = {}",
    "cut": "cut {}",
    "assignment": "{}",
}
"""How a title says a field; others have one value here."""


def title(member: Section) -> str:
    """A scheme's name for people, with what tells its members apart."""
    fields = [SHORT[key].format(value) for key, value in member.items() if key in SHORT]
    fields += ["rescaled"] if member.get("rescale") else []
    return ", ".join([look(str(member["name"])).title, *fields])
