"""``erasurehead atlas``: the page and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ...sim.schemes.base import SchemeFamily
from ...sim.threads import one_thread
from ..cells.files import write_bytes
from ..config.plugins import catalogue
from ..lock import locked
from ..pictures import paint, style
from ..reproduce.atlas import Atlas
from ..reproduce.base import Effort
from .page import COMPARISON, FOLDER, page
from .portrait import portrait

PAGE = "atlas.md"


def write_atlas(output: Path, report: Callable[[int, int], None]) -> Path:
    """Write ``atlas.md``, a picture of each scheme and the comparison; returns the page's path.

    Installed plugins have their sections too. The comparison is the figure ``atlas`` of
    ``erasurehead reproduce``.

    Args:
        output: the folder of the page.
        report: called with pictures done and pictures in all.
    """
    names, comparison = catalogue(), Atlas()
    families: Mapping[str, type[SchemeFamily]] = names["schemes"].classes
    path = output / PAGE
    with locked(output):
        report(0, len(families) + 1)
        for done, (name, family) in enumerate(families.items(), start=1):
            picture = paint.figure(portrait(*family.portrait(), names))
            style.save(picture, output / FOLDER / name, ("png",))
            report(done, len(families) + 1)
        with one_thread():
            frame = comparison.compute(Effort())
        style.save(comparison.draw(frame), output / FOLDER / COMPARISON, ("png",))
        report(len(families) + 1, len(families) + 1)
        write_bytes(path, page(families, names).encode())
    return path
