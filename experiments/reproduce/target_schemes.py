"""The schemes whose time to a target is compared: all families, their parameters by one rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from ..pictures.looks import Look, look
from . import setting
from .ranking import PATIENCE
from .sequential_members import LOOKS, MULTIPLEXED, REPEAT, TOLERANCE

Section = dict[str, Any]

PIECES = 10
"""Of ``drop_compute``: the smallest data set has 353 rows for 30 workers' micro-batches."""


@final
@dataclass(frozen=True)
class Contestant:
    """A scheme of a family.

    Attributes:
        family: for people.
        section: of the config.
        look: how it is drawn.
    """

    family: str
    section: Mapping[str, Any]
    look: Look


def contestants(load: int, wait_for: int, work: float) -> dict[str, Contestant]:
    """Every code has ``load``; who may leave out few waits for n - load + 1, who may many for r.

    Args:
        load: d.
        wait_for: r: arrivals of ErasureHead, and gradients of an update that is made of several.
        work: seconds that a partition takes beside its delay.
    """
    fewer = setting.WORKERS - load + 1
    patience = round(PATIENCE * (work + 1 / setting.RATE), 6)
    burst = {"B": 1, "W": 2, "stragglers": 2 * (load - 1), "tolerance": TOLERANCE}
    rows: list[tuple[str, str, Section]] = [
        ("synchronous", "uncoded", {}),
        ("synchronous", "ignore_stragglers", {"wait_for": fewer}),
        ("exact code", "fractional_repetition", {"load": load}),
        ("exact code", "cyclic_repetition", {"load": load}),
        ("approximate code", "erasurehead", {"load": load, "wait_for": wait_for}),
        ("partial work", "multi_message", {"load": load}),
        ("partial work", "drop_compute", {"pieces": PIECES, "patience": patience}),
        ("sequential", REPEAT, {"variant": REPEAT, **burst}),
        ("sequential", MULTIPLEXED, {"variant": MULTIPLEXED, **burst}),
        ("stale sums", "pipelined", {"load": load, "wait_for": fewer}),
        ("asynchronous", "k_async", {"wait_for": wait_for}),
        ("asynchronous", "k_batch_async", {"wait_for": wait_for}),
        ("asynchronous", "asynchronous", {}),
        ("asynchronous", "ringmaster", {"oldest": setting.WORKERS}),
        ("asynchronous", "ringleader", {}),
        ("asynchronous", "gradient_table", {}),
    ]
    return {
        key: Contestant(
            family,
            {"name": "sequential" if key in (REPEAT, MULTIPLEXED) else key, **fields},
            LOOKS[key] if key in LOOKS else look(key),
        )
        for family, key, fields in rows
    }
