"""What the sliders stand for, what is drawn, and how a wrong one is answered."""

from __future__ import annotations

import json
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from functools import partial
from time import process_time
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
import yaml

from erasurehead import ConfigError
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.pictures.picture import Curve, Points
from erasurehead.experiments.reports.explore import drawing
from erasurehead.experiments.reports.explore.drawing import (
    ClosedForms,
    Simulated,
    loss_time,
    run_cell,
    time_error,
)
from erasurehead.experiments.reports.explore.server import (
    CONTROLS,
    DELAY_LAWS,
    Choice,
    Server,
    Slider,
    Turns,
    chosen,
    delay,
    document,
    respond,
    serve_pages,
    start_page,
)
from erasurehead.experiments.run.compute import compute
from erasurehead.experiments.run.records import ClosedForm, mean_interval, summary_table
from erasurehead.experiments.text import theory_text
from tests.experiments.reports.results import Reader
from tests.experiments.run.commands import PATIENCE, until
from tests.golden.kept import html_of
from tests.golden.machine import hash_of
from tests.golden.records import require_recorded
from tests.tools import ROOT, pace


def settings_of(**query: str) -> Any:
    return cells(document(chosen(query)))[0].settings


@pytest.mark.parametrize("law", DELAY_LAWS)
def test_a_law_has_the_mean_that_is_chosen(law: str) -> None:
    """Shift and mean of the random part are the same for all laws."""
    model = settings_of(law=law, shift="0.5", mean="0.8").delay
    assert model.mean() == pytest.approx(1.3)


def test_persistence_leaves_the_share_of_slow_workers_alone() -> None:
    """Of a chain with these probabilities the stationary share is f / (1 - s + f)."""
    for p in ("0.2", "0.9"):
        found = delay(chosen({"slow": "3", "share": "0.1", "persistence": p}))
        stays, becomes = found["slow_to_slow"], found["fast_to_slow"]
        assert becomes / (1 - stays + becomes) == pytest.approx(0.1, abs=1e-4)
        assert stays - becomes == pytest.approx(float(p), abs=1e-4)
    assert delay(chosen({"slow": "3"}))["model"] == "mixture"
    assert delay(chosen({"persistence": "0.9"}))["model"] == "shifted_exponential"


def test_the_arrays_are_those_of_a_run() -> None:
    """To the bit, of each scheme, under a policy and delays that leave nothing out."""
    query = {"slow": "3", "persistence": "0.5", "policy": "queue", "n": "12", "r": "8"}
    for cell in cells(document(chosen(query))):
        ours, rows = run_cell(cell), compute(cell).iterations
        shape = ours.times.shape
        np.testing.assert_array_equal(ours.times, rows["time"].to_numpy().reshape(shape))
        np.testing.assert_array_equal(ours.losses, rows["train_loss"].to_numpy().reshape(shape))
        errors = rows["decoding_error"].to_numpy().reshape(shape)[:, 1:].mean(axis=1)
        np.testing.assert_allclose(ours.errors, errors)


def test_closed_forms_stand_beside_what_was_simulated() -> None:
    """Uncoded, exponential delays: shift + tau + mean times the harmonic number of n."""
    theory = ClosedForms()
    quick = respond("n=10&d=2&r=5", theory)
    assert quick["more"] is True
    whole = respond("n=10&d=2&r=5&patient=1", theory)
    assert whole["more"] is False
    assert respond("n=10&d=2&r=5&rate=0.1", theory)["more"] is False, "they are known by now"
    expected = 0.5 + 0.1 + sum(1 / k for k in range(1, 11))
    assert f"{expected:.4g}" in str(whole["html"])
    assert "closed form" in Reader(str(whole["html"])).words
    headings = re.findall(r"<th[^>]*>(.*?)</th>", str(whole["html"]))
    assert len({*headings}) == len(headings) > 4
    config = yaml.safe_load(str(whole["config"]))
    assert config["workers"] == 10
    assert len(cells(config)) == 5
    summary = summary_table([(cell, compute(cell)) for cell in cells(config)])
    for name in ("iteration_time", "decoding_error"):
        for value, z in summary[[f"{name}_theory", f"{name}_z"]].itertuples(index=False):
            shown = str(whole["html"]).replace("<wbr>", "").replace("\N{MINUS SIGN}", "-")
            assert f">{theory_text(value, z)}<" in shown, "as `run` has it"


def test_bars_are_the_intervals_of_a_run() -> None:
    """Of 8 replications Student's are 1.2 times as long as the normal law's."""
    [cell] = [each for each in cells(document(chosen({}))) if each.label == "uncoded"]
    run = run_cell(cell)
    mean, low, high = mean_interval(run.times[:, -1] / 40)
    [panel] = time_error([run], {run.label: ClosedForm()}, whole=False).panels
    [mark] = [each for each in panel.marks if isinstance(each, Points) and len(each.x)]
    assert mark.dx is not None
    np.testing.assert_allclose(mark.dx.ravel(), [mean - low, high - mean])


def test_the_view_is_that_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole runs only where they are asked for; closed forms only with patience."""

    def asked(config: Any, theory: ClosedForms, patient: bool, whole: bool) -> dict[str, object]:
        return {"patient": patient, "whole": whole}

    monkeypatch.setattr("erasurehead.experiments.reports.explore.server.drawn_page", asked)
    for query, patient, whole in (
        ("", False, False),
        ("view=first&patient=0", False, False),
        ("view=whole", False, True),
        ("patient=1", True, False),
    ):
        assert respond(query, ClosedForms()) == {"patient": patient, "whole": whole}


def test_sliders_begin_as_the_lecture_says() -> None:
    """30 workers that take half a second at least and one more on average, 0.1 s a partition, 15
    arrivals, three partitions; nobody is slow for a while."""
    first = {control.name: control.start for control in CONTROLS}
    assert (first["slow"], first["persistence"]) == (1, 0)
    assert (first["n"], first["d"], first["r"]) == (30, 3, 15)
    assert (first["shift"], first["mean"], first["tau"]) == (0.5, 1.0, 0.1)
    assert delay(chosen({})) == {"model": "shifted_exponential", "shift": 0.5, "rate": 1.0}


def test_so_many_closed_forms_are_kept() -> None:
    """A server that runs for days does not grow; the last one is always there."""
    theory = ClosedForms(most=2)
    for workers in ("10", "12", "14"):
        *_, last = cells(document(chosen({"n": workers, "r": "5", "d": "2"})))
        assert theory.of(last, patient=True) is not None
        assert theory.of(last, patient=False) is not None
        assert len(theory) <= 2


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("n=61", "n = '61': must be a number from 4 to 60"),
        ("n=nan", "n = 'nan'"),
        ("n=4.5", "n = '4.5': must be a whole number"),
        ("d=1.5", "d = '1.5': must be a whole number"),
        ("r=1.5", "r = '1.5': must be a whole number"),
        ("d=4&n=30", "load = 4: must divide workers = 30"),
        ("r=40&n=30", "must be between 1 and workers = 30"),
        ("law=normal", "must be one of"),
        ("policy=<b>", "must be one of"),
        ("whatever=1", "must be one of"),
        ("n=" + "9" * 5000, "must be a number"),
        ("n=%00&d=%0a", "must be a number"),
        ("&".join(f"x{i}=1" for i in range(200)), "x0: must be one of"),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_slider_is_one_line(query: str, words: str) -> None:
    said = str(respond(query, ClosedForms())["error"])
    assert words in said
    assert "\n" not in said
    assert len(said) <= 300
    assert "internal" not in said


def test_a_number_has_32_characters_at_most() -> None:
    assert chosen({"n": "30".zfill(32)})["n"] == 30
    with pytest.raises(ConfigError, match="must be a number from 4 to 60"):
        chosen({"n": "30".zfill(33)})


def test_the_picture_ends_with_the_fastest_scheme_on_a_logarithmic_axis() -> None:
    """Schemes differ in the first part; the whole run is a choice."""
    runs = [run_cell(cell) for cell in cells(document(chosen({})))]
    (first,), (whole,) = loss_time(runs).panels, loss_time(runs, whole=True).panels
    ends = [
        {float(mark.x[-1]) for mark in panel.marks if isinstance(mark, Curve) and len(mark.x)}
        for panel in (first, whole)
    ]
    assert ends[0] == {min(ends[1])}
    assert max(ends[1]) > 2 * min(ends[1])
    assert first.y.log
    low, high = whole.y.low, whole.y.high
    assert not whole.y.log
    assert low is not None
    assert high is not None
    last = [run.losses[:, -1].mean() for run in runs]
    assert low < min(last) < max(last) < high, "what runs end at can be told apart"
    assert max(last) - min(last) > 0.3 * (high - low)


@pytest.mark.parametrize(
    ("errors", "log", "floor"),
    [((0.0, 0.02, 0.9), True, 0.02 / 3), ((0.02, 0.9), True, None), ((0.0, 0.5, 0.9), False, 0.0)],
)
def test_exact_schemes_stand_at_the_bottom(
    errors: tuple[float, ...], log: bool, floor: float | None
) -> None:
    """At 0, or below all others at a tick that is no number, where these span a wide range."""
    times = np.tile(np.arange(4.0), (2, 1))
    runs = [Simulated(f"{e}", "uncoded", times, times, np.full(2, e)) for e in errors]
    known = {run.label: ClosedForm(2.0, e) for run, e in zip(runs, errors, strict=True)}
    [panel] = time_error(runs, known, whole=False).panels
    assert (panel.y.log, "logarithmic" in panel.y.label, panel.x.log) == (log, log, False)
    assert (panel.y.names or ("",))[0] == ("exact" if log and floor else "")
    assert (panel.y.places or (None,))[0] == (floor if log else None)
    marks = [mark for mark in panel.marks if isinstance(mark, Points) and len(mark.x)]
    closed, simulated = marks[: len(errors)], marks[len(errors) :]
    assert min(mark.size for mark in closed) > 1.5 * max(mark.size for mark in simulated)
    for drawn, seconds, hollow in ((simulated, 1.0, False), (closed, 2.0, True)):
        assert [float(mark.y[0]) for mark in drawn] == [e or floor for e in errors]
        assert [(float(mark.x[0]), mark.hollow) for mark in drawn] == [(seconds, hollow)] * len(
            errors
        )
    [plain] = time_error(runs, known, whole=True).panels
    assert not plain.y.log


@pytest.mark.parametrize(
    ("change", "query"),
    {
        "none": {},
        "load law: proportional": {"load_law": "proportional"},
        "straggler policy: drain": {"policy": "drain"},
        "slow workers take 5 times as long": {"slow": "5"},
    }.items(),
)
def test_the_lecture_says_what_the_page_shows(change: str, query: dict[str, str]) -> None:
    lecture = (ROOT / "docs" / "howto" / "lecture.md").read_text(encoding="utf-8")
    [said] = [line for line in lecture.splitlines() if line.startswith(f"| {change} |")]
    runs = {one.label: one for one in map(run_cell, cells(document(chosen(query))))}
    labels = ("uncoded", "fractional repetition", "ErasureHead")
    cells_ = [f"{runs[label].seconds[0]:.1f} s" for label in labels]
    assert said == f"| {' | '.join([change, *cells_])} |"


@pytest.mark.parametrize(
    ("query", "scheme", "words"),
    [
        ({}, "uncoded", "decides: {:.1f} s"),
        ({"n": "60"}, "uncoded", "it gets worse, {:.1f} s"),
        ({}, "fractional repetition", "We wait for one of each group: {:.1f} s"),
        ({}, "cyclic MDS", "one of each group, {:.1f} s"),
    ],
)
def test_the_lecture_says_what_a_scheme_takes(
    query: dict[str, str], scheme: str, words: str
) -> None:
    lecture = " ".join((ROOT / "docs/howto/lecture.md").read_text(encoding="utf-8").split())
    [cell] = [each for each in cells(document(chosen(query))) if each.label == scheme]
    assert words.format(run_cell(cell).seconds[0]) in lecture


@pytest.mark.golden
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_every_end_of_every_slider_is_answered(control: Slider | Choice) -> None:
    """With a picture, or with one line that is no fault of ours."""
    ends = control.names if isinstance(control, Choice) else (control.low, control.high)
    for end in ends:
        found = respond(f"n=12&r=6&{control.name}={end}", ClosedForms())
        html = str(found.get("html"))
        shown = {f"{control.name}={end}": html_of(html).get("svg 0", hash_of(html))}
        require_recorded("explore/drawn", shown, drawn=True)
        assert "html" in found or "internal" not in str(found["error"]), found


def test_a_slider_takes_little_processor_time_until_its_picture_is_there() -> None:
    """The first answer; closed forms may come later."""
    seconds = []
    for r in range(12, 17):
        began = process_time()
        assert "html" in respond(f"r={r}", ClosedForms())
        seconds.append(process_time() - began)
    assert min(seconds) < 0.3 * pace()


def test_the_page_names_every_control() -> None:
    made = Reader(start_page())
    assert made.faults == []
    names = {a["id"] for a in (*made.all("input"), *made.all("select"))}
    assert names == {control.name for control in CONTROLS}
    assert {a["for"] for a in made.all("label")} == names
    assert "http" not in start_page().replace("http-equiv", "")


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(0)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def asked(server: Server, path: str, **headers: str) -> bytes:
    request = urllib.request.Request(server.address.rstrip("/") + path, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as found:
        content: bytes = found.read()
    return content


def test_it_serves_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert asked(server, "/").decode() == start_page()
    assert "error" in json.loads(asked(server, "/draw?n=1"))
    with pytest.raises(HTTPError, match="404"):
        asked(server, "/etc/passwd")
    with pytest.raises(HTTPError, match="403"):
        asked(server, "/", Host="example.org")


def test_a_port_that_is_taken_is_one_line(server: Server) -> None:
    port = server.server_address[1]
    with pytest.raises(ConfigError, match=f"--port = {port}: cannot be used"):
        Server(port)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_pages_elsewhere_are_refused(server: Server, headers: dict[str, str]) -> None:
    """Catches any page on the web that makes this machine compute."""
    with pytest.raises(HTTPError, match="403"):
        asked(server, "/draw?n=1", **headers)
    own = {"Origin": server.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert "error" in json.loads(asked(server, "/draw?n=1", **own))


def test_names_without_a_port_are_those_of_port_80(server: Server) -> None:
    with pytest.raises(HTTPError, match="403"):
        asked(server, "/", Host="127.0.0.1")
    server.server_address = (server.server_address[0], 80)
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.socket.getsockname()[1]}/", headers={"Host": "localhost"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as found:
        assert found.status == 200


def test_the_newest_request_of_a_page_takes_the_place_of_the_older() -> None:
    """While one draws, a hundred of one page and one of another wait: three are drawn."""
    turns, drawn, refused = Turns(), list[str](), list[str]()
    began, go_on = threading.Event(), threading.Event()

    def ask(page: str, name: str) -> None:
        with turns.turn(page) as mine:
            (drawn if mine else refused).append(name)
            if name == "first":
                began.set()
                assert go_on.wait(PATIENCE)

    def started(page: str, name: str) -> threading.Thread:
        thread = threading.Thread(target=ask, args=(page, name))
        thread.start()
        return thread

    threads = [started("a", "first")]
    assert began.wait(PATIENCE)
    first = turns.newest["a"]
    threads.append(started("a", "a0"))
    until(lambda: turns.newest["a"] is not first)
    for place in range(1, 100):  # each is there before the next one comes
        threads.append(started("a", f"a{place}"))
        threads[-2].join(PATIENCE)
    threads.append(started("b", "b"))
    until(lambda: len(turns.newest) == 2)
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(drawn) == ["a99", "b", "first"]
    assert len(refused) == 99
    assert not turns.newest


def test_a_backlog_of_pages_does_not_grow() -> None:
    """Of 64 pages; those that wait may still ask for something else."""
    turns = Turns()
    turns.newest |= {f"{page}": object() for page in range(63)}
    with turns.turn("a") as first, turns.turn("b") as second:
        assert (first, second) == (True, False)
    turns.newest["63"] = object()
    with turns.turn("0") as known:
        assert known


def test_an_address_has_2000_characters_at_most(server: Server) -> None:
    """What comes after them is not read."""
    path = "/draw?page="
    path += f"{'a' * (2000 - len(path) - 3)}&bb"
    assert json.loads(asked(server, f"{path}bb"))["error"].startswith("bb: must be one of")


@pytest.mark.parametrize(("whole", "lowest"), [(False, 1.0), (True, 0.0)])
def test_errors_of_different_size_have_a_logarithmic_axis_with_the_exact_below(
    whole: bool, lowest: float
) -> None:
    """Of errors 0, 3 and 30; seconds that hardly differ keep an axis from 0."""
    runs = [
        drawing.Simulated(name, name, np.array([[0.0, x]]), np.ones((1, 2)), np.array([error]))
        for name, x, error in (
            ("uncoded", 3.0, 0.0), ("erasurehead", 1.0, 3.0), ("ignore_stragglers", 2.0, 30.0),
        )
    ]  # fmt: skip
    known = {run.label: drawing.ClosedForm() for run in runs}
    [panel] = drawing.time_error(runs, known, whole).panels
    marks = [mark for mark in panel.marks if isinstance(mark, Points) and mark.y.size]
    assert [mark.y[0] for mark in marks] == [lowest, 3.0, 30.0]
    assert panel.y.log == (not whole)
    names, places = panel.y.names or (), panel.y.places or ()
    assert ("exact" in names) == (not whole)
    assert dict(zip(names, places, strict=True)).get("exact", 0.0) == lowest, "no number's place"
    assert all(at >= 2 * lowest for at in places[1:])
    assert panel.x.low == 0


SLIDERS = {  # lowest, highest, step
    "n": (4, 60, 1),
    "d": (1, 10, 1),
    "r": (1, 60, 1),
    "shift": (0, 3, 0.05),
    "mean": (0.05, 3, 0.05),
    "tau": (0, 1, 0.02),
    "slow": (1, 8, 0.5),
    "share": (0.02, 0.5, 0.02),
    "persistence": (0, 0.98, 0.02),
    "rate": (0.01, 0.5, 0.01),
}


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_takes_its_ends_and_nothing_beyond(name: str) -> None:
    """Whole numbers where its steps are whole; the page has the same ends."""
    low, high, step = SLIDERS[name]
    for value in (low, high):
        assert chosen({name: f"{value}"})[name] == value
    for value in (low - 1e-6, high + 1e-6):
        with pytest.raises(ConfigError, match=f"must be a number from {low:g} to {high:g}"):
            chosen({name: f"{value}"})
    between = (low + high) / 2 + 0.25
    if step == 1:
        with pytest.raises(ConfigError, match="must be a whole number"):
            chosen({name: f"{between}"})
    else:
        assert chosen({name: f"{between - 0.25}"})[name] == between - 0.25
    [drawn] = [a for a in Reader(start_page()).all("input") if a["id"] == name]
    assert [float(drawn[key]) for key in ("min", "max", "step")] == [low, high, step]


def test_every_slider_is_held_to_its_ends() -> None:
    assert {control.name for control in CONTROLS if not isinstance(control, Choice)} == {*SLIDERS}


@pytest.mark.parametrize(
    ("law", "said"),
    [
        ("weibull", {"model": "weibull", "shape": 0.6}),
        ("lognormal", {"model": "lognormal", "sigma": 1.0}),
        ("gamma", {"model": "gamma", "shape": 4.0}),
    ],
)
def test_a_law_is_what_its_title_says(law: str, said: dict[str, Any]) -> None:
    """And begins at the least delay."""
    found = delay(chosen({"law": law, "shift": "0.75"}))
    assert said.items() <= found.items()
    assert found["shift"] == 0.75
    number_said = re.search(r"[\d.]+$", DELAY_LAWS[law])
    assert number_said is not None
    assert float(number_said[0]) == said.get("shape", said.get("sigma"))
    pareto = delay(chosen({"law": "pareto", "shift": "0.75", "mean": "3"}))
    assert pareto["by"] == 0.75
    assert pareto["base"] == {"model": "pareto", "alpha": 2.5, "scale": pytest.approx(1.8)}


def test_what_is_run_is_what_was_chosen() -> None:
    made = document(chosen({"n": "12", "d": "4", "r": "7", "rate": "0.2", "policy": "queue"}))
    assert (made["workers"], made["policy"], made["seed"]) == (12, "queue", 0)
    assert (made["iterations"], made["replications"]) == (40, 8)
    assert made["optimizer"] == {"rule": "gd", "learning_rate": 0.2}
    assert made["load_law"] == {"kind": "additive", "seconds_per_partition": 0.1}
    schemes = {scheme["label"]: scheme for scheme in made["schemes"]}
    assert {label: scheme.get("load") for label, scheme in schemes.items()} == {
        **dict.fromkeys(("uncoded", "ignore stragglers")),
        **dict.fromkeys(("fractional repetition", "cyclic MDS", "ErasureHead"), 4),
    }
    waits = {label: scheme["wait_for"] for label, scheme in schemes.items() if "wait_for" in scheme}
    assert waits == {"ignore stragglers": 7, "ErasureHead": 7}
    assert document(chosen({"load_law": "proportional"}))["load_law"] == {"kind": "proportional"}
    slow = delay(chosen({"slow": "3", "share": "0.2"}))
    assert slow["weights"] == [0.8, 0.2]
    assert slow["components"] == [
        delay(chosen({})),
        {"model": "scaled", "by": 3.0, "base": delay(chosen({}))},
    ]


def two_runs(
    *errors: float, losses: tuple[float, ...] = (0.5, 0.2), more: float = 0.5
) -> list[Simulated]:
    """Of two iterations that take 1 and 2 s each, and some seconds more in every other run."""
    return [
        Simulated(
            *(label, scheme),
            times=np.array([[0.0, s, 2 * s], [0.0, s + more, 2 * (s + more)]]),
            losses=np.array([[4.0, 2.0, loss]] * 2),
            errors=np.full(2, error),
        )
        for s, label, scheme, error, loss in zip(
            (1.0, 2.0), "ab", ("uncoded", "erasurehead"), errors, losses, strict=True
        )
    ]


def test_seconds_and_losses_of_a_run_by_hand() -> None:
    fast, slow = two_runs(0.0, 0.5)
    assert fast.seconds == pytest.approx((1.25, 0.25)), "1 and 1.5 s an iteration"
    assert slow.seconds == pytest.approx((2.25, 0.25))
    assert (slow.losses[:, -1] == 0.2).all()
    assert (fast.error, slow.error) == ((0.0, 0.0), (0.5, 0.0))


@pytest.mark.golden
def test_closed_forms_are_hollow_rings_where_there_are_any() -> None:
    """An entry of the legend explains them, and only where one is drawn."""
    runs = two_runs(0.1, 0.2)
    for known, rings in (
        ({"a": ClosedForm(1.5, 0.1), "b": ClosedForm(2.0)}, 1),
        ({"a": ClosedForm(error=0.1), "b": ClosedForm()}, 0),
    ):
        picture = time_error(runs, known, whole=False)
        require_recorded("explore", {f"time and error {rings}": picture})
        marks = [mark for mark in picture.panels[0].marks if isinstance(mark, Points)]
        hollow = [mark for mark in marks if mark.hollow]
        assert [len(mark.x) for mark in hollow] == [1] * rings + [0] * rings
        if rings:
            assert (hollow[0].x[0], hollow[0].y[0], hollow[0].title) == (1.5, 0.1, "")
            assert hollow[0].colour == next(mark for mark in marks if mark.title == "a").colour
        assert {mark.title for mark in marks} >= {"a", "b", drawing.BARS_LOOK.title}
        assert ({drawing.RING_LOOK.title} <= {mark.title for mark in marks}) == bool(rings)
        assert picture.last == (drawing.RING_LOOK.title, drawing.BARS_LOOK.title)


def test_bars_do_not_reach_below_the_axis() -> None:
    """Student's half interval of two runs is 12.7 standard errors."""
    [run, other] = two_runs(0.0, 0.5)
    run = Simulated(run.label, run.scheme, run.times, run.losses, np.array([0.1, 0.3]))
    none = {"a": ClosedForm(), "b": ClosedForm()}
    [panel] = time_error([run, other], none, whole=True).panels
    [mark] = [m for m in panel.marks if isinstance(m, Points) and m.title == "a"]
    assert mark.dy is not None
    assert mark.dx is not None
    assert mark.dy.ravel() == pytest.approx([0.2, 12.706 * 0.1], rel=1e-4)
    assert mark.dx.ravel() == pytest.approx([12.706 * 0.25] * 2, rel=1e-4)


@pytest.mark.golden
@pytest.mark.parametrize(
    ("losses", "low", "high", "remark"),
    [
        ((0.5, 0.2), 0.2 - 0.3 * 0.3, 0.5 + 1.5 * 0.3, "all begin above, at 4"),
        ((3.9, 0.2), 0.2 - 0.3 * 3.7, 4.0, "all begin above, at 4"),  # at most where they begin
        ((0.5, 0.5), 0.5 - 0.3 * 0.025, 0.5 + 1.5 * 0.025, "all begin above, at 4"),
        ((9.0, 0.2), 0.2 - 0.3 * 0.01, 0.2 + 1.5 * 0.01, "all begin above, at 4"),
        ((4.0, 4.0), None, None, ""),  # nobody ends below the start
    ],
)
def test_the_whole_run_on_the_axis_of_what_runs_end_at(
    losses: tuple[float, ...], low: float | None, high: float | None, remark: str
) -> None:
    whole = loss_time(two_runs(0, 0, losses=losses, more=0), whole=True)
    require_recorded("explore", {f"losses {losses}": whole})
    [panel] = whole.panels
    assert (panel.y.low, panel.y.high) == pytest.approx((low, high))
    assert panel.remark == remark
    curves = [mark for mark in panel.marks if isinstance(mark, Curve) and len(mark.x)]
    assert [curve.x[-1] for curve in curves] == [2.0, 4.0], "where the fastest run ends"
    [first] = loss_time(two_runs(0, 0, losses=losses, more=0)).panels
    assert first.remark == ""
    curves = [mark for mark in first.marks if isinstance(mark, Curve) and len(mark.x)]
    assert [curve.x[-1] for curve in curves] == [2.0, 2.0]


def test_runs_that_end_close_to_each_other_have_room_around_them() -> None:
    """As if they were a twentieth of the higher one apart."""
    [panel] = loss_time(two_runs(0, 0, losses=(0.5, 0.48), more=0), whole=True).panels
    assert (panel.y.low, panel.y.high) == pytest.approx((0.48 - 0.3 * 0.025, 0.5 + 1.5 * 0.025))


def test_the_table_beside_the_pictures() -> None:
    known = {"a": ClosedForm(1.25, 0.0), "b": ClosedForm(2.0)}
    table = drawing.closed_form_table(two_runs(0.0, 0.5), known)
    assert [*table.columns] == [
        *("scheme", "s / iteration", "closed form (z)"),
        *("decoding error", "its closed form (z)", "final loss"),
    ]
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows[0] == ["a", "1.25 ± 0.2", "1.25 (+0.0)", "0", "0 (+0.0)", "0.5"]
    assert rows[1][:2] == ["b", "2.25 ± 0.2"]
    assert rows[1][2] == "2 (+0.7)", "Student's t = 1 of two runs is as likely as z = 0.674"
    assert rows[1][3:] == ["0.5", "-", "0.2"]


def test_answers_of_the_server_are_of_their_kind(server: Server) -> None:
    """Never kept, never guessed; a request that a newer one has replaced is told so."""
    address = server.address.rstrip("/")
    for path, kind in (("/", "text/html; charset=utf-8"), ("/draw?n=1", "application/json")):
        with urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE) as found:
            headers, body = found.headers, found.read()
        assert (headers["Content-Type"], headers["Cache-Control"]) == (kind, "no-store")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert int(headers["Content-Length"]) == len(body)
        assert headers["Server"].strip() == "erasurehead"
    server.turns.newest.update((f"page {i}", object()) for i in range(64))
    with pytest.raises(HTTPError, match="409"):
        asked(server, "/draw?n=1&page=mine")
    del server.turns.newest["page 0"]
    assert "error" in json.loads(asked(server, "/draw?n=1&page=mine"))


def test_a_server_that_ends_gives_its_port_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the signals that end it their meaning."""
    made, before = Server(0), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(made, "serve_forever", partial(made.serve_forever, poll_interval=0.01))
    serve_pages(made, lambda: signal.raise_signal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) is before
    assert made.socket.fileno() == -1, "the port is free for whoever wants it"
