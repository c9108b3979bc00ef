"""``erasurehead report``: finds out what a folder holds, and writes the page."""

from __future__ import annotations

from pathlib import Path

from ..config.errors import ConfigError
from ..page.html import as_html
from ..run import files
from ..run.files import locked
from ..run.outputs import REPORT
from .kinds import KINDS
from .kinds.base import ReportKind


def kind_of(directory: Path) -> ReportKind:
    """Which kind of result a folder holds.

    Raises:
        ConfigError: none, or there is no such folder.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    for kind in KINDS.values():
        if kind.holds(directory):
            return kind
    commands = ", ".join(KINDS)
    raise ConfigError(f"{directory}: holds no result; must be the output of {commands}")


def write_report(directory: Path, output: Path | None = None) -> Path:
    """Write the page; the same result gives the same bytes.

    Args:
        directory: the output of a command.
        output: the file; default ``report.html`` in the folder.

    Raises:
        ConfigError: the folder holds no whole result, or the file cannot be written.
    """
    kind = kind_of(directory)
    file = directory / REPORT if output is None else output
    if file.is_dir():
        file = file / REPORT
    with locked(directory):  # no run may clear the folder while its tables are read
        files.require_replaceable(file)
        page = as_html(kind.read(directory))
        files.write_bytes(file, page.encode("utf-8", "backslashreplace"))
    return file
