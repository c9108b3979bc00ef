"""The page of a report in Chromium."""

from __future__ import annotations

import csv
import re
import shutil
import time
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasurehead.experiments.commands.table import result_kinds
from erasurehead.experiments.reports.report.command import write_report
from tests.experiments.browser.chromium import opened
from tests.experiments.reports.results import EVIL, MADE, config, done, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

MOST_BYTES = 3_000_000
MOST_SECONDS = 2.0


def address(directory: Path) -> str:
    return page_of(directory).as_uri()


def cut_off(page: Page) -> list[str]:
    """The words in pictures that begin or end outside of their drawing."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('svg.panel text')].filter(text => {
            const box = text.getBBox(), whole = text.ownerSVGElement.viewBox.baseVal;
            const right = box.x + box.width, below = box.y + box.height;
            return box.x < 0 || right > whole.width || below > whole.height;
        }).map(text => text.textContent)"""
    )
    return found


def overlapping(page: Page) -> list[str]:
    """The words in pictures that stand on others."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('svg.panel')].flatMap(panel => {
            const words = [...panel.querySelectorAll('text')];
            const boxes = words.map(text => text.getBoundingClientRect());
            return words.flatMap((text, i) => words.slice(i + 1).filter((_, j) => {
                const a = boxes[i], b = boxes[i + 1 + j];
                return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
            }).map(other => text.textContent + " | " + other.textContent));
        })"""
    )
    return found


def smallest(page: Page) -> float:
    """The size of the smallest words in pictures, in pixels."""
    found: float = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('svg.panel text')].filter(
            text => text.getClientRects().length).map(text => {
            const panel = text.ownerSVGElement, units = panel.viewBox.baseVal.width;
            const size = parseFloat(getComputedStyle(text).fontSize);
            return size * panel.getBoundingClientRect().width / units;
        }))"""
    )
    return found


# Boxes that hold more than they show and do not say so, short tables with a scroll bar of their
# own, pictures beyond the edge of the page, and what stands in another line than it should: a unit
# than its number, a value than its name, an option than its dashes.
FAULTS = r"""() => {
    const found = [], seen = what => [...document.querySelectorAll(what)].filter(
        each => each.checkVisibility() && !each.matches(".unseen"));
    for (const each of seen("details")) each.open = true;
    for (const box of seen("main *:not(svg, svg *)")) {
        const style = getComputedStyle(box), more = box.scrollWidth - box.clientWidth;
        const hint = style.backgroundAttachment.includes("local");
        if (style.overflowX !== "visible" && more > 1 && !hint)
            found.push(`cut by ${more}: ${box.textContent.slice(0, 40)}`);
    }
    for (const box of seen(".rows"))
        if (box.scrollHeight > box.clientHeight + 1 && box.querySelectorAll("tbody tr").length < 26)
            found.push(`cut below: ${box.parentElement.id}`);
    const range = document.createRange();
    const words = "p, li, th, td, dd, code, text, .option";
    for (const each of seen(words)) for (const node of each.childNodes) {
        const text = node.nodeType === Node.TEXT_NODE ? node.data : "";
        for (const match of text.matchAll(/\d\s(%|m?s(?!\w))|\S\s=\s\S|--\w[\w-]*/g)) {
            range.setStart(node, match.index);
            range.setEnd(node, match.index + match[0].length);
            const tops = [...range.getClientRects()].map(box => Math.round(box.top));
            if (new Set(tops).size > 1) found.push(`apart: ${match[0]}`);
        }
        if (each.matches("svg text") && /^\s*(%|=)/.test(text)) found.push(`apart: ${text}`);
    }
    for (const panel of seen("svg.panel:not(.labelled)")) {
        const {left, right} = panel.getBoundingClientRect();
        if (left < 0 || right > innerWidth) found.push(`beyond the page: ${panel.id}`);
    }
    return found;
}"""

# White below a picture, in pixels: how much sooner it ends than another one beside it.
HOLE = """() => {
    const boxes = [...document.querySelectorAll("figure")].map(of => ({
        top: of.getBoundingClientRect().top,
        end: of.lastElementChild.getBoundingClientRect().bottom,
    }));
    const beside = a => boxes.filter(b => b.top === a.top).map(b => a.end - b.end);
    return Math.max(...boxes.flatMap(beside));
}"""


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
@pytest.mark.parametrize("name", MADE)
def test_it_opens_without_a_word_and_fits(
    name: str, width: int, scheme: str, browser: Browser, results: dict[str, Path]
) -> None:
    """No console line, request or dialog; nothing sticks out to the right, and words are whole."""
    with opened(browser, address(results[name]), width, color_scheme=scheme) as page:
        assert page.locator("svg.panel:visible").count() > 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert cut_off(page) == []
        assert overlapping(page) == []
        assert width > 600 or smallest(page) >= 11
        assert page.evaluate(FAULTS) == []
        assert page.evaluate(HOLE) < 130
        first, question = (page.locator(of).first.bounding_box() for of in ("figure", "#question"))
        assert first is not None
        assert question is not None
        assert first["y"] < (850 if width > 600 else 1.5 * 844), "near the top"
        assert first["y"] < question["y"]
        wider = "each => each.scrollWidth - each.clientWidth"
        if width > 600 and name in ("recommend", "whatif", "fit"):
            tables = page.locator(".rows").all()
            assert max(table.evaluate(wider) for table in tables) <= 0
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_table_that_goes_on_has_a_shadow_at_its_edge(
    browser: Browser, results: dict[str, Path]
) -> None:
    """And a line that says so. Both are gone where the table ends."""
    with opened(browser, address(results["run"]), 390) as page:
        hint = page.locator("#summary .more")
        assert hint.inner_text().endswith("more columns to the right: scroll the table sideways →")
        table, darkest = page.locator("#summary .rows"), []
        for end in (0, 10_000):
            table.evaluate("(box, end) => { box.scrollLeft = end; }", end)
            with Image.open(BytesIO(table.screenshot())) as image:
                pixels = np.asarray(image.convert("L"), dtype=float)
            rows = pixels[len(pixels) // 2 :, -5]  # a column of pixels near the right edge
            darkest.append(np.median(rows))
        assert darkest[0] < darkest[1] - 25
        hint.wait_for(state="hidden")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_wide_picture_is_read_and_kept_at_any_width(
    width: int, browser: Browser, results: dict[str, Path], tmp_path: Path
) -> None:
    """The drawing for this window, and that one alone."""
    with opened(browser, address(results["whatif"]), width) as page:
        figure = page.locator("#heat_map")
        panel = figure.locator("svg.panel:visible")
        assert panel.count() == 1
        units = panel.evaluate("panel => panel.viewBox.baseVal.width")
        assert units == (480 if width < 600 else 880)
        panel.focus()
        page.keyboard.press("ArrowDown")
        assert "delay (s)" in page.locator(".tip").inner_text()
        with page.expect_download() as waiting:
            figure.get_by_role("button", name="SVG: Delays").press("Enter")
        waiting.value.save_as(tmp_path / "kept.svg")
    kept = ElementTree.parse(tmp_path / "kept.svg").getroot()
    inner = [node for node in kept.iter() if node.get("class", "").startswith("panel")]
    assert [node.get("viewBox", "").split()[2] for node in inner[1:]] == [f"{units:g}"]


def test_a_sweep_of_60_cells_is_small(large: Path) -> None:
    file = large / "report.html"
    assert len(pd.read_parquet(large / "summary.parquet")) == 60
    assert file.stat().st_size < MOST_BYTES


@pytest.mark.slow  # a clock on the wall, and the machine may have other work
def test_a_sweep_of_60_cells_opens_at_once(browser: Browser, large: Path) -> None:
    began = time.perf_counter()
    with opened(browser, address(large)) as page:
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        took = time.perf_counter() - began
        assert page.locator("tbody tr").count() == 60
    assert took < MOST_SECONDS


def test_a_legend_hides_a_scheme_in_all_pictures(
    browser: Browser, results: dict[str, Path]
) -> None:
    with opened(browser, address(results["run"])) as page:
        button = page.get_by_role("button", name="ignore stragglers", exact=False).first
        key = button.get_attribute("data-key")
        marks = page.locator(f'.mark[data-k="{key}"]')
        count = marks.count()
        assert count >= 4, "in several pictures"
        assert button.get_attribute("aria-pressed") == "true"
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert page.locator(f'.mark[data-k="{key}"]:visible').count() == 0
        assert page.locator(".mark.off").count() == count
        button.press("Enter")
        assert page.locator(".mark.off").count() == 0
        assert "shown" in page.locator("#said").inner_text()


def test_a_table_is_sorted_by_numbers(browser: Browser, results: dict[str, Path]) -> None:
    expected = pd.read_parquet(results["sweep"] / "summary.parquet")["iteration_time_mean"]
    with opened(browser, address(results["sweep"])) as page:
        head = page.locator("thead th", has_text="mean iteration time (s)")
        column = head.evaluate("head => head.cellIndex")

        def shown() -> list[float]:
            cells = page.locator(f"tbody tr > :nth-child({column + 1})").all()
            return [float(cell.get_attribute("data-v") or "nan") for cell in cells]

        assert head.get_attribute("aria-sort") == "none"
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert shown() == pytest.approx(sorted(expected), rel=1e-4)
        head.get_by_role("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert shown() == pytest.approx(sorted(expected, reverse=True), rel=1e-4)
        page.locator("thead th").first.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "none"


def test_a_table_is_filtered(browser: Browser, results: dict[str, Path]) -> None:
    with opened(browser, address(results["sweep"])) as page:
        rows = page.locator("tbody tr")
        assert rows.count() == 18
        page.get_by_label("Filter rows").fill("QUEUE fractional")
        assert page.locator("tbody tr:visible").count() == 3
        assert page.locator(".filter [role=status]").inner_text() == "3 of 18 rows"
        page.get_by_label("Filter rows").fill("")
        assert page.locator("tbody tr:visible").count() == 18


def point_at(page: Page, picture: str) -> tuple[float, float]:
    """Where the only marker of the first scheme is."""
    box = page.locator(f"#{picture} use").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_pointer_reads_values(browser: Browser, results: dict[str, Path]) -> None:
    """On the trade-off, those of the summary; on a curve, those of all schemes."""
    summary = pd.read_parquet(results["run"] / "summary.parquet").set_index("label")
    row = summary.loc[EVIL]
    with opened(browser, address(results["run"])) as page:
        page.locator("#tradeoff").scroll_into_view_if_needed()
        page.mouse.move(*point_at(page, "tradeoff-1"))
        tip = page.locator(".tip")
        assert tip.is_visible()
        text = tip.inner_text()
        assert EVIL in text
        assert f"{row['iteration_time_mean']:.4g} s" in text
        assert f"{row['final_train_loss_mean']:.4g}" in text
        page.locator("#iteration-time").scroll_into_view_if_needed()
        box = page.locator("#iteration-time-1").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
        lines = tip.inner_text()
        assert "iteration time" in lines
        assert "fractional repetition (d = 3)" in lines
        page.mouse.move(1, 1)
        assert not tip.is_visible()


def test_the_value_of_a_curve_is_right(browser: Browser, results: dict[str, Path]) -> None:
    """The share of iterations done by the middle of the axis, against the table."""
    times = pd.read_parquet(results["run"] / "iterations.parquet")
    own = times[(times["scheme"] == "fractional_repetition") & (times["iteration"] > 0)]
    with opened(browser, address(results["run"])) as page:
        page.locator("#iteration-time").scroll_into_view_if_needed()
        box = page.locator("#iteration-time-1").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.5 * box["height"])
        text = page.locator(".tip").inner_text()
        seconds = float(re.findall(r"iteration time ([\d.]+) s", text)[0])
        read = float(re.findall(r"fractional repetition \(d = 3\)\s+([\d.]+)", text)[0])
        share = (own["iteration_time"] <= seconds).mean()
        assert read == pytest.approx(share, abs=0.03)


def test_arrow_keys_read_values_aloud(browser: Browser, results: dict[str, Path]) -> None:
    with opened(browser, address(results["run"])) as page:
        picture = page.locator("#loss-time-1")
        picture.focus()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        said = page.locator("#said").inner_text()
        assert "simulated time" in said
        assert "fractional repetition" in said
        page.keyboard.press("Escape")
        assert not page.locator(".tip").is_visible()


def test_everything_can_be_reached_with_the_tab_key(
    browser: Browser, results: dict[str, Path]
) -> None:
    """The first stop skips to the content; each has an outline that can be seen."""
    with opened(browser, address(results["run"])) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement === document.body"):
                break
            tag, outline = page.evaluate(
                "[document.activeElement.tagName.toLowerCase(),"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
            assert outline != "none", tag
            reached.add(tag)
        assert reached >= {"a", "button", "summary", "svg"}


def test_a_command_is_copied(browser: Browser, results: dict[str, Path]) -> None:
    """And can be pasted."""
    with opened(browser, address(results["sweep"])) as page:
        button = page.locator(".command .copy").first
        wanted = button.get_attribute("data-copy")
        button.click()
        page.get_by_text("Copied", exact=True).first.wait_for()
        field = page.get_by_label("Filter rows")
        field.focus()
        page.keyboard.press("Control+V")
        assert field.input_value() == wanted


@pytest.mark.parametrize(("name", "scheme"), [*((name, "light") for name in MADE), ("run", "dark")])
def test_pictures_and_tables_are_kept_as_files(
    name: str, scheme: str, browser: Browser, results: dict[str, Path], tmp_path: Path
) -> None:
    """SVG that a program reads, PNG with the picture, CSV with every row; light in any mode."""
    with opened(browser, address(results[name]), color_scheme=scheme) as page:
        files = {}
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for kind in ("SVG", "PNG", "CSV"):
            button = page.locator(".tools button", has_text=kind).first
            with page.expect_download() as waiting:
                button.press("Enter")
            file = tmp_path / waiting.value.suggested_filename
            waiting.value.save_as(file)
            files[kind] = file
        title = page.locator("figcaption :is(h2, h3)").first.inner_text()
        rows = page.locator(".table").first.locator("tr").count()
    assert page_title(files["SVG"]) == title
    with Image.open(files["PNG"]) as image:
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 300
    assert pixels[-1, -1] == 255
    assert 0.005 < (pixels < 200).mean() < 0.6, "something is drawn, and it is not all ink"
    text = files["CSV"].read_text(encoding="utf-8")
    assert len(list(csv.reader(text.splitlines()))) == rows


def page_title(file: Path) -> str | None:
    """The first text of an SVG file, which is whole and holds what it refers to."""
    root = ElementTree.parse(file).getroot()
    names = {node.get("id") for node in root.iter()}
    links = [node.get("href") or "" for node in root.iter() if node.tag.endswith("}use")]
    assert {link[1:] for link in links} <= names
    return next(node.text for node in root.iter() if node.tag.endswith("}text"))


def test_a_picture_is_zoomed_and_goes_back(browser: Browser, results: dict[str, Path]) -> None:
    """By keyboard; values are still read in it, and it fits the window again afterwards."""
    with opened(browser, address(results["run"]), 390) as page:
        figure = page.locator("#loss-time")
        before = page.locator("#loss-time-1").bounding_box()
        figure.get_by_role("button", name="Zoom: Loss against time").press("Enter")
        for _ in range(2):
            figure.get_by_role("button", name="Larger").press("Enter")
        after = page.locator("#loss-time-1").bounding_box()
        assert before is not None
        assert after is not None
        assert after["width"] > 2 * before["width"]
        page.locator("#loss-time-1").focus()
        page.keyboard.press("ArrowLeft")
        assert page.locator(".tip").is_visible()
        page.keyboard.press("Escape")
        assert page.locator("figure.zoomed").count() == 0
        again = page.locator("#loss-time-1").bounding_box()
        assert again is not None
        assert again["width"] == before["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_legend_has_eight_entries_and_the_rest_is_named(browser: Browser, tmp_path: Path) -> None:
    """Eleven schemes: three are grey, and a pointer names them."""
    one = {"name": "ignore_stragglers"}
    schemes = [{**one, "wait_for": r, "label": f"r{r}"} for r in range(1, 12)]
    out = tmp_path / "out"
    few = {"workers": 12, "problem": None, "target_loss": None}
    done("run", config(tmp_path, schemes=schemes, **few), "--output", out)
    write_report(out, result_kinds())
    with opened(browser, address(out)) as page:
        assert page.locator("#tradeoff .key[data-key]").count() == 8
        assert "3 more, in grey" in page.locator("main").inner_text()
        marks = page.locator("#tradeoff .mark[data-k]:has(use)")
        inks = marks.evaluate_all(
            "all => all.map(n => getComputedStyle(n).getPropertyValue('--c'))"
        )
        assert len(inks) == 11
        assert inks[8] == inks[9] == inks[10] != inks[7]
        page.locator("#tradeoff").scroll_into_view_if_needed()
        box = marks.nth(10).locator("use").first.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert "r11" in page.locator(".tip").inner_text()


@pytest.mark.parametrize("name", MADE)
def test_it_stands_without_javascript(
    name: str, browser: Browser, results: dict[str, Path]
) -> None:
    with opened(browser, address(results[name]), java_script_enabled=False) as page:
        while (closed := page.locator("details:not([open]) > summary")).count():
            closed.first.click()
        assert page.locator("svg.panel:visible").count() == page.locator(".holder").count() > 0
        assert page.locator("tbody tr:visible").count() > 0
        if name not in ("compare", "whatif"):  # their pictures have axes and a scale alone
            assert page.locator(".legend:visible").count() > 0
        assert page.locator("button:visible, input:visible").count() == 0


def test_it_can_be_printed(browser: Browser, results: dict[str, Path]) -> None:
    with opened(browser, address(results["run"]), color_scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        assert page.locator("nav:visible, .copy:visible, .filter:visible").count() == 0
        assert len(page.pdf(format="A4")) > 50_000


def test_a_recommendation_is_printed_on_six_pages(
    browser: Browser, results: dict[str, Path], tmp_path: Path
) -> None:
    """Also one that has looked at hundreds of schemes."""
    out = shutil.copytree(results["recommend"], tmp_path / "out")
    for name in ("ranking.parquet", "candidates.parquet"):
        rows = pd.read_parquet(out / name)
        many = pd.concat([rows.assign(label=rows["label"] + f" {i}") for i in range(100)])
        many.to_parquet(out / name)
    write_report(out, result_kinds())
    with opened(browser, address(out)) as page:
        pdf = page.pdf(format="A4")
        assert len(re.findall(rb"/Type /Page\b", pdf)) <= 6


OVERFLOW = """() => [...document.querySelectorAll(".formula")].map(box => [
    box.scrollHeight - box.clientHeight,
    Math.max(...[...box.querySelectorAll("*")].map(each => {
        const inner = each.getBoundingClientRect(), outer = box.getBoundingClientRect();
        return Math.max(outer.top - inner.top, inner.bottom - outer.bottom);
    })),
    document.documentElement.scrollWidth - innerWidth])"""


@pytest.mark.parametrize("width", [390, 1440])
def test_no_formula_is_cut_off(width: int, browser: Browser, tmp_path: Path) -> None:
    """Above or below; a long one scrolls within its box on a phone."""
    markdown = pytest.importorskip("markdown")
    from website.formulas import with_drawings

    text = (Path(__file__).parents[3] / "docs" / "theory.md").read_text(encoding="utf-8")
    how = {"pymdownx.arithmatex": {"generic": True}}
    html = markdown.markdown(text, extensions=[*how, "tables"], extension_configs=how)
    style = (Path(__file__).parents[3] / "docs" / "site.css").read_text(encoding="utf-8")
    page = tmp_path / "theory.html"
    shell = f"<!doctype html><meta charset=utf-8><style>{style}</style><body>"
    page.write_text(shell + with_drawings(html), encoding="utf-8")
    with opened(browser, page.as_uri(), width) as shown:
        boxes = shown.evaluate(OVERFLOW)
    assert len(boxes) >= 12
    assert max(map(max, boxes)) <= 0, boxes
