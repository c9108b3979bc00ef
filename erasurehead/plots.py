"""Pictures of a result on matplotlib axes: one's own, or new ones that a notebook shows.

The style is applied while a picture is drawn, and the user's own settings are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast, final

from experiments.config.errors import ConfigError, at, one_of
from experiments.pictures import style
from experiments.pictures.base import Panels
from experiments.pictures.kinds import KINDS
from experiments.pictures.records import Records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Schemes = str | Sequence[str] | None


@final
@dataclass(frozen=True, eq=False)
class Plots:
    """Pictures of one result.

    Every method draws into ``ax`` or, without one, into a new figure of pyplot, which a notebook
    shows and ``plt.show()`` too. It returns the axes; of a figure with several panels (a sweep has
    one for each point) the first, and ``axes.figure.axes`` has all.

    ``schemes`` picks schemes by label or by name; default all.

    Raises:
        ConfigError: the tables do not hold what the picture needs, there is no such scheme, or one
            ``ax`` was given for several panels.
    """

    _records: Records

    def loss_time(self, ax: Axes | None = None, schemes: Schemes = None) -> Axes:
        """Training loss against simulated seconds."""
        return self._draw("loss_time", ax, schemes)

    def loss_iteration(self, ax: Axes | None = None, schemes: Schemes = None) -> Axes:
        """Training loss against iterations."""
        return self._draw("loss_iteration", ax, schemes)

    def iteration_time(self, ax: Axes | None = None, schemes: Schemes = None) -> Axes:
        """How long iterations last: their distribution."""
        return self._draw("iteration_time", ax, schemes)

    def tradeoff(self, ax: Axes | None = None, schemes: Schemes = None) -> Axes:
        """Final loss (or decoding error) against mean iteration time, a point for each scheme."""
        return self._draw("tradeoff", ax, schemes)

    def utilisation(self, ax: Axes | None = None, schemes: Schemes = None) -> Axes:
        """What the workers' time was spent on."""
        return self._draw("utilisation", ax, schemes)

    def workers(self, schemes: Schemes = None) -> Axes:
        """Which worker everybody waited for, and what that cost; two panels."""
        return self._draw("workers", None, schemes)

    def delays(self) -> Axes:
        """Density, survival function and order statistics of the delays; three panels."""
        return self._draw("delays", None, None)

    def gantt(self, schemes: Schemes = None) -> Axes:
        """What every worker did in the first seconds; needs ``erasurehead run --timeline``."""
        return self._draw("gantt", None, schemes)

    def _draw(self, name: str, ax: Axes | None, schemes: Schemes) -> Axes:
        kind, records = KINDS[name], _only(self._records, schemes)
        obstacle = kind.obstacle(records)
        if obstacle is not None:
            raise ConfigError(f"{name} cannot be drawn: {obstacle}")
        if ax is None:
            return managed(kind.draw(records)).axes[0]
        assert isinstance(kind, Panels)
        points = records.points()
        if len(points) > 1:
            raise at("ax", "one Axes", f"a sweep of {len(points)} points has as many panels")
        with style.applied():
            kind.paint(ax, records, style.variants(records.labels()))
            ax.legend()
        return ax


def _only(records: Records, schemes: Schemes) -> Records:
    """The part of some schemes."""
    if schemes is None:
        return records
    wanted = [schemes] if isinstance(schemes, str) else list(schemes)
    known = records.labels()
    for name in wanted:
        if not any(name in pair for pair in known):
            raise at("schemes", name, one_of([label for label, _ in known], name))
    labels = [label for label, scheme in known if label in wanted or scheme in wanted]

    def part(table: Any) -> Any:
        return None if table is None else table[table["label"].isin(labels)]

    return replace(
        records,
        iterations=part(records.iterations),
        summary=part(records.summary),
        workers=part(records.workers),
        timeline=part(records.timeline),
    )


def managed(figure: Figure) -> Figure:
    """Hand a figure to pyplot, which then shows it like one that it has made itself."""
    from matplotlib import pyplot

    pyplot.figure(FigureClass=cast(Any, lambda **_: figure))
    return figure
