"""What a kind of plot is: whether the records hold what it needs, and how it is painted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

from experiments.pictures import style
from experiments.pictures.records import Records
from experiments.pictures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Kind(ABC):
    """A kind of plot; abstract."""

    name: ClassVar[str]
    """The registry name, and the file's."""

    @abstractmethod
    def obstacle(self, records: Records) -> str | None:
        """Why this kind cannot be drawn from these records, or ``None`` when it can."""

    @abstractmethod
    def draw(self, records: Records) -> Figure:
        """The whole picture."""


class Panels(Kind):
    """A kind that shows schemes, one panel for each point of a sweep; abstract."""

    remarks: ClassVar[tuple[str, ...]] = ()
    """Entries of the legend that are no schemes; they come last."""

    @abstractmethod
    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """Paint one panel; entries of the legend are the labels of its artists.

        Args:
            axes: an empty panel.
            records: what belongs to it.
            looks: how each label is drawn, the same in all panels.
        """

    @final
    def draw(self, records: Records) -> Figure:
        """The whole picture; all panels share the vertical axis, so that they can be compared."""
        parts = records.points()
        columns = min(len(parts), 3) if len(parts) != 4 else 2
        rows = -(-len(parts) // columns)
        titles = max(part.title.count("\n") for part in parts) * 0.18 * rows
        looks = style.variants(list(dict.fromkeys(pair for p in parts for pair in p.labels())))
        width = style.ONE_PANEL if columns == 1 else max(style.TWO_PANELS, 3.0 * columns)
        with style.applied():
            entries = [*(own.title for own in looks.values()), *self.remarks]
            lines = -(-len(entries) // style.fitting(entries, columns, width))
            height = 3.0 * rows + titles + 0.22 * lines + 0.4
            figure = style.blank(width, height)
            grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
            for axes, part in zip(grid.flat, parts, strict=False):
                self.paint(axes, part, looks)
                axes.set_title(part.title, fontsize=9.5)
            for axes in grid.flat[len(parts) :]:
                axes.remove()
            _one_scale(figure)
            _label_once(figure, columns)
            if parts[0].left_out:
                figure.suptitle(f"{parts[0].left_out} more points of the sweep are not shown")
            style.legend_below(figure, columns, self.remarks)
        return figure


def _one_scale(figure: Figure) -> None:
    """Where one panel's horizontal axis is logarithmic, all are, so that they can be compared."""
    if len({axes.get_xscale() for axes in figure.axes}) == 1:
        return
    for axes in figure.axes:
        axes.set_xscale("log")
        axes.autoscale(axis="x")
        low, high = axes.get_xlim()
        style.log_axis(axes.xaxis, ticks=(1, 2, 5) if high < 60 * low else ())


def _label_once(figure: Figure, columns: int) -> None:
    """Vertical axes are named in the first column, horizontal ones in the last of each column."""
    panels = figure.axes
    for place, axes in enumerate(panels):
        if place % columns:
            axes.set_ylabel("")
        if place + columns < len(panels):
            axes.set_xlabel("")
