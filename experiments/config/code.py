"""The code that a config names, and the copy of it that a result carries.

*Code* is what a config names that is run: the files and modules among ``plugins``, and the file of
``problem.model``. A result carries a copy of the files in its folder ``code``, and its config names
these by relative paths: so it can be moved, and sent. Who gets it has not written them, and runs
them with ``--allow-plugins`` alone, in Python with ``plugins=[...]``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from .document import is_file

FOLDER = "code"  # of a result, with the copies


def plugins_in(document: Mapping[str, Any]) -> list[str]:
    """The plugins that a document lists; none where it lists something else."""
    listed = document.get("plugins")
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def models_in(document: Mapping[str, Any]) -> list[str]:
    """The files of models that a document names, those of its sweep included."""
    problems, sweep = [document.get("problem")], document.get("sweep")
    models = list[Any]()
    for key, values in sweep.items() if isinstance(sweep, Mapping) else ():
        several = values if isinstance(values, list) else [values]
        if key == "problem":
            problems += several
        if key == "problem.model":
            models += several
    models += [problem.get("model") for problem in problems if isinstance(problem, Mapping)]
    return [model for model in models if isinstance(model, str)]


def code_in(document: Mapping[str, Any]) -> list[str]:
    """All code that a document names, each once."""
    return [*dict.fromkeys([*plugins_in(document), *models_in(document)])]


def is_same_code(first: str, second: str) -> bool:
    """Whether two names are of one module, or of files with the same content."""
    if first == second or not (is_file(first) and is_file(second)):
        return first == second
    try:
        return Path(first).read_bytes() == Path(second).read_bytes()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Carried:
    """A resolved config as a result carries it."""

    config: dict[str, Any] = field(default_factory=dict)  # with the paths of the copies
    # By the name of each copy: the file that it is of.
    copies: Mapping[str, Path] = field(default_factory=dict)


def carried(config: Mapping[str, Any], output: Path) -> Carried:
    """How the result in ``output`` carries a resolved config, whose paths are absolute. A file that
    lies among its copies is one of them: a result that was moved is resumed."""
    listed = [name for name in plugins_in(config) if is_file(name)]
    copies = dict[str, Path]()
    names = dict[str, str]()
    folder = Path(os.path.realpath(output)) / FOLDER
    paths = [*dict.fromkeys([*listed, *models_in(config)])]
    # Copies keep their names, also where another file has the same one.
    for path in sorted(paths, key=lambda path: Path(path).resolve().parent != folder):
        name = _free_name(Path(path), copies)
        copies[name] = Path(path)
        names[path] = f"{FOLDER}/{name}"
    return Carried(renamed_code(config, names), copies)


def _free_name(file: Path, taken: Iterable[str]) -> str:
    """A name for a copy of a file, which no other one has: ``x.py``, or ``x-2.py``."""
    stem = file.name.removesuffix(".py")
    lower = {name.lower() for name in taken}  # on some systems case tells no files apart
    name = f"{stem}.py"
    for number in count(2):
        if name.lower() not in lower:
            break
        name = f"{stem}-{number}.py"
    return name


def renamed_code(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A config in which files of code have other names; other texts stay."""
    from .cells import renamed  # with all schemes, which readers of a result need not

    sections = {key: config[key] for key in ("plugins", "problem") if key in config}
    sweep = config.get("sweep")
    if isinstance(sweep, Mapping):
        swept = {key: value for key, value in sweep.items() if key.partition(".")[0] == "problem"}
        sections["sweep"] = {**sweep, **renamed(swept, names)}
    sections |= {key: renamed(sections[key], names) for key in sections if key != "sweep"}
    return {**config, **sections}
