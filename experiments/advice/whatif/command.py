"""``erasurehead whatif``: reads a measured table, ranks what can be done, writes what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....delay_models.measured.measured import AS_IT_IS, MeasuredDelays, Names, name_at
from ....delay_models.measured.read import Source, name_of
from ....sim.base.errors import ConfigError, Dialect, Message, Option, at, shell_word
from ....sim.base.files import MOST_CELLS, short
from ....sim.base.reading import Reading
from ....sim.base.types import FloatArray, IntArray
from ....sim.load_laws import LoadLaw, OfOneDraw
from ...config.document import read_yaml, write_yaml
from ...page import terminal
from ...page.content import Answer, Page
from ...page.folder import FORMATS, REPORT, write_page
from ...run.files import ANSWER
from ...text import number_of
from ..statistics.groups import placed
from ..statistics.series import DRAWS
from ..understood import measured_delays
from . import cut, page
from .answer import beside, facts, growth_line, shown, verdict
from .cut import CutFound, cut_answer, investigate_cut, show_cut
from .ranking import Ranking, ranked
from .remedies import NEW_DEVICES, NEW_HOSTS, Cluster, Growth, remedies
from .study import Study, study_load

SHORTEST = 1e-150  # seconds: products and quotients down to here are numbers
CONFIG, ROUNDS = "remedies.yaml", "rounds.npz"
MOST_ITERATIONS = 1000  # of the config
# Of the terminal: lines at most, sentences at most, and lines that are neither these nor rows.
MOST_LINES, MOST_SENTENCES, FIXED_LINES = 25, 6, 10
CSV = (page.SLOWDOWN, page.HOSTS, page.REMEDIES, page.STAGES)  # are written as CSV, too
FILES = (
    *(ANSWER, CONFIG, ROUNDS, REPORT, *CSV, page.HEAT_MAP),
    *(str(Path(name).with_suffix(".csv")) for name in CSV),
    *(f"{picture}.{kind}" for picture in ("heat_map", "arrivals") for kind in FORMATS),
)
# What version 0.3 left, which goes when a folder is written anew.
OLDER = (page.OLDER, "timeline.png", "timeline.svg")


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in a table of measured delays."""

    study: Study
    growth: Growth
    ranking: Ranking
    names: Names  # what the table calls its rounds

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables, by the names of their files; without stages none of them."""
        rounds = [name_at(self.names, place) for place in self.study.kept]
        every = {
            page.REMEDIES: self.ranking.remedies,
            page.HOSTS: self.study.hosts,
            page.SLOWDOWN: self.study.slowdown,
            page.HEAT_MAP: self.study.heat_map(rounds),
            page.STAGES: self.study.stages,
        }
        return {name: table for name, table in every.items() if name != page.STAGES or len(table)}

    @property
    def remedies(self) -> pd.DataFrame:
        """What can be done, a row each."""
        return self.ranking.remedies

    @property
    def hosts(self) -> pd.DataFrame:
        """The hosts, a row each."""
        return self.study.hosts

    @property
    def _law_is_simulated(self) -> bool:
        """Whether a config can have the load law: it has loads from 1 on."""
        return self.growth.law is not None and self.growth.load == 1

    @property
    def delays(self) -> FloatArray:
        """``(R, n)`` seconds for the config: unit delays of its load law."""
        rounds = self.study.rounds
        return self.growth.units(rounds) if self._law_is_simulated else rounds

    def config(self, path: str = ROUNDS) -> dict[str, Any]:
        """A config of the schemes that are listed, and of ``path`` with the ``delays``."""
        rounds, n = self.study.rounds.shape
        rows = [
            row
            for exact, most in page.LISTED.items()
            for row in shown(self.ranking.remedies, exact, most).index
        ]
        sections = [self.ranking.sections[row] for row in rows]
        law: Any = {"kind": "proportional"}
        if self._law_is_simulated:
            from ...config.catalogue import BUILT_IN  # here, since all schemes come with it
            from ...config.codec import plain

            law = plain(self.growth.law, BUILT_IN)
        return {
            "name": "remedies",
            "workers": n,
            "iterations": min(rounds, MOST_ITERATIONS),
            "delay": {"model": "trace", "path": path, "unit": "s"},
            "load_law": law,
            "schemes": [{"name": "uncoded"}, *(known for known in sections if known is not None)],
            "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 40 * n, "features": 20},
            "optimizer": {"rule": "accelerated", "learning_rate": 0.1},
        }


def read_usable(
    source: Source, reading: Reading, allow_large: bool
) -> tuple[MeasuredDelays, list[Message]]:
    """Read a table of delays, and warnings. Raises ConfigError: it cannot be used."""
    measured = measured_delays(source, reading, None if allow_large else MOST_CELLS)
    if reading.load is not None:
        measured = replace(measured, tables={reading.load: measured.tables[reading.load]})
    for load in measured.tables:
        _require_usable(name_of(source), measured, load)
    return measured, measured.warnings


def _require_usable(name: str, measured: MeasuredDelays, load: float | None) -> None:
    """Refuse a table in which no round ends, or whose medians are nothing to divide by."""
    if load in measured.listening:
        return
    table, hosts = measured.tables[load], measured.hosts
    finite = np.isfinite(table)
    whole = finite.all(axis=1)
    if not whole.any():
        absent = (~finite).sum(axis=0)
        worst = int(np.argmax(absent))
        lost = f"missing in {int(absent[worst])} of {len(table)} rounds"
        leave = f"leave host {short(hosts[worst])} out, which is {lost}"
        raise ConfigError(f"{name}: no round has every worker; {leave}")
    table = table if whole.all() else table[whole]
    if (least := float(table.min(where=table > 0, initial=1.0))) < SHORTEST:
        raise ConfigError(f"{name}: a delay of {least:g} s; must be 0 or at least {SHORTEST:g} s")
    zeros = table == 0
    if not zeros.any():
        return
    rounds, workers = zeros.mean(axis=1), zeros.mean(axis=0)
    remedy = Message(
        "were they measured? ",
        Option("missing", "drop-rounds"),
        " or ",
        Option("missing", "never"),
        " takes 0 s for missing",
    )
    if rounds.max() >= 0.5:
        first = name_at(measured.names_of_rounds(load)[whole], int(np.argmax(rounds)))
        of_round = f"{name}: half or more of the delays of round {first} are 0 s: "
        raise ConfigError(of_round, remedy)
    if workers.max() >= 0.5:
        host = short(hosts[int(np.argmax(workers))])
        of_host = f"{name}: half or more of the delays of host {host} are 0 s: "
        raise ConfigError(of_host, remedy)


def given_law(text: str) -> LoadLaw:
    """What ``--load-law`` says: a section of a config, or the kind of a law that needs no number.
    Raises ConfigError: it is neither."""
    try:
        value = read_yaml(text)
    except ValueError as error:
        raise at("--load-law", text, f"is not YAML: {error}") from None
    return law_of(value, "--load-law")


def law_of(value: Any, place: str) -> LoadLaw:
    """A load law as a config checks it. Raises ConfigError: it is none, or one that draws the
    delays of partitions by themselves, which measured rounds do not show."""
    from ...config.settings import section  # here, since all schemes come with it

    if not isinstance(value, str | Mapping | LoadLaw):
        raise at(
            place, value, "must be a load law, such as {kind: partly_proportional, fixed: 0.3}"
        )
    law: LoadLaw = section("load_law", {"kind": value} if isinstance(value, str) else value)
    if not isinstance(law, OfOneDraw):
        kinds = "proportional, partly_proportional, additive or steps"
        raise at(place, law.kind, f"must be a law of one delay a task: {kinds}")
    return law


def growth_of(measured: MeasuredDelays, chosen: float | None, law: LoadLaw | None) -> Growth:
    """How tasks grow with their work: by the ``law`` that is given, or by what several loads
    show. Raises ConfigError: by the law that is given some measured task was impossible."""
    loads = [load for load in measured.tables if load is not None]
    base = chosen if chosen is not None else min(loads, default=1.0)
    if law is None and len(loads) > 1:
        from ..fit.laws.law import load_law  # here, since few tables have several loads
        from ..fit.laws.load import measure_load

        found = measure_load({load: _whole(measured.tables[load]) for load in loads})
        law = None if found is None else load_law(found.law)
        return Growth(law if isinstance(law, OfOneDraw) else None, base)
    if isinstance(law, OfOneDraw):
        table = measured.tables[base if loads else None]
        cost, shortest = float(law.cost(base)), float(table.min())
        if cost > shortest:
            raise ConfigError(
                f"load_law: a task costs {cost:.4g} s or more by this law, but a measured one took "
                f"{shortest:.4g} s; its cost must be at most that"
            )
        return Growth(law, base)
    return Growth(None, base)


def _whole(table: FloatArray) -> FloatArray:
    """The rounds in which all arrive."""
    return table[np.isfinite(table).all(axis=1)]


def with_ranks_on_hosts(measured: MeasuredDelays) -> MeasuredDelays:
    """The same delays, with each rank called after its host, too: ``rank 3 (host0)``."""
    if not measured.host_of:
        return measured
    called = {
        name: f"{f'rank {name}' if name.isdigit() else name} ({measured.host_of[name]})"
        if name in measured.host_of
        else name
        for name in measured.hosts
    }
    groups = {
        group: tuple(called[name] for name in members) for group, members in measured.groups.items()
    }
    return replace(measured, hosts=tuple(called.values()), groups=groups)


def investigate(
    measured: MeasuredDelays, reading: Reading = AS_IT_IS, law: LoadLaw | None = None
) -> Found | CutFound:
    """Study the rounds of the smallest load, or of the one that is asked for, and rank the
    remedies; of rounds that ended before all were heard, what waiting for some takes.
    Raises ConfigError: the load law cannot be that of these rounds."""
    measured = with_ranks_on_hosts(measured)
    chosen = reading.load
    if measured.listening:
        return investigate_cut(measured, chosen, reading, law)
    growth = growth_of(measured, chosen, law)
    load = None if None in measured.tables else growth.load
    study = study_load(
        measured.tables[load], measured.hosts, load, measured.stages.get(load), measured.groups
    )
    study = replace(study, of_ranks=bool(measured.host_of))
    transfer = measured.fixed.get(load)
    if transfer is not None and growth.law is None:
        known = transfer[study.kept]
        growth = replace(growth, fixed=known if np.isfinite(known).all() else None)
    cluster = Cluster(
        rounds=study.rounds,
        names=measured.hosts,
        growth=growth,
        to_replace=study.slow.to_replace,
        groups=study.groups,
        racks=_racks(study, measured),
        new_worker=NEW_DEVICES if measured.host_of else NEW_HOSTS,
    )
    tried = [*remedies(cluster)]
    if study.waits:  # what they would save is not known
        tried = tried[:1]
    names = measured.names_of_rounds(load)
    return Found(study, growth, ranked(tried, study.blocks), names)


def _racks(study: Study, measured: MeasuredDelays) -> IntArray | None:
    """The rack of each host, if hosts are slow together; one that is in none has its own."""
    if not study.groups:
        return None
    slow = [[measured.hosts[host] for host in group.hosts] for group in study.groups]
    racks = placed(slow, measured.hosts, measured.groups)
    alone = np.flatnonzero(racks < 0)
    racks[alone] = racks.max() + 1 + np.arange(len(alone))
    return racks if len(alone) < len(racks) else None


def whatif_answer(
    found: Found | CutFound,
    source: str,
    measured: MeasuredDelays,
    words: str,
    dialect: Dialect = Dialect.SHELL,
) -> Answer:
    """The findings in a few sentences; ``source`` is what the table is called. ``words`` are the
    table with the options that read it, for a shell; ``dialect`` is that of who reads it."""
    if isinstance(found, CutFound):
        return cut_answer(found, source, measured, words, dialect)
    study, blocks = found.study, found.study.blocks
    made = (
        f"Intervals are made from {number_of(blocks.count, 'block')} of "
        f"{number_of(blocks.length, 'consecutive round')}, drawn {DRAWS} times with a fixed seed."
    )
    fit = (
        f"`erasurehead fit {words}` fits a delay model to this table, which a config can simulate."
    )
    steps = [fit]
    if study.waits and measured.allreduce and "--columns" not in words:
        column = shell_word(f"allreduce={measured.allreduce}")
        own = f"`erasurehead whatif {words} --columns {column}` takes off what each host waits."
        steps.insert(0, own)
    why = facts(study, found.names)
    if not study.waits and found.growth.known:
        why.append(f"{growth_line(found.growth, study)}.")
    return Answer(
        "whatif",
        source,
        verdict(study, found.ranking),
        why=tuple(why),
        next=tuple(steps),
        notes=(*(line.spelled(dialect) for line in measured.notes), made),
        read=tuple(line.spelled(dialect) for line in measured.read),
        limits=" ".join(beside(study, found.ranking, found.names)),
    )


def write_whatif(
    found: Found | CutFound, answer: Answer, output: Path, source: Path | None
) -> Page:
    """Write tables, picture, report, config and answer under ``output``; returns what they say.
    ``source`` is the table's file, if it is in one."""
    whole = page.whatif_page(found.tables, answer)
    if isinstance(found, CutFound):
        config = {} if source is None else found.config(str(source))
        others = {CONFIG: write_yaml(config).encode()} if config else {}
        csv = (cut.REMEDIES, cut.HOSTS)
        write_page(whole, output, (ANSWER, *FILES, *OLDER), found.tables, ["arrivals"], csv, others)
        return whole
    sink = BytesIO()
    np.savez(sink, delays=found.delays)
    others = {ROUNDS: sink.getvalue(), CONFIG: write_yaml(found.config()).encode()}
    older = (ANSWER, *FILES, *OLDER)
    write_page(whole, output, older, found.tables, ["heat_map"], CSV, others)
    return whole


def show(found: Found | CutFound, answer: Answer, output: Path) -> None:
    """Print what to do, the best rows of both blocks, and what to do next, in ``MOST_LINES``."""
    if isinstance(found, CutFound):
        show_cut(found, answer)
        return
    study, rows = found.study, found.ranking.remedies
    sentences = [answer.verdict, *beside(study, found.ranking, found.names)][:MOST_SENTENCES]
    for text in sentences:
        terminal.say_all(terminal.in_lines(text))
    if study.waits:
        terminal.say_all(f"next: {step}" for step in answer.next)
        return
    read = sum(not line.startswith("  ") for line in answer.read)
    room = MOST_LINES - FIXED_LINES - read - len(sentences)
    listed = 0
    for exact, most in page.LISTED.items():
        block = shown(rows, exact, max(2, min(most, (room + 1) // 2)))
        listed += len(block)
        room = 2 * (room - len(block))  # what the first block leaves is for the second
        terminal.say("")
        if len(block):
            terminal.show_columns(page.columns(block, exact))
        elif not exact:
            terminal.say("fewer gradients a step: nothing saves time for as much of all data")
    terminal.say("")
    others = number_of(len(rows) - listed, "more row")
    terminal.say(f"{others} in {output / 'whatif.csv'}: none beats a row above")
    terminal.say(growth_line(found.growth, study))
    terminal.say(page.FOR_ALL)
    terminal.follow("run", output / CONFIG)
