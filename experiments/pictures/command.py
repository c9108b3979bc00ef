"""``erasurehead plot``: every kind of picture that a run's records support."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..config.errors import ConfigError, at, one_of
from ..run.files import locked
from ..run.outputs import note_drawn
from . import paint, style
from .kinds import KINDS, ranked
from .kinds.times import AgainstKind
from .records import read_records


def write_pictures(
    directory: Path,
    kind: str | None = None,
    formats: Sequence[str] = ("png", "svg"),
    progress: Callable[[int, int], None] = lambda done, total: None,
    x: str | None = None,
    y: str | None = None,
) -> tuple[list[Path], list[str]]:
    """Draw one kind, or all that can be drawn, under ``directory/plots``.

    Args:
        directory: the output of a run or sweep.
        kind: which; all for ``None``.
        formats: some of ``style.FORMATS``.
        progress: called with pictures done and pictures in all.
        x, y: of the kind ``against``: a swept key, and a column of the summary.

    Returns:
        The files written, and for each kind that was left out a line that says why.

    Raises:
        ConfigError: no records, an unknown kind or format, or a kind that these records cannot
            give.
    """
    if kind is not None and kind not in KINDS:
        raise at("--kind", kind, one_of(KINDS, kind))
    against = AgainstKind(x or "", y or "")
    if against.file != against.name and kind not in (None, against.name):
        raise at("--kind", kind, f"has axes of its own: --x and --y are for {against.name}")
    kind = against.name if against.file != against.name else kind
    style.check_formats(formats)
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    with locked(directory):  # no run may clear the folder while pictures of its tables are made
        records = read_records(directory)
        wanted = {each.name: each for each in ranked() if kind in (None, each.name)}
        if against.name in wanted:
            wanted[against.name] = against
        obstacles = {name: reason for name, k in wanted.items() if (reason := k.obstacle(records))}
        if len(obstacles) == len(wanted):
            name, reason = next(iter(obstacles.items()))
            raise ConfigError(f"{directory}: {name} cannot be drawn: {reason}")
        drawn = {name: chosen for name, chosen in wanted.items() if name not in obstacles}
        written: list[Path] = []
        progress(0, len(drawn))
        for done, chosen in enumerate(drawn.values(), start=1):
            written += style.save(
                paint.figure(chosen.picture(records)), directory / "plots" / chosen.file, formats
            )
            progress(done, len(drawn))
        note_drawn(directory, written)
    return written, [f"{name} left out: {reason}" for name, reason in obstacles.items()]
