"""``erasurehead reproduce``: compute figures, and write picture, data and text of each.

Each figure leaves ``<figure>.parquet``, the pictures that are drawn from that file alone, and
``<figure>.md``; ``summary.md`` joins the texts of all figures in the directory, and ``index.html``
has them with pictures that can be read. So a figure can be made anew without the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ...sim.errors import InvalidParameter
from ...sim.numerics import one_thread
from ...sim.types import FloatArray
from ..config.errors import ConfigError, at, one_of
from ..config.schema import first_sentence
from ..options import ReproduceRequest, csv_wanted
from ..page.answer import Answer, table_at
from ..page.content import Chart, Command, Page, Section, Table, capped
from ..page.html import as_html
from ..pictures import paint, style
from ..run.files import all_or_none, output_folder, remove, write_bytes, write_table
from ..run.lanes import Died, Share, map_unordered, open_lanes, tell_nobody
from ..run.outputs import INDEX
from ..text import TableCell, number_of, sentence
from ..verify.compare import bound
from ..verify.table import CHANCE
from . import FIGURES, changes_in, facts_of, figure_named, figure_with, line_of
from .base import FULL, Effort, PaperFigure, rows_of
from .decoding_error_arrivals import LEAST_ROUNDS, ROUNDING

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


NUMBER = re.compile(r"[-+−]?\d[\d,]*\.?\d*(e[-+]?\d+)?")


def read_reproduction(directory: Path) -> Page:
    """The page of a folder that ``reproduce`` has written; of the figures that are in it.
    Raises ConfigError: it holds none, or one that cannot be read."""
    sections, frames = list[Section](), dict[str, pd.DataFrame]()
    for name in FIGURES:
        file = directory / f"{name}.parquet"
        if (directory / f"{name}.md").is_file() and file.is_file():
            frames[name] = table_at(file, ())
            changes, full = changes_in(file)
            line = line_of(name, changes, full)
            try:
                sections.append(_section(figure_with(name, changes), frames[name], line))
            except (KeyError, ValueError, IndexError, TypeError, AttributeError):
                wrong = f"{file}: is not what this version writes; run the same command again"
                raise ConfigError(wrong) from None
    if not sections:
        raise ConfigError(f"{directory}: holds no figure; run: erasurehead reproduce")
    agreement = (
        f"{name}: the farthest of {number_of(len(z), 'point')} from its closed form is "
        f"{z.max():.1f} standard errors away."
        for name, frame in frames.items()
        if len(z := distances(frame))
    )
    answer = Answer(
        "reproduce",
        "the delay analysis and the comparison, figure by figure",
        _verdict(frames),
        tuple(agreement),
        (
            "More replications, and the public data sets: `erasurehead reproduce --full`.",
            "Simulator and closed forms, scheme by scheme: `erasurehead verify`.",
            "Another cluster in a figure: `erasurehead reproduce iteration_time_workers --set "
            "load=2 --set delay=1.5`.",
        ),
    )
    missing = ", ".join(name for name in FIGURES if name not in frames)
    question = [("figures", f"{len(frames)} of {len(FIGURES)}")]
    question += [("not here", missing)] if missing else []
    again = [Command("Make all figures again:", "erasurehead reproduce")]
    rows = [(f"{name}.parquet", number_of(len(frame), "row")) for name, frame in frames.items()]
    return Page(answer, question, sections, rows, commands=again)


def distances(frame: pd.DataFrame) -> FloatArray:
    """How many standard errors each simulated point is from its closed form, ``(P,)``."""
    expected = next((name for name in ("theory", "integrated") if name in frame), None)
    if expected is None:
        return np.empty(0)
    if "rounds_with_error" in frame:
        frame = frame[frame["rounds_with_error"] >= LEAST_ROUNDS]
    simulated, theory, error = frame[["simulated", expected, "standard_error"]].to_numpy(float).T
    varies = error > ROUNDING * np.abs(theory)  # an error that never varies has rounding alone
    return np.asarray(np.abs(simulated - theory)[varies] / error[varies])


def _verdict(frames: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    z = np.concatenate([np.empty(0), *map(distances, frames.values())])
    if len(z):
        most = bound(len(z), CHANCE)
        verb = "agree" if z.max() <= most else "do NOT agree"
        parts.append(
            f"simulator and closed forms {verb}: the farthest of {number_of(len(z), 'point')} is "
            f"{z.max():.1f} standard errors away, where chance allows {most:.1f}"
        )
    if "speedup" in frames:
        ratios = rows_of(frames["speedup"], scheme="uncoded")["speedup"]
        parts.append(
            f"ErasureHead reaches the target loss {ratios.min():.2g} to {ratios.max():.2g} times "
            "as fast as uncoded: it depends on load, load law and work"
        )
    alone = f"{number_of(len(frames), 'figure')}, each with its numbers and its command"
    return " ".join(map(sentence, parts or [alone]))


def _section(figure: PaperFigure, frame: pd.DataFrame, line: str) -> Section:
    name, words, tables = figure.name, list[str](), list[Table]()
    for paragraphs, rows in _blocks(figure.text(frame)):
        # what leads to a table stands above it; all else is under the picture's title
        leads = paragraphs[-1:] if rows and paragraphs and (tables or len(paragraphs) > 1) else []
        words += paragraphs[: len(paragraphs) - len(leads)]
        if rows:
            names = rows[1].count("---")
            body = [[_cell(text, i >= names) for i, text in enumerate(row)] for row in rows[2:]]
            ident, file = f"{name}-table-{len(tables) + 1}", f"{name}.parquet"
            tables.append(capped(ident, "", rows[0], body, file, " ".join(leads), keys=names))
    chart = Chart(f"{name}-picture", first_sentence(figure).rstrip("."), "", figure.picture(frame))
    command = Command("Make it again:", line)
    return Section(name, figure.title, [chart, *tables], "\n".join(words), command)


def _blocks(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """The paragraphs that stand before each table of a Markdown text, and its cells by rows."""
    paragraphs = list[str]()
    for block in re.split(r"\n\s*\n", text.strip()):
        if block.startswith("|"):
            lines = (line.strip("|").split("|") for line in block.split("\n"))
            yield paragraphs, [[*map(str.strip, cells)] for cells in lines]
            paragraphs = []
        else:
            paragraphs.append(" ".join(block.replace("**", "").split()))
    if paragraphs:
        yield paragraphs, []


def _cell(text: str, numeric: bool) -> TableCell:
    plain = text.replace("**", "")
    found = NUMBER.match(plain) if numeric else None
    return TableCell(plain, float(found[0].replace(",", "").replace("−", "-")) if found else None)
