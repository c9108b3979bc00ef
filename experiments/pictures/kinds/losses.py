"""What the pictures of losses share, diverged runs among them.

A run diverges where its step is too long: losses grow without bound, then they are not numbers any
more. One such scheme must not take the room of the others, so a line ends where the loss is
``DIVERGED`` times what it was at the start, at the top of the picture.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from typing_extensions import override

from ....sim.types import FloatArray
from ..base import PanelKind
from ..looks import Look
from ..records import Records
from ..shown import Axis, Band, Curve, Panel
from .curves import BANDS, Spread, band_key

DECADES_FOR_LOG = 0.8
"""From this many powers of ten on, losses are drawn on a logarithmic axis."""

DIVERGED = 1e3
"""Times the largest loss at the start: what is beyond has diverged."""

NUMBERS = (1e-100, 1e100)
"""What an axis can show; beyond, it could not compute its own margins."""

ENDS = "a line that ends at the top: diverged"


def ceiling(records: Records) -> float:
    """The largest loss that is drawn; 0 where no run begins with a number."""
    losses = records.iterations.loc[records.iterations["iteration"] == 0, "train_loss"]
    start = losses.to_numpy(dtype=float)
    start = start[np.abs(start) <= NUMBERS[1]]
    return DIVERGED * max(float(start.max()), NUMBERS[0]) if start.size else 0.0


class LossKind(PanelKind):
    """Losses of every scheme against something; abstract."""

    along: ClassVar[str]
    """Label of the horizontal axis; empty: that of times."""

    @abstractmethod
    def spread(self, records: Records, label: str, band: Band) -> tuple[FloatArray, Spread]:
        """Where the losses of a scheme are drawn, ``(G,)``, and the losses."""

    @override
    def obstacle(self, records: Records) -> str | None:
        if "train_loss" not in records.iterations:
            return "the records hold no losses; it was a timing-only run (problem: null)"
        if ceiling(records) == 0:
            return "no run begins with a loss that is a number"
        return None

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        most = ceiling(records)
        curves, diverged = [], False
        for label, _ in records.labels():
            x, losses = self.spread(records, label, band)
            curves.append(curve(x, cut(losses, most), looks[label]))
            diverged |= bool(np.any(losses.middle > most))
        keys = [band_key(BANDS[band])] if records.replicated() else []
        return Panel(
            Axis(self.along or records.clock),
            loss_axis(curves),
            [*curves, *keys],
            records.title,
            ENDS if diverged else "",
        )

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (BANDS[band],)


def curve(x: FloatArray, losses: Spread, look: Look) -> Curve:
    """The middle as a line, with its band."""
    return Curve(look, x, losses.middle, losses.low, losses.high)


def cut(losses: Spread, most: float) -> Spread:
    """The part below ``most``; a line that goes beyond ends there."""
    middle, low, high = (
        np.clip(v, -NUMBERS[1], None) for v in (losses.middle, losses.low, losses.high)
    )
    beyond = middle > most
    leaves = beyond & ~np.append(True, beyond[:-1])
    return Spread(
        np.where(leaves, most, np.where(beyond, np.nan, middle)),
        np.where(low > most, np.nan, low),
        np.minimum(high, most),
    )


def loss_axis(curves: Sequence[Curve], label: str = "training loss (mean over rows)") -> Axis:
    """The axis of some curves, logarithmic where they span orders of magnitude."""
    values = np.concatenate([curve.y for curve in curves])
    values = values[np.isfinite(values)]
    if not values.size or values.min() < NUMBERS[0]:
        return Axis(label)
    if np.log10(values.max() / values.min()) <= DECADES_FOR_LOG:
        return Axis(label)
    narrow = values.max() < 100 * values.min()
    return Axis(label, log=True, ticks=(1, 2, 5) if narrow else ())
