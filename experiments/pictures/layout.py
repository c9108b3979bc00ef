"""Arranges figures so that no text is cut, and none lies over another, at any size: words wrap,
entries of a legend stand in as many columns as fit, ticks that run into each other lose names."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, final
from weakref import WeakKeyDictionary, WeakSet

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase
from typing_extensions import override

NAMES_SHARE = 0.42  # of the figure's width that names on a vertical axis take at most
LEGEND_SHARE = 0.3  # of the figure's height that a legend takes before its letters shrink
SMALL_LETTERS_POINTS = (8.0, 7.0)  # sizes of the letters of a legend that is too high
MOST_LINES = 6  # of one text: longer ones leave no room for a panel
GAP_POINTS = 2.0  # between names of ticks


@final
class TrueTypeFigure(Figure):
    """A figure whose PDF has TrueType letters whoever saves it: publishers refuse Type 3."""

    @override
    def savefig(self, *args: Any, **settings: Any) -> None:
        with rc_context({"pdf.fonttype": 42, "ps.fonttype": 42}):
            super().savefig(*args, **settings)


@final
class WholeLayout(ConstrainedLayoutEngine):
    """Constrained layout, and what that leaves to the caller; with one legend under all panels.

    Attributes:
        most: entries of the legend that stand side by side at most.
        settings: what ``figure.legend`` takes besides."""

    def __init__(self) -> None:
        super().__init__()
        self.most, self.settings = 3, dict[str, Any]()
        self._panels, self._last = list[Axes](), list[str]()
        self._legend: Any = None  # a ``Legend``, once there is one
        self._words: WeakKeyDictionary[Text, tuple[str, str]] = WeakKeyDictionary()
        self._hidden: WeakSet[Text] = WeakSet()

    @override
    def execute(self, fig: Figure) -> None:
        for text in self._hidden:
            text.set_visible(True)
        self._hidden.clear()
        if self._legend in fig.legends:
            self._set_columns(fig.bbox)
        super().execute(fig)
        passes = 0  # what wraps makes room, in which less has to wrap
        while self._wrapped(fig) and (passes := passes + 1) <= 3:
            super().execute(fig)
        for axes in fig.axes:
            self._thin_out(axes)

    def name(self, panels: Sequence[Axes], last: Sequence[str]) -> None:
        """Name what is drawn in these axes, too; entries of ``last`` stand at the end."""
        self._panels += [axes for axes in panels if axes not in self._panels]
        self._last += [entry for entry in last if entry not in self._last]
        if self._legend is not None:
            self._legend.remove()
        self._legend = None
        if entries := entries_of(self._panels, self._last):
            figure: Any = panels[0].get_figure(root=True)
            how: Any = {"loc": "outside lower center", **self.settings}
            self._legend = figure.legend([*entries.values()], [*entries], ncols=self.most, **how)
            self._letters = self._legend._fontsize

    def _set_columns(self, room: BboxBase) -> None:
        """As many as fit beside each other, in letters with which panels keep half of the height;
        an entry too long for one is broken."""
        legend = self._legend
        entries, title = entries_of(self._panels, self._last), legend.get_title().get_text()
        for letters in sorted({self._letters, *SMALL_LETTERS_POINTS}, reverse=True):
            for columns in range(min(self.most, len(entries)), 0, -1):
                # a legend cannot be asked for other columns or letters
                legend._ncols, legend._fontsize = columns, letters
                legend.prop.set_size(letters)
                if letters == SMALL_LETTERS_POINTS[-1]:  # and closer
                    legend.columnspacing, legend.handlelength, legend.borderpad = 1.0, 1.8, 0.1
                legend._init_legend_box([*entries.values()], [*entries])
                legend._set_loc(legend._loc)
                legend.set_title(title or None)
                if columns == 2 and legend.get_window_extent().width > room.width:
                    names = [
                        text for text in legend.get_texts() if text.get_text() not in self._last
                    ]
                    for text in legend.get_texts() if names else ():  # remarks take more lines
                        self._wrap(text, max(map(_size, names)), "width")
                if (beyond := legend.get_window_extent().width - room.width) <= 0:
                    break
            if beyond > 0:
                longest = max(map(_size, legend.get_texts()))
                for text in legend.get_texts():
                    self._wrap(text, longest - beyond, "width")
            if legend.get_window_extent().height < LEGEND_SHARE * room.height:
                return

    def _wrapped(self, figure: Figure) -> bool:
        """Break labels and titles that are longer than what they belong to; whether any was."""
        before = {text: words for text, (_, words) in self._words.items()}
        whole, height = figure.bbox.width, figure.bbox.height
        if (heading := figure._suptitle) is not None:  # type: ignore[attr-defined]
            self._wrap(heading, 0.98 * whole, "width")
        for axes in figure.axes:
            box = axes.bbox
            x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            beyond = 1.1 if len(figure.axes) == 1 else 1.0  # times as long as the panel
            across, down = beyond * box.width, beyond * box.height
            self._wrap(axes.xaxis.label, min(across, 2 * x, 2 * (whole - x)), "width")
            self._wrap(axes.yaxis.label, min(down, 2 * y, 2 * (height - y)), "height")
            self._wrap(axes.title, box.width, "width")
            self._wrap(axes._left_title, whole - box.x0, "width")  # type: ignore[attr-defined]
            if axes.yaxis.get_major_formatter().__class__.__name__ == "FixedFormatter":
                for name in axes.get_yticklabels():
                    self._wrap(name, NAMES_SHARE * whole, "width")
            if axes.xaxis.get_major_formatter().__class__.__name__ == "FixedFormatter":
                names = [name for name in axes.get_xticklabels() if name.get_text()]
                for name in names:
                    self._wrap(name, box.width / len(names) - GAP_POINTS, "width")
            for words in axes.texts:
                if words.get_transform() is axes.transAxes:  # a remark in its corner
                    self._wrap(words, box.width, "width")
        return any(words != before.get(text, own) for text, (own, words) in self._words.items())

    def _wrap(self, text: Text, room: float, side: str) -> None:
        """Break a text into lines that take so many pixels."""
        own, broken = self._words.get(text, ("", ""))
        if text.get_text() != broken or not own:
            own = text.get_text()
        if not own.strip():
            return
        text.set_text(own)
        if (length := _size(text, side)) > room > 0:
            longest = max(map(len, own.split("\n")))
            for width in range(max(int(1.1 * longest * room / length), 1), 0, -1):
                text.set_text("\n".join(_lines(own, width)))
                if _size(text, side) <= room:
                    break
        self._words[text] = own, text.get_text()

    def _thin_out(self, axes: Axes) -> None:
        """Hide names of ticks that would run into the one before."""
        for axis, side in ((axes.xaxis, "x"), (axes.yaxis, "y")):
            axis.get_ticklabels()  # which brings ticks up to date
            low, high = sorted(axis.get_view_interval())
            gap, shown = GAP_POINTS / 72 * axes.figure.dpi * (side == "x"), list[Bbox]()
            ticks = sorted(axis.get_major_ticks(), key=lambda tick: float(tick.get_loc()))
            for tick in ticks:
                label = tick.label1
                inside = low <= tick.get_loc() <= high
                if not (inside and label.get_visible() and label.get_text()):
                    continue
                box = label.get_window_extent().padded(gap, 0)
                if any(box.overlaps(other) for other in shown):
                    label.set_visible(False)
                    self._hidden.add(label)
                else:
                    shown.append(box)


def _size(text: Text, side: str = "width") -> float:
    return float(getattr(text.get_window_extent(), side))


def _lines(words: str, width: int) -> list[str]:
    wrapped = (textwrap.wrap(line, width, break_on_hyphens=False) for line in words.split("\n"))
    lines = [line for lines in wrapped for line in lines or [""]]
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], "..."]


def whole_layout(figure: Figure) -> WholeLayout | None:
    """The figure's layout, of which axes of several calls share a legend; ``None`` where somebody
    else arranges the figure, or axes stand in no grid."""
    engine = figure.get_layout_engine()
    if isinstance(engine, WholeLayout):
        return engine
    if type(engine) not in (ConstrainedLayoutEngine, type(None)):
        return None
    if not all(axes.get_subplotspec() for axes in figure.axes):
        return None
    own = WholeLayout()
    figure.set_layout_engine(own)
    return own


def entries_of(panels: Sequence[Axes], last: Sequence[str]) -> dict[str, Any]:
    """What a legend of these axes names: artists by words, each once; those of ``last`` at the
    end."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return entries | {label: entries.pop(label) for label in last if label in entries}
