"""The picture of a scheme: its encoding matrix, or else the first rounds of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ...sim.schemes.barrierless import Barrierless
from ...sim.schemes.base import Fixed, RoundScheme, Scheme, SchemeFamily, Sees
from ...sim.schemes.partly_uncoded import PartlyUncoded
from .. import timeline
from ..config import build
from ..config.catalogue import Catalogue
from ..config.codec import plain
from ..config.grid import Cell, cells
from ..pictures.kinds import gantt
from ..pictures.shown import Axis, Heat, Panel, Picture
from ..pictures.style import ONE_PANEL

DELAY = {"model": "shifted_exponential", "shift": 0.5, "rate": 2.0}
"""Seconds; mean 1."""

TRAINING = {
    "problem": {"loss": "logistic", "dataset": "breast_cancer"},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
}
"""For schemes that look at losses."""

WIDTH = 3.4
"""Inches of a matrix."""

ROUNDS, CYCLES = 4, 1
"""Rounds in a picture; without rounds, iterations of n gradients."""


def portrait(family: SchemeFamily, workers: int, catalogue: Catalogue) -> Picture:
    """A scheme's picture.

    Args:
        family: the scheme, with its fields.
        workers: n.
        catalogue: what a config can name.

    Raises:
        ConfigError, ImpossibleCell: the scheme cannot work with so many workers.
    """
    cell = _cell(family, workers, catalogue, ROUNDS)
    scheme = build.scheme_of(cell)
    encoding = encoding_of(scheme)
    if encoding is not None:
        return _matrix(encoding, workers)
    rounds = not isinstance(scheme, Barrierless)
    return _clock(cell if rounds else _cell(family, workers, catalogue, CYCLES), rounds)


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


def _cell(family: SchemeFamily, workers: int, catalogue: Catalogue, iterations: int) -> Cell:
    document: dict[str, Any] = {
        "workers": workers,
        "iterations": iterations,
        "replications": 1,
        "seed": 0,
        "delay": DELAY,
        "schemes": [plain(family, catalogue)],
    }
    scheme = family.build(workers)
    if isinstance(scheme, RoundScheme) and scheme.sees is Sees.LOSSES:
        document |= TRAINING
    [cell] = cells(document)
    return cell


def _matrix(encoding: sparse.csr_array, workers: int) -> Picture:
    """Workers down, partitions across.

    Shades are the sizes of the coefficients or, of a worker with several messages, the order in
    which it sends them.
    """
    messages = encoding.shape[0] // workers
    sizes = np.abs(encoding.toarray()).reshape(workers, messages, -1)
    label = "size of the coefficient"
    if messages > 1:
        sizes = (sizes > 0) * np.arange(1.0, messages + 1)[:, None]
        label = "in which message"
    shades = sizes.max(axis=1)
    rows, columns = shades.shape
    panel = Panel(
        Axis("partition", names=_numbers(columns), places=_places(columns)),
        Axis("worker", names=_numbers(rows), places=_places(rows)),
        [Heat(np.where(shades > 0, shades, np.nan), label)],
        grid=False,
    )
    height = 0.75 + 0.7 * WIDTH * rows / columns
    return Picture([panel], columns=1, width=WIDTH, height=max(1.9, height))


def _places(count: int) -> tuple[int, ...]:
    return tuple(range(0, count, max(1, -(-count // 12))))


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(place) for place in _places(count))


def _clock(cell: Cell, rounds: bool) -> Picture:
    """What every worker did until the last update."""
    spans = timeline.table(timeline.record([cell]))
    free = () if rounds else (cell.label,)
    spans = gantt.classified(spans, free)
    end = float(spans.loc[spans["worker"] < 0, "end"].max())
    workers = sorted(int(worker) for worker in spans["worker"].unique() if worker >= 0)
    panel = gantt.panel(spans, workers, end, "round" if rounds else "update")
    return Picture([panel], columns=1, width=ONE_PANEL, height=2.9, legend=2)
