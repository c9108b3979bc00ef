"""``verify --worst``: the search for every code of a config, and what it leaves in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...sim.attack import Code, NoCode, SearchBudget, Worst, code_of, worst_sets
from ...sim.base.errors import ConfigError, at
from ...sim.base.numerics import one_thread
from ...sim.base.tables import csv_of
from ...sim.base.types import FloatArray
from ...sim.theory import NoFormula, WorstCase, worst_bound, worst_cases
from ..config import build
from ..config.cells import Cell, cells, resolved
from ..config.code import carried
from ..config.document import write_yaml
from ..config.names import shown_cell, shown_in, shown_name
from ..options import numbers_up_to
from ..page.content import Answer, Page, Section, capped, plain_cell
from ..pictures import paint, style
from ..pictures.looks import DASHED, DOTTED, MUTED, SOLID, Look, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from ..run import files
from ..run.outputs import ATTACK, CONFIG, ID, holds_another, result_id, write_code
from ..text import TableCell, number, number_of


@dataclass(frozen=True, eq=False)
class AttackedCode:
    """A code of a config, with what is known of its worst case, and the run's seed."""

    label: str
    scheme: str
    code: Code
    cases: Sequence[WorstCase]
    seed: int

    def ceiling(self, stragglers: int) -> float | None:
        """The least known upper bound of the error."""
        bound = worst_bound(self.cases, stragglers)
        return None if bound is None else bound.value


def codes_of(grid: Sequence[Cell]) -> tuple[list[AttackedCode], list[str]]:
    """The codes of a config's cells, equal ones once, and lines of those left out.
    Raises ConfigError: there is no code."""
    codes, lines, known = list[AttackedCode](), list[str](), set[str]()
    for cell in grid:
        facts = [cell.settings.workers, cell.settings.seed, cell.scheme]
        identity = json.dumps(facts, sort_keys=True)
        if identity in known:
            continue
        known.add(identity)
        attacked = _attacked(cell, codes)
        if isinstance(attacked, AttackedCode):
            codes.append(attacked)
        else:
            lines.append(f"{shown_cell(cell)}: {attacked}")
    if not codes:
        reasons = "; ".join(dict.fromkeys(lines))
        raise ConfigError(f"schemes: none is a code with an encoding matrix: {reasons}")
    return codes, [*dict.fromkeys(lines)]


def _attacked(cell: Cell, before: Sequence[AttackedCode]) -> AttackedCode | str:
    workers, name = cell.settings.workers, str(cell.scheme["name"])
    if workers > 20_000:
        raise at("workers", workers, "must be at most 20000 for verify --worst")
    try:
        scheme = build.scheme_of(cell.settings)
    except build.ImpossibleCell as error:
        if not cell.swept:
            raise
        return f"left out: {error}"
    code = code_of(scheme)
    if isinstance(code, NoCode):
        return f"left out: {code.reason}"
    seed, label, cases = cell.settings.seed, cell.label, worst_cases(scheme)
    for other in before:
        if other.scheme == name and other.seed == seed and other.code.same(code):
            return f"left out: the same code and decoder as {shown_name(other.label, name)}"
    if (label, code.workers) in {(other.label, other.code.workers) for other in before}:
        label += f" [{', '.join(f'{key}={value}' for key, value in cell.swept.items())}]"
    return AttackedCode(label, name, code, () if isinstance(cases, NoFormula) else cases, seed)


def attack_row(attacked: AttackedCode, worst: Worst) -> dict[str, object]:
    """A code and a number of stragglers; ``docs/results.md`` has the columns."""
    k = attacked.code.partitions
    bound = worst_bound(attacked.cases, worst.stragglers)
    return {
        "label": attacked.label,
        "scheme": attacked.scheme,
        "workers": attacked.code.workers,
        "partitions": k,
        "stragglers": worst.stragglers,
        "worst_error": worst.error,
        "worst_relative": worst.error / k,
        "exact": worst.exact,
        "found_by": worst.found_by,
        "bound": np.nan if bound is None else bound.value,
        "bound_attained": bound is not None and bound.attained,
        "bound_source": "" if bound is None else bound.source,
        "random_mean": worst.mean,
        "random_se": worst.mean_error,
        "random_sets": worst.sets,
        "worst_set": " ".join(map(str, worst.members)),
    }


def straggler_numbers(text: str | None, workers: int, most: int = 30) -> Sequence[int]:
    """Numbers of stragglers, ascending; by default from 0 to half of the workers, some ``most`` in
    all, but every number up to 10. Raises ConfigError: as ``numbers_up_to``."""
    if text is not None:
        return numbers_up_to(workers, text)
    last = max(1, workers // 2)
    if last <= most:
        return range(last + 1)
    rest = np.linspace(10, last, most - 10).round().astype(int)
    return sorted({*range(10), *rest.tolist()})


ATTACK_FILES = (CONFIG, *ATTACK)


@dataclass(frozen=True)
class AttackPlan:
    """What is going to be attacked: the codes of a resolved config."""

    config: Mapping[str, Any]
    keys: list[str]  # of all cells
    codes: list[AttackedCode]
    left_out: list[str]  # lines of the schemes that are not attacked
    counts: list[list[int]] = field(repr=False)  # numbers of stragglers for each code
    effort: SearchBudget

    @property
    def id(self) -> str:
        """Of the table: of the config, its cells, and what was asked for."""
        asked = [self.counts, self.effort.budget, self.effort.samples]
        return result_id(self.config, self.keys, asked)


def plan_attack(document: Mapping[str, Any], asked: str | None, effort: SearchBudget) -> AttackPlan:
    """Read a config and find its codes; what is asked are numbers as ``--stragglers`` has them.
    Raises ConfigError: the config or an option is bad, or there is no code."""
    config, grid = resolved(document), cells(document)
    codes, left_out = codes_of(grid)
    wanted = [[*straggler_numbers(asked, code.code.workers)] for code in codes]
    return AttackPlan(config, [cell.key for cell in grid], codes, left_out, wanted, effort)


def attack_codes(planned: AttackPlan, progress: Callable[[int, int], None]) -> pd.DataFrame:
    """Search the worst stragglers of every code; ``progress`` is told of numbers of stragglers that
    are done, and of all. Cost: for each of them as ``sim.attack.worst_sets``."""
    total, rows = sum(map(len, planned.counts)), list[dict[str, object]]()
    progress(0, total)
    with one_thread():
        for attacked, wanted in zip(planned.codes, planned.counts, strict=True):
            effort = replace(planned.effort, seed=attacked.seed)
            for worst in worst_sets(attacked.code, wanted, effort, attacked.ceiling):
                rows.append(attack_row(attacked, worst))
                progress(len(rows), total)
    return pd.DataFrame(rows)


def require_own(output: Path, config: Mapping[str, Any]) -> None:
    """Refuse (ConfigError) a folder in which a run of another config has left its result."""
    if holds_another(output, carried(config, output).config):
        raise ConfigError(f"{output}: holds the result of another config; give another --output")


@files.postponed()
def write_attack(planned: AttackPlan, frame: pd.DataFrame, output: Path) -> None:
    """Write config, table and pictures under ``output``. The CSV goes first and comes last: what
    lies beside it is of one config."""
    parquet, csv, *pictures = (output / name for name in ATTACK)
    files.remove((csv, *pictures, parquet))
    in_folder = carried(planned.config, output)
    write_code(in_folder, output)
    files.write_bytes(output / CONFIG, write_yaml(in_folder.config).encode())
    files.write_table(parquet, frame, {ID: planned.id.encode()})
    style.save(paint.figure(picture(frame)), pictures[0].with_suffix(""))
    files.write_bytes(csv, csv_of(frame))


MAX_ROUNDING_ERROR = 1e-6  # an error up to here is rounding
WORST_SET_LOOK = Look(MUTED, "", SOLID, "worst set (hollow: lower bound)")
RANDOM_SETS_LOOK = Look(MUTED, "", DASHED, "mean of random sets")
UPPER_BOUND_LOOK = Look(MUTED, "", DOTTED, "upper bound")
THIN, THICK = 1.6, 3.2  # points: of codes that decode alike, the first is the widest line


def attack_page(frame: pd.DataFrame, name: str, left_out: Sequence[str], command: str) -> Page:
    """What is said of an attack on the config ``name``; a line for each scheme ``left_out``."""
    # Codes that decode alike, such as fractional repetition and ErasureHead, share a table.
    alike = dict[tuple[Any, ...], tuple[list[str], pd.DataFrame]]()
    for (_, workers), rows in frame.groupby(["label", "workers"], sort=False):
        key = (workers, *map(str, code_cells(rows)))
        alike.setdefault(key, ([], rows))[0].append(shown_in(rows.iloc[0].to_dict()))
    codes = {
        f"{', '.join(every)}, {number_of(key[0], 'worker')}": rows
        for key, (every, rows) in alike.items()
    }
    many = sum(len(labels) for labels, _ in alike.values())
    why = [f"{title}: {beginning(rows)}" for title, rows in codes.items()]
    why += [f"{title}: {lost}" for title, rows in codes.items() if (lost := rounding(rows))]
    verdict = f"The worst stragglers of {number_of(many, 'code')}."
    columns = ["stragglers", "worst error", "random sets", "which is", "upper bound", "found by"]
    columns += ["the worst stragglers"]
    cells = {title: code_cells(rows) for title, rows in codes.items()}
    tables = [capped(t, t, columns, rows, "attack.csv", "", range(40)) for t, rows in cells.items()]
    return Page(
        Answer("attack", name, verdict, (*why, *left_out), command=command),
        question=[("config", name), ("stragglers", f"up to {frame['stragglers'].max()}")],
        sections=[Section("table", "All numbers", tables)],
    )


def rounding(rows: pd.DataFrame) -> str | None:
    """From how many stragglers on a code's rounding costs more than its bound allows, in words."""
    above = rows.loc[rows["worst_error"] > rows["bound"] + MAX_ROUNDING_ERROR, "stragglers"]
    text = "from s = {} on the decoder loses so many digits that errors exceed the upper bound"
    return None if above.empty else text.format(above.iloc[0])


def beginning(rows: pd.DataFrame) -> str:
    """From how many stragglers on a code loses something, in words, from the rows of this code."""
    lost = rows[rows["worst_error"] > MAX_ROUNDING_ERROR]
    if lost.empty:
        most, proven = rows["stragglers"].max(), bool(rows["exact"].all())
        known = f"{'with' if proven else 'was found with'} up to {number_of(most, 'straggler')}"
        return f"no error {known}"
    first = lost.iloc[0]
    error = f"{first['worst_error']:.4g} of {first['partitions']}"
    if first["stragglers"] == 0:
        return f"an error of {error} without stragglers"
    before = rows[rows["stragglers"] < first["stragglers"]]
    if before.empty:
        return f"an error of {error} with {number_of(first['stragglers'], 'straggler')}"
    none = "no error" if bool(before["exact"].all()) else "no error was found"
    most, s = before["stragglers"].max(), first["stragglers"]
    few = f"with up to {number_of(most, 'straggler')}" if most else "without stragglers"
    gap = "" if s == most + 1 else f" ({most + 1} to {s - 1} not looked at)"
    worst = "straggler costs" if s == 1 else f"{s} stragglers cost"
    return f"{none} {few}{gap}; the worst {worst} an error of {error}"


def code_cells(rows: pd.DataFrame) -> list[list[TableCell]]:
    """The table of a code on the page, a row for each number of stragglers."""
    return [
        [
            plain_cell(row["stragglers"]),
            _error(row["worst_error"]),
            _error(row["random_mean"], row["random_se"]),
            plain_cell("exact" if row["exact"] else "a lower bound"),
            _error(row["bound"]),
            plain_cell(row["found_by"]),
            plain_cell(" ".join(members[:8] + ["..."] * (len(members) > 8))),
        ]
        for row in rows.to_dict("records")
        for members in [row["worst_set"].split()]
    ]


def _error(value: float, error: float = np.nan) -> TableCell:
    """A decoding error; what is rounding is 0."""
    return number(0.0 if abs(value) <= MAX_ROUNDING_ERROR else value, error)


def picture(frame: pd.DataFrame) -> Picture:
    """One panel for each number of workers, with the error per partition on a common axis."""
    labels = frame.drop_duplicates("label")[["label", "scheme"]]
    looks = variants([*labels.itertuples(index=False, name=None)])
    sizes = [*dict.fromkeys(frame["workers"])]
    panels = [_panel(frame[frame["workers"] == n], n, looks, len(sizes) > 1) for n in sizes]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width = style.ONE_PANEL if columns == 1 else style.TWO_PANELS
    abreast = columns + 1
    last = WORST_SET_LOOK.title, RANDOM_SETS_LOOK.title, UPPER_BOUND_LOOK.title
    titles = [*(look.title for look in looks.values()), *last]
    lines = ceil(len(titles) / style.entries_in_a_row(titles, abreast, width))
    height = 3.3 * rows + 0.22 * lines  # inches: of a panel, and of a line of the legend
    return Picture(panels, columns, width, height, "y", legend=abreast, last=last)


def _panel(frame: pd.DataFrame, workers: int, looks: Mapping[str, Look], titled: bool) -> Panel:
    own = {label: look for label, look in looks.items() if label in set(frame["label"])}
    marks = list[Mark]()
    for i, (label, look) in enumerate(own.items()):
        share = i / max(1, len(own) - 1)
        marks += _marks(frame[frame["label"] == label], look, THICK + (THIN - THICK) * share)
    marks += map(Curve, (WORST_SET_LOOK, RANDOM_SETS_LOOK, UPPER_BOUND_LOOK))
    top = 1.04 * max(float(frame["worst_relative"].max()), float(_random(frame).max()))
    return Panel(
        Axis("stragglers s" if titled else f"stragglers s of {workers} workers"),
        Axis("decoding error ‖w − 1‖² / k", low=-0.02 * top, high=top or 1.0),
        marks,
        f"{workers} workers" if titled else "",
    )


def _marks(rows: pd.DataFrame, look: Look, width: float) -> Iterator[Mark]:
    columns = ["stragglers", "worst_relative", "partitions", "bound", "random_se"]
    s, worst, k, bound, error = rows[columns].to_numpy(dtype=float).T
    bound, mean, half = bound / k, _random(rows), 1.96 * np.nan_to_num(error) / k
    plain = replace(look, marker="", line=SOLID, title="")
    yield Curve(replace(plain, line=DOTTED), s, bound, width=1.0)
    yield Curve(replace(plain, line=DASHED), s, mean, mean - half, mean + half, width=1.3)
    yield Curve(plain, s, worst, width=width)
    exact = rows["exact"].to_numpy(dtype=bool)
    marker = replace(look, line="none", title="")
    for which, hollow in ((exact, False), (~exact, True)):
        if which.any():
            yield Points(marker, s[which], worst[which], hollow=hollow, size=4.5)
    yield Curve(replace(look, line=SOLID), s[:0], worst[:0])


def _random(rows: pd.DataFrame) -> FloatArray:
    return np.asarray(rows["random_mean"] / rows["partitions"], dtype=float)
