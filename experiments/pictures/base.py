"""What a kind of picture is: what it needs of the records, and what it shows of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from typing_extensions import override

from ...sim.base.errors import ConfigError, at, quoted
from ..pictures.picture import Chart
from ..run.reader import Records
from ..text import left_out
from . import paint, style
from .looks import Look, variants
from .picture import Band, Panel, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# identifiers of the sections of a report that hold pictures
ReportSection = Literal["pictures", "timeline", "workers-and-rounds", "delays-drawn"]


class PictureKind(ABC):
    """A kind of picture; abstract."""

    name: ClassVar[str]  # the registry name, and the file's
    title: ClassVar[str]  # the heading above it in a report
    caption: ClassVar[str]  # how to read it, one or two sentences
    rank: ClassVar[int]  # kinds are listed, drawn and reported in ascending order of this

    @property
    def file(self) -> str:
        """The name of its files, without an ending."""
        return self.name

    section: ClassVar[ReportSection] = "pictures"  # where it stands in a report
    band: ClassVar[Band] = "quantiles"  # how the spread over replications is shown by default

    @abstractmethod
    def obstacle(self, records: Records) -> str | None:
        """Why this kind cannot be drawn from these records, or ``None`` when it can."""

    @abstractmethod
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """The whole picture, as data."""

    def charts(self, records: Records) -> Iterator[Chart]:
        """What a report shows, with its words: one chart, or several."""
        picture = self.picture(records)
        yield Chart(self.name.replace("_", "-"), self.title, self.caption, picture)

    def possible(self, records: Records, band: Band | None = None) -> Picture:
        """The picture. Raises ConfigError: the records do not hold what is needed."""
        if (obstacle := self.obstacle(records)) is not None:
            raise ConfigError(f"{self.name} cannot be drawn: {obstacle}")
        return self.picture(records, band)


def on_axes(given: object, picture: Picture, legend: bool = True) -> Axes:
    """Draw a picture on axes of one's own, one for each panel; matplotlib's settings are the
    caller's. Returns the first. Raises ConfigError: ``given`` is something else, or too few."""
    from matplotlib.axes import Axes

    several: list[Any] = [
        *getattr(given, "flat", given if isinstance(given, list | tuple) else [given])
    ]
    if not all(isinstance(axes, Axes) for axes in several):
        raise ConfigError(f"ax = {quoted(given)}: must be one matplotlib Axes, or an array of them")
    if (needed := len(picture.panels)) != len(several):
        panels = "one" if needed == 1 else f"{needed}, one for each panel of this picture"
        raise at("ax", f"{len(several)} Axes", f"must be {panels}")
    for axes, panel in zip(several, picture.panels, strict=True):
        paint.add_panel(axes, panel)
        if legend:
            style.legend_under(axes, [*map(style.entry, picture.last)])
    first: Axes = several[0]
    return first


class PanelKind(PictureKind):
    """A kind that shows schemes, one panel for each point of a sweep; abstract."""

    def points(self, records: Records) -> list[Records]:
        """What has a panel each."""
        return records.points()

    @abstractmethod
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        """What one panel shows of its records; each label is drawn the same in all panels."""

    def last(self, band: Band) -> tuple[str, ...]:
        """Entries of the legend that are not schemes; they come last."""
        return ()

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """All panels share the vertical axis, so that they can be compared."""
        chosen = band or self.band
        points = self.points(records)
        columns = min(len(points), 3) if len(points) != 4 else 2
        rows = -(-len(points) // columns)
        titles = max(point.title.count("\n") for point in points) * 0.18 * rows
        pairs = dict.fromkeys(pair for point in points for pair in point.labels())
        looks = variants(list(pairs), records.names)
        width = style.ONE_PANEL if columns == 1 else max(style.TWO_PANELS, 3.0 * columns)
        notes = self.last(chosen)
        entries = [*(own.title for own in looks.values()), *notes]
        lines = -(-len(entries) // style.entries_in_a_row(entries, columns, width))
        panels = [self.panel(point, looks, chosen) for point in points]
        height = 3.0 * rows + titles + 0.22 * lines + 0.4
        heading = left_out(points[0].left_out, "point", "of the sweep")
        return Picture(panels, columns, width, height, "y", heading, legend=columns, last=notes)
