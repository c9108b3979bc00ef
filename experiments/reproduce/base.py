"""What a figure is: numbers first, then a picture and a text made from those numbers alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from ..pictures import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FULL = 8
"""How many times more replications or rounds a full reproduction has than a quick one."""


@final
@dataclass(frozen=True)
class Effort:
    """How much to compute.

    Attributes:
        seed: of all tapes.
        full: more replications, and the public data sets whose files the user has.
        data_dir: where those files lie.
    """

    seed: int = 0
    full: bool = False
    data_dir: Path | None = None

    def times(self, count: int) -> int:
        """Replications or rounds, given those of a quick reproduction."""
        return FULL * count if self.full else count


class PaperFigure(ABC):
    """One figure; abstract. Subclasses are frozen dataclasses whose fields are its sizes.

    The class's docstring begins with what ``erasurehead list figures`` says, and the module ends
    with ``FIGURE``, the figure at its default sizes.
    """

    name: ClassVar[str]
    """The registry name, and that of the files."""

    title: ClassVar[str]
    """The heading of its part of the summary."""

    height: ClassVar[float] = 3.9
    """Inches."""

    width: ClassVar[float] = style.TWO_PANELS
    """Inches."""

    @abstractmethod
    def compute(self, effort: Effort) -> pd.DataFrame:
        """Simulate; returns everything that picture and text need, as one tidy table."""

    @abstractmethod
    def paint(self, figure: Figure, frame: pd.DataFrame) -> None:
        """Paint the picture of a table on an empty figure."""

    @abstractmethod
    def report(self, frame: pd.DataFrame) -> str:
        """Caption and tables in Markdown; every number in them comes from the table."""

    @final
    def draw(self, frame: pd.DataFrame) -> Figure:
        """The picture of a table that ``compute`` returned."""
        with style.applied():
            figure = style.blank(self.width, self.height)
            self.paint(figure, frame)
        return figure


@dataclass(frozen=True)
class RunsFigure(PaperFigure):
    """A figure of whole runs on common delays; abstract.

    Attributes:
        iterations: T.
        replications: R of a quick reproduction.
    """

    iterations: int = 100
    replications: int = 64

    def document(self, effort: Effort, **sections: Any) -> dict[str, Any]:
        """A config document with so many iterations and replications."""
        return {
            "iterations": self.iterations,
            "replications": effort.times(self.replications),
            **sections,
        }


@dataclass(frozen=True)
class CodedFigure(RunsFigure):
    """A figure whose coded schemes have one load; abstract.

    Attributes:
        load: d.
        wait_for: r of ErasureHead.
    """

    load: int = 3
    wait_for: int = 15
