"""``erasurehead report``: finds out what a folder holds, and writes its page."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..config.errors import ConfigError
from ..page.content import Page
from ..page.html import as_html
from ..run import files, outputs
from ..run.files import locked

PAGES = {
    "fit": (("fit.parquet",), "fit.page", "read_fit"),
    "whatif": (("whatif.parquet",), "whatif.page", "read_whatif"),
    "compare": (("comparison.csv",), "compare", "read_comparison"),
    "recommend": (("candidates.parquet",), "recommend.page", "read_recommendation"),
    "run": ((*outputs.FILES, "cells"), "report.page", "read_run"),
    "reproduce": (("summary.md",), "reproduce.page", "read_reproduction"),
}
"""Commands whose results have a page: files of which one is there, and the module and function
``(directory) -> Page`` that read them. The first that finds a file of its own makes the page.
"""


def reader_of(directory: Path) -> Callable[[Path], Page]:
    """What reads the result that a folder holds.

    Raises:
        ConfigError: there is no such folder, or no result in it.
    """
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such directory")
    for names, module, function in PAGES.values():
        if any((directory / name).exists() for name in names):
            # imported here, since a page needs the code of its own command and of no other
            code = import_module(f"...{module}", __name__)
            reader: Callable[[Path], Page] = getattr(code, function)
            return reader
    commands = ", ".join(PAGES)
    raise ConfigError(f"{directory}: holds no result; must be the output of {commands}")


def write_report(directory: Path, output: Path | None = None) -> Path:
    """Write the page, in the folder by default: ``report.html``, of a reproduction ``index.html``.

    The same result has the same bytes.

    Raises:
        ConfigError: the folder holds no whole result, or the file cannot be written.
    """
    read = reader_of(directory)
    name = outputs.INDEX if read.__name__ == PAGES["reproduce"][2] else outputs.REPORT
    file = directory / name if output is None else output
    if file.is_dir():
        file = file / name
    with locked(directory):  # no run may clear the folder while its tables are read
        files.require_replaceable(file)
        page = as_html(read(directory))
        files.write_bytes(file, page.encode("utf-8", "backslashreplace"))
    return file
