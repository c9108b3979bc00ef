"""Debian's Chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.experiments.run.commands import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

NAMES = ("chromium", "chromium-browser", "google-chrome")


def program() -> str:
    """Where Chromium is: ``$CHROMIUM``, or on the path."""
    given = os.environ.get("CHROMIUM")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if not found or not os.access(found, os.X_OK):
        pytest.fail(
            "no Chromium: apt-get install chromium, or name it with CHROMIUM=/path/to/chromium",
            pytrace=False,
        )
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """A headless browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.fail("no playwright: pip install -r requirements-dev.txt", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), args=[*ARGUMENTS], timeout=1000 * PATIENCE
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str, width: int = 1440, **how: Any) -> Iterator[Page]:
    """A page in a window of its own; at its end, nothing may have gone wrong in it.

    Args:
        browser: the browser.
        address: of the page.
        width: of the window.
        how: what playwright's ``new_context`` takes besides.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, **how)
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda line: faults.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address, wait_until="load")
    yield page
    assert faults == []
    place = address.split("/", 3)
    assert [url for url in asked if not url.startswith("/".join(place[:3]))] == []
    if address.startswith("file:"):
        assert asked == [address]
    context.close()
