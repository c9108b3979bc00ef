"""What tests share: one browser, one page of each kind; and how often garbage is looked for."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from erasurehead.experiments.commands.table import result_kinds
from erasurehead.experiments.reports.report.command import write_report
from tests.experiments.browser.chromium import started
from tests.experiments.reports.results import MADE, make_sweep

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def pytest_configure() -> None:
    """A young collection is cheap, and 70 times as rare. What commands print is as wide with
    several processes, whose terminals have 80 columns, as with one."""
    gc.set_threshold(50_000, 20, 100)
    os.environ["COLUMNS"] = "80"
    os.environ["no_proxy"] = "*"  # pages of this machine are asked of nobody else


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test with the mark ``one_in(k)``, each case that is no k-th one is slow."""
    seen = Counter[str]()
    for item in items:
        if mark := item.get_closest_marker("one_in"):
            name = item.nodeid.partition("[")[0]
            if seen[name] % mark.args[0]:
                item.add_marker("slow")
            seen[name] += 1


def pytest_collection_finish() -> None:
    """Tests and libraries stay until the end, so nobody looks through them for garbage again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that commands take for what they need for a while; a short path, unlike that of a
    test, since where it is long the address of a socket goes elsewhere."""
    with TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with started() as found:
        yield found


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind of result, with its page."""
    found = {}
    for name, make in MADE.items():
        found[name] = make(tmp_path_factory.mktemp(name))
        write_report(found[name], result_kinds())
    return found


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of 60 cells: 3 schemes at 20 points, with losses."""
    values = ("delay.rate=0.5,1,2,4,8", "workers=6,12", "policy=cancel,queue")
    out = make_sweep(tmp_path_factory.mktemp("large"), *values, losses=True)
    write_report(out, result_kinds())
    return out
