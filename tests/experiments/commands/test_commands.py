"""The commands, their options, and ``list``."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
import webbrowser
from dataclasses import fields, replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import typer
import yaml

import erasurehead as eh
from erasurehead import ConfigError
from erasurehead.delays import MODELS
from erasurehead.experiments import options
from erasurehead.experiments.advice import understood
from erasurehead.experiments.advice.fit import answer as fit_page
from erasurehead.experiments.advice.fit import command as fit
from erasurehead.experiments.advice.fit import study as fit_study
from erasurehead.experiments.advice.live import command as live_command
from erasurehead.experiments.advice.live import measure
from erasurehead.experiments.advice.recommend import command as recommend
from erasurehead.experiments.advice.recommend.request import SearchRequest
from erasurehead.experiments.advice.whatif import command as whatif
from erasurehead.experiments.checks import attack
from erasurehead.experiments.checks.verify import command as verify
from erasurehead.experiments.commands import listing
from erasurehead.experiments.commands import run as run_words
from erasurehead.experiments.commands import table as commands
from erasurehead.experiments.commands.aliases import ALIASES
from erasurehead.experiments.commands.table import app
from erasurehead.experiments.config.schema import FieldRow, field_rows, first_sentence
from erasurehead.experiments.config.settings import FailureSettings
from erasurehead.experiments.options import (
    GivenConfig,
    OutputOptions,
    csv_wanted,
    given_words,
)
from erasurehead.experiments.page.content import Answer, Page
from erasurehead.experiments.reports import compare
from erasurehead.experiments.reports.explore import server
from erasurehead.experiments.reports.report import command as report
from erasurehead.experiments.reproduce import FIGURES
from erasurehead.experiments.reproduce import command as reproduce
from erasurehead.experiments.run import command as run_command
from erasurehead.experiments.run import outputs
from erasurehead.experiments.run.files import MARK
from erasurehead.problems import DATASETS
from erasurehead.schemes import SCHEMES
from erasurehead.sim.attack import SearchBudget
from erasurehead.sim.base.errors import Message
from erasurehead.sim.base.reading import Reading
from erasurehead.sim.engines.run import Network
from erasurehead.sim.training.optimizers import OPTIMIZERS
from tests.golden.kept import clean
from tests.golden.machine import hash_of
from tests.golden.records import require_recorded
from tests.tools import inside, process

# What every command line offers: version, help, completion, a first config.


ROOT = Path(__file__).parents[3]


def test_version() -> None:
    done = process("--version")
    assert done.stdout == f"erasurehead {eh.__version__}\n"
    assert (done.returncode, done.stderr) == (0, "")


COMMANDS = [c.name or c.callback.__name__ for c in app.registered_commands if c.callback]


@pytest.mark.golden
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = inside(command, "--help")
    assert done.returncode == 0
    assert f"Example: erasurehead {command} " in done.stdout
    words = [re.sub(r"[^!-~]+", " ", line).strip() for line in done.stdout.splitlines()]
    told = [line for line in words if line]
    require_recorded("commands", {f"{command} --help": {"lines": told}})
    assert command in inside("--help").stdout


TOPICS = [f"help {each.name}" for each in commands.topics.registered_commands]
SCREEN = 40  # lines of 80 columns


@pytest.mark.parametrize("words", ["", *COMMANDS, "help", *TOPICS])
def test_every_help_fits_a_screen(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a sentence or an option too many."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = inside(*words.split(), "--help").stdout.splitlines()
    assert len(lines) <= SCREEN
    assert max(map(len, lines)) <= 80


READING = [f"--{field.name.replace('_', '-')}" for field in fields(Reading)]


@pytest.mark.parametrize("command", ["read", "whatif", "fit"])
def test_options_of_reading_a_table_are_a_topic(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command still takes them, and a shell completes them."""
    told, topic = inside(command, "--help").stdout, inside("help", "table").stdout
    assert "Options of reading a table: erasurehead help table" in told
    assert not [name for name in READING if re.search(rf"│ {name} ", told)]
    assert [name for name in READING if re.search(rf"│ {name} ", topic)] == READING
    assert topic.strip() == inside("help", "table", "--help").stdout.strip()
    for name in READING:
        assert name in completions(f"erasurehead {command} {name}", monkeypatch)


def test_help_waits_for_no_library() -> None:
    """Catches an import at the top of a file that makes `--help` take a second."""
    program = (
        "import sys, erasurehead.experiments.commands.table;"
        "print({'numpy', 'pandas', 'scipy', 'matplotlib', 'pyarrow', 'simpy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def completions(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a shell offers for the last word."""
    monkeypatch.setenv("_ERASUREHEAD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    done = inside()
    assert not done.stderr
    return done.stdout.split()


def test_completion_can_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--install-completion" in inside("--help").stdout
    assert {*completions("erasurehead re", monkeypatch)} == {
        "read",
        "reproduce",
        "recommend",
        "report",
    }


@pytest.mark.parametrize(
    ("words", "wanted"),
    {
        "reproduce loss_i": "loss_iteration_floor",
        "list opt": "optimizers",
        "list shifted_e": "shifted_exponential",
        "init clus": "cluster",
        "plot x --kind uti": "utilisation",
        "sweep c.yaml --set iter": "iterations=",
        "run c.yaml --set delay.ra": "delay.rate=",
        "verify --worst c.yaml --set schemes.erasurehead.wa": "schemes.erasurehead.wait_for=",
    }.items(),
)
def test_names_are_completed(
    words: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures, topics, names, examples, pictures, and the keys of the config that was given."""
    (tmp_path / "c.yaml").write_text(
        "delay: {model: exponential, rate: 1.0}\n"
        "schemes: [{name: uncoded}, {name: erasurehead, load: 2, wait_for: 3}]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert completions(f"erasurehead {words}", monkeypatch) == [wanted]


def test_every_option_stands_in_a_page() -> None:
    """In the README or in docs."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    said = "".join(page.read_text() for page in pages)
    known = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    names = {name for each in known for option in each.params for name in option.opts}
    told = {*re.findall(r"--[a-z-]+", said)}
    assert {name for name in names if name.startswith("--")} <= told


def test_help_lists_commands_in_groups_and_no_type_beside_a_flag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    helps = [inside(*words, "--help").stdout for words in [[], *([each] for each in COMMANDS)]]
    boxes = re.findall(r"─ ([\w ]+) ─+╮\n(.*?)╰", helps[0], re.DOTALL)
    listed = {title: re.findall(r"^│ (\w+)", text, re.MULTILINE) for title, text in boxes}
    listed.pop("Options")
    assert listed == {
        "Simulate": ["init", "run", "sweep", "reproduce", "verify"],
        "Your cluster": ["read", "whatif", "fit", "recommend", "live"],
        "Look and share": ["plot", "report", "explore"],
        "What there is": ["list", "data"],
    }
    assert not [text for text in helps if re.search("bool", text, re.IGNORECASE)]


@pytest.mark.parametrize(
    ("command", "option", "least", "most"),
    [
        ("sweep demo.yaml", "--jobs", 1, 1024),
        ("reproduce", "--jobs", 1, 1024),
        ("live --measure m.csv", "--workers", 1, 1024),
        ("live --measure m.csv", "--rounds", 1, 10_000_000),
        ("verify", "--replications", 1000, 10_000_000),
        ("verify", "--seed", 0, 2**63 - 1),
        ("recommend demo.yaml", "--jobs", 1, 1024),
        ("verify --worst demo.yaml", "--samples", 2, 10_000_000),
        ("verify --worst demo.yaml", "--budget", 0, 10_000_000),
        ("explore", "--port", 0, 65535),
    ],
)
def test_whole_numbers_have_bounds(command: str, option: str, least: int, most: int) -> None:
    """What is refused is named, with what is valid; nothing else is looked at before that."""
    for wrong in (least - 1, "1.5", "x", "", most + 1, 10**40):
        done = inside(*command.split(), option, wrong)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: {option}")
        assert f"must be a whole number from {least} to {most}, not " in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    {
        "live demo.yaml --rounds 5": "--rounds = 5: is for measuring: give --measure TABLE, too",
        "live --workers 4": "--workers = 4: is for measuring: give --measure TABLE, too",
        "live": "live: give CONFIG.yaml to run it, or --measure TABLE to time tasks",
        "live --measure m.csv --time-scale 1": "--time-scale = 1.0: has no effect beside --measure",
        "live --measure m.csv --output out": "--output = 'out': has no effect beside --measure",
        "verify --stragglers 1": "--stragglers = '1': is of a search: give --worst, too",
        "verify demo.yaml --samples 400": "--samples = 400: is of a search: give --worst, too",
        "verify --worst": "verify --worst: give CONFIG.yaml, whose codes are searched",
        "verify --worst demo.yaml --seed 0": "--seed = 0: has no effect beside --worst",
        "report": f"report: give DIR, the output of {options.REPORTED}",
        "report a b --where k=1": "--where = ['k=1']: chooses points of one result, "
        "and here are two",
        "report a b --cite": "report --cite: takes one DIR or none, and no other option",
        "report --cite --output x": "report --cite: takes one DIR or none, and no other option",
        "list pareto c.yaml --schema": "list --schema = 'pareto': takes no name; give the config "
        "alone, or nothing",
    }.items(),
)
def test_an_option_that_would_have_no_effect_is_refused(words: str, says: str) -> None:
    """In one line; also one with the value that it has anyway."""
    done = inside(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {says}\n"


@pytest.mark.parametrize("old", ALIASES)
def test_an_old_name_does_what_it_did_and_tells_the_new_one(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its options are those of the new words; reports name these, too."""
    demo = ROOT / "experiments/config/examples/demo.yaml"
    given: dict[str, list[object]] = {
        "attack": [demo, "--stragglers", "0:1", "--samples", "x"],
        "cite": ["nowhere"],
        "compare": ["one", "two"],
        "measure": ["--workers", 2, "--output", "m.parquet"],
        "schema": [demo],
        "atlas": [],
    }
    done = inside(old, *given[old])
    told, *others = done.stderr.splitlines()
    if old == "atlas":
        assert (told, others) == ("error: atlas is now: make atlas (in a checkout)", [])
        assert done.returncode == 2
        return
    assert told == f"{old} is now: {ALIASES[old]}"
    words = [str(word).replace("--output", "--measure") for word in given[old]]
    new = inside(*ALIASES[old].split(), *words)
    assert (done.returncode, done.stdout, others) == (
        new.returncode, new.stdout, new.stderr.splitlines(),
    )  # fmt: skip
    assert not re.search(rf"^│ {old} ", inside("--help").stdout, re.MULTILINE)


@pytest.mark.parametrize(("options", "opened"), [([], True), (["--no-browser"], False)])
def test_explore_opens_a_browser_unless_told_not_to(
    options: list[str], opened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is served, at the address that it says."""
    browser = Mock()
    monkeypatch.setattr(webbrowser, "open", browser)
    monkeypatch.setattr(server, "Server", lambda port: Mock(address=f"http://127.0.0.1:{port}"))
    monkeypatch.setattr(server, "serve_pages", lambda served, ready: ready())
    done = inside("explore", "--port", "8123", *options)
    assert done.stdout == "http://127.0.0.1:8123 (Ctrl-C ends it)\n"
    assert [call.args for call in browser.call_args_list] == [("http://127.0.0.1:8123",)] * opened


@pytest.mark.parametrize("failed", [False, True])
def test_a_command_fails_where_a_cell_did(failed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And still names the page of the others, of which there are some."""
    outcome = SimpleNamespace(finished=["a cell"], failed=["another"] * failed)
    monkeypatch.setattr(live_command, "run_live", lambda *given: (outcome, []))
    monkeypatch.setattr(live_command, "show_live", lambda *given: None)
    monkeypatch.setattr(run_command, "run", lambda *given: outcome)
    monkeypatch.setattr(run_words, "show_outcome", lambda *given: None)
    demo = ROOT / "experiments/config/examples/demo.yaml"
    for command, folder in (("run", "demo"), ("live", "demo-live")):
        done = inside(command, demo)
        assert (done.returncode, done.stderr) == (int(failed), "")
        assert done.stdout == f"next: erasurehead report results/{folder}\n"
    outcome.finished = []
    assert inside("live", demo).stdout == inside("run", demo).stdout == ""


@pytest.mark.parametrize("agrees", [True, False])
def test_verify_fails_where_something_is_too_far_off(
    agrees: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes next is of the config, if one was given."""
    asked = Mock(return_value=agrees)
    monkeypatch.setattr(verify, "verify_grid", asked)
    demo = ROOT / "experiments/config/examples/demo.yaml"
    for given, own in (((), "reproduce iteration_time_workers"), ((demo,), f"run {demo}")):
        done = inside("verify", *given, "--replications", 5000)
        assert done.returncode == (0 if agrees else 1)
        assert done.stdout == (f"next: erasurehead {own}\n" if agrees else "")
        request, document = asked.call_args.args
        assert (request.replications, request.seed, request.engine) == (5000, 0, "batch")
        assert (document is None) == (not given)


PAGE = Page(Answer("compare", "a, b", "One is as fast as the other."), [], [])
BROWSER = "next: open it in a browser, or send it: it needs no other file"


def said_by(*words: object) -> list[str]:
    """The lines of a command that ends well."""
    done = inside(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_commands_say_that_make_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their files, what was left out, and what comes next."""
    page = tmp_path / "page.html"
    page.write_bytes(b" " * 1_260_000)
    monkeypatch.setattr(report, "write_report", lambda directory, kinds, output, where: page)
    assert said_by("report", tmp_path) == [f"{page} (1.3 MB)", BROWSER]
    pictures = Mock(return_value=([Path("a.png"), Path("a.svg")], ["b left out: no losses"]))
    monkeypatch.setattr(report, "write_pictures", pictures)
    paper = ("--width", "3.4in", "--title", "t", "--labels", "b,c", "--where", "k=1")
    assert said_by("plot", "r d", "--kind", "a", "--format", "png,svg", *paper) == [
        "a.png", "a.svg", "b left out: no losses", "next: erasurehead report 'r d'",
    ]  # fmt: skip
    directory, kind, formats, _, *axes, printed, where = pictures.call_args.args
    assert (directory, kind, formats, axes) == (Path("r d"), "a", ["png", "svg"], [None, None])
    assert (printed.inches, printed.title, printed.names) == (3.4, "t", ["b", "c"])
    assert where == ["k=1"]
    made = Mock(return_value=(Path("x/index.html"), ["(a) holds"]))
    monkeypatch.setattr(reproduce, "make_figures", made)
    monkeypatch.setattr(options, "cores", lambda: 3)
    for given, jobs in (
        (["speedup"], 1),
        ([], 3),
        (["speedup", "--jobs", 2], 2),
        (["speedup", "loss_time"], 2),
    ):
        assert said_by("reproduce", *given) == ["(a) holds", "x/index.html", BROWSER]
        names, asked, _ = made.call_args.args
        assert (names, asked.jobs) == ([each for each in given if each in FIGURES], jobs)
    compared = Page(replace(PAGE.answer, notes=("they differ",)), [], [])
    monkeypatch.setattr(compare, "compare_results", Mock(return_value=compared))
    done = inside("report", "one", "two", "--output", "o")
    assert done.stderr == "note: they differ\n"
    assert done.stdout.splitlines() == [
        "One is as fast as the other.", "", "table and pictures in o/",
        "next: erasurehead report o",
    ]  # fmt: skip


def test_what_measuring_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of each load, and how many tasks there are; a config is read where one is given."""
    table = pd.DataFrame({"load": [1, 1, 2, 2], "seconds": [0.25, 0.5, 1.0, 1.5]})
    made = Mock(return_value=table)
    monkeypatch.setattr(measure, "measure_tasks", made)
    said = ["load 1: 0.375 s on average", "load 2: 1.25 s on average", "4 tasks in m.csv"]
    assert said_by("live", "--measure", "m.csv") == [*said, "next: erasurehead fit m.csv"]
    document, table_file, asked, _ = made.call_args.args
    assert (document, table_file) == (None, Path("m.csv"))
    assert (asked.rounds, asked.loads, asked.size, asked.workers) == (50, "1,2,3", 400, None)
    demo = ROOT / "experiments/config/examples/demo.yaml"
    said_by("live", "--measure", "m.csv", demo, "--set", "workers=7")
    assert made.call_args.args[0]["workers"] == 7


def test_what_recommend_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes as warnings, and whose answer is replaced; a folder with the result of a run is left
    alone."""
    scenario = SimpleNamespace(notes=["a note"], name="demo", base={})
    question: Any = SimpleNamespace(scenario=scenario, request=SearchRequest())
    searched = Mock(return_value=SimpleNamespace(page=PAGE))
    monkeypatch.setattr(recommend, "search", searched)
    written = Mock()
    monkeypatch.setattr(recommend, "write_recommendation", written)
    out = tmp_path / "out"
    for other in (False, True):
        error, shown = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(error), contextlib.redirect_stdout(shown):
            recommend.answer_question(question, out, 1, "erasurehead recommend x")
        assert (
            error.getvalue().splitlines()
            == ["warning: a note"]
            + [f"warning: {out}: the answer to another question is replaced"] * other
        )
        assert shown.getvalue().splitlines() == [
            "One is as fast as the other.", "",
            f"report, tables, pictures and config in {out}/", f"next: erasurehead report {out}",
        ]  # fmt: skip
        out.mkdir(exist_ok=True)
        (out / MARK).touch()
        (out / "manifest.json").write_text('{"question": {"id": "another"}}')
    assert searched.call_args.args[3:] == (out, "erasurehead recommend x")
    assert written.call_args.args[1] == out
    monkeypatch.setattr(recommend, "id_of", lambda folder: object())
    with pytest.raises(ConfigError, match="holds the result of a run; give another --output"):
        recommend.answer_question(question, out, 1, "")


READ = ["read as 2 rounds of 3 workers", "  worker:  a, b, c", "  round 0:  1, 2, 3", "a line"]


@pytest.mark.parametrize(("lines", "shown"), [(30, True), (31, False)])
def test_what_fit_says(
    lines: int, shown: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names and rounds of the table are for ``read``; a config of more than 30 lines is in its file
    alone. What the table and the fit should be warned of is on stderr."""
    config = [f"key{i}: 1" for i in range(lines)]
    findings = SimpleNamespace(warnings=["a miss"], sections="\n".join(config))
    measured = SimpleNamespace(read=[*map(Message, READ)], workers=8, listening={})
    asked = Mock(return_value=findings)
    monkeypatch.setattr(fit, "read_tables", lambda *given: (measured, [Message("a gap")]))
    monkeypatch.setattr(fit_study, "study", asked)
    monkeypatch.setattr(fit_page, "fit_answer", lambda *given: PAGE.answer)
    written = Mock(return_value=PAGE)
    monkeypatch.setattr(fit, "write_fit", written)
    monkeypatch.chdir(tmp_path)
    done = inside("fit", "my.t.csv", "--load", 2, "--k-range", "3:5")
    assert done.stderr.splitlines() == ["warning: my.t.csv: a gap", "warning: my.t.csv: a miss"]
    assert done.stdout.splitlines() == [
        READ[0], READ[3], "One is as fast as the other.", "", *(config if shown else []),
        "report, pictures and config in results/fit/my/",
        "next: erasurehead run results/fit/my/delay.yaml",
    ]  # fmt: skip
    assert asked.call_args.args[:3] == (measured, range(3, 6), 2.0)
    assert written.call_args.args[1].command == "erasurehead fit my.t.csv --load 2 --k-range 3:5"


def test_what_whatif_and_read_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``read`` shows all lines and notes; the next command has the options that were given."""
    lines = [*map(Message, READ)]
    notes = [Message("a note")]
    measured = SimpleNamespace(read=lines, workers=8, tables={}, listening={}, warnings=notes)
    monkeypatch.setattr(understood, "measured_delays", lambda path, reading, most: measured)
    monkeypatch.chdir(tmp_path)
    assert said_by("read", "t.csv", "--unit", "ms") == [
        *READ, "note: a note", "next: erasurehead whatif t.csv --unit ms",
    ]  # fmt: skip
    monkeypatch.setattr(whatif, "read_usable", lambda *given: (measured, [Message("a gap")]))
    monkeypatch.setattr(whatif, "investigate", lambda *given: None)
    monkeypatch.setattr(whatif, "whatif_answer", lambda *given: PAGE.answer)
    written, shown = Mock(return_value=PAGE), Mock()
    monkeypatch.setattr(whatif, "write_whatif", written)
    monkeypatch.setattr(whatif, "show", shown)
    done = inside("whatif", "my.t.csv", "--load-law", "proportional")
    assert done.stderr == "warning: my.t.csv: a gap\n"
    assert done.stdout.splitlines() == [
        READ[0], READ[3], "next: erasurehead report results/whatif/my",
    ]  # fmt: skip
    assert shown.call_args.args[1] is PAGE.answer
    again = "erasurehead whatif my.t.csv --load-law proportional"
    assert written.call_args.args[1].command == again


def test_what_a_search_for_the_worst_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of this config can be reported, and one that was not made is next; a folder with the
    result of another config is left alone."""
    monkeypatch.chdir(tmp_path)
    planned = Mock(config={"seed": 1})
    asked = Mock(return_value=planned)
    monkeypatch.setattr(attack, "plan_attack", asked)
    monkeypatch.setattr(attack, "holds_another", lambda folder, config: False)
    monkeypatch.setattr(attack, "attack_codes", Mock())
    monkeypatch.setattr(attack, "write_attack", Mock())
    monkeypatch.setattr(attack, "attack_page", lambda *given: PAGE)
    demo = ROOT / "experiments/config/examples/demo.yaml"
    said = ["One is as fast as the other.", "", "table and picture in results/attack/demo/"]
    assert said_by("verify", "--worst", demo, "--stragglers", "1:2", "--samples", 9) == [
        *said, f"next: erasurehead run {demo}",
    ]  # fmt: skip
    _, stragglers, budget = asked.call_args.args
    assert (stragglers, budget) == ("1:2", SearchBudget(None, 9))
    monkeypatch.setattr(outputs, "id_of", lambda folder: object())
    monkeypatch.setattr(outputs, "holds_another", lambda folder, config: False)
    assert said_by("verify", "--worst", demo)[-1] == "next: erasurehead report results/demo"
    assert asked.call_args.args[1:] == (None, SearchBudget(None, 400))
    monkeypatch.setattr(outputs, "holds_another", lambda folder, config: True)
    assert said_by("verify", "--worst", demo)[-1] == f"next: erasurehead run {demo}"
    monkeypatch.setattr(attack, "holds_another", lambda folder, config: True)
    refused = inside("verify", "--worst", demo)
    assert refused.returncode == 2
    assert "results/attack/demo: holds the result of another config" in refused.stderr


def test_csv_files_lie_beside_parquet_where_they_are_asked_for() -> None:
    given = ("csv", "parquet", "parquet,csv", " csv , parquet ", "csv,csv")
    assert [csv_wanted(each) for each in given] == [True, False, True, True, True]
    for wrong in ("", "xlsx", "csv,xlsx", "csv,", "CSV"):
        with pytest.raises(ConfigError, match="must be parquet, csv or both"):
            csv_wanted(wrong)


def test_what_was_given_is_given_again() -> None:
    """Every option that differs from its default, in words that mean the same."""
    given = GivenConfig(Path("a b.yaml"), ["workers=4", "schemes=[{name: uncoded}]"])
    words = given_words(given, OutputOptions(dry_run=True, data_dir=Path("d")))
    assert words == [
        "a b.yaml", "--set", "workers=4", "--set", "schemes=[{name: uncoded}]",
        "--data-dir", "d", "--dry-run",
    ]  # fmt: skip
    assert given_words(Reading()) == []
    table = Reading(load=2.0, drop=("a", "b"), unit="ms", missing="never")
    assert given_words(table) == [
        "--load", "2.0", "--drop", "a", "--drop", "b", "--unit", "ms", "--missing", "never",
    ]  # fmt: skip


def last(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The words of the command that the last line names."""
    assert done.returncode == 0, done.stderr
    *_, said = done.stdout.splitlines()
    assert said.startswith("next: "), said
    program, *words = shlex.split(said.removeprefix("next: "))
    assert program == "erasurehead" or "browser," in words, said
    return words


@pytest.mark.golden
def test_the_last_line_names_a_next_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an empty folder each command leads to another, in folders that a shell must quote."""
    monkeypatch.chdir(tmp_path)
    few = ("--set", "iterations=5", "--set", "replications=2", "--set", "problem=null")
    planned = inside(*last(inside("init", "demo")), *few, "--output", "a b", "--dry-run")
    require_recorded("commands", {"run --dry-run": planned.stdout})
    plan = last(planned)
    report = last(inside(*plan))
    assert report == ["report", "a b"]
    assert (tmp_path / "a b" / "summary.parquet").is_file()
    last(inside(*report))


@pytest.mark.parametrize("command", ["fit", "whatif"])
def test_the_last_line_of_advice_names_a_next_command_that_works(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the report the other command, each with the options that read the table."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "my table.csv").write_text(
        "n0,n1,n2,mean\n"
        + "\n".join(",".join(f"{1000 + v:.1f}" for v in row) for row in rng.gamma(2, 99, (30, 4)))
    )
    reading = ("--unit", "ms", "--drop", "mean")
    done = inside(command, "my table.csv", *reading, "--output", f"{command} it")
    assert last(inside(*last(done)))
    steps = re.findall(r"`erasurehead (.*?)`", (Path(f"{command} it") / "report.md").read_text())
    others = [shlex.split(step) for step in steps if step.split()[0] in ("fit", "whatif")]
    assert others
    for words in others:
        assert words[1] == "my table.csv"
        assert words[2:6] == ["--drop", "mean", "--unit", "ms"], words
        assert inside(*words, "--output", f"again {words[0]}").returncode == 0


def test_init_and_run_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = inside("init")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.yaml"]
    done = inside("run", "demo.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "results/demo/summary.parquet").is_file()


@pytest.mark.parametrize("name", listing.example_names())
def test_init_writes_every_example_and_overwrites_nothing(name: str, tmp_path: Path) -> None:
    path = listing.write_example(name, tmp_path)
    assert path == tmp_path / f"{name}.yaml"
    assert path.read_bytes() == (ROOT / "experiments/config/examples" / path.name).read_bytes()
    assert isinstance(yaml.safe_load(path.read_text()), dict)
    path.write_text("mine")
    with pytest.raises(ConfigError, match=f"{name}.yaml: exists already"):
        listing.write_example(f"{name}.yaml", tmp_path)
    assert path.read_text() == "mine"


def test_init_without_such_an_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = inside("init", "dmeo")
    assert done.returncode == 2
    assert "did you mean demo?" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


# ``erasurehead list``: every field with its type, unit, range and default.


CLASSES = [
    family
    for section, entries in listing.sections().items()
    for family in entries.values()
    if section != "losses"  # their fields are the data, and are not shown
]


def by_name(family: type) -> dict[str, FieldRow]:
    return {field.name: field for field in field_rows(family)}


@pytest.mark.parametrize("family", CLASSES, ids=lambda family: family.__name__)
def test_every_field_is_described_in_plain_words(family: type) -> None:
    """Catches an annotation that nobody but Python can read."""
    rows = field_rows(family)
    assert sorted(row.name for row in rows) == sorted(f.name for f in fields(family))  # type: ignore[arg-type]
    for row in rows:
        assert row.value
        assert not set("[]'") & set(row.value), row
        assert "``" not in row.meaning


def test_what_is_said_of_a_field() -> None:
    deadline = by_name(SCHEMES["erasurehead"])["deadline"]
    assert (deadline.value, deadline.unit, deadline.default) == ("number > 0", "s", "none")
    assert deadline.meaning.startswith("seconds after which a round ends in any case; the scheme")
    load = by_name(SCHEMES["erasurehead"])["load"]
    assert (load.value, load.unit, load.default) == ("integer >= 1", "", "required")
    assert by_name(MODELS["exponential"])["rate"].unit == "1/s"
    assert by_name(MODELS["mixture"])["components"].value == "list of delay model"
    assert by_name(MODELS["trace"])["end"].value == "truncated | cyclic"
    assert by_name(Network)["bandwidth"].unit == "bytes/s"
    assert by_name(FailureSettings)["message_loss"].value == "number >= 0 and < 1"
    assert by_name(DATASETS["synthetic"])["rows"].default == "6000"
    assert by_name(OPTIMIZERS["gd"])["learning_rate"].meaning, "from the class it inherits from"
    assert by_name(SCHEMES["ignore_stragglers"])["rescale"].default == "true"
    choices = (
        by_name(SCHEMES["bernoulli"])["stop"].value.removeprefix("section with ").split(" or ")
    )
    assert {"rule", "grace", "first", "any", "all"} <= {*choices}, "rule names that of a plugin"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for topic in (None, *listing.TOPICS):
        listing.show_list(topic)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    for entries in listing.sections().values():
        assert all(f"\n{name} " in out or f"\n{name}\n" in out for name in entries)
    assert all(f" {row.name} " in out for family in CLASSES for row in field_rows(family))
    assert "iteration_time_workers" in out


@pytest.mark.golden
def test_every_entry_has_its_sentence_below_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    for topic in listing.PLACES:
        listing.show_list(topic)
    text = capsys.readouterr().out
    each = (part.partition("\n") for part in re.split(r"\n(?=\S)", text))
    told = {name.split(" ")[0]: hash_of(name + more) for name, _, more in each}
    require_recorded("commands", {"list": told})
    listing.show_list("figures")
    figures = [line.rstrip() for line in capsys.readouterr().out.splitlines()[:6]]
    require_recorded("commands", {"list figures": {"lines": figures}})
    lines = [line.strip() for line in text.splitlines()]
    for entries in listing.sections().values():
        for name, family in entries.items():
            assert (name, first_sentence(family)) in pairwise(lines)


@pytest.mark.golden
def test_the_list_has_what_a_configs_plugins_add(tmp_path: Path) -> None:
    plugin = ROOT / "tests" / "package" / "plugins" / "wait_longer.py"
    (tmp_path / "own.yaml").write_text(f"plugins: [{plugin}]\n")
    assert "wait_longer" not in inside("list", "schemes").stdout
    ended = inside("list", "schemes", tmp_path / "own.yaml")
    assert "\nwait_longer" in ended.stdout, ended.stderr
    require_recorded(
        "commands", {"list of a config": [clean(x) for x in ended.stdout.splitlines()[-9:]]}
    )
    assert f"erasurehead run {tmp_path / 'own.yaml'}" in ended.stdout


@pytest.mark.parametrize(
    ("other", "topic", "entry"),
    [
        ("problems", "data", "breast_cancer"),
        ("problem", "data", "breast_cancer"),
        ("loss", "losses", "logistic"),
        ("delay", "delays", "pareto"),
        ("load_law", "load_laws", "additive"),
        ("optimizer", "optimizers", "learning_rate"),
    ],
)
def test_a_topic_has_the_name_of_its_key_too(
    other: str, topic: str, entry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listing.show_list(other)
    found = capsys.readouterr().out
    listing.show_list(topic)
    assert found == capsys.readouterr().out
    assert entry in found


def test_an_unknown_topic_is_one_line() -> None:
    with pytest.raises(ConfigError, match="did you mean schemes"):
        listing.show_list("scheems")


def test_listing_needs_no_slow_library() -> None:
    """Catches a second of pandas, pyarrow, `scipy.stats` or matplotlib for a list of names.

    What sparse matrices need is there anyway, and differs between versions of SciPy.
    """
    program = (
        "import sys; from scipy import sparse; needed = {*sys.modules};"
        "from erasurehead.experiments.commands import listing; listing.show_list(None);"
        "slow = {'pandas', 'pyarrow', 'matplotlib', 'sklearn', 'networkx', 'scipy.stats',"
        "'scipy.linalg', 'scipy.special', 'scipy.io', 'scipy.sparse.csgraph'};"
        "print(slow & ({*sys.modules} - needed))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize(
    ("given", "unit"),
    [(None, None), ("ms", "ms"), ("60", 60.0), ("1e-3", 0.001), ("0.5", 0.5), ("0", ""),
     ("-1", ""), ("inf", ""), ("nan", ""), ("hours", "")],
)  # fmt: skip
def test_a_unit_is_a_name_or_some_seconds(given: str | None, unit: object) -> None:
    """More than none, and not infinitely many."""
    asked: dict[str, Any] = {"drop": None, "keep": None, "columns": None, "unit": given}
    if unit == "":
        with pytest.raises(ConfigError, match=f"--unit = '{given}': must be s, ms, us, ns, or how"):
            options.reading_of(**asked)
    else:
        assert options.reading_of(**asked).unit == unit


def test_processes_start_while_a_command_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it will need any."""
    prepared: list[None] = []
    monkeypatch.setattr("erasurehead.experiments.run.pools.prepare", lambda: prepared.append(None))
    commands._prepare(1)
    assert not prepared
    commands._prepare(2)
    assert prepared == [None]


def test_the_package_itself_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[None] = []
    monkeypatch.setattr("erasurehead.experiments.commands.cli.main", lambda: called.append(None))
    import_module("erasurehead.__main__").main()
    assert called == [None]
