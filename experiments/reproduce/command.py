"""``erasurehead reproduce``: compute figures, and write picture, data and text of each.

Each figure leaves ``<figure>.parquet``, the pictures that are drawn from that file alone, and
``<figure>.md``; ``summary.md``, ``claims.json`` and ``index.html`` are of all figures in the
directory. So a figure can be made anew without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from ...sim.errors import InvalidParameter
from ...sim.numerics import one_thread
from ...sim.tables import csv_of
from ..config.document import write_yaml
from ..config.errors import ConfigError, at, one_of
from ..options import ReproduceRequest, csv_wanted
from ..page.html import as_html
from ..pictures import paint, style
from ..run.files import all_or_none, output_folder, remove, write_bytes, write_table
from ..run.outputs import INDEX
from ..run.pools import Died, Share, map_unordered, open_pool, tell_nobody
from . import FIGURES, facts_of, figure_with
from .base import Effort, PaperFigure
from .claims import CLAIM_FIGURES
from .page import (
    claim_lines,
    claims_json,
    judged_claims,
    kept_figures,
    read_reproduction,
    summary_of,
)

Progress = Callable[[float, int], None]  # called with figures done and figures in all
# of all figures in the folder: gone before the first figure is written, made after the last
SUMMARY_FILES = ("summary.md", "claims.json", INDEX)


def make_figures(
    names: Sequence[str], asked: ReproduceRequest, progress: Progress = tell_nobody
) -> tuple[Path, list[str]]:
    """Make figures (all of them when none is named); returns the path of ``index.html`` and what
    the figures in the folder say of the paper's claims, in lines.
    Raises ConfigError: an unknown figure, field or format; nothing has been written."""
    csv_wanted(asked.tables)
    style.check_formats(asked.format_.split(","))
    output, changes = asked.output, asked.set_ or []
    if asked.only_paper:
        if names:
            raise ConfigError("--only-paper: names the figures itself; leave them out")
        names = CLAIM_FIGURES
    if changes and not names:
        raise ConfigError("--set: name the figures that it is for (see: erasurehead list figures)")
    for name in names:
        if name not in FIGURES:
            raise at("figure", name, one_of(FIGURES, name))
    # so that no core is left alone with the longest one
    longest = ("sequential_persistence", "time_to_target", "ranking", "atlas")
    in_order = dict.fromkeys((*longest, *FIGURES))
    wanted = [figure_with(name, changes) for name in in_order if not names or name in names]

    def figures_done(done: float) -> None:
        progress(done, len(wanted))

    figures_done(0)
    with output_folder(output, SUMMARY_FILES):
        with open_pool(asked.jobs or 1) as pool:
            task = partial(make, Effort(0, asked.full, asked.data_dir), asked)
            for made, result in map_unordered(task, wanted, pool, figures_done):
                if isinstance(result, Died):
                    raise ConfigError(f"figure {made.name}: {result.reason}")
        claims, page = judged_claims(output, kept_figures(output)), read_reproduction(output)
        contents = summary_of(output, page).encode(), claims_json(claims)
        for name, content in zip(SUMMARY_FILES, (*contents, as_html(page).encode()), strict=True):
            write_bytes(output / name, content)
    return output / INDEX, claim_lines(claims)


def make(
    effort: Effort, asked: ReproduceRequest, figure: PaperFigure, share: Share | None = None
) -> None:
    """Compute one figure, then draw and describe it from the file that was written.

    The text goes first and comes last: without it, a figure is not in the summary. If there is no
    room for all of its files, none stays. A folder without a summary is unfinished. Raises
    ConfigError: the values that were set do not go together; nothing was written."""
    output = asked.output
    try:
        with one_thread():
            frame = figure.compute(effort)
    except InvalidParameter as error:  # values of ``--set`` that do not go together
        raise ConfigError(f"--set of {figure.name}: {error}") from None
    ends = ("md", "csv", "parquet", *style.PICTURE_FORMATS)
    words, text, data, *_ = files = [output / f"{figure.name}.{end}" for end in ends]
    config = figure.config()
    files += [output / name for name in config]
    remove([output / name for name in SUMMARY_FILES] + files)
    with all_or_none(files):
        write_table(data, frame, facts_of(asked.set_ or [], asked.full))
        if csv_wanted(asked.tables):
            write_bytes(text, csv_of(frame))
        kept = pd.read_parquet(data)
        drawn = paint.figure(figure.picture(kept))
        style.save(drawn, output / figure.name, asked.format_.split(","))
        for name, document in config.items():
            write_bytes(output / name, write_yaml(document).encode())
        write_bytes(words, figure.text(kept).encode())
