"""``report`` finds out what a folder holds and writes its page; ``plot`` draws what a run found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ....sim.base.errors import ConfigError, at, one_of
from ....sim.base.looking import looking
from ...options import REPORTED
from ...page.content import Page
from ...pictures.kinds import PICTURE_KINDS, kinds_by_rank
from ...pictures.kinds.times import AgainstKind
from ...run import files, outputs
from ...run.reader import read_records


@dataclass(frozen=True)
class ResultKind:
    """What some command leaves in a folder, and how its page is read from there."""

    names: Sequence[str]  # files, of which one at least is there
    read: Callable[..., Page]  # ``(directory)``, and where it has points ``(directory, where)``
    page: str = files.REPORT_FILE  # name of the page's file
    has_points: bool = False  # whether ``--where`` chooses some of its points


def kind_of(directory: Path, kinds: Mapping[str, ResultKind]) -> ResultKind:
    """The first kind of which a folder holds a file. Raises ConfigError: there is no such folder,
    or no result in it."""
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    for kind in kinds.values():
        if any((directory / name).exists() for name in kind.names):
            return kind
    raise ConfigError(f"{directory}: holds no result; must be the output of {REPORTED}")


def read_where(given: Sequence[str] | None) -> dict[str, list[str]]:
    """``KEY=VALUE[,VALUE]``, the values by key. Raises ConfigError: it is not that."""
    where: dict[str, list[str]] = {}
    for text in given or ():
        key, equals, values = text.partition("=")
        if not (key and equals and values):
            raise at("--where", text, "must be KEY=VALUE, such as delay.rate=2 or workers=12,24")
        where[key] = values.split(",")
    return where


@looking()
def write_report(
    directory: Path,
    kinds: Mapping[str, ResultKind],
    output: Path | None = None,
    where: Sequence[str] | None = None,
) -> Path:
    """Write the page of a result, in its folder by default; of a run that of the part whose swept
    keys have the values of ``where``. ``kinds`` are the results that have a page. The same result
    has the same bytes. Raises ConfigError: the folder holds no whole result, or it cannot be
    written."""
    from ...page.html import as_html  # here, since a picture needs no template

    kind = kind_of(directory, kinds)
    chosen = read_where(where)
    if chosen and not kind.has_points:
        raise at("--where", [*(where or ())], "is for the output of run, sweep and live")
    file = directory / kind.page if output is None else output
    if file.is_dir():
        file = file / kind.page
    with files.locked(directory):  # no run may clear the folder while its tables are read
        files.require_replaceable(file)
        page = as_html(kind.read(directory, chosen) if chosen else kind.read(directory))
        files.write_bytes(file, page.encode("utf-8", "backslashreplace"))
    return file


@dataclass(frozen=True)
class ForPaper:
    """What a picture of a paper is, where it is not as on a screen."""

    width: str = ""  # of the place: ``3.4in``, ``8.6cm``; empty for a screen's
    title: str = ""  # above all panels; empty for what the picture says itself
    labels: str = ""  # names for the schemes, in their order, with commas

    @property
    def names(self) -> list[str]:
        """Those of ``labels``."""
        return [name.strip() for name in self.labels.split(",")] if self.labels else []

    @property
    def inches(self) -> float | None:
        """The width. Raises ConfigError: it is no length from 1.5 to 40 inches."""
        if not self.width:
            return None
        known = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(in|cm|mm)?\s*", self.width)
        inches = float(known[1]) / {"cm": 2.54, "mm": 25.4}.get(known[2], 1.0) if known else 0.0
        if not 1.5 <= inches <= 40:
            raise at("--width", self.width, "must be a length such as 3.4in or 86mm, 1.5 to 40 in")
        return inches


@looking()
def write_pictures(
    directory: Path,
    kind: str | None = None,
    formats: Sequence[str] = ("png", "svg"),
    progress: Callable[[int, int], None] = lambda done, total: None,
    x: str | None = None,
    y: str | None = None,
    printed: ForPaper = ForPaper(),
    where: Sequence[str] | None = None,
) -> tuple[list[Path], list[str]]:
    """Draw one kind, or for ``None`` all that can be drawn, under ``directory/plots``.

    ``x`` and ``y`` are of the kind ``against``: a swept key, and a column of the summary;
    ``printed`` is how a picture stands in a paper, ``where`` the values of swept keys that are
    drawn. Returns the files written, and for each kind that was left out a line that says why.
    Raises ConfigError: no records, an unknown kind or format, or one that these cannot give."""
    from ...pictures import paint, style  # here, since a page needs no matplotlib

    if kind is not None and kind not in PICTURE_KINDS:
        raise at("--kind", kind, one_of(PICTURE_KINDS, kind))
    against = AgainstKind(x or "", y or "")
    if against.file != against.name and kind not in (None, against.name):
        raise at("--kind", kind, f"has axes of its own: --x and --y are for {against.name}")
    kind = against.name if against.file != against.name else kind
    style.check_formats(formats)
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    with files.locked(directory):  # no run may clear the folder while its tables are read
        records = read_records(directory)
        records = records.part(part) if (part := read_where(where)) else records
        records = records.named(printed.names) if printed.names else records
        kinds = (against if known.name == against.name else known for known in kinds_by_rank())
        wanted = {known.name: known for known in kinds if kind in (None, known.name)}
        obstacles = {name: reason for name, k in wanted.items() if (reason := k.obstacle(records))}
        if len(obstacles) == len(wanted):
            name, reason = next(iter(obstacles.items()))
            raise ConfigError(f"{directory}: {name} cannot be drawn: {reason}")
        drawn = {name: chosen for name, chosen in wanted.items() if name not in obstacles}
        written: list[Path] = []
        progress(0, len(drawn))
        for done, chosen in enumerate(drawn.values(), start=1):
            picture = chosen.picture(records)
            picture = replace(picture, heading=printed.title or picture.heading)
            width = printed.inches
            figure = paint.printed(picture, width) if width else paint.figure(picture)
            written += style.save(figure, directory / "plots" / chosen.file, formats)
            progress(done, len(drawn))
        outputs.note_drawn(directory, written)
    return written, [f"{name} left out: {reason}" for name, reason in obstacles.items()]
