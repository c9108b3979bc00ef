"""``erasurehead reproduce``: compute figures, write picture, data and text of each, and say what a
folder of them shows.

Each figure leaves ``<figure>.parquet``, the pictures that are drawn from that file alone, and
``<figure>.md``; ``summary.md``, ``claims.json`` and ``index.html`` are of all figures in the
directory. So a figure can be made anew without the others. The paper's claims stand first, then all
other figures, folded; page, summary and terminal read the tables in the folder, and the verdicts
made from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ...sim.base.errors import ConfigError, InvalidParameter, at, one_of
from ...sim.base.numerics import one_thread
from ...sim.base.tables import csv_of
from ...sim.base.types import FloatArray
from ...sim.training.problems.datasets.brought import DATA_VARIABLE
from ..checks.verify.command import FALSE_ALARM_CHANCE
from ..checks.verify.compare import bound
from ..config.cells import resolved
from ..config.document import read_mapping, write_yaml
from ..config.schema import first_sentence
from ..options import csv_wanted
from ..page.content import Answer, CommandLine, Page, Section, Table, capped
from ..page.folder import as_markdown, table_at
from ..pictures import paint, style
from ..pictures.picture import Chart
from ..run.files import all_or_none, output_folder, remove, write_bytes, write_table
from ..run.outputs import CONFIG, INDEX, ITERATIONS, warnings_of_live
from ..run.pools import Died, Share, map_unordered, open_pool, tell_nobody
from ..text import TableCell, interval, number_of, sentence
from . import FIGURES, changes_in, facts_of, figure_with, line_of
from .base import Effort, Figure, estimate_columns, rows_at, z_scores
from .claims import (
    CLAIM_FIGURES,
    LIVE_COLUMNS,
    LIVE_TABLE,
    Claim,
    ClaimVerdict,
    Judgement,
    verdicts,
)
from .figures.loss_time import AUTHORS, LIVE_CONFIG, LIVE_DATASET
from .figures.waiting import settled
from .reference import DATA_FILE, data_record
from .request import ReproduceRequest

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
    from ..page.html import as_html  # here, since a page of the folder needs no template

    output, changes = asked.output, asked.set_ or []
    if asked.only_paper:
        if names:
            raise ConfigError("--only-paper: names the figures itself; leave them out")
        names = CLAIM_FIGURES
    if asked.data_dir is not None and names and "loss_time_real" not in names:
        valid = "has no effect: of these figures none reads data; name loss_time_real, too"
        raise at("--data-dir", str(asked.data_dir), valid)
    if changes and not names:
        raise ConfigError("--set: name the figures that it is for (see: erasurehead list figures)")
    for name in names:
        if name not in FIGURES:
            raise at("figure", name, one_of(FIGURES, name))
    # so that no core is left alone with the longest one
    longest = ("time_to_target", "ranking", "atlas")
    in_order = dict.fromkeys((*longest, *FIGURES))
    if not names or asked.only_paper:
        given = asked.data_dir is not None or bool(os.environ.get(DATA_VARIABLE))
        names = [name for name in names or FIGURES if given or name != "loss_time_real"]
    wanted = [figure_with(name, changes) for name in in_order if name in names]

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
        plain = [claim.as_plain(verdict) for claim, verdict in claims]
        texts = summary_of(output, page), json.dumps(plain, indent=1) + "\n", as_html(page)
        for name, text in zip(SUMMARY_FILES, texts, strict=True):
            write_bytes(output / name, text.encode())
        if (record := data_record(output)) is not None:
            write_bytes(output / DATA_FILE, record.encode())
    return output / INDEX, claim_lines(claims)


def make(
    effort: Effort, asked: ReproduceRequest, figure: Figure, share: Share | None = None
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
    remove([output / name for name in (*SUMMARY_FILES, DATA_FILE)] + files)
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


ORIGINS = (
    (
        "the paper's",
        "the claims, in the words of its abstract (arXiv 1901.09671); from its authors' public "
        "program: the schemes, the delays and the accelerated rule",
    ),
    (
        "our own",
        "the formulas behind lines and bounds, the load laws, the seconds of work, and the data "
        "sets, unless the files of those of the authors' program are given (--data-dir FOLDER)",
    ),
    ("unknown", "the figures and constants of the paper's body: nothing is compared with them"),
)


@dataclass(frozen=True)
class Kept:
    """A figure that a folder holds."""

    figure: Figure  # as it was made
    frame: pd.DataFrame  # its table
    line: str  # the command that made it


def kept_figures(directory: Path) -> dict[str, Kept]:
    """The figures of a folder, by name. Raises ConfigError: a table cannot be read, or none is."""
    figures = {}
    for name in FIGURES:
        file = directory / f"{name}.parquet"
        if (directory / f"{name}.md").is_file() and file.is_file():
            changes, full = changes_in(file)
            line = line_of(name, changes, full)
            figures[name] = Kept(figure_with(name, changes), table_at(file, ()), line)
    if not figures:
        raise ConfigError(f"{directory}: holds no figure; run: erasurehead reproduce")
    return figures


def judged_claims(directory: Path, kept: Mapping[str, Kept]) -> list[tuple[Claim, ClaimVerdict]]:
    """The claims whose tables are there, with their verdicts.
    Raises ConfigError: a table is not what this version writes."""
    frames = {name: figure.frame for name, figure in kept.items()}
    try:
        if (live := _live(directory, frames)) is not None:
            frames[LIVE_TABLE] = live
        return verdicts(frames)
    except (KeyError, ValueError, IndexError, TypeError, AttributeError):
        raise ConfigError(_not_ours(directory)) from None


def _not_ours(path: Path) -> str:
    return f"{path}: is not what this version writes; run the same command again"


def _live(directory: Path, frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame | None:
    """Rounds of ``live`` of the config in the folder beside the same rounds of the simulator: a row
    per scheme, seconds. ``None`` where it was not run, or of another config."""
    wanted = directory / LIVE_CONFIG
    found, file = (directory / LIVE_TABLE / name for name in (CONFIG, ITERATIONS))
    if not (wanted.is_file() and found.is_file() and file.is_file() and "loss_time" in frames):
        return None
    if read_mapping(found) != resolved(read_mapping(wanted)):
        return None
    live = table_at(file, ("scheme", "iteration", "iteration_time"))
    stream = rows_at(frames["loss_time"], dataset=LIVE_DATASET, delays=AUTHORS)
    rows = []
    for scheme, own in live[live["iteration"] > 0].groupby("scheme", sort=False):
        last = rows_at(stream, scheme=scheme, iteration=own["iteration"].max())
        row = estimate_columns(own["iteration_time"].to_numpy(), *LIVE_COLUMNS)
        seconds = float(last["time"].iloc[0]) / len(own)
        rows.append({"scheme": scheme, "rounds": len(own), "simulated": seconds, **row})
    return pd.DataFrame(rows)


def claim_lines(claims: Sequence[tuple[Claim, ClaimVerdict]]) -> list[str]:
    """The claims for the terminal: each with its verdict, the paper's words, and ours."""
    lines = []
    for claim, verdict in claims:
        lines += [claim.heading(verdict), f'    paper: "{claim.quote}"']
        lines += [f"    {text}" for text in claim.sentences(verdict)]
    return lines


def summary_of(directory: Path, page: Page) -> str:
    """``summary.md``: the page, with the pictures that lie beside it."""
    kinds = [kind for kind in style.PICTURE_FORMATS if kind != "pdf"]
    files = [f"{name}.{kind}" for name in FIGURES for kind in reversed(kinds)]
    there = [file for file in files if (directory / file).is_file()]
    return as_markdown(page, {f"{Path(file).stem}-picture": file for file in there})


def read_reproduction(directory: Path) -> Page:
    """The page of a folder that ``reproduce`` has written; of the figures that are in it.
    Raises ConfigError: it holds none, or one that cannot be read."""
    kept = kept_figures(directory)
    claims, drawn = judged_claims(directory, kept), dict[str, Section]()
    for name, figure in kept.items():
        try:
            drawn[name] = figure_section(figure)
        except (KeyError, ValueError, IndexError, TypeError, AttributeError):
            raise ConfigError(_not_ours(directory / f"{name}.parquet")) from None
    sections, first = list[Section](), {claim.figures[0] for claim, _ in claims}
    for claim, verdict in claims:
        name, *others = (name for name in claim.figures if name in drawn)
        more = [drawn.pop(other) for other in others if other not in first]
        sections.append(_claimed(claim, verdict, name, drawn.pop(name), more))
    if drawn and claims:
        sections.append(Section("beyond", "Beyond the paper", [], "", None, [*drawn.values()]))
    elif drawn:
        sections += drawn.values()
    frames = {name: figure.frame for name, figure in kept.items()}
    why = [" ".join([f"{c.heading(v)}.", *map(sentence, v.exceptions)]) for c, v in claims]
    longer = f"More replications: `erasurehead reproduce {' '.join(kept)} --full`."
    live = f"Real workers beside (d), in this folder: `erasurehead live {LIVE_CONFIG} --output "
    answer = Answer(
        "reproduce",
        "ErasureHead's claims, one by one" if claims else "figures and their numbers",
        _verdict(claims, frames),
        (*why, *agreement(frames)),
        (
            "On the authors' data sets: `erasurehead reproduce --data-dir FOLDER`.",
            f"{live}{LIVE_TABLE}`, then `erasurehead report .`.",
            "Another cluster in a figure: `erasurehead reproduce iteration_time_workers --set "
            "load=2 --set delay=1.5`.",
        )
        if claims
        else (longer,),
        notes=tuple(f"{LIVE_TABLE}: {text}" for text in warnings_of_live(directory / LIVE_TABLE)),
    )
    missing = ", ".join(name for name in FIGURES if name not in frames)
    question = [*(ORIGINS if claims else ()), ("figures", f"{len(frames)} of {len(FIGURES)}")]
    question += [("not here", missing)] if missing else []
    commands = [CommandLine("Make all figures again:", "erasurehead reproduce")]
    commands += [CommandLine("The claims alone:", "erasurehead reproduce --only-paper")]
    rows = [(f"{name}.parquet", number_of(len(frame), "row")) for name, frame in frames.items()]
    leads = len(claims) or 1
    return Page(answer, question, sections, rows, commands=commands, leads=leads)


def distances(frame: pd.DataFrame) -> FloatArray:
    """How many standard errors each simulated point is from its closed form, ``(P,)``."""
    expected = next((name for name in ("theory", "integrated") if name in frame), None)
    if expected is None:
        return np.empty(0)
    if "waits_theory" in frame:
        frame = settled(frame)
    # an error that never varies has rounding alone
    varies = frame["standard_error"] > 1e-9 * frame[expected].abs()
    return z_scores(frame[varies], expected).to_numpy(dtype=float)


def _verdict(
    claims: Sequence[tuple[Claim, ClaimVerdict]], frames: Mapping[str, pd.DataFrame]
) -> str:
    """How many claims there are of each code; without any, how many figures."""
    verbs = {Judgement.HOLDS: "hold", Judgement.PARTLY: "hold in part", Judgement.FAILS: "fail"}
    phrases = []
    for code in Judgement:
        letters = [f"({claim.letter})" for claim, verdict in claims if verdict.code is code]
        verb = str(code) if len(letters) == 1 else verbs.get(code, "are not decided")
        phrases += [f"{' and '.join(letters)} {verb}"] if letters else []
    stated = [f"({claim.letter})" for claim, verdict in claims if verdict.code is None]
    phrases += [f"{' and '.join(stated)} is a curve and not a verdict"] if stated else []
    if not phrases:
        return f"{number_of(len(frames), 'figure')}, each with its numbers and its command."
    return f"Of the claims of the paper's abstract, {', '.join(phrases)}."


def agreement(frames: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Simulated means against closed forms, all figures together."""
    far = {name: z for name, frame in frames.items() if len(z := distances(frame))}
    if far:
        z, worst = np.concatenate([*far.values()]), max(far, key=lambda name: far[name].max())
        most = bound(len(z), FALSE_ALARM_CHANCE)
        yield (
            f"Simulator and closed forms {'agree' if z.max() <= most else 'do NOT agree'}: the "
            f"farthest of {number_of(len(z), 'point')} ({worst}) is {z.max():.1f} standard errors "
            f"away, where chance allows {most:.1f}."
        )


def _claimed(
    claim: Claim, verdict: ClaimVerdict, name: str, figure: Section, more: Sequence[Section]
) -> Section:
    """The section of a claim: its picture is the figure's, whose words and tables are folded."""
    rows = [
        [
            TableCell(finding.what),
            TableCell(", ".join(_setting(*item) for item in finding.where.items())),
            interval(*finding.interval),
            TableCell(f"{'above' if finding.above else 'below'} {finding.limit:g}"),
            TableCell(str(finding.code)),
        ]
        for finding in verdict.findings
    ]
    ident, file = f"claim-{claim.letter}", f"{name}.parquet"
    columns = ["what", "setting", "number (95 % interval)", "claimed", "verdict"]
    table = capped(f"{ident}-table", "What the verdict rests on", columns, rows, file, keys=2)
    chart, *tables = figure.parts
    numbers = "How it was computed, and all numbers"
    rests_on = [table] if rows else []
    folded = Section(f"{ident}-numbers", numbers, [*rests_on, *tables], figure.words)
    words = "\n".join([f"The paper: “{claim.quote}”.", *claim.sentences(verdict)])
    return Section(ident, claim.heading(verdict), [chart], words, figure.command, [folded, *more])


def _setting(key: str, value: str | float) -> str:
    if isinstance(value, str):
        return f"against {value}" if key == "over" else value
    return f"{key} = {value:g}"


def figure_section(kept: Kept) -> Section:
    """The section of a figure: its picture, its words, and its tables with what leads to each."""
    figure, words, tables = kept.figure, list[str](), list[Table]()
    name = figure.name
    paragraphs = list[str]()  # since the last table
    for item in figure.words(kept.frame):
        if isinstance(item, str):
            paragraphs += [text.replace("**", "") for text in item.split("\n\n")]
            continue
        # what leads to a table stands above it; all else is under the picture's title
        leads = paragraphs[-1:] if tables or len(paragraphs) > 1 else []
        words += paragraphs[: len(paragraphs) - len(leads)]
        paragraphs = []
        body = [[_cell(cell, i >= item.names) for i, cell in enumerate(row)] for row in item.rows]
        ident, file = f"{name}-table-{len(tables) + 1}", f"{name}.parquet"
        note = " ".join(leads)
        tables.append(capped(ident, "", item.header, body, file, note, keys=item.names))
    words += paragraphs
    title = first_sentence(figure).rstrip(".")
    chart = Chart(f"{name}-picture", title, "", figure.picture(kept.frame))
    command = CommandLine("Make it again:", kept.line)
    return Section(name, figure.title, [chart, *tables], "\n".join(words), command)


def _cell(cell: str, numeric: bool) -> TableCell:
    plain = cell.replace("**", "")
    number = re.match(r"[-+−]?\d[\d,]*\.?\d*(e[-+]?\d+)?", plain) if numeric else None
    return TableCell(plain, float(number[0].replace(",", "").replace("−", "-")) if number else None)
