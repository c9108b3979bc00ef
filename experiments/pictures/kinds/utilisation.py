"""What the workers' time was spent on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

from experiments.pictures import style
from experiments.pictures.base import Panels
from experiments.pictures.records import Records
from experiments.pictures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WASTED, IDLE = "hatched: wasted", "white: idle"


@final
class Utilisation(Panels):
    """Share of the workers' time spent on messages that arrived in time, on others, and idle."""

    name: ClassVar[str] = "utilisation"
    remarks: ClassVar[tuple[str, ...]] = (WASTED, IDLE)

    def obstacle(self, records: Records) -> str | None:
        """Needs the summary's columns."""
        if "utilisation_mean" not in records.summary or "wasted_mean" not in records.summary:
            return "the summary holds no utilisation"
        return None

    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """One bar per scheme, in three parts that add up to one."""
        table = records.summary.drop_duplicates("label").set_index("label")
        busy = table["utilisation_mean"].to_numpy(dtype=float)
        wasted = busy * table["wasted_mean"].to_numpy(dtype=float)
        own = [looks[label] for label, _ in records.labels()]
        for y, look, used, lost in zip(range(len(own)), own, busy - wasted, wasted, strict=True):
            lighter = style.shade(look.colour, 0.6)
            axes.barh(y, used, color=look.colour, height=0.7, label=look.title)
            axes.barh(y, lost, left=used, color=lighter, height=0.7, hatch="///", lw=0)
            idle = max(0.0, 1 - used - lost)
            axes.barh(y, idle, left=used + lost, color="white", edgecolor=style.MUTED, height=0.7)
        axes.fill_between(
            [],
            [],
            [],
            facecolor=style.GRID,
            edgecolor=style.INK,
            hatch="///",
            label=WASTED,
        )
        axes.fill_between([], [], [], facecolor="white", edgecolor=style.MUTED, label=IDLE)
        axes.set_yticks([])
        axes.set_ylim(len(own) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_ylabel("scheme")
        axes.set_xlabel("share of the workers' time")
