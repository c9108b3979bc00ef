"""``index.html`` of a reproduction: each figure with its words, tables and command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..config.errors import ConfigError
from ..config.schema import first_sentence
from ..page.answer import Answer, table_at
from ..page.content import Chart, Command, Page, Section, Table, capped
from ..text import TableCell, number_of, sentence
from ..verify.compare import bound
from ..verify.table import CHANCE
from . import FIGURES, changes_in, figure_with, line_of
from .base import PaperFigure, rows_of
from .decoding_error_arrivals import LEAST_ROUNDS, ROUNDING

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
