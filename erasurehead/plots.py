"""Pictures of a result on matplotlib axes: yours, or new ones that a notebook shows.

The style is applied while a picture is drawn; your own settings stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final, get_args

from erasurehead.experiments.config.errors import at, one_of
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.base import PictureKind
from erasurehead.experiments.pictures.kinds import KINDS
from erasurehead.experiments.pictures.kinds.times import AgainstKind
from erasurehead.experiments.pictures.picture import Band
from erasurehead.experiments.pictures.records import Records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ax: TypeAlias = "Axes | None"
Schemes = str | Sequence[str] | None
Spread = Band | None


@final
@dataclass(frozen=True, eq=False)
class Plots:
    """Pictures of one result.

    Every method draws into ``ax`` or, without one, into a new figure of pyplot, which notebooks and
    ``plt.show()`` display. It returns the axes. A sweep has a panel for each point: then it returns
    the first one, and ``axes.figure.axes`` has all.

    ``schemes`` picks schemes by label or by name; default all. ``band`` is how the spread over
    replications is shown: ``quantiles`` (10th to 90th percentile) or ``ci`` (95 % confidence
    interval of the mean); the trade-off shows ``ci`` by default, the others ``quantiles``.

    Raises:
        ConfigError: the tables do not hold what the picture needs, there is no such scheme, or one
            ``ax`` was given for several panels.
    """

    _records: Records

    def loss_time(self, ax: Ax = None, schemes: Schemes = None, band: Spread = None) -> Axes:
        """Training loss against simulated seconds."""
        return self._draw("loss_time", ax, schemes, band)

    def loss_iteration(self, ax: Ax = None, schemes: Schemes = None, band: Spread = None) -> Axes:
        """Training loss against iterations."""
        return self._draw("loss_iteration", ax, schemes, band)

    def iteration_time(self, ax: Ax = None, schemes: Schemes = None, band: Spread = None) -> Axes:
        """How long iterations last: their distribution."""
        return self._draw("iteration_time", ax, schemes, band)

    def tradeoff(self, ax: Ax = None, schemes: Schemes = None, band: Spread = None) -> Axes:
        """Final loss (or decoding error) against mean iteration time, a point for each scheme."""
        return self._draw("tradeoff", ax, schemes, band)

    def utilisation(self, ax: Ax = None, schemes: Schemes = None) -> Axes:
        """What the workers' time was spent on."""
        return self._draw("utilisation", ax, schemes)

    def against(self, x: str = "", y: str = "", ax: Ax = None, schemes: Schemes = None) -> Axes:
        """Means over a swept key, with lines of theory where there is a closed form.

        Args:
            x: the key, such as ``workers`` or ``delay.rate``; default the one with most values.
            y: a metric, such as ``decoding_error``, or a column of the summary; default the time to
                the target, else the iteration time.
            ax, schemes: as for the other methods.
        """
        return self._show(AgainstKind(x, y), ax, schemes)

    def workers(self, schemes: Schemes = None) -> Axes:
        """Which worker everybody waited for, and what that cost; two panels."""
        return self._draw("workers", None, schemes)

    def delays(self) -> Axes:
        """Density, survival function and order statistics of the delays; three panels."""
        return self._draw("delays", None, None)

    def gantt(self, schemes: Schemes = None) -> Axes:
        """What every worker did in the first seconds; needs ``run(..., timeline=True)``."""
        return self._draw("gantt", None, schemes)

    def _draw(self, name: str, ax: Ax, schemes: Schemes, band: Spread = None) -> Axes:
        if band is not None and band not in get_args(Band):
            raise at("band", band, one_of(get_args(Band), band))
        return self._show(KINDS[name], ax, schemes, band)

    def _show(self, kind: PictureKind, ax: Ax, schemes: Schemes, band: Spread = None) -> Axes:
        records = self._records.only([schemes] if isinstance(schemes, str) else schemes)
        if ax is not None:
            with style.applied():
                return kind.draw_on(ax, records, band=band)
        return managed(paint.figure(kind.possible(records, band))).axes[0]


def managed(figure: Figure) -> Figure:
    """Hand a figure to pyplot, which then shows it like one that it has made itself."""
    from matplotlib import pyplot

    pyplot.figure(FigureClass=cast(Any, lambda **_: figure))
    return figure
