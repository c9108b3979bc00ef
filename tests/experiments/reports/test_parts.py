"""Parts of a report's page on tables that are made by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from erasurehead import ConfigError
from erasurehead.delays import MODELS
from erasurehead.experiments.config.catalogue import BUILT_IN
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.page.content import (
    Answer,
    Image,
    Page,
    Section,
    Table,
    capped,
    plain_cell,
)
from erasurehead.experiments.page.folder import as_markdown, table_at
from erasurehead.experiments.page.html import as_html, drawn, legible, said_once, with_code
from erasurehead.experiments.pictures.picture import Heat
from erasurehead.experiments.pictures.svg.marks import PageStyle
from erasurehead.experiments.pictures.svg.picture import LegendEntry
from erasurehead.experiments.reports.report import page as page_module
from erasurehead.experiments.reports.report.page import (
    commands_of,
    dial_of,
    heatmap_charts,
    live_options,
    next_commands,
    provenance_of,
    question_of,
    read_run,
)
from erasurehead.experiments.reports.report.verdict import (
    Verdict,
    few_parts_used,
    judged,
    least_time_line,
    lines_of_scheme,
    stands_out,
)
from erasurehead.experiments.run.reader import Records, read_records
from erasurehead.experiments.text import enumerated, left_out, number_of, sentence, whole_percent
from tests.tools import inside


def timeline(label: str, workers: int, rounds: int) -> pd.DataFrame:
    """Worker j computes j + 1 s in each round, in two spans; the master and a dead worker, too."""
    index = [(j, t) for j in range(workers) for t in range(1, rounds + 1)]
    base = pd.DataFrame(index, columns=["worker", "iteration"])
    spans = []
    for kind, share in (("computing", 0.75), ("cancelled", 0.25), ("dead", 9.0)):
        seconds = share * (base["worker"] + 1)
        spans.append(base.assign(label=label, kind=kind, start=1.0, end=1.0 + seconds))
    master = base[:1].assign(label=label, kind="computing", worker=-1, start=0.0, end=50.0)
    return pd.concat([*spans, master], ignore_index=True)


def records(*spans: pd.DataFrame) -> Records:
    labels = [span["label"].iloc[0] for span in spans]
    table = pd.DataFrame({"label": labels, "scheme": "uncoded", "recovered": 1.0})
    return Records(table, table, timeline=pd.concat(spans, ignore_index=True))


def test_a_heat_map_has_the_seconds_that_workers_computed() -> None:
    [chart] = heatmap_charts(records(timeline("a", 3, 4)))
    [panel] = chart.picture.panels
    [heat] = panel.marks
    assert isinstance(heat, Heat)
    np.testing.assert_allclose(heat.values, np.arange(1.0, 4.0)[:, None] * np.ones(4))
    assert heat.extent is not None
    assert tuple(heat.extent)[:2] == (0.5, 4.5)
    assert panel.y.names == ("0", "1", "2")
    assert "The first" not in chart.words
    assert [*heatmap_charts(replace(records(timeline("a", 3, 4)), timeline=None))] == []


@pytest.mark.parametrize(
    ("workers", "rounds", "cut"),
    [
        (100, 1, False),
        (101, 1, True),
        (1, 200, False),
        (1, 201, True),
    ],
)
def test_a_heat_map_says_what_it_leaves_out(workers: int, rounds: int, cut: bool) -> None:
    [chart] = heatmap_charts(records(timeline("a", workers, rounds)))
    [heat] = chart.picture.panels[0].marks
    assert isinstance(heat, Heat)
    assert heat.values.shape == (min(workers, 100), min(rounds, 200))
    assert ("The first 100 workers and 200 rounds." in chart.words) == cut
    places = chart.picture.panels[0].y.places
    assert places is not None
    assert len(places) <= 13
    assert np.ptp(np.diff(places)) == 0 if len(places) > 1 else places == (0,)


def test_heat_maps_are_of_the_first_schemes() -> None:
    several = [timeline(name, 2, 2) for name in "abcd"]
    assert len(several) == 4
    [chart] = heatmap_charts(records(*several[:-1]))
    assert [panel.title for panel in chart.picture.panels] == ["a", "b", "c"]
    assert "schemes with rounds" not in chart.words
    [chart] = heatmap_charts(records(*several))
    assert [panel.title for panel in chart.picture.panels] == ["a", "b", "c"]
    assert "The first 3 of 4 schemes with rounds." in chart.words


def test_a_legend_has_eight_schemes_and_what_is_no_scheme() -> None:
    """Entries with a key below 0, such as theory's, are never left out."""

    def entries(count: int) -> list[LegendEntry]:
        return [LegendEntry("", Markup(""), key) for key in (*range(count), -1)]

    for count, muted in ((3, ()), (8, ()), (10, (8, 9))):
        shown, grey = legible(entries(count))
        assert grey == muted
        assert [each.key for each in shown] == [*range(min(count, 8)), -1]


def test_a_picture_that_was_drawn_before_is_part_of_the_page() -> None:
    image = Image("seen", "What was seen", "Words.", b"bytes of a PNG")
    [part] = drawn(Section("s", "S", [image]), PageStyle()).parts
    assert (part.kind, part.of) == ("image", image)
    assert part.source == "data:image/png;base64,Ynl0ZXMgb2YgYSBQTkc="
    page = as_html(Page(Answer("kind", "what", "Yes."), [], [Section("s", "S", [image])]))
    assert f'src="{part.source}"' in page
    assert "What was seen" in page


def test_words_for_numbers() -> None:
    assert (whole_percent(-0.001), whole_percent(-0.001, 0.409)) == ("0 %", "0 to 41 %")
    assert left_out(0, "row") == ""
    assert left_out(1, "row") == "1 more row is not shown"
    assert left_out(2, "row", "of the table") == "2 more rows of the table are not shown"
    assert (number_of(1, "cell"), number_of(0, "cell")) == ("1 cell", "0 cells")
    assert number_of(2, "worker holds", "workers hold") == "2 workers hold"
    assert enumerated("abc", 3) == "a, b, c"
    assert enumerated("abcd", 3) == "a, b, c and 1 more"
    assert (sentence("a b"), sentence("a")) == ("A b.", "A.")


def test_what_a_table_lacks_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n")
    assert table_at(path, ("b",)).shape == (1, 2)
    with pytest.raises(
        ConfigError, match=r"t\.csv: has no column c; run the command that wrote it again$"
    ):
        table_at(path, ("a", "c", "d"))
    path.write_text("a,b\n")
    with pytest.raises(ConfigError, match=r"t\.csv: has no rows; run"):
        table_at(path, ("a",))
    assert table_at(path, ("a",), may_be_empty=True).empty
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(ConfigError, match=r"t\.parquet: cannot be read: .*[Pp]arquet"):
        table_at(tmp_path / "t.parquet", ("a",))


def test_plot_needs_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        done = inside("plot", tmp_path / name)
        assert done.returncode == 2
        assert done.stderr == f"error: {tmp_path / name}: no such directory\n"
        with pytest.raises(ConfigError, match=f"^{tmp_path / name}: no such directory$"):
            read_records(tmp_path / name)


BUSY = "Its workers compute 50 % of the time; "
PLAIN = {
    "label": "a",
    "scheme": "uncoded",
    "cell": "1",
    "workers": 10,
    "iterations": 25,
    "replications": 4,
}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, []),
        ({"decoding_error_mean": 1e-20}, ["The gradient of a is exact in every update."]),
        ({"decoding_error_mean": np.nan}, []),
        (
            {"decoding_error_mean": 0.25},
            ["The gradient of a is approximate: its mean decoding error is 0.25."],
        ),
        (
            {"least_heard_mean": 0.0099},
            ["Some partition is part of 1.0 % of the updates of a: the data of"],
        ),
        ({"least_heard_mean": 0.01}, []),
        ({"utilisation_mean": 0.5, "wasted_mean": np.nan}, []),
        ({"utilisation_mean": 0.5}, []),
        (
            {"utilisation_mean": 0.5, "wasted_mean": 0.25},
            [f"{BUSY}25 % of that is for messages that come too late."],
        ),
        ({"utilisation_mean": 0.5, "wasted_mean": -1e-9}, [f"{BUSY}0 % of that"]),
        ({"costliest_worker": 3, "costliest_worker_cost": 0.0, "costliest_worker_last": 0.4}, []),
        (
            {"costliest_worker": 3, "costliest_worker_cost": 0.1, "costliest_worker_last": 0.4},
            ["Worker 3 delays it most: its message ends 40 % of the rounds (by chance 10.0 %)."],
        ),
        # 15 of 100 rounds: one of ten workers has as many in one of four tables.
        ({"costliest_worker": 3, "costliest_worker_cost": 0.1, "costliest_worker_last": 0.15}, []),
    ],
)  # fmt: skip
def test_what_is_said_of_the_fastest_scheme(more: dict[str, float], said: list[str]) -> None:
    """Whose gradients, data and workers these are; nothing where it is not known."""
    found = lines_of_scheme(Records(pd.DataFrame(), pd.DataFrame([PLAIN | more])), "a")
    assert len(found) == len(said)
    assert all(line.startswith(known) for line, known in zip(found, said, strict=True))


def test_what_no_method_can_be_below() -> None:
    """Beside the fastest of the schemes for which it is known."""
    rows = [
        PLAIN | {"label": name, "iteration_time_mean": seconds, "least_iteration_time": least}
        for name, seconds, least in (("a", 3.0, 1.0), ("b", 2.0, 0.5), ("c", 1.0, np.nan))
    ]
    [line] = least_time_line(Records(pd.DataFrame(), pd.DataFrame(rows)))
    assert "faster per gradient than 0.5 s for 10 gradients" in line
    assert line.endswith("b takes 4 times that.")
    assert least_time_line(Records(pd.DataFrame(), pd.DataFrame(rows[2:]))) == []
    assert least_time_line(Records(pd.DataFrame(), pd.DataFrame([PLAIN]))) == []


def iterations(label: str, seconds: list[float], losses: list[list[float]]) -> pd.DataFrame:
    """Replications whose iterations all take the same time, and their losses from the start on."""
    return pd.DataFrame(
        {"label": label, "scheme": label, "cell": label, "replication": r, "iteration": t,
         "time": t * each, "iteration_time": each if t else np.nan, "train_loss": loss}
        for r, each in enumerate(seconds)
        for t, loss in enumerate(losses[r])
    )  # fmt: skip


def result(target: float | None, **schemes: tuple[list[float], list[list[float]]]) -> Records:
    tables = [iterations(label, *each) for label, each in schemes.items()]
    rows = [
        PLAIN
        | {"label": label, "scheme": label, "cell": label, "target_loss": target}
        | {"iteration_time_mean": float(np.mean(seconds))}
        | {"final_train_loss_mean": float(np.mean([each[-1] for each in losses]))}
        for label, (seconds, losses) in schemes.items()
    ]
    config = {"target_loss": target}
    return Records(pd.concat(tables), pd.DataFrame(rows), config=config)


DOWN = [[4.0, 2.0, 1.0]] * 2
LATE = [[4.0, 3.0, 2.0]] * 2


def test_who_is_first_to_the_target() -> None:
    """Not who has the shortest iterations; and whoever does not reach it in every run is named."""
    slow, fast = ([3.0, 3.3], DOWN), ([2.0, 2.2], LATE)
    found = judged(result(2.5, uncoded=slow, code=fast))
    assert found.verdict.startswith("uncoded reaches")
    assert "; code takes" in found.verdict
    seconds = "An iteration of code takes 2.1 s on average, one of uncoded 3.15 s."
    assert not any(line.startswith("An iteration of") for line in found.why)
    other = judged(result(3.5, uncoded=slow, code=fast))
    assert other.verdict.startswith("code reaches")
    assert seconds in other.why
    assert seconds not in judged(result(None, uncoded=slow, code=fast)).why
    some = [[4.0, 2.0, 1.0], [4.0, 3.0, 3.0]]
    third = judged(result(2.5, uncoded=slow, code=fast, other=([1.0, 1.0], some)))
    assert third.verdict.startswith("uncoded reaches")
    assert third.limits.endswith("; not every run of other reaches it.")


def test_runs_that_all_diverge_are_judged() -> None:
    """Catches a least loss of none."""
    gone = [[4.0, np.inf, np.nan]] * 2
    slow, fast = ([3.0, 3.3], gone), ([2.0, 2.2], gone)
    assert not any("the least" in line for line in judged(result(None, a=slow, b=fast)).why)


def test_who_survives_is_not_first() -> None:
    """Of all runs the median decides, and pairs in which one scheme fails count against it."""

    def runs(missed: int, seconds: float) -> tuple[list[float], list[list[float]]]:
        losses = [[4.0, 3.0, 3.0]] * missed + [[4.0, 2.0, 1.0]] * (16 - missed)
        return [seconds + i / 1000 for i in range(16)], losses

    slow, some, most = runs(0, 4.0), runs(2, 2.0), runs(9, 1.0)
    known = result(2.5, slow=slow, some=some, most=most)
    ended = known.summary.assign(time_to_target_above=[np.nan, 117.26, 3.0])
    found = judged(replace(known, summary=ended))
    assert any("run of some that does not reach" in x and "117 s" in x for x in found.why)
    assert found.verdict.startswith(
        "some reaches loss 2.5 first: 2.01 s; slow takes 2 times as long (1.99 to 2)."
    )
    assert found.limits == (
        "Median of 16 runs, 2 of which miss it; not every run of most reaches it."
    )
    last = judged(result(2.5, some=some, most=most))
    assert "most misses it in half of its runs or more." in last.verdict
    none = judged(result(2.5, slow=slow, none=runs(16, 1.0)))
    assert "misses it in half" in none.verdict
    nobody = judged(result(2.5, a=runs(8, 2.0), most=most))
    assert nobody.verdict.startswith("most has the shortest iterations")


def test_one_replication_says_nothing_of_how_sure_it_is() -> None:
    found = judged(result(None, uncoded=([3.0], DOWN), code=([2.0], LATE)))
    assert found.limits == "One replication does not show how sure that is."
    assert not found.tied
    tied = judged(result(None, uncoded=([3.0, 1.0], DOWN), code=([1.0, 2.8], LATE)))
    assert tied.limits == "Uncoded may be as fast."
    more = {name: ([3.0 - i / 99, 1.0], DOWN) for i, name in enumerate("abcd")}
    several = judged(result(None, uncoded=([1.0, 2.8], LATE), **more))
    assert several.limits == "A, b, c and 1 more may be as fast."
    assert tied.tied


def test_one_scheme_has_nobody_beside_it() -> None:
    """Its iterations are told, whether or not it reaches a target; or that there are none."""
    for target in (None, 2.5):
        found = judged(result(target, code=([2.0, 3.0], DOWN)))
        assert found.verdict == "code takes 2.5 s per iteration on average."
        assert not found.tied
    table = result(None, code=([2.0, 3.0], DOWN))
    named = {"label": "mine"}
    runs = table.iterations.drop(columns="iteration_time").assign(**named)
    nothing = replace(table, iterations=runs, summary=table.summary.assign(**named))
    assert judged(nothing).verdict == "mine: nothing was measured."


@pytest.mark.parametrize(
    ("load", "seconds", "said"),
    [
        (2, [2.0, 2.2], "; redundancy does not pay, code takes 2 times as long (2 to 2)."),
        ([1, 2], [2.0, 2.2], "; redundancy does not pay, code takes"),
        ("n/2", [2.0, 2.2], "; redundancy does not pay, code takes"),
        (1, [2.0, 2.2], "; code takes 2 times as long"),
        (None, [2.0, 2.2], "; code takes 2 times as long"),
        (2, [1.0, 1.4], "; code takes 1.13 times as long (0.244 to 5.22)."),
        (2, [1.0, 1.1], "; code takes exactly as long."),
    ],
)
def test_redundancy_does_not_pay_where_it_surely_costs(
    load: object, seconds: list[float], said: str
) -> None:
    """Not where nobody has any, nor where it may be as fast."""
    table = result(None, uncoded=([1.0, 1.1], DOWN), code=(seconds, DOWN))
    config = {"schemes": [{"name": "uncoded"}, {"name": "code", "load": load}]}
    assert f"iterations: 1.05 s{said}" in judged(replace(table, config=config)).verdict


def test_times_without_a_mean_are_judged_by_their_medians() -> None:
    """A mean of a sample says nothing then; and whoever has one is faster than who has none."""
    table = result(None, uncoded=([9.0, 9.9], DOWN), code=([2.0, 2.2], DOWN))
    neither = table.summary.assign(iteration_time_median=[9.5, 2.125])
    found = judged(replace(table, summary=neither))
    assert found.verdict.startswith(
        "code has the shortest iterations: 2.12 s (the median; there is no mean); uncoded takes 4.5"
    )
    one = table.summary.assign(iteration_time_median=[np.nan, 2.125])
    found = judged(replace(table, summary=one))
    assert found.verdict.startswith("uncoded has the shortest iterations: 9.45 s; code has no mean")


def test_a_sweep_of_one_point_is_a_run() -> None:
    """A key that has one value separates nothing."""
    table = result(None, uncoded=([3.0, 3.3], DOWN), code=([2.0, 2.2], DOWN))
    own = {"seed": 0}
    point = replace(
        table, iterations=table.iterations.assign(**own), summary=table.summary.assign(**own)
    )
    assert judged(point) == judged(table)
    assert judged(table).verdict.startswith(
        "code has the shortest iterations: 2.1 s; uncoded takes"
    )


def test_who_starts_at_the_target_does_not_reach_it_first() -> None:
    """Two that get there are compared by it, else the iterations are."""
    at_once = [[2.0, 1.0, 1.0]] * 2
    found = judged(result(2.5, a=([3.0, 3.3], at_once), b=([2.0, 2.2], DOWN)))
    assert found.verdict.startswith("b has the shortest iterations: 2.1 s; a takes 1.5 times")
    third = judged(result(2.5, a=([3.0, 3.3], at_once), b=([2.0, 2.2], DOWN), c=([1, 1.1], DOWN)))
    assert third.verdict.startswith("c reaches loss 2.5 first")


def test_the_worker_that_delays_a_scheme_costs_something() -> None:
    """It ends more rounds than chance explains, and they would be shorter without it."""
    row = PLAIN | {"costliest_worker": 3, "costliest_worker_last": 0.5}
    for cost, said in ((0.1, True), (0.0, False)):
        lines = lines_of_scheme(
            Records(pd.DataFrame(), pd.DataFrame([row | {"costliest_worker_cost": cost}])), "a"
        )
        assert any("Worker 3 delays it most: its message ends 50 %" in x for x in lines) == said


@pytest.mark.parametrize(("ended", "said"), [(9, False), (10, True)])
def test_a_worker_stands_out_that_chance_would_not_name(ended: int, said: bool) -> None:
    """One of two that ends all of ten rounds, by chance in 2 runs of 1,024; nine or more of them
    in 22."""
    row = {"iterations": 5, "replications": 2, "workers": 2, "costliest_worker_last": ended / 10}
    assert stands_out(pd.Series(row, dtype=object)) is said


def test_a_lower_loss_elsewhere_is_said() -> None:
    """Lower, and not as low."""
    found = judged(result(None, uncoded=([3.0, 3.3], DOWN), code=([2.0, 2.2], LATE)))
    assert any("loss of code is 2; the least is that of uncoded, 1." in line for line in found.why)
    same = judged(result(None, uncoded=([3.0, 3.3], DOWN), code=([2.0, 2.2], DOWN)))
    assert not any("the least is that of" in line for line in same.why)


def test_a_page_in_markdown() -> None:
    """Every part has its heading, and only if there is something below it."""
    rows = [[plain_cell(f"row {i}")] for i in range(26)]
    long = Table("t", "All", ["name"], rows, file="t.csv", note="A note.")
    short = Table("s", "", ["a|b"], rows[:1])
    answer = Answer(
        "kind", "of what", "Yes.", ("since",), ("do",), notes=("but",), read=("a file",)
    )
    page = Page(
        answer,
        question=[("what", "this")],
        sections=[
            Section("one", "First", [long], "Words of it."),
            Section("two", "Second", [short]),
            Section("three", "Third", []),
        ],
        provenance=[("seed", "1")],
        config="a: 1\n",
        method=["So it was.", "And so."],
    )
    text = as_markdown(page, {})
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "# kind: of what", "## Next", "## The question", "## The config", "## First", "### All",
        "## Second", "## How to read this",
    ]  # fmt: skip
    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        "- a file", "- since", "- but", "- do", "- what: this",
    ]  # fmt: skip
    assert text.index("- a file") < text.index("**Yes.**") < text.index("- since")
    assert "```yaml\na: 1\n```" in text
    assert "Words of it." in text
    assert "A note." in text
    assert "The first 25 of 26; `t.csv` has all." in text
    assert text.count("| row ") == 26, "of both tables"
    assert text.index("So it was.") < text.index("And so.")
    bare = as_markdown(Page(Answer("kind", "of what", "Yes."), [], [], []), {})
    assert [line for line in bare.splitlines() if line.startswith("#")] == [
        "# kind: of what",
        "## The question",
    ]


def test_code_in_a_sentence() -> None:
    """Every second piece between marks, and all of it escaped."""
    assert with_code("run `a` and `<b>`, <c>, `d`") == (
        "run <code>a</code> and <code>&lt;b&gt;</code>, &lt;c&gt;, <code>d</code>"
    )
    assert with_code("plain & simple") == "plain &amp; simple"
    assert with_code("`a` first") == "<code>a</code> first"


def test_a_table_is_cut_and_empty_columns_go() -> None:
    """The first column stays, and so do those that tell rows apart, as many as are left."""
    rows = [[plain_cell(i), plain_cell("-"), plain_cell(""), plain_cell(2.5)] for i in range(3)]
    found = capped("t", "T", ["a", "b", "c", "d"], rows, "t.csv", "Note.", keys=2)
    assert [*found.columns] == ["a", "d"]
    assert [[str(cell) for cell in row] for row in found.rows] == [
        [str(i), "2.5"] for i in range(3)
    ]
    assert found.keys == 1
    assert found.note == "Note."
    assert capped("t", "T", ["a", "d"], [[r[0], r[3]] for r in rows], "t.csv").keys == 1
    assert Table("t", "T", ["a"], []).keys == 1
    whole = [rows[0]] * 400
    assert "rows" not in capped("t", "T", [*"abcd"], whole, "t.csv", "Note.").note
    cut = capped("t", "T", [*"abcd"], [*whole, rows[0]], "t.csv", "Note.")
    assert len(cut.rows) == 400
    said = "The first 400 of 401 rows; `t.csv` has all."
    assert cut.note == f"Note. {said}"
    assert capped("t", "T", [*"abcd"], [*whole, rows[0]], "t.csv").note == said
    assert capped("t", "T", ["a", "b"], [[plain_cell("-")] * 2], "t.csv").columns == ["a"]


def test_what_all_rows_have_alike_is_said_once() -> None:
    """Of three rows or more, but for names; where nothing else is left, columns stay."""
    rows = [[plain_cell(name), plain_cell(0.5), plain_cell(i)] for i, name in enumerate("aaa")]
    table = capped("t", "T", ["name", "error", "i"], rows, "t.csv", "Note.")
    found = said_once(table)
    assert (found.columns, found.note) == (["name", "i"], "Note. In all rows: error 0.5.")
    assert found.numbers == {1}
    assert said_once(replace(table, rows=rows[:2])).columns == ["name", "error", "i"]
    alike = capped("t", "T", ["name", "error"], [row[:2] for row in rows], "t.csv")
    assert said_once(alike) == alike


def test_who_leaves_out_half_of_the_gradient_is_named() -> None:
    """Less than half is heard, and not half; what is not known is nothing to say."""
    assert few_parts_used([("a", 0.5), ("b", np.nan), ("c", 1.0)]) == []
    [said] = few_parts_used([("a", 0.5), ("b", 0.49)])
    assert said.startswith("b is that fast since it uses only 49 % of the")
    [both] = few_parts_used([("b", 0.12), ("a", 1.0), ("b", 0.49), ("b", 0.25)])
    assert "only 12 to 49 % of the" in both


def swept(
    times: dict[str, list[float]], replications: int = 4, **columns: dict[str, list[float]]
) -> Verdict:
    """Of a sweep over seeds; what is not given is not known, and whose time is 0 has failed."""
    points = len(next(iter(times.values())))
    rows = [
        PLAIN | {"label": label, "scheme": label, "cell": f"{label}{i}", "seed": i}
        | {"iteration_time_mean": seconds[i], "replications": replications}
        | {"iteration_time_se": 0.05 if replications > 1 else np.nan}
        | {name: own.get(label, [np.nan] * points)[i] for name, own in columns.items()}
        for i in range(points)
        for label, seconds in times.items()
        if seconds[i] != 0
    ]  # fmt: skip
    runs = pd.DataFrame({"cell": "uncoded0", "seed": [0]})
    return judged(Records(runs, pd.DataFrame(rows), config={"target_loss": 0.5}))


def test_a_sweep_is_judged_by_the_target_where_somebody_reaches_it() -> None:
    """By medians over all runs; if there are none, by the iterations."""
    times = {"uncoded": [2.0, 2.0, 2.0], "code": [1.0, 1.0, 3.0]}
    to_target = {"uncoded": [8.0, 4.0, 3.0], "code": [4.0, 5.0, np.inf]}
    errors = {"uncoded": [1.0] * 3, "code": [0.0] * 3}
    means = {"time_to_target_mean": to_target, "time_to_target_se": errors}
    more = {**means, "time_to_target_median": to_target}
    found = swept(times, **more)
    reached = "uncoded reaches loss 0.5 first at 2 of 3 points; code at 1."
    assert found.verdict == reached
    assert found.why[0].startswith("At each point the winner is 1 to 2 times as fast as uncoded")
    assert found.why[1].startswith("The runner-up may be as fast at 1 of 3 points")
    assert found.tied
    ends = {"time_to_target_median_low": {"uncoded": [6.0, 3.0, 2.0], "code": [3.0, 4.5, 9.0]}}
    ends |= {"time_to_target_median_high": {"uncoded": [9.0, 4.4, 4.0], "code": [5.0, 6.0, np.inf]}}
    more["time_to_target_mean"] = {"uncoded": [np.nan] * 3, "code": [np.nan] * 3}
    assert swept(times, **more, **ends).why[1].startswith("The runner-up is slower at every point")
    ends["time_to_target_median_low"]["code"][1] = 4.3
    assert "be as fast at 1 of 3 points (" in swept(times, **more, **ends).why[1]
    other = swept(times, time_to_target_median={"uncoded": [np.inf] * 3, "code": [np.inf] * 3})
    assert other.verdict == "code has the shortest iterations at 2 of 3 points; uncoded at 1."
    assert other.why[1].startswith("The runner-up is slower at every point")
    assert not other.tied


def test_a_sweep_of_one_scheme_compares_it_with_nobody() -> None:
    found = swept({"uncoded": [2.0, 1.0]})
    assert found.verdict == "uncoded takes 1 to 2 s per iteration at 2 points of the sweep."
    assert found.why == []


def test_a_sweep_that_the_first_scheme_wins_says_no_gain_over_it() -> None:
    found = swept({"uncoded": [1.0, 1.0], "code": [2.0, 3.0]})
    assert found.verdict == "uncoded has the shortest iterations at all 2 points."
    assert [line.split(" (")[0] for line in found.why] == ["The runner-up is slower at every point"]


def test_a_sweep_of_single_replications_does_not_say_how_sure_it_is() -> None:
    found = swept({"uncoded": [2.0, 2.0], "code": [1.0, 1.0]}, replications=1)
    assert found.limits == "One replication does not show how sure that is."
    assert [line.split(" (")[0] for line in found.why] == [
        "At each point the winner is 2 times as fast as uncoded"
    ]
    assert not found.tied


def test_gains_are_over_one_scheme() -> None:
    """Where the first has failed, the first that ran is another one."""
    found = swept({"a": [2.0, 0.0, 3.0], "b": [1.0, 1.0, 1.0], "c": [4.0, 9.0, 4.0]})
    assert found.why[0].startswith("At 2 of 3 points the winner is 2 to 3 times as fast as a (")


def test_points_of_a_sweep_at_which_nobody_is_first_are_named() -> None:
    """Where all have failed, and where nobody reaches the target in half of the runs."""
    times = {"uncoded": [2.0, np.nan, 2.0, 1.0], "code": [1.0, np.nan, 3.0, 2.0]}
    found = swept(times)
    assert found.verdict == "uncoded has the shortest iterations at 2 of 4 points; code at 1."
    assert found.limits == "No scheme has a mean at seed = 1."
    assert found.why[-1].startswith("The runner-up is slower at 3 of 4 points (")
    to_target = {"uncoded": [3.0, np.inf, np.inf, 2.0], "code": [4.0, np.inf, np.nan, 4.0]}
    more = {"time_to_target_median": to_target, "time_to_target_mean": {}, "time_to_target_se": {}}
    once = swept({"uncoded": [2.0, np.nan], "code": [1.0, np.nan]}, target_reached={})
    assert once.verdict == "code has the shortest iterations at 1 of 2 points."
    nowhere = swept({"uncoded": [np.nan] * 2}, target_reached={})
    assert (nowhere.why, nowhere.tied) == ([], False)
    found = swept(times, **more)
    said = "uncoded reaches loss 0.5 first at 2 of 4 points."
    assert (found.verdict, found.limits) == (said, "No scheme reaches it at seed = 1, seed = 2.")


def test_a_table_of_many_cells_says_how_many_there_are() -> None:
    means = {"iteration_time_mean": 1.5, "iteration_time_se": 0.1, "replications": 4}
    summary = pd.DataFrame({"label": ["a"] * 12_345, **means})
    records: Any = SimpleNamespace(summary=summary, swept=list, shown=str)
    table = page_module.numbers_table(records)
    assert table.note == "The first 400 of 12345 rows; `summary.parquet` has all."
    assert len(table.rows) == 400
    two = summary.head(2).assign(rate=[None, 2.0])
    records = SimpleNamespace(summary=two, swept=lambda: ["rate"], shown=str)
    assert [str(row[1]) for row in page_module.numbers_table(records).rows] == ["null", "2"]


def test_the_next_fastest_is_the_second_of_all() -> None:
    """Beside the first of the config, if that is the fastest."""
    schemes = {"a": ([1.0, 1.1], DOWN), "b": ([3.0, 3.3], DOWN), "c": ([2.0, 2.2], DOWN)}
    found = judged(result(None, **schemes))
    assert "; c takes 2 times" in found.verdict


# Sections of a run's page, from what lies in its folder.


def told(config: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> Records:
    """A result with this config."""
    summary = pd.DataFrame(rows or [PLAIN])
    return Records(pd.DataFrame({"label": summary["label"]}), summary, config=config)


@pytest.mark.parametrize(
    ("failed", "last"), [(0, "mind it"), (8, "cell 7: odd"), (9, "1 more"), (11, "3 more")]
)
def test_eight_cells_that_failed_are_named(
    failed: int, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the warnings of the run."""
    reasons = {f"cell {place}": "odd" for place in range(failed)}
    manifest = {"warnings": ["mind it"], "failed": reasons}
    monkeypatch.setattr(page_module, "read_records", lambda directory: told({"name": "mine"}))
    monkeypatch.setattr(page_module, "json_at", lambda path: manifest)
    monkeypatch.setattr(page_module, "judged", lambda records: Verdict("Yes.", ["So."], False))
    monkeypatch.setattr(page_module, "_sections", lambda records: ())
    answer = read_run(Path("out")).answer
    assert (answer.kind, answer.subject, answer.why) == ("run", "mine", ("So.",))
    assert answer.notes[0] == "mind it"
    assert [note[14:] for note in answer.notes[1:9]] == [f"{name}: odd" for name in reasons][:8]
    assert answer.notes[-1] == (f"not computed: {last}" if failed else last)
    assert len(answer.notes) == 1 + min(failed, 9)


def test_the_question_is_told_in_words() -> None:
    """What is swept is not told twice; the optimizer and the target only where something is
    trained; of many schemes and values the first eight."""
    config: dict[str, Any] = {
        "workers": 10, "iterations": 5, "replications": 4, "seed": 3, "target_loss": 0.25,
        "delay": {"model": "pareto", "alpha": 2.5, "scale": None, "parts": [1, 2], "on": False},
        "load_law": {"kind": "additive", "seconds_per_partition": 0.5},
        "optimizer": {"rule": "gd", "learning_rate": 0.5}, "network": None,
        "sweep": {"workers": [4, 8], "delay.alpha": [float(i) for i in range(10)], "seed": "1:3"},
    }  # fmt: skip
    rows = [PLAIN | {"label": f"s{i}", "scheme": f"s{i}"} for i in range(10)]
    assert question_of(config, told(config, rows)) == [
        ("schemes", "s0, s1, s2, s3, s4, s5, s6, s7 and 2 more"),
        ("iterations", "5"),
        ("replications", "4"),
        ("delay", "pareto, alpha = 2.5"),
        ("load law", "additive, seconds_per_partition = 0.5"),
        ("swept: workers", "4, 8"),
        ("swept: delay.alpha", "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"),
        ("swept: seed", "1:3"),
    ]
    trained = dict(question_of({**config, "problem": {"loss": "logistic"}}, told(config)))
    assert (trained["problem"], trained["target loss"]) == ("logistic", "0.25")
    assert trained["optimizer"] == "gd, learning_rate = 0.5"


def test_where_a_result_comes_from() -> None:
    manifest = {
        "cells": {"1": {"engine": "batch"}, "2": {"engine": "event"}, "3": {"engine": "batch"}},
        "seed": 7, "host": "h", "wall_seconds": 1.5, "versions": {"numpy": "2", "scipy": "1"},
        "id": "abc",
        "live": {"workers": "processes", "time_scale": 2.0, "cells": {}},
    }  # fmt: skip
    rows = [{**PLAIN, "cell": "1"}, {**PLAIN, "cell": "2"}]  # a part, without the third cell
    assert provenance_of(manifest, told({}, rows)) == [
        ("cells", "2"), ("engine", "batch, event"), ("seed", "7"),
        ("commit", "unknown: not run from a Git repository"), ("host", "h"),
        ("computed in", "1.5 s"), ("versions", "numpy 2, scipy 1"),
        ("id", "abc"), ("rows", "2 iterations, 2 cells"),
        ("live", "workers: processes, time_scale: 2.0"),
    ]  # fmt: skip
    bare = dict(provenance_of({"commit": "123"}, told({})))
    assert (bare["cells"], bare["commit"], "live" in bare) == ("1", "123", False)


@pytest.mark.parametrize(
    ("kind", "line", "again"),
    [
        ("run", "erasurehead run config.yaml --output 'results/my run'", "run it again, to the"),
        (
            "sweep",
            "erasurehead sweep config.yaml --jobs 2 --output 'results/my run'",
            "sweep it again, to the same bytes:",
        ),
        ("live", "erasurehead live config.yaml --output 'results/my run-live'", "measure again:"),
    ],
)
def test_how_a_result_is_made_again(kind: str, line: str, again: str) -> None:
    first, second = commands_of(kind, "my run")
    assert first.line == line
    assert again in first.words
    assert second.line == f"erasurehead report {line.partition('--output ')[2]}"
    how = {"workers": "tcp://10.0.0.1:8786", "time_scale": 0.5, "injected": False}
    options = live_options({**how, "slow": {"3": 2.5, "4": 2.0}, "cells": {}})
    assert options == (
        " --scheduler tcp://10.0.0.1:8786 --time-scale 0.5 --no-injection --slow 3=2.5 --slow 4=2"
    )
    plain = {"workers": "processes of this machine", "time_scale": 1.0, "injected": True}
    assert live_options({**plain, "slow": {}}) == live_options(None) == ""
    part = {"delay.rate": ["1", "2"], "policy": ["no one"]}
    first, second = commands_of(kind, "run", options, part)
    assert f"{options} --output" in first.line
    assert second.line.endswith(" --where delay.rate=1,2 --where 'policy=no one'")


def hints(config: dict[str, Any], kind: str = "run", tied: bool = False, **more: Any) -> list[str]:
    records = replace(told(config, [PLAIN, PLAIN | {"replications": 8}]), **more)
    return next_commands(records, kind, Verdict("", [], tied), Path("my run"))


def test_hints_are_of_use() -> None:
    """Each where nothing says that it was done, or cannot be."""
    delay = {"model": "pareto", "alpha": 4, "scale": 2.0}
    same = "'my run/config.yaml' --output 'my run'"
    more = f"Four times the replications halve the intervals: `erasurehead run {same} --set "
    assert hints({}, tied=True)[0] == f"{more}replications=32`."
    assert not any("Four times" in line for line in hints({}))
    dial, queue, timeline = hints({"delay": delay})
    assert "--set delay.alpha=2,4,8 --output 'my run-alpha'`" in dial
    assert "--set policy=queue --output 'my run-queue'`" in queue
    assert timeline.endswith(f"`erasurehead run {same} --timeline timeline.json`.")
    assert len(hints({"delay": "pareto"})) == 2
    assert hints({"sweep": {"seed": [1]}, "delay": delay}, "sweep") == []
    assert hints({"delay": delay}, "live") == []
    _, queue = hints({"delay": delay, "engine": "law"})
    assert "--set policy=queue --set engine=auto --output" in queue
    assert len(hints({}, timeline=pd.DataFrame())) == 1
    target, rates = hints({"problem": {"loss": "x"}})[2:]
    assert target.startswith("With `target_loss` in the config")
    assert rates.endswith("`erasurehead recommend 'my run/config.yaml'`.")
    assert len(hints({"problem": {"loss": "x"}, "target_loss": 0.5})) == 3
    assert len(hints({"problem": {"loss": "x"}}, "live")) == 1


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_dial_of_every_delay_model_can_be_turned(model: str) -> None:
    """Half, once and twice what it is are three values, and all of them are valid."""
    for example in MODELS[model].examples():
        delay = plain(example, BUILT_IN)
        found = dial_of({"delay": delay})
        if found is not None:
            key, values = found
            config = {"delay": delay, "workers": 12, "schemes": [{"name": "uncoded"}]}
            assert len(cells(config | {"sweep": {f"delay.{key}": [*map(float, values)]}})) == 3


@pytest.mark.parametrize(
    ("delay", "found"),
    [
        ({"model": "pareto", "alpha": 4, "scale": 1}, ("alpha", ["2", "4", "8"])),
        (
            {"model": "shifted_exponential", "shift": 0, "rate": 1},
            ("rate", ["0.5", "1", "2"]),
        ),
        ({"model": "exponential", "rate": -1}, None),
        ("exponential", None),
    ],
)
def test_the_dial_is_the_first_number_that_is_not_0(delay: object, found: object) -> None:
    assert dial_of({"delay": delay}) == found


def test_no_dial_says_which_delays_are_read(tmp_path: Path) -> None:
    """Though this table has half and twice the load, too."""
    seconds = np.random.default_rng(1).exponential(1.0, (3, 8, 2))
    rows = [f"{load},{t},{j},{seconds[i, t, j]}" for i, load in enumerate((1, 2, 4))
            for t in range(8) for j in range(2)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["load,round,host,seconds", *rows]))
    delay = {"model": "trace", "path": str(tmp_path / "t.csv"), "load": 2.0}
    assert dial_of({"delay": delay}) is None
    assert dial_of({"delay": {**delay, "unit": 0.5}}) == ("unit", ["0.25", "0.5", "1"])


EVIL = "<img src=x onerror=alert(1)>"


def test_names_are_no_html_and_no_links_in_markdown() -> None:
    """Wherever a text from outside can stand, the config among them: its fence is longer than any
    row of backticks in it."""
    table = Table("t.csv", EVIL, ["a", EVIL], [["1", f"{EVIL}[x](http://x)"]], EVIL)
    answer = Answer(
        "kind", EVIL, f"{EVIL}.", [EVIL], [EVIL], [EVIL], read=(f"</b>{EVIL}<!-- ", "2 < 3")
    )
    page = Page(answer, [("what", EVIL)], [Section("one", EVIL, [table], EVIL)], [])
    page = replace(page, config=f"a: |\n  ```\n  {EVIL}\n")
    text = as_markdown(page, {})
    outside = re.sub(r"(?ms)^(````+)yaml\n.*?^\1$", "", text)
    assert outside.count("&lt;img") == 12
    assert not re.search(r"<[A-Za-z/!?]|\]\(", outside)
    assert "2 < 3" in outside
    assert "````yaml\na: |\n  ```\n" in text
