"""``report`` and its page."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.experiments.commands.table import result_kinds
from erasurehead.experiments.page import content
from erasurehead.experiments.page.content import Table
from erasurehead.experiments.page.folder import as_markdown
from erasurehead.experiments.page.html import as_html, drawn
from erasurehead.experiments.pictures import style
from erasurehead.experiments.pictures.looks import SOLID, Look
from erasurehead.experiments.pictures.picture import Axis, Chart, Curve, Heat, Panel, Picture
from erasurehead.experiments.pictures.svg.marks import PageStyle
from erasurehead.experiments.pictures.svg.picture import draw_picture
from erasurehead.experiments.reports.report.command import kind_of
from erasurehead.experiments.reports.report.page import heatmap_charts, read_run
from erasurehead.experiments.reports.report.verdict import Verdict, judged
from erasurehead.experiments.reproduce import FIGURES
from erasurehead.experiments.run.reader import Records, read_records
from erasurehead.experiments.text import TableCell
from tests.experiments.reports.results import (
    EVIL,
    MADE,
    Reader,
    config,
    done,
    make_run,
    make_sweep,
    page_of,
)
from tests.golden.kept import html_of
from tests.golden.records import require_recorded
from tests.tools import assert_readable, inside, notebook_html

# ``erasurehead report`` as a person uses it.


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("report"))


def refused(*arguments: object) -> str:
    ended = inside("report", *arguments)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_what_is_no_result_is_refused(run: Path, tmp_path: Path) -> None:
    assert "no such directory" in refused(tmp_path / "none")
    taken, told = refused(tmp_path), inside("report", "--help").stdout
    assert "holds no result; must be the output of run, sweep, live, " in taken
    named = taken.partition("output of ")[2].strip()
    assert f"Output of {named}." in " ".join(told.replace("│", "").split())
    assert {*result_kinds()} - {"compare"} < {*re.findall(r"\w+", named)}, "that is report of two"
    (tmp_path / "answer.json").write_text("{}")
    (tmp_path / "fit.parquet").write_text("no table")
    assert "is no answer" in refused(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "manifest.json").unlink()
    assert "has not come to the end" in refused(broken)
    assert not (broken / "report.html").exists()


@pytest.mark.parametrize("content", ["[]", "{", '{"id": "x"}', '{"origin": 3}'])
def test_a_damaged_manifest_is_refused(content: str, run: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / "manifest.json").write_text(content)
    refused(broken)


def test_a_file_or_a_folder(run: Path, tmp_path: Path) -> None:
    done("report", run, "--output", tmp_path / "new" / "page.html")
    done("report", run, "--output", tmp_path)
    one, two = tmp_path / "new" / "page.html", tmp_path / "report.html"
    assert one.read_bytes() == two.read_bytes()
    (tmp_path / "link.html").symlink_to(one)
    assert "symbolic link" in refused(run, "--output", tmp_path / "link.html")


def test_the_page_of_another_config_goes(tmp_path: Path) -> None:
    """A folder tells one story, its page included."""
    out = tmp_path / "out"
    path = config(tmp_path, problem=None, target_loss=None)
    done("run", path, "--output", out)
    done("report", out)
    done("run", path, "--output", out, "--set", "seed=1")
    assert not (out / "report.html").exists()


def next_of(directory: Path, folder: Path) -> str:
    """What the page of a result says that could come next."""
    done("report", directory, "--output", folder / "page.html")
    words = Reader((folder / "page.html").read_text()).words
    return words[words.index(" Next ") : words.index(" The question ")]


def test_what_comes_next_is_what_was_not_done(run: Path, tmp_path: Path) -> None:
    """Each hint where it is of use, and nowhere else."""
    done("run", config(tmp_path, target_loss=None), "--output", tmp_path / "bare")
    done("run", config(tmp_path, problem=None, target_loss=None), "--output", tmp_path / "clock")
    with_all, bare, clock = (
        next_of(folder, tmp_path) for folder in (run, tmp_path / "bare", tmp_path / "clock")
    )
    hints = {
        "--timeline timeline.json": (False, True, True),
        "With target_loss in the config": (False, True, False),
        "/config.yaml --output ": (True, True, True),
        "erasurehead recommend ": (True, True, False),
        "--set delay.shift=0.25,0.5,1": (True, True, True),
        "--set policy=queue": (True, True, True),
    }
    for hint, wanted in hints.items():
        assert tuple(hint in said for said in (with_all, bare, clock)) == wanted, hint


def test_commands_that_come_next_are_of_this_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its config, with the options that were given; no variant is written over it."""
    path = config(tmp_path, problem=None, target_loss=None)
    monkeypatch.chdir(tmp_path)
    done("run", path, "--set", "workers=9", "--output", "my result")
    said = shlex.split(next_of(Path("my result"), tmp_path))
    assert said.count("my result/config.yaml") == 3
    assert {"my result-queue", "my result-shift"} <= {*said}
    done("run", "my result/config.yaml", "--set", "policy=queue", "--output", "my result-queue")
    assert yaml.safe_load(Path("my result-queue/config.yaml").read_text())["workers"] == 9


def test_each_column_has_a_heading_of_its_own_and_the_least_time_is_said(tmp_path: Path) -> None:
    """Closed forms stand beside two of the columns."""
    schemes = [{"name": "uncoded"}, {"name": "asynchronous"}]
    path = config(tmp_path, schemes=schemes, problem=None, target_loss=None)
    done("run", path, "--output", tmp_path / "run")
    [table] = [
        part
        for section in read_run(tmp_path / "run").sections
        for part in section.parts
        if isinstance(part, Table)
    ]
    assert len({*table.columns}) == len(table.columns)
    assert sum("closed form (z)" in title for title in table.columns) == 2
    why = judged(read_records(tmp_path / "run")).why
    assert any("be faster per gradient than 1.6 s for 6 gradients" in line for line in why)


def test_a_mean_over_some_of_the_runs_says_so_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target is one that half of the runs reach; a scheme's two values make no picture."""
    monkeypatch.setenv("COLUMNS", "160")
    schemes = [{"name": "ignore_stragglers", "wait_for": [4, 5]}]
    path = config(tmp_path, schemes=schemes, replications=4)
    done("run", path, "--output", tmp_path / "first")
    losses = pd.read_parquet(tmp_path / "first" / "iterations.parquet")
    least = losses[losses["label"].str.contains("wait_for=4")]
    least = least.groupby("replication")["train_loss"].min().sort_values()
    target = float(least.iloc[1:3].mean())
    assert least.iloc[1] < target < least.iloc[2]
    out = tmp_path / "run"
    ended = inside("run", path, "--set", f"target_loss={target}", "--output", out)
    runs = pd.read_parquet(out / "iterations.parquet")
    ends = runs[runs["label"].str.contains("wait_for=4")].groupby("replication")
    above = ends["time"].max()[ends["train_loss"].min() > target].min()
    said = f"> {above:.4g} in 2 of 4"
    assert f"{said} (not reached)" in ended.stdout
    assert f"{said} (not reached)".replace(">", "&gt;") in notebook_html(eh.load(out))
    for page in (as_html(read_run(out)), as_markdown(read_run(out), {})):
        assert said in page.replace("&gt;", ">")
        assert "later than all others" in page
        assert "over scheme.wait_for" not in page


def swept(tmp_path: Path, means: list[tuple[float, float]], error: float) -> Verdict:
    """The verdict on points whose two schemes take these seconds for an iteration."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 5}]
    path = config(tmp_path, schemes=schemes, problem=None, target_loss=None)
    done("run", path, "--output", tmp_path / "run")
    records = read_records(tmp_path / "run")
    summaries, iterations = [], []
    for seed, seconds in enumerate(means):
        summaries.append(
            records.summary.assign(seed=seed, iteration_time_mean=seconds, iteration_time_se=error)
        )
        iterations.append(records.iterations.assign(seed=seed))
    return judged(Records(pd.concat(iterations), pd.concat(summaries)))


def test_the_verdict_on_a_sweep_by_hand(tmp_path: Path) -> None:
    """Who wins most points is named first, whoever won the first one."""
    won = swept(tmp_path, [(1.0, 2.0), (3.0, 1.0), (6.0, 3.0)], 0.01)
    other, exact = "ignore stragglers (r = 5) has the shortest iterations", "uncoded"
    approximate = f", with approximate gradients; the next exact scheme is {exact}."
    assert won.verdict == f"{other} at 2 of 3 points{approximate}"
    assert won.limits == "Uncoded at 1."
    assert won.why[0].startswith("At each point the winner is 1 to 3 times as fast as uncoded")
    assert won.why[1].startswith("The runner-up is slower at every point (95 %")
    everywhere = swept(tmp_path, [(2.0, 1.0), (8.0, 2.0)], 1.0)
    assert everywhere.verdict == f"{other} at all 2 points{approximate}"
    assert "at 1 of 2 points" in everywhere.why[1]


@pytest.mark.parametrize(("share", "named"), [(0.2, False), (0.25, False), (0.4, True)])
def test_a_worker_is_named_that_ends_more_rounds_than_chance(
    share: float, named: bool, tmp_path: Path
) -> None:
    """40 rounds of 6 workers: of runs of equal workers, 0.5 have a worker that ends 10 or more (at
    most 6 times a binomial tail of 0.12), and 0.002 one that ends 16 or more."""
    path = config(tmp_path, problem=None, target_loss=None)
    done("run", path, "--output", tmp_path / "run")
    records = read_records(tmp_path / "run")
    sizes = {"workers": 6, "iterations": 20, "replications": 2}
    worst = {"costliest_worker": 1, "costliest_worker_last": share, "costliest_worker_cost": 1.0}
    why = judged(Records(records.iterations, records.summary.assign(**sizes, **worst))).why
    assert any("Worker 1 delays it most" in line for line in why) == named


def test_a_winner_that_leaves_most_of_the_gradient_out_is_found_out(tmp_path: Path) -> None:
    """In a run and in a sweep; who uses most of it is praised without a word."""
    schemes = [{"name": "uncoded"}, {"name": "ignore_stragglers", "wait_for": 1}]
    path = config(tmp_path, schemes=schemes, problem=None, target_loss=None)
    said = {}
    for name, rates in (("run", "2"), ("sweep", "1,2")):
        done(name, path, "--set", f"delay.rate={rates}", "--output", tmp_path / name)
        said[name] = judged(read_records(tmp_path / name)).limits.lower()
    few = "ignore stragglers (r = 1) is that fast since it uses only 17 % of the gradient's parts"
    assert said["run"].startswith(few)
    assert said["sweep"] == f"{few}."
    done("run", path, "--set", "schemes.1.wait_for=5", "--output", tmp_path / "run")
    assert "parts" not in judged(read_records(tmp_path / "run")).limits


def test_rows_of_a_heat_map_have_room_for_their_names(tmp_path: Path) -> None:
    """Catches names of two lines that run into each other, as at the points of a sweep."""
    names = tuple(f"scheme {i} with a long name\nrate = 1, policy = {i}" for i in range(9))
    panel = Panel(Axis("worker"), Axis("", names=names), [Heat(np.ones((9, 4)))])
    one = draw_picture(Picture([panel], 1, 7.0, 3.0), "Title", "ident", PageStyle())
    texts = re.findall(r'text-anchor="end" x="[\d.]+" y="([\d.]+)"', one.panels[0].svg)
    places = np.sort(np.array(texts, dtype=float))[2:]  # the first two are of the scale of shades
    assert len(places) == 18
    assert np.diff(places).min() > 10


def test_a_worker_that_costs_nothing_is_not_blamed(run: Path) -> None:
    records = read_records(run)
    records = replace(records, summary=records.summary.assign(costliest_worker_last=0.9))
    blamed = judged(records).why
    assert any(line.startswith("Worker ") for line in blamed)
    free = replace(records, summary=records.summary.assign(costliest_worker_cost=0.0))
    assert [line for line in blamed if not line.startswith("Worker ")] == judged(free).why


def test_a_heat_map_has_the_seconds_of_each_worker_and_round(run: Path) -> None:
    """By hand from the timeline; rows are named by their own workers."""
    records = read_records(run)
    spans = records.timeline
    assert spans is not None
    [chart] = heatmap_charts(records)
    assert isinstance(chart.picture, Picture)
    assert len(chart.picture.panels) == 3
    for panel in chart.picture.panels:
        assert list(panel.y.places) == list(range(6))
        assert list(panel.y.names) == list("012345")
        [heat] = panel.marks
        assert isinstance(heat, Heat)
        own = spans[
            (spans["label"].map(records.shown) == panel.title)
            & spans["kind"].isin(["computing", "cancelled"])
        ]
        for worker, iteration in ((0, 1), (4, 2)):
            these = own[(own["worker"] == worker) & (own["iteration"] == iteration)]
            seconds = (these["end"] - these["start"]).sum()
            assert heat.values[worker, iteration - 1] == pytest.approx(seconds)


def test_columns_without_a_value_are_left_out_but_for_the_first() -> None:
    """Further ones keep their place, their title and whether they are numbers."""
    empty, known = TableCell("-"), TableCell("2", 2.0)
    rows = [[empty, empty, known, TableCell("")], [empty, empty, empty, empty]]
    table = content.capped("t", "", ["a", "b", "c", "d"], rows, "t.csv", keys=2)
    assert table.columns == ["a", "c"]
    assert [[*map(str, row)] for row in table.rows] == [["-", "2"], ["-", "-"]]
    assert table.numbers == {1}
    assert table.keys == 1


def test_pictures_of_the_same_schemes_have_one_legend() -> None:
    """Above them; a note stays below its picture."""
    one, two, note = (Look("#0072B2", "s", SOLID, name) for name in ("one", "two", "note"))
    ends = np.array([0.0, 1.0])

    def chart(ident: str, *looks: Look) -> Chart:
        curves = [Curve(look, ends, ends) for look in looks]
        picture = Picture([Panel(Axis("x"), Axis("y"), curves)], 1, 4.0, 3.0, last=("note",))
        return Chart(ident, ident, "", picture)

    charts = [chart("left", one, two), chart("right", one, two, note)]
    section = drawn(content.Section("s", "S", charts), PageStyle())
    assert [entry.title for entry in section.legend] == ["one", "two"]
    assert [[entry.title for entry in part.entries] for part in section.parts] == [[], ["note"]]
    for apart in ([chart("alone", one, two)], [chart("left", one), chart("right", two)]):
        section = drawn(content.Section("s", "S", apart), PageStyle())
        assert section.legend == ()
        titles = [entry.title for part in section.parts for entry in part.entries]
        assert titles == ["one", "two"]
    halves = [chart("left", one), chart("right", one, two)]
    section = drawn(content.Section("s", "S", halves), PageStyle())
    assert [entry.title for entry in section.legend] == ["one", "two"]


def test_a_long_table_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MAX_TABLE_ROWS", 5)
    out = make_sweep(tmp_path)
    done("report", out)
    page = Reader((out / "report.html").read_text())
    assert "The first 5 of 18 rows; summary.parquet has all." in page.words
    assert len(page.all("tr")) == 6


# The page of every kind of result: whole, labelled, escaped, and the same twice.
#
# Each result takes a second to make, so that a test holds one page to all checks.


@dataclass(frozen=True)
class Made:
    """A result with its page."""

    name: str
    directory: Path
    text: str

    @cached_property
    def page(self) -> Reader:
        return Reader(self.text)


def small(figure: Any, stem: Path, formats: Any = ()) -> list[Path]:
    """In place of a picture, which takes long to write: a white one."""
    sink = BytesIO()
    Image.new("RGB", (4, 4), "white").save(sink, "png")
    stem.with_suffix(".png").write_bytes(sink.getvalue())
    return []


@pytest.mark.golden
@pytest.mark.parametrize("name", MADE)
def test_the_page_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(style, "save", small)
    directory = MADE[name](tmp_path)
    done = inside("report", directory)
    assert done.returncode == 0, done.stderr
    file = page_of(directory)
    assert done.stdout.startswith(str(file))
    for chart in kind_of(directory, result_kinds()).read(directory).charts.values():
        assert_readable(chart.picture)
    made = Made(name, directory, file.read_text(encoding="utf-8"))
    for check in CHECKS:
        check(made)
    for check in OF[name]:
        check(made)
    page = kind_of(directory, result_kinds()).read(directory)
    if name in ("compare", "recommend", "reproduce"):  # others have records of their own
        require_recorded(f"report/{name}", {"page": page})
    if name == "run":
        require_recorded("report/run", {"page": replace(page, sections=page.sections[-3:])})
    if name == "sweep":
        summary = pd.read_parquet(directory / "summary.parquet")
        require_recorded("report/sweep", {"verdict": vars(page.answer), "summary": summary})
    require_recorded(f"report/{name}", {"html": html_of(file.read_text())}, drawn=True)


def test_every_kind_has_a_test() -> None:
    assert {*result_kinds()} <= {*MADE}


def elements_close_and_identifiers_are_unique(made: Made) -> None:
    page = made.page
    assert page.faults == []
    assert page.open == []
    counts = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert [name for name, count in counts.items() if count > 1] == []


def what_is_referred_to_is_there(made: Made) -> None:
    """Catches a marker, a hatch, a clip or a description that is not in the page."""
    page = made.page
    names = {a["id"] for _, a in page.elements if "id" in a}
    wanted = set(re.findall(r"url\(#([^)]+)\)", made.text))
    for _, attributes in page.elements:
        for key in ("aria-describedby", "aria-labelledby", "for"):
            wanted |= set((attributes.get(key) or "").split())
        link = attributes.get("href") or ""
        wanted |= {link[1:]} if link.startswith("#") else set()
    assert wanted
    assert wanted <= names


def every_picture_can_be_heard(made: Made) -> None:
    """An SVG has a name and a description, or is hidden; an image has a text."""
    page = made.page
    shown = [svg for svg in page.all("svg") if svg.get("aria-hidden") != "true"]
    assert shown
    for svg in shown:
        assert svg["role"] == "img"
        assert svg["aria-label"]
        assert svg["aria-describedby"] == f"{svg['id']}-desc"
    descriptions = page.inside("desc")
    assert len(descriptions) == len(shown)
    assert all(len(text) > 40 for text in descriptions)
    assert all(len(image["alt"] or "") > 40 for image in page.all("img"))


def headings_go_down_one_by_one(made: Made) -> None:
    levels = [int(tag[1]) for tag, _ in made.page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def each_column_has_a_heading_of_its_own(made: Made) -> None:
    heads = re.findall(r"<thead.*?</thead>", made.text, re.DOTALL)
    assert heads
    for head in heads:
        titles = [re.sub("<.*?>", "", title) for title in re.findall(r"(?s)<th.*?</th>", head)]
        assert len({*titles}) == len(titles), titles


def nothing_else_is_asked_for(made: Made) -> None:
    """No address anywhere, but for data in the page; and the policy says so to the browser."""
    text = made.text
    assert "http" not in text.replace("http-equiv", "")
    page = made.page
    links = [a.get(key) or "" for _, a in page.elements for key in ("href", "src") if key in a]
    assert all(link.startswith(("#", "data:")) for link in links)
    (policy,) = (a["content"] or "" for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "@import" not in text


def the_same_result_gives_the_same_bytes(made: Made) -> None:
    directory, text = made.directory, made.text
    done = inside("report", directory, "--output", made.directory.parent / "again.html")
    assert done.returncode == 0
    assert (made.directory.parent / "again.html").read_bytes() == text.encode()


def the_verdict_comes_first_and_commands_can_be_copied(made: Made) -> None:
    page = made.page
    words = page.words
    after = () if made.name == "compare" else ("Next",)  # two results ask for nothing
    for heading in ("Why", *after, "The question", "Provenance"):
        assert heading in words
    verdict = next(n for n, (_, a) in enumerate(page.elements) if a.get("class") == "verdict")
    assert verdict < next(n for n, (tag, _) in enumerate(page.elements) if tag == "h2")
    copied = [a["data-copy"] or "" for a in page.all("button") if "data-copy" in a]
    assert any(command.startswith("erasurehead ") for command in copied)
    assert all(a["hidden"] is None for a in page.all("button")), "no use without a script"


def values_are_json_and_belong_to_pictures(made: Made) -> None:
    page = made.page
    (text,) = re.findall(r'<script type="application/json" id="values">(.*)</script>', made.text)
    values = json.loads(text)
    names = {a["id"] for a in page.all("svg") if "id" in a}
    assert set(values) <= names
    assert any(panel["marks"] for panel in values.values())


def it_stands_without_a_script(made: Made) -> None:
    """Pictures, tables and legends are in the file itself; what needs a script is hidden."""
    page = made.page
    assert page.all("path")
    assert page.all("td")
    assert all("hidden" in a for a in page.all("p") if a.get("class") == "filter")


def a_label_is_text(made: Made) -> None:
    """In the page, the legends, the tables, the pictures, and what a pointer reads."""
    text = made.text
    page = made.page
    assert len(page.all("script")) == 2
    assert "49" not in page.words.split()
    assert EVIL.replace(" ", "") in page.words.replace(" ", "")
    (values,) = re.findall(r'id="values">(.*)</script>', text)
    assert "<" not in values
    assert EVIL in text.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace(
        "&#34;", '"'
    ).replace("&amp;", "&")


def a_family_has_one_name(made: Made) -> None:
    """In legends the one that the tables have."""
    named = re.findall(r'<span class="key".*?<span>([^<]*)</span>', made.text)
    rows = re.findall(r'<th scope="row"[^>]*>([^<]*)<', made.text)
    assert named
    assert {name for name in named if not name.startswith("measured")} <= {*rows}


def a_host_is_text(made: Made) -> None:
    page = made.page
    assert "b" not in {tag for tag, _ in page.elements}
    assert any("<b>gpu</b>" in text for text in page.inside("text")), "on the heat map's axis"
    assert any("<b>gpu</b>" in text for text in page.inside("th")), "in the table"


def a_run_has_all_its_pictures(made: Made) -> None:
    assert {a["id"] for a in made.page.all("figure")} >= {
        "loss-time", "tradeoff", "iteration-time", "utilisation", "gantt", "heat-map", "workers",
        "delays",
    }  # fmt: skip


def a_sweep_has_an_overview(made: Made) -> None:
    assert "overview-iteration-time" in {a["id"] for a in made.page.all("figure")}


def a_figure_has_its_picture_table_and_command(made: Made) -> None:
    """With what was set; and what is not in the folder is said."""
    page, words = made.page, made.page.words
    for name, change in {
        "iteration_time_workers": "--set workers=12,48",
        "delay_tolerance": "--set stragglers=0,15",
    }.items():
        assert f"{name}-picture" in {a["id"] for a in page.all("figure")}
        assert f"{name}-table-1" in {a.get("id") for a in page.all("div")}
        assert f"erasurehead reproduce {name} {change} --set rounds=400" in words
    assert f"2 of {len(FIGURES)}" in words
    assert "\\n" not in words, "an axis in one line"


CHECKS = (
    elements_close_and_identifiers_are_unique,
    what_is_referred_to_is_there,
    every_picture_can_be_heard,
    headings_go_down_one_by_one,
    each_column_has_a_heading_of_its_own,
    nothing_else_is_asked_for,
    the_same_result_gives_the_same_bytes,
    the_verdict_comes_first_and_commands_can_be_copied,
    values_are_json_and_belong_to_pictures,
    it_stands_without_a_script,
)
"""What every page is held to."""

OF = {
    "run": (a_label_is_text, a_run_has_all_its_pictures),
    "sweep": (a_label_is_text, a_sweep_has_an_overview),
    "fit": (a_family_has_one_name,),
    "whatif": (a_host_is_text,),
    "compare": (a_label_is_text,),
    "recommend": (a_label_is_text,),
    "reproduce": (a_figure_has_its_picture_table_and_command,),
}
"""What some are held to."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["summary", "iterations", "workers"])
def test_a_table_without_one_of_its_columns_is_told_or_reported(name: str, tmp_path: Path) -> None:
    """Whichever it is: one line, or a page that needs it not."""
    out = make_run(tmp_path)
    file = out / f"{name}.parquet"
    table = pq.read_table(file)
    for column in table.column_names:
        pq.write_table(table.drop_columns([column]), file)
        with suppress(ConfigError):
            as_html(read_run(out))
