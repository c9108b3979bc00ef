"""``make atlas``: a picture of every scheme, and of all of them on one clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from erasurehead.experiments.config import build
from erasurehead.experiments.config.catalogue import Catalogue, with_plugins
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.config.names import shown_cell
from erasurehead.experiments.pictures import paint, style
from erasurehead.experiments.pictures.kinds import gantt
from erasurehead.experiments.pictures.picture import Axis, Heat, Panel, Picture
from erasurehead.experiments.reproduce.base import Effort
from erasurehead.experiments.reproduce.figures.all_schemes import Atlas
from erasurehead.experiments.run import timeline
from erasurehead.experiments.run.files import all_or_none, locked, remove_leftovers
from erasurehead.sim.base.errors import ConfigError
from erasurehead.sim.base.numerics import one_thread
from erasurehead.sim.schemes import Scheme, SchemeFamily
from erasurehead.sim.schemes.barrierless import Barrierless
from erasurehead.sim.schemes.base import Fixed, RoundScheme, Sees
from erasurehead.sim.schemes.partial_work import PartlyUncoded

COMPARISON = "all-schemes"  # the name of the picture of all; no scheme can have it

PORTRAIT_DELAY = {"model": "shifted_exponential", "shift": 0.5, "rate": 2.0}  # seconds; mean 1
PORTRAIT_TRAINING = {  # for schemes that look at losses
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 480, "features": 10},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
MATRIX_INCHES, CLOCK_INCHES = 2.4, 1.75  # heights of panels


def portrait(family: SchemeFamily, workers: int, catalogue: Catalogue) -> Picture:
    """A scheme's picture, among n workers: its first rounds, below its encoding matrix if that is
    worth a look. Raises ConfigError, ImpossibleCell: it cannot work."""
    scheme = family.build(workers)
    rounds = not isinstance(scheme, Barrierless)
    iterations = (4 if rounds else 2) * scheme.local_steps  # without rounds, of n gradients
    document: dict[str, Any] = {"workers": workers, "iterations": iterations, "replications": 1}
    document |= {"seed": 0, "delay": PORTRAIT_DELAY, "schemes": [plain(family, catalogue)]}
    if isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
        document |= PORTRAIT_TRAINING
    [cell] = cells(document)
    free = () if rounds else (cell.label,)
    spans = gantt.classified(timeline.timeline_table(timeline.record([cell])), free)
    end = float(spans.loc[spans["worker"] < 0, "end"].max())
    named = sorted(int(worker) for worker in spans["worker"].unique() if worker >= 0)
    what, name = "round" if rounds else "update", shown_cell(cell)
    panels = [gantt.panel(spans, named, end, what, name)]
    heights = [CLOCK_INCHES]
    if (encoding := encoding_of(build.scheme_of(cell.settings))) is not None:
        panels, heights = [_matrix(encoding, workers), *panels], [MATRIX_INCHES, *heights]
    height = 0.75 + sum(heights) + 0.4 * len(heights)
    return Picture(panels, 1, style.ONE_PANEL, height, legend=2, heights=heights)


def encoding_of(scheme: Scheme) -> sparse.csr_array | None:
    """``(n m, k)``, or ``None`` where there is no encoding matrix worth a look."""
    match scheme:
        case Fixed():
            encoding = scheme.assignment.encoding
        case PartlyUncoded():
            encoding = scheme.code.assignment.encoding
        case _:
            return None
    uncoded = encoding.shape[0] == encoding.shape[1] == encoding.nnz == encoding.diagonal().sum()
    return None if uncoded else encoding


def _matrix(encoding: sparse.csr_array, workers: int) -> Panel:
    """Workers down, partitions across. Shades are the sizes of the coefficients, equal steps of
    the logarithm, or, of a worker with several messages, the order in which it sends them."""
    messages = encoding.shape[0] // workers
    sizes = np.abs(encoding.toarray()).reshape(workers, messages, -1)
    label = "in which message" if messages > 1 else "size of coefficient"
    if messages > 1:
        sizes = (sizes > 0) * np.arange(1.0, messages + 1)[:, None]
    shades = sizes.max(axis=1)
    shades[shades == 0] = np.nan
    rows, columns = shades.shape
    axes = (_numbered("partition", columns), _numbered("worker", rows))
    least, most = np.nanmin(shades), np.nanmax(shades)
    heat = Heat(shades, label, messages == 1 and least < most, least / 3, bar=bool(least < most))
    return Panel(*axes, [heat], grid=False)


def _numbered(label: str, count: int) -> Axis:
    ticks = tuple(range(0, count, max(1, -(-count // 12))))
    return Axis(label, names=tuple(map(str, ticks)), places=ticks)


def write_atlas(output: Path, progress: Callable[[int, int], None]) -> Path:
    """Draw all schemes on one clock, and each by itself, also those of installed plugins; returns
    the path of the first picture. It is the figure ``atlas`` of ``erasurehead reproduce``.
    ``progress`` is called with pictures done and pictures in all. Raises ConfigError: the folder
    holds other things than an atlas."""
    names, comparison = with_plugins(), Atlas()
    families: Mapping[str, type[SchemeFamily]] = names["schemes"].classes
    first, *others = pictures = [output / f"{name}.png" for name in (COMPARISON, *families)]
    others_files = output.iterdir() if output.is_dir() and not first.exists() else ()
    if theirs := sorted(path.name for path in others_files if not path.name.startswith(".")):
        text = f"holds {theirs[0]} and no {first.name}, so it is no atlas"
        raise ConfigError(f"{output}: {text}")
    with locked(output), all_or_none(pictures):
        remove_leftovers(output)
        progress(0, len(pictures))
        with one_thread():
            frame = comparison.compute(Effort())
        style.save(paint.figure(comparison.picture(frame)), first.with_suffix(""), ("png",))
        progress(1, len(pictures))
        for done, (path, family) in enumerate(zip(others, families.values(), strict=True), start=2):
            picture = paint.figure(portrait(*family.portrait(), names))
            style.save(picture, path.with_suffix(""), ("png",))
            progress(done, len(pictures))
    return first


if __name__ == "__main__":
    print(write_atlas(Path("docs/atlas"), lambda done, total: None))
