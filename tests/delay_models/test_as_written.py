"""Tables as tools write them are read as their names say, or refused with a line that leads to what
they hold: whoever tries a suggestion as it stands ends there, or at a better question."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import erasurehead as eh
from tests.delay_models.as_written import Case, Kind, all_cases

OPTIONS = ("columns", "drop", "rows", "unit", "missing", "retries", "header", "decimal")
OPTIONS += ("not_heard", "round_end", "late_work", "load")
OPTION = re.compile(rf"(?<![\w.])({'|'.join(OPTIONS)})=(?=[\[{{\"\d-])")
WHICH_TIMES = re.compile(r"one (column|row) a worker|(of|from|as|from .* to) column |from \S+ to ")
MAX_SUGGESTIONS = 3  # of one option after the other
SILENTLY_WRONG_OF = 100  # cases, of which one may be read wrongly


class Outcome(Enum):
    """What became of a table."""

    RIGHT = "right"
    SILENTLY_WRONG = "silently wrong"  # read as something else
    UNSAID = "unsaid"  # read rightly, but no line names what was left out or taken
    LED_ASTRAY = "led astray"  # a suggestion reads something else, or leads nowhere
    DEAD_END = "dead end"  # the line names neither the column nor an option that reads the table
    REFUSED_IN_VAIN = "refused in vain"  # its names say everything


@dataclass(frozen=True)
class Finding:
    """What became of a case, and the line that shows it."""

    case: Case
    outcome: Outcome
    line: str = ""
    first_line: str = ""  # of the reading, if it is right

    def __str__(self) -> str:
        return f"{self.outcome.value}: {self.case.kind.name} {self.case.name}: {self.line}"


Suggestion = tuple[str, Any]


def suggestions(line: str) -> list[Suggestion]:
    """The options of a line that can be typed as they stand."""
    decoder = json.JSONDecoder()
    found = [
        (match[1], decoder.raw_decode(line, match.end())[0]) for match in OPTION.finditer(line)
    ]
    return [(name, value) for name, value in found if "..." not in json.dumps(value)]


def with_suggestion(options: Mapping[str, Any], suggestion: Suggestion) -> dict[str, Any]:
    """The options of a reading with one more."""
    name, value = suggestion
    if name == "columns":
        value = {**options.get("columns", {}), **value}
    if name == "drop":
        value = [*options.get("drop", []), *value]
    return {**options, name: value}


def column_of(worker: str, columns: Sequence[str]) -> str | None:
    """The column that is called as a worker, or holds its name alone."""
    if worker in columns:
        return worker
    whole = re.compile(rf"(?<![0-9A-Za-z]){re.escape(worker)}(?![0-9A-Za-z])")
    holding = [name for name in columns if whole.search(name)]
    return holding[0] if len(holding) == 1 else None


def is_close(table: np.ndarray, truth: np.ndarray) -> bool:
    return table.shape == truth.shape and np.allclose(table, truth, rtol=1e-9, atol=1e-9)


def is_truth(read: eh.TableRead, truth: np.ndarray | None, workers: Sequence[str]) -> bool:
    """Whether a reading is this table, each worker under its name."""
    if truth is None or [*read.tables] != [None]:
        return False
    frame = read.tables[None]
    columns = [column_of(worker, [*frame.columns]) for worker in workers]
    if None in columns or len({*columns}) < len(columns):
        return False
    return is_close(frame[columns].to_numpy(), truth)


def is_any_of(read: eh.TableRead, tables: Sequence[np.ndarray]) -> bool:
    """Whether a reading is one of these tables, whatever its workers are called."""

    def ordered(table: np.ndarray) -> np.ndarray:
        return table[:, np.lexsort(table[::-1])]

    if [*read.tables] != [None]:
        return False
    table = read.tables[None].to_numpy()
    return any(is_close(ordered(table), ordered(other)) for other in tables)


def is_right(case: Case, read: eh.TableRead) -> bool:
    return is_truth(read, case.seconds, case.workers) or is_any_of(read, case.after)


def told(read: eh.TableRead) -> str:
    return " / ".join((*read.lines, *read.notes))


def dead_ends(
    case: Case, path: str, options: dict[str, Any], tried: tuple[Suggestion, ...]
) -> Iterator[str]:
    """What is wrong with reading a table as suggested, a line each; nothing: it is right."""
    said = ", ".join(f"{name}={json.dumps(value)}" for name, value in tried)
    try:
        read = eh.read_table(path, **options)
    except eh.ConfigError as error:
        further = [each for each in suggestions(str(error)) if each not in tried]
        if not further or len(tried) == MAX_SUGGESTIONS:
            yield f"{said}: {error}"
            return
        for suggestion in further:
            yield from dead_ends(
                case, path, with_suggestion(options, suggestion), (*tried, suggestion)
            )
        return
    if not is_right(case, read):
        yield f"{said} reads {read.lines[0]}"


def finding_of(case: Case, folder: Path) -> Finding:
    """Read a table, and try what is suggested."""
    path = case.write(folder)
    try:
        read = eh.read_table(path)
    except eh.ConfigError as error:
        return finding_of_refusal(case, path, str(error).removeprefix(f"{path}: "))
    if not is_truth(read, case.seconds, case.workers):
        return Finding(case, Outcome.SILENTLY_WRONG, told(read)[:400])
    missing = [word for word in case.said if word not in told(read)]
    if missing:
        return Finding(case, Outcome.UNSAID, f"no line says {missing[0]}: {told(read)[:400]}")
    return Finding(case, Outcome.RIGHT, first_line=read.lines[0])


def finding_of_refusal(case: Case, path: str, line: str) -> Finding:
    """Try each suggestion of a refusal."""
    literal = suggestions(line)
    astray = [
        text
        for suggestion in literal
        for text in dead_ends(case, path, with_suggestion({}, suggestion), (suggestion,))
    ]
    if astray:
        return Finding(case, Outcome.LED_ASTRAY, f"{line} [{astray[0]}]")
    if case.seconds is not None and not (case.is_open or (case.after and literal)):
        return Finding(case, Outcome.REFUSED_IN_VAIN, line)
    if case.asks and not literal:
        return Finding(case, Outcome.DEAD_END, f"no option can be tried: {line}")
    if case.column not in line:
        return Finding(case, Outcome.DEAD_END, f"{case.column} is not named: {line}")
    return Finding(case, Outcome.RIGHT)


@cache
def cases() -> tuple[Case, ...]:
    return tuple(all_cases())


@pytest.fixture(
    scope="module", params=[3, pytest.param(1, marks=pytest.mark.slow)], ids=["a third", "all"]
)
def findings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Finding]:
    return [
        finding_of(case, tmp_path_factory.mktemp(f"case{number}"))
        for number, case in enumerate(cases())
        if number % request.param == 0
    ]


def bad_of(findings: Sequence[Finding], *outcomes: Outcome) -> list[Finding]:
    return [finding for finding in findings if finding.outcome in outcomes]


def listed(findings: Sequence[Finding]) -> str:
    return "\n".join([f"{len(findings)} cases", *map(str, findings)])


def test_every_kind_has_enough_tables() -> None:
    """No kind is judged by a handful, and no two tables have one name."""
    counts = Counter(case.kind for case in cases())
    names = Counter((case.kind, case.name) for case in cases())
    assert len(cases()) >= 200
    assert min(counts[kind] for kind in Kind) >= 25, counts
    assert max(names.values()) == 1, names.most_common(3)


@pytest.mark.long("reads the tables for the whole file")
def test_no_table_is_read_wrongly_in_silence(findings: list[Finding]) -> None:
    """Catches a reading by words that are no durations, such as that of a rate as seconds."""
    bad = bad_of(findings, Outcome.SILENTLY_WRONG)
    assert len(bad) * SILENTLY_WRONG_OF <= len(findings), listed(bad)


def test_what_was_left_out_is_said(findings: list[Finding]) -> None:
    """Catches a reading that takes a column or leaves out rows without naming them."""
    bad = bad_of(findings, Outcome.UNSAID)
    assert not bad, listed(bad)


def test_no_suggestion_leads_astray(findings: list[Finding]) -> None:
    """Catches an option in a message that reads something else, or is refused in its turn."""
    bad = bad_of(findings, Outcome.LED_ASTRAY)
    assert not bad, listed(bad)


def test_no_refusal_is_a_dead_end(findings: list[Finding]) -> None:
    """Catches a message that does not name what it is about, or asks without an option."""
    bad = bad_of(findings, Outcome.DEAD_END)
    assert not bad, listed(bad)


def test_no_table_is_refused_in_vain(findings: list[Finding]) -> None:
    """Catches a refusal of a table whose names say everything."""
    bad = bad_of(findings, Outcome.REFUSED_IN_VAIN)
    assert not bad, listed(bad)


def test_the_first_line_names_the_column_of_durations(findings: list[Finding]) -> None:
    """Catches a first line that says how large the table is, and not what of it was read: a
    column, from one to another, or a column or a row for each worker."""
    bad = [
        f"{finding.case.kind.name} {finding.case.name}: {finding.first_line}"
        for finding in findings
        if finding.first_line
        and (
            finding.case.took not in finding.first_line
            or not WHICH_TIMES.search(finding.first_line)
        )
    ]
    assert not bad, "\n".join([f"{len(bad)} cases", *bad])
