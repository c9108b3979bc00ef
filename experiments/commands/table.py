"""The commands and their options. Heavy imports come inside, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ... import __version__
from ...sim.base.errors import ConfigError, Dialect, at, shell_word
from ...sim.base.reading import Reading
from .. import options
from ..advice.live.request import MEASURING, LiveRequest, MeasureRequest
from ..advice.recommend.request import SearchRequest
from ..checks.request import VerifyRequest, WorstRequest
from ..options import AllowLarge, GivenConfig, Set, argument, completed, given_words, option, whole
from ..page import terminal
from ..reproduce.request import ReproduceRequest

if TYPE_CHECKING:
    from ..page.content import Page
    from ..reports.report.command import ResultKind

SIMULATE = "Simulate"
CLUSTER = "Your cluster"
LOOK = "Look and share"
NAMES = "What there is"

app = typer.Typer(
    cls=options.PlainGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Straggler simulator for distributed gradient descent.",
    epilog="Begin with: [bold]erasurehead init && erasurehead run demo.yaml[/bold]",
)
IN_A_BROWSER = "next: open it in a browser, or send it: it needs no other file"
MAX_CONFIG_LINES = 30  # lines of a config in the terminal; a longer one is in its file alone


class Command(options.Plain, TyperCommand):
    """A command that knows what its places take; only a shell that completes a name asks. Its help
    leaves the options of reading a table to ``help table``."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help, which fits a screen of forty lines."""
        shown = copy(self)
        shown.params = [each for each in self.params if not options.is_of_reading(each)]
        if len(shown.params) < len(self.params):
            shown.epilog = f"{self.epilog}\nOptions of reading a table: erasurehead help table"
        super(Command, shown).format_help(ctx, formatter)

    def known(self, what: options.Known, ctx: Any) -> Iterable[str]:
        """The names of the registries, or the keys of the config that is given."""
        if what == "figures":
            from ..reproduce import FIGURES

            return FIGURES
        if what == "data":
            from .data import DATA_SOURCES
            from .samples import SAMPLES

            return [*SAMPLES, *DATA_SOURCES]
        if what == "kinds":
            from ..pictures.kinds import PICTURE_KINDS

            return PICTURE_KINDS
        from . import listing

        if what == "keys":
            # An option that still lacks its value leaves the arguments unread.
            given = [ctx.params.get("config"), *ctx.args]
            config = next((Path(value) for value in given if value), None)
            return [f"{key}=" for key in listing.keys_of(config)]
        if what == "examples":
            return listing.example_names()
        return sorted(listing.known_names(listing.sections()))


def as_command(
    example: str, group: str = SIMULATE
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command, which is called as the first word of its example.
    ``group`` is the part of ``--help`` that lists it."""
    name, epilog = example.split()[0], f"Example: [bold]erasurehead {example}[/bold]"
    kind = app.command(name, cls=Command, epilog=epilog, rich_help_panel=group)
    return lambda function: kind(options.with_option_groups(function))


def _said() -> str:
    """The command line, for a reader who wants to repeat it."""
    from ..page.folder import command_line

    return command_line(sys.argv[1:])


def _version(wanted: bool) -> None:
    if wanted:
        print(f"erasurehead {__version__}")
        raise typer.Exit


@app.callback()
def erasurehead(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, option("Show a traceback of any error.", "--debug")] = False,
) -> None:
    """Straggler simulator for distributed gradient descent."""


topics = typer.Typer(
    cls=options.PlainGroup,
    no_args_is_help=True,
    help="What is explained beside the commands.",
)
app.add_typer(topics, name="help", hidden=True)


@topics.command("table", cls=options.PlainCommand, rich_help_panel="Topics")
@options.with_option_groups
def table_topic(ctx: typer.Context, reading: Reading) -> None:
    """How a measured table is read: options of read, whatif, fit and recommend.

    What names in the table say, such as `load` or `seconds`, need not be said."""
    if text := ctx.get_help():  # empty where rich has shown it
        print(text)


@as_command("init demo")
def init(
    name: Annotated[
        str,
        argument(
            "demo, example, network, asynchronous, cluster, live, lambda_cnn or authors_measured.",
            complete=completed("examples"),
        ),
    ] = "demo",
) -> None:
    """Write a commented example config into the working directory."""
    from . import listing

    path = listing.write_example(name, Path())
    terminal.say(f"{path} written")
    terminal.follow("run", path)


@as_command("run demo.yaml --set workers=24")
def run(
    given: GivenConfig,
    where: options.OutputOptions,
    timeline: Annotated[
        Path | None,
        option("Also write what every worker did in one replication, for ui.perfetto.dev."),
    ] = None,
) -> None:
    """Run every scheme of a config and write the tables."""
    _run(given, where, options.PoolOptions(), timeline)


@as_command("sweep demo.yaml --set delay.rate=0.5,1,2 --jobs 2")
def sweep(given: GivenConfig, pool: options.PoolOptions, where: options.OutputOptions) -> None:
    """Run a config's grid in parallel; repeat it to resume.

    What an interrupted command has computed is not computed again."""
    if pool.scheduler is None and not where.dry_run:
        _prepare(pool.jobs)
    _run(given, where, pool)


def _prepare(jobs: int) -> None:
    """Before a command's imports: the processes that it will need make them at the same time."""
    if jobs > 1:
        from ..run.pools import prepare

        prepare()


def _run(
    given: GivenConfig,
    where: options.OutputOptions,
    pool: options.PoolOptions,
    timeline: Path | None = None,
) -> None:
    from ..run import command, files
    from ..run.timeline import require_apart
    from .run import show_outcome, show_plan

    document = given.document()
    target = where.output or Path("results") / str(document.get("name", "run"))
    how = command.RunOptions(
        jobs=pool.jobs,
        scheduler=pool.scheduler,
        data_dir=where.data_dir,
        timeline=timeline or False,
        # The resolved config of a result is written again as it is, unless --set changes it.
        reads=[given.config] if given.set_ else [],
        allow_large=where.allow_large,
        csv=options.csv_wanted(where.tables),
        tell=terminal.say,
    )
    if where.dry_run:
        planned = command.plan(document, target, how)
        show_plan(planned)
        planned.require_room()
        repeated = given_words(given, pool, replace(where, dry_run=False))
        traced = [] if timeline is None else ["--timeline", str(timeline)]
        terminal.follow("run" if pool == options.PoolOptions() else "sweep", *repeated, *traced)
        return
    if timeline is not None:
        files.require_file(timeline)
        require_apart(timeline, [given.config])
    with terminal.progress("cells") as progress:
        outcome = command.run(document, target, replace(how, progress=progress))
    show_outcome(outcome, target)
    if outcome.finished:
        terminal.follow("report", target)
    if outcome.failed:
        raise typer.Exit(1)


@as_command("reproduce loss_time --jobs 2")
def reproduce(
    figures: Annotated[
        list[str] | None,
        argument(
            "Which figures (see: list figures); default all.", "FIGURE ...", completed("figures")
        ),
    ] = None,
    *,
    asked: ReproduceRequest,
) -> None:
    """Check the paper's claims, and make all figures with their data."""
    from ..reproduce import FIGURES

    jobs = asked.jobs or min(len(figures or FIGURES), options.cores())
    _prepare(jobs)

    from ..reproduce.command import make_figures

    with terminal.progress("figures") as progress:
        page, claims = make_figures(figures or [], replace(asked, jobs=jobs), progress)
    terminal.say_all(claims)
    terminal.say(str(page))
    terminal.say(IN_A_BROWSER)
    if asked.against is not None:
        from ..reproduce.reference import compare_with

        same, lines = compare_with(asked.output, asked.against)
        terminal.say_all(lines)
        if not same:
            raise typer.Exit(1)


@as_command("verify --replications 20000")
def verify(
    ctx: typer.Context,
    config: Annotated[
        Path | None, argument("Schemes of yours; default a grid of all.", "CONFIG.yaml")
    ] = None,
    set_: Set = None,
    allow_plugins: options.AllowPlugins = False,
    worst: Annotated[bool, option("Find the worst stragglers of a code.", "--worst")] = False,
    *,
    asked: VerifyRequest,
    search: WorstRequest,
) -> None:
    """Compare simulated numbers with closed forms.

    Exit code 1 if one is too far off. With --worst, find the worst stragglers."""
    options.refuse_set_alone(config, set_)
    given = None if config is None else GivenConfig(config, set_, allow_plugins)
    if worst:
        options.refuse_other(ctx, VerifyRequest, WorstRequest, "has no effect beside --worst")
        if given is None:
            raise ConfigError("verify --worst: give CONFIG.yaml, whose codes are searched")
        _find_worst(given, search)
        return
    options.refuse_other(ctx, WorstRequest, VerifyRequest, "is of a search: give --worst, too")

    from ..checks.verify.command import verify_grid

    if not verify_grid(asked, None if given is None else given.document()):
        raise typer.Exit(1)
    own = ("reproduce", "iteration_time_workers") if given is None else ("run", *given_words(given))
    terminal.follow(*own)


def _find_worst(given: GivenConfig, search: WorstRequest) -> None:
    """Find the worst stragglers for each code of a config."""
    from ...sim.attack import SearchBudget
    from ..checks import attack
    from ..config.code import carried
    from ..run.files import output_folder
    from ..run.outputs import holds_another, id_of

    document = given.document()
    budget = SearchBudget(search.budget, search.samples)
    planned = attack.plan_attack(document, search.stragglers, budget)
    name = str(document.get("name", "run"))
    target = search.output or Path("results/attack") / name
    attack.require_own(target, planned.config)
    with output_folder(target, attack.ATTACK_FILES, [given.config]):
        with terminal.progress("stragglers") as progress:
            frame = attack.attack_codes(planned, progress)
        attack.write_attack(planned, frame, target)
    terminal.show(attack.attack_page(frame, name, planned.left_out, _said()), None)
    terminal.say(f"table and picture in {target}/")
    ran = Path("results") / name
    in_folder = carried(planned.config, ran)
    done = id_of(ran) is not None and not holds_another(ran, in_folder.config)
    terminal.follow(*(("report", ran) if done else ("run", *given_words(given))))


@as_command("read delays.csv --unit ms", CLUSTER)
def read(trace: options.MeasuredTable, reading: Reading, allow_large: AllowLarge = False) -> None:
    """Show how a measured table is read: size, unit, names, rounds."""
    from ...sim.base.files import MOST_CELLS
    from ..advice.understood import measured_delays

    measured = measured_delays(str(trace), reading, None if allow_large else MOST_CELLS)
    terminal.say_all(line.spelled(Dialect.SHELL) for line in measured.read)
    terminal.say_all(f"note: {line.spelled(Dialect.SHELL)}" for line in measured.warnings)
    terminal.follow("whatif", trace, *given_words(reading))


@as_command("whatif delays.csv --unit ms", CLUSTER)
def whatif(
    trace: options.MeasuredTable,
    reading: Reading,
    load_law: Annotated[
        str | None,
        option(
            "How a task grows with its work, as in a config: {kind: additive, ...}; default: what "
            "a column load shows.",
            metavar="LAW",
        ),
    ] = None,
    output: Annotated[Path | None, option("Default results/whatif/<name of the table>/.")] = None,
    allow_large: AllowLarge = False,
) -> None:
    """Rank what would mend a measured job's slow steps.

    Hosts to replace, codes, waits, deadlines: one list, on the measured rounds."""
    from ..advice.whatif import command
    from ..run.files import output_folder

    law = None if load_law is None else command.given_law(load_law)
    measured, warnings = command.read_usable(str(trace), reading, allow_large)
    terminal.say_read(line.spelled(Dialect.SHELL) for line in measured.read)
    for line in warnings:
        terminal.tell(f"warning: {trace}: {line.spelled(Dialect.SHELL)}")
    target = output or Path("results/whatif") / trace.name.split(".")[0]
    with output_folder(target, command.FILES, [trace]):
        found = command.investigate(measured, reading, law)
        words = " ".join(map(shell_word, [str(trace), *given_words(reading)]))
        answer = command.whatif_answer(found, trace.name, measured, words)
        command.write_whatif(found, replace(answer, command=_said()), target, trace)
    command.show(found, answer, target)
    terminal.follow("report", target)


@as_command("fit delays.csv --k-range 200:256", CLUSTER)
def fit(
    trace: options.MeasuredTable,
    reading: Reading,
    k_range: Annotated[
        str | None,
        option("Order statistics to rank by, A:B; default n/2 to n, of cut rounds 1 to n."),
    ] = None,
    workers: Annotated[
        int | None, option("Workers of the config: those of the table in turn; default as many.")
    ] = None,
    output: Annotated[Path | None, option("Default results/fit/<name of the table>/.")] = None,
    allow_large: AllowLarge = False,
) -> None:
    """Fit delay models to a measured table, and write a config."""
    from ..advice.fit import command
    from ..advice.fit.answer import fit_answer
    from ..advice.fit.looks import DELAY
    from ..advice.fit.study import study_for
    from ..run.files import output_folder

    measured, warnings = command.read_tables(str(trace), reading, allow_large)
    terminal.say_read(line.spelled(Dialect.SHELL) for line in measured.read)
    for line in warnings:
        terminal.tell(f"warning: {trace}: {line.spelled(Dialect.SHELL)}")
    ks = command.k_range(k_range, measured.workers, cut=bool(measured.listening))
    target = output or Path("results/fit") / trace.name.split(".")[0]
    with output_folder(target, command.FILES, [trace]), terminal.progress("fits") as progress:
        findings = study_for(workers, measured, ks, reading.load, progress)
        words = " ".join(map(shell_word, [str(trace), *given_words(reading)]))
        answer = replace(fit_answer(findings, trace.name, words), command=_said())
        page = command.write_fit(findings, answer, target)
    for text in findings.warnings:
        terminal.tell(f"warning: {trace}: {text}")
    terminal.show(page)
    if len(lines := findings.sections.splitlines()) <= MAX_CONFIG_LINES:
        terminal.say_all(lines)
    terminal.say(f"report, pictures and config in {target}/")
    terminal.follow("run", target / DELAY)


@as_command("recommend demo.yaml --max-load 3 --jobs 2", CLUSTER)
def recommend(
    config: Annotated[Path, argument("The cluster, its problem, today's schemes.", "CONFIG.yaml")],
    set_: Set = None,
    allow_plugins: options.AllowPlugins = False,
    *,
    request: SearchRequest,
    jobs: Annotated[int, whole(1, options.MOST_JOBS, "Schemes at a time.")] = 1,
    output: Annotated[Path | None, option("Default results/recommend/<name>/.")] = None,
    data_dir: options.DataDir = None,
) -> None:
    """Find what reaches a target soonest: scheme, load, stop, rate."""
    _prepare(jobs)

    from ..advice.recommend.command import answer_question, refuse_table
    from ..advice.recommend.question import ask

    refuse_table(config)
    document = GivenConfig(config, set_, allow_plugins).document()
    question = ask(document, request, data_dir)
    answer_question(question, output, jobs, _said(), [config])


@as_command("live live.yaml --time-scale 0.02", CLUSTER)
def live(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        argument("What to run; with --measure, what to time.", "CONFIG.yaml"),
    ] = None,
    set_: Set = None,
    allow_plugins: options.AllowPlugins = False,
    *,
    asked: LiveRequest,
    measure: Annotated[
        Path | None,
        option(
            "Time tasks, and write this table for fit; without a config, matrix products.",
            metavar="TABLE",
            panel=MEASURING,
        ),
    ] = None,
    measuring: MeasureRequest,
) -> None:
    """Run a config on real workers, or measure their tasks.

    Workers compute gradients and sleep for the config's delays."""
    if measure is not None:
        options.refuse_other(ctx, LiveRequest, MeasureRequest, "has no effect beside --measure")
        options.refuse_set_alone(config, set_)
        given = None if config is None else GivenConfig(config, set_, allow_plugins)
        _measure(given, measure, measuring)
        return
    options.refuse_other(
        ctx, MeasureRequest, LiveRequest, "is for measuring: give --measure TABLE, too"
    )
    if config is None:
        raise ConfigError("live: give CONFIG.yaml to run it, or --measure TABLE to time tasks")
    _run_live(GivenConfig(config, set_, allow_plugins), asked)


def _run_live(given: GivenConfig, asked: LiveRequest) -> None:
    """Run a config on real workers."""
    from ..advice.live import command
    from .run import show_outcome

    document = given.document()
    target = asked.output or Path("results") / f"{document.get('name', 'run')}-live"
    with terminal.progress("iterations") as progress:
        reads = [given.config] if given.set_ else []
        outcome, facts = command.run_live(document, target, asked, progress, reads)
    show_outcome(outcome, target)
    command.show_live(outcome, facts)
    if outcome.finished:
        terminal.follow("report", target)
    if outcome.failed or any(own.died for own in facts):
        raise typer.Exit(1)


def _measure(given: GivenConfig | None, table: Path, asked: MeasureRequest) -> None:
    """Measure how long real tasks take on real workers."""
    from ..advice.live import measure

    document = None if given is None else given.document()
    with terminal.progress("rounds") as progress:
        tasks = measure.measure_tasks(document, table, asked, progress)
    for partitions, seconds in tasks.groupby("load")["seconds"].mean().items():
        terminal.say(f"load {partitions}: {seconds:.4g} s on average")
    terminal.say(f"{len(tasks)} tasks in {table}")
    terminal.follow("fit", table)


@as_command("plot results/demo --kind loss_time --format png,pdf", LOOK)
def plot(
    directory: Annotated[Path, argument("Output of a run or sweep.", "DIR")],
    kind: Annotated[
        str | None,
        option("One kind of plot; default all that can be drawn.", complete=completed("kinds")),
    ] = None,
    x: Annotated[str | None, option("Draw means against this swept key.", metavar="KEY")] = None,
    y: Annotated[
        str | None,
        option("Which means: iteration_time, decoding_error, or another column.", metavar="COLUMN"),
    ] = None,
    format_: options.Formats = "png,svg",
    where: options.Where = None,
    width: Annotated[str, option("As wide as in print, letters of 8 points: 3.4in, 86mm.")] = "",
    title: Annotated[str, option("Words above the picture.")] = "",
    labels: Annotated[
        str, option("Names for the schemes, in their order.", metavar="NAME,...")
    ] = "",
) -> None:
    """Draw the tables of a run or sweep as pictures in DIR/plots."""
    from ..reports.report.command import ForPaper, write_pictures

    printed = ForPaper(width, title, labels)
    with terminal.progress("pictures") as progress:
        written, left_out = write_pictures(
            directory, kind, format_.split(","), progress, x, y, printed, where
        )
    terminal.say_all([*map(str, written), *left_out])
    terminal.follow("report", directory)


@as_command("report results/demo", LOOK)
def report(
    first: Annotated[Path | None, argument(f"Output of {options.REPORTED}.", "DIR")] = None,
    second: Annotated[
        Path | None,
        argument("Another result of the same schemes, to be compared with the first.", "OTHER"),
    ] = None,
    output: Annotated[
        Path | None, option("The file; default DIR/report.html. Of two a folder, results/compare.")
    ] = None,
    where: options.Where = None,
    cite: Annotated[
        bool, option("Print BibTeX, and what a paper should say of DIR, if given.", "--cite")
    ] = False,
) -> None:
    """Make a self-contained page of a result, or compare two.

    Two results of the same schemes are compared, such as simulated and measured ones."""
    if cite:
        if second is not None or output is not None or where:
            raise ConfigError("report --cite: takes one DIR or none, and no other option")
        from .listing import citation

        print(citation(first))
    elif first is None:
        raise ConfigError(f"report: give DIR, the output of {options.REPORTED}")
    elif second is None:
        _report_one(first, output, where)
    elif where:
        raise at("--where", where, "chooses points of one result, and here are two")
    else:
        _compare(first, second, output or Path("results/compare"))


def _report_one(directory: Path, output: Path | None, where: list[str] | None) -> None:
    """Make the page of a result."""
    from ..reports.report.command import write_report

    path = write_report(directory, result_kinds(), output, where)
    terminal.say(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    terminal.say(IN_A_BROWSER)


def _compare(first: Path, second: Path, output: Path) -> None:
    """Compare two results of the same schemes; ``first`` is the reference."""
    from ..reports import compare

    page = compare.compare_results(first, second, output, _said())
    for note in page.answer.notes:
        terminal.tell(f"note: {note}")
    terminal.show(page)
    terminal.say(f"table and pictures in {output}/")
    terminal.follow("report", output)


@as_command("explore --port 8080 --no-browser", LOOK)
def explore(
    port: Annotated[int, whole(0, 65535, "Port on this machine; 0 for any free one.")] = 0,
    no_browser: Annotated[
        bool, option("Only print the address; open no browser.", "--no-browser")
    ] = False,
) -> None:
    """Open a local page with sliders for loss, time and error."""
    import webbrowser

    from ..reports.explore.server import Server, serve_pages

    server = Server(port)

    def ready() -> None:
        terminal.say(f"{server.address} (Ctrl-C ends it)")
        if not no_browser:
            webbrowser.open(server.address)

    serve_pages(server, ready)


@as_command("list pareto", NAMES)
def list_(
    what: Annotated[
        str | None,
        argument(
            "A name, such as pareto, or schemes, delays, load_laws, data, losses, optimizers, "
            "network, failures or figures; default the names of all.",
            "WHAT",
            completed("topics"),
        ),
    ] = None,
    config: Annotated[
        Path | None, argument("Include what this config's plugins add.", "CONFIG.yaml")
    ] = None,
    schema: Annotated[
        bool,
        option(
            "Print the JSON Schema of configs, with which editors complete and check them.",
            "--schema",
        ),
    ] = False,
) -> None:
    """List what a config can name, with fields, units and defaults."""
    from . import listing

    if schema:  # of everything, so that one argument is the config
        if what is not None and config is not None:
            raise at("list --schema", what, "takes no name; give the config alone, or nothing")
        print(listing.schema_text(config if what is None else Path(what)))
        return
    listing.show_list(what, config)
    example = "cluster" if what in ("network", "failures") else "example"
    run = ("init", example) if config is None else ("run", str(config))
    other = {"figures": ("reproduce", "--help"), None: ("list", "schemes")}
    terminal.follow(*other.get(what, run))


@as_command("data slow_host", NAMES)
def data(
    name: Annotated[
        str | None,
        argument("A sample or a data set; default a list of both.", complete=completed("data")),
    ] = None,
    data_dir: Annotated[
        Path | None, option("Where files go; default $ERASUREHEAD_DATA, else data/.")
    ] = None,
) -> None:
    """Write a sample table, or fetch one of the authors' data sets.

    Samples ship with the program; data sets need a network, once."""
    import os

    from .data import bring, data_lines
    from .samples import SAMPLES, sample_lines, write_sample

    folder = data_dir or Path(os.environ.get("ERASUREHEAD_DATA") or "data")
    if name is None:
        terminal.say("samples: tables of delays that ship with the program")
        terminal.say_all(sample_lines())
        terminal.say("data sets: fetched once, which needs a network")
        terminal.say_all(data_lines())
        terminal.follow("data", "slow_host")
    elif name in SAMPLES:
        table = write_sample(name, folder)
        terminal.say(f"{name}, {SAMPLES[name].about}")
        terminal.say(f"licence: {SAMPLES[name].licence}")
        terminal.say(f"{table} written")
        terminal.follow("read", table)
    else:
        terminal.say_all(bring(name, folder))
        terminal.follow("reproduce", "loss_time", "--full", "--data-dir", folder)


# Results that have a page. Its reader is imported when it is called: a page needs the code of its
# own command and of no other.


def result_kinds() -> dict[str, ResultKind]:
    """Every kind of result that has a page, by the command that writes it; what a folder holds is
    the first of which it has a file."""
    from ..reports.report.command import ResultKind
    from ..run import outputs

    run_files = (*outputs.RUN_FILES, "cells")
    return {
        "fit": ResultKind(("fit.parquet",), _read_fit),
        "whatif": ResultKind(("whatif.parquet",), _read_whatif),
        "compare": ResultKind(("comparison.csv",), _read_comparison),
        "recommend": ResultKind(("candidates.parquet",), _read_recommendation),
        "run": ResultKind(run_files, _read_run, has_points=True),
        "reproduce": ResultKind(("summary.md",), _read_reproduction, page=outputs.INDEX),
    }


def _read_fit(directory: Path) -> Page:
    from ..advice.fit.page import read_fit

    return read_fit(directory)


def _read_whatif(directory: Path) -> Page:
    from ..advice.whatif.page import read_whatif

    return read_whatif(directory)


def _read_comparison(directory: Path) -> Page:
    from ..reports.compare import read_comparison

    return read_comparison(directory)


def _read_recommendation(directory: Path) -> Page:
    from ..advice.recommend.page import read_recommendation

    return read_recommendation(directory)


def _read_run(directory: Path, where: Mapping[str, Sequence[str]] = {}) -> Page:
    from ..reports.report.page import read_run

    return read_run(directory, where)


def _read_reproduction(directory: Path) -> Page:
    from ..reproduce.command import read_reproduction

    return read_reproduction(directory)
