"""The page of a run, a sweep or a live run: their folders hold the same tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ....sim.base.errors import ConfigError, shell_word
from ...config import settings
from ...config.catalogue import blamed
from ...config.cells import catalogue_of
from ...config.document import anchored, write_yaml
from ...page import content
from ...page.content import Answer, CommandLine, Page, Section, Table, capped
from ...page.folder import json_at
from ...pictures import style
from ...pictures.base import ReportSection
from ...pictures.kinds import kinds_by_rank
from ...pictures.kinds.gantt import without_rounds
from ...pictures.picture import Axis, Chart, Heat, Panel, Picture
from ...run import outputs
from ...run.metrics import METRICS
from ...run.reader import Records, read_records, short_text
from ...text import TableCell, enumerated, interval, number, number_of, theory_text
from .verdict import Verdict, judged

NAMED_IN_QUESTION = 8  # schemes, and values of a sweep, that the question names


def read_run(directory: Path, where: Mapping[str, Any] = {}) -> Page:
    """The page of what ``run``, ``sweep`` or ``live`` wrote, or of the part where swept keys have
    these values. Raises ConfigError: it is not whole, or there is no such part."""
    records = read_records(directory)
    records = records.part(where) if where else records
    manifest = json_at(directory / outputs.MANIFEST)
    config = dict(records.config or {})
    kind = "live" if "live" in manifest else "sweep" if config.get("sweep") else "run"
    verdict = judged(records)
    title = str(config.get("name", directory.resolve().name))
    options = live_options(manifest.get("live"))
    steps = tuple(next_commands(records, kind, verdict, directory, options))
    failed = manifest.get("failed") or {}
    part = [f"{key} = {', '.join(map(str, values))}" for key, values in where.items()]
    of_whole = "of the whole result: " if part else ""
    notes = [f"a part of the result: {'; '.join(part)}"] if part else []
    notes += [f"{of_whole}{warning}" for warning in manifest.get("warnings", [])]
    lost = [f"{of_whole}not computed: {name}: {reason}" for name, reason in failed.items()]
    more = [f"{of_whole}not computed: {len(lost) - NAMED_IN_QUESTION} more"]
    notes += lost[:NAMED_IN_QUESTION] + more * (len(lost) > NAMED_IN_QUESTION)
    why, limits = tuple(verdict.why), verdict.limits
    answer = Answer(kind, title, verdict.verdict, why, steps, notes=tuple(notes), limits=limits)
    return Page(
        answer,
        question=question_of(config, records, where),
        sections=[*_sections(records)],
        provenance=provenance_of(manifest, records),
        commands=commands_of(kind, title, options, where),
        config=write_yaml(config) if config else "",
    )


# titles of the sections below the table, in this order
CHART_SECTIONS: dict[ReportSection, str] = {
    "timeline": "Timeline of one run",
    "workers-and-rounds": "Workers and rounds",
    "delays-drawn": "Delays",
}


def _sections(records: Records) -> Iterator[Section]:
    charts: defaultdict[ReportSection, list[Chart]] = defaultdict(list)
    for kind in kinds_by_rank():
        if kind.obstacle(records) is None:
            charts[kind.section] += kind.charts(records)
    yield Section("pictures", "Schemes compared", charts["pictures"])
    aimed = _TARGET_WORDS if "time_to_target_median" in records.summary else ""
    yield Section("table", "All numbers", [numbers_table(records)], _TABLE_WORDS + aimed)
    charts["workers-and-rounds"][:0] = heatmap_charts(records)
    for section, title in CHART_SECTIONS.items():
        if charts[section]:
            yield Section(section, title, charts[section])


_TABLE_WORDS = (
    "Means over replications ± standard error. Ratios compare with the first scheme of the same "
    "point, replication by replication on the same delays; in parentheses the 95 % interval. "
    "In parentheses behind a closed form: how many standard errors the mean is away from it."
)
_TARGET_WORDS = (
    " The median time to the target loss counts a run that misses the target as later than all "
    "others. Where some runs miss it, there is no mean: “> 117 in 2 of 16” says that 2 of 16 do, "
    "and that the first of them ended at 117 s; the ratio is then the median of the paired ratios."
)


def numbers_table(records: Records) -> Table:
    """All numbers of the summary, a row for each cell."""
    summary = records.summary
    keys = records.swept()
    reported = [m for m in METRICS.values() if m.heading or m.reported]
    metrics = [m for m in reported if f"{m.name}_mean" in summary]
    rows = []
    for row in summary.head(content.MAX_TABLE_ROWS).to_dict("records"):
        point = (row[key] for key in keys)
        shorter = (
            short_text(value) if isinstance(value, str) or pd.isna(value) else value
            for value in point
        )
        names = map(content.plain_cell, (records.shown(row["label"]), *shorter))
        cells = list(zip(("scheme", *keys), names, strict=True))
        for metric in metrics:
            cell = number(*metric.estimate(row))
            order, middle = cell.order, f"{metric.name}_median"
            if {middle, f"{middle}_low", f"{middle}_high"} <= {*summary}:
                value, low, high = (row[f"{middle}{end}"] for end in ("", "_low", "_high"))
                median = interval(value, low, high, 4, "not reached")
                cells.append((f"median {metric.label}", median))
                order = median.order
            late = metric.late(row) or metric.without_mean(row)
            cells.append((metric.label, TableCell(late or cell.text, order)))
            if f"{metric.name}_ratio" in summary:
                ends = (row[f"{metric.name}_ratio{end}"] for end in ("", "_low", "_high"))
                cells.append((f"{metric.title}, ratio", interval(*ends)))
            if f"{metric.name}_theory" in summary:
                closed_form = theory_text(
                    expected=row[f"{metric.name}_theory"],
                    z=row[f"{metric.name}_z"],
                    error=row[f"{metric.name}_se"],
                )
                cells.append((f"{metric.title}, closed form (z)", closed_form))
        rows.append(cells)
    columns = [title for title, _ in rows[0]]
    cells_of = [[cell for _, cell in row] for row in rows]
    return capped("summary", "", columns, cells_of, outputs.SUMMARY, total=len(summary))


def question_of(
    config: Mapping[str, Any], records: Records, where: Mapping[str, Any] = {}
) -> list[tuple[str, str]]:
    """What was asked: schemes, settings and what was swept; of a part, the values that it has."""
    swept = config.get("sweep") or {}
    sweep = {key: where.get(key, values) for key, values in swept.items()}
    schemes = [records.shown(label) for label, _ in records.labels()]
    facts = [("schemes", enumerated(schemes, NAMED_IN_QUESTION))]
    trains = config.get("problem") is not None or "problem" in sweep
    sections = ["workers", "iterations", "replications", "delay", "load_law", "policy", "problem"]
    sections += ["optimizer", "network", "failures", "target_loss"]
    used = [key for key in sections if trains or key not in ("optimizer", "target_loss")]
    named = (key for key in used if config.get(key) is not None and key not in sweep)
    facts += [(key.replace("_", " "), _section(config[key])) for key in named]
    for key, values in sweep.items():
        texts = map(short_text, values) if isinstance(values, list) else [str(values)]
        facts.append((f"swept: {key}", enumerated([*texts], NAMED_IN_QUESTION)))
    return facts


def _section(value: Any) -> str:
    if isinstance(value, Mapping):
        first = next((str(value[k]) for k in ("model", "kind", "rule", "loss") if k in value), "")
        rest = (
            f"{k} = {short_text(v)}"
            for k, v in value.items()
            if not (v is None or v is False or isinstance(v, list) or str(v) == first)
        )
        return ", ".join(filter(None, (first, *rest)))
    return short_text(value)


def provenance_of(manifest: Mapping[str, Any], records: Records) -> list[tuple[str, str]]:
    """Where the result comes from, by its manifest."""
    shown = {*records.summary["cell"]}
    cells = [cell for key, cell in (manifest.get("cells") or {}).items() if key in shown]
    engines = dict.fromkeys(str(cell.get("engine")) for cell in cells if isinstance(cell, dict))
    versions = manifest.get("versions") or {}
    seeds = manifest
    if "seed" in records.summary:  # of a part, those that it has
        seeds = {"seeds": sorted(records.summary["seed"].unique().tolist())}
    commit = manifest.get("commit") or "unknown: not run from a Git repository"
    written = number_of(len(records.summary), "cell")
    facts = [
        ("cells", str(len(records.summary))),
        ("engine", ", ".join(engines)),
        ("seed", outputs.seeds_of(seeds)),
        ("commit", f"{commit}{', with changes' * bool(manifest.get('dirty'))}"),
        ("host", str(manifest.get("host"))),
        *((f"{name}", str(value)) for name, value in (manifest.get("machine") or {}).items()),
        *(("date", str(date)) for date in [manifest.get("date")] if date),
        ("computed in", f"{manifest.get('wall_seconds')} s"),
        ("versions", ", ".join(f"{name} {v}" for name, v in versions.items() if v)),
        ("id", str(outputs.id_in_manifest(manifest))),
        ("rows", f"{number_of(len(records.iterations), 'iteration')}, {written}"),
    ]
    live = manifest.get("live")
    if isinstance(live, dict):
        facts.append(("live", ", ".join(f"{k}: {v}" for k, v in live.items() if k != "cells")))
    return facts


def live_options(facts: object) -> str:
    """How a live result was measured, as options of ``live``; empty where by its defaults, or where
    nothing was measured."""
    if not isinstance(facts, Mapping):
        return ""
    options = list[str]()
    if (workers := str(facts.get("workers", outputs.OWN_PROCESSES))) != outputs.OWN_PROCESSES:
        options += ["--scheduler", shell_word(workers)]
    if (scale := facts.get("time_scale", 1.0)) != 1:
        options += ["--time-scale", str(scale)]
    options += ["--no-injection"] * (not facts.get("injected", True))
    for worker, factor in (facts.get("slow") or {}).items():
        options += ["--slow", shell_word(f"{worker}={factor:g}")]
    return "".join(f" {option}" for option in options)


def commands_of(
    kind: str, name: str, options: str = "", where: Mapping[str, Any] = {}
) -> list[CommandLine]:
    """How to make the result and the page again; ``options`` are those of ``kind``."""
    part = [shell_word(f"{key}={','.join(map(str, values))}") for key, values in where.items()]
    folder = f"results/{name}" + ("-live" if kind == "live" else "")
    repeat = "measure again" if kind == "live" else f"{kind} it again, to the same bytes"
    words = f"Save the config above as config.yaml; then {repeat}:"
    jobs = " --jobs 2" if kind == "sweep" else ""
    run = f"erasurehead {kind} config.yaml{jobs}{options} --output {shell_word(folder)}"
    return [
        CommandLine(words, run),
        CommandLine(
            "Make this page again:",
            "".join([f"erasurehead report {shell_word(folder)}", *(f" --where {p}" for p in part)]),
        ),
    ]


def dial_of(config: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """The first number of the delay model that can be half and twice as much, and these values."""
    if not isinstance(delay := config.get("delay"), Mapping):
        return None
    with suppress(ConfigError):
        catalogue = catalogue_of(config)
        model = settings.section("delay", delay, catalogue)
        for key in delay:
            value = getattr(model, key, None)
            if type(value) is float and value and key != "load":  # which says which delays it reads
                values = [f"{times * value:g}" for times in (0.5, 1, 2)]
                with suppress(ConfigError), blamed(catalogue):
                    for text in values:
                        settings.section("delay", {**delay, key: float(text)}, catalogue)
                    return key, values
    return None


def next_commands(
    records: Records, kind: str, verdict: Verdict, directory: Path, options: str = ""
) -> list[str]:
    """Commands that read the config of the result, with all options that it was made with."""
    folder, path = directory.as_posix(), shell_word((directory / outputs.CONFIG).as_posix())
    same, lines = f"{path} --output {shell_word(folder)}", []
    if verdict.tied:
        more = 4 * int(records.summary["replications"].max())
        repeat = f"`erasurehead {kind} {same}{options} --set replications={more}`"
        lines.append(f"Four times the replications halve the intervals: {repeat}.")
    config = records.config or {}
    by_law = config.get("engine") == "law"
    if not config.get("sweep") and kind != "live":
        if (dial := dial_of(anchored(config, directory))) is not None:
            key, values = dial
            lines.append(
                f"How far the delays may move before the answer changes: `erasurehead sweep {path} "
                f"--set delay.{key}={','.join(values)} --output {shell_word(f'{folder}-{key}')}`."
            )
        known = " --set engine=auto" if by_law else ""
        lines.append(
            f"Whether it holds where stragglers cannot be cancelled: `erasurehead run {path} --set "
            f"policy=queue{known} --output {shell_word(f'{folder}-queue')}`."
        )
    if records.timeline is None and kind == "run" and not by_law:
        traced = f"`erasurehead run {same} --timeline timeline.json`"
        lines.append(f"What every worker did, as a timeline on this page: {traced}.")
    if config.get("problem") and not config.get("target_loss"):
        lines.append("With `target_loss` in the config, schemes are compared by the time to it.")
    if config.get("problem") and kind != "live":
        lines.append(
            "All schemes have the config's learning rate here. Each at its own best rate, and "
            f"others than these: `erasurehead recommend {path}`."
        )
    return lines


def heatmap_charts(
    records: Records, schemes: int = 3, workers: int = 100, rounds: int = 200
) -> Iterator[Chart]:
    """A picture with a panel for each of the first schemes with rounds; none without a timeline."""
    if (spans := records.timeline) is None:
        return
    spans = spans[(spans["worker"] >= 0) & spans["kind"].isin(["computing", "cancelled"])]
    spans = spans.assign(seconds=spans["end"] - spans["start"])
    free = without_rounds(records.iterations)
    labels = [label for label in dict.fromkeys(spans["label"]) if label not in free]
    panels, cut = [], False
    for label in labels[:schemes]:
        own = spans[spans["label"] == label]
        table = own.pivot_table("seconds", "worker", "iteration", aggfunc="sum")
        cut |= table.shape[0] > workers or table.shape[1] > rounds
        table = table.iloc[:workers, :rounds]
        extent = (float(table.columns[0]) - 0.5, float(table.columns[-1]) + 0.5)
        ticks = tuple(range(0, len(table), max(1, len(table) // 12)))
        axis = Axis("worker", names=tuple(str(table.index[i]) for i in ticks), places=ticks)
        heatmap = Heat(table.to_numpy(dtype=np.float64), "s", extent=extent)
        panels.append(Panel(Axis("round"), axis, [heatmap], records.shown(str(label)), grid=False))
    if not panels:
        return
    words = (
        "Seconds that each worker computed in each round of the first replication, until it was "
        "done or cancelled. A dark row is a slow worker, a dark column a slow round."
    )
    if cut:
        words += f" The first {workers} workers and {rounds} rounds."
    if len(labels) > len(panels):
        words += f" The first {len(panels)} of {len(labels)} schemes with rounds."
    picture = Picture(panels, 1, style.TWO_PANELS, 3.0 * len(panels), names_left=True)
    yield Chart("heat-map", "Workers over rounds", words, picture)
