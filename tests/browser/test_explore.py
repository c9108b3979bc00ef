"""The page with sliders in Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.chromium import opened
from tests.tools import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

MOST_MILLISECONDS = 300


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    """``erasurehead explore``, which ends cleanly with Ctrl-C."""
    command = [sys.executable, "-m", "experiments", "explore", "--no-browser"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        yield started
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=30)
        assert (started.returncode, out, err) == (0, "", "")


@pytest.fixture(scope="module")
def address(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    line = program.stdout.readline()
    return re.findall(r"^(http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)$", line)[0]


def drawn(page: Page) -> int:
    """How many times a change was drawn."""
    return int(page.locator("#shown").get_attribute("data-drawn") or 0)


def at_rest(page: Page) -> None:
    """Wait until closed forms are there, which come last."""
    page.locator("#shown[aria-busy=false]").wait_for()
    page.locator("#pictures table").wait_for()
    page.get_by_text("hollow: closed form").wait_for()


def test_pictures_follow_a_slider(browser: Browser, address: str) -> None:
    """The least of some times: the machine may have other work."""
    times = []
    with opened(browser, address) as page:
        at_rest(page)
        before = page.locator("#loss-time-1").inner_html()
        for _ in range(12):
            count = drawn(page)
            page.locator("#r").press("ArrowLeft")
            page.locator(f"#shown:not([data-drawn='{count}'])").wait_for()
            times.append(int(page.locator("#shown").get_attribute("data-took") or 9999))
        assert page.locator("#r-value").inner_text() == "3"
        assert page.locator("#loss-time-1").inner_html() != before
        page.locator("#config", has_text="wait_for: 3").wait_for(state="attached")
    print(f"slider to picture: {sorted(times)} ms")
    assert min(times) < MOST_MILLISECONDS


def test_a_setting_that_cannot_work_is_one_line(browser: Browser, address: str) -> None:
    """The pictures stay, fainter, and come back."""
    with opened(browser, address) as page:
        at_rest(page)
        page.locator("#d").fill("4")
        error = page.locator("#error")
        error.wait_for()
        assert "must divide workers = 30" in error.inner_text()
        assert page.locator("#loss-time-1").is_visible()
        page.get_by_role("button", name="Back to the start").click()
        error.wait_for(state="hidden")
        assert page.locator("#d-value").inner_text() == "3"


def test_values_are_read_and_schemes_hidden_after_a_change(browser: Browser, address: str) -> None:
    with opened(browser, address, 390, color_scheme="dark") as page:
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_role("button", name="uncoded").click()
        count = drawn(page)
        page.locator("#policy").select_option("queue")
        page.locator(f"#shown[aria-busy=false]:not([data-drawn='{count}'])").wait_for()
        button = page.get_by_role("button", name="uncoded")
        assert button.get_attribute("aria-pressed") == "false"
        key = button.get_attribute("data-key")
        assert page.locator(f'.mark[data-k="{key}"]:visible').count() == 0
        picture = page.locator("#loss-time-1")
        picture.focus()
        page.keyboard.press("ArrowLeft")
        said = page.locator("#said").inner_text()
        assert "ErasureHead" in said
        assert "uncoded" not in said


def test_the_keyboard_stays_where_it_was_while_pictures_are_drawn_anew(
    browser: Browser, address: str
) -> None:
    with opened(browser, address) as page:
        at_rest(page)
        for place in ("#loss-time-1", "#pictures .key >> nth=1"):
            here = page.locator(place)
            here.focus()
            count = drawn(page)
            page.evaluate("document.querySelector('#r').stepDown()")
            page.locator("#r").dispatch_event("input", {"bubbles": True})
            page.locator(f"#shown[aria-busy=false]:not([data-drawn='{count}'])").wait_for()
            assert here.evaluate("node => node === document.activeElement")
            assert page.locator("#said").inner_text() == "Drawn anew"
