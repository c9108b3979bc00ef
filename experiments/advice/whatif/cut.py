"""``whatif`` where rounds ended before everybody was heard: what waiting for each number of workers
takes and how that is known, who is heard too seldom, and what a stretch of whole rounds would tell.

What replacing a slow host would save is not known: those rounds did not wait for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ....delay_models.measured.listening import heard_words
from ....delay_models.measured.measured import MeasuredDelays
from ....sim.base.errors import Dialect, Option, at
from ....sim.base.reading import Reading
from ....sim.load_laws import LoadLaw
from ...page import terminal
from ...page.content import Answer, Page, Section, Table, capped, plain_cell
from ...page.terminal import Column
from ...pictures import style
from ...pictures.looks import DASHED, DOTTED, INK, MUTED, SOLID, Look
from ...pictures.picture import Axis, Chart, Curve, Panel, Picture, axis_of
from ...text import NOTHING, TableCell, interval, number, number_of, sentence

if TYPE_CHECKING:  # a second of imports, which only such rounds take
    from ..fit.cut.study import CutFindings

REMEDIES, HOSTS = "whatif.parquet", "hosts.parquet"
TABLES = {
    REMEDIES: ("text", "k", "known", "rounds_heard", "seconds", "at_least", "by_law", "family"),
    HOSTS: ("host", "heard", "rounds", "slower", "stands_out"),
}
MOST_ITERATIONS = 1000  # of the config
SCHEMES = 3  # of the config: numbers of workers to wait for
ENOUGH = 0.05  # of the mean: how well a stretch of whole rounds should measure it
MEASURED = Look(MUTED, "", SOLID, "measured, 95 %")
AT_LEAST = Look(INK, "", DOTTED, "at least")
METHOD = (
    "Measured: k workers were heard in every round, so waiting for k takes the mean of the k-th "
    "arrivals (95 %: bootstrap of blocks of rounds). At least: they were heard in some rounds, and "
    "a round that ended before counts with its end. Extrapolated: in none, so a law alone speaks, "
    "which is fitted to what was heard; it has no interval, for what begins after the end of all "
    "rounds cannot show.",
    "A host is heard too seldom if it is heard less often than those that are awaited beside it, "
    "beyond what chance does in 3 of 1,000 tables (log-rank test, rounds as strata).",
)
COLUMNS = ["wait for", "how known", "rounds heard", "s a step (95 %)", "at least", "by a law"]


@dataclass(frozen=True, eq=False)
class CutFound:
    """What was found in rounds that ended before everybody was heard."""

    findings: CutFindings
    reading: Reading

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables, by the names of their files."""
        return {REMEDIES: self.remedies, HOSTS: self.hosts}

    @property
    def remedies(self) -> pd.DataFrame:
        """A row for each number of workers that can be waited for."""
        arrivals = self.findings.arrivals
        best = self.findings.fits[0]
        workers = self.findings.measured.workers
        columns = {
            "kind": "wait",
            "text": [f"wait for {k}" for k in arrivals.ks],
            "exact": arrivals.ks == workers,
            "k": arrivals.ks,
            "known": pd.array([*arrivals.known], dtype="string"),
            "rounds_heard": arrivals.rounds_heard,
            "rounds": self.findings.rounds,
            "seconds": arrivals.seconds,
            "seconds_low": arrivals.low,
            "seconds_high": arrivals.high,
            "at_least": arrivals.at_least,
            "by_law": best.predicted,
            "family": best.family.name,
        }
        return pd.DataFrame(columns)

    @property
    def hosts(self) -> pd.DataFrame:
        """The hosts, those that are heard too seldom first."""
        from ..fit.cut.study import host_table

        return host_table(self.findings)

    def config(self, path: str) -> dict[str, Any]:
        """A config that replays the table at ``path`` and waits for numbers of workers that were
        heard in every round; empty where there are none."""
        fewest = self.findings.observed.listening.fewest_heard
        workers = self.findings.measured.workers
        if fewest < 1:
            return {}
        waits = np.unique(np.linspace(max(1, fewest // 2), fewest, SCHEMES).round().astype(int))
        defaults = Reading()
        said = {
            option.name: getattr(self.reading, option.name)
            for option in fields(Reading)
            if getattr(self.reading, option.name) != getattr(defaults, option.name)
        }
        schemes = [{"name": "ignore_stragglers", "wait_for": int(k)} for k in waits]
        return {
            "name": "remedies",
            "workers": workers,
            "iterations": min(self.findings.rounds, MOST_ITERATIONS),
            "policy": "cancel",
            "delay": {"model": "trace", "path": str(Path(path).resolve()), **said},
            "load_law": {"kind": "proportional"},
            "schemes": schemes,
            "problem": {
                "loss": "logistic",
                "dataset": "synthetic",
                "rows": 40 * workers,
                "features": 20,
            },
            "optimizer": {"rule": "accelerated", "learning_rate": 0.1},
        }


def investigate_cut(
    measured: MeasuredDelays, load: float | None, reading: Reading, law: LoadLaw | None
) -> CutFound:
    """Study the rounds, and who is heard in them. Raises ConfigError: there are several loads and
    none is asked for; too few cells were heard; or a load law is given, of which nothing is asked.
    """
    if law is not None:
        text = "is for rounds in which everybody was heard; here no code is compared"
        raise at(Option("load_law"), law.kind, text)
    from ..fit.command import k_range
    from ..fit.cut.study import study_cut

    ks = k_range(None, measured.workers, cut=True)
    findings = study_cut(measured, ks, load, lambda done, of: None)
    return CutFound(findings, reading)


def cut_answer(
    found: CutFound, source: str, measured: MeasuredDelays, words: str, dialect: Dialect
) -> Answer:
    """The findings in a few sentences; as ``whatif_answer``."""
    from ..fit.cut.answer import host_sentences, known_sentence, later_sentences

    findings = found.findings
    fit = (
        f"`erasurehead fit {words}` fits a delay model to this table, which a config can simulate."
    )
    return Answer(
        "whatif",
        source,
        _verdict(found),
        why=tuple(map(sentence, [known_sentence(findings), *host_sentences(findings)])),
        next=(sentence(_whole_rounds(findings)), fit),
        notes=tuple(line.spelled(dialect) for line in measured.notes),
        read=tuple(line.spelled(dialect) for line in measured.read),
        limits=" ".join(map(sentence, [*later_sentences(findings), *findings.warnings])),
    )


def _verdict(found: CutFound) -> str:
    """What waiting for those that were always heard takes, beside a round as it was."""
    findings = found.findings
    listening = findings.observed.listening
    few = listening.fewest_heard
    today = float(listening.ends.mean())
    names = [findings.measured.hosts[host] for host in findings.observed.hosts.seldom]
    said = f"{heard_words(listening)}, in {today:.3g} s a step"
    if few:
        at = int(np.searchsorted(findings.arrivals.ks, few, side="right")) - 1
        k = int(findings.arrivals.ks[at])
        said += f"; waiting for {k} takes {findings.arrivals.seconds[at]:.3g} s, measured"
    if names:
        who = f"host {names[0]} is" if len(names) == 1 else f"hosts {', '.join(names[:3])} are"
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        said += f"; {who}{more} heard too seldom".replace(f" are{more}", f"{more} are")
    else:
        said += "; no host is heard less often than chance explains"
    return sentence(said)


def _whole_rounds(findings: CutFindings) -> str:
    """How many rounds that wait for everybody would measure what is extrapolated."""
    varies = findings.varies
    rounds = int(np.ceil((1.96 * varies / ENOUGH) ** 2))
    workers = findings.measured.workers
    many = f"about {number_of(max(10, rounds), 'round')}" if rounds < 10**5 else "many rounds"
    return (
        f"{many} that wait for all {workers} would measure their time to about "
        f"{100 * ENOUGH:.0f} %, show what is slow after these ends, and tell what replacing a slow "
        "host saves"
    )


def cut_page(tables: Mapping[str, pd.DataFrame], answer: Answer) -> Page:
    """The page, made from the saved tables alone."""
    remedies = tables[REMEDIES]
    return Page(
        answer,
        question=[("table", answer.subject), ("workers", str(len(tables[HOSTS])))],
        sections=[
            Section("arrivals", "Waiting for some", [_picture(remedies), _listed(remedies)]),
            Section("hosts", "Who is heard", [_hosts(tables[HOSTS])]),
        ],
        provenance=[("made by", "erasurehead whatif")],
        method=METHOD,
    )


def show_cut(found: CutFound, answer: Answer) -> None:
    """Print what is known, and what is not."""
    for text in (answer.verdict, *filter(None, answer.limits.split(". "))):
        terminal.say_all(terminal.in_lines(sentence(text.rstrip("."))))
    terminal.say("")
    remedies = found.remedies
    rows = [_cells(row) for row in remedies.iloc[_edges(remedies)].to_dict("records")]
    columns = [[cell.text for cell in column] for column in zip(*rows, strict=True)]
    terminal.show_columns(
        [
            Column.of(title, texts) if rank == 0 else Column(title, texts, rank)
            for rank, (title, texts) in enumerate(zip(COLUMNS, columns, strict=True))
        ]
    )
    terminal.say("")
    terminal.say_all(terminal.in_lines(f"next: {answer.next[0]}"))


def _edges(remedies: pd.DataFrame) -> list[int]:
    """Rows at which the way in which a number is known changes, and both ends."""
    known = remedies["known"].tolist()
    changes = [at for at in range(1, len(known)) if known[at] != known[at - 1]]
    around = {0, len(known) - 1, *changes, *(at - 1 for at in changes)}
    return sorted(around)


def _cells(row: Mapping[Any, Any]) -> list[TableCell]:
    measured = row["known"] == "measured"
    seconds = interval(row["seconds"], row["seconds_low"], row["seconds_high"])
    return [
        plain_cell(row["k"]),
        plain_cell(row["known"]),
        plain_cell(f"{row['rounds_heard']} of {row['rounds']}"),
        seconds if measured else NOTHING,
        NOTHING if measured else number(row["at_least"], digits=3),
        NOTHING if measured else number(row["by_law"], digits=3),
    ]


def _listed(remedies: pd.DataFrame) -> Table:
    rows = [_cells(row) for row in remedies.to_dict("records")]
    note = f"By a law: {remedies['family'].iloc[0]}, which the page of `fit` compares with others."
    return capped("waits", "", COLUMNS, rows, "whatif.csv", note, _edges(remedies))


def _hosts(hosts: pd.DataFrame) -> Table:
    rows = [
        [
            plain_cell(f"{row['host']}{' (too seldom)' if row['stands_out'] else ''}"),
            plain_cell(f"{row['heard']} of {row['rounds']}"),
            number(row["slower"], digits=3),
        ]
        for row in hosts.to_dict("records")
    ]
    note = "How many times as slow: for which the law would have it heard as often."
    return capped("hosts", "", ["host", "heard", "times as slow"], rows, "hosts.csv", note)


def _picture(remedies: pd.DataFrame) -> Chart:
    k, seconds, low, high, bound, law = (
        remedies[name].to_numpy(dtype=float)
        for name in ("k", "seconds", "seconds_low", "seconds_high", "at_least", "by_law")
    )
    bound = np.where(np.isfinite(seconds), np.nan, bound)
    by_law = Look("#D55E00", "", DASHED, f"{remedies['family'].iloc[0]}, extrapolated")
    beyond = np.where(np.isfinite(seconds), np.nan, np.where(np.isfinite(law), law, np.nan))
    marks = [
        Curve(MEASURED, k, seconds, low=low, high=high, width=2),
        Curve(AT_LEAST, k, bound),
        Curve(by_law, k, beyond),
    ]
    reached: Sequence[Any] = [seconds, bound, beyond]
    panel = Panel(
        Axis("workers waited for, k"), axis_of("s a step", np.concatenate(reached), 2.0), marks, ""
    )
    words = (
        "Mean seconds until k workers answered: measured where they were heard in every round, "
        "else what it takes at least, and what a law says."
    )
    return Chart("arrivals", "Waiting for some", words, Picture([panel], 1, style.ONE_PANEL, 3.6))
