"""``erasurehead atlas``: the page and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from experiments.atlas.page import FOLDER, page
from experiments.atlas.portrait import portrait
from experiments.cells.files import write_bytes
from experiments.config.plugins import catalogue
from experiments.lock import locked
from experiments.pictures import paint, style
from sim.schemes.base import SchemeFamily

PAGE = "atlas.md"


def write_atlas(output: Path, report: Callable[[int, int], None]) -> Path:
    """Write ``atlas.md`` and ``atlas/<scheme>.png``; returns the page's path.

    Installed plugins have their sections too.

    Args:
        output: the folder of the page.
        report: called with pictures done and pictures in all.
    """
    names = catalogue()
    families: Mapping[str, type[SchemeFamily]] = names["schemes"].classes
    path = output / PAGE
    with locked(output):
        report(0, len(families))
        for done, (name, family) in enumerate(families.items(), start=1):
            picture = paint.figure(portrait(*family.portrait(), names))
            style.save(picture, output / FOLDER / name, ("png",))
            report(done, len(families))
        write_bytes(path, page(families, names).encode())
    return path
