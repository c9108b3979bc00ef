"""Run a config from Python, or load what a run has written; and the bar that long calls show."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from erasurehead.api.face import face
from erasurehead.api.result import Result, folder_of
from erasurehead.experiments.config import document
from erasurehead.experiments.config.catalogue import (
    BUILT_IN,
    RUNNING,
    plugin_of,
    plugins_of_objects,
)
from erasurehead.experiments.config.cells import resolved
from erasurehead.experiments.config.code import code_in, is_same_code
from erasurehead.experiments.config.codec import plain
from erasurehead.experiments.page import terminal
from erasurehead.experiments.run.command import Progress, RunOptions, tables_of
from erasurehead.experiments.run.command import run as run_document
from erasurehead.experiments.run.files import as_written
from erasurehead.experiments.run.outputs import sent_code
from erasurehead.experiments.run.reader import Records
from erasurehead.experiments.run.timeline import record, shown, timeline_table
from erasurehead.experiments.text import enumerated, number_of
from erasurehead.sim.base.errors import ConfigError, at
from erasurehead.sim.base.fields import Configurable
from erasurehead.sim.training.problems import DatasetFamily, Objective

# ``None``: a bar in a terminal or notebook. ``False``: no bar. A function: it is called instead,
# with what is done and what there is in all.
ShowProgress = bool | Callable[[int, int], None] | None
Config = str | os.PathLike[str] | Mapping[str, Any]  # a YAML file, or what would stand in it
Plugins = Sequence[str | os.PathLike[str] | type[Any]]
Folder = str | os.PathLike[str] | None


@face
def run(
    config: Config,
    *,
    output: Folder = None,
    set: Mapping[str, Any] | None = None,
    jobs: int = 1,
    scheduler: Any = None,
    data_dir: Folder = None,
    plugins: Plugins = (),
    timeline: bool = False,
    allow_large: bool = False,
    progress: ShowProgress = None,
) -> Result:
    """Run every scheme of a config. Raises ``ConfigError``: the config is bad (one line says where,
    and what is valid), or no cell could be computed. Where some cells of a sweep fail,
    ``Result.failed`` has them. What the reader should know of the results is a Python warning.

    Args:
        config: a YAML file, or a mapping with the same keys.
        output: keep the tables in this folder, as ``erasurehead run --output`` does; a second run
            then computes only what is missing. Without it, nothing is written that stays, and the
            result is in memory.
        set: values that replace those of the config, by dotted key: ``{"delay.rate": 2.0}``.
        jobs: cells (a scheme at one point of a sweep) computed at the same time.
        scheduler: the address of a Dask cluster that computes the cells instead, or a ``Client`` of
            it, which stays open. What becomes of its workers is said on stderr.
        data_dir: where the public data sets lie; default ``$ERASUREHEAD_DATA``.
        plugins: what the config can name besides: files, modules, or classes; those of a script or
            notebook run with ``jobs=1``, and their own source tells their cells apart.
        timeline: also record what every worker did in the first replication, for ``plot.gantt``.
        allow_large: run also what this machine seems too small for.
        progress: ``None`` for a bar in a terminal or notebook, ``False`` for none, or a function
            of (cells done, cells in all).
    """
    options = options_of(jobs, scheduler, data_dir, allow_large)
    document = with_plugins(document_of(config, changes_of(set), plugins), plugins, options)
    return _run(document, output, options, progress, timeline)


@face
def sweep(
    config: Config,
    *,
    output: Folder = None,
    set: Mapping[str, Any] | None = None,
    jobs: int = 1,
    scheduler: Any = None,
    data_dir: Folder = None,
    plugins: Plugins = (),
    allow_large: bool = False,
    progress: ShowProgress = None,
) -> Result:
    """Run a config at every point of a grid: as ``run``, but several values make an axis of it.
    Raises ``ConfigError``: as ``run``.

    Args:
        config: a YAML file, or a mapping with the same keys; its own ``sweep:`` counts too.
        set: ``{"delay.rate": [0.5, 1.0, 2.0], "seed": 3}``. A list, tuple, range or array is an
            axis of the grid; to set a value that is itself a list, put it in another list. A list
            of schemes replaces those of the config, as in ``run``.
        output, jobs, scheduler, data_dir, plugins, allow_large, progress: as for ``run``.
    """
    values = changes_of(set)
    axes = {
        key: value
        for key, given in values.items()
        if isinstance(value := plainly(given), list)
        and (key != "schemes" or all(isinstance(v, list) for v in value))
    }
    single = {key: value for key, value in values.items() if key not in axes}
    changed = document_of(config, single, plugins)
    for key in axes:
        document.drop_axes(changed, key)
    changed["sweep"] = {**(changed.get("sweep") or {}), **axes}
    options = options_of(jobs, scheduler, data_dir, allow_large)
    own = plugins_of_objects([values[key] for key in axes])
    return _run(with_plugins(changed, [*plugins, *own], options), output, options, progress)


@face
def load(directory: str | os.PathLike[str]) -> Result:
    """What a run or sweep wrote to ``directory``. Raises ``ConfigError``: it holds no result."""
    return Result.of(folder_of("directory", directory))


def with_plugins(document: dict[str, Any], plugins: Plugins, options: RunOptions) -> dict[str, Any]:
    """The document with these beside its own. Raises ConfigError: one is of this process alone, and
    others shall compute."""
    known = code_in(document)
    new = [
        name
        for name in _names_of(plugins)
        if not any(is_same_code(name, listed) for listed in known)
    ]
    every = [*dict.fromkeys([*(document.get("plugins") or []), *new])]
    running = [name for name in every if str(name).startswith(RUNNING)]
    if running and (options.jobs > 1 or options.scheduler):
        valid = "use jobs=1, or put it into a file: no other process has the running script"
        raise at("plugins", running[0], valid)
    return document | ({"plugins": every} if every else {})


def _names_of(plugins: Plugins) -> list[str]:
    """Plugins as a config lists them. Raises ConfigError: they are no list."""
    if isinstance(plugins, str | type):
        raise at("plugins", plugins, "must be a list of files, modules or classes")
    return [plugin_of(own) if isinstance(own, type) else os.fspath(own) for own in plugins]


def options_of(
    jobs: int, scheduler: Any, data_dir: Folder, allow_large: bool = False
) -> RunOptions:
    """Arguments of a run. Raises ConfigError: one is of no use."""
    if isinstance(jobs, bool) or not isinstance(jobs, int | np.integer) or jobs < 1:
        raise at("jobs", jobs, "must be a whole number of at least 1")
    data = None if data_dir is None else folder_of("data_dir", data_dir)
    if not isinstance(scheduler, str | None) and not hasattr(scheduler, "get_executor"):
        valid = 'must be an address such as "tcp://host:8786", or a Client of dask.distributed'
        raise at("scheduler", scheduler, valid)
    return RunOptions(int(jobs), scheduler, data, allow_large=allow_large)


def changes_of(values: Any) -> Mapping[str, Any]:
    """The argument ``set``; nothing for ``None``."""
    if not isinstance(values, Mapping | None) or not all(isinstance(k, str) for k in values or {}):
        raise at("set", values, 'must be a mapping of dotted keys, as {"delay.rate": 2.0}')
    return values or {}


def _run(
    config: dict[str, Any],
    output: Folder,
    options: RunOptions,
    progress: ShowProgress,
    timeline: bool = False,
) -> Result:
    kept = None if output is None else folder_of("output", output)
    with reporting(progress, "cells") as update:
        options = replace(options, timeline=timeline, progress=update)
        if options.scheduler is not None and progress is not False:
            options = replace(options, tell=terminal.tell)
        try:
            outcome = run_document(config, kept, options)
        except KeyboardInterrupt as stopped:
            resumed = f"finished cells are in {kept}; the same call goes on from them"
            lost = "nothing is kept; with output=FOLDER the same call goes on from what is done"
            stopped.add_note(resumed if kept else lost)
            raise
    if failed := {cell.named: reason for cell, reason in outcome.failed}:
        first = ": ".join(next(iter(failed.items())))
        if not outcome.finished:
            raise ConfigError(f"no cell could be computed; {first}")
        text = f"{number_of(len(failed), 'cell')} could not be computed (Result.failed)"
        warnings.warn(f"{text}; {first}", stacklevel=4)
    for text in outcome.warnings:
        warnings.warn(text, stacklevel=4)
    if kept:
        return Result.of(kept, failed)
    iterations, summary, workers = map(as_written, tables_of(outcome).values())
    assert iterations is not None
    assert summary is not None
    records = Records(iterations, summary, workers=workers, config=resolved(config))
    if timeline:
        spans = timeline_table(record(shown(outcome.finished)))
        records = replace(records, timeline=spans)
    return Result(None, failed, records)


def document_of(config: Config, values: Mapping[str, Any], plugins: Plugins = ()) -> dict[str, Any]:
    """The config with its changes; relative paths in a mapping start from the working directory.
    Raises ConfigError: it cannot be read, or is of a result and names code that is not among
    ``plugins``."""
    if not isinstance(config, str | os.PathLike | Mapping):
        raise at("config", config, "must be the path of a YAML file, or a mapping")
    path = None if isinstance(config, Mapping) else Path(config)
    merged = plainly(config) if path is None else document.load(path)
    sent, allowed = sent_code(merged, path), _names_of(plugins)
    if own := plugins_of_objects([config, *values.values()]):
        merged["plugins"] = [*dict.fromkeys([*(merged.get("plugins") or []), *own])]
    for key, value in values.items():
        document.drop_axes(merged, key)  # as on the command line
        document.set_dotted(merged, key, plainly(value))
    names = [
        name
        for name in code_in(merged)
        if name in sent and not any(is_same_code(name, own) for own in allowed)
    ]
    if names:
        raise ConfigError(
            f"{path or 'config'}: is of a result, and the code that it names would be run: "
            f"{enumerated(names, 3)}; read it, then list it in plugins=[...]"
        )
    return document.anchored(merged, Path.cwd())


def plainly(value: Any) -> Any:
    """What YAML could have given: lists for arrays, numbers for NumPy's, text for paths, sections
    for objects."""
    if isinstance(value, np.ndarray | np.generic):
        return plainly(value.tolist())
    if isinstance(value, Objective):
        use = 'use eh.simulate and eh.train; or write them with numpy.savez("data.npz", X=X, y=y)'
        form = '{"loss": ..., "dataset": "file", "path": "data.npz", "l2": ...}'
        raise ConfigError(f"problem: {type(value).__name__} holds arrays: {use}, and give {form}")
    if isinstance(value, type):
        use = f"give its name as text, and plugins=[{value.__name__}] if it is your own"
        raise ConfigError(f"config: {value.__name__} is a class; {use}")
    if isinstance(type(value), Configurable):
        return plain(value, BUILT_IN)
    if isinstance(value, Mapping):
        section = {key: plainly(inner) for key, inner in value.items()}
        if isinstance(data := value.get("dataset"), DatasetFamily):  # a section is flat
            return section | {"dataset": BUILT_IN.name_of(type(data))[1]} | section["dataset"]
        return section
    if isinstance(value, list | tuple | range):
        return [plainly(inner) for inner in value]
    return str(value) if isinstance(value, os.PathLike) else value


# A progress bar where somebody can see it: in a terminal or in a notebook.


@contextmanager
def reporting(progress: ShowProgress, unit: str) -> Iterator[Progress]:
    """Where a long call reports to."""
    if progress is False:
        yield lambda done, total: None
    elif callable(progress):
        told = set[tuple[int, int]]()  # parts of a cell are for bars

        def count(done: float, total: int) -> None:
            if (counts := (int(done), total)) not in told:
                told.add(counts)
                progress(*counts)

        yield count
    elif in_notebook():
        with _notebook_bar(unit) as bar:
            yield bar
    else:
        with terminal.progress(unit) as bar:
            yield bar


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel."""
    ipython = sys.modules.get("IPython")
    return hasattr(ipython and ipython.get_ipython(), "kernel")


@contextmanager
def _notebook_bar(unit: str) -> Iterator[Progress]:
    """One line of HTML, replaced as work goes on; it appears with the first report."""
    display = import_module("IPython.display")
    began = time.monotonic()
    handle, updated = None, began

    def show(done: float, total: int) -> None:
        nonlocal handle, updated
        now = time.monotonic()
        html = display.HTML(bar(unit, done, total, now - began))
        if handle is None:
            handle = display.display(html, display_id=True)
        elif done >= total or now > updated + 0.1:
            updated = now
            handle.update(html)

    yield show


def bar(unit: str, done: float, total: int, seconds: float) -> str:
    """The bar as HTML."""
    full = f'<progress value="{done:g}" max="{total}"></progress>'
    return f"{escape(unit)} {full} {int(done)}/{total}, {seconds:.0f} s"
