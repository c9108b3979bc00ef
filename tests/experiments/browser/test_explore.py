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

from erasurehead.experiments.pictures.svg.marks import MIN_CONTRAST, MIN_LIGHT_CONTRAST, contrast
from tests.experiments.browser.chromium import opened
from tests.experiments.run.commands import PATIENCE
from tests.tools import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# the colours of lines and of the page behind them, as #rrggbb
INKS = """lines => {
  const hex = ink => "#" + ink.match(/\\d+/g).slice(0, 3)
    .map(part => (+part).toString(16).padStart(2, "0")).join("");
  const paper = hex(getComputedStyle(document.body).backgroundColor);
  return lines.map(line => [hex(getComputedStyle(line).stroke), paper]);
}"""


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
        out, err = started.communicate(timeout=PATIENCE)
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
    with opened(browser, address) as page:
        at_rest(page)
        before = page.locator("#loss-time-1").inner_html()
        for _ in range(12):
            count = drawn(page)
            page.locator("#r").press("ArrowLeft")
            page.locator(f"#shown:not([data-drawn='{count}'])").wait_for()
            assert int(page.locator("#shown").get_attribute("data-took") or -1) >= 0
        assert page.locator("#r-value").inner_text() == "3"
        assert page.locator("#loss-time-1").inner_html() != before
        page.locator("#config", has_text="wait_for: 3").wait_for(state="attached")


def test_a_setting_that_cannot_work_is_one_line(browser: Browser, address: str) -> None:
    """The pictures stay, fainter, and come back."""
    with opened(browser, address) as page:
        at_rest(page)
        page.locator("#r").evaluate("node => node.max = 61")
        page.locator("#n").evaluate("node => node.max = 61")
        page.locator("#n").fill("61")
        error = page.locator("#error")
        error.wait_for()
        assert "must be a number from 4 to 60" in error.inner_text()
        assert page.locator("#loss-time-1").is_visible()
        page.get_by_role("button", name="Back to the start").click()
        error.wait_for(state="hidden")
        assert page.locator("#d-value").inner_text() == "3"
        page.locator("#n").fill("10")
        assert page.locator("#r-value").inner_text() == "10", "no more arrivals than workers"
        page.get_by_role("button", name="Back to the start").click()
        page.get_by_text("15", exact=True).and_(page.locator("#r-value")).wait_for()


def test_values_are_read_and_schemes_hidden_after_a_change(browser: Browser, address: str) -> None:
    with opened(browser, address, 390, color_scheme="dark") as page:
        at_rest(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        inks = page.locator("#loss-time .ln").evaluate_all(INKS)
        assert len(inks) == 5
        assert all(contrast(*pair) >= MIN_CONTRAST for pair in inks), inks
        rows = page.locator("#numbers tbody tr:visible")
        assert rows.count() == 5
        page.get_by_role("button", name="uncoded").click()
        assert rows.count() == 4
        count = drawn(page)
        page.locator("#policy").select_option("queue")
        page.locator(f"#shown[aria-busy=false]:not([data-drawn='{count}'])").wait_for()
        button = page.get_by_role("button", name="uncoded")
        assert button.get_attribute("aria-pressed") == "false"
        assert [row.inner_text().split("\t")[0] for row in rows.all()] == [
            "ignore stragglers", "fractional repetition", "cyclic MDS", "ErasureHead",
        ]  # fmt: skip
        key = button.get_attribute("data-key")
        assert page.locator(f'.mark[data-k="{key}"]:visible').count() == 0
        picture = page.locator("#loss-time-1")
        picture.focus()
        page.keyboard.press("ArrowLeft")
        said = page.locator("#said").inner_text()
        assert "ErasureHead" in said
        assert "uncoded" not in said
        button.click()
        assert rows.count() == 5


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


def test_the_load_snaps_to_what_divides_the_workers(browser: Browser, address: str) -> None:
    """No setting of both sliders makes the pictures grey."""
    with opened(browser, address) as page:
        for workers, load, snapped in (
            *((31, 6, 1), (30, 4, 5), (28, 3, 4)),
            *((60, 8, 10), (4, 10, 2)),
        ):
            page.reload()  # the load snaps onward from where it was
            at_rest(page)
            page.locator("#n").fill(str(workers))
            page.locator("#d").fill(str(load))
            page.locator("#shown[aria-busy=false]").wait_for()
            assert page.locator("#d-value").inner_text() == str(snapped)
            assert page.locator("#error").is_hidden()


def test_on_a_phone_a_slider_and_its_picture_are_in_view_together(
    browser: Browser, address: str
) -> None:
    with opened(browser, address, 390) as page:
        at_rest(page)
        assert lowest(page, "#loss-time, #time-error") <= 844, "both, at rest"
        for name in ("n", "tau", "rate"):
            page.locator(f"#{name}").scroll_into_view_if_needed()
            slider = page.locator(f"#{name}").bounding_box()
            picture = page.locator("#loss-time-1").bounding_box()
            assert slider is not None
            assert picture is not None
            assert picture["y"] >= 0
            assert picture["y"] + picture["height"] <= slider["y"], name
            assert slider["y"] + slider["height"] <= 900


def test_the_first_part_of_the_run_is_shown_and_a_projector_gets_large_type(
    browser: Browser, address: str
) -> None:
    sizes = []
    for query in ("", "?big"):
        with opened(browser, f"{address}{query}") as page:
            at_rest(page)
            label = page.locator("#loss-time-1 text").first
            sizes.append(label.evaluate("node => node.getBoundingClientRect().height"))
            narrow = page.locator("#loss-time-1").inner_html()
            page.locator("#view").select_option("whole")
            page.locator("#shown[aria-busy=false]").wait_for()
            assert page.locator("#loss-time-1").inner_html() != narrow
            assert page.evaluate("document.documentElement.scrollWidth") <= 1440
            page.set_viewport_size({"width": 1280, "height": 720})
            rows = page.locator(".rows")
            assert rows.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
            page.get_by_role("button", name="Zoom: Loss against time").click()
            below = page.locator("#loss-time-1").bounding_box()
            assert below is not None
            assert below["y"] + below["height"] <= 720, "the axis is in view"
    assert sizes[1] > 1.2 * sizes[0]


def lowest(page: Page, what: str) -> float:
    """Where the lowest of these elements ends."""
    script = "nodes => Math.max(...nodes.map(node => node.getBoundingClientRect().bottom))"
    return float(page.locator(what).evaluate_all(script))


def test_a_projector_shows_all_at_once(browser: Browser, address: str) -> None:
    """Both pictures, the table and the sliders, without scrolling, and their words are larger."""
    words = "h1, .key, .legend li, .control output, .control label"
    script = "nodes => nodes.map(node => parseFloat(getComputedStyle(node).fontSize))"
    with opened(browser, f"{address}?big", 1280) as page:
        at_rest(page)
        for width, height in ((1440, 900), (1280, 720)):
            page.set_viewport_size({"width": width, "height": height})
            for what in ("#loss-time", "#time-error", "#numbers", ".control", "#controls button"):
                assert lowest(page, what) <= height, (width, what)
            panel = page.locator("#controls").bounding_box()
            assert panel is not None
            assert panel["width"] <= 0.3 * width
        large = page.locator(words).evaluate_all(script)
        page.evaluate("document.body.classList.remove('big')")
        plain = page.locator(words).evaluate_all(script)
        assert len(plain) > 20
        assert all(big >= 1.1 * small for big, small in zip(large, plain, strict=True))


def test_all_controls_and_pictures_are_in_sight(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        at_rest(page)
        inks = page.locator("#loss-time .ln").evaluate_all(INKS)
        assert all(contrast(*pair) >= MIN_LIGHT_CONTRAST for pair in inks), inks
        assert page.evaluate("document.documentElement.scrollHeight") <= 900
        panel = page.locator("#controls")
        assert panel.evaluate("node => node.scrollHeight - node.clientHeight") <= 0
        page.set_viewport_size({"width": 1280, "height": 720})
        assert lowest(page, ".control, #controls button, #loss-time, #time-error, #numbers") <= 720
        assert panel.evaluate("node => node.scrollHeight - node.clientHeight") <= 0


def test_every_choice_has_room_for_its_words(browser: Browser, address: str) -> None:
    """The text of the longest option, and the arrow beside it."""
    with opened(browser, address) as page:
        at_rest(page)
        rooms = page.evaluate(
            """() => [...document.querySelectorAll('.control select')].map(select => {
                const pen = document.createElement('canvas').getContext('2d');
                const style = getComputedStyle(select);
                pen.font = `${style.fontSize} ${style.fontFamily}`;
                const widths = [...select.options].map(each => pen.measureText(each.text).width);
                return select.clientWidth - Math.max(...widths);
            })"""
        )
        assert len(rooms) >= 4
        assert min(rooms) > 30
