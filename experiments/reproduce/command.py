"""``erasurehead reproduce``: compute figures, and write picture, data and text of each.

Each figure leaves ``<figure>.parquet``, the pictures that are drawn from that file alone, and
``<figure>.md``; ``summary.md`` joins the texts of all figures in the directory, and ``index.html``
has them with pictures that can be read. So a figure can be made anew without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from ...sim.errors import InvalidParameter
from ...sim.numerics import one_thread
from ..config.errors import ConfigError, at, one_of
from ..options import ReproduceRequest, csv_wanted
from ..page.html import as_html
from ..pictures import paint, style
from ..run.files import all_or_none, output_folder, remove, write_bytes, write_table
from ..run.lanes import Died, Share, map_unordered, open_lanes, tell_nobody
from ..run.outputs import INDEX
from . import FIGURES, facts_of, figure_named, figure_with
from .base import FULL, Effort, PaperFigure
from .page import read_reproduction

Progress = Callable[[float, int], None]  # called with figures done and figures in all
# figures that are begun first, so that no core is left alone with the longest one
SLOW = ("sequential_persistence", "time_to_target", "ranking", "atlas")
# of all figures in the folder: gone before the first figure is written, made after the last
SUMMARIES = ("summary.md", INDEX)

HEADING = """# Reproduction

Made by `erasurehead reproduce`. Under each picture: what is shown, how to read it, and the numbers
behind it, all computed from the Parquet file of the same name. The quick version is meant for a
laptop; `--full` has {full} times the replications, and the public data sets whose files are given.
"""


def make_figures(
    names: Sequence[str], asked: ReproduceRequest, progress: Progress = tell_nobody
) -> Path:
    """Make figures (all of them when none is named); returns the path of ``index.html``.
    Raises ConfigError: an unknown figure, field or format; nothing has been written."""
    csv_wanted(asked.tables)
    style.check_formats(asked.format_.split(","))
    output, changes = asked.output, asked.set_ or []
    if changes and not names:
        raise ConfigError("--set: name the figures that it is for (see: erasurehead list figures)")
    for name in names:
        if name not in FIGURES:
            raise at("figure", name, one_of(FIGURES, name))
    slow_first = dict.fromkeys((*SLOW, *FIGURES))
    wanted = [figure_with(name, changes) for name in slow_first if not names or name in names]

    def figures_done(done: float) -> None:
        progress(done, len(wanted))

    figures_done(0)
    with output_folder(output, SUMMARIES):
        with open_lanes(asked.jobs or 1) as lanes:
            task = partial(make, Effort(0, asked.full, asked.data_dir), asked)
            for made, result in map_unordered(task, wanted, lanes, figures_done):
                if isinstance(result, Died):
                    raise ConfigError(f"figure {made.name}: {result.reason}")
        write_bytes(output / SUMMARIES[0], _summary(output).encode())
        write_bytes(output / INDEX, as_html(read_reproduction(output)).encode())
    return output / INDEX


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
    ends = ("md", "csv", "parquet", *style.FORMATS)
    words, text, data, *_ = files = [output / f"{figure.name}.{end}" for end in ends]
    remove([output / name for name in SUMMARIES] + files)
    with all_or_none(files):
        write_table(data, frame, facts_of(asked.set_ or [], asked.full))
        if csv_wanted(asked.tables):
            write_bytes(text, frame.to_csv(index=False).encode())
        kept = pd.read_parquet(data)
        drawn = paint.figure(figure.picture(kept))
        style.save(drawn, output / figure.name, asked.format_.split(","))
        write_bytes(words, figure.text(kept).encode())


def _summary(output: Path) -> str:
    parts = [HEADING.format(full=FULL)]
    for name in FIGURES:
        if (text := output / f"{name}.md").is_file():
            title = figure_named(name).title
            kind = next((k for k in style.FORMATS if (output / f"{name}.{k}").is_file()), "png")
            image = f"{'' if kind == 'pdf' else '!'}[{title}]({name}.{kind})"
            parts.append(f"## {title}\n\n{image}\n\n{text.read_text(encoding='utf-8')}")
    return "\n".join(parts)
